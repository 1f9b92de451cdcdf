//! Where do the reads of a batch lie? `seed`, `candidate` and `extend` one after another: on the CPU
//! lanes, or as one [`Program`] on a GPU, which a batch crosses without returning to the host.
//!
//! On a GPU results that vary in number stand one after another: their numbers are counted, scanned
//! to where they end, and written. Each kind has some room, for what reads have on average and more.
//! A template that goes beyond it is done on the CPU lanes, as is one whose loops the driver cut.

use super::candidate::{self, Candidate, PairWindow, Summary};
use super::extend::{self, BAND, Extended, Extension, MAX_READ, MAX_RUNS, Scoring};
use super::seed::{self, MAX_LISTS, Reads, Seed, Table};
use crate::Result;
use crate::batch::{PackedReads, ReadSpan};
use crate::device::buffer;
use crate::device::gpu::Gpu;
use crate::device::program::Use::{In, Out};
use crate::device::program::{Launch, Program, Room, Threads};
use crate::device::shader::{Shader, nothing};
use crate::genome::Reference;
use crate::timings::{Clock, Stage, Timings};
use bytemuck::{Pod, Zeroable};
use std::cell::RefCell;
use std::ops::Range;
use std::sync::Arc;

/// What is found of a batch's reads.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Located {
    /// Read by read; a GPU keeps them only if its options say so.
    pub seeds: Vec<Seed>,
    /// Where each read's seeds end.
    pub seed_ends: Vec<u32>,
    /// Read by read, best first.
    pub candidates: Vec<Candidate>,
    /// One per read.
    pub summaries: Vec<Summary>,
    /// One per candidate.
    pub extended: Extended,
}

thread_local! {
    /// Working memory of the kernels on a CPU thread, kept from batch to batch.
    static SCRATCH: RefCell<(seed::Scratch, candidate::Scratch, extend::Scratch)> = RefCell::default();
}

/// The CPU lanes, on the thread that calls.
pub fn on_cpu(
    reads: Reads,
    reference: &Reference,
    window: PairWindow,
    scoring: &Scoring,
    timings: &mut Timings,
) -> Located {
    let table = Table::of(reference);
    let (mut seeds, mut seed_ends) = (Vec::new(), Vec::with_capacity(reads.spans.len()));
    let mut found = candidate::Found::default();
    let mut extended = Extended::default();
    let mut clock = Clock::start();
    SCRATCH.with_borrow_mut(|(of_seed, of_candidate, of_extend)| {
        seed::on_cpu(reads, table, of_seed, &mut seeds, &mut seed_ends);
        clock.lap(timings, Stage::Seed);
        let lists = (&seeds[..], &seed_ends[..]);
        candidate::on_cpu(
            reads,
            lists,
            table.positions,
            window,
            of_candidate,
            &mut found,
        );
        clock.lap(timings, Stage::Candidate);
        let (genome, jobs) = (reference.packed(), &found.candidates);
        extend::on_cpu(genome, reads, jobs, scoring, of_extend, &mut extended);
        clock.lap(timings, Stage::Extend);
    });
    Located {
        seeds,
        seed_ends,
        candidates: found.candidates,
        summaries: found.summaries,
        extended,
    }
}

/// The seeds alone, on the CPU lanes.
pub fn seeds_on_cpu(reads: Reads, reference: &Reference) -> (Vec<Seed>, Vec<u32>) {
    let (mut seeds, mut ends) = (Vec::new(), Vec::with_capacity(reads.spans.len()));
    SCRATCH.with_borrow_mut(|scratch| {
        seed::on_cpu(
            reads,
            Table::of(reference),
            &mut scratch.0,
            &mut seeds,
            &mut ends,
        );
    });
    (seeds, ends)
}

/// Alignments alone, on the CPU lanes.
pub fn extend_on_cpu(
    reads: Reads,
    reference: &Reference,
    jobs: &[Candidate],
    scoring: &Scoring,
) -> Extended {
    let mut extended = Extended::default();
    SCRATCH.with_borrow_mut(|scratch| {
        extend::on_cpu(
            reference.packed(),
            reads,
            jobs,
            scoring,
            &mut scratch.2,
            &mut extended,
        );
    });
    extended
}

