//! Gates: what must hold of a sample before its report may be signed.

use super::Report;
use super::assess::Outcome;
use crate::{Error, Result};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::path::Path;

/// The limits. A laboratory sets its own with a file; these are for a deep panel.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Limits {
    /// Fragments that a base of the panel needs.
    pub depth: u32,
    /// Share of the panel's bases that need them.
    pub depth_share: f64,
    /// Share of foreign fragments at which a sample is refused. The caller's smallest claims are of this order.
    pub contamination: f64,
    /// Wrong base calls, as a share. Illumina's specifications ask for Q30 in most bases; ten times its
    /// errors are another matter.
    pub error_rate: f64,
    /// Share of aligned reads that touch the panel.
    pub on_target: f64,
    /// Actionable loci of this tumor, in the panel, that may be left unassessed without a warning.
    pub unassessed: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Limits {
            depth: 100,
            depth_share: 0.9,
            contamination: 0.03,
            error_rate: 0.01,
            on_target: 0.2,
            unassessed: 0,
        }
    }
}

impl Limits {
    /// Reads limits; those that the file does not name keep their values.
    ///
    /// # Errors
    /// When it is not JSON, or names a limit that there is not.
    pub fn read(path: &Path) -> Result<Limits> {
        let text = std::fs::read_to_string(path).map_err(Error::io(path))?;
        serde_json::from_str(&text).map_err(|e| {
            Error::input(
                path.display().to_string(),
                format!("line {}", e.line()),
                format!("no limits of gates: {e}"),
                r#"Give JSON such as {"depth": 200, "depth_share": 0.95, "contamination": 0.02}."#,
            )
        })
    }
}

/// How a sample stands to a gate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// It holds.
    Pass,
    /// A reviewer should know.
    Warn,
    /// The report cannot be signed.
    Fail,
    /// It was not measured.
    NotAssessed,
}

/// One gate.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
pub struct Gate {
    /// What is looked at.
    pub name: &'static str,
    /// How the sample stands to it.
    pub status: Status,
    /// What was found, in words.
    pub found: String,
    /// What is asked, in words.
    pub limit: String,
}

/// All gates of a report.
pub fn judge(report: &Report, limits: &Limits) -> Vec<Gate> {
    let percent = |f: f64| format!("{} %", (f * 10_000.0).round() / 100.0);
    let figure = |path: &[&str]| {
        let mut at = &report.qc;
        for key in path {
            at = &at[*key];
        }
        at.as_f64()
    };
    let missing = |name, limit: String, from: &str| {
        let said = report.qc[from]["not_assessed"].as_str();
        Gate {
            name,
            status: Status::NotAssessed,
            found: said.unwrap_or("the quality figures do not tell").into(),
            limit,
        }
    };
    let below = |name, found: Option<f64>, most: f64, otherwise, from: &str| {
        let limit = format!("at most {}", percent(most));
        match found {
            None => missing(name, limit, from),
            Some(f) => Gate {
                name,
                status: if f <= most { Status::Pass } else { otherwise },
                found: percent(f),
                limit,
            },
        }
    };
    let mut gates = vec![depth(report, limits, &percent)];
    gates.push(below(
        "contamination",
        figure(&["contamination", "share"]),
        limits.contamination,
        Status::Fail,
        "contamination",
    ));
    gates.push(below(
        "sequencing errors",
        figure(&["errors", "rate"]),
        limits.error_rate,
        Status::Warn,
        "errors",
    ));
    let limit = format!("at least {}", percent(limits.on_target));
    gates.push(match figure(&["shares", "on_target"]) {
        None => missing("reads on target", limit, "shares"),
        Some(f) => Gate {
            name: "reads on target",
            status: if f >= limits.on_target {
                Status::Pass
            } else {
                Status::Warn
            },
            found: percent(f),
            limit,
        },
    });
    gates.push(identity(report));
    let open = (report.loci.iter())
        .filter(|l| !l.therapies.is_empty())
        .filter(|l| matches!(l.outcome, Outcome::NotAssessed { .. }))
        .count();
    gates.push(Gate {
        name: "actionable loci",
        status: if open <= limits.unassessed {
            Status::Pass
        } else {
            Status::Warn
        },
        found: format!("{open} of this tumor type's loci in the panel's genes were not assessed"),
        limit: format!("at most {}", limits.unassessed),
    });
    let stale = !report.knowledge_aged.is_empty();
    gates.push(Gate {
        name: "age of the knowledge",
        status: if stale { Status::Warn } else { Status::Pass },
        found: match report.knowledge_aged.join("; ") {
            none if none.is_empty() => "within the age that was set".into(),
            aged => aged,
        },
        limit: "the age set for it".into(),
    });
    gates
}

/// Is the panel deep enough? Counted over the depth file, which the report's claims rest on.
fn depth(report: &Report, limits: &Limits, percent: &dyn Fn(f64) -> String) -> Gate {
    let limit = format!(
        "{} of the panel's bases at {} fragments or more",
        percent(limits.depth_share),
        limits.depth
    );
    let (status, found) = match report.panel.deep_bases {
        None => (
            Status::Fail,
            "no depth file was given: what was not found cannot be told from what was not seen"
                .into(),
        ),
        Some(deep) => {
            let share = deep as f64 / report.panel.bases.max(1) as f64;
            let status = if share >= limits.depth_share {
                Status::Pass
            } else {
                Status::Fail
            };
            (status, percent(share))
        }
    };
    Gate {
        name: "depth",
        status,
        found,
        limit,
    }
}

/// Is it the person that it should be?
fn identity(report: &Report) -> Gate {
    let same = &report.qc["same_person"];
    let (status, found) = match same["verdict"].as_str() {
        Some("same_person") => (
            Status::Pass,
            "the same person as the other sample".to_string(),
        ),
        Some("other_person") => (Status::Fail, "not the person of the other sample".into()),
        Some("same_reads") => (Status::Fail, "the other sample's own reads".into()),
        Some(_) => (Status::Warn, "the sites that both have do not tell".into()),
        None => (
            Status::NotAssessed,
            same["not_assessed"]
                .as_str()
                .unwrap_or("the quality figures do not tell")
                .into(),
        ),
    };
    Gate {
        name: "identity",
        status,
        found,
        limit: "the person of the other sample, if one was given".into(),
    }
}
