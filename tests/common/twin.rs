//! The comparisons of `twins.rs`: what a backend gives must equal the definition, word by word.

use super::Random;
use bytemuck::Pod;
use std::fmt::Debug;
use std::io::Write;
use theralign::backend::Backend;
use theralign::batch::{PackedReads, ReadBatch};
use theralign::domain::reverse_complement;
use theralign::genome::{BuildOptions, Reference, build};
use theralign::kernel::candidate::{self, PairWindow};
use theralign::kernel::extend::{self, Extended, MAX_RUNS, Scoring};
use theralign::kernel::locate::Located;
use theralign::kernel::pairhmm::{self, pack, pack_words};
use theralign::kernel::pileup::{self, PLANES, Segment, Settings};
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
pub fn pairs(seed: u64) -> (Reference, ReadBatch) {
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
        let length = LENGTHS[random.below(LENGTHS.len() as u32) as usize];
        let insert = length.max(260) + random.below(240) as usize;
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
        for mate in &mut mates[..=usize::from(paired)] {
            mate.truncate(length);
            change(mate, &mut random);
            mate.truncate(extend::MAX_READ);
            batch.bases.extend_from_slice(mate);
            batch.quals.resize(batch.bases.len(), 30);
            batch.read_ends.push(batch.bases.len() as u32);
        }
        batch.names.extend(format!("r{t}").bytes());
        batch.name_ends.push(batch.names.len() as u32);
    }
    (reference, batch)
}

