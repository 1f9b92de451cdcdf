//! Annotations in the INFO column of a VCF, laid out as Ensembl's VEP does (CSQ).

use super::annotated::{Allele, Annotated};
use super::annotation::Annotation;
use super::transcript::Choice;
use crate::domain::Span;
use crate::format::vcf::Line;
use crate::format::vcf_reader::Record;
use crate::{Error, Result};
use std::fmt::Write;

/// The fields of one entry. Names are VEP's where VEP has the field.
pub const FIELDS: [&str; 28] = [
    "Allele",
    "Consequence",
    "IMPACT",
    "SYMBOL",
    "Gene",
    "Feature_type",
    "Feature",
    "BIOTYPE",
    "EXON",
    "INTRON",
    "HGVSc",
    "HGVSp",
    "cDNA_position",
    "CDS_position",
    "Protein_position",
    "Amino_acids",
    "Codons",
    "ALLELE_NUM",
    "STRAND",
    "PICK",
    "MANE_SELECT",
    "MANE_PLUS_CLINICAL",
    "ENSP",
    "HGVSg",
    "NMD",
    "CHOICE",
    "HAPLOTYPE",
    "VRS",
];

/// The header down to the column names, with what these fields are and what they were made from.
pub fn header(annotated: &Annotated) -> String {
    let mut out = String::new();
    let ours = |l: &&String| {
        !l.starts_with("##INFO=<ID=CSQ,") && !l.starts_with("##theralign_annotation=")
    };
    for line in annotated.header.iter().filter(ours) {
        out.push_str(line);
        out.push('\n');
    }
    let genes = &annotated.genes;
    let _ = write!(
        out,
        "##theralign_annotation=<Version=\"theralign {}\",Genes=\"{}\",GenesSHA256={}>\n\
         ##INFO=<ID=CSQ,Number=.,Type=String,Description=\"Consequence annotations from theralign. Format: {}\">\n\
         #CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO",
        env!("CARGO_PKG_VERSION"),
        genes.name.replace(['"', '\\'], "_"),
        genes.sha256,
        FIELDS.join("|"),
    );
    if !annotated.samples.is_empty() {
        out.push_str("\tFORMAT");
    }
    for sample in &annotated.samples {
        out.push('\t');
        out.push_str(sample);
    }
    out.push('\n');
    out
}

/// The records' lines with CSQ in INFO; an older CSQ gives way.
pub fn lines(annotated: &Annotated) -> Vec<String> {
    let mut alleles = annotated.alleles.iter().peekable();
    let records = annotated.records.iter().enumerate();
    records
        .map(|(i, record)| {
            let mut entries = Vec::new();
            while let Some(allele) = alleles.next_if(|a| a.record == i) {
                let told = allele.annotations.iter().enumerate();
                entries.extend(told.map(|(n, a)| entry(record, allele, a, n == 0)));
            }
            with_info(record, &entries)
        })
        .collect()
}

/// Contigs as a file names them, with how far its records reach.
pub type Contigs = Vec<(String, u32)>;

/// The same with their places, for an indexed file.
///
/// # Errors
/// When the records are not sorted by place.
pub fn placed(annotated: &Annotated, file: &str) -> Result<(Contigs, Vec<Line>)> {
    let mut contigs: Contigs = Vec::new();
    let mut out = Vec::new();
    let mut last = 0;
    for (record, text) in annotated.records.iter().zip(lines(annotated)) {
        let name = record.column(0);
        let span = covered(record);
        let known = contigs.iter().position(|c| c.0 == name);
        let sorted = match known {
            None => {
                contigs.push((name.to_string(), 0));
                true
            }
            Some(i) => i + 1 == contigs.len() && span.start >= last,
        };
        if !sorted {
            return Err(Error::input(
                file,
                format!("line {}", record.line),
                "the records are not sorted by place, so they can have no index",
                "Sort them first (bcftools sort), or write to a name that ends in .vcf.",
            ));
        }
        last = span.start;
        let contig = contigs.len() - 1;
        contigs[contig].1 = contigs[contig].1.max(span.end);
        out.push(Line {
            contig,
            start: span.start,
            end: span.end,
            text,
        });
    }
    Ok((contigs, out))
}

