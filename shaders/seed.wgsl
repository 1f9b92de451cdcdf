// Twin of src/kernel/seed.rs. One thread per read.

override K: u32;
override S: u32;
override HASH_BITS: u32;
override BUCKETS_PER_BLOCK: u32;
override CROWDED: u32;
override SPARSE: u32;
override MAX_RANK: u32;
override REVERSE: u32;
override MAX_HITS: u32;
override FEW_HITS: u32;
override MANY_OF_FOUR: u32;

struct Seed { place: u32, start: u32, count: u32 }

@group(0) @binding(1) var<storage, read> bases: array<vec2<u32>>; // x codes, y mask
@group(0) @binding(2) var<storage, read> spans: array<ReadSpan>;
@group(0) @binding(3) var<storage, read_write> seeds: array<Seed>; // see list_at
@group(0) @binding(4) var<storage, read_write> looks: array<Look>;
@group(0) @binding(5) var<storage, read_write> counts: array<u32>; // places in the lists that are looked at

// Lists of BLOCK reads stand interleaved: near each other for the caches, side by side for the threads.
fn list_at(read: u32, k: u32) -> u32 {
  return (read / BLOCK * MAX_LISTS + k) * BLOCK + read % BLOCK;
}

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

// The lowest `n` buckets of a word of eight; `n` may be beyond either end.
fn lowest(counts: u32, n: i32) -> u32 {
  let kept = u32(clamp(n, 0, 8));
  return select(counts & ((1u << (4u * (kept % 8u))) - 1u), counts, kept == 8u);
}

// Both buckets of a hash; see src/genome/index.rs.
fn lookup(hash: u32) -> array<Bucket, 2> {
  let bucket = (hash >> (32u - HASH_BITS)) * 2u;
  let block = blocks(bucket / BUCKETS_PER_BLOCK);
  let within = bucket % BUCKETS_PER_BLOCK;
  let n = i32(within);
  let start = block.x + words_of(lowest(block.y, n)) + words_of(lowest(block.z, n - 8))
    + words_of(lowest(block.w, n - 16));
  // `within` is even, so that both counts are in one word.
  let word = select(select(block.w, block.z, within < 16u), block.y, within < 8u);
  let pair = word >> (4u * (within % 8u));
  let first = pair & 0xfu;
  let second = (pair >> 4u) & 0xfu;
  return array<Bucket, 2>(resolve(start, first), resolve(start + room_of(first), second));
}

// 32 bases of a read from base `i` on, the first lowest: codes in x and y, masks in z and w. What lies
// behind the read's end is another read's, or padding.
fn window(span: ReadSpan, i: u32) -> vec4<u32> {
  let w = span.word + i / 16u;
  let shift = vec2(2u * (i % 16u));
  let a = bases[w];
  let b = bases[w + 1u];
  let c = bases[w + 2u];
  let low = (a >> shift) | ((b << vec2(1u)) << (vec2(31u) - shift));
  let high = (b >> shift) | ((c << vec2(1u)) << (vec2(31u) - shift));
  return vec4(low.x, high.x, low.y, high.y);
}

// The s-mers of a window one after another: the bases that are left, and the same turned around.
struct Smers { bases: vec2<u32>, turned: vec2<u32> }

fn next_hash(s: ptr<function, Smers>) -> u32 {
  let forward = (*s).turned.y >> (32u - 2u * S);
  let reverse = ~(*s).bases.x & ((1u << (2u * S)) - 1u);
  (*s).bases = vec2(((*s).bases.x >> 2u) | ((*s).bases.y << 30u), (*s).bases.y >> 2u);
  (*s).turned = vec2((*s).turned.x << 2u, ((*s).turned.y << 2u) | ((*s).turned.x >> 30u));
  return hash_smer(min(forward, reverse));
}

// The first sampled k-mer from a base on: where it begins, and its bases with others behind them.
struct Kmer { offset: u32, bases: vec2<u32> }

fn find(span: ReadSpan, start: u32) -> Kmer {
  let more = K - S; // s-mers behind the first
  var p = start;
  while p + K <= span.len {
    let w = window(span, p);
    let unknown = w.w & ((1u << (2u * K - 32u)) - 1u);
    if (w.z | unknown) != 0u {
      p += select(firstLeadingBit(w.z), 32u + firstLeadingBit(unknown), unknown != 0u) / 2u + 1u;
      continue;
    }
    var s = Smers(w.xy, vec2(turn(w.y), turn(w.x)));
    let first = next_hash(&s);
    var last = first;
    var least = first;
    var at = 0u; // of the first least one
    for (var j = 1u; j <= more; j += 1u) {
      last = next_hash(&s);
      if last < least {
        least = last;
        at = j;
      }
    }
    if at == 0u || last == least { return Kmer(p, w.xy); }
    // The least one lies within. It becomes the first of a k-mer, if none as small comes in before.
    var d = 0u;
    loop {
      d += 1u;
      if p + d + K > span.len { return Kmer(NONE, vec2<u32>()); }
      let base = d + K - 1u;
      let mask = select(w.z, w.w, base >= 16u) >> (2u * (base % 16u));
      if (mask & 1u) != 0u { break; }
      if next_hash(&s) <= least || d == at {
        let low = (w.x >> (2u * d)) | ((w.y << 1u) << (31u - 2u * d));
        return Kmer(p + d, vec2(low, w.y >> (2u * d)));
      }
    }
    p += d + K;
  }
  return Kmer(NONE, vec2<u32>());
}

