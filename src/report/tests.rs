//! Reports of the demo's truth, made without reads: a VCF and a depth file written here.

mod cases;
mod germline;
mod knowledge;

use super::assess::Outcome;
use super::evidence::{Standing, Tier};
use super::{KnowledgeOptions, Made, Report, ReportOptions, ReportSummary, run};
use crate::annotate::Relation;
use crate::annotate::tests::demo_reference;
use crate::genome::Reference;
use std::fmt::Write;

struct Case {
    dir: tempfile::TempDir,
    reference: &'static Reference,
}

impl Case {
    /// `calls`: contig, pos, ref, alt, filter, ref fragments, alt fragments.
    fn new(calls: &[(&str, u32, &str, &str, &str, u32, u32)], depth: u32) -> Case {
        let case = Case {
            dir: tempfile::tempdir().unwrap(),
            reference: demo_reference(),
        };
        case.write_vcf(calls, &["demo"], case.reference.digest());
        let mut bed = String::new();
        let panel = std::fs::read_to_string("testdata/demo/panel.bed").unwrap();
        for line in panel.lines().filter(|l| !l.starts_with('#')) {
            let c: Vec<&str> = line.split('\t').collect();
            writeln!(bed, "{}\t{}\t{}\t{depth}", c[0], c[1], c[2]).unwrap();
        }
        std::fs::write(case.dir.path().join("demo.depth.bed"), bed).unwrap();
        case
    }

    fn write_vcf(
        &self,
        calls: &[(&str, u32, &str, &str, &str, u32, u32)],
        samples: &[&str],
        digest: &str,
    ) {
        let mut vcf = format!(
            "##fileformat=VCFv4.4\n##theralign_reference={digest}\n##theralign_mode=somatic\n\
             #CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\tFORMAT\t{}\n",
            samples.join("\t")
        );
        for (c, p, r, a, filter, n, k) in calls {
            write!(vcf, "{c}\t{p}\t.\t{r}\t{a}\t.\t{filter}\t.\tGT:AD:DP:AF:SB").unwrap();
            for _ in samples {
                let dp = n + k;
                write!(
                    vcf,
                    "\t0/1:{n},{k}:{dp}:0:{},{},{},{}",
                    n / 2,
                    n - n / 2,
                    k / 2,
                    k - k / 2
                )
                .unwrap();
            }
            vcf.push('\n');
        }
        std::fs::write(self.dir.path().join("demo.vcf"), vcf).unwrap();
    }

    fn options(&self, tumor: &str) -> ReportOptions {
        ReportOptions {
            calls: self.dir.path().join("demo.vcf"),
            genes: "testdata/demo/genes.gff3.gz".into(),
            panel: "testdata/demo/panel.bed".into(),
            tumor: Some(tumor.into()),
            depth: Some(self.dir.path().join("demo.depth.bed")),
            reads: None,
            consent: None,
            gates: None,
            mother: None,
            father: None,
            made: Made::default(),
            sample: None,
            qc: None,
            knowledge: KnowledgeOptions::default(),
            out: self.dir.path().join("out"),
        }
    }

    fn run(&self, tumor: &str) -> ReportSummary {
        run(self.reference, &self.options(tumor)).unwrap()
    }

    fn text(&self, name: &str) -> String {
        std::fs::read_to_string(self.dir.path().join("out").join(name)).unwrap()
    }
}

/// A call: contig, pos, ref, alt, filter, ref fragments, alt fragments.
type Row = (
    &'static str,
    u32,
    &'static str,
    &'static str,
    &'static str,
    u32,
    u32,
);

fn truth() -> Vec<Row> {
    vec![
        ("1", 97_915_614, "C", "T", "PASS", 500, 500),
        ("1", 115_256_529, "T", "C", "PASS", 900, 100),
        ("3", 178_952_085, "A", "G", "PASS", 800, 200),
        ("4", 55_152_093, "A", "T", "PASS", 920, 80),
        ("4", 55_593_600, "CAGTGGA", "C", "PASS", 750, 250),
        ("7", 55_242_464, "AGGAATTAAGAGAAGC", "A", "PASS", 700, 300),
        ("7", 55_249_063, "G", "A", "PASS", 500, 500),
        ("7", 55_249_071, "C", "T", "PASS", 880, 120),
        ("7", 116_412_044, "G", "T", "PASS", 850, 150),
        ("7", 140_453_136, "AC", "TT", "PASS", 900, 100),
        ("12", 25_398_285, "C", "A", "PASS", 850, 150),
        ("14", 105_246_551, "C", "T", "PASS", 940, 60),
        ("17", 7_577_557, "AG", "A", "PASS", 600, 400),
    ]
}

