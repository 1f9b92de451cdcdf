//! Whose sample it is: genotypes at common sites, and whether two samples are of one person.

use super::figure::{Figure, rounded};
use super::known_sites::{LENGTHS, SITES};
use super::sites::{Shown, Site, Sites};
use super::targets::Targets;
use crate::domain::{ContigId, Pos, Span};
use crate::genome::Reference;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// A site with fewer fragments has no genotype.
const LEAST_DEPTH: u32 = 20;
/// How common an alternate allele is taken to be where the sites do not tell.
const USUAL_FREQUENCY: f64 = 0.35;
/// One person is believed, or two, at odds of a thousand to one (log10).
const CLEAR_ODDS: f64 = 3.0;

/// What a sample has at a site.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Genotype {
    /// Under one fragment in ten shows the alternate allele.
    #[serde(rename = "0/0")]
    Reference,
    /// Both are there: 15 to 85 %.
    #[serde(rename = "0/1")]
    Both,
    /// Over nine in ten show the alternate allele.
    #[serde(rename = "1/1")]
    Alternate,
    /// Too few fragments (under 20), or a share between the above.
    #[serde(rename = "./.")]
    Unclear,
}

/// A site and the sample's genotype.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Genotyped {
    /// dbSNP's name or the like.
    pub name: String,
    /// `contig:position REF>ALT`, counted from 1.
    pub place: String,
    /// What the sample has.
    pub genotype: Genotype,
    /// Fragments that show either allele.
    pub depth: u32,
    /// Those that show the alternate one.
    pub alternate: u32,
    /// How common the alternate allele is, if the sites tell.
    pub frequency: Option<f64>,
}

/// Genotypes at common sites: differ between people, and stay with a person.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Fingerprint {
    /// `built in` or `given`: where the sites are from.
    pub from: String,
    /// Sites with a genotype.
    pub assessed: usize,
    /// The sites.
    pub sites: Vec<Genotyped>,
}

/// Whether two fingerprints are of one person.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Concordance {
    /// Sites with a genotype in both.
    pub sites: usize,
    /// Equal genotypes.
    pub equal: usize,
    /// Homozygous for different alleles: hardly ever in one person, not even in a tumor.
    pub opposite: usize,
    /// log10 of how much likelier this is for samples of one person than for unrelated ones; errors
    /// and a tumor's loss of an allele allowed for.
    pub log10_odds: f64,
    /// What follows.
    pub verdict: Verdict,
}

/// Of a comparison.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// One person, two samples.
    SamePerson,
    /// Not one person.
    OtherPerson,
    /// One sample: counts of fragments are equal, site by site.
    SameReads,
    /// The sites that both have do not tell.
    Undecided,
}

impl Verdict {
    /// What is wrong if the two are to be a tumor and its normal.
    pub fn warning(self) -> Option<&'static str> {
        match self {
            Verdict::SamePerson => None,
            Verdict::OtherPerson => Some("tumor and normal are not of one person"),
            Verdict::SameReads => Some("tumor and normal are the same reads"),
            Verdict::Undecided => Some(
                "the sites that tumor and normal share do not tell whether they are of one person",
            ),
        }
    }
}

/// The sites that are built in, as far as they lie in the panel and fit the reference's build.
pub fn built_in(reference: &Reference, targets: &Targets) -> Sites {
    let mut sites = Vec::new();
    for (name, chromosome, in_37, in_38, ref_base, alternate) in SITES {
        let named = [chromosome.to_string(), format!("chr{chromosome}")];
        let Some(contig) = named.iter().find_map(|n| reference.contig_id(n)) else {
            continue;
        };
        let length = reference.contig(contig).length;
        let of_build = LENGTHS.iter().find(|l| l.0 == chromosome);
        let position = match of_build {
            Some((_, of_37, _)) if *of_37 == length => in_37,
            Some((_, _, of_38)) if *of_38 == length => in_38,
            _ => continue,
        };
        let here = Span::new(position - 1, position);
        if targets.touches(contig, here) && reference.bases(contig, here)[0] == ref_base {
            sites.push(Site {
                contig,
                pos: Pos(here.start),
                name: name.into(),
                reference: ref_base,
                alternate,
                frequency: None,
            });
        }
    }
    sites.sort_by_key(|s| (s.contig, s.pos));
    Sites {
        left_out: (SITES.len() - sites.len()) as u64,
        sites,
        given: false,
    }
}

