//! BED: the regions of a panel.

use super::input;
use crate::domain::{ContigId, Span};
use crate::{Error, Result, error::thousands};
use std::io::BufRead;
use std::path::Path;

/// One region of a panel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Region {
    /// Where: the contig.
    pub contig: ContigId,
    /// Where: the stretch of it, from 0, half-open.
    pub span: Span,
    /// BED's fourth column; empty where there is none.
    pub name: String,
}

/// Reads a panel (plain or gzip; `-` is standard input), by contig and position; regions that
/// overlap stay apart (see [`merged`]). `contig` gives a contig's id and length by its name.
///
/// # Errors
/// Names file and line for a contig the reference lacks, a region beyond its contig's end, an empty
/// or unreadable region, and for a file without any region.
pub fn read_panel(
    path: &Path,
    contig: impl Fn(&str) -> Option<(ContigId, u32)>,
) -> Result<Vec<Region>> {
    let file = input::display_name(path);
    let mut regions = Vec::new();
    for (i, line) in input::open(path)?.lines().enumerate() {
        let wrong = |what: String, remedy: &str| {
            Error::input(
                &file,
                format!("line {}", thousands(i as u64 + 1)),
                what,
                remedy,
            )
        };
        let line = line.map_err(|e| wrong(e.to_string(), "Give a BED file, plain or gzip."))?;
        let line = line.trim_end();
        if line.is_empty()
            || ["#", "track", "browser"]
                .iter()
                .any(|p| line.starts_with(p))
        {
            continue;
        }
        let columns: Vec<&str> = line.split('\t').collect();
        let number = |n: usize| columns.get(n).and_then(|c| c.parse::<u32>().ok());
        let (Some(start), Some(end)) = (number(1), number(2)) else {
            return Err(wrong(
                "not a BED region".into(),
                "Give contig, start (from 0) and end, with tabs between them.",
            ));
        };
        let Some((id, length)) = contig(columns[0]) else {
            return Err(wrong(
                format!("the reference has no contig {}", columns[0]),
                &remedy_for_name(columns[0], &contig),
            ));
        };
        if start >= end {
            return Err(wrong(
                format!("the region {start}-{end} is empty"),
                "BED counts from 0 and the end is not inside: end must be greater than start.",
            ));
        }
        if end > length {
            return Err(wrong(
                format!(
                    "the region ends at {end}, but {} has {length} bases",
                    columns[0]
                ),
                "Is the panel made for another genome build? Give the one for this reference.",
            ));
        }
        regions.push(Region {
            contig: id,
            span: Span::new(start, end),
            name: columns.get(3).map_or(String::new(), |s| (*s).to_string()),
        });
    }
    if regions.is_empty() {
        return Err(Error::input(
            file,
            "",
            "no region",
            "Give a BED file of the panel's targets.",
        ));
    }
    regions.sort_by_key(|r| (r.contig, r.span.start, r.span.end));
    Ok(regions)
}

/// The stretches that sorted regions cover, without overlap; regions that touch are joined.
pub fn merged(regions: &[Region]) -> Vec<(ContigId, Span)> {
    let mut out: Vec<(ContigId, Span)> = Vec::new();
    for r in regions {
        match out.last_mut() {
            Some((c, s)) if *c == r.contig && r.span.start <= s.end => {
                s.end = s.end.max(r.span.end);
            }
            _ => out.push((r.contig, r.span)),
        }
    }
    out
}

fn remedy_for_name(name: &str, contig: &impl Fn(&str) -> Option<(ContigId, u32)>) -> String {
    let other = name
        .strip_prefix("chr")
        .map_or_else(|| format!("chr{name}"), str::to_string);
    if contig(&other).is_some() {
        format!("The reference calls it {other}: use the reference's names in the panel.")
    } else {
        "Give the panel for this reference, with the reference's contig names.".into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    fn read(text: &str) -> Result<Vec<Region>> {
        let mut f = tempfile::NamedTempFile::new().unwrap();
        f.write_all(text.as_bytes()).unwrap();
        read_panel(f.path(), |name| match name {
            "7" => Some((ContigId(0), 1000)),
            "12" => Some((ContigId(1), 500)),
            _ => None,
        })
    }

    #[test]
    fn regions_come_sorted_and_overlaps_merge() {
        let all = read("# panel\n12\t5\t9\n7\t90\t100\tb\textra\ntrack x\n7\t10\t95\ta\n").unwrap();
        assert_eq!(all[0].name, "a");
        assert_eq!(all[1].name, "b");
        assert_eq!(
            merged(&all),
            [
                (ContigId(0), Span::new(10, 100)),
                (ContigId(1), Span::new(5, 9))
            ]
        );
    }

    #[test]
    fn wrong_lines_are_named_with_a_remedy() {
        for (text, parts) in [
            ("7\t1\t2\nchr7\t1\t2\n", ["line 2", "reference calls it 7"]),
            ("Y\t1\t2\n", ["no contig Y", "for this reference"]),
            ("7\t1\t1001\n", ["7 has 1000 bases", "build"]),
            ("7\t9\t9\n", ["9-9 is empty", "greater than start"]),
            ("7 1 2\n", ["not a BED region", "tabs"]),
            ("#\n", ["no region", "targets"]),
        ] {
            let message = read(text).unwrap_err().to_string();
            for part in parts {
                assert!(message.contains(part), "{message}");
            }
        }
    }
}
