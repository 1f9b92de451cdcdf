//! From a VCF to a therapy report: annotate, match, tier, and say of every actionable locus whether it
//! was seen.

pub mod assess;
pub mod consent;
pub mod evidence;
mod export;
mod fhir;
pub mod gates;
pub mod germline;
pub mod panel;
pub mod pgx;
mod picture;
pub mod pileup;
mod profile;
mod render;
pub mod review;
#[cfg(test)]
mod tests;

use crate::annotate::gene_model::Keep;
use crate::annotate::knowledge::{self, Extra, Origin};
use crate::annotate::{GeneModel, Knowledge, Relation, Rule, Tumor};
use crate::call::sample::Bam;
use crate::format::{bed, calls, depth::Depth, digest::sha256_of, output::Output};
use crate::genome::Reference;
use crate::{Error, Result};
use assess::{Assessor, Locus, Outcome, Unseen};
use consent::Consent;
use evidence::{Finding, Tier};
use gates::{Gate, Limits};
use germline::{Germline, Parent, Parents};
use panel::Panel;
use profile::Sample;
use review::Review;
use schemars::JsonSchema;
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// What a report is made from.
#[derive(Clone, Debug)]
pub struct ReportOptions {
    /// The VCF of `theralign call`.
    pub calls: PathBuf,
    /// Gene model, GFF3 or GTF.
    pub genes: PathBuf,
    /// The targets, BED.
    pub panel: PathBuf,
    /// OncoTree code of the tumor; `None`: there is none, which only germline calls can be.
    pub tumor: Option<String>,
    /// Depth file; `None`: the one beside the VCF, if there.
    pub depth: Option<PathBuf>,
    /// The reads that were called, BAM; `None`: no pictures of them.
    pub reads: Option<PathBuf>,
    /// Sample of the VCF; `None` if it has only one.
    pub sample: Option<String>,
    /// Quality figures to show, JSON.
    pub qc: Option<PathBuf>,
    /// What the person agreed to, JSON; see [`Consent`].
    pub consent: Option<PathBuf>,
    /// Limits of the gates, JSON; see [`Limits`].
    pub gates: Option<PathBuf>,
    /// Germline calls of the mother.
    pub mother: Option<PathBuf>,
    /// Of the father.
    pub father: Option<PathBuf>,
    /// Knowledge beside what ships.
    pub knowledge: KnowledgeOptions,
    /// How it came about, for the record.
    pub made: Made,
    /// Folder for the outputs; made if missing.
    pub out: PathBuf,
}

/// Which knowledge is used, and how old it may be.
#[derive(Clone, Debug)]
pub struct KnowledgeOptions {
    /// Files of statements, as `theralign knowledge import` writes them.
    pub files: Vec<PathBuf>,
    /// Use them instead of the shipped statements.
    pub only: bool,
    /// Warn of tables older than so many days.
    pub max_age: u32,
    /// On this day; `None`: the newest day that the tables name.
    pub as_of: Option<String>,
}

impl Default for KnowledgeOptions {
    fn default() -> Self {
        KnowledgeOptions {
            files: Vec::new(),
            only: false,
            max_age: 365,
            as_of: None,
        }
    }
}

/// How a report came about.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Made {
    /// The command.
    pub command: String,
    /// What the reads were aligned and called on; `null` where they were not by this command. No result
    /// depends on it.
    pub device: Option<String>,
    /// Input files, with their hashes.
    pub inputs: Vec<Hashed>,
}

/// A file and its hash.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Hashed {
    /// Its name, without its folder.
    pub name: String,
    /// SHA-256.
    pub sha256: String,
}

impl Hashed {
    /// Hashes a file.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn of(path: &Path) -> Result<Hashed> {
        Ok(Hashed {
            name: file_name(path),
            sha256: sha256_of(path)?,
        })
    }
}

/// What is in the report, for the caller's own words.
#[derive(Clone, Debug)]
pub struct ReportSummary {
    /// The report itself.
    pub report: Report,
    /// The page to open.
    pub html: PathBuf,
}

impl ReportSummary {
    /// Loci: detected, not detected, not assessed.
    pub fn loci(&self) -> (usize, usize, usize) {
        let count =
            |f: fn(&Outcome) -> bool| self.report.loci.iter().filter(|l| f(&l.outcome)).count();
        (
            count(|o| matches!(o, Outcome::Detected { .. })),
            count(|o| matches!(o, Outcome::NotDetected { .. })),
            count(|o| matches!(o, Outcome::NotAssessed { .. })),
        )
    }

