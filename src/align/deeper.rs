//! A deeper look: at reads whose seeds leave room for a place as good as the best one found.
//!
//! A place at which none of the k-mers looked at stands has a mismatch or worse in each of them, and
//! each of those that do not overlap costs it [`LOSS`]. While that bound is not below the best place found,
//!
//! 1. lists of places that the candidate kernel left out are looked at, the shortest first;
//! 2. for short reads, so are the seeds that the read would have with one base changed.
//!
//! No votes are needed, as each place is compared with the read at once. The best, those that pair
//! with a place of the mate before others, become jobs of the extend kernel. A read that a sure mate
//! holds in its place is left there.

use super::hit::{Hit, Hits};
use super::insert::InsertSize;
use super::neighbours::{self, Neighbour, neighbours};
use super::rescue::distance;
use crate::batch::PackedReads;
use crate::device::lanes::prefetch;
use crate::domain::bases::{get_code, reverse_complement_packed, window};
use crate::genome::Reference;
use crate::genome::index::{Bucket, block_of, lookup};
use crate::genome::syncmer::{K, hash_kmer};
use crate::kernel::candidate::{Candidate, MAX_CANDIDATES, Summary, longest_list};
use crate::kernel::extend::Scoring;
use crate::kernel::seed::{self, REVERSE, Reads, Seed, Thinned, spacing};
use crate::lanes;
use std::cmp::Reverse;

/// Least that an error in a k-mer costs: a match that becomes a mismatch.
const LOSS: i32 = 5;
/// Most bases from the start of a sampled k-mer to that of the next that does not overlap it.
const FARTHEST: u32 = 31;
/// Most places compared with a read.
const MOST_PLACES: u32 = 2048;
/// The same of a read that no mate can place.
const MOST_PLACES_ALONE: u32 = 4096;
/// Longest list of a changed seed's places.
const MOST_NEIGHBOURS: u32 = 64;
/// Reads with more disjoint k-mers than this are not looked up with changed bases: a place that lacks
/// them all has as many errors.
const MOST_DISJOINT: i32 = 3;
/// A read without a mate has no other evidence: it is looked at until a place not seen scores this
/// much less than the best, two mismatches, so that its quality need not be as low as a guess.
const MARGIN: i32 = 10;
/// A mate whose second place scores this much less is sure; bwa's penalty for an unpaired read.
const SURE: i32 = 17;

/// A sampled k-mer of a read.
#[derive(Debug)]
struct Kmer {
    offset: u32,
    /// Its places on the read's strand, and on the other.
    buckets: [Bucket; 2],
    looked: bool,
}

impl Kmer {
    fn places(&self) -> u32 {
        self.buckets[0].count + self.buckets[1].count
    }
}

/// A place of a read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Place {
    score: i32,
    diagonal: u32,
    reverse: bool,
    /// Where the k-mer that led to it begins in the read as aligned.
    offset: u32,
    /// The score that a mate adds.
    mate: i32,
}

/// A k-mer of the read as aligned: packed, where it begins, on which strand.
type AlignedKmer = (u64, u32, bool);

/// A place yet to be compared with the read, and the k-mer that led to it.
#[derive(Clone, Copy, Debug)]
struct Pending {
    at: u32,
    seed: AlignedKmer,
}

/// What is known of a read of the template at hand.
#[derive(Debug, Default)]
struct Side {
    kmers: Vec<Kmer>,
    /// The read and its unknown bases, as on the forward strand, and on the reverse.
    strands: [(Vec<u32>, Vec<u32>); 2],
    places: Vec<Place>,
    seen: Seen,
}

/// Some of the diagonals that a read was compared with, on either strand: the last one of each hash.
#[derive(Debug, Default)]
struct Seen(Vec<[u32; 2]>);

impl Seen {
    /// Diagonals that are kept, a power of two.
    const SLOTS: usize = 2048;
    /// No diagonal: a read cannot begin at the genome's last position.
    const NONE: u32 = u32::MAX;

    fn clear(&mut self) {
        self.0.clear();
        self.0.resize(Seen::SLOTS, [Seen::NONE; 2]);
    }

    fn slot(&mut self, diagonal: u32, reverse: bool) -> &mut u32 {
        &mut self.0[diagonal as usize % Seen::SLOTS][usize::from(reverse)]
    }
}

