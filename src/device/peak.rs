//! What a device reaches at most: bytes a second from its memory and back, integer operations a second.
//! Measured, as no interface tells.

use super::gpu::Gpu;
use super::shader::{Shader, nothing};
use crate::Result;
use serde::Serialize;
use std::time::{Duration, Instant};

/// What a device reached at the simplest of work.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Peak {
    /// Bytes read and written a second, copying a buffer on the device.
    pub bytes_per_second: f64,
    /// 32-bit multiplications and additions a second.
    pub operations_per_second: f64,
}

/// The shader of the arithmetic.
pub static SHADER: Shader = Shader {
    name: "peak",
    source: concat!(
        include_str!("../../shaders/common.wgsl"),
        include_str!("../../shaders/peak.wgsl")
    ),
    tables: &[],
    lengths: &[],
    generated: nothing,
};

/// A measurement goes on until it has taken this long.
const ENOUGH: Duration = Duration::from_millis(60);

/// Measures a GPU; takes a fraction of a second.
///
/// # Errors
/// [`Error::Device`](crate::Error::Device) if something goes wrong on it.
pub fn measure(gpu: &Gpu) -> Result<Peak> {
    let bytes = (if gpu.is_software() {
        32 << 20
    } else {
        256u64 << 20
    })
    .min(gpu.max_binding());
    let (a, b) = (
        gpu.room::<u32>(bytes as usize / 4),
        gpu.room::<u32>(bytes as usize / 4),
    );
    let copied = until_enough(|n| {
        for _ in 0..n {
            gpu.copy(&a, &b);
        }
        gpu.settle()
    })?;
    let threads = if gpu.is_software() { 4096 } else { 1 << 20 };
    let turns = 256;
    let seeds = gpu.upload(&(0..threads as u32).collect::<Vec<_>>());
    let results = gpu.room::<u32>(threads);
    let args = [seeds.each(), results.out()];
    let ran = until_enough(|n| {
        for _ in 0..n {
            gpu.run(&SHADER, &[("TURNS", turns)], &[], &args, threads);
        }
        gpu.settle()
    })?;
    // Four times four lanes of two operations a turn.
    let operations = 32.0 * turns as f64 * threads as f64;
    Ok(Peak {
        bytes_per_second: 2.0 * bytes as f64 * copied,
        operations_per_second: operations * ran,
    })
}

/// How often a second something can be done, given a way to do it so many times and wait.
fn until_enough(mut times: impl FnMut(u32) -> Result<()>) -> Result<f64> {
    times(1)?; // memory is touched, pipelines are made
    let mut n = 1;
    loop {
        let start = Instant::now();
        times(n)?;
        let took = start.elapsed();
        if took >= ENOUGH || n >= 1 << 16 {
            return Ok(f64::from(n) / took.as_secs_f64());
        }
        n *= 2;
    }
}
