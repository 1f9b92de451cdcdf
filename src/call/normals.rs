//! A panel of normals: alleles that the laboratory's own normal samples show, and at which fractions.
//! Artifacts of the method come back at the same places with much the same fractions; so do the
//! alleles that many people inherit.

use super::allele::normalized;
use super::filter::LEAST_DEPTH;
use super::math::beta_binomial_tail;
use crate::domain::{Span, Variant};
use crate::format::calls::{self, Calls};
use crate::format::depth::Depth;
use crate::format::sites::{self, Site};
use crate::format::vcf;
use crate::genome::Reference;
use crate::{Error, Result};
use std::collections::{BTreeMap, HashMap};
use std::fmt::Write;
use std::path::{Path, PathBuf};

/// An allele is filtered if the normals' fractions would let as many fragments or more show it with
/// this chance.
const LEAST_CHANCE: f64 = 0.01;

/// What is said of an allele in the panel's header: ID, number, type, description.
const INFO: [[&str; 4]; 4] = [
    [
        "NORMALS",
        "1",
        "Integer",
        "Normals that show the allele, or have 10 usable fragments or more there",
    ],
    ["SEEN", "1", "Integer", "Normals that show the allele"],
    [
        "BETA",
        "2",
        "Float",
        "Beta distribution of the fraction in normals that show the allele",
    ],
    ["MAXAF", "1", "Float", "Highest fraction in a normal"],
];

/// Parameters of a Beta distribution.
type Beta = (f64, f64);

/// What the normals show of an allele.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Seen {
    /// Normals that show it, or whose depth would have let them.
    pub normals: u32,
    /// Normals that show it.
    pub seen: u32,
    /// Its fraction in those that do.
    pub beta: Beta,
}

impl Seen {
    /// Do `k` of `n` fragments show no more than the allele does in normals?
    pub fn explains(&self, k: u32, n: u32) -> bool {
        beta_binomial_tail(n, k, self.beta) >= LEAST_CHANCE
    }
}

/// The Beta distribution with the mean and variance of these fractions, all above 0. Few normals show
/// little of how an artifact varies: the standard deviation is at least half of the mean (half of the rest
/// to 1 where that is less), and not so large that the distribution had no hold.
fn fit(fractions: &[f64]) -> Beta {
    let n = fractions.len() as f64;
    let mean = (fractions.iter().sum::<f64>() / n).clamp(1e-4, 0.999);
    let squares = fractions.iter().map(|f| (f - mean).powi(2));
    let variance = squares.sum::<f64>() / (n - 1.0).max(1.0);
    let least = (mean.min(1.0 - mean) / 2.0).powi(2);
    let most = mean * (1.0 - mean) / 2.0;
    let both = mean * (1.0 - mean) / variance.max(least).min(most) - 1.0;
    (mean * both, (1.0 - mean) * both)
}

/// What [`build`] did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Built {
    /// Samples.
    pub normals: u32,
    /// Alleles that enough of them show.
    pub alleles: u64,
    /// Alleles that fewer show.
    pub left_out: u64,
}

/// One normal sample.
struct Normal {
    calls: Calls,
    depth: Depth,
}

