//! Calls to findings: annotation, matching statements, tier, caveats.

use super::pileup::Pileup;
use super::profile::Sample;
use super::review::Opinion;
use crate::annotate::consequence::{effect, hgvs_g};
use crate::annotate::knowledge::{Direction, Label, Row, Source, Support};
use crate::annotate::{
    Consequence, Effect, GeneModel, Knowledge, ProteinChange, Relation, Rule, Truth, Tumor,
};
use crate::call::allele::normalized;
use crate::domain::Variant;
use crate::format::calls::{Call, Phase};
use crate::genome::Reference;
use schemars::JsonSchema;
use serde::Serialize;

/// Genes whose variants matter for the dose of drugs, and not as targets or for a disease of their own.
pub(super) const PHARMACOGENES: [&str; 17] = [
    "ABCG2", "CYP2B6", "CYP2C19", "CYP2C9", "CYP2D6", "CYP3A4", "CYP3A5", "CYP4F2", "DPYD", "G6PD",
    "IFNL3", "MT-RNR1", "NUDT15", "SLCO1B1", "TPMT", "UGT1A1", "VKORC1",
];

/// AMP/ASCO/CAP tier (2017), computed as PCGR does; most important first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, JsonSchema)]
pub enum Tier {
    /// Strong significance: level A or B evidence for this tumor or for any.
    #[serde(rename = "I")]
    One,
    /// Potential significance: level A or B for another tumor, or C to E for this one.
    #[serde(rename = "II")]
    Two,
    /// Unknown significance: C to E for another tumor, or a change of the protein without evidence.
    #[serde(rename = "III")]
    Three,
}

impl Tier {
    /// `I`, `II`, `III`.
    pub fn roman(self) -> &'static str {
        ["I", "II", "III"][self as usize]
    }
}

/// The tier that one statement gives to an alteration. Only statements of sensitivity set tiers.
pub fn tier_of(direction: Direction, level: char, relation: Relation) -> Option<Tier> {
    if direction != Direction::Sensitivity {
        return None;
    }
    let strong = matches!(level, 'A' | 'B');
    Some(match (relation, strong) {
        (Relation::Other | Relation::PanCancer, false) => Tier::Three,
        (Relation::Other, true) | (Relation::Exact | Relation::Parent, false) => Tier::Two,
        (_, true) => Tier::One,
    })
}

/// What a statement means for the tumor at hand.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Standing {
    /// On a US label for this tumor.
    ApprovedHere,
    /// On a US label for another tumor.
    ApprovedElsewhere,
    /// Published evidence, no label.
    Investigational,
}

/// A statement of the knowledge that applies to a finding.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct Evidence {
    /// Row of the knowledge table.
    pub row: String,
    /// The alteration as the knowledge names it.
    pub alteration: String,
    /// `exact change`, `codon`, `class` or `gene`: which kind of rule matched.
    pub match_kind: &'static str,
    /// The rule in words.
    pub rule: String,
    /// Drug or combination.
    pub therapy: String,
    /// For or against, or neither.
    pub direction: Direction,
    /// What the statement is about: `Predictive`, `Prognostic`, ...
    pub about: &'static str,
    /// What it says, in CIViC's words.
    pub significance: String,
    /// Does its evidence support that?
    pub support: Support,
    /// CIViC's evidence level, A to E; `-` if none was given.
    pub level: char,
    /// The sequence on which the statement's locus was recomputed when the knowledge was made; empty if it
    /// was not.
    pub verified: String,
    /// The tumor that the statement is about.
    pub tumor: String,
    /// How that relates to the tumor at hand.
    pub relation: Relation,
    /// Label or literature, here or elsewhere.
    pub standing: Standing,
    /// The tier that this statement alone gives; `null` if it gives none.
    pub tier: Option<Tier>,
    /// Limits that apply.
    pub caveats: Vec<String>,
    /// Citations.
    pub sources: Vec<Source>,
}

