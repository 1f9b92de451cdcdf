//! HGVS and consequence at the places where they are hard: exon borders, both ends of the coding
//! sequence, repeats, both strands; and alleles read together. Every answer was derived by hand from
//! the gene that is spelled here.

use super::consequence::{Effect, effect};
use super::gene_model::GeneModel;
use super::haplotype;
use super::protein::ProteinChange;
use super::tests::{demo_genes, demo_reference, only_effect, toy, variant};
use crate::domain::{ContigId, Pos, Variant, reverse_complement};
use crate::format::calls::{Call, Phase};
use crate::genome::Reference;

// M1 A2 A3 K4 K5 L6 W7 D8 | D8 F9 R10 E11 L12 *13, the border within codon 8.
const FIVE: &str = "GGCC";
const EXON_1: &str = "ATGGCAGCTAAAAAGCTGTGGGA";
const INTRON: &str = "GTAAGTCCCAATGCTAACTTTCTTTCTTGTTTCAG";
const EXON_2: &str = "CTTCCGAGAGCTTTAA";
const THREE: &str = "CAGGCTTGACCTAACTGATTAGC";
/// Bases before and behind the gene.
const FLANK: usize = 40;

fn gene_sequence() -> String {
    [FIVE, EXON_1, INTRON, EXON_2, THREE].concat()
}

/// The gene on one strand of a contig.
fn toy_gene(reverse: bool) -> (Reference, GeneModel) {
    let flank = "TC".repeat(FLANK / 2);
    let sequence = format!("{flank}{}{flank}", gene_sequence());
    let length = sequence.len();
    let strand = if reverse { '-' } else { '+' };
    // Stretches of the gene, from 0, to the contig's coordinates, from 1.
    let place = |from: usize, to: usize| {
        let (a, b) = (FLANK + from, FLANK + to);
        if reverse {
            format!("{}\t{}", length - b + 1, length - a)
        } else {
            format!("{}\t{b}", a + 1)
        }
    };
    let border = FIVE.len() + EXON_1.len();
    let second = border + INTRON.len();
    let stop = second + EXON_2.len();
    let whole = stop + THREE.len();
    let row = |kind: &str, place: String, attributes: &str| {
        format!("1\te\t{kind}\t{place}\t.\t{strand}\t.\t{attributes}\n")
    };
    let gff = [
        row(
            "mRNA",
            place(0, whole),
            "ID=T1;Parent=G1;gene_name=TOY;transcript_id=T1",
        ),
        row("exon", place(0, border), "Parent=T1"),
        row("exon", place(second, whole), "Parent=T1"),
        row("CDS", place(FIVE.len(), border), "Parent=T1"),
        row("CDS", place(second, stop), "Parent=T1"),
    ]
    .concat();
    let spelled = if reverse {
        String::from_utf8(reverse_complement(sequence.as_bytes())).unwrap()
    } else {
        sequence
    };
    let (reference, genes) = toy(&gff, &spelled, "1").unwrap();
    assert_eq!(genes.transcripts[0].protein, b"MAAKKLWDFREL*");
    (reference, genes)
}

/// The offset in the gene of a place as c. counts it; `24-1` and `23+1` reach into the intron.
fn offset(place: &str) -> usize {
    let split = place[1..].find(['+', '-']).map_or(place.len(), |i| i + 1);
    let base = match place[..split].parse::<i64>() {
        Ok(n) if n > 0 => n - 1,
        Ok(n) => n,
        Err(_) => place[1..split].parse::<i64>().unwrap() + 38, // *1 is behind c.39
    };
    let intron: i64 = place[split..].parse().unwrap_or(0);
    let behind = if base >= 23 { INTRON.len() as i64 } else { 0 };
    (FIVE.len() as i64 + base + behind + intron) as usize
}

/// `from` at this place of the gene becomes `to`, on the contig's forward strand.
fn change(reference: &Reference, reverse: bool, place: &str, from: &str, to: &str) -> Variant {
    let at = offset(place);
    assert_eq!(&gene_sequence()[at..at + from.len()], from, "{place}");
    let length = reference.contig(ContigId(0)).length as usize;
    let start = FLANK + at;
    let turn = |bases: &str| {
        if reverse {
            reverse_complement(bases.as_bytes())
        } else {
            bases.into()
        }
    };
    let pos = if reverse {
        length - start - from.len()
    } else {
        start
    };
    Variant {
        contig: ContigId(0),
        pos: Pos(pos as u32),
        reference: turn(from),
        alternate: turn(to),
    }
}

