//! Reads of a targeted panel with known variants, to try a pipeline against a truth.
//!
//! The model, molecule by molecule: a base of a target is drawn, then a fragment of normally
//! distributed length that covers it and stays on known sequence. Each variant that the fragment
//! reaches is in it with the probability of its fraction. One strand or the other is read first; a
//! base call is wrong as often as its quality says. A fragment shorter than the read gives shorter
//! reads, as after adapter trimming. The same seed gives the same bytes on every machine: only
//! integer arithmetic and the exactly rounded operations of `f64` are used.

use crate::domain::bases::reverse_complement;
use crate::domain::{ContigId, Pos, Span, Variant};
use crate::format::input;
use crate::genome::Reference;
use crate::{Error, Result, error::thousands};
use std::io::{BufRead, Write};
use std::path::Path;

/// Quality bins of recent Illumina machines, and how often a call of that quality is wrong,
/// 10^(-Q/10), written out so that no platform's `pow` can change a read.
const BINS: [(u8, f64); 3] = [(37, 0.000_199_5), (25, 0.003_162), (11, 0.079_43)];
/// Share of reads with stretches of lower quality.
const DOUBTFUL_READS: f64 = 0.3;
/// No fragment is shorter.
const SHORTEST: u32 = 50;

/// What to simulate.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// Molecules over each base of the targets, on average.
    pub depth: f64,
    /// Bases of a read.
    pub read_length: u32,
    /// Mean length of the fragments.
    pub fragment_mean: f64,
    /// Standard deviation of their length.
    pub fragment_sd: f64,
    /// Probability that a molecule is sequenced a second time.
    pub duplicates: f64,
    /// Reads differ by seed and by nothing else.
    pub seed: u64,
}

/// A variant, and the fraction of molecules that carry it.
#[derive(Clone, Debug, PartialEq)]
pub struct Spike {
    /// The record's ID.
    pub name: String,
    /// The variant.
    pub variant: Variant,
    /// 0 to 1; a heterozygous germline variant has 0.5.
    pub fraction: f64,
    /// Variants of one group are carried by the same molecules.
    pub group: Option<String>,
}

/// What was written.
#[derive(Clone, Copy, Debug, Default)]
pub struct Summary {
    /// Read pairs.
    pub pairs: u64,
    /// Pairs that repeat a molecule.
    pub duplicates: u64,
}

/// Reads the variants to spike in from a VCF (plain or gzip): one ALT a record, its fraction as
/// `INFO/AF`, and optionally `INFO/GROUP`. They come sorted.
///
/// # Errors
/// Names file and line for a record that cannot be read, lies on an unknown contig, has a REF that
/// is not the reference's, lacks AF, or overlaps another.
pub fn read_spikes(path: &Path, reference: &Reference) -> Result<Vec<Spike>> {
    let file = input::display_name(path);
    let mut spikes: Vec<(Spike, u64)> = Vec::new();
    for (i, line) in input::open(path)?.lines().enumerate() {
        let number = i as u64 + 1;
        let wrong = |what: String, remedy: &str| {
            Error::input(&file, format!("line {}", thousands(number)), what, remedy)
        };
        let line = line.map_err(|e| wrong(e.to_string(), "Give a VCF file, plain or gzip."))?;
        if line.starts_with('#') || line.trim().is_empty() {
            continue;
        }
        let columns: Vec<&str> = line.trim_end().split('\t').collect();
        let position = columns.get(1).and_then(|c| c.parse::<u32>().ok());
        let (Some(position @ 1..), Some(info)) = (position, columns.get(7)) else {
            return Err(wrong(
                "not a VCF record".into(),
                "Eight columns, with tabs between them, are the least.",
            ));
        };
        let Some(contig) = reference.contig_id(columns[0]) else {
            return Err(wrong(
                format!("the reference has no contig {}", columns[0]),
                "Give variants of this reference.",
            ));
        };
        let is_sequence = |s: &str| !s.is_empty() && s.bytes().all(|b| b"ACGT".contains(&b));
        if !is_sequence(columns[3]) || !is_sequence(columns[4]) || columns[3] == columns[4] {
            return Err(wrong(
                format!("REF {} and ALT {}", columns[3], columns[4]),
                "Spell both out in ACGT, with one ALT in each record.",
            ));
        }
        let variant = Variant {
            contig,
            pos: Pos(position - 1),
            reference: columns[3].into(),
            alternate: columns[4].into(),
        };
        let here = reference.bases(contig, variant.span());
        if here != variant.reference {
            return Err(wrong(
                format!(
                    "REF is {} but the reference has {}",
                    columns[3],
                    String::from_utf8_lossy(&here)
                ),
                "Give variants of this reference.",
            ));
        }
        let field = |key: &str| {
            info.split(';')
                .filter_map(|f| f.split_once('='))
                .find_map(|(k, v)| (k == key).then_some(v))
        };
        let fraction = field("AF").and_then(|v| v.parse::<f64>().ok());
        let Some(fraction) = fraction.filter(|f| (0.0..=1.0).contains(f)) else {
            return Err(wrong(
                "INFO has no AF from 0 to 1".into(),
                "Give the fraction of molecules that carry the variant as AF=0.25.",
            ));
        };
        spikes.push((
            Spike {
                name: columns[2].to_string(),
                variant,
                fraction,
                group: field("GROUP").map(str::to_string),
            },
            number,
        ));
    }
    spikes.sort_by(|a, b| a.0.variant.cmp(&b.0.variant));
    for pair in spikes.windows(2) {
        let (a, b) = (&pair[0].0.variant, &pair[1].0.variant);
        if a.contig == b.contig && a.span().end > b.pos.0 {
            return Err(Error::input(
                &file,
                format!("line {}", thousands(pair[1].1)),
                format!("overlaps the variant in line {}", thousands(pair[0].1)),
                "Give variants that do not share a base, or simulate them apart.",
            ));
        }
    }
    Ok(spikes.into_iter().map(|(s, _)| s).collect())
}

