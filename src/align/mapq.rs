//! Mapping qualities: -10 log10 of the chance that a read is not where we say. bwa's formulas, with
//! the share of a read's seeds that was too frequent to look at in place of its repeat fraction.

use crate::genome::syncmer::{K, WINDOW};
use crate::kernel::seed::spacing;

/// Highest quality given.
pub const MAX: i32 = 60;
/// Score of a chance match: what a second place is worth if none was seen.
const CHANCE: i32 = 19;
/// Quality per unit of score between two places of a pair. A mismatch (5) that separates them may be
/// a variant of the sample, which takes 1 in 1,000 bases and more where copies are many: 22, not the
/// 30 that bwa's 6.02 gives.
const PER_SCORE: f64 = 4.5;
/// Second places within this of the best (a mismatch, or a gap) count as many.
pub const NEAR: i32 = 7;

/// Natural logarithm by IEEE additions, multiplications and divisions alone: the same bits on every
/// platform, which the system's `log` does not promise.
pub fn ln(x: f64) -> f64 {
    debug_assert!(x.is_finite() && x > 0.0);
    let mut exponent = 0.0;
    let mut m = x;
    while m >= 1.5 {
        m *= 0.5;
        exponent += 1.0;
    }
    while m < 0.75 {
        m *= 2.0;
        exponent -= 1.0;
    }
    // ln m = 2 artanh((m - 1) / (m + 1)); |y| <= 1/5, so twelve terms exceed f64's precision.
    let y = (m - 1.0) / (m + 1.0);
    let mut sum = 0.0;
    for k in (0..12).rev() {
        sum = sum * y * y + 1.0 / f64::from(2 * k + 1);
    }
    2.0 * y * sum + exponent * std::f64::consts::LN_2
}

/// What a read's own hits say.
#[derive(Clone, Copy, Debug)]
pub struct Evidence {
    /// Score of the hit.
    pub score: i32,
    /// Best score of another hit of the same bases; 0 if none.
    pub second: i32,
    /// Hits within [`NEAR`] of that.
    pub near_second: usize,
    /// The longer of the aligned spans, in the read and in the genome.
    pub span: u32,
    /// Least by which a place that was not looked at falls short of this one; see [`shortfall`].
    pub shortfall: Option<i32>,
}

/// Some seeds are too frequent to look at ([`Summary::skipped`](crate::kernel::candidate::Summary));
/// a place that only they lead to was not seen. But all places of the other seeds were: an unseen
/// place lacks every seed that voted for the hit, and costs a mismatch at least in each of those that
/// do not overlap. `None`: all seeds were looked at, and there is no such place.
pub fn shortfall(votes: u32, skipped: u32, length: u32) -> Option<i32> {
    const MISMATCH: u32 = 5; // match and penalty
    let (k, half) = (K as u32, WINDOW as u32 / 2);
    let step = (spacing(length) + half / 2).max(half); // seeds start about `step` apart
    let disjoint = if votes == 0 {
        0
    } else {
        ((votes - 1) * step + k) / k
    };
    (skipped > 0).then_some((MISMATCH * disjoint) as i32)
}

impl Evidence {
    /// Quality from the read alone.
    pub fn single(&self) -> i32 {
        let unseen = self.shortfall.map_or(0, |s| self.score - s);
        let second = self.second.max(CHANCE).max(unseen);
        if second >= self.score {
            return 0;
        }
        let span = f64::from(self.span);
        let identity = 1.0 - (span - f64::from(self.score)) / 5.0 / span;
        let t = if self.span < 50 { 1.0 } else { 3.0 / ln(span) } * identity * identity;
        let q = 6.02 * f64::from(self.score - second) * t * t + 0.499;
        let q = q - 4.343 * ln(self.near_second as f64 + 1.0);
        q.clamp(0.0, f64::from(MAX)) as i32
    }
}

/// Quality of a pair's placement: `best` and `second` are pair scores.
pub fn paired(best: i32, second: i32, near_second: usize, ends: [&Evidence; 2]) -> i32 {
    // An unseen place of the pair is unseen by both ends.
    let unseen = match ends.map(|e| e.shortfall) {
        [Some(a), Some(b)] => best - a - b,
        _ => 0,
    };
    let q = PER_SCORE * f64::from(best - second.max(unseen)) - 4.343 * ln(near_second as f64 + 1.0);
    (q.clamp(0.0, f64::from(MAX)) + 0.499) as i32
}

/// Quality of one end of a placed pair, from its own and the pair's.
pub fn combined(single: i32, paired: i32) -> i32 {
    if single > paired {
        single
    } else {
        paired.min(single + 40)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ln_is_the_logarithm() {
        for x in [
            1e-3, 0.5, 0.7499, 0.75, 1.0, 1.4999, 1.5, 2.0, 10.0, 150.0, 1e6,
        ] {
            assert!(
                (ln(x) - f64::ln(x)).abs() < 1e-14 * (1.0 + f64::ln(x).abs()),
                "{x}"
            );
        }
    }

    #[test]
    fn a_second_place_as_good_leaves_nothing() {
        let e = Evidence {
            score: 150,
            second: 150,
            near_second: 1,
            span: 150,
            shortfall: None,
        };
        assert_eq!(e.single(), 0);
        assert_eq!(
            Evidence {
                second: 0,
                near_second: 0,
                ..e
            }
            .single(),
            60
        );
        assert!((20..40).contains(&Evidence { second: 135, ..e }.single()));
        assert_eq!(
            Evidence {
                second: 0,
                near_second: 0,
                shortfall: shortfall(5, 15, 75),
                ..e
            }
            .single(),
            22
        );
    }
}
