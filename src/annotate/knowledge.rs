//! The knowledge that ships with the program: which alterations speak for or against which
//! therapies, with a citation in every row.
//!
//! Facts are from FDA labels and CIViC (CC0), tumor types from OncoTree (CC BY 4.0), hereditary genes
//! from ACMG SF v3.3, transcripts from MANE. Rows name genes and protein changes; no row names a
//! genomic coordinate.

use super::alteration::Rule;
use super::codon::UNKNOWN;
use super::gene_model::Preference;
use super::transcript::Transcript;
use super::tumor::{Relation, Tumor, Tumors};
use crate::format::digest::hex;
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};

const ONCOLOGY: &str = include_str!("knowledge/oncology.tsv");
const ONCOTREE: &str = include_str!("knowledge/oncotree.tsv");
const GERMLINE: &str = include_str!("knowledge/germline.tsv");
const TRANSCRIPTS: &str = include_str!("knowledge/transcripts.tsv");

/// Counts up with every change of the tables.
pub const VERSION: &str = "1";
/// The day on which the tables were last reviewed.
pub const DATE: &str = "2026-11-23";

/// For or against.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Direction {
    /// The alteration speaks for the therapy.
    Sensitivity,
    /// The alteration speaks against the therapy.
    Resistance,
}

/// Where a statement is from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Source {
    /// A label at the US Food and Drug Administration.
    FdaLabel {
        /// Brand name.
        label: String,
        /// Day of the indication; empty if not known.
        date: String,
        /// The label.
        url: String,
    },
    /// An evidence item of CIViC.
    Civic {
        /// Evidence id.
        id: u32,
        /// PubMed id or DOI of the paper.
        citation: String,
        /// The item.
        url: String,
        /// The paper.
        citation_url: String,
    },
}

/// One statement: alteration, tumor, therapy, direction.
#[derive(Clone, Debug)]
pub struct Row {
    /// Id within this table.
    pub id: String,
    /// HGNC symbol, or the name of a biomarker that is no gene.
    pub gene: String,
    /// The alteration for people.
    pub alteration: String,
    /// Any of these makes the statement apply.
    pub rules: Vec<Rule>,
    /// Another alteration that must be there too; empty if none.
    pub requires: String,
    /// `germline` where the statement is about hereditary variants.
    pub origin: String,
    /// The tumor for people.
    pub tumor: String,
    /// OncoTree codes, `SOLID`, `ANY`, `!CODE`.
    pub codes: Vec<String>,
    /// Drug or combination.
    pub therapy: String,
    /// For or against.
    pub direction: Direction,
    /// CIViC's evidence level, `A` (validated) to `E` (inferential).
    pub level: char,
    /// The indication is on a US label.
    pub approved: bool,
    /// The therapy is for tumors without this alteration.
    pub wild_type_required: bool,
    /// Citations; never empty.
    pub sources: Vec<Source>,
    /// Limits, for people.
    pub note: String,
}

/// A gene in which hereditary variants are worth reporting.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hereditary {
    /// What it predisposes to.
    pub disease: String,
    /// AD, AR or XL.
    pub inheritance: String,
    /// What to keep in mind.
    pub note: String,
}

/// The tables, parsed.
#[derive(Debug)]
pub struct Knowledge {
    /// Statements, by id.
    pub rows: Vec<Row>,
    /// Tumor types.
    pub tumors: Tumors,
    /// Hereditary cancer genes of ACMG SF v3.3.
    pub hereditary: BTreeMap<String, Hereditary>,
    transcripts: BTreeMap<String, (String, String)>,
    /// SHA-256 over the tables.
    pub sha256: String,
}

/// A source of the knowledge, for the report's licence table.
#[derive(Clone, Debug, Serialize)]
pub struct Origin {
    /// Name.
    pub name: &'static str,
    /// Licence or legal status.
    pub licence: &'static str,
    /// What was taken from it.
    pub used_for: &'static str,
    /// Where it is.
    pub url: &'static str,
}

/// Every source of the knowledge.
pub const ORIGINS: [Origin; 7] = [
    Origin {
        name: "FDA drug labels",
        licence: "US government work, public domain",
        used_for: "approved indications",
        url: "https://www.accessdata.fda.gov/scripts/cder/daf/",
    },
    Origin {
        name: "CIViC",
        licence: "CC0 1.0",
        used_for: "clinical evidence items, by id",
        url: "https://civicdb.org",
    },
    Origin {
        name: "OncoTree 2025-10-03",
        licence: "CC BY 4.0, Memorial Sloan Kettering Cancer Center",
        used_for: "tumor type codes and their parents (a selection)",
        url: "https://oncotree.info",
    },
    Origin {
        name: "ACMG SF v3.3",
        licence: "facts from a published list (PMID 40568962)",
        used_for: "hereditary cancer genes",
        url: "https://pubmed.ncbi.nlm.nih.gov/40568962/",
    },
    Origin {
        name: "CPIC",
        licence: "CC0 1.0",
        used_for: "prescribing recommendations, by guideline",
        url: "https://cpicpgx.org",
    },
    Origin {
        name: "Star-allele definitions",
        licence: "facts (rs numbers and alleles, as listed by PharmVar and CPIC)",
        used_for: "pharmacogene alleles",
        url: "https://www.pharmvar.org",
    },
    Origin {
        name: "MANE",
        licence: "public domain (NCBI, EMBL-EBI)",
        used_for: "choice of transcripts",
        url: "https://www.ncbi.nlm.nih.gov/refseq/MANE/",
    },
];

