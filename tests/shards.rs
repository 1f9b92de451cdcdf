//! Is a panel called in parts, and put together, the panel called in one go? And are parts that do
//! not belong together, or are not all, refused?

mod program;

use program::{Folder, demo, index, inflated, theralign};

/// Reads, sorted.
fn bam(folder: &Folder, reads: &[String; 2]) -> String {
    let bam = folder.path("demo.bam");
    theralign(&["align", "-x", index(), &reads[0], &reads[1], "-o", &bam]).fine();
    bam
}

/// All reads of the demo.
fn reads() -> [String; 2] {
    [1, 2].map(|mate| demo(&format!("tumor_{mate}.fq.gz")))
}

/// Calls one part (`whole` is no part), and gives the VCF's path.
fn call(folder: &Folder, bam: &str, part: &str, extra: &[&str]) -> String {
    let out = folder.path(&format!("{}.vcf.gz", part.replace('/', "of")));
    let (panel, truth) = (demo("panel.bed"), demo("truth.vcf"));
    let mut args = vec!["call", "-x", index(), "--panel", &panel, "--force", &truth];
    args.extend([bam, "-o", &out]);
    args.extend(extra);
    if part != "whole" {
        args.extend(["--shard", part]);
    }
    theralign(&args).fine();
    out
}

/// VCF without its command, depth and loci, of the VCF at `path`.
fn outputs(path: &str) -> [Vec<u8>; 3] {
    let text = String::from_utf8(inflated(path)).unwrap();
    let lines = text
        .lines()
        .filter(|l| !l.starts_with("##theralign_command"));
    let stem = path.strip_suffix(".vcf.gz").unwrap();
    [
        lines.flat_map(|l| [l, "\n"]).collect::<String>().into(),
        std::fs::read(format!("{stem}.depth.bed.gz")).unwrap(),
        std::fs::read(format!("{stem}.loci.tsv")).unwrap(),
    ]
}

#[test]
fn shards_put_together_are_the_whole_to_the_byte() {
    let folder = Folder::new();
    let bam = bam(&folder, &reads());
    let expected = outputs(&call(&folder, &bam, "whole", &["--device", "cpu"]));
    let records = |v: &[u8]| {
        let lines = v.split(|&b| b == b'\n');
        lines.filter(|l| !l.is_empty() && l[0] != b'#').count()
    };
    assert!(records(&expected[0]) > 20);
    for count in [2, 3, 7] {
        let part = |k: usize| {
            let threads = ["--threads", ["1", "3"][k % 2]];
            call(&folder, &bam, &format!("{k}/{count}"), &threads)
        };
        let parts: Vec<String> = (1..=count).rev().map(part).collect();
        let merged = folder.path("merged.vcf.gz");
        let mut args = vec!["merge", "-o", &merged];
        args.extend(parts.iter().map(String::as_str));
        theralign(&args).fine();
        assert!(
            expected == outputs(&merged),
            "{count} shards differ from one"
        );
        let working = parts.iter().filter(|p| records(&inflated(p)) > 0);
        assert!(working.count() > 1, "one shard did all the work");
    }
}

#[test]
fn shards_of_a_gvcf_put_together_are_the_whole_to_the_byte() {
    let folder = Folder::new();
    let bam = bam(&folder, &reads());
    let germline = ["--mode", "germline", "--gvcf", "--device", "cpu"];
    let whole = call(&folder, &bam, "whole", &germline);
    let blocks = |path: &str| {
        let text = String::from_utf8(inflated(path)).unwrap();
        text.lines().filter(|l| l.contains("\tEND=")).count()
    };
    assert!(blocks(&whole) > 20);
    for count in [2, 5] {
        let part = |k: usize| call(&folder, &bam, &format!("{k}/{count}"), &germline);
        let parts: Vec<String> = (1..=count).map(part).collect();
        let merged = folder.path("merged.vcf.gz");
        let mut args = vec!["merge", "-o", &merged];
        args.extend(parts.iter().map(String::as_str));
        theralign(&args).fine();
        assert!(
            outputs(&whole) == outputs(&merged),
            "{count} shards differ from one"
        );
        let working = parts.iter().filter(|p| blocks(p) > 0);
        assert!(working.count() > 1, "one shard has all blocks");
    }
}

#[test]
fn shards_that_are_not_all_or_not_of_one_run_are_refused() {
    let folder = Folder::new();
    let bam = bam(&folder, &reads());
    let one = call(&folder, &bam, "1/2", &[]);
    let two = call(&folder, &bam, "2/2", &[]);
    let three = call(&folder, &bam, "3/3", &[]);
    let whole = call(&folder, &bam, "whole", &[]);
    let out = folder.path("out.vcf.gz");
    let merge = |parts: &[&String]| {
        let mut args = vec!["merge", "-o", &out];
        args.extend(parts.iter().map(|p| p.as_str()));
        theralign(&args)
    };
    merge(&[&two]).complains(&["2of2.vcf.gz", "shard 1/2 is missing"]);
    merge(&[&one]).complains(&["1of2.vcf.gz", "shard 2/2 is missing"]);
    merge(&[&one, &two, &one]).complains(&["shard 1/2 is given twice"]);
    merge(&[&one, &three]).complains(&["3/3 does not go with shard 1/2"]);
    merge(&[&one, &whole]).complains(&["whole.vcf.gz", "no shard"]);
    call(&folder, &bam, "2/2", &["--min-base-quality", "30"]);
    merge(&[&one, &two]).complains(&["2of2.vcf.gz", "min_base_quality=30"]);
    call(&folder, &bam, "2/2", &["--mode", "germline"]);
    merge(&[&one, &two]).complains(&["2of2.vcf.gz", "##theralign_mode=germline"]);
    let fewer = self::bam(&folder, &folder.reads(5000, 1));
    call(&folder, &fewer, "2/2", &[]);
    merge(&[&one, &two]).complains(&["2of2.vcf.gz", "other reads or another panel"]);
    assert!(!folder.names().iter().any(|n| n.starts_with("out")));
    let (page, genes) = (folder.path("page"), demo("genes.gff3.gz"));
    let depth = folder.path("1of2.depth.bed.gz");
    let panel = demo("panel.bed");
    theralign(&[
        "report",
        "-x",
        index(),
        "--genes",
        &genes,
        "--panel",
        &panel,
        "--depth",
        &depth,
        "--tumor-type",
        "NSCLC",
        "-o",
        &page,
        &one,
    ])
    .complains(&["shard 1/2", "theralign merge"]);
}
