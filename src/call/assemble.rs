//! Haplotypes put together from reads: a de Bruijn graph of a window, in which the reads' k-mers are
//! nodes, pruned of what too few reads show; its likeliest paths from the reference before the window
//! to the reference behind it are haplotypes, and where these differ from the reference are alleles.
//! What the aligner placed wrongly or clipped, and what goes together, is seen here.

use super::active::Window;
use super::allele::{Stretch, core, normalize, reach};
use super::haplotype::apply;
use super::reads::{Load, Read};
use super::repeats::{self, Repeat};
use crate::domain::bases::LETTERS;
use crate::domain::{CigarOp, Pos, Span, Variant, code_of};
use std::cmp::Ordering;
use std::collections::{BinaryHeap, HashMap};

/// Lengths of k-mers, tried in turn until the graph has no cycle. At most 63: a k-mer is a `u128`.
const LENGTHS: [usize; 4] = [21, 31, 45, 61];
/// Reference bases between the window's core and the k-mers at the ends of the paths.
const MARGIN: u32 = 8;
/// Bases below this quality break a read's k-mers.
const LEAST_QUALITY: u8 = 12;
/// Paths that are followed.
const MOST_PATHS: usize = 16;
/// Alleles of a window, at most; as many as fit the bits of a set.
const MOST_ALLELES: usize = 24;
/// No window grows longer.
pub const LONGEST_CORE: u32 = 300;
/// Score of a base that fits, of one that does not, and of a gap's first and later bases (the shape
/// of GATK's haplotype-to-reference parameters).
const MATCH: i32 = 20;
const MISMATCH: i32 = -15;
const OPEN: i32 = -26;
const EXTEND: i32 = -1;

/// Adds to a window the alleles of the haplotypes that its reads assemble to, and the sets in which
/// they go together.
pub fn enrich(window: &mut Window, loads: &[&Load], around: &Stretch, germline: bool) {
    let simple = window.alleles.iter().filter(|v| v.is_snv()).count();
    let asked_only = window.forced.count_ones() as usize == window.alleles.len();
    if !window.alleles.is_empty() && (asked_only || simple == window.alleles.len() && simple < 3) {
        return; // substitutions that every alignment shows
    }
    let Some(found) = LENGTHS
        .iter()
        .find_map(|&k| assemble(window, loads, around, k, germline))
    else {
        return;
    };
    let repeats = repeats::find(around);
    for path in found {
        add(window, path, around, &repeats);
    }
    window.alleles.sort();
}

/// Adds one haplotype, if the window has room for its alleles.
fn add(window: &mut Window, mut path: Vec<Variant>, around: &Stretch, repeats: &[Repeat]) {
    let near = window.core.widened(super::active::NEAR, u32::MAX);
    path.retain(|v| {
        let c = core(v);
        near.start <= c.start
            && c.end <= near.end
            && window.room.start <= v.pos.0
            && c.end <= window.room.end
    });
    let mut alleles = window.alleles.clone();
    alleles.extend(path.iter().filter(|v| !window.alleles.contains(v)).cloned());
    let mut wider = window.core;
    for v in &path {
        let r = repeats::with_touched(repeats, reach(v, around));
        wider = Span::new(wider.start.min(r.start), wider.end.max(r.end));
    }
    if path.is_empty() || alleles.len() > MOST_ALLELES || wider.len() > LONGEST_CORE {
        return;
    }
    // Bits follow the sorted order.
    alleles.sort();
    let place = |v: &Variant| alleles.binary_search(v).expect("it was added");
    let moved: Vec<usize> = window.alleles.iter().map(place).collect();
    for set in window.assembled.iter_mut().chain([&mut window.forced]) {
        let bits = (0..moved.len()).filter(|&k| *set >> k & 1 == 1);
        *set = bits.fold(0, |s, k| s | 1 << moved[k]);
    }
    window
        .assembled
        .push(path.iter().fold(0, |s, v| s | 1 << place(v)));
    let flank = (
        window.core.start - window.span.start,
        window.span.end - window.core.end,
    );
    window.core = wider;
    window.span = Span::new(wider.start.saturating_sub(flank.0), wider.end + flank.1);
    window.alleles = alleles;
}

