//! Genes whose alleles are single variants that may stand together on one chromosome (DPYD, RYR1): the
//! variants are listed, and the gene is judged by the worst one of each chromosome, or by the two
//! worst where phase is not known.

use super::advice;
use super::diplotype::{Seen, blocks};
use super::gene::{Gene, NamedAllele, by_name};
use super::{Candidate, GeneCall};

/// Is this gene judged so?
pub fn applies(gene: &str) -> bool {
    ["DPYD", "RYR1"].contains(&gene)
}

/// The intronic variant that makes HapB3, and the exonic one that usually goes with it.
const INTRONIC: &str = "rs75017182";
const EXONIC: &str = "rs56038477";

/// For each locus, how many of some copies have each of its alternates.
type Pool = Vec<Vec<(String, usize)>>;

/// More phase sets than these are not put together in every way.
const SETS: usize = 8;

/// Judges the gene.
pub(super) fn judge(gene: &Gene, seen: &[Seen], call: &mut GeneCall) {
    let copies = seen.iter().flatten().map(|g| g.alleles.len()).max();
    let copies = copies.unwrap_or(2);
    let blocks = blocks(seen);
    let in_set = |&i: &usize| matches!(&seen[i], Ok(g) if g.phase.is_some());
    let in_sets = blocks.len() <= SETS && blocks.iter().flatten().any(in_set);
    let mut candidates = if blocks.len() <= 1 || in_sets {
        by_chromosome(gene, seen, copies, &blocks, call)
    } else {
        vec![as_listed(gene, seen, copies, call)]
    };
    let sum = |worst: &[&NamedAllele]| worst.iter().map(|a| badness(a)).sum::<f64>();
    candidates.sort_by(|a, b| {
        let by_score = sum(&a.1).total_cmp(&sum(&b.1));
        by_score.then_with(|| by_name(&a.0, &b.0))
    });
    candidates.dedup_by(|a, b| a.0 == b.0);
    if candidates.len() > 1 {
        call.notes
            .push("phase is known in parts only: the worst of these counts".into());
    }
    for (name, worst) in &candidates {
        call.diplotypes.push(Candidate {
            name: name.clone(),
            score: call.seen.0,
            phenotype: advice::of_alleles(&gene.name, worst),
        });
    }
    call.best = call.diplotypes.len();
    let worst = &candidates[0].1;
    open(gene, seen, worst, call);
    let nothing = worst
        .iter()
        .all(|w| badness(w) >= badness(&gene.alleles[0]));
    if nothing && 2 * call.seen.0 < call.seen.1 {
        call.unless.clear();
        call.notes
            .push("less than half of its places were seen: no phenotype is given".into());
    } else {
        call.phenotype.clone_from(&call.diplotypes[0].phenotype);
    }
}

/// Every way in which the phase sets can go together: the alleles of each chromosome, and its worst one.
fn by_chromosome<'a>(
    gene: &'a Gene,
    seen: &[Seen],
    copies: usize,
    blocks: &[Vec<usize>],
    call: &mut GeneCall,
) -> Vec<(String, Vec<&'a NamedAllele>)> {
    let reference = &gene.alleles[0];
    let name = |alleles: &[&NamedAllele]| match alleles {
        [] => reference.name.clone(),
        [one] => one.name.clone(),
        many => {
            let names: Vec<&str> = many.iter().map(|a| a.name.as_str()).collect();
            format!("[{}]", names.join(" + "))
        }
    };
    // The first set stays as it is; each of the others may be the other way round.
    let ways = 1usize << blocks.len().saturating_sub(1);
    let mut out = Vec::new();
    for way in 0..ways {
        let mut turned = seen.to_vec();
        for (k, block) in blocks.iter().skip(1).enumerate() {
            for &i in block.iter().filter(|_| way >> k & 1 == 1) {
                if let Ok(g) = &mut turned[i] {
                    g.alleles.reverse();
                }
            }
        }
        let of_copy = |c: usize, call: &mut GeneCall| {
            let mut pool = pool(gene, &turned, &[c]);
            hapb3(gene, &turned, &mut pool, call);
            listed(gene, pool)
        };
        let found: Vec<Vec<&NamedAllele>> = (0..copies).map(|c| of_copy(c, call)).collect();
        let mut names: Vec<String> = found.iter().map(|a| name(a)).collect();
        // Single alleles in front of combinations.
        names.sort_by(|a, b| {
            let several = |n: &str| n.starts_with('[');
            several(a).cmp(&several(b)).then_with(|| by_name(a, b))
        });
        let worst = found.iter().map(|alleles| {
            let all = alleles.iter().copied();
            let worst = all.min_by(|a, b| badness(a).total_cmp(&badness(b)));
            worst.unwrap_or(reference)
        });
        out.push((names.join("/"), worst.collect()));
    }
    out
}

