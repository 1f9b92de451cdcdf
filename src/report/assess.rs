//! For each actionable locus one of three answers: detected, not detected at or above a fraction of
//! molecules, or not assessed and why. What was not seen is never called absent.

use super::panel::Panel;
use crate::annotate::alteration::Unassessable;
use crate::annotate::knowledge::{Direction, Row};
use crate::annotate::{GeneModel, Knowledge, Relation, Rule, Transcript, Tumor};
use crate::call::filter::{LEAST_DEPTH, LEAST_ODDS};
use crate::call::genotype::fraction_odds;
use crate::call::limit::detectable_fraction;
use crate::domain::Span;
use crate::format::depth::Depth;
use crate::genome::Reference;
use schemars::JsonSchema;
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};

/// Fewest fragments that a claim counts on, whatever the caller's odds say. Four: at 2,000 fragments
/// and an error of 1 in 10,000 (overlapping mates that agree) four or more false ones are seen in 6 of
/// 100,000 places.
pub const MIN_SUPPORT: u32 = 4;
/// Error of the fragments that a claim counts on, at Q30, and as one of three wrong bases.
const ERROR: f64 = 1e-3;
/// The caller looks at no more fragments of a place than this.
const MOST_FRAGMENTS: u32 = 10_000;
/// No smaller fraction is claimed, however deep. At Q30 and 2,000 fragments ten carriers (0.5 %)
/// are less likely a variant than errors (log10 odds -2.6), so that without molecular barcodes the
/// promise ends at about 2 %.
pub const ERROR_FLOOR: f64 = 0.02;
/// A claim weaker than this says nothing: a clonal heterozygous variant of a pure sample has it.
pub const WORST_CLAIM: f64 = 0.5;

/// Fragments that must carry an allele before the caller passes it: [`MIN_SUPPORT`], and as many as
/// its odds need if all fragments have Q30. Grows with depth, since so does the number of errors.
pub fn support_needed(depth: u32) -> u32 {
    let gain = ((1.0 - ERROR) / (ERROR / 3.0)).log2();
    let passes = |k: u32| {
        let gains: Vec<f64> = (0..depth)
            .map(|i| if i < k { gain } else { -gain })
            .collect();
        fraction_odds(&gains) >= LEAST_ODDS
    };
    (MIN_SUPPORT..depth)
        .find(|&k| passes(k))
        .unwrap_or(depth.max(MIN_SUPPORT))
}

/// What the report claims for a depth: the detectable fraction, not below the error floor, rounded
/// up to a tenth of a percent; or why nothing can be claimed. Germline calling promises heterozygotes
/// only.
pub fn claim(depth: u32, somatic: bool) -> Result<f64, String> {
    if depth < LEAST_DEPTH {
        return Err(format!(
            "depth {depth} is below the {LEAST_DEPTH} fragments that a call needs"
        ));
    }
    let depth = depth.min(MOST_FRAGMENTS);
    let f = detectable_fraction(depth, support_needed(depth)).unwrap_or(1.0);
    let f = (f.max(ERROR_FLOOR) * 1000.0 - 1e-9).ceil() / 1000.0;
    if f > WORST_CLAIM {
        return Err(format!(
            "depth {depth} would show only a variant in {:.0} % of molecules or more",
            f * 100.0
        ));
    }
    Ok(if somatic { f } else { WORST_CLAIM })
}

/// What became of a locus.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
#[serde(tag = "status", rename_all = "snake_case")]
pub enum Outcome {
    /// Variants that meet one of its rules were called.
    Detected {
        /// Their indices among the findings.
        findings: Vec<usize>,
    },
    /// None was, and one in at least this fraction of molecules would have been (95 %).
    NotDetected {
        /// Fraction, 0 to 1.
        at_least: f64,
    },
    /// It cannot be told.
    NotAssessed {
        /// Why.
        reason: String,
    },
}

/// An actionable locus and what became of it.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct Locus {
    /// Gene symbol.
    pub gene: String,
    /// The alteration, such as `L858R`, `codon V600`, `Exon 19 deletion`.
    pub name: String,
    /// What counts as this alteration.
    pub rule: String,
    /// What became of it.
    #[serde(flatten)]
    pub outcome: Outcome,
    /// Depth of its worst base; `null` if not known.
    pub worst_depth: Option<u32>,
    /// The places that must be seen, `CONTIG:START-END`, counted from 1.
    pub places: Vec<String>,
    /// Therapies that the knowledge links to it for the tumor at hand.
    pub therapies: Vec<String>,
    /// How the nearest statement's tumor relates to the one at hand.
    pub relation: Relation,
    /// The place was recomputed on a reference sequence when the knowledge was made.
    pub verified: bool,
    #[serde(skip)]
    pub(super) rules: Vec<Rule>,
}

