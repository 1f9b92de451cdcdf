//! Reads gene models: GFF3 or GTF in the dialects of Ensembl, GENCODE and RefSeq, and picks one
//! transcript for each gene.

use super::transcript::{Choice, Model, Transcript};
use crate::domain::{ContigId, Span, Strand};
use crate::format::digest::sha256_of;
use crate::format::input;
use crate::genome::Reference;
use crate::{Error, Result, error::thousands};
use std::collections::{BTreeMap, BTreeSet};
use std::io::BufRead;
use std::path::Path;

/// One transcript for each gene that touches the regions asked for, ordered by place.
#[derive(Debug)]
pub struct GeneModel {
    /// The transcripts.
    pub transcripts: Vec<Transcript>,
    /// SHA-256 of the file as it is, 64 hexadecimal digits.
    pub sha256: String,
    /// The file's name without its folder.
    pub name: String,
}

/// What decides between the transcripts of a gene when the gene model has no MANE tags.
pub trait Preference {
    /// Is this (version-less) transcript id the one whose numbering the knowledge of the gene uses?
    fn prefers(&self, gene: &str, id: &str) -> bool;
    /// Do the residues that the knowledge of this gene expects stand where it expects them? True
    /// also where nothing is known.
    fn agrees(&self, transcript: &Transcript) -> bool;
}

/// No preference: for tests, and for genes that no knowledge speaks of.
pub struct NoPreference;

impl Preference for NoPreference {
    fn prefers(&self, _: &str, _: &str) -> bool {
        false
    }
    fn agrees(&self, _: &Transcript) -> bool {
        true
    }
}

#[derive(Default)]
struct Draft {
    gene: Option<String>,
    gene_id: Option<String>,
    id: Option<String>,
    strand: Option<Strand>,
    exons: Vec<Span>,
    coding: Vec<Span>,
    /// (start, phase) of the coding lines.
    phases: Vec<(u32, Option<u8>)>,
    tags: String,
}

/// Column 9 of a GFF3 or GTF line.
struct Attributes<'a>(Vec<(&'a str, &'a str)>);

impl<'a> Attributes<'a> {
    fn parse(text: &'a str) -> Attributes<'a> {
        Attributes(
            text.split(';')
                .filter_map(|item| {
                    let item = item.trim();
                    // GFF3: key=value; GTF: key "value"
                    let cut = item.find(['=', ' '])?;
                    Some((&item[..cut], item[cut + 1..].trim().trim_matches('"')))
                })
                .collect(),
        )
    }

    fn get(&self, key: &str) -> Option<&'a str> {
        self.0
            .iter()
            .find(|(k, v)| *k == key && !v.is_empty())
            .map(|(_, v)| *v)
    }

    fn first(&self, keys: &[&str]) -> Option<&'a str> {
        keys.iter().find_map(|k| self.get(k))
    }
}

/// The contig that a gene model's name means: by name, with or without `chr`, `M` or `MT`, or as
/// RefSeq accession (`NC_000007.13` is chromosome 7).
pub fn resolve_contig(name: &str, reference: &Reference) -> Option<ContigId> {
    let refseq = name
        .strip_prefix("NC_")
        .and_then(|n| n.split('.').next())
        .and_then(|n| n.parse::<u32>().ok())
        .and_then(|n| match n {
            1..=22 => Some(n.to_string()),
            23 => Some("X".into()),
            24 => Some("Y".into()),
            12_920 => Some("MT".into()),
            _ => None,
        });
    let bare = refseq.as_deref().unwrap_or(name);
    let bare = bare.strip_prefix("chr").unwrap_or(bare);
    let other = match bare {
        "M" => "MT",
        "MT" => "M",
        b => b,
    };
    [
        name,
        bare,
        &format!("chr{bare}"),
        other,
        &format!("chr{other}"),
    ]
    .iter()
    .find_map(|n| reference.contig_id(n))
}

/// `ENST00000275493.2` and `transcript:ENST00000275493` to `ENST00000275493`.
pub fn without_version(id: &str) -> &str {
    let id = id.rsplit(':').next().unwrap_or(id);
    id.split('.').next().unwrap_or(id)
}

impl GeneModel {
    /// Reads a gene model and keeps one transcript for each gene with a base in `regions`.
    ///
    /// # Errors
    /// When the file cannot be read, a line is malformed, none of its contigs is in the reference,
    /// or it does not fit the reference's sequence (another genome build).
    pub fn read(
        path: &Path,
        reference: &Reference,
        regions: &BTreeMap<ContigId, Vec<Span>>,
        preference: &dyn Preference,
    ) -> Result<GeneModel> {
        let file = input::display_name(path);
        let drafts = read_drafts(path, reference, regions)?;
        let mut genes: BTreeMap<(ContigId, String), Vec<Transcript>> = BTreeMap::new();
        for ((contig, key), draft) in drafts {
            let Some((gene_key, model)) = finish(contig, key, draft, preference) else {
                continue;
            };
            let spans = regions.get(&contig).map_or(&[][..], Vec::as_slice);
            let whole = Span::new(model.exons[0].start, model.exons[model.exons.len() - 1].end);
            if spans.iter().any(|s| s.overlaps(whole)) {
                let transcript = Transcript::new(model, reference);
                genes
                    .entry((contig, gene_key))
                    .or_default()
                    .push(transcript);
            }
        }
        let mut transcripts: Vec<Transcript> = genes
            .into_values()
            .filter_map(|all| pick(all, preference))
            .collect();
        transcripts.sort_by(|a, b| {
            (a.model.contig, a.span().start, &a.model.gene).cmp(&(
                b.model.contig,
                b.span().start,
                &b.model.gene,
            ))
        });
        check_build(&file, &transcripts)?;
        Ok(GeneModel {
            transcripts,
            sha256: sha256_of(path)?,
            name: path
                .file_name()
                .map_or_else(|| file.clone(), |n| n.to_string_lossy().into_owned()),
        })
    }

