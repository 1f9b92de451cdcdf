//! `candidate`: where each read may lie, from its seeds' places, each pair's mates together.
//!
//! One job per template. A place of a seed puts the read's first aligned base at a *diagonal* of the
//! packed genome, on one strand. Places on near diagonals make a cluster; a cluster is a candidate
//! when enough seeds speak for it.
//!
//! 1. Seeds of few places only: the largest power of two `t` such that all seeds with at most `t`
//!    places have [`MAX_HITS`] places or fewer together, and `t <= MAX_OCCURRENCES`. If those with at
//!    most `t / 2` are [`MANY_OF_FOUR`] in four, [`FEW_HITS`] or fewer.
//! 2. Groups: places in the order of (strand, diagonal, offset); a step of more than [`CLUSTER_GAP`]
//!    between neighbours ends one. Places of one diagonal are a line. A group's best line is its
//!    longest (the lowest of several). Each line of at least half that length heads a cluster, unless
//!    it continues the best line: the lines before and behind a gap in the read make one cluster,
//!    the copies of a tandem repeat one each. A cluster is its head, whose diagonal is its main
//!    one, and the lines that continue it. Votes: different seeds in it.
//! 3. Kept: clusters with a third of the votes of the read's best or more.
//! 4. Partner: the most votes of a kept cluster of the mate, on the other strand, such that the outer
//!    distance of the two lies in the pair window.
//! 5. Of a pair's clusters without a partner only those are kept that have half of the best one's votes.
//!    Candidates: the [`MAX_CANDIDATES`] of most votes and partner's votes together. Ties: more votes,
//!    then a hash of diagonal and read (so that of many equal copies any can win, but the same each
//!    time), then the diagonal.

use super::locate::{
    LISTS, OF_CANDIDATES, OF_HEAVY, OF_REST, PER_READ, PER_TEMPLATE, Rooms, Tables, add_list,
    add_scan,
};
use super::seed::{REVERSE, Reads, Seed};
use crate::device::gpu::Gpu;
use crate::device::lanes::prefetch;
use crate::device::program::Use::{In, Out};
use crate::device::program::{Program, Threads};
use crate::device::shader::{Shader, nothing};
use crate::genome::syncmer::{K, MULTIPLIERS, hash_kmer};
use bytemuck::{Pod, Zeroable};
use std::cmp::Reverse;

/// Most places looked at for a read.
pub const MAX_HITS: u32 = 256;
/// Most places looked at for a read of which many lists are short.
pub const FEW_HITS: u32 = 64;
/// In how many of four lists of a read, then. About one list in four is a chance match, always short;
/// were fewer enough, a read of copies that stand more often than `t` would be placed by those alone.
pub const MANY_OF_FOUR: u32 = 3;
/// Seeds with more places than this are not looked at; a power of two.
pub const MAX_OCCURRENCES: u32 = 256;
/// Widest step between neighbouring diagonals of a group, and from a line to one that continues it, bases.
pub const CLUSTER_GAP: u32 = 64;
/// Most candidates of a read.
pub const MAX_CANDIDATES: usize = 8;

/// Where a read may lie.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Pod, Zeroable)]
#[repr(C)]
pub struct Candidate {
    /// Rank of the read in the batch.
    pub read: u32,
    /// Packed-genome position of the first base of the read (reverse-complemented if `reverse`) if
    /// it lay there without gaps: the main diagonal.
    pub diagonal: u32,
    /// Bit 31: on the reverse strand. Bits 0–7: votes. Bits 8–15: the partner's votes.
    pub votes: u32,
    /// Bases of the aligned read that seeds on the main diagonal span: first, and end in the upper half.
    pub seeded: u32,
    /// How far the cluster reaches below the main diagonal, and above it in the upper half.
    pub spread: u32,
}

impl Candidate {
    /// On the reverse strand?
    pub fn is_reverse(self) -> bool {
        self.votes & REVERSE != 0
    }

