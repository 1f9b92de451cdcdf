//! What the fragments behind a call look like, and the soft filters that follow from it.

use super::allele::core;
use super::genotype::Locus;
use super::haplotype::Weighed;
use super::math::{binomial_tail, fisher};
use super::reads::{Load, Read};
use crate::domain::{CigarOp, Variant};

/// A soft filter: the ID in the FILTER column, and what the header says of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Filter {
    /// In the FILTER column.
    pub id: &'static str,
    /// In the header.
    pub description: &'static str,
}

macro_rules! filters {
    ($($name:ident = $id:literal, $description:literal;)*) => {
        $(
            #[doc = $description]
            pub const $name: Filter = Filter { id: $id, description: $description };
        )*
        /// All of them, as the header lists them.
        pub const ALL: &[Filter] = &[$($name),*];
    };
}

filters! {
    BASE_QUALITY = "base_qual", "Median base quality of the supporting reads below 20";
    CLUSTERED = "clustered_events", "More than 3 other calls within 50 bases";
    CONTAMINATION = "contamination", "Foreign fragments explain that this many show the allele, which other people have";
    DAMAGE = "damage", "Wrong copies of one strand (deamination, oxidation) are this frequent in this sample";
    GERMLINE = "germline", "The normal sample shows the allele, or does not exclude it";
    LOW_DEPTH = "low_depth", "Fewer than 10 usable fragments";
    LOW_QUALITY = "low_qual", "Quality below 20";
    MAPPING = "map_qual", "Median mapping quality of the supporting reads below 30";
    NORMAL_DEPTH = "normal_depth", "Fewer than 8 usable fragments in the normal sample";
    NORMALS = "normals", "The panel of normals shows the allele at fractions like this or above";
    POSITION = "position", "Supporting reads show the allele at their ends only";
    SLIPPAGE = "slippage", "A repeat loses or gains units this often in this sample";
    STRAND = "strand_bias", "Supporting reads are of one strand, others are not";
    WEAK = "weak_evidence", "Log odds (TLOD) below 6.3";
}

/// Depth below which [`LOW_DEPTH`] applies.
pub const LEAST_DEPTH: u32 = 10;
/// log10 odds below which [`WEAK`] applies.
pub const LEAST_ODDS: f64 = 6.3;
/// Chance below which a slip of this sample's repeats does not explain a count.
const SLIP_CHANCE: f64 = 1e-5;

/// What the supporting fragments of an allele look like.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Traits {
    /// Fragments that cover the place.
    pub depth: u32,
    /// Fragments that speak for the reference and for each allele.
    pub support: Vec<u32>,
    /// Of these, the fragments that cover the allele's first breakpoint: a fragment that ends inside a
    /// deletion speaks for the reference, but could not have shown the deletion, and so, the other way
    /// round, with an insertion. Fractions are made of these.
    pub across: Vec<u32>,
    /// Reads: reference forward, reference reverse, alternate forward, alternate reverse.
    pub strands: [u32; 4],
    /// Reads for each allele: of pairs whose first read has the reference's direction (F1R2), and of those
    /// whose second read has it (F2R1).
    pub orientations: [Vec<u32>; 2],
    /// Median base quality, of reads that show the allele in their alignment.
    pub base_quality: u32,
    /// Median MAPQ.
    pub mapq: u32,
    /// Median distance from the nearer end of the aligned part of the read.
    pub end_distance: u32,
}

