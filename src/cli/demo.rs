//! `theralign demo`: the whole way on data that ships with the program, checked against the truth.

use super::common::{DeviceChoice, KnowledgeChoice, Redact, Sorting, Threads, Timing};
use super::run;
use crate::call::Mode;
use crate::call::allele::{Stretch, normalize};
use crate::domain::{ContigId, Span, Variant};
use crate::format::{bed, bgzf::DEFAULT_LEVEL, calls, folder::OutputFolder};
use crate::genome::{BuildOptions, Reference};
use crate::report::Report;
use crate::report::evidence::{Finding, Standing, Tier};
use crate::simulate::{Spike, read_spikes};
use crate::sort::Duplicates;
use crate::{Error, Result};
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};

/// See it work: simulated tumor reads on real sequence, from FASTQ to report, checked against the truth
#[derive(clap::Args, Debug)]
pub struct Args {
    /// Folder for inputs and results
    #[arg(short, long, value_name = "DIR", default_value = "theralign-demo")]
    output: PathBuf,
    #[command(flatten)]
    device: DeviceChoice,
    #[command(flatten)]
    threads: Threads,
}

/// `testdata/demo`, as its README describes it.
const FILES: [(&str, &[u8]); 6] = [
    (
        "reference.fa.gz",
        include_bytes!("../../testdata/demo/reference.fa.gz"),
    ),
    (
        "genes.gff3.gz",
        include_bytes!("../../testdata/demo/genes.gff3.gz"),
    ),
    ("panel.bed", include_bytes!("../../testdata/demo/panel.bed")),
    ("truth.vcf", include_bytes!("../../testdata/demo/truth.vcf")),
    (
        "tumor_1.fq.gz",
        include_bytes!("../../testdata/demo/tumor_1.fq.gz"),
    ),
    (
        "tumor_2.fq.gz",
        include_bytes!("../../testdata/demo/tumor_2.fq.gz"),
    ),
];
const SAMPLE: &str = "demo";
const TUMOR: &str = "NSCLC";

/// Lays out the inputs, runs every step, compares, and tells.
///
/// # Errors
/// Also when a variant of the truth was missed, or another one was called.
pub fn run(args: &Args) -> Result<()> {
    args.threads.apply()?;
    let inputs = args.output.join("inputs");
    lay_out(&args.output, &inputs)?;
    let index = inputs.join("demo.tidx");
    let done = run::execute(&run::Args {
        index: index.clone(),
        panel: inputs.join("panel.bed"),
        genes: inputs.join("genes.gff3.gz"),
        tumor_type: Some(TUMOR.into()),
        sites: None,
        sample: SAMPLE.into(),
        output: args.output.clone(),
        reads: [1, 2]
            .map(|m| inputs.join(format!("tumor_{m}.fq.gz")))
            .into(),
        interleaved: false,
        mode: Mode::Somatic,
        sex: None,
        batch: None,
        sorting: Sorting {
            memory: 1 << 30,
            temporary: None,
            duplicates: Duplicates::Mark,
            optical_distance: 100,
            duplicate_metrics: None,
            level: DEFAULT_LEVEL,
        },
        device: args.device.clone(),
        umi: None,
        comments: false,
        molecules: None,
        consent: None,
        gates: None,
        redact: Redact::default(),
        knowledge: KnowledgeChoice::default(),
        threads: args.threads.clone(),
        timing: Timing { timings: None },
    })?;
    let reference = Reference::open_for_seeding(&index)?;
    let comparison = compare(&reference, &inputs, &args.output)?;
    let text = comparison.table()
        + &therapies(&done.report)
        + &pharmacogenes(&done.report)
        + &farewell(&args.output, &inputs);
    let out = &mut std::io::stdout().lock();
    out.write_all(text.as_bytes())
        .map_err(Error::io("standard output"))?;
    comparison.verdict()
}

/// Writes the inputs and the index, all or nothing.
fn lay_out(output: &Path, inputs: &Path) -> Result<()> {
    fs::create_dir_all(output).map_err(Error::io(output))?;
    let folder = OutputFolder::create(inputs)?;
    for (name, bytes) in FILES {
        let path = folder.file(name);
        fs::write(&path, bytes).map_err(Error::io(path))?;
    }
    Reference::build_file(
        &folder.file("reference.fa.gz"),
        &folder.file("demo.tidx"),
        BuildOptions {
            windows: true,
            ..BuildOptions::default()
        },
    )?;
    folder.finish("demo.tidx")
}

/// A variant of the truth, and the fraction that was called, if it was.
struct Expected {
    place: String,
    spike: Spike,
    called: Option<f64>,
}

/// Truth and calls, side by side.
struct Comparison {
    expected: Vec<Expected>,
    /// Calls inside the panel that are not in the truth.
    unexpected: Vec<String>,
}