impl Locus {
    /// A locus that was not judged yet.
    pub(super) fn of(gene: &str, rules: Vec<Rule>) -> Locus {
        Locus {
            gene: gene.into(),
            name: String::new(),
            rule: String::new(),
            outcome: Outcome::NotAssessed {
                reason: String::new(),
            },
            worst_depth: None,
            places: Vec::new(),
            therapies: Vec::new(),
            relation: Relation::Other,
            verified: false,
            rules,
        }
    }
}

/// What makes an alteration actionable: a statement for or against a therapy.
fn speaks_of_therapy(row: &Row) -> bool {
    row.direction != Direction::Context
}

/// An alteration that this kind of assay cannot show.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Unseen {
    /// Gene symbol or biomarker.
    pub gene: String,
    /// The alteration.
    pub name: String,
    /// Why it is not assessed.
    pub reason: String,
    /// Therapies that the knowledge links to it for the tumor at hand.
    pub therapies: Vec<String>,
}

/// What is needed to judge a locus.
pub struct Assessor<'a> {
    /// The reference.
    pub reference: &'a Reference,
    /// Transcripts of the panel's genes.
    pub genes: &'a GeneModel,
    /// The targets.
    pub panel: &'a Panel,
    /// How deep they were seen; `None` if no depth file was given.
    pub depth: Option<&'a Depth>,
    /// Called at any fraction; otherwise as germline genotypes.
    pub somatic: bool,
    /// Genes of which nothing may be said, for nobody agreed to it.
    pub withheld: &'a BTreeSet<String>,
}

/// Of a gene of which nothing may be said.
pub const WITHHELD: &str = "not requested: the consent does not name the gene";

/// Groups the knowledge's rules for assessable alterations into loci: one for each codon, and one for
/// each class of alteration. In the order of the table.
pub fn loci(knowledge: &Knowledge, tumor: &Tumor) -> Vec<Locus> {
    let mut groups: Vec<Locus> = Vec::new();
    let mut at: BTreeMap<(String, Key), usize> = BTreeMap::new();
    for row in knowledge.rows.iter().filter(|r| speaks_of_therapy(r)) {
        let alterations = row.alterations();
        for (gene, rule) in alterations.flat_map(|a| a.rules.iter().map(|r| (&a.gene, r))) {
            let Some(key) = Key::of(rule) else { continue };
            let i = *at.entry((gene.clone(), key)).or_insert_with(|| {
                groups.push(Locus::of(gene, Vec::new()));
                groups.len() - 1
            });
            let locus = &mut groups[i];
            if !locus.rules.contains(rule) {
                locus.rules.push(rule.clone());
            }
            locus.verified |= !row.verified.is_empty();
            if row.single().len() == 1 && rule.breadth() >= 2 && locus.name.is_empty() {
                locus.name.clone_from(&row.alteration);
            }
            let relation = row.relation(tumor);
            locus.relation = locus.relation.min(relation);
            if relation != Relation::Other {
                let therapy = match row.direction {
                    Direction::Sensitivity => row.therapy.clone(),
                    Direction::Resistance | Direction::Context => {
                        format!("{} (resistance)", row.therapy)
                    }
                };
                if !locus.therapies.contains(&therapy) {
                    locus.therapies.push(therapy);
                }
            }
        }
    }
    for locus in &mut groups {
        locus.rules.sort();
        locus.rule = describe(&locus.rules);
        if locus.name.is_empty() {
            locus.name = sentence(&short_name(&locus.rules));
        }
    }
    groups
}

/// What makes two rules one locus.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Key {
    Codon(u32),
    Class(Rule),
}

impl Key {
    fn of(rule: &Rule) -> Option<Key> {
        match rule {
            Rule::NotAssessable(_) => None,
            Rule::Exact { position, .. } | Rule::Codon { position, .. } => {
                Some(Key::Codon(*position))
            }
            class => Some(Key::Class(class.clone())),
        }
    }
}

/// With a capital in front.
pub(super) fn sentence(text: &str) -> String {
    let mut letters = text.chars();
    letters
        .next()
        .map_or_else(String::new, |c| c.to_uppercase().chain(letters).collect())
}

fn describe(rules: &[Rule]) -> String {
    rules
        .iter()
        .map(Rule::describe)
        .collect::<Vec<_>>()
        .join("; ")
}

