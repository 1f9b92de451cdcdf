//! Split reads: where the best hit of a read leaves out one of its ends, the end is looked for, first
//! near the hit, as behind a long gap or in a tandem copy ([`near`]), then anywhere, by its own seeds
//! ([`tails`]). Host code, for the few reads that are clipped; the jobs of the second search go
//! through the kernels like any other.

use super::hit::{Hit, Hits, insert};
use crate::batch::{PackedReads, ReadBatch};
use crate::domain::GenomePos;
use crate::domain::bases::{get_code, window};
use crate::genome::syncmer::K;
use crate::genome::{Island, Reference};
use crate::kernel::candidate::Candidate;
use crate::kernel::extend::{RUN_DELETION, RUN_INSERTION, RUN_MATCH, Scoring, aligned_codes};
use crate::kernel::seed::{REVERSE, Reads, Seed};
use std::cmp::Reverse;
use std::ops::Range;

/// How far from a hit's diagonal its clipped end is looked for, bases: the longest gap.
pub const NEARBY: u32 = 200;
/// Outermost bases of a clipped end that must be found, and the fewest that are looked for.
const PROBE: usize = 16;
/// Differences that the probe may have.
const PROBE_DIFFERENCES: u32 = 1;
/// Most that one long gap costs: the end behind it was found among few diagonals, so that its length
/// says little about whether it is real. A gap of 15 bases costs as much by the kernel's scoring.
const LONG_GAP: i32 = 20;
/// Least score, bonuses aside, of an end that lies near but cannot be joined.
const LEAST_NEAR: i32 = 20;
/// Fewest clipped bases that are looked for anywhere.
const LEAST_TAIL: u32 = 24;

/// Bases beside a clip that its tail takes along: an alignment runs a few bases past a breakpoint by chance.
const MARGIN: u32 = 8;
/// Most places of a tail's seeds that are looked at, the rarest seeds first.
const MOST_PLACES: u32 = 4096;
/// Most diagonals that a tail is aligned at, those of most seeds first.
const MOST_PLACED: usize = 16;

/// Working memory.
#[derive(Debug, Default)]
pub struct Scratch {
    codes: Vec<u8>,
}

/// Looks for the clipped ends of hits near them. An end behind a gap of up to [`NEARBY`] bases is
/// joined to its hit if that raises its score; one that is found and not joined becomes a hit of its own.
/// All clipped hits of a read are served alike, so that copies stay comparable. Gives the number of ends found. Gives how many ends were found.
pub fn near(
    hits: &mut Hits,
    packed: &PackedReads,
    reference: &Reference,
    scoring: &Scoring,
    scratch: &mut Scratch,
) -> u64 {
    let mut ends_found = 0;
    for r in 0..hits.of_read.len() {
        let length = packed.spans[r].len;
        let clipped = |h: &Hit| h.read_start.max(length - h.read_end) >= PROBE as u32;
        if !hits.of_read[r].first().is_some_and(clipped) {
            continue;
        }
        let salt = packed.read(r).0[0];
        for mut hit in hits.of_read[r].clone().into_iter().filter(clipped) {
            let Some(island) = reference.island_at(GenomePos(hit.start)) else {
                continue;
            };
            let orientation = Candidate {
                read: r as u32,
                votes: if hit.reverse { REVERSE } else { 0 },
                ..Candidate::default()
            };
            aligned_codes(
                Reads {
                    words: &packed.words,
                    masks: &packed.masks,
                    spans: &packed.spans,
                },
                &orientation,
                &mut scratch.codes,
            );
            let read = Read {
                codes: &scratch.codes,
                genome: reference.packed(),
                island,
                scoring,
            };
            for side in [Side::Left, Side::Right] {
                match read.look(&hit, side, &mut hits.runs) {
                    Some(Found::Joined(joined)) => {
                        ends_found += 1;
                        insert(&mut hits.of_read[r], joined, salt);
                        hit = joined;
                    }
                    Some(Found::Beside(other)) => {
                        ends_found += 1;
                        insert(&mut hits.of_read[r], other, salt);
                    }
                    None => {}
                }
            }
        }
    }
    ends_found
}

