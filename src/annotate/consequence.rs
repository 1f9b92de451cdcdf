//! What a variant does to a transcript: HGVS c. and p., and the consequence as a term of the
//! Sequence Ontology.

use super::protein::{self, ProteinChange};
use super::transcript::{Place, Transcript};
use crate::domain::{Span, Variant, reverse_complement};
use crate::genome::Reference;

/// Sequence Ontology terms, most severe first (the order of Ensembl's table).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[allow(missing_docs)] // the names are the terms
pub enum Consequence {
    TranscriptAblation,
    SpliceAcceptor,
    SpliceDonor,
    StopGained,
    Frameshift,
    StopLost,
    StartLost,
    InframeInsertion,
    InframeDeletion,
    Missense,
    ProteinAltering,
    SpliceRegion,
    StopRetained,
    Synonymous,
    CodingSequence,
    FivePrimeUtr,
    ThreePrimeUtr,
    NonCodingExon,
    Intron,
    Intergenic,
}

impl Consequence {
    /// The term.
    pub fn term(self) -> &'static str {
        match self {
            Consequence::TranscriptAblation => "transcript_ablation",
            Consequence::SpliceAcceptor => "splice_acceptor_variant",
            Consequence::SpliceDonor => "splice_donor_variant",
            Consequence::StopGained => "stop_gained",
            Consequence::Frameshift => "frameshift_variant",
            Consequence::StopLost => "stop_lost",
            Consequence::StartLost => "start_lost",
            Consequence::InframeInsertion => "inframe_insertion",
            Consequence::InframeDeletion => "inframe_deletion",
            Consequence::Missense => "missense_variant",
            Consequence::ProteinAltering => "protein_altering_variant",
            Consequence::SpliceRegion => "splice_region_variant",
            Consequence::StopRetained => "stop_retained_variant",
            Consequence::Synonymous => "synonymous_variant",
            Consequence::CodingSequence => "coding_sequence_variant",
            Consequence::FivePrimeUtr => "5_prime_UTR_variant",
            Consequence::ThreePrimeUtr => "3_prime_UTR_variant",
            Consequence::NonCodingExon => "non_coding_transcript_exon_variant",
            Consequence::Intron => "intron_variant",
            Consequence::Intergenic => "intergenic_variant",
        }
    }

    /// May it change the protein or its making?
    pub fn alters_protein(self) -> bool {
        self <= Consequence::ProteinAltering
    }
}

/// A variant seen from one transcript.
#[derive(Clone, Debug)]
pub struct Effect {
    /// Rank of the transcript in [`super::GeneModel::transcripts`].
    pub transcript: usize,
    /// `c.2573T>G` (`n.` for non-coding RNA).
    pub hgvs_c: String,
    /// What happens to the protein, if the variant touches the coding sequence.
    pub protein: Option<ProteinChange>,
    /// Terms, most severe first; never empty.
    pub consequences: Vec<Consequence>,
    /// Exon, or the intron behind exon `rank`, counted from 1, and the number of exons.
    pub exon: Option<(u32, u32)>,
    /// The same for a variant in an intron.
    pub intron: Option<(u32, u32)>,
    /// Ranks (from 0) of the exons whose splice sites (two intronic bases) it touches.
    pub splice_exons: Vec<usize>,
    /// The premature stop lies more than 50 bases before the last exon junction, so that the RNA is
    /// expected to be degraded; `None` if there is no premature stop or its place is not known.
    pub nmd: Option<bool>,
}

/// A variant in forward orientation: bases `start..end` of the contig give way to `alternate`, with
/// no base in common at either end.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Edit {
    start: u32,
    end: u32,
    alternate: Vec<u8>,
}

fn trimmed(v: &Variant) -> Edit {
    let (r, a) = (&v.reference[..], &v.alternate[..]);
    let suffix = |r: &[u8], a: &[u8]| {
        r.iter()
            .rev()
            .zip(a.iter().rev())
            .take_while(|(x, y)| x == y)
            .count()
    };
    let prefix = r.iter().zip(a).take_while(|(x, y)| x == y).count();
    let (r, a) = (&r[prefix..], &a[prefix..]);
    let s = suffix(r, a);
    Edit {
        start: v.pos.0 + prefix as u32,
        end: v.pos.0 + (prefix + r.len() - s) as u32,
        alternate: a[..a.len() - s].to_vec(),
    }
}

