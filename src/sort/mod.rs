//! Records in the order of the reads, to a coordinate-sorted BAM with its index, duplicates marked.
//!
//! Records are sorted by contig, position, strand, and then as the reads came; those without a place
//! come last. Neither memory, nor threads, nor the way the input was cut changes a byte.

mod dedup;
mod external;
pub mod library;
mod optical;

use crate::format::bam::{self, RawRecord};
use crate::format::bam_index::IndexBuilder;
use crate::format::bgzf;
use crate::format::header::ReadGroup;
use crate::format::output::Output;
use crate::format::sam::flag;
use crate::genome::Contig;
use crate::timings::{Clock, Stage, Timings};
use crate::{Error, Result};
use bytemuck::{Pod, Zeroable};
use dedup::Finder;
use external::{ExternalSorter, Merged};
use library::Counts;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// What happens to templates that are copies of another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Duplicates {
    /// They get flag 0x400, secondary and supplementary records and unaligned mates included.
    Mark,
    /// They are left out.
    Remove,
    /// They are not looked for.
    Off,
}

/// How to sort.
#[derive(Clone, Debug)]
pub struct Options {
    /// Bytes of records and signatures to hold in memory, about; the rest goes to disk.
    pub memory: usize,
    /// Where to put what memory does not hold; if not given, the output's folder.
    pub temporary: Option<PathBuf>,
    /// What to do with duplicates.
    pub duplicates: Duplicates,
    /// Duplicates that are no further apart on a flow cell, in its coordinates, are optical; 0 looks for none.
    pub optical_distance: u32,
    /// Level of compression, 0 to 12.
    pub level: u8,
}

/// What was sorted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Summary {
    /// Records written.
    pub records: u64,
    /// Templates taken.
    pub templates: u64,
    /// Templates of these that are duplicates; 0 if they were not looked for.
    pub duplicate_templates: u64,
    /// Duplicates of each library that has reads; none if they were not looked for.
    pub libraries: Vec<Counts>,
}

/// First by place in the genome, then by place in the input.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Pod, Zeroable)]
#[repr(C)]
struct Key {
    /// Contig, position, strand.
    place: u64,
    /// Number of its template in the input.
    template: u64,
}

impl Key {
    fn of(record: RawRecord, template: u64) -> Key {
        let place = if record.contig() < 0 {
            u64::MAX
        } else {
            let reverse = record.has(flag::REVERSE);
            (record.contig() as u64) << 33 | (record.pos() as u32 as u64) << 1 | u64::from(reverse)
        };
        Key { place, template }
    }
}

/// Takes records as bytes, template by template, and writes a sorted BAM at the end.
pub struct Sorter {
    output: Output,
    records: ExternalSorter<Key>,
    finder: Option<Finder>,
    templates: u64,
    duplicates: Duplicates,
    level: u8,
}

impl Sorter {
    /// Opens the output (see [`Output`]). Duplicates are copies within a library of the read `groups`.
    pub fn new(path: &Path, options: &Options, groups: &[ReadGroup]) -> Result<Sorter> {
        let output = Output::create(path)?;
        let folder = match &options.temporary {
            Some(folder) => folder.clone(),
            None => match path.parent() {
                Some(folder) if path.as_os_str() != "-" && folder != Path::new("") => folder.into(),
                _ => PathBuf::from("."),
            },
        };
        let marking = options.duplicates != Duplicates::Off;
        // A signature takes about a sixth of the room of a pair's records.
        let for_finder = if marking { options.memory / 6 } else { 0 };
        Ok(Sorter {
            output,
            finder: marking
                .then(|| Finder::new(&folder, for_finder, groups, options.optical_distance)),
            records: ExternalSorter::new(folder, options.memory - for_finder),
            templates: 0,
            duplicates: options.duplicates,
            level: options.level,
        })
    }

    /// Takes whole templates: records as [`bam::write_bam`] makes them, those of a template together,
    /// templates in the order of the input.
    pub fn push(&mut self, bytes: &[u8]) -> Result<()> {
        let records: Vec<RawRecord> = RawRecord::split(bytes).collect();
        let mut rest = &records[..];
        while !rest.is_empty() {
            let (template, behind) = rest.split_at(template_len(rest));
            if let Some(finder) = &mut self.finder {
                finder.push(template)?;
            }
            for record in template {
                let key = Key::of(*record, self.templates);
                self.records.push(key, record.bytes())?;
            }
            self.templates += 1;
            rest = behind;
        }
        Ok(())
    }