impl Knowledge {
    /// The tables that ship with the program.
    pub fn shipped() -> Knowledge {
        use sha2::Digest;
        let mut hash = sha2::Sha256::new();
        for table in [ONCOLOGY, ONCOTREE, GERMLINE, TRANSCRIPTS] {
            hash.update(table);
        }
        Knowledge {
            rows: lines(ONCOLOGY, 15).map(|c| row(&c)).collect(),
            tumors: Tumors::parse(ONCOTREE),
            hereditary: lines(GERMLINE, 5)
                .map(|c| {
                    let h = Hereditary {
                        disease: c[1].into(),
                        inheritance: c[2].into(),
                        note: c[3].into(),
                    };
                    (c[0].to_string(), h)
                })
                .collect(),
            transcripts: lines(TRANSCRIPTS, 3)
                .map(|c| (c[0].to_string(), (c[1].to_string(), c[2].to_string())))
                .collect(),
            sha256: hex(&hash.finalize()),
        }
    }

    /// Statements about a gene.
    pub fn of_gene<'a>(&'a self, gene: &'a str) -> impl Iterator<Item = &'a Row> {
        self.rows.iter().filter(move |r| r.gene == gene)
    }

    /// All genes (and other biomarkers) with a statement.
    pub fn genes(&self) -> BTreeSet<&str> {
        self.rows.iter().map(|r| r.gene.as_str()).collect()
    }
}

impl Row {
    /// How the tumor at hand relates to the statement's.
    pub fn relation(&self, tumor: &Tumor) -> Relation {
        Tumors::relation(tumor, &self.codes)
    }
}

impl Preference for Knowledge {
    fn prefers(&self, gene: &str, id: &str) -> bool {
        self.transcripts
            .get(gene)
            .is_some_and(|(ensembl, refseq)| id == ensembl || id == refseq)
    }

    fn agrees(&self, t: &Transcript) -> bool {
        self.of_gene(&t.model.gene)
            .flat_map(|r| &r.rules)
            .filter_map(Rule::anchor)
            .all(|(codon, expected)| {
                t.residue(codon)
                    .is_some_and(|found| found == expected || found == UNKNOWN)
            })
    }
}