/// How far a variant in a repeat is followed to its 3' end.
const REACH: u32 = 2000;

/// A stretch of the reference read along one strand, with an edit in it.
struct Oriented {
    window: Span,
    reverse: bool,
    bases: Vec<u8>,
    /// Bases replaced, as offsets into `bases`.
    start: usize,
    end: usize,
    alternate: Vec<u8>,
}

impl Oriented {
    fn new(edit: &Edit, contig: crate::domain::ContigId, reverse: bool, r: &Reference) -> Oriented {
        let window = Span::new(edit.start, edit.end).widened(REACH, r.contig(contig).length);
        let forward = r.bases(contig, window);
        let (from, to) = (edit.start - window.start, edit.end - window.start);
        if reverse {
            Oriented {
                window,
                reverse,
                bases: reverse_complement(&forward),
                start: (window.len() - to) as usize,
                end: (window.len() - from) as usize,
                alternate: reverse_complement(&edit.alternate),
            }
        } else {
            Oriented {
                window,
                reverse,
                bases: forward,
                start: from as usize,
                end: to as usize,
                alternate: edit.alternate.clone(),
            }
        }
    }

    /// The contig's position of an offset.
    fn genomic(&self, offset: usize) -> u32 {
        if self.reverse {
            self.window.end - 1 - offset as u32
        } else {
            self.window.start + offset as u32
        }
    }

    /// HGVS's 3' rule: of equal descriptions the one furthest along the strand.
    fn shift(&mut self) {
        let known = |b: &u8| *b != b'N';
        if self.alternate.is_empty() && self.end > self.start {
            while let Some(next) = self.bases.get(self.end).filter(|b| known(b))
                && *next == self.bases[self.start]
            {
                self.start += 1;
                self.end += 1;
            }
        } else if self.start == self.end && !self.alternate.is_empty() {
            while let Some(next) = self.bases.get(self.start).filter(|b| known(b))
                && *next == self.alternate[0]
            {
                self.alternate.rotate_left(1);
                self.start += 1;
                self.end += 1;
            }
        }
    }

    /// An insertion that repeats the bases before it.
    fn is_duplication(&self) -> bool {
        let n = self.alternate.len();
        self.start == self.end
            && n > 0
            && self.start >= n
            && self.bases[self.start - n..self.start] == self.alternate[..]
    }

    /// The description behind `c.` or `g.`, given how to write the place of an offset.
    fn describe(&self, place: impl Fn(usize) -> Option<String>) -> Option<String> {
        let range = |a: usize, b: usize| -> Option<String> {
            Some(if a == b {
                place(a)?
            } else {
                format!("{}_{}", place(a)?, place(b)?)
            })
        };
        let alternate = String::from_utf8_lossy(&self.alternate).into_owned();
        Some(match (self.end - self.start, self.alternate.len()) {
            (1, 1) => format!(
                "{}{}>{alternate}",
                place(self.start)?,
                self.bases[self.start] as char
            ),
            (0, n) if self.is_duplication() => {
                format!("{}dup", range(self.start - n, self.start - 1)?)
            }
            (0, _) => format!("{}ins{alternate}", range(self.start - 1, self.start)?),
            (_, 0) => format!("{}del", range(self.start, self.end - 1)?),
            _ => format!("{}delins{alternate}", range(self.start, self.end - 1)?),
        })
    }
}

/// `7:g.55259515T>G`: the change in the contig's own coordinates.
pub fn hgvs_g(v: &Variant, reference: &Reference) -> String {
    let mut o = Oriented::new(&trimmed(v), v.contig, false, reference);
    o.shift();
    let name = &reference.contig(v.contig).name;
    let kind = if matches!(name.trim_start_matches("chr"), "M" | "MT") {
        'm'
    } else {
        'g'
    };
    let what = o
        .describe(|i| Some((o.genomic(i) + 1).to_string()))
        .unwrap_or_default();
    format!("{name}:{kind}.{what}")
}

