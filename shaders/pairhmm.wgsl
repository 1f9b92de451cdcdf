// Twin of src/kernel/pairhmm.rs. One thread per job.

override NEVER: i32;
override STEP_SHIFT: u32;  // of the table for adding, which comes first in `tables`
override GAP_EXTEND: i32;
override GAP_CLOSE: i32;

@group(0) @binding(2) var<storage, read> tables: array<i32>;
@group(0) @binding(4) var<storage, read_write> results: array<i32>;
@group(0) @binding(5) var<storage, read_write> scratch: array<i32>;

fn log_add(a: i32, b: i32) -> i32 {
  let high = max(a, b);
  let distance = high - min(a, b);
  let entry = tables[min(distance >> STEP_SHIFT, i32(EMIT_AT) - 1)];
  return high + (entry >> 12u) - (((entry & 0xfff) * (distance & ((1 << STEP_SHIFT) - 1))) >> STEP_SHIFT);
}

// What a row of one job holds: its read base, and the cells before the next.
var<private> base_of_read: u32;
var<private> hit: i32;
var<private> miss: i32;
var<private> m_diagonal: i32;
var<private> i_diagonal: i32;
var<private> d_diagonal: i32;
var<private> m_left: i32;
var<private> d_left: i32;

fn cell(job: Job, index: u32, j: u32) {
  if j > job.haplotype_len {
    return;
  }
  let base = haplotype_byte(job.haplotype + j - 1u);
  let open = tables[GAP_AT + 2u * (base >> 2u)];
  let stay = tables[GAP_AT + 2u * (base >> 2u) + 1u];
  let emit = select(miss, hit, ((base ^ base_of_read) & 3u) == 0u);
  let m_above = scratch[place(0u, j, index)];
  let i_above = scratch[place(1u, j, index)];
  let d_above = scratch[place(2u, j, index)];
  let after_gap = log_add(i_diagonal, d_diagonal) + GAP_CLOSE;
  let m = max(log_add(m_diagonal + stay, after_gap) + emit, NEVER);
  let del = max(log_add(m_left + open, d_left + GAP_EXTEND), NEVER);
  scratch[place(0u, j, index)] = m;
  scratch[place(1u, j, index)] = max(log_add(m_above + open, i_above + GAP_EXTEND), NEVER);
  scratch[place(2u, j, index)] = del;
  m_diagonal = m_above;
  i_diagonal = i_above;
  d_diagonal = d_above;
  m_left = m;
  d_left = del;
}

@compute @workgroup_size(LANES)
fn pairhmm(
  @builtin(workgroup_id) group: vec3<u32>,
  @builtin(num_workgroups) groups: vec3<u32>,
  @builtin(local_invocation_index) lane: u32,
) {
  let index = job_index(group, groups, lane);
  if index >= arrayLength(&jobs) {
    return;
  }
  let job = jobs[index];
  for (var j = 0u; j <= job.haplotype_len; j++) {
    scratch[place(0u, j, index)] = NEVER;
    scratch[place(1u, j, index)] = NEVER;
    scratch[place(2u, j, index)] = 0;
  }
  for (var i = 0u; i < job.read_len; i++) {
    base_of_read = read_byte(job.read + i);
    hit = tables[EMIT_AT + 2u * (base_of_read >> 2u)];
    miss = tables[EMIT_AT + 2u * (base_of_read >> 2u) + 1u];
    m_diagonal = scratch[place(0u, 0u, index)];
    i_diagonal = scratch[place(1u, 0u, index)];
    d_diagonal = scratch[place(2u, 0u, index)];
    m_left = NEVER;
    d_left = NEVER;
    scratch[place(0u, 0u, index)] = NEVER;
    scratch[place(1u, 0u, index)] = NEVER;
    scratch[place(2u, 0u, index)] = NEVER;
    // Eight cells a turn: Mesa's llvmpipe ends a thread's loops after 65,535 turns in all.
    for (var j = 1u; j <= job.haplotype_len; j += 8u) {
      cell(job, index, j);
      cell(job, index, j + 1u);
      cell(job, index, j + 2u);
      cell(job, index, j + 3u);
      cell(job, index, j + 4u);
      cell(job, index, j + 5u);
      cell(job, index, j + 6u);
      cell(job, index, j + 7u);
    }
  }
  var total = NEVER;
  if job.read_len > 0u {
    for (var j = 1u; j <= job.haplotype_len; j++) {
      total = log_add(total, log_add(scratch[place(0u, j, index)], scratch[place(1u, j, index)]));
    }
  }
  results[index] = total;
}
