//! `pairhmm`: how likely is a read, given the haplotype it came from? The sum over all alignments
//! (match, insertion, deletion states) of a read against a haplotype, free at both ends of the
//! haplotype, as GATK defines it (`docs/pair_hmm.tex`), in fixed-point log space ([`LogLik`]).
//!
//! One difference: the factor 1/|H| of the first row is left out. It is the same for all reads, and
//! would tax an allele for the length of its insertion.
//!
//! A sequence is bytes, four to a word, the first in the lowest bits: the 2-bit base code in the
//! lower two bits, a quality of 0..=63 in the upper six. In a read it is the base quality (0: the
//! base is not known, and fits any); in a haplotype, the phred chance that a gap opens there, which
//! the caller lowers in repeats.

use crate::Result;
use crate::device::buffer::Arg;
use crate::device::gpu::Gpu;
use crate::device::shader::{Shader, nothing};
use crate::domain::quality::{
    ADD_TABLE, BIT, BITS_PER_PHRED, LogLik, NEVER, STEP_SHIFT, error_of, log_add, of_complement,
    of_phred,
};
use bytemuck::{Pod, Zeroable};

/// One read against one haplotype. Places and lengths are in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Pod, Zeroable)]
#[repr(C)]
pub struct Job {
    /// First byte of the read.
    pub read: u32,
    /// Bases of the read; 0 makes the likelihood [`NEVER`].
    pub read_len: u32,
    /// First byte of the haplotype.
    pub haplotype: u32,
    /// Bases of the haplotype.
    pub haplotype_len: u32,
}

/// Phred chance that a gap opens outside repeats (GATK's default).
pub const GAP_OPEN: u8 = 45;
/// log2 of the chance that a gap goes on: 10 phred (GATK's gap continuation penalty).
pub const GAP_EXTEND: i32 = of_phred(10.0);
/// log2 of the chance that a gap ends.
pub const GAP_CLOSE: i32 = of_complement(10, 1.0);
/// Base qualities below this count as [`POOR_QUALITY`], as in GATK.
pub const POOR_BELOW: u32 = 18;
/// See [`POOR_BELOW`].
pub const POOR_QUALITY: u32 = 6;

/// Where the tables stand in [`tables`].
pub const EMIT_AT: usize = ADD_TABLE.len();
/// Where the gap table stands in [`tables`].
pub const GAP_AT: usize = EMIT_AT + 128;

/// `[matched, mismatched]` by base quality.
static EMIT: [[i32; 2]; 64] = {
    let mut t = [[-2 * BIT; 2]; 64]; // quality 0: any base, one of four
    let mut q = 1;
    while q < 64 {
        let e = if q < POOR_BELOW { POOR_QUALITY } else { q };
        t[q as usize] = [
            of_complement(e, 1.0),
            of_phred(e as f64 + 4.771_212_547_196_624), // a third of it: 10 log10 3
        ];
        q += 1;
    }
    t
};

/// log2 chances, in 1/65536 bit, that a base of this quality (0..=63) was read where the haplotype has
/// the same, and where it has another one.
pub fn emission(quality: u8) -> [i32; 2] {
    EMIT[usize::from(quality & 63)]
}

/// `[open, stay]` by gap quality: the chance of one gap kind, and of neither.
static GAP: [[i32; 2]; 64] = {
    let mut t = [[0; 2]; 64];
    let mut q = 0;
    while q < 64 {
        let open = if q < 4 { 4 } else { q }; // 2 * 10^-0.4 leaves a fifth for no gap
        t[q as usize] = [of_phred(open as f64), of_complement(open, 2.0)];
        q += 1;
    }
    t
};

/// All tables in one array, as the device gets them: adding, then emission, then gaps.
pub fn tables() -> Vec<i32> {
    let mut all = ADD_TABLE.to_vec();
    all.extend(EMIT.as_flattened());
    all.extend(GAP.as_flattened());
    all
}

/// The byte of a base: `code` 0..=3, `quality` cut to 63.
pub fn pack(code: u8, quality: u8) -> u8 {
    code & 3 | quality.min(63) << 2
}

fn byte(words: &[u32], at: u32) -> u32 {
    words[at as usize / 4] >> (8 * (at % 4)) & 0xff
}

