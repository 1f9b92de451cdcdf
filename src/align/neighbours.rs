//! The seeds that a read would have if one of its bases were another: what a place that differs from
//! the read by one substitution shares with it even where all of the read's own seeds are spoilt.

use crate::domain::bases::{get_code, window};
use crate::genome::syncmer::{K, S, Syncmer, WINDOW, hash_kmer, hash_smer};

/// A sampled k-mer of a read of which one base was changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Neighbour {
    /// What the changed read has.
    pub seed: Syncmer,
    /// The changed base, by its rank in the k-mer.
    pub at: u32,
    /// Code of the base before, exclusive or that behind the change.
    pub change: u32,
}

const K_MASK: u64 = (1 << (2 * K)) - 1;

impl Neighbour {
    /// The changed k-mer, packed (first base lowest), on the read's strand; `codes` is the read.
    pub fn forward(self, codes: &[u32]) -> u64 {
        window(codes, self.seed.offset as usize) & K_MASK ^ u64::from(self.change) << (2 * self.at)
    }

    /// Its reverse complement; `reverse` is the read's, of this length.
    pub fn reverse(self, reverse: &[u32], length: usize) -> u64 {
        let from = length - K - self.seed.offset as usize;
        window(reverse, from) & K_MASK ^ u64::from(self.change) << (2 * (K as u32 - 1 - self.at))
    }
}

/// Working memory.
#[derive(Debug, Default)]
pub struct Scratch {
    /// Forward and reverse s-mers, and their hashes.
    smers: Vec<(u32, u32)>,
    hashes: Vec<u32>,
    /// Unknown bases before each position.
    unknown: Vec<u32>,
}

/// Finds all of them, by the changed base. An unknown base is changed into each of the four; a k-mer
/// with another unknown base is none.
///
/// `codes`, `mask` and `reverse` are the packed read, its unknown bases and its reverse complement.
pub fn neighbours(
    (codes, mask, reverse): (&[u32], &[u32], &[u32]),
    length: usize,
    scratch: &mut Scratch,
    out: &mut Vec<Neighbour>,
) {
    out.clear();
    if length < K {
        return;
    }
    let Scratch {
        smers,
        hashes,
        unknown,
    } = scratch;
    sample(codes, length, smers);
    hashes.clear();
    hashes.extend(smers.iter().map(|&(f, r)| hash_smer(f.min(r))));
    unknown.clear();
    unknown.push(0);
    for i in 0..length {
        unknown.push(unknown[i] + u32::from(get_code(mask, i)));
    }
    for i in 0..length {
        let is_unknown = unknown[i + 1] - unknown[i];
        let (first, last) = (i.saturating_sub(K - 1), i.min(length - K));
        for change in u32::from(is_unknown == 0)..4 {
            let least = changed_minima(i, change, first, smers, hashes);
            for start in first..=last {
                let others = unknown[start + K] - unknown[start] - is_unknown;
                let (ends, least) = least(start);
                if others > 0 || !ends.contains(&least) {
                    continue;
                }
                let mut n = Neighbour {
                    seed: Syncmer {
                        offset: start as u32,
                        hash: 0,
                        flipped: 0,
                    },
                    at: (i - start) as u32,
                    change,
                };
                // As the seed kernel has it: the complement of the reverse complement, read backwards.
                let kr = !n.forward(codes) & K_MASK;
                let kf = !n.reverse(reverse, length) & K_MASK;
                let canonical = kf.min(kr);
                n.seed.hash = hash_kmer((canonical >> 32) as u32, canonical as u32);
                n.seed.flipped = u32::from(kr < kf);
                out.push(n);
            }
        }
    }
}

/// All s-mers of a read, and their reverse complements, first base highest.
fn sample(codes: &[u32], length: usize, smers: &mut Vec<(u32, u32)>) {
    const S_MASK: u32 = (1 << (2 * S)) - 1;
    smers.clear();
    let (mut f, mut r) = (0u32, 0u32);
    for i in 0..length {
        let c = u32::from(get_code(codes, i));
        f = (f << 2 | c) & S_MASK;
        r = r >> 2 | (3 - c) << (2 * (S - 1));
        if i + 1 >= S {
            smers.push((f, r));
        }
    }
}

