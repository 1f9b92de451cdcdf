//! Short tandem repeats, and how often this sample's library slips in them. Polymerases lose and
//! gain units; how many depends on the library, so the sample itself is asked.

use super::allele::{Stretch, core, core_letters};
use super::math::ln_gamma;
use crate::domain::{Span, Variant};
use std::collections::BTreeMap;

/// A run of a unit of 1 to 6 bases.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Repeat {
    /// All of it.
    pub span: Span,
    /// Bases in a unit.
    pub period: u32,
}

/// Longest unit looked for.
const PERIODS: usize = 6;
/// Runs of more units share the count of this many.
const UNITS: usize = 40;
/// What is expected weighs as much as so many fragments.
const PRIOR_WEIGHT: f64 = 60.0;
/// The rates of a class's repeats have a standard deviation of half their mean, and so are drawn from
/// a beta distribution of this many observations over the mean.
const LIKENESS: f64 = 4.0;
/// Repeats that the expected share of variants weighs as much as.
const SHARE_WEIGHT: f64 = 20.0;
/// A repeat slips at least so much more than one of a unit less.
const GROWTH: f64 = 1.3;
/// Fragments that do not reach across a repeat dilute the rate; a little room for that and for chance.
const SAFETY: f64 = 1.5;

impl Repeat {
    /// Whole units.
    pub fn units(&self) -> u32 {
        self.span.len() / self.period
    }

    /// Does the normalized indel stand in it and change its length by one unit?
    pub fn is_slip(&self, v: &Variant) -> bool {
        self.changes(v) && v.reference.len().abs_diff(v.alternate.len()) as u32 == self.period
    }

    /// Does the normalized indel stand in it and change its length by whole units?
    pub fn changes(&self, v: &Variant) -> bool {
        let c = core(v);
        v.is_indel()
            && c.start == self.span.start
            && (c.is_empty() || core_letters(v).is_empty())
            && (v.reference.len().abs_diff(v.alternate.len()) as u32).is_multiple_of(self.period)
            && (c.end <= self.span.end)
    }

    /// Units that a normalized indel in it adds; negative for those that it takes.
    pub fn units_added(&self, v: &Variant) -> i32 {
        (v.alternate.len() as i32 - v.reference.len() as i32) / self.period as i32
    }

    /// Bounds for looking up normalized indels that stand before it in a sorted map.
    pub fn anchor_range(&self, around: &Stretch) -> std::ops::Range<Variant> {
        let bound = |p: u32| Variant {
            contig: around.contig,
            pos: crate::domain::Pos(p),
            reference: Vec::new(),
            alternate: Vec::new(),
        };
        bound(self.span.start - 1)..bound(self.span.start)
    }
}

/// The repeats of a stretch: 4 units or more of one base, 3 or more of 2 to 6, by position.
pub fn find(around: &Stretch) -> Vec<Repeat> {
    let b = &around.bases;
    let mut out = Vec::new();
    for period in 1..=PERIODS {
        let mut i = period;
        while i < b.len() {
            if b[i] != b[i - period] || b[i] == b'N' {
                i += 1;
                continue;
            }
            let start = i - period;
            while i < b.len() && b[i] == b[i - period] {
                i += 1;
            }
            let length = i - start;
            let least = if period == 1 { 4 } else { 3 * period };
            let unit = &b[start..start + period];
            let simpler = (1..period)
                .any(|p| period.is_multiple_of(p) && (p..period).all(|k| unit[k] == unit[k - p]));
            if length >= least && !simpler && around.span.start + start as u32 > 0 {
                out.push(Repeat {
                    span: Span::new(
                        around.span.start + start as u32,
                        around.span.start + i as u32,
                    ),
                    period: period as u32,
                });
            }
        }
    }
    out.sort_by_key(|r| (r.span.start, r.period));
    out
}

/// The repeat whose length a normalized indel changes, the longest if several.
pub fn changed_by(repeats: &[Repeat], v: &Variant) -> Option<Repeat> {
    let start = core(v).start;
    let first = repeats.partition_point(|r| r.span.start < start);
    repeats[first..]
        .iter()
        .take_while(|r| r.span.start == start)
        .filter(|r| r.changes(v))
        .max_by_key(|r| (r.span.len(), r.period))
        .copied()
}

