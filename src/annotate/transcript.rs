//! One transcript on a reference: where its exons lie, what it spells, and how HGVS counts along it.

use super::codon::{self, Code, STOP, UNKNOWN};
use crate::domain::{ContigId, Span, Strand, reverse_complement};
use crate::genome::Reference;
use std::fmt;

/// What a gene model says about one transcript. Spans are genomic and ascend.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Model {
    /// Gene symbol (or the gene's id where it has none).
    pub gene: String,
    /// The gene's id, empty where the gene model gives only a symbol.
    pub gene_id: String,
    /// Transcript id, with its version where the gene model gives one.
    pub id: String,
    /// Accession of the same transcript in RefSeq; empty where the gene model names none.
    pub refseq: String,
    /// Accession of the protein; empty where the gene model names none.
    pub protein_id: String,
    /// What kind of transcript it is, in the gene model's words.
    pub biotype: String,
    /// Where it lies.
    pub contig: ContigId,
    /// Which strand it is read from.
    pub strand: Strand,
    /// Its exons.
    pub exons: Vec<Span>,
    /// Its coding parts, stop codon included if the gene model has it; empty for non-coding RNA.
    pub coding: Vec<Span>,
    /// Why this transcript stands for its gene.
    pub choice: Choice,
    /// The gene model says that the coding sequence's start is not known.
    pub open_start: bool,
}

/// Why a transcript was preferred over the gene's others; the first that applies.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Choice {
    /// Tagged as MANE Select.
    ManeSelect,
    /// Tagged as MANE Plus Clinical: needed beside the Select one for known clinical variants.
    ManePlusClinical,
    /// Not tagged, but it is the transcript whose numbering the knowledge uses.
    Knowledge,
    /// Tagged as Ensembl canonical.
    EnsemblCanonical,
    /// Tagged as an APPRIS principal isoform.
    Appris,
    /// Longest coding sequence, then longest transcript, then smallest id.
    Longest,
}

impl Choice {
    /// For people.
    pub fn reason(self) -> &'static str {
        match self {
            Choice::ManeSelect => "MANE Select",
            Choice::ManePlusClinical => "MANE Plus Clinical",
            Choice::Knowledge => "numbering used by the knowledge",
            Choice::EnsemblCanonical => "Ensembl canonical",
            Choice::Appris => "APPRIS principal",
            Choice::Longest => "longest coding sequence",
        }
    }
}

/// A place in a transcript as HGVS counts: an exonic base, or one so many bases away from it in an intron.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// Offset of the exonic base in the transcript, from 0.
    pub exonic: u32,
    /// 0 in the exon; in an intron, how far downstream (positive) or upstream (negative).
    pub intron: i32,
}

/// A transcript with its sequence on one reference.
#[derive(Clone, Debug)]
pub struct Transcript {
    /// What the gene model says.
    pub model: Model,
    /// Exons in the order in which they are read (spans are genomic).
    pub exons: Vec<Span>,
    /// First base of each exon in the transcript, and the transcript's length at the end.
    starts: Vec<u32>,
    /// Coding part within the transcript; `None` for non-coding RNA.
    pub cds: Option<Span>,
    /// Bases as read; N where the reference has none.
    pub bases: Vec<u8>,
    /// The genetic code.
    pub code: Code,
    /// Amino acids of the coding part, one-letter codes, the stop included.
    pub protein: Vec<u8>,
    /// Why no protein change may be derived from this model on this reference; `None` if all is well.
    pub fault: Option<String>,
}

impl Transcript {
    /// Lays a model on the reference and checks that it makes sense there.
    pub fn new(model: Model, reference: &Reference) -> Transcript {
        let reverse = model.strand.is_reverse();
        let mut exons = model.exons.clone();
        if reverse {
            exons.reverse();
        }
        let mut starts = vec![0];
        let mut bases = Vec::new();
        for &exon in &exons {
            let b = reference.bases(model.contig, exon);
            bases.extend(if reverse { reverse_complement(&b) } else { b });
            starts.push(bases.len() as u32);
        }
        let name = &reference.contig(model.contig).name;
        let code = if matches!(name.trim_start_matches("chr"), "M" | "MT" | "NC_012920.1") {
            Code::Mitochondrial
        } else {
            Code::Standard
        };
        let mut t = Transcript {
            model,
            exons,
            starts,
            cds: None,
            bases,
            code,
            protein: Vec::new(),
            fault: None,
        };
        t.lay_coding_part();
        t
    }

    fn lay_coding_part(&mut self) {
        let (Some(first), Some(last)) = (self.model.coding.first(), self.model.coding.last())
        else {
            return;
        };
        let (a, b) = if self.model.strand.is_reverse() {
            (last.end - 1, first.start)
        } else {
            (first.start, last.end - 1)
        };
        let (Some(a), Some(b)) = (self.exonic_offset(a), self.exonic_offset(b)) else {
            self.fault = Some("its coding part does not lie in its exons".into());
            return;
        };
        let stated: u32 = self.model.coding.iter().map(|s| s.len()).sum();
        if b + 1 - a != stated {
            self.fault = Some("its coding part does not follow its exons".into());
            return;
        }
        let mut end = b + 1;
        self.protein = codon::translate(&self.bases[a as usize..end as usize], self.code);
        // GTF leaves the stop codon out of CDS; some files have no stop_codon lines either.
        if self
            .protein
            .last()
            .is_some_and(|&aa| aa != STOP && aa != UNKNOWN)
            && let Some(next) = self.bases.get(end as usize..end as usize + 3)
            && codon::translate_codon(next, self.code) == STOP
        {
            end += 3;
            self.protein.push(STOP);
        }
        self.cds = Some(Span::new(a, end));
        self.fault = self.coding_fault();
    }

