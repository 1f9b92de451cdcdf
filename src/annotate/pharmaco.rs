//! Pharmacogenes: the variants that define their alleles, what the alleles do, and what CPIC
//! recommends. A variant is known by the sequence around it, so that it is found on any build.

use crate::domain::{ContigId, Pos, Span, reverse_complement};
use crate::format::digest::hex;
use crate::genome::Reference;
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet, HashMap};

const POSITIONS: &str = include_str!("knowledge/pgx_positions.tsv");
const ALLELES: &str = include_str!("knowledge/pgx_alleles.tsv");
const RECOMMENDATIONS: &str = include_str!("knowledge/pgx_recommendations.tsv");
/// Bases of known sequence on either side of a variant.
const FLANK: usize = 25;

/// A variant that defines alleles.
#[derive(Clone, Debug)]
pub struct Defining {
    /// Gene.
    pub gene: String,
    /// `rs3918290:C>T`, alleles on the forward strand of the GRC's assemblies.
    pub name: String,
    left: Vec<u8>,
    /// Replaced bases.
    pub reference: Vec<u8>,
    /// What stands there instead.
    pub alternate: Vec<u8>,
    right: Vec<u8>,
}

/// A named allele.
#[derive(Clone, Debug)]
pub struct Allele {
    /// `*2`, or a c. name.
    pub name: String,
    /// CPIC's function.
    pub function: String,
    /// CPIC's activity value, for genes that have scores.
    pub activity: Option<f64>,
    /// Names of the variants on it.
    pub variants: BTreeSet<String>,
    /// rs numbers of places at which it may be either.
    pub wobble: BTreeSet<String>,
}

/// What CPIC recommends for a phenotype, in our words.
#[derive(Clone, Debug, Serialize)]
pub struct Recommendation {
    /// Drug or drugs.
    pub drug: String,
    /// For whom.
    pub population: String,
    /// In a word.
    pub action: String,
    /// In a sentence.
    pub text: String,
    /// CPIC's strength.
    pub strength: String,
    /// CPIC's level of the pair.
    pub level: String,
    /// PubMed id of the guideline.
    pub pmid: String,
    /// What to keep in mind.
    pub note: String,
    #[serde(skip)]
    phenotypes: Vec<String>,
}

/// A pharmacogene.
#[derive(Clone, Debug, Default)]
pub struct Pharmacogene {
    /// Its defining variants.
    pub variants: Vec<Defining>,
    /// Its alleles.
    pub alleles: Vec<Allele>,
    recommendations: Vec<Recommendation>,
}

impl Pharmacogene {
    /// Recommendations for a phenotype's code.
    pub fn recommendations(&self, phenotype: &str) -> Vec<Recommendation> {
        let has = |r: &&Recommendation| r.phenotypes.iter().any(|p| p == phenotype);
        self.recommendations.iter().filter(has).cloned().collect()
    }
}

/// The tables that ship with the program, by gene.
pub fn shipped() -> BTreeMap<String, Pharmacogene> {
    let mut genes: BTreeMap<String, Pharmacogene> = BTreeMap::new();
    let rows = |table: &'static str| {
        table
            .lines()
            .skip(1)
            .map(|l| l.split('\t').collect::<Vec<_>>())
    };
    for c in rows(POSITIONS) {
        genes
            .entry(c[0].into())
            .or_default()
            .variants
            .push(Defining {
                gene: c[0].into(),
                name: c[1].into(),
                left: c[2].into(),
                reference: c[3].into(),
                alternate: c[4].into(),
                right: c[5].into(),
            });
    }
    let set = |text: &str| {
        text.split(',')
            .filter(|t| !t.is_empty())
            .map(String::from)
            .collect::<BTreeSet<_>>()
    };
    for c in rows(ALLELES) {
        genes.entry(c[0].into()).or_default().alleles.push(Allele {
            name: c[1].into(),
            function: c[2].into(),
            activity: c[3].parse().ok(),
            variants: set(c[4]),
            wobble: set(c[5]),
        });
    }
    for c in rows(RECOMMENDATIONS) {
        let r = Recommendation {
            phenotypes: c[1].split(',').map(String::from).collect(),
            drug: c[2].into(),
            population: c[3].into(),
            action: c[4].into(),
            text: c[5].into(),
            strength: c[6].into(),
            level: c[7].into(),
            pmid: c[8].into(),
            note: c[9].into(),
        };
        genes
            .entry(c[0].into())
            .or_default()
            .recommendations
            .push(r);
    }
    genes
}

/// SHA-256 over the tables.
pub fn sha256() -> String {
    use sha2::Digest;
    let mut hash = sha2::Sha256::new();
    for table in [POSITIONS, ALLELES, RECOMMENDATIONS] {
        hash.update(table);
    }
    hex(&hash.finalize())
}

