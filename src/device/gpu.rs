//! One GPU: typed buffers, read-only tables cut to the adapter's limits, and one [`Gpu::run`].
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
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, mpsc};
use std::time::Duration;

pub use super::buffer::{Arg, Buf, Table};
pub use super::fault::{Fault, Options};

/// Outputs hold this in every word until a kernel writes them, so that work left undone shows.
pub const POISON: u32 = 0xDEAD_5EED;

/// Count of results of a job whose loops the driver has cut short; see `common.wgsl`.
const CUT: u32 = u32::MAX;
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
    device: wgpu::Device,
    queue: wgpu::Queue,
    name: String,
    software: bool,
    max_binding: u64,
    max_piece: u64,
    max_buffer: u64,
    max_tables_and_args: u32,
    max_groups: u32,
    alignment: u64,
    fault: Option<Fault>,
    launches: AtomicU32,
    poison: wgpu::Buffer,
    pool: Arc<Pool>,
    pipelines: Mutex<HashMap<Key, Arc<Pipeline>>>,
    trouble: Arc<Trouble>,
    /// Held to submit and to wait: wgpu 30 can panic when two threads do so at once and one's wait
    /// times out (wgpu#9958).
    turn: Mutex<()>,
}

type Key = (&'static str, Vec<(&'static str, i64)>, Vec<Cut>);

#[derive(Debug)]
struct Pipeline {
    compute: wgpu::ComputePipeline,
    args: wgpu::BindGroupLayout,
    tables: Option<wgpu::BindGroupLayout>,
}

/// The first thing that went wrong.
#[derive(Debug, Default)]
struct Trouble(Mutex<Option<String>>);

impl Trouble {
    fn set(&self, what: impl Into<String>) {
        lock(&self.0).get_or_insert_with(|| what.into());
    }