/// Writes the pairs as FASTQ, target by target.
///
/// # Errors
/// When a target lies on unknown sequence, or writing fails (`out` names the files for messages).
pub fn simulate(
    reference: &Reference,
    targets: &[(ContigId, Span)],
    spikes: &[Spike],
    options: Options,
    out: [(&Path, &mut dyn Write); 2],
) -> Result<Summary> {
    let [(path1, out1), (path2, out2)] = out;
    let mut summary = Summary::default();
    let mut random = Random(options.seed);
    let mut record = Vec::new();
    for &(contig, span) in targets {
        let known = known_around(reference, contig, span)?;
        let bases = reference.bases(contig, known);
        let near = spikes
            .iter()
            .filter(|s| s.variant.contig == contig && known.overlaps(s.variant.span()))
            .collect::<Vec<_>>();
        let wanted = (options.depth * f64::from(span.len())) as u64;
        let mut covered = 0u64;
        while covered < wanted {
            let (molecule, reach) = draw_molecule(&mut random, span, known, &bases, &near, options);
            covered += u64::from(
                reach
                    .end
                    .min(span.end)
                    .saturating_sub(reach.start.max(span.start)),
            );
            let copies = 1 + u64::from(random.happens(options.duplicates));
            let forward_first = random.happens(0.5);
            for copy in 0..copies {
                summary.pairs += 1;
                summary.duplicates += copy;
                let taken = molecule.len().min(options.read_length as usize);
                let left = molecule[..taken].to_vec();
                let right = reverse_complement(&molecule[molecule.len() - taken..]);
                let (first, second) = if forward_first {
                    (left, right)
                } else {
                    (right, left)
                };
                for (sequence, path, out) in
                    [(first, path1, &mut *out1), (second, path2, &mut *out2)]
                {
                    record.clear();
                    write_read(&mut record, &mut random, sequence, summary.pairs);
                    out.write_all(&record).map_err(Error::io(path))?;
                }
            }
        }
    }
    Ok(summary)
}

/// The stretch of known sequence that holds a target.
fn known_around(reference: &Reference, contig: ContigId, target: Span) -> Result<Span> {
    reference
        .islands()
        .iter()
        .filter(|i| i.contig == contig.0)
        .map(|i| Span::new(i.start, i.start + i.length))
        .find(|s| s.start <= target.start && target.end <= s.end)
        .filter(|s| s.len() >= SHORTEST)
        .ok_or_else(|| {
            Error::usage(
                format!(
                    "target {}:{}-{} is not on known sequence of the reference",
                    reference.contig(contig).name,
                    target.start + 1,
                    target.end
                ),
                "Targets must lie between runs of N; cut them or leave them out.",
            )
        })
}

