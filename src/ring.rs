//! Batches on their way through GPUs. One thread owns each GPU; all take batches from one queue, and
//! put as many into a submission as there is room for. Of each GPU's slots one is being filled while
//! the kernels run on another and a third is read back.
//!
//! What a GPU gives is not taken on trust, as drivers miscompile: the first batch that comes back from it
//! is located on the CPU lanes too. Only if the two agree does anything from this GPU count.

use crate::Result;
use crate::backend::Device;
use crate::batch::PackedReads;
use crate::device::gpu::Gpu;
use crate::genome::Reference;
use crate::kernel::candidate::PairWindow;
use crate::kernel::extend::Scoring;
use crate::kernel::locate::{
    self, FEWEST_READS, Located, Locator, MOST_READS, Part, Slot, Taken, words_of,
};
use crate::kernel::seed::Reads;
use crate::timings::Timings;
use std::collections::VecDeque;
use std::ops::Range;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, OnceLock, PoisonError};
use std::thread::{self, JoinHandle};

/// Batches at once on a GPU: one being filled, one computed, one read back.
pub const SLOTS: usize = 3;
/// Reads in a submission to a software adapter, whose caches are the CPU's. To a GPU as many as can be:
/// then launching costs next to nothing.
const SOFTWARE_READS: usize = 16_384;

/// The threads that own the GPUs, and what they share. Dropping it waits for them.
#[derive(Debug)]
pub struct Ring {
    shared: Arc<Shared>,
    threads: Vec<JoinHandle<()>>,
}

#[derive(Debug)]
struct Shared {
    queue: Mutex<Queue>,
    /// Told when the queue changes.
    changed: Condvar,
    /// Reads that keep all GPUs busy; see [`Ring::is_full`].
    enough: usize,
    /// Of each GPU, whether it agrees with the CPU lanes, once that is known.
    agrees: Vec<OnceLock<bool>>,
    gpus: Vec<Arc<Gpu>>,
}

#[derive(Debug)]
struct Queue {
    jobs: VecDeque<Job>,
    /// Reads queued or under way.
    load: usize,
    /// GPUs that work.
    working: usize,
    closed: bool,
}

/// A batch to be located.
#[derive(Debug)]
struct Job {
    packed: PackedReads,
    window: PairWindow,
    reply: Sender<Answer>,
}

/// A batch that comes back, with what a GPU found of it, unless it failed.
#[derive(Debug)]
struct Answer {
    packed: PackedReads,
    found: Option<Found>,
}

/// What a GPU, by its rank, found of the parts of a batch.
#[derive(Debug)]
struct Found {
    gpu: usize,
    parts: Vec<(Range<usize>, Taken)>,
}

/// A batch that is under way.
#[derive(Debug)]
pub struct Ticket {
    answers: Receiver<Answer>,
    answer: Option<Answer>,
    window: PairWindow,
    shared: Arc<Shared>,
}

impl Ring {
    /// Puts the index on the device's GPUs and starts their threads. None if it has none.
    pub fn start(device: &Device, reference: &Reference, scoring: Scoring) -> Option<Ring> {
        if device.gpus().is_empty() {
            return None;
        }
        let reads: Vec<usize> = device.gpus().iter().map(|gpu| reads_for(gpu)).collect();
        let shared = Arc::new(Shared {
            queue: Mutex::new(Queue {
                jobs: VecDeque::new(),
                load: 0,
                working: device.gpus().len(),
                closed: false,
            }),
            changed: Condvar::new(),
            enough: reads.iter().map(|r| r * (SLOTS - 1)).sum(),
            agrees: reads.iter().map(|_| OnceLock::new()).collect(),
            gpus: device.gpus().to_vec(),
        });
        let threads = device
            .gpus()
            .iter()
            .zip(reads)
            .enumerate()
            .map(|(rank, (gpu, reads))| {
                let (shared, failed) = (shared.clone(), device.failed());
                let locator = Locator::new(gpu.clone(), reference, scoring);
                thread::spawn(move || Owner::new(locator, rank, reads).serve(&shared, &failed))
            })
            .collect();
        Some(Ring { shared, threads })
    }

    /// Is there more work than the GPUs get done before the next batch comes?
    pub fn is_full(&self) -> bool {
        let queue = self.shared.lock();
        queue.load >= self.shared.enough || queue.working == 0
    }

    /// Queues a batch. Gives it back if no GPU works any more.
    pub fn submit(&self, packed: PackedReads, window: PairWindow) -> Result<Ticket, PackedReads> {
        let mut queue = self.shared.lock();
        if queue.working == 0 {
            return Err(packed);
        }
        queue.load += packed.spans.len();
        let (reply, answers) = channel();
        queue.jobs.push_back(Job {
            packed,
            window,
            reply,
        });
        drop(queue);
        self.shared.changed.notify_all();
        Ok(Ticket {
            answers,
            answer: None,
            window,
            shared: self.shared.clone(),
        })
    }
}

