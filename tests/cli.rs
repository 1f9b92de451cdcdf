//! Does the program behave? Exit codes, messages, clean stdout, closed pipes, broken input. Each broken input must
//! end with exit code 1 and one message that names file, record and remedy, and leave nothing that looks finished.

mod program;

use program::{Folder, PROGRAM, command, demo, files_under, index, inflated, theralign};
use std::io::Read;
use std::process::{Command, Stdio};

#[test]
fn version_and_help_go_to_stdout() {
    let done = theralign(&["--version"]).fine();
    let expected = format!("theralign {}\n", env!("CARGO_PKG_VERSION"));
    assert_eq!(String::from_utf8(done.stdout).unwrap(), expected);
    assert_eq!(done.stderr, "");
    let help = String::from_utf8(theralign(&["--help"]).fine().stdout).unwrap();
    for part in [
        "align",
        "call",
        "report",
        "run",
        "demo",
        "research use only",
    ] {
        assert!(help.contains(part), "no {part} in:\n{help}");
    }
}

#[test]
fn a_closed_pipe_is_no_error() {
    let folder = Folder::new();
    let [r1, r2] = folder.reads(20_000, 1);
    let mut child = command(&["align", "-x", index(), &r1, &r2, "-o", "-"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut some = [0; 100];
    child.stdout.take().unwrap().read_exact(&mut some).unwrap();
    let output = child.wait_with_output().unwrap();
    let talk = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(0), "{talk}");
    assert!(!talk.contains("theralign: "), "{talk}");
}

#[test]
fn reads_may_come_from_standard_input() {
    let folder = Folder::new();
    let [r1, _] = folder.reads(50, 7);
    let from_file = theralign(&["align", "-x", index(), &r1, "-o", "-"]).fine();
    let output = Command::new(PROGRAM)
        .args(["align", "-x", index(), "-", "-o", "-"])
        .stdin(std::fs::File::open(&r1).unwrap())
        .output()
        .unwrap();
    let records = |sam: &[u8]| -> Vec<Vec<u8>> {
        let lines = sam.split(|&b| b == b'\n').map(<[u8]>::to_vec);
        lines
            .filter(|l| l.first().is_some_and(|&b| b != b'@'))
            .collect()
    };
    assert_eq!(records(&output.stdout), records(&from_file.stdout));
    assert_eq!(records(&output.stdout).len(), 50);
}

#[test]
fn timings_are_told_and_change_no_record() {
    let folder = Folder::new();
    let [r1, r2] = folder.reads(300, 3);
    let (plain, timed) = (folder.path("plain.sam"), folder.path("timed.sam"));
    theralign(&["align", "-x", index(), &r1, &r2, "-o", &plain]).fine();
    let file = folder.path("t.json");
    let option = format!("--timings={file}");
    let done = theralign(&["align", "-x", index(), &option, &r1, &r2, "-o", &timed]).fine();
    assert!(done.stderr.contains("600 reads in "), "{}", done.stderr);
    let records = |path: &str| {
        let text = std::fs::read_to_string(path).unwrap();
        let lines = text.lines().filter(|l| !l.starts_with('@'));
        lines.map(str::to_string).collect::<Vec<_>>()
    };
    assert_eq!(records(&plain), records(&timed));
    let json: serde_json::Value = serde_json::from_slice(&std::fs::read(&file).unwrap()).unwrap();
    assert_eq!(json["paths"]["reads"], 600);
    let unmapped = records(&timed).into_iter().filter(|l| {
        let flag: u16 = l.split('\t').nth(1).unwrap().parse().unwrap();
        flag & 4 != 0
    });
    assert_eq!(json["paths"]["unmapped"], unmapped.count());
    for stage in ["parse", "seed", "candidate", "extend", "record", "write"] {
        let seconds = &json["stages"][stage]["seconds"];
        assert!(seconds.as_f64().unwrap() > 0.0, "{stage}: {json}");
    }
}

/// Aligns, expects a complaint, and that nothing was left but what was there before.
fn align_complains(folder: &Folder, reads: &[&str], parts: &[&str]) {
    let before = folder.names();
    let out = folder.path("out.bam");
    let args = [&["align", "-x", index()], reads, &["-o", &out]].concat();
    theralign(&args).complains(parts);
    assert_eq!(folder.names(), before);
}

#[test]
fn truncated_gzip_is_named() {
    let folder = Folder::new();
    let whole = std::fs::read(demo("tumor_1.fq.gz")).unwrap();
    let cut = folder.file("cut_1.fq.gz", &whole[..whole.len() / 2]);
    let remedy = format!("gzip -t {cut}");
    align_complains(&folder, &[&cut], &["cut_1.fq.gz, ", "record ", &remedy]);
    align_complains(
        &folder,
        &[&cut, &demo("tumor_2.fq.gz")],
        &["cut_1.fq.gz, ", &remedy],
    );
    align_complains(
        &folder,
        &[&demo("tumor_1.fq.gz"), &cut],
        &["cut_1.fq.gz, ", &remedy],
    );
}

#[test]
fn more_bases_than_qualities_is_named_with_its_record() {
    let folder = Folder::new();
    let good = format!("@a\n{}\n+\n{}\n", "A".repeat(151), "F".repeat(151));
    let bad = format!("@b\n{}\n+\n{}\n", "A".repeat(151), "F".repeat(150));
    let file = folder.file("reads.fq", good.clone() + &good + &bad + &good);
    align_complains(
        &folder,
        &[&file],
        &["reads.fq, record 3", "151 bases", "150 qualities", "."],
    );
}

#[test]
fn wrapped_and_long_reads_are_refused_and_short_and_unknown_ones_are_not() {
    let folder = Folder::new();
    let wrapped = folder.file("wrapped.fq", "@a\nACGT\nACGT\n+\nFFFF\nFFFF\n");
    align_complains(
        &folder,
        &[&wrapped],
        &["wrapped.fq, record 1", "must not be wrapped"],
    );
    let read = |name: &str, length: usize, base: &str| {
        format!(
            "@{name}\n{}\n+\n{}\n",
            base.repeat(length),
            "F".repeat(length)
        )
    };
    let long = folder.file(
        "long.fq",
        read("fine", 1000, "A") + &read("long", 1001, "A"),
    );
    align_complains(
        &folder,
        &[&long],
        &["record 2", "long has 1001 bases", "minimap2"],
    );
    let mixed = [
        ("x", 0, "A"),
        ("n", 150, "N"),
        ("l", 1000, "C"),
        ("s", 1, "G"),
    ];
    let mixed: String = mixed.iter().map(|(n, l, b)| read(n, *l, b)).collect();
    let mixed = folder.file("mixed.fq", mixed);
    let sam = theralign(&["align", "-x", index(), &mixed, "-o", "-"])
        .fine()
        .stdout;
    let sam = String::from_utf8(sam).unwrap();
    let lengths = sam.lines().filter(|l| !l.starts_with('@')).map(|l| {
        let bases = l.split('\t').nth(9).unwrap();
        if bases == "*" { 0 } else { bases.len() }
    });
    assert_eq!(lengths.collect::<Vec<_>>(), [0, 150, 1000, 1]);
}

#[test]
fn mates_out_of_step_are_named_with_their_record() {
    let folder = Folder::new();
    let [r1, r2] = folder.reads(40, 5);
    let text = std::fs::read_to_string(&r2).unwrap();
    let lines: Vec<&str> = text.split_inclusive('\n').collect();
    // Without its third record, R2 is one behind from there on.
    let shifted = folder.file("shifted.fq", [&lines[..8], &lines[12..]].concat().concat());
    align_complains(&folder, &[&r1, &shifted], &["shifted.fq", "record 3"]);
    let short = folder.file("short.fq", lines[..36 * 4].concat());
    align_complains(&folder, &[&r1, &short], &["short.fq", "36", "r1.fq"]);
    align_complains(&folder, &[&short, &r2], &["short.fq", "36", "r2.fq"]);
}

#[test]
fn empty_and_foreign_files_are_no_reads() {
    let folder = Folder::new();
    let empty = folder.file("empty.fq", "");
    align_complains(&folder, &[&empty], &["empty.fq", "no FASTQ record"]);
    let packed = folder.file("empty.fq.gz", inflated_nothing());
    align_complains(&folder, &[&packed], &["empty.fq.gz", "no FASTQ record"]);
    let fasta = folder.file("x.fa", ">a\nACGT\n");
    align_complains(&folder, &[&fasta], &["x.fa", "record 1"]);
    align_complains(
        &folder,
        &[&folder.path("nowhere.fq")],
        &["nowhere.fq", "Check the path"],
    );
}

/// A gzip file of nothing.
fn inflated_nothing() -> Vec<u8> {
    flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default())
        .finish()
        .unwrap()
}

