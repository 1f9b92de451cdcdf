//! A VCF of any caller, read whole, with what each of its alleles means for the genes it touches.

use super::annotation::Annotation;
use super::edit::hgvs_g;
use super::effect::{Effect, effect};
use super::gene_model::{GeneModel, Keep, overlapping};
use super::haplotype::{self, Joint};
use super::knowledge::Knowledge;
use super::transcript::Transcript;
use super::vrs;
use crate::Result;
use crate::domain::{ContigId, Span, Variant};
use crate::format::calls::{self, Call};
use crate::format::vcf_reader::{Record, VcfReader};
use crate::genome::Reference;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

/// What to annotate, and how.
#[derive(Clone, Debug)]
pub struct Options<'a> {
    /// The VCF.
    pub calls: &'a Path,
    /// Gene model, GFF3 or GTF.
    pub genes: &'a Path,
    /// Sample of the VCF; `None`: the one that the header calls the tumor, or the only one.
    pub sample: Option<&'a str>,
    /// The sample's normal; `None`: the one that the header calls so, if any.
    pub normal: Option<&'a str>,
    /// Which transcripts to look at beside the one that stands for its gene.
    pub keep: Keep,
}

/// An annotated VCF.
#[derive(Debug)]
pub struct Annotated {
    /// The header's lines, without the one of column names.
    pub header: Vec<String>,
    /// All samples.
    pub samples: Vec<String>,
    /// The sample at hand; empty for a list of variants without samples.
    pub sample: String,
    /// Its normal; empty if there is none.
    pub normal: String,
    /// `somatic` or `germline` if the header says so.
    pub mode: Option<String>,
    /// The records as they stand in the file.
    pub records: Vec<Record>,
    /// The alleles that are sequences, record by record.
    pub alleles: Vec<Allele>,
    /// The gene model that was used.
    pub genes: GeneModel,
}

/// One allele and what it means.
#[derive(Debug)]
pub struct Allele {
    /// Rank of its record.
    pub record: usize,
    /// Its rank among the record's alleles; REF is 0.
    pub rank: usize,
    /// As the sample has it.
    pub call: Call,
    /// As the normal has it.
    pub normal: Option<Call>,
    /// In the contig's coordinates.
    pub hgvs_g: String,
    /// VRS identifier; `None` where the reference does not know the whole contig.
    pub vrs: Option<String>,
    /// What it means, the most telling first; never empty.
    pub annotations: Vec<Annotation>,
    /// What a table of variants shows for it.
    pub shown: Shown,
}

/// A table of variants has one row for what stands in one codon of one haplotype.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Shown {
    /// The allele itself.
    Itself,
    /// The variant that it makes together with others of its haplotype.
    Together {
        /// The variant.
        variant: Variant,
        /// Ranks of the alleles, among all.
        members: Vec<usize>,
    },
    /// Nothing: another allele's row shows it.
    Elsewhere,
}

impl Allele {
    /// Does the sample have it, as far as the genotype says?
    pub fn is_present(&self) -> bool {
        self.call.copies != Some(0)
    }

    /// Passed all filters, and the sample has it.
    pub fn passed(&self) -> bool {
        self.call.filters.is_empty() && self.is_present()
    }

    /// The variant of its row in a table of variants.
    pub fn variant(&self) -> &Variant {
        match &self.shown {
            Shown::Together { variant, .. } => variant,
            _ => &self.call.variant,
        }
    }
}

/// Reads a VCF and a gene model and annotates each allele.
///
/// # Errors
/// When one of the files cannot be read or does not belong to the reference, or the VCF has several
/// samples and none is named.
pub fn annotate(reference: &Reference, options: &Options) -> Result<Annotated> {
    let mut vcf = VcfReader::open(options.calls, reference)?;
    let (column, normal) = columns(&vcf, options)?;
    let mut records = Vec::new();
    let mut alleles: Vec<Allele> = Vec::new();
    let mut touched: BTreeMap<ContigId, Vec<Span>> = BTreeMap::new();
    while let Some(record) = vcf.next()? {
        let mut normals = normal
            .map_or(Vec::new(), |n| calls::of_record(&record, Some(n)))
            .into_iter();
        for (call, (rank, v)) in calls::of_record(&record, column)
            .into_iter()
            .zip(record.variants())
        {
            let span = Span::new(v.pos.0.saturating_sub(1), v.span().end + 1);
            touched.entry(v.contig).or_default().push(span);
            alleles.push(Allele {
                record: records.len(),
                rank,
                hgvs_g: hgvs_g(&v, reference),
                vrs: vrs::allele_id(&v, reference),
                normal: normals.next(),
                call,
                annotations: Vec::new(),
                shown: Shown::Itself,
            });
        }
        records.push(record);
    }
    for spans in touched.values_mut() {
        *spans = super::gene_model::merged(spans);
    }
    let knowledge = Knowledge::shipped();
    let genes =
        GeneModel::read_keeping(options.genes, reference, &touched, &knowledge, options.keep)?;
    by_transcript(&mut alleles, &genes.transcripts, true, reference);
    by_transcript(&mut alleles, &genes.others, false, reference);
    let spoken_of: BTreeSet<&str> = knowledge.rows.iter().map(|r| r.gene.as_str()).collect();
    for allele in &mut alleles {
        // Genes overlap: the one with the most severe consequence, then the one that knowledge speaks of.
        allele.annotations.sort_by_key(|a| {
            (
                !a.stands_for_gene,
                a.consequences[0],
                !spoken_of.contains(a.gene.as_str()),
            )
        });
        if allele.annotations.is_empty() {
            allele.annotations.push(Annotation::intergenic());
        }
    }
    show_once(&mut alleles);
    Ok(Annotated {
        samples: vcf.samples.clone(),
        sample: column.map_or(String::new(), |c| vcf.samples[c].clone()),
        normal: normal.map_or(String::new(), |c| vcf.samples[c].clone()),
        mode: vcf.header_value("theralign_mode").map(String::from),
        header: vcf.header,
        records,
        alleles,
        genes,
    })
}

