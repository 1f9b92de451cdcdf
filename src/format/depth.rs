//! How deep each base of the panel was seen: the depth file that the caller writes beside its VCF.

use super::input;
use crate::domain::{ContigId, Span};
use crate::genome::Reference;
use crate::{Error, Result, error::thousands};
use std::collections::BTreeMap;
use std::io::BufRead;
use std::path::Path;

/// Fragments usable for calling at each base of the panel.
#[derive(Debug, Default)]
pub struct Depth(BTreeMap<ContigId, Vec<(Span, u32)>>);

/// The worst base of a stretch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Worst {
    /// Its contig's position, from 0.
    pub pos: u32,
    /// Fragments there; `None` if the depth file does not speak of it.
    pub depth: Option<u32>,
}

impl Depth {
    /// Reads a depth file: BED with the depth as fourth column, run-length encoded, sorted within
    /// each contig; plain or gzip.
    ///
    /// # Errors
    /// Names file and line of what is malformed, out of order or not in the reference.
    pub fn read(path: &Path, reference: &Reference) -> Result<Depth> {
        let file = input::display_name(path);
        let mut out: BTreeMap<ContigId, Vec<(Span, u32)>> = BTreeMap::new();
        for (i, line) in input::open(path)?.lines().enumerate() {
            let wrong = |what: String| {
                Error::input(
                    file.clone(),
                    format!("line {}", thousands(i as u64 + 1)),
                    what,
                    "Give the depth file that theralign call wrote beside the VCF.",
                )
            };
            let line = line.map_err(|e| wrong(e.to_string()))?;
            if line.starts_with('#') || line.is_empty() {
                continue;
            }
            let c: Vec<&str> = line.split('\t').collect();
            let number = |n: usize| c.get(n).and_then(|v| v.parse::<u32>().ok());
            let (Some(start), Some(end), Some(depth)) = (number(1), number(2), number(3)) else {
                return Err(wrong("not contig, start, end and depth".into()));
            };
            let contig = reference
                .contig_id(c[0])
                .ok_or_else(|| wrong(format!("the reference has no contig {}", c[0])))?;
            if start >= end || end > reference.contig(contig).length {
                return Err(wrong(format!("no stretch {start}-{end} in {}", c[0])));
            }
            let runs = out.entry(contig).or_default();
            if runs.last().is_some_and(|(last, _)| start < last.end) {
                return Err(wrong("out of order".into()));
            }
            runs.push((Span::new(start, end), depth));
        }
        Ok(Depth(out))
    }

    /// The depth of every base of a stretch; 0 where the file does not speak of one.
    pub fn each(&self, contig: ContigId, span: Span) -> Vec<u32> {
        let runs = self.0.get(&contig).map_or(&[][..], Vec::as_slice);
        let mut out = vec![0; span.len() as usize];
        let first = runs.partition_point(|(s, _)| s.end <= span.start);
        for &(run, depth) in runs[first..].iter().take_while(|(s, _)| s.start < span.end) {
            let from = run.start.max(span.start) - span.start;
            let to = run.end.min(span.end) - span.start;
            out[from as usize..to as usize].fill(depth);
        }
        out
    }

    /// The base with the lowest depth, the first of equals; a base that the file does not speak of
    /// is the worst of all.
    pub fn worst(&self, contig: ContigId, span: Span) -> Worst {
        let runs = self.0.get(&contig).map_or(&[][..], Vec::as_slice);
        let mut at = span.start;
        let mut worst: Option<(u32, u32)> = None; // depth, position
        let first = runs.partition_point(|(s, _)| s.end <= span.start);
        for &(run, depth) in runs[first..].iter().take_while(|(s, _)| s.start < span.end) {
            if run.start > at {
                break;
            }
            let pos = run.start.max(span.start);
            if worst.is_none_or(|(d, _)| depth < d) {
                worst = Some((depth, pos));
            }
            at = run.end;
        }
        match worst {
            Some((depth, pos)) if at >= span.end => Worst {
                pos,
                depth: Some(depth),
            },
            _ => Worst {
                pos: at.max(span.start),
                depth: None,
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn depth(runs: &[(u32, u32, u32)]) -> Depth {
        let runs = runs.iter().map(|&(a, b, d)| (Span::new(a, b), d)).collect();
        Depth(BTreeMap::from([(ContigId(0), runs)]))
    }

    #[test]
    fn the_worst_base_counts_and_silence_is_worse_than_zero() {
        let d = depth(&[(10, 20, 50), (20, 25, 7), (25, 40, 90), (50, 60, 0)]);
        let at = |a, b| d.worst(ContigId(0), Span::new(a, b));
        assert_eq!(
            at(12, 30),
            Worst {
                pos: 20,
                depth: Some(7)
            }
        );
        assert_eq!(
            at(12, 20),
            Worst {
                pos: 12,
                depth: Some(50)
            }
        );
        assert_eq!(
            at(50, 60),
            Worst {
                pos: 50,
                depth: Some(0)
            }
        );
        assert_eq!(
            at(30, 55),
            Worst {
                pos: 40,
                depth: None
            }
        );
        assert_eq!(
            at(5, 12),
            Worst {
                pos: 5,
                depth: None
            }
        );
        assert_eq!(d.worst(ContigId(1), Span::new(5, 12)).depth, None);
    }
}
