//! From weighed fragments to odds: which allele does each speak for, and is one there at any fraction?

use super::haplotype::{Haplotype, Weighed};
use super::math::{digamma, ln_gamma};
use crate::domain::quality::{BIT, BITS_PER_PHRED, log_add};

/// A fragment speaks for an allele if it fits it this much better than the next (0.2 in log10, as GATK).
pub const INFORMATIVE: i32 = (2.0 * BITS_PER_PHRED * BIT as f64) as i32;

/// How well each fragment fits each of a locus's alleles, the reference first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Locus {
    /// By fragment, then allele.
    pub fits: Vec<Vec<i32>>,
}

impl Locus {
    /// `alleles` are sets of the window's alleles, as bits: a haplotype carries one if it carries all
    /// its bits and none of another's that outdoes it; whoever carries none counts as reference.
    pub fn of(haplotypes: &[Haplotype], weighed: &[Weighed], alleles: &[u32]) -> Locus {
        let carried = |h: &Haplotype| {
            alleles
                .iter()
                .enumerate()
                .filter(|&(_, &bits)| h.carries & bits == bits)
                .max_by_key(|&(_, bits)| bits.count_ones())
                .map_or(0, |(k, _)| k + 1)
        };
        let carries: Vec<usize> = haplotypes.iter().map(carried).collect();
        let fits = weighed
            .iter()
            .map(|w| {
                let mut best = vec![i32::MIN; alleles.len() + 1];
                for (&k, &f) in carries.iter().zip(&w.fits) {
                    best[k] = best[k].max(f);
                }
                best
            })
            .collect();
        Locus { fits }
    }

    /// The allele that a fragment speaks for, if it speaks for one.
    pub fn spoken_for(fits: &[i32]) -> Option<usize> {
        let best = (0..fits.len()).rev().max_by_key(|&k| fits[k])?;
        let clear = fits
            .iter()
            .enumerate()
            .all(|(k, &f)| k == best || fits[best].saturating_sub(f) >= INFORMATIVE);
        clear.then_some(best)
    }

    /// Phred by which a genotype with an allele that is not listed is less likely than the `called` one:
    /// for each listed allele beside it, then for itself alone. No fragment fits such an allele better than
    /// the worst one that is listed. Of one copy, there is the last of these only.
    pub fn with_unlisted(&self, called: &[usize], alleles: usize) -> Vec<u32> {
        let of_pair = |pick: &dyn Fn(&[i32]) -> (i32, i32)| -> i64 {
            let pairs = self.fits.iter().map(|f| pick(f));
            pairs.map(|(x, y)| i64::from(log_add(x, y) - BIT)).sum()
        };
        // An allele that no haplotype carries fits as badly as any.
        let worst = |f: &[i32]| {
            f.iter()
                .copied()
                .filter(|&x| x > i32::MIN)
                .min()
                .unwrap_or(0)
        };
        let fit = |f: &[i32], k: usize| f[k].max(worst(f));
        let (x, y) = (called[0], called[called.len() - 1]);
        let best = of_pair(&|f| (fit(f, x), fit(f, y)));
        let phred = |likelihood: i64| {
            let less = (best - likelihood) as f64 / f64::from(BIT) / BITS_PER_PHRED;
            less.round().clamp(0.0, 9999.0) as u32
        };
        let beside = if called.len() == 1 { 0 } else { alleles };
        let mut out: Vec<u32> = (0..beside)
            .map(|k| phred(of_pair(&|f| (fit(f, k), worst(f)))))
            .collect();
        out.push(phred(of_pair(&|f| (worst(f), worst(f)))));
        out
    }

    /// Fragments by the allele that they speak for.
    pub fn support(&self) -> Vec<u32> {
        let mut counts = vec![0; self.fits.first().map_or(0, Vec::len)];
        for f in &self.fits {
            if let Some(k) = Locus::spoken_for(f) {
                counts[k] += 1;
            }
        }
        counts
    }
}

/// A genotype and how sure it is.
#[derive(Clone, Debug, PartialEq)]
pub struct Genotype {
    /// The allele of each copy, the lower first.
    pub alleles: Vec<usize>,
    /// Phred that this is not the genotype, 0..=99.
    pub gq: u32,
    /// Phred that there is no variant at all.
    pub qual: f64,
    /// Phred-scaled likelihoods, the best 0, in VCF's order (VCF 4.4 §1.6.2).
    pub pl: Vec<u32>,
}

impl Genotype {
    /// Is no copy anything else than the reference?
    pub fn is_reference(&self) -> bool {
        self.alleles.iter().all(|&a| a == 0)
    }
}

/// log10 odds that an allele is there at some fraction, over not at all: the variational evidence of
/// a two-allele mixture under a flat prior (Mutect2, docs/mutect/mutect.tex). `gains` are the
/// fragments' log2 likelihood ratios, with over without the allele.
pub fn fraction_odds(gains: &[f64]) -> f64 {
    odds_of_groups(gains.iter().map(|&gain| (gain, 1.0)))
}

