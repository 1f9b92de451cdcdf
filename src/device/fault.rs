//! How to make a device smaller than it is, and how to make it fail: for tests.

use crate::{Error, Result};

/// What to change about a device, mostly for tests.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// Use no binding larger than this many bytes, though the adapter allows more.
    pub max_binding: Option<u64>,
    /// Cut tables into pieces of no more than this many bytes, though a binding may be larger.
    pub max_piece: Option<u64>,
    /// Use no more workgroups than this in one dimension of a dispatch.
    pub max_groups: Option<u32>,
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
}

impl std::str::FromStr for Fault {
    type Err = Error;

    /// `lost@3`, `refused@3`, `hung@3`.
    fn from_str(s: &str) -> Result<Fault> {
        let wrong = || {
            Error::usage(
                format!("fault {s} is unknown"),
                "Say lost@N, refused@N or hung@N, N counting launches from 0.",
            )
        };
        let (kind, n) = s.split_once('@').ok_or_else(wrong)?;
        let n = n.parse().map_err(|_| wrong())?;
        match kind {
            "lost" => Ok(Fault::Lost(n)),
            "refused" => Ok(Fault::Refused(n)),
            "hung" => Ok(Fault::Hung(n)),
            _ => Err(wrong()),
        }
    }
}