    /// Different seeds that speak for it.
    pub fn own_votes(self) -> u32 {
        self.votes & 0xff
    }

    /// Votes of the best cluster of the mate that would make a pair with it.
    pub fn partner_votes(self) -> u32 {
        self.votes >> 8 & 0xff
    }
}

/// What a read's seeds looked like, for its mapping quality.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Pod, Zeroable)]
#[repr(C)]
pub struct Summary {
    /// Lists of places (one per seed and strand).
    pub lists: u32,
    /// Lists left out because they are too long.
    pub skipped: u32,
}

/// How far apart the ends of a pair may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Pod, Zeroable)]
#[repr(C)]
pub struct PairWindow {
    /// 1 if reads 2t and 2t + 1 are mates, else 0.
    pub paired: u32,
    /// Most bases from the forward read's first base to the reverse read's last.
    pub longest: u32,
}

/// A cluster of places of one read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Cluster {
    reverse: bool,
    diagonal: u32,
    votes: u32,
    partner: u32,
    seeded: (u32, u32),
    low: u32,
    high: u32,
}

/// What the kernel finds in a batch.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Found {
    /// Read by read, best first; a read may have none.
    pub candidates: Vec<Candidate>,
    /// One per read.
    pub summaries: Vec<Summary>,
}

/// Working memory, so that nothing is allocated per read.
#[derive(Debug, Default)]
pub struct Scratch {
    hits: Vec<u64>,
    clusters: [Vec<Cluster>; 2],
}

/// The reads of template `t`.
fn reads_of(t: usize, window: PairWindow) -> std::ops::Range<usize> {
    if window.paired == 1 {
        2 * t..2 * t + 2
    } else {
        t..t + 1
    }
}

/// The definition: appends the candidates of template `t`'s reads, read by read, best first, and a
/// summary for each of its reads. `seed_ends[r]` is where read `r`'s list in `seeds` ends.
pub fn plain(
    reads: Reads,
    t: usize,
    seeds: (&[Seed], &[u32]),
    positions: &[u32],
    window: PairWindow,
    scratch: &mut Scratch,
    out: &mut Found,
) {
    template(
        reads,
        t,
        seeds,
        window,
        scratch,
        out,
        |list, length, hits, clusters| cluster(list, length, positions, hits, clusters),
    );
}

/// Templates whose places are on their way while one is looked at.
const AHEAD: usize = 2;

/// All templates of a batch: as the definition, but for [`cluster_company`].
pub fn on_cpu(
    reads: Reads,
    seeds: (&[Seed], &[u32]),
    positions: &[u32],
    window: PairWindow,
    scratch: &mut Scratch,
    out: &mut Found,
) {
    out.candidates.clear();
    out.summaries.clear();
    let templates = reads.spans.len() / (1 + window.paired as usize);
    for t in 0..templates {
        let ahead = reads_of(t + AHEAD, window);
        if ahead.end <= reads.spans.len() {
            let from = seeds.1[ahead.start - 1] as usize;
            for s in &seeds.0[from..seeds.1[ahead.end - 1] as usize] {
                prefetch(positions, s.start as usize);
            }
        }
        template(
            reads,
            t,
            seeds,
            window,
            scratch,
            out,
            |list, length, hits, clusters| cluster_company(list, length, positions, hits, clusters),
        );
    }
}

/// `candidate_light`, `candidate_heavy`: make clusters of each read's places and keep the best, of reads
/// with few places and of the others; `candidate`, `candidate_rest`: find partners and take the best, of
/// templates with few clusters and of the others; `candidate_pack`: those of all reads, one after another.
pub static SHADERS: [Shader; 5] = [
    Shader {
        name: "candidate_light",
        source: concat!(
            include_str!("../../shaders/common.wgsl"),
            include_str!("../../shaders/batch.wgsl"),
            include_str!("../../shaders/candidate_cluster.wgsl"),
            include_str!("../../shaders/cells_few.wgsl"),
        ),
        tables: &[("positions", "u32")],
        lengths: &LISTS,
        generated: nothing,
    },
    Shader {
        name: "candidate_heavy",
        source: concat!(
            include_str!("../../shaders/common.wgsl"),
            include_str!("../../shaders/batch.wgsl"),
            include_str!("../../shaders/candidate_cluster.wgsl"),
            include_str!("../../shaders/cells_many.wgsl"),
        ),
        tables: &[("positions", "u32")],
        lengths: &LISTS,
        generated: nothing,
    },
    choosing("candidate"),
    choosing("candidate_rest"),
    choosing("candidate_pack"),
];

