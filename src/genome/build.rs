//! Builds a [`Reference`] from FASTA.

use super::file::Section;
use super::index::{Layout, parameters_for};
use super::reference::{Contig, Island, Meta, Reference};
use super::syncmer::syncmers;
use crate::domain::bases::{BASES_PER_WORD, code_of, get_code, words_for};
use crate::error::thousands;
use crate::format::digest::{hex, truncated};
use crate::format::fasta;
use crate::{Error, Result};
use md5::{Digest, Md5};
use rayon::prelude::*;
use sha2::Sha512;
use std::collections::{BTreeSet, HashMap};
use std::path::Path;
use std::sync::Arc;

/// Runs of unknown bases at least this long are left out of the packed genome.
const ISLAND_GAP: usize = 32;
/// Filler before the first island and after the last, so that a window around any place is in range.
const MARGIN: u32 = 2048;
/// Filler between islands: longer than any band reaches beyond a read's end.
const PADDING: u32 = 512;
/// Genome bases a seeding task takes.
const CHUNK: usize = 1 << 22;

/// How to read the FASTA.
#[derive(Clone, Debug, Default)]
pub struct BuildOptions {
    /// Records are windows, named `CONTIG:START-END` (counted from 1, inclusive), whose description
    /// holds the contig's length as `LN:n`; what no window covers is N.
    pub windows: bool,
    /// Contigs that are alternate loci; names that the FASTA does not have are none.
    pub alternates: BTreeSet<String>,
}

/// A contig's known pieces, before packing: (start, bases), ascending, apart.
struct Draft {
    name: String,
    length: u32,
    pieces: Vec<(u32, Vec<u8>)>,
    /// Of the FASTA, where it was first named.
    line: u64,
}

impl Reference {
    /// Builds an index from a FASTA file and saves it. The index gets its name only when whole.
    pub fn build_file(fasta: &Path, out: &Path, options: BuildOptions) -> Result<Reference> {
        let reference = build(fasta, options)?;
        reference.save(out)?;
        Ok(reference)
    }
}

/// Builds an index in memory from a FASTA file.
///
/// # Errors
/// When the FASTA is unreadable, names a contig twice, has windows that overlap or leave their
/// contig, or is too large for 32-bit positions.
pub fn build(path: &Path, options: BuildOptions) -> Result<Reference> {
    let BuildOptions {
        windows,
        alternates,
    } = options;
    let drafts = read_drafts(path, windows)?;
    let contigs: Vec<Contig> = drafts
        .par_iter()
        .map(|d| Contig {
            name: d.name.clone(),
            length: d.length,
            md5: hex(&hashed(d, Md5::new())),
            alternate: alternates.contains(&d.name),
            refget: if windows {
                String::new()
            } else {
                format!("SQ.{}", truncated(&hashed(d, Sha512::new())))
            },
        })
        .collect();
    let (islands, unknown, genome_len) = lay_out(&drafts);
    let Ok(genome_len) = u32::try_from(genome_len) else {
        return Err(Error::input(
            path.display().to_string(),
            "",
            format!(
                "{} known bases are more than 32-bit positions can count",
                thousands(genome_len)
            ),
            "Split the reference.",
        ));
    };
    let packed = pack(&drafts, &islands, genome_len);
    drop(drafts); // a byte a base, that is room for the seeds
    let (seeds, blocks, positions) = seed(&packed, &islands, &unknown);
    let meta = Meta {
        program: concat!("theralign ", env!("CARGO_PKG_VERSION")).into(),
        contigs,
        islands,
        unknown,
        genome_len,
        seeds,
    };
    let own = |words| Section::Owned(Arc::new(words));
    Ok(Reference::new(
        meta,
        own(packed),
        own(blocks),
        own(positions),
    ))
}

