//! The report as tables for other programs.

use super::{Report, ReportOptions};
use crate::Result;
use crate::annotate::annotated::{self, annotate};
use crate::annotate::gene_model::Keep;
use crate::annotate::maf as maf_file;
use crate::genome::Reference;
use serde_json::{Value, json};

/// report.maf: the variants that passed, for research databases; `None` where the consent does not permit
/// that, or the reference's assembly is not known (then the report warns).
///
/// # Errors
/// When the VCF or the gene model cannot be read again.
pub fn maf(
    reference: &Reference,
    options: &ReportOptions,
    report: &mut Report,
) -> Result<Option<String>> {
    if !report.consent.research_export {
        return Ok(None);
    }
    let Some(assembly) = reference.assembly() else {
        let said = "no MAF was written: the reference is neither GRCh37 nor GRCh38 by its contigs' lengths";
        report.warnings.push(said.into());
        return Ok(None);
    };
    let annotated = annotate(
        reference,
        &annotated::Options {
            calls: &options.calls,
            genes: &options.genes,
            sample: Some(&report.sample),
            normal: None,
            keep: Keep::Chosen,
        },
    )?;
    // Only what the report shows.
    let rows = maf_file::rows(&annotated, reference);
    let shown = rows
        .into_iter()
        .filter(|r| !report.withheld_genes.contains(&r.annotation.gene));
    Ok(Some(maf_file::text(shown, assembly)))
}

/// A column of findings.tsv: its name, and what stands in it.
type Column = (&'static str, fn(&Value) -> String);

#[rustfmt::skip] // a line a column
const COLUMNS: [Column; 29] = [
    ("id", |f| text(&f["id"])),
    ("gene", |f| text(&f["gene"])),
    ("name", |f| text(&f["name"])),
    ("tier", |f| text(&f["tier"])),
    ("tier_reason", |f| text(&f["tier_reason"])),
    ("approved_here", |f| therapies(f, "sensitivity", "approved_here")),
    ("approved_elsewhere", |f| therapies(f, "sensitivity", "approved_elsewhere")),
    ("investigational", |f| therapies(f, "sensitivity", "investigational")),
    ("resistance", |f| therapies(f, "resistance", "")),
    ("contig", |f| text(&f["contig"])),
    ("position", |f| text(&f["position"])),
    ("reference", |f| text(&f["reference"])),
    ("alternate", |f| text(&f["alternate"])),
    ("transcript", |f| text(&f["transcript"])),
    ("hgvs_g", |f| text(&f["hgvs_g"])),
    ("hgvs_c", |f| text(&f["hgvs_c"])),
    ("hgvs_p", |f| text(&f["hgvs_p"])),
    ("consequences", |f| list(&f["consequences"])),
    ("depth", |f| text(&f["depth"])),
    ("support", |f| text(&f["support"])),
    ("fraction", |f| text(&f["fraction"])),
    ("fraction_low", |f| text(&f["fraction_ci"][0])),
    ("fraction_high", |f| text(&f["fraction_ci"][1])),
    ("genotype", |f| text(&f["genotype"])),
    ("germline", |f| text(&f["germline"])),
    ("review", |f| text(&f["review"]["state"])),
    ("reviewed_by", |f| text(&f["review"]["by"])),
    ("reviewed_on", |f| text(&f["review"]["on"])),
    ("comment", |f| text(&f["review"]["comment"])),
];

/// What stands in a cell: no tabs or line ends; nothing for `null`.
fn text(v: &Value) -> String {
    match v {
        Value::Null => String::new(),
        Value::String(s) => s.replace(char::is_control, " "),
        other => other.to_string(),
    }
}

fn list(v: &Value) -> String {
    v.as_array()
        .into_iter()
        .flatten()
        .map(text)
        .collect::<Vec<_>>()
        .join(",")
}

/// The drugs of the statements of a standing; of all where none is named. Each once.
fn therapies(f: &Value, kind: &str, standing: &str) -> String {
    let mut out: Vec<String> = Vec::new();
    for e in f[kind].as_array().into_iter().flatten() {
        let name = text(&e["therapy"]);
        if (standing.is_empty() || e["standing"] == standing) && !out.contains(&name) {
            out.push(name);
        }
    }
    out.join("; ")
}

/// findings.tsv: a line for each variant that passed.
pub fn findings_tsv(report: &Value) -> String {
    let mut out = COLUMNS.map(|c| c.0).join("\t") + "\n";
    for f in report["findings"].as_array().into_iter().flatten() {
        out += &COLUMNS.map(|c| (c.1)(f)).join("\t");
        out.push('\n');
    }
    out
}

/// `report_mqc.json`: the sample's row in `MultiQC`'s general statistics.
pub fn multiqc(report: &Value) -> String {
    let count = |list: &str, key: &str, is: &str| {
        let all = report[list].as_array().into_iter().flatten();
        all.filter(|f| f[key] == is).count()
    };
    let column = |title: &str, description: &str| json!({"title": title, "description": description, "format": "{:,.0f}", "min": 0});
    let sample = report["sample"].as_str().unwrap_or_default();
    let value = json!({
        "id": "theralign_report",
        "plot_type": "generalstats",
        "headers": {
            "tier_1": column("Tier I", "Variants of strong significance"),
            "tier_2": column("Tier II", "Variants of potential significance"),
            "detected": column("Detected", "Actionable loci of the panel's genes with a variant"),
            "not_assessed": column("Not assessed", "Actionable loci of the panel's genes that could not be told"),
            "gates_failed": column("Gates failed", "Gates that stand in the way of a signature"),
        },
        "data": { sample: {
            "tier_1": count("findings", "tier", "I"),
            "tier_2": count("findings", "tier", "II"),
            "detected": count("loci", "status", "detected"),
            "not_assessed": count("loci", "status", "not_assessed"),
            "gates_failed": count("gates", "status", "fail"),
        }},
    });
    super::review::text(&value)
}
