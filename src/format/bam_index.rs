//! The index beside a coordinate-sorted BAM: BAI, or CSI where a contig is too long for BAI
//! (SAM 1.6 §5).

use std::collections::BTreeMap;
use std::ops::Range;

/// Longest contig that BAI's bins and 16-bit bin numbers hold.
pub const BAI_MAX_LENGTH: u32 = 1 << 29;
/// Bits of position below the smallest bin.
const MIN_SHIFT: u32 = 14;

/// The smallest bin that holds `start..end`, for bins of `2^min_shift` bases at the lowest of `depth`
/// levels below the root (SAM 1.6 §5.3; CSI specification).
pub fn bin_of(start: i64, end: i64, min_shift: u32, depth: u32) -> i64 {
    let last = end - 1;
    let mut shift = min_shift;
    let mut first_bin = ((1i64 << (3 * depth)) - 1) / 7;
    for level in (1..=depth).rev() {
        if start >> shift == last >> shift {
            return first_bin + (start >> shift);
        }
        shift += 3;
        first_bin -= 1 << (3 * (level - 1));
    }
    0
}

/// A place in the uncompressed stream: block number in the upper bits, offset in the block in the
/// lower 16. Becomes a virtual offset when the blocks' places in the file are known.
pub type Place = u64;

#[derive(Default)]
struct ContigIndex {
    /// By bin: half-open stretches of the file.
    bins: BTreeMap<u32, Vec<(Place, Place)>>,
    /// By 16 kb window: the first record that covers it.
    windows: Vec<Option<Place>>,
    span: Option<(Place, Place)>,
    mapped: u64,
    unmapped: u64,
}

/// Collects where the records of a sorted BAM lie.
pub struct IndexBuilder {
    contigs: Vec<ContigIndex>,
    depth: u32,
    csi: bool,
    unplaced: u64,
}

impl IndexBuilder {
    /// For contigs of these lengths.
    pub fn new(lengths: impl ExactSizeIterator<Item = u32> + Clone) -> IndexBuilder {
        let longest = lengths.clone().max().unwrap_or(0);
        let csi = longest > BAI_MAX_LENGTH;
        let depth = if csi { 6 } else { 5 }; // 2^(14 + 3 * 6) covers all 32-bit positions
        IndexBuilder {
            contigs: lengths.map(|_| ContigIndex::default()).collect(),
            depth,
            csi,
            unplaced: 0,
        }
    }

