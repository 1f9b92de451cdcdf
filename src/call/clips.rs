//! Insertions and deletions that the aligner could not carry through: it clipped the reads instead.
//! Where several reads are clipped at one place, their clipped bases are put together, and the
//! reference is searched for where they go on.

use super::allele::{Stretch, normalize};
use super::reads::{Load, Read};
use crate::domain::bases::LETTERS;
use crate::domain::{CigarOp, Pos, Variant};
use std::collections::BTreeMap;

/// Clipped reads that a place needs.
const LEAST_READS: usize = 3;
/// Clipped bases that a read needs to vote.
const LEAST_CLIP: usize = 8;
/// Bases that must fit behind the gap.
const ANCHOR: usize = 14;
/// Longest gap looked for.
const LONGEST: usize = 120;

/// A pile of clips at one place, all on the same side of it.
struct Pile<'a> {
    /// Reads with the range of their clipped bases.
    clips: Vec<(&'a Read, std::ops::Range<usize>)>,
}

/// Clips by place and side: on the left of it or not.
fn piles(load: &Load) -> BTreeMap<(u32, bool), Pile<'_>> {
    let mut piles: BTreeMap<(u32, bool), Pile> = BTreeMap::new();
    for read in &load.reads {
        let length = read.bases.len();
        let clip = |c: Option<&(u32, CigarOp)>| match c {
            Some(&(n, CigarOp::SoftClip)) => n as usize,
            _ => 0,
        };
        let (left, right) = (clip(read.cigar.first()), clip(read.cigar.last()));
        for (n, place, range) in [
            (left, (read.start, true), 0..left),
            (right, (read.end, false), length - right..length),
        ] {
            if n >= LEAST_CLIP && read.quals[range.clone()].iter().any(|&q| q > 0) {
                let pile = piles
                    .entry(place)
                    .or_insert_with(|| Pile { clips: Vec::new() });
                pile.clips.push((read, range));
            }
        }
    }
    piles
}

/// Places at which reads are clipped, by position, with their number; both sides together.
pub fn places(load: &Load) -> Vec<(Pos, u32)> {
    let mut counts: BTreeMap<Pos, u32> = BTreeMap::new();
    for ((place, on_left), pile) in piles(load) {
        let last_fitting = place.saturating_sub(u32::from(!on_left));
        *counts.entry(Pos(last_fitting)).or_insert(0) += pile.clips.len() as u32;
    }
    counts
        .into_iter()
        .filter(|c| c.1 >= LEAST_READS as u32)
        .collect()
}

/// Normalized insertions and deletions that clipped reads agree on, each with its fragments.
pub fn indels(load: &Load, around: &Stretch) -> Vec<(Variant, Vec<u32>)> {
    piles(load)
        .into_iter()
        .filter(|(_, pile)| pile.clips.len() >= LEAST_READS)
        .filter_map(|((place, on_left), pile)| {
            let letters = consensus(&pile, on_left);
            let variant = explain(&letters, place, on_left, around)?;
            let fragments = pile.clips.iter().map(|(r, _)| r.fragment).collect();
            Some((variant, fragments))
        })
        .collect()
}

/// What most of a pile's reads say, from the place outwards, as far as two of them agree.
fn consensus(pile: &Pile, on_left: bool) -> Vec<u8> {
    let longest = pile.clips.iter().map(|(_, r)| r.len()).max().unwrap_or(0);
    let mut out = Vec::new();
    for k in 0..longest {
        let mut votes = [0u32; 4];
        for (read, range) in pile.clips.iter().filter(|(_, r)| k < r.len()) {
            let i = if on_left {
                range.end - 1 - k
            } else {
                range.start + k
            };
            votes[read.bases[i] as usize] += u32::from(read.quals[i]);
        }
        let best = (0..4).rev().max_by_key(|&b| votes[b]).unwrap_or(0);
        let all: u32 = votes.iter().sum();
        if all == 0 || votes[best] * 4 < all * 3 {
            break;
        }
        out.push(LETTERS[best]);
    }
    out
}

