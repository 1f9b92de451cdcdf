//! Closed syncmers: which k-mers are seeds, and their hash.
//!
//! A k-mer is a seed when the smallest of its s-mers, by hash, is its first or its last (Edgar 2021,
//! doi:10.7717/peerj.10805). Whether a k-mer is one depends on nothing around it, so the same k-mer
//! is sampled wherever it stands, on either strand; about 2 in k - s + 1 are. All arithmetic is in
//! 32-bit words, as the seed kernel on a device has no others.

/// Bases in a seed. Odd, so that no seed is its own reverse complement.
pub const K: usize = 21;
/// Bases in the s-mers that decide.
pub const S: usize = 10;
/// s-mers in a seed.
pub const WINDOW: usize = K - S + 1;

/// Multipliers of the two hashes (odd constants of `MurmurHash3` and xxHash).
pub const MULTIPLIERS: [u32; 3] = [0x9E37_79B1, 0x85EB_CA6B, 0xC2B2_AE35];

/// Hash of a canonical s-mer, one to one on 32 bits.
pub fn hash_smer(smer: u32) -> u32 {
    let h = smer.wrapping_mul(MULTIPLIERS[0]);
    let h = (h ^ (h >> 15)).wrapping_mul(MULTIPLIERS[1]);
    h ^ (h >> 13)
}

/// Hash of a canonical k-mer given as its upper (K - 16 bases) and lower (16 bases) words.
pub fn hash_kmer(high: u32, low: u32) -> u32 {
    let h = low.wrapping_mul(MULTIPLIERS[0]);
    let h = (h ^ (h >> 15) ^ high).wrapping_mul(MULTIPLIERS[1]);
    let h = (h ^ (h >> 13)).wrapping_mul(MULTIPLIERS[2]);
    h ^ (h >> 16)
}

/// A seed found in a sequence.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Syncmer {
    /// Its first base in the sequence.
    pub offset: u32,
    /// Hash of its canonical form.
    pub hash: u32,
    /// 1 if the canonical form is the reverse complement of what the sequence spells.
    pub flipped: u32,
}

/// Finds the seeds of a sequence; the definition, base by base.
///
/// `codes` are 2-bit codes, anything above 3 is unknown and no seed contains it. Seeds come in order.
pub fn syncmers(codes: impl Iterator<Item = u8>, mut found: impl FnMut(Syncmer)) {
    const S_MASK: u32 = (1 << (2 * S)) - 1;
    const K_MASK: u64 = (1 << (2 * K)) - 1;
    let (mut sf, mut sr, mut kf, mut kr) = (0u32, 0u32, 0u64, 0u64);
    let mut known = 0usize; // bases since the last unknown one
    let mut ring = [0u32; 16]; // hashes of the last s-mers, by the offset of their last base
    for (i, code) in codes.enumerate() {
        if code > 3 {
            known = 0;
            continue;
        }
        let c = u32::from(code);
        sf = (sf << 2 | c) & S_MASK;
        sr = sr >> 2 | (3 - c) << (2 * (S - 1));
        kf = (kf << 2 | u64::from(c)) & K_MASK;
        kr = kr >> 2 | u64::from(3 - c) << (2 * (K - 1));
        known += 1;
        if known < S {
            continue;
        }
        let last = hash_smer(sf.min(sr));
        ring[i % 16] = last;
        if known < K {
            continue;
        }
        let first = ring[(i + 1 - WINDOW) % 16];
        let least = (0..WINDOW)
            .map(|j| ring[(i - j) % 16])
            .min()
            .expect("a window is not empty");
        if least == first || least == last {
            let canonical = kf.min(kr);
            found(Syncmer {
                offset: (i + 1 - K) as u32,
                hash: hash_kmer((canonical >> 32) as u32, canonical as u32),
                flipped: u32::from(kr < kf),
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::align::testing::random;
    use crate::domain::{code_of, reverse_complement};

    fn of(seq: &[u8]) -> Vec<Syncmer> {
        let mut all = Vec::new();
        syncmers(seq.iter().map(|&b| code_of(b)), |s| all.push(s));
        all
    }

    #[test]
    fn both_strands_have_the_same_seeds() {
        let seq = random(5000, 7);
        let forward = of(&seq);
        let mut reverse = of(&reverse_complement(&seq));
        reverse.reverse();
        assert_eq!(forward.len(), reverse.len());
        for (f, r) in forward.iter().zip(&reverse) {
            assert_eq!((f.offset + K as u32 + r.offset) as usize, seq.len());
            assert_eq!((f.hash, f.flipped), (r.hash, 1 - r.flipped));
        }
    }

    #[test]
    fn about_one_in_six_is_a_seed_and_gaps_are_bounded() {
        let seq = random(60_000, 3);
        let all = of(&seq);
        let density = all.len() as f64 / seq.len() as f64;
        assert!((0.15..0.185).contains(&density), "{density}");
        // Window guarantee of closed syncmers: neighbours start at most k - s apart.
        assert!(
            all.windows(2)
                .all(|w| w[1].offset - w[0].offset <= (K - S) as u32)
        );
    }

    #[test]
    fn no_seed_contains_an_unknown_base() {
        let mut seq = random(400, 9);
        seq[200] = b'N';
        assert!(
            of(&seq)
                .iter()
                .all(|s| s.offset > 200 || (s.offset as usize + K) <= 200)
        );
    }
}
