//! One pass over a sorted BAM: what is counted of each record.

use super::cycles::{self, Base, Cycles};
use super::depth::Changes;
use super::sites::{self, Shown, Sites};
use super::targets::Targets;
use super::{Filters, Options, Reads};
use crate::call::sample::checked_header;
use crate::domain::{ContigId, Span, code_of};
use crate::format::bgzf;
use crate::genome::Reference;
use crate::{Error, Result, error::thousands};
use noodles::sam::alignment::record::cigar::op::Kind;
use noodles::{bam, sam};
use std::collections::HashMap;
use std::fs::File;
use std::io::BufReader;
use std::path::Path;

/// Insert sizes from here on are counted as this.
pub const LONGEST_INSERT: usize = 10_000;
/// Reads that wait for their mates are looked through when they are so many more than last time.
const WAITING: usize = 4096;

/// What was counted.
pub struct Counts {
    /// The sample's name, from the header.
    pub sample: String,
    /// The header names a program that marks duplicates.
    pub marked: bool,
    /// Reads by what became of them.
    pub reads: Reads,
    /// Insert sizes, of proper pairs that are not duplicates.
    pub inserts: Vec<u64>,
    /// Aligned bases of mapped reads, clips not counted; and those of them in the panel.
    pub aligned: (u64, u64),
    /// Depth of the panel.
    pub depth: Changes,
    /// Base calls by cycle.
    pub cycles: Cycles,
    /// By site.
    pub shown: Vec<Shown>,
}

/// A run of aligned bases: where, and the index of the first one in the read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Block {
    span: Span,
    at: u32,
}

impl Block {
    fn cut(self, span: Span) -> Block {
        Block {
            at: self.at + (span.start - self.span.start),
            span,
        }
    }
}

/// Reads the BAM once. Memory follows from the panel and the depth, not from the file's size.
///
/// # Errors
/// Names the file, and the record where one is wrong: no BAM, cut short, not sorted by position, or
/// aligned to another reference.
pub fn over(
    path: &Path,
    reference: &Reference,
    targets: &Targets,
    sites: &Sites,
    options: &Options,
) -> Result<Counts> {
    let Options {
        filters, sample, ..
    } = options;
    let (filters, wanted) = (*filters, sample.as_deref());
    let file = path.display().to_string();
    let open = File::open(path).map_err(Error::io(path))?;
    let blocks = bgzf::Reader::new(BufReader::with_capacity(1 << 20, open));
    let mut reader = bam::io::Reader::from(BufReader::with_capacity(1 << 16, blocks));
    let mut needed: Vec<ContigId> = targets.spans().map(|(contig, ..)| contig).collect();
    needed.dedup();
    let header = reader.read_header();
    let (header, sample) = checked_header(path, header, reference, &needed, wanted)?;
    let contigs: Vec<Option<ContigId>> = (header.reference_sequences().keys())
        .map(|name| reference.contig_id(&name.to_string()))
        .collect();
    let mut pass = Pass {
        targets,
        sites,
        filters,
        contigs,
        counts: Counts {
            sample: sample.name.clone(),
            marked: marks_duplicates(&header),
            reads: Reads::default(),
            inserts: vec![0; LONGEST_INSERT + 1],
            aligned: (0, 0),
            depth: Changes::new(targets),
            cycles: Cycles::default(),
            shown: vec![Shown::default(); sites.sites.len()],
        },
        waiting: HashMap::new(),
        enough: WAITING,
        last: (0, 0),
    };
    let mut record = bam::Record::default();
    let mut number = 0;
    loop {
        number += 1;
        let damaged = |what: String, remedy: String| {
            Error::input(&file, format!("record {}", thousands(number)), what, remedy)
        };
        let whole =
            format!("The file may be cut short or damaged; try: samtools quickcheck {file}.");
        match reader.read_record(&mut record) {
            Ok(0) => break,
            Ok(_) => {}
            Err(e) => return Err(damaged(e.to_string(), whole)),
        }
        if !sample
            .holds(&record)
            .map_err(|e| damaged(e.to_string(), whole.clone()))?
        {
            continue;
        }
        match pass.take(&record) {
            Ok(true) => {}
            Ok(false) => {
                return Err(damaged(
                    "it lies before the record in front of it".into(),
                    "Sort the reads by position: samtools sort.".into(),
                ));
            }
            Err(e) => return Err(damaged(e.to_string(), whole)),
        }
    }
    let mut counts = pass.counts;
    counts.cycles.judge(usize::MAX, targets);
    Ok(counts)
}

