//! Same results as last time? One folder per case under testdata/golden; `UPDATE_GOLDEN=1 cargo test --test golden` rewrites
//! them, for a change that means to change results. Look at the difference before you commit it.

mod program;

use program::{Done, Folder, index, inflated, run, theralign};
use std::path::PathBuf;

/// Compares with what is on file, or puts it there.
fn check(case: &str, name: &str, found: &str) {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("testdata/golden")
        .join(case);
    let path = folder.join(name);
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        assert!(
            std::env::var_os("CI").is_none(),
            "UPDATE_GOLDEN rewrites what CI is to check"
        );
        std::fs::create_dir_all(&folder).unwrap();
        std::fs::write(&path, found).unwrap();
        return;
    }
    let expected = std::fs::read_to_string(&path)
        .unwrap_or_else(|e| panic!("{}: {e}; UPDATE_GOLDEN=1 writes it", path.display()));
    for (i, (e, f)) in expected.lines().zip(found.lines()).enumerate() {
        assert_eq!(e, f, "{case}/{name}, line {}", i + 1);
    }
    assert_eq!(
        expected.lines().count(),
        found.lines().count(),
        "{case}/{name}: lines"
    );
}

/// Lines that do not depend on the version of the program or on how it was called.
fn lasting(text: &[u8]) -> String {
    let text = String::from_utf8(text.to_vec()).unwrap();
    let passing = [
        "@PG",
        "##theralign_command",
        "##theralign_device",
        "##source",
        "  \"program\"",
    ];
    let lines = text.split_inclusive('\n');
    lines
        .filter(|l| !passing.iter().any(|p| l.starts_with(p)))
        .collect()
}

#[test]
fn golden_is_not_rewritten_in_ci() {
    assert!(
        std::env::var_os("CI").is_none() || std::env::var_os("UPDATE_GOLDEN").is_none(),
        "UPDATE_GOLDEN is set in CI"
    );
}

#[test]
fn align_writes_the_same_sam() {
    let folder = Folder::new();
    let [r1, r2] = folder.reads(120, 209);
    let done = theralign(&[
        "align",
        "-x",
        index(),
        "--device",
        "cpu",
        &r1,
        &r2,
        "-o",
        "-",
    ])
    .fine();
    check("align", "expected.sam", &lasting(&done.stdout));
}

#[test]
fn run_calls_and_reports_the_same() {
    let folder = Folder::new();
    let out = folder.path("out");
    let run = run("demo", &out, None, &["--tumor-type", "NSCLC"]).output();
    Done::from(run.unwrap()).fine();
    let file = |name: &str| PathBuf::from(&out).join(name);
    check(
        "run",
        "expected.vcf",
        &lasting(&inflated(file("demo.vcf.gz"))),
    );
    check(
        "run",
        "loci.tsv",
        &lasting(&std::fs::read(file("loci.tsv")).unwrap()),
    );
    check(
        "run",
        "qc.json",
        &lasting(&std::fs::read(file("qc.json")).unwrap()),
    );
}
