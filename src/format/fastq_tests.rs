use super::*;
use crate::format::bgzf;
use flate2::{Compression, write::GzEncoder};
use proptest::prelude::*;
use std::io::Write;
use tempfile::TempDir;

/// Writes the files, reads them in batches of `batch_templates`, and gives everything in one batch.
fn read(files: &[&[u8]], pairing: Pairing, batch_templates: usize) -> Result<ReadBatch> {
    let folder = TempDir::new().unwrap();
    let paths: Vec<_> = (1..=files.len())
        .map(|i| folder.path().join(format!("r{i}.fq")))
        .collect();
    for (path, bytes) in paths.iter().zip(files) {
        std::fs::write(path, bytes).unwrap();
    }
    let mut reader = FastqReader::open(&paths, pairing, batch_templates)?;
    let mut all = ReadBatch::default();
    let mut number = 0;
    while let Some(batch) = reader.next_batch()? {
        assert!(!batch.is_empty() && batch.templates() <= batch_templates);
        assert_eq!(batch.number, number);
        assert_eq!(batch.first_template, all.templates() as u64);
        number += 1;
        let (names, bases) = (all.names.len() as u32, all.bases.len() as u32);
        all.names.extend(&batch.names);
        all.bases.extend(&batch.bases);
        all.quals.extend(&batch.quals);
        all.name_ends
            .extend(batch.name_ends.iter().map(|e| e + names));
        all.read_ends
            .extend(batch.read_ends.iter().map(|e| e + bases));
        (all.paired, all.lane) = (batch.paired, batch.lane);
    }
    Ok(all)
}

