//! Reads from BAM to [`ReadBatch`]es: unaligned as sequencers and UMI tools write them, or aligned and
//! grouped by name; then the alignments are forgotten. Mates follow each other.

use super::bam::RawRecord;
use super::bam_reader::RecordReader;
use super::fastq::{MAX_BATCH_BASES, MAX_NAME, MAX_READ, ReadTimes};
use super::header::ReadGroup;
use super::input;
use super::sam::{TagValue, flag};
use super::tags;
use super::umi::{self, Umi};
use crate::batch::ReadBatch;
use crate::domain::complement;
use crate::error::thousands;
use crate::{Error, Result};
use std::io::Read;
use std::path::{Path, PathBuf};
use std::time::Instant;

/// Letters of 4-bit codes (SAM 1.6 §4.2.3); `=` has no meaning without a reference.
const LETTERS: [u8; 16] = *b"=ACMGRSVTWYHKDBN";

/// What to do when mates are not together.
const REGROUP: &str =
    "Mates must follow each other: samtools collate -o OUT.bam IN.bam, or samtools sort -n.";

/// Does this file, by its first bytes, hold BAM? Standard input and pipes are not looked at.
pub fn is_bam(path: &Path) -> bool {
    let mut magic = [0; 4];
    path.is_file()
        && input::open(path).is_ok_and(|mut r| r.read_exact(&mut magic).is_ok())
        && magic == *b"BAM\x01"
}

/// Reads BAM files one after another, batch by batch.
pub struct BamReader {
    files: std::vec::IntoIter<Records>,
    current: Option<Records>,
    groups: Vec<ReadGroup>,
    options: Options,
    next_lane: u32,
    next_batch: u64,
    next_template: u64,
    times: ReadTimes,
}

/// How to read.
#[derive(Clone, Copy, Debug)]
struct Options {
    batch_templates: usize,
    keep_groups: bool,
    umi: bool,
}

/// The records of one file.
struct Records {
    reader: RecordReader,
    templates: u64,
    by_coordinate: bool,
}

/// What came of trying to append a template.
enum Pushed {
    Template,
    /// The next one is paired and the batch is not, or the other way round.
    Other,
    End,
}

impl BamReader {
    /// Opens the files and reads their headers. `keep_groups`: records keep their RG, whose header lines
    /// [`BamReader::groups`] gives. `umi`: where it stands, if RX is to be made of it.
    ///
    /// # Errors
    /// For files that are no whole BAM, and read groups of one name that differ.
    pub fn open(
        paths: &[PathBuf],
        batch_templates: usize,
        keep_groups: bool,
        umi: Option<Umi>,
    ) -> Result<BamReader> {
        if umi == Some(Umi::Comment) {
            return Err(Error::usage(
                "--umi comment with BAM input, which has no comments",
                "UMIs in RX tags are kept without an option.",
            ));
        }
        let mut groups: Vec<ReadGroup> = Vec::new();
        let mut files = Vec::new();
        for path in paths {
            let (records, lines) = Records::open(path)?;
            files.push(records);
            for line in lines.iter().filter(|_| keep_groups) {
                let group = ReadGroup::parse(line).map_err(|e| {
                    Error::input(
                        path.display().to_string(),
                        "header",
                        e.to_string(),
                        "Mend it with samtools reheader.",
                    )
                })?;
                match groups.iter().find(|g| g.id == group.id) {
                    None => groups.push(group),
                    Some(other) if *other == group => {}
                    Some(_) => {
                        return Err(Error::input(
                            path.display().to_string(),
                            "header",
                            format!("read group {} is another one in another file", group.id),
                            "Give the read groups different IDs, or one for all with -R.",
                        ));
                    }
                }
            }
        }
        Ok(BamReader {
            files: files.into_iter(),
            current: None,
            groups,
            options: Options {
                batch_templates,
                keep_groups,
                umi: umi.is_some(),
            },
            next_lane: 0,
            next_batch: 0,
            next_template: 0,
            times: ReadTimes::default(),
        })
    }

    /// The read groups of the records.
    pub fn groups(&self) -> &[ReadGroup] {
        &self.groups
    }

    /// What reading took so far.
    pub fn times(&self) -> ReadTimes {
        self.times
    }

    /// The next batch, or `None` after the last: pairs or single reads, never both.
    ///
    /// # Errors
    /// Names file and record for what is broken, and for mates that do not follow each other.
    pub fn next_batch(&mut self) -> Result<Option<ReadBatch>> {
        let start = Instant::now();
        let batch = self.fill();
        self.times.parsing += start.elapsed();
        batch
    }

