//! Protein changes: what an edit of a coding sequence does to the protein, in HGVS's words.
//!
//! HGVS nomenclature 21.1, protein recommendations. Written without the parentheses that mark a
//! prediction, as variant tables do; every change here is predicted from DNA.

use super::codon::{STOP, UNKNOWN, long_name, translate};
use super::transcript::Transcript;

/// A change of the protein. Positions are codons counted from 1; letters are one-letter codes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ProteinChange {
    /// One residue for another.
    Missense {
        /// Codon.
        position: u32,
        /// Before.
        reference: u8,
        /// After.
        alternate: u8,
    },
    /// A codon becomes a stop, with nothing new before it.
    Nonsense {
        /// Codon.
        position: u32,
        /// Before.
        reference: u8,
    },
    /// Residues `start..=end` are lost.
    Deletion {
        /// First codon lost.
        start: u32,
        /// Last codon lost.
        end: u32,
        /// The residues at both.
        ends: (u8, u8),
    },
    /// Residues `start..=end` stand twice.
    Duplication {
        /// First codon doubled.
        start: u32,
        /// Last codon doubled.
        end: u32,
        /// The residues at both.
        ends: (u8, u8),
    },
    /// New residues between `after` and `after + 1`.
    Insertion {
        /// The codon before.
        after: u32,
        /// The residues on both sides.
        ends: (u8, u8),
        /// What is new.
        sequence: Vec<u8>,
    },
    /// Residues `start..=end` are replaced by others.
    Delins {
        /// First codon replaced.
        start: u32,
        /// Last codon replaced.
        end: u32,
        /// The residues at both.
        ends: (u8, u8),
        /// What stands there instead; may end in a stop.
        sequence: Vec<u8>,
    },
    /// The reading frame is lost from here on.
    Frameshift {
        /// First codon that changes.
        position: u32,
        /// Before.
        reference: u8,
        /// After.
        alternate: u8,
        /// Which codon of the new frame is a stop, the first changed one being 1; `None` if the
        /// sequence is not known that far.
        stop: Option<u32>,
    },
    /// The stop codon is lost.
    Extension {
        /// The stop's codon.
        position: u32,
        /// What stands there instead.
        alternate: u8,
        /// How many codons further the next stop is, where known.
        stop: Option<u32>,
    },
    /// The start codon is lost.
    StartLost,
    /// The codon changes, the protein does not.
    Synonymous {
        /// First codon touched.
        position: u32,
        /// Its residue.
        reference: u8,
    },
    /// It cannot be told.
    Unknown {
        /// Why not.
        reason: String,
    },
}

use ProteinChange as P;

impl ProteinChange {
    /// `p.Leu858Arg`.
    pub fn hgvs(&self) -> String {
        format!("p.{}", self.spell(|a| long_name(a).to_string(), "Ter"))
    }

    /// `L858R`, with `*` for a stop, as papers and labels write it.
    pub fn short(&self) -> String {
        self.spell(|a| (a as char).to_string(), "*")
    }

    fn spell(&self, name: impl Fn(u8) -> String, ter: &str) -> String {
        let many = |s: &[u8]| s.iter().map(|&a| name(a)).collect::<String>();
        let range = |start: u32, end: u32, ends: (u8, u8)| {
            if start == end {
                format!("{}{start}", name(ends.0))
            } else {
                format!("{}{start}_{}{end}", name(ends.0), name(ends.1))
            }
        };
        let stop_at = |stop: &Option<u32>| stop.map_or("?".into(), |n| n.to_string());
        match self {
            P::Missense {
                position,
                reference,
                alternate,
            } => format!("{}{position}{}", name(*reference), name(*alternate)),
            P::Nonsense {
                position,
                reference,
            } => format!("{}{position}{ter}", name(*reference)),
            P::Deletion { start, end, ends } => format!("{}del", range(*start, *end, *ends)),
            P::Duplication { start, end, ends } => format!("{}dup", range(*start, *end, *ends)),
            P::Insertion {
                after,
                ends,
                sequence,
            } => format!("{}ins{}", range(*after, after + 1, *ends), many(sequence)),
            P::Delins {
                start,
                end,
                ends,
                sequence,
            } => format!("{}delins{}", range(*start, *end, *ends), many(sequence)),
            P::Frameshift {
                position,
                reference,
                alternate,
                stop,
            } => format!(
                "{}{position}{}fs{ter}{}",
                name(*reference),
                name(*alternate),
                stop_at(stop)
            ),
            P::Extension {
                position,
                alternate,
                stop,
            } => format!(
                "{ter}{position}{}ext{ter}{}",
                name(*alternate),
                stop_at(stop)
            ),
            P::StartLost => format!("{}1?", name(b'M')),
            P::Synonymous {
                position,
                reference,
            } => format!("{}{position}=", name(*reference)),
            P::Unknown { .. } => "?".into(),
        }
    }

