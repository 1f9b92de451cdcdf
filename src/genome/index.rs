//! The seed index: for each hash, on each strand, the places where such a seed stands.
//!
//! Bucket `2 * hash + flipped` of `2^(hash_bits + 1)`. Twelve buckets share a block of four words:
//! where the first one's positions start, then a byte a bucket, its number of positions. So a probe
//! is one load of 16 aligned bytes. A byte of 255 ([`CROWDED`]) marks a bucket of 255 positions or
//! more: it holds two words instead, how many there are and where they start, at the end.
//! Positions are packed-genome offsets of the seed's first base, ascending in a bucket.

use super::reference::Reference;
use super::syncmer;
use serde::{Deserialize, Serialize};

/// Buckets in a block.
pub const BUCKETS_PER_BLOCK: u32 = 12;
/// Words in a block.
pub const WORDS_PER_BLOCK: usize = 4;
/// Count byte of a bucket whose positions stand elsewhere.
pub const CROWDED: u32 = 255;

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
    let before = counts & !(u128::MAX << (8 * within));
    let (low, high) = (before as u64, (before >> 64) as u64);
    let pair = (counts >> (8 * within)) as u32 & 0xffff;
    if has_crowded(low) || has_crowded(high) || has_crowded(u64::from(pair)) {
        return lookup_crowded(block, within, positions);
    }
    let start = block[0] + sum_of_bytes(low) + sum_of_bytes(high);
    let (first, second) = (pair & 0xff, pair >> 8);
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

const EACH_BYTE: u64 = 0x0101_0101_0101_0101;

/// Is one of eight bytes [`CROWDED`]?
fn has_crowded(bytes: u64) -> bool {
    // The classic test for a zero byte, of the complement.
    (!bytes).wrapping_sub(EACH_BYTE) & bytes & (EACH_BYTE << 7) != 0
}

fn sum_of_bytes(bytes: u64) -> u32 {
    const EVEN: u64 = 0x00ff_00ff_00ff_00ff;
    let pairs = (bytes & EVEN) + (bytes >> 8 & EVEN);
    (pairs.wrapping_mul(0x0001_0001_0001_0001) >> 48) as u32
}

/// [`lookup`] in a block with a crowded bucket.
#[cold]
fn lookup_crowded(block: &[u32], within: u32, positions: &[u32]) -> [Bucket; 2] {
    let count_of = |i: u32| block[1 + (i / 4) as usize] >> (8 * (i % 4)) & 0xff;
    let words_of = |i: u32| {
        if count_of(i) == CROWDED {
            2
        } else {
            count_of(i)
        }
    };
    let start = block[0] + (0..within).map(words_of).sum::<u32>();
    let resolve = |start: u32, count: u32| {
        if count == CROWDED {
            Bucket {
                count: positions[start as usize],
                start: positions[start as usize + 1],
            }
        } else {
            Bucket { start, count }
        }
    };
    [
        resolve(start, count_of(within)),
        resolve(start + words_of(within), count_of(within + 1)),
    ]
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
        self.blocks[block + 1 + (within / 4) as usize] |= count << (8 * (within % 4));
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
            for word in &block[1..] {
                for byte in word.to_le_bytes() {
                    start += if u32::from(byte) == CROWDED {
                        2
                    } else {
                        u32::from(byte)
                    };
                }
            }
        }
        debug_assert_eq!(start, main);
        (self.blocks, self.positions)
    }
}

/// Bits of the hash that give about one position a hash, but never more than 16 blocks' worth of nothing.
pub(super) fn hash_bits_for(seeds: usize) -> u32 {
    (seeds.max(1) as f64).log2().round().clamp(8.0, 29.0) as u32
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
                1 => 254,
                2 => 255,
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