fn told(e: &Effect) -> (String, String, String) {
    let p = e.protein.as_ref().map_or("-".into(), ProteinChange::hgvs);
    let terms: Vec<&str> = e.consequences.iter().map(|c| c.term()).collect();
    (e.hgvs_c.clone(), p, terms.join("&"))
}

#[test]
fn both_strands_give_the_same_names() {
    // Place, bases before and after; c., p., terms.
    let table = [
        // 3' rule in a run of A, in frame and out of it
        (
            "10",
            "AA",
            "A",
            "c.14del",
            "p.Lys5SerfsTer16",
            "frameshift_variant",
        ),
        (
            "10",
            "A",
            "AA",
            "c.14dup",
            "p.Leu6AlafsTer13",
            "frameshift_variant",
        ),
        (
            "10",
            "AAAA",
            "A",
            "c.12_14del",
            "p.Lys5del",
            "inframe_deletion",
        ),
        (
            "6",
            "A",
            "AGCT",
            "c.7_9dup",
            "p.Ala3dup",
            "inframe_insertion",
        ),
        // The G of the next codon is as good as that of W7; so is exon 2's beginning no part of it
        (
            "20",
            "GG",
            "G",
            "c.22del",
            "p.Asp8ThrfsTer13",
            "frameshift_variant&splice_region_variant",
        ),
        (
            "16",
            "C",
            "CC",
            "c.16dup",
            "p.Leu6ProfsTer13",
            "frameshift_variant",
        ),
        // A stop in the second new codon, and at once
        (
            "5",
            "CA",
            "",
            "c.5_6del",
            "p.Ala2GlyfsTer2",
            "frameshift_variant",
        ),
        ("20", "G", "A", "c.20G>A", "p.Trp7Ter", "stop_gained"),
        (
            "16",
            "CTG",
            "TGA",
            "c.16_18delinsTGA",
            "p.Leu6Ter",
            "stop_gained",
        ),
        (
            "16",
            "CTGTGG",
            "GCATAA",
            "c.16_21delinsGCATAA",
            "p.Leu6_Trp7delinsAlaTer",
            "stop_gained&splice_region_variant",
        ),
        (
            "21",
            "G",
            "GGCATGA",
            "c.22_23insCATGAG",
            "p.Trp7_Asp8insAlaTer",
            "stop_gained&inframe_insertion&splice_region_variant",
        ),
        // Two bases turned round
        (
            "16",
            "CT",
            "AG",
            "c.16_17inv",
            "p.Leu6Arg",
            "missense_variant",
        ),
        // Two residues replaced by two: missense, by the length
        (
            "15",
            "GC",
            "TA",
            "c.15_16delinsTA",
            "p.Lys5_Leu6delinsAsnMet",
            "missense_variant",
        ),
        // Before and into the start codon
        ("-1", "C", "CTT", "c.-1_1insTT", "-", "5_prime_UTR_variant"),
        ("-2", "CCAT", "", "c.-2_2del", "p.Met1?", "start_lost"),
        ("2", "T", "C", "c.2T>C", "p.Met1?", "start_lost"),
        ("1", "ATG", "", "c.1_3del", "p.Met1?", "start_lost"),
        // The stop codon: replaced, kept, lost with and without the frame, with a residue before it
        ("37", "T", "C", "c.37T>C", "p.Ter13GlnextTer3", "stop_lost"),
        (
            "38",
            "A",
            "G",
            "c.38A>G",
            "p.Ter13=",
            "stop_retained_variant",
        ),
        (
            "38",
            "AA",
            "A",
            "c.39del",
            "p.Ter13TyrextTer7",
            "frameshift_variant&stop_lost",
        ),
        (
            "37",
            "TAA",
            "",
            "c.37_39del",
            "p.Ter13GlnextTer2",
            "stop_lost",
        ),
        (
            "34",
            "CTTTAA",
            "",
            "c.35_*1del",
            "p.Leu12_Ter13delinsGlnAlaTer",
            "stop_lost",
        ),
        ("39", "A", "ATT", "c.39_*1insTT", "-", "3_prime_UTR_variant"),
        // The exon's border; the middle base of the intron's 35 counts from the exon before it
        ("23+1", "G", "A", "c.23+1G>A", "-", "splice_donor_variant"),
        (
            "23+2",
            "T",
            "TA",
            "c.23+4dup",
            "-",
            "splice_region_variant&splice_donor_region_variant&intron_variant",
        ),
        (
            "23+5",
            "G",
            "A",
            "c.23+5G>A",
            "-",
            "splice_donor_5th_base_variant&splice_region_variant&splice_donor_region_variant&intron_variant",
        ),
        (
            "23+6",
            "T",
            "A",
            "c.23+6T>A",
            "-",
            "splice_region_variant&splice_donor_region_variant&intron_variant",
        ),
        (
            "23+8",
            "C",
            "A",
            "c.23+8C>A",
            "-",
            "splice_region_variant&intron_variant",
        ),
        ("23+9", "C", "A", "c.23+9C>A", "-", "intron_variant"),
        ("24-18", "C", "A", "c.23+18C>A", "-", "intron_variant"),
        (
            "24-17",
            "T",
            "A",
            "c.24-17T>A",
            "-",
            "splice_polypyrimidine_tract_variant&intron_variant",
        ),
        (
            "24-3",
            "C",
            "G",
            "c.24-3C>G",
            "-",
            "splice_region_variant&splice_polypyrimidine_tract_variant&intron_variant",
        ),
        (
            "24-2",
            "A",
            "G",
            "c.24-2A>G",
            "-",
            "splice_acceptor_variant",
        ),
        (
            "23",
            "AG",
            "",
            "c.23_23+1del",
            "-",
            "splice_donor_variant&coding_sequence_variant",
        ),
        (
            "24-1",
            "GC",
            "",
            "c.24-1_24del",
            "-",
            "splice_acceptor_variant&coding_sequence_variant",
        ),
        (
            "23",
            "A",
            "ATT",
            "c.23_23+1insTT",
            "-",
            "splice_region_variant&coding_sequence_variant",
        ),
        (
            "24",
            "C",
            "G",
            "c.24C>G",
            "p.Asp8Glu",
            "missense_variant&splice_region_variant",
        ),
    ];
    for reverse in [false, true] {
        let (reference, genes) = toy_gene(reverse);
        for (place, from, to, c, p, terms) in table {
            let v = change(&reference, reverse, place, from, to);
            let e = effect(&v, 0, &genes.transcripts[0], &reference)
                .unwrap_or_else(|| panic!("{c} lies outside"));
            let expected = (c.to_string(), p.to_string());
            let (found_c, found_p, found_terms) = told(&e);
            assert_eq!((found_c, found_p), expected, "reverse: {reverse}");
            let sorted = |s: &str| {
                let mut t: Vec<String> = s.split('&').map(String::from).collect();
                t.sort();
                t
            };
            assert_eq!(
                sorted(&found_terms),
                sorted(terms),
                "{c}, reverse: {reverse}"
            );
        }
    }
}

