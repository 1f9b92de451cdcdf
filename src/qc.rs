//! Quality figures of a run: what became of the reads, and how deep the panel was read.

use crate::domain::{ContigId, Span};
use crate::format::bed;
use crate::genome::Reference;
use crate::report::depth::Depth as PanelDepth;
use crate::sort::library::Counts;
use crate::{Error, Result};
use noodles::sam::alignment::record::Cigar as _;
use noodles::{bam, bgzf};
use serde::Serialize;
use std::fs::File;
use std::path::Path;

/// Depths at which the share of the panel that reaches them is told.
const THRESHOLDS: [u32; 8] = [1, 20, 50, 100, 200, 500, 1000, 2000];
/// Insert sizes from here on are counted as this.
const LONGEST_INSERT: usize = 10_000;

/// The figures of `qc.json`.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Qc {
    /// What became of the reads.
    pub reads: Reads,
    /// Of proper pairs that are not duplicates; absent without any.
    pub insert_size: Option<InsertSize>,
    /// Copies, library by library.
    pub duplicates: Vec<Counts>,
    /// Of the panel's bases: reads usable for calling, one per fragment.
    pub depth: Depth,
    /// The same, region by region.
    pub regions: Vec<RegionDepth>,
}

/// Reads by what became of them. Secondary and supplementary records are not counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Reads {
    /// All.
    pub total: u64,
    /// Aligned.
    pub mapped: u64,
    /// In pairs whose mates lie as they should.
    pub properly_paired: u64,
    /// Marked as repeats of a molecule.
    pub duplicates: u64,
    /// Aligned, touching a region of the panel; duplicates included.
    pub on_target: u64,
    /// Aligned, with a MAPQ of 30 or more.
    pub mapq_30: u64,
}

/// Lengths of the sequenced fragments, in bases.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct InsertSize {
    /// Half are no longer.
    pub median: u32,
    /// Mean, of those under 10,000.
    pub mean: f64,
    /// Standard deviation, of those under 10,000.
    pub sd: f64,
}

/// Depth over a stretch.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Depth {
    /// Bases of the panel.
    pub bases: u64,
    /// Least.
    pub min: u32,
    /// Half of the bases have no more.
    pub median: u32,
    /// Mean.
    pub mean: f64,
    /// Share of the bases that reach a depth, as `20x` to 0.9876.
    pub share_at_least: serde_json::Map<String, serde_json::Value>,
}

/// Depth of one region.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct RegionDepth {
    /// The BED's name for it.
    pub name: String,
    /// `contig:start-end`, counted from 1.
    pub place: String,
    /// Least depth.
    pub min: u32,
    /// Mean depth.
    pub mean: f64,
}

/// Counts a BAM's reads and gives their insert sizes. `regions` are sorted.
pub fn count_reads(path: &Path, regions: &[bed::Region]) -> Result<(Reads, Option<InsertSize>)> {
    let file = File::open(path).map_err(Error::io(path))?;
    let mut reader = bam::io::Reader::from(bgzf::io::Reader::new(file));
    let targets = bed::merged(regions);
    let mut reads = Reads::default();
    let mut inserts = vec![0u64; LONGEST_INSERT + 1];
    let mut record = bam::Record::default();
    reader.read_header().map_err(Error::io(path))?;
    while reader.read_record(&mut record).map_err(Error::io(path))? != 0 {
        let flags = record.flags();
        if flags.is_secondary() || flags.is_supplementary() {
            continue;
        }
        reads.total += 1;
        reads.duplicates += u64::from(flags.is_duplicate());
        if flags.is_unmapped() {
            continue;
        }
        reads.mapped += 1;
        reads.properly_paired += u64::from(flags.is_properly_segmented());
        reads.mapq_30 += u64::from(record.mapping_quality().is_some_and(|q| q.get() >= 30));
        let length = record.template_length();
        if flags.is_properly_segmented() && !flags.is_duplicate() && length > 0 {
            inserts[(length as usize).min(LONGEST_INSERT)] += 1;
        }
        if let (Some(contig), Some(start)) =
            (record.reference_sequence_id(), record.alignment_start())
        {
            let contig = ContigId(contig.map_err(Error::io(path))? as u32);
            let start = start.map_err(Error::io(path))?.get() as u32 - 1;
            let span = record.cigar().alignment_span().map_err(Error::io(path))? as u32;
            let here = Span::new(start, start + span.max(1));
            let next = targets.partition_point(|(c, s)| (*c, s.end) <= (contig, here.start));
            reads.on_target += u64::from(
                targets
                    .get(next)
                    .is_some_and(|(c, s)| *c == contig && s.overlaps(here)),
            );
        }
    }
    Ok((reads, insert_size(&inserts)))
}

