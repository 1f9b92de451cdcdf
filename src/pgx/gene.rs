//! What defines the named alleles of a pharmacogene: places, and the bases that each allele has there.

use crate::format::digest::hex;
use std::cmp::Ordering;
use std::collections::BTreeMap;

const POSITIONS: &str = include_str!("../annotate/knowledge/pgx_positions.tsv");
const ALLELES: &str = include_str!("../annotate/knowledge/pgx_alleles.tsv");

/// A place at which named alleles differ. Bases are those of the forward strand.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Locus {
    /// rs number, or `chrX:154535261` (GRCh38) where it has none.
    pub id: String,
    /// `chr10`.
    pub chromosome: String,
    /// First base of `reference` on GRCh38, from 1.
    pub grch38: u32,
    /// The same on GRCh37, where it is known.
    pub grch37: Option<u32>,
    /// What GRCh38 has there.
    pub reference: String,
    /// What GRCh37 has there.
    pub reference37: String,
    /// The other alleles that are listed.
    pub alternates: Vec<String>,
    /// 25 bases in front of it and behind `reference`; empty where they are not known.
    pub flanks: [String; 2],
}

impl Locus {
    /// All alleles, the reference first.
    pub fn alleles(&self) -> impl Iterator<Item = &str> {
        std::iter::once(self.reference.as_str()).chain(self.alternates.iter().map(String::as_str))
    }

    /// `rs4244285:G>A`.
    pub fn spell(&self, allele: &str) -> String {
        format!("{}:{}>{allele}", self.id, self.reference)
    }
}

/// A named allele.
#[derive(Clone, Debug, PartialEq)]
pub struct NamedAllele {
    /// `*2`, or a c. name.
    pub name: String,
    /// CPIC's function; empty where none is assigned.
    pub function: String,
    /// CPIC's activity value, for genes that have scores.
    pub activity: Option<f64>,
    /// For each locus what it may have there; `None`: not part of its definition, so the reference's.
    pub at: Vec<Option<Vec<String>>>,
}

impl NamedAllele {
    /// May it have these bases at this locus?
    pub fn admits(&self, locus: usize, reference: &str, bases: &str) -> bool {
        self.at[locus]
            .as_ref()
            .map_or(reference == bases, |set| set.iter().any(|s| s == bases))
    }

    /// Loci at which it surely differs from the reference.
    pub fn variants<'a>(&'a self, gene: &'a Gene) -> impl Iterator<Item = usize> + 'a {
        let differs = |i: &usize| {
            let reference = &gene.loci[*i].reference;
            let set = self.at[*i].as_ref();
            set.is_some_and(|set| !set.contains(reference))
        };
        (0..self.at.len()).filter(differs)
    }
}

/// A pharmacogene.
#[derive(Clone, Debug, PartialEq)]
pub struct Gene {
    /// Symbol.
    pub name: String,
    /// Where its alleles differ, in the order of the genome.
    pub loci: Vec<Locus>,
    /// Its alleles; the first has the reference's bases.
    pub alleles: Vec<NamedAllele>,
    /// Where the definitions are from.
    pub source: String,
}

impl Gene {
    /// One copy in every person.
    pub fn is_mitochondrial(&self) -> bool {
        self.loci.first().is_some_and(|l| l.chromosome == "chrM")
    }

    /// On X, outside of what it shares with Y.
    pub fn is_on_x(&self) -> bool {
        self.loci.first().is_some_and(|l| l.chromosome == "chrX")
    }

    /// An allele by its name.
    pub fn allele(&self, name: &str) -> Option<&NamedAllele> {
        self.alleles.iter().find(|a| a.name == name)
    }
}

/// The bases that a code of IUPAC stands for; plain bases stand for themselves.
pub fn iupac(code: &str) -> Vec<String> {
    let bases = match code {
        "R" => "AG",
        "Y" => "CT",
        "S" => "CG",
        "W" => "AT",
        "K" => "GT",
        "M" => "AC",
        "B" => "CGT",
        "D" => "AGT",
        "H" => "ACT",
        "V" => "ACG",
        "N" => "ACGT",
        plain => return vec![plain.to_string()],
    };
    bases.chars().map(String::from).collect()
}

/// The order in which people list alleles: what is called reference first, then `*2` before `*10`.
pub fn by_name(a: &str, b: &str) -> Ordering {
    let key = |name: &str| {
        let mut parts: Vec<(u64, String)> = Vec::new();
        for c in name.chars() {
            match (c.to_digit(10), parts.last_mut()) {
                (Some(d), Some((n, text))) if text.is_empty() => {
                    *n = n.saturating_mul(10).saturating_add(u64::from(d));
                }
                (Some(d), _) => parts.push((u64::from(d), String::new())),
                (None, Some((_, text))) if !text.is_empty() => text.push(c),
                (None, _) => parts.push((u64::MAX, c.to_string())),
            }
        }
        (name != "Reference", parts)
    };
    key(a).cmp(&key(b))
}