    /// The transcript that stands for a gene.
    pub fn of_gene(&self, gene: &str) -> Option<&Transcript> {
        self.transcripts.iter().find(|t| t.model.gene == gene)
    }
}

fn read_drafts(
    path: &Path,
    reference: &Reference,
    regions: &BTreeMap<ContigId, Vec<Span>>,
) -> Result<BTreeMap<(ContigId, String), Draft>> {
    let file = input::display_name(path);
    let mut reader = input::open(path)?;
    let mut drafts: BTreeMap<(ContigId, String), Draft> = BTreeMap::new();
    let mut gene_names: BTreeMap<String, String> = BTreeMap::new();
    let mut contigs: BTreeMap<String, Option<ContigId>> = BTreeMap::new();
    let mut line = String::new();
    let mut number = 0u64;
    let wrong = |number: u64, what: &str| {
        Error::input(
            file.clone(),
            format!("line {}", thousands(number)),
            what,
            "Give a gene model as GFF3 or GTF (Ensembl, GENCODE or RefSeq), plain or gzip.",
        )
    };
    loop {
        line.clear();
        number += 1;
        let read = reader
            .read_line(&mut line)
            .map_err(|e| wrong(number, &e.to_string()))?;
        if read == 0 || line.starts_with("##FASTA") {
            break;
        }
        let text = line.trim_end();
        if text.is_empty() || text.starts_with('#') {
            continue;
        }
        let fields: Vec<&str> = text.split('\t').collect();
        if fields.len() < 9 {
            return Err(wrong(
                number,
                &format!("{} columns where a gene model has 9", fields.len()),
            ));
        }
        let contig = *contigs
            .entry(fields[0].to_string())
            .or_insert_with(|| resolve_contig(fields[0], reference));
        let Some(contig) = contig else { continue };
        if !regions.contains_key(&contig) {
            continue;
        }
        let attributes = Attributes::parse(fields[8]);
        let kind = fields[2];
        let gff3_id = attributes.get("ID");
        let part = match kind {
            "exon" | "CDS" | "stop_codon" => true,
            _ if kind.ends_with("gene") => {
                if let (Some(id), Some(name)) =
                    (gff3_id, attributes.first(&["gene_name", "Name", "gene"]))
                {
                    gene_names.insert(id.into(), name.into());
                }
                continue;
            }
            _ => false,
        };
        let key = if part {
            attributes.first(&["Parent", "transcript_id"])
        } else {
            gff3_id.or_else(|| attributes.get("transcript_id"))
        };
        let Some(key) = key else { continue };
        let (Ok(start), Ok(end)) = (fields[3].parse::<u32>(), fields[4].parse::<u32>()) else {
            return Err(wrong(number, "start or end is no number"));
        };
        if start == 0 || end < start {
            return Err(wrong(
                number,
                &format!("no stretch reaches from {start} to {end}"),
            ));
        }
        let span = Span::new(start - 1, end);
        // An exon can belong to several transcripts (GFF3 §"Parent").
        for key in key.split(',') {
            let draft = drafts.entry((contig, key.to_string())).or_default();
            draft.strand = Some(if fields[6] == "-" {
                Strand::Reverse
            } else {
                Strand::Forward
            });
            match kind {
                "exon" => draft.exons.push(span),
                "CDS" => {
                    draft.coding.push(span);
                    draft.phases.push((span.start, fields[7].parse().ok()));
                }
                "stop_codon" => draft.coding.push(span),
                _ => {}
            }
            note_names(draft, &attributes, part);
        }
    }
    if !contigs.is_empty() && contigs.values().all(Option::is_none) {
        let seen = contigs.keys().next().map_or("", String::as_str);
        return Err(Error::input(
            file,
            "",
            format!("none of its contigs (such as {seen}) is in the reference"),
            "Give the gene model of the reference's genome build.",
        ));
    }
    for draft in drafts.values_mut() {
        if draft.gene.is_none() {
            draft.gene = draft
                .gene_id
                .as_ref()
                .and_then(|id| gene_names.get(id).cloned());
        }
    }
    Ok(drafts)
}

