//! What several test files share: the devices to test on, and seeded random numbers.
#![allow(dead_code, unused_macros, unused_imports)] // no test file uses all of it

pub mod twin;

use std::io::Write;
use std::sync::{Arc, Once, OnceLock};
use theralign::backend::Gpu;
use theralign::device::adapter;
use theralign::device::gpu::Options;
use theralign::device::lanes::Level;

/// Expands each body into tests on every backend: `cpu::NAME` (at each level of vectors that the machine has),
/// `gpu::NAME`, and the same GPU changed: `gpu_cut::NAME`, held to tiny bindings and dispatches, so that
/// tables and batches are cut; `gpu_scarce::NAME`, with room for a few reads only, so that others are left to
/// the CPU; `gpu_checked::NAME`, with wgpu's checks in its shaders and other workgroups.
macro_rules! on_every_backend {
    ($($(#[$meta:meta])* fn $name:ident($backend:ident) $body:block)*) => {
        $($(#[$meta])* fn $name<B: theralign::backend::Backend>($backend: &B) $body)*
        mod cpu {
            $(#[test] fn $name() {
                $crate::common::on_cpu(|cpu| super::$name(cpu));
            })*
        }
        mod gpu {
            $(#[test] fn $name() {
                if let Some(gpu) = $crate::common::gpu() { super::$name(gpu); }
            })*
        }
        mod gpu_cut {
            $(#[test] fn $name() {
                if let Some(gpu) = $crate::common::gpu_cut() { super::$name(gpu); }
            })*
        }
        mod gpu_scarce {
            $(#[test] fn $name() {
                if let Some(gpu) = $crate::common::gpu_scarce() { super::$name(gpu); }
            })*
        }
        mod gpu_checked {
            $(#[test] fn $name() {
                if let Some(gpu) = $crate::common::gpu_checked() { super::$name(gpu); }
            })*
        }
    };
}
pub(crate) use on_every_backend;

/// Runs a test body on the CPU lanes, once for each level of vectors.
pub fn on_cpu(test: impl Fn(&theralign::backend::Cpu)) {
    announce();
    for level in Level::available() {
        level.force(|| test(&theralign::backend::Cpu));
    }
}

/// What tests want of a GPU beside the work.
pub fn watched() -> Options {
    Options {
        poison: true,
        keep_seeds: true,
        ..Options::default()
    }
}

/// The GPU to test on: the best adapter, software too. `None` where there is none, which is said on
/// stderr, or is a failure if `REQUIRE_GPU=1`.
pub fn gpu() -> Option<&'static Arc<Gpu>> {
    static GPU: OnceLock<Option<Arc<Gpu>>> = OnceLock::new();
    GPU.get_or_init(|| open(&watched())).as_ref()
}

/// The same adapter, as if it allowed bindings of 256 KiB, table pieces of 16 KiB (if it has bindings to spare)
/// and three workgroups a dimension.
pub fn gpu_cut() -> Option<&'static Arc<Gpu>> {
    static GPU: OnceLock<Option<Arc<Gpu>>> = OnceLock::new();
    GPU.get_or_init(|| {
        let spare = |f: &adapter::Found| f.limits.max_storage_buffers_per_shader_stage >= 24;
        let may_cut = adapter::list().first().is_none_or(spare);
        open(&Options {
            max_binding: Some(256 << 10),
            max_piece: Some(if may_cut { 16 } else { 256 } << 10),
            max_groups: Some(3),
            lanes: Some(64),
            ..watched()
        })
    })
    .as_ref()
}

/// The same adapter, with a ninth of the room for what varies from read to read.
pub fn gpu_scarce() -> Option<&'static Arc<Gpu>> {
    static GPU: OnceLock<Option<Arc<Gpu>>> = OnceLock::new();
    GPU.get_or_init(|| {
        open(&Options {
            scarce: Some(9),
            ..watched()
        })
    })
    .as_ref()
}

/// The same adapter, with shaders that check their indices and loops, and workgroups of 32.
pub fn gpu_checked() -> Option<&'static Arc<Gpu>> {
    static GPU: OnceLock<Option<Arc<Gpu>>> = OnceLock::new();
    GPU.get_or_init(|| {
        open(&Options {
            checked: true,
            lanes: Some(32),
            ..watched()
        })
    })
    .as_ref()
}

/// A device of one's own, to break.
pub fn open(options: &Options) -> Option<Arc<Gpu>> {
    announce();
    let found = adapter::list();
    let Some(best) = found.first() else {
        assert!(
            std::env::var("REQUIRE_GPU").as_deref() != Ok("1"),
            "REQUIRE_GPU=1, but no adapter answers"
        );
        say("SKIPPED: no adapter answers");
        return None;
    };
    let gpu = Gpu::open(best, options).expect("an adapter that is listed can be opened");
    Some(Arc::new(gpu))
}

fn announce() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let levels: Vec<&str> = Level::available().map(Level::name).collect();
        say(&format!("CPU: {}", levels.join(", ")));
        for found in adapter::list() {
            say(&format!(
                "adapter: {}, {} {}",
                found.title(),
                found.info.driver,
                found.info.driver_info
            ));
        }
    });
}

/// Straight to stderr: the test runner hides what `eprintln!` says in a passing test.
fn say(line: &str) {
    let _ = writeln!(std::io::stderr(), "{line}");
}

/// `SplitMix64` (Steele, Lea & Flood 2014): numbers that follow from the seed alone.
pub struct Random(pub u64);

impl Random {
    /// Uniform on 32 bits.
    pub fn word(&mut self) -> u32 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        ((z ^ (z >> 31)) >> 32) as u32
    }

    /// Below `n`.
    pub fn below(&mut self, n: u32) -> u32 {
        ((u64::from(self.word()) * u64::from(n)) >> 32) as u32
    }

    /// True once in `n` times.
    pub fn one_in(&mut self, n: u32) -> bool {
        self.below(n) == 0
    }

    /// ASCII bases; one in 100 is an N if `unknown`.
    pub fn bases(&mut self, length: usize, unknown: bool) -> Vec<u8> {
        (0..length)
            .map(|_| {
                if unknown && self.one_in(100) {
                    b'N'
                } else {
                    b"ACGT"[self.below(4) as usize]
                }
            })
            .collect()
    }
}
