//! BAM (SAM 1.6 §4.2): records to bytes, and the few fields of such bytes that sorting and marking
//! duplicates look at.

use super::sam::{Record, TagValue};
use crate::genome::Contig;

/// What a BAM file starts with, before BGZF: magic, header text and contig table.
pub fn header(text: &str, contigs: &[Contig]) -> Vec<u8> {
    let mut out = b"BAM\x01".to_vec();
    out.extend((text.len() as u32).to_le_bytes());
    out.extend_from_slice(text.as_bytes());
    out.extend((contigs.len() as u32).to_le_bytes());
    for contig in contigs {
        out.extend((contig.name.len() as u32 + 1).to_le_bytes());
        out.extend_from_slice(contig.name.as_bytes());
        out.push(0);
        out.extend(contig.length.to_le_bytes());
    }
    out
}

/// 4-bit codes of letters (SAM 1.6 §4.2.3), N for what is none.
const NIBBLES: [u8; 256] = {
    let mut t = [15; 256];
    let letters = *b"=ACMGRSVTWYHKDBN";
    let mut i = 0;
    while i < letters.len() {
        t[letters[i] as usize] = i as u8;
        t[letters[i].to_ascii_lowercase() as usize] = i as u8;
        i += 1;
    }
    t
};

/// Appends a record, its length in front.
pub fn write_bam(record: &Record, out: &mut Vec<u8>) {
    let reference_len: u32 = (record.cigar.iter())
        .filter(|(_, op)| op.takes_reference())
        .map(|(n, _)| n)
        .sum();
    let pos = record.pos.map_or(-1, |p| i64::from(p.0));
    // SAM 1.6 §4.2.1: what covers no reference base counts as covering one.
    let bin = bin_of(pos, pos + i64::from(reference_len.max(1)));
    let start = out.len();
    let mut fixed = [0; 36];
    let mut put = |at: usize, bytes: &[u8]| fixed[at..at + bytes.len()].copy_from_slice(bytes);
    put(4, &record.contig.map_or(-1, |c| c.0 as i32).to_le_bytes());
    put(8, &(pos as i32).to_le_bytes());
    put(12, &[record.name.len() as u8 + 1, record.mapq]);
    put(14, &(bin as u16).to_le_bytes());
    put(16, &(record.cigar.len() as u16).to_le_bytes());
    put(18, &record.flag.to_le_bytes());
    put(20, &(record.bases.len() as u32).to_le_bytes());
    put(
        24,
        &record.mate_contig.map_or(-1, |c| c.0 as i32).to_le_bytes(),
    );
    put(
        28,
        &record.mate_pos.map_or(-1, |p| p.0 as i32).to_le_bytes(),
    );
    put(32, &record.template_len.to_le_bytes());
    out.extend_from_slice(&fixed);
    out.extend_from_slice(record.name);
    out.push(0);
    for &(length, op) in record.cigar {
        out.extend((length << 4 | op as u32).to_le_bytes());
    }
    let nibble = |base: u8| NIBBLES[base as usize];
    let (pairs, last) = record.bases.as_chunks::<2>();
    out.extend(pairs.iter().map(|[a, b]| nibble(*a) << 4 | nibble(*b)));
    out.extend(last.iter().map(|a| nibble(*a) << 4));
    if record.quals.is_empty() {
        out.resize(out.len() + record.bases.len(), 0xff);
    } else {
        debug_assert_eq!(record.quals.len(), record.bases.len());
        out.extend_from_slice(record.quals);
    }
    for tag in record.tags {
        out.extend_from_slice(&tag.name);
        match tag.value {
            TagValue::Char(value) => out.extend_from_slice(&[b'A', value]),
            TagValue::Int(value) => write_int(value, out),
            TagValue::Text(value) => {
                out.push(b'Z');
                out.extend_from_slice(value);
                out.push(0);
            }
            TagValue::Bam(kind, bytes) => {
                out.push(kind);
                out.extend_from_slice(bytes);
            }
        }
    }
    let length = (out.len() - start - 4) as u32;
    out[start..start + 4].copy_from_slice(&length.to_le_bytes());
}

/// Appends type and value of an integer in the fewest bytes, unsigned where it can be, as htslib does.
fn write_int(value: i64, out: &mut Vec<u8>) {
    if let Ok(v) = u8::try_from(value) {
        out.extend_from_slice(&[b'C', v]);
    } else if let Ok(v) = i8::try_from(value) {
        out.extend_from_slice(&[b'c', v as u8]);
    } else if let Ok(v) = u16::try_from(value) {
        out.push(b'S');
        out.extend(v.to_le_bytes());
    } else if let Ok(v) = i16::try_from(value) {
        out.push(b's');
        out.extend(v.to_le_bytes());
    } else if let Ok(v) = u32::try_from(value) {
        out.push(b'I');
        out.extend(v.to_le_bytes());
    } else {
        let v = i32::try_from(value).expect("tag values fit 32 bits");
        out.push(b'i');
        out.extend(v.to_le_bytes());
    }
}

/// The smallest bin that holds `start..end` (SAM 1.6 §5.3), in the scheme of BAI.
fn bin_of(start: i64, end: i64) -> i64 {
    super::bam_index::bin_of(start, end, 14, 5)
}

