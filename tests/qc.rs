//! `qc`, from the outside: depth against hand-made reads, and what simulated samples are known to be.

mod program;

use noodles::{bam, sam};
use program::{Done, Folder, demo, index, inflated, theralign};
use serde_json::Value;

/// A reference of one contig of 400 bases, `c`, and its index.
fn small(folder: &Folder) -> (String, String) {
    let mut state = 5u32;
    let letter = |_| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        char::from(b"ACGT"[(state >> 30) as usize])
    };
    let bases: String = (0..400).map(letter).collect();
    let fasta = folder.file("c.fa", format!(">c\n{bases}\n"));
    let index = folder.path("c.tidx");
    theralign(&["index", &fasta, "-o", &index]).fine();
    (bases, index)
}

/// A BAM of SAM lines; the header says that they are sorted.
fn bam(folder: &Folder, name: &str, lines: &[String]) -> String {
    let text = format!(
        "@HD\tVN:1.6\tSO:coordinate\n@SQ\tSN:c\tLN:400\n@RG\tID:g\tSM:hand\n{}",
        lines.iter().map(|l| l.clone() + "\n").collect::<String>()
    );
    let mut reader = sam::io::Reader::new(text.as_bytes());
    let header = reader.read_header().unwrap();
    let path = folder.path(name);
    let mut writer = bam::io::Writer::new(std::fs::File::create(&path).unwrap());
    writer.write_header(&header).unwrap();
    for record in reader.record_bufs(&header) {
        use sam::alignment::io::Write;
        writer
            .write_alignment_record(&header, &record.unwrap())
            .unwrap();
    }
    writer.try_finish().unwrap();
    path
}

/// One line: name, flags, position from 1, MAPQ, CIGAR, mate's position (0: no mate), bases.
fn line(
    name: &str,
    flags: u16,
    pos: usize,
    mapq: u8,
    cigar: &str,
    mate: usize,
    bases: &str,
) -> String {
    let next = if mate == 0 {
        "*\t0"
    } else {
        &format!("=\t{mate}")
    };
    let quals = "F".repeat(bases.len());
    format!("{name}\t{flags}\tc\t{pos}\t{mapq}\t{cigar}\t{next}\t0\t{bases}\t{quals}\tRG:Z:g")
}

fn qc(index: &str, panel: &str, bam: &str, out: &str, more: &[&str]) -> Done {
    let args = ["qc", "-x", index, "--panel", panel, bam, "-o", out];
    theralign(&[&args[..], more].concat())
}

fn json(path: &str) -> Value {
    serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()
}

fn text(path: &str) -> String {
    String::from_utf8(inflated(path)).unwrap()
}

