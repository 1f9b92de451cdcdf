//! Small files made by hand, through [`run`] and back.

use super::*;
use crate::domain::{Cigar, CigarOp, ContigId, Pos};
use crate::format::bam::{RawRecord, write_bam};
use crate::format::sam::{Record, Tag, TagValue, flag};
use crate::format::tags;
use crate::genome::Contig;
use std::io::Read;
use std::path::Path;

/// A genome without repeats of four.
const GENOME: &[u8] = b"ACGTTGCAAGGCTTACCGATATCGGACTCTAGAGCCTGTGACATTCAACTGGTCGTTATGCGCAAACGACCCAGTACAGGGTGTCCTCCGTAA";

/// One record.
#[derive(Clone)]
struct Given {
    name: String,
    flag: u16,
    pos: u32,
    mate_pos: u32,
    cigar: Vec<(u32, CigarOp)>,
    bases: Vec<u8>,
    quals: Vec<u8>,
    tags: Vec<([u8; 2], String)>,
}

fn matched(n: u32) -> Vec<(u32, CigarOp)> {
    vec![(n, CigarOp::Match)]
}

/// A pair that faces each other, of 10 bases each, over `start..end`; `one_low`: mate 1 is the forward one.
fn pair(name: &str, start: u32, end: u32, umi: &str, one_low: bool) -> [Given; 2] {
    let read = |pos: u32, mate_pos: u32, reverse: bool| {
        let first = one_low != reverse;
        let strands = if reverse {
            flag::REVERSE
        } else {
            flag::MATE_REVERSE
        };
        Given {
            name: name.into(),
            flag: flag::PAIRED
                | flag::PROPER
                | strands
                | if first { flag::FIRST } else { flag::SECOND },
            pos,
            mate_pos,
            cigar: matched(10),
            bases: GENOME[pos as usize..pos as usize + 10].to_vec(),
            quals: vec![30; 10],
            tags: vec![(*b"RG", "a".into()), (*b"RX", umi.into())],
        }
    };
    [read(start, end - 10, false), read(end - 10, start, true)]
}

/// A BAM of these records, sorted by position.
fn bam_of(folder: &Path, reads: &[Given]) -> PathBuf {
    let mut reads: Vec<&Given> = reads.iter().collect();
    reads.sort_by_key(|r| r.pos);
    unsorted_bam_of(folder, &reads)
}

fn unsorted_bam_of(folder: &Path, reads: &[&Given]) -> PathBuf {
    let contig = Contig {
        name: "c".into(),
        length: 100_000,
        md5: String::new(),
        alternate: false,
        refget: String::new(),
    };
    let text = "@HD\tVN:1.6\tSO:coordinate\n@SQ\tSN:c\tLN:100000\n@RG\tID:a\tLB:x\tSM:s\n@RG\tID:b\tLB:y\tSM:s\n@PG\tID:p\n";
    let mut bytes = bam::header(text, &[contig]);
    for read in reads {
        let tags: Vec<Tag> = (read.tags.iter())
            .map(|(name, text)| Tag {
                name: *name,
                value: TagValue::Text(text.as_bytes()),
            })
            .collect();
        let record = Record {
            name: read.name.as_bytes(),
            flag: read.flag,
            contig: Some(ContigId(0)),
            pos: Some(Pos(read.pos)),
            mapq: 60,
            cigar: &read.cigar,
            mate_contig: Some(ContigId(0)),
            mate_pos: Some(Pos(read.mate_pos)),
            template_len: 0,
            bases: &read.bases,
            quals: &read.quals,
            tags: &tags,
        };
        write_bam(&record, &mut bytes);
    }
    let path = folder.join("in.bam");
    std::fs::write(&path, bgzf::compressed(&bytes, 1)).unwrap();
    path
}

/// A record that came out.
#[derive(Debug, PartialEq)]
struct Got {
    name: String,
    flag: u16,
    pos: i32,
    cigar: String,
    mate_pos: i32,
    template_len: i32,
    bases: String,
    quals: Vec<u8>,
    tags: Vec<(String, String)>,
}

impl Got {
    fn tag(&self, name: &str) -> Option<&str> {
        let found = self.tags.iter().find(|t| t.0 == name);
        found.map(|t| t.1.as_str())
    }
}

