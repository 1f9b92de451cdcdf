//! The panel between the variants: stretches in which the reference is about equally sure, one `<*>`
//! record each (VCF 4.4 §5.5).

use super::active::Survey;
use super::allele::Stretch;
use super::record::Call;
use super::repeats::Slippage;
use super::shard::Plan;
use super::{Context, Tile};
use crate::domain::{ContigId, Pos, Span, code_of};
use crate::format::vcf::Line;
use crate::kernel::pileup;
use std::collections::BTreeMap;

/// ALT of an allele that nobody listed.
pub const UNLISTED: &str = "<*>";
/// Qualities from here on have bands of ten; those below have one each (GATK's default).
const COARSE: u32 = 60;
/// Quality of a genotype, at most.
const MOST: u32 = 99;

/// Phred by which "no copy differs from the reference" is likelier than "one of two does", and than "all
/// do"; 0 where it is not likelier.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Certainty {
    one: u16,
    all: u16,
}

/// So many bases, and the phred of each.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
struct Shown {
    count: u32,
    quality: f64,
}

impl Certainty {
    /// Every base is an error with the chance that its quality says, and then one of three others.
    fn of(reference: Shown, other: Shown) -> Certainty {
        // log10 likelihoods of all bases, if so many of two copies are other ones.
        let likelihood = |copies: u32| {
            let share = f64::from(copies) / 2.0;
            let of = |shown: Shown, share: f64| {
                let error = 10f64.powf(-shown.quality / 10.0).min(0.75);
                let each = share * (1.0 - error) + (1.0 - share) * error / 3.0;
                f64::from(shown.count) * each.log10()
            };
            of(reference, 1.0 - share) + of(other, share)
        };
        let over = |copies: u32| (10.0 * (likelihood(0) - likelihood(copies))).round() as u16;
        Certainty {
            one: over(1),
            all: over(2),
        }
    }

    fn least(self, other: Certainty) -> Certainty {
        Certainty {
            one: self.one.min(other.one),
            all: self.all.min(other.all),
        }
    }

    /// Phred-scaled likelihoods, in VCF's order.
    fn likelihoods(self, copies: usize) -> Vec<u16> {
        match copies {
            2 => vec![0, self.one, self.all],
            _ => vec![0, self.all],
        }
    }

    fn quality(self, copies: usize) -> u32 {
        let others = &self.likelihoods(copies)[1..];
        u32::from(others.iter().copied().min().unwrap_or(0)).min(MOST)
    }
}

/// How sure each base of a tile is by the bases that reads show there; `counts` are its counters.
pub fn certainties(counts: &[u32], tile: Span, around: &Stretch) -> Vec<Certainty> {
    let width = tile.len() as usize;
    let certainty = |i: usize| {
        let at = |plane: usize| counts[plane * width + i];
        let letter = code_of(around.at(tile.start + i as u32));
        if letter > 3 {
            return Certainty::default();
        }
        let shown = |is_reference: bool| {
            let letters = (0..4).filter(|&b| (b == usize::from(letter)) == is_reference);
            let (mut count, mut sum) = (0, 0);
            for b in letters {
                count += at(pileup::COUNT + 2 * b) + at(pileup::COUNT + 2 * b + 1);
                sum += at(pileup::QUALITY + b);
            }
            Shown {
                count,
                quality: f64::from(sum) / f64::from(count.max(1)),
            }
        };
        Certainty::of(shown(true), shown(false))
    };
    (0..width).map(certainty).collect()
}

/// How sure a tile's bases are by the gaps that reads show behind them.
fn by_gaps(survey: &Survey, slippage: &Slippage) -> BTreeMap<u32, Certainty> {
    let mut out = BTreeMap::new();
    for s in survey.suspects.iter().filter(|s| s.variant.is_indel()) {
        let reference = Shown {
            count: s.depth - s.count,
            quality: f64::from(s.quality),
        };
        let gapped = Shown {
            count: s.count,
            quality: s.error_quality(slippage),
        };
        let certainty = Certainty::of(reference, gapped);
        out.entry(s.variant.pos.0)
            .and_modify(|c: &mut Certainty| *c = c.least(certainty))
            .or_insert(certainty);
    }
    out
}

/// Bases of one band, side by side.
#[derive(Clone, Debug)]
struct Block {
    contig: ContigId,
    span: Span,
    copies: usize,
    band: u32,
    certainty: Certainty,
    depths: Vec<u32>,
}

/// The lowest quality of a quality's band.
fn band(quality: u32) -> u32 {
    match quality {
        COARSE..MOST => quality / 10 * 10,
        _ => quality,
    }
}

