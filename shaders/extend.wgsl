// Twin of src/kernel/extend.rs. One thread per job.

override REVERSE: u32;
override MATCHED: i32;
override MISMATCH: i32;
override UNKNOWN: i32;
override GAP_FIRST: i32;
override GAP_NEXT: i32;
override END_BONUS: i32;
override REACH: i32;
override NEVER: i32;
override MAX_SHIFT: i32;
override MAX_GAP: i32;
override TAIL: u32;
override LEAST_TAILED: u32;

struct ReadSpan { word: u32, len: u32 }
struct Candidate { read: u32, diagonal: u32, votes: u32, seeded: u32, spread: u32 }
struct Extension { score: i32, start: u32, span: u32, runs: u32, slot: u32 }
struct Chosen { job: u32, slot: u32 }

// extend_verify, extend_align
@group(0) @binding(0) var<storage, read> words: array<u32>;
@group(0) @binding(1) var<storage, read> masks: array<u32>;
@group(0) @binding(2) var<storage, read> spans: array<ReadSpan>;
// all
@group(0) @binding(3) var<storage, read> jobs: array<Candidate>;
// extend_verify, extend_align
@group(0) @binding(4) var<storage, read_write> extensions: array<Extension>;
// extend_verify
@group(0) @binding(5) var<storage, read_write> verdicts: array<u32>;
// extend_select
@group(0) @binding(0) var<storage, read> ranks: array<u32>;
@group(0) @binding(1) var<storage, read> ungapped: array<Extension>;
@group(0) @binding(2) var<storage, read> suffices: array<u32>;
@group(0) @binding(4) var<storage, read_write> selected: array<u32>;
// extend_align
@group(0) @binding(5) var<storage, read> chosen: array<Chosen>;
@group(0) @binding(6) var<storage, read_write> runs: array<array<u32, MAX_RUNS>>;
@group(0) @binding(7) var<storage, read_write> trace: array<u32>;

fn is_reverse(job: Candidate) -> bool { return (job.votes & REVERSE) != 0u; }

// 16 bases of the genome from `i` on.
fn genome_word(i: u32) -> u32 {
  let shift = 2u * (i % 16u);
  return (genome(i / 16u) >> shift) | ((genome(i / 16u + 1u) << 1u) << (31u - shift));
}

// The order of 16 bases turned around.
fn turn(word: u32) -> u32 {
  let bits = reverseBits(word);
  return ((bits & 0x55555555u) << 1u) | ((bits >> 1u) & 0x55555555u);
}

// Bases 16 `w`.. of a read as aligned: x codes, y mask. Bits behind the read's end are 0.
fn aligned_word(span: ReadSpan, reverse: bool, w: u32) -> vec2<u32> {
  if !reverse {
    return vec2(words[span.word + w], masks[span.word + w]);
  }
  let end = span.len - 16u * w;
  let taken = min(end, 16u);
  let i = end - taken; // the window's first base, as sequenced
  let at = span.word + i / 16u;
  let shift = 2u * (i % 16u);
  var pair = vec2(words[at], masks[at]) >> vec2(shift);
  if i / 16u + 1u < (span.len + 15u) / 16u {
    pair |= (vec2(words[at + 1u], masks[at + 1u]) << vec2(1u)) << vec2(31u - shift);
  }
  let spare = vec2(2u * (16u - taken));
  return vec2(~turn(pair.x), turn(pair.y)) >> spare;
}

// Step 1's running state; see `Stretch` of the definition.
struct Stretch {
  best: i32,
  best_start: u32,
  best_end: u32,
  score: i32,
  start: u32,
  last: u32,
  counts: vec3<u32>,
}

fn mismatch(s: ptr<function, Stretch>, i: u32, unknown: bool, seeded: vec2<u32>) {
  (*s).score += i32(i - (*s).last) * MATCHED;
  if (*s).score > (*s).best {
    (*s).best = (*s).score;
    (*s).best_start = (*s).start;
    (*s).best_end = i;
  }
  (*s).score -= select(MISMATCH, UNKNOWN, unknown);
  if (*s).score <= 0 {
    (*s).score = 0;
    (*s).start = i + 1u;
  }
  (*s).last = i + 1u;
  if !unknown {
    (*s).counts[u32(i >= seeded.x) + u32(i >= seeded.y)] += 1u;
  }
}

