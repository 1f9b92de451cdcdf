//! Hits: the alignments of a batch's reads, with their runs, checked against the contigs.

use crate::batch::PackedReads;
use crate::domain::bases::get_code;
use crate::domain::{Cigar, CigarOp, GenomePos};
use crate::genome::syncmer::hash_kmer;
use crate::genome::{Island, Reference};
use crate::kernel::candidate::Candidate;
use crate::kernel::extend::{Extended, Extension, RUN_DELETION, RUN_INSERTION, RUN_MATCH, Scoring};
use std::cmp::Reverse;

/// An alignment of a read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Hit {
    /// On the reverse strand?
    pub reverse: bool,
    /// Rank of the contig.
    pub contig: u32,
    /// On an alternate locus?
    pub alternate: bool,
    /// Packed-genome positions of the first aligned base, and behind the last.
    pub start: u32,
    /// See `start`.
    pub end: u32,
    /// Aligned bases of the read, in its aligned orientation: from here
    pub read_start: u32,
    /// to here.
    pub read_end: u32,
    /// As SAM's AS: without end bonuses.
    pub score: i32,
    /// With end bonuses: what alignments are compared by.
    pub ranked: i32,
    /// Different seeds that led to it; 0 if it was found beside its mate.
    pub votes: u32,
    /// Its runs in the batch's runs: first, and how many; none for one run of `M`.
    pub runs: (u32, u32),
}

impl Hit {
    /// Where the read's first base (as aligned) would lie if nothing were clipped.
    pub fn unclipped_start(&self) -> i64 {
        i64::from(self.start) - i64::from(self.read_start)
    }

    /// Where a read of this length would end if nothing were clipped.
    pub fn unclipped_end(&self, length: u32) -> i64 {
        i64::from(self.end) + i64::from(length - self.read_end)
    }

    /// Aligned bases in the read as sequenced: from, to.
    pub fn sequenced_span(&self, length: u32) -> (u32, u32) {
        if self.reverse {
            (length - self.read_end, length - self.read_start)
        } else {
            (self.read_start, self.read_end)
        }
    }

    /// Does it lie on another's strand, and one of its ends at most `reach` bases from a diagonal of the other's?
    pub fn is_near(&self, other: &Hit, reach: u32) -> bool {
        let diagonals = |h: &Hit| {
            let end = i64::from(h.end) - i64::from(h.read_end);
            [h.unclipped_start(), end]
        };
        let near = |d: i64| {
            let apart = diagonals(other).map(|o| (d - o).unsigned_abs());
            apart.iter().any(|&a| a <= u64::from(reach))
        };
        (self.contig, self.reverse) == (other.contig, other.reverse)
            && diagonals(self).into_iter().any(near)
    }

    /// Does it make another hit of the same bases doubtful? An alternate locus is a version of a place
    /// in the primary assembly, not another place, so it makes no hit there doubtful.
    pub fn doubts(&self, other: &Hit, length: u32) -> bool {
        (other.alternate || !self.alternate) && self.competes(other, length)
    }

    /// Do two hits of a read share half of the shorter one's bases or more?
    pub fn competes(&self, other: &Hit, length: u32) -> bool {
        let (a, b) = (self.sequenced_span(length), other.sequenced_span(length));
        let shared = a.1.min(b.1).saturating_sub(a.0.max(b.0));
        2 * shared >= (a.1 - a.0).min(b.1 - b.0)
    }
}

/// The hits of a batch's reads.
#[derive(Debug, Default)]
pub struct Hits {
    /// Per read, best first: more score, then a hash of position and read, so that reads that lie
    /// as well in several copies of a repeat spread over them.
    pub of_read: Vec<Vec<Hit>>,
    /// All runs.
    pub runs: Vec<u32>,
    /// Least score, with bonuses, of those that the kernel found.
    pub least: i32,
}

impl Hits {
    /// Room for the hits of this many reads that score `least` or more.
    pub fn new(reads: usize, least: i32) -> Hits {
        Hits {
            least,
            of_read: vec![Vec::new(); reads],
            runs: Vec::new(),
        }
    }

