//! A statement of the knowledge: alteration, tumor, therapy and what they mean together, with its
//! citations; and how a table writes it down.

use super::source::Source;
use crate::annotate::alteration::Rule;
use crate::annotate::expression::{Alteration, Expression};
use crate::annotate::tumor::{Relation, Tumor, Tumors};
use schemars::JsonSchema;
use serde::Serialize;
use std::collections::BTreeSet;

/// What an alteration says about a therapy.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Direction {
    /// The alteration speaks for the therapy.
    Sensitivity,
    /// The alteration speaks against the therapy.
    Resistance,
    /// Neither: the statement is about diagnosis, outcome or predisposition, does not support what
    /// it was asked, or speaks of no therapy.
    Context,
}

/// How an indication stands to US labels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Label {
    /// On none.
    None,
    /// On one.
    Approved,
    /// Once on one, and no longer.
    Withdrawn,
}

/// What a statement is about, in CIViC's words.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[allow(missing_docs)] // the names are the terms
pub enum Kind {
    Predictive,
    Prognostic,
    Diagnostic,
    Predisposing,
    Oncogenic,
    Functional,
}

impl Kind {
    const ALL: [(Kind, &'static str); 6] = [
        (Kind::Predictive, "Predictive"),
        (Kind::Prognostic, "Prognostic"),
        (Kind::Diagnostic, "Diagnostic"),
        (Kind::Predisposing, "Predisposing"),
        (Kind::Oncogenic, "Oncogenic"),
        (Kind::Functional, "Functional"),
    ];

    /// The term.
    pub fn term(self) -> &'static str {
        Kind::ALL[self as usize].1
    }

    pub(super) fn parse(text: &str) -> Result<Kind, String> {
        let found = Kind::ALL.iter().find(|(_, term)| *term == text);
        found
            .map(|(kind, _)| *kind)
            .ok_or_else(|| format!("{text:?} is no kind of statement"))
    }
}

/// Does the evidence support the statement?
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[allow(missing_docs)] // the names say it
pub enum Support {
    Supports,
    DoesNotSupport,
    NotStated,
}

impl Support {
    /// As CIViC and our tables write it.
    pub fn term(self) -> &'static str {
        ["Supports", "Does Not Support", "N/A"][self as usize]
    }

    pub(super) fn parse(text: &str) -> Result<Support, String> {
        match text {
            "Supports" | "" => Ok(Support::Supports),
            "Does Not Support" => Ok(Support::DoesNotSupport),
            "N/A" => Ok(Support::NotStated),
            _ => Err(format!("{text:?} is no direction of evidence")),
        }
    }
}

/// The columns of a table of statements, in the order in which we write them. A table may have
/// them in any order and leave out those that would be empty, but for `id`, `expression` and `sources`.
pub const COLUMNS: [&str; 26] = [
    "id",
    "gene",
    "alteration",
    "expression",
    "requires",
    "origin",
    "tumor",
    "doid",
    "codes",
    "therapy",
    "interaction",
    "kind",
    "direction",
    "significance",
    "level",
    "rating",
    "status",
    "regulatory",
    "wild_type",
    "sources",
    "reviewed",
    "locus",
    "hgvs",
    "note",
    "statement",
    "verified",
];

