//! Which published assembly a reference is, and by which names its contigs go.

use super::Reference;
use crate::domain::ContigId;
use std::fmt;

/// A published assembly of the human genome.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Assembly {
    /// GRCh37, also known as hg19 and b37.
    Grch37,
    /// GRCh38, also known as hg38.
    Grch38,
}

impl fmt::Display for Assembly {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Assembly::Grch37 => "GRCh37",
            Assembly::Grch38 => "GRCh38",
        })
    }
}

/// Chromosome, its length in GRCh37 and in GRCh38 (Genome Reference Consortium). The mitochondrial
/// contig is the same in both and tells nothing.
const LENGTHS: [(&str, u32, u32); 24] = [
    ("1", 249_250_621, 248_956_422),
    ("2", 243_199_373, 242_193_529),
    ("3", 198_022_430, 198_295_559),
    ("4", 191_154_276, 190_214_555),
    ("5", 180_915_260, 181_538_259),
    ("6", 171_115_067, 170_805_979),
    ("7", 159_138_663, 159_345_973),
    ("8", 146_364_022, 145_138_636),
    ("9", 141_213_431, 138_394_717),
    ("10", 135_534_747, 133_797_422),
    ("11", 135_006_516, 135_086_622),
    ("12", 133_851_895, 133_275_309),
    ("13", 115_169_878, 114_364_328),
    ("14", 107_349_540, 107_043_718),
    ("15", 102_531_392, 101_991_189),
    ("16", 90_354_753, 90_338_345),
    ("17", 81_195_210, 83_257_441),
    ("18", 78_077_248, 80_373_285),
    ("19", 59_128_983, 58_617_616),
    ("20", 63_025_520, 64_444_167),
    ("21", 48_129_895, 46_709_983),
    ("22", 51_304_566, 50_818_468),
    ("X", 155_270_560, 156_040_895),
    ("Y", 59_373_566, 57_227_415),
];

/// The assembly in which the chromosome has this length.
pub fn of_length(chromosome: &str, length: u32) -> Option<Assembly> {
    let bare = bare_name(chromosome);
    let (_, old, new) = LENGTHS.iter().find(|l| l.0 == bare)?;
    match length {
        l if l == *old => Some(Assembly::Grch37),
        l if l == *new => Some(Assembly::Grch38),
        _ => None,
    }
}

/// `chr7` and `NC_000007.13` to `7`; `chrM` and `NC_012920.1` to `MT`.
pub fn bare_name(name: &str) -> String {
    let refseq = name
        .strip_prefix("NC_")
        .and_then(|n| n.split('.').next())
        .and_then(|n| n.parse::<u32>().ok())
        .and_then(|n| match n {
            1..=22 => Some(n.to_string()),
            23 => Some("X".into()),
            24 => Some("Y".into()),
            12_920 => Some("MT".into()),
            _ => None,
        });
    match name.strip_prefix("chr").unwrap_or(name) {
        "M" => "MT".into(),
        bare => refseq.unwrap_or_else(|| bare.into()),
    }
}

impl Reference {
    /// The contig that a name means: by name, with or without `chr`, `M` or `MT`, or as RefSeq
    /// accession (`NC_000007.13` is chromosome 7).
    pub fn contig_called(&self, name: &str) -> Option<ContigId> {
        let bare = bare_name(name);
        let named = |n: &str| {
            self.contig_id(n)
                .or_else(|| self.contig_id(&format!("chr{n}")))
        };
        self.contig_id(name)
            .or_else(|| named(&bare))
            .or_else(|| (bare == "MT").then(|| named("M")).flatten())
    }

    /// The assembly that this is, told by the lengths of its chromosomes; `None` if none of them has
    /// a known length, or they are of both.
    pub fn assembly(&self) -> Option<Assembly> {
        let mut seen = self
            .contigs()
            .iter()
            .filter_map(|c| of_length(&c.name, c.length));
        let first = seen.next()?;
        seen.all(|a| a == first).then_some(first)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_tell_the_assembly() {
        assert_eq!(of_length("chr7", 159_138_663), Some(Assembly::Grch37));
        assert_eq!(
            of_length("NC_000007.14", 159_345_973),
            Some(Assembly::Grch38)
        );
        assert_eq!(of_length("7", 159_138_664), None);
        assert_eq!(of_length("MT", 16_569), None);
        for (name, old, new) in LENGTHS {
            assert_ne!(old, new, "{name} would tell nothing");
        }
    }
}
