//! How common alleles are among people, and what follows for a tumor: is an allele inherited, or does it
//! come from another person's sample?

use super::allele::normalized;
use super::math::{beta_binomial, binomial};
use crate::domain::{ContigId, Pos, Span, Variant};
use crate::format::sites;
use crate::genome::Reference;
use crate::{Error, Result};
use std::collections::HashMap;
use std::path::Path;

/// The fraction of a heterozygous allele, as a Beta distribution: 0.5, with a standard deviation of 0.05
/// for what capture and alignment do. That a tumor has lost or gained one copy is not considered.
const HETEROZYGOUS: (f64, f64) = (50.0, 50.0);
/// The same of a homozygous allele: 0.99, with 0.01 for reads that do not fit.
const HOMOZYGOUS: (f64, f64) = (99.0, 1.0);
/// Alleles are read so far beyond the regions, for those that move to the left.
const REACH: u32 = 400;

/// Fragments that show an allele, and all that could have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Count {
    /// Those that show it.
    pub shown: u32,
    /// All.
    pub of: u32,
}

impl Count {
    /// Chance of this count where a somatic allele may have any fraction.
    fn if_somatic(self) -> f64 {
        1.0 / f64::from(self.of + 1)
    }
}

/// Frequencies of alleles in the panel's regions.
#[derive(Debug, Default)]
pub struct Population(HashMap<Variant, f64>);

/// What is expected of an allele before fragments are counted.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Prior {
    /// Chance that a tumor has it.
    somatic: f64,
    /// Frequency among people where none is listed and there is no normal sample.
    unlisted: f64,
    /// The same where there is one, which will show what is inherited.
    unlisted_paired: f64,
}

impl Prior {
    /// Mutect2's for a substitution: 1e-6, 5e-8, 1e-6. Gaps are a tenth as frequent, inherited ones as well
    /// as somatic ones. An allele that was `asked` for is one that tumors are known to have: about one tumor
    /// in a hundred has the typical hotspot, and a few people in 100,000 are listed with it, from clones in
    /// their blood.
    pub fn of(v: &Variant, asked: bool) -> Prior {
        let kind = if v.is_indel() { 0.1 } else { 1.0 };
        Prior {
            somatic: if asked { 0.01 } else { 1e-6 * kind },
            unlisted: 5e-8 * kind,
            unlisted_paired: 1e-6 * kind,
        }
    }
}

impl Population {
    /// Reads INFO/AF of the alleles in and around `regions`, which are merged and in order.
    ///
    /// # Errors
    /// As [`sites::each`]; and when a frequency is none, or no allele has one.
    pub fn read(
        path: &Path,
        reference: &Reference,
        regions: &[(ContigId, Span)],
    ) -> Result<Population> {
        let wanted = |contig: ContigId, span: Span| {
            let reached = |r: &(ContigId, Span)| (r.0, r.1.end + REACH) <= (contig, span.start);
            let next = regions.get(regions.partition_point(reached));
            next.is_some_and(|r| r.0 == contig && r.1.start < span.end.saturating_add(REACH))
        };
        let mut out: HashMap<Variant, f64> = HashMap::new();
        let (mut here, mut told) = (0u64, 0u64);
        sites::each(path, reference, &wanted, &mut |site| {
            here += 1;
            let Some(text) = site.own("AF").filter(|t| *t != ".") else {
                return Ok(());
            };
            told += 1;
            let frequency = text.parse().ok().filter(|f: &f64| (0.0..=1.0).contains(f));
            let frequency = frequency.ok_or(format!("AF {text} is no frequency"))?;
            if frequency > 0.0 {
                let of_allele = out
                    .entry(normalized(site.variant.clone(), reference))
                    .or_default();
                *of_allele = of_allele.max(frequency);
            }
            Ok(())
        })?;
        if here > 0 && told == 0 {
            return Err(Error::input(
                path.display().to_string(),
                "",
                "no allele in the panel has a frequency",
                "Give a VCF with AF in INFO, such as gnomAD's.",
            ));
        }
        Ok(Population(out))
    }

