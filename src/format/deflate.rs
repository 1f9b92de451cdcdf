//! Deflate (RFC 1951) for alignments in a hurry: one pass that looks for repeats at a single place each
//! and hurries through what has none (bases, qualities), then one block of Huffman codes. In two thirds
//! of the time of libdeflate's fastest level, which looks at every byte, for 7 % more bytes.

/// Most bytes that are deflated at once: positions are kept in 16 bits.
pub const MOST: usize = 0xffff;
/// Bits of the hash that chooses where a position is kept.
const HASH_BITS: u32 = 12;
/// Shortest repeat worth a length and a distance.
const SHORTEST: usize = 6;
/// Longest repeat that a length can say.
const LONGEST: usize = 258;
/// Farthest that a distance can say.
const FARTHEST: usize = 32_768;
/// Bytes without a repeat after which every other is looked at, then every third ...
const PATIENCE: usize = 16;

/// Bits of the longest code: one less than the format allows, so that four and what a flush leaves are a word.
const LONGEST_CODE: u8 = 14;

/// Literals and lengths; 286 and 287 are never used.
const SYMBOLS: usize = 286;
const END_OF_BLOCK: usize = 256;
const DISTANCES: usize = 30;
/// Symbols of the code that says the codes' lengths, and the order in which theirs are said.
const LENGTHS: usize = 19;
const ORDER: [usize; LENGTHS] = [
    16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15,
];

/// Bytes as they are, then a repeat of bytes before them.
#[derive(Clone, Copy, Debug)]
struct Piece {
    literals: u16,
    /// 0 behind the last literals.
    length: u16,
    distance: u16,
}

/// A code word, its first bit lowest, and how many bits it has; 0: the symbol does not occur.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Code {
    bits: u16,
    length: u8,
}

/// Working memory.
#[derive(Debug)]
pub struct Deflater {
    /// Where the last bytes of each hash are, and in the upper half the lower half of their hash.
    places: Vec<u32>,
    pieces: Vec<Piece>,
}

impl Default for Deflater {
    fn default() -> Deflater {
        Deflater {
            places: vec![0; 1 << HASH_BITS],
            pieces: Vec::new(),
        }
    }
}

impl Deflater {
    /// Appends `bytes`, at most [`MOST`], deflated. What does not shrink is stored, in 5 bytes more than it has.
    pub fn deflate(&mut self, bytes: &[u8], out: &mut Vec<u8>) {
        assert!(bytes.len() <= MOST, "{} bytes at once", bytes.len());
        self.find_repeats(bytes);
        let (symbols, distances) = self.frequencies(bytes);
        let codes = codes::<SYMBOLS>(&symbols, LONGEST_CODE);
        let distance_codes = codes_of_distances(&distances);
        let from = out.len();
        // Room for what is stored, and for the last bits to be written as a whole word.
        out.resize(from + bytes.len() + 5 + Bits::SLACK, 0);
        let mut bits = Bits::new(&mut out[from..]);
        bits.push(0b101, 3); // the last block, with codes of its own
        write_codes(&codes, &distance_codes, &mut bits);
        let written = self.write_pieces(bytes, &codes, &distance_codes, &mut bits);
        let end = written.then(|| bits.finish()).flatten();
        if let Some(end) = end.filter(|&end| end < bytes.len() + 5) {
            out.truncate(from + end);
        } else {
            out.truncate(from);
            let n = bytes.len() as u16;
            out.push(1); // the last block, stored
            out.extend(n.to_le_bytes());
            out.extend((!n).to_le_bytes());
            out.extend(bytes);
        }
    }