fn read_drafts(path: &Path, windows: bool) -> Result<Vec<Draft>> {
    let file = crate::format::input::display_name(path);
    let mut drafts: Vec<Draft> = Vec::new();
    let mut by_name: HashMap<String, usize> = HashMap::new();
    fasta::for_each(path, |r| {
        let at = format!("record {}", r.name);
        let wrong = |what: String, remedy: &str| Err(Error::input(&file, at.clone(), what, remedy));
        if windows {
            let Some((contig, start, end, length)) =
                parse_window(&r).map(|(c, a, b, n)| (c.to_string(), a, b, n))
            else {
                return wrong(
                    "not a window".into(),
                    "Name it CONTIG:START-END and give the contig's length as LN:n behind the name.",
                );
            };
            if end - start + 1 != r.sequence.len() as u64 || start == 0 || end > u64::from(length) {
                return wrong(
                    format!(
                        "{} bases do not fill {start}-{end} of a contig of {length}",
                        r.sequence.len()
                    ),
                    "Correct the header.",
                );
            }
            let piece = ((start - 1) as u32, r.sequence);
            match by_name.get(&contig).map(|&d| &mut drafts[d]) {
                Some(d) if d.length != length => {
                    return wrong(
                        format!("the contig's length was {} before, {length} here", d.length),
                        "Correct the headers.",
                    );
                }
                Some(d) => d.pieces.push(piece),
                None => {
                    by_name.insert(contig.clone(), drafts.len());
                    drafts.push(Draft {
                        name: contig,
                        length,
                        pieces: vec![piece],
                        line: r.line,
                    });
                }
            }
        } else if let Some(&first) = by_name.get(&r.name) {
            let lines = [drafts[first].line, r.line].map(thousands);
            return wrong(
                format!(
                    "this contig stands twice in the file, at lines {} and {}",
                    lines[0], lines[1]
                ),
                "Rename or remove one of them.",
            );
        } else {
            let Ok(length) = u32::try_from(r.sequence.len()) else {
                return wrong(
                    "longer than 4,294,967,295 bases".into(),
                    "Split the contig.",
                );
            };
            by_name.insert(r.name.clone(), drafts.len());
            drafts.push(Draft {
                name: r.name,
                length,
                pieces: vec![(0, r.sequence)],
                line: r.line,
            });
        }
        Ok(())
    })?;
    for d in &mut drafts {
        d.pieces.sort_by_key(|p| p.0);
        if let Some(w) = d
            .pieces
            .windows(2)
            .find(|w| w[0].0 as usize + w[0].1.len() > w[1].0 as usize)
        {
            return Err(Error::input(
                file,
                format!("contig {}", d.name),
                format!("two windows share position {}", w[1].0 + 1),
                "Merge them.",
            ));
        }
    }
    Ok(drafts)
}

/// `7:55241600-55242700` with `LN:159138663` in the description.
fn parse_window(r: &fasta::Record) -> Option<(&str, u64, u64, u32)> {
    let (contig, range) = r.name.rsplit_once(':')?;
    let (start, end) = range.split_once('-')?;
    let length = r
        .description
        .split_whitespace()
        .find_map(|w| w.strip_prefix("LN:"))?;
    let (start, end) = (start.parse().ok()?, end.parse().ok()?);
    (start <= end).then_some((contig, start, end, length.parse().ok()?))
}

/// The digest of a contig's upper-case sequence, N where nothing is known.
fn hashed<H: Digest>(d: &Draft, mut hash: H) -> Vec<u8> {
    static N: [u8; 1 << 16] = [b'N'; 1 << 16];
    let mut at = 0u32;
    let fill = |hash: &mut H, mut n: usize| {
        while n > 0 {
            let m = n.min(N.len());
            hash.update(&N[..m]);
            n -= m;
        }
    };
    for (start, bases) in &d.pieces {
        fill(&mut hash, (start - at) as usize);
        hash.update(bases);
        at = start + bases.len() as u32;
    }
    fill(&mut hash, (d.length - at) as usize);
    hash.finalize().to_vec()
}

/// Cuts pieces at long unknown runs; gives islands, short unknown runs, and the genome's length.
fn lay_out(drafts: &[Draft]) -> (Vec<Island>, Vec<(u32, u32)>, u64) {
    let mut islands: Vec<Island> = Vec::new();
    let mut unknown = Vec::new();
    let mut at = u64::from(MARGIN);
    for (contig, draft) in drafts.iter().enumerate() {
        for (start, bases) in &draft.pieces {
            let runs = unknown_runs(bases);
            let mut from = 0;
            let long = runs
                .iter()
                .filter(|(a, b)| b - a >= ISLAND_GAP || *a == 0 || *b == bases.len());
            for &(a, b) in long.chain([&(bases.len(), bases.len())]) {
                if a > from {
                    islands.push(Island {
                        contig: contig as u32,
                        start: start + from as u32,
                        genome: at as u32,
                        length: (a - from) as u32,
                    });
                    let inside = runs.iter().filter(|r| r.0 >= from && r.1 <= a);
                    unknown.extend(inside.map(|r| {
                        (
                            (at as usize + r.0 - from) as u32,
                            (at as usize + r.1 - from) as u32,
                        )
                    }));
                    at += (a - from) as u64 + u64::from(PADDING);
                }
                from = b;
            }
        }
    }
    (islands, unknown, at + u64::from(MARGIN))
}

