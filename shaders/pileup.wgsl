// Twin of src/kernel/pileup.rs. One thread per read; sums of integers, so any order will do.

override PLANES: u32;
override MIN_QUALITY: u32;
override COUNT: u32;
override QUALITY: u32;
override INSERTION: u32;
override DELETION: u32;
override DELETED: u32;
override POOR: u32;
override MAPQ: u32;
override CLIP: u32;

struct Segment {
  start: i32,
  bases: u32,
  cigar: u32,
  cigar_len: u32,
  flags: u32,
}

@group(0) @binding(0) var<storage, read> bases: array<u32>;
@group(0) @binding(1) var<storage, read> cigars: array<u32>;
@group(0) @binding(2) var<storage, read> segments: array<Segment>;
@group(0) @binding(3) var<storage, read_write> counts: array<atomic<u32>>;

fn add(plane: u32, position: i32, amount: u32) {
  let width = arrayLength(&counts) / PLANES;
  if position >= 0 && u32(position) < width {
    atomicAdd(&counts[plane * width + u32(position)], amount);
  }
}

@compute @workgroup_size(LANES)
fn pileup(
  @builtin(workgroup_id) group: vec3<u32>,
  @builtin(num_workgroups) groups: vec3<u32>,
  @builtin(local_invocation_index) lane: u32,
) {
  let index = job_index(group, groups, lane);
  if index >= arrayLength(&segments) {
    return;
  }
  let read = segments[index];
  let strand = read.flags & 1u;
  let mapq = read.flags >> 8u;
  var at = read.bases;
  var position = read.start;
  var anchor_quality = 0u;
  for (var k = 0u; k < read.cigar_len; k++) {
    let word = cigars[read.cigar + k];
    let length = word >> 4u;
    switch word & 15u {
      case 0u: { // M
        for (var i = 0u; i < length; i++) {
          let base = (bases[at / 4u] >> (8u * (at % 4u))) & 0xffu;
          let code = base & 3u;
          let quality = base >> 2u;
          if quality >= MIN_QUALITY {
            add(COUNT + 2u * code + strand, position, 1u);
            add(QUALITY + code, position, quality);
            add(MAPQ, position, mapq);
          } else if quality > 0u {
            add(POOR, position, 1u);
          }
          anchor_quality = quality;
          at++;
          position++;
        }
      }
      case 1u: { // I
        if anchor_quality > 0u {
          add(INSERTION + strand, position - 1, 1u);
        }
        at += length;
      }
      case 2u: { // D
        if anchor_quality > 0u {
          add(DELETION + strand, position - 1, 1u);
          for (var i = 0u; i < length; i++) {
            add(DELETED, position + i32(i), 1u);
          }
        }
        position += i32(length);
      }
      case 4u: { // S, before the first aligned base or behind the last
        add(CLIP, select(position - 1, position, k == 0u), 1u);
        at += length;
      }
      default: {}
    }
  }
}
