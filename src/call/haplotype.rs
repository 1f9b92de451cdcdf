//! Haplotypes of a window, and how well each fragment fits each of them.

use super::active::Window;
use super::allele::{Stretch, core, core_letters, indels};
use super::reads::{Load, Read};
use super::repeats::{self, Slippage};
use crate::domain::quality::{BIT, BITS_PER_PHRED};
use crate::domain::{LogLik, Span, Variant, code_of};
use crate::kernel::pairhmm::{GAP_OPEN, Job, emission, gap_quality, pack};
use std::collections::{BTreeMap, HashMap};

/// Most haplotypes of a window, the reference among them.
const MOST: usize = 32;
/// A fragment's best and worst haplotype differ by no more than this: it may be mismapped, or a copy
/// of a wrong copy (GATK caps reads at 45 phred).
const CAP: i32 = (45.0 * BITS_PER_PHRED * BIT as f64) as i32;
/// A read that no haplotype explains better than this phred per allowed error is of another place.
const POOR_FIT: f64 = 40.0;
/// Reference bases that haplotypes have beyond the window, so that reads with gaps stay inside.
const PAD: u32 = 8;

/// A combination of the window's alleles, spelt out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Haplotype {
    /// Bit `k` is set if it carries allele `k` of the window.
    pub carries: u32,
    /// Bytes for the pair HMM.
    pub bytes: Vec<u8>,
}

/// The haplotypes of a window, the reference first: those that reads assemble to, combinations of
/// alleles that fragments show, each allele alone, and, for what is left of the room, the first ones
/// less one of their alleles, so that each allele is weighed against its own absence.
pub fn haplotypes(
    window: &Window,
    loads: &[&Load],
    around: &Stretch,
    slippage: &Slippage,
) -> Vec<Haplotype> {
    let mut seen: BTreeMap<u32, u32> = BTreeMap::new();
    for load in loads {
        for (carries, n) in combinations(window, load, around) {
            *seen.entry(carries).or_insert(0) += n;
        }
    }
    let mut ranked: Vec<(u32, u32)> = seen
        .into_iter()
        .filter(|&(c, n)| c != 0 && n >= 2)
        .collect();
    ranked.sort_by_key(|&(carries, n)| (std::cmp::Reverse(n), carries));
    let alone: Vec<u32> = (0..window.alleles.len()).map(|k| 1u32 << k).collect();
    let room = MOST.saturating_sub(1 + alone.len());
    let mut wanted = window.assembled.clone();
    wanted.truncate(room / 2);
    wanted.extend(ranked.iter().map(|r| r.0));
    let mut known = std::collections::HashSet::new();
    wanted.retain(|c| c.count_ones() > 1 && known.insert(*c));
    wanted.truncate(room);
    let less_one: Vec<u32> = wanted
        .iter()
        .take(4)
        .filter(|c| c.count_ones() > 2)
        .flat_map(|&c| {
            alone
                .iter()
                .filter(move |&&b| c & b != 0)
                .map(move |&b| c & !b)
        })
        .filter(|c| !known.contains(c))
        .take(room - wanted.len())
        .collect();
    // Fewer alleles first, a gap counting as two: where two spell the same bases, the simpler one stays.
    wanted.extend(less_one.into_iter().chain(alone).chain([0]));
    let gaps = window
        .alleles
        .iter()
        .enumerate()
        .fold(0u32, |set, (k, v)| set | u32::from(v.is_indel()) << k);
    wanted.sort_by_key(|c| (c.count_ones() + (c & gaps).count_ones(), *c));
    wanted.dedup();
    let mut out: Vec<Haplotype> = Vec::new();
    for carries in wanted {
        if let Some(letters) = spell(window, carries, around) {
            let bytes = with_gap_qualities(&letters, slippage);
            if out.iter().all(|h| h.bytes != bytes) {
                out.push(Haplotype { carries, bytes });
            }
        }
    }
    out
}

