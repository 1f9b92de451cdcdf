//! Reads to an alignment file: the whole of `theralign align`.

use super::insert::{InsertSize, SAMPLE};
use super::record::{Encode, Style, Writer};
use super::{Aligner, Begun, Effort, Scratch};
use crate::backend::Device;
use crate::batch::ReadBatch;
use crate::error::thousands;
use crate::flow;
use crate::format::bam::write_bam;
use crate::format::header::{self, Order, ReadGroup};
use crate::format::output::Output;
use crate::format::reads::{Reader, Source};
use crate::format::sam::{Record, write_sam};
use crate::genome::Reference;
use crate::sort::{self, Sorter};
use crate::timings::{Clock, Stage, Timings};
use crate::{Error, Result};
use std::collections::VecDeque;
use std::io::Write;
use std::path::PathBuf;
use std::time::{Duration, Instant};

/// What to align, and how.
#[derive(Clone, Debug)]
pub struct Options {
    /// What to read.
    pub source: Source,
    /// Where to: `.bam` is sorted and indexed, all else is SAM in input order; `-` is standard output.
    pub output: PathBuf,
    /// The read group of all records; without one they keep those of the input.
    pub read_group: Option<ReadGroup>,
    /// Leave out what read groups say of centre, date and machine.
    pub redact: bool,
    /// The insert size, if it is not to be estimated.
    pub insert: Option<InsertSize>,
    /// CPU threads.
    pub threads: usize,
    /// How a `.bam` is sorted.
    pub sorting: sort::Options,
    /// Templates in a batch; by default what suits the device. Changes no result.
    pub batch: Option<usize>,
    /// Least score of an alignment, with bonuses: [`LEAST_SCORE`](super::LEAST_SCORE), usually.
    pub least_score: i32,
    /// What records say of hits beside the best.
    pub style: Style,
    /// For the header.
    pub command: String,
}

/// What was done.
#[derive(Clone, Debug, Default)]
pub struct Summary {
    /// Templates read.
    pub templates: u64,
    /// Reads read.
    pub reads: u64,
    /// Reads placed.
    pub mapped: u64,
    /// Reads in proper pairs.
    pub proper: u64,
    /// The insert size used, for paired reads.
    pub insert: Option<InsertSize>,
    /// What was sorted, for BAM.
    pub sorted: Option<sort::Summary>,
    /// What each stage took, and what took which path.
    pub timings: Timings,
    /// What all of it took.
    pub wall: Duration,
}

/// Where records go.
enum Sink {
    Sam(Output),
    Bam(Box<Sorter>),
}

impl Sink {
    fn open(options: &Options, groups: &[ReadGroup]) -> Result<Sink> {
        let is_bam = options
            .output
            .extension()
            .is_some_and(|e| e.eq_ignore_ascii_case("bam"));
        Ok(if is_bam {
            Sink::Bam(Box::new(Sorter::new(
                &options.output,
                &options.sorting,
                groups,
            )?))
        } else {
            Sink::Sam(Output::create(&options.output)?)
        })
    }

    fn order(&self) -> Order {
        match self {
            Sink::Sam(_) => Order::Input,
            Sink::Bam(_) => Order::Coordinate,
        }
    }

    fn push(&mut self, bytes: &[u8]) -> Result<()> {
        match self {
            Sink::Sam(out) => out.write_all(bytes).map_err(Error::io(out.path())),
            Sink::Bam(sorter) => sorter.push(bytes),
        }
    }
}

/// Templates in a batch: what the caches of a CPU hold. A GPU takes several of them at once.
const BATCH: usize = 2048;
/// Batches that a worker begins while a GPU has others of its under way.
pub const AHEAD: usize = 16;

/// A batch's records, and what they add to the summary.
struct Done {
    bytes: Vec<u8>,
    templates: u64,
    reads: u64,
    mapped: u64,
    proper: u64,
    timings: Timings,
}