/// Does the header name a program that marks duplicates, or makes consensus reads of them?
fn marks_duplicates(header: &sam::Header) -> bool {
    let names = header.programs().as_ref().iter().flat_map(|(id, program)| {
        let name = program
            .other_fields()
            .get(&sam::header::record::value::map::program::tag::NAME);
        [Some(id.to_string()), name.map(ToString::to_string)]
    });
    names.flatten().any(|name| {
        let name = name.to_ascii_lowercase();
        [
            "theralign",
            "dup",
            "sambamba",
            "samblaster",
            "consensus",
            "fgbio",
            "fgumi",
            "umi",
        ]
        .iter()
        .any(|known| name.contains(known))
    })
}

struct Pass<'a> {
    targets: &'a Targets,
    sites: &'a Sites,
    filters: Filters,
    /// By rank in the BAM's header.
    contigs: Vec<Option<ContigId>>,
    counts: Counts,
    /// What reads have covered that their mates, which begin within them, will cover too: by the hash
    /// of their name, with the mates' start.
    waiting: HashMap<u64, (u32, Vec<Block>)>,
    enough: usize,
    /// The last record's rank of contig and start.
    last: (usize, u32),
}

impl Pass<'_> {
    /// Counts a record; false if it is out of order.
    fn take(&mut self, record: &bam::Record) -> std::io::Result<bool> {
        let flags = record.flags();
        if let (Some(rank), Some(start)) =
            (record.reference_sequence_id(), record.alignment_start())
        {
            let here = (rank?, start?.get() as u32 - 1);
            if here < self.last {
                return Ok(false);
            }
            if here.0 != self.last.0 {
                self.waiting.clear();
                self.counts.cycles.judge(usize::MAX, self.targets);
            }
            self.last = here;
        }
        if flags.is_secondary() || flags.is_supplementary() {
            return Ok(true);
        }
        let reads = &mut self.counts.reads;
        reads.total += 1;
        reads.duplicates += u64::from(flags.is_duplicate());
        if flags.is_unmapped() {
            return Ok(true);
        }
        reads.mapped += 1;
        reads.properly_paired += u64::from(flags.is_properly_segmented());
        // MAPQ 255 says "not available" (SAM 1.6 §1.4.5); nothing speaks for such a read.
        let mapq = record.mapping_quality().map_or(0, u8::from);
        reads.mapq_30 += u64::from(mapq >= 30);
        let length = record.template_length();
        if flags.is_properly_segmented() && !flags.is_duplicate() && length > 0 {
            self.counts.inserts[(length as usize).min(LONGEST_INSERT)] += 1;
        }
        let (rank, start) = self.last;
        if record.reference_sequence_id().is_none() || record.alignment_start().is_none() {
            return Ok(true);
        }
        let (blocks, end) = blocks(record, start)?;
        let aligned = blocks.iter().map(|b| u64::from(b.span.len())).sum::<u64>();
        self.counts.aligned.0 += aligned;
        let Some(contig) = self.contigs.get(rank).copied().flatten() else {
            return Ok(true);
        };
        let whole = Span::new(start, end.max(start + 1));
        let touches = self.targets.touches(contig, whole);
        self.counts.reads.on_target += u64::from(touches);
        if touches {
            let inside = blocks
                .iter()
                .flat_map(|b| self.targets.parts(contig, b.span));
            self.counts.aligned.1 += inside.map(|(s, _)| u64::from(s.len())).sum::<u64>();
        }
        let unusable = flags.is_duplicate() || flags.is_qc_fail();
        let wanted = touches || !self.sites.within(contig, whole).is_empty();
        if wanted && !unusable && mapq >= self.filters.min_mapq.min(cycles::MIN_MAPQ) {
            if touches && mapq >= cycles::MIN_MAPQ {
                self.calls(record, contig, &blocks)?;
            }
            if mapq >= self.filters.min_mapq {
                self.cover(record, contig, &blocks, whole)?;
            }
        }
        Ok(true)
    }

    /// Base calls in the panel, by cycle.
    fn calls(
        &mut self,
        record: &bam::Record,
        contig: ContigId,
        blocks: &[Block],
    ) -> std::io::Result<()> {
        let before = self.targets.slot_from(contig, self.last.1);
        self.counts.cycles.judge(before, self.targets);
        let flags = record.flags();
        let (second, reverse) = (flags.is_last_segment(), flags.is_reverse_complemented());
        let sequence = record.sequence();
        let length = sequence.len() as u32;
        let clipped = hard_clip(record, reverse)?;
        for block in blocks {
            for (part, slot) in self.targets.parts(contig, block.span) {
                let from = block.cut(part).at;
                for i in 0..part.len() {
                    let at = from + i;
                    let code = code_of(sequence.get(at as usize).unwrap_or(b'N'));
                    if code < 4 {
                        let cycle = clipped + if reverse { length - 1 - at } else { at };
                        let base = Base::new(cycle, second, reverse, code);
                        self.counts.cycles.call(slot + i as usize, base);
                    }
                }
            }
        }
        Ok(())
    }

    /// Depth and sites, each base once for a fragment.
    fn cover(
        &mut self,
        record: &bam::Record,
        contig: ContigId,
        blocks: &[Block],
        whole: Span,
    ) -> std::io::Result<()> {
        let quals = record.quality_scores();
        let quals = quals.as_bytes();
        let known = quals.first().is_some_and(|&q| q != 0xff);
        let least = self.filters.min_base_quality;
        let mut good = Vec::with_capacity(blocks.len() + 2);
        for &block in blocks {
            if known && least > 0 {
                push_good(block, quals, least, &mut good);
            } else {
                good.push(block);
            }
        }
        if record.flags().is_segmented() {
            let name = xxhash_rust::xxh3::xxh3_64(record.name().map_or(&b"*"[..], |n| n.as_ref()));
            if let Some((_, of_mate)) = self.waiting.remove(&name) {
                good = without(&good, &of_mate);
            } else if let (Some(rank), Some(mate)) = (
                record.mate_reference_sequence_id(),
                record.mate_alignment_start(),
            ) {
                let mate = mate?.get() as u32 - 1;
                if rank? == self.last.0 && (whole.start..whole.end).contains(&mate) {
                    self.forget_late(whole.start);
                    self.waiting.insert(name, (mate, good.clone()));
                }
            }
        }
        let sequence = record.sequence();
        for block in &good {
            for (part, slot) in self.targets.parts(contig, block.span) {
                self.counts.depth.cover(slot..slot + part.len() as usize);
            }
            for rank in self.sites.within(contig, block.span) {
                let at = (block.at + (self.sites.sites[rank].pos.0 - block.span.start)) as usize;
                let code = code_of(sequence.get(at).unwrap_or(b'N'));
                let heard = !known || quals.get(at).is_some_and(|&q| q >= sites::MIN_QUALITY);
                if code < 4 && heard {
                    self.counts.shown[rank].0[usize::from(code)] += 1;
                }
            }
        }
        Ok(())
    }

    /// Mates that were to come before a position did not.
    fn forget_late(&mut self, position: u32) {
        if self.waiting.len() >= self.enough {
            self.waiting.retain(|_, (mate, _)| *mate >= position);
            self.enough = 2 * self.waiting.len().max(WAITING);
        }
    }
}