/// Header text and records of a BAM.
fn read_back(path: &Path) -> (String, Vec<Got>) {
    let mut bytes = Vec::new();
    bgzf::Reader::new(&std::fs::read(path).unwrap()[..])
        .read_to_end(&mut bytes)
        .unwrap();
    let number = |at: usize| u32::from_le_bytes(bytes[at..at + 4].try_into().unwrap()) as usize;
    let text_end = 8 + number(4);
    let text = String::from_utf8(bytes[8..text_end].to_vec()).unwrap();
    let mut at = text_end + 4;
    for _ in 0..number(text_end) {
        at += 8 + number(at);
    }
    let got = RawRecord::split(&bytes[at..]).map(|r| {
        let mut cigar = Cigar::default();
        for (n, code) in r.cigar() {
            cigar.push(n, CigarOp::from_code(code).unwrap());
        }
        let field = |at: usize| i32::from_le_bytes(r.bytes()[at..at + 4].try_into().unwrap());
        let letter =
            |i: usize| b"=ACMGRSVTWYHKDBN"[usize::from(r.bases()[i / 2] >> (4 * (1 - i % 2)) & 15)];
        let tag = |t: Tag| {
            let mut value = Vec::new();
            if let TagValue::Bam(kind, bytes) = t.value {
                tags::write_sam(kind, bytes, &mut value);
            }
            let text = String::from_utf8(value[2..].to_vec()).unwrap();
            (String::from_utf8(t.name.to_vec()).unwrap(), text)
        };
        Got {
            name: String::from_utf8(r.name().to_vec()).unwrap(),
            flag: r.flag(),
            pos: r.pos(),
            cigar: cigar.to_string(),
            mate_pos: field(28),
            template_len: field(32),
            bases: (0..r.quals().len()).map(|i| letter(i) as char).collect(),
            quals: r.quals().to_vec(),
            tags: tags::split(r.tags()).map(tag).collect(),
        }
    });
    (text, got.collect())
}

/// The consensus of these records, and its counts.
fn consensus_by(reads: &[Given], change: impl FnOnce(&mut Options)) -> (Vec<Got>, Tally) {
    let folder = tempfile::tempdir().unwrap();
    let mut options = Options::new(bam_of(folder.path(), reads), folder.path().join("out.bam"));
    change(&mut options);
    let tally = run(&options).unwrap();
    (read_back(&options.output).1, tally)
}

fn consensus(reads: &[Given]) -> Vec<Got> {
    consensus_by(reads, |_| {}).0
}

fn refused_by(path: PathBuf, change: impl FnOnce(&mut Options)) -> String {
    let output = path.with_file_name("out.bam");
    let mut options = Options::new(path, output.clone());
    change(&mut options);
    let message = run(&options).unwrap_err().to_string();
    assert!(!output.exists());
    message
}

#[test]
fn copies_of_a_molecule_become_one_pair() {
    let mut copies = [
        pair("x", 20, 60, "AAAA", true),
        pair("y", 20, 60, "AAAA", true),
        pair("z", 20, 60, "AAAA", true),
    ]
    .concat();
    copies[2].bases[3] = b'A'; // y's forward read; the genome has C
    copies[4].flag |= flag::DUPLICATE;
    let got = consensus(&copies);
    assert_eq!(got.len(), 2);
    let [low, high] = &got[..] else { panic!() };
    assert_eq!(
        (
            low.name.as_str(),
            low.flag,
            low.pos,
            low.mate_pos,
            low.template_len
        ),
        ("x", 99, 20, 50, 40)
    );
    assert_eq!(
        (
            high.name.as_str(),
            high.flag,
            high.pos,
            high.mate_pos,
            high.template_len
        ),
        ("x", 147, 50, 20, -40)
    );
    assert_eq!(low.bases.as_bytes(), &GENOME[20..30]);
    assert_eq!(high.bases.as_bytes(), &GENOME[50..60]);
    // 45: three equal bases of Q30; two of Q30 against one is less.
    assert_eq!(high.quals, [45; 10]);
    assert!(low.quals[3] < 45 && low.quals[4] == 45, "{:?}", low.quals);
    for (tag, value) in [
        ("RG", "a"),
        ("RX", "AAAA"),
        ("MI", "1"),
        ("MC", "10M"),
        ("MQ", "60"),
        ("cD", "3"),
        ("cM", "3"),
        ("cd", "s,3,3,3,3,3,3,3,3,3,3"),
        ("ce", "s,0,0,0,1,0,0,0,0,0,0"),
    ] {
        assert_eq!(low.tag(tag), Some(value), "{tag}");
    }
    let share: f32 = low.tag("cE").unwrap().parse().unwrap();
    assert!((share - 1.0 / 30.0).abs() < 1e-6);
    assert_eq!(low.tag("aD"), None);
}

