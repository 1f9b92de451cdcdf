//! The reads around a variant, as lines of text: what a reader looks at before believing a call.

use crate::Result;
use crate::call::allele::{Stretch, reach};
use crate::call::reads::{Read, ReadFilter};
use crate::call::sample::Bam;
use crate::domain::bases::LETTERS;
use crate::domain::{CigarOp, Span, Variant};
use crate::genome::Reference;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Bases shown on either side of the variant.
const FLANK: u32 = 30;
/// No more positions than this; a longer variant is shown from its beginning.
const WIDEST: u32 = 120;
/// Inserted bases shown at one place.
const LONGEST_INSERTION: usize = 24;
/// Reads shown with the variant, and as many without it.
const MOST_READS: usize = 14;
/// Reads of lower MAPQ are not shown, as they are not counted.
const FILTER: ReadFilter = ReadFilter { min_mapq: 20 };
/// Bases of lower quality are shown small, and do not speak for or against a variant.
const DOUBTFUL: u8 = 13;

/// Reads around a variant. All lines have a letter for each column.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Pileup {
    /// Position of the first column, counted from 1.
    pub start: u64,
    /// The reference's bases; `*` in columns that some read has inserted.
    pub reference: String,
    /// Columns of the variant: first, and the one behind the last, counted from 0.
    pub variant: (usize, usize),
    /// Reads shown, those with the variant first, by their place.
    pub reads: Vec<Line>,
    /// Reads here that show the variant.
    pub carriers: usize,
    /// Reads here that reach over its place and do not show it.
    pub others: usize,
}

/// One read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Line {
    /// `.` where it has the reference's base, its own where not (small if of low quality), `-` where bases
    /// are deleted, `*` where it lacks what another read has inserted, a blank where it does not reach.
    pub bases: String,
    /// Of the reverse strand.
    pub reverse: bool,
    /// Shows the variant.
    pub carrier: bool,
}

/// The reads around a variant; `None` where there are none.
///
/// # Errors
/// When the BAM is damaged.
pub fn pileup(bam: &Bam, reference: &Reference, v: &Variant) -> Result<Option<Pileup>> {
    let length = reference.contig(v.contig).length;
    let around = Stretch::fetch(reference, v.contig, v.span().widened(400, length));
    // All that an indel could be shifted to, and a base on either side: there a read tells one allele
    // from the other, wherever its gap stands.
    let told = reach(v, &around).widened(1, length);
    let load = bam.load(reference, v.contig, told, FILTER)?;
    let over = |r: &&Read| r.start <= told.start && r.end >= told.end;
    let (carriers, others): (Vec<&Read>, Vec<&Read>) = load
        .reads
        .iter()
        .filter(over)
        .partition(|r| shows(r, v, told, &around));
    if carriers.is_empty() && others.is_empty() {
        return Ok(None);
    }
    let window = told.widened(FLANK, length);
    let window = Span::new(window.start, window.end.min(window.start + WIDEST));
    let shown: Vec<(&Read, bool)> = spread(&carriers)
        .map(|r| (r, true))
        .chain(spread(&others).map(|r| (r, false)))
        .collect();
    // For each position, how many bases some read has inserted before it.
    let mut room = vec![0; window.len() as usize];
    for (read, _) in &shown {
        for (position, bases) in insertions(read) {
            if window.start < position && position < window.end {
                let here = &mut room[(position - window.start) as usize];
                *here = bases.len().min(LONGEST_INSERTION).max(*here);
            }
        }
    }
    let column = |position: u32| {
        let p = position.clamp(window.start, window.end) - window.start;
        p as usize + room.iter().take(p as usize + 1).sum::<usize>()
    };
    let mut letters = String::new();
    for (i, &base) in around.part(window.start, window.end).iter().enumerate() {
        letters.extend(std::iter::repeat_n('*', room[i]));
        letters.push(char::from(base));
    }
    let core = crate::call::allele::core(v);
    let inserted = room.get((core.start - window.start) as usize);
    let first = column(core.start)
        - if core.is_empty() {
            *inserted.unwrap_or(&0)
        } else {
            0
        };
    let last = if core.is_empty() {
        column(core.start)
    } else {
        column(core.end - 1) + 1
    };
    Ok(Some(Pileup {
        start: u64::from(window.start) + 1,
        reference: letters,
        variant: (first, last.max(first)),
        reads: shown
            .into_iter()
            .map(|(read, carrier)| Line {
                bases: line(read, window, &room, &around),
                reverse: read.reverse,
                carrier,
            })
            .collect(),
        carriers: carriers.len(),
        others: others.len(),
    }))
}

/// Some of the reads, evenly spread over all.
fn spread<'a, 'b>(reads: &'b [&'a Read]) -> impl Iterator<Item = &'a Read> + use<'a, 'b> {
    let (all, n) = (reads.len(), reads.len().min(MOST_READS));
    (0..n).map(move |i| reads[i * all / n])
}

/// Has the read, over all of `told`, just the bases that the variant leaves there? Doubtful ones may differ.
fn shows(read: &Read, v: &Variant, told: Span, around: &Stretch) -> bool {
    let end = v.pos.0 + v.reference.len() as u32;
    let expected = [
        around.part(told.start, v.pos.0.max(told.start)),
        &v.alternate[told.start.saturating_sub(v.pos.0) as usize..],
        around.part(end.min(told.end), told.end),
    ]
    .concat();
    let part = read.part_in(told);
    part.len() == expected.len()
        && part
            .zip(expected)
            .all(|(i, base)| read.quals[i] < DOUBTFUL || letter(read, i) == base)
}

fn letter(read: &Read, i: usize) -> u8 {
    LETTERS[usize::from(read.bases[i])]
}

/// What a read has inserted: the position behind, and indices of the bases.
fn insertions(read: &Read) -> Vec<(u32, std::ops::Range<usize>)> {
    let mut out = Vec::new();
    let (mut at, mut position) = (0usize, read.start);
    for &(n, op) in &read.cigar {
        if op == CigarOp::Insertion {
            out.push((position, at..at + n as usize));
        }
        at += if op.takes_read() { n as usize } else { 0 };
        position += if op.takes_reference() { n } else { 0 };
    }
    out
}

/// A read's line.
fn line(read: &Read, window: Span, room: &[usize], around: &Stretch) -> String {
    let insertions = insertions(read);
    let spelled = |i: usize| {
        let base = char::from(letter(read, i));
        match read.quals[i] {
            0 => 'n',
            q if q < DOUBTFUL => base.to_ascii_lowercase(),
            _ => base,
        }
    };
    let columns = crate::call::reads::columns(read, window.start, window.end);
    let mut out = String::new();
    for (k, position) in (window.start..window.end).enumerate() {
        let inside = (read.start..read.end).contains(&position);
        let own = insertions
            .iter()
            .find(|(p, _)| *p == position && room[k] > 0);
        let own: String = own.map_or(String::new(), |(_, r)| {
            r.clone().take(room[k]).map(spelled).collect()
        });
        let missing = room[k] - own.len();
        out.push_str(&own);
        let none = if inside && position > read.start {
            '*'
        } else {
            ' '
        };
        out.extend(std::iter::repeat_n(none, missing));
        out.push(match columns[k] {
            Some(i) if letter(read, i) == around.at(position) && read.quals[i] > 0 => '.',
            Some(i) => spelled(i),
            None if inside => '-',
            None => ' ',
        });
    }
    out
}
