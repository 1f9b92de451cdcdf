//! Templates of a sorted BAM, mates together, in groups of those with the same ends. A group is let go
//! as soon as no later record can belong to it, so memory holds what is near the place that was reached.

use super::metrics::Tally;
use super::umi;
use super::{Grouping, Options};
use crate::error::thousands;
use crate::format::bam::RawRecord;
use crate::format::bam_reader::RecordReader;
use crate::format::header::ReadGroup;
use crate::format::sam::{TagValue, flag};
use crate::format::tags;
use crate::sort::library::Libraries;
use crate::{Error, Result};
use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap};

/// Longest clip before a forward read's first aligned base. A record stands no further behind its end.
const LONGEST_CLIP: i64 = 1 << 12;
/// Keeps ends before a contig's start from going below 0.
const BIAS: i64 = 1 << 17;
/// Templates without a UMI after which a file is taken to have none.
const ENOUGH: u64 = 100_000;
/// How to get UMIs.
const ADD_UMIS: &str = "Align with UMIs: theralign align --umi name (or --umi comment); fgbio's FastqToBam and CopyUmiFromReadName write RX, too.";

/// Where a read's first sequenced base would lie, and its strand: contig, position, 1 for reverse, in this
/// order of weight.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct End(u64);

impl End {
    /// Of an unaligned read, or of a mate that there is not. Greater than all others.
    pub const NONE: End = End(u64::MAX);

    fn of(record: RawRecord) -> End {
        if record.has(flag::UNMAPPED) || record.contig() < 0 {
            return End::NONE;
        }
        let reverse = u64::from(record.has(flag::REVERSE));
        End(place(record.contig(), record.unclipped_start()) << 1 | reverse)
    }

    /// Is it of a read from the reverse strand?
    pub fn is_reverse(self) -> bool {
        self.0 & 1 == 1
    }

    /// Bases from this end of a molecule to the `other`, both included, if the two face each other.
    pub fn span(self, other: End) -> Option<u32> {
        let facing = other != End::NONE
            && !self.is_reverse()
            && other.is_reverse()
            && self.0 >> 34 == other.0 >> 34
            && self.0 >> 1 <= other.0 >> 1;
        facing.then(|| ((other.0 >> 1) - (self.0 >> 1) + 1) as u32)
    }

    /// The last place at which a record with this end may stand.
    fn last_place(self) -> u64 {
        match self.is_reverse() {
            _ if self == End::NONE => 0,
            true => self.0 >> 1,
            false => (self.0 >> 1) + LONGEST_CLIP as u64,
        }
    }
}

fn place(contig: i32, pos: i64) -> u64 {
    (contig as u64) << 33 | (pos + BIAS) as u64
}

/// How a template says which molecule it is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// By a UMI with a part for each end, which is kept as the strand whose mate 1 is the lower end has it.
    TwoEnds,
    /// By a UMI that says nothing of strands; mate 1 is the lower (false) or the higher (true) end.
    OneStrand(bool),
    /// By a grouper's number (MI) with its strands, `7/A` and `7/B`.
    Numbered,
    /// By a grouper's number without strands.
    NumberedOneStrand(bool),
}

/// A template: the record of its lower end, and that of its higher one.
#[derive(Clone, Debug)]
pub struct Template {
    /// Rank in the order in which templates were whole in the file, from 0.
    pub serial: u64,
    /// How it was told.
    pub kind: Kind,
    /// Mate 1 is the higher end.
    pub flipped: bool,
    /// One or two records without tags, the UMI, RX if the UMI is another, and the read group's ID.
    bytes: Vec<u8>,
    second_at: u32,
    umi_at: u32,
    rx_at: u32,
    read_group_at: u32,
}

impl Template {
    /// The record of the lower end.
    pub fn low(&self) -> RawRecord<'_> {
        RawRecord::new(&self.bytes[..self.second_at as usize])
    }

    /// The record of the higher end; of no use for single reads.
    pub fn high(&self) -> RawRecord<'_> {
        RawRecord::new(&self.bytes[self.second_at as usize..self.umi_at as usize])
    }

    /// The UMI, or the grouper's number.
    pub fn umi(&self) -> &[u8] {
        &self.bytes[self.umi_at as usize..self.rx_at as usize]
    }

    /// RX beside a grouper's number, as mate 1 and 2 have it; else, and without one, empty.
    pub fn rx(&self) -> &[u8] {
        &self.bytes[self.rx_at as usize..self.read_group_at as usize]
    }

    /// The ID of its read group; empty without one.
    pub fn read_group(&self) -> &[u8] {
        &self.bytes[self.read_group_at as usize..]
    }
}