#[test]
fn a_fragment_counts_once_and_only_where_it_is_usable() {
    let folder = Folder::new();
    let (bases, index) = small(&folder);
    let at = |from: usize, n: usize| &bases[from - 1..from - 1 + n];
    let gapped = format!("{}{}", at(41, 5), at(51, 5));
    let reads = [
        line("pair", 99, 11, 60, "20M", 21, at(11, 20)),
        line("pair", 147, 21, 60, "20M", 11, at(21, 20)),
        line("copy", 1024, 21, 60, "20M", 0, at(21, 20)),
        line("unsure", 0, 25, 19, "20M", 0, at(25, 20)),
        line("gap", 0, 41, 60, "5M5D5M", 0, &gapped),
        line("again", 256, 41, 60, "5M5D5M", 0, &gapped),
        line("far", 0, 301, 60, "20M", 0, at(301, 20)),
    ];
    let bam = bam(&folder, "hand.bam", &reads);
    let panel = folder.file("p.bed", "c\t15\t35\tfirst\nc\t40\t60\tsecond\n");
    let out = folder.path("o");
    let said = qc(&index, &panel, &bam, &out, &["--per-base"])
        .fine()
        .stderr;
    assert!(
        said.contains("contamination: not assessed: no common sites"),
        "{said}"
    );
    let per_base = text(&format!("{out}.per-base.bed.gz"));
    assert_eq!(
        per_base,
        "c\t15\t35\t1\nc\t40\t45\t1\nc\t45\t50\t0\nc\t50\t55\t1\nc\t55\t60\t0\n"
    );
    assert_eq!(
        text(&format!("{out}.regions.bed.gz")),
        "c\t15\t35\tfirst\t1.00\nc\t40\t60\tsecond\t0.50\n"
    );
    let thresholds = text(&format!("{out}.thresholds.bed.gz"));
    assert!(thresholds.ends_with("c\t15\t35\tfirst\t20\t0\t0\t0\t0\t0\t0\t0\nc\t40\t60\tsecond\t10\t0\t0\t0\t0\t0\t0\t0\n"), "{thresholds}");
    let q = json(&format!("{out}.qc.json"));
    assert_eq!(
        (q["schema"].as_str(), q["sample"].as_str()),
        (Some("theralign-qc/2"), Some("hand"))
    );
    for (figure, n) in [
        ("total", 6),
        ("mapped", 6),
        ("duplicates", 1),
        ("on_target", 5),
        ("mapq_30", 5),
    ] {
        assert_eq!(q["reads"][figure], n, "{figure}");
    }
    assert_eq!(q["depth"]["mean"], 0.75);
    for figure in [
        "errors",
        "contamination",
        "sex",
        "identity",
        "insert_size",
        "same_person",
    ] {
        let reason = q[figure]["not_assessed"].as_str();
        assert!(
            reason.is_some_and(|r| !r.is_empty()),
            "{figure}: {}",
            q[figure]
        );
    }
    assert!(q["depth"]["fold_80"]["not_assessed"].is_string());
    // A comparison that was asked for and cannot be made is said, not passed over.
    let (first, second) = (format!("{out}.qc.json"), folder.path("second"));
    let said = qc(&index, &panel, &bam, &second, &["--compare", &first])
        .fine()
        .stderr;
    assert!(
        said.contains("identity: not assessed: no built-in site lies near"),
        "{said}"
    );
    let unmarked = bam_without_duplicate(&folder, &reads);
    qc(&index, &panel, &unmarked, &out, &[]).fine();
    let q = json(&format!("{out}.qc.json"));
    assert!(q["shares"]["duplicates"]["not_assessed"].is_string());
}

fn bam_without_duplicate(folder: &Folder, reads: &[String]) -> String {
    let kept: Vec<String> = reads
        .iter()
        .filter(|r| !r.starts_with("copy"))
        .cloned()
        .collect();
    bam(folder, "unmarked.bam", &kept)
}

#[test]
fn what_cannot_be_read_is_named_with_a_remedy() {
    let folder = Folder::new();
    let (bases, index) = small(&folder);
    let panel = folder.file("p.bed", "c\t15\t35\n");
    let read = |pos: usize| line("r", 0, pos, 60, "20M", 0, &bases[pos - 1..pos + 19]);
    let unsorted = bam(&folder, "unsorted.bam", &[read(11), read(31), read(21)]);
    let out = folder.path("o");
    qc(&index, &panel, &unsorted, &out, &[]).complains(&[
        "unsorted.bam",
        "record 3",
        "samtools sort",
    ]);
    let sorted = bam(&folder, "sorted.bam", &[read(11)]);
    let empty = bam(&folder, "empty.bam", &[]);
    let said = qc(&index, &panel, &empty, &folder.path("e"), &[])
        .fine()
        .stderr;
    assert!(
        said.contains("warning: no read lies in the panel"),
        "{said}"
    );
    let other = folder.file("other.json", "{\"schema\":\"theralign-qc/1\"}");
    qc(&index, &panel, &sorted, &out, &["--compare", &other])
        .complains(&["other.json", "theralign-qc/2"]);
    let whole = std::fs::read(&sorted).unwrap();
    let cut = folder.file("cut.bam", &whole[..whole.len() - 10]);
    qc(&index, &panel, &cut, &out, &[]).complains(&["cut.bam", "cut short"]);
    let missing = folder.path("no/o");
    qc(&index, &panel, &sorted, &missing, &[])
        .complains(&["no/o", "the folder of an output must exist"]);
    assert!(folder.names().iter().all(|n| !n.starts_with("o.")));
}

