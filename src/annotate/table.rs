//! Annotated variants as a table: a row for each allele and each transcript it was looked at from.

use super::annotated::Annotated;
use super::annotation::Annotation;
use std::fmt::Write;

/// A column: its name, and what stands in it.
type Column = (&'static str, fn(&Annotation) -> String);

/// What the annotation says.
const COLUMNS: [Column; 22] = [
    ("Gene", |a| a.gene.clone()),
    ("Gene_ID", |a| a.gene_id.clone()),
    ("Transcript", |a| a.transcript.clone()),
    ("RefSeq", |a| a.refseq.clone()),
    ("Chosen_by", |a| a.choice.map_or("", |c| c.reason()).into()),
    ("Consequence", Annotation::terms),
    ("Impact", |a| a.impact().into()),
    ("HGVSc", |a| a.hgvs_c.clone()),
    ("HGVSp", |a| a.hgvs_p.clone()),
    ("HGVSp_Short", |a| a.hgvs_p_short.clone()),
    ("Exon", |a| a.exon.clone()),
    ("Intron", |a| a.intron.clone()),
    ("cDNA_position", |a| a.cdna_position.clone()),
    ("CDS_position", |a| a.cds_position.clone()),
    ("Protein_position", |a| a.protein_position.clone()),
    ("Amino_acids", |a| a.amino_acids.clone()),
    ("Codons", |a| a.codons.clone()),
    ("NMD", |a| {
        a.nmd.map_or("", |n| if n { "yes" } else { "no" }).into()
    }),
    ("Protein", |a| a.protein_id.clone()),
    ("Biotype", |a| a.biotype.clone()),
    ("Unknown_because", |a| a.unknown.clone()),
    ("Haplotype", |a| a.haplotype.join(" ")),
];

/// A number that may be missing, as tables have it.
pub fn number<T: ToString>(n: Option<T>) -> String {
    n.map_or(String::new(), |n| n.to_string())
}

/// The table, its column names first. Alleles that the sample does not have are left out.
pub fn tsv(annotated: &Annotated) -> String {
    let mut out = String::from(
        "Chromosome\tPosition\tReference\tAlternate\tFilter\tSample\tGenotype\tDepth\t\
         Reference_support\tAlternate_support\tFraction",
    );
    for (name, _) in COLUMNS {
        out.push('\t');
        out.push_str(name);
    }
    out.push_str("\tPicked\tHGVSg\tVRS\n");
    for allele in annotated.alleles.iter().filter(|a| a.is_present()) {
        let record = &annotated.records[allele.record];
        let call = &allele.call;
        let filters = if call.filters.is_empty() {
            "PASS".into()
        } else {
            call.filters.join(";")
        };
        for (i, a) in allele.annotations.iter().enumerate() {
            let _ = write!(
                out,
                "{}\t{}\t{}\t{}\t{filters}\t{}\t{}\t{}\t{}\t{}\t{}",
                record.column(0),
                record.pos.one_based(),
                record.column(3),
                record.alternates[allele.rank - 1].0,
                annotated.sample,
                call.genotype,
                number(call.depth),
                number(call.reference_support),
                number(call.support),
                number(call.fraction),
            );
            for (_, text) in COLUMNS {
                out.push('\t');
                out.push_str(&text(a));
            }
            let picked = if i == 0 { "yes" } else { "no" };
            let vrs = allele.vrs.as_deref().unwrap_or_default();
            let _ = writeln!(out, "\t{picked}\t{}\t{vrs}", allele.hgvs_g);
        }
    }
    out
}