/// Working memory.
#[derive(Debug, Default)]
pub struct Scratch {
    sides: [Side; 2],
    sampled: seed::Scratch,
    seeds: Vec<Seed>,
    neighbours: Vec<Neighbour>,
    neighbourhood: neighbours::Scratch,
    around: Vec<(Bucket, AlignedKmer)>,
    pending: Vec<Pending>,
    /// Where the mate may lie: strand, diagonal, score.
    mates: Vec<(bool, u32, i32)>,
}

/// What a deeper look needs to know.
#[derive(Clone, Copy)]
pub struct Deeper<'a> {
    /// The reference.
    pub reference: &'a Reference,
    /// The reads.
    pub packed: &'a PackedReads,
    /// How alignments are scored.
    pub scoring: &'a Scoring,
    /// For pairs: their insert size.
    pub insert: Option<&'a InsertSize>,
}

impl Deeper<'_> {
    /// Jobs for the reads that need it, by read. `first` are the candidates that `hits` came from.
    /// Where lists are looked at that were skipped, summaries follow.
    pub fn jobs(
        &self,
        first: &[Candidate],
        hits: &Hits,
        summaries: &mut [Summary],
        scratch: &mut Scratch,
    ) -> Vec<Candidate> {
        let reads = self.packed.spans.len();
        let mut from = vec![0; reads + 1];
        for job in first {
            from[job.read as usize + 1] += 1;
        }
        for r in 0..reads {
            from[r + 1] += from[r];
        }
        let first_of = |r: usize| &first[from[r]..from[r + 1]];
        let ends = if self.insert.is_some() { 2 } else { 1 };
        let mut out = Vec::new();
        for t in 0..reads / ends {
            let read = |e: usize| ends * t + e;
            // What a place not seen may score at most, before and after a closer count.
            let loose = [0, 1].map(|e| {
                (e < ends).then(|| self.loose_bound(read(e), first_of(read(e)), hits, summaries))?
            });
            let mut bounds = [None; 2];
            for e in 0..ends {
                let r = read(e);
                let mate_in_doubt = ends == 2
                    && match e {
                        0 => loose[1].is_some(),
                        _ => bounds[0].is_some(),
                    };
                bounds[e] = loose[e]
                    .filter(|&bound| mate_in_doubt || !self.is_held(r, bound, hits))
                    .and_then(|_| {
                        self.bound_if_in_doubt(r, e, first_of(r), hits, summaries[r], scratch)
                    });
            }
            for e in 0..ends {
                let looked = bounds[e].filter(|&bound| {
                    ends == 1 || bounds[1 - e].is_some() || !self.is_held(read(e), bound, hits)
                });
                scratch.sides[e].places.clear();
                if looked.is_some() {
                    let held = (ends == 2 && bounds[1 - e].is_none())
                        .then(|| self.held(read(e), hits))
                        .flatten();
                    self.look((read(e), e), hits, held, &mut summaries[read(e)], scratch);
                }
            }
            for e in 0..ends {
                if let Some(insert) = self.insert {
                    self.find_mates(read(e), e, hits, insert, scratch);
                }
                self.choose(read(e), &mut scratch.sides[e], first_of(read(e)), &mut out);
            }
        }
        out
    }

    fn length(&self, r: usize) -> u32 {
        self.packed.spans[r].len
    }

    fn best(hits: &Hits, r: usize) -> i32 {
        hits.of_read[r].first().map_or(0, |h| h.ranked)
    }

    /// Score of a place at which the whole read matches.
    fn perfect(&self, r: usize) -> i32 {
        let s = self.scoring;
        let unknown: u32 = self.packed.read(r).1.iter().map(|w| w.count_ones()).sum();
        self.length(r) as i32 * s.matched + 2 * s.end_bonus
            - unknown as i32 * (s.matched + s.unknown)
    }

    /// A place not seen scores no more than this; `None` if the best hit is better for sure.
    fn loose_bound(
        &self,
        r: usize,
        first: &[Candidate],
        hits: &Hits,
        summaries: &[Summary],
    ) -> Option<i32> {
        let (length, best, perfect) = (self.length(r), Self::best(hits, r), self.perfect(r));
        if (length as usize) < K {
            return None;
        }
        let s = self.scoring;
        let all_known = perfect == length as i32 * s.matched + 2 * s.end_bonus;
        let votes = hits.of_read[r].first().map_or(0, |h| h.votes);
        if !all_known || summaries[r].skipped > 0 || crowded(first, votes) {
            return Some(perfect);
        }
        // So many k-mers at least that do not overlap were looked at.
        let farthest = FARTHEST + spacing(length);
        let known = ((length + farthest).saturating_sub(FARTHEST) / farthest) as i32;
        let bound = perfect - LOSS * known;
        (known < MOST_DISJOINT && best <= bound).then_some(bound)
    }

    /// The best score of a place not seen, if the best hit is not better.
    fn bound_if_in_doubt(
        &self,
        r: usize,
        e: usize,
        first: &[Candidate],
        hits: &Hits,
        summary: Summary,
        scratch: &mut Scratch,
    ) -> Option<i32> {
        let (best, perfect) = (Self::best(hits, r), self.perfect(r));
        let votes = hits.of_read[r].first().map_or(0, |h| h.votes);
        self.sample(r, e, scratch);
        let kmers = &mut scratch.sides[e].kmers;
        // A place as good as the best may have no more votes than k-mers were looked at on both
        // strands; others may have the votes of one strand besides, and crowd it out.
        let fair = kmers.iter().filter(|k| k.looked).count() as u32;
        let most = first.first().map_or(0, |c| c.own_votes());
        if crowded(first, fair.min(votes)) || 2 * fair < most {
            for k in kmers.iter_mut() {
                k.looked = false;
            }
        }
        let bound = perfect - LOSS * disjoint(kmers);
        self.in_doubt(bound, &hits.of_read[r], best, perfect, summary)
            .then_some(bound)
    }

    /// Is a place that scores `bound` of interest to a read with these hits, or found places up to `best`?
    fn in_doubt(&self, bound: i32, own: &[Hit], best: i32, perfect: i32, summary: Summary) -> bool {
        let second = own.get(1).map_or(0, |h| h.ranked);
        if self.insert.is_some() {
            return bound >= best;
        }
        // Of two places that hold all of the read none is right or wrong.
        second < perfect
            && (bound >= best
                || summary.skipped > 0 && bound + LOSS > second && bound + MARGIN >= best)
    }

    /// The best score of the read's hits beside a sure mate's, if any.
    fn held(&self, r: usize, hits: &Hits) -> Option<i32> {
        let insert = self.insert?;
        let (own, mate) = (&hits.of_read[r], &hits.of_read[r ^ 1]);
        let anchor = mate.first()?;
        let second = mate.get(1);
        if second.is_some_and(|second| second.ranked + SURE >= anchor.ranked) {
            return None;
        }
        let beside = own.iter().filter(|h| {
            let d = distance(h, self.length(r), anchor, self.length(r ^ 1));
            d.is_some_and(|d| insert.fits(d))
        });
        beside.map(|h| h.ranked).max()
    }

    /// Does a sure mate hold one of the read's hits, such that a place of score `bound` elsewhere is no better?
    fn is_held(&self, r: usize, bound: i32, hits: &Hits) -> bool {
        self.held(r, hits)
            .is_some_and(|score| score + SURE >= bound)
    }

    /// The read's sampled k-mers; which of them the candidate kernel looked at on both strands.
    fn sample(&self, r: usize, e: usize, scratch: &mut Scratch) {
        let Scratch {
            sides,
            sampled,
            seeds,
            ..
        } = scratch;
        let kmers = &mut sides[e].kmers;
        let reads = Reads {
            words: &self.packed.words,
            masks: &self.packed.masks,
            spans: &self.packed.spans,
        };
        sampled.found.clear();
        seed::sample(reads, r, 0, sampled);
        let blocks = self.reference.seed_blocks();
        let hash_bits = self.reference.parameters().hash_bits;
        for s in &sampled.found {
            prefetch(blocks, block_of(hash_bits, s.hash));
        }
        kmers.clear();
        seeds.clear();
        let mut thinned = Thinned::new(spacing(self.length(r)));
        for s in &sampled.found {
            let buckets = self.buckets(s.hash, s.flipped);
            let looked = thinned.takes(s.offset);
            kmers.push(Kmer {
                offset: s.offset,
                buckets,
                looked,
            });
            if !looked {
                continue;
            }
            seeds.extend(buckets.iter().filter(|b| b.count > 0).map(|b| Seed {
                place: 0,
                start: b.start,
                count: b.count,
            }));
        }
        let limit = longest_list(seeds).0;
        for k in kmers.iter_mut() {
            k.looked &= k.buckets.iter().all(|b| b.count <= limit);
        }
    }

    /// Places of a seed on the read's own strand, and on the other.
    fn buckets(&self, hash: u32, flipped: u32) -> [Bucket; 2] {
        let reference = self.reference;
        let mut buckets = lookup(
            reference.seed_blocks(),
            reference.seed_positions(),
            reference.parameters().hash_bits,
            hash,
        );
        buckets.rotate_left(flipped as usize);
        buckets
    }

    /// Fills a read's places. `held`: score of the hit that a sure mate holds.
    fn look(
        &self,
        (r, e): (usize, usize),
        hits: &Hits,
        held: Option<i32>,
        summary: &mut Summary,
        scratch: &mut Scratch,
    ) {
        let (length, perfect) = (self.length(r), self.perfect(r));
        let Scratch { sides, pending, .. } = scratch;
        let Side {
            kmers,
            strands,
            places,
            seen,
        } = &mut sides[e];
        self.orient(r, strands);
        seen.clear();
        let mut best = Self::best(hits, r);
        let mut room = if self.insert.is_some() {
            MOST_PLACES
        } else {
            MOST_PLACES_ALONE
        };
        let skipped = *summary;
        let settles = |known: i32, best: i32| {
            let bound = perfect - LOSS * known;
            held.is_some_and(|score| score + SURE >= bound)
                || !self.in_doubt(bound, &hits.of_read[r], best, perfect, skipped)
        };
        let known = disjoint(kmers);
        let wanted = (known..=(length as usize / K) as i32).find(|&n| settles(n, best));
        let cheapest = wanted.map_or_else(Vec::new, |n| cheapest(kmers, n as usize));
        let mut order: Vec<usize> = (0..kmers.len()).filter(|&k| !kmers[k].looked).collect();
        order.sort_by_key(|&k| (!cheapest.contains(&k), kmers[k].places(), k));
        for bucket in order.iter().flat_map(|&k| kmers[k].buckets) {
            prefetch(self.reference.seed_positions(), bucket.start as usize);
        }
        for k in order {
            if settles(disjoint(kmers), best) || room == 0 {
                break;
            }
            let all = kmers[k].places();
            if all > room && best > 0 {
                break;
            }
            // Of too many, some from all over.
            let step = all.div_ceil(room).max(1);
            pending.clear();
            for (reverse, bucket) in [false, true].into_iter().zip(kmers[k].buckets) {
                let offset = aligned_offset(kmers[k].offset, length, reverse);
                let kmer = window(&strands[usize::from(reverse)].0, offset as usize);
                let seed = (kmer, offset, reverse);
                let list = self.list(bucket).iter().step_by(step as usize);
                let list = list.filter(|&&at| {
                    let diagonal = at - offset;
                    *seen.slot(diagonal, reverse) != diagonal
                });
                pending.extend(list.map(|&at| Pending { at, seed }));
            }
            let strands = strands.each_ref().map(|s| (&s.0[..], &s.1[..]));
            let genome = self.reference.packed();
            let from = places.len();
            compare(genome, strands, length, pending, self.scoring, places);
            for p in &places[from..] {
                *seen.slot(p.diagonal, p.reverse) = p.diagonal;
            }
            best = places.iter().map(|p| p.score).fold(best, i32::max);
            room = room.saturating_sub(all);
            kmers[k].looked = step == 1;
        }
        let all_looked = kmers.iter().all(|k| k.looked);
        let known = disjoint(kmers);
        if all_looked && known <= MOST_DISJOINT && perfect - LOSS * known >= best {
            self.look_around(r, e, scratch);
        }
        let unseen = scratch.sides[e].kmers.iter().filter(|k| !k.looked);
        summary.skipped = unseen
            .flat_map(|k| k.buckets)
            .filter(|b| b.count > 0)
            .count() as u32;
    }

    /// Step 2: the places of seeds with one base changed.
    fn look_around(&self, r: usize, e: usize, scratch: &mut Scratch) {
        let Scratch {
            sides,
            neighbours: found,
            neighbourhood,
            around,
            pending,
            ..
        } = scratch;
        let Side {
            strands, places, ..
        } = &mut sides[e];
        let length = self.length(r);
        let [(codes, mask), (reverse_codes, _)] = &*strands;
        neighbours(
            (codes, mask, reverse_codes),
            length as usize,
            neighbourhood,
            found,
        );
        // Buckets, then places, then the genome: each on its way while others are looked at.
        let blocks = self.reference.seed_blocks();
        let hash_bits = self.reference.parameters().hash_bits;
        for n in found.iter() {
            prefetch(blocks, block_of(hash_bits, n.seed.hash));
        }
        around.clear();
        for n in found.iter() {
            let buckets = self.buckets(n.seed.hash, n.seed.flipped);
            for (reverse, bucket) in [false, true].into_iter().zip(buckets) {
                if bucket.count == 0 || bucket.count > MOST_NEIGHBOURS {
                    continue;
                }
                prefetch(self.reference.seed_positions(), bucket.start as usize);
                let offset = aligned_offset(n.seed.offset, length, reverse);
                let kmer = if reverse {
                    n.reverse(reverse_codes, length as usize)
                } else {
                    n.forward(codes)
                };
                around.push((bucket, (kmer, offset, reverse)));
            }
        }
        pending.clear();
        for &(bucket, seed) in around.iter() {
            pending.extend(self.list(bucket).iter().map(|&at| Pending { at, seed }));
        }
        let strands = strands.each_ref().map(|s| (&s.0[..], &s.1[..]));
        let genome = self.reference.packed();
        compare(genome, strands, length, pending, self.scoring, places);
    }

    /// The read as on either strand.
    fn orient(&self, r: usize, strands: &mut [(Vec<u32>, Vec<u32>); 2]) {
        let (codes, mask) = self.packed.read(r);
        let length = self.length(r) as usize;
        let [forward, reverse] = strands;
        forward.0.clear();
        forward.0.extend_from_slice(codes);
        forward.1.clear();
        forward.1.extend_from_slice(mask);
        reverse_complement_packed(codes, length, &mut reverse.0);
        reverse.1.clear();
        reverse.1.resize(mask.len(), 0);
        if mask.iter().any(|&m| m != 0) {
            for i in (0..length).filter(|&i| get_code(mask, i) != 0) {
                let at = length - 1 - i;
                reverse.1[at / 16] |= 1 << (2 * (at % 16));
            }
        }
    }

    /// The places of a bucket.
    fn list(&self, bucket: Bucket) -> &[u32] {
        &self.reference.seed_positions()[bucket.start as usize..][..bucket.count as usize]
    }

    /// Gives each place of a read what its mate adds: the mate's best score at a distance that makes a
    /// pair, or its best anywhere less what bwa takes for an unpaired read.
    fn find_mates(
        &self,
        r: usize,
        e: usize,
        hits: &Hits,
        insert: &InsertSize,
        scratch: &mut Scratch,
    ) {
        let Scratch { sides, mates, .. } = scratch;
        let [a, b] = sides;
        let (own, mate) = if e == 0 { (a, b) } else { (b, a) };
        if own.places.is_empty() {
            return;
        }
        let own_length = self.length(r);
        let r = r ^ 1;
        mates.clear();
        mates.extend(mate.places.iter().map(|p| (p.reverse, p.diagonal, p.score)));
        let of_hits = hits.of_read[r].iter();
        mates.extend(of_hits.map(|h| (h.reverse, h.unclipped_start().max(0) as u32, h.ranked)));
        mates.sort_unstable();
        let anywhere = mates.iter().map(|m| m.2).max().unwrap_or(0) - SURE;
        for p in &mut own.places {
            // Diagonals at which a mate on the other strand makes a pair.
            let (from, to) = if p.reverse {
                let end = p.diagonal + own_length;
                (
                    end.saturating_sub(insert.high),
                    end.saturating_sub(insert.low),
                )
            } else {
                let end = p.diagonal.saturating_sub(self.length(r));
                (end + insert.low, end + insert.high)
            };
            let first = mates.partition_point(|m| (m.0, m.1) < (!p.reverse, from));
            let near = mates[first..].iter();
            let near = near.take_while(|m| m.0 != p.reverse && m.1 <= to);
            p.mate = near.map(|m| m.2).fold(anywhere, i32::max);
        }
    }

    /// The best places as jobs, but those that are candidates already, by no fewer seeds.
    fn choose(&self, r: usize, side: &mut Side, first: &[Candidate], out: &mut Vec<Candidate>) {
        let Side {
            kmers,
            strands,
            places,
            ..
        } = side;
        if places.is_empty() {
            return;
        }
        let salt = strands[0].0[0];
        let most = places.iter().map(|p| p.score + p.mate).max().unwrap_or(0);
        places.retain(|p| p.score + p.mate + self.scoring.reach >= most);
        places.sort_unstable_by_key(|p| {
            u64::from(p.reverse) << 63 | u64::from(p.diagonal) << 16 | u64::from(p.offset)
        });
        places.dedup_by_key(|p| (p.diagonal, p.reverse));
        let rank = |p: &Place| {
            let tie = hash_kmer(p.diagonal, salt);
            let sum = p.score + p.mate;
            (Reverse(sum), Reverse(p.score), tie, p.diagonal, p.reverse)
        };
        if places.len() > MAX_CANDIDATES {
            places.select_nth_unstable_by_key(MAX_CANDIDATES, rank);
            places.truncate(MAX_CANDIDATES);
        }
        places.sort_unstable_by_key(rank);
        let genome = self.reference.packed();
        for p in places.iter() {
            let codes = &strands[usize::from(p.reverse)].0;
            let mut thinned = Thinned::new(spacing(self.length(r)));
            let votes = kmers.iter().filter(|k| {
                let at = aligned_offset(k.offset, self.length(r), p.reverse);
                let there = window(genome, (p.diagonal + at) as usize);
                k.looked
                    && (there ^ window(codes, at as usize)) << (64 - 2 * K) == 0
                    && thinned.takes(k.offset)
            });
            // A changed seed led to it if none of the read's own did.
            let votes = votes.count().max(1) as u32;
            let is_known = |c: &Candidate| {
                (c.diagonal, c.is_reverse()) == (p.diagonal, p.reverse) && c.own_votes() >= votes
            };
            if first.iter().any(is_known) {
                continue;
            }
            out.push(Candidate {
                read: r as u32,
                diagonal: p.diagonal,
                votes: votes | if p.reverse { REVERSE } else { 0 },
                seeded: p.offset | (p.offset + K as u32) << 16,
                spread: 0,
            });
        }
    }
}

