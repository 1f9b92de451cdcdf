//! The panel itself: what of a stretch it covers.

use crate::domain::{ContigId, Span};
use std::collections::BTreeMap;

/// The panel's targets, merged, by contig.
#[derive(Debug)]
pub struct Panel(pub BTreeMap<ContigId, Vec<Span>>);

impl Panel {
    /// From merged regions in order.
    pub fn new(merged: &[(ContigId, Span)]) -> Panel {
        let mut out: BTreeMap<ContigId, Vec<Span>> = BTreeMap::new();
        for &(contig, span) in merged {
            out.entry(contig).or_default().push(span);
        }
        Panel(out)
    }

    /// The parts of a stretch that are no target.
    pub fn outside(&self, contig: ContigId, span: Span) -> Vec<Span> {
        let targets = self.0.get(&contig).map_or(&[][..], Vec::as_slice);
        let mut out = Vec::new();
        let mut at = span.start;
        for t in targets.iter().filter(|t| t.overlaps(span)) {
            if t.start > at {
                out.push(Span::new(at, t.start));
            }
            at = t.end;
        }
        if at < span.end {
            out.push(Span::new(at, span.end));
        }
        out
    }

    /// Does a target touch the stretch?
    pub fn touches(&self, contig: ContigId, span: Span) -> bool {
        self.0
            .get(&contig)
            .is_some_and(|t| t.iter().any(|t| t.overlaps(span)))
    }

    /// Bases in all targets.
    pub fn bases(&self) -> u64 {
        self.0.values().flatten().map(|s| u64::from(s.len())).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_lies_outside_the_panel_is_named() {
        let p = Panel::new(&[
            (ContigId(0), Span::new(10, 20)),
            (ContigId(0), Span::new(30, 40)),
        ]);
        assert_eq!(
            p.outside(ContigId(0), Span::new(5, 35)),
            [Span::new(5, 10), Span::new(20, 30)]
        );
        assert!(p.outside(ContigId(0), Span::new(32, 40)).is_empty());
        assert_eq!(p.bases(), 20);
    }
}
