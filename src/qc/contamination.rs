//! How much of the sample is of another person.
//!
//! At a site where the sample is homozygous, what shows the other allele is foreign (or an error).
//! As GATK's `CalculateContamination` has it: over sites homozygous for the alternate allele, whose
//! frequency is `f`, a share `chi` of foreign fragments shows the reference `chi * sum(depth * (1 - f))` times,
//! beyond errors, half as many of which as show neither allele. Sites homozygous for the reference
//! mirror that with `f` in place of `1 - f`; a small panel needs both.

use super::figure::{Figure, significant};
use super::sites::{Shown, Sites};
use serde::Serialize;

/// A site with fewer fragments says nothing.
const LEAST_DEPTH: u32 = 30;
/// An allele of which fewer fragments show another is homozygous.
const FOREIGN_AT_MOST: f64 = 0.2;
/// Fewer homozygous sites than this say nothing.
const LEAST_SITES: usize = 20;
/// Nor do they where so few foreign fragments would show in a sample that is all foreign.
const LEAST_EXPECTED: f64 = 200.0;

/// The share of foreign fragments.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Contamination {
    /// Share of the fragments that are of another person, 0 to 1. Above 0.2 a contaminated sample's
    /// homozygous sites are no longer told from heterozygous ones, and this is too low.
    pub share: f64,
    /// 95 % of such intervals hold the true share.
    pub low: f64,
    /// See `low`.
    pub high: f64,
    /// Homozygous sites that were used.
    pub sites: usize,
    /// The same from sites that are homozygous for the alternate allele alone.
    pub from_alternate: Figure<f64>,
    /// From sites that are homozygous for the reference alone. Where the two disagree, it is
    /// something else: loss of heterozygosity in a tumor, or frequencies of another population.
    pub from_reference: Figure<f64>,
}

/// Of one site: fragments that show the other allele, foreign ones among them beyond errors, and how
/// many there were if all were foreign.
#[derive(Clone, Copy)]
struct Evidence {
    shown: f64,
    foreign: f64,
    expected: f64,
}

/// Estimates the share from what was shown at each site.
pub fn estimate(sites: &Sites, shown: &[Shown]) -> Figure<Contamination> {
    if !sites.given {
        return Figure::not_assessed(
            "no common sites were given: --sites with a VCF of common SNVs, AF in INFO",
        );
    }
    if sites.sites.is_empty() {
        return Figure::not_assessed("no given site lies near the panel");
    }
    let (mut alternate, mut reference) = (Vec::new(), Vec::new());
    let mut without = 0;
    for (site, shown) in sites.sites.iter().zip(shown) {
        let Some(f) = site.frequency else {
            without += 1;
            continue;
        };
        let depth = f64::from(shown.depth());
        if shown.depth() < LEAST_DEPTH {
            continue;
        }
        let errors = f64::from(shown.neither(site)) / 2.0;
        let [of_ref, of_alt] = [site.reference, site.alternate].map(|b| f64::from(shown.of(b)));
        for (list, foreign, frequency) in [
            (&mut alternate, of_ref, 1.0 - f),
            (&mut reference, of_alt, f),
        ] {
            if foreign < FOREIGN_AT_MOST * depth {
                list.push(Evidence {
                    shown: foreign,
                    foreign: foreign - errors,
                    expected: depth * frequency,
                });
            }
        }
    }
    let both = [&alternate[..], &reference[..]].concat();
    let Some((share, error)) = ratio(&both) else {
        let of = if without > 0 {
            format!(", and {without} sites have no AF in INFO")
        } else {
            String::new()
        };
        return Figure::not_assessed(format!(
            "{} of {} sites near the panel are homozygous with a depth of {LEAST_DEPTH}; {LEAST_SITES} common ones are the least{of}",
            both.len(),
            sites.sites.len(),
        ));
    };
    let one = |list: &[Evidence], which: &str| {
        ratio(list).map_or_else(
            || {
                Figure::not_assessed(format!(
                    "{} sites are homozygous for the {which}",
                    list.len()
                ))
            },
            |(share, _)| Figure::Given(significant(share)),
        )
    };
    let bound = |x: f64| significant(x.clamp(0.0, 1.0));
    Figure::Given(Contamination {
        share: bound(share),
        low: bound(share - 1.96 * error),
        high: bound(share + 1.96 * error),
        sites: both.len(),
        from_alternate: one(&alternate, "alternate allele"),
        from_reference: one(&reference, "reference"),
    })
}

