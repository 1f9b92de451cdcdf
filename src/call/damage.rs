//! Wrong copies that sequencing itself does not know of: deaminated cytosines (C to T, as in FFPE
//! tissue), oxidized guanines (G to T), and whatever else this library does to its molecules before
//! they are read. Such a change is seen from one strand of the molecule only, so that it shows in one
//! orientation of the pair (F1R2 or F2R1) and in certain contexts more than in others. The sample
//! itself is asked how often: sites of variants are few, and what they show is cut.

use super::allele::Stretch;
use crate::domain::{Variant, code_of};

/// Contexts: orientation, base before, base, base behind, base shown.
const CONTEXTS: usize = 2 * 4 * 4 * 4 * 4;
/// A site at which more than this share shows a base is a variant's.
const VARIANT: f64 = 0.05;
/// What is expected of a clean library: per base, orientation and wrong base.
const EXPECTED: f64 = 3e-5;
/// Fragments that the expectation weighs as much as.
const PRIOR_WEIGHT: f64 = 20_000.0;
/// No rate is believed to be lower: wrong copies of the first cycles of amplification.
const LEAST: f64 = 1e-6;

/// What was seen of each context.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DamageCounts {
    wrong: Vec<u64>,
    all: Vec<u64>,
}

impl Default for DamageCounts {
    fn default() -> DamageCounts {
        DamageCounts {
            wrong: vec![0; CONTEXTS],
            all: vec![0; CONTEXTS],
        }
    }
}

/// Codes of the base at a place and of its neighbours; `None` if one of them is not known.
fn context(around: &Stretch, position: u32) -> Option<[usize; 3]> {
    let at = |p: u32| Some(usize::from(code_of(around.at(p)))).filter(|&c| c < 4);
    Some([at(position.checked_sub(1)?)?, at(position)?, at(position + 1)?])
}

fn index(flipped: bool, [before, base, behind]: [usize; 3], shown: usize) -> usize {
    (((usize::from(flipped) * 4 + before) * 4 + base) * 4 + behind) * 4 + shown
}

impl DamageCounts {
    /// Adds one site: fragments by base shown and orientation (F1R2, F2R1).
    pub fn observe(&mut self, around: &Stretch, position: u32, shown: [[u32; 2]; 4]) {
        let Some(context) = context(around, position) else {
            return;
        };
        let depth: u32 = shown.iter().flatten().sum();
        for (b, counts) in shown.iter().enumerate().filter(|(b, _)| *b != context[1]) {
            if f64::from(counts[0] + counts[1]) > VARIANT * f64::from(depth) {
                continue;
            }
            for flipped in [false, true] {
                let i = index(flipped, context, b);
                let of_orientation: u32 = shown.iter().map(|s| s[usize::from(flipped)]).sum();
                self.wrong[i] += u64::from(counts[usize::from(flipped)]);
                self.all[i] += u64::from(of_orientation);
            }
        }
    }

    /// Adds the counts of another part of the panel.
    pub fn merge(&mut self, other: &DamageCounts) {
        for (a, b) in self.wrong.iter_mut().zip(&other.wrong) {
            *a += b;
        }
        for (a, b) in self.all.iter_mut().zip(&other.all) {
            *a += b;
        }
    }
}

/// How often each context shows each wrong base in each orientation.
#[derive(Clone, Debug, PartialEq)]
pub struct Damage {
    rates: Vec<f64>,
}

impl Damage {
    /// Learns the rates.
    pub fn of(counts: &DamageCounts) -> Damage {
        let rate = |(&wrong, &all): (&u64, &u64)| {
            let (wrong, all) = (wrong as f64, all as f64);
            ((wrong + PRIOR_WEIGHT * EXPECTED) / (all + PRIOR_WEIGHT)).max(LEAST)
        };
        Damage {
            rates: counts.wrong.iter().zip(&counts.all).map(rate).collect(),
        }
    }

    /// The chance that a fragment of either orientation (F1R2, F2R1) shows this substitution, of one
    /// base or several, without its molecule having it. `None` for gaps.
    pub fn chance(&self, v: &Variant, around: &Stretch) -> Option<[f64; 2]> {
        if v.reference.len() != v.alternate.len() {
            return None;
        }
        let of = |flipped: bool| {
            let changed = (0..v.reference.len()).filter(|&k| v.reference[k] != v.alternate[k]);
            changed
                .map(|k| {
                    let shown = usize::from(code_of(v.alternate[k]));
                    match context(around, v.pos.0 + k as u32) {
                        Some(c) if shown < 4 => self.rates[index(flipped, c, shown)],
                        _ => EXPECTED,
                    }
                })
                .product::<f64>()
                .max(LEAST)
        };
        Some([of(false), of(true)])
    }
}

/// A fragment's log2 likelihood ratio for an allele, when without it the fragment may show it still
/// with this chance.
pub fn tempered(gain: f64, chance: f64) -> f64 {
    if gain > 60.0 {
        return -chance.log2();
    }
    let ratio = gain.exp2();
    gain - (1.0 - chance + chance * ratio).log2()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{ContigId, Pos, Span};

    fn stretch() -> Stretch {
        Stretch {
            contig: ContigId(0),
            span: Span::new(0, 6),
            bases: b"ACGACG".to_vec(),
        }
    }

    fn snv(pos: u32, r: &[u8], a: &[u8]) -> Variant {
        Variant {
            contig: ContigId(0),
            pos: Pos(pos),
            reference: r.to_vec(),
            alternate: a.to_vec(),
        }
    }

    #[test]
    fn damage_of_one_strand_is_a_matter_of_context_and_orientation() {
        let mut counts = DamageCounts::default();
        for _ in 0..1000 {
            // C in A_G: T in five of a thousand fragments, of one orientation only.
            counts.observe(&stretch(), 1, [[0, 0], [500, 500], [0, 0], [5, 0]]);
        }
        let damage = Damage::of(&counts);
        let [one, other] = damage.chance(&snv(4, b"C", b"T"), &stretch()).unwrap();
        assert!((0.008..0.011).contains(&one) && other < 1e-4, "{one} {other}");
        let [one, _] = damage.chance(&snv(4, b"C", b"A"), &stretch()).unwrap();
        assert!(one < 1e-4, "another base: {one}");
        assert_eq!(damage.chance(&snv(4, b"C", b"CA"), &stretch()), None);
    }

    #[test]
    fn a_variant_teaches_no_damage() {
        let mut counts = DamageCounts::default();
        counts.observe(&stretch(), 1, [[0, 0], [500, 500], [0, 0], [60, 60]]);
        let damage = Damage::of(&counts);
        let [one, other] = damage.chance(&snv(1, b"C", b"T"), &stretch()).unwrap();
        assert!(one <= EXPECTED && other <= EXPECTED);
    }

    #[test]
    fn what_damage_explains_counts_for_no_more_than_its_rarity() {
        assert!((tempered(12.0, 1e-9) - 12.0).abs() < 0.01);
        assert!((tempered(12.0, 0.01) - 0.01f64.log2().abs()).abs() < 0.1);
        assert!((tempered(100.0, 0.25) - 2.0).abs() < 0.01);
        assert!((tempered(-12.0, 0.01) + 12.0).abs() < 0.1);
    }
}
