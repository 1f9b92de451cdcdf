//! CIViC's nightly tables as statements: evidence items, assertions, and the variants and profiles
//! that they speak of. Both the tables of one variant a row and those of molecular profiles are read.

use super::base::Reject;
use super::disease::Diseases;
use super::names::{self, Context};
use super::statement::{COLUMNS, Row};
use crate::annotate::alteration::Rule;
use crate::annotate::expression::Expression;
use std::collections::BTreeMap;

/// Which of CIViC's tables a file is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Table {
    /// Evidence items.
    Evidence,
    /// Assertions.
    Assertions,
    /// Variants, with coordinates and HGVS.
    Variants,
    /// Molecular profiles.
    Profiles,
}

impl Table {
    /// By the columns that a file's first line names.
    pub fn of(header: &str) -> Option<Table> {
        let has = |name: &str| header.split('\t').any(|c| c == name);
        if has("evidence_id") && has("evidence_level") {
            Some(Table::Evidence)
        } else if has("assertion_id") && has("assertion_type") {
            Some(Table::Assertions)
        } else if has("variant_id") && has("hgvs_expressions") {
            Some(Table::Variants)
        } else if has("molecular_profile_id") && has("name") {
            Some(Table::Profiles)
        } else {
            None
        }
    }
}

/// A file of CIViC, line by line by column.
pub struct File<'a> {
    name: &'a str,
    columns: Vec<&'a str>,
    lines: Vec<(u64, Vec<&'a str>)>,
    /// Lines that do not have the header's columns.
    pub rejects: Vec<Reject>,
}

/// One line; columns that the file does not have are empty.
#[derive(Clone, Copy)]
struct Record<'a>(&'a [&'a str], &'a [&'a str]);

impl<'a> Record<'a> {
    fn get(self, name: &str) -> &'a str {
        let i = self.0.iter().position(|c| *c == name);
        let text = i.and_then(|i| self.1.get(i)).map_or("", |v| v.trim());
        if text == "N/A"
            && !matches!(
                name,
                "evidence_direction" | "significance" | "clinical_significance"
            )
        {
            ""
        } else {
            text
        }
    }

    /// The first of several names that a column has had.
    fn either(self, names: [&str; 2]) -> &'a str {
        let first = self.get(names[0]);
        if first.is_empty() {
            self.get(names[1])
        } else {
            first
        }
    }
}

impl<'a> File<'a> {
    /// Takes a file's text apart.
    pub fn new(name: &'a str, text: &'a str) -> File<'a> {
        let mut all = (1u64..).zip(text.lines());
        let columns: Vec<&str> = all.next().map_or("", |l| l.1).split('\t').collect();
        let id_column = ["evidence_id", "assertion_id", "variant_id"]
            .iter()
            .find_map(|c| columns.iter().position(|x| x == c));
        let mut file = File {
            name,
            lines: Vec::new(),
            rejects: Vec::new(),
            columns,
        };
        for (line, text) in all.filter(|(_, t)| !t.trim().is_empty()) {
            let fields: Vec<&str> = text.split('\t').collect();
            // CIViC spreads the addresses of a variant's assertions, the last column, over several.
            let spread = file.columns.last() == Some(&"assertion_civic_urls");
            if fields.len() == file.columns.len() || spread && fields.len() > file.columns.len() {
                file.lines.push((line, fields));
            } else {
                let id = id_column.and_then(|i| fields.get(i)).copied();
                file.rejects.push(Reject {
                    file: name.into(),
                    line,
                    id: id.unwrap_or_default().into(),
                    reason: format!(
                        "{} columns where the header names {}",
                        fields.len(),
                        file.columns.len()
                    ),
                });
            }
        }
        file
    }

    /// Its name.
    pub fn name(&self) -> &str {
        self.name
    }

    fn records(&self) -> impl Iterator<Item = (u64, Record<'_>)> {
        let columns = &self.columns[..];
        self.lines
            .iter()
            .map(move |(n, f)| (*n, Record(columns, f)))
    }
}

/// HGVS and place of variants and names of profiles, by id.
#[derive(Default)]
pub struct Lookup<'a> {
    variants: BTreeMap<&'a str, Record<'a>>,
    by_profile: BTreeMap<&'a str, Record<'a>>,
    profiles: BTreeMap<&'a str, &'a str>,
}

impl<'a> Lookup<'a> {
    /// Notes a file of variants or profiles.
    pub fn add(&mut self, file: &'a File<'a>) {
        for (_, r) in file.records() {
            self.variants.insert(r.get("variant_id"), r);
            self.by_profile
                .insert(r.get("single_variant_molecular_profile_id"), r);
            self.profiles
                .insert(r.get("molecular_profile_id"), r.get("name"));
        }
        for map in [&mut self.variants, &mut self.by_profile] {
            map.remove("");
        }
        self.profiles.remove("");
    }

