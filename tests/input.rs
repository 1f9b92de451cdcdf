//! What a user may hand to the caller: files that do not fit are refused by name; what can be used
//! is used, and said.

mod program;

use noodles::sam::alignment::record::data::field::Tag;
use noodles::sam::alignment::record_buf::data::field::Value;
use noodles::sam::header::record::value::{
    Map,
    map::{ReadGroup, read_group::tag::SAMPLE},
};
use noodles::{bam, sam};
use program::{Done, Folder, demo, index, inflated, theralign};
use sam::alignment::io::Write;

/// A part of the demo's reads, sorted; `group` is the `@RG` line.
fn bam(folder: &Folder, name: &str, every: usize, group: &[&str]) -> String {
    let [r1, r2] = folder.reads(3000, every);
    let bam = folder.path(name);
    let mut args = vec!["align", "-x", index(), &r1, &r2, "-o", &bam];
    args.extend(group);
    theralign(&args).fine();
    bam
}

/// Calls on the demo's panel.
fn call(folder: &Folder, extra: &[&str]) -> Done {
    let (out, panel) = (folder.path("out.vcf.gz"), demo("panel.bed"));
    let mut args = vec!["call", "-x", index(), "-o", &out];
    if !extra.contains(&"--panel") {
        args.extend(["--panel", &panel]);
    }
    args.extend(extra);
    theralign(&args)
}

/// The VCF's lines.
fn lines(folder: &Folder) -> Vec<String> {
    let text = String::from_utf8(inflated(folder.path("out.vcf.gz"))).unwrap();
    text.lines().map(String::from).collect()
}

/// Writes the reads anew: a changed header, and every read through `change`.
fn rewrite(
    from: &str,
    to: &str,
    of_header: impl Fn(&mut sam::Header),
    change: impl Fn(usize, &mut sam::alignment::RecordBuf),
) {
    let mut reader = bam::io::reader::Builder.build_from_path(from).unwrap();
    let mut header = reader.read_header().unwrap();
    let records: Vec<_> = reader.record_bufs(&header).map(Result::unwrap).collect();
    of_header(&mut header);
    let mut writer = bam::io::writer::Builder.build_from_path(to).unwrap();
    writer.write_header(&header).unwrap();
    for (i, mut record) in records.into_iter().enumerate() {
        change(i, &mut record);
        writer.write_alignment_record(&header, &record).unwrap();
    }
    writer.try_finish().unwrap();
}

#[test]
fn of_several_samples_one_must_be_named_and_only_its_reads_count() {
    let folder = Folder::new();
    let one = bam(&folder, "one.bam", 9, &["-R", "@RG\\tID:a\\tSM:Ann"]);
    let both = folder.path("both.bam");
    let second = |header: &mut sam::Header| {
        let mut group = Map::<ReadGroup>::default();
        group.other_fields_mut().insert(SAMPLE, "Bob".into());
        header.read_groups_mut().insert("b".into(), group);
    };
    // Every read of the second half is Bob's.
    let count = |path: &str| {
        let mut reader = bam::io::reader::Builder.build_from_path(path).unwrap();
        reader.read_header().unwrap();
        reader.records().count()
    };
    let half = count(&one) / 2;
    rewrite(&one, &both, second, |i, record| {
        let group = if i < half { "a" } else { "b" };
        record
            .data_mut()
            .insert(Tag::READ_GROUP, Value::from(group));
    });
    call(&folder, &[&both]).complains(&["both.bam", "2 samples", "--sample", "Ann, Bob"]);
    call(&folder, &[&both, "--sample", "Eve"]).complains(&["no sample Eve", "Ann, Bob"]);
    let depth = |sample: &[&str], bam: &str| {
        call(&folder, &[sample, &[bam][..]].concat()).fine();
        let text = String::from_utf8(inflated(folder.path("out.depth.bed.gz"))).unwrap();
        let of_line = |l: &str| {
            let f: Vec<u64> = l.split('\t').skip(1).map(|f| f.parse().unwrap()).collect();
            (f[1] - f[0]) * f[2]
        };
        text.lines().map(of_line).sum::<u64>()
    };
    let (ann, bob) = (
        depth(&["--sample", "Ann"], &both),
        depth(&["--sample", "Bob"], &both),
    );
    assert!(
        lines(&folder)
            .iter()
            .any(|l| l.starts_with("#CHROM") && l.ends_with("\tBob"))
    );
    assert!(ann > 1000 && bob > 1000);
    // A pair whose mates went to both counts twice where they overlap.
    let whole = depth(&[], &one);
    assert!(
        (whole..whole + whole / 20).contains(&(ann + bob)),
        "{ann} {bob} {whole}"
    );
}

