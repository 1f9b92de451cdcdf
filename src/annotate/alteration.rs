//! What the knowledge calls an alteration, as rules that a predicted protein change either meets or
//! does not. Rules speak of codons, never of genomic coordinates.

use super::coding::Coding;
use super::codon::{STOP, UNKNOWN, is_amino_acid};
use super::consequence::{Consequence, Effect};
use super::gene_model::merged;
use super::named::{MOST_CODONS, Named, residue};
use super::protein::ProteinChange;
use super::transcript::Transcript;
use crate::domain::Span;
use std::fmt;

/// A rule. Codons count from 1 and ranges include both ends.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Rule {
    /// `L858R`: this residue for that one; `Q61*`: a stop for it.
    Exact {
        /// Codon.
        position: u32,
        /// Before.
        reference: u8,
        /// After.
        alternate: u8,
    },
    /// `V600`: any other residue at this codon.
    Codon {
        /// Codon.
        position: u32,
        /// Before.
        reference: u8,
    },
    /// `p.E746_A750del`: this change of several residues, or the frame lost from this residue on.
    Named(Named),
    /// `c.340+1G>A`: this change of the coding sequence or a splice site.
    Coding(String),
    /// `del:729-761`: residues are lost, in frame, among these.
    Deletion(u32, u32),
    /// `ins:762-823`: residues are gained, in frame, among these.
    Insertion(u32, u32),
    /// `itd:572-630`: the same, for tandem duplications that may be longer than short reads show.
    TandemDuplication(u32, u32),
    /// `fs:283-294`: the frame is lost among these.
    Frameshift(u32, u32),
    /// `any:550-592`: the protein changes in frame among these.
    Altering(u32, u32),
    /// `splice:963-1010`: a splice site (two intronic bases) of the exon that holds these codons.
    Splice(u32, u32),
    /// `lof`, `lof:1-3308`: the protein ends early or its making is broken. A premature stop must
    /// lie among these codons, or without them be expected to trigger decay of the RNA.
    LossOfFunction(Option<(u32, u32)>),
    /// `mutation`: any change of the protein or its making.
    Mutation,
    /// What DNA of a small panel, called for substitutions and short indels, cannot show.
    NotAssessable(Unassessable),
}

/// Kinds of alteration that this program does not assess.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[allow(missing_docs)] // see `reason`
pub enum Unassessable {
    Fusion,
    Amplification,
    Deletion,
    Signature,
    Methylation,
    Abundance,
    Noncoding,
    Other,
}

impl Unassessable {
    /// Why not.
    pub fn reason(self) -> &'static str {
        match self {
            Unassessable::Fusion => {
                "fusions and rearrangements are not called; test by RNA or a fusion panel"
            }
            Unassessable::Amplification => {
                "copy number is not called; test by IHC, ISH or a copy-number assay"
            }
            Unassessable::Deletion => "deletions of whole genes or arms are not called",
            Unassessable::Signature => {
                "genome-wide signatures (MSI, TMB, HRD) are not computed from a small panel"
            }
            Unassessable::Methylation => "methylation does not show in DNA sequence",
            Unassessable::Abundance => {
                "the amount or state of RNA or protein does not show in DNA sequence"
            }
            Unassessable::Noncoding => {
                "places outside coding sequence and splice sites, and haplotypes, are not assessed"
            }
            Unassessable::Other => {
                "the source names it in words that stand for no single change of sequence"
            }
        }
    }

    fn word(self) -> &'static str {
        match self {
            Unassessable::Fusion => "fusion",
            Unassessable::Amplification => "amplification",
            Unassessable::Deletion => "deletion",
            Unassessable::Signature => "signature",
            Unassessable::Methylation => "methylation",
            Unassessable::Abundance => "abundance",
            Unassessable::Noncoding => "noncoding",
            Unassessable::Other => "other",
        }
    }
}

use Rule as R;

