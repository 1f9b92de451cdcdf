//! Files of other sources to one base: CIViC's nightly tables, ClinVar's VCF, tables of our own.

use super::base::{Base, Reject, Release, read_text};
use super::civic::{self, File, Lookup, Means, Table};
use super::disease::Diseases;
use super::{Knowledge, clinvar, date};
use crate::annotate::alteration::Rule;
use crate::annotate::{GeneModel, Transcript};
use crate::domain::Span;
use crate::format::input;
use crate::genome::Reference;
use crate::{Error, Result};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use std::path::{Path, PathBuf};

/// A reference with a gene model, for what needs coordinates.
#[derive(Clone, Copy)]
pub struct Ground<'a> {
    /// The sequence.
    pub reference: &'a Reference,
    /// The transcripts on it.
    pub genes: &'a GeneModel,
}

/// How an import went, file by file.
#[derive(Debug, Default)]
pub struct Imported {
    /// The base.
    pub base: Base,
    /// What was not taken.
    pub rejects: Vec<Reject>,
    /// File, what it is, rows in it, rows taken.
    pub files: Vec<(String, &'static str, usize, usize)>,
    /// What a reader should know.
    pub notes: Vec<String>,
    seen: BTreeSet<String>,
}

/// Reads files and folders (all of the latter's files that can be read as knowledge) into one base.
///
/// # Errors
/// When a file cannot be read or is nothing of the kind, and when no statement is in any of them.
pub fn import(paths: &[PathBuf], ground: Option<Ground>) -> Result<Imported> {
    let shipped = Knowledge::shipped();
    let diseases = Diseases::new(&shipped.tumors);
    let mut out = Imported::default();
    let mut texts = Vec::new();
    for path in &listed(paths)? {
        let text = read_text(&path.path)?;
        match Content::of(&text) {
            Some(content) => texts.push((path.name(), content, text)),
            None if path.listed => {}
            None => {
                return Err(Error::input(
                    path.name(),
                    "",
                    "neither a table of CIViC, nor ClinVar's VCF, nor a table of statements",
                    "README.md says what can be imported.",
                ));
            }
        }
    }
    // Variants and profiles first: evidence speaks of them.
    let tables: Vec<(Table, File)> = texts
        .iter()
        .filter_map(|(name, content, text)| match content {
            Content::Civic(table) => Some((*table, File::new(name, text))),
            _ => None,
        })
        .collect();
    let mut lookup = Lookup::default();
    for (table, file) in &tables {
        if matches!(table, Table::Variants | Table::Profiles) {
            lookup.add(file);
            out.rejects.extend(file.rejects.iter().cloned());
        }
    }
    let named = named_classes(&shipped);
    let means = Means {
        diseases: &diseases,
        shipped: &|gene, name| named.get(&(gene.to_string(), name.to_string())).cloned(),
        codons: &|gene, build, contig, span| codons(ground?, gene, build, contig, span),
    };
    for (table, file) in &tables {
        if matches!(table, Table::Evidence | Table::Assertions) {
            let what = match table {
                Table::Evidence => "evidence items",
                _ => "assertions",
            };
            let (rows, rejects) = civic::statements(file, *table, &lookup, &means);
            let name = file.name().to_string();
            out.take(name, what, rows, rejects);
        }
    }
    if tables.iter().any(|(t, _)| *t == Table::Evidence) {
        out.base.releases.push(civic_release(&out.base));
    }
    for (name, content, text) in &texts {
        match content {
            Content::Ours => {
                let (base, rejects) = Base::parse(name, text)?;
                out.base.releases.extend(base.releases);
                out.take(name.clone(), "statements", base.rows, rejects);
            }
            Content::ClinVar => {
                let ground = ground.ok_or_else(|| {
                    Error::usage(
                        format!("{name} names places of a genome"),
                        "Give the reference and a gene model of its build: -x INDEX --genes GENES.",
                    )
                })?;
                let (release, rows, rejects) = clinvar::statements(name, text, ground, &diseases)?;
                out.base.releases.push(release);
                out.take(name.clone(), "records of the panel's genes", rows, rejects);
            }
            Content::Civic(_) => {}
        }
    }
    if out.files.is_empty() {
        return Err(Error::usage(
            "no file of statements was given",
            "Give CIViC's evidence summaries, ClinVar's VCF, or a table of statements.",
        ));
    }
    if ground.is_none() && !tables.is_empty() {
        out.notes.push(
            "without -x and --genes of GRCh37, exons that CIViC gives by number are not assessed"
                .into(),
        );
    }
    Ok(out)
}

impl Imported {
    fn take(
        &mut self,
        name: String,
        what: &'static str,
        rows: Vec<super::Row>,
        mut rejects: Vec<Reject>,
    ) {
        let total = rows.len() + rejects.len();
        let before = self.base.rows.len();
        for row in rows {
            if self.seen.insert(row.id.clone()) {
                self.base.rows.push(row);
            } else {
                rejects.push(Reject {
                    file: name.clone(),
                    line: 0,
                    id: row.id,
                    reason: "a statement of this id was read before".into(),
                });
            }
        }
        let taken = self.base.rows.len() - before;
        self.files.push((name, what, total, taken));
        self.rejects.append(&mut rejects);
    }

