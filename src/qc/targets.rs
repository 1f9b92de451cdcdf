//! The panel's bases, one after another: what is counted of a base has its slot in an array.

use crate::domain::{ContigId, Span};
use crate::format::bed;
use crate::genome::Reference;

/// The merged regions of a panel, and the slots of their bases.
#[derive(Debug)]
pub struct Targets {
    spans: Vec<(ContigId, Span)>,
    /// Slot of each span's first base, and the number of all at the end.
    first: Vec<usize>,
    /// The reference's letters, by slot.
    bases: Vec<u8>,
}

impl Targets {
    /// Of sorted regions, which may overlap.
    pub fn new(regions: &[bed::Region], reference: &Reference) -> Targets {
        let spans = bed::merged(regions);
        let mut first = vec![0];
        let mut bases = Vec::new();
        for &(contig, span) in &spans {
            bases.extend(reference.bases(contig, span));
            first.push(bases.len());
        }
        Targets {
            spans,
            first,
            bases,
        }
    }

    /// Bases of the panel.
    pub fn len(&self) -> usize {
        self.bases.len()
    }

    /// Has it no base?
    pub fn is_empty(&self) -> bool {
        self.bases.is_empty()
    }

    /// The reference's letter at a slot.
    pub fn base(&self, slot: usize) -> u8 {
        self.bases[slot]
    }

    /// The merged spans with the slots of their bases.
    pub fn spans(&self) -> impl Iterator<Item = (ContigId, Span, std::ops::Range<usize>)> + '_ {
        let slots = self.first.windows(2).map(|w| w[0]..w[1]);
        let spans = self.spans.iter().zip(slots);
        spans.map(|(&(contig, span), slots)| (contig, span, slots))
    }

    /// The parts of a stretch that lie in the panel, with the slot of their first base.
    pub fn parts(
        &self,
        contig: ContigId,
        span: Span,
    ) -> impl Iterator<Item = (Span, usize)> + use<'_> {
        let next = (self.spans).partition_point(|(c, s)| (*c, s.end) <= (contig, span.start));
        let near = self.spans[next..].iter().zip(&self.first[next..]);
        near.take_while(move |((c, s), _)| *c == contig && s.start < span.end)
            .map(move |(&(_, s), &first)| {
                let part = Span::new(s.start.max(span.start), s.end.min(span.end));
                (part, first + (part.start - s.start) as usize)
            })
    }

    /// The slots of a stretch that lies in the panel as a whole, as its regions do.
    pub fn slots(&self, contig: ContigId, span: Span) -> std::ops::Range<usize> {
        let from = self.parts(contig, span).next().map_or(0, |(_, slot)| slot);
        from..from + span.len() as usize
    }

    /// The first slot of a base at or behind a position of its contig, or of a later contig.
    pub fn slot_from(&self, contig: ContigId, position: u32) -> usize {
        let next = (self.spans).partition_point(|(c, s)| (*c, s.end) <= (contig, position));
        match self.spans.get(next) {
            Some((c, s)) if *c == contig => {
                self.first[next] + position.saturating_sub(s.start) as usize
            }
            _ => self.first[next],
        }
    }

    /// Does a stretch touch the panel?
    pub fn touches(&self, contig: ContigId, span: Span) -> bool {
        self.parts(contig, span).next().is_some()
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// Targets 10..14 and 20..22 of the first contig, 5..8 of the second.
    pub fn some() -> Targets {
        Targets {
            spans: vec![
                (ContigId(0), Span::new(10, 14)),
                (ContigId(0), Span::new(20, 22)),
                (ContigId(1), Span::new(5, 8)),
            ],
            first: vec![0, 4, 6, 9],
            bases: b"ACGTACGTA".to_vec(),
        }
    }

    #[test]
    fn a_stretch_is_cut_to_the_panel_with_the_slots_of_its_parts() {
        let t = some();
        let parts = |contig, a, b| -> Vec<(u32, u32, usize)> {
            let parts = t.parts(ContigId(contig), Span::new(a, b));
            parts.map(|(s, slot)| (s.start, s.end, slot)).collect()
        };
        assert_eq!(parts(0, 12, 30), [(12, 14, 2), (20, 22, 4)]);
        assert_eq!(parts(0, 0, 11), [(10, 11, 0)]);
        assert_eq!(parts(1, 7, 100), [(7, 8, 8)]);
        assert!(parts(0, 14, 20).is_empty() && parts(1, 0, 5).is_empty());
        assert_eq!(t.slots(ContigId(0), Span::new(11, 14)), 1..4);
    }

    #[test]
    fn the_next_slot_is_found_from_anywhere() {
        let t = some();
        let from = |contig, p| t.slot_from(ContigId(contig), p);
        assert_eq!(
            [from(0, 0), from(0, 12), from(0, 14), from(0, 21)],
            [0, 2, 4, 5]
        );
        assert_eq!(
            [from(0, 22), from(1, 0), from(1, 8), from(2, 0)],
            [6, 6, 9, 9]
        );
    }
}