/// Makes a panel of what at least `least` of the normals show, from their VCFs and the depth files
/// beside them. A normal shows an allele if its record has GT 0/1: log10 odds of 4 or more, whatever
/// its FILTER.
///
/// # Errors
/// When a file is missing, cut short, a shard, of several samples, not of `theralign call` in somatic
/// mode, or made on another reference; when a sample is there twice.
pub fn build(
    reference: &Reference,
    files: &[PathBuf],
    least: u32,
    output: &Path,
    command: &str,
) -> Result<Built> {
    let normals: Vec<Normal> = files
        .iter()
        .map(|path| open(path, reference))
        .collect::<Result<_>>()?;
    check_names(files, &normals)?;
    let mut fractions: BTreeMap<Variant, Vec<f64>> = BTreeMap::new();
    for call in normals.iter().flat_map(|n| &n.calls.calls) {
        let shown = call.copies.is_some_and(|c| c > 0);
        if let Some(fraction) = call.fraction.filter(|f| shown && *f > 0.0) {
            let allele = normalized(call.variant.clone(), reference);
            fractions.entry(allele).or_default().push(fraction);
        }
    }
    let all = fractions.len();
    fractions.retain(|_, f| f.len() as u32 >= least);
    let lines: Vec<vcf::Line> = fractions
        .iter()
        .map(|(v, f)| line(v, f, &normals, reference))
        .collect();
    let contigs: Vec<(&str, u32)> = reference
        .contigs()
        .iter()
        .map(|c| (c.name.as_str(), c.length))
        .collect();
    let header = header(reference, &normals, least, command);
    vcf::write_indexed(output, &header, &contigs, &lines)?;
    Ok(Built {
        normals: normals.len() as u32,
        alleles: lines.len() as u64,
        left_out: (all - lines.len()) as u64,
    })
}

fn open(path: &Path, reference: &Reference) -> Result<Normal> {
    let calls = calls::read(path, reference, None)?;
    let wrong = |what: &str, remedy: &str| {
        Err(Error::input(
            path.display().to_string(),
            "header",
            what,
            remedy,
        ))
    };
    if calls.unsigned {
        return wrong(
            "it names no reference, so its depths and filters cannot be trusted",
            "Give VCFs that theralign call wrote.",
        );
    }
    if calls.mode.as_deref() != Some("somatic") {
        return wrong(
            "its records are genotypes, which tell nothing of low fractions",
            "Call the normal samples with --mode somatic.",
        );
    }
    let depth = Depth::read(&vcf::sibling(path, ".depth.bed.gz"), reference)?;
    Ok(Normal { calls, depth })
}

fn check_names(files: &[PathBuf], normals: &[Normal]) -> Result<()> {
    let mut by_name: HashMap<&str, &Path> = HashMap::new();
    for (path, normal) in files.iter().zip(normals) {
        let name = normal.calls.sample.as_str();
        if let Some(first) = by_name.insert(name, path) {
            return Err(Error::input(
                path.display().to_string(),
                "",
                format!("its sample {name} is that of {}", first.display()),
                "Give each sample once: an allele must be seen in several.",
            ));
        }
    }
    Ok(())
}

fn line(v: &Variant, fractions: &[f64], normals: &[Normal], reference: &Reference) -> vcf::Line {
    let first = Span::new(v.pos.0, v.pos.0 + 1);
    let deep = |n: &&Normal| {
        let depth = n.depth.worst(v.contig, first).depth;
        depth.is_some_and(|d| d >= LEAST_DEPTH)
    };
    let seen = fractions.len();
    // What is seen with fewer fragments counts all the same.
    let assessed = normals.iter().filter(deep).count().max(seen);
    let (a, b) = fit(fractions);
    let highest = fractions.iter().copied().fold(0.0, f64::max);
    vcf::Line {
        contig: v.contig.index(),
        start: v.pos.0,
        end: v.span().end,
        text: format!(
            "{}\t{}\t.\t{}\t{}\t.\t.\tNORMALS={assessed};SEEN={seen};BETA={a:.4},{b:.4};MAXAF={highest:.4}",
            reference.contig(v.contig).name,
            v.pos.one_based(),
            String::from_utf8_lossy(&v.reference),
            String::from_utf8_lossy(&v.alternate),
        ),
    }
}

fn header(reference: &Reference, normals: &[Normal], least: u32, command: &str) -> String {
    let mut h = String::from("##fileformat=VCFv4.4\n");
    for [id, number, of_type, text] in INFO {
        let _ = writeln!(
            h,
            "##INFO=<ID={id},Number={number},Type={of_type},Description=\"{text}\">"
        );
    }
    let _ = writeln!(h, "##source=theralign {}", env!("CARGO_PKG_VERSION"));
    for c in reference.contigs() {
        let _ = writeln!(
            h,
            "##contig=<ID={},length={},md5={}>",
            c.name, c.length, c.md5
        );
    }
    let _ = writeln!(h, "##theralign_reference={}", reference.digest());
    let _ = writeln!(h, "##theralign_options=least={least}");
    for normal in normals {
        let _ = writeln!(h, "{SAMPLE_LINE}{}", normal.calls.sample);
    }
    let _ = writeln!(h, "##theralign_command={command}");
    h.push_str("#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\n");
    h
}

