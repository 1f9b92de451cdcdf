//! The knowledge that ships with the program: which alterations speak for or against which
//! therapies, with a citation in every row.
//!
//! Facts are from FDA labels and CIViC (CC0), tumor types from OncoTree (CC BY 4.0), hereditary genes
//! from ACMG SF v3.3 (those beside it, marked, from general knowledge), transcripts from MANE. Rows name
//! genes and protein changes; no row names a genomic coordinate.

pub mod base;
pub mod check;
pub mod civic;
pub mod clinvar;
pub mod date;
pub mod diff;
pub mod disease;
pub mod import;
pub mod names;
pub mod place;
pub mod source;
pub mod statement;

use super::alteration::Rule;
use super::coding::Coding;
use super::codon::UNKNOWN;
use super::consequence::effect;
use super::gene_model::{GeneModel, Preference};
use super::transcript::Transcript;
use super::tumor::Tumors;
use crate::format::digest::hex;
use crate::genome::Reference;
use crate::{Error, Result};
use base::{Base, Release};
use schemars::JsonSchema;
use serde::Serialize;
pub use source::Source;
pub use statement::{Direction, Kind, Label, Row, Support};
use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

const ONCOLOGY: &str = include_str!("knowledge/oncology.tsv");
const ONCOTREE: &str = include_str!("knowledge/oncotree.tsv");
const GERMLINE: &str = include_str!("knowledge/germline.tsv");
const TRANSCRIPTS: &str = include_str!("knowledge/transcripts.tsv");

/// The shipped tables by name.
pub(crate) const SHIPPED: [(&str, &str); 4] = [
    ("oncology", ONCOLOGY),
    ("oncotree", ONCOTREE),
    ("germline", GERMLINE),
    ("transcripts", TRANSCRIPTS),
];

/// Counts up with every change of the tables.
pub const VERSION: &str = "3";
/// The day on which the tables were last reviewed.
pub const DATE: &str = "2026-11-25";

/// A gene in which hereditary variants are worth reporting.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hereditary {
    /// `Cancer`, `Cardiovascular`, `Metabolic`, `Other`, `Rare disease`.
    pub category: String,
    /// What it predisposes to.
    pub disease: String,
    /// AD, AR or XL.
    pub inheritance: String,
    /// What to keep in mind.
    pub note: String,
    /// On ACMG's list of secondary findings, v3.3.
    pub acmg_sf: bool,
}

/// A file of knowledge used beside the shipped tables or instead of them.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct Extra {
    /// The file's name, without its folder.
    pub name: String,
    /// SHA-256 of its text, uncompressed.
    pub sha256: String,
    /// Statements in it.
    pub statements: usize,
    /// Its sources, with version, day and licence.
    pub sources: Vec<Release>,
    /// Its newest day; `null` if it names none.
    pub date: Option<String>,
}

/// The tables, parsed.
#[derive(Debug)]
pub struct Knowledge {
    /// Statements, the shipped ones first, in the order of their tables.
    pub rows: Vec<Row>,
    /// Are the shipped statements among them?
    pub shipped: bool,
    /// Files given beside or instead of the shipped statements.
    pub extras: Vec<Extra>,
    /// Tumor types.
    pub tumors: Tumors,
    /// Genes of ACMG SF v3.3, and others of hereditary cancer, heart and rare disease.
    pub hereditary: BTreeMap<String, Hereditary>,
    transcripts: BTreeMap<String, (String, String)>,
    /// Residues that the shipped statements expect: they tell which transcript's numbering is theirs.
    anchors: BTreeMap<String, BTreeSet<(u32, u8)>>,
    /// SHA-256 over the tables.
    pub sha256: String,
}

/// A source of the knowledge, for the report's licence table.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct Origin {
    /// Name.
    pub name: Cow<'static, str>,
    /// Licence or legal status.
    pub licence: Cow<'static, str>,
    /// What was taken from it.
    pub used_for: Cow<'static, str>,
    /// Where it is.
    pub url: Cow<'static, str>,
}

const fn origin(
    name: &'static str,
    licence: &'static str,
    used_for: &'static str,
    url: &'static str,
) -> Origin {
    Origin {
        name: Cow::Borrowed(name),
        licence: Cow::Borrowed(licence),
        used_for: Cow::Borrowed(used_for),
        url: Cow::Borrowed(url),
    }
}

