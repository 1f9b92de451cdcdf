//! One group per stage of `align` that is not a kernel, on the CPU, by the names of `--timings`; and
//! `place`, all that is done to a batch between parsing and records.

#[path = "../tests/common/mod.rs"]
mod common;
mod reads;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use reads::{PAIRS, pairs};
use std::hint::black_box;
use std::io::{BufRead, Read, Write};
use std::path::PathBuf;
use std::time::Duration;
use theralign::align::insert::InsertSize;
use theralign::align::record::{Style, Writer};
use theralign::align::{Aligner, Scratch};
use theralign::backend::Device;
use theralign::batch::{PackedReads, ReadBatch};
use theralign::format::bam::write_bam;
use theralign::format::bgzf;
use theralign::format::fastq::{FastqReader, Pairing};
use theralign::format::header::{Order, text};
use theralign::format::sam::{Record, write_sam};
use theralign::sort::{Duplicates, Options, Sorter};
use theralign::timings::{Stage, Timings};

const READS: u64 = 2 * PAIRS as u64;

/// The batch as a file of interleaved pairs.
fn fastq(batch: &ReadBatch) -> Vec<u8> {
    let mut out = Vec::new();
    for r in 0..batch.reads() {
        out.push(b'@');
        out.extend_from_slice(batch.name(batch.template_of(r)));
        out.push(b'\n');
        out.extend_from_slice(batch.bases(r));
        out.extend_from_slice(b"\n+\n");
        out.extend(batch.quals(r).iter().map(|q| q + b'!'));
        out.push(b'\n');
    }
    out
}

/// Times `work` on all reads of the batch.
fn time<R>(c: &mut Criterion, name: &str, mut work: impl FnMut() -> R) {
    let mut group = c.benchmark_group(name);
    group
        .sample_size(20)
        .throughput(Throughput::Elements(READS));
    group.bench_function("cpu", |bench| bench.iter(|| black_box(work())));
    group.finish();
}

fn input(c: &mut Criterion) {
    let (_, batch) = pairs();
    let text = fastq(&batch);
    let blocks = bgzf::compressed(&text, 1);
    let mut inflated = Vec::new();
    time(c, "inflate", || {
        inflated.clear();
        bgzf::Reader::new(&blocks[..])
            .read_to_end(&mut inflated)
            .unwrap()
    });
    assert!(inflated == text);
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(&text).unwrap();
    let files: [PathBuf; 1] = [file.path().into()];
    let mut parsed = ReadBatch::default();
    time(c, "parse", || {
        let mut reader = FastqReader::open(&files, Pairing::Interleaved, PAIRS).unwrap();
        reader.fill(&mut parsed).unwrap()
    });
    assert!(parsed.bases == batch.bases && parsed.names == batch.names);
    let mut packed = PackedReads::default();
    time(c, "pack", || packed.fill(&batch));
}

fn insert_size(aligner: &Aligner, batch: &ReadBatch) -> InsertSize {
    let batches = std::slice::from_ref(batch);
    aligner.estimate_insert(batches).unwrap().0
}

fn aligning(c: &mut Criterion) {
    let (reference, batch) = pairs();
    let device = Device::cpu();
    let aligner = Aligner::new(&reference, &device);
    let insert = insert_size(&aligner, &batch);
    let mut scratch = Scratch::default();
    time(c, "place", || {
        aligner.place(&batch, Some(&insert), &mut scratch).unwrap()
    });
    for (stage, name) in [
        (Stage::Rescue, "rescue"),
        (Stage::Deeper, "deeper"),
        (Stage::Split, "split"),
        (Stage::Pair, "pair"),
    ] {
        let mut group = c.benchmark_group(name);
        group
            .sample_size(20)
            .throughput(Throughput::Elements(READS));
        group.bench_function("cpu", |bench| {
            bench.iter_custom(|times| {
                let mut spent = Duration::ZERO;
                for _ in 0..times {
                    scratch.timings = Timings::default();
                    let placed = aligner.place(&batch, Some(&insert), &mut scratch).unwrap();
                    spent += scratch.timings.of(stage);
                    black_box(placed);
                }
                spent
            });
        });
        group.finish();
    }
}

fn output(c: &mut Criterion) {
    let (reference, batch) = pairs();
    let device = Device::cpu();
    let aligner = Aligner::new(&reference, &device);
    let insert = insert_size(&aligner, &batch);
    let placed = aligner
        .place(&batch, Some(&insert), &mut Scratch::default())
        .unwrap();
    let records = |encode: &(dyn Fn(&Record, &mut Vec<u8>) + Sync), out: &mut Vec<u8>| {
        out.clear();
        let mut writer = Writer::new(&reference, None, Style::default(), encode);
        for (t, template) in placed.templates.iter().enumerate() {
            writer.write(&batch, t, &placed.hits, template, out);
        }
    };
    let mut sam = Vec::new();
    let contigs = reference.contigs();
    time(c, "record_sam", || {
        records(&|r, out| write_sam(r, contigs, out), &mut sam);
    });
    let mut bam = Vec::new();
    time(c, "record", || records(&write_bam, &mut bam));
    assert_eq!(sam.lines().count() as u64, READS);

    let folder = tempfile::tempdir().unwrap();
    let options = Options {
        memory: 1 << 30,
        temporary: None,
        duplicates: Duplicates::Mark,
        optical_distance: 100,
        level: 0,
    };
    let head = text(Order::Coordinate, contigs, &[], "bench");
    time(c, "sort", || {
        let path = folder.path().join("sorted.bam");
        let mut sorter = Sorter::new(&path, &options, &[]).unwrap();
        sorter.push(&bam).unwrap();
        sorter.finish(&head, contigs).unwrap()
    });
    time(c, "deflate", || bgzf::compressed(&bam, 1));
}

criterion_group!(pipeline, input, aligning, output);
criterion_main!(pipeline);
