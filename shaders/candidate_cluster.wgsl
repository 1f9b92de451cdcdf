// Steps 2 and 3 of the twin of src/kernel/candidate.rs. One thread per read. Reads of few places are done
// by `candidate_light`, which leaves the others to `candidate_heavy`, so that threads that run side by side
// have work of about one size.

override K: u32;
override REVERSE: u32;
override CLUSTER_GAP: u32;
override CELL_BITS: u32;
override OUTWEIGHS_ONE: u32;
override LIGHT: u32;
override HEAVY: u32;

struct Seed { place: u32, start: u32, count: u32 }
// As in Candidate, the partner's votes still to be found.
struct Cluster { diagonal: u32, votes: u32, seeded: u32, spread: u32 }
// The places of one diagonal. `ends`: strand in the highest bit, the end of the bases that they span above
// bit 16, the first of these below. `voters`: a bit for each seed.
struct Line { diagonal: u32, ends: u32, voters: u32, unused: u32 } // `unused`: see `leave_lonely`

@group(0) @binding(1) var<storage, read> spans: array<ReadSpan>;
@group(0) @binding(2) var<storage, read> seeds: array<Seed>;
@group(0) @binding(3) var<storage, read> hit_ends: array<u32>;
@group(0) @binding(4) var<storage, read_write> looks: array<Look>;
@group(0) @binding(5) var<storage, read_write> hits: array<vec2<u32>>;
@group(0) @binding(6) var<storage, read_write> lines: array<Line>;
@group(0) @binding(7) var<storage, read_write> clusters: array<Cluster>;
@group(0) @binding(8) var<storage, read_write> cluster_counts: array<u32>;
// candidate_light
@group(0) @binding(9) var<storage, read_write> left: array<u32>;
// candidate_heavy
@group(0) @binding(9) var<storage, read> heavy: array<u32>;

// Where the thread's hits and clusters begin: a read has at most as many clusters as hits.
var<private> base: u32;

// A place of a seed: x its diagonal; y strand above offset above rank of the seed.
fn hit(i: u32) -> vec2<u32> { return hits[base + i]; }

const STRAND = 0x80000000u; // of y

fn precedes(a: vec2<u32>, b: vec2<u32>) -> bool {
  if ((a.y ^ b.y) & STRAND) != 0u { return a.y < b.y; }
  return a.x < b.x || (a.x == b.x && a.y < b.y);
}

// Where `seed` has put list `k` of a read.
fn list_at(read: u32, k: u32) -> u32 {
  return (read / BLOCK * MAX_LISTS + k) * BLOCK + read % BLOCK;
}

// All places of the lists that are looked at, into the read's hits and their cells. One loop, whose turns go
// to the next place or the next list, keeps threads together.
fn collect(read: u32, lists: u32, longest: u32) {
  clear_cells();
  let length = spans[read].len;
  var n = 0u;
  var list = 0u;
  var places = 0u; // left of the list
  var at = 0u;
  var offset = 0u;
  var y = 0u;
  loop {
    if places == 0u {
      if list == lists { break; }
      let seed = seeds[list_at(read, list)];
      list += 1u;
      places = select(0u, seed.count, seed.count <= longest);
      at = seed.start;
      offset = seed.place & 0xffffu;
      y = (seed.place >> 16u) & 0x7fu;
      if (seed.place & REVERSE) != 0u {
        offset = length - K - offset;
        y |= STRAND;
      }
      y |= offset << 7u;
      continue;
    }
    let h = vec2(positions(at) - offset, y);
    hits[base + n] = h;
    note_cell(h);
    n += 1u;
    at += 1u;
    places -= 1u;
  }
  compare_cells();
}

fn in_lines(i: u32) -> vec2<u32> { return vec2(lines[base + i].diagonal, lines[base + i].ends); }
fn in_clusters(i: u32) -> vec2<u32> { return vec2(clusters[base + i].diagonal, clusters[base + i].votes); }