fn message(files: &[&[u8]], pairing: Pairing) -> String {
    read(files, pairing, 2).unwrap_err().to_string()
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

/// `n` records with mate suffix `mate`, long enough to span chunks if `n` is large.
fn records(n: usize, mate: &str) -> Vec<u8> {
    let mut text = Vec::new();
    for i in 0..n {
        let length = i % 151;
        let bases: String = (0..length)
            .map(|j| ['A', 'C', 'G', 'T'][(i + j * j) % 4])
            .collect();
        let quals: String = (0..length)
            .map(|j| (33 + (i + j) as u8 % 94) as char)
            .collect();
        writeln!(text, "@r{i}{mate} x:{i}\n{bases}\n+\n{quals}").unwrap();
    }
    text
}

#[test]
fn a_record_becomes_name_upper_case_bases_and_phred_values() {
    let b = read(
        &[b"@a/1 comment\nacgtnR.u\n+a\n!5AI~~~~\n"],
        Pairing::Single,
        9,
    )
    .unwrap();
    assert_eq!((b.name(0), b.bases(0)), (&b"a"[..], &b"ACGTNRNT"[..]));
    assert_eq!(b.quals(0), [0, 20, 32, 40, 93, 93, 93, 93]);
}

#[test]
fn line_ends_blank_tails_and_empty_reads_are_taken() {
    let plain = read(
        &[b"@a\nAC\n+\nII\n@b\n\n+\n\n@c\nG\n+\nI\n"],
        Pairing::Single,
        2,
    )
    .unwrap();
    assert_eq!((plain.templates(), plain.read_len(1)), (3, 0));
    for text in [
        &b"@a\r\nAC\r\n+\r\nII\r\n@b\r\n\r\n+\r\n\r\n@c\r\nG\r\n+\r\nI\r\n"[..],
        b"@a\nAC\n+\nII\n@b\n\n+\n\n@c\nG\n+\nI",
        b"@a\nAC\n+\nII\n@b\n\n+b\n\n@c\nG\n+c\nI\n\n\r\n \n",
    ] {
        assert_eq!(read(&[text], Pairing::Single, 2).unwrap(), plain);
    }
    let last_is_empty = read(&[b"@a\nAC\n+\nII\n@b\n\n+"], Pairing::Single, 2).unwrap();
    assert_eq!(last_is_empty.templates(), 2);
}

#[test]
fn pairs_are_the_same_from_two_files_and_from_one() {
    let (one, two) = (records(20_000, "/1"), records(20_000, "/2"));
    let pairs = read(&[&one, &two], Pairing::Paired, 333).unwrap();
    assert_eq!((pairs.templates(), pairs.reads()), (20_000, 40_000));
    assert_eq!(
        (pairs.name(19_999), pairs.bases(300)),
        (&b"r19999"[..], pairs.bases(301))
    );
    let lines = |t: &[u8]| -> Vec<Vec<u8>> {
        t.split_inclusive(|&c| c == b'\n')
            .map(<[u8]>::to_vec)
            .collect()
    };
    let (a, b) = (lines(&one), lines(&two));
    let interleaved: Vec<u8> = (a.chunks(4).zip(b.chunks(4)))
        .flat_map(|(x, y)| [x.concat(), y.concat()].concat())
        .collect();
    assert_eq!(
        read(&[&interleaved], Pairing::Interleaved, 1000).unwrap(),
        pairs
    );
}

#[test]
fn gzip_members_read_as_one_file() {
    let text = records(5_000, "");
    let (head, tail) = text.split_at(123_457);
    let members = [gzip(head), gzip(b""), gzip(tail), gzip(b"")].concat();
    let plain = read(&[&text], Pairing::Single, 100).unwrap();
    assert_eq!(read(&[&members], Pairing::Single, 77).unwrap(), plain);
    let blocks = |bytes| bgzf::compressed(bytes, 1);
    let joined = [blocks(head), blocks(tail)].concat(); // an end mark in the middle
    assert_eq!(read(&[&joined], Pairing::Single, 77).unwrap(), plain);
    let mixed = [blocks(head), gzip(tail)].concat();
    assert_eq!(read(&[&mixed], Pairing::Single, 77).unwrap(), plain);
}

#[test]
fn lanes_follow_one_another_and_batches_do_not_mix_them() {
    let (a1, a2, b1, b2) = (
        records(3, " 1"),
        records(3, " 2"),
        records(2, ""),
        records(2, ""),
    );
    let folder = TempDir::new().unwrap();
    let paths: Vec<_> = [&a1, &a2, &b1, &b2]
        .iter()
        .enumerate()
        .map(|(i, bytes)| {
            let path = folder.path().join(i.to_string());
            std::fs::write(&path, bytes).unwrap();
            path
        })
        .collect();
    let mut reader = FastqReader::open(&paths, Pairing::Paired, 2).unwrap();
    let mut seen = Vec::new();
    while let Some(b) = reader.next_batch().unwrap() {
        seen.push((b.number, b.lane, b.first_template, b.templates()));
    }
    assert_eq!(seen, [(0, 0, 0, 2), (1, 0, 2, 1), (2, 1, 3, 2)]);
}

#[test]
fn mates_are_known_by_their_names() {
    let pair = |a: &str, b: &str| {
        let text = |n: &str| format!("@{n}\nA\n+\nI\n").into_bytes();
        read(&[&text(a), &text(b)], Pairing::Paired, 9).map(|b| b.name(0).to_vec())
    };
    for (a, b, name) in [
        ("x/1", "x/2", "x"),
        ("x.1", "x.2", "x"),
        ("x.1 c", "x.1 d", "x.1"),
        ("x 1:N:0", "x 2:N:0", "x"),
        ("x/1\tc", "x/2 d", "x"),
        ("1", "1", "1"),
        ("/1", "/1", "/1"),
    ] {
        assert_eq!(pair(a, b).unwrap(), name.as_bytes(), "{a} {b}");
    }
    for (a, b, part) in [
        (
            "x/1",
            "y/2",
            "record 1: this mate is named 'y/2', the one before it 'x/1'",
        ),
        ("x/1", "x", "named 'x'"),
        ("x.1", "x/2", "named 'x/2'"),
        ("x1", "x2", "named 'x2'"),
        ("x/2", "x/1", "swapped"),
        ("/1", "/2", "named '/2'"),
    ] {
        let message = pair(a, b).unwrap_err().to_string();
        assert!(message.contains(part), "{message}");
    }
}

#[test]
fn what_is_wrong_is_named_with_file_record_and_remedy() {
    let long = [
        b"@a\n".to_vec(),
        vec![b'A'; MAX_READ + 1],
        b"\n+\n".to_vec(),
        vec![b'I'; MAX_READ + 1],
        b"\n".to_vec(),
    ]
    .concat();
    let longest = [
        b"@a\n".to_vec(),
        vec![b'A'; MAX_READ],
        b"\n+\n".to_vec(),
        vec![b'I'; MAX_READ],
        b"\n".to_vec(),
    ]
    .concat();
    assert_eq!(
        read(&[&longest], Pairing::Single, 1).unwrap().read_len(0),
        MAX_READ
    );
    let long_name = format!("@{}\nA\n+\nI\n", "n".repeat(255));
    for (text, part) in [
        (
            &b"@a\nACG\n+\nII\n@b\nA\n+\nI\n"[..],
            "r1.fq, record 1: 3 bases but 2 qualities. ",
        ),
        (
            b"@a\nA\n+\nI\n@b\nAC\n+\nIII\n",
            "r1.fq, record 2: 2 bases but 3 qualities. ",
        ),
        (b"@a\nACG\n+\nI\x1fI\n", "'\\x1f' (code 31) as quality 2"),
        (b"@a\nACG\n+\nI I\n", "' ' (code 32) as quality 2"),
        (b"@a\nACG\n+\nI\nI\n", "3 bases but 1 qualities"),
        (b"@a\nA-G\n+\nIII\n", "'-' as base 2"),
        (b"@a\nAEG\n+\nIII\n", "'E' as base 2"),
        (
            b"@a\nACG\nIII\n@b\n",
            "the third line starts with 'I', not with '+'",
        ),
        (
            b"a\nACG\n+\nIII\n",
            "record 1: the record starts with 'a', not with '@'",
        ),
        (
            b"@a\nA\n+\nI\n\n@b\nA\n+\nI\n",
            "record 2: the record starts with '\\n'",
        ),
        (
            b"@a\nA\n+\nI\n@b\nACG\n+\nI",
            "record 2: the file ends within this record",
        ),
        (
            b"@a\nA\n+\nI\n@b\nACG\n+\n",
            "record 2: the file ends within this record",
        ),
        (
            b"@a\nA\n+\nI\n@b\nACG",
            "record 2: the file ends within this record",
        ),
        (
            b"@a\nA\n+\nI\n@b",
            "record 2: the file ends within this record",
        ),
        (b"@ a\nA\n+\nI\n", "has no name"),
        (b"@a\xff\nA\n+\nI\n", "'a\\xff'"),
        (long_name.as_bytes(), "a name of 255 characters"),
        (b">a\nACGT\n", "this is FASTA, not FASTQ"),
        (b"@HD\tVN:1.6\n@SQ\tSN:1\tLN:9\n", "this is SAM, not FASTQ"),
        (b"BAM\x01\x00\x00", "this is BAM, not FASTQ"),
        (
            b"\x00\x01\x02\n\n\n",
            "record 1: the record starts with '\\x00'",
        ),
        (
            &vec![b'@'; 3 << 20],
            "no end of the record within 262,144 bytes",
        ),
        (&long, "record 1: a read of 65,536 bases"),
        (b"", "r1.fq: no FASTQ record"),
        (b"\n\n", "r1.fq: no FASTQ record"),
    ] {
        let message = message(&[text], Pairing::Single);
        assert!(message.contains(part), "{message}\nshould say {part}");
        assert!(message.ends_with(|c: char| c == '.' || c.is_alphanumeric() || c == ')'));
    }
}

#[test]
fn a_file_that_ends_before_its_mate_is_named() {
    let (three, two) = (records(3, ""), records(2, ""));
    let shorter = message(&[&three, &two], Pairing::Paired);
    assert!(
        shorter.contains("r2.fq, record 3: the file ends after 2 records, but"),
        "{shorter}"
    );
    let longer = message(&[&two, &three], Pairing::Paired);
    assert!(
        longer.contains("r1.fq, record 3: the file ends after 2 records, but"),
        "{longer}"
    );
    let empty = message(&[b"", b""], Pairing::Paired);
    assert!(empty.contains("r1.fq: no FASTQ record"), "{empty}");
    let odd = message(
        &[&[&two[..], b"@z\nA\n+\nI\n"].concat()],
        Pairing::Interleaved,
    );
    assert!(odd.contains("record 2: this mate is named 'r1'"), "{odd}");
    let odd = message(&[b"@z\nA\n+\nI\n"], Pairing::Interleaved);
    assert!(
        odd.contains("record 1: the last record has no mate"),
        "{odd}"
    );
}

#[test]
fn damaged_gzip_is_an_error_and_says_how_far_it_got() {
    let text = records(20_000, "");
    let whole = gzip(&text);
    for keep in [whole.len() - 1, whole.len() - 9, whole.len() / 2, 30, 12] {
        let m = message(&[&whole[..keep]], Pairing::Single);
        assert!(
            m.contains("end too early, after ") && m.contains("try: gzip -t"),
            "{m}"
        );
    }
    let blocks = bgzf::compressed(&text, 1);
    for keep in [blocks.len() - 29, blocks.len() / 2, 20] {
        let m = message(&[&blocks[..keep]], Pairing::Single);
        assert!(m.contains("end too early, after "), "{m}");
    }
    let mut flipped = blocks.clone();
    flipped[blocks.len() / 2] ^= 0x55;
    let m = message(&[&flipped], Pairing::Single);
    assert!(m.contains("damaged (a BGZF block"), "{m}");
    let mut flipped = whole.clone();
    flipped[whole.len() / 2] ^= 0x55;
    let m = message(&[&flipped], Pairing::Single);
    assert!(m.contains("record "), "{m}");
    let mut wrong_sum = whole.clone();
    wrong_sum[whole.len() - 6] ^= 1;
    let m = message(&[&wrong_sum], Pairing::Single);
    assert!(
        m.contains("damaged") && m.contains("after 20,000 whole records"),
        "{m}"
    );
}

#[test]
fn the_list_of_files_is_checked_before_anything_is_read() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("r.fq");
    std::fs::write(&path, b"@a\nA\n+\nI\n").unwrap();
    let open = |paths: &[PathBuf], pairing| {
        FastqReader::open(paths, pairing, 1)
            .err()
            .expect("an error")
            .to_string()
    };
    let other_way = folder.path().join(".").join("r.fq");
    assert!(open(&[path.clone(), other_way], Pairing::Paired).contains("given twice"));
    assert!(
        open(&["-".into(), "-".into()], Pairing::Paired).contains("standard input is given twice")
    );
    assert!(open(&[folder.path().into()], Pairing::Single).contains("is a folder"));
    assert!(open(&[folder.path().join("no")], Pairing::Single).contains("no: "));
    assert!(open(&["a".into(), "b".into(), "c".into()], Pairing::Paired).contains("3 FASTQ files"));
    assert!(open(&[], Pairing::Single).contains("no FASTQ file"));
}

