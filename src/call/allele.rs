//! Alleles as a read shows them, and as VCF wants them: left-aligned and parsimonious
//! (Tan, Abecasis & Kang 2015).

use super::reads::Read;
use crate::domain::bases::LETTERS;
use crate::domain::{CigarOp, ContigId, Pos, Span, Variant};
use crate::genome::Reference;

/// Reference bases around a place, fetched once.
#[derive(Debug, Clone)]
pub struct Stretch {
    /// The contig.
    pub contig: ContigId,
    /// Its part.
    pub span: Span,
    /// Upper-case letters of `span`.
    pub bases: Vec<u8>,
}

impl Stretch {
    /// Fetches `span`, cut to the contig.
    pub fn fetch(reference: &Reference, contig: ContigId, span: Span) -> Stretch {
        let length = reference.contig(contig).length;
        let span = Span::new(span.start.min(length), span.end.min(length));
        Stretch {
            contig,
            span,
            bases: reference.bases(contig, span),
        }
    }

    /// The base at a position of the contig; N outside.
    pub fn at(&self, position: u32) -> u8 {
        if self.span.contains(Pos(position)) {
            self.bases[(position - self.span.start) as usize]
        } else {
            b'N'
        }
    }

    /// The bases of a part, cut to the stretch.
    pub fn part(&self, from: u32, to: u32) -> &[u8] {
        let from = from.clamp(self.span.start, self.span.end);
        let to = to.clamp(from, self.span.end);
        &self.bases[(from - self.span.start) as usize..(to - self.span.start) as usize]
    }
}

/// Left-aligns and trims, as far as the stretch reaches. An indel keeps one anchor base.
pub fn normalize(mut v: Variant, around: &Stretch) -> Variant {
    let (r, a) = (&mut v.reference, &mut v.alternate);
    loop {
        if let (Some(x), Some(y)) = (r.last(), a.last())
            && x == y
            && (r.len() > 1 || a.len() > 1)
        {
            r.pop();
            a.pop();
        } else if !(r.is_empty() || a.is_empty()) {
            break;
        }
        if r.is_empty() || a.is_empty() {
            let Some(before) = v.pos.0.checked_sub(1).filter(|&p| p >= around.span.start) else {
                // No base before: the anchor comes behind instead.
                let behind = around.at(v.pos.0 + r.len() as u32);
                r.push(behind);
                a.push(behind);
                return v;
            };
            v.pos = Pos(before);
            r.insert(0, around.at(before));
            a.insert(0, around.at(before));
        }
    }
    let shared = r.iter().zip(a.iter()).take_while(|(x, y)| x == y).count();
    let trimmed = shared.min(r.len() - 1).min(a.len() - 1);
    r.drain(..trimmed);
    a.drain(..trimmed);
    v.pos = Pos(v.pos.0 + trimmed as u32);
    v
}

/// Reference bases within which an indel is moved to the left.
const MARGIN: u32 = 400;

/// The allele as the caller spells it.
pub fn normalized(v: Variant, reference: &Reference) -> Variant {
    let length = reference.contig(v.contig).length;
    let wide = v.span().widened(MARGIN, length);
    let around = Stretch::fetch(reference, v.contig, wide);
    normalize(v, &around)
}

/// What of the reference a normalized variant changes, without its anchor: an empty span for an insertion.
pub fn core(v: &Variant) -> Span {
    let shared = shared_prefix(v);
    Span::new(v.pos.0 + shared, v.pos.0 + v.reference.len() as u32)
}

/// Letters that stand in place of [`core`].
pub fn core_letters(v: &Variant) -> &[u8] {
    &v.alternate[shared_prefix(v) as usize..]
}

fn shared_prefix(v: &Variant) -> u32 {
    if v.reference.len() == v.alternate.len() {
        return 0; // SNV or MNV
    }
    u32::from(v.reference[0] == v.alternate[0])
}

