//! What copies of a base say together, by fgbio's model (fulcrumgenomics/fgbio: `ConsensusCaller`).
//!
//! A copy's base is wrong if the sequencer misread it or if it was changed after the UMI was attached: the
//! *post-UMI* errors, independent between copies. The four bases' likelihoods over the copies give the
//! consensus and the probability that it is wrong. What changed before the UMI was attached is in all
//! copies; that *pre-UMI* error is added at the end, so no number of copies goes beyond it.
//!
//! A base's likelihood is kept as what its own observations add to it over those of another base, in
//! 1/65536 of a bit; sums do not depend on the order of the copies.

/// Bits for the count of observations, below their summed weight.
const COUNT_BITS: u32 = 20;
/// Copies of a molecule that are looked at, at most; sums cannot overflow.
pub const MOST_COPIES: usize = (1 << COUNT_BITS) - 1;
/// Steps of weight in a bit.
const SCALE: f64 = 65_536.0;
/// Quality of a base that is not known (as N).
pub const NO_CALL: u8 = 2;
/// Highest quality of one strand's consensus, as fgbio's.
const HIGHEST: u8 = 93;
/// Highest quality of two strands together.
const HIGHEST_DUPLEX: u8 = 90;

/// Rates of error and what is done to input qualities.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rates {
    /// Error before the UMI was attached, in phred.
    pub pre_umi: u8,
    /// Error between that and sequencing, in phred.
    pub post_umi: u8,
    /// Input bases below this quality are not looked at.
    pub min_base_quality: u8,
    /// Taken from input qualities, in phred.
    pub quality_shift: u8,
    /// Input qualities count as this at most, after the shift.
    pub max_base_quality: u8,
}

impl Default for Rates {
    /// As fgbio's.
    fn default() -> Rates {
        Rates {
            pre_umi: 45,
            post_umi: 40,
            min_base_quality: 10,
            quality_shift: 0,
            max_base_quality: HIGHEST,
        }
    }
}

/// Observations of A, C, G and T at one base of the molecule: summed weight above their count.
pub type Column = [u64; 4];

/// The consensus at one base of the molecule.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Call {
    /// Rank of the base in ACGT, 4 for N.
    pub base: u8,
    /// Phred.
    pub quality: u8,
    /// Copies that have a base here.
    pub depth: u32,
    /// Copies that have another one; all of them for N.
    pub errors: u32,
}

/// Tables for these [`Rates`].
#[derive(Clone, Debug)]
pub struct Model {
    /// By input quality: what an observation adds to its base's slot.
    weights: [u64; 256],
    /// For columns of one base only: the least weight for each quality above [`NO_CALL`].
    steps: Vec<u64>,
    pre_umi: f64,
}

fn probability(phred: u8) -> f64 {
    10f64.powf(f64::from(phred) / -10.0)
}

/// Error after two steps that may each change a base to one of three others: a second error in three
/// restores it.
fn two_trials(a: f64, b: f64) -> f64 {
    a * (1.0 - b) + (1.0 - a) * b + a * b * 2.0 / 3.0
}

/// Rounded down, but for what a thousandth of a phred makes up (fgbio: `PhredScore.Precision`).
fn phred(error: f64) -> u8 {
    let q = (-10.0 * error.log10() + 0.001).floor();
    q.clamp(f64::from(NO_CALL), f64::from(HIGHEST)) as u8
}

/// How many observations a slot of a [`Column`] holds.
pub fn count(slot: u64) -> u32 {
    (slot & ((1 << COUNT_BITS) - 1)) as u32
}

impl Model {
    /// Tables for these rates.
    pub fn new(rates: Rates) -> Model {
        let post_umi = probability(rates.post_umi);
        let weights = std::array::from_fn(|q| {
            let q = q as u8;
            if q < rates.min_base_quality || q > HIGHEST {
                return 0; // 255 says that there is no quality
            }
            let counted = q.saturating_sub(rates.quality_shift);
            let misread = probability(counted.min(rates.max_base_quality));
            let error = two_trials(post_umi, misread).min(0.75);
            let bits = ((1.0 - error) / (error / 3.0)).log2().max(0.0);
            ((bits * SCALE).round() as u64) << COUNT_BITS | 1
        });
        let mut model = Model {
            weights,
            steps: Vec::new(),
            pre_umi: probability(rates.pre_umi),
        };
        let enough = 120 * SCALE as u64; // bits: far beyond any quality
        let quality = |weight| model.quality(&[weight, 0, 0, 0]);
        let first_of = |q| {
            let (mut low, mut high) = (0, enough);
            while low < high {
                let middle = u64::midpoint(low, high);
                if quality(middle) >= q {
                    high = middle;
                } else {
                    low = middle + 1;
                }
            }
            low
        };
        model.steps = (NO_CALL + 1..=quality(enough)).map(first_of).collect();
        model
    }

