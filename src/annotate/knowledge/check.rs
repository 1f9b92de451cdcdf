//! Every codon, place and HGVS description of a table recomputed on a reference with a gene model.
//! A statement whose locus the sequence at hand contradicts is rejected; one that it says nothing of
//! stays, as unverified, with the reason.

use super::Row;
use super::import::{Ground, build_of};
use super::place::Place;
use crate::annotate::alteration::Rule;
use crate::annotate::coding::Coding;
use crate::annotate::codon::UNKNOWN;
use crate::annotate::consequence::{Effect, effect};
use crate::annotate::gene_model::without_version;
use crate::annotate::{ProteinChange, Transcript};
use crate::domain::Span;

/// What the sequence at hand says of a statement's locus.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Finding {
    /// It contradicts it.
    Rejected(String),
    /// It does not say, or not all of it.
    Unverified(String),
    /// It agrees: build and transcript.
    Verified(String),
    /// The statement names no place in a sequence.
    NoLocus(String),
}

impl Finding {
    /// One word.
    pub fn status(&self) -> &'static str {
        match self {
            Finding::Rejected(_) => "rejected",
            Finding::Unverified(_) => "unverified",
            Finding::Verified(_) => "verified",
            Finding::NoLocus(_) => "no locus",
        }
    }

    /// On what, or why not.
    pub fn words(&self) -> &str {
        match self {
            Finding::Rejected(w)
            | Finding::Unverified(w)
            | Finding::Verified(w)
            | Finding::NoLocus(w) => w,
        }
    }
}

/// Whether two transcript ids, without versions, mean one transcript of a gene.
pub type SameTranscript<'a> = &'a dyn Fn(&str, &str, &str) -> bool;

/// Recomputes a statement's locus. The worst of what its parts say counts.
pub fn check(row: &Row, ground: Ground, same: SameTranscript) -> Finding {
    let mut all = Vec::new();
    for a in row.alterations() {
        for rule in &a.rules {
            let found = check_rule(&a.gene, rule, ground);
            all.push(
                match (found, other_transcript(row, &a.gene, ground, same)) {
                    (Finding::Rejected(why), Some(theirs)) => {
                        Finding::Unverified(format!("it is numbered on {theirs}: {why}"))
                    }
                    (found, _) => found,
                },
            );
        }
    }
    let named = !matches!(all.iter().min(), None | Some(Finding::NoLocus(_)));
    if named {
        all.extend(check_place(row, ground, same));
    }
    all.into_iter()
        .min()
        .unwrap_or_else(|| Finding::NoLocus("it names no alteration".into()))
}

/// The transcript that the source numbers on, where it is not the one at hand.
fn other_transcript<'a>(
    row: &'a Row,
    gene: &str,
    ground: Ground,
    same: SameTranscript,
) -> Option<&'a str> {
    let theirs = row.field("locus").split(':').nth(5).unwrap_or_default();
    let ours = ground.genes.of_gene(gene)?;
    let (a, b) = (without_version(theirs), without_version(&ours.model.id));
    let differs = a != b && !same(gene, a, b);
    (!theirs.is_empty() && gene == row.gene && differs).then_some(theirs)
}

/// Build and transcript, as the `verified` column has them.
fn on(t: &Transcript, ground: Ground) -> String {
    let build = build_of(ground.reference).unwrap_or("this reference");
    format!("{build} {}", t.model.id)
}

