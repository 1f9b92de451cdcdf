//! BGZF (SAM 1.6 §4.1): gzip in blocks of up to 64 KiB, deflated and inflated side by side.

use super::deflate::Deflater;
use flate2::bufread::MultiGzDecoder;
use libdeflater::{CompressionLvl, Compressor, Decompressor};
use rayon::prelude::*;
use std::cell::RefCell;
use std::fs::File;
use std::io::{self, BufRead, Cursor, Read, Seek, SeekFrom, Write};
use std::panic::resume_unwind;
use std::path::Path;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

/// Bytes in every block but the last, as htslib has it: also what does not shrink fits a block.
const BLOCK: usize = 0xff00;
/// Blocks that are deflated or inflated side by side.
const SLAB: usize = 64;
/// The level that is used unless said otherwise. It is [`Deflater`]'s; higher ones are libdeflate's, and
/// cost twice the time and more for 7 % less.
pub const DEFAULT_LEVEL: u8 = 1;

/// The empty block at the end of a whole file (SAM 1.6 §4.1.2).
pub const END: [u8; 28] = [
    0x1f, 0x8b, 8, 4, 0, 0, 0, 0, 0, 0xff, 6, 0, b'B', b'C', 2, 0, 0x1b, 0, 3, 0, 0, 0, 0, 0, 0, 0,
    0, 0,
];

/// A file that is written to its end.
#[derive(Debug)]
pub struct Whole<W> {
    /// What was written to.
    pub inner: W,
    /// Where each block starts in it; the last entry is the start of the end mark.
    pub starts: Vec<u64>,
    /// Time spent on compressing, summed over threads.
    pub deflating: Duration,
}

/// Deflates what is written to it on rayon's threads and writes it to `W` on a thread of its own.
/// Only [`Writer::finish`] makes the file whole. The bytes do not depend on the number of threads.
#[derive(Debug)]
pub struct Writer<W: Send + 'static> {
    slab: Vec<u8>,
    taken: u64,
    slabs: Option<SyncSender<Vec<u8>>>,
    spent: Receiver<Vec<u8>>,
    thread: Option<JoinHandle<io::Result<Whole<W>>>>,
}

impl<W: Write + Send + 'static> Writer<W> {
    /// Writes at a level from 0 (stored) to 12.
    pub fn new(inner: W, level: u8) -> Writer<W> {
        let (slabs, to_deflate) = sync_channel(2);
        let (recycle, spent) = sync_channel(3);
        let thread = thread::Builder::new()
            .name("bgzf".into())
            .spawn(move || write_slabs(inner, level, &to_deflate, &recycle))
            .expect("the system gives a thread");
        Writer {
            slab: Vec::with_capacity(SLAB * BLOCK),
            taken: 0,
            slabs: Some(slabs),
            spent,
            thread: Some(thread),
        }
    }

    /// Where the next byte goes: the number of its block in the upper bits, its offset in the block in
    /// the lower 16.
    pub fn place(&self) -> u64 {
        let written = self.taken + self.slab.len() as u64;
        written / BLOCK as u64 * 65_536 + written % BLOCK as u64
    }

    /// Ends the file.
    pub fn finish(mut self) -> io::Result<Whole<W>> {
        self.send_slab()?;
        self.join()
    }

    fn send_slab(&mut self) -> io::Result<()> {
        if self.slab.is_empty() {
            return Ok(());
        }
        self.taken += self.slab.len() as u64;
        let mut next = self.spent.try_recv().unwrap_or_default();
        next.clear();
        let slab = std::mem::replace(&mut self.slab, next);
        let sent = self.slabs.as_ref().is_some_and(|s| s.send(slab).is_ok());
        if sent {
            Ok(())
        } else {
            // The thread ends before its channel only with an error.
            Err(self.join().err().unwrap_or_else(gone))
        }
    }

    fn join(&mut self) -> io::Result<Whole<W>> {
        self.slabs = None;
        match self.thread.take().map(JoinHandle::join) {
            Some(Ok(result)) => result,
            Some(Err(panic)) => resume_unwind(panic),
            None => Err(gone()),
        }
    }
}

/// Said of a writer that has failed before.
fn gone() -> io::Error {
    io::Error::other("writing has failed before")
}

impl<W: Write + Send + 'static> Write for Writer<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let n = bytes.len().min(SLAB * BLOCK - self.slab.len());
        self.slab.extend_from_slice(&bytes[..n]);
        if self.slab.len() == SLAB * BLOCK {
            self.send_slab()?;
        }
        Ok(n)
    }

    /// Does nothing: a block that is ended early would make the file depend on who flushes.
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<W: Send + 'static> Drop for Writer<W> {
    /// Waits for the thread, so that an unfinished file is gone when this returns.
    fn drop(&mut self) {
        self.slabs = None;
        if let Some(thread) = self.thread.take() {
            let _ = thread.join(); // given up: nobody asks how it went
        }
    }
}

