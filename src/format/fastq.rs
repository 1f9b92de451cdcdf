//! FASTQ to [`ReadBatch`]es: one file or two, mates interleaved or not, several lanes one after
//! another. Four lines to a record.

use super::input;
use super::stream::{HEADROOM, Stop, Window};
use super::tags;
use super::umi::{self, Umi};
use crate::batch::ReadBatch;
use crate::{Error, Result, error::thousands};
use memchr::memchr;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// Longest read that is taken; lengths fit 16 bits on the devices.
pub const MAX_READ: usize = 65_535;
/// Longest name; BAM (SAM 1.6 §4.2) gives its length, with a NUL, one byte.
pub(super) const MAX_NAME: usize = 254;
/// A batch ends early when it holds so many bases, so that long reads do not grow it without bound.
pub(super) const MAX_BATCH_BASES: usize = 1 << 27;

/// How the reads of the given files belong together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pairing {
    /// Each file is a lane of single reads.
    Single,
    /// Files 1 and 2 are the first lane's mates 1 and 2, files 3 and 4 the second lane's, and so on.
    Paired,
    /// Each file is a lane in which mate 2 follows mate 1.
    Interleaved,
}

impl Pairing {
    /// What a number of files means if nothing else is said: one is single, an even number is paired.
    ///
    /// # Errors
    /// For no file, and for an odd number above 1.
    pub fn of_files(files: usize) -> Result<Pairing> {
        match files {
            0 => Err(Error::usage("no FASTQ file", "Name one, or R1 and R2.")),
            1 => Ok(Pairing::Single),
            n if n % 2 == 0 => Ok(Pairing::Paired),
            n => Err(Error::usage(
                format!("{n} FASTQ files do not make pairs"),
                "Give R1 R2 of each lane, one lane after another.",
            )),
        }
    }
}

/// What of a record is kept beside its read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Extras {
    /// Where the UMI stands that becomes RX, if it does.
    pub umi: Option<Umi>,
    /// The comment behind the name holds fields of SAM, with tabs between them.
    pub comments: bool,
}

impl Extras {
    fn any(self) -> bool {
        self != Extras::default()
    }
}

/// Reads the lanes of an input, batch by batch. Each file is read and inflated on its own thread.
pub struct FastqReader {
    lanes: std::vec::IntoIter<Vec<PathBuf>>,
    pairing: Pairing,
    batch_templates: usize,
    extras: Extras,
    current: Option<Lane>,
    next_lane: u32,
    next_batch: u64,
    next_template: u64,
    times: ReadTimes,
}

/// What reading took.
#[derive(Clone, Copy, Debug, Default)]
pub struct ReadTimes {
    /// Finding records, waiting aside.
    pub parsing: Duration,
    /// Waiting for bytes.
    pub waiting: Duration,
    /// Reading and inflating on the files' threads, of lanes that are done.
    pub inflating: Duration,
}

struct Lane {
    number: u32,
    files: Vec<Records>,
    templates: u64,
    /// Of the current template's records, if they are wanted.
    comments: [Vec<u8>; 2],
}

impl FastqReader {
    /// Checks the list of files (plain, gzip or BGZF; `-` is standard input) and gets ready to read
    /// them in batches of `batch_templates` reads or pairs. Where batches end does not change any read.
    ///
    /// # Errors
    /// For a missing file, a file named twice, and an odd number of files with [`Pairing::Paired`].
    pub fn open(
        paths: &[PathBuf],
        pairing: Pairing,
        batch_templates: usize,
    ) -> Result<FastqReader> {
        assert!(batch_templates > 0, "a batch holds at least one template");
        let files_per_lane = if pairing == Pairing::Paired { 2 } else { 1 };
        if paths.is_empty() || !paths.len().is_multiple_of(files_per_lane) {
            Pairing::of_files(paths.len())?;
        }
        check_distinct(paths)?;
        let lanes: Vec<_> = paths.chunks(files_per_lane).map(<[_]>::to_vec).collect();
        Ok(FastqReader {
            lanes: lanes.into_iter(),
            pairing,
            batch_templates,
            extras: Extras::default(),
            current: None,
            next_lane: 0,
            next_batch: 0,
            next_template: 0,
            times: ReadTimes::default(),
        })
    }

