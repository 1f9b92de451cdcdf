//! ClinVar's VCF as statements about hereditary variants of the gene model's genes. A record's place is
//! checked against the reference and becomes a description of the gene's transcript: no statement is
//! matched by a genomic coordinate.

use super::base::{Reject, Release};
use super::disease::Diseases;
use super::import::{Ground, build_of};
use super::statement::{COLUMNS, Row};
use crate::annotate::alteration::Rule;
use crate::annotate::consequence::effect;
use crate::annotate::expression::Expression;
use crate::domain::{Pos, Span, Variant};
use crate::{Error, Result, error::thousands};

/// The release, the statements, and the records of the genes at hand that are none.
pub fn statements(
    file: &str,
    text: &str,
    ground: Ground,
    diseases: &Diseases,
) -> Result<(Release, Vec<Row>, Vec<Reject>)> {
    let header = |key: &str| {
        text.lines()
            .take_while(|l| l.starts_with("##"))
            .find_map(|l| l.strip_prefix(key))
    };
    if header("##source=").is_none_or(|s| !s.contains("ClinVar")) {
        return Err(Error::input(
            file,
            "header",
            "a VCF, but not ClinVar's",
            "Give clinvar.vcf.gz as NCBI publishes it.",
        ));
    }
    let (theirs, ours) = (header("##reference="), build_of(ground.reference));
    if let (Some(theirs), Some(ours)) = (theirs, ours)
        && !theirs.contains(ours)
    {
        return Err(Error::input(
            file,
            "header",
            format!("its places are of {theirs}, the reference is {ours}"),
            "Give the VCF of the reference's build.",
        ));
    }
    let day = header("##fileDate=").unwrap_or_default().to_string();
    let mut rows = Vec::new();
    let mut rejects = Vec::new();
    for (line, text) in (1u64..).zip(text.lines()) {
        if text.starts_with('#') || text.is_empty() {
            continue;
        }
        let fields: Vec<&str> = text.split('\t').collect();
        let &[contig, pos, id, reference, alternate, _, _, info, ..] = &fields[..] else {
            return Err(Error::input(
                file,
                format!("line {}", thousands(line)),
                format!("{} columns where a VCF has 8", fields.len()),
                "The file may be cut short.",
            ));
        };
        let record = Record {
            contig,
            pos,
            id,
            reference,
            alternate,
            info,
        };
        for gene in record.genes().filter(|g| ground.genes.of_gene(g).is_some()) {
            match record.statement(gene, ground, diseases, &day) {
                Ok(row) => rows.push(row),
                Err(reason) => rejects.push(Reject {
                    file: file.into(),
                    line,
                    id: format!("CLINVAR:{id}"),
                    reason,
                }),
            }
        }
    }
    let release = Release {
        name: "ClinVar".into(),
        version: day.clone(),
        date: day,
        licence: "public domain (NCBI); not for direct diagnostic use".into(),
        url: "https://www.ncbi.nlm.nih.gov/clinvar/".into(),
    };
    Ok((release, rows, rejects))
}

struct Record<'a> {
    contig: &'a str,
    pos: &'a str,
    id: &'a str,
    reference: &'a str,
    alternate: &'a str,
    info: &'a str,
}

