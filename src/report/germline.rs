//! Germline findings: variants in genes of hereditary disease that were asked for, what ClinVar asserts
//! of them, the ACMG/AMP criteria that follow from the data at hand, and which parent they are from.
//! Nothing is classified here: that takes a person.

use super::consent::{Asked, Consent};
use super::depth_beside;
use super::evidence::{Evidence, Finding};
use crate::annotate::knowledge::Source;
use crate::annotate::{Consequence, Knowledge, ProteinChange};
use crate::call::allele::normalized;
use crate::domain::{Span, Variant};
use crate::format::calls::{self, Call};
use crate::format::depth::Depth;
use crate::genome::Reference;
use crate::{Error, Result};
use schemars::JsonSchema;
use serde::Serialize;
use std::path::Path;

/// Fewer fragments of a parent do not exclude a heterozygote: at 20, one shows in under three of them in
/// 1 of 5,000 cases.
const PARENT_DEPTH: u32 = 20;

/// The section.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct Germline {
    /// `shown`, `not_requested` or `not_assessed`.
    pub status: &'static str,
    /// In words.
    pub reason: String,
    /// Genes of the panel that were asked for.
    pub genes: Vec<String>,
    /// The findings, those that ClinVar calls pathogenic first.
    pub findings: Vec<Inherited>,
}

/// A germline variant in a gene that was asked for.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct Inherited {
    /// [`Finding::id`].
    pub id: String,
    /// Gene symbol.
    pub gene: String,
    /// The change.
    pub name: String,
    /// Disease of the gene.
    pub disease: String,
    /// AD, AR, XL.
    pub inheritance: String,
    /// What to keep in mind of the gene.
    pub note: String,
    /// Why it is shown.
    pub asked: Asked,
    /// On ACMG's list.
    pub acmg_sf: bool,
    /// `heterozygous`, `homozygous`, `hemizygous`; `not known` without a genotype.
    pub zygosity: &'static str,
    /// What ClinVar says of this very change.
    pub assertions: Vec<Assertion>,
    /// Criteria of ACMG/AMP 2015 (PMID 25741868) that the data fulfil.
    pub criteria: Vec<Criterion>,
    /// Which parent it is from; `null` if no parent was given.
    pub family: Option<Family>,
    /// What the genotype means for this mode of inheritance.
    pub fits: String,
}

/// A statement of ClinVar.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Assertion {
    /// Clinical significance.
    pub significance: String,
    /// Of which disease.
    pub disease: String,
    /// Its review status.
    pub review: String,
    /// Variation id.
    pub id: u32,
    /// The record.
    pub url: String,
}

/// A criterion, as the data at hand fulfil it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Criterion {
    /// `PVS1`, `PM4` ...
    pub code: &'static str,
    /// What fulfils it, and what is left to judge.
    pub why: String,
}

/// Where a variant is from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Family {
    /// `mother`, `father`, `both`, `either`, `de_novo`, `inconsistent`, `not_assessed`.
    pub origin: &'static str,
    /// In words.
    pub reason: String,
}

/// What a parent has at a place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Has {
    /// So many copies of the variant.
    Copies(u32),
    /// It cannot be told.
    Unknown(&'static str),
}

/// A parent's calls and how deep they were seen.
pub struct Parent {
    calls: Vec<Call>,
    depth: Option<Depth>,
}

impl Parent {
    /// Reads the VCF of a parent, and the depth file beside it.
    ///
    /// # Errors
    /// When one cannot be read, is of another reference, or the VCF is of a tumor.
    pub fn read(path: &Path, reference: &Reference) -> Result<Parent> {
        let read = calls::read(path, reference, None)?;
        if read.mode.as_deref() == Some("somatic") {
            return Err(Error::input(
                path.display().to_string(),
                "header",
                "a parent's calls, but called as somatic",
                "Call the parent with --mode germline.",
            ));
        }
        let mut calls = read.calls;
        for call in &mut calls {
            call.variant = normalized(call.variant.clone(), reference);
        }
        let depth = depth_beside(path);
        Ok(Parent {
            calls,
            depth: depth.map(|d| Depth::read(&d, reference)).transpose()?,
        })
    }

