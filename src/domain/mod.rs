//! The words of the trade. Nothing here opens a file, starts a thread or knows of a device.
//! Positions count from 0 and spans are half-open; `format` converts at the door.

pub mod bases;
pub mod cigar;
pub mod coord;
pub mod quality;
pub mod variant;

pub use bases::{code_of, complement, reverse_complement};
pub use cigar::{Cigar, CigarOp};
pub use coord::{ContigId, GenomePos, Pos, Span, Strand};
pub use quality::LogLik;
pub use variant::Variant;
