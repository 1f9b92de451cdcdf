// pairhmm.wgsl in 32-bit floating point and linear space, to compare speeds: results are log2, of sums
// that were scaled by 2^120 against underflow. Rounding differs from device to device.

override GAP_EXTEND: u32;
override GAP_CLOSE: u32;

@group(0) @binding(2) var<storage, read> tables: array<f32>;
@group(0) @binding(4) var<storage, read_write> results: array<f32>;
@group(0) @binding(5) var<storage, read_write> scratch: array<f32>;

var<private> base_of_read: u32;
var<private> hit: f32;
var<private> miss: f32;
var<private> m_diagonal: f32;
var<private> i_diagonal: f32;
var<private> d_diagonal: f32;
var<private> m_left: f32;
var<private> d_left: f32;

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
  let m = emit * (m_diagonal * stay + (i_diagonal + d_diagonal) * tables[GAP_CLOSE]);
  let del = m_left * open + d_left * tables[GAP_EXTEND];
  scratch[place(0u, j, index)] = m;
  scratch[place(1u, j, index)] = m_above * open + i_above * tables[GAP_EXTEND];
  scratch[place(2u, j, index)] = del;
  m_diagonal = m_above;
  i_diagonal = i_above;
  d_diagonal = d_above;
  m_left = m;
  d_left = del;
}

@compute @workgroup_size(LANES)
fn pairhmm_float(
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
    scratch[place(0u, j, index)] = 0.0;
    scratch[place(1u, j, index)] = 0.0;
    scratch[place(2u, j, index)] = exp2(120.0);
  }
  for (var i = 0u; i < job.read_len; i++) {
    base_of_read = read_byte(job.read + i);
    hit = tables[EMIT_AT + 2u * (base_of_read >> 2u)];
    miss = tables[EMIT_AT + 2u * (base_of_read >> 2u) + 1u];
    m_diagonal = scratch[place(0u, 0u, index)];
    i_diagonal = scratch[place(1u, 0u, index)];
    d_diagonal = scratch[place(2u, 0u, index)];
    m_left = 0.0;
    d_left = 0.0;
    scratch[place(0u, 0u, index)] = 0.0;
    scratch[place(1u, 0u, index)] = 0.0;
    scratch[place(2u, 0u, index)] = 0.0;
    // As in the fixed-point kernel.
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
  var total = 0.0;
  for (var j = 1u; j <= job.haplotype_len; j++) {
    total += scratch[place(0u, j, index)] + scratch[place(1u, j, index)];
  }
  results[index] = log2(total) - 120.0;
}
