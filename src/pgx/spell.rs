//! What a VCF record says about a locus, however the record spells it.

use super::gene::Locus;

/// What one allele of a record makes of a locus.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Effect {
    /// These bases stand at the locus.
    Bases(String),
    /// It changes something else.
    Elsewhere,
    /// It changes the locus together with its surroundings.
    Covered,
}

/// The locus on one build: its first base (from 1) and its bases there.
#[derive(Clone, Copy, Debug)]
pub struct Local<'a> {
    /// The locus.
    pub locus: &'a Locus,
    /// First base, from 1.
    pub start: u32,
    /// What this build has there.
    pub bases: &'a str,
}

impl Local<'_> {
    /// Behind its last base.
    pub fn end(&self) -> u32 {
        self.start + self.bases.len() as u32
    }

    /// How far from the locus a record of the same change may be spelled.
    pub fn reach(&self) -> u32 {
        let substitution = self.locus.alleles().all(|a| a.len() == 1);
        if substitution {
            0
        } else {
            self.locus.flanks[1].len() as u32
        }
    }

    /// What `alternate` for `reference` at `position` makes of it.
    pub fn effect(&self, position: u32, reference: &str, alternate: &str) -> Effect {
        let (start, replaced, by) = trimmed(position, reference, alternate);
        if replaced == by {
            return Effect::Elsewhere;
        }
        let end = start + replaced.len() as u32;
        // In sequence, so that a gap counts wherever in its repeat it is spelled.
        let [left, right] = &self.locus.flanks;
        let before = self.start.saturating_sub(left.len() as u32);
        let context = format!("{left}{}{right}", self.bases);
        if start >= before && end <= before + context.len() as u32 {
            let changed = splice(&context, (start - before) as usize, replaced.len(), by);
            let same = |allele: &&str| changed == format!("{left}{allele}{right}");
            if let Some(allele) = self.locus.alleles().find(same) {
                return Effect::Bases(allele.into());
            }
        }
        let inside = start >= self.start && end <= self.end();
        let insertion = replaced.is_empty();
        let substitution = self.locus.alleles().all(|a| a.len() == 1);
        if insertion && (start <= self.start || substitution || start > self.end()) {
            return Effect::Elsewhere;
        }
        // A gap that is not there stays away whatever else its bases become.
        let gap = self
            .locus
            .alternates
            .iter()
            .any(|a| a.len() != self.locus.reference.len());
        if inside && gap && replaced.len() == by.len() {
            return Effect::Elsewhere;
        }
        if inside {
            let offset = (start - self.start) as usize;
            return Effect::Bases(splice(self.bases, offset, replaced.len(), by));
        }
        if start >= self.end() || end <= self.start {
            return Effect::Elsewhere;
        }
        if substitution && replaced.len() == by.len() {
            let offset = (self.start - start) as usize;
            return Effect::Bases(by[offset..=offset].into());
        }
        Effect::Covered
    }
}

fn splice(bases: &str, at: usize, length: usize, by: &str) -> String {
    format!("{}{by}{}", &bases[..at], &bases[at + length..])
}

/// Without what replaced and replacing bases have in common at either end.
fn trimmed<'a>(position: u32, reference: &'a str, alternate: &'a str) -> (u32, &'a str, &'a str) {
    let common = |a: &mut dyn Iterator<Item = (u8, u8)>| a.take_while(|(x, y)| x == y).count();
    let tail = common(&mut reference.bytes().rev().zip(alternate.bytes().rev()));
    let (r, a) = (
        &reference[..reference.len() - tail],
        &alternate[..alternate.len() - tail],
    );
    let head = common(&mut r.bytes().zip(a.bytes()));
    (position + head as u32, &r[head..], &a[head..])
}

#[cfg(test)]
mod tests {
    use super::super::gene;
    use super::*;

    fn effect(gene: &str, id: &str, position: u32, reference: &str, alternate: &str) -> Effect {
        let genes = gene::shipped();
        let locus = genes[gene].loci.iter().find(|l| l.id == id).unwrap();
        let local = Local {
            locus,
            start: locus.grch38,
            bases: &locus.reference,
        };
        local.effect(position, reference, alternate)
    }

    fn bases(s: &str) -> Effect {
        Effect::Bases(s.into())
    }

    #[test]
    fn substitutions_count_alone_and_within_longer_records() {
        let of = |p, r, a| effect("CYP2C19", "rs4244285", p, r, a);
        assert_eq!(of(94_781_859, "G", "A"), bases("A"));
        assert_eq!(
            of(94_781_859, "G", "C"),
            bases("C"),
            "bases that no allele has"
        );
        assert_eq!(of(94_781_858, "CG", "TA"), bases("A"));
        assert_eq!(of(94_781_859, "GG", "AG"), bases("A"));
        assert_eq!(of(94_781_858, "C", "T"), Effect::Elsewhere);
        assert_eq!(of(94_781_858, "CGG", "C"), Effect::Covered);
        assert_eq!(of(94_781_859, "G", "GT"), Effect::Elsewhere);
    }

    #[test]
    fn gaps_count_wherever_their_repeat_lets_them_be_spelled() {
        // UGT1A1*28: TA seven times instead of six.
        let of = |p, r, a| effect("UGT1A1", "rs3064744", p, r, a);
        assert_eq!(of(233_760_233, "CAT", "CATAT"), bases("CATAT"));
        assert_eq!(of(233_760_233, "C", "CAT"), bases("CATAT"));
        assert_eq!(of(233_760_233, "CAT", "C"), bases("C"));
        assert_eq!(
            of(233_760_241, "T", "TAT"),
            bases("CATAT"),
            "not left-aligned"
        );
        assert_eq!(of(233_760_230, "T", "A"), Effect::Elsewhere);
        assert_eq!(of(233_760_234, "A", "C"), Effect::Elsewhere, "no gap");
    }
}