/// A stretch widened over all repeats that it touches. Seen through less than that, a changed repeat
/// looks like another change, or like none: the rest of it shifts along.
pub fn with_touched(repeats: &[Repeat], mut span: Span) -> Span {
    loop {
        let touches = |r: &&Repeat| r.span.start <= span.end && span.start <= r.span.end;
        let wider = repeats.iter().filter(touches).fold(span, |s, r| {
            Span::new(s.start.min(r.span.start), s.end.max(r.span.end))
        });
        if wider == span {
            return span;
        }
        span = wider;
    }
}

/// What was seen of repeats: for each class (period and units), how many repeats had how many slips
/// among how many fragments.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SlipCounts(BTreeMap<(usize, u32, u32), u64>);

impl SlipCounts {
    /// Adds one repeat: `slips` of `depth` fragments are one unit longer or shorter.
    pub fn observe(&mut self, r: Repeat, slips: u32, depth: u32) {
        if depth > 0 {
            *self
                .0
                .entry((class(r), slips.min(depth), depth))
                .or_insert(0) += 1;
        }
    }

    /// Adds the counts of another part of the panel.
    pub fn merge(&mut self, other: &SlipCounts) {
        for (&key, &n) in &other.0 {
            *self.0.entry(key).or_insert(0) += n;
        }
    }
}

fn class(r: Repeat) -> usize {
    (r.period as usize - 1) * (UNITS + 1) + (r.units() as usize).min(UNITS)
}

/// What is expected of a library of good quality, before the sample has said anything: a twentieth of
/// a per mille at four units, growing by half to two thirds with each unit.
fn expected(class: usize) -> f64 {
    let (period, units) = (class / (UNITS + 1) + 1, (class % (UNITS + 1)) as f64);
    if period == 1 {
        (5e-5 * 1.6f64.powf(units - 4.0)).min(0.2)
    } else {
        (5e-5 * 1.5f64.powf(units - 3.0)).min(0.2)
    }
}

/// How often the sample's repeats slip, by class.
#[derive(Clone, Debug, PartialEq)]
pub struct Slippage {
    rates: Vec<f64>,
    /// Of the repeats of each class, so many are of another length than the reference's.
    shares: Vec<f64>,
}

impl Default for Slippage {
    /// Nothing was seen: what is expected.
    fn default() -> Slippage {
        Slippage::of(&SlipCounts::default())
    }
}

impl Slippage {
    /// Learns the rates. A repeat is either as long as the reference's, and its fragments slip at the
    /// class's rate, or it is a variant, and any share of them differs; expectation maximization
    /// tells the two apart, so that variants do not pass for slips.
    pub fn of(counts: &SlipCounts) -> Slippage {
        let mut rates: Vec<f64> = Vec::with_capacity(PERIODS * (UNITS + 1));
        let mut shares = rates.clone();
        for class in 0..PERIODS * (UNITS + 1) {
            let seen: Vec<(f64, f64, f64)> = counts
                .0
                .range((class, 0, 0)..(class + 1, 0, 0))
                .map(|(&(_, s, d), &n)| (f64::from(s), f64::from(d), n as f64))
                .collect();
            let shorter = match class % (UNITS + 1) {
                0 => 0.0,
                _ => rates[class - 1],
            };
            let prior = expected(class).max((GROWTH * shorter).min(0.2));
            let (rate, share) = learn(&seen, prior, expected_share(class));
            rates.push(rate);
            shares.push(share);
        }
        Slippage { rates, shares }
    }

    /// Chance that a fragment shows one unit more or less than there are.
    pub fn rate(&self, r: Repeat) -> f64 {
        self.rates[class(r)].min(0.3)
    }

    /// Share of such repeats whose length differs from the reference's.
    pub fn share_of_variants(&self, r: Repeat) -> f64 {
        self.shares[class(r)]
    }

    /// Chance that a fragment shows so many units more or less than there are, with room for what
    /// is not known: a tenth for each unit beyond the first.
    pub fn rate_of(&self, r: Repeat, units: i32) -> f64 {
        (SAFETY * self.rates[class(r)]).min(0.3) * 0.1f64.powi(units.abs() - 1)
    }
}

/// Share of a class's repeats that differ between people, before the sample has said anything.
fn expected_share(class: usize) -> f64 {
    let units = (class % (UNITS + 1)) as i32;
    (2e-4 * 1.6f64.powi(units - 4)).min(0.1)
}