/// The blocks of a panel, or of a shard's part of it: they and the records of `calls`, which are sorted,
/// cover each of its bases once. No block goes on where a shard's part might end, so that shards end their
/// blocks where one run does.
pub(super) fn lines(
    context: &Context,
    plan: &Plan,
    tiles: &[Tile],
    surveys: &[Survey],
    calls: &[Call],
    slippage: &Slippage,
) -> Vec<Line> {
    let mut lines = Vec::new();
    let mut open: Option<Block> = None;
    let mut calls = calls.iter().peekable();
    let mut called = (ContigId(0), 0); // up to here
    let own = plan.own(context.options.shard, tiles.len());
    let mut owner = None;
    for (rank, (tile, survey)) in tiles.iter().zip(surveys).enumerate() {
        let gaps = by_gaps(survey, slippage);
        let sites = survey.depth.iter().zip(&survey.certainty);
        for (p, (&depth, &certainty)) in (tile.span.start..).zip(sites) {
            let reached = |c: &&Call| (c.variant.contig, c.variant.pos.0) <= (tile.contig, p);
            while let Some(call) = calls.next_if(reached) {
                called = called.max((call.variant.contig, call.variant.span().end));
            }
            let here = plan.owner(tile.contig, p, rank);
            if owner.replace(here) != Some(here) {
                lines.extend(open.take().map(|block| block.line(context)));
            }
            if !own[here] || (tile.contig, p) < called {
                continue;
            }
            let site = site(context, tile.contig, p, depth, certainty, gaps.get(&p));
            match &mut open {
                Some(block) if block.takes(&site) => block.add(&site),
                _ => lines.extend(open.replace(site).map(|block| block.line(context))),
            }
        }
    }
    lines.extend(open.map(|block| block.line(context)));
    lines
}

/// A block of one base.
fn site(
    context: &Context,
    contig: ContigId,
    position: u32,
    depth: u32,
    certainty: Certainty,
    gap: Option<&Certainty>,
) -> Block {
    let copies = context.ploidy.at(contig, Pos(position));
    let certainty = match copies {
        0 => Certainty::default(),
        _ => gap.map_or(certainty, |g| certainty.least(*g)),
    };
    let copies = copies.max(1);
    Block {
        contig,
        span: Span::new(position, position + 1),
        copies,
        band: band(certainty.quality(copies)),
        certainty,
        depths: vec![depth],
    }
}

impl Block {
    fn takes(&self, next: &Block) -> bool {
        let follows = self.contig == next.contig && self.span.end == next.span.start;
        follows && (self.copies, self.band) == (next.copies, next.band)
    }

    fn add(&mut self, next: &Block) {
        self.span.end = next.span.end;
        self.certainty = self.certainty.least(next.certainty);
        self.depths.extend(&next.depths);
    }

    fn line(mut self, context: &Context) -> Line {
        self.depths.sort_unstable();
        let quality = self.certainty.quality(self.copies);
        let letter = if quality > 0 { "0" } else { "." };
        let first = context
            .reference
            .bases(self.contig, Span::new(self.span.start, self.span.start + 1));
        let likelihoods = self.certainty.likelihoods(self.copies);
        let likelihoods: Vec<String> = likelihoods.iter().map(ToString::to_string).collect();
        let text = format!(
            "{}\t{}\t.\t{}\t{UNLISTED}\t.\t.\tEND={}\tGT:GQ:DP:MIN_DP:PL\t{}:{quality}:{}:{}:{}",
            context.reference.contig(self.contig).name,
            Pos(self.span.start).one_based(),
            String::from_utf8_lossy(&first),
            self.span.end,
            vec![letter; self.copies].join("/"),
            self.depths[self.depths.len() / 2],
            self.depths[0],
            likelihoods.join(","),
        );
        Line {
            contig: self.contig.index(),
            start: self.span.start,
            end: self.span.end,
            text,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn certainty(reference: u32, other: u32) -> Certainty {
        let shown = |count| Shown {
            count,
            quality: 30.0,
        };
        Certainty::of(shown(reference), shown(other))
    }

    #[test]
    fn each_reference_base_adds_three_phred_against_one_copy_and_its_quality_against_all() {
        let ten = certainty(10, 0);
        assert_eq!(ten.one, 30, "10 log10(2) each");
        assert_eq!(ten.all, 348, "30 phred and one of three others each");
        assert_eq!((ten.quality(2), ten.quality(1)), (30, 99));
        assert_eq!(ten.likelihoods(2), [0, 30, 348]);
        assert_eq!(ten.likelihoods(1), [0, 348]);
    }

    #[test]
    fn other_bases_take_certainty_away_and_nothing_is_sure_without_bases() {
        assert!(certainty(10, 1).one < certainty(9, 0).one);
        assert_eq!(certainty(5, 5).one, 0);
        assert_eq!(certainty(0, 5), Certainty::default());
        assert_eq!(certainty(0, 0), Certainty::default());
    }

    #[test]
    fn bands_are_single_up_to_sixty_then_ten_wide() {
        let bands = [0, 1, 59, 60, 69, 70, 98, 99].map(band);
        assert_eq!(bands, [0, 1, 59, 60, 60, 70, 90, 99]);
    }
}
