//! Protein changes longer than one residue, as knowledge names them: `E746_A750del`,
//! `D770_N771insGY`, `L747_P753delinsS`, `Y772_A775dup`, `W288fs`.

use super::codon::is_amino_acid;
use super::protein::ProteinChange;
use super::transcript::Transcript;
use std::fmt;

/// No protein is longer; it bounds what a rule may ask for.
pub(super) const MOST_CODONS: u32 = 100_000;

/// A named change. Codons count from 1.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Named {
    /// First residue and its codon.
    pub start: (u8, u32),
    /// Last residue and its codon.
    pub end: (u8, u32),
    /// What happens to them.
    pub kind: Kind,
}

/// What a named change does.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// The residues are lost.
    Deletion,
    /// They stand twice.
    Duplication,
    /// These stand between the two.
    Insertion(Vec<u8>),
    /// These stand in their place.
    Delins(Vec<u8>),
    /// The frame is lost from the residue on.
    Frameshift,
}

impl Named {
    /// Reads a name in HGVS's one-letter form, without `p.`.
    pub fn parse(text: &str) -> Option<Named> {
        let (start, rest) = residue(text)?;
        let (end, rest) = match rest.strip_prefix('_') {
            Some(rest) => residue(rest)?,
            None => (start, rest),
        };
        let letters = |s: &str| {
            let ok = !s.is_empty() && s.bytes().all(is_amino_acid);
            ok.then(|| s.as_bytes().to_vec())
        };
        let kind = if rest == "del" {
            Kind::Deletion
        } else if rest == "dup" {
            Kind::Duplication
        } else if rest == "fs" && start == end {
            Kind::Frameshift
        } else if let Some(s) = rest.strip_prefix("delins") {
            Kind::Delins(letters(s)?)
        } else {
            let between = end.1 == start.1 + 1;
            Kind::Insertion(letters(rest.strip_prefix("ins").filter(|_| between)?)?)
        };
        (start.1 <= end.1).then_some(Named { start, end, kind })
    }

    /// The residues that it says stand at its ends.
    pub fn anchors(&self) -> Vec<(u32, u8)> {
        let mut all = vec![(self.start.1, self.start.0)];
        if self.end != self.start {
            all.push((self.end.1, self.end.0));
        }
        all
    }

    /// Is this what the variant does to the protein? Two names are one change if they give the same
    /// protein: an insertion that repeats its neighbours is a duplication.
    pub fn matches(&self, change: &ProteinChange, t: &Transcript) -> bool {
        if let (
            Kind::Frameshift,
            ProteinChange::Frameshift {
                position,
                reference,
                ..
            },
        ) = (&self.kind, change)
        {
            return self.start == (*reference, *position);
        }
        match (self.replacement(t), replacement(change, t)) {
            (Some(a), Some(b)) => altered(&t.protein, &a) == altered(&t.protein, &b),
            _ => false,
        }
    }

    fn replacement(&self, t: &Transcript) -> Option<Replacement> {
        let (a, b) = (self.start.1, self.end.1);
        match &self.kind {
            Kind::Deletion => within(t, a, b, Vec::new()),
            Kind::Duplication => within(t, b + 1, b, residues(t, a, b)?),
            Kind::Insertion(s) => within(t, b, a, s.clone()),
            Kind::Delins(s) => within(t, a, b, s.clone()),
            Kind::Frameshift => None,
        }
    }
}

impl fmt::Display for Named {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", self.start.0 as char, self.start.1)?;
        if self.end != self.start {
            write!(f, "_{}{}", self.end.0 as char, self.end.1)?;
        }
        let text = |s: &[u8]| String::from_utf8_lossy(s).into_owned();
        match &self.kind {
            Kind::Deletion => f.write_str("del"),
            Kind::Duplication => f.write_str("dup"),
            Kind::Insertion(s) => write!(f, "ins{}", text(s)),
            Kind::Delins(s) => write!(f, "delins{}", text(s)),
            Kind::Frameshift => f.write_str("fs"),
        }
    }
}

/// `E746` and what follows.
pub(super) fn residue(text: &str) -> Option<((u8, u32), &str)> {
    let letter = *text.as_bytes().first().filter(|b| is_amino_acid(**b))?;
    let rest = &text[1..];
    let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
    let codon = rest[..digits].parse().ok()?;
    (1..=MOST_CODONS)
        .contains(&codon)
        .then_some(((letter, codon), &rest[digits..]))
}

/// Residues `start..end` (from 0) give way to others.
type Replacement = (usize, usize, Vec<u8>);

/// Codons `a..=b` give way; none do if `b` is `a - 1`.
fn within(t: &Transcript, a: u32, b: u32, sequence: Vec<u8>) -> Option<Replacement> {
    let (start, end) = (a as usize - 1, b as usize);
    (end <= t.protein.len()).then_some((start, end, sequence))
}

fn residues(t: &Transcript, a: u32, b: u32) -> Option<Vec<u8>> {
    t.protein
        .get(a as usize - 1..b as usize)
        .map(<[u8]>::to_vec)
}

fn replacement(change: &ProteinChange, t: &Transcript) -> Option<Replacement> {
    match change {
        ProteinChange::Missense {
            position,
            alternate,
            ..
        } => within(t, *position, *position, vec![*alternate]),
        ProteinChange::Deletion { start, end, .. } => within(t, *start, *end, Vec::new()),
        ProteinChange::Duplication { start, end, .. } => {
            within(t, end + 1, *end, residues(t, *start, *end)?)
        }
        ProteinChange::Insertion {
            after, sequence, ..
        } => within(t, after + 1, *after, sequence.clone()),
        ProteinChange::Delins {
            start,
            end,
            sequence,
            ..
        } => within(t, *start, *end, sequence.clone()),
        _ => None,
    }
}

fn altered(protein: &[u8], (start, end, sequence): &Replacement) -> Vec<u8> {
    [&protein[..*start], sequence, &protein[*end..]].concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_and_written_alike() {
        for name in [
            "E746_A750del",
            "D770_N771insGY",
            "L747_P753delinsS",
            "Y772_A775dup",
            "W288fs",
            "V560del",
        ] {
            assert_eq!(Named::parse(name).unwrap().to_string(), name);
        }
        for name in [
            "",
            "E746",
            "E0del",
            "E746_A740del",
            "D770_N773insG",
            "D770insG",
            "E746_A750del15",
            "E9999999999del",
            "é746del",
            "A1_",
        ] {
            assert_eq!(Named::parse(name), None, "{name}");
        }
    }
}
