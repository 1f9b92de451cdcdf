//! What other methods called, in PharmCAT's format: gene, diplotype, phenotype, activity score, with tabs
//! between them. For CYP2D6's structure and HLA types there is no other way.

use super::advice::{self, Phenotype};
use super::gene::{Gene, by_name};
use super::{Candidate, GeneCall};
use crate::format::input;
use crate::{Error, Result, error::thousands};
use std::collections::BTreeMap;
use std::io::Read;
use std::path::Path;

/// One line.
#[derive(Clone, Debug, PartialEq)]
struct Line {
    number: u64,
    gene: String,
    diplotypes: Vec<Vec<String>>,
    phenotype: Option<String>,
    score: Option<f64>,
}

/// Reads outside calls; they take the place of what genotypes say of the same gene.
///
/// # Errors
/// Names file and line: fields that are missing or malformed, a gene that is not known, calls that
/// contradict each other or themselves.
pub fn read(path: &Path, genes: &BTreeMap<String, Gene>) -> Result<Vec<GeneCall>> {
    let file = input::display_name(path);
    let mut text = String::new();
    let mut reader = input::open(path)?;
    reader.read_to_string(&mut text).map_err(|e| {
        let remedy = "Give a text file in UTF-8, as PharmCAT takes it.";
        Error::input(file.clone(), "", e.to_string(), remedy)
    })?;
    parse(&text, &file, genes)
}

fn parse(text: &str, file: &str, genes: &BTreeMap<String, Gene>) -> Result<Vec<GeneCall>> {
    let wrong = |number: u64, what: String, remedy: &str| {
        Error::input(file, format!("line {}", thousands(number)), what, remedy)
    };
    let mut lines: Vec<Line> = Vec::new();
    for (number, content) in (1..).zip(text.lines()) {
        if content.trim().is_empty() || content.starts_with('#') {
            continue;
        }
        let line = line(number, content, genes).map_err(|what| {
            wrong(
                number,
                what,
                "Give gene, diplotype, phenotype and activity score, with tabs between them.",
            )
        })?;
        let twice = lines.iter().find(|l| l.gene == line.gene);
        if let Some(first) = twice
            && !line.gene.starts_with("HLA-")
            && (&first.diplotypes, &first.phenotype, first.score)
                != (&line.diplotypes, &line.phenotype, line.score)
        {
            return Err(wrong(
                number,
                format!(
                    "contradicts line {} about {}",
                    thousands(first.number),
                    line.gene
                ),
                "Leave one of them.",
            ));
        }
        if twice.is_none() || line.gene.starts_with("HLA-") {
            lines.push(line);
        }
    }
    let mut calls: Vec<GeneCall> = Vec::new();
    for line in lines {
        let number = line.number;
        let call = judge(line, file, genes).map_err(|what| {
            wrong(
                number,
                what,
                "Correct the one that is wrong, or leave it out.",
            )
        })?;
        match calls.iter_mut().find(|c| c.gene == call.gene) {
            // HLA types on several lines.
            Some(known) => {
                known.diplotypes.extend(call.diplotypes);
                known.best = known.diplotypes.len();
            }
            None => calls.push(call),
        }
    }
    for call in &calls {
        contradicting_types(call).map_or(Ok(()), |what| {
            Err(Error::input(file, "", what, "Leave the one that is right."))
        })?;
    }
    Ok(calls)
}

/// `*57:01 positive` and `*57:01 negative` at once.
fn contradicting_types(call: &GeneCall) -> Option<String> {
    let meanings = || call.diplotypes.iter().filter_map(|d| d.phenotype.as_ref());
    meanings().find_map(|p| {
        let allele = p.name.strip_suffix(" positive")?;
        let negative = format!("{allele} negative");
        let other = meanings().any(|q| q.name == negative);
        other.then(|| {
            format!(
                "contradictory outside calls for {}: {allele} positive and negative",
                call.gene
            )
        })
    })
}

