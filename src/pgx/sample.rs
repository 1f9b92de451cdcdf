//! Reads what one sample of a VCF has at the loci: at their coordinates on a build, which header or records
//! tell, or where they were found on the VCF's own reference.

use super::build::{Build, chromosome};
use super::diplotype::{Genotype, Seen};
use super::gene::{Gene, Locus};
use super::place::{self, Places, Site};
use super::spell::{Effect, Local};
use crate::call::ploidy::Sex;
use crate::format::input;
use crate::format::vcf_reader::choose_sample;
use crate::{Error, Result, error::thousands};
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::io::BufRead;
use std::path::Path;

/// Genotypes of lower quality are not believed, where nothing else is asked.
pub const LEAST_QUALITY: u32 = 20;

/// Genotypes of fewer fragments are not believed, where nothing else is asked.
pub const LEAST_DEPTH: u32 = 10;

/// How a VCF is read.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// Sample of the VCF; `None` if it has only one.
    pub sample: Option<String>,
    /// Its build; `None`: as the file says or shows.
    pub build: Option<Build>,
    /// Where the loci stand on the reference of the VCF, which may have other bases there than the builds.
    pub places: Option<Places>,
    /// The person's sex, which says how many copies of X there are.
    pub sex: Option<Sex>,
    /// Genotypes of lower quality (GQ) do not count.
    pub min_quality: u32,
    /// Genotypes of fewer fragments (DP) do not count.
    pub min_depth: u32,
}

/// What a sample has.
#[derive(Clone, Debug)]
pub struct Sample {
    /// Its name.
    pub name: String,
    /// The build that its VCF is of; `None`: neither of the two, but a reference on which the loci were found.
    pub build: Option<Build>,
    /// For each gene, what it has at each of its loci.
    pub seen: BTreeMap<String, Vec<Seen>>,
}

impl Sample {
    /// The build in words.
    pub fn build_name(&self) -> &'static str {
        self.build.map_or("the index's own", Build::name)
    }
}

/// Which coordinates a VCF has.
#[derive(Clone, Copy)]
enum Coordinates<'a> {
    Build(Build),
    Found(&'a Places),
}

/// A record that may say something about a locus.
#[derive(Clone, Debug)]
struct Record {
    position: u32,
    end: u32,
    id: String,
    reference: String,
    alternates: Vec<String>,
    filter: String,
    /// Allele of each copy; `None` for `.`.
    copies: Vec<Option<usize>>,
    phased: bool,
    phase_set: Option<u32>,
    depth: Option<u32>,
    quality: Option<u32>,
}

