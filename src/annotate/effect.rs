//! A variant seen from one transcript: HGVS c. and p., and what parts of the transcript it touches.

use super::consequence::Consequence;
use super::edit::{Edit, Oriented, hgvs_g};
use super::protein::{self, ProteinChange};
use super::transcript::{Place, Transcript};
use crate::domain::Variant;
use crate::genome::Reference;

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
    /// First exon that it touches, counted from 1, and the number of exons.
    pub exon: Option<(u32, u32)>,
    /// The intron behind exon `rank`, for a variant that begins in one, and their number.
    pub intron: Option<(u32, u32)>,
    /// Ranks (from 0) of the exons whose splice sites (two intronic bases) it touches.
    pub splice_exons: Vec<usize>,
    /// The premature stop lies more than 50 bases before the last exon junction, so that the RNA is
    /// expected to be degraded; `None` if there is no premature stop or its place is not known.
    pub nmd: Option<bool>,
    /// Offsets of the transcript's bases that it replaces (an insertion: where it is put), if all
    /// are exonic.
    pub exonic: Option<(u32, u32)>,
    /// The same in the coding sequence, and what stands there instead, as the transcript is read.
    pub coding: Option<CodingEdit>,
}

/// A change of a transcript's coding sequence: bases `start..end`, counted from 0 at its first, give
/// way to `alternate`. The end may lie behind the coding sequence, in the 3' untranslated region.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct CodingEdit {
    /// First base replaced.
    pub start: u32,
    /// First base behind it.
    pub end: u32,
    /// What stands there instead.
    pub alternate: Vec<u8>,
}

impl CodingEdit {
    /// Bases gained less bases lost.
    pub fn net(&self) -> i64 {
        self.alternate.len() as i64 - i64::from(self.end - self.start)
    }

    /// First and last codon touched, from 0. An insertion between two codons touches the first base
    /// behind it.
    pub fn codons(&self) -> (u32, u32) {
        (self.start / 3, (self.end.max(self.start + 1) - 1) / 3)
    }
}

/// What a variant does to a transcript; `None` if it lies outside.
pub fn effect(v: &Variant, index: usize, t: &Transcript, reference: &Reference) -> Option<Effect> {
    let edit = Edit::of(v);
    if v.contig != t.model.contig || !edit.touched().overlaps(t.span()) {
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
    let protein = if seen.loses_start {
        Some(ProteinChange::StartLost)
    } else {
        seen.coding
            .as_ref()
            .map(|c| protein::change(t, c.start, c.end, &c.alternate))
    };
    let consequences = seen.consequences(t, protein.as_ref());
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
        exonic: seen.exonic,
        coding: seen.coding,
    })
}

