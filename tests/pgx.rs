//! Pharmacogenes from reads: what the panel covers is genotyped, the rest is missing, and who did not ask hears nothing.

mod program;

use program::{Folder, demo, index, inflated, names, theralign};
use serde_json::Value;

/// A carrier's reads over the demo's panel: DPYD c.1905+1G>A, on one copy of two.
fn reads(folder: &Folder) -> [String; 2] {
    let truth = folder.file(
        "truth.vcf",
        "##fileformat=VCFv4.4\n#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\n1\t97915614\t.\tC\tT\t.\t.\tAF=0.5\n",
    );
    let (panel, to) = (demo("panel.bed"), folder.path("reads"));
    #[rustfmt::skip]
    theralign(&[
        "simulate", "-x", index(), "--panel", &panel, "--variants", &truth, "--depth", "60", "--seed", "3", "-o", &to,
    ])
    .fine();
    [1, 2].map(|mate| format!("{to}_{mate}.fq.gz"))
}

fn run(reads: &[String; 2], out: &str, more: &[&str]) {
    let done = program::run("S", out, Some(reads), more).output();
    program::Done::from(done.unwrap()).fine();
}

#[test]
fn a_mans_x_has_one_allele_and_a_tumor_has_no_sex() {
    let folder = Folder::new();
    let reads = reads(&folder);
    let out = folder.path("out");
    run(&reads, &out, &["--mode", "germline", "--sex", "male"]);
    let vcf = text(inflated(format!("{out}/S.vcf.gz")));
    assert!(vcf.contains("##theralign_sex=male"), "{vcf}");
    let somatic = ["--tumor-type", "NSCLC", "--sex", "male"];
    let refused = program::run("S", &out, Some(&reads), &somatic).output();
    program::Done::from(refused.unwrap()).complains(&["--sex is for --mode germline"]);
}

fn text(bytes: Vec<u8>) -> String {
    String::from_utf8(bytes).unwrap()
}

#[test]
fn a_germline_run_genotypes_the_places_of_its_panel_and_assumes_no_other() {
    let folder = Folder::new();
    let reads = reads(&folder);
    let out = folder.path("out");
    run(&reads, &out, &["--mode", "germline"]);
    let file = |end: &str| std::fs::read(format!("{out}/S.pgx.{end}")).unwrap();
    let loci = text(file("loci.vcf"));
    let asked = loci.lines().filter(|l| !l.starts_with('#')).count();
    let calls: Value = serde_json::from_slice(&file("json")).unwrap();
    let genes = calls["genes"].as_array().unwrap();
    let dpyd = genes.iter().find(|g| g["gene"] == "DPYD").unwrap();
    let sites = dpyd["sites"].as_array().unwrap();
    let carried = sites.iter().find(|s| s["id"] == "rs3918290").unwrap();
    assert_eq!(carried["genotype"], "C/T");
    // Genotyped is what was asked for, also where the person is as the reference; nothing else.
    let seen = |g: &Value| g["seen"][0].as_u64().unwrap();
    let genotyped: u64 = genes.iter().map(seen).sum();
    assert!(seen(dpyd) >= 1 && genotyped <= asked as u64);
    assert!((seen(dpyd) as usize) < sites.len());
    for site in sites.iter().filter(|s| s["genotype"].is_null()) {
        assert!(site["reason"].as_str().unwrap().len() > 5, "{site}");
    }
    let vcf = text(inflated(format!("{out}/S.pgx.vcf.gz")));
    let genotypes = (vcf.lines().filter(|l| !l.starts_with('#'))).map(|l| l.rsplit('\t').next());
    let known = genotypes.filter(|g| !g.unwrap().starts_with('.'));
    assert_eq!(known.count(), genotyped as usize);
    assert!(text(file("tsv")).contains("DPYD"));
    assert!(!file("advice.tsv").is_empty());
    // What `pgx` makes of the same calls.
    let again = folder.path("again");
    theralign(&[
        "pgx",
        &format!("{out}/S.vcf.gz"),
        "-x",
        index(),
        "-o",
        &again,
    ])
    .fine();
    for end in ["json", "tsv", "advice.tsv", "vcf.gz"] {
        let made = std::fs::read(format!("{again}.pgx.{end}")).unwrap();
        assert_eq!(made, file(end), "{end}");
    }
}

#[test]
fn without_consent_no_pharmacogene_is_asked_for() {
    let folder = Folder::new();
    let reads = reads(&folder);
    let consent = folder.file("consent.json", r#"{"germline": ["Cancer"]}"#);
    let refused: [&[&str]; 2] = [
        &["--mode", "germline", "--consent", &consent],
        &["--tumor-type", "NSCLC"],
    ];
    for (i, more) in refused.iter().enumerate() {
        let out = folder.path(&i.to_string());
        // What an earlier run was allowed to write does not stay.
        run(&reads, &out, &["--mode", "germline"]);
        assert!(names(&out).contains(&"S.pgx.json".to_string()));
        run(&reads, &out, more);
        let files = names(&out);
        let maf = files.contains(&"report.maf".to_string());
        assert_eq!(
            maf,
            !more.contains(&"--consent"),
            "no code permits research"
        );
        assert!(files.contains(&"S.vcf.gz".to_string()));
        assert!(!files.iter().any(|f| f.contains("pgx")), "{files:?}");
        let calls = text(inflated(format!("{out}/S.vcf.gz")));
        let mut records = calls.lines().filter(|l| !l.starts_with('#'));
        // A tumor's actionable alleles are asked for, those of a person are not.
        let germline = more[0] == "--mode";
        assert!(!germline || !records.any(|r| r.contains("FORCED")));
    }
}
