//! Genetic codes and the names of amino acids.

/// Which genetic code a contig's genes are read in (NCBI translation tables).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Code {
    /// Table 1.
    Standard,
    /// Table 2, vertebrate mitochondrial: AGA and AGG stop, ATA is Met, TGA is Trp.
    Mitochondrial,
}

/// Amino acid that cannot be told because a base of its codon is unknown.
pub const UNKNOWN: u8 = b'X';
/// A stop codon.
pub const STOP: u8 = b'*';

// NCBI table 1, bases in the order TCAG, third base fastest.
const STANDARD: &[u8; 64] = b"FFLLSSSSYY**CC*WLLLLPPPPHHQQRRRRIIIMTTTTNNKKSSRRVVVVAAAADDEEGGGG";

const NAMES: [(u8, &str); 22] = [
    (b'A', "Ala"),
    (b'C', "Cys"),
    (b'D', "Asp"),
    (b'E', "Glu"),
    (b'F', "Phe"),
    (b'G', "Gly"),
    (b'H', "His"),
    (b'I', "Ile"),
    (b'K', "Lys"),
    (b'L', "Leu"),
    (b'M', "Met"),
    (b'N', "Asn"),
    (b'P', "Pro"),
    (b'Q', "Gln"),
    (b'R', "Arg"),
    (b'S', "Ser"),
    (b'T', "Thr"),
    (b'V', "Val"),
    (b'W', "Trp"),
    (b'Y', "Tyr"),
    (STOP, "Ter"),
    (UNKNOWN, "Xaa"),
];

/// The amino acid of one codon as its one-letter code; [`UNKNOWN`] if a base is not A, C, G or T.
pub fn translate_codon(codon: &[u8], code: Code) -> u8 {
    let index = codon.iter().try_fold(0usize, |i, b| {
        b"TCAG".iter().position(|c| c == b).map(|d| i * 4 + d)
    });
    match (index, code) {
        (None, _) => UNKNOWN,
        (Some(_), Code::Mitochondrial) => match codon {
            b"AGA" | b"AGG" => STOP,
            b"ATA" => b'M',
            b"TGA" => b'W',
            _ => translate_codon(codon, Code::Standard),
        },
        (Some(i), Code::Standard) => STANDARD[i],
    }
}

/// Amino acids of the whole codons in `bases`; what is left over at the end is dropped.
pub fn translate(bases: &[u8], code: Code) -> Vec<u8> {
    bases
        .as_chunks::<3>()
        .0
        .iter()
        .map(|c| translate_codon(c, code))
        .collect()
}

/// `L` to `Leu`, `*` to `Ter`.
pub fn long_name(letter: u8) -> &'static str {
    NAMES
        .iter()
        .find(|(l, _)| *l == letter)
        .map_or("Xaa", |(_, n)| n)
}

/// `Leu` to `L`, `Ter` to `*`.
pub fn letter_of(name: &str) -> Option<u8> {
    NAMES
        .iter()
        .find(|(l, n)| *n == name && *l != UNKNOWN)
        .map(|(l, _)| *l)
}

/// Is this the one-letter code of one of the twenty amino acids?
pub fn is_amino_acid(letter: u8) -> bool {
    NAMES[..20].iter().any(|(l, _)| *l == letter)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_two_codes_differ_where_ncbi_says() {
        let codons = b"ATGTGAATAAGAAGGCTGNNT";
        assert_eq!(translate(codons, Code::Standard), b"M*IRRLX");
        assert_eq!(translate(codons, Code::Mitochondrial), b"MWM**LX");
    }

    #[test]
    fn names_go_both_ways() {
        for (letter, name) in NAMES {
            assert_eq!(long_name(letter), name);
            assert_eq!(letter_of(name).is_some(), letter != UNKNOWN);
        }
    }
}