    /// Fills `pieces`.
    fn find_repeats(&mut self, bytes: &[u8]) {
        self.places.fill(0);
        self.pieces.clear();
        let places = self.places.first_chunk_mut::<{ 1 << HASH_BITS }>();
        let places = places.expect("made with that many");
        let (mut at, mut done, mut misses) = (0, 0, 0);
        while let Some(word) = word_at(bytes, at) {
            let found = hash(word);
            let now = found << 16 | at as u32;
            let kept = std::mem::replace(&mut places[slot(found)], now);
            if (kept ^ now) >> 16 == 0 {
                let before = (kept & 0xffff) as usize;
                let distance = at - before;
                let back = same_before(bytes, done, before, at);
                let start = at - back;
                let length = back + same_from(bytes, before, at);
                if length >= SHORTEST && distance <= FARTHEST {
                    self.pieces.push(Piece {
                        literals: (start - done) as u16,
                        length: length as u16,
                        distance: distance as u16,
                    });
                    at = start + length;
                    // What comes next is often a repeat of what followed these bytes before.
                    for last in [at - 4, at - 2] {
                        if let Some(word) = word_at(bytes, last) {
                            let found = hash(word);
                            places[slot(found)] = found << 16 | last as u32;
                        }
                    }
                    done = at;
                    misses = 0;
                    continue;
                }
            }
            misses += 1;
            at += 1 + misses / PATIENCE;
        }
        self.pieces.push(Piece {
            literals: (bytes.len() - done) as u16,
            length: 0,
            distance: 0,
        });
    }

    /// How often each symbol occurs.
    fn frequencies(&self, bytes: &[u8]) -> ([u32; SYMBOLS], [u32; DISTANCES]) {
        // Equal bytes in a row would wait for each other's count.
        let mut counts = [[0u32; 256]; 4];
        let (mut symbols, mut distances) = ([0; SYMBOLS], [0; DISTANCES]);
        let mut at = 0;
        for piece in &self.pieces {
            let literals = &bytes[at..at + usize::from(piece.literals)];
            let (fours, rest) = literals.as_chunks::<4>();
            for four in fours {
                for (counts, &b) in counts.iter_mut().zip(four) {
                    counts[usize::from(b)] += 1;
                }
            }
            for &b in rest {
                counts[0][usize::from(b)] += 1;
            }
            at += literals.len() + usize::from(piece.length);
            for length in parts(piece.length) {
                symbols[length_symbol(length).0] += 1;
                distances[distance_symbol(piece.distance).0] += 1;
            }
        }
        for (b, symbol) in symbols[..256].iter_mut().enumerate() {
            *symbol = counts.iter().map(|c| c[b]).sum();
        }
        symbols[END_OF_BLOCK] = 1;
        (symbols, distances)
    }

    /// False if there is no room for them.
    fn write_pieces(
        &self,
        bytes: &[u8],
        codes: &[Code; SYMBOLS],
        distance_codes: &[Code; DISTANCES],
        bits: &mut Bits,
    ) -> bool {
        let mut at = 0;
        for piece in &self.pieces {
            let literals = &bytes[at..at + usize::from(piece.literals)];
            // A word holds four codes and what a flush leaves.
            let (fours, rest) = literals.as_chunks::<4>();
            for four in fours {
                for &b in four {
                    bits.push_code(codes[usize::from(b)]);
                }
                if !bits.flush() {
                    return false;
                }
            }
            for &b in rest {
                bits.push_code(codes[usize::from(b)]);
            }
            if !bits.flush() {
                return false;
            }
            at += literals.len() + usize::from(piece.length);
            for length in parts(piece.length) {
                let (symbol, extra, value) = length_symbol(length);
                bits.push_code(codes[symbol]);
                bits.push(value.into(), extra);
                let (symbol, extra, value) = distance_symbol(piece.distance);
                bits.push_code(distance_codes[symbol]);
                bits.push(value.into(), extra);
                if !bits.flush() {
                    return false;
                }
            }
        }
        bits.push_code(codes[END_OF_BLOCK]);
        true
    }
}

/// Eight bytes, if there are so many.
#[inline]
fn word_at(bytes: &[u8], at: usize) -> Option<u64> {
    let eight = bytes.get(at..)?.first_chunk()?;
    Some(u64::from_le_bytes(*eight))
}

/// Of the first five bytes.
#[inline]
fn hash(word: u64) -> u32 {
    const MULTIPLIER: u64 = 0x9E37_79B1_85EB_CA87;
    // 0 is what an empty place has.
    ((word << 24).wrapping_mul(MULTIPLIER) >> 32) as u32 | 1
}

/// Where a hash is kept; its lower half is kept there.
#[inline]
fn slot(hash: u32) -> usize {
    (hash >> (32 - HASH_BITS)) as usize
}

