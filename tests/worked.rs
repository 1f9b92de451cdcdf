//! Four patients, from reads to therapy: does each variant lead to its tier and drugs, each absent one to a stated limit, and
//! what was not sequenced to "not assessed"?

mod program;

use program::{Done, Folder, demo, index, run, theralign};
use serde_json::Value;
use std::fmt::Write;

/// A variant: place, alleles, fraction of molecules, `GENE NAME`, tier, how its first drug stands, and a drug among them
/// (`-` before one that it speaks against).
type Spike = (
    &'static str,
    u32,
    &'static str,
    &'static str,
    f64,
    &'static str,
    &'static str,
    &'static str,
    &'static str,
);

#[rustfmt::skip] // a line a variant
const COLON: [Spike; 6] = [
    ("12", 25_398_284, "C", "T", 0.30, "KRAS G12D", "II", "approved_elsewhere", "-Cetuximab"),
    ("7", 140_453_136, "A", "T", 0.10, "BRAF V600E", "I", "approved_here", "Encorafenib + Cetuximab"),
    ("1", 115_256_530, "G", "T", 0.08, "NRAS Q61K", "II", "investigational", "-Panitumumab"),
    ("3", 178_936_091, "G", "A", 0.25, "PIK3CA E545K", "II", "approved_elsewhere", "Alpelisib + Fulvestrant"),
    ("14", 105_246_551, "C", "T", 0.12, "AKT1 E17K", "II", "approved_elsewhere", "Capivasertib + Fulvestrant"),
    ("17", 7_578_406, "C", "T", 0.40, "TP53 R175H", "III", "", ""),
];

#[rustfmt::skip]
const LUNG: [Spike; 6] = [
    ("7", 55_241_708, "G", "C", 0.20, "EGFR G719A", "I", "approved_here", "Afatinib"),
    ("7", 55_249_005, "G", "T", 0.15, "EGFR S768I", "I", "approved_here", "Afatinib"),
    ("7", 55_259_524, "T", "A", 0.10, "EGFR L861Q", "I", "approved_here", "Afatinib"),
    ("7", 140_453_136, "A", "T", 0.30, "BRAF V600E", "I", "approved_here", "Dabrafenib + Trametinib"),
    ("12", 25_398_284, "C", "T", 0.20, "KRAS G12D", "II", "approved_elsewhere", "-Erlotinib; Gefitinib"),
    ("4", 1_806_099, "A", "G", 0.25, "FGFR3 Y373C", "II", "approved_elsewhere", "Erdafitinib"),
];

#[rustfmt::skip]
const GIST: [Spike; 4] = [
    ("4", 55_593_661, "T", "C", 0.35, "KIT L576P", "I", "investigational", "Imatinib"),
    ("4", 55_152_093, "A", "T", 0.08, "PDGFRA D842V", "I", "approved_here", "Avapritinib"),
    ("7", 140_453_136, "A", "T", 0.10, "BRAF V600E", "I", "approved_here", "Dabrafenib + Trametinib"),
    ("1", 115_256_529, "T", "C", 0.10, "NRAS Q61R", "II", "investigational", "Binimetinib"),
];

#[rustfmt::skip]
const BLADDER: [Spike; 3] = [
    ("4", 1_806_099, "A", "G", 0.25, "FGFR3 Y373C", "I", "approved_here", "Erdafitinib"),
    ("3", 178_952_085, "A", "G", 0.10, "PIK3CA H1047R", "II", "approved_elsewhere", "Inavolisib + Palbociclib + Fulvestrant"),
    ("17", 7_578_406, "C", "T", 0.50, "TP53 R175H", "III", "", ""),
];

/// Simulates a patient's reads on all targets but those that `lost` names, and reports on all.
fn patient(folder: &Folder, tumor: &str, spikes: &[Spike], lost: &[&str]) -> Value {
    let mut truth =
        String::from("##fileformat=VCFv4.4\n#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\n");
    for (contig, pos, reference, alternate, fraction, ..) in spikes {
        writeln!(
            truth,
            "{contig}\t{pos}\t.\t{reference}\t{alternate}\t.\t.\tAF={fraction}"
        )
        .unwrap();
    }
    let panel = std::fs::read_to_string(demo("panel.bed")).unwrap();
    let is_lost = |line: &str| lost.iter().any(|t| line.trim_end().ends_with(t));
    let sequenced: String = panel
        .split_inclusive('\n')
        .filter(|l| !is_lost(l))
        .collect();
    let (truth, sequenced) = (
        folder.file("truth.vcf", truth),
        folder.file("sequenced.bed", sequenced),
    );
    let reads = folder.path("reads");
    let how = [
        "--depth",
        "500",
        "--read-length",
        "100",
        "--fragment",
        "145",
        "18",
        "--seed",
        "7",
    ];
    let simulate = [
        "simulate",
        "-x",
        index(),
        "--panel",
        &sequenced,
        "--variants",
        &truth,
        "-o",
        &reads,
    ];
    theralign(&[&simulate[..], &how[..]].concat()).fine();
    let (out, reads) = (
        folder.path("out"),
        [1, 2].map(|m| format!("{reads}_{m}.fq.gz")),
    );
    let run = run("P", &out, Some(&reads), &["--tumor-type", tumor]).output();
    Done::from(run.unwrap()).fine();
    serde_json::from_str(&std::fs::read_to_string(format!("{out}/report.json")).unwrap()).unwrap()
}

fn list<'a>(v: &'a Value, key: &str) -> impl Iterator<Item = &'a Value> {
    v[key].as_array().unwrap().iter()
}

