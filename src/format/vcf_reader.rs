//! Reads VCFs of any caller, record by record, and checks that they were made on the reference at hand.

use super::input;
use crate::domain::{ContigId, Pos, Span, Variant};
use crate::genome::{Reference, assembly};
use crate::{Error, Result, error::thousands};
use std::io::BufRead;
use std::path::Path;

/// What to try where a record does not fit the reference.
const OTHER_REFERENCE: &str = "Give the index of the reference that the VCF was made on (-x).";

/// A VCF whose header was read and found to belong to the reference.
pub struct VcfReader<'a> {
    file: String,
    reader: Box<dyn BufRead + Send>,
    reference: &'a Reference,
    /// The header's lines, `##fileformat` first, without the one of column names.
    pub header: Vec<String>,
    /// The samples' names.
    pub samples: Vec<String>,
    line: u64,
    text: String,
}

/// One record. Symbolic alleles, breakends and `*` are no sequences.
#[derive(Clone, Debug)]
pub struct Record {
    /// The line as it stands, without its end.
    pub text: String,
    /// Its number in the file.
    pub line: u64,
    /// Where it is.
    pub contig: ContigId,
    /// First base of REF.
    pub pos: Pos,
    /// REF in upper case.
    pub reference: Vec<u8>,
    /// ALT as it stands, and in upper case where it is a sequence.
    pub alternates: Vec<(String, Option<Vec<u8>>)>,
}

/// The asked-for sample's place among those of a file, or the only one's.
///
/// # Errors
/// Says which samples there are.
pub(crate) fn choose_sample(file: &str, names: &[String], asked: Option<&str>) -> Result<usize> {
    let found = match (names.len(), asked) {
        (1, None) => Some(0),
        (_, Some(asked)) => names.iter().position(|n| n == asked),
        _ => None,
    };
    found.ok_or_else(|| {
        let (what, remedy) = match asked {
            _ if names.is_empty() => (
                "it has no sample".to_string(),
                "Give a VCF with genotypes.".into(),
            ),
            None => (
                format!("it has {} samples", names.len()),
                format!(
                    "Call each alone, or name one with --sample: {}.",
                    names.join(", ")
                ),
            ),
            Some(asked) => (
                format!("it has no sample {asked}"),
                format!("It has: {}.", names.join(", ")),
            ),
        };
        Error::input(file, "header", what, remedy)
    })
}

