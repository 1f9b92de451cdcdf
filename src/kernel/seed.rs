//! `seed`: finds each read's seeds and where the index says that they stand.
//!
//! One job per read. Of its sampled k-mers (see [`crate::genome::syncmer`]) those are looked up that
//! begin [`spacing`] bases or more behind the one before. The result of a read is the list of its
//! [`Seed`]s: for each such k-mer first its places on the read's own strand, then those on the other,
//! each only if there are any. Reads follow one another; `ends[r]` is where read `r`'s list ends.

use super::candidate::{FEW_HITS, MANY_OF_FOUR, MAX_HITS, MAX_OCCURRENCES};
use super::extend::MAX_READ;
use super::locate::{LISTS, PER_READ, Rooms, Tables};
use crate::batch::{PackedReads, ReadSpan};
use crate::device::gpu::Gpu;
use crate::device::lanes::prefetch;
use crate::device::program::Program;
use crate::device::program::Use::{In, Out};
use crate::device::shader::{Shader, nothing};
use crate::domain::bases::{get_code, reverse_complement_packed, window};
use crate::genome::Reference;
use crate::genome::index::{self, Bucket};
use crate::genome::syncmer::{K, MULTIPLIERS, S, Syncmer, WINDOW, hash_kmer, hash_smer, syncmers};
use crate::lanes;
use bytemuck::{Pod, Zeroable};

/// The reads of a batch, packed: a read's words start at `spans[r].word`; a base that is no ACGT
/// has the pattern 01 in `masks`, others 00.
#[derive(Clone, Copy, Debug)]
pub struct Reads<'a> {
    /// 2-bit codes.
    pub words: &'a [u32],
    /// Same layout as `words`.
    pub masks: &'a [u32],
    /// Where each read is.
    pub spans: &'a [ReadSpan],
}

impl<'a> Reads<'a> {
    /// Those of a batch.
    pub fn of(packed: &'a PackedReads) -> Reads<'a> {
        Reads {
            words: &packed.words,
            masks: &packed.masks,
            spans: &packed.spans,
        }
    }

    /// The packed codes of read `r`.
    pub fn codes(&self, r: usize) -> &'a [u32] {
        &self.words[self.spans[r].word as usize..][..self.spans[r].len.div_ceil(16) as usize]
    }

    /// The mask words of read `r`.
    pub fn mask(&self, r: usize) -> &'a [u32] {
        &self.masks[self.spans[r].word as usize..][..self.spans[r].len.div_ceil(16) as usize]
    }
}

/// The index as the kernels see it.
#[derive(Clone, Copy, Debug)]
pub struct Table<'a> {
    /// See [`crate::genome::index`].
    pub blocks: &'a [u32],
    /// Positions in the packed genome.
    pub positions: &'a [u32],
    /// Bits of the hash that choose a bucket.
    pub hash_bits: u32,
}

impl<'a> Table<'a> {
    /// That of a reference.
    pub fn of(reference: &'a Reference) -> Table<'a> {
        Table {
            blocks: reference.seed_blocks(),
            positions: reference.seed_positions(),
            hash_bits: reference.parameters().hash_bits,
        }
    }
}

/// A k-mer of a read and its places on one strand: `positions[start..start + count]`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Pod, Zeroable)]
#[repr(C)]
pub struct Seed {
    /// Bits 0–15: the k-mer's first base in the read as sequenced. Bits 16–22: its rank among the
    /// read's sampled k-mers, at most 127. Bit 31: the places spell its reverse complement.
    pub place: u32,
    /// First in the positions table.
    pub start: u32,
    /// How many places; never 0.
    pub count: u32,
}

/// Bit of [`Seed::place`] for places on the other strand.
pub const REVERSE: u32 = 1 << 31;
/// Ranks above this one share it.
pub const MAX_RANK: u32 = 127;

impl Seed {
    /// First base in the read as sequenced.
    pub fn offset(self) -> u32 {
        self.place & 0xffff
    }

    /// Rank among the read's sampled k-mers.
    pub fn rank(self) -> u32 {
        self.place >> 16 & 0x7f
    }

    /// Do the places spell the k-mer's reverse complement?
    pub fn is_reverse(self) -> bool {
        self.place & REVERSE != 0
    }
}

/// Part of a read that its k-mers' beginnings are apart at least.
const SPARSE: u32 = 16;

/// Bases that the k-mers of a read that are looked up are apart at least: some ten of a read of 150
/// bases, nearly all of one of 36. What more a place has to say is left to
/// [`deeper`](crate::align), which looks at all of them where these leave doubt.
pub fn spacing(length: u32) -> u32 {
    length / SPARSE
}

/// Of k-mers given in order takes those that begin `apart` bases or more behind the one taken before.
#[derive(Debug)]
pub(crate) struct Thinned {
    apart: u32,
    next: u32,
}

impl Thinned {
    pub(crate) fn new(apart: u32) -> Thinned {
        Thinned { apart, next: 0 }
    }