#[test]
fn another_versions_index_is_refused() {
    let folder = Folder::new();
    let [r1, _] = folder.reads(5, 1);
    let mut bytes = std::fs::read(index()).unwrap();
    bytes[8..12].copy_from_slice(&999u32.to_le_bytes());
    let old = folder.file("old.tidx", &bytes);
    let out = folder.path("out.bam");
    for (file, parts) in [
        (&old, ["old.tidx", "format 999", "theralign index"]),
        (&r1, ["r1.fq", "not a theralign index", "theralign index"]),
    ] {
        theralign(&["align", "-x", file, &r1, "-o", &out]).complains(&parts);
    }
    assert_eq!(folder.names(), ["old.tidx", "r1.fq", "r2.fq"]);
}

#[test]
fn broken_references_are_named_and_leave_no_index() {
    let folder = Folder::new();
    let packed = std::fs::read(demo("reference.fa.gz")).unwrap();
    let files = [
        folder.file("twice.fa", ">a\nACGT\n>b\nAC\n>a\nAC\n"),
        folder.file("name.fa", ">a\nACGT\n>b,c\nAC\n"),
        folder.file("nothing.fa", ">a\nACGT\n>b\n"),
        folder.file("empty.fa", ""),
        folder.file("cut.fa.gz", &packed[..packed.len() / 2]),
        folder.path(""),
    ];
    let before = folder.names();
    let out = folder.path("out.tidx");
    let parts: [&[&str]; 6] = [
        &["twice.fa", "lines 1 and 5"],
        &["name.fa", "line 3", "','"],
        &["nothing.fa", "line 3", "b has no sequence"],
        &["empty.fa", "no FASTA record"],
        &["cut.fa.gz", "gzip -t"],
        &["directory"],
    ];
    for (file, parts) in files.iter().zip(parts) {
        theralign(&["index", file, "-o", &out]).complains(parts);
        assert_eq!(folder.names(), before);
    }
}

