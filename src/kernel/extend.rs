//! `extend`: aligns each read at each of its candidates.
//!
//! Jobs are [`Candidate`]s, those of a read next to each other. Three steps:
//!
//! 1. `verify`: the best stretch of the main diagonal, without gaps. It *suffices* when it is the
//!    whole read, and no gap could score more. Two gaps cost at least what three mismatches between
//!    seeds of the same diagonal do, one gap more than one mismatch at an end. With more mismatches it
//!    suffices too if no seed lies on another diagonal near, and at neither end of the read a gap
//!    pays: its last [`TAIL`] bases are compared with the genome at each shift that the band has.
//! 2. `select`: where it does not suffice, and the candidate could still matter (its ungapped score
//!    is within [`Scoring::reach`] of the read's best, or its seeds lie on several diagonals and it has
//!    half of the read's best votes),
//! 3. `align`: banded local alignment with affine gaps and a bonus for reaching either end of the
//!    read, with traceback.
//!
//! Scores are bwa's: match 1, mismatch 4, gap 6 + 1 a base, 5 for not clipping; a base of the read
//! that is no ACGT costs 1 wherever it stands.

use super::candidate::Candidate;
use super::locate::{BLOCK, OF_CANDIDATES, OF_NARROW, OF_WIDE, PER_READ, Rooms, Tables, add_scan};
use super::seed::{REVERSE, Reads};
use crate::device::gpu::Gpu;
use crate::device::lanes::prefetch;
use crate::device::program::Use::{In, Out};
use crate::device::program::{Program, Threads};
use crate::device::shader::{Shader, nothing};
use crate::domain::bases::{get_code, reverse_complement_packed, window};
use crate::lanes;
use bytemuck::{Pod, Zeroable};

/// Diagonals in the band of a candidate whose seeds lie on several.
pub const BAND: usize = 64;
/// Diagonals in the band of one whose seeds lie on one.
const NARROW: usize = 32;
/// Most runs of an alignment's CIGAR; a longer one is no alignment.
pub const MAX_RUNS: usize = 24;
/// Longest read that is aligned.
pub const MAX_READ: usize = 1000;
/// Less than any score: what cannot be reached.
const NEVER: i16 = -16384;
/// Longest gap that is looked for at the end of a read: as far as a narrow band reaches, nearly.
const MAX_GAP: i32 = NARROW as i32 / 2 - 4;
/// How far the band's middle may leave the main diagonal, so that the diagonal stays well inside.
const MAX_SHIFT: i32 = BAND as i32 / 2 - 4;

/// Bases at either end of a read that are looked at for a gap that pays.
const TAIL: usize = 16;
/// Reads shorter than this are too short for that.
const LEAST_TAILED: u32 = 2 * TAIL as u32;

/// What alignments are scored with. All costs are given as positive numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Pod, Zeroable)]
#[repr(C)]
pub struct Scoring {
    /// Two equal bases.
    pub matched: i32,
    /// Two different bases.
    pub mismatch: i32,
    /// A base of the read that is no ACGT.
    pub unknown: i32,
    /// First base of a gap (opening included).
    pub gap_first: i32,
    /// Each further base.
    pub gap_next: i32,
    /// Reaching an end of the read, each.
    pub end_bonus: i32,
    /// A candidate whose ungapped score is further than this below the read's best is not aligned.
    pub reach: i32,
}

impl Default for Scoring {
    fn default() -> Scoring {
        Scoring {
            matched: 1,
            mismatch: 4,
            unknown: 1,
            gap_first: 7,
            gap_next: 1,
            end_bonus: 5,
            reach: 40,
        }
    }
}

/// An alignment of a read at a candidate.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Pod, Zeroable)]
#[repr(C)]
pub struct Extension {
    /// With end bonuses; 0 or less: none.
    pub score: i32,
    /// Packed-genome position of the first aligned base.
    pub start: u32,
    /// Aligned bases of the read as aligned: first, and end in the upper half.
    pub span: u32,
    /// Number of runs in its slot; 0 for one run of `M`.
    pub runs: u32,
    /// If it has runs, its rank among the jobs that were aligned with gaps: they begin at
    /// `slot * MAX_RUNS`. Else 0.
    pub slot: u32,
}

impl Extension {
    /// First aligned base of the read as aligned.
    pub fn read_start(self) -> u32 {
        self.span & 0xffff
    }

    /// End of the aligned bases of the read as aligned.
    pub fn read_end(self) -> u32 {
        self.span >> 16
    }
}

/// What the kernel makes of a batch's jobs.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Extended {
    /// One per job.
    pub extensions: Vec<Extension>,
    /// Slots of [`MAX_RUNS`] words; those behind a slot's runs are 0.
    pub runs: Vec<u32>,
}

impl Extended {
    /// The runs of an extension that has any.
    pub fn runs_of(&self, e: &Extension) -> &[u32] {
        &self.runs[e.slot as usize * MAX_RUNS..][..e.runs as usize]
    }
}

/// Runs as the kernel writes them: length in the upper 28 bits, BAM's code in the lower 4.
pub const RUN_MATCH: u32 = 0;
/// In the read only.
pub const RUN_INSERTION: u32 = 1;
/// In the reference only.
pub const RUN_DELETION: u32 = 2;

