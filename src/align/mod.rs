//! Aligning: the story of one batch of reads.

mod deeper;
pub mod hit;
pub mod insert;
pub mod mapq;
mod neighbours;
pub mod pair;
pub mod record;
mod rescue;
pub mod run;
mod split;
#[cfg(test)]
pub(crate) mod testing;

use crate::backend::{Cpu, Device, DeviceIndex, DeviceReads, Extensions, Gpu, Kernels};
use crate::batch::{PackedReads, ReadBatch};
use crate::error::thousands;
use crate::genome::Reference;
use crate::kernel::candidate::{Candidate, PairWindow, Summary};
use crate::kernel::extend::{Extended, MAX_READ, MAX_RUNS, Scoring};
use crate::timings::{Clock, Paths, Stage, Timings};
use crate::{Error, Result};
use deeper::Deeper;
use hit::Hits;
use insert::{InsertSize, LONGEST_UNKNOWN, Orientations};
use pair::Template;
use rayon::prelude::*;

/// Least score, with bonuses, of an alignment: bwa's.
pub const LEAST_SCORE: i32 = 30;

/// Aligns batches against one reference.
pub struct Aligner<'a> {
    reference: &'a Reference,
    device: &'a Device,
    cpu: DeviceIndex<'a, Cpu>,
    gpu: Option<DeviceIndex<'a, Gpu>>,
    scoring: Scoring,
    least: i32,
}

/// Where a batch's reads are placed.
#[derive(Debug)]
pub struct Placements {
    /// All hits, by read.
    pub hits: Hits,
    /// One per template.
    pub templates: Vec<Template>,
}

/// What a worker keeps from batch to batch.
#[derive(Debug, Default)]
pub struct Scratch {
    packed: PackedReads,
    rescue: rescue::Scratch,
    deeper: deeper::Scratch,
    split: split::Scratch,
    /// Times and counts of the batches since they were last taken.
    pub timings: Timings,
}

