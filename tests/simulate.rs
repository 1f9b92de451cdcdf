//! `simulate`, from the outside: the truth beside the reads, and reads that the aligner understands.

mod program;

use program::{Folder, demo, index, inflated, theralign};

fn simulated(folder: &Folder, name: &str, more: &[&str]) -> String {
    let (panel, truth, out) = (demo("panel.bed"), demo("truth.vcf"), folder.path(name));
    let args = [
        "simulate",
        "-x",
        index(),
        "--panel",
        &panel,
        "--variants",
        &truth,
        "-o",
        &out,
    ];
    theralign(&[&args[..], more].concat()).fine();
    out
}

#[test]
fn the_truth_stands_beside_the_reads_and_is_the_same_again() {
    let folder = Folder::new();
    let options = [
        "--depth",
        "40",
        "--umi",
        "--family",
        "3",
        "--pcr-error",
        "1e-5",
        "--damage",
        "0.002",
        "--oxidation",
        "0.001",
        "--slippage",
        "0.01",
        "--adapter",
        "--seed",
        "9",
    ];
    let first = simulated(&folder, "a", &options);
    let second = simulated(&folder, "b", &options);
    let files = [
        "_1.fq.gz",
        "_2.fq.gz",
        ".truth.json",
        ".truth.vcf.gz",
        ".truth.vcf.gz.tbi",
    ];
    for file in files {
        let [a, b] = [&first, &second].map(|p| std::fs::read(format!("{p}{file}")).unwrap());
        assert!(a == b, "{file} differs");
    }
    assert_eq!(folder.names().len(), 2 * files.len());
    let json = std::fs::read(format!("{first}.truth.json")).unwrap();
    let json: serde_json::Value = serde_json::from_slice(&json).unwrap();
    let reads = String::from_utf8(inflated(format!("{first}_1.fq.gz"))).unwrap();
    let pairs = reads.lines().count() as u64 / 4;
    assert_eq!(json["drawn"]["pairs"].as_u64(), Some(pairs));
    for figure in [
        "duplex",
        "deaminated",
        "oxidized",
        "copy_errors",
        "slips",
        "read_through",
    ] {
        assert!(json["drawn"][figure].as_u64() > Some(0), "no {figure}");
    }
    let vcf = String::from_utf8(inflated(format!("{first}.truth.vcf.gz"))).unwrap();
    let asked = std::fs::read_to_string(demo("truth.vcf")).unwrap();
    let places = |text: &str| -> Vec<String> {
        let records = text.lines().filter(|l| !l.starts_with('#'));
        records
            .map(|l| l.split('\t').take(5).collect::<Vec<_>>().join(" "))
            .collect()
    };
    assert_eq!(places(&vcf), places(&asked));
    // A variant of all molecules is in all that were drawn.
    let whole = vcf.lines().find(|l| l.contains("rs1873778")).unwrap();
    let info = |key: &str| {
        let mut fields = whole.split(['\t', ';']);
        let value = fields.find_map(|f| f.strip_prefix(key)).unwrap();
        value.to_string()
    };
    assert_eq!(
        (info("AF="), info("DRAWN_AF=")),
        ("1".into(), "1.000000".into())
    );
    assert_eq!(info("DRAWN_DP="), info("DRAWN_AD="));
}

#[test]
fn the_aligner_takes_copies_of_one_tag_for_duplicates() {
    let folder = Folder::new();
    let out = simulated(&folder, "u", &["--depth", "30", "--umi", "--family", "4"]);
    let [r1, r2] = [1, 2].map(|m| format!("{out}_{m}.fq.gz"));
    let (bam, metrics) = (folder.path("u.bam"), folder.path("u.txt"));
    let args = [
        "align",
        "-x",
        index(),
        "--device",
        "cpu",
        "--umi",
        "name",
        &r1,
        &r2,
        "-o",
        &bam,
    ];
    theralign(&[&args[..], &["--duplicate-metrics", &metrics]].concat()).fine();
    let json = std::fs::read(format!("{out}.truth.json")).unwrap();
    let json: serde_json::Value = serde_json::from_slice(&json).unwrap();
    let copies = json["drawn"]["duplicates"].as_u64().unwrap();
    let text = std::fs::read_to_string(metrics).unwrap();
    let lines: Vec<&str> = text.lines().collect();
    let header = lines.iter().position(|l| l.starts_with("LIBRARY")).unwrap();
    let column = lines[header]
        .split('\t')
        .position(|c| c == "READ_PAIR_DUPLICATES");
    let found: u64 = lines[header + 1]
        .split('\t')
        .nth(column.unwrap())
        .unwrap()
        .parse()
        .unwrap();
    // A pair that is clipped at an end is not seen as a copy.
    assert!(
        found <= copies && found * 100 > copies * 97,
        "{found} of {copies}"
    );
}

#[test]
fn figures_out_of_range_are_refused() {
    let folder = Folder::new();
    let (panel, out) = (demo("panel.bed"), folder.path("x"));
    for (option, value) in [
        ("--family", "0.5"),
        ("--damage", "2"),
        ("--pcr-error", "0.5"),
        ("--slippage", "NaN"),
    ] {
        let args = [
            "simulate",
            "-x",
            index(),
            "--panel",
            &panel,
            "-o",
            &out,
            option,
            value,
        ];
        theralign(&args).complains(&[option, value, "Give a number from"]);
    }
    assert!(folder.names().is_empty());
}
