//! A sample's reads in a BAM: the file, opened, checked against the reference, and asked for places.

use super::mates;
use super::reads::{Load, ReadFilter, decode};
use crate::consensus;
use crate::domain::{ContigId, Span};
use crate::genome::Reference;
use crate::{Error, Result, error::thousands};
use noodles::bam::index::Index;
use noodles::core::{Position, Region};
use noodles::sam::header::record::value::map::program::tag::DESCRIPTION;
use noodles::sam::header::record::value::map::read_group::tag::SAMPLE;
use noodles::{bam, bgzf, sam};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fs::File;
use std::path::{Path, PathBuf};

/// One of the samples of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sample {
    /// SM of its read groups; the file's name if there are none.
    pub name: String,
    /// No read group says whose reads these are.
    pub unnamed: bool,
    /// The read groups that are its own, if there are other samples' as well.
    groups: Option<BTreeSet<Vec<u8>>>,
}

impl Sample {
    /// The only sample of a file, or the one of several that is wanted.
    ///
    /// # Errors
    /// Names the samples when there are several and none is wanted, and when the wanted one is not
    /// among them.
    fn choose(header: &sam::Header, path: &Path, wanted: Option<&str>) -> Result<Sample> {
        let mut samples: BTreeMap<String, BTreeSet<Vec<u8>>> = BTreeMap::new();
        for (id, group) in header.read_groups() {
            if let Some(name) = group.other_fields().get(&SAMPLE) {
                let groups = samples.entry(name.to_string()).or_default();
                groups.insert(id.to_vec());
            }
        }
        let names: Vec<&str> = samples.keys().map(String::as_str).collect();
        let all = names.join(", ");
        let wrong = |what: String, remedy: String| {
            Error::input(path.display().to_string(), "header", what, remedy)
        };
        let name = match (wanted, names.as_slice()) {
            (Some(wanted), names) if names.contains(&wanted) => wanted,
            (Some(wanted), []) => {
                let what = format!("no read group names a sample, but {wanted} is asked for");
                return Err(wrong(what, "Leave the sample's name out.".into()));
            }
            (Some(wanted), _) => {
                let what = format!("it has no sample {wanted}");
                return Err(wrong(what, format!("It has: {all}.")));
            }
            (None, [only]) => only,
            (None, []) => {
                let stem = path.file_stem().unwrap_or_default();
                return Ok(Sample {
                    name: stem.to_string_lossy().into_owned(),
                    unnamed: true,
                    groups: None,
                });
            }
            (None, several) => {
                let what = format!("it holds the reads of {} samples", several.len());
                let remedy = format!("Name one (--sample; --normal-sample for --normal): {all}.");
                return Err(wrong(what, remedy));
            }
        };
        // Reads without a group are not the chosen one's where there is a choice.
        let groups = (names.len() > 1).then(|| samples[name].clone());
        Ok(Sample {
            name: name.to_string(),
            unnamed: false,
            groups,
        })
    }

    /// Is it a read of this sample?
    ///
    /// # Errors
    /// When the record's tags are damaged.
    pub fn holds(&self, record: &bam::Record) -> std::io::Result<bool> {
        use sam::alignment::record::data::field::{Tag, Value};
        let Some(groups) = &self.groups else {
            return Ok(true);
        };
        Ok(match record.data().get(&Tag::READ_GROUP).transpose()? {
            Some(Value::String(id)) => groups.contains(&id.to_vec()),
            _ => false,
        })
    }
}

/// An opened, checked, indexed BAM.
pub struct Bam {
    path: PathBuf,
    header: sam::Header,
    index: Index,
    /// Whose reads are loaded.
    pub sample: Sample,
}

impl Bam {
    /// Opens a BAM and checks it against the reference; `sample` names one of several. An index is made in
    /// memory if the file has none.
    ///
    /// # Errors
    /// When the file is no BAM, is not sorted by coordinate, was aligned to another reference, lacks
    /// one of the contigs in `needed`, or holds several samples and none, or another, is named.
    pub fn open(
        path: &Path,
        reference: &Reference,
        needed: &[ContigId],
        sample: Option<&str>,
    ) -> Result<Bam> {
        let header = open_reader(path)?.read_header();
        let (header, sample) = checked_header(path, header, reference, needed, sample)?;
        let index = load_index(path)?;
        Ok(Bam {
            path: path.into(),
            header,
            index,
            sample,
        })
    }

