//! The comparisons of `twins.rs`: what a backend gives must equal the definition, word by word.

use super::Random;
use bytemuck::Pod;
use std::fmt::Debug;
use std::io::Write;
use theralign::backend::{Candidates, DeviceIndex, DeviceReads, Extensions, Kernels, Seeds};
use theralign::batch::{PackedReads, ReadBatch};
use theralign::domain::reverse_complement;
use theralign::genome::{BuildOptions, Reference, build};
use theralign::kernel::candidate::{self, PairWindow};
use theralign::kernel::extend::{self, Scoring};
use theralign::kernel::seed::{self, Reads, Table};

/// Seeds of the random cases.
const SEEDS: std::ops::Range<u64> = 0..3;
/// Lengths around those where words, vectors and workgroups end.
const LENGTHS: [usize; 14] = [0, 1, 20, 21, 31, 32, 33, 100, 150, 151, 250, 255, 256, 257];

/// A reference, reads of it, and what the definitions make of them.
pub struct Case {
    seed: u64,
    reference: Reference,
    packed: PackedReads,
    window: PairWindow,
    seeds: Vec<seed::Seed>,
    ends: Vec<u32>,
    found: candidate::Found,
    extended: extend::Extended,
}

/// Two contigs of 80 and 10 kb with repeats, a tandem repeat and Ns; pairs of reads with
/// errors, indels, clips and Ns, from everywhere, the contigs' ends too. Odd seeds are single reads.
fn case(seed: u64) -> Case {
    let mut random = Random(seed);
    let mut contig = random.bases(60_000, false);
    for i in 0..20 {
        // The same 400 bases twenty times, each a little changed.
        let mut copy = contig[..400].to_vec();
        for _ in 0..i {
            copy[random.below(400) as usize] = b"ACGT"[random.below(4) as usize];
        }
        contig.extend(copy);
    }
    contig.extend(b"CAG".repeat(400));
    contig.extend(random.bases(10_000, false));
    contig[30_000] = b'N';
    contig[40_000..40_100].fill(b'N');
    let short = random.bases(10_000, false);
    let mut fasta = tempfile::NamedTempFile::new().unwrap();
    for (name, bases) in [("one", &contig), ("two", &short)] {
        writeln!(fasta, ">{name}").unwrap();
        fasta.write_all(bases).unwrap();
        writeln!(fasta).unwrap();
    }
    let reference = build(fasta.path(), BuildOptions::default()).unwrap();

    let paired = seed.is_multiple_of(2);
    let mut batch = ReadBatch {
        paired,
        ..ReadBatch::default()
    };
    for t in 0..75 {
        let from = if random.one_in(4) { &short } else { &contig };
        let insert = 260 + random.below(240) as usize;
        let at = match random.below(8) {
            0 => 0,
            1 => from.len() - insert,
            _ => random.below((from.len() - insert) as u32) as usize,
        };
        let fragment = &from[at..at + insert];
        let mut mates = [fragment.to_vec(), reverse_complement(fragment)];
        if random.one_in(2) {
            mates.swap(0, 1);
        }
        let length = LENGTHS[random.below(LENGTHS.len() as u32) as usize];
        for mate in &mut mates[..=usize::from(paired)] {
            mate.truncate(length);
            change(mate, &mut random);
            batch.bases.extend_from_slice(mate);
            batch.quals.resize(batch.bases.len(), 30);
            batch.read_ends.push(batch.bases.len() as u32);
        }
        batch.names.extend(format!("r{t}").bytes());
        batch.name_ends.push(batch.names.len() as u32);
    }
    let mut packed = PackedReads::default();
    packed.fill(&batch);
    define(seed, reference, packed, paired)
}

/// Substitutions, unknown bases, insertions, deletions and foreign ends.
fn change(read: &mut Vec<u8>, random: &mut Random) {
    for _ in 0..random.below(7) {
        if read.is_empty() {
            return;
        }
        let i = random.below(read.len() as u32) as usize;
        match random.below(6) {
            0 => read[i] = b'N',
            1 => {
                let more = random.bases(1 + i % 30, false);
                read.splice(i..i, more);
            }
            2 => {
                read.drain(i..read.len().min(i + 1 + i % 20));
            }
            3 => {
                let foreign = random.bases(read.len() - i, true);
                read.splice(i.., foreign);
            }
            _ => read[i] = b"ACGT"[random.below(4) as usize],
        }
    }
}

