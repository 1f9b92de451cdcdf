//! `theralign run`: reads in, report out; every step between, in one folder.

use super::common::{DeviceChoice, KnowledgeChoice, Redact, Sorting, Threads, Timing, actionable};
use super::consensus::{Molecules, tell, write_metrics};
use crate::align::record::Style;
use crate::align::{LEAST_SCORE, run as align};
use crate::annotate::{Knowledge, knowledge};
use crate::backend::Device;
use crate::call::ploidy::Sex;
use crate::call::{self, Actionable, CallOptions, CallSummary, Mode};
use crate::consensus::{self, metrics::Tally};
use crate::error::thousands;
use crate::format::digest::sha256_of;
use crate::format::fastq::{Extras, Pairing};
use crate::format::folder::OutputFolder;
use crate::format::header::ReadGroup;
use crate::format::reads::Source;
use crate::format::umi::Umi;
use crate::format::{bed, input, output::Output};
use crate::genome::Reference;
use crate::pgx::gene::{self, Gene};
use crate::pgx::place::Places;
use crate::pgx::{self, positions, sample};
use crate::qc;
use crate::report::consent::Consent;
use crate::report::panel::Panel;
use crate::report::{self, KnowledgeOptions, ReportOptions, ReportSummary, evidence::Tier};
use crate::report::{Hashed, Made};
use crate::sort::Duplicates;
use crate::{Error, Result};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};

/// Align, call and report in one go
#[derive(clap::Args, Debug)]
pub struct Args {
    /// Index of the reference genome (see `theralign index`)
    #[arg(short = 'x', long, value_name = "INDEX")]
    pub(super) index: PathBuf,
    /// The panel's targets
    #[arg(long, value_name = "PANEL.bed")]
    pub(super) panel: PathBuf,
    /// Gene model of the same genome build: GFF3 or GTF; gzip is fine
    #[arg(long, value_name = "GENES")]
    pub(super) genes: PathBuf,
    /// `OncoTree` code of the tumor, such as NSCLC; germline calls go without
    #[arg(long, value_name = "CODE")]
    pub(super) tumor_type: Option<String>,
    /// Common SNVs (VCF; INFO/AF is how common ALT is), to tell contamination by another person
    #[arg(long, value_name = "SITES.vcf")]
    pub(super) sites: Option<PathBuf>,
    /// A pseudonym for the sample: it goes into file names, headers and the report
    #[arg(long, value_name = "ID")]
    pub(super) sample: String,
    /// Folder for the results
    #[arg(short, long, value_name = "DIR")]
    pub(super) output: PathBuf,
    /// FASTQ files (plain, gzip or BGZF; - is standard input): one is single-end; R1 R2 of each lane are pairs. Or unaligned BAM files
    #[arg(required = true, value_name = "READS.fq[.gz]")]
    pub(super) reads: Vec<PathBuf>,
    /// Mates follow each other in each file
    #[arg(short = 'p', long)]
    pub(super) interleaved: bool,
    /// What to look for
    #[arg(short, long, value_enum, default_value = "somatic")]
    pub(super) mode: Mode,
    /// The person's sex: copies of X and Y in --mode germline
    #[arg(long, value_enum)]
    pub(super) sex: Option<Sex>,
    /// Reads or pairs in a batch; changes nothing in the output [default: what suits the device]
    #[arg(long, value_name = "N", hide = true)]
    pub(super) batch: Option<NonZeroUsize>,
    /// Make a consensus read pair of each molecule, and call on these. Its copies are told by the UMI in RX, which unaligned
    /// BAM and, with -C, FASTQ comments have; or by that in the reads' names or comments
    #[arg(long, value_enum, value_name = "WHERE", num_args = 0..=1)]
    #[allow(
        clippy::option_option,
        reason = "not asked for, asked for, and said where"
    )]
    pub(super) umi: Option<Option<Umi>>,
    /// FASTQ comments are fields of SAM, as RX:Z:ACGT, with tabs between them: give them to the records
    #[arg(short = 'C', long)]
    pub(super) comments: bool,
    #[command(flatten)]
    pub(super) knowledge: KnowledgeChoice,
    #[command(flatten)]
    pub(super) sorting: Sorting,
    #[command(flatten)]
    pub(super) device: DeviceChoice,
    /// What the person agreed to, JSON: it decides which sections the report has
    #[arg(long, value_name = "CONSENT.json")]
    pub(super) consent: Option<PathBuf>,
    /// Limits of the gates that stand before a signature, JSON
    #[arg(long, value_name = "GATES.json")]
    pub(super) gates: Option<PathBuf>,
    #[command(flatten)]
    pub(super) redact: Redact,
    #[command(flatten)]
    pub(super) threads: Threads,
    #[command(flatten)]
    pub(super) timing: Timing,
    // The last one: options behind it would stand under its heading, too.
    #[command(flatten, next_help_heading = "Consensus, with --umi")]
    pub(super) molecules: Option<Molecules>,
}

