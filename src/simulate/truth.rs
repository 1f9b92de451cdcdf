//! The truth beside the reads: what was asked for, and what was drawn.

use super::{Drawn, Options, Spike, Summary};
use crate::Result;
use crate::format::output::Output;
use crate::format::vcf::{Line, with_suffix, write_indexed};
use crate::genome::Reference;
use serde_json::json;
use std::fmt::Write;
use std::path::Path;

/// INFO fields of the truth: ID, number, type, description.
const INFO: [[&str; 4]; 5] = [
    [
        "AF",
        "A",
        "Float",
        "Fraction of molecules that were to carry the allele",
    ],
    [
        "DRAWN_DP",
        "1",
        "Integer",
        "Molecules with a read that spans the place",
    ],
    [
        "DRAWN_AD",
        "A",
        "Integer",
        "Those of them that carry the allele",
    ],
    [
        "DRAWN_AF",
        "A",
        "Float",
        "DRAWN_AD / DRAWN_DP; missing if no molecule spans the place",
    ],
    [
        "GROUP",
        "1",
        "String",
        "Alleles of one group are carried by the same molecules",
    ],
];

/// Writes `PREFIX.truth.vcf.gz`, its index, and `PREFIX.truth.json`.
///
/// # Errors
/// When writing fails.
pub fn write_truth(
    prefix: &Path,
    reference: &Reference,
    spikes: &[Spike],
    options: &Options,
    summary: &Summary,
) -> Result<()> {
    let contigs: Vec<(&str, u32)> = reference
        .contigs()
        .iter()
        .map(|c| (c.name.as_str(), c.length))
        .collect();
    let lines = vcf_lines(spikes, &summary.drawn, &contigs);
    let vcf = with_suffix(prefix, ".truth.vcf.gz");
    write_indexed(&vcf, &header(reference), &contigs, &lines)?;
    let figures = json!({
        "schema": "theralign-simulate/1",
        "program": concat!("theralign ", env!("CARGO_PKG_VERSION")),
        "reference": reference.digest(),
        "options": options,
        "drawn": summary,
        "variants": spikes.len(),
        "variants_unseen": summary.drawn.iter().filter(|d| d.covering == 0).count(),
    });
    let mut text = serde_json::to_string_pretty(&figures).expect("plain data always serializes");
    text.push('\n');
    Output::write(&with_suffix(prefix, ".truth.json"), text.as_bytes())
}

fn header(reference: &Reference) -> String {
    let mut out = String::from("##fileformat=VCFv4.4\n");
    let version = env!("CARGO_PKG_VERSION");
    let _ = writeln!(out, "##source=theralign {version} simulate");
    let _ = writeln!(out, "##theralign_reference={}", reference.digest());
    out.push_str("##FILTER=<ID=PASS,Description=\"All filters passed\">\n");
    for [id, number, kind, description] in INFO {
        let _ = writeln!(
            out,
            "##INFO=<ID={id},Number={number},Type={kind},Description=\"{description}\">"
        );
    }
    for c in reference.contigs() {
        let _ = writeln!(
            out,
            "##contig=<ID={},length={},md5={}>",
            c.name, c.length, c.md5
        );
    }
    out.push_str("#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\n");
    out
}

/// The records, in the order of the variants.
pub fn vcf_lines(spikes: &[Spike], drawn: &[Drawn], contigs: &[(&str, u32)]) -> Vec<Line> {
    let line = |(spike, drawn): (&Spike, &Drawn)| {
        let v = &spike.variant;
        let text = String::from_utf8_lossy;
        let mut info = format!(
            "AF={};DRAWN_DP={};DRAWN_AD={}",
            spike.fraction, drawn.covering, drawn.carrying
        );
        if drawn.covering > 0 {
            let fraction = drawn.carrying as f64 / drawn.covering as f64;
            let _ = write!(info, ";DRAWN_AF={fraction:.6}");
        }
        if let Some(group) = &spike.group {
            let _ = write!(info, ";GROUP={group}");
        }
        Line {
            contig: v.contig.index(),
            start: v.pos.0,
            end: v.span().end,
            text: format!(
                "{}\t{}\t{}\t{}\t{}\t.\tPASS\t{info}",
                contigs[v.contig.index()].0,
                v.pos.one_based(),
                spike.name,
                text(&v.reference),
                text(&v.alternate)
            ),
        }
    };
    spikes.iter().zip(drawn).map(line).collect()
}
