//! One end of a molecule: the copies of its read that agree on gaps, laid over each other from the end that was
//! sequenced first, and the consensus read of them.

use super::model::{Call, Column, MOST_COPIES, Model, NO_CALL, of_strands};
use crate::domain::{Cigar, CigarOp};
use crate::format::bam::RawRecord;
use crate::format::sam::flag;
use std::cmp::Reverse;

/// Ranks in ACGT of BAM's 4-bit codes, 4 for all others.
const RANKS: [u8; 16] = {
    let mut ranks = [4; 16];
    ranks[1] = 0;
    ranks[2] = 1;
    ranks[4] = 2;
    ranks[8] = 3;
    ranks
};

/// Copies that a consensus needs, as fgbio's three numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LeastCopies {
    /// Of both strands together; of the only one where strands cannot be told.
    pub all: usize,
    /// Of the strand with more copies.
    pub more: usize,
    /// Of the strand with fewer.
    pub fewer: usize,
}

/// A copy of a read.
#[derive(Clone, Copy, Debug)]
pub struct Copied<'a> {
    /// Its record.
    pub record: RawRecord<'a>,
    /// 0 if mate 1 is the molecule's lower end, else 1.
    pub strand: usize,
}

/// A consensus read, as its record has it.
#[derive(Clone, Debug)]
pub struct Side {
    /// Base by base.
    pub calls: Vec<Call>,
    /// The same for each strand, if there are copies of both.
    pub strands: Option<[Vec<Call>; 2]>,
    /// Copies left out because they align with other gaps.
    pub left_out: u64,
    /// Where it lies; `None` if the copies are not aligned.
    pub place: Option<(i32, i32)>,
    /// Its alignment, empty without a place.
    pub cigar: Cigar,
    /// From the reverse strand.
    pub reverse: bool,
    /// The copies' middle MAPQ, the lower one of two.
    pub mapq: u8,
}

/// Makes consensus reads; keeps its buffers from one to the next.
pub struct Caller<'m> {
    model: &'m Model,
    least: LeastCopies,
    columns: [Vec<Column>; 2],
    kept: Vec<u32>,
}