fn line(number: u64, content: &str, genes: &BTreeMap<String, Gene>) -> Result<Line, String> {
    let fields: Vec<&str> = content.split('\t').map(str::trim).collect();
    let get = |i: usize| fields.get(i).copied().filter(|f| !f.is_empty());
    let gene = get(0).ok_or("no gene")?.to_string();
    let known = genes.contains_key(&gene) || gene.starts_with("HLA-");
    if !known {
        return Err(format!("no pharmacogene {gene} is known"));
    }
    let diplotypes = get(1).map_or(Ok(Vec::new()), |text| {
        text.split(" or ").map(|d| alleles(&gene, d)).collect()
    })?;
    let score = get(3).map_or(Ok(None), |s| {
        let text = s.trim_start_matches(['≥', '>', '=']);
        let number = text.parse::<f64>().ok().filter(|n| *n >= 0.0);
        number.map(Some).ok_or(format!("the activity score is {s}"))
    })?;
    if fields.len() > 4 || (diplotypes.is_empty() && get(2).is_none() && score.is_none()) {
        return Err(format!("{} says nothing in 2 to 4 fields", fields[0]));
    }
    Ok(Line {
        number,
        gene,
        diplotypes,
        phenotype: get(2).map(String::from),
        score,
    })
}

/// `CYP2D6*1.001/*2` to `*1` and `*2`, `A*02:02:02/*03:01` to `*02:02` and `*03:01`.
fn alleles(gene: &str, diplotype: &str) -> Result<Vec<String>, String> {
    let names: Vec<String> = diplotype
        .split('/')
        .map(|name| plain(gene, name.trim()))
        .collect();
    if names.len() > 2 || names.iter().any(String::is_empty) {
        return Err(format!("{diplotype} is no pair of alleles"));
    }
    Ok(names)
}

fn plain(gene: &str, name: &str) -> String {
    let hla = gene.strip_prefix("HLA-");
    let bare = name.strip_prefix(gene).or_else(|| name.strip_prefix(hla?));
    let bare = bare.map_or(name, str::trim_start);
    if hla.is_some() {
        return bare.splitn(3, ':').take(2).collect::<Vec<_>>().join(":");
    }
    if gene == "MT-RNR1" && bare.starts_with(|c: char| c.is_ascii_digit()) {
        return format!("m.{bare}");
    }
    if gene != "CYP2D6" {
        return bare.into();
    }
    // Suballeles count as their core allele.
    let copies = bare.split('+').map(str::trim).map(|copy| {
        let (allele, times) = copy
            .split_once('x')
            .map_or((copy, None), |(a, n)| (a, Some(n)));
        let core = allele.split('.').next().unwrap_or(allele);
        times.map_or(core.into(), |n| format!("{core}x{n}"))
    });
    copies.collect::<Vec<String>>().join("+")
}

/// Activity of a CYP2D6 allele, with its copies: `*1x2`, `*4≥3`, `*36+*10`; `None` where it is not known.
fn activity(gene: &Gene, name: &str) -> Option<f64> {
    // The whole gene is missing, or its first exons are CYP2D7's.
    const NONE: [&str; 4] = ["*5", "*13", "*36", "*68"];
    name.split('+')
        .map(|copy| {
            let (allele, times) = match copy.split_once(['x', '≥']) {
                Some((a, n)) => (a, n.trim_start_matches('≥').parse::<f64>().ok()?),
                None => (copy, 1.0),
            };
            if gene.name == "CYP2D6" && NONE.contains(&allele) {
                return Some(0.0);
            }
            Some(times * gene.allele(allele)?.activity?)
        })
        .sum()
}

fn meaning(gene: Option<&Gene>, alleles: &[String]) -> Option<Phenotype> {
    let gene = gene?;
    if advice::has_score(&gene.name) {
        let all: Option<f64> = alleles.iter().map(|a| activity(gene, a)).sum();
        return advice::of_score(&gene.name, all?);
    }
    let known: Option<Vec<_>> = alleles.iter().map(|a| gene.allele(a)).collect();
    advice::of_alleles(&gene.name, &known?)
}