/// With base `i` changed: for the k-mers from `first` on that contain it, the hashes of the first and
/// the last s-mer, and the least of all.
fn changed_minima(
    i: usize,
    change: u32,
    first: usize,
    smers: &[(u32, u32)],
    hashes: &[u32],
) -> impl Fn(usize) -> ([u32; 2], u32) {
    const ROOM: usize = 48; // K + WINDOW - 1 s-mers, and what the widest step reads beyond
    const { assert!(WINDOW > 8 && WINDOW <= 16 && ROOM >= K + WINDOW + 8) };
    let mut changed = [u32::MAX; ROOM];
    let end = (i + WINDOW).min(hashes.len());
    changed[..end - first].copy_from_slice(&hashes[first..end]);
    for j in i.saturating_sub(S - 1)..=i.min(smers.len() - 1) {
        let (f, r) = smers[j];
        let at = 2 * (i - j);
        let (f, r) = (f ^ change << (2 * (S - 1) - at), r ^ change << at);
        changed[j - first] = hash_smer(f.min(r));
    }
    let mut least = changed;
    for step in [1, 2, 4, WINDOW - 8] {
        for j in 0..ROOM - step {
            least[j] = least[j].min(least[j + step]);
        }
    }
    move |start| {
        let at = start - first;
        ([changed[at], changed[at + WINDOW - 1]], least[at])
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::bases::{LETTERS, code_of, reverse_complement_packed};
    use crate::genome::syncmer::syncmers;

    fn packed(letters: &[u8]) -> (Vec<u32>, Vec<u32>, Vec<u32>) {
        let words = letters.len().div_ceil(16);
        let (mut codes, mut mask, mut reverse) = (vec![0; words], vec![0; words], Vec::new());
        for (i, &b) in letters.iter().enumerate() {
            match code_of(b) {
                4 => mask[i / 16] |= 1 << (2 * (i % 16)),
                c => codes[i / 16] |= u32::from(c) << (2 * (i % 16)),
            }
        }
        reverse_complement_packed(&codes, letters.len(), &mut reverse);
        (codes, mask, reverse)
    }

    #[test]
    fn they_are_the_seeds_of_the_changed_reads_that_contain_the_change() {
        let mut dice = 7u64;
        let mut letters: Vec<u8> = (0..60)
            .map(|_| {
                dice = dice.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                LETTERS[(dice >> 60) as usize & 3]
            })
            .collect();
        letters[30] = b'N';
        for length in [20, 21, 25, 36, 60] {
            let read = &letters[60 - length..];
            let mut expected = Vec::new();
            for i in 0..length {
                for (code, &letter) in LETTERS.iter().enumerate() {
                    let mut changed = read.to_vec();
                    changed[i] = letter;
                    if changed == read {
                        continue;
                    }
                    let old = code_of(read[i]) & 3;
                    syncmers(changed.iter().map(|&b| code_of(b)), |seed| {
                        let at = i.wrapping_sub(seed.offset as usize);
                        if at < K {
                            expected.push((i, old ^ code as u8, seed));
                        }
                    });
                }
            }
            let (codes, mask, reverse) = packed(read);
            let mut found = Vec::new();
            neighbours(
                (&codes, &mask, &reverse),
                length,
                &mut Scratch::default(),
                &mut found,
            );
            let mut found: Vec<_> = found
                .iter()
                .map(|n| ((n.seed.offset + n.at) as usize, n.change as u8, n.seed))
                .collect();
            let key = |x: &(usize, u8, Syncmer)| (x.0, x.1, x.2.offset);
            found.sort_by_key(key);
            expected.sort_by_key(key);
            assert_eq!(found, expected, "length {length}");
            assert!(length < 30 || found.len() > 20, "{}", found.len());
        }
    }
}