    /// What the index file's name ends with, after the BAM's name.
    pub fn extension(&self) -> &'static str {
        if self.csi { "csi" } else { "bai" }
    }

    /// Takes the next record in file order: contig or -1, position or -1, reference bases covered,
    /// whether it is mapped, and where it lies.
    pub fn add(&mut self, contig: i32, pos: i32, covered: u32, mapped: bool, at: Range<Place>) {
        let Range {
            start: from,
            end: to,
        } = at;
        if contig < 0 || pos < 0 {
            self.unplaced += 1;
            return;
        }
        let index = &mut self.contigs[contig as usize];
        let (start, end) = (i64::from(pos), i64::from(pos) + i64::from(covered.max(1)));
        let bin = bin_of(start, end, MIN_SHIFT, self.depth) as u32;
        let chunks = index.bins.entry(bin).or_default();
        match chunks.last_mut() {
            Some((_, last)) if *last == from => *last = to,
            _ => chunks.push((from, to)),
        }
        let last_window = ((end - 1) >> MIN_SHIFT) as usize;
        if index.windows.len() <= last_window {
            index.windows.resize(last_window + 1, None);
        }
        for window in &mut index.windows[(start >> MIN_SHIFT) as usize..=last_window] {
            window.get_or_insert(from);
        }
        index.span = Some((index.span.map_or(from, |(first, _)| first), to));
        if mapped {
            index.mapped += 1;
        } else {
            index.unmapped += 1;
        }
    }

    /// The index file's bytes, before BGZF if it is CSI (see [`IndexBuilder::extension`]). `blocks` says where each block starts in the
    /// file, and at last where the file's next block would.
    pub fn finish(mut self, blocks: &[u64]) -> Vec<u8> {
        let offset = |place: Place| blocks[(place >> 16) as usize] << 16 | (place & 0xffff);
        let mut out = Vec::new();
        if self.csi {
            out.extend_from_slice(b"CSI\x01");
            push_u32s(&mut out, &[MIN_SHIFT, self.depth, 0]);
        } else {
            out.extend_from_slice(b"BAI\x01");
        }
        // The bin after the last, for counts (SAM 1.6 §5.2).
        let counts_bin = ((1u32 << (3 * (self.depth + 1))) - 1) / 7 + 1;
        push_u32s(&mut out, &[self.contigs.len() as u32]);
        for contig in &mut self.contigs {
            // A window that no record covers takes the one before: nothing later starts sooner.
            let mut before = 0;
            let windows: Vec<u64> = (contig.windows.iter())
                .map(|place| {
                    before = place.map_or(before, offset);
                    before
                })
                .collect();
            push_u32s(
                &mut out,
                &[contig.bins.len() as u32 + u32::from(contig.span.is_some())],
            );
            for (&bin, chunks) in &mut contig.bins {
                // Two chunks that meet in a block cost one seek, like one chunk.
                chunks.dedup_by(|next, kept| {
                    let meet = next.0 >> 16 <= kept.1 >> 16;
                    if meet {
                        kept.1 = next.1;
                    }
                    meet
                });
                push_u32s(&mut out, &[bin]);
                if self.csi {
                    let window = first_window(bin, self.depth);
                    push_u64s(&mut out, &[windows.get(window).copied().unwrap_or(0)]);
                }
                push_u32s(&mut out, &[chunks.len() as u32]);
                for &mut (from, to) in chunks {
                    push_u64s(&mut out, &[offset(from), offset(to)]);
                }
            }
            if let Some((from, to)) = contig.span {
                push_u32s(&mut out, &[counts_bin]);
                if self.csi {
                    push_u64s(&mut out, &[0]);
                }
                push_u32s(&mut out, &[2]);
                push_u64s(
                    &mut out,
                    &[offset(from), offset(to), contig.mapped, contig.unmapped],
                );
            }
            if !self.csi {
                push_u32s(&mut out, &[windows.len() as u32]);
                push_u64s(&mut out, &windows);
            }
        }
        push_u64s(&mut out, &[self.unplaced]);
        out
    }
}

/// The first 16 kb window that a bin covers.
fn first_window(bin: u32, depth: u32) -> usize {
    let mut first_bin = 0;
    for level in 0..=depth {
        let next = first_bin + (1 << (3 * level));
        if bin < next {
            return ((bin - first_bin) as usize) << (3 * (depth - level));
        }
        first_bin = next;
    }
    unreachable!("bin {bin} of {depth} levels")
}

fn push_u32s(out: &mut Vec<u8>, values: &[u32]) {
    out.extend(values.iter().flat_map(|v| v.to_le_bytes()));
}

fn push_u64s(out: &mut Vec<u8>, values: &[u64]) {
    out.extend(values.iter().flat_map(|v| v.to_le_bytes()));
}

#[cfg(test)]
mod tests {
    use super::*;

    /// SAM 1.6 §5.3, as the specification spells it.
    fn reg2bin(start: i64, end: i64) -> i64 {
        let last = end - 1;
        for (shift, first) in [(14, 4681), (17, 585), (20, 73), (23, 9), (26, 1)] {
            if start >> shift == last >> shift {
                return first + (start >> shift);
            }
        }
        0
    }

    #[test]
    fn bins_are_those_of_the_specification() {
        for start in (0..1i64 << 29)
            .step_by(1_234_567)
            .chain([0, 16383, 16384, (1 << 26) - 1])
        {
            for length in [1, 2, 150, 20_000, 1 << 20, 1 << 27] {
                assert_eq!(
                    bin_of(start, start + length, 14, 5),
                    reg2bin(start, start + length)
                );
            }
        }
        assert_eq!(bin_of(-1, 0, 14, 5), 4680); // an unplaced record, as §4.2.1 wants it
    }

    #[test]
    fn a_bin_starts_at_its_first_window() {
        for window in [0usize, 1, 7, 8, 63, 64, 4096, 262_143] {
            let start = (window as i64) << 14;
            let bin = bin_of(start, start + 1, 14, 6) as u32;
            assert_eq!(first_window(bin, 6), window);
        }
        assert_eq!((first_window(0, 6), first_window(2, 6)), (0, 1 << 15));
    }
}
