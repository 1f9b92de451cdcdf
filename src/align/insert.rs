//! The insert size: how far apart a pair's outer ends are. Estimated once, from the confident pairs
//! among the first templates of the input, and then frozen, so that no result depends on batches or threads.

use super::hit::Hit;
use crate::error::thousands;

/// Pairs needed for an estimate.
const FEWEST: usize = 20;
/// Longest distance that counts as a pair while nothing is known.
pub const LONGEST_UNKNOWN: u32 = 1000;
/// Templates at the start of the input from which the estimate is made.
pub const SAMPLE: usize = 16_384;

/// The distribution of the outer distance of forward-reverse pairs, bases.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct InsertSize {
    /// Mean.
    pub mean: f64,
    /// Standard deviation.
    pub sd: f64,
    /// Least likely distance of a pair.
    pub low: u32,
    /// Greatest, and the greatest of a proper pair.
    pub high: u32,
    /// Pairs that the estimate rests on; 0 if it is a default or was given.
    pub pairs: usize,
}

impl Default for InsertSize {
    /// What is taken when there are too few pairs.
    fn default() -> InsertSize {
        InsertSize {
            mean: 350.0,
            sd: 150.0,
            low: 1,
            high: LONGEST_UNKNOWN,
            pairs: 0,
        }
    }
}

impl InsertSize {
    /// From a mean and a standard deviation: proper pairs within four of the latter.
    pub fn given(mean: f64, sd: f64) -> InsertSize {
        let (low, high) = ((mean - 4.0 * sd).max(1.0), mean + 4.0 * sd);
        InsertSize {
            mean,
            sd,
            low: low as u32,
            high: high.ceil() as u32,
            pairs: 0,
        }
    }

    /// From observed distances, as bwa does: quartiles; mean and deviation of what lies within two
    /// interquartile ranges of them; bounds at three of those, or at four deviations if that is wider.
    pub fn estimate(distances: &mut [u32]) -> InsertSize {
        if distances.len() < FEWEST {
            return InsertSize::default();
        }
        distances.sort_unstable();
        let quantile = |q: f64| f64::from(distances[(q * distances.len() as f64) as usize]);
        let (q1, q3) = (quantile(0.25), quantile(0.75));
        let range = (q3 - q1).max(1.0);
        let (from, to) = (q1 - 2.0 * range, q3 + 2.0 * range);
        let kept = || {
            distances
                .iter()
                .map(|&d| f64::from(d))
                .filter(|d| (from..=to).contains(d))
        };
        let n = kept().count() as f64;
        let mean = kept().sum::<f64>() / n;
        let sd = (kept().map(|d| (d - mean) * (d - mean)).sum::<f64>() / n)
            .sqrt()
            .max(1.0);
        let low = (q1 - 3.0 * range).min(mean - 4.0 * sd).max(1.0);
        let high = (q3 + 3.0 * range).max(mean + 4.0 * sd);
        InsertSize {
            mean,
            sd,
            low: low as u32,
            high: high.ceil() as u32,
            pairs: n as usize,
        }
    }

    /// What a distance costs, in score: the Gaussian's log density below its peak, on the scale on
    /// which a match of score 1 is a factor of 4 (as bwa has it).
    pub fn cost(&self, distance: u32) -> i32 {
        const PER_NAT: f64 = 0.721_347_520_444_481_7; // 1 / ln 4
        let z = (f64::from(distance) - self.mean) / self.sd;
        (PER_NAT * 0.5 * z * z + 0.5).min(1000.0) as i32
    }

    /// Does a pair of this distance count as proper? Every short one does: a fragment that is shorter
    /// than its reads, as of an amplicon or of cell-free DNA, is none the worse for that.
    pub fn is_proper(&self, distance: i64) -> bool {
        distance >= 1 && distance <= i64::from(self.high)
    }

    /// Is this a likely distance of a pair?
    pub fn fits(&self, distance: i64) -> bool {
        distance >= i64::from(self.low) && distance <= i64::from(self.high)
    }
}

/// How sure mates on one contig lie to each other.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Orientations {
    /// Facing each other, or running through each other (FR).
    pub inward: u64,
    /// Facing away (RF), as in mate-pair libraries.
    pub outward: u64,
    /// On one strand (FF, RR).
    pub same: u64,
}

