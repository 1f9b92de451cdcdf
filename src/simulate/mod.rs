//! Reads of a targeted panel with known variants, to try a pipeline against a truth.
//!
//! The model, molecule by molecule: a base of a target is drawn, then a fragment of normally
//! distributed length that covers it and stays on known sequence. Each variant that the fragment
//! reaches is in it with the probability of its fraction. One strand or the other is read first; a
//! base call is wrong as often as its quality says. A fragment shorter than the read gives shorter
//! reads, as after adapter trimming, or ends in adapter ([`Options::adapter`]). What happens to a
//! molecule before it is sequenced (damage, copies and their errors) is in `library.rs`, and off
//! unless asked for; it is drawn apart, so that asking for it leaves the molecules as they are.
//!
//! The same seed gives the same bytes on every machine: only integer arithmetic and the exactly
//! rounded operations of `f64` are used.

mod library;
mod random;
mod spikes;
mod truth;

pub use spikes::{Spike, read_spikes};
pub use truth::{vcf_lines, write_truth};

use crate::domain::bases::reverse_complement;
use crate::domain::{ContigId, Span, Variant};
use crate::genome::Reference;
use crate::{Error, Result};
use random::Random;
use serde::Serialize;
use std::io::Write;
use std::path::Path;

/// Quality bins of recent Illumina machines, and how often a call of that quality is wrong,
/// 10^(-Q/10), written out so that no platform's `pow` can change a read.
const BINS: [(u8, f64); 3] = [(37, 0.000_199_5), (25, 0.003_162), (11, 0.079_43)];
/// Share of reads with stretches of lower quality.
const DOUBTFUL_READS: f64 = 0.3;
/// No fragment is shorter.
const SHORTEST: u32 = 50;
/// Bases of each half of a UMI.
const UMI_HALF: usize = 8;
/// What read 1 and read 2 run into behind their fragment: Illumina's `TruSeq` adapters.
const ADAPTERS: [&[u8]; 2] = [
    b"AGATCGGAAGAGCACACGTCTGAACTCCAGTCA",
    b"AGATCGGAAGAGCGTCGTGTAGGGAAAGAGTGT",
];
/// Behind the adapter nothing lights up, which two-colour machines call G.
const DARK: u8 = b'G';

/// What to simulate.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Options {
    /// Molecules over each base of the targets, on average.
    pub depth: f64,
    /// Bases of a read.
    pub read_length: u32,
    /// Mean length of the fragments.
    pub fragment_mean: f64,
    /// Standard deviation of their length.
    pub fragment_sd: f64,
    /// Probability that a molecule is sequenced a second time; without effect where `family` is given.
    pub duplicates: f64,
    /// Reads differ by seed and by nothing else.
    pub seed: u64,
    /// Each molecule has a tag of 8 bases at each end, told behind the last colon of read names as
    /// `AAAAAAAA+BBBBBBBB`; for pairs of the other strand it is `BBBBBBBB+AAAAAAAA`.
    pub umi: bool,
    /// Pairs of a molecule on average, of both strands: 1 and a geometric number.
    pub family: Option<f64>,
    /// Probability of a wrong base each time a strand is copied (12 rounds; a read has half of them
    /// behind it), per base. 5e-7 to 1e-5 are usual.
    pub pcr_error: f64,
    /// Probability that a C reads as T on one strand of a molecule (cytosine deamination, as in
    /// formalin-fixed tissue), in all copies of that strand. 0.0005 to 0.005 are usual.
    pub damage: f64,
    /// The same of G reading as T (8-oxoguanine, from shearing).
    pub oxidation: f64,
    /// Share of reads in which a run of six equal bases has lost or gained one by copying, 1.5
    /// times as many for each base more.
    pub slippage: f64,
    /// Fragments shorter than the read end in adapter.
    pub adapter: bool,
}

impl Options {
    /// Plain reads: 500 molecules, 2 x 150 bases of fragments of 220, seed 1, nothing else.
    pub const PLAIN: Options = Options {
        depth: 500.0,
        read_length: 150,
        fragment_mean: 220.0,
        fragment_sd: 40.0,
        duplicates: 0.0,
        seed: 1,
        umi: false,
        family: None,
        pcr_error: 0.0,
        damage: 0.0,
        oxidation: 0.0,
        slippage: 0.0,
        adapter: false,
    };
}

