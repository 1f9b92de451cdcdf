//! Places as sources give them, in coordinates of a genome.

use super::import::Ground;
use crate::domain::{ContigId, Pos, Span, Variant};

/// A source's own place: `GRCh37:9:5073770-5073770:G:T:ENST00000381652.3`.
pub struct Place<'a> {
    /// Assembly.
    pub build: &'a str,
    /// Contig, as the source names it.
    pub contig: &'a str,
    /// Where on it.
    pub span: Span,
    /// Bases there; empty if none are named.
    pub reference: &'a str,
    /// Bases in their stead; empty if none are named.
    pub alternate: &'a str,
}

impl<'a> Place<'a> {
    /// Reads it; `None` if it is no place.
    pub fn parse(text: &'a str) -> Option<Place<'a>> {
        let p: Vec<&str> = text.split(':').collect();
        let &[build, contig, span, reference, alternate, ..] = &p[..] else {
            return None;
        };
        let (start, end) = span.split_once('-')?;
        let (start, end): (u32, u32) = (start.parse().ok()?, end.parse().ok()?);
        let none = |s: &'a str| if s == "-" { "" } else { s };
        (1 <= start && start <= end).then(|| Place {
            build,
            contig,
            span: Span::new(start - 1, end),
            reference: none(reference),
            alternate: none(alternate),
        })
    }

    /// So long that it stands for a part of a gene, whatever bases are named.
    pub fn is_region(&self) -> bool {
        self.span.len() > 1000
    }

    /// The change that it names, if the reference has the bases that it names; `Ok(None)` where no
    /// bases are named.
    ///
    /// # Errors
    /// Says what the reference has instead.
    pub fn variant(&self, contig: ContigId, ground: Ground) -> Result<Option<Variant>, String> {
        let bases = |s: &str| s.bytes().all(|b| b"ACGT".contains(&b));
        if self.reference.is_empty() && self.alternate.is_empty() || self.is_region() {
            return Ok(None);
        }
        if !bases(self.reference) || !bases(self.alternate) {
            return Err(format!(
                "{}>{} are no bases",
                self.reference, self.alternate
            ));
        }
        let found = ground.reference.bases(contig, self.span);
        if !self.reference.is_empty() && found != self.reference.as_bytes() {
            return Err(format!(
                "the reference has {} at {}:{}, not {}",
                String::from_utf8_lossy(&found),
                self.contig,
                self.span.start + 1,
                self.reference
            ));
        }
        let (start, reference, alternate) = if self.reference.is_empty() {
            // Between two bases: behind the first.
            let anchor = found[..1].to_vec();
            let with = [&anchor[..], self.alternate.as_bytes()].concat();
            (self.span.start, anchor, with)
        } else if self.alternate.is_empty() {
            let Some(before) = self.span.start.checked_sub(1) else {
                return Ok(None);
            };
            let wide = ground
                .reference
                .bases(contig, Span::new(before, self.span.end));
            (before, wide.clone(), wide[..1].to_vec())
        } else {
            (self.span.start, found, self.alternate.into())
        };
        Ok(Some(Variant {
            contig,
            pos: Pos(start),
            reference,
            alternate,
        }))
    }
}
