//! Puts the shards of one calling run together: what comes out is, to the byte, what one run writes.

use super::loci::ELSEWHERE;
use super::shard::Shard;
use crate::format::output::Output;
use crate::format::{input, vcf};
use crate::{Error, Result, error::thousands};
use std::io::Read;
use std::path::{Path, PathBuf};

/// What a header says of the shard that the file is.
pub const SHARD_LINE: &str = "##theralign_shard=";
const COMMAND_LINE: &str = "##theralign_command=";
/// How small a fraction the run would have seen.
pub const LIMIT_LINE: &str = "##theralign_limit=";

/// What one shard wrote.
struct Part {
    path: PathBuf,
    shard: Shard,
    /// Without the shard's line.
    header: Vec<String>,
    records: Vec<String>,
    depth: String,
    /// None if no allele was asked for.
    loci: Option<String>,
}

/// Merges the shards' VCFs, and the depth and `.loci.tsv` beside them, to `output` and its siblings;
/// gives the number of records.
///
/// # Errors
/// When a file is missing, cut short or no shard; when a shard is missing or there twice; when the
/// shards are not of one run: other options, another panel, other reads. Nothing is written then.
pub fn run(shards: &[PathBuf], output: &Path) -> Result<u64> {
    let mut parts: Vec<Part> = shards.iter().map(|p| open(p)).collect::<Result<_>>()?;
    parts.sort_by_key(|p| p.shard.index);
    check(&parts)?;
    let first = &parts[0];
    let contigs: Vec<(String, u32)> = first.header.iter().filter_map(|l| contig(l)).collect();
    let contigs: Vec<(&str, u32)> = contigs.iter().map(|c| (c.0.as_str(), c.1)).collect();
    let mut lines = Vec::new();
    for part in &parts {
        for record in &part.records {
            lines.push(line(record, &contigs).ok_or_else(|| {
                wrong(
                    part,
                    format!("this is no record of theralign call: {record}"),
                    "Make the shard anew.",
                )
            })?);
        }
    }
    let header: String = first.header.iter().flat_map(|l| [l, "\n"]).collect();
    vcf::write_bgzf(&vcf::sibling(output, ".depth.bed.gz"), &first.depth)?;
    if let Some(table) = loci(&parts)? {
        Output::write(&vcf::sibling(output, ".loci.tsv"), table.as_bytes())?;
    }
    vcf::write_indexed(output, &header, &contigs, &lines)?;
    Ok(lines.len() as u64)
}

fn wrong(part: &Part, what: impl Into<String>, remedy: impl Into<String>) -> Error {
    Error::input(part.path.display().to_string(), "", what, remedy)
}

/// The text of a file, inflated.
fn text(path: &Path) -> Result<String> {
    let mut text = String::new();
    input::open(path)?.read_to_string(&mut text).map_err(|e| {
        let remedy = "The file may be cut short; make the shard anew.";
        Error::input(path.display().to_string(), "", e.to_string(), remedy)
    })?;
    Ok(text)
}

fn open(path: &Path) -> Result<Part> {
    let all = text(path)?;
    let (header, records): (Vec<&str>, Vec<&str>) = all.lines().partition(|l| l.starts_with('#'));
    let shard = header
        .iter()
        .find_map(|l| l.strip_prefix(SHARD_LINE)?.parse().ok())
        .ok_or_else(|| {
            Error::input(
                path.display().to_string(),
                "header",
                "this is no shard",
                "Give the VCFs that theralign call --shard wrote.",
            )
        })?;
    let header = header.into_iter().filter(|l| !l.starts_with(SHARD_LINE));
    let table = vcf::sibling(path, ".loci.tsv");
    Ok(Part {
        path: path.to_path_buf(),
        shard,
        header: header.map(|l| without_shard(l, shard)).collect(),
        records: records.into_iter().map(String::from).collect(),
        depth: text(&vcf::sibling(path, ".depth.bed.gz"))?,
        loci: table.exists().then(|| text(&table)).transpose()?,
    })
}

/// The line of the command as it would be without `--shard`.
fn without_shard(line: &str, shard: Shard) -> String {
    if !line.starts_with(COMMAND_LINE) {
        return line.to_string();
    }
    line.replace(&format!(" --shard {shard}"), "")
        .replace(&format!(" --shard={shard}"), "")
}