/// A variant with what is known of it.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct Finding {
    /// `CONTIG-POSITION-REF-ALT`, as in the VCF: what a review names it by.
    pub id: String,
    /// Gene symbol; empty between genes.
    pub gene: String,
    /// Short name: `L858R`, or the c. or g. description where no protein change is known.
    pub name: String,
    /// Contig.
    pub contig: String,
    /// Position, counted from 1, as in the VCF.
    pub position: u64,
    /// VCF's REF.
    pub reference: String,
    /// VCF's ALT.
    pub alternate: String,
    /// `7:g.55259515T>G`.
    pub hgvs_g: String,
    /// Transcript of c. and p.; empty between genes.
    pub transcript: String,
    /// `c.2573T>G`.
    pub hgvs_c: String,
    /// `p.Leu858Arg`; empty where the protein is not touched.
    pub hgvs_p: String,
    /// Why the protein change is not known, if so.
    pub protein_unknown: Option<String>,
    /// Sequence Ontology terms, most severe first.
    pub consequences: Vec<&'static str>,
    /// `exon 21 of 28`, `intron 14 of 20`.
    pub region: String,
    /// The premature stop is expected to trigger decay of the RNA.
    pub nmd: Option<bool>,
    /// Fragments at the place.
    pub depth: Option<u32>,
    /// Fragments that carry it.
    pub support: Option<u32>,
    /// Reads: reference forward and reverse, alternate forward and reverse.
    pub strands: Option<[u32; 4]>,
    /// Fraction of fragments that carry it.
    pub fraction: Option<f64>,
    /// Its 95 % confidence interval (Wilson).
    pub fraction_ci: Option<(f64, f64)>,
    /// GT.
    pub genotype: String,
    /// Filters it failed; empty if it passed.
    pub filters: Vec<String>,
    /// AMP/ASCO/CAP tier; `null` for changes that leave the protein alone.
    pub tier: Option<Tier>,
    /// What decided the tier.
    pub tier_reason: String,
    /// Statements for a therapy, the most relevant first.
    pub sensitivity: Vec<Evidence>,
    /// Statements against a therapy.
    pub resistance: Vec<Evidence>,
    /// Statements about diagnosis, outcome or predisposition, and such as their evidence does not support:
    /// they set no tier.
    pub context: Vec<Evidence>,
    /// Set where the variant may be hereditary.
    pub germline: Option<String>,
    /// What a reader should know about this finding.
    pub notes: Vec<String>,
    /// The reads around it; `null` where no BAM was given, or too many stand before it.
    pub pileup: Option<Pileup>,
    /// What a person made of it.
    pub review: Opinion,
    #[serde(skip)]
    pub(super) effect: Option<Effect>,
    /// Copies in GT, where it is complete.
    #[serde(skip)]
    pub(super) copies: Option<u32>,
    #[serde(skip)]
    pub(super) phase: Phase,
    /// The variant, normalized.
    #[serde(skip)]
    pub(super) normal: Variant,
}

/// Genes whose variants in blood are most often of its ageing cells and not of a solid tumor (clonal
/// haematopoiesis: Jaiswal 2014, PMID 25426837; Genovese 2014, PMID 25426838; Razavi 2019, PMID 31768066).
const BLOOD_GENES: [&str; 13] = [
    "ASXL1", "CBL", "DNMT3A", "GNAS", "GNB1", "IDH2", "JAK2", "PPM1D", "SF3B1", "SRSF2", "TET2",
    "TP53", "U2AF1",
];

/// Above this fraction a clone of the blood would be most of it.
const MOST_OF_BLOOD: f64 = 0.3;

