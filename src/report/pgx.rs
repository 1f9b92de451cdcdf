//! Pharmacogenetics: genotypes at defining positions, diplotypes where they are unambiguous, and the
//! recommendations that follow. A position that was not seen is never taken as reference.

use super::panel::Panel;
use crate::annotate::GeneModel;
use crate::annotate::pharmaco::{self, Allele, Defining, Pharmacogene, Recommendation, Site};
use crate::domain::{Span, Variant};
use crate::format::calls::Call;
use crate::format::depth::Depth;
use crate::genome::Reference;
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};

/// Fewer fragments do not tell a heterozygote from a homozygote: at 20 a heterozygote shows under
/// four copies of one allele in about 1 of 800 cases.
const MIN_DEPTH: u32 = 20;

/// What was seen at a defining position.
#[derive(Clone, Debug, Serialize)]
pub struct PgxSite {
    /// `rs3918290:C>T`.
    pub variant: String,
    /// `1:97915614`; empty where it was not found on the reference.
    pub place: String,
    /// Copies of the variant, 0 to 2; `null` where it was not assessed.
    pub copies: Option<u32>,
    /// Why it was not assessed; empty if it was.
    pub reason: String,
}

/// A pharmacogene of the panel.
#[derive(Clone, Debug, Serialize)]
pub struct PgxGene {
    /// Gene symbol.
    pub gene: String,
    /// Pairs of alleles that explain what was seen; more than one where phase would decide.
    pub diplotypes: Vec<String>,
    /// The phenotype, if it is unambiguous.
    pub phenotype: Option<String>,
    /// What is not known and why.
    pub note: String,
    /// Positions assessed and all positions.
    pub assessed: (usize, usize),
    /// Positions at which something was found, or that could have been seen and were not.
    pub sites: Vec<PgxSite>,
    /// Recommendations for the phenotype.
    pub recommendations: Vec<Recommendation>,
}

/// Pharmacogenes that no panel of small variants can settle.
pub const NOT_BY_PANEL: &str =
    "CYP2D6 (copy number and hybrid genes) and HLA types are not assessed.";

/// How far beyond its transcript a gene's defining variants may lie: promoters.
const PROMOTER: u32 = 5000;

/// The panel's pharmacogenes that the gene model knows, by name.
pub fn assess(
    reference: &Reference,
    gene_model: &GeneModel,
    panel: &Panel,
    depth: Option<&Depth>,
    calls: &[Call],
    somatic: bool,
) -> Vec<PgxGene> {
    let genes = pharmaco::shipped();
    let stretch_of = |gene: &str| {
        let t = gene_model.of_gene(gene)?;
        let length = reference.contig(t.model.contig).length;
        Some((t.model.contig, t.span().widened(PROMOTER, length)))
    };
    let all: Vec<(&Defining, _)> = genes
        .iter()
        .filter_map(|(name, g)| Some((g, stretch_of(name)?)))
        .flat_map(|(g, stretch)| g.variants.iter().map(move |v| (v, stretch)))
        .collect();
    let sites = pharmaco::locate(&all, reference, &panel.0);
    genes
        .iter()
        .filter(|(_, g)| g.variants.iter().any(|v| sites.contains_key(&v.name)))
        .map(|(name, gene)| {
            let seen: Vec<PgxSite> = gene
                .variants
                .iter()
                .map(|v| {
                    look(
                        v,
                        sites.get(&v.name),
                        reference,
                        panel,
                        depth,
                        calls,
                        somatic,
                    )
                })
                .collect();
            judge(name, gene, seen, somatic)
        })
        .collect()
}

fn look(
    v: &Defining,
    site: Option<&Site>,
    reference: &Reference,
    panel: &Panel,
    depth: Option<&Depth>,
    calls: &[Call],
    somatic: bool,
) -> PgxSite {
    let mut out = PgxSite {
        variant: v.name.clone(),
        place: String::new(),
        copies: None,
        reason: String::new(),
    };
    let genotype = match site {
        None => Err("not in the panel".to_string()),
        Some(Site::Ambiguous) => Err("its surroundings are found more than once".into()),
        Some(Site::Carried) => Err("the reference itself carries the variant".into()),
        Some(Site::At {
            contig,
            span,
            reference: r,
            alternate: a,
        }) => {
            let name = &reference.contig(*contig).name;
            out.place = format!("{name}:{}", span.start + 1);
            let variant = Variant {
                contig: *contig,
                pos: crate::domain::Pos(span.start),
                reference: r.clone(),
                alternate: a.clone(),
            };
            if panel.outside(*contig, *span).is_empty() {
                copies(&variant, depth, calls, somatic)
            } else {
                Err("not in the panel".into())
            }
        }
    };
    match genotype {
        Ok(n) => out.copies = Some(n),
        Err(reason) => out.reason = reason,
    }
    out
}

