//! The report as a page and as a table.

use super::Report;
use super::assess::Outcome;
use super::picture::{picture, plots};
use super::pileup::Pileup;
use super::review::decides;
use crate::error::thousands;
use crate::{Error, Result};
use minijinja::syntax::SyntaxConfig;
use minijinja::value::Serde;
use minijinja::{AutoEscape, Environment, UndefinedBehavior, context};
use serde_json::Value;
use std::fmt::Write;

const TEMPLATE: &str = include_str!("report.html.j2");
/// Depth at which a depth bar is full; the scale is logarithmic.
const FULL_DEPTH: f64 = 5000.0;

/// One page: no script, nothing fetched from anywhere.
pub fn html(report: &Value) -> Result<String> {
    let mut env = Environment::new();
    env.set_auto_escape_callback(|_| AutoEscape::Html);
    env.set_undefined_behavior(UndefinedBehavior::Strict);
    let wrong = |e: minijinja::Error| Error::Failed(format!("report.html: {e:#}"));
    env.set_syntax(
        SyntaxConfig::builder()
            .trim_blocks(true)
            .lstrip_blocks(true)
            .build()
            .map_err(wrong)?,
    );
    env.add_filter("pct", |f: f64| percent(f));
    env.add_filter("pct1", |f: f64| format!("{:.1}", f * 100.0));
    env.add_filter("thousands", |n: u64| thousands(n));
    env.add_filter("depth_bar", |depth: u32| {
        let full = (1.0 + f64::from(depth)).ln() / (1.0 + FULL_DEPTH).ln();
        format!("{:.1}", 100.0 * full.min(1.0))
    });
    env.add_filter("sentence", |s: String| super::assess::sentence(&s));
    env.add_filter("range", |low: f64, high: f64| {
        let low = percent(low);
        format!("{}–{}", low.trim_end_matches(" %"), percent(high))
    });
    env.add_filter("words", |s: String| s.replace('_', " "));
    env.add_template("report.html", TEMPLATE).map_err(wrong)?;
    let findings = || report["findings"].as_array().into_iter().flatten();
    let of = |tier: &str| -> Vec<&Value> { findings().filter(|f| f["tier"] == tier).collect() };
    let against = |f: &&Value| {
        let all = f["resistance"].as_array();
        all.into_iter().flatten().any(|e| e["relation"] != "other")
    };
    let untiered = findings().filter(|f| f["tier"].is_null());
    let germline = findings().filter(|f| !f["germline"].is_null());
    let count = |status: &str| {
        let loci = report["loci"].as_array();
        loci.into_iter()
            .flatten()
            .filter(|l| l["status"] == status)
            .count()
    };
    let safe = minijinja::Value::from_safe_string;
    let pictures = findings().filter_map(|f| {
        let pileup: Pileup = serde_json::from_value(f["pileup"].clone()).ok()?;
        let text = |key: &str| f[key].as_str().unwrap_or_default().to_string();
        let name = format!("{} {}", text("gene"), text("name"));
        Some((text("id"), safe(picture(&pileup, &name))))
    });
    let unreviewed = findings().filter(|f| decides(f) && f["review"]["state"] == "suggested");
    env.get_template("report.html")
        .map_err(wrong)?
        .render(context! {
            r => Serde(report),
            qc => Serde(flatten(&report["qc"])),
            plots => plots(&report["qc"]).into_iter().map(safe).collect::<minijinja::Value>(),
            pictures => minijinja::Value::from_pairs(pictures),
            one => Serde(of("I")),
            two => Serde(of("II")),
            three => Serde(of("III")),
            untiered => Serde(untiered.collect::<Vec<_>>()),
            resistance => Serde(findings().filter(against).collect::<Vec<_>>()),
            germline => Serde(germline.collect::<Vec<_>>()),
            detected => count("detected"),
            absent => count("not_detected"),
            open => count("not_assessed"),
            unreviewed => unreviewed.count(),
        })
        .map_err(wrong)
}

fn percent(f: f64) -> String {
    let digits = usize::from(f < 0.0995 || (0.995..0.9995).contains(&f));
    format!("{:.digits$} %", f * 100.0)
}

/// Names and values of a JSON object's leaves, for a table: `reads: mapped`, `1,234`. Of lists only those
/// of depths and the share of bases that reach them are shown. What says how a file was made is left out.
fn flatten(v: &serde_json::Value) -> Vec<(String, String)> {
    use serde_json::Value as V;
    fn walk(v: &V, path: &str, out: &mut Vec<(String, String)>) {
        match v {
            V::Object(map) => {
                let made = ["schema", "program", "sample", "reference"];
                for (k, v) in map {
                    if path.is_empty() && made.contains(&k.as_str()) {
                        continue;
                    }
                    let path = if path.is_empty() {
                        k.clone()
                    } else {
                        format!("{path}: {k}")
                    };
                    walk(v, &path, out);
                }
            }
            V::Number(n) => {
                let text = n.as_u64().map_or_else(
                    || {
                        n.as_f64().map_or_else(
                            || n.to_string(),
                            |f| format!("{f:.*}", if f.abs() < 1.0 { 4 } else { 1 }),
                        )
                    },
                    thousands,
                );
                out.push((path.into(), text));
            }
            V::String(s) => out.push((path.into(), s.clone())),
            V::Bool(b) => out.push((path.into(), b.to_string())),
            V::Array(list) => {
                for item in list {
                    if let (Some(depth), Some(share)) =
                        (item["depth"].as_u64(), item["share"].as_f64())
                    {
                        out.push((
                            format!("{path} {}", thousands(depth)),
                            format!("{:.1} % of bases", share * 100.0),
                        ));
                    }
                }
            }
            V::Null => {}
        }
    }
    let mut out = Vec::new();
    walk(v, "", &mut out);
    out
}

/// loci.tsv: one line for each actionable locus of the panel's genes.
pub fn loci_tsv(report: &Report) -> String {
    let mut out = String::from(
        "gene\tlocus\tstatus\tat_least\tworst_depth\tvariants\treason\tplaces\ttherapies\n",
    );
    for l in &report.loci {
        let (status, at_least, variants, reason) = match &l.outcome {
            Outcome::Detected { findings } => {
                let names: Vec<String> = findings
                    .iter()
                    .map(|&i| {
                        let f = &report.findings[i];
                        let fraction = f.fraction.map_or(String::new(), |v| format!(" {v:.4}"));
                        format!("{}{fraction}", f.name)
                    })
                    .collect();
                ("detected", String::new(), names.join("; "), String::new())
            }
            Outcome::NotDetected { at_least } => (
                "not_detected",
                format!("{at_least:.3}"),
                String::new(),
                String::new(),
            ),
            Outcome::NotAssessed { reason } => {
                ("not_assessed", String::new(), String::new(), reason.clone())
            }
        };
        let depth = l.worst_depth.map_or(String::new(), |d| d.to_string());
        let _ = writeln!(
            out,
            "{}\t{}\t{status}\t{at_least}\t{depth}\t{variants}\t{reason}\t{}\t{}",
            l.gene,
            l.name,
            l.places.join(","),
            l.therapies.join("; ")
        );
    }
    out
}
