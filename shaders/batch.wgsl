// What all kernels that locate reads are told of their batch; see src/kernel/locate.rs.

struct Batch {
  reads: u32,
  mates: u32,      // 2 if reads 2t and 2t + 1 are mates, else 1
  longest: u32,    // most bases that a pair spans
  hits: u32,       // places that there is room for
  candidates: u32, // candidates that there is room for
  gapped: u32,     // jobs that there is room to align with gaps
  rows: u32,       // bases of the longest read
  stretch: u32,    // a pair's window is within two stretches of 1 << stretch diagonals
}
struct ReadSpan { word: u32, len: u32 }
// What is known of a read's seeds: lists of places; in the lower half those left out, in the upper the
// longest that is looked at.
struct Look { lists: u32, limits: u32 }

@group(0) @binding(0) var<uniform> batch: Batch;

// In place of a number of lists: the read is beyond some room, or its loops were cut, and is left to the CPU.
const BEYOND = 0xffffffffu;
// In place of the rank of a read or job: there is none here.
const NONE = 0xffffffffu;

// How much work a read is, so that these can be counted in one sum: there are less than MANY reads.
const SOME = 1u;
const MANY = 0x10000u;

// Workgroups for so many threads, in two dimensions.
fn grid(threads: u32, most: u32) -> array<u32, 3> {
  let groups = (threads + LANES - 1u) / LANES;
  let x = min(groups, most);
  return array<u32, 3>(x, (groups + max(x, 1u) - 1u) / max(x, 1u), 1u);
}
