//! Variants in the Mutation Annotation Format (GDC, version 2.4): one row each, with the columns that
//! `cBioPortal` and the `OncoKB` annotator ask for.

use super::annotated::{Allele, Annotated, Shown};
use super::annotation::Annotation;
use super::consequence::Consequence;
use super::edit::{Edit, hgvs_g};
use super::table::number;
use crate::domain::{ContigId, Span, Variant};
use crate::format::calls::Call;
use crate::genome::assembly::bare_name;
use crate::genome::{Assembly, Reference};
use crate::{Error, Result};
use std::collections::BTreeMap;

/// One row, before it is spelled.
#[derive(Clone, Debug)]
pub struct Row<'a> {
    /// Contig, without `chr`.
    pub chromosome: String,
    /// The change in MAF's coordinates.
    pub place: Place,
    /// The sample's name.
    pub sample: &'a str,
    /// Its normal's name; empty if there is none.
    pub normal: &'a str,
    /// As the sample has it.
    pub call: &'a Call,
    /// As the normal has it.
    pub normal_call: Option<&'a Call>,
    /// What it means.
    pub annotation: &'a Annotation,
    /// In the contig's coordinates.
    pub hgvs_g: String,
    /// `Somatic`, `Germline`, or empty if nobody said.
    pub status: &'static str,
    /// dbSNP's identifier, if the VCF has one.
    pub dbsnp: &'a str,
}

/// Where a change is in MAF: bases from `start` to `end`, counted from 1, both included. An insertion
/// has the bases on both sides, and `-` for what it replaces; a deletion has `-` for what is left.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// First base.
    pub start: u64,
    /// Last base.
    pub end: u64,
    /// `SNP`, `DNP`, `TNP`, `ONP`, `INS`, `DEL`.
    pub kind: &'static str,
    /// What the reference has.
    pub reference: String,
    /// What stands there instead.
    pub alternate: String,
}

impl Place {
    /// A variant's place.
    pub fn of(v: &Variant, reference: &Reference) -> Place {
        let edit = Edit::of(v);
        let replaced = reference.bases(v.contig, Span::new(edit.start, edit.end));
        let (lost, gained) = (replaced.len(), edit.alternate.len());
        let text = |b: &[u8]| match b {
            [] => "-".to_string(),
            b => String::from_utf8_lossy(b).into_owned(),
        };
        let kind = match (lost, gained) {
            (1, 1) => "SNP",
            (2, 2) => "DNP",
            (3, 3) => "TNP",
            (a, b) if a == b => "ONP",
            (a, b) if a < b => "INS",
            _ => "DEL",
        };
        let (start, end) = match lost {
            0 => (u64::from(edit.start), u64::from(edit.start) + 1),
            _ => (u64::from(edit.start) + 1, u64::from(edit.end)),
        };
        Place {
            start,
            end,
            kind,
            reference: text(&replaced),
            alternate: text(&edit.alternate),
        }
    }

    /// Bases gained or lost are no multiple of three.
    fn shifts_frame(&self) -> bool {
        let bases = |s: &str| if s == "-" { 0 } else { s.len() };
        !bases(&self.reference)
            .abs_diff(bases(&self.alternate))
            .is_multiple_of(3)
    }
}

/// `Variant_Classification`, as `cBioPortal` takes it.
pub fn classification(a: &Annotation, place: &Place) -> &'static str {
    use Consequence as C;
    let inserted = place.kind == "INS";
    let indel = inserted || place.kind == "DEL";
    match a.consequences[0] {
        C::SpliceAcceptor | C::SpliceDonor | C::TranscriptAblation => "Splice_Site",
        C::StopGained => "Nonsense_Mutation",
        C::StopLost => "Nonstop_Mutation",
        C::StartLost => "Translation_Start_Site",
        C::Frameshift
        | C::InframeInsertion
        | C::InframeDeletion
        | C::ProteinAltering
        | C::CodingSequence
            if indel =>
        {
            match (place.shifts_frame(), inserted) {
                (true, true) => "Frame_Shift_Ins",
                (true, false) => "Frame_Shift_Del",
                (false, true) => "In_Frame_Ins",
                (false, false) => "In_Frame_Del",
            }
        }
        // Without an indel the other terms are those of two records, read together.
        C::Missense
        | C::Frameshift
        | C::InframeInsertion
        | C::InframeDeletion
        | C::ProteinAltering
        | C::CodingSequence => "Missense_Mutation",
        C::SpliceDonorFifthBase
        | C::SpliceRegion
        | C::SpliceDonorRegion
        | C::SplicePolypyrimidineTract => "Splice_Region",
        C::StopRetained | C::Synonymous => "Silent",
        C::FivePrimeUtr => "5'UTR",
        C::ThreePrimeUtr => "3'UTR",
        C::NonCodingExon => "RNA",
        C::Intron => "Intron",
        C::Intergenic => "IGR",
    }
}

