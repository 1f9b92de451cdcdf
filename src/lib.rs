//! theralign: reads in, therapy decision out.
//!
//! The modules are declared in the order in which data flows through them; follow one read pair
//! from FASTQ to report by opening them from top to bottom.
// A blank line between modules keeps rustfmt from sorting them.

/// One error type: where, what, and what to do next.
pub mod error;

/// The words of the trade: positions, bases, qualities, CIGARs, variants. No files, threads or devices.
pub mod domain;

/// Bytes to domain and back; the only folder that counts from 1.
pub mod format;

/// The packed genome, its contig table, and the seed index.
pub mod genome;

/// Panel reads with known variants, to try a pipeline against a truth.
pub mod simulate;

/// Reads in numbered batches, made of arrays.
pub mod batch;

/// Reader, workers, writer: bounded, and out in the order in.
pub mod flow;

/// Where a run's time went, and what took which path.
pub mod timings;

/// Adapters, buffers, shaders, CPU lanes; no biology.
pub mod device;

/// The kernels: each with its definition and its fast CPU version, and a shader.
pub mod kernel;

/// The trait that every device fulfils, the two that do, and the choice between them.
pub mod backend;

/// Batches on their way through GPUs, whose threads take them from one queue.
pub mod ring;

/// Seeds to placed reads: the story of a batch.
pub mod align;

/// Records to a coordinate-sorted, indexed BAM with duplicates marked.
pub mod sort;

/// Copies of a molecule to one read pair of it, by their UMIs.
pub mod consensus;

/// Alignments to variants, in a panel's regions.
pub mod call;

/// What a variant means: gene, HGVS, consequence, knowledge.
pub mod annotate;

/// Pharmacogenes: genotypes at defining places to diplotypes, phenotypes and advice.
pub mod pgx;

/// Quality of a sample: depth, errors, contamination, sex, identity; in one pass over its BAM.
pub mod qc;

/// What the findings mean for a therapy, and what was not seen.
pub mod report;

/// The subcommands.
pub mod cli;

pub use error::{Error, Result};
