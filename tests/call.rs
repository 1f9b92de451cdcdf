//! `call`, from a BAM made here to its VCF: the right records, the same bytes however it is run, and
//! a refusal of what it cannot use.

mod common;

use common::Random;
use noodles::core::Position;
use noodles::sam::alignment::io::Write as _;
use noodles::sam::alignment::record::Flags;
use noodles::sam::alignment::record::MappingQuality;
use noodles::sam::alignment::record::cigar::Op;
use noodles::sam::alignment::record::cigar::op::Kind;
use noodles::sam::alignment::record_buf::{Cigar, QualityScores, RecordBuf, Sequence};
use noodles::{bam, sam};
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use theralign::Result;
use theralign::backend::Device;
use theralign::call::ploidy::Sex;
use theralign::call::{self, CallOptions, CallSummary, Mode, normals};
use theralign::genome::{BuildOptions, Reference, build};

/// Position from 0, reference, alternate, copies in a hundred; beyond a hundred, the reads that fewer leave.
type Planted = (usize, &'static [u8], &'static [u8], u32);

/// A folder with a reference of 8,000 bases, a panel, and `reads.bam`.
struct Case {
    folder: tempfile::TempDir,
    contig: &'static str,
    bases: Vec<u8>,
    reference: Reference,
}

impl Case {
    fn new() -> Case {
        Case::of("one")
    }

    /// With a contig of this name.
    fn of(contig: &'static str) -> Case {
        let folder = tempfile::tempdir().unwrap();
        let mut bases = Random(5).bases(8000, false);
        bases[3000..3012].copy_from_slice(b"GACACACACATC"); // (AC)4 behind a G
        let fasta = folder.path().join("r.fa");
        let mut f = std::fs::File::create(&fasta).unwrap();
        writeln!(f, ">{contig}\n{}", std::str::from_utf8(&bases).unwrap()).unwrap();
        let reference = build(&fasta, BuildOptions::default()).unwrap();
        let case = Case {
            folder,
            contig,
            bases,
            reference,
        };
        std::fs::write(case.path("panel.bed"), format!("{contig}\t1000\t5000\n")).unwrap();
        case
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Single reads of 120 bases, one in two reverse, `depth` deep. A read carries all or none of
    /// the variants of its `copies` class.
    fn write_bam(&self, name: &str, depth: u32, planted: &[Planted], length: usize, order: &str) {
        let contig = self.contig;
        let sample = name.trim_end_matches(".bam");
        let text = format!(
            "@HD\tVN:1.6\tSO:{order}\n@SQ\tSN:{contig}\tLN:{length}\n@RG\tID:a\tSM:{sample}\n"
        );
        let header: sam::Header = text.parse().unwrap();
        let mut out = bam::io::Writer::new(std::fs::File::create(self.path(name)).unwrap());
        out.write_header(&header).unwrap();
        let mut random = Random(9);
        let reads = depth * 4400 / 120;
        let mut records = Vec::new();
        for i in 0..reads {
            let start = 800 + (i * 4400 / reads) as usize;
            let share = random.below(100);
            let carried: Vec<&Planted> = planted
                .iter()
                .filter(|v| {
                    if v.3 > 100 {
                        share >= v.3 - 100
                    } else {
                        share < v.3
                    }
                })
                .collect();
            let (start, bases, cigar) = spell(&self.bases, start, &carried);
            let reverse = if random.one_in(2) {
                Flags::REVERSE_COMPLEMENTED
            } else {
                Flags::empty()
            };
            let bases = bases
                .into_iter()
                .map(|b| {
                    if random.one_in(3000) {
                        b"ACGT"[random.below(4) as usize]
                    } else {
                        b
                    }
                })
                .collect::<Vec<u8>>();
            let record = RecordBuf::builder()
                .set_name(format!("r{i}"))
                .set_flags(reverse)
                .set_reference_sequence_id(0)
                .set_alignment_start(Position::new(start + 1).unwrap())
                .set_mapping_quality(MappingQuality::new(60).unwrap())
                .set_cigar(cigar)
                .set_quality_scores(QualityScores::from(vec![37; bases.len()]))
                .set_sequence(Sequence::from(bases))
                .build();
            records.push((start, record));
        }
        records.sort_by_key(|r| r.0);
        for (_, record) in &records {
            out.write_alignment_record(&header, record).unwrap();
        }
        out.try_finish().unwrap();
    }

    fn options(&self, mode: Mode, output: &str) -> CallOptions {
        CallOptions {
            command: "test".into(),
            ..CallOptions::new(
                self.path("panel.bed"),
                self.path("reads.bam"),
                mode,
                self.path(output),
            )
        }
    }

    fn call(&self, options: &CallOptions) -> Result<CallSummary> {
        call::run(&self.reference, &Device::cpu(), options)
    }
}

/// Up to 120 bases of the reference from `start` with these variants in place, and how they align. A
/// read that would end soon behind an indel ends in front of it.
fn spell(reference: &[u8], mut start: usize, carried: &[&Planted]) -> (usize, Vec<u8>, Cigar) {
    let (mut bases, mut ops) = (Vec::new(), Vec::new());
    while carried
        .iter()
        .any(|v| (v.0..v.0 + v.1.len()).contains(&start))
    {
        start += 1;
    }
    let mut at = start;
    while bases.len() < 120 {
        match carried.iter().find(|v| v.0 == at) {
            Some((_, r, a, _)) if r.len() == a.len() => {
                bases.extend_from_slice(a);
                ops.extend(vec![Kind::Match; a.len()]);
                at += r.len();
            }
            Some(_) if bases.len() > 90 => break,
            Some((_, r, a, _)) => {
                bases.extend_from_slice(a);
                ops.push(Kind::Match);
                ops.extend(vec![Kind::Insertion; a.len() - 1]);
                ops.extend(vec![Kind::Deletion; r.len() - 1]);
                at += r.len();
            }
            None => {
                bases.push(reference[at]);
                ops.push(Kind::Match);
                at += 1;
            }
        }
    }
    let cigar = ops
        .chunk_by(|a, b| a == b)
        .map(|run| Op::new(run[0], run.len()))
        .collect();
    (start, bases, cigar)
}

fn inflate(path: &Path) -> String {
    let mut text = String::new();
    let file = std::fs::File::open(path).unwrap();
    flate2::read::MultiGzDecoder::new(file)
        .read_to_string(&mut text)
        .unwrap();
    text
}

/// Position, REF, ALT, FILTER, GT of each record.
fn records(path: &Path) -> Vec<(usize, String, String, String, String)> {
    let text = inflate(path);
    let lines = text.lines().filter(|l| !l.starts_with('#'));
    lines
        .map(|l| {
            let c: Vec<&str> = l.split('\t').collect();
            let genotype = c[9].split(':').next().unwrap();
            let own = |i: usize| c[i].to_string();
            (
                c[1].parse().unwrap(),
                own(3),
                own(4),
                own(6),
                genotype.into(),
            )
        })
        .collect()
}

/// Another base than the reference's.
fn other(base: u8) -> &'static [u8] {
    match base {
        b'A' => b"C",
        b'C' => b"G",
        b'G' => b"T",
        _ => b"A",
    }
}