/// Runs every step.
pub fn run(args: &Args) -> Result<()> {
    let done = execute(args)?;
    let tier = |t| done.of_tier(t).count();
    let (detected, absent, open) = done.loci();
    eprintln!(
        "{}: tier I {}, II {}, III {}; actionable loci: {detected} detected, {absent} not detected, {open} not assessed",
        args.output.join("report.html").display(),
        tier(Tier::One),
        tier(Tier::Two),
        tier(Tier::Three)
    );
    Ok(())
}

/// Does all the work. The results get their names together, at the end.
pub(super) fn execute(args: &Args) -> Result<ReportSummary> {
    let threads = args.threads.apply()?;
    // What can be refused is refused before the first read is aligned.
    check_sample(&args.sample)?;
    let knowledge_options = args.knowledge.options()?;
    let knowledge = Knowledge::with(&args.knowledge.files, args.knowledge.only)?;
    let tumor = match (&args.tumor_type, args.mode) {
        (Some(code), _) => Some(knowledge.tumors.find(code)?),
        (None, Mode::Germline) => None,
        (None, Mode::Somatic) => {
            return Err(Error::usage(
                "no tumor type",
                "Give --tumor-type an OncoTree code, such as NSCLC; only --mode germline goes without.",
            ));
        }
    };
    if args.sex.is_some() && args.mode == Mode::Somatic {
        return Err(Error::usage(
            "--sex is for --mode germline",
            "Leave it out; a tumor's variants may have any fraction.",
        ));
    }
    let asked = (args.consent.iter()).chain(&args.gates).chain(&args.sites);
    for file in args.reads.iter().chain([&args.genes]).chain(asked) {
        if file.as_os_str() != "-" {
            std::fs::File::open(file).map_err(Error::io(file))?;
        }
    }
    let reference = Reference::open_for_seeding(&args.index)?;
    let regions = bed::read_panel(&args.panel, |name| {
        let id = reference.contig_id(name)?;
        Some((id, reference.contig(id).length))
    })?;
    let wanted = wants_pharmacogenes(args, &knowledge)?;
    let device = args.device.open()?;
    let folder = OutputFolder::create(&args.output)?;
    let consensus = consensus_options(args, threads, &folder)?;
    let steps = || -> Result<ReportSummary> {
        // Inputs are hashed while the reads are aligned, so that a disk reads them once; where
        // aligning fails, nobody waits for the hashes.
        let named = inputs(args);
        let hashing = std::thread::spawn(move || hashed(&named));
        let aligned = align_step(args, &reference, &device, threads, &folder)?;
        let inputs = hashing.join().expect("hashing does not panic")?;
        let made = (consensus.as_ref()).map(|options| consensus_step(args, options, &folder));
        let made = made.transpose()?;
        let pharmacogenes = wanted.then(|| pharmacogenes(args, &reference, &regions, &folder));
        let pharmacogenes = pharmacogenes.transpose()?.flatten();
        let force = pharmacogenes.as_ref().map(|p| p.loci.clone());
        let called = call_step(args, &reference, &device, force, &folder)?;
        if let Some(pharmacogenes) = pharmacogenes {
            pgx_step(args, pharmacogenes, &folder)?;
        }
        qc_step(args, &reference, &regions, &aligned, made.as_ref(), &folder)?;
        let how = Made {
            command: args.redact.command(),
            device: Some(device.name().clone()),
            inputs: inputs.iter().filter_map(told).collect(),
        };
        let report = report_step(args, &knowledge_options, &reference, &folder, how)?;
        let mut manifest = json!({
            "schema": "theralign-run/1",
            "program": concat!("theralign ", env!("CARGO_PKG_VERSION")),
            "command": args.redact.command(),
            "device": device.name(),
            "device_lost": device.is_lost(),
            "threads": threads,
            "sample": args.sample,
            "tumor_type": tumor.as_ref().map(|t| &t.code),
            "parameters": parameters(args, &aligned),
            "reference": {
                "index": file_name(&args.index),
                "sha256": reference.digest(),
                "contigs": reference.contigs().len(),
            },
            "knowledge": {
                "version": knowledge::VERSION,
                "date": knowledge::DATE,
                "sha256": report.report.knowledge.sha256,
                "shipped": report.report.knowledge.shipped,
                "files": report.report.knowledge.files,
            },
            "calls": { "records": called.records, "passed": called.passed },
            "inputs": inputs,
            "outputs": outputs(&folder)?,
        });
        if let (Some(options), Some(made)) = (&consensus, &made) {
            manifest["parameters"]["consensus"] = options.described().into();
            manifest["molecules"] = json!({
                "written": made.molecules,
                "duplex": made.duplex,
                "too_few": made.too_few,
            });
        }
        write_json(&folder.file("run.json"), &manifest)?;
        Ok(report)
    };
    let report = steps().map_err(|e| folder.told(e))?;
    withdraw(&args.sample, &folder)?;
    folder.finish("run.json")?;
    Ok(report)
}