/// An end of a read as aligned.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Side {
    Left,
    Right,
}

/// What became of a clipped end that was found.
enum Found {
    /// One alignment with the hit it was clipped from.
    Joined(Hit),
    /// A hit of its own.
    Beside(Hit),
}

/// A read as aligned, and where. Diagonals are genome positions less read positions.
struct Read<'a> {
    codes: &'a [u8],
    genome: &'a [u32],
    island: &'a Island,
    scoring: &'a Scoring,
}

impl Read<'_> {
    /// Looks for a clipped end of a hit on the diagonals near it. Of several, the best score, then
    /// the shortest gap, then the lowest diagonal.
    fn look(&self, hit: &Hit, side: Side, runs: &mut Vec<u32>) -> Option<Found> {
        let length = self.codes.len();
        let clip = match side {
            Side::Left => hit.read_start as usize,
            Side::Right => length - hit.read_end as usize,
        };
        if clip < PROBE {
            return None;
        }
        let (at, own) = match side {
            Side::Left => (0, hit.unclipped_start()),
            Side::Right => (length - PROBE, i64::from(hit.end) - i64::from(hit.read_end)),
        };
        let near = self.matches(at, own);
        let rank = |score: i32, d: i64| (score, Reverse((d - own).abs()), Reverse(d));
        let joins = near
            .iter()
            .filter_map(|&d| self.join(hit, side, own, d, runs));
        let join = joins.max_by_key(|j| rank(j.ranked, j.diagonal));
        if let Some(join) = join.filter(|j| j.ranked > hit.ranked) {
            let place = (runs.len() as u32, join.runs.len() as u32);
            runs.extend(join.runs);
            let mut joined = Hit {
                ranked: join.ranked,
                runs: place,
                ..*hit
            };
            match side {
                Side::Left => (joined.start, joined.read_start) = (join.diagonal as u32, 0),
                Side::Right => {
                    joined.end = (join.diagonal + length as i64) as u32;
                    joined.read_end = length as u32;
                }
            }
            joined.score = joined.ranked - self.bonus(joined.read_start, joined.read_end);
            return Some(Found::Joined(joined));
        }
        let (score, inner, d) = near
            .into_iter()
            .map(|d| {
                let (score, inner) = self.outermost(side, d);
                (score, inner, d)
            })
            .max_by_key(|&(score, _, d)| rank(score, d))?;
        let (read_start, read_end) = match side {
            Side::Left => (0, inner),
            Side::Right => (inner, length as u32),
        };
        (score >= LEAST_NEAR).then(|| {
            Found::Beside(Hit {
                start: (d + i64::from(read_start)) as u32,
                end: (d + i64::from(read_end)) as u32,
                read_start,
                read_end,
                score,
                ranked: score + self.bonus(read_start, read_end),
                runs: (0, 0),
                ..*hit
            })
        })
    }

    /// Diagonals near `own`, but not itself, on which the probe at `at` of the read fits.
    fn matches(&self, at: usize, own: i64) -> Vec<i64> {
        const LOW: u64 = 0x5555_5555_5555_5555 & ((1 << (2 * PROBE)) - 1);
        let probe = (0..PROBE).fold(0, |p, i| p | u64::from(self.codes[at + i] & 3) << (2 * i));
        let first = i64::from(self.island.genome) - at as i64;
        let last = first + i64::from(self.island.length) - PROBE as i64;
        let (low, high) = (own - i64::from(NEARBY), own + i64::from(NEARBY));
        (low.max(first)..=high.min(last))
            .filter(|&d| {
                let difference = window(self.genome, (d + at as i64) as usize) ^ probe;
                let differences = ((difference | difference >> 1) & LOW).count_ones();
                d != own && differences <= PROBE_DIFFERENCES
            })
            .collect()
    }

    /// A hit and its clipped end on diagonal `d` as one alignment with a gap between the run next to
    /// the end and the end, leftmost of the best places.
    fn join(&self, hit: &Hit, side: Side, own: i64, d: i64, runs: &[u32]) -> Option<Join> {
        let s = self.scoring;
        let whole = [(hit.read_end - hit.read_start) << 4 | RUN_MATCH];
        let old = match hit.runs {
            (_, 0) => &whole[..],
            (first, n) => &runs[first as usize..][..n as usize],
        };
        let (length, read_start, read_end) = (
            self.codes.len(),
            hit.read_start as usize,
            hit.read_end as usize,
        );
        // The run that the gap cuts, and the stretch of the read in which it does.
        let (run, stretch, diagonals, kept) = match side {
            Side::Left => {
                let end = read_start + (old[0] >> 4) as usize;
                (read_start..end, 0..end, (d, own), &old[1..])
            }
            Side::Right => {
                let (last, before) = old.split_last()?;
                let start = read_end - (last >> 4) as usize;
                (start..read_end, start..length, (own, d), before)
            }
        };
        let (at, score) = self.cut(stretch.clone(), diagonals)?;
        let (gap, op) = match diagonals.1 - diagonals.0 {
            n if n > 0 => (n as u32, RUN_DELETION),
            n => (n.unsigned_abs() as u32, RUN_INSERTION),
        };
        let inserted = if op == RUN_INSERTION { gap as usize } else { 0 };
        let parts = [
            ((at - stretch.start) as u32) << 4 | RUN_MATCH,
            gap << 4 | op,
            ((stretch.end - at - inserted) as u32) << 4 | RUN_MATCH,
        ];
        let cost = (s.gap_first + (gap as i32 - 1) * s.gap_next).min(LONG_GAP);
        let lost: i32 = run.map(|i| self.pair(i, own)).sum();
        Some(Join {
            ranked: hit.ranked - lost + score - cost + s.end_bonus,
            diagonal: d,
            runs: match side {
                Side::Left => [&parts[..], kept].concat(),
                Side::Right => [kept, &parts[..]].concat(),
            },
        })
    }

    /// Where a stretch of the read best passes from one diagonal to the other: the first base behind
    /// the first diagonal's, the lowest of several, and the score of both parts. Bases between lower
    /// diagonals are inserted.
    fn cut(&self, stretch: Range<usize>, (left, right): (i64, i64)) -> Option<(usize, i32)> {
        let inserted = (left - right).max(0) as usize;
        let first = stretch.start + 1;
        let mut score = self.pair(stretch.start, left)
            + (first + inserted..stretch.end)
                .map(|i| self.pair(i, right))
                .sum::<i32>();
        let mut best = None;
        for at in first..stretch.end.saturating_sub(inserted) {
            if best.is_none_or(|(_, most)| score > most) {
                best = Some((at, score));
            }
            score += self.pair(at, left) - self.pair(at + inserted, right);
        }
        best
    }

    /// The best ungapped stretch on a diagonal that reaches an end of the read: its score, and where
    /// it ends (or begins), the nearest to the read's end of several.
    fn outermost(&self, side: Side, d: i64) -> (i32, u32) {
        let length = self.codes.len();
        let (mut score, mut best) = (0, (0, 0));
        for n in 1..=length {
            score += self.pair(
                if side == Side::Left {
                    n - 1
                } else {
                    length - n
                },
                d,
            );
            if score > best.0 {
                best = (score, n);
            }
        }
        let inner = if side == Side::Left {
            best.1
        } else {
            length - best.1
        };
        (best.0, inner as u32)
    }

    /// Score of base `i` on a diagonal.
    fn pair(&self, i: usize, diagonal: i64) -> i32 {
        let s = self.scoring;
        let at = diagonal + i as i64 - i64::from(self.island.genome);
        match self.codes[i] {
            4 => -s.unknown,
            c if (0..i64::from(self.island.length)).contains(&at)
                && c == get_code(self.genome, (diagonal + i as i64) as usize) =>
            {
                s.matched
            }
            _ => -s.mismatch,
        }
    }

    /// The bonuses of an alignment of these bases.
    fn bonus(&self, read_start: u32, read_end: u32) -> i32 {
        let ends = i32::from(read_start == 0) + i32::from(read_end as usize == self.codes.len());
        self.scoring.end_bonus * ends
    }
}

