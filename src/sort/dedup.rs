//! Which templates are copies of another: by the rules of Picard's `MarkDuplicates`
//! (broadinstitute/picard), over the whole file, in bounded memory.
//!
//! An *end* is where a read's first base would lie if its clipped bases were aligned too, and its
//! strand. Pairs with the same two ends are copies, and the one with the highest sum of base qualities
//! of 15 and more is kept. A template with one aligned read is a copy if that read shares its end
//! with either read of a pair; else those that share an end are copies of the best one. Of equals the
//! first in the input is kept. One run has one read group and so one library.

use super::external::ExternalSorter;
use crate::Result;
use crate::format::bam::RawRecord;
use crate::format::sam::flag;
use bytemuck::{Pod, Zeroable};
use std::path::Path;

/// Qualities below this say nothing about which copy is better.
const WORTHY_QUALITY: u8 = 15;
/// Longest clip is a read's length; keeps ends before a contig's start from going below 0.
const BIAS: i64 = 1 << 17;

/// Two ends, then the best template first.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Pod, Zeroable)]
#[repr(C)]
struct PairKey {
    ends: [u64; 2],
    rank: Rank,
}

/// One end, then the best template first.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Pod, Zeroable)]
#[repr(C)]
struct SingleKey {
    end: u64,
    rank: Rank,
}

/// Less is better: what the qualities lack, then the place in the input.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Pod, Zeroable)]
#[repr(C)]
struct Rank {
    lacking: u64,
    template: u64,
}

/// Collects the ends of templates.
pub struct Finder {
    pairs: ExternalSorter<PairKey>,
    singles: ExternalSorter<SingleKey>,
    /// Ends of pairs that a single may share.
    shared: ExternalSorter<u64>,
    single_ends: Sieve,
    templates: u64,
}

impl Finder {
    /// Keeps about `budget` bytes in memory and the rest in `folder`.
    pub fn new(folder: &Path, budget: usize) -> Finder {
        Finder {
            pairs: ExternalSorter::new(folder.into(), budget / 2),
            singles: ExternalSorter::new(folder.into(), budget / 4),
            shared: ExternalSorter::new(folder.into(), budget / 4),
            single_ends: Sieve::default(),
            templates: 0,
        }
    }

    /// Takes the next template's records.
    pub fn push(&mut self, records: &[RawRecord]) -> Result<()> {
        let template = self.templates;
        self.templates += 1;
        let mut aligned = records
            .iter()
            .filter(|r| r.flag() & (flag::UNMAPPED | flag::SECONDARY | flag::SUPPLEMENTARY) == 0);
        let (first, second) = (aligned.next(), aligned.next());
        let Some(first) = first else {
            return Ok(());
        };
        let worth = worth(first) + second.map_or(0, worth);
        let rank = Rank {
            lacking: u64::MAX - worth,
            template,
        };
        let end = end_of(first);
        if let Some(second) = second {
            let mut ends = [end, end_of(second)];
            ends.sort_unstable();
            return self.pairs.push(PairKey { ends, rank }, &[]);
        }
        self.single_ends.insert(end);
        self.singles.push(SingleKey { end, rank }, &[])
    }

    /// Decides.
    pub fn finish(mut self) -> Result<Copies> {
        let mut copies = Copies {
            bits: vec![0; self.templates.div_ceil(64) as usize],
            count: 0,
        };
        let mut pairs = self.pairs.finish()?;
        let mut kept = None;
        while let Some((PairKey { ends, rank }, _)) = pairs.next()? {
            if kept == Some(ends) {
                copies.insert(rank.template);
                continue;
            }
            kept = Some(ends);
            for end in ends {
                if self.single_ends.may_hold(end) {
                    self.shared.push(end, &[])?;
                }
            }
        }
        let mut shared = self.shared.finish()?;
        let mut next_shared = shared.next()?.map(|(end, _)| end);
        let mut singles = self.singles.finish()?;
        let mut kept = None;
        while let Some((SingleKey { end, rank }, _)) = singles.next()? {
            while next_shared.is_some_and(|s| s < end) {
                next_shared = shared.next()?.map(|(end, _)| end);
            }
            if kept == Some(end) || next_shared == Some(end) {
                copies.insert(rank.template);
            } else {
                kept = Some(end);
            }
        }
        Ok(copies)
    }
}

/// Contig, unclipped position of the read's first base, and strand, in this order of weight.
fn end_of(record: &RawRecord) -> u64 {
    let is_clip = |(_, code): &(u32, u32)| matches!(code, 4 | 5);
    let clipped = |n: u32, run: (u32, u32)| n + run.0;
    let reverse = record.has(flag::REVERSE);
    let pos = i64::from(record.pos());
    let unclipped = if reverse {
        let clip = record.cigar().rev().take_while(is_clip).fold(0, clipped);
        pos + i64::from(record.reference_len()) - 1 + i64::from(clip)
    } else {
        pos - i64::from(record.cigar().take_while(is_clip).fold(0, clipped))
    };
    (record.contig() as u64) << 34 | ((unclipped + BIAS) as u64) << 1 | u64::from(reverse)
}

fn worth(record: &RawRecord) -> u64 {
    let worthy = |q: &&u8| (WORTHY_QUALITY..0xff).contains(*q);
    record
        .quals()
        .iter()
        .filter(worthy)
        .map(|&q| u64::from(q))
        .sum()
}

/// The templates that are copies.
pub struct Copies {
    bits: Vec<u64>,
    count: u64,
}

impl Copies {
    fn insert(&mut self, template: u64) {
        self.bits[(template / 64) as usize] |= 1 << (template % 64);
        self.count += 1;
    }

    /// Is this template, counted from 0 in the order of the input, a copy?
    pub fn contains(&self, template: u64) -> bool {
        self.bits[(template / 64) as usize] >> (template % 64) & 1 == 1
    }

    /// How many there are.
    pub fn count(&self) -> u64 {
        self.count
    }
}

/// Remembers numbers roughly: what it does not hold was not inserted.
#[derive(Default)]
struct Sieve(Vec<u64>);

impl Sieve {
    const BITS: u32 = 27; // 16 MB; one number in 100 passes by chance after a million
    fn slot(value: u64) -> (usize, u64) {
        // Fibonacci hashing: the upper bits of the product are well mixed.
        let bit = value.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> (64 - Self::BITS);
        ((bit / 64) as usize, 1 << (bit % 64))
    }

    fn insert(&mut self, value: u64) {
        self.0.resize(1 << (Self::BITS - 6), 0);
        let (word, bit) = Self::slot(value);
        self.0[word] |= bit;
    }

    fn may_hold(&self, value: u64) -> bool {
        let (word, bit) = Self::slot(value);
        self.0.get(word).is_some_and(|w| w & bit != 0)
    }
}
