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
    /// Further transcripts of these genes that were asked for, ordered by place.
    pub others: Vec<Transcript>,
    /// SHA-256 of the file as it is, 64 hexadecimal digits.
    pub sha256: String,
    /// The file's name without its folder.
    pub name: String,
}

/// Which transcripts of a gene to keep beside the one that stands for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Keep {
    /// None.
    Chosen,
    /// Those tagged as MANE Plus Clinical.
    Clinical,
    /// All.
    All,
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
    stable_gene_id: String,
    refseq: String,
    protein_id: String,
    biotype: String,
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

/// `ENST00000275493.2` and `transcript:ENST00000275493` to `ENST00000275493`.
pub fn without_version(id: &str) -> &str {
    let id = id.rsplit(':').next().unwrap_or(id);
    id.split('.').next().unwrap_or(id)
}

impl GeneModel {
    /// Reads a gene model and keeps one transcript for each gene with a base in `regions`, which
    /// ascend and do not overlap.
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
        GeneModel::read_keeping(path, reference, regions, preference, Keep::Chosen)
    }

    /// The same, with further transcripts of each gene in `others`.
    ///
    /// # Errors
    /// As [`GeneModel::read`].
    pub fn read_keeping(
        path: &Path,
        reference: &Reference,
        regions: &BTreeMap<ContigId, Vec<Span>>,
        preference: &dyn Preference,
        keep: Keep,
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
            let first = spans.partition_point(|s| s.end <= whole.start);
            if spans.get(first).is_some_and(|s| s.overlaps(whole)) {
                let transcript = Transcript::new(model, reference);
                genes
                    .entry((contig, gene_key))
                    .or_default()
                    .push(transcript);
            }
        }
        let (mut transcripts, mut others) = (Vec::new(), Vec::new());
        for mut all in genes.into_values() {
            sort_by_preference(&mut all, preference);
            let mut all = all.into_iter();
            transcripts.extend(all.next());
            others.extend(all.filter(|t| match keep {
                Keep::Chosen => false,
                Keep::Clinical => t.model.choice == Choice::ManePlusClinical,
                Keep::All => true,
            }));
        }
        for list in [&mut transcripts, &mut others] {
            list.sort_by(|a, b| {
                let place = |t: &Transcript| (t.model.contig, t.span().start);
                (place(a), &a.model.gene, &a.model.id).cmp(&(place(b), &b.model.gene, &b.model.id))
            });
        }
        check_build(&file, &transcripts)?;
        Ok(GeneModel {
            transcripts,
            others,
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
            .or_insert_with(|| reference.contig_called(fields[0]));
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
    let fill = |slot: &mut String, value: Option<&str>| {
        if let (true, Some(value)) = (slot.is_empty(), value) {
            *slot = value.into();
        }
    };
    fill(&mut draft.stable_gene_id, attributes.get("gene_id"));
    fill(&mut draft.protein_id, attributes.get("protein_id"));
    fill(
        &mut draft.biotype,
        attributes.first(&["transcript_type", "transcript_biotype", "biotype"]),
    );
    let cross = attributes.first(&["Dbxref", "db_xref", "dbxref"]);
    let refseq = cross.and_then(|c| c.split(',').find_map(|x| x.strip_prefix("RefSeq:")));
    fill(&mut draft.refseq, refseq.filter(|r| is_refseq(r)));
    for (_, tag) in attributes.0.iter().filter(|(k, _)| *k == "tag") {
        if !draft.tags.contains(tag) {
            draft.tags.push_str(tag);
            draft.tags.push(' ');
        }
    }
}

/// An accession of a RefSeq transcript.
fn is_refseq(id: &str) -> bool {
    ["NM_", "NR_", "XM_", "XR_"]
        .iter()
        .any(|p| id.starts_with(p))
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
    } else if tags.contains("mane_plus_clinical") {
        Choice::ManePlusClinical
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
    let mut gene_id = draft.stable_gene_id;
    if gene_id.is_empty() {
        // Ensembl's and RefSeq's ids carry their kind in front.
        let bare = gene_key
            .trim_start_matches("gene:")
            .trim_start_matches("gene-");
        gene_id = bare.to_string();
    }
    if draft.refseq.is_empty() && is_refseq(&id) {
        draft.refseq.clone_from(&id);
    }
    if draft.biotype.is_empty() && !coding.is_empty() {
        draft.biotype = "protein_coding".into();
    }
    Some((
        gene_key,
        Model {
            gene,
            gene_id,
            id,
            refseq: draft.refseq,
            protein_id: draft.protein_id,
            biotype: draft.biotype,
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

/// The gene's transcript first: coding before non-coding, sound before faulty, agreeing with the
/// knowledge's residues before not, then by tag, length and id.
fn sort_by_preference(all: &mut [Transcript], preference: &dyn Preference) {
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
}

/// Those of transcripts ordered by place that share a base with a span, with their rank.
pub fn overlapping(
    transcripts: &[Transcript],
    contig: ContigId,
    span: Span,
) -> impl Iterator<Item = (usize, &Transcript)> {
    let from = transcripts.partition_point(|t| t.model.contig < contig);
    let to = transcripts.partition_point(|t| (t.model.contig, t.span().start) < (contig, span.end));
    // A long gene may begin far before those that begin near the span, so none is left out.
    (from..to.max(from))
        .map(|i| (i, &transcripts[i]))
        .filter(move |(_, t)| t.span().overlaps(span))
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