fn leak(bases: &[u8]) -> &'static [u8] {
    bases.to_vec().leak()
}

/// An SNV of 50 %, an MNV of 10 %, a 6-base insertion and a deletion that is not left-aligned, of 20 %.
fn planted(case: &Case) -> Vec<Planted> {
    let b = &case.bases;
    let mnv = leak(&[other(b[2000])[0], other(b[2001])[0]]);
    let inserted = leak(&[&b[2500..2501], b"GATTAC"].concat());
    vec![
        (1500, leak(&b[1500..1501]), other(b[1500]), 50),
        (2000, leak(&b[2000..2002]), mnv, 10),
        (2500, leak(&b[2500..2501]), inserted, 20),
        // The last AC of (AC)4; left-aligned, it is the first.
        (3006, leak(&b[3006..3009]), leak(&b[3006..3007]), 20),
    ]
}

#[test]
fn planted_variants_are_found_left_aligned_and_nothing_else_passes() {
    let case = Case::new();
    case.write_bam("reads.bam", 500, &planted(&case), 8000, "coordinate");
    let summary = case.call(&case.options(Mode::Somatic, "o.vcf.gz")).unwrap();
    let passed: Vec<_> = records(&case.path("o.vcf.gz"))
        .into_iter()
        .filter(|r| r.3 == "PASS")
        .map(|r| (r.0, r.1, r.2))
        .collect();
    let text = |b: &[u8]| String::from_utf8(b.to_vec()).unwrap();
    let expected: Vec<_> = planted(&case)
        .into_iter()
        .map(|(p, r, a, _)| match p {
            3006 => (3001, "GAC".to_string(), "G".to_string()),
            _ => (p + 1, text(r), text(a)),
        })
        .collect();
    assert_eq!(passed, expected);
    assert_eq!(summary.passed, 4);
    let depth = inflate(&case.path("o.depth.bed.gz"));
    let rows: Vec<Vec<u64>> = depth
        .lines()
        .map(|l| l.split('\t').skip(1).map(|c| c.parse().unwrap()).collect())
        .collect();
    assert_eq!(rows[0][0], 1000);
    assert_eq!(rows.last().unwrap()[1], 5000);
    assert!(rows.windows(2).all(|w| w[0][1] == w[1][0]), "no gaps");
    let sum: u64 = rows.iter().map(|r| (r[1] - r[0]) * r[2]).sum();
    assert_eq!(sum, summary.depth_sum);
}