    /// Keeps more than the reads.
    #[must_use]
    pub fn with(mut self, extras: Extras) -> FastqReader {
        self.extras = extras;
        self
    }

    /// The next batch, or `None` after the last. After an error there is nothing more to be had.
    ///
    /// # Errors
    /// Names file and record for everything that is not FASTQ or not a pair.
    pub fn next_batch(&mut self) -> Result<Option<ReadBatch>> {
        let start = Instant::now();
        let mut batch = ReadBatch::default();
        let filled = self.fill(&mut batch)?;
        self.times.parsing += start.elapsed();
        Ok(filled.then_some(batch))
    }

    /// What reading took so far.
    pub fn times(&self) -> ReadTimes {
        let parsing = self.times.parsing.saturating_sub(self.times.waiting);
        ReadTimes {
            parsing,
            ..self.times
        }
    }

    /// As [`FastqReader::next_batch`], into a batch whose memory is used again; false after the last.
    ///
    /// # Errors
    /// As [`FastqReader::next_batch`].
    pub fn fill(&mut self, batch: &mut ReadBatch) -> Result<bool> {
        batch.clear();
        batch.paired = self.pairing != Pairing::Single;
        loop {
            let lane = match &mut self.current {
                Some(lane) => lane,
                None => match self.lanes.next() {
                    None => return Ok(false),
                    Some(paths) => {
                        let files = paths.iter().map(|p| Records::open(p));
                        self.next_lane += 1;
                        self.current.insert(Lane {
                            number: self.next_lane - 1,
                            files: files.collect::<Result<_>>()?,
                            templates: 0,
                            comments: Default::default(),
                        })
                    }
                },
            };
            while batch.templates() < self.batch_templates && batch.bases.len() < MAX_BATCH_BASES {
                if !lane.push_template(self.pairing, self.extras, batch)? {
                    break;
                }
            }
            if batch.is_empty() {
                for file in &lane.files {
                    let (waited, inflating) = file.window.times();
                    self.times.waiting += waited;
                    self.times.inflating += inflating;
                }
                self.current = None;
                continue;
            }
            batch.lane = lane.number;
            batch.number = self.next_batch;
            batch.first_template = self.next_template;
            self.next_batch += 1;
            self.next_template += batch.templates() as u64;
            return Ok(true);
        }
    }
}

impl Lane {
    /// Appends the lane's next template; false at its end.
    fn push_template(
        &mut self,
        pairing: Pairing,
        extras: Extras,
        batch: &mut ReadBatch,
    ) -> Result<bool> {
        let name_start = batch.names.len();
        let [first_comment, second_comment] = &mut self.comments;
        let wanted = |comment| extras.any().then_some(comment);
        let (one, two) = self.files.split_at_mut(1);
        if !one[0].push_read(batch, wanted(first_comment))? {
            if let Some(two) = two.first_mut()
                && two.push_read(batch, None)?
            {
                return Err(one[0].ends_before(&two.file));
            }
            if self.templates == 0 {
                return Err(one[0].empty());
            }
            return Ok(false);
        }
        let name_len = batch.names.len() - name_start;
        let kept = if pairing == Pairing::Single {
            let name = &batch.names[name_start..];
            name.len() - usize::from(matches!(name, [_, .., b'/', b'1' | b'2'])) * 2
        } else {
            let mate = two.first_mut();
            let first_file = mate.is_some().then(|| one[0].file.clone());
            let records = mate.unwrap_or(&mut one[0]);
            if !records.push_read(batch, wanted(second_comment))? {
                return Err(match first_file {
                    Some(first) => records.ends_before(&first),
                    None => records.odd(),
                });
            }
            let (first, second) = batch.names[name_start..].split_at(name_len);
            match shared_name(first, second) {
                Some(length) => length,
                None => return Err(records.out_of_step(first, second)),
            }
        };
        batch.names.truncate(name_start + kept);
        batch.name_ends.push(batch.names.len() as u32);
        self.templates += 1;
        if extras.any() {
            self.push_tags(extras, batch)?;
        }
        Ok(true)
    }

