// Steps 1 to 3 of the twin of src/kernel/candidate.rs. One thread per read.

override K: u32;
override REVERSE: u32;
override MAX_HITS: u32;
override FEW_HITS: u32;
override MANY_OF_FOUR: u32;
override MAX_OCCURRENCES: u32;
override CLUSTER_GAP: u32;

struct ReadSpan { word: u32, len: u32 }
struct Seed { place: u32, start: u32, count: u32 }
struct Summary { lists: u32, skipped: u32 }
// As in Candidate, the partner's votes still to be found.
struct Cluster { diagonal: u32, votes: u32, seeded: u32, spread: u32 }

@group(0) @binding(0) var<storage, read> seeds: array<Seed>;
@group(0) @binding(1) var<storage, read> ends: array<u32>;
@group(0) @binding(2) var<storage, read> ranks: array<u32>;
// candidate_count
@group(0) @binding(3) var<storage, read_write> counts: array<u32>;
@group(0) @binding(4) var<storage, read_write> summaries: array<Summary>;
// candidate_cluster
@group(0) @binding(3) var<storage, read> counted: array<u32>;
@group(0) @binding(4) var<storage, read> hit_ends: array<u32>;
@group(0) @binding(5) var<storage, read> spans: array<ReadSpan>;
@group(0) @binding(6) var<storage, read_write> hits: array<vec2<u32>>;
@group(0) @binding(7) var<storage, read_write> clusters: array<Cluster>;
@group(0) @binding(8) var<storage, read_write> cluster_counts: array<u32>;

// The longest list that is looked at.
fn longest_list(first: u32, end: u32) -> u32 {
  var limit = 0u;
  var shorter = 0u; // lists of up to half as many
  for (var step = 1u; step <= MAX_OCCURRENCES; step *= 2u) {
    var total = 0u;
    var lists = 0u;
    for (var s = first; s < end; s += 1u) {
      let count = seeds[s].count;
      if count <= step {
        total += count;
        lists += 1u;
      }
    }
    if total > MAX_HITS || (total > FEW_HITS && 4u * shorter >= MANY_OF_FOUR * (end - first)) { break; }
    limit = step;
    shorter = lists;
  }
  return limit;
}

fn first_seed(read: u32) -> u32 {
  if read == 0u { return 0u; }
  return ends[read - 1u];
}

@compute @workgroup_size(LANES)
fn candidate_count(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>,
                   @builtin(local_invocation_index) lane: u32) {
  let i = job_index(group, groups, lane);
  if i >= arrayLength(&ranks) { return; }
  let first = first_seed(ranks[i]);
  let end = ends[ranks[i]];
  let limit = longest_list(first, end);
  var skipped = 0u;
  var n = 0u;
  for (var s = first; s < end; s += 1u) {
    let count = seeds[s].count;
    skipped += u32(count > limit);
    n += select(0u, count, count <= limit);
  }
  counts[i] = n;
  summaries[i] = Summary(end - first, skipped);
  if loops_were_cut(1u + min(arrayLength(&ranks), 1u)) { counts[i] = CUT; }
}

// Where the thread's hits and clusters begin: a read has at most as many clusters as hits.
var<private> base: u32;

// A place of a seed: x its diagonal; y strand above offset above rank of the seed.
fn hit(i: u32) -> vec2<u32> { return hits[base + i]; }

const STRAND = 0x80000000u; // of y

fn precedes(a: vec2<u32>, b: vec2<u32>) -> bool {
  if ((a.y ^ b.y) & STRAND) != 0u { return a.y < b.y; }
  return a.x < b.x || (a.x == b.x && a.y < b.y);
}

// Merge sort from the bottom up; the room for clusters, still empty, takes every other pass.
// Each pass is one loop, so that threads that sort together stay together.
fn sort_hits(n: u32) {
  var in_hits = true;
  for (var width = 1u; width < n; width *= 2u) {
    var a = 0u;
    var middle = 0u;
    var b = 0u;
    var end = 0u;
    for (var o = 0u; o < n; o += 1u) {
      if o == end {
        a = o;
        middle = min(o + width, n);
        b = middle;
        end = min(o + 2u * width, n);
      }
      var take_b = a == middle;
      if a < middle && b < end { take_b = precedes(either(b, in_hits), either(a, in_hits)); }
      let h = either(select(a, b, take_b), in_hits);
      if take_b { b += 1u; } else { a += 1u; }
      if in_hits {
        clusters[base + o].diagonal = h.x;
        clusters[base + o].votes = h.y;
      } else {
        hits[base + o] = h;
      }
    }
    in_hits = !in_hits;
  }
  if !in_hits {
    for (var o = 0u; o < n; o += 1u) { hits[base + o] = either(o, false); }
  }
}

fn either(i: u32, in_hits: bool) -> vec2<u32> {
  if in_hits { return hits[base + i]; }
  return vec2(clusters[base + i].diagonal, clusters[base + i].votes);
}

// Saturating, as in the definition.
fn less(a: u32, b: u32) -> u32 { return select(0u, a - b, a > b); }

// Hits [first, end) of one diagonal, and the bases of the aligned read that they span.
struct Line { first: u32, end: u32, diagonal: u32, seeded: vec2<u32> }