/// Aligns all reads.
///
/// # Errors
/// For broken input and for outputs that cannot be written; then no output gets its name.
pub fn run(reference: &Reference, device: &Device, options: &Options) -> Result<Summary> {
    let begun = Instant::now();
    let mut timings = Timings::default();
    let mut reader = options.source.open(options.batch.unwrap_or(BATCH))?;
    eprintln!("aligning on {}", device.name());
    let mut groups = match &options.read_group {
        Some(group) => vec![group.clone()],
        None => reader.groups().to_vec(),
    };
    if options.redact {
        groups.iter_mut().for_each(ReadGroup::redact);
    }
    let mut sink = Sink::open(options, &groups)?;
    let order = sink.order();
    let aligner = Aligner::new(reference, device).with_least_score(options.least_score);
    let mut first = VecDeque::new();
    let insert = if !reader.may_pair() {
        None
    } else if let Some(given) = options.insert {
        Some(given)
    } else {
        read_sample(&mut reader, &mut first)?;
        let mut clock = Clock::start();
        let (insert, orientations) = aligner.estimate_insert(first.make_contiguous())?;
        if let Some(warning) = orientations.warning() {
            eprintln!("{warning}");
        }
        clock.lap(&mut timings, Stage::Sample);
        Some(insert)
    };
    // Among single reads in BAM there is nothing to say.
    if let Some(i) = &insert
        && (options.insert.is_some() || first.iter().any(|b| b.paired))
    {
        say_insert(i);
    }
    let text = header::text(order, reference.contigs(), &groups, &options.command);
    if let Sink::Sam(_) = sink {
        sink.push(text.as_bytes())?;
    }

    let mut summary = Summary {
        insert,
        ..Summary::default()
    };
    let group = options.read_group.as_ref().map(|g| g.id.as_str());
    let taking = match order {
        Order::Input => Stage::Write,
        Order::Coordinate => Stage::Sort,
    };
    let work = Work {
        aligner: &aligner,
        insert: insert.as_ref(),
        writer: || {
            let encode = |r: &Record, out: &mut Vec<u8>| match order {
                Order::Input => write_sam(r, reference.contigs(), out),
                Order::Coordinate => write_bam(r, out),
            };
            Writer::new(reference, group, options.style, encode)
        },
    };
    let waits = flow::run_ahead(
        options.threads,
        if device.gpus().is_empty() { 0 } else { AHEAD },
        || match first.pop_front() {
            Some(batch) => Ok(Some(batch)),
            None => reader.next_batch(),
        },
        &work,
        |done: Done| {
            summary.templates += done.templates;
            summary.reads += done.reads;
            summary.mapped += done.mapped;
            summary.proper += done.proper;
            timings.merge(done.timings);
            let mut clock = Clock::start();
            sink.push(&done.bytes)?;
            clock.lap(&mut timings, taking);
            Ok(())
        },
    )?;
    match sink {
        Sink::Sam(out) => out.finish()?,
        Sink::Bam(sorter) => {
            let (sorted, timings) = sorter.finish(&text, reference.contigs())?;
            summary.timings.merge(timings);
            summary.sorted = Some(sorted);
        }
    }
    let read = reader.times();
    for (stage, time) in [
        (Stage::Inflate, read.inflating),
        (Stage::Parse, read.parsing),
        (Stage::WaitBytes, read.waiting),
        (Stage::WaitReads, waits.workers),
        (Stage::WaitWorkers, waits.source),
        (Stage::WaitRecords, waits.sink),
    ] {
        timings.add(stage, time);
    }
    summary.timings.merge(timings);
    summary.wall = begun.elapsed();
    Ok(summary)
}

/// What workers do with batches.
struct Work<'a, W> {
    aligner: &'a Aligner<'a>,
    insert: Option<&'a InsertSize>,
    /// Makes a worker's writer.
    writer: W,
}

impl<'a, W, E> flow::Work for Work<'a, W>
where
    W: Fn() -> Writer<'a, E> + Sync,
    E: Encode,
{
    type In = ReadBatch;
    type Begun = (ReadBatch, Begun);
    type Out = Done;
    type Scratch = (Scratch, Writer<'a, E>);

    fn scratch(&self) -> Self::Scratch {
        (Scratch::default(), (self.writer)())
    }

    fn begin(&self, (scratch, _): &mut Self::Scratch, batch: ReadBatch) -> Result<Self::Begun> {
        let begun = self
            .aligner
            .begin(&batch, self.insert, Effort::Whole, scratch)?;
        Ok((batch, begun))
    }

    fn is_ready(&self, (_, begun): &mut Self::Begun) -> bool {
        begun.is_ready()
    }

    fn finish(
        &self,
        (scratch, writer): &mut Self::Scratch,
        (batch, begun): Self::Begun,
    ) -> Result<Done> {
        let placed = self.aligner.finish(&batch, begun, scratch);
        let mut done = Done {
            bytes: Vec::new(),
            templates: batch.templates() as u64,
            reads: batch.reads() as u64,
            mapped: 0,
            proper: 0,
            timings: std::mem::take(&mut scratch.timings),
        };
        let mut clock = Clock::start();
        for (t, template) in placed.templates.iter().enumerate() {
            writer.write(&batch, t, &placed.hits, template, &mut done.bytes);
            done.mapped += template.ends.iter().filter(|e| e.hit.is_some()).count() as u64;
            done.proper += if template.proper { 2 } else { 0 };
        }
        clock.lap(&mut done.timings, Stage::Record);
        Ok(done)
    }
}

/// Reads batches until they hold the templates that the insert size is estimated from.
fn read_sample(reader: &mut Reader, batches: &mut VecDeque<ReadBatch>) -> Result<()> {
    let mut templates = 0;
    while templates < SAMPLE {
        let Some(batch) = reader.next_batch()? else {
            break;
        };
        templates += batch.templates();
        batches.push_back(batch);
    }
    Ok(())
}

fn say_insert(i: &InsertSize) {
    if i.pairs > 0 {
        eprintln!(
            "insert size {:.0} ± {:.0} from {} pairs; likely {} to {}, proper up to that",
            i.mean,
            i.sd,
            thousands(i.pairs as u64),
            i.low,
            i.high
        );
    } else {
        eprintln!(
            "insert size not estimated (too few sure pairs, or given); proper pairs span {} at most",
            i.high
        );
    }
}
