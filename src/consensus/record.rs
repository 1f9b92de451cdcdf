//! Consensus reads as records, with the tags that fgbio's have.

use super::model::{Call, NO_CALL};
use super::molecules::Molecule;
use super::side::Side;
use crate::domain::{ContigId, Pos};
use crate::format::bam::write_bam;
use crate::format::sam::{Record, Tag, TagValue, flag};
use std::borrow::Cow;
use std::ops::Range;

/// How a molecule's records are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Style {
    /// Without their alignments, as sequenced.
    pub unaligned: bool,
    /// With depth and errors of each base.
    pub per_base: bool,
}

/// Appends the records of a molecule: mate 1, then mate 2; or a read without a mate.
pub fn write(molecule: &Molecule, sides: &[Side], style: Style, out: &mut Vec<u8>) {
    let number = molecule.number().to_string();
    let rx = molecule.rx();
    let order: &[usize] = match (sides.len(), molecule.flipped()) {
        (1, _) => &[0],
        (_, false) => &[0, 1],
        (_, true) => &[1, 0],
    };
    let proper = molecule.templates.iter();
    let proper =
        proper.filter(|t| t.low().has(flag::PROPER)).count() * 2 > molecule.templates.len();
    for (m, &s) in order.iter().enumerate() {
        let side = &sides[s];
        let mate = order
            .get(1 - m)
            .filter(|_| sides.len() == 2)
            .map(|&s| &sides[s]);
        let mut flags = 0;
        if let Some(mate) = mate {
            flags |= flag::PAIRED | [flag::FIRST, flag::SECOND][m];
            if style.unaligned || mate.place.is_none() {
                flags |= flag::MATE_UNMAPPED;
            } else {
                flags |= if mate.reverse { flag::MATE_REVERSE } else { 0 };
                flags |= if proper { flag::PROPER } else { 0 };
            }
        }
        if style.unaligned || side.place.is_none() {
            flags = (flags | flag::UNMAPPED) & !flag::PROPER;
        } else if side.reverse {
            flags |= flag::REVERSE;
        }
        let mut tags = Tags::default();
        if !molecule.templates[0].read_group().is_empty() {
            tags.text(*b"RG", molecule.templates[0].read_group());
        }
        tags.text(*b"MI", number.as_bytes());
        if !rx.is_empty() {
            tags.text(*b"RX", &rx);
        }
        if let Some(mate) = mate.filter(|m| !style.unaligned && m.place.is_some()) {
            tags.text(*b"MC", mate.cigar.to_string().as_bytes());
            tags.int(*b"MQ", i64::from(mate.mapq));
        }
        let turned = style.unaligned && side.reverse;
        let calls = oriented(&side.calls, turned);
        let strands = side
            .strands
            .as_ref()
            .map(|s| s.each_ref().map(|c| oriented(c, turned)));
        describe(
            &calls,
            strands.as_ref(),
            molecule,
            style.per_base,
            &mut tags,
        );
        let letters = letters(&calls);
        let quals: Vec<u8> = calls.iter().map(|c| c.quality).collect();
        let place = |side: &Side| side.place.filter(|_| !style.unaligned);
        let own = place(side).or_else(|| mate.and_then(place));
        let mates = mate.and_then(|m| place(m).or(place(side)));
        let contig = |(contig, _): (i32, i32)| ContigId(contig as u32);
        let pos = |(_, pos): (i32, i32)| Pos(pos as u32);
        let aligned = place(side).is_some();
        write_bam(
            &Record {
                name: molecule.templates[0].low().name(),
                flag: flags,
                contig: own.map(contig),
                pos: own.map(pos),
                mapq: if aligned { side.mapq } else { 0 },
                cigar: if aligned { &side.cigar.0 } else { &[] },
                mate_contig: mates.map(contig),
                mate_pos: mates.map(pos),
                template_len: mate
                    .filter(|_| !style.unaligned)
                    .map_or(0, |mate| template_len(side, mate)),
                bases: &letters,
                quals: &quals,
                tags: &tags.listed(),
            },
            out,
        );
    }
}

/// TLEN: between the reads' outermost aligned bases that were sequenced first; positive for the leftmost.
fn template_len(own: &Side, mate: &Side) -> i32 {
    let (Some((contig, pos)), Some((mates_contig, mates_pos))) = (own.place, mate.place) else {
        return 0;
    };
    if contig != mates_contig {
        return 0;
    }
    let first = |side: &Side, pos: i32| {
        let last = side.cigar.reference_len() as i32 - 1;
        pos + if side.reverse { last } else { 0 }
    };
    let (a, b) = (first(own, pos), first(mate, mates_pos));
    match b - a {
        0 => 0,
        d => d + d.signum(),
    }
}