/// A column: its name, and what stands in it.
type Column = (&'static str, fn(&Row, Assembly) -> String);

/// The specification's 34 columns, in its order, then those that tools ask for.
#[rustfmt::skip] // a line a column
const COLUMNS: [Column; 60] = [
    ("Hugo_Symbol", |r, _| if r.annotation.gene.is_empty() { "Unknown".into() } else { r.annotation.gene.clone() }),
    ("Entrez_Gene_Id", nothing),
    ("Center", nothing),
    ("NCBI_Build", |_, assembly| assembly.to_string()),
    ("Chromosome", |r, _| r.chromosome.clone()),
    ("Start_Position", |r, _| r.place.start.to_string()),
    ("End_Position", |r, _| r.place.end.to_string()),
    ("Strand", |_, _| "+".into()),
    ("Variant_Classification", |r, _| classification(r.annotation, &r.place).into()),
    ("Variant_Type", |r, _| r.place.kind.into()),
    ("Reference_Allele", |r, _| r.place.reference.clone()),
    ("Tumor_Seq_Allele1", |r, _| other_allele(r.call, &r.place)),
    ("Tumor_Seq_Allele2", |r, _| r.place.alternate.clone()),
    ("dbSNP_RS", |r, _| r.dbsnp.into()),
    ("dbSNP_Val_Status", nothing),
    ("Tumor_Sample_Barcode", |r, _| r.sample.into()),
    ("Matched_Norm_Sample_Barcode", |r, _| r.normal.into()),
    ("Match_Norm_Seq_Allele1", |r, _| normal_allele(r, 0)),
    ("Match_Norm_Seq_Allele2", |r, _| normal_allele(r, 1)),
    ("Tumor_Validation_Allele1", nothing),
    ("Tumor_Validation_Allele2", nothing),
    ("Match_Norm_Validation_Allele1", nothing),
    ("Match_Norm_Validation_Allele2", nothing),
    ("Verification_Status", nothing),
    ("Validation_Status", nothing),
    ("Mutation_Status", |r, _| r.status.into()),
    ("Sequencing_Phase", nothing),
    ("Sequence_Source", nothing),
    ("Validation_Method", nothing),
    ("Score", nothing),
    ("BAM_File", nothing),
    ("Sequencer", nothing),
    ("Tumor_Sample_UUID", nothing),
    ("Matched_Norm_Sample_UUID", nothing),
    ("HGVSc", |r, _| r.annotation.hgvs_c.clone()),
    ("HGVSp", |r, _| r.annotation.hgvs_p.clone()),
    ("HGVSp_Short", |r, _| r.annotation.hgvs_p_short.clone()),
    ("Transcript_ID", |r, _| r.annotation.transcript.clone()),
    ("Exon_Number", |r, _| r.annotation.exon.clone()),
    ("t_depth", |r, _| number(r.call.depth)),
    ("t_ref_count", |r, _| number(r.call.reference_support)),
    ("t_alt_count", |r, _| number(r.call.support)),
    ("n_depth", |r, _| number(r.normal_call.and_then(|c| c.depth))),
    ("n_ref_count", |r, _| number(r.normal_call.and_then(|c| c.reference_support))),
    ("n_alt_count", |r, _| number(r.normal_call.and_then(|c| c.support))),
    ("Gene", |r, _| r.annotation.gene_id.clone()),
    ("RefSeq", |r, _| r.annotation.refseq.clone()),
    ("ENSP", |r, _| r.annotation.protein_id.clone()),
    ("Consequence", |r, _| r.annotation.terms()),
    ("IMPACT", |r, _| r.annotation.impact().into()),
    ("cDNA_position", |r, _| r.annotation.cdna_position.clone()),
    ("CDS_position", |r, _| r.annotation.cds_position.clone()),
    ("Protein_position", |r, _| r.annotation.protein_position.clone()),
    ("Amino_acids", |r, _| r.annotation.amino_acids.clone()),
    ("Codons", |r, _| r.annotation.codons.clone()),
    ("TRANSCRIPT_STRAND", |r, _| if r.annotation.strand == 0 { String::new() } else { r.annotation.strand.to_string() }),
    ("HGVSg", |r, _| r.hgvs_g.clone()),
    ("FILTER", |r, _| if r.call.filters.is_empty() { "PASS".into() } else { r.call.filters.join(";") }),
    ("t_vaf", |r, _| number(r.call.fraction)),
    ("Haplotype", |r, _| r.annotation.haplotype.join(" ")),
];

fn nothing(_: &Row, _: Assembly) -> String {
    String::new()
}

/// The allele of the other copy: the reference's, but for a genotype that has only this one.
fn other_allele(call: &Call, place: &Place) -> String {
    let copies = call.genotype.split(['/', '|']).count() as u32;
    if copies > 1 && call.copies == Some(copies) {
        place.alternate.clone()
    } else {
        place.reference.clone()
    }
}

/// The normal's alleles, where it was genotyped.
fn normal_allele(row: &Row, rank: u32) -> String {
    match row.normal_call.and_then(|c| c.copies) {
        None => String::new(),
        Some(copies) if copies > 1 - rank => row.place.alternate.clone(),
        Some(_) => row.place.reference.clone(),
    }
}

/// The assembly that `NCBI_Build` names.
///
/// # Errors
/// When the contigs' lengths are of no assembly that is known.
pub fn assembly_of(reference: &Reference) -> Result<Assembly> {
    reference.assembly().ok_or_else(|| {
        Error::usage(
            "a MAF names the genome's assembly, and the lengths of the reference's contigs are \
             neither all GRCh37's nor all GRCh38's",
            "Write VCF or TSV instead, or use an index of one of the two.",
        )
    })
}

/// The file: version, column names, rows.
pub fn text<'a>(rows: impl IntoIterator<Item = Row<'a>>, assembly: Assembly) -> String {
    let mut out = String::from("#version 2.4\n");
    out.push_str(&COLUMNS.map(|c| c.0).join("\t"));
    out.push('\n');
    for row in rows {
        out.push_str(&COLUMNS.map(|c| (c.1)(&row, assembly)).join("\t"));
        out.push('\n');
    }
    out
}