#[test]
fn genotypes_of_a_germline_sample() {
    let case = Case::new();
    let b = &case.bases;
    let variants = [
        (1500, leak(&b[1500..1501]), other(b[1500]), 50),
        (
            2500,
            leak(&b[2500..2501]),
            leak(&[&b[2500..2501], b"GATTAC"].concat()),
            100,
        ),
        (4000, leak(&b[4000..4005]), leak(&b[4000..4001]), 50),
    ];
    case.write_bam("reads.bam", 40, &variants, 8000, "coordinate");
    case.call(&case.options(Mode::Germline, "o.vcf.gz"))
        .unwrap();
    let got: Vec<(usize, String)> = records(&case.path("o.vcf.gz"))
        .into_iter()
        .map(|r| (r.2.len().abs_diff(r.1.len()), r.4))
        .collect();
    let expected = [(0, "0/1"), (6, "1/1"), (4, "0/1")].map(|(n, g)| (n, g.to_string()));
    assert_eq!(got, expected);
}

#[test]
fn a_genotype_without_the_allele_that_was_asked_for_passes_and_is_no_variant() {
    let case = Case::new();
    let b = &case.bases;
    case.write_bam("reads.bam", 40, &all_and_half(&case), 8000, "coordinate");
    let alternate = other(b[3500])[0] as char;
    let asked = format!("one\t3501\t.\t{}\t{alternate}\n", b[3500] as char);
    std::fs::write(case.path("force.vcf"), asked).unwrap();
    let call = |force: Option<PathBuf>| {
        let options = CallOptions {
            force,
            ..case.options(Mode::Germline, "o.vcf.gz")
        };
        case.call(&options).unwrap().passed
    };
    let without = call(None);
    assert_eq!(call(Some(case.path("force.vcf"))), without);
    let text = inflate(&case.path("o.vcf.gz"));
    let forced = text.lines().find(|l| l.starts_with("one\t3501\t")).unwrap();
    let columns: Vec<&str> = forced.split('\t').collect();
    assert_eq!(columns[6], "PASS", "{forced}");
    assert!(columns[9].starts_with("0/0:"), "{forced}");
}

/// Position, GT, and PS of each record.
fn phases(path: &Path) -> Vec<(usize, String, Option<usize>)> {
    let text = inflate(path);
    let lines = text.lines().filter(|l| !l.starts_with('#'));
    lines
        .map(|l| {
            let c: Vec<&str> = l.split('\t').collect();
            let ps = c[8].split(':').position(|key| key == "PS");
            let values: Vec<&str> = c[9].split(':').collect();
            let set = ps.map(|i| values[i].parse().unwrap());
            (c[1].parse().unwrap(), values[0].to_string(), set)
        })
        .collect()
}

#[test]
fn heterozygous_calls_that_fragments_join_are_phased_whatever_the_tiles_and_threads() {
    let case = Case::new();
    let b = &case.bases;
    let shares = [
        (1500, 50),
        (1550, 100),
        (1580, 150),
        (1585, 50),
        (1640, 150),
        (3500, 50),
    ];
    let variants = shares.map(|(p, share)| (p, leak(&b[p..=p]), other(b[p]), share));
    case.write_bam("reads.bam", 60, &variants, 8000, "coordinate");
    let call = |panel: &str, threads: usize| {
        std::fs::write(case.path("panel.bed"), panel).unwrap();
        let pool = rayon::ThreadPoolBuilder::new()
            .num_threads(threads)
            .build()
            .unwrap();
        let options = case.options(Mode::Germline, "o.vcf.gz");
        pool.install(|| case.call(&options)).unwrap();
        phases(&case.path("o.vcf.gz"))
    };
    let own = |p: usize, genotype: &str, set| (p + 1, genotype.to_string(), set);
    let expected = [
        own(1500, "0|1", Some(1501)),
        own(1550, "1/1", None),
        own(1580, "1|0", Some(1501)),
        own(1585, "0|1", Some(1501)),
        own(1640, "1|0", Some(1501)),
        own(3500, "0/1", None),
    ];
    assert_eq!(call("one\t1000\t5000\n", 1), expected);
    let in_two = "one\t1000\t1530\none\t1531\t5000\n";
    assert_eq!(call(in_two, 7), expected, "windows of two tiles");
}