fn write_slabs<W: Write>(
    mut inner: W,
    level: u8,
    slabs: &Receiver<Vec<u8>>,
    recycle: &SyncSender<Vec<u8>>,
) -> io::Result<Whole<W>> {
    let mut at = 0;
    let mut starts = vec![at];
    let mut deflating = Duration::ZERO;
    let mut deflated = Vec::new();
    for slab in slabs {
        slab.par_chunks(BLOCK)
            .map(|block| {
                let start = Instant::now();
                (deflate(block, level), start.elapsed())
            })
            .collect_into_vec(&mut deflated);
        for (block, time) in &deflated {
            deflating += *time;
            inner.write_all(block)?;
            at += block.len() as u64;
            starts.push(at);
        }
        let _ = recycle.try_send(slab);
    }
    inner.write_all(&END)?;
    inner.flush()?;
    Ok(Whole {
        inner,
        starts,
        deflating,
    })
}

/// `bytes` as a whole BGZF file.
pub fn compressed(bytes: &[u8], level: u8) -> Vec<u8> {
    let mut blocks: Vec<Vec<u8>> = bytes.par_chunks(BLOCK).map(|b| deflate(b, level)).collect();
    blocks.push(END.to_vec());
    blocks.concat()
}

/// One block: gzip header with the block's size in an extra field, deflated bytes, checksum, length.
fn deflate(bytes: &[u8], level: u8) -> Vec<u8> {
    thread_local! {
        static DEFLATER: RefCell<Deflater> = RefCell::default();
        static COMPRESSOR: RefCell<Option<(u8, Compressor)>> = const { RefCell::new(None) };
    }
    const HEADER: usize = 18;
    let mut out = END[..HEADER].to_vec();
    if level == DEFAULT_LEVEL {
        DEFLATER.with_borrow_mut(|deflater| deflater.deflate(bytes, &mut out));
    } else {
        COMPRESSOR.with_borrow_mut(|kept| {
            if kept.as_ref().is_none_or(|(l, _)| *l != level) {
                let valid = CompressionLvl::new(i32::from(level)).expect("a level from 0 to 12");
                *kept = Some((level, Compressor::new(valid)));
            }
            let (_, compressor) = kept.as_mut().expect("made above");
            out.resize(HEADER + compressor.deflate_compress_bound(bytes.len()), 0);
            let n = compressor
                .deflate_compress(bytes, &mut out[HEADER..])
                .expect("the bound holds");
            out.truncate(HEADER + n);
        });
    }
    out.extend(libdeflater::crc32(bytes).to_le_bytes());
    out.extend((bytes.len() as u32).to_le_bytes());
    let size = u16::try_from(out.len() - 1).expect("a block of 65,280 bytes fits one of 65,536");
    out[16..18].copy_from_slice(&size.to_le_bytes());
    out
}

/// The size of a BGZF block that starts with these bytes (its whole gzip header), if it is one.
fn block_size(header: &[u8]) -> Option<usize> {
    if !header.starts_with(&[0x1f, 0x8b, 8, 4]) {
        return None;
    }
    let extra_len = u16::from_le_bytes(*header[10..].first_chunk()?);
    let mut extra = header.get(12..12 + usize::from(extra_len))?;
    while let Some((field, rest)) = extra.split_first_chunk::<4>() {
        let length = usize::from(u16::from_le_bytes([field[2], field[3]]));
        if field[..2] == *b"BC" && length == 2 {
            let size = usize::from(u16::from_le_bytes(*rest.first_chunk()?)) + 1;
            // Header, two bytes of deflate, checksum and length.
            return (size >= 12 + usize::from(extra_len) + 10).then_some(size);
        }
        extra = rest.get(length..)?;
    }
    None
}

/// Does the file end with the end mark of whole ones?
pub fn ends_whole(path: &Path) -> io::Result<bool> {
    let mut file = File::open(path)?;
    let mut end = [0; END.len()];
    if file.seek(SeekFrom::End(-(END.len() as i64))).is_err() {
        return Ok(false);
    }
    file.read_exact(&mut end)?;
    Ok(end == END)
}

/// Does a file that starts with these bytes look like BGZF?
pub fn is_bgzf(bytes: &[u8]) -> bool {
    bytes.len() >= 18 && block_size(bytes).is_some()
}

/// Inflates BGZF on rayon's threads. Where the blocks end and other gzip members follow (files that were
/// joined by `cat`), it reads on as gzip.
pub struct Reader<R: BufRead> {
    /// Gone when `other` has it.
    raw: Option<R>,
    other: Option<MultiGzDecoder<io::Chain<Cursor<Vec<u8>>, R>>>,
    blocks: Vec<Vec<u8>>,
    inflated: Vec<u8>,
    at: usize,
    /// What went wrong after `inflated`.
    broken: Option<io::Error>,
}