fn judge(line: Line, file: &str, genes: &BTreeMap<String, Gene>) -> Result<GeneCall, String> {
    let gene = genes.get(&line.gene);
    let stated = match (line.score, &line.phenotype) {
        (Some(score), stated) => {
            let by_score = advice::of_score(&line.gene, score);
            if let (Some(p), Some(stated)) = (&by_score, stated)
                && !p.name.eq_ignore_ascii_case(stated)
            {
                return Err(format!(
                    "contradictory outside call for {}: {stated}, but activity score {score} means {}",
                    line.gene, p.name
                ));
            }
            let name = stated.clone().unwrap_or_default();
            by_score.or((!name.is_empty()).then_some(Phenotype { name, score: None }))
        }
        (None, Some(name)) => Some(Phenotype {
            name: name.clone(),
            score: None,
        }),
        (None, None) => None,
    };
    let mut notes = Vec::new();
    let mut candidates = Vec::new();
    for alleles in &line.diplotypes {
        let mut sorted = alleles.clone();
        sorted.sort_by(|a, b| by_name(a, b));
        let name = sorted.join("/");
        if line.gene.starts_with("HLA-") {
            candidates.extend(types(&line.gene, &name, alleles));
            continue;
        }
        let expected = meaning(gene, alleles);
        if let (Some(e), Some(s)) = (&expected, &stated)
            && (!e.name.eq_ignore_ascii_case(&s.name) || s.score.is_some() && s.score != e.score)
        {
            let score = |p: &Phenotype| {
                p.score
                    .map_or(String::new(), |s| format!(" (activity score {s})"))
            };
            return Err(format!(
                "contradictory outside call for {}: {name} means {}{}, but {}{} is stated",
                line.gene,
                e.name,
                score(e),
                s.name,
                score(s)
            ));
        }
        if expected.is_none() && stated.is_none() {
            notes.push(format!("the function of {name} is not known here"));
        }
        candidates.push(Candidate {
            name,
            score: 0,
            phenotype: stated.clone().or(expected),
        });
    }
    if candidates.is_empty() {
        candidates.push(Candidate {
            name: String::new(),
            score: 0,
            phenotype: stated,
        });
    }
    let first = candidates[0].phenotype.clone();
    let agree = candidates.iter().all(|c| c.phenotype == first);
    if !agree && !line.gene.starts_with("HLA-") {
        notes.push("these pairs differ in phenotype".into());
    }
    Ok(GeneCall {
        gene: line.gene,
        source: format!("outside call: {file}, line {}", line.number),
        best: candidates.len(),
        diplotypes: candidates,
        phenotype: first.filter(|_| agree),
        unless: Vec::new(),
        seen: (0, 0),
        sites: Vec::new(),
        notes,
        recommendations: Vec::new(),
    })
}

/// What each risk allele's presence or absence means.
fn types(gene: &str, name: &str, alleles: &[String]) -> Vec<Candidate> {
    let complete = alleles.len() == 2;
    let candidate = |meaning: Option<String>| Candidate {
        name: name.into(),
        score: 0,
        phenotype: meaning.map(|name| Phenotype { name, score: None }),
    };
    let of = |risk: &&str| {
        let there = alleles.iter().any(|a| a == risk);
        let said = if there { "positive" } else { "negative" };
        (there || complete).then(|| candidate(Some(format!("{risk} {said}"))))
    };
    let known: Vec<Candidate> = advice::risk_alleles(gene).iter().filter_map(of).collect();
    if known.is_empty() {
        vec![candidate(None)]
    } else {
        known
    }
}

/// Puts outside calls in the place of those by genotypes.
pub fn take_over(calls: &mut Vec<GeneCall>, outside: Vec<GeneCall>) {
    for mut theirs in outside {
        match calls.iter_mut().find(|c| c.gene == theirs.gene) {
            Some(ours) => {
                let names = ours.best_names();
                if !names.is_empty() && names != theirs.best_names() {
                    let said = names.join(" or ");
                    theirs.notes.push(format!("the genotypes alone say {said}"));
                }
                theirs.seen = ours.seen;
                theirs.sites = std::mem::take(&mut ours.sites);
                *ours = theirs;
            }
            None => calls.push(theirs),
        }
    }
    calls.sort_by(|a, b| a.gene.cmp(&b.gene));
}