impl<'a> VcfReader<'a> {
    /// Opens a VCF and reads its header.
    ///
    /// # Errors
    /// No VCF, cut short, or made on another reference: by the digest that `call` writes, or by a
    /// contig's length or MD5.
    pub fn open(path: &Path, reference: &'a Reference) -> Result<VcfReader<'a>> {
        let mut vcf = VcfReader {
            file: input::display_name(path),
            reader: input::open(path)?,
            reference,
            header: Vec::new(),
            samples: Vec::new(),
            line: 0,
            text: String::new(),
        };
        while vcf.next_line()? {
            let line = vcf.text.as_str();
            if vcf.line == 1 && !line.starts_with("##fileformat=VCF") {
                return Err(vcf.wrong("not a VCF file", "Give a VCF, plain or gzip."));
            }
            if line.starts_with("#CHROM") {
                vcf.samples = line.split('\t').skip(9).map(String::from).collect();
                return Ok(vcf);
            }
            if line.starts_with("##") {
                vcf.check_header_line(line)?;
                vcf.header.push(line.to_string());
            } else if !line.is_empty() {
                return Err(vcf.wrong("a record before the #CHROM line", "Give a whole VCF file."));
            }
        }
        Err(Error::input(
            vcf.file,
            "",
            "no #CHROM line",
            "The file may be cut short; make it anew.",
        ))
    }

    /// The value behind `##KEY=`, if the header has one.
    pub fn header_value(&self, key: &str) -> Option<&str> {
        self.header
            .iter()
            .find_map(|l| l.strip_prefix("##")?.strip_prefix(key)?.strip_prefix('='))
    }

    /// The column of a sample: the one asked for, else the only one.
    ///
    /// # Errors
    /// When it is not there, or none was asked for and there are several or none.
    pub fn sample(&self, asked: Option<&str>) -> Result<usize> {
        choose_sample(&self.file, &self.samples, asked)
    }

    /// The next record; `None` at the end.
    ///
    /// # Errors
    /// Names file and line: cut short, a contig or position that the reference does not have, a REF
    /// that is no sequence or not the reference's.
    #[allow(clippy::should_implement_trait)] // errors end the reading, so `?` is wanted
    pub fn next(&mut self) -> Result<Option<Record>> {
        while self.next_line()? {
            if !self.text.is_empty() {
                return self
                    .record()
                    .map(Some)
                    .map_err(|what| self.wrong(&what, OTHER_REFERENCE));
            }
        }
        Ok(None)
    }

    /// An error about the line that was read last.
    pub fn wrong(&self, what: &str, remedy: &str) -> Error {
        let line = format!("line {}", thousands(self.line));
        Error::input(&self.file, line, what, remedy)
    }

    fn next_line(&mut self) -> Result<bool> {
        self.text.clear();
        self.line += 1;
        let read = self.reader.read_line(&mut self.text).map_err(|e| {
            let remedy = format!("The file may be cut short; try: gzip -t {}.", self.file);
            self.wrong(&e.to_string(), &remedy)
        })?;
        self.text
            .truncate(self.text.trim_end_matches(['\n', '\r']).len());
        Ok(read > 0)
    }

    fn check_header_line(&self, line: &str) -> Result<()> {
        if let Some(digest) = line.strip_prefix("##theralign_reference=")
            && digest != self.reference.digest()
        {
            return Err(Error::input(
                &self.file,
                "",
                "its variants were called on another reference",
                OTHER_REFERENCE,
            ));
        }
        if let Some(shard) = line.strip_prefix("##theralign_shard=") {
            return Err(Error::input(
                &self.file,
                "header",
                format!("this is shard {shard} of a run, and speaks of a part of the panel only"),
                "Put all shards together: theralign merge.",
            ));
        }
        match line.strip_prefix("##contig=<") {
            Some(fields) => self.check_contig(fields),
            None => Ok(()),
        }
    }

    /// A contig of another length or MD5 is one of another reference.
    fn check_contig(&self, fields: &str) -> Result<()> {
        let get = |key: &str| {
            let mut fields = fields.trim_end_matches('>').split(',');
            fields.find_map(|f| f.strip_prefix(key)?.strip_prefix('='))
        };
        let Some((name, id)) = get("ID").and_then(|n| Some((n, self.reference.contig_called(n)?)))
        else {
            return Ok(()); // a record on it will be refused
        };
        let ours = self.reference.contig(id);
        let wrong = |what: String| Err(Error::input(&self.file, "header", what, OTHER_REFERENCE));
        if let Some(length) = get("length").and_then(|l| l.parse::<u32>().ok())
            && length != ours.length
        {
            let told = |length| {
                assembly::of_length(name, length).map_or(String::new(), |a| format!(" ({a})"))
            };
            return wrong(format!(
                "its contig {name} has {} bases{}, the reference's has {}{}",
                thousands(length.into()),
                told(length),
                thousands(ours.length.into()),
                told(ours.length)
            ));
        }
        // An index of windows does not know the whole contig's MD5.
        let md5 = get("md5").or_else(|| get("M5"));
        if md5.is_some_and(|m| !ours.refget.is_empty() && !m.eq_ignore_ascii_case(&ours.md5)) {
            return wrong(format!(
                "its contig {name} has another sequence (MD5) than the reference's"
            ));
        }
        Ok(())
    }

    fn record(&self) -> Result<Record, String> {
        let f: Vec<&str> = self.text.split('\t').take(8).collect();
        let &[chrom, pos, _, reference, alternates, ..] = &f[..] else {
            return Err(format!("{} columns where a VCF has 8", f.len()));
        };
        if f.len() < 8 {
            return Err(format!("{} columns where a VCF has 8", f.len()));
        }
        let contig = self
            .reference
            .contig_called(chrom)
            .ok_or_else(|| format!("the reference has no contig {chrom}"))?;
        let length = self.reference.contig(contig).length;
        let pos = pos
            .parse::<u32>()
            .ok()
            .filter(|&p| p >= 1 && p <= length)
            .ok_or_else(|| format!("no position {pos} in {chrom}"))?
            - 1;
        let stated =
            sequence(reference).ok_or_else(|| format!("REF {reference} is no sequence"))?;
        let end = u64::from(pos) + stated.len() as u64;
        if end > u64::from(length) {
            return Err(format!("REF reaches beyond the end of {chrom}"));
        }
        let known = self.reference.bases(contig, Span::new(pos, end as u32));
        let differ = |(k, r): (&u8, &u8)| *k != b'N' && *r != b'N' && k != r;
        if known.iter().zip(&stated).any(differ) {
            return Err(format!(
                "REF is {reference} but the reference has {}",
                String::from_utf8_lossy(&known)
            ));
        }
        Ok(Record {
            text: self.text.clone(),
            line: self.line,
            contig,
            pos: Pos(pos),
            reference: stated,
            alternates: alternates
                .split(',')
                .map(|a| (a.to_string(), sequence(a)))
                .collect(),
        })
    }
}

/// Upper-case bases; letters for "one of several" (IUPAC) become N. `None` for what is no sequence.
fn sequence(text: &str) -> Option<Vec<u8>> {
    let upper = text.to_ascii_uppercase().into_bytes();
    let known = |b: u8| match b {
        b'A' | b'C' | b'G' | b'T' => Some(b),
        b if b"NRYSWKMBDHVU".contains(&b) => Some(b'N'),
        _ => None,
    };
    let bases: Option<Vec<u8>> = upper.into_iter().map(known).collect();
    bases.filter(|b| !b.is_empty())
}

impl Record {
    /// A column, counted from 0; empty where the line ends before.
    pub fn column(&self, i: usize) -> &str {
        self.text.split('\t').nth(i).unwrap_or_default()
    }