/// Most places of a read that a GPU does among those of few, and among those of some.
const LIGHT: i64 = 48;
const HEAVY: i64 = 104;
/// Most clusters of a template's reads together, likewise.
const FEW_CLUSTERS: i64 = 8;
const MANY_CLUSTERS: i64 = 40;

const fn choosing(name: &'static str) -> Shader {
    Shader {
        name,
        source: concat!(
            include_str!("../../shaders/common.wgsl"),
            include_str!("../../shaders/batch.wgsl"),
            include_str!("../../shaders/hash.wgsl"),
            include_str!("../../shaders/candidate.wgsl"),
        ),
        tables: &[],
        lengths: &[],
        generated: nothing,
    }
}

/// Has a program find the candidates of its reads, whose places it has counted.
pub(super) fn add_to(program: &mut Program, gpu: &Gpu, index: &Tables, rooms: &Rooms) {
    add_scan(program, gpu, rooms, (&rooms.counts, &rooms.hit_ends), None);
    let constants = [
        ("K", K as i64),
        ("REVERSE", i64::from(REVERSE)),
        ("CLUSTER_GAP", i64::from(CLUSTER_GAP)),
        ("CELL_BITS", i64::from(CELL_BITS)),
        ("OUTWEIGHS_ONE", i64::from(OUTWEIGHS_ONE)),
        ("LIGHT", LIGHT),
        ("HEAVY", HEAVY),
    ];
    let positions = [&index.positions];
    let clustering = [
        In(&rooms.batch),
        In(&rooms.spans),
        In(&rooms.seeds),
        In(&rooms.hit_ends),
        Out(&rooms.looks),
        Out(&rooms.hits),
        Out(&rooms.trace), // not yet in use
        Out(&rooms.clusters),
        Out(&rooms.cluster_counts),
    ];
    let args = [&clustering[..], &[Out(&rooms.counts)]].concat();
    program.step(gpu, &SHADERS[0], &constants, &positions, &args, PER_READ);
    let list = (&rooms.candidate_ends, &rooms.wide_ends); // both not yet in use
    add_list(program, gpu, rooms, list, OF_HEAVY);
    let args = [&clustering[..], &[In(&rooms.wide_ends)]].concat();
    let heavy = Threads::Told(&rooms.told, OF_HEAVY);
    program.step(gpu, &SHADERS[1], &constants, &positions, &args, heavy);
    let constants = [
        ("MULTIPLIER_0", i64::from(MULTIPLIERS[0])),
        ("MULTIPLIER_1", i64::from(MULTIPLIERS[1])),
        ("MULTIPLIER_2", i64::from(MULTIPLIERS[2])),
        ("REVERSE", i64::from(REVERSE)),
        ("MAX_CANDIDATES", MAX_CANDIDATES as i64),
        ("FEW_CLUSTERS", FEW_CLUSTERS),
        ("MANY_CLUSTERS", MANY_CLUSTERS),
    ];
    let choosing = [
        In(&rooms.batch),
        In(&rooms.hit_ends),
        Out(&rooms.clusters),
        In(&rooms.spans),
        In(&rooms.bases),
        In(&rooms.cluster_counts),
        Out(&rooms.hits),
        Out(&rooms.kept),
        Out(&rooms.looks),
    ];
    let args = [&choosing[..], &[Out(&rooms.counts)]].concat();
    program.step(gpu, &SHADERS[2], &constants, &[], &args, PER_TEMPLATE);
    add_list(program, gpu, rooms, list, OF_REST);
    let args = [&choosing[..], &[In(&rooms.wide_ends)]].concat();
    let rest = Threads::Told(&rooms.told, OF_REST);
    program.step(gpu, &SHADERS[3], &constants, &[], &args, rest);
    let kept = (&rooms.kept, &rooms.candidate_ends);
    add_scan(program, gpu, rooms, kept, Some(OF_CANDIDATES));
    let args = [
        In(&rooms.batch),
        In(&rooms.hit_ends),
        Out(&rooms.clusters),
        In(&rooms.candidate_ends),
        Out(&rooms.candidates),
        Out(&rooms.looks),
        Out(&rooms.chosen),
    ];
    program.step(gpu, &SHADERS[4], &constants, &[], &args, PER_READ);
}

