// What two kernels or more use. The generated accessors of tables stand in front of this.

override LANES: u32; // threads in a workgroup

// The job of a thread, in a dispatch of one or two dimensions; jobs past the last are idle.
fn job_index(group: vec3<u32>, groups: vec3<u32>, lane: u32) -> u32 {
  return (group.y * groups.x + group.x) * LANES + lane;
}
