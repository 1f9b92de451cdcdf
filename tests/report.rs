//! The report as its readers take it: does it fit its schema, does the bundle hold together, does a review leave its
//! trace, and is nothing told that nobody should hear?

mod program;

use program::{Done, Folder, demo, index, inflated, names, run, theralign};
use serde_json::Value;
use std::io::Write;
use std::path::Path;
use std::process::Command;
use std::sync::OnceLock;

fn args(all: &[&str]) -> Vec<String> {
    all.iter().map(ToString::to_string).collect()
}

/// `report` of calls on the demo's panel.
fn report_of(vcf: &str, out: &str) -> Vec<String> {
    let (panel, genes) = (demo("panel.bed"), demo("genes.gff3.gz"));
    let on = args(&[
        "report",
        vcf,
        "-x",
        index(),
        "--panel",
        &panel,
        "--genes",
        &genes,
    ]);
    [on, args(&["--tumor-type", "NSCLC", "-o", out])].concat()
}

fn done(mut run: Command) -> Done {
    Done::from(run.output().unwrap())
}

/// A report of the demo's tumor, made once. Tests that change it take a copy.
fn report() -> &'static Path {
    static REPORT: OnceLock<String> = OnceLock::new();
    Path::new(REPORT.get_or_init(|| {
        let out = format!("{}/report", env!("CARGO_TARGET_TMPDIR"));
        done(run("S", &out, None, &["--tumor-type", "NSCLC"])).fine();
        out
    }))
}

fn text(path: impl AsRef<Path>) -> String {
    std::fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.as_ref().display()))
}

fn json(path: impl AsRef<Path>) -> Value {
    serde_json::from_str(&text(path)).unwrap()
}

/// A copy of the report's own files.
fn copy() -> Folder {
    let folder = Folder::new();
    for name in [
        "report.json",
        "report.html",
        "report.fhir.json",
        "findings.tsv",
        "report_mqc.json",
    ] {
        folder.file(name, text(report().join(name)));
    }
    folder
}

#[test]
fn report_json_fits_its_schema() {
    let schema: Value =
        serde_json::from_slice(&theralign(&["report", "--schema"]).fine().stdout).unwrap();
    let validator = jsonschema::validator_for(&schema).unwrap();
    let mut report = json(report().join("report.json"));
    let errors: Vec<String> = validator
        .iter_errors(&report)
        .map(|e| format!("{}: {e}", e.instance_path()))
        .collect();
    assert!(errors.is_empty(), "{errors:?}");
    // The schema asks for something.
    report["findings"][0]["tier"] = "V".into();
    assert!(!validator.is_valid(&report));
}

/// All that a bundle refers to.
fn references(v: &Value, out: &mut Vec<String>) {
    match v {
        Value::Object(map) => map.iter().for_each(|(k, v)| match (k.as_str(), v) {
            ("reference", Value::String(s)) => out.push(s.clone()),
            _ => references(v, out),
        }),
        Value::Array(list) => list.iter().for_each(|v| references(v, out)),
        _ => {}
    }
}

#[test]
fn the_bundle_holds_together() {
    let bundle = json(report().join("report.fhir.json"));
    let report = json(report().join("report.json"));
    let entries = bundle["entry"].as_array().unwrap();
    let urls: Vec<&str> = entries
        .iter()
        .map(|e| e["fullUrl"].as_str().unwrap())
        .collect();
    let mut distinct = urls.clone();
    distinct.sort_unstable();
    distinct.dedup();
    assert_eq!(
        distinct.len(),
        urls.len(),
        "an address stands for two resources"
    );
    let of = |kind: &str| {
        entries
            .iter()
            .map(|e| &e["resource"])
            .filter(|r| r["resourceType"] == kind)
            .collect::<Vec<_>>()
    };
    let mut all = Vec::new();
    references(&bundle, &mut all);
    assert!(all.len() > 100 && all.iter().all(|r| urls.contains(&r.as_str())));
    let observations = of("Observation");
    for o in &observations {
        for key in ["status", "code", "subject", "category"] {
            assert!(!o[key].is_null(), "{key} is missing: {o}");
        }
        // R4, constraint obs-6 and -7: a value, a component, or why there is none.
        assert!(
            ["valueCodeableConcept", "dataAbsentReason", "component"]
                .iter()
                .any(|k| !o[*k].is_null()),
            "{o}"
        );
    }
    assert_eq!(of("DiagnosticReport")[0]["status"], "preliminary");
    assert_eq!(
        of("DiagnosticReport")[0]["result"]
            .as_array()
            .unwrap()
            .len(),
        observations.len()
    );
    // A variant for each finding, and a statement for each locus that has none.
    let value = |code: &str| {
        observations
            .iter()
            .filter(|o| o["valueCodeableConcept"]["coding"][0]["code"] == code)
            .count()
    };
    let loci = |status: &str| {
        report["loci"]
            .as_array()
            .unwrap()
            .iter()
            .filter(|l| l["status"] == status)
            .count()
    };
    assert_eq!(
        value("LA9633-4"),
        report["findings"].as_array().unwrap().len()
    );
    assert_eq!(
        (value("LA9634-2"), value("LA18198-4")),
        (loci("not_detected"), loci("not_assessed"))
    );
    assert!(loci("not_assessed") > 0);
}