/// Templates with the same ends in one library.
#[derive(Clone, Debug)]
pub struct Group {
    /// The lower end.
    pub low: End,
    /// The higher one.
    pub high: End,
    /// Are they pairs?
    pub paired: bool,
    /// In the order of their serial numbers.
    pub templates: Vec<Template>,
}

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
struct GroupKey {
    library: usize,
    low: End,
    high: End,
    paired: bool,
}

/// The mate that came first.
struct First {
    record: Vec<u8>,
    end: End,
    /// Rank of its record in the file.
    rank: u64,
    said: Said,
}

/// What a record's tags say.
struct Said {
    read_group: u32,
    library: usize,
    /// The UMI (RX), or the grouper's number (MI).
    umi: Option<(Tagged, Vec<u8>)>,
    /// RX beside a number.
    rx: Vec<u8>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Tagged {
    Umi,
    Number,
}

/// Reads templates and groups them.
pub struct Templates {
    reader: RecordReader,
    grouping: Grouping,
    libraries: Libraries,
    /// IDs of read groups as records name them, and their libraries.
    read_groups: Vec<(Vec<u8>, usize)>,
    /// Mates that came first, by name.
    waiting: HashMap<Vec<u8>, First>,
    open: HashMap<GroupKey, Group>,
    /// When open groups can be let go: place, serial number of the first template, key.
    due: BinaryHeap<Reverse<(u64, u64, GroupKey)>>,
    /// Place of the last record.
    reached: u64,
    next_serial: u64,
    with_umi: u64,
    /// What was met.
    pub tally: Tally,
}

impl Templates {
    /// Opens a file.
    ///
    /// # Errors
    /// For what is no whole BAM file.
    pub fn open(options: &Options) -> Result<Templates> {
        let reader = RecordReader::open(&options.input)?;
        let groups = reader.text().lines().filter(|l| l.starts_with("@RG\t"));
        let groups = groups.map(|line| {
            ReadGroup::parse(line).map_err(|e| {
                let file = options.input.display().to_string();
                let remedy = "Mend it with samtools reheader.";
                Error::input(file, "header", e.to_string(), remedy)
            })
        });
        let groups = groups.collect::<Result<Vec<ReadGroup>>>()?;
        Ok(Templates {
            reader,
            grouping: options.grouping,
            libraries: Libraries::new(&groups),
            read_groups: Vec::new(),
            waiting: HashMap::new(),
            open: HashMap::new(),
            due: BinaryHeap::new(),
            reached: 0,
            next_serial: 0,
            with_umi: 0,
            tally: Tally::default(),
        })
    }

    /// The file's header and contigs.
    pub fn reader(&self) -> &RecordReader {
        &self.reader
    }

    /// Groups that are whole, in the order in which they became so, with `least` templates together or
    /// more; `None` at the end.
    ///
    /// # Errors
    /// For damage, records out of order, mates that are missing, and a file without UMIs.
    pub fn next_batch(&mut self, least: usize) -> Result<Option<Vec<Group>>> {
        let mut batch = Vec::new();
        let mut held = 0;
        while held < least {
            let more = self.take_record()?;
            let reached = if more { self.reached } else { u64::MAX };
            while let Some(Reverse((due, ..))) = self.due.peek()
                && *due < reached
            {
                let Some(Reverse((_, _, key))) = self.due.pop() else {
                    break;
                };
                let group = self.open.remove(&key).expect("it is due once");
                held += group.templates.len();
                batch.push(group);
            }
            if !more {
                self.check_end()?;
                break;
            }
        }
        Ok((!batch.is_empty()).then_some(batch))
    }