/// Reads a sample.
///
/// # Errors
/// Names file and line: no VCF, several samples and none named, a malformed record, somatic calls, a
/// part of a run, a build that neither header nor records tell.
pub fn read(path: &Path, genes: &BTreeMap<String, Gene>, options: &Options) -> Result<Sample> {
    let file = input::display_name(path);
    let mut reader = input::open(path)?;
    let mut header = Header::default();
    let mut records: BTreeMap<&'static str, Vec<Record>> = BTreeMap::new();
    let near = Neighbourhood::of(genes, options.places.as_ref());
    let mut column = None;
    let mut text = String::new();
    let mut number = 0u64;
    loop {
        text.clear();
        number += 1;
        let place = || format!("line {}", thousands(number));
        let read = reader.read_line(&mut text).map_err(|e| {
            let remedy = format!("The file may be cut short; try: gzip -t {file}.");
            Error::input(file.clone(), place(), e.to_string(), remedy)
        })?;
        if read == 0 {
            break;
        }
        let line = text.trim_end_matches(['\n', '\r']);
        if number == 1 && !line.starts_with("##fileformat=VCF") {
            let remedy = "Give a VCF with genotypes.";
            return Err(Error::input(file, place(), "not a VCF file", remedy));
        }
        if line.starts_with("##") || line.is_empty() {
            header.line(line, &file)?;
        } else if line.starts_with("#CHROM") {
            let mut names: Vec<String> = line.split('\t').skip(9).map(String::from).collect();
            let i = choose_sample(&file, &names, options.sample.as_deref())?;
            header.sample = names.swap_remove(i);
            column = Some(9 + i);
        } else {
            let column = column.ok_or_else(|| {
                let what = "a record before the #CHROM line";
                Error::input(file.clone(), place(), what, "Give a whole VCF file.")
            })?;
            let record = record(line, column, &near).map_err(|what| {
                let remedy = "Give a VCF as callers write it.";
                Error::input(file.clone(), place(), what, remedy)
            })?;
            if let Some((chromosome, record)) = record {
                records.entry(chromosome).or_default().push(record);
            }
        }
    }
    if column.is_none() {
        let remedy = "The file may be cut short; make it anew.";
        return Err(Error::input(file, "", "no #CHROM line", remedy));
    }
    let coordinates = match &options.places {
        None => {
            let build = told_build(&file, &header, &records, genes, options.build)?;
            Coordinates::Build(build)
        }
        Some(places) => {
            header.fits(&places.lengths, &file)?;
            Coordinates::Found(places)
        }
    };
    let none = Vec::new();
    let of_gene = |gene: &Gene| {
        let at = |locus: &Locus| {
            let records = records.get(locus.chromosome.as_str()).unwrap_or(&none);
            let seen = look(locus, coordinates, records, options)?;
            as_many_copies(seen, gene, options.sex)
        };
        gene.loci.iter().map(at).collect()
    };
    let seen = genes.iter().map(|(n, g)| (n.clone(), of_gene(g))).collect();
    Ok(Sample {
        name: header.sample,
        build: match coordinates {
            Coordinates::Build(build) => Some(build),
            Coordinates::Found(places) => places.build,
        },
        seen,
    })
}

#[derive(Default)]
struct Header {
    sample: String,
    builds: Vec<Build>,
    lengths: Vec<(String, u32)>,
}

impl Header {
    fn line(&mut self, line: &str, file: &str) -> Result<()> {
        let wrong = |what: String, remedy: &str| Err(Error::input(file, "header", what, remedy));
        if let Some(shard) = line.strip_prefix("##theralign_shard=") {
            let what = format!("this is shard {shard} of a run, and speaks of a part of it only");
            return wrong(what, "Put all shards together: theralign merge.");
        }
        if line == "##theralign_mode=somatic" {
            let what = "these are somatic calls: fractions, not a person's genotypes".into();
            return wrong(what, "Call genotypes: theralign call --mode germline.");
        }
        let told = if let Some(contig) = line.strip_prefix("##contig=<") {
            let get = |key: &str| {
                let fields = contig.trim_end_matches('>').split(',');
                fields
                    .filter_map(|f| f.split_once('='))
                    .find(|f| f.0 == key)
            };
            let length: Option<u32> = get("length").and_then(|l| l.1.parse().ok());
            let named = get("ID").zip(length);
            self.lengths.extend(named.map(|(id, l)| (id.1.into(), l)));
            let by_length = get("ID").and_then(|id| Build::by_length(id.1, length?));
            by_length.or_else(|| Build::by_words(get("assembly")?.1))
        } else {
            line.strip_prefix("##reference=").and_then(Build::by_words)
        };
        self.builds.extend(told);
        Ok(())
    }

    /// Refuses a VCF of another genome than these contigs'.
    fn fits(&self, contigs: &BTreeMap<String, u32>, file: &str) -> Result<()> {
        let differs = |(name, length): &&(String, u32)| contigs.get(name) != Some(length);
        match self.lengths.iter().find(differs) {
            None => Ok(()),
            Some((name, length)) => Err(Error::input(
                file,
                "header",
                format!("contig {name} of {length} bases is not the index's"),
                "Give the index that the calls were made with, or none.",
            )),
        }
    }
}

