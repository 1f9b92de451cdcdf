//! The devices that run kernels, and [`Device`], what `--device` chose among them at start-up.

use crate::batch::PackedReads;
use crate::device::adapter;
use crate::device::gpu::{Fault, Options};
use crate::device::lanes::Level;
use crate::domain::LogLik;
use crate::genome::Reference;
use crate::kernel::candidate::PairWindow;
use crate::kernel::extend::Scoring;
use crate::kernel::locate::{self, Located, Locator};
use crate::kernel::seed::Reads;
use crate::kernel::{pairhmm, pileup};
use crate::timings::Timings;
use crate::{Error, Result};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

pub use crate::device::gpu::Gpu;

/// A device that runs every kernel, from memory of the host to memory of the host. Given the same
/// input, two backends give the same output, to the bit.
pub trait Backend: Sync {
    /// For messages and file headers.
    fn name(&self) -> String;
    /// See [`kernel::locate`](crate::kernel::locate). A GPU puts the index on the device each time; a
    /// [`Ring`](crate::ring::Ring) keeps it there.
    ///
    /// # Errors
    /// [`Error::Device`] if anything went wrong since the backend was opened.
    fn locate(
        &self,
        reads: &PackedReads,
        reference: &Reference,
        window: PairWindow,
        scoring: &Scoring,
    ) -> Result<Located>;
    /// See [`kernel::pileup`](crate::kernel::pileup).
    ///
    /// # Errors
    /// As [`locate`](Backend::locate).
    fn pileup(
        &self,
        bases: &[u32],
        cigars: &[u32],
        reads: &[pileup::Segment],
        s: pileup::Settings,
    ) -> Result<Vec<u32>>;
    /// See [`kernel::pairhmm`](crate::kernel::pairhmm).
    ///
    /// # Errors
    /// As [`locate`](Backend::locate).
    fn pairhmm(
        &self,
        reads: &[u32],
        haplotypes: &[u32],
        jobs: &[pairhmm::Job],
    ) -> Result<Vec<LogLik>>;
}

/// The CPU lanes. A kernel runs on the thread that calls it, with the widest vectors there are.
#[derive(Clone, Copy, Debug, Default)]
pub struct Cpu;

impl Backend for Cpu {
    fn name(&self) -> String {
        format!("CPU lanes ({})", Level::current().name())
    }

    fn locate(
        &self,
        reads: &PackedReads,
        reference: &Reference,
        window: PairWindow,
        scoring: &Scoring,
    ) -> Result<Located> {
        let reads = Reads::of(reads);
        let timings = &mut Timings::default();
        Ok(locate::on_cpu(reads, reference, window, scoring, timings))
    }

    fn pileup(
        &self,
        bases: &[u32],
        cigars: &[u32],
        reads: &[pileup::Segment],
        s: pileup::Settings,
    ) -> Result<Vec<u32>> {
        Ok(pileup::on_cpu(bases, cigars, reads, s))
    }

    fn pairhmm(
        &self,
        reads: &[u32],
        haplotypes: &[u32],
        jobs: &[pairhmm::Job],
    ) -> Result<Vec<LogLik>> {
        Ok(pairhmm::on_cpu(reads, haplotypes, jobs))
    }
}

impl Backend for Arc<Gpu> {
    fn name(&self) -> String {
        Gpu::name(self).to_string()
    }

    fn locate(
        &self,
        reads: &PackedReads,
        reference: &Reference,
        window: PairWindow,
        scoring: &Scoring,
    ) -> Result<Located> {
        let locator = Locator::new(self.clone(), reference, *scoring);
        let mut slot = locator.slot(self.options().reads.unwrap_or(reads.spans.len()));
        locator.locate(&mut slot, reads, window, reference)
    }

    fn pileup(
        &self,
        bases: &[u32],
        cigars: &[u32],
        reads: &[pileup::Segment],
        s: pileup::Settings,
    ) -> Result<Vec<u32>> {
        pileup::on_gpu(self, bases, cigars, reads, s)
    }

    fn pairhmm(
        &self,
        reads: &[u32],
        haplotypes: &[u32],
        jobs: &[pairhmm::Job],
    ) -> Result<Vec<LogLik>> {
        pairhmm::on_gpu(self, reads, haplotypes, jobs)
    }
}

/// What `--device` chose: the CPU lanes, or GPUs with the CPU lanes behind them should they fail.
#[derive(Debug)]
pub struct Device {
    gpus: Vec<Arc<Gpu>>,
    /// The CPU lanes take whole batches while the GPUs are busy.
    shares: bool,
    failed: Arc<AtomicBool>,
}

impl Device {
    /// The CPU lanes.
    pub fn cpu() -> Device {
        Device::of(Vec::new(), false)
    }

    /// This GPU, and the CPU lanes should it fail.
    pub fn gpu(gpu: Arc<Gpu>) -> Device {
        Device::of(vec![gpu], false)
    }