/// How many bytes before two positions are the same, none of them before `done`.
#[inline]
fn same_before(bytes: &[u8], done: usize, before: usize, at: usize) -> usize {
    let later = bytes[done..at].iter().rev();
    let earlier = bytes[..before].iter().rev();
    later.zip(earlier).take_while(|(a, b)| a == b).count()
}

/// How many bytes from two positions on are the same.
#[inline]
fn same_from(bytes: &[u8], before: usize, at: usize) -> usize {
    let mut n = 0;
    while let (Some(a), Some(b)) = (word_at(bytes, before + n), word_at(bytes, at + n)) {
        let difference = a ^ b;
        if difference != 0 {
            return n + difference.trailing_zeros() as usize / 8;
        }
        n += 8;
    }
    let rest = bytes[at + n..].iter().zip(&bytes[before + n..]);
    n + rest.take_while(|(a, b)| a == b).count()
}

/// A repeat's length in parts that a symbol can say, each of 3 or more.
#[inline]
fn parts(length: u16) -> impl Iterator<Item = u16> {
    let longest = LONGEST as u16;
    let mut left = length;
    std::iter::from_fn(move || {
        let part = match left {
            0 => return None,
            l if l <= longest => l,
            l if l < longest + 3 => longest - 3, // so that the last one is not too short
            _ => longest,
        };
        left -= part;
        Some(part)
    })
}

/// Symbol, number of extra bits and their value for a length of 3 to 258 (RFC 1951 §3.2.5).
#[inline]
fn length_symbol(length: u16) -> (usize, u32, u16) {
    if usize::from(length) == LONGEST {
        return (285, 0, 0);
    }
    let (class, extra, value) = logarithmic(length - 3, 2);
    (257 + class, extra, value)
}

/// Symbol, number of extra bits and their value for a distance of 1 to 32,768.
#[inline]
fn distance_symbol(distance: u16) -> (usize, u32, u16) {
    logarithmic(distance - 1, 1)
}

/// Numbers below `2 << detail` are symbols of their own; each power of two above them has `1 << detail`
/// symbols, and the lower bits are extra.
#[inline]
fn logarithmic(n: u16, detail: u32) -> (usize, u32, u16) {
    let extra = (n.checked_ilog2().unwrap_or(0)).saturating_sub(detail);
    let symbol = (extra << detail) + u32::from(n >> extra);
    (symbol as usize, extra, n & ((1 << extra) - 1))
}

/// Huffman codes for symbols that occur so often, none longer than `longest` bits.
fn codes<const N: usize>(counts: &[u32; N], longest: u8) -> [Code; N] {
    let lengths = code_lengths(counts, longest);
    // RFC 1951 §3.2.2: codes of one length are consecutive, shorter ones come first.
    let mut next = [0u16; 17];
    for length in 1..16usize {
        let shorter = lengths.iter().filter(|&&l| usize::from(l) == length);
        next[length + 1] = (next[length] + shorter.count() as u16) << 1;
    }
    lengths.map(|length| {
        let code = &mut next[usize::from(length)];
        let bits = code.reverse_bits() >> (16 - u32::from(length)).min(15);
        *code = code.wrapping_add(1);
        if length == 0 {
            Code::default()
        } else {
            Code { bits, length }
        }
    })
}

/// As above; one distance at least has a code, as some readers want.
fn codes_of_distances(counts: &[u32; DISTANCES]) -> [Code; DISTANCES] {
    let mut counts = *counts;
    counts[0] = counts[0].max(1);
    codes(&counts, LONGEST_CODE)
}

