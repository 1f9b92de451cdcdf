//! The seed index: for each hash, on each strand, the places where such a seed stands.
//!
//! Bucket `2 * hash + flipped` of `2^(hash_bits + 1)`. Of these, 24 share a block of four words: where
//! the first one's positions start, then four bits a bucket, its number of positions. So a probe is
//! one load of 16 aligned bytes. Four bits of 15 ([`CROWDED`]) mark a bucket of 15 positions or more:
//! it holds two words instead, how many there are and where they start, at the end. Most buckets hold
//! one or none, and the bits that this saves go into twice the hashes: half as many chance matches.
//! Positions are packed-genome offsets of the seed's first base, ascending in a bucket.

use super::reference::Reference;
use super::syncmer;
use serde::{Deserialize, Serialize};

/// Buckets in a block.
pub const BUCKETS_PER_BLOCK: u32 = 24;
/// Words in a block.
pub const WORDS_PER_BLOCK: usize = 4;
/// Count of a bucket whose positions stand elsewhere.
pub const CROWDED: u32 = 15;

/// How seeds were chosen and hashed; an index with others is not usable with this program's kernels.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Parameters {
    /// Bases in a seed.
    pub k: usize,
    /// Bases in the s-mers that decide.
    pub s: usize,
    /// Bits of the hash that choose a bucket.
    pub hash_bits: u32,
}

/// Positions of one bucket: `positions[start..start + count]`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Bucket {
    /// First in the positions table.
    pub start: u32,
    /// How many.
    pub count: u32,
}

impl Reference {
    /// Seed parameters of this index.
    pub fn parameters(&self) -> Parameters {
        self.meta.seeds
    }

    /// The blocks of bucket starts and counts, four words each.
    pub fn seed_blocks(&self) -> &[u32] {
        &self.starts
    }

    /// The positions table.
    pub fn seed_positions(&self) -> &[u32] {
        &self.positions
    }
}

/// First word of the block that holds a hash's buckets.
#[inline]
pub fn block_of(hash_bits: u32, hash: u32) -> usize {
    let bucket = (hash >> (32 - hash_bits)) * 2;
    (bucket / BUCKETS_PER_BLOCK) as usize * WORDS_PER_BLOCK
}

/// The two buckets (canonical as spelt, and flipped) of a hash.
#[inline]
pub fn lookup(blocks: &[u32], positions: &[u32], hash_bits: u32, hash: u32) -> [Bucket; 2] {
    let bucket = (hash >> (32 - hash_bits)) * 2;
    let block = &blocks[block_of(hash_bits, hash)..][..WORDS_PER_BLOCK];
    let within = bucket % BUCKETS_PER_BLOCK;
    let counts = u128::from(block[1]) | u128::from(block[2]) << 32 | u128::from(block[3]) << 64;
    let before = counts & !(u128::MAX << (4 * within));
    let start = block[0] + words_of(before as u64) + words_of((before >> 64) as u64);
    let pair = (counts >> (4 * within)) as u32 & 0xff;
    let (first, second) = (pair & CROWDED, pair >> 4);
    if first == CROWDED || second == CROWDED {
        let behind = start + if first == CROWDED { 2 } else { first };
        return [(start, first), (behind, second)].map(|(start, count)| {
            if count == CROWDED {
                let (count, start) = (positions[start as usize], positions[start as usize + 1]);
                Bucket { start, count }
            } else {
                Bucket { start, count }
            }
        });
    }
    [
        Bucket {
            start,
            count: first,
        },
        Bucket {
            start: start + first,
            count: second,
        },
    ]
}

/// Words that 16 buckets with these counts have among the positions.
#[inline]
fn words_of(counts: u64) -> u32 {
    const EACH: u64 = 0x1111_1111_1111_1111;
    const LOW: u64 = 0x0f0f_0f0f_0f0f_0f0f;
    // One for each count of 15, which stands for two words; then sums of neighbours, and of all.
    let crowded = counts & counts >> 1 & counts >> 2 & counts >> 3 & EACH;
    let words = counts - crowded * u64::from(CROWDED - 2);
    let sums = (words & LOW) + (words >> 4 & LOW);
    (sums.wrapping_mul(0x0101_0101_0101_0101) >> 56) as u32
}

