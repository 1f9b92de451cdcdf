//! One sample's variant calls, from a VCF.

use super::vcf_reader::{Record, VcfReader};
use crate::Result;
use crate::domain::Variant;
use crate::genome::Reference;
use std::path::Path;

/// Of the header: how the reads were made of molecules' copies.
pub const CONSENSUS_KEY: &str = "theralign_consensus";

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
    /// The haplotypes that carry it, where the genotype tells.
    pub phase: Phase,
    /// Fragments at the place.
    pub depth: Option<u32>,
    /// Fragments that carry the reference.
    pub reference_support: Option<u32>,
    /// Fragments that carry the allele.
    pub support: Option<u32>,
    /// Fraction of the molecules that carry the allele (AF).
    pub fraction: Option<f64>,
    /// Its 95 % interval (CI).
    pub fraction_ci: Option<(f64, f64)>,
    /// Reads: reference forward, reverse, alternate forward, reverse.
    pub strands: Option<[u32; 4]>,
}

/// Which haplotypes carry an allele.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Phase {
    /// Some, nobody says which; or none.
    #[default]
    Unknown,
    /// All of them, so that no phase set is needed.
    All,
    /// These of a phase set (PS, or PID of older GATK). Without either, VCF 4.4 §1.6.2 takes the
    /// phased genotypes of a contig for one set.
    Some {
        /// The set.
        set: String,
        /// Ranks in GT.
        haplotypes: Vec<usize>,
    },
}

impl Phase {
    /// Does one haplotype, as far as these two tell, carry both?
    pub fn shares_haplotype(&self, other: &Phase) -> bool {
        match (self, other) {
            (Phase::Unknown, _) | (_, Phase::Unknown) => false,
            (Phase::All, _) | (_, Phase::All) => true,
            (
                Phase::Some {
                    set: a,
                    haplotypes: x,
                },
                Phase::Some {
                    set: b,
                    haplotypes: y,
                },
            ) => a == b && x.iter().any(|h| y.contains(h)),
        }
    }

    /// Are the two, as far as they tell, on different haplotypes?
    pub fn is_apart(&self, other: &Phase) -> bool {
        matches!((self, other), (Phase::Some { set: a, .. }, Phase::Some { set: b, .. }) if a == b)
            && !self.shares_haplotype(other)
    }
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
    let mut vcf = VcfReader::open(path, reference)?;
    let column = vcf.sample(sample)?;
    let mut out = Calls {
        calls: Vec::new(),
        sample: vcf.samples[column].clone(),
        mode: vcf.header_value("theralign_mode").map(String::from),
        consensus: vcf.header_value(CONSENSUS_KEY).map(String::from),
        skipped: 0,
        unsigned: vcf.header_value("theralign_reference").is_none(),
    };
    while let Some(record) = vcf.next()? {
        if record.sample(column).is_none() {
            let what = format!("the line ends before sample {}", out.sample);
            return Err(vcf.wrong(&what, "The file may be cut short; make it anew."));
        }
        // Blocks of reference, and what a gVCF's records do not list, are no calls.
        let no_call = [".", "<*>", "<NON_REF>"];
        let left_out = |(text, bases): &&(String, Option<Vec<u8>>)| {
            bases.is_none() && !no_call.contains(&text.as_str())
        };
        out.skipped += record.alternates.iter().filter(left_out).count() as u64;
        out.calls.extend(of_record(&record, Some(column)));
    }
    Ok(out)
}

/// The calls of a record for the sample in a column, one for each allele that is a sequence. Without a
/// sample (a list of variants) nothing is known of genotype and reads.
pub fn of_record(record: &Record, column: Option<usize>) -> Vec<Call> {
    let fields = column.and_then(|c| record.sample(c));
    let get = |key: &str| fields.as_ref().and_then(|f| f.get(key));
    let numbers = |key: &str| fields.as_ref().and_then(|f| f.numbers(key));
    let genotype = get("GT").unwrap_or_default();
    let alleles = alleles_of(genotype);
    // Older GATK phases in fields of its own.
    let phased = get("PGT")
        .filter(|_| !genotype.contains('|'))
        .unwrap_or(genotype);
    let set = get("PS").or_else(|| get("PID")).unwrap_or_default();
    let ad = numbers("AD").filter(|ad| ad.len() > 1);
    let depth = numbers("DP")
        .and_then(|d| d.first().copied())
        .or_else(|| ad.as_ref().map(|ad| ad.iter().sum()));
    let fractions = |key: &str| fields.as_ref().map_or(Vec::new(), |f| f.fractions(key));
    let (fraction, interval) = (fractions("AF"), fractions("CI"));
    let strands = numbers("SB").and_then(|s| <[u32; 4]>::try_from(s).ok());
    let mut calls = Vec::new();
    for (allele, variant) in record.variants() {
        let support = fields.as_ref().and_then(|f| f.support(allele, &variant));
        calls.push(Call {
            filters: record.filters(),
            genotype: genotype.to_string(),
            copies: alleles
                .as_ref()
                .map(|a| a.iter().filter(|&&x| x == allele).count() as u32),
            phase: phase(phased, allele, set),
            depth,
            reference_support: support.map(|s| s.0),
            support: support.map(|s| s.1),
            fraction: fraction.get(allele - 1).copied().flatten(),
            fraction_ci: match interval.chunks(2).nth(allele - 1) {
                Some([Some(low), Some(high)]) => Some((*low, *high)),
                _ => None,
            },
            strands,
            variant,
        });
    }
    calls
}

/// Ranks of the alleles in a genotype; `None` if one is missing.
fn alleles_of(genotype: &str) -> Option<Vec<usize>> {
    let alleles = genotype.split(['/', '|']);
    alleles.map(|a| a.parse().ok()).collect()
}

fn phase(genotype: &str, allele: usize, set: &str) -> Phase {
    let alleles = alleles_of(genotype).unwrap_or_default();
    let haplotypes: Vec<usize> = (0..alleles.len())
        .filter(|&h| alleles[h] == allele)
        .collect();
    match haplotypes.len() {
        0 => Phase::Unknown,
        n if n == alleles.len() => Phase::All,
        _ if genotype.contains('/') => Phase::Unknown,
        _ => Phase::Some {
            set: set.to_string(),
            haplotypes,
        },
    }
}
