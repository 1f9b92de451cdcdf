//! One device on the same reads as all others.

use super::float;
use crate::align::insert::{InsertSize, LONGEST_UNKNOWN, SAMPLE};
use crate::align::record::{Style, Writer};
use crate::align::{Aligner, Begun, Effort, Scratch, run};
use crate::backend::{Backend, Cpu, Device, Gpu};
use crate::batch::{PackedReads, ReadBatch};
use crate::device::peak::{self, Peak};
use crate::domain::LogLik;
use crate::domain::quality::BITS_PER_PHRED;
use crate::flow::{self, Work};
use crate::format::fastq::{Extras, Pairing};
use crate::format::reads::Source;
use crate::format::sam::{Record, write_sam};
use crate::genome::Reference;
use crate::kernel::candidate::PairWindow;
use crate::kernel::extend::Scoring;
use crate::kernel::locate;
use crate::kernel::pairhmm::{GAP_OPEN, Job, pack, pack_words};
use crate::kernel::seed::Reads;
use crate::ring::Ring;
use crate::sort;
use crate::timings::{Paths, Stage, Timings};
use crate::{Error, Result};
use rayon::prelude::*;
use serde::Serialize;
use sha2::{Digest, Sha256};
use std::collections::VecDeque;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// What every device is measured on.
pub struct Case<'a> {
    pub reference: &'a Reference,
    pub batches: &'a [ReadBatch],
    /// The same reads as files.
    pub fastq: &'a [PathBuf],
    pub reads: usize,
    pub threads: usize,
    pub temp: &'a Path,
    pub max_binding: Option<u64>,
}

/// Reads a second.
#[derive(Debug, Serialize)]
pub struct Rates {
    /// Through the kernels alone, memory to memory; none where devices share the work.
    pub located: Option<f64>,
    /// From reads in memory to SAM records in memory.
    pub aligned: f64,
    /// From plain FASTQ to a sorted BAM with duplicates marked.
    pub to_bam: f64,
}

/// A kernel's time on the device.
#[derive(Debug, Serialize)]
pub struct Kernel {
    pub name: &'static str,
    pub nanoseconds_per_read: f64,
}

/// What a GPU's kernels make of what it could do.
#[derive(Debug, Serialize)]
pub struct Shares {
    /// Bytes to the device and back, a read.
    pub up: f64,
    pub down: f64,
    pub peak: Peak,
    /// Of the bytes that it copies in the same time, those that the kernels at least touch.
    pub of_bandwidth: f64,
    /// Of the integer operations that it does in the same time, those that the kernels at least need.
    pub of_arithmetic: f64,
}

/// Billions of cells a second.
#[derive(Debug, Serialize)]
pub struct PairHmm {
    pub fixed_point: f64,
    /// The same in 32-bit floating point, and by how many phred it is off at worst.
    pub float: Option<f64>,
    pub float_differs: Option<f64>,
}

/// SHA-256 of what came out.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub struct Digests {
    /// Of the SAM records.
    pub records: String,
    /// Of the BAM file.
    pub bam: String,
    /// Of the pairHMM's likelihoods.
    pub likelihoods: String,
}

/// What one device did.
#[derive(Debug, Serialize)]
pub struct Row {
    pub device: String,
    pub name: String,
    pub reads_per_second: Rates,
    /// By timestamps on a GPU; of the CPU lanes the time of one thread.
    pub kernels: Vec<Kernel>,
    /// Reads in a submission to the GPU.
    pub reads_per_submission: Option<usize>,
    pub shares: Option<Shares>,
    pub pairhmm: PairHmm,
    /// Of the workers' time on the way to BAM, what they waited for the device.
    pub waiting: f64,
    pub digests: Digests,
}

