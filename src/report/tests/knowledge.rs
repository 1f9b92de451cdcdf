//! Knowledge of one's own beside what ships: profiles, statements without a bearing on therapy, age.

use super::*;
use crate::annotate::knowledge::Support;

const HEADER: &str = "##theralign-knowledge=1\n\
    ##source=Ours|7|2024-01-31|CC0 1.0|https://example.org\n\
    id\texpression\ttumor\tcodes\ttherapy\tkind\tdirection\tsignificance\tlevel\tstatus\tsources\tverified\n";

/// id, expression, therapy, kind, direction, significance, level, status
type Told<'a> = [&'a str; 8];

fn file(case: &Case, name: &str, rows: &[Told]) -> std::path::PathBuf {
    let mut text = HEADER.to_string();
    for [
        id,
        expression,
        therapy,
        kind,
        direction,
        significance,
        level,
        status,
    ] in rows
    {
        writeln!(
            text,
            "{id}\t{expression}\tLung\tNSCLC\t{therapy}\t{kind}\t{direction}\t{significance}\t{level}\t{status}\tPAPER|1\tGRCh37"
        )
        .unwrap();
    }
    let path = case.dir.path().join(name);
    std::fs::write(&path, text).unwrap();
    path
}

fn sensitive<'a>(id: &'a str, expression: &'a str, therapy: &'a str) -> Told<'a> {
    [
        id,
        expression,
        therapy,
        "Predictive",
        "Supports",
        "Sensitivity/Response",
        "A",
        "accepted",
    ]
}

fn report(case: &Case, knowledge: KnowledgeOptions) -> crate::Result<Report> {
    let options = ReportOptions {
        knowledge,
        ..case.options("LUAD")
    };
    Ok(run(case.reference, &options)?.report)
}

fn only(path: std::path::PathBuf) -> KnowledgeOptions {
    KnowledgeOptions {
        files: vec![path],
        only: true,
        ..KnowledgeOptions::default()
    }
}

#[test]
fn profiles_hold_as_their_alterations_do() {
    let case = Case::new(&truth(), 1000);
    let rows = [
        sensitive("AND", "EGFR T790M AND EGFR del:729-761", "Both"),
        sensitive("ABSENT", "EGFR T790M AND EGFR L858R", "Neither"),
        sensitive("NOT", "EGFR T790M AND NOT EGFR L858R", "Without"),
        sensitive("PRESENT", "EGFR T790M AND NOT EGFR del:729-761", "Refused"),
        sensitive("OPEN", "EGFR T790M AND EGFR amplification", "Unsure"),
        sensitive("EITHER", "EGFR T790M OR EGFR amplification", "Enough"),
        sensitive("WT", "NOT EGFR L858R", "Wild"),
        sensitive("MUT", "NOT EGFR T790M", "Mutant"),
        sensitive("WT?", "NOT EGFR fusion", "Perhaps"),
        sensitive("C", "EGFR c.2369C>T", "Coding"),
        sensitive("P", "EGFR p.E746_A750del", "Named"),
        sensitive("P2", "EGFR p.L747_A750del", "Other"),
    ];
    let r = report(&case, only(file(&case, "own.tsv", &rows))).unwrap();
    let of = |name: &str| r.findings.iter().find(|f| f.name == name).unwrap();
    let told = |name: &str| -> Vec<(&str, Option<Tier>)> {
        let list = &of(name).sensitivity;
        list.iter().map(|e| (e.row.as_str(), e.tier)).collect()
    };
    let one = Some(Tier::One);
    assert_eq!(
        told("T790M"),
        [
            ("AND", one),
            ("C", one),
            ("EITHER", one),
            ("NOT", one),
            ("OPEN", None)
        ]
    );
    assert_eq!(told("E746_A750del"), [("AND", one), ("P", one)]);
    let open = of("T790M").sensitivity.last().unwrap();
    assert!(open.caveats[0].contains("EGFR amplification, which was not assessed"));
    let wild: Vec<(&str, &str)> = r
        .wild_type
        .iter()
        .map(|w| (w.therapy.as_str(), w.status))
        .collect();
    assert_eq!(
        wild,
        [
            ("Wild", "supported"),
            ("Mutant", "not_supported"),
            ("Perhaps", "not_assessed")
        ]
    );
    assert!(r.wild_type[1].reason.contains("EGFR T790M"));
    // The absence of L858R rests on its codon being seen.
    let shallow = Case::new(&truth(), 5);
    let r = report(&shallow, only(file(&shallow, "own.tsv", &rows))).unwrap();
    let t790m = r.findings.iter().find(|f| f.name == "T790M").unwrap();
    let not = t790m.sensitivity.iter().find(|e| e.row == "NOT").unwrap();
    assert_eq!(not.tier, None);
    assert!(
        not.caveats[0].contains("NOT EGFR L858R"),
        "{:?}",
        not.caveats
    );
    assert_eq!(r.wild_type[0].status, "not_assessed");
}

