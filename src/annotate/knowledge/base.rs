//! A file of statements: tab-separated, plain or gzip, with its sources in front.
//!
//! ```text
//! ##theralign-knowledge=1
//! ##source=CIViC|2021-02-03|2021-02-03|CC0 1.0|https://civicdb.org
//! id      expression      tumor   codes   therapy ...
//! ```

use super::date;
use super::statement::{COLUMNS, Row};
use crate::format::digest::hex;
use crate::format::{input, output::Output};
use crate::{Error, Result, error::thousands};
use flate2::{Compression, write::GzEncoder};
use schemars::JsonSchema;
use serde::Serialize;
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::{Read, Write};
use std::path::Path;

const MAGIC: &str = "##theralign-knowledge=1";
const REMEDY: &str =
    "theralign knowledge check FILE lists all such rows; README.md describes the columns.";

/// A source of a base, as of a day.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Release {
    /// Name.
    pub name: String,
    /// Version or release.
    pub version: String,
    /// Its day, `2021-02-03`; empty if not known.
    pub date: String,
    /// Licence.
    pub licence: String,
    /// Where it is.
    pub url: String,
}

/// Statements and where they are from.
#[derive(Clone, Debug, Default)]
pub struct Base {
    /// Its sources.
    pub releases: Vec<Release>,
    /// Its statements, in the order of the file.
    pub rows: Vec<Row>,
    /// SHA-256 of the text, uncompressed.
    pub sha256: String,
}

/// A row that was not taken, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reject {
    /// File.
    pub file: String,
    /// Line, counted from 1.
    pub line: u64,
    /// Its id; empty if it has none.
    pub id: String,
    /// What is wrong with it.
    pub reason: String,
}

impl Reject {
    fn error(&self) -> Error {
        let at = format!("line {}", thousands(self.line));
        let what = if self.id.is_empty() {
            self.reason.clone()
        } else {
            format!("{}: {}", self.id, self.reason)
        };
        Error::input(self.file.clone(), at, what, REMEDY)
    }
}

/// The text of a file, plain or gzip. Bytes that are no UTF-8 are an error.
pub fn read_text(path: &Path) -> Result<String> {
    let mut text = String::new();
    input::open(path)?.read_to_string(&mut text).map_err(|e| {
        let name = input::display_name(path);
        let remedy = format!("Give text in UTF-8; if it is gzip, try: gzip -t {name}.");
        Error::input(name, "", e.to_string(), remedy)
    })?;
    Ok(text)
}

/// SHA-256 as 64 hexadecimal digits.
pub fn sha256_of_text(text: &str) -> String {
    use sha2::Digest;
    hex(&sha2::Sha256::digest(text.as_bytes()))
}

impl Base {
    /// Reads a file of which every row must be sound.
    ///
    /// # Errors
    /// Names the line of the first row that is not.
    pub fn read(path: &Path) -> Result<Base> {
        let (base, rejects) = Base::parse(&input::display_name(path), &read_text(path)?)?;
        match rejects.first() {
            Some(reject) => Err(reject.error()),
            None => Ok(base),
        }
    }