/// Places near loci, in any build: records elsewhere are not kept.
struct Neighbourhood(BTreeMap<&'static str, Vec<u32>>);

impl Neighbourhood {
    /// How far in front of a locus a record about it may begin, blocks of reference aside.
    const REACH: u32 = 100;

    fn of(genes: &BTreeMap<String, Gene>, found: Option<&Places>) -> Neighbourhood {
        let mut places: BTreeMap<&'static str, Vec<u32>> = BTreeMap::new();
        for locus in genes.values().flat_map(|g| &g.loci) {
            let at = chromosome(&locus.chromosome).expect("a chromosome with pharmacogenes");
            let here = places.entry(at).or_default();
            here.extend([Some(locus.grch38), locus.grch37].into_iter().flatten());
            if let Some(Site::At { span, .. }) = found.and_then(|places| places.of(locus)) {
                here.push(span.start + 1);
            }
        }
        for here in places.values_mut() {
            here.sort_unstable();
        }
        Neighbourhood(places)
    }

    fn holds(&self, chromosome: &str, start: u32, end: u32) -> bool {
        let Some(places) = self.0.get(chromosome) else {
            return false;
        };
        let from = start.saturating_sub(Self::REACH);
        let i = places.partition_point(|&p| p < from);
        places.get(i).is_some_and(|&p| p < end + Self::REACH)
    }
}

fn record(
    line: &str,
    column: usize,
    near: &Neighbourhood,
) -> Result<Option<(&'static str, Record)>, String> {
    let f: Vec<&str> = line.split('\t').collect();
    if f.len() <= column {
        return Err(format!(
            "{} columns, but the sample is in column {}",
            f.len(),
            column + 1
        ));
    }
    let Some(chromosome) = chromosome(f[0]) else {
        return Ok(None);
    };
    let position = f[1].parse::<u32>().ok().filter(|&p| p > 0);
    let position = position.ok_or_else(|| format!("POS is {}", f[1]))?;
    let end = f[7]
        .split(';')
        .find_map(|i| i.strip_prefix("END="))
        .map_or(Ok(position + f[3].len() as u32), |e| {
            let last = e.parse::<u32>().ok().filter(|&e| e >= position);
            last.map(|e| e + 1).ok_or_else(|| format!("END is {e}"))
        })?;
    if !near.holds(chromosome, position, end) {
        return Ok(None);
    }
    let keys = f.get(8).copied().unwrap_or_default().split(':');
    let values = f[column].split(':');
    let fields: BTreeMap<&str, &str> = keys.zip(values).collect();
    let number = |key: &str| fields.get(key).and_then(|v| v.parse::<u32>().ok());
    let genotype = fields.get("GT").copied().unwrap_or(".");
    let alternates: Vec<String> = match f[4] {
        "." => Vec::new(),
        list => list.split(',').map(str::to_ascii_uppercase).collect(),
    };
    let copy = |text: &str| match text {
        "." => Ok(None),
        digits => match digits.parse() {
            Ok(allele) if allele <= alternates.len() => Ok(Some(allele)),
            _ => Err(format!("GT is {genotype}, with {} ALT", alternates.len())),
        },
    };
    let copies: Result<Vec<Option<usize>>, String> = genotype.split(['/', '|']).map(copy).collect();
    Ok(Some((
        chromosome,
        Record {
            position,
            end,
            id: f[2].into(),
            reference: f[3].to_ascii_uppercase(),
            copies: copies?,
            alternates,
            filter: f[6].into(),
            phased: genotype.contains('|'),
            phase_set: number("PS"),
            depth: number("MIN_DP").or_else(|| number("DP")),
            quality: number("GQ"),
        },
    )))
}

/// The build: as asked for, as the header says, or the one whose places and bases the records have.
fn told_build(
    file: &str,
    header: &Header,
    records: &BTreeMap<&'static str, Vec<Record>>,
    genes: &BTreeMap<String, Gene>,
    asked: Option<Build>,
) -> Result<Build> {
    let mut told = header.builds.clone();
    told.sort_unstable();
    told.dedup();
    let wrong = |what: &str, remedy: &str| Err(Error::input(file, "header", what, remedy));
    match (&told[..], asked) {
        ([_, _, ..], None) => {
            return wrong(
                "its contigs are of GRCh37 and of GRCh38",
                "Say which one its positions are of with --build.",
            );
        }
        (&[only], Some(asked)) if asked != only => {
            let what = format!("it is of {}, not of {}", only.name(), asked.name());
            return wrong(&what, "Leave --build out, or give another VCF.");
        }
        (_, Some(asked)) => return Ok(asked),
        (&[only], None) => return Ok(only),
        ([], None) => {}
    }
    let matches = |build: Build| {
        let at = |locus: &&Locus| {
            let Some(local) = local(locus, build) else {
                return false;
            };
            let here = records.get(locus.chromosome.as_str());
            here.into_iter().flatten().any(|r| {
                let same_id = r.id == "." || locus.id.starts_with("chr") || r.id == locus.id;
                r.position == local.start && r.reference == local.bases && same_id
            })
        };
        genes.values().flat_map(|g| &g.loci).filter(at).count()
    };
    let (b37, b38) = (matches(Build::Grch37), matches(Build::Grch38));
    match b37.cmp(&b38) {
        std::cmp::Ordering::Less => Ok(Build::Grch38),
        std::cmp::Ordering::Greater => Ok(Build::Grch37),
        std::cmp::Ordering::Equal => Err(Error::input(
            file,
            "",
            "neither its header nor its records tell whether it is of GRCh37 or GRCh38",
            "Say so with --build; a VCF of neither has no place here.",
        )),
    }
}

fn local(locus: &Locus, build: Build) -> Option<Local<'_>> {
    let (start, bases) = match build {
        Build::Grch37 => (locus.grch37?, &locus.reference37),
        Build::Grch38 => (locus.grch38, &locus.reference),
    };
    Some(Local {
        locus,
        start,
        bases,
    })
}