    /// Takes the next record; false at the end.
    fn take_record(&mut self) -> Result<bool> {
        let rank = self.reader.done();
        let Some(record) = self.reader.peek()? else {
            return Ok(false);
        };
        let contig = record.contig();
        let here = if contig < 0 {
            u64::MAX - 1
        } else {
            place(contig, i64::from(record.pos()))
        };
        if here < self.reached {
            return Err(self.reader.wrong(
                "it stands before the record in front of it, so the file is not sorted by coordinate",
                "Sort it: samtools sort -o OUT.bam IN.bam.",
            ));
        }
        self.reached = here;
        let other = flag::SECONDARY | flag::SUPPLEMENTARY;
        let paired = record.has(flag::PAIRED);
        let placeless = record.has(flag::UNMAPPED) && (!paired || record.has(flag::MATE_UNMAPPED));
        if record.flag() & other != 0 {
            self.reader.advance();
            return Ok(true);
        }
        let first = !paired || record.has(flag::FIRST);
        if placeless {
            self.tally.unaligned += u64::from(first); // both mates say so
            self.reader.advance();
            return Ok(true);
        }
        let end = End::of(record);
        if !end.is_reverse()
            && end != End::NONE
            && i64::from(record.pos()) - record.unclipped_start() > LONGEST_CLIP
        {
            return Err(self.reader.wrong(
                format!("more than {LONGEST_CLIP} clipped bases in front of its first aligned one"),
                "Consensus is for short reads; leave longer ones out.",
            ));
        }
        let rejected = record.has(flag::QC_FAIL);
        if !paired && rejected {
            self.tally.rejected += 1;
            self.reader.advance();
            return Ok(true);
        }
        if !paired {
            let bytes = record.without_tags().to_vec();
            let said = said(record, &self.libraries, &mut self.read_groups);
            self.reader.advance();
            self.add_template(bytes, [end, End::NONE], None, said, rank)?;
            return Ok(true);
        }
        let Some(mate) = self.waiting.remove(record.name()) else {
            let first = First {
                record: record.without_tags().to_vec(),
                end,
                rank,
                said: said(record, &self.libraries, &mut self.read_groups),
            };
            self.waiting.insert(record.name().to_vec(), first);
            self.reader.advance();
            return Ok(true);
        };
        let mates = flag::FIRST | flag::SECOND;
        let earlier = RawRecord::new(&mate.record);
        if record.flag() & mates ^ earlier.flag() & mates != mates {
            let name = record.name().escape_ascii().to_string();
            return Err(self.reader.wrong(
                format!("{name} is not one mate 1 and one mate 2"),
                "Flags 0x40 and 0x80 tell mates apart, and each template needs a name of its own; see samtools fixmate.",
            ));
        }
        if rejected || earlier.has(flag::QC_FAIL) {
            self.tally.rejected += 1;
            self.reader.advance();
            return Ok(true);
        }
        let is_first = record.has(flag::FIRST);
        let mut told = mate.said;
        if told.umi.is_none() {
            told = said(record, &self.libraries, &mut self.read_groups);
        }
        let own = record.without_tags();
        // Of equal ends mate 1's is the lower.
        let own_is_low = (end, !is_first) < (mate.end, is_first);
        let (bytes, second_at, ends) = if own_is_low {
            ([own, &mate.record].concat(), own.len(), [end, mate.end])
        } else {
            let at = mate.record.len();
            let mut bytes = mate.record;
            bytes.extend_from_slice(own);
            (bytes, at, [mate.end, end])
        };
        self.reader.advance();
        let pair = (second_at, own_is_low != is_first);
        self.add_template(bytes, ends, Some(pair), told, rank)?;
        Ok(true)
    }

    /// Adds a whole template to its group. `pair`: where its second record begins, and whether that is mate 1.
    fn add_template(
        &mut self,
        mut bytes: Vec<u8>,
        [low, high]: [End; 2],
        pair: Option<(usize, bool)>,
        said: Said,
        rank: u64,
    ) -> Result<()> {
        self.tally.templates += 1;
        let serial = self.next_serial;
        self.next_serial += 1;
        let Some((tagged, umi)) = said.umi else {
            self.tally.without_umi += 1;
            if self.with_umi == 0 && self.tally.without_umi >= ENOUGH {
                return Err(self.no_umis());
            }
            return Ok(());
        };
        self.with_umi += 1;
        let flipped = pair.is_some_and(|(_, second_is_first)| second_is_first);
        let (kind, umi) = match self.kind(tagged, umi, pair.is_some(), flipped) {
            Ok(kind) => kind,
            Err(what) => {
                return Err(self.reader.wrong_at(
                    rank,
                    what,
                    "Leave out --duplex, or attach UMIs with a part for each read.",
                ));
            }
        };
        if tagged == Tagged::Umi && umi.iter().any(|c| !b"ACGT-".contains(c)) {
            self.tally.unclear_umi += 1;
            return Ok(());
        }
        let second_at = pair.map_or(bytes.len(), |(at, _)| at) as u32;
        let is_spliced = |record: &[u8]| RawRecord::new(record).cigar().any(|(_, code)| code == 3);
        let (one, two) = bytes.split_at(second_at as usize);
        if is_spliced(one) || !two.is_empty() && is_spliced(two) {
            self.tally.spliced += 1;
            return Ok(());
        }
        let umi_at = bytes.len() as u32;
        bytes.extend_from_slice(&umi);
        let rx_at = bytes.len() as u32;
        bytes.extend_from_slice(&said.rx);
        let read_group_at = bytes.len() as u32;
        bytes.extend_from_slice(&self.read_groups[said.read_group as usize].0);
        let key = GroupKey {
            library: said.library,
            low,
            high,
            paired: pair.is_some(),
        };
        let group = self.open.entry(key).or_insert_with(|| {
            let due = low.last_place().max(high.last_place());
            self.due.push(Reverse((due, serial, key)));
            Group {
                low,
                high,
                paired: key.paired,
                templates: Vec::new(),
            }
        });
        group.templates.push(Template {
            serial,
            kind,
            flipped,
            bytes,
            second_at,
            umi_at,
            rx_at,
            read_group_at,
        });
        Ok(())
    }

