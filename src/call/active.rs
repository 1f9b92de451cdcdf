//! Where is something going on? Pileup counts become suspects; once the sample has shown how often
//! its repeats slip, suspects become sites, and sites that stand close become windows.

use super::allele::{Stretch, indels, reach};
use super::damage::DamageCounts;
use super::gvcf::Certainty;
use super::math::ln_choose;
use super::reads::Load;
use super::repeats::{Repeat, SlipCounts, Slippage};
use crate::domain::bases::LETTERS;
use crate::domain::{CigarOp, Pos, Span, Variant, code_of};
use crate::kernel::pileup::{self, Segment, Settings};
use std::collections::BTreeMap;

/// Evidence for an allele, in the words of the pileup.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Suspect {
    /// The allele, normalized.
    pub variant: Variant,
    /// Fragments that show it.
    pub count: u32,
    /// Fragments that cover the place.
    pub depth: u32,
    /// Mean phred of the bases that show it; for indels, of an ordinary indel error.
    pub quality: u32,
    /// The repeat whose length it changes.
    pub repeat: Option<Repeat>,
    /// Where it could stand as well, and the repeats that this touches.
    pub reach: Span,
    /// It is to be asked whatever the reads show.
    pub forced: bool,
}

impl Suspect {
    /// Phred that one fragment shows it by error, a slip of its repeat among them.
    pub fn error_quality(&self, slippage: &Slippage) -> f64 {
        self.repeat.map_or(f64::from(self.quality), |r| {
            let slips = slippage.rate_of(r, r.units_added(&self.variant));
            f64::from(self.quality).min(-10.0 * slips.log10())
        })
    }
}

/// A place at which reads stop to fit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Clipped {
    /// First base that does not fit, or the last one, counted from 0.
    pub pos: Pos,
    /// Reads that are clipped here.
    pub count: u32,
    /// Fragments that cover the place.
    pub depth: u32,
}

/// What one tile of the panel shows.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Survey {
    /// By position, then allele.
    pub suspects: Vec<Suspect>,
    /// Fragments usable for calling at each base.
    pub depth: Vec<u32>,
    /// How sure the reference is at each base, if that is to be written.
    pub certainty: Vec<Certainty>,
    /// Places at which so many reads are clipped, by position.
    pub clipped: Vec<Clipped>,
    /// What the tile adds to the count of wrong copies.
    pub damage: DamageCounts,
    /// What the tile's repeats add to the count of slips.
    pub slips: SlipCounts,
}

/// A stretch that is called as one, with the alleles to weigh in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Window {
    /// The contig and, once widened, all that haplotypes spell.
    pub span: Span,
    /// From the first allele's reach to the last one's.
    pub core: Span,
    /// Sorted.
    pub alleles: Vec<Variant>,
    /// Sets of alleles, as bits, that haplotypes put together from reads carry.
    pub assembled: Vec<u32>,
    /// The alleles, as bits, that are told of whatever the reads show.
    pub forced: u32,
    /// Where the first sign of it stands: the tile that holds this place calls the window.
    pub home: Pos,
    /// It may not grow beyond this: there the neighbouring windows begin.
    pub room: Span,
}

/// Phred of an insertion or deletion that no repeat explains.
const INDEL_QUALITY: u32 = 40;
/// log10 odds of the pileup from which a place is looked at closely (Mutect2's default).
const ACTIVE: f64 = 2.0;
/// Sites this close are called together: an alignment artefact beside an indel is that near.
pub const NEAR: u32 = 20;
/// Windows are cut at their widest gap when they grow longer than this.
const LONGEST_CORE: u32 = 120;
/// A window takes this many alleles, those with the most support.
const MOST_ALLELES: usize = 14;
/// With the alleles that are asked for, a window takes this many.
const MOST_WITH_FORCED: usize = 24;
/// A group that asks for more than this is cut where it can be.
const MANY_FORCED: usize = 12;
/// Haplotypes reach this far beyond the outermost allele.
const FLANK: u32 = 16;

