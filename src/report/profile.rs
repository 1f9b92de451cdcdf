//! Whether a molecular profile holds for the sample: each alteration is there, absent at a stated limit,
//! or not assessed, and AND, OR and NOT follow from that.

use super::WildType;
use super::assess::{Assessor, Locus};
use super::evidence::Finding;
use crate::annotate::knowledge::Direction;
use crate::annotate::{Alteration, Effect, Expression, Knowledge, Relation, Rule, Truth, Tumor};

/// What was called in the sample, and the means to judge what was not.
pub(super) struct Sample<'a> {
    pub assessor: &'a Assessor<'a>,
    passed: Vec<Change>,
    filtered: Vec<Change>,
}

/// A change of a gene's transcript.
struct Change {
    gene: String,
    name: String,
    effect: Effect,
}

impl<'a> Sample<'a> {
    pub fn new(assessor: &'a Assessor<'a>, passed: &[Finding], filtered: &[Finding]) -> Sample<'a> {
        let changes = |all: &[Finding]| {
            all.iter()
                .filter_map(|f| {
                    Some(Change {
                        gene: f.gene.clone(),
                        name: f.name.clone(),
                        effect: f.effect.clone()?,
                    })
                })
                .collect()
        };
        Sample {
            assessor,
            passed: changes(passed),
            filtered: changes(filtered),
        }
    }

    pub fn holds(&self, e: &Expression) -> Truth {
        e.evaluate(&mut |a| self.alteration(a))
    }

    fn alteration(&self, a: &Alteration) -> Truth {
        a.rules
            .iter()
            .map(|r| self.rule(&a.gene, r))
            .max()
            .unwrap_or(Truth::Unknown)
    }

    fn rule(&self, gene: &str, rule: &Rule) -> Truth {
        if self.met(&self.passed, gene, rule).is_some() {
            return Truth::True;
        }
        // A call that was filtered is neither there nor absent.
        if self.met(&self.filtered, gene, rule).is_some() {
            return Truth::Unknown;
        }
        let mut locus = Locus::of(gene, vec![rule.clone()]);
        match self.assessor.seen(&mut locus) {
            Ok(_) => Truth::False,
            Err(_) => Truth::Unknown,
        }
    }

    fn met<'b>(&self, changes: &'b [Change], gene: &str, rule: &Rule) -> Option<&'b Change> {
        changes.iter().find(|c| {
            let t = &self.assessor.genes.transcripts[c.effect.transcript];
            c.gene == gene && rule.matches(&c.effect, t)
        })
    }

    /// Which parts of a profile could not be told, in words.
    pub fn open(&self, e: &Expression) -> String {
        let open: Vec<String> = e
            .alterations()
            .into_iter()
            .filter(|(a, _)| self.alteration(a) == Truth::Unknown)
            .map(|(a, wanted)| format!("{}{a}", if wanted { "" } else { "NOT " }))
            .collect();
        format!(
            "applies only with {}, which was not assessed",
            open.join(" and ")
        )
    }

    /// Therapies for this tumor that ask for nothing but the absence of alterations.
    pub fn wild_type(&self, knowledge: &Knowledge, tumor: &Tumor) -> Vec<WildType> {
        knowledge
            .rows
            .iter()
            .filter(|r| r.direction == Direction::Sensitivity && r.accepted)
            .filter(|r| r.relation(tumor) != Relation::Other)
            .filter_map(|row| {
                let all = row.expression.alterations();
                if all.iter().any(|(_, wanted)| *wanted) {
                    return None;
                }
                let (status, reason) = match self.holds(&row.expression) {
                    Truth::True => ("supported", format!("{} holds", row.expression)),
                    Truth::Unknown => (
                        "not_assessed",
                        format!(
                            "wild type cannot be claimed: {}",
                            self.open(&row.expression)
                        ),
                    ),
                    Truth::False => {
                        let found: Vec<String> = all
                            .iter()
                            .flat_map(|(a, _)| a.rules.iter().map(move |r| (a, r)))
                            .filter_map(|(a, r)| self.met(&self.passed, &a.gene, r))
                            .map(|c| format!("{} {}", c.gene, c.name))
                            .collect();
                        ("not_supported", format!("detected: {}", found.join(", ")))
                    }
                };
                Some(WildType {
                    therapy: row.therapy.clone(),
                    status,
                    reason,
                    rows: vec![row.id.clone()],
                })
            })
            .collect()
    }
}