/// Which alleles fragments show together, counted over fragments whose reads cover the whole core.
fn combinations(window: &Window, load: &Load, around: &Stretch) -> BTreeMap<u32, u32> {
    let mut by_fragment: BTreeMap<u32, (u32, Span)> = BTreeMap::new();
    for read in &load.reads {
        let span = Span::new(read.start, read.end);
        if !span.overlaps(window.core.widened(1, u32::MAX)) {
            continue;
        }
        let shows = shown(read, &window.alleles, around);
        by_fragment
            .entry(read.fragment)
            .and_modify(|(s, covered)| {
                *s |= shows;
                // Two reads with a gap between them do not show how their alleles go together here.
                if covered.end >= span.start {
                    covered.end = covered.end.max(span.end);
                }
            })
            .or_insert((shows, span));
    }
    let mut counts = BTreeMap::new();
    for (shows, span) in by_fragment.into_values() {
        if span.start <= window.core.start && span.end >= window.core.end {
            *counts.entry(shows).or_insert(0) += 1;
        }
    }
    counts
}

/// The alleles that a read's own alignment shows, as bits.
fn shown(read: &Read, alleles: &[Variant], around: &Stretch) -> u32 {
    let gaps = indels(read, around);
    let mut bits = 0;
    for (k, v) in alleles.iter().enumerate() {
        let is_shown = if v.is_snv() {
            read.index_at(v.pos.0)
                .is_some_and(|i| read.counted[i] > 0 && read.bases[i] == code_of(v.alternate[0]))
        } else {
            gaps.contains(v)
        };
        bits |= u32::from(is_shown) << k;
    }
    bits
}

/// The letters of the padded window with these alleles in place; `None` if two of them overlap.
pub fn spell(window: &Window, carries: u32, around: &Stretch) -> Option<Vec<u8>> {
    let deleted: usize = window
        .alleles
        .iter()
        .map(|v| v.reference.len())
        .max()
        .unwrap_or(0);
    let span = window.span.widened(PAD + deleted as u32, u32::MAX);
    let carried: Vec<&Variant> = window
        .alleles
        .iter()
        .enumerate()
        .filter(|(k, _)| carries >> k & 1 == 1)
        .map(|(_, v)| v)
        .collect();
    apply(&carried, span, around)
}

/// The reference of a span with these alleles in place; `None` if two of them overlap.
pub fn apply(alleles: &[&Variant], span: Span, around: &Stretch) -> Option<Vec<u8>> {
    let (start, end) = (
        span.start.max(around.span.start),
        span.end.min(around.span.end),
    );
    let mut carried = alleles.to_vec();
    carried.sort_by_key(|v| (core(v).start, core(v).end));
    let mut letters = Vec::new();
    let mut at = start;
    for (k, v) in carried.iter().enumerate() {
        let c = core(v);
        let twice = k > 0 && c.is_empty() && core(carried[k - 1]) == c;
        if c.start < at || twice {
            return None;
        }
        letters.extend_from_slice(around.part(at, c.start));
        letters.extend_from_slice(core_letters(v));
        at = c.end;
    }
    letters.extend_from_slice(around.part(at, end));
    Some(letters)
}

/// Bases with the chance that a gap opens at each: low outside repeats, and inside such that all
/// places of the repeat together lose or gain a unit as often as the sample's repeats do.
fn with_gap_qualities(letters: &[u8], slippage: &Slippage) -> Vec<u8> {
    let mut qualities = vec![GAP_OPEN; letters.len()];
    let stretch = Stretch {
        contig: crate::domain::ContigId(0),
        span: Span::new(1, 1 + letters.len() as u32), // 1: a repeat at the very start counts too
        bases: letters.to_vec(),
    };
    for r in repeats::find(&stretch) {
        let places = f64::from(r.span.len() - r.period + 1);
        // A gap of `period` goes on with one chance in ten, and ends with nine, behind its first base.
        let goes_on = 0.1f64.powi(r.period as i32 - 1) * 0.9;
        // A base without a gap pays for the gaps that might have opened: no more than a phred for a unit's
        // bases, or a read would fit the haplotype with a unit less, the shorter way through, as well.
        let chance = slippage.rate(r) / (2.0 * places * goes_on);
        let quality = gap_quality(chance.min(0.1 / f64::from(r.period)));
        for q in &mut qualities[(r.span.start - 1) as usize..(r.span.end - 1) as usize] {
            *q = (*q).min(quality);
        }
    }
    letters
        .iter()
        .zip(qualities)
        .map(|(&b, q)| pack(code_of(b), q))
        .collect()
}