/// Puts reads into the pileup's arrays: bases, CIGARs, segments relative to `start`.
pub fn segments(load: &Load, start: u32) -> (Vec<u32>, Vec<u32>, Vec<Segment>) {
    let (mut bytes, mut cigars, mut segments) = (Vec::new(), Vec::new(), Vec::new());
    for read in &load.reads {
        segments.push(Segment {
            start: read.start as i32 - start as i32,
            bases: bytes.len() as u32,
            cigar: cigars.len() as u32,
            cigar_len: read.cigar.len() as u32,
            flags: u32::from(read.reverse) | u32::from(read.mapq) << 8,
        });
        bytes.extend(read.counted_bytes());
        cigars.extend(read.cigar.iter().map(|&(n, op)| n << 4 | op as u32));
    }
    (crate::kernel::pairhmm::pack_words(&bytes), cigars, segments)
}

/// Reads a tile's counters. `counts` are those of `tile`; `around` reaches beyond it.
pub fn survey(load: &Load, counts: &[u32], s: Settings, tile: Span, around: &Stretch) -> Survey {
    let width = s.width as usize;
    let at = |plane: usize, i: usize| counts[plane * width + i];
    let mut out = Survey::default();
    let mut shown: Vec<[u32; 4]> = Vec::with_capacity(width);
    for i in 0..width {
        let bases: [u32; 4] = std::array::from_fn(|b| {
            at(pileup::COUNT + 2 * b, i) + at(pileup::COUNT + 2 * b + 1, i)
        });
        shown.push(bases);
        let depth = bases.iter().sum::<u32>() + at(pileup::DELETED, i);
        out.depth.push(depth);
        let position = tile.start + i as u32;
        let of_reference = code_of(around.at(position));
        if of_reference > 3 {
            continue;
        }
        for (b, &count) in bases.iter().enumerate() {
            if count < 2 || b == usize::from(of_reference) {
                continue;
            }
            let quality = at(pileup::QUALITY + b, i) / count;
            out.suspects.push(Suspect {
                variant: Variant {
                    contig: around.contig,
                    pos: Pos(position),
                    reference: vec![around.at(position)],
                    alternate: vec![LETTERS[b]],
                },
                count,
                depth,
                quality,
                repeat: None,
                reach: Span::new(position, position + 1),
                forced: false,
            });
        }
    }
    out.damage.observe(load, tile, around, &shown);
    let seen = observed_indels(load, around);
    let depth_at = |p: u32| out.depth.get(p.wrapping_sub(tile.start) as usize).copied();
    let repeats = super::repeats::find(around);
    for repeat in repeats
        .iter()
        .filter(|r| tile.contains(Pos(r.span.start.wrapping_sub(1))))
    {
        let depth = depth_at(repeat.span.start - 1).unwrap_or(0);
        let slipped = seen
            .range(repeat.anchor_range(around))
            .filter(|(v, _)| repeat.is_slip(v))
            .map(|(_, n)| n)
            .sum();
        out.slips.observe(*repeat, slipped, depth);
    }
    out.clipped = super::clips::places(load)
        .into_iter()
        .filter_map(|(pos, count)| {
            let depth = depth_at(pos.0)?.max(count);
            Some(Clipped { pos, count, depth })
        })
        .collect();
    for (variant, count) in seen {
        if let (true, Some(depth)) = (count >= 2, depth_at(variant.pos.0)) {
            out.suspects.push(Suspect {
                repeat: super::repeats::changed_by(&repeats, &variant),
                reach: super::repeats::with_touched(&repeats, reach(&variant, around)),
                variant,
                count,
                depth: depth.max(count),
                quality: INDEL_QUALITY,
                forced: false,
            });
        }
    }
    out.suspects.sort_by(|a, b| a.variant.cmp(&b.variant));
    out
}

/// Insertions and deletions in the reads' alignments, each with the number of fragments that show it.
fn observed_indels(load: &Load, around: &Stretch) -> BTreeMap<Variant, u32> {
    let mut by_fragment: Vec<(Variant, u32)> = Vec::new();
    for read in &load.reads {
        if read
            .cigar
            .iter()
            .any(|c| matches!(c.1, CigarOp::Insertion | CigarOp::Deletion))
        {
            by_fragment.extend(indels(read, around).into_iter().map(|v| (v, read.fragment)));
        }
    }
    for (variant, fragments) in super::clips::indels(load, around) {
        by_fragment.extend(fragments.into_iter().map(|f| (variant.clone(), f)));
    }
    by_fragment.sort();
    by_fragment.dedup();
    let mut counts = BTreeMap::new();
    for (v, _) in by_fragment {
        *counts.entry(v).or_insert(0) += 1;
    }
    counts
}