/// See [`Read::join`].
struct Join {
    ranked: i32,
    /// Where the end lies.
    diagonal: i64,
    runs: Vec<u32>,
}

/// Clipped ends as reads of their own.
#[derive(Debug, Default)]
pub struct Tails {
    /// The ends, as sequenced.
    pub packed: PackedReads,
    /// For each: the read, its length, and where in it, as sequenced, the end begins.
    places: Vec<(u32, u32, u32)>,
}

/// The clipped ends of the reads' best hits that were not found near.
pub fn tails(hits: &Hits, batch: &ReadBatch) -> Tails {
    let mut ends = ReadBatch::default();
    let mut places = Vec::new();
    for (r, own) in hits.of_read.iter().enumerate() {
        let Some(best) = own.first() else { continue };
        let length = batch.read_len(r) as u32;
        let (from, to) = best.sequenced_span(length);
        for (start, end) in [(0, from), (to, length)] {
            let found_near = own[1..].iter().any(|h| {
                let span = h.sequenced_span(length);
                let shared = span.1.min(end).saturating_sub(span.0.max(start));
                h.is_near(best, NEARBY) && 2 * shared >= end - start
            });
            if end - start >= LEAST_TAIL && !found_near {
                let start = if start == 0 {
                    0
                } else {
                    start.saturating_sub(MARGIN)
                };
                let end = if end == length {
                    end
                } else {
                    (end + MARGIN).min(length)
                };
                ends.bases
                    .extend(&batch.bases(r)[start as usize..end as usize]);
                ends.read_ends.push(ends.bases.len() as u32);
                places.push((r as u32, length, start));
            }
        }
    }
    let mut packed = PackedReads::default();
    packed.fill(&ends);
    Tails { packed, places }
}