/// Lengths of Huffman's codes. Where one is too long, rare symbols count for more until none is.
fn code_lengths<const N: usize>(counts: &[u32; N], longest: u8) -> [u8; N] {
    let mut lengths = [0; N];
    let mut leaves: Vec<(u32, usize)> = (0..N)
        .filter(|&s| counts[s] > 0)
        .map(|s| (counts[s], s))
        .collect();
    if let [(_, only)] = leaves[..] {
        lengths[only] = 1;
        return lengths;
    }
    leaves.sort_unstable();
    loop {
        // Two queues: leaves, and joined nodes, both ascending.
        let n = leaves.len();
        let mut parents = vec![0; 2 * n];
        let mut joined: Vec<u32> = Vec::with_capacity(n);
        let (mut leaf, mut node) = (0, 0);
        while joined.len() + 1 < n {
            let mut sum = 0;
            for _ in 0..2 {
                let from_leaves = leaf < n && joined.get(node).is_none_or(|&j| leaves[leaf].0 <= j);
                let child = if from_leaves {
                    sum += leaves[leaf].0;
                    leaf += 1;
                    leaf - 1
                } else {
                    sum += joined[node];
                    node += 1;
                    n + node - 1
                };
                parents[child] = n + joined.len();
            }
            joined.push(sum);
        }
        let mut depths = vec![0u8; 2 * n];
        let root = n + joined.len() - 1;
        for child in (0..root).rev() {
            depths[child] = depths[parents[child]].saturating_add(1);
        }
        if depths[..n].iter().all(|&d| d <= longest) {
            for (&(_, symbol), &depth) in leaves.iter().zip(&depths) {
                lengths[symbol] = depth;
            }
            return lengths;
        }
        for (count, _) in &mut leaves {
            *count = *count / 2 + 1;
        }
    }
}

/// The lengths of both codes, themselves coded (RFC 1951 §3.2.7).
fn write_codes(codes: &[Code; SYMBOLS], distance_codes: &[Code; DISTANCES], bits: &mut Bits) {
    let used = |codes: &[Code]| {
        codes
            .iter()
            .rposition(|c| c.length > 0)
            .map_or(1, |l| l + 1)
    };
    let (symbols, distances) = (used(codes), used(distance_codes));
    let all = codes[..symbols].iter().chain(&distance_codes[..distances]);
    let lengths: Vec<u8> = all.map(|c| c.length).collect();
    // Runs of a length: symbol, number of extra bits and their value.
    let mut runs: Vec<(usize, u32, u64)> = Vec::new();
    for run in lengths.chunk_by(|a, b| a == b) {
        let (length, mut left) = (usize::from(run[0]), run.len());
        if length > 0 {
            runs.push((length, 0, 0));
            left -= 1;
        }
        while left > 0 {
            let (taken, said) = match (length, left) {
                (0, 11..) => (left.min(138), (18, 7, left.min(138) as u64 - 11)),
                (0, 3..) => (left, (17, 3, left as u64 - 3)),
                (1.., 3..) => (left.min(6), (16, 2, left.min(6) as u64 - 3)),
                _ => (1, (length, 0, 0)),
            };
            runs.push(said);
            left -= taken;
        }
    }
    let mut counts = [0; LENGTHS];
    for run in &runs {
        counts[run.0] += 1;
    }
    let length_codes = self::codes(&counts, 7);
    let said = ORDER.iter().rposition(|&s| length_codes[s].length > 0);
    let said = said.map_or(4, |l| (l + 1).max(4));
    bits.push(symbols as u64 - 257, 5);
    bits.push(distances as u64 - 1, 5);
    bits.push(said as u64 - 4, 4);
    bits.flush();
    for &symbol in &ORDER[..said] {
        bits.push(length_codes[symbol].length.into(), 3);
        bits.flush();
    }
    for (symbol, extra, value) in runs {
        bits.push_code(length_codes[symbol]);
        bits.push(value, extra);
        bits.flush();
    }
}

/// Bits, the first one lowest, on their way into bytes.
struct Bits<'a> {
    out: &'a mut [u8],
    at: usize,
    waiting: u64,
    count: u32,
}

