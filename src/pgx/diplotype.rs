//! Which pairs of named alleles explain what was seen: every pair for which some phase, in keeping
//! with the phase that is known, gives the genotypes. They are ranked as PharmCAT ranks them.

use super::gene::{Gene, by_name};
use std::collections::BTreeMap;

/// What a sample has at a locus.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Genotype {
    /// The bases of each copy, spelled as the locus spells its alleles.
    pub alleles: Vec<String>,
    /// Loci of one phase set have their first alleles on one chromosome.
    pub phase: Option<u32>,
    /// Fragments at the place.
    pub depth: Option<u32>,
    /// Phred.
    pub quality: Option<u32>,
}

impl Genotype {
    /// Alleles alone.
    pub fn of(alleles: &[&str]) -> Genotype {
        Genotype {
            alleles: alleles.iter().map(ToString::to_string).collect(),
            phase: None,
            depth: None,
            quality: None,
        }
    }

    /// Its copies differ.
    pub fn is_heterozygous(&self) -> bool {
        self.alleles.windows(2).any(|pair| pair[0] != pair[1])
    }
}

/// A genotype, or why there is none. What was not seen is never the reference.
pub type Seen = Result<Genotype, String>;

/// Named alleles that together explain a sample: two, or one where it has one copy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Diplotype {
    /// Indices among the gene's alleles.
    pub alleles: Vec<usize>,
    /// Loci that were seen and belong to the alleles' definitions, both alleles together. Where a
    /// definition leaves the bases open by a code, a locus counts if they are not the reference's.
    pub score: usize,
}

impl Diplotype {
    /// `*1/*2`.
    pub fn name(&self, gene: &Gene) -> String {
        let mut names: Vec<&str> = self
            .alleles
            .iter()
            .map(|&i| gene.alleles[i].name.as_str())
            .collect();
        names.sort_by(|a, b| by_name(a, b));
        names.join("/")
    }
}

/// The diplotypes that explain what was seen.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Explained {
    /// By score, the highest first; then by name. What was not seen is left out of all definitions.
    pub ranked: Vec<Diplotype>,
    /// Alleles of which nothing was seen, so that they could stand for others of the diplotypes.
    pub open: Vec<usize>,
}

/// Copies that the sample has at the loci seen, and those loci; `None` if that is not one number.
fn copies(seen: &[Seen]) -> Option<usize> {
    let mut counts = seen.iter().flatten().map(|g| g.alleles.len());
    let first = counts.next()?;
    counts.all(|n| n == first).then_some(first)
}

/// Heterozygous loci whose phase goes together; what is homozygous goes with any.
pub(super) fn blocks(seen: &[Seen]) -> Vec<Vec<usize>> {
    let mut free = Vec::new();
    let mut phased: BTreeMap<u32, Vec<usize>> = BTreeMap::new();
    for (i, genotype) in seen.iter().enumerate() {
        match genotype {
            Ok(g) if g.is_heterozygous() => match g.phase {
                Some(set) => phased.entry(set).or_default().push(i),
                None => free.push(vec![i]),
            },
            _ => {}
        }
    }
    free.extend(phased.into_values());
    free
}