/// A name that is safe in file names and SAM headers.
fn check_sample(sample: &str) -> Result<()> {
    let usual = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
    if sample.chars().all(usual) && sample.starts_with(|c: char| c.is_ascii_alphanumeric()) {
        return Ok(());
    }
    Err(Error::usage(
        format!("--sample {sample:?} is not usable in file names"),
        "Give letters, digits, '.', '_' and '-', beginning with a letter or digit.",
    ))
}

fn source(args: &Args) -> Source {
    Source {
        files: args.reads.clone(),
        pairing: args.interleaved.then_some(Pairing::Interleaved),
        extras: Extras {
            umi: args.umi.flatten(),
            comments: args.comments,
        },
        keep_groups: false,
    }
}

/// The BAM that is called: of the reads, or of the molecules that they are copies of.
fn called_bam(args: &Args) -> String {
    let molecules = if args.umi.is_some() { ".molecules" } else { "" };
    format!("{}{molecules}.bam", args.sample)
}

/// How to make a consensus, if that is asked for. Reads that have no UMIs are refused.
fn consensus_options(
    args: &Args,
    threads: usize,
    folder: &OutputFolder,
) -> Result<Option<consensus::Options>> {
    if args.umi.is_none() {
        return match args.molecules {
            None => Ok(None),
            Some(_) => Err(Error::usage(
                "options of the consensus, but no --umi",
                "Add --umi, or leave out --duplex, --simplex, --min-reads and the others under \"Consensus\" in --help.",
            )),
        };
    }
    if args.sorting.duplicates == Duplicates::Remove {
        return Err(Error::usage(
            "--umi and --duplicates remove exclude each other",
            "A consensus is made of the copies of a molecule; leave out --duplicates.",
        ));
    }
    let input = folder.file(&format!("{}.bam", args.sample));
    let output = folder.file(&called_bam(args));
    let options = match &args.molecules {
        Some(molecules) => molecules.options(input, output)?,
        None => consensus::Options::new(input, output),
    };
    source(args).check_umis()?;
    Ok(Some(consensus::Options {
        threads,
        memory: args.sorting.memory,
        temporary: args.sorting.temporary.clone(),
        level: args.sorting.level,
        command: args.redact.command(),
        ..options
    }))
}

fn align_step(
    args: &Args,
    reference: &Reference,
    device: &Device,
    threads: usize,
    folder: &OutputFolder,
) -> Result<align::Summary> {
    let sample = &args.sample;
    let options = align::Options {
        source: source(args),
        output: folder.file(&format!("{sample}.bam")),
        read_group: Some(ReadGroup::parse(&format!(
            "@RG\tID:{sample}\tSM:{sample}\tLB:{sample}\tPL:ILLUMINA"
        ))?),
        insert: None,
        threads,
        sorting: args.sorting.options(),
        batch: args.batch.map(Into::into),
        least_score: LEAST_SCORE,
        style: Style::default(),
        redact: args.redact.redact,
        command: args.redact.command(),
    };
    let summary = align::run(reference, device, &options)?;
    let share = |n: u64| 100.0 * n as f64 / summary.reads.max(1) as f64;
    eprintln!(
        "{} reads: {:.2} % mapped, {:.2} % in proper pairs",
        thousands(summary.reads),
        share(summary.mapped),
        share(summary.proper)
    );
    args.sorting.tell(&summary)?;
    args.timing.tell(&summary, threads)?;
    Ok(summary)
}

/// The molecules and their figures, beside the reads.
fn consensus_step(
    args: &Args,
    options: &consensus::Options,
    folder: &OutputFolder,
) -> Result<Tally> {
    let tally = consensus::run(options)?;
    for name in ["molecules.json", "family_sizes.txt"] {
        write_metrics(&folder.file(&format!("{}.{name}", args.sample)), &tally)?;
    }
    tell(&tally);
    Ok(tally)
}

