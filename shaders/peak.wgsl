// How fast is a device at plain integer arithmetic? Eight chains of multiply and add, a thread each.

override TURNS: u32;

@group(0) @binding(0) var<storage, read> seeds: array<u32>;
@group(0) @binding(1) var<storage, read_write> results: array<u32>;

@compute @workgroup_size(LANES)
fn peak(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>,
        @builtin(local_invocation_index) lane: u32) {
  let i = job_index(group, groups, lane);
  if i >= arrayLength(&seeds) { return; }
  let s = seeds[i];
  var a = vec4(s, s + 1u, s + 2u, s + 3u);
  var b = a + 4u;
  for (var t = 0u; t < TURNS; t += 1u) {
    a = a * 0x9e3779b1u + b;
    b = b * 0x85ebca6bu + a;
    a = a * 0xc2b2ae35u + b;
    b = b * 0x27d4eb2fu + a;
  }
  let c = a ^ b;
  results[i] = c.x ^ c.y ^ c.z ^ c.w;
}
