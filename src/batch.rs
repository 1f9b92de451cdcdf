//! A batch of reads: numbered, and made of arrays rather than objects; a read is an index.

use crate::domain::bases::{BASES_PER_WORD, LETTERS, code_of, words_for};
use bytemuck::{Pod, Zeroable};

/// Reads of one input, in the order of the file. A template is one read, or both mates of a pair;
/// in a paired batch reads `2t` and `2t + 1` are mates 1 and 2 of template `t`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ReadBatch {
    /// Rank of the batch in the whole input, from 0.
    pub number: u64,
    /// Rank of its first template in the whole input, from 0.
    pub first_template: u64,
    /// Two reads to a template.
    pub paired: bool,
    /// Which file, or pair of files, of the input it comes from, from 0. A batch holds one lane's reads.
    pub lane: u32,
    /// Names of the templates, one after another, without comment and `/1` or `/2`.
    pub names: Vec<u8>,
    /// Where each name ends in `names`; one per template.
    pub name_ends: Vec<u32>,
    /// Upper-case IUPAC letters, the reads one after another.
    pub bases: Vec<u8>,
    /// Phred values 0 to 93 (not ASCII), one per base.
    pub quals: Vec<u8>,
    /// Where each read ends in `bases` and `quals`; one per read. A read may be empty.
    pub read_ends: Vec<u32>,
    /// Fields that the input gave each read, as BAM has them, one read's after another's.
    pub tags: Vec<u8>,
    /// Where each read's fields end in `tags`; one per read, or none if no read has any.
    pub tag_ends: Vec<u32>,
}

impl ReadBatch {
    /// Templates in the batch.
    pub fn templates(&self) -> usize {
        self.name_ends.len()
    }

    /// Reads in the batch: as many as templates, or twice as many.
    pub fn reads(&self) -> usize {
        self.read_ends.len()
    }

    /// Nothing in it.
    pub fn is_empty(&self) -> bool {
        self.name_ends.is_empty()
    }

    /// Name of template `t`.
    pub fn name(&self, t: usize) -> &[u8] {
        &self.names[span(&self.name_ends, t)]
    }

    /// Bases of read `r`.
    pub fn bases(&self, r: usize) -> &[u8] {
        &self.bases[span(&self.read_ends, r)]
    }

    /// Phred values of read `r`.
    pub fn quals(&self, r: usize) -> &[u8] {
        &self.quals[span(&self.read_ends, r)]
    }

    /// Fields of read `r`, see [`crate::format::tags`].
    pub fn tags(&self, r: usize) -> &[u8] {
        if self.tag_ends.is_empty() {
            return &[];
        }
        &self.tags[span(&self.tag_ends, r)]
    }

    /// Length of read `r`.
    pub fn read_len(&self, r: usize) -> usize {
        span(&self.read_ends, r).len()
    }

    /// The reads of template `t`.
    pub fn reads_of(&self, t: usize) -> std::ops::Range<usize> {
        if self.paired {
            2 * t..2 * t + 2
        } else {
            t..t + 1
        }
    }

    /// The template of read `r`.
    pub fn template_of(&self, r: usize) -> usize {
        if self.paired { r / 2 } else { r }
    }

    /// Forgets the reads and keeps the memory.
    pub fn clear(&mut self) {
        self.names.clear();
        self.name_ends.clear();
        self.bases.clear();
        self.quals.clear();
        self.read_ends.clear();
        self.tags.clear();
        self.tag_ends.clear();
    }
}

/// Element `i` of an array of arrays whose ends are given.
fn span(ends: &[u32], i: usize) -> std::ops::Range<usize> {
    let start = if i == 0 { 0 } else { ends[i - 1] as usize };
    start..ends[i] as usize
}

/// Where a read lies in [`PackedReads`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Pod, Zeroable)]
#[repr(C)]
pub struct ReadSpan {
    /// Its first word.
    pub word: u32,
    /// Its length in bases.
    pub len: u32,
}

/// The bases of a batch as the kernels take them: 2 bits a base in the layout of [`crate::domain::bases`],
/// each read from a word of its own; unused bits are 0.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PackedReads {
    /// Codes; 0 at bases that are not ACGT.
    pub words: Vec<u32>,
    /// In the same layout, 1 (of 0..=3) at bases that are not ACGT, else 0.
    pub masks: Vec<u32>,
    /// One per read.
    pub spans: Vec<ReadSpan>,
}

impl PackedReads {
    /// Packs the reads of a batch in place of what was there.
    pub fn fill(&mut self, batch: &ReadBatch) {
        self.words.clear();
        self.masks.clear();
        self.spans.clear();
        self.words
            .reserve(words_for(batch.bases.len()) + batch.reads());
        self.spans.reserve(batch.reads());
        for r in 0..batch.reads() {
            let bases = batch.bases(r);
            self.spans.push(ReadSpan {
                word: self.words.len() as u32,
                len: bases.len() as u32,
            });
            // In bytes and without an early exit, so that it becomes vector compares: nearly every
            // read is all ACGT.
            let other = bases.iter().fold(0, |other, &b| {
                let is = |letter| u8::from(b == letter);
                other | (1 - is(b'A') - is(b'C') - is(b'G') - is(b'T'))
            });
            if other == 0 {
                pack_known(bases, &mut self.words);
                self.masks.resize(self.words.len(), 0);
            } else {
                pack_any(bases, &mut self.words, &mut self.masks);
            }
        }
    }