/// The rows of an annotated VCF: alleles that passed and that the sample has; those that stand in one
/// codon of one haplotype are one row.
pub fn rows<'a>(annotated: &'a Annotated, reference: &Reference) -> Vec<Row<'a>> {
    let status = match annotated.mode.as_deref() {
        Some("somatic") => "Somatic",
        Some("germline") => "Germline",
        _ => "",
    };
    let mut names: BTreeMap<ContigId, String> = BTreeMap::new();
    let shown = |a: &&Allele| a.passed() && a.shown != Shown::Elsewhere;
    annotated
        .alleles
        .iter()
        .filter(shown)
        .map(|allele| {
            // All together have the support of the least.
            let least = match &allele.shown {
                Shown::Together { members, .. } => members
                    .iter()
                    .map(|&m| &annotated.alleles[m])
                    .min_by_key(|m| m.call.support)
                    .unwrap_or(allele),
                _ => allele,
            };
            let v = allele.variant();
            let id = annotated.records[allele.record].column(2);
            Row {
                chromosome: names
                    .entry(v.contig)
                    .or_insert_with(|| bare_name(&reference.contig(v.contig).name))
                    .clone(),
                place: Place::of(v, reference),
                sample: &annotated.sample,
                normal: &annotated.normal,
                call: &least.call,
                normal_call: least.normal.as_ref(),
                annotation: &allele.annotations[0],
                hgvs_g: hgvs_g(v, reference),
                status,
                dbsnp: if id.starts_with("rs") { id } else { "" },
            }
        })
        .collect()
}
