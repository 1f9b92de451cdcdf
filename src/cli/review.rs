//! `theralign review`: what people make of a report.

use crate::annotate::knowledge::date;
use crate::format::input;
use crate::report::review::{Action, Reviewed};
use crate::report::{self, review};
use crate::{Error, Result};
use std::fmt::Write as _;
use std::io::{Read, Write as _};
use std::path::PathBuf;

/// Record what reviewers make of a report's findings, and sign it
///
/// Without an action: list the findings, what is left to do, and whether the report is as it was reviewed.
#[derive(clap::Args, Debug)]
pub struct Args {
    /// Folder of the report
    #[arg(value_name = "DIR")]
    folder: PathBuf,
    /// Who reviews
    #[arg(long, value_name = "NAME")]
    by: Option<String>,
    /// A finding that is right, by its id or as GENE:NAME (EGFR:L858R); may be given several times
    #[arg(long, value_name = "FINDING", requires = "by")]
    accept: Vec<String>,
    /// A finding that is not; say why with --comment
    #[arg(long, value_name = "FINDING", requires_all = ["by", "comment"])]
    reject: Vec<String>,
    /// A remark on what is accepted, rejected, signed or reopened; alone, on the report
    #[arg(long, value_name = "TEXT", requires = "by")]
    comment: Option<String>,
    /// Stand for the report: refused while a gate fails or a finding of weight was not reviewed
    #[arg(long, requires = "by")]
    sign: bool,
    /// Take a signature back; say why with --comment
    #[arg(long, requires_all = ["by", "comment"], conflicts_with = "sign")]
    reopen: bool,
    /// The day [default: today]
    #[arg(long, value_name = "YYYY-MM-DD")]
    on: Option<String>,
}

/// Reads, adds, writes.
///
/// # Errors
/// Also when the report was changed other than by this command.
pub fn run(args: &Args) -> Result<()> {
    let path = args.folder.join("report.json");
    let mut json = String::new();
    input::open(&path)?
        .read_to_string(&mut json)
        .map_err(Error::io(&path))?;
    let mut reviewed = Reviewed::read(&path.display().to_string(), &json)?;
    let Some(by) = args.by.as_deref() else {
        return say(&state(&reviewed));
    };
    if by.trim().is_empty() || by.contains(char::is_control) {
        return Err(Error::usage(
            "--by names nobody",
            "Give the reviewer's name.",
        ));
    }
    let on = day(args.on.as_deref())?;
    let comment = || args.comment.clone();
    // All or nothing: names are looked up before anything is written.
    let meant = |names: &[String]| {
        names
            .iter()
            .map(|n| reviewed.meant(n))
            .collect::<Result<Vec<_>>>()
    };
    let (accepted, rejected) = (meant(&args.accept)?, meant(&args.reject)?);
    let mut steps: Vec<(Action, Option<String>)> = Vec::new();
    if args.reopen {
        steps.push((Action::Reopen, None));
    }
    steps.extend(accepted.into_iter().map(|id| (Action::Accept, Some(id))));
    steps.extend(rejected.into_iter().map(|id| (Action::Reject, Some(id))));
    if args.sign {
        steps.push((Action::Sign, None));
    }
    if steps.is_empty() {
        if args.comment.is_none() {
            return Err(Error::usage(
                "--by, but nothing that is done",
                "Add --accept, --reject, --comment, --sign or --reopen.",
            ));
        }
        steps.push((Action::Comment, None));
    }
    for (action, finding) in steps {
        reviewed.add(action, finding, by, &on, comment())?;
    }
    report::write(&args.folder, reviewed.report())?;
    say(&state(&reviewed))
}

/// The day that was given, or today's. A review is an act: it has a time.
fn day(given: Option<&str>) -> Result<String> {
    match given {
        Some(day) if date::days(day).is_some() => Ok(day.into()),
        Some(day) => Err(Error::usage(
            format!("--on {day} is no day"),
            "Give it as 2026-01-31.",
        )),
        None => Ok(date::today()),
    }
}

/// What there is, and what is left to do.
fn state(reviewed: &Reviewed) -> String {
    let report = reviewed.report();
    let text = |v: &serde_json::Value| v.as_str().unwrap_or("-").to_string();
    let mut out = String::from("tier\tstate\tby\tfinding\tid\tcomment\n");
    let weighty =
        |f: &&serde_json::Value| review::decides(f) || f["review"]["state"] != "suggested";
    for f in report["findings"]
        .as_array()
        .into_iter()
        .flatten()
        .filter(weighty)
    {
        let r = &f["review"];
        let _ = writeln!(
            out,
            "{}\t{}\t{}\t{}:{}\t{}\t{}",
            text(&f["tier"]),
            text(&r["state"]),
            text(&r["by"]),
            text(&f["gene"]),
            text(&f["name"]),
            text(&f["id"]),
            text(&r["comment"])
        );
    }
    let log = report["review"]["log"].as_array().map_or(0, Vec::len);
    let _ = writeln!(out, "\n{log} entries, the chain of hashes holds");
    if reviewed.is_signed() {
        out += "signed\n";
    } else {
        let open = reviewed.open();
        for left in &open {
            let _ = writeln!(out, "left: {left}");
        }
        if open.is_empty() {
            out += "nothing stands in the way of a signature\n";
        }
    }
    out
}

fn say(text: &str) -> Result<()> {
    std::io::stdout()
        .lock()
        .write_all(text.as_bytes())
        .map_err(Error::io("standard output"))
}
