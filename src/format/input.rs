//! Opens what a user names: plain, gzip (any number of members) or BGZF, from a file or standard input.

use super::bgzf;
use crate::{Error, Result};
use flate2::bufread::MultiGzDecoder;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::Path;

const BUFFER: usize = 1 << 20;

/// A file's name for messages: `-` reads as `standard input`.
pub fn display_name(path: &Path) -> String {
    if path.as_os_str() == "-" {
        "standard input".into()
    } else {
        path.display().to_string()
    }
}

/// Opens a file, or standard input for `-`, and inflates it if it starts like gzip. All members of
/// a gzip file are read, empty ones (BGZF's end marks, also in the middle) included.
///
/// # Errors
/// When the file cannot be opened or its first bytes cannot be read. A cut-off gzip stream shows up
/// later, as an `UnexpectedEof` from the reader.
pub fn open(path: &Path) -> Result<Box<dyn BufRead + Send>> {
    let raw: Box<dyn Read + Send> = if path.as_os_str() == "-" {
        Box::new(io::stdin())
    } else {
        Box::new(File::open(path).map_err(Error::io(path))?)
    };
    let mut raw = BufReader::with_capacity(BUFFER, raw);
    let start = raw.fill_buf().map_err(Error::io(path))?;
    let bgzf = bgzf::is_bgzf(start);
    let gzip = start.starts_with(&[0x1f, 0x8b]);
    Ok(if bgzf {
        Box::new(BufReader::with_capacity(BUFFER, bgzf::Reader::new(raw)))
    } else if gzip {
        Box::new(BufReader::with_capacity(BUFFER, MultiGzDecoder::new(raw)))
    } else {
        Box::new(raw)
    })
}