    /// `v` is normalized.
    fn has(&self, v: &Variant) -> Has {
        let span = v.span();
        let mut here = self
            .calls
            .iter()
            .filter(|c| c.variant.contig == v.contig && c.variant.span().overlaps(span));
        if let Some(call) = here.clone().find(|c| c.variant == *v) {
            return match (call.filters.is_empty(), call.copies) {
                (true, Some(n)) => Has::Copies(n),
                (false, _) => Has::Unknown("a call there was filtered"),
                (true, None) => Has::Unknown("the genotype there is not complete"),
            };
        }
        if here.any(|c| c.copies != Some(0) && !(c.variant.is_snv() && v.is_snv())) {
            return Has::Unknown("another variant covers the place");
        }
        let Some(depth) = &self.depth else {
            return Has::Unknown("no depth file stands beside the VCF");
        };
        match depth.worst(v.contig, Span::new(span.start, span.end)).depth {
            Some(d) if d >= PARENT_DEPTH => Has::Copies(0),
            Some(_) => Has::Unknown("too few fragments there"),
            None => Has::Unknown("the place was not looked at"),
        }
    }
}

/// The parents, as far as they were given.
#[derive(Default)]
pub struct Parents {
    /// Hers.
    pub mother: Option<Parent>,
    /// His.
    pub father: Option<Parent>,
}

impl Parents {
    fn family(&self, f: &Finding, zygosity: &str) -> Option<Family> {
        use Has::{Copies, Unknown};
        if self.mother.is_none() && self.father.is_none() {
            return None;
        }
        let of = |parent: &Option<Parent>| match parent {
            None => Has::Unknown("not given"),
            Some(p) => p.has(&f.normal),
        };
        let (mother, father) = (of(&self.mother), of(&self.father));
        let not_told = |who: &[(&str, Has)]| {
            let all: Vec<String> = who
                .iter()
                .filter_map(|(name, has)| match has {
                    Has::Unknown(why) => Some(format!("{name}: {why}")),
                    Has::Copies(_) => None,
                })
                .collect();
            ("not_assessed", all.join("; "))
        };
        let (origin, reason) = match (zygosity, mother, father) {
            ("homozygous", Copies(m), Copies(p)) if m > 0 && p > 0 => {
                ("both", "a copy from each parent".into())
            }
            ("homozygous", Copies(0), _) | ("homozygous", _, Copies(0)) => (
                "inconsistent",
                "two copies, but a parent has none: a deletion on the other chromosome, both copies from one parent, or an error".into(),
            ),
            ("hemizygous", Copies(m), _) if m > 0 => {
                ("mother", "a man's X is his mother's".into())
            }
            ("hemizygous", Copies(_), _) => (
                "de_novo",
                "not found in the mother; that she is the mother was not shown".into(),
            ),
            ("hemizygous", Unknown(_), _) => not_told(&[("mother", mother)]),
            (_, Copies(0), Copies(0)) => (
                "de_novo",
                "found in neither parent, both seen in 20 fragments or more; that they are the parents was not shown".into(),
            ),
            (_, Copies(m), Copies(0)) if m > 0 => ("mother", "the father does not have it".into()),
            (_, Copies(0), Copies(p)) if p > 0 => ("father", "the mother does not have it".into()),
            (_, Copies(m), Copies(p)) if m > 0 && p > 0 => {
                ("either", "both parents have it".into())
            }
            _ => not_told(&[("mother", mother), ("father", father)]),
        };
        Some(Family { origin, reason })
    }
}

/// May a gene's germline variants be shown? `None` for genes that are not of hereditary disease.
pub fn asked(gene: &str, knowledge: &Knowledge, consent: &Consent) -> Option<Option<Asked>> {
    let h = knowledge.hereditary.get(gene)?;
    Some(consent.germline(gene, &h.category, h.acmg_sf))
}

