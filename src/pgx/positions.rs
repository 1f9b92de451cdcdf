//! The defining places as a VCF: one that PharmCAT takes, with what a sample has at each of them, and one
//! that says what `call --force` shall look at.

use super::build::{CHROMOSOMES, rank};
use super::diplotype::{Genotype, Seen};
use super::gene::{Gene, Locus};
use super::place::{Places, Site};
use crate::Result;
use crate::domain::{ContigId, Span};
use crate::format::output::Output;
use crate::format::vcf::{self, Line};
use crate::genome::Reference;
use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::Path;

/// Writes a record for each defining place, as PharmCAT spells it on GRCh38: genotypes, also those of the
/// reference, and `./.` where none is known.
///
/// # Errors
/// When the file cannot be written.
pub fn write(
    path: &Path,
    sample: &str,
    genes: &BTreeMap<String, Gene>,
    seen: &BTreeMap<String, Vec<Seen>>,
) -> Result<()> {
    let mut header = String::from("##fileformat=VCFv4.2\n##source=theralign\n");
    for (name, _, length) in CHROMOSOMES {
        let _ = writeln!(
            header,
            "##contig=<ID={name},length={length},assembly=GRCh38.p14,species=\"Homo sapiens\">"
        );
    }
    header += "##FILTER=<ID=PASS,Description=\"All filters passed\">\n\
        ##INFO=<ID=PX,Number=.,Type=String,Description=\"Gene\">\n\
        ##FORMAT=<ID=GT,Number=1,Type=String,Description=\"Genotype\">\n\
        ##FORMAT=<ID=DP,Number=1,Type=Integer,Description=\"Fragments that cover the position\">\n\
        ##FORMAT=<ID=GQ,Number=1,Type=Integer,Description=\"Genotype quality, phred\">\n\
        ##FORMAT=<ID=PS,Number=1,Type=Integer,Description=\"Phase set\">\n";
    let _ = writeln!(
        header,
        "#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\tFORMAT\t{sample}"
    );
    let mut lines = Vec::new();
    for (name, gene) in genes {
        for (locus, seen) in gene.loci.iter().zip(&seen[name]) {
            lines.push(line(gene, locus, seen.as_ref().ok()));
        }
    }
    lines.sort_by_key(|l| (l.contig, l.start));
    let contigs: Vec<(&str, u32)> = CHROMOSOMES.iter().map(|c| (c.0, c.2)).collect();
    vcf::write_indexed(path, &header, &contigs, &lines)
}

fn line(gene: &Gene, locus: &Locus, genotype: Option<&Genotype>) -> Line {
    let mut alleles: Vec<&str> = locus.alleles().collect();
    for seen in genotype.iter().flat_map(|g| &g.alleles) {
        if !alleles.contains(&seen.as_str()) {
            alleles.push(seen);
        }
    }
    let number = |n: Option<u32>| n.map_or(".".into(), |n| n.to_string());
    let (gt, phase) = match genotype {
        None if gene.is_mitochondrial() => (".".into(), None),
        None => ("./.".into(), None),
        Some(g) => {
            let index = |a: &String| alleles.iter().position(|x| x == a).unwrap_or(0).to_string();
            let indices: Vec<String> = g.alleles.iter().map(index).collect();
            let between = if g.phase.is_some() { "|" } else { "/" };
            (indices.join(between), g.phase.filter(|&set| set > 0))
        }
    };
    let id = if locus.id.starts_with("chr") {
        "."
    } else {
        &locus.id
    };
    let start = locus.grch38 - 1;
    Line {
        contig: rank(&locus.chromosome),
        start,
        end: start + locus.reference.len() as u32,
        text: format!(
            "{}\t{}\t{id}\t{}\t{}\t.\tPASS\tPX={}\tGT:DP:GQ:PS\t{gt}:{}:{}:{}",
            locus.chromosome,
            locus.grch38,
            locus.reference,
            alleles[1..].join(","),
            gene.name,
            number(genotype.and_then(|g| g.depth)),
            number(genotype.and_then(|g| g.quality)),
            number(phase),
        ),
    }
}