/// What the records say about a locus, as the tables spell it.
fn look(locus: &Locus, on: Coordinates, records: &[Record], options: &Options) -> Seen {
    let (locus, start, bases, reverse) = match on {
        Coordinates::Build(build) => {
            let local = local(locus, build).ok_or("its place on this build is not known")?;
            (Cow::Borrowed(locus), local.start, local.bases, false)
        }
        Coordinates::Found(places) => match places.of(locus) {
            None => return Err("its surroundings are not on this reference".into()),
            Some(Site::Ambiguous) => {
                return Err("its surroundings are found more than once".into());
            }
            Some(Site::At {
                span,
                present,
                reverse,
                ..
            }) => {
                let turned = reverse.then(|| place::reversed(locus));
                let locus = turned.map_or(Cow::Borrowed(locus), Cow::Owned);
                (locus, span.start + 1, present.as_str(), *reverse)
            }
        },
    };
    let local = Local {
        locus: &locus,
        start,
        bases: &place::spelled(bases, reverse),
    };
    let mut seen = look_at(&local, records, options)?;
    for allele in &mut seen.alleles {
        *allele = place::spelled(allele, reverse);
    }
    Ok(seen)
}

/// What the records say about a locus, as their own reference spells it.
fn look_at(local: &Local, records: &[Record], options: &Options) -> Seen {
    let reach = local.reach();
    let mut reference: Vec<&Record> = Vec::new();
    let mut found: Vec<(&Record, Genotype)> = Vec::new();
    let mut trouble = None;
    let own = |r: &Record| r.position == local.start && r.reference == local.bases;
    let exact = records.iter().any(own);
    for r in records {
        if r.position >= local.end() + reach || r.end + reach <= local.start {
            continue;
        }
        // A neighbour within the span says nothing new, unless an allele was called there.
        let silent = !r.copies.iter().flatten().any(|&allele| allele > 0);
        if exact && silent && !own(r) {
            continue;
        }
        let over = r.position < local.end() && r.end > local.start;
        match genotype(local, r) {
            Ok(Some(g)) => {
                let unchanged = g.alleles.iter().all(|a| a == local.bases);
                // An allele of a neighbour, whose record begins or ends here.
                if unchanged && exact && !own(r) {
                    continue;
                }
                let told = if unchanged {
                    over.then(|| reference.push(r))
                } else {
                    found.push((r, g));
                    Some(())
                };
                // What fails a filter, or is not sure, makes the place unknown, not reference.
                if told.is_some() {
                    trouble = trouble.or_else(|| doubt(r, options));
                }
            }
            Ok(None) => {}
            Err(reason) => trouble = trouble.or(Some(reason)),
        }
    }
    if let Some(reason) = trouble {
        return Err(reason);
    }
    match &found[..] {
        [] => of_reference(local, &reference),
        [(_, only)] => Ok(only.clone()),
        several => together(local, several),
    }
}