/// All diplotypes that explain the genotypes at the loci that were seen.
pub fn explain(gene: &Gene, seen: &[Seen]) -> Explained {
    let Some(copies) = copies(seen) else {
        return Explained::default();
    };
    let here: Vec<(usize, &Genotype)> = seen
        .iter()
        .enumerate()
        .filter_map(|(i, g)| Some((i, g.as_ref().ok()?)))
        .collect();
    let bases_at = |a: usize, i: usize| gene.alleles[a].at[i].as_ref();
    let count = |a: usize, counts: &dyn Fn(&Vec<String>) -> bool| {
        let sets = here.iter().filter_map(|(i, _)| bases_at(a, *i));
        sets.filter(|set| counts(set)).count()
    };
    let all_alleles = 0..gene.alleles.len();
    let defined: Vec<usize> = all_alleles.clone().map(|a| count(a, &|_| true)).collect();
    let plain: Vec<usize> = all_alleles
        .map(|a| count(a, &|set| set.len() == 1))
        .collect();
    // A code that lets an allele have the reference's bases tells only if the copy has others.
    let coded = |a: usize, i: usize, copy: usize| {
        let tells = |set: &Vec<String>| {
            let of_copy = seen[i].as_ref().ok().and_then(|g| g.alleles.get(copy));
            set.len() > 1 && of_copy.is_some_and(|b| *b != gene.loci[i].reference)
        };
        usize::from(bases_at(a, i).is_some_and(tells))
    };
    // For each allele and locus: may it have the first copy's bases, and the second's?
    let fits: Vec<Vec<[bool; 2]>> = gene
        .alleles
        .iter()
        .map(|allele| {
            let admits = |i: usize, bases: Option<&String>| {
                bases.is_some_and(|b| allele.admits(i, &gene.loci[i].reference, b))
            };
            seen.iter()
                .enumerate()
                .map(|(i, g)| match g {
                    Ok(g) => [0, copies - 1].map(|c| admits(i, g.alleles.get(c))),
                    Err(_) => [true; 2],
                })
                .collect()
        })
        .collect();
    let blocks = blocks(seen);
    let fixed: Vec<usize> = (0..seen.len())
        .filter(|i| !blocks.iter().any(|b| b.contains(i)))
        .collect();
    let whole = |a: usize| fixed.iter().all(|&i| fits[a][i][0]);
    let candidates: Vec<usize> = (0..gene.alleles.len()).filter(|&a| whole(a)).collect();
    // An allele that could have either copy is credited with what either has, as PharmCAT does.
    let either = |x: usize| blocks.iter().flatten().all(|&i| fits[x][i] == [true; 2]);
    let either: Vec<bool> = (0..gene.alleles.len()).map(either).collect();
    let of_fixed = |a: usize| plain[a] + fixed.iter().map(|&i| coded(a, i, 0)).sum::<usize>();
    let mut all: Vec<Diplotype> = Vec::new();
    for (k, &a) in candidates.iter().enumerate() {
        if copies == 1 {
            all.push(Diplotype {
                alleles: vec![a],
                score: of_fixed(a),
            });
            continue;
        }
        for &b in &candidates[k..] {
            // The block's score with x on the first copy and y on the second, if they may stand so.
            let order = |block: &Vec<usize>, x: usize, y: usize| {
                let may = block.iter().all(|&i| fits[x][i][0] && fits[y][i][1]);
                let credit = |z: usize, i: usize, copy: usize| {
                    if either[z] && x != y {
                        coded(z, i, 0).max(coded(z, i, 1))
                    } else {
                        coded(z, i, copy)
                    }
                };
                let score = |&i: &usize| credit(x, i, 0) + credit(y, i, 1);
                may.then(|| block.iter().map(score).sum::<usize>())
            };
            let of_blocks: Option<Vec<usize>> = blocks
                .iter()
                .map(|s| order(s, a, b).max(order(s, b, a)))
                .collect();
            if let Some(of_blocks) = of_blocks {
                all.push(Diplotype {
                    alleles: vec![a, b],
                    score: of_fixed(a) + of_fixed(b) + of_blocks.iter().sum::<usize>(),
                });
            }
        }
    }
    let (mut ranked, open): (Vec<_>, Vec<_>) = all
        .into_iter()
        .partition(|pair| pair.alleles.iter().all(|&a| defined[a] > 0));
    ranked.sort_by(|x, y| {
        let names = |d: &Diplotype| d.name(gene);
        y.score
            .cmp(&x.score)
            .then_with(|| by_name(&names(x), &names(y)))
    });
    let mut open: Vec<usize> = open
        .into_iter()
        .flat_map(|pair| pair.alleles)
        .filter(|&a| defined[a] == 0)
        .collect();
    open.sort_unstable();
    open.dedup();
    Explained { ranked, open }
}