    /// The rejects as a table.
    pub fn rejects_tsv(&self) -> String {
        let mut text = String::from("file\tline\tid\treason\n");
        for r in &self.rejects {
            let _ = writeln!(text, "{}\t{}\t{}\t{}", r.file, r.line, r.id, r.reason);
        }
        text
    }
}

struct Listed {
    path: PathBuf,
    /// From a folder, not named by the user.
    listed: bool,
}

impl Listed {
    /// Without its folder: a base is the same wherever its sources lay.
    fn name(&self) -> String {
        self.path.file_name().map_or_else(
            || input::display_name(&self.path),
            |n| n.to_string_lossy().into_owned(),
        )
    }
}

fn listed(paths: &[PathBuf]) -> Result<Vec<Listed>> {
    let mut all = Vec::new();
    for path in paths {
        if !path.is_dir() {
            all.push(Listed {
                path: path.clone(),
                listed: false,
            });
            continue;
        }
        let mut names: Vec<PathBuf> = Vec::new();
        for entry in std::fs::read_dir(path).map_err(Error::io(path))? {
            names.push(entry.map_err(Error::io(path))?.path());
        }
        names.retain(|p| is_table(p));
        names.sort();
        all.extend(names.into_iter().map(|path| Listed { path, listed: true }));
    }
    Ok(all)
}

fn is_table(path: &Path) -> bool {
    let name = path.to_string_lossy();
    path.is_file() && (name.ends_with(".tsv") || name.ends_with(".tsv.gz"))
}

/// What a text is.
enum Content {
    Civic(Table),
    ClinVar,
    Ours,
}

impl Content {
    fn of(text: &str) -> Option<Content> {
        let first = text.lines().next()?;
        if first.starts_with("##fileformat=VCF") {
            return Some(Content::ClinVar);
        }
        if let Some(table) = Table::of(first) {
            return Some(Content::Civic(table));
        }
        let header = text.lines().find(|l| !l.starts_with("##"))?;
        let has = |name: &str| {
            header
                .trim_start_matches('#')
                .split('\t')
                .any(|c| c == name)
        };
        (has("id") && has("expression")).then_some(Content::Ours)
    }
}

/// Alterations that the shipped table names by words, in capitals, with their rules.
fn named_classes(shipped: &Knowledge) -> BTreeMap<(String, String), Vec<Rule>> {
    let mut all = BTreeMap::new();
    for row in &shipped.rows {
        let class = |r: &&Rule| r.breadth() == 2;
        if let [rule] = row.single()
            && class(&rule)
        {
            let name = row.alteration.to_ascii_uppercase();
            all.entry((row.gene.clone(), name))
                .or_insert_with(|| vec![rule.clone()]);
        }
    }
    all
}

/// Which assembly of the human genome the reference is, told by its contigs' lengths.
pub fn build_of(reference: &Reference) -> Option<&'static str> {
    // Lengths of chromosomes 1, 7, 17, 20 and X: GRCh37 and GRCh38 (NCBI's assembly reports).
    const LENGTHS: [(&str, u32, u32); 5] = [
        ("1", 249_250_621, 248_956_422),
        ("7", 159_138_663, 159_345_973),
        ("17", 81_195_210, 83_257_441),
        ("20", 63_025_520, 64_444_167),
        ("X", 155_270_560, 156_040_895),
    ];
    LENGTHS.iter().find_map(|(name, old, new)| {
        let length = reference.contig(reference.contig_called(name)?).length;
        match length {
            l if l == *old => Some("GRCh37"),
            l if l == *new => Some("GRCh38"),
            _ => None,
        }
    })
}