/// The jobs of many windows for one launch: equal reads and haplotypes are computed once.
#[derive(Debug, Default)]
pub struct Jobs {
    /// Reads' bytes.
    pub reads: Vec<u8>,
    /// Haplotypes' bytes.
    pub haplotypes: Vec<u8>,
    /// What is to be computed.
    pub jobs: Vec<Job>,
}

/// Where a read's jobs are, one a haplotype from `first` on.
#[derive(Clone, Copy, Debug)]
struct Placed {
    /// Rank of the read in its load.
    read: u32,
    first: u32,
    /// The score below which the read is of another place.
    least: i32,
}

/// The reads of a window, waiting for their likelihoods.
#[derive(Debug)]
pub struct Asked {
    placed: Vec<Placed>,
    haplotypes: usize,
    /// Likelihoods that needed no job, one a haplotype for each read that [`Placed::first`] sends here.
    direct: Vec<LogLik>,
}

/// Set in [`Placed::first`] for reads whose likelihoods are in [`Asked::direct`].
const DIRECT: u32 = 1 << 31;

impl Jobs {
    /// Adds a window: every read that touches its core, cut to its span, against every haplotype.
    pub fn ask(
        &mut self,
        window: &Window,
        haplotypes: &[Haplotype],
        load: &Load,
        around: &Stretch,
    ) -> Asked {
        let first_haplotype: Vec<(u32, u32)> = haplotypes
            .iter()
            .map(|h| {
                let at = self.haplotypes.len() as u32;
                self.haplotypes.extend(&h.bytes);
                (at, h.bytes.len() as u32)
            })
            .collect();
        let mut known: HashMap<Vec<u8>, u32> = HashMap::new();
        let mut placed = Vec::new();
        let mut direct: Vec<LogLik> = Vec::new();
        let sites = substitutions(window, haplotypes);
        for (i, read) in load.reads.iter().enumerate() {
            let part = read.part_in(window.span);
            let touches = {
                let within = read.part_in(window.core.widened(2, u32::MAX));
                !within.is_empty()
            };
            if !touches || part.is_empty() {
                continue;
            }
            let bytes: Vec<u8> = part
                .clone()
                .map(|k| pack(read.bases[k], read.weighed[k]))
                .collect();
            let unknown = bytes.iter().filter(|&&b| b >> 2 == 0).count();
            if bytes.len() - unknown < 5 {
                continue;
            }
            let allowed = (bytes.len() as f64 * 0.03).ceil().max(2.0);
            let least = -allowed * POOR_FIT * BITS_PER_PHRED - 2.0 * unknown as f64;
            let straight = sites.as_ref().filter(|_| {
                read.is_straight(window.span) && part.len() as u32 == read.aligned_in(window.span)
            });
            if let Some(sites) = straight {
                let first = direct.len() as u32 | DIRECT;
                direct.extend(ungapped(
                    read,
                    &bytes,
                    window.span,
                    sites,
                    haplotypes,
                    around,
                ));
                placed.push(Placed {
                    read: i as u32,
                    first,
                    least: (least * f64::from(BIT)) as i32,
                });
                continue;
            }
            let first = *known.entry(bytes).or_insert_with_key(|bytes| {
                let at = self.reads.len() as u32;
                self.reads.extend(bytes);
                let first = self.jobs.len() as u32;
                for &(haplotype, haplotype_len) in &first_haplotype {
                    self.jobs.push(Job {
                        read: at,
                        read_len: bytes.len() as u32,
                        haplotype,
                        haplotype_len,
                    });
                }
                first
            });
            placed.push(Placed {
                read: i as u32,
                first,
                least: (least * f64::from(BIT)) as i32,
            });
        }
        Asked {
            placed,
            haplotypes: haplotypes.len(),
            direct,
        }
    }
}

