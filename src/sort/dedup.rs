//! Which templates are copies of another: by the rules of Picard's `MarkDuplicates`
//! (broadinstitute/picard), over the whole file, in bounded memory.
//!
//! An *end* is where a read's first base would lie if its clipped bases were aligned too, and its
//! strand. Pairs with the same two ends are copies, and the one with the highest sum of base qualities
//! of 15 and more is kept. A template with one aligned read is a copy if that read shares its end
//! with either read of a pair; else those that share an end are copies of the best one. Of equals the
//! first in the input is kept.
//!
//! Templates of different libraries are never copies, nor are those whose UMIs (RX) differ. The two
//! halves of a UMI, one a read, belong to the reads' ends: the strands of a molecule, read as mate 1
//! and 2 the one way and the other, are copies.

use super::external::ExternalSorter;
use super::library::{Counts, Libraries};
use super::optical::{self, Location};
use crate::Result;
use crate::format::bam::RawRecord;
use crate::format::header::ReadGroup;
use crate::format::sam::{TagValue, flag};
use crate::format::tags;
use bytemuck::{Pod, Zeroable};
use std::cmp::Ordering;
use std::path::Path;
use xxhash_rust::xxh3::xxh3_64_with_seed;

/// Qualities below this say nothing about which copy is better.
const WORTHY_QUALITY: u8 = 15;
/// Longest clip is a read's length; keeps ends before a contig's start from going below 0.
const BIAS: i64 = 1 << 17;

/// An end of a molecule.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Pod, Zeroable)]
#[repr(C)]
struct Site {
    /// See [`end_of`].
    end: u64,
    library: u64,
    /// The UMI as seen from this end, see [`molecule_of`].
    molecule: u64,
}

/// Both ends, then the best template first.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Pod, Zeroable)]
#[repr(C)]
struct PairKey {
    site: Site,
    /// The other, greater end.
    other: u64,
    rank: Rank,
}

/// One end, then the best template first.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Pod, Zeroable)]
#[repr(C)]
struct SingleKey {
    site: Site,
    rank: Rank,
}

/// Less is better: what the qualities lack, then the place in the input.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Pod, Zeroable)]
#[repr(C)]
struct Rank {
    lacking: u64,
    template: u64,
}

/// Collects the ends of templates.
pub struct Finder {
    /// With the pairs' places on the flow cell.
    pairs: ExternalSorter<PairKey>,
    singles: ExternalSorter<SingleKey>,
    /// Ends of pairs that a single may share.
    shared: ExternalSorter<Site>,
    single_ends: Sieve,
    templates: u64,
    libraries: Libraries,
    counts: Vec<Counts>,
    optical_distance: u32,
}

impl Finder {
    /// Keeps about `budget` bytes in memory and the rest in `folder`. Copies on one tile that are no further
    /// than `optical_distance` apart are counted as optical, unless it is 0.
    pub fn new(
        folder: &Path,
        budget: usize,
        groups: &[ReadGroup],
        optical_distance: u32,
    ) -> Finder {
        let libraries = Libraries::new(groups);
        Finder {
            pairs: ExternalSorter::new(folder.into(), budget / 2),
            singles: ExternalSorter::new(folder.into(), budget / 4),
            shared: ExternalSorter::new(folder.into(), budget / 4),
            single_ends: Sieve::default(),
            templates: 0,
            counts: libraries.counts(),
            libraries,
            optical_distance,
        }
    }

    /// Takes the next template's records.
    pub fn push(&mut self, records: &[RawRecord]) -> Result<()> {
        let template = self.templates;
        self.templates += 1;
        let (group, umi) = group_and_umi(&records[0]);
        let library = self.libraries.of(group);
        let counts = &mut self.counts[library];
        let mut aligned = [None; 2];
        for record in records {
            if record.flag() & (flag::SECONDARY | flag::SUPPLEMENTARY) != 0 {
                counts.further_records += 1;
            } else if record.has(flag::UNMAPPED) {
                counts.unmapped_reads += 1;
            } else {
                let next = usize::from(aligned[0].is_some());
                aligned[next] = Some(record);
            }
        }
        let Some(first) = aligned[0] else {
            return Ok(());
        };
        let rank = Rank {
            lacking: u64::MAX - worth(first) - aligned[1].map_or(0, worth),
            template,
        };
        let site = |record: &RawRecord| Site {
            end: end_of(record),
            library: library as u64,
            molecule: molecule_of(umi, record.has(flag::SECOND)),
        };
        let Some(second) = aligned[1] else {
            counts.single_reads += 1;
            let site = site(first);
            self.single_ends.insert(site.end);
            return self.singles.push(SingleKey { site, rank }, &[]);
        };
        counts.pairs += 1;
        let (mut site, mut other) = (site(first), site(second));
        let swapped = other < site;
        if swapped {
            std::mem::swap(&mut site, &mut other);
        }
        let key = PairKey {
            site,
            other: other.end,
            rank,
        };
        let location = Some(self.optical_distance)
            .filter(|d| *d > 0)
            .and_then(|_| Location::of_name(first.name()));
        let Some(mut location) = location else {
            return self.pairs.push(key, &[]);
        };
        // Two clusters of one molecule face the same way, and are of one read group.
        let seed = location.tile ^ u64::from(swapped);
        location.tile = xxh3_64_with_seed(group.unwrap_or_default(), seed);
        self.pairs.push(key, bytemuck::bytes_of(&location))
    }