    /// Writes the BAM and, beside a file, its index (`.bai`, or `.csi` if a contig is too long for that).
    /// Tells what it sorted, and what this took. `text` is the header's text, see [`crate::format::header::text`].
    pub fn finish(self, text: &str, contigs: &[Contig]) -> Result<(Summary, Timings)> {
        let mut timings = Timings::default();
        let mut clock = Clock::start();
        let path = self.output.path().to_path_buf();
        let copies = self.finder.map(Finder::finish).transpose()?;
        let remove = self.duplicates == Duplicates::Remove;
        let fate = |template| match &copies {
            Some(copies) if copies.contains(template) && remove => Fate::Remove,
            Some(copies) if copies.contains(template) => Fate::Mark,
            _ => Fate::Keep,
        };
        let writer = bgzf::Writer::new(self.output, self.level);
        let head = bam::header(text, contigs);
        let index = IndexBuilder::new(contigs.iter().map(|c| c.length));
        let merged = self.records.finish()?;
        clock.lap(&mut timings, Stage::Sort);
        let whole = write_sorted(writer, &head, index, merged, fate, &path)?;
        if whole.output.is_new_file() {
            add_index(&path, whole.output, &whole.index, whole.extension)?;
        } else {
            whole.output.finish()?;
        }
        clock.lap(&mut timings, Stage::Write);
        timings.add(Stage::Deflate, whole.deflating);
        let summary = Summary {
            records: whole.records,
            templates: self.templates,
            duplicate_templates: copies.as_ref().map_or(0, dedup::Copies::count),
            libraries: copies.map_or(Vec::new(), |c| c.of_library),
        };
        Ok((summary, timings))
    }
}

/// What becomes of a template's records.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Fate {
    Keep,
    Mark,
    Remove,
}

/// A BAM that is written to its end.
struct Whole<W> {
    output: W,
    index: Vec<u8>,
    extension: &'static str,
    records: u64,
    deflating: Duration,
}

fn write_sorted<W: Write + Send + 'static>(
    mut writer: bgzf::Writer<W>,
    head: &[u8],
    mut index: IndexBuilder,
    mut merged: Merged<Key>,
    fate: impl Fn(u64) -> Fate,
    path: &Path,
) -> Result<Whole<W>> {
    writer.write_all(head).map_err(Error::io(path))?;
    let mut records = 0;
    let mut marked = Vec::new();
    while let Some((key, bytes)) = merged.next()? {
        let bytes = match fate(key.template) {
            Fate::Keep => bytes,
            Fate::Remove => continue,
            Fate::Mark => {
                marked.clear();
                marked.extend_from_slice(bytes);
                bam::set_flag(&mut marked, flag::DUPLICATE);
                &marked
            }
        };
        let from = writer.place();
        writer.write_all(bytes).map_err(Error::io(path))?;
        let record = RawRecord::new(bytes);
        index.add(
            record.contig(),
            record.pos(),
            record.reference_len(),
            !record.has(flag::UNMAPPED),
            from..writer.place(),
        );
        records += 1;
    }
    let written = writer.finish().map_err(Error::io(path))?;
    let extension = index.extension();
    let index = match (extension, index.finish(&written.starts)) {
        ("csi", bytes) => bgzf::compressed(&bytes, bgzf::DEFAULT_LEVEL),
        (_, bytes) => bytes,
    };
    Ok(Whole {
        output: written.inner,
        index,
        extension,
        records,
        deflating: written.deflating,
    })
}

/// Gives BAM and index their names, so that no index of another file ever stands beside the BAM.
fn add_index(path: &Path, bam: Output, index: &[u8], extension: &str) -> Result<()> {
    let beside = |extension: &str| {
        let mut name = path.as_os_str().to_owned();
        name.push(".");
        name.push(extension);
        PathBuf::from(name)
    };
    let name = beside(extension);
    let mut file = Output::create(&name)?;
    file.write_all(index).map_err(Error::io(&name))?;
    for old in ["bai", "csi"].map(beside) {
        match std::fs::remove_file(&old) {
            Err(e) if e.kind() != std::io::ErrorKind::NotFound => return Err(Error::io(old)(e)),
            _ => {}
        }
    }
    bam.finish()?;
    file.finish()
}

/// Records of the first template: up to another name, or to another primary record of the same mate.
fn template_len(records: &[RawRecord]) -> usize {
    let mut mates = [false; 4];
    let mut same = |record: &RawRecord| {
        if record.flag() & (flag::SECONDARY | flag::SUPPLEMENTARY) != 0 {
            return true;
        }
        let mate = usize::from(record.flag() >> 6 & 3); // FIRST and SECOND
        !std::mem::replace(&mut mates[mate], true)
    };
    let name = records[0].name();
    let other = records.iter().position(|r| r.name() != name || !same(r));
    other.unwrap_or(records.len())
}

#[cfg(test)]
mod tests;