fn check_rule(gene: &str, rule: &Rule, ground: Ground) -> Finding {
    if let Rule::NotAssessable(u) = rule {
        return Finding::NoLocus(u.reason().into());
    }
    let Some(t) = ground.genes.of_gene(gene) else {
        return Finding::Unverified(format!("the gene model has no {gene} on this reference"));
    };
    if let Some(fault) = &t.fault {
        return Finding::Unverified(format!("{}: {fault}", t.model.id));
    }
    if t.cds.is_none() {
        return Finding::Unverified(format!("{} is not coding", t.model.id));
    }
    let agrees = match rule {
        Rule::Coding(text) => check_coding(text, t, ground),
        Rule::LossOfFunction(None) | Rule::Mutation => known(t, 1, t.protein.len() as u32),
        Rule::LossOfFunction(Some((a, b)))
        | Rule::Deletion(a, b)
        | Rule::Insertion(a, b)
        | Rule::TandemDuplication(a, b)
        | Rule::Frameshift(a, b)
        | Rule::Altering(a, b) => known(t, *a, *b),
        Rule::Splice(..) | Rule::Named(_) | Rule::Exact { .. } | Rule::Codon { .. } => {
            check_sites(rule, t, ground)
        }
        Rule::NotAssessable(_) => Ok(Ok(())),
    };
    told(agrees, t, ground)
}

/// `Err`: contradicted; `Ok(Err)`: not known; `Ok(Ok)`: agrees.
type Agreement = Result<Result<(), String>, String>;

fn told(agrees: Agreement, t: &Transcript, ground: Ground) -> Finding {
    match agrees {
        Err(why) => Finding::Rejected(why),
        Ok(Err(why)) => Finding::Unverified(why),
        Ok(Ok(())) => Finding::Verified(on(t, ground)),
    }
}

/// Are codons `a..=b` there and known?
fn known(t: &Transcript, a: u32, b: u32) -> Agreement {
    if b as usize > t.protein.len() {
        return Err(format!("{} has no codon {b}", t.model.id));
    }
    let unknown = (a..=b).filter(|c| t.residue(*c) == Some(UNKNOWN)).count();
    Ok(if unknown == 0 {
        Ok(())
    } else {
        Err(format!(
            "the reference does not know {unknown} of codons {a} to {b} of {}",
            t.model.id
        ))
    })
}

fn check_sites(rule: &Rule, t: &Transcript, ground: Ground) -> Agreement {
    let sites = rule.sites(t)?;
    let unknown = |s: &Span| ground.reference.bases(t.model.contig, *s).contains(&b'N');
    if let Some(codon) = rule.unknown_codon(t) {
        return Ok(Err(format!(
            "the reference does not know codon {codon} of {}",
            t.model.id
        )));
    }
    Ok(if sites.iter().any(unknown) {
        Err("the reference does not know its bases".into())
    } else {
        Ok(())
    })
}

fn check_coding(text: &str, t: &Transcript, ground: Ground) -> Agreement {
    let coding = Coding::parse(text).ok_or_else(|| format!("{text} cannot be read"))?;
    let variant = coding
        .variant(t, ground.reference)
        .map_err(|why| format!("{text}: {why}"))?;
    Ok(variant
        .map(|_| ())
        .ok_or_else(|| "the reference does not know its bases".into()))
}

/// The place and descriptions that a source gives beside its name, against the name.
fn check_place(row: &Row, ground: Ground, same: SameTranscript) -> Option<Finding> {
    let text = row.field("locus");
    if text.is_empty() {
        return None;
    }
    Some(match place(row, text, ground, same) {
        Err(why) => Finding::Rejected(why),
        Ok(Err(why)) => Finding::Unverified(why),
        Ok(Ok(on)) => Finding::Verified(on),
    })
}