impl<R: BufRead> Reader<R> {
    /// Starts at the first block.
    pub fn new(raw: R) -> Reader<R> {
        Reader {
            raw: Some(raw),
            other: None,
            blocks: Vec::new(),
            inflated: Vec::new(),
            at: 0,
            broken: None,
        }
    }

    /// Inflates the next blocks; leaves `inflated` empty at the end.
    fn fill(&mut self) -> io::Result<()> {
        self.at = 0;
        self.inflated.clear();
        while self.inflated.is_empty() {
            if let Some(e) = self.broken.take() {
                return Err(e);
            }
            let Some(raw) = &mut self.raw else {
                return Ok(());
            };
            let mut taken = 0;
            while taken < SLAB {
                if self.blocks.len() == taken {
                    self.blocks.push(Vec::new());
                }
                let block = &mut self.blocks[taken];
                match read_block(raw, block) {
                    Ok(Next::Block) => taken += 1,
                    Ok(Next::End) => break,
                    Ok(Next::Other) => {
                        let header = Cursor::new(std::mem::take(block));
                        let raw = self.raw.take().expect("read from just now");
                        self.other = Some(MultiGzDecoder::new(header.chain(raw)));
                        break;
                    }
                    Err(e) => {
                        self.broken = Some(e);
                        break;
                    }
                }
            }
            if taken == 0 && self.broken.is_none() {
                return Ok(());
            }
            self.inflate(taken);
        }
        Ok(())
    }

    /// Inflates the first blocks, up to one that is damaged.
    fn inflate(&mut self, taken: usize) {
        let blocks = &self.blocks[..taken];
        let lengths = blocks.iter().map(|b| {
            let (_, length) = b.split_last_chunk().expect("read_block checked its size");
            // More than a block can hold is refused below, for lack of room.
            u32::from_le_bytes(*length).min(65_536) as usize
        });
        self.inflated.resize(lengths.clone().sum(), 0);
        let mut rest = &mut self.inflated[..];
        let mut jobs = Vec::with_capacity(taken);
        for (block, length) in blocks.iter().zip(lengths.clone()) {
            let (room, behind) = rest.split_at_mut(length);
            jobs.push((block, room));
            rest = behind;
        }
        let good: Vec<bool> = jobs
            .into_par_iter()
            .map(|(block, room)| inflate(block, room))
            .collect();
        if let Some(bad) = good.iter().position(|good| !good) {
            self.inflated.truncate(lengths.take(bad).sum());
            // It comes before whatever else was found.
            self.broken = Some(io::Error::new(
                io::ErrorKind::InvalidData,
                "a BGZF block does not inflate to what its checksum says",
            ));
        }
    }
}

/// Inflates a block into exactly `room`.
fn inflate(block: &[u8], room: &mut [u8]) -> bool {
    thread_local! {
        static DECOMPRESSOR: RefCell<Decompressor> = RefCell::new(Decompressor::new());
    }
    let inflated = DECOMPRESSOR.with_borrow_mut(|d| d.gzip_decompress(block, room));
    inflated == Ok(room.len())
}

impl<R: BufRead> Read for Reader<R> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        if self.at == self.inflated.len() {
            self.fill()?;
        }
        if let (true, Some(other)) = (self.inflated.is_empty(), &mut self.other) {
            return other.read(out);
        }
        let n = out.len().min(self.inflated.len() - self.at);
        out[..n].copy_from_slice(&self.inflated[self.at..self.at + n]);
        self.at += n;
        Ok(n)
    }
}

enum Next {
    Block,
    End,
    /// Something else; its first bytes are in the buffer.
    Other,
}