impl Finding {
    /// Points out what may be of the blood in a tumor that is not of it.
    fn note_blood(&mut self, tumor: &Tumor, somatic: bool) {
        let of_blood = ["MYELOID", "LYMPH"];
        let is = |code: &String| of_blood.contains(&code.as_str());
        let blood = is(&tumor.code) || tumor.ancestors.iter().any(is);
        let low = self.fraction.is_some_and(|f| f < MOST_OF_BLOOD);
        if somatic
            && !blood
            && low
            && self.tier.is_some()
            && BLOOD_GENES.contains(&self.gene.as_str())
        {
            self.notes.push(format!(
                "{} is a gene of clonal haematopoiesis: blood cells in the sample may carry it, not the tumor;                  a matched blood sample tells",
                self.gene
            ));
        }
    }

    /// Points out a change of the protein that the gene's other transcripts have and this one has not.
    fn note_others(&mut self, genes: &GeneModel, reference: &Reference) {
        if self
            .effect
            .as_ref()
            .is_some_and(|e| e.consequences[0].alters_protein())
        {
            return;
        }
        let found = genes.others.iter().enumerate().find_map(|(i, t)| {
            let e = effect(&self.normal, i, t, reference)?;
            (t.fault.is_none() && e.consequences[0].alters_protein()).then_some((t, e))
        });
        if let Some((t, e)) = found {
            let change = e
                .protein
                .as_ref()
                .map_or(e.hgvs_c.clone(), ProteinChange::hgvs);
            self.notes.push(format!(
                "{}, which does not stand for {} here, would be changed: {} ({}); the tier does not count it",
                t.model.id,
                t.model.gene,
                change,
                e.consequences[0].term().replace('_', " ")
            ));
        }
    }

    /// Is there evidence of resistance in this tumor?
    pub fn speaks_against(&self) -> bool {
        self.resistance
            .iter()
            .any(|e| e.relation != Relation::Other)
    }
}

/// Wilson's 95 % score interval for `k` of `n` (Wilson 1927).
pub fn wilson(k: u32, n: u32) -> (f64, f64) {
    const Z: f64 = 1.959_963_984_540_054;
    let (k, n) = (f64::from(k), f64::from(n));
    let p = k / n;
    let z2 = Z * Z;
    let center = (p + z2 / (2.0 * n)) / (1.0 + z2 / n);
    let half = Z / (1.0 + z2 / n) * (p * (1.0 - p) / n + z2 / (4.0 * n * n)).sqrt();
    ((center - half).max(0.0), (center + half).min(1.0))
}

