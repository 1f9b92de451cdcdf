//! `theralign report`: VCF to therapy report.

use super::common::KnowledgeChoice;
use crate::Result;
use crate::genome::Reference;
use crate::report::evidence::Tier;
use crate::report::{self, ReportOptions};
use std::path::PathBuf;

/// Annotate called variants and report the therapies that they support or rule out
#[derive(clap::Args, Debug)]
pub struct Args {
    /// Variants, as `theralign call` wrote them
    #[arg(value_name = "CALLS.vcf.gz")]
    calls: PathBuf,
    /// The index that was used for calling
    #[arg(short = 'x', long, value_name = "INDEX")]
    index: PathBuf,
    /// Gene model of the same genome build: GFF3 or GTF; gzip is fine
    #[arg(long, value_name = "GENES")]
    genes: PathBuf,
    /// The panel's targets
    #[arg(long, value_name = "PANEL.bed")]
    panel: PathBuf,
    /// OncoTree code of the tumor, such as NSCLC
    #[arg(long, value_name = "CODE")]
    tumor_type: String,
    /// Depth file [default: CALLS.depth.bed.gz beside the VCF, if there]
    #[arg(long, value_name = "FILE")]
    depth: Option<PathBuf>,
    /// Sample of the VCF [default: its only one]
    #[arg(long, value_name = "ID")]
    sample: Option<String>,
    /// Quality figures to show in the report
    #[arg(long, value_name = "QC.json")]
    qc: Option<PathBuf>,
    #[command(flatten)]
    knowledge: KnowledgeChoice,
    /// Folder for report.html, report.json and loci.tsv
    #[arg(short, long, value_name = "DIR")]
    output: PathBuf,
}

/// Makes the report and says what is in it.
pub fn run(args: &Args) -> Result<()> {
    let reference = Reference::open(&args.index)?;
    let summary = report::run(
        &reference,
        &ReportOptions {
            calls: args.calls.clone(),
            genes: args.genes.clone(),
            panel: args.panel.clone(),
            tumor: args.tumor_type.clone(),
            depth: args.depth.clone(),
            sample: args.sample.clone(),
            qc: args.qc.clone(),
            knowledge: args.knowledge.options()?,
            out: args.output.clone(),
        },
    )?;
    for warning in &summary.report.warnings {
        eprintln!("warning: {warning}");
    }
    let tier = |t| summary.of_tier(t).count();
    let (detected, absent, open) = summary.loci();
    eprintln!(
        "{}: tier I {}, II {}, III {}; actionable loci: {detected} detected, {absent} not detected, {open} not assessed",
        summary.html.display(),
        tier(Tier::One),
        tier(Tier::Two),
        tier(Tier::Three)
    );
    Ok(())
}