/// One k-mer of the graph.
struct Node {
    /// Reads that go on with each base.
    weight: [u32; 4],
    /// Where they go on to.
    next: [u32; 4],
    /// The base with which the reference goes on, if it is here.
    of_reference: Option<u8>,
}

const NOWHERE: u32 = u32::MAX;

/// The graph of a stretch of the reference.
struct Graph {
    k: usize,
    nodes: Vec<Node>,
    by_kmer: HashMap<u128, u32>,
}

impl Graph {
    fn node(&mut self, kmer: u128) -> u32 {
        let new = self.nodes.len() as u32;
        let id = *self.by_kmer.entry(kmer).or_insert(new);
        if id == new {
            self.nodes.push(Node {
                weight: [0; 4],
                next: [NOWHERE; 4],
                of_reference: None,
            });
        }
        id
    }

    /// Adds a run of known bases, as codes; returns the nodes along it.
    fn thread(&mut self, codes: &[u8], weight: u32) -> Vec<u32> {
        let mask = (1u128 << (2 * self.k)) - 1;
        let (mut kmer, mut along) = (0u128, Vec::new());
        for (i, &c) in codes.iter().enumerate() {
            kmer = (kmer << 2 | u128::from(c)) & mask;
            if i + 1 < self.k {
                continue;
            }
            let id = self.node(kmer);
            if let Some(&before) = along.last() {
                let node: &mut Node = &mut self.nodes[before as usize];
                node.weight[c as usize] += weight;
                node.next[c as usize] = id;
            }
            along.push(id);
        }
        along
    }

    /// The ways on from a node that enough reads, or the reference, go.
    fn ways(&self, id: u32, least: u32) -> impl Iterator<Item = (u8, u32, u32)> + '_ {
        let node = &self.nodes[id as usize];
        (0..4u8).filter_map(move |c| {
            let w = node.weight[c as usize];
            let kept = node.of_reference == Some(c) || w >= least;
            (kept && node.next[c as usize] != NOWHERE).then_some((
                c,
                node.next[c as usize],
                w.max(1),
            ))
        })
    }

    /// Nodes that can be reached, each before those it leads to; `None` if there is a cycle.
    fn in_order(&self, source: u32, least: u32) -> Option<Vec<u32>> {
        let mut state = vec![0u8; self.nodes.len()]; // 1: on the way, 2: done
        let mut out = Vec::new();
        let mut stack = vec![(source, false)];
        while let Some((id, leaving)) = stack.pop() {
            if leaving {
                state[id as usize] = 2;
                out.push(id);
                continue;
            }
            if state[id as usize] != 0 {
                continue;
            }
            state[id as usize] = 1;
            stack.push((id, true));
            for (_, next, _) in self.ways(id, least) {
                match state[next as usize] {
                    0 => stack.push((next, false)),
                    1 => return None,
                    _ => {}
                }
            }
        }
        out.reverse();
        Some(out)
    }

    /// The likeliest paths from source to sink, as the bases they add, the likeliest first.
    fn paths(&self, source: u32, sink: u32, order: &[u32], least: u32) -> Vec<Vec<u8>> {
        // log2 chance of the likeliest way from each node to the sink.
        let mut rest = vec![f64::NEG_INFINITY; self.nodes.len()];
        rest[sink as usize] = 0.0;
        let chance = |id: u32, w: u32| {
            let all: u32 = self.ways(id, least).map(|x| x.2).sum();
            (f64::from(w) / f64::from(all)).log2()
        };
        for &id in order.iter().rev().filter(|&&id| id != sink) {
            for (_, next, w) in self.ways(id, least) {
                rest[id as usize] = rest[id as usize].max(chance(id, w) + rest[next as usize]);
            }
        }
        let mut out = Vec::new();
        let mut waiting = BinaryHeap::new();
        waiting.push(Path {
            promise: rest[source as usize],
            so_far: 0.0,
            at: source,
            bases: Vec::new(),
        });
        while let Some(p) = waiting.pop() {
            if p.at == sink {
                out.push(p.bases);
                if out.len() == MOST_PATHS {
                    break;
                }
                continue;
            }
            for (c, next, w) in self.ways(p.at, least) {
                let so_far = p.so_far + chance(p.at, w);
                let promise = so_far + rest[next as usize];
                if promise.is_finite() {
                    let mut bases = p.bases.clone();
                    bases.push(c);
                    waiting.push(Path {
                        promise,
                        so_far,
                        at: next,
                        bases,
                    });
                }
            }
        }
        out
    }
}