/// log10 odds of "`count` of `depth` fragments carry an allele at some fraction" over "all of them
/// are errors of this phred": Mutect2's pileup formula with every such fragment taken for a carrier.
pub fn log_odds(count: u32, depth: u32, quality: f64) -> f64 {
    let cost = (f64::from(depth) + 1.0).ln() + ln_choose(depth, count);
    f64::from(count) * quality / 10.0 - cost / std::f64::consts::LN_10
}

/// Is it worth a closer look? In a germline sample any allele of a tenth or more is: whether repeats
/// slip or vary is for the genotypes to say.
pub fn is_active(s: &Suspect, slippage: &Slippage, germline: bool) -> bool {
    if germline {
        return s.count * 10 >= s.depth
            && (s.repeat.is_some() || log_odds(s.count, s.depth, f64::from(s.quality)) > ACTIVE);
    }
    log_odds(s.count, s.depth, s.error_quality(slippage)) > ACTIVE
}

/// Are enough reads clipped at one place to look for what they show?
pub fn is_torn(c: &Clipped, germline: bool) -> bool {
    let share = if germline { 8 } else { 100 };
    c.count >= 3 && c.count * share >= c.depth
}

/// A sign that something is going on: an active suspect, or a place where reads are clipped.
struct Sign<'a> {
    suspect: Option<&'a Suspect>,
    home: Pos,
    reach: Span,
}

/// The sign of an allele that is to be asked; `v` is normalized.
pub fn forced(v: &Variant, around: &Stretch) -> Suspect {
    let repeats = super::repeats::find(around);
    Suspect {
        variant: v.clone(),
        count: 0,
        depth: 0,
        quality: INDEL_QUALITY,
        repeat: super::repeats::changed_by(&repeats, v),
        reach: super::repeats::with_touched(&repeats, reach(v, around)),
        forced: true,
    }
}

/// Joins active suspects and torn places of one contig to windows. `length` is the contig's.
pub fn windows(active: &[&Suspect], torn: &[&Clipped], length: u32) -> Vec<Window> {
    let of_suspects = active.iter().map(|s| Sign {
        suspect: Some(s),
        home: s.variant.pos,
        reach: s.reach,
    });
    let of_clips = torn.iter().map(|c| Sign {
        suspect: None,
        home: c.pos,
        reach: Span::new(c.pos.0, c.pos.0 + 1),
    });
    let mut sorted: Vec<Sign> = of_suspects.chain(of_clips).collect();
    sorted.sort_by_key(|s| (s.reach.start, s.reach.end));
    let mut groups: Vec<Vec<Sign>> = Vec::new();
    let mut end = 0;
    for s in sorted {
        let reach = s.reach;
        match groups.last_mut() {
            Some(group) if reach.start <= end + NEAR => group.push(s),
            _ => {
                groups.push(vec![s]);
                end = 0;
            }
        }
        end = end.max(reach.end);
    }
    let mut windows: Vec<Window> = groups
        .into_iter()
        .flat_map(cut_long)
        .map(|g| window(&g, length))
        .collect();
    for i in 1..windows.len() {
        windows[i - 1].room.end = windows[i].core.start;
        windows[i].room.start = windows[i - 1].core.end;
    }
    windows
}

/// Cuts a group that is too long, or asks for too much, at its widest gap, again and again.
fn cut_long(mut group: Vec<Sign>) -> Vec<Vec<Sign>> {
    let end_of = |g: &[Sign]| g.iter().map(|s| s.reach.end).max().unwrap_or(0);
    let forced = group.iter().filter_map(|s| s.suspect).filter(|s| s.forced);
    if end_of(&group) - group[0].reach.start <= LONGEST_CORE && forced.count() <= MANY_FORCED {
        return vec![group];
    }
    let gap = |i: usize| {
        let start = group[i].reach.start;
        start.saturating_sub(end_of(&group[..i]))
    };
    // The first of the widest gaps that are wider than a codon; without any, the group stays whole.
    let widest = (1..group.len())
        .rev()
        .max_by_key(|&i| gap(i))
        .filter(|&i| gap(i) > 3);
    match widest {
        None => vec![group],
        Some(i) => {
            let right = group.split_off(i);
            let mut out = cut_long(group);
            out.extend(cut_long(right));
            out
        }
    }
}