impl Rule {
    /// Reads one rule as the knowledge table writes it.
    ///
    /// # Errors
    /// Says what is wrong with it.
    pub fn parse(text: &str) -> Result<Rule, String> {
        use Unassessable as U;
        for u in [
            U::Fusion,
            U::Amplification,
            U::Deletion,
            U::Signature,
            U::Methylation,
            U::Abundance,
            U::Noncoding,
            U::Other,
        ] {
            if text == u.word() {
                return Ok(R::NotAssessable(u));
            }
        }
        match text {
            "lof" => return Ok(R::LossOfFunction(None)),
            "mutation" => return Ok(R::Mutation),
            _ => {}
        }
        if let Some(name) = text.strip_prefix("p.") {
            let named = Named::parse(name);
            return named
                .map(R::Named)
                .ok_or_else(|| format!("{text}: no change of a protein that can be read"));
        }
        if text.starts_with("c.") {
            return match Coding::parse(text) {
                Some(_) => Ok(R::Coding(text.into())),
                None => Err(format!(
                    "{text}: no change of a coding sequence that can be read"
                )),
            };
        }
        if let Some((kind, range)) = text.split_once(':') {
            let (a, b) = range
                .split_once('-')
                .and_then(|(a, b)| Some((a.parse::<u32>().ok()?, b.parse::<u32>().ok()?)))
                .filter(|(a, b)| 1 <= *a && a <= b && *b <= MOST_CODONS)
                .ok_or_else(|| format!("{text}: no range of codons"))?;
            return match kind {
                "del" => Ok(R::Deletion(a, b)),
                "ins" => Ok(R::Insertion(a, b)),
                "itd" => Ok(R::TandemDuplication(a, b)),
                "fs" => Ok(R::Frameshift(a, b)),
                "any" => Ok(R::Altering(a, b)),
                "splice" => Ok(R::Splice(a, b)),
                "lof" => Ok(R::LossOfFunction(Some((a, b)))),
                _ => Err(format!("{text}: no such kind of rule")),
            };
        }
        let simple =
            residue(text).and_then(|((reference, position), rest)| match *rest.as_bytes() {
                [] => Some(R::Codon {
                    position,
                    reference,
                }),
                [alternate] if is_amino_acid(alternate) || alternate == STOP => Some(R::Exact {
                    position,
                    reference,
                    alternate,
                }),
                _ => None,
            });
        simple.ok_or_else(|| format!("{text}: neither a change like L858R nor a known word"))
    }

    /// 0 for the most specific kind, 3 for the least.
    pub fn breadth(&self) -> u8 {
        match self {
            R::Exact { .. } | R::Named(_) | R::Coding(_) => 0,
            R::Codon { .. } => 1,
            R::LossOfFunction(_) | R::Mutation | R::NotAssessable(_) => 3,
            _ => 2,
        }
    }