#[cfg(test)]
mod tests {
    use super::super::gene::{self, Gene};
    use super::*;

    /// Everything else seen and as on GRCh38.
    fn sample(gene: &Gene, found: &[(&str, &[&str], Option<u32>)]) -> Vec<Seen> {
        for (id, ..) in found {
            assert!(gene.loci.iter().any(|l| l.id == *id), "{id}");
        }
        gene.loci
            .iter()
            .map(|l| match found.iter().find(|f| f.0 == l.id) {
                Some((_, [], _)) => Err("not seen".into()),
                Some((_, alleles, phase)) => Ok(Genotype {
                    phase: *phase,
                    ..Genotype::of(alleles)
                }),
                None => Ok(Genotype::of(&[&l.reference, &l.reference])),
            })
            .collect()
    }

    fn names(gene: &str, found: &[(&str, &[&str], Option<u32>)]) -> (Vec<String>, Vec<String>) {
        let genes = gene::shipped();
        let g = &genes[gene];
        let e = explain(g, &sample(g, found));
        let open = e.open.iter().map(|&a| g.alleles[a].name.clone());
        (e.ranked.iter().map(|d| d.name(g)).collect(), open.collect())
    }

    const STAR_3A: [&str; 2] = ["rs1142345", "rs1800460"];

    #[test]
    fn without_phase_all_pairs_are_listed_the_best_defined_first() {
        let [c, b] = STAR_3A;
        let het = |phase| names("TPMT", &[(c, &["T", "C"], phase), (b, &["C", "T"], phase)]).0;
        assert_eq!(het(None), ["*1/*3A", "*3B/*3C"]);
        assert_eq!(het(Some(7)), ["*1/*3A"]);
        let trans: [(&str, &[&str], _); 2] = [(c, &["T", "C"], Some(7)), (b, &["T", "C"], Some(7))];
        assert_eq!(names("TPMT", &trans).0, ["*3B/*3C"]);
        // Two phase sets say nothing about each other.
        let apart: [(&str, &[&str], _); 2] = [(c, &["T", "C"], Some(7)), (b, &["T", "C"], Some(8))];
        assert_eq!(names("TPMT", &apart).0, ["*1/*3A", "*3B/*3C"]);
    }

    #[test]
    fn the_reference_is_star_38_and_star_1_has_its_own_variant() {
        assert_eq!(names("CYP2C19", &[]).0, ["*38/*38"]);
        let one: (&str, &[&str], _) = ("rs3758581", &["G", "G"], None);
        assert_eq!(names("CYP2C19", &[one]).0, ["*1/*1"]);
        let two: [(&str, &[&str], _); 3] = [
            one,
            ("rs12769205", &["A", "G"], None),
            ("rs4244285", &["G", "A"], None),
        ];
        assert_eq!(names("CYP2C19", &two).0, ["*1/*2"]);
    }

    #[test]
    fn codes_stand_for_either_base() {
        // *2 may have rs58973490.
        let found: [(&str, &[&str], _); 4] = [
            ("rs3758581", &["G", "G"], None),
            ("rs12769205", &["A", "G"], None),
            ("rs4244285", &["G", "A"], None),
            ("rs58973490", &["G", "A"], None),
        ];
        assert_eq!(names("CYP2C19", &found).0[0], "*1/*2");
    }