    /// Words of read `r`: codes and mask.
    pub fn read(&self, r: usize) -> (&[u32], &[u32]) {
        let ReadSpan { word, len } = self.spans[r];
        let range = word as usize..word as usize + words_for(len as usize);
        (&self.words[range.clone()], &self.masks[range])
    }
}

/// Appends the codes of bases that are all upper-case ACGT.
fn pack_known(bases: &[u8], words: &mut Vec<u32>) {
    let (eights, rest) = bases.as_chunks::<8>();
    let mut pairs = eights.chunks_exact(2);
    words.extend(
        pairs
            .by_ref()
            .map(|pair| pack_eight(pair[0]) | pack_eight(pair[1]) << 16),
    );
    let left = pairs.remainder();
    if left.is_empty() && rest.is_empty() {
        return;
    }
    let mut last = [[b'A'; 8]; 2]; // A is code 0: padding leaves unused bits 0
    last[..left.len()].copy_from_slice(left);
    last[left.len()][..rest.len()].copy_from_slice(rest);
    words.push(pack_eight(last[0]) | pack_eight(last[1]) << 16);
}

/// Codes of eight bases in the low 16 bits. Bits 1 and 2 of the ASCII letters are 00 A, 01 C, 10 T,
/// 11 G; adding the upper bit to the lower one swaps T and G.
fn pack_eight(bases: [u8; 8]) -> u32 {
    let x = u64::from_le_bytes(bases) >> 1 & 0x0303_0303_0303_0303;
    let x = x ^ (x >> 1 & 0x0101_0101_0101_0101);
    let x = (x | x >> 6) & 0x000f_000f_000f_000f;
    let x = (x | x >> 12) & 0x0000_00ff_0000_00ff;
    ((x | x >> 24) & 0xffff) as u32
}

/// Appends codes and mask of any letters.
fn pack_any(bases: &[u8], words: &mut Vec<u32>, masks: &mut Vec<u32>) {
    for chunk in bases.chunks(BASES_PER_WORD) {
        let (mut word, mut mask) = (0, 0);
        for (i, &base) in chunk.iter().enumerate() {
            let code = u32::from(code_of(base));
            if code < LETTERS.len() as u32 {
                word |= code << (2 * i);
            } else {
                mask |= 1 << (2 * i);
            }
        }
        words.push(word);
        masks.push(mask);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::bases::get_code;

    fn batch(reads: &[&[u8]]) -> ReadBatch {
        let mut b = ReadBatch::default();
        for (t, read) in reads.iter().enumerate() {
            b.names.extend(format!("r{t}").bytes());
            b.name_ends.push(b.names.len() as u32);
            b.bases.extend_from_slice(read);
            b.quals.resize(b.bases.len(), 30);
            b.read_ends.push(b.bases.len() as u32);
        }
        b
    }

    #[test]
    fn reads_and_names_are_found_again_even_when_empty() {
        let b = batch(&[b"ACG", b"", b"T"]);
        assert_eq!(
            (b.bases(0), b.bases(1), b.bases(2)),
            (&b"ACG"[..], &b""[..], &b"T"[..])
        );
        assert_eq!(
            (b.name(0), b.name(2), b.quals(1).len()),
            (&b"r0"[..], &b"r2"[..], 0)
        );
    }

    #[test]
    fn packing_agrees_with_the_table_at_every_length_with_and_without_n() {
        for length in 0..=70 {
            for n_at in [usize::MAX, 0, length / 2, length.saturating_sub(1)] {
                let mut read: Vec<u8> = (0..length).map(|i| LETTERS[(i * 7 + i / 3) % 4]).collect();
                if n_at < length {
                    read[n_at] = b'N';
                }
                let b = batch(&[b"TTT", &read, b"G"]);
                let mut packed = PackedReads::default();
                packed.fill(&batch(&[b"GGGGGGGGGGGGGGGGGGGGGGGNN"])); // what was there leaves no trace
                packed.fill(&b);
                let (words, masks) = packed.read(1);
                assert_eq!(
                    (words.len(), masks.len()),
                    (words_for(length), words_for(length))
                );
                assert_eq!(packed.spans[1].len as usize, length);
                for (i, &base) in read.iter().enumerate() {
                    let masked = get_code(masks, i);
                    assert_eq!(masked, u8::from(base == b'N'), "length {length}, base {i}");
                    let code = if base == b'N' { 0 } else { code_of(base) };
                    assert_eq!(get_code(words, i), code, "length {length}, base {i}");
                }
                for i in length..16 * words.len() {
                    assert_eq!((get_code(words, i), get_code(masks, i)), (0, 0));
                }
                assert_eq!(get_code(packed.read(2).0, 0), 2);
            }
        }
    }
}
