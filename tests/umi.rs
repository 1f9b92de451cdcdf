//! `run --umi`: is it the steps one after another, does it find what is rare, and are reads without UMIs
//! refused?

mod program;

use program::{Done, Folder, command, demo, index, inflated, theralign};
use serde_json::Value;
use std::collections::BTreeSet;
use std::path::Path;
use std::sync::OnceLock;

/// Two exons, 270 bases.
const PANEL: &str = "7\t140453064\t140453203\tBRAF_exon15\n12\t25398197\t25398328\tKRAS_exon2\n";
/// A variant of one molecule in 200 in each.
const TRUTH: &str = "##fileformat=VCFv4.4\n#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\n\
    7\t140453136\tV600E\tA\tT\t.\t.\tAF=0.005\n12\t25398285\tG12C\tC\tA\t.\t.\tAF=0.005\n";
/// A consensus that is not the usual one.
const HOW: [&str; 4] = ["--max-edits", "2", "--error-rate-pre", "50"];

/// A library of some 6,000 molecules, four pairs of each, damaged and copied with errors: the panel and the reads.
fn library() -> &'static [String; 3] {
    static LIBRARY: OnceLock<[String; 3]> = OnceLock::new();
    LIBRARY.get_or_init(|| {
        let at = |name: &str| format!("{}/umi{name}", env!("CARGO_TARGET_TMPDIR"));
        let (panel, truth) = (at(".bed"), at(".vcf"));
        std::fs::write(&panel, PANEL).unwrap();
        std::fs::write(&truth, TRUTH).unwrap();
        let args = ["simulate", "-x", index(), "--panel", &panel, "--variants"];
        let how = "--depth 2500 --read-length 100 --fragment 145 18 --umi --family 4 \
                   --pcr-error 2e-6 --damage 0.0005 --seed 5";
        let more = [&truth[..], "-o", &at("")];
        let how: Vec<&str> = how.split_whitespace().collect();
        theralign(&[&args[..], &more[..], &how[..]].concat()).fine();
        [panel, at("_1.fq.gz"), at("_2.fq.gz")]
    })
}

/// `run` of sample S into a folder.
fn run(panel: &str, reads: &[&str], out: &str, more: &[&str]) -> Done {
    let genes = demo("genes.gff3.gz");
    let args = ["run", "-x", index(), "--device", "cpu", "--panel", panel];
    let about = ["--genes", &genes, "--tumor-type", "NSCLC", "--sample", "S"];
    theralign(&[&args[..], &about[..], &["-o", out], reads, more].concat())
}

fn json(path: &str) -> Value {
    serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()
}

/// A BAM, inflated: its header's lines without the command lines, and the rest.
fn bam(path: &str) -> (Vec<String>, Vec<u8>) {
    let bytes = inflated(path);
    let length = u32::from_le_bytes(bytes[4..8].try_into().unwrap()) as usize;
    let text = String::from_utf8(bytes[8..8 + length].to_vec()).unwrap();
    let lines = text.lines().map(|line| {
        let fields = line.split('\t').filter(|f| !f.starts_with("CL:"));
        fields.collect::<Vec<_>>().join("\t")
    });
    (lines.collect(), bytes[8 + length..].to_vec())
}

/// A VCF without its command line.
fn vcf(path: &str) -> String {
    let text = String::from_utf8(inflated(path)).unwrap();
    let lines = text
        .lines()
        .filter(|l| !l.starts_with("##theralign_command="));
    lines.flat_map(|l| [l, "\n"]).collect()
}

/// The limit of detection in the median of the panel, as a VCF's header has it.
fn limit(vcf: &str) -> f64 {
    let at = vcf.find("##theralign_limit=median=").unwrap();
    let text = vcf[at..].split(['=', ',']).nth(2).unwrap();
    text.parse().unwrap()
}