    /// How a template's molecule is told, and the UMI or number to tell it by; what is wrong with it.
    fn kind(
        &self,
        tagged: Tagged,
        mut umi: Vec<u8>,
        paired: bool,
        flipped: bool,
    ) -> Result<(Kind, Vec<u8>), String> {
        let duplex = paired && self.grouping != Grouping::Simplex;
        let stranded = match tagged {
            Tagged::Umi => umi.contains(&b'-'),
            Tagged::Number => umi.ends_with(b"/A") || umi.ends_with(b"/B"),
        };
        if self.grouping == Grouping::Duplex && !(stranded && paired) {
            let umi = umi.escape_ascii();
            return Err(match tagged {
                _ if !paired => "a read without a mate, which has no two strands to tell".into(),
                Tagged::Umi => format!("UMI {umi} has one part, which does not tell strands"),
                Tagged::Number => format!("MI {umi} names no strand (/A or /B)"),
            });
        }
        Ok(match (tagged, duplex && stranded) {
            (Tagged::Umi, true) if flipped => (Kind::TwoEnds, umi::turned(&umi)),
            (Tagged::Umi, true) => (Kind::TwoEnds, umi),
            (Tagged::Umi, false) => (Kind::OneStrand(flipped), umi),
            (Tagged::Number, true) => {
                umi.truncate(umi.len() - 2);
                (Kind::Numbered, umi)
            }
            (Tagged::Number, false) => (Kind::NumberedOneStrand(flipped), umi),
        })
    }

    /// Is all there that should be?
    fn check_end(&self) -> Result<()> {
        if let Some((name, first)) = self.waiting.iter().min_by_key(|(_, f)| f.rank) {
            let more = match self.waiting.len() {
                1 => String::new(),
                n => format!(" (and those of {} others)", thousands(n as u64 - 1)),
            };
            return Err(self.reader.wrong_at(
                first.rank,
                format!("the mate of {}{more} is not in the file", name.escape_ascii()),
                "Take reads with their mates: samtools view -P keeps them when a region is cut out.",
            ));
        }
        if self.with_umi == 0 && self.tally.without_umi > 0 {
            return Err(self.no_umis());
        }
        Ok(())
    }

    fn no_umis(&self) -> Error {
        let what = format!(
            "none of its first {} aligned templates has a UMI (tag RX) or a molecule's number (MI)",
            thousands(self.tally.without_umi)
        );
        Error::input(self.reader.path().display().to_string(), "", what, ADD_UMIS)
    }
}

fn said(record: RawRecord, libraries: &Libraries, known: &mut Vec<(Vec<u8>, usize)>) -> Said {
    let (mut id, mut rx, mut number): (&[u8], &[u8], &[u8]) = (b"", b"", b"");
    for tag in tags::split(record.tags()) {
        if let TagValue::Bam(b'Z', [text @ .., _]) = tag.value {
            match &tag.name {
                b"RG" => id = text,
                b"RX" => rx = text,
                b"MI" => number = text,
                _ => {}
            }
        }
    }
    let (umi, rx) = match (number, rx) {
        (b"", b"") => (None, rx),
        (b"", rx) => (Some((Tagged::Umi, rx.to_vec())), &b""[..]),
        (number, rx) => (Some((Tagged::Number, number.to_vec())), rx),
    };
    let rank = known.iter().position(|(k, _)| k == id);
    let rank = rank.unwrap_or_else(|| {
        let library = libraries.of((!id.is_empty()).then_some(id));
        known.push((id.to_vec(), library));
        known.len() - 1
    });
    Said {
        read_group: rank as u32,
        library: known[rank].1,
        umi,
        rx: rx.to_vec(),
    }
}