/// Codes of a read as aligned at a job: 0–3, or 4 where it is no ACGT.
pub(crate) fn aligned_codes(reads: Reads, job: &Candidate, out: &mut Vec<u8>) {
    let r = job.read as usize;
    let (codes, mask) = (reads.codes(r), reads.mask(r));
    let code = |i: usize| {
        if get_code(mask, i) != 0 {
            4
        } else {
            get_code(codes, i)
        }
    };
    out.clear();
    let length = reads.spans[r].len as usize;
    if job.is_reverse() {
        out.extend(
            (0..length)
                .rev()
                .map(|i| if code(i) == 4 { 4 } else { 3 - code(i) }),
        );
    } else {
        out.extend((0..length).map(code));
    }
}

/// Step 1's running state: the best stretch so far and the one under way, over the mismatches.
struct Stretch {
    best: (i32, u32, u32),
    score: i32,
    start: u32,
    last: u32,
    /// Mismatches before the seeds, between, behind.
    counts: [u32; 3],
}

impl Stretch {
    fn new(s: &Scoring) -> Stretch {
        Stretch {
            best: (0, 0, 0),
            score: s.end_bonus,
            start: 0,
            last: 0,
            counts: [0; 3],
        }
    }

    /// A mismatch (or unknown base) at `at`.
    fn mismatch(&mut self, at: u32, unknown: bool, seeded: (u32, u32), s: &Scoring) {
        self.score += (at - self.last) as i32 * s.matched;
        if self.score > self.best.0 {
            self.best = (self.score, self.start, at);
        }
        self.score -= if unknown { s.unknown } else { s.mismatch };
        if self.score <= 0 {
            self.score = 0;
            self.start = at + 1;
        }
        self.last = at + 1;
        if !unknown {
            self.counts[usize::from(at >= seeded.0) + usize::from(at >= seeded.1)] += 1;
        }
    }

    /// The verdict: the best stretch, and whether it suffices. `gap_pays`: at one of the read's ends.
    fn finish(
        mut self,
        length: u32,
        job: &Candidate,
        s: &Scoring,
        gap_pays: impl FnOnce() -> bool,
    ) -> ((i32, u32, u32), bool) {
        self.score += (length - self.last) as i32 * s.matched + s.end_bonus;
        if length > 0 && self.start < length && self.score >= self.best.0 {
            self.best = (self.score, self.start, length);
        }
        let [before, between, behind] = self.counts;
        let whole = self.best.1 == 0 && self.best.2 == length;
        let few = before <= 1 && between <= 3 && behind <= 1;
        let alone = || job.spread == 0 && length >= LEAST_TAILED && !gap_pays();
        (self.best, whole && (few || alone()))
    }
}

/// Does the tail of a read fit better behind a gap? `main` and `shifted` have the bit pattern 01 for
/// each mismatch on the main diagonal and on another, the outermost base lowest. The tail may end at
/// the first mismatch of the other diagonal, or with one mismatch at the second. `inserted` bases of the
/// read go into the gap, which costs `cost`.
fn pays(main: u32, shifted: u32, inserted: u32, cost: i32, s: &Scoring) -> bool {
    let each = s.matched + s.mismatch;
    let on_main = |run: u32| {
        let bases = (run + inserted).min(TAIL as u32);
        let tail = if bases == TAIL as u32 {
            main
        } else {
            main & ((1 << (2 * bases)) - 1)
        };
        tail.count_ones() as i32
    };
    let without_first = shifted & shifted.wrapping_sub(1);
    let (first, second) = (
        shifted.trailing_zeros() / 2,
        without_first.trailing_zeros() / 2,
    );
    each * on_main(first) > cost || each * (on_main(second) - 1) > cost
}

/// The gaps that the tail at the front or the back of a read may lie behind: shift of the tail's diagonal,
/// bases of the read that the gap takes, cost.
fn gaps(front: bool, s: &Scoring) -> impl Iterator<Item = (i32, u32, i32)> {
    (1..=MAX_GAP).flat_map(move |gap| {
        let cost = s.gap_first + (gap - 1) * s.gap_next;
        let (deletion, insertion) = if front { (-gap, gap) } else { (gap, -gap) };
        [
            (deletion, 0, cost),
            (insertion, gap as u32, cost + gap * s.matched),
        ]
    })
}

fn seeded(job: &Candidate) -> (u32, u32) {
    (job.seeded & 0xffff, job.seeded >> 16)
}

/// Step 1, the definition: base by base.
fn verify_plain(
    genome: &[u32],
    codes: &[u8],
    job: &Candidate,
    s: &Scoring,
) -> ((i32, u32, u32), bool) {
    let mut stretch = Stretch::new(s);
    for (i, &c) in codes.iter().enumerate() {
        if c != get_code(genome, job.diagonal as usize + i) {
            stretch.mismatch(i as u32, c == 4, seeded(job), s);
        }
    }
    stretch.finish(codes.len() as u32, job, s, || {
        [true, false].into_iter().any(|front| {
            let mismatches = |shift: i32| {
                let diagonal = job.diagonal.wrapping_add_signed(shift);
                let mut bits = 0;
                for i in 0..TAIL {
                    let at = if front { i } else { codes.len() - 1 - i };
                    let genome =
                        window(genome, diagonal.wrapping_add(at as u32) as usize) as u8 & 3;
                    bits |= u32::from(codes[at] != 4 && codes[at] != genome) << (2 * i);
                }
                bits
            };
            gaps(front, s).any(|(shift, inserted, cost)| {
                pays(mismatches(0), mismatches(shift), inserted, cost, s)
            })
        })
    })
}

