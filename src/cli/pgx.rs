//! `theralign pgx`: a person's genotypes to diplotypes, phenotypes and drug advice.

use crate::call::ploidy::Sex;
use crate::error::thousands;
use crate::format::output::Output;
use crate::format::vcf::with_suffix;
use crate::genome::Reference;
use crate::pgx::build::Build;
use crate::pgx::gene::{self, Gene};
use crate::pgx::place::Places;
use crate::pgx::sample::{self, Sample};
use crate::pgx::{self, GeneCall, outside, pharmcat, positions, tables};
use crate::{Error, Result};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// Read star alleles, phenotypes and drug advice from a person's genotypes
#[derive(clap::Args, Debug)]
pub struct Args {
    /// Genotypes, also of the reference: of `theralign call --mode germline --force` or --gvcf, or as
    /// PharmCAT takes them; GRCh37 or GRCh38
    #[arg(
        value_name = "GENOTYPES.vcf.gz",
        required_unless_present = "write_loci"
    )]
    genotypes: Option<PathBuf>,
    /// Beginning of the outputs' names: .pgx.tsv, .pgx.advice.tsv, .pgx.json and .pgx.vcf.gz
    #[arg(
        short,
        long,
        value_name = "PREFIX",
        required_unless_present = "write_loci"
    )]
    output: Option<PathBuf>,
    /// Calls of other methods, as PharmCAT takes them: gene, diplotype, phenotype, activity score; for
    /// CYP2D6's structure and HLA types
    #[arg(long, value_name = "FILE.tsv")]
    outside_calls: Option<PathBuf>,
    /// Sample of the VCF [default: its only one]
    #[arg(long, value_name = "ID")]
    sample: Option<String>,
    /// The person's sex: a man has one copy of G6PD
    #[arg(long, value_enum)]
    sex: Option<Sex>,
    /// Build of the VCF [default: as its header or its records tell]
    #[arg(long, value_enum, value_name = "BUILD", ignore_case = true)]
    build: Option<Build>,
    /// Genotypes of lower quality (GQ) do not count
    #[arg(long, default_value_t = sample::LEAST_QUALITY, value_name = "PHRED")]
    min_gq: u32,
    /// Genotypes of fewer fragments (DP) do not count
    #[arg(long, default_value_t = sample::LEAST_DEPTH, value_name = "N")]
    min_depth: u32,
    /// A folder with PharmCAT's own definitions, instead of those that ship
    #[arg(long, value_name = "DIR")]
    definitions: Option<PathBuf>,
    /// Write the defining places of the index's genome for `theralign call --force`, and do nothing else
    #[arg(
        long,
        value_name = "LOCI.vcf",
        requires = "index",
        conflicts_with = "genotypes"
    )]
    write_loci: Option<PathBuf>,
    /// Index of the genome that the genotypes were called on: the defining places are then found on it by the
    /// sequence around them, whatever its build and its own bases there. Also for --write-loci
    #[arg(short = 'x', long, value_name = "INDEX", conflicts_with = "build")]
    index: Option<PathBuf>,
}

/// Makes the tables and says what is in them.
pub fn run(args: &Args) -> Result<()> {
    let shipped = gene::shipped();
    let genes = match &args.definitions {
        Some(folder) => pharmcat::read(folder, &shipped)?,
        None => shipped,
    };
    let searched = |index: &PathBuf| -> Result<(Reference, Places)> {
        let reference = Reference::open(index)?;
        let places = Places::on(&reference, &genes);
        Ok((reference, places))
    };
    let searched = args.index.as_ref().map(searched).transpose()?;
    if let (Some(loci), Some((reference, places))) = (&args.write_loci, &searched) {
        let (found, all) = positions::write_loci(loci, &genes, places, reference, &|_, _| true)?;
        eprintln!(
            "{}: {} of {} defining places are on this reference",
            loci.display(),
            thousands(found as u64),
            thousands(all as u64)
        );
        return Ok(());
    }
    let (Some(genotypes), Some(output)) = (&args.genotypes, &args.output) else {
        return Err(Error::usage(
            "no genotypes and output were given",
            "Give a VCF, and a prefix with -o.",
        ));
    };
    let options = sample::Options {
        sample: args.sample.clone(),
        build: args.build,
        places: searched.map(|s| s.1),
        sex: args.sex,
        min_quality: args.min_gq,
        min_depth: args.min_depth,
    };
    let outside_calls = match &args.outside_calls {
        Some(file) => outside::read(file, &genes)?,
        None => Vec::new(),
    };
    let sample = sample::read(genotypes, &genes, &options)?;
    let mut calls = pgx::call(&genes, &sample.seen);
    outside::take_over(&mut calls, outside_calls);
    pgx::advise(&mut calls);
    write(output, &genes, &sample, &calls)?;
    tell(&sample, &calls);
    Ok(())
}

/// Writes all tables of a sample.
pub(super) fn write(
    prefix: &Path,
    genes: &BTreeMap<String, Gene>,
    sample: &Sample,
    calls: &[GeneCall],
) -> Result<()> {
    let file = |suffix: &str| with_suffix(prefix, suffix);
    positions::write(&file(".pgx.vcf.gz"), &sample.name, genes, &sample.seen)?;
    Output::write(&file(".pgx.tsv"), tables::calls(calls).as_bytes())?;
    Output::write(&file(".pgx.advice.tsv"), tables::advice(calls).as_bytes())?;
    let build = sample.build_name();
    tables::write_json(&file(".pgx.json"), &sample.name, build, genes, calls)
}

fn tell(sample: &Sample, calls: &[GeneCall]) {
    eprintln!("{}, {}", sample.name, sample.build_name());
    for c in calls {
        let alleles = match c.best_names().join(" or ") {
            none if none.is_empty() => "not called".into(),
            some => some,
        };
        let meaning = c.meaning();
        let meaning = if meaning.is_empty() {
            c.notes.join("; ")
        } else {
            meaning
        };
        let (seen, all) = c.seen;
        let places = if all == 0 {
            String::new()
        } else {
            format!(" [{seen} of {all} places]")
        };
        eprintln!("  {:<8} {alleles}: {meaning}{places}", c.gene);
    }
}