// The line that begins at hit `first`, in a group that ends at `group_end`.
fn line_at(first: u32, group_end: u32) -> Line {
  let head = hit(first);
  var last = head;
  var end = first + 1u;
  while end < group_end {
    let h = hit(end);
    if h.x != head.x || ((h.y ^ head.y) & STRAND) != 0u { break; }
    last = h;
    end += 1u;
  }
  return Line(first, end, head.x, vec2((head.y >> 7u) & 0xffffu, ((last.y >> 7u) & 0xffffu) + K));
}

// Do two lines speak for parts of the read that lie beside each other?
fn continues(a: Line, b: Line) -> bool {
  let overlap = less(min(a.seeded.y, b.seeded.y), max(a.seeded.x, b.seeded.x));
  let shorter = min(a.seeded.y - a.seeded.x, b.seeded.y - b.seeded.x);
  let apart = max(a.diagonal, b.diagonal) - min(a.diagonal, b.diagonal);
  return 2u * overlap <= shorter && apart <= CLUSTER_GAP;
}

// The first hit of the line that ends at hit `end`, in a group that begins at `group`.
fn line_before(end: u32, group: u32) -> u32 {
  let diagonal = hit(end - 1u).x;
  var first = end - 1u;
  while first > group && hit(first - 1u).x == diagonal { first -= 1u; }
  return first;
}

// The cluster around one line of a group: it, and the lines that continue it, which are near.
fn gather(head: Line, group: u32, group_end: u32) -> Cluster {
  var i = head.first;
  while i > group && head.diagonal - hit(i - 1u).x <= CLUSTER_GAP { i = line_before(i, group); }
  var voters = vec4<u32>();
  var low = 0u;
  var high = 0u;
  while i < group_end && (i < head.end || hit(i).x - head.diagonal <= CLUSTER_GAP) {
    let line = line_at(i, group_end);
    i = line.end;
    if line.first != head.first && !continues(head, line) { continue; }
    for (var h = line.first; h < line.end; h += 1u) {
      let rank = hit(h).y & 0x7fu;
      voters[rank / 32u] |= 1u << (rank % 32u);
    }
    low = max(low, less(head.diagonal, line.diagonal));
    high = max(high, less(line.diagonal, head.diagonal));
  }
  let bits = countOneBits(voters);
  return Cluster(
    head.diagonal,
    (bits.x + bits.y + bits.z + bits.w) | select(0u, REVERSE, (hit(head.first).y & STRAND) != 0u),
    head.seeded.x | (head.seeded.y << 16u),
    low | (high << 16u));
}

// Step 3: drops the clusters of less than a third of the best one's votes; how many stay.
fn keep(n: u32) -> u32 {
  var best = 0u;
  for (var i = 0u; i < n; i += 1u) { best = max(best, clusters[base + i].votes & 0xffu); }
  var kept = 0u;
  for (var i = 0u; i < n; i += 1u) {
    let c = clusters[base + i];
    if 3u * (c.votes & 0xffu) < best { continue; }
    clusters[base + kept] = c;
    kept += 1u;
  }
  return kept;
}

@compute @workgroup_size(LANES)
fn candidate_cluster(@builtin(workgroup_id) group_id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>,
                     @builtin(local_invocation_index) lane: u32) {
  let read = job_index(group_id, groups, lane);
  if read >= arrayLength(&ranks) { return; }
  let n = counted[read];
  base = hit_ends[read] - n;
  let end = ends[ranks[read]];
  var filled = 0u;
  let first = first_seed(ranks[read]);
  let limit = longest_list(first, end);
  for (var s = first; s < end; s += 1u) {
    let seed = seeds[s];
    if seed.count > limit { continue; }
    var offset = seed.place & 0xffffu;
    var y = (seed.place >> 16u) & 0x7fu;
    if (seed.place & REVERSE) != 0u {
      offset = spans[read].len - K - offset;
      y |= STRAND;
    }
    y |= offset << 7u;
    for (var p = 0u; p < seed.count; p += 1u) {
      hits[base + filled] = vec2(positions(seed.start + p) - offset, y);
      filled += 1u;
    }
  }
  sort_hits(n);
  var found = 0u;
  var group = 0u;
  while group < n {
    var longest = line_at(group, n);
    var previous = longest;
    var group_end = longest.end;
    while group_end < n {
      let h = hit(group_end);
      let strands = (h.y ^ hit(previous.first).y) & STRAND;
      if strands != 0u || h.x - previous.diagonal > CLUSTER_GAP { break; }
      previous = line_at(group_end, n);
      if previous.end - previous.first > longest.end - longest.first { longest = previous; }
      group_end = previous.end;
    }
    var i = group;
    while i < group_end {
      let line = line_at(i, group_end);
      i = line.end;
      if 2u * (line.end - line.first) < longest.end - longest.first { continue; }
      if line.first != longest.first && continues(longest, line) { continue; }
      clusters[base + found] = gather(line, group, group_end);
      found += 1u;
    }
    group = group_end;
  }
  cluster_counts[read] = keep(found);
  if loops_were_cut(1u + min(arrayLength(&ranks), 1u)) { cluster_counts[read] = CUT; }
}
