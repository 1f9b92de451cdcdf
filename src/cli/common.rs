//! Options that several subcommands share.

use crate::{Error, Result};

/// How many CPU threads to use.
#[derive(clap::Args, Debug, Clone)]
pub struct Threads {
    /// CPU threads [default: all cores]
    #[arg(short = 't', long, value_name = "N", global = false)]
    pub threads: Option<usize>,
}

impl Threads {
    /// The number asked for, or one per core; also sizes rayon's global pool, which the BGZF
    /// readers of noodles use too. Call once, first thing.
    pub fn apply(&self) -> Result<usize> {
        let n = match self.threads {
            Some(0) => return Err(Error::usage("--threads 0", "Give 1 or more.")),
            Some(n) => n,
            None => std::thread::available_parallelism().map_or(1, std::num::NonZero::get),
        };
        // Fails only if a pool exists already (several commands in one process): then that one stays.
        let _ = rayon::ThreadPoolBuilder::new()
            .num_threads(n)
            .build_global();
        Ok(n)
    }
}
