//! From a weighed window to its calls.

use super::active::Window;
use super::allele::{Stretch, core, core_letters, normalize};
use super::background::Background;
use super::damage::{Damage, View, tempered};
use super::diploid::Pairs;
use super::filter::{self, Traits};
use super::genotype::{Locus, absence_odds, balance, fraction_odds};
use super::haplotype::{Haplotype, Weighed};
use super::phase::{self, Leaning, Phase};
use super::reads::{Load, Read};
use super::record::{Call, Sample};
use super::repeats::{self, Repeat, Slippage};
use crate::domain::quality::{BIT, error_of};
use crate::domain::{Pos, Variant};

/// log10 odds from which an allele is written.
const EMIT: f64 = 4.0;
/// Quality from which a genotype is written.
const EMIT_QUALITY: f64 = 10.0;
/// Alleles at most this far apart may change one codon, and are one record if they go together.
const CODON: u32 = 2;
/// A deletion and an insertion that go together within so many bases are an exchange.
const EXCHANGE: u32 = 8;
/// Quality below which a genotype is filtered.
const LEAST_QUALITY: f64 = 20.0;
/// Prior chance that a place differs from the reference by a substitution, and by a gap.
const SUBSTITUTIONS: f64 = 1e-3;
const GAPS: f64 = 1e-4;

/// A window, its haplotypes, and the fragments of each sample weighed against them.
pub struct Found<'a> {
    /// The window.
    pub window: &'a Window,
    /// Its haplotypes, the reference first.
    pub haplotypes: &'a [Haplotype],
    /// By sample, the tumor (or germline sample) first.
    pub weighed: &'a [Vec<Weighed>],
    /// The samples' reads.
    pub loads: &'a [&'a Load],
    /// The reference around.
    pub around: &'a Stretch,
    /// How often this sample's repeats slip.
    pub slippage: &'a Slippage,
    /// How often this sample's molecules are wrong copies.
    pub damage: &'a Damage,
    /// What is known of alleles beforehand.
    pub background: &'a Background,
    /// How many haplotypes a germline sample has here.
    pub copies: usize,
}