fn copies(
    v: &Variant,
    depth: Option<&Depth>,
    calls: &[Call],
    somatic: bool,
) -> Result<u32, String> {
    let wanted = trimmed(v);
    let span = v.span();
    let here = calls
        .iter()
        .filter(|c| c.variant.contig == v.contig && c.copies != Some(0));
    for call in here {
        if trimmed(&call.variant) == wanted {
            if !call.filters.is_empty() {
                return Err(format!(
                    "a call here was filtered ({})",
                    call.filters.join(", ")
                ));
            }
            return match (somatic, call.copies) {
                (false, Some(n)) => Ok(n),
                _ => germline_copies(call),
            };
        }
        // Another allele of one base leaves this one's absence clear; anything longer does not.
        let other = call.variant.span();
        if other.overlaps(span) && !(call.variant.is_snv() && v.is_snv()) {
            return Err("another variant covers the position".into());
        }
    }
    let worst = depth
        .ok_or("no depth file was given")?
        .worst(v.contig, Span::new(span.start, span.end));
    match worst.depth {
        None => Err("its depth is not known".into()),
        Some(d) if d < MIN_DEPTH => Err(format!("depth {d} is below {MIN_DEPTH}")),
        Some(_) => Ok(0),
    }
}

/// Position, replaced and replacing bases with nothing in common at either end.
fn trimmed(v: &Variant) -> (u32, &[u8], &[u8]) {
    let (mut r, mut a) = (&v.reference[..], &v.alternate[..]);
    while let ([.., x], [.., y]) = (r, a)
        && x == y
    {
        r = &r[..r.len() - 1];
        a = &a[..a.len() - 1];
    }
    let p = r.iter().zip(a).take_while(|(x, y)| x == y).count();
    (v.pos.0 + p as u32, &r[p..], &a[p..])
}

/// Copies in the germline, from a tumor's fraction: near a half or near all, or it cannot be told.
fn germline_copies(call: &Call) -> Result<u32, String> {
    match (call.support, call.depth) {
        (_, Some(d)) if d < MIN_DEPTH => Err(format!("depth {d} is below {MIN_DEPTH}")),
        (Some(k), Some(n)) => {
            let f = f64::from(k) / f64::from(n);
            if (0.3..=0.7).contains(&f) {
                Ok(1)
            } else if f >= 0.85 {
                Ok(2)
            } else {
                Err(format!(
                    "at {:.0} % it is not a germline genotype's fraction",
                    f * 100.0
                ))
            }
        }
        _ => Err("the VCF gives no read counts".into()),
    }
}

fn judge(name: &str, gene: &Pharmacogene, seen: Vec<PgxSite>, somatic: bool) -> PgxGene {
    let total = seen.len();
    let open: Vec<&PgxSite> = seen.iter().filter(|s| s.copies.is_none()).collect();
    let assessed = total - open.len();
    let mut notes = Vec::new();
    if !open.is_empty() {
        notes.push(format!(
            "{} of {total} defining positions were not assessed",
            open.len()
        ));
    }
    let mut diplotypes = Vec::new();
    let mut phenotype = None;
    let mut recommendations = Vec::new();
    let found: BTreeMap<&str, u32> = seen
        .iter()
        .filter_map(|s| Some((s.variant.as_str(), s.copies?)))
        .collect();
    if name == "DPYD" {
        // CPIC: the sum of the two lowest activities; what was not seen could only lower it.
        let score = dpyd_score(gene, &found);
        let carries = found.values().any(|&n| n > 0);
        if open.is_empty() || score < 2.0 {
            let bound = if open.is_empty() { "" } else { "at most " };
            let who = match score {
                s if s >= 2.0 => "normal metabolizer",
                s if s >= 1.0 => "intermediate metabolizer",
                _ => "poor metabolizer",
            };
            phenotype = Some(format!("activity score {bound}{score} ({who})"));
            recommendations = gene.recommendations(&format!("AS{score}"));
            if !open.is_empty() {
                notes.push("they could only lower the score".into());
            }
        } else if carries {
            notes.push("only variants of normal function were found; no phenotype is given".into());
        } else {
            notes.push("nothing was found at the others; no phenotype is given".into());
        }
        if found.get("rs56038477:C>T").is_some_and(|&n| n > 0)
            && !found.contains_key("rs75017182:G>C")
        {
            notes.push("c.1236G>A stands for HapB3 only by linkage: test c.1129-5923C>G".into());
        }
    } else if open.is_empty() {
        let pairs = pairs(gene, &found);
        diplotypes = pairs
            .iter()
            .map(|(a, b)| format!("{}/{}", a.name, b.name))
            .collect();
        let phenotypes: BTreeSet<Option<&str>> = pairs
            .iter()
            .map(|(a, b)| phenotype_of(name, a, b))
            .collect();
        match phenotypes.iter().copied().collect::<Vec<_>>()[..] {
            [] => notes.push("no pair of listed alleles explains what was seen".into()),
            [Some(code)] => {
                phenotype = Some(long_name(code).into());
                recommendations = gene.recommendations(code);
            }
            [None] => notes.push("the function of an allele is not certain".into()),
            _ => notes
                .push("phase would decide between these pairs, and they differ in function".into()),
        }
    } else {
        notes.push("no diplotype is given".into());
    }
    if somatic && (phenotype.is_some() || found.values().any(|&n| n > 0)) {
        notes.push(
            "from tumor DNA, in which loss of an allele can mislead: confirm in normal tissue"
                .into(),
        );
    }
    let sites = seen
        .into_iter()
        .filter(|s| s.copies.is_some_and(|n| n > 0) || (s.copies.is_none() && !s.place.is_empty()))
        .collect();
    PgxGene {
        gene: name.into(),
        diplotypes,
        phenotype,
        note: notes.join("; "),
        assessed: (assessed, total),
        sites,
        recommendations,
    }
}