/// Writes the places that `within` holds as they stand on a reference, one allele a line, for
/// `call --force`; returns how many were written, of how many.
///
/// # Errors
/// When the file cannot be written.
pub fn write_loci(
    path: &Path,
    genes: &BTreeMap<String, Gene>,
    places: &Places,
    reference: &Reference,
    within: &dyn Fn(ContigId, Span) -> bool,
) -> Result<(usize, usize)> {
    let mut lines = Vec::new();
    let mut found = 0;
    for locus in genes.values().flat_map(|g| &g.loci) {
        let Some(site @ Site::At { contig, span, .. }) = places.of(locus) else {
            continue;
        };
        if !within(*contig, *span) {
            continue;
        }
        found += 1;
        for v in locus.alleles().filter_map(|a| site.variant(a)) {
            let letters = |b: &[u8]| String::from_utf8_lossy(b).into_owned();
            let text = format!(
                "{}\t{}\t{}\t{}\t{}\t.\t.\t.\n",
                reference.contig(v.contig).name,
                v.pos.one_based(),
                locus.id,
                letters(&v.reference),
                letters(&v.alternate),
            );
            lines.push((v.contig, v.pos, text));
        }
    }
    lines.sort();
    let mut text =
        String::from("##fileformat=VCFv4.2\n#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\n");
    text.extend(lines.into_iter().map(|l| l.2));
    Output::write(path, text.as_bytes())?;
    Ok((found, genes.values().map(|g| g.loci.len()).sum()))
}

#[cfg(test)]
mod tests {
    use super::super::{gene, sample};
    use super::*;
    use std::io::Read;

    #[test]
    fn what_is_written_is_read_again() {
        let genes = gene::shipped();
        let mut seen: BTreeMap<String, Vec<Seen>> = BTreeMap::new();
        for (name, g) in &genes {
            let copies = if g.is_mitochondrial() { 1 } else { 2 };
            let all = g.loci.iter().enumerate().map(|(i, l)| {
                if i % 7 == 3 {
                    return Err("not seen".to_string());
                }
                let other = &l.alternates[i % l.alternates.len()];
                let alleles = [if i % 3 == 0 { other } else { &l.reference }, &l.reference];
                let mut genotype = Genotype::of(&alleles.map(String::as_str)[2 - copies..]);
                genotype.phase = (genotype.is_heterozygous() && i % 2 == 0).then_some(l.grch38);
                genotype.depth = Some(30);
                genotype.quality = Some(60);
                Ok(genotype)
            });
            seen.insert(name.clone(), all.collect());
        }
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("S.pgx.vcf.gz");
        write(&path, "S", &genes, &seen).unwrap();
        assert!(folder.path().join("S.pgx.vcf.gz.tbi").exists());
        let again = sample::read(&path, &genes, &sample::Options::default()).unwrap();
        assert_eq!(again.name, "S");
        for (name, g) in &genes {
            for (i, locus) in g.loci.iter().enumerate() {
                match (&seen[name][i], &again.seen[name][i]) {
                    (Ok(a), Ok(b)) => assert_eq!(a, b, "{name} {}", locus.id),
                    (Err(_), Err(_)) => {}
                    (a, b) => panic!("{name} {}: {a:?} {b:?}", locus.id),
                }
            }
        }
        let mut text = String::new();
        let mut file = crate::format::input::open(&path).unwrap();
        file.read_to_string(&mut text).unwrap();
        let record =
            "chr2\t233760233\trs3064744\tCAT\tC,CATAT,CATATAT\t.\tPASS\tPX=UGT1A1\tGT:DP:GQ:PS\t";
        assert!(text.contains(record));
        let records = text.lines().filter(|l| !l.starts_with('#')).count();
        assert_eq!(records, genes.values().map(|g| g.loci.len()).sum::<usize>());
    }
}