    /// Adds the observation of a base (0 to 3, 4 for N) of this quality.
    #[inline]
    pub fn observe(&self, column: &mut Column, base: u8, quality: u8) {
        let known = u64::from(base < 4).wrapping_neg(); // all bits, or none
        column[usize::from(base & 3)] += self.weights[usize::from(quality)] & known;
    }

    /// The quality of the best base of four weights in bits of [`SCALE`], by definition.
    fn quality(&self, weights: &[u64; 4]) -> u8 {
        let best = *weights.iter().max().expect("four");
        let behind = weights
            .iter()
            .map(|w| ((*w as f64 - best as f64) / SCALE).exp2());
        let others = behind.sum::<f64>() - 1.0;
        let error = others / (1.0 + others);
        phred(two_trials(self.pre_umi, error))
    }

    /// The consensus of what was observed. N if nothing was, or if two bases are equally likely.
    pub fn call(&self, column: &Column) -> Call {
        let weight = |b: usize| column[b] >> COUNT_BITS;
        let best = (1..4).fold(0, |best, b| if weight(b) > weight(best) { b } else { best });
        let all: u64 = column.iter().sum();
        let depth = count(all);
        let quality = if all == column[best] && weight(best) > 0 {
            let reached = match self.steps.last() {
                Some(last) if weight(best) >= *last => self.steps.len(),
                _ => self.steps.partition_point(|s| *s <= weight(best)),
            };
            NO_CALL + reached as u8
        } else if (0..4).any(|b| b != best && weight(b) == weight(best)) {
            return Call {
                base: 4,
                quality: NO_CALL,
                depth,
                errors: depth,
            };
        } else {
            self.quality(&std::array::from_fn(weight))
        };
        Call {
            base: best as u8,
            quality,
            depth,
            errors: depth - count(column[best]),
        }
    }
}