    /// `exact change`, `codon`, `class`, `gene`: which kind of rule matched.
    pub fn kind(&self) -> &'static str {
        ["exact change", "codon", "class", "gene"][self.breadth() as usize]
    }

    /// In words.
    pub fn describe(&self) -> String {
        match self {
            R::Exact {
                position,
                reference,
                alternate,
            } => format!("{}{position}{}", *reference as char, *alternate as char),
            R::Codon {
                position,
                reference,
            } => format!("any substitution of {}{position}", *reference as char),
            R::Named(name) => name.to_string(),
            R::Coding(text) => text.clone(),
            R::Mutation => "any change of the protein".into(),
            R::Deletion(a, b) => format!("in-frame deletion in codons {a}–{b}"),
            R::Insertion(a, b) => format!("in-frame insertion in codons {a}–{b}"),
            R::TandemDuplication(a, b) => {
                format!("internal tandem duplication in codons {a}–{b}")
            }
            R::Frameshift(a, b) => format!("frameshift in codons {a}–{b}"),
            R::Altering(a, b) => format!("in-frame change in codons {a}–{b}"),
            R::Splice(a, b) => format!("splice site of the exon with codons {a}–{b}"),
            R::LossOfFunction(None) => "truncation or splice-site change of the gene".into(),
            R::LossOfFunction(Some((a, b))) => {
                format!("truncation in codons {a}–{b} or splice-site change of the gene")
            }
            R::NotAssessable(u) => u.word().into(),
        }
    }

    /// Does a variant's effect on the gene's transcript meet the rule?
    pub fn matches(&self, effect: &Effect, t: &Transcript) -> bool {
        if let R::Splice(a, b) = self {
            return exon_with(t, *a, *b).is_ok_and(|e| effect.splice_exons.contains(&e));
        }
        match self {
            R::LossOfFunction(range) => return loses_function(effect, *range),
            R::Mutation => return effect.consequences[0].alters_protein(),
            R::Coding(text) => return effect.hgvs_c == *text,
            _ => {}
        }
        let Some(change) = &effect.protein else {
            return false;
        };
        let within = |a: u32, b: u32| change.codons().is_some_and(|(s, e)| s <= b && a <= e);
        let in_frame = matches!(
            change,
            ProteinChange::Missense { .. }
                | ProteinChange::Deletion { .. }
                | ProteinChange::Duplication { .. }
                | ProteinChange::Insertion { .. }
                | ProteinChange::Delins { .. }
        ) && !change.truncates();
        // What stands in the start codon's place starts no protein.
        if let (R::Exact { position: 1, .. }, ProteinChange::StartLost) = (self, change) {
            return true;
        }
        match (self, change) {
            (
                R::Exact {
                    position,
                    reference,
                    alternate,
                },
                ProteinChange::Missense {
                    position: p,
                    reference: r,
                    alternate: a,
                },
            ) => (position, reference, alternate) == (p, r, a),
            (
                R::Exact {
                    position,
                    reference,
                    alternate: STOP,
                },
                ProteinChange::Nonsense {
                    position: p,
                    reference: r,
                },
            )
            | (
                R::Codon {
                    position,
                    reference,
                },
                ProteinChange::Missense {
                    position: p,
                    reference: r,
                    ..
                },
            ) => (position, reference) == (p, r),
            (R::Named(name), change) => name.matches(change, t),
            (R::Deletion(a, b), _) => in_frame && change.net_loss() > 0 && within(*a, *b),
            (R::Insertion(a, b) | R::TandemDuplication(a, b), _) => {
                in_frame && change.net_loss() < 0 && within(*a, *b)
            }
            (R::Frameshift(a, b), ProteinChange::Frameshift { .. }) => within(*a, *b),
            (R::Altering(a, b), _) => in_frame && within(*a, *b),
            _ => false,
        }
    }

    /// The genomic stretches that must be seen to say that the alteration is not there; ascending.
    ///
    /// # Errors
    /// Says why the rule cannot be laid on this transcript.
    pub fn sites(&self, t: &Transcript) -> Result<Vec<Span>, String> {
        if let Some(fault) = &t.fault {
            return Err(format!("gene model {}: {fault}", t.model.id));
        }
        for (codon, residue) in self.anchors() {
            check_residue(t, codon, residue)?;
        }
        match *self {
            R::NotAssessable(u) => Err(u.reason().into()),
            R::Exact { position, .. } | R::Codon { position, .. } => codons(t, position, position),
            R::Named(ref name) => codons(t, name.start.1, name.end.1),
            R::Coding(ref text) => match Coding::parse(text) {
                Some(c) => Ok(vec![c.span(t)?]),
                None => Err(format!("{text} cannot be read")),
            },
            R::Deletion(a, b)
            | R::Insertion(a, b)
            | R::TandemDuplication(a, b)
            | R::Frameshift(a, b)
            | R::Altering(a, b) => codons(t, a, b),
            R::Splice(a, b) => {
                let e = exon_with(t, a, b)?;
                Ok(splice_sites(t, e))
            }
            R::LossOfFunction(_) | R::Mutation => {
                let mut all = t.model.coding.clone();
                for e in 0..t.exons.len() {
                    // Splice sites between untranslated exons do not count.
                    if t.model.coding.iter().any(|c| c.overlaps(t.exons[e])) {
                        all.extend(splice_sites(t, e));
                    }
                }
                Ok(merged(&all))
            }
        }
    }

    /// A codon of the rule whose bases the reference does not know.
    pub fn unknown_codon(&self, t: &Transcript) -> Option<u32> {
        let (a, b) = match *self {
            R::Exact { position, .. } | R::Codon { position, .. } => (position, position),
            R::Deletion(a, b)
            | R::Insertion(a, b)
            | R::TandemDuplication(a, b)
            | R::Frameshift(a, b)
            | R::Altering(a, b) => (a, b),
            R::Named(ref name) => (name.start.1, name.end.1),
            R::Coding(_)
            | R::Splice(..)
            | R::LossOfFunction(_)
            | R::Mutation
            | R::NotAssessable(_) => return None,
        };
        (a..=b).find(|&c| t.residue(c) == Some(UNKNOWN))
    }

    /// Codons and the residues that the rule expects there, for checking a transcript's numbering.
    pub fn anchors(&self) -> Vec<(u32, u8)> {
        match *self {
            R::Exact {
                position,
                reference,
                ..
            }
            | R::Codon {
                position,
                reference,
            } => vec![(position, reference)],
            R::Named(ref name) => name.anchors(),
            _ => Vec::new(),
        }
    }

    /// Can it be seen in the sequence of a panel at all?
    pub fn assessable(&self) -> bool {
        !matches!(self, R::NotAssessable(_))
    }
}

