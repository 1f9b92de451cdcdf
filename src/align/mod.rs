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

use crate::backend::Device;
use crate::batch::{PackedReads, ReadBatch};
use crate::error::thousands;
use crate::genome::Reference;
use crate::kernel::candidate::{Candidate, PairWindow, Summary};
use crate::kernel::extend::{Extended, MAX_READ, MAX_RUNS, Scoring};
use crate::kernel::locate::{self, Located};
use crate::kernel::seed::Reads;
use crate::ring::{Ring, Ticket};
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
    ring: Option<Ring>,
    /// The CPU lanes take whole batches while the GPUs are busy.
    shares: bool,
    scoring: Scoring,
    least: i32,
}

/// A batch that is begun: packed, and on its way through a GPU if there is one.
#[derive(Debug)]
pub struct Begun {
    way: Way,
    window: PairWindow,
    insert: Option<InsertSize>,
    effort: Effort,
}

#[derive(Debug)]
enum Way {
    OnCpu(PackedReads),
    OnGpu(Ticket),
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
    /// Of batches that are finished.
    spare: Vec<PackedReads>,
    rescue: rescue::Scratch,
    deeper: deeper::Scratch,
    split: split::Scratch,
    /// Times and counts of the batches since they were last taken.
    pub timings: Timings,
}

