//! A variant seen from one transcript, in the words that tables and VCFs use.

use super::codon;
use super::consequence::Consequence;
use super::effect::{CodingEdit, Effect};
use super::protein::ProteinChange;
use super::transcript::{Choice, Transcript};

/// What tables say of a variant. Texts are empty where there is nothing to say.
#[derive(Clone, Debug, Default)]
pub struct Annotation {
    /// Terms, most severe first; never empty.
    pub consequences: Vec<Consequence>,
    /// Gene symbol.
    pub gene: String,
    /// The gene's id.
    pub gene_id: String,
    /// Transcript id.
    pub transcript: String,
    /// The same transcript in RefSeq.
    pub refseq: String,
    /// The protein's accession.
    pub protein_id: String,
    /// Kind of transcript.
    pub biotype: String,
    /// `21/28`.
    pub exon: String,
    /// `20/27`.
    pub intron: String,
    /// `c.2573T>G`.
    pub hgvs_c: String,
    /// `p.Leu858Arg`.
    pub hgvs_p: String,
    /// `p.L858R`; `p.X1010_splice` at a splice site, as `cBioPortal` and `OncoKB` name it.
    pub hgvs_p_short: String,
    /// In the transcript: `2834`, `100-102`.
    pub cdna_position: String,
    /// In the coding sequence.
    pub cds_position: String,
    /// In the protein.
    pub protein_position: String,
    /// `L/R`.
    pub amino_acids: String,
    /// `cTg/cGg`.
    pub codons: String,
    /// 1 or -1; 0 between genes.
    pub strand: i8,
    /// This transcript stands for its gene.
    pub stands_for_gene: bool,
    /// Why it does, or would before others.
    pub choice: Option<Choice>,
    /// The RNA is expected to be degraded; `None` if there is no premature stop or that is not known.
    pub nmd: Option<bool>,
    /// Why the protein change is not known, if so.
    pub unknown: String,
    /// The places of the variants of one haplotype that were read together, `7:140453136A>T` each.
    pub haplotype: Vec<String>,
}

impl Annotation {
    /// Puts an effect into words; `stands_for_gene`: this transcript was chosen for its gene.
    pub fn of(e: &Effect, t: &Transcript, stands_for_gene: bool) -> Annotation {
        let part = |p: Option<(u32, u32)>| p.map_or(String::new(), |(i, n)| format!("{i}/{n}"));
        let (amino_acids, codons) = e
            .coding
            .as_ref()
            .map_or_else(Default::default, |c| (amino_acids(c, t), codons(c, t)));
        let unknown = match &e.protein {
            Some(ProteinChange::Unknown { reason }) => reason.clone(),
            _ => String::new(),
        };
        let protein = e.protein.as_ref();
        Annotation {
            consequences: e.consequences.clone(),
            gene: t.model.gene.clone(),
            gene_id: t.model.gene_id.clone(),
            transcript: t.model.id.clone(),
            refseq: t.model.refseq.clone(),
            protein_id: t.model.protein_id.clone(),
            biotype: t.model.biotype.clone(),
            exon: part(e.exon),
            intron: part(e.intron),
            hgvs_c: e.hgvs_c.clone(),
            hgvs_p: match protein {
                Some(p) => p.hgvs(),
                // HGVS: what a change of a splice site does is not known before the RNA was looked at.
                None if t.cds.is_some() && at_splice_site(e) => "p.?".into(),
                None => String::new(),
            },
            hgvs_p_short: short(e),
            cdna_position: e.exonic.map_or(String::new(), |(a, b)| range(a, b)),
            cds_position: (e.coding.as_ref()).map_or(String::new(), |c| range(c.start, c.end)),
            protein_position: (e.coding.as_ref()).map_or(String::new(), protein_position),
            amino_acids,
            codons,
            strand: if t.model.strand.is_reverse() { -1 } else { 1 },
            stands_for_gene,
            choice: Some(t.model.choice),
            nmd: e.nmd,
            unknown,
            haplotype: Vec::new(),
        }
    }

    /// A variant that no transcript covers.
    pub fn intergenic() -> Annotation {
        Annotation {
            consequences: vec![Consequence::Intergenic],
            ..Annotation::default()
        }
    }

    /// The terms joined by `&`, as in CSQ.
    pub fn terms(&self) -> String {
        let terms: Vec<&str> = self.consequences.iter().map(|c| c.term()).collect();
        terms.join("&")
    }

