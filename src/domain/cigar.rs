//! CIGAR operations (SAM 1.6 §1.4.6).

use std::fmt;

/// What an operation does; the discriminant is BAM's code.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum CigarOp {
    /// `M`: aligned, equal or not.
    Match = 0,
    /// `I`: in the read only.
    Insertion = 1,
    /// `D`: in the reference only.
    Deletion = 2,
    /// `S`: in the read, not aligned.
    SoftClip = 4,
    /// `H`: not even in the record.
    HardClip = 5,
}

impl CigarOp {
    /// The operation of BAM's code, if it is one that we write.
    pub fn from_code(code: u32) -> Option<CigarOp> {
        Some(match code {
            0 => CigarOp::Match,
            1 => CigarOp::Insertion,
            2 => CigarOp::Deletion,
            4 => CigarOp::SoftClip,
            5 => CigarOp::HardClip,
            _ => return None,
        })
    }

    /// SAM's letter.
    pub fn letter(self) -> char {
        match self {
            CigarOp::Match => 'M',
            CigarOp::Insertion => 'I',
            CigarOp::Deletion => 'D',
            CigarOp::SoftClip => 'S',
            CigarOp::HardClip => 'H',
        }
    }

    /// Does it take bases of the read (of the record's SEQ)?
    pub fn takes_read(self) -> bool {
        matches!(
            self,
            CigarOp::Match | CigarOp::Insertion | CigarOp::SoftClip
        )
    }

    /// Does it take bases of the reference?
    pub fn takes_reference(self) -> bool {
        matches!(self, CigarOp::Match | CigarOp::Deletion)
    }
}

/// Runs of operations, in reference order; neighbours differ and no run is empty.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Cigar(pub Vec<(u32, CigarOp)>);

impl Cigar {
    /// Appends a run, merging it with the last one if alike; empty runs vanish.
    pub fn push(&mut self, length: u32, op: CigarOp) {
        match self.0.last_mut() {
            _ if length == 0 => {}
            Some((n, last)) if *last == op => *n += length,
            _ => self.0.push((length, op)),
        }
    }

    /// Reference bases covered.
    pub fn reference_len(&self) -> u32 {
        self.0
            .iter()
            .filter(|(_, op)| op.takes_reference())
            .map(|(n, _)| n)
            .sum()
    }

    /// Read bases in SEQ.
    pub fn read_len(&self) -> u32 {
        self.0
            .iter()
            .filter(|(_, op)| op.takes_read())
            .map(|(n, _)| n)
            .sum()
    }

    /// Bases clipped before the first aligned one, soft and hard.
    pub fn leading_clip(&self) -> u32 {
        self.0
            .iter()
            .take_while(|(_, op)| matches!(op, CigarOp::SoftClip | CigarOp::HardClip))
            .map(|(n, _)| n)
            .sum()
    }

    /// Bases clipped after the last aligned one, soft and hard.
    pub fn trailing_clip(&self) -> u32 {
        self.0
            .iter()
            .rev()
            .take_while(|(_, op)| matches!(op, CigarOp::SoftClip | CigarOp::HardClip))
            .map(|(n, _)| n)
            .sum()
    }
}

impl fmt::Display for Cigar {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_empty() {
            return f.write_str("*");
        }
        for (n, op) in &self.0 {
            write!(f, "{n}{}", op.letter())?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn runs_merge_and_lengths_add_up() {
        let mut c = Cigar::default();
        for (n, op) in [
            (5, CigarOp::SoftClip),
            (10, CigarOp::Match),
            (0, CigarOp::Insertion),
            (2, CigarOp::Match),
            (3, CigarOp::Deletion),
            (1, CigarOp::Match),
        ] {
            c.push(n, op);
        }
        assert_eq!(c.to_string(), "5S12M3D1M");
        assert_eq!(
            (
                c.reference_len(),
                c.read_len(),
                c.leading_clip(),
                c.trailing_clip()
            ),
            (16, 18, 5, 0)
        );
    }
}