/// One statement.
#[derive(Clone, Debug)]
pub struct Row {
    /// Id, unique among all tables.
    pub id: String,
    /// HGNC symbol, or the name of a biomarker that is no gene, under which it is filed.
    pub gene: String,
    /// The alteration or profile for people, as the source names it.
    pub alteration: String,
    /// What makes the statement apply.
    pub expression: Expression,
    /// Something else that must be there too and that no rule can say; empty if nothing.
    pub requires: String,
    /// `germline` where the statement is about hereditary variants.
    pub origin: String,
    /// The tumor or disease for people.
    pub tumor: String,
    /// `OncoTree` codes, `SOLID`, `ANY`, `!CODE`; empty where the disease has none that we know.
    pub codes: Vec<String>,
    /// Drug or combination; empty where the statement is about none.
    pub therapy: String,
    /// What it is about.
    pub kind: Kind,
    /// Does the evidence support it?
    pub support: Support,
    /// What it says, in CIViC's words.
    pub significance: String,
    /// What that means for the therapy.
    pub direction: Direction,
    /// CIViC's evidence level, `A` (validated) to `E` (inferential); `-` if none was given.
    pub level: char,
    /// Its editors accepted it.
    pub accepted: bool,
    /// Is the indication on a US label?
    pub label: Label,
    /// The therapy is for tumors without this alteration.
    pub wild_type_required: bool,
    /// Citations; never empty.
    pub sources: Vec<Source>,
    /// Day of the last review, `2021-02-03`; empty if not known.
    pub reviewed: String,
    /// Limits, for people.
    pub note: String,
    /// The sequence on which its locus was recomputed; empty if it was not.
    pub verified: String,
    /// All columns as the table has them, in the order of [`COLUMNS`].
    pub fields: Vec<String>,
}

impl Row {
    /// Reads a row whose fields stand in the order of [`COLUMNS`].
    ///
    /// # Errors
    /// Says what is wrong with it.
    pub fn new(fields: Vec<String>) -> Result<Row, String> {
        let get = |name: &str| -> &str {
            let i = COLUMNS.iter().position(|c| *c == name);
            i.and_then(|i| fields.get(i)).map_or("", String::as_str)
        };
        let expression = Expression::parse(get("expression"))?;
        let kind = match get("kind") {
            "" => Kind::Predictive,
            other => Kind::parse(other)?,
        };
        let support = Support::parse(get("direction"))?;
        let level = match get("level") {
            "" | "-" => '-',
            l if matches!(l, "A" | "B" | "C" | "D" | "E") => l.chars().next().unwrap_or('-'),
            l => return Err(format!("{l:?} is no evidence level, A to E")),
        };
        if get("id").is_empty() {
            return Err("it has no id".into());
        }
        if get("sources").is_empty() {
            return Err("it has no citation".into());
        }
        let sources = get("sources")
            .split(';')
            .map(Source::parse)
            .collect::<Result<Vec<_>, _>>()?;
        let alterations = expression.alterations();
        let gene = match get("gene") {
            "" => alterations[0].0.gene.clone(),
            gene if alterations.iter().any(|(a, _)| a.gene == gene) => gene.into(),
            gene => return Err(format!("its expression does not speak of {gene}")),
        };
        let or = |text: &str, other: &dyn Fn() -> String| {
            if text.is_empty() {
                other()
            } else {
                text.into()
            }
        };
        let reviewed = get("reviewed");
        if !reviewed.is_empty() && super::date::days(reviewed).is_none() {
            return Err(format!("{reviewed:?} is no day like 2021-02-03"));
        }
        Ok(Row {
            id: get("id").into(),
            gene,
            alteration: or(get("alteration"), &|| expression.to_string()),
            requires: get("requires").into(),
            origin: get("origin").into(),
            tumor: or(get("tumor"), &|| get("codes").into()),
            codes: get("codes")
                .split(';')
                .filter(|c| !c.is_empty())
                .map(String::from)
                .collect(),
            therapy: get("therapy").into(),
            kind,
            support,
            significance: get("significance").into(),
            direction: direction(kind, support, get("significance"), get("therapy")),
            level,
            accepted: matches!(get("status"), "" | "accepted"),
            label: match get("regulatory") {
                "approved" => Label::Approved,
                "withdrawn" => Label::Withdrawn,
                "" => Label::None,
                other => return Err(format!("{other:?} is no regulatory status")),
            },
            wild_type_required: get("wild_type") == "yes",
            sources,
            reviewed: reviewed.into(),
            note: get("note").into(),
            verified: get("verified").into(),
            expression,
            fields,
        })
    }

    /// A column as the table has it.
    pub fn field(&self, name: &str) -> &str {
        let i = COLUMNS.iter().position(|c| *c == name);
        i.and_then(|i| self.fields.get(i))
            .map_or("", String::as_str)
    }

