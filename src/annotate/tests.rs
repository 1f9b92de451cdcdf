//! HGVS and consequence, checked by hand against published names, on the demo's GRCh37 windows.

use super::consequence::{Consequence, Effect, effect, hgvs_g};
use super::gene_model::{GeneModel, NoPreference};
use super::transcript::{Choice, Transcript};
use crate::domain::{ContigId, Pos, Span, Variant};
use crate::genome::{BuildOptions, Reference, build};
use std::collections::BTreeMap;
use std::io::Write;
use std::path::Path;

pub(crate) fn demo_reference() -> &'static Reference {
    static DEMO: std::sync::OnceLock<Reference> = std::sync::OnceLock::new();
    DEMO.get_or_init(|| {
        build(
            Path::new("testdata/demo/reference.fa.gz"),
            BuildOptions {
                windows: true,
                ..BuildOptions::default()
            },
        )
        .unwrap()
    })
}

fn everywhere(reference: &Reference) -> BTreeMap<ContigId, Vec<Span>> {
    (0..reference.contigs().len() as u32)
        .map(|i| {
            let id = ContigId(i);
            (id, vec![Span::new(0, reference.contig(id).length)])
        })
        .collect()
}

pub(crate) fn demo_genes(reference: &Reference) -> GeneModel {
    GeneModel::read(
        Path::new("testdata/demo/genes.gff3.gz"),
        reference,
        &everywhere(reference),
        &NoPreference,
    )
    .unwrap()
}

/// `7:55259515 T>G`, counted from 1.
pub(crate) fn variant(reference: &Reference, text: &str) -> Variant {
    let (place, change) = text.split_once(' ').unwrap();
    let (contig, pos) = place.split_once(':').unwrap();
    let (from, to) = change.split_once('>').unwrap();
    let v = Variant {
        contig: reference.contig_id(contig).unwrap(),
        pos: Pos(pos.parse::<u32>().unwrap() - 1),
        reference: from.into(),
        alternate: to.into(),
    };
    assert_eq!(
        String::from_utf8(reference.bases(v.contig, v.span())).unwrap(),
        from,
        "{text}"
    );
    v
}

pub(crate) fn only_effect(reference: &Reference, genes: &GeneModel, v: &Variant) -> Effect {
    let mut all = genes
        .transcripts
        .iter()
        .enumerate()
        .filter_map(|(i, t)| effect(v, i, t, reference));
    let first = all.next().expect("no transcript");
    assert!(all.next().is_none());
    first
}

