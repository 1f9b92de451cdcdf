//! A change read along one strand, where HGVS wants it and in HGVS's words.

use crate::domain::{ContigId, Span, Variant, reverse_complement};
use crate::genome::Reference;

/// A variant in forward orientation: bases `start..end` of the contig give way to `alternate`, with
/// no base in common at either end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Edit {
    /// First base replaced.
    pub start: u32,
    /// First base behind it; equal to `start` for an insertion.
    pub end: u32,
    /// What stands there instead.
    pub alternate: Vec<u8>,
}

impl Edit {
    /// Takes off what REF and ALT share at their beginnings, then at their ends.
    pub fn of(v: &Variant) -> Edit {
        let (r, a) = (&v.reference[..], &v.alternate[..]);
        let prefix = r.iter().zip(a).take_while(|(x, y)| x == y).count();
        let (r, a) = (&r[prefix..], &a[prefix..]);
        let ends = r.iter().rev().zip(a.iter().rev());
        let suffix = ends.take_while(|(x, y)| x == y).count();
        Edit {
            start: v.pos.0 + prefix as u32,
            end: v.pos.0 + (prefix + r.len() - suffix) as u32,
            alternate: a[..a.len() - suffix].to_vec(),
        }
    }

    /// The bases that it touches: an insertion, those on both sides.
    pub fn touched(&self) -> Span {
        if self.start == self.end {
            Span::new(self.start.saturating_sub(1), self.end + 1)
        } else {
            Span::new(self.start, self.end)
        }
    }
}

/// How far a variant in a repeat is followed to its 3' end.
const REACH: u32 = 2000;

/// A stretch of the reference read along one strand, with an edit in it.
pub struct Oriented {
    window: Span,
    reverse: bool,
    /// The stretch.
    pub bases: Vec<u8>,
    /// First base replaced, as an offset into `bases`.
    pub start: usize,
    /// First base behind it.
    pub end: usize,
    /// What stands there instead.
    pub alternate: Vec<u8>,
}

impl Oriented {
    /// Reads the neighbourhood of an edit along one strand.
    pub fn new(edit: &Edit, contig: ContigId, reverse: bool, r: &Reference) -> Oriented {
        let window = Span::new(edit.start, edit.end).widened(REACH, r.contig(contig).length);
        let forward = r.bases(contig, window);
        let (from, to) = (edit.start - window.start, edit.end - window.start);
        let (bases, start, end, alternate) = if reverse {
            let bases = reverse_complement(&forward);
            let alternate = reverse_complement(&edit.alternate);
            (bases, window.len() - to, window.len() - from, alternate)
        } else {
            (forward, from, to, edit.alternate.clone())
        };
        Oriented {
            window,
            reverse,
            bases,
            start: start as usize,
            end: end as usize,
            alternate,
        }
    }

    /// The contig's position of an offset.
    pub fn genomic(&self, offset: usize) -> u32 {
        if self.reverse {
            self.window.end - 1 - offset as u32
        } else {
            self.window.start + offset as u32
        }
    }

    /// Bases are put between two others, none is replaced.
    pub fn is_insertion(&self) -> bool {
        self.start == self.end
    }

    /// HGVS's 3' rule: of equal descriptions the one furthest along the strand.
    pub fn shift(&mut self) {
        let known = |b: &u8| *b != b'N';
        if self.alternate.is_empty() && self.end > self.start {
            while let Some(next) = self.bases.get(self.end).filter(|b| known(b))
                && *next == self.bases[self.start]
            {
                self.start += 1;
                self.end += 1;
            }
        } else if self.is_insertion() && !self.alternate.is_empty() {
            while let Some(next) = self.bases.get(self.start).filter(|b| known(b))
                && *next == self.alternate[0]
            {
                self.alternate.rotate_left(1);
                self.start += 1;
                self.end += 1;
            }
        }
    }

    /// An insertion that repeats the bases before it.
    fn is_duplication(&self) -> bool {
        let n = self.alternate.len();
        self.is_insertion()
            && n > 0
            && self.start >= n
            && self.bases[self.start - n..self.start] == self.alternate[..]
    }

    /// Two bases or more, replaced by their reverse complement.
    fn is_inversion(&self) -> bool {
        let replaced = &self.bases[self.start..self.end];
        replaced.len() > 1 && reverse_complement(replaced) == self.alternate
    }

    /// The description behind `c.` or `g.`, given how to write the place of an offset. Of the kinds
    /// that fit, HGVS takes the first: substitution, deletion, inversion, duplication, insertion.
    pub fn describe(&self, place: impl Fn(usize) -> Option<String>) -> Option<String> {
        let range = |a: usize, b: usize| -> Option<String> {
            Some(if a == b {
                place(a)?
            } else {
                format!("{}_{}", place(a)?, place(b)?)
            })
        };
        let alternate = String::from_utf8_lossy(&self.alternate).into_owned();
        Some(match (self.end - self.start, self.alternate.len()) {
            (1, 1) => format!(
                "{}{}>{alternate}",
                place(self.start)?,
                self.bases[self.start] as char
            ),
            (0, n) if self.is_duplication() => {
                format!("{}dup", range(self.start - n, self.start - 1)?)
            }
            (0, _) => format!(
                "{}ins{alternate}",
                range(self.start.checked_sub(1)?, self.start)?
            ),
            (_, 0) => format!("{}del", range(self.start, self.end - 1)?),
            _ if self.is_inversion() => format!("{}inv", range(self.start, self.end - 1)?),
            _ => format!("{}delins{alternate}", range(self.start, self.end - 1)?),
        })
    }
}

/// `7:g.55259515T>G`: the change in the contig's own coordinates.
pub fn hgvs_g(v: &Variant, reference: &Reference) -> String {
    let mut o = Oriented::new(&Edit::of(v), v.contig, false, reference);
    o.shift();
    let name = &reference.contig(v.contig).name;
    let mitochondrial = matches!(name.trim_start_matches("chr"), "M" | "MT" | "NC_012920.1");
    let kind = if mitochondrial { 'm' } else { 'g' };
    let what = o
        .describe(|i| Some((o.genomic(i) + 1).to_string()))
        .unwrap_or_default();
    format!("{name}:{kind}.{what}")
}