#[test]
fn a_gvcf_covers_each_base_of_the_panel_once_and_says_nothing_of_bases_without_reads() {
    let case = Case::new();
    std::fs::write(case.path("panel.bed"), "one\t1000\t5000\none\t5500\t6000\n").unwrap();
    let b = &case.bases;
    let variants = [
        (1500, leak(&b[1500..1501]), other(b[1500]), 50),
        (4000, leak(&b[4000..4005]), leak(&b[4000..4001]), 50),
    ];
    case.write_bam("reads.bam", 40, &variants, 8000, "coordinate");
    let call = |gvcf: bool| {
        let options = CallOptions {
            gvcf,
            ..case.options(Mode::Germline, "o.vcf.gz")
        };
        case.call(&options).unwrap();
        let text = inflate(&case.path("o.vcf.gz"));
        let lines = text.lines().filter(|l| !l.starts_with('#'));
        let split = |l: &str| l.split('\t').map(String::from).collect();
        lines.map(split).collect::<Vec<Vec<String>>>()
    };
    let plain = call(false);
    let all = call(true);
    let (blocks, records): (Vec<_>, Vec<_>) = all.iter().partition(|c| c[4] == "<*>");
    for (record, plain) in records.iter().zip(&plain) {
        assert_eq!(record[4], format!("{},<*>", plain[4]));
        let [long, short] = [record, plain].map(|c| -> Vec<Vec<&str>> {
            c[9].split(':').map(|v| v.split(',').collect()).collect()
        });
        // GT:AD:DP:AF:SB:GQ:PL
        assert_eq!([1, 3, 6].map(|k| long[k].len()), [3, 2, 6]);
        let is_kept = |k: usize| long[k][..short[k].len()] == short[k][..];
        assert!((0..7).all(is_kept), "{long:?} {short:?}");
        assert!(
            long[6][3..]
                .iter()
                .all(|pl| pl.parse::<u32>().unwrap() > 99)
        );
    }
    assert_eq!((records.len(), plain.len()), (2, 2));

    let mut covered = vec![0; 8000];
    for c in &all {
        let start: usize = c[1].parse().unwrap();
        let end = match c[7].strip_prefix("END=") {
            Some(end) => end.parse().unwrap(),
            None => start - 1 + c[3].len(),
        };
        covered[start - 1..end].iter_mut().for_each(|n| *n += 1);
        assert_eq!(c[3].as_bytes(), &b[start - 1..][..c[3].len()]);
    }
    let expected = |p: usize| u32::from((1000..5000).contains(&p) || (5500..6000).contains(&p));
    assert!((0..8000).all(|p| covered[p] == expected(p)), "{covered:?}");

    let bare: Vec<&str> = blocks.iter().rev().map(|c| &c[9][..]).take(1).collect();
    assert_eq!(bare, ["./.:0:0:0:0,0,0"], "5,500 to 6,000 in one");
    let sure = blocks
        .iter()
        .filter(|c| c[9].starts_with("0/0:99:"))
        .count();
    assert!(sure > 3, "{blocks:?}");
    let message = case
        .call(&CallOptions {
            gvcf: true,
            ..case.options(Mode::Somatic, "o.vcf.gz")
        })
        .unwrap_err()
        .to_string();
    assert!(
        message.contains("--gvcf is for --mode germline"),
        "{message}"
    );
}

/// An SNV that all reads carry, and one that half of them do.
fn all_and_half(case: &Case) -> [Planted; 2] {
    let b = &case.bases;
    [(1500, 100), (2500, 50)].map(|(p, share)| (p, leak(&b[p..=p]), other(b[p]), share))
}