/// A molecule that covers some base of the target: its bases, and the stretch it came from.
fn draw_molecule(
    random: &mut Random,
    target: Span,
    known: Span,
    bases: &[u8],
    spikes: &[&Spike],
    options: Options,
) -> (Vec<u8>, Span) {
    let length = (options.fragment_mean + options.fragment_sd * random.normal())
        .clamp(f64::from(SHORTEST), f64::from(known.len())) as u32;
    let base = target.start + random.below(target.len());
    let earliest = (base + 1).saturating_sub(length).max(known.start);
    let latest = base.min(known.end - length);
    let start = earliest + random.below(latest - earliest + 1);

    let mut groups: Vec<(&str, bool)> = Vec::new();
    let mut carried: Vec<&Variant> = Vec::new();
    for spike in spikes {
        let drawn = random.happens(spike.fraction);
        let group = spike.group.as_deref();
        let decided = groups.iter().find(|(g, _)| Some(*g) == group);
        let yes = decided.map_or(drawn, |d| d.1);
        groups.extend(group.map(|g| (g, yes)));
        if yes {
            carried.push(&spike.variant);
        }
    }
    // A molecule cannot begin amid bases that it lacks.
    let start = carried
        .iter()
        .find(|v| v.pos.0 < start && start < v.span().end)
        .map_or(start, |v| v.span().end.min(known.end - 1));
    let mut molecule = Vec::with_capacity(length as usize + 32);
    let mut at = start;
    let mut waiting = carried.iter().filter(|v| v.pos.0 >= start).peekable();
    while (molecule.len() as u32) < length && at < known.end {
        if let Some(v) = waiting.next_if(|v| v.pos.0 == at) {
            molecule.extend_from_slice(&v.alternate);
            at = v.span().end;
        } else {
            molecule.push(bases[(at - known.start) as usize]);
            at += 1;
        }
    }
    molecule.truncate(length as usize);
    (molecule, Span::new(start, at))
}

/// Adds one FASTQ record; miscalls bases as the qualities say.
fn write_read(out: &mut Vec<u8>, random: &mut Random, mut bases: Vec<u8>, pair: u64) {
    let doubtful = random.happens(DOUBTFUL_READS);
    let length = bases.len() as f64;
    let mut bin = 0;
    let mut qualities = Vec::with_capacity(bases.len());
    for (i, base) in bases.iter_mut().enumerate() {
        if bin > 0 {
            // A stretch of lower quality lasts four bases on average.
            if random.happens(0.25) {
                bin = 0;
            }
        } else if doubtful && random.happens(0.02 * i as f64 / length) {
            bin = 1 + usize::from(random.happens(0.3));
        }
        let (quality, error) = BINS[bin];
        qualities.push(quality + b'!');
        if random.happens(error) {
            let others: Vec<u8> = b"ACGT".iter().copied().filter(|b| b != base).collect();
            *base = others[random.below(3) as usize];
        }
    }
    out.extend_from_slice(format!("@sim:{pair}\n").as_bytes());
    out.extend_from_slice(&bases);
    out.extend_from_slice(b"\n+\n");
    out.extend_from_slice(&qualities);
    out.push(b'\n');
}

