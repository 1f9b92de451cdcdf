//! Options that several subcommands share.

use crate::align::run::Summary;
use crate::annotate::hotspots::hotspots;
use crate::annotate::knowledge::{VERSION, date};
use crate::annotate::{GeneModel, Knowledge};
use crate::backend::Device;
use crate::call::Actionable;
use crate::error::thousands;
use crate::format::bed;
use crate::format::bgzf::DEFAULT_LEVEL;
use crate::format::fastq::Extras;
use crate::format::output::Output;
use crate::format::umi::Umi;
use crate::genome::Reference;
use crate::report::{KnowledgeOptions, panel::Panel};
use crate::sort::library::metrics_file;
use crate::sort::{self, Duplicates};
use crate::{Error, Result};
use std::path::{Path, PathBuf};

/// How many CPU threads to use.
#[derive(clap::Args, Debug, Clone)]
pub struct Threads {
    /// CPU threads [default: all cores]
    #[arg(short = 't', long, value_name = "N", global = false)]
    pub threads: Option<usize>,
}

impl Threads {
    /// The number asked for, or one per core; also sizes rayon's global pool, which the BGZF
    /// readers of noodles use too. Call once, first thing.
    pub fn apply(&self) -> Result<usize> {
        let n = match self.threads {
            Some(0) => return Err(Error::usage("--threads 0", "Give 1 or more.")),
            Some(n) => n,
            None => std::thread::available_parallelism().map_or(1, std::num::NonZero::get),
        };
        // Fails only if a pool exists already (several commands in one process): then that one stays.
        let _ = rayon::ThreadPoolBuilder::new()
            .num_threads(n)
            .build_global();
        Ok(n)
    }
}

/// Where the kernels run.
#[derive(clap::Args, Debug, Clone)]
pub struct DeviceChoice {
    /// auto (a real GPU with the CPU beside it, else the CPU), cpu, gpu, gpus, or part of an adapter's name or its PCI id, as `theralign devices` lists them; join several by +
    #[arg(long, default_value = "auto", value_name = "DEVICE")]
    pub device: String,
    /// Bind no more than so many bytes at once on a GPU, for tests
    #[arg(long, value_name = "BYTES", value_parser = parse_bytes, hide = true)]
    pub max_binding: Option<usize>,
}

impl DeviceChoice {
    /// Opens the device.
    pub fn open(&self) -> Result<Device> {
        Device::choose(&self.device, self.max_binding.map(|b| b as u64))
    }
}

/// Which knowledge a report uses beside what ships.
#[derive(clap::Args, Debug, Clone)]
pub struct KnowledgeChoice {
    /// Statements of your own, as `theralign knowledge import` writes them; may be given several times
    #[arg(long = "knowledge", value_name = "FILE")]
    pub files: Vec<PathBuf>,
    /// Use only these statements, not the shipped ones
    #[arg(long = "knowledge-only", requires = "files")]
    pub only: bool,
    /// Warn of statements older than so many days
    #[arg(long = "knowledge-max-age", value_name = "DAYS", default_value_t = 365)]
    pub max_age: u32,
    /// The day on which they are so old, or `today` [default: the newest day that any of them names]
    #[arg(long = "knowledge-as-of", value_name = "YYYY-MM-DD")]
    pub as_of: Option<String>,
}

impl Default for KnowledgeChoice {
    fn default() -> Self {
        let usual = KnowledgeOptions::default();
        KnowledgeChoice {
            files: usual.files,
            only: usual.only,
            max_age: usual.max_age,
            as_of: usual.as_of,
        }
    }
}

impl KnowledgeChoice {
    /// As the report takes it. Only `today` asks the clock.
    pub fn options(&self) -> Result<KnowledgeOptions> {
        let as_of = match self.as_of.as_deref() {
            Some("today") => Some(date::today()),
            Some(day) if date::days(day).is_none() => {
                return Err(Error::usage(
                    format!("--knowledge-as-of {day} is no day"),
                    "Give it as 2026-01-31, or today.",
                ));
            }
            other => other.map(String::from),
        };
        Ok(KnowledgeOptions {
            files: self.files.clone(),
            only: self.only,
            max_age: self.max_age,
            as_of,
        })
    }
}