/// As they are, or as the other strand has them.
fn oriented(calls: &[Call], turned: bool) -> Cow<'_, [Call]> {
    if !turned {
        return Cow::Borrowed(calls);
    }
    let complement = |c: &Call| Call {
        base: if c.base < 4 { 3 - c.base } else { c.base },
        ..*c
    };
    Cow::Owned(calls.iter().rev().map(complement).collect())
}

fn letters(calls: &[Call]) -> Vec<u8> {
    calls
        .iter()
        .map(|c| b"ACGTN"[usize::from(c.base)])
        .collect()
}

/// Optional fields in the making: their bytes lie one behind the other.
#[derive(Default)]
struct Tags {
    fields: Vec<([u8; 2], u8, Range<usize>)>,
    bytes: Vec<u8>,
}

impl Tags {
    fn add(&mut self, name: [u8; 2], kind: u8, bytes: impl IntoIterator<Item = u8>) {
        let start = self.bytes.len();
        self.bytes.extend(bytes);
        self.fields.push((name, kind, start..self.bytes.len()));
    }

    fn text(&mut self, name: [u8; 2], text: &[u8]) {
        self.add(name, b'Z', text.iter().copied().chain([0]));
    }

    fn int(&mut self, name: [u8; 2], value: i64) {
        self.add(name, b'i', (value as i32).to_le_bytes());
    }

    fn float(&mut self, name: [u8; 2], value: f32) {
        self.add(name, b'f', value.to_le_bytes());
    }

    /// An array of 16-bit numbers (`B:s`); larger ones count as the largest.
    fn shorts(&mut self, name: [u8; 2], values: impl ExactSizeIterator<Item = u32>) {
        let start = self.bytes.len();
        self.bytes.push(b's');
        self.bytes.extend((values.len() as u32).to_le_bytes());
        let at = self.bytes.len();
        self.bytes.resize(at + 2 * values.len(), 0);
        for (bytes, value) in self.bytes[at..]
            .as_chunks_mut::<2>()
            .0
            .iter_mut()
            .zip(values)
        {
            *bytes = i16::try_from(value).unwrap_or(i16::MAX).to_le_bytes();
        }
        self.fields.push((name, b'B', start..self.bytes.len()));
    }

    fn listed(&self) -> Vec<Tag<'_>> {
        let tag = |(name, kind, at): &([u8; 2], u8, Range<usize>)| Tag {
            name: *name,
            value: TagValue::Bam(*kind, &self.bytes[at.clone()]),
        };
        self.fields.iter().map(tag).collect()
    }
}

/// Depth and errors (fgbio: `ConsensusTags`): c of the whole consensus, a and b of its strands; a is the one whose mate 1 is the lower
/// end. D is the highest depth, M the lowest, E the share of errors; d and e are depth and errors base by base, c the strand's
/// consensus.
fn describe(
    calls: &[Call],
    strands: Option<&[Cow<[Call]>; 2]>,
    molecule: &Molecule,
    per_base: bool,
    tags: &mut Tags,
) {
    summary(b'c', calls, tags);
    if per_base {
        each_base(b'c', calls, tags);
    }
    if let Some(strands) = strands {
        for (letter, calls) in [b'a', b'b'].into_iter().zip(strands) {
            summary(letter, calls, tags);
            if per_base {
                each_base(letter, calls, tags);
                tags.text([letter, b'c'], &letters(calls));
            }
        }
    } else if molecule.is_stranded() {
        let (has, lacks) = if molecule.flipped() {
            (b'b', b'a')
        } else {
            (b'a', b'b')
        };
        summary(has, calls, tags);
        summary(lacks, &[], tags);
    }
}

fn summary(letter: u8, calls: &[Call], tags: &mut Tags) {
    let (mut least, mut most, mut sum, mut errors) = (u32::MAX, 0, 0, 0);
    for call in calls {
        least = least.min(call.depth);
        most = most.max(call.depth);
        sum += u64::from(call.depth);
        errors += u64::from(call.errors);
    }
    tags.int([letter, b'D'], i64::from(most));
    tags.int([letter, b'M'], i64::from(least.min(most)));
    tags.float([letter, b'E'], errors as f32 / sum.max(1) as f32);
}

fn each_base(letter: u8, calls: &[Call], tags: &mut Tags) {
    tags.shorts([letter, b'd'], calls.iter().map(|c| c.depth));
    tags.shorts([letter, b'e'], calls.iter().map(|c| c.errors));
}

/// Bases of a consensus read that are not known.
pub fn unknown(side: &Side) -> u64 {
    let is_unknown = |c: &&Call| c.base == 4;
    debug_assert!(
        side.calls
            .iter()
            .filter(is_unknown)
            .all(|c| c.quality == NO_CALL)
    );
    side.calls.iter().filter(is_unknown).count() as u64
}
