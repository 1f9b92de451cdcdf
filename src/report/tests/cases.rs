//! Cases in which a report could mislead: what each must say.

use super::*;
use crate::annotate::knowledge::Direction;
use crate::report::evidence::Finding;

const L858R: Row = ("7", 55_259_515, "T", "G", "PASS", 800, 200);
const T790M: Row = ("7", 55_249_071, "C", "T", "PASS", 880, 120);
const G12D: Row = ("12", 25_398_284, "C", "T", "PASS", 700, 300);
const V600E: Row = ("7", 140_453_136, "A", "T", "PASS", 700, 300);

fn report(calls: &[Row], tumor: &str) -> Report {
    Case::new(calls, 1000).run(tumor).report
}

fn only(calls: &[Row], tumor: &str) -> Finding {
    let mut findings = report(calls, tumor).findings;
    assert_eq!(findings.len(), 1, "{findings:?}");
    findings.remove(0)
}

fn drugs(f: &Finding, standing: Standing) -> Vec<&str> {
    let all = f.sensitivity.iter().filter(|e| e.standing == standing);
    all.map(|e| e.therapy.as_str()).collect()
}

#[test]
fn a_drug_of_another_tumor_is_not_approved_here() {
    let melanoma = only(&[V600E], "MEL");
    assert_eq!(melanoma.tier, Some(Tier::One));
    assert!(drugs(&melanoma, Standing::ApprovedHere).contains(&"Dabrafenib + Trametinib"));
    // A tumor that no label of BRAF's excludes but the agnostic one names.
    let colon = only(&[V600E], "COAD");
    assert!(!drugs(&colon, Standing::ApprovedHere).contains(&"Dabrafenib + Trametinib"));
    assert!(
        drugs(&colon, Standing::ApprovedHere)
            .iter()
            .any(|d| d.contains("Encorafenib"))
    );
}

#[test]
fn resistance_stands_beside_sensitivity() {
    let r = report(&[L858R, T790M], "LUAD");
    let of = |name: &str| r.findings.iter().find(|f| f.name == name).unwrap();
    assert!(
        of("L858R")
            .sensitivity
            .iter()
            .any(|e| e.therapy == "Erlotinib")
    );
    assert!(
        of("T790M")
            .resistance
            .iter()
            .any(|e| e.therapy == "Erlotinib")
    );
    assert!(
        r.conflicts
            .iter()
            .any(|c| c.starts_with("Erlotinib: EGFR L858R speaks for it, EGFR T790M against"))
    );
}

#[test]
fn resistance_alone_sets_no_tier_of_strength() {
    let f = only(&[G12D], "COAD");
    assert!(
        f.resistance
            .iter()
            .any(|e| e.therapy.contains("Cetuximab") && e.relation != Relation::Other)
    );
    assert!(f.tier_reason.contains("resistance") || f.sensitivity.iter().any(|e| e.tier == f.tier));
}

#[test]
fn a_fraction_of_one_half_may_be_inherited() {
    let half = ("17", 7_577_557, "AG", "A", "PASS", 520, 480);
    assert!(
        only(&[half], "BRCA")
            .germline
            .unwrap()
            .contains("Li-Fraumeni")
    );
    let few = ("17", 7_577_557, "AG", "A", "PASS", 950, 50);
    assert_eq!(only(&[few], "BRCA").germline, None);
}

#[test]
fn a_gene_of_ageing_blood_is_pointed_out_in_solid_tumors_only() {
    let few = ("17", 7_577_557, "AG", "A", "PASS", 950, 50);
    let blood = |f: Finding| f.notes.iter().any(|n| n.contains("clonal haematopoiesis"));
    assert!(blood(only(&[few], "LUAD")));
    assert!(!blood(only(&[few], "AML")));
    let most = ("17", 7_577_557, "AG", "A", "PASS", 300, 700);
    assert!(!blood(only(&[most], "LUAD")));
    assert!(!blood(only(&[L858R], "LUAD")));
}

