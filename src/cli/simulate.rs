//! `theralign simulate`: panel reads with known variants.

use crate::format::{bed, output::Output, vcf::with_suffix};
use crate::genome::Reference;
use crate::simulate::{self, Options};
use crate::{Error, Result, error::thousands};
use flate2::{Compression, write::GzEncoder};
use std::io::Write as _;
use std::path::PathBuf;

/// Pairs of a molecule with `--umi`, unless `--family` or `--duplicates` say otherwise.
const USUAL_FAMILY: f64 = 6.0;

/// Make reads of a panel with known variants, and the truth beside them, to test a pipeline
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
    #[arg(long, value_name = "N", default_value_t = Options::PLAIN.depth)]
    depth: f64,
    /// Bases of a read
    #[arg(long, value_name = "BASES", default_value_t = Options::PLAIN.read_length)]
    read_length: u32,
    /// Mean and standard deviation of the fragments' length
    #[arg(long, value_names = ["MEAN", "SD"], num_args = 2, default_values_t = [Options::PLAIN.fragment_mean, Options::PLAIN.fragment_sd])]
    fragment: Vec<f64>,
    /// Probability that a molecule is sequenced twice
    #[arg(long, value_name = "P", default_value_t = 0.0)]
    duplicates: f64,
    /// Tag both ends of each molecule with 8 bases, told behind the read name's last colon as
    /// AAAAAAAA+BBBBBBBB, in pairs of the other strand as BBBBBBBB+AAAAAAAA
    #[arg(long)]
    umi: bool,
    /// Pairs of a molecule, of both its strands, on average [default: 6 with --umi, else 1]
    #[arg(long, value_name = "MEAN", conflicts_with = "duplicates")]
    family: Option<f64>,
    /// Probability of a wrong base when a strand is copied, per base and round of 12; what goes wrong
    /// early is in many copies of a family. 5e-7 to 1e-5 are usual
    #[arg(long, value_name = "P", default_value_t = 0.0)]
    pcr_error: f64,
    /// Probability that a C reads as T on one strand of a molecule, in all its copies, as in tissue
    /// fixed with formalin. 0.0005 to 0.005 are usual there
    #[arg(long, value_name = "P", default_value_t = 0.0)]
    damage: f64,
    /// Probability that a G reads as T on one strand of a molecule, in all its copies (8-oxoguanine)
    #[arg(long, value_name = "P", default_value_t = 0.0)]
    oxidation: f64,
    /// Share of reads in which a run of six equal bases lost or gained one, 1.5 times as many for each
    /// base more. 0.002 is usual
    #[arg(long, value_name = "P", default_value_t = 0.0)]
    slippage: f64,
    /// Let fragments shorter than the read end in adapter; without it their reads are shorter
    #[arg(long)]
    adapter: bool,
    /// Another seed gives other reads; the same one gives the same bytes on every machine
    #[arg(long, value_name = "N", default_value_t = Options::PLAIN.seed)]
    seed: u64,
    /// Where to: `PREFIX_1.fq.gz`, `PREFIX_2.fq.gz`, and of the truth `PREFIX.truth.vcf.gz` (what was
    /// asked for and what was drawn, variant by variant) and `PREFIX.truth.json`
    #[arg(short, long, value_name = "PREFIX")]
    output: PathBuf,
}

impl Args {
    fn options(&self) -> Result<Options> {
        for (option, value, least, most) in [
            ("--depth", self.depth, 0.0, 1e7),
            ("--fragment", self.fragment[0], 0.0, 1e6),
            ("--fragment", self.fragment[1], 0.0, 1e6),
            ("--duplicates", self.duplicates, 0.0, 1.0),
            ("--family", self.family.unwrap_or(1.0), 1.0, 1000.0),
            ("--pcr-error", self.pcr_error, 0.0, 0.01),
            ("--damage", self.damage, 0.0, 1.0),
            ("--oxidation", self.oxidation, 0.0, 1.0),
            ("--slippage", self.slippage, 0.0, 0.3),
        ] {
            if !(least..=most).contains(&value) {
                return Err(Error::usage(
                    format!("{option} {value}"),
                    format!("Give a number from {least} to {most}."),
                ));
            }
        }
        let usual = (self.umi && self.duplicates == 0.0).then_some(USUAL_FAMILY);
        Ok(Options {
            depth: self.depth,
            read_length: self.read_length,
            fragment_mean: self.fragment[0],
            fragment_sd: self.fragment[1],
            duplicates: self.duplicates,
            seed: self.seed,
            umi: self.umi,
            family: self.family.or(usual),
            pcr_error: self.pcr_error,
            damage: self.damage,
            oxidation: self.oxidation,
            slippage: self.slippage,
            adapter: self.adapter,
        })
    }
}

/// Writes reads and truth, and says how many.
pub fn run(args: &Args) -> Result<()> {
    let options = args.options()?;
    let reference = Reference::open(&args.index)?;
    let regions = bed::read_panel(&args.panel, |name| {
        let id = reference.contig_id(name)?;
        Some((id, reference.contig(id).length))
    })?;
    let spikes = match &args.variants {
        None => Vec::new(),
        Some(path) => simulate::read_spikes(path, &reference)?,
    };
    let [path1, path2] = [1, 2].map(|mate| with_suffix(&args.output, &format!("_{mate}.fq.gz")));
    let mut out1 = GzEncoder::new(Output::create(&path1)?, Compression::best());
    let mut out2 = GzEncoder::new(Output::create(&path2)?, Compression::best());
    let summary = simulate::simulate(
        &reference,
        &bed::merged(&regions),
        &spikes,
        options,
        [(&path1, &mut out1), (&path2, &mut out2)],
    )?;
    let mut out1 = out1.finish().map_err(Error::io(&path1))?;
    let mut out2 = out2.finish().map_err(Error::io(&path2))?;
    // Before anything has its name: a full disk may show only now.
    out1.flush().map_err(Error::io(&path1))?;
    out2.flush().map_err(Error::io(&path2))?;
    simulate::write_truth(&args.output, &reference, &spikes, &options, &summary)?;
    out1.finish()?;
    out2.finish()?;
    let unseen = summary.drawn.iter().filter(|d| d.covering == 0).count();
    if unseen > 0 {
        eprintln!(
            "warning: no read reaches {unseen} of the variants (DRAWN_DP=0); are they near a target?"
        );
    }
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
