// What two kernels or more use. The generated accessors of tables stand in front of this.

override LANES: u32; // threads in a workgroup

// The job of a thread, in a dispatch of one or two dimensions; jobs past the last are idle.
fn job_index(group: vec3<u32>, groups: vec3<u32>, lane: u32) -> u32 {
  return (group.y * groups.x + group.x) * LANES + lane;
}

// Mesa's llvmpipe ends each of a thread's loops after its first turn once it has done 65,535 turns in
// all. `two` is 2 without the compiler knowing, so that it does not unroll. A kernel whose loops have no fixed
// bound asks last of all, and then writes CUT where a count of results belongs.
const CUT = 0xffffffffu;
fn loops_were_cut(two: u32) -> bool {
  var done = 0u;
  while done < two { done += 1u; }
  return done < two;
}

// The order of 16 bases turned around.
fn turn(word: u32) -> u32 {
  let bits = reverseBits(word);
  return ((bits & 0x55555555u) << 1u) | ((bits >> 1u) & 0x55555555u);
}