/// The rate of slips among repeats that are no variants, and the share of those that are: `seen` are
/// slips, fragments, and how many repeats are like that.
fn learn(seen: &[(f64, f64, f64)], expected: f64, share: f64) -> (f64, f64) {
    let (mut rate, mut variants) = (expected, share);
    for _ in 0..40 {
        let (mut slips, mut depth) = (0.0, 0.0);
        let (mut all, mut varied) = (SHARE_WEIGHT, SHARE_WEIGHT * share);
        let likeness = (LIKENESS / rate).clamp(20.0, 5000.0);
        for &(s, d, n) in seen {
            // Beta-binomial; as 1/(d+1) for variants, without the binomial's coefficient, which is in both.
            let (a, b) = (likeness * rate, likeness * (1.0 - rate));
            let ln_beta = |x: f64, y: f64| ln_gamma(x) + ln_gamma(y) - ln_gamma(x + y);
            let ordinary = (1.0 - variants).ln() + ln_beta(a + s, b + d - s) - ln_beta(a, b);
            let varies = variants.ln() + ln_beta(1.0 + s, 1.0 + d - s);
            let share = 1.0 / (1.0 + (varies - ordinary).exp()); // of ordinary ones
            // Fragments of one repeat say the same again and again.
            let weight = n * share * (1.0 + likeness) / (likeness + d);
            slips += weight * s;
            depth += weight * d;
            all += n;
            varied += n * (1.0 - share);
        }
        let next = (slips + PRIOR_WEIGHT * expected) / (depth + PRIOR_WEIGHT);
        let done = (next - rate).abs() < 1e-4 * rate;
        (rate, variants) = (next, varied / all);
        if done {
            break;
        }
    }
    (rate, variants)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{ContigId, Pos};

    fn stretch(bases: &[u8]) -> Stretch {
        Stretch {
            contig: ContigId(0),
            span: Span::new(50, 50 + bases.len() as u32),
            bases: bases.to_vec(),
        }
    }

    #[test]
    fn repeats_are_found_with_their_shortest_unit() {
        let s = stretch(b"GAAAAACTCTCTGGTACTACTACC");
        let found: Vec<(u32, u32, u32)> = find(&s)
            .iter()
            .map(|r| (r.span.start - 50, r.span.end - 50, r.period))
            .collect();
        assert_eq!(found, [(1, 6, 1), (6, 12, 2), (14, 23, 3)]);
    }

    #[test]
    fn a_stretch_takes_in_the_repeats_it_touches() {
        let s = stretch(b"GAAAAACTCTCTGGTACTACTACC");
        let found = find(&s);
        let widened = |a, b| with_touched(&found, Span::new(a, b));
        assert_eq!(
            widened(57, 58),
            Span::new(51, 62),
            "one repeat leads to its neighbour"
        );
        assert_eq!(widened(63, 63), Span::new(63, 63));
    }

    #[test]
    fn one_unit_more_or_less_is_a_slip() {
        let s = stretch(b"GAAAAAC");
        let r = find(&s)[0];
        let v = |a: &[u8], b: &[u8]| Variant {
            contig: ContigId(0),
            pos: Pos(50),
            reference: a.to_vec(),
            alternate: b.to_vec(),
        };
        assert!(r.is_slip(&v(b"G", b"GA")));
        assert!(r.is_slip(&v(b"GA", b"G")));
        assert!(!r.is_slip(&v(b"GAA", b"G")));
        assert!(r.changes(&v(b"GAA", b"G")));
    }

    #[test]
    fn the_sample_teaches_the_rate_but_variants_do_not() {
        let r = Repeat {
            span: Span::new(10, 18),
            period: 1,
        };
        let naive = Slippage::default().rate(r);
        let mut seen = SlipCounts::default();
        for _ in 0..20 {
            seen.observe(r, 5, 1000);
        }
        let taught = Slippage::of(&seen);
        let rate = taught.rate(r);
        assert!(rate > 10.0 * naive && rate < 0.01, "{naive} {rate}");
        assert!(taught.rate_of(r, -1) > 0.9 * rate && taught.rate_of(r, 3) < 0.02 * rate);
        seen.observe(r, 500, 1000);
        seen.observe(r, 1000, 1000);
        assert!(Slippage::of(&seen).rate(r) < 1.1 * rate);
    }

    #[test]
    fn shallow_heterozygous_repeats_are_told_from_slips() {
        let r = Repeat {
            span: Span::new(10, 28),
            period: 1,
        };
        let mut seen = SlipCounts::default();
        for i in 0..300 {
            // One in five is heterozygous; the others slip once in a hundred fragments.
            seen.observe(
                r,
                if i % 5 == 0 {
                    14
                } else {
                    u32::from(i % 4 == 0)
                },
                28,
            );
        }
        let rate = Slippage::of(&seen).rate(r);
        assert!((0.004..0.02).contains(&rate), "{rate}");
    }
}