/// A record's bytes, its length in front, as [`write_bam`] makes them.
#[derive(Clone, Copy, Debug)]
pub struct RawRecord<'a>(&'a [u8]);

impl<'a> RawRecord<'a> {
    /// The record that `bytes` are.
    pub fn new(bytes: &'a [u8]) -> RawRecord<'a> {
        RawRecord(bytes)
    }

    /// The record that `bytes` are, if the lengths in it agree with theirs.
    pub fn checked(bytes: &'a [u8]) -> Option<RawRecord<'a>> {
        let record = RawRecord(bytes);
        let name_end = 36 + usize::from(*bytes.get(12)?);
        (bytes.len() >= 36
            && record.tags_start() <= bytes.len()
            && bytes.get(36..name_end)?.last() == Some(&0))
        .then_some(record)
    }

    /// The records that stand one after another in `bytes`.
    pub fn split(mut bytes: &'a [u8]) -> impl Iterator<Item = RawRecord<'a>> {
        std::iter::from_fn(move || {
            let (length, _) = bytes.split_first_chunk::<4>()?;
            let (record, rest) = bytes.split_at(4 + u32::from_le_bytes(*length) as usize);
            bytes = rest;
            Some(RawRecord(record))
        })
    }

    /// The bytes.
    pub fn bytes(self) -> &'a [u8] {
        self.0
    }

    fn field<const N: usize>(self, at: usize) -> [u8; N] {
        *self.0[at..].first_chunk().expect("a record is whole")
    }

    /// Contig's rank, -1 for none.
    pub fn contig(self) -> i32 {
        i32::from_le_bytes(self.field(4))
    }

    /// Position from 0, -1 for none.
    pub fn pos(self) -> i32 {
        i32::from_le_bytes(self.field(8))
    }

    /// See [`super::sam::flag`].
    pub fn flag(self) -> u16 {
        u16::from_le_bytes(self.field(18))
    }

    /// Are all of these flags set?
    pub fn has(self, flags: u16) -> bool {
        self.flag() & flags == flags
    }

    /// The template's name.
    pub fn name(self) -> &'a [u8] {
        &self.0[36..36 + usize::from(self.0[12]) - 1]
    }

    /// CIGAR as lengths and codes.
    pub fn cigar(self) -> impl DoubleEndedIterator<Item = (u32, u32)> + 'a {
        let start = 36 + usize::from(self.0[12]);
        let runs = usize::from(u16::from_le_bytes(self.field(16)));
        let (runs, _) = self.0[start..start + 4 * runs].as_chunks::<4>();
        runs.iter().map(|run| {
            let run = u32::from_le_bytes(*run);
            (run >> 4, run & 15)
        })
    }

    /// CIGAR as BAM has it.
    pub fn cigar_bytes(self) -> &'a [u8] {
        let start = 36 + usize::from(self.0[12]);
        &self.0[start..self.bases_start()]
    }

    /// Mapping quality; 255 says "not available".
    pub fn mapq(self) -> u8 {
        self.0[13]
    }

    /// The record without its optional fields; the length in front is still that of the whole.
    pub fn without_tags(self) -> &'a [u8] {
        &self.0[..self.tags_start()]
    }

    /// Where the first base that was sequenced would lie if clipped bases were aligned too.
    pub fn unclipped_start(self) -> i64 {
        let is_clip = |(_, code): &(u32, u32)| matches!(code, 4 | 5);
        let clipped = |n: u32, run: (u32, u32)| n + run.0;
        let pos = i64::from(self.pos());
        if self.has(super::sam::flag::REVERSE) {
            let clip = self.cigar().rev().take_while(is_clip).fold(0, clipped);
            pos + i64::from(self.reference_len()) - 1 + i64::from(clip)
        } else {
            pos - i64::from(self.cigar().take_while(is_clip).fold(0, clipped))
        }
    }

    fn bases_start(self) -> usize {
        let runs = usize::from(u16::from_le_bytes(self.field(16)));
        36 + usize::from(self.0[12]) + 4 * runs
    }

    fn length(self) -> usize {
        u32::from_le_bytes(self.field(20)) as usize
    }

    fn tags_start(self) -> usize {
        self.bases_start() + self.length().div_ceil(2) + self.length()
    }

    /// 4-bit codes, two to a byte, the first in the upper half.
    pub fn bases(self) -> &'a [u8] {
        &self.0[self.bases_start()..][..self.length().div_ceil(2)]
    }

    /// Optional fields, see [`super::tags`].
    pub fn tags(self) -> &'a [u8] {
        &self.0[self.tags_start()..]
    }

    /// Phred values; 255 where there are none.
    pub fn quals(self) -> &'a [u8] {
        let start = self.bases_start() + self.length().div_ceil(2);
        &self.0[start..start + self.length()]
    }

    /// Reference bases covered: M, D, N, = and X.
    pub fn reference_len(self) -> u32 {
        let covers = |code: u32| matches!(code, 0 | 2 | 3 | 7 | 8);
        let runs = self.cigar().filter(|(_, code)| covers(*code));
        runs.map(|(n, _)| n).sum()
    }
}

/// Sets a flag in a record's bytes.
pub fn set_flag(record: &mut [u8], flag: u16) {
    let [low, high] = flag.to_le_bytes();
    record[18] |= low;
    record[19] |= high;
}

#[cfg(test)]
#[path = "bam_tests.rs"]
mod tests;
