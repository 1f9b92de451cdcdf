//! The packed genome. Contigs are stored as *islands*: their stretches of known sequence. Long runs
//! of N take no room at all, so that a few windows of a genome can be laid at their true
//! coordinates into full-length contigs for the price of the windows.
//!
//! Islands lie one after another in the packed genome, with padding between them, in contig order.
//! Padding and short runs of N are filled with pseudo-random bases, on which nothing aligns well;
//! no seed is taken from them, and [`Reference::bases`] spells them as N.

use super::file::{self, Residence, Section};
use crate::domain::bases::{SPELT, window};
use crate::domain::{ContigId, GenomePos, Pos, Span};
use crate::{Error, Result};
use serde::{Deserialize, Serialize};
use std::path::Path;

/// One contig of the reference.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Contig {
    /// Its name in the FASTA.
    pub name: String,
    /// Bases, N included.
    pub length: u32,
    /// MD5 of its upper-case sequence, as @SQ M5 (SAM 1.6 §1.3.2), 32 hexadecimal digits.
    pub md5: String,
    /// An alternate locus (ALT): another version of a place that other contigs have too.
    #[serde(default)]
    pub alternate: bool,
    /// Refget's digest of its upper-case sequence (`SQ.` and 32 letters), which VRS names it by.
    /// Empty where the index was made from windows, and so does not know the whole sequence, or by
    /// a version that did not take it down.
    #[serde(default)]
    pub refget: String,
}

/// A stretch of known sequence, in both coordinate systems.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Island {
    /// Rank of its contig.
    pub contig: u32,
    /// First base in the contig, from 0.
    pub start: u32,
    /// First base in the packed genome.
    pub genome: u32,
    /// Bases.
    pub length: u32,
}

/// What the index file's header holds.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Meta {
    pub program: String,
    pub contigs: Vec<Contig>,
    pub islands: Vec<Island>,
    /// Filled (not known) bases inside islands: start and end in the packed genome.
    pub unknown: Vec<(u32, u32)>,
    pub genome_len: u32,
    pub seeds: super::index::Parameters,
}

/// An opened index: contigs, packed genome, and the seed index.
#[derive(Debug)]
pub struct Reference {
    pub(super) meta: Meta,
    pub(super) packed: Section,
    pub(super) starts: Section,
    pub(super) positions: Section,
    digest: String,
}

impl Reference {
    pub(super) fn new(
        meta: Meta,
        packed: Section,
        starts: Section,
        positions: Section,
    ) -> Reference {
        use sha2::Digest;
        let mut hash = sha2::Sha256::new();
        for c in &meta.contigs {
            hash.update(format!("{}\t{}\t{}\n", c.name, c.length, c.md5));
        }
        let digest = hash
            .finalize()
            .iter()
            .fold(String::new(), |s, b| s + &format!("{b:02x}"));
        Reference {
            meta,
            packed,
            starts,
            positions,
            digest,
        }
    }

    /// Opens an index file and checks it whole.
    ///
    /// # Errors
    /// When the file is missing, no index, of another version, or damaged.
    pub fn open(path: &Path) -> Result<Reference> {
        Reference::open_in(path, Residence::Mapped)
    }

    /// The same, for aligning: seeds are looked up all over the index.
    ///
    /// # Errors
    /// As [`Reference::open`].
    pub fn open_for_seeding(path: &Path) -> Result<Reference> {
        Reference::open_in(path, Residence::LargePages)
    }

    fn open_in(path: &Path, residence: Residence) -> Result<Reference> {
        let (meta, sections) = file::open::<Meta>(path, residence)?;
        let find = |name: &str| {
            sections
                .iter()
                .find(|(n, _)| n == name)
                .map(|(_, s)| s.clone())
                .ok_or_else(|| {
                    Error::input(
                        path.display().to_string(),
                        "",
                        format!("the index has no section {name}"),
                        "Make the index anew: theralign index REF.fa -o INDEX.",
                    )
                })
        };
        Ok(Reference::new(
            meta,
            find("packed")?,
            find("starts")?,
            find("positions")?,
        ))
    }

