//! Reads one sample's variant calls from a VCF.

use super::input;
use crate::domain::{Pos, Variant};
use crate::genome::Reference;
use crate::{Error, Result, error::thousands};
use std::io::BufRead;
use std::path::Path;

/// Of the header: how the reads were made of molecules' copies.
pub const CONSENSUS_LINE: &str = "##theralign_consensus=";

/// One alternate allele of one record, as the sample has it.
#[derive(Clone, Debug)]
pub struct Call {
    /// The change.
    pub variant: Variant,
    /// Filters that it failed; empty for `PASS` and `.`.
    pub filters: Vec<String>,
    /// GT as it stands; empty if absent.
    pub genotype: String,
    /// Copies of this allele in GT, where GT is complete.
    pub copies: Option<u32>,
    /// Fragments at the place.
    pub depth: Option<u32>,
    /// Fragments that carry the allele.
    pub support: Option<u32>,
    /// Fraction of the molecules that carry the allele (AF).
    pub fraction: Option<f64>,
    /// Its 95 % interval (CI).
    pub fraction_ci: Option<(f64, f64)>,
    /// Reads: reference forward, reverse, alternate forward, reverse.
    pub strands: Option<[u32; 4]>,
}

/// A VCF's calls for one sample, in the order of the file, and what its header says of their making.
#[derive(Clone, Debug)]
pub struct Calls {
    /// The calls.
    pub calls: Vec<Call>,
    /// The sample's name.
    pub sample: String,
    /// `somatic` or `germline` if the header says so.
    pub mode: Option<String>,
    /// How the reads were made of molecules' copies, if they were and the header says so.
    pub consensus: Option<String>,
    /// Alleles left out: symbolic ones, `*`, breakends.
    pub skipped: u64,
    /// The header names no reference digest.
    pub unsigned: bool,
}

/// Reads the calls of a sample (needed by name if there are several).
///
/// # Errors
/// Names file and line: no VCF, cut short, made on another reference (by digest, contig or REF
/// base), several samples and none named, a sample that is not there, a malformed record.
pub fn read(path: &Path, reference: &Reference, sample: Option<&str>) -> Result<Calls> {
    let file = input::display_name(path);
    let wrong = |line: u64, what: String, remedy: &str| {
        Error::input(
            file.clone(),
            format!("line {}", thousands(line)),
            what,
            remedy,
        )
    };
    let mut reader = input::open(path)?;
    let mut out = Calls {
        calls: Vec::new(),
        sample: String::new(),
        mode: None,
        consensus: None,
        skipped: 0,
        unsigned: true,
    };
    let mut column = None;
    let mut text = String::new();
    let mut number = 0u64;
    loop {
        text.clear();
        number += 1;
        let read = reader.read_line(&mut text).map_err(|e| {
            wrong(
                number,
                e.to_string(),
                &format!("The file may be cut short; try: gzip -t {file}."),
            )
        })?;
        if read == 0 {
            break;
        }
        let line = text.trim_end_matches(['\n', '\r']);
        if number == 1 && !line.starts_with("##fileformat=VCF") {
            return Err(wrong(
                1,
                "not a VCF file".into(),
                "Give the VCF that theralign call wrote.",
            ));
        }
        if let Some(digest) = line.strip_prefix("##theralign_reference=") {
            if digest != reference.digest() {
                return Err(Error::input(
                    file,
                    "",
                    "its variants were called on another reference",
                    "Give the index that was used for calling (-x).",
                ));
            }
            out.unsigned = false;
        } else if let Some(shard) = line.strip_prefix("##theralign_shard=") {
            return Err(Error::input(
                file,
                "header",
                format!("this is shard {shard} of a run, and speaks of a part of the panel only"),
                "Put all shards together: theralign merge.",
            ));
        } else if let Some(mode) = line.strip_prefix("##theralign_mode=") {
            out.mode = Some(mode.to_string());
        } else if let Some(consensus) = line.strip_prefix(CONSENSUS_LINE) {
            out.consensus = Some(consensus.to_string());
        } else if line.starts_with("##") || line.is_empty() {
        } else if line.starts_with("#CHROM") {
            let names: Vec<&str> = line.split('\t').skip(9).collect();
            let (i, name) = choose_sample(&file, &names, sample)?;
            out.sample = name;
            column = Some(9 + i);
        } else {
            let Some(column) = column else {
                return Err(wrong(
                    number,
                    "a record before the #CHROM line".into(),
                    "Give a whole VCF file.",
                ));
            };
            record(&mut out, line, column, reference).map_err(|what| {
                wrong(
                    number,
                    what,
                    "Give the VCF that theralign call wrote for this reference.",
                )
            })?;
        }
    }
    if column.is_none() {
        return Err(Error::input(
            file,
            "",
            "no #CHROM line",
            "The file may be cut short; make it anew.",
        ));
    }
    Ok(out)
}