    /// Findings of a tier.
    pub fn of_tier(&self, tier: Tier) -> impl Iterator<Item = &Finding> {
        self.report
            .findings
            .iter()
            .filter(move |f| f.tier == Some(tier))
    }
}

/// Everything that report.json holds. Fields keep their order; there is no clock time and no path
/// in it, so that equal inputs give equal bytes.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct Report {
    /// [`SCHEMA`].
    pub schema: &'static str,
    /// What it may be used for.
    pub notice: &'static str,
    /// Program and version.
    pub program: &'static str,
    /// The sample.
    pub sample: String,
    /// The tumor.
    pub tumor: Tumor,
    /// `somatic` or `germline`.
    pub mode: String,
    /// How the reads that were called were made of molecules' copies, by their UMIs; left out if they were not.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub consensus: Option<String>,
    /// SHA-256 of the reference's contig names, lengths and MD5s.
    pub reference: String,
    /// `GRCh37` or `GRCh38`, by the contigs' lengths; `null` for another.
    pub assembly: Option<String>,
    /// What the person agreed to.
    pub consent: Consent,
    /// What must hold before it may be signed.
    pub gates: Vec<Gate>,
    /// How far it was reviewed.
    pub review: Review,
    /// The panel.
    pub panel: PanelInfo,
    /// The gene model.
    pub gene_model: GeneModelInfo,
    /// The knowledge.
    pub knowledge: KnowledgeInfo,
    /// Variants that passed, by tier, then gene and place.
    pub findings: Vec<Finding>,
    /// Drugs that one finding speaks for and another against, in this tumor.
    pub conflicts: Vec<String>,
    /// Therapies that need tumors without an alteration.
    pub wild_type: Vec<WildType>,
    /// Germline findings.
    pub germline: Germline,
    /// Variants in genes that nobody agreed to hear of: how many are not shown.
    pub withheld: usize,
    /// Measures of the whole genome, and why they are not given.
    pub biomarkers: Vec<Biomarker>,
    /// Actionable loci of the panel's genes.
    pub loci: Vec<Locus>,
    /// Alterations with a therapy for this tumor that the assay cannot show.
    pub unseen: Vec<Unseen>,
    /// How many alterations without one.
    pub unseen_elsewhere: usize,
    /// Genes of the knowledge that the panel does not touch, those with a statement for this tumor first.
    pub outside: Vec<OutsideGene>,
    /// Pharmacogenes of the panel.
    pub pharmacogenes: Vec<pgx::PgxGene>,
    /// What holds for all of them.
    pub pharmacogenes_note: &'static str,
    /// Variants that did not pass.
    pub filtered: Vec<Finding>,
    /// What a reader should know about this report.
    pub warnings: Vec<String>,
    /// Quality figures as given; `null` if none.
    pub qc: serde_json::Value,
    /// How it came about.
    pub audit: Made,
    #[serde(skip)]
    knowledge_aged: Vec<String>,
    #[serde(skip)]
    withheld_genes: BTreeSet<String>,
}

/// Of report.json: counts up with every change of its shape.
pub const SCHEMA: &str = "theralign-report/2";

/// A measure that a small panel cannot give.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Biomarker {
    /// Its name.
    pub name: &'static str,
    /// Always `not_assessed`, so far.
    pub status: &'static str,
    /// Why.
    pub reason: String,
}

/// The panel as the report used it.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct PanelInfo {
    /// File name.
    pub name: String,
    /// SHA-256 of the file.
    pub sha256: String,
    /// Merged targets.
    pub targets: usize,
    /// Their bases.
    pub bases: u64,
    /// Those as deep as the gate of depth asks; `null` without a depth file.
    pub deep_bases: Option<u64>,
}

/// The gene model as the report used it.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct GeneModelInfo {
    /// File name.
    pub name: String,
    /// SHA-256 of the file.
    pub sha256: String,
    /// The transcript taken for each gene of the panel.
    pub transcripts: Vec<TranscriptInfo>,
}

/// One gene's transcript.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct TranscriptInfo {
    /// Gene symbol.
    pub gene: String,
    /// Transcript id.
    pub id: String,
    /// Why this one.
    pub choice: &'static str,
    /// Codons, stop included; 0 for non-coding RNA.
    pub codons: usize,
    /// Codons whose bases the reference knows.
    pub known_codons: usize,
    /// Why no protein change is derived from it; `null` if all is well.
    pub fault: Option<String>,
}

