//! `pileup`: what do the reads say at each position? Aligned reads are added, base by base, into
//! integer counters of the positions of a *tile*. Sums of integers do not depend on order.
//!
//! Counters are planes: counter `k` of position `p` stands at `k * width + p`.

use crate::Result;
use crate::device::gpu::Gpu;
use crate::device::shader::{Shader, nothing};
use bytemuck::{Pod, Zeroable};

/// One aligned read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Pod, Zeroable)]
#[repr(C)]
pub struct Segment {
    /// First aligned base, from the tile's start; negative before it.
    pub start: i32,
    /// Its first base, clipped ones included, as a byte index.
    pub bases: u32,
    /// Its first CIGAR word (`length << 4 | operation`, BAM's codes).
    pub cigar: u32,
    /// CIGAR words.
    pub cigar_len: u32,
    /// Bit 0: reverse strand. From bit 8: MAPQ.
    pub flags: u32,
}

/// Reads by base (A, C, G, T) and strand: plane `2 * base + strand`.
pub const COUNT: usize = 0;
/// Sums of base qualities, by base.
pub const QUALITY: usize = 8;
/// Reads with an insertion behind this position, by strand.
pub const INSERTION: usize = 12;
/// Reads with a deletion that starts behind this position, by strand.
pub const DELETION: usize = 14;
/// Reads in which this position is deleted.
pub const DELETED: usize = 16;
/// Reads whose base here is known, but too poor to count.
pub const POOR: usize = 17;
/// Sum of MAPQ over the reads counted in [`COUNT`].
pub const MAPQ: usize = 18;
/// Reads clipped right before or right behind this position.
pub const CLIP: usize = 19;
/// Planes.
pub const PLANES: usize = 20;

/// The tile and what counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Settings {
    /// Positions in the tile.
    pub width: u32,
    /// Base qualities below this count as poor.
    pub min_quality: u32,
}

const MATCH: u32 = 0;
const INSERT: u32 = 1;
const DELETE: u32 = 2;
const SOFT_CLIP: u32 = 4;

fn byte(words: &[u32], at: u32) -> u32 {
    words[at as usize / 4] >> (8 * (at % 4)) & 0xff
}

/// The definition: walks one read's CIGAR and adds to the counters. A base is a byte, its 2-bit code
/// below its quality (see [`super::pairhmm::pack`]); quality 0 means "do not look at this base": it
/// is N, or the mate speaks for the fragment here. Such a base anchors no insertion or deletion.
pub fn plain(bases: &[u32], cigars: &[u32], read: Segment, s: Settings, counts: &mut [u32]) {
    let mut add = |plane: usize, position: i32, amount: u32| {
        if (0..s.width as i32).contains(&position) {
            counts[plane * s.width as usize + position as usize] += amount;
        }
    };
    let strand = (read.flags & 1) as usize;
    let mapq = read.flags >> 8;
    let (mut at, mut position) = (read.bases, read.start);
    let mut anchor_quality = 0;
    for k in 0..read.cigar_len {
        let word = cigars[(read.cigar + k) as usize];
        let (length, operation) = (word >> 4, word & 15);
        match operation {
            MATCH => {
                for _ in 0..length {
                    let base = byte(bases, at);
                    let (code, quality) = ((base & 3) as usize, base >> 2);
                    if quality >= s.min_quality {
                        add(COUNT + 2 * code + strand, position, 1);
                        add(QUALITY + code, position, quality);
                        add(MAPQ, position, mapq);
                    } else if quality > 0 {
                        add(POOR, position, 1);
                    }
                    anchor_quality = quality;
                    at += 1;
                    position += 1;
                }
            }
            INSERT => {
                if anchor_quality > 0 {
                    add(INSERTION + strand, position - 1, 1);
                }
                at += length;
            }
            DELETE => {
                if anchor_quality > 0 {
                    add(DELETION + strand, position - 1, 1);
                    for _ in 0..length {
                        add(DELETED, position, 1);
                        position += 1;
                    }
                } else {
                    position += length as i32;
                }
            }
            SOFT_CLIP => {
                // In front of the first aligned base, or behind the last.
                add(CLIP, if k == 0 { position } else { position - 1 }, 1);
                at += length;
            }
            _ => {}
        }
    }
}

/// The shader of this kernel.
pub static SHADER: Shader = Shader {
    name: "pileup",
    source: concat!(
        include_str!("../../shaders/common.wgsl"),
        include_str!("../../shaders/pileup.wgsl")
    ),
    tables: &[],
    lengths: &[],
    generated: nothing,
};