#[test]
fn strands_are_joined_and_their_qualities_add_up() {
    let mut copies = [
        pair("x", 20, 60, "AAAA-CCCC", true),
        pair("y", 20, 60, "CCCC-AAAA", false),
        pair("z", 20, 60, "CCCC-AAAA", false),
    ]
    .concat();
    copies[0].bases[2] = b'T'; // strand a alone says T
    let (got, tally) = consensus_by(&copies, |_| {});
    assert_eq!((got.len(), tally.duplex, tally.molecules), (2, 1, 1));
    let low = &got[0];
    assert_eq!((low.flag, low.tag("RX")), (99, Some("AAAA-CCCC")));
    // One copy of Q30 is 29, two are 44: see the model's tests.
    assert_eq!(low.quals[0], 29 + 44);
    assert_eq!(
        (low.quals[2], low.bases.as_bytes()[2]),
        (44 - 29, GENOME[22])
    );
    for (tag, value) in [
        ("cD", "3"),
        ("aD", "1"),
        ("bD", "2"),
        ("aE", "0"),
        ("cd", "s,3,3,3,3,3,3,3,3,3,3"),
        ("bd", "s,2,2,2,2,2,2,2,2,2,2"),
        ("ce", "s,0,0,1,0,0,0,0,0,0,0"),
        ("ae", "s,0,0,0,0,0,0,0,0,0,0"),
    ] {
        assert_eq!(low.tag(tag), Some(value), "{tag}");
    }
    assert_eq!(low.tag("ac").unwrap().as_bytes()[2], b'T');
    assert_eq!(low.tag("bc").unwrap().as_bytes(), &GENOME[20..30]);
}

#[test]
fn a_single_strand_gives_a_simplex_consensus_that_keeps_its_mates() {
    let copies = [
        pair("y", 20, 60, "CCCC-AAAA", false),
        pair("z", 20, 60, "CCCC-AAAA", false),
    ]
    .concat();
    let (got, tally) = consensus_by(&copies, |_| {});
    assert_eq!((got.len(), tally.duplex), (2, 0));
    let low = &got[0];
    assert_eq!((low.flag, low.tag("RX")), (163, Some("CCCC-AAAA")));
    assert_eq!(
        (low.quals[0], low.tag("bD"), low.tag("aD")),
        (44, Some("2"), Some("0"))
    );
}

#[test]
fn umis_that_are_equal_but_not_mirrored_are_two_molecules() {
    let copies = [
        pair("x", 20, 60, "AAAA-CCCC", true),
        pair("y", 20, 60, "AAAA-CCCC", false),
    ]
    .concat();
    assert_eq!(consensus(&copies).len(), 4);
}

#[test]
fn simplex_keeps_strands_apart() {
    let copies = [
        pair("x", 20, 60, "AAAA-CCCC", true),
        pair("y", 20, 60, "CCCC-AAAA", false),
    ]
    .concat();
    let (got, tally) = consensus_by(&copies, |o| o.grouping = Grouping::Simplex);
    assert_eq!((got.len(), tally.molecules, tally.duplex), (4, 2, 0));
    // UMIs of one part say nothing of strands.
    let copies = [
        pair("x", 20, 60, "AAAA", true),
        pair("y", 20, 60, "AAAA", false),
    ]
    .concat();
    assert_eq!(consensus(&copies).len(), 4);
}

#[test]
fn an_error_in_the_umi_joins_and_the_root_is_named() {
    let copies = [
        pair("w", 20, 60, "AAAT", true),
        pair("x", 20, 60, "AAAA", true),
        pair("y", 20, 60, "AAAA", true),
        pair("z", 20, 60, "ACCA", true),
    ]
    .concat();
    let (got, tally) = consensus_by(&copies, |_| {});
    assert_eq!((got.len(), tally.molecules), (4, 2));
    assert_eq!(
        (got[0].tag("RX"), got[0].tag("cD"), got[0].tag("MI")),
        (Some("AAAA"), Some("3"), Some("1"))
    );
    assert_eq!(
        (got[1].tag("RX"), got[1].tag("MI")),
        (Some("ACCA"), Some("4"))
    );
    let exact = consensus_by(&copies, |o| o.max_edits = 0);
    assert_eq!(exact.1.molecules, 3);
}

