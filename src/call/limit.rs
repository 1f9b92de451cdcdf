//! How small a fraction would have been seen? A claim of absence is worth what the depth and the
//! errors of its place allow.

use super::filter::{LEAST_DEPTH, LEAST_ODDS};
use super::genotype::odds_of_groups;
use super::math::binomial_tail;

/// Probability with which a variant at the stated fraction would have been called.
pub const CONFIDENCE: f64 = 0.95;

/// Probability that at least `k` of `depth` fragments carry an allele of fraction `f`: the upper tail of
/// the binomial distribution.
pub fn chance_of_support(depth: u32, f: f64, k: u32) -> f64 {
    if f >= 1.0 {
        return f64::from(u8::from(depth >= k));
    }
    let odds = f / (1.0 - f);
    let mut term = (f64::from(depth) * (1.0 - f).ln()).exp();
    let mut below = 0.0;
    for i in 0..k.min(depth + 1) {
        below += term;
        term *= odds * f64::from(depth - i) / f64::from(i + 1);
    }
    if depth < k {
        0.0
    } else {
        (1.0 - below).max(0.0)
    }
}

/// The smallest fraction of molecules that `k` of `depth` fragments would have shown with a
/// probability of 95 %; `None` below `k` fragments.
pub fn detectable_fraction(depth: u32, k: u32) -> Option<f64> {
    if depth < k {
        return None;
    }
    let (mut low, mut high) = (0.0, 1.0);
    for _ in 0..60 {
        let middle = f64::midpoint(low, high);
        if chance_of_support(depth, middle, k) >= CONFIDENCE {
            high = middle;
        } else {
            low = middle;
        }
    }
    Some(high)
}

/// The fewest of `depth` fragments that pass the caller's odds, when one fragment may show the allele
/// by error with this chance. `None` if not even all of them do.
pub fn support_that_passes(depth: u32, error: f64) -> Option<u32> {
    let gain = ((1.0 - error) / error).log2();
    let passes = |k: u32| {
        let groups = [(gain, f64::from(k)), (-gain, f64::from(depth - k))];
        odds_of_groups(groups.into_iter()) >= LEAST_ODDS
    };
    // The odds grow with k.
    let (mut low, mut high) = (0, depth);
    if depth == 0 || !passes(depth) {
        return None;
    }
    while high - low > 1 {
        let middle = u32::midpoint(low, high);
        let bound = if passes(middle) { &mut high } else { &mut low };
        *bound = middle;
    }
    Some(high)
}

/// The smallest fraction that this many fragments show with 95 % power at this chance of error, or why
/// nothing can be said.
pub fn limit(depth: u32, error: f64) -> Result<f64, String> {
    if depth == 0 {
        return Err("no usable fragment covers it".into());
    }
    if depth < LEAST_DEPTH {
        return Err(format!(
            "depth {depth} is below the {LEAST_DEPTH} fragments that a call needs"
        ));
    }
    support_that_passes(depth, error)
        .and_then(|k| detectable_fraction(depth, k))
        .ok_or_else(|| format!("its errors hide any variant at depth {depth}"))
}

/// The 95 % interval of a fraction of which `k` of `n` fragments speak (Clopper and Pearson 1934).
pub fn interval(k: u32, n: u32) -> (f64, f64) {
    let solve = |k: u32, tail: f64| {
        let (mut low, mut high) = (0.0, 1.0);
        for _ in 0..40 {
            let middle = f64::midpoint(low, high);
            if binomial_tail(n, k, middle) < tail {
                low = middle;
            } else {
                high = middle;
            }
        }
        f64::midpoint(low, high)
    };
    let low = if k == 0 { 0.0 } else { solve(k, 0.025) };
    let high = if k >= n { 1.0 } else { solve(k + 1, 0.975) };
    (low, high)
}

#[cfg(test)]
mod tests {
    use super::super::genotype::fraction_odds;
    use super::*;

    #[test]
    fn intervals_are_those_of_the_tables() {
        let near = |a: (f64, f64), b: (f64, f64)| {
            assert!(
                (a.0 - b.0).abs() < 5e-4 && (a.1 - b.1).abs() < 5e-4,
                "{a:?} {b:?}"
            );
        };
        near(interval(0, 10), (0.0, 0.3085));
        near(interval(5, 10), (0.1871, 0.8129));
        near(interval(10, 1000), (0.0048, 0.0183));
        near(interval(3, 3), (0.2924, 1.0));
        near(interval(0, 0), (0.0, 1.0));
    }

    #[test]
    fn the_limit_falls_with_depth_and_rises_with_error() {
        let at = |depth, error| limit(depth, error).unwrap();
        assert!(at(1000, 1e-4) < at(200, 1e-4));
        assert!(at(1000, 1e-3) > at(1000, 1e-5));
        assert!(
            (0.005..0.02).contains(&at(1000, 1e-4)),
            "{}",
            at(1000, 1e-4)
        );
        assert!(limit(0, 1e-4).is_err() && limit(9, 1e-4).is_err());
        assert!(limit(1000, 0.4).is_err() || at(1000, 0.4) > 0.3);
    }

    #[test]
    fn one_fragment_less_does_not_pass() {
        let k = support_that_passes(500, 1e-4).unwrap();
        let gain = (1e4f64 - 1.0).log2();
        let odds = |k: u32| {
            let gains: Vec<f64> = (0..500).map(|i| if i < k { gain } else { -gain }).collect();
            fraction_odds(&gains)
        };
        assert!(odds(k) >= LEAST_ODDS && odds(k - 1) < LEAST_ODDS);
    }
}
