//! Pharmacogenes: genotypes at defining places, the pairs of named alleles that explain them, what CPIC
//! makes of these, and the advice that follows. What was not seen is never taken as the reference.
//!
//! A sample's genotypes come from a VCF ([`sample`]) or from what a report knows. [`diplotype`] finds and
//! ranks the pairs, [`lowest`] lists the variants of genes that are judged by their worst ones,
//! [`advice`] reads phenotypes and recommendations, [`outside`] takes what other methods called.

pub mod advice;
pub mod build;
pub mod diplotype;
pub mod gene;
pub mod lowest;
pub mod outside;
pub mod pharmcat;
pub mod place;
pub mod positions;
pub mod sample;
pub mod spell;
pub mod tables;

use advice::{Phenotype, Recommendation};
use diplotype::Seen;
use gene::{Gene, NamedAllele};
use serde::Serialize;
use std::collections::BTreeMap;

/// What was seen at a locus.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct SiteCall {
    /// `rs3918290`.
    pub id: String,
    /// `chr1:97450058`, on GRCh38.
    pub grch38: String,
    /// `C/T`, `C|T` where phased; `null` where it was not assessed.
    pub genotype: Option<String>,
    /// It differs from GRCh38.
    pub variant: bool,
    /// Why it was not assessed; empty if it was.
    pub reason: String,
}

/// Alleles that together explain what was seen.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Candidate {
    /// `*1/*2`.
    pub name: String,
    /// Places seen that define its alleles; pairs with more are likelier.
    pub score: usize,
    /// CPIC's phenotype; `null` where it names none.
    pub phenotype: Option<Phenotype>,
}

/// What is known of a pharmacogene.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct GeneCall {
    /// Symbol.
    pub gene: String,
    /// `genotypes`, or the file of an outside call.
    pub source: String,
    /// All pairs that explain what was seen, the best defined first.
    pub diplotypes: Vec<Candidate>,
    /// So many of them are defined equally well, and better than the others.
    pub best: usize,
    /// The best ones' phenotype, if they agree.
    pub phenotype: Option<Phenotype>,
    /// What could not be excluded and would change the phenotype.
    pub unless: Vec<String>,
    /// Places seen, and all.
    pub seen: (usize, usize),
    /// The places.
    pub sites: Vec<SiteCall>,
    /// What to know about the call.
    pub notes: Vec<String>,
    /// What CPIC recommends for the phenotype.
    pub recommendations: Vec<Recommendation>,
}

impl GeneCall {
    /// Names of the best diplotypes.
    pub fn best_names(&self) -> Vec<&str> {
        let best = &self.diplotypes[..self.best];
        let mut names: Vec<&str> = best.iter().map(|d| d.name.as_str()).collect();
        names.dedup();
        names.retain(|n| !n.is_empty());
        names
    }

    /// The phenotype with its score and what it hinges on; empty if there is none.
    pub fn meaning(&self) -> String {
        let Some(phenotype) = &self.phenotype else {
            return String::new();
        };
        let score = phenotype
            .score
            .map_or(String::new(), |s| format!(" (activity score {s})"));
        let unless = match self.unless_text() {
            none if none.is_empty() => none,
            some => format!(", unless {some}"),
        };
        format!("{}{score}{unless}", phenotype.name)
    }

    /// What could not be excluded, in words.
    pub fn unless_text(&self) -> String {
        const SHOWN: usize = 6;
        let text = self.unless[..self.unless.len().min(SHOWN)].join(" or ");
        match self.unless.len().saturating_sub(SHOWN) {
            0 => text,
            more => format!("{text} or one of {more} more"),
        }
    }

    /// Places that were not assessed.
    pub fn missing(&self) -> impl Iterator<Item = &SiteCall> {
        self.sites.iter().filter(|s| s.genotype.is_none())
    }
}

/// Alleles that small variants cannot tell.
const STRUCTURAL: [(&str, &str); 5] = [
    (
        "CYP2D6",
        "from small variants only: the deletion *5, copy numbers (xN) and hybrid genes (*13, *36, *68) are not seen",
    ),
    ("CYP2B6", "the hybrid genes *29 and *30 are not seen"),
    ("CYP2C19", "the deletions *36 and *37 are not seen"),
    ("SLCO1B1", "the deletions *48 and *49 are not seen"),
    ("CYP4F2", "the deletion *16 is not seen"),
];

