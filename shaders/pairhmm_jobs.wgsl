// What the pairHMM works on, in fixed point and in floating point; see src/kernel/pairhmm.rs.

override EMIT_AT: u32;  // where the emission table stands in `tables`
override GAP_AT: u32;

struct Job {
  read: u32,
  read_len: u32,
  haplotype: u32,
  haplotype_len: u32,
}

@group(0) @binding(0) var<storage, read> reads: array<u32>;
@group(0) @binding(1) var<storage, read> haplotypes: array<u32>;
@group(0) @binding(3) var<storage, read> jobs: array<Job>;

fn read_byte(at: u32) -> u32 {
  return (reads[at / 4u] >> (8u * (at % 4u))) & 0xffu;
}

fn haplotype_byte(at: u32) -> u32 {
  return (haplotypes[at / 4u] >> (8u * (at % 4u))) & 0xffu;
}

// States of column j lie side by side for all jobs, so that neighbouring threads read neighbouring words.
// `scratch` has room for as many columns as the longest haplotype needs, in each of the three states.
fn place(state: u32, j: u32, job: u32) -> u32 {
  let columns = arrayLength(&scratch) / (3u * arrayLength(&jobs));
  return (state * columns + j) * arrayLength(&jobs) + job;
}
