//! `theralign annotate`: VCFs of several callers in, VCF, TSV and MAF out; and what it refuses.

mod program;

use program::{Folder, demo, index, inflated, theralign};

const HEAD: &str = "##fileformat=VCFv4.2\n##contig=<ID=7,length=159138663>\n";
const COLUMNS: &str = "#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO";

/// Annotates one file into another.
fn annotate(input: &str, out: &str, more: &[&str]) -> program::Done {
    let genes = demo("genes.gff3.gz");
    let args = [
        "annotate",
        "-x",
        index(),
        "--genes",
        &genes,
        input,
        "-o",
        out,
    ];
    theralign(&[&args, more].concat())
}

/// Annotates a VCF of this text and gives the file of this name.
fn annotated(folder: &Folder, vcf: &str, name: &str, more: &[&str]) -> String {
    let input = folder.file("in.vcf", vcf);
    let out = folder.path(name);
    annotate(&input, &out, more).fine();
    if name.ends_with("gz") {
        String::from_utf8(inflated(&out)).unwrap()
    } else {
        std::fs::read_to_string(&out).unwrap()
    }
}

fn complains(vcf: &str, name: &str, more: &[&str], parts: &[&str]) {
    let folder = Folder::new();
    let input = folder.file("in.vcf", vcf);
    let out = folder.path(name);
    annotate(&input, &out, more).complains(parts);
    assert_eq!(folder.names(), ["in.vcf"]);
}

/// Values under their names.
fn named<'a>(
    names: &[&str],
    values: impl Iterator<Item = &'a str>,
) -> std::collections::HashMap<String, String> {
    let values: Vec<&str> = values.collect();
    assert_eq!(values.len(), names.len(), "{values:?}");
    let pairs = names.iter().zip(values);
    pairs.map(|(n, v)| (n.to_string(), v.into())).collect()
}

/// A MAF's or TSV's rows, each value under its column's name.
fn rows(text: &str) -> Vec<std::collections::HashMap<String, String>> {
    let mut lines = text.lines().filter(|l| !l.starts_with('#'));
    let names: Vec<&str> = lines.next().unwrap().split('\t').collect();
    lines.map(|l| named(&names, l.split('\t'))).collect()
}

/// One VCF line's CSQ entries, each value under its field's name.
fn csq(vcf: &str, pos: &str) -> Vec<std::collections::HashMap<String, String>> {
    let format = vcf
        .lines()
        .find(|l| l.starts_with("##INFO=<ID=CSQ,"))
        .unwrap();
    let names: Vec<&str> = format
        .split_once("Format: ")
        .unwrap()
        .1
        .trim_end_matches("\">")
        .split('|')
        .collect();
    let line = vcf
        .lines()
        .find(|l| l.split('\t').nth(1) == Some(pos) && !l.starts_with('#'))
        .unwrap();
    let info = line.split('\t').nth(7).unwrap();
    let entries = info
        .split(';')
        .find_map(|f| f.strip_prefix("CSQ="))
        .unwrap();
    entries
        .split(',')
        .map(|e| named(&names, e.split('|')))
        .collect()
}

/// Mutect2: two samples that the header names, several alleles, its own filters, an older CSQ.
const MUTECT: &str = "##fileformat=VCFv4.2\n##normal_sample=N\n##tumor_sample=T\n\
    ##contig=<ID=7,length=159138663>\n##INFO=<ID=CSQ,Number=.,Type=String,Description=\"Format: X\">\n\
    #CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\tFORMAT\tN\tT\n\
    7\t55242464\t.\tAGGAATTAAGAGAAGC\tA\t.\tPASS\tDP=900;CSQ=old\tGT:AD:AF:DP\t0/0:400,0:0.002:400\t0/1:380,120:0.24:500\n\
    7\t55249010\t.\tG\tGCCAGCGTGG,A\t.\tweak_evidence\tDP=9\tGT:AD:AF:DP\t0/0:9,0,0:.,.:9\t0/1/2:7,1,1:0.1,0.1:9\n\
    7\t55249071\trs121434569\tC\tT\t.\tPASS\t.\tGT:AD:AF:DP\t0/0:50,0:0:50\t0/1:30,20:0.4:50\n\
    7\t55259515\t.\tT\t<DEL>,*\t.\tPASS\tEND=55259600\tGT\t0/0\t0/1\n";