/// The alleles that the knowledge names in a panel, by the gene model at `genes`, for the caller to ask.
pub fn actionable(
    knowledge: &KnowledgeOptions,
    genes: &Path,
    panel: &Path,
    reference: &Reference,
) -> Result<Actionable> {
    let mut knowledge = Knowledge::with(&knowledge.files, knowledge.only)?;
    let regions = bed::read_panel(panel, |name| {
        let id = reference.contig_id(name)?;
        Some((id, reference.contig(id).length))
    })?;
    let panel = Panel::new(&bed::merged(&regions));
    let genes = GeneModel::read(genes, reference, &panel.0, &knowledge)?;
    knowledge.settle(&genes, reference);
    let files: Vec<String> = (knowledge.extras.iter())
        .map(|e| format!(",{}={}", e.name, e.sha256))
        .collect();
    Ok(Actionable {
        loci: hotspots(&knowledge, &genes, &panel.0),
        source: format!(
            "version={VERSION},sha256={}{},genes={}",
            knowledge.sha256,
            files.concat(),
            genes.sha256
        ),
    })
}

/// A number of bytes as people write it: `500M`, `4G`, `1048576`.
pub fn parse_bytes(text: &str) -> std::result::Result<usize, String> {
    let (number, unit) = match text.trim_end_matches(['b', 'B', 'i']) {
        t if t.ends_with(['k', 'K']) => (&t[..t.len() - 1], 1 << 10),
        t if t.ends_with(['m', 'M']) => (&t[..t.len() - 1], 1 << 20),
        t if t.ends_with(['g', 'G']) => (&t[..t.len() - 1], 1 << 30),
        t => (t, 1usize),
    };
    let n: usize = number
        .parse()
        .map_err(|_| "give a number of bytes, as 500M or 4G".to_string())?;
    n.checked_mul(unit)
        .ok_or_else(|| "more than this machine can count".to_string())
}

/// What is taken from the reads' records beside the reads.
#[derive(clap::Args, Debug, Clone)]
pub struct Carried {
    /// Where each template's UMI stands; it becomes RX, and templates with different ones are no duplicates
    #[arg(long, value_enum, value_name = "WHERE")]
    pub umi: Option<Umi>,
    /// FASTQ comments are fields of SAM, as RX:Z:ACGT, with tabs between them: give them to the records
    #[arg(short = 'C', long)]
    pub comments: bool,
}

impl Carried {
    /// As readers take it.
    pub fn extras(&self) -> Extras {
        Extras {
            umi: self.umi,
            comments: self.comments,
        }
    }
}

/// Whether to say where the time went.
#[derive(clap::Args, Debug, Clone)]
pub struct Timing {
    /// Say how long each stage of aligning took, and how many reads took which path; as JSON into a file if one is given
    #[arg(long, value_name = "FILE.json", num_args = 0..=1, require_equals = true)]
    pub timings: Option<Option<PathBuf>>,
}

impl Timing {
    /// Says it, if it was asked for.
    pub fn tell(&self, summary: &Summary, threads: usize) -> Result<()> {
        match &self.timings {
            None => Ok(()),
            Some(file) => {
                eprint!("{}", summary.timings.table(summary.wall, threads));
                file.as_deref().map_or(Ok(()), |file| {
                    let json = summary.timings.json(summary.wall, threads);
                    let text = serde_json::to_string_pretty(&json).expect("plain data");
                    Output::write(file, (text + "\n").as_bytes())
                })
            }
        }
    }
}

/// What is left out of the files that are written.
#[derive(clap::Args, Debug, Clone, Default)]
pub struct Redact {
    /// Leave out folders of files, and of read groups centre, date, platform unit and description
    #[arg(long)]
    pub redact: bool,
}

impl Redact {
    /// The command line, for headers and reports.
    pub fn command(&self) -> String {
        let all: Vec<String> = std::env::args()
            .map(|a| if self.redact { without_folders(&a) } else { a })
            .collect();
        all.join(" ")
    }

