//! `theralign consensus`: copies of molecules to one read pair of each.

use super::common::{Redact, Threads, parse_bytes};
use crate::consensus::metrics::Tally;
use crate::consensus::model::Rates;
use crate::consensus::{self, Grouping, LeastCopies, Options};
use crate::error::thousands;
use crate::format::bgzf::DEFAULT_LEVEL;
use crate::format::output::Output;
use crate::{Error, Result};
use std::path::{Path, PathBuf};

/// Make a consensus read pair of each molecule, told by its UMI
#[derive(clap::Args, Debug)]
pub struct Args {
    /// Aligned reads with UMIs in RX, sorted by coordinate, as `theralign align --umi name` writes them; or with fgbio's MI
    #[arg(value_name = "IN.bam")]
    input: PathBuf,
    /// The BAM to write, sorted and indexed
    #[arg(short, long, value_name = "OUT.bam")]
    output: PathBuf,
    #[command(flatten)]
    molecules: Molecules,
    /// Write reads without their alignments, mates together, for `theralign align`
    #[arg(long)]
    unaligned: bool,
    /// Write how many molecules have how many copies: all figures if it ends in .json, else as fgbio's `GroupReadsByUmi`
    #[arg(long, value_name = "FILE")]
    metrics: Option<PathBuf>,
    /// Memory for sorting, about; the rest goes to temporary files
    #[arg(long, default_value = "1G", value_parser = parse_bytes, value_name = "BYTES")]
    memory: usize,
    /// Folder for temporary files [default: the output's]
    #[arg(long, value_name = "DIR")]
    temporary: Option<PathBuf>,
    /// Compression level of the BAM, 0 to 12
    #[arg(long, default_value_t = DEFAULT_LEVEL, value_parser = clap::value_parser!(u8).range(0..=12), value_name = "N")]
    level: u8,
    #[command(flatten)]
    redact: Redact,
    #[command(flatten)]
    threads: Threads,
}

/// Which copies are of one molecule, and how their bases are settled.
#[derive(clap::Args, Debug, Clone)]
pub struct Molecules {
    /// Join the strands of a molecule; UMIs must have a part for each read [default: where they have it]
    #[arg(long, conflicts_with = "simplex")]
    duplex: bool,
    /// Do not join the strands of a molecule
    #[arg(long)]
    simplex: bool,
    /// Copies that a consensus needs: of both strands, of the one with more, of the one with fewer; the last number stands
    /// for those left out
    #[arg(long, value_name = "N[,N[,N]]", default_value = "1,1,0")]
    min_reads: String,
    /// Do not look at input bases below this quality
    #[arg(long, value_name = "PHRED", default_value_t = Rates::default().min_base_quality, value_parser = clap::value_parser!(u8).range(0..=93))]
    min_base_quality: u8,
    /// Rate of errors before UMIs were attached, which no number of copies removes
    #[arg(long, value_name = "PHRED", default_value_t = Rates::default().pre_umi, value_parser = clap::value_parser!(u8).range(1..=93))]
    error_rate_pre: u8,
    /// Rate of errors between that and sequencing
    #[arg(long, value_name = "PHRED", default_value_t = Rates::default().post_umi, value_parser = clap::value_parser!(u8).range(1..=93))]
    error_rate_post: u8,
    /// Take this from input qualities
    #[arg(long, value_name = "PHRED", default_value_t = Rates::default().quality_shift, hide = true)]
    quality_shift: u8,
    /// Count input qualities as this at most
    #[arg(long, value_name = "PHRED", default_value_t = Rates::default().max_base_quality, hide = true, value_parser = clap::value_parser!(u8).range(2..=93))]
    max_base_quality: u8,
    /// Substitutions by which a UMI may differ from a more frequent one and be an error of it
    #[arg(long, value_name = "N", default_value_t = 1)]
    max_edits: u32,
    /// Leave out the tags with depth and errors of each base
    #[arg(long)]
    no_per_base: bool,
}

