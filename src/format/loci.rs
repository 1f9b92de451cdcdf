//! Loci to be asked whatever the reads show: alleles from a VCF, of which only the place, ID, REF and
//! ALT are read.

use super::input;
use crate::domain::{Pos, Variant};
use crate::genome::Reference;
use crate::{Error, Result, error::thousands};
use std::io::BufRead;
use std::path::Path;

/// An allele to be asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Locus {
    /// The record's ID; `.` if it has none.
    pub name: String,
    /// The allele as the record spells it.
    pub variant: Variant,
}

/// Reads the alleles, in the order of the file, several ALTs apart.
///
/// # Errors
/// Names file and line of a record that is malformed, lies on an unknown contig, has a REF that is not
/// the reference's, or an ALT that is not spelt out.
pub fn read(path: &Path, reference: &Reference) -> Result<Vec<Locus>> {
    let file = input::display_name(path);
    let mut out = Vec::new();
    for (i, line) in input::open(path)?.lines().enumerate() {
        let wrong = |what: String, remedy: &str| {
            Error::input(
                &file,
                format!("line {}", thousands(i as u64 + 1)),
                what,
                remedy,
            )
        };
        let line = line.map_err(|e| wrong(e.to_string(), "Give a VCF file, plain or gzip."))?;
        if line.starts_with('#') || line.trim().is_empty() {
            continue;
        }
        let columns: Vec<&str> = line.trim_end().split('\t').collect();
        let position = columns.get(1).and_then(|c| c.parse::<u32>().ok());
        let (Some(position @ 1..), true) = (position, columns.len() >= 5) else {
            return Err(wrong(
                "not a VCF record".into(),
                "CHROM, POS, ID, REF and ALT, with tabs between them, are the least.",
            ));
        };
        let remedy = "Give variants of this reference.";
        let contig = reference.contig_id(columns[0]).ok_or_else(|| {
            wrong(
                format!("the reference has no contig {}", columns[0]),
                remedy,
            )
        })?;
        for alternate in columns[4].split(',') {
            let is_sequence = |s: &str| !s.is_empty() && s.bytes().all(|b| b"ACGT".contains(&b));
            if !is_sequence(columns[3]) || !is_sequence(alternate) || columns[3] == alternate {
                return Err(wrong(
                    format!("REF {} and ALT {alternate}", columns[3]),
                    "Spell both out in ACGT.",
                ));
            }
            let variant = Variant {
                contig,
                pos: Pos(position - 1),
                reference: columns[3].into(),
                alternate: alternate.into(),
            };
            let inside = variant.span().end <= reference.contig(contig).length;
            let here = if inside {
                reference.bases(contig, variant.span())
            } else {
                Vec::new()
            };
            if here != variant.reference {
                return Err(wrong(
                    format!(
                        "REF is {} but the reference has {}",
                        columns[3],
                        String::from_utf8_lossy(&here)
                    ),
                    remedy,
                ));
            }
            out.push(Locus {
                name: columns[2].to_string(),
                variant,
            });
        }
    }
    Ok(out)
}