#[test]
fn other_ends_and_other_libraries_are_other_molecules() {
    let mut copies = [
        pair("w", 20, 60, "AAAA", true),
        pair("x", 20, 61, "AAAA", true),
        pair("y", 21, 60, "AAAA", true),
        pair("z", 20, 60, "AAAA", true),
    ]
    .concat();
    for read in &mut copies[6..] {
        read.tags[0].1 = "b".into();
    }
    assert_eq!(consensus(&copies).len(), 8);
}

#[test]
fn clipped_copies_join_by_their_unclipped_end_and_the_usual_alignment_stays() {
    let mut copies = [
        pair("x", 20, 60, "AAAA", true),
        pair("y", 20, 60, "AAAA", true),
        pair("z", 20, 60, "AAAA", true),
    ]
    .concat();
    copies[2].pos = 23;
    copies[2].cigar = vec![(3, CigarOp::SoftClip), (7, CigarOp::Match)];
    copies[5].cigar = vec![(8, CigarOp::Match), (2, CigarOp::SoftClip)];
    let got = consensus(&copies);
    assert_eq!(
        (got.len(), got[0].pos, got[0].cigar.as_str()),
        (2, 20, "10M")
    );
    assert_eq!((got[0].tag("cM"), got[1].tag("cM")), (Some("3"), Some("3")));
}

#[test]
fn copies_with_other_gaps_than_most_are_left_out() {
    let mut copies = [
        pair("x", 20, 60, "AAAA", true),
        pair("y", 20, 60, "AAAA", true),
        pair("z", 20, 60, "AAAA", true),
    ]
    .concat();
    for read in [0, 2] {
        let gap = [
            (5, CigarOp::Match),
            (1, CigarOp::Deletion),
            (5, CigarOp::Match),
        ];
        copies[read].cigar = gap.to_vec();
        copies[read].bases = [&GENOME[20..25], &GENOME[26..31]].concat();
    }
    let (got, tally) = consensus_by(&copies, |_| {});
    assert_eq!(
        (got[0].cigar.as_str(), got[0].tag("cD")),
        ("5M1D5M", Some("2"))
    );
    assert_eq!((got[1].tag("cD"), tally.other_gaps), (Some("3"), 1));
}

#[test]
fn of_gaps_that_are_equally_frequent_the_fewer_count() {
    let mut copies = [
        pair("x", 20, 60, "AAAA", true),
        pair("y", 20, 60, "AAAA", true),
    ]
    .concat();
    copies[0].cigar = vec![
        (5, CigarOp::Match),
        (1, CigarOp::Deletion),
        (5, CigarOp::Match),
    ];
    let got = consensus(&copies);
    assert_eq!(
        (got[0].cigar.as_str(), got[0].tag("cD")),
        ("10M", Some("1"))
    );
}

#[test]
fn a_shorter_copy_adds_to_the_bases_that_it_has() {
    let mut copies = [
        pair("x", 20, 60, "AAAA", true),
        pair("y", 20, 60, "AAAA", true),
    ]
    .concat();
    copies[2].cigar = matched(7);
    copies[2].bases.truncate(7);
    copies[2].quals.truncate(7);
    // The reverse read's first base is its last one here.
    copies[3].pos = 53;
    copies[3].cigar = matched(7);
    copies[3].bases.drain(..3);
    copies[3].quals.truncate(7);
    let got = consensus(&copies);
    assert_eq!(got[0].tag("cd"), Some("s,2,2,2,2,2,2,2,1,1,1"));
    assert_eq!(got[1].tag("cd"), Some("s,1,1,1,2,2,2,2,2,2,2"));
    assert_eq!((got[1].pos, got[1].bases.as_bytes()), (50, &GENOME[50..60]));
    // With two copies needed the consensus ends where the second one does.
    let (got, _) = consensus_by(&copies, |o| o.least.all = 2);
    assert_eq!(
        (got[0].cigar.as_str(), got[1].cigar.as_str(), got[1].pos),
        ("7M", "7M", 53)
    );
    assert_eq!((got[0].template_len, got[0].tag("MC")), (40, Some("7M")));
}