/// A locus over which nothing but the reference was seen; records or blocks must cover all of it.
fn of_reference(local: &Local, records: &[&Record]) -> Seen {
    let mut covered = local.start;
    let mut sorted = records.to_vec();
    sorted.sort_by_key(|r| r.position);
    for r in &sorted {
        if r.position <= covered {
            covered = covered.max(r.end);
        }
    }
    let first = sorted.first().ok_or("the VCF has no record there")?;
    if covered < local.end() {
        return Err("the VCF's records cover a part of it only".into());
    }
    Ok(Genotype {
        alleles: vec![local.bases.into(); first.copies.len()],
        phase: None,
        depth: sorted.iter().filter_map(|r| r.depth).min(),
        quality: sorted.iter().filter_map(|r| r.quality).min(),
    })
}

/// Several records with other alleles at one locus, as from a VCF with one ALT a line.
fn together(local: &Local, found: &[(&Record, Genotype)]) -> Seen {
    let others: Vec<String> = found
        .iter()
        .flat_map(|(_, g)| &g.alleles)
        .filter(|a| *a != local.bases)
        .cloned()
        .collect();
    let (_, first) = &found[0];
    let copies = first.alleles.len();
    let full = found
        .iter()
        .find(|(_, g)| !g.alleles.contains(&local.bases.to_string()));
    if let Some((_, g)) = full
        && others.iter().all(|o| g.alleles.contains(o))
    {
        return Ok(g.clone());
    }
    if others.len() > copies {
        return Err("its records contradict each other".into());
    }
    let mut alleles = others;
    while alleles.len() < copies {
        alleles.insert(0, local.bases.into());
    }
    Ok(Genotype {
        alleles,
        phase: None,
        ..first.clone()
    })
}

/// What a record says about a locus; `None` if nothing.
fn genotype(local: &Local, r: &Record) -> Result<Option<Genotype>, String> {
    let over = r.position < local.end() && r.end > local.start;
    let symbolic = |a: &str| a.starts_with('<') || a == "*" || a.contains(['[', ']']);
    let mut alleles = Vec::new();
    let mut told = over;
    for copy in &r.copies {
        let effect = match copy {
            None if over && r.copies.iter().all(Option::is_none) => {
                return Err("no genotype was called".into());
            }
            None if over => return Err("one of its alleles was not called".into()),
            None | Some(0) => Effect::Elsewhere,
            Some(i) => {
                let alternate = &r.alternates[i - 1];
                if symbolic(alternate) {
                    if over {
                        return Err(format!("{alternate} was called there"));
                    }
                    Effect::Elsewhere
                } else {
                    local.effect(r.position, &r.reference, alternate)
                }
            }
        };
        alleles.push(match effect {
            Effect::Bases(bases) => {
                told = true;
                bases
            }
            Effect::Elsewhere => local.bases.to_string(),
            Effect::Covered => return Err("another variant covers it".into()),
        });
    }
    if !told {
        return Ok(None);
    }
    if alleles.len() > 2 {
        return Err(format!("the genotype has {} copies", alleles.len()));
    }
    // Of a block only the first base is given.
    let shift = r.position.abs_diff(local.start) as usize;
    let (ours, theirs) = if r.position <= local.start {
        (Some(local.bases), r.reference.get(shift..))
    } else {
        (local.bases.get(shift..), Some(r.reference.as_str()))
    };
    let agree = |(a, b): (&str, &str)| a.bytes().zip(b.bytes()).all(|(x, y)| x == y || y == b'N');
    if over && !ours.zip(theirs).is_none_or(agree) {
        return Err(format!(
            "REF is {} at {}, which does not fit the build's {}",
            r.reference, r.position, local.bases
        ));
    }
    let heterozygous = alleles.windows(2).any(|p| p[0] != p[1]);
    Ok(Some(Genotype {
        alleles,
        phase: (r.phased && heterozygous).then(|| r.phase_set.unwrap_or(0)),
        depth: r.depth,
        quality: r.quality,
    }))
}

