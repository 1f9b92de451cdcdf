//! Tumor types: OncoTree codes and their parents, as far as the knowledge speaks of them.

use crate::{Error, Result};
use schemars::JsonSchema;
use serde::Serialize;
use std::collections::BTreeMap;

/// A tumor type of the table.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Tumor {
    /// OncoTree code.
    pub code: String,
    /// Its name.
    pub name: String,
    /// Codes from its parent up to the tissue.
    pub ancestors: Vec<String>,
}

/// How the tumor at hand relates to the one a piece of evidence speaks of; nearest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Relation {
    /// The same code.
    Exact,
    /// The evidence speaks of an ancestor of it.
    Parent,
    /// The evidence holds for every tumor (every solid one).
    PanCancer,
    /// Another tumor.
    Other,
}

impl Tumor {
    /// For a report on the germline, without one: every statement is about another.
    pub fn none() -> Tumor {
        Tumor {
            code: String::new(),
            name: "none".into(),
            ancestors: Vec::new(),
        }
    }
}

impl Relation {
    /// For people.
    pub fn words(self) -> &'static str {
        match self {
            Relation::Exact => "this tumor type",
            Relation::Parent => "a parent of this tumor type",
            Relation::PanCancer => "any tumor type",
            Relation::Other => "another tumor type",
        }
    }
}

/// The tumor types that can be asked for.
#[derive(Debug)]
pub struct Tumors(BTreeMap<String, (String, String)>);

impl Tumors {
    /// Reads the table: code, name, parent.
    pub(super) fn parse(tsv: &str) -> Tumors {
        Tumors(
            tsv.lines()
                .skip(1)
                .map(|l| {
                    let c: Vec<&str> = l.split('\t').collect();
                    (c[0].to_string(), (c[1].to_string(), c[2].to_string()))
                })
                .collect(),
        )
    }

    /// Every code with its name.
    pub fn names(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(code, (name, _))| (&**code, &**name))
    }

    /// Is there such a code?
    pub fn has(&self, code: &str) -> bool {
        self.0.contains_key(code)
    }

    /// The tumor of this code, in either case.
    ///
    /// # Errors
    /// For an unknown code, with those most like it by code or name.
    pub fn find(&self, asked: &str) -> Result<Tumor> {
        let code = asked.to_ascii_uppercase();
        let Some((name, parent)) = self.0.get(&code) else {
            return Err(Error::usage(
                format!("no tumor type {asked} is known"),
                format!(
                    "Give an OncoTree code, such as {}; a tissue (LUNG, BREAST, ...) will do for a rare type.",
                    self.near(asked).join(", ")
                ),
            ));
        };
        let mut ancestors = Vec::new();
        let mut at = parent;
        while !at.is_empty() {
            ancestors.push(at.clone());
            at = &self.0[at].1;
        }
        Ok(Tumor {
            code,
            name: name.clone(),
            ancestors,
        })
    }

    /// The five codes nearest to what was asked for: by a word of the name, then by edits of the code.
    fn near(&self, asked: &str) -> Vec<String> {
        let lower = asked.to_ascii_lowercase();
        let mut all: Vec<_> = self
            .0
            .iter()
            .map(|(code, (name, _))| {
                let named = lower.len() > 2 && name.to_ascii_lowercase().contains(&lower);
                let edits = edit_distance(&lower, &code.to_ascii_lowercase());
                (!named, edits, code, name)
            })
            .collect();
        all.sort();
        all.iter()
            .take(5)
            .map(|(_, _, code, name)| format!("{code} ({name})"))
            .collect()
    }

    /// How a tumor relates to the codes of a piece of evidence: `SOLID` and `ANY` stand for all
    /// solid tumors and all tumors, `!CODE` excludes one with its subtypes.
    pub fn relation(tumor: &Tumor, codes: &[String]) -> Relation {
        if tumor.code.is_empty() {
            return Relation::Other;
        }
        let is = |code: &str| tumor.code == code || tumor.ancestors.iter().any(|a| a == code);
        if codes.iter().any(|c| c.strip_prefix('!').is_some_and(is)) {
            return Relation::Other;
        }
        let solid = !is("LYMPH") && !is("MYELOID");
        codes
            .iter()
            .map(|c| match c.as_str() {
                "ANY" => Relation::PanCancer,
                "SOLID" if solid => Relation::PanCancer,
                c if tumor.code == c => Relation::Exact,
                c if is(c) => Relation::Parent,
                _ => Relation::Other,
            })
            .min()
            .unwrap_or(Relation::Other)
    }
}

fn edit_distance(a: &str, b: &str) -> usize {
    let b: Vec<u8> = b.bytes().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.bytes().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, &y) in b.iter().enumerate() {
            let here = (diagonal + usize::from(x != y))
                .min(row[j] + 1)
                .min(row[j + 1] + 1);
            diagonal = row[j + 1];
            row[j + 1] = here;
        }
    }
    row[b.len()]
}