/// The columns of the sample and of its normal. Mutect2 names both in the header.
fn columns(vcf: &VcfReader, options: &Options) -> Result<(Option<usize>, Option<usize>)> {
    let told = |key: &str| {
        let name = vcf.header_value(key)?;
        vcf.samples.iter().any(|s| s == name).then_some(name)
    };
    if vcf.samples.is_empty() && options.sample.is_none() {
        return Ok((None, None));
    }
    let column = vcf.sample(options.sample.or_else(|| told("tumor_sample")))?;
    let normal = options.normal.or_else(|| told("normal_sample"));
    let normal = normal.map(|n| vcf.sample(Some(n))).transpose()?;
    Ok((Some(column), normal.filter(|&n| n != column)))
}

/// Adds what each allele means for these transcripts, `chosen` for their genes or not; alleles of one
/// haplotype are read together.
fn by_transcript(
    alleles: &mut [Allele],
    transcripts: &[Transcript],
    chosen: bool,
    reference: &Reference,
) {
    let mut effects: BTreeMap<usize, Vec<(usize, Effect)>> = BTreeMap::new();
    for (i, allele) in alleles.iter().enumerate() {
        let v = &allele.call.variant;
        let near = Span::new(v.pos.0.saturating_sub(1), v.span().end + 1);
        for (rank, t) in overlapping(transcripts, v.contig, near) {
            if let Some(e) = effect(v, rank, t, reference) {
                effects.entry(rank).or_default().push((i, e));
            }
        }
    }
    for (rank, own) in effects {
        let t = &transcripts[rank];
        let passed: Vec<(usize, &Call, &Effect)> = own
            .iter()
            .filter(|(i, _)| alleles[*i].passed())
            .map(|(i, e)| (*i, &alleles[*i].call, e))
            .collect();
        let together = haplotype::joint(&passed, t, rank, reference);
        for (i, e) in &own {
            if !together.iter().any(|j| j.covered.contains(i)) {
                alleles[*i].annotations.push(Annotation::of(e, t, chosen));
            }
        }
        for joint in together {
            add_joint(alleles, &joint, (t, chosen), reference);
        }
    }
}

fn add_joint(
    alleles: &mut [Allele],
    joint: &Joint,
    (t, chosen): (&Transcript, bool),
    reference: &Reference,
) {
    let mut annotation = Annotation::of(&joint.effect, t, chosen);
    annotation.haplotype = joint
        .members
        .iter()
        .map(|&i| {
            let v = &alleles[i].call.variant;
            let text = |b: &[u8]| String::from_utf8_lossy(b).into_owned();
            let contig = &reference.contig(v.contig).name;
            let (from, to) = (text(&v.reference), text(&v.alternate));
            format!("{contig}:{}{from}>{to}", v.pos.one_based())
        })
        .collect();
    for &i in &joint.members {
        let allele = &mut alleles[i];
        if joint.covered.contains(&i)
            && let Some(v) = &joint.variant
            && allele.shown == Shown::Itself
        {
            allele.shown = Shown::Together {
                variant: v.clone(),
                members: joint.members.clone(),
            };
        }
        allele.annotations.push(annotation.clone());
    }
}

/// Of the alleles that make one variant together, the first shows it.
fn show_once(alleles: &mut [Allele]) {
    let mut seen: BTreeSet<Variant> = BTreeSet::new();
    for allele in alleles {
        if let Shown::Together { variant, .. } = &allele.shown {
            if allele.annotations[0].haplotype.is_empty() {
                // What is told first is about another gene.
                allele.shown = Shown::Itself;
            } else if !seen.insert(variant.clone()) {
                allele.shown = Shown::Elsewhere;
            }
        }
    }
}