/// As [`Rule::parse`] reads it.
impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            R::Exact {
                position,
                reference,
                alternate,
            } => write!(f, "{}{position}{}", *reference as char, *alternate as char),
            R::Codon {
                position,
                reference,
            } => write!(f, "{}{position}", *reference as char),
            R::Named(name) => write!(f, "p.{name}"),
            R::Coding(text) => f.write_str(text),
            R::Deletion(a, b) => write!(f, "del:{a}-{b}"),
            R::Insertion(a, b) => write!(f, "ins:{a}-{b}"),
            R::TandemDuplication(a, b) => write!(f, "itd:{a}-{b}"),
            R::Frameshift(a, b) => write!(f, "fs:{a}-{b}"),
            R::Altering(a, b) => write!(f, "any:{a}-{b}"),
            R::Splice(a, b) => write!(f, "splice:{a}-{b}"),
            R::LossOfFunction(None) => f.write_str("lof"),
            R::LossOfFunction(Some((a, b))) => write!(f, "lof:{a}-{b}"),
            R::Mutation => f.write_str("mutation"),
            R::NotAssessable(u) => f.write_str(u.word()),
        }
    }
}

fn loses_function(effect: &Effect, range: Option<(u32, u32)>) -> bool {
    use Consequence as C;
    let has = |c: C| effect.consequences.contains(&c);
    if has(C::SpliceDonor)
        || has(C::SpliceAcceptor)
        || has(C::StartLost)
        || has(C::TranscriptAblation)
    {
        return true;
    }
    let Some(change) = effect.protein.as_ref().filter(|p| p.truncates()) else {
        return false;
    };
    match (range, change.codons()) {
        (Some((a, b)), Some((at, _))) => a <= at && at <= b,
        _ => effect.nmd != Some(false),
    }
}

fn check_residue(t: &Transcript, position: u32, expected: u8) -> Result<(), String> {
    match t.residue(position) {
        None => Err(format!("{} has no codon {position}", t.model.id)),
        Some(found) if found != expected && found != UNKNOWN => Err(format!(
            "{} has {} at codon {position}, the knowledge expects {}",
            t.model.id, found as char, expected as char
        )),
        Some(_) => Ok(()),
    }
}

/// Where codons `a..=b` lie.
fn codons(t: &Transcript, a: u32, b: u32) -> Result<Vec<Span>, String> {
    let mut bases = Vec::new();
    for codon in a..=b {
        let p = t
            .codon_positions(codon)
            .ok_or_else(|| format!("{} has no codon {codon}", t.model.id))?;
        bases.extend(p.map(|p| Span::new(p, p + 1)));
    }
    Ok(merged(&bases))
}

/// The exon that holds all of codons `a..=b`.
fn exon_with(t: &Transcript, a: u32, b: u32) -> Result<usize, String> {
    let none = || format!("{} has no exon that holds codons {a} to {b}", t.model.id);
    let cds = t.cds.ok_or_else(none)?;
    // The outer codons may be split over two exons.
    let first = cds.start + 3 * (a - 1) + 2;
    let last = cds.start + 3 * (b - 1);
    if last >= cds.end {
        return Err(none());
    }
    let exon = t.exon_of(first);
    if t.exon_of(last) == exon {
        Ok(exon)
    } else {
        Err(none())
    }
}

/// The two intronic bases before and after an exon, where it has such neighbours.
fn splice_sites(t: &Transcript, exon: usize) -> Vec<Span> {
    let e = t.exons[exon];
    let mut out = Vec::new();
    let (has_left, has_right) = if t.model.strand.is_reverse() {
        (exon + 1 < t.exons.len(), exon > 0)
    } else {
        (exon > 0, exon + 1 < t.exons.len())
    };
    if has_left {
        out.push(Span::new(e.start - 2, e.start));
    }
    if has_right {
        out.push(Span::new(e.end, e.end + 2));
    }
    out
}