    /// Adds what the extend kernel made of some jobs. Hits that score too little are left out, as are
    /// those that end where a better one of the same read does.
    pub fn add(
        &mut self,
        jobs: &[Candidate],
        extended: &Extended,
        context: (&Reference, &PackedReads, &Scoring),
        rescued: bool,
    ) {
        let least = self.least;
        let (_, packed, _) = context;
        let base = self.runs.len() as u32;
        let per_slot = crate::kernel::extend::MAX_RUNS as u32;
        self.runs.extend_from_slice(&extended.runs);
        for (job, e) in jobs.iter().zip(&extended.extensions) {
            if e.score < least {
                continue;
            }
            let runs = if e.runs == 0 {
                (0, 0)
            } else {
                (base + e.slot * per_slot, e.runs)
            };
            let length = packed.spans[job.read as usize].len;
            if let Some(mut hit) = self.checked(job, e, runs, length, context)
                && hit.ranked >= least
            {
                hit.votes = if rescued { 0 } else { job.own_votes() };
                let salt = packed.read(job.read as usize).0[0];
                insert(&mut self.of_read[job.read as usize], hit, salt);
            }
        }
    }

    /// Makes a hit of an extension, cut to the island that it lies in.
    fn checked(
        &mut self,
        job: &Candidate,
        e: &Extension,
        runs: (u32, u32),
        length: u32,
        context: (&Reference, &PackedReads, &Scoring),
    ) -> Option<Hit> {
        let (reference, _, s) = context;
        let covered = if runs.1 == 0 {
            e.read_end() - e.read_start()
        } else {
            let runs = &self.runs[runs.0 as usize..][..runs.1 as usize];
            runs.iter()
                .filter(|&r| r & 15 != RUN_INSERTION)
                .map(|r| r >> 4)
                .sum()
        };
        let end = e.start + covered;
        let island = reference.island_at(GenomePos(e.start));
        let hit = Hit {
            reverse: job.is_reverse(),
            contig: island.map_or(0, |i| i.contig),
            alternate: island.is_some_and(|i| reference.is_alternate(i.contig)),
            start: e.start,
            end,
            read_start: e.read_start(),
            read_end: e.read_end(),
            score: 0,
            ranked: e.score,
            votes: 0,
            runs,
        };
        match island {
            Some(i) if end <= i.genome + i.length => {
                let bonus = s.end_bonus
                    * (i32::from(hit.read_start == 0) + i32::from(hit.read_end == length));
                Some(Hit {
                    score: e.score - bonus,
                    ..hit
                })
            }
            _ => self.cut_to_island(job, hit, length, context),
        }
    }

