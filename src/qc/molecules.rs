//! A sample whose reads were made to consensus reads of molecules: what is told of the reads as they were
//! sequenced, and what of the molecules, on which variants are called.

use super::cycles::Errors;
use super::figure::rounded;
use super::{Done, Figure, Qc};
use crate::consensus::metrics::Tally;
use serde::Serialize;
use std::collections::BTreeMap;

/// Which figures each BAM gave, by its name.
pub type Sources = BTreeMap<String, Vec<&'static str>>;

/// Keys of what the machine and the library make of reads.
const OF_READS: [&str; 5] = ["reads", "shares", "insert_size", "duplicates", "errors"];
/// Keys of what calling has.
const OF_MOLECULES: [&str; 8] = [
    "molecules",
    "depth",
    "dropout",
    "contamination",
    "sex",
    "identity",
    "same_person",
    "regions",
];

/// The molecules.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Molecules {
    /// Those of which a consensus was written.
    pub written: u64,
    /// Of these, those of which both strands were read.
    pub duplex: u64,
    /// Those with too few copies, left out.
    pub too_few: u64,
    /// Aligned templates that are of no molecule, as they have no clear UMI.
    pub templates_left_out: u64,
    /// Copies of a molecule on average, those with too few included.
    pub copies: Figure<f64>,
    /// Share of wrong bases in the consensus reads, variants left out.
    pub error_rate: Figure<f64>,
}

impl Molecules {
    fn of(tally: &Tally, errors: &Figure<Errors>) -> Molecules {
        let all = tally.molecules + tally.too_few;
        Molecules {
            written: tally.molecules,
            duplex: tally.duplex,
            too_few: tally.too_few,
            templates_left_out: tally.left_out(),
            copies: if all == 0 {
                Figure::not_assessed("there is no molecule")
            } else {
                Figure::Given(rounded(
                    (tally.templates - tally.left_out()) as f64 / all as f64,
                ))
            },
            error_rate: match errors {
                Figure::Given(errors) => Figure::Given(errors.rate),
                Figure::NotAssessed { not_assessed } => Figure::not_assessed(not_assessed.clone()),
            },
        }
    }
}

impl Done {
    /// The figures of a sample's reads and those of its `molecules`, each where it says more, with the
    /// `names` of the two BAMs beside them.
    #[must_use]
    pub fn with_molecules(self, molecules: Done, names: [&str; 2], tally: &Tally) -> Done {
        let Qc {
            reads,
            shares,
            insert_size,
            duplicates,
            errors,
            ..
        } = self.qc;
        let [of_reads, of_molecules] = names.map(ToString::to_string);
        Done {
            qc: Qc {
                sources: Some(Sources::from([
                    (of_reads, OF_READS.to_vec()),
                    (of_molecules, OF_MOLECULES.to_vec()),
                ])),
                reads,
                shares,
                insert_size,
                duplicates,
                errors,
                molecules: Some(Molecules::of(tally, &molecules.qc.errors)),
                ..molecules.qc
            },
            ..molecules
        }
    }
}