/// Are they all shards of one run?
fn check(parts: &[Part]) -> Result<()> {
    let Some(first) = parts.first() else {
        return Err(Error::usage(
            "no shard was given",
            "Give the VCFs that theralign call --shard wrote.",
        ));
    };
    for (part, index) in parts.iter().zip(1..) {
        if part.shard.count != first.shard.count {
            let what = format!(
                "shard {} does not go with shard {} of {}",
                part.shard,
                first.shard,
                first.path.display()
            );
            return Err(wrong(part, what, "Give the shards of one run."));
        }
        if part.shard.index < index {
            let what = format!("shard {} is given twice", part.shard);
            return Err(wrong(part, what, "Give each shard once."));
        }
        if part.shard.index > index {
            return Err(missing(part, index));
        }
        // Our own lines first: they say best what is different.
        let telling = |p: &Part| -> Vec<String> {
            // What follows from the reads, the depth tells better.
            let may_differ = |l: &str| l.starts_with(COMMAND_LINE) || l.starts_with(LIMIT_LINE);
            let all = p.header.iter().filter(|l| !may_differ(l));
            let (mut own, others): (Vec<String>, Vec<String>) =
                all.cloned().partition(|l| l.starts_with("##theralign_"));
            own.extend(others);
            own
        };
        if let Some((a, b)) = telling(first)
            .iter()
            .zip(&telling(part))
            .find(|(a, b)| a != b)
        {
            let what = format!("its header has {b:?} where shard {} has {a:?}", first.shard);
            return Err(wrong(part, what, "Give the shards of one run."));
        }
        if part.depth != first.depth || part.loci.is_some() != first.loci.is_some() {
            let what = format!(
                "it was made from other reads or another panel than shard {}",
                first.shard
            );
            return Err(wrong(part, what, "Give the shards of one run."));
        }
    }
    if (parts.len() as u32) < first.shard.count {
        return Err(missing(first, parts.len() as u32 + 1));
    }
    Ok(())
}

fn missing(part: &Part, index: u32) -> Error {
    let count = part.shard.count;
    wrong(
        part,
        format!("it is one of {count} shards, but shard {index}/{count} is missing"),
        "Give all shards of the run.",
    )
}

/// Each line of the table from the shard whose it is.
fn loci(parts: &[Part]) -> Result<Option<String>> {
    let tables: Vec<Vec<&str>> = parts
        .iter()
        .filter_map(|p| Some(p.loci.as_ref()?.lines().collect()))
        .collect();
    let Some(first) = tables.first() else {
        return Ok(None);
    };
    let mut out = String::new();
    for row in 0..first.len() {
        let known = |t: &Vec<&'_ str>| t.get(row).is_some_and(|l| *l != ELSEWHERE);
        let owners: Vec<usize> = (0..tables.len()).filter(|&k| known(&tables[k])).collect();
        // The line of column names is everyone's.
        if tables.iter().any(|t| t.len() != first.len()) || row > 0 && owners.len() != 1 {
            let what = format!(
                "line {} of its .loci.tsv does not go with the other shards'",
                thousands(row as u64 + 1)
            );
            return Err(wrong(&parts[0], what, "Give the shards of one run."));
        }
        out.push_str(tables[owners[0]][row]);
        out.push('\n');
    }
    Ok(Some(out))
}

/// Name and length of `##contig=<ID=20,length=63025520,...>`.
fn contig(line: &str) -> Option<(String, u32)> {
    let fields = line.strip_prefix("##contig=<ID=")?.strip_suffix('>')?;
    let (name, rest) = fields.split_once(",length=")?;
    let length = rest.split(',').next()?.parse().ok()?;
    Some((name.to_string(), length))
}

/// A record, with the place it covers.
fn line(record: &str, contigs: &[(&str, u32)]) -> Option<vcf::Line> {
    let mut fields = record.split('\t');
    let name = fields.next()?;
    let position: u32 = fields.next()?.parse().ok()?;
    let reference = fields.nth(1)?;
    let start = position.checked_sub(1)?;
    // A block of a gVCF says where it ends.
    let told = fields
        .nth(3)?
        .split(';')
        .find_map(|f| f.strip_prefix("END="));
    let end = match told {
        Some(end) => end.parse().ok()?,
        None => start + reference.len() as u32,
    };
    Some(vcf::Line {
        contig: contigs.iter().position(|c| c.0 == name)?,
        start,
        end,
        text: record.to_string(),
    })
}