/// Checks all that the report says against what the patient has.
fn check(tumor: &str, spikes: &[Spike], lost: &[&str]) -> Value {
    let folder = Folder::new();
    let report = patient(&folder, tumor, spikes, lost);
    let name = |f: &Value| {
        format!(
            "{} {}",
            f["gene"].as_str().unwrap(),
            f["name"].as_str().unwrap()
        )
    };
    for (_, _, _, _, fraction, what, tier, standing, drug) in spikes {
        let f = list(&report, "findings")
            .find(|f| name(f) == *what)
            .unwrap_or_else(|| panic!("{tumor}: no {what}"));
        assert_eq!(f["tier"], *tier, "{tumor}, {what}: {}", f["tier_reason"]);
        let (low, high) = (
            f["fraction_ci"][0].as_f64().unwrap(),
            f["fraction_ci"][1].as_f64().unwrap(),
        );
        assert!(
            low * 0.8 < *fraction && *fraction < high * 1.2,
            "{tumor}, {what}: {low} to {high}"
        );
        if !standing.is_empty() {
            assert_eq!(
                f["sensitivity"][0]["standing"], *standing,
                "{tumor}, {what}"
            );
        }
        let (kind, drug) = drug
            .strip_prefix('-')
            .map_or(("sensitivity", *drug), |d| ("resistance", d));
        let found = list(f, kind).any(|e| e["therapy"] == drug);
        assert!(
            drug.is_empty() || found,
            "{tumor}, {what}: no {kind} to {drug}"
        );
    }
    let expected: Vec<&str> = spikes.iter().map(|s| s.5).collect();
    for f in list(&report, "findings") {
        assert!(
            expected.contains(&name(f).as_str()),
            "{tumor}: {} is not there",
            name(f)
        );
    }
    // Each locus is one of three things, and the right one.
    let (mut absent, mut open) = (0, 0);
    for l in list(&report, "loci") {
        let what = format!("{tumor}, {} {}", l["gene"], l["name"]);
        match l["status"].as_str().unwrap() {
            "detected" => {
                for i in list(l, "findings") {
                    let f = &report["findings"][i.as_u64().unwrap() as usize];
                    assert!(expected.contains(&name(f).as_str()), "{what}");
                }
            }
            "not_detected" => {
                let least = l["at_least"].as_f64().unwrap();
                assert!((0.02..0.06).contains(&least), "{what}: {least}");
                absent += 1;
            }
            _ => {
                assert!(l["reason"].as_str().unwrap().len() > 10, "{what}");
                open += 1;
            }
        }
    }
    assert!(absent > 10 && open > 0, "{tumor}: {absent} {open}");
    report
}

/// What a locus came to.
fn locus<'a>(report: &'a Value, gene: &str, name: &str) -> &'a Value {
    list(report, "loci")
        .find(|l| l["gene"] == gene && l["name"] == name)
        .unwrap_or_else(|| panic!("{gene} {name}"))
}

#[test]
fn a_colon_cancer_with_ras_is_not_for_antibodies() {
    let report = check("COAD", &COLON, &["KRAS_exon4", "NRAS_exon4"]);
    assert_eq!(locus(&report, "KRAS", "G12")["status"], "detected");
    assert_eq!(locus(&report, "KRAS", "G13")["status"], "not_detected");
    for gene in ["KRAS", "NRAS"] {
        let l = locus(&report, gene, "A146");
        assert_eq!(l["status"], "not_assessed", "{l}");
        assert!(l["reason"].as_str().unwrap().contains("depth 0"), "{l}");
    }
    for w in list(&report, "wild_type") {
        assert_eq!(w["status"], "not_supported");
    }
    let conflicts: Vec<&Value> = list(&report, "conflicts").collect();
    assert!(
        conflicts.is_empty()
            || conflicts
                .iter()
                .all(|c| !c.as_str().unwrap().starts_with("Alpelisib"))
    );
}

#[test]
fn a_colon_cancer_without_ras_is_for_antibodies_only_if_all_was_seen() {
    let seen = check("COAD", &COLON[5..], &["HRAS_exon2", "MET_exon19"]);
    let status = |r: &Value| {
        list(r, "wild_type")
            .map(|w| w["status"].as_str().unwrap().to_string())
            .collect::<Vec<_>>()
    };
    assert_eq!(status(&seen), ["supported", "supported"]);
    let gap = check("COAD", &COLON[5..], &["NRAS_exon3"]);
    assert_eq!(status(&gap), ["not_assessed", "not_assessed"]);
}

#[test]
fn a_lung_cancer_with_rare_changes_of_egfr() {
    let report = check("LUAD", &LUNG, &["ERBB2_exon20", "MET_exon14"]);
    assert_eq!(locus(&report, "EGFR", "L858R")["status"], "not_detected");
    let met = list(&report, "loci").find(|l| l["gene"] == "MET").unwrap();
    assert_eq!(met["status"], "not_assessed");
    for l in list(&report, "loci").filter(|l| l["gene"] == "ERBB2") {
        assert_eq!(l["status"], "not_assessed");
    }
}

#[test]
fn a_stromal_tumor_with_two_kinases() {
    let report = check("GIST", &GIST, &["KIT_exon8"]);
    let resisted = list(&report, "findings")
        .find(|f| f["name"] == "D842V")
        .unwrap();
    assert!(list(resisted, "resistance").any(|e| e["therapy"] == "Imatinib"));
    assert!(list(&report, "conflicts").any(|c| {
        c.as_str()
            .unwrap()
            .starts_with("Imatinib: KIT L576P speaks for it")
    }));
}

#[test]
fn a_bladder_cancer_whose_gene_lies_half_outside() {
    let report = check("BLCA", &BLADDER, &["TP53_exon10"]);
    let l = locus(&report, "FGFR3", "S249C");
    assert_eq!(l["status"], "not_assessed");
    assert_eq!(l["reason"], "it lies outside the panel");
}
