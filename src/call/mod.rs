//! Reads to variants, in a panel's regions.
//!
//! Three rounds, each spread over the threads in an order that does not matter:
//! [`survey_tile`] counts what the reads show and notes suspects and slips of repeats; once all
//! tiles have been seen, suspects become windows; [`call_windows`] spells each window's haplotypes,
//! weighs every fragment against them with the pair HMM, and decides.

pub mod active;
pub mod allele;
pub mod assemble;
pub mod background;
pub mod clips;
pub mod damage;
pub mod decide;
pub mod diploid;
pub mod filter;
pub mod genotype;
pub mod gvcf;
pub mod haplotype;
pub mod limit;
mod loci;
mod mates;
pub mod math;
pub mod merge;
pub mod normals;
pub mod phase;
pub mod ploidy;
pub mod population;
pub mod reads;
pub mod record;
pub mod repeats;
pub mod sample;
pub mod shard;

use crate::backend::{Backend, Device};
use crate::domain::LogLik;
use crate::domain::{ContigId, Pos, Span, Variant};
use crate::format::loci::Locus;
use crate::format::output::Output;
use crate::format::{bed, vcf};
use crate::genome::Reference;
use crate::kernel::pairhmm::{self, pack_words};
use crate::kernel::pileup::Settings;
use crate::{Error, Result, error::thousands};
use active::{Clipped, Survey, Suspect};
use allele::Stretch;
use background::Background;
use damage::{Damage, DamageCounts};
use haplotype::Jobs;
use phase::Decided;
use ploidy::{Ploidy, Sex};
use rayon::prelude::*;
use reads::{Load, ReadFilter};
use record::Call;
use repeats::{SlipCounts, Slippage};
use sample::Bam;
use shard::{Plan, Shard, Unit};
use std::collections::HashSet;
use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::sync::Mutex;

/// What to look for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Mode {
    /// Genotypes: two copies of each chromosome, or what `sex` says.
    Germline,
    /// Alleles at any fraction.
    Somatic,
}

/// What [`run`] is to do.
#[derive(Clone, Debug)]
pub struct CallOptions {
    /// Name of the reference for the VCF's header.
    pub reference_name: String,
    /// BED file of the regions.
    pub panel: PathBuf,
    /// BAM file of the sample.
    pub tumor: PathBuf,
    /// The sample's name, if its BAM file holds several.
    pub sample: Option<String>,
    /// BAM file of the same person's normal tissue.
    pub normal: Option<PathBuf>,
    /// The normal sample's name, if its BAM file holds several.
    pub normal_sample: Option<String>,
    /// Panel of normals, VCF.
    pub normals: Option<PathBuf>,
    /// VCF file with the frequencies of alleles among people.
    pub population: Option<PathBuf>,
    /// Share of the fragments that are of another person, 0 to 0.5.
    pub contamination: Option<f64>,
    /// VCF file of alleles to be asked whatever the reads show.
    pub force: Option<PathBuf>,
    /// Alleles of the knowledge, to be asked in the same way.
    pub actionable: Actionable,
    /// What to look for.
    pub mode: Mode,
    /// Of a germline sample; without it, X and Y are taken to have two copies like the others.
    pub sex: Option<Sex>,
    /// Write what lies between a germline sample's variants as well.
    pub gvcf: bool,
    /// The VCF to write, block-gzipped; its index and `.depth.bed.gz` stand beside it.
    pub output: PathBuf,
    /// Reads below this MAPQ are left out.
    pub min_mapq: u8,
    /// Bases below this quality are not counted (the pair HMM weighs them nevertheless).
    pub min_base_quality: u8,
    /// A window takes at most this many fragments of each sample, those with the lowest name hashes.
    pub max_fragments: usize,
    /// Weigh in double precision, on the CPU, and measure what fixed point differs.
    pub exact: bool,
    /// Which part of the panel's windows to call.
    pub shard: Shard,
    /// The command line, for the VCF's header.
    pub command: String,
}

