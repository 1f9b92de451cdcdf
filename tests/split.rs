//! What records say of hits beside the best: split reads, other places, and the options that users of bwa know for them.

mod program;

use program::{Folder, theralign};

fn random(n: usize, mut seed: u64) -> Vec<u8> {
    (0..n)
        .map(|_| {
            seed = seed
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            b"ACGT"[(seed >> 60) as usize & 3]
        })
        .collect()
}

fn turned(bases: &[u8]) -> Vec<u8> {
    let complement = |b: &u8| match b {
        b'A' => b'T',
        b'C' => b'G',
        b'G' => b'C',
        _ => b'A',
    };
    bases.iter().rev().map(complement).collect()
}

/// 30 kb; what stands at 5,000 stands at 15,000 again, all but one base in 100 the same, and at
/// 25,000 all but one in 50.
fn genome() -> Vec<u8> {
    let mut genome = random(30_000, 11);
    let block = genome[5000..5400].to_vec();
    for (at, step) in [(15_000, 100), (25_000, 50)] {
        for (i, &b) in block.iter().enumerate() {
            let other = if b == b'A' { b'C' } else { b'A' };
            genome[at + i] = if i % step == 30 { other } else { b };
        }
    }
    genome
}

/// Aligns single reads to [`genome`] with options; gives the records' fields, by read.
fn align(reads: &[Vec<u8>], options: &[&str]) -> Vec<Vec<Vec<String>>> {
    let folder = Folder::new();
    let fasta = format!(">c\n{}\n", String::from_utf8(genome()).unwrap());
    let (fasta, index) = (folder.file("g.fa", fasta), folder.path("g.tidx"));
    theralign(&["index", &fasta, "-o", &index]).fine();
    align_to(&folder, &index, reads, options).1
}

/// The header, and the records' fields by read.
fn align_to(
    folder: &Folder,
    index: &str,
    reads: &[Vec<u8>],
    options: &[&str],
) -> (String, Vec<Vec<Vec<String>>>) {
    let fastq = |(i, bases): (usize, &Vec<u8>)| {
        let text = String::from_utf8(bases.clone()).unwrap();
        format!("@r{i}\n{text}\n+\n{}\n", "I".repeat(bases.len()))
    };
    let text: String = reads.iter().enumerate().map(fastq).collect();
    let reads_file = folder.file("r.fq", text);
    let fixed = ["align", "-x", index, "--device", "cpu", &reads_file];
    let done = theralign(&[&fixed[..], options].concat()).fine();
    let text = String::from_utf8(done.stdout).unwrap();
    let (header, records): (Vec<&str>, Vec<&str>) = text.lines().partition(|l| l.starts_with('@'));
    let mut out = vec![Vec::new(); reads.len()];
    for record in records {
        let fields: Vec<String> = record.split('\t').map(String::from).collect();
        let read: usize = fields[0][1..].parse().unwrap();
        out[read].push(fields);
    }
    (header.join("\n"), out)
}

fn tag<'a>(record: &'a [String], name: &str) -> Option<&'a str> {
    record[11..].iter().find_map(|t| t.strip_prefix(name))
}

/// A junction of 2,000..2,080 and the reverse complement of 20,000..20,070.
fn junction() -> Vec<u8> {
    let genome = genome();
    [&genome[2000..2080], &turned(&genome[20_000..20_070])].concat()
}

#[test]
fn the_parts_of_a_split_read_name_each_other() {
    let records = &align(&[junction()], &[])[0];
    let [first, second] = &records[..] else {
        panic!("{records:?}");
    };
    assert_eq!((&*first[1], &*first[3]), ("0", "2001"));
    assert_eq!((&*second[1], &*second[3]), ("2064", "20001"));
    assert!(
        second[5].ends_with('H') && second[9].len() < 80,
        "{second:?}"
    );
    let soft = |r: &[String]| r[5].replace('H', "S");
    assert_eq!(
        tag(first, "SA:Z:"),
        Some(&*format!("c,20001,-,{},60,0;", soft(second)))
    );
    assert_eq!(
        tag(second, "SA:Z:"),
        Some(&*format!("c,2001,+,{},60,0;", first[5]))
    );
}