    /// Notes on which sequence its locus was recomputed.
    pub fn verify(&mut self, on: &str) {
        self.verified = on.into();
        if let Some(i) = COLUMNS.iter().position(|c| *c == "verified") {
            self.fields[i] = on.into();
        }
    }

    /// How the tumor at hand relates to the statement's.
    pub fn relation(&self, tumor: &Tumor) -> Relation {
        Tumors::relation(tumor, &self.codes)
    }

    /// Its alterations, whether they must be there or absent.
    pub fn alterations(&self) -> impl Iterator<Item = &Alteration> {
        self.expression.alterations().into_iter().map(|(a, _)| a)
    }

    /// The rules about a gene, whether they must hold or not.
    pub fn rules<'a>(&'a self, gene: &'a str) -> impl Iterator<Item = &'a Rule> {
        self.alterations()
            .filter(move |a| a.gene == gene)
            .flat_map(|a| &a.rules)
    }

    /// The rules of its only alteration; none of a profile of several.
    pub fn single(&self) -> &[Rule] {
        self.expression.single().map_or(&[], |a| &a.rules)
    }

    /// Genes that its expression names.
    pub fn genes(&self) -> BTreeSet<&str> {
        self.alterations().map(|a| a.gene.as_str()).collect()
    }

    /// Has it an alteration that the sequence of a panel can show?
    pub fn assessable(&self) -> bool {
        self.alterations()
            .flat_map(|a| &a.rules)
            .any(Rule::assessable)
    }
}

fn direction(kind: Kind, support: Support, significance: &str, therapy: &str) -> Direction {
    if kind != Kind::Predictive || support != Support::Supports || therapy.is_empty() {
        return Direction::Context;
    }
    match significance {
        "Sensitivity/Response" => Direction::Sensitivity,
        "Resistance" | "Reduced Sensitivity" => Direction::Resistance,
        _ => Direction::Context,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(changes: &[(&str, &str)]) -> Result<Row, String> {
        let mut fields = vec![String::new(); COLUMNS.len()];
        let base = [
            ("id", "X1"),
            ("expression", "EGFR L858R"),
            ("sources", "PAPER|1"),
            ("therapy", "Erlotinib"),
            ("significance", "Sensitivity/Response"),
        ];
        for (name, value) in base.iter().chain(changes) {
            fields[COLUMNS.iter().position(|c| c == name).unwrap()] = (*value).into();
        }
        Row::new(fields)
    }

    #[test]
    fn only_support_of_a_therapy_speaks_for_or_against_it() {
        use Direction::{Context, Resistance, Sensitivity};
        for (changes, direction) in [
            (&[][..], Sensitivity),
            (&[("significance", "Reduced Sensitivity")], Resistance),
            (&[("direction", "Does Not Support")], Context),
            (&[("direction", "N/A")], Context),
            (&[("kind", "Prognostic")], Context),
            (&[("significance", "Adverse Response")], Context),
            (&[("therapy", "")], Context),
        ] {
            assert_eq!(row(changes).unwrap().direction, direction, "{changes:?}");
        }
    }

    #[test]
    fn malformed_rows_say_why() {
        for (changes, part) in [
            (&[("id", "")][..], "no id"),
            (&[("sources", "")], "no citation"),
            (&[("sources", "PAPER|x")], "is no citation"),
            (
                &[("sources", "PAGE|x|javascript:alert(1)")],
                "is no citation",
            ),
            (&[("expression", "EGFR L858R AND")], "missing"),
            (&[("gene", "KRAS")], "does not speak of KRAS"),
            (&[("level", "F")], "evidence level"),
            (&[("kind", "Curative")], "no kind"),
            (&[("direction", "Perhaps")], "no direction"),
            (&[("reviewed", "2021-13-03")], "no day"),
            (&[("regulatory", "maybe")], "regulatory"),
        ] {
            let error = row(changes).unwrap_err();
            assert!(error.contains(part), "{changes:?}: {error}");
        }
    }
}
