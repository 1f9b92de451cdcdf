//! Wrong copies that sequencing itself does not know of: deaminated cytosines (C to T, as in FFPE
//! tissue), oxidized guanines (G to T), and whatever else this library does to its molecules before
//! they are read. Such a change is seen from one strand of the molecule only, so that it shows in one
//! orientation of the pair (F1R2 or F2R1) and in certain contexts more than in others. The sample
//! itself is asked how often: sites of variants are few, and are left out where errors alone do not
//! explain what they show. Otherwise a variant of few molecules would be its own excuse.

use super::allele::Stretch;
use super::math::binomial_tail;
use super::reads::{Load, Read};
use crate::domain::{CigarOp, Span, Variant, code_of};

/// Contexts: view, base before, base, base behind, base shown.
const CONTEXTS: usize = VIEWS * 4 * 4 * 4 * 4;
/// A view, a base and the base shown.
const CHANGES: usize = VIEWS * 4 * 4;
/// Kinds of [`View`].
const VIEWS: usize = 8;
/// A site at which more than this share shows a base is a variant's.
const VARIANT: f64 = 0.05;
/// Where so many fragments show one wrong base, the site is looked at by itself.
const DOUBTFUL: u32 = 4;
/// It is a variant's if errors show so many with less than this chance: of a panel of 100 kb, with three
/// wrong bases to a place, errors lose none.
const UNEXPLAINED: f64 = 1e-6;
/// What is expected of a clean library: per base, orientation and wrong base.
const EXPECTED: f64 = 3e-5;
/// Fragments that the expectation weighs as much as.
const PRIOR_WEIGHT: f64 = 20_000.0;
/// Bases below this quality say nothing of it.
const LEAST_QUALITY: u8 = 20;
/// No rate is believed to be lower: wrong copies of the first cycles of amplification.
const LEAST: f64 = 1e-6;

/// What was seen of each context.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DamageCounts {
    /// By context; without what doubtful sites show.
    counts: Vec<u64>,
    doubtful: Vec<Doubtful>,
}

/// A site at which several fragments show a wrong base: damage, or a variant of few molecules.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Doubtful {
    context: [usize; 3],
    /// Bases by the rank of their view.
    shown: [[u32; 4]; VIEWS],
}

impl Doubtful {
    /// Where the views that show `base` are counted, and how often each does.
    fn counted(&self, base: usize) -> impl Iterator<Item = (usize, u64)> {
        let at = move |(view, shown): (View, &[u32; 4])| {
            (index(view, self.context, base), u64::from(shown[base]))
        };
        View::all().zip(&self.shown).map(at)
    }

    /// Do these rates of error explain how many fragments show `base`?
    fn is_explained(&self, base: usize, damage: &Damage) -> bool {
        let of_view = |(view, shown): (View, &[u32; 4])| {
            f64::from(shown.iter().sum::<u32>()) * damage.rates[index(view, self.context, base)]
        };
        let expected: f64 = View::all().zip(&self.shown).map(of_view).sum();
        let depth: u32 = self.shown.iter().flatten().sum();
        let count: u32 = self.shown.iter().map(|shown| shown[base]).sum();
        f64::from(count) <= expected
            || binomial_tail(depth, count, expected / f64::from(depth)) >= UNEXPLAINED
    }
}

/// A position: its context, as bits the bases that variants show there, and its rank among the doubtful
/// ones if it is one.
struct Site {
    context: [usize; 3],
    left_out: u8,
    doubtful: Option<usize>,
}

impl Default for DamageCounts {
    fn default() -> DamageCounts {
        DamageCounts {
            counts: vec![0; CONTEXTS],
            doubtful: Vec::new(),
        }
    }
}

/// Codes of the base at a place and of its neighbours; `None` if one of them is not known.
fn context(around: &Stretch, position: u32) -> Option<[usize; 3]> {
    let at = |p: u32| Some(usize::from(code_of(around.at(p)))).filter(|&c| c < 4);
    Some([
        at(position.checked_sub(1)?)?,
        at(position)?,
        at(position + 1)?,
    ])
}

/// What else than its bases makes a fragment's error likely at a place.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct View {
    /// Both strands of the molecule show the place.
    pub duplex: bool,
    /// Both mates show the place: a wrong call of the machine is out of the question.
    pub twice: bool,
    /// F2R1, not F1R2.
    pub flipped: bool,
}

impl View {
    /// All there are, in the order of their ranks.
    fn all() -> impl Iterator<Item = View> {
        (0..VIEWS).map(|rank| View {
            duplex: rank & 4 != 0,
            twice: rank & 2 != 0,
            flipped: rank & 1 != 0,
        })
    }

