//! How deep the panel was read: each base once for every fragment.

use super::figure::{Figure, rounded};
use super::targets::Targets;
use crate::domain::{ContigId, Span};
use crate::format::bed;
use crate::genome::Reference;
use serde::Serialize;

/// Depths at which the share of the panel that reaches them is told.
pub const THRESHOLDS: [u32; 8] = [1, 20, 50, 100, 200, 500, 1000, 2000];

/// Depth by slot, while it is counted: by how much it changes there.
#[derive(Debug)]
pub struct Changes(Vec<i32>);

impl Changes {
    /// None yet.
    pub fn new(targets: &Targets) -> Changes {
        Changes(vec![0; targets.len() + 1])
    }

    /// A fragment covers these slots.
    pub fn cover(&mut self, slots: std::ops::Range<usize>) {
        self.0[slots.start] += 1;
        self.0[slots.end] -= 1;
    }

    /// The depth of each slot.
    pub fn depths(&self) -> Vec<u32> {
        let mut depth = 0;
        let each = self.0[..self.0.len() - 1].iter();
        each.map(|change| {
            depth += change;
            depth as u32
        })
        .collect()
    }
}

/// Depth over the panel.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Depth {
    /// Bases of the panel.
    pub bases: u64,
    /// Least.
    pub min: u32,
    /// Half of the bases have no more.
    pub median: u32,
    /// Mean.
    pub mean: f64,
    /// Share of the bases that reach a depth, as `20x` to 0.9876; rounded down.
    pub share_at_least: serde_json::Map<String, serde_json::Value>,
    /// How much more would have to be sequenced for 80 % of the bases to have what is now the mean:
    /// mean / depth that 80 % of the bases reach (`FOLD_80_BASE_PENALTY` of Picard's `CollectHsMetrics`, but for
    /// all bases of the panel).
    pub fold_80: Figure<f64>,
}

/// Depth of one region.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct RegionDepth {
    /// The BED's name for it.
    pub name: String,
    /// `contig:start-end`, counted from 1.
    pub place: String,
    /// Least depth.
    pub min: u32,
    /// Mean depth.
    pub mean: f64,
}

/// How much fewer fragments came from targets rich in AT or GC than from others, as Picard's
/// `CollectHsMetrics` counts it: targets in classes of 1 % GC; where a class has a smaller share of
/// the depth than of the bases, the difference, summed up over classes to 50 % GC (AT), and above.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Dropout {
    /// Of targets with up to 50 % GC; percent of all fragments.
    pub at: f64,
    /// Of targets with more.
    pub gc: f64,
}

/// Sums up the depths of all bases.
pub fn over_panel(depths: &[u32]) -> Depth {
    let mut all = depths.to_vec();
    all.sort_unstable();
    let mean = mean(&all);
    // 80 % of the bases are from here on.
    let low = all[all.len() / 5];
    Depth {
        bases: all.len() as u64,
        min: all[0],
        median: all[(all.len() - 1) / 2],
        mean: rounded(mean),
        share_at_least: THRESHOLDS
            .iter()
            .map(|&t| {
                let reach = all.len() - all.partition_point(|&d| d < t);
                // Rounded down: 1 is said only where every base has it.
                let share = (1e4 * reach as f64 / all.len() as f64).floor() / 1e4;
                (format!("{t}x"), share.into())
            })
            .collect(),
        fold_80: if low > 0 {
            Figure::Given(rounded(mean / f64::from(low)))
        } else {
            Figure::not_assessed("more than a fifth of the panel's bases have no depth")
        },
    }
}

/// The depths of each region.
pub fn by_region(
    depths: &[u32],
    targets: &Targets,
    regions: &[bed::Region],
    reference: &Reference,
) -> Vec<RegionDepth> {
    let each = regions.iter().map(|r| {
        let here = &depths[targets.slots(r.contig, r.span)];
        RegionDepth {
            name: r.name.clone(),
            place: place(reference, r.contig, r.span),
            min: here.iter().copied().min().unwrap_or_default(),
            mean: rounded(mean(here)),
        }
    });
    each.collect()
}