    /// How the reads were made of the copies of molecules, if `theralign consensus` did; of several times
    /// the last.
    pub fn consensus(&self) -> Option<String> {
        let programs = self.header.programs();
        let made = programs.as_ref().iter().rev();
        let mut made = made.filter(|(id, _)| id.starts_with(consensus::PROGRAM.as_bytes()));
        let (_, program) = made.next()?;
        let described = program.other_fields().get(&DESCRIPTION);
        described.map(ToString::to_string)
    }

    /// Loads the reads that touch `span`.
    ///
    /// # Errors
    /// When the file is cut short or damaged there.
    pub fn load(
        &self,
        reference: &Reference,
        contig: ContigId,
        span: Span,
        filter: ReadFilter,
    ) -> Result<Load> {
        let name = &reference.contig(contig).name;
        let place = || {
            format!(
                "{name}:{}-{}",
                thousands(u64::from(span.start) + 1),
                thousands(u64::from(span.end))
            )
        };
        let damaged = |e: std::io::Error| {
            Error::input(
                self.path.display().to_string(),
                place(),
                e.to_string(),
                format!(
                    "The file may be cut short; try: samtools quickcheck {}.",
                    self.path.display()
                ),
            )
        };
        let mut reader = open_reader(&self.path)?;
        let position = |p: u32| Position::new(p as usize).expect("counted from 1");
        let region = Region::new(
            name.as_str(),
            position(span.start + 1)..=position(span.end.max(span.start + 1)),
        );
        let mut query = reader
            .query(&self.header, &self.index, &region)
            .map_err(damaged)?;
        let mut load = Load::default();
        let mut names: HashMap<u64, u32> = HashMap::new();
        let mut record = bam::Record::default();
        while query.read_record(&mut record).map_err(damaged)? != 0 {
            if !self.sample.holds(&record).map_err(damaged)? {
                continue;
            }
            let Some(mut read) = decode(&record, filter).map_err(damaged)? else {
                continue;
            };
            let name = record.name().map_or(&b"*"[..], |n| n.as_ref());
            let hash = xxhash_rust::xxh3::xxh3_64(name);
            read.fragment = *names.entry(hash).or_insert_with(|| {
                load.fragments.push(hash);
                load.fragments.len() as u32 - 1
            });
            load.reads.push(read);
        }
        mates::settle(&mut load.reads, load.fragments.len());
        Ok(load)
    }
}

/// The header of a BAM, checked against the reference, and its sample (see [`Sample::choose`]).
///
/// # Errors
/// When the file is no BAM, is cut short, is not sorted by coordinate, was aligned to another
/// reference, lacks one of the contigs in `needed`, or holds several samples and none, or another, is
/// named.
pub(crate) fn checked_header(
    path: &Path,
    header: std::io::Result<sam::Header>,
    reference: &Reference,
    needed: &[ContigId],
    wanted: Option<&str>,
) -> Result<(sam::Header, Sample)> {
    let file = path.display().to_string();
    let wrong = |what: String, remedy: &str| Error::input(file.clone(), "", what, remedy);
    let mut magic = [0; 4];
    let start = File::open(path).and_then(|mut f| std::io::Read::read_exact(&mut f, &mut magic));
    if start.is_ok() && magic == *b"CRAM" {
        return Err(wrong(
            "this is a CRAM file, which theralign does not read".into(),
            "Convert it: samtools view -b -T REFERENCE.fa -o OUT.bam IN.cram, then samtools index OUT.bam.",
        ));
    }
    let header = header.map_err(|e| {
        wrong(
            format!("this is no BAM file ({e})"),
            "Give a coordinate-sorted BAM file; this one may be cut short.",
        )
    })?;
    if !crate::format::bgzf::ends_whole(path).map_err(Error::io(path))? {
        return Err(wrong(
            "the file is cut short: its end mark is missing".into(),
            "Copy or make it again; samtools quickcheck tells whether it is whole.",
        ));
    }
    check_order(&header, &file)?;
    check_contigs(&header, &file, reference, needed)?;
    let sample = Sample::choose(&header, path, wanted)?;
    Ok((header, sample))
}