/// `G12` for any change of the codon, `L858R` for one, `G719A/C/S` for several.
fn short_name(rules: &[Rule]) -> String {
    let mut name = String::new();
    for rule in rules {
        match *rule {
            Rule::Codon {
                position,
                reference,
            } => return format!("{}{position}", reference as char),
            Rule::Exact {
                position,
                reference,
                alternate,
            } if name.is_empty() => {
                name = format!("{}{position}{}", reference as char, alternate as char);
            }
            Rule::Exact { alternate, .. } => {
                name.push('/');
                name.push(alternate as char);
            }
            _ => return describe(rules),
        }
    }
    name
}

impl Assessor<'_> {
    /// The transcript on which a gene's loci are laid, if the panel touches the gene.
    pub fn transcript(&self, gene: &str) -> Option<&Transcript> {
        self.genes.of_gene(gene)
    }

    /// Judges a locus given the findings that meet its rules and, as `filtered`, those that would
    /// but were not called with confidence (their names and filters).
    pub fn judge(&self, locus: &mut Locus, findings: Vec<usize>, filtered: &[String]) {
        let outcome = self.seen(locus);
        locus.outcome = if !findings.is_empty() {
            Outcome::Detected { findings }
        } else if !filtered.is_empty() {
            Outcome::NotAssessed {
                reason: format!("a call here was filtered: {}", filtered.join(", ")),
            }
        } else {
            match outcome {
                Ok(at_least) => Outcome::NotDetected { at_least },
                Err(reason) => Outcome::NotAssessed { reason },
            }
        };
    }

    /// Lays the locus on the genome, notes its places and worst depth, and says what absence of a
    /// call means.
    pub(super) fn seen(&self, locus: &mut Locus) -> Result<f64, String> {
        if self.withheld.contains(&locus.gene) {
            return Err(WITHHELD.into());
        }
        let t = self
            .transcript(&locus.gene)
            .ok_or("the panel does not touch the gene, or the gene model lacks it")?;
        let contig = t.model.contig;
        let name = &self.reference.contig(contig).name;
        let spell = |s: Span| {
            if s.len() == 1 {
                format!("{name}:{}", s.end)
            } else {
                format!("{name}:{}-{}", s.start + 1, s.end)
            }
        };
        // The sites of all rules of a locus are the same codon or stretch.
        let sites = locus.rules[0].sites(t)?;
        locus.places = sites.iter().map(|s| spell(*s)).collect();
        if let Some(depth) = self.depth {
            locus.worst_depth = sites
                .iter()
                .map(|s| depth.worst(contig, *s).depth)
                .min()
                .flatten();
        }
        let total: u32 = sites.iter().map(|s| s.len()).sum();
        let outside: Vec<Span> = sites
            .iter()
            .flat_map(|s| self.panel.outside(contig, *s))
            .collect();
        let missing: u32 = outside.iter().map(|s| s.len()).sum();
        if missing == total {
            return Err("it lies outside the panel".into());
        }
        if missing > 0 {
            let first: Vec<String> = outside.iter().take(3).map(|s| spell(*s)).collect();
            return Err(format!(
                "{missing} of {total} bases lie outside the panel: {}{}",
                first.join(", "),
                if outside.len() > 3 { ", ..." } else { "" }
            ));
        }
        if let Some(codon) = locus.rules[0].unknown_codon(t) {
            return Err(format!(
                "the reference does not know the bases of codon {codon}"
            ));
        }
        if let Some(Rule::TandemDuplication(..)) = locus.rules.first() {
            return Err("none was called, but a duplication longer than short reads show cannot be excluded".into());
        }
        let depth = self.depth.ok_or("no depth file was given")?;
        let worst = sites
            .iter()
            .map(|s| depth.worst(contig, *s))
            .min_by_key(|w| w.depth)
            .ok_or("it has no base")?;
        let at = spell(Span::new(worst.pos, worst.pos + 1));
        match worst.depth {
            None => Err(format!("the depth file does not speak of {at}")),
            Some(d) => claim(d, self.somatic).map_err(|why| format!("{why} ({at})")),
        }
    }
}

