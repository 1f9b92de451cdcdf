//! Reads that may be used for calling, decoded from a BAM's records.

use crate::domain::{CigarOp, Span};
use crate::kernel::pairhmm::pack;
use noodles::bam;
use noodles::sam::alignment::record::cigar::op::Kind;

/// Which reads count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReadFilter {
    /// Reads below this MAPQ are left out.
    pub min_mapq: u8,
}

/// One read that may be used for calling.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Read {
    /// Rank of its fragment among those of the load.
    pub fragment: u32,
    /// First aligned base.
    pub start: u32,
    /// First position behind the last aligned base.
    pub end: u32,
    /// From the reverse strand.
    pub reverse: bool,
    /// Of a fragment whose second read is the forward one (F2R1), as against F1R2.
    pub flipped: bool,
    /// A consensus of both strands of its molecule (fgbio's tags `aD` and `bD`).
    pub duplex: bool,
    /// Its MAPQ.
    pub mapq: u8,
    /// Its CIGAR, without hard clips.
    pub cigar: Vec<(u32, CigarOp)>,
    /// Codes of its bases, clipped ones included.
    pub bases: Vec<u8>,
    /// Qualities as sequenced; 0 where the base is not known, or is adapter.
    pub quals: Vec<u8>,
    /// For the pileup: quality 0 where the mate speaks for the fragment.
    pub counted: Vec<u8>,
    /// For the pair HMM: qualities that a fragment's two reads may both bring.
    pub weighed: Vec<u8>,
}

/// The reads that touch a place, in the order of the BAM, and the fragments they come from.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Load {
    /// Sorted by position.
    pub reads: Vec<Read>,
    /// A hash of each fragment's name; decides who is left out where there are too many.
    pub fragments: Vec<u64>,
}

/// Base codes of BAM's nibbles, `=ACMGRSVTWYHKDBN` (SAM 1.6 §4.2.3); 4 for what is not one base.
const CODE_OF_NIBBLE: [u8; 16] = [4, 0, 1, 4, 2, 4, 4, 4, 3, 4, 4, 4, 4, 4, 4, 4];

/// A record as a read; `None` if it is not to be used.
///
/// # Errors
/// When the record is damaged.
pub(super) fn decode(record: &bam::Record, filter: ReadFilter) -> std::io::Result<Option<Read>> {
    let flags = record.flags();
    let unusable = flags.is_unmapped()
        || flags.is_secondary()
        || flags.is_supplementary()
        || flags.is_qc_fail()
        || flags.is_duplicate();
    // MAPQ 255 says "not available" (SAM 1.6 §1.4.5); nothing speaks for such a read.
    let mapq = record.mapping_quality().map_or(0, u8::from);
    let (false, Some(start)) = (unusable || mapq < filter.min_mapq, record.alignment_start())
    else {
        return Ok(None);
    };
    let start = start?.get() as u32 - 1;
    let mut cigar: Vec<(u32, CigarOp)> = Vec::new();
    let (mut end, mut length) = (start, 0);
    for op in record.cigar().iter() {
        let op = op?;
        let n = op.len() as u32;
        let kind = match op.kind() {
            Kind::Match | Kind::SequenceMatch | Kind::SequenceMismatch => CigarOp::Match,
            Kind::Insertion => CigarOp::Insertion,
            Kind::Deletion => CigarOp::Deletion,
            Kind::SoftClip => CigarOp::SoftClip,
            Kind::HardClip | Kind::Pad => continue,
            Kind::Skip => return Ok(None), // a spliced read says nothing on what it skips
        };
        if kind.takes_reference() {
            end += n;
        }
        if kind.takes_read() {
            length += n;
        }
        match cigar.last_mut() {
            Some((m, last)) if *last == kind => *m += n,
            _ => cigar.push((n, kind)),
        }
    }
    let sequence = record.sequence();
    let packed = sequence.as_bytes();
    let bases: Vec<u8> = (0..sequence.len())
        .map(|i| CODE_OF_NIBBLE[usize::from(packed[i / 2] >> (4 * (1 - i % 2)) & 15)])
        .collect();
    if bases.len() != length as usize || bases.is_empty() || end == start {
        return Ok(None);
    }
    let given = record.quality_scores();
    let given = given.as_bytes();
    let mut quals: Vec<u8> = if given.len() == bases.len() && given[0] != 0xff {
        given.to_vec()
    } else {
        vec![30; bases.len()] // no qualities: taken for usual ones
    };
    for (q, &b) in quals.iter_mut().zip(&bases) {
        *q = if b > 3 { 0 } else { (*q).clamp(1, 63) };
    }
    mask_adapter(record, &cigar, start, end, &mut quals)?;
    Ok(Some(Read {
        fragment: 0,
        start,
        end,
        reverse: flags.is_reverse_complemented(),
        flipped: flags.is_reverse_complemented() != flags.is_last_segment(),
        duplex: is_duplex(record)?,
        mapq,
        counted: quals.clone(),
        weighed: quals.iter().map(|&q| q.min(mapq.max(1))).collect(),
        cigar,
        bases: bases.into_iter().map(|b| b & 3).collect(),
        quals,
    }))
}