/// Tags of each read of one template.
fn tags_of(files: &[&[u8]], umi: Option<Umi>, comments: bool) -> Result<Vec<String>> {
    let folder = TempDir::new().unwrap();
    let paths: Vec<_> = (0..files.len())
        .map(|i| folder.path().join(format!("{i}.fq")))
        .collect();
    for (path, bytes) in paths.iter().zip(files) {
        std::fs::write(path, bytes).unwrap();
    }
    let reader = FastqReader::open(&paths, Pairing::of_files(files.len()).unwrap(), 1).unwrap();
    let batch = reader.with(Extras { umi, comments }).next_batch()?.unwrap();
    let of_read = (0..batch.reads()).map(|r| {
        let each = tags::split(batch.tags(r)).map(|t| {
            let crate::format::sam::TagValue::Bam(kind, bytes) = t.value else {
                unreachable!("tags of the input are kept as BAM has them");
            };
            let mut text = [&t.name[..], b":"].concat();
            tags::write_sam(kind, bytes, &mut text);
            String::from_utf8(text).unwrap()
        });
        each.collect::<Vec<_>>().join(" ")
    });
    Ok(of_read.collect())
}

#[test]
fn umis_and_comments_become_tags_of_both_mates() {
    let named: [&[u8]; 2] = [
        b"@a:ac+GT 1:N:0:TT\nA\n+\nI\n",
        b"@a:ac+GT 2:N:0:TT\nA\n+\nI\n",
    ];
    assert_eq!(tags_of(&named, None, false).unwrap(), ["", ""]);
    assert_eq!(
        tags_of(&named, Some(Umi::Name), false).unwrap(),
        ["RX:Z:AC-GT"; 2]
    );
    let m = tags_of(&named, Some(Umi::Comment), false)
        .unwrap_err()
        .to_string();
    assert!(m.contains("0.fq, record 1") && m.contains("no UMI"), "{m}");
    let m = tags_of(&named, None, true).unwrap_err().to_string();
    assert!(
        m.contains("no field of SAM in the comment: '1:N:0:TT'"),
        "{m}"
    );

    let tagged: [&[u8]; 2] = [
        b"@a\tRX:Z:AC\tQX:Z:FF\tNM:i:3\tRG:Z:q\r\nA\r\n+\r\nI\r\n",
        b"@a\tRX:Z:GT\r\nA\r\n+\r\nI\r\n",
    ];
    assert_eq!(
        tags_of(&tagged, None, true).unwrap(),
        ["RX:Z:AC QX:Z:FF", "RX:Z:GT"]
    );
    assert_eq!(
        tags_of(&tagged, Some(Umi::Comment), true).unwrap(),
        ["QX:Z:FF RX:Z:AC-GT", "RX:Z:AC-GT"]
    );
    assert_eq!(
        tags_of(&tagged[1..], Some(Umi::Comment), false).unwrap(),
        ["RX:Z:GT"]
    );
    let m = tags_of(&tagged, Some(Umi::Name), false)
        .unwrap_err()
        .to_string();
    assert!(
        m.contains("record 1: no UMI behind the last colon of the name 'a'"),
        "{m}"
    );
}