/// The knowledge as the report used it.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct KnowledgeInfo {
    /// Version of the shipped tables.
    pub version: &'static str,
    /// The day of their last review.
    pub date: &'static str,
    /// SHA-256 of the oncology tables.
    pub sha256: String,
    /// SHA-256 of the pharmacogenetic tables.
    pub pharmaco_sha256: String,
    /// Statements in use.
    pub statements: usize,
    /// Are the shipped statements among them?
    pub shipped: bool,
    /// Files of statements used beside or instead of the shipped ones.
    pub files: Vec<Extra>,
    /// Where they are from, with licences.
    pub origins: Vec<Origin>,
}

/// A therapy for tumors without certain alterations.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct WildType {
    /// Drug.
    pub therapy: String,
    /// `supported`, `not_supported`, `not_assessed`.
    pub status: &'static str,
    /// Why.
    pub reason: String,
    /// Rows of the knowledge.
    pub rows: Vec<String>,
}

/// A gene of the knowledge that the panel does not touch.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct OutsideGene {
    /// Gene symbol.
    pub gene: String,
    /// Does the knowledge link it to a therapy for the tumor at hand?
    pub for_this_tumor: bool,
}

const NOTICE: &str = "For research use only. Not for use in diagnostic procedures. Not a medical device; \
                      every finding needs confirmation by a validated method and review by a qualified person.";

/// Makes the report and writes it in all its forms.
///
/// # Errors
/// When an input cannot be read or does not fit the others, the tumor type is unknown, or a file
/// cannot be written.
pub fn run(reference: &Reference, options: &ReportOptions) -> Result<ReportSummary> {
    let mut report = make(reference, options)?;
    let maf = export::maf(reference, options, &mut report)?;
    let value =
        serde_json::to_value(&report).map_err(|e| Error::Failed(format!("report.json: {e}")))?;
    std::fs::create_dir_all(&options.out).map_err(Error::io(&options.out))?;
    let at = |name: &str| options.out.join(name);
    Output::write(&at("loci.tsv"), render::loci_tsv(&report).as_bytes())?;
    match maf {
        Some(maf) => Output::write(&at("report.maf"), maf.as_bytes())?,
        // One that an earlier report left is not agreed to any more.
        None => remove(&at("report.maf"))?,
    }
    write(&options.out, &value)?;
    Ok(ReportSummary {
        report,
        html: at("report.html"),
    })
}

/// The JSON Schema of report.json.
pub fn schema() -> String {
    let mut schema = serde_json::to_value(schemars::schema_for!(Report)).expect("plain data");
    schema["title"] = format!("Report of theralign, {SCHEMA}").into();
    review::text(&schema)
}

/// Writes what a review changes, too: report.json, and what is made of it. The record comes first: no page
/// says more than it.
///
/// # Errors
/// When a file cannot be written.
pub fn write(folder: &Path, report: &serde_json::Value) -> Result<()> {
    let html = render::html(report)?;
    for (name, text) in [
        ("report.json", review::text(report)),
        ("report.html", html),
        ("findings.tsv", export::findings_tsv(report)),
        ("report.fhir.json", fhir::bundle(report)),
        ("report_mqc.json", export::multiqc(report)),
    ] {
        Output::write(&folder.join(name), text.as_bytes())?;
    }
    Ok(())
}

/// Removes a file, if it is there.
///
/// # Errors
/// When it is and stays.
pub fn remove(path: &Path) -> Result<()> {
    match std::fs::remove_file(path) {
        Err(e) if e.kind() != std::io::ErrorKind::NotFound => Err(Error::io(path)(e)),
        _ => Ok(()),
    }
}