/// A program's counts of threads.
pub(super) const PER_READ: Threads<'_> = Threads::Given(0);
pub(super) const PER_TEMPLATE: Threads<'_> = Threads::Given(1);
const PER_CHUNK: Threads<'_> = Threads::Given(2);
const ONCE: Threads<'_> = Threads::Given(3);

/// Ranks of what kernels tell of others' threads.
pub(super) const OF_HEAVY: usize = 0;
pub(super) const OF_REST: usize = 1;
pub(super) const OF_CANDIDATES: usize = 2;
pub(super) const OF_NARROW: usize = 3;
pub(super) const OF_WIDE: usize = 4;
const TOLD: usize = 5;

/// What the kernels are told of a batch; its twin is in `batch.wgsl`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Pod, Zeroable)]
#[repr(C)]
pub struct Batch {
    /// In this batch.
    pub reads: u32,
    /// 2 if reads 2t and 2t + 1 are mates, else 1.
    pub mates: u32,
    /// Most bases that a pair spans.
    pub longest: u32,
    /// Places that there is room for.
    pub hits: u32,
    /// Candidates that there is room for.
    pub candidates: u32,
    /// Jobs that there is room to align with gaps.
    pub gapped: u32,
    /// Bases of the longest read.
    pub rows: u32,
    /// A pair's window is within two stretches of `1 << stretch` diagonals.
    pub stretch: u32,
}

/// What is known of a read's seeds on a GPU; its twin is in `batch.wgsl`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Pod, Zeroable)]
#[repr(C)]
pub struct Look {
    /// Lists of places, or [`BEYOND`].
    pub lists: u32,
    /// In the lower half the lists left out, in the upper one the longest that is looked at.
    pub limits: u32,
}

/// In place of a number of lists: the read is left to the CPU.
const BEYOND: u32 = u32::MAX;
/// In place of the rank of a read.
const NONE: u32 = u32::MAX;

/// An index on a GPU.
#[derive(Debug)]
pub(super) struct Tables {
    pub genome: buffer::Table,
    pub blocks: buffer::Table,
    pub positions: buffer::Table,
    pub hash_bits: u32,
}

/// The memory that the kernels of one batch share.
#[derive(Debug)]
pub(super) struct Rooms {
    pub batch: Room,
    /// Codes and mask of 16 bases, side by side.
    pub bases: Room,
    pub spans: Room,
    /// See [`list_at`].
    pub seeds: Room,
    pub looks: Room,
    /// Of each read, of what is being counted.
    pub counts: Room,
    sums: Room,
    /// Workgroups of kernels whose work is found on the way.
    pub told: Room,
    pub hit_ends: Room,
    pub hits: Room,
    pub clusters: Room,
    pub cluster_counts: Room,
    /// Candidates of each read.
    pub kept: Room,
    pub candidate_ends: Room,
    pub candidates: Room,
    pub extensions: Room,
    pub gapped_ends: Room,
    /// Of the jobs to be aligned with gaps, those in wide bands.
    pub wide_counts: Room,
    pub wide_ends: Room,
    /// Jobs to be aligned with gaps.
    pub chosen: Room,
    pub runs: Room,
    pub trace: Room,
}

/// Words of bases a read, on average; of codes and of mask.
const WORDS: usize = 12;
/// Places of seeds a read, on average.
const HITS: usize = 96;
/// Candidates a read, on average.
const CANDIDATES: usize = 3;
/// Jobs that are aligned with gaps, one for so many reads.
const READS_PER_GAPPED: usize = 2;
/// Words of traceback a read, on average: a third of what a wide band of 150 bases takes. Before it is
/// needed, places are counted there by diagonal, in four words each.
const TRACE: usize = 4 * HITS;
/// Counts that one thread of a scan takes.
const CHUNK: usize = 32;
/// Reads or jobs whose lists or tracebacks stand interleaved.
pub(super) const BLOCK: usize = 8;
/// What shaders know of lists.
pub(super) const LISTS: [(&str, u32); 2] =
    [("MAX_LISTS", MAX_LISTS as u32), ("BLOCK", BLOCK as u32)];

