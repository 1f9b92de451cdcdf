//! `theralign index`: FASTA to index file.

use super::common::Threads;
use crate::format::alt;
use crate::genome::{BuildOptions, Reference};
use crate::{Result, error::thousands};
use std::collections::BTreeSet;
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
    /// Contigs that are alternate loci, as bwa takes them: SAM or one name a line [default: REF.fa.alt, if there]
    #[arg(long, value_name = "FILE")]
    alt: Option<PathBuf>,
    #[command(flatten)]
    threads: Threads,
}

/// Builds the index and says what is in it.
pub fn run(args: &Args) -> Result<()> {
    args.threads.apply()?;
    let beside = |end: &str| -> PathBuf {
        let mut name = args.reference.clone().into_os_string();
        name.push(end);
        name.into()
    };
    let output = args.output.clone().unwrap_or_else(|| beside(".tidx"));
    let alt = args.alt.clone().or_else(|| {
        let usual = [beside(".alt"), args.reference.with_extension("alt")];
        usual.into_iter().find(|path| path.is_file())
    });
    let alternates = match &alt {
        Some(path) => alt::read(path)?,
        None => BTreeSet::new(),
    };
    let reference = Reference::build_file(
        &args.reference,
        &output,
        BuildOptions {
            windows: args.windows,
            alternates,
        },
    )?;
    let alternates = reference.contigs().iter().filter(|c| c.alternate).count();
    if let Some(path) = &alt {
        eprintln!(
            "{}: {} contigs are alternate loci",
            path.display(),
            thousands(alternates as u64)
        );
        if alternates == 0 {
            eprintln!("none of its names is a contig's: is it of another reference?");
        }
    }
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
