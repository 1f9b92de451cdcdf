//! The reference: which contigs there are, what their bases are, and where each seed stands.

pub mod assembly;
mod build;
mod file;
pub mod index;
mod reference;
pub mod syncmer;

pub use assembly::Assembly;
pub use build::{BuildOptions, build};
pub use file::{FORMAT_VERSION, Section};
pub use reference::{Contig, Island, Reference};