/// The window's alleles, if all of them are substitutions.
fn substitutions<'a>(window: &'a Window, haplotypes: &[Haplotype]) -> Option<&'a [Variant]> {
    let all = window.alleles.iter().all(Variant::is_snv);
    (all && haplotypes.len() > 1).then_some(&window.alleles[..])
}

/// Likelihoods of a read that aligns without a gap against haplotypes that differ by substitutions
/// only: the pair HMM's term of the ungapped alignment, which is all but a millionth of the sum. A
/// rule of the host, the same for every device.
fn ungapped(
    read: &Read,
    bytes: &[u8],
    span: Span,
    sites: &[Variant],
    haplotypes: &[Haplotype],
    around: &Stretch,
) -> Vec<LogLik> {
    let first = read.start.max(span.start);
    let fit = |byte: u8, base: u8| emission(byte >> 2)[usize::from(byte & 3 != code_of(base) & 3)];
    let on_reference: i32 = (first..)
        .zip(bytes)
        .map(|(p, &byte)| fit(byte, around.at(p)))
        .sum();
    // What each allele changes, by itself.
    let changes: Vec<i32> = sites
        .iter()
        .map(|v| {
            let byte = v
                .pos
                .0
                .checked_sub(first)
                .and_then(|i| bytes.get(i as usize));
            byte.map_or(0, |&b| fit(b, v.alternate[0]) - fit(b, v.reference[0]))
        })
        .collect();
    haplotypes
        .iter()
        .map(|h| {
            let carried = changes
                .iter()
                .enumerate()
                .filter(|(k, _)| h.carries >> k & 1 == 1);
            LogLik(on_reference + carried.map(|(_, c)| c).sum::<i32>())
        })
        .collect()
}

impl Asked {
    /// Fragments whose reads wait here.
    pub fn fragments(&self, load: &Load) -> usize {
        let mut all: Vec<u32> = self
            .placed
            .iter()
            .map(|p| load.reads[p.read as usize].fragment)
            .collect();
        all.sort_unstable();
        all.dedup();
        all.len()
    }
}

/// A fragment and its log-likelihoods.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Weighed {
    /// Its rank in the load.
    pub fragment: u32,
    /// Its reads in the window, ranks in the load.
    pub reads: Vec<u32>,
    /// By haplotype, in 1/65536 bit.
    pub fits: Vec<i32>,
}

/// Sums the likelihoods of each fragment's reads. Reads that no haplotype explains are left out. With
/// more than `most` fragments, those with the lowest name hashes are kept.
pub fn weigh(asked: &Asked, results: &[LogLik], load: &Load, most: usize) -> Vec<Weighed> {
    let mut by_fragment: BTreeMap<u32, Weighed> = BTreeMap::new();
    for p in &asked.placed {
        let (from, all) = match p.first & DIRECT {
            0 => (p.first, results),
            _ => (p.first & !DIRECT, &asked.direct[..]),
        };
        let fits = &all[from as usize..][..asked.haplotypes];
        if fits.iter().all(|f| f.0 < p.least) {
            continue;
        }
        let fragment = load.reads[p.read as usize].fragment;
        let w = by_fragment.entry(fragment).or_insert_with(|| Weighed {
            fragment,
            reads: Vec::new(),
            fits: vec![0; asked.haplotypes],
        });
        w.reads.push(p.read);
        for (sum, f) in w.fits.iter_mut().zip(fits) {
            *sum = sum.saturating_add(f.0);
        }
    }
    let mut all: Vec<Weighed> = by_fragment.into_values().collect();
    if all.len() > most {
        all.sort_by_key(|w| (load.fragments[w.fragment as usize], w.fragment));
        all.truncate(most);
        all.sort_by_key(|w| w.fragment);
    }
    for w in &mut all {
        let best = w.fits.iter().copied().max().unwrap_or(0);
        for f in &mut w.fits {
            *f = (*f).max(best - CAP);
        }
    }
    all
}
