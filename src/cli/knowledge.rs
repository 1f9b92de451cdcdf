//! `theralign knowledge`: what the knowledge is, whether it fits a reference, and other knowledge in its place.

use crate::annotate::knowledge::base::{Base, Reject, read_text, sha256_of_text};
use crate::annotate::knowledge::check::{self, Finding};
use crate::annotate::knowledge::diff::{self, Change};
use crate::annotate::knowledge::import::{Ground, Imported, import};
use crate::annotate::knowledge::{self, Row};
use crate::annotate::{GeneModel, Knowledge};
use crate::domain::{ContigId, Span};
use crate::error::thousands;
use crate::format::{bed, input, output::Output};
use crate::genome::Reference;
use crate::pgx::gene;
use crate::pgx::place::{Site, locate};
use crate::report::panel::Panel;
use crate::{Error, Result};
use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::{Path, PathBuf};

/// Show, check, import and compare the knowledge that reports rest on
#[derive(clap::Args, Debug)]
pub struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(clap::Subcommand, Debug)]
enum Command {
    /// Say what is known: tables, versions, dates, licences, counts, SHA-256
    Info(InfoArgs),
    /// Recompute every codon, place and HGVS description on a reference; exit code 1 if one is contradicted
    Check(CheckArgs),
    /// Make one file of statements from CIViC's tables, ClinVar's VCF and tables of your own
    Import(ImportArgs),
    /// Say which statements were added, removed and changed; exit code 1 if any was
    Diff(DiffArgs),
}

#[derive(clap::Args, Debug)]
struct InfoArgs {
    /// Files of statements [default: what ships]
    #[arg(value_name = "FILE")]
    files: Vec<PathBuf>,
}

/// The sequence and the gene model on which places are recomputed.
#[derive(clap::Args, Debug)]
struct GroundArgs {
    /// Index of the reference
    #[arg(short = 'x', long, value_name = "INDEX", requires = "genes")]
    index: Option<PathBuf>,
    /// Gene model of the same build
    #[arg(long, value_name = "GENES", requires = "index")]
    genes: Option<PathBuf>,
    /// Only genes that these targets touch
    #[arg(long, value_name = "PANEL.bed", requires = "index")]
    panel: Option<PathBuf>,
}

#[derive(clap::Args, Debug)]
struct CheckArgs {
    #[command(flatten)]
    ground: GroundArgs,
    /// A file of statements [default: the shipped tables]
    #[arg(value_name = "FILE")]
    file: Option<PathBuf>,
    /// Write the statements that are not contradicted, with where they were verified
    #[arg(short, long, value_name = "OUT.tsv[.gz]")]
    output: Option<PathBuf>,
}

#[derive(clap::Args, Debug)]
struct ImportArgs {
    #[command(flatten)]
    ground: GroundArgs,
    /// CIViC's nightly TSVs (or a folder of them), ClinVar's VCF, tables of statements
    #[arg(required = true, value_name = "INPUT")]
    inputs: Vec<PathBuf>,
    /// The file to write
    #[arg(short, long, value_name = "OUT.tsv[.gz]")]
    output: PathBuf,
    /// What was not taken, with reasons [default: OUT.rejects.tsv]
    #[arg(long, value_name = "FILE")]
    rejects: Option<PathBuf>,
}

#[derive(clap::Args, Debug)]
struct DiffArgs {
    /// A file of statements, or anything that can be imported
    #[arg(value_name = "A")]
    a: PathBuf,
    /// Another
    #[arg(value_name = "B")]
    b: PathBuf,
}

/// Runs the chosen one.
pub fn run(args: &Args) -> Result<()> {
    match &args.command {
        Command::Info(args) => info(args),
        Command::Check(args) => check(args),
        Command::Import(args) => import_all(args),
        Command::Diff(args) => compare(args),
    }
}

/// A reference and the gene model on it.
struct Opened {
    reference: Reference,
    genes: GeneModel,
}

