//! The devices that run kernels. Everything above is generic over [`Backend`]; which one it is was
//! decided once, at start-up, by [`Device::choose`].

use crate::batch::{PackedReads, ReadSpan};
use crate::device::adapter;
use crate::device::gpu::{self, Fault, Options};
use crate::device::lanes::Level;
use crate::domain::LogLik;
use crate::genome::Reference;
use crate::kernel::candidate::{self, Candidate, PairWindow, Summary};
use crate::kernel::extend::{self, Extension, Scoring};
use crate::kernel::seed::{self, Reads, Seed, Table};
use crate::kernel::{pairhmm, pileup};
use crate::{Error, Result};
use bytemuck::Pod;
use std::cell::RefCell;
use std::sync::atomic::{AtomicBool, Ordering};

pub use crate::device::gpu::Gpu;

/// A device that runs every kernel. Given the same input, two backends give the same output, to the bit.
///
/// Launching a kernel does not wait and does not fail: trouble on the device comes to light in
/// [`download`](Backend::download).
pub trait Backend: Sync {
    /// Values that stay on the device from kernel to kernel.
    type Buf<T: Pod + Send + Sync>: Send + Sync;
    /// A large read-only table (packed genome, seed index), put there once.
    type Table<'a>: Send + Sync;

    /// For messages and file headers.
    fn name(&self) -> String;
    /// Copies values to the device.
    fn upload<T: Pod + Send + Sync>(&self, host: &[T]) -> Self::Buf<T>;
    /// Copies values back.
    ///
    /// # Errors
    /// [`Error::Device`] if anything went wrong since the backend was opened.
    fn download<T: Pod + Send + Sync>(&self, device: &Self::Buf<T>) -> Result<Vec<T>>;
    /// The same of values that the device needs no more; on the CPU this copies nothing.
    ///
    /// # Errors
    /// As [`download`](Backend::download).
    fn take<T: Pod + Send + Sync>(&self, device: Self::Buf<T>) -> Result<Vec<T>> {
        self.download(&device)
    }
    /// Makes a table reachable for kernels; on the CPU this copies nothing.
    fn table<'a>(&self, words: &'a [u32]) -> Self::Table<'a>;
}

/// The kernels of a device.
pub trait Kernels: Backend {
    /// See [`kernel::seed`](crate::kernel::seed).
    fn seed(&self, reads: &DeviceReads<Self>, index: &DeviceIndex<'_, Self>) -> Seeds<Self>;
    /// See [`kernel::candidate`](crate::kernel::candidate).
    fn candidate(
        &self,
        reads: &DeviceReads<Self>,
        seeds: &Seeds<Self>,
        index: &DeviceIndex<'_, Self>,
        window: PairWindow,
    ) -> Candidates<Self>;
    /// See [`kernel::extend`](crate::kernel::extend).
    fn extend(
        &self,
        reads: &DeviceReads<Self>,
        jobs: &Self::Buf<Candidate>,
        index: &DeviceIndex<'_, Self>,
        scoring: &Scoring,
    ) -> Extensions<Self>;
    /// See [`kernel::pileup`](crate::kernel::pileup).
    fn pileup(
        &self,
        bases: &Self::Buf<u32>,
        cigars: &Self::Buf<u32>,
        reads: &Self::Buf<pileup::Segment>,
        s: pileup::Settings,
    ) -> Self::Buf<u32>;
    /// See [`kernel::pairhmm`](crate::kernel::pairhmm); `longest` is the length of the longest haplotype.
    fn pairhmm(
        &self,
        reads: &Self::Buf<u32>,
        haplotypes: &Self::Buf<u32>,
        jobs: &Self::Buf<pairhmm::Job>,
        longest: u32,
    ) -> Self::Buf<LogLik>;
}

/// The packed reads of a batch on a device.
pub struct DeviceReads<B: Backend + ?Sized> {
    /// See [`PackedReads`].
    pub words: B::Buf<u32>,
    /// Same layout as `words`.
    pub masks: B::Buf<u32>,
    /// One per read.
    pub spans: B::Buf<ReadSpan>,
    /// Reads.
    pub count: usize,
    /// Bases of the longest.
    pub longest: u32,
}

impl<B: Backend> DeviceReads<B> {
    /// Copies a batch's reads to a device.
    pub fn upload(b: &B, packed: &PackedReads) -> DeviceReads<B> {
        DeviceReads {
            words: b.upload(&packed.words),
            masks: b.upload(&packed.masks),
            spans: b.upload(&packed.spans),
            count: packed.spans.len(),
            longest: packed.spans.iter().map(|s| s.len).max().unwrap_or(0),
        }
    }
}

/// An index on a device.
pub struct DeviceIndex<'a, B: Backend + ?Sized> {
    /// The packed genome.
    pub genome: B::Table<'a>,
    /// Blocks of seed buckets.
    pub blocks: B::Table<'a>,
    /// Places of seeds.
    pub positions: B::Table<'a>,
    /// Bits of a seed's hash that choose its bucket.
    pub hash_bits: u32,
}

