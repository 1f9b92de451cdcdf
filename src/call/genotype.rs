//! From weighed fragments to calls: diploid genotypes, or alleles at any fraction.

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

/// A diploid genotype and how sure it is.
#[derive(Clone, Debug, PartialEq)]
pub struct Genotype {
    /// The two alleles, the lower first.
    pub alleles: (usize, usize),
    /// Phred that this is not the genotype, 0..=99.
    pub gq: u32,
    /// Phred that there is no variant at all.
    pub qual: f64,
    /// Phred-scaled likelihoods, the best 0, in VCF's order (VCF 4.4 §1.6.2).
    pub pl: Vec<u32>,
}

/// Weighs all pairs of alleles: each fragment comes from either with equal chance. `prior` is the
/// chance of a variant here.
pub fn diploid(locus: &Locus, prior: f64) -> Genotype {
    let n = locus.fits.first().map_or(1, Vec::len);
    let mut pairs = Vec::new();
    for b in 0..n {
        for a in 0..=b {
            let sum: i64 = locus
                .fits
                .iter()
                .map(|f| i64::from(log_add(f[a], f[b]) - BIT))
                .sum();
            let phred = -(sum as f64) / f64::from(BIT) / BITS_PER_PHRED;
            let chance = match (a, b) {
                (0, 0) => 1.0 - 1.5 * prior,
                (0, _) => prior,
                (a, b) if a == b => prior / 2.0,
                _ => prior * prior,
            };
            pairs.push(((a, b), phred, phred - 10.0 * chance.log10()));
        }
    }
    let lowest = |of: &dyn Fn(usize) -> f64| (0..pairs.len()).map(of).fold(f64::INFINITY, f64::min);
    let best_likelihood = lowest(&|i| pairs[i].1);
    let best_posterior = lowest(&|i| pairs[i].2);
    let best = (0..pairs.len())
        .find(|&i| pairs[i].2 <= best_posterior)
        .unwrap_or(0);
    let share = |i: usize| 10f64.powf((best_posterior - pairs[i].2) / 10.0);
    let all: f64 = (0..pairs.len()).map(share).sum();
    let others: f64 = (0..pairs.len()).filter(|&i| i != best).map(share).sum();
    // In phred of the posterior; far out, where the share underflows, of the difference itself.
    let qual = (pairs[0].2 - best_posterior + 10.0 * all.log10()).max(0.0);
    Genotype {
        alleles: pairs[best].0,
        gq: (-10.0 * (others / all).max(1e-10).log10()).clamp(0.0, 99.0) as u32,
        qual,
        pl: pairs
            .iter()
            .map(|p| (p.1 - best_likelihood).round().min(9999.0) as u32)
            .collect(),
    }
}

/// log10 odds that an allele is there at some fraction, over not at all: the variational evidence of
/// a two-allele mixture under a flat prior (Mutect2, docs/mutect/mutect.tex). `gains` are the
/// fragments' log2 likelihood ratios, with over without the allele.
pub fn fraction_odds(gains: &[f64]) -> f64 {
    if gains.is_empty() {
        return 0.0;
    }
    let ln2 = std::f64::consts::LN_2;
    let n = gains.len() as f64;
    let mut carriers = gains.iter().filter(|&&g| g > 0.0).count() as f64;
    for _ in 0..50 {
        let weight = digamma(1.0 + carriers) - digamma(1.0 + n - carriers);
        let next: f64 = gains.iter().map(|g| logistic(g * ln2 + weight)).sum();
        let done = (next - carriers).abs() < 1e-6;
        carriers = next;
        if done {
            break;
        }
    }
    let weight = digamma(1.0 + carriers) - digamma(1.0 + n - carriers);
    let mut evidence = ln_gamma(1.0 + carriers) + ln_gamma(1.0 + n - carriers) - ln_gamma(2.0 + n);
    for g in gains {
        let z = logistic(g * ln2 + weight);
        evidence += z * g * ln2 + entropy(z);
    }
    evidence / std::f64::consts::LN_10
}

/// Phred by which "half of the fragments carry it" is likelier than "some do, and always will":
/// reads of another copy of the sequence, slips of a repeat. Such artefacts have any fraction below
/// a third. `None` for fractions above that.
pub fn balance(gains: &[f64], prior: f64) -> Option<f64> {
    let speak: Vec<f64> = gains.iter().copied().filter(|g| g.abs() >= 1.0).collect();
    let carriers = speak.iter().filter(|&&g| g > 0.0).count();
    if carriers * 3 >= speak.len() {
        return None;
    }
    let het: f64 = -absence_odds(gains);
    let artefact = fraction_odds(gains);
    Some(10.0 * (het + prior.log10() - artefact - ARTEFACT.log10()))
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

    fn locus(fits: &[(i32, i32, usize)]) -> Locus {
        Locus {
            fits: fits
                .iter()
                .flat_map(|&(a, b, n)| vec![vec![a * BIT, b * BIT]; n])
                .collect(),
        }
    }

    #[test]
    fn genotypes_follow_the_fragments() {
        let g = diploid(&locus(&[(0, -12, 15), (-12, 0, 15)]), 1e-3);
        assert_eq!(g.alleles, (0, 1));
        assert!(g.qual > 300.0 && g.gq == 99, "{g:?}");
        assert_eq!(g.pl[1], 0);
        let g = diploid(&locus(&[(-12, 0, 20)]), 1e-3);
        assert_eq!(g.alleles, (1, 1));
        let g = diploid(&locus(&[(0, -12, 30), (-12, 0, 1)]), 1e-3);
        assert_eq!(g.alleles, (0, 0));
    }

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
    fn a_tenth_of_many_fragments_is_no_genotype_but_a_fifth_of_few_is() {
        let gains = |a, b| [vec![-12.0; a], vec![12.0; b]].concat();
        assert!(balance(&gains(104, 13), 1e-3).unwrap() < -50.0);
        assert!(balance(&gains(24, 6), 1e-3).unwrap() > 0.0);
        assert_eq!(balance(&gains(20, 20), 1e-3), None);
    }

    #[test]
    fn a_clean_normal_has_positive_odds_of_absence() {
        assert!(absence_odds(&[-12.0; 20]) > 5.0);
        assert!(absence_odds(&[vec![-12.0; 10], vec![12.0; 10]].concat()) < -20.0);
    }

    #[test]
    fn a_fragment_that_fits_both_speaks_for_none() {
        assert_eq!(Locus::spoken_for(&[0, 0]), None);
        assert_eq!(Locus::spoken_for(&[0, -3 * BIT]), Some(0));
        assert_eq!(Locus::spoken_for(&[-3 * BIT, 0, -BIT / 4]), None);
    }
}