/// Simulates the demo's panel and aligns the reads.
fn sample(folder: &Folder, name: &str, variants: &str, more: &[&str]) -> String {
    let (panel, out) = (demo("panel.bed"), folder.path(name));
    let args = [
        "simulate",
        "-x",
        index(),
        "--panel",
        &panel,
        "--variants",
        variants,
        "-o",
        &out,
    ];
    theralign(&[&args[..], more].concat()).fine();
    let [r1, r2] = [1, 2].map(|m| format!("{out}_{m}.fq.gz"));
    let bam = out + ".bam";
    theralign(&[
        "align",
        "-x",
        index(),
        "--device",
        "cpu",
        &r1,
        &r2,
        "-o",
        &bam,
    ])
    .fine();
    bam
}

#[test]
fn a_foreign_share_is_found_and_said() {
    let folder = Folder::new();
    let panel = std::fs::read_to_string(demo("panel.bed")).unwrap();
    // Two places in each wide target, where 2 % of the molecules have what 40 % of people have: 5 % are foreign.
    let (mut spikes, mut sites) = (
        String::from("##fileformat=VCFv4.2\n"),
        String::from("##fileformat=VCFv4.2\n"),
    );
    let fasta = String::from_utf8(inflated(demo("reference.fa.gz"))).unwrap();
    let records: Vec<(&str, usize, String)> = (fasta.split('>').skip(1))
        .map(|r| {
            let (head, bases) = r.split_once('\n').unwrap();
            let (contig, span) = head.split_once(':').unwrap();
            (
                contig,
                span.split('-').next().unwrap().parse().unwrap(),
                bases.replace('\n', ""),
            )
        })
        .collect();
    let mut n = 0;
    for target in panel.lines().map(|l| l.split('\t').collect::<Vec<_>>()) {
        let [start, end] = [1, 2].map(|c| target[c].parse::<usize>().unwrap());
        if end - start < 120 {
            continue;
        }
        for pos in [start + 30, end - 30] {
            let inside = |r: &&(&str, usize, String)| {
                r.0 == target[0] && (r.1..r.1 + r.2.len()).contains(&pos)
            };
            let (_, first, bases) = records.iter().find(inside).unwrap();
            let from = &bases[pos - first..=pos - first];
            let to = if from == "A" { "G" } else { "A" };
            let record = |fraction| {
                format!(
                    "{}\t{pos}\ts{n}\t{from}\t{to}\t.\t.\tAF={fraction}\n",
                    target[0]
                )
            };
            spikes += &record("0.02");
            sites += &record("0.4");
            n += 1;
        }
    }
    assert!(n > 40);
    let (spikes, sites) = (
        folder.file("foreign.vcf", spikes),
        folder.file("sites.vcf", sites),
    );
    let bam = sample(
        &folder,
        "mixed",
        &spikes,
        &["--depth", "400", "--seed", "4"],
    );
    let out = folder.path("mixed");
    let said = qc(
        index(),
        &demo("panel.bed"),
        &bam,
        &out,
        &["--sites", &sites],
    )
    .fine()
    .stderr;
    let found = json(&format!("{out}.qc.json"))["contamination"].clone();
    let figure = |key: &str| found[key].as_f64().unwrap();
    assert!(figure("low") < 0.05 && 0.05 < figure("high"), "{found}");
    assert!((0.04..0.06).contains(&figure("share")), "{found}");
    assert_eq!(found["sites"], n);
    assert!(
        said.contains(&format!("contamination: {:.2} %", 100.0 * figure("share"))),
        "{said}"
    );
}