impl<'m> Caller<'m> {
    /// By this model, of so many copies at least.
    pub fn new(model: &'m Model, least: LeastCopies) -> Caller<'m> {
        Caller {
            model,
            least,
            columns: [Vec::new(), Vec::new()],
            kept: Vec::new(),
        }
    }

    /// The consensus of copies of one read, in the order of the file; `None` if there are too few. `span`: reference
    /// bases to the molecule's other end; what goes beyond is adapter and left out. `stranded`: strands can be told.
    pub fn call(&mut self, copies: &[Copied], span: Option<u32>, stranded: bool) -> Option<Side> {
        let copies = &copies[..copies.len().min(MOST_COPIES)];
        let (chosen, kept) = self.choose(copies, span);
        let of = |strand| {
            chosen
                .iter()
                .filter(|&&c| copies[c].strand == strand)
                .count()
        };
        let counts = [of(0), of(1)];
        let [fewer, more] = [counts[0].min(counts[1]), counts[0].max(counts[1])];
        let least = self.least;
        if chosen.len() < least.all || stranded && (more < least.more || fewer < least.fewer) {
            return None;
        }
        // So long that the copies needed reach its end.
        let length_of = |strand: Option<usize>, copies_needed: usize| {
            let here = |c: &&usize| strand.is_none_or(|s| copies[**c].strand == s);
            let mut lengths: Vec<u32> = chosen.iter().filter(here).map(|&c| kept[c]).collect();
            lengths.sort_unstable_by_key(|l| Reverse(*l));
            lengths[copies_needed.max(1) - 1] as usize
        };
        let duplex = stranded && fewer > 0;
        let length = match (stranded, duplex) {
            (false, _) => length_of(None, least.all),
            (true, false) => length_of(None, 1),
            (true, true) => length_of(Some(0), 1).min(length_of(Some(1), 1)),
        };
        let long_enough = || {
            chosen
                .iter()
                .copied()
                .filter(|&c| kept[c] as usize >= length)
        };
        let (typical, mapq) = typical(copies, long_enough());
        let record = copies[typical].record;
        let reverse = record.has(flag::REVERSE);
        let mut side = Side {
            calls: Vec::new(),
            strands: None,
            left_out: (copies.len() - chosen.len()) as u64,
            place: None,
            cigar: Cigar::default(),
            reverse,
            mapq,
        };
        if !record.has(flag::UNMAPPED) {
            let Some((cigar, pos)) = cut(record, length as u32) else {
                // The mate's end lies before all aligned bases: adapter cannot be told from the rest.
                return span.and_then(|_| self.call(copies, None, stranded));
            };
            side.place = Some((record.contig(), pos));
            side.cigar = cigar;
        }
        for (strand, columns) in self.columns.iter_mut().enumerate() {
            columns.clear();
            if strand == 0 || duplex {
                columns.resize(length, Column::default());
            }
        }
        for &c in &chosen {
            let strand = if duplex { copies[c].strand } else { 0 };
            let n = (kept[c] as usize).min(length);
            add(self.model, copies[c].record, n, &mut self.columns[strand]);
        }
        let [one, two] = &self.columns;
        let called = |columns: &[Column]| columns.iter().map(|c| self.model.call(c)).collect();
        let mut a: Vec<Call> = called(one);
        if duplex {
            let b: Vec<Call> = called(two);
            side.calls = (a.iter().zip(&b).zip(one.iter().zip(two)))
                .map(|((a, b), (one, two))| both(*a, *b, one, two))
                .collect();
            side.strands = Some([a, b]);
        } else {
            // fgbio asks for the copies base by base only where strands are not told.
            let needed = if stranded { 1 } else { least.all as u32 };
            for call in a.iter_mut().filter(|c| c.depth < needed.max(1)) {
                call.base = 4;
                call.quality = NO_CALL;
            }
            side.calls = a;
        }
        self.kept = kept;
        Some(side)
    }

    /// The copies that agree on gaps, and how many bases from its first one on each copy brings. A copy goes with a longer one
    /// whose gaps begin like its own. Of several sets the one with the most copies counts, then the one with the fewest
    /// bases in gaps, then the one whose first copy stands first in the file.
    fn choose(&mut self, copies: &[Copied], span: Option<u32>) -> (Vec<usize>, Vec<u32>) {
        let mut kept = std::mem::take(&mut self.kept);
        kept.clear();
        let ungapped = |c: &Copied| {
            c.record
                .cigar()
                .all(|(_, code)| matches!(code, 0 | 4 | 7 | 8))
        };
        if copies.iter().all(ungapped) {
            let most = span.unwrap_or(u32::MAX);
            kept.extend(
                copies
                    .iter()
                    .map(|c| (c.record.quals().len() as u32).min(most)),
            );
            return ((0..copies.len()).collect(), kept);
        }
        let patterns: Vec<Vec<Run>> = copies.iter().map(|c| pattern(c.record, span)).collect();
        let read_len = |p: &[Run]| -> u32 {
            let taken = p.iter().filter(|r| r.1 != DELETED);
            taken.map(|r| r.0).sum()
        };
        kept.extend(patterns.iter().map(|p| read_len(p)));
        let mut order: Vec<usize> = (0..copies.len()).collect();
        order.sort_by_key(|&c| Reverse(kept[c]));
        let mut sets: Vec<Vec<usize>> = Vec::new(); // the first member is the longest
        for c in order {
            let mut joined = false;
            for set in &mut sets {
                if begins_like(&patterns[c], &patterns[set[0]]) {
                    set.push(c);
                    joined = true;
                }
            }
            if !joined {
                sets.push(vec![c]);
            }
        }
        let rank = |set: &Vec<usize>| {
            let gaps: u32 = patterns[set[0]]
                .iter()
                .filter(|r| r.1 != ALIGNED)
                .map(|r| r.0)
                .sum();
            let first = *set.iter().min().expect("a set has members");
            (Reverse(set.len()), gaps, first)
        };
        let mut best = sets.into_iter().min_by_key(rank).expect("there are copies");
        best.sort_unstable();
        (best, kept)
    }
}

/// A run of a read's pattern of gaps: bases, and what they are.
type Run = (u32, u8);
const ALIGNED: u8 = 0;
const INSERTED: u8 = 1;
const DELETED: u8 = 2;

/// Gaps from the read's first base on, clipped bases counted as aligned, up to `span` reference bases.
fn pattern(record: RawRecord, span: Option<u32>) -> Vec<Run> {
    let mut runs: Vec<(u32, u32)> = record.cigar().collect();
    if record.has(flag::REVERSE) {
        runs.reverse();
    }
    if runs.is_empty() {
        runs.push((record.quals().len() as u32, 0));
    }
    let mut left = span.unwrap_or(u32::MAX);
    let mut out: Vec<Run> = Vec::new();
    for (n, code) in runs {
        let (n, kind) = match code {
            0 | 4 | 7 | 8 => (n.min(left), ALIGNED),
            1 => (n, INSERTED),
            2 | 3 => (n.min(left), DELETED),
            5 => {
                left = left.saturating_sub(n); // bases that are not even there
                continue;
            }
            _ => continue,
        };
        if kind != INSERTED {
            left -= n;
        }
        match out.last_mut() {
            _ if n == 0 => {}
            Some((m, last)) if *last == kind => *m += n,
            _ => out.push((n, kind)),
        }
        if left == 0 {
            break;
        }
    }
    if out.last().is_some_and(|r| r.1 == DELETED) {
        out.pop();
    }
    out
}

/// Is `short` what `long` begins with? Its last run may be shorter.
fn begins_like(short: &[Run], long: &[Run]) -> bool {
    let Some(((n, kind), before)) = short.split_last() else {
        return true;
    };
    long.starts_with(before) && (long.get(before.len())).is_some_and(|(m, k)| n <= m && kind == k)
}

/// The copy whose alignment most of these have, and their middle MAPQ. Of equals the one with more aligned bases, then
/// the first in the file.
fn typical(copies: &[Copied], candidates: impl Iterator<Item = usize> + Clone) -> (usize, u8) {
    let alignment = |c: usize| {
        let record = copies[c].record;
        (record.pos(), record.cigar_bytes())
    };
    let mut kinds: Vec<(usize, Vec<u8>)> = Vec::new();
    for c in candidates {
        let mapq = copies[c].record.mapq();
        match kinds
            .iter_mut()
            .find(|(k, _)| alignment(*k) == alignment(c))
        {
            Some((_, mapqs)) => mapqs.push(mapq),
            None => kinds.push((c, vec![mapq])),
        }
    }
    let aligned = |c: usize| {
        let runs = copies[c].record.cigar();
        runs.filter(|(_, code)| matches!(code, 0 | 7 | 8))
            .map(|(n, _)| n)
            .sum::<u32>()
    };
    let rank = |(c, mapqs): &(usize, Vec<u8>)| (Reverse(mapqs.len()), Reverse(aligned(*c)), *c);
    let (best, mut mapqs) = kinds.into_iter().min_by_key(rank).expect("one is longest");
    mapqs.sort_unstable();
    (best, mapqs[(mapqs.len() - 1) / 2])
}

/// A record's alignment cut to its first `length` sequenced bases, and where it begins then. A gap at the cut
/// becomes none, or clipped. `None` if nothing aligned is left.
fn cut(record: RawRecord, length: u32) -> Option<(Cigar, i32)> {
    let mut runs: Vec<(u32, CigarOp)> = (record.cigar())
        .filter_map(|(n, code)| {
            let op = match code {
                0 | 7 | 8 => CigarOp::Match,
                1 => CigarOp::Insertion,
                2 => CigarOp::Deletion,
                4 => CigarOp::SoftClip,
                _ => return None,
            };
            Some((n, op))
        })
        .collect();
    let reverse = record.has(flag::REVERSE);
    if reverse {
        runs.reverse();
    }
    let mut left = length;
    for run in &mut runs {
        if run.1.takes_read() {
            run.0 = run.0.min(left);
            left -= run.0;
        } else if left == 0 {
            run.0 = 0;
        }
    }
    runs.retain(|r| r.0 > 0);
    // What is not followed by aligned bases is no gap.
    let aligned = runs.iter().rposition(|r| r.1 == CigarOp::Match)?;
    for run in &mut runs[aligned + 1..] {
        if run.1 == CigarOp::Insertion {
            run.1 = CigarOp::SoftClip;
        }
    }
    let mut last = runs.split_off(aligned + 1);
    last.retain(|r| r.1 == CigarOp::SoftClip);
    runs.append(&mut last);
    if reverse {
        runs.reverse();
    }
    let mut cigar = Cigar::default();
    for (n, op) in runs {
        cigar.push(n, op);
    }
    let lost = record.reference_len() - cigar.reference_len();
    let pos = record.pos() + if reverse { lost as i32 } else { 0 };
    Some((cigar, pos))
}

/// Adds a copy's first `n` sequenced bases to the columns, which stand as the record does.
fn add(model: &Model, record: RawRecord, n: usize, columns: &mut [Column]) {
    let (bases, quals) = (record.bases(), record.quals());
    let (from, columns) = if record.has(flag::REVERSE) {
        let skipped = columns.len() - n;
        (quals.len() - n, &mut columns[skipped..])
    } else {
        (0, &mut columns[..n])
    };
    let quals = &quals[from..from + columns.len()];
    let code = |i: usize| bases[i / 2] >> (4 * (1 - (i & 1))) & 15;
    let one = |column: &mut Column, code: u8, quality: u8| {
        model.observe(column, RANKS[usize::from(code)], quality);
    };
    // Two bases a byte: the odd ones first and last, the others by twos.
    let odd = (from & 1).min(columns.len());
    let (first, columns) = columns.split_at_mut(odd);
    let (first_quals, quals) = quals.split_at(odd);
    for (column, quality) in first.iter_mut().zip(first_quals) {
        one(column, code(from), *quality);
    }
    let start = from + odd;
    let count = columns.len();
    let (column_pairs, last) = columns.as_chunks_mut::<2>();
    let (quality_pairs, last_quals) = quals.as_chunks::<2>();
    let bytes = &bases[start / 2..];
    for (([a, b], [p, q]), byte) in column_pairs.iter_mut().zip(quality_pairs).zip(bytes) {
        one(a, byte >> 4, *p);
        one(b, byte & 15, *q);
    }
    for (column, quality) in last.iter_mut().zip(last_quals) {
        one(column, code(start + count - 1), *quality);
    }
}

/// Both strands' consensus, with the copies of both.
fn both(a: Call, b: Call, one: &Column, two: &Column) -> Call {
    let (base, quality, against) = of_strands(a, b);
    let depth = a.depth + b.depth;
    let agreeing = if against == 4 {
        0
    } else {
        super::model::count(one[usize::from(against)])
            + super::model::count(two[usize::from(against)])
    };
    Call {
        base,
        quality,
        depth,
        errors: depth - agreeing,
    }
}