    /// The frequency of a normalized allele, 0 to 1, if it is listed. Substitutions side by side are as
    /// frequent as the rarest of them, if all are listed.
    pub fn frequency(&self, v: &Variant) -> Option<f64> {
        let whole = self.0.get(v).copied();
        whole.or_else(|| {
            let parts = substitutions(v)?;
            let frequencies = parts.iter().map(|part| self.0.get(part).copied());
            frequencies
                .collect::<Option<Vec<f64>>>()?
                .into_iter()
                .reduce(f64::min)
        })
    }
}

/// The single substitutions of a multi-nucleotide variant.
fn substitutions(v: &Variant) -> Option<Vec<Variant>> {
    if v.is_indel() || v.is_snv() {
        return None;
    }
    let pairs = v.reference.iter().zip(&v.alternate);
    let parts = pairs.enumerate().filter(|(_, (r, a))| r != a);
    Some(
        parts
            .map(|(i, (&r, &a))| Variant {
                contig: v.contig,
                pos: Pos(v.pos.0 + i as u32),
                reference: vec![r],
                alternate: vec![a],
            })
            .collect(),
    )
}

/// Probability that an allele is inherited rather than somatic, by its frequency among people (`None`: not
/// listed) and its count in the tumor; `absence` are the log10 odds that a normal sample lacks it over
/// heterozygous. As Mutect2 (docs/mutect/mutect.tex), with 0.5 as the fraction of a heterozygous allele.
pub fn inherited(frequency: Option<f64>, count: Count, absence: Option<f64>, prior: Prior) -> f64 {
    let unlisted = match absence {
        None => prior.unlisted,
        Some(_) => prior.unlisted_paired,
    };
    let f = frequency.map_or(unlisted, |f| f.clamp(unlisted, 1.0 - unlisted));
    let somatic = (1.0 - f).powi(2) * prior.somatic * count.if_somatic();
    let chance = |beta| beta_binomial(count.of, count.shown, beta);
    let in_tumor = 2.0 * f * (1.0 - f) * chance(HETEROZYGOUS) + f * f * chance(HOMOZYGOUS);
    // Beyond 100, nothing changes, and powers stay finite.
    let in_normal = 10f64.powf(-absence.unwrap_or(0.0).clamp(-100.0, 100.0));
    let germline = in_tumor * in_normal * (1.0 - prior.somatic);
    germline / (germline + somatic)
}