    /// Reads what is sound and says why the rest is not.
    ///
    /// # Errors
    /// When the text is no table of statements at all.
    pub fn parse(file: &str, text: &str) -> Result<(Base, Vec<Reject>)> {
        let mut base = Base {
            sha256: sha256_of_text(text),
            ..Base::default()
        };
        let mut rejects = Vec::new();
        let mut columns: Option<Vec<usize>> = None;
        let mut seen: BTreeMap<String, u64> = BTreeMap::new();
        for (line, text) in (1u64..).zip(text.lines()) {
            if let Some(source) = text.strip_prefix("##source=") {
                let release = Release::parse(source).map_err(|what| {
                    let at = format!("line {}", thousands(line));
                    Error::input(file, at, what, REMEDY)
                })?;
                base.releases.push(release);
            } else if text.starts_with("##") || text.trim().is_empty() {
            } else if let Some(columns) = &columns {
                let mut id = String::new();
                match fields(text, columns, &mut id)
                    .and_then(Row::new)
                    .and_then(|row| match seen.insert(row.id.clone(), line) {
                        None => Ok(row),
                        Some(before) => Err(format!("line {before} has the same id")),
                    }) {
                    Ok(row) => base.rows.push(row),
                    Err(reason) => rejects.push(Reject {
                        file: file.into(),
                        line,
                        id,
                        reason,
                    }),
                }
            } else {
                columns = Some(header(file, line, text)?);
            }
        }
        if columns.is_none() {
            let what = "no table of statements: it has no line of column names";
            return Err(Error::input(file, "", what, REMEDY));
        }
        Ok((base, rejects))
    }

    /// The file's text.
    pub fn text(&self) -> String {
        let mut text = format!("{MAGIC}\n");
        for r in &self.releases {
            let parts = [&r.name, &r.version, &r.date, &r.licence, &r.url];
            let parts = parts.map(|p| p.replace(['|', '\n', '\r'], " "));
            let _ = writeln!(text, "##source={}", parts.join("|"));
        }
        text += &COLUMNS.join("\t");
        text.push('\n');
        for row in &self.rows {
            text += &row.fields.join("\t");
            text.push('\n');
        }
        text
    }

    /// Writes the file; gzip if its name ends in `.gz`.
    pub fn write(&self, path: &Path) -> Result<()> {
        let text = self.text();
        if path.extension().is_none_or(|e| e != "gz") {
            return Output::write(path, text.as_bytes());
        }
        let mut out = GzEncoder::new(Vec::new(), Compression::default());
        out.write_all(text.as_bytes()).map_err(Error::io(path))?;
        Output::write(path, &out.finish().map_err(Error::io(path))?)
    }

    /// Its newest day: of a source, or of a row's review.
    pub fn newest(&self) -> Option<&str> {
        let releases = self.releases.iter().map(|r| r.date.as_str());
        releases
            .chain(self.rows.iter().map(|r| r.reviewed.as_str()))
            .filter(|d| date::days(d).is_some())
            .max()
    }
}

impl Release {
    fn parse(text: &str) -> std::result::Result<Release, String> {
        let p: Vec<&str> = text.split('|').collect();
        let [name, version, day, licence, url] = p[..] else {
            return Err("a source is NAME|VERSION|DATE|LICENCE|URL".into());
        };
        if !day.is_empty() && date::days(day).is_none() {
            return Err(format!("{day:?} is no day like 2021-02-03"));
        }
        if !url.is_empty() && !url.starts_with("https://") {
            return Err(format!("{url:?} is no address that begins with https://"));
        }
        Ok(Release {
            name: name.into(),
            version: version.into(),
            date: day.into(),
            licence: licence.into(),
            url: url.into(),
        })
    }
}

/// Where each column of the file belongs among ours.
fn header(file: &str, line: u64, text: &str) -> Result<Vec<usize>> {
    let wrong = |what: String| {
        let at = format!("line {}", thousands(line));
        Error::input(
            file,
            at,
            what,
            format!("The columns are: {}.", COLUMNS.join(", ")),
        )
    };
    let names: Vec<&str> = text.trim_start_matches('#').split('\t').collect();
    for needed in ["id", "expression", "sources"] {
        if !names.contains(&needed) {
            return Err(wrong(format!(
                "no table of statements: it has no column {needed}"
            )));
        }
    }
    let mut columns = Vec::new();
    for name in names {
        let Some(i) = COLUMNS.iter().position(|c| *c == name) else {
            return Err(wrong(format!("column {name:?} is not known")));
        };
        if columns.contains(&i) {
            return Err(wrong(format!("column {name} stands twice")));
        }
        columns.push(i);
    }
    Ok(columns)
}

