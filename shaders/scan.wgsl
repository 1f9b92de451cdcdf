// Counts to ends: three kernels, each thread for CHUNK counts; and reads that count to a list of them, one
// thread each. See src/kernel/locate.rs.

override CHUNK: u32;
override TOLD: u32;       // which kernel is told of the total; NONE: no one
override IS_LIST: u32;    // 1 if the total is of two kinds, see SOME and MANY
override MAX_GROUPS: u32; // of a dimension

// scan_sum, scan_ends
@group(0) @binding(1) var<storage, read> counts: array<u32>;
// scan_sum, scan_top: the sum of each chunk; then what stands before it
@group(0) @binding(2) var<storage, read_write> sums: array<u32>;
// scan_ends
@group(0) @binding(2) var<storage, read> before: array<u32>;
@group(0) @binding(3) var<storage, read_write> ends: array<u32>;
@group(0) @binding(4) var<storage, read_write> told: array<array<u32, 3>>; // workgroups of later kernels
// scan_list
@group(0) @binding(2) var<storage, read> ended: array<u32>;
@group(0) @binding(3) var<storage, read_write> listed: array<u32>;

@compute @workgroup_size(LANES)
fn scan_sum(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>,
            @builtin(local_invocation_index) lane: u32) {
  let chunk = job_index(group, groups, lane);
  if chunk * CHUNK >= batch.reads { return; }
  var sum = 0u;
  for (var i = chunk * CHUNK; i < min(batch.reads, (chunk + 1u) * CHUNK); i += 1u) { sum += counts[i]; }
  sums[chunk] = sum;
}

var<workgroup> parts: array<u32, LANES>;

// One workgroup for all chunks.
@compute @workgroup_size(LANES)
fn scan_top(@builtin(local_invocation_index) lane: u32) {
  let chunks = (batch.reads + CHUNK - 1u) / CHUNK;
  let each = (chunks + LANES - 1u) / LANES;
  let first = min(chunks, lane * each);
  let end = min(chunks, first + each);
  var sum = 0u;
  for (var c = first; c < end; c += 1u) { sum += sums[c]; }
  parts[lane] = sum;
  workgroupBarrier();
  if lane == 0u {
    var total = 0u;
    for (var l = 0u; l < LANES; l += 1u) {
      let part = parts[l];
      parts[l] = total;
      total += part;
    }
  }
  workgroupBarrier();
  var total = parts[lane];
  for (var c = first; c < end; c += 1u) {
    let sum = sums[c];
    sums[c] = total;
    total += sum;
  }
}

@compute @workgroup_size(LANES)
fn scan_ends(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>,
             @builtin(local_invocation_index) lane: u32) {
  let chunk = job_index(group, groups, lane);
  if chunk * CHUNK >= batch.reads { return; }
  var end = before[chunk];
  for (var i = chunk * CHUNK; i < min(batch.reads, (chunk + 1u) * CHUNK); i += 1u) {
    end += counts[i];
    ends[i] = end;
  }
  if TOLD != NONE && (chunk + 1u) * CHUNK >= batch.reads {
    let total = select(end, end % MANY + end / MANY, IS_LIST == 1u);
    told[TOLD] = grid(total, MAX_GROUPS);
  }
}

// The reads that count as MANY, then those that count as SOME, then none: threads side by side have work of
// about one size, and the longest begins first.
@compute @workgroup_size(LANES)
fn scan_list(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>,
             @builtin(local_invocation_index) lane: u32) {
  let i = job_index(group, groups, lane);
  if i >= batch.reads { return; }
  let end = ended[i];
  let total = ended[batch.reads - 1u];
  if counts[i] == MANY { listed[end / MANY - 1u] = i; }
  if counts[i] == SOME { listed[total / MANY + end % MANY - 1u] = i; }
  // The last workgroup has threads to spare.
  if i >= total / MANY + total % MANY { listed[i] = NONE; }
}