/// Lays out (bucket, position) pairs, given in order, as blocks and positions.
pub(super) struct Layout {
    pub blocks: Vec<u32>,
    pub positions: Vec<u32>,
    crowded: Vec<u32>,
    /// Words in `positions` that must be shifted once the main part's length is known.
    links: Vec<usize>,
}

impl Layout {
    pub(super) fn new(hash_bits: u32, expected: usize) -> Layout {
        let buckets = 2u64 << hash_bits;
        let blocks = buckets.div_ceil(u64::from(BUCKETS_PER_BLOCK)) as usize;
        Layout {
            blocks: vec![0; blocks * WORDS_PER_BLOCK],
            positions: Vec::with_capacity(expected),
            crowded: Vec::new(),
            links: Vec::new(),
        }
    }

    /// Adds a bucket's positions; buckets come in ascending order, empty ones may be left out.
    pub(super) fn push(&mut self, bucket: u32, places: impl ExactSizeIterator<Item = u32>) {
        let block = (bucket / BUCKETS_PER_BLOCK) as usize * WORDS_PER_BLOCK;
        let within = bucket % BUCKETS_PER_BLOCK;
        let count = (places.len() as u32).min(CROWDED);
        self.blocks[block + 1 + (within / 8) as usize] |= count << (4 * (within % 8));
        if count == CROWDED {
            self.positions.push(places.len() as u32);
            self.links.push(self.positions.len());
            self.positions.push(self.crowded.len() as u32);
            self.crowded.extend(places);
        } else {
            self.positions.extend(places);
        }
    }

    /// Fills in the blocks' starts and appends the crowded buckets.
    pub(super) fn finish(mut self) -> (Vec<u32>, Vec<u32>) {
        let main = self.positions.len() as u32;
        for &i in &self.links {
            self.positions[i] += main;
        }
        self.positions.append(&mut self.crowded);
        let mut start = 0u32;
        for block in self.blocks.chunks_exact_mut(WORDS_PER_BLOCK) {
            block[0] = start;
            for &counts in &block[1..] {
                start += words_of(counts.into());
            }
        }
        debug_assert_eq!(start, main);
        (self.blocks, self.positions)
    }
}

/// Bits of the hash that give about two hashes a position, but 8 at least, and no more than bucket numbers have room for.
pub(super) fn hash_bits_for(seeds: usize) -> u32 {
    (1.0 + (seeds.max(1) as f64).log2().round()).clamp(8.0, 30.0) as u32
}

/// The parameters this program builds with.
pub(super) fn parameters_for(seeds: usize) -> Parameters {
    Parameters {
        k: syncmer::K,
        s: syncmer::S,
        hash_bits: hash_bits_for(seeds),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lookup_finds_what_layout_was_given_crowded_buckets_too() {
        let bits = 8;
        let mut want = std::collections::BTreeMap::new();
        let mut layout = Layout::new(bits, 0);
        for bucket in (0..2u32 << bits).step_by(3) {
            let n = match bucket % 7 {
                0 => 700,
                1 => 14,
                2 => 15,
                n => n,
            };
            let places: Vec<u32> = (0..n).map(|i| bucket * 1000 + i).collect();
            layout.push(bucket, places.iter().copied());
            want.insert(bucket, places);
        }
        let (blocks, positions) = layout.finish();
        for hash in 0..1u32 << bits {
            let found = lookup(&blocks, &positions, bits, hash << (32 - bits) | 0x1234);
            for (flipped, b) in found.iter().enumerate() {
                let places = &positions[b.start as usize..(b.start + b.count) as usize];
                let expected = want
                    .get(&(2 * hash + flipped as u32))
                    .cloned()
                    .unwrap_or_default();
                assert_eq!(places, expected, "hash {hash} flipped {flipped}");
            }
        }
    }
}