// The same from base `i` on, all of them in the read.
fn aligned_tail(span: ReadSpan, reverse: bool, i: u32) -> vec2<u32> {
  let shift = vec2(2u * (i % 16u));
  var tail = aligned_word(span, reverse, i / 16u) >> shift;
  if i % 16u != 0u {
    tail |= aligned_word(span, reverse, i / 16u + 1u) << (vec2(32u) - shift);
  }
  return tail;
}

// Mismatches of a tail with the genome from `at` on, the outermost base lowest.
fn tail_mismatches(tail: vec2<u32>, at: u32, front: bool) -> u32 {
  let difference = tail.x ^ genome_word(at);
  let bits = (difference | (difference >> 1u)) & 0x55555555u & ~tail.y;
  return select(reverseBits(bits) >> 1u, bits, front);
}

fn on_main(main: u32, run: u32, inserted: u32) -> i32 {
  let bases = min(run + inserted, TAIL);
  if bases == TAIL { return i32(countOneBits(main)); }
  return i32(countOneBits(main & ((1u << (2u * bases)) - 1u)));
}

fn pays(main: u32, shifted: u32, inserted: u32, cost: i32) -> bool {
  let without_first = shifted & (shifted - 1u);
  let first = countTrailingZeros(shifted) / 2u;
  let second = countTrailingZeros(without_first) / 2u;
  return (MATCHED + MISMATCH) * on_main(main, first, inserted) > cost
    || (MATCHED + MISMATCH) * (on_main(main, second, inserted) - 1) > cost;
}

// Does a gap pay at this end of the read?
fn gap_pays(span: ReadSpan, job: Candidate, front: bool) -> bool {
  let at = select(span.len - TAIL, 0u, front);
  let tail = aligned_tail(span, is_reverse(job), at);
  let main = tail_mismatches(tail, job.diagonal + at, front);
  if (MATCHED + MISMATCH) * i32(countOneBits(main)) <= GAP_FIRST { return false; }
  for (var gap = 1; gap <= MAX_GAP; gap += 1) {
    let cost = GAP_FIRST + (gap - 1) * GAP_NEXT;
    let shift = bitcast<u32>(select(gap, -gap, front));
    let deleted = tail_mismatches(tail, job.diagonal + shift + at, front);
    let inserted = tail_mismatches(tail, job.diagonal - shift + at, front);
    if pays(main, deleted, 0u, cost) || pays(main, inserted, u32(gap), cost + gap * MATCHED) { return true; }
  }
  return false;
}

@compute @workgroup_size(LANES)
fn extend_verify(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>,
                 @builtin(local_invocation_index) lane: u32) {
  let i = job_index(group, groups, lane);
  if i >= arrayLength(&jobs) { return; }
  let job = jobs[i];
  let span = spans[job.read];
  let reverse = is_reverse(job);
  let seeded = vec2(job.seeded & 0xffffu, job.seeded >> 16u);
  var s: Stretch;
  s.score = END_BONUS;
  for (var at = 0u; at < span.len; at += 16u) {
    let pair = aligned_word(span, reverse, at / 16u);
    let difference = pair.x ^ genome_word(job.diagonal + at);
    var bits = ((difference | (difference >> 1u)) & 0x55555555u) | pair.y;
    let left = span.len - at;
    if left < 16u { bits &= (1u << (2u * left)) - 1u; }
    while bits != 0u {
      let low = countTrailingZeros(bits);
      mismatch(&s, at + low / 2u, ((pair.y >> low) & 1u) == 1u, seeded);
      bits &= bits - 1u;
    }
  }
  s.score += i32(span.len - s.last) * MATCHED + END_BONUS;
  if span.len > 0u && s.start < span.len && s.score >= s.best {
    s.best = s.score;
    s.best_start = s.start;
    s.best_end = span.len;
  }
  let whole = s.best_start == 0u && s.best_end == span.len;
  var suffices = whole && s.counts.x <= 1u && s.counts.y <= 3u && s.counts.z <= 1u;
  if whole && !suffices && job.spread == 0u && span.len >= LEAST_TAILED {
    suffices = !gap_pays(span, job, true) && !gap_pays(span, job, false);
  }
  verdicts[i] = u32(suffices);
  extensions[i] = Extension(s.best, job.diagonal + s.best_start, s.best_start | (s.best_end << 16u), 0u, 0u);
}