impl Bits<'_> {
    /// Bytes that are written behind what counts.
    const SLACK: usize = 8;

    fn new(out: &mut [u8]) -> Bits<'_> {
        Bits {
            out,
            at: 0,
            waiting: 0,
            count: 0,
        }
    }

    #[inline]
    fn push(&mut self, value: u64, count: u32) {
        self.waiting |= value << self.count;
        self.count += count;
    }

    #[inline]
    fn push_code(&mut self, code: Code) {
        debug_assert!(code.length > 0, "a symbol without a code");
        self.push(code.bits.into(), code.length.into());
    }

    /// Writes the whole bytes among up to 56 bits; false if there is no room for them.
    #[inline]
    fn flush(&mut self) -> bool {
        debug_assert!(self.count <= 64);
        let room = self
            .out
            .get_mut(self.at..)
            .and_then(|o| o.first_chunk_mut());
        let Some(room) = room else {
            // They are lost, and with them the block: what follows finds no room either.
            (self.waiting, self.count) = (0, 0);
            return false;
        };
        *room = self.waiting.to_le_bytes();
        self.at += (self.count / 8) as usize;
        self.waiting >>= self.count & !7;
        self.count %= 8;
        true
    }

    /// How many bytes there are in all.
    fn finish(mut self) -> Option<usize> {
        self.flush().then(|| self.at + usize::from(self.count > 0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::io::Read;

    /// Deflates, and inflates with two programs that are not ours.
    fn round_trip(bytes: &[u8]) -> usize {
        let mut out = b"before".to_vec();
        Deflater::default().deflate(bytes, &mut out);
        assert_eq!(&out[..6], b"before");
        let mut inflated = vec![0; bytes.len()];
        let n = libdeflater::Decompressor::new()
            .deflate_decompress(&out[6..], &mut inflated)
            .expect("libdeflate reads it");
        assert!(n == bytes.len() && inflated == bytes);
        inflated.clear();
        flate2::bufread::DeflateDecoder::new(&out[6..])
            .read_to_end(&mut inflated)
            .expect("zlib-rs reads it");
        assert!(inflated == bytes);
        out.len() - 6
    }

    fn noise(n: usize, mut seed: u64) -> impl Iterator<Item = u8> {
        (0..n).map(move |_| {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            (seed >> 56) as u8
        })
    }

    #[test]
    fn nothing_and_all_the_same() {
        assert!(round_trip(&[]) <= 16);
        for n in [1, 2, 7, 8, 9, 257, 258, 259, 260, 261, 262, 516, 519, MOST] {
            let size = round_trip(&vec![7; n]);
            assert!(size <= 16 + n / 100, "{n}: {size}");
        }
    }

    #[test]
    fn noise_is_stored() {
        let bytes: Vec<u8> = noise(MOST, 1).collect();
        assert_eq!(round_trip(&bytes), MOST + 5);
    }

    #[test]
    fn every_length_and_distance() {
        for length in (3..400).chain([1000, 30_000]) {
            let mut bytes: Vec<u8> = noise(length, 3).collect();
            bytes.extend(noise(length % 50, 4));
            bytes.extend(noise(length, 3));
            round_trip(&bytes);
        }
        let near = noise(100, 5).collect::<Vec<u8>>();
        for distance in (100..400).chain((0..16).flat_map(|b| [(1 << b) + 100, (1 << b) + 101])) {
            let mut bytes = near.clone();
            bytes.extend(noise(distance - 100, 6));
            bytes.extend(&near);
            round_trip(&bytes);
        }
    }

    #[test]
    fn rare_symbols_do_not_get_codes_too_long() {
        // Fibonacci's numbers make Huffman's deepest trees.
        let (mut a, mut b) = (1, 1);
        let mut bytes = Vec::new();
        for symbol in 0..22 {
            bytes.extend(vec![symbol; a]);
            (a, b) = (b, a + b);
        }
        bytes.truncate(MOST);
        // In an order without repeats to speak of.
        let n = bytes.len();
        let mixed: Vec<u8> = (0..n).map(|i| bytes[i * 40_503 % n]).collect();
        let mut counts = [0; SYMBOLS];
        for &b in &mixed {
            counts[usize::from(b)] += 1;
        }
        assert!(code_lengths(&counts, 15).iter().all(|&l| l <= 15));
        assert!(code_lengths(&counts, 7).iter().all(|&l| l <= 7));
        round_trip(&mixed);
    }

    #[test]
    fn codes_leave_no_room() {
        // Kraft's sum is 1: readers refuse codes that are not complete.
        let counts: [u32; LENGTHS] = std::array::from_fn(|s| 1 << s);
        for longest in [5, 7, 15] {
            let lengths = code_lengths(&counts, longest);
            let sum: u32 = lengths.iter().map(|&l| 1 << (15 - l)).sum();
            assert_eq!(sum, 1 << 15, "{longest}");
        }
    }

    proptest! {
        #[test]
        fn any_bytes_come_back(bytes in prop::collection::vec(any::<u8>(), 0..2000)) {
            round_trip(&bytes);
        }

        #[test]
        fn few_letters_come_back(bytes in prop::collection::vec(0u8..3, 0..5000)) {
            round_trip(&bytes);
        }
    }
}