/// Makes the report without writing it.
pub fn make(reference: &Reference, options: &ReportOptions) -> Result<Report> {
    let mut knowledge = Knowledge::with(&options.knowledge.files, options.knowledge.only)?;
    let tumor = match &options.tumor {
        Some(code) => knowledge.tumors.find(code)?,
        None => Tumor::none(),
    };
    let consent = Consent::of(options.consent.as_deref(), &knowledge)?;
    let limits = options
        .gates
        .as_deref()
        .map(Limits::read)
        .transpose()?
        .unwrap_or_default();
    let regions = bed::merged(&bed::read_panel(&options.panel, |name| {
        let id = reference.contig_id(name)?;
        Some((id, reference.contig(id).length))
    })?);
    let panel = Panel::new(&regions);
    let calls = calls::read(&options.calls, reference, options.sample.as_deref())?;
    let depth_file = options
        .depth
        .clone()
        .or_else(|| depth_beside(&options.calls));
    let depth = depth_file
        .map(|path| Depth::read(&path, reference))
        .transpose()?;
    let genes =
        GeneModel::read_keeping(&options.genes, reference, &panel.0, &knowledge, Keep::All)?;
    knowledge.settle(&genes, reference);
    let qc = match &options.qc {
        None => serde_json::Value::Null,
        Some(path) => read_json(path)?,
    };

    let mode = calls.mode.clone().unwrap_or_else(|| "somatic".into());
    let somatic = mode != "germline";
    if somatic && options.tumor.is_none() {
        return Err(Error::usage(
            "somatic calls, but no tumor type",
            "Give --tumor-type an OncoTree code; only calls of --mode germline go without.",
        ));
    }
    let parent = |file: &Option<PathBuf>| {
        file.as_deref()
            .map(|f| Parent::read(f, reference))
            .transpose()
    };
    let parents = Parents {
        mother: parent(&options.mother)?,
        father: parent(&options.father)?,
    };
    if somatic && (parents.mother.is_some() || parents.father.is_some()) {
        return Err(Error::usage(
            "a tumor's calls with a parent's",
            "Give --mother and --father with calls of --mode germline.",
        ));
    }
    let withheld = withheld(&genes, &knowledge, &consent, somatic);
    let (passed, failed): (Vec<_>, Vec<_>) = calls
        .calls
        .iter()
        .filter(|c| c.copies != Some(0)) // records that say the sample does not have it
        .partition(|c| c.filters.is_empty());
    let annotate = |calls: Vec<&calls::Call>| -> Vec<Finding> {
        calls
            .into_iter()
            .map(|c| evidence::finding(c, reference, &genes, &knowledge))
            .collect()
    };
    let mut findings = annotate(passed);
    let mut filtered = annotate(failed);
    let before = findings.len();
    findings.retain(|f| !withheld.contains(&f.gene));
    filtered.retain(|f| !withheld.contains(&f.gene));
    let not_shown = before - findings.len();
    let assessor = Assessor {
        reference,
        genes: &genes,
        panel: &panel,
        depth: depth.as_ref(),
        somatic,
        withheld: &withheld,
    };
    let sample = Sample::new(&assessor, &findings, &filtered);
    for f in findings.iter_mut().chain(&mut filtered) {
        evidence::state(f, &knowledge, &tumor, &sample);
    }
    findings.sort_by_key(rank);
    filtered.sort_by_key(rank);
    evidence::note_shared_codons(&mut findings);
    let all_loci = judged(&assessor, &knowledge, &tumor, &findings, &filtered);
    let mut wild_type = wild_type(&knowledge, &tumor, &all_loci, &findings);
    wild_type.extend(sample.wild_type(&knowledge, &tumor));
    let mut loci: Vec<Locus> = all_loci
        .into_iter()
        .filter(|l| assessor.transcript(&l.gene).is_some())
        .collect();
    loci.sort_by_key(|l| l.therapies.is_empty()); // stable: this tumor's first
    let (unseen, unseen_elsewhere) = assess::unseen(&knowledge, &tumor);
    let most = i64::from(options.knowledge.max_age);
    let knowledge_aged = knowledge.aged(most, options.knowledge.as_of.as_deref());
    let mut warnings = knowledge_aged.clone();
    if calls.unsigned {
        warnings.push(
            "the VCF does not say which reference it was called on; only REF bases were checked"
                .into(),
        );
    }
    if calls.mode.is_none() {
        warnings.push(
            "the VCF does not say whether it was called as somatic or germline; taken as somatic"
                .into(),
        );
    }
    if depth.is_none() {
        warnings.push("no depth file was given: no locus can be called not detected".into());
    }
    if calls.skipped > 0 {
        warnings.push(format!(
            "{} symbolic alleles of the VCF were left out",
            calls.skipped
        ));
    }
    for t in &genes.transcripts {
        if let Some(fault) = &t.fault {
            warnings.push(format!(
                "{}: no protein change is derived from {}: {fault}",
                t.model.gene, t.model.id
            ));
        }
    }
    let germline = if somatic {
        Germline {
            status: "not_assessed",
            reason: "a tumor's variants cannot be told from inherited ones; findings that may be inherited say so".into(),
            genes: Vec::new(),
            findings: Vec::new(),
        }
    } else {
        let panel_genes: Vec<&str> = genes
            .transcripts
            .iter()
            .map(|t| t.model.gene.as_str())
            .collect();
        germline::section(&findings, &panel_genes, &knowledge, &consent, &parents)
    };
    if let Some(reads) = &options.reads {
        let bam = reads_of(&calls.sample, reads, reference)?;
        pictures(&mut findings, &germline, &bam, reference)?;
    }
    let deep = |depth: &Depth| -> u64 {
        let all = regions
            .iter()
            .flat_map(|&(contig, span)| depth.each(contig, span));
        all.filter(|&d| d >= limits.depth).count() as u64
    };
    let mut report = Report {
        schema: SCHEMA,
        notice: NOTICE,
        program: concat!("theralign ", env!("CARGO_PKG_VERSION")),
        sample: calls.sample.clone(),
        mode,
        consensus: calls.consensus.clone(),
        reference: reference.digest().into(),
        assembly: reference.assembly().map(|a| a.to_string()),
        panel: PanelInfo {
            name: file_name(&options.panel),
            sha256: sha256_of(&options.panel)?,
            targets: regions.len(),
            bases: panel.bases(),
            deep_bases: depth.as_ref().map(deep),
        },
        gates: Vec::new(),
        review: Review::default(),
        germline,
        withheld: not_shown,
        biomarkers: biomarkers(panel.bases()),
        outside: outside(&knowledge, &tumor, &assessor),
        gene_model: gene_model_info(&genes),
        knowledge: KnowledgeInfo {
            version: knowledge::VERSION,
            date: knowledge::DATE,
            sha256: knowledge.sha256.clone(),
            pharmaco_sha256: crate::pgx::gene::sha256(),
            statements: knowledge.rows.len(),
            shipped: knowledge.shipped,
            files: knowledge.extras.clone(),
            origins: knowledge.origins(),
        },
        tumor,
        conflicts: conflicts(&findings),
        findings,
        wild_type,
        loci,
        unseen,
        unseen_elsewhere,
        pharmacogenes: if consent.pharmacogenetics {
            let depth = depth.as_ref();
            pgx::assess(reference, &genes, &panel, depth, &calls.calls, somatic)
        } else {
            Vec::new()
        },
        pharmacogenes_note: if consent.pharmacogenetics {
            pgx::NOT_BY_PANEL
        } else {
            "Not requested: the consent does not ask for pharmacogenetics."
        },
        consent,
        filtered,
        warnings,
        qc,
        audit: options.made.clone(),
        knowledge_aged,
        withheld_genes: withheld,
    };
    report.gates = gates::judge(&report, &limits);
    Ok(report)
}