/// Without any phase: all alleles found, and the two worst, as if on two chromosomes.
fn as_listed<'a>(
    gene: &'a Gene,
    seen: &[Seen],
    copies: usize,
    call: &mut GeneCall,
) -> (String, Vec<&'a NamedAllele>) {
    let mut pool = pool(gene, seen, &(0..copies).collect::<Vec<_>>());
    hapb3(gene, seen, &mut pool, call);
    let mut all = listed(gene, pool);
    // One allele beside the reference needs no phase.
    let told = all.len() < copies;
    all.resize(all.len().max(copies), &gene.alleles[0]);
    all.sort_by(|a, b| by_name(&a.name, &b.name));
    let names: Vec<&str> = all.iter().map(|a| a.name.as_str()).collect();
    let names = names.join(if told { "/" } else { ", " });
    all.sort_by(|a, b| badness(a).total_cmp(&badness(b)));
    all.truncate(copies);
    if !told {
        call.notes.push(
            "phase is not known: these variants were found, and the two worst count as on two chromosomes"
                .into(),
        );
    }
    (names, all)
}

/// What was not seen could only make it worse.
fn open(gene: &Gene, seen: &[Seen], worst: &[&NamedAllele], call: &mut GeneCall) {
    for allele in &gene.alleles[1..] {
        let unseen = allele.variants(gene).any(|i| seen[i].is_err());
        let fits = |i: usize| {
            let genotype = seen[i].as_ref();
            genotype.map_or(true, |g| {
                g.alleles
                    .iter()
                    .any(|a| allele.admits(i, &gene.loci[i].reference, a))
            })
        };
        let worse = worst.iter().any(|w| badness(allele) < badness(w));
        if unseen && worse && allele.variants(gene).all(fits) {
            call.unless.push(format!("{} (not assessed)", allele.name));
        }
    }
}

/// The lower, the worse.
fn badness(allele: &NamedAllele) -> f64 {
    match allele.function.as_str() {
        "Malignant Hyperthermia associated" => 0.0,
        _ => allele.activity.unwrap_or(1.0),
    }
}

fn pool(gene: &Gene, seen: &[Seen], copies: &[usize]) -> Pool {
    let at = |(locus, seen): (&super::gene::Locus, &Seen)| {
        let has = |alternate: &String| {
            let g = seen.as_ref().ok()?;
            let of = |c: &&usize| g.alleles.get(**c) == Some(alternate);
            let count = copies.iter().filter(of).count();
            (count > 0).then(|| (alternate.clone(), count))
        };
        locus.alternates.iter().filter_map(has).collect()
    };
    gene.loci.iter().zip(seen).map(at).collect()
}

