//! Genotypes of a window: which two haplotypes? Fragments come from either with equal chance; the
//! best pair gives each allele its copies, and alleles on one haplotype their common phase. Where there
//! is one copy, a haplotype stands alone.

use super::genotype::Genotype;
use super::haplotype::{Haplotype, Weighed};
use crate::domain::quality::{BIT, BITS_PER_PHRED, log_add};

/// All pairs of a window's haplotypes, weighed.
#[derive(Clone, Debug)]
pub struct Pairs {
    /// Two, or one: then each haplotype makes a pair with itself only.
    copies: usize,
    /// Ranks of the two, the lower first; their likelihood and their posterior, in phred, unscaled.
    pairs: Vec<(usize, usize, f64, f64)>,
}

impl Pairs {
    /// Weighs all pairs. `cost` is the phred prior of each of the window's alleles, which a pair pays
    /// once for each that it carries, however often.
    pub fn weigh(
        haplotypes: &[Haplotype],
        weighed: &[Weighed],
        cost: &[f64],
        copies: usize,
    ) -> Pairs {
        let mut pairs = Vec::new();
        for b in 0..haplotypes.len() {
            let first = if copies == 1 { b } else { 0 };
            for a in first..=b {
                let sum: i64 = weighed
                    .iter()
                    .map(|w| i64::from(log_add(w.fits[a], w.fits[b]) - BIT))
                    .sum();
                let likelihood = -(sum as f64) / f64::from(BIT) / BITS_PER_PHRED;
                let (ca, cb) = (haplotypes[a].carries, haplotypes[b].carries);
                let carried = (0..cost.len()).filter(|k| (ca | cb) >> k & 1 == 1);
                let mut prior: f64 = carried.map(|k| cost[k]).sum();
                if a == b && ca != 0 && copies == 2 {
                    prior += TWICE;
                }
                pairs.push((a, b, likelihood, likelihood + prior));
            }
        }
        Pairs { copies, pairs }
    }

    /// The likeliest pair after priors; of equal ones the first.
    pub fn best(&self) -> (usize, usize) {
        let best = self
            .pairs
            .iter()
            .min_by(|x, y| x.3.total_cmp(&y.3))
            .expect("there is a reference haplotype");
        (best.0, best.1)
    }

    /// Phred by which the best pair is likelier than any in which two haplotypes carry the same alleles
    /// put together otherwise; infinite where there is no other way.
    pub fn otherwise_together(&self, haplotypes: &[Haplotype]) -> f64 {
        // What either carries, and what both do.
        let alleles = |a: usize, b: usize| {
            let (x, y) = (haplotypes[a].carries, haplotypes[b].carries);
            (x | y, x & y)
        };
        let (a, b) = self.best();
        let posterior = |same: bool| {
            let others = self.pairs.iter().filter(|p| {
                let is_best = (p.0, p.1) == (a, b);
                is_best == same && alleles(p.0, p.1) == alleles(a, b)
            });
            others.map(|p| p.3).fold(f64::INFINITY, f64::min)
        };
        posterior(false) - posterior(true)
    }

    /// The genotype of one locus: `allele` tells which of its `alleles` (0: the reference's) each
    /// haplotype carries.
    pub fn at(&self, allele: &[usize], alleles: usize) -> Genotype {
        let genotypes = genotypes(alleles, self.copies);
        let count = genotypes.len();
        let best = self.pairs.iter().map(|p| p.3).fold(f64::INFINITY, f64::min);
        let mut shares = vec![0.0; count];
        let mut lowest = vec![f64::INFINITY; count]; // phred posterior
        let mut likelihoods = vec![f64::INFINITY; count];
        for &(a, b, likelihood, posterior) in &self.pairs {
            let mut carried = [allele[a], allele[b]];
            carried.sort_unstable();
            let g = index(&carried[..self.copies]);
            shares[g] += 10f64.powf((best - posterior) / 10.0);
            lowest[g] = lowest[g].min(posterior);
            likelihoods[g] = likelihoods[g].min(likelihood);
        }
        let all: f64 = shares.iter().sum();
        let called = (0..count)
            .min_by(|&x, &y| lowest[x].total_cmp(&lowest[y]))
            .unwrap_or(0);
        let others: f64 = (0..count).filter(|&g| g != called).map(|g| shares[g]).sum();
        let top = likelihoods.iter().copied().fold(f64::INFINITY, f64::min);
        Genotype {
            alleles: genotypes[called].clone(),
            gq: (-10.0 * (others / all).max(1e-10).log10()).clamp(0.0, 99.0) as u32,
            qual: if lowest[0].is_finite() {
                // Far out, where the share underflows, the difference itself.
                let far = lowest[0] - best + 10.0 * all.log10();
                let near = -10.0 * (shares[0] / all).log10();
                if near.is_finite() {
                    near.max(0.0)
                } else {
                    far.max(0.0)
                }
            } else {
                0.0
            },
            pl: likelihoods
                .iter()
                .map(|l| (l - top).round().min(9999.0) as u32)
                .collect(),
        }
    }
}