/// Genes of which nothing may be said: of germline calls those of hereditary disease that nobody agreed
/// to hear of, and pharmacogenes where they were not asked for.
fn withheld(
    genes: &GeneModel,
    knowledge: &Knowledge,
    consent: &Consent,
    somatic: bool,
) -> BTreeSet<String> {
    let all = genes.transcripts.iter().map(|t| &t.model.gene);
    all.filter(|gene| {
        let hereditary = !somatic && germline::asked(gene, knowledge, consent) == Some(None);
        let drugs = !consent.pharmacogenetics && evidence::PHARMACOGENES.contains(&gene.as_str());
        hereditary || drugs
    })
    .cloned()
    .collect()
}

/// Most findings of tier III that get a picture; all others that matter do.
const MOST_PICTURES: usize = 100;

/// A sample's reads; those of a BAM whose read groups name nobody are taken for them.
fn reads_of(sample: &str, reads: &Path, reference: &Reference) -> Result<Bam> {
    Bam::open(reads, reference, &[], Some(sample)).or_else(|e| {
        let bam = Bam::open(reads, reference, &[], None)?;
        if bam.sample.unnamed { Ok(bam) } else { Err(e) }
    })
}

/// Adds the reads around each finding that a reader may want to judge.
fn pictures(
    findings: &mut [Finding],
    germline: &Germline,
    bam: &Bam,
    reference: &Reference,
) -> Result<()> {
    let inherited: BTreeSet<&str> = germline.findings.iter().map(|i| i.id.as_str()).collect();
    let mut others = 0;
    for f in findings {
        let decides = matches!(f.tier, Some(Tier::One | Tier::Two))
            || f.speaks_against()
            || inherited.contains(f.id.as_str());
        let shown = decides || f.tier.is_some() || f.germline.is_some();
        others += usize::from(shown && !decides);
        if shown && (decides || others <= MOST_PICTURES) {
            f.pileup = pileup::pileup(bam, reference, &f.normal)?;
        }
    }
    Ok(())
}

