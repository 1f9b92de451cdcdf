//! Variants to spike in, from a VCF.

use crate::domain::{Pos, Variant};
use crate::format::input;
use crate::genome::Reference;
use crate::{Error, Result, error::thousands};
use std::io::BufRead;
use std::path::Path;

/// A variant, and the fraction of molecules that carry it.
#[derive(Clone, Debug, PartialEq)]
pub struct Spike {
    /// The record's ID.
    pub name: String,
    /// The variant.
    pub variant: Variant,
    /// 0 to 1; a heterozygous germline variant has 0.5.
    pub fraction: f64,
    /// Variants of one group are carried by the same molecules.
    pub group: Option<String>,
}

/// Reads the variants to spike in from a VCF (plain or gzip): one ALT a record, its fraction as
/// `INFO/AF`, and optionally `INFO/GROUP`. They come sorted.
///
/// # Errors
/// Names file and line for a record that cannot be read, lies on an unknown contig, has a REF that
/// is not the reference's, lacks AF, or overlaps another.
pub fn read_spikes(path: &Path, reference: &Reference) -> Result<Vec<Spike>> {
    let file = input::display_name(path);
    let mut spikes: Vec<(Spike, u64)> = Vec::new();
    for (i, line) in input::open(path)?.lines().enumerate() {
        let number = i as u64 + 1;
        let wrong = |what: String, remedy: &str| {
            Error::input(&file, format!("line {}", thousands(number)), what, remedy)
        };
        let line = line.map_err(|e| wrong(e.to_string(), "Give a VCF file, plain or gzip."))?;
        if line.starts_with('#') || line.trim().is_empty() {
            continue;
        }
        let columns: Vec<&str> = line.trim_end().split('\t').collect();
        let position = columns.get(1).and_then(|c| c.parse::<u32>().ok());
        let (Some(position @ 1..), Some(info)) = (position, columns.get(7)) else {
            return Err(wrong(
                "not a VCF record".into(),
                "Eight columns, with tabs between them, are the least.",
            ));
        };
        let Some(contig) = reference.contig_id(columns[0]) else {
            return Err(wrong(
                format!("the reference has no contig {}", columns[0]),
                "Give variants of this reference.",
            ));
        };
        let is_sequence = |s: &str| !s.is_empty() && s.bytes().all(|b| b"ACGT".contains(&b));
        if !is_sequence(columns[3]) || !is_sequence(columns[4]) || columns[3] == columns[4] {
            return Err(wrong(
                format!("REF {} and ALT {}", columns[3], columns[4]),
                "Spell both out in ACGT, with one ALT in each record.",
            ));
        }
        let variant = Variant {
            contig,
            pos: Pos(position - 1),
            reference: columns[3].into(),
            alternate: columns[4].into(),
        };
        let here = reference.bases(contig, variant.span());
        if here != variant.reference {
            return Err(wrong(
                format!(
                    "REF is {} but the reference has {}",
                    columns[3],
                    String::from_utf8_lossy(&here)
                ),
                "Give variants of this reference.",
            ));
        }
        let field = |key: &str| {
            info.split(';')
                .filter_map(|f| f.split_once('='))
                .find_map(|(k, v)| (k == key).then_some(v))
        };
        let fraction = field("AF").and_then(|v| v.parse::<f64>().ok());
        let Some(fraction) = fraction.filter(|f| (0.0..=1.0).contains(f)) else {
            return Err(wrong(
                "INFO has no AF from 0 to 1".into(),
                "Give the fraction of molecules that carry the variant as AF=0.25.",
            ));
        };
        spikes.push((
            Spike {
                name: columns[2].to_string(),
                variant,
                fraction,
                group: field("GROUP").map(str::to_string),
            },
            number,
        ));
    }
    spikes.sort_by(|a, b| a.0.variant.cmp(&b.0.variant));
    for pair in spikes.windows(2) {
        let (a, b) = (&pair[0].0.variant, &pair[1].0.variant);
        if a.contig == b.contig && a.span().end > b.pos.0 {
            return Err(Error::input(
                &file,
                format!("line {}", thousands(pair[1].1)),
                format!("overlaps the variant in line {}", thousands(pair[0].1)),
                "Give variants that do not share a base, or simulate them apart.",
            ));
        }
    }
    Ok(spikes.into_iter().map(|(s, _)| s).collect())
}
