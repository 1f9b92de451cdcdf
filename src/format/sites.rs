//! What a VCF tells of alleles, whoever has them: place, REF, ALT and INFO. Genotypes are not read.

use super::input;
use crate::domain::{ContigId, Pos, Span, Variant};
use crate::genome::Reference;
use crate::{Error, Result, error::thousands};
use std::io::BufRead;
use std::path::Path;

/// One ALT of one record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Site<'a> {
    /// The allele as the record spells it.
    pub variant: Variant,
    /// Its rank among the record's ALTs.
    rank: usize,
    info: &'a str,
}

impl Site<'_> {
    /// The value of an INFO field.
    pub fn field(&self, key: &str) -> Option<&str> {
        let mut fields = self.info.split(';').filter_map(|f| f.split_once('='));
        fields.find(|f| f.0 == key).map(|f| f.1)
    }

    /// The allele's own value of an INFO field that has one for each ALT.
    pub fn own(&self, key: &str) -> Option<&str> {
        self.field(key)?.split(',').nth(self.rank)
    }
}

/// The lines of a VCF's header that begin with `##`.
///
/// # Errors
/// When the file cannot be read or is no VCF.
pub fn header(path: &Path) -> Result<Vec<String>> {
    let file = input::display_name(path);
    let wrong = |what: String| Error::input(&file, "", what, "Give a VCF file, plain or gzip.");
    let mut out = Vec::new();
    for line in input::open(path)?.lines() {
        let line = line.map_err(|e| wrong(e.to_string()))?;
        if !line.starts_with("##") {
            break;
        }
        out.push(line);
    }
    let is_vcf = out
        .first()
        .is_some_and(|l| l.starts_with("##fileformat=VCF"));
    is_vcf
        .then_some(out)
        .ok_or_else(|| wrong("not a VCF file".into()))
}

/// Gives each allele that lies where `wanted` says to `take`, in the order of the file. ALTs that are
/// not spelt out, and contigs that the reference lacks, are passed over.
///
/// # Errors
/// Names file and line: no VCF record, a REF that is not the reference's, what `take` complains of; and
/// when the reference has none of the file's contigs.
pub fn each(
    path: &Path,
    reference: &Reference,
    wanted: &dyn Fn(ContigId, Span) -> bool,
    take: &mut dyn FnMut(&Site) -> Result<(), String>,
) -> Result<()> {
    let file = input::display_name(path);
    let mut stranger = None; // a contig that the reference lacks, until one is known
    let mut known = false;
    for (i, line) in input::open(path)?.lines().enumerate() {
        let wrong = |what: String, remedy: &str| {
            let at = format!("line {}", thousands(i as u64 + 1));
            Error::input(&file, at, what, remedy)
        };
        let line = line.map_err(|e| wrong(e.to_string(), "The file may be cut short."))?;
        if line.starts_with('#') || line.is_empty() {
            continue;
        }
        // Genotypes, of which a cohort's file has many, stay unsplit.
        let columns: Vec<&str> = line.trim_end().splitn(9, '\t').collect();
        let position = columns.get(1).and_then(|c| c.parse::<u32>().ok());
        let (Some(position @ 1..), true) = (position, columns.len() >= 8) else {
            let remedy = "Give a VCF with eight columns or more, tabs between them.";
            return Err(wrong("not a VCF record".into(), remedy));
        };
        let Some(contig) = reference.contig_id(columns[0]) else {
            stranger.get_or_insert((i, columns[0].to_string()));
            continue;
        };
        known = true;
        let letters = columns[3].to_ascii_uppercase().into_bytes();
        let start = position - 1;
        let span = Span::new(start, start.saturating_add(letters.len() as u32));
        if !wanted(contig, span) {
            continue;
        }
        if !is_reference(reference, contig, span, &letters) {
            let what = format!("REF {} is not what the reference has there", columns[3]);
            let remedy = "The file is of another genome build; give that of this reference.";
            return Err(wrong(what, remedy));
        }
        for (rank, alternate) in columns[4].split(',').enumerate() {
            let alternate = alternate.to_ascii_uppercase().into_bytes();
            let spelt = |b: &[u8]| !b.is_empty() && b.iter().all(|b| b"ACGT".contains(b));
            if !spelt(&letters) || !spelt(&alternate) || letters == alternate {
                continue;
            }
            let site = Site {
                variant: Variant {
                    contig,
                    pos: Pos(start),
                    reference: letters.clone(),
                    alternate,
                },
                rank,
                info: columns[7],
            };
            take(&site).map_err(|what| wrong(what, "Make the file anew."))?;
        }
    }
    match stranger {
        Some((i, name)) if !known => Err(Error::input(
            file,
            format!("line {}", thousands(i as u64 + 1)),
            format!("the reference has none of the file's contigs, such as {name}"),
            "Give a file with the reference's contig names (20, or chr20).",
        )),
        _ => Ok(()),
    }
}

fn is_reference(reference: &Reference, contig: ContigId, span: Span, letters: &[u8]) -> bool {
    span.end <= reference.contig(contig).length
        && reference
            .bases(contig, span)
            .iter()
            .zip(letters)
            .all(|(here, given)| here == given || *here == b'N')
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::genome::{BuildOptions, build};

    /// What is taken of the text: position, ALT, and the allele's AF.
    fn taken(text: &str) -> Result<Vec<(u32, String, Option<String>)>> {
        let folder = tempfile::tempdir().unwrap();
        let (fasta, path) = (folder.path().join("r.fa"), folder.path().join("s.vcf"));
        std::fs::write(&fasta, format!(">c\n{}\n", "ACGT".repeat(100))).unwrap();
        std::fs::write(&path, text).unwrap();
        let reference = build(&fasta, BuildOptions::default()).unwrap();
        let mut out = Vec::new();
        each(&path, &reference, &|_, s| s.start < 200, &mut |site| {
            let alternate = String::from_utf8(site.variant.alternate.clone()).unwrap();
            out.push((
                site.variant.pos.0,
                alternate,
                site.own("AF").map(String::from),
            ));
            Ok(())
        })?;
        Ok(out)
    }

    #[test]
    fn each_alt_has_its_own_value_and_what_is_not_spelt_out_is_passed_over() {
        let text = "##fileformat=VCFv4.2\n#CHROM\nc\t5\t.\tA\tG,<DEL>,T\t.\t.\tXAF=7;AF=0.1,0.2,0.3;DB\n\
            c\t9\t.\ta\tc\t.\t.\tDB\tGT\t0/1\nz\t9\t.\tA\tC\t.\t.\t.\nc\t401\t.\tG\tC\t.\t.\t.\n";
        let own = |pos, alt: &str, af: Option<&str>| (pos, alt.to_string(), af.map(String::from));
        let expected = [
            own(4, "G", Some("0.1")),
            own(4, "T", Some("0.3")),
            own(8, "C", None),
        ];
        assert_eq!(taken(text).unwrap(), expected);
    }

    #[test]
    fn a_file_of_another_build_or_with_other_names_is_refused_by_line() {
        for (text, parts) in [
            (
                "#CHROM\nc\t5\t.\tC\tG\t.\t.\t.\n",
                ["line 2", "another genome build"],
            ),
            ("c 5 . A G\n", ["line 1", "not a VCF record"]),
            ("chrc\t5\t.\tA\tG\t.\t.\t.\n", ["line 1", "such as chrc"]),
        ] {
            let message = taken(text).unwrap_err().to_string();
            assert!(parts.iter().all(|p| message.contains(p)), "{message}");
        }
    }
}