// The hits that have company, to where lines will stand: how many, and how many runs of them are in order.
// A list's places are, but for those at the very beginning of the genome. Where a run begins is noted in
// the room that lines have to spare.
fn leave_lonely(n: u32) -> vec2<u32> {
  var kept = 0u;
  var runs = 0u;
  var last = vec2<u32>();
  for (var k = 0u; k < n; k += 1u) {
    let h = hit(k);
    if !has_company(h) { continue; }
    if kept == 0u || precedes(h, last) {
      lines[base + runs].unused = kept;
      runs += 1u;
    }
    lines[base + kept].diagonal = h.x;
    lines[base + kept].ends = h.y;
    last = h;
    kept += 1u;
  }
  return vec2(kept, runs);
}

// Merge sort of the first `n` hits that stand where lines will, which are in so many runs; the room for
// clusters, still empty, takes every other pass. Each pass is one loop, so that threads that sort together
// stay together.
fn sort_hits(n: u32, runs_at_first: u32) {
  var runs = runs_at_first;
  while runs > 1u {
    merge_to_clusters(n, runs);
    runs = (runs + 1u) / 2u;
    merge_to_lines(n, runs);
    runs = (runs + 1u) / 2u;
  }
}

// Two runs that are merged: their next hits, and where these are: up to `middle` and up to `end`. `run`: the
// rank of the run that comes behind.
struct Merge { x: vec2<u32>, y: vec2<u32>, a: u32, middle: u32, b: u32, end: u32, run: u32 }

fn start_of(run: u32, runs: u32, n: u32) -> u32 {
  if run >= runs { return n; }
  return lines[base + run].unused;
}

fn next_runs(o: u32, n: u32, run: u32, runs: u32) -> Merge {
  let middle = start_of(run + 1u, runs, n);
  let end = start_of(run + 2u, runs, n);
  lines[base + run / 2u].unused = o;
  return Merge(vec2<u32>(), vec2<u32>(), o, middle, middle, end, run + 2u);
}

fn takes_second(m: Merge) -> bool { return m.a == m.middle || (m.b < m.end && precedes(m.y, m.x)); }

fn merge_to_clusters(n: u32, runs: u32) {
  var m: Merge;
  for (var o = 0u; o < n; o += 1u) {
    if o == m.end {
      m = next_runs(o, n, m.run, runs);
      m.x = in_lines(m.a);
      m.y = in_lines(min(m.b, n - 1u));
    }
    let second = takes_second(m);
    let h = select(m.x, m.y, second);
    m.a += u32(!second);
    m.b += u32(second);
    let next = in_lines(min(select(m.a, m.b, second), n - 1u));
    m.x = select(next, m.x, second);
    m.y = select(m.y, next, second);
    clusters[base + o].diagonal = h.x;
    clusters[base + o].votes = h.y;
  }
}

fn merge_to_lines(n: u32, runs: u32) {
  var m: Merge;
  for (var o = 0u; o < n; o += 1u) {
    if o == m.end {
      m = next_runs(o, n, m.run, runs);
      m.x = in_clusters(m.a);
      m.y = in_clusters(min(m.b, n - 1u));
    }
    let second = takes_second(m);
    let h = select(m.x, m.y, second);
    m.a += u32(!second);
    m.b += u32(second);
    let next = in_clusters(min(select(m.a, m.b, second), n - 1u));
    m.x = select(next, m.x, second);
    m.y = select(m.y, next, second);
    lines[base + o].diagonal = h.x;
    lines[base + o].ends = h.y;
  }
}

// Is hit `h` on line `l`?
fn is_on(h: vec2<u32>, l: Line) -> bool { return h.x == l.diagonal && ((h.y ^ l.ends) & STRAND) == 0u; }

fn line_of(h: vec2<u32>) -> Line {
  let offset = (h.y >> 7u) & 0xffffu;
  return Line(h.x, (h.y & STRAND) | ((offset + K) << 16u) | offset, 1u << (h.y & 31u), 0u);
}

fn first_of(l: Line) -> u32 { return l.ends & 0xffffu; }
fn end_of(l: Line) -> u32 { return (l.ends >> 16u) & 0x7fffu; }
fn length_of(l: Line) -> u32 { return countOneBits(l.voters); }

