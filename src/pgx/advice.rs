//! From the functions of alleles to a phenotype, and from phenotypes to what CPIC recommends.

use super::gene::NamedAllele;
use schemars::JsonSchema;
use serde::Serialize;

/// Phenotype by the functions of both alleles, or by the activity score.
pub(super) const PHENOTYPES: &str = include_str!("../annotate/knowledge/pgx_phenotypes.tsv");
/// What CPIC recommends, in our words.
pub(super) const RECOMMENDATIONS: &str =
    include_str!("../annotate/knowledge/pgx_recommendations.tsv");

/// What CPIC recommends for a phenotype, in our words.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Recommendation {
    /// Gene, or the genes that it takes.
    pub gene: String,
    /// Drug or drugs.
    pub drug: String,
    /// For whom.
    pub population: String,
    /// In a word.
    pub action: String,
    /// In a sentence.
    pub text: String,
    /// CPIC's strength.
    pub strength: String,
    /// CPIC's level of the pair.
    pub level: String,
    /// PubMed id of the guideline.
    pub pmid: String,
    /// What to keep in mind.
    pub note: String,
    /// What must hold for it beside the phenotype; empty if nothing.
    pub condition: String,
}

/// A phenotype, and the activity score that it is read from, for genes that have one.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Phenotype {
    /// `Intermediate Metabolizer`.
    pub name: String,
    /// `1.5`.
    pub score: Option<f64>,
}

fn rows(table: &'static str) -> impl Iterator<Item = Vec<&'static str>> {
    table.lines().skip(1).map(|l| l.split('\t').collect())
}

/// Is the score within `AS 0.25-1`?
fn in_range(token: &str, score: f64) -> bool {
    let bounds = token.strip_prefix("AS ").and_then(|r| r.split_once('-'));
    bounds.is_some_and(|(low, high)| {
        let number = |s: &str| s.parse::<f64>().expect("a bound");
        (number(low)..=number(high)).contains(&score)
    })
}

/// CPIC reads this gene's phenotype from an activity score.
pub fn has_score(gene: &str) -> bool {
    rows(PHENOTYPES).any(|c| c[0] == gene && c[1].starts_with("AS "))
}

/// The phenotype of an activity score.
pub fn of_score(gene: &str, score: f64) -> Option<Phenotype> {
    let row = rows(PHENOTYPES).find(|c| c[0] == gene && in_range(c[1], score))?;
    Some(Phenotype {
        name: row[3].into(),
        score: Some(score),
    })
}

/// The phenotype of two alleles, or of the only one; `None` where CPIC names none.
pub fn of_alleles(gene: &str, alleles: &[&NamedAllele]) -> Option<Phenotype> {
    if has_score(gene) {
        let activities: Option<Vec<f64>> = alleles.iter().map(|a| a.activity).collect();
        return match activities {
            Some(all) => of_score(gene, all.iter().sum()),
            None => Some(Phenotype {
                name: "Indeterminate".into(),
                score: None,
            }),
        };
    }
    let mut functions: Vec<&str> = alleles.iter().map(|a| a.function.as_str()).collect();
    functions.sort_unstable();
    functions.resize(2, "-");
    let of = |pair: &[&str]| rows(PHENOTYPES).find(|c| c[0] == gene && c[1..3] == *pair);
    let row = of(&functions)?;
    Some(Phenotype {
        name: row[3].into(),
        score: None,
    })
}

/// Does a table's cell, phenotypes or scores with `;` between them, hold this one?
fn covers(cell: &str, phenotype: &Phenotype) -> bool {
    cell.split(';').any(|token| {
        token == "any"
            || token == phenotype.name
            || phenotype.score.is_some_and(|s| in_range(token, s))
    })
}

/// What CPIC recommends for a gene's phenotype; `other` gives the phenotypes of further genes, which some
/// recommendations ask for.
pub fn recommendations(
    gene: &str,
    phenotype: &Phenotype,
    other: &dyn Fn(&str) -> Option<Phenotype>,
) -> Vec<Recommendation> {
    rows(RECOMMENDATIONS)
        .filter(|c| c[0] == gene && covers(c[1], phenotype))
        .filter_map(|c| {
            let also = c[2].split_once(':');
            if let Some((gene, wanted)) = also
                && !other(gene).is_some_and(|p| covers(wanted, &p))
            {
                return None;
            }
            Some(Recommendation {
                gene: also.map_or(gene.into(), |(second, _)| format!("{gene} + {second}")),
                drug: c[3].into(),
                population: c[4].into(),
                action: c[5].into(),
                text: c[6].into(),
                strength: c[7].into(),
                level: c[8].into(),
                pmid: c[9].into(),
                note: c[10].into(),
                condition: String::new(),
            })
        })
        .collect()
}

/// Alleles of a gene without positions (HLA) that a recommendation knows: `*57:01` of `*57:01 positive`.
pub fn risk_alleles(gene: &str) -> Vec<&'static str> {
    let mut alleles: Vec<&str> = rows(RECOMMENDATIONS)
        .filter(|c| c[0] == gene)
        .filter_map(|c| c[1].strip_suffix(" positive"))
        .collect();
    alleles.sort_unstable();
    alleles.dedup();
    alleles
}