fn note_names(draft: &mut Draft, attributes: &Attributes, part: bool) {
    let set = |slot: &mut Option<String>, value: Option<&str>| {
        if slot.is_none() {
            *slot = value.map(String::from);
        }
    };
    set(&mut draft.gene, attributes.first(&["gene_name", "gene"]));
    set(&mut draft.gene_id, attributes.get("gene_id"));
    if part {
        set(&mut draft.id, attributes.get("transcript_id"));
    } else {
        // Ensembl's GFF3 keeps the version apart.
        if let (Some(id), Some(version)) =
            (attributes.get("transcript_id"), attributes.get("version"))
        {
            let id = without_version(id);
            draft.id = Some(format!("{id}.{version}"));
        }
        set(&mut draft.id, attributes.get("transcript_id"));
        if let Some(parent) = attributes.get("Parent") {
            draft.gene_id = Some(parent.to_string());
        }
    }
    for (_, tag) in attributes.0.iter().filter(|(k, _)| *k == "tag") {
        if !draft.tags.contains(tag) {
            draft.tags.push_str(tag);
            draft.tags.push(' ');
        }
    }
}

/// A draft to a model and the key of its gene; `None` for genes, and for lines without exons.
fn finish(
    contig: ContigId,
    key: String,
    mut draft: Draft,
    preference: &dyn Preference,
) -> Option<(String, Model)> {
    if draft.exons.is_empty() {
        // Some RefSeq and bacterial files give CDS only.
        draft.exons.clone_from(&draft.coding);
    }
    let exons = merged(&draft.exons);
    let coding = merged(&draft.coding);
    exons.first()?;
    let strand = draft.strand?;
    let id = draft.id.unwrap_or(key);
    let gene = draft.gene.or_else(|| draft.gene_id.clone())?;
    let tags = draft.tags.replace(' ', "_").to_ascii_lowercase();
    let choice = if tags.contains("mane_select") {
        Choice::ManeSelect
    } else if preference.prefers(&gene, without_version(&id)) {
        Choice::Knowledge
    } else if tags.contains("ensembl_canonical") {
        Choice::EnsemblCanonical
    } else if tags.contains("appris_principal") {
        Choice::Appris
    } else {
        Choice::Longest
    };
    let first_phase = if strand.is_reverse() {
        draft.phases.iter().max_by_key(|(start, _)| *start)
    } else {
        draft.phases.iter().min_by_key(|(start, _)| *start)
    };
    let open_start = tags.contains("cds_start_nf")
        || first_phase.is_some_and(|(_, p)| p.is_some_and(|p| p != 0));
    let gene_key = draft.gene_id.unwrap_or_else(|| gene.clone());
    Some((
        gene_key,
        Model {
            gene,
            id,
            contig,
            strand,
            exons,
            coding,
            choice,
            open_start,
        },
    ))
}

/// Ascending, with neighbours that touch or overlap made one.
pub fn merged(spans: &[Span]) -> Vec<Span> {
    let mut sorted = spans.to_vec();
    sorted.sort_by_key(|s| (s.start, s.end));
    let mut out: Vec<Span> = Vec::new();
    for s in sorted {
        match out.last_mut() {
            Some(last) if s.start <= last.end => last.end = last.end.max(s.end),
            _ => out.push(s),
        }
    }
    out
}

/// The gene's transcript: coding before non-coding, sound before faulty, agreeing with the
/// knowledge's residues before not, then by tag, length and id.
fn pick(mut all: Vec<Transcript>, preference: &dyn Preference) -> Option<Transcript> {
    all.sort_by_cached_key(|t| {
        let coding: u32 = t.model.coding.iter().map(|s| s.len()).sum();
        let exonic: u32 = t.model.exons.iter().map(|s| s.len()).sum();
        (
            t.cds.is_none(),
            t.fault.is_some(),
            !preference.agrees(t),
            t.model.choice,
            std::cmp::Reverse(coding),
            std::cmp::Reverse(exonic),
            t.model.id.clone(),
        )
    });
    all.into_iter().next()
}

/// A gene model of another build spells nonsense: then most proteins are broken.
fn check_build(file: &str, transcripts: &[Transcript]) -> Result<()> {
    let checkable =
        |t: &&Transcript| t.cds.is_some() && !t.model.open_start && t.known_codons().0 >= 20;
    let checked: BTreeSet<&str> = transcripts
        .iter()
        .filter(checkable)
        .map(|t| t.model.gene.as_str())
        .collect();
    let broken: BTreeSet<&str> = transcripts
        .iter()
        .filter(checkable)
        .filter(|t| t.fault.is_some())
        .map(|t| t.model.gene.as_str())
        .collect();
    if broken.len() >= 2 && 2 * broken.len() > checked.len() {
        return Err(Error::input(
            file,
            "",
            format!(
                "{} of {} coding genes of the panel do not translate on this reference ({})",
                broken.len(),
                checked.len(),
                broken
                    .iter()
                    .take(3)
                    .copied()
                    .collect::<Vec<_>>()
                    .join(", ")
            ),
            "The gene model seems to be of another genome build than the index: give the one that \
             belongs to it.",
        ));
    }
    Ok(())
}