// Step 2. A read's jobs stand next to each other: look both ways.
@compute @workgroup_size(LANES)
fn extend_select(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>,
                 @builtin(local_invocation_index) lane: u32) {
  let i = job_index(group, groups, lane);
  if i >= arrayLength(&ranks) { return; }
  let j = ranks[i];
  let read = jobs[j].read;
  let count = arrayLength(&jobs);
  var first = j;
  while first > 0u && jobs[first - 1u].read == read { first -= 1u; }
  var best_score = 0;
  var best_votes = 0u;
  for (var o = first; o < count && jobs[o].read == read; o += 1u) {
    best_score = select(ungapped[o].score, max(best_score, ungapped[o].score), o > first);
    best_votes = max(best_votes, jobs[o].votes & 0xffu);
  }
  let voted = jobs[j].spread != 0u && 2u * (jobs[j].votes & 0xffu) >= best_votes;
  let near = ungapped[j].score + REACH >= best_score || voted;
  selected[i] = u32(suffices[j] == 0u && near);
}

const FROM_DIAGONAL = 0u;
const FROM_START = 1u;
const FROM_DELETION = 2u;
const DELETION_OPENS = 4u;
const INSERTION_OPENS = 8u;
const RUN_MATCH = 0u;
const RUN_INSERTION = 1u;
const RUN_DELETION = 2u;

// Codes of cells are nibbles; the words of the threads are interleaved.
fn trace_at(thread: u32, i: u32, word: u32) -> u32 {
  return (i * (BAND / 8u) + word) * arrayLength(&chosen) + thread;
}

fn code_at(thread: u32, i: u32, k: u32) -> u32 {
  return trace[trace_at(thread, i, k / 8u)] >> (4u * (k % 8u));
}

// Runs are found from the last to the first.
struct Runs { n: u32, list: array<u32, MAX_RUNS> }

fn push(r: ptr<function, Runs>, op: u32) {
  let n = (*r).n;
  if n > 0u && n <= MAX_RUNS && ((*r).list[n - 1u] & 15u) == op {
    (*r).list[n - 1u] += 16u;
    return;
  }
  if n < MAX_RUNS { (*r).list[n] = 16u | op; }
  (*r).n = min(n + 1u, MAX_RUNS + 1u); // one too many: no alignment
}

// A row of the band under way, at one of its cells.
struct Row {
  first: bool,   // the read's first base
  left: i32,
  deleted: i32,
  best: i32,
  best_k: u32,
}

var<private> above: array<i32, BAND_AND_ONE>;    // H of the row above, then of this one
var<private> inserted: array<i32, BAND_AND_ONE>; // the same, ending in an insertion

// Fills cell `k`, which gains `score` if its bases are aligned; its code for the traceback.
fn cell(row: ptr<function, Row>, k: u32, score: i32) -> u32 {
  let up = above[k];
  let matched = select(max(up, 0), END_BONUS, (*row).first) + score;
  let fresh = (*row).first || up <= 0;
  let open_deletion = (*row).left - GAP_FIRST;
  let longer_deletion = (*row).deleted - GAP_NEXT;
  let deletion = max(open_deletion, longer_deletion);
  let open_insertion = above[k + 1u] - GAP_FIRST;
  let longer_insertion = inserted[k + 1u] - GAP_NEXT;
  let insertion = max(open_insertion, longer_insertion);
  let h = max(max(matched, deletion), insertion);
  if h > (*row).best {
    (*row).best = h;
    (*row).best_k = k;
  }
  (*row).left = h;
  (*row).deleted = deletion;
  above[k] = h;
  inserted[k] = insertion;
  return select(select(3u, FROM_DELETION, deletion == h), u32(fresh), matched == h)
    | select(0u, DELETION_OPENS, open_deletion >= longer_deletion)
    | select(0u, INSERTION_OPENS, open_insertion >= longer_insertion);
}