    /// Filters that it failed; none for `PASS` and `.`.
    pub fn filters(&self) -> Vec<String> {
        match self.column(6) {
            "PASS" | "." | "" => Vec::new(),
            many => many.split(';').map(String::from).collect(),
        }
    }

    /// The alternates that are sequences, with their rank among all alleles (REF is 0).
    pub fn variants(&self) -> impl Iterator<Item = (usize, Variant)> {
        let known = self.alternates.iter().enumerate();
        known.filter_map(|(i, (_, bases))| {
            let variant = Variant {
                contig: self.contig,
                pos: self.pos,
                reference: self.reference.clone(),
                alternate: bases.clone()?,
            };
            (variant.reference != variant.alternate).then_some((i + 1, variant))
        })
    }

    /// The fields of a sample, as FORMAT names them; `None` if the line has no such column.
    pub fn sample(&self, column: usize) -> Option<Fields<'_>> {
        let mut columns = self.text.split('\t').skip(8);
        let keys = columns.next()?.split(':').collect();
        let values = columns.nth(column)?.split(':').collect();
        Some(Fields { keys, values })
    }
}

/// One sample's fields in one record.
pub struct Fields<'a> {
    keys: Vec<&'a str>,
    values: Vec<&'a str>,
}

impl<'a> Fields<'a> {
    /// A field as it stands; `None` if it is absent or missing (`.`).
    pub fn get(&self, key: &str) -> Option<&'a str> {
        let i = self.keys.iter().position(|k| *k == key)?;
        self.values
            .get(i)
            .copied()
            .filter(|v| !v.is_empty() && *v != ".")
    }

    /// Numbers separated by commas; `None` if it is absent or one of them is no number.
    pub fn numbers(&self, key: &str) -> Option<Vec<u32>> {
        self.get(key)?.split(',').map(|v| v.parse().ok()).collect()
    }

    /// Numbers with a fraction, each `None` where it is missing.
    pub fn fractions(&self, key: &str) -> Vec<Option<f64>> {
        let values = self.get(key).unwrap_or_default().split(',');
        values.map(|v| v.parse().ok()).collect()
    }

    /// Fragments or reads that speak for the reference and for an allele (its rank, from 1), in the
    /// words of the callers: AD (most), RO and AO (freebayes), RD with a single AD (`VarScan`), counts
    /// by base (Strelka's substitutions), TAR and TIR (Strelka's indels).
    pub fn support(&self, allele: usize, v: &Variant) -> Option<(u32, u32)> {
        let first = |key: &str| self.numbers(key)?.first().copied();
        if let Some(ad) = self.numbers("AD") {
            if let (1, Some(reference)) = (ad.len(), first("RD")) {
                return Some((reference, ad[0]));
            }
            return Some((*ad.first()?, *ad.get(allele)?));
        }
        if let (Some(reference), Some(each)) = (first("RO"), self.numbers("AO")) {
            return Some((reference, *each.get(allele - 1)?));
        }
        if let (Some(reference), Some(alternate)) = (first("TAR"), first("TIR")) {
            return Some((reference, alternate));
        }
        let of_base = |b: u8| first(&format!("{}U", b as char));
        if v.is_snv() {
            return Some((of_base(v.reference[0])?, of_base(v.alternate[0])?));
        }
        None
    }
}
