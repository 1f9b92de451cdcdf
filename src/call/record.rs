//! Calls as lines of a VCF.

use super::filter::{self, Filter};
use super::gvcf::UNLISTED;
use super::limit::interval;
use super::phase::Phase;
use super::ploidy::Sex;
use super::{Context, Mode};
use crate::domain::{Pos, Variant};
use crate::format::calls::CONSENSUS_KEY;
use crate::format::vcf::Line;
use crate::genome::Reference;
use std::fmt::Write;

/// One sample's columns.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sample {
    /// The allele of each copy, 0 for the reference; in their order if `phase_set` names one.
    pub genotype: Vec<usize>,
    /// Fragments that speak for each allele.
    pub support: Vec<u32>,
    /// Of these, the ones that fractions are made of (see [`Traits::across`](filter::Traits::across)).
    pub across: Vec<u32>,
    /// Fragments that cover the place.
    pub depth: u32,
    /// Reads: reference forward, reference reverse, alternate forward, alternate reverse.
    pub strands: [u32; 4],
    /// Reads for each allele: F1R2, F2R1 (see [`Traits::orientations`](filter::Traits::orientations)).
    pub orientations: [Vec<u32>; 2],
    /// Genotype quality and likelihoods, of a germline call.
    pub likelihoods: Option<(u32, Vec<u32>)>,
    /// Likelihoods of the genotypes with an allele that is not listed, which follow those in VCF's order.
    pub unlisted: Vec<u32>,
    /// The place of the first call of those whose alleles are in the same order.
    pub phase_set: Option<Pos>,
}