fn compare(reference: &Reference, inputs: &Path, output: &Path) -> Result<Comparison> {
    let panel = bed::merged(&bed::read_panel(&inputs.join("panel.bed"), |name| {
        let id = reference.contig_id(name)?;
        Some((id, reference.contig(id).length))
    })?);
    let inside = |contig: ContigId, span: Span| {
        let mut all = panel.iter();
        all.any(|(c, s)| *c == contig && s.overlaps(span))
    };
    let normal = |v: Variant| {
        let length = reference.contig(v.contig).length;
        let around = Stretch::fetch(reference, v.contig, v.span().widened(200, length));
        normalize(v, &around)
    };
    let place = |v: &Variant| {
        format!(
            "{}:{} {}>{}",
            reference.contig(v.contig).name,
            v.pos.one_based(),
            String::from_utf8_lossy(&v.reference),
            String::from_utf8_lossy(&v.alternate)
        )
    };
    let vcf = output.join(format!("{SAMPLE}.vcf.gz"));
    let mut called: BTreeMap<Variant, f64> = calls::read(&vcf, reference, None)?
        .calls
        .into_iter()
        .filter(|c| c.filters.is_empty() && inside(c.variant.contig, c.variant.span()))
        .map(|c| {
            let depth = f64::from(c.depth.unwrap_or_default().max(1));
            let fraction = f64::from(c.support.unwrap_or_default()) / depth;
            (normal(c.variant), fraction)
        })
        .collect();
    let expected = read_spikes(&inputs.join("truth.vcf"), reference)?
        .into_iter()
        .map(|spike| Expected {
            place: place(&spike.variant),
            called: called.remove(&normal(spike.variant.clone())),
            spike,
        })
        .collect();
    Ok(Comparison {
        expected,
        unexpected: called.keys().map(place).collect(),
    })
}

impl Comparison {
    fn found(&self) -> usize {
        self.expected.iter().filter(|e| e.called.is_some()).count()
    }

    fn table(&self) -> String {
        let mut out = format!("\n{:<28} expected    found\n", "Variants");
        for e in &self.expected {
            let found = match e.called {
                Some(fraction) => format!("{:5.1} %", 100.0 * fraction),
                None => " MISSED".into(),
            };
            let _ = writeln!(
                out,
                "  {:<28} {:3.0} %  {found}   {}",
                e.spike.name,
                100.0 * e.spike.fraction,
                e.place
            );
        }
        for u in &self.unexpected {
            let _ = writeln!(out, "  UNEXPECTED {u}");
        }
        let _ = writeln!(
            out,
            "{} of {} found, {} unexpected",
            self.found(),
            self.expected.len(),
            self.unexpected.len()
        );
        out
    }

    fn verdict(&self) -> Result<()> {
        let missed = self.expected.len() - self.found();
        if missed == 0 && self.unexpected.is_empty() {
            return Ok(());
        }
        Err(Error::Failed(format!(
            "the demo missed {missed} variants and called {} that are not there",
            self.unexpected.len()
        )))
    }
}

/// The findings of tier I and II with the drugs that they support, approved ones first.
fn therapies(report: &Report) -> String {
    let mut out = format!(
        "\nTherapies ({}, {})\n",
        report.tumor.name, report.tumor.code
    );
    let strong = report.findings.iter();
    for f in strong.filter(|f| matches!(f.tier, Some(Tier::One | Tier::Two))) {
        let tier = f.tier.map_or("", Tier::roman);
        let _ = writeln!(out, "  {tier:<3} {:<8} {}", f.gene, f.name);
        for (heading, drugs) in [
            ("approved for this tumor", drugs(f, Standing::ApprovedHere)),
            (
                "approved for another",
                drugs(f, Standing::ApprovedElsewhere),
            ),
            ("investigational", drugs(f, Standing::Investigational)),
            ("resistance to", resisted(f)),
        ] {
            if !drugs.is_empty() {
                let _ = writeln!(out, "        {heading}: {drugs}");
            }
        }
    }
    out
}

/// The panel's pharmacogenes: alleles, phenotype, and the drugs that it matters for.
fn pharmacogenes(report: &Report) -> String {
    let mut out = String::from("\nPharmacogenes\n");
    for gene in &report.pharmacogenes {
        let shown = &gene.diplotypes[..gene.diplotypes.len().min(3)];
        let alleles = match (shown.join(" or "), gene.diplotypes.len() - shown.len()) {
            (none, _) if none.is_empty() => "no diplotype".into(),
            (all, 0) => all,
            (some, more) => format!("{some} or one of {more} more"),
        };
        let meaning = gene.phenotype.as_ref().unwrap_or(&gene.note);
        let _ = writeln!(out, "  {:<8} {alleles}: {meaning}", gene.gene);
        let drugs = listed(gene.recommendations.iter().map(|r| r.drug.as_str()));
        if !drugs.is_empty() {
            let _ = writeln!(out, "        matters for: {drugs}");
        }
    }
    out
}

fn drugs(f: &Finding, standing: Standing) -> String {
    let all = f.sensitivity.iter().filter(|e| e.standing == standing);
    listed(all.map(|e| e.therapy.as_str()))
}

fn resisted(f: &Finding) -> String {
    listed(f.resistance.iter().map(|e| e.therapy.as_str()))
}

/// Each once, as they come.
fn listed<'a>(names: impl Iterator<Item = &'a str>) -> String {
    let mut out: Vec<&str> = Vec::new();
    for name in names {
        if !out.contains(&name) {
            out.push(name);
        }
    }
    out.join(", ")
}

fn farewell(output: &Path, inputs: &Path) -> String {
    let (output, inputs) = (output.display(), inputs.display());
    format!(
        "\nThe report, with evidence and what was not assessed:\n  {output}/report.html\n\
         The same by hand:\n  theralign run -x {inputs}/demo.tidx --panel {inputs}/panel.bed --genes {inputs}/genes.gff3.gz \
         --tumor-type {TUMOR} --sample {SAMPLE} -o {output} {inputs}/tumor_1.fq.gz {inputs}/tumor_2.fq.gz\n\
         Simulated reads; for research use only, not for diagnostic procedures.\n"
    )
}