fn outcome<'a>(r: &'a Report, gene: &str, name: &str) -> &'a Outcome {
    &r.loci
        .iter()
        .find(|l| l.gene == gene && l.name == name)
        .unwrap_or_else(|| panic!("{gene} {name}"))
        .outcome
}

#[test]
fn the_demo_tumor_is_tiered_for_its_type() {
    let case = Case::new(&truth(), 1000);
    let r = case.run("LUAD").report;
    let of = |name: &str| r.findings.iter().find(|f| f.name == name).unwrap();
    // gene, tier, first therapy's standing and relation
    for (name, tier, standing, relation) in [
        (
            "E746_A750del",
            Some(Tier::One),
            Standing::ApprovedHere,
            Relation::Parent,
        ),
        (
            "T790M",
            Some(Tier::One),
            Standing::ApprovedHere,
            Relation::Parent,
        ),
        (
            "G12C",
            Some(Tier::One),
            Standing::ApprovedHere,
            Relation::Parent,
        ),
        (
            "c.3028+1G>T",
            Some(Tier::One),
            Standing::ApprovedHere,
            Relation::Parent,
        ),
        (
            "V600K",
            Some(Tier::Two),
            Standing::ApprovedElsewhere,
            Relation::Other,
        ),
        (
            "H1047R",
            Some(Tier::Two),
            Standing::ApprovedElsewhere,
            Relation::Other,
        ),
        (
            "W557_K558del",
            Some(Tier::Two),
            Standing::Investigational,
            Relation::Other,
        ),
        (
            "E17K",
            Some(Tier::Two),
            Standing::ApprovedElsewhere,
            Relation::Other,
        ),
    ] {
        let f = of(name);
        assert_eq!(
            (f.tier, f.sensitivity[0].standing, f.sensitivity[0].relation),
            (tier, standing, relation),
            "{name}"
        );
    }
    assert_eq!(of("C242Afs*5").tier, Some(Tier::Three));
    assert_eq!(of("Q787=").tier, None);
    let t790m = of("T790M");
    assert!(t790m.resistance.iter().any(|e| e.therapy == "Erlotinib"));
    assert_eq!(t790m.sensitivity[0].match_kind, "exact change");
    assert!(
        r.conflicts.contains(
            &"Erlotinib: EGFR E746_A750del speaks for it, EGFR T790M, KRAS G12C against it"
                .to_string()
        ),
        "{:?}",
        r.conflicts
    );
    let del = of("E746_A750del");
    assert_eq!(del.sensitivity[0].match_kind, "class");
    assert!((del.fraction.unwrap() - 0.3).abs() < 1e-12);
    let (low, high) = del.fraction_ci.unwrap();
    assert!(low < 0.3 && 0.3 < high && high - low < 0.06);
    assert!(
        of("C242Afs*5")
            .germline
            .as_ref()
            .unwrap()
            .contains("Li-Fraumeni")
    );
}

#[test]
fn the_same_variant_weighs_differently_in_another_tumor() {
    let case = Case::new(&truth(), 1000);
    let r = case.run("BRCA").report;
    let of = |name: &str| r.findings.iter().find(|f| f.name == name).unwrap();
    assert_eq!(of("H1047R").tier, Some(Tier::One));
    assert_eq!(of("G12C").tier, Some(Tier::Two));
    assert!(r.wild_type.is_empty());
    let r = case.run("COAD").report;
    assert!(
        r.conflicts.is_empty(),
        "adagrasib with cetuximab is no plea for cetuximab: {:?}",
        r.conflicts
    );
    assert_eq!(r.wild_type.len(), 2);
    for w in &r.wild_type {
        assert_eq!(w.status, "not_supported");
        assert!(
            w.reason.contains("KRAS G12C") && w.reason.contains("NRAS Q61R"),
            "{}",
            w.reason
        );
    }
}

#[test]
fn an_empty_vcf_gives_a_whole_report() {
    let case = Case::new(&[], 1000);
    let s = case.run("COADREAD");
    assert!(s.report.findings.is_empty());
    let (detected, absent, open) = s.loci();
    assert_eq!(detected, 0);
    assert!(absent > 20 && open > 0, "{absent} {open}");
    assert_eq!(
        *outcome(&s.report, "BRAF", "V600"),
        Outcome::NotDetected { at_least: 0.02 }
    );
    // NRAS and KRAS are covered, but not at every codon of the label.
    let cetuximab = s
        .report
        .wild_type
        .iter()
        .find(|w| w.therapy == "Cetuximab")
        .unwrap();
    assert!(matches!(cetuximab.status, "supported" | "not_assessed"));
    assert!(
        case.text("report.html")
            .contains("No variant of tier I or II")
    );
}

