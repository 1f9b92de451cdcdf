//! How often base calls are wrong, by cycle: mismatches against the reference in the panel, leaving
//! out places that look like variants.

use super::figure::{Figure, significant};
use super::targets::Targets;
use crate::domain::bases::{LETTERS, code_of};
use serde::Serialize;
use std::collections::VecDeque;

/// Reads below this MAPQ say little on errors: a mismatch may be another copy's base.
pub const MIN_MAPQ: u8 = 30;
/// A place is left out if so many reads or more differ from the reference there ...
const VARIANT_READS: u64 = 3;
/// ... and they are one in so many, or more.
const VARIANT_SHARE: u64 = 20;
/// Fewer calls than this say nothing on a rate.
const LEAST_CALLS: u64 = 10_000;

/// One call of a base: cycle, mate, strand and code in one word, since a deep panel has millions at once.
#[derive(Clone, Copy, Debug)]
pub struct Base(u32);

impl Base {
    /// `cycle` counts from 0 in the order of sequencing; `second` is read 2 of a pair; `code` is the
    /// base as the reference's strand spells it.
    pub fn new(cycle: u32, second: bool, reverse: bool, code: u8) -> Base {
        let flags = u32::from(second) << 2 | u32::from(reverse) << 3;
        Base(cycle << 4 | flags | u32::from(code & 3))
    }

    fn cycle(self) -> usize {
        (self.0 >> 4) as usize
    }

    fn mate(self) -> usize {
        (self.0 >> 2 & 1) as usize
    }

    fn is_reverse(self) -> bool {
        self.0 & 8 != 0
    }

    fn code(self) -> u8 {
        (self.0 & 3) as u8
    }
}

/// Calls are kept until no further read can reach their place; then the place is judged.
#[derive(Debug, Default)]
pub struct Cycles {
    /// Slot of the first column.
    front: usize,
    columns: VecDeque<Vec<Base>>,
    spare: Vec<Vec<Base>>,
    /// By mate and cycle: calls, and wrong ones.
    counts: [Vec<(u64, u64)>; 2],
    /// By mate, the reference's base and the called one, as the sequencer read them.
    changes: [[[u64; 4]; 4]; 2],
    left_out: u64,
}

impl Cycles {
    /// A base was called at a slot. Slots before the last [`Cycles::judge`] must not come.
    pub fn call(&mut self, slot: usize, base: Base) {
        if self.columns.is_empty() {
            self.front = slot;
        }
        while slot < self.front {
            self.columns
                .push_front(self.spare.pop().unwrap_or_default());
            self.front -= 1;
        }
        let at = slot - self.front;
        while self.columns.len() <= at {
            self.columns.push_back(self.spare.pop().unwrap_or_default());
        }
        self.columns[at].push(base);
    }

    /// No read will reach a slot before this one any more.
    pub fn judge(&mut self, before: usize, targets: &Targets) {
        while self.front < before
            && let Some(column) = self.columns.pop_front()
        {
            self.count(&column, targets.base(self.front));
            self.front += 1;
            self.spare.push(column);
            if let Some(last) = self.spare.last_mut() {
                last.clear();
            }
        }
    }

    fn count(&mut self, column: &[Base], reference: u8) {
        let expected = code_of(reference);
        if expected > 3 || column.is_empty() {
            return;
        }
        let wrong = column.iter().filter(|b| b.code() != expected).count() as u64;
        if wrong >= VARIANT_READS && wrong * VARIANT_SHARE >= column.len() as u64 {
            self.left_out += 1;
            return;
        }
        for base in column {
            let counts = &mut self.counts[base.mate()];
            if counts.len() <= base.cycle() {
                counts.resize(base.cycle() + 1, (0, 0));
            }
            counts[base.cycle()].0 += 1;
            if base.code() != expected {
                counts[base.cycle()].1 += 1;
                let read = |code: u8| usize::from(if base.is_reverse() { 3 - code } else { code });
                self.changes[base.mate()][read(expected)][read(base.code())] += 1;
            }
        }
    }

    /// What was found, once every place is judged.
    pub fn errors(&self) -> Figure<Errors> {
        let all = self.counts.iter().flatten();
        let (calls, wrong) = all.fold((0, 0), |a, c| (a.0 + c.0, a.1 + c.1));
        if calls < LEAST_CALLS {
            return Figure::not_assessed(format!(
                "{calls} base calls of reads with MAPQ {MIN_MAPQ} and more lie in the panel; {LEAST_CALLS} are the least"
            ));
        }
        let by_cycle = |mate: usize| {
            let rate = |&(calls, wrong): &(u64, u64)| {
                (calls > 0).then(|| significant(wrong as f64 / calls as f64))
            };
            self.counts[mate].iter().map(rate).collect()
        };
        Figure::Given(Errors {
            calls,
            mismatches: wrong,
            rate: significant(wrong as f64 / calls as f64),
            places_left_out: self.left_out,
            by_change: [0, 1].map(|mate| self.by_change(mate)),
            by_cycle: [by_cycle(0), by_cycle(1)],
        })
    }

