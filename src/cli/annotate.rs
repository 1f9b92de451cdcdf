//! `theralign annotate`: what each variant of a VCF means, as VCF, TSV or MAF.

use crate::annotate::annotated::{self, Annotated, Options};
use crate::annotate::gene_model::Keep;
use crate::annotate::{csq, maf, table};
use crate::format::input::display_name;
use crate::format::output::Output;
use crate::format::vcf;
use crate::genome::Reference;
use crate::{Error, Result};
use std::path::{Path, PathBuf};

/// Name what each variant of a VCF does to genes and proteins: HGVS, Sequence Ontology, VRS
#[derive(clap::Args, Debug)]
pub struct Args {
    /// Variants of any caller; multi-allelic records are fine
    #[arg(value_name = "CALLS.vcf.gz")]
    calls: PathBuf,
    /// The index of the reference that the VCF was made on
    #[arg(short = 'x', long, value_name = "INDEX")]
    index: PathBuf,
    /// Gene model of the same genome build: GFF3 or GTF; gzip is fine
    #[arg(long, value_name = "GENES")]
    genes: PathBuf,
    /// Sample of the VCF [default: the one that the header calls the tumor, or its only one]
    #[arg(long, value_name = "ID")]
    sample: Option<String>,
    /// The sample's normal in the VCF, for the MAF's n_ columns [default: the one that the header calls so]
    #[arg(long, value_name = "ID")]
    normal_sample: Option<String>,
    /// Look from every transcript, not only from the one that stands for its gene and MANE Plus Clinical
    #[arg(long)]
    all_transcripts: bool,
    /// What to write: .vcf.gz with its index, .vcf, .tsv, .maf (these also with .gz); - is a VCF on standard output; may be repeated
    #[arg(short, long, value_name = "FILE", required = true)]
    output: Vec<PathBuf>,
}

/// What a file's name asks for.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    IndexedVcf,
    Vcf,
    Tsv,
    Maf,
}

fn kind_of(path: &Path) -> Result<Kind> {
    let name = path.to_string_lossy().to_ascii_lowercase();
    let bare = name.strip_suffix(".gz").or(name.strip_suffix(".bgz"));
    let end = bare.unwrap_or(&name).rsplit('.').next().unwrap_or_default();
    match (end, bare) {
        ("vcf", Some(_)) => Ok(Kind::IndexedVcf),
        ("vcf" | "-", None) => Ok(Kind::Vcf),
        ("tsv", _) => Ok(Kind::Tsv),
        ("maf", _) => Ok(Kind::Maf),
        _ => Err(Error::usage(
            format!(
                "--output {}: its name does not tell its format",
                path.display()
            ),
            "Let it end in .vcf.gz, .vcf, .tsv or .maf.",
        )),
    }
}

/// Annotates, writes, and says how much.
pub fn run(args: &Args) -> Result<()> {
    let outputs: Vec<(&PathBuf, Kind)> = args
        .output
        .iter()
        .map(|path| Ok((path, kind_of(path)?)))
        .collect::<Result<_>>()?;
    let reference = Reference::open(&args.index)?;
    if outputs.iter().any(|o| o.1 == Kind::Maf) {
        maf::assembly_of(&reference)?;
    }
    let annotated = annotated::annotate(
        &reference,
        &Options {
            calls: &args.calls,
            genes: &args.genes,
            sample: args.sample.as_deref(),
            normal: args.normal_sample.as_deref(),
            keep: if args.all_transcripts {
                Keep::All
            } else {
                Keep::Clinical
            },
        },
    )?;
    for (path, kind) in outputs {
        match kind {
            Kind::IndexedVcf => {
                let (contigs, lines) = csq::placed(&annotated, &display_name(&args.calls))?;
                let contigs: Vec<(&str, u32)> =
                    contigs.iter().map(|c| (c.0.as_str(), c.1)).collect();
                vcf::write_indexed(path, &csq::header(&annotated), &contigs, &lines)?;
            }
            Kind::Vcf => {
                let mut text = csq::header(&annotated);
                for line in csq::lines(&annotated) {
                    text.push_str(&line);
                    text.push('\n');
                }
                write(path, &text)?;
            }
            Kind::Tsv => write(path, &table::tsv(&annotated))?,
            Kind::Maf => {
                let rows = maf::rows(&annotated, &reference);
                write(path, &maf::text(rows, maf::assembly_of(&reference)?))?;
            }
        }
    }
    tell(&annotated);
    Ok(())
}

fn write(path: &Path, text: &str) -> Result<()> {
    if path.extension().is_some_and(|e| e == "gz" || e == "bgz") {
        vcf::write_bgzf(path, text)
    } else {
        Output::write(path, text.as_bytes())
    }
}

fn tell(annotated: &Annotated) {
    let alleles = &annotated.alleles;
    let in_genes = alleles
        .iter()
        .filter(|a| !a.annotations[0].transcript.is_empty());
    let left_out: usize = annotated
        .records
        .iter()
        .map(|r| r.alternates.iter().filter(|a| a.1.is_none()).count())
        .sum();
    for t in &annotated.genes.transcripts {
        if let Some(fault) = &t.fault {
            eprintln!(
                "warning: {}: no protein change is derived from {}: {fault}",
                t.model.gene, t.model.id
            );
        }
    }
    eprintln!(
        "{} alleles in {} records, {} of them in genes; {left_out} symbolic ones are left as they are",
        alleles.len(),
        annotated.records.len(),
        in_genes.count(),
    );
}
