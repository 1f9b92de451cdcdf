//! Diseases of other sources as `OncoTree` codes.

use crate::annotate::tumor::Tumors;
use std::collections::BTreeMap;

const DOID: &str = include_str!("doid.tsv");

/// The codes of diseases, by their id in the Disease Ontology and by name.
pub struct Diseases {
    by_id: BTreeMap<&'static str, &'static str>,
    by_name: BTreeMap<String, String>,
}

impl Diseases {
    /// The table that ships, and the tumor types' own names.
    pub fn new(tumors: &Tumors) -> Diseases {
        let rows = || {
            DOID.lines()
                .skip(1)
                .filter_map(|l| l.split_once('\t'))
                .filter_map(|(id, rest)| Some((id, rest.split_once('\t')?)))
        };
        let mut by_name: BTreeMap<String, String> = tumors
            .names()
            .map(|(code, name)| (plain(name), code.to_string()))
            .collect();
        by_name.extend(rows().map(|(_, (name, codes))| (plain(name), codes.to_string())));
        by_name.insert("solid tumor".into(), "SOLID".into());
        Diseases {
            by_id: rows().map(|(id, (_, codes))| (id, codes)).collect(),
            by_name,
        }
    }

    /// Codes separated by `;`; empty where none is known.
    pub fn codes(&self, doid: &str, name: &str) -> String {
        let id = doid.trim_start_matches("DOID:");
        self.by_id
            .get(id)
            .map(|c| (*c).to_string())
            .or_else(|| self.by_name.get(&plain(name)).cloned())
            .unwrap_or_default()
    }
}

fn plain(name: &str) -> String {
    name.trim().to_lowercase()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::annotate::Knowledge;

    #[test]
    fn ids_come_before_names_and_all_codes_exist() {
        let tumors = Knowledge::shipped().tumors;
        let d = Diseases::new(&tumors);
        assert_eq!(d.codes("3908", "whatever"), "NSCLC");
        assert_eq!(d.codes("DOID:1909", ""), "MEL");
        assert_eq!(d.codes("", "Solid Tumor"), "SOLID");
        assert_eq!(d.codes("", "Neuroblastoma"), "NBL");
        assert_eq!(d.codes("14175", "Von Hippel-Lindau Disease"), "");
        for codes in d.by_id.values() {
            for code in codes.split(';') {
                assert!(code == "ANY" || tumors.has(code), "{code}");
                assert!(code == "ANY" || tumors.find(code).is_ok(), "{code}");
            }
        }
    }
}
