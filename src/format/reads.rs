//! Reads from whatever holds them: FASTQ or BAM.

use super::fastq::{Extras, FastqReader, Pairing, ReadTimes};
use super::header::ReadGroup;
use super::tags;
use super::ubam::{self, BamReader};
use crate::batch::ReadBatch;
use crate::error::thousands;
use crate::{Error, Result};
use std::path::PathBuf;

/// What to read, and what to keep of it.
#[derive(Clone, Debug)]
pub struct Source {
    /// FASTQ files, lane after lane, or BAM files.
    pub files: Vec<PathBuf>,
    /// How the reads of FASTQ files make templates, where their number does not say it. BAM says it itself.
    pub pairing: Option<Pairing>,
    /// What of FASTQ records is kept beside the reads; UMIs from names also of BAM.
    pub extras: Extras,
    /// Records of BAM keep their read groups.
    pub keep_groups: bool,
}

/// Reads of one input, batch by batch.
#[allow(clippy::large_enum_variant, reason = "there is one")]
pub enum Reader {
    /// From FASTQ; pairs or not.
    Fastq(FastqReader, Pairing),
    /// From BAM.
    Bam(BamReader),
}

impl Source {
    /// Opens the files. Where batches of `batch_templates` end does not change any read.
    ///
    /// # Errors
    /// For files that cannot be read or do not go together.
    pub fn open(&self, batch_templates: usize) -> Result<Reader> {
        let bams = self.files.iter().filter(|f| ubam::is_bam(f)).count();
        if bams == 0 {
            let pairing = match self.pairing {
                Some(pairing) => pairing,
                None => Pairing::of_files(self.files.len())?,
            };
            let reader = FastqReader::open(&self.files, pairing, batch_templates)?;
            return Ok(Reader::Fastq(reader.with(self.extras), pairing));
        }
        if bams < self.files.len() {
            let what = "some of the files are BAM, and some are not";
            return Err(Error::usage(what, "Give one kind at a time."));
        }
        if self.pairing.is_some() {
            let what = "BAM input tells pairs and single reads apart by its flags";
            return Err(Error::usage(what, "Leave out -p and --single."));
        }
        if self.extras.comments {
            let what = "BAM input has no comments";
            return Err(Error::usage(what, "Leave out -C: its tags are kept."));
        }
        let (size, groups, umi) = (batch_templates, self.keep_groups, self.extras.umi);
        BamReader::open(&self.files, size, groups, umi).map(Reader::Bam)
    }
}

/// Templates that are asked whether they have UMIs.
const ASKED_FOR_UMIS: usize = 2048;

impl Source {
    /// Looks at the first templates: does any have a UMI, or a grouper's number of its molecule? What comes
    /// through a pipe is not asked, as it cannot be read twice.
    ///
    /// # Errors
    /// When none has, and as [`Source::open`] and [`Reader::next_batch`].
    pub fn check_umis(&self) -> Result<()> {
        // What is taken from names and comments is asked for record by record.
        if self.extras.umi.is_some() || !self.files.iter().all(|f| f.is_file()) {
            return Ok(());
        }
        let Some(batch) = self.open(ASKED_FOR_UMIS)?.next_batch()? else {
            return Ok(());
        };
        let told = |r| [*b"RX", *b"MI"].map(|t| tags::text_of(batch.tags(r), t).is_some());
        if (0..batch.reads()).any(|r| told(r).contains(&true)) {
            return Ok(());
        }
        Err(Error::input(
            self.files[0].display().to_string(),
            "",
            format!(
                "none of its first {} templates has a UMI (tag RX) or a molecule's number (MI)",
                thousands(batch.templates() as u64)
            ),
            "Say where UMIs stand: --umi name or --umi comment, or -C for comments with RX:Z: fields. Without UMIs, leave out --umi.",
        ))
    }
}

impl Reader {
    /// The next batch, or `None` after the last.
    ///
    /// # Errors
    /// Names file and record of what is wrong.
    pub fn next_batch(&mut self) -> Result<Option<ReadBatch>> {
        match self {
            Reader::Fastq(reader, _) => reader.next_batch(),
            Reader::Bam(reader) => reader.next_batch(),
        }
    }

    /// May there be pairs?
    pub fn may_pair(&self) -> bool {
        !matches!(self, Reader::Fastq(_, Pairing::Single))
    }

    /// The read groups that its records name.
    pub fn groups(&self) -> &[ReadGroup] {
        match self {
            Reader::Fastq(..) => &[],
            Reader::Bam(reader) => reader.groups(),
        }
    }

    /// What reading took so far.
    pub fn times(&self) -> ReadTimes {
        match self {
            Reader::Fastq(reader, _) => reader.times(),
            Reader::Bam(reader) => reader.times(),
        }
    }
}