    fn variant(&self, r: Record) -> Option<Record<'a>> {
        let profile = self.by_profile.get(r.get("molecular_profile_id"));
        profile
            .or_else(|| self.variants.get(r.get("variant_id")))
            .copied()
    }
}

/// Gene, build, contig, first and last base to first and last codon.
pub type CodonsOf<'a> = dyn Fn(&str, &str, &str, (u32, u32)) -> Option<(u32, u32)> + 'a;

/// What the import knows beside CIViC's files.
pub struct Means<'a> {
    /// Diseases as codes.
    pub diseases: &'a Diseases,
    /// The rules of alterations that the shipped table names.
    pub shipped: &'a dyn Fn(&str, &str) -> Option<Vec<Rule>>,
    /// The codons of a gene's transcript that a stretch (build, contig, first and last base counted
    /// from 1) covers.
    pub codons: &'a CodonsOf<'a>,
}

/// Evidence items or assertions as statements; what cannot be one is noted with its reason.
pub fn statements(
    file: &File,
    table: Table,
    lookup: &Lookup,
    means: &Means,
) -> (Vec<Row>, Vec<Reject>) {
    let mut rows = Vec::new();
    let mut rejects = file.rejects.clone();
    for (line, r) in file.records() {
        let id = match table {
            Table::Assertions => format!("CIVIC:AID{}", r.get("assertion_id")),
            _ => format!("CIVIC:EID{}", r.get("evidence_id")),
        };
        match statement(&id, r, table, lookup, means) {
            Ok(row) => rows.push(row),
            Err(reason) => rejects.push(Reject {
                file: file.name.into(),
                line,
                id,
                reason,
            }),
        }
    }
    (rows, rejects)
}

fn statement(
    id: &str,
    r: Record,
    table: Table,
    lookup: &Lookup,
    means: &Means,
) -> Result<Row, String> {
    let variant = lookup.variant(r);
    let place = |name: &str| match (r.get(name), variant) {
        ("", Some(v)) => v.get(name),
        (own, _) => own,
    };
    let locus = locus(&place);
    let (expression, alteration) = alteration(r, lookup, means, &place)?;
    let status = match table {
        Table::Assertions => "accepted",
        _ => r.get("evidence_status"),
    };
    if status == "rejected" {
        return Err("its editors rejected it".into());
    }
    if matches!(r.get("is_flagged"), "true" | "t") {
        return Err("it is flagged at its source".into());
    }
    let interaction = r.either(["drug_interaction_type", "therapy_interaction_type"]);
    let drugs: Vec<&str> = r
        .either(["therapies", "drugs"])
        .split(',')
        .map(str::trim)
        .filter(|d| !d.is_empty())
        .collect();
    let significance = r.either(["significance", "clinical_significance"]);
    let mut fields = vec![String::new(); COLUMNS.len()];
    let mut set = |name: &str, value: &str| {
        if let Some(i) = COLUMNS.iter().position(|c| *c == name) {
            // A pipe separates parts of a citation; the others would break the table.
            fields[i] = value.replace(['\t', '\n', '\r'], " ");
        }
    };
    set("id", id);
    set("expression", &expression.to_string());
    set("alteration", &alteration);
    set(
        "origin",
        match r.get("variant_origin") {
            "Rare Germline" | "Common Germline" | "Germline" => "germline",
            _ => "",
        },
    );
    set("tumor", r.get("disease"));
    set("doid", r.get("doid"));
    set(
        "codes",
        &means.diseases.codes(r.get("doid"), r.get("disease")),
    );
    set(
        "therapy",
        &drugs.join(match interaction {
            "Substitutes" => "; ",
            "Sequential" => ", then ",
            _ => " + ",
        }),
    );
    set("interaction", interaction);
    set("kind", r.either(["evidence_type", "assertion_type"]));
    set(
        "direction",
        match r.either(["evidence_direction", "assertion_direction"]) {
            "" => "N/A",
            other => other,
        },
    );
    set("significance", significance);
    set("status", status);
    set(
        "reviewed",
        r.get("last_review_date")
            .split(' ')
            .next()
            .unwrap_or_default(),
    );
    set("locus", &locus);
    set("hgvs", &hgvs(variant));
    if table == Table::Assertions {
        assertion(r, &mut set);
    } else {
        evidence(r, &mut set)?;
    }
    Row::new(fields)
}