    /// Decides.
    pub fn finish(mut self) -> Result<Copies> {
        let mut copies = Copies {
            bits: vec![0; self.templates.div_ceil(64) as usize],
            count: 0,
            of_library: self.counts,
        };
        let mut pairs = self.pairs.finish()?;
        let mut kept = None;
        let mut locations: Vec<Location> = Vec::new();
        loop {
            let next = pairs.next()?;
            let group = next.as_ref().map(|(key, _)| (key.site, key.other));
            if let Some((site, _)) = kept
                && group != kept
            {
                let optical = optical::count(&mut locations, self.optical_distance);
                copies.of_library[Site::library(site)].optical_pairs += optical;
                locations.clear();
            }
            let Some((key, location)) = next else {
                break;
            };
            locations.extend(
                (!location.is_empty()).then(|| *bytemuck::from_bytes::<Location>(location)),
            );
            if kept == group {
                copies.insert(key.rank.template);
                copies.of_library[Site::library(key.site)].duplicate_pairs += 1;
                continue;
            }
            kept = group;
            for site in [key.site, key.site.seen_from(key.other)] {
                if self.single_ends.may_hold(site.end) {
                    self.shared.push(site, &[])?;
                }
            }
        }
        let mut shared = self.shared.finish()?;
        let mut next_shared = shared.next()?.map(|(site, _)| site);
        let mut singles = self.singles.finish()?;
        let mut kept = None;
        while let Some((SingleKey { site, rank }, _)) = singles.next()? {
            while next_shared.is_some_and(|s| s < site) {
                next_shared = shared.next()?.map(|(site, _)| site);
            }
            if kept == Some(site) || next_shared == Some(site) {
                copies.insert(rank.template);
                copies.of_library[Site::library(site)].duplicate_single_reads += 1;
            } else {
                kept = Some(site);
            }
        }
        copies.of_library.retain(Counts::any);
        copies.of_library.iter_mut().for_each(Counts::estimate);
        Ok(copies)
    }
}

impl Site {
    fn library(self) -> usize {
        self.library as usize
    }

    /// The same molecule's other end.
    fn seen_from(self, end: u64) -> Site {
        Site {
            end,
            molecule: turned(self.molecule),
            ..self
        }
    }
}

/// RG and RX of a record.
fn group_and_umi<'a>(record: &RawRecord<'a>) -> (Option<&'a [u8]>, Option<&'a [u8]>) {
    let (mut group, mut umi) = (None, None);
    for tag in tags::split(record.tags()) {
        if let TagValue::Bam(b'Z', [text @ .., _]) = tag.value {
            match &tag.name {
                b"RG" => group = Some(text),
                b"RX" => umi = Some(text),
                _ => {}
            }
        }
    }
    (group, umi)
}

/// A UMI as seen from a read's end: a hash of its two halves in the order of their letters, and in the two
/// lowest bits which one is this read's: 1 the lesser, 2 the greater, 0 if they are equal or there is one
/// for both reads. 0 without a UMI.
fn molecule_of(umi: Option<&[u8]>, second: bool) -> u64 {
    let Some(umi) = umi else {
        return 0;
    };
    let half = memchr::memchr(b'-', umi).map(|at| (&umi[..at], &umi[at + 1..]));
    let Some((one, two)) = half else {
        return xxh3_64_with_seed(umi, 1) & !3;
    };
    let (own, mates) = if second { (two, one) } else { (one, two) };
    let side = match own.cmp(mates) {
        Ordering::Less => 1,
        Ordering::Greater => 2,
        Ordering::Equal => 0,
    };
    let hash = xxh3_64_with_seed(own.max(mates), xxh3_64_with_seed(own.min(mates), 2));
    hash & !3 | side
}

/// The UMI as seen from the other end.
fn turned(molecule: u64) -> u64 {
    if molecule.trailing_zeros() >= 2 {
        molecule
    } else {
        molecule ^ 3
    }
}

/// Contig, unclipped position of the read's first base, and strand, in this order of weight.
fn end_of(record: &RawRecord) -> u64 {
    let unclipped = record.unclipped_start();
    let reverse = record.has(flag::REVERSE);
    (record.contig() as u64) << 34 | ((unclipped + BIAS) as u64) << 1 | u64::from(reverse)
}

fn worth(record: &RawRecord) -> u64 {
    let worthy = |q: &&u8| (WORTHY_QUALITY..0xff).contains(*q);
    record
        .quals()
        .iter()
        .filter(worthy)
        .map(|&q| u64::from(q))
        .sum()
}

/// The templates that are copies.
pub struct Copies {
    bits: Vec<u64>,
    count: u64,
    /// What was found in each library.
    pub of_library: Vec<Counts>,
}

impl Copies {
    fn insert(&mut self, template: u64) {
        self.bits[(template / 64) as usize] |= 1 << (template % 64);
        self.count += 1;
    }

    /// Is this template, counted from 0 in the order of the input, a copy?
    pub fn contains(&self, template: u64) -> bool {
        self.bits[(template / 64) as usize] >> (template % 64) & 1 == 1
    }

    /// How many there are.
    pub fn count(&self) -> u64 {
        self.count
    }
}

/// Remembers numbers roughly: what it does not hold was not inserted.
#[derive(Default)]
struct Sieve(Vec<u64>);

impl Sieve {
    const BITS: u32 = 27; // 16 MB; one number in 100 passes by chance after a million
    fn slot(value: u64) -> (usize, u64) {
        // Fibonacci hashing: the upper bits of the product are well mixed.
        let bit = value.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> (64 - Self::BITS);
        ((bit / 64) as usize, 1 << (bit % 64))
    }

    fn insert(&mut self, value: u64) {
        self.0.resize(1 << (Self::BITS - 6), 0);
        let (word, bit) = Self::slot(value);
        self.0[word] |= bit;
    }

    fn may_hold(&self, value: u64) -> bool {
        let (word, bit) = Self::slot(value);
        self.0.get(word).is_some_and(|w| w & bit != 0)
    }
}