fn place(
    row: &Row,
    text: &str,
    ground: Ground,
    same: SameTranscript,
) -> Result<Result<String, String>, String> {
    let place = Place::parse(text).ok_or_else(|| format!("{text:?} is no place"))?;
    let build = build_of(ground.reference);
    if build != Some(place.build) {
        let ours = build.unwrap_or("of no known build");
        return Ok(Err(format!(
            "its place is of {}, the reference is {ours}",
            place.build
        )));
    }
    let Some(contig) = ground.reference.contig_called(place.contig) else {
        return Ok(Err(format!("the reference has no contig {}", place.contig)));
    };
    if place.span.end > ground.reference.contig(contig).length {
        return Err(format!("{text} lies beyond the end of its contig"));
    }
    let bases_known =
        place.span.len() > 1000 || !ground.reference.bases(contig, place.span).contains(&b'N');
    if !bases_known {
        return Ok(Err("the reference does not know its bases".into()));
    }
    let Some(t) = ground.genes.of_gene(&row.gene) else {
        return Ok(Err(format!(
            "the gene model has no {} on this reference",
            row.gene
        )));
    };
    if t.model.contig != contig || !place.span.overlaps(t.span().widened(5000, u32::MAX)) {
        return Err(format!("{text} does not lie in {}", row.gene));
    }
    if let Some(v) = place.variant(contig, ground)? {
        let index = ground
            .genes
            .transcripts
            .iter()
            .position(|other| std::ptr::eq(other, t));
        if let Some(e) = index.and_then(|i| effect(&v, i, t, ground.reference)) {
            if let Some(ProteinChange::Unknown { reason }) = &e.protein {
                return Ok(Err(reason.clone()));
            }
            let a = row.expression.single();
            // The rules of a profile of several are not all of one variant.
            if a.is_some_and(|a| !a.rules.iter().any(|r| agrees(r, &e, t))) {
                let protein = e.protein.as_ref().map(ProteinChange::short);
                let protein = protein.unwrap_or_default();
                if let Some(theirs) = other_transcript(row, &row.gene, ground, same) {
                    return Ok(Err(format!(
                        "it is numbered on {theirs}: on {} it is {protein}",
                        t.model.id
                    )));
                }
                return Err(format!(
                    "{text} is {} {protein} of {}, not {}",
                    e.hgvs_c, t.model.id, row.alteration
                ));
            }
            check_hgvs(row, &e, t, ground, same)?;
        }
    } else if let Some(a) = row.expression.single() {
        // An exon's own place does not hold its splice sites.
        let near = place.span.widened(2, u32::MAX);
        let outside = |r: &Rule| {
            r.sites(t)
                .is_ok_and(|s| !s.iter().any(|s| s.overlaps(near)))
        };
        if !a.rules.is_empty() && a.rules.iter().all(outside) {
            return Err(format!("{text} does not hold {}", row.alteration));
        }
    }
    Ok(Ok(on(t, ground)))
}

/// Does a variant fit a rule, or can the rule not be told from it?
fn agrees(rule: &Rule, e: &Effect, t: &Transcript) -> bool {
    match rule {
        // A place that stands for a class is an example of it.
        Rule::Exact { .. } | Rule::Named(_) => rule.matches(e, t),
        Rule::Coding(text) => {
            Coding::parse(text).is_none() || rule.matches(e, t) || shifted(text, &e.hgvs_c)
        }
        Rule::Codon { position, .. } => e
            .protein
            .as_ref()
            .and_then(ProteinChange::codons)
            .is_none_or(|(a, b)| a <= *position && *position <= b),
        _ => true,
    }
}

/// Descriptions of insertions and deletions may differ by the 3' rule alone.
fn shifted(a: &str, b: &str) -> bool {
    !a.contains('>') && !b.contains('>')
}