/// Where a variant could stand as well: from its core's start to the last base that any placement
/// of the same indel reaches; for others, the core.
pub fn reach(v: &Variant, around: &Stretch) -> Span {
    let c = core(v);
    if !v.is_indel() {
        return c;
    }
    let unit: Vec<u8> = if c.is_empty() {
        core_letters(v).to_vec()
    } else {
        around.part(c.start, c.end).to_vec()
    };
    if unit.is_empty() {
        return c;
    }
    // An indel of `unit` can be moved right as long as the base behind equals the unit's first, rotating.
    let mut end = c.end;
    let mut i = 0;
    while around.span.contains(Pos(end)) && around.at(end) == unit[i % unit.len()] {
        end += 1;
        i += 1;
    }
    Span::new(c.start, end.max(c.end))
}

/// Insertions and deletions of a read as its CIGAR has them, normalized. Those next to a clip, or
/// with an unknown base inside, are left out.
pub fn indels(read: &Read, around: &Stretch) -> Vec<Variant> {
    let mut out = Vec::new();
    if read.cigar.len() < 3 {
        return out;
    }
    let (mut at, mut position) = (0usize, read.start);
    for (k, &(length, op)) in read.cigar.iter().enumerate() {
        let inner = k > 0
            && read.cigar[k - 1].1 == CigarOp::Match
            && read.cigar.get(k + 1).is_some_and(|n| n.1 == CigarOp::Match);
        if inner && matches!(op, CigarOp::Insertion | CigarOp::Deletion) {
            let anchor = around.at(position - 1);
            let (mut reference, mut alternate) = (vec![anchor], vec![anchor]);
            if op == CigarOp::Insertion {
                alternate.extend(letters(read, at, length as usize));
            } else {
                reference.extend(around.part(position, position + length));
            }
            if !reference.contains(&b'N') && !alternate.contains(&b'N') {
                let raw = Variant {
                    contig: around.contig,
                    pos: Pos(position - 1),
                    reference,
                    alternate,
                };
                out.push(normalize(raw, around));
            }
        }
        if op.takes_read() {
            at += length as usize;
        }
        if op.takes_reference() {
            position += length;
        }
    }
    out
}

/// The letters of a read's bases; unknown ones are N.
pub fn letters(read: &Read, from: usize, length: usize) -> Vec<u8> {
    (from..from + length)
        .map(|i| {
            if read.quals[i] == 0 {
                b'N'
            } else {
                LETTERS[read.bases[i] as usize]
            }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stretch(bases: &[u8], start: u32) -> Stretch {
        Stretch {
            contig: ContigId(0),
            span: Span::new(start, start + bases.len() as u32),
            bases: bases.to_vec(),
        }
    }

    fn variant(pos: u32, r: &[u8], a: &[u8]) -> Variant {
        Variant {
            contig: ContigId(0),
            pos: Pos(pos),
            reference: r.to_vec(),
            alternate: a.to_vec(),
        }
    }

    #[test]
    fn indels_move_left_and_carry_one_anchor() {
        //                    100       110
        let s = stretch(b"GCATATATGAAAAC", 100);
        // Deleting the last AT of CATATATG is deleting the first.
        assert_eq!(
            normalize(variant(105, b"TAT", b"T"), &s),
            variant(101, b"CAT", b"C")
        );
        assert_eq!(
            normalize(variant(112, b"A", b"AA"), &s),
            variant(108, b"G", b"GA")
        );
        assert_eq!(
            normalize(variant(102, b"ATA", b"ATC"), &s),
            variant(104, b"A", b"C")
        );
        // Nothing before the stretch: the anchor comes from behind.
        assert_eq!(
            normalize(variant(100, b"GC", b"C"), &s),
            variant(100, b"GC", b"C")
        );
    }

    #[test]
    fn an_mnv_keeps_its_inner_bases() {
        let s = stretch(b"GCATATATGAAAAC", 100);
        assert_eq!(
            normalize(variant(101, b"CATA", b"CGTC"), &s),
            variant(102, b"ATA", b"GTC")
        );
    }

    #[test]
    fn reach_covers_all_placements() {
        let s = stretch(b"GCATATATGAAAAC", 100);
        assert_eq!(reach(&variant(101, b"CAT", b"C"), &s), Span::new(102, 108));
        assert_eq!(reach(&variant(108, b"G", b"GA"), &s), Span::new(109, 113));
        assert_eq!(reach(&variant(104, b"A", b"C"), &s), Span::new(104, 105));
    }
}