/// Judges each gene by what was seen at its loci, and looks up the advice.
pub fn call(genes: &BTreeMap<String, Gene>, seen: &BTreeMap<String, Vec<Seen>>) -> Vec<GeneCall> {
    let judged = |(name, gene): (&String, &Gene)| Some(judge(gene, seen.get(name)?));
    let mut calls: Vec<GeneCall> = genes.iter().filter_map(judged).collect();
    advise(&mut calls);
    calls
}

/// Looks up what CPIC recommends for each phenotype, and for several genes together.
pub fn advise(calls: &mut [GeneCall]) {
    let phenotypes: BTreeMap<String, Phenotype> = calls
        .iter()
        .filter_map(|c| Some((c.gene.clone(), c.phenotype.clone()?)))
        .collect();
    for call in calls {
        let other = |gene: &str| phenotypes.get(gene).cloned();
        // HLA types are positive for one allele and negative for others at once.
        let many = call.gene.starts_with("HLA-") && call.phenotype.is_none();
        let each = call.diplotypes.iter().filter_map(|d| d.phenotype.as_ref());
        let meant: Vec<&Phenotype> = if many {
            each.collect()
        } else {
            call.phenotype.iter().collect()
        };
        let mut found: Vec<Recommendation> = meant
            .into_iter()
            .flat_map(|p| advice::recommendations(&call.gene, p, &other))
            .collect();
        if !call.unless.is_empty() {
            for r in &mut found {
                r.condition = format!("unless {}", call.unless_text());
            }
        }
        call.recommendations = found;
    }
}

/// What was seen at a gene's loci, to a call without advice.
pub fn judge(gene: &Gene, seen: &[Seen]) -> GeneCall {
    let mut call = GeneCall {
        gene: gene.name.clone(),
        source: "genotypes".into(),
        diplotypes: Vec::new(),
        best: 0,
        phenotype: None,
        unless: Vec::new(),
        seen: (seen.iter().flatten().count(), seen.len()),
        sites: sites(gene, seen),
        notes: Vec::new(),
        recommendations: Vec::new(),
    };
    if call.seen.0 == 0 {
        call.notes.push("none of its places was seen".into());
        return call;
    }
    if lowest::applies(&gene.name) {
        lowest::judge(gene, seen, &mut call);
    } else {
        by_pairs(gene, seen, &mut call);
    }
    if gene.name == "CYP2D6" && call.phenotype.is_some() {
        // Other copy numbers are too common to leave them to a note.
        call.unless
            .push("a deletion, more copies or a hybrid gene (not seen)".into());
    }
    unlisted(gene, seen, &mut call);
    let structural = STRUCTURAL.iter().find(|(name, _)| *name == gene.name);
    call.notes
        .extend(structural.map(|(_, note)| (*note).into()));
    call
}

fn sites(gene: &Gene, seen: &[Seen]) -> Vec<SiteCall> {
    let site = |(locus, seen): (&gene::Locus, &Seen)| SiteCall {
        id: locus.id.clone(),
        grch38: format!("{}:{}", locus.chromosome, locus.grch38),
        genotype: seen.as_ref().ok().map(|g| {
            let between = if g.phase.is_some() { "|" } else { "/" };
            g.alleles.join(between)
        }),
        variant: matches!(seen, Ok(g) if g.alleles.iter().any(|a| *a != locus.reference)),
        reason: seen.as_ref().err().cloned().unwrap_or_default(),
    };
    gene.loci.iter().zip(seen).map(site).collect()
}

fn by_pairs(gene: &Gene, seen: &[Seen], call: &mut GeneCall) {
    let explained = diplotype::explain(gene, seen);
    let phenotype = |alleles: &[usize]| {
        let alleles: Vec<&NamedAllele> = alleles.iter().map(|&i| &gene.alleles[i]).collect();
        advice::of_alleles(&gene.name, &alleles)
    };
    let ranked = &explained.ranked;
    call.diplotypes = ranked
        .iter()
        .map(|d| Candidate {
            name: d.name(gene),
            score: d.score,
            phenotype: phenotype(&d.alleles),
        })
        .collect();
    let Some(top) = ranked.first() else {
        call.notes
            .push("no pair of listed alleles explains what was seen".into());
        return;
    };
    call.best = ranked.iter().take_while(|d| d.score == top.score).count();
    let first = call.diplotypes[0].phenotype.clone();
    if call.diplotypes[..call.best]
        .iter()
        .any(|d| d.phenotype != first)
    {
        call.notes
            .push("what was seen fits pairs of different phenotypes equally".into());
        return;
    }
    if first.is_none() {
        call.notes.push("CPIC names no phenotype".into());
    }
    if 2 * call.seen.0 < call.seen.1 {
        call.notes
            .push("less than half of its places were seen: no phenotype is given".into());
        return;
    }
    for d in &call.diplotypes[call.best..] {
        if d.phenotype != first {
            let meaning = d.phenotype.as_ref().map_or("no phenotype", |p| &p.name);
            call.unless.push(format!("{} ({meaning})", d.name));
        }
    }
    for &open in &explained.open {
        let changes = |d: &diplotype::Diplotype| match d.alleles[..] {
            [_] => phenotype(&[open]) != first,
            _ => d.alleles.iter().any(|&a| phenotype(&[a, open]) != first),
        };
        if ranked[..call.best].iter().any(changes) {
            let name = &gene.alleles[open].name;
            call.unless.push(format!("{name} (not assessed)"));
        }
    }
    call.phenotype = first;
}

