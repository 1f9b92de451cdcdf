//! Mate rescue: where one mate is placed and the other is not near it, the other is looked for in
//! the window that the insert size allows, by k-mers on a common diagonal. Host code; what it finds
//! becomes jobs of the extend kernel like any other.

use super::hit::{Hit, Hits};
use super::insert::InsertSize;
use crate::batch::PackedReads;
use crate::domain::bases::{reverse_complement_packed, window};
use crate::genome::Reference;
use crate::kernel::candidate::Candidate;
use crate::kernel::extend::BAND;
use crate::kernel::seed::REVERSE;

/// Bases in a k-mer.
const K: usize = 8;
const MASK: u64 = (1 << (2 * K)) - 1;
/// k-mers on one diagonal that make a find.
const FEWEST: u8 = 5;
/// Hits of a read from which its mate is looked for.
const MOST_ANCHORS: usize = 8;
/// How far below a read's best hit such a hit may be: bwa's penalty for an unpaired read.
const NEAR_BEST: i32 = 17;

/// Working memory.
#[derive(Debug)]
pub struct Scratch {
    /// By k-mer: 1 + its place in the read, 0 if it has none.
    places: Vec<u16>,
    votes: Vec<u8>,
    oriented: Vec<u32>,
}

impl Default for Scratch {
    fn default() -> Scratch {
        Scratch {
            places: vec![0; 1 << (2 * K)],
            votes: Vec::new(),
            oriented: Vec::new(),
        }
    }
}

/// Jobs for all mates of these templates that are worth looking for, by read.
pub fn jobs(
    templates: impl Iterator<Item = usize>,
    hits: &Hits,
    packed: &PackedReads,
    reference: &Reference,
    insert: &InsertSize,
    scratch: &mut Scratch,
) -> Vec<Candidate> {
    let mut out: Vec<Candidate> = Vec::new();
    for t in templates {
        let pair = &hits.of_read[2 * t..2 * t + 2];
        for end in 0..2 {
            // Looked for is the mate of `end`: read 2t + 1 - end.
            let mate = 2 * t + 1 - end;
            let (own, own_length) = (&pair[end], packed.spans[2 * t + end].len);
            let mate_length = packed.spans[mate].len;
            if own.is_empty() || (mate_length as usize) < K {
                continue;
            }
            let first_job = out.len();
            for anchor in own.iter().take(MOST_ANCHORS) {
                let paired = pair[1 - end].iter().any(|m| {
                    distance(anchor, own_length, m, mate_length).is_some_and(|d| insert.fits(d))
                });
                if anchor.ranked + NEAR_BEST < own[0].ranked || paired {
                    continue;
                }
                if let Some(job) =
                    look(anchor, own_length, mate, packed, reference, insert, scratch)
                    && !out[first_job..].iter().any(|j| {
                        (j.diagonal, j.votes & REVERSE) == (job.diagonal, job.votes & REVERSE)
                    })
                {
                    out.push(job);
                }
            }
        }
    }
    // Jobs of a read stand together.
    out.sort_by_key(|j| j.read);
    out
}

/// Outer distance of two mates' hits, if they face each other on one contig.
pub fn distance(a: &Hit, a_length: u32, b: &Hit, b_length: u32) -> Option<i64> {
    if a.contig != b.contig || a.reverse == b.reverse {
        return None;
    }
    let (f, r, r_length) = if a.reverse {
        (b, a, a_length)
    } else {
        (a, b, b_length)
    };
    Some(r.unclipped_end(r_length) - f.unclipped_start())
}

/// Looks for one mate near an anchor.
fn look(
    anchor: &Hit,
    anchor_length: u32,
    mate: usize,
    packed: &PackedReads,
    reference: &Reference,
    insert: &InsertSize,
    scratch: &mut Scratch,
) -> Option<Candidate> {
    let length = packed.spans[mate].len;
    let (low, high) = (i64::from(insert.low), i64::from(insert.high));
    // Diagonals at which the mate's first base (as aligned) may lie.
    let (from, to) = if anchor.reverse {
        let end = anchor.unclipped_end(anchor_length);
        (end - high, end - low)
    } else {
        let start = anchor.unclipped_start();
        (
            start + low - i64::from(length),
            start + high - i64::from(length),
        )
    };
    let reverse = !anchor.reverse;
    let genome = reference.packed();
    let from = from.max(0) as usize;
    let to = (to.max(0) as usize).min(reference.genome_len() as usize - length as usize - 1);
    if to <= from {
        return None;
    }
    let (codes, _) = packed.read(mate);
    if reverse {
        reverse_complement_packed(codes, length as usize, &mut scratch.oriented);
    } else {
        scratch.oriented.clear();
        scratch.oriented.extend_from_slice(codes);
    }
    let kmer = |words: &[u32], i: usize| (window(words, i) & MASK) as usize;
    let starts = length as usize - K + 1;
    for i in 0..starts {
        scratch.places[kmer(&scratch.oriented, i)] = i as u16 + 1;
    }
    // votes[d]: k-mers at diagonal from + d - length.
    scratch.votes.clear();
    scratch.votes.resize(to - from + 2 * length as usize, 0);
    let mut at = from;
    while at < to + starts {
        let mut bases = window(genome, at);
        for i in at..(at + 32 - K + 1).min(to + starts) {
            let place = scratch.places[(bases & MASK) as usize];
            if place != 0 {
                let vote = &mut scratch.votes[i + length as usize - from - (place as usize - 1)];
                *vote = vote.saturating_add(1);
            }
            bases >>= 2;
        }
        at += 32 - K + 1;
    }
    for i in 0..starts {
        scratch.places[kmer(&scratch.oriented, i)] = 0;
    }
    // The diagonal of most votes, the lowest of several.
    let inside = length as usize..length as usize + (to - from);
    let (best, &most) = scratch.votes[inside]
        .iter()
        .enumerate()
        .rev()
        .max_by_key(|v| v.1)?;
    if most < FEWEST {
        return None;
    }
    let spread = |mut others: std::slice::Iter<u8>| others.position(|&v| v >= FEWEST);
    let at = length as usize + best;
    let reach = BAND - 8;
    let low =
        spread(scratch.votes[at.saturating_sub(reach)..at].iter()).map_or(0, |p| at.min(reach) - p);
    let above = &scratch.votes[at + 1..(at + 1 + reach).min(scratch.votes.len())];
    let high = above
        .iter()
        .rposition(|&v| v >= FEWEST)
        .map_or(0, |p| p + 1);
    Some(Candidate {
        read: mate as u32,
        diagonal: (from + best) as u32,
        votes: u32::from(most) | if reverse { REVERSE } else { 0 },
        seeded: 0,
        spread: low as u32 | (high as u32) << 16,
    })
}