fn window(group: &[Sign], length: u32) -> Window {
    let mut ranked: Vec<&Suspect> = group.iter().filter_map(|s| s.suspect).collect();
    let order = |a: &&Suspect, b: &&Suspect| {
        b.count
            .cmp(&a.count)
            .then_with(|| a.variant.cmp(&b.variant))
    };
    ranked.sort_by(order);
    // What is seen goes first, so that nothing that is asked for can hide it.
    let (mut forced, mut ranked): (Vec<&Suspect>, Vec<&Suspect>) =
        ranked.into_iter().partition(|s| s.forced);
    ranked.truncate(MOST_ALLELES);
    let is_seen = |f: &Suspect| ranked.iter().any(|s| s.variant == f.variant);
    let mut room = MOST_WITH_FORCED - ranked.len();
    forced.retain(|f| {
        let fits = is_seen(f) || room > 0;
        room -= usize::from(fits && !is_seen(f));
        fits
    });
    ranked.retain(|s| forced.iter().all(|f| f.variant != s.variant));
    ranked.extend(&forced);
    let reaches = || {
        let of_clips = group.iter().filter(|s| s.suspect.is_none());
        let of_alleles = ranked.iter().map(|s| s.reach);
        of_clips.map(|s| s.reach).chain(of_alleles)
    };
    let start = reaches().map(|r| r.start).min().unwrap_or(0);
    let end = reaches().map(|r| r.end).max().unwrap_or(0);
    let core = Span::new(start, end);
    let mut alleles: Vec<Variant> = ranked.into_iter().map(|s| s.variant.clone()).collect();
    alleles.sort();
    let forced = alleles.iter().enumerate().fold(0, |set, (k, v)| {
        set | u32::from(forced.iter().any(|f| f.variant == *v)) << k
    });
    Window {
        span: core.widened(FLANK, length),
        core,
        alleles,
        assembled: Vec::new(),
        forced,
        room: Span::new(0, length),
        home: group.iter().map(|s| s.home).min().unwrap_or(Pos(start)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::ContigId;

    fn suspect(position: u32, count: u32, depth: u32, quality: u32) -> Suspect {
        Suspect {
            variant: Variant {
                contig: ContigId(0),
                pos: Pos(position),
                reference: b"A".to_vec(),
                alternate: b"C".to_vec(),
            },
            count,
            depth,
            quality,
            repeat: None,
            reach: Span::new(position, position + 1),
            forced: false,
        }
    }

    #[test]
    fn thresholds_rise_with_depth_and_fall_with_quality() {
        let s = Slippage::default();
        let active = |c, d, q| is_active(&suspect(0, c, d, q), &s, false);
        assert!(active(2, 30, 37));
        assert!(!active(2, 1000, 37));
        assert!(active(5, 1000, 37));
        assert!(!active(5, 1000, 20));
        assert!(active(25, 500, 30));
        assert!(
            !is_active(&suspect(0, 5, 100, 37), &s, true),
            "not a germline fraction"
        );
    }

    #[test]
    fn a_long_repeat_slips_by_one_unit_but_hardly_by_five() {
        let repeat = Repeat {
            span: Span::new(11, 30),
            period: 1,
        };
        let of = |alternate: &[u8]| Suspect {
            variant: Variant {
                alternate: alternate.to_vec(),
                ..suspect(10, 0, 0, 0).variant
            },
            repeat: Some(repeat),
            ..suspect(10, 40, 400, INDEL_QUALITY)
        };
        let s = Slippage::default();
        assert!(!is_active(&of(b"AA"), &s, false));
        assert!(is_active(&of(b"AA"), &s, true), "genotypes will tell");
        assert!(is_active(&of(b"AAAAAA"), &s, false));
    }

    #[test]
    fn near_sites_share_a_window_and_long_ones_are_cut_at_the_widest_gap() {
        let all: Vec<Suspect> = [100, 110, 200, 215, 230, 249, 262, 275, 292, 310, 325]
            .map(|p| suspect(p, 9, 30, 37))
            .to_vec();
        let w = windows(&all.iter().collect::<Vec<_>>(), &[], 1000);
        let cores: Vec<(u32, u32)> = w.iter().map(|w| (w.core.start, w.core.end)).collect();
        assert_eq!(cores, [(100, 111), (200, 231), (249, 326)]);
        assert_eq!(w[0].span, Span::new(84, 127));
    }
}
