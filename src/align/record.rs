//! Placed templates as SAM or BAM records.

use super::hit::{Hit, Hits};
use super::pair::{Placed, Template};
use crate::batch::ReadBatch;
use crate::domain::{Cigar, CigarOp, ContigId, GenomePos, Pos, complement};
use crate::format::sam::{Record, Tag, TagValue, flag, number};
use crate::format::tags;
use crate::genome::Reference;
use std::fmt::Write;

/// How records are written.
pub trait Encode: Fn(&Record, &mut Vec<u8>) + Sync {}
impl<F: Fn(&Record, &mut Vec<u8>) + Sync> Encode for F {}

/// What records say of hits beside the best.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Style {
    /// Supplementary records hold the whole read, soft-clipped; else only their part of it.
    pub soft_clip: bool,
    /// All other hits as secondary records, in place of XA.
    pub all: bool,
    /// Most places that XA names; where there are more, it is left out.
    pub alternatives: usize,
}

impl Default for Style {
    /// As bwa does.
    fn default() -> Style {
        Style {
            soft_clip: false,
            all: false,
            alternatives: 5,
        }
    }
}

/// What a record is of its read.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Primary,
    Supplementary,
    Secondary,
}

/// Writes the records of templates; keeps its buffers from one to the next.
pub struct Writer<'a, E: Encode> {
    reference: &'a Reference,
    read_group: Option<&'a str>,
    style: Style,
    encode: E,
    cigar: Cigar,
    genome: Vec<u8>,
    /// The read as the hit at hand has it, and its qualities.
    bases: Vec<u8>,
    quals: Vec<u8>,
    md: Vec<u8>,
    sa: String,
    xa: String,
}

/// A place as a record says it.
#[derive(Clone, Copy)]
struct Place {
    contig: ContigId,
    pos: Pos,
    end: Pos,
    reverse: bool,
}

impl Place {
    /// Its strand as SA and XA have it.
    fn sign(self) -> char {
        if self.reverse { '-' } else { '+' }
    }
}

impl<'a, E: Encode> Writer<'a, E> {
    /// A writer of records of this read group through `encode`.
    pub fn new(
        reference: &'a Reference,
        read_group: Option<&'a str>,
        style: Style,
        encode: E,
    ) -> Self {
        Writer {
            reference,
            read_group,
            style,
            encode,
            cigar: Cigar::default(),
            genome: Vec::new(),
            bases: Vec::new(),
            quals: Vec::new(),
            md: Vec::new(),
            sa: String::new(),
            xa: String::new(),
        }
    }

    fn place_of(&self, hit: &Hit) -> Place {
        let (contig, pos) = self
            .reference
            .locate(GenomePos(hit.start))
            .expect("hits lie in islands");
        Place {
            contig,
            pos,
            end: Pos(pos.0 + (hit.end - hit.start)),
            reverse: hit.reverse,
        }
    }

    /// Appends the records of template `t`: mates in order, each with its supplementary
    /// and secondary records behind it.
    pub fn write(
        &mut self,
        batch: &ReadBatch,
        t: usize,
        hits: &Hits,
        template: &Template,
        out: &mut Vec<u8>,
    ) {
        let reads = batch.reads_of(t);
        let places: Vec<Option<Place>> = reads
            .clone()
            .zip(&template.ends)
            .map(|(r, end)| end.hit.map(|h| self.place_of(&hits.of_read[r][h])))
            .collect();
        let cigars: Vec<String> = reads
            .clone()
            .zip(&template.ends)
            .map(|(r, end)| match end.hit {
                Some(h) if batch.paired => {
                    hits.cigar(
                        &hits.of_read[r][h],
                        batch.read_len(r) as u32,
                        CigarOp::SoftClip,
                        &mut self.cigar,
                    );
                    self.cigar.to_string()
                }
                _ => String::new(),
            })
            .collect();
        for (e, r) in reads.enumerate() {
            let mate = batch.paired.then(|| Mate {
                place: places[1 - e],
                placed: &template.ends[1 - e],
                cigar: &cigars[1 - e],
            });
            let mut flags = 0;
            if batch.paired {
                flags |= flag::PAIRED | [flag::FIRST, flag::SECOND][e];
                flags |= if template.proper { flag::PROPER } else { 0 };
            }
            self.write_read(
                batch,
                t,
                r,
                &hits.of_read[r],
                hits,
                &template.ends[e],
                flags,
                mate.as_ref(),
                out,
            );
        }
    }

