//! Copies of a molecule, told by their UMIs, to one read pair of it.
//!
//! The story: templates of a sorted file are grouped by their ends and let go group by group
//! ([`templates`]); a group's templates are split into molecules by UMI ([`molecules`], [`umi`]); the copies
//! of each read are laid over each other ([`side`]) and each base is settled ([`model`]); the result is
//! written as a pair of records ([`record`]), which the sorter puts in place.

pub mod metrics;
pub mod model;
mod molecules;
mod record;
mod side;
mod templates;
mod umi;

use crate::flow;
use crate::format::output::Output;
use crate::format::{bam, bgzf};
use crate::sort::{self, Duplicates, Sorter};
use crate::{Error, Result};
use metrics::Tally;
use model::{Model, Rates};
pub use side::LeastCopies;
use side::{Caller, Copied};
use std::fmt::Write as _;
use std::io::Write;
use std::path::PathBuf;
use templates::{Group, Templates};

/// Which copies are of one molecule.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Grouping {
    /// Both strands where the UMI has a part for each read, else one.
    Auto,
    /// Both strands; a UMI that does not tell them is an error.
    Duplex,
    /// One strand: copies whose mate 1 lies at the same end.
    Simplex,
}

/// What to read, how to settle it, and where to write.
#[derive(Clone, Debug)]
pub struct Options {
    /// BAM sorted by coordinate, with RX or MI tags.
    pub input: PathBuf,
    /// The BAM to write.
    pub output: PathBuf,
    /// Which copies are of one molecule.
    pub grouping: Grouping,
    /// Substitutions by which a UMI may differ from the one it is an error of.
    pub max_edits: u32,
    /// Copies that a consensus needs.
    pub least: LeastCopies,
    /// Rates of error.
    pub rates: Rates,
    /// Write reads without alignments, mates together.
    pub unaligned: bool,
    /// Write depth and errors of each base.
    pub per_base: bool,
    /// Worker threads.
    pub threads: usize,
    /// Bytes of consensus records to hold in memory while sorting, about.
    pub memory: usize,
    /// Where to put what memory does not hold; if not given, the output's folder.
    pub temporary: Option<PathBuf>,
    /// Level of compression, 0 to 12.
    pub level: u8,
    /// The command line, for the header.
    pub command: String,
}

impl Options {
    /// With the usual values: both strands where they can be told, one UMI error, one copy, fgbio's rates.
    pub fn new(input: PathBuf, output: PathBuf) -> Options {
        Options {
            input,
            output,
            grouping: Grouping::Auto,
            max_edits: 1,
            least: LeastCopies {
                all: 1,
                more: 1,
                fewer: 0,
            },
            rates: Rates::default(),
            unaligned: false,
            per_base: true,
            threads: 1,
            memory: 1 << 30,
            temporary: None,
            level: bgzf::DEFAULT_LEVEL,
            command: "theralign consensus".into(),
        }
    }

    /// What decides over the molecules and their bases, as headers name it: `grouping=auto;max_edits=1;…`.
    pub fn described(&self) -> String {
        let grouping = match self.grouping {
            Grouping::Auto => "auto",
            Grouping::Duplex => "duplex",
            Grouping::Simplex => "simplex",
        };
        let LeastCopies { all, more, fewer } = self.least;
        let Rates {
            pre_umi,
            post_umi,
            min_base_quality,
            quality_shift,
            max_base_quality,
        } = self.rates;
        format!(
            "grouping={grouping};max_edits={};min_reads={all},{more},{fewer};\
             min_base_quality={min_base_quality};error_rate_pre={pre_umi};error_rate_post={post_umi};\
             quality_shift={quality_shift};max_base_quality={max_base_quality}",
            self.max_edits
        )
    }
}

/// ID of the program in the header of what [`run`] writes; numbers follow where it is taken. Its DS is
/// what [`Options::described`] says.
pub const PROGRAM: &str = "theralign-consensus";

/// Templates in a batch; no result depends on it.
const BATCH: usize = 2048;

/// Where records go.
enum Sink {
    Sorted(Box<Sorter>),
    Unaligned(bgzf::Writer<Output>),
}

