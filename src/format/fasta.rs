//! FASTA, read record by record; letters come out upper-case.

use super::input;
use crate::{Error, Result, error::thousands};
use std::io::BufRead;
use std::path::Path;

/// One FASTA record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// The header's line, counted from 1.
    pub line: u64,
    /// The header's first word.
    pub name: String,
    /// The rest of the header.
    pub description: String,
    /// Upper-case letters.
    pub sequence: Vec<u8>,
}

/// Calls `each` for every record of a FASTA file (plain, gzip or BGZF; `-` is standard input).
///
/// # Errors
/// Names file and line for text before the first header, an unnamed record, one whose name SAM does
/// not allow, a record without sequence, a character that is no letter, and for a file without any record.
pub fn for_each(path: &Path, mut each: impl FnMut(Record) -> Result<()>) -> Result<()> {
    let file = input::display_name(path);
    let mut reader = input::open(path)?;
    let mut line = Vec::new();
    let mut number = 0u64;
    let mut current: Option<Record> = None;
    let wrong = |number: u64, what: String| {
        Error::input(
            file.clone(),
            format!("line {}", thousands(number)),
            what,
            "Give a FASTA file of a reference genome.",
        )
    };
    let finish = |record: Option<Record>, each: &mut dyn FnMut(Record) -> Result<()>| match record {
        None => Ok(()),
        Some(r) if r.sequence.is_empty() => {
            Err(wrong(r.line, format!("record {} has no sequence", r.name)))
        }
        Some(r) => each(r),
    };
    loop {
        line.clear();
        let read = reader.read_until(b'\n', &mut line).map_err(|e| {
            Error::input(
                file.clone(),
                format!("line {}", thousands(number + 1)),
                e.to_string(),
                format!("The file may be cut short; try: gzip -t {file}."),
            )
        })?;
        if read == 0 {
            break;
        }
        number += 1;
        let text = line.trim_ascii_end();
        if let Some(header) = text.strip_prefix(b">") {
            finish(current.take(), &mut each)?;
            let header = String::from_utf8_lossy(header);
            let mut words = header.splitn(2, char::is_whitespace);
            let name = words.next().unwrap_or_default().to_string();
            if name.is_empty() {
                return Err(wrong(number, "a record without a name".into()));
            }
            if let Some(bad) = forbidden(&name) {
                return Err(Error::input(
                    file.clone(),
                    format!("line {}", thousands(number)),
                    format!("SAM does not allow {bad:?} in a contig's name: {name}"),
                    "Rename the contig.",
                ));
            }
            let description = words.next().unwrap_or_default().trim().to_string();
            current = Some(Record {
                line: number,
                name,
                description,
                sequence: Vec::new(),
            });
        } else if text.is_empty() || text.starts_with(b";") {
            // A blank line, or a comment as the first FASTA programs had them.
        } else if let Some(record) = &mut current {
            if let Some(bad) = text
                .iter()
                .find(|c| !c.is_ascii_alphabetic() && **c != b'*' && **c != b'-')
            {
                return Err(wrong(
                    number,
                    format!("character {:?} in a sequence", char::from(*bad)),
                ));
            }
            record
                .sequence
                .extend(text.iter().map(u8::to_ascii_uppercase));
        } else {
            return Err(wrong(number, "text before the first '>' header".into()));
        }
    }
    if number == 0 || current.is_none() {
        return Err(Error::input(
            file.clone(),
            "",
            "no FASTA record",
            "Give a FASTA file of a reference genome.",
        ));
    }
    finish(current.take(), &mut each)
}

/// The first character that a contig's name must not have (SAM 1.6 §1.2.1).
fn forbidden(name: &str) -> Option<char> {
    let allowed = |(i, c): (usize, char)| {
        c.is_ascii_graphic() && !"\\,\"'`()[]{}<>".contains(c) && (i > 0 || !"*=".contains(c))
    };
    name.chars().enumerate().find(|&c| !allowed(c)).map(|c| c.1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    fn read(text: &[u8]) -> Result<Vec<Record>> {
        let mut f = tempfile::NamedTempFile::new().unwrap();
        f.write_all(text).unwrap();
        let mut all = Vec::new();
        for_each(f.path(), |r| {
            all.push(r);
            Ok(())
        })?;
        Ok(all)
    }

    #[test]
    fn names_descriptions_case_and_line_ends() {
        let all = read(b">a one two\r\nacg\r\nTN\r\n\r\n>b\nAC").unwrap();
        assert_eq!(
            all[0],
            Record {
                line: 1,
                name: "a".into(),
                description: "one two".into(),
                sequence: b"ACGTN".to_vec()
            }
        );
        assert_eq!(all[1].sequence, b"AC");
    }

    #[test]
    fn broken_files_are_named_by_line() {
        for (text, part) in [
            (&b""[..], "no FASTA record"),
            (b"ACGT\n", "line 1"),
            (b">a\n>b\nAC\n", "line 1: record a has no sequence"),
            (b">a\nAC\n>b\n", "line 3: record b has no sequence"),
            (b">a\nAC\n>b,c\nAC\n", "line 3: SAM does not allow ','"),
            (b">*a\nAC\n", "line 1: SAM does not allow '*'"),
            (b">a\xff\nAC\n", "line 1: SAM does not allow"),
            (b">a\nAC GT\n", "line 2"),
            (b"> x\nA\n", "without a name"),
        ] {
            let message = read(text).unwrap_err().to_string();
            assert!(message.contains(part), "{message}");
        }
    }
}