impl<'a, B: Backend> DeviceIndex<'a, B> {
    /// Puts an index on a device.
    pub fn new(b: &B, reference: &'a Reference) -> DeviceIndex<'a, B> {
        DeviceIndex {
            genome: b.table(reference.packed()),
            blocks: b.table(reference.seed_blocks()),
            positions: b.table(reference.seed_positions()),
            hash_bits: reference.parameters().hash_bits,
        }
    }
}

/// What [`Backend::seed`] gives.
pub struct Seeds<B: Backend + ?Sized> {
    /// Read by read.
    pub seeds: B::Buf<Seed>,
    /// Where each read's list ends.
    pub ends: B::Buf<u32>,
}

/// What [`Backend::candidate`] gives.
pub struct Candidates<B: Backend + ?Sized> {
    /// Read by read, best first.
    pub candidates: B::Buf<Candidate>,
    /// One per read.
    pub summaries: B::Buf<Summary>,
}

/// What [`Backend::extend`] gives.
pub struct Extensions<B: Backend + ?Sized> {
    /// One per job.
    pub extensions: B::Buf<Extension>,
    /// Slots of [`MAX_RUNS`](crate::kernel::extend::MAX_RUNS) words.
    pub runs: B::Buf<u32>,
}

/// The CPU lanes. A kernel runs on the thread that calls it, with the widest vectors there are.
#[derive(Clone, Copy, Debug, Default)]
pub struct Cpu;

impl Backend for Cpu {
    type Buf<T: Pod + Send + Sync> = Vec<T>;
    type Table<'a> = &'a [u32];

    fn name(&self) -> String {
        format!("CPU lanes ({})", Level::current().name())
    }

    fn upload<T: Pod + Send + Sync>(&self, host: &[T]) -> Vec<T> {
        host.to_vec()
    }

    fn download<T: Pod + Send + Sync>(&self, device: &Vec<T>) -> Result<Vec<T>> {
        Ok(device.clone())
    }

    fn take<T: Pod + Send + Sync>(&self, device: Vec<T>) -> Result<Vec<T>> {
        Ok(device)
    }

    fn table<'a>(&self, words: &'a [u32]) -> &'a [u32] {
        words
    }
}

impl Kernels for Cpu {
    fn seed(&self, reads: &DeviceReads<Cpu>, index: &DeviceIndex<'_, Cpu>) -> Seeds<Cpu> {
        let (mut seeds, mut ends) = (Vec::new(), Vec::with_capacity(reads.count));
        SCRATCH.with_borrow_mut(|s| {
            seed::on_cpu(reads.view(), index.seeds(), &mut s.0, &mut seeds, &mut ends);
        });
        Seeds { seeds, ends }
    }

    fn candidate(
        &self,
        reads: &DeviceReads<Cpu>,
        seeds: &Seeds<Cpu>,
        index: &DeviceIndex<'_, Cpu>,
        window: PairWindow,
    ) -> Candidates<Cpu> {
        let mut found = candidate::Found::default();
        let lists = (&seeds.seeds[..], &seeds.ends[..]);
        SCRATCH.with_borrow_mut(|s| {
            candidate::on_cpu(
                reads.view(),
                lists,
                index.positions,
                window,
                &mut s.1,
                &mut found,
            );
        });
        Candidates {
            candidates: found.candidates,
            summaries: found.summaries,
        }
    }