/// Descriptions on the transcript at hand must give the change that the place gives.
fn check_hgvs(
    row: &Row,
    e: &Effect,
    t: &Transcript,
    ground: Ground,
    same: SameTranscript,
) -> Result<(), String> {
    for text in row.field("hgvs").split(';').filter(|h| h.contains(":c.")) {
        let Some((id, description)) = text.split_once(':') else {
            continue;
        };
        let (id, ours) = (without_version(id), without_version(&t.model.id));
        if id != ours && !same(&row.gene, id, ours) {
            continue;
        }
        let Some(coding) = Coding::parse(&description.replace(' ', "")) else {
            return Err(format!("{text} cannot be read"));
        };
        let variant = coding
            .variant(t, ground.reference)
            .map_err(|why| format!("{text}: {why}"))?;
        let index = e.transcript;
        let again = variant.and_then(|v| effect(&v, index, t, ground.reference));
        if again.is_some_and(|a| a.hgvs_c != e.hgvs_c) {
            return Err(format!("{text} is not {}, which its place gives", e.hgvs_c));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::annotate::knowledge::base::Base;
    use crate::annotate::tests::{demo_genes, demo_reference};

    fn checked(expression: &str, locus: &str, hgvs: &str) -> Finding {
        let reference = demo_reference();
        let genes = demo_genes(reference);
        let ground = Ground {
            reference,
            genes: &genes,
        };
        let text = format!(
            "id\tsources\texpression\tlocus\thgvs\nX\tPAPER|1\t{expression}\t{locus}\t{hgvs}\n"
        );
        let (base, rejects) = Base::parse("t", &text).unwrap();
        assert_eq!(rejects, []);
        check(&base.rows[0], ground, &|_, a, b| {
            [(a, b), (b, a)].contains(&("NM_005228", "ENST00000275493"))
        })
    }

    #[test]
    fn what_the_sequence_contradicts_is_rejected() {
        let place = "GRCh37:7:55259515-55259515:T:G:ENST00000275493.2";
        for (expression, locus, hgvs, status, words) in [
            ("EGFR L858R", "", "", "verified", "GRCh37 NM_"),
            (
                "EGFR L858R",
                place,
                "NM_005228.3:c.2573T>G",
                "verified",
                "GRCh37 NM_",
            ),
            ("EGFR A858R", "", "", "rejected", "has L at codon 858"),
            ("EGFR L858P", place, "", "rejected", "L858R"),
            (
                "EGFR L858R",
                "GRCh37:7:55259515-55259515:A:G:",
                "",
                "rejected",
                "has T at 7:55259515, not A",
            ),
            (
                "EGFR L858R",
                "GRCh37:7:140453136-140453136:A:T:",
                "",
                "rejected",
                "does not lie in EGFR",
            ),
            (
                "EGFR L858R",
                place,
                "NM_005228.3:c.2573A>G",
                "rejected",
                "has T there, not A",
            ),
            (
                "EGFR L858R",
                place,
                "NM_005228.3:c.2572C>A",
                "rejected",
                "is not c.2573T>G",
            ),
            ("EGFR L858R", place, "NM_9.9:c.1A>G", "verified", "GRCh37"),
            (
                "EGFR L858R",
                "GRCh38:7:55191822-55191822:T:G:",
                "",
                "unverified",
                "of GRCh38",
            ),
            (
                "EGFR T790",
                "GRCh37:7:55249070-55249072:-:-:",
                "",
                "verified",
                "GRCh37",
            ),
            (
                "EGFR T790",
                "GRCh37:7:55259515-55259517:-:-:",
                "",
                "rejected",
                "does not hold",
            ),
            (
                "EGFR A858R",
                "GRCh37:7:55259515-55259515:T:G:ENST00000455089.1",
                "",
                "unverified",
                "numbered on ENST00000455089.1",
            ),
            ("EGFR L9000R", "", "", "rejected", "no codon 9000"),
            ("EGFR c.2573A>G", "", "", "rejected", "has T there"),
            ("EGFR c.2573T>G", "", "", "verified", "GRCh37"),
            ("EGFR p.E746_A750del", "", "", "verified", "GRCh37"),
            ("EGFR p.A746_A750del", "", "", "rejected", "at codon 746"),
            ("EGFR mutation", "", "", "unverified", "does not know"),
            ("EGFR del:729-9999", "", "", "rejected", "no codon 9999"),
            ("NOSUCH L858R", "", "", "unverified", "no NOSUCH"),
            ("ALK fusion", place, "", "no locus", "fusions"),
            ("EGFR L858R AND EGFR A790M", "", "", "rejected", "codon 790"),
            ("NOT EGFR L858R", "", "", "verified", "GRCh37"),
        ] {
            let found = checked(expression, locus, hgvs);
            assert_eq!(
                found.status(),
                status,
                "{expression} {locus} {hgvs}: {found:?}"
            );
            assert!(found.words().contains(words), "{expression}: {found:?}");
        }
    }
}
