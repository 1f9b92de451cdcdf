//! Qualities, and log-likelihoods in fixed point: [`LogLik`] counts in 1/65536 of a bit (log base 2),
//! so that two likelihoods multiply by adding integers and add through one small table. Integers
//! agree to the bit on every device; floating point does not.

use bytemuck::{Pod, Zeroable};

/// A log2-likelihood in 1/65536 of a bit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Pod, Zeroable)]
#[repr(transparent)]
pub struct LogLik(pub i32);

/// One bit, a factor of two.
pub const BIT: i32 = 1 << 16;

/// Stands for a probability of zero: 2^-16384. Low enough that no read gets there by its own
/// mismatches, high enough that adding to it never wraps.
pub const NEVER: i32 = -(1 << 30);

/// Bits per phred: log2(10) / 10.
pub const BITS_PER_PHRED: f64 = 0.332_192_809_488_736_23;

/// The step of [`ADD_TABLE`], as a shift of the difference: 1/32 bit. Each sum is then too large by
/// 1.3 units at most; steps of 1/16 bit made 6, which a long read in a repeat added up to 0.013 phred.
pub const STEP_SHIFT: u32 = 11;

/// Entries of [`ADD_TABLE`].
pub const STEPS: usize = 1024;

/// log2(1 + 2^-d) at d = i/32 bits: the value in 1/65536 bit in the upper 20 bits, the drop to the
/// next entry in the lower 12, so that one look-up serves a linear step. Zero from 20 bits on.
pub static ADD_TABLE: [i32; STEPS] = add_table();

impl LogLik {
    /// The sum of two likelihoods, within 3/65536 of a bit.
    #[must_use]
    pub fn or(self, other: LogLik) -> LogLik {
        LogLik(log_add(self.0, other.0))
    }

    /// The nearest to a likelihood in phred units, negative for small ones; never below [`NEVER`].
    pub fn of_phred(phred: f64) -> LogLik {
        let units = (phred * BITS_PER_PHRED * f64::from(BIT)).round();
        LogLik(units.max(f64::from(NEVER)) as i32)
    }

    /// In phred units (10 log10), negative for small likelihoods.
    pub fn phred(self) -> f64 {
        f64::from(self.0) / f64::from(BIT) / BITS_PER_PHRED
    }
}

/// log2(2^a + 2^b), all in 1/65536 bit. Both must be at least twice [`NEVER`] apart from overflow.
#[allow(clippy::inline_always)] // else it is compiled for narrow vectors only
#[inline(always)]
pub fn log_add(a: i32, b: i32) -> i32 {
    const LAST: i32 = STEPS as i32 - 1;
    let distance = a.max(b).wrapping_sub(a.min(b));
    let entry = ADD_TABLE[(distance >> STEP_SHIFT).min(LAST) as usize & (STEPS - 1)];
    let part = distance & ((1 << STEP_SHIFT) - 1);
    a.max(b)
        .wrapping_add(entry >> 12)
        .wrapping_sub(((entry & 0xfff) * part) >> STEP_SHIFT)
}

/// log2 of a probability `10^(-phred/10)`, in 1/65536 bit.
pub const fn of_phred(phred: f64) -> i32 {
    round(-phred * BITS_PER_PHRED * BIT as f64)
}

/// log2(1 - share * 10^(-phred/10)), in 1/65536 bit.
pub const fn of_complement(phred: u32, share: f64) -> i32 {
    round(log2(1.0 - share * error_of(phred)) * BIT as f64)
}

/// The error probability of a phred quality.
pub const fn error_of(phred: u32) -> f64 {
    let mut e = 1.0;
    let mut i = 0;
    while i < phred {
        e *= 0.794_328_234_724_281_5; // 10^-0.1
        i += 1;
    }
    e
}

const fn add_table() -> [i32; STEPS] {
    let mut values = [0i32; STEPS + 1];
    let mut power = 1.0f64; // 2^(-i/32)
    let mut i = 0;
    while i <= 640 {
        // Cut, not rounded: what is taken off a value is cut as well.
        values[i] = (log2(1.0 + power) * BIT as f64) as i32;
        power *= 0.978_572_062_087_700_1; // 2^(-1/32)
        i += 1;
    }
    let mut table = [0i32; STEPS];
    i = 0;
    while i < STEPS {
        table[i] = values[i] << 12 | (values[i] - values[i + 1]);
        i += 1;
    }
    table
}

const fn round(x: f64) -> i32 {
    if x < 0.0 {
        (x - 0.5) as i32
    } else {
        (x + 0.5) as i32
    }
}

/// log2 by repeated squaring: only additions and multiplications, which every platform rounds
/// alike, so that the tables are the same everywhere. Good to 2^-40. `x` in (0, 2^60).
const fn log2(mut x: f64) -> f64 {
    let mut whole = 0.0;
    while x < 1.0 {
        x *= 2.0;
        whole -= 1.0;
    }
    while x >= 2.0 {
        x /= 2.0;
        whole += 1.0;
    }
    let mut digit = 0.5;
    let mut i = 0;
    while i < 40 {
        x *= x;
        if x >= 2.0 {
            x /= 2.0;
            whole += digit;
        }
        digit /= 2.0;
        i += 1;
    }
    whole
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sums_are_within_three_units_of_the_logarithm() {
        let mut worst = 0.0f64;
        for step in 0..40_000 {
            let (a, b) = (-5 * BIT, -5 * BIT - step * 41);
            let exact = (f64::exp2(f64::from(a) / 65536.0) + f64::exp2(f64::from(b) / 65536.0))
                .log2()
                * 65536.0;
            worst = worst.max((f64::from(log_add(a, b)) - exact).abs());
            assert_eq!(log_add(a, b), log_add(b, a));
        }
        assert!(worst < 3.0, "worst error {worst} units");
    }

    #[test]
    fn nothing_added_changes_nothing() {
        assert_eq!(log_add(-7 * BIT, NEVER), -7 * BIT);
        assert_eq!(log_add(NEVER, NEVER), NEVER + BIT);
    }

    #[test]
    fn constants_agree_with_the_standard_library() {
        for q in 1..64 {
            let e = 10f64.powf(-f64::from(q) / 10.0);
            assert!((error_of(q) - e).abs() < 1e-15);
            assert!((f64::from(of_phred(f64::from(q))) - e.log2() * 65536.0).abs() < 0.51);
            assert!((f64::from(of_complement(q, 1.0)) - (1.0 - e).log2() * 65536.0).abs() < 0.51);
        }
    }
}
