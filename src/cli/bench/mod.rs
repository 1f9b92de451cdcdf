//! `theralign bench`: the same reads on each device, how fast, and the proof that all give the same.

mod chart;
mod data;
mod float;
mod measure;

use super::common::{Threads, parse_bytes};
use crate::device::adapter;
use crate::error::thousands;
use crate::format::output::Output;
use crate::genome::Reference;
use crate::{Error, Result};
use serde::Serialize;
use std::io::Write;
use std::path::{Path, PathBuf};

/// Compare devices on the same reads: speed by stage and kernel, and digests that prove the outputs equal
///
/// Without reads, pairs are drawn from the index's genome; with --synthetic, the genome is made up too.
#[derive(clap::Args, Debug)]
pub struct Args {
    /// Index made by `theralign index`
    #[arg(
        short = 'x',
        long,
        value_name = "INDEX",
        required_unless_present = "synthetic"
    )]
    index: Option<PathBuf>,
    /// Make up a genome of so many bases, with repeats; needs no data
    #[arg(long, value_name = "BASES", num_args = 0..=1, default_missing_value = "20M",
          value_parser = parse_bytes, conflicts_with_all = ["index", "reads"])]
    synthetic: Option<usize>,
    /// Write the made-up genome's index here, for further runs
    #[arg(long, value_name = "INDEX", requires = "synthetic")]
    keep_index: Option<PathBuf>,
    /// FASTQ files: one is single-end; R1 R2 of each lane are pairs [default: 2 x 150 bases, drawn from the genome]
    #[arg(value_name = "READS.fq[.gz]")]
    reads: Vec<PathBuf>,
    /// Devices, each as `align --device` takes it [default: cpu, and each adapter alone and with the CPU]
    #[arg(long, value_name = "DEVICE,…", value_delimiter = ',')]
    device: Vec<String>,
    /// Take no more than the first N reads or pairs, or draw so many; they are held in memory
    #[arg(long, value_name = "N", default_value_t = 200_000)]
    templates: usize,
    /// Reads or pairs in a batch of the CPU; a GPU takes several at once
    #[arg(long, value_name = "N", default_value_t = 2048)]
    batch: usize,
    /// Write the results as JSON; `-` is standard output
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Draw the results as a bar chart
    #[arg(long, value_name = "FILE.svg")]
    svg: Option<PathBuf>,
    /// Folder for FASTQ, BAM and a made-up genome while it runs [default: the system's]
    #[arg(long, value_name = "DIR")]
    temp: Option<PathBuf>,
    /// Bind no more than so many bytes at once on a GPU, for tests
    #[arg(long, value_name = "BYTES", value_parser = parse_bytes, hide = true)]
    max_binding: Option<usize>,
    #[command(flatten)]
    threads: Threads,
}

/// Everything that was measured.
#[derive(Debug, Serialize)]
struct Report {
    schema: &'static str,
    version: &'static str,
    genome_bases: u64,
    reads: usize,
    threads: usize,
    batch: usize,
    devices: Vec<measure::Row>,
    /// Do all digests agree?
    equal: bool,
}

/// Measures every device in turn.
///
/// # Errors
/// When a device fails on the way, and when two devices give different records.
pub fn run(args: &Args) -> Result<()> {
    let threads = args.threads.apply()?;
    let temp = match &args.temp {
        Some(folder) => tempfile::tempdir_in(folder),
        None => tempfile::tempdir(),
    }
    .map_err(Error::io("the folder for temporary files"))?;
    let reference = match (&args.index, args.synthetic) {
        (Some(index), _) => Reference::open_for_seeding(index)?,
        (None, bases) => {
            data::made_up(bases.unwrap_or(0), temp.path(), args.keep_index.as_deref())?
        }
    };
    let batch = args.batch.clamp(1, args.templates.max(1));
    let batches = if args.reads.is_empty() {
        data::drawn(&reference, args.templates, batch)
    } else {
        data::read(&args.reads, args.templates, batch)?
    };
    let fastq = data::write_fastq(&batches, temp.path())?;
    let reads = batches.iter().map(crate::batch::ReadBatch::reads).sum();
    eprintln!(
        "{} reads in memory, a genome of {} bases, {threads} threads",
        thousands(reads as u64),
        thousands(reference.genome_len().into())
    );
    let case = measure::Case {
        reference: &reference,
        batches: &batches,
        fastq: &fastq,
        reads,
        threads,
        temp: temp.path(),
        max_binding: args.max_binding.map(|b| b as u64),
    };
    let mut devices: Vec<measure::Row> = Vec::new();
    for word in words(args) {
        devices.push(measure::device(&word, &case)?);
        if let Some(row) = devices.last() {
            eprint!("{}", chart::lines(row));
        }
    }
    let equal = devices.iter().all(|d| d.digests == devices[0].digests);
    let report = Report {
        schema: "theralign-bench/1",
        version: env!("CARGO_PKG_VERSION"),
        genome_bases: reference.genome_len().into(),
        reads,
        threads,
        batch,
        devices,
        equal,
    };
    eprint!("{}", chart::table(&report));
    if let Some(path) = &args.json {
        let json = serde_json::to_string_pretty(&report).expect("plain data");
        write(path, &(json + "\n"))?;
    }
    if let Some(path) = &args.svg {
        write(path, &chart::svg(&report))?;
    }
    if equal {
        Ok(())
    } else {
        Err(Error::Failed("the devices gave different records".into()))
    }
}

fn write(path: &Path, text: &str) -> Result<()> {
    let mut out = Output::create(path)?;
    out.write_all(text.as_bytes()).map_err(Error::io(path))?;
    out.finish()
}

/// The devices asked for, or all there are.
fn words(args: &Args) -> Vec<String> {
    if !args.device.is_empty() {
        return args.device.clone();
    }
    // By PCI id where there is one: two of a kind have the same name.
    let adapters = adapter::list().into_iter().flat_map(|f| {
        let pci = &f.info.device_pci_bus_id;
        let name = if pci.is_empty() { &f.info.name } else { pci };
        let name = name.replace('+', " "); // `+` joins devices
        [name.clone(), name + "+cpu"]
    });
    std::iter::once("cpu".to_string()).chain(adapters).collect()
}
