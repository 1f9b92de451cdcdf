//! Places: in a contig ([`Pos`], [`Span`]), in the packed genome ([`GenomePos`]), on a [`Strand`].

use bytemuck::{Pod, Zeroable};

/// A contig's rank in the reference, from 0, in the order of the FASTA.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Pod, Zeroable)]
#[repr(transparent)]
pub struct ContigId(pub u32);

impl ContigId {
    /// For indexing a contig table.
    pub fn index(self) -> usize {
        self.0 as usize
    }
}

/// A position within a contig, counted from 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Pod, Zeroable)]
#[repr(transparent)]
pub struct Pos(pub u32);

impl Pos {
    /// The same place counted from 1, as SAM, VCF and people write it.
    pub fn one_based(self) -> u64 {
        u64::from(self.0) + 1
    }
}

/// A half-open stretch `start..end` of a contig, counted from 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Span {
    /// First position inside.
    pub start: u32,
    /// First position after.
    pub end: u32,
}

impl Span {
    /// A span; `start` must not be greater than `end`.
    pub fn new(start: u32, end: u32) -> Span {
        assert!(start <= end, "span {start}..{end}");
        Span { start, end }
    }

    /// Bases covered.
    pub fn len(self) -> u32 {
        self.end - self.start
    }

    /// Covers no base.
    pub fn is_empty(self) -> bool {
        self.start == self.end
    }

    /// Is the position inside?
    pub fn contains(self, pos: Pos) -> bool {
        (self.start..self.end).contains(&pos.0)
    }

    /// Do the two share a base?
    pub fn overlaps(self, other: Span) -> bool {
        self.start < other.end && other.start < self.end
    }

    /// Widened by `reach` on both sides, cut to `0..length`.
    #[must_use]
    pub fn widened(self, reach: u32, length: u32) -> Span {
        Span {
            start: self.start.saturating_sub(reach),
            end: self.end.saturating_add(reach).min(length),
        }
    }
}

/// A position in the packed genome, in which the contigs' known stretches lie one after another
/// with padding between them (see [`crate::genome::Reference`]). What the kernels count in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Pod, Zeroable)]
#[repr(transparent)]
pub struct GenomePos(pub u32);

/// Which strand of the reference a read was sequenced from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Strand {
    /// As the FASTA spells it.
    Forward,
    /// Its reverse complement.
    Reverse,
}

impl Strand {
    /// True on the reverse strand, as SAM flag 0x10.
    pub fn is_reverse(self) -> bool {
        self == Strand::Reverse
    }
}
