//! Reader -> workers -> writer: bounded, and out in the order in.

use crate::Result;
use std::collections::{BTreeMap, VecDeque};
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel, sync_channel};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

/// How long the roles of a flow waited for each other.
#[derive(Clone, Copy, Debug, Default)]
pub struct Waits {
    /// The source, for the others to take what it has.
    pub source: Duration,
    /// Workers together, for the source.
    pub workers: Duration,
    /// The sink, for the workers.
    pub sink: Duration,
}

/// What a worker does with an item, in two parts: between them the item may be under way elsewhere
/// (on a GPU), while the worker sees to others.
pub trait Work: Sync {
    /// What comes in.
    type In: Send;
    /// What is begun.
    type Begun;
    /// What goes out.
    type Out: Send;
    /// What a worker keeps from item to item (buffers); no result may depend on it.
    type Scratch;

    /// Makes the scratch of a worker.
    fn scratch(&self) -> Self::Scratch;
    /// Begins an item.
    fn begin(&self, scratch: &mut Self::Scratch, item: Self::In) -> Result<Self::Begun>;
    /// Could it be finished without waiting?
    fn is_ready(&self, begun: &mut Self::Begun) -> bool;
    /// Finishes an item, waiting for it if need be.
    fn finish(&self, scratch: &mut Self::Scratch, begun: Self::Begun) -> Result<Self::Out>;
}

/// Work that is done in one go.
struct AtOnce<S, W, In, Out> {
    scratch: S,
    work: W,
    of: std::marker::PhantomData<fn(In) -> Out>,
}

impl<Scratch, In, Out, S, W> Work for AtOnce<S, W, In, Out>
where
    In: Send,
    Out: Send,
    S: Fn() -> Scratch + Sync,
    W: Fn(&mut Scratch, In) -> Result<Out> + Sync,
{
    type In = In;
    type Begun = In;
    type Out = Out;
    type Scratch = Scratch;

    fn scratch(&self) -> Scratch {
        (self.scratch)()
    }

    fn begin(&self, _: &mut Scratch, item: In) -> Result<In> {
        Ok(item)
    }

    fn is_ready(&self, _: &mut In) -> bool {
        true
    }

    fn finish(&self, scratch: &mut Scratch, item: In) -> Result<Out> {
        (self.work)(scratch, item)
    }
}

/// [`run_ahead`] for work that is done in one go: at most `2 * workers + 2` items are between
/// `source` and `sink`.
///
/// # Errors
/// As there.
pub fn run<In: Send, Out: Send, Scratch>(
    workers: usize,
    source: impl FnMut() -> Result<Option<In>> + Send,
    scratch: impl Fn() -> Scratch + Sync,
    work: impl Fn(&mut Scratch, In) -> Result<Out> + Sync,
    sink: impl FnMut(Out) -> Result<()>,
) -> Result<Waits> {
    let work = AtOnce {
        scratch,
        work,
        of: std::marker::PhantomData,
    };
    run_ahead(workers, 0, source, &work, sink)
}