// A line with one more hit.
fn with_hit(l: Line, h: vec2<u32>) -> Line {
  let other = line_of(h);
  let first = min(first_of(l), first_of(other));
  let end = max(end_of(l), end_of(other));
  return Line(l.diagonal, (l.ends & STRAND) | (end << 16u) | first, l.voters | other.voters, 0u);
}

// The hits that have company, as lines in order; how many. The line that a hit was on is held in registers:
// the next one is on it too, most often.
fn few_lines(n: u32) -> u32 {
  var count = 0u;
  var rank = 0u;
  var line: Line;
  for (var i = 0u; i < n; i += 1u) {
    let h = hit(i);
    if !has_company(h) { continue; }
    if count > 0u && is_on(h, line) {
      line = with_hit(line, h);
      continue;
    }
    if count > 0u { lines[base + rank] = line; }
    rank = 0u;
    while rank < count && !is_on(h, lines[base + rank]) { rank += 1u; }
    if rank < count {
      line = with_hit(lines[base + rank], h);
    } else {
      line = line_of(h);
      count += 1u;
    }
  }
  if count > 0u { lines[base + rank] = line; }
  for (var i = 1u; i < count; i += 1u) {
    let moved = lines[base + i];
    let key = vec2(moved.diagonal, moved.ends & STRAND);
    var at = i;
    loop {
      if at == 0u { break; }
      let before = lines[base + at - 1u];
      if !precedes(key, vec2(before.diagonal, before.ends & STRAND)) { break; }
      lines[base + at] = before;
      at -= 1u;
    }
    lines[base + at] = moved;
  }
  return count;
}

// The first `n` sorted hits, which stand where lines will, as lines; how many.
fn all_lines(n: u32) -> u32 {
  if n == 0u { return 0u; }
  var count = 0u;
  var line = line_of(in_lines(0u));
  for (var i = 1u; i < n; i += 1u) {
    let h = in_lines(i);
    if is_on(h, line) {
      line = with_hit(line, h);
    } else {
      lines[base + count] = line;
      count += 1u;
      line = line_of(h);
    }
  }
  lines[base + count] = line;
  return count + 1u;
}

// Saturating, as in the definition.
fn less(a: u32, b: u32) -> u32 { return select(0u, a - b, a > b); }

// Do two lines speak for parts of the read that lie beside each other?
fn continues(a: Line, b: Line) -> bool {
  let overlap = less(min(end_of(a), end_of(b)), max(first_of(a), first_of(b)));
  let shorter = min(end_of(a) - first_of(a), end_of(b) - first_of(b));
  let apart = max(a.diagonal, b.diagonal) - min(a.diagonal, b.diagonal);
  return 2u * overlap <= shorter && apart <= CLUSTER_GAP;
}

// The cluster around one line of a group: it, and the lines that continue it, which are near.
fn gather(rank: u32, group: u32, group_end: u32) -> Cluster {
  let head = lines[base + rank];
  var i = rank;
  while i > group && head.diagonal - lines[base + i - 1u].diagonal <= CLUSTER_GAP { i -= 1u; }
  var voters = head.voters;
  var low = 0u;
  var high = 0u;
  for (; i < group_end; i += 1u) {
    let line = lines[base + i];
    if i > rank && line.diagonal - head.diagonal > CLUSTER_GAP { break; }
    if i == rank || !continues(head, line) { continue; }
    voters |= line.voters;
    low = max(low, less(head.diagonal, line.diagonal));
    high = max(high, less(line.diagonal, head.diagonal));
  }
  return Cluster(
    head.diagonal,
    countOneBits(voters) | select(0u, REVERSE, (head.ends & STRAND) != 0u),
    first_of(head) | (end_of(head) << 16u),
    low | (high << 16u));
}