/// Least bases of which a tumor mutational burden is worth its name (Friends of Cancer Research TMB
/// Harmonization, PMID 32217756: panels of less than 1 Mb vary too much).
const LEAST_FOR_BURDEN: u64 = 1_000_000;

fn biomarkers(bases: u64) -> Vec<Biomarker> {
    let burden = if bases < LEAST_FOR_BURDEN {
        format!(
            "the panel's {} bases are fewer than the 1,000,000 that a burden per megabase needs",
            crate::error::thousands(bases)
        )
    } else {
        "inherited variants are not told apart well enough, and no panel was calibrated".into()
    };
    [
        ("Tumor mutational burden", burden),
        (
            "Microsatellite instability",
            "no microsatellites are compared with normal ones".into(),
        ),
        (
            "Homologous recombination deficiency",
            "it needs copy numbers over the whole genome".into(),
        ),
        (
            "Copy numbers, fusions, large rearrangements",
            "only substitutions and short insertions and deletions are called".into(),
        ),
    ]
    .into_iter()
    .map(|(name, reason)| Biomarker {
        name,
        status: "not_assessed",
        reason,
    })
    .collect()
}

/// Tier, then standing of the best evidence by its presence, then gene and place.
fn rank(f: &Finding) -> (Option<Tier>, bool, String, String, u64, String) {
    // Untiered ones go last: None sorts first, so wrap.
    let tier = f.tier;
    (
        tier.or(Some(Tier::Three)),
        tier.is_none(),
        f.gene.clone(),
        f.contig.clone(),
        f.position,
        f.alternate.clone(),
    )
}

/// The depth file that stands beside a VCF, if one does.
fn depth_beside(calls: &Path) -> Option<PathBuf> {
    let name = file_name(calls);
    let stem = name.strip_suffix(".vcf.gz").or(name.strip_suffix(".vcf"))?;
    let beside = calls.with_file_name(format!("{stem}.depth.bed.gz"));
    beside.exists().then_some(beside)
}

fn file_name(path: &Path) -> String {
    path.file_name()
        .map_or_else(String::new, |n| n.to_string_lossy().into_owned())
}

fn read_json(path: &Path) -> Result<serde_json::Value> {
    let text = std::fs::read_to_string(path).map_err(Error::io(path))?;
    serde_json::from_str(&text).map_err(|e| {
        Error::input(
            path.display().to_string(),
            format!("line {}", e.line()),
            format!("not JSON: {e}"),
            "Give the qc.json that theralign wrote.",
        )
    })
}

fn gene_model_info(genes: &GeneModel) -> GeneModelInfo {
    GeneModelInfo {
        name: genes.name.clone(),
        sha256: genes.sha256.clone(),
        transcripts: genes
            .transcripts
            .iter()
            .map(|t| {
                let (known, all) = t.known_codons();
                TranscriptInfo {
                    gene: t.model.gene.clone(),
                    id: t.model.id.clone(),
                    choice: t.model.choice.reason(),
                    codons: all,
                    known_codons: known,
                    fault: t.fault.clone(),
                }
            })
            .collect(),
    }
}

/// All loci of the knowledge, also those of genes outside the panel, judged.
fn judged(
    assessor: &Assessor,
    knowledge: &Knowledge,
    tumor: &Tumor,
    findings: &[Finding],
    filtered: &[Finding],
) -> Vec<Locus> {
    let mut loci = assess::loci(knowledge, tumor);
    for locus in &mut loci {
        let meets = |f: &Finding| {
            f.gene == locus.gene
                && f.effect.as_ref().is_some_and(|e| {
                    let t = &assessor.genes.transcripts[e.transcript];
                    locus.rules.iter().any(|r| r.matches(e, t))
                })
        };
        let found = (0..findings.len())
            .filter(|&i| meets(&findings[i]))
            .collect();
        let doubtful: Vec<String> = filtered
            .iter()
            .filter(|f| meets(f))
            .map(|f| format!("{} ({})", f.name, f.filters.join(", ")))
            .collect();
        assessor.judge(locus, found, &doubtful);
    }
    loci
}