/// `SplitMix64` (Steele, Lea, Flood: Fast splittable pseudorandom number generators, OOPSLA 2014).
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// From 0 up to 1, in steps of 2^-53.
    fn unit(&mut self) -> f64 {
        (self.next() >> 11) as f64 / (1u64 << 53) as f64
    }

    fn happens(&mut self, probability: f64) -> bool {
        self.unit() < probability
    }

    /// From 0 to `n - 1`; the bias of under n / 2^32 does not matter here.
    fn below(&mut self, n: u32) -> u32 {
        ((u64::from(n) * (self.next() >> 32)) >> 32) as u32
    }

    /// Nearly normal with mean 0 and deviation 1: the sum of twelve uniform draws has deviation 1.
    fn normal(&mut self) -> f64 {
        (0..12).map(|_| self.unit()).sum::<f64>() - 6.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::genome::BuildOptions;

    fn reference(folder: &Path) -> Reference {
        let mut random = Random(7);
        let text: String = (0..1000)
            .map(|_| char::from(b"ACGT"[random.below(4) as usize]))
            .collect();
        let fasta = folder.join("r.fa");
        std::fs::write(&fasta, format!(">c:1001-2000 LN:5000\n{text}\n")).unwrap();
        Reference::build_file(
            &fasta,
            &folder.join("r.tidx"),
            BuildOptions {
                windows: true,
                ..BuildOptions::default()
            },
        )
        .unwrap()
    }

    fn run(reference: &Reference, spikes: &[Spike], options: Options) -> (Vec<u8>, Summary) {
        let (mut a, mut b) = (Vec::new(), Vec::new());
        let name = Path::new("memory");
        let targets = [(ContigId(0), Span::new(1400, 1500))];
        let summary = simulate(
            reference,
            &targets,
            spikes,
            options,
            [(name, &mut a), (name, &mut b)],
        )
        .unwrap();
        a.extend(b);
        (a, summary)
    }

    const OPTIONS: Options = Options {
        depth: 300.0,
        read_length: 100,
        fragment_mean: 150.0,
        fragment_sd: 20.0,
        duplicates: 0.1,
        seed: 1,
    };

    #[test]
    fn the_seed_alone_decides() {
        let folder = tempfile::tempdir().unwrap();
        let r = reference(folder.path());
        assert_eq!(run(&r, &[], OPTIONS).0, run(&r, &[], OPTIONS).0);
        let other = Options { seed: 2, ..OPTIONS };
        assert_ne!(run(&r, &[], OPTIONS).0, run(&r, &[], other).0);
    }

    #[test]
    fn a_deletion_is_in_its_fraction_of_the_molecules_and_depth_is_as_asked() {
        let folder = tempfile::tempdir().unwrap();
        let r = reference(folder.path());
        let around = r.bases(ContigId(0), Span::new(1430, 1470));
        let spike = Spike {
            name: "d".into(),
            variant: Variant {
                contig: ContigId(0),
                pos: Pos(1445),
                reference: around[15..25].to_vec(),
                alternate: around[15..16].to_vec(),
            },
            fraction: 0.25,
            group: None,
        };
        let (reads, summary) = run(&r, &[spike], OPTIONS);
        let with = [&around[8..16], &around[25..33]].concat();
        let without = around[12..28].to_vec();
        let count = |probe: &[u8]| {
            let other = reverse_complement(probe);
            reads
                .windows(probe.len())
                .filter(|w| *w == probe || *w == other)
                .count() as f64
        };
        let share = count(&with) / (count(&with) + count(&without));
        assert!((0.19..0.31).contains(&share), "{share}");
        // Each molecule over the place is read once or twice there, and one in ten is copied.
        assert!((300.0..700.0).contains(&(count(&with) + count(&without))));
        assert!((0.05..0.14).contains(&(summary.duplicates as f64 / summary.pairs as f64)));
    }

    #[test]
    fn wrong_variants_are_named_by_line() {
        let folder = tempfile::tempdir().unwrap();
        let r = reference(folder.path());
        let base = r.bases(ContigId(0), Span::new(1100, 1102));
        let (x, xy) = (
            char::from(base[0]),
            String::from_utf8(base.clone()).unwrap(),
        );
        let y = char::from(base[1]);
        let other = if x == 'A' { 'C' } else { 'A' };
        let other_y = if y == 'A' { 'C' } else { 'A' };
        for (text, part) in [
            (
                format!("z\t1101\t.\t{x}\t{other}\t.\t.\tAF=0.1"),
                "no contig z",
            ),
            (
                format!("c\t1101\t.\t{other}\t{x}\t.\t.\tAF=0.1"),
                "the reference has",
            ),
            (format!("c\t1101\t.\t{x}\t{other}\t.\t.\tDP=3"), "AF=0.25"),
            (
                format!("c\t1101\t.\t{x}\t{other},{x}{x}\t.\t.\tAF=0.1"),
                "one ALT",
            ),
            (format!("c\t1101\t.\t{x}\t{other}"), "Eight columns"),
            (
                format!(
                    "c\t1102\t.\t{y}\t{other_y}\t.\t.\tAF=0.1\nc\t1101\t.\t{xy}\t{x}\t.\t.\tAF=1"
                ),
                "overlaps",
            ),
        ] {
            let path = folder.path().join("v.vcf");
            std::fs::write(&path, format!("##fileformat=VCFv4.4\n{text}\n")).unwrap();
            let message = read_spikes(&path, &r).unwrap_err().to_string();
            assert!(
                message.contains(part) && message.contains("line "),
                "{message}"
            );
        }
    }
}
