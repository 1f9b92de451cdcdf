//! Where a run's time went: a clock around each stage of the flow, batch by batch, and counts of what
//! took which path. No result depends on it.

use crate::error::thousands;
use serde_json::{Value, json};
use std::fmt::Write;
use std::time::{Duration, Instant};

/// What time is spent on, in the order of the flow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// Reading and inflating the input, on a thread per file.
    Inflate,
    /// Finding the records in it.
    Parse,
    /// Estimating the insert size from the first pairs, on all threads; wall time.
    Sample,
    /// Bases to 2 bits each, and to the device.
    Pack,
    /// See [`crate::kernel::seed`].
    Seed,
    /// See [`crate::kernel::candidate`].
    Candidate,
    /// See [`crate::kernel::extend`].
    Extend,
    /// Looking for mates beside their mates, and extending what was found.
    Rescue,
    /// Looking deeper at reads whose seeds leave room for a better place, and extending what was found.
    Deeper,
    /// Looking for the clipped ends of reads, near their hit and anywhere.
    Split,
    /// Hits to placed templates: cut to contigs, paired, supplied with MAPQ.
    Pair,
    /// Placed templates to the bytes of their records.
    Record,
    /// Taking records into order, duplicates found, spills to disk included.
    Sort,
    /// Merging what is sorted, indexing it, waiting for its compression; for SAM all of the writing.
    Write,
    /// Compressing the output, summed over threads.
    Deflate,
    /// Waiting for a device, and copying its results; all of its work where kernels run behind our back.
    WaitDevice,
    /// The parser, for bytes to parse.
    WaitBytes,
    /// Workers, for a batch to align.
    WaitReads,
    /// The parser, for a worker or the output to keep up.
    WaitWorkers,
    /// The output, for records.
    WaitRecords,
}

impl Stage {
    /// Is it work, not waiting?
    fn works(self) -> bool {
        (self as usize) < Stage::WaitDevice as usize
    }
}

/// Each stage with its name.
const STAGES: [(Stage, &str); 20] = [
    (Stage::Inflate, "inflate"),
    (Stage::Parse, "parse"),
    (Stage::Sample, "sample"),
    (Stage::Pack, "pack"),
    (Stage::Seed, "seed"),
    (Stage::Candidate, "candidate"),
    (Stage::Extend, "extend"),
    (Stage::Rescue, "rescue"),
    (Stage::Deeper, "deeper"),
    (Stage::Split, "split"),
    (Stage::Pair, "pair"),
    (Stage::Record, "record"),
    (Stage::Sort, "sort"),
    (Stage::Write, "write"),
    (Stage::Deflate, "deflate"),
    (Stage::WaitDevice, "waiting for the device"),
    (Stage::WaitBytes, "parser waiting for bytes"),
    (Stage::WaitReads, "workers waiting for reads"),
    (Stage::WaitWorkers, "parser waiting for workers"),
    (Stage::WaitRecords, "output waiting for records"),
];

/// How many took which path.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Paths {
    /// Reads.
    pub reads: u64,
    /// Reads that no seed led anywhere.
    pub no_candidate: u64,
    /// Reads with one candidate.
    pub one_candidate: u64,
    /// Reads some of whose seeds had too many places to look at.
    pub skipping: u64,
    /// Seeds' lists of places, by strand.
    pub lists: u64,
    /// Of these, lists that were too long.
    pub skipped_lists: u64,
    /// Candidates looked at without gaps.
    pub ungapped: u64,
    /// Of these, aligned with gaps too.
    pub gapped: u64,
    /// Places beside a mate that were extended.
    pub rescue_jobs: u64,
    /// Places that a deeper look found and that were extended.
    pub deeper_jobs: u64,
    /// Reads placed by rescue.
    pub rescued: u64,
    /// Clipped ends found near the hit they were clipped from.
    pub ends_near: u64,
    /// Clipped ends looked for anywhere.
    pub ends_anywhere: u64,
    /// Reads with supplementary alignments.
    pub split: u64,
    /// Reads without a place.
    pub unmapped: u64,
    /// Templates for which there was no room on a GPU.
    pub left_to_cpu: u64,
}

impl Paths {
    /// Each count with its name.
    fn named(&mut self) -> [(&'static str, &mut u64); 16] {
        [
            ("reads", &mut self.reads),
            ("no_candidate", &mut self.no_candidate),
            ("one_candidate", &mut self.one_candidate),
            ("skipping_lists", &mut self.skipping),
            ("lists", &mut self.lists),
            ("skipped_lists", &mut self.skipped_lists),
            ("candidates", &mut self.ungapped),
            ("aligned_with_gaps", &mut self.gapped),
            ("rescue_places", &mut self.rescue_jobs),
            ("deeper_places", &mut self.deeper_jobs),
            ("rescued", &mut self.rescued),
            ("ends_near", &mut self.ends_near),
            ("ends_anywhere", &mut self.ends_anywhere),
            ("split", &mut self.split),
            ("unmapped", &mut self.unmapped),
            ("left_to_the_cpu", &mut self.left_to_cpu),
        ]
    }
}

/// Times and counts, summed over threads.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Timings {
    spent: [Duration; STAGES.len()],
    /// What took which path.
    pub paths: Paths,
}