/// Alleles that the knowledge names in the panel.
#[derive(Clone, Debug, Default)]
pub struct Actionable {
    /// They.
    pub loci: Vec<Locus>,
    /// Which knowledge, for the VCF's header.
    pub source: String,
}

impl CallOptions {
    /// Usual thresholds.
    pub fn new(panel: PathBuf, tumor: PathBuf, mode: Mode, output: PathBuf) -> CallOptions {
        CallOptions {
            reference_name: String::new(),
            panel,
            tumor,
            sample: None,
            normal: None,
            normal_sample: None,
            normals: None,
            population: None,
            contamination: None,
            force: None,
            actionable: Actionable::default(),
            mode,
            sex: None,
            gvcf: false,
            output,
            min_mapq: 20,
            min_base_quality: 13,
            max_fragments: 10_000,
            exact: false,
            shard: Shard::WHOLE,
            command: String::new(),
        }
    }
}

/// What [`run`] did.
#[derive(Clone, Debug, PartialEq, serde::Serialize)]
pub struct CallSummary {
    /// Bases of the panel.
    pub panel_bases: u64,
    /// Sum of the usable fragment depth over the panel's bases.
    pub depth_sum: u64,
    /// Windows that were looked at closely.
    pub windows: u64,
    /// Windows in which some fragments were left out because there were too many.
    pub capped_windows: u64,
    /// X or Y was called as if it had two copies, since no sex was stated.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub sex_assumed: bool,
    /// What the user should know of the input.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub warnings: Vec<String>,
    /// Records written.
    pub records: u64,
    /// Records that pass all filters.
    pub passed: u64,
    /// The per-base depth file.
    pub depth_file: PathBuf,
    /// With [`CallOptions::exact`], how far fixed point is from it.
    pub exactness: Option<Exactness>,
}

/// How far fixed point is from double precision.
#[derive(Clone, Copy, Debug, Default, PartialEq, serde::Serialize)]
pub struct Exactness {
    /// Pairs of read and haplotype.
    pub pairs: u64,
    /// The worst difference, in phred.
    pub worst: f64,
}

/// Longest piece of a region that one thread looks at in one go.
const TILE: u32 = 4096;
/// Reads are loaded, and the reference is fetched, this far beyond a tile.
const MARGIN: u32 = 400;

/// A piece of the panel.
#[derive(Clone, Copy, Debug)]
struct Tile {
    contig: ContigId,
    span: Span,
}

/// What all tiles and windows need.
struct Context<'a> {
    reference: &'a Reference,
    device: &'a Device,
    options: &'a CallOptions,
    tumor: Bam,
    normal: Option<Bam>,
    ploidy: Ploidy,
    /// What was asked for, and its normalized allele.
    asked: Vec<(Locus, Variant)>,
    background: Background,
    exactness: Mutex<Exactness>,
}

/// What the sample says of its own errors.
struct Learned {
    damage: Damage,
    slippage: Slippage,
}