/// The beginning of a path.
struct Path {
    /// log2 chance of the likeliest whole path that begins so.
    promise: f64,
    so_far: f64,
    at: u32,
    bases: Vec<u8>,
}

impl Ord for Path {
    fn cmp(&self, other: &Path) -> Ordering {
        self.promise
            .total_cmp(&other.promise)
            .then_with(|| other.bases.cmp(&self.bases))
    }
}
impl PartialOrd for Path {
    fn partial_cmp(&self, other: &Path) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}
impl PartialEq for Path {
    fn eq(&self, other: &Path) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}
impl Eq for Path {}

/// The alleles of each haplotype but the reference; `None` if k-mers of this length go in circles.
fn assemble(
    window: &Window,
    loads: &[&Load],
    around: &Stretch,
    k: usize,
    germline: bool,
) -> Option<Vec<Vec<Variant>>> {
    let wide = window.core.widened(k as u32 + MARGIN, u32::MAX);
    let span = Span::new(
        wide.start.max(around.span.start),
        wide.end.min(around.span.end),
    );
    let reference: Vec<u8> = around
        .part(span.start, span.end)
        .iter()
        .map(|&b| code_of(b))
        .collect();
    if reference.len() < k + 2 || reference.iter().any(|&c| c > 3) {
        return Some(Vec::new());
    }
    let mut graph = Graph {
        k,
        nodes: Vec::new(),
        by_kmer: HashMap::new(),
    };
    let along = graph.thread(&reference, 0);
    if graph.nodes.len() != along.len() {
        return None; // a k-mer of the reference stands twice
    }
    for (i, pair) in along.windows(2).enumerate() {
        graph.nodes[pair[0] as usize].of_reference = Some(reference[i + k]);
    }
    let (mut as_reference, mut depth) = (0, 0);
    for read in loads.iter().flat_map(|l| &l.reads) {
        let part = read.part_in(span);
        if part.len() <= k {
            continue;
        }
        depth += 1;
        if is_reference(read, span, around) {
            as_reference += 1;
            continue;
        }
        let known = |i: &usize| read.quals[*i] >= LEAST_QUALITY;
        let mut at = part.start;
        while at < part.end {
            let run: Vec<u8> = (at..part.end)
                .take_while(known)
                .map(|i| read.bases[i])
                .collect();
            if run.len() > k {
                graph.thread(&run, 1);
            }
            at += run.len() + 1;
        }
    }
    for (i, pair) in along.windows(2).enumerate() {
        graph.nodes[pair[0] as usize].weight[reference[i + k] as usize] += as_reference;
    }
    // One error makes k wrong k-mers; the same error in several reads is rare, but grows with depth.
    let least = if germline {
        2.max(depth / 20)
    } else {
        3 + depth / 400
    };
    let (source, sink) = (along[0], along[along.len() - 1]);
    let order = graph.in_order(source, least)?;
    let start = &reference[..k];
    let letters = |codes: &[u8]| {
        codes
            .iter()
            .map(|&c| LETTERS[c as usize])
            .collect::<Vec<u8>>()
    };
    let before = letters(&reference);
    let found = graph
        .paths(source, sink, &order, least)
        .into_iter()
        .map(|added| letters(&[start, &added].concat()))
        .filter(|haplotype| *haplotype != before)
        .filter_map(|haplotype| alleles(&haplotype, span, around))
        .collect();
    Some(found)
}

/// Does the part of the read equal the reference?
fn is_reference(read: &Read, span: Span, around: &Stretch) -> bool {
    let (mut at, mut position) = (0u32, read.start);
    for &(n, op) in &read.cigar {
        match op {
            CigarOp::Match => {
                let (a, b) = (position.max(span.start), (position + n).min(span.end));
                if a < b
                    && (a..b)
                        .any(|p| code_of(around.at(p)) != read.bases[(at + p - position) as usize])
                {
                    return false;
                }
            }
            _ if position >= span.start && position <= span.end => return false,
            _ => {}
        }
        if op.takes_read() {
            at += n;
        }
        if op.takes_reference() {
            position += n;
        }
    }
    true
}