/// The definition, without speed: lines in fours.
fn plain(text: &[u8]) -> Option<Vec<(Vec<u8>, Vec<u8>)>> {
    let lines: Vec<&[u8]> = text.strip_suffix(b"\n")?.split(|&c| c == b'\n').collect();
    lines
        .chunks(4)
        .map(|l| match l {
            [name, bases, plus, quals]
                if name.len() > 1
                    && name[0] == b'@'
                    && plus.first() == Some(&b'+')
                    && bases.len() == quals.len() =>
            {
                Some((
                    bases.to_vec(),
                    quals.iter().map(|q| q.wrapping_sub(33)).collect(),
                ))
            }
            _ => None,
        })
        .collect()
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(300) })]

    #[test]
    fn arbitrary_bytes_end_in_reads_or_an_error(bytes in proptest::collection::vec(any::<u8>(), 0..2000), paired: bool) {
        let pairing = if paired { Pairing::Interleaved } else { Pairing::Single };
        let _ = read(&[&bytes], pairing, 3);
        let _ = read(&[&[&[0x1f, 0x8b, 8, 0][..], &bytes].concat()], pairing, 3);
    }

    #[test]
    fn bytes_of_the_alphabet_end_in_reads_or_an_error(
        bytes in proptest::collection::vec(proptest::sample::select(&b"@+\n\r\nAI >/1"[..]), 0..200)
    ) {
        if let Ok(all) = read(&[&bytes], Pairing::Single, 3) {
            prop_assert!(all.templates() > 0);
            prop_assert_eq!(all.bases.len(), all.quals.len());
        }
    }

    #[test]
    fn a_changed_file_is_read_as_the_definition_says_or_refused(
        n in 1usize..12, at: proptest::sample::Index, byte: u8, kind in 0..3
    ) {
        let mut text = records(n, "");
        let at = at.index(text.len());
        match kind {
            0 => text[at] = byte,
            1 => { text.remove(at); }
            _ => text.insert(at, byte),
        }
        if let (Ok(all), Some(truth)) = (read(&[&text], Pairing::Single, 5), plain(&text))
            && !text.contains(&b'\r') {
            prop_assert_eq!(all.reads(), truth.len());
            for (r, (bases, quals)) in truth.iter().enumerate() {
                prop_assert_eq!(all.quals(r), &quals[..]);
                prop_assert_eq!(all.read_len(r), bases.len());
            }
        }
    }
}
