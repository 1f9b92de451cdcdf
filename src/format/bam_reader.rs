//! The records of a BAM file, one after another, as bytes that were checked for their lengths only.

use super::bam::RawRecord;
use super::bgzf;
use super::stream::{Stop, Window};
use crate::error::thousands;
use crate::genome::Contig;
use crate::{Error, Result};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Longest header text that is taken.
const MAX_HEADER: usize = 1 << 28;

/// Reads a BAM file; inflates it on threads of its own.
pub struct RecordReader {
    path: PathBuf,
    window: Window,
    /// Records behind the header that were given up.
    done: u64,
    /// Length of the record at hand, 0 if none was asked for.
    at_hand: usize,
    text: String,
    contigs: Vec<Contig>,
}

impl RecordReader {
    /// Opens a file and reads its header.
    ///
    /// # Errors
    /// For what is no BAM, and for a file that was cut short.
    pub fn open(path: &Path) -> Result<RecordReader> {
        let mut reader = RecordReader {
            path: path.to_path_buf(),
            window: Window::open(path)?,
            done: 0,
            at_hand: 0,
            text: String::new(),
            contigs: Vec::new(),
        };
        if reader.header_bytes(4)? != b"BAM\x01" {
            return Err(reader.wrong("this is not BAM", "Give BAM files, or FASTQ files."));
        }
        let length = reader.header_number()?;
        reader.text = String::from_utf8_lossy(&reader.header_bytes(length)?).into_owned();
        for _ in 0..reader.header_number()? {
            let length = reader.header_number()?;
            let name = reader.header_bytes(length)?;
            let name = name.strip_suffix(b"\0").unwrap_or(&name);
            let length = reader.header_number()? as u32;
            reader.contigs.push(Contig {
                name: String::from_utf8_lossy(name).into_owned(),
                length,
                md5: String::new(),
                alternate: false,
                refget: String::new(),
            });
        }
        if !bgzf::ends_whole(path).map_err(Error::io(path))? {
            return Err(Error::input(
                path.display().to_string(),
                "",
                "the end mark of a whole BAM is missing",
                "It is cut short: copy or make it again; samtools quickcheck tells whether it is whole.",
            ));
        }
        Ok(reader)
    }

    /// The file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The header's text.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Names and lengths of the contigs; nothing else is known of them.
    pub fn contigs(&self) -> &[Contig] {
        &self.contigs
    }

    /// How long it waited for bytes, and how long reading and inflating them took; that is known at the end.
    pub fn times(&self) -> (Duration, Duration) {
        self.window.times()
    }

    /// The record at hand, which stays until [`RecordReader::advance`]; `None` at the end.
    ///
    /// # Errors
    /// For damage, and for a file that ends within a record.
    pub fn peek(&mut self) -> Result<Option<RawRecord<'_>>> {
        if self.at_hand == 0 {
            self.at_hand = loop {
                let bytes = self.window.bytes();
                if let Some((length, rest)) = bytes.split_first_chunk::<4>() {
                    let length = u32::from_le_bytes(*length) as usize;
                    if rest.len() >= length {
                        break 4 + length;
                    }
                }
                let none_left = bytes.is_empty();
                if !self.more()? {
                    return if none_left {
                        Ok(None)
                    } else {
                        Err(self.cut_short())
                    };
                }
            };
            if RawRecord::checked(self.record(self.at_hand)).is_none() {
                return Err(self.wrong(
                    "its lengths contradict each other",
                    "The file is damaged: make it again.",
                ));
            }
        }
        Ok(Some(RawRecord::new(self.record(self.at_hand))))
    }

    /// The bytes of the record at hand, which has this length.
    pub fn record(&self, length: usize) -> &[u8] {
        &self.window.bytes()[..length]
    }

    /// Gives up the record at hand.
    pub fn advance(&mut self) {
        self.window.advance(std::mem::take(&mut self.at_hand));
        self.done += 1;
    }

    /// An error in the record at hand.
    pub fn wrong(&self, what: impl Into<String>, remedy: impl Into<String>) -> Error {
        self.wrong_at(self.done, what, remedy)
    }

    /// Records that were given up: the rank of the one at hand, from 0.
    pub fn done(&self) -> u64 {
        self.done
    }

    /// An error in the record of this rank, from 0.
    pub fn wrong_at(&self, rank: u64, what: impl Into<String>, remedy: impl Into<String>) -> Error {
        let at = format!("record {}", thousands(rank + 1));
        Error::input(self.path.display().to_string(), at, what, remedy)
    }

    fn header_number(&mut self) -> Result<usize> {
        let bytes = self.header_bytes(4)?;
        Ok(u32::from_le_bytes(bytes.try_into().expect("4 bytes")) as usize)
    }

    /// The next `n` bytes, however many chunks they span.
    fn header_bytes(&mut self, n: usize) -> Result<Vec<u8>> {
        if n > MAX_HEADER {
            return Err(self.wrong("its header is damaged", "Make the file again."));
        }
        let mut out = Vec::new();
        while out.len() < n {
            let bytes = self.window.bytes();
            let some = bytes.len().min(n - out.len());
            out.extend_from_slice(&bytes[..some]);
            self.window.advance(some);
            if out.len() < n && !self.more()? {
                return Err(self.cut_short());
            }
        }
        Ok(out)
    }

    /// Reads more; false at the end.
    fn more(&mut self) -> Result<bool> {
        if self.window.ended() {
            return Ok(false);
        }
        self.window.read_more().map_err(|stop| match stop {
            Stop::Refused(e) => e,
            Stop::TooLong => self.wrong(
                "a record longer than any short read's",
                "theralign aligns short reads; use minimap2 for long ones.",
            ),
            Stop::Broken(e) if e.kind() == std::io::ErrorKind::UnexpectedEof => self.cut_short(),
            Stop::Broken(e)
                if matches!(
                    e.kind(),
                    std::io::ErrorKind::InvalidInput | std::io::ErrorKind::InvalidData
                ) =>
            {
                self.wrong(
                    format!("the compressed data are damaged ({e})"),
                    "Check the file with samtools quickcheck, or make it again.",
                )
            }
            Stop::Broken(e) => Error::io(&self.path)(e),
        })?;
        Ok(true)
    }

    fn cut_short(&self) -> Error {
        self.wrong(
            "the file ends within this record or its header",
            "It is cut short: copy or make it again.",
        )
    }
}