    fn fill(&mut self) -> Result<Option<ReadBatch>> {
        let mut batch = ReadBatch::default();
        loop {
            let Some(records) = &mut self.current else {
                self.current = self.files.next();
                if self.current.is_none() {
                    return Ok(None);
                }
                self.next_lane += 1;
                continue;
            };
            let ended = loop {
                if batch.templates() >= self.options.batch_templates
                    || batch.bases.len() >= MAX_BATCH_BASES
                {
                    break false;
                }
                match records.push_template(&mut batch, self.options, &self.groups)? {
                    Pushed::Template => records.templates += 1,
                    Pushed::Other => break false,
                    Pushed::End => break true,
                }
            };
            if ended {
                if records.templates == 0 {
                    return Err(Error::input(
                        records.reader.path().display().to_string(),
                        "",
                        "no read in this BAM",
                        "The file is empty: check the step that wrote it.",
                    ));
                }
                let (waited, inflating) = records.reader.times();
                self.times.waiting += waited;
                self.times.parsing = self.times.parsing.saturating_sub(waited);
                self.times.inflating += inflating;
                self.current = None;
            }
            if batch.is_empty() {
                continue;
            }
            batch.lane = self.next_lane - 1;
            batch.number = self.next_batch;
            batch.first_template = self.next_template;
            self.next_batch += 1;
            self.next_template += batch.templates() as u64;
            return Ok(Some(batch));
        }
    }
}

impl Records {
    /// Reads the header; gives the lines of its read groups.
    fn open(path: &Path) -> Result<(Records, Vec<String>)> {
        let reader = RecordReader::open(path)?;
        let lines = reader.text().lines();
        let by_coordinate = (lines.clone().next())
            .is_some_and(|l| l.starts_with("@HD") && l.split('\t').any(|f| f == "SO:coordinate"));
        let groups = lines.filter(|l| l.starts_with("@RG\t"));
        let groups = groups.map(str::to_string).collect();
        let records = Records {
            reader,
            templates: 0,
            by_coordinate,
        };
        Ok((records, groups))
    }

    /// Brings the next primary record to the front and gives its length; `None` at the end.
    fn next_primary(&mut self) -> Result<Option<usize>> {
        loop {
            let Some(record) = self.reader.peek()? else {
                return Ok(None);
            };
            if record.flag() & (flag::SECONDARY | flag::SUPPLEMENTARY) == 0 {
                return Ok(Some(record.bytes().len()));
            }
            self.reader.advance();
        }
    }

    fn push_template(
        &mut self,
        batch: &mut ReadBatch,
        options: Options,
        groups: &[ReadGroup],
    ) -> Result<Pushed> {
        let Some(length) = self.next_primary()? else {
            return Ok(Pushed::End);
        };
        let record = RawRecord::new(self.reader.record(length));
        let paired = record.has(flag::PAIRED);
        if !batch.is_empty() && batch.paired != paired {
            return Ok(Pushed::Other);
        }
        batch.paired = paired;
        let mates = record.flag() & (flag::FIRST | flag::SECOND);
        let name = record.name();
        if name.is_empty()
            || name == b"*"
            || name.len() > MAX_NAME
            || !name.iter().all(u8::is_ascii_graphic)
        {
            return Err(self.wrong(
                "its name is missing or has characters that do not print",
                "Give each template a name.",
            ));
        }
        let umi = options.umi.then(|| umi::of_name(name));
        let name = name.to_vec();
        batch.names.extend_from_slice(&name);
        batch.name_ends.push(batch.names.len() as u32);
        let umi = match umi {
            Some(None) => {
                return Err(self.wrong(
                    format!(
                        "no UMI behind the last colon of its name, {}",
                        name.escape_ascii()
                    ),
                    "Leave out --umi; RX tags are kept without it.",
                ));
            }
            umi => umi.flatten(),
        };
        self.take(length, batch, options, groups, umi.as_deref())?;
        if !paired {
            return Ok(Pushed::Template);
        }
        let Some(length) = self.next_primary()? else {
            return Err(self.wrong(
                format!("the file ends, but {} has no mate", name.escape_ascii()),
                REGROUP,
            ));
        };
        let record = RawRecord::new(self.reader.record(length));
        if record.name() != name || !record.has(flag::PAIRED) {
            let (other, name) = (record.name().escape_ascii(), name.escape_ascii());
            return Err(self.wrong(format!("{other} follows {name}, which has a mate"), REGROUP));
        }
        let both = [mates, record.flag() & (flag::FIRST | flag::SECOND)];
        self.take(length, batch, options, groups, umi.as_deref())?;
        match both {
            [flag::FIRST, flag::SECOND] => {}
            [flag::SECOND, flag::FIRST] => swap_last(batch),
            _ => {
                return Err(self.wrong(
                    format!("{} is not one mate 1 and one mate 2", name.escape_ascii()),
                    "Flags 0x40 and 0x80 tell mates apart; see samtools fixmate.",
                ));
            }
        }
        Ok(Pushed::Template)
    }