#[test]
fn adapter_beyond_the_other_end_is_cut_off() {
    // Six bases of the molecule, then four of adapter.
    let mut copies = pair("x", 20, 30, "AAAA", true);
    copies[0].cigar = vec![(6, CigarOp::Match), (4, CigarOp::SoftClip)];
    copies[1].pos = 20;
    copies[1].bases = [b"TTTT", &GENOME[20..26]].concat();
    copies[1].cigar = vec![(4, CigarOp::SoftClip), (6, CigarOp::Match)];
    let got = consensus(&copies);
    assert_eq!((got[0].cigar.as_str(), got[1].cigar.as_str()), ("6M", "6M"));
    assert_eq!(
        (got[0].pos, got[1].pos, got[0].template_len.abs()),
        (20, 20, 6)
    );
    assert!(got.iter().all(|g| g.bases.as_bytes() == &GENOME[20..26]));
}

#[test]
fn strands_need_the_copies_asked_for() {
    let copies = [
        pair("x", 20, 60, "AAAA-CCCC", true),
        pair("y", 20, 60, "CCCC-AAAA", false),
        pair("z", 20, 60, "CCCC-AAAA", false),
    ]
    .concat();
    let molecules = |all, more, fewer| {
        let least = LeastCopies { all, more, fewer };
        let (_, tally) = consensus_by(&copies, |o| o.least = least);
        assert_eq!(tally.molecules + tally.too_few, 1);
        tally.molecules
    };
    assert_eq!(molecules(3, 2, 1), 1);
    assert_eq!(molecules(4, 2, 1), 0);
    assert_eq!(molecules(3, 3, 1), 0);
    assert_eq!(molecules(3, 2, 2), 0);
}

#[test]
fn rejected_and_further_records_are_not_used_and_duplicates_are() {
    let mut reads = [
        pair("w", 20, 60, "AAAA", true),
        pair("x", 20, 60, "AAAA", true),
        pair("y", 20, 60, "AAAA", true),
        pair("w", 22, 60, "AAAA", true),
        pair("w", 23, 60, "AAAA", true),
    ]
    .concat();
    reads[2].flag |= flag::QC_FAIL; // one mate is enough
    reads[4].flag |= flag::DUPLICATE;
    reads[5].flag |= flag::DUPLICATE;
    for read in &mut reads[6..8] {
        read.flag |= flag::SECONDARY;
    }
    for read in &mut reads[8..] {
        read.flag |= flag::SUPPLEMENTARY;
    }
    let (got, tally) = consensus_by(&reads, |_| {});
    assert_eq!((got.len(), got[0].tag("cD")), (2, Some("2")));
    assert_eq!((tally.templates, tally.rejected), (2, 1));
    assert!(got.iter().all(|g| g.flag & flag::DUPLICATE == 0));
}

#[test]
fn a_mate_without_a_place_stands_beside_its_mate() {
    let mut copies = [
        pair("x", 20, 60, "AAAA", true),
        pair("y", 20, 60, "AAAA", true),
    ]
    .concat();
    for read in [1, 3] {
        copies[read].flag = flag::PAIRED | flag::UNMAPPED | flag::SECOND;
        copies[read].pos = 20;
        copies[read].cigar.clear();
        copies[read - 1].flag = flag::PAIRED | flag::MATE_UNMAPPED | flag::FIRST;
        copies[read - 1].mate_pos = 20;
    }
    let got = consensus(&copies);
    assert_eq!(got.len(), 2);
    assert_eq!((got[0].flag, got[1].flag), (73, 133));
    assert_eq!(
        (got[1].pos, got[1].cigar.as_str(), got[1].tag("cD")),
        (20, "*", Some("2"))
    );
    assert_eq!(
        (got[1].tag("MC"), got[0].tag("MC"), got[0].template_len),
        (Some("10M"), None, 0)
    );
}