#[test]
fn the_copies_of_a_tandem_duplication_are_found_where_both_begin_or_end_at_one_place() {
    let genome = genome();
    // A unit whose neighbours differ from its ends, so that the parts end where they were cut.
    let cut = |&a: &usize| genome[a - 1] != genome[a + 78] && genome[a + 79] != genome[a];
    let a = (2000..3000).find(cut).unwrap();
    // It is as long as the read's first part, or as its last: one reference start, one end.
    let first = [&genome[a..a + 79], &genome[a..a + 71]].concat();
    let last = [&genome[a + 8..a + 79], &genome[a..a + 79]].concat();
    let records = align(&[first, last], &[]);
    let expected = [
        [(a + 1, "79M71S"), (a + 1, "79H71M")],
        [(a + 1, "71S79M"), (a + 9, "71M79H")],
    ];
    for (of_read, parts) in records.iter().zip(expected) {
        let part = |r: &Vec<String>| (r[3].parse().unwrap(), r[5].clone());
        let found: Vec<(usize, String)> = of_read.iter().map(part).collect();
        assert_eq!(found, parts.map(|(at, cigar)| (at, cigar.to_string())));
        assert!(of_read.iter().all(|r| tag(r, "SA:Z:").is_some()));
    }
}

#[test]
fn soft_clipped_supplementary_records_hold_the_whole_read() {
    let records = &align(&[junction()], &["-Y"])[0];
    assert_eq!(records.len(), 2);
    assert_eq!(records[1][9].as_bytes(), turned(&junction()));
    assert!(!records[1][5].contains('H'), "{records:?}");
}

#[test]
fn the_least_score_is_the_users() {
    let records = &align(&[junction()], &["-T", "100"])[0];
    assert_eq!((records.len(), &*records[0][1]), (1, "4"), "{records:?}");
    let records = &align(&[junction()], &["-T", "80"])[0];
    assert_eq!((records.len(), &*records[0][1]), (1, "0"), "{records:?}");
}

#[test]
fn other_places_are_named_by_xa_or_written() {
    let reads = [genome()[5100..5250].to_vec(), turned(&genome()[9000..9150])];
    let named = align(&reads, &[]);
    // In 5,100..5,250 the copies differ at 130 and 230, and at 130, 180 and 230.
    let copies = "c,+15101,150M,2;c,+25101,150M,3;";
    assert_eq!(named[0].len(), 1);
    assert_eq!(named[0][0][3], "5101");
    assert_eq!(tag(&named[0][0], "XA:Z:"), Some(copies));
    assert_eq!(tag(&named[1][0], "XA:Z:"), None);

    let left_out = align(&reads, &["--xa", "1"]);
    assert_eq!(tag(&left_out[0][0], "XA:Z:"), None);

    let written = align(&reads, &["-a"]);
    assert_eq!((written[0].len(), written[1].len()), (3, 1));
    assert_eq!(tag(&written[0][0], "XA:Z:"), None);
    for (record, pos) in written[0][1..].iter().zip(["15101", "25101"]) {
        let fields = [1, 3, 4, 5, 9, 10].map(|f| &*record[f]);
        assert_eq!(fields, ["256", pos, "0", "150M", "*", "*"]);
    }
    assert_eq!(tag(&written[0][1], "NM:i:"), Some("2"));
}

#[test]
fn an_alternate_locus_takes_no_quality_from_the_primary_assembly() {
    let genome = genome();
    let mut locus = genome[9000..10_000].to_vec();
    locus[500] = if locus[500] == b'A' { b'C' } else { b'A' };
    let own = locus[430..580].to_vec();
    let text = |bases: &[u8]| String::from_utf8(bases.to_vec()).unwrap();
    let fasta = format!(">c_alt\n{}\n>c\n{}\n", text(&locus), text(&genome));
    let reads = [genome[9100..9250].to_vec(), turned(&own)];
    let placed = |records: &[Vec<String>]| {
        let fields = records
            .iter()
            .map(|r| format!("{} {} {}", r[2], r[3], r[4]));
        fields.collect::<Vec<_>>()
    };

    let folder = Folder::new();
    let (fasta, index) = (folder.file("g.fa", fasta), folder.path("g.tidx"));
    theralign(&["index", &fasta, "-o", &index]).fine();
    let (header, records) = align_to(&folder, &index, &reads, &[]);
    assert!(!header.contains("AH:"), "{header}");
    assert!(placed(&records[0])[0].ends_with(" 0"), "{records:?}");

    folder.file("g.fa.alt", "c_alt\t0\tc\t9001\n");
    theralign(&["index", &fasta, "-o", &index]).fine();
    let (header, records) = align_to(&folder, &index, &reads, &[]);
    let with_ah: Vec<&str> = header.lines().filter(|l| l.ends_with("\tAH:*")).collect();
    assert!(
        with_ah.len() == 1 && with_ah[0].contains("SN:c_alt\t"),
        "{header}"
    );
    assert_eq!(placed(&records[0]), ["c 9101 60"]);
    assert_eq!(tag(&records[0][0], "XA:Z:"), Some("c_alt,+101,150M,0;"));
    // A read of the alternate locus alone goes there, and is as doubtful as the likeness is great.
    let [place] = &placed(&records[1])[..] else {
        panic!("{records:?}");
    };
    assert!(
        place.starts_with("c_alt 431 ") && !place.ends_with(" 60"),
        "{place}"
    );

    // Pairs likewise.
    let pair = |name: &str, bases: &[u8]| {
        let bases = text(bases);
        format!("@{name}\n{bases}\n+\n{}\n", "I".repeat(bases.len()))
    };
    let [r1, r2] = [
        pair("p", &genome[9100..9250]),
        pair("p", &turned(&genome[9300..9450])),
    ];
    let (r1, r2) = (folder.file("r1.fq", r1), folder.file("r2.fq", r2));
    let fixed = ["align", "-x", &index, "--device", "cpu", "-I", "350,50"];
    let done = theralign(&[&fixed[..], &[&r1, &r2]].concat()).fine();
    let sam = String::from_utf8(done.stdout).unwrap();
    let places: Vec<String> = sam
        .lines()
        .filter(|l| !l.starts_with('@'))
        .map(|l| l.split('\t').skip(1).take(4).collect::<Vec<_>>().join(" "))
        .collect();
    assert_eq!(places, ["99 c 9101 60", "147 c 9301 60"]);
}