/// HapB3's effect comes from its intronic variant; the exonic one only stands in where that was not seen.
fn hapb3(gene: &Gene, seen: &[Seen], pool: &mut Pool, call: &mut GeneCall) {
    let index = |id| gene.loci.iter().position(|l| l.id == id);
    let (Some(intronic), Some(exonic)) = (index(INTRONIC), index(EXONIC)) else {
        return;
    };
    let count = |pool: &Pool, i: usize| pool[i].iter().map(|p| p.1).sum::<usize>();
    let by_proxy = count(pool, exonic);
    let mut note = |text: &str| {
        if !call.notes.iter().any(|n| n == text) {
            call.notes.push(text.into());
        }
    };
    if seen[intronic].is_err() && by_proxy > 0 {
        pool[intronic] = vec![(gene.loci[intronic].alternates[0].clone(), by_proxy)];
        note(
            "HapB3 by its exonic variant rs56038477 (c.1236G>A), which stands for it only by linkage: test \
             rs75017182 (c.1129-5923C>G)",
        );
    } else if by_proxy > count(pool, intronic) {
        note(
            "rs56038477 (c.1236G>A) without rs75017182 (c.1129-5923C>G), which alone changes splicing: not HapB3",
        );
    }
}

/// The alleles whose variants are in the pool, those of more variants first; each takes its own.
fn listed(gene: &Gene, mut pool: Pool) -> Vec<&NamedAllele> {
    let mut alleles: Vec<(Vec<usize>, &NamedAllele)> = gene.alleles[1..]
        .iter()
        .map(|a| (a.variants(gene).collect(), a))
        .collect();
    alleles.sort_by_key(|(variants, _)| std::cmp::Reverse(variants.len()));
    let mut found = Vec::new();
    for (variants, allele) in alleles {
        let slot = |pool: &Pool, i: usize| {
            let set = allele.at[i].as_ref().expect("a defining locus");
            pool[i]
                .iter()
                .position(|(bases, n)| *n > 0 && set.contains(bases))
        };
        while !variants.is_empty() && variants.iter().all(|&i| slot(&pool, i).is_some()) {
            for &i in &variants {
                let s = slot(&pool, i).expect("seen just now");
                pool[i][s].1 -= 1;
            }
            found.push(allele);
        }
    }
    found.sort_by(|a, b| by_name(&a.name, &b.name));
    found
}

#[cfg(test)]
mod tests {
    use super::super::tests::judged;
    use super::*;

    fn score(found: &[(&str, &[&str])]) -> f64 {
        judged("DPYD", found).phenotype.unwrap().score.unwrap()
    }

    const STAR_2A: (&str, &[&str]) = ("rs3918290", &["C", "T"]);
    const C2846: (&str, &[&str]) = ("rs67376798", &["T", "A"]);

    #[test]
    fn scores_add_the_two_lowest() {
        assert!((score(&[]) - 2.0).abs() < 1e-9);
        assert!((score(&[STAR_2A]) - 1.0).abs() < 1e-9);
        assert!((score(&[STAR_2A, C2846]) - 0.5).abs() < 1e-9);
        assert!((score(&[("rs1801265", &["G", "G"])]) - 2.0).abs() < 1e-9);
        // A normal one beside two bad ones changes nothing.
        let three = [STAR_2A, C2846, ("rs1801159", &["T", "C"][..])];
        assert!((score(&three) - 0.5).abs() < 1e-9);
        let c = judged("DPYD", &[STAR_2A, C2846]);
        assert_eq!(c.best_names(), ["c.1905+1G>A (*2A), c.2846A>T"]);
        assert!(c.notes.iter().any(|n| n.contains("phase")));
        assert!(c.recommendations.iter().all(|r| r.action == "avoid"));
    }

    #[test]
    fn phase_puts_the_worst_of_each_chromosome_together() {
        let genes = super::super::gene::shipped();
        let g = &genes["DPYD"];
        let with = |alleles: [&str; 2]| {
            let mut seen: Vec<Seen> = Vec::new();
            for l in &g.loci {
                let pair = match l.id.as_str() {
                    "rs3918290" => ["C", "T"],
                    "rs67376798" => alleles,
                    _ => [l.reference.as_str(); 2],
                };
                let mut genotype = super::super::diplotype::Genotype::of(&pair);
                genotype.phase = Some(1);
                seen.push(Ok(genotype));
            }
            super::super::judge(g, &seen)
        };
        let cis = with(["T", "A"]);
        assert_eq!(
            cis.best_names(),
            ["Reference/[c.1905+1G>A (*2A) + c.2846A>T]"]
        );
        assert_eq!(cis.phenotype.unwrap().score, Some(1.0));
        let trans = with(["A", "T"]);
        assert_eq!(trans.best_names(), ["c.1905+1G>A (*2A)/c.2846A>T"]);
        assert_eq!(trans.phenotype.unwrap().score, Some(0.5));
    }