/// All reads on a GPU, a thread each.
///
/// # Errors
/// [`Error::Device`](crate::Error::Device) for the first thing that went wrong on it.
pub fn on_gpu(
    gpu: &Gpu,
    bases: &[u32],
    cigars: &[u32],
    reads: &[Segment],
    s: Settings,
) -> Result<Vec<u32>> {
    let constants = [
        ("PLANES", PLANES as i64),
        ("MIN_QUALITY", i64::from(s.min_quality)),
        ("COUNT", COUNT as i64),
        ("QUALITY", QUALITY as i64),
        ("INSERTION", INSERTION as i64),
        ("DELETION", DELETION as i64),
        ("DELETED", DELETED as i64),
        ("POOR", POOR as i64),
        ("MAPQ", MAPQ as i64),
        ("CLIP", CLIP as i64),
    ];
    let (bases, cigars, on_device) = (gpu.upload(bases), gpu.upload(cigars), gpu.upload(reads));
    let counts = gpu.zeros(PLANES * s.width as usize);
    let args = [
        bases.whole(),
        cigars.whole(),
        on_device.each(),
        counts.kept(),
    ];
    gpu.run(&SHADER, &constants, &[], &args, reads.len());
    gpu.download(&counts)
}

/// All reads, on the thread that calls; a run of matches is added plane by plane, in vectors.
pub fn on_cpu(bases: &[u32], cigars: &[u32], reads: &[Segment], s: Settings) -> Vec<u32> {
    let mut counts = vec![0; PLANES * s.width as usize];
    add_all(bases, cigars, reads, s, &mut counts);
    counts
}

crate::lanes! {
    /// Adds every read; `N` has no part in it, the planes are as wide as the runs.
    fn add_all<N = [4, 8, 16]>(
        bases: &[u32],
        cigars: &[u32],
        reads: &[Segment],
        s: Settings,
        counts: &mut [u32],
    ) {
        let bases: &[u8] = bytemuck::cast_slice(bases);
        let mut run = Vec::new();
        for &read in reads {
            add_read::<N>(bases, cigars, read, s, counts, &mut run);
        }
    }
}

/// [`plain`] with its match runs cut to the tile and added by [`add_run`].
#[allow(clippy::inline_always)] // else it is compiled for narrow vectors only
#[inline(always)]
fn add_read<const N: usize>(
    bases: &[u8],
    cigars: &[u32],
    read: Segment,
    s: Settings,
    counts: &mut [u32],
    run: &mut Vec<u32>,
) {
    let width = s.width as usize;
    let strand = (read.flags & 1) as usize;
    let (mut at, mut position) = (read.bases as usize, read.start);
    let mut anchor_quality = 0;
    let within = |p: i32| (0..s.width as i32).contains(&p).then_some(p as usize);
    let cigar = &cigars[read.cigar as usize..(read.cigar + read.cigar_len) as usize];
    for (k, word) in cigar.iter().enumerate() {
        let (length, operation) = ((word >> 4) as usize, word & 15);
        let end = position + length as i32;
        match operation {
            MATCH => {
                let from = position.clamp(0, s.width as i32);
                let to = end.clamp(from, s.width as i32);
                let skipped = (from - position).max(0) as usize;
                let stretch = (to - from) as usize;
                if stretch > 0 {
                    run.clear();
                    run.extend(
                        bases[at + skipped..][..stretch]
                            .iter()
                            .map(|&b| u32::from(b)),
                    );
                    add_run(run, from as usize, strand, read.flags >> 8, s, counts);
                }
                if length > 0 {
                    anchor_quality = bases[at + length - 1] >> 2;
                }
                at += length;
                position = end;
            }
            INSERT => {
                if let (true, Some(p)) = (anchor_quality > 0, within(position - 1)) {
                    counts[(INSERTION + strand) * width + p] += 1;
                }
                at += length;
            }
            DELETE => {
                if anchor_quality > 0 {
                    if let Some(p) = within(position - 1) {
                        counts[(DELETION + strand) * width + p] += 1;
                    }
                    let from = position.clamp(0, s.width as i32) as usize;
                    let to = end.clamp(0, s.width as i32) as usize;
                    for c in &mut counts[DELETED * width..][from..to] {
                        *c += 1;
                    }
                }
                position = end;
            }
            SOFT_CLIP => {
                if let Some(p) = within(if k == 0 { position } else { position - 1 }) {
                    counts[CLIP * width + p] += 1;
                }
                at += length;
            }
            _ => {}
        }
    }
}