impl Timings {
    /// Adds time to a stage.
    pub fn add(&mut self, stage: Stage, time: Duration) {
        self.spent[stage as usize] += time;
    }

    /// Time spent on a stage.
    pub fn of(&self, stage: Stage) -> Duration {
        self.spent[stage as usize]
    }

    /// Adds another's times and counts.
    pub fn merge(&mut self, mut other: Timings) {
        for (mine, theirs) in self.spent.iter_mut().zip(other.spent) {
            *mine += theirs;
        }
        for ((_, mine), (_, theirs)) in self.paths.named().into_iter().zip(other.paths.named()) {
            *mine += *theirs;
        }
    }

    /// For people: a line for each stage, then what took which path. `wall` is the whole run's time.
    pub fn table(&self, wall: Duration, threads: usize) -> String {
        let mut paths = self.paths;
        let reads = paths.reads;
        let rate = |time: Duration| thousands((reads as f64 / time.as_secs_f64()) as u64);
        let mut out = format!(
            "{} reads in {:.2} s on {threads} threads: {} reads/s\n{:<28} {:>9} {:>14}\n",
            thousands(reads),
            wall.as_secs_f64(),
            rate(wall),
            "stage",
            "seconds",
            "reads/s"
        );
        for (stage, name) in STAGES {
            let time = self.of(stage);
            if !time.is_zero() {
                let seconds = time.as_secs_f64();
                let rate = if stage.works() {
                    rate(time)
                } else {
                    String::new()
                };
                let _ = writeln!(out, "{name:<28} {seconds:>9.3} {rate:>14}");
            }
        }
        for (name, count) in paths.named() {
            let name = name.replace('_', " ");
            let _ = writeln!(out, "{name:<28} {:>24}", thousands(*count));
        }
        out
    }

    /// For programs: the same.
    pub fn json(&self, wall: Duration, threads: usize) -> Value {
        let mut paths = self.paths;
        let reads = paths.reads;
        let stages: serde_json::Map<String, Value> = STAGES
            .into_iter()
            .map(|(stage, name)| {
                let seconds = self.of(stage).as_secs_f64();
                let works = stage.works() && seconds > 0.0;
                let rate = works.then(|| (reads as f64 / seconds).round());
                let row = json!({"seconds": seconds, "reads_per_second": rate});
                (name.replace(' ', "_"), row)
            })
            .collect();
        let paths: serde_json::Map<String, Value> = paths
            .named()
            .into_iter()
            .map(|(name, count)| (name.to_string(), (*count).into()))
            .collect();
        json!({
            "schema": "theralign-timings/1",
            "program": concat!("theralign ", env!("CARGO_PKG_VERSION")),
            "threads": threads,
            "wall_seconds": wall.as_secs_f64(),
            "stages": stages,
            "paths": paths,
        })
    }
}

/// Says how long each stage took, one after another on one thread.
#[derive(Debug)]
pub struct Clock(Instant);

impl Clock {
    /// Starts now.
    pub fn start() -> Clock {
        Clock(Instant::now())
    }

    /// Adds the time since the start, or since the last lap, to a stage.
    pub fn lap(&mut self, timings: &mut Timings, stage: Stage) {
        let now = Instant::now();
        timings.add(stage, now - self.0);
        self.0 = now;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_stage_has_its_own_row() {
        for (rank, (stage, _)) in STAGES.into_iter().enumerate() {
            assert_eq!(stage as usize, rank);
        }
        let mut a = Timings::default();
        a.add(Stage::Extend, Duration::from_millis(1500));
        a.paths.reads = 3000;
        a.paths.split = 7;
        let mut b = a;
        b.merge(a);
        let json = b.json(Duration::from_secs(2), 4);
        assert_eq!(json["stages"]["extend"]["seconds"], 3.0);
        assert_eq!(json["stages"]["extend"]["reads_per_second"], 2000.0);
        assert_eq!(json["stages"]["seed"]["reads_per_second"], Value::Null);
        assert_eq!(
            (&json["paths"]["reads"], &json["paths"]["split"]),
            (&json!(6000), &json!(14))
        );
        let table = b.table(Duration::from_secs(2), 4);
        assert!(table.starts_with("6,000 reads in 2.00 s on 4 threads: 3,000 reads/s\n"));
        assert!(
            table
                .lines()
                .any(|l| l.split_whitespace().eq(["extend", "3.000", "2,000"])),
            "{table}"
        );
        assert!(!table.contains("seed "), "{table}");
    }
}