fn open_reader(path: &Path) -> Result<bam::io::Reader<bgzf::io::Reader<File>>> {
    File::open(path)
        .map(bam::io::Reader::new)
        .map_err(Error::io(path))
}

/// The index beside the file, or one made now.
fn load_index(path: &Path) -> Result<Index> {
    let beside = |suffix: &str| {
        let mut name = path.as_os_str().to_owned();
        name.push(suffix);
        PathBuf::from(name)
    };
    let broken = |file: &Path, e: std::io::Error| {
        let what = format!("this is no index of a BAM file ({e})");
        let remedy = "Remove it, or make it anew: samtools index.";
        Error::input(file.display().to_string(), "", what, remedy)
    };
    for bai in [beside(".bai"), path.with_extension("bai")] {
        if bai.exists() {
            let index = bam::bai::fs::read(&bai).map_err(|e| broken(&bai, e))?;
            return Ok(Index::Bai(index));
        }
    }
    let csi = beside(".csi");
    if csi.exists() {
        let index = noodles::csi::fs::read(&csi).map_err(|e| broken(&csi, e))?;
        return Ok(Index::Csi(index));
    }
    bam::fs::index(path).map_err(|e| {
        Error::input(
            path.display().to_string(),
            "",
            format!("the file has no index, and none can be made ({e})"),
            "If it is cut short, copy it again; if it is not sorted: samtools sort.",
        )
    })
}

fn check_order(header: &sam::Header, file: &str) -> Result<()> {
    use sam::header::record::value::map::header::{sort_order::COORDINATE, tag::SORT_ORDER};
    let order = header
        .header()
        .and_then(|h| h.other_fields().get(&SORT_ORDER))
        .map(ToString::to_string);
    if order.as_deref().map(str::as_bytes) == Some(COORDINATE) {
        return Ok(());
    }
    Err(Error::input(
        file,
        "",
        format!(
            "the reads are not sorted by coordinate (@HD SO: {})",
            order.as_deref().unwrap_or("missing")
        ),
        "Sort them: samtools sort.",
    ))
}

fn check_contigs(
    header: &sam::Header,
    file: &str,
    reference: &Reference,
    needed: &[ContigId],
) -> Result<()> {
    use sam::header::record::value::map::reference_sequence::tag::MD5_CHECKSUM;
    let other = |what: String| {
        Err(Error::input(
            file,
            "",
            format!("aligned to another reference: {what}"),
            "Use the index of the reference that the reads were aligned to, or align them anew.",
        ))
    };
    for (name, map) in header.reference_sequences() {
        let name = name.to_string();
        let Some(contig) = reference.contig_id(&name).map(|id| reference.contig(id)) else {
            continue;
        };
        let length = map.length().get() as u64;
        if length != u64::from(contig.length) {
            return other(format!(
                "contig {name} has {} bases in the file, {} in the index",
                thousands(length),
                thousands(u64::from(contig.length))
            ));
        }
        if let Some(md5) = map.other_fields().get(&MD5_CHECKSUM)
            && !md5.to_string().eq_ignore_ascii_case(&contig.md5)
        {
            return other(format!(
                "contig {name} has MD5 {md5} in the file, {} in the index",
                contig.md5
            ));
        }
    }
    for &id in needed {
        let name = &reference.contig(id).name;
        if !header.reference_sequences().contains_key(name.as_bytes()) {
            let other_name = name
                .strip_prefix("chr")
                .map_or_else(|| format!("chr{name}"), str::to_string);
            return other(
                if header
                    .reference_sequences()
                    .contains_key(other_name.as_bytes())
                {
                    format!("the file calls {other_name} what the index calls {name}")
                } else {
                    format!("the file has no contig {name}, which the panel names")
                },
            );
        }
    }
    Ok(())
}