/// Would the premature stop trigger nonsense-mediated decay, by the 50-base rule?
pub fn degraded(t: &Transcript, change: &ProteinChange) -> Option<bool> {
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
#[derive(Default)]
#[allow(clippy::struct_excessive_bools)] // independent facts, one each
struct Seen {
    first: Option<Place>,
    /// Bases replaced, if all of them are exonic and follow each other in the transcript.
    exonic: Option<(u32, u32)>,
    /// The coding part of that, from the coding sequence's first base.
    coding: Option<CodingEdit>,
    /// It reaches from elsewhere into the start codon.
    loses_start: bool,
    whole: bool,
    touches_coding: bool,
    touches_five: bool,
    touches_three: bool,
    touches_exon: bool,
    /// An intron's base that is of no splice site.
    touches_intron: bool,
    donor: bool,
    acceptor: bool,
    region: bool,
    fifth: bool,
    donor_region: bool,
    tract: bool,
    splice_exons: Vec<usize>,
}

impl Seen {
    fn new(o: &Oriented, t: &Transcript) -> Seen {
        // An insertion touches the bases on both sides.
        let insertion = o.is_insertion();
        let (from, to) = if insertion {
            (o.start.saturating_sub(1), (o.end + 1).min(o.bases.len()))
        } else {
            (o.start, o.end)
        };
        let places: Vec<Option<Place>> = (from..to).map(|i| t.place(o.genomic(i))).collect();
        let mut seen = Seen {
            first: places.iter().flatten().next().copied(),
            ..Seen::default()
        };
        for p in places.iter().flatten() {
            if p.intron == 0 {
                seen.note_exonic(p.exonic, t);
            }
        }
        // An insertion parts the two bases of a splice site, or leaves it as it was: one beside them
        // counts as splice region only.
        let parted = |p: &Place| (1..=2).contains(&p.intron.unsigned_abs());
        let replaces = !insertion || places.iter().flatten().all(parted);
        for p in places.iter().flatten().filter(|p| p.intron != 0) {
            seen.note_intronic(*p, t, replaces);
        }
        seen.splice_exons.dedup();
        let ends = [places.first(), places.last()].map(|p| p.copied().flatten());
        // What leaves the transcript has no place: those within are all that count.
        seen.whole = places.iter().flatten().count() as u32 == t.span().len();
        if let [Some(a), Some(b)] = ends.map(|p| p.filter(|p| p.intron == 0))
            && places.iter().flatten().all(|p| p.intron == 0)
            && (b.exonic - a.exonic) as usize + 1 == places.len()
        {
            seen.lay_on_transcript(if insertion { b.exonic } else { a.exonic }, b.exonic, o, t);
        }
        let in_start_codon = |p: &Place| {
            let c = t.cds.filter(|_| p.intron == 0);
            c.is_some_and(|c| (c.start..c.start + 3).contains(&p.exonic))
        };
        seen.loses_start =
            !insertion && seen.coding.is_none() && places.iter().flatten().any(in_start_codon);
        seen
    }

    /// All bases replaced are exonic, `first..=last` (an insertion stands before `first`).
    fn lay_on_transcript(&mut self, first: u32, last: u32, o: &Oriented, t: &Transcript) {
        let insertion = o.is_insertion();
        let end = if insertion { first } else { last + 1 };
        self.exonic = Some((first, end));
        let Some(cds) = t.cds else { return };
        if insertion && (first <= cds.start || first >= cds.end) {
            // Between an untranslated region and the coding sequence, what is put in is the former's.
            self.touches_coding = false;
            self.touches_five = first <= cds.start;
            self.touches_three = first >= cds.end;
        } else if first >= cds.start && first < cds.end {
            self.coding = Some(CodingEdit {
                start: first - cds.start,
                end: end - cds.start,
                alternate: o.alternate.clone(),
            });
        }
    }

    fn note_exonic(&mut self, exonic: u32, t: &Transcript) {
        self.touches_exon = true;
        match t.cds {
            Some(c) if exonic < c.start => self.touches_five = true,
            Some(c) if exonic >= c.end => self.touches_three = true,
            Some(_) => self.touches_coding = true,
            None => {}
        }
        let exon = t.exon_of(exonic);
        let start = t.exonic_start(exon);
        let from_end = start + t.exons[exon].len() - 1 - exonic;
        self.region |= exon + 1 < t.exons.len() && from_end < 3;
        self.region |= exon > 0 && exonic - start < 3;
    }

    /// The windows are those of the Sequence Ontology: 1 and 2 the splice site, 3 to 8 the splice
    /// region; of the donor 3 to 6 the donor region and 5 the fifth base; of the acceptor 3 to 17 the
    /// polypyrimidine tract.
    fn note_intronic(&mut self, p: Place, t: &Transcript, replaces: bool) {
        let near = p.intron.unsigned_abs();
        let donor = p.intron > 0;
        self.touches_intron |= near > 2;
        if near <= 2 && replaces {
            self.donor |= donor;
            self.acceptor |= !donor;
            self.splice_exons.push(t.exon_of(p.exonic));
        }
        self.region |= near <= 8;
        self.fifth |= donor && near == 5 && replaces;
        self.donor_region |= donor && (3..=6).contains(&near);
        self.tract |= !donor && (3..=17).contains(&near);
    }

    fn consequences(&self, t: &Transcript, protein: Option<&ProteinChange>) -> Vec<Consequence> {
        use Consequence as C;
        let at_site = self.donor || self.acceptor;
        let mut out = Vec::new();
        for (seen, term) in [
            (self.whole, C::TranscriptAblation),
            (self.donor, C::SpliceDonor),
            (self.acceptor, C::SpliceAcceptor),
            (self.fifth && !at_site, C::SpliceDonorFifthBase),
            (self.region && !at_site, C::SpliceRegion),
            (self.donor_region && !at_site, C::SpliceDonorRegion),
            (self.tract && !at_site, C::SplicePolypyrimidineTract),
            (t.cds.is_none() && self.touches_exon, C::NonCodingExon),
            (self.touches_five && !self.touches_coding, C::FivePrimeUtr),
            (self.touches_three && !self.touches_coding, C::ThreePrimeUtr),
            (self.touches_intron && !self.touches_exon, C::Intron),
        ] {
            if seen {
                out.push(term);
            }
        }
        match protein {
            Some(p) => out.extend(of_protein(p, self.coding.as_ref(), t)),
            None if self.touches_coding => out.push(C::CodingSequence),
            None => {}
        }
        if out.is_empty() {
            out.push(C::Intron);
        }
        out.sort_unstable();
        out.dedup();
        out
    }
}

/// The terms of a change of the protein.
pub fn of_protein(
    p: &ProteinChange,
    edit: Option<&CodingEdit>,
    t: &Transcript,
) -> Vec<Consequence> {
    use Consequence as C;
    let net = edit.map_or(0, CodingEdit::net);
    let mut out = Vec::new();
    if p.truncates() && !matches!(p, ProteinChange::Frameshift { .. }) {
        out.push(C::StopGained);
        // The frame is lost all the same, only that the first new codon is a stop.
        if net % 3 != 0 {
            out.push(C::Frameshift);
        }
    }
    match p {
        ProteinChange::Missense { .. } => out.push(C::Missense),
        ProteinChange::Nonsense { .. } => {}
        ProteinChange::Deletion { .. } => out.push(C::InframeDeletion),
        ProteinChange::Duplication { .. } | ProteinChange::Insertion { .. } => {
            out.push(C::InframeInsertion);
        }
        ProteinChange::Delins { end, .. } if *end as usize == t.protein.len() => {
            out.push(C::StopLost);
        }
        // The Sequence Ontology calls every change that keeps the length missense.
        ProteinChange::Delins { .. } if net == 0 && !p.truncates() => out.push(C::Missense),
        ProteinChange::Delins { .. } if net == 0 => {}
        ProteinChange::Delins { .. } => out.push(C::ProteinAltering),
        ProteinChange::Frameshift { .. } => out.push(C::Frameshift),
        ProteinChange::Extension { .. } => {
            out.push(C::StopLost);
            if net % 3 != 0 {
                out.push(C::Frameshift);
            }
        }
        ProteinChange::StartLost => out.push(C::StartLost),
        ProteinChange::Synonymous { reference, .. } => {
            out.push(if *reference == super::codon::STOP {
                C::StopRetained
            } else {
                C::Synonymous
            });
        }
        ProteinChange::Unknown { .. } => {
            out.push(if net % 3 == 0 {
                C::CodingSequence
            } else {
                C::Frameshift
            });
        }
    }
    out
}