    /// Appends bases, qualities and tags of the record at the window's start, as they were sequenced.
    fn take(
        &mut self,
        length: usize,
        batch: &mut ReadBatch,
        options: Options,
        groups: &[ReadGroup],
        umi: Option<&[u8]>,
    ) -> Result<()> {
        let record = RawRecord::new(self.reader.record(length));
        let wrong = |what: String, remedy: &str| Err(self.wrong(what, remedy));
        if self.by_coordinate && !record.has(flag::UNMAPPED) {
            return wrong("the file is sorted by coordinate".into(), REGROUP);
        }
        if record.cigar().any(|(_, code)| code == 5) {
            return wrong(
                "a primary record with hard-clipped bases".into(),
                "Start from the unaligned reads: part of this one is gone.",
            );
        }
        let bases = record.bases();
        let quals = record.quals();
        if quals.len() > MAX_READ {
            return wrong(
                format!("a read of {} bases", thousands(quals.len() as u64)),
                "theralign aligns short reads; use minimap2 for long ones.",
            );
        }
        if let Some(bad) = quals.iter().find(|q| **q > 93) {
            let what = match bad {
                255 => "it has no qualities".to_string(),
                bad => format!("a quality of {bad}"),
            };
            return wrong(what, "Qualities are Phred values from 0 to 93.");
        }
        let start = batch.bases.len();
        batch.bases.extend(
            (0..quals.len()).map(|i| LETTERS[usize::from(bases[i / 2] >> (4 * (1 - i % 2)) & 15)]),
        );
        if batch.bases[start..].contains(&b'=') {
            return wrong("bases written as =".into(), "Write them as letters.");
        }
        batch.quals.extend_from_slice(quals);
        if record.has(flag::REVERSE) {
            batch.bases[start..].reverse();
            batch.quals[start..].reverse();
            for base in &mut batch.bases[start..] {
                *base = complement(*base);
            }
        }
        batch.read_ends.push(batch.bases.len() as u32);
        let mut fields = record.tags();
        while let Some((tag, rest)) = tags::first(fields) {
            fields = rest;
            let printing = |b: &[u8]| b.iter().all(|c| (b' '..=b'~').contains(c));
            let text = match tag.value {
                TagValue::Bam(b'Z' | b'H', [text @ .., _]) | TagValue::Bam(b'A', text) => text,
                _ => b"",
            };
            let name = tag.name.escape_ascii();
            if !printing(text) || !tag.name.iter().all(u8::is_ascii_alphanumeric) {
                return wrong(
                    format!("tag {name} has characters that do not print"),
                    "Leave that tag out.",
                );
            }
            match &tag.name {
                b"RG" => {
                    if !options.keep_groups {
                        continue;
                    }
                    if !groups.iter().any(|g| g.id.as_bytes() == text) {
                        return wrong(
                            format!("the header has no read group {}", text.escape_ascii()),
                            "Add it with samtools addreplacerg, or give one with -R.",
                        );
                    }
                }
                b"RX" if umi.is_some() => continue,
                name if tags::is_ours(*name) => continue,
                _ => {}
            }
            tags::push(&tag, &mut batch.tags);
        }
        if !fields.is_empty() {
            return wrong("its tags are damaged".into(), "Make the file again.");
        }
        if let Some(umi) = umi {
            tags::push_text(*b"RX", umi, &mut batch.tags);
        }
        batch.tag_ends.push(batch.tags.len() as u32);
        self.reader.advance();
        Ok(())
    }

    /// An error in the record at hand.
    fn wrong(&self, what: impl Into<String>, remedy: impl Into<String>) -> Error {
        self.reader.wrong(what, remedy)
    }
}

/// Swaps the mates of the last template.
fn swap_last(batch: &mut ReadBatch) {
    let rotate = |field: &mut [u8], ends: &[u32]| {
        let start = ends.len().checked_sub(3).map_or(0, |i| ends[i]) as usize;
        field[start..].rotate_left(ends[ends.len() - 2] as usize - start);
    };
    rotate(&mut batch.bases, &batch.read_ends);
    rotate(&mut batch.quals, &batch.read_ends);
    rotate(&mut batch.tags, &batch.tag_ends);
    for ends in [&mut batch.read_ends, &mut batch.tag_ends] {
        let last = ends.len() - 1;
        let start = last.checked_sub(2).map_or(0, |i| ends[i]);
        ends[last - 1] = start + ends[last] - ends[last - 1];
    }
}

#[cfg(test)]
#[path = "ubam_tests.rs"]
mod tests;