fn call_step(
    args: &Args,
    reference: &Reference,
    device: &Device,
    force: Option<PathBuf>,
    folder: &OutputFolder,
) -> Result<CallSummary> {
    let of_sample = |end: &str| folder.file(&format!("{}.{end}", args.sample));
    let actionable = match args.mode {
        Mode::Germline => Actionable::default(),
        Mode::Somatic => actionable(
            &args.knowledge.options()?,
            &args.genes,
            &args.panel,
            reference,
        )?,
    };
    let options = CallOptions {
        actionable,
        force,
        sex: args.sex,
        reference_name: file_name(&args.index),
        command: args.redact.command(),
        ..CallOptions::new(
            args.panel.clone(),
            folder.file(&called_bam(args)),
            args.mode,
            of_sample("vcf.gz"),
        )
    };
    let called = call::run(reference, device, &options)?;
    for warning in &called.warnings {
        eprintln!("warning: {warning}");
    }
    eprintln!(
        "{} variants pass, of {} considered; {} bases of the panel at a mean depth of {}",
        thousands(called.passed),
        thousands(called.records),
        thousands(called.panel_bases),
        thousands(called.depth_sum / called.panel_bases.max(1)),
    );
    Ok(called)
}

/// Pharmacogenes' defining places on this reference, and those of the panel as a file for `--force`.
struct Pharmacogenes {
    genes: BTreeMap<String, Gene>,
    places: Places,
    loci: PathBuf,
}

/// A tumor's DNA does not tell what the person was born with, and a person may not want to know.
fn wants_pharmacogenes(args: &Args, knowledge: &Knowledge) -> Result<bool> {
    let consent = Consent::of(args.consent.as_deref(), knowledge)?;
    Ok(args.mode == Mode::Germline && consent.pharmacogenetics)
}

/// `None` if the panel has none of the places.
fn pharmacogenes(
    args: &Args,
    reference: &Reference,
    regions: &[bed::Region],
    folder: &OutputFolder,
) -> Result<Option<Pharmacogenes>> {
    let genes = gene::shipped();
    let places = Places::on(reference, &genes);
    let panel = Panel::new(&bed::merged(regions));
    let within = |contig, span| panel.outside(contig, span).is_empty();
    if !places.found().any(|(contig, span)| within(contig, span)) {
        return Ok(None);
    }
    let loci = folder.file(&format!("{}.pgx.loci.vcf", args.sample));
    positions::write_loci(&loci, &genes, &places, reference, &within)?;
    Ok(Some(Pharmacogenes {
        genes,
        places,
        loci,
    }))
}

/// Removes what an earlier run left of what only a consent lets be written, and this run did not write.
fn withdraw(sample: &str, folder: &OutputFolder) -> Result<()> {
    let pharmacogenes = [
        "tsv",
        "advice.tsv",
        "json",
        "vcf.gz",
        "vcf.gz.tbi",
        "loci.vcf",
    ];
    let names = pharmacogenes.map(|end| format!("{sample}.pgx.{end}"));
    let written = folder.names()?;
    let left = names.into_iter().chain(["report.maf".into()]);
    for name in left.filter(|name| !written.contains(name)) {
        report::remove(&folder.path().join(name))?;
    }
    Ok(())
}

/// What the places' genotypes make of the pharmacogenes; a place that was not genotyped is missing.
fn pgx_step(args: &Args, asked: Pharmacogenes, folder: &OutputFolder) -> Result<()> {
    let calls = folder.file(&format!("{}.vcf.gz", args.sample));
    let options = sample::Options {
        places: Some(asked.places),
        sex: args.sex,
        min_quality: sample::LEAST_QUALITY,
        min_depth: sample::LEAST_DEPTH,
        ..sample::Options::default()
    };
    let sample = sample::read(&calls, &asked.genes, &options)?;
    let called = pgx::call(&asked.genes, &sample.seen);
    let (seen, all) = (called.iter()).fold((0, 0), |n, c| (n.0 + c.seen.0, n.1 + c.seen.1));
    eprintln!("{seen} of {all} places that define pharmacogenes' alleles were genotyped");
    super::pgx::write(&folder.file(&args.sample), &asked.genes, &sample, &called)
}

