//! `theralign qc`: how good a sample is, from its BAM.

use super::common::Threads;
use crate::error::thousands;
use crate::format::{bed, vcf::with_suffix};
use crate::genome::Reference;
use crate::qc::{self, Figure, Filters, Options, Qc};
use crate::{Error, Result};
use std::path::PathBuf;

/// Tell how good a sample is: depth, errors by cycle, contamination, sex, identity
#[derive(clap::Args, Debug)]
pub struct Args {
    /// Index of the reference genome (see `theralign index`)
    #[arg(short = 'x', long, value_name = "INDEX")]
    index: PathBuf,
    /// The panel's targets
    #[arg(long, value_name = "PANEL.bed")]
    panel: PathBuf,
    /// Common SNVs (VCF; INFO/AF is how common ALT is): for contamination and identity. Without it,
    /// identity is told at some sites that are built in, contamination is not assessed
    #[arg(long, value_name = "SITES.vcf")]
    sites: Option<PathBuf>,
    /// Gene model (GFF3 or GTF): depth by coding exon, in PREFIX.exons.tsv
    #[arg(long, value_name = "GENES")]
    genes: Option<PathBuf>,
    /// `qc.json` of another sample of the person, such as the normal: are they of one person?
    #[arg(long, value_name = "QC.json")]
    compare: Option<PathBuf>,
    /// The sample's name, if the BAM holds several
    #[arg(long, value_name = "NAME")]
    sample: Option<String>,
    /// Depth of every base of the panel, too, in PREFIX.per-base.bed.gz
    #[arg(long)]
    per_base: bool,
    /// Reads with less MAPQ do not count for depth
    #[arg(long, value_name = "N", default_value_t = Filters::default().min_mapq)]
    min_mapq: u8,
    /// Base calls of less quality do not count for depth
    #[arg(long, value_name = "N", default_value_t = Filters::default().min_base_quality)]
    min_base_quality: u8,
    #[command(flatten)]
    threads: Threads,
    /// Where to: PREFIX.qc.json, PREFIX.regions.bed.gz and .thresholds.bed.gz, PREFIX.mosdepth.*.txt as
    /// mosdepth writes them, and PREFIX.*_mqc.json for `MultiQC`
    #[arg(short, long, value_name = "PREFIX")]
    output: PathBuf,
    /// Alignments, sorted by position
    #[arg(value_name = "IN.bam")]
    bam: PathBuf,
}

/// Reads the BAM once, writes the files, and says the main figures.
pub fn run(args: &Args) -> Result<()> {
    args.threads.apply()?;
    if let Some(genes) = &args.genes {
        std::fs::File::open(genes).map_err(Error::io(genes))?;
    }
    let reference = Reference::open(&args.index)?;
    let regions = bed::read_panel(&args.panel, |name| {
        let id = reference.contig_id(name)?;
        Some((id, reference.contig(id).length))
    })?;
    let options = Options {
        filters: Filters {
            min_mapq: args.min_mapq,
            min_base_quality: args.min_base_quality,
        },
        sites: args.sites.clone(),
        libraries: None,
        other: args.compare.clone(),
        sample: args.sample.clone(),
    };
    let done = qc::assess(&args.bam, &reference, &regions, &options)?;
    if let Some(genes) = &args.genes {
        done.write_exons(&args.output, genes, &reference)?;
    }
    let json = with_suffix(&args.output, ".qc.json");
    done.write(&json, &args.output, &regions, &reference, args.per_base)?;
    tell(&done.qc, args.compare.is_some());
    Ok(())
}

/// Says the main figures, and warns of what is wrong; `compared` if another sample was given.
pub fn tell(qc: &Qc, compared: bool) {
    let percent = |f: &Figure<f64>| match f {
        Figure::Given(share) => format!("{:.2} %", 100.0 * share),
        Figure::NotAssessed { .. } => "not assessed".into(),
    };
    eprintln!(
        "{}: {} reads; on target: {}; duplicates: {}; depth {:.1} on average, {} in the median",
        qc.sample,
        thousands(qc.reads.total),
        percent(&qc.shares.on_target),
        percent(&qc.shares.duplicates),
        qc.depth.mean,
        thousands(u64::from(qc.depth.median)),
    );
    if qc.reads.on_target == 0 {
        eprintln!("warning: no read lies in the panel");
    }
    match &qc.contamination {
        Figure::Given(c) => eprintln!(
            "contamination: {:.2} % ({:.2} to {:.2} %) at {} sites",
            100.0 * c.share,
            100.0 * c.low,
            100.0 * c.high,
            c.sites
        ),
        Figure::NotAssessed { not_assessed } => {
            eprintln!("contamination: not assessed: {not_assessed}");
        }
    }
    match &qc.sex {
        Figure::Given(sex) => eprintln!("sex chromosomes: {}", sex.reading),
        Figure::NotAssessed { not_assessed } => {
            eprintln!("sex chromosomes: not assessed: {not_assessed}");
        }
    }
    match &qc.same_person {
        Figure::Given(c) => {
            eprintln!(
                "identity: {} of {} genotypes equal, log10 odds {:.1} for one person",
                c.equal, c.sites, c.log10_odds
            );
            if let Some(warning) = c.verdict.warning() {
                eprintln!("warning: {warning}");
            }
        }
        Figure::NotAssessed { not_assessed } if compared => {
            eprintln!("identity: not assessed: {not_assessed}");
        }
        Figure::NotAssessed { .. } => {}
    }
}