/// Bases clipped off before the first one that the record has, in the order of sequencing.
fn hard_clip(record: &bam::Record, reverse: bool) -> std::io::Result<u32> {
    let cigar = record.cigar();
    let op = if reverse {
        cigar.iter().last()
    } else {
        cigar.iter().next()
    };
    Ok(match op.transpose()? {
        Some(op) if op.kind() == Kind::HardClip => op.len() as u32,
        _ => 0,
    })
}

/// The runs of aligned bases of a record, and the position behind its last one.
fn blocks(record: &bam::Record, start: u32) -> std::io::Result<(Vec<Block>, u32)> {
    let mut out: Vec<Block> = Vec::with_capacity(4);
    let (mut position, mut at) = (start, 0);
    for op in record.cigar().iter() {
        let op = op?;
        let n = op.len() as u32;
        if matches!(
            op.kind(),
            Kind::Match | Kind::SequenceMatch | Kind::SequenceMismatch
        ) {
            out.push(Block {
                span: Span::new(position, position + n),
                at,
            });
        }
        position += if op.kind().consumes_reference() { n } else { 0 };
        at += if op.kind().consumes_read() { n } else { 0 };
    }
    let length = record.sequence().len();
    if length != 0 && length != at as usize {
        return Err(std::io::Error::new(
            std::io::ErrorKind::InvalidData,
            format!("the CIGAR takes {at} bases and the record has {length}"),
        ));
    }
    if length == 0 {
        out.clear(); // it says where it lies, but not what it shows
    }
    Ok((out, position))
}

