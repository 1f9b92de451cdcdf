//! Pharmacogenetics of a report: genotypes at defining places from the calls and the depth, then what
//! [`crate::pgx`] makes of them. A place that was not seen is never taken as reference.

use super::panel::Panel;
use crate::annotate::GeneModel;
use crate::domain::{Span, Variant};
use crate::format::calls::Call;
use crate::format::depth::Depth;
use crate::genome::Reference;
use crate::pgx::advice::Recommendation;
use crate::pgx::diplotype::{Genotype, Seen};
use crate::pgx::gene::{self, Locus};
use crate::pgx::place::{self, Site};
use crate::pgx::{self, GeneCall};
use schemars::JsonSchema;
use serde::Serialize;
use std::collections::BTreeMap;

/// Fewer fragments do not tell a heterozygote from a homozygote: at 20 a heterozygote shows under
/// four copies of one allele in about 1 of 800 cases.
const MIN_DEPTH: u32 = 20;

/// What was seen at a defining position.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct PgxSite {
    /// `rs3918290:C>T`; the place's name alone where it was not assessed.
    pub variant: String,
    /// `1:97915614`; empty where it was not found on the reference.
    pub place: String,
    /// Copies of the variant, 0 to 2; `null` where it was not assessed.
    pub copies: Option<u32>,
    /// Why it was not assessed; empty if it was.
    pub reason: String,
}

/// A pharmacogene of the panel.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct PgxGene {
    /// Gene symbol.
    pub gene: String,
    /// Pairs of alleles that explain what was seen, the best defined first.
    pub diplotypes: Vec<String>,
    /// The phenotype, with what it hinges on.
    pub phenotype: Option<String>,
    /// What is not known and why.
    pub note: String,
    /// Positions assessed and all positions.
    pub assessed: (usize, usize),
    /// Positions at which something was found, or that could have been seen and were not.
    pub sites: Vec<PgxSite>,
    /// Recommendations for the phenotype.
    pub recommendations: Vec<Recommendation>,
}

/// Pharmacogenes that no panel of small variants can settle.
pub const NOT_BY_PANEL: &str =
    "CYP2D6's copy number and hybrid genes, and HLA types, are not assessed.";

/// How far beyond its transcript a gene's defining variants may lie: promoters.
const PROMOTER: u32 = 5000;

/// A gene of which fewer places were seen is not called: most of its alleles would stay open.
const LEAST_SEEN: usize = 2;

/// The panel's pharmacogenes that the gene model knows, by name.
pub fn assess(
    reference: &Reference,
    gene_model: &GeneModel,
    panel: &Panel,
    depth: Option<&Depth>,
    calls: &[Call],
    somatic: bool,
) -> Vec<PgxGene> {
    let genes = gene::shipped();
    let stretch_of = |gene: &str| {
        let t = gene_model.of_gene(gene)?;
        let length = reference.contig(t.model.contig).length;
        Some((t.model.contig, t.span().widened(PROMOTER, length)))
    };
    let all: Vec<(&Locus, _)> = genes
        .iter()
        .filter_map(|(name, g)| Some((g, stretch_of(name)?)))
        .flat_map(|(g, stretch)| g.loci.iter().map(move |l| (l, stretch)))
        .collect();
    let found = place::locate(&all, reference, &panel.0);
    let sites: BTreeMap<(&str, u32), &Site> = all
        .iter()
        .zip(&found)
        .filter_map(|((l, _), site)| Some(((l.id.as_str(), l.grch38), site.as_ref()?)))
        .collect();
    let site_of = |l: &Locus| sites.get(&(l.id.as_str(), l.grch38)).copied();
    let look = |l: &Locus| look(l, site_of(l), panel, depth, calls, somatic);
    let seen: BTreeMap<String, Vec<Seen>> = genes
        .iter()
        .filter(|(_, g)| g.loci.iter().any(|l| site_of(l).is_some()))
        .map(|(name, g)| (name.clone(), g.loci.iter().map(look).collect()))
        .collect();
    let place = |l: &Locus| match site_of(l) {
        Some(Site::At { contig, span, .. }) => {
            format!("{}:{}", reference.contig(*contig).name, span.start + 1)
        }
        _ => String::new(),
    };
    pgx::call(&genes, &seen)
        .into_iter()
        .map(|call| {
            let gene = &genes[&call.gene];
            let places = gene.loci.iter().map(place).collect();
            shown(call, gene, places, somatic)
        })
        .collect()
}