/// Where list `k` of a read stands.
fn list_at(read: usize, k: usize) -> usize {
    (read / BLOCK * MAX_LISTS + k) * BLOCK + read % BLOCK
}

/// Words behind the last read, which kernels may look at.
const PADDING: usize = 4;
/// No batch on a device is larger: two numbers of reads are counted in one word.
pub const MOST_READS: usize = 65_528;
/// No batch on a device is smaller, but for lack of reads.
pub const FEWEST_READS: usize = 64;

/// How much there is room for, in elements.
#[derive(Clone, Copy, Debug)]
struct Sizes {
    reads: usize,
    words: usize,
    hits: usize,
    candidates: usize,
    gapped: usize,
    trace: usize,
}

impl Sizes {
    /// For so many reads, or for as many as bindings of `max_binding` bytes allow.
    fn of(reads: usize, max_binding: u64, scarce: usize) -> Sizes {
        let a_read = (HITS * 16).max(TRACE * 4).max(MAX_LISTS * 12) as u64;
        let reads = reads.min((max_binding / a_read) as usize).max(FEWEST_READS);
        let reads = reads.min(MOST_READS) / BLOCK * BLOCK;
        let longest = MAX_READ.div_ceil(16) * FEWEST_READS;
        Sizes {
            reads,
            words: (reads * WORDS).max(longest) + PADDING,
            hits: reads * HITS / scarce,
            candidates: reads * CANDIDATES / scarce,
            gapped: (reads / READS_PER_GAPPED / scarce).max(1),
            // At least a block of the longest reads.
            trace: (reads * TRACE).max(MAX_READ * BAND / 8 * BLOCK),
        }
    }

    /// Bytes on the device, about.
    fn bytes(&self) -> u64 {
        let (up, down) = self.staged();
        let per_read = MAX_LISTS * size_of::<Seed>() + 11 * 4;
        up + down + (self.reads * per_read + self.hits * 24 + self.trace * 4) as u64
    }

    /// Bytes of a batch's input at most, and of its results.
    fn staged(&self) -> (u64, u64) {
        let up = size_of::<Batch>() + 8 * (self.words + self.reads) + 64;
        let down = size_of::<Look>() * self.reads
            + 2 * size_of::<Candidate>() * self.candidates
            + 4 * MAX_RUNS * self.gapped
            + 8 * self.reads; // ends of parts
        (up as u64, down as u64)
    }
}

/// Of batches that are to have so many reads: how many they can have where a binding has so many bytes, and the
/// bytes that one takes on the device, about.
pub fn room_for(reads: usize, max_binding: u64) -> (usize, u64) {
    let sizes = Sizes::of(reads, max_binding, 1);
    (sizes.reads, sizes.bytes())
}

/// The scan of counts to ends, and the list of those that count; see `scan.wgsl`.
pub static SCAN: [Shader; 4] = [
    scan("scan_sum"),
    scan("scan_top"),
    scan("scan_ends"),
    scan("scan_list"),
];

const fn scan(name: &'static str) -> Shader {
    Shader {
        name,
        source: concat!(
            include_str!("../../shaders/common.wgsl"),
            include_str!("../../shaders/batch.wgsl"),
            include_str!("../../shaders/scan.wgsl"),
        ),
        tables: &[],
        lengths: &[],
        generated: nothing,
    }
}

/// Has a program turn each read's count into where its results end, and tell a kernel of the total.
pub(super) fn add_scan(
    program: &mut Program,
    gpu: &Gpu,
    rooms: &Rooms,
    (counts, ends): (&Room, &Room),
    told: Option<usize>,
) {
    scan_to(program, gpu, rooms, (counts, ends), told, false);
}