/// One template, by a way to make the clusters of a read.
fn template(
    reads: Reads,
    t: usize,
    (seeds, seed_ends): (&[Seed], &[u32]),
    window: PairWindow,
    scratch: &mut Scratch,
    out: &mut Found,
    cluster: impl Fn(&[Seed], u32, &mut Vec<u64>, &mut Vec<Cluster>) -> Summary,
) {
    let range = reads_of(t, window);
    let length = |r: usize| reads.spans[r].len;
    let Scratch { hits, clusters } = scratch;
    for (r, clusters) in range.clone().zip(clusters.iter_mut()) {
        let from = if r == 0 { 0 } else { seed_ends[r - 1] as usize };
        let list = &seeds[from..seed_ends[r] as usize];
        clusters.clear();
        out.summaries.push(cluster(list, length(r), hits, clusters));
        let best = clusters.iter().map(|c| c.votes).max().unwrap_or(0);
        clusters.retain(|c| 3 * c.votes >= best);
    }
    let [first, second] = clusters;
    if window.paired == 1 {
        let (a, b) = (length(range.start), length(range.start + 1));
        find_partners(first, a, second, b, window.longest);
        find_partners(second, b, first, a, window.longest);
        for clusters in [&mut *first, &mut *second] {
            let best = clusters.iter().map(|c| c.votes).max().unwrap_or(0);
            clusters.retain(|c| c.partner > 0 || 2 * c.votes >= best);
        }
    }
    for (r, clusters) in range.zip([first, second]) {
        let salt = reads.codes(r).first().copied().unwrap_or(0);
        rank(r as u32, salt, clusters, &mut out.candidates);
    }
}

/// How many places the longest list has that is looked at, and the summary.
pub(crate) fn longest_list(seeds: &[Seed]) -> (u32, Summary) {
    const CLASSES: usize = MAX_OCCURRENCES.trailing_zeros() as usize + 1;
    let mut totals = [0; CLASSES + 1]; // places in lists of up to 1, 2, 4 ...; the last: longer ones
    let mut lists = [0u32; CLASSES + 1];
    for s in seeds {
        let class = (s.count - 1).checked_ilog2().map_or(0, |l| l as usize + 1);
        let class = class.min(CLASSES);
        totals[class] += if class < CLASSES { s.count } else { 0 };
        lists[class] += 1;
    }
    let (mut limit, mut total, mut seen) = (0, 0, 0);
    for (class, places) in totals[..CLASSES].iter().enumerate() {
        total += places;
        if total > MAX_HITS || total > FEW_HITS && 4 * seen >= MANY_OF_FOUR * seeds.len() as u32 {
            break;
        }
        seen += lists[class];
        limit = 1 << class;
    }
    let skipped = seeds.iter().filter(|s| s.count > limit).count() as u32;
    (
        limit,
        Summary {
            lists: seeds.len() as u32,
            skipped,
        },
    )
}

