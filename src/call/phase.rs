//! Phase: which alleles stand on one copy of the chromosome? Within a window the best pair of haplotypes
//! says so; windows are linked by fragments that tell the two copies apart in both.

use super::genotype::INFORMATIVE;
use super::haplotype::Weighed;
use super::reads::Load;
use super::record::Call;
use crate::domain::quality::{BIT, BITS_PER_PHRED, log_add};
use crate::domain::{ContigId, Span};
use std::collections::{BTreeMap, HashMap, HashSet};

/// Phred by which one way to put alleles together must be likelier than the other.
pub const DECISIVE: f64 = 20.0;
/// Fragments that must speak for it.
pub const LEAST_FRAGMENTS: u32 = 2;
/// Windows further from each other than this are not linked by a fragment: what windows a set may have
/// is known before any of them is called, and shards cut no set in two.
pub const REACH: u32 = 600;

/// [`DECISIVE`] as a log-likelihood, in 1/65536 bit.
const LINK: i64 = (DECISIVE * BITS_PER_PHRED * BIT as f64) as i64;

/// Which copy does each fragment come from? The hash of its name, and how much better it fits the first
/// haplotype of the best pair than the second, in 1/65536 bit.
pub type Leaning = Vec<(u64, i32)>;

/// What came of a window.
#[derive(Clone, Debug, PartialEq)]
pub struct Decided {
    /// Where it was.
    pub contig: ContigId,
    /// Its core as it was planned.
    pub core: Span,
    /// Its records.
    pub calls: Vec<Call>,
    /// Empty where nothing is heterozygous, or nobody knows how its own alleles go together.
    pub leaning: Leaning,
}

/// Where a heterozygous call stands in its set of linked windows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Phase {
    /// Rank of the set's first window.
    pub set: usize,
    /// The allele on the first copy, and on the second.
    pub alleles: [usize; 2],
}

/// The fragments that tell the haplotypes `a` and `b` apart.
pub fn leaning(weighed: &[Weighed], (a, b): (usize, usize), load: &Load) -> Leaning {
    weighed
        .iter()
        .map(|w| (load.fragments[w.fragment as usize], w.fits[a] - w.fits[b]))
        .filter(|(_, lean)| lean.abs() >= INFORMATIVE)
        .collect()
}

/// Links windows to sets, one after another by place, and turns their calls' phases to the set's.
pub fn link(windows: &mut [Decided]) {
    windows.sort_by_key(|w| (w.contig, w.core.start, w.core.end));
    let mut sets = Sets::default();
    let mut seen: HashMap<u64, Vec<Seen>> = HashMap::new();
    for rank in 0..windows.len() {
        let (before, rest) = windows.split_at(rank);
        let window = &rest[0];
        if before.last().is_some_and(|w| w.contig != window.contig) {
            seen.clear();
        }
        let ties = ties(window, &seen, &sets);
        sets.add(&ties);
        for &(fragment, lean) in &window.leaning {
            let end = window.core.end;
            seen.entry(fragment)
                .or_default()
                .push(Seen { rank, end, lean });
        }
    }
    for (rank, window) in windows.iter_mut().enumerate() {
        let (set, turned) = sets.find(rank);
        for phase in window.calls.iter_mut().filter_map(|c| c.phase.as_mut()) {
            phase.set = set;
            if turned {
                phase.alleles.reverse();
            }
        }
    }
}

/// What a fragment said in a window before.
#[derive(Clone, Copy, Debug)]
struct Seen {
    rank: usize,
    /// Where that window's core ends.
    end: u32,
    lean: i32,
}

/// The evidence that binds a window to a set.
#[derive(Clone, Copy, Debug, Default)]
struct Tie {
    /// First copy with first over first with second, in 1/65536 bit.
    alike: i64,
    /// Fragments that speak for the one, and for the other.
    fragments: [u32; 2],
}