impl GroundArgs {
    fn open(&self) -> Result<Option<Opened>> {
        let (Some(index), Some(genes)) = (&self.index, &self.genes) else {
            return Ok(None);
        };
        let reference = Reference::open(index)?;
        let regions = match &self.panel {
            Some(panel) => {
                let targets = bed::read_panel(panel, |name| {
                    let id = reference.contig_id(name)?;
                    Some((id, reference.contig(id).length))
                })?;
                Panel::new(&bed::merged(&targets)).0
            }
            None => (0u32..)
                .zip(reference.contigs())
                .map(|(i, c)| (ContigId(i), vec![Span::new(0, c.length)]))
                .collect(),
        };
        let genes = GeneModel::read(genes, &reference, &regions, &Knowledge::shipped())?;
        Ok(Some(Opened { reference, genes }))
    }
}

impl Opened {
    fn ground(&self) -> Ground<'_> {
        Ground {
            reference: &self.reference,
            genes: &self.genes,
        }
    }
}

fn say(text: &str) -> Result<()> {
    Output::write(Path::new("-"), text.as_bytes())
}

fn info(args: &InfoArgs) -> Result<()> {
    let mut text = String::new();
    if args.files.is_empty() {
        let _ = writeln!(
            text,
            "version\t{}\ndate\t{}",
            knowledge::VERSION,
            knowledge::DATE
        );
        text += "\ntable\trows\tsha256\n";
        for (name, table) in knowledge::SHIPPED {
            let rows = table.lines().filter(|l| !l.starts_with("##")).count() - 1;
            let _ = writeln!(text, "{name}\t{rows}\t{}", sha256_of_text(table));
        }
        let genes = gene::shipped();
        let alleles: usize = genes.values().map(|g| g.alleles.len()).sum();
        let _ = writeln!(text, "pharmacogenes\t{alleles}\t{}", gene::sha256());
        let shipped = Knowledge::shipped();
        let _ = writeln!(text, "\n{}", counts(&shipped.rows));
        text += "source\tlicence\tused for\turl\n";
        for o in shipped.origins() {
            let _ = writeln!(text, "{}\t{}\t{}\t{}", o.name, o.licence, o.used_for, o.url);
        }
    }
    for path in &args.files {
        let base = Base::read(path)?;
        let _ = writeln!(text, "file\t{}\nsha256\t{}", path.display(), base.sha256);
        let _ = writeln!(text, "newest day\t{}", base.newest().unwrap_or("not known"));
        let _ = writeln!(text, "{}", counts(&base.rows));
        text += "source\tversion\tdate\tlicence\turl\n";
        for r in &base.releases {
            let parts = [&*r.name, &r.version, &r.date, &r.licence, &r.url];
            let _ = writeln!(text, "{}", parts.join("\t"));
        }
    }
    say(&text)
}

fn counts(rows: &[Row]) -> String {
    let count = |f: &dyn Fn(&Row) -> bool| rows.iter().filter(|r| f(r)).count();
    let mut text = format!("statements\t{}\n", rows.len());
    let mut kinds: BTreeMap<&str, usize> = BTreeMap::new();
    for row in rows {
        *kinds.entry(row.kind.term()).or_default() += 1;
    }
    for (kind, n) in kinds {
        let _ = writeln!(text, "  {kind}\t{n}");
    }
    for (what, n) in [
        ("assessable by sequence", count(&Row::assessable)),
        (
            "profiles of several alterations or of absence",
            count(&|r| r.expression.single().is_none()),
        ),
        (
            "with a tumor type of OncoTree",
            count(&|r| !r.codes.is_empty()),
        ),
        (
            "locus verified on a reference",
            count(&|r| !r.verified.is_empty()),
        ),
    ] {
        let _ = writeln!(text, "  {what}\t{n}");
    }
    text
}

fn import_all(args: &ImportArgs) -> Result<()> {
    let opened = args.ground.open()?;
    let done = import(&args.inputs, opened.as_ref().map(Opened::ground))?;
    done.base.write(&args.output)?;
    let rejects = args.rejects.clone().unwrap_or_else(|| beside(&args.output));
    Output::write(&rejects, done.rejects_tsv().as_bytes())?;
    tell(&done);
    eprintln!(
        "{}: {} statements; {}: {} not taken",
        args.output.display(),
        thousands(done.base.rows.len() as u64),
        rejects.display(),
        thousands(done.rejects.len() as u64)
    );
    Ok(())
}