/// Says which bases were seen that no listed allele has.
fn unlisted(gene: &Gene, seen: &[Seen], call: &mut GeneCall) {
    for (locus, seen) in gene.loci.iter().zip(seen) {
        for bases in seen.iter().flat_map(|g| &g.alleles) {
            let note = format!("{} is of no listed allele", locus.spell(bases));
            if !locus.alleles().any(|a| a == bases) && !call.notes.contains(&note) {
                call.notes.push(note);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::diplotype::Genotype;
    use super::*;

    /// Judged with these alleles at these loci, GRCh38's elsewhere; no alleles: not seen.
    pub(super) fn judged(gene: &str, found: &[(&str, &[&str])]) -> GeneCall {
        let genes = gene::shipped();
        let g = &genes[gene];
        for (id, _) in found {
            assert!(g.loci.iter().any(|l| l.id == *id), "{id}");
        }
        let seen: Vec<Seen> = g
            .loci
            .iter()
            .map(|l| match found.iter().find(|f| f.0 == l.id) {
                Some((_, [])) => Err("not seen".into()),
                Some((_, alleles)) => Ok(Genotype::of(alleles)),
                None => Ok(Genotype::of(&[&l.reference, &l.reference])),
            })
            .collect();
        let calls = call(&genes, &BTreeMap::from([(gene.to_string(), seen)]));
        calls.into_iter().next().unwrap()
    }

    #[test]
    fn phase_that_matters_is_said() {
        let c = judged(
            "TPMT",
            &[("rs1142345", &["T", "C"]), ("rs1800460", &["C", "T"])],
        );
        assert_eq!(c.best_names(), ["*1/*3A"]);
        assert_eq!(
            c.meaning(),
            "Intermediate Metabolizer, unless *3B/*3C (Poor Metabolizer)"
        );
        assert!(!c.recommendations.is_empty());
        let hinges = |r: &Recommendation| r.condition == "unless *3B/*3C (Poor Metabolizer)";
        assert!(c.recommendations.iter().all(hinges));
    }

    #[test]
    fn places_that_were_not_seen_leave_their_alleles_open() {
        let c = judged("NUDT15", &[("rs116855232", &[])]);
        assert_eq!(c.best_names(), ["*1/*1"]);
        assert_eq!(c.unless, ["*3 (not assessed)"]);
        assert_eq!(c.seen, (17, 18));
        assert_eq!(
            c.missing().map(|s| s.id.as_str()).collect::<Vec<_>>(),
            ["rs116855232"]
        );
        let tpmt = gene::shipped()["TPMT"].clone();
        let none: Vec<(&str, &[&str])> = tpmt.loci.iter().map(|l| (&*l.id, &[][..])).collect();
        let c = judged("TPMT", &none[..30]);
        assert!(c.phenotype.is_none() && c.recommendations.is_empty());
        let c = judged("TPMT", &none);
        assert!(c.diplotypes.is_empty() && c.notes[0].contains("none of its places"));
    }

    #[test]
    fn what_small_variants_cannot_tell_is_said() {
        let c = judged("CYP2D6", &[("rs3892097", &["C", "T"])]);
        assert!(c.best_names().contains(&"*1/*4"), "{:?}", c.best_names());
        assert!(c.notes.iter().any(|n| n.contains("copy numbers")));
        assert!(c.unless.iter().any(|u| u.contains("deletion")));
        let c = judged("VKORC1", &[("rs9923231", &["C", "G"])]);
        assert!(
            c.notes.iter().any(|n| n.contains("rs9923231:C>G")),
            "{:?}",
            c.notes
        );
    }
}
