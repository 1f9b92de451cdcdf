use super::*;
use crate::domain::Pos;
use crate::genome::BuildOptions;
use std::collections::BTreeMap;

fn reference(folder: &Path) -> Reference {
    let mut random = Random::new(7);
    let text: String = (0..1000)
        .map(|_| char::from(b"ACGT"[random.below(4) as usize]))
        .collect();
    let fasta = folder.join("r.fa");
    std::fs::write(&fasta, format!(">c:1001-2000 LN:5000\n{text}\n")).unwrap();
    Reference::build_file(
        &fasta,
        &folder.join("r.tidx"),
        BuildOptions {
            windows: true,
            ..BuildOptions::default()
        },
    )
    .unwrap()
}

fn run(reference: &Reference, spikes: &[Spike], options: Options) -> (Vec<u8>, Summary) {
    let (mut a, mut b) = (Vec::new(), Vec::new());
    let name = Path::new("memory");
    let targets = [(ContigId(0), Span::new(1400, 1500))];
    let summary = simulate(
        reference,
        &targets,
        spikes,
        options,
        [(name, &mut a), (name, &mut b)],
    )
    .unwrap();
    a.extend(b);
    (a, summary)
}

const OPTIONS: Options = Options {
    depth: 300.0,
    read_length: 100,
    fragment_mean: 150.0,
    fragment_sd: 20.0,
    duplicates: 0.1,
    ..Options::PLAIN
};

#[test]
fn the_seed_alone_decides() {
    let folder = tempfile::tempdir().unwrap();
    let r = reference(folder.path());
    assert_eq!(run(&r, &[], OPTIONS).0, run(&r, &[], OPTIONS).0);
    let other = Options { seed: 2, ..OPTIONS };
    assert_ne!(run(&r, &[], OPTIONS).0, run(&r, &[], other).0);
}

/// A deletion of nine bases at c:1,446.
fn deletion(r: &Reference, fraction: f64) -> Spike {
    let around = r.bases(ContigId(0), Span::new(1445, 1455));
    Spike {
        name: "d".into(),
        variant: Variant {
            contig: ContigId(0),
            pos: Pos(1445),
            alternate: around[..1].to_vec(),
            reference: around,
        },
        fraction,
        group: None,
    }
}

/// The names, bases and qualities of reads.
fn records(fastq: &[u8]) -> Vec<[String; 3]> {
    let text = String::from_utf8(fastq.to_vec()).unwrap();
    let lines: Vec<&str> = text.lines().collect();
    let of = |four: &[&str]| [four[0][1..].into(), four[1].into(), four[3].into()];
    lines.chunks(4).map(of).collect()
}

#[test]
fn a_deletion_is_in_its_fraction_of_the_molecules_and_depth_is_as_asked() {
    let folder = tempfile::tempdir().unwrap();
    let r = reference(folder.path());
    let around = r.bases(ContigId(0), Span::new(1430, 1470));
    let spike = deletion(&r, 0.25);
    let (reads, summary) = run(&r, &[spike], OPTIONS);
    let with = [&around[8..16], &around[25..33]].concat();
    let without = around[12..28].to_vec();
    let count = |probe: &[u8]| {
        let other = reverse_complement(probe);
        reads
            .windows(probe.len())
            .filter(|w| *w == probe || *w == other)
            .count() as f64
    };
    let share = count(&with) / (count(&with) + count(&without));
    assert!((0.19..0.31).contains(&share), "{share}");
    // Each molecule over the place is read once or twice there, and one in ten is copied.
    assert!((300.0..700.0).contains(&(count(&with) + count(&without))));
    assert!((0.05..0.14).contains(&(summary.duplicates as f64 / summary.pairs as f64)));
}