/// Annotates a call with everything but its neighbours.
pub fn finding(
    call: &Call,
    reference: &Reference,
    genes: &GeneModel,
    knowledge: &Knowledge,
) -> Finding {
    let v = &call.variant;
    let best = genes
        .transcripts
        .iter()
        .enumerate()
        .filter_map(|(i, t)| effect(v, i, t, reference))
        // Genes overlap: the gene with the most severe consequence, then the one that knowledge speaks of.
        .min_by_key(|e| {
            let gene = &genes.transcripts[e.transcript].model.gene;
            (
                e.consequences[0],
                knowledge.of_gene(gene).next().is_none(),
                e.transcript,
            )
        });
    let t = best.as_ref().map(|e| &genes.transcripts[e.transcript]);
    let gene = t.map_or(String::new(), |t| t.model.gene.clone());
    let protein = best.as_ref().and_then(|e| e.protein.as_ref());
    let hgvs_g = hgvs_g(v, reference);
    let hgvs_c = best.as_ref().map_or(String::new(), |e| e.hgvs_c.clone());
    let name = match protein {
        Some(ProteinChange::Unknown { .. }) | None if !hgvs_c.is_empty() => hgvs_c.clone(),
        Some(p) => p.short(),
        None => hgvs_g.clone(),
    };
    // The caller's own fraction and interval, where it tells: of an insertion or deletion, support over
    // depth is not the fraction.
    let counted = match (call.support, call.depth) {
        (Some(k), Some(n)) if n > 0 => Some((f64::from(k) / f64::from(n), wilson(k.min(n), n))),
        _ => None,
    };
    let told = counted.and(call.fraction.zip(call.fraction_ci));
    let fraction = told.or(counted);
    let (before, after) = (
        String::from_utf8_lossy(&v.reference).into_owned(),
        String::from_utf8_lossy(&v.alternate).into_owned(),
    );
    let place = (&reference.contig(v.contig).name, v.pos.one_based());
    Finding {
        id: format!("{}-{}-{before}-{after}", place.0, place.1),
        name,
        contig: reference.contig(v.contig).name.clone(),
        position: v.pos.one_based(),
        reference: before,
        alternate: after,
        hgvs_g,
        transcript: t.map_or(String::new(), |t| t.model.id.clone()),
        hgvs_c,
        hgvs_p: protein.map_or(String::new(), ProteinChange::hgvs),
        protein_unknown: match protein {
            Some(ProteinChange::Unknown { reason }) => Some(reason.clone()),
            _ => None,
        },
        consequences: best.as_ref().map_or_else(
            || vec![Consequence::Intergenic.term()],
            |e| e.consequences.iter().map(|c| c.term()).collect(),
        ),
        region: best.as_ref().map_or(String::new(), region),
        nmd: best.as_ref().and_then(|e| e.nmd),
        depth: call.depth,
        support: call.support,
        strands: call.strands,
        fraction: fraction.map(|(f, _)| f),
        fraction_ci: fraction.map(|(_, ci)| ci),
        genotype: call.genotype.clone(),
        filters: call.filters.clone(),
        tier: None,
        tier_reason: String::new(),
        sensitivity: Vec::new(),
        resistance: Vec::new(),
        context: Vec::new(),
        germline: None,
        notes: Vec::new(),
        pileup: None,
        review: Opinion::default(),
        copies: call.copies,
        phase: call.phase.clone(),
        normal: normalized(v.clone(), reference),
        gene,
        effect: best,
    }
}

/// Adds what the knowledge states about a finding in its sample, and the tier that follows.
pub(super) fn state(f: &mut Finding, knowledge: &Knowledge, tumor: &Tumor, sample: &Sample) {
    let somatic = sample.assessor.somatic;
    let mut evidence = Vec::new();
    if let Some(e) = &f.effect {
        let t = &sample.assessor.genes.transcripts[e.transcript];
        for row in knowledge.of_gene(&f.gene) {
            // The most specific rule that matches speaks for the row.
            let rule = row
                .expression
                .alterations()
                .into_iter()
                .filter(|(a, wanted)| *wanted && a.gene == f.gene)
                .flat_map(|(a, _)| &a.rules)
                .filter(|r| r.matches(e, t))
                .min_by_key(|r| r.breadth());
            let Some(rule) = rule else { continue };
            let holds = match row.expression.single() {
                Some(_) => Truth::True,
                None => sample.holds(&row.expression),
            };
            if holds != Truth::False {
                let mut one = statement(row, rule, tumor, somatic);
                if holds == Truth::Unknown {
                    one.tier = None;
                    one.caveats.insert(0, sample.open(&row.expression));
                }
                evidence.push(one);
            }
        }
    }
    evidence.sort_by_key(|e| {
        (
            e.tier.unwrap_or(Tier::Three),
            e.standing,
            e.relation,
            e.level,
            e.row.clone(),
        )
    });
    let alters = f
        .effect
        .as_ref()
        .is_some_and(|e| e.consequences[0].alters_protein());
    for e in evidence {
        match e.direction {
            Direction::Sensitivity => f.sensitivity.push(e),
            Direction::Resistance => f.resistance.push(e),
            Direction::Context => f.context.push(e),
        }
    }
    (f.tier, f.tier_reason) = if PHARMACOGENES.contains(&f.gene.as_str()) {
        (
            None,
            "a pharmacogene: see pharmacogenetics; not tiered".into(),
        )
    } else if tumor.code.is_empty() {
        (None, "tiers are of tumors".into())
    } else {
        tier(&f.sensitivity, &f.resistance, alters, &f.gene)
    };
    f.germline = germline(f, knowledge, somatic);
    f.note_blood(tumor, somatic);
    f.note_others(sample.assessor.genes, sample.assessor.reference);
}