    fn extend(
        &self,
        reads: &DeviceReads<Cpu>,
        jobs: &Vec<Candidate>,
        index: &DeviceIndex<'_, Cpu>,
        scoring: &Scoring,
    ) -> Extensions<Cpu> {
        let mut extended = extend::Extended::default();
        SCRATCH.with_borrow_mut(|s| {
            extend::on_cpu(
                index.genome,
                reads.view(),
                jobs,
                scoring,
                &mut s.2,
                &mut extended,
            );
        });
        Extensions {
            extensions: extended.extensions,
            runs: extended.runs,
        }
    }

    fn pileup(
        &self,
        bases: &Vec<u32>,
        cigars: &Vec<u32>,
        reads: &Vec<pileup::Segment>,
        s: pileup::Settings,
    ) -> Vec<u32> {
        pileup::on_cpu(bases, cigars, reads, s)
    }

    fn pairhmm(
        &self,
        reads: &Vec<u32>,
        haplotypes: &Vec<u32>,
        jobs: &Vec<pairhmm::Job>,
        _longest: u32,
    ) -> Vec<LogLik> {
        pairhmm::on_cpu(reads, haplotypes, jobs)
    }
}

thread_local! {
    /// Working memory of the kernels on a CPU thread, kept from batch to batch.
    static SCRATCH: RefCell<(seed::Scratch, candidate::Scratch, extend::Scratch)> = RefCell::default();
}

impl DeviceReads<Cpu> {
    fn view(&self) -> Reads<'_> {
        Reads {
            words: &self.words,
            masks: &self.masks,
            spans: &self.spans,
        }
    }
}

impl DeviceIndex<'_, Cpu> {
    fn seeds(&self) -> Table<'_> {
        Table {
            blocks: self.blocks,
            positions: self.positions,
            hash_bits: self.hash_bits,
        }
    }
}

impl Backend for Gpu {
    type Buf<T: Pod + Send + Sync> = gpu::Buf<T>;
    type Table<'a> = gpu::Table;

    fn name(&self) -> String {
        Gpu::name(self).to_string()
    }

    fn upload<T: Pod + Send + Sync>(&self, host: &[T]) -> gpu::Buf<T> {
        Gpu::upload(self, host)
    }

    fn download<T: Pod + Send + Sync>(&self, device: &gpu::Buf<T>) -> Result<Vec<T>> {
        Gpu::download(self, device)
    }

    fn table(&self, words: &[u32]) -> gpu::Table {
        Gpu::table(self, words)
    }
}

impl Kernels for Gpu {
    fn seed(&self, reads: &DeviceReads<Gpu>, index: &DeviceIndex<'_, Gpu>) -> Seeds<Gpu> {
        seed::on_gpu(self, reads, index)
    }

    fn candidate(
        &self,
        reads: &DeviceReads<Gpu>,
        seeds: &Seeds<Gpu>,
        index: &DeviceIndex<'_, Gpu>,
        window: PairWindow,
    ) -> Candidates<Gpu> {
        candidate::on_gpu(self, reads, seeds, index, window)
    }

    fn extend(
        &self,
        reads: &DeviceReads<Gpu>,
        jobs: &gpu::Buf<Candidate>,
        index: &DeviceIndex<'_, Gpu>,
        scoring: &Scoring,
    ) -> Extensions<Gpu> {
        extend::on_gpu(self, reads, jobs, index, scoring)
    }

    fn pileup(
        &self,
        bases: &gpu::Buf<u32>,
        cigars: &gpu::Buf<u32>,
        reads: &gpu::Buf<pileup::Segment>,
        s: pileup::Settings,
    ) -> gpu::Buf<u32> {
        pileup::on_gpu(self, bases, cigars, reads, s)
    }

    fn pairhmm(
        &self,
        reads: &gpu::Buf<u32>,
        haplotypes: &gpu::Buf<u32>,
        jobs: &gpu::Buf<pairhmm::Job>,
        longest: u32,
    ) -> gpu::Buf<LogLik> {
        pairhmm::on_gpu(self, reads, haplotypes, jobs, longest)
    }
}

/// What `--device` chose: the CPU lanes, or a GPU with the CPU lanes behind it should it fail.
#[derive(Debug)]
pub struct Device {
    gpu: Option<Gpu>,
    failed: AtomicBool,
}

