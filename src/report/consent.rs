//! What the person agreed to: which sections a report has, and what may be made of it.

use crate::annotate::Knowledge;
use crate::format::digest::sha256_of;
use crate::{Error, Result};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::path::Path;

/// Terms of the Data Use Ontology (GA4GH, EBISPOT/DUO, CC BY 4.0): permissions, then modifiers.
const TERMS: [(&str, &str, Permits); 24] = [
    ("DUO:0000004", "no restriction", Permits::Research),
    ("DUO:0000042", "general research use", Permits::Research),
    (
        "DUO:0000006",
        "health or medical or biomedical research",
        Permits::Research,
    ),
    (
        "DUO:0000007",
        "disease specific research",
        Permits::Research,
    ),
    (
        "DUO:0000011",
        "population origins or ancestry research only",
        Permits::Research,
    ),
    (
        "DUO:0000012",
        "research specific restrictions",
        Permits::Nothing,
    ),
    (
        "DUO:0000015",
        "no general methods research",
        Permits::Nothing,
    ),
    ("DUO:0000016", "genetic studies only", Permits::Nothing),
    (
        "DUO:0000018",
        "not for profit, non commercial use only",
        Permits::Nothing,
    ),
    ("DUO:0000019", "publication required", Permits::Nothing),
    ("DUO:0000020", "collaboration required", Permits::Nothing),
    ("DUO:0000021", "ethics approval required", Permits::Nothing),
    ("DUO:0000022", "geographical restriction", Permits::Nothing),
    ("DUO:0000024", "publication moratorium", Permits::Nothing),
    ("DUO:0000025", "time limit on use", Permits::Nothing),
    ("DUO:0000026", "user specific restriction", Permits::Nothing),
    (
        "DUO:0000027",
        "project specific restriction",
        Permits::Nothing,
    ),
    (
        "DUO:0000028",
        "institution specific restriction",
        Permits::Nothing,
    ),
    (
        "DUO:0000029",
        "return to database or resource",
        Permits::Nothing,
    ),
    ("DUO:0000043", "clinical care use", Permits::Nothing),
    (
        "DUO:0000044",
        "population origins or ancestry research prohibited",
        Permits::Nothing,
    ),
    (
        "DUO:0000045",
        "not for profit organisation use only",
        Permits::Nothing,
    ),
    ("DUO:0000046", "non-commercial use only", Permits::Nothing),
    ("DUO:0000001", "data use permission", Permits::Nothing),
];

#[derive(Clone, Copy, PartialEq, Eq)]
enum Permits {
    Research,
    Nothing,
}

/// The consent file, JSON. What it does not name has not been agreed to.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    /// Codes of the Data Use Ontology.
    #[serde(default)]
    duo: Vec<String>,
    /// Genes that the test was ordered for, or categories of the hereditary table: `Cancer`, ...
    #[serde(default)]
    germline: Vec<String>,
    /// Findings in genes of ACMG's list that the test was not ordered for.
    #[serde(default)]
    secondary_findings: bool,
    /// How drugs are handled.
    #[serde(default)]
    pharmacogenetics: bool,
    /// Tables for research databases (MAF).
    research_export: Option<bool>,
}

/// What a report may show.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Consent {
    /// SHA-256 of the file; `null` if none was given.
    pub sha256: Option<String>,
    /// Codes of the Data Use Ontology, with their names.
    pub duo: Vec<Term>,
    /// Genes and categories that germline findings were asked for.
    pub germline: Vec<String>,
    /// Show germline findings in other genes of ACMG's list.
    pub secondary_findings: bool,
    /// Show pharmacogenetics.
    pub pharmacogenetics: bool,
    /// Write tables for research databases.
    pub research_export: bool,
}

/// A term of an ontology.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Term {
    /// Its identifier.
    pub id: String,
    /// Its name.
    pub name: &'static str,
}

impl Consent {
    /// Without a file: nothing about the germline; the rest as the panel was made to show it.
    pub fn none() -> Consent {
        Consent {
            sha256: None,
            duo: Vec::new(),
            germline: Vec::new(),
            secondary_findings: false,
            pharmacogenetics: true,
            research_export: true,
        }
    }

    /// What a file says, if there is one.
    ///
    /// # Errors
    /// When it is not JSON, has a field, a DUO code, or a gene or category that is not known.
    pub fn of(file: Option<&Path>, knowledge: &Knowledge) -> Result<Consent> {
        let known = |name: &str| {
            let mut all = knowledge.hereditary.iter();
            all.any(|(gene, h)| gene == name || h.category == name)
        };
        file.map_or_else(|| Ok(Consent::none()), |file| Consent::read(file, &known))
    }