/// Step 1, 32 bases at a time. `codes` and `mask` are packed, as aligned.
#[allow(clippy::inline_always)] // compiled for each width of vector
#[inline(always)]
fn verify_packed(
    genome: &[u32],
    (codes, mask, length): (&[u32], &[u32], u32),
    job: &Candidate,
    s: &Scoring,
) -> ((i32, u32, u32), bool) {
    const LOW: u64 = 0x5555_5555_5555_5555;
    let mut stretch = Stretch::new(s);
    let pair = |words: &[u32], w: usize| {
        u64::from(words[w]) | u64::from(words.get(w + 1).copied().unwrap_or(0)) << 32
    };
    for w in (0..codes.len()).step_by(2) {
        let at = w as u32 * 16;
        let difference = pair(codes, w) ^ window(genome, (job.diagonal + at) as usize);
        let unknown = pair(mask, w);
        let mut bits = (difference | difference >> 1) & LOW | unknown;
        let left = length - at;
        if left < 32 {
            bits &= (1 << (2 * left)) - 1;
        }
        while bits != 0 {
            let low = bits.trailing_zeros();
            stretch.mismatch(at + low / 2, unknown >> low & 1 == 1, seeded(job), s);
            bits &= bits - 1;
        }
    }
    stretch.finish(length, job, s, || {
        gap_pays(genome, (codes, mask, length), job, s)
    })
}

/// Does a gap pay at either end of a read of [`LEAST_TAILED`] bases or more?
fn gap_pays(
    genome: &[u32],
    (codes, mask, length): (&[u32], &[u32], u32),
    job: &Candidate,
    s: &Scoring,
) -> bool {
    const LOW: u32 = 0x5555_5555;
    [true, false].into_iter().any(|front| {
        let at = if front { 0 } else { length - TAIL as u32 };
        let (bases, unknown) = (
            window(codes, at as usize) as u32,
            window(mask, at as usize) as u32,
        );
        let mismatches = |shift: i32| {
            let there = job.diagonal.wrapping_add_signed(shift).wrapping_add(at);
            let difference = bases ^ window(genome, there as usize) as u32;
            let bits = (difference | difference >> 1) & LOW & !unknown;
            if front {
                bits
            } else {
                bits.reverse_bits() >> 1
            }
        };
        let main = mismatches(0);
        (s.matched + s.mismatch) * main.count_ones() as i32 > s.gap_first
            && gaps(front, s)
                .any(|(shift, inserted, cost)| pays(main, mismatches(shift), inserted, cost, s))
    })
}

/// Step 2: must this job of a read, whose jobs' ungapped scores and votes peak at `best`, be aligned with gaps?
fn selected(job: &Candidate, score: i32, suffices: bool, best: (i32, u32), s: &Scoring) -> bool {
    !suffices && (score + s.reach >= best.0 || job.spread != 0 && 2 * job.own_votes() >= best.1)
}

/// Diagonals in a job's band.
fn band_width(job: &Candidate) -> usize {
    if job.spread == 0 { NARROW } else { BAND }
}

/// First diagonal of a job's band.
fn band_start(job: &Candidate) -> u32 {
    let (low, high) = ((job.spread & 0xffff) as i32, (job.spread >> 16) as i32);
    let shift = ((high - low) / 2).clamp(-MAX_SHIFT, MAX_SHIFT);
    job.diagonal
        .wrapping_add_signed(shift - band_width(job) as i32 / 2)
}

/// Where a cell's score comes from: bits 0–1 of its traceback code.
const FROM_DIAGONAL: u8 = 0;
const FROM_START: u8 = 1;
const FROM_DELETION: u8 = 2;
const FROM_INSERTION: u8 = 3;
/// A deletion ending here was opened here.
const DELETION_OPENS: u8 = 4;
/// An insertion ending here was opened here.
const INSERTION_OPENS: u8 = 8;

