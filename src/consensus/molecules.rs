//! Templates with the same ends to molecules, by their UMIs.

use super::templates::{Group, Kind, Template};
use super::umi;
use std::cmp::Ordering;

/// The copies of one molecule.
#[derive(Clone, Debug)]
pub struct Molecule<'a> {
    /// In the order of their serial numbers.
    pub templates: Vec<&'a Template>,
    /// UMI, or the grouper's number, that most of them have; see [`Kind`].
    pub umi: &'a [u8],
    /// How it was told.
    pub kind: Kind,
}

impl Molecule<'_> {
    /// Can strands be told apart?
    pub fn is_stranded(&self) -> bool {
        matches!(self.kind, Kind::TwoEnds | Kind::Numbered)
    }

    /// Copies of each strand: those whose mate 1 is the lower end, and the others.
    pub fn strands(&self) -> [usize; 2] {
        let flipped = self.templates.iter().filter(|t| t.flipped).count();
        [self.templates.len() - flipped, flipped]
    }

    /// Is mate 1 of the consensus the higher end? So it is where all copies have it so.
    pub fn flipped(&self) -> bool {
        self.strands()[0] == 0
    }

    /// Its number, from 1: that of its first copy in the order of the file.
    pub fn number(&self) -> u64 {
        self.templates[0].serial + 1
    }

    /// RX as mate 1 and 2 of the consensus have it; empty if it is not known.
    pub fn rx(&self) -> Vec<u8> {
        let (text, flipped) = match self.kind {
            Kind::TwoEnds => (self.umi, false),
            Kind::OneStrand(_) => return self.umi.to_vec(),
            Kind::Numbered => (self.templates[0].rx(), self.templates[0].flipped),
            Kind::NumberedOneStrand(_) => return self.templates[0].rx().to_vec(),
        };
        if flipped == self.flipped() {
            text.to_vec()
        } else {
            umi::turned(text)
        }
    }
}

/// The molecules of a group, in the order of their first templates. UMIs with up to `edits` errors join
/// those they came from; numbers given by a grouper are taken as they are.
pub fn split(group: &Group, edits: u32) -> Vec<Molecule<'_>> {
    let mut sorted: Vec<&Template> = group.templates.iter().collect();
    let told = |t: &Template, other: &Template| -> Ordering {
        (t.kind, t.umi()).cmp(&(other.kind, other.umi()))
    };
    sorted.sort_by(|a, b| told(a, b).then(a.serial.cmp(&b.serial)));
    // Templates of one kind and UMI.
    let families: Vec<&[&Template]> = sorted.chunk_by(|a, b| told(a, b).is_eq()).collect();
    let mut molecules = Vec::with_capacity(families.len());
    for families in families.chunk_by(|a, b| a[0].kind == b[0].kind) {
        let kind = families[0][0].kind;
        let numbered = matches!(kind, Kind::Numbered | Kind::NumberedOneStrand(_));
        let counted: Vec<(&[u8], u32)> = (families.iter())
            .map(|f| (f[0].umi(), f.len() as u32))
            .collect();
        let roots = umi::roots(&counted, if numbered { 0 } else { edits });
        let start = molecules.len();
        let mut rank = vec![usize::MAX; families.len()];
        for (family, root) in roots.iter().enumerate().filter(|(f, r)| f == *r) {
            rank[family] = molecules.len();
            molecules.push(Molecule {
                templates: Vec::new(),
                umi: families[*root][0].umi(),
                kind,
            });
        }
        for (family, root) in roots.iter().enumerate() {
            molecules[rank[*root]].templates.extend(families[family]);
        }
        for molecule in &mut molecules[start..] {
            molecule.templates.sort_by_key(|t| t.serial);
        }
    }
    molecules.sort_by_key(Molecule::number);
    molecules
}
