//! `theralign bench`: the same reads on each device, how fast, and the proof that all give the same.

use super::common::Threads;
use crate::align::insert::{InsertSize, LONGEST_UNKNOWN, SAMPLE};
use crate::align::record::{Style, Writer};
use crate::align::{Aligner, Scratch};
use crate::backend::{Cpu, Device, DeviceIndex, DeviceReads, Kernels};
use crate::batch::{PackedReads, ReadBatch};
use crate::device::adapter;
use crate::error::thousands;
use crate::format::fastq::{FastqReader, Pairing};
use crate::format::sam::{Record, write_sam};
use crate::genome::Reference;
use crate::kernel::candidate::PairWindow;
use crate::kernel::extend::Scoring;
use crate::{Error, Result, flow};
use serde::Serialize;
use sha2::{Digest, Sha256};
use std::fmt::Write as _;
use std::io::Write;
use std::path::PathBuf;
use std::time::{Duration, Instant};

/// Compare devices on the same reads: speed by stage, and a digest that proves the outputs equal
#[derive(clap::Args, Debug)]
pub struct Args {
    /// Index made by `theralign index`
    #[arg(short = 'x', long, value_name = "INDEX")]
    index: PathBuf,
    /// FASTQ files: one is single-end; R1 R2 of each lane are pairs
    #[arg(required = true, value_name = "READS.fq[.gz]")]
    reads: Vec<PathBuf>,
    /// Devices, each as `align --device` takes it [default: cpu and every adapter]
    #[arg(long, value_name = "DEVICE,…", value_delimiter = ',')]
    device: Vec<String>,
    /// Take no more than the first N reads or pairs; they are held in memory
    #[arg(long, value_name = "N", default_value_t = 200_000)]
    templates: usize,
    /// Reads or pairs in a batch
    #[arg(long, value_name = "N", default_value_t = 2048)]
    batch: usize,
    /// Print the results as JSON to standard output too
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    threads: Threads,
}

/// Reads a second, one thread, each stage with what it takes to bring its results back.
#[derive(Serialize)]
struct Stages {
    seed: f64,
    candidate: f64,
    extend: f64,
}

/// What one device did.
#[derive(Serialize)]
struct Row {
    device: String,
    name: String,
    /// From reads in memory to SAM in memory, all threads.
    reads_per_second: f64,
    stages: Stages,
    /// SHA-256 of the SAM records.
    digest: String,
}

#[derive(Serialize)]
struct Report {
    version: &'static str,
    reads: usize,
    threads: usize,
    batch: usize,
    devices: Vec<Row>,
    equal: bool,
}

/// Measures every device in turn.
///
/// # Errors
/// When a device fails on the way, and when two devices give different records.
pub fn run(args: &Args) -> Result<()> {
    let threads = args.threads.apply()?;
    let reference = Reference::open_for_seeding(&args.index)?;
    let batches = load(args)?;
    let reads: usize = batches.iter().map(ReadBatch::reads).sum();
    let words = if args.device.is_empty() {
        // By PCI id where there is one: two of a kind have the same name.
        let all = adapter::list().into_iter().map(|f| {
            let pci = f.info.device_pci_bus_id;
            if pci.is_empty() { f.info.name } else { pci }
        });
        std::iter::once("cpu".to_string()).chain(all).collect()
    } else {
        args.device.clone()
    };
    eprintln!(
        "{} reads in memory, {threads} threads, batches of {}",
        thousands(reads as u64),
        args.batch
    );
    let mut devices = Vec::new();
    for word in &words {
        devices.push(measure(word, &reference, &batches, reads, threads)?);
    }
    let equal = devices.iter().all(|d| d.digest == devices[0].digest);
    let report = Report {
        version: env!("CARGO_PKG_VERSION"),
        reads,
        threads,
        batch: args.batch,
        devices,
        equal,
    };
    eprint!("{}", table(&report));
    if args.json {
        let json = serde_json::to_string_pretty(&report).expect("plain data");
        writeln!(std::io::stdout(), "{json}").map_err(Error::io("standard output"))?;
    }
    if equal {
        Ok(())
    } else {
        Err(Error::Failed("the devices gave different records".into()))
    }
}

fn load(args: &Args) -> Result<Vec<ReadBatch>> {
    let pairing = Pairing::of_files(args.reads.len())?;
    let batch = args.batch.clamp(1, args.templates.max(1));
    let mut reader = FastqReader::open(&args.reads, pairing, batch)?;
    let (mut batches, mut templates) = (Vec::new(), 0);
    while templates < args.templates
        && let Some(batch) = reader.next_batch()?
    {
        templates += batch.templates();
        batches.push(batch);
    }
    if batches.is_empty() {
        return Err(Error::input(
            args.reads[0].display().to_string(),
            "",
            "there is no read in it",
            "Give reads to measure with.",
        ));
    }
    Ok(batches)
}

