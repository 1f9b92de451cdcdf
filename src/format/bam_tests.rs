use super::*;
use crate::domain::{Cigar, CigarOp, ContigId, Pos};
use crate::format::header::{Order, ReadGroup, text};
use crate::format::sam::{Tag, write_sam};
use noodles::sam;
use proptest::prelude::*;

fn contigs() -> Vec<Contig> {
    [
        ("chr1", 248_956_422),
        ("HLA-A*01:01", 3000),
        ("x", 600_000_000),
    ]
    .iter()
    .map(|&(name, length)| Contig {
        name: name.into(),
        length,
        md5: "0123456789abcdef0123456789abcdef".into(),
        alternate: false,
        refget: String::new(),
    })
    .collect()
}

fn header_text() -> String {
    let group = ReadGroup::parse(r"@RG\tID:a\tSM:s").unwrap();
    text(
        Order::Input,
        &contigs(),
        std::slice::from_ref(&group),
        "theralign align -x i r.fq",
    )
}

/// The SAM text that noodles makes of our BAM bytes.
fn through_noodles(record: &Record) -> (String, sam::Header) {
    let mut bytes = header(&header_text(), &contigs());
    write_bam(record, &mut bytes);
    let mut reader = noodles::bam::io::Reader::from(&bytes[..]);
    let header = reader.read_header().unwrap();
    let mut parsed = noodles::sam::alignment::RecordBuf::default();
    assert!(reader.read_record_buf(&header, &mut parsed).unwrap() > 0);
    let mut out = Vec::new();
    let mut writer = sam::io::Writer::new(&mut out);
    noodles::sam::alignment::io::Write::write_alignment_record(&mut writer, &header, &parsed)
        .unwrap();
    (String::from_utf8(out).unwrap(), header)
}

fn ours(record: &Record) -> String {
    let mut out = Vec::new();
    write_sam(record, &contigs(), &mut out);
    String::from_utf8(out).unwrap()
}

const BLANK: Record = Record {
    name: b"r",
    flag: 4,
    contig: None,
    pos: None,
    mapq: 0,
    cigar: &[],
    mate_contig: None,
    mate_pos: None,
    template_len: 0,
    bases: b"",
    quals: b"",
    tags: &[],
};

#[test]
fn the_header_reads_back() {
    let (_, header) = through_noodles(&BLANK);
    assert_eq!(header.reference_sequences().len(), 3);
    assert_eq!(header.read_groups().len(), 1);
    assert_eq!(header.programs().as_ref().len(), 1);
}

#[test]
fn a_record_is_the_line_that_the_specification_gives() {
    let cigar = [
        (3, CigarOp::SoftClip),
        (5, CigarOp::Match),
        (1, CigarOp::Deletion),
        (1, CigarOp::Match),
    ];
    let tags = [
        Tag {
            name: *b"NM",
            value: TagValue::Int(1),
        },
        Tag {
            name: *b"MD",
            value: TagValue::Text(b"5^A1"),
        },
        Tag {
            name: *b"XT",
            value: TagValue::Char(b'U'),
        },
        Tag {
            name: *b"AS",
            value: TagValue::Int(-5),
        },
    ];
    let record = Record {
        name: b"read:1",
        flag: 99,
        contig: Some(ContigId(1)),
        pos: Some(Pos(9)),
        mapq: 60,
        cigar: &cigar,
        mate_contig: Some(ContigId(1)),
        mate_pos: Some(Pos(99)),
        template_len: 200,
        bases: b"ACGTNRACG",
        quals: &[0, 1, 2, 3, 40, 93, 30, 30, 30],
        tags: &tags,
    };
    let line = "read:1\t99\tHLA-A*01:01\t10\t60\t3S5M1D1M\t=\t100\t200\tACGTNRACG\t!\"#$I~???\tNM:i:1\tMD:Z:5^A1\tXT:A:U\tAS:i:-5\n";
    assert_eq!(ours(&record), line);
    assert_eq!(through_noodles(&record).0, line);
    assert_eq!(ours(&BLANK), "r\t4\t*\t0\t0\t*\t*\t0\t0\t*\t*\n");
    assert_eq!(through_noodles(&BLANK).0, ours(&BLANK));
}