/// Steps 1 and 2 for one read: its clusters, by strand and diagonal.
fn cluster(
    seeds: &[Seed],
    length: u32,
    positions: &[u32],
    hits: &mut Vec<u64>,
    out: &mut Vec<Cluster>,
) -> Summary {
    let (limit, summary) = longest_list(seeds);
    hits.clear();
    places(seeds, limit, length, positions, |place| hits.push(place));
    hits.sort_unstable();
    group(hits, out);
    summary
}

/// Calls `each` for every place of the lists that are looked at. Strand above diagonal above offset
/// above rank: one number orders all four.
fn places(seeds: &[Seed], limit: u32, length: u32, positions: &[u32], mut each: impl FnMut(u64)) {
    for s in seeds.iter().filter(|s| s.count <= limit) {
        // First base of the k-mer in the read as aligned.
        let offset = if s.is_reverse() {
            length - K as u32 - s.offset()
        } else {
            s.offset()
        };
        let low = u64::from(s.is_reverse()) << 55 | u64::from(offset) << 7 | u64::from(s.rank());
        for &at in &positions[s.start as usize..(s.start + s.count) as usize] {
            each(low | u64::from(at - offset) << 23);
        }
    }
}

/// Cells of [`cluster_company`]'s table, per strand.
const CELLS: usize = 1024;
/// Diagonals in a cell: more than [`CLUSTER_GAP`], so that neighbours in a group share a cell or have
/// neighbouring ones.
const CELL_BITS: u32 = 7;
/// Votes from which a cluster of one place is not kept beside it.
const OUTWEIGHS_ONE: u32 = 4;

/// [`cluster`] without most of the places that stand alone. About half of all places are chance
/// matches of hashes, anywhere in the genome. Those with no other near them, by a table of coarse
/// diagonals, are left out before sorting; if the best cluster then has [`OUTWEIGHS_ONE`] votes,
/// they would not have been kept. If not, all are clustered after all.
fn cluster_company(
    seeds: &[Seed],
    length: u32,
    positions: &[u32],
    hits: &mut Vec<u64>,
    out: &mut Vec<Cluster>,
) -> Summary {
    let (limit, summary) = longest_list(seeds);
    let mut cells = [0u8; 2 * CELLS];
    let cell_of = |place: u64| {
        let cell = (place >> (23 + CELL_BITS)) as usize & (CELLS - 1);
        (cell, (place >> 55) as usize * CELLS)
    };
    hits.clear();
    places(seeds, limit, length, positions, |place| {
        let (cell, strand) = cell_of(place);
        let count = &mut cells[strand + cell];
        *count = count.saturating_add(1);
        hits.push(place);
    });
    hits.retain(|&place| {
        let (cell, strand) = cell_of(place);
        let near = |c: usize| u32::from(cells[strand + (c & (CELLS - 1))]);
        near(cell) + near(cell + 1) + near(cell + CELLS - 1) > 1
    });
    hits.sort_unstable();
    group(hits, out);
    if out.iter().all(|c| c.votes < OUTWEIGHS_ONE) {
        out.clear();
        return cluster(seeds, length, positions, hits, out);
    }
    summary
}

/// Step 2: sorted places to clusters.
fn group(hits: &[u64], out: &mut Vec<Cluster>) {
    for group in hits.chunk_by(|&a, &b| line_of(b) - line_of(a) <= u64::from(CLUSTER_GAP)) {
        if line_of(group[0]) == line_of(group[group.len() - 1]) {
            out.push(gather(group, group));
            continue;
        }
        let longest = lines(group).map(<[u64]>::len).max().unwrap_or(0);
        let best = lines(group).find(|l| l.len() == longest).unwrap_or(group);
        for head in lines(group).filter(|l| 2 * l.len() >= longest) {
            if head[0] == best[0] || !continues(best, head) {
                out.push(gather(head, group));
            }
        }
    }
}

/// Strand and diagonal of a place.
fn line_of(place: u64) -> u64 {
    place >> 23
}