    /// `C>T` to how many in a million calls, as the sequencer read them.
    fn by_change(&self, mate: usize) -> serde_json::Map<String, serde_json::Value> {
        let calls: u64 = self.counts[mate].iter().map(|c| c.0).sum();
        let mut out = serde_json::Map::new();
        for (from, row) in LETTERS.into_iter().zip(&self.changes[mate]) {
            for (to, &n) in LETTERS.into_iter().zip(row) {
                if to != from {
                    let key = [from, b'>', to].map(char::from).iter().collect();
                    let rate = significant(1e6 * n as f64 / calls.max(1) as f64);
                    out.insert(key, rate.into());
                }
            }
        }
        out
    }
}

/// Mismatches against the reference. Soft-clipped ends, duplicates and places that look like
/// variants are left out; calls of any quality count.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Errors {
    /// Base calls that were compared.
    pub calls: u64,
    /// Those that differ from the reference.
    pub mismatches: u64,
    /// `mismatches` / `calls`.
    pub rate: f64,
    /// Places of the panel where 3 reads and one in 20, or more, differ: variants, as it seems.
    pub places_left_out: u64,
    /// Mismatches in a million calls by what was read for what, for read 1 and read 2, in the
    /// direction of sequencing: damage before copying shows as an excess of one change in read 1
    /// and of its complement in read 2.
    pub by_change: [serde_json::Map<String, serde_json::Value>; 2],
    /// Rate at each cycle, from the first, for read 1 (and single reads) and read 2; null without calls.
    pub by_cycle: [Vec<Option<f64>>; 2],
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::bases::complement;
    use crate::qc::targets::tests::some;

    #[test]
    fn the_complement_of_a_code_is_three_less_it() {
        for code in 0..4u8 {
            let letter = LETTERS[usize::from(code)];
            assert_eq!(code_of(complement(letter)), 3 - code);
        }
    }

    /// `n` calls of a base at a slot, in rising cycles.
    fn calls(cycles: &mut Cycles, slot: usize, letter: u8, n: u32) {
        for cycle in 0..n {
            cycles.call(slot, Base::new(cycle, false, false, code_of(letter)));
        }
    }

    #[test]
    fn a_mismatch_counts_at_its_cycle_and_a_variant_does_not_count() {
        let targets = some();
        let mut cycles = Cycles::default();
        calls(&mut cycles, 0, b'A', 6000);
        cycles.call(0, Base::new(3, false, false, code_of(b'G')));
        calls(&mut cycles, 1, b'C', 6000);
        calls(&mut cycles, 1, b'T', 400); // one in 16: a variant
        cycles.judge(1, &targets);
        calls(&mut cycles, 2, b'G', 6000);
        cycles.judge(9, &targets);
        let errors = cycles.errors().given().unwrap().clone();
        assert_eq!((errors.calls, errors.mismatches), (12_001, 1));
        assert_eq!(errors.places_left_out, 1);
        assert_eq!(errors.by_cycle[0][3], Some(0.333_3));
        assert_eq!(errors.by_cycle[0][4], Some(0.0));
        assert!(errors.by_cycle[1].is_empty());
        assert_eq!(errors.by_change[0]["A>G"], significant(1e6 / 12_001.0));
    }

    #[test]
    fn changes_are_told_as_the_sequencer_read_them() {
        let targets = some();
        let mut cycles = Cycles::default();
        for slot in [1, 5] {
            for cycle in 0..6000 {
                cycles.call(slot, Base::new(cycle, true, true, code_of(b'C')));
            }
            // On the reverse strand G was read as A.
            cycles.call(slot, Base::new(0, true, true, code_of(b'T')));
        }
        cycles.judge(9, &targets);
        let errors = cycles.errors().given().unwrap().clone();
        let seen = errors.by_change[1]
            .iter()
            .filter(|c| c.1.as_f64() > Some(0.0));
        assert_eq!(seen.map(|c| c.0.as_str()).collect::<Vec<_>>(), ["G>A"]);
    }

    #[test]
    fn a_handful_of_calls_is_no_rate() {
        let mut cycles = Cycles::default();
        calls(&mut cycles, 0, b'A', 50);
        cycles.judge(9, &some());
        assert!(matches!(cycles.errors(), Figure::NotAssessed { .. }));
    }
}
