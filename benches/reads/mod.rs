//! The reads that the benches work on.

use crate::common::Random;
use std::io::Write;
use theralign::batch::ReadBatch;
use theralign::domain::reverse_complement;
use theralign::genome::{BuildOptions, Reference, build};

/// Of all that is random.
pub const SEED: u64 = 1;
/// Pairs in a batch.
pub const PAIRS: usize = 2048;
/// Bases in a read.
pub const LENGTH: usize = 150;
const GENOME: usize = 2_000_000;
/// Copies of a repeat of [`UNIT`] bases, each with one base in ten another.
const COPIES: usize = 600;
const UNIT: usize = 300;

/// A random genome in which a repeat takes a tenth, and pairs of it with 0.7 % substitutions and an
/// indel in one read of twenty.
pub fn pairs() -> (Reference, ReadBatch) {
    let mut random = Random(SEED);
    let mut genome = random.bases(GENOME, false);
    let unit = random.bases(UNIT, false);
    for copy in 0..COPIES {
        let at = copy * (GENOME / COPIES);
        for (base, &repeated) in genome[at..].iter_mut().zip(&unit) {
            if !random.one_in(10) {
                *base = repeated;
            }
        }
    }
    let mut fasta = tempfile::NamedTempFile::new().unwrap();
    writeln!(fasta, ">g").unwrap();
    fasta.write_all(&genome).unwrap();
    let reference = build(fasta.path(), BuildOptions::default()).unwrap();
    let mut batch = ReadBatch {
        paired: true,
        ..ReadBatch::default()
    };
    for t in 0..PAIRS {
        let insert = 300 + random.below(200) as usize;
        let at = random.below((GENOME - insert) as u32) as usize;
        let fragment = &genome[at..at + insert];
        for mut mate in [fragment.to_vec(), reverse_complement(fragment)] {
            if random.one_in(20) {
                mate.remove(LENGTH / 3);
            }
            mate.truncate(LENGTH);
            for base in &mut mate {
                if random.one_in(150) {
                    *base = b"ACGT"[random.below(4) as usize];
                }
            }
            batch.bases.extend(&mate);
            batch.quals.resize(batch.bases.len(), 30);
            batch.read_ends.push(batch.bases.len() as u32);
        }
        batch.names.extend(format!("r{t}").bytes());
        batch.name_ends.push(batch.names.len() as u32);
    }
    (reference, batch)
}
