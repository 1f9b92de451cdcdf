//! Finds loci on a reference of any build by the sequence around them.

use super::build::{Build, chromosome};
use super::gene::{Gene, Locus};
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

/// The defining places of genes on one reference, whatever its build and its bases there.
#[derive(Clone, Debug)]
pub struct Places {
    /// By the locus's name and place on GRCh38.
    sites: BTreeMap<(String, u32), Site>,
    /// The contigs' lengths, by name.
    pub lengths: BTreeMap<String, u32>,
    /// The build of the reference, if its contigs' lengths tell it.
    pub build: Option<Build>,
}

impl Places {
    /// Searches the contigs that bear the names of the genes' chromosomes.
    pub fn on(reference: &Reference, genes: &BTreeMap<String, Gene>) -> Places {
        // The genes' stretches are not known here, so that whole contigs are searched.
        let whole = |i| Span::new(0, reference.contig(i).length);
        let contigs = reference.contigs().iter().map(|c| {
            let id = reference.contig_id(&c.name).expect("its own name");
            (chromosome(&c.name), id)
        });
        let contigs: Vec<_> = contigs.filter_map(|(name, id)| Some((name?, id))).collect();
        let regions = contigs
            .iter()
            .map(|&(_, id)| (id, vec![whole(id)]))
            .collect();
        let loci: Vec<(&Locus, _)> = genes
            .values()
            .flat_map(|g| &g.loci)
            .filter_map(|l| {
                let (_, id) = contigs.iter().find(|c| c.0 == l.chromosome)?;
                Some((l, (*id, whole(*id))))
            })
            .collect();
        let mut found = locate(&loci, reference, &regions);
        // Related genes share sequences: what stands twice is looked for again near the gene's other places.
        let again = |i: usize| {
            let twice = found[i] == Some(Site::Ambiguous);
            let near = stretch(loci[i].0, genes, &loci, &found).filter(|_| twice)?;
            Some((i, (loci[i].0, near)))
        };
        let (which, near): (Vec<usize>, Vec<_>) = (0..loci.len()).filter_map(again).unzip();
        let mut stretches: BTreeMap<ContigId, Vec<Span>> = BTreeMap::new();
        for &(_, (contig, span)) in &near {
            stretches.entry(contig).or_default().push(span);
        }
        for (i, site) in which.into_iter().zip(locate(&near, reference, &stretches)) {
            found[i] = site;
        }
        let found = loci.iter().zip(found);
        let sites = found.filter_map(|((l, _), site)| Some((key(l), site?)));
        let lengths: BTreeMap<String, u32> = (reference.contigs().iter())
            .map(|c| (c.name.clone(), c.length))
            .collect();
        let mut builds = lengths.iter().filter_map(|(n, &l)| Build::by_length(n, l));
        Places {
            sites: sites.collect(),
            build: builds.next(),
            lengths,
        }
    }

    /// Where a locus stands; `None` if it was not found.
    pub fn of(&self, locus: &Locus) -> Option<&Site> {
        self.sites.get(&key(locus))
    }

    /// The stretches of all that were found once.
    pub fn found(&self) -> impl Iterator<Item = (ContigId, Span)> {
        self.sites.values().filter_map(|site| match site {
            Site::At { contig, span, .. } => Some((*contig, *span)),
            Site::Ambiguous => None,
        })
    }
}

fn key(locus: &Locus) -> (String, u32) {
    (locus.id.clone(), locus.grch38)
}

/// Around the places of the locus's gene that were found once.
fn stretch(
    locus: &Locus,
    genes: &BTreeMap<String, Gene>,
    loci: &[(&Locus, (ContigId, Span))],
    sites: &[Option<Site>],
) -> Option<(ContigId, Span)> {
    const AROUND: u32 = 30_000;
    let gene = genes.values().find(|g| g.loci.iter().any(|l| l == locus))?;
    let of_gene = loci
        .iter()
        .zip(sites)
        .filter(|((l, _), _)| gene.loci.contains(l));
    let once = of_gene.filter_map(|((_, (_, whole)), site)| match site {
        Some(Site::At { contig, span, .. }) => Some((*contig, *span, whole.end)),
        _ => None,
    });
    let all: Vec<(ContigId, Span, u32)> = once.collect();
    let (contig, _, length) = *all.first()?;
    let start = all.iter().map(|s| s.1.start).min()?;
    let end = all.iter().map(|s| s.1.end).max()?;
    Some((contig, Span::new(start, end).widened(AROUND, length)))
}

/// A locus as the other strand spells it.
pub fn reversed(locus: &Locus) -> Locus {
    let turn = |s: &String| spelled(s, true);
    let [left, right] = &locus.flanks;
    Locus {
        reference: turn(&locus.reference),
        reference37: turn(&locus.reference37),
        alternates: locus.alternates.iter().map(turn).collect(),
        flanks: [turn(right), turn(left)],
        ..locus.clone()
    }
}

/// Bases as the forward strand of a contig spells them, that is the other strand if `reverse`.
pub fn spelled(bases: &str, reverse: bool) -> String {
    String::from_utf8_lossy(&turned(bases, reverse)).into_owned()
}

fn turned(bases: &str, reverse: bool) -> Vec<u8> {
    if reverse {
        reverse_complement(bases.as_bytes())
    } else {
        bases.as_bytes().to_vec()
    }
}

/// The first bases of flanks, as a table of bits: nearly no other place of a genome begins like one.
struct Beginnings(Vec<bool>);

impl Beginnings {
    /// So many bases, two bits each.
    const LENGTH: usize = 12;

    fn of<'a>(flanks: impl Iterator<Item = &'a Vec<u8>>) -> Beginnings {
        let mut table = vec![false; 1 << (2 * Beginnings::LENGTH)];
        // Places that only PharmCAT's definitions have come without flanks.
        for first in flanks.filter_map(|flank| flank.get(..Beginnings::LENGTH)) {
            let mut codes = first.iter().map(|&b| code(b));
            if let Some(whole) = codes.try_fold(0, |all, c| Some(all << 2 | c?)) {
                table[whole] = true;
            }
        }
        Beginnings(table)
    }

    /// Offsets at which a flank may begin.
    fn within(&self, bases: &[u8]) -> impl Iterator<Item = usize> {
        let (mut last, mut known) = (0, 0);
        bases.iter().enumerate().filter_map(move |(i, &b)| {
            match code(b) {
                Some(c) => (last, known) = ((last << 2 | c) & (self.0.len() - 1), known + 1),
                None => known = 0,
            }
            let begins = known >= Beginnings::LENGTH && self.0[last];
            begins.then(|| i + 1 - Beginnings::LENGTH)
        })
    }
}

fn code(base: u8) -> Option<usize> {
    match base {
        b'A' => Some(0),
        b'C' => Some(1),
        b'G' => Some(2),
        b'T' => Some(3),
        _ => None,
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
    let beginnings = Beginnings::of(anchors.keys());
    let mut found: Vec<Option<Site>> = vec![None; loci.len()];
    for (&contig, spans) in regions {
        let length = reference.contig(contig).length;
        let wide: Vec<Span> = spans
            .iter()
            .map(|s| s.widened(2 * FLANK as u32, length))
            .collect();
        for span in merged(&wide) {
            let bases = reference.bases(contig, span);
            for at in beginnings.within(&bases) {
                let Some(flank) = bases.get(at..at + FLANK) else {
                    continue;
                };
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