#[test]
fn a_vcf_keeps_its_records_and_gets_csq() {
    let folder = Folder::new();
    let vcf = annotated(&folder, MUTECT, "out.vcf.gz", &[]);
    assert!(folder.names().contains(&"out.vcf.gz.tbi".to_string()));
    assert_eq!(vcf.matches("##INFO=<ID=CSQ,").count(), 1);
    assert!(!vcf.contains("CSQ=old"));
    let deletion = &csq(&vcf, "55242464")[0];
    for (field, value) in [
        ("Allele", "-"),
        ("Consequence", "inframe_deletion"),
        ("IMPACT", "MODERATE"),
        ("SYMBOL", "EGFR"),
        ("Feature_type", "Transcript"),
        ("HGVSp", "p.Glu746_Ala750del"),
        ("CDS_position", "2235-2249"),
        ("Protein_position", "745-750"),
        ("ALLELE_NUM", "1"),
        ("STRAND", "1"),
        ("PICK", "1"),
        ("HGVSg", "7:g.55242465_55242479del"),
        ("VRS", ""), // the index holds windows only
    ] {
        assert_eq!(deletion[field], value, "{field}: {deletion:?}");
    }
    assert!(deletion["HGVSc"].ends_with(":c.2235_2249del"));
    let both = csq(&vcf, "55249010");
    assert_eq!(both.len(), 2);
    assert_eq!(both[0]["HGVSp"], "p.Ala767_Val769dup");
    assert_eq!(
        (both[1]["Allele"].as_str(), both[1]["ALLELE_NUM"].as_str()),
        ("A", "2")
    );
    // What is no sequence stays as it is.
    let symbolic = MUTECT.lines().last().unwrap();
    assert_eq!(vcf.lines().last().unwrap(), symbolic);
    // All else of a record stays: without CSQ the lines are the old ones.
    let strip = |l: &str| {
        let f: Vec<&str> = l.split('\t').collect();
        let info: Vec<&str> = f[7].split(';').filter(|x| !x.starts_with("CSQ=")).collect();
        [&f[..7], &[&info.join(";")], &f[8..]].concat().join("\t")
    };
    let records = |t: &str| {
        t.lines()
            .filter(|l| !l.starts_with('#'))
            .map(strip)
            .collect::<Vec<_>>()
    };
    let mut expected = records(MUTECT);
    expected[2] = expected[2].replace("\t.\tGT", "\t\tGT");
    assert_eq!(records(&vcf), expected);
    assert_eq!(vcf, annotated(&folder, MUTECT, "again.vcf.gz", &[]));
}