/// Genotypes of what was shown.
pub fn fingerprint(sites: &Sites, shown: &[Shown], reference: &Reference) -> Figure<Fingerprint> {
    let each: Vec<Genotyped> = (sites.sites.iter().zip(shown))
        .map(|(site, shown)| genotyped(site, shown, reference))
        .collect();
    let assessed = each
        .iter()
        .filter(|s| s.genotype != Genotype::Unclear)
        .count();
    if assessed == 0 {
        let which = if sites.given { "given" } else { "built-in" };
        let remedy = if sites.given {
            ""
        } else {
            "; --sites gives others"
        };
        return Figure::not_assessed(match each.len() {
            0 => format!("no {which} site lies near the panel{remedy}"),
            n => format!(
                "of {n} {which} sites near the panel none has {LEAST_DEPTH} fragments and a clear genotype{remedy}"
            ),
        });
    }
    Figure::Given(Fingerprint {
        from: if sites.given { "given" } else { "built in" }.into(),
        assessed,
        sites: each,
    })
}

fn genotyped(site: &Site, shown: &Shown, reference: &Reference) -> Genotyped {
    let [reference_count, alternate] = [site.reference, site.alternate].map(|b| shown.of(b));
    let depth = reference_count + alternate;
    let share = f64::from(alternate) / f64::from(depth.max(1));
    let genotype = match share {
        _ if depth < LEAST_DEPTH => Genotype::Unclear,
        ..0.1 => Genotype::Reference,
        0.15..=0.85 => Genotype::Both,
        0.9.. => Genotype::Alternate,
        _ => Genotype::Unclear,
    };
    Genotyped {
        name: site.name.clone(),
        place: place(
            reference,
            site.contig,
            site.pos,
            site.reference,
            site.alternate,
        ),
        genotype,
        depth,
        alternate,
        frequency: site.frequency,
    }
}

fn place(reference: &Reference, contig: ContigId, pos: Pos, from: u8, to: u8) -> String {
    let name = &reference.contig(contig).name;
    let [from, to] = [from, to].map(char::from);
    format!("{name}:{} {from}>{to}", pos.one_based())
}

/// Compares two samples' fingerprints, such as a tumor's and its normal's.
pub fn compare(a: &Fingerprint, b: &Fingerprint) -> Figure<Concordance> {
    let of_b: BTreeMap<&str, &Genotyped> = b.sites.iter().map(|s| (s.place.as_str(), s)).collect();
    let clear = |s: &Genotyped| s.genotype != Genotype::Unclear;
    let shared: Vec<(&Genotyped, &Genotyped)> = (a.sites.iter())
        .filter_map(|s| Some((s, *of_b.get(s.place.as_str())?)))
        .filter(|(s, t)| clear(s) && clear(t))
        .collect();
    if shared.is_empty() {
        return Figure::not_assessed("no site has a genotype in both samples");
    }
    let count = |what: &dyn Fn(Genotype, Genotype) -> bool| {
        shared
            .iter()
            .filter(|(s, t)| what(s.genotype, t.genotype))
            .count()
    };
    let log10_odds: f64 = shared.iter().map(|(s, t)| odds(s, t)).sum();
    let alike =
        |(s, t): &(&Genotyped, &Genotyped)| (s.depth, s.alternate) == (t.depth, t.alternate);
    let verdict = match log10_odds {
        // Two libraries have one site in some dozens with equal counts; that says more than genotypes do.
        _ if shared.len() >= 3 && shared.iter().all(alike) => Verdict::SameReads,
        CLEAR_ODDS.. => Verdict::SamePerson,
        ..=-3.0 => Verdict::OtherPerson,
        _ => Verdict::Undecided,
    };
    Figure::Given(Concordance {
        sites: shared.len(),
        equal: count(&|s, t| s == t),
        opposite: count(&|s, t| s != t && s != Genotype::Both && t != Genotype::Both),
        log10_odds: rounded(log10_odds),
        verdict,
    })
}

/// log10 of the odds of one site: both samples' genotypes come from one true genotype, or from two
/// drawn apart (Hardy and Weinberg).
fn odds(a: &Genotyped, b: &Genotyped) -> f64 {
    let f = a.frequency.or(b.frequency).unwrap_or(USUAL_FREQUENCY);
    let drawn = [(1.0 - f) * (1.0 - f), 2.0 * f * (1.0 - f), f * f];
    let [a, b] = [a, b].map(|s| seen(s.genotype));
    let one: f64 = (0..3).map(|g| drawn[g] * a[g] * b[g]).sum();
    let apart = |s: [f64; 3]| (0..3).map(|g| drawn[g] * s[g]).sum::<f64>();
    (one / (apart(a) * apart(b))).log10()
}

/// How likely a genotype is seen in one who has none, one or two alternate alleles. A tumor may have
/// lost one of two; to turn one allele into the other takes an error.
fn seen(genotype: Genotype) -> [f64; 3] {
    match genotype {
        Genotype::Reference => [0.99, 0.075, 0.002],
        Genotype::Both => [0.008, 0.85, 0.008],
        Genotype::Alternate => [0.002, 0.075, 0.99],
        Genotype::Unclear => [1.0; 3],
    }
}