#[test]
fn run_is_the_steps_one_after_another_and_finds_one_molecule_in_200() {
    let [panel, r1, r2] = library();
    let folder = Folder::new();
    let out = folder.path("out");
    run(panel, &[r1, r2, "--umi", "name"], &out, &HOW).fine();

    // Side by side: the same options to each step, the index by the name that `run` gives it.
    let (index_folder, index_name) = index().rsplit_once('/').unwrap();
    let step = |args: &[&str]| {
        let mut command = command(args);
        Done::from(command.current_dir(index_folder).output().unwrap()).fine()
    };
    let (reads, molecules) = (folder.path("S.bam"), folder.path("S.molecules.bam"));
    let (metrics, calls) = (folder.path("m.json"), folder.path("S.vcf.gz"));
    let group = r"@RG\tID:S\tSM:S\tLB:S\tPL:ILLUMINA";
    let align = ["align", "-x", index_name, "--device", "cpu", "-R", group];
    step(&[&align[..], &["--umi", "name", r1, r2, "-o", &reads]].concat());
    let consensus = ["consensus", &reads, "-o", &molecules, "--metrics", &metrics];
    step(&[&consensus[..], &HOW].concat());
    let genes = std::fs::canonicalize(demo("genes.gff3.gz")).unwrap();
    let genes = genes.to_str().unwrap();
    let call = [
        "call", "-x", index_name, "--device", "cpu", "--panel", panel, "--genes", genes,
    ];
    step(&[&call[..], &[&molecules, "-o", &calls]].concat());
    for name in ["S.bam", "S.molecules.bam"] {
        let [a, b] = [&format!("{out}/{name}"), &folder.path(name)].map(|p| bam(p));
        assert_eq!(a.0, b.0, "{name}");
        assert!(a.1 == b.1, "{name}: records differ");
    }
    let called = vcf(&format!("{out}/S.vcf.gz"));
    assert_eq!(called, vcf(&calls));
    let depth = |path: String| std::fs::read(path).unwrap();
    assert!(depth(format!("{out}/S.depth.bed.gz")) == depth(folder.path("S.depth.bed.gz")));
    let tally = json(&format!("{out}/S.molecules.json"));
    assert_eq!(tally, json(&metrics));
    assert!(Path::new(&format!("{out}/S.molecules.bam.bai")).exists());

    // What is rare is found, and nothing else; the same library without consensus claims less.
    let passed: Vec<Vec<&str>> = called
        .lines()
        .filter(|l| !l.starts_with('#'))
        .map(|l| l.split('\t').collect())
        .filter(|f: &Vec<&str>| f[6] == "PASS")
        .collect();
    let places: Vec<[&str; 4]> = passed.iter().map(|f| [f[0], f[1], f[3], f[4]]).collect();
    let truth = [["7", "140453136", "A", "T"], ["12", "25398285", "C", "A"]];
    assert_eq!(places, truth);
    let raw = folder.path("raw.vcf.gz");
    step(&[&call[..], &[&reads, "-o", &raw]].concat());
    let [with, without] = [limit(&called), limit(&vcf(&raw))];
    assert!(
        with < without,
        "{with} on consensus reads, {without} on reads"
    );
    assert!(with <= 0.005, "{with}");

    tells_of_the_consensus(&out, &called, &tally);
}

/// VCF, report, manifest and `qc.json` name the consensus, and which BAM their figures are of.
fn tells_of_the_consensus(out: &str, called: &str, tally: &Value) {
    let line = called
        .lines()
        .find_map(|l| l.strip_prefix("##theralign_consensus="))
        .unwrap();
    assert!(
        line.starts_with("grouping=auto;max_edits=2;min_reads=1,1,0;")
            && line.contains(";error_rate_pre=50;"),
        "{line}"
    );
    let manifest = json(&format!("{out}/run.json"));
    assert_eq!(manifest["parameters"]["consensus"], line);
    assert_eq!(manifest["molecules"]["written"], tally["molecules"]);
    assert_eq!(json(&format!("{out}/report.json"))["consensus"], line);
    let page = std::fs::read_to_string(format!("{out}/report.html")).unwrap();
    assert!(page.contains(line) && page.contains("Of S.molecules.bam: molecules, depth, "));

    let qc = json(&format!("{out}/qc.json"));
    let sources = qc["sources"].as_object().unwrap();
    let names: Vec<&String> = sources.keys().collect();
    assert_eq!(names, ["S.bam", "S.molecules.bam"]);
    let figures = sources.values().flat_map(|f| f.as_array().unwrap());
    let told: BTreeSet<&str> = figures.map(|f| f.as_str().unwrap()).collect();
    let about = [
        "schema",
        "program",
        "sample",
        "reference",
        "filters",
        "sources",
    ];
    let keys = qc.as_object().unwrap().keys().map(String::as_str);
    let keys: BTreeSet<&str> = keys.filter(|k| !about.contains(k)).collect();
    assert_eq!(told, keys);
    let of = |v: &Value| v.as_f64().unwrap();
    let (pairs, made) = (of(&tally["templates"]), of(&tally["molecules"]));
    assert!(made > 5000.0 && pairs > 3.0 * made);
    let mapped = qc["reads"]["mapped"].as_u64();
    assert_eq!(mapped, tally["templates"].as_u64().map(|n| 2 * n));
    assert!(of(&qc["shares"]["duplicates"]) > 0.6);
    assert!((of(&qc["molecules"]["copies"]) - 4.0).abs() < 0.3);
    // A molecule covers a base once.
    let mean = of(&qc["depth"]["mean"]);
    assert!((2400.0..2600.0).contains(&mean), "{mean}");
    let [reads, molecules] = [&qc["errors"]["rate"], &qc["molecules"]["error_rate"]].map(of);
    assert!(
        molecules < 0.7 * reads,
        "{molecules} of molecules, {reads} of reads"
    );
}

