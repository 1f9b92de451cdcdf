//! Which of its hits each read is placed at, pairs together, and how sure that is.

use super::hit::{Hit, Hits};
use super::insert::InsertSize;
use super::mapq::{self, Evidence, NEAR};
use super::rescue::distance;
use super::split::NEARBY;
use crate::batch::PackedReads;
use crate::kernel::candidate::Summary;
use std::cmp::Reverse;

/// What placing two mates apart costs, in score: bwa's.
const UNPAIRED: i32 = 17;

/// Where a read is placed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Placed {
    /// Its hit, by rank among the read's hits; `None` if the read is unmapped.
    pub hit: Option<usize>,
    /// Mapping quality.
    pub mapq: u8,
    /// Score of the best other place for the same bases; 0 if there is none.
    pub second: i32,
    /// Hits of other parts of the read, and their qualities.
    pub supplementary: Vec<(usize, u8)>,
}

/// Where a template's reads are placed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Template {
    /// One, or both mates.
    pub ends: Vec<Placed>,
    /// The mates face each other at a distance that the insert size allows.
    pub proper: bool,
}

/// Places the reads of template `t`.
pub fn place(
    t: usize,
    hits: &Hits,
    packed: &PackedReads,
    summaries: &[Summary],
    insert: Option<&InsertSize>,
) -> Template {
    match insert {
        None => single(t, hits, packed, summaries),
        Some(insert) => pair(t, hits, packed, summaries, insert),
    }
}

fn single(t: usize, hits: &Hits, packed: &PackedReads, summaries: &[Summary]) -> Template {
    let (own, length) = (&hits.of_read[t][..], packed.spans[t].len);
    let mut end = Placed::default();
    if !own.is_empty() {
        let evidence = evidence(own, 0, length, summaries[t]);
        end = Placed {
            hit: Some(0),
            mapq: evidence.single() as u8,
            second: evidence.second,
            supplementary: Vec::new(),
        };
        add_supplementary(&mut end, (own, hits.least), length, summaries[t], None);
    }
    Template {
        ends: vec![end],
        proper: false,
    }
}

fn pair(
    t: usize,
    hits: &Hits,
    packed: &PackedReads,
    summaries: &[Summary],
    insert: &InsertSize,
) -> Template {
    let reads = [2 * t, 2 * t + 1];
    let own = reads.map(|r| &hits.of_read[r][..]);
    let lengths = reads.map(|r| packed.spans[r].len);
    let summaries = reads.map(|r| summaries[r]);
    let joint = best_pair(own, lengths, insert);
    let apart = match own {
        [[a, ..], [b, ..]] => Some(a.ranked + b.ranked - UNPAIRED),
        _ => None,
    };
    let together = joint.as_ref().filter(|j| apart.is_none_or(|a| j.score > a));
    let chosen = together.map_or([0, 0], |j| j.hits);
    let evidences = [0, 1].map(|e| {
        (!own[e].is_empty()).then(|| evidence(own[e], chosen[e], lengths[e], summaries[e]))
    });
    let mut ends: Vec<Placed> = [0, 1]
        .map(|e| match &evidences[e] {
            None => Placed::default(),
            Some(v) => Placed {
                hit: Some(chosen[e]),
                mapq: v.single() as u8,
                second: v.second,
                supplementary: Vec::new(),
            },
        })
        .into();
    if let (Some(j), [Some(a), Some(b)]) = (together, &evidences) {
        let alternate = |hits: [usize; 2]| (0..2).any(|e| own[e][hits[e]].alternate);
        let apart = apart.filter(|_| alternate(chosen) || !alternate([0, 0]));
        let second = j.second.max(apart.unwrap_or(0)).max(0);
        let quality = mapq::paired(j.score, second, j.near_second, [a, b]);
        for (end, v) in ends.iter_mut().zip([a, b]) {
            end.mapq = mapq::combined(v.single(), quality) as u8;
        }
    }
    let proper = match own {
        [[_, ..], [_, ..]] => distance(
            &own[0][chosen[0]],
            lengths[0],
            &own[1][chosen[1]],
            lengths[1],
        )
        .is_some_and(|d| insert.is_proper(d)),
        _ => false,
    };
    for e in 0..2 {
        let (m, qualities) = (1 - e, [ends[0].mapq, ends[1].mapq]);
        let mate = ends[m].hit.zip(evidences[m].as_ref());
        let mate = mate.map(|(h, evidence)| Beside {
            hit: &own[m][h],
            length: lengths[m],
            mapq: qualities[m],
            evidence,
            insert,
        });
        add_supplementary(
            &mut ends[e],
            (own[e], hits.least),
            lengths[e],
            summaries[e],
            mate.as_ref(),
        );
    }
    Template { ends, proper }
}