/// What a variant does to a transcript; `None` if it lies outside.
pub fn effect(v: &Variant, index: usize, t: &Transcript, reference: &Reference) -> Option<Effect> {
    let edit = trimmed(v);
    let touched = Span::new(edit.start, edit.end.max(edit.start + 1));
    if v.contig != t.model.contig || !touched.overlaps(t.span()) {
        return None;
    }
    let mut o = Oriented::new(&edit, v.contig, t.model.strand.is_reverse(), reference);
    o.shift();
    let place = |i: usize| t.place(o.genomic(i)).map(|p| t.spell(p));
    let kind = if t.cds.is_some() { "c." } else { "n." };
    // A deletion that leaves the transcript has no c. name: say where it lies instead.
    let hgvs_c = o
        .describe(place)
        .map_or_else(|| hgvs_g(v, reference), |d| format!("{kind}{d}"));
    let seen = Seen::new(&o, t);
    let protein = seen
        .coding
        .map(|(a, b)| protein::change(t, a, b, &o.alternate));
    let mut consequences = seen.consequences(t, protein.as_ref(), o.alternate.len());
    if touched.start <= t.span().start && t.span().end <= touched.end {
        consequences.insert(0, Consequence::TranscriptAblation);
    }
    consequences.sort_unstable();
    consequences.dedup();
    let exons = t.exons.len() as u32;
    let exon = seen
        .first
        .filter(|p| p.intron == 0)
        .map(|p| (t.exon_of(p.exonic) as u32 + 1, exons));
    let intron = seen.first.filter(|p| p.intron != 0).map(|p| {
        let rank = t.exon_of(p.exonic) as u32;
        (if p.intron > 0 { rank + 1 } else { rank }, exons - 1)
    });
    Some(Effect {
        transcript: index,
        hgvs_c,
        nmd: protein.as_ref().and_then(|p| degraded(t, p)),
        protein,
        consequences,
        exon,
        intron,
        splice_exons: seen.splice_exons,
    })
}

/// Would the premature stop trigger nonsense-mediated decay, by the 50-base rule?
fn degraded(t: &Transcript, change: &ProteinChange) -> Option<bool> {
    let stop_codon = match *change {
        ProteinChange::Nonsense { position, .. } => position,
        ProteinChange::Frameshift {
            position,
            stop: Some(n),
            ..
        } => position + n - 1,
        _ => return None,
    };
    if t.exons.len() < 2 {
        return Some(false);
    }
    let last_exon: u32 = t.exons[t.exons.len() - 1].len();
    let last_junction = t.bases.len() as u32 - last_exon;
    Some(t.cds?.start + 3 * stop_codon + 50 < last_junction)
}

/// Which parts of a transcript an edit touches.
#[allow(clippy::struct_excessive_bools)] // independent facts, one each
struct Seen {
    first: Option<Place>,
    /// Coding bases replaced, if all of them are coding and of one piece.
    coding: Option<(u32, u32)>,
    touches_coding: bool,
    touches_five: bool,
    touches_three: bool,
    touches_exon: bool,
    touches_intron: bool,
    donor: bool,
    acceptor: bool,
    region: bool,
    splice_exons: Vec<usize>,
}

