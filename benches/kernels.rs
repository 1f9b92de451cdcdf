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
use std::sync::Arc;
use theralign::backend::{Backend, Cpu, Gpu};
use theralign::batch::PackedReads;
use theralign::device::gpu::Options;
use theralign::kernel::candidate::{self, Found, PairWindow};
use theralign::kernel::extend::{self, Extended, Scoring};
use theralign::kernel::locate::Locator;
use theralign::kernel::pairhmm::{self, GAP_OPEN, pack, pack_words};
use theralign::kernel::pileup::{Segment, Settings};
use theralign::kernel::seed::{self, Reads, Table};

const WINDOW: PairWindow = PairWindow {
    paired: 1,
    longest: 800,
};

/// Times `work` on a backend, after comparing what it gives with `expected`.
fn time<T: PartialEq>(
    group: &mut BenchmarkGroup<'_, WallTime>,
    id: &str,
    expected: &T,
    mut work: impl FnMut() -> T,
) {
    assert!(
        work() == *expected,
        "{id}: a wrong result is not worth timing"
    );
    group.bench_function(id, |bench| bench.iter(|| black_box(work())));
}

fn group<'c>(c: &'c mut Criterion, name: &str, elements: usize) -> BenchmarkGroup<'c, WallTime> {
    let mut group = c.benchmark_group(name);
    group.sample_size(20);
    group.throughput(Throughput::Elements(elements as u64));
    group
}

/// The best adapter as it is used, without what tests add.
fn gpu() -> Option<Arc<Gpu>> {
    common::open(&Options::default())
}

fn aligning(c: &mut Criterion) {
    let (reference, batch) = pairs();
    let mut packed = PackedReads::default();
    packed.fill(&batch);
    let bases = 2 * PAIRS * LENGTH;
    let (reads, table) = (Reads::of(&packed), Table::of(&reference));
    let scoring = Scoring::default();
    let located = Cpu.locate(&packed, &reference, WINDOW, &scoring).unwrap();

    let scratch = &mut seed::Scratch::default();
    let (mut seeds, mut ends) = (Vec::new(), Vec::new());
    time(&mut group(c, "seed", bases), "cpu", &(), || {
        seed::on_cpu(reads, table, scratch, &mut seeds, &mut ends);
    });
    assert!(seeds == located.seeds);
    let (scratch, mut found) = (&mut candidate::Scratch::default(), Found::default());
    let lists = (&seeds[..], &ends[..]);
    time(&mut group(c, "candidate", bases), "cpu", &(), || {
        candidate::on_cpu(reads, lists, table.positions, WINDOW, scratch, &mut found);
    });
    assert!(found.candidates == located.candidates);
    let (scratch, mut extended) = (&mut extend::Scratch::default(), Extended::default());
    let (genome, jobs) = (reference.packed(), &found.candidates);
    time(&mut group(c, "extend", bases), "cpu", &(), || {
        extend::on_cpu(genome, reads, jobs, &scoring, scratch, &mut extended);
    });
    assert!(extended == located.extended);

    // All three, on a GPU in one submission; `theralign bench` tells them apart by timestamps.
    let mut locate = group(c, "locate", bases);
    time(&mut locate, "cpu", &located, || {
        Cpu.locate(&packed, &reference, WINDOW, &scoring).unwrap()
    });
    if let Some(gpu) = gpu() {
        let locator = Locator::new(gpu, &reference, scoring);
        let mut slot = locator.slot(packed.spans.len());
        time(&mut locate, "gpu", &located.candidates, || {
            let located = locator.locate(&mut slot, &packed, WINDOW, &reference);
            located.unwrap().candidates
        });
    }
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
    let gpu = gpu();
    let expected = Cpu.pileup(&words, &cigar, &segments, settings).unwrap();
    let mut pileup = group(c, "pileup", segments.len() * LENGTH);
    time(&mut pileup, "cpu", &expected, || {
        Cpu.pileup(&words, &cigar, &segments, settings).unwrap()
    });
    if let Some(gpu) = &gpu {
        time(&mut pileup, "gpu", &expected, || {
            gpu.pileup(&words, &cigar, &segments, settings).unwrap()
        });
    }
    pileup.finish();

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
    let expected = Cpu.pairhmm(&reads, &haplotypes, &jobs).unwrap();
    let mut pairhmm = group(c, "pairhmm", jobs.len() * LENGTH * haplotype.len());
    time(&mut pairhmm, "cpu", &expected, || {
        Cpu.pairhmm(&reads, &haplotypes, &jobs).unwrap()
    });
    if let Some(gpu) = &gpu {
        time(&mut pairhmm, "gpu", &expected, || {
            gpu.pairhmm(&reads, &haplotypes, &jobs).unwrap()
        });
    }
}

criterion_group!(kernels, aligning, calling);
criterion_main!(kernels);