#[test]
fn each_weighty_finding_shows_its_reads() {
    let report = json(report().join("report.json"));
    let weighty = report["findings"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|f| !f["tier"].is_null());
    let mut pictures = 0;
    for f in weighty {
        let p = &f["pileup"];
        let (carriers, support) = (
            p["carriers"].as_u64().unwrap(),
            f["support"].as_u64().unwrap(),
        );
        // Reads, not fragments; a long insertion is seen in part by reads that end in it.
        assert!(
            carriers > 0 && carriers <= 2 * support,
            "{}: {carriers} reads, {support} fragments",
            f["name"]
        );
        let columns = p["reference"].as_str().unwrap().chars().count();
        for line in p["reads"].as_array().unwrap() {
            assert_eq!(line["bases"].as_str().unwrap().chars().count(), columns);
        }
        pictures += 1;
    }
    assert!(pictures >= 12);
    assert_eq!(
        text(self::report().join("report.html"))
            .matches("<svg class=\"pile\"")
            .count(),
        pictures
    );
}

#[test]
fn a_pileup_shows_the_variant_in_its_carriers_only() {
    let report = json(report().join("report.json"));
    let t790m = report["findings"]
        .as_array()
        .unwrap()
        .iter()
        .find(|f| f["name"] == "T790M")
        .unwrap();
    let p = &t790m["pileup"];
    let column = p["variant"][0].as_u64().unwrap() as usize;
    assert_eq!(
        p["reference"].as_str().unwrap().chars().nth(column),
        Some('C')
    );
    for line in p["reads"].as_array().unwrap() {
        let base = line["bases"].as_str().unwrap().chars().nth(column).unwrap();
        assert_eq!(
            base.eq_ignore_ascii_case(&'T'),
            line["carrier"] == true,
            "{line}"
        );
    }
}

#[test]
fn a_review_ends_in_a_signature_and_leaves_its_trace() {
    let folder = copy();
    let dir = folder.path("");
    let review = |args: &[&str]| {
        theralign(
            &[
                &["review", &dir, "--by", "Dr. A", "--on", "2026-01-31"],
                args,
            ]
            .concat(),
        )
    };
    review(&["--sign"]).complains(&["cannot be signed", "EGFR T790M was not reviewed"]);
    assert_eq!(
        review(&["--reject", "EGFR:T790M"]).code,
        Some(2),
        "a rejection needs a reason"
    );
    review(&["--accept", "EGFR:G999X"]).complains(&["no finding EGFR:G999X"]);
    let before = text(folder.path("report.json"));
    let report: Value = serde_json::from_str(&before).unwrap();
    review(&["--reject", "EGFR:T790M", "--comment", "seen in the normal"]).fine();
    let weighty = |f: &&Value| {
        let against = f["resistance"]
            .as_array()
            .unwrap()
            .iter()
            .any(|e| e["relation"] != "other");
        f["tier"] == "I" || f["tier"] == "II" || against
    };
    let ids: Vec<String> = report["findings"]
        .as_array()
        .unwrap()
        .iter()
        .filter(weighty)
        .filter(|f| f["name"] != "T790M")
        .map(|f| f["id"].as_str().unwrap().to_string())
        .collect();
    let accept: Vec<&str> = ids.iter().flat_map(|id| ["--accept", id]).collect();
    review(&[&accept[..], &["--sign"]].concat()).fine();
    let after = json(folder.path("report.json"));
    assert_eq!(after["review"]["state"], "signed");
    assert_eq!(
        after["review"]["log"].as_array().unwrap().len(),
        ids.len() + 2
    );
    assert!(text(folder.path("report.html")).contains("<b>Signed</b> by Dr. A, 2026-01-31"));
    assert!(
        text(folder.path("findings.tsv"))
            .contains("\trejected\tDr. A\t2026-01-31\tseen in the normal")
    );
    let bundle = text(folder.path("report.fhir.json"));
    assert!(
        bundle.contains("\"final\"")
            && !bundle.contains("preliminary")
            && !bundle.contains("p.Thr790Met")
    );
    review(&["--accept", &ids[0]]).complains(&["the report is signed"]);
    // What is changed by hand is found out.
    let said = theralign(&["review", &dir]).fine();
    assert!(
        String::from_utf8(said.stdout)
            .unwrap()
            .contains("the chain of hashes holds")
    );
    let forged =
        text(folder.path("report.json")).replacen("\"tier\": \"II\"", "\"tier\": \"I\"", 1);
    folder.file("report.json", forged);
    theralign(&["review", &dir]).complains(&["report.json", "not the one that was reviewed"]);
}