/// The bases that a record speaks of: REF's, or up to END.
fn covered(record: &Record) -> Span {
    let start = record.pos.0;
    let end = record
        .column(7)
        .split(';')
        .find_map(|f| f.strip_prefix("END=")?.parse::<u32>().ok())
        .unwrap_or(0);
    Span::new(start, end.max(start + record.reference.len() as u32))
}

fn with_info(record: &Record, entries: &[String]) -> String {
    let mut info: Vec<&str> = record.column(7).split(';').collect();
    info.retain(|f| !f.is_empty() && *f != "." && !f.starts_with("CSQ="));
    let csq = format!("CSQ={}", entries.join(","));
    if !entries.is_empty() {
        info.push(&csq);
    }
    let info = if info.is_empty() {
        ".".to_string()
    } else {
        info.join(";")
    };
    let columns = record.text.split('\t').enumerate();
    let columns: Vec<&str> = columns
        .map(|(i, c)| if i == 7 { info.as_str() } else { c })
        .collect();
    columns.join("\t")
}

fn entry(record: &Record, allele: &Allele, a: &Annotation, picked: bool) -> String {
    let flag = |yes: bool| if yes { "1" } else { "" }.to_string();
    let mane = |choice: Choice| {
        // VEP gives the partner in RefSeq; without one the transcript itself.
        let of_refseq = if a.refseq.is_empty() {
            &a.transcript
        } else {
            &a.refseq
        };
        if a.choice == Some(choice) {
            of_refseq.clone()
        } else {
            String::new()
        }
    };
    let fields: [String; FIELDS.len()] = [
        vep_allele(record, allele.rank),
        a.terms(),
        a.impact().into(),
        a.gene.clone(),
        a.gene_id.clone(),
        if a.transcript.is_empty() {
            ""
        } else {
            "Transcript"
        }
        .into(),
        a.transcript.clone(),
        a.biotype.clone(),
        a.exon.clone(),
        a.intron.clone(),
        a.full_hgvs_c(),
        a.full_hgvs_p(),
        a.cdna_position.clone(),
        a.cds_position.clone(),
        a.protein_position.clone(),
        a.amino_acids.clone(),
        a.codons.clone(),
        allele.rank.to_string(),
        if a.strand == 0 {
            String::new()
        } else {
            a.strand.to_string()
        },
        flag(picked),
        mane(Choice::ManeSelect),
        mane(Choice::ManePlusClinical),
        a.protein_id.clone(),
        allele.hgvs_g.clone(),
        a.nmd
            .map_or(String::new(), |n| if n { "yes" } else { "no" }.into()),
        a.choice.map_or(String::new(), |c| c.reason().into()),
        a.haplotype.join("&"),
        allele.vrs.clone().unwrap_or_default(),
    ];
    fields.map(|f| escaped(&f)).join("|")
}

/// VCF 4.4 §1.2: characters with a meaning of their own are written as %XX. `&` parts what a field
/// lists.
fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '%' | ';' | '=' | ',' | '|' => {
                let _ = write!(out, "%{:02X}", c as u32);
            }
            ' ' => out.push('_'),
            c => out.push(c),
        }
    }
    out
}

/// How VEP names an allele: where one of a record's alleles is longer than another, without the base
/// that all begin with, `-` for nothing.
fn vep_allele(record: &Record, rank: usize) -> String {
    let alternate = &record.alternates[rank - 1].0;
    let reference = record.column(3);
    let known = || record.alternates.iter().filter(|a| a.1.is_some());
    let lengths_differ = known().any(|a| a.0.len() != reference.len());
    let first = &reference[..1];
    if !lengths_differ || !known().all(|a| a.0.starts_with(first)) {
        return alternate.clone();
    }
    match &alternate[1..] {
        "" => "-".into(),
        rest => rest.into(),
    }
}