lanes! {
    /// Compares a read, as on either strand, with the places at which its k-mer truly stands.
    fn compare<N = [1, 1, 1]>(
        genome: &[u32],
        strands: [(&[u32], &[u32]); 2],
        length: u32,
        pending: &[Pending],
        s: &Scoring,
        places: &mut Vec<Place>,
    ) {
        const AHEAD: usize = 16;
        let strands = strands.map(|(codes, mask)| {
            let all_known = mask.iter().all(|&word| word == 0);
            (codes, if all_known { &[] } else { mask })
        });
        for (i, p) in pending.iter().enumerate() {
            if let Some(next) = pending.get(i + AHEAD) {
                let from = (next.at.saturating_sub(next.seed.1)) as usize / 16;
                prefetch(genome, from);
                prefetch(genome, from + length as usize / 16);
            }
            let (kmer, offset, reverse) = p.seed;
            if (window(genome, p.at as usize) ^ kmer) << (64 - 2 * K) != 0 {
                continue;
            }
            let diagonal = p.at - offset;
            let (codes, mask) = strands[usize::from(reverse)];
            let score = rough_score(genome, (codes, mask, length), diagonal, s);
            places.push(Place {
                score,
                diagonal,
                reverse,
                offset,
                mate: 0,
            });
        }
    }
}

