//! Finds loci on a reference of any build by the sequence around them.

use super::gene::Locus;
use crate::annotate::gene_model::merged;
use crate::domain::{ContigId, Pos, Span, Variant, reverse_complement};
use crate::genome::Reference;
use std::collections::{BTreeMap, HashMap};

/// Bases of known sequence on either side of a locus.
const FLANK: usize = 25;

/// Where a locus stands on a reference.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Site {
    /// Here.
    At {
        /// Contig.
        contig: ContigId,
        /// Its bases.
        span: Span,
        /// Which of the locus's alleles the reference has, as the locus spells it.
        present: String,
        /// The contig is the other strand of what the locus is spelled by.
        reverse: bool,
    },
    /// The sequence around it is found more than once.
    Ambiguous,
}

impl Site {
    /// The change from what the reference has to another allele of the locus, as VCF spells it on this
    /// reference.
    pub fn variant(&self, allele: &str) -> Option<Variant> {
        match self {
            Site::At {
                contig,
                span,
                present,
                reverse,
            } if present != allele => {
                let turn = |s: &str| turned(s, *reverse);
                Some(Variant {
                    contig: *contig,
                    pos: Pos(span.start),
                    reference: turn(present),
                    alternate: turn(allele),
                })
            }
            _ => None,
        }
    }
}

fn turned(bases: &str, reverse: bool) -> Vec<u8> {
    if reverse {
        reverse_complement(bases.as_bytes())
    } else {
        bases.as_bytes().to_vec()
    }
}

/// Looks for the loci's surroundings in the regions (widened to hold them), each in its gene's stretch
/// of the reference: related genes share such sequences. `None` for what is not found there.
pub fn locate(
    loci: &[(&Locus, (ContigId, Span))],
    reference: &Reference,
    regions: &BTreeMap<ContigId, Vec<Span>>,
) -> Vec<Option<Site>> {
    // First flank as the forward strand reads it, to the loci that have it.
    let mut anchors: HashMap<Vec<u8>, Vec<(usize, bool)>> = HashMap::new();
    for (i, (locus, _)) in loci.iter().enumerate() {
        let [left, right] = &locus.flanks;
        for (flank, reverse) in [(left, false), (right, true)] {
            let known = anchors.entry(turned(flank, reverse)).or_default();
            known.push((i, reverse));
        }
    }
    let mut found: Vec<Option<Site>> = vec![None; loci.len()];
    for (&contig, spans) in regions {
        let length = reference.contig(contig).length;
        let wide: Vec<Span> = spans
            .iter()
            .map(|s| s.widened(2 * FLANK as u32, length))
            .collect();
        for span in merged(&wide) {
            let bases = reference.bases(contig, span);
            for (at, flank) in bases.windows(FLANK).enumerate() {
                for &(i, reverse) in anchors.get(flank).map_or(&[][..], Vec::as_slice) {
                    let (locus, gene) = loci[i];
                    let start = span.start + (at + FLANK) as u32;
                    if gene.0 != contig || !gene.1.contains(Pos(start)) {
                        continue;
                    }
                    let behind = turned(&locus.flanks[usize::from(!reverse)], reverse);
                    let rest = &bases[at + FLANK..];
                    let follows = |allele: &&str| {
                        let s = turned(allele, reverse);
                        rest.starts_with(&s) && rest[s.len()..].starts_with(&behind)
                    };
                    let Some(present) = locus.alleles().find(follows) else {
                        continue;
                    };
                    let site = Site::At {
                        contig,
                        span: Span::new(start, start + present.len() as u32),
                        present: present.into(),
                        reverse,
                    };
                    found[i] = Some(match &found[i] {
                        Some(other) if *other != site => Site::Ambiguous,
                        _ => site,
                    });
                }
            }
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::super::gene;
    use super::*;
    use crate::annotate::tests::demo_reference;

    #[test]
    fn loci_are_found_by_their_surroundings() {
        let reference = demo_reference();
        let contig = reference.contig_id("1").unwrap();
        let regions = BTreeMap::from([(contig, vec![Span::new(97_915_600, 97_915_630)])]);
        let genes = gene::shipped();
        let loci = &genes["DPYD"].loci;
        let in_stretch = |stretch: Span| {
            let dpyd: Vec<_> = loci.iter().map(|l| (l, (contig, stretch))).collect();
            locate(&dpyd, reference, &regions)
        };
        let found = in_stretch(Span::new(97_543_298, 98_386_615));
        // The same sequence in another gene is not the locus's place.
        let elsewhere = in_stretch(Span::new(100, 97_543_298));
        assert!(elsewhere.iter().all(Option::is_none));
        // GRCh37 1:97915614, the splice donor of exon 14.
        let index = loci.iter().position(|l| l.id == "rs3918290").unwrap();
        let site = found[index].as_ref().unwrap();
        assert_eq!(
            site.variant("T"),
            Some(Variant {
                contig,
                pos: Pos(97_915_613),
                reference: b"C".to_vec(),
                alternate: b"T".to_vec()
            })
        );
        assert_eq!(site.variant("C"), None);
        assert_eq!(loci[index].grch37, Some(97_915_614));
        // Nothing outside of the region is found.
        let near = |site: &Site| matches!(site, Site::At { span, .. } if span.start.abs_diff(97_915_613) < 100);
        assert!(found.iter().flatten().all(near));
    }
}