fn unknown_runs(bases: &[u8]) -> Vec<(usize, usize)> {
    let mut runs: Vec<(usize, usize)> = Vec::new();
    for (i, &b) in bases.iter().enumerate() {
        if code_of(b) > 3 {
            match runs.last_mut() {
                Some(r) if r.1 == i => r.1 = i + 1,
                _ => runs.push((i, i + 1)),
            }
        }
    }
    runs
}

fn pack(drafts: &[Draft], islands: &[Island], genome_len: u32) -> Vec<u32> {
    let mut packed = vec![0u32; words_for(genome_len as usize)];
    // Filler first: a different pseudo-random word everywhere.
    packed
        .par_iter_mut()
        .enumerate()
        .for_each(|(i, w)| *w = super::syncmer::hash_kmer(i as u32, 0x5eed));
    // Padding is longer than a word, so no two islands share one.
    let mut rest = &mut packed[..];
    let mut taken = 0;
    let mut slices = Vec::with_capacity(islands.len());
    for island in islands {
        let first = island.genome as usize / BASES_PER_WORD;
        let end = words_for((island.genome + island.length) as usize);
        let (_, from) = rest.split_at_mut(first - taken);
        let (own, behind) = from.split_at_mut(end - first);
        slices.push((island, own));
        (rest, taken) = (behind, end);
    }
    slices.into_par_iter().for_each(|(island, words)| {
        let (start, bases) = drafts[island.contig as usize]
            .pieces
            .iter()
            .rfind(|p| p.0 <= island.start)
            .expect("an island comes from a piece");
        let from = (island.start - start) as usize;
        let bases = &bases[from..from + island.length as usize];
        let first = island.genome as usize % BASES_PER_WORD;
        for (i, &b) in bases.iter().enumerate() {
            let code = code_of(b);
            if code <= 3 {
                let at = first + i;
                let word = &mut words[at / BASES_PER_WORD];
                let shift = 2 * (at % BASES_PER_WORD);
                *word = *word & !(3 << shift) | u32::from(code) << shift;
            }
        }
    });
    packed
}