/// Foreign over expected, with the standard error that the spread between sites gives: what the
/// foreign person has at a site is the same for all its fragments, so sites count, not fragments.
fn ratio(list: &[Evidence]) -> Option<(f64, f64)> {
    let expected: f64 = list.iter().map(|e| e.expected).sum();
    if list.len() < LEAST_SITES || expected < LEAST_EXPECTED {
        return None;
    }
    let share = (list.iter().map(|e| e.foreign).sum::<f64>() / expected).max(0.0);
    let n = list.len() as f64;
    let squares: f64 = list
        .iter()
        .map(|e| (e.foreign - share * e.expected).powi(2))
        .sum();
    // Where few were shown, the spread says less than counting does: of none shown, up to three may
    // have been likely (1.96^2 * 2.4 = 3^2).
    let counted = list.iter().map(|e| e.shown).sum::<f64>() + 2.4;
    let variance = (squares * n / (n - 1.0)).max(counted);
    Some((share, variance.sqrt() / expected))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::qc::sites::tests::site;

    /// 60 sites of frequency 0.4: the sample has AA, AG, GG in turn, the foreigner each with each.
    fn mixed(share: f64, given: bool) -> (Sites, Vec<Shown>) {
        let sites: Vec<_> = (0..60).map(|i| site(i, 0.4)).collect();
        let shown = (0..60).map(|i| {
            let own = [0.0, 0.5, 1.0][i % 3];
            let foreign = [0.0, 0.5, 0.5, 1.0, 0.5, 0.0, 0.5, 0.5, 0.5, 0.0][i % 10];
            let with = (1000.0 * ((1.0 - share) * own + share * foreign)).round() as u32;
            Shown([1002 - with, 2, with + 2, 2]) // and two errors of each kind
        });
        let shown = shown.collect();
        let sites = Sites {
            sites,
            left_out: 0,
            given,
        };
        (sites, shown)
    }

    #[test]
    fn the_foreign_share_is_found_within_its_interval() {
        for share in [0.0, 0.01, 0.05] {
            let (sites, shown) = mixed(share, true);
            let found = estimate(&sites, &shown).given().unwrap().clone();
            assert!(
                found.low <= share && share <= found.high,
                "{share}: {found:?}"
            );
            assert!(
                (found.share - share).abs() < 0.2 * share + 0.003,
                "{share}: {found:?}"
            );
            assert_eq!(found.sites, 40);
        }
    }

    #[test]
    fn nothing_foreign_among_few_fragments_leaves_room_for_some() {
        let sites: Vec<_> = (0..25).map(|i| site(i, 0.4)).collect();
        let sites = Sites {
            sites,
            left_out: 0,
            given: true,
        };
        let found = estimate(&sites, &[Shown([50, 0, 0, 0]); 25]);
        let found = found.given().unwrap();
        // 500 would be shown if all were foreign: three of them are 0.6 %.
        assert_eq!((found.share, found.low), (0.0, 0.0));
        assert!((0.005..0.007).contains(&found.high), "{found:?}");
    }

    #[test]
    fn the_two_kinds_of_sites_are_told_apart() {
        let (sites, mut shown) = mixed(0.05, true);
        for i in (0..60).filter(|i| i % 3 == 2) {
            shown[i] = Shown([0, 0, 1000, 0]); // as if homozygous sites of one kind were clean
        }
        let found = estimate(&sites, &shown).given().unwrap().clone();
        assert_eq!(found.from_alternate, Figure::Given(0.0));
        assert!(found.from_reference.given().unwrap() > &0.03);
    }

    #[test]
    fn without_sites_or_frequencies_it_is_not_assessed_and_says_why() {
        let reason = |sites: &Sites, shown: &[Shown]| match estimate(sites, shown) {
            Figure::NotAssessed { not_assessed } => not_assessed,
            Figure::Given(c) => panic!("{c:?}"),
        };
        let (sites, shown) = mixed(0.05, false);
        assert!(reason(&sites, &shown).contains("--sites"));
        let (mut sites, shown) = mixed(0.05, true);
        sites.sites.iter_mut().for_each(|s| s.frequency = None);
        assert!(reason(&sites, &shown).contains("60 sites have no AF"));
        let (mut sites, shown) = mixed(0.05, true);
        sites.sites.truncate(20);
        assert!(reason(&sites, &shown[..20]).contains("13 of 20"));
        let (sites, _) = mixed(0.05, true);
        let none = Sites {
            given: true,
            ..Sites::default()
        };
        assert_eq!(reason(&none, &[]), "no given site lies near the panel");
        let shallow = vec![Shown([10, 0, 0, 0]); 60];
        assert!(reason(&sites, &shallow).contains("0 of 60"));
    }
}