/// Aligns pairs to [`genome`]; gives flag, place and TLEN of each record, and what was said.
fn align_pairs(pairs: &[[Vec<u8>; 2]]) -> (Vec<String>, String) {
    let folder = Folder::new();
    let fasta = format!(">c\n{}\n", String::from_utf8(genome()).unwrap());
    let (fasta, index) = (folder.file("g.fa", fasta), folder.path("g.tidx"));
    theralign(&["index", &fasta, "-o", &index]).fine();
    let [r1, r2] = [0, 1].map(|e| {
        let record = |(i, pair): (usize, &[Vec<u8>; 2])| {
            let bases = String::from_utf8(pair[e].clone()).unwrap();
            format!("@p{i}\n{bases}\n+\n{}\n", "I".repeat(bases.len()))
        };
        let text: String = pairs.iter().enumerate().map(record).collect();
        folder.file(&format!("r{e}.fq"), text)
    });
    let done = theralign(&["align", "-x", &index, "--device", "cpu", &r1, &r2]).fine();
    let sam = String::from_utf8(done.stdout).unwrap();
    let records = sam.lines().filter(|l| !l.starts_with('@')).map(|l| {
        let fields: Vec<&str> = l.split('\t').collect();
        [1, 3, 8].map(|f| fields[f]).join(" ")
    });
    (records.collect(), done.stderr)
}

#[test]
fn mates_that_run_through_each_other_are_proper() {
    let genome = genome();
    // Fragments of 250 to 280 bases and, at the end, one of 100: both reads run 50 bases into adapters.
    let mut pairs: Vec<[Vec<u8>; 2]> = (0..40)
        .map(|i| {
            let at = 6000 + 200 * (i % 20);
            let fragment = &genome[at..at + 250 + i % 31];
            [fragment[..150].to_vec(), turned(fragment)[..150].to_vec()]
        })
        .collect();
    let fragment = &genome[12_000..12_100];
    let (one, other) = (random(50, 5), random(50, 6));
    pairs.push([
        [fragment, &one].concat(),
        [&turned(fragment)[..], &other].concat(),
    ]);
    // Amplicon of 140 bases without its adapters: each read ends where the other begins.
    let fragment = &genome[13_000..13_140];
    pairs.push([fragment.to_vec(), turned(fragment)]);
    let (records, talk) = align_pairs(&pairs);
    assert!(!talk.contains("warning"), "{talk}");
    let ends = &records[records.len() - 4..];
    let flag_and_length = |r: &String| {
        let fields: Vec<&str> = r.split(' ').collect();
        [fields[0], fields[2]].join(" ")
    };
    let ends: Vec<String> = ends.iter().map(flag_and_length).collect();
    assert_eq!(ends, ["99 100", "147 -100", "99 140", "147 -140"]);
}

#[test]
fn pairs_of_another_orientation_are_reported() {
    let genome = genome();
    let pairs: Vec<[Vec<u8>; 2]> = (0..40)
        .map(|i| {
            let at = 6000 + 50 * i;
            let fragment = &genome[at..at + 900];
            [turned(&fragment[..150]), fragment[750..].to_vec()]
        })
        .collect();
    let (records, talk) = align_pairs(&pairs);
    assert!(
        talk.contains("warning: 40 of the first sure pairs face away"),
        "{talk}"
    );
    assert!(records[0].starts_with("81 "), "{records:?}");
}