/// A stretch as people write it, counted from 1.
pub fn place(reference: &Reference, contig: ContigId, span: Span) -> String {
    let name = &reference.contig(contig).name;
    format!("{name}:{}-{}", span.start + 1, span.end)
}

/// Mean depth.
pub fn mean(depths: &[u32]) -> f64 {
    depths.iter().map(|&d| f64::from(d)).sum::<f64>() / depths.len().max(1) as f64
}

/// Of the merged targets.
pub fn dropout(depths: &[u32], targets: &Targets) -> Figure<Dropout> {
    let mut classes = [(0u64, 0u64); 101]; // bases, depth
    for (_, _, slots) in targets.spans() {
        let letters = slots.clone().map(|slot| targets.base(slot));
        let known = letters.clone().filter(|b| b"ACGT".contains(b)).count();
        if known == 0 {
            continue;
        }
        let strong = letters.filter(|b| b"GC".contains(b)).count();
        let class = &mut classes[(strong * 100 + known / 2) / known];
        class.0 += slots.len() as u64;
        class.1 += depths[slots].iter().map(|&d| u64::from(d)).sum::<u64>();
    }
    let all = classes.iter().fold((0, 0), |a, c| (a.0 + c.0, a.1 + c.1));
    if all.1 == 0 {
        return Figure::not_assessed("no base of the panel has depth");
    }
    let lost = |(bases, depth): &(u64, u64)| {
        let fair = *bases as f64 / all.0 as f64;
        (fair - *depth as f64 / all.1 as f64).max(0.0)
    };
    let percent = |classes: &[(u64, u64)]| rounded(100.0 * classes.iter().map(lost).sum::<f64>());
    Figure::Given(Dropout {
        at: percent(&classes[..=50]),
        gc: percent(&classes[51..]),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::qc::targets::tests::some;

    #[test]
    fn covered_slots_add_up_and_neighbours_do_not_bleed() {
        let mut changes = Changes::new(&some());
        changes.cover(2..4);
        changes.cover(3..6);
        changes.cover(8..9);
        assert_eq!(changes.depths(), [0, 0, 1, 2, 1, 1, 0, 0, 1]);
    }

    #[test]
    fn a_share_is_one_only_where_every_base_has_it() {
        let mut depths = vec![100; 19_999];
        depths.push(19);
        let depth = over_panel(&depths);
        let share = |t: u32| depth.share_at_least[&format!("{t}x")].as_f64().unwrap();
        assert_eq!((share(1), share(20), share(200)), (1.0, 0.9999, 0.0));
        assert_eq!((depth.bases, depth.min, depth.median), (20_000, 19, 100));
    }

    #[test]
    fn fold_80_is_the_mean_over_what_four_fifths_reach() {
        let fold = |depths: &[u32]| over_panel(depths).fold_80;
        assert_eq!(fold(&[50, 100, 100, 200, 300]), Figure::Given(1.5));
        assert_eq!(fold(&[7; 5]), Figure::Given(1.0));
        let reason = "more than a fifth of the panel's bases have no depth";
        assert_eq!(fold(&[0, 0, 9, 9, 9]), Figure::not_assessed(reason));
    }

    #[test]
    fn dropout_is_what_a_class_lacks_of_its_share() {
        // ACGT and CGTA are of 50 % GC, the span between, AC, too; with 3 of 9 slots and no depth.
        let t = some();
        let even = dropout(&[10; 9], &t);
        assert_eq!(even, Figure::Given(Dropout { at: 0.0, gc: 0.0 }));
        // GTA, 33 % GC, a third of the bases, without depth.
        let lost = dropout(&[10, 10, 10, 10, 10, 10, 0, 0, 0], &t);
        assert_eq!(lost, Figure::Given(Dropout { at: 33.33, gc: 0.0 }));
        assert!(matches!(dropout(&[0; 9], &t), Figure::NotAssessed { .. }));
    }
}
