// Twin of src/kernel/seed.rs. One thread per read.

override K: u32;
override S: u32;
override HASH_BITS: u32;
override BUCKETS_PER_BLOCK: u32;
override CROWDED: u32;
override SPARSE: u32;
override MAX_RANK: u32;
override REVERSE: u32;

struct ReadSpan { word: u32, len: u32 }
struct Seed { place: u32, start: u32, count: u32 }

@group(0) @binding(0) var<storage, read> words: array<u32>;
@group(0) @binding(1) var<storage, read> masks: array<u32>;
@group(0) @binding(2) var<storage, read> spans: array<ReadSpan>;
// seed_count
@group(0) @binding(3) var<storage, read_write> counts: array<u32>;
// seed_write
@group(0) @binding(3) var<storage, read> counted: array<u32>;
@group(0) @binding(4) var<storage, read> ends: array<u32>;
@group(0) @binding(5) var<storage, read_write> seeds: array<Seed>;

fn hash_smer(smer: u32) -> u32 {
  var h = smer * MULTIPLIER_0;
  h = (h ^ (h >> 15u)) * MULTIPLIER_1;
  return h ^ (h >> 13u);
}

struct Bucket { start: u32, count: u32 }

fn resolve(start: u32, count: u32) -> Bucket {
  if count == CROWDED {
    return Bucket(positions(start + 1u), positions(start));
  }
  return Bucket(start, count);
}

fn room_of(count: u32) -> u32 {
  return select(count, 2u, count == CROWDED);
}

// Words that eight buckets with these counts have among the positions.
fn words_of(counts: u32) -> u32 {
  let crowded = counts & (counts >> 1u) & (counts >> 2u) & (counts >> 3u) & 0x11111111u;
  let words = counts - crowded * (CROWDED - 2u);
  let sums = (words & 0x0f0f0f0fu) + ((words >> 4u) & 0x0f0f0f0fu);
  return (sums * 0x01010101u) >> 24u;
}

// Both buckets of a hash; see src/genome/index.rs.
fn lookup(hash: u32) -> array<Bucket, 2> {
  let bucket = (hash >> (32u - HASH_BITS)) * 2u;
  let block = blocks(bucket / BUCKETS_PER_BLOCK);
  let within = bucket % BUCKETS_PER_BLOCK;
  var start = block.x;
  for (var i = 0u; i < within; i += 8u) {
    let later = 8u - min(within - i, 8u); // buckets of this word that are not before
    start += words_of(block[1u + i / 8u] << (4u * later));
  }
  // `within` is even, so that both counts are in one word.
  let pair = block[1u + within / 8u] >> (4u * (within % 8u));
  let first = pair & 0xfu;
  let second = (pair >> 4u) & 0xfu;
  return array<Bucket, 2>(resolve(start, first), resolve(start + room_of(first), second));
}

// The next sampled k-mer of a read, and where the search for it stands.
struct Sampler {
  span: ReadSpan,
  at: u32,
  word: u32,
  mask: u32,
  known: u32,
  rank: u32,          // of the next one
  next: u32,          // where it begins at least
  smer: vec2<u32>,    // forward, reverse complement
  forward: vec2<u32>, // upper, lower 16 bases
  reverse: vec2<u32>,
  ring: array<u32, RING>,
}

struct Syncmer { found: bool, offset: u32, hash: u32, flipped: u32 }

fn next(s: ptr<function, Sampler>) -> Syncmer {
  let window = K - S + 1u;
  let upper_mask = (1u << (2u * K - 32u)) - 1u;
  while (*s).at < (*s).span.len {
    let i = (*s).at;
    (*s).at += 1u;
    if i % 16u == 0u {
      (*s).word = words[(*s).span.word + i / 16u];
      (*s).mask = masks[(*s).span.word + i / 16u];
    }
    let c = (*s).word & 3u;
    let unknown = ((*s).mask & 3u) != 0u;
    (*s).word >>= 2u;
    (*s).mask >>= 2u;
    if unknown {
      (*s).known = 0u;
      continue;
    }
    (*s).known += 1u;
    (*s).smer = vec2(
      (((*s).smer.x << 2u) | c) & ((1u << (2u * S)) - 1u),
      ((*s).smer.y >> 2u) | ((3u - c) << (2u * (S - 1u))));
    let f = (*s).forward;
    (*s).forward = vec2(((f.x << 2u) | (f.y >> 30u)) & upper_mask, (f.y << 2u) | c);
    let r = (*s).reverse;
    (*s).reverse = vec2((r.x >> 2u) | ((3u - c) << (2u * (K - 1u) - 32u)), (r.y >> 2u) | (r.x << 30u));
    if (*s).known < S { continue; }
    let last = hash_smer(min((*s).smer.x, (*s).smer.y));
    (*s).ring[i % RING] = last;
    if (*s).known < K { continue; }
    if i + 1u - K < (*s).next { continue; }
    let first = (*s).ring[(i + 1u - window) % RING];
    var least = last;
    for (var j = 1u; j < window; j += 1u) {
      least = min(least, (*s).ring[(i - j) % RING]);
    }
    if least != first && least != last { continue; }
    let forward = (*s).forward;
    let reverse = (*s).reverse;
    let flipped = reverse.x < forward.x || (reverse.x == forward.x && reverse.y < forward.y);
    let canonical = select(forward, reverse, flipped);
    (*s).next = i + 1u - K + (*s).span.len / SPARSE;
    return Syncmer(true, i + 1u - K, hash_kmer(canonical.x, canonical.y), u32(flipped));
  }
  return Syncmer(false, 0u, 0u, 0u);
}

// A sampled k-mer with its places on the read's own strand and on the other.
struct Probe { found: bool, place: u32, own: Bucket, other: Bucket }

fn probe(s: ptr<function, Sampler>) -> Probe {
  let m = next(s);
  if !m.found { return Probe(); }
  let rank = (*s).rank;
  (*s).rank = min(rank + 1u, MAX_RANK);
  var both = lookup(m.hash);
  return Probe(true, m.offset | (rank << 16u), both[m.flipped], both[1u - m.flipped]);
}

@compute @workgroup_size(LANES)
fn seed_count(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>,
              @builtin(local_invocation_index) lane: u32) {
  let i = job_index(group, groups, lane);
  if i >= arrayLength(&spans) { return; }
  var sampler: Sampler;
  sampler.span = spans[i];
  var n = 0u;
  loop {
    let p = probe(&sampler);
    if !p.found { break; }
    n += u32(p.own.count > 0u) + u32(p.other.count > 0u);
  }
  counts[i] = n;
}

@compute @workgroup_size(LANES)
fn seed_write(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>,
              @builtin(local_invocation_index) lane: u32) {
  let i = job_index(group, groups, lane);
  if i >= arrayLength(&spans) { return; }
  var sampler: Sampler;
  sampler.span = spans[i];
  var n = ends[i] - counted[i];
  loop {
    let p = probe(&sampler);
    if !p.found { break; }
    if p.own.count > 0u {
      seeds[n] = Seed(p.place, p.own.start, p.own.count);
      n += 1u;
    }
    if p.other.count > 0u {
      seeds[n] = Seed(p.place | REVERSE, p.other.start, p.other.count);
      n += 1u;
    }
  }
}