#[test]
fn the_truth_counts_the_molecules_that_were_drawn() {
    let folder = tempfile::tempdir().unwrap();
    let r = reference(folder.path());
    // One pair a molecule and no doubt: what the reads show is what was drawn.
    let options = Options {
        duplicates: 0.0,
        ..OPTIONS
    };
    let spike = deletion(&r, 0.25);
    let around = r.bases(ContigId(0), Span::new(1445, 1460));
    let [without, with] = [
        around[..10].to_vec(),
        [&around[..1], &around[10..]].concat(),
    ];
    let (reads, summary) = run(&r, std::slice::from_ref(&spike), options);
    let reads = records(&reads);
    let (first, second) = reads.split_at(reads.len() / 2);
    let show = |probe: &[u8]| {
        let probes = [probe.to_vec(), reverse_complement(probe)];
        let shows = |read: &[String; 3]| {
            let bases = read[1].as_bytes();
            bases
                .windows(probe.len())
                .any(|w| probes.iter().any(|p| p == w))
        };
        let pairs = first.iter().zip(second);
        pairs.filter(|(a, b)| shows(a) || shows(b)).count() as u64
    };
    let drawn = summary.drawn[0];
    // A miscall in the probe hides one in hundreds; a probe of the deletion is half as long as the place.
    assert!(
        drawn.carrying.abs_diff(show(&with)) <= 4,
        "{drawn:?} {}",
        show(&with)
    );
    let plain = drawn.covering - drawn.carrying;
    assert!(
        plain.abs_diff(show(&without)) <= 4,
        "{drawn:?} {}",
        show(&without)
    );
    let lines = vcf_lines(&[spike], &summary.drawn, &[("c", 5000)]);
    let fraction = drawn.carrying as f64 / drawn.covering as f64;
    let expected = format!(
        "AF=0.25;DRAWN_DP={};DRAWN_AD={};DRAWN_AF={fraction:.6}",
        drawn.covering, drawn.carrying
    );
    assert!(lines[0].text.ends_with(&expected), "{}", lines[0].text);
    assert_eq!((lines[0].start, lines[0].end), (1445, 1455));
}

#[test]
fn a_variant_that_no_read_reaches_has_no_fraction() {
    let folder = tempfile::tempdir().unwrap();
    let r = reference(folder.path());
    let mut far = deletion(&r, 0.5);
    far.variant.pos = Pos(1100);
    far.variant.reference = r.bases(ContigId(0), Span::new(1100, 1102));
    let (_, summary) = run(&r, std::slice::from_ref(&far), OPTIONS);
    let lines = vcf_lines(&[far], &summary.drawn, &[("c", 5000)]);
    let text = &lines[0].text;
    assert!(text.ends_with("AF=0.5;DRAWN_DP=0;DRAWN_AD=0"), "{text}");
}

#[test]
fn pairs_of_the_other_strand_tell_the_tag_the_other_way_round() {
    let folder = tempfile::tempdir().unwrap();
    let r = reference(folder.path());
    let options = Options {
        duplicates: 0.0,
        umi: true,
        family: Some(6.0),
        ..OPTIONS
    };
    let (reads, summary) = run(&r, &[], options);
    let reads = records(&reads);
    let mut molecules: BTreeMap<String, [u64; 2]> = BTreeMap::new();
    for [name, ..] in &reads[..reads.len() / 2] {
        let tag = name.rsplit(':').next().unwrap();
        let (a, b) = tag.split_once('+').unwrap();
        assert_eq!((a.len(), b.len()), (8, 8));
        let turned = format!("{b}+{a}");
        let key = tag.min(&turned).to_string();
        molecules.entry(key).or_default()[usize::from(*tag > *turned)] += 1;
    }
    assert_eq!(molecules.len() as u64, summary.molecules);
    let duplex = molecules.values().filter(|n| n.iter().all(|&n| n > 0));
    assert_eq!(duplex.count() as u64, summary.duplex);
    assert!(summary.duplex > summary.molecules / 2);
    assert_eq!(summary.duplicates, summary.pairs - summary.molecules);
}

