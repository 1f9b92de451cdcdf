//! Quality of a sample: what became of its reads, how deep its panel was read, how often base calls
//! are wrong, whether it is one person's and whose; from one pass over its BAM.
//!
//! A figure that cannot be given says why ([`Figure`]): absence is told, never taken for zero.

pub mod contamination;
pub mod cycles;
pub mod depth;
pub mod exons;
pub mod figure;
pub mod identity;
mod known_sites;
pub mod molecules;
pub mod mosdepth;
pub mod multiqc;
mod pass;
pub mod sex;
pub mod sites;
pub mod targets;

pub use figure::Figure;
pub use identity::{Concordance, Fingerprint, Verdict, compare};

use crate::format::bed;
use crate::format::output::Output;
use crate::format::vcf::with_suffix;
use crate::genome::Reference;
use crate::sort::library;
use crate::{Error, Result};
use contamination::Contamination;
use cycles::Errors;
use depth::{Depth, Dropout, RegionDepth};
use figure::{rounded, share};
use serde::Serialize;
use sex::Sex;
use std::path::{Path, PathBuf};
use targets::Targets;

/// Version of `qc.json`. A key's meaning changes only with it.
pub const SCHEMA: &str = "theralign-qc/2";

/// Which reads count for depth and sites. The caller's own limits are the default, so that depth is
/// what calling had. Duplicates, secondary and supplementary records and those that failed the
/// machine's checks never count, and mates count once where both cover a base.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Filters {
    /// Reads with less MAPQ do not count.
    pub min_mapq: u8,
    /// Nor do base calls with less quality.
    pub min_base_quality: u8,
}

impl Default for Filters {
    fn default() -> Filters {
        Filters {
            min_mapq: 20,
            min_base_quality: 13,
        }
    }
}

/// What to look at.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// Which reads count.
    pub filters: Filters,
    /// Common sites (VCF with AF in INFO), for contamination and identity.
    pub sites: Option<PathBuf>,
    /// Duplicates library by library, where they were counted when they were marked.
    pub libraries: Option<Vec<library::Counts>>,
    /// Another sample's `qc.json`, to compare identities with.
    pub other: Option<PathBuf>,
    /// The sample's name, if the BAM holds several.
    pub sample: Option<String>,
}

/// The figures of `qc.json`.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Qc {
    /// [`SCHEMA`].
    pub schema: &'static str,
    /// Name and version of the program.
    pub program: &'static str,
    /// SM of the BAM's read groups, or its file name.
    pub sample: String,
    /// The reference's digest.
    pub reference: String,
    /// Which reads counted.
    pub filters: Filters,
    /// Which figures are of which BAM, where there are two: the reads, and their molecules.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sources: Option<molecules::Sources>,
    /// What became of the reads.
    pub reads: Reads,
    /// The same as shares.
    pub shares: Shares,
    /// Of proper pairs that are not duplicates.
    pub insert_size: Figure<InsertSize>,
    /// Copies, library by library.
    pub duplicates: Figure<Vec<library::Counts>>,
    /// The molecules that the reads are copies of, where a consensus was made of them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub molecules: Option<molecules::Molecules>,
    /// Of the panel's bases.
    pub depth: Depth,
    /// Fragments lost where targets are rich in AT or GC.
    pub dropout: Figure<Dropout>,
    /// Wrong base calls.
    pub errors: Figure<Errors>,
    /// Share of the sample that is of another person.
    pub contamination: Figure<Contamination>,
    /// What X and Y say.
    pub sex: Figure<Sex>,
    /// Genotypes at common sites.
    pub identity: Figure<Fingerprint>,
    /// Is it the person of the other sample that was given?
    pub same_person: Figure<Concordance>,
    /// Depth region by region.
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

/// Reads by what became of them, 0 to 1.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Shares {
    /// Aligned, of all.
    pub mapped: Figure<f64>,
    /// Duplicates, of the aligned.
    pub duplicates: Figure<f64>,
    /// Touching the panel, of the aligned.
    pub on_target: Figure<f64>,
    /// Aligned bases in the panel, of all aligned bases; duplicates included.
    pub bases_on_target: Figure<f64>,
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

/// The figures, and the depth of every base, for more files.
pub struct Done {
    /// The figures.
    pub qc: Qc,
    /// The panel's bases.
    pub targets: Targets,
    /// Depth by slot.
    pub depths: Vec<u32>,
}