/// Makes a consensus of each molecule of a file. The output is sorted and indexed, or unaligned.
///
/// # Errors
/// For broken or unsorted input, missing mates, a file without UMIs, and outputs that cannot be written;
/// then the output does not get its name.
pub fn run(options: &Options) -> Result<Tally> {
    let mut templates = Templates::open(options)?;
    let text = header(templates.reader().text(), options);
    let contigs = templates.reader().contigs().to_vec();
    let mut sink = open_sink(options, &text)?;
    let model = Model::new(options.rates);
    let mut tally = Tally::default();
    flow::run(
        options.threads,
        || templates.next_batch(BATCH),
        || Caller::new(&model, options.least),
        |caller, groups: Vec<Group>| Ok(settle(&groups, caller, options)),
        |(bytes, settled)| {
            tally.merge(&settled);
            match &mut sink {
                Sink::Sorted(sorter) => sorter.push(&bytes),
                Sink::Unaligned(out) => out.write_all(&bytes).map_err(Error::io(&options.output)),
            }
        },
    )?;
    tally.merge(&templates.tally);
    match sink {
        Sink::Sorted(sorter) => {
            sorter.finish(&text, &contigs)?;
        }
        Sink::Unaligned(out) => {
            let whole = out.finish().map_err(Error::io(&options.output))?;
            whole.inner.finish()?;
        }
    }
    Ok(tally)
}

/// The records of all molecules of these groups, and what was met.
fn settle(groups: &[Group], caller: &mut Caller, options: &Options) -> (Vec<u8>, Tally) {
    let style = record::Style {
        unaligned: options.unaligned,
        per_base: options.per_base,
    };
    let mut bytes = Vec::new();
    let mut tally = Tally::default();
    let mut copies = Vec::new();
    for group in groups {
        let span = group.low.span(group.high);
        for molecule in molecules::split(group, options.max_edits) {
            tally.add_family(molecule.strands());
            let mut sides = Vec::with_capacity(2);
            for high in [false, true]
                .into_iter()
                .take(1 + usize::from(group.paired))
            {
                copies.clear();
                copies.extend(molecule.templates.iter().map(|t| Copied {
                    record: if high { t.high() } else { t.low() },
                    strand: usize::from(t.flipped),
                }));
                sides.extend(caller.call(&copies, span, molecule.is_stranded()));
            }
            if sides.len() < 1 + usize::from(group.paired) {
                tally.too_few += 1;
                continue;
            }
            tally.molecules += 1;
            tally.duplex += u64::from(molecule.is_stranded() && !molecule.strands().contains(&0));
            for side in &sides {
                tally.other_gaps += side.left_out;
                tally.bases += side.calls.len() as u64;
                tally.unknown_bases += record::unknown(side);
            }
            record::write(&molecule, &sides, style, &mut bytes);
        }
    }
    (bytes, tally)
}

fn open_sink(options: &Options, text: &str) -> Result<Sink> {
    if options.unaligned {
        let output = Output::create(&options.output)?;
        let mut out = bgzf::Writer::new(output, options.level);
        let header = bam::header(text, &[]);
        out.write_all(&header).map_err(Error::io(&options.output))?;
        return Ok(Sink::Unaligned(out));
    }
    let sorting = sort::Options {
        memory: options.memory,
        temporary: options.temporary.clone(),
        duplicates: Duplicates::Off,
        optical_distance: 0,
        level: options.level,
    };
    Sorter::new(&options.output, &sorting, &[]).map(|s| Sink::Sorted(Box::new(s)))
}

/// The input's header with its new order, and with this program behind those that came before.
fn header(input: &str, options: &Options) -> String {
    let mut out = String::from(if options.unaligned {
        "@HD\tVN:1.6\tSO:unsorted\tGO:query\n"
    } else {
        "@HD\tVN:1.6\tSO:coordinate\n"
    });
    let field = |line: &str, name: &str| -> Option<String> {
        let found = line.split('\t').find_map(|f| f.strip_prefix(name));
        found.map(ToString::to_string)
    };
    let mut programs: Vec<String> = Vec::new();
    for line in input.lines().filter(|l| !l.starts_with("@HD")) {
        if options.unaligned && line.starts_with("@SQ") {
            continue;
        }
        if line.starts_with("@PG") {
            programs.extend(field(line, "ID:"));
        }
        out.push_str(line);
        out.push('\n');
    }
    let taken = |id: &String| programs.contains(id);
    let mut id = PROGRAM.to_string();
    let mut n = 1;
    while taken(&id) {
        n += 1;
        id = format!("{PROGRAM}.{n}");
    }
    let before = programs
        .last()
        .map_or(String::new(), |p| format!("\tPP:{p}"));
    let version = env!("CARGO_PKG_VERSION");
    let command = options.command.replace(char::is_control, " ");
    let _ = writeln!(
        out,
        "@PG\tID:{id}\tPN:theralign\tVN:{version}{before}\tDS:{}\tCL:{command}",
        options.described()
    );
    out
}

#[cfg(test)]
mod tests;
