//! What a variant does to a transcript, as terms of the Sequence Ontology.

pub use super::edit::hgvs_g;
pub use super::effect::{Effect, effect};

/// Sequence Ontology terms, most severe first (the order of Ensembl's table).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[allow(missing_docs)] // the names are the terms
pub enum Consequence {
    TranscriptAblation,
    SpliceAcceptor,
    SpliceDonor,
    StopGained,
    Frameshift,
    StopLost,
    StartLost,
    InframeInsertion,
    InframeDeletion,
    Missense,
    ProteinAltering,
    SpliceDonorFifthBase,
    SpliceRegion,
    SpliceDonorRegion,
    SplicePolypyrimidineTract,
    StopRetained,
    Synonymous,
    CodingSequence,
    FivePrimeUtr,
    ThreePrimeUtr,
    NonCodingExon,
    Intron,
    Intergenic,
}

impl Consequence {
    /// The term.
    pub fn term(self) -> &'static str {
        match self {
            Consequence::TranscriptAblation => "transcript_ablation",
            Consequence::SpliceAcceptor => "splice_acceptor_variant",
            Consequence::SpliceDonor => "splice_donor_variant",
            Consequence::StopGained => "stop_gained",
            Consequence::Frameshift => "frameshift_variant",
            Consequence::StopLost => "stop_lost",
            Consequence::StartLost => "start_lost",
            Consequence::InframeInsertion => "inframe_insertion",
            Consequence::InframeDeletion => "inframe_deletion",
            Consequence::Missense => "missense_variant",
            Consequence::ProteinAltering => "protein_altering_variant",
            Consequence::SpliceDonorFifthBase => "splice_donor_5th_base_variant",
            Consequence::SpliceRegion => "splice_region_variant",
            Consequence::SpliceDonorRegion => "splice_donor_region_variant",
            Consequence::SplicePolypyrimidineTract => "splice_polypyrimidine_tract_variant",
            Consequence::StopRetained => "stop_retained_variant",
            Consequence::Synonymous => "synonymous_variant",
            Consequence::CodingSequence => "coding_sequence_variant",
            Consequence::FivePrimeUtr => "5_prime_UTR_variant",
            Consequence::ThreePrimeUtr => "3_prime_UTR_variant",
            Consequence::NonCodingExon => "non_coding_transcript_exon_variant",
            Consequence::Intron => "intron_variant",
            Consequence::Intergenic => "intergenic_variant",
        }
    }

    /// May it change the protein or its making?
    pub fn alters_protein(self) -> bool {
        self <= Consequence::ProteinAltering
    }

    /// Is it about splicing, not about what the exons spell?
    pub fn is_of_splicing(self) -> bool {
        use Consequence as C;
        matches!(
            self,
            C::SpliceAcceptor
                | C::SpliceDonor
                | C::SpliceDonorFifthBase
                | C::SpliceRegion
                | C::SpliceDonorRegion
                | C::SplicePolypyrimidineTract
        )
    }

    /// Ensembl's rating of the term: HIGH, MODERATE, LOW, MODIFIER.
    pub fn impact(self) -> &'static str {
        use Consequence as C;
        match self {
            C::TranscriptAblation
            | C::SpliceAcceptor
            | C::SpliceDonor
            | C::StopGained
            | C::Frameshift
            | C::StopLost
            | C::StartLost => "HIGH",
            C::InframeInsertion | C::InframeDeletion | C::Missense | C::ProteinAltering => {
                "MODERATE"
            }
            C::SpliceDonorFifthBase
            | C::SpliceRegion
            | C::SpliceDonorRegion
            | C::SplicePolypyrimidineTract
            | C::StopRetained
            | C::Synonymous => "LOW",
            C::CodingSequence
            | C::FivePrimeUtr
            | C::ThreePrimeUtr
            | C::NonCodingExon
            | C::Intron
            | C::Intergenic => "MODIFIER",
        }
    }
}