#[test]
fn what_is_not_about_therapy_or_not_supported_sets_no_tier() {
    let case = Case::new(&truth(), 1000);
    let mut rows = [sensitive("S", "EGFR T790M", "X"); 5];
    rows[1] = [
        "D",
        "EGFR T790M",
        "X",
        "Predictive",
        "Does Not Support",
        "Sensitivity/Response",
        "A",
        "accepted",
    ];
    rows[2] = [
        "G",
        "EGFR T790M",
        "",
        "Prognostic",
        "Supports",
        "Poor Outcome",
        "B",
        "accepted",
    ];
    rows[3] = [
        "U",
        "EGFR T790M",
        "Y",
        "Predictive",
        "Supports",
        "Sensitivity/Response",
        "A",
        "submitted",
    ];
    rows[4] = [
        "R",
        "EGFR T790M",
        "Z",
        "Predictive",
        "Supports",
        "Reduced Sensitivity",
        "B",
        "accepted",
    ];
    rows[0][6] = "C";
    let r = report(&case, only(file(&case, "own.tsv", &rows))).unwrap();
    let f = r.findings.iter().find(|f| f.name == "T790M").unwrap();
    assert_eq!(f.tier, Some(Tier::Two), "{}", f.tier_reason);
    let ids = |list: &[super::super::evidence::Evidence]| -> Vec<String> {
        list.iter().map(|e| e.row.clone()).collect()
    };
    assert_eq!(ids(&f.sensitivity), ["S", "U"]);
    assert_eq!(f.sensitivity[1].tier, None);
    assert_eq!(ids(&f.resistance), ["R"]);
    assert_eq!(ids(&f.context), ["D", "G"]);
    assert_eq!(f.context[0].support, Support::DoesNotSupport);
    assert!(
        case.text("report.html")
            .contains("the evidence does not support this")
    );
}

#[test]
fn files_travel_with_the_report_and_age_without_a_clock() {
    let case = Case::new(&truth(), 1000);
    let path = file(&case, "own.tsv", &[sensitive("S", "EGFR T790M", "X")]);
    let beside = KnowledgeOptions {
        files: vec![path.clone()],
        ..KnowledgeOptions::default()
    };
    let r = report(&case, beside.clone()).unwrap();
    assert!(r.knowledge.shipped && r.knowledge.statements > 150);
    assert_eq!(r.knowledge.files[0].sources[0].version, "7");
    assert_eq!(r.knowledge.files[0].sha256.len(), 64);
    assert!(r.knowledge.origins.iter().any(|o| o.name == "Ours 7"));
    let old = |r: &Report| {
        r.warnings
            .iter()
            .any(|w| w.contains("own.tsv is of 2024-01-31"))
    };
    assert!(old(&r), "{:?}", r.warnings);
    let aged = |max_age, as_of: &str| {
        let options = KnowledgeOptions {
            max_age,
            as_of: Some(as_of.into()),
            ..beside.clone()
        };
        old(&report(&case, options).unwrap())
    };
    assert!(!aged(10, "2024-02-10") && aged(9, "2024-02-10"));
    assert!(!aged(365, "2024-12-31"));
    let html = case.text("report.html");
    assert!(html.contains("own.tsv") && html.contains("example.org"));

    let twice = KnowledgeOptions {
        files: vec![path.clone(), path],
        ..KnowledgeOptions::default()
    };
    let error = report(&case, twice).unwrap_err().to_string();
    assert!(
        error.contains("another table has a statement S too"),
        "{error}"
    );
    let bad = file(&case, "bad.tsv", &[sensitive("S", "EGFR T790M AND", "X")]);
    let error = report(&case, only(bad)).unwrap_err().to_string();
    assert!(
        error.contains("bad.tsv, line 4: S: an alteration is missing"),
        "{error}"
    );
}