#[test]
fn published_names_come_out() {
    let reference = demo_reference();
    let genes = demo_genes(reference);
    // place, gene, c., p., short, most severe term
    let table = [
        (
            "7:55259515 T>G",
            "EGFR",
            "c.2573T>G",
            "p.Leu858Arg",
            "L858R",
            "missense_variant",
        ),
        (
            "7:55242464 AGGAATTAAGAGAAGC>A",
            "EGFR",
            "c.2235_2249del",
            "p.Glu746_Ala750del",
            "E746_A750del",
            "inframe_deletion",
        ),
        (
            "7:55242465 GGAATTAAGAGAAGCA>G",
            "EGFR",
            "c.2236_2250del",
            "p.Glu746_Ala750del",
            "E746_A750del",
            "inframe_deletion",
        ),
        (
            "7:55242469 TTAAGAGAAGCAACATCTC>T",
            "EGFR",
            "c.2240_2257del",
            "p.Leu747_Pro753delinsSer",
            "L747_P753delinsS",
            "protein_altering_variant",
        ),
        (
            "7:55249071 C>T",
            "EGFR",
            "c.2369C>T",
            "p.Thr790Met",
            "T790M",
            "missense_variant",
        ),
        (
            "7:55249063 G>A",
            "EGFR",
            "c.2361G>A",
            "p.Gln787=",
            "Q787=",
            "synonymous_variant",
        ),
        (
            "7:55249010 G>GCCAGCGTGG",
            "EGFR",
            "c.2300_2308dup",
            "p.Ala767_Val769dup",
            "A767_V769dup",
            "inframe_insertion",
        ),
        (
            "7:140453136 A>T",
            "BRAF",
            "c.1799T>A",
            "p.Val600Glu",
            "V600E",
            "missense_variant",
        ),
        (
            "7:140453136 AC>TT",
            "BRAF",
            "c.1798_1799delinsAA",
            "p.Val600Lys",
            "V600K",
            "missense_variant",
        ),
        (
            "12:25398285 C>A",
            "KRAS",
            "c.34G>T",
            "p.Gly12Cys",
            "G12C",
            "missense_variant",
        ),
        (
            "12:25398284 C>T",
            "KRAS",
            "c.35G>A",
            "p.Gly12Asp",
            "G12D",
            "missense_variant",
        ),
        (
            "1:115256529 T>C",
            "NRAS",
            "c.182A>G",
            "p.Gln61Arg",
            "Q61R",
            "missense_variant",
        ),
        (
            "3:178952085 A>G",
            "PIK3CA",
            "c.3140A>G",
            "p.His1047Arg",
            "H1047R",
            "missense_variant",
        ),
        (
            "3:178936091 G>A",
            "PIK3CA",
            "c.1633G>A",
            "p.Glu545Lys",
            "E545K",
            "missense_variant",
        ),
        (
            "4:55593600 CAGTGGA>C",
            "KIT",
            "c.1669_1674del",
            "p.Trp557_Lys558del",
            "W557_K558del",
            "inframe_deletion",
        ),
        (
            "4:55599321 A>T",
            "KIT",
            "c.2447A>T",
            "p.Asp816Val",
            "D816V",
            "missense_variant",
        ),
        (
            "14:105246551 C>T",
            "AKT1",
            "c.49G>A",
            "p.Glu17Lys",
            "E17K",
            "missense_variant",
        ),
        (
            "17:37880981 A>AGCATACGTGATG",
            "ERBB2",
            "c.2313_2324dup",
            "p.Tyr772_Ala775dup",
            "Y772_A775dup",
            "inframe_insertion",
        ),
        (
            "17:7578406 C>T",
            "TP53",
            "c.524G>A",
            "p.Arg175His",
            "R175H",
            "missense_variant",
        ),
        (
            "17:7578212 G>A",
            "TP53",
            "c.637C>T",
            "p.Arg213Ter",
            "R213*",
            "stop_gained",
        ),
        (
            "17:7577557 AG>A",
            "TP53",
            "c.723del",
            "p.Cys242AlafsTer5",
            "C242Afs*5",
            "frameshift_variant",
        ),
        (
            "17:7579912 T>C",
            "TP53",
            "c.1A>G",
            "p.Met1?",
            "M1?",
            "start_lost",
        ),
        (
            "1:97915614 C>T",
            "DPYD",
            "c.1905+1G>A",
            "-",
            "-",
            "splice_donor_variant",
        ),
        (
            "1:97547947 T>A",
            "DPYD",
            "c.2846A>T",
            "p.Asp949Val",
            "D949V",
            "missense_variant",
        ),
        (
            "1:98045449 G>C",
            "DPYD",
            "c.1129-5923C>G",
            "-",
            "-",
            "intron_variant",
        ),
        (
            "7:116412044 G>T",
            "MET",
            "c.3028+1G>T",
            "-",
            "-",
            "splice_donor_variant",
        ),
        (
            "17:7578370 C>T",
            "TP53",
            "c.559+1G>A",
            "-",
            "-",
            "splice_donor_variant",
        ),
        (
            "17:7578291 T>C",
            "TP53",
            "c.560-2A>G",
            "-",
            "-",
            "splice_acceptor_variant",
        ),
        (
            "17:7578368 C>G",
            "TP53",
            "c.559+3G>C",
            "-",
            "-",
            "splice_region_variant",
        ),
        (
            "17:7578400 G>A",
            "TP53",
            "c.530C>T",
            "p.Pro177Leu",
            "P177L",
            "missense_variant",
        ),
        (
            "17:7572922 G>A",
            "TP53",
            "c.*5C>T",
            "-",
            "-",
            "3_prime_UTR_variant",
        ),
    ];
    for (place, gene, c, p, short, term) in table {
        let v = variant(reference, place);
        let e = only_effect(reference, &genes, &v);
        let t = &genes.transcripts[e.transcript];
        let (long_p, short_p) = e
            .protein
            .as_ref()
            .map_or(("-".into(), "-".into()), |p| (p.hgvs(), p.short()));
        assert_eq!(
            (
                t.model.gene.as_str(),
                e.hgvs_c.as_str(),
                long_p.as_str(),
                short_p.as_str(),
                e.consequences[0].term()
            ),
            (gene, c, p, short, term),
            "{place}"
        );
    }
}