/// All genotypes of one or two copies, in VCF's order (VCF 4.4 §1.6.2).
fn genotypes(alleles: usize, copies: usize) -> Vec<Vec<usize>> {
    match copies {
        1 => (0..alleles).map(|j| vec![j]).collect(),
        _ => (0..alleles)
            .flat_map(|j| (0..=j).map(move |i| vec![i, j]))
            .collect(),
    }
}

/// The rank of a genotype, its alleles sorted, among [`genotypes`].
fn index(genotype: &[usize]) -> usize {
    match *genotype {
        [i, j] => j * (j + 1) / 2 + i,
        _ => genotype[0],
    }
}

/// Phred by which two copies are rarer than one.
const TWICE: f64 = 3.0;

#[cfg(test)]
mod tests {
    use super::*;

    fn haplotypes(carries: &[u32]) -> Vec<Haplotype> {
        let one = |&carries| Haplotype {
            carries,
            bytes: Vec::new(),
        };
        carries.iter().map(one).collect()
    }

    /// `n` fragments that fit haplotype `best` 20 bits better than any other.
    fn from(best: usize, of: usize, n: usize) -> Vec<Weighed> {
        let one = |f| Weighed {
            fragment: f,
            reads: Vec::new(),
            fits: (0..of)
                .map(|h| if h == best { 0 } else { -20 * BIT })
                .collect(),
        };
        (0..n as u32).map(one).collect()
    }

    #[test]
    fn the_two_haplotypes_that_fragments_come_from_win_and_give_both_alleles_one_copy() {
        let h = haplotypes(&[0, 1, 2, 3]);
        let weighed = [from(1, 4, 9), from(2, 4, 8)].concat();
        let pairs = Pairs::weigh(&h, &weighed, &[30.0, 30.0], 2);
        assert_eq!(pairs.best(), (1, 2), "one allele on each, not both on one");
        let first = pairs.at(&[0, 1, 0, 1], 2);
        assert_eq!(first.alleles, [0, 1]);
        assert!(first.qual > 100.0 && first.gq == 99, "{first:?}");
        assert_eq!(first.pl[1], 0);
    }

    #[test]
    fn how_alleles_go_together_is_sure_only_if_fragments_say_so() {
        let h = haplotypes(&[0, 1, 2, 3]);
        let trans = [from(1, 4, 9), from(2, 4, 8)].concat();
        let pairs = Pairs::weigh(&h, &trans, &[30.0, 30.0], 2);
        assert!(pairs.otherwise_together(&h) > 100.0);
        // Each fragment shows one of the two places: the first, or the second.
        let one = |carried: &[usize]| Weighed {
            fragment: 0,
            reads: Vec::new(),
            fits: (0..4)
                .map(|k| if carried.contains(&k) { 0 } else { -20 * BIT })
                .collect(),
        };
        let apart = [[0, 2], [1, 3], [0, 1], [2, 3]].map(|c| vec![one(&c); 6]);
        let pairs = Pairs::weigh(&h, &apart.concat(), &[30.0, 30.0], 2);
        assert!(pairs.otherwise_together(&h) < 1.0);
    }

    #[test]
    fn one_haplotype_alone_is_two_copies() {
        let h = haplotypes(&[0, 1]);
        let pairs = Pairs::weigh(&h, &from(1, 2, 12), &[30.0], 2);
        assert_eq!(pairs.best(), (1, 1));
        assert_eq!(pairs.at(&[0, 1], 2).alleles, [1, 1]);
    }

    #[test]
    fn different_alleles_of_one_place_are_a_genotype_of_both() {
        let h = haplotypes(&[0, 1, 2]);
        let weighed = [from(1, 3, 9), from(2, 3, 9)].concat();
        let g = Pairs::weigh(&h, &weighed, &[30.0, 30.0], 2).at(&[0, 1, 2], 3);
        assert_eq!((g.alleles, g.pl.len()), (vec![1, 2], 6));
    }

    #[test]
    fn one_copy_takes_the_better_haplotype_and_weighs_one_genotype_an_allele() {
        let h = haplotypes(&[0, 1]);
        let weighed = [from(0, 2, 3), from(1, 2, 12)].concat();
        let g = Pairs::weigh(&h, &weighed, &[30.0], 1).at(&[0, 1], 2);
        assert_eq!((&g.alleles[..], g.pl.len(), g.pl[1]), (&[1][..], 2, 0));
        assert!(
            g.pl[0] > 500 && g.qual > 500.0,
            "9 fragments of 20 bits: {g:?}"
        );
    }

    #[test]
    fn genotypes_stand_where_their_index_says() {
        for copies in [1, 2] {
            for (k, g) in genotypes(4, copies).iter().enumerate() {
                assert_eq!(index(g), k);
            }
        }
    }

    #[test]
    fn no_fragments_say_nothing() {
        let h = haplotypes(&[0, 1]);
        let g = Pairs::weigh(&h, &[], &[30.0], 2).at(&[0, 1], 2);
        assert_eq!(g.alleles, [0, 0]);
        assert!(g.qual < 1.0);
    }
}