/// Calls the variants of a sample, and writes them, their index and the panel's depth.
///
/// # Errors
/// When an input is missing, damaged, unsorted, or made for another reference, or the output cannot
/// be written. Nothing that looks finished is left behind then.
pub fn run(reference: &Reference, device: &Device, options: &CallOptions) -> Result<CallSummary> {
    let panel = bed::read_panel(&options.panel, |name| {
        let id = reference.contig_id(name)?;
        Some((id, reference.contig(id).length))
    })?;
    let regions = bed::merged(&panel);
    let context = Context::open(reference, device, options, &regions)?;
    let tiles = tiles(&regions);
    let warnings = warnings(&context, &panel, &tiles)?;

    let surveys = tiles
        .par_iter()
        .map(|&tile| survey_tile(&context, tile))
        .collect::<Result<Vec<Survey>>>()?;
    let mut slips = SlipCounts::default();
    for s in &surveys {
        slips.merge(&s.slips);
    }
    let mut wrong = DamageCounts::default();
    for s in &surveys {
        wrong.merge(&s.damage);
    }
    let learned = Learned {
        damage: Damage::of(&wrong),
        slippage: Slippage::of(&slips),
    };
    let plan = plan(&context, &regions, &tiles, &surveys, &learned.slippage);
    let units = plan.units(options.shard);
    let called = units
        .par_iter()
        .map(|unit| call_windows(&context, unit, &learned))
        .collect::<Result<Vec<(Vec<Decided>, u64)>>>()?;

    let capped = called.iter().map(|c| c.1).sum();
    let mut decided: Vec<Decided> = called.into_iter().flat_map(|c| c.0).collect();
    phase::link(&mut decided);
    let mut calls: Vec<Call> = decided.into_iter().flat_map(|d| d.calls).collect();
    calls.sort_by(|a, b| {
        a.variant
            .cmp(&b.variant)
            .then_with(|| a.others.cmp(&b.others))
            .then_with(|| b.quality.total_cmp(&a.quality))
    });
    // An allele at the border of two windows is known to both; who is surer of it has it.
    calls.dedup_by(|b, a| a.variant == b.variant && a.others == b.others);
    decide::mark_clusters(&mut calls);
    phase::name_sets(&mut calls);
    let depth_file = write(&context, &plan, &tiles, &surveys, &calls, &learned)?;
    Ok(CallSummary {
        panel_bases: regions.iter().map(|r| u64::from(r.1.len())).sum(),
        depth_sum: surveys
            .iter()
            .flat_map(|s| &s.depth)
            .map(|&d| u64::from(d))
            .sum(),
        windows: units.iter().map(|u| u.windows.len() as u64).sum(),
        capped_windows: capped,
        sex_assumed: context.ploidy.assumed,
        warnings,
        records: calls.len() as u64,
        passed: (calls.iter())
            .filter(|c| c.filters.is_empty() && c.samples[0].is_variant())
            .count() as u64,
        depth_file,
        exactness: options.exact.then(|| context.exactness()),
    })
}

impl<'a> Context<'a> {
    fn open(
        reference: &'a Reference,
        device: &'a Device,
        options: &'a CallOptions,
        regions: &[(ContigId, Span)],
    ) -> Result<Context<'a>> {
        if options.normal.is_some() && options.mode == Mode::Germline {
            return Err(Error::usage(
                "--normal and --mode germline exclude each other",
                "Give the normal sample alone for its germline variants, or leave --mode out.",
            ));
        }
        if options.sex.is_some() && options.mode == Mode::Somatic {
            return Err(Error::usage(
                "--sex is for --mode germline",
                "A somatic allele may have any fraction; leave --sex out.",
            ));
        }
        if options.gvcf && options.mode == Mode::Somatic {
            return Err(Error::usage(
                "--gvcf is for --mode germline",
                "That an allele is absent at any fraction, nobody can say; --force tells of alleles by name.",
            ));
        }
        let mut needed: Vec<ContigId> = regions.iter().map(|r| r.0).collect();
        needed.dedup();
        let named = |&id: &ContigId| {
            let contig = reference.contig(id);
            (id, contig.name.as_str(), contig.length)
        };
        let open = |path: &Path, sample: &Option<String>| {
            Bam::open(path, reference, &needed, sample.as_deref())
        };
        let tumor = open(&options.tumor, &options.sample)?;
        let normal = match &options.normal {
            None => None,
            Some(path) => Some(open(path, &options.normal_sample)?),
        };
        Ok(Context {
            reference,
            device,
            options,
            tumor,
            normal,
            ploidy: match options.mode {
                Mode::Somatic => Ploidy::default(),
                Mode::Germline => Ploidy::of(needed.iter().map(named), options.sex)?,
            },
            asked: loci::asked(options, reference)?,
            background: Background::open(reference, options, regions)?,
            exactness: Mutex::default(),
        })
    }

    fn germline(&self) -> bool {
        self.options.mode == Mode::Germline
    }

    fn load(&self, bam: &Bam, contig: ContigId, span: Span) -> Result<Load> {
        let filter = ReadFilter {
            min_mapq: self.options.min_mapq,
        };
        bam.load(self.reference, contig, span, filter)
    }

    fn exactness(&self) -> Exactness {
        *self.exactness.lock().expect("nobody panics with it")
    }

    fn length(&self, contig: ContigId) -> u32 {
        self.reference.contig(contig).length
    }
}