/// Score of the best stretch of a diagonal that begins and ends at a multiple of 32 bases or with the
/// read, end bonuses included: what the extend kernel finds if nothing is clipped, and nearly so if
/// something is, for a fraction of the time.
#[allow(clippy::inline_always)] // compiled for each width of vector
#[inline(always)]
fn rough_score(
    genome: &[u32],
    (codes, mask, length): (&[u32], &[u32], u32),
    diagonal: u32,
    s: &Scoring,
) -> i32 {
    const LOW: u64 = 0x5555_5555_5555_5555;
    let (mut best, mut score) = (0, s.end_bonus);
    for at in (0..length).step_by(32) {
        let difference = window(codes, at as usize) ^ window(genome, (diagonal + at) as usize);
        let unknown = if mask.is_empty() {
            0
        } else {
            window(mask, at as usize)
        };
        let n = (length - at).min(32);
        let inside = LOW >> (64 - 2 * n);
        let mismatches = (difference | difference >> 1) & inside & !unknown;
        score += n as i32 * s.matched
            - mismatches.count_ones() as i32 * (s.matched + s.mismatch)
            - (unknown & inside).count_ones() as i32 * (s.matched + s.unknown);
        let bonus = if at + n == length { s.end_bonus } else { 0 };
        best = best.max(score + bonus);
        score = score.max(0);
    }
    best
}