#[test]
fn a_maf_has_its_own_coordinates_and_the_columns_that_tools_ask_for() {
    let folder = Folder::new();
    let maf = annotated(&folder, MUTECT, "out.maf", &[]);
    assert!(maf.starts_with("#version 2.4\nHugo_Symbol\t"));
    let rows = rows(&maf);
    // What failed a filter is left out.
    assert_eq!(rows.len(), 2, "{maf}");
    for (column, value) in [
        ("Hugo_Symbol", "EGFR"),
        ("NCBI_Build", "GRCh37"),
        ("Chromosome", "7"),
        ("Start_Position", "55242465"),
        ("End_Position", "55242479"),
        ("Strand", "+"),
        ("Variant_Classification", "In_Frame_Del"),
        ("Variant_Type", "DEL"),
        ("Reference_Allele", "GGAATTAAGAGAAGC"),
        ("Tumor_Seq_Allele1", "GGAATTAAGAGAAGC"),
        ("Tumor_Seq_Allele2", "-"),
        ("Tumor_Sample_Barcode", "T"),
        ("Matched_Norm_Sample_Barcode", "N"),
        ("HGVSc", "c.2235_2249del"),
        ("HGVSp", "p.Glu746_Ala750del"),
        ("HGVSp_Short", "p.E746_A750del"),
        ("t_depth", "500"),
        ("t_ref_count", "380"),
        ("t_alt_count", "120"),
        ("n_depth", "400"),
        ("n_ref_count", "400"),
        ("n_alt_count", "0"),
    ] {
        assert_eq!(rows[0][column], value, "{column}");
    }
    assert_eq!(rows[1]["dbSNP_RS"], "rs121434569");
    assert_eq!(rows[1]["Variant_Type"], "SNP");
    // An insertion has the bases on both sides; Strelka's and VarScan's counts are read too.
    let lists = format!(
        "{HEAD}{COLUMNS}\tFORMAT\tS\n\
         7\t55249010\t.\tG\tGCCAGCGTGG\t.\tPASS\t.\tDP:TAR:TIR\t90:60,61:30,31\n\
         7\t55249071\t.\tC\tT\t.\tPASS\t.\tGT:RD:AD\t1/1:2:40\n\
         7\t55259515\t.\tT\tG\t.\tPASS\t.\tDP:AU:CU:GU:TU\t50:0,0:0,0:20,20:30,30\n"
    );
    let rows = self::rows(&annotated(&folder, &lists, "lists.maf", &[]));
    let get = |i: usize, c: &str| rows[i][c].as_str();
    assert_eq!(
        [
            get(0, "Start_Position"),
            get(0, "End_Position"),
            get(0, "Reference_Allele"),
            get(0, "Tumor_Seq_Allele2")
        ],
        ["55249010", "55249011", "-", "CCAGCGTGG"]
    );
    assert_eq!(
        [get(0, "Variant_Classification"), get(0, "Variant_Type")],
        ["In_Frame_Ins", "INS"]
    );
    let counts = |i| [get(i, "t_ref_count"), get(i, "t_alt_count")];
    assert_eq!(
        [counts(0), counts(1), counts(2)],
        [["60", "30"], ["2", "40"], ["30", "20"]]
    );
    assert_eq!(
        [get(1, "Tumor_Seq_Allele1"), get(2, "Tumor_Seq_Allele1")],
        ["T", "T"]
    );
}

#[test]
fn splice_sites_and_stops_have_the_names_that_oncokb_knows() {
    let folder = Folder::new();
    let list = format!(
        "##fileformat=VCFv4.2\n{COLUMNS}\n7\t116412044\t.\tG\tT\t.\t.\t.\n17\t7578212\t.\tG\tA\t.\t.\t.\n\
         17\t7577557\t.\tAG\tA\t.\t.\t.\n17\t1000\t.\tN\tA\t.\t.\t.\n"
    );
    // A list of variants without samples, sorted by no order of contigs: a table does not mind.
    let rows = rows(&annotated(&folder, &list, "out.maf", &[]));
    let told: Vec<[&str; 3]> = rows
        .iter()
        .map(|r| ["Hugo_Symbol", "HGVSp_Short", "Variant_Classification"].map(|c| r[c].as_str()))
        .collect();
    assert_eq!(
        told,
        [
            ["MET", "p.X1010_splice", "Splice_Site"],
            ["TP53", "p.R213*", "Nonsense_Mutation"],
            ["TP53", "p.C242Afs*5", "Frame_Shift_Del"],
            ["Unknown", "", "IGR"],
        ]
    );
}

#[test]
fn two_records_of_one_codon_and_haplotype_are_one_row() {
    let folder = Folder::new();
    let phased = |a: &str, b: &str| {
        format!(
            "{HEAD}{COLUMNS}\tFORMAT\tS\n\
             7\t140453136\t.\tA\tT\t.\tPASS\t.\tGT:PS:DP:AD\t{a}:140453136:100:60,40\n\
             7\t140453137\t.\tC\tT\t.\tPASS\t.\tGT:PS:DP:AD\t{b}:140453136:98:60,38\n"
        )
    };
    let together = phased("0|1", "0|1");
    let maf = rows(&annotated(&folder, &together, "cis.maf", &[]));
    assert_eq!(maf.len(), 1);
    for (column, value) in [
        ("Start_Position", "140453136"),
        ("End_Position", "140453137"),
        ("Variant_Type", "DNP"),
        ("Reference_Allele", "AC"),
        ("Tumor_Seq_Allele2", "TT"),
        ("HGVSc", "c.1798_1799delinsAA"),
        ("HGVSp_Short", "p.V600K"),
        ("HGVSg", "7:g.140453136_140453137delinsTT"),
        ("t_alt_count", "38"),
        ("Haplotype", "7:140453137C>T 7:140453136A>T"),
    ] {
        assert_eq!(maf[0][column], value, "{column}");
    }
    let vcf = annotated(&folder, &together, "cis.vcf", &[]);
    for pos in ["140453136", "140453137"] {
        assert_eq!(csq(&vcf, pos)[0]["HGVSp"], "p.Val600Lys");
        assert_eq!(
            csq(&vcf, pos)[0]["HAPLOTYPE"],
            "7:140453137C>T&7:140453136A>T"
        );
    }
    let apart = rows(&annotated(&folder, &phased("0|1", "1|0"), "trans.maf", &[]));
    let names: Vec<&str> = apart.iter().map(|r| r["HGVSp_Short"].as_str()).collect();
    assert_eq!(names, ["p.V600E", "p.V600M"]);
}