#[test]
fn single_reads_have_one_end() {
    let mut reads = [
        pair("x", 20, 60, "AAAA", true),
        pair("y", 20, 70, "AAAA", true),
    ]
    .concat();
    reads.retain(|r| r.flag & flag::FIRST != 0);
    for read in &mut reads {
        read.flag = 0;
    }
    let got = consensus(&reads);
    assert_eq!(
        (got.len(), got[0].flag, got[0].tag("cD")),
        (1, 0, Some("2"))
    );
}

#[test]
fn numbers_of_a_grouper_count_instead_of_umis() {
    let mut reads = [
        pair("w", 20, 60, "AAAA-CCCC", true),
        pair("x", 20, 60, "GGGG-TTTT", false),
        pair("y", 20, 60, "AAAA-CCCC", true),
    ]
    .concat();
    for (read, number) in reads
        .iter_mut()
        .zip(["7/A", "7/A", "7/B", "7/B", "8/A", "8/A"])
    {
        read.tags.push((*b"MI", number.into()));
    }
    let (got, tally) = consensus_by(&reads, |_| {});
    assert_eq!((got.len(), tally.duplex), (4, 1));
    assert_eq!(
        (got[0].tag("cD"), got[0].tag("RX")),
        (Some("2"), Some("AAAA-CCCC"))
    );
    // Without the strands' letters, strands stay apart.
    for read in &mut reads {
        read.tags[2].1.truncate(1);
    }
    assert_eq!(consensus_by(&reads, |_| {}).1.molecules, 3);
}

#[test]
fn unaligned_reads_are_as_they_were_sequenced_and_mates_follow_each_other() {
    let mut copies = [
        pair("x", 20, 60, "AAAA", false),
        pair("y", 20, 60, "AAAA", false),
        pair("z", 25, 70, "AAAA", true),
    ]
    .concat();
    copies[1].bases[0] = b'N';
    let folder = tempfile::tempdir().unwrap();
    let mut options = Options::new(
        bam_of(folder.path(), &copies),
        folder.path().join("out.bam"),
    );
    options.unaligned = true;
    run(&options).unwrap();
    let (text, got) = read_back(&options.output);
    assert!(
        text.starts_with("@HD\tVN:1.6\tSO:unsorted\tGO:query\n@RG"),
        "{text}"
    );
    assert!(text.contains("PP:p\t") && !text.contains("@SQ"), "{text}");
    let flags: Vec<u16> = got.iter().map(|g| g.flag).collect();
    assert_eq!(flags, [77, 141, 77, 141]);
    // Mate 1 of x and y is the reverse read.
    let turned = crate::domain::bases::reverse_complement(&GENOME[50..60]);
    assert_eq!((got[0].pos, got[0].bases.as_bytes()), (-1, &turned[..]));
    assert_eq!(got[0].tag("cd"), Some("s,2,2,2,2,2,2,2,2,2,1"));
    assert_eq!(
        (got[1].bases.as_bytes(), got[1].tag("MC")),
        (&GENOME[20..30], None)
    );
}

#[test]
fn what_cannot_be_used_is_told_with_a_remedy() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let good = [
        pair("x", 20, 60, "AAAA", true),
        pair("y", 30, 60, "AAAA", true),
    ]
    .concat();
    let refused = |reads: &[Given]| refused_by(bam_of(folder, reads), |_| {});
    let has = |message: &str, parts: &[&str]| {
        assert!(parts.iter().all(|p| message.contains(p)), "{message}");
    };
    let mut bare = good.clone();
    for read in &mut bare {
        read.tags.truncate(1);
    }
    has(
        &refused(&bare),
        &[
            "in.bam",
            "none of its first 2",
            "theralign align --umi name",
        ],
    );
    has(
        &refused(&good[..3]),
        &["record 2", "mate of y", "samtools view -P"],
    );
    let mut twice = good.clone();
    twice[1].flag ^= flag::FIRST | flag::SECOND;
    has(
        &refused(&twice),
        &["record 3", "not one mate 1 and one mate 2"],
    );
    let backwards: Vec<&Given> = good.iter().rev().collect();
    let message = refused_by(unsorted_bam_of(folder, &backwards), |_| {});
    has(&message, &["record 2", "not sorted", "samtools sort"]);
    let duplex = |o: &mut Options| o.grouping = Grouping::Duplex;
    let message = refused_by(bam_of(folder, &good), duplex);
    has(&message, &["record", "UMI AAAA has one part", "--duplex"]);
    let path = bam_of(folder, &good);
    let bytes = std::fs::read(&path).unwrap();
    std::fs::write(&path, &bytes[..bytes.len() - bgzf::END.len()]).unwrap();
    has(
        &refused_by(path.clone(), |_| {}),
        &["end mark", "cut short"],
    );
    std::fs::write(&path, b"@HD\tVN:1.6\n").unwrap();
    has(&refused_by(path, |_| {}), &["this is not BAM"]);
}