/// Measures a device.
///
/// # Errors
/// When it cannot be opened, and when it fails on the way: what the CPU lanes do in its place is not its speed.
pub fn device(word: &str, case: &Case<'_>) -> Result<Row> {
    let open = |times| Device::choose_timed(word, case.max_binding, times);
    let device = open(false)?;
    let aligner = Aligner::new(case.reference, &device);
    let first = &case.batches[0];
    let sample = case.batches.len().min(SAMPLE.div_ceil(first.templates()));
    // Estimating also warms up: pipelines are made, memory is touched.
    let insert = if first.paired {
        Some(aligner.estimate_insert(&case.batches[..sample])?.0)
    } else {
        None
    };
    let (aligned, records) = in_memory(&aligner, case, insert.as_ref(), &device)?;
    drop(aligner);
    let (to_bam, waiting, timings, bam) = to_bam(&device, case)?;
    let window = PairWindow {
        paired: u32::from(first.paired),
        longest: insert.map_or(LONGEST_UNKNOWN, |i| i.high),
    };
    let packed = pack_all(case.batches);
    let rate = |time: Duration| case.reads as f64 / time.as_secs_f64();
    let (located, kernels) = match device.gpus() {
        [] => (
            Some(rate(locate_on_cpu(case, &packed, window))),
            of_cpu(&timings, case.reads),
        ),
        _ if device.shares() => (None, Vec::new()),
        _ => {
            let located = locate_on_gpus(&device, case, packed.clone(), window);
            // Timestamps keep kernels apart that would overlap: a run of its own.
            let timed = open(true)?;
            locate_on_gpus(&timed, case, packed, window);
            (Some(rate(located)), of_gpus(&timed, case.reads))
        }
    };
    let (pairhmm, likelihoods) = pairhmm(&device)?;
    let shares = match (device.gpus(), located) {
        ([gpu, ..], Some(located)) => Some(shares(gpu, case, &timings.paths, located)?),
        _ => None,
    };
    if device.is_lost() {
        let what = format!("{} failed on the way", device.name());
        return Err(Error::Failed(what));
    }
    Ok(Row {
        device: word.to_string(),
        name: device.name(),
        reads_per_second: Rates {
            located,
            aligned: rate(aligned),
            to_bam: rate(to_bam),
        },
        kernels,
        reads_per_submission: device.gpus().first().map(|gpu| crate::ring::reads_for(gpu)),
        shares,
        pairhmm,
        waiting,
        digests: Digests {
            records,
            bam,
            likelihoods,
        },
    })
}

/// What `align` does with batches, less the files.
struct ToSam<'a> {
    aligner: &'a Aligner<'a>,
    reference: &'a Reference,
    insert: Option<&'a InsertSize>,
}

