//! One group per kernel, the same work on the CPU lanes (`cpu`) and on the best adapter (`gpu`,
//! transfers of the results included). Results are compared once, outside the timed loop.

#[path = "../tests/common/mod.rs"]
mod common;
mod reads;

use common::Random;
use criterion::measurement::WallTime;
use criterion::{BenchmarkGroup, Criterion, Throughput, criterion_group, criterion_main};
use reads::{LENGTH, PAIRS, SEED, pairs};
use std::hint::black_box;
use theralign::backend::{Backend, Cpu, DeviceIndex, DeviceReads, Kernels};
use theralign::batch::PackedReads;
use theralign::kernel::candidate::PairWindow;
use theralign::kernel::extend::Scoring;
use theralign::kernel::pairhmm::{self, GAP_OPEN, pack, pack_words};
use theralign::kernel::pileup::{Segment, Settings};

const WINDOW: PairWindow = PairWindow {
    paired: 1,
    longest: 800,
};

/// Times `work` on a backend, after comparing what it gives with `expected`.
fn time<B: Kernels, T: PartialEq>(
    group: &mut BenchmarkGroup<'_, WallTime>,
    id: &str,
    b: &B,
    expected: &T,
    mut work: impl FnMut(&B) -> T,
) {
    assert!(
        work(b) == *expected,
        "{id}: a wrong result is not worth timing"
    );
    group.bench_function(id, |bench| bench.iter(|| black_box(work(b))));
}

/// Times the same generic expression on both backends.
macro_rules! on_both {
    ($c:expr, $name:literal, $elements:expr, |$b:ident| $prepare:block, |$p:ident| $work:expr) => {{
        let mut group = $c.benchmark_group($name);
        group.sample_size(20);
        group.throughput(Throughput::Elements($elements as u64));
        let $b = &Cpu;
        let $p = $prepare;
        let expected = $work;
        time(&mut group, "cpu", $b, &expected, |$b| $work);
        if let Some($b) = common::gpu() {
            let $p = $prepare;
            time(&mut group, "gpu", $b, &expected, |$b| $work);
        }
        group.finish();
    }};
}

fn aligning(c: &mut Criterion) {
    let (reference, batch) = pairs();
    let mut packed = PackedReads::default();
    packed.fill(&batch);
    let bases = 2 * PAIRS * LENGTH;
    on_both!(
        c,
        "seed",
        bases,
        |b| {
            (
                DeviceReads::upload(b, &packed),
                DeviceIndex::new(b, &reference),
            )
        },
        |p| b.download(&b.seed(&p.0, &p.1).seeds).unwrap()
    );
    on_both!(
        c,
        "candidate",
        bases,
        |b| {
            let (reads, index) = (
                DeviceReads::upload(b, &packed),
                DeviceIndex::new(b, &reference),
            );
            let seeds = b.seed(&reads, &index);
            (reads, index, seeds)
        },
        |p| {
            let found = b.candidate(&p.0, &p.2, &p.1, WINDOW);
            b.download(&found.candidates).unwrap()
        }
    );
    on_both!(
        c,
        "extend",
        bases,
        |b| {
            let (reads, index) = (
                DeviceReads::upload(b, &packed),
                DeviceIndex::new(b, &reference),
            );
            let found = b.candidate(&reads, &b.seed(&reads, &index), &index, WINDOW);
            (reads, index, found.candidates)
        },
        |p| {
            let done = b.extend(&p.0, &p.2, &p.1, &Scoring::default());
            (
                b.download(&done.extensions).unwrap(),
                b.download(&done.runs).unwrap(),
            )
        }
    );
}

fn calling(c: &mut Criterion) {
    let mut random = Random(SEED);
    let settings = Settings {
        width: 4096,
        min_quality: 13,
    };
    let mut bytes = Vec::new();
    let segments: Vec<Segment> = (0..4000)
        .map(|_| {
            let bases = bytes.len() as u32;
            bytes.extend((0..LENGTH).map(|_| pack(random.below(4) as u8, 30)));
            Segment {
                start: random.below(4000) as i32,
                bases,
                cigar: 0,
                cigar_len: 1,
                flags: random.below(2) | 60 << 8,
            }
        })
        .collect();
    let words = pack_words(&bytes);
    let cigar = [(LENGTH as u32) << 4];
    on_both!(
        c,
        "pileup",
        segments.len() * LENGTH,
        |b| { (b.upload(&words), b.upload(&cigar), b.upload(&segments)) },
        |p| b.download(&b.pileup(&p.0, &p.1, &p.2, settings)).unwrap()
    );

    let haplotype: Vec<u8> = (0..250)
        .map(|_| pack(random.below(4) as u8, GAP_OPEN))
        .collect();
    let mut read_bytes = Vec::new();
    let jobs: Vec<pairhmm::Job> = (0..1024)
        .map(|_| {
            let read = read_bytes.len() as u32;
            let at = random.below(100) as usize;
            let codes = haplotype[at..at + LENGTH].iter().map(|&h| h & 3);
            read_bytes.extend(codes.map(|code| pack(code, 30)));
            pairhmm::Job {
                read,
                read_len: LENGTH as u32,
                haplotype: 0,
                haplotype_len: haplotype.len() as u32,
            }
        })
        .collect();
    let (reads, haplotypes) = (pack_words(&read_bytes), pack_words(&haplotype));
    on_both!(
        c,
        "pairhmm",
        jobs.len() * LENGTH * haplotype.len(),
        |b| { (b.upload(&reads), b.upload(&haplotypes), b.upload(&jobs)) },
        |p| {
            let longest = haplotype.len() as u32;
            b.download(&b.pairhmm(&p.0, &p.1, &p.2, longest)).unwrap()
        }
    );
}

criterion_group!(kernels, aligning, calling);
criterion_main!(kernels);
