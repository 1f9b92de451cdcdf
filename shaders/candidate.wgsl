// Twin of src/kernel/candidate.rs. One thread per template.

override K: u32;
override REVERSE: u32;
override MATES: u32;
override LONGEST: u32;
override MAX_HITS: u32;
override MAX_OCCURRENCES: u32;
override CLUSTER_GAP: u32;
override MAX_CANDIDATES: u32;

struct ReadSpan { word: u32, len: u32 }
struct Seed { place: u32, start: u32, count: u32 }
struct Candidate { read: u32, diagonal: u32, votes: u32, seeded: u32, spread: u32 }
struct Summary { lists: u32, skipped: u32 }

@group(0) @binding(0) var<storage, read> templates: array<u32>;
@group(0) @binding(1) var<storage, read> words: array<u32>;
@group(0) @binding(2) var<storage, read> spans: array<ReadSpan>;
@group(0) @binding(3) var<storage, read> seeds: array<Seed>;
@group(0) @binding(4) var<storage, read> ends: array<u32>;
@group(0) @binding(5) var<storage, read_write> slots: array<Candidate>;
@group(0) @binding(6) var<storage, read_write> counts: array<u32>;
@group(0) @binding(7) var<storage, read_write> summaries: array<Summary>;
@group(0) @binding(8) var<storage, read_write> scratch: array<u32>;

// Working memory of mate `m`: MAX_HITS hits of two words, then MAX_HITS clusters of four. The words
// of the threads are interleaved, so that neighbours touch neighbouring memory.
var<private> thread: u32;
var<private> threads: u32;

fn at(m: u32, word: u32) -> u32 {
  return (m * 6u * MAX_HITS + word) * threads + thread;
}

// A place of a seed: x its diagonal; y strand above offset above rank of the seed.
fn hit(m: u32, i: u32) -> vec2<u32> {
  return vec2(scratch[at(m, 2u * i)], scratch[at(m, 2u * i + 1u)]);
}

fn set_hit(m: u32, i: u32, h: vec2<u32>) {
  scratch[at(m, 2u * i)] = h.x;
  scratch[at(m, 2u * i + 1u)] = h.y;
}

const STRAND = 0x80000000u; // of y

fn precedes(a: vec2<u32>, b: vec2<u32>) -> bool {
  if ((a.y ^ b.y) & STRAND) != 0u { return a.y < b.y; }
  return a.x < b.x || (a.x == b.x && a.y < b.y);
}

// Shell sort with the gaps of Ciura (2001).
fn sort_hits(m: u32, n: u32) {
  var gaps = array<u32, 8>(301u, 132u, 57u, 23u, 10u, 4u, 1u, 0u);
  for (var g = 0u; gaps[g] > 0u; g += 1u) {
    let gap = gaps[g];
    for (var i = gap; i < n; i += 1u) {
      let h = hit(m, i);
      var j = i;
      while j >= gap {
        let before = hit(m, j - gap);
        if !precedes(h, before) { break; }
        set_hit(m, j, before);
        j -= gap;
      }
      if j != i { set_hit(m, j, h); }
    }
  }
}

// A cluster: as in Candidate, the partner's votes still to be found.
struct Cluster { diagonal: u32, votes: u32, seeded: u32, spread: u32 }

fn cluster_at(m: u32, i: u32) -> Cluster {
  let w = 2u * MAX_HITS + 4u * i;
  return Cluster(scratch[at(m, w)], scratch[at(m, w + 1u)], scratch[at(m, w + 2u)], scratch[at(m, w + 3u)]);
}

fn set_cluster(m: u32, i: u32, c: Cluster) {
  let w = 2u * MAX_HITS + 4u * i;
  scratch[at(m, w)] = c.diagonal;
  scratch[at(m, w + 1u)] = c.votes;
  scratch[at(m, w + 2u)] = c.seeded;
  scratch[at(m, w + 3u)] = c.spread;
}

fn own(c: Cluster) -> u32 { return c.votes & 0xffu; }
fn partner(c: Cluster) -> u32 { return (c.votes >> 8u) & 0xffu; }

// The longest list that is looked at.
fn longest_list(first: u32, end: u32) -> u32 {
  var limit = 0u;
  for (var step = 1u; step <= MAX_OCCURRENCES; step *= 2u) {
    var total = 0u;
    for (var s = first; s < end; s += 1u) {
      let count = seeds[s].count;
      if count <= step { total += count; }
    }
    if total > MAX_HITS { break; }
    limit = step;
  }
  return limit;
}

