//! HGVS descriptions of a coding sequence (`c.340+1G>A`) laid on a transcript and its reference.

use super::transcript::Transcript;
use crate::domain::{Pos, Span, Variant, reverse_complement};
use crate::genome::Reference;

/// A c. description taken apart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Coding {
    /// First base, in HGVS's count.
    pub start: Base,
    /// Last base.
    pub end: Base,
    /// What happens to them.
    pub edit: Edit,
}

/// A base as HGVS counts it: `76`, `-17`, `*5`, with `+4` or `-4` in an intron.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Base {
    /// Number; negative before the start codon.
    pub number: i32,
    /// Counted from the end of the coding sequence (`*5`).
    pub behind: bool,
    /// Distance into the intron.
    pub intron: i32,
}

/// What happens to the bases.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Edit {
    /// This one gives way to that one.
    Substitution(u8, u8),
    /// They are lost; those that are named, if any.
    Deletion(Vec<u8>),
    /// They stand twice.
    Duplication(Vec<u8>),
    /// These stand between the two.
    Insertion(Vec<u8>),
    /// These stand in their place.
    Delins(Vec<u8>),
}

impl Coding {
    /// Reads a description with its `c.`.
    pub fn parse(text: &str) -> Option<Coding> {
        let (start, rest) = Base::parse(text.strip_prefix("c.")?)?;
        let (end, rest) = match rest.strip_prefix('_') {
            Some(rest) => Base::parse(rest)?,
            None => (start, rest),
        };
        let bases = |s: &str| {
            let ok = s.bytes().all(|b| b"ACGT".contains(&b));
            ok.then(|| s.as_bytes().to_vec())
        };
        let some = |s: &str| bases(s).filter(|b| !b.is_empty());
        let edit = if let Some(s) = rest.strip_prefix("delins") {
            Edit::Delins(some(s)?)
        } else if let Some(s) = rest.strip_prefix("del") {
            // Older forms name what is lost, or how much: delCTinsTC, del27.
            match s.split_once("ins") {
                Some((lost, s)) => {
                    bases(lost)?;
                    Edit::Delins(some(s)?)
                }
                None if s.parse::<u32>().is_ok() => Edit::Deletion(Vec::new()),
                None => Edit::Deletion(bases(s)?),
            }
        } else if let Some(s) = rest.strip_prefix("dup") {
            Edit::Duplication(bases(s)?)
        } else if let Some(s) = rest.strip_prefix("ins") {
            Edit::Insertion(some(s).filter(|_| start != end)?)
        } else {
            let (from, to) = rest.split_once('>').filter(|_| start == end)?;
            match (&some(from)?[..], &some(to)?[..]) {
                ([from], [to]) => Edit::Substitution(*from, *to),
                _ => return None,
            }
        };
        Some(Coding { start, end, edit })
    }

    /// The genomic stretch that it names.
    ///
    /// # Errors
    /// When the transcript has no such base.
    pub fn span(&self, t: &Transcript) -> Result<Span, String> {
        let none = || format!("{} has no such base", t.model.id);
        let a = self.start.genomic(t).ok_or_else(none)?;
        let b = self.end.genomic(t).ok_or_else(none)?;
        let (low, high) = if t.model.strand.is_reverse() {
            (b, a)
        } else {
            (a, b)
        };
        if low > high {
            return Err("its last base stands before its first".into());
        }
        Ok(Span::new(low, high + 1))
    }

    /// The change in the reference's own coordinates, if the reference has the bases that the
    /// description names.
    ///
    /// # Errors
    /// Says what disagrees; `Ok(None)` where the reference does not know the bases.
    pub fn variant(&self, t: &Transcript, r: &Reference) -> Result<Option<Variant>, String> {
        let span = self.span(t)?;
        let reverse = t.model.strand.is_reverse();
        let oriented = |s: &[u8]| {
            if reverse {
                reverse_complement(s)
            } else {
                s.to_vec()
            }
        };
        let found = r.bases(t.model.contig, span);
        let claimed = match &self.edit {
            Edit::Substitution(from, _) => vec![*from],
            Edit::Deletion(s) | Edit::Duplication(s) => s.clone(),
            Edit::Insertion(_) | Edit::Delins(_) => Vec::new(),
        };
        if found.contains(&b'N') {
            return Ok(None);
        }
        if !claimed.is_empty() && oriented(&claimed) != found {
            return Err(format!(
                "{} has {} there, not {}",
                t.model.id,
                String::from_utf8_lossy(&oriented(&found)),
                String::from_utf8_lossy(&claimed)
            ));
        }
        let alternate = match &self.edit {
            Edit::Substitution(_, to) => oriented(&[*to]),
            Edit::Delins(s) => oriented(s),
            Edit::Duplication(_) => [&found[..], &found[..]].concat(),
            Edit::Insertion(s) => {
                if found.len() != 2 {
                    return Err("an insertion stands between two neighbours".into());
                }
                [&found[..1], &oriented(s)[..], &found[1..]].concat()
            }
            Edit::Deletion(_) => {
                // VCF keeps the base before.
                let Some(before) = span.start.checked_sub(1) else {
                    return Ok(None);
                };
                let wide = Span::new(before, span.end);
                let reference = r.bases(t.model.contig, wide);
                return Ok((reference[0] != b'N').then(|| Variant {
                    contig: t.model.contig,
                    pos: Pos(before),
                    alternate: reference[..1].to_vec(),
                    reference,
                }));
            }
        };
        Ok(Some(Variant {
            contig: t.model.contig,
            pos: Pos(span.start),
            reference: found,
            alternate,
        }))
    }
}

