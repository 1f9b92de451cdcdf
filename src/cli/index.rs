//! `theralign index`: FASTA to index file.

use super::common::Threads;
use crate::genome::{BuildOptions, Reference};
use crate::{Result, error::thousands};
use std::path::PathBuf;

/// Build the index of a reference genome
#[derive(clap::Args, Debug)]
pub struct Args {
    /// Reference genome, FASTA; gzip or BGZF are fine
    #[arg(value_name = "REF.fa[.gz]")]
    reference: PathBuf,
    /// The index to write [default: REF.fa.tidx]
    #[arg(short, long, value_name = "INDEX")]
    output: Option<PathBuf>,
    /// Records are windows named CONTIG:START-END with the contig's length as LN:n behind the name;
    /// what no window covers is N
    #[arg(long)]
    windows: bool,
    #[command(flatten)]
    threads: Threads,
}

/// Builds the index and says what is in it.
pub fn run(args: &Args) -> Result<()> {
    args.threads.apply()?;
    let output = args.output.clone().unwrap_or_else(|| {
        let mut name = args.reference.clone().into_os_string();
        name.push(".tidx");
        name.into()
    });
    let reference = Reference::build_file(
        &args.reference,
        &output,
        BuildOptions {
            windows: args.windows,
        },
    )?;
    let known: u64 = reference
        .islands()
        .iter()
        .map(|s| u64::from(s.length))
        .sum();
    eprintln!(
        "{}: {} contigs, {} known bases, {} seeds",
        output.display(),
        thousands(reference.contigs().len() as u64),
        thousands(known),
        thousands(reference.seed_positions().len() as u64)
    );
    Ok(())
}