/// The section of a report on germline calls; `findings` are those of genes that may be shown.
pub fn section(
    findings: &[Finding],
    panel_genes: &[&str],
    knowledge: &Knowledge,
    consent: &Consent,
    parents: &Parents,
) -> Germline {
    let genes: Vec<String> = panel_genes
        .iter()
        .filter(|g| matches!(asked(g, knowledge, consent), Some(Some(_))))
        .map(ToString::to_string)
        .collect();
    if consent.germline.is_empty() && !consent.secondary_findings {
        return Germline {
            status: "not_requested",
            reason: match consent.sha256 {
                None => {
                    "no consent file was given, so nothing is said of hereditary disease".into()
                }
                Some(_) => "the consent does not ask for it".into(),
            },
            genes,
            findings: Vec::new(),
        };
    }
    let mut all: Vec<Inherited> = findings
        .iter()
        .filter_map(|f| {
            let asked = asked(&f.gene, knowledge, consent)??;
            inherited(f, asked, knowledge, parents)
        })
        .collect();
    pairs(&mut all, findings);
    all.sort_by_key(|i| {
        let worst = i.assertions.iter().map(|a| weight(&a.significance)).min();
        (worst.unwrap_or(2), i.gene.clone(), i.id.clone())
    });
    Germline {
        status: "shown",
        reason: String::new(),
        genes,
        findings: all,
    }
}

/// For the order: pathogenic first, benign last.
fn weight(significance: &str) -> u8 {
    let s = significance.to_ascii_lowercase();
    match () {
        () if s.starts_with("pathogenic") || s.starts_with("likely pathogenic") => 0,
        () if s.contains("conflicting") || s.contains("risk") => 1,
        () if s.starts_with("benign") || s.starts_with("likely benign") => 3,
        () => 2,
    }
}

fn inherited(
    f: &Finding,
    asked: Asked,
    knowledge: &Knowledge,
    parents: &Parents,
) -> Option<Inherited> {
    let h = &knowledge.hereditary[&f.gene];
    let effect = f.effect.as_ref()?;
    let assertions = assertions(f);
    // What leaves the protein and its splicing alone is shown only where ClinVar speaks of it.
    if !effect.consequences[0].alters_protein() && assertions.is_empty() {
        return None;
    }
    let alleles = f.genotype.split(['/', '|']).filter(|a| *a != ".").count();
    let zygosity = match (f.copies, alleles) {
        (Some(1), 1) => "hemizygous",
        (Some(1), _) => "heterozygous",
        (Some(_), _) => "homozygous",
        (None, _) => "not known",
    };
    let family = parents.family(f, zygosity);
    Some(Inherited {
        id: f.id.clone(),
        gene: f.gene.clone(),
        name: f.name.clone(),
        disease: h.disease.clone(),
        inheritance: h.inheritance.clone(),
        note: h.note.clone(),
        asked,
        acmg_sf: h.acmg_sf,
        zygosity,
        criteria: criteria(f, &assertions, family.as_ref(), knowledge),
        assertions,
        fits: match (h.inheritance.as_str(), zygosity) {
            ("AR", "heterozygous") => "one copy of a recessive gene's variant: a carrier, unless the other copy is changed too".into(),
            ("AR", "homozygous") => "both copies".into(),
            ("AD", "heterozygous" | "homozygous") => "one copy is enough for a dominant disease".into(),
            ("XL", "hemizygous") => "a man's only copy".into(),
            ("XL", "heterozygous") => "one of two copies of a gene on X".into(),
            _ => String::new(),
        },
        family,
    })
}

/// What ClinVar says of the very change: matched by it, not by codon or class.
fn assertions(f: &Finding) -> Vec<Assertion> {
    let of = |e: &Evidence| {
        e.sources.iter().find_map(|s| match s {
            Source::ClinVar { id, citation, url } => Some(Assertion {
                significance: e.significance.clone(),
                disease: e.tumor.clone(),
                review: citation.clone(),
                id: *id,
                url: url.clone(),
            }),
            _ => None,
        })
    };
    let exact = f.context.iter().filter(|e| e.match_kind == "exact change");
    let mut all: Vec<Assertion> = exact.filter_map(of).collect();
    all.dedup();
    all
}