/// One run of matched bases at `from`, a loop without branches for each plane.
#[allow(clippy::inline_always)] // else it is compiled for narrow vectors only
#[inline(always)]
fn add_run(run: &[u32], from: usize, strand: usize, mapq: u32, s: Settings, counts: &mut [u32]) {
    let width = s.width as usize;
    let plane = |k: usize| k * width + from..k * width + from + run.len();
    for code in 0..4 {
        for (c, &b) in counts[plane(COUNT + 2 * code + strand)].iter_mut().zip(run) {
            *c += u32::from((b & 3 == code as u32) && (b >> 2 >= s.min_quality));
        }
        for (c, &b) in counts[plane(QUALITY + code)].iter_mut().zip(run) {
            *c += (b >> 2) * u32::from((b & 3 == code as u32) && (b >> 2 >= s.min_quality));
        }
    }
    for (c, &b) in counts[plane(POOR)].iter_mut().zip(run) {
        *c += u32::from((b >> 2 > 0) && (b >> 2 < s.min_quality));
    }
    for (c, &b) in counts[plane(MAPQ)].iter_mut().zip(run) {
        *c += mapq * u32::from(b >> 2 >= s.min_quality);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::device::lanes::Level;
    use crate::kernel::pairhmm::{pack, pack_words};

    const S: Settings = Settings {
        width: 8,
        min_quality: 10,
    };

    fn spell(s: &[u8], qualities: &[u8]) -> Vec<u32> {
        let bytes: Vec<u8> = s
            .iter()
            .zip(qualities)
            .map(|(&b, &q)| pack(crate::domain::code_of(b), q))
            .collect();
        pack_words(&bytes)
    }

    fn at(counts: &[u32], plane: usize, position: usize) -> u32 {
        counts[plane * S.width as usize + position]
    }

    #[test]
    fn a_read_adds_bases_gaps_and_clips_where_they_stand() {
        // 1S 2M 1I 1M 2D 2M from position 1: columns 1 2 (3 after the insertion) [4 5] 6 7.
        let bases = spell(b"TACGTAC", &[30, 30, 20, 30, 5, 30, 30]);
        let cigar = [1 << 4 | 4, 2 << 4, 1 << 4 | 1, 1 << 4, 2 << 4 | 2, 2 << 4];
        let read = Segment {
            start: 1,
            bases: 0,
            cigar: 0,
            cigar_len: 6,
            flags: 1 | 60 << 8,
        };
        let mut counts = vec![0; PLANES * 8];
        plain(&bases, &cigar, read, S, &mut counts);
        assert_eq!(at(&counts, COUNT + 1, 1), 1, "A, reverse");
        assert_eq!(at(&counts, QUALITY + 1, 2), 20, "C");
        assert_eq!(at(&counts, INSERTION + 1, 2), 1);
        assert_eq!(at(&counts, POOR, 3), 1, "T of quality 5");
        assert_eq!(at(&counts, DELETION + 1, 3), 1);
        assert_eq!((at(&counts, DELETED, 4), at(&counts, DELETED, 5)), (1, 1));
        assert_eq!(at(&counts, MAPQ, 7), 60);
        assert_eq!(at(&counts, CLIP, 1), 1);
        assert_eq!(
            counts.iter().sum::<u32>(),
            4 + 110 + 1 + 1 + 1 + 2 + 240 + 1
        );
    }

    #[test]
    fn masked_bases_anchor_nothing() {
        let bases = spell(b"AC", &[0, 30]);
        let read = Segment {
            start: 0,
            bases: 0,
            cigar: 0,
            cigar_len: 3,
            flags: 0,
        };
        let mut counts = vec![0; PLANES * 8];
        plain(&bases, &[1 << 4, 2 << 4 | 2, 1 << 4], read, S, &mut counts);
        assert_eq!(at(&counts, DELETED, 1), 0);
        assert_eq!(at(&counts, COUNT + 2, 3), 1, "C behind the gap");
    }

    #[test]
    fn lanes_equal_plain_at_every_level() {
        let mut state = 5u64;
        let mut below = |n: u64| {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1);
            (state >> 33) % n
        };
        let (mut bytes, mut cigars, mut reads) = (Vec::new(), Vec::new(), Vec::new());
        for _ in 0..500 {
            let start = below(330) as i32 - 40;
            let (bases, cigar) = (bytes.len() as u32, cigars.len() as u32);
            for k in 0..=below(6) {
                let (length, operation) =
                    (1 + below(40) as u32, [0, 1, 0, 2, 0, 4][k as usize % 6]);
                cigars.push(length << 4 | operation);
                if operation != 2 {
                    bytes.extend((0..length).map(|_| pack(below(4) as u8, below(64) as u8)));
                }
            }
            reads.push(Segment {
                start,
                bases,
                cigar,
                cigar_len: cigars.len() as u32 - cigar,
                flags: below(2) as u32 | (below(61) as u32) << 8,
            });
        }
        let words = pack_words(&bytes);
        for width in [0, 1, 31, 32, 33, 257] {
            let s = Settings { width, ..S };
            let mut expected = vec![0; PLANES * width as usize];
            for &read in &reads {
                plain(&words, &cigars, read, s, &mut expected);
            }
            for level in Level::available() {
                let got = level.force(|| on_cpu(&words, &cigars, &reads, s));
                assert!(got == expected, "{level:?}, width {width}");
            }
        }
    }
}