impl Device {
    /// The CPU lanes.
    pub fn cpu() -> Device {
        Device {
            gpu: None,
            failed: AtomicBool::new(false),
        }
    }

    /// This GPU, and the CPU lanes should it fail.
    pub fn gpu(gpu: Gpu) -> Device {
        Device {
            gpu: Some(gpu),
            failed: AtomicBool::new(false),
        }
    }

    /// Opens what the word of `--device` means; see [`adapter::choose`]. A software adapter is used
    /// only when it is asked for, and then a line on stderr says so.
    ///
    /// The environment variable `THERALIGN_FAULT` (`lost@N`, `refused@N`, `hung@N`) makes the GPU go
    /// wrong at its N-th launch, and `THERALIGN_MAX_BINDING` lowers its binding limit to so many
    /// bytes; both are for tests.
    ///
    /// # Errors
    /// When no adapter answers to the word, or a named one cannot be opened.
    pub fn choose(word: &str) -> Result<Device> {
        if word == "cpu" {
            return Ok(Device::cpu());
        }
        let found = adapter::list();
        let Some(chosen) = adapter::choose(word, &found)? else {
            return Ok(Device::cpu());
        };
        let options = Options {
            fault: from_env::<Fault>("THERALIGN_FAULT")?,
            max_binding: from_env("THERALIGN_MAX_BINDING")?,
            ..Options::default()
        };
        match Gpu::open(chosen, &options) {
            Ok(gpu) => {
                if gpu.is_software() {
                    eprintln!(
                        "theralign: {} is a software adapter; --device cpu gives the same bytes sooner",
                        gpu.name()
                    );
                }
                Ok(Device::gpu(gpu))
            }
            Err(e) if word == "auto" => {
                eprintln!("theralign: warning: {e}; going on with the CPU lanes");
                Ok(Device::cpu())
            }
            Err(e) => Err(e),
        }
    }

    /// The backend's name.
    pub fn name(&self) -> String {
        self.gpu
            .as_ref()
            .map_or_else(|| Backend::name(&Cpu), Backend::name)
    }

    /// Something went wrong on the GPU, and the CPU lanes went on in its place.
    pub fn is_lost(&self) -> bool {
        self.failed.load(Ordering::Relaxed)
    }

    /// The GPU, as long as nothing has gone wrong on it.
    pub fn working_gpu(&self) -> Option<&Gpu> {
        self.gpu
            .as_ref()
            .filter(|_| !self.failed.load(Ordering::Relaxed))
    }

    /// Does a batch's work on the GPU. `None` if there is none, if it has failed before, or if it
    /// fails now (which is said once, on stderr): then the same work, on the CPU lanes, gives the
    /// same bytes.
    ///
    /// # Errors
    /// What the work returns, [`Error::Device`] aside.
    pub fn on_gpu<R>(&self, work: impl FnOnce(&Gpu) -> Result<R>) -> Result<Option<R>> {
        let Some(gpu) = self.working_gpu() else {
            return Ok(None);
        };
        match work(gpu) {
            Err(e @ Error::Device { .. }) => {
                if !self.failed.swap(true, Ordering::Relaxed) {
                    eprintln!("theralign: warning: {e}; going on with the CPU lanes");
                }
                Ok(None)
            }
            done => done.map(Some),
        }
    }

    /// Does a batch's work on the GPU if it can, else on the CPU lanes; see [`Device::on_gpu`]. Both
    /// closures do the same work, generic over [`Kernels`].
    ///
    /// # Errors
    /// What the closures return, [`Error::Device`] from the first one aside.
    pub fn run<R>(
        &self,
        on_gpu: impl FnOnce(&Gpu) -> Result<R>,
        on_cpu: impl FnOnce(&Cpu) -> Result<R>,
    ) -> Result<R> {
        match self.on_gpu(on_gpu)? {
            Some(done) => Ok(done),
            None => on_cpu(&Cpu),
        }
    }
}

/// A number or word from the environment; unset is `None`.
fn from_env<T: std::str::FromStr>(name: &str) -> Result<Option<T>> {
    match std::env::var(name) {
        Err(_) => Ok(None),
        Ok(value) => value.parse().map(Some).map_err(|_| {
            Error::usage(
                format!("{name}={value} is not understood"),
                "Unset it; it is meant for tests.",
            )
        }),
    }
}
