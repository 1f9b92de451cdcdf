// Steps 1 and 3 of the twin of src/kernel/extend.rs. One thread per job. The rows of step 3 are generated
// there.

override REVERSE: u32;
override MATCHED: i32;
override MISMATCH: i32;
override UNKNOWN: i32;
override GAP_FIRST: i32;
override GAP_NEXT: i32;
override END_BONUS: i32;
override NEVER: i32;
override MAX_SHIFT: i32;
override MAX_GAP: i32;
override TAIL: u32;
override LEAST_TAILED: u32;

// all
@group(0) @binding(4) var<storage, read> bases: array<vec2<u32>>; // x codes, y mask
@group(0) @binding(5) var<storage, read> spans: array<ReadSpan>;
// extend_narrow, extend_wide
@group(0) @binding(6) var<storage, read> chosen: array<Chosen>;
@group(0) @binding(7) var<storage, read_write> runs: array<array<u32, MAX_RUNS>>;
@group(0) @binding(8) var<storage, read_write> trace: array<u32>;

fn is_reverse(job: Candidate) -> bool { return (job.votes & REVERSE) != 0u; }

// 16 bases of the genome from `i` on.
fn genome_word(i: u32) -> u32 {
  let shift = 2u * (i % 16u);
  return (genome(i / 16u) >> shift) | ((genome(i / 16u + 1u) << 1u) << (31u - shift));
}

