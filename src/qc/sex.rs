//! Sex chromosomes: how deep X and Y were read, relative to the autosomes.

use super::figure::{Figure, rounded};
use super::targets::Targets;
use crate::domain::Span;
use crate::genome::Reference;
use serde::Serialize;

/// Fewer bases of a chromosome's own sequence say nothing.
const LEAST_BASES: usize = 500;
/// A shallower sample says nothing.
const LEAST_DEPTH: u32 = 10;

/// The pseudoautosomal regions, which X and Y share (GRC: PAR1 and PAR2), by the length of the
/// chromosome: first and last base, counted from 1.
const SHARED: [(u32, [(u32, u32); 2]); 4] = [
    (
        155_270_560,
        [(60_001, 2_699_520), (154_931_044, 155_260_560)],
    ), // X of GRCh37
    (59_373_566, [(10_001, 2_649_520), (59_034_050, 59_363_566)]), // Y of GRCh37
    (
        156_040_895,
        [(10_001, 2_781_479), (155_701_383, 156_030_895)],
    ), // X of GRCh38
    (57_227_415, [(10_001, 2_781_479), (56_887_903, 57_217_415)]), // Y of GRCh38
];

/// What the depths say.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Sex {
    /// Median depth of X, outside the regions that it shares with Y, relative to the autosomes': about
    /// 1 for two copies, 0.5 for one.
    pub x: Figure<f64>,
    /// The same of Y: about 0 or 0.5.
    pub y: Figure<f64>,
    /// `XX`, `XY`, `one X`, `two X`, `Y`, `no Y`, or `unclear`. A tumor may have lost or gained them.
    pub reading: String,
}

/// Compares the depths.
pub fn check(depths: &[u32], targets: &Targets, reference: &Reference) -> Figure<Sex> {
    let (mut x, mut y, mut autosomes) = (Vec::new(), Vec::new(), Vec::new());
    let mut of_no_build = None;
    for (contig, span, slots) in targets.spans() {
        let contig = reference.contig(contig);
        let name = contig.name.strip_prefix("chr").unwrap_or(&contig.name);
        let list = match name {
            "X" => &mut x,
            "Y" => &mut y,
            _ if name.parse::<u8>().is_ok_and(|n| (1..=22).contains(&n)) => {
                autosomes.extend_from_slice(&depths[slots]);
                continue;
            }
            _ => continue,
        };
        let Some((_, shared)) = SHARED.iter().find(|s| s.0 == contig.length) else {
            of_no_build = Some(&contig.name);
            continue;
        };
        let shared = shared.map(|(first, last)| Span::new(first - 1, last));
        let own = (span.start..span.end).zip(slots).filter(|(position, _)| {
            let inside = |s: &Span| (s.start..s.end).contains(position);
            !shared.iter().any(inside)
        });
        list.extend(own.map(|(_, slot)| depths[slot]));
    }
    if let Some(name) = of_no_build {
        return Figure::not_assessed(format!(
            "{name} has the length of neither GRCh37 nor GRCh38, so what X and Y share is not known"
        ));
    }
    if x.len() < LEAST_BASES && y.len() < LEAST_BASES {
        return Figure::not_assessed(format!(
            "the panel has {} bases of X and {} of Y beyond what they share; {LEAST_BASES} are the least",
            x.len(),
            y.len()
        ));
    }
    if autosomes.len() < LEAST_BASES {
        return Figure::not_assessed(format!(
            "the panel has {} bases of autosomes to compare with; {LEAST_BASES} are the least",
            autosomes.len()
        ));
    }
    let usual = median(&mut autosomes);
    if usual < LEAST_DEPTH {
        return Figure::not_assessed(format!(
            "the autosomes' median depth is {usual}; {LEAST_DEPTH} is the least"
        ));
    }
    let ratio = |depths: &mut Vec<u32>, which: &str| {
        if depths.len() < LEAST_BASES {
            return Figure::not_assessed(format!(
                "the panel has {} bases of {which} of its own; {LEAST_BASES} are the least",
                depths.len()
            ));
        }
        Figure::Given(rounded(f64::from(median(depths)) / f64::from(usual)))
    };
    let (x, y) = (ratio(&mut x, "X"), ratio(&mut y, "Y"));
    Figure::Given(Sex {
        reading: reading(x.given().copied(), y.given().copied()).into(),
        x,
        y,
    })
}