#[cfg(test)]
mod tests {
    use super::super::gene;
    use super::*;

    fn of(gene: &str, names: &[&str]) -> Option<Phenotype> {
        let genes = gene::shipped();
        let alleles: Vec<&NamedAllele> = names
            .iter()
            .map(|n| {
                genes[gene]
                    .allele(n)
                    .unwrap_or_else(|| panic!("{gene} {n}"))
            })
            .collect();
        of_alleles(gene, &alleles)
    }

    #[test]
    fn phenotypes_follow_cpic() {
        let name = |gene, names: &[&str]| of(gene, names).unwrap().name;
        assert_eq!(name("CYP2C19", &["*1", "*2"]), "Intermediate Metabolizer");
        assert_eq!(name("CYP2C19", &["*17", "*17"]), "Ultrarapid Metabolizer");
        assert_eq!(name("CYP2C19", &["*2", "*9"]), "Likely Poor Metabolizer");
        assert_eq!(name("TPMT", &["*3B", "*3C"]), "Poor Metabolizer");
        assert_eq!(name("SLCO1B1", &["*1", "*5"]), "Decreased Function");
        assert_eq!(name("UGT1A1", &["*28", "*80"]), "Indeterminate");
        assert_eq!(name("G6PD", &["A- 202A_376G"]), "Deficient");
        assert_eq!(name("G6PD", &["A- 202A_376G", "B (reference)"]), "Variable");
        let of_2c9 = of("CYP2C9", &["*2", "*3"]).unwrap();
        assert_eq!(
            (of_2c9.name.as_str(), of_2c9.score),
            ("Poor Metabolizer", Some(0.5))
        );
        assert_eq!(of_score("CYP2D6", 2.25).unwrap().name, "Normal Metabolizer");
        assert_eq!(
            of_score("CYP2D6", 3.0).unwrap().name,
            "Ultrarapid Metabolizer"
        );
        // CPIC has no phenotypes of CYP4F2.
        assert_eq!(of("CYP4F2", &["*1", "*3"]), None);
    }

    #[test]
    fn recommendations_go_by_phenotype_score_and_second_gene() {
        let none = |_: &str| None;
        let pm = Phenotype {
            name: "Poor Metabolizer".into(),
            score: None,
        };
        let drugs = |gene, p: &Phenotype, other: &dyn Fn(&str) -> Option<Phenotype>| {
            let found = recommendations(gene, p, other);
            assert!(
                found
                    .iter()
                    .all(|r| !r.strength.is_empty() && !r.pmid.is_empty())
            );
            found
                .into_iter()
                .map(|r| (r.gene, r.drug))
                .collect::<Vec<_>>()
        };
        let alone = drugs("CYP2C19", &pm, &none);
        assert!(alone.iter().any(|d| d.1 == "clopidogrel"));
        assert!(alone.iter().all(|d| d.0 == "CYP2C19"));
        let both = drugs("CYP2C19", &pm, &|g| (g == "CYP2B6").then(|| pm.clone()));
        assert_eq!(both.len(), alone.len() + 1);
        let half = of_score("DPYD", 0.5).unwrap();
        assert!(
            recommendations("DPYD", &half, &none)
                .iter()
                .all(|r| r.action == "avoid")
        );
        assert_eq!(risk_alleles("HLA-A"), ["*31:01"]);
    }

    #[test]
    fn the_tables_speak_of_functions_and_phenotypes_that_exist() {
        let genes = gene::shipped();
        for c in rows(PHENOTYPES) {
            let g = &genes[c[0]];
            for f in &c[1..3] {
                let known = g.alleles.iter().any(|a| a.function == *f);
                assert!(known || *f == "-" || f.starts_with("AS "), "{} {f}", c[0]);
            }
        }
        for c in rows(RECOMMENDATIONS) {
            assert!(
                c[9].bytes().all(|b| b.is_ascii_digit()),
                "{} {}",
                c[0],
                c[3]
            );
            for token in c[1].split(';') {
                let known = rows(PHENOTYPES).any(|p| p[0] == c[0] && p[3] == token);
                let other = token == "any" || token.starts_with("AS ") || c[0].starts_with("HLA");
                assert!(known || other, "{} {token}", c[0]);
            }
        }
    }
}