/// [`fraction_odds`] of fragments in groups: a gain, and how many have it.
pub fn odds_of_groups(groups: impl Iterator<Item = (f64, f64)> + Clone) -> f64 {
    let n: f64 = groups.clone().map(|(_, count)| count).sum();
    if n == 0.0 {
        return 0.0;
    }
    let ln2 = std::f64::consts::LN_2;
    let positive = groups.clone().filter(|&(gain, _)| gain > 0.0);
    let mut carriers: f64 = positive.map(|(_, count)| count).sum();
    for _ in 0..50 {
        let weight = digamma(1.0 + carriers) - digamma(1.0 + n - carriers);
        let next: f64 = groups
            .clone()
            .map(|(gain, count)| count * logistic(gain * ln2 + weight))
            .sum();
        let done = (next - carriers).abs() < 1e-6;
        carriers = next;
        if done {
            break;
        }
    }
    let weight = digamma(1.0 + carriers) - digamma(1.0 + n - carriers);
    let mut evidence = ln_gamma(1.0 + carriers) + ln_gamma(1.0 + n - carriers) - ln_gamma(2.0 + n);
    for (gain, count) in groups {
        let z = logistic(gain * ln2 + weight);
        evidence += count * (z * gain * ln2 + entropy(z));
    }
    evidence / std::f64::consts::LN_10
}

/// Phred by which "one of `copies` carries it, and so does this share of the fragments" is likelier than
/// "some do, and always will": reads of another copy of the sequence, slips of a repeat. Such artefacts
/// have any fraction below two thirds of that share. `None` for fractions above that.
pub fn balance(gains: &[f64], prior: f64, copies: usize) -> Option<f64> {
    let speak: Vec<f64> = gains.iter().copied().filter(|g| g.abs() >= 1.0).collect();
    let carriers = speak.iter().filter(|&&g| g > 0.0).count();
    if carriers * 3 * copies >= speak.len() * 2 {
        return None;
    }
    let carried: f64 = match copies {
        1 => gains.iter().sum::<f64>() * std::f64::consts::LOG10_2,
        _ => -absence_odds(gains),
    };
    let artefact = fraction_odds(gains);
    Some(10.0 * (carried + prior.log10() - artefact - ARTEFACT.log10()))
}

/// Prior chance of an artefact at a place.
const ARTEFACT: f64 = 1e-5;

fn logistic(x: f64) -> f64 {
    1.0 / (1.0 + (-x).exp())
}

fn entropy(z: f64) -> f64 {
    let term = |p: f64| if p > 0.0 { -p * p.ln() } else { 0.0 };
    term(z) + term(1.0 - z)
}

/// log10 odds of "no such allele in this sample" over "heterozygous for it" (the normal odds of `MuTect`).
pub fn absence_odds(gains: &[f64]) -> f64 {
    gains
        .iter()
        .map(|&g| -f64::midpoint(1.0, f64::exp2(g)).log10())
        .sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn odds_of_a_low_fraction_match_the_closed_form() {
        // 5 of 1,000 with 12 bits each: 5 x 12 bits less ln(N + 1) and ln C(1000, 5).
        let mut gains = vec![-12.0; 995];
        gains.extend([12.0; 5]);
        let expected = 5.0 * 12.0 * std::f64::consts::LOG10_2
            - (1001f64.ln() + super::super::math::ln_choose(1000, 5)) / std::f64::consts::LN_10;
        let got = fraction_odds(&gains);
        assert!((got - expected).abs() < 0.2, "{got} {expected}");
        assert!(fraction_odds(&[-12.0; 50]) < 0.0);
    }

    #[test]
    fn groups_weigh_as_their_fragments_one_by_one() {
        let one_by_one = fraction_odds(&[vec![-9.5; 990], vec![11.0; 10]].concat());
        let groups = odds_of_groups([(-9.5, 990.0), (11.0, 10.0)].into_iter());
        assert!(one_by_one > 5.0);
        assert!((one_by_one - groups).abs() < 1e-6, "{one_by_one} {groups}");
    }

    #[test]
    fn a_tenth_of_many_fragments_is_no_genotype_but_a_fifth_of_few_is() {
        let gains = |a, b| [vec![-12.0; a], vec![12.0; b]].concat();
        assert!(balance(&gains(104, 13), 1e-3, 2).unwrap() < -50.0);
        assert!(balance(&gains(24, 6), 1e-3, 2).unwrap() > 0.0);
        assert_eq!(balance(&gains(20, 20), 1e-3, 2), None);
    }

    #[test]
    fn half_of_the_fragments_are_a_genotype_of_two_copies_but_not_of_one() {
        let gains = |a, b| [vec![-12.0; a], vec![12.0; b]].concat();
        assert!(balance(&gains(20, 20), 1e-3, 1).unwrap() < -50.0);
        assert_eq!(balance(&gains(3, 37), 1e-3, 1), None);
    }

    #[test]
    fn a_clean_normal_has_positive_odds_of_absence() {
        assert!(absence_odds(&[-12.0; 20]) > 5.0);
        assert!(absence_odds(&[vec![-12.0; 10], vec![12.0; 10]].concat()) < -20.0);
    }

    #[test]
    fn an_unlisted_allele_fits_no_fragment_better_than_the_worst_listed_one() {
        let fits = [vec![vec![0, -20 * BIT]; 8], vec![vec![-20 * BIT, 0]; 8]].concat();
        let locus = Locus { fits };
        // Half of the fragments lose 19 bits, or all of them do: they had half of the copies before.
        assert_eq!(locus.with_unlisted(&[0, 1], 2), [458, 458, 915]);
        assert_eq!(locus.with_unlisted(&[1], 2).len(), 1);
        let silent = Locus {
            fits: vec![vec![0, 0]; 8],
        };
        assert_eq!(
            silent.with_unlisted(&[0, 0], 2),
            [0, 0, 0],
            "nothing is known"
        );
    }

    #[test]
    fn a_fragment_that_fits_both_speaks_for_none() {
        assert_eq!(Locus::spoken_for(&[0, 0]), None);
        assert_eq!(Locus::spoken_for(&[0, -3 * BIT]), Some(0));
        assert_eq!(Locus::spoken_for(&[-3 * BIT, 0, -BIT / 4]), None);
    }
}