#[test]
fn a_deletion_of_the_whole_gene_says_so() {
    let (reference, genes) = toy_gene(true);
    let length = reference.contig(ContigId(0)).length;
    let span = crate::domain::Span::new(10, length - 10);
    let v = Variant {
        contig: ContigId(0),
        pos: Pos(10),
        reference: reference.bases(ContigId(0), span),
        alternate: Vec::new(),
    };
    let e = effect(&v, 0, &genes.transcripts[0], &reference).unwrap();
    assert!(told(&e).2.starts_with("transcript_ablation&"), "{e:?}");
    // Both ends lie outside, so the contig's coordinates name it.
    assert!(
        e.hgvs_c.starts_with("1:g.") && e.hgvs_c.ends_with("del"),
        "{e:?}"
    );
}

fn call(variant: Variant, phase: Phase) -> Call {
    Call {
        variant,
        filters: Vec::new(),
        genotype: String::new(),
        copies: None,
        phase,
        depth: None,
        reference_support: None,
        support: None,
        fraction: None,
        fraction_ci: None,
        strands: None,
    }
}

fn on(set: &str, haplotype: usize) -> Phase {
    Phase::Some {
        set: set.into(),
        haplotypes: vec![haplotype],
    }
}

/// c. and p. of what is read together, and how many alleles it covers.
fn together(reverse: bool, changes: &[(&str, &str, &str, Phase)]) -> Vec<(String, String, usize)> {
    let (reference, genes) = toy_gene(reverse);
    let t = &genes.transcripts[0];
    let calls: Vec<Call> = changes
        .iter()
        .map(|(place, from, to, phase)| {
            call(change(&reference, reverse, place, from, to), phase.clone())
        })
        .collect();
    let effects: Vec<Effect> = calls
        .iter()
        .map(|c| effect(&c.variant, 0, t, &reference).unwrap())
        .collect();
    let alleles: Vec<(usize, &Call, &Effect)> = (0..calls.len())
        .map(|i| (i, &calls[i], &effects[i]))
        .collect();
    haplotype::joint(&alleles, t, 0, &reference)
        .into_iter()
        .map(|j| {
            let (c, p, _) = told(&j.effect);
            (c, p, j.covered.len())
        })
        .collect()
}

