//! Where on a flow cell a template was read: copies that lie close together are one cluster that was
//! read twice, not copies that the library holds.

use bytemuck::{Pod, Zeroable};
use xxhash_rust::xxh3::xxh3_64;

/// A place on a flow cell.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Pod, Zeroable)]
#[repr(C)]
pub struct Location {
    /// A hash of what comes before the coordinates in the name (machine, run, flow cell, lane, tile).
    pub tile: u64,
    /// Coordinates, as the name has them.
    pub x: u32,
    /// See `x`.
    pub y: u32,
}

impl Location {
    /// What an Illumina name says: five, seven or eight fields between colons, the last three of the
    /// first five or seven being tile, x and y. `None` for other names.
    pub fn of_name(name: &[u8]) -> Option<Location> {
        let tile = match memchr::memchr_iter(b':', name).count() {
            4 => 2,
            6 | 7 => 4,
            _ => return None,
        };
        let mut start = 0;
        for _ in 0..=tile {
            start += memchr::memchr(b':', &name[start..])? + 1;
        }
        let mut coordinates = name[start..].split(|&c| c == b':');
        Some(Location {
            tile: xxh3_64(&name[..start]),
            x: number(coordinates.next()?)?,
            // Old names go on with `#index/mate`.
            y: number(coordinates.next()?.split(|&c| c == b'#').next()?)?,
        })
    }
}

fn number(text: &[u8]) -> Option<u32> {
    let digits = text.iter().all(u8::is_ascii_digit);
    digits.then(|| str::from_utf8(text).ok()?.parse().ok())?
}

/// How many of these copies were read twice: all but one of each chain in which neighbours are on one
/// tile and no further than `distance` apart in x and in y.
pub fn count(locations: &mut [Location], distance: u32) -> u64 {
    locations.sort_unstable();
    let mut parent: Vec<usize> = (0..locations.len()).collect();
    let mut joined = 0;
    for (i, a) in locations.iter().enumerate() {
        let behind = locations[i + 1..].iter();
        let near = behind.take_while(|b| b.tile == a.tile && b.x - a.x <= distance);
        for (j, b) in near.enumerate() {
            if a.y.abs_diff(b.y) <= distance {
                let roots = [root(&mut parent, i), root(&mut parent, i + 1 + j)];
                joined += u64::from(roots[0] != roots[1]);
                parent[roots[0]] = roots[1];
            }
        }
    }
    joined
}

fn root(parent: &mut [usize], mut i: usize) -> usize {
    while parent[i] != i {
        parent[i] = parent[parent[i]];
        i = parent[i];
    }
    i
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_tell_tile_and_coordinates() {
        let of = |name: &str| Location::of_name(name.as_bytes());
        let seven = of("M1:7:FC:1:1101:1012:67164").unwrap();
        assert_eq!((seven.x, seven.y), (1012, 67_164));
        assert_eq!(of("M1:7:FC:1:1101:1012:67164:ACGT+TT"), Some(seven));
        assert_eq!(of("M1:7:FC:1:1101:1012:67164#0/1"), Some(seven));
        assert_ne!(of("M1:7:FC:2:1101:1012:67164").unwrap().tile, seven.tile);
        let five = of("FC:1:22:333:4444").unwrap();
        assert_eq!((five.x, five.y), (333, 4444));
        for other in [
            "r1",
            "a:b:c",
            "M1:7:FC:1:1101:x:67164",
            "20_4_0_1:0:0_1:0:0_0",
            "M1:7:FC:1:1101:99999999999:1",
        ] {
            assert_eq!(of(other), None, "{other}");
        }
    }

    #[test]
    fn chains_of_neighbours_count_once() {
        let at = |tile, x, y| Location { tile, x, y };
        let mut locations = [
            at(1, 100, 100),
            at(1, 300, 100),
            at(1, 200, 200), // joins the two
            at(2, 100, 100), // another tile
            at(1, 200, 301), // too far
            at(1, 5000, 5000),
            at(1, 5000, 5000),
        ];
        assert_eq!(count(&mut locations, 100), 3);
        assert_eq!(count(&mut locations, 0), 1);
        assert_eq!(count(&mut [], 100), 0);
    }
}