/// What the user should know of the input.
fn warnings(context: &Context, panel: &[bed::Region], tiles: &[Tile]) -> Result<Vec<String>> {
    let mut out = Vec::new();
    let overlaps = |r: &&[bed::Region]| r[0].contig == r[1].contig && r[0].span.overlaps(r[1].span);
    let overlapping = panel.windows(2).filter(overlaps).count();
    if overlapping > 0 {
        out.push(format!(
            "{}: {} regions overlap the one before; they are called as one",
            context.options.panel.display(),
            thousands(overlapping as u64)
        ));
    }
    let bams = std::iter::once((&context.tumor, &context.options.tumor));
    for (bam, path) in bams.chain(context.normal.iter().zip(&context.options.normal)) {
        if bam.sample.unnamed {
            out.push(format!(
                "{}: no read group names the sample; it is called {}",
                path.display(),
                bam.sample.name
            ));
        }
    }
    if let Some(normal) = &context.normal
        && are_same(context, normal, tiles)?
    {
        out.push("the normal sample's reads are the tumor's: nothing somatic can be found".into());
    }
    Ok(out)
}

/// Are the normal sample's fragments those of the tumor? The first tile with fragments tells.
fn are_same(context: &Context, normal: &Bam, tiles: &[Tile]) -> Result<bool> {
    for tile in tiles {
        let tumor = context
            .load(&context.tumor, tile.contig, tile.span)?
            .fragments;
        if tumor.len() < 20 {
            continue;
        }
        let normal = context.load(normal, tile.contig, tile.span)?.fragments;
        let known: HashSet<u64> = tumor.into_iter().collect();
        let shared = normal.iter().filter(|n| known.contains(n)).count();
        return Ok(2 * shared > known.len());
    }
    Ok(false)
}

fn tiles(regions: &[(ContigId, Span)]) -> Vec<Tile> {
    let mut out = Vec::new();
    for &(contig, span) in regions {
        for start in (span.start..span.end).step_by(TILE as usize) {
            let span = Span::new(start, span.end.min(start + TILE));
            out.push(Tile { contig, span });
        }
    }
    out
}

/// First round: what the reads of a tile show.
fn survey_tile(context: &Context, tile: Tile) -> Result<Survey> {
    let wide = tile.span.widened(MARGIN, context.length(tile.contig));
    let load = context.load(&context.tumor, tile.contig, wide)?;
    let around = Stretch::fetch(
        context.reference,
        tile.contig,
        wide.widened(MARGIN, context.length(tile.contig)),
    );
    let (bases, cigars, segments) = active::segments(&load, tile.span.start);
    let settings = Settings {
        width: tile.span.len(),
        min_quality: u32::from(context.options.min_base_quality),
    };
    let counts = context.device.run(
        |gpu| gpu.pileup(&bases, &cigars, &segments, settings),
        |cpu| cpu.pileup(&bases, &cigars, &segments, settings),
    )?;
    let mut survey = active::survey(&load, &counts, settings, tile.span, &around);
    if context.options.gvcf {
        survey.certainty = gvcf::certainties(&counts, tile.span, &around);
    }
    Ok(survey)
}