#[test]
fn a_genotype_of_mitochondria_has_one_allele_and_a_likelihood_for_each() {
    let case = Case::of("chrM");
    let variants = all_and_half(&case);
    case.write_bam("reads.bam", 40, &variants, 8000, "coordinate");
    case.call(&case.options(Mode::Germline, "o.vcf.gz"))
        .unwrap();
    let text = inflate(&case.path("o.vcf.gz"));
    let lines: Vec<&str> = text.lines().filter(|l| !l.starts_with('#')).collect();
    assert_eq!(
        lines.len(),
        1,
        "half of the reads are no genotype: {lines:?}"
    );
    let sample: Vec<&str> = lines[0].split('\t').nth(9).unwrap().split(':').collect();
    let [gt, .., gq, pl] = sample[..] else {
        panic!("{sample:?}")
    };
    let pl: Vec<u32> = pl.split(',').map(|x| x.parse().unwrap()).collect();
    assert_eq!((gt, gq, pl.len(), pl[1]), ("1", "99", 2, 0));
    assert!(!text.contains("##theralign_sex"), "no matter of the sex");
}

#[test]
fn y_is_diploid_until_a_sex_is_stated_none_of_a_female_and_of_a_known_build_for_a_male() {
    let case = Case::of("chrY");
    let variants = all_and_half(&case);
    case.write_bam("reads.bam", 40, &variants, 8000, "coordinate");
    let call = |sex: Option<Sex>| {
        let options = CallOptions {
            sex,
            ..case.options(Mode::Germline, "o.vcf.gz")
        };
        case.call(&options)
    };
    let genotypes = || -> Vec<String> {
        let all = records(&case.path("o.vcf.gz"));
        all.into_iter().map(|r| r.4).collect()
    };
    assert!(call(None).unwrap().sex_assumed);
    assert_eq!(genotypes(), ["1/1", "0/1"]);
    let header = inflate(&case.path("o.vcf.gz"));
    assert!(header.contains("##theralign_sex=not stated; X and Y were called as diploid\n"));
    assert!(!call(Some(Sex::Female)).unwrap().sex_assumed);
    assert!(genotypes().is_empty());
    let message = call(Some(Sex::Male)).unwrap_err().to_string();
    assert!(message.contains("chrY has 8000 bases"), "{message}");
    let somatic = CallOptions {
        sex: Some(Sex::Male),
        ..case.options(Mode::Somatic, "o.vcf.gz")
    };
    let message = case.call(&somatic).unwrap_err().to_string();
    assert!(
        message.contains("--sex is for --mode germline"),
        "{message}"
    );
}

#[test]
fn a_normal_sample_tells_germline_from_somatic() {
    let case = Case::new();
    let all = planted(&case);
    case.write_bam("reads.bam", 200, &all, 8000, "coordinate");
    case.write_bam("normal.bam", 60, &all[..1], 8000, "coordinate");
    let options = CallOptions {
        normal: Some(case.path("normal.bam")),
        ..case.options(Mode::Somatic, "o.vcf.gz")
    };
    case.call(&options).unwrap();
    let filters: Vec<String> = records(&case.path("o.vcf.gz"))
        .into_iter()
        .map(|r| r.3)
        .collect();
    assert_eq!(filters, ["germline", "PASS", "PASS", "PASS"]);
}

/// FILTER and INFO of the record at each position (from 0) of the VCF.
fn remarks(path: &Path) -> Vec<(usize, String, String)> {
    let text = inflate(path);
    let lines = text.lines().filter(|l| !l.starts_with('#'));
    lines
        .map(|l| {
            let c: Vec<&str> = l.split('\t').collect();
            let position: usize = c[1].parse().unwrap();
            (position - 1, c[6].to_string(), c[7].to_string())
        })
        .collect()
}

/// Calls normal samples with these variants, and makes `normals.vcf.gz` of them.
fn panel_of_normals(case: &Case, of_samples: &[&[Planted]]) -> PathBuf {
    let mut files = Vec::new();
    for (k, planted) in of_samples.iter().enumerate() {
        case.write_bam(&format!("n{k}.bam"), 500, planted, 8000, "coordinate");
        let options = CallOptions {
            tumor: case.path(&format!("n{k}.bam")),
            ..case.options(Mode::Somatic, &format!("n{k}.vcf.gz"))
        };
        case.call(&options).unwrap();
        files.push(options.output);
    }
    let output = case.path("normals.vcf.gz");
    normals::build(&case.reference, &files, 2, &output, "test").unwrap();
    output
}

