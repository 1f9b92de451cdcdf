//! Would `twins.rs` notice? Each of its comparisons must fail on a backend that flips one bit.

mod common;

use bytemuck::Pod;
use common::twin;
use std::panic::{AssertUnwindSafe, catch_unwind};
use theralign::Result;
use theralign::backend::{
    Backend, Candidates, Cpu, DeviceIndex, DeviceReads, Extensions, Kernels, Seeds,
};
use theralign::domain::LogLik;
use theralign::kernel::candidate::{Candidate, PairWindow};
use theralign::kernel::extend::Scoring;
use theralign::kernel::{pairhmm, pileup};

/// The CPU lanes, with one bit of one word flipped in one array of results.
struct Flawed(&'static str);

impl Flawed {
    fn flip<T: Pod>(&self, array: &str, mut values: Vec<T>) -> Vec<T> {
        let words: &mut [u32] = bytemuck::cast_slice_mut(&mut values);
        if array == self.0 && !words.is_empty() {
            words[words.len() / 2] ^= 1;
        }
        values
    }
}

impl Backend for Flawed {
    type Buf<T: Pod + Send + Sync> = Vec<T>;
    type Table<'a> = &'a [u32];

    fn name(&self) -> String {
        format!("a backend with a flaw in {}", self.0)
    }

    fn upload<T: Pod + Send + Sync>(&self, host: &[T]) -> Vec<T> {
        Cpu.upload(host)
    }

    fn download<T: Pod + Send + Sync>(&self, device: &Vec<T>) -> Result<Vec<T>> {
        Cpu.download(device)
    }

    fn table<'a>(&self, words: &'a [u32]) -> &'a [u32] {
        words
    }
}

impl Kernels for Flawed {
    fn seed(&self, reads: &DeviceReads<Self>, index: &DeviceIndex<'_, Self>) -> Seeds<Self> {
        let s = Cpu.seed(&on_cpu(reads), &index_on_cpu(index));
        Seeds {
            seeds: self.flip("seeds", s.seeds),
            ends: self.flip("ends", s.ends),
        }
    }

    fn candidate(
        &self,
        reads: &DeviceReads<Self>,
        seeds: &Seeds<Self>,
        index: &DeviceIndex<'_, Self>,
        window: PairWindow,
    ) -> Candidates<Self> {
        let seeds = Seeds {
            seeds: seeds.seeds.clone(),
            ends: seeds.ends.clone(),
        };
        let c = Cpu.candidate(&on_cpu(reads), &seeds, &index_on_cpu(index), window);
        Candidates {
            candidates: self.flip("candidates", c.candidates),
            summaries: self.flip("summaries", c.summaries),
        }
    }

    fn extend(
        &self,
        reads: &DeviceReads<Self>,
        jobs: &Vec<Candidate>,
        index: &DeviceIndex<'_, Self>,
        scoring: &Scoring,
    ) -> Extensions<Self> {
        let e = Cpu.extend(&on_cpu(reads), jobs, &index_on_cpu(index), scoring);
        Extensions {
            extensions: self.flip("extensions", e.extensions),
            runs: self.flip("runs", e.runs),
        }
    }

    fn pileup(
        &self,
        bases: &Vec<u32>,
        cigars: &Vec<u32>,
        reads: &Vec<pileup::Segment>,
        s: pileup::Settings,
    ) -> Vec<u32> {
        self.flip("pileup", Cpu.pileup(bases, cigars, reads, s))
    }

    fn pairhmm(
        &self,
        reads: &Vec<u32>,
        haplotypes: &Vec<u32>,
        jobs: &Vec<pairhmm::Job>,
        longest: u32,
    ) -> Vec<LogLik> {
        self.flip("pairhmm", Cpu.pairhmm(reads, haplotypes, jobs, longest))
    }
}

fn on_cpu(reads: &DeviceReads<Flawed>) -> DeviceReads<Cpu> {
    DeviceReads {
        words: reads.words.clone(),
        masks: reads.masks.clone(),
        spans: reads.spans.clone(),
        count: reads.count,
        longest: reads.longest,
    }
}

fn index_on_cpu<'a>(index: &DeviceIndex<'a, Flawed>) -> DeviceIndex<'a, Cpu> {
    DeviceIndex {
        genome: index.genome,
        blocks: index.blocks,
        positions: index.positions,
        hash_bits: index.hash_bits,
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
