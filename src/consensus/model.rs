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

/// Observations of A, C, G and T at one base of the molecule; the last slot takes what is none of them.
pub type Column = [u64; 5];

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
        column[usize::from(base)] += self.weights[usize::from(quality)];
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
        let observed = &column[..4];
        let depth = observed.iter().map(|s| count(*s)).sum();
        let best = (1..4).fold(0, |best, b| if observed[b] >> COUNT_BITS > observed[best] >> COUNT_BITS { b } else { best });
        let weights: [u64; 4] = std::array::from_fn(|b| observed[b] >> COUNT_BITS);
        let rivals = (0..4).filter(|b| *b != best);
        let next = rivals.map(|b| weights[b]).max().expect("three");
        if weights[best] == next {
            return Call {
                base: 4,
                quality: NO_CALL,
                depth,
                errors: depth,
            };
        }
        let quality = if next == 0 {
            NO_CALL + self.steps.partition_point(|s| *s <= weights[best]) as u8
        } else {
            self.quality(&weights)
        };
        Call {
            base: best as u8,
            quality,
            depth,
            errors: depth - count(observed[best]),
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