impl<'a> Work for ToSam<'a> {
    type In = &'a ReadBatch;
    type Begun = (&'a ReadBatch, Begun);
    type Out = Vec<u8>;
    type Scratch = Scratch;

    fn scratch(&self) -> Scratch {
        Scratch::default()
    }

    fn begin(&self, scratch: &mut Scratch, batch: &'a ReadBatch) -> Result<Self::Begun> {
        let begun = self
            .aligner
            .begin(batch, self.insert, Effort::Whole, scratch)?;
        Ok((batch, begun))
    }

    fn is_ready(&self, (_, begun): &mut Self::Begun) -> bool {
        begun.is_ready()
    }

    fn finish(&self, scratch: &mut Scratch, (batch, begun): Self::Begun) -> Result<Vec<u8>> {
        let placed = self.aligner.finish(batch, begun, scratch);
        let encode = |r: &Record, out: &mut Vec<u8>| write_sam(r, self.reference.contigs(), out);
        let mut writer = Writer::new(self.reference, None, Style::default(), encode);
        let mut sam = Vec::new();
        for (t, template) in placed.templates.iter().enumerate() {
            writer.write(batch, t, &placed.hits, template, &mut sam);
        }
        Ok(sam)
    }
}

fn in_memory(
    aligner: &Aligner<'_>,
    case: &Case<'_>,
    insert: Option<&InsertSize>,
    device: &Device,
) -> Result<(Duration, String)> {
    let work = ToSam {
        aligner,
        reference: case.reference,
        insert,
    };
    let ahead = if device.gpus().is_empty() {
        0
    } else {
        run::AHEAD
    };
    let mut hash = Sha256::new();
    let mut next = case.batches.iter();
    let start = Instant::now();
    flow::run_ahead(
        case.threads,
        ahead,
        || Ok(next.next()),
        &work,
        |sam| {
            hash.update(&sam);
            Ok(())
        },
    )?;
    Ok((start.elapsed(), hex(hash)))
}

/// Time, share of waiting, stages, digest of the BAM.
fn to_bam(device: &Device, case: &Case<'_>) -> Result<(Duration, f64, Timings, String)> {
    let output = case.temp.join("out.bam");
    let options = run::Options {
        source: Source {
            files: case.fastq.to_vec(),
            pairing: (case.fastq.len() == 1).then_some(Pairing::Single),
            extras: Extras::default(),
            keep_groups: false,
        },
        output: output.clone(),
        read_group: None,
        insert: None,
        threads: case.threads,
        sorting: sort::Options {
            memory: 4 << 30,
            temporary: Some(case.temp.to_path_buf()),
            duplicates: sort::Duplicates::Mark,
            optical_distance: 0,
            level: 1,
        },
        batch: None,
        least_score: crate::align::LEAST_SCORE,
        style: Style::default(),
        redact: false,
        command: "theralign bench".into(),
    };
    let done = run::run(case.reference, device, &options)?;
    let waited = done.timings.of(Stage::WaitDevice).as_secs_f64();
    let waiting = waited / (done.wall.as_secs_f64() * case.threads as f64);
    let mut hash = Sha256::new();
    hash.update(std::fs::read(&output).map_err(Error::io(&output))?);
    Ok((done.wall, waiting, done.timings, hex(hash)))
}

fn hex(hash: Sha256) -> String {
    use std::fmt::Write;
    let digest = hash.finalize();
    digest.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

fn pack_all(batches: &[ReadBatch]) -> Vec<PackedReads> {
    let pack = |batch| {
        let mut packed = PackedReads::default();
        packed.fill(batch);
        packed
    };
    batches.par_iter().map(pack).collect()
}

fn locate_on_cpu(case: &Case<'_>, packed: &[PackedReads], window: PairWindow) -> Duration {
    let start = Instant::now();
    packed.par_iter().for_each(|packed| {
        let (reads, timings) = (Reads::of(packed), &mut Timings::default());
        let scoring = &Scoring::default();
        std::hint::black_box(locate::on_cpu(
            reads,
            case.reference,
            window,
            scoring,
            timings,
        ));
    });
    start.elapsed()
}

/// Through the ring, without what the host does with the results. The index is on the device, and each
/// slot has been used, before the clock starts.
fn locate_on_gpus(
    device: &Device,
    case: &Case<'_>,
    packed: Vec<PackedReads>,
    window: PairWindow,
) -> Duration {
    let scoring = Scoring::default();
    let Some(ring) = Ring::start(device, case.reference, scoring) else {
        return Duration::ZERO;
    };
    let warm = packed.len().min(8);
    let all = |batches: Vec<PackedReads>| {
        let mut under_way = VecDeque::new();
        for packed in batches {
            if ring.is_full() {
                let oldest: Option<crate::ring::Ticket> = under_way.pop_front();
                if let Some(ticket) = oldest {
                    std::hint::black_box(ticket.wait(case.reference, &scoring, &mut 0));
                }
            }
            under_way.extend(ring.submit(packed, window).ok());
        }
        for ticket in under_way {
            std::hint::black_box(ticket.wait(case.reference, &scoring, &mut 0));
        }
    };
    all(packed[..warm].to_vec());
    for gpu in device.gpus() {
        gpu.take_times();
        gpu.take_moved();
    }
    let start = Instant::now();
    all(packed);
    start.elapsed()
}

fn of_cpu(timings: &Timings, reads: usize) -> Vec<Kernel> {
    let stages = [
        (Stage::Seed, "seed"),
        (Stage::Candidate, "candidate"),
        (Stage::Extend, "extend"),
    ];
    let kernel = |(stage, name)| Kernel {
        name,
        nanoseconds_per_read: timings.of(stage).as_nanos() as f64 / reads as f64,
    };
    stages.into_iter().map(kernel).collect()
}

fn of_gpus(device: &Device, reads: usize) -> Vec<Kernel> {
    let mut kernels: Vec<Kernel> = Vec::new();
    for (name, time) in device.gpus().iter().flat_map(|gpu| gpu.take_times()) {
        let nanoseconds_per_read = time.as_nanos() as f64 / reads as f64;
        match kernels.iter_mut().find(|k| k.name == name) {
            Some(k) => k.nanoseconds_per_read += nanoseconds_per_read,
            None => kernels.push(Kernel {
                name,
                nanoseconds_per_read,
            }),
        }
    }
    kernels
}

/// Bytes of a line of memory: what a read of a few bytes at random costs.
const LINE: f64 = 32.0;
/// Integer operations to hash an s-mer, and for a cell of an alignment.
const SMER: f64 = 14.0;
const CELL: f64 = 20.0;

fn shares(gpu: &Gpu, case: &Case<'_>, paths: &Paths, located: f64) -> Result<Shares> {
    let [up, down] = gpu.take_moved().map(|b| b as f64 / case.reads as f64);
    let peak = peak::measure(gpu)?;
    let reads = paths.reads.max(1) as f64;
    let a_read = |n: u64| n as f64 / reads;
    let bases: usize = case.batches.iter().map(|b| b.bases.len()).sum();
    let bases = bases as f64 / case.reads as f64;
    // Input and output; a line of the index for each list and one for its places; the list itself written
    // and read; two lines of the genome for each candidate.
    let bytes =
        up + down + a_read(paths.lists) * (2.0 * LINE + 24.0) + a_read(paths.ungapped) * 2.0 * LINE;
    let operations = bases * SMER + a_read(paths.gapped) * bases * 32.0 * CELL;
    Ok(Shares {
        up,
        down,
        peak,
        of_bandwidth: bytes * located / peak.bytes_per_second,
        of_arithmetic: operations * located / peak.operations_per_second,
    })
}

/// Bases of the reads and haplotypes of the pairHMM's jobs.
const LENGTHS: (u32, u32) = (150, 300);

/// Reads against haplotypes that they come from or nearly, the same jobs each time; how fast, and a digest
/// of the likelihoods of the first ones.
fn pairhmm(device: &Device) -> Result<(PairHmm, String)> {
    const DIGESTED: usize = 256;
    let gpu = device.gpus().first();
    let count = match gpu {
        Some(gpu) if gpu.is_software() => 1024,
        Some(_) => 65_536,
        None => 4096,
    };
    let (reads, haplotypes, jobs) = pairhmm_jobs(count);
    let cells = f64::from(LENGTHS.0) * f64::from(LENGTHS.1) * count as f64;
    let giga = |time: Duration| cells / time.as_secs_f64() / 1e9;
    let all = || -> Result<Vec<LogLik>> {
        if let Some(gpu) = gpu {
            return gpu.pairhmm(&reads, &haplotypes, &jobs);
        }
        let parts: Result<Vec<_>> = jobs
            .par_chunks(256)
            .map(|jobs| Cpu.pairhmm(&reads, &haplotypes, jobs))
            .collect();
        Ok(parts?.concat())
    };
    let likelihoods = all()?;
    let start = Instant::now();
    all()?;
    let fixed_point = giga(start.elapsed());
    let (mut float, mut float_differs) = (None, None);
    if let Some(gpu) = gpu {
        let results = float::on_gpu(gpu, &reads, &haplotypes, &jobs)?;
        let start = Instant::now();
        float::on_gpu(gpu, &reads, &haplotypes, &jobs)?;
        float = Some(giga(start.elapsed()));
        let difference =
            |(f, l): (&f32, &LogLik)| (f64::from(*f) / BITS_PER_PHRED - l.phred()).abs();
        float_differs = Some(
            results
                .iter()
                .zip(&likelihoods)
                .map(difference)
                .fold(0.0, f64::max),
        );
    }
    let mut hash = Sha256::new();
    hash.update(bytemuck::cast_slice::<_, u8>(&likelihoods[..DIGESTED]));
    let measured = PairHmm {
        fixed_point,
        float,
        float_differs,
    };
    Ok((measured, hex(hash)))
}

fn pairhmm_jobs(count: usize) -> (Vec<u32>, Vec<u32>, Vec<Job>) {
    let mut state = 1u32;
    let mut below = |n: u32| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223); // Numerical Recipes
        ((u64::from(state) * u64::from(n)) >> 32) as u32
    };
    let (mut reads, mut haplotypes) = (Vec::new(), Vec::new());
    let jobs = (0..count as u32)
        .map(|k| {
            let start = below(LENGTHS.1 - LENGTHS.0);
            let first = haplotypes.len();
            haplotypes.extend((0..LENGTHS.1).map(|_| pack(below(4) as u8, GAP_OPEN)));
            for i in 0..LENGTHS.0 {
                let own = haplotypes[first + (start + i) as usize] & 3;
                let code = if below(50) == 0 { below(4) as u8 } else { own };
                reads.push(pack(code, [12, 25, 37, 37][below(4) as usize]));
            }
            Job {
                read: k * LENGTHS.0,
                read_len: LENGTHS.0,
                haplotype: k * LENGTHS.1,
                haplotype_len: LENGTHS.1,
            }
        })
        .collect();
    (pack_words(&reads), pack_words(&haplotypes), jobs)
}