/// Therapies that are for tumors without an alteration: supported only if every locus was seen and
/// nothing found.
fn wild_type(
    knowledge: &Knowledge,
    tumor: &Tumor,
    loci: &[Locus],
    findings: &[Finding],
) -> Vec<WildType> {
    let rows: Vec<_> = knowledge
        .rows
        .iter()
        .filter(|r| r.wild_type_required && r.relation(tumor) != Relation::Other)
        .collect();
    let therapies: BTreeSet<&str> = rows.iter().map(|r| r.therapy.as_str()).collect();
    therapies
        .into_iter()
        .map(|therapy| {
            let rows: Vec<_> = rows.iter().filter(|r| r.therapy == therapy).collect();
            let needed: Vec<&Locus> = loci
                .iter()
                .filter(|l| {
                    rows.iter()
                        .any(|r| r.rules(&l.gene).any(|x| l.rules.contains(x)))
                })
                .collect();
            let mut detected = Vec::new();
            let mut open: Vec<String> = Vec::new();
            let mut weakest: f64 = 0.0;
            for l in &needed {
                match &l.outcome {
                    Outcome::Detected { findings: at } => {
                        detected.extend(
                            at.iter()
                                .map(|&i| format!("{} {}", l.gene, findings[i].name)),
                        );
                    }
                    Outcome::NotAssessed { .. } => open.push(format!("{} {}", l.gene, l.name)),
                    Outcome::NotDetected { at_least } => weakest = weakest.max(*at_least),
                }
            }
            let (status, reason) = if !detected.is_empty() {
                (
                    "not_supported",
                    format!("detected: {}", detected.join(", ")),
                )
            } else if !open.is_empty() {
                (
                    "not_assessed",
                    format!(
                        "wild type cannot be claimed: {} not assessed",
                        open.join(", ")
                    ),
                )
            } else {
                (
                    "supported",
                    format!(
                        "{} loci seen, none changed in {:.1} % of molecules or more (95 %)",
                        needed.len(),
                        weakest * 100.0
                    ),
                )
            };
            WildType {
                therapy: therapy.into(),
                status,
                reason,
                rows: rows.iter().map(|r| r.id.clone()).collect(),
            }
        })
        .collect()
}

/// Drugs with evidence both ways among the findings, for the tumor at hand.
fn conflicts(findings: &[Finding]) -> Vec<String> {
    let collect = |of: fn(&Finding) -> &Vec<evidence::Evidence>| {
        let mut by_drug: BTreeMap<&str, BTreeSet<String>> = BTreeMap::new();
        for f in findings {
            for e in of(f).iter().filter(|e| e.relation != Relation::Other) {
                // Of a combination, the drug named first is the one that the alteration is about.
                for combination in e.therapy.split(';') {
                    let drug = combination.split('+').next().unwrap_or_default().trim();
                    let name = format!("{} {}", f.gene, f.name);
                    by_drug.entry(drug).or_default().insert(name);
                }
            }
        }
        by_drug
    };
    let speaks_for = collect(|f| &f.sensitivity);
    let speaks_against = collect(|f| &f.resistance);
    let list = |names: &BTreeSet<String>| names.iter().cloned().collect::<Vec<_>>().join(", ");
    speaks_for
        .iter()
        .filter_map(|(drug, a)| {
            let b = speaks_against.get(drug)?;
            Some(format!(
                "{drug}: {} speaks for it, {} against it",
                list(a),
                list(b)
            ))
        })
        .collect()
}

fn outside(knowledge: &Knowledge, tumor: &Tumor, assessor: &Assessor) -> Vec<OutsideGene> {
    let mut all: Vec<OutsideGene> = knowledge
        .genes()
        .into_iter()
        .filter(|g| assessor.transcript(g).is_none())
        .filter(|g| {
            knowledge
                .of_gene(g)
                .any(|r| r.rules(g).any(Rule::assessable))
        })
        .map(|gene| OutsideGene {
            gene: gene.into(),
            for_this_tumor: knowledge
                .of_gene(gene)
                .any(|r| r.relation(tumor) != Relation::Other),
        })
        .collect();
    all.sort_by_key(|g| (!g.for_this_tumor, g.gene.clone()));
    all
}
