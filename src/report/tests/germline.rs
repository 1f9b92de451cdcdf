//! Germline calls: what consent shows, what ClinVar and the parents tell.

use super::*;
use crate::report::evidence::Finding;
use std::path::PathBuf;

const FRAMESHIFT: Row = ("17", 7_577_557, "AG", "A", "PASS", 50, 50);
/// TP53 R248Q
const MISSENSE: Row = ("17", 7_577_538, "C", "T", "PASS", 50, 50);
const L858R: Row = ("7", 55_259_515, "T", "G", "PASS", 50, 50);
/// DPYD c.1905+1G>A
const DPYD: Row = ("1", 97_915_614, "C", "T", "PASS", 50, 50);

/// A person's calls.
fn person(calls: &[Row]) -> Case {
    let case = Case::new(calls, 100);
    let vcf = case.dir.path().join("demo.vcf");
    let text = std::fs::read_to_string(&vcf)
        .unwrap()
        .replace("mode=somatic", "mode=germline");
    std::fs::write(vcf, text).unwrap();
    case
}

/// A parent's, in the same folder, with a depth file beside.
fn parent(case: &Case, name: &str, calls: &[Row], depth: u32) -> PathBuf {
    use std::io::Write;
    let other = person(calls);
    let path = case.dir.path().join(format!("{name}.vcf"));
    std::fs::copy(other.dir.path().join("demo.vcf"), &path).unwrap();
    let bed = std::fs::read_to_string(other.dir.path().join("demo.depth.bed")).unwrap();
    let file = std::fs::File::create(case.dir.path().join(format!("{name}.depth.bed.gz"))).unwrap();
    let mut gz = flate2::write::GzEncoder::new(file, flate2::Compression::fast());
    gz.write_all(bed.replace("\t100\n", &format!("\t{depth}\n")).as_bytes())
        .unwrap();
    gz.finish().unwrap();
    path
}

fn options(case: &Case, consent: &str) -> ReportOptions {
    let file = case.dir.path().join("consent.json");
    std::fs::write(&file, consent).unwrap();
    ReportOptions {
        tumor: None,
        consent: Some(file),
        ..case.options("LUAD")
    }
}

fn report(case: &Case, options: &ReportOptions) -> Report {
    run(case.reference, options).unwrap().report
}

const ASKED: &str = r#"{"germline": ["TP53"], "pharmacogenetics": true}"#;

#[test]
fn without_consent_nothing_is_said_of_hereditary_disease() {
    let case = person(&[FRAMESHIFT, L858R, DPYD]);
    let r = report(
        &case,
        &ReportOptions {
            tumor: None,
            ..case.options("LUAD")
        },
    );
    assert_eq!((r.germline.status, r.withheld), ("not_requested", 1));
    assert!(r.findings.iter().all(|f: &Finding| f.gene != "TP53"));
    for file in [
        "report.json",
        "report.html",
        "findings.tsv",
        "report.fhir.json",
        "report.maf",
    ] {
        let path = case.dir.path().join("out").join(file);
        let text = std::fs::read_to_string(&path).unwrap_or_default();
        assert!(
            !text.contains("C242Afs") && !text.contains("Cys242"),
            "{file}"
        );
    }
    for l in r.loci.iter().filter(|l| l.gene == "TP53") {
        assert!(
            matches!(&l.outcome, Outcome::NotAssessed { reason } if reason.contains("consent"))
        );
    }
}

#[test]
fn what_was_asked_for_is_shown_with_its_criteria() {
    let case = person(&[FRAMESHIFT, MISSENSE]);
    let r = report(&case, &options(&case, ASKED));
    assert_eq!((r.germline.status, r.withheld), ("shown", 0));
    let of = |name: &str| {
        r.germline
            .findings
            .iter()
            .find(|f| f.name.starts_with(name))
            .unwrap()
    };
    let shift = of("C242A");
    assert_eq!(
        (shift.zygosity, shift.criteria[0].code),
        ("heterozygous", "PVS1")
    );
    assert!(shift.criteria[0].why.contains("To be judged"));
    assert!(of("R248Q").criteria.is_empty() && of("R248Q").assertions.is_empty());
    assert!(r.germline.findings.iter().all(|f| f.family.is_none()));
}