    pub(super) fn save(&self, path: &Path) -> Result<()> {
        file::save(
            path,
            &self.meta,
            &[
                ("packed", &self.packed),
                ("starts", &self.starts),
                ("positions", &self.positions),
            ],
        )
    }

    /// The contigs, in the order of the FASTA.
    pub fn contigs(&self) -> &[Contig] {
        &self.meta.contigs
    }

    /// The contig of this id.
    pub fn contig(&self, id: ContigId) -> &Contig {
        &self.meta.contigs[id.index()]
    }

    /// Is the contig of this rank an alternate locus?
    pub fn is_alternate(&self, contig: u32) -> bool {
        self.meta.contigs[contig as usize].alternate
    }

    /// The contig of this name.
    pub fn contig_id(&self, name: &str) -> Option<ContigId> {
        self.meta
            .contigs
            .iter()
            .position(|c| c.name == name)
            .map(|i| ContigId(i as u32))
    }

    /// SHA-256 over the contigs' names, lengths and MD5s: the identity of the reference.
    pub fn digest(&self) -> &str {
        &self.digest
    }

    /// The islands, by contig and position, which is also their order in the packed genome.
    pub fn islands(&self) -> &[Island] {
        &self.meta.islands
    }

    /// The packed genome, 16 bases a word (see [`crate::domain::bases`]), padding included.
    pub fn packed(&self) -> &[u32] {
        &self.packed
    }

    /// Bases in the packed genome, padding included.
    pub fn genome_len(&self) -> u32 {
        self.meta.genome_len
    }

    /// The island a packed position lies in; `None` in padding.
    pub fn island_at(&self, at: GenomePos) -> Option<&Island> {
        let i = self.meta.islands.partition_point(|s| s.genome <= at.0);
        self.meta.islands[..i]
            .last()
            .filter(|s| at.0 - s.genome < s.length)
    }

    /// Where in a contig a packed position lies; `None` in padding.
    pub fn locate(&self, at: GenomePos) -> Option<(ContigId, Pos)> {
        self.island_at(at)
            .map(|s| (ContigId(s.contig), Pos(s.start + (at.0 - s.genome))))
    }

    /// The packed position of a place in a contig; `None` in a long run of N or beyond the end.
    pub fn genome_pos(&self, contig: ContigId, pos: Pos) -> Option<GenomePos> {
        let i = self
            .meta
            .islands
            .partition_point(|s| (s.contig, s.start) <= (contig.0, pos.0));
        let s = self.meta.islands[..i].last()?;
        (s.contig == contig.0 && pos.0 - s.start < s.length)
            .then(|| GenomePos(s.genome + (pos.0 - s.start)))
    }

    /// Upper-case bases of a stretch of a contig; unknown ones, and those beyond its end, are N.
    pub fn bases(&self, contig: ContigId, span: Span) -> Vec<u8> {
        let mut out = vec![b'N'; span.len() as usize];
        let first = self
            .meta
            .islands
            .partition_point(|s| (s.contig, s.start + s.length) <= (contig.0, span.start));
        for s in self.meta.islands[first..]
            .iter()
            .take_while(|s| s.contig == contig.0 && s.start < span.end)
        {
            let from = span.start.max(s.start);
            let to = span.end.min(s.start + s.length);
            let genome = s.genome + (from - s.start);
            let known = &mut out[(from - span.start) as usize..(to - span.start) as usize];
            self.spell(GenomePos(genome), known);
        }
        out
    }

    /// Spells `out.len()` bases from a packed position on; filled ones are N. Must stay in one island.
    pub fn spell(&self, from: GenomePos, out: &mut [u8]) {
        let end = from.0 + out.len() as u32;
        for (i, letters) in out.chunks_mut(32).enumerate() {
            let bases = window(&self.packed, from.0 as usize + 32 * i).to_le_bytes();
            for (four, byte) in letters.chunks_mut(4).zip(bases) {
                four.copy_from_slice(&SPELT[byte as usize][..four.len()]);
            }
        }
        let first = self.meta.unknown.partition_point(|u| u.1 <= from.0);
        for &(a, b) in self.meta.unknown[first..].iter().take_while(|u| u.0 < end) {
            out[(a.max(from.0) - from.0) as usize..(b.min(end) - from.0) as usize].fill(b'N');
        }
    }
}