/// Why a record's genotype does not count.
fn doubt(r: &Record, options: &Options) -> Option<String> {
    // Where the sample has the reference, a filter speaks against an allele that it lacks anyway.
    let variant = r.copies.iter().flatten().any(|&allele| allele > 0);
    if variant && !["PASS", ".", ""].contains(&r.filter.as_str()) {
        return Some(format!("its record was filtered ({})", r.filter));
    }
    match (r.depth, r.quality) {
        (Some(d), _) if d < options.min_depth => {
            Some(format!("depth {d} is below {}", options.min_depth))
        }
        (_, Some(q)) if q < options.min_quality => Some(format!(
            "genotype quality {q} is below {}",
            options.min_quality
        )),
        _ => None,
    }
}

/// With the copies that the person has: one of mitochondria, one of a man's X.
fn as_many_copies(mut g: Genotype, gene: &Gene, sex: Option<Sex>) -> Seen {
    let one = gene.is_mitochondrial() || (gene.is_on_x() && sex == Some(Sex::Male));
    if !one {
        if gene.is_on_x() && sex == Some(Sex::Female) && g.alleles.len() == 1 {
            return Err("one copy was called, but a woman has two".into());
        }
        return Ok(g);
    }
    if g.is_heterozygous() {
        let both = g.alleles.join("/");
        return Err(if gene.is_mitochondrial() {
            format!(
                "{both} was called: a mixture of mitochondria, whose share the caller's AF tells"
            )
        } else {
            format!("{both} was called, but there is one copy")
        });
    }
    g.alleles.truncate(1);
    Ok(g)
}

#[cfg(test)]
mod tests {
    use super::super::gene;
    use super::*;
    use crate::genome::{BuildOptions, build};
    use std::io::Write;

    fn seen_with(header: &str, records: &str, options: &Options) -> Result<Sample> {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        let columns = "#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\tFORMAT\tS";
        let text = records.replace(' ', "\t");
        write!(file, "##fileformat=VCFv4.2\n{header}{columns}\n{text}").unwrap();
        read(file.path(), &gene::shipped(), options)
    }

    const B38: &str = "##contig=<ID=chr2,length=242193529>\n";

    fn at(sample: &Sample, gene: &str, id: &str) -> Seen {
        let genes = gene::shipped();
        let i = genes[gene].loci.iter().position(|l| l.id == id).unwrap();
        sample.seen[gene][i].clone()
    }

    fn alleles(seen: Seen) -> String {
        seen.unwrap().alleles.join("/")
    }

