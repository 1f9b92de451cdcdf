//! Review: what people made of a report, kept in it as a chain of entries. Each entry's hash covers the one
//! before; the first covers the report as the analysis wrote it. So a change of a finding, of an opinion
//! or of an entry shows.

use crate::format::digest::hex;
use crate::{Error, Result};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

/// What a person made of a finding.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Opinion {
    /// `suggested` until somebody looked at it.
    pub state: State,
    /// Who did.
    pub by: Option<String>,
    /// The day.
    pub on: Option<String>,
    /// In their words.
    pub comment: Option<String>,
}

/// How far a finding is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// By the program.
    #[default]
    Suggested,
    /// A person agrees.
    Reviewed,
    /// A person does not.
    Rejected,
}

/// A report's review.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Review {
    /// `suggested`, `in_review`, `signed`.
    pub state: Stage,
    /// What was done, in order.
    pub log: Vec<Entry>,
}

/// How far a report is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Stage {
    /// As the program wrote it.
    #[default]
    Suggested,
    /// Somebody began.
    InReview,
    /// Somebody stands for it.
    Signed,
}

/// What is done to a report.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Action {
    /// A finding is right.
    Accept,
    /// A finding is not.
    Reject,
    /// A remark, on a finding or on the report.
    Comment,
    /// The report is final.
    Sign,
    /// It is not, after all.
    Reopen,
}

/// One entry of the log.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Entry {
    /// What was done.
    pub action: Action,
    /// To which finding; `null`: to the report.
    pub finding: Option<String>,
    /// By whom.
    pub by: String,
    /// The day, `2026-01-31`.
    pub on: String,
    /// Why.
    pub comment: Option<String>,
    /// Hash of the entry before; of the first, SHA-256 of report.json as the analysis wrote it.
    pub previous: String,
    /// SHA-256 of the entry, in JSON, without this field.
    pub hash: String,
}

impl Entry {
    /// The hash that the entry should have.
    fn digest(&self) -> String {
        let mut bare = serde_json::to_value(self).expect("plain data");
        bare.as_object_mut().expect("an object").remove("hash");
        digest(bare.to_string().as_bytes())
    }
}

fn digest(bytes: &[u8]) -> String {
    hex(&Sha256::digest(bytes))
}

/// report.json's bytes.
pub fn text(report: &Value) -> String {
    let mut text = serde_json::to_string_pretty(report).expect("plain data");
    text.push('\n');
    text
}

/// The report as the analysis wrote it.
fn pristine(report: &Value) -> Value {
    let mut report = report.clone();
    report["review"] = json!(Review::default());
    for list in ["findings", "filtered"] {
        let findings = report.get_mut(list).and_then(Value::as_array_mut);
        for finding in findings.into_iter().flatten().filter(|f| f.is_object()) {
            finding["review"] = json!(Opinion::default());
        }
    }
    report
}

/// Writes an entry's effect into a report.
fn apply(report: &mut Value, entry: &Entry) {
    let stage = match entry.action {
        Action::Sign => Stage::Signed,
        _ => Stage::InReview,
    };
    if let Some(finding) = entry.finding.as_deref().and_then(|id| find(report, id)) {
        let state = match entry.action {
            Action::Accept => json!(State::Reviewed),
            Action::Reject => json!(State::Rejected),
            _ => finding["review"]["state"].clone(),
        };
        finding["review"] = json!({
            "state": state, "by": entry.by, "on": entry.on, "comment": entry.comment,
        });
    }
    report["review"]["state"] = json!(stage);
    let log = report["review"]["log"].as_array_mut().expect("a list");
    log.push(json!(entry));
}

fn find<'a>(report: &'a mut Value, id: &str) -> Option<&'a mut Value> {
    let findings = report.get_mut("findings")?.as_array_mut()?;
    findings.iter_mut().find(|f| f["id"] == id)
}

/// A report under review: whole, as the log says.
#[derive(Debug)]
pub struct Reviewed {
    report: Value,
    file: String,
}

