//! The two genome builds whose coordinates the tables know.

use serde::Serialize;

/// A build of the Genome Reference Consortium.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, clap::ValueEnum)]
pub enum Build {
    /// GRCh37, hg19.
    #[serde(rename = "GRCh37")]
    #[value(name = "GRCh37", alias = "grch37", alias = "hg19")]
    Grch37,
    /// GRCh38, hg38.
    #[serde(rename = "GRCh38")]
    #[value(name = "GRCh38", alias = "grch38", alias = "hg38")]
    Grch38,
}

/// Chromosomes that hold pharmacogenes, in the order of a VCF, and their lengths in GRCh37 and GRCh38.
pub const CHROMOSOMES: [(&str, u32, u32); 14] = [
    ("chr1", 249_250_621, 248_956_422),
    ("chr2", 243_199_373, 242_193_529),
    ("chr4", 191_154_276, 190_214_555),
    ("chr6", 171_115_067, 170_805_979),
    ("chr7", 159_138_663, 159_345_973),
    ("chr8", 146_364_022, 145_138_636),
    ("chr10", 135_534_747, 133_797_422),
    ("chr12", 133_851_895, 133_275_309),
    ("chr13", 115_169_878, 114_364_328),
    ("chr16", 90_354_753, 90_338_345),
    ("chr19", 59_128_983, 58_617_616),
    ("chr22", 51_304_566, 50_818_468),
    ("chrX", 155_270_560, 156_040_895),
    ("chrM", 16_569, 16_569),
];

/// `chr10` for `10` and `chr10`, `chrM` for `MT` and `M`; `None` for what holds no pharmacogene.
pub fn chromosome(name: &str) -> Option<&'static str> {
    let bare = name.strip_prefix("chr").unwrap_or(name);
    let bare = if bare == "MT" { "M" } else { bare };
    CHROMOSOMES
        .iter()
        .map(|c| c.0)
        .find(|c| c[3..].eq_ignore_ascii_case(bare))
}

/// Rank in [`CHROMOSOMES`].
pub fn rank(chromosome: &str) -> usize {
    CHROMOSOMES
        .iter()
        .position(|c| c.0 == chromosome)
        .expect("the tables name no other chromosome")
}

impl Build {
    /// `GRCh38`.
    pub fn name(self) -> &'static str {
        match self {
            Build::Grch37 => "GRCh37",
            Build::Grch38 => "GRCh38",
        }
    }

    /// The build in which a contig of this name has this length; mitochondria say nothing.
    pub fn by_length(name: &str, length: u32) -> Option<Build> {
        let here = chromosome(name)?;
        let (_, b37, b38) = CHROMOSOMES.into_iter().find(|c| c.0 == here)?;
        match length {
            _ if b37 == b38 => None,
            l if l == b37 => Some(Build::Grch37),
            l if l == b38 => Some(Build::Grch38),
            _ => None,
        }
    }

    /// The build that a header's words name.
    pub fn by_words(text: &str) -> Option<Build> {
        let text = text.to_ascii_lowercase();
        let names = |words: [&str; 4]| words.iter().any(|w| text.contains(w));
        match (
            names(["grch37", "hg19", "b37", "hs37"]),
            names(["grch38", "hg38", "b38", "hs38"]),
        ) {
            (true, false) => Some(Build::Grch37),
            (false, true) => Some(Build::Grch38),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn contigs_tell_their_build_by_length_and_any_usual_name() {
        assert_eq!(Build::by_length("10", 133_797_422), Some(Build::Grch38));
        assert_eq!(Build::by_length("chr10", 135_534_747), Some(Build::Grch37));
        assert_eq!(Build::by_length("chr10", 5), None);
        assert_eq!(Build::by_length("MT", 16_569), None);
        assert_eq!(chromosome("MT"), Some("chrM"));
        assert_eq!(chromosome("chr3"), None);
        assert_eq!(Build::by_words("GRCh38.p14"), Some(Build::Grch38));
        assert_eq!(Build::by_words("genome.fa"), None);
    }
}
