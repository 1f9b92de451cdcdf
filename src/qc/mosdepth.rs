//! Depth in the files that mosdepth writes (Pedersen and Quinlan 2018), which other programs read:
//! `regions.bed.gz`, `thresholds.bed.gz`, `per-base.bed.gz`, `mosdepth.summary.txt` and
//! `mosdepth.region.dist.txt`. Only the panel is counted, so rows of whole contigs are left out of
//! the summary; its `_region` rows are of the panel's bases, overlaps once.

use super::depth::{THRESHOLDS, mean};
use super::targets::Targets;
use crate::Result;
use crate::format::bed;
use crate::format::output::Output;
use crate::format::vcf::{Line, with_suffix, write_indexed_bed};
use crate::genome::Reference;
use std::fmt::Write;
use std::path::Path;

/// Depths, and what they are of.
pub struct Depths<'a> {
    /// By slot.
    pub depths: &'a [u32],
    /// The slots.
    pub targets: &'a Targets,
    /// The panel's regions.
    pub regions: &'a [bed::Region],
    /// The contigs.
    pub reference: &'a Reference,
}

impl Depths<'_> {
    /// Writes the files, named after `prefix`; `per_base` too if asked for.
    ///
    /// # Errors
    /// When writing fails.
    pub fn write(&self, prefix: &Path, per_base: bool) -> Result<()> {
        let contigs: Vec<(&str, u32)> = (self.reference.contigs().iter())
            .map(|c| (c.name.as_str(), c.length))
            .collect();
        let write = |suffix: &str, header: &str, lines: Vec<Line>| {
            write_indexed_bed(&with_suffix(prefix, suffix), header, &contigs, &lines)
        };
        write(".regions.bed.gz", "", self.region_lines())?;
        write(
            ".thresholds.bed.gz",
            &thresholds_header(),
            self.threshold_lines(),
        )?;
        if per_base {
            write(".per-base.bed.gz", "", self.base_lines())?;
        }
        let text = |suffix: &str, text: String| {
            Output::write(&with_suffix(prefix, suffix), text.as_bytes())
        };
        text(".mosdepth.summary.txt", self.summary())?;
        text(".mosdepth.region.dist.txt", self.distribution())
    }

    /// A line for each region: the BED's columns, and what `more` says of its depths.
    fn lines(&self, more: impl Fn(&bed::Region, &[u32]) -> String) -> Vec<Line> {
        let line = |r: &bed::Region| {
            let depths = &self.depths[self.targets.slots(r.contig, r.span)];
            let name = &self.reference.contig(r.contig).name;
            let more = more(r, depths);
            Line {
                contig: r.contig.index(),
                start: r.span.start,
                end: r.span.end,
                text: format!("{name}\t{}\t{}{more}", r.span.start, r.span.end),
            }
        };
        self.regions.iter().map(line).collect()
    }

    /// Mean depth by region; the name is a column only if the panel has names.
    fn region_lines(&self) -> Vec<Line> {
        let named = self.regions.iter().any(|r| !r.name.is_empty());
        self.lines(|r, depths| {
            let mean = mean(depths);
            if named {
                format!(
                    "\t{}\t{mean:.2}",
                    if r.name.is_empty() { "." } else { &r.name }
                )
            } else {
                format!("\t{mean:.2}")
            }
        })
    }

    /// Bases by region that reach each depth.
    fn threshold_lines(&self) -> Vec<Line> {
        self.lines(|r, depths| {
            let name = if r.name.is_empty() {
                "unknown"
            } else {
                &r.name
            };
            let reach = THRESHOLDS.map(|t| depths.iter().filter(|&&d| d >= t).count());
            reach
                .iter()
                .fold(format!("\t{name}"), |text, n| text + &format!("\t{n}"))
        })
    }

    /// Runs of bases of one depth.
    fn base_lines(&self) -> Vec<Line> {
        let mut out = Vec::new();
        for (contig, span, slots) in self.targets.spans() {
            let name = &self.reference.contig(contig).name;
            let mut start = span.start;
            for run in self.depths[slots].chunk_by(|a, b| a == b) {
                let end = start + run.len() as u32;
                out.push(Line {
                    contig: contig.index(),
                    start,
                    end,
                    text: format!("{name}\t{start}\t{end}\t{}", run[0]),
                });
                start = end;
            }
        }
        out
    }

    /// The depths of each contig that the panel touches, by its name, and of all as `total`.
    fn by_contig(&self) -> Vec<(String, Vec<u32>)> {
        let mut out: Vec<(String, Vec<u32>)> = Vec::new();
        let mut last = None;
        for (contig, _, slots) in self.targets.spans() {
            if last != Some(contig) {
                out.push((self.reference.contig(contig).name.clone(), Vec::new()));
                last = Some(contig);
            }
            let (_, depths) = out.last_mut().expect("pushed just now or before");
            depths.extend_from_slice(&self.depths[slots]);
        }
        out.push(("total".into(), self.depths.to_vec()));
        out
    }

    fn summary(&self) -> String {
        let mut out = String::from("chrom\tlength\tbases\tmean\tmin\tmax\n");
        for (name, depths) in self.by_contig() {
            let sum: u64 = depths.iter().map(|&d| u64::from(d)).sum();
            let (min, max) = (depths.iter().min(), depths.iter().max());
            let [min, max] = [min, max].map(|d| d.copied().unwrap_or_default());
            let (length, mean) = (depths.len(), mean(&depths));
            let _ = writeln!(
                out,
                "{name}_region\t{length}\t{sum}\t{mean:.2}\t{min}\t{max}"
            );
        }
        out
    }

    /// For each depth from the highest on, the share of the bases that reach it.
    fn distribution(&self) -> String {
        let mut out = String::new();
        for (name, depths) in self.by_contig() {
            let mut counts = vec![0u64; depths.iter().max().map_or(0, |&d| d as usize) + 1];
            for &depth in &depths {
                counts[depth as usize] += 1;
            }
            let mut reach = 0;
            for (depth, n) in counts.iter().enumerate().rev() {
                reach += n;
                let share = reach as f64 / depths.len() as f64;
                let _ = writeln!(out, "{name}\t{depth}\t{share:.2}");
            }
        }
        out
    }
}

