//! The report as a FHIR R4 bundle of HL7's Genomics Reporting guide (STU3, CC0): one `DiagnosticReport`, an
//! `Observation` for each variant, for each statement about a therapy or of `ClinVar`, for each pharmacogene, and for each
//! actionable locus where nothing was found or nothing can be said.
//!
//! Names of genes and drugs are texts: identifiers of HGNC and `RxNorm` are not among the knowledge. No time
//! stands in it, so that equal reports give equal bytes.

use crate::format::digest::hex;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

const LOINC: &str = "http://loinc.org";
const GUIDE: &str = "http://hl7.org/fhir/uv/genomics-reporting";

/// What all of a bundle's resources share.
struct Bundle<'a> {
    /// report.json.
    report: &'a Value,
    /// `final` once signed.
    status: &'static str,
    /// Entries so far.
    entries: Vec<Value>,
    /// References to the observations.
    results: Vec<Value>,
}

/// The bundle's text.
pub fn bundle(report: &Value) -> String {
    let mut b = Bundle {
        report,
        status: if report["review"]["state"] == "signed" {
            "final"
        } else {
            "preliminary"
        },
        entries: Vec::new(),
        results: Vec::new(),
    };
    let sample = text(&report["sample"]);
    let identifier = json!([{"system": "urn:theralign:sample", "value": sample}]);
    let patient = b.add(
        "patient",
        json!({"resourceType": "Patient", "identifier": identifier}),
    );
    let specimen = b.add(
        "specimen",
        json!({"resourceType": "Specimen", "identifier": identifier, "subject": {"reference": patient}}),
    );
    let about = (patient, specimen);
    let tumor = &report["tumor"];
    for f in list(&report["findings"]) {
        // What a person rejected is not passed on.
        if f["review"]["state"] == "rejected" {
            continue;
        }
        let variant = b.variant(f, &about);
        for i in inherited(report, f) {
            for (n, a) in list(&i["assertions"]).enumerate() {
                let key = format!("assertion {} {n}", text(&f["id"]));
                b.diagnosis(&key, a, i, &variant, &about);
            }
        }
        for kind in ["sensitivity", "resistance"] {
            for e in list(&f[kind]) {
                b.implication(e, f, &variant, kind, &about);
            }
        }
    }
    for l in list(&report["loci"]) {
        if l["status"] != "detected" {
            b.absence(l, &about);
        }
    }
    for g in list(&report["pharmacogenes"]) {
        b.genotype(g, &about);
    }
    let results = std::mem::take(&mut b.results);
    let warnings: Vec<String> = list(&report["warnings"]).map(text).collect();
    let mut conclusion = vec![text(&report["notice"])];
    conclusion.extend(warnings);
    let mut diagnostic = json!({
        "resourceType": "DiagnosticReport",
        "meta": profile("genomic-report"),
        "status": b.status,
        "category": [coding("http://terminology.hl7.org/CodeSystem/v2-0074", "GE", "Genetics")],
        "code": coding(LOINC, "51969-4", "Genetic analysis report"),
        "subject": {"reference": about.0},
        "specimen": [{"reference": about.1}],
        "result": results,
        "conclusion": conclusion.join(" "),
    });
    if tumor["code"] != "" {
        diagnostic["conclusionCode"] = json!([{
            "coding": [{"system": "http://oncotree.mskcc.org", "code": tumor["code"], "display": tumor["name"]}],
            "text": tumor["name"],
        }]);
    }
    b.add("report", diagnostic);
    super::review::text(&json!({
        "resourceType": "Bundle",
        "meta": {"tag": [{"system": "urn:theralign:program", "code": text(&report["program"]).replace(' ', "-")}]},
        "type": "collection",
        "entry": b.entries,
    }))
}