/// Step 3, the definition: the best local alignment in the band, and its runs.
///
/// Cell (i, k) aligns base `i` of the read with base `first + i + k` of the genome. Ties: a match
/// over a deletion over an insertion (so that gaps lie leftmost); starting afresh over going on
/// from a score of 0; opening a gap over lengthening one; the end of the read over an earlier end,
/// then the earlier row, then the lower diagonal. What scores 0 or less is no alignment, whatever it reaches.
fn align_plain(
    genome: &[u32],
    codes: &[u8],
    job: &Candidate,
    s: &Scoring,
) -> (Extension, Vec<u32>) {
    let (first, band) = (band_start(job), band_width(job));
    let (gap_first, gap_next) = (s.gap_first, s.gap_next);
    let never = i32::from(NEVER);
    let mut trace = vec![[0u8; BAND]; codes.len()];
    let mut above = [never; BAND]; // H of the row above
    let mut inserted = [never; BAND + 1]; // best that ends in an insertion, of the row above
    let mut best = (0, 0, 0);
    for (i, &c) in codes.iter().enumerate() {
        let (mut left, mut deleted) = (never, never);
        let last = i + 1 == codes.len();
        let mut row_best = (never, 0);
        let mut row = [never; BAND];
        for k in 0..band {
            let equal = c == get_code(genome, first as usize + i + k);
            let score = if equal {
                s.matched
            } else if c == 4 {
                -s.unknown
            } else {
                -s.mismatch
            };
            let from = if i == 0 { s.end_bonus } else { above[k].max(0) };
            let matched = from + score;
            let fresh = i == 0 || above[k] <= 0;
            let (open, longer) = (left - gap_first, deleted - gap_next);
            deleted = open.max(longer);
            let deletion_opens = open >= longer;
            let above_right = if k + 1 < band { above[k + 1] } else { never };
            let (open, longer) = (above_right - gap_first, inserted[k + 1] - gap_next);
            inserted[k] = open.max(longer);
            let insertion_opens = open >= longer;
            let h = matched.max(deleted).max(inserted[k]);
            let origin = if matched == h {
                if fresh { FROM_START } else { FROM_DIAGONAL }
            } else if deleted == h {
                FROM_DELETION
            } else {
                FROM_INSERTION
            };
            trace[i][k] = origin
                | if deletion_opens { DELETION_OPENS } else { 0 }
                | if insertion_opens { INSERTION_OPENS } else { 0 };
            if h > row_best.0 {
                row_best = (h, k);
            }
            left = h;
            row[k] = h;
        }
        above = row;
        let score = row_best.0 + if last { s.end_bonus } else { 0 };
        if row_best.0 > 0 && (score > best.0 || last && score == best.0) {
            best = (score, i, row_best.1);
        }
    }
    trace_back(best, first, |i, k| trace[i][k])
}

/// Follows the codes back from the best cell.
fn trace_back(
    best: (i32, usize, usize),
    first: u32,
    code: impl Fn(usize, usize) -> u8,
) -> (Extension, Vec<u32>) {
    let (score, mut i, mut k) = best;
    if score <= 0 {
        return (Extension::default(), Vec::new());
    }
    let end = i as u32 + 1;
    let mut runs: Vec<u32> = Vec::new();
    let mut push = |op: u32| match runs.last_mut() {
        Some(run) if *run & 15 == op => *run += 16,
        _ => runs.push(16 | op),
    };
    loop {
        let c = code(i, k);
        match c & 3 {
            FROM_DIAGONAL => {
                push(RUN_MATCH);
                i -= 1;
            }
            FROM_START => {
                push(RUN_MATCH);
                break;
            }
            FROM_DELETION => loop {
                push(RUN_DELETION);
                let opens = code(i, k) & DELETION_OPENS != 0;
                k -= 1;
                if opens {
                    break;
                }
            },
            _ => loop {
                push(RUN_INSERTION);
                let opens = code(i, k) & INSERTION_OPENS != 0;
                i -= 1;
                k += 1;
                if opens {
                    break;
                }
            },
        }
    }
    if runs.len() > MAX_RUNS {
        return (Extension::default(), Vec::new());
    }
    runs.reverse();
    let extension = Extension {
        score,
        start: first + (i + k) as u32,
        span: i as u32 | end << 16,
        runs: runs.len() as u32,
        slot: 0,
    };
    (extension, runs)
}

/// The definition: aligns the jobs of one read, appending an [`Extension`] each, and a slot of
/// [`MAX_RUNS`] words for each that was aligned with gaps. Words of a slot behind its runs are 0.
pub fn plain(genome: &[u32], reads: Reads, jobs: &[Candidate], s: &Scoring, out: &mut Extended) {
    let Extended {
        extensions: out,
        runs,
    } = out;
    let mut codes = Vec::new();
    let mut ungapped = Vec::new();
    for job in jobs {
        aligned_codes(reads, job, &mut codes);
        ungapped.push(verify_plain(genome, &codes, job, s));
    }
    let best_score = ungapped.iter().map(|u| u.0.0).max().unwrap_or(0);
    let best_votes = jobs.iter().map(|j| j.own_votes()).max().unwrap_or(0);
    for (job, &(stretch, suffices)) in jobs.iter().zip(&ungapped) {
        if selected(job, stretch.0, suffices, (best_score, best_votes), s) {
            aligned_codes(reads, job, &mut codes);
            let (mut extension, path) = align_plain(genome, &codes, job, s);
            let slot = runs.len() / MAX_RUNS;
            extension.slot = if path.is_empty() { 0 } else { slot as u32 };
            out.push(extension);
            runs.extend(&path);
            runs.resize((slot + 1) * MAX_RUNS, 0);
        } else {
            out.push(from_stretch(job, stretch));
        }
    }
}

fn from_stretch(job: &Candidate, (score, start, end): (i32, u32, u32)) -> Extension {
    Extension {
        score,
        start: job.diagonal + start,
        span: start | end << 16,
        runs: 0,
        slot: 0,
    }
}

/// Working memory of [`on_cpu`].
#[derive(Debug, Default)]
pub struct Scratch {
    reverse: Vec<u32>,
    reverse_mask: Vec<u32>,
    /// Whose reverse complement that is; 1 + its rank.
    reversed: u32,
    verdicts: Vec<bool>,
    chosen: Vec<u32>,
    /// Their ranks, those that can go side by side together.
    order: Vec<u32>,
    codes: Vec<u8>,
    lanes: Lanes,
}