#[test]
fn loci_say_what_was_not_seen_and_why() {
    let case = Case::new(&[], 16);
    let r = case.run("NSCLC").report;
    let Outcome::NotDetected { at_least } = outcome(&r, "EGFR", "L858R") else {
        panic!("{:?}", outcome(&r, "EGFR", "L858R"))
    };
    assert!(*at_least > 0.4, "{at_least}");
    let mut options = case.options("NSCLC");
    options.depth = None;
    let r = run(case.reference, &options).unwrap().report;
    let reason = |gene, name| match outcome(&r, gene, name) {
        Outcome::NotAssessed { reason } => reason.clone(),
        other => panic!("{other:?}"),
    };
    assert_eq!(reason("EGFR", "L858R"), "no depth file was given");
    assert_eq!(reason("FGFR3", "R248C"), "it lies outside the panel");
    assert!(
        r.outside
            .iter()
            .any(|g| g.gene == "BRCA1" && !g.for_this_tumor)
    );
    assert!(r.unseen.iter().any(|u| u.gene == "ALK"));
}

#[test]
fn a_filtered_call_is_neither_detected_nor_absent() {
    let case = Case::new(
        &[("12", 25_398_285, "C", "A", "weak_evidence", 990, 10)],
        1000,
    );
    let r = case.run("NSCLC").report;
    assert!(r.findings.is_empty());
    assert_eq!(r.filtered.len(), 1);
    let Outcome::NotAssessed { reason } = outcome(&r, "KRAS", "G12") else {
        panic!()
    };
    assert_eq!(reason, "a call here was filtered: G12C (weak_evidence)");
}

#[test]
fn two_records_in_one_codon_are_pointed_out() {
    let case = Case::new(
        &[
            ("7", 140_453_136, "A", "T", "PASS", 900, 100),
            ("7", 140_453_137, "C", "T", "PASS", 900, 100),
        ],
        1000,
    );
    let r = case.run("MEL").report;
    assert!(r.findings.iter().all(|f| f.notes[0].contains("same codon")));
}

#[test]
fn bad_vcfs_are_refused_with_a_remedy() {
    let case = Case::new(&truth(), 1000);
    let options = case.options("NSCLC");
    let message = |case: &Case| run(case.reference, &options).unwrap_err().to_string();

    case.write_vcf(&truth(), &["demo"], "0000");
    assert!(message(&case).contains("called on another reference"));
    case.write_vcf(&truth(), &["a", "b"], case.reference.digest());
    assert!(message(&case).contains("--sample: a, b"));
    case.write_vcf(
        &[("12", 25_398_285, "G", "A", "PASS", 9, 9)],
        &["demo"],
        case.reference.digest(),
    );
    assert!(message(&case).contains("REF is G but the reference has C"));
    std::fs::write(case.dir.path().join("demo.vcf"), "hello\n").unwrap();
    assert!(message(&case).contains("not a VCF file"));
    case.write_vcf(&truth(), &["demo"], case.reference.digest());
    let e = run(case.reference, &case.options("LUNGCANCER"))
        .unwrap_err()
        .to_string();
    assert!(
        e.contains("no tumor type LUNGCANCER") && e.contains("OncoTree"),
        "{e}"
    );
    assert!(!case.dir.path().join("out").exists());
}

#[test]
fn equal_inputs_give_equal_bytes_without_paths_or_clocks() {
    let case = Case::new(&truth(), 1000);
    case.run("NSCLC");
    let (json, html) = (case.text("report.json"), case.text("report.html"));
    case.run("NSCLC");
    assert_eq!(json, case.text("report.json"));
    assert_eq!(html, case.text("report.html"));
    let here = case.dir.path().to_str().unwrap();
    assert!(!json.contains(here) && !html.contains(here));
    let parsed: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!(parsed["schema"], super::SCHEMA);
    assert_eq!(
        case.text("loci.tsv").lines().count(),
        parsed["loci"].as_array().unwrap().len() + 1
    );
}

#[test]
fn the_page_escapes_what_it_is_given_and_fetches_nothing() {
    let case = Case::new(&truth(), 1000);
    let nasty = "<script>alert(1)</script>";
    case.write_vcf(&truth(), &[nasty], case.reference.digest());
    case.run("NSCLC");
    let html = case.text("report.html");
    assert!(!html.contains("<script") && html.contains("&lt;script&gt;"));
    for fetches in [" src=", "<link", "@import", "url("] {
        assert!(!html.contains(fetches), "{fetches}");
    }
    assert!(html.contains("civicdb.org&#x2f;links&#x2f;evidence&#x2f;"));
    assert!(html.contains("For research use only"));
}