impl<'a> Aligner<'a> {
    /// An aligner for this reference; puts the index on the device.
    pub fn new(reference: &'a Reference, device: &'a Device) -> Aligner<'a> {
        let on_gpu = |gpu| DeviceIndex::new(gpu, reference);
        Aligner {
            reference,
            device,
            cpu: DeviceIndex::new(&Cpu, reference),
            gpu: device.working_gpu().map(on_gpu),
            scoring: Scoring::default(),
            least: LEAST_SCORE,
        }
    }

    /// Leaves out alignments that score less than this, with bonuses, in place of [`LEAST_SCORE`].
    #[must_use]
    pub fn with_least_score(self, least: i32) -> Aligner<'a> {
        Aligner { least, ..self }
    }

    /// Aligns and places the reads of a batch. `insert` is the library's insert size; while it is
    /// not known, pairs are placed read by read.
    pub fn place(
        &self,
        batch: &ReadBatch,
        insert: Option<&InsertSize>,
        scratch: &mut Scratch,
    ) -> Result<Placements> {
        self.place_with(batch, insert, Effort::Whole, scratch)
    }

    fn place_with(
        &self,
        batch: &ReadBatch,
        insert: Option<&InsertSize>,
        effort: Effort,
        scratch: &mut Scratch,
    ) -> Result<Placements> {
        let mut clock = Clock::start();
        scratch.packed.fill(batch);
        clock.lap(&mut scratch.timings, Stage::Pack);
        let spans = &scratch.packed.spans;
        if let Some(r) = spans.iter().position(|s| s.len as usize > MAX_READ) {
            let record = batch.first_template + batch.template_of(r) as u64 + 1;
            return Err(Error::input(
                "the reads",
                format!("record {}", thousands(record)),
                format!(
                    "{} has {} bases, and at most {MAX_READ} are aligned",
                    batch.name(batch.template_of(r)).escape_ascii(),
                    batch.read_len(r)
                ),
                "theralign aligns short reads; use minimap2 for long ones.",
            ));
        }
        if let Some(index) = &self.gpu {
            let on_gpu = |gpu: &Gpu| self.place_on(gpu, index, batch, insert, effort, scratch);
            if let Some(placed) = self.device.on_gpu(on_gpu)? {
                return Ok(placed);
            }
        }
        self.place_on(&Cpu, &self.cpu, batch, insert, effort, scratch)
    }

    fn place_on<B: Kernels>(
        &self,
        b: &B,
        index: &DeviceIndex<'_, B>,
        batch: &ReadBatch,
        insert: Option<&InsertSize>,
        effort: Effort,
        scratch: &mut Scratch,
    ) -> Result<Placements> {
        let (packed, timings) = (&scratch.packed, &mut scratch.timings);
        let mut clock = Clock::start();
        let longest = insert.map_or(LONGEST_UNKNOWN, |i| i.high);
        let window = PairWindow {
            paired: u32::from(batch.paired),
            longest,
        };
        let reads = DeviceReads::upload(b, packed);
        clock.lap(timings, Stage::Pack);
        let seeds = b.seed(&reads, index);
        clock.lap(timings, Stage::Seed);
        let found = b.candidate(&reads, &seeds, index, window);
        clock.lap(timings, Stage::Candidate);
        let extended = b.extend(&reads, &found.candidates, index, &self.scoring);
        clock.lap(timings, Stage::Extend);

        let first = b.take(found.candidates)?;
        let mut summaries = b.take(found.summaries)?;
        let extended = fetch(b, extended)?;
        clock.lap(timings, Stage::WaitDevice);
        let mut hits = Hits::new(batch.reads(), self.least);
        let context = (self.reference, packed, &self.scoring);
        hits.add(&first, &extended, context, false);
        count_paths(&first, &extended, &summaries, &mut timings.paths);
        clock.lap(timings, Stage::Pair);
        let insert = insert.filter(|_| batch.paired);
        if effort == Effort::Whole {
            let jobs = (batch, &reads, &first[..]);
            let found = (&mut hits, &mut summaries[..]);
            self.look_further(b, index, jobs, insert, found, scratch)?;
        }
        let (packed, timings) = (&scratch.packed, &mut scratch.timings);
        let mut clock = Clock::start();
        let templates = place_templates(batch, &hits, packed, &summaries, insert);
        for (t, template) in templates.iter().enumerate() {
            for (r, end) in batch.reads_of(t).zip(&template.ends) {
                let rescued = end.hit.is_some_and(|h| hits.of_read[r][h].votes == 0);
                timings.paths.rescued += u64::from(rescued);
                timings.paths.split += u64::from(!end.supplementary.is_empty());
                timings.paths.unmapped += u64::from(end.hit.is_none());
            }
        }
        clock.lap(timings, Stage::Pair);
        Ok(Placements { hits, templates })
    }

    /// What the first candidates leave to be found: mates beside their mates, better places of reads in
    /// doubt, clipped ends. Into the hits, and what is known of the seeds.
    fn look_further<B: Kernels>(
        &self,
        b: &B,
        index: &DeviceIndex<'_, B>,
        (batch, reads, first): (&ReadBatch, &DeviceReads<B>, &[Candidate]),
        insert: Option<&InsertSize>,
        (hits, summaries): (&mut Hits, &mut [Summary]),
        scratch: &mut Scratch,
    ) -> Result<()> {
        let Scratch {
            packed,
            rescue,
            deeper,
            split,
            timings,
        } = scratch;
        let packed = &*packed;
        let mut clock = Clock::start();
        let add = |jobs: &[Candidate], hits: &mut Hits, rescued| -> Result<()> {
            if !jobs.is_empty() {
                let extended = b.extend(reads, &b.upload(jobs), index, &self.scoring);
                let context = (self.reference, packed, &self.scoring);
                hits.add(jobs, &fetch(b, extended)?, context, rescued);
            }
            Ok(())
        };
        if let Some(insert) = insert {
            let all = 0..batch.templates();
            let jobs = rescue::jobs(all, hits, packed, self.reference, insert, rescue);
            add(&jobs, hits, true)?;
            timings.paths.rescue_jobs += jobs.len() as u64;
            clock.lap(timings, Stage::Rescue);
        }
        let look = Deeper {
            reference: self.reference,
            packed,
            scoring: &self.scoring,
            insert,
        };
        let jobs = look.jobs(first, hits, summaries, deeper);
        add(&jobs, hits, false)?;
        timings.paths.deeper_jobs += jobs.len() as u64;
        clock.lap(timings, Stage::Deeper);
        if let Some(insert) = insert {
            let again = jobs.chunk_by(|a, b| a.read / 2 == b.read / 2);
            let again = again.map(|jobs| jobs[0].read as usize / 2);
            let jobs = rescue::jobs(again, hits, packed, self.reference, insert, rescue);
            add(&jobs, hits, true)?;
            timings.paths.rescue_jobs += jobs.len() as u64;
            clock.lap(timings, Stage::Rescue);
        }
        timings.paths.ends_near += split::near(hits, packed, self.reference, &self.scoring, split);
        let tails = split::tails(hits, batch);
        timings.paths.ends_anywhere += tails.len() as u64;
        if !tails.is_empty() {
            let ends = DeviceReads::upload(b, &tails.packed);
            let seeds = b.seed(&ends, index);
            let (lists, list_ends) = (b.take(seeds.seeds)?, b.take(seeds.ends)?);
            let jobs = tails.jobs(&lists, &list_ends, self.reference.seed_positions());
            add(&jobs, hits, false)?;
        }
        clock.lap(timings, Stage::Split);
        Ok(())
    }

    /// Estimates the insert size from batches that start the input, and counts how mates lie to each other.
    pub fn estimate_insert(&self, batches: &[ReadBatch]) -> Result<(InsertSize, Orientations)> {
        let sampled: Vec<(Vec<u32>, Orientations)> = batches
            .par_iter()
            .map(|batch| {
                let mut scratch = Scratch::default();
                let placed = self.place_with(batch, None, Effort::Sample, &mut scratch)?;
                let (mut distances, mut orientations) = (Vec::new(), Orientations::default());
                let pairs = if batch.paired { batch.templates() } else { 0 };
                for t in 0..pairs {
                    let own = [2 * t, 2 * t + 1].map(|r| &placed.hits.of_read[r]);
                    let sure = |e: usize| placed.templates[t].ends[e].mapq >= CONFIDENT;
                    if let ([a, ..], [b, ..], true) = (
                        &own[0][..],
                        &own[1][..],
                        batch.first_template as usize + t < insert::SAMPLE,
                    ) && sure(0)
                        && sure(1)
                    {
                        let lengths = [2 * t, 2 * t + 1].map(|r| batch.read_len(r) as u32);
                        let d = rescue::distance(a, lengths[0], b, lengths[1]);
                        distances
                            .extend(d.filter(|d| (1..=FARTHEST).contains(d)).map(|d| d as u32));
                        orientations.count([a, b], lengths, FARTHEST);
                    }
                }
                Ok((distances, orientations))
            })
            .collect::<Result<_>>()?;
        let (distances, orientations): (Vec<_>, Vec<_>) = sampled.into_iter().unzip();
        let total = orientations
            .into_iter()
            .fold(Orientations::default(), |a, b| a + b);
        Ok((InsertSize::estimate(&mut distances.concat()), total))
    }
}

