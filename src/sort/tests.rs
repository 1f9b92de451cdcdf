use super::*;
use crate::domain::{Cigar, CigarOp, ContigId, Pos};
use crate::format::header::{Order, text};
use crate::format::sam::{Record, Tag, TagValue};
use proptest::prelude::*;
use tempfile::TempDir;

fn contigs() -> Vec<Contig> {
    [("a", 40_000), ("b", 1_000_000)]
        .iter()
        .map(|&(name, length)| Contig {
            name: name.into(),
            length,
            md5: "0".repeat(32),
            alternate: false,
            refget: String::new(),
        })
        .collect()
}

fn options(memory: usize, duplicates: Duplicates) -> Options {
    Options {
        memory,
        temporary: None,
        duplicates,
        optical_distance: 100,
        level: 1,
    }
}

/// A read of 10 bases: where (contig, position, reverse, soft clips), quality, further flags.
#[derive(Clone, Debug)]
struct Read {
    place: Option<(u32, u32, bool, u32, u32)>,
    quality: u8,
    flag: u16,
}

fn at(contig: u32, pos: u32, reverse: bool) -> Read {
    clipped(contig, pos, reverse, 0, 0)
}

fn clipped(contig: u32, pos: u32, reverse: bool, left: u32, right: u32) -> Read {
    Read {
        place: Some((contig, pos, reverse, left, right)),
        quality: 30,
        flag: 0,
    }
}

const NOWHERE: Read = Read {
    place: None,
    quality: 30,
    flag: 0,
};

/// Bytes of a template of these reads; two are a pair, of which an unaligned mate stands with the other.
fn template(name: &str, reads: &[Read]) -> Vec<u8> {
    tagged(name, reads, &[])
}

/// The same, with these tags on each record.
fn tagged(name: &str, reads: &[Read], tags: &[(&[u8; 2], &str)]) -> Vec<u8> {
    let tags: Vec<Tag> = tags
        .iter()
        .map(|&(name, text)| Tag {
            name: *name,
            value: TagValue::Text(text.as_bytes()),
        })
        .collect();
    let mut out = Vec::new();
    for (i, read) in reads.iter().enumerate() {
        let mut cigar = Cigar::default();
        let mut flags = read.flag;
        if reads.len() > 1 {
            flags |= flag::PAIRED | if i == 0 { flag::FIRST } else { flag::SECOND };
        }
        if let Some((_, _, reverse, left, right)) = read.place {
            cigar.push(left, CigarOp::SoftClip);
            cigar.push(10 - left - right, CigarOp::Match);
            cigar.push(right, CigarOp::SoftClip);
            flags |= if reverse { flag::REVERSE } else { 0 };
        } else {
            flags |= flag::UNMAPPED;
        }
        let stands = reads.iter().find_map(|r| r.place);
        let (contig, pos) = read
            .place
            .or(stands)
            .map_or((None, None), |p| (Some(ContigId(p.0)), Some(Pos(p.1))));
        bam::write_bam(
            &Record {
                name: name.as_bytes(),
                flag: flags,
                contig,
                pos,
                mapq: 60,
                cigar: &cigar.0,
                mate_contig: None,
                mate_pos: None,
                template_len: 0,
                bases: b"ACGTACGTAC",
                quals: &[read.quality; 10],
                tags: &tags,
            },
            &mut out,
        );
    }
    out
}

/// Sorts templates pushed `cut` at a time; gives the file's bytes, its index's, and the summary.
fn sorted(templates: &[Vec<u8>], options: &Options, cut: usize) -> (Vec<u8>, Vec<u8>, Summary) {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("x.bam");
    let mut sorter = Sorter::new(&path, options, &[]).unwrap();
    for templates in templates.chunks(cut) {
        sorter.push(&templates.concat()).unwrap();
    }
    assert!(!path.exists());
    let (summary, _) = sorter
        .finish(
            &text(Order::Coordinate, &contigs(), &[], "theralign test"),
            &contigs(),
        )
        .unwrap();
    let index = folder.path().join("x.bam.bai");
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 2);
    (
        std::fs::read(path).unwrap(),
        std::fs::read(index).unwrap(),
        summary,
    )
}

