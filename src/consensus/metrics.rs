//! What was met, and how large the families are.

use serde::Serialize;
use std::collections::BTreeMap;
use std::fmt::Write;

/// Counts of templates and molecules.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Tally {
    /// Aligned templates that no filter of the sequencer rejected.
    pub templates: u64,
    /// Templates rejected by a filter (flag 0x200), which are not counted above.
    pub rejected: u64,
    /// Templates that are not aligned, which are not counted above.
    pub unaligned: u64,
    /// Templates without a UMI, left out.
    pub without_umi: u64,
    /// Templates whose UMI has other letters than A, C, G and T, left out.
    pub unclear_umi: u64,
    /// Templates with skipped reference (CIGAR N), left out.
    pub spliced: u64,
    /// Reads left out because most copies align with other gaps.
    pub other_gaps: u64,
    /// Molecules of which a consensus was written.
    pub molecules: u64,
    /// Of these, those of which both strands were read.
    pub duplex: u64,
    /// Molecules with too few copies, left out.
    pub too_few: u64,
    /// Bases of the consensus reads.
    pub bases: u64,
    /// Of these, those that are not known (N).
    pub unknown_bases: u64,
    /// By number of copies: molecules, and single strands of molecules. Also those left out.
    pub family_sizes: BTreeMap<u64, Sizes>,
}

/// How many have a number of copies.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Sizes {
    /// Molecules with so many copies of both strands together.
    pub molecules: u64,
    /// Strands with so many copies.
    pub strands: u64,
}

impl Tally {
    /// Counts a molecule with so many copies of each strand.
    pub fn add_family(&mut self, strands: [usize; 2]) {
        let all = strands[0] + strands[1];
        self.family_sizes.entry(all as u64).or_default().molecules += 1;
        for strand in strands.into_iter().filter(|n| *n > 0) {
            self.family_sizes.entry(strand as u64).or_default().strands += 1;
        }
    }

    /// Templates that are of no molecule.
    pub fn left_out(&self) -> u64 {
        self.without_umi + self.unclear_umi + self.spliced
    }

    /// Adds what another one counted.
    pub fn merge(&mut self, other: &Tally) {
        self.templates += other.templates;
        self.rejected += other.rejected;
        self.unaligned += other.unaligned;
        self.without_umi += other.without_umi;
        self.unclear_umi += other.unclear_umi;
        self.spliced += other.spliced;
        self.other_gaps += other.other_gaps;
        self.molecules += other.molecules;
        self.duplex += other.duplex;
        self.too_few += other.too_few;
        self.bases += other.bases;
        self.unknown_bases += other.unknown_bases;
        for (size, counts) in &other.family_sizes {
            let own = self.family_sizes.entry(*size).or_default();
            own.molecules += counts.molecules;
            own.strands += counts.strands;
        }
    }

    /// The table of family sizes as fgbio's `GroupReadsByUmi` has it, which counts strands: a family is what
    /// has one MI there.
    pub fn table(&self) -> String {
        let mut out = String::from("family_size\tcount\tfraction\tfraction_gt_or_eq_family_size\n");
        let sizes = || self.family_sizes.iter().filter(|(_, s)| s.strands > 0);
        let all: u64 = sizes().map(|(_, s)| s.strands).sum();
        let mut left = all;
        for (size, Sizes { strands, .. }) in sizes() {
            let share = |n: u64| n as f64 / all as f64;
            let _ = writeln!(
                out,
                "{size}\t{strands}\t{:.6}\t{:.6}",
                share(*strands),
                share(left)
            );
            left -= strands;
        }
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn families_are_counted_by_strand_and_by_molecule() {
        let mut tally = Tally::default();
        tally.add_family([3, 0]);
        tally.add_family([1, 2]);
        let mut both = Tally::default();
        both.add_family([1, 0]);
        both.merge(&tally);
        assert_eq!(
            both.family_sizes[&3],
            Sizes {
                molecules: 2,
                strands: 1
            }
        );
        assert_eq!(
            both.table(),
            "family_size\tcount\tfraction\tfraction_gt_or_eq_family_size\n\
             1\t2\t0.500000\t1.000000\n2\t1\t0.250000\t0.500000\n3\t1\t0.250000\t0.250000\n"
        );
    }
}