fn measure(
    word: &str,
    reference: &Reference,
    batches: &[ReadBatch],
    reads: usize,
    threads: usize,
) -> Result<Row> {
    let device = Device::choose(word)?;
    let on_gpu = device.working_gpu().is_some();
    let aligner = Aligner::new(reference, &device);
    let sample = batches.len().min(SAMPLE.div_ceil(batches[0].templates()));
    // Estimating also warms up: pipelines are made, memory is touched.
    let insert = if batches[0].paired {
        Some(aligner.estimate_insert(&batches[..sample])?.0)
    } else {
        None
    };
    let (elapsed, digest) = whole(&aligner, reference, batches, insert.as_ref(), threads)?;
    let some = &batches[..sample];
    let stages = match device.working_gpu() {
        Some(gpu) => stages(gpu, reference, some, insert.as_ref())?,
        None if on_gpu => {
            let what = format!("{} failed on the way", device.name());
            return Err(Error::Failed(what));
        }
        None => stages(&Cpu, reference, some, insert.as_ref())?,
    };
    Ok(Row {
        device: word.to_string(),
        name: device.name(),
        reads_per_second: reads as f64 / elapsed.as_secs_f64(),
        stages,
        digest,
    })
}

/// Aligns all batches as `align` does, from memory to memory.
fn whole(
    aligner: &Aligner<'_>,
    reference: &Reference,
    batches: &[ReadBatch],
    insert: Option<&InsertSize>,
    threads: usize,
) -> Result<(Duration, String)> {
    let mut hash = Sha256::new();
    let mut next = batches.iter();
    let start = Instant::now();
    flow::run(
        threads,
        || Ok(next.next()),
        || {
            let encode = |r: &Record, out: &mut Vec<u8>| write_sam(r, reference.contigs(), out);
            (
                Scratch::default(),
                Writer::new(reference, None, Style::default(), encode),
            )
        },
        |(scratch, writer), batch: &ReadBatch| {
            let placed = aligner.place(batch, insert, scratch)?;
            let mut sam = Vec::new();
            for (t, template) in placed.templates.iter().enumerate() {
                writer.write(batch, t, &placed.hits, template, &mut sam);
            }
            Ok(sam)
        },
        |sam| {
            hash.update(&sam);
            Ok(())
        },
    )?;
    let elapsed = start.elapsed();
    let hex = |s: String, b: &u8| s + &format!("{b:02x}");
    Ok((elapsed, hash.finalize().iter().fold(String::new(), hex)))
}

/// The kernels one by one, on this thread.
fn stages<B: Kernels>(
    b: &B,
    reference: &Reference,
    batches: &[ReadBatch],
    insert: Option<&InsertSize>,
) -> Result<Stages> {
    let index = DeviceIndex::new(b, reference);
    let scoring = Scoring::default();
    let mut packed = PackedReads::default();
    let mut spent = [Duration::ZERO; 3];
    let mut reads = 0;
    for batch in batches {
        packed.fill(batch);
        let window = PairWindow {
            paired: u32::from(batch.paired),
            longest: insert.map_or(LONGEST_UNKNOWN, |i| i.high),
        };
        let start = Instant::now();
        let on_device = DeviceReads::upload(b, &packed);
        let seeds = b.seed(&on_device, &index);
        b.download(&seeds.ends)?;
        let seeded = Instant::now();
        let found = b.candidate(&on_device, &seeds, &index, window);
        b.download(&found.candidates)?;
        let voted = Instant::now();
        let extended = b.extend(&on_device, &found.candidates, &index, &scoring);
        b.download(&extended.extensions)?;
        b.download(&extended.runs)?;
        spent[0] += seeded - start;
        spent[1] += voted - seeded;
        spent[2] += voted.elapsed();
        reads += batch.reads();
    }
    let [seed, candidate, extend] = spent.map(|s| reads as f64 / s.as_secs_f64());
    Ok(Stages {
        seed,
        candidate,
        extend,
    })
}

fn table(report: &Report) -> String {
    let mut text = format!(
        "{:<36} {:>12} {:>12} {:>12} {:>12}  digest\n",
        "reads a second", "all threads", "seed", "candidate", "extend"
    );
    for d in &report.devices {
        let [all, seed, candidate, extend] = [
            d.reads_per_second,
            d.stages.seed,
            d.stages.candidate,
            d.stages.extend,
        ]
        .map(|x| thousands(x as u64));
        let digest = &d.digest[..16];
        let _ = writeln!(
            text,
            "{:<36} {all:>12} {seed:>12} {candidate:>12} {extend:>12}  {digest}",
            d.name
        );
    }
    text + if report.equal {
        "all records are the same\n"
    } else {
        "THE RECORDS DIFFER\n"
    }
}