/// Where a k-mer of the read begins in the read as aligned.
fn aligned_offset(offset: u32, length: u32, reverse: bool) -> u32 {
    if reverse {
        length - K as u32 - offset
    } else {
        offset
    }
}

/// Were places left out of a read's candidates that may have as many votes as one with `fair` of them?
/// The last candidate's partner counts too: one without, left out behind it, may have more of its own.
fn crowded(first: &[Candidate], fair: u32) -> bool {
    let last = first.get(MAX_CANDIDATES - 1);
    last.is_some_and(|c| c.own_votes() + c.partner_votes() >= fair)
}

/// The `wanted` k-mers that do not overlap and have the fewest places that were not looked at; none if
/// there are not so many.
fn cheapest(kmers: &[Kmer], wanted: usize) -> Vec<usize> {
    // Of the first `i` k-mers `n` that do not overlap: how many places the best choice has.
    let row = kmers.len() + 1;
    let mut least = vec![u32::MAX; row * (wanted + 1)];
    least[..row].fill(0);
    let cost = |k: usize| {
        if kmers[k].looked {
            0
        } else {
            kmers[k].places()
        }
    };
    let before =
        |k: usize| kmers[..k].partition_point(|other| other.offset + K as u32 <= kmers[k].offset);
    for n in 1..=wanted {
        for k in 0..kmers.len() {
            let with = least[(n - 1) * row + before(k)].saturating_add(cost(k));
            least[n * row + k + 1] = with.min(least[n * row + k]);
        }
    }
    let (mut chosen, mut k) = (Vec::new(), kmers.len());
    if least[wanted * row + k] == u32::MAX {
        return chosen;
    }
    for n in (1..=wanted).rev() {
        while least[n * row + k] == least[n * row + k - 1] {
            k -= 1;
        }
        k -= 1;
        chosen.push(k);
        k = before(k);
    }
    chosen
}