/// Is it the consensus of copies of both strands?
fn is_duplex(record: &bam::Record) -> std::io::Result<bool> {
    let data = record.data();
    for depth in [b"aD", b"bD"] {
        let copies = data.get(depth).transpose()?.and_then(|v| v.as_int());
        if copies.is_none_or(|n| n < 1) {
            return Ok(false);
        }
    }
    Ok(true)
}

/// A read longer than its fragment ends in adapter: clipped bases beyond the fragment's ends are
/// not known bases.
fn mask_adapter(
    record: &bam::Record,
    cigar: &[(u32, CigarOp)],
    start: u32,
    end: u32,
    quals: &mut [u8],
) -> std::io::Result<()> {
    let flags = record.flags();
    let size = record.template_length();
    if !flags.is_properly_segmented() || size == 0 {
        return Ok(());
    }
    let clip = |c: Option<&(u32, CigarOp)>| match c {
        Some(&(n, CigarOp::SoftClip)) => n as usize,
        _ => 0,
    };
    let mate_start = match record.mate_alignment_start() {
        Some(p) => p?.get() as u32 - 1,
        None => return Ok(()),
    };
    if flags.is_reverse_complemented() {
        let inside = start.saturating_sub(mate_start) as usize;
        let n = clip(cigar.first()).saturating_sub(inside);
        quals[..n].fill(0);
    } else if size > 0 {
        let inside = (start + size as u32).saturating_sub(end) as usize;
        let n = clip(cigar.last()).saturating_sub(inside);
        let from = quals.len() - n;
        quals[from..].fill(0);
    }
    Ok(())
}

/// For each position of `from..to`, the index of the read's base that is aligned there.
pub(crate) fn columns(read: &Read, from: u32, to: u32) -> Vec<Option<usize>> {
    let mut out = vec![None; (to - from) as usize];
    let (mut at, mut position) = (0u32, read.start);
    for &(n, op) in &read.cigar {
        if op == CigarOp::Match {
            for p in position.max(from)..(position + n).min(to) {
                out[(p - from) as usize] = Some((at + (p - position)) as usize);
            }
        }
        if op.takes_read() {
            at += n;
        }
        if op.takes_reference() {
            position += n;
        }
    }
    out
}