    #[test]
    fn genotypes_reference_blocks_and_silence_are_told_apart() {
        let records = "chr2 233759924 . C T . PASS . GT:DP:GQ 0/1:30:99\n\
            chr2 233760230 . T <*> . . END=233760400 GT:GQ:DP:MIN_DP 0/0:50:40:31\n\
            chr2 233760498 . G A . PASS . GT:DP ./.:0\n";
        let s = seen_with(B38, records, &Options::default()).unwrap();
        assert_eq!(s.build, Some(Build::Grch38));
        assert_eq!(alleles(at(&s, "UGT1A1", "rs887829")), "C/T");
        let block = at(&s, "UGT1A1", "rs3064744").unwrap();
        assert_eq!(block.alleles, ["CAT", "CAT"]);
        assert_eq!((block.depth, block.quality), (Some(31), Some(50)));
        let not_called = at(&s, "UGT1A1", "rs4148323").unwrap_err();
        assert!(not_called.contains("no genotype"), "{not_called}");
        let silent = at(&s, "UGT1A1", "rs35350960").unwrap_err();
        assert!(silent.contains("no record"), "{silent}");
    }

    #[test]
    fn doubtful_records_make_a_place_unknown() {
        let records = "chr2 233759924 . C T . LowQual . GT:GQ 0/1:99\n\
            chr2 233760498 . G A . PASS . GT:GQ:DP 0/0:12:30\n\
            chr2 233760973 . C A . PASS . GT:GQ:DP 0/0:99:3\n";
        let options = Options {
            min_quality: 20,
            min_depth: 10,
            ..Options::default()
        };
        let s = seen_with(B38, records, &options).unwrap();
        for (id, why) in [
            ("rs887829", "LowQual"),
            ("rs4148323", "quality 12"),
            ("rs35350960", "depth 3"),
        ] {
            let reason = at(&s, "UGT1A1", id).unwrap_err();
            assert!(reason.contains(why), "{reason}");
        }
    }

    #[test]
    fn a_filtered_neighbour_leaves_a_place_that_has_its_own_record() {
        let neighbour = "chr2 233759924 . CA C . LowQual . GT 0/1\n";
        let own = "chr2 233759924 . C T . PASS . GT 0/0\n";
        let of = |records: &str| {
            let s = seen_with(B38, records, &Options::default()).unwrap();
            at(&s, "UGT1A1", "rs887829")
        };
        assert_eq!(alleles(of(&format!("{own}{neighbour}"))), "C/C");
        assert!(of(neighbour).unwrap_err().contains("LowQual"));
    }

    #[test]
    fn places_are_read_as_the_references_own_bases_and_strand_spell_them() {
        let genes = gene::shipped();
        let locus = |id: &str| genes["CYP2C19"].loci.iter().find(|l| l.id == id).unwrap();
        let with = |id: &str, base: &str| {
            let [left, right] = &locus(id).flanks;
            format!("{left}{base}{right}")
        };
        // Of rs3758581 the reference has G, GRCh38 A; of rs12248560 T, GRCh38 C, on the other strand.
        let pad = "TC".repeat(20);
        let first = format!("{pad}{}{pad}", with("rs3758581", "G"));
        let turned = place::spelled(&with("rs12248560", "T"), true);
        let mut fasta = tempfile::NamedTempFile::new().unwrap();
        writeln!(fasta, ">10\n{first}{turned}{pad}").unwrap();
        let reference = build(fasta.path(), BuildOptions::default()).unwrap();
        let [one, two] = [pad.len() + 26, first.len() + 26];
        let options = Options {
            places: Some(Places::on(&reference, &genes)),
            ..Options::default()
        };
        let of = |genotypes: [&str; 2]| {
            let records = format!(
                "10 {one} . G A . PASS . GT {}\n10 {two} . A G . PASS . GT {}\n",
                genotypes[0], genotypes[1]
            );
            let s = seen_with("", &records, &options).unwrap();
            assert_eq!((s.build, s.build_name()), (None, "the index's own"));
            ["rs3758581", "rs12248560"].map(|id| alleles(at(&s, "CYP2C19", id)))
        };
        assert_eq!(of(["0/0", "0/0"]), ["G/G", "T/T"]);
        assert_eq!(of(["0/1", "1/1"]), ["G/A", "C/C"]);
        // What is not on this reference was not seen, and a VCF of another one is refused.
        let s = seen_with("", "", &options).unwrap();
        let elsewhere = at(&s, "CYP2C19", "rs28399504").unwrap_err();
        assert!(elsewhere.contains("not on this reference"));
        let other = seen_with("##contig=<ID=10,length=5>\n", "", &options);
        assert!(other.unwrap_err().to_string().contains("not the index's"));
    }