impl Base {
    fn parse(text: &str) -> Option<(Base, &str)> {
        let (behind, text) = match text.strip_prefix('*') {
            Some(rest) => (true, rest),
            None => (false, text),
        };
        let (before, text) = match text.strip_prefix('-').filter(|_| !behind) {
            Some(rest) => (true, rest),
            None => (false, text),
        };
        let (number, mut rest) = number(text)?;
        let mut intron = 0;
        for (sign, one) in [('+', 1), ('-', -1)] {
            if let Some(after) = rest.strip_prefix(sign) {
                let (n, after) = self::number(after)?;
                (intron, rest) = (one * n, after);
                break;
            }
        }
        let number = if before { -number } else { number };
        let base = Base {
            number,
            behind,
            intron,
        };
        Some((base, rest))
    }

    fn genomic(self, t: &Transcript) -> Option<u32> {
        let cds = t.cds?;
        let exonic = match (self.behind, self.number) {
            (true, n) => i64::from(cds.end) + i64::from(n) - 1,
            (false, n) if n < 0 => i64::from(cds.start) + i64::from(n),
            (false, n) => i64::from(cds.start) + i64::from(n) - 1,
        };
        let at = i64::from(t.genomic(u32::try_from(exonic).ok()?)?);
        let step = if t.model.strand.is_reverse() { -1 } else { 1 };
        let at = u32::try_from(at + step * i64::from(self.intron)).ok()?;
        // An intronic place belongs to the exon that it is counted from.
        let place = t.place(at)?;
        (self.intron == 0 || place.intron != 0).then_some(at)
    }
}

fn number(text: &str) -> Option<(i32, &str)> {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let n = text[..digits].parse::<i32>().ok()?;
    (n > 0).then_some((n, &text[digits..]))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::annotate::consequence::effect;
    use crate::annotate::tests::{demo_genes, demo_reference};

    #[test]
    fn descriptions_that_come_out_go_back_in() {
        let r = demo_reference();
        let genes = demo_genes(r);
        let laid = |gene: &str, text: &str| {
            let i = genes
                .transcripts
                .iter()
                .position(|t| t.model.gene == gene)
                .unwrap();
            let t = &genes.transcripts[i];
            let v = Coding::parse(text).unwrap().variant(t, r);
            v.map(|v| v.map(|v| effect(&v, i, t, r).unwrap().hgvs_c))
        };
        for (gene, text) in [
            ("EGFR", "c.2573T>G"),
            ("EGFR", "c.2235_2249del"),
            ("EGFR", "c.2240_2257del"),
            ("BRAF", "c.1799T>A"),
            ("BRAF", "c.1799_1800delinsAA"),
        ] {
            assert_eq!(laid(gene, text), Ok(Some(text.into())), "{gene} {text}");
        }
        let error = laid("EGFR", "c.2573A>G").unwrap_err();
        assert!(error.ends_with("has T there, not A"), "{error}");
    }

    #[test]
    fn malformed_descriptions_are_none() {
        for text in [
            "",
            "c.",
            "c.0A>G",
            "c.12",
            "c.12A>",
            "c.12_13A>G",
            "c.12insA",
            "c.12_13ins",
            "c.99999999999A>G",
            "c.1+A>G",
            "p.1A>G",
            "c.128-?_250+?",
            "c.−213",
        ] {
            assert_eq!(Coding::parse(text), None, "{text}");
        }
        for (old, new) in [
            ("c.1789_1790delCTinsTC", "c.1789_1790delinsTC"),
            ("c.1648_1674del27", "c.1648_1674del"),
        ] {
            assert_eq!(Coding::parse(old), Coding::parse(new));
        }
        let intronic = Coding::parse("c.340+1G>A").unwrap();
        assert_eq!((intronic.start.number, intronic.start.intron), (340, 1));
        assert!(Coding::parse("c.*5del").unwrap().start.behind);
        assert_eq!(Coding::parse("c.-17_-15dup").unwrap().end.number, -15);
    }
}