impl Drop for Ring {
    fn drop(&mut self) {
        self.shared.lock().closed = true;
        self.shared.changed.notify_all();
        for thread in self.threads.drain(..) {
            let _ = thread.join(); // a panic has been printed, and its batches went to the CPU
        }
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Ticket {
    /// Has the batch come back?
    pub fn is_ready(&mut self) -> bool {
        if self.answer.is_none() {
            self.answer = self.answers.try_recv().ok();
        }
        self.answer.is_some()
    }

    /// Waits for the batch, and completes it on the CPU lanes where it went beyond the GPU's room; `left`
    /// counts those templates. None is found if the GPU failed at it.
    ///
    /// # Panics
    /// If the GPU's thread has panicked.
    pub fn wait(
        mut self,
        reference: &Reference,
        scoring: &Scoring,
        left: &mut u64,
    ) -> (PackedReads, Option<Located>) {
        let answer = self
            .answer
            .take()
            .or_else(|| self.answers.recv().ok())
            .expect("a GPU's thread answers before it ends");
        let packed = answer.packed;
        let located = answer.found.and_then(|found| {
            let mut all = Located::default();
            for (reads, taken) in found.parts {
                let packed = &packed;
                let part = Part { packed, reads };
                all.append(taken.complete(&part, self.window, scoring, reference, left));
            }
            // Whoever comes first compares; the others wait for the outcome.
            let agrees = self.shared.agrees[found.gpu].get_or_init(|| {
                let reads = Reads::of(&packed);
                let timings = &mut Timings::default();
                let expected = locate::on_cpu(reads, reference, self.window, scoring, timings);
                let agrees = all.agrees(&expected);
                if !agrees {
                    let what = "gives other results than the CPU lanes: its driver has an error";
                    self.shared.gpus[found.gpu].note(what.into());
                }
                agrees
            });
            agrees.then_some(all)
        });
        (packed, located)
    }
}

/// Reads in a submission to this GPU.
pub fn reads_for(gpu: &Gpu) -> usize {
    let reads = gpu.options().reads;
    reads.unwrap_or_else(|| most_reads(gpu.is_software()))
}

/// Reads in a submission to a GPU, or to a software adapter.
pub fn most_reads(software: bool) -> usize {
    if software { SOFTWARE_READS } else { MOST_READS }
}

/// What the thread of a GPU holds.
struct Owner {
    locator: Locator,
    /// The GPU's rank.
    rank: usize,
    /// Reads in a submission; less than asked for once memory has run out.
    reads: usize,
    idle: Vec<Slot>,
    under_way: VecDeque<Voyage>,
    /// Batches taken from the queue, with how much of them has been sent.
    jobs: VecDeque<Open>,
    /// The number of the first of them.
    first: u64,
}

/// A batch of which parts are sent or back.
struct Open {
    job: Job,
    sent: usize,
    found: Vec<(Range<usize>, Taken)>,
    back: usize,
}

/// A submission under way: its slot, and which reads of which batches it carries.
struct Voyage {
    slot: Slot,
    parts: Vec<(u64, Range<usize>)>,
}

impl Owner {
    fn new(locator: Locator, rank: usize, reads: usize) -> Owner {
        Owner {
            locator,
            rank,
            reads,
            idle: Vec::new(),
            under_way: VecDeque::new(),
            jobs: VecDeque::new(),
            first: 0,
        }
    }

    fn serve(mut self, shared: &Shared, failed: &AtomicBool) {
        loop {
            while self.under_way.len() < SLOTS {
                if !self.send(shared) {
                    break;
                }
            }
            if self.locator.gpu().trouble().is_none() {
                let Some(mut voyage) = self.under_way.pop_front() else {
                    // Closed, and nothing left; but something may have come to light at the end.
                    if self.locator.gpu().trouble().is_some() {
                        self.give_up(shared, failed);
                    }
                    return;
                };
                if let Ok(taken) = self.locator.finish(&mut voyage.slot) {
                    self.deliver(voyage, taken, shared);
                    continue;
                }
            }
            if !self.recover() {
                self.give_up(shared, failed);
                return;
            }
        }
    }

    /// Sends as much as is at hand and fits a slot. Waits for work only if there is nothing else to
    /// do. False if nothing was sent.
    fn send(&mut self, shared: &Shared) -> bool {
        let mut slot = if let Some(slot) = self.idle.pop() {
            slot
        } else {
            if self.under_way.is_empty() && !self.wait_for_work(shared) {
                return false;
            }
            self.locator.slot(self.reads)
        };
        let mut parts: Vec<(u64, Range<usize>)> = Vec::new();
        let (mut reads, mut words) = (0, 0);
        let mut window = None;
        loop {
            let at = self
                .jobs
                .iter()
                .position(|o| o.sent < o.job.packed.spans.len());
            let Some(at) = at else {
                let may_wait = parts.is_empty() && self.under_way.is_empty();
                if self.take_job(shared, may_wait, window) {
                    continue;
                }
                break;
            };
            let open = &mut self.jobs[at];
            if window.is_some_and(|w| w != open.job.window) {
                break;
            }
            let packed = &open.job.packed;
            let end = slot.reach(packed, open.sent, open.job.window, (reads, words));
            if end == open.sent {
                break;
            }
            let range = open.sent..end;
            open.sent = end;
            window = Some(open.job.window);
            reads += range.len();
            words += words_of(packed, &range);
            parts.push((self.first + at as u64, range));
        }
        let Some(window) = window else {
            self.idle.push(slot);
            return false;
        };
        let of_batches: Vec<Part<'_>> = parts
            .iter()
            .map(|(number, reads)| Part {
                packed: &self.jobs[(number - self.first) as usize].job.packed,
                reads: reads.clone(),
            })
            .collect();
        self.locator.start(&mut slot, &of_batches, window);
        self.under_way.push_back(Voyage { slot, parts });
        self.locator.gpu().trouble().is_none()
    }

    /// Waits until there is a batch; false if there will be none.
    fn wait_for_work(&self, shared: &Shared) -> bool {
        if !self.jobs.is_empty() {
            return true;
        }
        let mut queue = shared.lock();
        while queue.jobs.is_empty() && !queue.closed {
            queue = shared
                .changed
                .wait(queue)
                .unwrap_or_else(PoisonError::into_inner);
        }
        !queue.jobs.is_empty()
    }

    /// Takes a batch from the queue that can go with those of `window`, if there is one.
    fn take_job(&mut self, shared: &Shared, may_wait: bool, window: Option<PairWindow>) -> bool {
        if may_wait && !self.wait_for_work(shared) {
            return false;
        }
        let mut queue = shared.lock();
        let fits = |job: &Job| window.is_none_or(|w| w == job.window);
        if !queue.jobs.front().is_some_and(fits) {
            return false;
        }
        let Some(job) = queue.jobs.pop_front() else {
            return false;
        };
        self.jobs.push_back(Open {
            job,
            sent: 0,
            found: Vec::new(),
            back: 0,
        });
        true
    }

    fn deliver(&mut self, voyage: Voyage, taken: Vec<Taken>, shared: &Shared) {
        for ((number, range), taken) in voyage.parts.into_iter().zip(taken) {
            let open = &mut self.jobs[(number - self.first) as usize];
            open.back += range.len();
            open.found.push((range, taken));
        }
        self.idle.push(voyage.slot);
        while let Some(open) = self.jobs.front()
            && open.back == open.job.packed.spans.len()
        {
            let open = self.jobs.pop_front().expect("it is there");
            self.first += 1;
            shared.lock().load -= open.back;
            let (gpu, parts) = (self.rank, open.found);
            answer(open.job, Some(Found { gpu, parts }));
        }
    }

    /// After trouble: if memory ran out, starts again with smaller batches.
    fn recover(&mut self) -> bool {
        let gpu = self.locator.gpu();
        if self.reads <= FEWEST_READS || !gpu.forgive_lack_of_memory() {
            return false;
        }
        let half = self.reads / 2;
        eprintln!(
            "theralign: warning: {} has no memory left for batches of {} reads; going on with {half}",
            gpu.name(),
            self.reads
        );
        self.reads = half;
        self.idle.clear();
        self.under_way.clear();
        for open in &mut self.jobs {
            open.sent = 0;
            open.back = 0;
            open.found.clear();
        }
        true
    }

    /// Hands everything back; the last GPU to give up empties the queue.
    fn give_up(self, shared: &Shared, failed: &AtomicBool) {
        failed.store(true, Ordering::Relaxed);
        if let Some(e) = self.locator.gpu().trouble() {
            eprintln!("theralign: warning: {e}; going on with the CPU lanes");
        }
        let mut jobs: Vec<Job> = self.jobs.into_iter().map(|open| open.job).collect();
        let mut queue = shared.lock();
        queue.working -= 1;
        if queue.working == 0 {
            jobs.extend(queue.jobs.drain(..));
        }
        queue.load -= jobs.iter().map(|j| j.packed.spans.len()).sum::<usize>();
        drop(queue);
        for job in jobs {
            answer(job, None);
        }
    }
}

fn answer(job: Job, found: Option<Found>) {
    let packed = job.packed;
    let _ = job.reply.send(Answer { packed, found }); // whoever asked may have stopped
}