/// Sum of the two lowest activities among the variants found, reference alleles filling up.
fn dpyd_score(gene: &Pharmacogene, found: &BTreeMap<&str, u32>) -> f64 {
    let mut activities = vec![1.0, 1.0];
    for allele in gene.alleles.iter().filter(|a| !a.variants.is_empty()) {
        let copies = allele
            .variants
            .iter()
            .map(|v| found.get(v.as_str()).copied().unwrap_or(0))
            .min()
            .unwrap_or(0);
        for _ in 0..copies {
            activities.push(allele.activity.unwrap_or(1.0));
        }
    }
    activities.sort_by(f64::total_cmp);
    activities[0] + activities[1]
}

/// All unordered pairs of alleles whose variants add up to the copies seen.
fn pairs<'a>(gene: &'a Pharmacogene, found: &BTreeMap<&str, u32>) -> Vec<(&'a Allele, &'a Allele)> {
    let range = |a: &Allele, v: &str| {
        let rs = v.split(':').next().unwrap_or(v);
        if a.variants.contains(v) {
            (1, 1)
        } else if a.wobble.contains(rs) {
            (0, 1)
        } else {
            (0, 0)
        }
    };
    let mut out = Vec::new();
    for (i, a) in gene.alleles.iter().enumerate() {
        for b in &gene.alleles[i..] {
            let explains = found.iter().all(|(v, &n)| {
                let ((low_a, high_a), (low_b, high_b)) = (range(a, v), range(b, v));
                (low_a + low_b..=high_a + high_b).contains(&n)
            });
            if explains {
                out.push((a, b));
            }
        }
    }
    out
}

/// Code of the phenotype of a pair of alleles, where CPIC's tables leave no doubt.
fn phenotype_of(gene: &str, a: &Allele, b: &Allele) -> Option<&'static str> {
    if gene == "CYP2C9" {
        return Some(match a.activity? + b.activity? {
            s if s >= 2.0 => "AS2",
            s if s >= 1.5 => "AS1.5",
            s if s >= 1.0 => "AS1",
            s if s >= 0.5 => "AS0.5",
            _ => "AS0",
        });
    }
    let rank = |x: &Allele| match x.function.as_str() {
        "No function" => Some(0),
        "Decreased function" => Some(1),
        "Normal function" => Some(2),
        "Increased function" => Some(3),
        _ => None,
    };
    let (x, y) = (rank(a)?, rank(b)?);
    let pair = (x.min(y), x.max(y));
    match gene {
        "CYP2C19" => match pair {
            (0, 0) => Some("PM"),
            (0, 2 | 3) => Some("IM"),
            (2, 2) => Some("NM"),
            (2, 3) => Some("RM"),
            (3, 3) => Some("UM"),
            _ => None,
        },
        "TPMT" | "NUDT15" | "CYP3A5" => match pair {
            (0, 0) => Some("PM"),
            (0, 2) => Some("IM"),
            (2, 2) => Some("NM"),
            _ => None,
        },
        "CYP2B6" => match pair {
            (0 | 1, 0 | 1) => Some("PM"),
            (0 | 1, 2 | 3) => Some("IM"),
            (2, 2) => Some("NM"),
            (2, 3) => Some("RM"),
            _ => Some("UM"),
        },
        "UGT1A1" => match pair {
            (0 | 1, 0 | 1) => Some("PM"),
            (0 | 1, 2 | 3) => Some("IM"),
            _ => Some("NM"),
        },
        "SLCO1B1" => match pair {
            (0, 0) => Some("PF"),
            (0, 2 | 3) => Some("DF"),
            (2, 2 | 3) => Some("NF"),
            _ => None,
        },
        "ABCG2" => match pair {
            (1, 1) => Some("PF"),
            (1, 2) => Some("DF"),
            (2, 2) => Some("NF"),
            _ => None,
        },
        _ => None,
    }
}