/// Looks at the fragments of a locus. `v` gives the place; all alternates together are looked at.
pub fn traits(v: &Variant, locus: &Locus, weighed: &[Weighed], load: &Load) -> Traits {
    let mut t = Traits {
        support: locus.support(),
        ..Traits::default()
    };
    if t.support.is_empty() {
        t.support = vec![0, 0];
    }
    t.across = vec![0; t.support.len()];
    t.orientations = [t.across.clone(), t.across.clone()];
    let (mut base, mut mapq, mut distance) = (Vec::new(), Vec::new(), Vec::new());
    for (fits, w) in locus.fits.iter().zip(weighed) {
        let reads = w.reads.iter().map(|&i| &load.reads[i as usize]);
        let covering: Vec<&Read> = reads
            .filter(|r| (r.start..r.end).contains(&v.pos.0))
            .collect();
        t.depth += u32::from(!covering.is_empty());
        let Some(k) = Locus::spoken_for(fits) else {
            continue;
        };
        let across = match (v.reference.len(), v.alternate.len()) {
            (r, a) if r > a => k > 0 || !covering.is_empty(),
            (r, a) if r < a => k == 0 || !covering.is_empty(),
            _ => true,
        };
        t.across[k] += u32::from(across);
        for r in &covering {
            t.strands[usize::from(r.reverse) + if k > 0 { 2 } else { 0 }] += 1;
            t.orientations[usize::from(r.flipped)][k] += 1;
        }
        if k == 0 {
            continue;
        }
        mapq.extend(
            w.reads
                .iter()
                .map(|&i| u32::from(load.reads[i as usize].mapq)),
        );
        base.extend(covering.iter().filter_map(|r| quality_at(r, v)).max());
        distance.extend(covering.iter().filter_map(|r| end_distance(r, v)).max());
    }
    t.base_quality = median(base);
    t.mapq = median(mapq);
    t.end_distance = median(distance);
    t
}

/// Lowest quality of the bases that show a substitution; of an indel's anchor.
fn quality_at(read: &Read, v: &Variant) -> Option<u32> {
    let last = if v.is_indel() {
        v.pos.0
    } else {
        v.span().end - 1
    };
    (v.pos.0..=last)
        .map(|p| read.index_at(p).map(|i| u32::from(read.quals[i])))
        .min()?
}

/// Bases between the allele and the nearer end of the aligned part.
fn end_distance(read: &Read, v: &Variant) -> Option<u32> {
    let i = read.index_at(v.pos.0)? as u32;
    let clip = |c: Option<&(u32, CigarOp)>| match c {
        Some(&(n, CigarOp::SoftClip)) => n,
        _ => 0,
    };
    let (left, right) = (clip(read.cigar.first()), clip(read.cigar.last()));
    let last = read.bases.len() as u32 - right - 1;
    Some((i - left).min(last.saturating_sub(i)))
}

fn median(mut values: Vec<u32>) -> u32 {
    values.sort_unstable();
    values.get(values.len() / 2).copied().unwrap_or(0)
}

/// Filters that hold in both modes. `slip_rate` is the chance that a fragment shows the gap by error
/// alone; a genotype has weighed that already.
pub fn common(t: &Traits, v: &Variant, slip_rate: Option<f64>) -> Vec<Filter> {
    let mut out = Vec::new();
    let alternate: u32 = t.support[1..].iter().sum();
    let told = t.support.iter().sum::<u32>();
    if t.depth < LEAST_DEPTH {
        out.push(LOW_DEPTH);
    }
    if !v.is_indel() && t.base_quality < 20 {
        out.push(BASE_QUALITY);
    }
    if t.mapq < 30 {
        out.push(MAPPING);
    }
    if t.end_distance < 2 && !v.is_indel() {
        out.push(POSITION);
    }
    let [_, _, forward, reverse] = t.strands;
    if forward.min(reverse) * 10 <= forward + reverse && fisher(t.strands) < 1e-3 {
        out.push(STRAND);
    }
    if let Some(rate) = slip_rate
        && v.is_indel()
        && !core(v).contains(v.pos)
        && binomial_tail(told, alternate, rate) > SLIP_CHANCE
    {
        out.push(SLIPPAGE);
    }
    out
}

