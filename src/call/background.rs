//! What is known of alleles before the sample is looked at, and what follows for a call.

use super::filter::{self, Filter, Traits};
use super::normals::Normals;
use super::population::{Count, Population, Prior, foreign, inherited};
use super::{CallOptions, Mode};
use crate::domain::{ContigId, Span, Variant};
use crate::format::digest::sha256_of;
use crate::genome::Reference;
use crate::{Error, Result};
use std::fmt::Write;
use std::path::Path;

/// The files that the user gave, read.
#[derive(Debug, Default)]
pub struct Background {
    normals: Option<Normals>,
    population: Option<Population>,
    /// Share of foreign fragments.
    contamination: Option<f64>,
    /// Lines of the VCF's header that name the files.
    pub header: String,
}

/// What the background says of a call.
#[derive(Debug, Default)]
pub struct Remarks {
    /// What speaks against it.
    pub filters: Vec<Filter>,
    /// INFO: key and value.
    pub info: Vec<(&'static str, String)>,
}

impl Background {
    /// Reads what the options name, for these regions.
    ///
    /// # Errors
    /// When the options contradict each other, or a file cannot be used.
    pub fn open(
        reference: &Reference,
        options: &CallOptions,
        regions: &[(ContigId, Span)],
    ) -> Result<Background> {
        check(options)?;
        let mut out = Background::default();
        if let Some(path) = &options.normals {
            out.normals = Some(Normals::read(path, reference)?);
            out.header.push_str(&file_line("normals", path)?);
        }
        if let Some(path) = &options.population {
            out.population = Some(Population::read(path, reference, regions)?);
            out.header.push_str(&file_line("population", path)?);
        }
        if let Some(share) = options.contamination {
            out.contamination = Some(share);
            let _ = writeln!(out.header, "##theralign_contamination={share}");
        }
        Ok(out)
    }

    /// Does what the user gave make this FILTER or INFO possible? Headers list no others.
    pub fn speaks_of(&self, id: &str) -> bool {
        match id {
            "normals" | "PON" => self.normals.is_some(),
            "POPAF" | "GERMQ" => self.population.is_some(),
            "contamination" | "CONTQ" => self.contamination.is_some(),
            _ => true,
        }
    }

    /// What the header says of a filter.
    pub fn described(&self, f: &Filter) -> &'static str {
        if *f == filter::GERMLINE && self.population.is_some() {
            return "The normal sample shows the allele, or does not exclude it; or fraction and frequency \
                among people make it likelier germline than somatic (GERMQ below 3)";
        }
        f.description
    }

    /// What to say of an allele of which a tumor's fragments look like this; `absence` are the log10 odds
    /// that the normal sample lacks it, and `asked` is whether it was asked for. Where no fragment shows it,
    /// nothing speaks against it.
    pub fn remarks(
        &self,
        v: &Variant,
        tumor: &Traits,
        absence: Option<f64>,
        asked: bool,
    ) -> Remarks {
        let mut out = Remarks::default();
        let count = Count {
            shown: tumor.across[1],
            of: tumor.across.iter().sum(),
        };
        let shown = tumor.support[1] > 0;
        if let Some(seen) = self.normals.as_ref().and_then(|normals| normals.of(v)) {
            out.info
                .push(("PON", format!("{}/{}", seen.seen, seen.normals)));
            if shown && seen.explains(count.shown, count.of) {
                out.filters.push(filter::NORMALS);
            }
        }
        let Some(population) = &self.population else {
            return out;
        };
        let frequency = population.frequency(v);
        let prior = Prior::of(v, asked);
        if let Some(f) = frequency {
            out.info.push(("POPAF", format!("{f}")));
        }
        if shown {
            let chance = inherited(frequency, count, absence, prior);
            out.weigh("GERMQ", chance, filter::GERMLINE);
        }
        if let (Some(f), Some(share), true) = (frequency, self.contamination, shown) {
            let chance = foreign(f, count, share, prior);
            out.weigh("CONTQ", chance, filter::CONTAMINATION);
        }
        out
    }
}

impl Remarks {
    /// Notes the phred of a chance, and the filter if it is above one half.
    fn weigh(&mut self, key: &'static str, chance: f64, filter: Filter) {
        let phred = (10.0 * chance.recip().log10()).min(MOST);
        self.info.push((key, format!("{phred:.1}")));
        if chance > 0.5 {
            self.filters.push(filter);
        }
    }
}

/// The highest quality that is written.
const MOST: f64 = 99.0;

/// Do the options go together?
fn check(options: &CallOptions) -> Result<()> {
    let given = [
        ("--normals", options.normals.is_some()),
        ("--population", options.population.is_some()),
        ("--contamination", options.contamination.is_some()),
    ];
    if options.mode == Mode::Germline
        && let Some((name, _)) = given.iter().find(|g| g.1)
    {
        return Err(Error::usage(
            format!("{name} is for --mode somatic"),
            "It filters what is inherited, which --mode germline looks for; leave it out.",
        ));
    }
    let Some(share) = options.contamination else {
        return Ok(());
    };
    if !(0.0..=0.5).contains(&share) {
        return Err(Error::usage(
            format!("--contamination {share} is no share from 0 to 0.5"),
            "Give the share that theralign qc tells, such as 0.02.",
        ));
    }
    if options.population.is_none() {
        return Err(Error::usage(
            "--contamination needs --population",
            "Foreign fragments show alleles that other people have: give their frequencies.",
        ));
    }
    Ok(())
}

fn file_line(key: &str, path: &Path) -> Result<String> {
    let mut line = String::new();
    let _ = writeln!(
        line,
        "##theralign_{key}={},sha256={}",
        path.display(),
        sha256_of(path)?
    );
    Ok(line)
}
