//! Depth of the panel's genes, exon by exon: what of each coding exon lies in the panel, and how
//! deep that was read.

use super::depth::mean;
use super::targets::Targets;
use crate::Result;
use crate::annotate::{GeneModel, Knowledge};
use crate::domain::Span;
use crate::format::output::Output;
use crate::genome::Reference;
use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::Path;

/// Depths for which the bases that reach them are counted.
const REACHED: [u32; 4] = [20, 100, 500, 1000];

/// Writes a table of the exons of genes that the panel touches; one transcript for each gene, the one
/// that the report speaks of. Of coding transcripts the coding parts, of others the exons.
///
/// # Errors
/// When the gene model cannot be read or writing fails.
pub fn write(
    path: &Path,
    genes: &Path,
    depths: &[u32],
    targets: &Targets,
    reference: &Reference,
) -> Result<()> {
    let mut regions: BTreeMap<_, Vec<Span>> = BTreeMap::new();
    for (contig, span, _) in targets.spans() {
        regions.entry(contig).or_default().push(span);
    }
    let model = GeneModel::read(genes, reference, &regions, &Knowledge::shipped())?;
    let reached = REACHED.map(|t| format!("\tbases_{t}x"));
    let mut out = format!(
        "#chrom\tstart\tend\tgene\ttranscript\texon\tbases\tbases_in_panel\tmin\tmean{}\n",
        reached.concat()
    );
    for transcript in &model.transcripts {
        let model = &transcript.model;
        for (i, &exon) in transcript.exons.iter().enumerate() {
            for part in parts(exon, &model.coding) {
                let inside: Vec<u32> = (targets.parts(model.contig, part))
                    .flat_map(|(s, slot)| depths[slot..slot + s.len() as usize].iter().copied())
                    .collect();
                let chrom = &reference.contig(model.contig).name;
                let _ = write!(
                    out,
                    "{chrom}\t{}\t{}\t{}\t{}\t{}\t{}\t{}",
                    part.start,
                    part.end,
                    model.gene,
                    model.id,
                    i + 1,
                    part.len(),
                    inside.len()
                );
                // An exon that the panel leaves out has no depth, not a depth of 0.
                match inside.iter().min() {
                    Some(min) => {
                        let _ = write!(out, "\t{min}\t{:.2}", mean(&inside));
                    }
                    None => out.push_str("\t.\t."),
                }
                for t in REACHED {
                    let n = inside.iter().filter(|&&d| d >= t).count();
                    let _ = write!(out, "\t{n}");
                }
                out.push('\n');
            }
        }
    }
    Output::write(path, out.as_bytes())
}

/// The coding parts of an exon, or all of it where nothing is coding.
fn parts(exon: Span, coding: &[Span]) -> Vec<Span> {
    if coding.is_empty() {
        return vec![exon];
    }
    let within = coding.iter().filter(|c| c.overlaps(exon));
    within
        .map(|c| Span::new(c.start.max(exon.start), c.end.min(exon.end)))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_a_coding_transcript_only_coding_parts_count() {
        let exon = Span::new(10, 50);
        assert_eq!(parts(exon, &[]), [exon]);
        assert_eq!(parts(exon, &[Span::new(30, 80)]), [Span::new(30, 50)]);
        assert!(parts(exon, &[Span::new(60, 80)]).is_empty());
    }
}