#[test]
fn two_changes_of_one_codon_on_one_haplotype_give_one_protein_change() {
    let one = |c: &str, p: &str, n: usize| vec![(c.to_string(), p.to_string(), n)];
    for reverse in [false, true] {
        let a = ("16", "C", "A");
        let b = ("18", "G", "A");
        let pair =
            |x: Phase, y: Phase| together(reverse, &[(a.0, a.1, a.2, x), (b.0, b.1, b.2, y)]);
        // CTG to ATA; apart, L6M and L6=
        let joint = one("c.16_18delinsATA", "p.Leu6Ile", 2);
        assert_eq!(pair(on("7", 0), on("7", 0)), joint);
        assert_eq!(pair(Phase::All, Phase::All), joint);
        assert_eq!(pair(on("7", 0), on("7", 1)), [], "the other haplotype");
        assert_eq!(pair(on("7", 0), on("8", 0)), [], "another phase set");
        assert_eq!(pair(Phase::Unknown, on("7", 0)), []);
        // The second is on both copies: one of them has it alone.
        let with_own = one("c.16_18delinsATA", "p.Leu6Ile", 1);
        assert_eq!(pair(on("7", 1), Phase::All), with_own);
        // Of neighbouring codons, each has its own name.
        let next = [("18", "G", "A", on("7", 0)), ("19", "T", "C", on("7", 0))];
        assert_eq!(together(reverse, &next), []);
    }
}

#[test]
fn a_codon_cut_by_an_intron_and_a_regained_frame_are_read_together() {
    for reverse in [false, true] {
        let phase = || on("", 0);
        // GA|C to GG|G
        let cut = [("23", "A", "G", phase()), ("24", "C", "G", phase())];
        let (c, p) = ("c.[23A>G;24C>G]".to_string(), "p.Asp8Gly".to_string());
        assert_eq!(together(reverse, &cut), [(c, p, 2)]);
        // One base lost at c.5, one gained at c.14: GCA GCT AAA AAG to GAG CTA AAA AAG
        let frame = [("5", "C", "", phase()), ("14", "A", "AA", phase())];
        let c = "c.[5del;14dup]".to_string();
        let p = "p.Ala2_Ala3delinsGluLeu".to_string();
        assert_eq!(together(reverse, &frame), [(c, p, 2)]);
    }
}

