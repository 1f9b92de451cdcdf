//! The index file: magic, version, a checked JSON header, then checked sections of 32-bit words.
//!
//! | bytes | what |
//! |---|---|
//! | 8 | magic `THERALN\0` |
//! | 4 | format version, little-endian |
//! | 4 | length of the header |
//! | 8 | XXH3-64 of the header |
//! | … | the header, JSON |
//! | … | sections, each at a multiple of 4,096 bytes |

use crate::format::output::Output;
use crate::{Error, Result};
use memmap2::{Mmap, MmapMut};
use rayon::prelude::*;
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use std::fs::File;
use std::io::Write;
use std::ops::Deref;
use std::path::Path;
use std::sync::Arc;
use xxhash_rust::xxh3::xxh3_64;

/// Version of the file format; another version is refused.
pub const FORMAT_VERSION: u32 = 2;
const MAGIC: &[u8; 8] = b"THERALN\0";
const PAGE: u64 = 4096;

/// 32-bit words, owned or part of a mapped file.
#[derive(Clone)]
pub enum Section {
    /// In memory.
    Owned(Arc<Vec<u32>>),
    /// Bytes `start..end` of a mapped file.
    Mapped(Arc<Mmap>, usize, usize),
}

impl Deref for Section {
    type Target = [u32];
    fn deref(&self) -> &[u32] {
        match self {
            Section::Owned(words) => words,
            Section::Mapped(map, start, end) => bytemuck::cast_slice(&map[*start..*end]),
        }
    }
}

impl std::fmt::Debug for Section {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} words", self.len())
    }
}

#[derive(Serialize, Deserialize, Debug)]
struct Place {
    name: String,
    offset: u64,
    bytes: u64,
    xxh3: u64,
}

#[derive(Serialize, Deserialize)]
struct Header<M> {
    meta: M,
    sections: Vec<Place>,
}

/// Writes an index under a temporary name beside `path` and renames it when it is whole.
pub fn save<M: Serialize>(path: &Path, meta: &M, sections: &[(&str, &[u32])]) -> Result<()> {
    // The header's length must be known before offsets are: lay it out twice, with the widest numbers first.
    let mut places: Vec<Place> = sections
        .iter()
        .map(|(name, words)| Place {
            name: (*name).into(),
            offset: u64::MAX,
            bytes: 4 * words.len() as u64,
            xxh3: xxh3_64(bytemuck::cast_slice(words)),
        })
        .collect();
    let room = header_json(meta, &places).len() as u64;
    let mut offset = (24 + room).next_multiple_of(PAGE);
    for p in &mut places {
        p.offset = offset;
        offset = (offset + p.bytes).next_multiple_of(PAGE);
    }
    let header = header_json(meta, &places);
    let mut out = Output::create(path)?;
    let mut write = || -> std::io::Result<()> {
        out.write_all(MAGIC)?;
        out.write_all(&FORMAT_VERSION.to_le_bytes())?;
        out.write_all(&(header.len() as u32).to_le_bytes())?;
        out.write_all(&xxh3_64(&header).to_le_bytes())?;
        out.write_all(&header)?;
        let mut at = 24 + header.len() as u64;
        for (p, (_, words)) in places.iter().zip(sections) {
            out.write_all(&vec![0; (p.offset - at) as usize])?;
            out.write_all(bytemuck::cast_slice(words))?;
            at = p.offset + p.bytes;
        }
        out.write_all(&vec![0; (offset - at) as usize])
    };
    write().map_err(Error::io(path))?;
    out.finish()
}

fn header_json<M: Serialize>(meta: &M, sections: &[Place]) -> Vec<u8> {
    #[derive(Serialize)]
    struct Borrowed<'a, M> {
        meta: &'a M,
        sections: &'a [Place],
    }
    serde_json::to_vec(&Borrowed { meta, sections }).expect("plain data always serializes")
}

/// Where an opened index lives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Residence {
    /// In the mapped file: shared with other processes, fetched page by page. For looking here and there.
    Mapped,
    /// Copied into memory of large pages where the system gives them. Probes all over a table spend
    /// much of their time on finding the page, of which there are then 512 times fewer.
    LargePages,
}

#[allow(
    unsafe_code,
    reason = "mapping a file is the one unsafe step of opening an index"
)]
fn map(file: &File, residence: Residence) -> std::io::Result<Mmap> {
    #[cfg(target_os = "linux")]
    if residence == Residence::LargePages {
        return read_to_large_pages(file);
    }
    let _ = residence;
    // SAFETY: the file is only read; if another process cuts it short while it is mapped we die by
    // SIGBUS, as every program that maps its index does.
    unsafe { Mmap::map(file) }
}

/// Bytes that one thread reads at a time: a multiple of a large page.
const PIECE: usize = 8 << 20;

#[cfg(target_os = "linux")]
fn read_to_large_pages(file: &File) -> std::io::Result<Mmap> {
    use std::os::unix::fs::FileExt;
    let length = file.metadata()?.len() as usize;
    let mut memory = MmapMut::map_anon(length.max(1))?;
    // A system without large pages refuses, and is used all the same.
    let _ = memory.advise(memmap2::Advice::HugePage);
    memory[..length]
        .par_chunks_mut(PIECE)
        .enumerate()
        .try_for_each(|(i, piece)| file.read_exact_at(piece, (i * PIECE) as u64))?;
    memory.make_read_only()
}

/// Opens an index file and checks magic, version, header and every section's checksum.
pub fn open<M: DeserializeOwned>(
    path: &Path,
    residence: Residence,
) -> Result<(M, Vec<(String, Section)>)> {
    let file = File::open(path).map_err(Error::io(path))?;
    let map = Arc::new(map(&file, residence).map_err(Error::io(path))?);
    let name = path.display().to_string();
    let wrong = |what: &str| {
        Error::input(
            &name,
            "",
            what,
            "Make the index anew: theralign index REF.fa -o INDEX.",
        )
    };
    if map.len() < 24 || &map[..8] != MAGIC {
        return Err(wrong("this is not a theralign index"));
    }
    let word = |at: usize| u32::from_le_bytes(map[at..at + 4].try_into().expect("four bytes"));
    if word(8) != FORMAT_VERSION {
        return Err(wrong(&format!(
            "index format {} but this program reads format {FORMAT_VERSION}",
            word(8)
        )));
    }
    let header = map
        .get(24..24 + word(12) as usize)
        .ok_or_else(|| wrong("the index is cut short"))?;
    if xxh3_64(header).to_le_bytes() != map[16..24] {
        return Err(wrong("the index's header is damaged"));
    }
    let header: Header<M> = serde_json::from_slice(header)
        .map_err(|e| wrong(&format!("the index's header cannot be read ({e})")))?;
    let sections = header.sections.into_par_iter().map(|p| {
        let (start, end) = (p.offset as usize, (p.offset + p.bytes) as usize);
        let bytes = map
            .get(start..end)
            .ok_or_else(|| wrong("the index is cut short"))?;
        if xxh3_64(bytes) != p.xxh3 {
            return Err(wrong(&format!(
                "section {} of the index is damaged",
                p.name
            )));
        }
        Ok((p.name, Section::Mapped(map.clone(), start, end)))
    });
    Ok((header.meta, sections.collect::<Result<_>>()?))
}
