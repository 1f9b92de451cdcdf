//! What became of each allele that was asked for: detected, not detected at or above a fraction, or
//! not assessed and why. What was not seen is never called absent.

use super::allele::{Stretch, normalized};
use super::damage::View;
use super::limit::{interval, limit};
use super::record::Call;
use super::shard::Plan;
use super::{CallOptions, Context, Learned, MARGIN, Survey, Tile};
use crate::Result;
use crate::domain::quality::error_of;
use crate::domain::{Pos, Span, Variant};
use crate::format::loci::{self, Locus};
use crate::genome::Reference;
use std::collections::HashSet;
use std::fmt::Write;

/// The alleles of the user's file, then those of the knowledge that it has not, each with its normalized
/// allele.
///
/// # Errors
/// As [`loci::read`].
pub(super) fn asked(options: &CallOptions, reference: &Reference) -> Result<Vec<(Locus, Variant)>> {
    let normal = |locus: Locus| {
        let normal = normalized(locus.variant.clone(), reference);
        (locus, normal)
    };
    let of_file = match &options.force {
        None => Vec::new(),
        Some(path) => loci::read(path, reference)?,
    };
    let mut out: Vec<(Locus, Variant)> = of_file.into_iter().map(normal).collect();
    let known: HashSet<Variant> = out.iter().map(|(_, v)| v.clone()).collect();
    let others = options.actionable.loci.iter().cloned().map(normal);
    out.extend(others.filter(|(_, v)| !known.contains(v)));
    Ok(out)
}

/// The columns of the table.
const COLUMNS: &str = "#contig\tposition\tid\tref\talt\tstatus\tfraction\tfraction_low\tfraction_high\t\
    support\tdepth\tlimit\treason\n";

/// What stands for a line that is another shard's to give.
pub const ELSEWHERE: &str = "other_shard";

/// A line for each allele that was asked for, in the order of the file. `limit` is the smallest
/// fraction that would have been called here with 95 % power. Of what another shard calls, it says
/// [`ELSEWHERE`] alone.
pub(super) fn table(
    context: &Context,
    plan: &Plan,
    tiles: &[Tile],
    surveys: &[Survey],
    calls: &[Call],
    learned: &Learned,
) -> String {
    let mut text = COLUMNS.to_string();
    for (locus, v) in &context.asked {
        if !plan.answers(context.options.shard, v, tiles) {
            let _ = writeln!(text, "{ELSEWHERE}");
            continue;
        }
        let given = &locus.variant;
        let letters = |b: &[u8]| String::from_utf8_lossy(b).into_owned();
        let _ = write!(
            text,
            "{}\t{}\t{}\t{}\t{}\t",
            context.reference.contig(given.contig).name,
            given.pos.one_based(),
            locus.name,
            letters(&given.reference),
            letters(&given.alternate),
        );
        let depth = tiles
            .iter()
            .zip(surveys)
            .find(|(t, _)| t.contig == v.contig && t.span.contains(v.pos))
            .map(|(t, s)| s.depth[(v.pos.0 - t.span.start) as usize]);
        let limit = match depth {
            None => Err("outside the panel".to_string()),
            Some(_) if context.ploidy.at(v.contig, v.pos) == 0 => {
                Err("the sample has no copy of this contig".to_string())
            }
            Some(depth) => limit(weighed(context, depth), error(context, learned, v)),
        };
        let spelt = |c: &Call| c.variant == *v && c.others.is_empty();
        let call = calls.iter().find(|c| spelt(c));
        let depth = depth.map_or(".".into(), |d| d.to_string());
        let of_limit = limit.as_ref().map_or(".".into(), |l| format!("{l:.4}"));
        let Some(call) = call else {
            let reason = match limit {
                Err(reason) => reason,
                Ok(_) => {
                    "another allele is called there, or too many are asked for at one place".into()
                }
            };
            let _ = writeln!(
                text,
                "not_assessed\t.\t.\t.\t.\t{depth}\t{of_limit}\t{reason}"
            );
            continue;
        };
        let sample = &call.samples[0];
        let (low, high) = interval(sample.across[1], sample.across.iter().sum());
        let filters: Vec<&str> = call.filters.iter().map(|f| f.id).collect();
        let there = sample.is_variant() && filters.is_empty();
        let (status, reason) = match limit {
            _ if there => ("detected", String::new()),
            Err(reason) => ("not_assessed", reason),
            Ok(_) if sample.is_variant() => ("filtered", filters.join(";")),
            Ok(_) => ("not_detected", String::new()),
        };
        let _ = writeln!(
            text,
            "{status}\t{:.4}\t{low:.4}\t{high:.4}\t{}\t{depth}\t{of_limit}\t{}",
            sample.fraction(1),
            sample.support[1],
            if reason.is_empty() { "." } else { &reason },
        );
    }
    text
}