// Bases 16 `w`.. of a read as aligned: x codes, y mask. Bits behind the read's end are 0.
fn aligned_word(span: ReadSpan, reverse: bool, w: u32) -> vec2<u32> {
  if !reverse {
    return bases[span.word + w];
  }
  let end = span.len - 16u * w;
  let taken = min(end, 16u);
  let i = end - taken; // the window's first base, as sequenced
  let at = span.word + i / 16u;
  let shift = 2u * (i % 16u);
  var pair = bases[at] >> vec2(shift);
  if i / 16u + 1u < (span.len + 15u) / 16u {
    pair |= (bases[at + 1u] << vec2(1u)) << vec2(31u - shift);
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

// Mismatches of a tail with 16 bases of the genome, the outermost base lowest.
fn tail_mismatches(tail: vec2<u32>, there: u32, front: bool) -> u32 {
  let difference = tail.x ^ there;
  let bits = (difference | (difference >> 1u)) & 0x55555555u & ~tail.y;
  return select(reverseBits(bits) >> 1u, bits, front);
}

// 16 bases of 48, from base `i` on, up to 32.
fn of_three(words: vec3<u32>, i: u32) -> u32 {
  let shift = 2u * (i % 16u);
  let low = select(select(words.z, words.y, i < 32u), words.x, i < 16u);
  let high = select(select(0u, words.z, i < 32u), words.y, i < 16u);
  return (low >> shift) | ((high << 1u) << (31u - shift));
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
  // The genome from 16 bases before the tail on. What would begin before the genome has no bases.
  let there = job.diagonal + at;
  let before_it = select(genome_word(there - 16u), genome_word(0u) << (32u - 2u * (there % 16u)), there < 16u && there > 0u);
  let around = vec3(before_it, genome_word(there), genome_word(there + 16u));
  let main = tail_mismatches(tail, around.y, front);
  if (MATCHED + MISMATCH) * i32(countOneBits(main)) <= GAP_FIRST { return false; }
  var pays_somewhere = false;
  for (var gap = 1u; gap <= u32(MAX_GAP); gap += 1u) {
    let cost = GAP_FIRST + i32(gap - 1u) * GAP_NEXT;
    let before = tail_mismatches(tail, select(of_three(around, 16u - gap), 0u, gap > there), front);
    let behind = tail_mismatches(tail, of_three(around, 16u + gap), front);
    // At the front a deletion moves the tail back, at the end forward.
    let deleted = select(behind, before, front);
    let inserted = select(before, behind, front);
    pays_somewhere = pays_somewhere || pays(main, deleted, 0u, cost)
      || pays(main, inserted, gap, cost + i32(gap) * MATCHED);
  }
  return pays_somewhere;
}

@compute @workgroup_size(LANES)
fn extend_verify(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>,
                 @builtin(local_invocation_index) lane: u32) {
  let i = job_index(group, groups, lane);
  if i >= min(candidate_ends[batch.reads - 1u], batch.candidates) { return; }
  let job = jobs[i];
  if job.read == NONE { return; }
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
  // For `select`: the slot says whether it suffices.
  let stretch = s.best_start | (s.best_end << 16u);
  extensions[i] = Extension(s.best, job.diagonal + s.best_start, stretch, 0u, u32(suffices));
}

const FROM_DIAGONAL = 0u;
const FROM_START = 1u;
const FROM_DELETION = 2u;
const DELETION_OPENS = 4u;
const INSERTION_OPENS = 8u;
const RUN_MATCH = 0u;
const RUN_INSERTION = 1u;
const RUN_DELETION = 2u;

// Codes of cells are nibbles. Words of BLOCK jobs in the list stand interleaved: near each other for the
// caches, side by side for the threads.
fn trace_at(rank: u32, i: u32, word: u32) -> u32 {
  return ((rank / BLOCK * batch.rows + i) * (BAND / 8u) + word) * BLOCK + rank % BLOCK;
}

fn code_at(rank: u32, i: u32, k: u32) -> u32 {
  return trace[trace_at(rank, i, k / 8u)] >> (4u * (k % 8u));
}

// Runs are found from the last to the first. The one under way is held apart.
struct Runs { n: u32, list: array<u32, MAX_RUNS>, run: u32 }

fn put(r: ptr<function, Runs>) {
  if (*r).run == 0u { return; }
  if (*r).n < MAX_RUNS { (*r).list[(*r).n] = (*r).run; }
  (*r).n = min((*r).n + 1u, MAX_RUNS + 1u); // one too many: no alignment
}

fn push(r: ptr<function, Runs>, op: u32) {
  if (*r).run != 0u && ((*r).run & 15u) == op {
    (*r).run += 16u;
    return;
  }
  put(r);
  (*r).run = 16u | op;
}

// A job to be aligned with gaps, in a band from `first` on.
struct Work { found: bool, rank: u32, slot: u32, job: u32, span: ReadSpan, reverse: bool, first: u32 }

// The work of a thread: narrow bands are listed from the front, wide ones from the end.
fn work(thread: u32, narrow: bool) -> Work {
  var w: Work;
  if thread >= batch.gapped { return w; }
  let rank = select(batch.gapped - 1u - thread, thread, narrow);
  let c = chosen[rank];
  if c.job == NONE { return w; }
  let job = jobs[c.job];
  if (job.spread == 0u) != narrow { return w; }
  let low = i32(job.spread & 0xffffu);
  let high = i32(job.spread >> 16u);
  let shift = clamp((high - low) / 2, -MAX_SHIFT, MAX_SHIFT);
  let width = select(BAND, NARROW, narrow);
  let first = job.diagonal + bitcast<u32>(shift - i32(width / 2u));
  return Work(true, rank, c.slot, c.job, spans[job.read], is_reverse(job), first);
}

// The best cell of a band.
struct Best { score: i32, i: u32, k: u32 }

// Step 3's end: follows the codes back from the best cell, and writes the alignment.
fn trace_back(w: Work, best: Best) {
  var found: Runs;
  var result = Extension(0, 0u, 0u, 0u, 0u);
  if best.score > 0 {
    var i = best.i;
    var k = best.k;
    loop {
      let origin = code_at(w.rank, i, k) & 3u;
      if origin == FROM_DIAGONAL {
        push(&found, RUN_MATCH);
        i -= 1u;
      } else if origin == FROM_START {
        push(&found, RUN_MATCH);
        break;
      } else if origin == FROM_DELETION {
        loop {
          push(&found, RUN_DELETION);
          let opens = (code_at(w.rank, i, k) & DELETION_OPENS) != 0u;
          k -= 1u;
          if opens { break; }
        }
      } else {
        loop {
          push(&found, RUN_INSERTION);
          let opens = (code_at(w.rank, i, k) & INSERTION_OPENS) != 0u;
          i -= 1u;
          k += 1u;
          if opens { break; }
        }
      }
    }
    put(&found);
    if found.n > MAX_RUNS {
      found.n = 0u;
    } else {
      result = Extension(best.score, w.first + i + k, i | ((best.i + 1u) << 16u), found.n, w.slot);
    }
  }
  for (var r = 0u; r < MAX_RUNS; r += 1u) {
    var run = 0u;
    if r < found.n { run = found.list[found.n - 1u - r]; }
    runs[w.slot][r] = run;
  }
  extensions[w.job] = result;
}
