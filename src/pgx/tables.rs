//! Calls as tables and as JSON.

use super::GeneCall;
use super::gene::Gene;
use crate::Result;
use crate::format::output::Output;
use serde::Serialize;
use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::Path;

const CALLS: &str = "#gene\tdiplotype\tphenotype\tactivity_score\tunless\tother_diplotypes\tplaces_seen\tplaces\t\
    not_assessed\tsource\tnotes\n";
const ADVICE: &str = "#gene\tdiplotype\tphenotype\tcondition\tdrug\tpopulation\taction\trecommendation\tstrength\t\
    level\tpmid\tnote\n";

/// Pairs beside the best ones that the table names; the JSON has all.
const OTHERS: usize = 10;

/// A line for each gene.
pub fn calls(calls: &[GeneCall]) -> String {
    let mut text = CALLS.to_string();
    for c in calls {
        let (name, score) = c
            .phenotype
            .as_ref()
            .map_or((".", None), |p| (&p.name, p.score));
        let others = &c.diplotypes[c.best..];
        let mut listed: Vec<String> = others
            .iter()
            .take(OTHERS)
            .map(|d| {
                let meaning = d.phenotype.as_ref().map_or("no phenotype", |p| &p.name);
                format!("{} ({meaning})", d.name)
            })
            .collect();
        if others.len() > OTHERS {
            listed.push(format!("{} more", others.len() - OTHERS));
        }
        let missing: Vec<&str> = c.missing().map(|s| s.id.as_str()).collect();
        let _ = writeln!(
            text,
            "{}\t{}\t{name}\t{}\t{}\t{}\t{}\t{}\t{}\t{}\t{}",
            c.gene,
            or_dot(&c.best_names().join(" or ")),
            score.map_or(".".into(), |s| s.to_string()),
            or_dot(&c.unless.join("; ")),
            or_dot(&listed.join("; ")),
            c.seen.0,
            c.seen.1,
            or_dot(&missing.join(",")),
            c.source,
            or_dot(&c.notes.join("; ")),
        );
    }
    text
}

/// A line for each recommendation.
pub fn advice(calls: &[GeneCall]) -> String {
    let mut text = ADVICE.to_string();
    for c in calls {
        for r in &c.recommendations {
            let phenotype = c.phenotype.as_ref().map_or(".", |p| &p.name);
            let _ = writeln!(
                text,
                "{}\t{}\t{phenotype}\t{}\t{}\t{}\t{}\t{}\t{}\t{}\t{}\t{}",
                r.gene,
                or_dot(&c.best_names().join(" or ")),
                or_dot(&r.condition),
                r.drug,
                r.population,
                r.action,
                r.text,
                r.strength,
                r.level,
                r.pmid,
                or_dot(&r.note),
            );
        }
    }
    text
}

fn or_dot(text: &str) -> &str {
    if text.is_empty() { "." } else { text }
}

/// What `pgx` tells in JSON.
#[derive(Serialize)]
pub struct Document<'a> {
    /// Form of the document.
    pub schema: &'static str,
    /// What it may be used for.
    pub notice: &'static str,
    /// Program and version.
    pub program: String,
    /// The sample.
    pub sample: &'a str,
    /// Build of the VCF.
    pub build: &'static str,
    /// SHA-256 of the tables that ship.
    pub knowledge: String,
    /// Where each gene's definitions are from, and how many alleles and places they have.
    pub definitions: BTreeMap<&'a str, (&'a str, usize, usize)>,
    /// The genes.
    pub genes: &'a [GeneCall],
}

/// Writes the JSON.
///
/// # Errors
/// When the file cannot be written.
pub fn write_json(
    path: &Path,
    sample: &str,
    build: &'static str,
    genes: &BTreeMap<String, Gene>,
    calls: &[GeneCall],
) -> Result<()> {
    let document = Document {
        schema: "theralign-pgx-1",
        notice: "For research use only. Not for diagnostic procedures.",
        program: format!("theralign {}", env!("CARGO_PKG_VERSION")),
        sample,
        build,
        knowledge: super::gene::sha256(),
        definitions: genes
            .values()
            .map(|g| {
                (
                    g.name.as_str(),
                    (g.source.as_str(), g.alleles.len(), g.loci.len()),
                )
            })
            .collect(),
        genes: calls,
    };
    let text = serde_json::to_string_pretty(&document).expect("plain data");
    Output::write(path, (text + "\n").as_bytes())
}
