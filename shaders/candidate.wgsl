// Steps 4 and 5 of the twin of src/kernel/candidate.rs. One thread per template, then one per read.

override REVERSE: u32;
override MAX_CANDIDATES: u32;
override FEW_CLUSTERS: u32;
override MANY_CLUSTERS: u32;

struct Candidate { read: u32, diagonal: u32, votes: u32, seeded: u32, spread: u32 }
struct Cluster { diagonal: u32, votes: u32, seeded: u32, spread: u32 }

// both
@group(0) @binding(1) var<storage, read> hit_ends: array<u32>; // where each read's clusters may end
@group(0) @binding(2) var<storage, read_write> clusters: array<Cluster>;
// candidate, candidate_rest
@group(0) @binding(3) var<storage, read> spans: array<ReadSpan>;
@group(0) @binding(4) var<storage, read> bases: array<vec2<u32>>;
@group(0) @binding(5) var<storage, read> cluster_counts: array<u32>;
@group(0) @binding(6) var<storage, read_write> partners: array<vec2<u32>>; // of each cluster: x its votes; then x the hash, y the rank
@group(0) @binding(7) var<storage, read_write> counts: array<u32>;
@group(0) @binding(8) var<storage, read_write> looks: array<Look>;
// candidate: by a template's first read
@group(0) @binding(9) var<storage, read_write> left: array<u32>;
// candidate_rest
@group(0) @binding(9) var<storage, read> rest: array<u32>;
// candidate_pack
@group(0) @binding(3) var<storage, read> candidate_ends: array<u32>;
@group(0) @binding(4) var<storage, read_write> candidates: array<Candidate>;
@group(0) @binding(5) var<storage, read_write> looked: array<Look>;
@group(0) @binding(6) var<storage, read_write> chosen: array<vec2<u32>>; // see extend.wgsl

fn own(c: Cluster) -> u32 { return c.votes & 0xffu; }
fn is_reverse(c: Cluster) -> bool { return (c.votes & REVERSE) != 0u; }

// Where a read's clusters begin.
fn base_of(read: u32) -> u32 {
  if read == 0u { return 0u; }
  return hit_ends[read - 1u];
}

// Saturating, as in the definition.
fn less(a: u32, b: u32) -> u32 { return select(0u, a - b, a > b); }

// Where a partner of `c` may lie, on the other strand: from x to before y.
fn window_of(c: Cluster, length: u32, mate_length: u32) -> vec2<u32> {
  if is_reverse(c) {
    let end = c.diagonal + length;
    return vec2(less(end, batch.longest), end);
  }
  return vec2(less(c.diagonal + 1u, mate_length), less(c.diagonal + batch.longest + 1u, mate_length));
}

// Stretches of diagonals, by strand, in which a cluster lies: 256 bits for both.
struct Stretches { low: vec4<u32>, high: vec4<u32> }

fn stretch_of(diagonal: u32, reverse: bool) -> u32 {
  return (diagonal >> batch.stretch) + select(0u, 85u, reverse);
}

// The bit of a stretch, among all bits.
fn bit_of(stretch: u32) -> Stretches {
  let word = vec4((stretch / 32u) % 8u);
  let bit = vec4(1u << (stretch % 32u));
  let none = vec4<u32>();
  return Stretches(
    select(none, bit, word == vec4(0u, 1u, 2u, 3u)),
    select(none, bit, word == vec4(4u, 5u, 6u, 7u)));
}

fn has(s: Stretches, stretch: u32) -> bool {
  let b = bit_of(stretch);
  let both = (s.low & b.low) | (s.high & b.high);
  return (both.x | both.y | both.z | both.w) != 0u;
}

// Step 4: for each cluster of a read the most votes of one of the mate's that would make a pair with it.
fn find_partners(read: u32, mate: u32) {
  let base = base_of(read);
  let of_mate = base_of(mate);
  let n = cluster_counts[mate];
  var near: Stretches;
  for (var i = 0u; i < n; i += 1u) {
    let o = clusters[of_mate + i];
    let b = bit_of(stretch_of(o.diagonal, is_reverse(o)));
    near.low |= b.low;
    near.high |= b.high;
  }
  for (var c = 0u; c < cluster_counts[read]; c += 1u) {
    let own_cluster = clusters[base + c];
    let reverse = !is_reverse(own_cluster);
    let window = window_of(own_cluster, spans[read].len, spans[mate].len);
    var best = 0u;
    let first = has(near, stretch_of(window.x, reverse));
    let last = has(near, stretch_of(window.y - 1u, reverse));
    let looked_at = select(0u, n, window.y > window.x && (first || last));
    for (var i = 0u; i < looked_at; i += 1u) {
      let o = clusters[of_mate + i];
      let pairs = is_reverse(o) == reverse && o.diagonal >= window.x && o.diagonal < window.y;
      best = max(best, select(0u, own(o), pairs));
    }
    partners[base + c].x = best;
  }
}