    #[test]
    fn a_code_counts_where_the_copy_is_not_the_references() {
        // The usual *4 of CYP2D6 has rs1058164 and others that its definition leaves open, *10 has three of
        // its places and not rs3892097.
        let usual: [(&str, &[&str], _); 4] = [
            ("rs1135840", &["C", "G"], None),
            ("rs1058164", &["C", "G"], None),
            ("rs3892097", &["C", "T"], None),
            ("rs1065852", &["G", "A"], None),
        ];
        assert_eq!(names("CYP2D6", &usual).0[0], "*1/*4");
        // Bare, *4 has one defining place, and none of the nineteen codes counts.
        let genes = gene::shipped();
        let g = &genes["CYP2D6"];
        let bare: [(&str, &[&str], _); 1] = [("rs3892097", &["T", "T"], None)];
        let ranked = explain(g, &sample(g, &bare)).ranked;
        assert_eq!((ranked[0].name(g).as_str(), ranked[0].score), ("*4/*4", 2));
        let both: [(&str, &[&str], _); 2] = [bare[0], ("rs1065852", &["G", "A"], None)];
        assert_eq!(explain(g, &sample(g, &both)).ranked[0].score, 3);
    }

    #[test]
    fn what_was_not_seen_is_not_the_reference() {
        // Without rs28399504 *4 cannot be told from *17.
        let found: [(&str, &[&str], _); 3] = [
            ("rs3758581", &["G", "G"], None),
            ("rs12248560", &["C", "T"], None),
            ("rs28399504", &[], None),
        ];
        assert_eq!(names("CYP2C19", &found).0[..2], ["*1/*4", "*1/*17"]);
        // *3 of NUDT15 has one variant: unseen, it may be there.
        let (ranked, open) = names("NUDT15", &[("rs116855232", &[], None)]);
        assert_eq!(ranked, ["*1/*1"]);
        assert_eq!(open, ["*3"]);
    }

    #[test]
    fn with_phase_every_pair_of_alleles_is_found() {
        let genes = gene::shipped();
        for name in "CYP2C19 CYP2C9 TPMT NUDT15 SLCO1B1 VKORC1 UGT1A1".split(' ') {
            let g = &genes[name];
            let bases = |a: usize, i: usize| {
                let set = g.alleles[a].at[i].as_ref();
                set.map_or(g.loci[i].reference.clone(), |set| set[0].clone())
            };
            // Every fifth pair of the larger genes.
            let step = if g.alleles.len() > 30 { 5 } else { 1 };
            let n = g.alleles.len();
            let pairs = (0..n).flat_map(|a| (a..n).map(move |b| (a, b)));
            for (a, b) in pairs.step_by(step) {
                let at = |i: usize| {
                    let mut genotype = Genotype::of(&[&bases(a, i), &bases(b, i)]);
                    genotype.phase = Some(1);
                    Ok(genotype)
                };
                let seen: Vec<Seen> = (0..g.loci.len()).map(at).collect();
                let ranked = explain(g, &seen).ranked;
                let found = ranked.iter().position(|d| d.alleles == [a, b]);
                let what = format!("{name} {}/{}", g.alleles[a].name, g.alleles[b].name);
                let found = found.unwrap_or_else(|| panic!("{what}"));
                // Another pair is as good only where a code lets it have the same bases.
                let codes = |d: &Diplotype| {
                    let some =
                        |&x: &usize| g.alleles[x].at.iter().flatten().any(|set| set.len() > 1);
                    d.alleles.iter().any(some)
                };
                let better = &ranked[..found];
                assert!(better.iter().all(codes), "{what}: {better:?}");
            }
        }
    }

    #[test]
    fn one_copy_has_one_allele() {
        let genes = gene::shipped();
        let g = &genes["G6PD"];
        let seen: Vec<Seen> = g
            .loci
            .iter()
            .map(|l| {
                let bases = if l.id == "rs1050829" {
                    "C"
                } else {
                    &l.reference
                };
                Ok(Genotype::of(&[bases]))
            })
            .collect();
        let names: Vec<String> = explain(g, &seen).ranked.iter().map(|d| d.name(g)).collect();
        assert_eq!(names, ["A"]);
    }

    #[test]
    fn bases_that_no_allele_has_are_explained_by_none() {
        assert!(
            names("VKORC1", &[("rs9923231", &["C", "G"], None)])
                .0
                .is_empty()
        );
    }
}