fn tell(done: &Imported) {
    for (file, what, all, taken) in &done.files {
        eprintln!(
            "{file}: {} {what}, {} taken, {} reported",
            thousands(*all as u64),
            thousands(*taken as u64),
            thousands((*all - *taken) as u64)
        );
    }
    for note in &done.notes {
        eprintln!("{note}");
    }
}

/// `civic.tsv.gz` to `civic.rejects.tsv`.
fn beside(path: &Path) -> PathBuf {
    let name = path
        .file_name()
        .map_or_else(String::new, |n| n.to_string_lossy().into_owned());
    let stem = name.strip_suffix(".gz").unwrap_or(&name);
    let stem = stem.strip_suffix(".tsv").unwrap_or(stem);
    path.with_file_name(format!("{stem}.rejects.tsv"))
}

fn compare(args: &DiffArgs) -> Result<()> {
    let base = |path: &PathBuf| import(std::slice::from_ref(path), None).map(|done| done.base);
    let (a, b) = (base(&args.a)?, base(&args.b)?);
    let changes = diff::diff(&a, &b);
    say(&diff::tsv(&changes))?;
    let count = |f: fn(&Change) -> bool| changes.iter().filter(|c| f(c)).count();
    let said = format!(
        "{} and {} statements: {} added, {} removed, {} columns changed",
        thousands(a.rows.len() as u64),
        thousands(b.rows.len() as u64),
        count(|c| matches!(c, Change::Added(_))),
        count(|c| matches!(c, Change::Removed(_))),
        count(|c| matches!(c, Change::Changed { .. }))
    );
    if changes.is_empty() {
        eprintln!("{said}");
        Ok(())
    } else {
        Err(Error::Failed(said))
    }
}

/// One line of what `check` says.
struct Line {
    table: &'static str,
    id: String,
    gene: String,
    what: String,
    finding: Finding,
}

fn check(args: &CheckArgs) -> Result<()> {
    let opened = args.ground.open()?;
    let shipped = Knowledge::shipped();
    let (mut base, rejects) = match &args.file {
        Some(path) => Base::parse(&input::display_name(path), &read_text(path)?)?,
        None => (knowledge::oncology(), Vec::new()),
    };
    let mut lines: Vec<Line> = rejects.iter().map(malformed).collect();
    for row in &mut base.rows {
        let finding = match (unknown_tumor(row, &shipped), &opened) {
            (Some(why), _) => Finding::Rejected(why),
            (None, None) if !row.assessable() => {
                Finding::NoLocus("no alteration of it shows in a panel's sequence".into())
            }
            (None, None) if row.verified.is_empty() => {
                Finding::Unverified("on no reference yet, and none was given".into())
            }
            (None, None) => Finding::Verified(row.verified.clone()),
            (None, Some(o)) => check::check(row, o.ground(), &|gene, a, b| {
                shipped.same_transcript(gene, a, b)
            }),
        };
        if let Finding::Verified(on) = &finding {
            row.verify(on);
        }
        lines.push(Line {
            table: "statements",
            id: row.id.clone(),
            gene: row.gene.clone(),
            what: row.expression.to_string(),
            finding,
        });
    }
    if let (None, Some(o)) = (&args.file, &opened) {
        lines.extend(other_tables(&shipped, o));
    }
    let mut text = String::from("table\tid\tgene\twhat\tstatus\twhere or why\n");
    for l in &lines {
        let parts = [
            l.table,
            &l.id,
            &l.gene,
            &l.what,
            l.finding.status(),
            l.finding.words(),
        ];
        let _ = writeln!(text, "{}", parts.join("\t"));
    }
    if let Some(path) = &args.output {
        let rejected: Vec<&str> = lines
            .iter()
            .filter(|l| matches!(l.finding, Finding::Rejected(_)))
            .map(|l| l.id.as_str())
            .collect();
        base.rows.retain(|r| !rejected.contains(&r.id.as_str()));
        base.write(path)?;
    }
    say(&text)?;
    let count = |status: &str| {
        lines
            .iter()
            .filter(|l| l.finding.status() == status)
            .count() as u64
    };
    let said = format!(
        "{} verified, {} unverified, {} without a locus, {} rejected",
        thousands(count("verified")),
        thousands(count("unverified")),
        thousands(count("no locus")),
        thousands(count("rejected"))
    );
    if count("rejected") > 0 {
        return Err(Error::Failed(said));
    }
    eprintln!("{said}");
    Ok(())
}