    #[inline]
    pub(crate) fn takes(&mut self, offset: u32) -> bool {
        let taken = offset >= self.next;
        if taken {
            self.next = offset + self.apart;
        }
        taken
    }
}

/// The definition: appends the seeds of one read, in order.
pub fn plain(reads: Reads, r: usize, table: Table, out: &mut Vec<Seed>) {
    let (codes, mask) = (reads.codes(r), reads.mask(r));
    let letters = (0..reads.spans[r].len as usize).map(|i| {
        if get_code(mask, i) != 0 {
            4
        } else {
            get_code(codes, i)
        }
    });
    let (mut rank, mut thinned) = (0, Thinned::new(spacing(reads.spans[r].len)));
    syncmers(letters, |s| {
        if !thinned.takes(s.offset) {
            return;
        }
        let buckets = index::lookup(table.blocks, table.positions, table.hash_bits, s.hash);
        emit(s, rank, buckets, out);
        rank = (rank + 1).min(MAX_RANK);
    });
}

fn emit(s: Syncmer, rank: u32, buckets: [Bucket; 2], out: &mut Vec<Seed>) {
    let place = s.offset | rank << 16;
    let same = buckets[s.flipped as usize];
    let other = buckets[1 - s.flipped as usize];
    for (place, b) in [(place, same), (place | REVERSE, other)] {
        if b.count > 0 {
            out.push(Seed {
                place,
                start: b.start,
                count: b.count,
            });
        }
    }
}

/// Working memory of [`on_cpu`].
#[derive(Debug, Default)]
pub struct Scratch {
    smers: Vec<u32>,
    least: [Vec<u32>; 2],
    reverse: Vec<u32>,
    pub(crate) found: Vec<Syncmer>,
    found_ends: Vec<u32>,
}

/// Probes under way at once: enough to hide a trip to memory.
const AHEAD: usize = 24;

/// All reads of a batch: hashes of all, then probes of all, so that many probes are under way at once.
pub fn on_cpu(
    reads: Reads,
    table: Table,
    scratch: &mut Scratch,
    seeds: &mut Vec<Seed>,
    ends: &mut Vec<u32>,
) {
    seeds.clear();
    ends.clear();
    scratch.found.clear();
    scratch.found_ends.clear();
    for r in 0..reads.spans.len() {
        sample(reads, r, spacing(reads.spans[r].len), scratch);
        scratch.found_ends.push(scratch.found.len() as u32);
    }
    let block_of = |hash: u32| index::block_of(table.hash_bits, hash);
    for s in scratch.found.iter().take(AHEAD) {
        prefetch(table.blocks, block_of(s.hash));
    }
    let mut from = 0;
    for &end in &scratch.found_ends {
        for i in from..end {
            let s = scratch.found[i as usize];
            if let Some(next) = scratch.found.get(i as usize + AHEAD) {
                prefetch(table.blocks, block_of(next.hash));
            }
            let buckets = index::lookup(table.blocks, table.positions, table.hash_bits, s.hash);
            emit(s, (i - from).min(MAX_RANK), buckets, seeds);
        }
        from = end;
        ends.push(seeds.len() as u32);
    }
}

/// The shader of this kernel. It also takes step 1 of [`candidate`](super::candidate).
pub static SHADER: Shader = Shader {
    name: "seed",
    source: concat!(
        include_str!("../../shaders/common.wgsl"),
        include_str!("../../shaders/batch.wgsl"),
        include_str!("../../shaders/hash.wgsl"),
        include_str!("../../shaders/seed.wgsl"),
    ),
    tables: &[("blocks", "vec4<u32>"), ("positions", "u32")],
    lengths: &LISTS,
    generated: nothing,
};

/// Most lists of places that a read has: k-mers that begin [`spacing`] apart, on two strands.
pub(crate) const MAX_LISTS: usize = {
    let (mut most, mut length) = (0, K);
    while length <= MAX_READ {
        let apart = length / SPARSE as usize;
        let kmers = (length - K) / if apart == 0 { 1 } else { apart } + 1;
        most = if kmers > most { kmers } else { most };
        length += 1;
    }
    2 * most
};
// The shader counts lists in six bits, and their places in sixteen, by class.
const _: () = assert!(MAX_LISTS < 64 && MAX_OCCURRENCES == 256);
const _: () = assert!(MAX_LISTS as u32 * MAX_OCCURRENCES < 1 << 16);
// It takes a k-mer and what follows it from 32 bases.
const _: () = assert!(K > 16 && 2 * K - S <= 32);

/// Has a program find the seeds of its reads, one thread each.
pub(super) fn add_to(program: &mut Program, gpu: &Gpu, index: &Tables, rooms: &Rooms) {
    let constants = [
        ("MULTIPLIER_0", i64::from(MULTIPLIERS[0])),
        ("MULTIPLIER_1", i64::from(MULTIPLIERS[1])),
        ("MULTIPLIER_2", i64::from(MULTIPLIERS[2])),
        ("K", K as i64),
        ("S", S as i64),
        ("HASH_BITS", i64::from(index.hash_bits)),
        ("BUCKETS_PER_BLOCK", i64::from(index::BUCKETS_PER_BLOCK)),
        ("CROWDED", i64::from(index::CROWDED)),
        ("SPARSE", i64::from(SPARSE)),
        ("MAX_RANK", i64::from(MAX_RANK)),
        ("REVERSE", i64::from(REVERSE)),
        ("MAX_HITS", i64::from(MAX_HITS)),
        ("FEW_HITS", i64::from(FEW_HITS)),
        ("MANY_OF_FOUR", i64::from(MANY_OF_FOUR)),
    ];
    let args = [
        In(&rooms.batch),
        In(&rooms.bases),
        In(&rooms.spans),
        Out(&rooms.seeds),
        Out(&rooms.looks),
        Out(&rooms.counts),
    ];
    let tables = [&index.blocks, &index.positions];
    program.step(gpu, &SHADER, &constants, &tables, &args, PER_READ);
}

lanes! {
    /// Appends the sampled k-mers of one read that are `apart` bases or more to `scratch.found`.
    pub(crate) fn sample<N = [1, 1, 1]>(reads: Reads<'_>, r: usize, apart: u32, scratch: &mut Scratch) {
        sample_read(reads, r, apart, scratch);
    }
}

/// The lesser of each value and that `step` behind it.
#[allow(clippy::inline_always)] // compiled for each width of vector
#[inline(always)]
fn minima(values: &[u32], step: usize, out: &mut Vec<u32>) {
    let pairs = values.iter().zip(&values[step..]);
    out.resize(values.len() - step, 0);
    for (least, (&a, &b)) in out.iter_mut().zip(pairs) {
        *least = a.min(b);
    }
}

#[allow(clippy::inline_always)] // compiled for each width of vector
#[inline(always)]
fn sample_read(reads: Reads, r: usize, apart: u32, scratch: &mut Scratch) {
    const S_MASK: u32 = (1 << (2 * S)) - 1;
    const K_MASK: u64 = (1 << (2 * K)) - 1;
    const { assert!(WINDOW > 8 && WINDOW <= 16) };
    let length = reads.spans[r].len as usize;
    if length < K {
        return;
    }
    let (codes, mask) = (reads.codes(r), reads.mask(r));
    let mut thinned = Thinned::new(apart);
    if mask.iter().any(|&m| m != 0) {
        let letters = (0..length).map(|i| {
            if get_code(mask, i) != 0 {
                4
            } else {
                get_code(codes, i)
            }
        });
        syncmers(letters, |s| {
            if thinned.takes(s.offset) {
                scratch.found.push(s);
            }
        });
        return;
    }
    // By their last base; the first few are none yet.
    scratch.smers.resize(codes.len() * 16, 0);
    let (mut forward, mut reverse) = (0u32, 0u32);
    for (&word, smers) in codes.iter().zip(scratch.smers.as_chunks_mut::<16>().0) {
        let mut word = word;
        for smer in smers {
            let c = word & 3;
            word >>= 2;
            forward = (forward << 2 | c) & S_MASK;
            reverse = reverse >> 2 | (3 - c) << (2 * (S - 1));
            *smer = forward.min(reverse);
        }
    }
    for s in &mut scratch.smers {
        *s = hash_smer(*s);
    }
    let smers = &scratch.smers[S - 1..length];
    // Minima of windows of 2, 4, 8, then WINDOW: whole-array steps that vectorize.
    let [a, b] = &mut scratch.least;
    minima(smers, 1, a);
    minima(a, 2, b);
    minima(b, 4, a);
    minima(a, WINDOW - 8, b);
    let least = &b[..];
    reverse_complement_packed(codes, length, &mut scratch.reverse);
    let starts = length - K + 1;
    let ends = smers[..starts].iter().zip(&smers[WINDOW - 1..][..starts]);
    let hits = ends.zip(&least[..starts]);
    let hits =
        hits.map(|((first, last), least)| u64::from(first == least) | u64::from(last == least));
    // A branch would be guessed wrong for every other one: 64 verdicts at a time, then those that hold.
    let (mut verdicts, mut from) = (0u64, 0);
    for (i, hit) in hits.enumerate() {
        verdicts |= hit << (i % 64);
        if i % 64 < 63 && i + 1 < starts {
            continue;
        }
        while verdicts != 0 {
            let at = from + verdicts.trailing_zeros() as usize;
            verdicts &= verdicts - 1;
            if !thinned.takes(at as u32) {
                continue;
            }
            // Packed with the first base lowest, a k-mer is the complement of its reverse
            // complement written with the first base highest, as the hash wants it.
            let kr = !window(codes, at) & K_MASK;
            let kf = !window(&scratch.reverse, length - K - at) & K_MASK;
            let canonical = kf.min(kr);
            scratch.found.push(Syncmer {
                offset: at as u32,
                hash: hash_kmer((canonical >> 32) as u32, canonical as u32),
                flipped: u32::from(kr < kf),
            });
        }
        from = i + 1;
    }
}