/// Filters of an allele at any fraction.
pub fn somatic(t: &Traits, v: &Variant, slip_rate: f64, odds: f64) -> Vec<Filter> {
    if t.support[1] == 0 {
        return vec![WEAK]; // of no reads there is nothing else to say
    }
    let mut out = common(t, v, Some(slip_rate));
    if odds < LEAST_ODDS {
        out.push(WEAK);
    }
    out
}

/// Filters that a normal sample gives. `absence` and `presence` are log10 odds. Where frequencies among
/// people are known (`weighed`), the normal's reads and they decide together whether the tumor's allele is
/// inherited, see [`super::population::inherited`], so that few reads are no flaw of their own.
pub fn against_normal(
    t: &Traits,
    absence: f64,
    presence: f64,
    fraction: f64,
    weighed: bool,
) -> Vec<Filter> {
    let told: u32 = t.support.iter().sum();
    let of_normal = f64::from(t.support[1]) / f64::from(told.max(1));
    let mut out = Vec::new();
    if t.depth < 8 && !weighed {
        out.push(NORMAL_DEPTH);
    }
    if (absence < 2.2 && !weighed) || (presence > 0.0 && of_normal > 0.25 * fraction) {
        out.push(GERMLINE);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{ContigId, Pos};

    fn snv() -> Variant {
        Variant {
            contig: ContigId(0),
            pos: Pos(10),
            reference: b"A".to_vec(),
            alternate: b"C".to_vec(),
        }
    }

    fn good() -> Traits {
        Traits {
            depth: 100,
            support: vec![80, 20],
            across: vec![80, 20],
            strands: [40, 40, 10, 10],
            orientations: [vec![40, 10], vec![40, 10]],
            base_quality: 37,
            mapq: 60,
            end_distance: 30,
        }
    }

    #[test]
    fn a_good_call_passes() {
        assert_eq!(somatic(&good(), &snv(), 1e-4, 50.0), []);
    }

    #[test]
    fn each_flaw_has_its_filter() {
        let with = |change: &dyn Fn(&mut Traits)| {
            let mut t = good();
            change(&mut t);
            somatic(&t, &snv(), 1e-4, 50.0)
        };
        assert_eq!(with(&|t| t.strands = [40, 40, 20, 0]), [STRAND]);
        assert_eq!(
            with(&|t| t.strands = [80, 0, 20, 0]),
            [],
            "an amplicon of one strand"
        );
        assert_eq!(with(&|t| t.depth = 9), [LOW_DEPTH]);
        assert_eq!(with(&|t| t.base_quality = 19), [BASE_QUALITY]);
        assert_eq!(with(&|t| t.mapq = 29), [MAPPING]);
        assert_eq!(with(&|t| t.end_distance = 0), [POSITION]);
        assert_eq!(somatic(&good(), &snv(), 1e-4, 6.0), [WEAK]);
    }

    #[test]
    fn a_count_that_slippage_explains_is_filtered() {
        let deletion = Variant {
            reference: b"AT".to_vec(),
            alternate: b"A".to_vec(),
            ..snv()
        };
        let t = Traits {
            support: vec![980, 20],
            ..good()
        };
        assert_eq!(common(&t, &deletion, Some(0.015)), [SLIPPAGE]);
        assert_eq!(common(&t, &deletion, Some(0.001)), []);
    }

    #[test]
    fn a_normal_that_shows_the_allele_says_germline() {
        assert_eq!(against_normal(&good(), 10.0, -2.0, 0.2, false), []);
        assert_eq!(against_normal(&good(), -5.0, 40.0, 0.2, false), [GERMLINE]);
        assert_eq!(against_normal(&good(), -5.0, 40.0, 0.2, true), [GERMLINE]);
        let thin = Traits { depth: 5, ..good() };
        assert_eq!(
            against_normal(&thin, 1.5, -2.0, 0.2, false),
            [NORMAL_DEPTH, GERMLINE]
        );
        assert_eq!(against_normal(&thin, 1.5, -2.0, 0.2, true), []);
    }
}