fn malformed(r: &Reject) -> Line {
    Line {
        table: "statements",
        id: r.id.clone(),
        gene: String::new(),
        what: format!("line {}", thousands(r.line)),
        finding: Finding::Rejected(r.reason.clone()),
    }
}

/// A code that is none of the tumor types.
fn unknown_tumor(row: &Row, shipped: &Knowledge) -> Option<String> {
    row.codes
        .iter()
        .map(|c| c.trim_start_matches('!'))
        .find(|c| !matches!(*c, "ANY" | "SOLID") && !shipped.tumors.has(c))
        .map(|c| format!("no tumor type {c} is known"))
}

/// The shipped tables beside the statements: defining variants of pharmacogenes, and transcripts.
fn other_tables(shipped: &Knowledge, o: &Opened) -> Vec<Line> {
    let mut lines = Vec::new();
    let build = knowledge::import::build_of(&o.reference).unwrap_or("this reference");
    for (gene, id) in shipped.transcripts() {
        let finding = match o.genes.of_gene(gene) {
            None => Finding::Unverified(format!("the gene model has no {gene} on this reference")),
            Some(t) if !t.model.id.starts_with(id) => {
                Finding::Unverified(format!("the gene model has {} for it", t.model.id))
            }
            Some(t) => match (&t.fault, t.known_codons()) {
                (Some(fault), _) => Finding::Unverified(format!("{}: {fault}", t.model.id)),
                (None, (known, all)) if known < all => Finding::Unverified(format!(
                    "the reference knows {known} of {all} codons of {}",
                    t.model.id
                )),
                _ => Finding::Verified(format!("{build} {}", t.model.id)),
            },
        };
        lines.push(Line {
            table: "transcripts",
            id: id.into(),
            gene: gene.into(),
            what: "translates whole".into(),
            finding,
        });
    }
    for (gene, pharmacogene) in gene::shipped() {
        let t = o.genes.of_gene(&gene);
        let found = t.map(|t| {
            let length = o.reference.contig(t.model.contig).length;
            let stretch = (t.model.contig, t.span().widened(REACH, length));
            let loci: Vec<_> = pharmacogene.loci.iter().map(|l| (l, stretch)).collect();
            let regions = BTreeMap::from([(stretch.0, vec![stretch.1])]);
            locate(&loci, &o.reference, &regions)
        });
        for (i, locus) in pharmacogene.loci.iter().enumerate() {
            let finding = match found.as_ref().map(|all| &all[i]) {
                None => Finding::Unverified(format!("the gene model has no {gene} on this reference")),
                Some(Some(Site::At { contig, span, present, .. })) => Finding::Verified(format!(
                    "{build} {}:{}{}",
                    o.reference.contig(*contig).name,
                    u64::from(span.start) + 1,
                    if *present == locus.reference {
                        String::new()
                    } else {
                        format!(", which has {present}")
                    }
                )),
                Some(Some(Site::Ambiguous)) => {
                    Finding::Rejected("its surroundings are found more than once".into())
                }
                Some(None) => Finding::Unverified(
                    "its surroundings are not in the gene's stretch as far as the reference knows it".into(),
                ),
            };
            lines.push(Line {
                table: "pharmacogenes",
                id: locus.id.clone(),
                gene: gene.clone(),
                what: "found by its surroundings".into(),
                finding,
            });
        }
    }
    lines
}

/// How far before and behind a gene its defining variants may lie.
const REACH: u32 = 10_000;