#[test]
fn hotspots_have_the_names_that_papers_give_them() {
    let reference = demo_reference();
    let genes = demo_genes(reference);
    let table = [
        // EGFR exon 19 (COSMIC's names, without the bases behind del)
        (
            "7:55242468 ATTAAGAGAAGCAACATCT>A",
            "c.2239_2256del",
            "p.Leu747_Ser752del",
        ),
        (
            "7:55242467 AATTAAGAGAAGCAACATC>T",
            "c.2237_2255delinsT",
            "p.Glu746_Ser752delinsVal",
        ),
        (
            "7:55242468 ATTAAGAGAAGCAACA>A",
            "c.2240_2254del",
            "p.Leu747_Thr751del",
        ),
        (
            "7:55242466 GAATTAAGAGAAGCAA>G",
            "c.2237_2251del",
            "p.Glu746_Thr751delinsAla",
        ),
        (
            "7:55242469 TTAAGAGAAG>C",
            "c.2239_2248delinsC",
            "p.Leu747_Ala750delinsPro",
        ),
        (
            "7:55242469 TTAAGAGAAGCAA>C",
            "c.2239_2251delinsC",
            "p.Leu747_Thr751delinsPro",
        ),
        // EGFR exon 20
        (
            "7:55249004 A>AGCGTGGACA",
            "c.2303_2311dup",
            "p.Ser768_Asp770dup",
        ),
        (
            "7:55249012 C>CGGT",
            "c.2310_2311insGGT",
            "p.Asp770_Asn771insGly",
        ),
        (
            "7:55249013 A>GGTT",
            "c.2311delinsGGTT",
            "p.Asn771delinsGlyTyr",
        ),
        ("7:55249018 C>CCAC", "c.2317_2319dup", "p.His773dup"),
        (
            "7:55249012 C>CAACCCCCAC",
            "c.2311_2319dup",
            "p.Asn771_His773dup",
        ),
        // BRAF, on the reverse strand
        ("7:140453135 CA>TT", "c.1799_1800delinsAA", "p.Val600Glu"),
        ("7:140453136 AC>CT", "c.1798_1799delinsAG", "p.Val600Arg"),
        ("7:140453135 CA>AT", "c.1799_1800delinsAT", "p.Val600Asp"),
        ("7:140453134 T>C", "c.1801A>G", "p.Lys601Glu"),
        (
            "7:140453133 TTCA>T",
            "c.1799_1801del",
            "p.Val600_Lys601delinsGlu",
        ),
        // MET exon 14, the last base and around it
        ("7:116412043 G>C", "c.3028G>C", "p.Asp1010His"),
        ("7:116412045 T>C", "c.3028+2T>C", "-"),
        // ERBB2 exon 20, KIT exon 11
        (
            "17:37881011 A>AGGCTCCCCA",
            "c.2332_2340dup",
            "p.Gly778_Pro780dup",
        ),
        ("17:37881000 G>T", "c.2329G>T", "p.Val777Leu"),
        ("4:55593611 TGTT>T", "c.1679_1681del", "p.Val560del"),
    ];
    let mut wrong = Vec::new();
    for (place, c, p) in table {
        let e = only_effect(reference, &genes, &variant(reference, place));
        let (found_c, found_p, _) = told(&e);
        if (found_c.as_str(), found_p.as_str()) != (c, p) {
            wrong.push(format!("{place}: {found_c} {found_p}, not {c} {p}"));
        }
    }
    assert_eq!(wrong, [""; 0]);
}

#[test]
fn where_the_reference_carries_the_risk_allele_the_other_one_is_the_variant() {
    // GRCh37 has factor V Leiden itself: 1:169519049 T, c.1601A on the reverse strand, Gln534. The
    // sample without it shows as p.Gln534Arg. Flanks as dbSNP gives them for rs6025.
    let sequence = "TGTTAAGACAAAATACCTGTATTCCTTGCCTGTCCAGGGATCTGCTCTTACAG";
    let start = 169_519_049 - 26;
    let end = start + sequence.len() - 1;
    let dir = tempfile::tempdir().unwrap();
    let fasta = dir.path().join("f5.fa");
    std::fs::write(
        &fasta,
        format!(">1:{start}-{end} LN:249250621\n{sequence}\n"),
    )
    .unwrap();
    let windows = crate::genome::BuildOptions {
        windows: true,
        ..Default::default()
    };
    let reference = crate::genome::build(&fasta, windows).unwrap();
    // One exon, laid so that the place is base 1,601 of the coding sequence; its 2,225 codons reach to c.6675.
    let (first, last) = (169_519_049 + 1600, 169_519_049 + 1600 - 6674);
    let gff = format!(
        "1\te\tmRNA\t{last}\t{first}\t.\t-\t.\tID=T;Parent=G;gene_name=F5;transcript_id=T\n\
         1\te\texon\t{last}\t{first}\t.\t-\t.\tParent=T\n1\te\tCDS\t{last}\t{first}\t.\t-\t0\tParent=T\n"
    );
    let path = dir.path().join("f5.gff3");
    std::fs::write(&path, gff).unwrap();
    let everywhere = std::collections::BTreeMap::from([(
        ContigId(0),
        vec![crate::domain::Span::new(0, 249_250_621)],
    )]);
    let none = super::gene_model::NoPreference;
    let genes = GeneModel::read(&path, &reference, &everywhere, &none).unwrap();
    let e = only_effect(&reference, &genes, &variant(&reference, "1:169519049 T>C"));
    assert_eq!(told(&e).0, "c.1601A>G");
    assert_eq!(told(&e).1, "p.Gln534Arg");
}
