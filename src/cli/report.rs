//! `theralign report`: VCF to therapy report.

use super::common::{KnowledgeChoice, Redact};
use crate::Result;
use crate::genome::Reference;
use crate::report::evidence::Tier;
use crate::report::{self, Hashed, Made, ReportOptions};
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
    /// OncoTree code of the tumor, such as NSCLC; germline calls go without
    #[arg(long, value_name = "CODE")]
    tumor_type: Option<String>,
    /// Depth file [default: CALLS.depth.bed.gz beside the VCF, if there]
    #[arg(long, value_name = "FILE")]
    depth: Option<PathBuf>,
    /// The reads that were called, for pictures of them: sorted BAM
    #[arg(long, value_name = "READS.bam")]
    reads: Option<PathBuf>,
    /// Sample of the VCF [default: its only one]
    #[arg(long, value_name = "ID")]
    sample: Option<String>,
    /// Quality figures to show in the report
    #[arg(long, value_name = "QC.json")]
    qc: Option<PathBuf>,
    /// What the person agreed to, JSON: it decides which sections the report has
    #[arg(long, value_name = "CONSENT.json")]
    consent: Option<PathBuf>,
    /// Limits of the gates that stand before a signature, JSON
    #[arg(long, value_name = "GATES.json")]
    gates: Option<PathBuf>,
    /// Germline calls of the mother, with their depth file beside them
    #[arg(long, value_name = "CALLS.vcf.gz")]
    mother: Option<PathBuf>,
    /// Germline calls of the father
    #[arg(long, value_name = "CALLS.vcf.gz")]
    father: Option<PathBuf>,
    #[command(flatten)]
    redact: Redact,
    #[command(flatten)]
    knowledge: KnowledgeChoice,
    /// Folder for the report in its forms: report.html, report.json, findings.tsv, loci.tsv, report.maf ...
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
            reads: args.reads.clone(),
            consent: args.consent.clone(),
            gates: args.gates.clone(),
            mother: args.mother.clone(),
            father: args.father.clone(),
            made: Made {
                command: args.redact.command(),
                device: None,
                inputs: inputs(args)?,
            },
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

/// The files that the report rests on, hashed; the reads are not: they are large, and the calls rest on them.
fn inputs(args: &Args) -> Result<Vec<Hashed>> {
    let always = [&args.calls, &args.genes, &args.panel];
    let optional = [&args.depth, &args.qc, &args.consent, &args.gates, &args.mother, &args.father];
    let files = always.into_iter().chain(optional.into_iter().flatten());
    files.chain(&args.knowledge.files).map(|f| Hashed::of(f)).collect()
}
