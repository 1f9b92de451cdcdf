use super::*;
use crate::domain::{CigarOp, ContigId, Pos};
use crate::format::bam::write_bam;
use crate::format::bgzf;
use crate::format::sam::{Record, Tag};
use proptest::prelude::*;
use tempfile::TempDir;

const HEADER: &str = "@HD\tVN:1.6\tSO:unsorted\n@RG\tID:a\tSM:s\tLB:l1\n@RG\tID:b\tSM:s\tLB:l2\n";
const PAIRED_UNMAPPED: u16 = flag::PAIRED | flag::UNMAPPED | flag::MATE_UNMAPPED;

fn tag(name: [u8; 2], text: &'static str) -> Tag<'static> {
    Tag {
        name,
        value: TagValue::Text(text.as_bytes()),
    }
}

fn record(name: &str, flag: u16, bases: &str, tags: &[Tag]) -> Vec<u8> {
    let mut out = Vec::new();
    let quals: Vec<u8> = (0..bases.len() as u8).collect();
    let aligned = flag & flag::UNMAPPED == 0;
    let cigar = [(bases.len() as u32, CigarOp::Match)];
    write_bam(
        &Record {
            name: name.as_bytes(),
            flag,
            contig: aligned.then_some(ContigId(0)),
            pos: aligned.then_some(Pos(10)),
            mapq: 0,
            cigar: if aligned { &cigar } else { &[] },
            mate_contig: None,
            mate_pos: None,
            template_len: 0,
            bases: bases.as_bytes(),
            quals: &quals,
            tags,
        },
        &mut out,
    );
    out
}

fn bam(header: &str, records: &[Vec<u8>]) -> Vec<u8> {
    let mut bytes = crate::format::bam::header(header, &[]);
    bytes.extend(records.concat());
    bgzf::compressed(&bytes, 1)
}

fn read(file: &[u8], umi: Option<Umi>) -> Result<Vec<ReadBatch>> {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("u.bam");
    std::fs::write(&path, file).unwrap();
    let mut reader = BamReader::open(&[path], 2, true, umi)?;
    let mut batches = Vec::new();
    while let Some(batch) = reader.next_batch()? {
        batches.push(batch);
    }
    Ok(batches)
}

#[test]
fn pairs_come_as_they_were_sequenced_with_the_tags_that_stay_true() {
    let tags = [tag(*b"RX", "AC-GT"), tag(*b"RG", "b"), tag(*b"MD", "4")];
    let aligned = flag::PAIRED | flag::PROPER;
    let file = bam(
        HEADER,
        &[
            record("x", PAIRED_UNMAPPED | flag::FIRST, "ACGTN", &tags),
            record("x", PAIRED_UNMAPPED | flag::SECOND, "GG", &tags[..1]),
            // Aligned and grouped by name: mate 2 first, on the reverse strand, with a part elsewhere.
            record("y", aligned | flag::SECOND | flag::REVERSE, "AACG", &[]),
            record("y", aligned | flag::SECOND | flag::SUPPLEMENTARY, "AA", &[]),
            record("y", aligned | flag::FIRST, "TTT", &tags[1..2]),
            record("z", flag::UNMAPPED, "C", &[]),
        ],
    );
    let batches = read(&file, None).unwrap();
    let [pairs, single] = &batches[..] else {
        panic!("{batches:?}");
    };
    assert!(pairs.paired && !single.paired);
    assert_eq!(
        (pairs.name(0), pairs.name(1), single.name(0)),
        (&b"x"[..], &b"y"[..], &b"z"[..])
    );
    let bases: Vec<&[u8]> = (0..4).map(|r| pairs.bases(r)).collect();
    assert_eq!(bases, [&b"ACGTN"[..], b"GG", b"TTT", b"CGTT"]);
    assert_eq!(
        (pairs.quals(2), pairs.quals(3)),
        (&[0, 1, 2][..], &[3, 2, 1, 0][..])
    );
    let kept = |r: usize| [*b"RX", *b"RG", *b"MD"].map(|name| tags::text_of(pairs.tags(r), name));
    assert_eq!(kept(0), [Some(&b"AC-GT"[..]), Some(b"b"), None]);
    assert_eq!(kept(1), [Some(&b"AC-GT"[..]), None, None]);
    assert_eq!(kept(2), [None, Some(&b"b"[..]), None]);
    assert_eq!(kept(3), [None, None, None]);
    assert_eq!((single.first_template, single.number), (2, 1));
}

#[test]
fn a_umi_of_the_name_replaces_the_one_in_the_tags() {
    let one = record("a:b:ac+GT", flag::UNMAPPED, "C", &[tag(*b"RX", "TT")]);
    let batches = read(&bam(HEADER, &[one]), Some(Umi::Name)).unwrap();
    assert_eq!(
        tags::text_of(batches[0].tags(0), *b"RX"),
        Some(&b"AC-GT"[..])
    );
    let without = bam(HEADER, &[record("a", flag::UNMAPPED, "C", &[])]);
    let m = read(&without, Some(Umi::Name)).unwrap_err().to_string();
    assert!(m.contains("record 1") && m.contains("no UMI"), "{m}");
}

#[test]
fn what_is_wrong_is_named_with_file_record_and_remedy() {
    let first = || record("x", PAIRED_UNMAPPED | flag::FIRST, "A", &[]);
    let other = || record("y", PAIRED_UNMAPPED | flag::SECOND, "A", &[]);
    let sorted = HEADER.replace("unsorted", "coordinate");
    let unknown = record("x", flag::UNMAPPED, "A", &[tag(*b"RG", "c")]);
    let whole = bam(
        HEADER,
        &[
            first(),
            record("x", PAIRED_UNMAPPED | flag::SECOND, "A", &[]),
        ],
    );
    for (file, parts) in [
        (
            bam(HEADER, &[first(), other()]),
            ["record 2", "y follows x", "samtools collate"],
        ),
        (
            bam(HEADER, &[first()]),
            ["record 2", "has no mate", "samtools collate"],
        ),
        (
            bam(HEADER, &[first(), first()]),
            ["record 3", "mate 1 and one mate 2", "fixmate"],
        ),
        (
            bam(&sorted, &[record("x", 0, "A", &[])]),
            ["record 1", "sorted by coordinate", "samtools collate"],
        ),
        (
            bam(HEADER, &[unknown]),
            ["record 1", "no read group c", "-R"],
        ),
        (bam(HEADER, &[]), ["u.bam", "no read", "empty"]),
        (
            whole[..whole.len() - 28].to_vec(),
            ["u.bam", "end mark", "quickcheck"],
        ),
    ] {
        let m = read(&file, None).unwrap_err().to_string();
        for part in parts {
            assert!(
                m.contains("u.bam") && m.contains(part),
                "no {part:?} in: {m}"
            );
        }
    }
}

proptest! {
    #[test]
    fn changed_bytes_end_in_reads_or_an_error(at in 0usize..400, with in 0u8..=255, cut in 0usize..400) {
        let mut bytes = crate::format::bam::header(HEADER, &[]);
        bytes.extend(record("x", PAIRED_UNMAPPED | flag::FIRST, "ACGTN", &[tag(*b"RX", "AC")]));
        bytes.extend(record("x", PAIRED_UNMAPPED | flag::SECOND, "ACGTN", &[tag(*b"RG", "a")]));
        let length = bytes.len();
        bytes[at % length] = with;
        bytes.truncate(length - cut.saturating_sub(300));
        if let Ok(batches) = read(&bgzf::compressed(&bytes, 1), None) {
            for batch in batches {
                prop_assert_eq!(batch.tag_ends.len(), batch.reads());
                prop_assert_eq!(batch.bases.len(), batch.quals.len());
            }
        }
    }
}