    /// The part of a hit that lies in an island, for one that reaches into padding.
    fn cut_to_island(
        &mut self,
        job: &Candidate,
        hit: Hit,
        length: u32,
        (reference, packed, s): (&Reference, &PackedReads, &Scoring),
    ) -> Option<Hit> {
        let island: &Island = [hit.start, hit.start / 2 + hit.end / 2, hit.end - 1]
            .into_iter()
            .find_map(|at| reference.island_at(GenomePos(at)))?;
        let inside = island.genome..island.genome + island.length;
        // Column by column, from the first aligned pair inside to the last.
        let whole = [(hit.read_end - hit.read_start) << 4 | RUN_MATCH];
        let runs = if hit.runs.1 == 0 {
            &whole[..]
        } else {
            &self.runs[hit.runs.0 as usize..][..hit.runs.1 as usize]
        };
        let (mut g, mut q) = (hit.start, hit.read_start);
        let mut columns = Vec::new();
        for &run in runs {
            for _ in 0..run >> 4 {
                columns.push((run & 15, g, q));
                g += u32::from(run & 15 != RUN_INSERTION);
                q += u32::from(run & 15 != RUN_DELETION);
            }
        }
        let kept = |c: &(u32, u32, u32)| c.0 == RUN_MATCH && inside.contains(&c.1);
        let first = columns.iter().position(kept)?;
        let last = columns.iter().rposition(kept)?;
        let columns = &columns[first..=last];
        let (words, mask) = packed.read(job.read as usize);
        let mut score = 0;
        let mut runs: Vec<u32> = Vec::new();
        for &(op, g, q) in columns {
            let opens = runs.last().is_none_or(|r| r & 15 != op);
            score += match op {
                RUN_MATCH => {
                    let i = if job.is_reverse() { length - 1 - q } else { q } as usize;
                    let code = get_code(words, i);
                    let code = if job.is_reverse() { 3 - code } else { code };
                    if get_code(mask, i) != 0 {
                        -s.unknown
                    } else if code == get_code(reference.packed(), g as usize) {
                        s.matched
                    } else {
                        -s.mismatch
                    }
                }
                _ if opens => -s.gap_first,
                _ => -s.gap_next,
            };
            match runs.last_mut() {
                Some(r) if !opens => *r += 16,
                _ => runs.push(16 | op),
            }
        }
        let (read_start, read_end) = (columns[0].2, columns[columns.len() - 1].2 + 1);
        let bonus = s.end_bonus * (i32::from(read_start == 0) + i32::from(read_end == length));
        let place = (self.runs.len() as u32, runs.len() as u32);
        self.runs.extend(runs);
        Some(Hit {
            contig: island.contig,
            alternate: reference.is_alternate(island.contig),
            start: columns[0].1,
            end: columns[columns.len() - 1].1 + 1,
            read_start,
            read_end,
            score,
            ranked: score + bonus,
            runs: place,
            ..hit
        })
    }

    /// The CIGAR of a hit of a read of this length; clipped bases as `clip`.
    pub fn cigar(&self, hit: &Hit, length: u32, clip: CigarOp, out: &mut Cigar) {
        out.0.clear();
        out.push(hit.read_start, clip);
        if hit.runs.1 == 0 {
            out.push(hit.read_end - hit.read_start, CigarOp::Match);
        }
        for &run in &self.runs[hit.runs.0 as usize..][..hit.runs.1 as usize] {
            let op = CigarOp::from_code(run & 15).expect("the kernel writes M, I and D only");
            out.push(run >> 4, op);
        }
        out.push(length - hit.read_end, clip);
    }
}

/// Puts a hit among a read's hits, best first, unless one of the same bases and strand that begins or
/// ends where it does is as good; such ones that are worse leave. `salt`: the read's first 16 bases.
pub(super) fn insert(hits: &mut Vec<Hit>, hit: Hit, salt: u32) {
    // The two copies of a tandem duplication may begin or end at one place of the genome too.
    let of_same_bases = |h: &Hit| {
        let shared = h.read_end.min(hit.read_end);
        let shared = shared.saturating_sub(h.read_start.max(hit.read_start));
        2 * shared >= (h.read_end - h.read_start).min(hit.read_end - hit.read_start)
    };
    let same = |h: &Hit| {
        h.reverse == hit.reverse
            && (h.unclipped_start() == hit.unclipped_start()
                || (h.start == hit.start || h.end == hit.end) && of_same_bases(h))
    };
    let better = |h: &Hit| (Reverse(h.ranked), h.start, h.reverse);
    if let Some(h) = hits
        .iter_mut()
        .find(|h| same(h) && better(h) <= better(&hit))
    {
        if (h.start, h.end, h.read_start) == (hit.start, hit.end, hit.read_start) {
            h.votes = h.votes.max(hit.votes); // found again, by more seeds
        }
        return;
    }
    hits.retain(|h| !same(h));
    let key = |h: &Hit| {
        let tie = hash_kmer(h.start, salt);
        (Reverse(h.ranked), h.alternate, tie, h.start, h.reverse)
    };
    let at = hits.partition_point(|h| key(h) < key(&hit));
    hits.insert(at, hit);
}