// Step 2 for lines in order: the read's clusters; how many, and the most votes.
fn cluster(count: u32) -> vec2<u32> {
  var found = 0u;
  var most = 0u;
  var group = 0u;
  while group < count {
    var longest = group;
    var best = lines[base + group];
    var previous = best;
    var end = group + 1u;
    while end < count {
      let line = lines[base + end];
      if ((line.ends ^ previous.ends) & STRAND) != 0u || line.diagonal - previous.diagonal > CLUSTER_GAP { break; }
      if length_of(line) > length_of(best) {
        best = line;
        longest = end;
      }
      previous = line;
      end += 1u;
    }
    for (var i = group; i < end; i += 1u) {
      let line = lines[base + i];
      if 2u * length_of(line) < length_of(best) { continue; }
      if i != longest && continues(best, line) { continue; }
      let c = gather(i, group, end);
      clusters[base + found] = c;
      most = max(most, c.votes & 0xffu);
      found += 1u;
    }
    group = end;
  }
  return vec2(found, most);
}

// Step 3: drops the clusters of less than a third of the most votes; how many stay.
fn keep(found: u32, most: u32) -> u32 {
  var kept = 0u;
  for (var i = 0u; i < found; i += 1u) {
    let c = clusters[base + i];
    if 3u * (c.votes & 0xffu) < most { continue; }
    clusters[base + kept] = c;
    kept += 1u;
  }
  return kept;
}

// A cluster of the one place on a line.
fn cluster_of_one(h: vec2<u32>) -> Cluster {
  let l = line_of(h);
  let votes = 1u | select(0u, REVERSE, (h.y & STRAND) != 0u);
  return Cluster(h.x, votes, first_of(l) | (end_of(l) << 16u), 0u);
}

@compute @workgroup_size(LANES)
fn candidate_light(@builtin(workgroup_id) group_id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>,
                   @builtin(local_invocation_index) lane: u32) {
  let read = job_index(group_id, groups, lane);
  if read >= batch.reads { return; }
  base = 0u;
  if read > 0u { base = hit_ends[read - 1u]; }
  let n = hit_ends[read] - base;
  let beyond = hit_ends[read] > batch.hits;
  left[read] = select(select(0u, SOME, n > LIGHT), MANY, n > HEAVY);
  if beyond {
    looks[read].lists = BEYOND;
    left[read] = 0u;
  }
  if beyond || n > LIGHT {
    cluster_counts[read] = 0u;
    return;
  }
  collect(read, looks[read].lists, looks[read].limits >> 16u);
  let found = cluster(few_lines(n));
  var kept = keep(found.x, found.y);
  if found.y < OUTWEIGHS_ONE {
    for (var i = 0u; i < n; i += 1u) {
      let h = hit(i);
      if has_company(h) { continue; }
      clusters[base + kept] = cluster_of_one(h);
      kept += 1u;
    }
  }
  cluster_counts[read] = kept;
  if loops_were_cut(1u + min(batch.reads, 1u)) {
    looks[read].lists = BEYOND;
    cluster_counts[read] = 0u;
  }
}

@compute @workgroup_size(LANES)
fn candidate_heavy(@builtin(workgroup_id) group_id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>,
                   @builtin(local_invocation_index) lane: u32) {
  let i = job_index(group_id, groups, lane);
  if i >= batch.reads || heavy[i] == NONE { return; }
  let read = heavy[i];
  base = 0u;
  if read > 0u { base = hit_ends[read - 1u]; }
  let n = hit_ends[read] - base;
  collect(read, looks[read].lists, looks[read].limits >> 16u);
  let company = leave_lonely(n);
  sort_hits(company.x, company.y);
  let found = cluster(all_lines(company.x));
  var kept = keep(found.x, found.y);
  if found.y < OUTWEIGHS_ONE {
    for (var k = 0u; k < n; k += 1u) {
      let h = hit(k);
      if has_company(h) { continue; }
      clusters[base + kept] = cluster_of_one(h);
      kept += 1u;
    }
  }
  cluster_counts[read] = kept;
  if loops_were_cut(1u + min(batch.reads, 1u)) {
    looks[read].lists = BEYOND;
    cluster_counts[read] = 0u;
  }
}