/// Names and flags of a BAM's records.
fn records(bam: &[u8]) -> Vec<(String, u16)> {
    let mut reader = noodles::bam::io::Reader::new(bam);
    reader.read_header().unwrap();
    let record = |r: noodles::bam::Record| (r.name().unwrap().to_string(), r.flags().bits());
    reader.records().map(|r| record(r.unwrap())).collect()
}

/// Names of templates that are marked, sorted.
fn marked(templates: &[(&str, &[Read])]) -> Vec<String> {
    let bytes: Vec<_> = templates.iter().map(|(n, r)| template(n, r)).collect();
    let (bam, _, summary) = sorted(&bytes, &options(1 << 20, Duplicates::Mark), 3);
    let mut names: Vec<String> = (records(&bam).into_iter())
        .filter(|(_, flags)| flags & flag::DUPLICATE != 0)
        .map(|(name, _)| name)
        .collect();
    names.sort();
    names.dedup();
    assert_eq!(summary.duplicate_templates, names.len() as u64);
    let (removed, _, _) = sorted(&bytes, &options(1 << 20, Duplicates::Remove), 3);
    let kept = records(&bam)
        .into_iter()
        .filter(|(_, flags)| flags & flag::DUPLICATE == 0);
    assert_eq!(records(&removed), kept.collect::<Vec<_>>());
    names
}

#[test]
fn records_come_by_place_then_strand_then_input_and_those_without_a_place_last() {
    let templates = [
        template("nowhere", &[NOWHERE, NOWHERE]),
        template("second contig", &[at(1, 0, false)]),
        template("reverse", &[at(0, 5, true)]),
        template("half", &[NOWHERE, at(0, 7, false)]),
        template("later", &[at(0, 5, false)]),
        template("later", &[at(0, 5, false)]),
        template("first", &[at(0, 4, true)]),
    ];
    let (bam, _, summary) = sorted(&templates, &options(1 << 20, Duplicates::Off), 2);
    let names: Vec<_> = records(&bam).into_iter().collect();
    let names: Vec<_> = names.iter().map(|(n, f)| (n.as_str(), f & 0xd4)).collect();
    assert_eq!(
        names,
        [
            ("first", 0x10),
            ("later", 0),
            ("later", 0),
            ("reverse", 0x10),
            ("half", 0x44),
            ("half", 0x80),
            ("second contig", 0),
            ("nowhere", 0x44),
            ("nowhere", 0x84)
        ]
    );
    assert_eq!(
        (
            summary.templates,
            summary.records,
            summary.duplicate_templates
        ),
        (7, 9, 0)
    );
}

#[test]
fn pairs_with_both_ends_alike_are_copies_and_the_best_is_kept() {
    let poor = |read: Read| Read {
        quality: 20,
        ..read
    };
    let pair = [at(0, 100, false), at(0, 300, true)];
    let poorer = pair.clone().map(poor);
    let swapped = [pair[1].clone(), pair[0].clone()];
    let other_end = [at(0, 100, false), at(0, 301, true)];
    let other_strand = [at(0, 100, false), at(0, 309, false)];
    let other_contig = [at(0, 100, false), at(1, 300, true)];
    let found = marked(&[
        ("poorer", &poorer),
        ("kept", &pair),
        ("copy", &pair),
        ("swapped", &swapped),
        ("x", &other_end),
        ("y", &other_strand),
        ("z", &other_contig),
    ]);
    assert_eq!(found, ["copy", "poorer", "swapped"]);
}

#[test]
fn clipped_bases_count_towards_the_end_and_low_qualities_not_towards_worth() {
    let found = marked(&[
        ("kept", &[at(0, 100, false), at(0, 300, true)]),
        ("left", &[clipped(0, 103, false, 3, 0), at(0, 300, true)]),
        ("right", &[at(0, 100, false), clipped(0, 300, true, 0, 4)]),
        (
            "inner",
            &[clipped(0, 100, false, 0, 2), clipped(0, 302, true, 2, 0)],
        ),
        ("other", &[clipped(0, 100, false, 3, 0), at(0, 300, true)]),
        (
            "before the start",
            &[clipped(0, 1, false, 3, 0), at(0, 300, true)],
        ),
    ]);
    assert_eq!(found, ["inner", "left", "right"]);
    let quality = |quality| Read {
        quality,
        ..at(0, 100, false)
    };
    assert_eq!(
        marked(&[("a", &[quality(14)]), ("b", &[quality(2)])]),
        ["b"]
    );
    assert_eq!(
        marked(&[("a", &[quality(14)]), ("b", &[quality(15)])]),
        ["a"]
    );
}