#[test]
fn equal_changes_have_one_name_wherever_the_vcf_puts_them() {
    let reference = demo_reference();
    let genes = demo_genes(reference);
    // The same duplication anchored at every place it can be written at.
    let contig = reference.contig_id("7").unwrap();
    let mut names = std::collections::BTreeSet::new();
    let base = |p: u32| reference.bases(contig, Span::new(p - 1, p))[0];
    let mut inserted: Vec<u8> = b"CCAGCGTGG".to_vec();
    let mut pos = 55_249_010;
    loop {
        let anchor = base(pos);
        let mut alternate = vec![anchor];
        alternate.extend(&inserted);
        let v = Variant {
            contig,
            pos: Pos(pos - 1),
            reference: vec![anchor],
            alternate,
        };
        let e = only_effect(reference, &genes, &v);
        names.insert((e.hgvs_c, e.protein.unwrap().hgvs(), hgvs_g(&v, reference)));
        if *inserted.last().unwrap() != anchor {
            break;
        }
        inserted.rotate_right(1);
        pos -= 1;
    }
    assert!(
        pos < 55_249_010,
        "the duplication can be written in one place only"
    );
    assert_eq!(names.len(), 1, "{names:?}");
}

#[test]
fn genomic_names_shift_along_the_forward_strand() {
    let reference = demo_reference();
    // A deletion of one G of two: 3' on the forward strand is the second.
    let v = variant(reference, "17:7577557 AG>A");
    let g = hgvs_g(&v, reference);
    let shifted = reference.bases(v.contig, Span::new(7_577_557, 7_577_560));
    let run = shifted.iter().take_while(|&&b| b == b'G').count() as u32;
    assert_eq!(g, format!("17:g.{}del", 7_577_557 + run));
}

#[test]
fn frameshifts_into_unknown_sequence_have_no_made_up_stop() {
    let reference = demo_reference();
    let genes = demo_genes(reference);
    // AKT1: only a stretch around codon 17 is known.
    let contig = reference.contig_id("14").unwrap();
    let at = 105_246_551;
    let two = reference.bases(contig, Span::new(at - 1, at + 1));
    let v = Variant {
        contig,
        pos: Pos(at - 1),
        reference: two.clone(),
        alternate: two[..1].to_vec(),
    };
    let e = only_effect(reference, &genes, &v);
    let p = e.protein.unwrap().hgvs();
    assert!(p.ends_with("fsTer?"), "{p}");
    assert_eq!(e.nmd, None);
    assert_eq!(e.consequences[0], Consequence::Frameshift);
}

#[test]
fn nonsense_far_from_the_last_junction_is_expected_to_decay() {
    let reference = demo_reference();
    let genes = demo_genes(reference);
    let nmd = |text: &str| only_effect(reference, &genes, &variant(reference, text)).nmd;
    assert_eq!(nmd("17:7578212 G>A"), Some(true)); // R213*
    assert_eq!(nmd("17:7578406 C>T"), None); // R175H
}

