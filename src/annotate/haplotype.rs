//! Alleles that stand on one haplotype and change one codon, or lose and regain the reading frame
//! together: what they do to the protein cannot be told from each alone.

use super::edit::Edit;
use super::effect::{CodingEdit, Effect, degraded, effect, of_protein};
use super::protein;
use super::transcript::Transcript;
use crate::domain::{Pos, Span, Variant};
use crate::format::calls::{Call, Phase};
use crate::genome::Reference;

/// Coding bases within which a second frameshift is read together with the first.
const FRAME_REACH: u32 = 60;

/// Alleles read together, by their ranks among those given, as the transcript is read.
#[derive(Clone, Debug)]
pub struct Joint {
    /// The alleles.
    pub members: Vec<usize>,
    /// Those of them that no haplotype carries without the others.
    pub covered: Vec<usize>,
    /// All of them as one variant, if they stand in one codon of one exon.
    pub variant: Option<Variant>,
    /// What they do together.
    pub effect: Effect,
}

/// Finds what to read together in one transcript: alleles that passed, with their effects.
pub fn joint(
    alleles: &[(usize, &Call, &Effect)],
    t: &Transcript,
    index: usize,
    reference: &Reference,
) -> Vec<Joint> {
    let mut coding: Vec<(&CodingEdit, usize, &Call, &Effect)> = alleles
        .iter()
        .filter_map(|&(rank, call, effect)| Some((effect.coding.as_ref()?, rank, call, effect)))
        .collect();
    coding.sort_by_key(|c| (c.0, c.1));
    let mut groups: Vec<Vec<(&CodingEdit, usize, &Call, &Effect)>> = Vec::new();
    for next in coding {
        // Two alleles of one record exclude each other on a haplotype; so do overlapping ones.
        let joins = |group: &Vec<(&CodingEdit, usize, &Call, &Effect)>| {
            let last = group[group.len() - 1];
            let frame: i64 = group.iter().map(|g| g.0.net()).sum();
            let same_codon = last.0.codons().1 >= next.0.codons().0;
            let regained = frame % 3 != 0
                && next.0.net() % 3 != 0
                && next.0.start < last.0.end + FRAME_REACH
                && last.3.exon == next.3.exon;
            last.0.end <= next.0.start
                && (same_codon || regained)
                && group
                    .iter()
                    .all(|g| g.2.phase.shares_haplotype(&next.2.phase))
        };
        match groups.iter_mut().find(|g| joins(g)) {
            Some(group) => group.push(next),
            None => groups.push(vec![next]),
        }
    }
    groups
        .into_iter()
        .filter(|g| g.len() > 1)
        .map(|g| read_together(&g, t, index, reference))
        .collect()
}

fn read_together(
    group: &[(&CodingEdit, usize, &Call, &Effect)],
    t: &Transcript,
    index: usize,
    reference: &Reference,
) -> Joint {
    let members: Vec<usize> = group.iter().map(|g| g.1).collect();
    let phases: Vec<&Phase> = group.iter().map(|g| &g.2.phase).collect();
    let carried_alone = |phase: &Phase| match phase {
        Phase::All => phases.iter().any(|p| **p != Phase::All),
        Phase::Some { haplotypes, .. } => haplotypes.iter().any(|h| {
            phases
                .iter()
                .any(|p| matches!(p, Phase::Some { haplotypes: other, .. } if !other.contains(h)))
        }),
        Phase::Unknown => true,
    };
    let covered = group
        .iter()
        .filter(|g| !carried_alone(&g.2.phase))
        .map(|g| g.1)
        .collect();
    let edit = merged(&group.iter().map(|g| g.0).collect::<Vec<_>>(), t);
    let (first, last) = edit.codons();
    let variant = (first == last && group.iter().all(|g| g.3.exon == group[0].3.exon))
        .then(|| as_one(group, reference));
    let whole = variant
        .as_ref()
        .and_then(|v| effect(v, index, t, reference));
    let effect = whole.unwrap_or_else(|| {
        let protein = protein::change(t, edit.start, edit.end, &edit.alternate);
        // The splice site and untranslated parts stay what they were for each alone.
        let mut consequences: Vec<_> = group
            .iter()
            .flat_map(|g| &g.3.consequences)
            .copied()
            .filter(|c| c.is_of_splicing())
            .chain(of_protein(&protein, Some(&edit), t))
            .collect();
        consequences.sort_unstable();
        consequences.dedup();
        let parts: Vec<&str> = group
            .iter()
            .map(|g| g.3.hgvs_c.trim_start_matches("c."))
            .collect();
        Effect {
            hgvs_c: format!("c.[{}]", parts.join(";")),
            nmd: degraded(t, &protein),
            protein: Some(protein),
            consequences,
            exonic: t.cds.map(|c| (c.start + edit.start, c.start + edit.end)),
            coding: Some(edit),
            ..group[0].3.clone()
        }
    });
    Joint {
        members,
        covered,
        variant,
        effect,
    }
}

/// Edits of a coding sequence, ascending and apart, as one.
fn merged(edits: &[&CodingEdit], t: &Transcript) -> CodingEdit {
    let coding = &t.bases[t.cds.map_or(0, |c| c.start as usize)..];
    let mut alternate = Vec::new();
    let mut at = edits[0].start;
    for e in edits {
        alternate.extend(&coding[at as usize..e.start as usize]);
        alternate.extend(&e.alternate);
        at = e.end;
    }
    CodingEdit {
        start: edits[0].start,
        end: at,
        alternate,
    }
}

/// The variants of a group as one replacement of all bases from the first to the last.
fn as_one(group: &[(&CodingEdit, usize, &Call, &Effect)], reference: &Reference) -> Variant {
    let contig = group[0].2.variant.contig;
    let mut edits: Vec<Edit> = group.iter().map(|g| Edit::of(&g.2.variant)).collect();
    edits.sort_by_key(|e| (e.start, e.end));
    let mut whole = Variant {
        contig,
        pos: Pos(edits[0].start),
        reference: Vec::new(),
        alternate: Vec::new(),
    };
    let mut at = edits[0].start;
    for e in edits {
        let between = reference.bases(contig, Span::new(at, e.start));
        whole.reference.extend(&between);
        whole
            .reference
            .extend(reference.bases(contig, Span::new(e.start, e.end)));
        whole.alternate.extend(&between);
        whole.alternate.extend(&e.alternate);
        at = e.end;
    }
    whole
}