#[test]
fn damage_leaves_molecules_and_miscalls_as_they_are() {
    let folder = tempfile::tempdir().unwrap();
    let r = reference(folder.path());
    let damaged = Options {
        damage: 0.05,
        oxidation: 0.01,
        ..OPTIONS
    };
    let [plain, damaged] = [OPTIONS, damaged].map(|o| run(&r, &[], o));
    assert_eq!(plain.1.miscalls, damaged.1.miscalls);
    let mut changes: BTreeMap<(char, char), u64> = BTreeMap::new();
    let [before, after] = [plain.0, damaged.0].map(|r| records(&r));
    let first = before.len() / 2;
    for (i, (a, b)) in before.iter().zip(&after).enumerate() {
        assert_eq!((&a[0], &a[2]), (&b[0], &b[2]));
        for (x, y) in a[1].chars().zip(b[1].chars()).filter(|(x, y)| x != y) {
            *changes.entry((x, y)).or_default() += u64::from(i < first);
        }
    }
    // Of read 1, which is read from the damaged strand; but for miscalls of damaged bases.
    let ct = changes[&('C', 'T')] as f64;
    let all: u64 = changes.values().sum();
    let gt = changes[&('G', 'T')] as f64;
    assert!((ct + gt) / all as f64 > 0.99, "{changes:?}");
    assert!((3.0..8.0).contains(&(ct / gt)), "{changes:?}");
}

#[test]
fn a_fragment_shorter_than_the_read_ends_in_adapter() {
    let folder = tempfile::tempdir().unwrap();
    let r = reference(folder.path());
    let options = Options {
        fragment_mean: 60.0,
        fragment_sd: 0.0,
        adapter: true,
        ..OPTIONS
    };
    let (reads, summary) = run(&r, &[], options);
    let reads = records(&reads);
    assert!(reads.iter().all(|r| r[1].len() == 100));
    assert_eq!(summary.read_through, summary.pairs);
    let (first, second) = reads.split_at(reads.len() / 2);
    for (of_mate, adapter) in [
        (first, "AGATCGGAAGAGCACACG"),
        (second, "AGATCGGAAGAGCGTCGT"),
    ] {
        let at_end = of_mate.iter().filter(|r| r[1][60..].starts_with(adapter));
        // A miscall in the 18 bases hides one in a hundred.
        assert!(at_end.count() * 100 > of_mate.len() * 95);
    }
}

#[test]
fn wrong_variants_are_named_by_line() {
    let folder = tempfile::tempdir().unwrap();
    let r = reference(folder.path());
    let base = r.bases(ContigId(0), Span::new(1100, 1102));
    let (x, xy) = (
        char::from(base[0]),
        String::from_utf8(base.clone()).unwrap(),
    );
    let y = char::from(base[1]);
    let other = if x == 'A' { 'C' } else { 'A' };
    let other_y = if y == 'A' { 'C' } else { 'A' };
    for (text, part) in [
        (
            format!("z\t1101\t.\t{x}\t{other}\t.\t.\tAF=0.1"),
            "no contig z",
        ),
        (
            format!("c\t1101\t.\t{other}\t{x}\t.\t.\tAF=0.1"),
            "the reference has",
        ),
        (format!("c\t1101\t.\t{x}\t{other}\t.\t.\tDP=3"), "AF=0.25"),
        (
            format!("c\t1101\t.\t{x}\t{other},{x}{x}\t.\t.\tAF=0.1"),
            "one ALT",
        ),
        (format!("c\t1101\t.\t{x}\t{other}"), "Eight columns"),
        (
            format!("c\t1102\t.\t{y}\t{other_y}\t.\t.\tAF=0.1\nc\t1101\t.\t{xy}\t{x}\t.\t.\tAF=1"),
            "overlaps",
        ),
    ] {
        let path = folder.path().join("v.vcf");
        std::fs::write(&path, format!("##fileformat=VCFv4.4\n{text}\n")).unwrap();
        let message = read_spikes(&path, &r).unwrap_err().to_string();
        assert!(
            message.contains(part) && message.contains("line "),
            "{message}"
        );
    }
}
