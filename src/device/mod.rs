//! Plumbing between host and devices; no biology.

/// The adapters of this machine, and the choice among them.
pub mod adapter;
/// Typed buffers and tables on a GPU.
pub mod buffer;
/// Trouble made on purpose.
pub mod fault;
/// One GPU: typed buffers, tables, and one `run`.
pub mod gpu;
/// CPU lanes: safe loops compiled for the widest vectors that the machine has.
pub mod lanes;
/// What a device reaches at most.
pub mod peak;
/// A chain of kernels over memory that stays.
pub mod program;
/// The text of a shader, put together from its parts.
pub mod shader;
