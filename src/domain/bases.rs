//! Bases as ASCII (`ACGTN`) and as 2-bit codes (A 0, C 1, G 2, T 3), 16 to a `u32`, the first base
//! in the lowest bits. What is no A, C, G or T (N and the other IUPAC letters) is kept in a mask.

/// Bases in one packed word.
pub const BASES_PER_WORD: usize = 16;

/// The letters of the codes.
pub const LETTERS: [u8; 4] = *b"ACGT";

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
    fn reverse_complement_keeps_iupac_meaning() {
        assert_eq!(reverse_complement(b"AcGTNR"), b"YNACGT");
    }
}