/// As the report shows it.
fn shown(call: GeneCall, gene: &gene::Gene, places: Vec<String>, somatic: bool) -> PgxGene {
    let (seen, total) = call.seen;
    let mut notes = Vec::new();
    if seen < total {
        notes.push(format!(
            "{} of {total} defining positions were not assessed",
            total - seen
        ));
    }
    let variants = call.sites.iter().any(|s| s.variant);
    let too_few = seen * LEAST_SEEN < total;
    // What was found is worth telling even where little was seen.
    let called = !too_few || variants;
    notes.extend(call.notes.iter().filter(|_| seen > 0).cloned());
    if somatic && variants {
        notes.push(
            "from tumor DNA, in which loss of an allele can mislead: confirm in normal tissue"
                .into(),
        );
    }
    let mut sites = Vec::new();
    for ((site, locus), place) in call.sites.iter().zip(&gene.loci).zip(places) {
        let Some(genotype) = &site.genotype else {
            if !place.is_empty() {
                sites.push(PgxSite {
                    variant: site.id.clone(),
                    place,
                    copies: None,
                    reason: site.reason.clone(),
                });
            }
            continue;
        };
        for other in &locus.alternates {
            let copies = genotype.split(['/', '|']).filter(|a| a == other).count() as u32;
            if copies > 0 {
                sites.push(PgxSite {
                    variant: locus.spell(other),
                    place: place.clone(),
                    copies: Some(copies),
                    reason: String::new(),
                });
            }
        }
    }
    let meaning = call.meaning();
    PgxGene {
        diplotypes: if called {
            call.diplotypes.iter().map(|d| d.name.clone()).collect()
        } else {
            Vec::new()
        },
        phenotype: (!meaning.is_empty()).then_some(meaning),
        note: notes.join("; "),
        assessed: call.seen,
        sites,
        recommendations: call.recommendations,
        gene: call.gene,
    }
}

/// What the calls and the depth say about a locus.
fn look(
    locus: &Locus,
    site: Option<&Site>,
    panel: &Panel,
    depth: Option<&Depth>,
    calls: &[Call],
    somatic: bool,
) -> Seen {
    let Some(site) = site else {
        return Err("not in the panel".into());
    };
    let Site::At {
        contig,
        span,
        present,
        ..
    } = site
    else {
        return Err("its surroundings are found more than once".into());
    };
    if !panel.outside(*contig, *span).is_empty() {
        return Err("not in the panel".into());
    }
    let mut alleles = Vec::new();
    for other in locus.alleles() {
        if let Some(variant) = site.variant(other) {
            for _ in 0..copies(&variant, depth, calls, somatic)? {
                alleles.push(other);
            }
        }
    }
    if alleles.len() > 2 {
        return Err("its calls contradict each other".into());
    }
    while alleles.len() < 2 {
        alleles.insert(0, present);
    }
    Ok(Genotype::of(&alleles))
}

fn copies(
    v: &Variant,
    depth: Option<&Depth>,
    calls: &[Call],
    somatic: bool,
) -> Result<u32, String> {
    let wanted = trimmed(v);
    let span = v.span();
    let here = calls
        .iter()
        .filter(|c| c.variant.contig == v.contig && c.copies != Some(0));
    for call in here {
        if trimmed(&call.variant) == wanted {
            if !call.filters.is_empty() {
                return Err(format!(
                    "a call here was filtered ({})",
                    call.filters.join(", ")
                ));
            }
            return match (somatic, call.copies) {
                (false, Some(n)) => Ok(n),
                _ => germline_copies(call),
            };
        }
        // Another allele of one base leaves this one's absence clear; anything longer does not.
        let other = call.variant.span();
        if other.overlaps(span) && !(call.variant.is_snv() && v.is_snv()) {
            return Err("another variant covers the position".into());
        }
    }
    let worst = depth
        .ok_or("no depth file was given")?
        .worst(v.contig, Span::new(span.start, span.end));
    match worst.depth {
        None => Err("its depth is not known".into()),
        Some(d) if d < MIN_DEPTH => Err(format!("depth {d} is below {MIN_DEPTH}")),
        Some(_) => Ok(0),
    }
}

