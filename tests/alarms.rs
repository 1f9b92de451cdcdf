//! Would `twins.rs` notice? Each of its comparisons must fail on a backend that flips one bit.

mod common;

use bytemuck::Pod;
use common::twin;
use std::panic::{AssertUnwindSafe, catch_unwind};
use theralign::Result;
use theralign::backend::{Backend, Cpu};
use theralign::batch::PackedReads;
use theralign::domain::LogLik;
use theralign::genome::Reference;
use theralign::kernel::candidate::PairWindow;
use theralign::kernel::extend::Scoring;
use theralign::kernel::locate::Located;
use theralign::kernel::{pairhmm, pileup};

/// The CPU lanes, with one bit of one word flipped in one array of results.
struct Flawed(&'static str);

impl Flawed {
    fn flip<T: Pod>(&self, array: &str, values: &mut [T]) {
        let words: &mut [u32] = bytemuck::cast_slice_mut(values);
        if array == self.0 && !words.is_empty() {
            words[words.len() / 2] ^= 1;
        }
    }
}

impl Backend for Flawed {
    fn name(&self) -> String {
        format!("a backend with a flaw in {}", self.0)
    }

    fn locate(
        &self,
        reads: &PackedReads,
        reference: &Reference,
        window: PairWindow,
        scoring: &Scoring,
    ) -> Result<Located> {
        let mut located = Cpu.locate(reads, reference, window, scoring)?;
        self.flip("seeds", &mut located.seeds);
        self.flip("ends", &mut located.seed_ends);
        self.flip("candidates", &mut located.candidates);
        self.flip("summaries", &mut located.summaries);
        self.flip("extensions", &mut located.extended.extensions);
        self.flip("runs", &mut located.extended.runs);
        Ok(located)
    }

    fn pileup(
        &self,
        bases: &[u32],
        cigars: &[u32],
        reads: &[pileup::Segment],
        s: pileup::Settings,
    ) -> Result<Vec<u32>> {
        let mut counts = Cpu.pileup(bases, cigars, reads, s)?;
        self.flip("pileup", &mut counts);
        Ok(counts)
    }

    fn pairhmm(
        &self,
        reads: &[u32],
        haplotypes: &[u32],
        jobs: &[pairhmm::Job],
    ) -> Result<Vec<LogLik>> {
        let mut likelihoods = Cpu.pairhmm(reads, haplotypes, jobs)?;
        self.flip("pairhmm", &mut likelihoods);
        Ok(likelihoods)
    }
}

/// The comparison passes without the flaw, and fails with it.
fn rings(compare: fn(&Flawed), array: &'static str) {
    compare(&Flawed("nothing"));
    let failed = catch_unwind(AssertUnwindSafe(|| compare(&Flawed(array))))
        .expect_err("a flipped bit must not go unnoticed");
    let message = failed.downcast_ref::<String>().expect("a message");
    assert!(
        message.contains("seed 0") && message.contains("index"),
        "{message}"
    );
}

#[test]
fn a_flipped_bit_in_a_seed_is_noticed() {
    rings(twin::seed, "seeds");
}

#[test]
fn a_flipped_bit_in_the_ends_of_seeds_is_noticed() {
    rings(twin::seed, "ends");
}

#[test]
fn a_flipped_bit_in_a_candidate_is_noticed() {
    rings(twin::candidate, "candidates");
}

#[test]
fn a_flipped_bit_in_a_summary_is_noticed() {
    rings(twin::candidate, "summaries");
}

#[test]
fn a_flipped_bit_in_an_extension_is_noticed() {
    rings(twin::extend, "extensions");
}

#[test]
fn a_flipped_bit_in_a_cigar_is_noticed() {
    rings(twin::extend, "runs");
}

#[test]
fn a_flipped_bit_in_a_pileup_is_noticed() {
    rings(twin::pileup, "pileup");
}

#[test]
fn a_flipped_bit_in_a_likelihood_is_noticed() {
    rings(twin::pairhmm, "pairhmm");
}
