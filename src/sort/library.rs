//! Libraries, and what is counted of each: the figures of Picard's `DuplicationMetrics`.

use crate::format::header::ReadGroup;
use serde::Serialize;
use std::collections::HashMap;
use std::fmt::Write;

/// Name of the library of records that name none, as Picard has it.
const UNKNOWN: &str = "Unknown Library";

/// Which library a read group is of.
#[derive(Debug)]
pub struct Libraries {
    names: Vec<String>,
    of_group: HashMap<Vec<u8>, usize>,
}

impl Libraries {
    /// Those of these read groups, and one for all that name none.
    pub fn new(groups: &[ReadGroup]) -> Libraries {
        let mut names = vec![UNKNOWN.to_string()];
        let of_group = groups.iter().map(|group| {
            let name = group.library.as_deref().unwrap_or(UNKNOWN);
            let known = names.iter().position(|n| n == name);
            let rank = known.unwrap_or_else(|| {
                names.push(name.to_string());
                names.len() - 1
            });
            (group.id.clone().into_bytes(), rank)
        });
        Libraries {
            of_group: of_group.collect(),
            names,
        }
    }

    /// Rank of a read group's library.
    pub fn of(&self, group: Option<&[u8]>) -> usize {
        group
            .and_then(|g| self.of_group.get(g))
            .copied()
            .unwrap_or(0)
    }

    /// Nothing counted yet.
    pub fn counts(&self) -> Vec<Counts> {
        let blank = |name: &String| Counts {
            library: name.clone(),
            ..Counts::default()
        };
        self.names.iter().map(blank).collect()
    }
}

/// What was found in a library. A duplicate pair counts once.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Counts {
    /// LB of its read groups.
    pub library: String,
    /// Pairs of which both reads are aligned.
    pub pairs: u64,
    /// Aligned reads without an aligned mate.
    pub single_reads: u64,
    /// Reads that are not aligned.
    pub unmapped_reads: u64,
    /// Secondary and supplementary records.
    pub further_records: u64,
    /// Duplicates among the pairs.
    pub duplicate_pairs: u64,
    /// Of these, those that lie beside another copy on the flow cell.
    pub optical_pairs: u64,
    /// Duplicates among the single reads.
    pub duplicate_single_reads: u64,
    /// Different molecules in the library, estimated from the pairs; absent without duplicates.
    pub molecules: Option<u64>,
}

impl Counts {
    /// Has it reads?
    pub fn any(&self) -> bool {
        self.pairs + self.single_reads + self.unmapped_reads > 0
    }

    /// Duplicates among aligned reads, 0 to 1.
    pub fn share(&self) -> f64 {
        let reads = self.single_reads + 2 * self.pairs;
        (self.duplicate_single_reads + 2 * self.duplicate_pairs) as f64 / reads.max(1) as f64
    }

    /// Estimates the number of molecules: with `n` pairs drawn of `m`, `m * (1 - e^(-n / m))` differ.
    pub fn estimate(&mut self) {
        let drawn = (self.pairs - self.optical_pairs) as f64;
        let different = (self.pairs - self.duplicate_pairs) as f64;
        self.molecules = (different > 0.0 && different < drawn).then(|| {
            let expected = |m: f64| -m * (-drawn / m).exp_m1();
            let (mut low, mut high) = (different, 2.0 * different);
            while expected(high) < different {
                high *= 2.0;
            }
            for _ in 0..60 {
                let middle = f64::midpoint(low, high);
                if expected(middle) < different {
                    low = middle;
                } else {
                    high = middle;
                }
            }
            high as u64
        });
    }
}

/// The table that readers of Picard's metrics files expect.
pub fn metrics_file(counts: &[Counts], command: &str) -> String {
    let mut out = format!(
        "## htsjdk.samtools.metrics.StringHeader\n# {command}\n\n\
         ## METRICS CLASS\tpicard.sam.DuplicationMetrics\n\
         LIBRARY\tUNPAIRED_READS_EXAMINED\tREAD_PAIRS_EXAMINED\tSECONDARY_OR_SUPPLEMENTARY_RDS\tUNMAPPED_READS\t\
         UNPAIRED_READ_DUPLICATES\tREAD_PAIR_DUPLICATES\tREAD_PAIR_OPTICAL_DUPLICATES\tPERCENT_DUPLICATION\t\
         ESTIMATED_LIBRARY_SIZE\n"
    );
    for c in counts {
        let molecules = c.molecules.map_or(String::new(), |m| m.to_string());
        let _ = writeln!(
            out,
            "{}\t{}\t{}\t{}\t{}\t{}\t{}\t{}\t{:.6}\t{molecules}",
            c.library,
            c.single_reads,
            c.pairs,
            c.further_records,
            c.unmapped_reads,
            c.duplicate_single_reads,
            c.duplicate_pairs,
            c.optical_pairs,
            c.share(),
        );
    }
    out.push('\n');
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_are_those_of_picard() {
        // MarkDuplicates 2.27 on real reads: 0.223127, 147834.
        let mut counts = Counts {
            library: "l".into(),
            pairs: 72_110,
            single_reads: 599,
            unmapped_reads: 2077,
            further_records: 6238,
            duplicate_pairs: 16_018,
            optical_pairs: 1577,
            duplicate_single_reads: 277,
            molecules: None,
        };
        counts.estimate();
        let file = metrics_file(&[counts], "theralign align");
        let row = file.lines().nth(5).unwrap();
        assert_eq!(
            row,
            "l\t599\t72110\t6238\t2077\t277\t16018\t1577\t0.223127\t147834"
        );
    }

    #[test]
    fn without_duplicates_nothing_is_estimated() {
        let mut counts = Counts {
            pairs: 10,
            ..Counts::default()
        };
        counts.estimate();
        assert_eq!(counts.molecules, None);
        assert!((counts.share() - 0.0).abs() < 1e-9);
    }

    #[test]
    fn groups_of_one_library_are_one() {
        let groups = [
            r"@RG\tID:a\tLB:x",
            r"@RG\tID:b\tLB:y",
            r"@RG\tID:c\tLB:x",
            r"@RG\tID:d",
        ];
        let libraries = Libraries::new(&groups.map(|g| ReadGroup::parse(g).unwrap()));
        let of = |g: &str| libraries.of(Some(g.as_bytes()));
        assert_eq!(
            (of("a"), of("b"), of("c"), of("d"), of("?")),
            (1, 2, 1, 0, 0)
        );
    }
}