#[test]
fn tables_tell_every_allele_and_none_that_the_sample_lacks() {
    let folder = Folder::new();
    // freebayes: RO and AO, and a second sample with another allele
    let vcf = "##fileformat=VCFv4.2\n#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\tFORMAT\tA\tB\n\
        chr7\t140453136\t.\tAC\tTC,TT\t99\t.\t.\tGT:DP:RO:AO\t0/1:30:20:10,0\t0/2:40:25:0,15\n";
    let of = |sample: &str| {
        let text = annotated(&folder, vcf, "out.tsv", &["--sample", sample]);
        rows(&text)
            .iter()
            .map(|r| {
                ["HGVSp", "Reference_support", "Alternate_support", "Picked"].map(|c| r[c].clone())
            })
            .collect::<Vec<_>>()
    };
    assert_eq!(of("A"), [["p.Val600Glu", "20", "10", "yes"]]);
    assert_eq!(of("B"), [["p.Val600Lys", "25", "15", "yes"]]);
    complains(
        vcf,
        "out.tsv",
        &[],
        &["in.vcf, header", "2 samples", "--sample: A, B"],
    );
    complains(vcf, "out.tsv", &["--sample", "C"], &["no sample C", "A, B"]);
}

#[test]
fn no_variants_and_no_genes_are_fine() {
    let folder = Folder::new();
    let empty = format!("{HEAD}{COLUMNS}\tFORMAT\tS\n");
    let vcf = annotated(&folder, &empty, "empty.vcf.gz", &[]);
    assert!(vcf.ends_with("INFO\tFORMAT\tS\n"));
    assert_eq!(rows(&annotated(&folder, &empty, "empty.maf", &[])), []);
    assert_eq!(rows(&annotated(&folder, &empty, "empty.tsv.gz", &[])), []);
    let between = format!("{HEAD}{COLUMNS}\n7\t1000\t.\tN\tA\t.\t.\t.\n");
    let vcf = annotated(&folder, &between, "between.vcf", &[]);
    assert_eq!(csq(&vcf, "1000")[0]["Consequence"], "intergenic_variant");
}

#[test]
fn what_does_not_fit_is_refused_by_name() {
    let with =
        |head: &str, record: &str| format!("##fileformat=VCFv4.2\n{head}{COLUMNS}\n{record}");
    complains(
        &with("##contig=<ID=chr7,length=159345973>\n", ""),
        "out.vcf.gz",
        &[],
        &["in.vcf, header", "chr7", "GRCh38", "GRCh37", "-x"],
    );
    complains(
        &with("", "7\t55259515\t.\tA\tG\t.\t.\t.\n"),
        "out.maf",
        &[],
        &["in.vcf, line 3", "REF is A", "has T"],
    );
    complains(
        &with("", "9\t5\t.\tA\tG\t.\t.\t.\n"),
        "out.maf",
        &[],
        &["line 3", "no contig 9"],
    );
    complains(
        &with("", "7\t55259515\t.\tT\n"),
        "out.tsv",
        &[],
        &["line 3", "4 columns"],
    );
    complains("7\t1\t.\tA\tG\n", "out.tsv", &[], &["not a VCF"]);
    complains(&with("", ""), "out.txt", &[], &["out.txt", ".maf"]);
    let unsorted = "7\t55259515\t.\tT\tG\t.\t.\t.\n7\t55249071\t.\tC\tT\t.\t.\t.\n";
    complains(
        &with("", unsorted),
        "out.vcf.gz",
        &[],
        &["line 4", "not sorted"],
    );
}