    /// Appends the tags of the last template's reads.
    fn push_tags(&self, extras: Extras, batch: &mut ReadBatch) -> Result<()> {
        let comments = &self.comments[..=usize::from(batch.paired)];
        let wrong = |what: &str, text: &[u8], remedy: &str| {
            let file = &self.files[0];
            let at = format!("record {}", thousands(file.done));
            Error::input(&file.file, at, format!("{what} {}", shown(text)), remedy)
        };
        let umi = match extras.umi {
            None => None,
            Some(Umi::Name) => {
                let name = batch.name(batch.templates() - 1);
                Some(umi::of_name(name).ok_or_else(|| {
                    let remedy = "Names end like :ACGT or :ACGT+TTAC with --umi name.";
                    wrong("no UMI behind the last colon of the name", name, remedy)
                })?)
            }
            Some(Umi::Comment) => {
                let mut found: Vec<_> =
                    comments.iter().filter_map(|c| umi::of_comment(c)).collect();
                found.dedup(); // mates usually repeat it
                if found.is_empty() {
                    let remedy =
                        "Comments hold RX:Z:ACGT-TTAC, or end in ACGT+TTAC, with --umi comment.";
                    return Err(wrong("no UMI in the comment", &comments[0], remedy));
                }
                Some(found.join(&b'-'))
            }
        };
        for comment in comments {
            let fields = comment.split(|&c| c == b'\t').filter(|f| !f.is_empty());
            for field in fields.filter(|_| extras.comments) {
                let replaced = field.starts_with(b"RG")
                    || umi.is_some() && field.starts_with(b"RX")
                    || (field.first_chunk()).is_some_and(|name| tags::is_ours(*name));
                if !replaced && tags::parse(field, &mut batch.tags).is_none() {
                    let remedy =
                        "With -C comments hold fields like RX:Z:ACGT, with tabs between them.";
                    return Err(wrong("no field of SAM in the comment:", field, remedy));
                }
            }
            if let Some(umi) = &umi {
                tags::push_text(*b"RX", umi, &mut batch.tags);
            }
            batch.tag_ends.push(batch.tags.len() as u32);
        }
        Ok(())
    }
}

/// How much of the first name both mates share, if they are mates: all of it, or all but an ending
/// that counts mates (`/1` and `/2`, `.1` and `.2`) and that both of them have.
fn shared_name(first: &[u8], second: &[u8]) -> Option<usize> {
    let stem = first.len().saturating_sub(2);
    match (first, second) {
        _ if first == second => Some(match first {
            [_, .., b'/', b'1' | b'2'] => stem, // a file that marks its own mates wrongly, or both alike
            _ => first.len(),
        }),
        ([_, .., a, b'1'], [_, .., b, b'2']) if a == b && matches!(a, b'/' | b'.') => {
            (first[..stem] == second[..second.len() - 2]).then_some(stem)
        }
        _ => None,
    }
}

/// Two names for one file would pair each read with itself, or count it twice.
fn check_distinct(paths: &[PathBuf]) -> Result<()> {
    let mut real = Vec::with_capacity(paths.len());
    for path in paths {
        let place = if path.as_os_str() == "-" {
            path.clone()
        } else {
            let about = path.metadata().map_err(Error::io(path))?;
            if about.is_dir() {
                return Err(Error::usage(
                    format!("{} is a folder", path.display()),
                    "Name the FASTQ files in it.",
                ));
            }
            // What has no place of its own (a pipe) cannot be compared, and is not the same twice.
            path.canonicalize().unwrap_or_else(|_| path.clone())
        };
        real.push(place);
    }
    for (i, place) in real.iter().enumerate() {
        if real[..i].contains(place) {
            return Err(Error::usage(
                format!("{} is given twice", input::display_name(&paths[i])),
                "Each FASTQ file is read once; R1 and R2 are two files, interleaved mates one file with -p.",
            ));
        }
    }
    Ok(())
}