    fn of(gpus: Vec<Arc<Gpu>>, shares: bool) -> Device {
        Device {
            gpus,
            shares,
            failed: Arc::default(),
        }
    }

    /// Opens what the word of `--device` means; see [`adapter::choose`]. A software adapter is used
    /// only when it is asked for, and then a line on stderr says so.
    ///
    /// The environment changes a GPU, for tests and measurements: `THERALIGN_FAULT` (`lost@N`,
    /// `refused@N`, `hung@N`, `memory@N`) makes it go wrong at its N-th launch of a kernel,
    /// `THERALIGN_LANES` sets the threads of a workgroup, `THERALIGN_GPU_READS` the reads of a batch
    /// on it, and `THERALIGN_CHECKED=1` has wgpu check indices and loops in shaders.
    ///
    /// # Errors
    /// When no adapter answers to the word, or a named one cannot be opened.
    pub fn choose(word: &str, max_binding: Option<u64>) -> Result<Device> {
        Device::choose_timed(word, max_binding, false)
    }

    /// The same; with `times`, GPUs note when each kernel begins and ends.
    ///
    /// # Errors
    /// As [`choose`](Device::choose).
    pub fn choose_timed(word: &str, max_binding: Option<u64>, times: bool) -> Result<Device> {
        if word == "cpu" {
            return Ok(Device::cpu());
        }
        let found = adapter::list();
        let chosen = adapter::choose(word, &found)?;
        let options = Options {
            fault: from_env::<Fault>("THERALIGN_FAULT")?,
            lanes: from_env("THERALIGN_LANES")?,
            reads: from_env("THERALIGN_GPU_READS")?,
            checked: from_env::<u32>("THERALIGN_CHECKED")?.is_some_and(|c| c != 0),
            times,
            max_binding,
            ..Options::default()
        };
        let mut gpus = Vec::new();
        for adapter in chosen.adapters {
            match Gpu::open(adapter, &options) {
                Ok(gpu) => {
                    if gpu.is_software() {
                        eprintln!(
                            "theralign: {} is a software adapter; --device cpu gives the same bytes sooner",
                            gpu.name()
                        );
                    }
                    gpus.push(Arc::new(gpu));
                }
                Err(e) if word == "auto" => {
                    eprintln!("theralign: warning: {e}; going on with the CPU lanes");
                }
                Err(e) => return Err(e),
            }
        }
        let shares = chosen.cpu && !gpus.is_empty();
        Ok(Device::of(gpus, shares))
    }

    /// The backends' names.
    pub fn name(&self) -> String {
        let mut names: Vec<String> = self.gpus.iter().map(Backend::name).collect();
        if self.shares || names.is_empty() {
            names.push(Cpu.name());
        }
        names.join(" + ")
    }

    /// Something went wrong on a GPU, and the CPU lanes went on in its place.
    pub fn is_lost(&self) -> bool {
        self.failed.load(Ordering::Relaxed)
    }

    /// The flag of [`is_lost`](Device::is_lost), for those who meet trouble.
    pub(crate) fn failed(&self) -> Arc<AtomicBool> {
        self.failed.clone()
    }

    /// The GPUs, working or not.
    pub fn gpus(&self) -> &[Arc<Gpu>] {
        &self.gpus
    }

    /// Do the CPU lanes take batches while the GPUs work?
    pub fn shares(&self) -> bool {
        self.shares
    }

    /// The first GPU on which nothing has gone wrong.
    pub fn working_gpu(&self) -> Option<&Arc<Gpu>> {
        self.gpus.iter().find(|gpu| gpu.trouble().is_none())
    }

    /// Does some work on a GPU if it can, else on the CPU lanes; the bytes are the same. If the GPU fails
    /// at it, that is said once, on stderr.
    ///
    /// # Errors
    /// What the closures return, [`Error::Device`] from the first one aside.
    pub fn run<R>(
        &self,
        on_gpu: impl FnOnce(&Arc<Gpu>) -> Result<R>,
        on_cpu: impl FnOnce(&Cpu) -> Result<R>,
    ) -> Result<R> {
        if let Some(gpu) = self.working_gpu() {
            match on_gpu(gpu) {
                Err(e @ Error::Device { .. }) => {
                    if !self.failed.swap(true, Ordering::Relaxed) {
                        eprintln!("theralign: warning: {e}; going on with the CPU lanes");
                    }
                }
                done => return done,
            }
        }
        on_cpu(&Cpu)
    }
}

/// A number or word from the environment; unset is `None`.
fn from_env<T: std::str::FromStr>(name: &str) -> Result<Option<T>> {
    match std::env::var(name) {
        Err(_) => Ok(None),
        Ok(value) => value.parse().map(Some).map_err(|_| {
            Error::usage(
                format!("{name}={value} is not understood"),
                "It is for tests; unset it.",
            )
        }),
    }
}
