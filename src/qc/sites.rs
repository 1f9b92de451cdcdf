//! Places where people differ: what the sample's fragments show there.

use super::targets::Targets;
use crate::domain::{ContigId, Pos, Span, code_of};
use crate::format::input;
use crate::genome::Reference;
use crate::{Error, Result, error::thousands};
use std::io::BufRead;
use std::path::Path;

/// Capture reaches so far beyond a target.
const REACH: u32 = 100;
/// A call of less quality is not heard at a site.
pub const MIN_QUALITY: u8 = 20;

/// A single base that many people have otherwise.
#[derive(Clone, Debug, PartialEq)]
pub struct Site {
    /// Its contig.
    pub contig: ContigId,
    /// Its position.
    pub pos: Pos,
    /// dbSNP's name or the like; `.` if it has none.
    pub name: String,
    /// The reference's letter.
    pub reference: u8,
    /// The other.
    pub alternate: u8,
    /// How common the other is, 0 to 1; `None` if the file does not tell.
    pub frequency: Option<f64>,
}

/// Sites near the panel, in order, and where they are from.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Sites {
    /// The sites.
    pub sites: Vec<Site>,
    /// What the file held and was not used: other contigs, far from the panel, no SNV.
    pub left_out: u64,
    /// Given by the user, not built in.
    pub given: bool,
}

/// Reads sites from a VCF (plain or gzip) and keeps those near the panel: one REF base, one ALT base,
/// INFO/AF if there is one. Places that are named twice have several alternates and are left out.
///
/// # Errors
/// Names file and line of what is no VCF record, and where REF is not the reference's base.
pub fn read(path: &Path, reference: &Reference, targets: &Targets) -> Result<Sites> {
    let file = input::display_name(path);
    let mut out = Sites {
        given: true,
        ..Sites::default()
    };
    let mut records = 0u64;
    let mut unknown = None; // the first contig that the reference lacks, if it has none before
    for (i, line) in input::open(path)?.lines().enumerate() {
        let wrong = |what: String, remedy: &str| {
            let at = format!("line {}", thousands(i as u64 + 1));
            Error::input(&file, at, what, remedy)
        };
        let line = line.map_err(|e| wrong(e.to_string(), "Give a VCF file, plain or gzip."))?;
        if line.starts_with('#') || line.is_empty() {
            continue;
        }
        records += 1;
        let columns: Vec<&str> = line.trim_end().split('\t').collect();
        let position = columns.get(1).and_then(|c| c.parse::<u32>().ok());
        let (Some(position @ 1..), true) = (position, columns.len() >= 8) else {
            return Err(wrong(
                "not a VCF record".into(),
                "Give common sites as VCF: eight columns with tabs between them, AF in INFO.",
            ));
        };
        let pos = Pos(position - 1);
        let letter = |text: &str| match text.as_bytes() {
            [b] if b"ACGT".contains(b) => Some(*b),
            _ => None,
        };
        let contig = reference.contig_id(columns[0]);
        if records == 1 && contig.is_none() {
            unknown = Some((i, columns[0].to_string()));
        } else if contig.is_some() {
            unknown = None;
        }
        let (Some(contig), Some(reference_base), Some(alternate)) =
            (contig, letter(columns[3]), letter(columns[4]))
        else {
            out.left_out += 1;
            continue;
        };
        let length = reference.contig(contig).length;
        let near = Span::new(pos.0.min(length), (pos.0.saturating_add(1)).min(length))
            .widened(REACH, length);
        if !targets.touches(contig, near) {
            out.left_out += 1;
            continue;
        }
        let here = reference.bases(contig, Span::new(pos.0, pos.0 + 1))[0];
        if here != reference_base && here != b'N' {
            return Err(wrong(
                format!(
                    "REF is {} but the reference has {}",
                    columns[3],
                    char::from(here)
                ),
                "The sites are of another genome build; give those of this reference.",
            ));
        }
        out.sites.push(Site {
            contig,
            pos,
            name: columns[2].to_string(),
            reference: reference_base,
            alternate,
            frequency: frequency(columns[7]),
        });
    }
    if records == 0 {
        return Err(Error::input(
            file,
            "",
            "no site",
            "Give a VCF of common sites, with AF in INFO.",
        ));
    }
    if let Some((i, name)) = unknown {
        let at = format!("line {}", thousands(i as u64 + 1));
        let what = format!("the reference has none of the file's contigs, such as {name}");
        let remedy = "Give the sites with the reference's contig names (20, or chr20).";
        return Err(Error::input(file, at, what, remedy));
    }
    out.sites.sort_by_key(|s| (s.contig, s.pos));
    let all = out.sites.len();
    out.sites = (out.sites)
        .chunk_by(|a, b| (a.contig, a.pos) == (b.contig, b.pos))
        .filter(|same| same.len() == 1)
        .map(|same| same[0].clone())
        .collect();
    out.left_out += (all - out.sites.len()) as u64;
    Ok(out)
}