impl Reviewed {
    /// Reads a report.json and follows its log.
    ///
    /// # Errors
    /// When it is no report of this program, or something in it was changed other than by a review.
    pub fn read(file: &str, json: &str) -> Result<Reviewed> {
        let wrong = |at: String, what: String, remedy: &str| Error::input(file, at, what, remedy);
        let report: Value = serde_json::from_str(json).map_err(|e| {
            wrong(
                format!("line {}", e.line()),
                format!("not JSON: {e}"),
                "Give the folder of a report.",
            )
        })?;
        if report["schema"] != super::SCHEMA {
            return Err(wrong(
                String::new(),
                format!("not a report of this version ({})", report["schema"]),
                "Make the report anew with theralign report.",
            ));
        }
        let review: Review = serde_json::from_value(report["review"].clone()).map_err(|e| {
            wrong(
                "review".into(),
                format!("not a review: {e}"),
                "Take it from a copy that was kept.",
            )
        })?;
        let changed = |at: String, what: &str| {
            wrong(
                at,
                what.into(),
                "The report was changed other than by `theralign review`; take a copy that was kept, or make it anew.",
            )
        };
        let mut replayed = pristine(&report);
        let mut previous = digest(text(&replayed).as_bytes());
        for (i, entry) in review.log.iter().enumerate() {
            let at = format!("review, entry {}", i + 1);
            if entry.previous != previous {
                let what = match i {
                    0 => "the report is not the one that was reviewed",
                    _ => "the entry before it is another one",
                };
                return Err(changed(at, what));
            }
            if entry.digest() != entry.hash {
                return Err(changed(at, "its hash is that of another entry"));
            }
            apply(&mut replayed, entry);
            previous.clone_from(&entry.hash);
        }
        if replayed != report {
            return Err(changed(
                "review".into(),
                "the findings' states do not follow from the log",
            ));
        }
        Ok(Reviewed {
            report,
            file: file.into(),
        })
    }

    /// The report.
    pub fn report(&self) -> &Value {
        &self.report
    }

    /// Is it signed?
    pub fn is_signed(&self) -> bool {
        self.report["review"]["state"] == json!(Stage::Signed)
    }

    /// The id of the finding that is meant: by its id, or by `GENE:NAME`.
    ///
    /// # Errors
    /// When there is none, or more than one.
    pub fn meant(&self, asked: &str) -> Result<String> {
        let text = |f: &Value, key: &str| f[key].as_str().unwrap_or_default().to_string();
        let all = self.report["findings"]
            .as_array()
            .map_or(&[][..], Vec::as_slice);
        let named: Vec<String> = all
            .iter()
            .filter(|f| {
                f["id"] == asked || format!("{}:{}", text(f, "gene"), text(f, "name")) == asked
            })
            .map(|f| text(f, "id"))
            .collect();
        match &named[..] {
            [one] => Ok(one.clone()),
            [] => Err(Error::usage(
                format!("{} has no finding {asked}", self.file),
                "theralign review DIR lists the findings; name one by its id or as GENE:NAME, such as EGFR:L858R.",
            )),
            several => Err(Error::usage(
                format!("{asked} is the name of {} findings", several.len()),
                format!("Name one by its id: {}.", several.join(", ")),
            )),
        }
    }

    /// Adds an entry.
    ///
    /// # Errors
    /// When the report is signed (but for [`Action::Reopen`]), or is to be and may not.
    pub fn add(
        &mut self,
        action: Action,
        finding: Option<String>,
        by: &str,
        on: &str,
        comment: Option<String>,
    ) -> Result<()> {
        let refuse = |what: String, remedy: &str| Err(Error::usage(what, remedy));
        match (action, self.is_signed()) {
            (Action::Reopen, false) => {
                return refuse(
                    "the report is not signed".into(),
                    "There is nothing to reopen.",
                );
            }
            (Action::Reopen, true) | (_, false) => {}
            (_, true) => {
                return refuse(
                    "the report is signed".into(),
                    "Reopen it first: theralign review DIR --by NAME --reopen --comment WHY.",
                );
            }
        }
        if action == Action::Sign {
            let open = self.open();
            if !open.is_empty() {
                return refuse(
                    format!("the report cannot be signed: {}", open.join("; ")),
                    "Resolve what is named, then sign.",
                );
            }
        }
        let log = self.report["review"]["log"].as_array();
        let previous = match log.and_then(|l| l.last()) {
            Some(last) => last["hash"].as_str().unwrap_or_default().to_string(),
            None => digest(text(&self.report).as_bytes()),
        };
        let mut entry = Entry {
            action,
            finding,
            by: by.into(),
            on: on.into(),
            comment,
            previous,
            hash: String::new(),
        };
        entry.hash = entry.digest();
        apply(&mut self.report, &entry);
        Ok(())
    }