fn evidence(r: Record, set: &mut dyn FnMut(&str, &str)) -> Result<(), String> {
    set("level", r.get("evidence_level"));
    set("rating", r.get("rating"));
    let abstract_id = r.get("asco_abstract_id");
    let citation = match (r.get("source_type"), r.get("citation_id")) {
        ("ASCO", id) if abstract_id.is_empty() => format!("ASCO:{id}"),
        ("ASCO", _) => format!("ASCO:{abstract_id}"),
        (_, id) => id.into(),
    };
    if citation.is_empty() {
        return Err("it has no citation".into());
    }
    set(
        "sources",
        &format!("CIVIC|{}|{citation}", r.get("evidence_id")),
    );
    let notes = [
        ("origin", r.get("variant_origin")),
        ("phenotypes", r.get("phenotypes")),
        ("trials", r.get("nct_ids")),
    ];
    set("note", &joined(&notes));
    set("statement", r.get("evidence_statement"));
    Ok(())
}

fn assertion(r: Record, set: &mut dyn FnMut(&str, &str)) {
    let amp = r.either(["amp_category", "amp_level"]);
    let level = amp
        .rsplit("Level ")
        .next()
        .filter(|_| amp.contains("Level "));
    set("level", level.unwrap_or("-"));
    if matches!(r.get("regulatory_approval"), "true" | "t") {
        set("regulatory", "approved");
    }
    let items = r.either(["evidence_item_ids", "evidence_ids"]);
    let items: Vec<String> = items
        .split(',')
        .map(str::trim)
        .filter(|i| !i.is_empty())
        .map(|i| format!("EID{i}"))
        .collect();
    set(
        "sources",
        &format!(
            "CIVIC-ASSERTION|{}|{}",
            r.get("assertion_id"),
            items.join(", ")
        ),
    );
    let notes = [
        ("AMP", amp),
        ("ACMG", r.get("acmg_codes")),
        ("NCCN", r.get("nccn_guideline")),
        ("NCCN version", r.get("nccn_guideline_version")),
        ("companion test", r.get("fda_companion_test")),
        ("phenotypes", r.get("phenotypes")),
    ];
    set("note", &joined(&notes));
    let words = [r.get("assertion_summary"), r.get("assertion_description")];
    set("statement", words.join(" ").trim());
}

fn joined(notes: &[(&str, &str)]) -> String {
    notes
        .iter()
        .filter(|(_, text)| !text.is_empty() && *text != "false")
        .map(|(name, text)| format!("{name}: {text}"))
        .collect::<Vec<_>>()
        .join("; ")
}

/// The profile as an expression, and as CIViC spells it.
fn alteration<'a>(
    r: Record<'a>,
    lookup: &Lookup<'a>,
    means: &Means,
    place: &dyn Fn(&str) -> &'a str,
) -> Result<(Expression, String), String> {
    let gene = r.get("gene");
    let codons = match (place("start").parse(), place("stop").parse()) {
        (Ok(a), Ok(b)) if place("chromosome2").is_empty() => {
            (means.codons)(gene, place("reference_build"), place("chromosome"), (a, b))
        }
        _ => None,
    };
    let context = Context {
        shipped: means.shipped,
        codons,
    };
    let named = match r.get("molecular_profile") {
        "" => lookup
            .profiles
            .get(r.get("molecular_profile_id"))
            .copied()
            .unwrap_or_default(),
        named => named,
    };
    if !named.is_empty() {
        return Ok((names::profile(named, &context)?, named.into()));
    }
    let name = r.get("variant");
    if gene.is_empty() || name.is_empty() || gene.contains([' ', '(', ')']) {
        return Err("it names no gene and variant".into());
    }
    Ok((names::variant(gene, name, &context), name.into()))
}

/// `GRCh37:9:5073770-5073770:G:T:ENST00000381652.3`; without bases where CIViC gives none.
fn locus<'a>(place: &dyn Fn(&str) -> &'a str) -> String {
    let [build, contig, start, stop] =
        ["reference_build", "chromosome", "start", "stop"].map(place);
    let known = [build, contig, start, stop].iter().all(|p| !p.is_empty());
    if !known || !place("chromosome2").is_empty() {
        return String::new();
    }
    let or_none = |text: &'a str| if text.is_empty() { "-" } else { text };
    format!(
        "{build}:{contig}:{start}-{stop}:{}:{}:{}",
        or_none(place("reference_bases")),
        or_none(place("variant_bases")),
        place("representative_transcript")
    )
}

fn hgvs(variant: Option<Record>) -> String {
    variant.map_or(String::new(), |v| {
        v.either(["hgvs_expressions", "hgvs_descriptions"])
            .split(',')
            .map(str::trim)
            .filter(|h| !h.is_empty())
            .collect::<Vec<_>>()
            .join(";")
    })
}