fn qc_step(
    args: &Args,
    reference: &Reference,
    regions: &[bed::Region],
    aligned: &align::Summary,
    made: Option<&Tally>,
    folder: &OutputFolder,
) -> Result<()> {
    let reads = format!("{}.bam", args.sample);
    let options = qc::Options {
        sites: args.sites.clone(),
        libraries: Some((aligned.sorted.as_ref()).map_or(Vec::new(), |s| s.libraries.clone())),
        ..qc::Options::default()
    };
    let assess = |bam: &str| qc::assess(&folder.file(bam), reference, regions, &options);
    let mut done = assess(&reads)?;
    if let Some(tally) = made {
        let molecules = called_bam(args);
        done = done.with_molecules(assess(&molecules)?, [&reads, &molecules], tally);
    }
    let (json, prefix) = (folder.file("qc.json"), folder.file(&args.sample));
    done.write(&json, &prefix, regions, reference, false)?;
    super::qc::tell(&done.qc, false);
    Ok(())
}

fn report_step(
    args: &Args,
    knowledge: &KnowledgeOptions,
    reference: &Reference,
    folder: &OutputFolder,
    made: Made,
) -> Result<ReportSummary> {
    let done = report::run(
        reference,
        &ReportOptions {
            calls: folder.file(&format!("{}.vcf.gz", args.sample)),
            genes: args.genes.clone(),
            panel: args.panel.clone(),
            tumor: args.tumor_type.clone(),
            depth: None,
            reads: Some(folder.file(&called_bam(args))),
            consent: args.consent.clone(),
            gates: args.gates.clone(),
            mother: None,
            father: None,
            made,
            sample: None,
            qc: Some(folder.file("qc.json")),
            knowledge: knowledge.clone(),
            out: folder.file(""),
        },
    )?;
    for warning in &done.report.warnings {
        eprintln!("warning: {warning}");
    }
    Ok(done)
}

fn parameters(args: &Args, aligned: &align::Summary) -> Value {
    json!({
        "mode": format!("{:?}", args.mode).to_lowercase(),
        "duplicates": format!("{:?}", args.sorting.duplicates).to_lowercase(),
        "insert_size": aligned.insert.map(|i| json!({
            "mean": (i.mean * 100.0).round() / 100.0,
            "sd": (i.sd * 100.0).round() / 100.0,
            "low": i.low,
            "high": i.high,
            "pairs": i.pairs,
        })),
    })
}

/// The inputs that are hashed, by role. An index tells itself by its reference's digest.
fn inputs(args: &Args) -> Vec<(&'static str, PathBuf)> {
    let reads = args.reads.iter().map(|r| ("reads", r));
    let others = [("panel", &args.panel), ("genes", &args.genes)];
    let sites = args.sites.iter().map(|s| ("sites", s));
    let knowledge = args.knowledge.files.iter().map(|k| ("knowledge", k));
    let consent = args.consent.iter().map(|c| ("consent", c));
    let gates = args.gates.iter().map(|g| ("gates", g));
    reads
        .chain(others)
        .chain(sites)
        .chain(knowledge)
        .chain(consent)
        .chain(gates)
        .map(|(role, path)| (role, path.clone()))
        .collect()
}

/// An input that was hashed, for the report.
fn told(input: &Value) -> Option<Hashed> {
    Some(Hashed {
        name: input["file"].as_str()?.into(),
        sha256: input["sha256"].as_str()?.into(),
    })
}

fn hashed(inputs: &[(&str, PathBuf)]) -> Result<Vec<Value>> {
    let each = inputs.iter().map(|(role, path)| {
        let mut info = json!({ "role": role, "file": file_name(path) });
        // What came through a pipe is gone.
        if path.is_file() {
            info["bytes"] = path.metadata().map_err(Error::io(path))?.len().into();
            info["sha256"] = sha256_of(path)?.into();
        }
        Ok(info)
    });
    each.collect()
}

fn outputs(folder: &OutputFolder) -> Result<Vec<Value>> {
    let each = folder.names()?.into_iter().map(|name| {
        let path = folder.file(&name);
        let bytes = path.metadata().map_err(Error::io(&path))?.len();
        Ok(json!({ "file": name, "bytes": bytes, "sha256": sha256_of(&path)? }))
    });
    each.collect()
}

/// The last part of a path: folders may tell more of a person than results should.
fn file_name(path: &Path) -> String {
    path.file_name().map_or_else(
        || input::display_name(path),
        |n| n.to_string_lossy().into_owned(),
    )
}

fn write_json(path: &Path, value: &Value) -> Result<()> {
    let mut text = serde_json::to_string_pretty(value).expect("plain data always serializes");
    text.push('\n');
    Output::write(path, text.as_bytes())
}