/// The one gap that lets `letters` (outwards from `place`) go on in the reference: a deletion, or an
/// insertion that leaves at least [`ANCHOR`] bases behind it. The smallest gap is preferred.
fn explain(letters: &[u8], place: u32, on_left: bool, around: &Stretch) -> Option<Variant> {
    // Reference bases from the place outwards, by distance.
    let reference = |k: i64| -> u8 {
        let p = if on_left {
            i64::from(place) - 1 - k
        } else {
            i64::from(place) + k
        };
        u32::try_from(p).map_or(b'N', |p| around.at(p))
    };
    let fits = |letters: &[u8], from: i64| {
        let misfits = letters
            .iter()
            .enumerate()
            .filter(|&(k, &l)| reference(from + k as i64) != l)
            .count();
        misfits * 20 <= letters.len()
    };
    if letters.len() < ANCHOR || fits(letters, 0) {
        return None;
    }
    for gap in 1..=LONGEST {
        let (from, to, inserted);
        if fits(letters, gap as i64) {
            (from, to, inserted) = if on_left {
                (place.checked_sub(gap as u32)?, place, Vec::new())
            } else {
                (place, place + gap as u32, Vec::new())
            };
        } else if gap + ANCHOR <= letters.len() && fits(&letters[gap..], 0) {
            let mut bases = letters[..gap].to_vec();
            if on_left {
                bases.reverse();
            }
            (from, to, inserted) = (place, place, bases);
        } else {
            continue;
        }
        let before = from.checked_sub(1)?;
        let anchor = around.at(before);
        let mut deleted = vec![anchor];
        deleted.extend(around.part(from, to));
        let mut alternate = vec![anchor];
        alternate.extend(inserted);
        if deleted.contains(&b'N') || deleted.len() != (to - from) as usize + 1 {
            return None;
        }
        return Some(normalize(
            Variant {
                contig: around.contig,
                pos: Pos(before),
                reference: deleted,
                alternate,
            },
            around,
        ));
    }
    None
}

#[cfg(test)]
mod tests {
    use super::super::reads::tests::read;
    use super::*;
    use crate::domain::{ContigId, Span};

    const GENOME: &[u8] =
        b"GATTACAGGCTTCAACGGATCTCGTAGGACTTACGCATTGCAGCCTAAGTCTGAACCGTTAGGCATCAGGTTCA";

    fn stretch() -> Stretch {
        Stretch {
            contig: ContigId(0),
            span: Span::new(0, GENOME.len() as u32),
            bases: GENOME.to_vec(),
        }
    }

    fn load(reads: Vec<Read>) -> Load {
        Load {
            fragments: vec![0; reads.len()],
            reads,
        }
    }

    #[test]
    fn clips_that_go_on_behind_a_gap_are_a_deletion() {
        let mut bases = GENOME[..20].to_vec();
        bases.extend(&GENOME[45..65]);
        let cigar = [(20, CigarOp::Match), (20, CigarOp::SoftClip)];
        let reads = (0..3).map(|f| read(f, 0, &cigar, &bases)).collect();
        let found = indels(&load(reads), &stretch());
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].0.reference.len(), 26);
        assert_eq!(found[0].0.alternate.len(), 1);
        assert_eq!(found[0].1, [0, 1, 2]);
    }

    #[test]
    fn clips_with_new_bases_in_front_of_known_ones_are_an_insertion() {
        let new = b"TTGGCCAATTGGCACCAT";
        let mut bases = GENOME[10..30].to_vec();
        bases.extend(new);
        bases.extend(&GENOME[30..60]);
        // Aligned on the right, clipped on the left.
        let cigar = [(38, CigarOp::SoftClip), (30, CigarOp::Match)];
        let reads = (0..3).map(|f| read(f, 30, &cigar, &bases)).collect();
        let found = indels(&load(reads), &stretch());
        assert_eq!(found.len(), 1);
        let v = &found[0].0;
        assert_eq!(v.alternate.len() - v.reference.len(), new.len());
    }

    #[test]
    fn clips_of_something_else_are_nothing() {
        let mut bases = GENOME[..20].to_vec();
        bases.extend(b"CCCCCGGGGGTTTTTAAAAACCCCC");
        let cigar = [(20, CigarOp::Match), (25, CigarOp::SoftClip)];
        let reads = (0..3).map(|f| read(f, 0, &cigar, &bases)).collect();
        assert!(indels(&load(reads), &stretch()).is_empty());
    }
}
