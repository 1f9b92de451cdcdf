//! A panel called in parts, on as many machines as there are: each shard surveys the whole panel, so
//! that all learn the same of the sample's errors, and calls its share of the windows. Their joint
//! output is, to the byte, that of one run (see [`merge`](super::merge)).

use super::active::{NEAR, Window};
use super::assemble::LONGEST_CORE;
use super::{Tile, decide::CLUSTER_REACH, phase};
use crate::domain::{ContigId, Span, Variant};
use std::collections::BTreeMap;

/// Which part of how many.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shard {
    /// From 1.
    pub index: u32,
    /// All of them.
    pub count: u32,
}

impl Shard {
    /// Everything.
    pub const WHOLE: Shard = Shard { index: 1, count: 1 };

    /// Is what has `before` of `total` windows ahead of it a part of this shard?
    fn takes(self, before: usize, total: usize) -> bool {
        let of = before as u64 * u64::from(self.count) / total.max(1) as u64;
        of.min(u64::from(self.count) - 1) + 1 == u64::from(self.index)
    }
}

impl std::fmt::Display for Shard {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}/{}", self.index, self.count)
    }
}

impl std::str::FromStr for Shard {
    type Err = String;

    fn from_str(s: &str) -> Result<Shard, String> {
        let parse = || {
            let (index, count) = s.split_once('/')?;
            let shard = Shard {
                index: index.parse().ok()?,
                count: count.parse().ok()?,
            };
            (1..=shard.count).contains(&shard.index).then_some(shard)
        };
        parse().ok_or_else(|| "give part and number of parts, as 2/8".to_string())
    }
}

/// How far beyond its windows' cores a group's calls may stand.
const REACH: u32 = LONGEST_CORE + NEAR;
/// Windows this far from each other do not share a call, nor a cluster of calls.
const APART: u32 = 2 * REACH + CLUSTER_REACH;
const _: () = assert!(phase::REACH <= APART, "a phase set stays within a group");

/// Neighbouring windows whose calls may bear upon each other.
#[derive(Clone, Debug)]
struct Group {
    contig: ContigId,
    /// All their cores.
    hull: Span,
    /// Rank of the tile in which its first window is at home.
    first: usize,
    /// Each with the rank of its home tile.
    windows: Vec<(usize, Window)>,
}

/// All windows of a panel, in groups, by position.
#[derive(Clone, Debug, Default)]
pub struct Plan {
    groups: Vec<Group>,
}

/// Windows that are called in one go. Which ones these are does not depend on the shards.
#[derive(Clone, Debug)]
pub struct Unit {
    /// Where.
    pub contig: ContigId,
    /// By position.
    pub windows: Vec<Window>,
}

impl Plan {
    /// Adds the next window, which is at home in tile `home`.
    pub(super) fn add(&mut self, contig: ContigId, home: usize, window: Window) {
        let core = window.core;
        match self.groups.last_mut() {
            Some(g) if g.contig == contig && core.start <= g.hull.end.saturating_add(APART) => {
                g.hull.end = g.hull.end.max(core.end);
                g.windows.push((home, window));
            }
            _ => self.groups.push(Group {
                contig,
                hull: core,
                first: home,
                windows: vec![(home, window)],
            }),
        }
    }

    /// How many windows there are.
    pub fn windows(&self) -> usize {
        self.groups.iter().map(|g| g.windows.len()).sum()
    }

    /// The tile, by rank, whose shard calls what could stand on a base of tile `tile`.
    pub(super) fn owner(&self, contig: ContigId, position: u32, tile: usize) -> usize {
        let ends_before =
            |g: &Group| (g.contig, g.hull.end.saturating_add(REACH)) <= (contig, position);
        let next = self.groups.get(self.groups.partition_point(ends_before));
        let near =
            |g: &&Group| g.contig == contig && g.hull.start.saturating_sub(REACH) <= position;
        next.filter(near).map_or(tile, |g| g.first)
    }

    /// Which of so many tiles a shard has.
    pub(super) fn own(&self, shard: Shard, tiles: usize) -> Vec<bool> {
        let total = self.windows();
        let mut groups = self.groups.iter().peekable();
        let mut before = 0;
        let own = |tile| {
            while let Some(group) = groups.next_if(|g| g.first < tile) {
                before += group.windows.len();
            }
            shard.takes(before, total)
        };
        (0..tiles).map(own).collect()
    }