/// A gene model's transcripts on a made-up contig of 120 bases.
pub(crate) fn toy(gff: &str, sequence: &str, name: &str) -> crate::Result<(Reference, GeneModel)> {
    let dir = tempfile::tempdir().unwrap();
    let fa = dir.path().join("toy.fa");
    std::fs::write(&fa, format!(">{name}\n{sequence}\n")).unwrap();
    let reference = build(&fa, BuildOptions::default()).unwrap();
    let path = dir.path().join("toy.gff3.gz");
    let mut gz = flate2::write::GzEncoder::new(
        std::fs::File::create(&path).unwrap(),
        flate2::Compression::fast(),
    );
    gz.write_all(gff.as_bytes()).unwrap();
    gz.finish().unwrap();
    let genes = GeneModel::read(&path, &reference, &everywhere(&reference), &NoPreference)?;
    Ok((reference, genes))
}

/// 30 bases, ATG + 10 codons + TAA at 30..66, the rest T.
fn toy_sequence() -> String {
    format!(
        "{}ATGGCTGCTGCTAAAAAACTGTGGGACTTCCCCTAA{}",
        "C".repeat(30),
        "T".repeat(54)
    )
}

#[test]
fn dialects_of_gene_models_agree() {
    let rows = [
        // Ensembl GFF3
        "1\te\tgene\t21\t90\t.\t+\t.\tID=gene:G1;Name=TOY;biotype=protein_coding\n\
         1\te\tmRNA\t21\t90\t.\t+\t.\tID=transcript:T1;Parent=gene:G1;transcript_id=T1;version=3;tag=basic,MANE_Select\n\
         1\te\texon\t21\t90\t.\t+\t.\tParent=transcript:T1\n\
         1\te\tCDS\t31\t66\t.\t+\t0\tParent=transcript:T1\n",
        // GENCODE GTF: no stop codon in CDS, chr prefix, versioned ids
        "chr1\tH\tgene\t21\t90\t.\t+\t.\tgene_id \"G1\"; gene_name \"TOY\";\n\
         chr1\tH\ttranscript\t21\t90\t.\t+\t.\tgene_id \"G1\"; transcript_id \"T1.3\"; gene_name \"TOY\"; tag \"basic\"; tag \"MANE_Select\";\n\
         chr1\tH\texon\t21\t90\t.\t+\t.\tgene_id \"G1\"; transcript_id \"T1.3\"; gene_name \"TOY\";\n\
         chr1\tH\tCDS\t31\t63\t.\t+\t0\tgene_id \"G1\"; transcript_id \"T1.3\"; gene_name \"TOY\";\n\
         chr1\tH\tstop_codon\t64\t66\t.\t+\t0\tgene_id \"G1\"; transcript_id \"T1.3\"; gene_name \"TOY\";\n",
        // RefSeq GFF3
        "NC_000001.11\tBestRefSeq\tgene\t21\t90\t.\t+\t.\tID=gene-TOY;Name=TOY;gene=TOY;gene_biotype=protein_coding\n\
         NC_000001.11\tBestRefSeq\tmRNA\t21\t90\t.\t+\t.\tID=rna-T1.3;Parent=gene-TOY;Name=T1.3;gene=TOY;tag=MANE Select;transcript_id=T1.3\n\
         NC_000001.11\tBestRefSeq\texon\t21\t90\t.\t+\t.\tID=exon-1;Parent=rna-T1.3;gene=TOY;transcript_id=T1.3\n\
         NC_000001.11\tBestRefSeq\tCDS\t31\t66\t.\t+\t0\tID=cds-1;Parent=rna-T1.3;gene=TOY;protein_id=P1.1\n",
    ];
    for gff in rows {
        let (_, genes) = toy(gff, &toy_sequence(), "1").unwrap();
        let t = &genes.transcripts[0];
        assert_eq!(
            (t.model.gene.as_str(), t.model.id.as_str(), t.model.choice),
            ("TOY", "T1.3", Choice::ManeSelect),
            "{gff}"
        );
        assert_eq!(t.protein, b"MAAAKKLWDFP*", "{gff}");
        assert_eq!(t.fault, None);
    }
}