fn scan_to(
    program: &mut Program,
    gpu: &Gpu,
    rooms: &Rooms,
    (counts, ends): (&Room, &Room),
    told: Option<usize>,
    is_list: bool,
) {
    let constants = [
        ("CHUNK", CHUNK as i64),
        ("TOLD", told.map_or(i64::from(NONE), |t| t as i64)),
        ("IS_LIST", i64::from(is_list)),
        ("MAX_GROUPS", gpu.max_groups()),
    ];
    let (batch, counts, sums) = (In(&rooms.batch), In(counts), Out(&rooms.sums));
    let args = [batch, counts, sums];
    program.step(gpu, &SCAN[0], &constants, &[], &args, PER_CHUNK);
    program.step(gpu, &SCAN[1], &constants, &[], &args, ONCE);
    let args = [batch, counts, In(&rooms.sums), Out(ends), Out(&rooms.told)];
    program.step(gpu, &SCAN[2], &constants, &[], &args, PER_CHUNK);
}

/// Has a program list the reads that count as some or as many, and tell a kernel how many these are; `ends`
/// is for its working.
pub(super) fn add_list(
    program: &mut Program,
    gpu: &Gpu,
    rooms: &Rooms,
    (ends, list): (&Room, &Room),
    told: usize,
) {
    scan_to(program, gpu, rooms, (&rooms.counts, ends), Some(told), true);
    let constants = [
        ("CHUNK", CHUNK as i64),
        ("TOLD", told as i64),
        ("IS_LIST", 1),
        ("MAX_GROUPS", gpu.max_groups()),
    ];
    let args = [In(&rooms.batch), In(&rooms.counts), In(ends), Out(list)];
    program.step(gpu, &SCAN[3], &constants, &[], &args, PER_READ);
}

/// Reads of a batch that go to a device together with others; whole templates.
#[derive(Clone, Debug)]
pub struct Part<'a> {
    /// The batch.
    pub packed: &'a PackedReads,
    /// Which of its reads.
    pub reads: Range<usize>,
}

/// A GPU with an index on it, ready to locate reads.
#[derive(Debug)]
pub struct Locator {
    gpu: Arc<Gpu>,
    tables: Tables,
    scoring: Scoring,
}

/// What one batch at a time passes through on a GPU.
#[derive(Debug)]
pub struct Slot {
    sizes: Sizes,
    rooms: Rooms,
    program: Program,
    bases: Vec<[u32; 2]>,
    spans: Vec<ReadSpan>,
    batch: Batch,
    launch: Option<Launch>,
    /// Where each part of the batch under way ends, in reads.
    ends: Vec<usize>,
}

impl Locator {
    /// Puts an index on a GPU.
    pub fn new(gpu: Arc<Gpu>, reference: &Reference, scoring: Scoring) -> Locator {
        let tables = Tables {
            genome: gpu.table(reference.packed()),
            blocks: gpu.table(reference.seed_blocks()),
            positions: gpu.table(reference.seed_positions()),
            hash_bits: reference.parameters().hash_bits,
        };
        Locator {
            gpu,
            tables,
            scoring,
        }
    }

    /// The GPU.
    pub fn gpu(&self) -> &Gpu {
        &self.gpu
    }