impl Tails {
    /// How many there are.
    pub fn len(&self) -> usize {
        self.places.len()
    }

    /// Nothing to look for.
    pub fn is_empty(&self) -> bool {
        self.places.is_empty()
    }

    /// Candidates of the ends' reads, from the ends' seeds (in order, and where each end's list ends).
    /// More places are looked at than for whole reads, as few ends are looked for and what matters
    /// in one that lies in a repeat is which of its many copies fits best.
    pub fn jobs(&self, seeds: &[Seed], seed_ends: &[u32], positions: &[u32]) -> Vec<Candidate> {
        let mut jobs = Vec::new();
        let mut from = 0;
        for (t, &to) in seed_ends.iter().enumerate() {
            let mut lists = seeds[from as usize..to as usize].to_vec();
            from = to;
            lists.sort_by_key(|l| l.count);
            // Places by strand, diagonal, and offset in the read as aligned.
            let (mut places, mut total) = (Vec::new(), 0);
            for list in lists {
                total += list.count;
                if total > MOST_PLACES {
                    break;
                }
                let offset = self.offset(t, list);
                let at = &positions[list.start as usize..(list.start + list.count) as usize];
                let places_of = at.iter().filter_map(|p| p.checked_sub(offset));
                places.extend(places_of.map(|d| (list.is_reverse(), d, offset)));
            }
            places.sort_unstable();
            let mut lines: Vec<_> = places.chunk_by(|a, b| (a.0, a.1) == (b.0, b.1)).collect();
            lines.sort_by_key(|l| Reverse(l.len()));
            jobs.extend(lines.iter().take(MOST_PLACED).map(|line| {
                let (first, last) = (line[0], line[line.len() - 1]);
                Candidate {
                    read: self.places[t].0,
                    diagonal: first.1,
                    votes: line.len() as u32 | if first.0 { REVERSE } else { 0 },
                    seeded: first.2 | (last.2 + K as u32) << 16,
                    spread: 0,
                }
            }));
        }
        jobs
    }