    fn rank(self) -> usize {
        usize::from(self.duplex) << 2 | usize::from(self.twice) << 1 | usize::from(self.flipped)
    }
}

fn index(view: View, [before, base, behind]: [usize; 3], shown: usize) -> usize {
    (((view.rank() * 4 + before) * 4 + base) * 4 + behind) * 4 + shown
}

/// Of a context's [`index`]: view, base and base shown, whatever stands beside it.
fn change(index: usize) -> usize {
    let [shown, base, view] = [1, 16, 256].map(|step| index / step);
    (view * 4 + base % 4) * 4 + shown % 4
}

impl DamageCounts {
    /// Adds a tile's reads. `shown` are the fragments at each of its positions by base.
    pub fn observe(&mut self, load: &Load, tile: Span, around: &Stretch, shown: &[[u32; 4]]) {
        let mut site = |p: u32, shown: &[u32; 4]| {
            let context = context(around, p)?;
            let depth: u32 = shown.iter().sum();
            let varies = |n: u32| f64::from(n) > VARIANT * f64::from(depth);
            let wrong = || (0..4).filter(|&b| b != context[1]);
            let is_doubtful = wrong().any(|b| shown[b] >= DOUBTFUL && !varies(shown[b]));
            if is_doubtful {
                self.doubtful.push(Doubtful {
                    context,
                    shown: [[0; 4]; VIEWS],
                });
            }
            Some(Site {
                context,
                left_out: (wrong().filter(|&b| varies(shown[b]))).fold(0, |set, b| set | 1 << b),
                doubtful: is_doubtful.then(|| self.doubtful.len() - 1),
            })
        };
        let sites: Vec<Option<Site>> = (tile.start..)
            .zip(shown)
            .map(|(p, shown)| site(p, shown))
            .collect();
        for read in &load.reads {
            let (mut at, mut position) = (0u32, read.start);
            for &(n, op) in &read.cigar {
                if op == CigarOp::Match {
                    let (from, to) = (position.max(tile.start), (position + n).min(tile.end));
                    for p in from..to {
                        let i = (at + p - position) as usize;
                        if let Some(site) = &sites[(p - tile.start) as usize] {
                            self.add(read, i, site);
                        }
                    }
                }
                if op.takes_read() {
                    at += n;
                }
                if op.takes_reference() {
                    position += n;
                }
            }
        }
    }

    fn add(&mut self, read: &Read, i: usize, site: &Site) {
        let shown = usize::from(read.bases[i]);
        if read.counted[i] < LEAST_QUALITY || site.left_out >> shown & 1 == 1 {
            return;
        }
        let view = View {
            duplex: read.duplex,
            twice: read.weighed[i] < read.counted[i].min(read.mapq),
            flipped: read.flipped,
        };
        match site.doubtful {
            Some(rank) => self.doubtful[rank].shown[view.rank()][shown] += 1,
            None => self.counts[index(view, site.context, shown)] += 1,
        }
    }

    /// Adds the counts of another part of the panel.
    pub fn merge(&mut self, other: &DamageCounts) {
        for (a, b) in self.counts.iter_mut().zip(&other.counts) {
            *a += b;
        }
        self.doubtful.extend_from_slice(&other.doubtful);
    }
}

/// How often each context shows each wrong base in each orientation.
#[derive(Clone, Debug, PartialEq)]
pub struct Damage {
    rates: Vec<f64>,
    /// Bases that each context and view showed.
    seen: Vec<u64>,
}

impl Damage {
    /// Learns the rates: from all that was seen at first, then again and again without the doubtful sites
    /// that the rates do not explain.
    pub fn of(counts: &DamageCounts) -> Damage {
        let mut all = counts.counts.clone();
        let bases = || (counts.doubtful.iter()).flat_map(|site| (0..4).map(move |b| (site, b)));
        for (at, n) in bases().flat_map(|(site, b)| site.counted(b)) {
            all[at] += n;
        }
        let mut left: Vec<_> = bases().filter(|(site, b)| *b != site.context[1]).collect();
        loop {
            let damage = Damage::learned(&all);
            let before = left.len();
            left.retain(|(site, b)| {
                let is_explained = site.is_explained(*b, &damage);
                for (at, n) in site.counted(*b).filter(|_| !is_explained) {
                    all[at] -= n;
                }
                is_explained
            });
            if left.len() == before {
                return damage;
            }
        }
    }