/// The records of one file.
struct Records {
    path: PathBuf,
    /// For messages.
    file: String,
    window: Window,
    /// Whole records so far.
    done: u64,
}

/// Where the parts of a record lie, from its first byte.
struct Parts {
    name: Range<usize>,
    comment: Range<usize>,
    bases: Range<usize>,
    quals: Range<usize>,
    used: usize,
}

/// What the bytes at hand are.
enum Cut {
    Record(Parts),
    /// The start of a record; more bytes are needed.
    Unfinished,
    /// No record: what is wrong, and a remedy.
    Wrong(String, String),
}

impl Records {
    fn open(path: &Path) -> Result<Records> {
        Ok(Records {
            path: path.to_path_buf(),
            file: input::display_name(path),
            window: Window::open(path)?,
            done: 0,
        })
    }

    /// Appends the next record's bases, qualities and name to the batch, but no name end, and puts its
    /// comment in place of the one before; false at the end of the file.
    fn push_read(&mut self, batch: &mut ReadBatch, comment: Option<&mut Vec<u8>>) -> Result<bool> {
        let parts = loop {
            let bytes = self.window.bytes();
            match cut(bytes, self.window.ended()) {
                Cut::Record(parts) => break parts,
                Cut::Wrong(what, remedy) => {
                    return Err(self.no_record(what, remedy));
                }
                Cut::Unfinished if !self.window.ended() => {
                    if let Err(stop) = self.window.read_more() {
                        return Err(self.stopped(stop));
                    }
                }
                Cut::Unfinished if bytes.iter().all(u8::is_ascii_whitespace) => return Ok(false),
                Cut::Unfinished => {
                    return Err(
                        self.no_record("the file ends within this record", self.cut_remedy())
                    );
                }
            }
        };
        let bytes = self.window.bytes();
        let name = &bytes[parts.name];
        if name.is_empty() || name.len() > MAX_NAME || !name.iter().all(u8::is_ascii_graphic) {
            return Err(self.wrong(
                if name.is_empty() {
                    "the record has no name".into()
                } else if name.len() > MAX_NAME {
                    format!("a name of {} characters", name.len())
                } else {
                    format!("a name with characters that do not print: {}", shown(name))
                },
                format!("SAM takes names of 1 to {MAX_NAME} printing characters."),
            ));
        }
        batch.names.extend_from_slice(name);
        if let Some(comment) = comment {
            comment.clear();
            comment.extend_from_slice(&bytes[parts.comment]);
        }
        if let Err((at, bad)) = push_bases(&bytes[parts.bases], &mut batch.bases) {
            return Err(self.wrong(
                format!("{} as base {}", shown(&[bad]), at + 1),
                "Bases are A, C, G, T, N or another IUPAC letter.",
            ));
        }
        if let Err((at, bad)) = push_quals(&bytes[parts.quals], &mut batch.quals) {
            return Err(self.wrong(
                format!("{} (code {bad}) as quality {}", shown(&[bad]), at + 1),
                "Qualities are written as the characters from ! (Phred 0) to ~ (Phred 93).",
            ));
        }
        batch.read_ends.push(batch.bases.len() as u32);
        self.window.advance(parts.used);
        self.done += 1;
        Ok(true)
    }

    fn stopped(&self, stop: Stop) -> Error {
        let e = match stop {
            Stop::Refused(e) => return e,
            Stop::TooLong => {
                return self.no_record(
                    format!(
                        "no end of the record within {} bytes",
                        thousands(HEADROOM as u64)
                    ),
                    format!(
                        "Give FASTQ with four lines to a record and reads of up to {} bases.",
                        thousands(MAX_READ as u64)
                    ),
                );
            }
            Stop::Broken(e) => e,
        };
        match e.kind() {
            std::io::ErrorKind::UnexpectedEof => self.wrong(
                format!(
                    "the compressed data end too early, after {} whole records",
                    thousands(self.done)
                ),
                self.cut_remedy(),
            ),
            std::io::ErrorKind::InvalidInput | std::io::ErrorKind::InvalidData => self.wrong(
                format!(
                    "the compressed data are damaged ({e}), after {} whole records",
                    thousands(self.done)
                ),
                self.cut_remedy(),
            ),
            _ => Error::io(&self.path)(e),
        }
    }