impl Found<'_> {
    /// Alleles that some haplotype carries, as single bits.
    fn carried(&self) -> Vec<u32> {
        (0..self.window.alleles.len())
            .map(|k| 1 << k)
            .filter(|bit| self.haplotypes.iter().any(|h| h.carries & bit != 0))
            .collect()
    }

    fn allele(&self, bit: u32) -> &Variant {
        &self.window.alleles[bit.trailing_zeros() as usize]
    }

    /// Genotypes: the best pair of haplotypes (the best one, where there is one copy) decides which alleles
    /// there are; alleles of one place and kind are one record. The pair also says how they go together.
    pub fn germline(&self) -> (Vec<Call>, Leaning) {
        let repeats = repeats::find(self.around);
        let cost: Vec<f64> = self
            .window
            .alleles
            .iter()
            .map(|v| cost(v, &repeats, self.slippage))
            .collect();
        let pairs = Pairs::weigh(self.haplotypes, &self.weighed[0], &cost, self.copies);
        let (a, b) = pairs.best();
        let sides = &[a, b].map(|h| self.haplotypes[h].carries)[..self.copies];
        let mut places: Vec<Vec<u32>> = Vec::new();
        for bit in self.carried() {
            if (sides.iter().fold(0, |all, side| all | side) | self.window.forced) & bit == 0 {
                continue;
            }
            let place = |b: u32| (self.allele(b).pos, self.allele(b).is_indel());
            match places.iter_mut().find(|p| place(p[0]) == place(bit)) {
                Some(p) => p.push(bit),
                None => places.push(vec![bit]),
            }
        }
        let of_place = |bits: &Vec<u32>| self.genotype_of(bits, &pairs, &cost, sides);
        let mut calls: Vec<Call> = places.iter().filter_map(of_place).collect();
        if !self.is_phased(&calls, &pairs) {
            for call in &mut calls {
                call.phase = None;
            }
        }
        let leaning = if calls.iter().any(|c| c.phase.is_some()) {
            phase::leaning(&self.weighed[0], (a, b), self.loads[0])
        } else {
            Vec::new()
        };
        (calls, leaning)
    }

    /// Is it sure how the window's heterozygous calls go together? Fragments must reach from each to the
    /// next, and the same alleles must fit them less when put together otherwise.
    fn is_phased(&self, calls: &[Call], pairs: &Pairs) -> bool {
        let mut places: Vec<u32> = calls
            .iter()
            .filter(|c| c.phase.is_some())
            .map(|c| c.variant.pos.0)
            .collect();
        places.sort_unstable();
        let reach = |w: &&Weighed, place: u32| {
            let mut reads = w.reads.iter().map(|&r| &self.loads[0].reads[r as usize]);
            reads.any(|r| (r.start..r.end).contains(&place))
        };
        let joined = places.windows(2).all(|p| {
            let both = |w: &&Weighed| reach(w, p[0]) && reach(w, p[1]);
            let fragments = self.weighed[0].iter().filter(both).count();
            fragments >= phase::LEAST_FRAGMENTS as usize
        });
        let otherwise = || pairs.otherwise_together(self.haplotypes) >= phase::DECISIVE;
        places.len() < 2 || (joined && otherwise())
    }

    /// The record of alleles that share a place; `sides` are the alleles of the best haplotypes.
    fn genotype_of(
        &self,
        bits: &[u32],
        pairs: &Pairs,
        cost: &[f64],
        sides: &[u32],
    ) -> Option<Call> {
        let weighed = &self.weighed[0];
        let of_set = |set: u32| bits.iter().position(|b| set & b != 0).map_or(0, |k| k + 1);
        let carries: Vec<usize> = self.haplotypes.iter().map(|h| of_set(h.carries)).collect();
        let mut genotype = pairs.at(&carries, bits.len() + 1);
        // What the window as a whole is, each of its places is.
        genotype.alleles = sides.iter().map(|&side| of_set(side)).collect();
        let phase = match genotype.alleles[..] {
            [x, y] if x != y => Some(Phase {
                set: 0,
                alleles: [x, y],
            }),
            _ => None,
        };
        genotype.alleles.sort_unstable();
        let prior = 10f64.powf(-cost[bits[0].trailing_zeros() as usize] / 10.0);
        let locus = Locus::of(self.haplotypes, weighed, bits);
        let artefact = matches!(genotype.alleles[..], [0, 1] | [1])
            && balance(&gains(&locus), prior, self.copies).is_some_and(|balance| balance < 0.0);
        let forced = bits.iter().any(|b| self.window.forced & b != 0);
        let absent = genotype.is_reference() || genotype.qual < EMIT_QUALITY || artefact;
        let called = genotype.alleles.clone();
        if absent && !forced {
            return None;
        }
        if absent {
            genotype.alleles = vec![0; self.copies];
        }
        let variants: Vec<&Variant> = bits.iter().map(|&b| self.allele(b)).collect();
        let longest = variants.iter().max_by_key(|v| v.reference.len())?;
        let reference = longest.reference.clone();
        let mut alternates = variants.iter().map(|v| {
            let mut alternate = v.alternate.clone();
            alternate.extend_from_slice(&reference[v.reference.len()..]);
            alternate
        });
        let variant = Variant {
            contig: longest.contig,
            pos: longest.pos,
            alternate: alternates.next()?,
            reference: reference.clone(),
        };
        let traits = filter::traits(variants[0], &locus, weighed, self.loads[0]);
        let mut filters = filter::common(&traits, variants[0], None);
        if absent {
            // What supports the alleles says nothing of a genotype without them.
            filters.retain(|f| *f == filter::LOW_DEPTH);
        } else if genotype.qual < LEAST_QUALITY {
            filters.push(filter::LOW_QUALITY);
        }
        filters.sort();
        Some(Call {
            variant,
            others: alternates.collect(),
            quality: genotype.qual,
            filters,
            info: info(&traits),
            forced,
            phase: phase.filter(|_| !absent),
            samples: vec![Sample {
                likelihoods: Some((genotype.gq, genotype.pl)),
                unlisted: locus.with_unlisted(&called, bits.len() + 1),
                ..sample(&traits, genotype.alleles)
            }],
        })
    }

    /// How often would a fragment show this gap by error alone? In a repeat, slips of the reference and
    /// of the other alleles that change the same repeat add up, each in its share of the fragments.
    fn slip(&self, v: &Variant) -> f64 {
        let repeats = repeats::find(self.around);
        let Some(repeat) = repeats::changed_by(&repeats, v) else {
            return error_of(40);
        };
        let in_repeat: Vec<u32> = self
            .carried()
            .into_iter()
            .filter(|&bit| repeat.changes(self.allele(bit)))
            .collect();
        let support = Locus::of(self.haplotypes, &self.weighed[0], &in_repeat).support();
        let all = f64::from(support.iter().sum::<u32>().max(1));
        let added = in_repeat
            .iter()
            .map(|&b| repeat.units_added(self.allele(b)));
        let own = repeat.units_added(v);
        let rate: f64 = std::iter::once(0)
            .chain(added)
            .zip(&support)
            .filter(|&(units, _)| units != own)
            .map(|(units, &n)| f64::from(n) / all * self.slippage.rate_of(repeat, own - units))
            .sum();
        rate.clamp(error_of(40), 0.5)
    }

    /// Alleles at any fraction; those that go together within a codon are one.
    pub fn somatic(&self) -> Vec<Call> {
        self.joined()
            .iter()
            .filter_map(|&bits| self.allele_of(bits))
            .collect()
    }

    fn allele_of(&self, bits: u32) -> Option<Call> {
        let variant = self.spelt(bits)?;
        let loci: Vec<Locus> = self
            .weighed
            .iter()
            .map(|w| Locus::of(self.haplotypes, w, &[bits]))
            .collect();
        let raw = gains(&loci[0]);
        let untempered = fraction_odds(&raw);
        let forced = self.window.forced & bits != 0;
        if untempered < EMIT && !forced {
            return None;
        }
        let odds = if variant.is_indel() {
            untempered
        } else {
            fraction_odds(&self.tempered(&raw, &variant))
        };
        let tumor = filter::traits(&variant, &loci[0], &self.weighed[0], self.loads[0]);
        if tumor.support[1] == 0 && !forced {
            return None;
        }
        let mut filters = filter::somatic(&tumor, &variant, self.slip(&variant), odds);
        if odds < filter::LEAST_ODDS && untempered >= filter::LEAST_ODDS {
            filters.push(filter::DAMAGE);
        }
        let mut fields = info(&tumor);
        fields.insert(0, ("TLOD", format!("{odds:.2}")));
        let mut of_normal = None;
        let shown = untempered >= EMIT && tumor.support[1] > 0;
        let mut samples = vec![sample(&tumor, vec![0, usize::from(shown)])];
        if let (Some(locus), Some(weighed)) = (loci.get(1), self.weighed.get(1)) {
            let normal = filter::traits(&variant, locus, weighed, self.loads[1]);
            let gains = gains(locus);
            let absence = absence_odds(&gains);
            let told: u32 = tumor.support.iter().sum();
            let fraction = f64::from(tumor.support[1]) / f64::from(told.max(1));
            filters.extend(filter::against_normal(
                &normal,
                absence,
                fraction_odds(&gains),
                fraction,
                self.background.speaks_of("GERMQ"),
            ));
            fields.insert(1, ("NLOD", format!("{absence:.2}")));
            samples.push(sample(&normal, vec![0, 0]));
            of_normal = Some(absence);
        }
        let remarks = self.background.remarks(&variant, &tumor, of_normal, forced);
        fields.extend(remarks.info);
        filters.extend(remarks.filters);
        filters.sort();
        filters.dedup();
        Some(Call {
            variant,
            others: Vec::new(),
            quality: (10.0 * odds).max(0.0),
            filters,
            info: fields,
            forced,
            phase: None,
            samples,
        })
    }

    /// The tumor's gains, each cut to what wrong copies of its fragment's kind leave of it.
    fn tempered(&self, gains: &[f64], v: &Variant) -> Vec<f64> {
        let view = |w: &Weighed| {
            let reads = w.reads.iter().map(|&r| &self.loads[0].reads[r as usize]);
            let showing = |r: &&Read| r.index_at(v.pos.0).is_some_and(|i| r.quals[i] > 0);
            View {
                duplex: reads.clone().any(|r| r.duplex),
                twice: reads.clone().filter(showing).count() > 1,
                flipped: reads.clone().any(|r| r.flipped),
            }
        };
        gains
            .iter()
            .zip(&self.weighed[0])
            .map(|(&g, w)| {
                // What does not speak for the allele needs no excuse.
                let chance = (g > 0.0).then(|| self.damage.chance(v, self.around, view(w)));
                chance.flatten().map_or(g, |c| tempered(g, c))
            })
            .collect()
    }

    /// Carried alleles, with neighbours that nearly always go together made one set.
    fn joined(&self) -> Vec<u32> {
        let mut alleles = self.carried();
        alleles.sort_by_key(|&b| (core(self.allele(b)).start, core(self.allele(b)).end, b));
        let mut out: Vec<u32> = Vec::new();
        for bit in alleles {
            let near = |set: u32| {
                let in_set = |k: &usize| set >> k & 1 == 1;
                let of_set = (0..self.window.alleles.len()).filter(&in_set);
                let end = of_set.map(|k| core(&self.window.alleles[k]).end).max();
                let start = core(self.allele(bit)).start;
                let gaps = self.allele(bit).is_indel()
                    && (0..self.window.alleles.len())
                        .filter(in_set)
                        .all(|k| self.window.alleles[k].is_indel());
                let most = if gaps { EXCHANGE } else { CODON };
                end.is_some_and(|end| start >= end && start - end < most)
            };
            let asked = |set: u32| self.window.forced & set != 0;
            match out
                .iter_mut()
                .find(|set| !asked(**set | bit) && near(**set) && self.together(**set, bit))
            {
                Some(set) => *set |= bit,
                None => out.push(bit),
            }
        }
        out
    }

    /// Do most fragments that carry the one carry the other?
    fn together(&self, set: u32, bit: u32) -> bool {
        let (mut both, mut either) = (0u32, 0u32);
        for w in &self.weighed[0] {
            // Best fit among haplotypes with both, with one only, and with none.
            let best = |has: &dyn Fn(u32) -> bool| {
                let fits = self.haplotypes.iter().zip(&w.fits);
                fits.filter(|(h, _)| has(h.carries))
                    .map(|(_, &f)| f)
                    .max()
                    .unwrap_or(i32::MIN)
            };
            let with_both = best(&|c| c & set == set && c & bit != 0);
            let with_one = best(&|c| (c & set == set) != (c & bit != 0));
            let with_none = best(&|c| c & set != set && c & bit == 0);
            if with_both.max(with_one).saturating_sub(with_none) < BIT {
                continue;
            }
            // A read that ends between the two fits both ways, and says nothing.
            if with_both.saturating_sub(with_one) >= BIT {
                both += 1;
                either += 1;
            } else if with_one.saturating_sub(with_both) >= BIT {
                either += 1;
            }
        }
        both >= 2 && both * 5 >= either * 4
    }

    /// A set of alleles as one variant.
    fn spelt(&self, bits: u32) -> Option<Variant> {
        let mut parts: Vec<&Variant> = (0..self.window.alleles.len())
            .filter(|k| bits >> k & 1 == 1)
            .map(|k| &self.window.alleles[k])
            .collect();
        if let [single] = parts[..] {
            return Some(single.clone());
        }
        parts.sort_by_key(|v| (core(v).start, core(v).end));
        let (first, last) = (parts.first()?, parts.last()?);
        let start = core(first).start.min(first.pos.0);
        let end = core(last).end;
        let mut alternate = Vec::new();
        let mut at = start;
        for v in &parts {
            alternate.extend_from_slice(self.around.part(at, core(v).start));
            alternate.extend_from_slice(core_letters(v));
            at = core(v).end;
        }
        alternate.extend_from_slice(self.around.part(at, end));
        let whole = Variant {
            contig: first.contig,
            pos: Pos(start),
            reference: self.around.part(start, end).to_vec(),
            alternate,
        };
        Some(normalize(whole, self.around))
    }
}