fn rows(table: &'static str) -> impl Iterator<Item = Vec<&'static str>> {
    table.lines().skip(1).map(|l| l.split('\t').collect())
}

/// The genes whose definitions ship with the program, by name.
pub fn shipped() -> BTreeMap<String, Gene> {
    let mut genes: BTreeMap<String, Gene> = BTreeMap::new();
    for c in rows(POSITIONS) {
        let reference37 = if c[6].is_empty() { c[5] } else { c[6] };
        genes
            .entry(c[0].into())
            .or_insert_with(|| Gene {
                name: c[0].into(),
                loci: Vec::new(),
                alleles: Vec::new(),
                source: String::new(),
            })
            .loci
            .push(Locus {
                id: c[1].into(),
                chromosome: c[2].into(),
                grch38: c[3].parse().expect("a position"),
                grch37: c[4].parse().ok(),
                reference: c[5].into(),
                reference37: reference37.into(),
                alternates: c[7].split(',').map(String::from).collect(),
                flanks: [c[8].into(), c[9].into()],
            });
    }
    for c in rows(ALLELES) {
        let gene = genes.get_mut(c[0]).expect("a gene with positions");
        let first = gene.alleles.is_empty();
        // CPIC states the bases of *1 everywhere, also where the reference is another allele.
        let complete = first || c[1] == "*1";
        let mut at: Vec<Option<Vec<String>>> = gene
            .loci
            .iter()
            .map(|l| complete.then(|| vec![l.reference.clone()]))
            .collect();
        let list = |text: &'static str| text.split(',').filter(|t| !t.is_empty());
        for (item, code) in list(c[4]).chain(list(c[5])).map(|item| {
            let (id, change) = item.rsplit_once(':').expect("id:change");
            (id, change.rsplit('>').next().unwrap_or(change))
        }) {
            let locus = gene.loci.iter().position(|l| l.id == item);
            at[locus.expect("a listed locus")] = Some(iupac(code));
        }
        gene.source = "CPIC and PharmVar, as in PharmCAT 3.1.1 and PyPGx 0.27.0".into();
        gene.alleles.push(NamedAllele {
            name: c[1].into(),
            function: c[2].into(),
            activity: c[3].parse().ok(),
            at,
        });
    }
    genes
}

/// SHA-256 over the tables that ship.
pub fn sha256() -> String {
    use sha2::Digest;
    let mut hash = sha2::Sha256::new();
    for table in [
        POSITIONS,
        ALLELES,
        super::advice::PHENOTYPES,
        super::advice::RECOMMENDATIONS,
    ] {
        hash.update(table);
    }
    hex(&hash.finalize())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn every_row_of_the_tables_makes_sense() {
        let genes = shipped();
        let asked = "CYP2C19 CYP2C9 CYP2D6 CYP2B6 CYP3A5 CYP4F2 DPYD TPMT NUDT15 SLCO1B1 UGT1A1 \
            VKORC1 G6PD ABCG2 CFTR RYR1 CACNA1S IFNL3 MT-RNR1";
        for gene in asked.split_whitespace() {
            assert!(genes.contains_key(gene), "{gene}");
        }
        for (name, g) in &genes {
            let ids: BTreeSet<&str> = g.loci.iter().map(|l| l.id.as_str()).collect();
            assert_eq!(ids.len(), g.loci.len(), "{name}: an id twice");
            assert!(g.loci.is_sorted_by_key(|l| l.grch38), "{name}");
            assert_eq!(g.alleles[0].variants(g).count(), 0, "{name}");
            for l in &g.loci {
                let bases = |s: &str| !s.is_empty() && s.bytes().all(|b| b"ACGT".contains(&b));
                assert!(l.alleles().all(bases), "{name} {}", l.id);
                assert!(l.alleles().any(|a| a == l.reference37), "{name} {}", l.id);
                assert!(l.flanks.iter().all(|f| f.len() == 25 && bases(f)));
                assert_eq!(
                    l.alleles().collect::<BTreeSet<_>>().len(),
                    l.alternates.len() + 1
                );
            }
            for a in &g.alleles[1..] {
                assert!(
                    a.variants(g).count() > 0,
                    "{name} {} has no variant",
                    a.name
                );
                let known = |(l, set): (&Locus, &Option<Vec<String>>)| {
                    set.iter().flatten().all(|s| l.alleles().any(|x| x == s))
                };
                assert!(g.loci.iter().zip(&a.at).all(known), "{name} {}", a.name);
            }
        }
        assert_eq!(sha256().len(), 64);
    }

    #[test]
    fn the_reference_carries_star_38() {
        let g = &shipped()["CYP2C19"];
        assert_eq!(g.alleles[0].name, "*38");
        let star1 = g.allele("*1").unwrap();
        let differs: Vec<&str> = star1.variants(g).map(|i| g.loci[i].id.as_str()).collect();
        assert_eq!(differs, ["rs3758581"]);
    }

    #[test]
    fn names_are_ordered_as_people_do() {
        let mut names = ["*10", "*2", "Reference", "*1", "c.61C>T", "*2x3"];
        names.sort_by(|a, b| by_name(a, b));
        assert_eq!(names[0], "Reference");
        assert_eq!(&names[1..5], ["*1", "*2", "*2x3", "*10"]);
    }
}
