//! A variant as VCF spells it: replaced bases at a place.

use super::coord::{ContigId, Pos, Span};

/// `reference` at `pos` is replaced by `alternate`. Upper-case ASCII, neither is empty (an indel
/// carries its anchor base, as in VCF), left-aligned and trimmed unless said otherwise.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Variant {
    /// Where.
    pub contig: ContigId,
    /// First base of `reference`, from 0.
    pub pos: Pos,
    /// The reference's bases.
    pub reference: Vec<u8>,
    /// What stands there instead.
    pub alternate: Vec<u8>,
}

impl Variant {
    /// The reference bases it replaces.
    pub fn span(&self) -> Span {
        Span::new(self.pos.0, self.pos.0 + self.reference.len() as u32)
    }

    /// One base for one base.
    pub fn is_snv(&self) -> bool {
        self.reference.len() == 1 && self.alternate.len() == 1
    }

    /// Changes the length.
    pub fn is_indel(&self) -> bool {
        self.reference.len() != self.alternate.len()
    }
}
