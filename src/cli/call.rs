//! `theralign call`: BAM to VCF.

use super::common::{DeviceChoice, KnowledgeChoice, Redact, Threads, actionable};
use crate::call::ploidy::Sex;
use crate::call::shard::Shard;
use crate::call::{self, Actionable, CallOptions, Mode};
use crate::error::thousands;
use crate::genome::Reference;
use crate::{Error, Result};
use std::path::{Path, PathBuf};

/// Call variants in a panel's regions
#[derive(clap::Args, Debug)]
pub struct Args {
    /// The index of the reference that the reads were aligned to
    #[arg(short = 'x', long, value_name = "INDEX")]
    index: PathBuf,
    /// The panel's regions
    #[arg(long, value_name = "PANEL.bed")]
    panel: PathBuf,
    /// The sample's reads, sorted by coordinate
    #[arg(value_name = "TUMOR.bam")]
    tumor: PathBuf,
    /// The sample's name (@RG SM), if its BAM holds several
    #[arg(long, value_name = "NAME")]
    sample: Option<String>,
    /// Reads of the same person's normal tissue; implies --mode somatic
    #[arg(short, long, value_name = "NORMAL.bam")]
    normal: Option<PathBuf>,
    /// The normal sample's name, if its BAM holds several
    #[arg(long, value_name = "NAME", requires = "normal")]
    normal_sample: Option<String>,
    /// Filter alleles that a panel of normals shows at fractions like the sample's (see `theralign normals`)
    #[arg(long, value_name = "NORMALS.vcf.gz")]
    normals: Option<PathBuf>,
    /// Frequencies of alleles among people, AF in INFO, such as gnomAD's: filter what is likelier germline than
    /// somatic; with --mode somatic only. What is far from the panel is passed over, but read
    #[arg(long, value_name = "AF.vcf.gz")]
    population: Option<PathBuf>,
    /// The share of the fragments that are of another person, as `theralign qc` tells (0 to 0.5): filter what
    /// they explain; with --population
    #[arg(long, value_name = "SHARE")]
    contamination: Option<f64>,
    /// Alleles to be told of whatever the reads show; what became of each is written to .loci.tsv
    #[arg(long, value_name = "LOCI.vcf")]
    force: Option<PathBuf>,
    /// Gene model of the same genome build: ask for every substitution in the panel that the knowledge names, as
    /// --force does; with --mode somatic only (`theralign run` does so by itself)
    #[arg(long, value_name = "GENES")]
    genes: Option<PathBuf>,
    #[command(flatten)]
    knowledge: KnowledgeChoice,
    /// What to look for
    #[arg(short, long, value_enum, default_value = "somatic")]
    mode: Mode,
    /// The person's sex: X and Y of a male are haploid outside their shared ends, Y of a female is not
    /// called. With --mode germline only; where it is not stated, X and Y are called as diploid
    #[arg(long, value_enum)]
    sex: Option<Sex>,
    /// Write the reference between the variants as well, as <*> blocks of equal genotype quality; with
    /// --mode germline only
    #[arg(long)]
    gvcf: bool,
    /// The VCF to write; its index and .depth.bed.gz are written beside it
    #[arg(short, long, value_name = "OUT.vcf.gz")]
    output: PathBuf,
    /// Leave out reads below this mapping quality
    #[arg(long, value_name = "N", default_value_t = 20)]
    min_mapq: u8,
    /// Do not count bases below this quality
    #[arg(long, value_name = "N", default_value_t = 13)]
    min_base_quality: u8,
    /// Weigh at most this many fragments at a place
    #[arg(long, value_name = "N", default_value_t = 10_000)]
    max_fragments: usize,
    /// Weigh in double precision, and tell how far the usual fixed point is from it (slow)
    #[arg(long, hide_short_help = true)]
    exact: bool,
    /// Call the I-th of N parts of the panel; `theralign merge` puts the parts together
    #[arg(long, value_name = "I/N")]
    shard: Option<Shard>,
    #[command(flatten)]
    device: DeviceChoice,
    #[command(flatten)]
    redact: Redact,
    #[command(flatten)]
    threads: Threads,
}

/// A VCF's name must say what it is.
///
/// # Errors
/// When it does not end in `gz`.
pub fn check_output(path: &Path) -> Result<()> {
    if path.to_string_lossy().ends_with("gz") {
        return Ok(());
    }
    Err(Error::usage(
        format!("the output {} does not end in .vcf.gz", path.display()),
        "The VCF is written block-gzipped and indexed; give a name that says so.",
    ))
}

/// Calls, and says what was found.
pub fn run(args: &Args) -> Result<()> {
    args.threads.apply()?;
    check_output(&args.output)?;
    let reference = Reference::open(&args.index)?;
    let device = args.device.open()?;
    let actionable = match &args.genes {
        None => Actionable::default(),
        Some(_) if args.mode == Mode::Germline => {
            return Err(Error::usage(
                "--genes is for --mode somatic",
                "It asks for what tumors have; --force asks for alleles of any kind.",
            ));
        }
        Some(genes) => {
            let knowledge = args.knowledge.options()?;
            actionable(&knowledge, genes, &args.panel, &reference)?
        }
    };
    let options = CallOptions {
        reference_name: args.redact.file(&args.index),
        sample: args.sample.clone(),
        normal: args.normal.clone(),
        normal_sample: args.normal_sample.clone(),
        normals: args.normals.clone(),
        population: args.population.clone(),
        contamination: args.contamination,
        force: args.force.clone(),
        actionable,
        sex: args.sex,
        gvcf: args.gvcf,
        min_mapq: args.min_mapq,
        min_base_quality: args.min_base_quality,
        max_fragments: args.max_fragments,
        exact: args.exact,
        shard: args.shard.unwrap_or(Shard::WHOLE),
        command: args.redact.command(),
        ..CallOptions::new(
            args.panel.clone(),
            args.tumor.clone(),
            args.mode,
            args.output.clone(),
        )
    };
    let s = call::run(&reference, &device, &options)?;
    for warning in &s.warnings {
        eprintln!("warning: {warning}");
    }
    eprintln!(
        "{}: {} records, {} pass; {} bases at a mean depth of {}",
        args.output.display(),
        thousands(s.records),
        thousands(s.passed),
        thousands(s.panel_bases),
        thousands(s.depth_sum / s.panel_bases.max(1)),
    );
    if let Some(e) = s.exactness {
        eprintln!(
            "fixed point differs from double precision by {:.4} phred at most, over {} pairs of read and haplotype",
            e.worst,
            thousands(e.pairs),
        );
    }
    if s.sex_assumed {
        eprintln!(
            "X and Y were called as diploid: --sex female or --sex male states what they are"
        );
    }
    if s.capped_windows > 0 {
        eprintln!(
            "{} places had more than {} fragments; the rest was left out there",
            thousands(s.capped_windows),
            thousands(args.max_fragments as u64)
        );
    }
    Ok(())
}