#[cfg(test)]
mod tests {
    use super::super::gene;
    use super::*;

    fn of(text: &str) -> Result<Vec<GeneCall>> {
        parse(text, "calls.tsv", &gene::shipped())
    }

    fn one(text: &str) -> (String, String) {
        let call = of(text).unwrap().remove(0);
        (call.best_names().join(" or "), call.meaning())
    }

    #[test]
    fn structure_counts_in_cyp2d6() {
        let meaning = |d: &str| one(&format!("CYP2D6\t{d}\n")).1;
        assert_eq!(
            meaning("CYP2D6*3/CYP2D6*4"),
            "Poor Metabolizer (activity score 0)"
        );
        assert_eq!(
            meaning("*1.001/*2.034"),
            "Normal Metabolizer (activity score 2)"
        );
        assert_eq!(
            meaning("*1/*2x2"),
            "Ultrarapid Metabolizer (activity score 3)"
        );
        assert_eq!(
            meaning("*1/*5"),
            "Intermediate Metabolizer (activity score 1)"
        );
        assert_eq!(
            meaning("*36+*10/*10"),
            "Intermediate Metabolizer (activity score 0.5)"
        );
        assert_eq!(meaning("*1/*2xN"), "", "so many copies are not known");
        assert_eq!(
            one("CYP2C9\t\t\t2.0\n").1,
            "Normal Metabolizer (activity score 2)"
        );
        assert_eq!(one("MT-RNR1\t1555A>G\n").0, "m.1555A>G");
    }

    #[test]
    fn hla_types_are_positive_or_negative() {
        let call = of("HLA-B\t*57:01:01/B*07:02\n").unwrap().remove(0);
        let said: Vec<&str> = call
            .diplotypes
            .iter()
            .map(|d| &*d.phenotype.as_ref().unwrap().name)
            .collect();
        assert_eq!(
            said,
            ["*15:02 negative", "*57:01 positive", "*58:01 negative"]
        );
        assert_eq!(one("HLA-B\t\t*57:01 positive\n").1, "*57:01 positive");
        let both = of("HLA-B\t\t*57:01 positive\nHLA-B\t*07:02/*08:01\n").unwrap_err();
        assert!(
            both.to_string()
                .contains("HLA-B: *57:01 positive and negative"),
            "{both}"
        );
    }

    #[test]
    fn contradictions_are_refused_by_name() {
        let refused = |text: &str| of(text).unwrap_err().to_string();
        let two = refused("CYP2D6\t*1/*2\n# comment\nCYP2D6\t*3/*4\n");
        assert!(
            two.contains("calls.tsv, line 3: contradicts line 1 about CYP2D6"),
            "{two}"
        );
        assert_eq!(of("CYP2D6\t*1/*2\nCYP2D6\t*1/*2\n").unwrap().len(), 1);
        let pair = refused("CYP2D6\t*3/*4\tNormal Metabolizer\n");
        assert!(pair.contains("*3/*4 means Poor Metabolizer"), "{pair}");
        let score = refused("CYP2D6\t*1/*1\t\t4\n");
        assert!(score.contains("activity score 4"), "{score}");
        let own = refused("CYP2C9\t\tPoor Metabolizer\t2\n");
        assert!(
            own.contains("activity score 2 means Normal Metabolizer"),
            "{own}"
        );
        assert!(refused("XYZ\t*1/*2\n").contains("no pharmacogene XYZ"));
        assert!(refused("CYP2D6\n").contains("says nothing"));
        assert!(refused("CYP2D6\t*1/*2/*3\n").contains("no pair"));
    }

    #[test]
    fn outside_calls_replace_those_by_genotypes() {
        let c = super::super::tests::judged("CYP2D6", &[("rs3892097", &["C", "T"])]);
        let mut calls = vec![c];
        take_over(
            &mut calls,
            of("CYP2D6\t*4/*5\nHLA-A\t*31:01/*02:01\n").unwrap(),
        );
        assert_eq!(calls[0].best_names(), ["*4/*5"]);
        assert!(calls[0].notes[0].contains("the genotypes alone say"));
        assert_eq!(calls[1].gene, "HLA-A");
    }
}