/// How many of the k-mers that were looked at do not overlap; at most.
fn disjoint(kmers: &[Kmer]) -> i32 {
    let (mut count, mut end) = (0, 0);
    for k in kmers.iter().filter(|k| k.looked) {
        if k.offset >= end {
            count += 1;
            end = k.offset + K as u32;
        }
    }
    count
}

#[cfg(test)]
mod tests {
    use crate::align::testing::{place, random, reference};
    use crate::domain::GenomePos;
    use crate::genome::Reference;

    /// Position and quality of a single read, the only one of its batch.
    fn placed(reference: &Reference, read: &[u8]) -> Option<(u32, u8)> {
        let placed = place(reference, read);
        let end = &placed.templates[0].ends[0];
        let hit = &placed.hits.of_read[0][end.hit?];
        let (_, position) = reference.locate(GenomePos(hit.start)).unwrap();
        Some((position.0, end.mapq))
    }

    #[test]
    fn a_single_read_of_a_repeat_is_looked_for_where_all_lists_are_long() {
        // More copies than any list that is looked at first has places.
        let unit = random(400, 1);
        let mut genome = Vec::new();
        for copy in 0..600 {
            genome.extend(random(100, 100 + copy));
            genome.extend(&unit);
        }
        let (copy, at) = (37 * 500 + 100, 120);
        for i in [20, 75, 130] {
            let base = &mut genome[copy + at + i];
            *base = if *base == b'A' { b'C' } else { b'A' };
        }
        let reference = reference(&genome);
        let own = placed(&reference, &genome[copy + at..][..150]);
        assert!(
            own.is_some_and(|(position, mapq)| position as usize == copy + at && mapq > 0),
            "{own:?}"
        );
        let any = placed(&reference, &unit[at..][..150]);
        assert!(
            any.is_some_and(|(position, mapq)| (position as usize) % 500 == 100 + at && mapq == 0),
            "{any:?}"
        );
    }
}