// The tables are ours and tested: a malformed one is a broken assumption.
fn lines(table: &'static str, columns: usize) -> impl Iterator<Item = Vec<&'static str>> {
    table.lines().skip(1).map(move |l| {
        let c: Vec<&str> = l.split('\t').collect();
        assert_eq!(c.len(), columns, "{l}");
        c
    })
}

fn row(c: &[&str]) -> Row {
    Row {
        id: c[0].into(),
        gene: c[1].into(),
        alteration: c[2].into(),
        rules: c[3]
            .split(',')
            .map(|r| Rule::parse(r).unwrap_or_else(|e| panic!("{}: {e}", c[0])))
            .collect(),
        requires: c[4].into(),
        origin: c[5].into(),
        tumor: c[6].into(),
        codes: c[7].split(';').map(String::from).collect(),
        therapy: c[8].into(),
        direction: match c[9] {
            "sensitivity" => Direction::Sensitivity,
            "resistance" => Direction::Resistance,
            other => panic!("{}: direction {other}", c[0]),
        },
        level: c[10].chars().next().unwrap_or('?'),
        approved: c[11] == "approved",
        wild_type_required: c[12] == "yes",
        sources: c[13].split(';').map(|s| source(c[0], s)).collect(),
        note: c[14].into(),
    }
}

fn source(row: &str, text: &str) -> Source {
    let p: Vec<&str> = text.split('|').collect();
    match p[..] {
        ["FDA", label, date, url] => Source::FdaLabel {
            label: label.into(),
            date: date.into(),
            url: url.into(),
        },
        ["CIVIC", id, citation] => Source::Civic {
            id: id.parse().unwrap_or_else(|_| panic!("{row}: {text}")),
            citation: if citation.contains('/') {
                format!("doi:{citation}")
            } else {
                format!("PMID {citation}")
            },
            url: format!("https://civicdb.org/links/evidence/{id}"),
            citation_url: if citation.contains('/') {
                format!("https://doi.org/{citation}")
            } else {
                format!("https://pubmed.ncbi.nlm.nih.gov/{citation}/")
            },
        },
        _ => panic!("{row}: {text}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_row_is_well_formed_and_cited() {
        let k = Knowledge::shipped();
        assert!(k.rows.len() > 150);
        let ids: BTreeSet<&str> = k.rows.iter().map(|r| r.id.as_str()).collect();
        assert_eq!(ids.len(), k.rows.len(), "ids are unique");
        for r in &k.rows {
            assert!(('A'..='E').contains(&r.level), "{}", r.id);
            assert!(!r.rules.is_empty() && !r.sources.is_empty(), "{}", r.id);
            assert!(!r.therapy.is_empty() && !r.tumor.is_empty(), "{}", r.id);
            for code in &r.codes {
                let bare = code.trim_start_matches('!');
                assert!(
                    matches!(bare, "SOLID" | "ANY") || k.tumors.has(bare),
                    "{}: {code}",
                    r.id
                );
            }
            for s in &r.sources {
                match s {
                    Source::FdaLabel { url, date, .. } => {
                        assert!(
                            url.starts_with("https://www.accessdata.fda.gov/"),
                            "{}",
                            r.id
                        );
                        let day =
                            date.len() == 10 && date.bytes().filter(|b| *b == b'-').count() == 2;
                        let undated = date.is_empty()
                            && r.rules.iter().all(|r| matches!(r, Rule::NotAssessable(_)));
                        assert!(day || undated, "{}: {date}", r.id);
                    }
                    Source::Civic { citation, .. } => {
                        let digits = citation
                            .strip_prefix("PMID ")
                            .is_some_and(|d| d.bytes().all(|b| b.is_ascii_digit()));
                        assert!(
                            digits || citation.starts_with("doi:10."),
                            "{}: {citation}",
                            r.id
                        );
                    }
                }
            }
            let labelled = r
                .sources
                .iter()
                .any(|s| matches!(s, Source::FdaLabel { .. }));
            assert!(
                !r.approved || labelled,
                "{}: approved without a label",
                r.id
            );
        }
    }

    #[test]
    fn rules_of_a_gene_agree_on_the_residue_at_a_codon() {
        let k = Knowledge::shipped();
        let mut seen: BTreeMap<(&str, u32), u8> = BTreeMap::new();
        for r in &k.rows {
            for (codon, residue) in r.rules.iter().filter_map(Rule::anchor) {
                let before = seen.insert((r.gene.as_str(), codon), residue);
                assert!(before.is_none_or(|b| b == residue), "{} {codon}", r.gene);
            }
        }
    }

    #[test]
    fn tables_name_no_restricted_source() {
        for table in [ONCOLOGY, ONCOTREE, GERMLINE, TRANSCRIPTS] {
            let lower = table.to_ascii_lowercase();
            for word in ["moalmanac", "oncokb", "cosmic", "hgmd", "chr"] {
                assert!(
                    !lower
                        .split(|c: char| !c.is_ascii_alphanumeric())
                        .any(|w| w == word),
                    "{word}"
                );
            }
        }
    }

    #[test]
    fn tumors_are_found_with_their_ancestors_and_near_misses_are_named() {
        let k = Knowledge::shipped();
        let luad = k.tumors.find("luad").unwrap();
        assert_eq!(luad.ancestors, ["NSCLC", "LUNG"]);
        let error = k.tumors.find("NSCL").unwrap_err().to_string();
        assert!(
            error.contains("NSCLC (Non-Small Cell Lung Cancer)"),
            "{error}"
        );
        let error = k.tumors.find("melanoma").unwrap_err().to_string();
        assert!(error.contains("MEL (Melanoma)"), "{error}");
    }

    #[test]
    fn relations_follow_the_tree() {
        let k = Knowledge::shipped();
        let relation = |tumor: &str, codes: &[&str]| {
            let codes: Vec<String> = codes.iter().map(|c| (*c).to_string()).collect();
            Tumors::relation(&k.tumors.find(tumor).unwrap(), &codes)
        };
        assert_eq!(relation("NSCLC", &["NSCLC"]), Relation::Exact);
        assert_eq!(relation("LUAD", &["NSCLC"]), Relation::Parent);
        assert_eq!(relation("LUNG", &["NSCLC"]), Relation::Other);
        assert_eq!(
            relation("LUAD", &["SOLID", "!COADREAD"]),
            Relation::PanCancer
        );
        assert_eq!(relation("COAD", &["SOLID", "!COADREAD"]), Relation::Other);
        assert_eq!(relation("AML", &["SOLID"]), Relation::Other);
    }
}
