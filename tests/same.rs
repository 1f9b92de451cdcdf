//! Same bytes out? BAM, VCF, figures and report of the demo must not depend on device, threads or batches. Only the header
//! lines that record the command and the device may differ.

mod program;

use program::{Folder, command, demo, index, inflated};
use std::io::Write;

/// A way to run the demo's data: extra options, and environment.
#[derive(Clone, Copy, Debug)]
struct Way {
    options: &'static [&'static str],
    environment: &'static [(&'static str, &'static str)],
}

const fn way(options: &'static [&'static str]) -> Way {
    Way {
        options,
        environment: &[],
    }
}

/// Runs everything, and gives each output that must be the same, by name.
fn outputs(way: Way) -> (Vec<(String, Vec<u8>)>, String) {
    let folder = Folder::new();
    let out = folder.path("out");
    let reads = [1, 2].map(|mate| demo(&format!("tumor_{mate}.fq.gz")));
    let (panel, genes) = (demo("panel.bed"), demo("genes.gff3.gz"));
    let args = [
        &["run", "-x", index(), "--panel", &panel, "--genes", &genes][..],
        &["--tumor-type", "NSCLC", "--sample", "S", "-o", &out],
        way.options,
        &[&reads[0], &reads[1]],
    ]
    .concat();
    let run = command(&args)
        .envs(way.environment.iter().copied())
        .output();
    let done = program::Done::from(run.unwrap()).fine();
    let text = |name: &str| std::fs::read(folder.path(&format!("out/{name}"))).unwrap();
    let kept = [
        (
            "S.bam",
            bam_without_command(&inflated(folder.path("out/S.bam"))),
        ),
        (
            "S.vcf.gz",
            without_command(&inflated(folder.path("out/S.vcf.gz"))),
        ),
        (
            "S.depth.bed.gz",
            inflated(folder.path("out/S.depth.bed.gz")),
        ),
        ("loci.tsv", without_command(&text("loci.tsv"))),
        ("qc.json", text("qc.json")),
        ("report.json", without_audit(&text("report.json"))),
    ];
    let kept = kept.into_iter().map(|(n, b)| (n.to_string(), b));
    (kept.collect(), done.stderr)
}

/// Leaves out the header lines that record the command and the device.
fn without_command(text: &[u8]) -> Vec<u8> {
    let lines = text.split_inclusive(|&b| b == b'\n');
    lines
        .filter(|l| {
            let l = String::from_utf8_lossy(l);
            !(l.starts_with("@PG")
                || l.starts_with("##theralign_command")
                || l.starts_with("##theralign_device"))
        })
        .flatten()
        .copied()
        .collect()
}

/// The same for the report.
fn without_audit(json: &[u8]) -> Vec<u8> {
    let audit: [&[u8]; 2] = [b"    \"command\": ", b"    \"device\": "];
    let lines = json.split_inclusive(|&b| b == b'\n');
    let kept = lines.filter(|l| !audit.iter().any(|a| l.starts_with(a)));
    kept.flatten().copied().collect()
}

/// The same for a BAM, whose header is text behind magic and length (SAM 1.6 §4.2).
fn bam_without_command(bam: &[u8]) -> Vec<u8> {
    assert_eq!(&bam[..4], b"BAM\x01");
    let length = u32::from_le_bytes(bam[4..8].try_into().unwrap()) as usize;
    let mut out = without_command(&bam[8..8 + length]);
    assert!(out.starts_with(b"@HD"));
    out.extend(&bam[8 + length..]);
    out
}

/// Compares the outputs of two ways and says where they part.
fn assert_same(way: Way, expected: &[(String, Vec<u8>)], found: &[(String, Vec<u8>)]) {
    for ((name, a), (_, b)) in expected.iter().zip(found) {
        if let Some(at) = a.iter().zip(b).position(|(x, y)| x != y) {
            let around = |t: &[u8]| {
                String::from_utf8_lossy(&t[at.saturating_sub(60)..(at + 60).min(t.len())])
                    .into_owned()
            };
            panic!(
                "{way:?}: {name} differs at byte {at}:\n{}\n{}",
                around(a),
                around(b)
            );
        }
        assert_eq!(a.len(), b.len(), "{way:?}: {name} has another length");
    }
}

#[test]
fn threads_batches_and_devices_do_not_change_a_byte() {
    let (expected, _) = outputs(way(&["--device", "cpu", "--threads", "2"]));
    assert!(expected.iter().all(|(_, bytes)| bytes.len() > 500));
    let mut ways = vec![
        way(&["--device", "cpu", "--threads", "1"]),
        way(&["--device", "cpu", "--threads", "7", "--batch", "777"]),
    ];
    let gpu = theralign::device::adapter::list();
    if gpu.is_empty() {
        assert!(
            std::env::var_os("REQUIRE_GPU").is_none(),
            "REQUIRE_GPU is set, and no adapter answers"
        );
        // The test runner hides what eprintln! says in a passing test.
        let _ = std::io::stderr().write_all(b"SKIPPED: no adapter answers\n");
    } else {
        ways.push(way(&["--device", "gpu", "--threads", "2"]));
        ways.push(way(&["--device", "gpu", "--max-binding", "1M"]));
        ways.push(way(&["--device", "gpu+cpu", "--threads", "2"]));
        ways.push(way(&["--device", "gpu+gpu", "--threads", "3"]));
        for fault in ["lost@9", "refused@40", "hung@20", "memory@3", "wrong@0"] {
            ways.push(Way {
                options: &["--device", "gpu", "--threads", "7", "--batch", "777"],
                environment: match fault {
                    "lost@9" => &[("THERALIGN_FAULT", "lost@9")],
                    "refused@40" => &[("THERALIGN_FAULT", "refused@40")],
                    "hung@20" => &[("THERALIGN_FAULT", "hung@20")],
                    "memory@3" => &[("THERALIGN_FAULT", "memory@3")],
                    _ => &[("THERALIGN_FAULT", "wrong@0")],
                },
            });
        }
    }
    for way in ways {
        let (found, talk) = outputs(way);
        assert_same(way, &expected, &found);
        // The GPU must have been in use, and its loss must be told.
        if way.options.iter().any(|o| o.starts_with("gpu")) {
            assert!(
                talk.contains("aligning on") && !talk.contains("aligning on CPU"),
                "{talk}"
            );
        }
        if !way.environment.is_empty() {
            assert_eq!(talk.matches("warning:").count(), 1, "{talk}");
            assert!(talk.contains("going on with"), "{talk}");
        }
    }
}