    /// What a shard is to call.
    pub fn units(&self, shard: Shard) -> Vec<Unit> {
        let total = self.windows();
        let mut before = 0;
        let mut units: BTreeMap<(usize, usize), Unit> = BTreeMap::new();
        for tile in self.groups.chunk_by(|a, b| a.first == b.first) {
            if shard.takes(before, total) {
                for (group, (home, window)) in tile
                    .iter()
                    .flat_map(|g| g.windows.iter().map(move |w| (g, w)))
                {
                    let unit = units.entry((group.first, *home)).or_insert_with(|| Unit {
                        contig: group.contig,
                        windows: Vec::new(),
                    });
                    unit.windows.push(window.clone());
                }
            }
            before += tile.iter().map(|g| g.windows.len()).sum::<usize>();
        }
        units.into_values().collect()
    }

    /// Is it for this shard to say what became of an allele?
    pub(super) fn answers(&self, shard: Shard, v: &Variant, tiles: &[Tile]) -> bool {
        let of_tile = |t: &Tile| t.contig == v.contig && t.span.contains(v.pos);
        let tile = tiles.iter().position(of_tile).unwrap_or(0);
        let tile = self.owner(v.contig, v.pos.0, tile);
        self.own(shard, tile + 1)[tile]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::Pos;

    fn plan(starts: &[(usize, u32)]) -> Plan {
        let mut plan = Plan::default();
        for &(home, start) in starts {
            let core = Span::new(start, start + 1);
            let window = Window {
                span: core.widened(16, 1 << 20),
                core,
                alleles: Vec::new(),
                assembled: Vec::new(),
                forced: 0,
                home: Pos(start),
                room: Span::new(0, 1 << 20),
            };
            plan.add(ContigId(0), home, window);
        }
        plan
    }

    fn starts(units: &[Unit]) -> Vec<Vec<u32>> {
        let of = |u: &Unit| u.windows.iter().map(|w| w.core.start).collect();
        units.iter().map(of).collect()
    }

    #[test]
    fn shards_take_every_unit_once_and_cut_none() {
        // The group at 3,900 to 4,300 crosses from tile 0 to 1; that at 5,000 is tile 1's own.
        let plan = plan(&[
            (0, 100),
            (0, 3900),
            (1, 4150),
            (1, 4300),
            (1, 5000),
            (3, 13_000),
        ]);
        let whole = starts(&plan.units(Shard::WHOLE));
        assert_eq!(
            whole,
            [vec![100, 3900], vec![4150, 4300], vec![5000], vec![13_000]]
        );
        for count in 1..9 {
            let parts = (1..=count).flat_map(|index| plan.units(Shard { index, count }));
            assert_eq!(starts(&parts.collect::<Vec<_>>()), whole, "{count} shards");
        }
        let half = starts(&plan.units(Shard { index: 2, count: 2 }));
        assert_eq!(half, [vec![5000], vec![13_000]]);
    }

    #[test]
    fn every_allele_has_one_shard_that_answers_for_it() {
        let plan = plan(&[(0, 100), (0, 3900), (1, 4150), (2, 8200)]);
        let owner = |p, tile| plan.owner(ContigId(0), p, tile);
        assert_eq!([owner(4000, 0), owner(4200, 1), owner(6000, 1)], [0, 0, 1]);
        assert_eq!(
            owner(8190, 1),
            2,
            "a call of the next tile's may stand there"
        );
        let tiles: Vec<Tile> = (0..3)
            .map(|k| Tile {
                contig: ContigId(0),
                span: Span::new(k * 4096, (k + 1) * 4096),
            })
            .collect();
        for position in [0, 100, 3000, 4096, 4160, 6000, 9001, 20_000] {
            let v = Variant {
                contig: ContigId(0),
                pos: Pos(position),
                reference: b"A".to_vec(),
                alternate: b"C".to_vec(),
            };
            for count in 1..6 {
                let answers =
                    (1..=count).filter(|&index| plan.answers(Shard { index, count }, &v, &tiles));
                assert_eq!(answers.count(), 1, "{position}, {count} shards");
                let shard = Shard { index: 1, count };
                let tile = tiles.iter().position(|t| t.span.contains(v.pos));
                let owner = plan.owner(v.contig, position, tile.unwrap_or(0));
                let own = plan.own(shard, tiles.len())[owner];
                assert_eq!(own, plan.answers(shard, &v, &tiles), "{position}");
            }
        }
    }

    #[test]
    fn a_shard_is_a_part_and_a_number_of_parts() {
        let parse = |s: &str| s.parse::<Shard>();
        assert_eq!(parse("2/8"), Ok(Shard { index: 2, count: 8 }));
        for bad in ["0/3", "4/3", "3", "a/b", "1/0", "-1/2"] {
            assert!(parse(bad).is_err(), "{bad}");
        }
    }
}
