//! Memory on a GPU: typed buffers, tables, and how they are bound as arguments.

use super::gpu::lock;
use super::shader::Cut;
use std::collections::HashMap;
use std::marker::PhantomData;
use std::sync::{Arc, Mutex};

/// Buffers of one size that are kept for the next batch.
const KEPT: usize = 16;

/// Buffers between uses, by usage and size, so that no batch allocates what the last one freed.
#[derive(Debug, Default)]
pub(super) struct Pool(Mutex<HashMap<(wgpu::BufferUsages, u64), Vec<wgpu::Buffer>>>);

impl Pool {
    pub(super) fn take(&self, usage: wgpu::BufferUsages, size: u64) -> Option<wgpu::Buffer> {
        lock(&self.0).get_mut(&(usage, size))?.pop()
    }

    pub(super) fn give(&self, buffer: wgpu::Buffer) {
        let mut all = lock(&self.0);
        let kept = all.entry((buffer.usage(), buffer.size())).or_default();
        if kept.len() < KEPT {
            kept.push(buffer);
        }
    }
}

/// `length` values of `T` on the device. Dropping it gives its memory to the next buffer.
#[derive(Debug)]
pub struct Buf<T> {
    pub(super) buffer: wgpu::Buffer,
    length: usize,
    pool: Arc<Pool>,
    of: PhantomData<fn() -> T>,
}

impl<T> Drop for Buf<T> {
    fn drop(&mut self) {
        self.pool.give(self.buffer.clone());
    }
}

impl<T> Buf<T> {
    pub(super) fn new(buffer: wgpu::Buffer, length: usize, pool: Arc<Pool>) -> Buf<T> {
        Buf {
            buffer,
            length,
            pool,
            of: PhantomData,
        }
    }

    /// Number of values.
    pub fn len(&self) -> usize {
        self.length
    }

    /// True if it holds none.
    pub fn is_empty(&self) -> bool {
        self.length == 0
    }

    pub(super) fn bytes(&self) -> u64 {
        (self.length * size_of::<T>()) as u64
    }

    /// As an argument that every thread may read anywhere.
    pub fn whole(&self) -> Arg<'_> {
        Arg::Whole(&self.buffer, self.bytes())
    }

    /// As an argument of which job `i` reads its own `len() / jobs` values only.
    pub fn each(&self) -> Arg<'_> {
        Arg::Each(&self.buffer, self.bytes())
    }

    /// As an output of which job `i` writes its own `len() / jobs` values only. Poisoned first.
    pub fn out(&self) -> Arg<'_> {
        Arg::Out(&self.buffer, self.bytes())
    }

    /// As an output that any job may write anywhere. Poisoned first.
    pub fn shared_out(&self) -> Arg<'_> {
        Arg::SharedOut(&self.buffer, self.bytes())
    }

    /// As numbers that any job may add to or change, anywhere. What it holds stays.
    pub fn kept(&self) -> Arg<'_> {
        Arg::Kept(&self.buffer, self.bytes())
    }
}

/// A read-only table on the device, in as many pieces as bindings need.
#[derive(Debug)]
pub struct Table {
    pub(super) pieces: Vec<wgpu::Buffer>,
    pub(super) cut: Cut,
}

/// What is bound to a kernel's `@group(0)`, in order. See the methods of [`Buf`].
#[derive(Clone, Copy, Debug)]
pub enum Arg<'a> {
    /// Read by all.
    Whole(&'a wgpu::Buffer, u64),
    /// Read by its job.
    Each(&'a wgpu::Buffer, u64),
    /// Written by its job.
    Out(&'a wgpu::Buffer, u64),
    /// Written by all.
    SharedOut(&'a wgpu::Buffer, u64),
    /// Read and written by all.
    Kept(&'a wgpu::Buffer, u64),
    /// This many bytes of working memory a job; what they hold at first is undefined.
    Scratch(u64),
}

impl Arg<'_> {
    pub(super) fn read_only(&self) -> bool {
        matches!(self, Arg::Whole(..) | Arg::Each(..))
    }

    /// Bytes a job, for those arguments that are cut where the jobs are.
    pub(super) fn per_job(&self, jobs: u64) -> Option<u64> {
        match *self {
            Arg::Each(_, bytes) | Arg::Out(_, bytes) => {
                assert_eq!(bytes % jobs, 0, "values are not a multiple of jobs");
                Some(bytes / jobs)
            }
            Arg::Scratch(bytes) => Some(bytes),
            Arg::Whole(..) | Arg::SharedOut(..) | Arg::Kept(..) => None,
        }
    }
}