#[test]
fn an_allele_is_filtered_where_normals_show_it_at_such_fractions_and_not_far_above() {
    let case = Case::new();
    let b = &case.bases;
    let snv = |p: usize, share| -> Planted { (p, leak(&b[p..=p]), other(b[p]), share) };
    let ac = |share| -> Planted { (3006, leak(&b[3006..3009]), leak(&b[3006..3007]), share) };
    let first = [snv(1500, 3), snv(2000, 3), ac(4), snv(4000, 50)];
    let second = [snv(1500, 2), snv(2000, 3), ac(4), snv(3500, 3)];
    let panel = panel_of_normals(&case, &[&first, &second, &[]]);
    let listed: Vec<usize> = remarks(&panel).into_iter().map(|r| r.0).collect();
    assert_eq!(listed, [1500, 2000, 3000], "seen twice, left-aligned");
    assert!(inflate(&panel).contains("\tNORMALS=3;SEEN=2;BETA="));

    let tumor = [snv(1500, 3), snv(2000, 30), ac(3), snv(3500, 3)];
    case.write_bam("reads.bam", 500, &tumor, 8000, "coordinate");
    let force = case.path("force.vcf");
    let asked = |p: usize| {
        format!(
            "one\t{}\t.\t{}\t{}\n",
            p + 1,
            b[p] as char,
            other(b[p])[0] as char
        )
    };
    std::fs::write(&force, asked(1500) + &asked(2000) + &asked(4500)).unwrap();
    let call = |normals: Option<&PathBuf>| {
        let options = CallOptions {
            normals: normals.cloned(),
            force: Some(force.clone()),
            ..case.options(Mode::Somatic, "o.vcf.gz")
        };
        case.call(&options).unwrap();
        remarks(&case.path("o.vcf.gz"))
    };
    let plain = call(None);
    assert!(!inflate(&case.path("o.vcf.gz")).contains("ID=PON"));
    assert!(plain.iter().all(|r| !r.2.contains("PON=")));
    let with = call(Some(&panel));
    let filters: Vec<(usize, &str)> = with.iter().map(|r| (r.0, r.1.as_str())).collect();
    let expected = [
        (1500, "normals"),
        (2000, "PASS"),
        (3000, "normals"),
        (3500, "PASS"),
        (4500, "weak_evidence"),
    ];
    assert_eq!(filters, expected);
    let with_pon: Vec<usize> = with
        .iter()
        .filter(|r| r.2.contains("PON=2/3"))
        .map(|r| r.0)
        .collect();
    assert_eq!(with_pon, [1500, 2000, 3000]);
    let table = std::fs::read_to_string(case.path("o.loci.tsv")).unwrap();
    let statuses: Vec<(&str, &str)> = table
        .lines()
        .skip(1)
        .map(|l| {
            let c: Vec<&str> = l.split('\t').collect();
            (c[5], c[12])
        })
        .collect();
    assert_eq!(
        statuses,
        [
            ("filtered", "normals"),
            ("detected", "."),
            ("not_detected", ".")
        ]
    );
}

#[test]
fn what_is_no_normal_sample_or_no_panel_of_normals_is_refused() {
    let case = Case::new();
    case.write_bam("reads.bam", 40, &all_and_half(&case), 8000, "coordinate");
    let output = case.path("normals.vcf.gz");
    let build = |names: &[&str]| {
        let files: Vec<PathBuf> = names.iter().map(|n| case.path(n)).collect();
        let built = normals::build(&case.reference, &files, 2, &output, "test");
        built.expect_err("is refused").to_string()
    };
    let refused = |names: &[&str], part: &str| {
        let message = build(names);
        assert!(message.contains(part), "{message}");
        assert!(!output.exists());
    };
    case.call(&case.options(Mode::Somatic, "a.vcf.gz")).unwrap();
    refused(&["a.vcf.gz", "a.vcf.gz"], "its sample reads is that of");
    case.call(&case.options(Mode::Germline, "g.vcf.gz"))
        .unwrap();
    refused(&["g.vcf.gz"], "--mode somatic");
    let shard = CallOptions {
        shard: "1/2".parse().unwrap(),
        ..case.options(Mode::Somatic, "s.vcf.gz")
    };
    case.call(&shard).unwrap();
    refused(&["s.vcf.gz"], "this is shard 1/2");
    let paired = CallOptions {
        normal: Some(case.path("reads.bam")),
        ..case.options(Mode::Somatic, "p.vcf.gz")
    };
    case.call(&paired).unwrap();
    refused(&["p.vcf.gz"], "it has 2 samples. Call each alone");
    let text = inflate(&case.path("a.vcf.gz"));
    std::fs::write(
        case.path("b.vcf"),
        text.replace(case.reference.digest(), "0"),
    )
    .unwrap();
    refused(&["b.vcf"], "another reference");
    std::fs::remove_file(case.path("a.depth.bed.gz")).unwrap();
    refused(&["a.vcf.gz"], "a.depth.bed.gz");

    let call = |normals: &str, mode: Mode| {
        let options = CallOptions {
            normals: Some(case.path(normals)),
            ..case.options(mode, "o.vcf.gz")
        };
        case.call(&options).expect_err("is refused").to_string()
    };
    assert!(call("a.vcf.gz", Mode::Somatic).contains("no panel of normals"));
    assert!(call("a.vcf.gz", Mode::Germline).contains("--normals is for --mode somatic"));
    let panel = panel_of_normals(&case, &[&[], &[]]);
    let other = inflate(&panel).replace(case.reference.digest(), "0");
    std::fs::write(case.path("other.vcf"), other).unwrap();
    assert!(call("other.vcf", Mode::Somatic).contains("called on another reference"));
}