/// The first pairs of the library as plain FASTQ, with the UMI where it is put.
fn moved(folder: &Folder, place: impl Fn(&str, &str) -> String) -> [String; 2] {
    let [_, r1, r2] = library();
    [r1, r2].map(|path| {
        let text = String::from_utf8(inflated(path)).unwrap();
        let renamed = text.lines().take(4 * 3000).enumerate().map(|(i, line)| {
            if i % 4 > 0 {
                return line.to_string() + "\n";
            }
            let name = line.strip_suffix("/1").or(line.strip_suffix("/2"));
            let (name, umi) = name.unwrap_or(line).rsplit_once(':').unwrap();
            place(name, umi) + "\n"
        });
        let name = path.rsplit_once('/').unwrap().1.replace(".gz", "");
        folder.file(&name, renamed.collect::<String>())
    })
}

#[test]
fn umis_are_taken_from_names_comments_and_tags() {
    let panel = &library()[0];
    let folder = Folder::new();
    let out = folder.path("out");
    let made = |reads: &[String; 2], how: &[&str]| {
        run(panel, &[&reads[0], &reads[1]], &out, how).fine();
        let calls = vcf(&format!("{out}/S.vcf.gz"));
        (json(&format!("{out}/S.molecules.json")), calls)
    };
    let named = moved(&folder, |name, umi| format!("{name}:{umi}"));
    let of_names = made(&named, &["--umi", "name"]);
    assert!(of_names.0["molecules"].as_u64() > Some(500));
    let commented = moved(&folder, |name, umi| format!("{name} 1:N:0:{umi} {umi}"));
    assert_eq!(made(&commented, &["--umi", "comment"]), of_names);
    let tagged = moved(&folder, |name, umi| {
        format!("{name} RX:Z:{}", umi.replace('+', "-"))
    });
    assert_eq!(made(&tagged, &["-C", "--umi"]), of_names);
}

#[test]
fn a_consensus_that_cannot_be_made_is_refused_before_reads_are_aligned() {
    let panel = &library()[0];
    let folder = Folder::new();
    let out = folder.path("out");
    let reads = moved(&folder, |name, _| name.to_string());
    let before = folder.names();
    let refused = |more: &[&str], parts: &[&str]| {
        let done = run(panel, &[&reads[0], &reads[1]], &out, more);
        done.complains(parts);
        assert!(!done.stderr.contains("insert size"), "{}", done.stderr);
        assert_eq!(folder.names(), before);
    };
    refused(
        &["--umi"],
        &[
            "umi_1.fq: none of its first 2,048 templates has a UMI",
            "--umi name",
        ],
    );
    refused(&["--umi", "name"], &["umi_1.fq, record 1: no UMI", ":ACGT"]);
    refused(&["--umi", "comment"], &["umi_1.fq, record 1: no UMI"]);
    refused(&["--umi", "--min-reads", "1,2"], &["out of order"]);
    refused(&["--simplex"], &["no --umi"]);
    refused(&["--max-edits", "2"], &["no --umi"]);
    let remove = ["--umi", "name", "--duplicates", "remove"];
    refused(&remove, &["--duplicates remove", "leave out"]);
}
