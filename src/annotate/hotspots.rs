//! The substitutions that statements of the knowledge name, as alleles that every sample is asked for.

use super::alteration::Rule;
use super::codon::{STOP, UNKNOWN, translate_codon};
use super::knowledge::Knowledge;
use super::transcript::Transcript;
use super::{GeneModel, codon::long_name};
use crate::domain::{ContigId, Pos, Span, Variant, reverse_complement};
use crate::format::loci::Locus;
use std::collections::BTreeMap;

/// The alleles behind the rules that name one residue for another, or any substitution of a codon, in the
/// targets of a panel, by place; each under the name of its protein change, such as `BRAF p.Val600Glu`.
/// Of the changes to a codon that make a residue these are the ones of fewest bases; of any substitution,
/// those of one base. Rules of other kinds name no alleles.
pub fn hotspots(
    knowledge: &Knowledge,
    genes: &GeneModel,
    targets: &BTreeMap<ContigId, Vec<Span>>,
) -> Vec<Locus> {
    let mut out: BTreeMap<Variant, String> = BTreeMap::new();
    for row in &knowledge.rows {
        for alteration in row.alterations() {
            let Some(t) = genes
                .of_gene(&alteration.gene)
                .filter(|t| t.fault.is_none())
            else {
                continue;
            };
            for (variant, residues) in alteration.rules.iter().flat_map(|r| alleles(r, t)) {
                let inside = |spans: &Vec<Span>| spans.iter().any(|s| s.contains(variant.pos));
                if targets.get(&variant.contig).is_some_and(inside) {
                    let name = format!("{} p.{residues}", alteration.gene);
                    out.entry(variant).or_insert(name);
                }
            }
        }
    }
    let locus = |(variant, name)| Locus { name, variant };
    out.into_iter().map(locus).collect()
}

/// The alleles of one rule, with the protein change of each.
fn alleles(rule: &Rule, t: &Transcript) -> Vec<(Variant, String)> {
    let (position, before, after) = match *rule {
        Rule::Exact {
            position,
            reference,
            alternate,
        } => (position, reference, Some(alternate)),
        Rule::Codon {
            position,
            reference,
        } => (position, reference, None),
        _ => return Vec::new(),
    };
    let (Some(positions), true) = (
        t.codon_positions(position),
        t.residue(position) == Some(before),
    ) else {
        return Vec::new();
    };
    // As the genome's forward strand spells it.
    let reverse = t.model.strand.is_reverse();
    let oriented = |bases: &[u8]| {
        if reverse {
            reverse_complement(bases)
        } else {
            bases.to_vec()
        }
    };
    let Some(cds) = t.cds else { return Vec::new() };
    let first = (cds.start + 3 * (position - 1)) as usize;
    let Some(codon) = t.bases.get(first..first + 3) else {
        return Vec::new();
    };
    let codon = oriented(codon);
    let mut found: Vec<(usize, Variant, String)> = Vec::new();
    for rank in 0..64u8 {
        let other: Vec<u8> = [4, 2, 0]
            .map(|s| b"ACGT"[usize::from(rank >> s & 3)])
            .into();
        let residue = translate_codon(&oriented(&other), t.code);
        let wanted = match after {
            Some(after) => residue == after,
            None => ![before, STOP, UNKNOWN].contains(&residue),
        };
        let changed: Vec<usize> = (0..3).filter(|&i| codon[i] != other[i]).collect();
        let (Some(&a), Some(&b), true) = (changed.first(), changed.last(), wanted) else {
            continue;
        };
        // An intron within the codon keeps its bases apart.
        if positions[b] - positions[a] == (b - a) as u32 {
            let variant = Variant {
                contig: t.model.contig,
                pos: Pos(positions[a]),
                reference: codon[a..=b].to_vec(),
                alternate: other[a..=b].to_vec(),
            };
            let name = format!("{}{position}{}", long_name(before), long_name(residue));
            found.push((changed.len(), variant, name));
        }
    }
    let fewest = match after {
        Some(_) => found.iter().map(|f| f.0).min().unwrap_or(0),
        None => 1,
    };
    found.retain(|f| f.0 == fewest);
    found.into_iter().map(|(_, v, name)| (v, name)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::annotate::consequence::effect;
    use crate::annotate::tests::{demo_genes, demo_reference, variant};

    fn everywhere() -> BTreeMap<ContigId, Vec<Span>> {
        let contigs = demo_reference().contigs().iter().zip(0..);
        contigs
            .map(|(c, i)| (ContigId(i), vec![Span::new(0, c.length)]))
            .collect()
    }

    #[test]
    fn each_allele_makes_the_protein_change_that_it_is_named_by() {
        let (reference, genes) = (demo_reference(), demo_genes(demo_reference()));
        let all = hotspots(&Knowledge::shipped(), &genes, &everywhere());
        assert!(all.len() > 50, "{}", all.len());
        for locus in &all {
            let (gene, change) = locus.name.split_once(' ').unwrap();
            let effects = genes.transcripts.iter().enumerate();
            let mut effects = effects.filter_map(|(i, t)| effect(&locus.variant, i, t, reference));
            let found = effects.find(|e| genes.transcripts[e.transcript].model.gene == gene);
            let protein = found.and_then(|e| e.protein.map(|p| p.hgvs()));
            assert_eq!(protein.as_deref(), Some(change), "{locus:?}");
        }
    }

    #[test]
    fn known_hotspots_on_both_strands_are_among_them_and_nothing_outside_the_targets() {
        let (reference, genes) = (demo_reference(), demo_genes(demo_reference()));
        let all = hotspots(&Knowledge::shipped(), &genes, &everywhere());
        for (name, spelt) in [
            ("EGFR p.Leu858Arg", "7:55259515 T>G"),
            ("BRAF p.Val600Glu", "7:140453136 A>T"),
            ("BRAF p.Val600Lys", "7:140453136 AC>TT"),
        ] {
            let wanted = variant(reference, spelt);
            let of_name: Vec<&Variant> = (all.iter().filter(|l| l.name == name))
                .map(|l| &l.variant)
                .collect();
            assert_eq!(of_name, [&wanted], "{name}");
        }
        let l858r = variant(reference, "7:55259515 T>G");
        let one = Span::new(l858r.pos.0, l858r.pos.0 + 1);
        let narrow = BTreeMap::from([(l858r.contig, vec![one])]);
        let inside = hotspots(&Knowledge::shipped(), &genes, &narrow);
        assert!(inside.iter().all(|l| l.variant.pos == l858r.pos));
        assert!(inside.iter().any(|l| l.variant == l858r));
    }
}