    /// A context's rate leans on that of its change in any context, and this on a clean library's, as far as
    /// too little was seen: a panel of a few hundred bases shows each context at few places.
    fn learned(counts: &[u64]) -> Damage {
        let seen: Vec<u64> = counts.chunks(4).map(|c| c.iter().sum()).collect();
        let leaning = |wrong: u64, seen: u64, expected: f64| {
            (wrong as f64 + PRIOR_WEIGHT * expected) / (seen as f64 + PRIOR_WEIGHT)
        };
        let mut of_change = vec![[0; 2]; CHANGES];
        for (i, wrong) in counts.iter().enumerate() {
            let [all_wrong, all_seen] = &mut of_change[change(i)];
            *all_wrong += wrong;
            *all_seen += seen[i / 4];
        }
        let rate = |(i, &wrong): (usize, &u64)| {
            let [all_wrong, all_seen] = of_change[change(i)];
            let expected = leaning(all_wrong, all_seen, EXPECTED);
            leaning(wrong, seen[i / 4], expected).max(LEAST)
        };
        let rates = counts.iter().enumerate().map(rate).collect();
        Damage { rates, seen }
    }

    /// What a fragment that carries a substitution brings to its odds on average, as a chance of error:
    /// the mean, over the views that this sample has of such a place, of the logarithms. `None` for gaps.
    /// `least` is the smallest error that a view's qualities let believe.
    pub fn usual(&self, v: &Variant, around: &Stretch, least: impl Fn(View) -> f64) -> Option<f64> {
        let context = context(around, v.pos.0);
        let (mut sum, mut weight) = (0.0, 0.0);
        for view in View::all() {
            let seen = context.map_or(0, |c| self.seen[index(view, c, 0) / 4]) as f64;
            let chance = self.chance(v, around, view)?.max(least(view));
            // One base of each view, so that a place never seen has an error too.
            sum += (seen + 1.0) * chance.ln();
            weight += seen + 1.0;
        }
        Some((sum / weight).exp())
    }

    /// The chance that a fragment shows this substitution, of one base or several, without its
    /// molecule having it. `None` for gaps.
    pub fn chance(&self, v: &Variant, around: &Stretch, view: View) -> Option<f64> {
        if v.reference.len() != v.alternate.len() {
            return None;
        }
        let changed = (0..v.reference.len()).filter(|&k| v.reference[k] != v.alternate[k]);
        let chance: f64 = changed
            .map(|k| {
                let shown = usize::from(code_of(v.alternate[k]));
                match context(around, v.pos.0 + k as u32) {
                    Some(c) if shown < 4 => self.rates[index(view, c, shown)],
                    _ => EXPECTED,
                }
            })
            .product();
        Some(chance.max(LEAST))
    }
}

/// A fragment's log2 likelihood ratio for an allele, when without it the fragment may show it still
/// with this chance. What was learned has the machine's errors in it, so the two are not added.
pub fn tempered(gain: f64, chance: f64) -> f64 {
    gain.min(-chance.log2())
}

#[cfg(test)]
mod tests {
    use super::super::reads::tests::read;
    use super::*;
    use crate::domain::{ContigId, Pos};

    fn stretch() -> Stretch {
        Stretch {
            contig: ContigId(0),
            span: Span::new(0, 6),
            bases: b"ACGACG".to_vec(),
        }
    }

    fn snv(pos: u32, r: &[u8], a: &[u8]) -> Variant {
        Variant {
            contig: ContigId(0),
            pos: Pos(pos),
            reference: r.to_vec(),
            alternate: a.to_vec(),
        }
    }

    /// `n` reads of the whole stretch that show `shown` in place of its second base.
    fn reads(n: u32, shown: u8, flipped: bool) -> Vec<Read> {
        let one = |f| Read {
            flipped,
            ..read(
                f,
                0,
                &[(6, CigarOp::Match)],
                &[b'A', shown, b'G', b'A', b'C', b'G'],
            )
        };
        (0..n).map(one).collect()
    }

    fn learned(reads: Vec<Read>, shown: [u32; 4]) -> Damage {
        of_sites(&[(reads, shown)])
    }

    /// Of several sites with the same context.
    fn of_sites(sites: &[(Vec<Read>, [u32; 4])]) -> Damage {
        let mut counts = DamageCounts::default();
        for (reads, shown) in sites {
            let load = Load {
                fragments: vec![0; reads.len()],
                reads: reads.clone(),
            };
            let mut site = DamageCounts::default();
            site.observe(&load, Span::new(1, 2), &stretch(), &[*shown]);
            counts.merge(&site);
        }
        Damage::of(&counts)
    }

