//! A chain of kernels over memory that stays: made once, then launched batch after batch in one
//! submission, from copying a batch's input to the device to copying its results back. Nothing is
//! allocated on the way, and nothing waits for the host in between.

use super::buffer::Table;
use super::gpu::{Gpu, Pipeline};
use super::shader::Shader;
use crate::Result;
use std::sync::Arc;
use std::sync::mpsc::{self, Receiver};
use wgpu::BufferUsages as U;

/// Memory on a device that a program's kernels share.
#[derive(Clone, Debug)]
pub struct Room {
    pub(super) buffer: wgpu::Buffer,
    uniform: bool,
}

impl Room {
    /// Bytes.
    pub fn bytes(&self) -> u64 {
        self.buffer.size()
    }
}

/// How a kernel uses a room.
#[derive(Clone, Copy, Debug)]
pub enum Use<'a> {
    /// Reads it.
    In(&'a Room),
    /// Writes it, or both.
    Out(&'a Room),
}

/// How many threads a kernel runs.
#[derive(Clone, Copy, Debug)]
pub enum Threads<'a> {
    /// As many as the count of this rank that a launch is given.
    Given(usize),
    /// As many as a kernel before has written: three numbers of workgroups, at this rank.
    Told(&'a Room, usize),
}

#[derive(Debug)]
enum Dispatch {
    Given(usize),
    Told(wgpu::Buffer, u64),
}

/// One kernel of a program.
#[derive(Debug)]
struct Step {
    name: &'static str,
    pipeline: Arc<Pipeline>,
    args: wgpu::BindGroup,
    tables: Option<wgpu::BindGroup>,
    dispatch: Dispatch,
}

/// Kernels in their order, and the memory that batches pass through.
#[derive(Debug)]
pub struct Program {
    steps: Vec<Step>,
    rooms: Vec<Room>,
    upload: wgpu::Buffer,
    download: wgpu::Buffer,
    times: Option<Times>,
}

/// When each kernel began and ended.
#[derive(Debug)]
struct Times {
    queries: wgpu::QuerySet,
    resolved: wgpu::Buffer,
    read: wgpu::Buffer,
}

/// A launch that may still be under way.
#[derive(Debug)]
pub struct Launch {
    index: wgpu::SubmissionIndex,
    mapped: Receiver<Result<(), wgpu::BufferAsyncError>>,
    bytes: u64,
}

impl Program {
    /// A program without kernels; batches bring at most `up` bytes and take at most `down`.
    pub fn new(gpu: &Gpu, up: u64, down: u64) -> Program {
        let staging = |size: u64, usage, mapped_at_creation| {
            gpu.device.create_buffer(&wgpu::BufferDescriptor {
                label: Some("staging"),
                size: size.next_multiple_of(8),
                usage,
                mapped_at_creation,
            })
        };
        Program {
            steps: Vec::new(),
            rooms: Vec::new(),
            upload: staging(up, U::MAP_WRITE | U::COPY_SRC, true),
            download: staging(down, U::MAP_READ | U::COPY_DST, false),
            times: None,
        }
    }

    /// Room for `bytes` that kernels read and write.
    pub fn room(&mut self, gpu: &Gpu, bytes: u64) -> Room {
        self.make(gpu, bytes, U::STORAGE)
    }

    /// Room for what kernels tell of threads, see [`Threads::Told`].
    pub fn told(&mut self, gpu: &Gpu, bytes: u64) -> Room {
        self.make(gpu, bytes, U::STORAGE | U::INDIRECT)
    }

    /// Room for a few numbers that each kernel is told.
    pub fn uniform(&mut self, gpu: &Gpu, bytes: u64) -> Room {
        self.make(gpu, bytes, U::UNIFORM)
    }

    fn make(&mut self, gpu: &Gpu, bytes: u64, usage: U) -> Room {
        let uniform = usage.contains(U::UNIFORM);
        let room = Room {
            buffer: gpu.device.create_buffer(&wgpu::BufferDescriptor {
                label: Some("room"),
                size: bytes.next_multiple_of(16).max(256),
                usage: usage | U::COPY_SRC | U::COPY_DST,
                mapped_at_creation: false,
            }),
            uniform,
        };
        self.rooms.push(room.clone());
        room
    }

    /// Appends a kernel.
    pub fn step(
        &mut self,
        gpu: &Gpu,
        shader: &'static Shader,
        constants: &[(&'static str, i64)],
        tables: &[&Table],
        args: &[Use<'_>],
        threads: Threads<'_>,
    ) {
        let kinds: Vec<wgpu::BufferBindingType> = args
            .iter()
            .map(|a| match a {
                Use::In(room) if room.uniform => wgpu::BufferBindingType::Uniform,
                Use::In(_) => wgpu::BufferBindingType::Storage { read_only: true },
                Use::Out(_) => wgpu::BufferBindingType::Storage { read_only: false },
            })
            .collect();
        let in_storage = |k: &&wgpu::BufferBindingType| **k != wgpu::BufferBindingType::Uniform;
        if !gpu.has_bindings(shader, kinds.iter().filter(in_storage).count(), tables) {
            return; // trouble, which is noted
        }
        let pipeline = gpu.pipeline(shader, constants, tables, &kinds);
        let rooms = args
            .iter()
            .map(|(Use::In(room) | Use::Out(room))| room.buffer.as_entire_binding());
        let args = gpu.bind(&pipeline.args, rooms);
        let tables = pipeline.tables.as_ref().map(|layout| {
            let pieces = tables.iter().flat_map(|t| &t.pieces);
            gpu.bind(layout, pieces.map(wgpu::Buffer::as_entire_binding))
        });
        self.steps.push(Step {
            name: shader.name,
            pipeline,
            args,
            tables,
            dispatch: match threads {
                Threads::Given(rank) => Dispatch::Given(rank),
                Threads::Told(room, rank) => Dispatch::Told(room.buffer.clone(), 12 * rank as u64),
            },
        });
    }

    /// Has each launch note when its kernels begin and end, if the device can.
    pub fn keep_times(&mut self, gpu: &Gpu) {
        if !gpu.has_timestamps() {
            return;
        }
        let count = 2 * self.steps.len() as u32;
        let buffer = |usage| {
            gpu.device.create_buffer(&wgpu::BufferDescriptor {
                label: Some("times"),
                size: u64::from(count) * 8,
                usage,
                mapped_at_creation: false,
            })
        };
        self.times = Some(Times {
            queries: gpu.device.create_query_set(&wgpu::QuerySetDescriptor {
                label: None,
                ty: wgpu::QueryType::Timestamp,
                count,
            }),
            resolved: buffer(U::QUERY_RESOLVE | U::COPY_SRC),
            read: buffer(U::MAP_READ | U::COPY_DST),
        });
    }

    /// Submits all kernels for one batch. `inputs` go to the beginning of their rooms first;
    /// `outputs` are parts of rooms (offset and length in bytes, multiples of 4) that come back, one
    /// behind the other. `counts` are the threads by rank. After trouble nothing is submitted.
    pub fn launch(
        &self,
        gpu: &Gpu,
        inputs: &[(&Room, &[u8])],
        counts: &[u64],
        outputs: &[(&Room, u64, u64)],
    ) -> Option<Launch> {
        if gpu.trouble().is_some() {
            return None;
        }
        let mut encoder = gpu
            .device
            .create_command_encoder(&wgpu::CommandEncoderDescriptor::default());
        self.send(gpu, &mut encoder, inputs)?;
        if gpu.poisons() {
            let given = |room: &Room| inputs.iter().any(|(i, _)| i.buffer == room.buffer);
            for room in self.rooms.iter().filter(|r| !r.uniform && !given(r)) {
                gpu.poison(&mut encoder, &room.buffer, room.bytes());
            }
        }
        if let Some(times) = &self.times {
            for (s, step) in (0..).zip(&self.steps) {
                let writes = wgpu::ComputePassTimestampWrites {
                    query_set: &times.queries,
                    beginning_of_pass_write_index: Some(2 * s),
                    end_of_pass_write_index: Some(2 * s + 1),
                };
                step.record(gpu, &mut begin(&mut encoder, Some(writes)), counts);
            }
            encoder.resolve_query_set(
                &times.queries,
                0..2 * self.steps.len() as u32,
                &times.resolved,
                0,
            );
            encoder.copy_buffer_to_buffer(&times.resolved, 0, &times.read, 0, times.read.size());
        } else {
            let mut pass = begin(&mut encoder, None);
            for step in &self.steps {
                step.record(gpu, &mut pass, counts);
            }
        }
        let up = inputs.iter().map(|(_, bytes)| bytes.len() as u64).sum();
        let mut bytes = 0;
        for (room, offset, n) in outputs.iter().filter(|o| o.2 > 0) {
            encoder.copy_buffer_to_buffer(&room.buffer, *offset, &self.download, bytes, *n);
            bytes += n;
        }
        gpu.add_moved(up, bytes);
        let (done, mapped) = mpsc::channel();
        encoder.map_buffer_on_submit(
            &self.download,
            wgpu::MapMode::Read,
            0..bytes,
            move |result| {
                let _ = done.send(result); // nobody listens once the wait has timed out
            },
        );
        Some(Launch {
            index: gpu.submit(encoder),
            mapped,
            bytes,
        })
    }

    fn send(
        &self,
        gpu: &Gpu,
        encoder: &mut wgpu::CommandEncoder,
        inputs: &[(&Room, &[u8])],
    ) -> Option<()> {
        let mut at = 0;
        for (room, bytes) in inputs.iter().filter(|(_, bytes)| !bytes.is_empty()) {
            let n = (bytes.len() as u64).next_multiple_of(4);
            match self.upload.get_mapped_range_mut(at..at + n) {
                Ok(mut view) => view.slice(..bytes.len()).copy_from_slice(bytes),
                Err(e) => {
                    gpu.note(format!("takes no input: {e}"));
                    return None;
                }
            }
            encoder.copy_buffer_to_buffer(&self.upload, at, &room.buffer, 0, n);
            at = (at + n).next_multiple_of(8);
        }
        self.upload.unmap();
        Some(())
    }

    /// Waits for a launch, and hands its outputs over.
    ///
    /// # Errors
    /// [`Error::Device`](crate::Error::Device) for the first thing that went wrong on the device.
    pub fn wait<R>(
        &self,
        gpu: &Gpu,
        launch: Option<Launch>,
        take: impl FnOnce(&[u8]) -> R,
    ) -> Result<R> {
        let taken = launch.and_then(|launch| self.finish(gpu, launch, take));
        match (gpu.trouble(), taken) {
            (None, Some(taken)) => Ok(taken),
            (Some(e), _) => Err(e),
            (None, None) => Err(gpu.error("did not give a result back")),
        }
    }

    fn finish<R>(&self, gpu: &Gpu, launch: Launch, take: impl FnOnce(&[u8]) -> R) -> Option<R> {
        if let Err(what) = gpu.wait_for(Some(launch.index)) {
            gpu.note_after_poll(what);
            return None;
        }
        match launch.mapped.try_recv() {
            Ok(Ok(())) => {}
            Ok(Err(e)) => gpu.note_after_poll(format!("gives no result back: {e}")),
            Err(_) => gpu.note_after_poll("did not give a result back".into()),
        }
        if gpu.trouble().is_some() {
            return None;
        }
        let taken = match self.download.get_mapped_range(0..launch.bytes) {
            Ok(view) => take(&view),
            Err(e) => {
                gpu.note(format!("gives no result back: {e}"));
                return None;
            }
        };
        self.download.unmap();
        // For the next batch; ready at once, as the device is done with it.
        self.upload.map_async(wgpu::MapMode::Write, .., |_| {});
        if let Some(times) = &self.times {
            times.read.map_async(wgpu::MapMode::Read, .., |_| {});
        }
        gpu.poll();
        if let Some(times) = &self.times
            && let Ok(view) = times.read.get_mapped_range(..)
        {
            let ticks: Vec<u64> = bytemuck::pod_collect_to_vec(&view);
            for (step, t) in self.steps.iter().zip(ticks.chunks_exact(2)) {
                gpu.add_time(step.name, t[1].saturating_sub(t[0]));
            }
            drop(view);
            times.read.unmap();
        }
        Some(taken)
    }
}

fn begin<'e>(
    encoder: &'e mut wgpu::CommandEncoder,
    timestamp_writes: Option<wgpu::ComputePassTimestampWrites<'_>>,
) -> wgpu::ComputePass<'e> {
    encoder.begin_compute_pass(&wgpu::ComputePassDescriptor {
        label: None,
        timestamp_writes,
    })
}

impl Step {
    fn record(&self, gpu: &Gpu, pass: &mut wgpu::ComputePass<'_>, counts: &[u64]) {
        pass.set_pipeline(&self.pipeline.compute);
        pass.set_bind_group(0, &self.args, &[]);
        if let Some(tables) = &self.tables {
            pass.set_bind_group(1, tables, &[]);
        }
        match &self.dispatch {
            Dispatch::Given(rank) => {
                let groups = counts[*rank].div_ceil(u64::from(gpu.lanes()));
                if groups > 0 {
                    let (x, y) = gpu.grid(groups);
                    pass.dispatch_workgroups(x, y, 1);
                }
            }
            Dispatch::Told(buffer, at) => pass.dispatch_workgroups_indirect(buffer, *at),
        }
        if gpu.goes_wrong() {
            // More workgroups than any adapter allows: the driver is not even asked.
            pass.dispatch_workgroups(u32::MAX, 1, 1);
        }
    }
}