/// Reads a sorted BAM once and sums up. `regions` are sorted, as [`bed::read_panel`] gives them.
///
/// # Errors
/// Names the file and the record of what cannot be read, and the sites' line that does not fit.
pub fn assess(
    bam: &Path,
    reference: &Reference,
    regions: &[bed::Region],
    options: &Options,
) -> Result<Done> {
    let targets = Targets::new(regions, reference);
    let sites = match &options.sites {
        Some(path) => sites::read(path, reference, &targets)?,
        None => identity::built_in(reference, &targets),
    };
    let other = options.other.as_deref().map(fingerprint_of).transpose()?;
    let counts = pass::over(bam, reference, &targets, &sites, options)?;
    let depths = counts.depth.depths();
    let identity = identity::fingerprint(&sites, &counts.shown, reference);
    let libraries = options.libraries.clone();
    let qc = Qc {
        schema: SCHEMA,
        program: concat!("theralign ", env!("CARGO_PKG_VERSION")),
        reference: reference.digest().to_string(),
        filters: options.filters,
        sources: None,
        reads: counts.reads,
        shares: shares(&counts),
        insert_size: insert_size(&counts.inserts),
        duplicates: libraries.map_or_else(
            || Figure::not_assessed("libraries are counted where duplicates are marked: run, align --duplicate-metrics"),
            Figure::Given,
        ),
        molecules: None,
        depth: depth::over_panel(&depths),
        dropout: depth::dropout(&depths, &targets),
        errors: counts.cycles.errors(),
        contamination: contamination::estimate(&sites, &counts.shown),
        sex: sex::check(&depths, &targets, reference),
        same_person: same_person(&identity, other.as_ref()),
        identity,
        regions: depth::by_region(&depths, &targets, regions, reference),
        sample: counts.sample,
    };
    Ok(Done {
        qc,
        targets,
        depths,
    })
}

fn shares(counts: &pass::Counts) -> Shares {
    let r = &counts.reads;
    let unmapped = "no read is mapped";
    Shares {
        mapped: share(r.mapped, r.total, "there is no read"),
        duplicates: if r.duplicates > 0 || counts.marked {
            share(r.duplicates, r.mapped, unmapped)
        } else {
            Figure::not_assessed(
                "no read is marked, and the header names no program that marks duplicates",
            )
        },
        on_target: share(r.on_target, r.mapped, unmapped),
        bases_on_target: share(counts.aligned.1, counts.aligned.0, unmapped),
    }
}

fn insert_size(counts: &[u64]) -> Figure<InsertSize> {
    let all: u64 = counts.iter().sum();
    if all == 0 {
        return Figure::not_assessed("no proper pair that is no duplicate");
    }
    let mut below = 0;
    let median = counts.iter().position(|&n| {
        below += n;
        2 * below >= all
    });
    let usual = &counts[..pass::LONGEST_INSERT];
    let of = |power: i32| -> f64 {
        let each = usual.iter().enumerate();
        each.map(|(i, &n)| n as f64 * (i as f64).powi(power)).sum()
    };
    let n = of(0).max(1.0);
    let mean = of(1) / n;
    Figure::Given(InsertSize {
        median: median.unwrap_or_default() as u32,
        mean: rounded(mean),
        sd: rounded((of(2) / n - mean * mean).max(0.0).sqrt()),
    })
}

fn same_person(
    own: &Figure<Fingerprint>,
    other: Option<&Figure<Fingerprint>>,
) -> Figure<Concordance> {
    match (own, other) {
        (_, None) => Figure::not_assessed("no other sample was given: --compare with its qc.json"),
        (Figure::Given(a), Some(Figure::Given(b))) => compare(a, b),
        (Figure::NotAssessed { not_assessed }, _) => Figure::not_assessed(not_assessed.clone()),
        (_, Some(Figure::NotAssessed { not_assessed })) => {
            Figure::not_assessed(format!("the other sample: {not_assessed}"))
        }
    }
}

/// The identity in another sample's `qc.json`.
///
/// # Errors
/// When the file cannot be read or is none of this version.
pub fn fingerprint_of(path: &Path) -> Result<Figure<Fingerprint>> {
    let wrong = |what: String| {
        let remedy = "Give the qc.json that this version of theralign wrote for the other sample.";
        Error::input(path.display().to_string(), "", what, remedy)
    };
    let text = std::fs::read(path).map_err(Error::io(path))?;
    let mut value: serde_json::Value =
        serde_json::from_slice(&text).map_err(|e| wrong(e.to_string()))?;
    if value["schema"] != SCHEMA {
        return Err(wrong(format!(
            "its schema is {}, not {SCHEMA}",
            value["schema"]
        )));
    }
    serde_json::from_value(value["identity"].take()).map_err(|e| wrong(format!("identity: {e}")))
}

impl Done {
    /// Writes `qc.json` to `json`, and depth and `MultiQC` files beside `prefix`.
    ///
    /// # Errors
    /// When writing fails.
    pub fn write(
        &self,
        json: &Path,
        prefix: &Path,
        regions: &[bed::Region],
        reference: &Reference,
        per_base: bool,
    ) -> Result<()> {
        let depths = mosdepth::Depths {
            depths: &self.depths,
            targets: &self.targets,
            regions,
            reference,
        };
        depths.write(prefix, per_base)?;
        multiqc::write(prefix, &self.qc)?;
        let mut text =
            serde_json::to_string_pretty(&self.qc).expect("plain data always serializes");
        text.push('\n');
        Output::write(json, text.as_bytes())
    }

    /// Writes the table of exons to `PREFIX.exons.tsv`.
    ///
    /// # Errors
    /// When the gene model cannot be read or writing fails.
    pub fn write_exons(&self, prefix: &Path, genes: &Path, reference: &Reference) -> Result<()> {
        let path = with_suffix(prefix, ".exons.tsv");
        exons::write(&path, genes, &self.depths, &self.targets, reference)
    }
}

#[cfg(test)]
pub(crate) mod tests;