fn reading(x: Option<f64>, y: Option<f64>) -> &'static str {
    let two = |x: f64| match x {
        0.35..=0.65 => Some(false),
        0.8..=1.3 => Some(true),
        _ => None,
    };
    let has = |y: f64| match y {
        ..=0.1 => Some(false),
        0.25.. => Some(true),
        _ => None,
    };
    match (x.map(two), y.map(has)) {
        (Some(Some(true)), Some(Some(false))) => "XX",
        (Some(Some(false)), Some(Some(true))) => "XY",
        (Some(Some(true)), None) => "two X",
        (Some(Some(false)), None) => "one X",
        (None, Some(Some(true))) => "Y",
        (None, Some(Some(false))) => "no Y",
        _ => "unclear",
    }
}

fn median(depths: &mut [u32]) -> u32 {
    let middle = (depths.len() - 1) / 2;
    *depths.select_nth_unstable(middle).1
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::ContigId;
    use crate::format::bed::Region;
    use crate::qc::tests::reference_of_windows;

    /// Targets of 600 bases on chromosome 1, X (another 600 within what it shares with Y) and Y, with
    /// these depths.
    fn checked(depths: [u32; 4], kept: &[usize]) -> Figure<Sex> {
        let folder = tempfile::tempdir().unwrap();
        let places = [
            ("1", 249_250_621, 1000),
            ("X", 155_270_560, 100_000),
            ("X", 155_270_560, 5_000_000),
            ("Y", 59_373_566, 5_000_000),
        ];
        let r = reference_of_windows(folder.path(), &places, 600);
        let region = |&i: &usize| Region {
            contig: r.contig_id(places[i].0).unwrap(),
            span: Span::new(places[i].2, places[i].2 + 600),
            name: String::new(),
        };
        let regions: Vec<Region> = kept.iter().map(region).collect();
        assert!(regions.is_sorted_by_key(|r: &Region| (r.contig, r.span.start)));
        let targets = Targets::new(&regions, &r);
        assert_eq!(r.contig_id("1"), Some(ContigId(0)));
        let depths: Vec<u32> = kept.iter().flat_map(|&i| vec![depths[i]; 600]).collect();
        check(&depths, &targets, &r)
    }

    #[test]
    fn x_and_y_are_read_outside_what_they_share() {
        let read = |depths, kept: &[usize]| checked(depths, kept).given().unwrap().clone();
        let man = read([100, 100, 52, 48], &[0, 1, 2, 3]);
        assert_eq!((man.x, man.y), (Figure::Given(0.52), Figure::Given(0.48)));
        assert_eq!(man.reading, "XY");
        assert_eq!(read([100, 100, 97, 0], &[0, 1, 2, 3]).reading, "XX");
        assert_eq!(read([100, 100, 50, 0], &[0, 1, 2, 3]).reading, "unclear");
        let alone = read([100, 100, 50, 0], &[0, 2]);
        assert_eq!(alone.reading, "one X");
        assert!(matches!(alone.y, Figure::NotAssessed { .. }));
    }

    #[test]
    fn without_enough_to_go_by_it_says_what_is_missing() {
        let reason = |depths, kept: &[usize]| match checked(depths, kept) {
            Figure::NotAssessed { not_assessed } => not_assessed,
            Figure::Given(sex) => panic!("{sex:?}"),
        };
        assert!(reason([100; 4], &[0, 1]).contains("0 bases of X"));
        assert!(reason([100; 4], &[2, 3]).contains("0 bases of autosomes"));
        assert!(reason([5; 4], &[0, 2]).contains("median depth is 5"));
    }
}
