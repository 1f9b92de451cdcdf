//! What a variant means: gene, transcript, HGVS and consequence from a gene model, and what the
//! knowledge says about such an alteration.

pub mod alteration;
pub mod coding;
pub mod codon;
pub mod consequence;
pub mod expression;
pub mod gene_model;
pub mod knowledge;
pub mod named;
pub mod pharmaco;
pub mod protein;
pub mod transcript;
pub mod tumor;

pub use alteration::Rule;
pub use consequence::{Consequence, Effect};
pub use expression::{Alteration, Expression, Truth};
pub use gene_model::GeneModel;
pub use knowledge::Knowledge;
pub use protein::ProteinChange;
pub use transcript::{Choice, Transcript};
pub use tumor::{Relation, Tumor, Tumors};

#[cfg(test)]
pub(crate) mod tests;