/// Probability that a share of foreign fragments explains the count of a listed allele: they are of one
/// person, who has it from one parent or both, or of many (Mutect2).
pub fn foreign(frequency: f64, count: Count, share: f64, prior: Prior) -> f64 {
    let f = frequency;
    let chance = |rate| binomial(count.of, count.shown, rate);
    let of_none = (1.0 - f).powi(2) * f64::from(u8::from(count.shown == 0));
    let of_one = 2.0 * f * (1.0 - f) * chance(share / 2.0) + f * f * chance(share) + of_none;
    let foreign = of_one.max(chance(share * f)) * (1.0 - prior.somatic);
    foreign / (foreign + prior.somatic * count.if_somatic())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::genome::{BuildOptions, build};

    fn allele(pos: u32, reference: &[u8], alternate: &[u8]) -> Variant {
        Variant {
            contig: ContigId(0),
            pos: Pos(pos),
            reference: reference.to_vec(),
            alternate: alternate.to_vec(),
        }
    }

    const SNV: Prior = Prior {
        somatic: 1e-6,
        unlisted: 5e-8,
        unlisted_paired: 1e-6,
    };

    fn count(shown: u32, of: u32) -> Count {
        Count { shown, of }
    }

    /// Reads this text for the region 1,000 to 1,100 of (ACGT)n.
    fn population(text: &str) -> Result<Population> {
        let folder = tempfile::tempdir().unwrap();
        let (fasta, path) = (folder.path().join("r.fa"), folder.path().join("p.vcf"));
        std::fs::write(&fasta, format!(">c\n{}AAAA\n", "ACGT".repeat(700))).unwrap();
        std::fs::write(&path, text).unwrap();
        let reference = build(&fasta, BuildOptions::default()).unwrap();
        let regions = [
            (ContigId(0), Span::new(1000, 1100)),
            (ContigId(0), Span::new(2790, 2804)),
        ];
        Population::read(&path, &reference, &regions)
    }

    #[test]
    fn alleles_are_found_as_the_caller_spells_them() {
        let text = "c\t1001\t.\tA\tC,G\t.\t.\tAF=0.2,0.001\nc\t1002\t.\tC\tT\t.\t.\tAF=0.1\n\
            c\t2804\t.\tA\tAA\t.\t.\tAF=0.3\nc\t1801\t.\tA\tC\t.\t.\tAF=0.2\nc\t1005\t.\tA\tC\t.\t.\tAF=0\n";
        let p = population(text).unwrap();
        let of = |pos, r: &[u8], a: &[u8]| p.frequency(&allele(pos, r, a));
        assert_eq!(of(1000, b"A", b"G"), Some(0.001));
        assert_eq!(of(1000, b"AC", b"CT"), Some(0.1), "side by side");
        assert_eq!(of(1000, b"AC", b"CG"), None, "one of them is not listed");
        assert_eq!(
            of(2799, b"T", b"TA"),
            Some(0.3),
            "the insertion moves to the left"
        );
        assert_eq!(of(1800, b"A", b"C"), None, "far from the panel");
        assert_eq!(of(1004, b"A", b"C"), None, "nobody has it");
    }

    #[test]
    fn a_file_without_frequencies_is_refused() {
        let message = |text: &str| population(text).unwrap_err().to_string();
        assert!(
            message("c\t1001\t.\tA\tC\t.\t.\tDB\n")
                .contains("no allele in the panel has a frequency")
        );
        let odd = message("c\t1001\t.\tA\tC\t.\t.\tAF=1.2\n");
        assert!(
            odd.contains("line 1") && odd.contains("AF 1.2 is no frequency"),
            "{odd}"
        );
    }

    #[test]
    fn a_common_allele_of_half_or_all_is_inherited_and_of_a_tenth_is_not() {
        let of = |f, shown| inherited(Some(f), count(shown, 1000), None, SNV);
        assert!(of(0.1, 480) > 0.999 && of(0.1, 420) > 0.9 && of(0.3, 995) > 0.999);
        assert!(of(0.1, 100) < 1e-6 && of(1.0, 500) > 0.999);
        assert!(of(1e-4, 300) < 0.5, "a rare one at a third");
        assert!(
            inherited(Some(0.1), count(12, 30), None, SNV) > 0.99,
            "few fragments"
        );
    }

    #[test]
    fn an_allele_that_nobody_is_known_to_have_is_not_called_inherited_by_its_fraction_alone() {
        for v in [allele(0, b"A", b"C"), allele(0, b"AC", b"A")] {
            let p = inherited(None, count(500, 1000), None, Prior::of(&v, false));
            assert!((0.2..0.5).contains(&p), "{p}");
        }
    }

    #[test]
    fn a_normal_that_lacks_the_allele_outweighs_its_frequency_and_one_that_has_it_the_rarity() {
        let of = |f, absence| inherited(f, count(500, 1000), Some(absence), SNV);
        assert!(of(Some(0.1), 12.0) < 0.01);
        assert!(of(None, 3.0) < 0.1);
        assert!(of(None, -500.0) > 0.999);
    }

    #[test]
    fn foreign_fragments_explain_the_fraction_that_their_share_gives_and_no_other() {
        let of = |f, shown, share| foreign(f, count(shown, 1000), share, SNV);
        assert!(of(0.2, 25, 0.05) > 0.999, "one parent's");
        assert!(of(0.2, 50, 0.05) > 0.999, "both parents'");
        assert!(of(0.2, 10, 0.05) > 0.9, "many people's");
        assert!(of(0.2, 300, 0.05) < 1e-6);
        assert!(of(1e-9, 25, 0.05) < 0.5, "nearly nobody has it");
        assert!(of(0.2, 5, 0.0) < 1e-6, "nothing is foreign");
    }

    #[test]
    fn an_allele_that_was_asked_for_is_not_inherited_because_a_few_people_are_listed_with_it() {
        let asked = Prior::of(&allele(0, b"A", b"C"), true);
        let of = |f, prior| inherited(Some(f), count(480, 1000), None, prior);
        assert!(of(8e-6, SNV) > 0.5 && of(8e-6, asked) < 0.02);
        assert!(
            of(3e-4, asked) < 0.5 && of(0.05, asked) > 0.9,
            "JAK2 V617F; a common one"
        );
    }
}