impl<'a> Record<'a> {
    fn info(&self, key: &str) -> &'a str {
        let value = |i: &'a str| i.strip_prefix(key)?.strip_prefix('=');
        self.info.split(';').find_map(value).unwrap_or_default()
    }

    /// `GENEINFO=BRCA1:672|NBR2:10230`.
    fn genes(&self) -> impl Iterator<Item = &'a str> + use<'a> {
        self.info("GENEINFO")
            .split('|')
            .filter_map(|g| g.split(':').next())
    }

    fn statement(
        &self,
        gene: &str,
        ground: Ground,
        diseases: &Diseases,
        day: &str,
    ) -> std::result::Result<Row, String> {
        let significance = self.info("CLNSIG").replace('_', " ");
        if significance.is_empty() {
            return Err("it has no clinical significance".into());
        }
        let v = self.variant(ground)?;
        let index = ground
            .genes
            .transcripts
            .iter()
            .position(|t| t.model.gene == gene && t.model.contig == v.contig)
            .ok_or("the gene lies on another contig")?;
        let t = &ground.genes.transcripts[index];
        if let Some(fault) = &t.fault {
            return Err(format!("{}: {fault}", t.model.id));
        }
        let e = effect(&v, index, t, ground.reference)
            .ok_or_else(|| format!("it lies outside {}", t.model.id))?;
        let rule = Rule::parse(&e.hgvs_c).map_err(|_| {
            format!(
                "{} of {} is no place of its coding sequence",
                e.hgvs_c, t.model.id
            )
        })?;
        let name = match e
            .protein
            .as_ref()
            .map(crate::annotate::ProteinChange::short)
        {
            Some(p) => format!("{p} ({})", e.hgvs_c),
            None => e.hgvs_c.clone(),
        };
        let disease = self.info("CLNDN").replace('_', " ").replace('|', "; ");
        let build = build_of(ground.reference).unwrap_or("reference");
        let mut fields = vec![String::new(); COLUMNS.len()];
        for (column, value) in [
            ("id", format!("CLINVAR:{}:{gene}", self.id)),
            ("gene", gene.into()),
            ("alteration", name),
            ("expression", Expression::of(gene, vec![rule]).to_string()),
            ("origin", "germline".into()),
            ("codes", diseases.codes("", &disease)),
            ("tumor", disease),
            ("kind", "Predisposing".into()),
            ("direction", "Supports".into()),
            ("significance", significance),
            (
                "sources",
                format!(
                    "CLINVAR|{}|{}",
                    self.id,
                    self.info("CLNREVSTAT").replace('_', " ")
                ),
            ),
            ("reviewed", day.into()),
            (
                "locus",
                format!(
                    "{build}:{}:{}-{}:{}:{}:{}",
                    self.contig,
                    self.pos,
                    v.span().end,
                    self.reference,
                    self.alternate,
                    t.model.id
                ),
            ),
            ("hgvs", format!("{}:{}", t.model.id, e.hgvs_c)),
            ("verified", format!("{build} {}", t.model.id)),
        ] {
            if let Some(i) = COLUMNS.iter().position(|c| *c == column) {
                fields[i] = value;
            }
        }
        Row::new(fields)
    }

    fn variant(&self, ground: Ground) -> std::result::Result<Variant, String> {
        let r = ground.reference;
        let contig = r
            .contig_called(self.contig)
            .ok_or_else(|| format!("the reference has no contig {}", self.contig))?;
        let bases = |s: &str| !s.is_empty() && s.bytes().all(|b| b"ACGT".contains(&b));
        if !bases(self.reference) || !bases(self.alternate) {
            return Err("it is no change of known bases".into());
        }
        let pos: u32 = self
            .pos
            .parse()
            .ok()
            .filter(|p| *p > 0)
            .ok_or("its position is no number")?;
        let end = (pos - 1).checked_add(self.reference.len() as u32);
        let span = end
            .filter(|end| *end <= r.contig(contig).length)
            .map(|end| Span::new(pos - 1, end))
            .ok_or("it lies beyond the end of its contig")?;
        let found = r.bases(contig, span);
        if found.contains(&b'N') {
            return Err("the reference does not know its bases".into());
        }
        if found != self.reference.as_bytes() {
            return Err(format!(
                "the reference has {} there, not {}",
                String::from_utf8_lossy(&found),
                self.reference
            ));
        }
        Ok(Variant {
            contig,
            pos: Pos(span.start),
            reference: found,
            alternate: self.alternate.into(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::annotate::Knowledge;
    use crate::annotate::tests::{demo_genes, demo_reference};
    use proptest::prelude::*;

    const VCF: &str = "##fileformat=VCFv4.1\n##fileDate=2026-01-03\n##source=ClinVar\n##reference=GRCh37\n\
        #CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\n\
        7\t55259515\t16609\tT\tG\t.\t.\tCLNDN=Lung_cancer;CLNREVSTAT=criteria_provided;CLNSIG=Pathogenic;GENEINFO=EGFR:1956|EGFR-AS1:1\n\
        7\t55259515\t2\tA\tG\t.\t.\tCLNSIG=Pathogenic;GENEINFO=EGFR:1956\n\
        7\t55259515\t3\tT\t<DEL>\t.\t.\tCLNSIG=Pathogenic;GENEINFO=EGFR:1956\n\
        7\t140453136\t4\tA\tT\t.\t.\tGENEINFO=BRAF:673\n\
        1\t1\t5\tA\tT\t.\t.\tCLNSIG=Benign;GENEINFO=NOTHERE:1\n";

    fn read(text: &str) -> Result<(Release, Vec<Row>, Vec<Reject>)> {
        let reference = demo_reference();
        let genes = demo_genes(reference);
        let ground = Ground {
            reference,
            genes: &genes,
        };
        statements(
            "c.vcf",
            text,
            ground,
            &Diseases::new(&Knowledge::shipped().tumors),
        )
    }

    #[test]
    fn records_become_descriptions_of_a_transcript() {
        let (release, rows, rejects) = read(VCF).unwrap();
        assert_eq!(release.date, "2026-01-03");
        assert_eq!(rows.len(), 1);
        assert_eq!(rows[0].expression.to_string(), "EGFR c.2573T>G");
        assert_eq!(rows[0].alteration, "L858R (c.2573T>G)");
        assert_eq!(rows[0].codes, ["LUNG"]);
        assert!(rows[0].verified.starts_with("GRCh37 NM_"));
        let told: Vec<&str> = rejects.iter().map(|r| r.reason.as_str()).collect();
        assert_eq!(
            told,
            [
                "the reference has T there, not A",
                "it is no change of known bases",
                "it has no clinical significance",
            ]
        );
        let other = VCF.replace("=GRCh37", "=GRCh38");
        let error = read(&other).unwrap_err().to_string();
        assert!(error.contains("are of GRCh38"), "{error}");
        let error = read(&VCF.replace("ClinVar", "mine"))
            .unwrap_err()
            .to_string();
        assert!(error.contains("not ClinVar's"), "{error}");
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn a_mutated_file_is_read_or_refused(at in 0..VCF.len(), cut in 0..9usize, with in "[0-9ACGT:|\t\n<>-]{0,3}") {
            let end = (at + cut).min(VCF.len());
            let text = format!("{}{with}{}", &VCF[..at], &VCF[end..]);
            if let Ok((_, rows, _)) = read(&text) {
                prop_assert!(rows.len() <= 4);
            }
        }
    }
}