impl Read {
    /// Bytes for the pileup.
    pub fn counted_bytes(&self) -> impl Iterator<Item = u8> + '_ {
        self.bases
            .iter()
            .zip(&self.counted)
            .map(|(&b, &q)| pack(b, q))
    }

    /// Makes bases unknown.
    pub(super) fn forget(&mut self, bases: std::ops::Range<usize>) {
        for values in [&mut self.quals, &mut self.counted, &mut self.weighed] {
            values[bases.clone()].fill(0);
        }
    }

    /// Index of the base aligned at a position; `None` in a deletion or outside.
    pub fn index_at(&self, position: u32) -> Option<usize> {
        if position < self.start || position >= self.end {
            return None;
        }
        columns(self, position, position + 1)[0]
    }

    /// Aligned without a gap within a span?
    pub fn is_straight(&self, span: Span) -> bool {
        let mut position = self.start;
        for &(n, op) in &self.cigar {
            let gap = matches!(op, CigarOp::Insertion | CigarOp::Deletion);
            let end = position + if op.takes_reference() { n } else { 0 };
            if gap && position <= span.end && end >= span.start {
                return false;
            }
            position = end;
        }
        true
    }

    /// Positions of a span between its first and last aligned bases.
    pub fn aligned_in(&self, span: Span) -> u32 {
        self.end
            .min(span.end)
            .saturating_sub(self.start.max(span.start))
    }

    /// The bases that lie in `span`: aligned ones, insertions between them, and as many clipped ones
    /// as would lie there if the read went on without a gap.
    pub fn part_in(&self, span: Span) -> std::ops::Range<usize> {
        let (mut at, mut position) = (0u32, self.start);
        let (mut from, mut to) = (None, 0);
        for (k, &(n, op)) in self.cigar.iter().enumerate() {
            match op {
                CigarOp::Match => {
                    let (a, b) = (position.max(span.start), (position + n).min(span.end));
                    if a < b {
                        from.get_or_insert(at + (a - position));
                        to = at + (b - position);
                    }
                }
                CigarOp::SoftClip if k == 0 && self.start > span.start && self.start < span.end => {
                    from = Some(n.saturating_sub(self.start - span.start));
                    to = n;
                }
                CigarOp::SoftClip if k > 0 && self.end < span.end && self.end > span.start => {
                    to = at + n.min(span.end - self.end);
                }
                _ => {}
            }
            if op.takes_read() {
                at += n;
            }
            if op.takes_reference() {
                position += n;
            }
        }
        from.unwrap_or(to) as usize..to as usize
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::domain::code_of;
    use noodles::sam;

    /// A read of one CIGAR at quality 37, MAPQ 60.
    pub fn read(fragment: u32, start: u32, cigar: &[(u32, CigarOp)], bases: &[u8]) -> Read {
        let end = start
            + cigar
                .iter()
                .filter(|c| c.1.takes_reference())
                .map(|c| c.0)
                .sum::<u32>();
        Read {
            fragment,
            start,
            end,
            reverse: false,
            flipped: false,
            duplex: false,
            mapq: 60,
            cigar: cigar.to_vec(),
            bases: bases.iter().map(|&b| code_of(b)).collect(),
            quals: vec![37; bases.len()],
            counted: vec![37; bases.len()],
            weighed: vec![37; bases.len()],
        }
    }

    #[test]
    fn a_consensus_is_of_both_strands_if_both_have_copies() {
        use sam::alignment::record::data::field::Tag;
        use sam::alignment::{RecordBuf, io::Write, record_buf::data::field::Value};
        let header = sam::Header::default();
        let duplex = |tags: &[([u8; 2], i32)]| {
            let data = tags.iter().map(|&(t, n)| (Tag::from(t), Value::from(n)));
            let given = RecordBuf::builder().set_data(data.collect()).build();
            let mut out = bam::io::Writer::from(Vec::new());
            out.write_alignment_record(&header, &given).unwrap();
            let bytes = out.into_inner();
            let mut record = bam::Record::default();
            bam::io::Reader::from(&bytes[..])
                .read_record(&mut record)
                .unwrap();
            is_duplex(&record).unwrap()
        };
        assert!(duplex(&[(*b"aD", 3), (*b"bD", 1)]));
        assert!(!duplex(&[(*b"aD", 3), (*b"bD", 0)]));
        assert!(!duplex(&[(*b"cD", 3)]));
    }

    #[test]
    fn the_part_in_a_window_takes_insertions_and_clips_along() {
        let r = read(
            0,
            10,
            &[
                (3, CigarOp::SoftClip),
                (4, CigarOp::Match),
                (2, CigarOp::Insertion),
                (4, CigarOp::Match),
            ],
            b"TTTACGTCCACGT",
        );
        assert_eq!(r.part_in(Span::new(12, 16)), 5..11);
        assert_eq!(r.part_in(Span::new(8, 30)), 1..13);
        assert_eq!(r.part_in(Span::new(30, 40)), 0..0);
    }
}