impl<'a> Aligner<'a> {
    /// An aligner for this reference; puts the index on the device.
    pub fn new(reference: &'a Reference, device: &Device) -> Aligner<'a> {
        let scoring = Scoring::default();
        Aligner {
            reference,
            ring: Ring::start(device, reference, scoring),
            shares: device.shares(),
            scoring,
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
    ///
    /// # Errors
    /// For a read that is too long.
    pub fn place(
        &self,
        batch: &ReadBatch,
        insert: Option<&InsertSize>,
        scratch: &mut Scratch,
    ) -> Result<Placements> {
        let begun = self.begin(batch, insert, Effort::Whole, scratch)?;
        Ok(self.finish(batch, begun, scratch))
    }

    /// Packs a batch, and sends it to a GPU if there is one, with `shares` only if it has room.
    ///
    /// # Errors
    /// For a read that is too long.
    pub fn begin(
        &self,
        batch: &ReadBatch,
        insert: Option<&InsertSize>,
        effort: Effort,
        scratch: &mut Scratch,
    ) -> Result<Begun> {
        let mut clock = Clock::start();
        let mut packed = scratch.spare.pop().unwrap_or_default();
        packed.fill(batch);
        clock.lap(&mut scratch.timings, Stage::Pack);
        if let Some(r) = packed.spans.iter().position(|s| s.len as usize > MAX_READ) {
            return Err(too_long(batch, r));
        }
        let window = PairWindow {
            paired: u32::from(batch.paired),
            longest: insert.map_or(LONGEST_UNKNOWN, |i| i.high),
        };
        let way = match &self.ring {
            Some(ring) if !(batch.is_empty() || self.shares && ring.is_full()) => {
                match ring.submit(packed, window) {
                    Ok(ticket) => Way::OnGpu(ticket),
                    Err(packed) => Way::OnCpu(packed),
                }
            }
            _ => Way::OnCpu(packed),
        };
        Ok(Begun {
            way,
            window,
            insert: insert.copied(),
            effort,
        })
    }

    /// Places the reads of a batch that was begun.
    pub fn finish(&self, batch: &ReadBatch, begun: Begun, scratch: &mut Scratch) -> Placements {
        let timings = &mut scratch.timings;
        let mut clock = Clock::start();
        let (packed, located) = match begun.way {
            Way::OnCpu(packed) => (packed, None),
            Way::OnGpu(ticket) => {
                let left = &mut timings.paths.left_to_cpu;
                ticket.wait(self.reference, &self.scoring, left)
            }
        };
        clock.lap(timings, Stage::WaitDevice);
        let located = located.unwrap_or_else(|| {
            let reads = Reads::of(&packed);
            locate::on_cpu(reads, self.reference, begun.window, &self.scoring, timings)
        });
        let insert = begun.insert.as_ref();
        let placed = self.place_located(batch, &packed, located, insert, begun.effort, scratch);
        scratch.spare.push(packed);
        placed
    }

    fn place_located(
        &self,
        batch: &ReadBatch,
        packed: &PackedReads,
        located: Located,
        insert: Option<&InsertSize>,
        effort: Effort,
        scratch: &mut Scratch,
    ) -> Placements {
        let timings = &mut scratch.timings;
        let mut clock = Clock::start();
        let Located {
            candidates: first,
            mut summaries,
            extended,
            ..
        } = located;
        let mut hits = Hits::new(batch.reads(), self.least);
        let context = (self.reference, packed, &self.scoring);
        hits.add(&first, &extended, context, false);
        count_paths(&first, &extended, &summaries, &mut timings.paths);
        clock.lap(timings, Stage::Pair);
        let insert = insert.filter(|_| batch.paired);
        if effort == Effort::Whole {
            let found = (&mut hits, &mut summaries[..]);
            self.look_further((batch, packed, &first), insert, found, scratch);
        }
        let timings = &mut scratch.timings;
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
        Placements { hits, templates }
    }

    /// What the first candidates leave to be found: mates beside their mates, better places of reads in
    /// doubt, clipped ends. Into the hits, and what is known of the seeds. It is little, of few reads,
    /// and each step needs what the one before found: the CPU lanes do it sooner than a GPU is asked.
    fn look_further(
        &self,
        (batch, packed, first): (&ReadBatch, &PackedReads, &[Candidate]),
        insert: Option<&InsertSize>,
        (hits, summaries): (&mut Hits, &mut [Summary]),
        scratch: &mut Scratch,
    ) {
        let Scratch {
            rescue,
            deeper,
            split,
            timings,
            ..
        } = scratch;
        let mut clock = Clock::start();
        let add = |jobs: &[Candidate], hits: &mut Hits, rescued| {
            if !jobs.is_empty() {
                let reads = Reads::of(packed);
                let extended = locate::extend_on_cpu(reads, self.reference, jobs, &self.scoring);
                let context = (self.reference, packed, &self.scoring);
                hits.add(jobs, &extended, context, rescued);
            }
        };
        if let Some(insert) = insert {
            let all = 0..batch.templates();
            let jobs = rescue::jobs(all, hits, packed, self.reference, insert, rescue);
            add(&jobs, hits, true);
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
        add(&jobs, hits, false);
        timings.paths.deeper_jobs += jobs.len() as u64;
        clock.lap(timings, Stage::Deeper);
        if let Some(insert) = insert {
            let again = jobs.chunk_by(|a, b| a.read / 2 == b.read / 2);
            let again = again.map(|jobs| jobs[0].read as usize / 2);
            let jobs = rescue::jobs(again, hits, packed, self.reference, insert, rescue);
            add(&jobs, hits, true);
            timings.paths.rescue_jobs += jobs.len() as u64;
            clock.lap(timings, Stage::Rescue);
        }
        timings.paths.ends_near += split::near(hits, packed, self.reference, &self.scoring, split);
        let tails = split::tails(hits, batch);
        timings.paths.ends_anywhere += tails.len() as u64;
        if !tails.is_empty() {
            let ends = Reads::of(&tails.packed);
            let (lists, list_ends) = locate::seeds_on_cpu(ends, self.reference);
            let jobs = tails.jobs(&lists, &list_ends, self.reference.seed_positions());
            add(&jobs, hits, false);
        }
        clock.lap(timings, Stage::Split);
    }

    /// Estimates the insert size from batches that start the input, and counts how mates lie to each other.
    pub fn estimate_insert(&self, batches: &[ReadBatch]) -> Result<(InsertSize, Orientations)> {
        let sampled: Vec<(Vec<u32>, Orientations)> = batches
            .par_iter()
            .map(|batch| {
                let mut scratch = Scratch::default();
                let begun = self.begin(batch, None, Effort::Sample, &mut scratch)?;
                let placed = self.finish(batch, begun, &mut scratch);
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

impl Begun {
    /// Could it be finished without waiting for a device?
    pub fn is_ready(&mut self) -> bool {
        match &mut self.way {
            Way::OnCpu(_) => true,
            Way::OnGpu(ticket) => ticket.is_ready(),
        }
    }
}

fn too_long(batch: &ReadBatch, r: usize) -> Error {
    let template = batch.template_of(r);
    let record = batch.first_template + template as u64 + 1;
    Error::input(
        "the reads",
        format!("record {}", thousands(record)),
        format!(
            "{} has {} bases, and at most {MAX_READ} are aligned",
            batch.name(template).escape_ascii(),
            batch.read_len(r)
        ),
        "theralign aligns short reads; use minimap2 for long ones.",
    )
}

/// How far to look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effort {
    /// Wherever something better may be.
    Whole,
    /// At the first candidates only: that is enough for the insert size.
    Sample,
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