fn criteria(
    f: &Finding,
    assertions: &[Assertion],
    family: Option<&Family>,
    knowledge: &Knowledge,
) -> Vec<Criterion> {
    use Consequence as C;
    let Some(e) = &f.effect else {
        return Vec::new();
    };
    let mut out = Vec::new();
    let mut add = |code, why: String| out.push(Criterion { code, why });
    let first = e.consequences[0];
    let truncates = e.protein.as_ref().is_some_and(ProteinChange::truncates);
    if truncates || matches!(first, C::SpliceAcceptor | C::SpliceDonor | C::StartLost) {
        let decay = match e.nmd {
            Some(true) => "; decay of the RNA is expected",
            Some(false) => "; decay of the RNA is not expected, which weakens it",
            None => "",
        };
        add(
            "PVS1",
            format!(
                "{}{decay}. To be judged: that loss of function causes this gene's disease, and in this part of it",
                first.term().replace('_', " ")
            ),
        );
    }
    if matches!(
        first,
        C::InframeInsertion | C::InframeDeletion | C::StopLost
    ) {
        add(
            "PM4",
            "the protein's length changes in frame. To be judged: that it is not in a repeat"
                .into(),
        );
    }
    if first == C::Missense {
        // ClinVar's statements are named by the protein change first: `R248Q (c.743G>A)`.
        let codon = &f.name[..f.name.len() - 1];
        let near = knowledge.of_gene(&f.gene).filter(|r| {
            weight(&r.significance) == 0
                && r.sources
                    .iter()
                    .any(|s| matches!(s, Source::ClinVar { .. }))
                && !r.alteration.ends_with(&format!("({})", f.hgvs_c))
        });
        let (mut same, mut other) = (Vec::new(), Vec::new());
        for name in near.map(|r| r.alteration.as_str()) {
            let protein = name.split(' ').next().unwrap_or_default();
            if protein == f.name {
                same.push(name);
            } else if protein.len() == f.name.len()
                && protein.starts_with(codon)
                && protein.ends_with(|c: char| c.is_ascii_uppercase())
            {
                other.push(name);
            }
        }
        if !same.is_empty() {
            add(
                "PS1",
                format!(
                    "the same change of the protein is called pathogenic: {}",
                    same.join(", ")
                ),
            );
        }
        if !other.is_empty() {
            add(
                "PM5",
                format!(
                    "another change of this codon is called pathogenic: {}",
                    other.join(", ")
                ),
            );
        }
    }
    if first == C::Synonymous {
        add(
            "BP7",
            "silent, and outside of the splice windows. To be judged: that the base is not conserved".into(),
        );
    }
    if let Some(Family {
        origin: "de_novo",
        reason,
    }) = family
    {
        add("PM6", reason.clone());
    }
    if assertions.iter().any(|a| weight(&a.significance) == 0) {
        add("PP5", "ClinVar has it as pathogenic (ClinGen advises not to count this criterion; read its evidence)".into());
    }
    out
}

/// Two heterozygous variants of one recessive gene: on one copy or on both?
fn pairs(all: &mut [Inherited], findings: &[Finding]) {
    let phase = |id: &str| findings.iter().find(|f| f.id == id).map(|f| &f.phase);
    let notes: Vec<String> = all
        .iter()
        .map(|a| {
            let others = all.iter().filter(|b| {
                b.id != a.id
                    && b.gene == a.gene
                    && a.inheritance.starts_with("AR")
                    && a.zygosity == "heterozygous"
                    && b.zygosity == "heterozygous"
            });
            let said = others.map(|b| {
                let origins = (
                    a.family.as_ref().map(|f| f.origin),
                    b.family.as_ref().map(|f| f.origin),
                );
                let how = match (origins, phase(&a.id).zip(phase(&b.id))) {
                    ((Some("mother"), Some("father")) | (Some("father"), Some("mother")), _) => {
                        "on the other copy (each from one parent)"
                    }
                    ((Some("mother"), Some("mother")) | (Some("father"), Some("father")), _) => {
                        "on the same copy (both from one parent)"
                    }
                    (_, Some((x, y))) if x.shares_haplotype(y) => {
                        "on the same copy (phased by reads)"
                    }
                    (_, Some((x, y))) if x.is_apart(y) => "on the other copy (phased by reads)",
                    _ => "on this or the other copy: not known",
                };
                format!("{} is {how}", b.name)
            });
            said.collect::<Vec<_>>().join("; ")
        })
        .collect();
    for (i, note) in all.iter_mut().zip(notes) {
        if !note.is_empty() {
            i.fits = format!("{}; {note}", i.fits);
        }
    }
}
