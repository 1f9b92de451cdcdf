//! How to make a device smaller than it is, and how to make it fail: for tests.

use crate::{Error, Result};

/// What to change about a device, mostly for tests.
#[derive(Clone, Debug, Default)]
#[allow(
    clippy::struct_excessive_bools,
    reason = "each is a change by itself, and any of them go together"
)]
pub struct Options {
    /// Use no binding larger than this many bytes, though the adapter allows more.
    pub max_binding: Option<u64>,
    /// Cut tables into pieces of no more than this many bytes, though a binding may be larger.
    pub max_piece: Option<u64>,
    /// Use no more workgroups than this in one dimension of a dispatch.
    pub max_groups: Option<u32>,
    /// Threads in a workgroup, in place of 64.
    pub lanes: Option<u32>,
    /// Let wgpu add its checks to loops and indices, as for shaders that are not trusted.
    pub checked: bool,
    /// Fill outputs with a pattern first, so that work left undone shows.
    pub poison: bool,
    /// Have so many times less room for what varies from read to read.
    pub scarce: Option<u32>,
    /// Bring seeds back to the host.
    pub keep_seeds: bool,
    /// Reads in a batch on the device, if more would fit.
    pub reads: Option<usize>,
    /// Note when each kernel begins and ends.
    pub times: bool,
    /// Go wrong on purpose.
    pub fault: Option<Fault>,
}

/// What goes wrong, and at which launch of a kernel (the first is 0).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The device is lost, as when a driver resets.
    Lost(u32),
    /// The driver refuses a command.
    Refused(u32),
    /// The device does not finish in time.
    Hung(u32),
    /// The device has no memory left; for less there is some.
    Memory(u32),
    /// The device gives a wrong result, as when a driver miscompiles a kernel.
    Wrong(u32),
}

impl std::str::FromStr for Fault {
    type Err = Error;

    /// `lost@3`, `refused@3`, `hung@3`, `memory@3`, `wrong@3`.
    fn from_str(s: &str) -> Result<Fault> {
        let wrong = || {
            Error::usage(
                format!("fault {s} is unknown"),
                "Say lost@N, refused@N, hung@N, memory@N or wrong@N, N counting launches of kernels from 0.",
            )
        };
        let (kind, n) = s.split_once('@').ok_or_else(wrong)?;
        let n = n.parse().map_err(|_| wrong())?;
        match kind {
            "lost" => Ok(Fault::Lost(n)),
            "refused" => Ok(Fault::Refused(n)),
            "hung" => Ok(Fault::Hung(n)),
            "memory" => Ok(Fault::Memory(n)),
            "wrong" => Ok(Fault::Wrong(n)),
            _ => Err(wrong()),
        }
    }
}