#[test]
fn frequencies_among_people_tell_germline_from_somatic_and_foreign_fragments() {
    let case = Case::new();
    let b = &case.bases;
    let snv = |p: usize, share| -> Planted { (p, leak(&b[p..=p]), other(b[p]), share) };
    // Common at a half and at all, unlisted at a half, common at 3 %, unlisted at 3 %.
    let tumor = [
        snv(1500, 50),
        snv(2000, 100),
        snv(2500, 50),
        snv(3500, 3),
        snv(4000, 3),
    ];
    case.write_bam("reads.bam", 500, &tumor, 8000, "coordinate");
    let record = |p: usize, f: &str| {
        let (r, a) = (b[p] as char, other(b[p])[0] as char);
        format!("one\t{}\t.\t{r}\t{a}\t.\t.\tAN=9;AF={f}\n", p + 1)
    };
    let people = case.path("people.vcf");
    std::fs::write(
        &people,
        record(1500, "0.2") + &record(2000, "0.3") + &record(3500, "0.25"),
    )
    .unwrap();
    let force = case.path("force.vcf");
    std::fs::write(&force, record(1500, "0") + &record(4500, "0")).unwrap();
    let call = |population: bool, contamination: Option<f64>| {
        let options = CallOptions {
            population: population.then(|| people.clone()),
            contamination,
            force: Some(force.clone()),
            ..case.options(Mode::Somatic, "o.vcf.gz")
        };
        case.call(&options).unwrap();
        remarks(&case.path("o.vcf.gz"))
    };
    let filters = |records: &[(usize, String, String)]| -> Vec<String> {
        records.iter().map(|r| r.1.clone()).collect()
    };
    let plain = call(false, None);
    assert_eq!(
        filters(&plain),
        ["PASS", "PASS", "PASS", "PASS", "PASS", "weak_evidence"]
    );
    let header = inflate(&case.path("o.vcf.gz"));
    assert!(
        !["POPAF", "GERMQ", "CONTQ", "contamination"]
            .iter()
            .any(|k| header.contains(k))
    );

    let with = call(true, None);
    assert_eq!(
        filters(&with),
        [
            "germline",
            "germline",
            "PASS",
            "PASS",
            "PASS",
            "weak_evidence"
        ]
    );
    assert!(with[0].2.contains(";POPAF=0.2;GERMQ=0.0"), "{with:?}");
    assert!(
        with[2].2.contains(";GERMQ=") && !with[2].2.contains("POPAF"),
        "{with:?}"
    );
    let table = std::fs::read_to_string(case.path("o.loci.tsv")).unwrap();
    assert!(
        table.lines().nth(1).unwrap().ends_with("\tgermline"),
        "{table}"
    );
    assert!(
        table.lines().nth(1).unwrap().contains("\tfiltered\t"),
        "{table}"
    );

    let with = call(true, Some(0.06));
    assert_eq!(
        filters(&with),
        [
            "germline",
            "germline",
            "PASS",
            "contamination",
            "PASS",
            "weak_evidence"
        ]
    );
    assert!(
        with[3].2.contains(";CONTQ=0.0") && !with[4].2.contains("CONTQ"),
        "{with:?}"
    );
    let header = inflate(&case.path("o.vcf.gz"));
    assert!(
        header.contains("people.vcf,sha256=")
            && header.contains("##theralign_contamination=0.06\n")
    );
}