/// Takes items from `source` until it gives `None`, turns each into another by `work` on one of
/// `workers` threads, and hands the results to `sink` in the order in which their items came.
///
/// `source` runs on a thread of its own, `sink` on the caller's. A worker begins up to `ahead` items
/// more while those before them are not ready. At most `(2 + ahead) * workers + 2` items are between
/// `source` and `sink` at any time, however slow one of them is.
///
/// Gives how long they waited.
///
/// # Errors
/// The first in the order of the items, whoever met it: everything before it has reached `sink`,
/// nothing after it does. A panic in any role comes out of this call.
pub fn run_ahead<W: Work>(
    workers: usize,
    ahead: usize,
    mut source: impl FnMut() -> Result<Option<W::In>> + Send,
    work: &W,
    mut sink: impl FnMut(W::Out) -> Result<()>,
) -> Result<Waits> {
    assert!(workers > 0, "a flow needs a worker");
    let stopped = &AtomicBool::new(false);
    let (job_sender, jobs) = channel();
    let jobs = &Mutex::new(jobs);
    let (done_sender, done) = channel();
    // An item holds a ticket from before it is read until it is written.
    let in_flight = (2 + ahead) * workers + 2;
    let (ticket_sender, tickets) = sync_channel(in_flight);
    for _ in 0..in_flight {
        ticket_sender.send(()).expect("its receiver is here");
    }
    let waits = &Mutex::new(Waits::default());
    thread::scope(move |scope| {
        let source_done = done_sender.clone();
        scope.spawn(move || {
            for number in 0u64.. {
                let ticket = timed(|| tickets.recv(), |t| locked(waits).source += t);
                if ticket.is_err() || stopped.load(Ordering::Relaxed) {
                    return;
                }
                let outcome = match catch_unwind(AssertUnwindSafe(&mut source)) {
                    Ok(Ok(None)) => return,
                    Ok(Ok(Some(item))) => {
                        job_sender.send((number, item)).expect("jobs outlive us");
                        continue;
                    }
                    Ok(Err(e)) => Ok(Err(e)),
                    Err(panic) => Err(panic),
                };
                let _ = source_done.send((number, outcome)); // nobody listens: it has stopped already
                return;
            }
        });
        for _ in 0..workers {
            let done = done_sender.clone();
            scope.spawn(move || {
                Worker {
                    work,
                    ahead,
                    jobs,
                    done,
                    stopped,
                    waits,
                    scratch: None,
                    begun: VecDeque::new(),
                }
                .run();
            });
        }
        drop(done_sender);
        // Dropped, as the channels are, however this closure is left.
        let _stop = StopOnDrop(stopped);
        let mut early = BTreeMap::new();
        let mut next = 0;
        while let Ok((number, outcome)) = timed(|| done.recv(), |t| locked(waits).sink += t) {
            early.insert(number, outcome);
            while let Some(outcome) = early.remove(&next) {
                sink(outcome.unwrap_or_else(|panic| resume_unwind(panic))?)?;
                next += 1;
                let _ = ticket_sender.send(()); // the source may have ended
            }
        }
        Ok(())
    })?;
    Ok(*locked(waits))
}

/// A result, an error, or a panic.
type Outcome<T> = std::thread::Result<Result<T>>;

struct Worker<'a, W: Work> {
    work: &'a W,
    ahead: usize,
    jobs: &'a Mutex<Receiver<(u64, W::In)>>,
    done: Sender<(u64, Outcome<W::Out>)>,
    stopped: &'a AtomicBool,
    waits: &'a Mutex<Waits>,
    scratch: Option<W::Scratch>,
    /// Begun and not finished, oldest first.
    begun: VecDeque<(u64, W::Begun)>,
}

impl<W: Work> Worker<'_, W> {
    fn run(mut self) {
        while !self.stopped.load(Ordering::Relaxed) {
            let ready = self
                .begun
                .iter_mut()
                .position(|b| self.work.is_ready(&mut b.1));
            let going = if let Some(ready) = ready {
                self.finish(ready)
            } else if self.begun.is_empty() {
                let jobs = self.jobs;
                let job = timed(|| locked(jobs).recv(), |t| locked(self.waits).workers += t);
                job.is_ok_and(|job| self.begin(job))
            } else if self.begun.len() <= self.ahead
                && let Some(job) = self.next_at_hand()
            {
                self.begin(job)
            } else {
                self.finish(0)
            };
            if !going {
                return;
            }
        }
    }

    /// An item that is there already. Another worker that waits for one has the first claim.
    fn next_at_hand(&self) -> Option<(u64, W::In)> {
        self.jobs.try_lock().ok()?.try_recv().ok()
    }

    fn begin(&mut self, (number, item): (u64, W::In)) -> bool {
        let (work, scratch) = (self.work, &mut self.scratch);
        let begun = catch_unwind(AssertUnwindSafe(|| {
            work.begin(scratch.get_or_insert_with(|| work.scratch()), item)
        }));
        match begun {
            Ok(Ok(begun)) => {
                self.begun.push_back((number, begun));
                true
            }
            Ok(Err(e)) => self.done.send((number, Ok(Err(e)))).is_ok(),
            Err(panic) => self.done.send((number, Err(panic))).is_ok(),
        }
    }

    fn finish(&mut self, rank: usize) -> bool {
        let Some((number, begun)) = self.begun.remove(rank) else {
            return true;
        };
        let (work, scratch) = (self.work, &mut self.scratch);
        let outcome = catch_unwind(AssertUnwindSafe(|| {
            work.finish(scratch.get_or_insert_with(|| work.scratch()), begun)
        }));
        self.done.send((number, outcome)).is_ok()
    }
}