// Step 3.
@compute @workgroup_size(LANES)
fn extend_align(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>,
                @builtin(local_invocation_index) lane: u32) {
  let thread = job_index(group, groups, lane);
  if thread >= arrayLength(&chosen) { return; }
  let job = jobs[chosen[thread].job];
  let span = spans[job.read];
  let reverse = is_reverse(job);
  let low = i32(job.spread & 0xffffu);
  let high = i32(job.spread >> 16u);
  let shift = clamp((high - low) / 2, -MAX_SHIFT, MAX_SHIFT);
  let width = select(BAND, NARROW, job.spread == 0u);
  let first = job.diagonal + bitcast<u32>(shift - i32(width / 2u));

  for (var k = 0u; k <= BAND; k += 1u) {
    above[k] = NEVER;
    inserted[k] = NEVER;
  }
  // The genome's bases of the row's cells, and those that come in next.
  var band: array<u32, BAND_WORDS>;
  for (var w = 0u; w < BAND_WORDS; w += 1u) { band[w] = genome_word(first + 16u * w); }
  var coming = 0u;
  var read = vec2<u32>();
  var best = 0;
  var best_i = 0u;
  var best_k = 0u;
  for (var i = 0u; i < span.len; i += 1u) {
    if i % 16u == 0u {
      read = aligned_word(span, reverse, i / 16u);
      coming = genome_word(first + i + BAND);
    }
    let unknown = (read.y & 3u) != 0u;
    let c = (read.x & 3u) * 0x55555555u;
    read >>= vec2(2u);
    let miss = select(-MISMATCH, -UNKNOWN, unknown);
    let hit = select(MATCHED, miss, unknown);
    let last = i + 1u == span.len;
    var row = Row(i == 0u, NEVER, NEVER, NEVER, 0u);
    // Eight cells a turn: see `loops_were_cut`.
    for (var word = 0u; word < width / 8u; word += 1u) {
      let d = (band[word / 2u] ^ c) >> (16u * (word % 2u));
      let k = 8u * word;
      var codes = cell(&row, k, select(miss, hit, (d & 3u) == 0u));
      codes |= cell(&row, k + 1u, select(miss, hit, (d & 0xcu) == 0u)) << 4u;
      codes |= cell(&row, k + 2u, select(miss, hit, (d & 0x30u) == 0u)) << 8u;
      codes |= cell(&row, k + 3u, select(miss, hit, (d & 0xc0u) == 0u)) << 12u;
      codes |= cell(&row, k + 4u, select(miss, hit, (d & 0x300u) == 0u)) << 16u;
      codes |= cell(&row, k + 5u, select(miss, hit, (d & 0xc00u) == 0u)) << 20u;
      codes |= cell(&row, k + 6u, select(miss, hit, (d & 0x3000u) == 0u)) << 24u;
      codes |= cell(&row, k + 7u, select(miss, hit, (d & 0xc000u) == 0u)) << 28u;
      trace[trace_at(thread, i, word)] = codes;
    }
    let score = row.best + select(0, END_BONUS, last);
    if row.best > 0 && (score > best || (last && score == best)) {
      best = score;
      best_i = i;
      best_k = row.best_k;
    }
    for (var w = 0u; w + 1u < BAND_WORDS; w += 1u) {
      band[w] = (band[w] >> 2u) | (band[w + 1u] << 30u);
    }
    band[BAND_WORDS - 1u] = (band[BAND_WORDS - 1u] >> 2u) | (coming << 30u);
    coming >>= 2u;
  }

  var found: Runs;
  var result = Extension(0, 0u, 0u, 0u, chosen[thread].slot);
  if best > 0 {
    var i = best_i;
    var k = best_k;
    loop {
      let origin = code_at(thread, i, k) & 3u;
      if origin == FROM_DIAGONAL {
        push(&found, RUN_MATCH);
        i -= 1u;
      } else if origin == FROM_START {
        push(&found, RUN_MATCH);
        break;
      } else if origin == FROM_DELETION {
        loop {
          push(&found, RUN_DELETION);
          let opens = (code_at(thread, i, k) & DELETION_OPENS) != 0u;
          k -= 1u;
          if opens { break; }
        }
      } else {
        loop {
          push(&found, RUN_INSERTION);
          let opens = (code_at(thread, i, k) & INSERTION_OPENS) != 0u;
          i -= 1u;
          k += 1u;
          if opens { break; }
        }
      }
    }
    if found.n > MAX_RUNS {
      found.n = 0u;
    } else {
      result = Extension(best, first + i + k, i | ((best_i + 1u) << 16u), found.n, chosen[thread].slot);
    }
  }
  for (var r = 0u; r < MAX_RUNS; r += 1u) {
    var run = 0u;
    if r < found.n { run = found.list[found.n - 1u - r]; }
    runs[thread][r] = run;
  }
  extensions[chosen[thread].job] = result;
}