/// The best way to place two mates as a pair.
struct Joint {
    score: i32,
    hits: [usize; 2],
    /// Score of the next best way; 0 if there is none.
    second: i32,
    /// Ways within [`NEAR`] of that.
    near_second: usize,
}

fn best_pair(own: [&[Hit]; 2], lengths: [u32; 2], insert: &InsertSize) -> Option<Joint> {
    let mut ways: Vec<(i32, [usize; 2])> = Vec::new();
    let alternate = |w: &(i32, [usize; 2])| own[0][w.1[0]].alternate || own[1][w.1[1]].alternate;
    for (i, a) in own[0].iter().enumerate() {
        for (j, b) in own[1].iter().enumerate() {
            if let Some(d) = distance(a, lengths[0], b, lengths[1]).filter(|&d| insert.fits(d)) {
                ways.push((a.ranked + b.ranked - insert.cost(d as u32), [i, j]));
            }
        }
    }
    ways.sort_by_key(|w| (Reverse(w.0), alternate(w), w.1));
    let (score, hits) = *ways.first()?;
    if !alternate(&ways[0]) {
        ways.retain(|w| !alternate(w)); // they raise no doubt: see [`Hit::doubts`]
    }
    let second = ways.get(1).map_or(0, |w| w.0);
    let near_second = ways[1..].iter().filter(|w| w.0 + NEAR >= second).count();
    Some(Joint {
        score,
        hits,
        second,
        near_second,
    })
}

fn evidence(own: &[Hit], chosen: usize, length: u32, summary: Summary) -> Evidence {
    let hit = &own[chosen];
    let others = || {
        own.iter()
            .enumerate()
            .filter(|&(i, h)| i != chosen && h.doubts(hit, length))
            .map(|(_, h)| h.score)
    };
    let second = others().max().unwrap_or(0).max(0);
    let near_second = if second > 0 {
        others().filter(|s| s + NEAR >= second).count()
    } else {
        0
    };
    Evidence {
        score: hit.score,
        second,
        near_second,
        span: (hit.read_end - hit.read_start).max(hit.end - hit.start),
        shortfall: mapq::shortfall(hit.votes, summary.skipped, length),
    }
}

/// Where a read's mate is placed, for the read's other parts: its hit and length, and what it says.
struct Beside<'a> {
    hit: &'a Hit,
    length: u32,
    mapq: u8,
    evidence: &'a Evidence,
    insert: &'a InsertSize,
}

impl Beside<'_> {
    /// What lying beside the mate is worth to a hit: as much as it costs a pair to lie apart.
    fn worth(&self, h: &Hit, length: u32) -> i32 {
        distance(h, length, self.hit, self.length)
            .filter(|&d| self.insert.fits(d))
            .map_or(0, |d| (UNPAIRED - self.insert.cost(d as u32)).max(0))
    }
}

/// Adds the hits of parts of the read that the primary one leaves out, best first; what lies beside
/// the mate comes before its copies elsewhere.
fn add_supplementary(
    end: &mut Placed,
    (own, least): (&[Hit], i32),
    length: u32,
    summary: Summary,
    mate: Option<&Beside>,
) {
    let Some(primary) = end.hit.filter(|_| own.len() > 1) else {
        return;
    };
    let worth = |h: &Hit| mate.map_or(0, |m| m.worth(h, length));
    let is_part = |h: &Hit| {
        // A hit near the primary one has few diagonals to be by chance on.
        (h.ranked >= least || h.is_near(&own[primary], NEARBY)) && !own[primary].competes(h, length)
    };
    let mut parts: Vec<usize> = (0..own.len()).filter(|&i| is_part(&own[i])).collect();
    parts.sort_by_key(|&i| (Reverse(own[i].ranked + worth(&own[i])), i));
    for i in parts {
        let h = &own[i];
        if end
            .supplementary
            .iter()
            .any(|&(j, _)| own[j].competes(h, length))
        {
            continue;
        }
        let evidence = evidence(own, i, length, summary);
        let mut mapq = evidence.single();
        if let Some(mate) = mate.filter(|m| m.worth(h, length) > 0) {
            let others = || {
                let competing = |&(j, o): &(usize, &Hit)| j != i && o.doubts(h, length);
                let all = own.iter().enumerate().filter(competing);
                all.map(|(_, o)| o.score + worth(o))
            };
            let second = others().max().unwrap_or(0).max(0);
            let near_second = others()
                .filter(|o| second > 0 && o + NEAR >= second)
                .count();
            let ends = [&evidence, mate.evidence];
            let paired = mapq::paired(h.score + worth(h), second, near_second, ends);
            mapq = mapq::combined(mapq, paired.min(i32::from(mate.mapq)));
        }
        end.supplementary.push((i, (mapq as u8).min(end.mapq)));
    }
}