    /// As [`Records::wrong`], for bytes that are no record; if they open the file they may tell what it is.
    fn no_record(&self, what: impl Into<String>, remedy: impl Into<String>) -> Error {
        match foreign(self.window.bytes()).filter(|_| self.done == 0) {
            Some(kind) => self.wrong(
                format!("this is {kind}, not FASTQ"),
                "Give reads in FASTQ; samtools fastq makes it from SAM, BAM and CRAM.",
            ),
            None => self.wrong(what, remedy),
        }
    }

    /// An error in the record after those done.
    fn wrong(&self, what: impl Into<String>, remedy: impl Into<String>) -> Error {
        let at = format!("record {}", thousands(self.done + 1));
        Error::input(self.file.clone(), at, what, remedy)
    }

    fn cut_remedy(&self) -> String {
        format!("The file may be cut short; try: gzip -t {}", self.file)
    }

    fn empty(&self) -> Error {
        Error::input(
            self.file.clone(),
            "",
            "no FASTQ record",
            "The file is empty: check the step that wrote it.",
        )
    }

    fn odd(&self) -> Error {
        Error::input(
            self.file.clone(),
            format!("record {}", thousands(self.done)),
            "the last record has no mate",
            "Interleaved files hold an even number of records; leave out -p for single reads.",
        )
    }

    fn ends_before(&self, other: &str) -> Error {
        Error::input(
            self.file.clone(),
            format!("record {}", thousands(self.done + 1)),
            format!(
                "the file ends after {} records, but {other} goes on",
                thousands(self.done)
            ),
            format!(
                "R1 and R2 must hold the same templates; try: gzip -t {}",
                self.file
            ),
        )
    }

    /// For the record last pushed.
    fn out_of_step(&self, first: &[u8], second: &[u8]) -> Error {
        let swapped = shared_name(second, first).is_some();
        Error::input(
            self.file.clone(),
            format!("record {}", thousands(self.done)),
            format!(
                "this mate is named {}, the one before it {}",
                shown(second),
                shown(first)
            ),
            if swapped {
                "R1 and R2 seem to be swapped."
            } else {
                "Mates must come in the same order; name-sort the files or take them from one source."
            },
        )
    }
}

/// Finds the first record's lines in `bytes`, of which nothing comes after if `last`.
fn cut(bytes: &[u8], last: bool) -> Cut {
    let Some(&first) = bytes.first() else {
        return Cut::Unfinished;
    };
    if first != b'@' {
        if last && bytes.iter().all(u8::is_ascii_whitespace) {
            return Cut::Unfinished; // blank lines at the end
        }
        if first.is_ascii_whitespace() && !last {
            return Cut::Unfinished; // perhaps blank lines at the end
        }
        return Cut::Wrong(
            format!("the record starts with {}, not with '@'", shown(&[first])),
            "A FASTQ record is four lines: @name, bases, +, qualities.".into(),
        );
    }
    let line_from = |start: usize| Some(start + memchr(b'\n', bytes.get(start..)?)?);
    let Some(name_end) = line_from(1) else {
        return Cut::Unfinished;
    };
    let Some(bases_end) = line_from(name_end + 1) else {
        return Cut::Unfinished;
    };
    let plus = bases_end + 1;
    match bytes.get(plus) {
        None => return Cut::Unfinished,
        Some(b'+') => {}
        Some(&other) => {
            return Cut::Wrong(
                format!("the third line starts with {}, not with '+'", shown(&[other])),
                "A FASTQ record is four lines: @name, bases, +, qualities; bases must not be wrapped."
                    .into(),
            );
        }
    }
    let bases = trimmed(bytes, name_end + 1, bases_end);
    let plus_end = match line_from(plus) {
        Some(end) => end,
        None if last => bytes.len(),
        None => return Cut::Unfinished,
    };
    let quals_start = (plus_end + 1).min(bytes.len());
    let quals_end = match line_from(quals_start) {
        Some(end) => end,
        None if last => bytes.len(),
        None => return Cut::Unfinished,
    };
    let quals = trimmed(bytes, quals_start, quals_end);
    if quals.len() != bases.len() {
        return if last && quals_end == bytes.len() && quals.len() < bases.len() {
            Cut::Unfinished
        } else {
            Cut::Wrong(
                format!("{} bases but {} qualities", bases.len(), quals.len()),
                "The file may be cut short or damaged: check it with gzip -t, or make it again."
                    .into(),
            )
        };
    }
    if bases.len() > MAX_READ {
        return Cut::Wrong(
            format!("a read of {} bases", thousands(bases.len() as u64)),
            format!(
                "Reads of up to {} bases are taken.",
                thousands(MAX_READ as u64)
            ),
        );
    }
    let header_end = trimmed(bytes, 1, name_end).end;
    let name_len = bytes[1..name_end]
        .iter()
        .position(|c| matches!(c, b' ' | b'\t' | b'\r'))
        .unwrap_or(name_end - 1);
    Cut::Record(Parts {
        name: 1..1 + name_len,
        comment: (2 + name_len).min(header_end)..header_end,
        bases,
        quals,
        used: (quals_end + 1).min(bytes.len()),
    })
}

