//! How many copies of a place the sample has, by its stated sex. A sex is never guessed from reads.

use crate::domain::{ContigId, Pos, Span};
use crate::{Error, Result};

/// What the person's chromosomes are taken to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Sex {
    /// Two copies of X, none of Y.
    Female,
    /// One copy of X and of Y, two of the regions that they share.
    Male,
}

/// Copies of the contigs that are not plainly diploid.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ploidy {
    special: Vec<(ContigId, Copies)>,
    /// X or Y is among the contigs, and nobody said how many copies there are.
    pub assumed: bool,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Copies {
    All(usize),
    /// One, but two in the pseudoautosomal regions.
    OneOutside([Span; 2]),
}

/// Chromosome, its length in this build, and its pseudoautosomal regions (Genome Reference Consortium).
const SHARED: [(&str, u32, [Span; 2]); 4] = [
    // GRCh37, then GRCh38.
    (
        "X",
        155_270_560,
        spans([60_000, 2_699_520, 154_931_043, 155_260_560]),
    ),
    (
        "Y",
        59_373_566,
        spans([10_000, 2_649_520, 59_034_049, 59_363_566]),
    ),
    (
        "X",
        156_040_895,
        spans([10_000, 2_781_479, 155_701_382, 156_030_895]),
    ),
    (
        "Y",
        57_227_415,
        spans([10_000, 2_781_479, 56_887_902, 57_217_415]),
    ),
];

const fn spans([a, b, c, d]: [u32; 4]) -> [Span; 2] {
    [Span { start: a, end: b }, Span { start: c, end: d }]
}

impl Ploidy {
    /// Contigs are told by their names, builds by the contigs' lengths.
    ///
    /// # Errors
    /// When the sex is male and X or Y is of neither build, so that nobody knows what is haploid.
    pub fn of<'a>(
        contigs: impl IntoIterator<Item = (ContigId, &'a str, u32)>,
        sex: Option<Sex>,
    ) -> Result<Ploidy> {
        let mut out = Ploidy::default();
        for (id, name, length) in contigs {
            let chromosome = name.strip_prefix("chr").unwrap_or(name);
            let copies = match (chromosome, sex) {
                ("M" | "MT", _) => Copies::All(1),
                ("X" | "Y", None) => {
                    out.assumed = true;
                    continue;
                }
                ("Y", Some(Sex::Female)) => Copies::All(0),
                ("X" | "Y", Some(Sex::Male)) => {
                    Copies::OneOutside(shared(chromosome, name, length)?)
                }
                _ => continue,
            };
            out.special.push((id, copies));
        }
        Ok(out)
    }

    /// Copies of a place: 0, 1 or 2.
    pub fn at(&self, contig: ContigId, pos: Pos) -> usize {
        match self.special.iter().find(|c| c.0 == contig) {
            None => 2,
            Some((_, Copies::All(n))) => *n,
            Some((_, Copies::OneOutside(shared))) => {
                1 + usize::from(shared.iter().any(|s| s.contains(pos)))
            }
        }
    }
}

fn shared(chromosome: &str, name: &str, length: u32) -> Result<[Span; 2]> {
    let known = SHARED.iter().find(|s| (s.0, s.1) == (chromosome, length));
    known.map(|s| s.2).ok_or_else(|| {
        Error::usage(
            format!(
                "--sex male: contig {name} has {length} bases and is neither GRCh37's nor GRCh38's {chromosome}, \
                 so its pseudoautosomal regions are not known"
            ),
            "Leave --sex out, or keep this contig out of the panel.",
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const CONTIGS: [(ContigId, &str, u32); 4] = [
        (ContigId(0), "chr1", 248_956_422),
        (ContigId(1), "chrX", 156_040_895),
        (ContigId(2), "chrY", 57_227_415),
        (ContigId(3), "chrM", 16_569),
    ];

    fn copies(sex: Option<Sex>, at: u32) -> [usize; 4] {
        let ploidy = Ploidy::of(CONTIGS, sex).unwrap();
        [0, 1, 2, 3].map(|c| ploidy.at(ContigId(c), Pos(at)))
    }

    #[test]
    fn a_stated_sex_gives_the_copies_and_an_unstated_one_is_two_with_a_word_about_it() {
        assert_eq!(copies(Some(Sex::Male), 5_000_000), [2, 1, 1, 1]);
        assert_eq!(copies(Some(Sex::Female), 5_000_000), [2, 2, 0, 1]);
        assert_eq!(copies(None, 5_000_000), [2, 2, 2, 1]);
        assert!(Ploidy::of(CONTIGS, None).unwrap().assumed);
        assert!(!Ploidy::of(CONTIGS, Some(Sex::Male)).unwrap().assumed);
        assert!(!Ploidy::of([CONTIGS[0], CONTIGS[3]], None).unwrap().assumed);
    }

    #[test]
    fn x_and_y_of_a_male_are_diploid_exactly_in_the_regions_that_they_share() {
        // 10,001 to 2,781,479 counted from 1.
        let around = [9_999, 10_000, 2_781_478, 2_781_479];
        assert_eq!(
            around.map(|p| copies(Some(Sex::Male), p)),
            [[2, 1, 1, 1], [2, 2, 2, 1], [2, 2, 2, 1], [2, 1, 1, 1]]
        );
        let b37 = Ploidy::of([(ContigId(0), "X", 155_270_560)], Some(Sex::Male)).unwrap();
        let around = [154_931_042, 154_931_043, 155_260_559, 155_260_560];
        assert_eq!(around.map(|p| b37.at(ContigId(0), Pos(p))), [1, 2, 2, 1]);
    }

    #[test]
    fn an_x_of_an_unknown_build_is_refused_by_name_for_a_male_only() {
        let other = [(ContigId(0), "chrX", 154_259_566)];
        let message = Ploidy::of(other, Some(Sex::Male)).unwrap_err().to_string();
        assert!(message.contains("chrX has 154259566"), "{message}");
        assert!(Ploidy::of(other, Some(Sex::Female)).is_ok());
        assert!(Ploidy::of(other, None).is_ok());
    }
}
