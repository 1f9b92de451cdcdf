//! What a variant means: gene, transcript, HGVS and consequence from a gene model, and what the
//! knowledge says about such an alteration.

pub mod alteration;
pub mod annotated;
pub mod annotation;
pub mod coding;
pub mod codon;
pub mod consequence;
pub mod csq;
pub mod edit;
pub mod effect;
pub mod expression;
pub mod gene_model;
pub mod haplotype;
pub mod hotspots;
pub mod knowledge;
pub mod maf;
pub mod named;
pub mod protein;
pub mod table;
pub mod transcript;
pub mod tumor;
pub mod vrs;

pub use alteration::Rule;
pub use consequence::{Consequence, Effect};
pub use expression::{Alteration, Expression, Truth};
pub use gene_model::GeneModel;
pub use knowledge::Knowledge;
pub use protein::ProteinChange;
pub use transcript::{Choice, Transcript};
pub use tumor::{Relation, Tumor, Tumors};

#[cfg(test)]
mod hgvs_tests;
#[cfg(test)]
pub(crate) mod tests;