/// Position, replaced and replacing bases with nothing in common at either end.
fn trimmed(v: &Variant) -> (u32, &[u8], &[u8]) {
    let (mut r, mut a) = (&v.reference[..], &v.alternate[..]);
    while let ([.., x], [.., y]) = (r, a)
        && x == y
    {
        r = &r[..r.len() - 1];
        a = &a[..a.len() - 1];
    }
    let p = r.iter().zip(a).take_while(|(x, y)| x == y).count();
    (v.pos.0 + p as u32, &r[p..], &a[p..])
}

/// Copies in the germline, from a tumor's fraction: near a half or near all, or it cannot be told.
fn germline_copies(call: &Call) -> Result<u32, String> {
    match (call.support, call.depth) {
        (_, Some(d)) if d < MIN_DEPTH => Err(format!("depth {d} is below {MIN_DEPTH}")),
        (Some(k), Some(n)) => {
            let f = f64::from(k) / f64::from(n);
            if (0.3..=0.7).contains(&f) {
                Ok(1)
            } else if f >= 0.85 {
                Ok(2)
            } else {
                Err(format!(
                    "at {:.0} % it is not a germline genotype's fraction",
                    f * 100.0
                ))
            }
        }
        _ => Err("the VCF gives no read counts".into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn judged(gene: &str, found: &[(&str, &[&str])], somatic: bool) -> PgxGene {
        let genes = gene::shipped();
        let g = &genes[gene];
        let seen = g
            .loci
            .iter()
            .map(|l| match found.iter().find(|f| f.0 == l.id) {
                Some((_, [])) => Err("depth 3 is below 20".into()),
                Some((_, alleles)) => Ok(Genotype::of(alleles)),
                None => Ok(Genotype::of(&[&l.reference, &l.reference])),
            });
        let seen = BTreeMap::from([(gene.to_string(), seen.collect())]);
        let call = pgx::call(&genes, &seen).remove(0);
        shown(call, g, vec!["1:1".into(); g.loci.len()], somatic)
    }

    #[test]
    fn genes_are_shown_with_what_their_phenotype_hinges_on() {
        let found: [(&str, &[&str]); 2] = [("rs1142345", &["T", "C"]), ("rs1800460", &["C", "T"])];
        let g = judged("TPMT", &found, true);
        assert_eq!(g.diplotypes, ["*1/*3A", "*3B/*3C"]);
        let phenotype = g.phenotype.unwrap();
        assert!(phenotype.contains("unless *3B/*3C"), "{phenotype}");
        assert!(g.note.contains("tumor DNA"), "{}", g.note);
        let copies: Vec<_> = g.sites.iter().map(|s| (&*s.variant, s.copies)).collect();
        assert_eq!(
            copies,
            [("rs1142345:T>C", Some(1)), ("rs1800460:C>T", Some(1))]
        );
    }

    #[test]
    fn a_position_that_was_not_seen_is_not_reference() {
        let g = judged("TPMT", &[("rs1142345", &[])], false);
        assert_eq!(g.assessed, (42, 43));
        assert!(
            g.note
                .starts_with("1 of 43 defining positions were not assessed")
        );
        let phenotype = g.phenotype.unwrap();
        assert!(phenotype.contains("*3C (not assessed)"), "{phenotype}");
        assert_eq!(g.sites[0].reason, "depth 3 is below 20");
    }

    #[test]
    fn a_gene_of_which_little_was_seen_is_not_called() {
        let genes = gene::shipped();
        let ids: Vec<&str> = genes["TPMT"].loci.iter().map(|l| &*l.id).collect();
        let rest: Vec<(&str, &[&str])> = ids[5..].iter().map(|id| (*id, &[][..])).collect();
        let g = judged("TPMT", &rest, false);
        assert!(g.diplotypes.is_empty() && g.phenotype.is_none() && g.recommendations.is_empty());
    }
}
