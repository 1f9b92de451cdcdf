//! VCF and other tab-separated text, block-gzipped and indexed (VCF 4.4; SAM 1.6 §4.1; tabix).

use super::output::Output;
use crate::{Error, Result};
use noodles::core::Position;
use noodles::csi::binning_index::Indexer;
use noodles::csi::binning_index::index::Header;
use noodles::csi::binning_index::index::header::format::CoordinateSystem;
use noodles::csi::binning_index::index::header::{Builder as HeaderBuilder, Format};
use noodles::csi::binning_index::index::reference_sequence::bin::Chunk;
use noodles::csi::binning_index::index::reference_sequence::index::{BinnedIndex, LinearIndex};
use noodles::{bgzf, csi, tabix};
use std::io::Write;
use std::path::{Path, PathBuf};

/// Positions from here on do not fit the bins of a tabix index; CSI is written instead.
const TABIX_REACH: u64 = 1 << 29;

/// One line and where it belongs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// Rank of its contig among `contigs`.
    pub contig: usize,
    /// First position it covers, from 0.
    pub start: u32,
    /// First position behind it.
    pub end: u32,
    /// The line, without its end.
    pub text: String,
}

/// Writes header and lines of a VCF, which must be sorted, to a BGZF file and its index (`.tbi`, or
/// `.csi` where a contig is too long for one). Both get their names when they are whole, the index first.
pub fn write_indexed(
    path: &Path,
    header: &str,
    contigs: &[(&str, u32)],
    lines: &[Line],
) -> Result<()> {
    write_columns(path, header, contigs, lines, &vcf_columns)
}

/// The same for BED: contig, start and end are the first columns.
pub fn write_indexed_bed(
    path: &Path,
    header: &str,
    contigs: &[(&str, u32)],
    lines: &[Line],
) -> Result<()> {
    write_columns(path, header, contigs, lines, &bed_columns)
}

fn write_columns(
    path: &Path,
    header: &str,
    contigs: &[(&str, u32)],
    lines: &[Line],
    columns: &dyn Fn(HeaderBuilder) -> HeaderBuilder,
) -> Result<()> {
    let long = contigs.iter().any(|c| u64::from(c.1) >= TABIX_REACH);
    let file = Output::create(path)?;
    let mut out = bgzf::io::Writer::new(file);
    out.write_all(header.as_bytes()).map_err(Error::io(path))?;
    let mut tbi = Indexer::<LinearIndex>::default();
    // Depth 6 with bins of 2^14 reaches 2^32, beyond any position that we count.
    let mut wide = Indexer::<BinnedIndex>::new(14, 6).expect("a valid binning scheme");
    // Names are numbered as they appear, as tabix does.
    let mut names: Vec<usize> = Vec::new();
    for line in lines {
        let from = out.virtual_position();
        out.write_all(line.text.as_bytes())
            .map_err(Error::io(path))?;
        out.write_all(b"\n").map_err(Error::io(path))?;
        let chunk = Chunk::new(from, out.virtual_position());
        if names.last() != Some(&line.contig) {
            names.push(line.contig);
        }
        let position = |p: u32| Position::new(p as usize).expect("counted from 1");
        let place = (
            names.len() - 1,
            position(line.start + 1),
            position(line.end),
            true,
        );
        let added = if long {
            wide.add_record(Some(place), chunk)
        } else {
            tbi.add_record(Some(place), chunk)
        };
        added.expect("positions lie within the contig");
    }
    let file = out.finish().map_err(Error::io(path))?;
    let mut of_index = Header::builder();
    of_index =
        of_index.set_reference_sequence_names(names.iter().map(|&i| contigs[i].0.into()).collect());
    let of_index = columns(of_index).build();
    let index_path = with_suffix(path, if long { ".csi" } else { ".tbi" });
    let index_file = Output::create(&index_path)?;
    let index_file = if long {
        let mut w = csi::io::Writer::new(index_file);
        w.write_index(&wide.set_header(of_index).build(names.len()))
            .map_err(Error::io(&index_path))?;
        w.into_inner().finish()
    } else {
        let mut w = tabix::io::Writer::new(index_file);
        w.write_index(&tbi.set_header(of_index).build(names.len()))
            .map_err(Error::io(&index_path))?;
        w.into_inner().finish()
    }
    .map_err(Error::io(&index_path))?;
    index_file.finish()?;
    file.finish()
}

fn vcf_columns(b: HeaderBuilder) -> HeaderBuilder {
    b.set_format(Format::Vcf)
        .set_reference_sequence_name_index(0)
        .set_start_position_index(1)
        .set_end_position_index(None)
        .set_line_comment_prefix(b'#')
}

fn bed_columns(b: HeaderBuilder) -> HeaderBuilder {
    b.set_format(Format::Generic(CoordinateSystem::Bed))
        .set_reference_sequence_name_index(0)
        .set_start_position_index(1)
        .set_end_position_index(Some(2))
        .set_line_comment_prefix(b'#')
}

/// Writes text to a BGZF file, which gets its name when it is whole.
pub fn write_bgzf(path: &Path, text: &str) -> Result<()> {
    let mut out = bgzf::io::Writer::new(Output::create(path)?);
    out.write_all(text.as_bytes()).map_err(Error::io(path))?;
    out.finish().map_err(Error::io(path))?.finish()
}

/// `a/b.vcf.gz` with `.tbi` behind it.
pub fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}

/// `a/ID.vcf.gz` to `a/ID` + `suffix`; a name of another form keeps its whole.
pub fn sibling(path: &Path, suffix: &str) -> PathBuf {
    let name = path
        .file_name()
        .map_or_else(String::new, |n| n.to_string_lossy().into_owned());
    let stem = name
        .strip_suffix(".vcf.gz")
        .or_else(|| name.strip_suffix(".vcf.bgz"))
        .unwrap_or(&name);
    path.with_file_name(format!("{stem}{suffix}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Read;

    #[test]
    fn siblings_share_the_stem() {
        let p = sibling(Path::new("out/a.b.vcf.gz"), ".depth.bed.gz");
        assert_eq!(p, Path::new("out/a.b.depth.bed.gz"));
        assert_eq!(sibling(Path::new("x"), ".d"), Path::new("x.d"));
    }

    #[test]
    fn lines_are_found_again_through_the_index() {
        let folder = tempfile::tempdir().unwrap();
        let line = |contig, start: u32| Line {
            contig,
            start,
            end: start + 1,
            text: format!("{}\t{}\t.\tA\tC\t.\t.\t.", ["a", "b"][contig], start + 1),
        };
        for (length, suffix) in [(100_000, ".tbi"), (1 << 30, ".csi")] {
            let path = folder.path().join(format!("x{length}.vcf.gz"));
            let contigs = [("a", length), ("b", 500)];
            let lines = [line(0, 10), line(0, 70_000), line(1, 3)];
            write_indexed(&path, "##fileformat=VCFv4.4\n", &contigs, &lines).unwrap();
            assert!(with_suffix(&path, suffix).exists());
            let mut text = String::new();
            flate2::read::MultiGzDecoder::new(std::fs::File::open(&path).unwrap())
                .read_to_string(&mut text)
                .unwrap();
            assert_eq!(text.lines().count(), 4);
            assert!(text.ends_with("b\t4\t.\tA\tC\t.\t.\t.\n"));
        }
    }
}