    /// Makes room for batches of `reads` reads, or of as many as bindings allow, and the program over it.
    pub fn slot(&self, reads: usize) -> Slot {
        let gpu = &*self.gpu;
        let options = gpu.options();
        let sizes = Sizes::of(
            reads,
            gpu.max_binding(),
            options.scarce.unwrap_or(1) as usize,
        );
        let (up, mut down) = sizes.staged();
        if options.keep_seeds {
            down += (12 * MAX_LISTS * sizes.reads) as u64;
        }
        let mut program = Program::new(gpu, up, down);
        let mut room = |elements: usize, bytes: usize| program.room(gpu, (elements * bytes) as u64);
        let rooms = Rooms {
            bases: room(sizes.words, 8),
            spans: room(sizes.reads, size_of::<ReadSpan>()),
            seeds: room(sizes.reads * MAX_LISTS, size_of::<Seed>()),
            looks: room(sizes.reads, size_of::<Look>()),
            counts: room(sizes.reads, 4),
            sums: room(sizes.reads.div_ceil(CHUNK), 4),
            hit_ends: room(sizes.reads, 4),
            hits: room(sizes.hits, 8),
            clusters: room(sizes.hits, 16),
            cluster_counts: room(sizes.reads, 4),
            kept: room(sizes.reads, 4),
            candidate_ends: room(sizes.reads, 4),
            candidates: room(sizes.candidates, size_of::<Candidate>()),
            extensions: room(sizes.candidates, size_of::<Extension>()),
            gapped_ends: room(sizes.reads, 4),
            wide_counts: room(sizes.reads, 4),
            wide_ends: room(sizes.reads, 4),
            chosen: room(sizes.gapped, 8),
            runs: room(sizes.gapped, 4 * MAX_RUNS),
            trace: room(sizes.trace, 4),
            told: program.told(gpu, 12 * TOLD as u64),
            batch: program.uniform(gpu, size_of::<Batch>() as u64),
        };
        seed::add_to(&mut program, gpu, &self.tables, &rooms);
        candidate::add_to(&mut program, gpu, &self.tables, &rooms);
        extend::add_to(&mut program, gpu, &self.tables, &self.scoring, &rooms);
        if options.times {
            program.keep_times(gpu);
        }
        Slot {
            sizes,
            rooms,
            program,
            bases: Vec::with_capacity(sizes.words),
            spans: Vec::with_capacity(sizes.reads),
            batch: Batch::zeroed(),
            launch: None,
            ends: Vec::new(),
        }
    }

    /// Sends parts of batches, all of whose reads are in pairs or none, to the device.
    pub fn start(&self, slot: &mut Slot, parts: &[Part<'_>], window: PairWindow) {
        slot.load(parts, window);
        let (rooms, n) = (&slot.rooms, u64::from(slot.batch.reads));
        let mut outputs = vec![(&rooms.looks, 0, n * size_of::<Look>() as u64)];
        for &end in &slot.ends {
            for ends in [&rooms.candidate_ends, &rooms.gapped_ends] {
                outputs.push((ends, (end as u64 - 1) * 4, 4));
            }
        }
        let (jobs, gapped) = (
            u64::from(slot.batch.candidates),
            u64::from(slot.batch.gapped),
        );
        let a_job = size_of::<Candidate>() as u64;
        outputs.push((&rooms.candidates, 0, jobs * a_job));
        outputs.push((&rooms.extensions, 0, jobs * a_job));
        outputs.push((&rooms.runs, 0, gapped * 4 * MAX_RUNS as u64));
        if self.gpu.options().keep_seeds {
            outputs.push((&rooms.seeds, 0, (12 * MAX_LISTS * slot.sizes.reads) as u64));
        }
        let inputs = [
            (&rooms.batch, bytemuck::bytes_of(&slot.batch)),
            (&rooms.bases, bytemuck::cast_slice(&slot.bases)),
            (&rooms.spans, bytemuck::cast_slice(&slot.spans)),
        ];
        let counts = [
            n,
            n / u64::from(slot.batch.mates),
            n.div_ceil(CHUNK as u64),
            1,
        ];
        slot.launch = slot.program.launch(&self.gpu, &inputs, &counts, &outputs);
    }

    /// Waits for what was started, and gives what the device found of each part's reads.
    ///
    /// # Errors
    /// [`Error::Device`](crate::Error::Device) for the first thing that went wrong on the device.
    pub fn finish(&self, slot: &mut Slot) -> Result<Vec<Taken>> {
        let launch = slot.launch.take();
        let keep_seeds = self.gpu.options().keep_seeds;
        let take = |bytes: &[u8]| slot.take(bytes, keep_seeds);
        let mut taken = slot.program.wait(&self.gpu, launch, take)?;
        if self.gpu.is_wrong() {
            for c in taken.iter_mut().flat_map(|t| &mut t.0.candidates) {
                c.diagonal ^= 1;
            }
        }
        Ok(taken)
    }

    /// The whole of a batch, a slot's worth at a time.
    ///
    /// # Errors
    /// As [`finish`](Locator::finish).
    pub fn locate(
        &self,
        slot: &mut Slot,
        packed: &PackedReads,
        window: PairWindow,
        reference: &Reference,
    ) -> Result<Located> {
        let mut all = Located::default();
        let mut from = 0;
        while from < packed.spans.len() {
            let reads = from..slot.reach(packed, from, window, (0, 0));
            if reads.is_empty() {
                return Err(self.gpu.error("has no room for a read"));
            }
            from = reads.end;
            let parts = [Part { packed, reads }];
            self.start(slot, &parts, window);
            for (part, taken) in parts.iter().zip(self.finish(slot)?) {
                all.append(taken.complete(part, window, &self.scoring, reference, &mut 0));
            }
        }
        Ok(all)
    }
}

impl Slot {
    /// Reads that there is room for.
    pub fn reads(&self) -> usize {
        self.sizes.reads
    }