/// Places of the panel that [`typical`] asks.
const ASKED_FOR_TYPICAL: u64 = 1000;

/// The limits of a transition at places spread evenly over the panel, for the VCF's header: the median, the
/// ninth decile (nine places in ten have this limit or a lower one), and the share of places that have none.
pub(super) fn typical(
    context: &Context,
    tiles: &[Tile],
    surveys: &[Survey],
    learned: &Learned,
) -> String {
    let bases: u64 = tiles.iter().map(|t| u64::from(t.span.len())).sum();
    let step = bases.div_ceil(ASKED_FOR_TYPICAL).max(1) as usize;
    let places = tiles.iter().zip(surveys).flat_map(|(tile, survey)| {
        let depths = (tile.span.start..).zip(&survey.depth);
        depths.map(|(p, &depth)| (tile.contig, p, depth))
    });
    let mut limits: Vec<f64> = places
        .step_by(step)
        .filter_map(|(contig, p, depth)| {
            let around = Span::new(p, p + 1);
            let base = context.reference.bases(contig, around)[0];
            let transition = b"GATC"[b"AGCT".iter().position(|&b| b == base)?];
            let v = Variant {
                contig,
                pos: Pos(p),
                reference: vec![base],
                alternate: vec![transition],
            };
            let limit = limit(weighed(context, depth), error(context, learned, &v));
            Some(limit.unwrap_or(f64::INFINITY))
        })
        .collect();
    limits.sort_by(f64::total_cmp);
    let at = |share: usize| match limits.get(limits.len() * share / 10) {
        Some(l) if l.is_finite() => format!("{l:.4}"),
        _ => ".".into(),
    };
    let none = limits.iter().filter(|l| l.is_infinite()).count();
    let none = none as f64 / limits.len().max(1) as f64;
    format!(
        "median={},ninth_decile={},not_assessed={none:.4}",
        at(5),
        at(9)
    )
}

/// Of so many fragments, those that a window weighs.
fn weighed(context: &Context, depth: u32) -> u32 {
    let most = u32::try_from(context.options.max_fragments).unwrap_or(u32::MAX);
    depth.min(most)
}

/// The chance that one fragment shows the allele by error: what the sample's molecules say for a
/// substitution, its repeats for a gap.
fn error(context: &Context, learned: &Learned, v: &Variant) -> f64 {
    let length = context.length(v.contig);
    let wide = v.span().widened(MARGIN, length);
    let around = Stretch::fetch(context.reference, v.contig, wide);
    let repeat = super::repeats::changed_by(&super::repeats::find(&around), v);
    // What one base lets believe, as one of three wrong ones, and the most that a fragment may count for, as
    // two mates that agree or a molecule's two strands do: the pair HMM's usual qualities.
    let least = |view: View| match view {
        View {
            duplex: false,
            twice: false,
            ..
        } => error_of(37) / 3.0,
        _ => error_of(45),
    };
    let of_gap = || repeat.map_or(0.0, |r| learned.slippage.rate_of(r, r.units_added(v)));
    learned
        .damage
        .usual(v, &around, least)
        .unwrap_or_else(|| of_gap().max(error_of(40)))
}