#[test]
fn templates_without_a_clear_umi_are_left_out_and_counted() {
    let mut reads = [
        pair("x", 20, 60, "AAAA", true),
        pair("y", 20, 60, "AANA", true),
        pair("z", 20, 60, "AAAA", true),
    ]
    .concat();
    reads[4].tags.pop();
    reads[5].tags.pop();
    let (got, tally) = consensus_by(&reads, |_| {});
    assert_eq!((got.len(), got[0].tag("cD")), (2, Some("1")));
    assert_eq!(
        (tally.unclear_umi, tally.without_umi, tally.templates),
        (1, 1, 3)
    );
}

/// Templates at random places, some of them copies, with errors.
fn many() -> Vec<Given> {
    let mut state = 1u64;
    let mut random = move |n: u64| {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        (state >> 33) % n
    };
    let mut reads = Vec::new();
    for i in 0..4000 {
        let start = random(4) as u32;
        let end = start + 20 + random(4) as u32;
        let one_low = random(2) == 0;
        let umi = [
            "AAAA-CCCC",
            "CCCC-AAAA",
            "AAAT-CCCC",
            "GGTT-ACAC",
            "TTTT-TTTT",
        ][random(5) as usize];
        let mut both = pair(&format!("t{i}"), start, end, umi, one_low);
        let far = random(40) as u32 * 1000;
        for read in &mut both {
            read.bases[random(10) as usize] = b"ACGT"[random(4) as usize];
            read.quals[random(10) as usize] = random(40) as u8;
            read.pos += far;
            read.mate_pos += far;
        }
        reads.extend(both);
    }
    reads
}

#[test]
fn threads_change_no_byte() {
    let folder = tempfile::tempdir().unwrap();
    let input = bam_of(folder.path(), &many());
    for unaligned in [false, true] {
        let outputs = [1, 2, 7].map(|threads| {
            let mut options = Options::new(input.clone(), folder.path().join("out.bam"));
            options.threads = threads;
            options.unaligned = unaligned;
            let tally = run(&options).unwrap();
            assert!(tally.duplex > 100 && tally.molecules > 1000, "{tally:?}");
            (std::fs::read(&options.output).unwrap(), tally)
        });
        assert!(outputs.iter().all(|o| *o == outputs[0]));
    }
}

#[test]
fn every_molecule_has_a_number_and_a_name_of_its_own() {
    let (got, tally) = consensus_by(&many(), |_| {});
    let count = |of: fn(&Got) -> String| {
        let all: std::collections::HashSet<String> = got.iter().map(of).collect();
        all.len() as u64
    };
    assert_eq!(count(|g| g.tag("MI").unwrap().into()), tally.molecules);
    assert_eq!(count(|g| g.name.clone()), tally.molecules);
    assert_eq!(got.len() as u64, 2 * tally.molecules);
    let sizes = tally.family_sizes.iter();
    assert_eq!(
        sizes.map(|(size, n)| size * n.molecules).sum::<u64>(),
        tally.templates
    );
}

#[test]
fn groups_are_let_go_while_the_file_is_still_read() {
    let folder = tempfile::tempdir().unwrap();
    let input = bam_of(folder.path(), &many());
    let options = Options::new(input, PathBuf::new());
    let mut templates = Templates::open(&options).unwrap();
    let first = templates.next_batch(1).unwrap().unwrap();
    assert!(!first.is_empty());
    // The next records lie 1,000 bases on, those that end the wait 5,000.
    assert!(
        templates.reader().done() < 2000,
        "{}",
        templates.reader().done()
    );
    let mut held: usize = first.iter().map(|g| g.templates.len()).sum();
    while let Some(groups) = templates.next_batch(1).unwrap() {
        held += groups.iter().map(|g| g.templates.len()).sum::<usize>();
    }
    assert_eq!(held, 4000);
}