    /// Reads a consent file; `known` are the genes and categories of the hereditary table.
    fn read(path: &Path, known: &dyn Fn(&str) -> bool) -> Result<Consent> {
        let text = std::fs::read_to_string(path).map_err(Error::io(path))?;
        let file: File = serde_json::from_str(&text).map_err(|e| {
            Error::input(
                path.display().to_string(),
                format!("line {}", e.line()),
                format!("not a consent file: {e}"),
                r#"Give JSON such as {"duo": ["DUO:0000043"], "germline": ["Cancer"], "secondary_findings": false, "pharmacogenetics": true, "research_export": false}."#,
            )
        })?;
        let wrong = |what: String, remedy: String| {
            Error::input(path.display().to_string(), "", what, remedy)
        };
        let mut duo = Vec::new();
        let mut research = false;
        for code in &file.duo {
            let Some((_, name, permits)) = TERMS.iter().find(|(id, ..)| id == code) else {
                let all: Vec<String> = TERMS
                    .iter()
                    .map(|(id, n, _)| format!("{id} ({n})"))
                    .collect();
                return Err(wrong(
                    format!("{code} is no code of the Data Use Ontology that is known here"),
                    format!("Known are {}.", all.join(", ")),
                ));
            };
            research |= *permits == Permits::Research;
            duo.push(Term {
                id: code.clone(),
                name,
            });
        }
        if let Some(unknown) = file.germline.iter().find(|g| !known(g)) {
            return Err(wrong(
                format!("germline: {unknown} is no gene or category of the hereditary table"),
                "theralign knowledge info lists both.".into(),
            ));
        }
        if file.research_export == Some(true) && !research {
            return Err(wrong(
                "research_export is true, but no DUO code permits research".into(),
                "Add the code that the person agreed to, such as DUO:0000042 (general research use), or say false.".into(),
            ));
        }
        Ok(Consent {
            sha256: Some(sha256_of(path)?),
            duo,
            germline: file.germline,
            secondary_findings: file.secondary_findings,
            pharmacogenetics: file.pharmacogenetics,
            research_export: file.research_export.unwrap_or(research),
        })
    }

    /// May germline variants of a gene be shown, and as what?
    pub fn germline(&self, gene: &str, category: &str, acmg_sf: bool) -> Option<Asked> {
        if self.germline.iter().any(|g| g == gene || g == category) {
            Some(Asked::Ordered)
        } else if acmg_sf && self.secondary_findings {
            Some(Asked::Secondary)
        } else {
            None
        }
    }
}

/// Why a germline finding may be shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Asked {
    /// The test was ordered for its gene.
    Ordered,
    /// Agreed to as a secondary finding.
    Secondary,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Consent> {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), text).unwrap();
        Consent::read(file.path(), &|g| ["Cancer", "LDLR"].contains(&g))
    }

    #[test]
    fn what_is_not_named_is_not_agreed_to() {
        let c = read("{}").unwrap();
        assert!(!c.secondary_findings && !c.pharmacogenetics && !c.research_export);
        assert_eq!(c.germline("LDLR", "Cardiovascular", true), None);
        let c = read(r#"{"germline": ["Cancer"], "secondary_findings": true}"#).unwrap();
        assert_eq!(c.germline("BRCA1", "Cancer", true), Some(Asked::Ordered));
        assert_eq!(
            c.germline("LDLR", "Cardiovascular", true),
            Some(Asked::Secondary)
        );
        assert_eq!(c.germline("SCN1A", "Other", false), None);
    }

    #[test]
    fn research_needs_a_code_that_permits_it() {
        assert!(read(r#"{"duo": ["DUO:0000042"]}"#).unwrap().research_export);
        assert!(!read(r#"{"duo": ["DUO:0000043"]}"#).unwrap().research_export);
        let e = read(r#"{"duo": ["DUO:0000043"], "research_export": true}"#).unwrap_err();
        assert!(
            e.to_string().contains("no DUO code permits research"),
            "{e}"
        );
    }

    #[test]
    fn what_is_not_known_is_an_error() {
        for (text, said) in [
            (r#"{"duo": ["DUO:1"]}"#, "no code of the Data Use Ontology"),
            (r#"{"germline": ["XYZ"]}"#, "XYZ is no gene or category"),
            (r#"{"pgx": true}"#, "unknown field `pgx`"),
            ("[", "not a consent file"),
        ] {
            let e = read(text).unwrap_err().to_string();
            assert!(e.contains(said), "{e}");
        }
    }
}