#[test]
fn a_read_without_an_aligned_mate_yields_to_pairs_and_then_to_better_ones() {
    let half = [at(0, 100, false), NOWHERE];
    let good = [
        Read {
            quality: 40,
            ..at(0, 100, false)
        },
        NOWHERE,
    ];
    assert_eq!(
        marked(&[("a", &half), ("b", &good), ("c", &half)]),
        ["a", "c"]
    );
    let pair = [at(1, 50, true), at(0, 100, false)];
    assert_eq!(
        marked(&[("a", &half), ("b", &good), ("pair", &pair)]),
        ["a", "b"]
    );
    assert_eq!(
        marked(&[("a", &[NOWHERE, NOWHERE]), ("b", &[NOWHERE, NOWHERE])]),
        [""; 0]
    );
}

#[test]
fn supplementary_records_follow_their_template() {
    let part = Read {
        flag: flag::SUPPLEMENTARY,
        ..at(1, 9, false)
    };
    let one = |name| {
        [
            template(name, &[at(0, 100, false)]),
            template(name, std::slice::from_ref(&part)),
        ]
        .concat()
    };
    let (bam, _, summary) = sorted(
        &[one("kept"), one("copy")],
        &options(1 << 20, Duplicates::Mark),
        1,
    );
    let flags: Vec<_> = records(&bam)
        .into_iter()
        .map(|(n, f)| (n, f & flag::DUPLICATE != 0))
        .collect();
    let expected = [
        ("kept", false),
        ("copy", true),
        ("kept", false),
        ("copy", true),
    ];
    assert_eq!(flags, expected.map(|(n, f)| (n.to_string(), f)));
    assert_eq!(summary.templates, 2);
}

/// Sorts templates of these groups; gives the names of those that are marked, and the figures.
fn marked_of(templates: &[Vec<u8>], groups: &[&str]) -> (Vec<String>, Vec<Counts>) {
    let groups: Vec<_> = groups
        .iter()
        .map(|g| ReadGroup::parse(g).unwrap())
        .collect();
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("x.bam");
    let mut sorter = Sorter::new(&path, &options(1, Duplicates::Mark), &groups).unwrap();
    sorter.push(&templates.concat()).unwrap();
    let (summary, _) = sorter.finish("", &contigs()).unwrap();
    let mut names: Vec<String> = (records(&std::fs::read(path).unwrap()).into_iter())
        .filter(|(_, flags)| flags & flag::DUPLICATE != 0)
        .map(|(name, _)| name)
        .collect();
    names.sort();
    names.dedup();
    (names, summary.libraries)
}

#[test]
fn templates_of_other_umis_are_no_copies_and_strands_of_one_molecule_are() {
    let pair = [at(0, 100, false), at(0, 300, true)];
    let other_strand = [at(0, 300, true), at(0, 100, false)];
    let left = [at(0, 100, false), NOWHERE];
    let right = [at(0, 300, true), NOWHERE];
    let with = |name: &str, reads: &[Read], umi: &str| tagged(name, reads, &[(b"RX", umi)]);
    let (names, counts) = marked_of(
        &[
            with("kept", &pair, "AA-CC"),
            with("copy", &pair, "AA-CC"),
            with("strand", &other_strand, "CC-AA"),
            with("turned", &pair, "CC-AA"),
            with("other", &pair, "AA-CG"),
            template("none", &pair),
            with("left", &left, "AA-CC"),
            with("right", &right, "CC-AA"),
            with("stranger", &left, "AC-CC"),
        ],
        &[],
    );
    assert_eq!(names, ["copy", "left", "right", "strand"]);
    let [c] = &counts[..] else {
        panic!("{counts:?}")
    };
    assert_eq!((c.pairs, c.single_reads, c.unmapped_reads), (6, 3, 3));
    assert_eq!((c.duplicate_pairs, c.duplicate_single_reads), (2, 2));
    // One for both reads: it has no sides.
    let (names, _) = marked_of(
        &[
            with("kept", &pair, "AA"),
            with("copy", &other_strand, "AA"),
            with("right", &right, "AA"),
            with("other", &pair, "CA"),
        ],
        &[],
    );
    assert_eq!(names, ["copy", "right"]);
}