/// Diagonal of a place.
fn diagonal_of(place: u64) -> u32 {
    (place >> 23) as u32
}

/// A cluster's places, diagonal by diagonal.
fn lines(group: &[u64]) -> impl Iterator<Item = &[u64]> {
    group.chunk_by(|&a, &b| line_of(a) == line_of(b))
}

/// Bases of the aligned read that a line's seeds span.
fn seeded(line: &[u64]) -> (u32, u32) {
    let offset_of = |place: u64| (place >> 7) as u32 & 0xffff;
    (
        offset_of(line[0]),
        offset_of(line[line.len() - 1]) + K as u32,
    )
}

/// Do two lines speak for parts of the read that lie beside each other rather than for the same part,
/// as those before and behind a gap do? Then they share at most half of the shorter one's bases, and
/// their diagonals are near.
fn continues(a: &[u64], b: &[u64]) -> bool {
    let (x, y) = (seeded(a), seeded(b));
    let shared = x.1.min(y.1).saturating_sub(x.0.max(y.0));
    2 * shared <= (x.1 - x.0).min(y.1 - y.0)
        && diagonal_of(a[0]).abs_diff(diagonal_of(b[0])) <= CLUSTER_GAP
}

/// The cluster around one line: it, and the lines that continue it.
fn gather(head: &[u64], group: &[u64]) -> Cluster {
    let diagonal = diagonal_of(head[0]);
    let (mut voters, mut low, mut high) = (0u128, 0, 0);
    for line in lines(group).filter(|l| l[0] == head[0] || continues(head, l)) {
        for place in line {
            voters |= 1 << (place & 0x7f);
        }
        low = low.max(diagonal.saturating_sub(diagonal_of(line[0])));
        high = high.max(diagonal_of(line[0]).saturating_sub(diagonal));
    }
    Cluster {
        reverse: head[0] >> 55 != 0,
        diagonal,
        votes: voters.count_ones(),
        partner: 0,
        seeded: seeded(head),
        low,
        high,
    }
}

/// Step 4: for each cluster the most votes of one of the mate's that would make a pair with it.
///
/// With the forward read at `f` and the reverse read at `r`, the outer distance is `r + length of
/// the reverse read - f`; it must lie in `1..=longest`, so that short fragments whose reads run
/// through each other still pair.
fn find_partners(
    own: &mut [Cluster],
    own_length: u32,
    mate: &[Cluster],
    mate_length: u32,
    longest: u32,
) {
    let turn = mate.partition_point(|m| !m.reverse);
    let (forward, reverse) = mate.split_at(turn);
    for c in own {
        // Diagonals from..to of the mate's clusters on the other strand.
        let (others, from, to) = if c.reverse {
            let end = c.diagonal + own_length;
            (forward, end.saturating_sub(longest), end)
        } else {
            let end = c.diagonal + 1;
            (
                reverse,
                end.saturating_sub(mate_length),
                (c.diagonal + longest + 1).saturating_sub(mate_length),
            )
        };
        let first = others.partition_point(|m| m.diagonal < from);
        let near = others[first..].iter().take_while(|m| m.diagonal < to);
        c.partner = near.map(|m| m.votes).max().unwrap_or(0);
    }
}

/// Step 5: appends the read's candidates, best first.
fn rank(read: u32, salt: u32, clusters: &mut [Cluster], out: &mut Vec<Candidate>) {
    clusters.sort_unstable_by_key(|c| {
        let sum = c.votes + c.partner;
        (
            Reverse(sum),
            Reverse(c.votes),
            hash_kmer(c.diagonal, salt),
            c.diagonal,
            c.reverse,
        )
    });
    out.extend(clusters.iter().take(MAX_CANDIDATES).map(|c| Candidate {
        read,
        diagonal: c.diagonal,
        votes: c.votes | c.partner << 8 | if c.reverse { REVERSE } else { 0 },
        seeded: c.seeded.0 | c.seeded.1 << 16,
        spread: c.low | c.high << 16,
    }));
}
