//! Sorting more than memory holds: sorted runs on disk, merged.

use crate::{Error, Result};
use bytemuck::Pod;
use rayon::prelude::*;
use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::fs::File;
use std::io::{self, BufReader, BufWriter, Read, Seek, Write};
use std::path::PathBuf;

/// Runs of one size that are merged into a longer one, so that few files are open at a time.
const FAN_IN: usize = 64;
/// Buffer of a run that is read.
const BUFFER: usize = 1 << 18;

/// Takes keys with payloads in any order and gives them back by key; equal keys in the order in which
/// they came. What it gives does not depend on its budget.
pub struct ExternalSorter<K> {
    folder: PathBuf,
    budget: usize,
    payloads: Vec<u8>,
    entries: Vec<Entry<K>>,
    /// Runs on disk; those of a level are older than those of the levels before it.
    levels: Vec<Vec<File>>,
}

#[derive(Clone, Copy)]
struct Entry<K> {
    key: K,
    start: u64,
    length: u32,
}

impl<K: Pod + Ord + Send + Sync> ExternalSorter<K> {
    /// Keeps up to `budget` bytes in memory and the rest in nameless files in `folder`, which is not
    /// looked at before it is needed.
    pub fn new(folder: PathBuf, budget: usize) -> ExternalSorter<K> {
        ExternalSorter {
            folder,
            budget,
            payloads: Vec::new(),
            entries: Vec::new(),
            levels: Vec::new(),
        }
    }

    /// Takes one more.
    pub fn push(&mut self, key: K, payload: &[u8]) -> Result<()> {
        let needed = payload.len() + size_of::<Entry<K>>();
        let held = self.payloads.len() + self.entries.len() * size_of::<Entry<K>>();
        let mut left = self.budget.saturating_sub(held);
        if needed > left && !self.entries.is_empty() {
            self.spill()?;
            left = self.budget;
        }
        grow(&mut self.entries, 1, left);
        grow(&mut self.payloads, payload.len(), left);
        self.entries.push(Entry {
            key,
            start: self.payloads.len() as u64,
            length: payload.len() as u32,
        });
        self.payloads.extend_from_slice(payload);
        Ok(())
    }

    /// Everything, in order.
    pub fn finish(mut self) -> Result<Merged<K>> {
        self.sort();
        let mut runs = Vec::new();
        for level in self.levels.drain(..).rev() {
            for file in level {
                runs.push(Run::on_disk(file));
            }
        }
        runs.push(Run::Memory {
            payloads: self.payloads,
            entries: self.entries.into_iter(),
            current: None,
        });
        Merged::new(runs, self.folder)
    }

    fn sort(&mut self) {
        self.entries.par_sort_unstable_by_key(|e| (e.key, e.start));
    }

    /// Writes what is in memory as a run, and merges runs where there are many.
    fn spill(&mut self) -> Result<()> {
        self.sort();
        let folder = self.folder.clone();
        let (entries, payloads) = (&self.entries, &self.payloads);
        let mut file = write_run(&folder, |out| {
            for e in entries {
                let start = e.start as usize;
                write_item(out, &e.key, &payloads[start..start + e.length as usize])?;
            }
            Ok(())
        })?;
        self.entries.clear();
        self.payloads.clear();
        for level in 0.. {
            if self.levels.len() == level {
                self.levels.push(Vec::new());
            }
            self.levels[level].push(file);
            if self.levels[level].len() < FAN_IN {
                break;
            }
            let runs = self.levels[level].drain(..).map(Run::on_disk).collect();
            let mut merged = Merged::<K>::new(runs, folder.clone())?;
            let mut failed = None;
            file = write_run(&folder, |out| {
                loop {
                    match merged.next() {
                        Ok(Some((key, payload))) => write_item(out, &key, payload)?,
                        Ok(None) => return Ok(()),
                        Err(e) => {
                            failed = Some(e);
                            return Ok(());
                        }
                    }
                }
            })?;
            if let Some(e) = failed {
                return Err(e);
            }
        }
        Ok(())
    }
}

/// Makes room for `n` more as `reserve` does, twice as much as before, but no more than `left` bytes
/// beyond that: doubling must not take twice the budget.
fn grow<T>(array: &mut Vec<T>, n: usize, left: usize) {
    if array.capacity() - array.len() < n {
        array.reserve_exact(array.len().min(left / size_of::<T>()).max(n));
    }
}

/// A nameless file in `folder` with what `write` writes: gone with the process, however that ends.
fn write_run(
    folder: &PathBuf,
    write: impl FnOnce(&mut BufWriter<File>) -> io::Result<()>,
) -> Result<File> {
    let written = || {
        let mut out = BufWriter::with_capacity(1 << 20, tempfile::tempfile_in(folder)?);
        write(&mut out)?;
        let mut file = out.into_inner().map_err(io::IntoInnerError::into_error)?;
        file.rewind()?;
        Ok(file)
    };
    written().map_err(Error::io(folder))
}

fn write_item<K: Pod>(out: &mut impl Write, key: &K, payload: &[u8]) -> io::Result<()> {
    out.write_all(bytemuck::bytes_of(key))?;
    out.write_all(&(payload.len() as u32).to_le_bytes())?;
    out.write_all(payload)
}