/// One record.
#[derive(Clone, Debug, PartialEq)]
pub struct Call {
    /// Its place, REF, and first ALT; normalized when it is the only one.
    pub variant: Variant,
    /// Further ALTs, over the same REF.
    pub others: Vec<Vec<u8>>,
    /// Phred.
    pub quality: f64,
    /// What speaks against it; sorted, empty for PASS.
    pub filters: Vec<Filter>,
    /// INFO: key and value.
    pub info: Vec<(&'static str, String)>,
    /// Written because it was asked for, whatever the reads show.
    pub forced: bool,
    /// How a heterozygous germline call's alleles go together with others.
    pub phase: Option<Phase>,
    /// The tumor or germline sample, then the normal.
    pub samples: Vec<Sample>,
}

/// INFO fields: ID, number, type, description.
const INFO: &[[&str; 4]] = &[
    [
        "TLOD",
        "A",
        "Float",
        "log10 odds that the allele is there at some fraction, over sequencing error",
    ],
    [
        "NLOD",
        "A",
        "Float",
        "log10 odds that the normal sample lacks the allele, over heterozygous",
    ],
    [
        "MBQ",
        "1",
        "Integer",
        "Median base quality of the supporting reads",
    ],
    [
        "MMQ",
        "1",
        "Integer",
        "Median mapping quality of the supporting reads",
    ],
    [
        "MPOS",
        "1",
        "Integer",
        "Median distance of the allele from the nearer end of the supporting reads",
    ],
    [
        "PON",
        "1",
        "String",
        "Normals of the panel that show the allele / that would have",
    ],
    [
        "POPAF",
        "A",
        "Float",
        "Frequency of the allele among people, 0 to 1; missing where the file does not list it",
    ],
    [
        "GERMQ",
        "A",
        "Float",
        "Phred that the allele is not germline",
    ],
    [
        "CONTQ",
        "A",
        "Float",
        "Phred that the allele is not of foreign fragments; of alleles that POPAF lists",
    ],
    [
        "FORCED",
        "0",
        "Flag",
        "Asked for by --force; it is told of whether it is there or not",
    ],
];

/// FORMAT fields.
const FORMAT: &[[&str; 4]] = &[
    ["GT", "1", "String", "Genotype"],
    [
        "AD",
        "R",
        "Integer",
        "Fragments that speak for each allele; those that fit several equally are left out",
    ],
    [
        "DP",
        "1",
        "Integer",
        "Usable fragments that cover the position",
    ],
    [
        "AF",
        "A",
        "Float",
        "Fraction with the allele, of the fragments in AD that cover its first breakpoint",
    ],
    [
        "SB",
        "4",
        "Integer",
        "Reads: reference forward, reference reverse, alternate forward, alternate reverse",
    ],
    [
        "CI",
        ".",
        "Float",
        "95 % interval of AF: low and high for each allele (Clopper and Pearson 1934)",
    ],
    [
        "F1R2",
        "R",
        "Integer",
        "Reads for each allele, of pairs whose first read has the reference's direction",
    ],
    [
        "F2R1",
        "R",
        "Integer",
        "Reads for each allele, of pairs whose second read has the reference's direction",
    ],
    ["GQ", "1", "Integer", "Genotype quality, phred"],
    [
        "PL",
        "G",
        "Integer",
        "Genotype likelihoods, phred, normalized",
    ],
];

/// FORMAT fields of genotypes.
const FORMAT_GERMLINE: &[[&str; 4]] = &[[
    "PS",
    "1",
    "Integer",
    "Phase set: position of the first of the records whose alleles are in the same order",
]];

/// Lines of the blocks between variants.
const GVCF: &str = "\
    ##ALT=<ID=*,Description=\"Any allele that is not listed\">\n\
    ##INFO=<ID=END,Number=1,Type=Integer,Description=\"Last position of the block\">\n\
    ##FORMAT=<ID=MIN_DP,Number=1,Type=Integer,Description=\"Lowest DP in the block; its DP is the median\">\n";

/// The header, down to the column names.
pub(super) fn header(context: &Context, samples: &[String], limit: Option<&str>) -> String {
    let (reference, options) = (context.reference, context.options);
    let mut h = String::from(
        "##fileformat=VCFv4.4\n##FILTER=<ID=PASS,Description=\"All filters passed\">\n",
    );
    for f in filter::ALL
        .iter()
        .filter(|f| context.background.speaks_of(f.id))
    {
        let _ = writeln!(
            h,
            "##FILTER=<ID={},Description=\"{}\">",
            f.id,
            context.background.described(f)
        );
    }
    if options.gvcf {
        h.push_str(GVCF);
    }
    let of_mode = match options.mode {
        Mode::Somatic => &[],
        Mode::Germline => FORMAT_GERMLINE,
    };
    for (kind, fields) in [("INFO", INFO), ("FORMAT", FORMAT), ("FORMAT", of_mode)] {
        let possible = |f: &&[&str; 4]| context.background.speaks_of(f[0]);
        for [id, number, of_type, text] in fields.iter().filter(possible) {
            let _ = writeln!(
                h,
                "##{kind}=<ID={id},Number={number},Type={of_type},Description=\"{text}\">"
            );
        }
    }
    let _ = writeln!(h, "##source=theralign {}", env!("CARGO_PKG_VERSION"));
    let _ = writeln!(h, "##reference={}", options.reference_name);
    for c in reference.contigs() {
        let _ = writeln!(
            h,
            "##contig=<ID={},length={},md5={}>",
            c.name, c.length, c.md5
        );
    }
    let mode = match options.mode {
        Mode::Somatic => "somatic",
        Mode::Germline => "germline",
    };
    let _ = writeln!(h, "##theralign_reference={}", reference.digest());
    let _ = writeln!(h, "##theralign_mode={mode}");
    let _ = writeln!(
        h,
        "##theralign_options=min_mapq={},min_base_quality={},max_fragments={}",
        options.min_mapq, options.min_base_quality, options.max_fragments
    );
    h.push_str(&context.background.header);
    if let Some(consensus) = context.tumor.consensus() {
        let _ = writeln!(h, "##{CONSENSUS_KEY}={consensus}");
    }
    if !options.actionable.loci.is_empty() {
        let of = &options.actionable;
        let _ = writeln!(
            h,
            "##theralign_actionable={},alleles={}",
            of.source,
            of.loci.len()
        );
    }
    if let Some(sex) = sex(options.sex, context.ploidy.assumed) {
        let _ = writeln!(h, "##theralign_sex={sex}");
    }
    if let Some(limit) = limit {
        let _ = writeln!(h, "{}{limit}", super::merge::LIMIT_LINE);
    }
    let _ = writeln!(h, "##theralign_command={}", options.command);
    if options.shard.count > 1 {
        let _ = writeln!(h, "{}{}", super::merge::SHARD_LINE, options.shard);
    }
    h.push_str("#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\tFORMAT");
    for s in samples {
        h.push('\t');
        h.push_str(s);
    }
    h.push('\n');
    h
}

/// What the header says of the sample's sex, if it matters.
fn sex(stated: Option<Sex>, assumed: bool) -> Option<&'static str> {
    match stated {
        Some(Sex::Female) => Some("female"),
        Some(Sex::Male) => Some("male"),
        None => assumed.then_some("not stated; X and Y were called as diploid"),
    }
}

