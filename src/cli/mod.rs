//! The subcommands: each file holds its clap `Args` and a `run`.

use crate::Result;
use clap::{Parser, Subcommand};

pub mod align;
pub mod annotate;
pub mod bench;
pub mod call;
pub mod common;
pub mod consensus;
pub mod demo;
pub mod devices;
pub mod index;
pub mod knowledge;
pub mod merge;
pub mod normals;
pub mod pgx;
pub mod qc;
pub mod report;
pub mod review;
pub mod run;
pub mod simulate;

/// GPU-accelerated genomic sequence aligner whose results reach a therapy decision.
///
/// For research use only; not for diagnostic procedures.
#[derive(Parser, Debug)]
#[command(name = "theralign", version, propagate_version = true)]
pub struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand, Debug)]
enum Command {
    Index(index::Args),
    Align(align::Args),
    Consensus(consensus::Args),
    Call(call::Args),
    Merge(merge::Args),
    Normals(normals::Args),
    Annotate(annotate::Args),
    Pgx(pgx::Args),
    Report(report::Args),
    Review(review::Args),
    Run(run::Args),
    Demo(demo::Args),
    Qc(qc::Args),
    Simulate(simulate::Args),
    Knowledge(knowledge::Args),
    Devices(devices::Args),
    Bench(bench::Args),
}

impl Cli {
    /// Runs the chosen subcommand.
    pub fn run(self) -> Result<()> {
        match self.command {
            Command::Index(args) => index::run(&args),
            Command::Align(args) => align::run(&args),
            Command::Consensus(args) => consensus::run(&args),
            Command::Call(args) => call::run(&args),
            Command::Merge(args) => merge::run(&args),
            Command::Normals(args) => normals::run(&args),
            Command::Annotate(args) => annotate::run(&args),
            Command::Pgx(args) => pgx::run(&args),
            Command::Report(args) => report::run(&args),
            Command::Review(args) => review::run(&args),
            Command::Run(args) => run::run(&args),
            Command::Demo(args) => demo::run(&args),
            Command::Qc(args) => qc::run(&args),
            Command::Simulate(args) => simulate::run(&args),
            Command::Knowledge(args) => knowledge::run(&args),
            Command::Devices(args) => devices::run(&args),
            Command::Bench(args) => bench::run(&args),
        }
    }
}