    fn get(&self) -> Option<String> {
        lock(&self.0).clone()
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
        device.on_uncaptured_error(Arc::new(move |e: wgpu::Error| {
            of_callback.set(one_line(&e.to_string()));
        }));
        let of_callback = trouble.clone();
        device.set_device_lost_callback(move |reason, message| {
            // Dropping the device at the end is reported here too, when nobody asks any more.
            of_callback.set(format!("was lost ({reason:?}: {})", one_line(&message)));
        });
        let poison = device.create_buffer(&wgpu::BufferDescriptor {
            label: Some("poison"),
            size: POISON_BYTES,
            usage: wgpu::BufferUsages::COPY_SRC | wgpu::BufferUsages::COPY_DST,
            mapped_at_creation: false,
        });
        let pattern = vec![POISON; POISON_BYTES as usize / 4];
        queue.write_buffer(&poison, 0, bytemuck::cast_slice(&pattern));
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
            fault: options.fault,
            launches: AtomicU32::new(0),
            poison,
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
        self.trouble.get().map(|what| Error::Device {
            device: self.name.clone(),
            what,
            remedy: "Use --device cpu, which gives the same bytes".into(),
        })
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

    /// `0..length`: bound with [`Buf::each`], it tells a job its rank among all, however they are cut.
    pub fn ranks(&self, length: usize) -> Buf<u32> {
        self.upload(&(0..length as u32).collect::<Vec<_>>())
    }

    /// Where the results of each job end, when job `i` has `counts[i]` of them; and how many there
    /// are in all. Waits for the counts; after trouble there are none.
    pub fn ends(&self, counts: &Buf<u32>) -> (Buf<u32>, usize) {
        let mut total = 0;
        let mut ends = self.download(counts).unwrap_or_default(); // the trouble is kept for the caller's download
        if ends.contains(&CUT) {
            self.trouble.set(
                "its driver cut a kernel's loops short (Mesa's llvmpipe does, at 65,535 turns)",
            );
            ends.clear();
        }
        for end in &mut ends {
            total += *end;
            *end = total;
        }
        ends.resize(counts.len(), total);
        (self.upload(&ends), total as usize)
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
        if jobs == 0 || self.inject() || self.trouble.get().is_some() {
            return;
        }
        let Some(per_dispatch) = self.jobs_per_dispatch(shader, tables, args, jobs as u64) else {
            return;
        };
        let pipeline = self.pipeline(shader, constants, tables, args);
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
                for from in (0..bytes).step_by(POISON_BYTES as usize) {
                    let n = (bytes - from).min(POISON_BYTES);
                    encoder.copy_buffer_to_buffer(&self.poison, 0, buffer, from, n);
                }
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
            let groups = n.div_ceil(u64::from(LANES)) as u32;
            let x = groups.min(self.max_groups);
            pass.dispatch_workgroups(x, groups.div_ceil(x), 1);
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
                Err(what) => {
                    // A lost device says so in its callback, which a poll runs: the better reason.
                    let turn = lock(&self.turn);
                    let _ = self.device.poll(wgpu::PollType::Wait {
                        submission_index: None,
                        timeout: Some(Duration::from_secs(1)),
                    });
                    drop(turn);
                    self.trouble.set(what);
                }
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
        self.submit_and_wait(encoder)?;
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

    fn submit(&self, encoder: wgpu::CommandEncoder) {
        let _turn = lock(&self.turn);
        self.queue.submit([encoder.finish()]);
    }

    fn submit_and_wait(&self, encoder: wgpu::CommandEncoder) -> Result<(), String> {
        let _turn = lock(&self.turn);
        let index = self.queue.submit([encoder.finish()]);
        self.device
            .poll(wgpu::PollType::Wait {
                submission_index: Some(index),
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

    /// Goes wrong if this launch is the one to go wrong at.
    fn inject(&self) -> bool {
        let launch = self.launches.fetch_add(1, Ordering::Relaxed);
        match self.fault {
            Some(Fault::Lost(n)) if n == launch => self.device.destroy(),
            Some(Fault::Refused(n)) if n == launch => {
                // Copying a buffer onto itself is never allowed.
                let mut encoder = self
                    .device
                    .create_command_encoder(&wgpu::CommandEncoderDescriptor::default());
                encoder.copy_buffer_to_buffer(&self.poison, 0, &self.poison, 0, POISON_BYTES);
                self.submit(encoder);
            }
            Some(Fault::Hung(n)) if n == launch => {
                self.trouble.set("has not finished within 0 s");
            }
            _ => return false,
        }
        true
    }

    /// How many jobs fit one dispatch; `None`, with the trouble noted, if not even a few do.
    fn jobs_per_dispatch(
        &self,
        shader: &Shader,
        tables: &[&Table],
        args: &[Arg<'_>],
        jobs: u64,
    ) -> Option<u64> {
        let bindings = args.len() as u32 + tables.iter().map(|t| t.cut.pieces).sum::<u32>();
        if bindings > self.max_tables_and_args {
            self.trouble.set(format!(
                "{} needs {bindings} storage buffers of at most {} bytes, the adapter allows {}",
                shader.name, self.max_binding, self.max_tables_and_args
            ));
            return None;
        }
        let mut fit = u64::from(self.max_groups).pow(2) * u64::from(LANES);
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

    fn bind<'a>(
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

    fn pipeline(
        &self,
        shader: &'static Shader,
        constants: &[(&'static str, i64)],
        tables: &[&Table],
        args: &[Arg<'_>],
    ) -> Arc<Pipeline> {
        let cuts: Vec<Cut> = tables.iter().map(|t| t.cut).collect();
        let key = (shader.name, constants.to_vec(), cuts);
        let mut pipelines = lock(&self.pipelines);
        if let Some(made) = pipelines.get(&key) {
            return made.clone();
        }
        let layout = |read_only: &mut dyn Iterator<Item = bool>| {
            let entries: Vec<_> = read_only
                .enumerate()
                .map(|(i, read_only)| wgpu::BindGroupLayoutEntry {
                    binding: i as u32,
                    visibility: wgpu::ShaderStages::COMPUTE,
                    ty: wgpu::BindingType::Buffer {
                        ty: wgpu::BufferBindingType::Storage { read_only },
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
        let of_args = layout(&mut args.iter().map(Arg::read_only));
        let pieces = tables.iter().map(|t| t.pieces.len()).sum();
        let of_tables = (pieces > 0).then(|| layout(&mut std::iter::repeat_n(true, pieces)));
        let module = self
            .device
            .create_shader_module(wgpu::ShaderModuleDescriptor {
                label: Some(shader.name),
                source: wgpu::ShaderSource::Wgsl(shader.text(&key.2).into()),
            });
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
            .chain([("LANES", i64::from(LANES))])
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

const STORAGE: wgpu::BufferUsages = wgpu::BufferUsages::STORAGE
    .union(wgpu::BufferUsages::COPY_SRC)
    .union(wgpu::BufferUsages::COPY_DST);

/// A driver's message of many lines, as part of one of ours.
fn one_line(message: &str) -> String {
    let words: Vec<&str> = message.split_whitespace().collect();
    words.join(" ").trim_end_matches('.').to_string()
}