#[test]
fn a_model_that_does_not_fit_the_sequence_gives_no_protein_change() {
    let model = |cds: &str| {
        format!(
            "1\te\tmRNA\t21\t90\t.\t+\t.\tID=T1;Parent=G1;gene_name=TOY;transcript_id=T1\n\
             1\te\texon\t21\t90\t.\t+\t.\tParent=T1\n1\te\tCDS\t{cds}\t.\t+\t0\tParent=T1\n"
        )
    };
    for (cds, reason) in [
        ("31\t65", "whole number of codons"),
        ("34\t66", "does not start with ATG"),
        ("31\t72", "is a stop"),
    ] {
        let (reference, genes) = toy(&model(cds), &toy_sequence(), "1").unwrap();
        let t: &Transcript = &genes.transcripts[0];
        assert!(t.fault.as_ref().unwrap().contains(reason), "{:?}", t.fault);
        let v = variant(&reference, "1:43 A>T");
        let e = effect(&v, 0, t, &reference).unwrap();
        assert_eq!(e.protein.unwrap().hgvs(), "p.?");
        assert_eq!(e.consequences, [Consequence::CodingSequence]);
    }
}

#[test]
fn protein_names_follow_the_rules_of_position() {
    let gff = "1\te\tmRNA\t21\t90\t.\t+\t.\tID=T1;Parent=G1;gene_name=TOY;transcript_id=T1\n\
               1\te\texon\t21\t90\t.\t+\t.\tParent=T1\n1\te\tCDS\t31\t66\t.\t+\t0\tParent=T1\n";
    // M1 A2 A3 A4 K5 K6 L7 W8 D9 F10 P11 *12; codon n starts at 31 + 3 (n - 1)
    let (reference, genes) = toy(gff, &toy_sequence(), "1").unwrap();
    for (v, c, p) in [
        ("1:33 GGCT>G", "c.10_12del", "p.Ala4del"),
        ("1:33 G>GGCT", "c.10_12dup", "p.Ala4dup"),
        ("1:51 G>GTGT", "c.23_24insTTG", "p.Leu7_Trp8insCys"),
        ("1:51 G>GTAA", "c.22_23insAAT", "p.Trp8Ter"),
        ("1:54 GGAC>G", "c.25_27del", "p.Asp9del"),
        ("1:52 TGG>TGA", "c.24G>A", "p.Trp8Ter"),
        ("1:64 T>C", "c.34T>C", "p.Ter12GlnextTer?"),
        ("1:66 A>G", "c.36A>G", "p.Ter12="),
        ("1:30 C>T", "c.-1C>T", "-"),
        ("1:36 T>TC", "c.6_7insC", "p.Ala3ArgfsTer3"),
    ] {
        let variant = variant(&reference, v);
        let e = effect(&variant, 0, &genes.transcripts[0], &reference).unwrap();
        let found = e.protein.map_or("-".to_string(), |p| p.hgvs());
        assert_eq!((e.hgvs_c.as_str(), found.as_str()), (c, p), "{v}");
    }
}

#[test]
fn contig_names_resolve_with_and_without_chr() {
    let dir = tempfile::tempdir().unwrap();
    let fa = dir.path().join("x.fa");
    std::fs::write(&fa, format!(">chr7\n{0}\n>chrM\n{0}\n", "ACGT".repeat(20))).unwrap();
    let r = build(&fa, BuildOptions::default()).unwrap();
    for (name, found) in [
        ("7", Some(0)),
        ("chr7", Some(0)),
        ("NC_000007.13", Some(0)),
        ("MT", Some(1)),
        ("M", Some(1)),
        ("NC_012920.1", Some(1)),
        ("8", None),
    ] {
        assert_eq!(r.contig_called(name).map(|c| c.0), found, "{name}");
    }
}
