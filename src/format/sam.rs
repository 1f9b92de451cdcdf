//! Alignment records, and their text form (SAM 1.6 §1.4).

use crate::domain::{CigarOp, ContigId, Pos};
use crate::genome::Contig;

/// Flags of a record (SAM 1.6 §1.4.2).
pub mod flag {
    /// The template has two reads.
    pub const PAIRED: u16 = 0x1;
    /// Both aligned as the library has it.
    pub const PROPER: u16 = 0x2;
    /// This read is not aligned.
    pub const UNMAPPED: u16 = 0x4;
    /// Its mate is not aligned.
    pub const MATE_UNMAPPED: u16 = 0x8;
    /// SEQ is the read's reverse complement.
    pub const REVERSE: u16 = 0x10;
    /// The mate's SEQ is.
    pub const MATE_REVERSE: u16 = 0x20;
    /// Mate 1.
    pub const FIRST: u16 = 0x40;
    /// Mate 2.
    pub const SECOND: u16 = 0x80;
    /// Another place for a read that has a primary record elsewhere.
    pub const SECONDARY: u16 = 0x100;
    /// The sequencer or a filter rejected it.
    pub const QC_FAIL: u16 = 0x200;
    /// A copy of another template.
    pub const DUPLICATE: u16 = 0x400;
    /// Another part of a read that has a primary record elsewhere.
    pub const SUPPLEMENTARY: u16 = 0x800;
}

/// One line of SAM, or one record of BAM. Borrows everything.
#[derive(Clone, Copy, Debug)]
pub struct Record<'a> {
    /// Name of the template, 1 to 254 characters.
    pub name: &'a [u8],
    /// See [`flag`].
    pub flag: u16,
    /// Where it lies; an unmapped read may stand at its mate's place.
    pub contig: Option<ContigId>,
    /// First aligned base, from 0.
    pub pos: Option<Pos>,
    /// Mapping quality, 0 to 254.
    pub mapq: u8,
    /// Runs of operations; empty is `*`.
    pub cigar: &'a [(u32, CigarOp)],
    /// The mate's contig.
    pub mate_contig: Option<ContigId>,
    /// The mate's position, from 0.
    pub mate_pos: Option<Pos>,
    /// TLEN, signed, 0 if not known.
    pub template_len: i32,
    /// Letters in the record's orientation; empty is `*`.
    pub bases: &'a [u8],
    /// Phred values 0 to 93 in the record's orientation, as many as bases; empty is `*`.
    pub quals: &'a [u8],
    /// Optional fields, in the order in which they are written.
    pub tags: &'a [Tag<'a>],
}

/// An optional field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tag<'a> {
    /// Its two characters.
    pub name: [u8; 2],
    /// What it says.
    pub value: TagValue<'a>,
}

/// The value of an optional field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TagValue<'a> {
    /// `i`: an integer from -2^31 to 2^32 - 1.
    Int(i64),
    /// `A`: one printing character.
    Char(u8),
    /// `Z`: printing characters and spaces.
    Text(&'a [u8]),
    /// Any type, as BAM has it (SAM 1.6 §4.2.4): its letter and its bytes.
    Bam(u8, &'a [u8]),
}

/// Appends a record as a line of SAM.
pub fn write_sam(record: &Record, contigs: &[Contig], out: &mut Vec<u8>) {
    out.extend_from_slice(record.name);
    tab_number(out, i64::from(record.flag));
    tab_contig(out, contigs, record.contig);
    tab_number(out, one_based(record.pos));
    tab_number(out, i64::from(record.mapq));
    out.push(b'\t');
    if record.cigar.is_empty() {
        out.push(b'*');
    }
    for &(length, op) in record.cigar {
        number(out, i64::from(length));
        out.push(op.letter() as u8);
    }
    if record.mate_contig.is_some() && record.mate_contig == record.contig {
        out.extend_from_slice(b"\t=");
    } else {
        tab_contig(out, contigs, record.mate_contig);
    }
    tab_number(out, one_based(record.mate_pos));
    tab_number(out, i64::from(record.template_len));
    out.push(b'\t');
    out.extend_from_slice(or_star(record.bases));
    out.push(b'\t');
    if record.quals.is_empty() {
        out.push(b'*');
    }
    out.extend(record.quals.iter().map(|q| q + b'!'));
    for tag in record.tags {
        out.push(b'\t');
        out.extend_from_slice(&tag.name);
        match tag.value {
            TagValue::Int(value) => {
                out.extend_from_slice(b":i:");
                number(out, value);
            }
            TagValue::Char(value) => out.extend_from_slice(&[b':', b'A', b':', value]),
            TagValue::Text(value) => {
                out.extend_from_slice(b":Z:");
                out.extend_from_slice(value);
            }
            TagValue::Bam(kind, bytes) => {
                out.push(b':');
                super::tags::write_sam(kind, bytes, out);
            }
        }
    }
    out.push(b'\n');
}

fn or_star(text: &[u8]) -> &[u8] {
    if text.is_empty() { b"*" } else { text }
}

/// SAM counts from 1; 0 is no position.
fn one_based(pos: Option<Pos>) -> i64 {
    pos.map_or(0, |p| p.one_based() as i64)
}

fn tab_contig(out: &mut Vec<u8>, contigs: &[Contig], contig: Option<ContigId>) {
    out.push(b'\t');
    out.extend_from_slice(contig.map_or(b"*", |id| contigs[id.index()].name.as_bytes()));
}

fn tab_number(out: &mut Vec<u8>, value: i64) {
    out.push(b'\t');
    number(out, value);
}

/// Appends an integer in decimal; several times as fast as `write!`.
pub(crate) fn number(out: &mut Vec<u8>, value: i64) {
    if value < 0 {
        out.push(b'-');
    }
    let mut digits = [0; 20];
    let mut at = digits.len();
    let mut rest = value.unsigned_abs();
    loop {
        at -= 1;
        digits[at] = b'0' + (rest % 10) as u8;
        rest /= 10;
        if rest == 0 {
            break;
        }
    }
    out.extend_from_slice(&digits[at..]);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_written_in_decimal() {
        for n in [0, 7, 10, -1, i64::MIN, i64::MAX] {
            let mut out = Vec::new();
            number(&mut out, n);
            assert_eq!(out, n.to_string().into_bytes());
        }
    }
}
