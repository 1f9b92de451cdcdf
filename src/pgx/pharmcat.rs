//! Definitions as PharmCAT ships them: a folder with `GENE_translation.json`, and `GENE.json` for the
//! functions of the alleles. They are the user's own copy; none ship with this program.

use super::gene::{Gene, Locus, NamedAllele, iupac};
use crate::{Error, Result};
use serde::Deserialize;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Definition {
    gene: String,
    version: Option<String>,
    variants: Vec<Place>,
    named_alleles: Vec<Alleles>,
    /// Alleles that have one function and one name in reports, as `*45.001` and `*45.002`, which are `*45`.
    #[serde(default)]
    suballeles_map: BTreeMap<String, String>,
}

#[derive(Deserialize)]
struct Place {
    chromosome: String,
    position: u32,
    rsid: Option<String>,
    #[serde(rename = "ref")]
    reference: String,
    alts: Vec<String>,
}

#[derive(Deserialize)]
struct Alleles {
    name: String,
    #[serde(rename = "alleles")]
    bases: Vec<Option<String>>,
    reference: bool,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Functions {
    gene: String,
    /// Function of each allele, or its activity value in genes that have such.
    haplotypes: BTreeMap<String, String>,
    #[serde(default)]
    activity_values: BTreeMap<String, String>,
    /// The functions of all genes' alleles, in words.
    #[serde(default)]
    named_alleles: Vec<FunctionOf>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct FunctionOf {
    name: String,
    function_value: String,
}

impl Functions {
    fn of(&self, allele: &str) -> Option<&String> {
        let named = self.named_alleles.iter().find(|a| a.name == allele);
        let words = named.map(|a| &a.function_value);
        words.or_else(|| self.haplotypes.get(allele))
    }
}

/// Reads the definitions below a folder; what the shipped tables know beside them (functions, places on
/// GRCh37, flanks) is kept.
///
/// # Errors
/// Names the file: one that cannot be read, is no JSON of this form, or contradicts itself; and a folder
/// without any.
pub fn read(folder: &Path, shipped: &BTreeMap<String, Gene>) -> Result<BTreeMap<String, Gene>> {
    let mut files = Vec::new();
    json_files(folder, 2, &mut files)?;
    files.sort();
    let mut functions: BTreeMap<String, Functions> = BTreeMap::new();
    let mut genes: BTreeMap<String, Gene> = BTreeMap::new();
    for path in &files {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let bytes = std::fs::read(path).map_err(Error::io(path))?;
        if name.ends_with("_translation.json") {
            let known: Definition = serde_json::from_slice(&bytes).map_err(|e| wrong(path, &e))?;
            let gene = gene(known, shipped).map_err(|what| wrong(path, &what))?;
            genes.insert(gene.name.clone(), gene);
        } else if let Ok(f) = serde_json::from_slice::<Functions>(&bytes) {
            functions.insert(f.gene.clone(), f);
        }
    }
    if genes.is_empty() {
        return Err(Error::input(
            folder.display().to_string(),
            "",
            "no GENE_translation.json is in it",
            "Give the folder of PharmCAT's definitions.",
        ));
    }
    for (name, gene) in &mut genes {
        let theirs = functions.get(name);
        for allele in &mut gene.alleles {
            let ours = shipped.get(name).and_then(|g| g.allele(&allele.name));
            if let Some((f, function)) = theirs.and_then(|f| Some((f, f.of(&allele.name)?))) {
                allele.function.clone_from(function);
                let value = f.activity_values.get(&allele.name);
                allele.activity = value.and_then(|v| v.parse().ok());
            } else if let Some(ours) = ours {
                allele.function.clone_from(&ours.function);
                allele.activity = ours.activity;
            }
        }
    }
    Ok(genes)
}

fn wrong(path: &Path, what: &dyn ToString) -> Error {
    Error::input(
        path.display().to_string(),
        "",
        what.to_string(),
        "Give PharmCAT's own file, whole.",
    )
}

fn json_files(folder: &Path, depth: u32, out: &mut Vec<PathBuf>) -> Result<()> {
    for entry in std::fs::read_dir(folder).map_err(Error::io(folder))? {
        let path = entry.map_err(Error::io(folder))?.path();
        if path.is_dir() && depth > 0 {
            json_files(&path, depth - 1, out)?;
        } else if path.extension().is_some_and(|e| e == "json") {
            out.push(path);
        }
    }
    Ok(())
}

fn gene(known: Definition, shipped: &BTreeMap<String, Gene>) -> Result<Gene, String> {
    let ours = shipped.get(&known.gene);
    let locus = |p: &Place| {
        let same = |l: &&Locus| l.chromosome == p.chromosome && l.grch38 == p.position;
        let ours = ours.and_then(|g| g.loci.iter().find(same));
        let ours = ours.filter(|l| l.reference == p.reference);
        let id = p.rsid.clone();
        Locus {
            id: id.unwrap_or_else(|| format!("{}:{}", p.chromosome, p.position)),
            chromosome: p.chromosome.clone(),
            grch38: p.position,
            grch37: ours.and_then(|l| l.grch37),
            reference: p.reference.clone(),
            reference37: ours.map_or(&p.reference, |l| &l.reference37).clone(),
            alternates: p.alts.clone(),
            flanks: ours.map(|l| l.flanks.clone()).unwrap_or_default(),
        }
    };
    let loci: Vec<Locus> = known.variants.iter().map(locus).collect();
    for l in &loci {
        if super::build::chromosome(&l.chromosome) != Some(l.chromosome.as_str()) {
            return Err(format!("{} is on {}", l.id, l.chromosome));
        }
    }
    let (first, rest): (Vec<Alleles>, Vec<Alleles>) =
        known.named_alleles.into_iter().partition(|a| a.reference);
    if first.len() != 1 {
        return Err(format!("{} of its alleles are the reference", first.len()));
    }
    let core = known.suballeles_map;
    let allele = |a: Alleles| {
        if a.bases.len() != loci.len() {
            return Err(format!(
                "{} has {} places, the gene {}",
                a.name,
                a.bases.len(),
                loci.len()
            ));
        }
        let at = a.bases.iter().map(|s| s.as_deref().map(iupac)).collect();
        Ok(NamedAllele {
            name: core.get(&a.name).cloned().unwrap_or(a.name),
            function: String::new(),
            activity: None,
            at,
        })
    };
    let alleles: Result<Vec<NamedAllele>, String> =
        first.into_iter().chain(rest).map(allele).collect();
    Ok(Gene {
        name: known.gene,
        alleles: alleles?,
        source: format!(
            "PharmCAT's definitions, {}",
            known.version.as_deref().unwrap_or("undated")
        ),
        loci,
    })
}

#[cfg(test)]
mod tests {
    use super::super::gene;
    use super::*;

    #[test]
    fn definitions_are_read_and_completed() {
        let folder = tempfile::tempdir().unwrap();
        let definition = r#"{"gene":"CYP3A5","version":"1","variants":[
            {"chromosome":"chr7","position":99672916,"rsid":"rs776746","ref":"T","alts":["C"]},
            {"chromosome":"chr7","position":99672917,"rsid":null,"ref":"A","alts":["C","G"]}],
            "namedAlleles":[{"name":"*3","alleles":["C",null],"reference":false},
            {"name":"*99.001","alleles":[null,"S"],"reference":false},
            {"name":"*1","alleles":["T","A"],"reference":true}],
            "suballelesMap":{"*99.001":"*99"}}"#;
        let path = folder.path().join("CYP3A5_translation.json");
        std::fs::write(&path, definition).unwrap();
        let functions = r#"{"gene":"CYP3A5","haplotypes":{"*99":"0.0"},"activityValues":{"*99":"0.0"},
            "namedAlleles":[{"name":"*99","activityValue":"0.0","functionValue":"No function"}]}"#;
        std::fs::write(folder.path().join("CYP3A5.json"), functions).unwrap();
        let genes = read(folder.path(), &gene::shipped()).unwrap();
        let g = &genes["CYP3A5"];
        let names: Vec<&str> = g.alleles.iter().map(|a| a.name.as_str()).collect();
        assert_eq!(names, ["*1", "*3", "*99"]);
        let functions: Vec<&str> = g.alleles.iter().map(|a| a.function.as_str()).collect();
        assert_eq!(functions, ["Normal function", "No function", "No function"]);
        assert_eq!(g.alleles[2].activity, Some(0.0));
        assert_eq!(g.loci[0].grch37, Some(99_270_539));
        assert_eq!(
            (g.loci[1].id.as_str(), g.loci[1].grch37),
            ("chr7:99672917", None)
        );
        assert_eq!(g.alleles[2].at[1].as_ref().unwrap().join(""), "CG");

        std::fs::write(&path, definition.replace("[\"C\",null]", "[\"C\"]")).unwrap();
        let e = read(folder.path(), &gene::shipped())
            .unwrap_err()
            .to_string();
        assert!(
            e.contains("CYP3A5_translation.json: *3 has 1 places"),
            "{e}"
        );
        std::fs::remove_file(&path).unwrap();
        assert!(read(folder.path(), &gene::shipped()).is_err());
    }
}