    /// Where a seed of end `t` begins in its read as aligned.
    fn offset(&self, t: usize, seed: Seed) -> u32 {
        let (_, length, start) = self.places[t];
        let as_sequenced = start + seed.offset();
        if seed.is_reverse() {
            length - K as u32 - as_sequenced
        } else {
            as_sequenced
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::align::testing::{place, random, reference};
    use crate::domain::{Cigar, CigarOp, reverse_complement};
    use crate::genome::Reference;

    /// Where a read is placed: position counted from 0, strand and CIGAR of its primary alignment,
    /// then of the supplementary ones.
    fn placed(reference: &Reference, read: &[u8]) -> Vec<String> {
        let placed = place(reference, read);
        let end = &placed.templates[0].ends[0];
        let hits = end
            .hit
            .into_iter()
            .chain(end.supplementary.iter().map(|s| s.0));
        hits.map(|h| {
            let hit = &placed.hits.of_read[0][h];
            let mut cigar = Cigar::default();
            placed
                .hits
                .cigar(hit, read.len() as u32, CigarOp::SoftClip, &mut cigar);
            let (_, pos) = reference
                .locate(crate::domain::GenomePos(hit.start))
                .unwrap();
            let strand = if hit.reverse { '-' } else { '+' };
            format!("{}{strand}{cigar}", pos.0)
        })
        .collect()
    }

    #[test]
    fn a_long_deletion_is_one_alignment_on_either_strand() {
        let genome = random(20_000, 1);
        let reference = reference(&genome);
        for gap in [40, 90, 150] {
            let behind = 5100 + gap;
            for before in [25, 75, 125] {
                let read = [
                    &genome[5100 - before..5100],
                    &genome[behind..behind + 150 - before],
                ]
                .concat();
                // The gap may stand further left where the bases before it are those at its end.
                let shift = (0..before)
                    .take_while(|i| genome[5099 - i] == genome[behind - 1 - i])
                    .count();
                let (m, n) = (before - shift, 150 - before + shift);
                let expected = format!("{}+{m}M{gap}D{n}M", 5100 - before);
                assert_eq!(placed(&reference, &read), [&*expected]);
                let turned = placed(&reference, &reverse_complement(&read));
                assert_eq!(turned, [expected.replace('+', "-")]);
            }
        }
    }

    #[test]
    fn a_long_insertion_is_one_alignment_if_either_side_is_covered() {
        let genome = random(20_000, 2);
        let reference = reference(&genome);
        let novel = random(60, 77);
        for before in [25, 45, 65] {
            let read = [
                &genome[7000 - before..7000],
                &novel,
                &genome[7000..7090 - before],
            ]
            .concat();
            let shift = (0..before)
                .take_while(|i| genome[6999 - i] == read[before + 59 - i])
                .count();
            let (m, n) = (before - shift, 90 - before + shift);
            let expected = format!("{}+{m}M60I{n}M", 7000 - before);
            assert_eq!(placed(&reference, &read), [expected]);
        }
    }

    #[test]
    fn a_tandem_copy_that_cannot_be_joined_is_a_supplementary_alignment() {
        let genome = random(20_000, 3);
        let reference = reference(&genome);
        // 9000..9080 twice; the read sees 120 bases up to the first copy's end and 30 of the second.
        let read = [&genome[8960..9080], &genome[9000..9030]].concat();
        let segments = placed(&reference, &read);
        assert_eq!(segments.len(), 2, "{segments:?}");
        assert!(segments[0].starts_with("8960+12"), "{segments:?}");
        let start: u32 = segments[1].split('+').next().unwrap().parse().unwrap();
        assert!((8995..=9000).contains(&start), "{segments:?}");
    }

    #[test]
    fn both_parts_of_a_junction_are_found_however_short_the_second() {
        let genome = random(50_000, 4);
        let reference = reference(&genome);
        for part in [32, 50, 75] {
            let turned = reverse_complement(&genome[30_000..30_000 + part]);
            let read = [&genome[4000..4150 - part], &turned].concat();
            let segments = placed(&reference, &read);
            assert_eq!(segments.len(), 2, "{part}: {segments:?}");
            assert!(
                segments.iter().any(|s| s.starts_with("4000+")),
                "{part}: {segments:?}"
            );
            assert!(
                segments.iter().any(|s| s.starts_with("30000-")),
                "{part}: {segments:?}"
            );
        }
    }

    #[test]
    fn an_adapter_is_clipped_and_no_more() {
        let genome = random(20_000, 5);
        let reference = reference(&genome);
        let read = [&genome[300..380], &random(70, 99)[..]].concat();
        let segments = placed(&reference, &read);
        assert_eq!(segments.len(), 1, "{segments:?}");
        assert!(segments[0].starts_with("300+8"), "{segments:?}");
    }
}