impl Seen {
    fn new(o: &Oriented, t: &Transcript) -> Seen {
        // An insertion touches the bases on both sides.
        let insertion = o.start == o.end;
        let (from, to) = if insertion {
            (o.start.saturating_sub(1), o.end + 1)
        } else {
            (o.start, o.end)
        };
        let places: Vec<Option<Place>> = (from..to).map(|i| t.place(o.genomic(i))).collect();
        let mut seen = Seen {
            first: places.iter().flatten().next().copied(),
            coding: None,
            touches_coding: false,
            touches_five: false,
            touches_three: false,
            touches_exon: false,
            touches_intron: false,
            donor: false,
            acceptor: false,
            region: false,
            splice_exons: Vec::new(),
        };
        let cds_offset = |p: &Place| {
            t.cds
                .filter(|c| p.intron == 0 && (c.start..c.end).contains(&p.exonic))
                .map(|c| p.exonic - c.start)
        };
        // An insertion exactly between exon and intron leaves the splice site as it was or not,
        // depending on how one looks at it: it counts as splice region only.
        let both_sides = |n: i32| {
            !insertion || {
                let inside = |p: &Option<Place>| {
                    p.is_some_and(|p| p.intron.abs() >= 1 && p.intron.signum() == n)
                };
                places.iter().all(inside)
            }
        };
        for p in places.iter().flatten() {
            let exon = t.exon_of(p.exonic);
            match p.intron {
                0 => {
                    seen.touches_exon = true;
                    seen.touches_coding |= cds_offset(p).is_some();
                    if let Some(c) = t.cds {
                        seen.touches_five |= p.exonic < c.start;
                        seen.touches_three |= p.exonic >= c.end;
                    }
                    let e = t.exons[exon].len();
                    let start = t.exonic_start(exon);
                    let from_end = start + e - 1 - p.exonic;
                    seen.region |= exon + 1 < t.exons.len() && from_end < 3;
                    seen.region |= exon > 0 && p.exonic - start < 3;
                }
                n => {
                    seen.touches_intron = true;
                    let near = n.unsigned_abs();
                    if near <= 2 && both_sides(n.signum()) {
                        seen.donor |= n > 0;
                        seen.acceptor |= n < 0;
                        seen.splice_exons.push(exon);
                    }
                    seen.region |= near <= 8;
                }
            }
        }
        seen.splice_exons.dedup();
        let offsets: Option<Vec<u32>> = places
            .iter()
            .map(|p| p.as_ref().and_then(cds_offset))
            .collect();
        if let Some(offsets) = offsets
            && let (Some(&a), Some(&b)) = (offsets.first(), offsets.last())
            && (b + 1 - a) as usize == offsets.len()
        {
            seen.coding = Some(if insertion { (b, b) } else { (a, b + 1) });
        }
        seen
    }

    fn consequences(
        &self,
        t: &Transcript,
        protein: Option<&ProteinChange>,
        gained: usize,
    ) -> Vec<Consequence> {
        use Consequence as C;
        let mut out = Vec::new();
        if self.donor {
            out.push(C::SpliceDonor);
        }
        if self.acceptor {
            out.push(C::SpliceAcceptor);
        }
        if self.region && !self.donor && !self.acceptor {
            out.push(C::SpliceRegion);
        }
        match protein {
            Some(p) => {
                if p.truncates() && !matches!(p, ProteinChange::Frameshift { .. }) {
                    out.push(C::StopGained);
                }
                match p {
                    ProteinChange::Missense { .. } => out.push(C::Missense),
                    ProteinChange::Nonsense { .. } => {}
                    ProteinChange::Deletion { .. } => out.push(C::InframeDeletion),
                    ProteinChange::Duplication { .. } | ProteinChange::Insertion { .. } => {
                        out.push(C::InframeInsertion);
                    }
                    ProteinChange::Delins { .. } => out.push(C::ProteinAltering),
                    ProteinChange::Frameshift { .. } => out.push(C::Frameshift),
                    ProteinChange::Extension { .. } => out.push(C::StopLost),
                    ProteinChange::StartLost => out.push(C::StartLost),
                    ProteinChange::Synonymous { reference, .. } => {
                        out.push(if *reference == super::codon::STOP {
                            C::StopRetained
                        } else {
                            C::Synonymous
                        });
                    }
                    ProteinChange::Unknown { .. } => {
                        let (a, b) = self.coding.unwrap_or((0, 0));
                        out.push(if (b - a) as usize % 3 == gained % 3 {
                            C::CodingSequence
                        } else {
                            C::Frameshift
                        });
                    }
                }
            }
            None if self.touches_coding => out.push(C::CodingSequence),
            None => {}
        }
        if t.cds.is_none() && self.touches_exon {
            out.push(C::NonCodingExon);
        }
        if self.touches_five && !self.touches_coding {
            out.push(C::FivePrimeUtr);
        }
        if self.touches_three && !self.touches_coding {
            out.push(C::ThreePrimeUtr);
        }
        if self.touches_intron && !self.touches_exon {
            out.push(C::Intron);
        }
        if out.is_empty() {
            out.push(C::Intron);
        }
        out
    }
}