/// The definition: one job, no tricks.
pub fn plain(reads: &[u32], haplotypes: &[u32], job: Job) -> LogLik {
    let columns = job.haplotype_len as usize;
    // Row 0: the read may start anywhere, which the deletion state of every column stands for.
    let mut matched = vec![NEVER; columns + 1];
    let mut inserted = vec![NEVER; columns + 1];
    let mut deleted = vec![0; columns + 1];
    for i in 0..job.read_len {
        let read = byte(reads, job.read + i);
        let emit = EMIT[(read >> 2) as usize];
        let mut diagonal = (matched[0], inserted[0], deleted[0]);
        (matched[0], inserted[0], deleted[0]) = (NEVER, NEVER, NEVER);
        for j in 1..=columns {
            let base = byte(haplotypes, job.haplotype + j as u32 - 1);
            let [open, stay] = GAP[(base >> 2) as usize];
            let e = emit[usize::from((base ^ read) & 3 != 0)];
            let after_gap = log_add(diagonal.1, diagonal.2) + GAP_CLOSE;
            let m = (log_add(diagonal.0 + stay, after_gap) + e).max(NEVER);
            let ins = log_add(matched[j] + open, inserted[j] + GAP_EXTEND).max(NEVER);
            let del = log_add(matched[j - 1] + open, deleted[j - 1] + GAP_EXTEND).max(NEVER);
            diagonal = (matched[j], inserted[j], deleted[j]);
            (matched[j], inserted[j], deleted[j]) = (m, ins, del);
        }
    }
    // The read may end anywhere.
    let mut total = NEVER;
    if job.read_len > 0 {
        for j in 1..=columns {
            total = log_add(total, log_add(matched[j], inserted[j]));
        }
    }
    LogLik(total)
}

/// The definition again in f64 and linear space, scaled row by row: what fixed point is measured by.
/// In phred, as [`LogLik::phred`].
pub fn exact(reads: &[u32], haplotypes: &[u32], job: Job) -> f64 {
    let floor = f64::exp2(f64::from(NEVER) / f64::from(BIT));
    let columns = job.haplotype_len as usize;
    let [mut m, mut i, mut d] = [0.0, 0.0, 1.0].map(|start| vec![start; columns + 1]);
    let mut scale = 0.0;
    for row in 0..job.read_len {
        let read = byte(reads, job.read + row);
        let error = match read >> 2 {
            0 => None,
            q if q < POOR_BELOW => Some(POOR_QUALITY),
            q => Some(q),
        };
        let error = error.map(error_of);
        let [mut m2, mut i2, mut d2] = [(); 3].map(|()| vec![0.0; columns + 1]);
        for j in 1..=columns {
            let base = byte(haplotypes, job.haplotype + j as u32 - 1);
            let open = error_of((base >> 2).max(4));
            let emit = match error {
                None => 0.25,
                Some(e) if base % 4 == read % 4 => 1.0 - e,
                Some(e) => e / 3.0,
            };
            m2[j] = emit * (m[j - 1] * (1.0 - 2.0 * open) + (i[j - 1] + d[j - 1]) * 0.9);
            i2[j] = m[j] * open + i[j] * 0.1;
            d2[j] = m2[j - 1] * open + d2[j - 1] * 0.1;
        }
        let largest = m2.iter().chain(&i2).copied().fold(floor, f64::max);
        for x in m2.iter_mut().chain(&mut i2).chain(&mut d2) {
            *x /= largest;
        }
        scale += largest.log2();
        (m, i, d) = (m2, i2, d2);
    }
    let ends = m.iter().zip(&i).skip(1).map(|(m, i)| m + i);
    (scale + ends.sum::<f64>().log2()) / BITS_PER_PHRED
}

/// All jobs, on the thread that calls, with groups of jobs side by side in the widest vectors.
pub fn on_cpu(reads: &[u32], haplotypes: &[u32], jobs: &[Job]) -> Vec<LogLik> {
    // Neighbours of like size waste the least room in a group; results go back to their places.
    let mut order: Vec<u32> = (0..jobs.len() as u32).collect();
    order.sort_unstable_by_key(|&i| {
        let j = jobs[i as usize];
        (j.haplotype_len, j.read_len, i)
    });
    let sorted: Vec<Job> = order.iter().map(|&i| jobs[i as usize]).collect();
    let mut results = vec![LogLik(NEVER); jobs.len()];
    groups(reads, haplotypes, &sorted, &mut results);
    let mut out = vec![LogLik(NEVER); jobs.len()];
    for (&i, &r) in order.iter().zip(&results) {
        out[i as usize] = r;
    }
    out
}

