//! From a molecule to what is sequenced of it: damage, copies, and the errors of copying.

use super::random::Random;
use super::{Options, Summary};

/// Rounds of copying. A strand that is sequenced was made anew in half of them.
const CYCLES: u32 = 12;
/// Runs of one base from this length on slip.
const SLIPPERY: u32 = 6;
/// How much more often a run slips for each base more.
const STEEPER: f64 = 1.5;
/// No run slips more often: the share of reads that show it.
const MOST_SLIPPAGE: f64 = 0.3;

/// A sequence that a pair of reads is made of, spelled as the reference is.
pub(super) struct Copy {
    pub bases: Vec<u8>,
    /// Read 1 begins at its left end.
    pub forward: bool,
}

/// Makes the copies of a molecule. `forward` is the strand of the first one, `pairs` their number
/// unless families are asked for. All draws are of `random`, so that what is asked for here leaves
/// the molecules as they are.
pub(super) fn copies(
    molecule: &[u8],
    forward: bool,
    pairs: u32,
    options: &Options,
    random: &mut Random,
    summary: &mut Summary,
) -> Vec<Copy> {
    let mut of_strand = [0, 0];
    of_strand[0] = pairs;
    if let Some(mean) = options.family {
        of_strand[0] = 1;
        // 1 and a geometric number: `mean` on average.
        while random.happens((mean - 1.0) / mean) {
            of_strand[usize::from(random.happens(0.5))] += 1;
        }
    }
    let mut out = Vec::new();
    for (forward, number) in [(forward, of_strand[0]), (!forward, of_strand[1])] {
        if number == 0 {
            continue;
        }
        let mut strand = molecule.to_vec();
        damage(&mut strand, forward, options, random, summary);
        let copied = amplify(&strand, number as usize, options, random, summary);
        out.extend(copied.into_iter().map(|bases| Copy { bases, forward }));
    }
    out
}

/// Turns C into T and G into T on one strand: on the reverse one that reads as G to A and C to A.
fn damage(
    strand: &mut [u8],
    forward: bool,
    options: &Options,
    random: &mut Random,
    summary: &mut Summary,
) {
    let complemented = |of_forward, of_reverse| if forward { of_forward } else { of_reverse };
    let mut change = |from: u8, to: u8, probability| {
        if probability <= 0.0 {
            return 0;
        }
        let at: Vec<usize> = (0..strand.len()).filter(|&i| strand[i] == from).collect();
        let hits = random.hits(at.len() as u32, probability);
        for &hit in &hits {
            strand[at[hit as usize]] = to;
        }
        hits.len() as u64
    };
    let (c, g) = (complemented(b'C', b'G'), complemented(b'G', b'C'));
    let t = complemented(b'T', b'A');
    summary.deaminated += change(c, t, options.damage);
    summary.oxidized += change(g, t, options.oxidation);
}

/// A copy's differences from the strand that was damaged.
#[derive(Clone, Default)]
struct Differences {
    substitutions: Vec<(u32, u8)>,
    /// Rank of the run, and bases gained.
    slips: Vec<(usize, i32)>,
}

/// Copies a strand. Each round makes of each strand a new one beside the old; of the strands that
/// are sequenced half descend from it, with whatever went wrong in its making: an early error is
/// shared by many of the family, a late one is alone.
fn amplify(
    strand: &[u8],
    number: usize,
    options: &Options,
    random: &mut Random,
    summary: &mut Summary,
) -> Vec<Vec<u8>> {
    let mut differences = vec![Differences::default(); number];
    let runs = if options.slippage > 0.0 {
        slippery_runs(strand)
    } else {
        Vec::new()
    };
    if options.pcr_error > 0.0 || !runs.is_empty() {
        // Copies of one number descend from the same strand so far.
        let mut family = vec![0; number];
        let mut families = 1;
        for _ in 0..CYCLES {
            let before = families;
            for old in 0..before {
                let members: Vec<usize> = (0..number).filter(|&i| family[i] == old).collect();
                let mut new = members.clone();
                new.retain(|_| random.happens(0.5));
                if new.is_empty() {
                    continue;
                }
                for at in random.hits(strand.len() as u32, options.pcr_error) {
                    let base = random.other_base(strand[at as usize]);
                    summary.copy_errors += 1;
                    for &i in &new {
                        differences[i].substitutions.push((at, base));
                    }
                }
                for (rank, &(_, length)) in runs.iter().enumerate() {
                    if random.happens(slippage(length, options.slippage)) {
                        // Polymerases lose a unit more often than they gain one.
                        let gained = if random.below(3) < 2 { -1 } else { 1 };
                        summary.slips += 1;
                        for &i in &new {
                            differences[i].slips.push((rank, gained));
                        }
                    }
                }
                if new.len() < members.len() {
                    for &i in &new {
                        family[i] = families;
                    }
                    families += 1;
                }
            }
        }
    }
    let spelled = differences.iter().map(|d| spell(strand, &runs, d));
    spelled.collect()
}

/// Probability that a run slips while a strand is copied once, such that `share` of the reads show
/// it in runs of six.
fn slippage(length: u32, share: f64) -> f64 {
    let steeper = (SLIPPERY..length).fold(share, |p, _| (p * STEEPER).min(MOST_SLIPPAGE));
    steeper * 2.0 / f64::from(CYCLES)
}