    #[test]
    fn phase_sets_are_put_together_in_every_way() {
        let genes = super::super::gene::shipped();
        let g = &genes["DPYD"];
        let at = |l: &super::super::gene::Locus| {
            let (pair, phase) = match l.id.as_str() {
                "rs3918290" => (["C", "T"], Some(1)),
                "rs67376798" => (["T", "A"], Some(1)),
                "rs1801159" => (["T", "C"], Some(2)),
                _ => ([l.reference.as_str(); 2], None),
            };
            let mut genotype = super::super::diplotype::Genotype::of(&pair);
            genotype.phase = phase;
            Ok(genotype)
        };
        let seen: Vec<Seen> = g.loci.iter().map(at).collect();
        let c = super::super::judge(g, &seen);
        assert_eq!(
            c.best_names(),
            [
                "Reference/[c.1627A>G (*5) + c.1905+1G>A (*2A) + c.2846A>T]",
                "c.1627A>G (*5)/[c.1905+1G>A (*2A) + c.2846A>T]"
            ]
        );
        // The two bad ones are on one chromosome in either case.
        assert_eq!(c.phenotype.unwrap().score, Some(1.0));
    }

    #[test]
    fn hapb3_is_its_intronic_variant() {
        let exon: &[&str] = &["C", "T"];
        let intron: &[&str] = &["G", "C"];
        let of = |found: &[(&str, &[&str])]| judged("DPYD", found);
        let both = of(&[(EXONIC, exon), (INTRONIC, intron)]);
        assert_eq!(
            both.best_names(),
            ["Reference/c.1129-5923C>G, c.1236G>A (HapB3)"]
        );
        assert_eq!(both.phenotype.unwrap().score, Some(1.5));
        let alone = of(&[(INTRONIC, intron)]);
        assert_eq!(alone.best_names(), ["Reference/c.1129-5923C>G"]);
        let proxy = of(&[(EXONIC, exon), (INTRONIC, &[])]);
        assert_eq!(
            proxy.best_names(),
            ["Reference/c.1129-5923C>G, c.1236G>A (HapB3)"]
        );
        assert!(
            proxy.notes[0].contains("only by linkage"),
            "{:?}",
            proxy.notes
        );
        let mismatch = of(&[(EXONIC, exon)]);
        assert_eq!(mismatch.best_names(), ["Reference/Reference"]);
        assert!(
            mismatch.notes[0].contains("not HapB3"),
            "{:?}",
            mismatch.notes
        );
    }

    #[test]
    fn what_was_not_seen_could_lower_the_score() {
        let c = judged("DPYD", &[("rs3918290", &[]), C2846]);
        assert_eq!(c.phenotype.as_ref().unwrap().score, Some(1.5));
        assert_eq!(c.unless, ["c.1905+1G>A (*2A) (not assessed)"]);
    }

    #[test]
    fn one_variant_of_ryr1_is_enough() {
        let genes = super::super::gene::shipped();
        let g = &genes["RYR1"];
        let associated = |a: &&NamedAllele| badness(a) < 1.0 && a.variants(g).count() == 1;
        let allele = g.alleles.iter().find(associated).unwrap();
        let i = allele.variants(g).next().unwrap();
        let bases = allele.at[i].as_ref().unwrap()[0].clone();
        let l = &g.loci[i];
        let c = judged("RYR1", &[(&l.id, &[&l.reference, &bases])]);
        assert_eq!(
            c.phenotype.unwrap().name,
            "Malignant Hyperthermia Susceptibility"
        );
        let none = judged("RYR1", &[]);
        assert_eq!(none.phenotype.unwrap().name, "Uncertain Susceptibility");
    }
}