    #[allow(
        clippy::too_many_arguments,
        reason = "one call, which gathers what a read's records need"
    )]
    fn write_read(
        &mut self,
        batch: &ReadBatch,
        t: usize,
        r: usize,
        own: &[Hit],
        hits: &Hits,
        end: &Placed,
        mut flags: u16,
        mate: Option<&Mate>,
        out: &mut Vec<u8>,
    ) {
        if let Some(m) = mate {
            match m.place {
                None => flags |= flag::MATE_UNMAPPED,
                Some(p) if p.reverse => flags |= flag::MATE_REVERSE,
                Some(_) => {}
            }
        }
        let mate_place = mate.and_then(|m| m.place);
        let length = batch.read_len(r) as u32;
        let Some(primary) = end.hit else {
            let mut tags = Vec::new();
            mate_tags(mate, &mut tags);
            self.carried_tags(batch.tags(r), &mut tags);
            let record = Record {
                name: batch.name(t),
                flag: flags | flag::UNMAPPED,
                contig: mate_place.map(|p| p.contig),
                pos: mate_place.map(|p| p.pos),
                mapq: 0,
                cigar: &[],
                mate_contig: mate_place.map(|p| p.contig),
                mate_pos: mate_place.map(|p| p.pos),
                template_len: 0,
                bases: batch.bases(r),
                quals: batch.quals(r),
                tags: &tags,
            };
            (self.encode)(&record, out);
            return;
        };
        let segments: Vec<(usize, u8)> = std::iter::once((primary, end.mapq))
            .chain(end.supplementary.iter().copied())
            .collect();
        let edits: Vec<u32> = if segments.len() > 1 {
            segments
                .iter()
                .map(|&(h, _)| self.describe(&own[h], batch, r, hits, CigarOp::SoftClip))
                .collect()
        } else {
            Vec::new()
        };
        let others = (0..own.len()).filter(|h| segments.iter().all(|(s, _)| s != h));
        let secondary = others.map(|h| (h, 0)).filter(|_| self.style.all);
        let records: Vec<(usize, u8)> = segments.iter().copied().chain(secondary).collect();
        for (s, &(h, mapq)) in records.iter().enumerate() {
            let kind = match s {
                0 => Kind::Primary,
                s if s < segments.len() => Kind::Supplementary,
                _ => Kind::Secondary,
            };
            let hit = &own[h];
            self.sa.clear();
            self.xa.clear();
            if kind != Kind::Secondary {
                for (o, &(other, q)) in segments.iter().enumerate().filter(|(o, _)| *o != s) {
                    let place = self.place_of(&own[other]);
                    hits.cigar(&own[other], length, CigarOp::SoftClip, &mut self.cigar);
                    let contig = &self.reference.contig(place.contig).name;
                    let _ = write!(
                        self.sa,
                        "{contig},{},{},{},{q},{};",
                        place.pos.one_based(),
                        place.sign(),
                        self.cigar,
                        edits[o]
                    );
                }
                self.name_alternatives(batch, r, hits, &segments, s);
            }
            let (clip, extra) = match kind {
                Kind::Primary => (CigarOp::SoftClip, 0),
                Kind::Supplementary => (CigarOp::HardClip, flag::SUPPLEMENTARY),
                Kind::Secondary => (CigarOp::HardClip, flag::SECONDARY),
            };
            let clip = if self.style.soft_clip {
                CigarOp::SoftClip
            } else {
                clip
            };
            let edits = self.describe(hit, batch, r, hits, clip);
            let place = self.place_of(hit);
            self.orient_quals(batch, r, hit);
            let part = if kind == Kind::Secondary {
                0..0 // SAM 1.6 §1.4.10: `*` where the primary record has them.
            } else if clip == CigarOp::HardClip {
                hit.read_start as usize..hit.read_end as usize
            } else {
                0..length as usize
            };
            let (mate_contig, mate_pos, template_len) = match (mate_place, mate) {
                (Some(m), _) => (Some(m.contig), Some(m.pos), template_len(place, m)),
                // The unmapped mate stands where this read's primary record does.
                (None, Some(_)) => {
                    let own = self.place_of(&own[primary]);
                    (Some(own.contig), Some(own.pos), 0)
                }
                (None, None) => (None, None, 0),
            };
            let mut tags = vec![
                Tag {
                    name: *b"NM",
                    value: TagValue::Int(i64::from(edits)),
                },
                Tag {
                    name: *b"MD",
                    value: TagValue::Text(&self.md),
                },
                Tag {
                    name: *b"AS",
                    value: TagValue::Int(i64::from(hit.score)),
                },
                Tag {
                    name: *b"XS",
                    value: TagValue::Int(i64::from(if s == 0 { end.second } else { 0 })),
                },
            ];
            mate_tags(mate, &mut tags);
            self.carried_tags(batch.tags(r), &mut tags);
            if !self.sa.is_empty() {
                tags.push(Tag {
                    name: *b"SA",
                    value: TagValue::Text(self.sa.as_bytes()),
                });
            }
            if !self.xa.is_empty() {
                tags.push(Tag {
                    name: *b"XA",
                    value: TagValue::Text(self.xa.as_bytes()),
                });
            }
            let record = Record {
                name: batch.name(t),
                flag: flags | extra | if hit.reverse { flag::REVERSE } else { 0 },
                contig: Some(place.contig),
                pos: Some(place.pos),
                mapq,
                cigar: &self.cigar.0,
                mate_contig,
                mate_pos,
                template_len,
                bases: &self.bases[part.clone()],
                quals: self.quals.get(part).unwrap_or_default(),
                tags: &tags,
            };
            (self.encode)(&record, out);
        }
    }

    /// Fills `xa` for a segment of a read: the other hits of its bases with at least four fifths of its
    /// score, unless there are more than [`Style::alternatives`]. A hit of the bases of two segments is
    /// the first one's.
    fn name_alternatives(
        &mut self,
        batch: &ReadBatch,
        r: usize,
        hits: &Hits,
        segments: &[(usize, u8)],
        s: usize,
    ) {
        let own = &hits.of_read[r];
        let length = batch.read_len(r) as u32;
        let hit = &own[segments[s].0];
        let is_alternative = |(h, other): &(usize, &Hit)| {
            let competing = |&(s, _): &(usize, u8)| own[s].competes(other, length);
            segments.iter().all(|(s, _)| s != h)
                && 5 * other.score >= 4 * hit.score
                && segments.iter().position(competing) == Some(s)
        };
        let alternatives = || own.iter().enumerate().filter(is_alternative);
        if self.style.all || own.len() == 1 || alternatives().count() > self.style.alternatives {
            return;
        }
        for (_, other) in alternatives() {
            let edits = self.describe(other, batch, r, hits, CigarOp::SoftClip);
            let place = self.place_of(other);
            let contig = &self.reference.contig(place.contig).name;
            let _ = write!(
                self.xa,
                "{contig},{}{},{},{edits};",
                place.sign(),
                place.pos.one_based(),
                self.cigar
            );
        }
    }

    /// The read group, and the fields that the input gave the read.
    fn carried_tags<'t>(&'t self, input: &'t [u8], tags: &mut Vec<Tag<'t>>) {
        if let Some(id) = self.read_group {
            tags.push(Tag {
                name: *b"RG",
                value: TagValue::Text(id.as_bytes()),
            });
        }
        tags.extend(tags::split(input));
    }

    /// Fills `quals` as a hit has them.
    fn orient_quals(&mut self, batch: &ReadBatch, r: usize, hit: &Hit) {
        let quals = batch.quals(r);
        self.quals.clear();
        if hit.reverse {
            self.quals.extend(quals.iter().rev());
        } else {
            self.quals.extend_from_slice(quals);
        }
    }

    /// Fills `bases`, `cigar` and `md` for a hit and gives its edit distance (NM). A base that is N in read or
    /// reference is a difference (SAM tags §1.1 leaves that open; so do samtools and bwa).
    fn describe(
        &mut self,
        hit: &Hit,
        batch: &ReadBatch,
        r: usize,
        hits: &Hits,
        clip: CigarOp,
    ) -> u32 {
        hits.cigar(hit, batch.read_len(r) as u32, clip, &mut self.cigar);
        self.genome.resize((hit.end - hit.start) as usize, 0);
        self.reference.spell(GenomePos(hit.start), &mut self.genome);
        let bases = batch.bases(r);
        self.bases.clear();
        if hit.reverse {
            self.bases
                .extend(bases.iter().rev().map(|&b| complement(b)));
        } else {
            self.bases.extend_from_slice(bases);
        }
        self.md.clear();
        let (mut q, mut g, mut equal, mut edits) = (hit.read_start as usize, 0, 0, 0);
        for &(n, op) in &self.cigar.0 {
            match op {
                CigarOp::Match => {
                    let end = g + n as usize;
                    while g < end {
                        let same = equal_bases(&self.bases[q..], &self.genome[g..end]);
                        equal += same as i64;
                        q += same;
                        g += same;
                        if g < end {
                            number(&mut self.md, equal);
                            self.md.push(self.genome[g]);
                            equal = 0;
                            edits += 1;
                            q += 1;
                            g += 1;
                        }
                    }
                }
                CigarOp::Insertion => {
                    q += n as usize;
                    edits += n;
                }
                CigarOp::Deletion => {
                    number(&mut self.md, equal);
                    self.md.push(b'^');
                    equal = 0;
                    self.md.extend_from_slice(&self.genome[g..g + n as usize]);
                    g += n as usize;
                    edits += n;
                }
                CigarOp::SoftClip | CigarOp::HardClip => {}
            }
        }
        number(&mut self.md, equal);
        edits
    }
}