/// Where a defining variant stands on a reference.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Site {
    /// Here; alleles as the reference's forward strand spells them.
    At {
        /// Contig.
        contig: ContigId,
        /// Replaced bases.
        span: Span,
        /// What the reference has.
        reference: Vec<u8>,
        /// What defines the allele.
        alternate: Vec<u8>,
    },
    /// The reference itself has the variant's sequence here.
    Carried,
    /// The sequence around it is found more than once.
    Ambiguous,
}

/// Looks for the variants' surroundings in the regions (widened to hold them), each in its gene's
/// stretch of the reference: related genes share such sequences. Variants that are not found there
/// are missing from the result.
pub fn locate(
    variants: &[(&Defining, (ContigId, Span))],
    reference: &Reference,
    regions: &BTreeMap<ContigId, Vec<Span>>,
) -> BTreeMap<String, Site> {
    // First flank as the forward strand reads it, to the variants that have it.
    let mut anchors: HashMap<Vec<u8>, Vec<(usize, bool)>> = HashMap::new();
    for (i, (v, _)) in variants.iter().enumerate() {
        anchors.entry(v.left.clone()).or_default().push((i, false));
        anchors
            .entry(reverse_complement(&v.right))
            .or_default()
            .push((i, true));
    }
    let mut found: BTreeMap<String, Site> = BTreeMap::new();
    for (&contig, spans) in regions {
        let length = reference.contig(contig).length;
        let wide: Vec<Span> = spans
            .iter()
            .map(|s| s.widened(2 * FLANK as u32, length))
            .collect();
        for span in super::gene_model::merged(&wide) {
            let bases = reference.bases(contig, span);
            for (at, flank) in bases.windows(FLANK).enumerate() {
                for &(i, reverse) in anchors.get(flank).map_or(&[][..], Vec::as_slice) {
                    let (v, gene) = variants[i];
                    let start = span.start + (at + FLANK) as u32;
                    if gene.0 != contig || !gene.1.contains(Pos(start)) {
                        continue;
                    }
                    let turn = |s: &[u8]| {
                        if reverse {
                            reverse_complement(s)
                        } else {
                            s.to_vec()
                        }
                    };
                    let (r, a) = (turn(&v.reference), turn(&v.alternate));
                    let after = turn(if reverse { &v.left } else { &v.right });
                    let rest = &bases[at + FLANK..];
                    let follows =
                        |s: &[u8]| rest.starts_with(s) && rest[s.len()..].starts_with(&after);
                    let site = if follows(&r) {
                        Site::At {
                            contig,
                            span: Span::new(start, start + r.len() as u32),
                            reference: r,
                            alternate: a,
                        }
                    } else if follows(&a) {
                        Site::Carried
                    } else {
                        continue;
                    };
                    found
                        .entry(v.name.clone())
                        .and_modify(|s| {
                            if *s != site {
                                *s = Site::Ambiguous;
                            }
                        })
                        .or_insert(site);
                }
            }
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::annotate::tests::demo_reference;

    #[test]
    fn tables_refer_to_each_other() {
        for (gene, g) in shipped() {
            let names: BTreeSet<&str> = g.variants.iter().map(|v| v.name.as_str()).collect();
            assert!(!g.alleles.is_empty() && !names.is_empty(), "{gene}");
            for a in &g.alleles {
                for v in &a.variants {
                    assert!(names.contains(v.as_str()), "{gene} {} {v}", a.name);
                }
            }
            for v in &g.variants {
                assert_eq!(
                    (v.left.len(), v.right.len()),
                    (FLANK, FLANK),
                    "{gene} {}",
                    v.name
                );
            }
            for r in &g.recommendations {
                assert!(
                    r.pmid.bytes().all(|b| b.is_ascii_digit()),
                    "{gene} {}",
                    r.drug
                );
            }
        }
        assert_eq!(sha256().len(), 64);
    }

    #[test]
    fn variants_are_found_by_their_surroundings() {
        let reference = demo_reference();
        let contig = reference.contig_id("1").unwrap();
        let regions = BTreeMap::from([(contig, vec![Span::new(97_915_600, 97_915_630)])]);
        let genes = shipped();
        let in_stretch = |stretch: Span| {
            let dpyd = genes["DPYD"]
                .variants
                .iter()
                .map(|v| (v, (contig, stretch)));
            locate(&dpyd.collect::<Vec<_>>(), reference, &regions)
        };
        let found = in_stretch(Span::new(97_543_298, 98_386_615));
        // The same sequence in another gene is not the variant's place.
        assert!(in_stretch(Span::new(100, 97_543_298)).is_empty());
        // GRCh37 1:97915614, the splice donor of exon 14.
        assert_eq!(
            found["rs3918290:C>T"],
            Site::At {
                contig,
                span: Span::new(97_915_613, 97_915_614),
                reference: b"C".to_vec(),
                alternate: b"T".to_vec()
            }
        );
        assert!(!found.contains_key("rs67376798:T>A"));
    }
}