// Of two clusters with equal ranks and hashes: by diagonal and strand.
fn precedes(a: Cluster, b: Cluster) -> bool {
  return a.diagonal < b.diagonal || (a.diagonal == b.diagonal && !is_reverse(a) && is_reverse(b));
}

// Step 5: brings a read's best clusters to the front, with their partner's votes; how many. Ranks: the votes
// of both above the cluster's own, 0 if it is too weak; ties by hash.
fn choose(read: u32) -> u32 {
  let base = base_of(read);
  let n = cluster_counts[read];
  var most = 0u;
  for (var c = 0u; c < n; c += 1u) { most = max(most, own(clusters[base + c])); }
  var salt = 0u;
  if spans[read].len > 0u { salt = bases[spans[read].word].x; }
  for (var c = 0u; c < n; c += 1u) {
    let k = clusters[base + c];
    let partner = select(0u, partners[base + c].x, batch.mates == 2u);
    let weak = batch.mates == 2u && partner == 0u && 2u * own(k) < most;
    let rank = select(((own(k) + partner) << 8u) | own(k), 0u, weak);
    partners[base + c] = vec2(hash_kmer(k.diagonal, salt), rank);
  }
  var kept = 0u;
  while kept < min(n, MAX_CANDIDATES) {
    var chosen = n;
    var best = vec2<u32>();
    for (var c = kept; c < n; c += 1u) {
      let p = partners[base + c];
      var better = p.y > best.y || (p.y == best.y && p.x < best.x);
      if p.y == best.y && p.x == best.x && chosen < n {
        better = precedes(clusters[base + c], clusters[base + chosen]);
      }
      best = select(best, p, better);
      chosen = select(chosen, c, better);
    }
    if chosen == n { break; }
    var cluster = clusters[base + chosen];
    cluster.votes |= ((best.y >> 8u) - own(cluster)) << 8u;
    partners[base + chosen] = partners[base + kept];
    clusters[base + chosen] = clusters[base + kept];
    clusters[base + kept] = cluster;
    kept += 1u;
  }
  return kept;
}

// Steps 4 and 5 for the template whose first read this is.
fn pair_and_choose(first: u32) {
  if batch.mates == 2u {
    for (var read = first; read < first + 2u; read += 1u) { find_partners(read, 2u * first + 1u - read); }
  }
  for (var read = first; read < first + batch.mates; read += 1u) { counts[read] = choose(read); }
  if loops_were_cut(1u + min(batch.reads, 1u)) {
    for (var read = first; read < first + batch.mates; read += 1u) {
      looks[read].lists = BEYOND;
      counts[read] = 0u;
    }
  }
}

@compute @workgroup_size(LANES)
fn candidate(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>,
             @builtin(local_invocation_index) lane: u32) {
  let first = job_index(group, groups, lane) * batch.mates;
  if first >= batch.reads { return; }
  var clusters_in_all = cluster_counts[first];
  if batch.mates == 2u {
    clusters_in_all += cluster_counts[first + 1u];
    left[first + 1u] = 0u;
  }
  left[first] = select(select(0u, SOME, clusters_in_all > FEW_CLUSTERS), MANY, clusters_in_all > MANY_CLUSTERS);
  if clusters_in_all <= FEW_CLUSTERS { pair_and_choose(first); }
}

@compute @workgroup_size(LANES)
fn candidate_rest(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>,
                  @builtin(local_invocation_index) lane: u32) {
  let i = job_index(group, groups, lane);
  if i >= batch.reads || rest[i] == NONE { return; } // by read: half of the list is empty
  pair_and_choose(rest[i]);
}

// A read's candidates to where they belong in the list of all; and no job is chosen yet.
@compute @workgroup_size(LANES)
fn candidate_pack(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>,
                  @builtin(local_invocation_index) lane: u32) {
  let read = job_index(group, groups, lane);
  if read >= batch.reads { return; }
  if read < batch.gapped { chosen[read].x = NONE; }
  var at = 0u;
  if read > 0u { at = candidate_ends[read - 1u]; }
  let end = candidate_ends[read];
  if end > batch.candidates {
    looked[read].lists = BEYOND;
    for (; at < batch.candidates; at += 1u) { candidates[at].read = NONE; }
    return;
  }
  let base = base_of(read);
  for (var c = 0u; at + c < end; c += 1u) {
    let k = clusters[base + c];
    candidates[at + c] = Candidate(read, k.diagonal, k.votes, k.seeded, k.spread);
  }
}