fn long_name(code: &str) -> &'static str {
    match code {
        "PM" => "poor metabolizer",
        "IM" => "intermediate metabolizer",
        "NM" => "normal metabolizer",
        "RM" => "rapid metabolizer",
        "UM" => "ultrarapid metabolizer",
        "PF" => "poor function",
        "DF" => "decreased function",
        "NF" => "normal function",
        "AS2" => "activity score 2 (normal metabolizer)",
        "AS1.5" => "activity score 1.5 (intermediate metabolizer)",
        "AS1" => "activity score 1 (intermediate metabolizer)",
        "AS0.5" => "activity score 0.5 (poor metabolizer)",
        _ => "activity score 0 (poor metabolizer)",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Everything assessed; these variants with so many copies.
    fn complete(gene: &str, found: &[(&str, u32)]) -> PgxGene {
        let genes = pharmaco::shipped();
        let g = &genes[gene];
        for (v, _) in found {
            assert!(g.variants.iter().any(|x| x.name == *v), "{v}");
        }
        let seen = g
            .variants
            .iter()
            .map(|v| PgxSite {
                variant: v.name.clone(),
                place: "1:1".into(),
                copies: Some(
                    found
                        .iter()
                        .find(|(n, _)| *n == v.name)
                        .map_or(0, |(_, n)| *n),
                ),
                reason: String::new(),
            })
            .collect();
        judge(gene, g, seen, false)
    }

    #[test]
    fn diplotypes_and_phenotypes_follow_cpic() {
        let star2 = [
            ("rs12769205:A>G", 1),
            ("rs4244285:G>A", 1),
            ("rs3758581:A>G", 2),
        ];
        let g = complete("CYP2C19", &star2);
        assert_eq!(g.diplotypes, ["*1/*2"]);
        assert_eq!(g.phenotype.as_deref(), Some("intermediate metabolizer"));
        assert!(g.recommendations.iter().any(|r| r.drug == "clopidogrel"));
        let g = complete("CYP2C19", &[("rs12248560:C>T", 2), ("rs3758581:A>G", 2)]);
        assert_eq!(
            (g.diplotypes[0].as_str(), g.phenotype.as_deref()),
            ("*17/*17", Some("ultrarapid metabolizer"))
        );
        let g = complete("NUDT15", &[]);
        assert_eq!(
            (g.diplotypes[0].as_str(), g.phenotype.as_deref()),
            ("*1/*1", Some("normal metabolizer"))
        );
        let g = complete("CYP2C9", &[("rs1799853:C>T", 1), ("rs1057910:A>C", 1)]);
        assert!(g.phenotype.unwrap().starts_with("activity score 0.5"));
    }

    #[test]
    fn phase_that_matters_is_left_open() {
        let g = complete("TPMT", &[("rs1142345:T>C", 1), ("rs1800460:C>T", 1)]);
        assert_eq!(g.diplotypes, ["*1/*3A", "*3B/*3C"]);
        assert_eq!(g.phenotype, None);
        assert!(g.recommendations.is_empty() && g.note.contains("phase"));
    }

    #[test]
    fn dpyd_scores_add_the_two_lowest() {
        let as_of = |found: &[(&str, u32)]| complete("DPYD", found).phenotype.unwrap();
        assert!(as_of(&[]).starts_with("activity score 2 "));
        assert!(as_of(&[("rs3918290:C>T", 1)]).starts_with("activity score 1 "));
        assert!(
            as_of(&[("rs3918290:C>T", 1), ("rs67376798:T>A", 1)])
                .starts_with("activity score 0.5 ")
        );
        assert!(as_of(&[("rs75017182:G>C", 1)]).starts_with("activity score 1.5 "));
        assert!(as_of(&[("rs1801265:A>G", 2)]).starts_with("activity score 2 "));
    }

    #[test]
    fn a_position_that_was_not_seen_is_not_reference() {
        let genes = pharmaco::shipped();
        let seen: Vec<PgxSite> = genes["TPMT"]
            .variants
            .iter()
            .enumerate()
            .map(|(i, v)| PgxSite {
                variant: v.name.clone(),
                place: String::new(),
                copies: (i > 0).then_some(0),
                reason: if i > 0 {
                    String::new()
                } else {
                    "not in the panel".into()
                },
            })
            .collect();
        let g = judge("TPMT", &genes["TPMT"], seen, false);
        assert!(g.diplotypes.is_empty() && g.phenotype.is_none());
        assert!(
            g.note
                .contains("1 of 11 defining positions were not assessed"),
            "{}",
            g.note
        );
    }
}