/// Every source of the knowledge.
pub const ORIGINS: [Origin; 8] = [
    origin(
        "FDA drug labels",
        "US government work, public domain",
        "approved indications",
        "https://www.accessdata.fda.gov/scripts/cder/daf/",
    ),
    origin(
        "CIViC",
        "CC0 1.0",
        "clinical evidence items, by id",
        "https://civicdb.org",
    ),
    origin(
        "OncoTree 2025-10-03",
        "CC BY 4.0, Memorial Sloan Kettering Cancer Center",
        "tumor type codes and their parents (a selection)",
        "https://oncotree.info",
    ),
    origin(
        "ACMG SF v3.3",
        "facts from a published list (PMID 40568962)",
        "genes of hereditary disease",
        "https://pubmed.ncbi.nlm.nih.gov/40568962/",
    ),
    origin(
        "CPIC",
        "CC0 1.0",
        "prescribing recommendations, by guideline",
        "https://cpicpgx.org",
    ),
    origin(
        "Star-allele definitions",
        "facts (rs numbers and alleles, as listed by PharmVar and CPIC)",
        "pharmacogene alleles",
        "https://www.pharmvar.org",
    ),
    origin(
        "PyPGx 0.27.0",
        "MIT, Seung-been Lee",
        "places of pharmacogene alleles on both builds, their functions, and phenotypes",
        "https://github.com/sbslee/pypgx",
    ),
    origin(
        "MANE",
        "public domain (NCBI, EMBL-EBI)",
        "choice of transcripts",
        "https://www.ncbi.nlm.nih.gov/refseq/MANE/",
    ),
];