    fn coding_fault(&self) -> Option<String> {
        let length = self.cds?.len();
        if self.model.open_start {
            return Some("the gene model does not know where its coding sequence starts".into());
        }
        // A mitochondrial stop may be completed by polyadenylation.
        if self.code == Code::Standard && !length.is_multiple_of(3) {
            return Some(format!(
                "its coding sequence of {length} bases is no whole number of codons"
            ));
        }
        let protein = &self.protein;
        if self.code == Code::Standard
            && protein.first().is_some_and(|&a| a != b'M' && a != UNKNOWN)
        {
            return Some("its coding sequence does not start with ATG on this reference".into());
        }
        protein[..protein.len().saturating_sub(1)]
            .iter()
            .position(|&a| a == STOP)
            .map(|i| format!("codon {} is a stop on this reference", i + 1))
    }

    /// Genomic stretch from its first base to its last.
    pub fn span(&self) -> Span {
        Span::new(
            self.model.exons[0].start,
            self.model.exons[self.model.exons.len() - 1].end,
        )
    }

    /// Where a genomic position lies in the exons, counted along the transcript from 0.
    pub fn exonic_offset(&self, pos: u32) -> Option<u32> {
        self.exons
            .iter()
            .zip(&self.starts)
            .find(|(e, _)| e.start <= pos && pos < e.end)
            .map(|(e, start)| start + self.within_exon(*e, pos))
    }

    fn within_exon(&self, exon: Span, pos: u32) -> u32 {
        if self.model.strand.is_reverse() {
            exon.end - 1 - pos
        } else {
            pos - exon.start
        }
    }

    /// The genomic position of an exonic offset.
    pub fn genomic(&self, exonic: u32) -> Option<u32> {
        let i = self
            .starts
            .partition_point(|&s| s <= exonic)
            .checked_sub(1)?;
        let exon = self.exons.get(i)?;
        let into = exonic - self.starts[i];
        Some(if self.model.strand.is_reverse() {
            exon.end - 1 - into
        } else {
            exon.start + into
        })
    }

    /// The genomic position of a base of the coding sequence, counted from 0.
    pub fn genomic_of_cds(&self, offset: u32) -> Option<u32> {
        let cds = self.cds?;
        (offset < cds.len()).then(|| self.genomic(cds.start + offset))?
    }

    /// The three genomic positions of a codon (counted from 1), ascending.
    pub fn codon_positions(&self, codon: u32) -> Option<[u32; 3]> {
        let first = codon.checked_sub(1)? * 3;
        let mut p = [0; 3];
        for (i, p) in p.iter_mut().enumerate() {
            *p = self.genomic_of_cds(first + i as u32)?;
        }
        p.sort_unstable();
        Some(p)
    }

    /// The amino acid of a codon counted from 1; `None` beyond the protein.
    pub fn residue(&self, codon: u32) -> Option<u8> {
        self.protein.get((codon as usize).checked_sub(1)?).copied()
    }

    /// First base of an exon (rank from 0, as read), counted along the transcript.
    pub fn exonic_start(&self, rank: usize) -> u32 {
        self.starts[rank]
    }

    /// Rank (from 0, as read) of the exon that holds an exonic offset.
    pub fn exon_of(&self, exonic: u32) -> usize {
        self.starts.partition_point(|&s| s <= exonic) - 1
    }

    /// How HGVS counts a genomic position: the nearest exonic base (upstream one on a tie) and the
    /// distance; `None` outside the transcript.
    pub fn place(&self, pos: u32) -> Option<Place> {
        if let Some(exonic) = self.exonic_offset(pos) {
            return Some(Place { exonic, intron: 0 });
        }
        let reverse = self.model.strand.is_reverse();
        let i = self.exons.windows(2).position(|w| {
            let (left, right) = if reverse { (w[1], w[0]) } else { (w[0], w[1]) };
            left.end <= pos && pos < right.start
        })?;
        let (from_upstream, from_downstream) = if reverse {
            (self.exons[i].start - pos, pos + 1 - self.exons[i + 1].end)
        } else {
            (pos + 1 - self.exons[i].end, self.exons[i + 1].start - pos)
        };
        Some(if from_upstream <= from_downstream {
            Place {
                exonic: self.starts[i + 1] - 1,
                intron: from_upstream as i32,
            }
        } else {
            Place {
                exonic: self.starts[i + 1],
                intron: -(from_downstream as i32),
            }
        })
    }

    /// A place in HGVS's words, without the `c.` or `n.` in front: `123`, `123+4`, `-17`, `*5`.
    pub fn spell(&self, place: Place) -> String {
        let base = match self.cds {
            None => (place.exonic + 1).to_string(),
            Some(c) if place.exonic < c.start => format!("-{}", c.start - place.exonic),
            Some(c) if place.exonic >= c.end => format!("*{}", place.exonic - c.end + 1),
            Some(c) => (place.exonic - c.start + 1).to_string(),
        };
        match place.intron {
            0 => base,
            n => format!("{base}{n:+}"),
        }
    }

    /// Known codons and all codons of the coding part.
    pub fn known_codons(&self) -> (usize, usize) {
        let known = self.protein.iter().filter(|&&a| a != UNKNOWN).count();
        (known, self.protein.len())
    }
}

impl fmt::Display for Transcript {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.model.gene, self.model.id)
    }
}