/// How far to look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Effort {
    /// Wherever something better may be.
    Whole,
    /// At the first candidates only: that is enough for the insert size.
    Sample,
}

/// What the extend kernel has made, on the host.
fn fetch<B: Kernels>(b: &B, e: Extensions<B>) -> Result<Extended> {
    Ok(Extended {
        extensions: b.take(e.extensions)?,
        runs: b.take(e.runs)?,
    })
}

/// Quality from which a read counts for the insert size.
const CONFIDENT: u8 = 20;
/// Distances beyond this are no pairs.
const FARTHEST: i64 = 10_000;

/// Counts what became of a batch's seeds, candidates and extensions.
fn count_paths(jobs: &[Candidate], extended: &Extended, summaries: &[Summary], paths: &mut Paths) {
    paths.reads += summaries.len() as u64;
    let mut with_candidates = 0;
    for of_read in jobs.chunk_by(|a, b| a.read == b.read) {
        with_candidates += 1;
        paths.one_candidate += u64::from(of_read.len() == 1);
    }
    paths.no_candidate += summaries.len() as u64 - with_candidates;
    paths.ungapped += jobs.len() as u64;
    paths.gapped += (extended.runs.len() / MAX_RUNS) as u64;
    for s in summaries {
        paths.lists += u64::from(s.lists);
        paths.skipped_lists += u64::from(s.skipped);
        paths.skipping += u64::from(s.skipped > 0);
    }
}

fn place_templates(
    batch: &ReadBatch,
    hits: &Hits,
    packed: &PackedReads,
    summaries: &[Summary],
    insert: Option<&InsertSize>,
) -> Vec<Template> {
    let paired = batch.paired.then_some(insert).flatten();
    let place_read = |r: usize| pair::place(r, hits, packed, summaries, None).ends.remove(0);
    (0..batch.templates())
        .map(|t| match paired {
            Some(_) => pair::place(t, hits, packed, summaries, paired),
            None => Template {
                ends: batch.reads_of(t).map(place_read).collect(),
                proper: false,
            },
        })
        .collect()
}
