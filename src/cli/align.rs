//! `theralign align`: FASTQ or unaligned BAM to SAM or sorted BAM.

use super::common::{Carried, DeviceChoice, Redact, Sorting, Threads, Timing};
use crate::align::LEAST_SCORE;
use crate::align::insert::InsertSize;
use crate::align::record::Style;
use crate::align::run::{Options, run as align};
use crate::error::thousands;
use crate::format::fastq::Pairing;
use crate::format::header::ReadGroup;
use crate::format::reads::Source;
use crate::genome::Reference;
use crate::{Error, Result};
use std::path::PathBuf;

/// Align reads to a reference
#[derive(clap::Args, Debug)]
pub struct Args {
    /// Index made by `theralign index`
    #[arg(short = 'x', long, value_name = "INDEX")]
    index: PathBuf,
    /// FASTQ files (plain, gzip or BGZF; - is standard input): one is single-end; R1 R2 of each lane are pairs. Or unaligned BAM files
    #[arg(required = true, value_name = "READS.fq[.gz]")]
    reads: Vec<PathBuf>,
    /// Where to write: OUT.bam is sorted and indexed, OUT.sam and - (standard output) are SAM in input order
    #[arg(short, long, default_value = "-", value_name = "OUT")]
    output: PathBuf,
    /// Mates follow each other in each file
    #[arg(short = 'p', long)]
    interleaved: bool,
    /// Every file is single-end reads, however many there are
    #[arg(long, conflicts_with = "interleaved")]
    single: bool,
    /// Read group, as '@RG\tID:lane1\tSM:sample\tLB:library' [default: those of BAM input]
    #[arg(short = 'R', long, value_name = "LINE")]
    read_group: Option<String>,
    /// Mean and standard deviation of the insert size [default: estimated from the first pairs]
    #[arg(short = 'I', long, value_name = "MEAN,SD")]
    insert_size: Option<String>,
    /// Least score of an alignment, counting 5 for each end of the read that it reaches
    #[arg(short = 'T', long, value_name = "SCORE", default_value_t = LEAST_SCORE, value_parser = clap::value_parser!(i32).range(20..))]
    least_score: i32,
    #[command(flatten)]
    others: Others,
    /// Reads or pairs in a batch; changes nothing in the output [default: what suits the device]
    #[arg(long, value_name = "N")]
    batch: Option<std::num::NonZeroUsize>,
    #[command(flatten)]
    carried: Carried,
    #[command(flatten)]
    sorting: Sorting,
    #[command(flatten)]
    device: DeviceChoice,
    #[command(flatten)]
    redact: Redact,
    #[command(flatten)]
    threads: Threads,
    #[command(flatten)]
    timing: Timing,
}

/// What records say of hits beside the best.
#[derive(clap::Args, Debug)]
struct Others {
    /// Supplementary records hold the whole read, soft-clipped
    #[arg(short = 'Y', long)]
    soft_clip: bool,
    /// All other alignments as secondary records, in place of XA
    #[arg(short = 'a', long)]
    all: bool,
    /// Most other places that XA names; with more, it is left out
    #[arg(long = "xa", value_name = "N", default_value_t = Style::default().alternatives)]
    alternatives: usize,
}

/// Aligns, and says how it went.
pub fn run(args: &Args) -> Result<()> {
    let threads = args.threads.apply()?;
    let pairing = match (args.interleaved, args.single) {
        (true, _) => Some(Pairing::Interleaved),
        (_, true) => Some(Pairing::Single),
        _ => None,
    };
    let options = Options {
        source: Source {
            files: args.reads.clone(),
            pairing,
            extras: args.carried.extras(),
            keep_groups: args.read_group.is_none(),
        },
        output: args.output.clone(),
        read_group: args
            .read_group
            .as_deref()
            .map(ReadGroup::parse)
            .transpose()?,
        insert: args.insert_size.as_deref().map(parse_insert).transpose()?,
        threads,
        sorting: args.sorting.options(),
        batch: args.batch.map(Into::into),
        least_score: args.least_score,
        style: Style {
            soft_clip: args.others.soft_clip,
            all: args.others.all,
            alternatives: args.others.alternatives,
        },
        redact: args.redact.redact,
        command: args.redact.command(),
    };
    let device = args.device.open()?;
    let reference = Reference::open_for_seeding(&args.index)?;
    let summary = align(&reference, &device, &options)?;
    let share = |n: u64| 100.0 * n as f64 / summary.reads.max(1) as f64;
    eprintln!(
        "{} reads: {:.2} % mapped, {:.2} % in proper pairs",
        thousands(summary.reads),
        share(summary.mapped),
        share(summary.proper)
    );
    args.sorting.tell(&summary)?;
    args.timing.tell(&summary, threads)
}

fn parse_insert(text: &str) -> Result<InsertSize> {
    let wrong = || {
        Error::usage(
            format!("insert size {text:?}"),
            "Give mean and standard deviation, as -I 350,80.",
        )
    };
    let (mean, sd) = text.split_once(',').ok_or_else(wrong)?;
    match (mean.trim().parse::<f64>(), sd.trim().parse::<f64>()) {
        (Ok(mean), Ok(sd)) if (1.0..1e6).contains(&mean) && (0.1..1e6).contains(&sd) => {
            Ok(InsertSize::given(mean, sd))
        }
        _ => Err(wrong()),
    }
}