impl Call {
    /// The record's line. In a `gvcf`, the last allele is any that is not listed.
    pub fn line(&self, reference: &Reference, gvcf: bool) -> Line {
        let text = |b: &[u8]| String::from_utf8_lossy(b).into_owned();
        let v = &self.variant;
        let mut alternates = text(&v.alternate);
        for o in &self.others {
            alternates.push(',');
            alternates.push_str(&text(o));
        }
        if gvcf {
            let _ = write!(alternates, ",{UNLISTED}");
        }
        let filters = if self.filters.is_empty() {
            "PASS".into()
        } else {
            self.filters
                .iter()
                .map(|f| f.id)
                .collect::<Vec<_>>()
                .join(";")
        };
        let mut info: Vec<String> = self.info.iter().map(|(k, x)| format!("{k}={x}")).collect();
        if self.forced {
            info.push("FORCED".into());
        }
        let with_phase = self.samples.iter().any(|s| s.phase_set.is_some());
        let with_likelihoods = self.samples.iter().any(|s| s.likelihoods.is_some());
        let mut line = format!(
            "{}\t{}\t.\t{}\t{alternates}\t{:.1}\t{filters}\t{}\tGT:AD:DP:AF:SB{}{}",
            reference.contig(v.contig).name,
            v.pos.one_based(),
            text(&v.reference),
            self.quality,
            if info.is_empty() {
                ".".into()
            } else {
                info.join(";")
            },
            if with_likelihoods {
                ":GQ:PL"
            } else {
                ":CI:F1R2:F2R1"
            },
            if with_phase { ":PS" } else { "" },
        );
        for s in &self.samples {
            line.push('\t');
            line.push_str(&s.columns(gvcf));
        }
        Line {
            contig: v.contig.index(),
            start: v.pos.0,
            end: v.span().end,
            text: line,
        }
    }
}

/// Four digits, but a plain 0.
fn rounded(fraction: f64) -> String {
    if fraction == 0.0 {
        "0".into()
    } else {
        format!("{fraction:.4}")
    }
}

impl Sample {
    /// The fraction of allele `k`; 0 where nothing speaks.
    pub fn fraction(&self, k: usize) -> f64 {
        f64::from(self.across[k]) / f64::from(self.across.iter().sum::<u32>().max(1))
    }

    /// Does a copy carry anything else than the reference?
    pub fn is_variant(&self) -> bool {
        self.genotype.iter().any(|&a| a > 0)
    }

    /// The GT column.
    fn copies(&self) -> String {
        let alleles: Vec<String> = self.genotype.iter().map(ToString::to_string).collect();
        alleles.join(if self.phase_set.is_some() { "|" } else { "/" })
    }

    fn columns(&self, gvcf: bool) -> String {
        let list = |values: &[u32]| {
            values
                .iter()
                .map(ToString::to_string)
                .collect::<Vec<_>>()
                .join(",")
        };
        let alternates = 1..self.across.len();
        // No fragment speaks for what is not listed.
        let unlisted: &[u32] = if gvcf { &[0] } else { &[] };
        let support = [&self.support[..], unlisted].concat();
        let listed = alternates.clone().map(|k| self.fraction(k));
        let fractions: Vec<String> = listed
            .chain(unlisted.iter().map(|_| 0.0))
            .map(rounded)
            .collect();
        let mut out = format!(
            "{}:{}:{}:{}:{}",
            self.copies(),
            list(&support),
            self.depth,
            fractions.join(","),
            list(&self.strands),
        );
        if let Some((gq, pl)) = &self.likelihoods {
            let unlisted = if gvcf { &self.unlisted[..] } else { &[] };
            let _ = write!(out, ":{gq}:{}", list(&[&pl[..], unlisted].concat()));
        } else {
            let all = self.across.iter().sum();
            let intervals = alternates.map(|k| {
                let (low, high) = interval(self.across[k], all);
                format!("{},{}", rounded(low), rounded(high))
            });
            let [f1r2, f2r1] = self.orientations.each_ref().map(|o| list(o));
            let intervals = intervals.collect::<Vec<_>>().join(",");
            let _ = write!(out, ":{intervals}:{f1r2}:{f2r1}");
        }
        if let Some(first) = self.phase_set {
            let _ = write!(out, ":{}", first.one_based());
        }
        out
    }
}