    /// The end of the templates of a batch, from read `from` on, that there is room for beside so many
    /// reads and words.
    pub fn reach(
        &self,
        packed: &PackedReads,
        from: usize,
        window: PairWindow,
        (reads, words): (usize, usize),
    ) -> usize {
        let mates = 1 + window.paired as usize;
        let reads = self.sizes.reads - reads.min(self.sizes.reads);
        let mut end = packed.spans.len().min(from + reads / mates * mates);
        let left = self.sizes.words - PADDING - words.min(self.sizes.words - PADDING);
        if words_of(packed, &(from..end)) > left {
            // Few batches are of so long reads.
            let templates = (from..end).step_by(mates);
            let fits =
                |&from_template: &usize| words_of(packed, &(from..from_template + mates)) <= left;
            end = templates
                .take_while(fits)
                .last()
                .map_or(from, |t| t + mates);
        }
        end
    }

    fn load(&mut self, parts: &[Part<'_>], window: PairWindow) {
        self.bases.clear();
        self.spans.clear();
        self.ends.clear();
        for part in parts {
            let Some(first) = part.packed.spans.get(part.reads.start) else {
                continue;
            };
            let base = self.bases.len() as u32;
            let from = first.word;
            self.spans.extend(
                part.packed.spans[part.reads.clone()]
                    .iter()
                    .map(|s| ReadSpan {
                        word: s.word - from + base,
                        len: s.len,
                    }),
            );
            let words = from as usize..from as usize + words_of(part.packed, &part.reads);
            let pairs = part.packed.words[words.clone()]
                .iter()
                .zip(&part.packed.masks[words]);
            self.bases.extend(pairs.map(|(&w, &m)| [w, m]));
            self.ends.push(self.spans.len());
        }
        self.bases.resize(self.bases.len() + PADDING, [0; 2]);
        let reads = self.spans.len();
        let rows = self.spans.iter().map(|s| s.len).max().unwrap_or(0);
        let blocks = self.sizes.trace / (rows.max(1) as usize * BAND / 8 * BLOCK);
        // What comes back is in proportion to the reads.
        let part = |all: usize| (all * reads).div_ceil(self.sizes.reads).min(all) as u32;
        self.batch = Batch {
            reads: reads as u32,
            mates: 1 + window.paired,
            longest: window.longest,
            hits: self.sizes.hits as u32,
            candidates: part(self.sizes.candidates),
            gapped: part(self.sizes.gapped).min((blocks * BLOCK) as u32),
            rows,
            stretch: window.longest.max(1).next_power_of_two().ilog2().max(10),
        };
    }

    /// Takes the results of each part.
    fn take(&self, bytes: &[u8], keep_seeds: bool) -> Vec<Taken> {
        let mut rest = bytes;
        let (n, jobs) = (self.batch.reads as usize, self.batch.candidates as usize);
        let looks: Vec<Look> = take_from(&mut rest, n);
        let ends: Vec<[u32; 2]> = take_from(&mut rest, self.ends.len());
        let candidates: Vec<Candidate> = take_from(&mut rest, jobs);
        let extensions: Vec<Extension> = take_from(&mut rest, jobs);
        let runs: Vec<u32> = take_from(&mut rest, self.batch.gapped as usize * MAX_RUNS);
        let seeds: Vec<Seed> = if keep_seeds {
            take_from(&mut rest, MAX_LISTS * self.sizes.reads)
        } else {
            Vec::new()
        };
        let mut before = (0, [0; 2]);
        let mut taken = Vec::with_capacity(self.ends.len());
        for (&end, &[last_job, last_slot]) in self.ends.iter().zip(&ends) {
            let (first, [first_job, first_slot]) = before;
            let last_job = last_job.min(self.batch.candidates);
            let last_slot = last_slot.min(self.batch.gapped);
            let range = first_job as usize..last_job as usize;
            let slots = first_slot as usize * MAX_RUNS..last_slot as usize * MAX_RUNS;
            let rebased = |c: &Candidate| Candidate {
                read: if c.read == NONE {
                    NONE
                } else {
                    c.read - first as u32
                },
                ..*c
            };
            // A job without gaps has slot 0.
            let renumbered = |e: &Extension| Extension {
                slot: e.slot.saturating_sub(first_slot),
                ..*e
            };
            let mut located = Located {
                candidates: candidates[range.clone()].iter().map(rebased).collect(),
                summaries: looks[first..end]
                    .iter()
                    .map(|look| Summary {
                        lists: look.lists,
                        skipped: look.limits & 0xffff,
                    })
                    .collect(),
                extended: Extended {
                    extensions: extensions[range].iter().map(renumbered).collect(),
                    runs: runs[slots].to_vec(),
                },
                ..Located::default()
            };
            if keep_seeds {
                for (r, look) in (first..end).zip(&looks[first..end]) {
                    let lists = if look.lists == BEYOND {
                        0
                    } else {
                        look.lists as usize
                    };
                    let list = |k: usize| seeds[list_at(r, k)];
                    located.seeds.extend((0..lists).map(list));
                    located.seed_ends.push(located.seeds.len() as u32);
                }
            }
            taken.push(Taken(located));
            before = (end, [last_job, last_slot]);
        }
        taken
    }
}

/// Words of some reads of a batch.
pub(crate) fn words_of(packed: &PackedReads, reads: &Range<usize>) -> usize {
    let word = |r: usize| {
        packed
            .spans
            .get(r)
            .map_or(packed.words.len(), |s| s.word as usize)
    };
    word(reads.end) - word(reads.start)
}

fn take_from<T: Pod>(bytes: &mut &[u8], n: usize) -> Vec<T> {
    let (now, rest) = bytes.split_at(n * size_of::<T>());
    *bytes = rest;
    bytemuck::pod_collect_to_vec(now)
}

/// A part's results as the device gave them, its reads counted from its first: those of some
/// templates may be missing.
#[derive(Debug)]
pub struct Taken(Located);

impl Taken {
    /// Does the missing templates on the CPU lanes, on the thread that calls, and counts them.
    pub fn complete(
        self,
        part: &Part<'_>,
        window: PairWindow,
        scoring: &Scoring,
        reference: &Reference,
        left: &mut u64,
    ) -> Located {
        let Taken(mut located) = self;
        let mates = 1 + window.paired as usize;
        let is_missing: Vec<bool> = located
            .summaries
            .chunks(mates)
            .map(|of_template| of_template.iter().any(|s| s.lists == BEYOND))
            .collect();
        let templates = is_missing.iter().filter(|&&m| m).count();
        if templates == 0 {
            return located;
        }
        *left += templates as u64;
        let missing: Vec<usize> = (0..part.reads.len())
            .filter(|r| is_missing[r / mates])
            .collect();
        let spans: Vec<ReadSpan> = missing
            .iter()
            .map(|r| part.packed.spans[part.reads.start + r])
            .collect();
        let reads = Reads {
            words: &part.packed.words,
            masks: &part.packed.masks,
            spans: &spans,
        };
        let done = on_cpu(reads, reference, window, scoring, &mut Timings::default());
        for (&r, &s) in missing.iter().zip(&done.summaries) {
            located.summaries[r] = s;
        }
        located.replace_seeds(&missing, &done);
        let behind = (located.extended.runs.len() / MAX_RUNS) as u32;
        let of_device = located.candidates.iter().zip(&located.extended.extensions);
        let mut all: Vec<(Candidate, Extension)> = of_device
            .filter(|(c, _)| c.read != NONE && !is_missing[c.read as usize / mates])
            .map(|(&c, &e)| (c, e))
            .chain(
                done.candidates
                    .iter()
                    .zip(&done.extended.extensions)
                    .map(|(&c, &e)| {
                        let read = missing[c.read as usize] as u32;
                        let slot = if e.runs > 0 { e.slot + behind } else { 0 };
                        (Candidate { read, ..c }, Extension { slot, ..e })
                    }),
            )
            .collect();
        all.sort_by_key(|(c, _)| c.read); // stable: those of a read stay in order
        (located.candidates, located.extended.extensions) = all.into_iter().unzip();
        located.extended.runs.extend(&done.extended.runs);
        located
    }
}

impl Located {
    /// Do two devices agree on what they found, seeds aside? Where runs stand may differ.
    pub fn agrees(&self, other: &Located) -> bool {
        let (mine, theirs) = (&self.extended, &other.extended);
        let pairs = || mine.extensions.iter().zip(&theirs.extensions);
        self.candidates == other.candidates
            && self.summaries == other.summaries
            && mine.extensions.len() == theirs.extensions.len()
            && pairs().all(|(a, b)| Extension { slot: 0, ..*a } == Extension { slot: 0, ..*b })
            && pairs().all(|(a, b)| mine.runs_of(a) == theirs.runs_of(b))
    }