    /// A file, as files that are written name it.
    pub fn file(&self, path: &Path) -> String {
        let text = path.display().to_string();
        if self.redact {
            without_folders(&text)
        } else {
            text
        }
    }
}

/// An argument without the folders of the file that it names: `--panel=a/b.bed` becomes `--panel=b.bed`.
fn without_folders(argument: &str) -> String {
    let (option, value) = match argument.split_once('=') {
        Some((option, value)) if option.starts_with('-') => (format!("{option}="), value),
        _ => (String::new(), argument),
    };
    let value = value.trim_end_matches(['/', '\\']);
    let name = value.rsplit(['/', '\\']).next().unwrap_or(value);
    format!("{option}{name}")
}

/// How alignments are sorted.
#[derive(clap::Args, Debug, Clone)]
pub struct Sorting {
    /// Memory for sorting, about; the rest goes to temporary files
    #[arg(long, default_value = "2G", value_parser = parse_bytes, value_name = "BYTES")]
    pub memory: usize,
    /// Folder for temporary files [default: the output's]
    #[arg(long, value_name = "DIR")]
    pub temporary: Option<PathBuf>,
    /// What happens to duplicates
    #[arg(long, value_enum, default_value = "mark")]
    pub duplicates: Duplicates,
    /// Duplicates on one tile no further apart than this, in the coordinates of Illumina's read names, are optical:
    /// 100 for random flow cells, 2500 for patterned ones; 0 looks for none
    #[arg(long, default_value_t = 100, value_name = "N")]
    pub optical_distance: u32,
    /// Write the figures of duplicates, library by library, as Picard does
    #[arg(long, value_name = "FILE")]
    pub duplicate_metrics: Option<PathBuf>,
    /// Compression level of the BAM, 0 to 12: 1 is for speed, 2 takes twice its time for 7 % less
    #[arg(long, default_value_t = DEFAULT_LEVEL, value_parser = clap::value_parser!(u8).range(0..=12), value_name = "N")]
    pub level: u8,
}

impl Sorting {
    /// Says what duplicates there are, and writes them where it was asked for.
    pub fn tell(&self, summary: &Summary) -> Result<()> {
        let libraries = summary.sorted.as_ref().map_or(&[][..], |s| &s.libraries);
        for c in libraries {
            eprintln!(
                "{}: {:.2} % duplicates: {} of {} pairs ({} optical), {} of {} single reads",
                c.library,
                100.0 * c.share(),
                thousands(c.duplicate_pairs),
                thousands(c.pairs),
                thousands(c.optical_pairs),
                thousands(c.duplicate_single_reads),
                thousands(c.single_reads),
            );
        }
        if let Some(file) = &self.duplicate_metrics {
            let command = std::env::args().collect::<Vec<_>>().join(" ");
            let text = metrics_file(libraries, &command.replace(char::is_control, " "));
            Output::write(file, text.as_bytes())?;
        }
        Ok(())
    }

    /// As the sorter takes them.
    pub fn options(&self) -> sort::Options {
        sort::Options {
            memory: self.memory,
            temporary: self.temporary.clone(),
            duplicates: self.duplicates,
            optical_distance: self.optical_distance,
            level: self.level,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{parse_bytes, without_folders};

    #[test]
    fn folders_are_left_out() {
        for (given, kept) in [
            ("/home/jane.doe/x.bam", "x.bam"),
            ("--panel=/a/b.bed", "--panel=b.bed"),
            ("out/", "out"),
            ("--threads", "--threads"),
            ("EGFR", "EGFR"),
        ] {
            assert_eq!(without_folders(given), kept);
        }
    }

    #[test]
    fn bytes_are_read_with_their_unit() {
        assert_eq!(parse_bytes("1048576"), Ok(1 << 20));
        assert_eq!(parse_bytes("500M"), Ok(500 << 20));
        assert_eq!(parse_bytes("4GiB"), Ok(4 << 30));
        assert!(parse_bytes("many").is_err() && parse_bytes("99999999999G").is_err());
    }
}
