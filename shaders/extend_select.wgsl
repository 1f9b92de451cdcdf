// Step 2 of the twin of src/kernel/extend.rs. One thread per read.

override REACH: i32;
override MAX_GROUPS: u32;
override NARROW_TOLD: u32;
override WIDE_TOLD: u32;

// both
@group(0) @binding(4) var<storage, read_write> counts: array<u32>;      // jobs to be aligned with gaps
@group(0) @binding(5) var<storage, read_write> wide_counts: array<u32>; // of these, wide ones
// extend_list
@group(0) @binding(6) var<storage, read> gapped_ends: array<u32>;
@group(0) @binding(7) var<storage, read> wide_ends: array<u32>;
@group(0) @binding(8) var<storage, read_write> listed: array<Chosen>;
@group(0) @binding(9) var<storage, read_write> looks: array<Look>;
@group(0) @binding(10) var<storage, read_write> told: array<array<u32, 3>>; // workgroups of later kernels

// A read's candidates; empty if they are beyond the room.
fn jobs_of(read: u32) -> vec2<u32> {
  let end = candidate_ends[read];
  if end > batch.candidates { return vec2<u32>(); }
  if read == 0u { return vec2(0u, end); }
  return vec2(candidate_ends[read - 1u], end);
}

// Marks a read's jobs that are to be aligned with gaps, in place of their runs.
@compute @workgroup_size(LANES)
fn extend_select(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>,
                 @builtin(local_invocation_index) lane: u32) {
  let read = job_index(group, groups, lane);
  if read >= batch.reads { return; }
  let range = jobs_of(read);
  var best_score = 0;
  var best_votes = 0u;
  for (var j = range.x; j < range.y; j += 1u) {
    best_score = select(extensions[j].score, max(best_score, extensions[j].score), j > range.x);
    best_votes = max(best_votes, jobs[j].votes & 0xffu);
  }
  var n = 0u;
  var wide = 0u;
  for (var j = range.x; j < range.y; j += 1u) {
    let voted = jobs[j].spread != 0u && 2u * (jobs[j].votes & 0xffu) >= best_votes;
    let near = extensions[j].score + REACH >= best_score || voted;
    let selected = extensions[j].slot == 0u && near;
    extensions[j].runs = u32(selected);
    extensions[j].slot = 0u;
    n += u32(selected);
    wide += u32(selected && jobs[j].spread != 0u);
  }
  counts[read] = n;
  wide_counts[read] = wide;
}

// The marked jobs: those of narrow bands one after another, those of wide ones from the end backwards.
@compute @workgroup_size(LANES)
fn extend_list(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>,
               @builtin(local_invocation_index) lane: u32) {
  let read = job_index(group, groups, lane);
  if read >= batch.reads { return; }
  let end = gapped_ends[read];
  if read + 1u == batch.reads {
    // What is beyond the room is in no list.
    told[NARROW_TOLD] = grid(min(end - wide_ends[read], batch.gapped), MAX_GROUPS);
    told[WIDE_TOLD] = grid(min(wide_ends[read], batch.gapped), MAX_GROUPS);
  }
  if counts[read] == 0u { return; }
  var slot = end - counts[read];
  var wide = wide_ends[read] - wide_counts[read];
  var narrow = slot - wide;
  if end > batch.gapped {
    looks[read].lists = BEYOND;
    return;
  }
  let range = jobs_of(read);
  for (var j = range.x; j < range.y; j += 1u) {
    if extensions[j].runs != 1u { continue; }
    if jobs[j].spread == 0u {
      listed[narrow] = Chosen(j, slot);
      narrow += 1u;
    } else {
      listed[batch.gapped - 1u - wide] = Chosen(j, slot);
      wide += 1u;
    }
    slot += 1u;
  }
}
