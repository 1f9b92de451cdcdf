//! Lists of alternate loci as bwa takes them (`REF.fa.alt`): SAM, or names alone.

use super::input;
use crate::{Error, Result};
use std::collections::BTreeSet;
use std::io::BufRead;
use std::path::Path;

/// The names in the first column; lines that begin with `@` are a SAM header.
///
/// # Errors
/// When the file cannot be read.
pub fn read(path: &Path) -> Result<BTreeSet<String>> {
    let mut names = BTreeSet::new();
    for line in input::open(path)?.lines() {
        let line = line.map_err(Error::io(path))?;
        if line.starts_with('@') {
            continue;
        }
        names.extend(line.split_whitespace().next().map(String::from));
    }
    Ok(names)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    #[test]
    fn names_come_from_sam_and_from_lists() {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        write!(
            file,
            "@SQ\tSN:x\nchr1_alt\t0\tchr1\t5\nchr2_alt\n\nchr1_alt\t16\tchr1"
        )
        .unwrap();
        let names: Vec<String> = read(file.path()).unwrap().into_iter().collect();
        assert_eq!(names, ["chr1_alt", "chr2_alt"]);
    }
}