fn choose_sample(file: &str, names: &[&str], asked: Option<&str>) -> Result<(usize, String)> {
    let found = match (names, asked) {
        ([only], None) => Some((0, (*only).to_string())),
        (_, Some(asked)) => names
            .iter()
            .position(|n| *n == asked)
            .map(|i| (i, asked.to_string())),
        _ => None,
    };
    found.ok_or_else(|| {
        let (what, remedy) = match (names, asked) {
            ([], _) => (
                "it has no sample".to_string(),
                "Give a VCF with genotypes.".into(),
            ),
            (_, None) => (
                format!("it has {} samples", names.len()),
                format!(
                    "Call each alone, or name one with --sample: {}.",
                    names.join(", ")
                ),
            ),
            (_, Some(asked)) => (
                format!("it has no sample {asked}"),
                format!("It has: {}.", names.join(", ")),
            ),
        };
        Error::input(file, "header", what, remedy)
    })
}

fn record(out: &mut Calls, line: &str, column: usize, reference: &Reference) -> Result<(), String> {
    let f: Vec<&str> = line.split('\t').collect();
    if f.len() <= column {
        return Err(format!(
            "{} columns, but the sample is in column {}",
            f.len(),
            column + 1
        ));
    }
    let contig = reference
        .contig_id(f[0])
        .ok_or_else(|| format!("the reference has no contig {}", f[0]))?;
    let pos = f[1]
        .parse::<u32>()
        .ok()
        .filter(|&p| p >= 1 && p <= reference.contig(contig).length)
        .ok_or_else(|| format!("no position {} in {}", f[1], f[0]))?
        - 1;
    let bases = |s: &str| {
        let upper = s.to_ascii_uppercase().into_bytes();
        (!upper.is_empty() && upper.iter().all(|b| b"ACGTN".contains(b))).then_some(upper)
    };
    let ref_bases = bases(f[3]).ok_or_else(|| format!("REF {} is no sequence", f[3]))?;
    let filters: Vec<String> = match f[6] {
        "PASS" | "." | "" => Vec::new(),
        many => many.split(';').map(String::from).collect(),
    };
    let keys: Vec<&str> = f[8].split(':').collect();
    let values: Vec<&str> = f[column].split(':').collect();
    let get = |key: &str| {
        keys.iter()
            .position(|k| *k == key)
            .and_then(|i| values.get(i).copied())
    };
    let numbers =
        |key: &str| -> Option<Vec<u32>> { get(key)?.split(',').map(|v| v.parse().ok()).collect() };
    let genotype = get("GT").unwrap_or_default();
    let alleles: Option<Vec<usize>> = genotype.split(['/', '|']).map(|a| a.parse().ok()).collect();
    let ad = numbers("AD");
    let depth = numbers("DP")
        .and_then(|d| d.first().copied())
        .or_else(|| ad.as_ref().map(|ad| ad.iter().sum()));
    let fractions = |key: &str| -> Vec<Option<f64>> {
        let values = get(key).unwrap_or_default().split(',');
        values.map(|v| v.parse().ok()).collect()
    };
    let (fraction, interval) = (fractions("AF"), fractions("CI"));
    let strands = numbers("SB").and_then(|s| <[u32; 4]>::try_from(s).ok());
    for (i, alt) in f[4].split(',').enumerate() {
        let Some(alternate) = bases(alt) else {
            // Blocks of reference, and what a gVCF's records do not list, are no calls.
            out.skipped += u64::from(![".", "<*>", "<NON_REF>"].contains(&alt));
            continue;
        };
        let variant = Variant {
            contig,
            pos: Pos(pos),
            reference: ref_bases.clone(),
            alternate,
        };
        let known = reference.bases(contig, variant.span());
        if known
            .iter()
            .zip(&ref_bases)
            .any(|(k, r)| *k != b'N' && k != r)
        {
            return Err(format!(
                "REF is {} but the reference has {}",
                f[3],
                String::from_utf8_lossy(&known)
            ));
        }
        out.calls.push(Call {
            variant,
            filters: filters.clone(),
            genotype: genotype.to_string(),
            copies: alleles
                .as_ref()
                .map(|a| a.iter().filter(|&&x| x == i + 1).count() as u32),
            depth,
            support: ad.as_ref().and_then(|ad| ad.get(i + 1).copied()),
            fraction: fraction.get(i).copied().flatten(),
            fraction_ci: match interval.chunks(2).nth(i) {
                Some([Some(low), Some(high)]) => Some((*low, *high)),
                _ => None,
            },
            strands,
        });
    }
    Ok(())
}
