//! Random numbers that are the same on every machine: integers, and the operations of `f64` that
//! IEEE 754 rounds exactly. No logarithm, no power, no root: their last bits differ by platform.

/// `SplitMix64` (Steele, Lea, Flood: Fast splittable pseudorandom number generators, OOPSLA 2014).
#[derive(Clone, Debug)]
pub(super) struct Random(u64);

impl Random {
    pub(super) fn new(seed: u64) -> Random {
        Random(seed)
    }

    /// A stream that shares nothing with the seed's own, nor with that of another purpose.
    pub(super) fn apart(seed: u64, purpose: u64) -> Random {
        Random(Random(seed ^ purpose.wrapping_mul(0xd134_2543_de82_ef95)).next())
    }

    pub(super) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// From 0 up to 1, in steps of 2^-53.
    fn unit(&mut self) -> f64 {
        (self.next() >> 11) as f64 / (1u64 << 53) as f64
    }

    pub(super) fn happens(&mut self, probability: f64) -> bool {
        self.unit() < probability
    }

    /// From 0 to `n - 1`; the bias of under n / 2^32 does not matter here.
    pub(super) fn below(&mut self, n: u32) -> u32 {
        ((u64::from(n) * (self.next() >> 32)) >> 32) as u32
    }

    /// Nearly normal with mean 0 and deviation 1: the sum of twelve uniform draws has deviation 1.
    pub(super) fn normal(&mut self) -> f64 {
        (0..12).map(|_| self.unit()).sum::<f64>() - 6.0
    }

    /// One of the three other bases.
    pub(super) fn other_base(&mut self, base: u8) -> u8 {
        let others = b"ACGT".iter().copied().filter(|&b| b != base);
        others.clone().nth(self.below(3) as usize).unwrap_or(b'N')
    }

    /// Which of `n` things a rare event meets, each with `probability`, in rising order: the
    /// stretch that they are in is halved until they are found, so that few draws do for many things.
    pub(super) fn hits(&mut self, n: u32, probability: f64) -> Vec<u32> {
        let mut out = Vec::new();
        if probability > 0.0 {
            self.hits_in(0, n, probability, false, &mut out);
        }
        out
    }

    /// Halves a stretch in which a hit is (`known`) or may be, until it is found.
    fn hits_in(&mut self, from: u32, n: u32, probability: f64, known: bool, out: &mut Vec<u32>) {
        let miss = 1.0 - probability;
        if n == 0 || !known && !self.happens(1.0 - power(miss, n)) {
            return;
        }
        if n == 1 {
            out.push(from);
            return;
        }
        // Given that a hit is among the n: is one among the first half?
        let half = n / 2;
        let among = (1.0 - power(miss, half)) / (1.0 - power(miss, n));
        let first = self.happens(among);
        if first {
            self.hits_in(from, half, probability, true, out);
        }
        self.hits_in(from + half, n - half, probability, !first, out);
    }
}

/// `base` to the `exponent`, by multiplications in a fixed order.
fn power(base: f64, mut exponent: u32) -> f64 {
    let (mut out, mut square) = (1.0, base);
    while exponent > 0 {
        if exponent & 1 == 1 {
            out *= square;
        }
        square *= square;
        exponent >>= 1;
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rare_events_meet_each_thing_as_often_as_asked() {
        for probability in [0.001, 0.03, 0.5, 1.0] {
            let mut random = Random::new(3);
            let mut counts = [0u32; 37];
            for _ in 0..20_000 {
                let hits = random.hits(37, probability);
                assert!(hits.windows(2).all(|w| w[0] < w[1]));
                for i in hits {
                    counts[i as usize] += 1;
                }
            }
            // 4.5 standard deviations of 37 binomial counts.
            let mean = 20_000.0 * probability;
            let reach = 4.5 * (mean * (1.0 - probability)).sqrt() + 1e-9;
            for n in counts {
                assert!((f64::from(n) - mean).abs() <= reach, "{n} for {mean}");
            }
        }
        assert!(Random::new(3).hits(37, 0.0).is_empty());
    }

    #[test]
    fn numbers_are_those_of_the_published_generator() {
        // The reference implementation's first outputs for seed 1234567.
        let mut random = Random::new(1_234_567);
        assert_eq!(random.next(), 6_457_827_717_110_365_317);
        assert_eq!(random.next(), 3_203_168_211_198_807_973);
    }
}