/// Phred prior of an allele. Repeats change their length as often as the sample's own do, by one unit
/// or more.
fn cost(v: &Variant, all: &[Repeat], slippage: &Slippage) -> f64 {
    let chance = match repeats::changed_by(all, v) {
        _ if !v.is_indel() => SUBSTITUTIONS,
        Some(r) => (slippage.share_of_variants(r) / 4.0).clamp(GAPS, 0.05),
        None => GAPS,
    };
    -10.0 * chance.log10()
}

/// log2 likelihood ratios, with over without the allele.
fn gains(locus: &Locus) -> Vec<f64> {
    locus
        .fits
        .iter()
        .map(|f| f64::from(f[1] - f[0]) / f64::from(BIT))
        .collect()
}

fn info(t: &Traits) -> Vec<(&'static str, String)> {
    vec![
        ("MBQ", t.base_quality.to_string()),
        ("MMQ", t.mapq.to_string()),
        ("MPOS", t.end_distance.to_string()),
    ]
}

fn sample(t: &Traits, genotype: Vec<usize>) -> Sample {
    Sample {
        genotype,
        support: t.support.clone(),
        across: t.across.clone(),
        depth: t.depth,
        strands: t.strands,
        orientations: t.orientations.clone(),
        likelihoods: None,
        unlisted: Vec::new(),
        phase_set: None,
    }
}

/// Calls this near make a cluster.
pub const CLUSTER_REACH: u32 = 50;

/// Marks somatic calls with more than three others within [`CLUSTER_REACH`]; `calls` are sorted. What was
/// asked for and is not there makes no cluster.
pub fn mark_clusters(calls: &mut [Call]) {
    let is_there = |c: &Call| c.samples[0].is_variant();
    let places: Vec<_> = (calls.iter().filter(|c| is_there(c)))
        .map(|c| (c.variant.contig, c.variant.pos.0))
        .collect();
    for call in calls.iter_mut().filter(|c| is_there(c)) {
        if call.samples.iter().any(|s| s.likelihoods.is_some()) {
            continue;
        }
        let (contig, position) = (call.variant.contig, call.variant.pos.0);
        let low = places.partition_point(|&p| p < (contig, position.saturating_sub(CLUSTER_REACH)));
        let high = places.partition_point(|&p| p <= (contig, position + CLUSTER_REACH));
        if high - low > 4 {
            call.filters.push(filter::CLUSTERED);
            call.filters.sort();
        }
    }
}