/// Reads one block.
fn read_block(raw: &mut impl BufRead, block: &mut Vec<u8>) -> io::Result<Next> {
    block.clear();
    if read_up_to(raw, block, 12)? == 0 {
        return Ok(Next::End);
    }
    if !block.starts_with(&[0x1f, 0x8b, 8, 4]) || block.len() < 12 {
        return Ok(Next::Other);
    }
    let extra_len = u16::from_le_bytes([block[10], block[11]]);
    read_up_to(raw, block, usize::from(extra_len))?;
    let Some(size) = block_size(block) else {
        return Ok(Next::Other);
    };
    read_up_to(raw, block, size - block.len())?;
    if block.len() < size {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    Ok(Next::Block)
}

/// Appends `n` bytes, or as many as there are.
fn read_up_to(raw: &mut impl BufRead, block: &mut Vec<u8>, n: usize) -> io::Result<usize> {
    raw.take(n as u64).read_to_end(block)
}

#[cfg(test)]
mod tests {
    use super::*;
    use flate2::{Compression, write::GzEncoder};

    fn bytes(n: usize) -> Vec<u8> {
        (0..n)
            .map(|i| b"ACGT"[i * i % 7 % 4] ^ (i / 1000) as u8 & 1)
            .collect()
    }

    fn deflated(bytes: &[u8], level: u8) -> (Vec<u8>, Vec<u64>) {
        let mut writer = Writer::new(Vec::new(), level);
        for piece in bytes.chunks(10_007) {
            writer.write_all(piece).unwrap();
        }
        let whole = writer.finish().unwrap();
        (whole.inner, whole.starts)
    }

    fn inflated(bytes: &[u8]) -> io::Result<Vec<u8>> {
        let mut out = Vec::new();
        Reader::new(bytes).read_to_end(&mut out)?;
        Ok(out)
    }

    #[test]
    fn what_is_written_reads_back_here_and_elsewhere() {
        for n in [
            0,
            1,
            BLOCK - 1,
            BLOCK,
            BLOCK + 1,
            SLAB * BLOCK,
            2 * SLAB * BLOCK + 5,
        ] {
            let bytes = bytes(n);
            for level in [0, 1, 6] {
                let (file, starts) = deflated(&bytes, level);
                assert_eq!(inflated(&file).unwrap(), bytes);
                let mut out = Vec::new();
                noodles::bgzf::io::Reader::new(&file[..])
                    .read_to_end(&mut out)
                    .unwrap();
                assert_eq!(out, bytes);
                assert_eq!(starts.len(), n.div_ceil(BLOCK) + 1);
                assert_eq!(starts.last(), Some(&((file.len() - END.len()) as u64)));
                assert!(file.ends_with(&END));
            }
        }
    }

    #[test]
    fn places_name_block_and_offset() {
        let mut writer = Writer::new(Vec::new(), 1);
        assert_eq!(writer.place(), 0);
        writer.write_all(&bytes(BLOCK + 7)).unwrap();
        assert_eq!(writer.place(), 1 << 16 | 7);
        writer.write_all(&bytes(SLAB * BLOCK)).unwrap();
        assert_eq!(writer.place(), (SLAB as u64 + 1) << 16 | 7);
    }

    #[test]
    fn joined_files_and_other_members_read_to_their_end() {
        let (a, b) = (bytes(100_000), bytes(70_000));
        let mut gzip = GzEncoder::new(Vec::new(), Compression::fast());
        gzip.write_all(&b).unwrap();
        let gzip = gzip.finish().unwrap();
        let (bgzf, _) = deflated(&a, 1);
        let all = [a.clone(), a.clone(), b.clone(), a.clone()].concat();
        let file = [&bgzf[..], &bgzf, &gzip, &bgzf].concat();
        assert_eq!(inflated(&file).unwrap(), all);
    }

    #[test]
    fn damage_is_found_after_all_that_is_whole() {
        let bytes = bytes(3 * BLOCK);
        let (file, starts) = deflated(&bytes, 1);
        let read = |file: &[u8]| {
            let mut out = Vec::new();
            let e = Reader::new(file).read_to_end(&mut out).unwrap_err();
            (out.len(), e.kind())
        };
        let cut = starts[2] as usize + 100;
        assert_eq!(
            read(&file[..cut]),
            (2 * BLOCK, io::ErrorKind::UnexpectedEof)
        );
        for at in [starts[1] + 40, starts[2] - 6, starts[2] - 1] {
            let mut flipped = file.clone();
            flipped[at as usize] ^= 1;
            assert_eq!(
                read(&flipped),
                (BLOCK, io::ErrorKind::InvalidData),
                "byte {at}"
            );
        }
    }

    /// Takes so many bytes, then is full.
    #[derive(Debug)]
    struct Full(usize);

    impl Write for Full {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            if self.0 == 0 {
                return Err(io::ErrorKind::StorageFull.into());
            }
            let n = bytes.len().min(self.0);
            self.0 -= n;
            Ok(n)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_full_disk_is_reported_by_write_or_finish() {
        for room in [0, 10, 100_000] {
            let mut writer = Writer::new(Full(room), 0);
            let written = (0..40).try_for_each(|_| writer.write_all(&bytes(1 << 20)));
            assert_eq!(written.unwrap_err().kind(), io::ErrorKind::StorageFull);
            assert!(writer.finish().is_err());
            let mut short = Writer::new(Full(room), 0);
            short.write_all(&bytes(1 << 20)).unwrap();
            assert_eq!(
                short.finish().unwrap_err().kind(),
                io::ErrorKind::StorageFull
            );
        }
    }
}