    /// The rating of the most severe term.
    pub fn impact(&self) -> &'static str {
        self.consequences[0].impact()
    }

    /// `NM_005228.5:c.2573T>G`; empty where there is no transcript.
    pub fn full_hgvs_c(&self) -> String {
        // A deletion that leaves the transcript is named in the contig's coordinates.
        if self.transcript.is_empty() || !self.hgvs_c.starts_with(['c', 'n']) {
            return self.hgvs_c.clone();
        }
        format!("{}:{}", self.transcript, self.hgvs_c)
    }

    /// `NP_005219.2:p.Leu858Arg`; without accession where the gene model names no protein.
    pub fn full_hgvs_p(&self) -> String {
        if self.protein_id.is_empty() || self.hgvs_p.is_empty() {
            return self.hgvs_p.clone();
        }
        format!("{}:{}", self.protein_id, self.hgvs_p)
    }
}

/// Bases `start..end` counted from 1; an insertion, by the bases on both sides.
fn range(start: u32, end: u32) -> String {
    match end - start {
        0 => format!("{start}-{end}", end = end + 1),
        1 => (start + 1).to_string(),
        _ => format!("{}-{end}", start + 1),
    }
}

/// An insertion between two codons changes neither.
fn between_codons(c: &CodingEdit) -> bool {
    c.start == c.end && c.start.is_multiple_of(3)
}

fn protein_position(c: &CodingEdit) -> String {
    let (first, last) = c.codons();
    if between_codons(c) {
        range(first, first)
    } else {
        range(first, last + 1)
    }
}

/// The codons touched, before and after, with the bases that change in upper case.
fn codons(c: &CodingEdit, t: &Transcript) -> String {
    let changed = String::from_utf8_lossy(&c.alternate).into_owned();
    if between_codons(c) {
        return format!("-/{changed}");
    }
    let (before, within, after) = touched(c, t);
    let lower = |b: &[u8]| String::from_utf8_lossy(b).to_ascii_lowercase();
    let (before, after) = (lower(before), lower(after));
    let within = String::from_utf8_lossy(within);
    let spelled = |middle: &str| match format!("{before}{middle}{after}") {
        empty if empty.is_empty() => "-".to_string(),
        codons => codons,
    };
    format!("{}/{}", spelled(&within), spelled(&changed))
}

/// The residues touched, before and after; one if they are the same. A codon that is cut short is X.
fn amino_acids(c: &CodingEdit, t: &Transcript) -> String {
    let spelled = |bases: &[u8]| {
        let mut protein = codon::translate(bases, t.code);
        if !bases.len().is_multiple_of(3) {
            protein.push(codon::UNKNOWN);
        }
        match String::from_utf8_lossy(&protein).into_owned() {
            empty if empty.is_empty() => "-".to_string(),
            residues => residues,
        }
    };
    if between_codons(c) {
        return format!("-/{}", spelled(&c.alternate));
    }
    let (before, within, after) = touched(c, t);
    let old = spelled(&[before, within, after].concat());
    let new = spelled(&[before, &c.alternate, after].concat());
    if old == new {
        old
    } else {
        format!("{old}/{new}")
    }
}

/// The codons touched: what stays, what is replaced, what stays.
fn touched<'a>(c: &CodingEdit, t: &'a Transcript) -> (&'a [u8], &'a [u8], &'a [u8]) {
    let coding = &t.bases[t.cds.map_or(0, |s| s.start as usize)..];
    let (first, last) = c.codons();
    let end = (3 * (last as usize + 1)).min(coding.len());
    let (start, stop) = (c.start as usize, (c.end as usize).min(end));
    (
        &coding[3 * first as usize..start],
        &coding[start..stop],
        &coding[stop..end],
    )
}

fn at_splice_site(e: &Effect) -> bool {
    let of_site =
        |c: &Consequence| matches!(c, Consequence::SpliceAcceptor | Consequence::SpliceDonor);
    e.consequences.iter().any(of_site)
}

fn short(e: &Effect) -> String {
    if let Some(p) = e
        .protein
        .as_ref()
        .filter(|p| !matches!(p, ProteinChange::Unknown { .. }))
    {
        return format!("p.{}", p.short());
    }
    // The codon of the coding base that c. counts from.
    let base = e.hgvs_c.strip_prefix("c.").map(|c| {
        let digits = c.find(|b: char| !b.is_ascii_digit()).unwrap_or(c.len());
        c[..digits].parse::<u32>()
    });
    match base {
        Some(Ok(base)) if at_splice_site(e) => format!("p.X{}_splice", base.div_ceil(3)),
        _ if e.protein.is_some() => "p.?".into(),
        _ => String::new(),
    }
}