    /// First and last codon that change; `None` where that cannot be told.
    pub fn codons(&self) -> Option<(u32, u32)> {
        match *self {
            P::Missense { position, .. }
            | P::Nonsense { position, .. }
            | P::Frameshift { position, .. }
            | P::Extension { position, .. }
            | P::Synonymous { position, .. } => Some((position, position)),
            P::Deletion { start, end, .. }
            | P::Duplication { start, end, .. }
            | P::Delins { start, end, .. } => Some((start, end)),
            P::Insertion { after, .. } => Some((after, after + 1)),
            P::StartLost => Some((1, 1)),
            P::Unknown { .. } => None,
        }
    }

    /// Residues lost less residues gained, for changes that keep the frame; 0 for the others.
    pub fn net_loss(&self) -> i64 {
        let length = |start: u32, end: u32| i64::from(end - start + 1);
        match self {
            P::Deletion { start, end, .. } => length(*start, *end),
            P::Duplication { start, end, .. } => -length(*start, *end),
            P::Insertion { sequence, .. } => -(sequence.len() as i64),
            P::Delins {
                start,
                end,
                sequence,
                ..
            } => length(*start, *end) - sequence.len() as i64,
            _ => 0,
        }
    }

    /// Ends the protein early: nonsense, frameshift, or a replacement with a stop in it.
    pub fn truncates(&self) -> bool {
        match self {
            P::Nonsense { .. } | P::Frameshift { .. } => true,
            P::Insertion { sequence, .. } => sequence.contains(&STOP),
            // One that replaces the stop itself may end in the next one.
            P::Delins { sequence, ends, .. } => ends.1 != STOP && sequence.contains(&STOP),
            _ => false,
        }
    }

    /// Does the protein change at all, as far as can be told?
    pub fn is_silent(&self) -> bool {
        matches!(self, P::Synonymous { .. })
    }
}

/// What replacing the bases `start..end`, counted from 0 along the transcript from its first coding
/// base on, by `alternate` does to the protein. The end may lie behind the coding part.
pub fn change(t: &Transcript, start: u32, end: u32, alternate: &[u8]) -> ProteinChange {
    let Some(cds) = t.cds else {
        return P::Unknown {
            reason: "the transcript is not coding".into(),
        };
    };
    if let Some(fault) = &t.fault {
        return P::Unknown {
            reason: fault.clone(),
        };
    }
    let coding = &t.bases[cds.start as usize..];
    let (start, end) = (start as usize, end as usize);
    let keeps_frame = (end - start) % 3 == alternate.len() % 3;
    if keeps_frame {
        in_frame(t, coding, start, end, alternate)
    } else {
        let mut shifted = coding[..start].to_vec();
        shifted.extend_from_slice(alternate);
        shifted.extend_from_slice(&coding[end..]);
        frameshift(t, &shifted, start / 3)
    }
}

fn unknown_codon() -> ProteinChange {
    P::Unknown {
        reason: "the reference does not know all bases of the codon".into(),
    }
}

fn frameshift(t: &Transcript, shifted: &[u8], first: usize) -> ProteinChange {
    let new = translate(&shifted[3 * first..], t.code);
    let old = &t.protein[first..];
    for (i, &alternate) in new.iter().enumerate() {
        let Some(&reference) = old.get(i) else { break };
        if reference == UNKNOWN || alternate == UNKNOWN {
            return unknown_codon();
        }
        if reference == alternate {
            if reference == STOP {
                return P::Synonymous {
                    position: (first + i) as u32 + 1,
                    reference,
                };
            }
            continue;
        }
        let position = (first + i) as u32 + 1;
        if position == 1 {
            return P::StartLost;
        }
        let stop = distance_to_stop(&new[i..]);
        return match (reference, alternate) {
            (STOP, _) => P::Extension {
                position,
                alternate,
                stop,
            },
            (_, STOP) => P::Nonsense {
                position,
                reference,
            },
            _ => P::Frameshift {
                position,
                reference,
                alternate,
                stop: stop.map(|n| n + 1),
            },
        };
    }
    P::Unknown {
        reason: "the sequence ends before the first residue that changes".into(),
    }
}

/// Codons from the first to the first stop; `None` when an unknown base or the transcript's end
/// comes before.
fn distance_to_stop(protein: &[u8]) -> Option<u32> {
    let i = protein.iter().position(|&a| a == STOP || a == UNKNOWN)?;
    (protein[i] == STOP).then_some(i as u32)
}

/// The frame is kept, but the stop codon is not: what follows is read to the next stop.
fn without_stop(
    t: &Transcript,
    coding: &[u8],
    start: usize,
    end: usize,
    alternate: &[u8],
    first: usize,
) -> ProteinChange {
    let bases = [&coding[3 * first..start], alternate, &coding[end..]].concat();
    let mut new = translate(&bases, t.code);
    let old = &t.protein[first..];
    let stop = distance_to_stop(&new);
    if let Some(n) = stop {
        new.truncate(n as usize + 1);
    }
    let same = old.iter().zip(&new).take_while(|(x, y)| x == y).count();
    let position = (first + same) as u32 + 1;
    match (old.get(same), new.get(same)) {
        (None, _) => P::Synonymous {
            position: t.protein.len() as u32,
            reference: STOP,
        },
        (Some(&STOP), Some(&alternate)) if alternate != UNKNOWN => P::Extension {
            position,
            alternate,
            stop: stop.map(|n| n - same as u32),
        },
        (Some(&residue), Some(_)) if stop.is_some() => P::Delins {
            start: position,
            end: t.protein.len() as u32,
            ends: (residue, STOP),
            sequence: new[same..].to_vec(),
        },
        _ => P::Unknown {
            reason: "the sequence behind the lost stop is not known".into(),
        },
    }
}