#[test]
fn pharmacogenes_are_left_out_where_nobody_asked() {
    let case = person(&[DPYD]);
    let r = report(&case, &options(&case, r#"{"germline": ["Cancer"]}"#));
    assert!(r.pharmacogenes.is_empty() && r.findings.is_empty());
    assert!(r.pharmacogenes_note.contains("Not requested"));
    assert!(!case.text("report.html").contains("c.1905+1G"));
    assert!(
        !case.dir.path().join("out/report.maf").exists(),
        "no code permits research"
    );
    let r = report(&case, &options(&case, ASKED));
    assert!(r.pharmacogenes.iter().any(|g| g.gene == "DPYD"));
}

#[test]
fn clinvar_speaks_of_the_change_and_of_its_neighbours() {
    let case = person(&[MISSENSE]);
    let clinvar = case.dir.path().join("clinvar.tsv");
    let row = |id: u32, name: &str, c: &str, says: &str| {
        format!(
            "CLINVAR:{id}:TP53\tTP53\t{name} ({c})\tTP53 {c}\tgermline\tPredisposing\tSupports\tLi-Fraumeni syndrome\t{says}\tCLINVAR|{id}|reviewed by expert panel\n"
        )
    };
    let head = "##theralign-knowledge=1\nid\tgene\talteration\texpression\torigin\tkind\tdirection\ttumor\tsignificance\tsources\n";
    let rows = row(1, "R248Q", "c.743G>A", "Pathogenic")
        + &row(2, "R248W", "c.742C>T", "Pathogenic")
        + &row(3, "R248L", "c.743G>T", "Uncertain significance");
    std::fs::write(&clinvar, head.to_string() + &rows).unwrap();
    let knowledge = KnowledgeOptions {
        files: vec![clinvar],
        ..KnowledgeOptions::default()
    };
    let r = report(
        &case,
        &ReportOptions {
            knowledge,
            ..options(&case, ASKED)
        },
    );
    let f = &r.germline.findings[0];
    assert_eq!(f.assertions.len(), 1, "{f:?}");
    assert_eq!(
        (f.assertions[0].id, f.assertions[0].significance.as_str()),
        (1, "Pathogenic")
    );
    let codes: Vec<&str> = f.criteria.iter().map(|c| c.code).collect();
    assert_eq!(codes, ["PM5", "PP5"]);
    assert!(f.criteria[0].why.contains("R248W") && !f.criteria[0].why.contains("R248L"));
}

#[test]
fn parents_tell_where_a_variant_is_from() {
    let case = person(&[FRAMESHIFT]);
    let with = parent(&case, "with", &[FRAMESHIFT], 100);
    let without = parent(&case, "without", &[], 100);
    let shallow = parent(&case, "shallow", &[], 19);
    for (mother, father, origin) in [
        (Some(&with), Some(&without), "mother"),
        (Some(&without), Some(&with), "father"),
        (Some(&with), Some(&with), "either"),
        (Some(&without), Some(&without), "de_novo"),
        (Some(&without), Some(&shallow), "not_assessed"),
        (Some(&without), None, "not_assessed"),
    ] {
        let options = ReportOptions {
            mother: mother.cloned(),
            father: father.cloned(),
            ..options(&case, ASKED)
        };
        let r = report(&case, &options);
        let f = &r.germline.findings[0];
        let family = f.family.as_ref().unwrap();
        assert_eq!(family.origin, origin, "{}", family.reason);
        assert_eq!(
            f.criteria.iter().any(|c| c.code == "PM6"),
            origin == "de_novo"
        );
    }
}

#[test]
fn a_tumor_has_no_parents_and_needs_a_type() {
    let case = Case::new(&[L858R], 100);
    let with = parent(&case, "with", &[], 100);
    let e = run(
        case.reference,
        &ReportOptions {
            mother: Some(with),
            ..case.options("LUAD")
        },
    )
    .unwrap_err();
    assert!(
        e.to_string().contains("a tumor's calls with a parent's"),
        "{e}"
    );
    let e = run(
        case.reference,
        &ReportOptions {
            tumor: None,
            ..case.options("LUAD")
        },
    )
    .unwrap_err();
    assert!(e.to_string().contains("no tumor type"), "{e}");
}

#[test]
fn without_a_tumor_nothing_is_tiered() {
    let case = person(&[L858R]);
    let r = report(
        &case,
        &ReportOptions {
            tumor: None,
            ..case.options("LUAD")
        },
    );
    assert_eq!((r.findings[0].tier, r.tumor.code.as_str()), (None, ""));
    assert!(!case.text("report.html").contains("tier I or II was found"));
}