impl Bundle<'_> {
    /// Adds a resource; gives its address. `key` tells it from all others of the bundle.
    fn add(&mut self, key: &str, mut resource: Value) -> String {
        let sample = text(&self.report["sample"]);
        let reference = text(&self.report["reference"]);
        let uuid = uuid(&format!("{sample}\n{reference}\n{key}"));
        if let Some(fields) = resource.as_object_mut() {
            fields.shift_insert(1, "id".into(), json!(uuid));
        }
        let url = format!("urn:uuid:{uuid}");
        self.entries
            .push(json!({"fullUrl": url, "resource": resource}));
        url
    }

    /// Adds an observation to the report.
    fn observe(
        &mut self,
        key: &str,
        about: &(String, String),
        profile_name: &str,
        fields: Value,
    ) -> String {
        let mut o = json!({
            "resourceType": "Observation",
            "meta": profile(profile_name),
            "status": self.status,
            "category": [
                coding("http://terminology.hl7.org/CodeSystem/observation-category", "laboratory", "Laboratory"),
                coding("http://terminology.hl7.org/CodeSystem/v2-0074", "GE", "Genetics"),
            ],
        });
        let (all, more) = (o.as_object_mut().expect("an object"), fields);
        if let Value::Object(more) = more {
            all.extend(more);
        }
        all.insert("subject".into(), json!({"reference": about.0}));
        all.insert("specimen".into(), json!({"reference": about.1}));
        let url = self.add(key, o);
        self.results.push(json!({"reference": url}));
        url
    }

    fn variant(&mut self, f: &Value, about: &(String, String)) -> String {
        let germline = self.report["mode"] == "germline";
        let mut parts = vec![named("48018-6", "Gene studied [ID]", &f["gene"])];
        let transcript = text(&f["transcript"]);
        let full = |hgvs: &Value| match text(hgvs) {
            none if none.is_empty() => Value::Null,
            some if transcript.is_empty() => json!(some),
            some => json!(format!("{transcript}:{some}")),
        };
        parts.push(named("48004-6", "DNA change (c.HGVS)", &full(&f["hgvs_c"])));
        parts.push(named("48005-3", "Amino acid change (pHGVS)", &f["hgvs_p"]));
        parts.push(named("81290-9", "Genomic DNA change (gHGVS)", &f["hgvs_g"]));
        parts.push(named(
            "51958-7",
            "Transcript reference sequence [ID]",
            &f["transcript"],
        ));
        parts.push(self.assembly());
        parts.push(component(
            "69547-8",
            "Genomic ref allele [ID]",
            "valueString",
            &f["reference"],
        ));
        parts.push(component(
            "69551-0",
            "Genomic alt allele [ID]",
            "valueString",
            &f["alternate"],
        ));
        parts.push(named("48000-4", "Chromosome", &f["contig"]));
        if let Some(start) = f["position"].as_u64() {
            let end = start + text(&f["reference"]).len() as u64 - 1;
            let range = json!({"low": {"value": start}, "high": {"value": end}});
            parts.push(component(
                "81254-5",
                "Genomic allele start-end",
                "valueRange",
                &range,
            ));
            let counting = coding(LOINC, "LA30102-0", "1-based character counting");
            parts.push(component(
                "92822-6",
                "Genomic coord system",
                "valueCodeableConcept",
                &counting,
            ));
        }
        if !f["fraction"].is_null() {
            let share = json!({"value": f["fraction"], "unit": "relative frequency of a particular allele in the specimen", "system": "http://unitsofmeasure.org", "code": "1"});
            parts.push(component(
                "81258-6",
                "Sample variant allelic frequency [NFr]",
                "valueQuantity",
                &share,
            ));
        }
        if !f["depth"].is_null() {
            let depth = json!({"value": f["depth"], "unit": "fragments", "system": "http://unitsofmeasure.org", "code": "1"});
            parts.push(component(
                "82121-5",
                "Allelic read depth",
                "valueQuantity",
                &depth,
            ));
        }
        let class = if germline {
            ("LA6683-2", "Germline")
        } else {
            ("LA6684-0", "Somatic")
        };
        // A tumor's variant that may be inherited is not called somatic.
        if f["germline"].is_null() {
            let class = coding(LOINC, class.0, class.1);
            parts.push(component(
                "48002-0",
                "Genomic source class [Type]",
                "valueCodeableConcept",
                &class,
            ));
        }
        for i in inherited(self.report, f) {
            let state = match i["zygosity"].as_str() {
                Some("homozygous") => coding(LOINC, "LA6705-3", "Homozygous"),
                Some("heterozygous") => coding(LOINC, "LA6706-1", "Heterozygous"),
                Some("hemizygous") => coding(LOINC, "LA6707-9", "Hemizygous"),
                _ => continue,
            };
            parts.push(component(
                "53034-5",
                "Allelic state",
                "valueCodeableConcept",
                &state,
            ));
        }
        for term in list(&f["consequences"]) {
            parts.push(named("48006-1", "Molecular consequence", term));
        }
        parts.retain(|p| !p.is_null());
        let mut notes: Vec<String> = list(&f["notes"]).map(text).collect();
        if !f["tier"].is_null() {
            notes.insert(
                0,
                format!(
                    "AMP/ASCO/CAP tier {}: {}",
                    text(&f["tier"]),
                    text(&f["tier_reason"])
                ),
            );
        }
        notes.extend(f["germline"].as_str().map(String::from));
        notes.push(opinion(&f["review"]));
        let notes: Vec<Value> = notes.into_iter().map(|n| json!({"text": n})).collect();
        let fields = json!({
            "code": coding(LOINC, "69548-6", "Genetic variant assessment"),
            "valueCodeableConcept": coding(LOINC, "LA9633-4", "Present"),
            "note": notes,
            "component": parts,
        });
        self.observe(
            &format!("variant {}", text(&f["id"])),
            about,
            "variant",
            fields,
        )
    }

    fn assembly(&self) -> Value {
        let coded = match self.report["assembly"].as_str() {
            Some("GRCh37") => coding(LOINC, "LA14029-5", "GRCh37"),
            Some("GRCh38") => coding(LOINC, "LA26806-2", "GRCh38"),
            _ => return Value::Null,
        };
        component(
            "62374-4",
            "Human reference sequence assembly version",
            "valueCodeableConcept",
            &coded,
        )
    }

    fn implication(
        &mut self,
        e: &Value,
        f: &Value,
        variant: &str,
        kind: &str,
        about: &(String, String),
    ) {
        let predicted = match kind {
            "sensitivity" => {
                json!({"coding": [{"system": LOINC, "code": "LA9661-5", "display": "Presumed responsive"}]})
            }
            _ => {
                json!({"coding": [{"system": LOINC, "code": "LA9660-7", "display": "Presumed resistant"}]})
            }
        };
        let parts = [
            named("51963-7", "Medication assessed [ID]", &e["therapy"]),
            named("81259-4", "Associated phenotype", &e["tumor"]),
            named(
                "93044-6",
                "Level of evidence",
                &json!(format!("CIViC level {}", text(&e["level"]))),
            ),
            json!({"code": guide_code("therapeutic-implication", "Therapeutic Implication"), "valueCodeableConcept": predicted}),
        ];
        let sources = list(&e["sources"]).filter_map(|s| s["url"].as_str());
        let artifacts: Vec<Value> = sources.map(artifact).collect();
        let mut notes = vec![format!(
            "{}; matched by {} ({}); {}",
            text(&e["standing"]).replace('_', " "),
            text(&e["match_kind"]),
            text(&e["rule"]),
            match text(&e["relation"]).as_str() {
                "exact" => "this tumor type",
                "parent" => "a parent of this tumor type",
                "pan_cancer" => "any tumor type",
                _ => "another tumor type",
            }
        )];
        notes.extend(list(&e["caveats"]).map(text));
        let notes: Vec<Value> = notes.into_iter().map(|n| json!({"text": n})).collect();
        let mut fields = json!({
            "code": guide_code("therapeutic-implication", "Therapeutic Implication"),
            "note": notes,
            "derivedFrom": [{"reference": variant}],
            "component": parts,
        });
        if !artifacts.is_empty() {
            fields["extension"] = json!(artifacts);
        }
        let key = format!("implication {} {kind} {}", text(&f["id"]), text(&e["row"]));
        self.observe(&key, about, "therapeutic-implication", fields);
    }

    /// What `ClinVar` says of a germline variant.
    fn diagnosis(
        &mut self,
        key: &str,
        a: &Value,
        i: &Value,
        variant: &str,
        about: &(String, String),
    ) {
        let mut parts = vec![
            named(
                "53037-8",
                "Genetic variation clinical significance [Imp]",
                &a["significance"],
            ),
            named("81259-4", "Associated phenotype", &a["disease"]),
            named(
                "79742-3",
                "Inheritance pattern based on family history",
                &i["inheritance"],
            ),
        ];
        parts.retain(|p| !p.is_null());
        let fields = json!({
            "extension": [artifact(&text(&a["url"]))],
            "code": guide_code("diagnostic-implication", "Diagnostic Implication"),
            "note": [{"text": format!("ClinVar {}: {}", text(&a["id"]), text(&a["review"]))}],
            "derivedFrom": [{"reference": variant}],
            "component": parts,
        });
        self.observe(key, about, "diagnostic-implication", fields);
    }

    /// A locus where nothing was found, or nothing can be said: never left out, never taken for absent.
    fn absence(&mut self, l: &Value, about: &(String, String)) {
        let (value, note) = if l["status"] == "not_detected" {
            let least = l["at_least"].as_f64().unwrap_or(1.0);
            (
                coding(LOINC, "LA9634-2", "Absent"),
                format!(
                    "not present in {:.1} % of molecules or more, with a probability of 95 %; nothing is said of smaller fractions",
                    least * 100.0
                ),
            )
        } else {
            (
                coding(LOINC, "LA18198-4", "No call"),
                format!("not assessed: {}", text(&l["reason"])),
            )
        };
        let places: Vec<String> = list(&l["places"]).map(text).collect();
        let name = format!("{} {}", text(&l["gene"]), text(&l["name"]));
        let mut parts = vec![
            named("48018-6", "Gene studied [ID]", &l["gene"]),
            self.assembly(),
        ];
        parts.retain(|p| !p.is_null());
        let fields = json!({
            "code": coding(LOINC, "69548-6", "Genetic variant assessment"),
            "valueCodeableConcept": value,
            "note": [{"text": format!("{name} ({}): {note}", places.join(", "))}],
            "component": parts,
        });
        let key = format!("locus {name} {}", text(&l["rule"]));
        self.observe(&key, about, "variant", fields);
    }

    fn genotype(&mut self, g: &Value, about: &(String, String)) {
        let names: Vec<String> = list(&g["diplotypes"]).map(text).collect();
        let mut fields = json!({
            "code": coding(LOINC, "84413-4", "Genotype display name"),
            "component": [named("48018-6", "Gene studied [ID]", &g["gene"])],
        });
        if names.is_empty() {
            fields["dataAbsentReason"] = coding(
                "http://terminology.hl7.org/CodeSystem/data-absent-reason",
                "unknown",
                "Unknown",
            );
        } else {
            fields["valueCodeableConcept"] = json!({"text": names.join(" or ")});
        }
        let notes = [text(&g["phenotype"]), text(&g["note"])];
        let notes: Vec<Value> = notes
            .into_iter()
            .filter(|n| !n.is_empty())
            .map(|n| json!({"text": n}))
            .collect();
        if !notes.is_empty() {
            fields["note"] = json!(notes);
        }
        let gene = text(&g["gene"]);
        let genotype = self.observe(&format!("genotype {gene}"), about, "genotype", fields);
        for (i, r) in list(&g["recommendations"]).enumerate() {
            let pmid = text(&r["pmid"]);
            let fields = json!({
                "extension": [artifact(&format!("https://pubmed.ncbi.nlm.nih.gov/{pmid}/"))],
                "code": guide_code("therapeutic-implication", "Therapeutic Implication"),
                "note": [{"text": format!("{} ({}, {})", text(&r["text"]), text(&r["strength"]), text(&r["population"]))}],
                "derivedFrom": [{"reference": genotype}],
                "component": [
                    named("51963-7", "Medication assessed [ID]", &r["drug"]),
                    named("93044-6", "Level of evidence", &json!(format!("CPIC level {}", text(&r["level"])))),
                    json!({
                        "code": guide_code("therapeutic-implication", "Therapeutic Implication"),
                        "valueCodeableConcept": {"text": text(&g["phenotype"])},
                    }),
                ],
            });
            self.observe(
                &format!("advice {gene} {i}"),
                about,
                "therapeutic-implication",
                fields,
            );
        }
    }
}