#[test]
fn what_a_gate_refuses_is_not_signed() {
    let folder = Folder::new();
    let gates = folder.file("gates.json", r#"{"depth": 5000}"#);
    let out = folder.path("out");
    done(run(
        "S",
        &out,
        None,
        &["--tumor-type", "NSCLC", "--gates", &gates],
    ))
    .fine();
    let by = ["review", &out, "--by", "A", "--sign"];
    theralign(&by).complains(&["gate depth", "5000 fragments"]);
}

#[test]
fn two_runs_give_the_same_bytes() {
    let folder = Folder::new();
    let out = folder.path("out");
    let once = || -> Vec<(String, Vec<u8>)> {
        done(run("S", &out, None, &["--tumor-type", "NSCLC"])).fine();
        let files = names(Path::new(&out))
            .into_iter()
            .map(|n| (n.clone(), std::fs::read(Path::new(&out).join(n)).unwrap()));
        let all = files.collect();
        std::fs::remove_dir_all(&out).unwrap();
        all
    };
    let (a, b) = (once(), once());
    assert!(a.len() > 15);
    for ((name, x), (_, y)) in a.iter().zip(&b) {
        assert!(x == y, "{name} differs");
    }
    assert_eq!(a.len(), b.len());
}

#[test]
fn redacted_results_name_no_folder() {
    let folder = Folder::new();
    let home = folder.path("jane.doe");
    std::fs::create_dir(&home).unwrap();
    let copy = |name: &str| {
        let to = format!("{home}/{name}");
        std::fs::copy(demo(name), &to).unwrap();
        to
    };
    let files = [
        "panel.bed",
        "genes.gff3.gz",
        "tumor_1.fq.gz",
        "tumor_2.fq.gz",
    ]
    .map(copy);
    let out = format!("{home}/out");
    let with = |redact: &[&str]| {
        let args = [
            &[
                "run",
                "-x",
                index(),
                "--device",
                "cpu",
                "--panel",
                &files[0],
                "--genes",
                &files[1],
            ][..],
            &[
                "--sample",
                "S",
                "--tumor-type",
                "NSCLC",
                "-o",
                &out,
                &files[2],
                &files[3],
            ],
            redact,
        ];
        theralign(&args.concat()).fine();
        let told = |name: &String| {
            let path = Path::new(&out).join(name);
            let bytes = std::fs::read(&path).unwrap();
            let bytes = if bytes.starts_with(&[0x1f, 0x8b]) {
                inflated(&path)
            } else {
                bytes
            };
            bytes.windows(8).any(|w| w == b"jane.doe")
        };
        names(Path::new(&out))
            .into_iter()
            .filter(told)
            .collect::<Vec<_>>()
    };
    assert!(with(&[]).len() > 3, "the command stands in headers");
    assert_eq!(with(&["--redact"]), [""; 0]);
}

/// In a network namespace without interfaces, not even a name can be looked up.
#[test]
#[cfg(target_os = "linux")]
fn no_command_needs_a_network() {
    let alone = |program: &str| {
        let mut c = Command::new("unshare");
        c.args(["--user", "--map-root-user", "--net", program]);
        c
    };
    if !alone("true").status().is_ok_and(|s| s.success()) {
        let _ = std::io::stderr()
            .write_all(b"NOT TRIED: this system lets nobody make a network namespace\n");
        return;
    }
    let folder = Folder::new();
    let out = folder.path("out");
    let plain = run("S", &out, None, &["--tumor-type", "NSCLC"]);
    let mut run = alone(program::PROGRAM);
    run.args(plain.get_args());
    done(run).fine();
    let (panel, genes, vcf) = (
        demo("panel.bed"),
        demo("genes.gff3.gz"),
        format!("{out}/S.vcf.gz"),
    );
    let bam = format!("{out}/S.bam");
    let to = |name: &str| folder.path(name);
    let (called, reported, annotated, genotyped, figures) =
        (to("c.vcf.gz"), to("r"), to("a.tsv"), to("p"), to("q"));
    for args in [
        args(&[
            "call",
            "--mode",
            "germline",
            "-x",
            index(),
            "--panel",
            &panel,
            &bam,
            "-o",
            &called,
        ]),
        report_of(&vcf, &reported),
        args(&[
            "annotate",
            &vcf,
            "-x",
            index(),
            "--genes",
            &genes,
            "-o",
            &annotated,
        ]),
        args(&["pgx", &called, "--build", "grch37", "-o", &genotyped]),
        args(&["qc", &bam, "-x", index(), "--panel", &panel, "-o", &figures]),
        args(&["knowledge", "info"]),
        args(&["review", &out]),
    ] {
        let mut c = alone(program::PROGRAM);
        c.args(&args).stdin(std::process::Stdio::null());
        let done = done(c);
        assert_eq!(done.code, Some(0), "{args:?}: {}", done.stderr);
    }
}

#[test]
fn reads_of_another_sample_are_refused() {
    let folder = Folder::new();
    let vcf = String::from_utf8(inflated(report().join("S.vcf.gz"))).unwrap();
    let vcf = folder.file("T.vcf", vcf.replace("FORMAT\tS\n", "FORMAT\tT\n"));
    let (out, bam) = (folder.path("out"), report().join("S.bam"));
    let more = args(&["--reads", bam.to_str().unwrap()]);
    theralign(&[report_of(&vcf, &out), more].concat()).complains(&[
        "S.bam",
        "no sample T",
        "It has: S",
    ]);
}