#[cfg(test)]
mod tests {
    use super::Genotype::{Alternate, Both, Unclear};
    use super::*;
    use crate::format::bed::Region;
    use crate::qc::tests::{reference, reference_of_windows};

    /// A sample with these shares of the alternate allele, in per cent, at depth 100.
    fn sample(shares: &[u32], extra: u32) -> Fingerprint {
        let folder = tempfile::tempdir().unwrap();
        let r = reference(folder.path(), &[("c", &"ACGT".repeat(200))]);
        let site = |i: usize| crate::qc::sites::tests::site(4 * i as u32, 0.4);
        let sites = Sites {
            sites: (0..shares.len()).map(site).collect(),
            left_out: 0,
            given: true,
        };
        let shown: Vec<Shown> = shares
            .iter()
            .map(|&s| Shown([100 - s + extra, 1, s, 0]))
            .collect();
        fingerprint(&sites, &shown, &r).given().unwrap().clone()
    }

    #[test]
    fn genotypes_follow_the_share_and_doubt_is_unclear() {
        let print = sample(&[0, 9, 12, 15, 50, 85, 88, 95], 0);
        let seen: Vec<Genotype> = print.sites.iter().map(|s| s.genotype).collect();
        let none = Genotype::Reference;
        assert_eq!(
            seen,
            [none, none, Unclear, Both, Both, Both, Unclear, Alternate]
        );
        assert_eq!(print.assessed, 6);
        assert_eq!(print.sites[1].place, "c:5 A>G");
        let back: Fingerprint =
            serde_json::from_str(&serde_json::to_string(&print).unwrap()).unwrap();
        assert_eq!(back, print);
    }

    #[test]
    fn a_tumor_that_lost_alleles_is_still_its_patients() {
        let normal = sample(&[0, 50, 50, 100, 50, 0, 100, 50, 0, 50, 100, 0, 50, 50], 7);
        let tumor = sample(&[0, 97, 50, 100, 3, 0, 100, 50, 0, 40, 100, 0, 60, 50], 0);
        let found = compare(&tumor, &normal).given().unwrap().clone();
        assert_eq!((found.sites, found.equal, found.opposite), (14, 12, 0));
        assert_eq!(
            (found.verdict, found.verdict.warning()),
            (Verdict::SamePerson, None)
        );
    }

    #[test]
    fn another_person_and_the_same_reads_are_told() {
        let one = sample(&[0, 50, 50, 100, 50, 0, 100, 50, 0, 50, 100, 0, 50, 50], 0);
        let other = sample(&[50, 0, 50, 0, 100, 50, 100, 0, 50, 50, 0, 100, 50, 0], 0);
        let verdict = |a, b| compare(a, b).given().unwrap().verdict;
        assert_eq!(verdict(&one, &other), Verdict::OtherPerson);
        assert_eq!(verdict(&one, &one), Verdict::SameReads);
        // Three sites do not tell who it is, but that it is one sample.
        let three = sample(&[0, 50, 0], 0);
        assert_eq!(verdict(&three, &three), Verdict::SameReads);
        let few = sample(&[0, 50], 3);
        assert_eq!(verdict(&few, &one), Verdict::Undecided);
        assert!(verdict(&few, &one).warning().is_some());
    }

    #[test]
    fn built_in_sites_count_in_the_panel_where_length_and_base_fit() {
        let folder = tempfile::tempdir().unwrap();
        // TP53 rs1042522; windows are of A, and REF is G.
        let places = [
            ("17", 81_195_210, 7_579_400),
            ("20", 63_025_520, 54_961_500),
        ];
        let r = reference_of_windows(folder.path(), &places, 100);
        let region = |(name, _, start): &(&str, u32, u32)| Region {
            contig: r.contig_id(name).unwrap(),
            span: Span::new(*start, start + 100),
            name: String::new(),
        };
        let regions: Vec<Region> = places.iter().map(region).collect();
        let targets = Targets::new(&regions, &r);
        let found = built_in(&r, &targets);
        // AURKA rs2273535 has A for REF.
        assert_eq!(found.sites.len(), 1);
        assert_eq!(
            (found.sites[0].name.as_str(), found.sites[0].pos),
            ("rs2273535", Pos(54_961_540))
        );
        let shallow = fingerprint(&found, &[Shown([9, 0, 0, 9])], &r);
        assert!(
            matches!(shallow, Figure::NotAssessed { not_assessed } if not_assessed.contains("--sites"))
        );
    }

    #[test]
    fn built_in_sites_are_in_order_on_known_chromosomes() {
        let place = |s: &super::super::known_sites::Known| (s.1.parse::<u8>().unwrap(), s.2);
        assert!(SITES.is_sorted_by_key(place));
        for s in SITES {
            let (_, of_37, of_38) = LENGTHS.iter().find(|l| l.0 == s.1).unwrap();
            assert!(s.2 < *of_37 && s.3 < *of_38 && s.4 != s.5);
        }
    }
}