/// A finding, as the germline section has it: none or one.
fn inherited<'a>(report: &'a Value, finding: &Value) -> impl Iterator<Item = &'a Value> + use<'a> {
    let id = finding["id"].clone();
    list(&report["germline"]["findings"]).filter(move |i| i["id"] == id)
}

/// A citation (extension of R4).
fn artifact(url: &str) -> Value {
    json!({
        "url": "http://hl7.org/fhir/StructureDefinition/workflow-relatedArtifact",
        "valueRelatedArtifact": {"type": "citation", "url": url},
    })
}

fn opinion(review: &Value) -> String {
    match review["state"].as_str() {
        Some("reviewed") => format!(
            "reviewed by {}, {}",
            text(&review["by"]),
            text(&review["on"])
        ),
        _ => "suggested by the program; not reviewed".into(),
    }
}

fn text(v: &Value) -> String {
    match v {
        Value::Null => String::new(),
        Value::String(s) => s.clone(),
        other => other.to_string(),
    }
}

fn list(v: &Value) -> impl Iterator<Item = &Value> {
    v.as_array().into_iter().flatten()
}

fn profile(name: &str) -> Value {
    json!({"profile": [format!("{GUIDE}/StructureDefinition/{name}")]})
}

fn coding(system: &str, code: &str, display: &str) -> Value {
    json!({"coding": [{"system": system, "code": code, "display": display}]})
}

fn guide_code(code: &str, display: &str) -> Value {
    coding(&format!("{GUIDE}/CodeSystem/tbd-codes-cs"), code, display)
}

fn component(code: &str, display: &str, kind: &str, value: &Value) -> Value {
    let mut out = json!({"code": coding(LOINC, code, display)});
    out[kind] = value.clone();
    out
}

/// A component with a text; `null` where there is none.
fn named(code: &str, display: &str, value: &Value) -> Value {
    match text(value) {
        none if none.is_empty() => Value::Null,
        some => component(
            code,
            display,
            "valueCodeableConcept",
            &json!({"text": some}),
        ),
    }
}

/// A UUID made of a name (RFC 9562, version 8).
fn uuid(name: &str) -> String {
    let mut bytes: [u8; 16] = Sha256::digest(name.as_bytes())[..16]
        .try_into()
        .expect("16 bytes");
    bytes[6] = bytes[6] & 0x0f | 0x80;
    bytes[8] = bytes[8] & 0x3f | 0x80;
    let h = hex(&bytes);
    [&h[..8], &h[8..12], &h[12..16], &h[16..20], &h[20..]].join("-")
}