/// The shader of this kernel.
pub static SHADER: Shader = Shader {
    name: "pairhmm",
    source: concat!(
        include_str!("../../shaders/common.wgsl"),
        include_str!("../../shaders/pairhmm_jobs.wgsl"),
        include_str!("../../shaders/pairhmm.wgsl")
    ),
    tables: &[],
    lengths: &[],
    generated: nothing,
};

/// All jobs on a GPU, a thread each.
///
/// # Errors
/// [`Error::Device`](crate::Error::Device) for the first thing that went wrong on it.
pub fn on_gpu(gpu: &Gpu, reads: &[u32], haplotypes: &[u32], jobs: &[Job]) -> Result<Vec<LogLik>> {
    let constants = [
        ("NEVER", i64::from(NEVER)),
        ("STEP_SHIFT", i64::from(STEP_SHIFT)),
        ("GAP_EXTEND", i64::from(GAP_EXTEND)),
        ("GAP_CLOSE", i64::from(GAP_CLOSE)),
        ("EMIT_AT", EMIT_AT as i64),
        ("GAP_AT", GAP_AT as i64),
    ];
    launch(
        gpu,
        &SHADER,
        &constants,
        &tables(),
        (reads, haplotypes, jobs),
    )
}

/// Runs a shader of the pairHMM, whatever its numbers are: its tables, then a result for each job.
///
/// # Errors
/// As [`on_gpu`].
pub(crate) fn launch<T: Pod, R: Pod>(
    gpu: &Gpu,
    shader: &'static Shader,
    constants: &[(&'static str, i64)],
    tables: &[T],
    (reads, haplotypes, jobs): (&[u32], &[u32], &[Job]),
) -> Result<Vec<R>> {
    let longest = jobs.iter().map(|j| j.haplotype_len).max().unwrap_or(0);
    let (reads, haplotypes) = (gpu.upload(reads), gpu.upload(haplotypes));
    let (tables, on_device) = (gpu.upload(tables), gpu.upload(jobs));
    let results = gpu.room(jobs.len());
    let args = [
        reads.whole(),
        haplotypes.whole(),
        tables.whole(),
        on_device.each(),
        results.out(),
        Arg::Scratch(12 * (u64::from(longest) + 1)),
    ];
    gpu.run(shader, constants, &[], &args, jobs.len());
    gpu.download(&results)
}

/// What one column of a group holds.
#[derive(Clone, Copy)]
struct Column<const N: usize> {
    code: [i32; N],
    open: [i32; N],
    stay: [i32; N],
    matched: [i32; N],
    inserted: [i32; N],
    deleted: [i32; N],
}

crate::lanes! {
    /// Jobs in groups of `N` side by side, each result to its job's place.
    fn groups<N = [8, 16, 16]>(reads: &[u32], haplotypes: &[u32], jobs: &[Job], out: &mut [LogLik]) {
        let mut columns: Vec<Column<N>> = Vec::new();
        for (jobs, out) in jobs.chunks(N).zip(out.chunks_mut(N)) {
            group(reads, haplotypes, jobs, &mut columns, out);
        }
    }
}

/// Up to `N` jobs; empty lanes have no read.
#[allow(clippy::inline_always)] // else it is compiled for narrow vectors only
#[inline(always)]
fn group<const N: usize>(
    reads: &[u32],
    haplotypes: &[u32],
    jobs: &[Job],
    columns: &mut Vec<Column<N>>,
    out: &mut [LogLik],
) {
    let rows = jobs.iter().map(|j| j.read_len).max().unwrap_or(0);
    let width = jobs.iter().map(|j| j.haplotype_len).max().unwrap_or(0);
    columns.clear();
    columns.extend((0..=width).map(|j| {
        let mut c = Column {
            code: [0; N],
            open: [0; N],
            stay: [0; N],
            matched: [NEVER; N],
            inserted: [NEVER; N],
            deleted: [0; N],
        };
        for (l, job) in jobs.iter().enumerate() {
            if (1..=job.haplotype_len).contains(&j) {
                let base = byte(haplotypes, job.haplotype + j - 1);
                c.code[l] = (base & 3) as i32;
                [c.open[l], c.stay[l]] = GAP[(base >> 2) as usize];
            }
        }
        c
    }));
    for i in 0..rows {
        let (mut code, mut hit, mut miss) = ([0; N], [0; N], [0; N]);
        for (l, job) in jobs.iter().enumerate().filter(|(_, job)| i < job.read_len) {
            let read = byte(reads, job.read + i);
            code[l] = (read & 3) as i32;
            [hit[l], miss[l]] = EMIT[(read >> 2) as usize];
        }
        row(columns, &code, &hit, &miss);
        for (l, job) in jobs.iter().enumerate() {
            if i + 1 == job.read_len {
                out[l] = LogLik(
                    columns[1..=job.haplotype_len as usize]
                        .iter()
                        .fold(NEVER, |total, c| {
                            log_add(total, log_add(c.matched[l], c.inserted[l]))
                        }),
                );
            }
        }
    }
}

/// One read base of every lane against all columns.
#[allow(clippy::inline_always)] // else it is compiled for narrow vectors only
#[inline(always)]
fn row<const N: usize>(
    columns: &mut [Column<N>],
    code: &[i32; N],
    hit: &[i32; N],
    miss: &[i32; N],
) {
    let Some((first, rest)) = columns.split_first_mut() else {
        return;
    };
    let (mut m_diagonal, mut i_diagonal, mut d_diagonal) =
        (first.matched, first.inserted, first.deleted);
    first.matched = [NEVER; N];
    first.inserted = [NEVER; N];
    first.deleted = [NEVER; N];
    let (mut m_left, mut d_left) = (first.matched, first.deleted);
    for c in rest {
        let (m_above, i_above, d_above) = (c.matched, c.inserted, c.deleted);
        for l in 0..N {
            let e = if c.code[l] == code[l] {
                hit[l]
            } else {
                miss[l]
            };
            let after_gap = log_add(i_diagonal[l], d_diagonal[l]) + GAP_CLOSE;
            c.matched[l] = (log_add(m_diagonal[l] + c.stay[l], after_gap) + e).max(NEVER);
            c.inserted[l] = log_add(m_above[l] + c.open[l], i_above[l] + GAP_EXTEND).max(NEVER);
            c.deleted[l] = log_add(m_left[l] + c.open[l], d_left[l] + GAP_EXTEND).max(NEVER);
        }
        (m_diagonal, i_diagonal, d_diagonal) = (m_above, i_above, d_above);
        (m_left, d_left) = (c.matched, c.deleted);
    }
}

/// The gap quality that stands for at least this chance of a gap: 4..=[`GAP_OPEN`].
pub fn gap_quality(chance: f64) -> u8 {
    (4..=GAP_OPEN)
        .rev()
        .find(|&q| error_of(u32::from(q)) >= chance)
        .unwrap_or(4)
}

/// Packs bytes into words, the first in the lowest bits; the last word is filled with zeros.
pub fn pack_words(bytes: &[u8]) -> Vec<u32> {
    bytes
        .chunks(4)
        .map(|c| c.iter().rev().fold(0, |w, &b| w << 8 | u32::from(b)))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::device::lanes::Level;

    /// xorshift64*, so that jobs depend on the seed alone.
    struct Random(u64);
    impl Random {
        fn below(&mut self, n: u64) -> u64 {
            self.0 ^= self.0 >> 12;
            self.0 ^= self.0 << 25;
            self.0 ^= self.0 >> 27;
            (self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 33) % n
        }
    }

    struct Case {
        reads: Vec<u32>,
        haplotypes: Vec<u32>,
        jobs: Vec<Job>,
    }

    /// Reads drawn from their haplotypes with errors, indels and unknown bases; some unrelated.
    fn random_case(seed: u64, jobs: usize, lengths: &[u64]) -> Case {
        let mut r = Random(seed);
        let (mut reads, mut haplotypes, mut list) = (Vec::new(), Vec::new(), Vec::new());
        for k in 0..jobs {
            let read_len = lengths[k % lengths.len()];
            let haplotype_len = lengths[(k / lengths.len()) % lengths.len()].max(1) + r.below(40);
            let bases: Vec<u8> = (0..haplotype_len).map(|_| r.below(4) as u8).collect();
            let (haplotype, read) = (haplotypes.len() as u32, reads.len() as u32);
            haplotypes.extend(bases.iter().map(|&b| {
                pack(
                    b,
                    if r.below(8) == 0 {
                        r.below(64) as u8
                    } else {
                        GAP_OPEN
                    },
                )
            }));
            let mut at = r.below(haplotype_len) as usize;
            for _ in 0..read_len {
                match r.below(60) {
                    0 => at += 1 + r.below(5) as usize,
                    1 => at = at.saturating_sub(r.below(4) as usize),
                    _ => {}
                }
                let true_base = bases.get(at).copied().unwrap_or(0);
                let base = if r.below(20) == 0 {
                    r.below(4) as u8
                } else {
                    true_base
                };
                let quality = [0, 2, 11, 25, 37, 37, 37, r.below(64) as u8][r.below(8) as usize];
                reads.push(pack(base, quality));
                at += 1;
            }
            list.push(Job {
                read,
                read_len: read_len as u32,
                haplotype,
                haplotype_len: haplotype_len as u32,
            });
        }
        Case {
            reads: pack_words(&reads),
            haplotypes: pack_words(&haplotypes),
            jobs: list,
        }
    }

    const LENGTHS: [u64; 9] = [0, 1, 2, 15, 16, 17, 31, 64, 101];

    #[test]
    fn lanes_equal_plain_at_every_level() {
        let case = random_case(7, 200, &LENGTHS);
        let expected: Vec<LogLik> = case
            .jobs
            .iter()
            .map(|&j| plain(&case.reads, &case.haplotypes, j))
            .collect();
        for level in Level::available() {
            let got = level.force(|| on_cpu(&case.reads, &case.haplotypes, &case.jobs));
            for (i, (g, e)) in got.iter().zip(&expected).enumerate() {
                assert_eq!(g, e, "{level:?}, seed 7, job {i}: {:?}", case.jobs[i]);
            }
        }
    }

    #[test]
    fn fixed_point_stays_within_a_hundredth_of_a_phred() {
        use rayon::prelude::*;
        // Without optimization a hundred times as many would take minutes.
        let pairs = if cfg!(debug_assertions) {
            1000
        } else {
            100_000
        };
        let case = random_case(11, pairs, &[20, 75, 100, 150]);
        let fixed = on_cpu(&case.reads, &case.haplotypes, &case.jobs);
        let error = |(job, got): (&Job, &LogLik)| {
            (got.phred() - exact(&case.reads, &case.haplotypes, *job)).abs()
        };
        let errors = case.jobs.par_iter().zip(&fixed).map(error);
        let worst = errors.reduce(|| 0.0, f64::max);
        assert!(worst < 0.01, "worst error {worst} phred over {pairs} pairs");
        println!("worst error {worst} phred over {pairs} pairs");
    }

    #[test]
    fn a_read_prefers_the_haplotype_that_it_carries() {
        let spell = |s: &[u8], q: u8| -> Vec<u8> {
            s.iter()
                .map(|&b| pack(crate::domain::code_of(b), q))
                .collect()
        };
        let reference = spell(b"GATTACAGATTACACCGTAGGCATCA", GAP_OPEN);
        let deleted = spell(b"GATTACAGATTAGTAGGCATCA", GAP_OPEN);
        let read = spell(b"CAGATTAGTAGGC", 37);
        let mut haplotypes = reference.clone();
        haplotypes.extend(&deleted);
        let job = |haplotype, haplotype_len| Job {
            read: 0,
            read_len: read.len() as u32,
            haplotype,
            haplotype_len,
        };
        let reads = pack_words(&read);
        let words = pack_words(&haplotypes);
        let on_reference = plain(&reads, &words, job(0, 26)).phred();
        let on_deleted = plain(&reads, &words, job(26, 22)).phred();
        assert!(on_deleted > -0.6, "on deleted {on_deleted}");
        // A gap of four: 45 to open, three times 10 to go on.
        assert!(
            (-80.0..-70.0).contains(&on_reference),
            "on reference {on_reference}"
        );
    }

    #[test]
    fn an_unknown_base_weighs_the_same_on_every_haplotype() {
        let reads = pack_words(&[pack(0, 0)]);
        let haplotypes = pack_words(&[pack(0, 45), pack(3, 45)]);
        let at = |haplotype| Job {
            read: 0,
            read_len: 1,
            haplotype,
            haplotype_len: 1,
        };
        assert_eq!(
            plain(&reads, &haplotypes, at(0)),
            plain(&reads, &haplotypes, at(1))
        );
    }
}
