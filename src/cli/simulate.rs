//! `theralign simulate`: panel reads with known variants.

use crate::format::{bed, output::Output};
use crate::genome::Reference;
use crate::simulate::{self, Options};
use crate::{Error, Result, error::thousands};
use flate2::{Compression, write::GzEncoder};
use std::path::PathBuf;

/// Make reads of a panel with known variants, to test a pipeline against a truth
#[derive(clap::Args, Debug)]
pub struct Args {
    /// Index of the reference genome (see `theralign index`)
    #[arg(short = 'x', long, value_name = "INDEX")]
    index: PathBuf,
    /// The panel's targets
    #[arg(long, value_name = "PANEL.bed")]
    panel: PathBuf,
    /// Variants to spike in; INFO/AF is the fraction of molecules that carry the variant (0.5 and 1
    /// for germline), records that share INFO/GROUP are carried by the same molecules
    #[arg(long, value_name = "FILE.vcf")]
    variants: Option<PathBuf>,
    /// Molecules over each base of the targets
    #[arg(long, value_name = "N", default_value_t = 500.0)]
    depth: f64,
    /// Bases of a read
    #[arg(long, value_name = "BASES", default_value_t = 150)]
    read_length: u32,
    /// Mean and standard deviation of the fragments' length
    #[arg(long, value_names = ["MEAN", "SD"], num_args = 2, default_values_t = [220.0, 40.0])]
    fragment: Vec<f64>,
    /// Probability that a molecule is sequenced twice
    #[arg(long, value_name = "P", default_value_t = 0.0)]
    duplicates: f64,
    /// Another seed gives other reads
    #[arg(long, value_name = "N", default_value_t = 1)]
    seed: u64,
    /// Where to: `PREFIX_1.fq.gz` and `PREFIX_2.fq.gz`
    #[arg(short, long, value_name = "PREFIX")]
    output: PathBuf,
}

/// Writes the reads and says how many.
pub fn run(args: &Args) -> Result<()> {
    let options = Options {
        depth: args.depth,
        read_length: args.read_length,
        fragment_mean: args.fragment[0],
        fragment_sd: args.fragment[1],
        duplicates: args.duplicates,
        seed: args.seed,
    };
    for (option, value, most) in [
        ("--depth", args.depth, 1e7),
        ("--fragment", args.fragment[0], 1e6),
        ("--fragment", args.fragment[1], 1e6),
        ("--duplicates", args.duplicates, 1.0),
    ] {
        if !(0.0..=most).contains(&value) {
            return Err(Error::usage(
                format!("{option} {value}"),
                format!("Give a number from 0 to {most}."),
            ));
        }
    }
    let reference = Reference::open(&args.index)?;
    let regions = bed::read_panel(&args.panel, |name| {
        let id = reference.contig_id(name)?;
        Some((id, reference.contig(id).length))
    })?;
    let spikes = match &args.variants {
        None => Vec::new(),
        Some(path) => simulate::read_spikes(path, &reference)?,
    };
    let [path1, path2] = [1, 2].map(|mate| {
        let mut name = args.output.clone().into_os_string();
        name.push(format!("_{mate}.fq.gz"));
        PathBuf::from(name)
    });
    let mut out1 = GzEncoder::new(Output::create(&path1)?, Compression::best());
    let mut out2 = GzEncoder::new(Output::create(&path2)?, Compression::best());
    let summary = simulate::simulate(
        &reference,
        &bed::merged(&regions),
        &spikes,
        options,
        [(&path1, &mut out1), (&path2, &mut out2)],
    )?;
    let out1 = out1.finish().map_err(Error::io(&path1))?;
    let out2 = out2.finish().map_err(Error::io(&path2))?;
    out1.finish()?;
    out2.finish()?;
    eprintln!(
        "{}, {}: {} pairs, {} of them repeats, {} variants spiked in",
        path1.display(),
        path2.display(),
        thousands(summary.pairs),
        thousands(summary.duplicates),
        spikes.len()
    );
    Ok(())
}