#[test]
fn what_only_another_transcript_would_change_is_said_and_not_counted() {
    // A transcript of KRAS whose coding sequence goes on behind exon 2, beside the one that stands for it.
    let case = Case::new(&[("12", 25_398_200, "A", "G", "PASS", 800, 200)], 1000);
    let f = &case.run("COAD").report.findings[0];
    assert_eq!(f.tier, None, "{f:?}");
    assert!(f.notes.is_empty());
    let mut text = String::new();
    let gff = std::fs::File::open("testdata/demo/genes.gff3.gz").unwrap();
    std::io::Read::read_to_string(&mut flate2::read::MultiGzDecoder::new(gff), &mut text).unwrap();
    let parent = |id: &str| {
        format!(
            "ID=x.{id};Parent=transcript:ENST_OTHER;transcript_id=ENST_OTHER;gene_name=KRAS;gene_id=ENSG00000133703"
        )
    };
    text += "12\ttest\tmRNA\t25398100\t25398329\t.\t-\t.\tID=transcript:ENST_OTHER;Parent=gene:KRAS;gene_name=KRAS;transcript_id=ENST_OTHER;gene_id=ENSG00000133703;biotype=protein_coding\n";
    writeln!(text, "12	test	exon	25398190	25398329	.	-	.	{}", parent("e")).unwrap();
    writeln!(text, "12	test	CDS	25398190	25398318	.	-	0	{}", parent("c")).unwrap();
    let genes = case.dir.path().join("genes.gff3");
    std::fs::write(&genes, text).unwrap();
    let options = ReportOptions {
        genes,
        ..case.options("COAD")
    };
    let f = run(case.reference, &options)
        .unwrap()
        .report
        .findings
        .remove(0);
    assert_eq!(f.transcript, "NM_004985.5");
    assert_eq!(f.tier, None);
    assert!(
        f.notes
            .iter()
            .any(|n| n.contains("ENST_OTHER") && n.contains("does not count")),
        "{:?}",
        f.notes
    );
}

#[test]
fn a_withdrawn_drug_is_not_approved() {
    let case = Case::new(&[L858R], 1000);
    let file = case.dir.path().join("own.tsv");
    std::fs::write(
        &file,
        "##theralign-knowledge=1\nid\tgene\talteration\texpression\ttumor\tcodes\ttherapy\tsignificance\tlevel\tregulatory\tsources\n\
         X1\tEGFR\tL858R\tEGFR L858R\tLung\tNSCLC\tGonenib\tSensitivity/Response\tB\twithdrawn\tCIVIC|1|1\n",
    )
    .unwrap();
    let knowledge = KnowledgeOptions {
        files: vec![file],
        only: true,
        ..KnowledgeOptions::default()
    };
    let options = ReportOptions {
        knowledge,
        ..case.options("LUAD")
    };
    let f = run(case.reference, &options)
        .unwrap()
        .report
        .findings
        .remove(0);
    assert_eq!(f.sensitivity[0].standing, Standing::Investigational);
    assert!(
        f.sensitivity[0]
            .caveats
            .iter()
            .any(|c| c.contains("withdrawn"))
    );
}

#[test]
fn wild_type_cannot_be_claimed_over_a_gap() {
    let case = Case::new(&[], 1000);
    let bed = case.dir.path().join("demo.depth.bed");
    let text = std::fs::read_to_string(&bed).unwrap();
    // NRAS exon 3 was not seen.
    let gap: String = text
        .split_inclusive('\n')
        .filter(|l| !l.starts_with("1\t115256410\t"))
        .collect();
    std::fs::write(&bed, gap).unwrap();
    let r = case.run("COAD").report;
    for w in &r.wild_type {
        assert_eq!(w.status, "not_assessed", "{}: {}", w.therapy, w.reason);
        assert!(w.reason.contains("NRAS"), "{}", w.reason);
    }
    assert!(!r.wild_type.is_empty());
}

#[test]
fn wild_type_is_refuted_by_what_was_found() {
    let r = report(&[G12D], "COAD");
    assert!(
        r.wild_type
            .iter()
            .all(|w| w.status == "not_supported" && w.reason.contains("KRAS G12D"))
    );
}

#[test]
fn v600k_is_one_change_of_two_bases() {
    let f = only(&[("7", 140_453_136, "AC", "TT", "PASS", 900, 100)], "MEL");
    assert_eq!(f.name, "V600K");
    assert_eq!(f.tier, Some(Tier::One));
}

#[test]
fn a_silent_change_at_a_hotspot_is_no_hotspot() {
    // EGFR T790T
    let r = report(&[("7", 55_249_072, "G", "A", "PASS", 500, 500)], "LUAD");
    assert_eq!(r.findings[0].tier, None);
    assert!(matches!(
        outcome(&r, "EGFR", "T790M"),
        Outcome::NotDetected { .. }
    ));
}

#[test]
fn another_residue_at_an_exact_hotspot_has_not_its_drugs() {
    // EGFR L858P
    let f = only(&[("7", 55_259_515, "T", "C", "PASS", 800, 200)], "LUAD");
    assert_eq!(f.name, "L858P");
    assert!(drugs(&f, Standing::ApprovedHere).is_empty());
    assert_eq!(f.tier, Some(Tier::Three));
}

#[test]
fn a_frameshift_in_exon_19_is_no_in_frame_deletion() {
    let f = only(
        &[("7", 55_242_464, "AGGAATTAAGAGAAG", "A", "PASS", 700, 300)],
        "LUAD",
    );
    assert!(f.consequences.contains(&"frameshift_variant"));
    assert!(drugs(&f, Standing::ApprovedHere).is_empty());
}