// Lists by class: at most 1, 2, 4 … 256 places, and more. How many, six bits a class; and their places,
// sixteen bits a class.
struct Classes { lists: vec2<u32>, places: array<u32, 5> }

fn class_of(count: u32) -> u32 {
  return min(9u, select(0u, firstLeadingBit(count - 1u) + 1u, count > 1u));
}

fn add(c: ptr<function, Classes>, count: u32) {
  let size = class_of(count);
  let one = 1u << (6u * (size % 5u));
  (*c).lists += select(vec2(0u, one), vec2(one, 0u), size < 5u);
  let places = select(count << (16u * (size % 2u)), 0u, size == 9u);
  let pair = size / 2u;
  (*c).places[0] += select(0u, places, pair == 0u);
  (*c).places[1] += select(0u, places, pair == 1u);
  (*c).places[2] += select(0u, places, pair == 2u);
  (*c).places[3] += select(0u, places, pair == 3u);
  (*c).places[4] += select(0u, places, pair == 4u);
}

// Step 1 of src/kernel/candidate.rs: which lists are looked at.
struct Limit { size: u32, total: u32, seen: u32, ended: bool }

fn widen(l: ptr<function, Limit>, size: u32, lists: u32, places: u32, all: u32) {
  let total = (*l).total + (places & 0xffffu);
  (*l).ended = (*l).ended || total > MAX_HITS
    || (total > FEW_HITS && 4u * (*l).seen >= MANY_OF_FOUR * all);
  if (*l).ended { return; }
  (*l).total = total;
  (*l).seen += lists & 63u;
  (*l).size = size + 1u;
}

@compute @workgroup_size(LANES)
fn seed(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>,
        @builtin(local_invocation_index) lane: u32) {
  let i = job_index(group, groups, lane);
  if i >= batch.reads { return; }
  let span = spans[i];
  let apart = max(1u, span.len / SPARSE);
  var rank = 0u;
  var n = 0u;
  var classes: Classes;
  var start = 0u;
  loop {
    let kmer = find(span, start);
    if kmer.offset == NONE { break; }
    start = kmer.offset + apart;
    let upper = (1u << (2u * K - 32u)) - 1u;
    // x upper, y lower 16 bases; the complement of what is packed is the reverse complement.
    let reverse = vec2(~kmer.bases.y & upper, ~kmer.bases.x);
    let turned = vec2(turn(kmer.bases.x), turn(kmer.bases.y));
    let forward = vec2(turned.x >> (64u - 2u * K), (turned.x << (2u * K - 32u)) | (turned.y >> (64u - 2u * K)));
    let flipped = reverse.x < forward.x || (reverse.x == forward.x && reverse.y < forward.y);
    let canonical = select(forward, reverse, flipped);
    let both = lookup(hash_kmer(canonical.x, canonical.y));
    let place = kmer.offset | (rank << 16u);
    rank = min(rank + 1u, MAX_RANK);
    for (var other = 0u; other < 2u; other += 1u) {
      var bucket = both[0];
      if (other == 1u) != flipped { bucket = both[1]; }
      if bucket.count == 0u { continue; }
      seeds[list_at(i, n)] = Seed(place | select(0u, REVERSE, other == 1u), bucket.start, bucket.count);
      add(&classes, bucket.count);
      n += 1u;
    }
  }
  var limit: Limit;
  let lists = classes.lists;
  widen(&limit, 0u, lists.x, classes.places[0], n);
  widen(&limit, 1u, lists.x >> 6u, classes.places[0] >> 16u, n);
  widen(&limit, 2u, lists.x >> 12u, classes.places[1], n);
  widen(&limit, 3u, lists.x >> 18u, classes.places[1] >> 16u, n);
  widen(&limit, 4u, lists.x >> 24u, classes.places[2], n);
  widen(&limit, 5u, lists.y, classes.places[2] >> 16u, n);
  widen(&limit, 6u, lists.y >> 6u, classes.places[3], n);
  widen(&limit, 7u, lists.y >> 12u, classes.places[3] >> 16u, n);
  widen(&limit, 8u, lists.y >> 18u, classes.places[4], n);
  let longest = select(0u, (1u << limit.size) >> 1u, limit.size > 0u);
  looks[i] = Look(n, (n - limit.seen) | (longest << 16u));
  counts[i] = limit.total;
}