fn in_frame(
    t: &Transcript,
    coding: &[u8],
    start: usize,
    end: usize,
    alternate: &[u8],
) -> ProteinChange {
    // Whole codons touched: none if bases are inserted between two codons.
    let first = start / 3;
    let last = if end == start && start.is_multiple_of(3) {
        first
    } else {
        (end.max(start + 1) - 1) / 3 + 1
    };
    let mut bases = coding[3 * first..start].to_vec();
    bases.extend_from_slice(alternate);
    bases.extend_from_slice(&coding[end..(3 * last).min(coding.len()).max(end)]);
    let new = translate(&bases, t.code);
    let Some(old) = t.protein.get(first..last.min(t.protein.len())) else {
        return unknown_codon();
    };
    if old.contains(&UNKNOWN) || new.contains(&UNKNOWN) {
        return unknown_codon();
    }
    if first == 0 && new.first() != old.first() {
        return P::StartLost;
    }
    if old.last() == Some(&STOP) && !new.contains(&STOP) {
        return without_stop(t, coding, start, end, alternate, first);
    }
    let same = |a: &[u8], b: &[u8]| a.iter().zip(b).take_while(|(x, y)| x == y).count();
    let prefix = same(old, &new);
    if prefix == old.len() && prefix == new.len() {
        return P::Synonymous {
            position: first as u32 + 1,
            reference: old.first().copied().unwrap_or(UNKNOWN),
        };
    }
    let (lost, gained) = (&old[prefix..], &new[prefix..]);
    let ends = lost.iter().rev().zip(gained.iter().rev());
    let suffix = ends.take_while(|(x, y)| x == y).count();
    let lost = &lost[..lost.len() - suffix];
    let gained = &gained[..gained.len() - suffix];
    let position = first + prefix; // from 0
    match (lost, gained) {
        ([], _) => insertion(&t.protein, position, gained.to_vec()),
        (_, []) => deletion(&t.protein, position, lost.len()),
        // HGVS: a new stop right away is a substitution by a stop, whatever brings it about.
        (&[reference, ..], [STOP, ..]) => P::Nonsense {
            position: position as u32 + 1,
            reference,
        },
        (&[reference], &[alternate]) => P::Missense {
            position: position as u32 + 1,
            reference,
            alternate,
        },
        _ => P::Delins {
            start: position as u32 + 1,
            end: (position + lost.len()) as u32,
            ends: (lost[0], lost[lost.len() - 1]),
            sequence: up_to_stop(gained),
        },
    }
}

/// What follows a new stop is not made.
fn up_to_stop(residues: &[u8]) -> Vec<u8> {
    let stop = residues.iter().position(|&a| a == STOP);
    residues[..stop.map_or(residues.len(), |i| i + 1)].to_vec()
}

/// `n` residues from `position` (from 0) are lost. HGVS: of several equal places the one nearest to
/// the C terminus.
fn deletion(protein: &[u8], mut position: usize, n: usize) -> ProteinChange {
    while let Some(&next) = protein.get(position + n)
        && next == protein[position]
        && next != UNKNOWN
    {
        position += 1;
    }
    P::Deletion {
        start: position as u32 + 1,
        end: (position + n) as u32,
        ends: (protein[position], protein[position + n - 1]),
    }
}

/// Residues are gained before `position` (from 0); of equal places, the one nearest to the C terminus.
fn insertion(protein: &[u8], mut position: usize, mut sequence: Vec<u8>) -> ProteinChange {
    let n = sequence.len();
    while let Some(&next) = protein.get(position)
        && next == sequence[0]
        && ![UNKNOWN, STOP].contains(&next)
    {
        sequence.rotate_left(1);
        position += 1;
    }
    let before = position.checked_sub(1).and_then(|i| protein.get(i));
    let (Some(&before), Some(&after)) = (before, protein.get(position)) else {
        return unknown_codon();
    };
    if before == UNKNOWN || after == UNKNOWN {
        return unknown_codon();
    }
    if sequence[0] == STOP {
        let position = position as u32 + 1;
        return if after == STOP {
            P::Synonymous {
                position,
                reference: STOP,
            }
        } else {
            P::Nonsense {
                position,
                reference: after,
            }
        };
    }
    if position >= n && protein[position - n..position] == sequence[..] {
        return P::Duplication {
            start: (position - n) as u32 + 1,
            end: position as u32,
            ends: (protein[position - n], before),
        };
    }
    P::Insertion {
        after: position as u32,
        ends: (before, after),
        sequence: up_to_stop(&sequence),
    }
}