    #[test]
    fn the_builds_are_told_apart_and_grch37_has_other_references() {
        // GRCh37 has the G of rs3758581.
        let records = "10 96602623 rs3758581 G A . PASS . GT 0/0\n";
        let s = seen_with("", records, &Options::default()).unwrap();
        assert_eq!(s.build, Some(Build::Grch37));
        assert_eq!(alleles(at(&s, "CYP2C19", "rs3758581")), "G/G");
        let none = seen_with("", "10 5 . A C . . . GT 0/1\n", &Options::default());
        assert!(none.unwrap_err().to_string().contains("--build"));
        let asked = Options {
            build: Some(Build::Grch37),
            ..Options::default()
        };
        let other = seen_with(B38, records, &asked).unwrap_err().to_string();
        assert!(other.contains("it is of GRCh38, not of GRCh37"), "{other}");
        let misfit = "chr10 94781859 . C T . PASS . GT 0/1\n";
        let s = seen_with(B38, misfit, &Options::default()).unwrap();
        let reason = at(&s, "CYP2C19", "rs4244285").unwrap_err();
        assert!(reason.contains("does not fit"), "{reason}");
    }

    #[test]
    fn records_with_one_alt_each_are_put_together() {
        let records = "chr13 48037782 . AGGAGTC A . PASS . GT 0/1\n\
            chr13 48037782 . A AGGAGTC . PASS . GT 0/1\n";
        let s = seen_with(B38, records, &Options::default()).unwrap();
        assert_eq!(alleles(at(&s, "NUDT15", "rs746071566")), "A/AGGAGTCGGAGTC");
    }

    #[test]
    fn a_man_has_one_x_and_everyone_one_mitochondrial_genome() {
        let records = "chrX 154535277 . T C . PASS . GT 1/1\n\
            chrX 154536002 . C T . PASS . GT 0/1\n\
            chrM 1555 . A G . PASS . GT 1/1\n";
        let male = Options {
            sex: Some(Sex::Male),
            ..Options::default()
        };
        let s = seen_with(B38, records, &male).unwrap();
        assert_eq!(alleles(at(&s, "G6PD", "rs1050829")), "C");
        assert!(
            at(&s, "G6PD", "rs1050828")
                .unwrap_err()
                .contains("one copy")
        );
        assert_eq!(alleles(at(&s, "MT-RNR1", "rs267606617")), "G");
        let s = seen_with(B38, records, &Options::default()).unwrap();
        assert_eq!(alleles(at(&s, "G6PD", "rs1050829")), "C/C");
    }

    #[test]
    fn phase_sets_are_kept_and_somatic_calls_refused() {
        let records = "chr6 18130687 . T C . PASS . GT:PS 0|1:18130687\n\
            chr6 18138997 . C T . PASS . GT 1|0\n";
        let s = seen_with(B38, records, &Options::default()).unwrap();
        assert_eq!(at(&s, "TPMT", "rs1142345").unwrap().phase, Some(18_130_687));
        let other = at(&s, "TPMT", "rs1800460").unwrap();
        assert_eq!(
            (other.phase, other.alleles.join("|")),
            (Some(0), "T|C".into())
        );
        let somatic = format!("##theralign_mode=somatic\n{B38}");
        let refused = seen_with(&somatic, records, &Options::default());
        assert!(refused.unwrap_err().to_string().contains("germline"));
        let broken = "chr6 18130687 . T C . PASS . GT 0/2\n";
        let refused = seen_with(B38, broken, &Options::default()).unwrap_err();
        assert!(
            refused.to_string().contains("line 4: GT is 0/2"),
            "{refused}"
        );
    }
}
