//! One GPU: typed buffers, read-only tables cut to the adapter's limits, and one [`Gpu::run`] for a
//! kernel by itself; for a chain of them see [`super::program`].
//!
//! Launching does not wait and does not fail; trouble comes to light when a result is downloaded.
//! After the first trouble the device does nothing more, and every download returns that error: the
//! caller goes on with the CPU twins.

use super::adapter::Found;
use super::buffer::Pool;
use super::shader::{Cut, Shader};
use crate::{Error, Result};
use bytemuck::Pod;
use std::collections::HashMap;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, mpsc};
use std::time::Duration;

pub use super::buffer::{Arg, Buf, Table};
pub use super::fault::{Fault, Options};

/// If [`Options::poison`] says so, outputs hold this in every word until a kernel writes them, so
/// that work left undone shows.
pub const POISON: u32 = 0xDEAD_5EED;

/// Threads in a workgroup. Every adapter allows 64, and it is a multiple of all subgroup sizes.
const LANES: u32 = 64;
/// A device that has not finished its work in this time is taken for hung.
const PATIENCE: Duration = Duration::from_mins(1);
/// Bytes of the buffer that outputs are poisoned from, a piece at a time.
const POISON_BYTES: u64 = 1 << 20;
/// Tables are uploaded in pieces of this size, so that staging memory stays small.
const UPLOAD_BYTES: usize = 64 << 20;
/// Bytes of the smallest buffer.
const SMALLEST: u64 = 256;

/// An opened GPU. Dropping it frees the device.
#[derive(Debug)]
pub struct Gpu {
    pub(super) device: wgpu::Device,
    queue: wgpu::Queue,
    name: String,
    software: bool,
    max_binding: u64,
    max_piece: u64,
    max_buffer: u64,
    max_tables_and_args: u32,
    max_groups: u32,
    alignment: u64,
    lanes: u32,
    options: Options,
    launches: AtomicU32,
    poison: Option<wgpu::Buffer>,
    times: Mutex<Vec<(&'static str, Duration)>>,
    moved: [AtomicU64; 2],
    pool: Arc<Pool>,
    pipelines: Mutex<HashMap<Key, Arc<Pipeline>>>,
    trouble: Arc<Trouble>,
    /// Held to submit and to wait: wgpu 30 can panic when two threads do so at once and one's wait
    /// times out (wgpu#9958).
    turn: Mutex<()>,
}

type Key = (&'static str, Vec<(&'static str, i64)>, Vec<Cut>);

#[derive(Debug)]
pub(super) struct Pipeline {
    pub(super) compute: wgpu::ComputePipeline,
    pub(super) args: wgpu::BindGroupLayout,
    pub(super) tables: Option<wgpu::BindGroupLayout>,
}

/// The first thing that went wrong, and whether it was but a lack of memory.
#[derive(Debug, Default)]
struct Trouble(Mutex<Option<(String, bool)>>);

impl Trouble {
    fn set(&self, what: impl Into<String>) {
        lock(&self.0).get_or_insert_with(|| (what.into(), false));
    }

    fn lacks_memory(&self) {
        lock(&self.0).get_or_insert_with(|| ("has no memory left".into(), true));
    }

    fn get(&self) -> Option<String> {
        lock(&self.0).clone().map(|t| t.0)
    }
}