/// Finds all seeds of the islands and lays out the index.
fn seed(
    packed: &[u32],
    islands: &[Island],
    unknown: &[(u32, u32)],
) -> (super::index::Parameters, Vec<u32>, Vec<u32>) {
    const PARTS: u32 = 256;
    let tasks: Vec<(u32, u32)> = islands
        .iter()
        .flat_map(|s| {
            // Neighbouring chunks share k - 1 bases, so that every seed is found exactly once.
            let last = (s.length as usize + 1).saturating_sub(super::syncmer::K);
            (0..last).step_by(CHUNK).map(move |c| {
                let end = (c + CHUNK).min(last) + super::syncmer::K - 1;
                (s.genome + c as u32, s.genome + end as u32)
            })
        })
        .collect();
    // (hash, flipped, position), by the hash's upper byte.
    let found: Vec<Vec<Vec<(u32, u32)>>> = tasks
        .par_iter()
        .map(|&(from, to)| {
            let mut parts =
                vec![
                    Vec::with_capacity((to - from) as usize / 6 / PARTS as usize * 5 / 4);
                    PARTS as usize
                ];
            let mut holes = unknown[unknown.partition_point(|u| u.1 <= from)..]
                .iter()
                .peekable();
            let codes = (from..to).map(|at| {
                while holes.next_if(|h| h.1 <= at).is_some() {}
                if holes.peek().is_some_and(|h| h.0 <= at) {
                    4
                } else {
                    get_code(packed, at as usize)
                }
            });
            syncmers(codes, |s| {
                // The strand goes where the hash's lowest bit was: no index uses that bit.
                parts[(s.hash >> 24) as usize].push((s.hash & !1 | s.flipped, from + s.offset));
            });
            parts
        })
        .collect();
    let seeds: usize = found.iter().flatten().map(Vec::len).sum();
    let parameters = parameters_for(seeds);
    let shift = 32 - parameters.hash_bits;
    let bucket_of = |hash: u32| (hash >> shift) * 2 + (hash & 1);
    // Part by part, so that what is sorted takes the place of what was found.
    let mut parts: Vec<Vec<Vec<(u32, u32)>>> = (0..PARTS).map(|_| Vec::new()).collect();
    for task in found {
        for (part, found) in parts.iter_mut().zip(task) {
            part.push(found);
        }
    }
    let sorted: Vec<Vec<(u32, u32)>> = parts
        .into_par_iter()
        .map(|part| {
            let mut all = Vec::with_capacity(part.iter().map(Vec::len).sum());
            for found in part {
                all.extend(found.into_iter().map(|(h, at)| (bucket_of(h), at)));
            }
            all.sort_unstable();
            all
        })
        .collect();
    let mut layout = Layout::new(parameters.hash_bits, seeds);
    for part in sorted {
        for bucket in part.chunk_by(|a, b| a.0 == b.0) {
            layout.push(bucket[0].0, bucket.iter().map(|x| x.1));
        }
    }
    let (blocks, positions) = layout.finish();
    (parameters, blocks, positions)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{ContigId, GenomePos, Pos, Span};
    use std::io::Write;

    pub(crate) fn reference(text: &str, windows: bool) -> Result<Reference> {
        let mut f = tempfile::NamedTempFile::new().unwrap();
        f.write_all(text.as_bytes()).unwrap();
        build(
            f.path(),
            BuildOptions {
                windows,
                ..BuildOptions::default()
            },
        )
    }

    #[test]
    fn long_runs_of_n_take_no_room_and_short_ones_stay_unknown() {
        let n = "N".repeat(100);
        let r = reference(&format!(">a\nNNACGTRACGT{n}GGGG\n>b\nTTTT\n"), false).unwrap();
        assert_eq!(r.islands().len(), 3);
        assert_eq!(r.bases(ContigId(0), Span::new(0, 13)), b"NNACGTNACGTNN");
        assert_eq!(r.bases(ContigId(0), Span::new(110, 117)), b"NGGGGNN");
        assert_eq!(r.bases(ContigId(1), Span::new(1, 3)), b"TT");
        let at = r.genome_pos(ContigId(0), Pos(112)).unwrap();
        assert_eq!(r.locate(at), Some((ContigId(0), Pos(112))));
        assert_eq!(r.genome_pos(ContigId(0), Pos(50)), None);
        assert_eq!(r.locate(GenomePos(0)), None);
    }

    #[test]
    fn windows_are_laid_at_their_coordinates_with_the_md5_of_the_whole_contig() {
        let windowed = reference(">c:3-6 LN:10\nACGT\n", true).unwrap();
        let whole = reference(">c\nNNACGTNNNN\n", false).unwrap();
        assert_eq!(windowed.contigs()[0].md5, whole.contigs()[0].md5);
        // What lies between the windows is not N in truth, so no digest names the sequence.
        assert_eq!(windowed.contigs()[0].refget, "");
        assert_eq!(windowed.bases(ContigId(0), Span::new(0, 10)), b"NNACGTNNNN");
        // md5sum of NNACGTNNNN
        assert_eq!(
            whole.contigs()[0].md5,
            format!("{:032x}", md5_hex(b"NNACGTNNNN"))
        );
        // Refget's own example: sha512t24u of ACGT.
        let acgt = reference(">a\nacgt\n", false).unwrap();
        assert_eq!(
            acgt.contigs()[0].refget,
            "SQ.aKF498dAxcJAqme6QYQ7EZ07-fiw8Kw2"
        );
        let twice = reference(">a\nAC\n>b\nAC\n\n>a\nGT\n", false).unwrap_err();
        assert!(twice.to_string().contains("lines 1 and 6"), "{twice}");
        assert!(reference(">c:3-7 LN:10\nACGT\n", true).is_err());
        assert!(reference(">c:3-6 LN:10\nACGT\n>c:5-6 LN:10\nAC\n", true).is_err());
    }

    fn md5_hex(bytes: &[u8]) -> u128 {
        u128::from_be_bytes(Md5::digest(bytes).into())
    }

    #[test]
    fn an_index_file_comes_back_whole_and_damage_is_noticed() {
        let seq: String = (0..3000u64)
            .map(|i| char::from(b"ACGT"[(i * i * 7 + i / 3) as usize % 4]))
            .collect();
        let built = reference(&format!(">a\n{seq}\n"), false).unwrap();
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.tidx");
        built.save(&path).unwrap();
        let opened = Reference::open(&path).unwrap();
        assert_eq!(opened.contigs(), built.contigs());
        assert_eq!(opened.seed_positions(), built.seed_positions());
        assert_eq!(opened.digest(), built.digest());
        let mut bytes = std::fs::read(&path).unwrap();
        let last = bytes.len() - 4096;
        bytes[last] ^= 1;
        std::fs::write(&path, &bytes).unwrap();
        assert!(
            Reference::open(&path)
                .unwrap_err()
                .to_string()
                .contains("damaged")
        );
        std::fs::write(&path, &bytes[..5000]).unwrap();
        assert!(Reference::open(&path).is_err());
    }
}