/// Alterations that the assay cannot show: those with a therapy for the tumor at hand, and how many
/// others there are.
pub fn unseen(knowledge: &Knowledge, tumor: &Tumor) -> (Vec<Unseen>, usize) {
    let mut here: BTreeMap<(String, Unassessable), (String, Vec<String>)> = BTreeMap::new();
    let mut elsewhere = BTreeSet::new();
    for row in knowledge.rows.iter().filter(|r| speaks_of_therapy(r)) {
        let alterations = row.alterations();
        for (gene, rule) in alterations.flat_map(|a| a.rules.iter().map(|r| (&a.gene, r))) {
            let Rule::NotAssessable(kind) = rule else {
                continue;
            };
            let key = (gene.clone(), *kind);
            if row.relation(tumor) == Relation::Other {
                elsewhere.insert(key);
                continue;
            }
            let (_, therapies) = here
                .entry(key)
                .or_insert_with(|| (row.alteration.clone(), Vec::new()));
            if !therapies.contains(&row.therapy) {
                therapies.push(row.therapy.clone());
            }
        }
    }
    elsewhere.retain(|k| !here.contains_key(k));
    let list = here
        .into_iter()
        .map(|((gene, kind), (name, therapies))| Unseen {
            gene,
            name,
            reason: kind.reason().into(),
            therapies,
        })
        .collect();
    (list, elsewhere.len())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::call::limit::chance_of_support;

    #[test]
    fn depths_for_95_percent_are_those_of_the_binomial() {
        // Depth at which k supporting fragments of a fraction are seen with 95 %.
        for (k, table) in [
            (3, [(0.005, 1258), (0.01, 628), (0.02, 313), (0.05, 124)]),
            (4, [(0.005, 1549), (0.01, 773), (0.02, 386), (0.05, 153)]),
            (5, [(0.005, 1829), (0.01, 913), (0.02, 456), (0.05, 181)]),
        ] {
            for (f, depth) in table {
                assert!(detectable_fraction(depth, k).unwrap() <= f, "{k} {f}");
                assert!(detectable_fraction(depth - 1, k).unwrap() > f, "{k} {f}");
            }
        }
    }

    #[test]
    fn four_false_fragments_are_as_rare_as_the_constant_says() {
        assert!((chance_of_support(2000, 1e-4, 4) - 6e-5).abs() < 1e-5);
        assert!((chance_of_support(2000, 1e-3, 5) - 0.053).abs() < 1e-3);
    }

    #[test]
    fn claims_round_up_and_stop_at_the_floor() {
        assert!((claim(1_000_000, true).unwrap() - ERROR_FLOOR).abs() < 1e-12);
        assert!((claim(1_000_000, false).unwrap() - 0.5).abs() < 1e-12);
        assert!(claim(0, true).unwrap_err().contains("below the 10"));
        assert!(claim(9, true).is_err());
        assert!(claim(11, true).unwrap_err().contains("would show only"));
        let f = claim(153, true).unwrap();
        let exact = detectable_fraction(153, support_needed(153)).unwrap();
        assert!(f >= exact && f < exact + 0.001, "{f} {exact}");
        for depth in 20..400 {
            assert!(claim(depth, true).unwrap() >= claim(depth + 200, true).unwrap() - 1e-12);
        }
    }

    #[test]
    fn a_claim_counts_on_what_the_caller_passes() {
        let needed: Vec<u32> = [20, 153, 386, 773, 2000, 5000].map(support_needed).to_vec();
        assert_eq!(needed, [4, 5, 7, 8, 11, 16]);
    }

    #[test]
    fn loci_are_codons_and_classes() {
        let k = Knowledge::shipped();
        let all = loci(&k, &k.tumors.find("NSCLC").unwrap());
        let named: Vec<&str> = all
            .iter()
            .filter(|l| l.gene == "EGFR")
            .map(|l| l.name.as_str())
            .collect();
        assert_eq!(
            named,
            [
                "L858R",
                "Exon 19 deletion",
                "T790M",
                "Exon 20 insertion",
                "G719A/C/S",
                "S768I",
                "L861Q"
            ]
        );
        let g12 = all
            .iter()
            .find(|l| l.gene == "KRAS" && l.name == "G12")
            .unwrap();
        assert_eq!(g12.rule, "G12C; any substitution of G12");
        assert!(g12.therapies.contains(&"Sotorasib".to_string()));
        assert!(
            !all.iter()
                .any(|l| l.gene == "ALK" && l.name.contains("usion"))
        );
    }

    #[test]
    fn what_dna_cannot_show_is_listed_with_its_reason() {
        let k = Knowledge::shipped();
        let (here, elsewhere) = unseen(&k, &k.tumors.find("LUAD").unwrap());
        let alk = here.iter().find(|u| u.gene == "ALK").unwrap();
        assert!(alk.reason.contains("RNA") && alk.therapies.contains(&"Alectinib".to_string()));
        assert!(here.iter().any(|u| u.gene == "TMB"));
        assert!(!here.iter().any(|u| u.gene == "MGMT") && elsewhere > 0);
    }
}