#[test]
fn an_index_that_is_made_anew_serves_those_who_read_the_old_one() {
    let folder = Folder::new();
    let [r1, _] = folder.reads(20_000, 3);
    let mine = folder.file("mine.tidx", std::fs::read(index()).unwrap());
    let expected = theralign(&["align", "-x", &mine, &r1, "-o", "-"]).fine();
    // It waits for its reads with the index open.
    let mut child = command(&["align", "-x", &mine, "-", "-o", "-"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut input = child.stdin.take().unwrap();
    let other = folder.file("other.fa", format!(">z\n{}\n", "ACGTTGCA".repeat(100)));
    let reads = std::fs::read(&r1).unwrap();
    let feeder = std::thread::spawn(move || {
        std::thread::sleep(std::time::Duration::from_millis(500));
        theralign(&["index", &other, "-o", &mine]).fine();
        std::io::Write::write_all(&mut input, &reads).unwrap();
    });
    let output = child.wait_with_output().unwrap();
    feeder.join().unwrap();
    let records = |sam: &[u8]| -> Vec<Vec<u8>> {
        let lines = sam.split(|&b| b == b'\n').map(<[u8]>::to_vec);
        lines.filter(|l| !l.starts_with(b"@")).collect()
    };
    assert!(records(&output.stdout) == records(&expected.stdout));
}

/// A small BAM of the demo's reads.
fn small_bam(folder: &Folder) -> String {
    let [r1, r2] = folder.reads(2000, 12);
    let bam = folder.path("small.bam");
    theralign(&["align", "-x", index(), &r1, &r2, "-o", &bam]).fine();
    bam
}

/// Calls, expects a complaint, and that nothing was left but what was there before.
fn call_complains(folder: &Folder, index: &str, panel: &str, bam: &str, parts: &[&str]) {
    let before = folder.names();
    let out = folder.path("out.vcf.gz");
    theralign(&["call", "-x", index, "--panel", panel, bam, "-o", &out]).complains(parts);
    assert_eq!(folder.names(), before);
}

#[test]
fn a_panel_that_does_not_fit_the_reference_is_refused() {
    let folder = Folder::new();
    let bam = small_bam(&folder);
    let unknown = folder.file(
        "unknown.bed",
        "7\t55241603\t55241746\tok\nchr7\t55241603\t55241746\tx\n",
    );
    call_complains(
        &folder,
        index(),
        &unknown,
        &bam,
        &["unknown.bed, line 2", "no contig chr7", "calls it 7"],
    );
    let beyond = folder.file("beyond.bed", "7\t159138600\t159138700\tx\n");
    call_complains(
        &folder,
        index(),
        &beyond,
        &bam,
        &["beyond.bed, line 1", "159138663 bases", "build"],
    );
}

#[test]
fn a_bam_of_another_reference_is_refused() {
    let folder = Folder::new();
    let bam = small_bam(&folder);
    // The same contigs of the same lengths, one base apart.
    let mut text = inflated(demo("reference.fa.gz"));
    let line = text.iter().position(|&b| b == b'\n').unwrap() + 1;
    text[line] = if text[line] == b'A' { b'C' } else { b'A' };
    let other = folder.file("other.fa", &text);
    let other_index = folder.path("other.tidx");
    theralign(&["index", "--windows", &other, "-o", &other_index]).fine();
    call_complains(
        &folder,
        &other_index,
        &demo("panel.bed"),
        &bam,
        &["small.bam", "another reference"],
    );
    let no_bam = folder.file("no.bam", "hello");
    call_complains(&folder, index(), &demo("panel.bed"), &no_bam, &["no.bam"]);
}

#[test]
fn a_cut_bam_is_refused() {
    let folder = Folder::new();
    let bam = small_bam(&folder);
    let whole = std::fs::read(&bam).unwrap();
    let cut = folder.file("cut.bam", &whole[..whole.len() * 2 / 3]);
    call_complains(
        &folder,
        index(),
        &demo("panel.bed"),
        &cut,
        &["cut.bam", "cut short"],
    );
}

#[test]
fn an_output_in_a_missing_folder_is_refused() {
    let folder = Folder::new();
    let [r1, r2] = folder.reads(5, 1);
    let panel = demo("panel.bed");
    let missing = folder.path("no/out");
    let remedy = "the folder of an output must exist";
    let reference = demo("reference.fa.gz");
    let (bam, vcf) = (missing.clone() + ".bam", missing.clone() + ".vcf.gz");
    for args in [
        vec!["index", "--windows", &reference, "-o", &missing],
        vec!["align", "-x", index(), &r1, &r2, "-o", &bam],
        vec!["simulate", "-x", index(), "--panel", &panel, "-o", &missing],
    ] {
        theralign(&args).complains(&["no/out", remedy]);
    }
    assert_eq!(folder.names(), ["r1.fq", "r2.fq"]);
    let bam = small_bam(&folder);
    theralign(&["call", "-x", index(), "--panel", &panel, &bam, "-o", &vcf])
        .complains(&["no/out", remedy]);
}

#[test]
fn a_gpu_that_is_not_there_is_refused() {
    let folder = Folder::new();
    let [r1, _] = folder.reads(5, 1);
    align_complains(
        &folder,
        &[&r1, "--device", "Imaginary 9000"],
        &["Imaginary 9000", "cpu"],
    );
}

#[test]
#[cfg(target_os = "linux")]
fn a_full_disk_is_an_error_and_leaves_nothing() {
    let folder = Folder::new();
    let [r1, r2] = folder.reads(3000, 8);
    // Standard output on a full device.
    let full = std::fs::OpenOptions::new()
        .write(true)
        .open("/dev/full")
        .unwrap();
    let done = command(&["align", "-x", index(), &r1, &r2, "-o", "-"])
        .stdout(full)
        .stderr(Stdio::piped())
        .spawn()
        .and_then(std::process::Child::wait_with_output)
        .unwrap();
    program::Done::from(done).complains(&["No space left", "Free some space"]);
    // Files that may not grow beyond 16 KiB stand in for a full disk: a file system of that size would need root.
    let reference = demo("reference.fa.gz");
    let panel = demo("panel.bed");
    let out = folder.path("out");
    let bam = folder.path("out.bam");
    let runs = folder.path("out-runs");
    std::fs::create_dir(&runs).unwrap();
    let before = folder.names();
    for args in [
        // What does not fit memory is spilled to a folder of its own.
        vec![
            "align",
            "-x",
            index(),
            "--memory",
            "300k",
            "--temporary",
            &runs,
            &r1,
            &r2,
            "-o",
            &bam,
        ],
        vec!["index", "--windows", &reference, "-o", &out],
        vec!["align", "-x", index(), &r1, &r2, "-o", &bam],
        vec!["simulate", "-x", index(), "--panel", &panel, "-o", &out],
    ] {
        let output = Command::new("bash")
            .args([
                "-c",
                "trap '' XFSZ; ulimit -f 16; exec \"$@\"",
                "bash",
                PROGRAM,
            ])
            .args(&args)
            .output()
            .unwrap();
        program::Done::from(output).complains(&["out", "Free some space"]);
        assert_eq!(folder.names(), before, "{args:?}");
        assert_eq!(std::fs::read_dir(&runs).unwrap().count(), 0, "{args:?}");
    }
}

#[test]
#[cfg(unix)]
fn killed_midway_it_leaves_temporary_names_only() {
    let folder = Folder::new();
    let [r1, r2] = folder.reads(25_000, 1);
    let out = folder.path("result");
    let before = folder.names();
    let (panel, genes) = (demo("panel.bed"), demo("genes.gff3.gz"));
    let mut child = command(&[
        "run",
        "-x",
        index(),
        "--panel",
        &panel,
        "--genes",
        &genes,
        "--tumor-type",
        "NSCLC",
        "--sample",
        "S",
        "-o",
        &out,
        &r1,
        &r2,
    ])
    .stderr(Stdio::null())
    .spawn()
    .unwrap();
    // Wait until it has begun to write, so that there is something to leave behind.
    while folder.names() == before && child.try_wait().unwrap().is_none() {
        std::thread::sleep(std::time::Duration::from_millis(2));
    }
    child.kill().unwrap();
    assert_eq!(
        child.wait().unwrap().code(),
        None,
        "it was done before it could be killed"
    );
    let left: Vec<_> = folder
        .names()
        .into_iter()
        .filter(|n| !before.contains(n))
        .collect();
    assert!(!left.is_empty());
    assert!(
        left.iter().all(|n| n.starts_with(".theralign-")),
        "{left:?}"
    );
}

#[test]
fn a_failed_run_leaves_the_results_of_the_one_before() {
    let folder = Folder::new();
    let out = folder.path("result");
    let [r1, r2] = folder.reads(3000, 8);
    let (panel, genes) = (demo("panel.bed"), demo("genes.gff3.gz"));
    let run = |r2: &str| {
        theralign(&[
            "run",
            "-x",
            index(),
            "--panel",
            &panel,
            "--genes",
            &genes,
            "--tumor-type",
            "NSCLC",
            "--sample",
            "S",
            "-o",
            &out,
            &r1,
            r2,
        ])
    };
    run(&r2).fine();
    let read = || -> Vec<_> {
        let folder = std::path::Path::new(&out);
        let files = files_under(folder).into_iter();
        files
            .map(|f| (f.clone(), std::fs::read(folder.join(f)).unwrap()))
            .collect()
    };
    let first = read();
    assert!(first.iter().any(|(name, _)| name.ends_with("run.json")));
    let cut = folder.file("cut.fq", &std::fs::read(&r2).unwrap()[..100_000]);
    run(&cut).complains(&["cut.fq"]);
    assert_eq!(read(), first);
    run(&r2).fine();
    assert_eq!(read(), first);
}

#[test]
fn the_demos_reads_are_what_simulate_makes() {
    let folder = Folder::new();
    let (panel, truth, out) = (demo("panel.bed"), demo("truth.vcf"), folder.path("tumor"));
    // As testdata/README.md has it.
    let how = "--depth 300 --read-length 100 --fragment 145 18 --duplicates 0.03 --seed 1";
    let mut args = vec![
        "simulate",
        "-x",
        index(),
        "--panel",
        &panel,
        "--variants",
        &truth,
    ];
    args.extend(how.split(' '));
    args.extend(["-o", &out]);
    theralign(&args).fine();
    for mate in [1, 2] {
        let name = format!("tumor_{mate}.fq.gz");
        assert!(
            inflated(folder.path(&name)) == inflated(demo(&name)),
            "{name} differs"
        );
    }
}

#[test]
fn the_demo_finds_its_truth() {
    let folder = Folder::new();
    let out = folder.path("demo");
    let done = theralign(&["demo", "-o", &out]).fine();
    let said = String::from_utf8(done.stdout).unwrap();
    for part in ["EGFR", "T790M", "report.html"] {
        assert!(said.contains(part), "no {part} in:\n{said}");
    }
}

#[test]
fn bench_needs_no_data_and_tells_what_it_found() {
    let folder = Folder::new();
    let (json, svg) = (folder.path("b.json"), folder.path("b.svg"));
    let args = [
        "bench",
        "--synthetic",
        "150000",
        "--templates",
        "300",
        "--threads",
        "2",
    ];
    let args = [
        &args[..],
        &["--device", "cpu,cpu", "--json", &json, "--svg", &svg],
    ]
    .concat();
    let done = theralign(&args).fine();
    assert!(done.stdout.is_empty());
    assert!(
        done.stderr.contains("all outputs are the same"),
        "{}",
        done.stderr
    );
    let report: serde_json::Value = serde_json::from_slice(&std::fs::read(json).unwrap()).unwrap();
    assert_eq!(
        (&report["reads"], &report["equal"]),
        (&600.into(), &true.into())
    );
    let [first, second] = [0, 1].map(|d| &report["devices"][d]);
    assert_eq!(first["digests"], second["digests"]);
    assert!(first["reads_per_second"]["to_bam"].as_f64().unwrap() > 0.0);
    let svg = std::fs::read_to_string(svg).unwrap();
    assert!(svg.starts_with("<svg") && svg.matches("<rect").count() == 1 + 2 * 3);
}
