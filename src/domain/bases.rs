//! Bases as ASCII (`ACGTN`) and as 2-bit codes (A 0, C 1, G 2, T 3), 16 to a `u32`, the first base
//! in the lowest bits. What is no A, C, G or T (N and the other IUPAC letters) is kept in a mask.

/// Bases in one packed word.
pub const BASES_PER_WORD: usize = 16;

/// The letters of the codes.
pub const LETTERS: [u8; 4] = *b"ACGT";

/// The letters of the four bases that a byte packs.
pub const SPELT: [[u8; 4]; 256] = {
    let mut t = [[0; 4]; 256];
    let mut i = 0;
    while i < 256 {
        let mut b = 0;
        while b < 4 {
            t[i][b] = LETTERS[i >> (2 * b) & 3];
            b += 1;
        }
        i += 1;
    }
    t
};

const CODES: [u8; 256] = {
    let mut t = [4u8; 256];
    let mut i = 0;
    while i < 4 {
        t[LETTERS[i] as usize] = i as u8;
        t[LETTERS[i].to_ascii_lowercase() as usize] = i as u8;
        i += 1;
    }
    t
};

const COMPLEMENTS: [u8; 256] = {
    let mut t = [b'N'; 256];
    let pairs = *b"ATCGGCTARYYRSSWWKMMKBVVBDHHD"; // IUPAC complements, in twos
    let mut i = 0;
    while i < pairs.len() {
        t[pairs[i] as usize] = pairs[i + 1];
        t[pairs[i].to_ascii_lowercase() as usize] = pairs[i + 1];
        i += 2;
    }
    t
};

/// 2-bit code of an ASCII base in either case; 4 for everything that is not ACGT.
pub fn code_of(base: u8) -> u8 {
    CODES[base as usize]
}

/// Complement of an ASCII base, upper case; IUPAC letters keep their meaning.
pub fn complement(base: u8) -> u8 {
    COMPLEMENTS[base as usize]
}

/// Reverse complement of ASCII bases, upper case.
pub fn reverse_complement(bases: &[u8]) -> Vec<u8> {
    bases.iter().rev().map(|&b| complement(b)).collect()
}

/// Words needed for `length` bases.
pub fn words_for(length: usize) -> usize {
    length.div_ceil(BASES_PER_WORD)
}

/// The code at `index` of a packed sequence.
pub fn get_code(words: &[u32], index: usize) -> u8 {
    (words[index / BASES_PER_WORD] >> (2 * (index % BASES_PER_WORD)) & 3) as u8
}

/// 32 bases from `index` on, the first in the lowest bits. Words past the end read as zero.
#[inline]
pub fn window(words: &[u32], index: usize) -> u64 {
    let (word, shift) = (index / BASES_PER_WORD, 2 * (index % BASES_PER_WORD));
    let three = words.get(word..).and_then(<[u32]>::first_chunk);
    let [a, b, c] = three.copied().unwrap_or_else(|| near_end(words, word));
    (u64::from(a) | u64::from(b) << 32) >> shift | u64::from(c) << 1 << (63 - shift)
}

/// Three words of which the last ones may lie past the end.
#[cold]
fn near_end(words: &[u32], first: usize) -> [u32; 3] {
    [0, 1, 2].map(|i| words.get(first + i).copied().unwrap_or(0))
}

/// Reverse complement of 16 packed bases.
#[inline]
pub fn reverse_complement_word(word: u32) -> u32 {
    let bits = !word.reverse_bits(); // bases in the other order, each with its two bits swapped
    (bits & 0x5555_5555) << 1 | bits >> 1 & 0x5555_5555
}

/// Packed reverse complement of the first `length` bases of `words`, into `out` (cleared first).
pub fn reverse_complement_packed(words: &[u32], length: usize, out: &mut Vec<u32>) {
    out.clear();
    let mut end = length;
    while end > 0 {
        let taken = end.min(BASES_PER_WORD);
        let word = window(words, end - taken) as u32;
        // A short last piece sits in the low bits: its complement comes out in the high ones.
        out.push(reverse_complement_word(word) >> (2 * (BASES_PER_WORD - taken)));
        end -= taken;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_ignore_case_and_know_only_four_letters() {
        assert_eq!(
            [b'A', b'c', b'G', b't', b'N', b'R', b'-'].map(code_of),
            [0, 1, 2, 3, 4, 4, 4]
        );
    }

    #[test]
    fn packed_reverse_complement_equals_the_letters() {
        let letters: Vec<u8> = (0..70u32)
            .map(|i| b"ACGT"[(i * i / 3 % 4) as usize])
            .collect();
        for length in [0, 1, 15, 16, 17, 32, 33, 64, 70] {
            let mut words = vec![0u32; words_for(length)];
            for (i, &b) in letters[..length].iter().enumerate() {
                words[i / 16] |= u32::from(code_of(b)) << (2 * (i % 16));
            }
            let mut reverse = Vec::new();
            reverse_complement_packed(&words, length, &mut reverse);
            let spelt: Vec<u8> = (0..length)
                .map(|i| LETTERS[get_code(&reverse, i) as usize])
                .collect();
            assert_eq!(spelt, reverse_complement(&letters[..length]), "{length}");
            for at in 0..length {
                let there = window(&words, at);
                let n = (length - at).min(32);
                assert!((0..n).all(|i| (there >> (2 * i) & 3) as u8 == get_code(&words, at + i)));
            }
        }
    }

    #[test]
    fn reverse_complement_keeps_iupac_meaning() {
        assert_eq!(reverse_complement(b"AcGTNR"), b"YNACGT");
    }
}