#[test]
fn damage_and_identity_show_whatever_the_threads() {
    let folder = Folder::new();
    let truth = demo("truth.vcf");
    let bam = sample(
        &folder,
        "a",
        &truth,
        &["--depth", "150", "--damage", "0.004"],
    );
    let panel = demo("panel.bed");
    let [one, three] = ["1", "3"].map(|threads| {
        let out = folder.path(&format!("t{threads}"));
        qc(index(), &panel, &bam, &out, &["--threads", threads]).fine();
        out
    });
    let ends = [
        ".errors_mqc.json",
        ".mosdepth.region.dist.txt",
        ".mosdepth.summary.txt",
        ".qc.json",
        ".qc_mqc.json",
        ".regions.bed.gz",
        ".regions.bed.gz.tbi",
        ".thresholds.bed.gz",
        ".thresholds.bed.gz.tbi",
    ];
    for end in ends {
        let [a, b] = [&one, &three].map(|out| std::fs::read(format!("{out}{end}")).unwrap());
        assert!(a == b, "{end} differs");
    }
    let q = json(&format!("{one}.qc.json"));
    let rate = |mate: usize, change: &str| q["errors"]["by_change"][mate][change].as_f64().unwrap();
    // A quarter of the bases are C, and 4 in 1,000 of these are damaged.
    for (mate, change, opposite) in [(0, "C>T", "G>A"), (1, "G>A", "C>T")] {
        assert!(
            (600.0..1400.0).contains(&rate(mate, change)),
            "{}",
            rate(mate, change)
        );
        assert!(rate(mate, opposite) < 150.0, "{}", rate(mate, opposite));
    }
    let row = &json(&format!("{one}.qc_mqc.json"))["data"]["a"];
    assert_eq!(row["mean_depth"], q["depth"]["mean"]);
    assert!(row.get("contamination").is_none());
    // The same person again, then the same reads.
    let again = sample(&folder, "b", &truth, &["--depth", "150", "--seed", "2"]);
    let first = format!("{one}.qc.json");
    for (bam, verdict, warns) in [(&again, "same_person", false), (&bam, "same_reads", true)] {
        let out = folder.path(verdict);
        let said = qc(index(), &panel, bam, &out, &["--compare", &first])
            .fine()
            .stderr;
        assert_eq!(
            json(&format!("{out}.qc.json"))["same_person"]["verdict"],
            verdict
        );
        assert_eq!(
            said.contains("warning: tumor and normal are the same reads"),
            warns,
            "{said}"
        );
    }
}

#[test]
fn run_tells_what_qc_tells() {
    let folder = Folder::new();
    let [r1, r2] = folder.reads(3000, 8);
    let (panel, genes, out) = (demo("panel.bed"), demo("genes.gff3.gz"), folder.path("out"));
    let args = [
        "run",
        "-x",
        index(),
        "--device",
        "cpu",
        "--panel",
        &panel,
        "--genes",
        &genes,
    ];
    let more = [
        "--tumor-type",
        "NSCLC",
        "--sample",
        "S",
        "-o",
        &out,
        &r1,
        &r2,
    ];
    theralign(&[&args[..], &more].concat()).fine();
    let alone = folder.path("alone");
    let bam = format!("{out}/S.bam");
    qc(index(), &panel, &bam, &alone, &["--genes", &genes]).fine();
    let [mut a, mut b] = [
        json(&format!("{out}/qc.json")),
        json(&format!("{alone}.qc.json")),
    ];
    assert!(
        a["duplicates"].take().is_array() && b["duplicates"].take()["not_assessed"].is_string()
    );
    assert_eq!(a, b);
    for end in [".regions.bed.gz", ".mosdepth.summary.txt", ".qc_mqc.json"] {
        let [a, b] =
            [format!("{out}/S{end}"), format!("{alone}{end}")].map(|p| std::fs::read(p).unwrap());
        assert!(a == b, "{end} differs");
    }
    let exons = std::fs::read_to_string(format!("{alone}.exons.tsv")).unwrap();
    let columns = exons.lines().next().unwrap().split('\t').count();
    assert!(exons.lines().all(|l| l.split('\t').count() == columns));
    // DPYD's first exon is no target: no depth is told, not a depth of 0.
    let first = exons.lines().find(|l| l.contains("\tDPYD\t")).unwrap();
    assert!(first.contains("\t0\t.\t."), "{first}");
}