fn region(e: &Effect) -> String {
    match (e.exon, e.intron) {
        (Some((i, n)), _) => format!("exon {i} of {n}"),
        (None, Some((i, n))) => format!("intron {i} of {n}"),
        _ => String::new(),
    }
}

fn statement(row: &Row, rule: &Rule, tumor: &Tumor, somatic: bool) -> Evidence {
    let relation = row.relation(tumor);
    let here = relation != Relation::Other;
    let mut caveats = Vec::new();
    if !row.requires.is_empty() {
        caveats.push(format!(
            "applies together with {}, which this assay does not show",
            row.requires
        ));
    }
    if row.origin == "germline" && somatic {
        caveats.push("the statement is about hereditary variants: confirm in normal tissue".into());
    }
    if matches!(rule, Rule::LossOfFunction(_)) {
        caveats.push(
            "taken as loss of function by its kind; its pathogenicity was not reviewed".into(),
        );
    }
    if row.label == Label::Withdrawn {
        caveats.push("withdrawn from the US market: no approval stands".into());
    }
    if row.codes.is_empty() {
        caveats.push("its disease has no OncoTree code here: taken as another tumor".into());
    }
    if !row.accepted {
        caveats.push("not accepted by its editors yet: it sets no tier".into());
    }
    if row.verified.is_empty() {
        caveats
            .push("its locus was not recomputed on a reference when the knowledge was made".into());
    }
    if !row.note.is_empty() {
        caveats.push(row.note.clone());
    }
    // Without the partner, nothing is promised for other tumors.
    let tier = tier_of(row.direction, row.level, relation)
        .filter(|_| row.accepted && (row.requires.is_empty() || here));
    Evidence {
        row: row.id.clone(),
        alteration: row.alteration.clone(),
        match_kind: rule.kind(),
        rule: rule.describe(),
        therapy: row.therapy.clone(),
        direction: row.direction,
        about: row.kind.term(),
        significance: row.significance.clone(),
        support: row.support,
        level: row.level,
        verified: row.verified.clone(),
        tumor: row.tumor.clone(),
        relation,
        standing: match (row.label == Label::Approved, here) {
            (true, true) => Standing::ApprovedHere,
            (true, false) => Standing::ApprovedElsewhere,
            (false, _) => Standing::Investigational,
        },
        tier,
        caveats,
        sources: row.sources.clone(),
    }
}

fn tier(
    sensitivity: &[Evidence],
    resistance: &[Evidence],
    alters_protein: bool,
    gene: &str,
) -> (Option<Tier>, String) {
    let best = sensitivity
        .iter()
        .filter_map(|e| e.tier.map(|t| (t, e)))
        .min_by_key(|(t, e)| (*t, e.relation, e.level));
    if let Some((tier, e)) = best {
        return (
            Some(tier),
            format!(
                "level {} evidence for {} in {} ({}), matched by {}",
                e.level,
                e.therapy,
                e.tumor,
                e.relation.words(),
                e.match_kind
            ),
        );
    }
    if let Some(e) = resistance.iter().find(|e| e.relation != Relation::Other) {
        return (
            Some(Tier::Three),
            format!(
                "only evidence of resistance ({}): that sets no tier",
                e.therapy
            ),
        );
    }
    if alters_protein {
        let who = if gene.is_empty() { "it" } else { gene };
        return (
            Some(Tier::Three),
            format!(
                "changes the protein; the knowledge has no statement about this change of {who}"
            ),
        );
    }
    (
        None,
        "no predicted effect on the protein; not tiered".into(),
    )
}