/// Locks; a panic elsewhere does not make plain data unusable.
pub(super) fn lock<T>(m: &Mutex<T>) -> MutexGuard<'_, T> {
    m.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Gpu {
    /// Opens an adapter with all that it can do.
    ///
    /// # Errors
    /// [`Error::Device`] when the driver refuses.
    pub fn open(found: &Found, options: &Options) -> Result<Gpu> {
        let limits = found.limits.clone();
        let descriptor = wgpu::DeviceDescriptor {
            label: Some("theralign"),
            required_features: found.adapter.features() & wgpu::Features::TIMESTAMP_QUERY,
            required_limits: limits.clone(),
            ..Default::default()
        };
        let (device, queue) = pollster::block_on(found.adapter.request_device(&descriptor))
            .map_err(|e| Error::Device {
                device: found.info.name.clone(),
                what: format!("cannot be opened: {e}"),
                remedy: "Update its driver, or use --device cpu, which gives the same bytes".into(),
            })?;
        let trouble = Arc::new(Trouble::default());
        let of_callback = trouble.clone();
        device.on_uncaptured_error(Arc::new(move |e: wgpu::Error| match e {
            wgpu::Error::OutOfMemory { .. } => of_callback.lacks_memory(),
            e => of_callback.set(one_line(&e.to_string())),
        }));
        let of_callback = trouble.clone();
        device.set_device_lost_callback(move |reason, message| {
            // Dropping the device at the end is reported here too, when nobody asks any more.
            of_callback.set(format!("was lost ({reason:?}: {})", one_line(&message)));
        });
        let poison = options.poison.then(|| {
            let poison = device.create_buffer(&wgpu::BufferDescriptor {
                label: Some("poison"),
                size: POISON_BYTES,
                usage: wgpu::BufferUsages::COPY_SRC | wgpu::BufferUsages::COPY_DST,
                mapped_at_creation: false,
            });
            let pattern = vec![POISON; POISON_BYTES as usize / 4];
            queue.write_buffer(&poison, 0, bytemuck::cast_slice(&pattern));
            poison
        });
        let of_adapter = limits.max_storage_buffer_binding_size;
        let max_binding = options.max_binding.unwrap_or(of_adapter).min(of_adapter) & !3;
        Ok(Gpu {
            name: found.info.name.clone(),
            software: found.is_software(),
            max_binding,
            max_piece: options.max_piece.unwrap_or(max_binding).min(max_binding),
            max_buffer: limits.max_buffer_size,
            max_tables_and_args: limits.max_storage_buffers_per_shader_stage,
            max_groups: options
                .max_groups
                .unwrap_or(u32::MAX)
                .min(limits.max_compute_workgroups_per_dimension),
            alignment: u64::from(limits.min_storage_buffer_offset_alignment),
            lanes: options
                .lanes
                .unwrap_or(LANES)
                .clamp(1, limits.max_compute_invocations_per_workgroup),
            options: options.clone(),
            launches: AtomicU32::new(0),
            poison,
            times: Mutex::default(),
            moved: Default::default(),
            pool: Arc::default(),
            pipelines: Mutex::default(),
            trouble,
            turn: Mutex::new(()),
            device,
            queue,
        })
    }

    /// The adapter's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// True for a driver that computes on the CPU.
    pub fn is_software(&self) -> bool {
        self.software
    }

    /// Bytes that one argument may have; batches are made so that each of theirs has no more.
    pub fn max_binding(&self) -> u64 {
        self.max_binding
    }

    /// The first thing that went wrong, if anything did.
    pub fn trouble(&self) -> Option<Error> {
        self.trouble.get().map(|what| self.error(&what))
    }

    pub(crate) fn error(&self, what: &str) -> Error {
        Error::Device {
            device: self.name.clone(),
            what: what.into(),
            remedy: "Use --device cpu, which gives the same bytes".into(),
        }
    }

    /// Notes that something went wrong.
    pub(crate) fn note(&self, what: String) {
        self.trouble.set(what);
    }

    /// The same, unless the driver has a better reason, which a lost device gives in a poll.
    pub(super) fn note_after_poll(&self, what: String) {
        let _turn = lock(&self.turn);
        let _ = self.device.poll(wgpu::PollType::Wait {
            submission_index: None,
            timeout: Some(Duration::from_secs(1)),
        });
        self.trouble.set(what);
    }

    /// If all that went wrong is that memory ran out: forgets it, so that less may be tried.
    pub fn forgive_lack_of_memory(&self) -> bool {
        let mut trouble = lock(&self.trouble.0);
        let forgiven = trouble.as_ref().is_some_and(|t| t.1);
        if forgiven {
            *trouble = None;
        }
        forgiven
    }

    /// What was changed about it.
    pub fn options(&self) -> &Options {
        &self.options
    }

    /// Threads in a workgroup.
    pub(super) fn lanes(&self) -> u32 {
        self.lanes
    }

    /// Can it tell when a kernel begins and ends?
    pub(super) fn has_timestamps(&self) -> bool {
        self.device
            .features()
            .contains(wgpu::Features::TIMESTAMP_QUERY)
    }

    /// Adds to the time that a kernel took, in the queue's ticks.
    pub(super) fn add_time(&self, kernel: &'static str, ticks: u64) {
        let nanoseconds = ticks as f64 * f64::from(self.queue.get_timestamp_period());
        let time = Duration::from_nanos(nanoseconds as u64);
        let mut times = lock(&self.times);
        match times.iter_mut().find(|t| t.0 == kernel) {
            Some(t) => t.1 += time,
            None => times.push((kernel, time)),
        }
    }

    /// Time on the device of each kernel of programs that keep it, since this was last asked.
    pub fn take_times(&self) -> Vec<(&'static str, Duration)> {
        std::mem::take(&mut lock(&self.times))
    }

    pub(super) fn add_moved(&self, up: u64, down: u64) {
        self.moved[0].fetch_add(up, Ordering::Relaxed);
        self.moved[1].fetch_add(down, Ordering::Relaxed);
    }

    /// Bytes that programs took to the device and brought back, since this was last asked.
    pub fn take_moved(&self) -> [u64; 2] {
        [0, 1].map(|way| self.moved[way].swap(0, Ordering::Relaxed))
    }

    /// Workgroups in each dimension of a dispatch.
    pub(super) fn grid(&self, groups: u64) -> (u32, u32) {
        let x = groups.min(u64::from(self.max_groups));
        (x as u32, groups.div_ceil(x) as u32)
    }

    /// Workgroups in one dimension of a dispatch, at most.
    pub(crate) fn max_groups(&self) -> i64 {
        i64::from(self.max_groups)
    }

    pub(super) fn poisons(&self) -> bool {
        self.poison.is_some()
    }

    pub(super) fn poison(
        &self,
        encoder: &mut wgpu::CommandEncoder,
        buffer: &wgpu::Buffer,
        bytes: u64,
    ) {
        let Some(poison) = &self.poison else { return };
        for from in (0..bytes).step_by(POISON_BYTES as usize) {
            let n = (bytes - from).min(POISON_BYTES);
            encoder.copy_buffer_to_buffer(poison, 0, buffer, from, n);
        }
    }

    /// Copies values to the device.
    pub fn upload<T: Pod>(&self, host: &[T]) -> Buf<T> {
        let buf = self.room(host.len());
        if buf.bytes() <= buf.buffer.size() && !host.is_empty() {
            self.queue
                .write_buffer(&buf.buffer, 0, bytemuck::cast_slice(host));
        }
        buf
    }

    /// Copies a table to the device, in pieces that fit its bindings.
    pub fn table(&self, words: &[u32]) -> Table {
        let bytes: &[u8] = bytemuck::cast_slice(words);
        let cut = Cut::of(bytes.len() as u64, self.max_piece);
        let piece = if cut.pieces == 1 {
            bytes.len().max(16)
        } else {
            1 << cut.shift
        };
        let pieces = (0..cut.pieces as usize)
            .map(|i| {
                let part = &bytes[i * piece..bytes.len().min((i + 1) * piece)];
                let buffer = self.device.create_buffer(&wgpu::BufferDescriptor {
                    label: Some("table"),
                    // A multiple of 16, so that an array of vec4 reaches the last word.
                    size: part.len().next_multiple_of(16).max(16) as u64,
                    usage: wgpu::BufferUsages::STORAGE | wgpu::BufferUsages::COPY_DST,
                    mapped_at_creation: false,
                });
                for (i, chunk) in part.chunks(UPLOAD_BYTES).enumerate() {
                    self.queue
                        .write_buffer(&buffer, (i * UPLOAD_BYTES) as u64, chunk);
                    let _turn = lock(&self.turn);
                    self.queue.submit([]);
                }
                buffer
            })
            .collect();
        Table { pieces, cut }
    }

    /// Room for `length` values that a kernel will write.
    pub fn room<T: Pod>(&self, length: usize) -> Buf<T> {
        let buffer = self.buffer(STORAGE, (length * size_of::<T>()) as u64);
        Buf::new(buffer, length, self.pool.clone())
    }

    /// Room for `length` values, all zero, for kernels that add to them.
    pub fn zeros<T: Pod>(&self, length: usize) -> Buf<T> {
        let buf = self.room(length);
        let mut encoder = self
            .device
            .create_command_encoder(&wgpu::CommandEncoderDescriptor::default());
        encoder.clear_buffer(&buf.buffer, 0, None);
        self.submit(encoder);
        buf
    }

    /// Copies a buffer to another of the same length, on the device.
    pub fn copy<T: Pod>(&self, from: &Buf<T>, to: &Buf<T>) {
        let mut encoder = self
            .device
            .create_command_encoder(&wgpu::CommandEncoderDescriptor::default());
        encoder.copy_buffer_to_buffer(&from.buffer, 0, &to.buffer, 0, from.bytes());
        self.submit(encoder);
    }

    /// Waits for all that was launched.
    ///
    /// # Errors
    /// [`Error::Device`] for the first thing that went wrong since the device was opened.
    pub fn settle(&self) -> Result<()> {
        if let Err(what) = self.wait_for(None) {
            self.note_after_poll(what);
        }
        self.trouble().map_or(Ok(()), Err)
    }

    /// A buffer from the pool, or a new one. Sizes are rounded up to 1/4 of a power of two, so that
    /// batches of about the same size share buffers.
    fn buffer(&self, usage: wgpu::BufferUsages, bytes: u64) -> wgpu::Buffer {
        let step = (bytes.max(1024).next_power_of_two() / 8).max(256);
        let mut size = bytes
            .max(SMALLEST)
            .next_multiple_of(step)
            .min(self.max_buffer);
        if bytes > size {
            self.trouble.set(format!(
                "a buffer of {bytes} bytes exceeds its limit of {}",
                self.max_buffer
            ));
            size = SMALLEST;
        }
        self.pool.take(usage, size).unwrap_or_else(|| {
            self.device.create_buffer(&wgpu::BufferDescriptor {
                label: None,
                size,
                usage,
                mapped_at_creation: false,
            })
        })
    }

    /// Launches one thread for each of `jobs`. Constants are the shader's `override`s; `LANES` is
    /// added. A thread's job is `job_index(..)` of `common.wgsl`, and must be checked against the
    /// `arrayLength` of an [`Arg::Each`] or [`Arg::Out`]: where an argument exceeds a binding, the
    /// jobs are run in several dispatches, each of which sees only its own part of those arguments
    /// and counts its jobs from 0.
    pub fn run(
        &self,
        shader: &'static Shader,
        constants: &[(&'static str, i64)],
        tables: &[&Table],
        args: &[Arg<'_>],
        jobs: usize,
    ) {
        if jobs == 0 || self.trouble.get().is_some() {
            return;
        }
        let Some(per_dispatch) = self.jobs_per_dispatch(shader, tables, args, jobs as u64) else {
            return;
        };
        let kinds: Vec<_> = args
            .iter()
            .map(|a| wgpu::BufferBindingType::Storage {
                read_only: a.read_only(),
            })
            .collect();
        let pipeline = self.pipeline(shader, constants, tables, &kinds);
        let scratch: Vec<Option<Buf<u8>>> = args
            .iter()
            .map(|a| match a {
                Arg::Scratch(bytes) => Some(self.room((bytes * per_dispatch) as usize)),
                _ => None,
            })
            .collect();
        let mut encoder = self
            .device
            .create_command_encoder(&wgpu::CommandEncoderDescriptor::default());
        for arg in args {
            if let Arg::Out(buffer, bytes) | Arg::SharedOut(buffer, bytes) = *arg {
                self.poison(&mut encoder, buffer, bytes);
            }
        }
        let tables = pipeline.tables.as_ref().map(|layout| {
            let pieces = tables.iter().flat_map(|t| &t.pieces);
            self.bind(layout, pieces.map(wgpu::Buffer::as_entire_binding))
        });
        let mut first = 0;
        while first < jobs as u64 {
            let n = per_dispatch.min(jobs as u64 - first);
            let bindings = args.iter().zip(&scratch).map(|(arg, scratch)| {
                let (buffer, offset, bytes) = match (arg, scratch) {
                    (Arg::Each(buffer, bytes) | Arg::Out(buffer, bytes), _) => {
                        let per_job = bytes / jobs as u64;
                        (*buffer, first * per_job, n * per_job)
                    }
                    (
                        Arg::Whole(buffer, bytes)
                        | Arg::SharedOut(buffer, bytes)
                        | Arg::Kept(buffer, bytes),
                        _,
                    ) => (*buffer, 0, *bytes),
                    (Arg::Scratch(per_job), Some(room)) => (&room.buffer, 0, n * per_job),
                    (Arg::Scratch(_), None) => unreachable!("made above"),
                };
                wgpu::BindingResource::Buffer(wgpu::BufferBinding {
                    buffer,
                    offset,
                    // An empty one is bound as bytes that no job has a reason to read.
                    size: std::num::NonZero::new(if bytes == 0 { SMALLEST } else { bytes }),
                })
            });
            let args = self.bind(&pipeline.args, bindings);
            let mut pass = encoder.begin_compute_pass(&wgpu::ComputePassDescriptor::default());
            pass.set_pipeline(&pipeline.compute);
            pass.set_bind_group(0, &args, &[]);
            if let Some(tables) = &tables {
                pass.set_bind_group(1, tables, &[]);
            }
            let (x, y) = self.grid(n.div_ceil(u64::from(self.lanes)));
            pass.dispatch_workgroups(x, y, 1);
            if self.goes_wrong() {
                pass.dispatch_workgroups(u32::MAX, 1, 1);
            }
            drop(pass);
            first += n;
        }
        self.submit(encoder);
    }

    /// Copies values back; waits for all that was launched before.
    ///
    /// # Errors
    /// [`Error::Device`] for the first thing that went wrong since the device was opened.
    pub fn download<T: Pod>(&self, device: &Buf<T>) -> Result<Vec<T>> {
        if self.trouble.get().is_none() && !device.is_empty() {
            match self.read_back(device) {
                Ok(values) if self.trouble.get().is_none() => return Ok(values),
                Ok(_) => {}
                Err(what) => self.note_after_poll(what),
            }
        }
        self.trouble().map_or_else(|| Ok(Vec::new()), Err)
    }

    fn read_back<T: Pod>(&self, device: &Buf<T>) -> Result<Vec<T>, String> {
        let bytes = device.bytes();
        let staging = self.buffer(
            wgpu::BufferUsages::MAP_READ | wgpu::BufferUsages::COPY_DST,
            bytes,
        );
        let mut encoder = self
            .device
            .create_command_encoder(&wgpu::CommandEncoderDescriptor::default());
        let padded = bytes.next_multiple_of(4); // copies are made of words
        encoder.copy_buffer_to_buffer(&device.buffer, 0, &staging, 0, padded);
        let (done, mapped) = mpsc::channel();
        encoder.map_buffer_on_submit(&staging, wgpu::MapMode::Read, 0..padded, move |result| {
            let _ = done.send(result); // nobody listens once the wait has timed out
        });
        let index = self.submit(encoder);
        self.wait_for(Some(index))?;
        match mapped.try_recv() {
            Ok(Ok(())) => {}
            Ok(Err(e)) => return Err(format!("cannot read a result back: {e}")),
            Err(_) => return Err("did not give a result back".into()),
        }
        let mut values = vec![T::zeroed(); device.len()];
        {
            let view = staging
                .get_mapped_range(0..padded)
                .map_err(|e| format!("cannot read a result back: {e}"))?;
            bytemuck::cast_slice_mut::<T, u8>(&mut values).copy_from_slice(&view[..bytes as usize]);
        }
        staging.unmap();
        self.pool.give(staging);
        Ok(values)
    }

    pub(super) fn submit(&self, encoder: wgpu::CommandEncoder) -> wgpu::SubmissionIndex {
        let _turn = lock(&self.turn);
        self.queue.submit([encoder.finish()])
    }

    /// Lets callbacks run that are ready.
    pub(super) fn poll(&self) {
        let _turn = lock(&self.turn);
        let _ = self.device.poll(wgpu::PollType::Poll);
    }

    pub(super) fn wait_for(
        &self,
        submission_index: Option<wgpu::SubmissionIndex>,
    ) -> Result<(), String> {
        let _turn = lock(&self.turn);
        self.device
            .poll(wgpu::PollType::Wait {
                submission_index,
                timeout: Some(PATIENCE),
            })
            .map(|_| ())
            .map_err(|e| match e {
                wgpu::PollError::Timeout => {
                    format!("has not finished within {} s", PATIENCE.as_secs())
                }
                e @ wgpu::PollError::WrongSubmissionIndex(..) => one_line(&e.to_string()),
            })
    }

    /// Counts a launch of a kernel, and goes wrong if this is the one to go wrong at. True: the
    /// caller is to do what the driver refuses.
    pub(super) fn goes_wrong(&self) -> bool {
        let launch = self.launches.fetch_add(1, Ordering::Relaxed);
        match self.options.fault {
            Some(Fault::Lost(n)) if n == launch => self.device.destroy(),
            Some(Fault::Refused(n)) if n == launch => return true,
            Some(Fault::Hung(n)) if n == launch => self.trouble.set("has not finished within 0 s"),
            Some(Fault::Memory(n)) if n == launch => self.trouble.lacks_memory(),
            _ => {}
        }
        false
    }

    /// Are results to be made wrong?
    pub(crate) fn is_wrong(&self) -> bool {
        let launches = self.launches.load(Ordering::Relaxed);
        matches!(self.options.fault, Some(Fault::Wrong(n)) if n < launches)
    }

    /// Notes the trouble if a kernel needs more bindings than there are.
    pub(super) fn has_bindings(&self, shader: &Shader, args: usize, tables: &[&Table]) -> bool {
        let bindings = args as u32 + tables.iter().map(|t| t.cut.pieces).sum::<u32>();
        let enough = bindings <= self.max_tables_and_args;
        if !enough {
            self.trouble.set(format!(
                "{} needs {bindings} storage buffers of at most {} bytes, the adapter allows {}",
                shader.name, self.max_binding, self.max_tables_and_args
            ));
        }
        enough
    }

    /// How many jobs fit one dispatch; `None`, with the trouble noted, if not even a few do.
    fn jobs_per_dispatch(
        &self,
        shader: &Shader,
        tables: &[&Table],
        args: &[Arg<'_>],
        jobs: u64,
    ) -> Option<u64> {
        if !self.has_bindings(shader, args.len(), tables) {
            return None;
        }
        let mut fit = u64::from(self.max_groups).pow(2) * u64::from(self.lanes);
        let mut step = 1;
        for arg in args {
            if let Some(per_job) = arg.per_job(jobs).filter(|&b| b > 0) {
                fit = fit.min(self.max_binding / per_job);
                // A part begins where a binding may.
                let factor = self.alignment >> per_job.trailing_zeros().min(63);
                step = step.max(factor);
            } else if let Arg::Whole(_, bytes) | Arg::SharedOut(_, bytes) | Arg::Kept(_, bytes) =
                *arg
                && bytes > self.max_binding
            {
                fit = 0;
            }
        }
        if fit >= jobs {
            return Some(jobs);
        }
        let fit = fit - fit % step;
        if fit == 0 {
            self.trouble.set(format!(
                "an argument of {} exceeds its limit of {} bytes; smaller batches would fit",
                shader.name, self.max_binding
            ));
        }
        (fit > 0).then_some(fit)
    }

    pub(super) fn bind<'a>(
        &self,
        layout: &wgpu::BindGroupLayout,
        bindings: impl Iterator<Item = wgpu::BindingResource<'a>>,
    ) -> wgpu::BindGroup {
        let entries: Vec<_> = bindings
            .enumerate()
            .map(|(i, resource)| wgpu::BindGroupEntry {
                binding: i as u32,
                resource,
            })
            .collect();
        self.device.create_bind_group(&wgpu::BindGroupDescriptor {
            label: None,
            layout,
            entries: &entries,
        })
    }

    pub(super) fn pipeline(
        &self,
        shader: &'static Shader,
        constants: &[(&'static str, i64)],
        tables: &[&Table],
        args: &[wgpu::BufferBindingType],
    ) -> Arc<Pipeline> {
        let cuts: Vec<Cut> = tables.iter().map(|t| t.cut).collect();
        let key = (shader.name, constants.to_vec(), cuts);
        let mut pipelines = lock(&self.pipelines);
        if let Some(made) = pipelines.get(&key) {
            return made.clone();
        }
        let layout = |kinds: &mut dyn Iterator<Item = wgpu::BufferBindingType>| {
            let entries: Vec<_> = kinds
                .enumerate()
                .map(|(i, ty)| wgpu::BindGroupLayoutEntry {
                    binding: i as u32,
                    visibility: wgpu::ShaderStages::COMPUTE,
                    ty: wgpu::BindingType::Buffer {
                        ty,
                        has_dynamic_offset: false,
                        min_binding_size: None,
                    },
                    count: None,
                })
                .collect();
            self.device
                .create_bind_group_layout(&wgpu::BindGroupLayoutDescriptor {
                    label: Some(shader.name),
                    entries: &entries,
                })
        };
        let of_args = layout(&mut args.iter().copied());
        let pieces = tables.iter().map(|t| t.pieces.len()).sum();
        let read_only = wgpu::BufferBindingType::Storage { read_only: true };
        let of_tables = (pieces > 0).then(|| layout(&mut std::iter::repeat_n(read_only, pieces)));
        let module = self.module(shader, &key.2);
        let layout = self
            .device
            .create_pipeline_layout(&wgpu::PipelineLayoutDescriptor {
                label: Some(shader.name),
                bind_group_layouts: &[Some(&of_args), of_tables.as_ref()],
                immediate_size: 0,
            });
        let constants: Vec<(&str, f64)> = constants
            .iter()
            .copied()
            .chain([("LANES", i64::from(self.lanes))])
            .map(|(name, value)| (name, value as f64))
            .collect();
        let compute = self
            .device
            .create_compute_pipeline(&wgpu::ComputePipelineDescriptor {
                label: Some(shader.name),
                layout: Some(&layout),
                module: &module,
                entry_point: Some(shader.name),
                compilation_options: wgpu::PipelineCompilationOptions {
                    constants: &constants,
                    zero_initialize_workgroup_memory: false,
                },
                cache: None,
            });
        let made = Arc::new(Pipeline {
            compute,
            args: of_args,
            tables: of_tables,
        });
        pipelines.insert(key, made.clone());
        made
    }
}

impl Gpu {
    /// A shader's module. wgpu validates it; unless [`Options::checked`] asks for it, it then adds no
    /// checks of its own to loops and indices, which cost up to half of a kernel's time.
    #[allow(
        unsafe_code,
        reason = "the checks are left out of our own shaders, which are tested with them too"
    )]
    fn module(&self, shader: &Shader, cuts: &[Cut]) -> wgpu::ShaderModule {
        let descriptor = wgpu::ShaderModuleDescriptor {
            label: Some(shader.name),
            source: wgpu::ShaderSource::Wgsl(shader.text(cuts).into()),
        };
        if self.options.checked {
            return self.device.create_shader_module(descriptor);
        }
        let checks = wgpu::ShaderRuntimeChecks::unchecked();
        // SAFETY: every loop of our shaders ends, and every index is within its array: those into
        // tables are held in range by their accessors, the others follow from counts that the
        // kernels themselves check against the room there is. `tests/twins.rs` runs both variants.
        unsafe { self.device.create_shader_module_trusted(descriptor, checks) }
    }
}

const STORAGE: wgpu::BufferUsages = wgpu::BufferUsages::STORAGE
    .union(wgpu::BufferUsages::COPY_SRC)
    .union(wgpu::BufferUsages::COPY_DST);

/// A driver's message of many lines, as part of one of ours.
fn one_line(message: &str) -> String {
    let words: Vec<&str> = message.split_whitespace().collect();
    words.join(" ").trim_end_matches('.').to_string()
}