/// Start and length of each run that is long enough.
fn slippery_runs(strand: &[u8]) -> Vec<(u32, u32)> {
    let mut start = 0;
    strand
        .chunk_by(|a, b| a == b)
        .filter_map(|run| {
            let (at, length) = (start, run.len() as u32);
            start += length;
            (length >= SLIPPERY).then_some((at, length))
        })
        .collect()
}

fn spell(strand: &[u8], runs: &[(u32, u32)], differences: &Differences) -> Vec<u8> {
    let mut bases = strand.to_vec();
    for &(at, base) in &differences.substitutions {
        bases[at as usize] = base;
    }
    // From right to left: what lies further left keeps its place.
    for (rank, &(start, length)) in runs.iter().enumerate().rev() {
        let slips = differences.slips.iter().filter(|s| s.0 == rank);
        let gained: i32 = slips.map(|s| s.1).sum();
        let (at, end) = (start as usize, (start + length) as usize);
        let filled = (length as i32 + gained).max(1) as usize;
        let run = vec![strand[at]; filled];
        if gained != 0 {
            bases.splice(at..end, run);
        }
    }
    bases
}

#[cfg(test)]
mod tests {
    use super::*;

    fn make(molecule: &[u8], options: &Options, seed: u64) -> (Vec<Copy>, Summary) {
        let mut summary = Summary::default();
        let random = &mut Random::new(seed);
        let made = copies(molecule, true, 1, options, random, &mut summary);
        (made, summary)
    }

    #[test]
    fn damage_is_c_to_t_of_the_strand_that_was_read_and_shared_by_its_copies() {
        let options = Options {
            damage: 1.0,
            family: Some(8.0),
            ..Options::PLAIN
        };
        let mut both = 0;
        for seed in 0..50 {
            let (made, summary) = make(b"AACCGGTC", &options, seed);
            for copy in &made {
                let strand = usize::from(!copy.forward);
                assert_eq!(copy.bases, [b"AATTGGTT", b"AACCAATC"][strand]);
            }
            let reverse = made.iter().any(|c| !c.forward);
            assert_eq!(summary.deaminated, 3 + 2 * u64::from(reverse));
            both += u32::from(reverse);
        }
        assert!(
            (20..50).contains(&both),
            "{both} molecules with both strands"
        );
    }

    #[test]
    fn oxidation_is_g_to_t_of_the_strand_that_was_read() {
        let options = Options {
            oxidation: 1.0,
            ..Options::PLAIN
        };
        let (made, summary) = make(b"AACCGGTC", &options, 1);
        assert_eq!(made[0].bases, b"AACCTTTC");
        assert_eq!(summary.oxidized, 2);
    }

    #[test]
    fn families_have_the_size_that_was_asked_for() {
        let options = Options {
            family: Some(5.0),
            ..Options::PLAIN
        };
        let sizes = (0..4000).map(|seed| make(b"ACGT", &options, seed).0.len());
        let mean = sizes.sum::<usize>() as f64 / 4000.0;
        // The deviation of such a mean is 0.07.
        assert!((4.7..5.3).contains(&mean), "{mean}");
    }

    #[test]
    fn early_copying_errors_are_shared_by_part_of_a_family() {
        let options = Options {
            family: Some(12.0),
            pcr_error: 1e-4,
            ..Options::PLAIN
        };
        let molecule = b"ACGTTGCA".repeat(25);
        let (mut wrong, mut bases, mut shared, mut alone) = (0, 0, 0, 0);
        for seed in 0..600 {
            let made = make(&molecule, &options, seed).0;
            for (i, base) in molecule.iter().enumerate() {
                let n = made.iter().filter(|c| c.bases[i] != *base).count();
                wrong += n;
                shared += u32::from(n > 1);
                alone += u32::from(n == 1);
            }
            bases += made.len() * molecule.len();
        }
        // Half of the twelve rounds made a sequenced strand anew.
        let rate = wrong as f64 / bases as f64;
        assert!((4.5e-4..7.5e-4).contains(&rate), "{rate}");
        assert!(shared > 50 && alone > 50, "{shared} shared, {alone} alone");
    }

    #[test]
    fn only_long_runs_slip_and_longer_ones_more() {
        let options = Options {
            slippage: 0.02,
            ..Options::PLAIN
        };
        let slipped = |molecule: &[u8]| {
            let reads = (0..4000).map(|seed| make(molecule, &options, seed).0.remove(0).bases);
            let lengths: Vec<usize> = reads.map(|b| b.len()).collect();
            let other = |by: &dyn Fn(&usize) -> bool| lengths.iter().filter(|n| by(n)).count();
            (
                other(&|&n| n < molecule.len()),
                other(&|&n| n > molecule.len()),
            )
        };
        assert_eq!(slipped(b"GCAAAAATCG"), (0, 0));
        let six = slipped(b"GCAAAAAATCG");
        let nine = slipped(b"GCAAAAAAAAATCG");
        // 80 and 270 of 4,000 are fair, two in three of them losses.
        assert!((50..110).contains(&(six.0 + six.1)), "{six:?}");
        assert!((200..340).contains(&(nine.0 + nine.1)), "{nine:?}");
        assert!(nine.0 > nine.1);
    }
}
