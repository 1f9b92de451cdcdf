// Steps 4 and 5 of the twin of src/kernel/candidate.rs. One thread per read.

override REVERSE: u32;
override MATES: u32;
override LONGEST: u32;
override MAX_CANDIDATES: u32;

struct ReadSpan { word: u32, len: u32 }
struct Candidate { read: u32, diagonal: u32, votes: u32, seeded: u32, spread: u32 }
struct Cluster { diagonal: u32, votes: u32, seeded: u32, spread: u32 }

// candidate
@group(0) @binding(0) var<storage, read> ranks: array<u32>;
@group(0) @binding(1) var<storage, read> words: array<u32>;
@group(0) @binding(2) var<storage, read> spans: array<ReadSpan>;
@group(0) @binding(3) var<storage, read> cluster_room: array<u32>; // where each read's room ends
@group(0) @binding(4) var<storage, read> cluster_counts: array<u32>;
@group(0) @binding(5) var<storage, read> clusters: array<Cluster>;
@group(0) @binding(6) var<storage, read_write> partners: array<vec2<u32>>; // x: votes of each cluster's
@group(0) @binding(7) var<storage, read_write> slots: array<Candidate>;
@group(0) @binding(8) var<storage, read_write> counts: array<u32>;
// candidate_pack
@group(0) @binding(0) var<storage, read> filled: array<Candidate>;
@group(0) @binding(1) var<storage, read> counted: array<u32>;
@group(0) @binding(2) var<storage, read> ends: array<u32>;
@group(0) @binding(3) var<storage, read_write> candidates: array<Candidate>;

fn own(c: Cluster) -> u32 { return c.votes & 0xffu; }
fn is_reverse(c: Cluster) -> bool { return (c.votes & REVERSE) != 0u; }

fn base_of(read: u32) -> u32 {
  if read == 0u { return 0u; }
  return cluster_room[read - 1u];
}

// Saturating, as in the definition.
fn less(a: u32, b: u32) -> u32 { return select(0u, a - b, a > b); }

// Step 4: the most votes of a cluster of the mate that would make a pair with `c`.
fn best_partner(c: Cluster, length: u32, mate: u32, mate_length: u32) -> u32 {
  var low: u32;
  var high: u32;
  if is_reverse(c) {
    high = c.diagonal + length;
    low = less(high, LONGEST);
  } else {
    low = less(c.diagonal + 1u, mate_length);
    high = less(c.diagonal + LONGEST + 1u, mate_length);
  }
  let base = base_of(mate);
  let n = cluster_counts[mate];
  // The first of the other strand that is not below `low`: forward clusters come first.
  var start = 0u;
  var to = n;
  while start < to {
    let middle = (start + to) / 2u;
    let o = clusters[base + middle];
    let forward = !is_reverse(o);
    let before = select(forward || o.diagonal < low, forward && o.diagonal < low, is_reverse(c));
    if before { start = middle + 1u; } else { to = middle; }
  }
  var best = 0u;
  while start < n {
    let o = clusters[base + start];
    if is_reverse(o) == is_reverse(c) || o.diagonal >= high { break; }
    best = max(best, own(o));
    start += 1u;
  }
  return best;
}

// The order of candidates: more votes with the partner's, more votes, then the hash.
struct Rank { sum: u32, votes: u32, hash: u32, diagonal: u32, reverse: u32 }

fn rank_of(c: Cluster, partner: u32, salt: u32) -> Rank {
  return Rank(own(c) + partner, own(c), hash_kmer(c.diagonal, salt), c.diagonal, u32(is_reverse(c)));
}

fn better(a: Rank, b: Rank) -> bool {
  if a.sum != b.sum { return a.sum > b.sum; }
  if a.votes != b.votes { return a.votes > b.votes; }
  if a.hash != b.hash { return a.hash < b.hash; }
  if a.diagonal != b.diagonal { return a.diagonal < b.diagonal; }
  return a.reverse < b.reverse;
}

@compute @workgroup_size(LANES)
fn candidate(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>,
             @builtin(local_invocation_index) lane: u32) {
  let i = job_index(group, groups, lane);
  if i >= arrayLength(&ranks) { return; }
  let read = ranks[i];
  let base = base_of(read);
  let n = cluster_counts[read];
  if n == CUT || (MATES == 2u && cluster_counts[read ^ 1u] == CUT) {
    counts[i] = CUT;
    return;
  }
  var most = 0u;
  for (var c = 0u; c < n; c += 1u) {
    most = max(most, own(clusters[base + c]));
    var partner = 0u;
    if MATES == 2u {
      partner = best_partner(clusters[base + c], spans[read].len, read ^ 1u, spans[read ^ 1u].len);
    }
    partners[base + c].x = partner;
  }
  // Step 5: the best clusters, into the read's slots.
  var salt = 0u;
  if spans[read].len > 0u { salt = words[spans[read].word]; }
  var kept = 0u;
  var last: Rank; // the one kept before
  while kept < MAX_CANDIDATES {
    var chosen = n;
    var chosen_rank: Rank;
    for (var c = 0u; c < n; c += 1u) {
      let is_weak = 2u * own(clusters[base + c]) < most;
      if MATES == 2u && partners[base + c].x == 0u && is_weak { continue; }
      let rank = rank_of(clusters[base + c], partners[base + c].x, salt);
      if kept > 0u && !better(last, rank) { continue; }
      if chosen == n || better(rank, chosen_rank) {
        chosen = c;
        chosen_rank = rank;
      }
    }
    if chosen == n { break; }
    let c = clusters[base + chosen];
    let votes = c.votes | (partners[base + chosen].x << 8u);
    slots[i * MAX_CANDIDATES + kept] = Candidate(read, c.diagonal, votes, c.seeded, c.spread);
    last = chosen_rank;
    kept += 1u;
  }
  counts[i] = kept;
  if loops_were_cut(1u + min(arrayLength(&ranks), 1u)) { counts[i] = CUT; }
}

// A read's candidates to where they belong in the list of all.
@compute @workgroup_size(LANES)
fn candidate_pack(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>,
                  @builtin(local_invocation_index) lane: u32) {
  let i = job_index(group, groups, lane);
  if i >= arrayLength(&counted) { return; }
  let n = counted[i];
  for (var c = 0u; c < n; c += 1u) {
    candidates[ends[i] - n + c] = filled[i * MAX_CANDIDATES + c];
  }
}