/// The parts of a block whose calls have a quality of `least` or more.
fn push_good(block: Block, quals: &[u8], least: u8, out: &mut Vec<Block>) {
    let here = quals.get(block.at as usize..).unwrap_or(&[]);
    let here = &here[..here.len().min(block.span.len() as usize)];
    let mut start = block.span.start;
    for run in here.chunk_by(|a, b| (*a >= least) == (*b >= least)) {
        let span = Span::new(start, start + run.len() as u32);
        if run[0] >= least {
            out.push(block.cut(span));
        }
        start = span.end;
    }
}

/// What of `blocks` no block of `taken` covers; both ascend.
fn without(blocks: &[Block], taken: &[Block]) -> Vec<Block> {
    let mut out = Vec::with_capacity(blocks.len());
    for &block in blocks {
        let mut from = block.span.start;
        for t in taken.iter().filter(|t| t.span.overlaps(block.span)) {
            if t.span.start > from {
                out.push(block.cut(Span::new(from, t.span.start)));
            }
            from = from.max(t.span.end);
        }
        if from < block.span.end {
            out.push(block.cut(Span::new(from, block.span.end)));
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn block(start: u32, end: u32, at: u32) -> Block {
        Block {
            span: Span::new(start, end),
            at,
        }
    }

    #[test]
    fn what_the_mate_covered_is_taken_away() {
        let taken = [block(10, 14, 0), block(16, 20, 4)];
        assert_eq!(
            without(&[block(8, 18, 5), block(19, 25, 30)], &taken),
            [block(8, 10, 5), block(14, 16, 11), block(20, 25, 31)]
        );
        assert_eq!(without(&[block(0, 5, 0)], &taken), [block(0, 5, 0)]);
        assert!(without(&[block(11, 13, 0)], &taken).is_empty());
    }

    #[test]
    fn calls_of_low_quality_cut_a_block() {
        let mut out = Vec::new();
        let quals = [40, 40, 2, 40, 40, 2, 2];
        push_good(block(100, 106, 1), &quals, 13, &mut out);
        assert_eq!(out, [block(100, 101, 1), block(102, 104, 3)]);
    }
}