fn insert_size(counts: &[u64]) -> Option<InsertSize> {
    let all: u64 = counts.iter().sum();
    if all == 0 {
        return None;
    }
    let mut below = 0;
    let median = counts.iter().position(|&n| {
        below += n;
        2 * below >= all
    });
    let usual = &counts[..LONGEST_INSERT];
    let of = |power: i32| -> f64 {
        let each = usual.iter().enumerate();
        each.map(|(i, &n)| n as f64 * (i as f64).powi(power)).sum()
    };
    let n = of(0).max(1.0);
    let mean = of(1) / n;
    Some(InsertSize {
        median: median.unwrap_or_default() as u32,
        mean: rounded(mean),
        sd: rounded((of(2) / n - mean * mean).max(0.0).sqrt()),
    })
}

/// Two decimals are enough for people, and alike everywhere.
fn rounded(x: f64) -> f64 {
    (x * 100.0).round() / 100.0
}

/// Sums up the depths that `call` leaves beside a VCF over the regions; a base that the file lacks
/// counts as 0.
pub fn depths(
    path: &Path,
    reference: &Reference,
    regions: &[bed::Region],
) -> Result<(Depth, Vec<RegionDepth>)> {
    let depths = PanelDepth::read(path, reference)?;
    let mut all: Vec<u32> = bed::merged(regions)
        .into_iter()
        .flat_map(|(c, s)| depths.each(c, s))
        .collect();
    all.sort_unstable();
    let depth = Depth {
        bases: all.len() as u64,
        min: all[0],
        median: all[(all.len() - 1) / 2],
        mean: mean(&all),
        share_at_least: THRESHOLDS
            .iter()
            .map(|&t| {
                let reach = all.len() - all.partition_point(|&d| d < t);
                // Rounded down: 1 is said only where every base has it.
                let share = (1e4 * reach as f64 / all.len() as f64).floor() / 1e4;
                (format!("{t}x"), share.into())
            })
            .collect(),
    };
    let each = regions
        .iter()
        .map(|r| {
            let here = depths.each(r.contig, r.span);
            RegionDepth {
                name: r.name.clone(),
                place: format!(
                    "{}:{}-{}",
                    reference.contig(r.contig).name,
                    r.span.start + 1,
                    r.span.end
                ),
                min: here.iter().copied().min().unwrap_or_default(),
                mean: mean(&here),
            }
        })
        .collect();
    Ok((depth, each))
}

fn mean(depths: &[u32]) -> f64 {
    rounded(depths.iter().map(|&d| f64::from(d)).sum::<f64>() / depths.len() as f64)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::genome::BuildOptions;

    #[test]
    fn a_base_without_a_line_has_depth_zero() {
        let folder = tempfile::tempdir().unwrap();
        let fasta = folder.path().join("c.fa");
        std::fs::write(&fasta, ">c\n".to_string() + &"ACGT".repeat(20)).unwrap();
        let index = folder.path().join("c.tidx");
        let reference = Reference::build_file(&fasta, &index, BuildOptions::default()).unwrap();
        let file = folder.path().join("depth.bed");
        std::fs::write(&file, "c\t10\t14\t100\nc\t14\t15\t20\nc\t30\t31\t5\n").unwrap();
        let region = |start, end| bed::Region {
            contig: ContigId(0),
            span: Span::new(start, end),
            name: format!("r{start}"),
        };
        let regions = [region(12, 16), region(14, 16)];
        let (depth, each) = depths(&file, &reference, &regions).unwrap();
        // Overlapping regions count once: depths 100, 100, 20, 0.
        assert_eq!(
            (depth.bases, depth.min, depth.median, depth.mean),
            (4, 0, 20, 55.0)
        );
        let share = |t: u32| depth.share_at_least[&format!("{t}x")].as_f64().unwrap();
        assert_eq!((share(1), share(50), share(200)), (0.75, 0.5, 0.0));
        assert_eq!(each[1].place, "c:15-16");
        assert_eq!((each[1].min, each[1].mean), (0, 10.0));
    }

    #[test]
    fn insert_sizes_leave_the_far_ones_out_of_the_mean() {
        let mut counts = vec![0; LONGEST_INSERT + 1];
        counts[200] = 3;
        counts[300] = 1;
        counts[LONGEST_INSERT] = 1;
        let size = insert_size(&counts).unwrap();
        assert_eq!((size.median, size.mean, size.sd), (200, 225.0, 43.30));
        assert_eq!(insert_size(&vec![0; LONGEST_INSERT + 1]), None);
    }
}