/// Jobs whose stretch of the genome is on its way while one is looked at.
const AHEAD: usize = 8;

/// All jobs of a batch.
pub fn on_cpu(
    genome: &[u32],
    reads: Reads,
    jobs: &[Candidate],
    s: &Scoring,
    scratch: &mut Scratch,
    out: &mut Extended,
) {
    let Extended {
        extensions: out,
        runs,
    } = out;
    runs.clear();
    scratch.chosen.clear();
    verify_all(genome, reads, jobs, s, scratch, out);
    let mut from = 0;
    for group in jobs.chunk_by(|a, b| a.read == b.read) {
        let to = from + group.len();
        let best_score = out[from..to].iter().map(|e| e.score).max().unwrap_or(0);
        let best_votes = group.iter().map(|j| j.own_votes()).max().unwrap_or(0);
        for (j, job) in (from..to).zip(group) {
            if selected(
                job,
                out[j].score,
                scratch.verdicts[j],
                (best_score, best_votes),
                s,
            ) {
                scratch.chosen.push(j as u32);
            }
        }
        from = to;
    }
    runs.resize(scratch.chosen.len() * MAX_RUNS, 0);
    let Scratch {
        chosen,
        order,
        codes,
        lanes,
        ..
    } = scratch;
    let job_of = |slot: &u32| &jobs[chosen[*slot as usize] as usize];
    let class = |slot: &u32| {
        let job = job_of(slot);
        let long = reads.spans[job.read as usize].len as usize > LONGEST_IN_BYTES;
        (long, band_width(job))
    };
    order.clear();
    order.extend(0..chosen.len() as u32);
    order.sort_by_key(class);
    for alike in order.chunk_by(|a, b| class(a) == class(b)) {
        let long = class(&alike[0]).0;
        lanes.width = lane_count() / if long { 2 } else { 1 };
        for group in alike.chunks(lanes.width) {
            lanes.load(genome, reads, group.iter().map(job_of), codes);
            if long {
                fill_words(lanes, s);
            } else {
                fill_bytes(lanes, s);
            }
            for (lane, &slot) in group.iter().enumerate() {
                let (mut extension, path) = lanes.result(lane);
                extension.slot = if path.is_empty() { 0 } else { slot };
                out[chosen[slot as usize] as usize] = extension;
                runs[slot as usize * MAX_RUNS..][..path.len()].copy_from_slice(&path);
            }
        }
    }
}

lanes! {
    /// Step 1 of all jobs.
    fn verify_all<N = [1, 1, 1]>(
        genome: &[u32],
        reads: Reads<'_>,
        jobs: &[Candidate],
        s: &Scoring,
        scratch: &mut Scratch,
        out: &mut Vec<Extension>,
    ) {
        out.clear();
        scratch.verdicts.clear();
        scratch.reversed = 0;
        for (j, job) in jobs.iter().enumerate() {
            if let Some(next) = jobs.get(j + AHEAD) {
                let first = next.diagonal as usize / 16;
                prefetch(genome, first);
                prefetch(genome, first + reads.spans[next.read as usize].len as usize / 16);
            }
            let r = job.read as usize;
            let length = reads.spans[r].len;
            let (codes, mask) = (reads.codes(r), reads.mask(r));
            let read = if job.is_reverse() {
                if scratch.reversed != job.read + 1 {
                    reverse_complement_packed(codes, length as usize, &mut scratch.reverse);
                    reverse_mask(mask, length as usize, &mut scratch.reverse_mask);
                    scratch.reversed = job.read + 1;
                }
                (&scratch.reverse[..], &scratch.reverse_mask[..], length)
            } else {
                (codes, mask, length)
            };
            let (stretch, suffices) = verify_packed(genome, read, job, s);
            out.push(from_stretch(job, stretch));
            scratch.verdicts.push(suffices);
        }
    }
}

/// `extend_verify`; `extend_select` and `extend_list`: step 2 and its outcome, one after another;
/// `extend_narrow` and `extend_wide`: step 3 in bands of [`NARROW`] and of [`BAND`] diagonals.
pub static SHADERS: [Shader; 5] = [
    shader("extend_verify", nothing),
    selecting("extend_select"),
    selecting("extend_list"),
    shader("extend_narrow", || align_text("extend_narrow", NARROW)),
    shader("extend_wide", || align_text("extend_wide", BAND)),
];

const fn shader(name: &'static str, generated: fn() -> String) -> Shader {
    Shader {
        name,
        source: concat!(
            include_str!("../../shaders/common.wgsl"),
            include_str!("../../shaders/batch.wgsl"),
            include_str!("../../shaders/extend_jobs.wgsl"),
            include_str!("../../shaders/extend.wgsl"),
        ),
        tables: &[("genome", "u32")],
        lengths: &[
            ("BAND", BAND as u32),
            ("NARROW", NARROW as u32),
            ("MAX_RUNS", MAX_RUNS as u32),
            ("BLOCK", BLOCK as u32),
        ],
        generated,
    }
}

