//! Citations.

use schemars::JsonSchema;
use serde::Serialize;

/// Where a statement is from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
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
        /// PubMed id, DOI or ASCO abstract of the paper.
        citation: String,
        /// The item.
        url: String,
        /// The paper.
        citation_url: String,
    },
    /// An assertion of CIViC, which rests on several evidence items.
    CivicAssertion {
        /// Assertion id.
        id: u32,
        /// The items, `EID1, EID2`.
        citation: String,
        /// The assertion.
        url: String,
    },
    /// A record of ClinVar.
    ClinVar {
        /// Variation id.
        id: u32,
        /// Its review status.
        citation: String,
        /// The record.
        url: String,
    },
    /// A paper.
    Paper {
        /// PubMed id or DOI.
        citation: String,
        /// The paper.
        url: String,
    },
    /// Anything else with an address.
    Page {
        /// Its name.
        citation: String,
        /// Its address.
        url: String,
    },
}

/// `28275037` to `PMID 28275037` and its address; the same for DOIs and ASCO abstracts.
fn paper(citation: &str) -> Option<(String, String)> {
    if let Some(id) = citation.strip_prefix("ASCO:").filter(|id| digits(id)) {
        let url = "https://ascopubs.org".into();
        return Some((format!("ASCO abstract {id}"), url));
    }
    if citation.starts_with("10.") && citation.contains('/') {
        return Some((
            format!("doi:{citation}"),
            format!("https://doi.org/{citation}"),
        ));
    }
    digits(citation).then(|| {
        (
            format!("PMID {citation}"),
            format!("https://pubmed.ncbi.nlm.nih.gov/{citation}/"),
        )
    })
}

fn digits(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit())
}

impl Source {
    /// As a table writes it: `CIVIC|11219|32955177`.
    pub(super) fn parse(text: &str) -> Result<Source, String> {
        let bad = || format!("{text:?} is no citation");
        let p: Vec<&str> = text.split('|').collect();
        Ok(match p[..] {
            ["FDA", label, date, url] if url.starts_with("https://") => Source::FdaLabel {
                label: label.into(),
                date: date.into(),
                url: url.into(),
            },
            ["CIVIC", id, citation] => {
                let (citation, citation_url) = paper(citation).ok_or_else(bad)?;
                Source::Civic {
                    id: id.parse().map_err(|_| bad())?,
                    citation,
                    url: format!("https://civicdb.org/links/evidence/{id}"),
                    citation_url,
                }
            }
            ["CIVIC-ASSERTION", id, citation] if !citation.is_empty() => Source::CivicAssertion {
                id: id.parse().map_err(|_| bad())?,
                citation: citation.into(),
                url: format!("https://civicdb.org/links/assertions/{id}"),
            },
            ["CLINVAR", id, citation] => Source::ClinVar {
                id: id.parse().map_err(|_| bad())?,
                citation: citation.into(),
                url: format!("https://www.ncbi.nlm.nih.gov/clinvar/variation/{id}/"),
            },
            ["PAPER", citation] => {
                let (citation, url) = paper(citation).ok_or_else(bad)?;
                Source::Paper { citation, url }
            }
            ["PAGE", citation, url] if url.starts_with("https://") => Source::Page {
                citation: citation.into(),
                url: url.into(),
            },
            _ => return Err(bad()),
        })
    }
}