/// A line's fields in our order; its id is noted also where the rest is malformed.
fn fields(
    text: &str,
    columns: &[usize],
    id: &mut String,
) -> std::result::Result<Vec<String>, String> {
    let mut fields = vec![String::new(); COLUMNS.len()];
    let given: Vec<&str> = text.split('\t').collect();
    for (column, value) in columns.iter().zip(&given) {
        fields[*column] = (*value).into();
    }
    id.clone_from(&fields[0]);
    if given.len() == columns.len() {
        Ok(fields)
    } else {
        Err(format!(
            "{} columns where the header names {}",
            given.len(),
            columns.len()
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const TABLE: &str = "##theralign-knowledge=1\n\
        ##source=Ours|3|2026-01-02|CC0 1.0|https://example.org\n\
        id\tsources\texpression\ttherapy\tsignificance\tlevel\n\
        A1\tPAPER|123\tEGFR L858R\tErlotinib\tSensitivity/Response\tA\n\
        A2\tPAPER|123\tNOT KIT D816V\tImatinib\tSensitivity/Response\tB\n";

    #[test]
    fn a_table_is_read_and_written_alike() {
        let (base, rejects) = Base::parse("t", TABLE).unwrap();
        assert_eq!(rejects, []);
        assert_eq!(base.rows.len(), 2);
        assert_eq!(base.rows[1].gene, "KIT");
        assert_eq!(base.newest(), Some("2026-01-02"));
        let again = Base::parse("t", &base.text()).unwrap().0;
        assert_eq!(again.releases, base.releases);
        assert_eq!(again.text(), base.text());
        let folder = tempfile::tempdir().unwrap();
        for name in ["b.tsv", "b.tsv.gz"] {
            let path = folder.path().join(name);
            base.write(&path).unwrap();
            let read = Base::read(&path).unwrap();
            assert_eq!(read.text(), base.text());
            assert_eq!(read.sha256, again.sha256);
        }
    }

    #[test]
    fn bad_rows_are_named_and_the_others_kept() {
        let text = TABLE.to_string()
            + "A1\tPAPER|9\tKRAS G12C\tX\tResistance\tA\n\
               A3\t\tKRAS G12C\tX\tResistance\tA\n\
               A4\tPAPER|9\tKRAS G12C AND\tX\tResistance\tA\n\
               A5\tPAPER|9\n";
        let (base, rejects) = Base::parse("t", &text).unwrap();
        assert_eq!(base.rows.len(), 2);
        let told: Vec<(&str, u64, &str)> = rejects
            .iter()
            .map(|r| (r.id.as_str(), r.line, r.reason.as_str()))
            .collect();
        assert_eq!(
            told,
            [
                ("A1", 6, "line 4 has the same id"),
                ("A3", 7, "it has no citation"),
                ("A4", 8, "an alteration is missing"),
                ("A5", 9, "2 columns where the header names 6"),
            ]
        );
        for (text, part) in [
            ("", "no line of column names"),
            ("a\tb\n", "no column id"),
            (
                "id\texpression\tsources\tcolour\n",
                "\"colour\" is not known",
            ),
            ("id\tid\texpression\tsources\n", "stands twice"),
            ("##source=x\n", "NAME|VERSION"),
        ] {
            let error = Base::parse("t", text).unwrap_err().to_string();
            assert!(error.contains(part), "{error}");
        }
    }

    proptest! {
        #[test]
        fn a_mutated_table_is_read_or_refused(at in 0..TABLE.len(), cut in 0..9usize, with in "\\PC{0,3}|\t|\n") {
            let end = (at + cut).min(TABLE.len());
            let text = format!("{}{with}{}", &TABLE[..at], &TABLE[end..]);
            if let Ok((base, _)) = Base::parse("t", &text) {
                prop_assert!(base.rows.len() <= 4);
            }
        }
    }
}