const fn selecting(name: &'static str) -> Shader {
    Shader {
        name,
        source: concat!(
            include_str!("../../shaders/common.wgsl"),
            include_str!("../../shaders/batch.wgsl"),
            include_str!("../../shaders/extend_jobs.wgsl"),
            include_str!("../../shaders/extend_select.wgsl"),
        ),
        tables: &[],
        lengths: &[],
        generated: nothing,
    }
}

/// Step 3 in WGSL for bands of `width` diagonals. Each cell of the row above has variables of its own,
/// which stay in registers: two to three times as fast as arrays in a loop, which go to memory.
fn align_text(name: &str, width: usize) -> String {
    let mut text = format!(
        "
@compute @workgroup_size(LANES)
fn {name}(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>,
          @builtin(local_invocation_index) lane: u32) {{
  let w = work(job_index(group, groups, lane), {});
  if !w.found {{ return; }}
  var best = Best(0, 0u, 0u);
  var read = vec2<u32>();
  var coming = 0u; // bases of the genome that enter the band next
  var floor = END_BONUS; // where each cell of the first row starts afresh
",
        width == NARROW
    );
    let mut line = |l: String| {
        text += &l;
        text.push('\n');
    };
    for k in 0..=width {
        // H of the row above, then of this one; the same, ending in an insertion.
        line(format!("  var h{k} = NEVER; var g{k} = NEVER;"));
    }
    for word in 0..width / 16 {
        line(format!(
            "  var b{word} = genome_word(w.first + {}u);",
            16 * word
        ));
    }
    line(format!(
        "  for (var i = 0u; i < w.span.len; i += 1u) {{
    if i % 16u == 0u {{
      read = aligned_word(w.span, w.reverse, i / 16u);
      coming = genome_word(w.first + i + {width}u);
    }}
    let unknown = (read.y & 3u) != 0u;
    let c = (read.x & 3u) * 0x55555555u;
    read >>= vec2(2u);
    let miss = select(-MISMATCH, -UNKNOWN, unknown);
    let hit = select(MATCHED, miss, unknown);
    let last = i + 1u == w.span.len;
    var left = NEVER;
    var deleted = NEVER;
    var row = NEVER;
    var row_k = 0u;
    var codes = 0u;
    var d = 0u; // of 16 bases, 00 where they are equal"
    ));
    for k in 0..width {
        if k % 16 == 0 {
            line(format!("    d = b{} ^ c;", k / 16));
        }
        let (next, shift) = (k + 1, 4 * (k % 8));
        line(format!(
            "    {{
      let m = max(h{k}, floor) + select(miss, hit, (d & {:#x}u) == 0u);
      let d_open = left - GAP_FIRST;
      let d_longer = deleted - GAP_NEXT;
      deleted = max(d_open, d_longer);
      let n_open = h{next} - GAP_FIRST;
      let n_longer = g{next} - GAP_NEXT;
      g{k} = max(n_open, n_longer);
      left = max(max(m, deleted), g{k});
      let origin = select(select(3u, FROM_DELETION, deleted == left), u32(h{k} <= 0), m == left);
      codes |= (origin | select(0u, DELETION_OPENS, d_open >= d_longer) | select(0u, INSERTION_OPENS, n_open >= n_longer)) << {shift}u;
      row_k = select(row_k, {k}u, left > row);
      row = max(row, left);
      h{k} = left;
    }}",
            3u32 << (2 * (k % 16)),
        ));
        if k % 8 == 7 {
            line(format!(
                "    trace[trace_at(w.rank, i, {}u)] = codes; codes = 0u;",
                k / 8
            ));
        }
    }
    line(
        "    floor = 0;
    let score = row + select(0, END_BONUS, last);
    if row > 0 && (score > best.score || (last && score == best.score)) { best = Best(score, i, row_k); }"
            .into(),
    );
    for word in 0..width / 16 {
        let next = if word + 1 < width / 16 {
            format!("b{}", word + 1)
        } else {
            "coming".into()
        };
        line(format!("    b{word} = (b{word} >> 2u) | ({next} << 30u);"));
    }
    line("    coming >>= 2u;\n  }\n  trace_back(w, best);\n}".into());
    text
}

/// Has a program align its reads at their candidates.
pub(super) fn add_to(program: &mut Program, gpu: &Gpu, index: &Tables, s: &Scoring, rooms: &Rooms) {
    let constants = [
        ("REVERSE", i64::from(REVERSE)),
        ("MATCHED", i64::from(s.matched)),
        ("MISMATCH", i64::from(s.mismatch)),
        ("UNKNOWN", i64::from(s.unknown)),
        ("GAP_FIRST", i64::from(s.gap_first)),
        ("GAP_NEXT", i64::from(s.gap_next)),
        ("END_BONUS", i64::from(s.end_bonus)),
        ("NEVER", i64::from(NEVER)),
        ("MAX_SHIFT", i64::from(MAX_SHIFT)),
        ("MAX_GAP", i64::from(MAX_GAP)),
        ("TAIL", TAIL as i64),
        ("LEAST_TAILED", i64::from(LEAST_TAILED)),
    ];
    let genome = [&index.genome];
    let jobs = [
        In(&rooms.batch),
        In(&rooms.candidate_ends),
        In(&rooms.candidates),
        Out(&rooms.extensions),
    ];
    let reads = [In(&rooms.bases), In(&rooms.spans)];
    let args = [&jobs[..], &reads].concat();
    let candidates = Threads::Told(&rooms.told, OF_CANDIDATES);
    program.step(gpu, &SHADERS[0], &constants, &genome, &args, candidates);
    let of_select = [
        ("REACH", i64::from(s.reach)),
        ("MAX_GROUPS", gpu.max_groups()),
        ("NARROW_TOLD", OF_NARROW as i64),
        ("WIDE_TOLD", OF_WIDE as i64),
    ];
    let counts = [Out(&rooms.counts), Out(&rooms.wide_counts)];
    let args = [&jobs[..], &counts].concat();
    program.step(gpu, &SHADERS[1], &of_select, &[], &args, PER_READ);
    add_scan(
        program,
        gpu,
        rooms,
        (&rooms.counts, &rooms.gapped_ends),
        None,
    );
    let wide = (&rooms.wide_counts, &rooms.wide_ends);
    add_scan(program, gpu, rooms, wide, None);
    let args = [
        &jobs[..],
        &counts,
        &[
            In(&rooms.gapped_ends),
            In(&rooms.wide_ends),
            Out(&rooms.chosen),
            Out(&rooms.looks),
            Out(&rooms.told),
        ],
    ]
    .concat();
    program.step(gpu, &SHADERS[2], &of_select, &[], &args, PER_READ);
    let args = [
        &jobs[..],
        &reads,
        &[In(&rooms.chosen), Out(&rooms.runs), Out(&rooms.trace)],
    ]
    .concat();
    for (align, told) in SHADERS[3..].iter().zip([OF_NARROW, OF_WIDE]) {
        let threads = Threads::Told(&rooms.told, told);
        program.step(gpu, align, &constants, &genome, &args, threads);
    }
}

/// A mask as the reverse complement has it.
fn reverse_mask(mask: &[u32], length: usize, out: &mut Vec<u32>) {
    if mask.iter().all(|&m| m == 0) {
        out.clear();
        out.resize(mask.len(), 0);
        return;
    }
    // Complementing turns 01 to 10 and 00 to 11: undo it.
    reverse_complement_packed(mask, length, out);
    for (w, m) in out.iter_mut().enumerate() {
        let bases = (length - w * 16).min(16);
        let used = if bases == 16 {
            u32::MAX
        } else {
            (1 << (2 * bases)) - 1
        };
        *m = !*m & used;
    }
}

/// Longest read whose scores fit a byte, end bonuses included.
const LONGEST_IN_BYTES: usize = 240;

/// As many alignments as there are lanes, filled in step. Arrays of lanes are flat: row by row, a
/// lane after the other.
#[derive(Debug, Default)]
struct Lanes {
    width: usize,
    /// Diagonals of the bands.
    band: usize,
    first: Vec<u32>,
    lengths: Vec<u16>,
    longest: usize,
    /// Read codes; 4 behind a read's end.
    read: Vec<u8>,
    /// Genome codes from each lane's first diagonal on.
    genome: Vec<u8>,
    trace: Vec<u8>,
    /// Score, row and diagonal of each lane's best cell.
    best: [Vec<u16>; 3],
}

impl Lanes {
    fn load<'j>(
        &mut self,
        genome: &[u32],
        reads: Reads,
        jobs: impl Iterator<Item = &'j Candidate> + Clone,
        codes: &mut Vec<u8>,
    ) {
        let width = self.width;
        let length = |j: &Candidate| reads.spans[j.read as usize].len as usize;
        self.longest = jobs.clone().map(length).max().unwrap_or(0);
        self.band = jobs.clone().map(band_width).max().unwrap_or(BAND);
        self.first.clear();
        self.lengths.clear();
        self.lengths.resize(width, 0);
        self.read.clear();
        self.read.resize(self.longest * width, 4);
        self.genome.resize((self.longest + self.band) * width, 0);
        for (lane, job) in jobs.enumerate() {
            aligned_codes(reads, job, codes);
            self.lengths[lane] = codes.len() as u16;
            for (row, &c) in self.read.chunks_exact_mut(width).zip(codes.iter()) {
                row[lane] = c;
            }
            let first = band_start(job);
            self.first.push(first);
            for (w, rows) in self.genome.chunks_mut(32 * width).enumerate() {
                let mut bases = window(genome, first as usize + 32 * w);
                for row in rows.chunks_exact_mut(width) {
                    row[lane] = (bases & 3) as u8;
                    bases >>= 2;
                }
            }
        }
        self.trace.resize(self.longest * self.band * width, 0);
        for best in &mut self.best {
            best.clear();
            best.resize(width, 0);
        }
    }

    fn result(&self, lane: usize) -> (Extension, Vec<u32>) {
        let [score, i, k] = [0, 1, 2].map(|b| self.best[b][lane]);
        let code = |i: usize, k: usize| self.trace[(i * self.band + k) * self.width + lane];
        trace_back(
            (i32::from(score), i as usize, k as usize),
            self.first[lane],
            code,
        )
    }
}

/// An unsigned score. What falls below 0 stays there: no best alignment runs through such a cell,
/// as it would rather start behind it, so codes there are never read.
trait Score: Copy + Ord + Default + From<u8> + Into<u16> {
    const MAX: Self;
    fn of(count: usize) -> Self;
    fn plus(self, gain: Self) -> Self;
    fn less(self, cost: Self) -> Self;
}

macro_rules! score {
    ($t:ty) => {
        impl Score for $t {
            const MAX: $t = <$t>::MAX;
            #[inline(always)]
            fn of(count: usize) -> $t {
                count as $t
            }
            #[inline(always)]
            fn plus(self, gain: $t) -> $t {
                self.wrapping_add(gain)
            }
            #[inline(always)]
            fn less(self, cost: $t) -> $t {
                self.saturating_sub(cost)
            }
        }
    };
}
score!(u8);
score!(u16);

lanes! {
    /// How many alignments of reads up to [`LONGEST_IN_BYTES`] go side by side; of longer ones half as many.
    fn lane_count<N = [16, 32, 64]>() -> usize { N }
}

lanes! {
    /// [`align_plain`]'s loop, all lanes in step, with scores of a byte.
    fn fill_bytes<N = [16, 32, 64]>(lanes: &mut Lanes, s: &Scoring) {
        fill::<u8, N>(lanes, s);
    }
}

lanes! {
    /// The same for reads of any length.
    fn fill_words<N = [8, 16, 32]>(lanes: &mut Lanes, s: &Scoring) {
        fill::<u16, N>(lanes, s);
    }
}

/// Every inner loop is over lanes and vectorizes.
#[allow(clippy::inline_always)] // compiled for each width of vector
#[allow(clippy::needless_bitwise_bool)] // lazy operators are branches, which do not vectorize
#[inline(always)]
fn fill<T: Score, const N: usize>(lanes: &mut Lanes, s: &Scoring) {
    let [matched, mismatch, unknown, gap_first, gap_next, end_bonus] = [
        s.matched,
        s.mismatch,
        s.unknown,
        s.gap_first,
        s.gap_next,
        s.end_bonus,
    ]
    .map(|x| T::from(x as u8));
    let (reads, genome) = (
        lanes.read.as_chunks::<N>().0,
        lanes.genome.as_chunks::<N>().0,
    );
    let traces = lanes.trace.as_chunks_mut::<N>().0;
    let lengths = lanes.lengths.as_chunks::<N>().0[0].map(|l| T::of(l.into()));
    let (zero, band) = (T::default(), lanes.band);
    let mut above = [[zero; N]; BAND + 1];
    let mut inserted = [[zero; N]; BAND + 1];
    let [mut best, mut best_at, mut best_k] = [[zero; N]; 3];
    for (i, read) in reads.iter().enumerate() {
        let mut miss = [zero; N];
        for l in 0..N {
            miss[l] = if read[l] == 4 { unknown } else { mismatch };
        }
        let (mut left, mut deleted) = ([zero; N], [zero; N]);
        let (mut row_best, mut row_k) = ([zero; N], [zero; N]);
        // In the first row every cell starts afresh, with the bonus.
        let (floor, fresh_below) = if i == 0 {
            (end_bonus, T::MAX)
        } else {
            (zero, zero)
        };
        let genome = &genome[i..i + band];
        let trace = &mut traces[i * band..(i + 1) * band];
        for k in 0..band {
            let (g, t) = (&genome[k], &mut trace[k]);
            for l in 0..N {
                let up = above[k][l];
                let from = up.max(floor);
                let m = if read[l] == g[l] {
                    from.plus(matched)
                } else {
                    from.less(miss[l])
                };
                let origin = if up <= fresh_below {
                    FROM_START
                } else {
                    FROM_DIAGONAL
                };
                let (open, longer) = (left[l].less(gap_first), deleted[l].less(gap_next));
                let d = open.max(longer);
                let d_opens = if open >= longer { DELETION_OPENS } else { 0 };
                let (open, longer) = (
                    above[k + 1][l].less(gap_first),
                    inserted[k + 1][l].less(gap_next),
                );
                let n = open.max(longer);
                let n_opens = if open >= longer { INSERTION_OPENS } else { 0 };
                let md = m.max(d);
                let h = md.max(n);
                let origin = if m >= d { origin } else { FROM_DELETION };
                let origin = if md >= n { origin } else { FROM_INSERTION };
                t[l] = origin | d_opens | n_opens;
                row_k[l] = if h > row_best[l] { T::of(k) } else { row_k[l] };
                row_best[l] = row_best[l].max(h);
                left[l] = h;
                deleted[l] = d;
                inserted[k][l] = n;
                above[k][l] = h;
            }
        }
        let (at, next) = (T::of(i), T::of(i + 1));
        for l in 0..N {
            let last = next == lengths[l];
            let bonus = if last { end_bonus } else { zero };
            let score = row_best[l].plus(bonus);
            let better = (score > best[l]) | (last & (score == best[l]));
            let better = better & (at < lengths[l]) & (row_best[l] > zero);
            best[l] = if better { score } else { best[l] };
            best_at[l] = if better { at } else { best_at[l] };
            best_k[l] = if better { row_k[l] } else { best_k[l] };
        }
    }
    for (all, best) in lanes.best.iter_mut().zip([best, best_at, best_k]) {
        all.copy_from_slice(&best.map(Into::into));
    }
}
