//! `theralign report`: VCF to therapy report.

use super::common::{KnowledgeChoice, Redact};
use crate::genome::Reference;
use crate::report::evidence::Tier;
use crate::report::{self, Hashed, Made, ReportOptions};
use crate::{Error, Result};
use std::io::Write;
use std::path::PathBuf;

/// Annotate called variants and report the therapies that they support or rule out
#[derive(clap::Args, Debug)]
pub struct Args {
    /// Variants, as `theralign call` wrote them
    #[arg(value_name = "CALLS.vcf.gz", required_unless_present = "schema")]
    calls: Option<PathBuf>,
    /// The index that was used for calling
    #[arg(
        short = 'x',
        long,
        value_name = "INDEX",
        required_unless_present = "schema"
    )]
    index: Option<PathBuf>,
    /// Gene model of the same genome build: GFF3 or GTF; gzip is fine
    #[arg(long, value_name = "GENES", required_unless_present = "schema")]
    genes: Option<PathBuf>,
    /// The panel's targets
    #[arg(long, value_name = "PANEL.bed", required_unless_present = "schema")]
    panel: Option<PathBuf>,
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
    #[arg(short, long, value_name = "DIR", required_unless_present = "schema")]
    output: Option<PathBuf>,
    /// Print the JSON Schema of report.json, and do nothing else
    #[arg(long, exclusive = true)]
    schema: bool,
}

/// Makes the report and says what is in it.
pub fn run(args: &Args) -> Result<()> {
    if args.schema {
        let text = report::schema();
        let out = &mut std::io::stdout().lock();
        return out
            .write_all(text.as_bytes())
            .map_err(Error::io("standard output"));
    }
    let (Some(calls), Some(index), Some(genes), Some(panel), Some(output)) = (
        &args.calls,
        &args.index,
        &args.genes,
        &args.panel,
        &args.output,
    ) else {
        return Err(Error::usage(
            "calls, --index, --genes, --panel and --output are needed",
            "See theralign report --help.",
        ));
    };
    let reference = Reference::open(index)?;
    let summary = report::run(
        &reference,
        &ReportOptions {
            calls: calls.clone(),
            genes: genes.clone(),
            panel: panel.clone(),
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
            out: output.clone(),
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
    let files = [
        &args.calls,
        &args.genes,
        &args.panel,
        &args.depth,
        &args.qc,
        &args.consent,
        &args.gates,
        &args.mother,
        &args.father,
    ];
    let files = files.into_iter().flatten();
    files
        .chain(&args.knowledge.files)
        .map(|f| Hashed::of(f))
        .collect()
}