#[test]
fn copies_are_of_one_library_whatever_their_read_groups() {
    let pair = [at(0, 100, false), at(0, 300, true)];
    let of = |name: &str, group: &str| tagged(name, &pair, &[(b"RG", group)]);
    let groups = [r"@RG\tID:a\tLB:x", r"@RG\tID:b\tLB:y", r"@RG\tID:c\tLB:x"];
    let templates = [of("1", "a"), of("2", "b"), of("3", "c"), of("4", "b")];
    let (names, counts) = marked_of(&templates, &groups);
    assert_eq!(names, ["3", "4"]);
    let counts = counts
        .iter()
        .map(|c| (c.library.as_str(), c.pairs, c.duplicate_pairs));
    assert_eq!(counts.collect::<Vec<_>>(), [("x", 2, 1), ("y", 2, 1)]);
}

#[test]
fn copies_beside_each_other_on_the_flow_cell_are_optical() {
    let pair = [at(0, 100, false), at(0, 300, true)];
    let other_strand = [at(0, 300, true), at(0, 100, false)];
    let elsewhere = [at(0, 101, false), at(0, 300, true)];
    let templates = [
        template("M:1:F:1:7:1000:1000", &pair),
        template("M:1:F:1:7:1100:900", &pair),
        template("M:1:F:1:8:1000:1000", &pair),
        template("M:1:F:1:7:5000:1000", &pair),
        template("M:1:F:1:7:5001:1000", &other_strand),
        template("M:1:F:1:7:1001:1001", &elsewhere),
    ];
    let (names, counts) = marked_of(&templates, &[]);
    assert_eq!(names.len(), 4);
    assert_eq!((counts[0].duplicate_pairs, counts[0].optical_pairs), (4, 1));
}

#[test]
fn the_index_finds_what_a_scan_finds() {
    // Contig 1 is too long for BAI the second time.
    for (length, extension) in [(1_000_000, "bai"), (600_000_000, "csi")] {
        let mut contigs = contigs();
        contigs[1].length = length;
        let folder = TempDir::new().unwrap();
        let path = folder.path().join("x.bam");
        for old in ["bai", "csi"] {
            std::fs::write(
                folder.path().join(format!("x.bam.{old}")),
                "of an older file",
            )
            .unwrap();
        }
        let mut sorter = Sorter::new(&path, &options(1 << 20, Duplicates::Off), &[]).unwrap();
        let step = length / 30_000;
        for i in 0..30_000u32 {
            let long = u32::from(i % 3 == 0);
            let pos = i * 7919 % 30_000 * if long == 1 { step } else { 1 };
            let read = at(long, pos, i % 2 == 0);
            sorter.push(&template(&format!("r{i}"), &[read])).unwrap();
        }
        let text = text(Order::Coordinate, &contigs, &[], "theralign test");
        sorter.finish(&text, &contigs).unwrap();
        let index = folder.path().join(format!("x.bam.{extension}"));
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 2);
        match extension {
            "bai" => assert_index(&path, &noodles::bam::bai::fs::read(index).unwrap(), length),
            _ => assert_index(&path, &noodles::csi::fs::read(index).unwrap(), length),
        }
    }
}

/// Compares queries with a scan of the file.
fn assert_index(path: &Path, index: &impl noodles::csi::BinningIndex, length: u32) {
    use noodles::core::{Position, Region};
    let length = length as usize;
    let mut reader = noodles::bam::io::Reader::new(std::fs::File::open(path).unwrap());
    let header = reader.read_header().unwrap();
    let all: Vec<_> = reader.records().map(|r| r.unwrap()).collect();
    for (name, id, start, end) in [
        ("a", 0, 1, 10),
        ("a", 0, 16_380, 16_390),
        ("a", 0, 20_000, 40_000),
        ("b", 1, 1, 1_000),
        ("b", 1, length / 3, length / 2),
        ("b", 1, length - 100, length),
    ] {
        let span = Position::new(start).unwrap()..=Position::new(end).unwrap();
        let region = Region::new(name, span);
        let found = reader.query(&header, index, &region).unwrap().records();
        let found: Vec<_> = found
            .map(|r| r.unwrap().name().unwrap().to_string())
            .collect();
        let truth = all.iter().filter(|r| {
            let pos = r.alignment_start().unwrap().unwrap().get();
            r.reference_sequence_id().unwrap().unwrap() == id && pos <= end && pos + 9 >= start
        });
        let truth: Vec<_> = truth.map(|r| r.name().unwrap().to_string()).collect();
        assert_eq!(found, truth, "{name}:{start}-{end}");
    }
}