#[test]
fn reads_without_a_group_are_named_after_their_file() {
    let folder = Folder::new();
    let named = bam(&folder, "named.bam", 12, &[]);
    let bare = folder.path("bare.bam");
    let without = |header: &mut sam::Header| header.read_groups_mut().clear();
    rewrite(&named, &bare, without, |_, record| {
        record.data_mut().remove(&Tag::READ_GROUP);
    });
    let done = call(&folder, &[&bare]).fine();
    assert!(
        done.stderr
            .contains("no read group names the sample; it is called bare")
    );
    assert!(
        lines(&folder)
            .iter()
            .any(|l| l.starts_with("#CHROM") && l.ends_with("\tbare"))
    );
}

#[test]
fn a_normal_that_is_the_tumor_is_told() {
    let folder = Folder::new();
    let tumor = bam(&folder, "tumor.bam", 9, &["-R", "@RG\\tID:a\\tSM:T"]);
    let same = folder.path("same.bam");
    std::fs::copy(&tumor, &same).unwrap();
    let done = call(&folder, &[&tumor, "--normal", &same]).fine();
    assert!(
        done.stderr
            .contains("warning: the normal sample's reads are the tumor's")
    );
    let passed = lines(&folder)
        .iter()
        .filter(|l| !l.starts_with('#') && l.contains("\tPASS\t"))
        .count();
    assert_eq!(passed, 0);
}

#[test]
fn a_cram_file_is_refused_by_name() {
    let folder = Folder::new();
    let cram = folder.file("x.cram", b"CRAM\x03\x00 and so on");
    call(&folder, &[&cram]).complains(&["x.cram", "CRAM", "samtools view -b"]);
}

#[test]
fn contigs_with_and_without_chr_are_told_apart_by_name() {
    let folder = Folder::new();
    let plain = bam(&folder, "plain.bam", 12, &[]);
    let other = folder.path("other.bam");
    let renamed = |header: &mut sam::Header| {
        let all = std::mem::take(header.reference_sequences_mut());
        let named = all
            .into_iter()
            .map(|(name, map)| (format!("chr{name}").into(), map));
        *header.reference_sequences_mut() = named.collect();
    };
    rewrite(&plain, &other, renamed, |_, _| {});
    call(&folder, &[&other])
        .complains(&["other.bam", "the file calls chr1 what the index calls 1"]);
}

#[test]
fn a_panel_in_any_order_with_overlaps_is_the_panel_merged_and_said() {
    let folder = Folder::new();
    let bam = bam(&folder, "s.bam", 6, &[]);
    let done = call(&folder, &[&bam]).fine();
    assert!(!done.stderr.contains("overlap"));
    let expected = lines(&folder);
    let text = std::fs::read_to_string(demo("panel.bed")).unwrap();
    let mut regions: Vec<&str> = text.lines().rev().collect();
    let (first, last) = (regions[0].to_string(), regions[5].to_string());
    regions.extend([first.as_str(), last.as_str()]);
    let mixed = folder.file("mixed.bed", regions.join("\n"));
    let done = call(&folder, &["--panel", &mixed, &bam]).fine();
    assert!(
        done.stderr
            .contains("mixed.bed: 2 regions overlap the one before")
    );
    let records = |lines: &[String]| -> Vec<String> {
        lines
            .iter()
            .filter(|l| !l.starts_with("##"))
            .cloned()
            .collect()
    };
    assert_eq!(records(&lines(&folder)), records(&expected));
}

#[test]
fn no_reads_and_no_variants_are_a_whole_vcf_without_records() {
    let folder = Folder::new();
    let bam = bam(&folder, "s.bam", 12, &[]);
    let empty = folder.path("empty.bam");
    rewrite(
        &bam,
        &empty,
        |_| {},
        |_, record| {
            *record.flags_mut() |= sam::alignment::record::Flags::QC_FAIL;
        },
    );
    for mode in ["somatic", "germline"] {
        let truth = demo("truth.vcf");
        call(&folder, &["--mode", mode, "--force", &truth, &empty]).fine();
        let lines = lines(&folder);
        let records: Vec<&String> = lines.iter().filter(|l| !l.starts_with('#')).collect();
        assert!(records.iter().all(|l| l.contains("FORCED")), "{mode}");
        let table = std::fs::read_to_string(folder.path("out.loci.tsv")).unwrap();
        let rows: Vec<&str> = table.lines().skip(1).collect();
        assert!(rows.len() > 10);
        assert!(
            rows.iter().all(|r| r.contains("\tnot_assessed\t")),
            "{mode}: {table}"
        );
        call(&folder, &["--mode", mode, &empty]).fine();
        let lines = self::lines(&folder);
        assert!(lines.last().unwrap().starts_with("#CHROM"), "{mode}");
        assert!(std::path::Path::new(&folder.path("out.vcf.gz.tbi")).exists());
    }
}
