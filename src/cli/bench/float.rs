//! The pairHMM in 32-bit floating point, which no result comes from: it tells what fixed point costs.

use crate::Result;
use crate::device::gpu::Gpu;
use crate::device::shader::{Shader, nothing};
use crate::domain::quality::BIT;
use crate::kernel::pairhmm::{self, EMIT_AT, GAP_AT, GAP_CLOSE, GAP_EXTEND, Job, tables};

/// The shader.
pub static SHADER: Shader = Shader {
    name: "pairhmm_float",
    source: concat!(
        include_str!("../../../shaders/common.wgsl"),
        include_str!("../../../shaders/pairhmm_jobs.wgsl"),
        include_str!("../../../shaders/pairhmm_float.wgsl")
    ),
    tables: &[],
    lengths: &[],
    generated: nothing,
};

/// log2-likelihoods of all jobs, a thread each.
///
/// # Errors
/// [`Error::Device`](crate::Error::Device) for the first thing that went wrong on the device.
pub fn on_gpu(gpu: &Gpu, reads: &[u32], haplotypes: &[u32], jobs: &[Job]) -> Result<Vec<f32>> {
    let probability = |units: i32| (f64::from(units) / f64::from(BIT)).exp2() as f32;
    // The fixed-point tables without the one for adding, and the two numbers that are constants there.
    let mut numbers: Vec<f32> = tables()[EMIT_AT..]
        .iter()
        .map(|&t| probability(t))
        .collect();
    let at = numbers.len() as i64;
    numbers.extend([GAP_EXTEND, GAP_CLOSE].map(probability));
    let constants = [
        ("EMIT_AT", 0),
        ("GAP_AT", (GAP_AT - EMIT_AT) as i64),
        ("GAP_EXTEND", at),
        ("GAP_CLOSE", at + 1),
    ];
    pairhmm::launch(
        gpu,
        &SHADER,
        &constants,
        &numbers,
        (reads, haplotypes, jobs),
    )
}
