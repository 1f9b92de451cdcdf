// What all kernels of `extend` work on; see src/kernel/extend.rs.

struct Candidate { read: u32, diagonal: u32, votes: u32, seeded: u32, spread: u32 }
struct Chosen { job: u32, slot: u32 }
struct Extension { score: i32, start: u32, span: u32, runs: u32, slot: u32 }

// Candidates that are none have NONE for a read; those of a read stand together.
@group(0) @binding(1) var<storage, read> candidate_ends: array<u32>;
@group(0) @binding(2) var<storage, read> jobs: array<Candidate>;
@group(0) @binding(3) var<storage, read_write> extensions: array<Extension>;