// Saturating, as in the definition.
fn less(a: u32, b: u32) -> u32 { return select(0u, a - b, a > b); }

// Hits [first, end) of one diagonal, and the bases of the aligned read that they span.
struct Line { first: u32, end: u32, diagonal: u32, seeded: vec2<u32> }

// The line that begins at hit `first`, in a group that ends at `group_end`.
fn line_at(m: u32, first: u32, group_end: u32) -> Line {
  let head = hit(m, first);
  var last = head;
  var end = first + 1u;
  while end < group_end {
    let h = hit(m, end);
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
fn line_before(m: u32, end: u32, group: u32) -> u32 {
  let diagonal = hit(m, end - 1u).x;
  var first = end - 1u;
  while first > group && hit(m, first - 1u).x == diagonal { first -= 1u; }
  return first;
}

// The cluster around one line of a group: it, and the lines that continue it, which are near.
fn gather(m: u32, head: Line, group: u32, group_end: u32) -> Cluster {
  var i = head.first;
  while i > group && head.diagonal - hit(m, i - 1u).x <= CLUSTER_GAP { i = line_before(m, i, group); }
  var voters = vec4<u32>();
  var low = 0u;
  var high = 0u;
  while i < group_end && (i < head.end || hit(m, i).x - head.diagonal <= CLUSTER_GAP) {
    let line = line_at(m, i, group_end);
    i = line.end;
    if line.first != head.first && !continues(head, line) { continue; }
    for (var h = line.first; h < line.end; h += 1u) {
      let rank = hit(m, h).y & 0x7fu;
      voters[rank / 32u] |= 1u << (rank % 32u);
    }
    low = max(low, less(head.diagonal, line.diagonal));
    high = max(high, less(line.diagonal, head.diagonal));
  }
  let bits = countOneBits(voters);
  return Cluster(
    head.diagonal,
    (bits.x + bits.y + bits.z + bits.w) | select(0u, REVERSE, (hit(m, head.first).y & STRAND) != 0u),
    head.seeded.x | (head.seeded.y << 16u),
    low | (high << 16u));
}

// Steps 1 to 3: the clusters of read `r`, mate `m` of its template; how many.
fn cluster(m: u32, r: u32, summary: u32) -> u32 {
  var first = 0u;
  if r > 0u { first = ends[r - 1u]; }
  let end = ends[r];
  let limit = longest_list(first, end);
  var skipped = 0u;
  var n = 0u;
  for (var s = first; s < end; s += 1u) {
    let seed = seeds[s];
    if seed.count > limit {
      skipped += 1u;
      continue;
    }
    var offset = seed.place & 0xffffu;
    var y = (seed.place >> 16u) & 0x7fu;
    if (seed.place & REVERSE) != 0u {
      offset = spans[r].len - K - offset;
      y |= STRAND;
    }
    y |= offset << 7u;
    for (var p = 0u; p < seed.count; p += 1u) {
      set_hit(m, n, vec2(positions(seed.start + p) - offset, y));
      n += 1u;
    }
  }
  summaries[summary] = Summary(end - first, skipped);
  sort_hits(m, n);
  var clusters = 0u;
  var group = 0u;
  while group < n {
    var longest = line_at(m, group, n);
    var previous = longest;
    var group_end = longest.end;
    while group_end < n {
      let h = hit(m, group_end);
      let strands = (h.y ^ hit(m, previous.first).y) & STRAND;
      if strands != 0u || h.x - previous.diagonal > CLUSTER_GAP { break; }
      previous = line_at(m, group_end, n);
      if previous.end - previous.first > longest.end - longest.first { longest = previous; }
      group_end = previous.end;
    }
    var i = group;
    while i < group_end {
      let line = line_at(m, i, group_end);
      i = line.end;
      if 2u * (line.end - line.first) < longest.end - longest.first { continue; }
      if line.first != longest.first && continues(longest, line) { continue; }
      set_cluster(m, clusters, gather(m, line, group, group_end));
      clusters += 1u;
    }
    group = group_end;
  }
  return keep(m, clusters);
}

// Step 3: drops the clusters of less than a quarter of the best one's votes; how many stay.
fn keep(m: u32, n: u32) -> u32 {
  var best = 0u;
  for (var i = 0u; i < n; i += 1u) { best = max(best, own(cluster_at(m, i))); }
  var kept = 0u;
  for (var i = 0u; i < n; i += 1u) {
    let c = cluster_at(m, i);
    if 4u * own(c) < best { continue; }
    set_cluster(m, kept, c);
    kept += 1u;
  }
  return kept;
}

fn is_reverse(c: Cluster) -> bool { return (c.votes & REVERSE) != 0u; }

// Step 4: each cluster's best partner among the `mates` clusters of the other mate.
fn find_partners(m: u32, n: u32, length: u32, mates: u32, mate_length: u32) {
  let mate = 1u - m;
  for (var i = 0u; i < n; i += 1u) {
    var c = cluster_at(m, i);
    var low: u32;
    var high: u32;
    if is_reverse(c) {
      high = c.diagonal + length;
      low = less(high, LONGEST);
    } else {
      low = less(c.diagonal + 1u, mate_length);
      high = less(c.diagonal + LONGEST + 1u, mate_length);
    }
    // The first of the other strand that is not below `low`: forward clusters come first.
    var start = 0u;
    var to = mates;
    while start < to {
      let middle = (start + to) / 2u;
      let o = cluster_at(mate, middle);
      let forward = !is_reverse(o);
      let before = select(forward || o.diagonal < low, forward && o.diagonal < low, is_reverse(c));
      if before { start = middle + 1u; } else { to = middle; }
    }
    var best = 0u;
    while start < mates {
      let o = cluster_at(mate, start);
      if is_reverse(o) == is_reverse(c) || o.diagonal >= high { break; }
      best = max(best, own(o));
      start += 1u;
    }
    c.votes |= best << 8u;
    set_cluster(m, i, c);
  }
}

// The order of candidates: more votes with the partner's, more votes, then the hash.
struct Rank { sum: u32, votes: u32, hash: u32, diagonal: u32, reverse: u32 }

fn rank_of(c: Cluster, salt: u32) -> Rank {
  return Rank(own(c) + partner(c), own(c), hash_kmer(c.diagonal, salt), c.diagonal, u32(is_reverse(c)));
}

fn better(a: Rank, b: Rank) -> bool {
  if a.sum != b.sum { return a.sum > b.sum; }
  if a.votes != b.votes { return a.votes > b.votes; }
  if a.hash != b.hash { return a.hash < b.hash; }
  if a.diagonal != b.diagonal { return a.diagonal < b.diagonal; }
  return a.reverse < b.reverse;
}

// Step 5: the best clusters, into the read's slots.
fn rank_clusters(m: u32, r: u32, n: u32, summary: u32) {
  var salt = 0u;
  if spans[r].len > 0u { salt = words[spans[r].word]; }
  var kept = 0u;
  var last: Rank; // the one kept before
  while kept < MAX_CANDIDATES {
    var chosen = n;
    var chosen_rank: Rank;
    for (var i = 0u; i < n; i += 1u) {
      let c = cluster_at(m, i);
      let rank = rank_of(c, salt);
      if kept > 0u && !better(last, rank) { continue; }
      if chosen == n || better(rank, chosen_rank) {
        chosen = i;
        chosen_rank = rank;
      }
    }
    if chosen == n { break; }
    let c = cluster_at(m, chosen);
    slots[summary * MAX_CANDIDATES + kept] = Candidate(r, c.diagonal, c.votes, c.seeded, c.spread);
    last = chosen_rank;
    kept += 1u;
  }
  counts[summary] = kept;
}

@compute @workgroup_size(LANES)
fn candidate(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>,
             @builtin(local_invocation_index) lane: u32) {
  let i = job_index(group, groups, lane);
  threads = arrayLength(&templates);
  if i >= threads { return; }
  thread = i;
  let r = templates[i] * MATES;
  var n = array<u32, 2>();
  for (var m = 0u; m < MATES; m += 1u) {
    n[m] = cluster(m, r + m, i * MATES + m);
  }
  if MATES == 2u {
    find_partners(0u, n[0], spans[r].len, n[1], spans[r + 1u].len);
    find_partners(1u, n[1], spans[r + 1u].len, n[0], spans[r].len);
  }
  for (var m = 0u; m < MATES; m += 1u) {
    rank_clusters(m, r + m, n[m], i * MATES + m);
  }
  if loops_were_cut(1u + min(threads, 1u)) { counts[i * MATES] = CUT; }
}