fn frequency(info: &str) -> Option<f64> {
    let value = info.split(';').find_map(|f| f.strip_prefix("AF="))?;
    value.parse().ok().filter(|f| *f > 0.0 && *f < 1.0)
}

impl Sites {
    /// The ranks of the sites in a stretch.
    pub fn within(&self, contig: ContigId, span: Span) -> std::ops::Range<usize> {
        let at =
            |position| (self.sites).partition_point(|s| (s.contig, s.pos.0) < (contig, position));
        at(span.start)..at(span.end)
    }
}

/// Fragments at a site that show A, C, G or T.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Shown(pub [u32; 4]);

impl Shown {
    /// All fragments.
    pub fn depth(&self) -> u32 {
        self.0.iter().sum()
    }

    /// Those that show a letter.
    pub fn of(&self, letter: u8) -> u32 {
        self.0[usize::from(code_of(letter) & 3)]
    }

    /// Those that show neither of a site's two letters: errors.
    pub fn neither(&self, site: &Site) -> u32 {
        self.depth() - self.of(site.reference) - self.of(site.alternate)
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::format::bed::Region;
    use crate::qc::tests::reference;

    /// A site A>G.
    pub fn site(pos: u32, frequency: f64) -> Site {
        Site {
            contig: ContigId(0),
            pos: Pos(pos),
            name: format!("s{pos}"),
            reference: b'A',
            alternate: b'G',
            frequency: Some(frequency),
        }
    }

    fn sites(text: &str) -> Result<Sites> {
        let folder = tempfile::tempdir().unwrap();
        let r = reference(folder.path(), &[("c", &"ACGT".repeat(500))]);
        let region = Region {
            contig: ContigId(0),
            span: Span::new(1000, 1100),
            name: String::new(),
        };
        let path = folder.path().join("s.vcf");
        std::fs::write(&path, text).unwrap();
        read(&path, &r, &Targets::new(&[region], &r))
    }

    #[test]
    fn sites_near_the_panel_are_kept_and_others_counted() {
        let text = "##x\n#CHROM\nc\t1009\trs2\tA\tG\t.\t.\tDP=3;AF=0.25\nc\t1005\t.\tA\tT\t.\t.\t.\n\
            c\t1201\tedge\tA\tG\t.\t.\tAF=0.1\nc\t1301\tfar\tA\tG\t.\t.\tAF=0.1\nc\t1013\tindel\tAC\tA\t.\t.\tAF=0.1\n\
            z\t5\tother\tA\tG\t.\t.\tAF=0.1\nc\t1017\ttwo\tA\tG\t.\t.\tAF=0.1\nc\t1017\ttwo\tA\tC\t.\t.\tAF=0.1\n";
        let s = sites(text).unwrap();
        let kept: Vec<_> = s
            .sites
            .iter()
            .map(|s| (s.pos.0, s.name.as_str(), s.frequency))
            .collect();
        assert_eq!(kept, [(1004, ".", None), (1008, "rs2", Some(0.25))]);
        assert_eq!(s.left_out, 6);
        assert_eq!(s.within(ContigId(0), Span::new(1004, 1008)), 0..1);
        assert_eq!(s.within(ContigId(0), Span::new(1005, 1009)), 1..2);
    }

    #[test]
    fn sites_of_another_build_or_with_other_names_are_refused_by_line() {
        for (text, parts) in [
            (
                "c\t1009\t.\tA\tG\t.\t.\t.\nc\t1005\t.\tC\tT\t.\t.\t.\n",
                ["line 2", "another genome build"],
            ),
            ("c 1005 . A T\n", ["line 1", "not a VCF record"]),
            ("#CHROM\n", ["no site", "AF in INFO"]),
            (
                "#CHROM\nchrc\t1009\t.\tA\tG\t.\t.\t.\nz\t1009\t.\tA\tG\t.\t.\t.\n",
                ["line 2", "such as chrc"],
            ),
        ] {
            let message = sites(text).unwrap_err().to_string();
            assert!(parts.iter().all(|p| message.contains(p)), "{message}");
        }
    }
}