fn thresholds_header() -> String {
    let columns = THRESHOLDS.map(|t| format!("\t{t}X"));
    format!("#chrom\tstart\tend\tregion{}\n", columns.concat())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{ContigId, Span};
    use crate::qc::tests::reference;

    #[test]
    fn the_files_have_the_columns_of_mosdepth() {
        let folder = tempfile::tempdir().unwrap();
        let r = reference(
            folder.path(),
            &[("a", &"ACGT".repeat(50)), ("b", &"ACGT".repeat(50))],
        );
        let region = |contig, start, end, name: &str| bed::Region {
            contig: ContigId(contig),
            span: Span::new(start, end),
            name: name.into(),
        };
        let regions = [
            region(0, 10, 14, "x"),
            region(0, 12, 15, ""),
            region(1, 0, 3, "y"),
        ];
        let targets = Targets::new(&regions, &r);
        let depths = [0, 25, 25, 60, 1, 7, 7, 7];
        let d = Depths {
            depths: &depths,
            targets: &targets,
            regions: &regions,
            reference: &r,
        };
        let text = |lines: Vec<Line>| lines.into_iter().map(|l| l.text).collect::<Vec<_>>();
        assert_eq!(
            text(d.region_lines()),
            [
                "a\t10\t14\tx\t27.50",
                "a\t12\t15\t.\t28.67",
                "b\t0\t3\ty\t7.00"
            ]
        );
        assert!(
            thresholds_header().starts_with("#chrom\tstart\tend\tregion\t1X\t20X\t50X\t100X\t")
        );
        assert_eq!(
            text(d.threshold_lines())[..2],
            [
                "a\t10\t14\tx\t3\t3\t1\t0\t0\t0\t0\t0",
                "a\t12\t15\tunknown\t3\t2\t1\t0\t0\t0\t0\t0"
            ]
        );
        assert_eq!(
            text(d.base_lines()),
            [
                "a\t10\t11\t0",
                "a\t11\t13\t25",
                "a\t13\t14\t60",
                "a\t14\t15\t1",
                "b\t0\t3\t7"
            ]
        );
        assert_eq!(
            d.summary(),
            "chrom\tlength\tbases\tmean\tmin\tmax\na_region\t5\t111\t22.20\t0\t60\n\
             b_region\t3\t21\t7.00\t7\t7\ntotal_region\t8\t132\t16.50\t0\t60\n"
        );
        let distribution = d.distribution();
        assert!(
            distribution.starts_with("a\t60\t0.20\na\t59\t0.20\n"),
            "{distribution}"
        );
        assert!(
            distribution.contains("b\t7\t1.00\n") && distribution.ends_with("total\t0\t1.00\n")
        );
    }
}