/// How many bases from the first on are the same in both and known, up to the end of the genome's.
fn equal_bases(read: &[u8], genome: &[u8]) -> usize {
    let same = |(a, b): (&u8, &u8)| a == b && *b != b'N';
    let (eights, _) = genome.as_chunks::<8>();
    let pairs = read.as_chunks::<8>().0.iter().zip(eights);
    let skipped = 8 * pairs
        .take_while(|(a, b)| a == b && !b.contains(&b'N'))
        .count();
    let rest = read[skipped..].iter().zip(&genome[skipped..]);
    skipped + rest.take_while(|&p| same(p)).count()
}

/// The other end of a pair.
struct Mate<'a> {
    place: Option<Place>,
    placed: &'a Placed,
    cigar: &'a str,
}

fn mate_tags<'t>(mate: Option<&Mate<'t>>, tags: &mut Vec<Tag<'t>>) {
    if let Some(m) = mate
        && m.place.is_some()
    {
        tags.push(Tag {
            name: *b"MC",
            value: TagValue::Text(m.cigar.as_bytes()),
        });
        tags.push(Tag {
            name: *b"MQ",
            value: TagValue::Int(i64::from(m.placed.mapq)),
        });
    }
}

/// TLEN: between the two reads' 5' ends, as bwa has it; positive for the leftmost.
fn template_len(own: Place, mate: Place) -> i32 {
    if own.contig != mate.contig {
        return 0;
    }
    let five_prime = |p: Place| {
        if p.reverse {
            i64::from(p.end.0) - 1
        } else {
            i64::from(p.pos.0)
        }
    };
    let (a, b) = (five_prime(own), five_prime(mate));
    let length = match b.cmp(&a) {
        std::cmp::Ordering::Greater => b - a + 1,
        std::cmp::Ordering::Less => b - a - 1,
        std::cmp::Ordering::Equal => 0,
    };
    length as i32
}