enum Run<K> {
    Disk {
        reader: BufReader<File>,
        /// Of the current item.
        payload: Vec<u8>,
    },
    Memory {
        payloads: Vec<u8>,
        entries: std::vec::IntoIter<Entry<K>>,
        current: Option<Entry<K>>,
    },
}

impl<K: Pod> Run<K> {
    fn on_disk(file: File) -> Run<K> {
        Run::Disk {
            reader: BufReader::with_capacity(BUFFER, file),
            payload: Vec::new(),
        }
    }

    /// Steps to the next item and gives its key.
    fn advance(&mut self) -> io::Result<Option<K>> {
        match self {
            Run::Disk { reader, payload } => {
                let mut key = K::zeroed();
                let mut length = [0; 4];
                match reader.read_exact(bytemuck::bytes_of_mut(&mut key)) {
                    // Runs are ours and whole: a key that is missing is the end.
                    Err(e) if e.kind() == io::ErrorKind::UnexpectedEof => return Ok(None),
                    other => other?,
                }
                reader.read_exact(&mut length)?;
                payload.resize(u32::from_le_bytes(length) as usize, 0);
                reader.read_exact(payload)?;
                Ok(Some(key))
            }
            Run::Memory {
                entries, current, ..
            } => {
                *current = entries.next();
                Ok(current.map(|e| e.key))
            }
        }
    }

    /// Payload of the current item.
    fn payload(&self) -> &[u8] {
        match self {
            Run::Disk { payload, .. } => payload,
            Run::Memory {
                payloads, current, ..
            } => current.map_or(&[], |e| {
                &payloads[e.start as usize..e.start as usize + e.length as usize]
            }),
        }
    }
}

/// The items of a sorter, by key.
pub struct Merged<K> {
    folder: PathBuf,
    runs: Vec<Run<K>>,
    /// The current key of each run but the one given last; of equal keys the older run's is first.
    heads: BinaryHeap<Reverse<(K, usize)>>,
    given: Option<usize>,
}

impl<K: Pod + Ord> Merged<K> {
    fn new(runs: Vec<Run<K>>, folder: PathBuf) -> Result<Merged<K>> {
        let mut merged = Merged {
            folder,
            heads: BinaryHeap::with_capacity(runs.len()),
            runs,
            given: None,
        };
        for run in 0..merged.runs.len() {
            merged.advance(run)?;
        }
        Ok(merged)
    }

    fn advance(&mut self, run: usize) -> Result<()> {
        let key = self.runs[run].advance().map_err(Error::io(&self.folder))?;
        self.heads.extend(key.map(|key| Reverse((key, run))));
        Ok(())
    }

    /// The next item, lent until the one after is asked for.
    pub fn next(&mut self) -> Result<Option<(K, &[u8])>> {
        if let Some(run) = self.given.take() {
            self.advance(run)?;
        }
        let Some(Reverse((key, run))) = self.heads.pop() else {
            return Ok(None);
        };
        self.given = Some(run);
        Ok(Some((key, self.runs[run].payload())))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn sorted(items: &[(u32, Vec<u8>)], budget: usize) -> Vec<(u32, Vec<u8>)> {
        let mut sorter = ExternalSorter::new(std::env::temp_dir(), budget);
        for (key, payload) in items {
            sorter.push(*key, payload).unwrap();
        }
        let mut merged = sorter.finish().unwrap();
        let mut out = Vec::new();
        while let Some((key, payload)) = merged.next().unwrap() {
            out.push((key, payload.to_vec()));
        }
        out
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(12) })]

        #[test]
        fn it_is_a_stable_sort_whatever_the_budget(keys in proptest::collection::vec(0u32..20, 0..300)) {
            let payload = |i: usize| [vec![7; i % 5], i.to_le_bytes().to_vec()].concat();
            let items: Vec<_> = keys.iter().enumerate().map(|(i, &k)| (k, payload(i))).collect();
            let mut truth = items.clone();
            truth.sort_by_key(|(k, _)| *k);
            // Many runs at a byte or so: more than two levels of merging.
            for budget in [1, 100, 1000, 1 << 20] {
                prop_assert_eq!(sorted(&items, budget), truth.clone());
            }
        }
    }

    #[test]
    fn many_runs_are_merged_in_levels() {
        let items: Vec<_> = (0..4_200u32)
            .map(|i| (i * 7919 % 1000, i.to_le_bytes().to_vec()))
            .collect();
        let mut truth = items.clone();
        truth.sort_by_key(|(k, _)| *k);
        assert_eq!(sorted(&items, 1), truth);
    }

    #[test]
    fn a_missing_folder_matters_only_when_memory_is_full() {
        let mut sorter = ExternalSorter::<u32>::new("/no/such/folder".into(), 100);
        sorter.push(1, b"x").unwrap();
        let e = sorter.push(1, &[0; 100]).unwrap_err().to_string();
        assert!(
            e.contains("/no/such/folder") && e.contains("must exist"),
            "{e}"
        );
    }
}