/// Variants in hereditary cancer genes at a fraction that germline variants have: tumor-only
/// sequencing cannot tell. Thresholds: above 30 % for substitutions and 20 % for small indels
/// (ESMO Precision Medicine Working Group, PMID 31050713).
fn germline(f: &Finding, knowledge: &Knowledge, somatic: bool) -> Option<String> {
    let gene = knowledge.hereditary.get(&f.gene)?;
    if gene.category != "Cancer" {
        return None;
    }
    let e = f.effect.as_ref()?;
    let matters = e.protein.as_ref().is_some_and(ProteinChange::truncates)
        || e.consequences.iter().any(|c| {
            matches!(
                c,
                Consequence::SpliceAcceptor | Consequence::SpliceDonor | Consequence::StartLost
            )
        })
        || !f.sensitivity.is_empty();
    let threshold = if f.reference.len() == f.alternate.len() {
        0.30
    } else {
        0.20
    };
    if !matters || (somatic && f.fraction.is_none_or(|v| v < threshold)) {
        return None;
    }
    let mut text = format!("possible germline: {} ({})", gene.disease, gene.inheritance);
    text.push_str("; confirm in normal tissue and offer genetic counselling");
    if !gene.note.is_empty() {
        text.push_str(". Note: ");
        text.push_str(&gene.note);
    }
    Some(text)
}

/// Warns where two records change one codon: if they stand on one molecule, the codon's change is
/// neither of the two.
pub fn note_shared_codons(findings: &mut [Finding]) {
    let codons = |f: &Finding| {
        let e = f.effect.as_ref()?;
        let p = e.protein.as_ref()?;
        Some((e.transcript, p.codons()?))
    };
    let seen: Vec<_> = findings.iter().map(codons).collect();
    for i in 0..findings.len() {
        for j in 0..findings.len() {
            let (Some((t, (a, b))), Some((u, (c, d)))) = (seen[i], seen[j]) else {
                continue;
            };
            if i != j && t == u && a <= d && c <= b {
                let other = format!("{} ({})", findings[j].name, findings[j].hgvs_g);
                findings[i].notes.push(format!(
                    "{other} changes the same codon: if both are on one molecule the protein change is \
                     neither of the two"
                ));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pharmacogenes_are_those_that_ship() {
        let hereditary = Knowledge::shipped().hereditary;
        let ours: Vec<String> = PHARMACOGENES.iter().map(ToString::to_string).collect();
        let shipped = crate::pgx::gene::shipped().into_keys();
        let others = shipped.filter(|g| !hereditary.contains_key(g));
        assert_eq!(others.collect::<Vec<_>>(), ours);
    }

    #[test]
    fn tiers_follow_pcgr() {
        use Direction::{Resistance, Sensitivity};
        use Relation::{Exact, Other, PanCancer, Parent};
        for (direction, level, relation, tier) in [
            (Sensitivity, 'A', Exact, Some(Tier::One)),
            (Sensitivity, 'B', Parent, Some(Tier::One)),
            (Sensitivity, 'A', PanCancer, Some(Tier::One)),
            (Sensitivity, 'A', Other, Some(Tier::Two)),
            (Sensitivity, 'B', Other, Some(Tier::Two)),
            (Sensitivity, 'C', Exact, Some(Tier::Two)),
            (Sensitivity, 'D', Parent, Some(Tier::Two)),
            (Sensitivity, 'C', PanCancer, Some(Tier::Three)),
            (Sensitivity, 'E', Other, Some(Tier::Three)),
            (Resistance, 'A', Exact, None),
        ] {
            assert_eq!(
                tier_of(direction, level, relation),
                tier,
                "{direction:?} {level} {relation:?}"
            );
        }
    }

    #[test]
    fn wilson_holds_the_fraction_and_known_values() {
        let (low, high) = wilson(10, 100); // 0.0552 to 0.1744
        assert!((low - 0.0552).abs() < 1e-4 && (high - 0.1744).abs() < 1e-4);
        let (low, high) = wilson(0, 10);
        assert!(low.abs() < 1e-12 && high > 0.2);
        assert!((wilson(10, 10).1 - 1.0).abs() < 1e-12);
    }
}