/// Runs the definitions.
fn define(seed: u64, reference: Reference, packed: PackedReads, paired: bool) -> Case {
    let reads = view(&packed);
    let table = Table {
        blocks: reference.seed_blocks(),
        positions: reference.seed_positions(),
        hash_bits: reference.parameters().hash_bits,
    };
    let (mut seeds, mut ends) = (Vec::new(), Vec::new());
    for r in 0..packed.spans.len() {
        seed::plain(reads, r, table, &mut seeds);
        ends.push(seeds.len() as u32);
    }
    let window = PairWindow {
        paired: u32::from(paired),
        longest: 800,
    };
    let mut found = candidate::Found::default();
    let scratch = &mut candidate::Scratch::default();
    for t in 0..packed.spans.len() / (1 + usize::from(paired)) {
        candidate::plain(
            reads,
            t,
            (&seeds, &ends),
            table.positions,
            window,
            scratch,
            &mut found,
        );
    }
    let mut extended = extend::Extended::default();
    for jobs in found.candidates.chunk_by(|a, b| a.read == b.read) {
        extend::plain(
            reference.packed(),
            reads,
            jobs,
            &Scoring::default(),
            &mut extended,
        );
    }
    Case {
        seed,
        reference,
        packed,
        window,
        seeds,
        ends,
        found,
        extended,
    }
}

fn view(packed: &PackedReads) -> Reads<'_> {
    Reads {
        words: &packed.words,
        masks: &packed.masks,
        spans: &packed.spans,
    }
}

/// Fails at the first difference, with all that is needed to see it again.
fn same<B: Kernels, T: Pod + PartialEq + Debug + Send + Sync>(
    b: &B,
    what: &str,
    seed: u64,
    got: &B::Buf<T>,
    expected: &[T],
    job: impl Fn(usize) -> String,
) {
    let got = b.download(got).expect("the device works");
    let name = b.name();
    for (i, (g, e)) in got.iter().zip(expected).enumerate() {
        assert_eq!(g, e, "{what} on {name}, seed {seed}, index {i}: {}", job(i));
    }
    assert_eq!(
        got.len(),
        expected.len(),
        "{what} on {name}, seed {seed}: how many"
    );
}

/// Runs a comparison on every case.
fn on_cases<B: Kernels>(b: &B, compare: impl Fn(&B, &Case, &DeviceReads<B>, &DeviceIndex<'_, B>)) {
    for seed in SEEDS {
        let case = case(seed);
        let reads = DeviceReads::upload(b, &case.packed);
        let index = DeviceIndex::new(b, &case.reference);
        compare(b, &case, &reads, &index);
    }
}

/// `seed`
pub fn seed<B: Kernels>(b: &B) {
    on_cases(b, |b, case, reads, index| {
        let Seeds { seeds, ends } = b.seed(reads, index);
        let read_of = |i: usize| {
            let r = case.ends.partition_point(|&end| end as usize <= i);
            format!("read {r}: {:?}", case.packed.spans.get(r))
        };
        same(b, "seed", case.seed, &ends, &case.ends, |r| {
            format!("read {r}")
        });
        same(b, "seed", case.seed, &seeds, &case.seeds, read_of);
    });
}

/// `candidate`
pub fn candidate<B: Kernels>(b: &B) {
    on_cases(b, |b, case, reads, index| {
        let seeds = Seeds {
            seeds: b.upload(&case.seeds),
            ends: b.upload(&case.ends),
        };
        let Candidates {
            candidates,
            summaries,
        } = b.candidate(reads, &seeds, index, case.window);
        let found = &case.found;
        let read = |r: usize| format!("read {r}");
        same(
            b,
            "candidate",
            case.seed,
            &summaries,
            &found.summaries,
            read,
        );
        let read = |i: usize| format!("read {}", found.candidates[i].read);
        same(
            b,
            "candidate",
            case.seed,
            &candidates,
            &found.candidates,
            read,
        );
    });
}

/// `extend`
pub fn extend<B: Kernels>(b: &B) {
    let mut gapped = 0;
    let cases: Vec<Case> = SEEDS.map(case).collect();
    for case in &cases {
        let reads = DeviceReads::upload(b, &case.packed);
        let index = DeviceIndex::new(b, &case.reference);
        let jobs = b.upload(&case.found.candidates);
        let Extensions { extensions, runs } = b.extend(&reads, &jobs, &index, &Scoring::default());
        let expected = &case.extended;
        let job = |i: usize| format!("{:?}", case.found.candidates[i]);
        same(
            b,
            "extend",
            case.seed,
            &extensions,
            &expected.extensions,
            job,
        );
        let slot = |i: usize| format!("slot {}", i / extend::MAX_RUNS);
        same(b, "extend", case.seed, &runs, &expected.runs, slot);
        gapped += expected.extensions.iter().filter(|e| e.runs > 1).count();
    }
    assert!(
        gapped > 30,
        "the cases must reach gapped alignment: {gapped}"
    );
}