/// The codons of a gene's transcript whose bases lie in a stretch (first and last base from 1).
fn codons(
    ground: Ground,
    gene: &str,
    build: &str,
    contig: &str,
    (first, last): (u32, u32),
) -> Option<(u32, u32)> {
    if build_of(ground.reference) != Some(build) || first == 0 || last < first {
        return None;
    }
    let t = ground.genes.of_gene(gene)?;
    if ground.reference.contig_called(contig) != Some(t.model.contig) || t.fault.is_some() {
        return None;
    }
    codons_in(t, Span::new(first - 1, last))
}

/// First and last codon with all its bases in a stretch.
fn codons_in(t: &Transcript, span: Span) -> Option<(u32, u32)> {
    let inside = |codon: &u32| {
        t.codon_positions(*codon)
            .is_some_and(|p| p.iter().all(|b| (span.start..span.end).contains(b)))
    };
    let all = 1..=t.protein.len() as u32;
    let first = all.clone().find(inside)?;
    let last = all.rev().find(inside)?;
    Some((first, last))
}

fn civic_release(base: &Base) -> Release {
    let newest = base
        .rows
        .iter()
        .filter(|r| r.id.starts_with("CIVIC:"))
        .map(|r| r.reviewed.as_str())
        .filter(|d| date::days(d).is_some())
        .max()
        .unwrap_or_default();
    Release {
        name: "CIViC".into(),
        version: format!("reviewed until {newest}"),
        date: newest.into(),
        licence: "CC0 1.0".into(),
        url: "https://civicdb.org".into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::annotate::knowledge::Direction;
    use proptest::prelude::*;

    const EVIDENCE: &str = "gene\tvariant\tdisease\tdoid\tdrugs\tdrug_interaction_type\tevidence_type\tevidence_direction\tevidence_level\tclinical_significance\tevidence_statement\tcitation_id\tsource_type\trating\tevidence_status\tevidence_id\tvariant_id\tchromosome\tstart\tstop\treference_bases\tvariant_bases\treference_build\tvariant_origin\tlast_review_date\n\
        EGFR\tL858R\tLung Non-small Cell Carcinoma\t3908\tGefitinib,Erlotinib\tSubstitutes\tPredictive\tSupports\tA\tSensitivity/Response\tIn words.\t123\tPubMed\t5\taccepted\t1\t33\t7\t55259515\t55259515\tT\tG\tGRCh37\tSomatic\t2020-11-20 16:18:21 UTC\n\
        CD274\tEXPRESSION\tRare Thing\t\tX\t\tPredictive\tDoes Not Support\tB\tSensitivity/Response\tIn words.\t124\tPubMed\t\taccepted\t2\t34\t\t\t\t\t\t\tN/A\t2019-01-02 16:18:21 UTC\n\
        KRAS\tWildtype\tColorectal Cancer\t9256\tCetuximab\t\tPredictive\tSupports\tA\tSensitivity/Response\tIn words.\t\tPubMed\t\taccepted\t3\t35\t\t\t\t\t\t\tSomatic\t\n\
        KRAS\tWildtype\tColorectal Cancer\t9256\tCetuximab\t\tPredictive\tSupports\tA\tSensitivity/Response\tIn words.\t9\tPubMed\t\trejected\t4\t35\t\t\t\t\t\t\tSomatic\t\n\
        KRAS\tWildtype\tColorectal Cancer\n";
    const PROFILES: &str = "molecular_profile\tmolecular_profile_id\tdisease\tdoid\ttherapies\tevidence_type\tevidence_direction\tevidence_level\tsignificance\tcitation_id\tsource_type\tevidence_status\tevidence_id\n\
        NOT KIT D816V\t5\tSystemic Mastocytosis\t349\tImatinib\tPredictive\tSupports\tB\tSensitivity/Response\t55\tPubMed\tsubmitted\t9\n\
        EML4::ALK Fusion AND ALK L1196M\t6\tLung Non-small Cell Carcinoma\t3908\tCrizotinib\tPredictive\tSupports\tC\tResistance\t56\tPubMed\taccepted\t10\n\
        EML4::ALK Fusion AND\t6\tLung Non-small Cell Carcinoma\t3908\tCrizotinib\tPredictive\tSupports\tC\tResistance\t56\tPubMed\taccepted\t11\n";

    fn imported(texts: &[(&str, &str)]) -> Imported {
        let folder = tempfile::tempdir().unwrap();
        for (name, text) in texts {
            std::fs::write(folder.path().join(name), text).unwrap();
        }
        import(&[folder.path().to_path_buf()], None).unwrap()
    }

    #[test]
    fn evidence_items_load_or_are_reported() {
        let done = imported(&[("evidence.tsv", EVIDENCE), ("profiles.tsv", PROFILES)]);
        assert_eq!(done.files[0].2, 5);
        assert_eq!((done.files[0].3, done.files[1].3), (2, 2));
        let told: Vec<(&str, u64, &str)> = done
            .rejects
            .iter()
            .map(|r| (r.id.as_str(), r.line, r.reason.as_str()))
            .collect();
        assert_eq!(
            told,
            [
                ("", 6, "3 columns where the header names 25"),
                ("CIVIC:EID3", 4, "it has no citation"),
                ("CIVIC:EID4", 5, "its editors rejected it"),
                ("CIVIC:EID11", 4, "an alteration is missing"),
            ]
        );
        let rows = &done.base.rows;
        assert_eq!(rows[0].therapy, "Gefitinib; Erlotinib");
        assert_eq!(rows[0].codes, ["NSCLC"]);
        assert_eq!(rows[0].field("locus"), "GRCh37:7:55259515-55259515:T:G:");
        assert_eq!(rows[0].reviewed, "2020-11-20");
        assert_eq!(rows[1].direction, Direction::Context);
        assert!(rows[1].codes.is_empty() && !rows[1].assessable());
        assert_eq!(rows[2].expression.to_string(), "NOT KIT D816V");
        assert!(!rows[2].accepted);
        assert_eq!(rows[3].gene, "ALK");
        assert_eq!(done.base.releases[0].date, "2020-11-20");
        // What was written is read as it was.
        let again = imported(&[("base.tsv", &done.base.text())]);
        assert_eq!(again.base.text(), done.base.text());
        assert_eq!(again.rejects, []);
    }

    #[test]
    fn what_is_no_knowledge_is_refused_where_it_was_named() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x.tsv");
        std::fs::write(&path, "a\tb\n").unwrap();
        let error = import(&[path], None).unwrap_err().to_string();
        assert!(error.contains("x.tsv: neither"), "{error}");
        let error = import(&[folder.path().to_path_buf()], None).unwrap_err();
        assert!(
            error.to_string().contains("no file of statements"),
            "{error}"
        );
    }

    proptest! {
        #[test]
        fn a_mutated_table_is_read_or_refused(at in 0..EVIDENCE.len(), cut in 0..9usize, with in "\\PC{0,3}|\t|\n") {
            let end = (at + cut).min(EVIDENCE.len());
            let text = format!("{}{with}{}", &EVIDENCE[..at], &EVIDENCE[end..]);
            let folder = tempfile::tempdir().unwrap();
            let path = folder.path().join("e.tsv");
            std::fs::write(&path, text).unwrap();
            if let Ok(done) = import(&[path], None) {
                prop_assert!(done.base.rows.len() <= 5);
                prop_assert!(Base::parse("t", &done.base.text()).unwrap().1.is_empty());
            }
        }
    }
}