/// Second round: windows, each with the tile in which its first allele stands.
fn plan(
    context: &Context,
    regions: &[(ContigId, Span)],
    tiles: &[Tile],
    surveys: &[Survey],
    slippage: &Slippage,
) -> Plan {
    let mut plan = Plan::default();
    let mut contigs: Vec<ContigId> = regions.iter().map(|r| r.0).collect();
    contigs.dedup();
    for contig in contigs {
        let active: Vec<&Suspect> = tiles
            .iter()
            .zip(surveys)
            .filter(|(t, _)| t.contig == contig)
            .flat_map(|(_, s)| &s.suspects)
            .filter(|s| active::is_active(s, slippage, context.germline()))
            .collect();
        let torn: Vec<&Clipped> = tiles
            .iter()
            .zip(surveys)
            .filter(|(t, _)| t.contig == contig)
            .flat_map(|(_, s)| &s.clipped)
            .filter(|c| active::is_torn(c, context.germline()))
            .collect();
        let inside = |v: &Variant| {
            regions
                .iter()
                .any(|r| r.0 == contig && v.contig == contig && r.1.contains(v.pos))
        };
        let forced: Vec<Suspect> = context
            .asked
            .iter()
            .filter(|(_, v)| inside(v))
            .map(|(_, v)| {
                let wide = v.span().widened(MARGIN, context.length(contig));
                active::forced(v, &Stretch::fetch(context.reference, contig, wide))
            })
            .collect();
        // Once for each allele, asked for or seen.
        let mut active = active;
        active.extend(&forced);
        for window in active::windows(&active, &torn, context.length(contig)) {
            let first = window.home;
            // The last tile that starts at or before it; tiles are sorted.
            let home = tiles.partition_point(|t| (t.contig, t.span.start) <= (contig, first.0)) - 1;
            assert!(
                tiles[home].span.contains(first),
                "a sign stands in the tile that showed it"
            );
            if context.ploidy.at(contig, Pos(window.core.start)) > 0 {
                plan.add(contig, home, window);
            }
        }
    }
    plan
}

/// Third round: what comes of a unit's windows, and in how many of these there were too many fragments.
fn call_windows(context: &Context, unit: &Unit, learned: &Learned) -> Result<(Vec<Decided>, u64)> {
    let Unit { contig, windows } = unit;
    let contig = *contig;
    let start = windows.iter().map(|w| w.span.start).min().unwrap_or(0);
    let end = windows.iter().map(|w| w.span.end).max().unwrap_or(0);
    let span = Span::new(start, end);
    // Assembly looks a little further.
    let reads = span.widened(64, context.length(contig));
    let tumor = context.load(&context.tumor, contig, reads)?;
    let normal = match &context.normal {
        Some(bam) => Some(context.load(bam, contig, reads)?),
        None => None,
    };
    let wide = span.widened(2 * MARGIN, context.length(contig));
    let around = Stretch::fetch(context.reference, contig, wide);
    let samples: Vec<&Load> = std::iter::once(&tumor).chain(&normal).collect();
    let mut jobs = Jobs::default();
    let mut asked = Vec::new();
    for w in windows {
        let mut w = w.clone();
        assemble::enrich(&mut w, &samples, &around, context.germline());
        let haplotypes = haplotype::haplotypes(&w, &samples, &around, &learned.slippage);
        let of_samples: Vec<_> = samples
            .iter()
            .map(|load| jobs.ask(&w, &haplotypes, load, &around))
            .collect();
        asked.push((w, haplotypes, of_samples));
    }
    let results = likelihoods(context, &jobs)?;
    let mut decided = Vec::new();
    let mut capped = 0;
    for (planned, (window, haplotypes, of_samples)) in windows.iter().zip(asked) {
        let most = context.options.max_fragments;
        let weighed: Vec<_> = of_samples
            .iter()
            .zip(&samples)
            .map(|(a, load)| haplotype::weigh(a, &results, load, most))
            .collect();
        capped += u64::from(
            of_samples
                .iter()
                .zip(&samples)
                .any(|(a, l)| a.fragments(l) > most),
        );
        let found = decide::Found {
            window: &window,
            haplotypes: &haplotypes,
            weighed: &weighed,
            loads: &samples,
            around: &around,
            slippage: &learned.slippage,
            damage: &learned.damage,
            background: &context.background,
            copies: context.ploidy.at(contig, Pos(window.core.start)),
        };
        let (calls, leaning) = if context.germline() {
            found.germline()
        } else {
            (found.somatic(), Vec::new())
        };
        decided.push(Decided {
            contig,
            core: planned.core,
            calls,
            leaning,
        });
    }
    Ok((decided, capped))
}