#[test]
fn fields_of_the_bytes_are_found() {
    let cigar = [
        (2, CigarOp::HardClip),
        (3, CigarOp::Match),
        (4, CigarOp::Deletion),
        (1, CigarOp::Match),
    ];
    let record = Record {
        name: b"ab",
        contig: Some(ContigId(2)),
        pos: Some(Pos(599_999_990)),
        flag: 0x910,
        cigar: &cigar,
        bases: b"ACGT",
        quals: &[9, 8, 7, 6],
        ..BLANK
    };
    let mut bytes = Vec::new();
    write_bam(&record, &mut bytes);
    write_bam(&BLANK, &mut bytes);
    let records: Vec<_> = RawRecord::split(&bytes).collect();
    assert_eq!(records.len(), 2);
    let r = records[0];
    assert_eq!(
        (r.contig(), r.pos(), r.flag(), r.name()),
        (2, 599_999_990, 0x910, &b"ab"[..])
    );
    assert_eq!((r.reference_len(), r.quals()), (8, &[9, 8, 7, 6][..]));
    assert_eq!(r.cigar().next_back(), Some((1, 0)));
    assert_eq!(
        (records[1].contig(), records[1].pos(), records[1].name()),
        (-1, -1, &b"r"[..])
    );
}

fn any_tag() -> impl Strategy<Value = (String, i64, String, u8)> {
    (
        "[A-Za-z][A-Za-z0-9]",
        prop_oneof![
            -40_000i64..70_000,
            i64::from(i32::MIN)..=i64::from(u32::MAX)
        ],
        "[ -~]{1,20}",
        0..3u8,
    )
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(300) })]

    #[test]
    fn bam_and_sam_say_the_same(
        name in "[!-?A-~]{1,254}", flag in 0u16..0x1000, place in proptest::option::of((0..3u32, 0..3000u32)),
        mate in proptest::option::of((0..3u32, 0..3000u32)), mapq in 0..=254u8, template_len: i32,
        reads in proptest::collection::vec((proptest::sample::select(&b"ACGTNRYSWKMBDHV"[..]), 0..=93u8), 0..200),
        with_quals: bool, tags in proptest::collection::hash_map("[A-Z][a-z0-9]", any_tag(), 0..5), indel in 1..50u32,
    ) {
        let bases: Vec<u8> = reads.iter().map(|r| r.0).collect();
        let quals: Vec<u8> = reads.iter().map(|r| r.1).collect();
        prop_assume!(bases.len() != 1 || quals[0] != 9); // written '*', which is also "no qualities"
        let mut cigar = Cigar::default();
        if place.is_some() {
            let half = bases.len() as u32 / 2;
            cigar.push(half / 2, CigarOp::SoftClip);
            cigar.push(half - half / 2, CigarOp::Match);
            cigar.push(indel, CigarOp::Deletion);
            cigar.push(bases.len() as u32 - half, CigarOp::Insertion);
        }
        let tags: Vec<Tag> = tags.iter().map(|(name, (_, int, text, kind))| Tag {
            name: name.as_bytes().try_into().unwrap(),
            value: match kind {
                0 => TagValue::Int(*int),
                1 => TagValue::Char(text.as_bytes()[0].max(b'!')),
                _ => TagValue::Text(text.as_bytes()),
            },
        }).collect();
        let record = Record {
            name: name.as_bytes(), flag, mapq, template_len, cigar: &cigar.0,
            contig: place.map(|p| ContigId(p.0)), pos: place.map(|p| Pos(p.1)),
            mate_contig: mate.map(|p| ContigId(p.0)), mate_pos: mate.map(|p| Pos(p.1)),
            bases: &bases, quals: if with_quals { &quals } else { &[] }, tags: &tags,
        };
        prop_assume!(name != "*");
        prop_assert_eq!(through_noodles(&record).0, ours(&record));
    }
}
