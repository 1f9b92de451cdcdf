//! SAM headers (SAM 1.6 §1.3): @HD, @SQ, @RG, @PG.

use crate::genome::Contig;
use crate::{Error, Result};
use std::fmt::Write;

/// Order of the records, as @HD says it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// As the reads came: a template's records stand together.
    Input,
    /// By contig and position.
    Coordinate,
}

/// A read group (@RG).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReadGroup {
    /// ID, as the records' RG tag names it.
    pub id: String,
    /// SM, the sample.
    pub sample: Option<String>,
    /// LB, the library: duplicates are copies within one.
    pub library: Option<String>,
    /// The header line, without its end.
    line: String,
}

impl ReadGroup {
    /// Reads a line as bwa's `-R` takes it: `@RG\tID:x\tSM:y`, tabs real or written `\t`.
    ///
    /// # Errors
    /// For a line that does not start with `@RG`, a field that is not `XX:value`, one given twice,
    /// and for a missing ID.
    pub fn parse(text: &str) -> Result<ReadGroup> {
        let line = text.replace("\\t", "\t");
        let wrong = |what: String| {
            Error::usage(
                format!("read group {text:?}: {what}"),
                r"Give it as '@RG\tID:lane1\tSM:sample\tLB:library\tPL:ILLUMINA'.",
            )
        };
        let mut fields = line.split('\t');
        if fields.next() != Some("@RG") {
            return Err(wrong("it does not start with @RG and a tab".into()));
        }
        let mut seen: Vec<(&str, &str)> = Vec::new();
        for field in fields {
            let (tag, value) = field.split_once(':').unwrap_or((field, ""));
            let known_form = matches!(tag.as_bytes(), [a, b] if a.is_ascii_alphabetic() && b.is_ascii_alphanumeric());
            if !known_form || value.is_empty() || value.chars().any(char::is_control) {
                return Err(wrong(format!("{field:?} is not TAG:value")));
            }
            if seen.iter().any(|(t, _)| *t == tag) {
                return Err(wrong(format!("{tag} is given twice")));
            }
            seen.push((tag, value));
        }
        let get = |tag| {
            let found = seen.iter().find(|(t, _)| *t == tag);
            found.map(|(_, value)| (*value).to_string())
        };
        Ok(ReadGroup {
            id: get("ID").ok_or_else(|| wrong("it has no ID".into()))?,
            sample: get("SM"),
            library: get("LB"),
            line: line.clone(),
        })
    }

    /// Leaves out what may tell where and when the sample was sequenced: CN, DS, DT, PU.
    pub fn redact(&mut self) {
        let tells = |field: &&str| {
            !["CN:", "DS:", "DT:", "PU:"]
                .iter()
                .any(|t| field.starts_with(t))
        };
        self.line = self
            .line
            .split('\t')
            .filter(tells)
            .collect::<Vec<_>>()
            .join("\t");
    }
}

/// The text of a header. `command` is the command line as the user gave it.
pub fn text(order: Order, contigs: &[Contig], read_groups: &[ReadGroup], command: &str) -> String {
    let mut out = String::from(match order {
        Order::Input => "@HD\tVN:1.6\tSO:unsorted\tGO:query\n",
        Order::Coordinate => "@HD\tVN:1.6\tSO:coordinate\n",
    });
    for c in contigs {
        // SAM 1.6 §1.3.2, AH: an alternate locus; `*` where its place in the primary assembly is not known.
        let alternate = if c.alternate { "\tAH:*" } else { "" };
        let Contig {
            name, length, md5, ..
        } = c;
        let _ = writeln!(out, "@SQ\tSN:{name}\tLN:{length}\tM5:{md5}{alternate}");
    }
    for group in read_groups {
        let _ = writeln!(out, "{}", group.line);
    }
    let command: String = command
        .chars()
        .map(|c| if c.is_control() { ' ' } else { c })
        .collect();
    let version = env!("CARGO_PKG_VERSION");
    let _ = writeln!(
        out,
        "@PG\tID:theralign\tPN:theralign\tVN:{version}\tCL:{command}"
    );
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn read_groups_are_taken_as_bwa_takes_them() {
        let g = ReadGroup::parse(r"@RG\tID:a b\tSM:s:1\tLB:l").unwrap();
        assert_eq!((g.id.as_str(), g.sample.as_deref()), ("a b", Some("s:1")));
        assert_eq!(g.library.as_deref(), Some("l"));
        assert_eq!(ReadGroup::parse("@RG\tID:a b\tSM:s:1\tLB:l").unwrap(), g);
    }

    #[test]
    fn redacted_read_groups_keep_sample_and_library() {
        let line =
            "@RG\tID:a\tCN:Clinic\tDT:2026-01-31\tSM:s\tLB:l\tPU:HX7.1\tDS:Jane\tPL:ILLUMINA";
        let mut group = ReadGroup::parse(line).unwrap();
        group.redact();
        assert_eq!(group.line, "@RG\tID:a\tSM:s\tLB:l\tPL:ILLUMINA");
    }

    #[test]
    fn broken_read_groups_are_refused() {
        for (text, part) in [
            ("", "does not start"),
            (r"ID:a", "does not start"),
            (r"@RGID:a", "does not start"),
            (r"@RG\tSM:s", "no ID"),
            (r"@RG\tID:", "\"ID:\" is not TAG:value"),
            (r"@RG\tID:a\tSM", "\"SM\" is not TAG:value"),
            (r"@RG\tID:a\t", "\"\" is not TAG:value"),
            (r"@RG\tID:a\tID:b", "ID is given twice"),
            ("@RG\\tID:a\nb", "is not TAG:value"),
        ] {
            let message = ReadGroup::parse(text).unwrap_err().to_string();
            assert!(message.contains(part), "{message}");
        }
    }

    #[test]
    fn a_command_line_cannot_break_the_header() {
        let text = text(Order::Coordinate, &[], &[], "x -R '@RG\tID:a'\n@SQ");
        assert_eq!(text.lines().count(), 2);
        assert!(text.ends_with("CL:x -R '@RG ID:a' @SQ\n"));
    }
}