/// What a panel's header says of each of its samples.
const SAMPLE_LINE: &str = "##theralign_normal=";

/// A panel's alleles.
#[derive(Debug, Default)]
pub struct Normals(HashMap<Variant, Seen>);

impl Normals {
    /// Reads a panel.
    ///
    /// # Errors
    /// When the file is missing, cut short, no panel of normals, or made on another reference.
    pub fn read(path: &Path, reference: &Reference) -> Result<Normals> {
        let wrong = |what: &str, remedy: &str| {
            Error::input(path.display().to_string(), "header", what, remedy)
        };
        let header = sites::header(path)?;
        let value = |key: &str| header.iter().find_map(|l| l.strip_prefix(key));
        if value(SAMPLE_LINE).is_none() {
            let remedy = "Make one: theralign normals.";
            return Err(wrong("this is no panel of normals", remedy));
        }
        if value("##theralign_reference=") != Some(reference.digest()) {
            return Err(wrong(
                "its normals were called on another reference",
                "Give the index that they were called with (-x).",
            ));
        }
        let mut alleles = HashMap::new();
        sites::each(path, reference, &|_, _| true, &mut |site| {
            let seen = seen(site).ok_or("NORMALS, SEEN and BETA are not as they should be")?;
            alleles.insert(site.variant.clone(), seen);
            Ok(())
        })?;
        Ok(Normals(alleles))
    }

    /// What the normals show of a normalized allele.
    pub fn of(&self, v: &Variant) -> Option<&Seen> {
        self.0.get(v)
    }
}

fn seen(site: &Site) -> Option<Seen> {
    let (a, b) = site.field("BETA")?.split_once(',')?;
    let positive = |text: &str| {
        text.parse()
            .ok()
            .filter(|x: &f64| *x > 0.0 && x.is_finite())
    };
    Some(Seen {
        normals: site.field("NORMALS")?.parse().ok()?,
        seen: site.field("SEEN")?.parse().ok()?,
        beta: (positive(a)?, positive(b)?),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(fractions: &[f64]) -> Seen {
        Seen {
            normals: 10,
            seen: fractions.len() as u32,
            beta: fit(fractions),
        }
    }

    #[test]
    fn an_artifact_explains_fractions_like_its_own_and_none_far_above() {
        let artifact = of(&[0.01, 0.012, 0.009]);
        assert!(artifact.explains(10, 1000) && artifact.explains(2, 1000));
        assert!(artifact.explains(4, 200), "2 %, of few fragments");
        assert!(!artifact.explains(40, 1000) && !artifact.explains(300, 1000));
    }

    #[test]
    fn an_artifact_that_varies_explains_more() {
        assert!(!of(&[0.02, 0.02]).explains(80, 1000));
        assert!(of(&[0.005, 0.01, 0.06]).explains(80, 1000));
    }

    #[test]
    fn what_normals_inherit_explains_half_and_all() {
        assert!(of(&[0.48, 0.51]).explains(500, 1000));
        assert!(of(&[0.5, 1.0, 1.0]).explains(1000, 1000));
        let (a, b) = fit(&[1.0, 1.0]);
        assert!(a > 0.0 && b > 0.0 && a.is_finite() && b.is_finite());
    }

    #[test]
    fn the_fit_has_the_mean_and_the_variance_of_the_fractions() {
        let (a, b) = fit(&[0.1, 0.3, 0.5]);
        let mean = a / (a + b);
        let variance = a * b / ((a + b).powi(2) * (a + b + 1.0));
        assert!((mean - 0.3).abs() < 1e-9 && (variance - 0.04).abs() < 1e-9);
    }
}
