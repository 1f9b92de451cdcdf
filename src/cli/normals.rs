//! `theralign normals`: the calls of normal samples to a panel of normals.

use crate::call::normals;
use crate::error::thousands;
use crate::genome::Reference;
use crate::{Error, Result};
use std::path::PathBuf;

/// Make a panel of normals, for `call --normals`, of what `call` found in the laboratory's normal samples
#[derive(clap::Args, Debug)]
pub struct Args {
    /// The index of the reference that the normal samples were called with
    #[arg(short = 'x', long, value_name = "INDEX")]
    index: PathBuf,
    /// VCFs of normal samples, each called alone with --mode somatic; the depth files must be beside them
    #[arg(value_name = "NORMAL.vcf.gz", required = true)]
    normals: Vec<PathBuf>,
    /// The panel to write, a VCF without samples; its index is written beside it
    #[arg(short, long, value_name = "OUT.vcf.gz")]
    output: PathBuf,
    /// Keep alleles that at least this many normals show
    #[arg(long, value_name = "N", default_value_t = 2, value_parser = clap::value_parser!(u32).range(1..))]
    least: u32,
}

/// Builds, and says what was kept.
pub fn run(args: &Args) -> Result<()> {
    if args.normals.contains(&args.output) {
        return Err(Error::usage(
            format!("{} is to be read and written", args.output.display()),
            "Give the output another name.",
        ));
    }
    if (args.normals.len() as u64) < u64::from(args.least) {
        return Err(Error::usage(
            format!(
                "an allele must be seen in {} normals, and {} are given",
                args.least,
                args.normals.len()
            ),
            "Give more, or a lower --least.",
        ));
    }
    super::call::check_output(&args.output)?;
    let reference = Reference::open(&args.index)?;
    let command = std::env::args().collect::<Vec<_>>().join(" ");
    let built = normals::build(
        &reference,
        &args.normals,
        args.least,
        &args.output,
        &command,
    )?;
    eprintln!(
        "{}: {} alleles of {} normals; {} were seen in fewer than {}",
        args.output.display(),
        thousands(built.alleles),
        built.normals,
        thousands(built.left_out),
        args.least,
    );
    Ok(())
}