/// Where a haplotype differs from the reference of `span`: the alleles that, put in place together,
/// spell it.
fn alleles(haplotype: &[u8], span: Span, around: &Stretch) -> Option<Vec<Variant>> {
    let raw = differences(
        around.part(span.start, span.end),
        haplotype,
        span.start,
        around,
    );
    let mut normal: Vec<Variant> = raw.iter().map(|v| normalize(v.clone(), around)).collect();
    normal.sort_by_key(|v| (core(v).start, core(v).end));
    normal.dedup();
    // An indel that moves left across a substitution would stand in other bases.
    let spells = |alleles: &[Variant]| {
        let carried: Vec<&Variant> = alleles.iter().collect();
        apply(&carried, span, around).is_some_and(|s| s == haplotype)
    };
    [normal, raw].into_iter().find(|set| spells(set))
}

/// Substitutions and gaps of the best global alignment with affine gap costs (Gotoh 1982), gaps as
/// far left as it goes; `start` is the reference's position.
fn differences(reference: &[u8], haplotype: &[u8], start: u32, around: &Stretch) -> Vec<Variant> {
    let (rows, columns) = (reference.len() + 1, haplotype.len() + 1);
    let never = i32::MIN / 2;
    let at = |i: usize, j: usize| i * columns + j;
    let mut best = vec![never; rows * columns]; // ends in a pair
    let mut deleted = best.clone(); // ends in a gap of the haplotype
    let mut inserted = best.clone(); // ends in a gap of the reference
    best[0] = 0;
    for i in 0..rows {
        for j in 0..columns {
            let here = at(i, j);
            if i > 0 && j > 0 {
                let d = at(i - 1, j - 1);
                let fits = if reference[i - 1] == haplotype[j - 1] {
                    MATCH
                } else {
                    MISMATCH
                };
                best[here] = best[d].max(deleted[d]).max(inserted[d]) + fits;
            }
            if i > 0 {
                let u = at(i - 1, j);
                deleted[here] = (deleted[u] + EXTEND).max(best[u].max(inserted[u]) + OPEN);
            }
            if j > 0 {
                let l = at(i, j - 1);
                inserted[here] = (inserted[l] + EXTEND).max(best[l].max(deleted[l]) + OPEN);
            }
        }
    }
    let (mut i, mut j) = (rows - 1, columns - 1);
    let mut out: Vec<Variant> = Vec::new();
    let variant = |from: usize, to: usize, with: &[u8]| {
        // A gap carries the base before it.
        let anchor = usize::from(from == to || with.is_empty());
        let first = start + (from - anchor) as u32;
        let before = &reference[from - anchor..from];
        Variant {
            contig: around.contig,
            pos: Pos(first),
            reference: reference[from - anchor..to].to_vec(),
            alternate: [before, with].concat(),
        }
    };
    while i > 0 || j > 0 {
        let here = at(i, j);
        let top = best[here].max(deleted[here]).max(inserted[here]);
        if i == 0 || j == 0 {
            return Vec::new(); // a gap at the end: not between anchors
        }
        if top == best[here] {
            if reference[i - 1] != haplotype[j - 1] {
                out.push(variant(i - 1, i, &haplotype[j - 1..j]));
            }
            (i, j) = (i - 1, j - 1);
        } else if top == deleted[here] {
            let end = i;
            let mut value = deleted[here];
            while i > 0 {
                let u = at(i - 1, j);
                i -= 1;
                if value == best[u].max(inserted[u]) + OPEN {
                    break;
                }
                value = deleted[u];
            }
            if i == 0 {
                return Vec::new();
            }
            out.push(variant(i, end, &[]));
        } else {
            let end = j;
            let mut value = inserted[here];
            while j > 0 {
                let l = at(i, j - 1);
                j -= 1;
                if value == best[l].max(deleted[l]) + OPEN {
                    break;
                }
                value = inserted[l];
            }
            out.push(variant(i, i, &haplotype[j..end]));
        }
    }
    out.reverse();
    out
}