impl Tie {
    /// A fragment leans to one side in the set and in the window. It comes from either copy.
    fn observe(&mut self, in_set: i32, here: i32) {
        let alike = log_add(0, in_set.saturating_add(here)) - log_add(in_set, here);
        self.alike += i64::from(alike);
        if alike.abs() >= INFORMATIVE {
            self.fragments[usize::from(alike < 0)] += 1;
        }
    }

    /// Is the window turned around, as seen from the set? `None` if nobody knows.
    fn turned(&self) -> Option<bool> {
        let turned = self.alike < 0;
        let agreeing = self.fragments[usize::from(turned)];
        (self.alike.abs() >= LINK && agreeing >= LEAST_FRAGMENTS).then_some(turned)
    }
}

/// The sets that a window is surely tied to, each with whether the window is turned around.
fn ties(window: &Decided, seen: &HashMap<u64, Vec<Seen>>, sets: &Sets) -> Vec<(usize, bool)> {
    let mut ties: BTreeMap<usize, Tie> = BTreeMap::new();
    for (fragment, here) in &window.leaning {
        let mut of_sets: BTreeMap<usize, i32> = BTreeMap::new();
        let near = |s: &&Seen| window.core.start.saturating_sub(s.end) <= REACH;
        for s in seen.get(fragment).into_iter().flatten().filter(near) {
            let (set, turned) = sets.find(s.rank);
            let sum = of_sets.entry(set).or_default();
            *sum = sum.saturating_add(if turned { -s.lean } else { s.lean });
        }
        for (set, in_set) in of_sets {
            ties.entry(set).or_default().observe(in_set, *here);
        }
    }
    let sure = |(set, tie): (usize, Tie)| tie.turned().map(|turned| (set, turned));
    ties.into_iter().filter_map(sure).collect()
}

/// Sets of windows. A window knows an earlier one of its set, and whether it is turned around to it.
#[derive(Debug, Default)]
struct Sets {
    parents: Vec<(usize, bool)>,
}

impl Sets {
    /// The first window of a window's set, and whether the window is turned around to it.
    fn find(&self, mut rank: usize) -> (usize, bool) {
        let mut turned = false;
        while self.parents[rank].0 != rank {
            turned ^= self.parents[rank].1;
            rank = self.parents[rank].0;
        }
        (rank, turned)
    }

    /// Adds the next window, which joins the sets that it is tied to; these are in their order.
    fn add(&mut self, ties: &[(usize, bool)]) {
        let rank = self.parents.len();
        let &(first, turned) = ties.first().unwrap_or(&(rank, false));
        self.parents.push((first, turned));
        for &(set, to_set) in ties.iter().skip(1) {
            self.parents[set] = (first, turned ^ to_set);
        }
    }
}

