//! UMIs of one place: which are one molecule's, read with an error.

use std::collections::HashMap;

/// From how many UMIs on neighbours are looked up rather than looked for.
const MANY: usize = 200;

/// A UMI as the other strand has it: its parts in the other order.
pub fn turned(umi: &[u8]) -> Vec<u8> {
    let mut parts: Vec<&[u8]> = umi.split(|c| *c == b'-').collect();
    parts.reverse();
    parts.join(&b'-')
}

/// The root of each UMI, as ranks in `umis`, by directional adjacency (fgbio: `AdjacencyUmiAssigner`): from
/// the most frequent UMI on, those within `edits` substitutions that are no more frequent than half of the one
/// they are reached from, and one, are errors of it. Of equally frequent UMIs the first is the root.
///
/// `umis` are different, each with the number of its templates.
pub fn roots(umis: &[(&[u8], u32)], edits: u32) -> Vec<usize> {
    let mut roots: Vec<usize> = (0..umis.len()).collect();
    if umis.len() < 2 || edits == 0 {
        return roots;
    }
    let mut order = roots.clone();
    order.sort_by_key(|&u| (std::cmp::Reverse(umis[u].1), u));
    let lookup = (umis.len() >= MANY && edits == 1).then(|| {
        let ranked = umis.iter().enumerate().map(|(u, (text, _))| (*text, u));
        ranked.collect::<HashMap<&[u8], usize>>()
    });
    let mut taken = vec![false; umis.len()];
    let mut reached = Vec::new();
    let mut found = Vec::new();
    for root in order {
        if std::mem::replace(&mut taken[root], true) {
            continue;
        }
        reached.push(root);
        while let Some(parent) = reached.pop() {
            roots[parent] = root;
            let (text, count) = umis[parent];
            let most = count / 2 + 1;
            let close = |&u: &usize| !taken[u] && umis[u].1 <= most;
            found.clear();
            match &lookup {
                Some(ranks) => neighbours(text, |other| {
                    found.extend(ranks.get(other).copied().filter(close));
                }),
                None => found.extend(
                    (0..umis.len())
                        .filter(close)
                        .filter(|&u| within(text, umis[u].0, edits)),
                ),
            }
            for &u in &found {
                taken[u] = true;
            }
            reached.append(&mut found);
        }
    }
    roots
}

/// Are they of one length, with so many differences at most?
fn within(a: &[u8], b: &[u8], edits: u32) -> bool {
    a.len() == b.len() && a.iter().zip(b).filter(|(x, y)| x != y).count() as u32 <= edits
}

/// All UMIs with one base changed.
fn neighbours(umi: &[u8], mut tell: impl FnMut(&[u8])) {
    let mut other = umi.to_vec();
    for at in (0..umi.len()).filter(|&at| umi[at] != b'-') {
        for base in *b"ACGT" {
            if base != umi[at] {
                other[at] = base;
                tell(&other);
            }
        }
        other[at] = umi[at];
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn named(umis: &[(&str, u32)]) -> Vec<usize> {
        let umis: Vec<(&[u8], u32)> = umis.iter().map(|(u, n)| (u.as_bytes(), *n)).collect();
        roots(&umis, 1)
    }

    #[test]
    fn a_rare_neighbour_joins_and_a_frequent_one_does_not() {
        // 10 / 2 + 1 = 6 is the most a child may have.
        assert_eq!(named(&[("AAAA", 10), ("AAAC", 6), ("AAAG", 7)]), [0, 0, 2]);
        assert_eq!(named(&[("AAAA", 10), ("AACC", 1)]), [0, 1]);
    }

    #[test]
    fn errors_of_errors_join_over_a_chain_of_falling_counts() {
        assert_eq!(named(&[("AACC", 1), ("AAAC", 3), ("AAAA", 9)]), [2, 2, 2]);
        // The chain breaks where the count rises again.
        assert_eq!(named(&[("AACC", 4), ("AAAC", 3), ("AAAA", 9)]), [0, 2, 2]);
    }

    #[test]
    fn a_neighbour_of_two_roots_goes_to_the_more_frequent_one() {
        assert_eq!(named(&[("AAAA", 5), ("AAAC", 1), ("AACC", 9)]), [0, 2, 2]);
    }

    #[test]
    fn two_single_neighbours_are_one_molecule_and_the_first_is_the_root() {
        assert_eq!(named(&[("AAAA", 1), ("AAAC", 1)]), [0, 0]);
    }

    #[test]
    fn lengths_must_agree() {
        assert_eq!(named(&[("AAAA", 9), ("AAA", 1)]), [0, 1]);
    }

    #[test]
    fn looking_up_neighbours_finds_what_comparing_all_finds() {
        let text = |i: u64| {
            let mix = i.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 40;
            (0..5)
                .map(|k| b"ACGT"[(mix >> (2 * k) & 3) as usize])
                .collect::<Vec<u8>>()
        };
        let mut all: Vec<Vec<u8>> = (0..400).map(text).collect();
        all.sort();
        all.dedup();
        let counted = |n: usize| -> Vec<(&[u8], u32)> {
            (all[..n].iter().enumerate())
                .map(|(i, u)| (&u[..], (i * 7 % 23) as u32 + 1))
                .collect()
        };
        let umis = counted(all.len());
        assert!(umis.len() >= MANY);
        let fast = roots(&umis, 1);
        let plain = |umis: &[(&[u8], u32)]| {
            // The definition, with every pair compared.
            let mut order: Vec<usize> = (0..umis.len()).collect();
            order.sort_by_key(|&u| (std::cmp::Reverse(umis[u].1), u));
            let mut roots = vec![usize::MAX; umis.len()];
            for root in order {
                if roots[root] != usize::MAX {
                    continue;
                }
                roots[root] = root;
                loop {
                    let before = roots.clone();
                    for child in 0..umis.len() {
                        let joins = |p: usize| {
                            before[p] == root
                                && umis[child].1 <= umis[p].1 / 2 + 1
                                && within(umis[p].0, umis[child].0, 1)
                        };
                        if roots[child] == usize::MAX && (0..umis.len()).any(joins) {
                            roots[child] = root;
                        }
                    }
                    if before == roots {
                        break;
                    }
                }
            }
            roots
        };
        assert_eq!(fast, plain(&umis));
        assert!(fast.iter().enumerate().any(|(u, r)| u != *r));
    }

    #[test]
    fn a_turned_umi_has_its_parts_in_the_other_order() {
        assert_eq!(turned(b"ACC-GT"), b"GT-ACC");
        assert_eq!(turned(b"ACC"), b"ACC");
    }
}