fn case(seed: u64) -> Case {
    let (reference, batch) = pairs(seed);
    let mut packed = PackedReads::default();
    packed.fill(&batch);
    define(seed, reference, packed, batch.paired)
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
    let (reads, table) = (Reads::of(&packed), Table::of(&reference));
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

/// Fails at the first difference, with all that is needed to see it again.
fn same<T: Pod + PartialEq + Debug>(
    name: &str,
    what: &str,
    seed: u64,
    got: &[T],
    expected: &[T],
    job: impl Fn(usize) -> String,
) {
    for (i, (g, e)) in got.iter().zip(expected).enumerate() {
        assert_eq!(g, e, "{what} on {name}, seed {seed}, index {i}: {}", job(i));
    }
    assert_eq!(
        got.len(),
        expected.len(),
        "{what} on {name}, seed {seed}: how many"
    );
}

/// Runs a comparison on what a backend makes of every case.
fn on_cases<B: Backend>(b: &B, mut compare: impl FnMut(&str, &Case, &Located)) {
    for seed in SEEDS {
        let case = case(seed);
        let located = b
            .locate(
                &case.packed,
                &case.reference,
                case.window,
                &Scoring::default(),
            )
            .expect("the device works");
        compare(&b.name(), &case, &located);
    }
}

/// `seed`
pub fn seed<B: Backend>(b: &B) {
    on_cases(b, |name, case, located| {
        let read_of = |i: usize| {
            let r = case.ends.partition_point(|&end| end as usize <= i);
            format!("read {r}: {:?}", case.packed.spans.get(r))
        };
        let read = |r: usize| format!("read {r}");
        same(
            name,
            "seed",
            case.seed,
            &located.seed_ends,
            &case.ends,
            read,
        );
        same(
            name,
            "seed",
            case.seed,
            &located.seeds,
            &case.seeds,
            read_of,
        );
    });
}

/// `candidate`
pub fn candidate<B: Backend>(b: &B) {
    on_cases(b, |name, case, located| {
        let found = &case.found;
        let read = |r: usize| format!("read {r}");
        let got = &located.summaries;
        same(name, "candidate", case.seed, got, &found.summaries, read);
        let read = |i: usize| format!("read {}", found.candidates[i].read);
        let got = &located.candidates;
        same(name, "candidate", case.seed, got, &found.candidates, read);
    });
}

/// The same with slots numbered as they come: those that a GPU leaves to the CPU stand last.
fn renumbered(e: &Extended) -> Extended {
    let mut out = Extended::default();
    for extension in &e.extensions {
        let mut extension = *extension;
        if extension.runs > 0 {
            let slot = &e.runs[extension.slot as usize * MAX_RUNS..][..MAX_RUNS];
            extension.slot = (out.runs.len() / MAX_RUNS) as u32;
            out.runs.extend(slot);
        }
        out.extensions.push(extension);
    }
    out
}

/// `extend`
pub fn extend<B: Backend>(b: &B) {
    let mut gapped = 0;
    on_cases(b, |name, case, located| {
        let (got, expected) = (renumbered(&located.extended), renumbered(&case.extended));
        let job = |i: usize| format!("{:?}", case.found.candidates[i]);
        let (extensions, all) = (&got.extensions, &expected.extensions);
        same(name, "extend", case.seed, extensions, all, job);
        let slot = |i: usize| format!("slot {}", i / MAX_RUNS);
        same(name, "extend", case.seed, &got.runs, &expected.runs, slot);
        gapped += all.iter().filter(|e| e.runs > 1).count();
    });
    assert!(
        gapped > 30,
        "the cases must reach gapped alignment: {gapped}"
    );
}

/// `pileup`: reads with gaps and clips, in and around tiles whose widths end anywhere in a vector.
pub fn pileup<B: Backend>(b: &B) {
    for (seed, width) in (0..).zip([257, 0, 1, 31, 32, 33, 255, 256]) {
        let mut random = Random(seed);
        let (mut bytes, mut cigars, mut reads) = (Vec::new(), Vec::new(), Vec::new());
        for _ in 0..300 {
            let (bases, cigar) = (bytes.len() as u32, cigars.len() as u32);
            for k in 0..=random.below(6) {
                let length = 1 + random.below(40);
                let operation =
                    [[0, 1, 0, 2, 0, 4], [4, 0, 2, 0, 1, 0]][bases as usize % 2][k as usize];
                cigars.push(length << 4 | operation);
                if operation != 2 {
                    let byte = |r: &mut Random| pack(r.below(4) as u8, r.below(64) as u8);
                    bytes.extend((0..length).map(|_| byte(&mut random)));
                }
            }
            reads.push(Segment {
                start: random.below(330) as i32 - 40,
                bases,
                cigar,
                cigar_len: cigars.len() as u32 - cigar,
                flags: random.below(2) | random.below(61) << 8,
            });
        }
        let words = pack_words(&bytes);
        let s = Settings {
            width,
            min_quality: 13,
        };
        let mut expected = vec![0; PLANES * width as usize];
        for &read in &reads {
            pileup::plain(&words, &cigars, read, s, &mut expected);
        }
        let got = b
            .pileup(&words, &cigars, &reads, s)
            .expect("the device works");
        let place = |i: usize| {
            format!(
                "plane {}, position {}",
                i / width as usize,
                i % width as usize
            )
        };
        same(&b.name(), "pileup", seed, &got, &expected, place);
    }
}

/// `pairhmm`: reads drawn from their haplotypes with errors, gaps and unknown bases.
pub fn pairhmm<B: Backend>(b: &B) {
    const READS: [u32; 9] = [0, 1, 31, 32, 33, 64, 101, 150, 257];
    const HAPLOTYPES: [u32; 5] = [1, 2, 33, 120, 300];
    for seed in SEEDS {
        let mut random = Random(seed);
        let (mut reads, mut haplotypes, mut jobs) = (Vec::new(), Vec::new(), Vec::new());
        for k in 0..150 {
            let read_len = READS[k % READS.len()];
            let haplotype_len = HAPLOTYPES[k / READS.len() % HAPLOTYPES.len()];
            jobs.push(pairhmm::Job {
                read: reads.len() as u32,
                read_len,
                haplotype: haplotypes.len() as u32,
                haplotype_len,
            });
            let codes: Vec<u8> = (0..haplotype_len).map(|_| random.below(4) as u8).collect();
            for &code in &codes {
                let gap = if random.one_in(8) {
                    random.below(64) as u8
                } else {
                    45
                };
                haplotypes.push(pack(code, gap));
            }
            let mut at = random.below(haplotype_len) as usize;
            for _ in 0..read_len {
                match random.below(60) {
                    0 => at += 1 + random.below(5) as usize,
                    1 => at = at.saturating_sub(random.below(4) as usize),
                    _ => {}
                }
                let wrong = random.one_in(20) || at >= codes.len();
                let code = if wrong {
                    random.below(4) as u8
                } else {
                    codes[at]
                };
                let quality =
                    [0, 2, 11, 25, 37, 37, 37, random.below(64) as u8][random.below(8) as usize];
                reads.push(pack(code, quality));
                at += 1;
            }
        }
        let (reads, haplotypes) = (pack_words(&reads), pack_words(&haplotypes));
        let expected: Vec<_> = jobs
            .iter()
            .map(|&job| pairhmm::plain(&reads, &haplotypes, job))
            .collect();
        let got = b
            .pairhmm(&reads, &haplotypes, &jobs)
            .expect("the device works");
        same(&b.name(), "pairhmm", seed, &got, &expected, |i| {
            format!("{:?}", jobs[i])
        });
    }
}