impl Molecules {
    /// These options with the others as they usually are.
    ///
    /// # Errors
    /// When the numbers of copies make no sense.
    pub fn options(&self, input: PathBuf, output: PathBuf) -> Result<Options> {
        Ok(Options {
            grouping: match (self.duplex, self.simplex) {
                (true, _) => Grouping::Duplex,
                (_, true) => Grouping::Simplex,
                _ => Grouping::Auto,
            },
            max_edits: self.max_edits,
            least: parse_least(&self.min_reads)?,
            rates: Rates {
                pre_umi: self.error_rate_pre,
                post_umi: self.error_rate_post,
                min_base_quality: self.min_base_quality,
                quality_shift: self.quality_shift,
                max_base_quality: self.max_base_quality,
            },
            per_base: !self.no_per_base,
            ..Options::new(input, output)
        })
    }
}

/// Makes the consensus, and says what it is of.
pub fn run(args: &Args) -> Result<()> {
    let threads = args.threads.apply()?;
    let molecules = &args.molecules;
    let options = Options {
        unaligned: args.unaligned,
        threads,
        memory: args.memory,
        temporary: args.temporary.clone(),
        level: args.level,
        command: args.redact.command(),
        ..molecules.options(args.input.clone(), args.output.clone())?
    };
    let tally = consensus::run(&options)?;
    if let Some(file) = &args.metrics {
        write_metrics(file, &tally)?;
    }
    tell(&tally);
    Ok(())
}

/// Writes all figures if the file's name ends in .json, else the table of family sizes.
pub fn write_metrics(file: &Path, tally: &Tally) -> Result<()> {
    let json = file
        .extension()
        .is_some_and(|e| e.eq_ignore_ascii_case("json"));
    let text = if json {
        serde_json::to_string_pretty(tally).expect("plain data") + "\n"
    } else {
        tally.table()
    };
    Output::write(file, text.as_bytes())
}

/// Says how many molecules there are, and what was left out.
pub fn tell(tally: &Tally) {
    let left_out = tally.left_out();
    eprintln!(
        "{} templates of {} molecules, both strands of {}; {} molecules with too few copies, {} templates left out",
        thousands(tally.templates - left_out),
        thousands(tally.molecules + tally.too_few),
        thousands(tally.duplex),
        thousands(tally.too_few),
        thousands(left_out + tally.rejected + tally.unaligned),
    );
}

fn parse_least(text: &str) -> Result<LeastCopies> {
    let wrong = |what: &str| {
        Error::usage(
            format!("--min-reads {text:?}: {what}"),
            "Give one to three numbers that do not rise, as 6,3,3.",
        )
    };
    let numbers = text.split(',').map(|n| n.trim().parse::<usize>());
    let numbers: Vec<usize> = numbers
        .collect::<Result<_, _>>()
        .map_err(|_| wrong("not numbers"))?;
    let last = *numbers.last().ok_or_else(|| wrong("no number"))?;
    let of = |i: usize| numbers.get(i).copied().unwrap_or(last);
    let least = LeastCopies {
        all: of(0).max(1),
        more: of(1),
        fewer: of(2),
    };
    if numbers.len() > 3 || least.more > least.all || least.fewer > least.more {
        return Err(wrong("out of order"));
    }
    Ok(least)
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;

    #[derive(Parser)]
    struct Alone {
        #[command(flatten)]
        molecules: Molecules,
    }

    #[test]
    fn what_is_not_asked_for_is_as_usual() {
        let usual = Options::new("a".into(), "b".into());
        let given = Alone::parse_from(["consensus"]).molecules;
        let given = given.options("a".into(), "b".into()).unwrap();
        assert_eq!(format!("{given:?}"), format!("{usual:?}"));
        let other = ["consensus", "--simplex", "--min-reads", "3,2"];
        let other = Alone::parse_from(other).molecules;
        let other = other.options("a".into(), "b".into()).unwrap();
        assert!(
            other
                .described()
                .starts_with("grouping=simplex;max_edits=1;min_reads=3,2,2;")
        );
    }

    #[test]
    fn the_last_number_stands_for_those_left_out() {
        let least = |text: &str| parse_least(text).map(|l| (l.all, l.more, l.fewer));
        assert_eq!(least("3").unwrap(), (3, 3, 3));
        assert_eq!(least("6,3").unwrap(), (6, 3, 3));
        assert_eq!(least("3,2,0").unwrap(), (3, 2, 0));
        for bad in ["", "a", "1,2", "3,1,2", "3,3,3,3"] {
            assert!(least(bad).is_err(), "{bad}");
        }
    }
}