/// What the two strands say together: base (4 for N), quality, and the base that errors are counted
/// against. Where they disagree the better one counts, less what speaks against it; N if neither is better, or if
/// one strand knows nothing (fgbio: `DuplexConsensusCaller`).
pub fn of_strands(a: Call, b: Call) -> (u8, u8, u8) {
    let (base, quality) = if a.base == b.base {
        (a.base, (a.quality + b.quality).min(HIGHEST_DUPLEX))
    } else if a.quality >= b.quality {
        (a.base, a.quality - b.quality)
    } else {
        (b.base, b.quality - a.quality)
    };
    if a.base == 4 || b.base == 4 || quality <= NO_CALL {
        (4, NO_CALL, base)
    } else {
        (base, quality, base)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A column of observations written as `A30 C20`.
    fn column(model: &Model, observed: &str) -> Column {
        let mut column = Column::default();
        for o in observed.split(' ') {
            let base = b"ACGTN".iter().position(|b| *b == o.as_bytes()[0]);
            model.observe(&mut column, base.unwrap() as u8, o[1..].parse().unwrap());
        }
        column
    }

    fn called(rates: Rates, observed: &str) -> (char, u8) {
        let model = Model::new(rates);
        let call = model.call(&column(&model, observed));
        (b"ACGTN"[usize::from(call.base)] as char, call.quality)
    }

    /// Values computed in natural logarithms from fgbio's formulas (`ConsensusCaller`, `LogProbability`), apart from this code.
    #[test]
    fn qualities_are_those_of_fgbios_formulas() {
        for (observed, expected) in [
            ("A30", ('A', 29)),
            ("A37", ('A', 34)),
            ("A10", ('A', 9)),
            ("A20 A20", ('A', 41)),
            ("A37 A37", ('A', 44)),
            ("A10 A10", ('A', 23)),
            ("A30 A30 A30", ('A', 45)),
            ("A30 A30 A30 C30", ('A', 44)),
            ("A30 A30 C20", ('A', 41)),
            ("A30 C20", ('A', 10)),
            ("A30 C30", ('N', 2)),
            ("A20 C15 G15", ('A', 4)),
            ("A25 A11 C30", ('A', 11)),
            ("A37 C37 G37 A37", ('A', 36)),
        ] {
            assert_eq!(called(Rates::default(), observed), expected, "{observed}");
        }
        let without_errors = Rates {
            pre_umi: 93,
            post_umi: 93,
            ..Rates::default()
        };
        for (observed, expected) in [
            ("T37", ('T', 37)),
            ("G20 G20", ('G', 44)),
            ("G37 G37", ('G', 78)),
            ("G30 G30 G30", ('G', 92)),
            ("A30 A30 A30 C30", ('A', 69)),
            ("A37 A37 A37 A37 A37 C37 C37", ('A', 92)),
        ] {
            assert_eq!(called(without_errors, observed), expected, "{observed}");
        }
    }

    #[test]
    fn no_number_of_copies_goes_beyond_the_errors_before_the_umi() {
        let rates = Rates {
            pre_umi: 30,
            ..Rates::default()
        };
        assert_eq!(called(rates, "A30 A30 A30"), ('A', 30));
        assert_eq!(called(rates, &["A37"; 500].join(" ")), ('A', 30));
    }

    #[test]
    fn doubtful_bases_and_n_are_not_looked_at() {
        let model = Model::new(Rates::default());
        let call = model.call(&column(&model, "A30 C9 N37 A255"));
        assert_eq!((call.base, call.depth, call.errors), (0, 1, 0));
        let none = model.call(&column(&model, "C9 N37"));
        assert_eq!((none.base, none.quality, none.depth), (4, NO_CALL, 0));
    }

    #[test]
    fn errors_are_copies_that_have_another_base() {
        let model = Model::new(Rates::default());
        let call = model.call(&column(&model, "A30 A30 C20 G12"));
        assert_eq!((call.depth, call.errors), (4, 2));
        let tie = model.call(&column(&model, "A30 C30"));
        assert_eq!((tie.depth, tie.errors), (2, 2));
    }

    #[test]
    fn input_qualities_are_shifted_then_capped() {
        let rates = |quality_shift, max_base_quality| Rates {
            quality_shift,
            max_base_quality,
            ..Rates::default()
        };
        let plain = |observed| called(Rates::default(), observed);
        assert_eq!(called(rates(5, 93), "A35"), plain("A30"));
        assert_eq!(called(rates(0, 20), "A37"), plain("A20"));
        assert_eq!(called(rates(5, 20), "A37 A18"), plain("A20 A13"));
        // Which bases are looked at is asked of the quality as it came.
        assert_eq!(called(rates(5, 93), "A12").0, 'A');
    }

    #[test]
    fn the_table_for_columns_of_one_base_says_what_the_definition_says() {
        let model = Model::new(Rates::default());
        for weight in (0..40 << 16)
            .step_by(997)
            .chain([60 << 16, 200 << 16])
            .skip(1)
        {
            let column = [0, weight << COUNT_BITS | 1, 0, 0];
            let plain = model.quality(&[0, weight, 0, 0]);
            assert_eq!(model.call(&column).quality, plain, "{weight}");
        }
    }

    #[test]
    fn strands_that_agree_add_up_and_those_that_do_not_take_away() {
        let call = |base, quality| Call {
            base,
            quality,
            depth: 1,
            errors: 0,
        };
        let both = |a, b| of_strands(a, b);
        assert_eq!(both(call(2, 34), call(2, 29)), (2, 63, 2));
        assert_eq!(both(call(2, 50), call(2, 50)), (2, 90, 2));
        assert_eq!(both(call(2, 44), call(1, 34)), (2, 10, 2));
        assert_eq!(both(call(2, 34), call(1, 44)), (1, 10, 1));
        assert_eq!(both(call(2, 34), call(1, 34)), (4, NO_CALL, 2));
        assert_eq!(both(call(2, 36), call(1, 34)), (4, NO_CALL, 2));
        assert_eq!(both(call(2, 37), call(1, 34)), (2, 3, 2));
        assert_eq!(both(call(4, NO_CALL), call(1, 34)), (4, NO_CALL, 1));
    }
}
