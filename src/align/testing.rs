//! What the tests of this folder share.

use super::{Aligner, Placements, Scratch};
use crate::backend::Device;
use crate::batch::ReadBatch;
use crate::genome::{BuildOptions, Reference, build};
use std::io::Write;

/// Bases that look random, the same for the same seed.
pub(crate) fn random(n: usize, mut seed: u64) -> Vec<u8> {
    (0..n)
        .map(|_| {
            seed = seed
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            b"ACGT"[(seed >> 60) as usize & 3]
        })
        .collect()
}

/// One contig, `a`.
pub(super) fn reference(sequence: &[u8]) -> Reference {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    writeln!(file, ">a\n{}", String::from_utf8_lossy(sequence)).unwrap();
    build(file.path(), BuildOptions::default()).unwrap()
}

/// A single read, the only one of its batch.
pub(super) fn place(reference: &Reference, read: &[u8]) -> Placements {
    let batch = ReadBatch {
        names: b"r".to_vec(),
        name_ends: vec![1],
        bases: read.to_vec(),
        quals: vec![30; read.len()],
        read_ends: vec![read.len() as u32],
        ..ReadBatch::default()
    };
    let device = Device::choose("cpu", None).unwrap();
    Aligner::new(reference, &device)
        .place(&batch, None, &mut Scratch::default())
        .unwrap()
}