#[test]
fn a_list_of_what_is_not_there_hides_nothing_that_is() {
    let case = Case::new();
    let b = &case.bases;
    let snv = |p: usize, share| -> Planted { (p, leak(&b[p..=p]), other(b[p]), share) };
    let there = [snv(1500, 10), snv(1512, 10), snv(1521, 10)];
    case.write_bam("reads.bam", 500, &there, 8000, "coordinate");
    let of_place = |p: usize| {
        let others = b"ACGT".iter().filter(move |&&a| a != b[p]);
        let line = move |&a: &u8| format!("one\t{}\t.\t{}\t{}\n", p + 1, b[p] as char, a as char);
        others.map(line)
    };
    let asked: String = (1485..1535).flat_map(of_place).collect();
    std::fs::write(case.path("force.vcf"), asked).unwrap();
    let options = CallOptions {
        force: Some(case.path("force.vcf")),
        ..case.options(Mode::Somatic, "o.vcf.gz")
    };
    case.call(&options).unwrap();
    let passed = remarks(&case.path("o.vcf.gz"));
    let passed = passed.iter().filter(|r| r.1 == "PASS").map(|r| r.0);
    assert_eq!(passed.collect::<Vec<_>>(), [1500, 1512, 1521]);
}

#[test]
fn frequencies_and_contamination_are_refused_where_they_mean_nothing() {
    let case = Case::new();
    case.write_bam("reads.bam", 10, &[], 8000, "coordinate");
    std::fs::write(case.path("people.vcf"), "").unwrap();
    let call = |mode: Mode, population: bool, contamination: Option<f64>| {
        let options = CallOptions {
            population: population.then(|| case.path("people.vcf")),
            contamination,
            ..case.options(mode, "o.vcf.gz")
        };
        case.call(&options).expect_err("is refused").to_string()
    };
    let germline = call(Mode::Germline, true, None);
    assert!(
        germline.contains("--population is for --mode somatic"),
        "{germline}"
    );
    let alone = call(Mode::Somatic, false, Some(0.01));
    assert!(
        alone.contains("--contamination needs --population"),
        "{alone}"
    );
    for share in [0.51, -0.1, f64::NAN] {
        let odd = call(Mode::Somatic, true, Some(share));
        assert!(odd.contains("no share from 0 to 0.5"), "{odd}");
    }
}

#[test]
fn threads_and_devices_do_not_change_a_byte() {
    let case = Case::new();
    case.write_bam("reads.bam", 200, &planted(&case), 8000, "coordinate");
    let bytes = |name: &str| {
        ["", ".tbi"]
            .map(|suffix| std::fs::read(case.path(&format!("{name}.vcf.gz{suffix}"))).unwrap())
    };
    let mut outputs = Vec::new();
    for threads in [1, 2, 7] {
        let pool = rayon::ThreadPoolBuilder::new()
            .num_threads(threads)
            .build()
            .unwrap();
        let name = format!("t{threads}");
        let options = case.options(Mode::Somatic, &format!("{name}.vcf.gz"));
        pool.install(|| case.call(&options)).unwrap();
        outputs.push(bytes(&name));
    }
    if let Some(gpu) = common::open(&theralign::device::gpu::Options::default()) {
        let options = case.options(Mode::Somatic, "gpu.vcf.gz");
        call::run(&case.reference, &Device::gpu(gpu), &options).unwrap();
        outputs.push(bytes("gpu"));
    }
    assert!(outputs.windows(2).all(|w| w[0] == w[1]));
}

#[test]
fn what_cannot_be_used_is_refused_and_leaves_nothing_behind() {
    let case = Case::new();
    let refused = |part: &str| {
        let message = case
            .call(&case.options(Mode::Somatic, "o.vcf.gz"))
            .expect_err(part)
            .to_string();
        assert!(message.contains(part), "{message}");
        assert!(!case.path("o.vcf.gz").exists());
    };
    refused("reads.bam"); // missing
    case.write_bam("reads.bam", 10, &[], 8001, "coordinate");
    refused("aligned to another reference");
    case.write_bam("reads.bam", 10, &[], 8000, "unsorted");
    refused("not sorted by coordinate");
    case.write_bam("reads.bam", 10, &[], 8000, "coordinate");
    let whole = std::fs::read(case.path("reads.bam")).unwrap();
    for length in [whole.len() / 2, whole.len() - 28] {
        std::fs::write(case.path("reads.bam"), &whole[..length]).unwrap();
        refused("cut short");
    }
    std::fs::write(case.path("reads.bam"), &whole).unwrap();
    std::fs::write(case.path("panel.bed"), "one\t1\t9\ntwo\t1\t9\n").unwrap();
    refused("line 2");
    std::fs::write(case.path("panel.bed"), "one\t1\t8001\n").unwrap();
    refused("line 1");
    std::fs::write(case.path("panel.bed"), "").unwrap();
    refused("no region");
}