/// The likelihoods of all jobs: from the device, or, to measure that, in double precision.
fn likelihoods(context: &Context, jobs: &Jobs) -> Result<Vec<LogLik>> {
    let (reads, haplotypes) = (pack_words(&jobs.reads), pack_words(&jobs.haplotypes));
    let fixed = context.device.run(
        |gpu| gpu.pairhmm(&reads, &haplotypes, &jobs.jobs),
        |cpu| cpu.pairhmm(&reads, &haplotypes, &jobs.jobs),
    )?;
    if !context.options.exact {
        return Ok(fixed);
    }
    let exact: Vec<f64> = jobs
        .jobs
        .iter()
        .map(|&j| pairhmm::exact(&reads, &haplotypes, j))
        .collect();
    let differences = exact.iter().zip(&fixed).map(|(e, f)| (e - f.phred()).abs());
    let worst = differences.fold(0.0, f64::max);
    let mut so_far = context.exactness.lock().expect("nobody panics with it");
    so_far.pairs += exact.len() as u64;
    so_far.worst = so_far.worst.max(worst);
    Ok(exact.into_iter().map(LogLik::of_phred).collect())
}

/// Writes the VCF with its index, and the depth.
fn write(
    context: &Context,
    plan: &Plan,
    tiles: &[Tile],
    surveys: &[Survey],
    calls: &[Call],
    learned: &Learned,
) -> Result<PathBuf> {
    let options = context.options;
    let mut names = vec![context.tumor.sample.name.clone()];
    if let Some(normal) = &context.normal {
        let same = normal.sample.name == names[0];
        names.push(if same {
            format!("{}_normal", normal.sample.name)
        } else {
            normal.sample.name.clone()
        });
    }
    let contigs: Vec<(&str, u32)> = context
        .reference
        .contigs()
        .iter()
        .map(|c| (c.name.as_str(), c.length))
        .collect();
    let of_call = |c: &Call| c.line(context.reference, options.gvcf);
    let mut lines: Vec<vcf::Line> = calls.iter().map(of_call).collect();
    if options.gvcf {
        let between = gvcf::lines(context, plan, tiles, surveys, calls, &learned.slippage);
        lines.extend(between);
        lines.sort_by_key(|l| (l.contig, l.start));
    }
    let limit = (!context.germline()).then(|| loci::typical(context, tiles, surveys, learned));
    let header = record::header(context, &names, limit.as_deref());
    let depth_file = vcf::sibling(&options.output, ".depth.bed.gz");
    vcf::write_bgzf(&depth_file, &depth_lines(context.reference, tiles, surveys))?;
    if !context.asked.is_empty() {
        let table = loci::table(context, plan, tiles, surveys, calls, learned);
        Output::write(
            &vcf::sibling(&options.output, ".loci.tsv"),
            table.as_bytes(),
        )?;
    }
    vcf::write_indexed(&options.output, &header, &contigs, &lines)?;
    Ok(depth_file)
}

/// Runs of equal depth within each region, zeros included.
fn depth_lines(reference: &Reference, tiles: &[Tile], surveys: &[Survey]) -> String {
    let mut text = String::new();
    let mut run: Option<(ContigId, Span, u32)> = None;
    let mut put = |run: Option<(ContigId, Span, u32)>| {
        if let Some((contig, span, depth)) = run {
            let name = &reference.contig(contig).name;
            let _ = writeln!(text, "{name}\t{}\t{}\t{depth}", span.start, span.end);
        }
    };
    for (tile, survey) in tiles.iter().zip(surveys) {
        for (p, &depth) in (tile.span.start..).zip(&survey.depth) {
            match &mut run {
                Some((c, s, d)) if *c == tile.contig && s.end == Pos(p).0 && *d == depth => {
                    s.end += 1;
                }
                _ => {
                    put(run.take());
                    run = Some((tile.contig, Span::new(p, p + 1), depth));
                }
            }
        }
    }
    put(run);
    text
}
