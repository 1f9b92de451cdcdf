//! Custom content for `MultiQC`: a sample's row of the general statistics, and its error rates as a
//! line. `MultiQC` finds the files by the end of their names, `_mqc.json`.

use super::Qc;
use super::figure::significant;
use crate::Result;
use crate::format::output::Output;
use crate::format::vcf::with_suffix;
use serde_json::{Map, Value, json};
use std::path::Path;

/// Writes `PREFIX.qc_mqc.json` and, where there are error rates, `PREFIX.errors_mqc.json`.
///
/// # Errors
/// When writing fails.
pub fn write(prefix: &Path, qc: &Qc) -> Result<()> {
    let write = |suffix: &str, value: &Value| {
        let text = serde_json::to_string_pretty(value).expect("plain data always serializes");
        Output::write(&with_suffix(prefix, suffix), (text + "\n").as_bytes())
    };
    write(".qc_mqc.json", &general(qc))?;
    match errors(qc) {
        Some(errors) => write(".errors_mqc.json", &errors),
        None => Ok(()),
    }
}

/// A column: key, title, description, suffix, and the figure if it could be given.
type Column = (
    &'static str,
    &'static str,
    &'static str,
    &'static str,
    Option<f64>,
);

fn columns(qc: &Qc) -> Vec<Column> {
    let percent = |share: Option<f64>| share.map(|s| (s * 1e6).round() / 1e4);
    let share = |t: &str| percent(qc.depth.share_at_least[t].as_f64());
    let insert = qc.insert_size.given().map(|i| f64::from(i.median));
    let errors = qc.errors.given().map(|e| e.rate);
    let molecules = qc.molecules.as_ref().map(|m| m.written as f64);
    let foreign = qc.contamination.given().map(|c| c.share);
    vec![
        (
            "reads",
            "Reads",
            "Reads, without secondary and supplementary records",
            "",
            Some(qc.reads.total as f64),
        ),
        (
            "mapped",
            "Mapped",
            "Mapped of all reads",
            "%",
            percent(qc.shares.mapped.given().copied()),
        ),
        (
            "duplicates",
            "Duplicates",
            "Duplicates of mapped reads",
            "%",
            percent(qc.shares.duplicates.given().copied()),
        ),
        (
            "on_target",
            "On target",
            "Mapped reads that touch the panel",
            "%",
            percent(qc.shares.on_target.given().copied()),
        ),
        (
            "molecules",
            "Molecules",
            "Molecules of which a consensus was made",
            "",
            molecules,
        ),
        (
            "mean_depth",
            "Mean depth",
            "Fragments over a base of the panel",
            "x",
            Some(qc.depth.mean),
        ),
        (
            "median_depth",
            "Median depth",
            "Fragments over a base of the panel",
            "x",
            Some(f64::from(qc.depth.median)),
        ),
        (
            "at_100x",
            "≥ 100x",
            "Bases of the panel with a depth of 100 or more",
            "%",
            share("100x"),
        ),
        (
            "at_500x",
            "≥ 500x",
            "Bases of the panel with a depth of 500 or more",
            "%",
            share("500x"),
        ),
        (
            "fold_80",
            "Fold 80",
            "Mean depth / depth that 80 % of the bases reach",
            "",
            qc.depth.fold_80.given().copied(),
        ),
        ("insert_size", "Insert", "Median insert size", " bp", insert),
        (
            "error_rate",
            "Errors",
            "Mismatches of base calls in the panel, variants left out",
            "%",
            percent(errors),
        ),
        (
            "contamination",
            "Foreign",
            "Fragments of another person",
            "%",
            percent(foreign),
        ),
    ]
}

fn general(qc: &Qc) -> Value {
    // What was not assessed is left out: an empty cell is no zero.
    let given = columns(qc)
        .into_iter()
        .filter_map(|c| Some((c.0, c.1, c.2, c.3, c.4?)));
    let (mut headers, mut row) = (Vec::new(), Map::new());
    for (key, title, description, suffix, value) in given {
        let header =
            json!({ key: { "title": title, "description": description, "suffix": suffix } });
        headers.push(header);
        row.insert(key.into(), value.into());
    }
    json!({
        "id": "theralign_qc",
        "plot_type": "generalstats",
        "pconfig": headers,
        "data": { (qc.sample.as_str()): row },
    })
}

fn errors(qc: &Qc) -> Option<Value> {
    let errors = qc.errors.given()?;
    let mut lines = Map::new();
    for (mate, rates) in errors.by_cycle.iter().enumerate() {
        let known = rates.iter().enumerate();
        let points: Map<String, Value> = known
            .filter_map(|(cycle, rate)| {
                Some((
                    (cycle + 1).to_string(),
                    significant(100.0 * (*rate)?).into(),
                ))
            })
            .collect();
        if !points.is_empty() {
            lines.insert(format!("{} read {}", qc.sample, mate + 1), points.into());
        }
    }
    Some(json!({
        "id": "theralign_errors",
        "section_name": "theralign: mismatches by cycle",
        "description": "Mismatches against the reference in the panel, places that look like variants left out",
        "plot_type": "linegraph",
        "pconfig": {
            "id": "theralign_errors_plot",
            "title": "theralign: mismatches by cycle",
            "xlab": "Cycle",
            "ylab": "% of base calls",
        },
        "data": lines,
    }))
}
