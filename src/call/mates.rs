//! A fragment's two reads: what lies beyond it, and what both of them show.

use super::reads::{Read, columns};
use crate::domain::CigarOp;

/// A fragment's two readings of one base together count for no more than this phred, or than the better
/// one alone: what both mates show may have been a wrong copy before sequencing began (GATK's PCR SNV
/// quality), and the quality of a consensus of copies has that in it.
const FRAGMENT_QUALITY: u8 = 40;
/// Where mates disagree, the better one is believed if it is better by this many phred.
const CLEARLY_BETTER: u8 = 10;

/// An adapter's first bases may look like the genome's, or align with a gap; more of them than this do
/// not, and are clipped.
const ALIGNED_ADAPTER: u32 = 12;

/// Where both reads of a fragment cover a base, they must not count twice; where one goes on behind
/// the other's first base, that is adapter.
pub fn settle(reads: &mut [Read], fragments: usize) {
    let mut first: Vec<Option<u32>> = vec![None; fragments];
    for i in 0..reads.len() {
        let f = reads[i].fragment as usize;
        match first[f] {
            None => first[f] = Some(i as u32),
            Some(j) => {
                let (before, after) = reads.split_at_mut(i);
                let (a, b) = (&mut before[j as usize], &mut after[0]);
                mask_adapter(a, b);
                settle_two(a, b);
            }
        }
    }
}

/// Gives each base that both show to one of the two.
fn settle_two(a: &mut Read, b: &mut Read) {
    let from = a.start.max(b.start);
    let to = a.end.min(b.end);
    if from >= to {
        return;
    }
    let (of_a, of_b) = (columns(a, from, to), columns(b, from, to));
    for (i, j) in of_a.into_iter().zip(of_b) {
        let (Some(i), Some(j)) = (i, j) else { continue };
        let (p, q) = (a.quals[i], b.quals[j]);
        if p == 0 || q == 0 {
            continue;
        }
        if a.bases[i] == b.bases[j] {
            let half = p.max(q).max(FRAGMENT_QUALITY) / 2;
            a.weighed[i] = a.weighed[i].min(half);
            b.weighed[j] = b.weighed[j].min(half);
            if q > p {
                a.counted[i] = 0;
            } else {
                b.counted[j] = 0;
            }
        } else {
            a.weighed[i] = 0;
            b.weighed[j] = 0;
            let difference = p.abs_diff(q);
            let believed = if difference >= CLEARLY_BETTER {
                difference
            } else {
                0
            };
            a.counted[i] = if p > q { believed } else { 0 };
            b.counted[j] = if q > p { believed } else { 0 };
        }
    }
}

/// A fragment ends where the other read begins. What a read shows behind that is the adapter, also
/// where it was aligned: quality 0.
fn mask_adapter(a: &mut Read, b: &mut Read) {
    let (forward, reverse) = match (a.reverse, b.reverse) {
        (false, true) => (a, b),
        (true, false) => (b, a),
        _ => return,
    };
    let (start, end) = (forward.start, reverse.end);
    if start >= end {
        return;
    }
    let clipped = |c: Option<&(u32, CigarOp)>| matches!(c, Some((_, CigarOp::SoftClip)));
    // Where its first bases are clipped, a read does not say where the fragment ends.
    let (start_known, end_known) = (
        !clipped(forward.cigar.first()),
        !clipped(reverse.cigar.last()),
    );
    if end_known && (1..=ALIGNED_ADAPTER).contains(&forward.end.saturating_sub(end)) {
        let all = forward.bases.len();
        let kept = bases_before(&forward.cigar, end - forward.start);
        forward.forget(kept.min(all)..all);
    }
    if start_known && (1..=ALIGNED_ADAPTER).contains(&start.saturating_sub(reverse.start)) {
        let backwards: Vec<_> = reverse.cigar.iter().rev().copied().collect();
        let kept = bases_before(&backwards, reverse.end - start);
        reverse.forget(0..reverse.bases.len().saturating_sub(kept));
    }
}

/// How many of a read's bases stand before the place that is `distance` reference bases behind its
/// first aligned one. A gap just before that place is taken for the adapter's; more bases than the read
/// has if it ends in one.
fn bases_before(cigar: &[(u32, CigarOp)], distance: u32) -> usize {
    let (mut bases, mut left) = (0, distance);
    for &(n, op) in cigar {
        let gap = matches!(op, CigarOp::Insertion | CigarOp::Deletion);
        if op == CigarOp::Match && n >= left || gap && left <= ALIGNED_ADAPTER {
            break;
        }
        bases += if op.takes_read() { n } else { 0 };
        left = left.saturating_sub(if op.takes_reference() { n } else { 0 });
    }
    (bases + left) as usize
}

#[cfg(test)]
mod tests {
    use super::super::reads::tests::read;
    use super::*;