/// What `wait` gives; `note` is told how long it took.
fn timed<T>(wait: impl FnOnce() -> T, note: impl FnOnce(Duration)) -> T {
    let start = Instant::now();
    let got = wait();
    note(start.elapsed());
    got
}

/// A panic elsewhere comes out of the flow by itself.
fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

struct StopOnDrop<'a>(&'a AtomicBool);

impl Drop for StopOnDrop<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Error;
    use std::sync::atomic::AtomicUsize;
    use std::time::Duration;

    fn numbers(n: u64) -> impl FnMut() -> Result<Option<u64>> + Send {
        let mut numbers = 0..n;
        move || Ok(numbers.next())
    }

    /// Uneven work, so that results come out of order.
    fn slow(i: u64) -> u64 {
        thread::sleep(Duration::from_micros(i * 7919 % 300));
        i * i
    }

    fn failed(what: &str) -> Error {
        Error::Failed(what.into())
    }

    #[test]
    fn results_come_in_the_order_of_the_items_for_any_number_of_workers() {
        for workers in [1, 2, 7] {
            let mut out = Vec::new();
            let sink = |x| {
                out.push(x);
                Ok(())
            };
            run(workers, numbers(200), || (), |(), i| Ok(slow(i)), sink).unwrap();
            assert_eq!(out, (0..200).map(|i| i * i).collect::<Vec<_>>());
        }
    }

    #[test]
    fn nothing_in_gives_nothing_out() {
        run(3, numbers(0), || (), |(), i| Ok(i), |_| panic!("no item")).unwrap();
    }

    #[test]
    fn a_slow_item_does_not_let_the_others_pile_up() {
        let read = AtomicUsize::new(0);
        let mut items = 0..100;
        let source = || {
            read.fetch_add(1, Ordering::SeqCst);
            Ok(items.next())
        };
        let mut written = 0;
        let work = |(): &mut (), i| {
            if i == 0 {
                thread::sleep(Duration::from_millis(50));
            }
            Ok(i)
        };
        run(
            2,
            source,
            || (),
            work,
            |_| {
                assert!(read.load(Ordering::SeqCst) <= written + 2 * 2 + 2);
                written += 1;
                Ok(())
            },
        )
        .unwrap();
        assert_eq!(written, 100);
    }

    #[test]
    fn the_first_error_in_order_wins_and_all_before_it_is_written() {
        for workers in [1, 2, 7] {
            for role in ["source", "work", "sink"] {
                let mut items = 0..1000;
                let source = || match items.next() {
                    Some(20) if role == "source" => Err(failed("source")),
                    next => Ok(next),
                };
                let work = |(): &mut (), i| match i {
                    20.. if role == "work" => {
                        Err(failed(if i == 20 { "work" } else { "a later one" }))
                    }
                    _ => Ok(slow(i)),
                };
                let mut written = 0;
                let sink = |_| {
                    if role == "sink" && written == 20 {
                        return Err(failed("sink"));
                    }
                    written += 1;
                    Ok(())
                };
                let e = run(workers, source, || (), work, sink).unwrap_err();
                assert_eq!((e.to_string().as_str(), written), (role, 20));
            }
        }
    }

    #[test]
    fn a_panic_in_any_role_comes_out() {
        for workers in [1, 3] {
            for role in ["source", "scratch", "work", "sink"] {
                let mut items = 0..1000u64;
                let panicked = catch_unwind(AssertUnwindSafe(|| {
                    let check = |here: &str, now: bool| {
                        assert!(!(here == role && now), "in {role}");
                    };
                    let source = || {
                        let next = items.next();
                        check("source", next == Some(9));
                        Ok(next)
                    };
                    let work = |(): &mut (), i| {
                        check("work", i == 9);
                        Ok(i)
                    };
                    let sink = |i| {
                        check("sink", i == 9);
                        Ok(())
                    };
                    run(workers, source, || check("scratch", true), work, sink)
                }))
                .unwrap_err();
                assert_eq!(
                    *panicked.downcast::<String>().unwrap(),
                    format!("in {role}")
                );
            }
        }
    }
}
