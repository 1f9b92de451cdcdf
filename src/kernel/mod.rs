//! The kernels: what runs on a device. Each file holds a kernel's jobs and results, its `plain`
//! definition, and `on_cpu`, the same with the CPU's lanes and caches in mind; its namesake in
//! `shaders/` is the same again for a GPU. All three agree to the bit. The first three run one after
//! another: [`locate`].

pub mod candidate;
pub mod extend;
pub mod locate;
pub mod pairhmm;
pub mod pileup;
pub mod seed;

#[cfg(test)]
mod tests {
    use super::candidate::{self, PairWindow};
    use super::extend::{self, Scoring};
    use super::seed::{self, Reads, Table};
    use crate::batch::{PackedReads, ReadBatch};
    use crate::device::lanes::Level;
    use crate::domain::reverse_complement;
    use crate::genome::{BuildOptions, Reference, build};
    use std::io::Write;

    /// A small generator, so that a failure is found again by its seed.
    struct Dice(u64);

    impl Dice {
        fn below(&mut self, n: u64) -> u64 {
            self.0 = self
                .0
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            (self.0 >> 33) % n
        }

        fn bases(&mut self, n: usize) -> Vec<u8> {
            (0..n).map(|_| b"ACGT"[self.below(4) as usize]).collect()
        }
    }

    /// 60 kb with repeats, a tandem repeat and an N, and reads of it with errors, indels, clips and Ns.
    fn case(seed: u64) -> (Reference, ReadBatch) {
        let mut dice = Dice(seed);
        let mut genome = dice.bases(50_000);
        let unit = genome[1000..1400].to_vec();
        for _ in 0..20 {
            genome.extend(&unit);
            let more = dice.bases(100);
            genome.extend(more);
        }
        genome.extend(b"CAG".repeat(200));
        genome[30_000] = b'N';
        let mut file = tempfile::NamedTempFile::new().unwrap();
        writeln!(file, ">a\n{}", String::from_utf8(genome.clone()).unwrap()).unwrap();
        let reference = build(file.path(), BuildOptions::default()).unwrap();
        let mut batch = ReadBatch {
            paired: true,
            ..ReadBatch::default()
        };
        let lengths = [
            0, 1, 20, 21, 31, 32, 33, 100, 150, 150, 150, 151, 255, 256, 257,
        ];
        for t in 0..400 {
            let fragment = 200 + dice.below(400) as usize;
            let at = dice.below((genome.len() - fragment) as u64) as usize;
            let mut ends = [
                genome[at..at + fragment].to_vec(),
                reverse_complement(&genome[at..at + fragment]),
            ];
            ends.rotate_left(dice.below(2) as usize);
            for mut read in ends {
                read.truncate(lengths[dice.below(lengths.len() as u64) as usize]);
                for _ in 0..dice.below(5) {
                    if read.is_empty() {
                        break;
                    }
                    let i = dice.below(read.len() as u64) as usize;
                    match dice.below(6) {
                        0 => read[i] = b'N',
                        1 => {
                            let n = dice.below(30) as usize;
                            let more = dice.bases(n);
                            read.splice(i..i, more);
                        }
                        2 => {
                            let end = (i + dice.below(30) as usize).min(read.len());
                            read.drain(i..end);
                        }
                        3 => {
                            let n = read.len() - i;
                            let more = dice.bases(n);
                            read.truncate(i);
                            read.extend(more);
                        }
                        _ => read[i] = b"ACGT"[dice.below(4) as usize],
                    }
                }
                batch.bases.extend(&read);
                batch.quals.resize(batch.bases.len(), 30);
                batch.read_ends.push(batch.bases.len() as u32);
            }
            batch.names.extend(format!("r{t}").bytes());
            batch.name_ends.push(batch.names.len() as u32);
        }
        (reference, batch)
    }

    #[test]
    fn the_cpu_versions_equal_the_definitions_at_every_level() {
        let mut gapped = 0;
        for seed in 0..4 {
            let (reference, batch) = case(seed);
            let mut packed = PackedReads::default();
            packed.fill(&batch);
            let (reads, table) = (Reads::of(&packed), Table::of(&reference));
            let (mut plain_seeds, mut plain_ends) = (Vec::new(), Vec::new());
            for r in 0..batch.reads() {
                seed::plain(reads, r, table, &mut plain_seeds);
                plain_ends.push(plain_seeds.len() as u32);
            }
            let window = PairWindow {
                paired: 1,
                longest: 1000,
            };
            let mut found = candidate::Found::default();
            let lists = (&plain_seeds[..], &plain_ends[..]);
            candidate::on_cpu(
                reads,
                lists,
                table.positions,
                window,
                &mut candidate::Scratch::default(),
                &mut found,
            );
            let mut defined = candidate::Found::default();
            for t in 0..batch.templates() {
                candidate::plain(
                    reads,
                    t,
                    lists,
                    table.positions,
                    window,
                    &mut candidate::Scratch::default(),
                    &mut defined,
                );
            }
            assert_eq!(found, defined, "seed {seed}");
            let candidates = &found.candidates;
            assert_eq!(found.summaries.len(), batch.reads());
            let scoring = Scoring::default();
            let mut expected = extend::Extended::default();
            for group in candidates.chunk_by(|a, b| a.read == b.read) {
                extend::plain(reference.packed(), reads, group, &scoring, &mut expected);
            }
            gapped += expected.extensions.iter().filter(|e| e.runs > 1).count();
            for level in Level::available() {
                level.force(|| {
                    let (mut seeds, mut ends) = (Vec::new(), Vec::new());
                    seed::on_cpu(
                        reads,
                        table,
                        &mut seed::Scratch::default(),
                        &mut seeds,
                        &mut ends,
                    );
                    assert_eq!(ends, plain_ends, "seed {seed}, {level:?}");
                    assert_eq!(seeds, plain_seeds, "seed {seed}, {level:?}");
                    let mut out = extend::Extended::default();
                    extend::on_cpu(
                        reference.packed(),
                        reads,
                        candidates,
                        &scoring,
                        &mut extend::Scratch::default(),
                        &mut out,
                    );
                    for (j, (a, b)) in out.extensions.iter().zip(&expected.extensions).enumerate() {
                        assert_eq!(a, b, "seed {seed}, {level:?}, job {j}: {:?}", candidates[j]);
                    }
                    assert_eq!(out.runs, expected.runs, "seed {seed}, {level:?}");
                });
            }
        }
        assert!(
            gapped > 100,
            "the cases must reach gapped alignment, and only {gapped} did"
        );
    }
}