    #[test]
    fn mates_that_agree_count_once_and_weigh_no_more_than_q40() {
        let mut reads = vec![
            read(0, 10, &[(4, CigarOp::Match)], b"ACGT"),
            read(0, 12, &[(4, CigarOp::Match)], b"GTAA"),
        ];
        settle(&mut reads, 1);
        assert_eq!(reads[0].counted, [37, 37, 37, 37]);
        assert_eq!(reads[1].counted, [0, 0, 37, 37]);
        assert_eq!(reads[0].weighed, [37, 37, 20, 20]);
        assert_eq!(reads[1].weighed, [20, 20, 37, 37]);
    }

    #[test]
    fn mates_of_a_consensus_that_agree_weigh_as_much_as_the_better_one() {
        let mut reads = vec![
            read(0, 10, &[(2, CigarOp::Match)], b"AC"),
            read(0, 10, &[(2, CigarOp::Match)], b"AC"),
        ];
        reads[0].quals = vec![60, 44];
        reads[0].weighed = vec![60, 44];
        settle(&mut reads, 1);
        assert_eq!(reads[0].weighed, [30, 22]);
        assert_eq!(reads[1].weighed, [30, 22]);
    }

    #[test]
    fn mates_that_disagree_are_not_heard_unless_one_is_clearly_better() {
        let mut reads = vec![
            read(0, 10, &[(2, CigarOp::Match)], b"AC"),
            read(0, 10, &[(2, CigarOp::Match)], b"TG"),
        ];
        reads[1].quals[1] = 11;
        settle(&mut reads, 1);
        assert_eq!(reads[0].counted, [0, 26]);
        assert_eq!(reads[1].counted, [0, 0]);
        assert_eq!(reads[0].weighed, [0, 0]);
    }

    /// A pair of 60 bases of the genome, each read of which goes on for three bases of adapter.
    fn short_pair(forward: &[(u32, CigarOp)], reverse: &[(u32, CigarOp)]) -> Vec<Read> {
        let bases = [b'A'; 63];
        let first = read(0, 100, forward, &bases);
        let mut second = read(0, 100, reverse, &bases);
        second.start = 160 - (second.end - second.start);
        second.end = 160;
        second.reverse = true;
        vec![first, second]
    }

    #[test]
    fn what_is_aligned_behind_the_fragment_is_not_known() {
        use CigarOp::{Deletion, Insertion, Match, SoftClip};
        let known = |r: &Read| (0..63).filter(|&i| r.quals[i] > 0).collect::<Vec<_>>();
        let whole = [(63, Match)];
        for (forward, reverse) in [
            (&whole[..], &whole[..]),
            (&[(58, Match), (1, Insertion), (4, Match)], &whole),
            (
                &[(60, Match), (3, SoftClip)],
                &[(3, Match), (2, Deletion), (60, Match)],
            ),
        ] {
            let mut reads = short_pair(forward, reverse);
            settle(&mut reads, 1);
            if forward.len() != 2 {
                assert_eq!(known(&reads[0]), (0..60).collect::<Vec<_>>());
            }
            assert_eq!(known(&reads[1]), (3..63).collect::<Vec<_>>());
            assert_eq!(reads[0].weighed[61].min(reads[1].weighed[1]), 0);
        }
    }

    #[test]
    fn gaps_anywhere_near_the_ends_are_no_trouble() {
        use CigarOp::{Deletion, Insertion, Match};
        for gap in [Deletion, Insertion] {
            for before in 1..62 {
                for length in 1..13 {
                    let bases = if gap == Insertion { length } else { 0 };
                    if before + bases >= 63 {
                        continue;
                    }
                    let cigar = [(before, Match), (length, gap), (63 - before - bases, Match)];
                    let turned = [cigar[2], cigar[1], cigar[0]];
                    let mut reads = short_pair(&cigar, &turned);
                    settle(&mut reads, 1);
                    let unknown =
                        |r: &Read| r.quals.iter().map(|&q| usize::from(q == 0)).sum::<usize>();
                    assert!(reads.iter().all(|r| unknown(r) <= 16), "{cigar:?}");
                }
            }
        }
    }

    #[test]
    fn a_clipped_first_base_does_not_end_the_fragment() {
        use CigarOp::{Match, SoftClip};
        let mut reads = short_pair(&[(63, Match)], &[(60, Match), (3, SoftClip)]);
        settle(&mut reads, 1);
        assert_eq!(reads[0].quals, [37; 63]);
    }

    #[test]
    fn reads_that_point_outwards_are_no_short_fragment() {
        // A copy in tandem: the forward read stands far to the right.
        let mut reads = short_pair(&[(63, CigarOp::Match)], &[(63, CigarOp::Match)]);
        (reads[0].start, reads[0].end) = (130, 193);
        settle(&mut reads, 1);
        assert_eq!(reads[0].quals, [37; 63]);
        assert_eq!(reads[1].quals, [37; 63]);
    }
}