#[test]
fn both_alleles_of_a_site_are_read() {
    let case = Case::new(&[], 1000);
    let digest = case.reference.digest();
    std::fs::write(
        case.dir.path().join("demo.vcf"),
        format!(
            "##fileformat=VCFv4.4\n##theralign_reference={digest}\n##theralign_mode=somatic\n\
             #CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\tFORMAT\tdemo\n\
             12\t25398285\t.\tC\tA,T\t.\tPASS\t.\tGT:AD:DP\t0/1/2:700,200,100:1000\n"
        ),
    )
    .unwrap();
    let r = case.run("COAD").report;
    let names: Vec<&str> = r.findings.iter().map(|f| f.name.as_str()).collect();
    assert_eq!(names, ["G12C", "G12S"]);
    assert_eq!(r.findings[1].support, Some(100));
}

#[test]
fn what_the_sample_does_not_have_is_no_finding() {
    let case = Case::new(&[L858R], 1000);
    let vcf = case.dir.path().join("demo.vcf");
    let text = std::fs::read_to_string(&vcf)
        .unwrap()
        .replace("0/1:", "0/0:");
    std::fs::write(vcf, text).unwrap();
    assert!(case.run("LUAD").report.findings.is_empty());
}

#[test]
fn a_shallow_place_is_not_absent() {
    let r = Case::new(&[], 5).run("LUAD").report;
    let Outcome::NotAssessed { reason } = outcome(&r, "EGFR", "L858R") else {
        panic!()
    };
    assert!(reason.contains("depth 5"), "{reason}");
}

#[test]
fn half_a_codon_in_the_panel_is_not_a_locus_that_was_seen() {
    let case = Case::new(&[], 1000);
    let panel = case.dir.path().join("cut.bed");
    let text = std::fs::read_to_string("testdata/demo/panel.bed").unwrap();
    // EGFR exon 21 from within codon 858 on.
    std::fs::write(
        &panel,
        text.replace("7\t55259401\t55259577", "7\t55259514\t55259577"),
    )
    .unwrap();
    let options = ReportOptions {
        panel,
        ..case.options("LUAD")
    };
    let r = run(case.reference, &options).unwrap().report;
    let Outcome::NotAssessed { reason } = outcome(&r, "EGFR", "L858R") else {
        panic!()
    };
    assert!(reason.contains("outside the panel"), "{reason}");
}

#[test]
fn a_symbolic_allele_is_left_out_aloud() {
    let case = Case::new(&[L858R], 1000);
    let vcf = case.dir.path().join("demo.vcf");
    let text = std::fs::read_to_string(&vcf).unwrap()
        + "17\t37880970\t.\tT\t<DUP>\t.\tPASS\tEND=37881000\tGT\t0/1\n";
    std::fs::write(vcf, text).unwrap();
    let r = case.run("LUAD").report;
    assert!(
        r.warnings.iter().any(|w| w.contains("1 symbolic alleles")),
        "{:?}",
        r.warnings
    );
}

#[test]
fn a_level_of_doubt_is_not_a_level_of_proof() {
    // KIT's exon 11 deletion: imatinib's evidence is of another tumor and of no label here.
    let f = only(
        &[("4", 55_593_600, "CAGTGGA", "C", "PASS", 750, 250)],
        "LUAD",
    );
    assert_ne!(f.tier, Some(Tier::One));
    assert!(drugs(&f, Standing::ApprovedHere).is_empty());
    assert!(
        f.sensitivity
            .iter()
            .all(|e| e.direction == Direction::Sensitivity)
    );
}

#[test]
fn a_panel_without_the_gene_says_so() {
    let case = Case::new(&[], 1000);
    let panel = case.dir.path().join("egfr.bed");
    std::fs::write(&panel, "7\t55259401\t55259577\tEGFR_exon21\n").unwrap();
    let options = ReportOptions {
        panel,
        ..case.options("LUAD")
    };
    let r = run(case.reference, &options).unwrap().report;
    assert!(
        r.outside
            .iter()
            .any(|g| g.gene == "KRAS" && g.for_this_tumor)
    );
    assert!(r.loci.iter().all(|l| l.gene == "EGFR"));
}

#[test]
fn a_gene_model_without_the_gene_says_so() {
    let case = Case::new(&[G12D], 1000);
    let mut text = String::new();
    let gff = std::fs::File::open("testdata/demo/genes.gff3.gz").unwrap();
    std::io::Read::read_to_string(&mut flate2::read::MultiGzDecoder::new(gff), &mut text).unwrap();
    let genes = case.dir.path().join("genes.gff3");
    let without: String = text
        .split_inclusive('\n')
        .filter(|l| !l.contains("KRAS") && !l.contains("NM_004985"))
        .collect();
    std::fs::write(&genes, without).unwrap();
    let options = ReportOptions {
        genes,
        ..case.options("COAD")
    };
    let r = run(case.reference, &options).unwrap().report;
    assert_eq!(r.findings[0].tier, None);
    assert!(r.outside.iter().any(|g| g.gene == "KRAS"));
    assert!(
        r.wild_type.iter().all(|w| w.status == "not_assessed"),
        "{:?}",
        r.wild_type
    );
}
