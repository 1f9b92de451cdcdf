//! What to measure with: reads from files, or drawn from a genome, or from one that is made up.

use crate::batch::ReadBatch;
use crate::domain::GenomePos;
use crate::domain::bases::reverse_complement;
use crate::format::fastq::{FastqReader, Pairing};
use crate::genome::{BuildOptions, Reference, build};
use crate::{Error, Result};
use rayon::prelude::*;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

/// Bases of a drawn read.
const READ: usize = 150;
/// Bases of drawn fragments: at least, and how many lengths there are.
const FRAGMENT: (usize, u64) = (300, 201);
/// One base in so many is read wrong.
const WRONG: u64 = 200;
/// One fragment in so many has an insertion or deletion.
const GAPPED: u64 = 20;

/// `SplitMix64` (Steele, Lea & Flood 2014).
struct Dice(u64);

impl Dice {
    fn below(&mut self, n: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        (((z ^ (z >> 31)) >> 32) * n) >> 32
    }

    fn base(&mut self) -> u8 {
        b"ACGT"[self.below(4) as usize]
    }
}

/// A genome of so many bases, and its index, which goes to a file to `keep`. A tenth of it are copies of 300 bases that differ in one base
/// of ten, as young and old repeats do.
pub fn made_up(bases: usize, temp: &Path, keep: Option<&Path>) -> Result<Reference> {
    let mut dice = Dice(1);
    let unit: Vec<u8> = (0..300).map(|_| dice.base()).collect();
    let mut genome = Vec::with_capacity(bases + 3000);
    while genome.len() < bases.max(100_000) {
        genome.extend((0..2700).map(|_| dice.base()));
        let rate = 4 + dice.below(32);
        let copy = unit.iter().map(|&b| {
            if dice.below(rate) == 0 {
                dice.base()
            } else {
                b
            }
        });
        let copy: Vec<u8> = copy.collect();
        genome.extend(copy);
    }
    let path = temp.join("genome.fa");
    let file = std::fs::File::create(&path).map_err(Error::io(&path))?;
    let mut out = BufWriter::new(file);
    let wrote = out
        .write_all(b">made_up\n")
        .and_then(|()| out.write_all(&genome))
        .and_then(|()| out.write_all(b"\n"))
        .and_then(|()| out.flush());
    wrote.map_err(Error::io(&path))?;
    match keep {
        Some(keep) => Reference::build_file(&path, keep, BuildOptions::default()),
        None => build(&path, BuildOptions::default()),
    }
}

/// The first reads or pairs of files.
pub fn read(files: &[PathBuf], templates: usize, batch: usize) -> Result<Vec<ReadBatch>> {
    let mut reader = FastqReader::open(files, Pairing::of_files(files.len())?, batch)?;
    let (mut batches, mut taken) = (Vec::new(), 0);
    while taken < templates
        && let Some(batch) = reader.next_batch()?
    {
        taken += batch.templates();
        batches.push(batch);
    }
    if batches.is_empty() {
        return Err(Error::input(
            files[0].display().to_string(),
            "",
            "there is no read in it",
            "Give reads to measure with, or none to have them drawn.",
        ));
    }
    Ok(batches)
}

/// Pairs from all over a genome, the same each time.
pub fn drawn(reference: &Reference, templates: usize, batch: usize) -> Vec<ReadBatch> {
    let starts: Vec<usize> = (0..templates).step_by(batch).collect();
    starts
        .into_par_iter()
        .map(|first| {
            let mut out = ReadBatch {
                paired: true,
                first_template: first as u64,
                ..ReadBatch::default()
            };
            for t in first..templates.min(first + batch) {
                draw(reference, t, &mut out);
            }
            out
        })
        .collect()
}

/// Appends pair `t`.
fn draw(reference: &Reference, t: usize, out: &mut ReadBatch) {
    let mut dice = Dice(t as u64 * 7919 + 11);
    let length = FRAGMENT.0 + dice.below(FRAGMENT.1) as usize;
    let room = u64::from(reference.genome_len()).saturating_sub(length as u64 + 64);
    let mut fragment = vec![0; length];
    reference.spell(GenomePos(dice.below(room.max(1)) as u32), &mut fragment);
    if dice.below(GAPPED) == 0 {
        let at = dice.below(length as u64 - 10) as usize;
        let bases = 1 + dice.below(8) as usize;
        if dice.below(2) == 0 {
            fragment.drain(at..at + bases);
        } else {
            let more: Vec<u8> = (0..bases).map(|_| dice.base()).collect();
            fragment.splice(at..at, more);
        }
    }
    let mut mates = [fragment.clone(), reverse_complement(&fragment)];
    if dice.below(2) == 0 {
        mates.swap(0, 1);
    }
    for mate in mates {
        for &base in &mate[..READ] {
            let wrong = dice.below(WRONG) == 0;
            out.bases.push(if wrong { dice.base() } else { base });
            out.quals.push(if wrong { 12 } else { 37 });
        }
        out.read_ends.push(out.bases.len() as u32);
    }
    out.names.extend(format!("drawn.{t}").bytes());
    out.name_ends.push(out.names.len() as u32);
}

/// Writes the batches as plain FASTQ: one file, or one for each mate.
pub fn write_fastq(batches: &[ReadBatch], temp: &Path) -> Result<Vec<PathBuf>> {
    let mates = if batches[0].paired { 2 } else { 1 };
    (0..mates)
        .map(|mate| {
            let path = temp.join(format!("reads_{}.fq", mate + 1));
            let file = std::fs::File::create(&path).map_err(Error::io(&path))?;
            let mut out = BufWriter::with_capacity(1 << 20, file);
            let mut text = Vec::new();
            for batch in batches {
                text.clear();
                for t in 0..batch.templates() {
                    let r = batch.reads_of(t).start + mate;
                    text.push(b'@');
                    text.extend(batch.name(t));
                    text.push(b'\n');
                    text.extend(batch.bases(r));
                    text.extend(b"\n+\n");
                    text.extend(batch.quals(r).iter().map(|q| q + 33));
                    text.push(b'\n');
                }
                out.write_all(&text).map_err(Error::io(&path))?;
            }
            out.flush().map_err(Error::io(&path))?;
            Ok(path)
        })
        .collect()
}