/// What was drawn of a variant.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Drawn {
    /// Molecules with a read that spans it.
    pub covering: u64,
    /// Those that carry it.
    pub carrying: u64,
}

/// What was written.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Summary {
    /// Molecules that were sequenced.
    pub molecules: u64,
    /// Read pairs.
    pub pairs: u64,
    /// Pairs that repeat a molecule.
    pub duplicates: u64,
    /// Molecules of which both strands were sequenced.
    pub duplex: u64,
    /// Pairs whose reads are longer than their fragment.
    pub read_through: u64,
    /// C that read as T on a sequenced strand.
    pub deaminated: u64,
    /// G that read as T on a sequenced strand.
    pub oxidized: u64,
    /// Wrong bases made in copying that are in one pair at least.
    pub copy_errors: u64,
    /// Bases lost or gained by slippage that are in one pair at least.
    pub slips: u64,
    /// Wrong base calls, of the sequencer.
    pub miscalls: u64,
    /// For each variant, in their order.
    #[serde(skip)]
    pub drawn: Vec<Drawn>,
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
    let mut summary = Summary {
        drawn: vec![Drawn::default(); spikes.len()],
        ..Summary::default()
    };
    let mut random = Random::new(options.seed);
    let mut of_library = Random::apart(options.seed, 1);
    let mut of_tags = Random::apart(options.seed, 2);
    let mut record = Vec::new();
    for &(contig, span) in targets {
        let known = known_around(reference, contig, span)?;
        let bases = reference.bases(contig, known);
        let near = spikes
            .iter()
            .enumerate()
            .filter(|(_, s)| s.variant.contig == contig && known.overlaps(s.variant.span()))
            .collect::<Vec<_>>();
        let wanted = (options.depth * f64::from(span.len())) as u64;
        let mut covered = 0u64;
        while covered < wanted {
            let molecule = draw_molecule(&mut random, span, known, &bases, &near, options);
            covered += u64::from(
                (molecule.reach.end.min(span.end))
                    .saturating_sub(molecule.reach.start.max(span.start)),
            );
            molecule.tell(&near, options.read_length, &mut summary.drawn);
            let pairs = 1 + u32::from(random.happens(options.duplicates));
            let forward = random.happens(0.5);
            let copies = library::copies(
                &molecule.bases,
                forward,
                pairs,
                &options,
                &mut of_library,
                &mut summary,
            );
            summary.molecules += 1;
            summary.duplicates += copies.len() as u64 - 1;
            summary.duplex += u64::from(copies.iter().any(|c| c.forward != copies[0].forward));
            let tag = options.umi.then(|| Tag::draw(&mut of_tags));
            for copy in copies {
                summary.pairs += 1;
                let name = name(summary.pairs, tag.as_ref(), copy.forward);
                let short = copy.bases.len() < options.read_length as usize;
                summary.read_through += u64::from(short);
                let [first, second] = pair(&copy, options);
                for (sequence, path, out) in
                    [(first, path1, &mut *out1), (second, path2, &mut *out2)]
                {
                    record.clear();
                    summary.miscalls += write_read(&mut record, &mut random, sequence, &name);
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

/// A molecule, spelled as the reference is.
struct Molecule {
    bases: Vec<u8>,
    /// The stretch it came from.
    reach: Span,
    /// Of the variants near it: rank among them, where in the molecule it begins, whether it is
    /// carried.
    variants: Vec<(usize, usize, bool)>,
}

impl Molecule {
    /// Counts the molecule for the variants that one of its reads spans: the longer of the two
    /// alleles must fit, so that neither is seen more easily.
    fn tell(&self, near: &[(usize, &Spike)], read_length: u32, drawn: &mut [Drawn]) {
        let length = self.bases.len();
        let taken = length.min(read_length as usize);
        for &(rank, from, carried) in &self.variants {
            let (i, spike) = near[rank];
            let v = &spike.variant;
            let to = from + v.reference.len().max(v.alternate.len());
            if to <= taken || (length - taken <= from && to <= length) {
                drawn[i].covering += 1;
                drawn[i].carrying += u64::from(carried);
            }
        }
    }
}

/// Draws a molecule that covers some base of the target.
fn draw_molecule(
    random: &mut Random,
    target: Span,
    known: Span,
    bases: &[u8],
    spikes: &[(usize, &Spike)],
    options: Options,
) -> Molecule {
    let length = (options.fragment_mean + options.fragment_sd * random.normal())
        .clamp(f64::from(SHORTEST), f64::from(known.len())) as u32;
    let base = target.start + random.below(target.len());
    let earliest = (base + 1).saturating_sub(length).max(known.start);
    let latest = base.min(known.end - length);
    let start = earliest + random.below(latest - earliest + 1);

    let mut groups: Vec<(&str, bool)> = Vec::new();
    let mut all: Vec<(usize, &Variant, bool)> = Vec::with_capacity(spikes.len());
    for (rank, (_, spike)) in spikes.iter().enumerate() {
        let drawn = random.happens(spike.fraction);
        let group = spike.group.as_deref();
        let decided = groups.iter().find(|(g, _)| Some(*g) == group);
        let yes = decided.map_or(drawn, |d| d.1);
        groups.extend(group.map(|g| (g, yes)));
        all.push((rank, &spike.variant, yes));
    }
    // A molecule cannot begin amid bases that it lacks.
    let start = all
        .iter()
        .find(|(_, v, carried)| *carried && v.pos.0 < start && start < v.span().end)
        .map_or(start, |(_, v, _)| v.span().end.min(known.end - 1));
    let mut molecule = Vec::with_capacity(length as usize + 32);
    let mut variants = Vec::new();
    let mut at = start;
    let mut waiting = all.iter().filter(|v| v.1.pos.0 >= start).peekable();
    while (molecule.len() as u32) < length && at < known.end {
        let here = waiting.next_if(|v| v.1.pos.0 == at);
        variants.extend(here.map(|&(rank, _, carried)| (rank, molecule.len(), carried)));
        if let Some((_, v, true)) = here {
            molecule.extend_from_slice(&v.alternate);
            at = v.span().end;
        } else {
            molecule.push(bases[(at - known.start) as usize]);
            at += 1;
        }
    }
    molecule.truncate(length as usize);
    Molecule {
        bases: molecule,
        reach: Span::new(start, at),
        variants,
    }
}

/// The tag of a molecule.
struct Tag([Vec<u8>; 2]);

impl Tag {
    fn draw(random: &mut Random) -> Tag {
        Tag([0, 1].map(|_| {
            let letters = (0..UMI_HALF).map(|_| b"ACGT"[random.below(4) as usize]);
            letters.collect()
        }))
    }
}

fn name(pair: u64, tag: Option<&Tag>, forward: bool) -> String {
    let Some(Tag(halves)) = tag else {
        return format!("sim:{pair}");
    };
    let [left, right] = [0, 1].map(|i| String::from_utf8_lossy(&halves[i]));
    let (first, second) = if forward {
        (left, right)
    } else {
        (right, left)
    };
    format!("sim:{pair}:{first}+{second}")
}

/// What the two reads would be if no call were wrong.
fn pair(copy: &library::Copy, options: Options) -> [Vec<u8>; 2] {
    let length = options.read_length as usize;
    let taken = copy.bases.len().min(length);
    let left = copy.bases[..taken].to_vec();
    let right = reverse_complement(&copy.bases[copy.bases.len() - taken..]);
    let mut reads = if copy.forward {
        [left, right]
    } else {
        [right, left]
    };
    if options.adapter {
        for (read, adapter) in reads.iter_mut().zip(ADAPTERS) {
            read.extend(adapter.iter().take(length - taken));
            read.resize(length, DARK);
        }
    }
    reads
}

/// Adds one FASTQ record; miscalls bases as the qualities say, and tells how many.
fn write_read(out: &mut Vec<u8>, random: &mut Random, mut bases: Vec<u8>, name: &str) -> u64 {
    let doubtful = random.happens(DOUBTFUL_READS);
    let length = bases.len() as f64;
    let mut bin = 0;
    let mut wrong = 0;
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
            *base = random.other_base(*base);
            wrong += 1;
        }
    }
    out.push(b'@');
    out.extend_from_slice(name.as_bytes());
    out.push(b'\n');
    out.extend_from_slice(&bases);
    out.extend_from_slice(b"\n+\n");
    out.extend_from_slice(&qualities);
    out.push(b'\n');
    wrong
}

#[cfg(test)]
mod tests;