/// A line without the carriage return that Windows puts before the line end.
fn trimmed(bytes: &[u8], start: usize, end: usize) -> Range<usize> {
    start..end - usize::from(end > start && bytes[end - 1] == b'\r')
}

/// Appends bases in upper case; `.` is N and U is T. Errs with the first that is none and its index.
fn push_bases(bases: &[u8], out: &mut Vec<u8>) -> Result<(), (usize, u8)> {
    let start = out.len();
    out.extend(bases.iter().map(|b| b & 0xdf)); // clears the bit that makes letters lower-case
    // In bytes and without an early exit, so that it becomes vector compares.
    let other = out[start..].iter().fold(0, |other, &b| {
        let is = |letter| u8::from(b == letter);
        other | (1 - is(b'A') - is(b'C') - is(b'G') - is(b'T') - is(b'N'))
    });
    if other == 0 {
        return Ok(());
    }
    for (i, (&base, out)) in bases.iter().zip(&mut out[start..]).enumerate() {
        *out = match base.to_ascii_uppercase() {
            b'.' => b'N',
            b'U' => b'T',
            letter if b"ACGTNRYSWKMBDHV".contains(&letter) => letter,
            _ => return Err((i, base)),
        };
    }
    Ok(())
}

/// Appends Phred values. Errs with the first character that is none and its index.
fn push_quals(quals: &[u8], out: &mut Vec<u8>) -> Result<(), (usize, u8)> {
    out.extend(quals.iter().map(|q| q.wrapping_sub(b'!')));
    let good = |q: u8| q.wrapping_sub(b'!') <= b'~' - b'!';
    if quals.iter().fold(0, |bad, &q| bad | u8::from(!good(q))) == 0 {
        return Ok(());
    }
    let at = quals.iter().position(|&q| !good(q)).expect("one is bad");
    Err((at, quals[at]))
}

/// What a file is that is not FASTQ, if its first bytes tell.
fn foreign(bytes: &[u8]) -> Option<&'static str> {
    [
        (&b">"[..], "FASTA"),
        (b"BAM\x01", "BAM"),
        (b"CRAM", "CRAM"),
        (b"@HD\t", "SAM"),
        (b"@SQ\t", "SAM"),
        (b"\xfd7zXZ", "an xz file"),
        (b"BZh", "a bzip2 file"),
        (b"\x28\xb5\x2f\xfd", "a zstd file"),
        (b"PK\x03\x04", "a zip file"),
    ]
    .into_iter()
    .find_map(|(magic, kind)| bytes.starts_with(magic).then_some(kind))
}

/// Bytes of the input as a message can print them.
fn shown(bytes: &[u8]) -> String {
    format!("'{}'", bytes[..bytes.len().min(MAX_NAME)].escape_ascii())
}

#[cfg(test)]
#[path = "fastq_tests.rs"]
mod tests;