    /// What stands in the way of a signature: gates that fail, and findings that a decision would rest on
    /// and nobody looked at.
    pub fn open(&self) -> Vec<String> {
        let list = |v: &'_ Value| v.as_array().cloned().unwrap_or_default();
        let text = |v: &Value| v.as_str().unwrap_or_default().to_string();
        let gates = list(&self.report["gates"])
            .into_iter()
            .filter(|g| g["status"] == "fail")
            .map(|g| {
                format!(
                    "gate {}: {} ({})",
                    text(&g["name"]),
                    text(&g["found"]),
                    text(&g["limit"])
                )
            });
        let inherited: Vec<Value> = list(&self.report["germline"]["findings"])
            .into_iter()
            .map(|f| f["id"].clone())
            .collect();
        let findings = list(&self.report["findings"])
            .into_iter()
            .filter(|f| decides(f) || inherited.contains(&f["id"]))
            .filter(|f| f["review"]["state"] == json!(State::Suggested))
            .map(|f| format!("{} {} was not reviewed", text(&f["gene"]), text(&f["name"])));
        gates.chain(findings).collect()
    }
}

/// Would a decision rest on this finding? Tier I and II, and what speaks against a therapy in this tumor.
pub fn decides(finding: &Value) -> bool {
    let against = finding["resistance"].as_array().into_iter().flatten();
    finding["tier"] == "I"
        || finding["tier"] == "II"
        || against.into_iter().any(|e| e["relation"] != "other")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report(gate: &str) -> String {
        let finding = |id: &str, name: &str, tier: &str| {
            json!({"id": id, "gene": "EGFR", "name": name, "tier": tier, "fraction": 0.1 + 0.2,
                "resistance": [], "review": Opinion::default()})
        };
        text(&json!({
            "schema": crate::report::SCHEMA,
            "findings": [finding("7-1-A-T", "L858R", "I"), finding("7-2-A-T", "K1N", "III")],
            "filtered": [],
            "germline": {"findings": []},
            "gates": [{"name": "depth", "status": gate, "found": "80 %", "limit": "90 %"}],
            "review": Review::default(),
        }))
    }

    fn read(text: &str) -> Result<Reviewed> {
        Reviewed::read("report.json", text)
    }

    fn accepted(gate: &str) -> Reviewed {
        let mut r = read(&report(gate)).unwrap();
        let id = r.meant("EGFR:L858R").unwrap();
        r.add(Action::Accept, Some(id), "A", "2026-01-31", None)
            .unwrap();
        r
    }

    #[test]
    fn a_review_is_kept_and_read_again() {
        let mut r = accepted("pass");
        assert_eq!(r.report["findings"][0]["review"]["state"], "reviewed");
        assert_eq!(r.report["review"]["state"], "in_review");
        r.add(Action::Sign, None, "B", "2026-02-01", None).unwrap();
        let again = read(&text(&r.report)).unwrap();
        assert!(again.is_signed());
        assert_eq!(again.report, r.report);
    }

    #[test]
    fn what_was_changed_shows() {
        let r = text(&accepted("pass").report);
        for (from, to, said) in [
            (
                "\"tier\": \"III\"",
                "\"tier\": \"II\"",
                "not the one that was reviewed",
            ),
            ("\"by\": \"A\"", "\"by\": \"C\"", "its hash"),
            (
                "\"state\": \"reviewed\"",
                "\"state\": \"rejected\"",
                "do not follow from the log",
            ),
            (
                "\"state\": \"in_review\"",
                "\"state\": \"signed\"",
                "do not follow from the log",
            ),
        ] {
            // Opinions come before the log, so that of `by` the last one is the log's.
            let at = r.rfind(from).unwrap_or_else(|| panic!("{from}"));
            let changed = format!("{}{to}{}", &r[..at], &r[at + from.len()..]);
            let e = read(&changed).unwrap_err().to_string();
            assert!(e.contains(said), "{from}: {e}");
        }
    }

    #[test]
    fn what_is_no_report_is_an_error_and_no_panic() {
        let schema = crate::report::SCHEMA;
        let review = json!(Review::default());
        for text in [
            "",
            "[]",
            "7",
            "{}",
            &format!("{{\"schema\": \"{schema}\"}}"),
            &format!("{{\"schema\": \"{schema}\", \"review\": 3}}"),
        ] {
            assert!(read(text).is_err(), "{text}");
        }
        // As far as it goes it is whole; the page refuses what is missing.
        for findings in [
            json!(null),
            json!(7),
            json!([1, "a", null, []]),
            json!({"a": 1}),
        ] {
            let odd = json!({"schema": schema, "review": review, "findings": findings});
            let r = read(&text(&odd)).unwrap();
            assert!(r.meant("EGFR:L858R").is_err());
            assert!(crate::report::write(std::path::Path::new("/nowhere"), r.report()).is_err());
        }
    }

    proptest::proptest! {
        /// One byte changed: no report, or one that reads the same.
        #[test]
        fn no_byte_of_a_reviewed_report_can_be_changed(at in 0usize..10_000, byte in 0x20u8..0x7f) {
            let report = accepted("pass").report;
            let mut changed = text(&report).into_bytes();
            let at = at % changed.len();
            changed[at] = byte;
            let changed = String::from_utf8(changed).unwrap();
            if let Ok(r) = read(&changed) {
                proptest::prop_assert_eq!(r.report, report);
            }
        }
    }

    #[test]
    fn an_entry_cannot_be_left_out() {
        let mut r = accepted("pass");
        r.add(
            Action::Comment,
            None,
            "A",
            "2026-02-01",
            Some("seen".into()),
        )
        .unwrap();
        let mut cut = r.report.clone();
        cut["review"]["log"].as_array_mut().unwrap().remove(0);
        let e = read(&text(&cut)).unwrap_err().to_string();
        assert!(e.contains("entry 1"), "{e}");
    }

    #[test]
    fn nobody_signs_while_something_is_open() {
        let mut r = read(&report("pass")).unwrap();
        let e = r
            .add(Action::Sign, None, "A", "2026-01-31", None)
            .unwrap_err()
            .to_string();
        assert!(
            e.contains("EGFR L858R was not reviewed") && !e.contains("K1N"),
            "{e}"
        );
        let mut r = accepted("fail");
        let e = r
            .add(Action::Sign, None, "A", "2026-01-31", None)
            .unwrap_err()
            .to_string();
        assert!(e.contains("gate depth: 80 % (90 %)"), "{e}");
    }

    #[test]
    fn what_is_signed_is_reopened_before_it_is_changed() {
        let mut r = accepted("pass");
        r.add(Action::Sign, None, "A", "2026-01-31", None).unwrap();
        let id = Some("7-2-A-T".to_string());
        assert!(
            r.add(Action::Reject, id.clone(), "A", "2026-02-01", None)
                .is_err()
        );
        r.add(
            Action::Reopen,
            None,
            "A",
            "2026-02-01",
            Some("an error".into()),
        )
        .unwrap();
        r.add(
            Action::Reject,
            id,
            "A",
            "2026-02-01",
            Some("sequencing error".into()),
        )
        .unwrap();
        assert!(!r.is_signed());
        assert_eq!(r.report["findings"][1]["review"]["state"], "rejected");
    }
}