/// Writes the phase of the calls, which are sorted: a set of two or more is named by its first one's
/// place, and begins with the lower allele.
pub fn name_sets(calls: &mut [Call]) {
    let mut sets: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
    for (i, call) in calls.iter().enumerate() {
        if let Some(phase) = call.phase {
            sets.entry(phase.set).or_default().push(i);
        }
    }
    let mut named = HashSet::new();
    for members in sets.into_values().filter(|m| m.len() > 1) {
        // Calls of two sets may share a place; a name belongs to one set.
        let mut places = members.iter().map(|&i| &calls[i].variant);
        let Some(name) = places.find(|v| named.insert((v.contig, v.pos))) else {
            continue;
        };
        let name = name.pos;
        let descends = |p: Phase| p.alleles[0] > p.alleles[1];
        let turned = calls[members[0]].phase.is_some_and(descends);
        for i in members {
            let call = &mut calls[i];
            let Some(Phase { mut alleles, .. }) = call.phase else {
                continue;
            };
            if turned {
                alleles.reverse();
            }
            call.samples[0].genotype = alleles.to_vec();
            call.samples[0].phase_set = Some(name);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{Pos, Variant};

    /// A window of one heterozygous call whose fragments lean by so many bits.
    fn window(at: u32, leans: &[(u64, i32)]) -> Decided {
        let variant = Variant {
            contig: ContigId(0),
            pos: Pos(at),
            reference: b"A".to_vec(),
            alternate: b"C".to_vec(),
        };
        let sample = crate::call::record::Sample {
            genotype: vec![0, 1],
            support: vec![9, 9],
            across: vec![9, 9],
            depth: 18,
            strands: [0; 4],
            orientations: [Vec::new(), Vec::new()],
            likelihoods: None,
            unlisted: Vec::new(),
            phase_set: None,
        };
        let call = Call {
            variant,
            others: Vec::new(),
            quality: 50.0,
            filters: Vec::new(),
            info: Vec::new(),
            forced: false,
            phase: Some(Phase {
                set: 0,
                alleles: [0, 1],
            }),
            samples: vec![sample],
        };
        Decided {
            contig: ContigId(0),
            core: Span::new(at, at + 1),
            calls: vec![call],
            leaning: leans.iter().map(|&(f, bits)| (f, bits * BIT)).collect(),
        }
    }

    /// The genotype and the place of the set of each window's call, as they are written.
    fn written(mut windows: Vec<Decided>) -> Vec<(Vec<usize>, Option<u32>)> {
        link(&mut windows);
        let mut calls: Vec<Call> = windows.into_iter().flat_map(|w| w.calls).collect();
        name_sets(&mut calls);
        let of = |c: Call| {
            let sample = &c.samples[0];
            (sample.genotype.clone(), sample.phase_set.map(|p| p.0))
        };
        calls.into_iter().map(of).collect()
    }

    #[test]
    fn fragments_that_lean_the_same_way_or_the_other_way_give_the_phase() {
        let first = window(100, &[(1, 12), (2, 12), (3, -12)]);
        let alike = window(200, &[(1, 9), (2, 9), (3, -9)]);
        let turned = window(300, &[(1, -9), (2, -9), (3, 9), (9, 9)]);
        assert_eq!(
            written(vec![turned, alike, first]),
            [
                (vec![0, 1], Some(100)),
                (vec![0, 1], Some(100)),
                (vec![1, 0], Some(100))
            ]
        );
    }

    #[test]
    fn one_fragment_or_weak_ones_or_contradiction_link_nothing() {
        let alone = [(vec![0, 1], None), (vec![0, 1], None)];
        let pair = |a: &[(u64, i32)], b: &[(u64, i32)]| written(vec![window(1, a), window(99, b)]);
        assert_eq!(pair(&[(1, 14)], &[(1, 14)]), alone);
        assert_eq!(pair(&[(1, 2), (2, 2)], &[(1, 2), (2, 2)]), alone);
        let four = [(1, 12), (2, 12), (3, 12), (4, 12)];
        let split = [(1, 12), (2, 12), (3, -12), (4, -12)];
        assert_eq!(pair(&four, &split), alone);
        assert_ne!(pair(&four, &four), alone);
    }

    #[test]
    fn a_window_that_is_tied_to_two_sets_makes_them_one() {
        let first = window(100, &[(1, 12), (2, 12)]);
        let other = window(200, &[(3, 12), (4, 12)]);
        let both = window(300, &[(1, 12), (2, 12), (3, -12), (4, -12)]);
        assert_eq!(
            written(vec![first, other, both]),
            [
                (vec![0, 1], Some(100)),
                (vec![1, 0], Some(100)),
                (vec![0, 1], Some(100))
            ]
        );
    }

    #[test]
    fn windows_beyond_reach_are_not_linked() {
        let leans = [(1, 12), (2, 12)];
        let at = |second: u32| written(vec![window(100, &leans), window(second, &leans)])[1].1;
        assert_eq!(at(101 + REACH), Some(100));
        assert_eq!(at(102 + REACH), None);
    }
}