    /// The seeds of read `r`, if any are kept.
    pub fn seeds_of(&self, r: usize) -> &[Seed] {
        let Some(&end) = self.seed_ends.get(r) else {
            return &[];
        };
        let start = if r == 0 { 0 } else { self.seed_ends[r - 1] };
        &self.seeds[start as usize..end as usize]
    }

    /// Puts other seeds in place of those of some reads, if any are kept.
    fn replace_seeds(&mut self, reads: &[usize], by: &Located) {
        let (mut seeds, mut ends) = (Vec::new(), Vec::new());
        for r in 0..self.seed_ends.len() {
            seeds.extend(match reads.binary_search(&r) {
                Ok(other) => by.seeds_of(other),
                Err(_) => self.seeds_of(r),
            });
            ends.push(seeds.len() as u32);
        }
        (self.seeds, self.seed_ends) = (seeds, ends);
    }

    /// Adds what is found of the reads behind.
    pub fn append(&mut self, other: Located) {
        if self.summaries.is_empty() {
            *self = other;
            return;
        }
        let reads = self.summaries.len() as u32;
        let seeds = self.seeds.len() as u32;
        let slots = (self.extended.runs.len() / MAX_RUNS) as u32;
        self.seeds.extend(other.seeds);
        self.seed_ends
            .extend(other.seed_ends.iter().map(|e| e + seeds));
        self.candidates
            .extend(other.candidates.iter().map(|c| Candidate {
                read: c.read + reads,
                ..*c
            }));
        self.summaries.extend(other.summaries);
        let of_runs = |e: &Extension| Extension {
            slot: if e.runs > 0 { e.slot + slots } else { 0 },
            ..*e
        };
        let extensions = other.extended.extensions.iter().map(of_runs);
        self.extended.extensions.extend(extensions);
        self.extended.runs.extend(other.extended.runs);
    }
}