    /// A site of a thousand fragments, of which so many show T in place of C.
    fn of_a_thousand(wrong: u32) -> (Vec<Read>, [u32; 4]) {
        let mut all = reads(1000 - wrong, b'C', false);
        all.extend(reads(wrong, b'T', false));
        (all, [0, 1000 - wrong, 0, wrong])
    }

    /// C between A and G: T in one of fifty fragments of one orientation, in none of the other; as many of either.
    fn deaminated() -> Damage {
        let other = (reads(50_000, b'C', true), [0, 50_000, 0, 0]);
        let mut sites = vec![of_a_thousand(20); 50];
        sites.push(other);
        of_sites(&sites)
    }

    #[test]
    fn damage_of_one_strand_is_a_matter_of_context_and_orientation() {
        let damage = deaminated();
        let chance = |v: &Variant, view| damage.chance(v, &stretch(), view);
        let usual = View::default();
        let flipped = View {
            flipped: true,
            ..usual
        };
        let twice = View {
            twice: true,
            ..usual
        };
        let duplex = View {
            duplex: true,
            ..usual
        };
        let of_damage = chance(&snv(4, b"C", b"T"), usual).unwrap();
        assert!((0.01..0.02).contains(&of_damage), "{of_damage}");
        for other in [
            chance(&snv(4, b"C", b"T"), flipped),
            chance(&snv(4, b"C", b"T"), twice),
            chance(&snv(4, b"C", b"T"), duplex),
            chance(&snv(4, b"C", b"A"), usual),
        ] {
            assert!(other.unwrap() <= EXPECTED, "{other:?}");
        }
        assert_eq!(chance(&snv(4, b"C", b"CA"), usual), None);
    }

    #[test]
    fn every_view_has_a_rank_of_its_own() {
        assert!(View::all().map(View::rank).eq(0..VIEWS));
    }

    #[test]
    fn usual_errors_are_those_of_the_views_that_the_sample_has() {
        let damage = deaminated();
        let v = snv(4, b"C", b"T");
        let [one, other] = [false, true].map(|flipped| {
            let view = View {
                flipped,
                ..View::default()
            };
            damage.chance(&v, &stretch(), view).unwrap().max(1e-4)
        });
        let usual = damage.usual(&v, &stretch(), |_| 1e-4).unwrap();
        assert!(
            (usual.ln() - (one * other).ln() / 2.0).abs() < 0.02,
            "{usual}"
        );
        assert_eq!(
            damage.usual(&snv(4, b"C", b"CA"), &stretch(), |_| 1e-4),
            None
        );
    }

    #[test]
    fn a_variant_teaches_no_damage() {
        let mut all = reads(1000, b'C', false);
        all.extend(reads(120, b'T', false));
        let damage = learned(all, [0, 1000, 0, 120]);
        assert!(
            damage
                .chance(&snv(1, b"C", b"T"), &stretch(), View::default())
                .unwrap()
                <= EXPECTED
        );
    }

    #[test]
    fn a_variant_of_few_molecules_does_not_excuse_itself() {
        let chance = |sites: &[_]| {
            let damage = of_sites(sites);
            let v = snv(1, b"C", b"T");
            damage.chance(&v, &stretch(), View::default()).unwrap()
        };
        let clean = vec![of_a_thousand(0); 40];
        let with = |wrong| chance(&[clean.clone(), vec![of_a_thousand(wrong)]].concat());
        assert!(with(20) <= EXPECTED && with(8) <= EXPECTED);
        // What errors may well be is counted.
        assert!(with(3) > EXPECTED);
        // Where most sites show as many, it is damage.
        let of_damage = chance(&vec![of_a_thousand(8); 40]);
        assert!((0.004..0.008).contains(&of_damage), "{of_damage}");
    }

    #[test]
    fn a_context_seldom_seen_has_the_rate_of_its_change() {
        let damage = deaminated();
        let beside = |before: &[u8; 6]| {
            let around = Stretch {
                bases: before.to_vec(),
                ..stretch()
            };
            let v = snv(1, b"C", b"T");
            damage.chance(&v, &around, View::default()).unwrap()
        };
        assert!(beside(b"GCTACG") > 0.5 * beside(b"ACGACG"));
        assert!(beside(b"GCTACG") < beside(b"ACGACG"));
    }

    #[test]
    fn what_errors_explain_counts_for_no_more_than_its_rarity() {
        let near = |a: f64, b: f64| assert!((a - b).abs() < 1e-9, "{a} {b}");
        near(tempered(12.0, 1e-9), 12.0);
        near(tempered(12.0, 0.01), 100f64.log2());
        near(tempered(100.0, 0.25), 2.0);
        near(tempered(-12.0, 0.01), -12.0);
    }
}