impl Knowledge {
    /// The tables that ship with the program.
    pub fn shipped() -> Knowledge {
        use sha2::Digest;
        let mut hash = sha2::Sha256::new();
        for (_, table) in SHIPPED {
            hash.update(table);
        }
        let rows = oncology().rows;
        let mut anchors: BTreeMap<String, BTreeSet<(u32, u8)>> = BTreeMap::new();
        for a in rows.iter().flat_map(Row::alterations) {
            let expected = a.rules.iter().flat_map(Rule::anchors);
            anchors.entry(a.gene.clone()).or_default().extend(expected);
        }
        Knowledge {
            rows,
            anchors,
            shipped: true,
            extras: Vec::new(),
            tumors: Tumors::parse(ONCOTREE),
            hereditary: lines(GERMLINE, 6)
                .map(|c| {
                    let h = Hereditary {
                        category: c[1].into(),
                        disease: c[2].into(),
                        inheritance: c[3].into(),
                        note: c[4].into(),
                        acmg_sf: !c[5].is_empty(),
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

    /// The shipped tables with files of statements beside their own, or instead of them if `only`.
    ///
    /// # Errors
    /// When a file has a row that is not sound, or an id that another table has.
    pub fn with(files: &[PathBuf], only: bool) -> Result<Knowledge> {
        let mut all = Knowledge::shipped();
        if only {
            all.rows.clear();
            all.shipped = false;
        }
        for path in files {
            all.add(path, Base::read(path)?)?;
        }
        Ok(all)
    }

    fn add(&mut self, path: &Path, base: Base) -> Result<()> {
        let ids: BTreeSet<&str> = self.rows.iter().map(|r| r.id.as_str()).collect();
        if let Some(row) = base.rows.iter().find(|r| ids.contains(r.id.as_str())) {
            return Err(Error::input(
                path.display().to_string(),
                "",
                format!("another table has a statement {} too", row.id),
                "Give each statement once; --knowledge-only leaves out the shipped ones.",
            ));
        }
        self.extras.push(Extra {
            name: path
                .file_name()
                .map_or_else(String::new, |n| n.to_string_lossy().into_owned()),
            sha256: base.sha256.clone(),
            statements: base.rows.len(),
            date: base.newest().map(String::from),
            sources: base.releases,
        });
        self.rows.extend(base.rows);
        Ok(())
    }

    /// Writes descriptions of coding sequences as the 3' rule asks, on the transcripts at hand: sources
    /// place insertions and deletions in repeats differently, and rules are compared by their text.
    pub fn settle(&mut self, genes: &GeneModel, reference: &Reference) {
        let settled = |gene: &str, text: &str| {
            let i = genes
                .transcripts
                .iter()
                .position(|t| t.model.gene == gene && t.fault.is_none())?;
            let t = &genes.transcripts[i];
            let variant = Coding::parse(text)?.variant(t, reference).ok()??;
            Some(effect(&variant, i, t, reference)?.hgvs_c)
        };
        for row in &mut self.rows {
            row.expression.replace(&mut |gene, rule| match rule {
                Rule::Coding(text) => settled(gene, text).map(Rule::Coding),
                _ => None,
            });
        }
    }

    /// Genes with the transcript that MANE names for them, Ensembl's id without its version.
    pub fn transcripts(&self) -> impl Iterator<Item = (&str, &str)> {
        self.transcripts.iter().map(|(g, (e, _))| (&**g, &**e))
    }

    /// Do two transcript ids without versions mean the transcript that MANE names for a gene?
    pub fn same_transcript(&self, gene: &str, a: &str, b: &str) -> bool {
        self.transcripts
            .get(gene)
            .is_some_and(|(e, r)| (e == a && r == b) || (e == b && r == a))
    }

    /// Statements about a gene: those of which an alteration is of it.
    pub fn of_gene<'a>(&'a self, gene: &'a str) -> impl Iterator<Item = &'a Row> {
        self.rows
            .iter()
            .filter(move |r| r.alterations().any(|a| a.gene == gene))
    }

    /// All genes (and other biomarkers) with a statement.
    pub fn genes(&self) -> BTreeSet<&str> {
        self.rows.iter().flat_map(Row::genes).collect()
    }

    /// Tables older than so many days on a day, in words; `None` stands for the newest day that any of
    /// them knows of, so that nothing depends on the clock.
    pub fn aged(&self, most: i64, day: Option<&str>) -> Vec<String> {
        let shipped = self
            .shipped
            .then(|| ("the shipped tables".to_string(), Some(DATE)));
        let extras = self
            .extras
            .iter()
            .map(|e| (e.name.clone(), e.date.as_deref()));
        let dated: Vec<_> = shipped.into_iter().chain(extras).collect();
        let newest = dated.iter().filter_map(|(_, d)| *d).chain([DATE]).max();
        let Some((day, on)) = day.or(newest).and_then(|d| Some((d, date::days(d)?))) else {
            return Vec::new();
        };
        dated
            .iter()
            .filter_map(|(name, date)| match date.and_then(date::days) {
                None => Some(format!("knowledge: {name} does not say how old it is")),
                Some(then) if on - then > most => Some(format!(
                    "knowledge: {name} is of {}, {} days before {day}: more than {most}",
                    date.unwrap_or_default(),
                    on - then
                )),
                Some(_) => None,
            })
            .collect()
    }

    /// Every source of the knowledge in use.
    pub fn origins(&self) -> Vec<Origin> {
        let extra = self.extras.iter().flat_map(|e| {
            e.sources.iter().map(move |s| Origin {
                name: format!("{} {}", s.name, s.version).into(),
                licence: s.licence.clone().into(),
                used_for: format!("statements, from {}", e.name).into(),
                url: s.url.clone().into(),
            })
        });
        ORIGINS.iter().cloned().chain(extra).collect()
    }
}

impl Preference for Knowledge {
    fn prefers(&self, gene: &str, id: &str) -> bool {
        self.transcripts
            .get(gene)
            .is_some_and(|(ensembl, refseq)| id == ensembl || id == refseq)
    }

    fn agrees(&self, t: &Transcript) -> bool {
        self.anchors
            .get(&t.model.gene)
            .into_iter()
            .flatten()
            .all(|&(codon, expected)| {
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

/// The shipped statements.
pub(crate) fn oncology() -> Base {
    let parsed = Base::parse("oncology.tsv", ONCOLOGY);
    let (base, rejects) = parsed.unwrap_or_else(|e| panic!("{e}"));
    assert!(rejects.is_empty(), "{rejects:?}");
    base
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::annotate::Relation;

    #[test]
    fn every_row_is_well_formed_and_cited() {
        let k = Knowledge::shipped();
        assert!(k.rows.len() > 150);
        let ids: BTreeSet<&str> = k.rows.iter().map(|r| r.id.as_str()).collect();
        assert_eq!(ids.len(), k.rows.len(), "ids are unique");
        for r in &k.rows {
            assert!(('A'..='E').contains(&r.level), "{}", r.id);
            assert!(
                !r.expression.alterations().is_empty() && !r.sources.is_empty(),
                "{}",
                r.id
            );
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
                        let undated = date.is_empty() && !r.assessable();
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
                    other => panic!("{}: {other:?}", r.id),
                }
            }
            let labelled = r
                .sources
                .iter()
                .any(|s| matches!(s, Source::FdaLabel { .. }));
            assert!(
                r.label != Label::Approved || labelled,
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
            for a in r.alterations() {
                for (codon, residue) in a.rules.iter().flat_map(Rule::anchors) {
                    let before = seen.insert((a.gene.as_str(), codon), residue);
                    assert!(before.is_none_or(|b| b == residue), "{} {codon}", a.gene);
                }
            }
        }
    }

    #[test]
    fn tables_name_no_restricted_source() {
        for (_, table) in SHIPPED {
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