impl Orientations {
    /// Counts a pair's hits if they lie within `farthest` of each other.
    pub fn count(&mut self, hits: [&Hit; 2], lengths: [u32; 2], farthest: i64) {
        let [a, b] = hits;
        let apart = (a.unclipped_start() - b.unclipped_start()).abs();
        if a.contig != b.contig || apart > farthest {
            return;
        }
        let five_prime = |h: &Hit, length: u32| {
            if h.reverse {
                h.unclipped_end(length)
            } else {
                h.unclipped_start()
            }
        };
        let ends = [five_prime(a, lengths[0]), five_prime(b, lengths[1])];
        match (a.reverse, b.reverse) {
            (false, true) if ends[0] < ends[1] => self.inward += 1,
            (true, false) if ends[1] < ends[0] => self.inward += 1,
            (x, y) if x == y => self.same += 1,
            _ => self.outward += 1,
        }
    }

    /// What to say if most pairs do not lie as pairs of a usual library do.
    pub fn warning(&self) -> Option<String> {
        let (other, name) = if self.outward >= self.same {
            (
                self.outward,
                "face away from each other (RF, as in mate-pair libraries)",
            )
        } else {
            (
                self.same,
                "lie on one strand (FF, or the same file given twice)",
            )
        };
        (other as usize >= FEWEST && other > self.inward).then(|| {
            format!(
                "warning: {} of the first sure pairs {name}, and only {} face each other; theralign takes pairs that face \
                 each other (FR) for proper, so most of these will not be. Check the library and the order of the files.",
                thousands(other),
                thousands(self.inward)
            )
        })
    }
}

impl std::ops::Add for Orientations {
    type Output = Orientations;

    fn add(self, other: Orientations) -> Orientations {
        Orientations {
            inward: self.inward + other.inward,
            outward: self.outward + other.outward,
            same: self.same + other.same,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn outliers_do_not_move_the_estimate() {
        let mut d: Vec<u32> = (0..1000).map(|i| 350 + i % 101).collect();
        d.extend([5, 100_000, 90_000]);
        let e = InsertSize::estimate(&mut d);
        assert!(
            (e.mean - 400.0).abs() < 1.0 && (e.sd - 29.0).abs() < 1.0,
            "{e:?}"
        );
        assert!(
            e.fits(400) && e.fits(300) && !e.fits(100_000) && !e.fits(5),
            "{e:?}"
        );
        assert_eq!((e.cost(400), e.cost(400 + 4 * 29)), (0, 6));
    }

    #[test]
    fn pairs_that_do_not_face_each_other_are_reported() {
        let hit = |start: u32, reverse| Hit {
            reverse,
            contig: 0,
            alternate: false,
            start,
            end: start + 100,
            read_start: 0,
            read_end: 100,
            score: 100,
            ranked: 110,
            votes: 9,
            runs: (0, 0),
        };
        let counted = |a: Hit, b: Hit| {
            let mut counts = Orientations::default();
            for _ in 0..30 {
                counts.count([&a, &b], [100; 2], 10_000);
            }
            counts
        };
        // Facing each other: usual, dovetailed (each read runs past the other's start), far apart.
        let usual = counted(hit(1000, false), hit(1200, true));
        let dovetailed = counted(hit(1020, false), hit(1000, true));
        let far = counted(hit(1000, false), hit(50_000, true));
        assert_eq!((usual.inward, dovetailed.inward), (30, 30));
        assert_eq!(far, Orientations::default());
        assert_eq!((usual + dovetailed).warning(), None);

        let outward = counted(hit(1000, true), hit(4000, false));
        let same = counted(hit(1000, true), hit(1300, true));
        assert_eq!((outward.outward, same.same), (30, 30));
        assert!(outward.warning().unwrap().contains("mate-pair"));
        assert!(same.warning().unwrap().contains("one strand"));
        assert_eq!((outward + usual).warning(), None);
    }

    #[test]
    fn few_pairs_make_no_estimate() {
        assert_eq!(InsertSize::estimate(&mut [400; 19]), InsertSize::default());
    }
}
