// Second half of the twin of src/kernel/candidate.rs. One thread per read.

override MAX_CANDIDATES: u32;

struct Candidate { read: u32, diagonal: u32, votes: u32, seeded: u32, spread: u32 }

@group(0) @binding(0) var<storage, read> slots: array<Candidate>;
@group(0) @binding(1) var<storage, read> counts: array<u32>;
@group(0) @binding(2) var<storage, read> ends: array<u32>;
@group(0) @binding(3) var<storage, read_write> candidates: array<Candidate>;

@compute @workgroup_size(LANES)
fn candidate_pack(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>,
                  @builtin(local_invocation_index) lane: u32) {
  let i = job_index(group, groups, lane);
  if i >= arrayLength(&counts) { return; }
  let n = counts[i];
  for (var c = 0u; c < n; c += 1u) {
    candidates[ends[i] - n + c] = slots[i * MAX_CANDIDATES + c];
  }
}