#[test]
fn bad_places_are_refused_and_leave_nothing() {
    let folder = TempDir::new().unwrap();
    let missing = Sorter::new(
        &folder.path().join("no/x.bam"),
        &options(1, Duplicates::Off),
        &[],
    );
    assert!(missing.err().unwrap().to_string().contains("must exist"));
    let mut options = options(100, Duplicates::Mark);
    options.temporary = Some(folder.path().join("no"));
    let path = folder.path().join("x.bam");
    let mut sorter = Sorter::new(&path, &options, &[]).unwrap();
    let read = template("r", &[at(0, 5, false)]);
    let e = (0..20).try_for_each(|_| sorter.push(&read)).unwrap_err();
    assert!(e.to_string().contains("/no: "), "{e}");
    drop(sorter);
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
}

/// `/dev/full` takes nothing: every write says that the device is full.
#[cfg(target_os = "linux")]
#[test]
fn a_full_disk_is_an_error_that_says_so() {
    let mut sorter = Sorter::new(
        Path::new("/dev/full"),
        &options(1 << 20, Duplicates::Mark),
        &[],
    )
    .unwrap();
    sorter.push(&template("r", &[at(0, 5, false)])).unwrap();
    let e = sorter.finish("", &contigs()).unwrap_err().to_string();
    assert!(
        e.contains("/dev/full") && e.contains("Free some space"),
        "{e}"
    );
}

/// What Picard's rules say, template against template.
fn copies_by_definition(templates: &[Vec<Read>]) -> Vec<bool> {
    let end = |r: &Read| {
        r.place.map(|(c, p, reverse, left, right)| {
            let first = i64::from(p) - i64::from(left);
            let last = i64::from(p) + i64::from(10 - left - right) - 1 + i64::from(right);
            (c, if reverse { last } else { first }, reverse)
        })
    };
    let ends: Vec<Vec<_>> = templates
        .iter()
        .map(|reads| {
            let mut e: Vec<_> = reads.iter().filter_map(end).collect();
            e.sort_unstable();
            e
        })
        .collect();
    let worth: Vec<u32> = templates
        .iter()
        .map(|reads| {
            reads
                .iter()
                .filter(|r| r.place.is_some() && r.quality >= 15)
                .map(|r| 10 * u32::from(r.quality))
                .sum()
        })
        .collect();
    (0..templates.len())
        .map(|i| {
            let better = |j: usize| worth[j] > worth[i] || worth[j] == worth[i] && j < i;
            !ends[i].is_empty()
                && (0..templates.len()).any(|j| {
                    ends[j] == ends[i] && better(j)
                        || ends[i].len() == 1 && ends[j].len() == 2 && ends[j].contains(&ends[i][0])
                })
        })
        .collect()
}

fn any_read() -> impl Strategy<Value = Read> {
    let place = (0..2u32, 5..8u32, any::<bool>(), 0..3u32, 0..3u32);
    let place = proptest::option::weighted(0.8, place);
    (place, proptest::sample::select(&[2u8, 14, 15, 30][..])).prop_map(|(place, quality)| Read {
        place,
        quality,
        flag: 0,
    })
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(20) })]

    #[test]
    fn neither_memory_nor_cuts_change_a_byte_and_copies_are_those_of_the_definition(
        templates in proptest::collection::vec(proptest::collection::vec(any_read(), 1..3), 1..120)
    ) {
        let bytes: Vec<_> = templates.iter().enumerate().map(|(i, t)| template(&format!("r{i}"), t)).collect();
        let truth = sorted(&bytes, &options(1 << 20, Duplicates::Mark), 7);
        let copies = copies_by_definition(&templates);
        for (name, flags) in records(&truth.0) {
            let template: usize = name[1..].parse().unwrap();
            prop_assert_eq!(flags & flag::DUPLICATE != 0, copies[template], "{}", name);
        }
        for (memory, cut) in [(1, 1), (3000, 1000), (20_000, 3)] {
            prop_assert!(sorted(&bytes, &options(memory, Duplicates::Mark), cut) == truth);
        }
    }
}
