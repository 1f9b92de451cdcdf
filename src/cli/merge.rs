//! `theralign merge`: the shards of a calling run to one VCF.

use crate::call::merge;
use crate::error::thousands;
use crate::{Error, Result};
use std::path::PathBuf;

/// Put together what `theralign call --shard` wrote: the same files, to the byte, as of one run
#[derive(clap::Args, Debug)]
pub struct Args {
    /// The shards' VCFs, in any order; the depth and loci files beside them are merged too
    #[arg(value_name = "SHARD.vcf.gz", required = true)]
    shards: Vec<PathBuf>,
    /// The VCF to write; its index, .depth.bed.gz and .loci.tsv are written beside it
    #[arg(short, long, value_name = "OUT.vcf.gz")]
    output: PathBuf,
}

/// Merges, and says what was written.
pub fn run(args: &Args) -> Result<()> {
    if args.shards.contains(&args.output) {
        return Err(Error::usage(
            format!("{} is to be read and written", args.output.display()),
            "Give the output another name.",
        ));
    }
    super::call::check_output(&args.output)?;
    let records = merge::run(&args.shards, &args.output)?;
    eprintln!(
        "{}: {} records of {} shards",
        args.output.display(),
        thousands(records),
        thousands(args.shards.len() as u64),
    );
    Ok(())
}
