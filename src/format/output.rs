//! Output files that get their name only when they are whole.

use crate::{Error, Result};
use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

/// A file that is written under a temporary name (`.theralign-….tmp`) in the folder it will stand
/// in. [`Output::finish`] gives it its name; dropped before that, it vanishes.
///
/// `-` is standard output. It, and what exists and is no ordinary file (a pipe, `/dev/null`), is
/// written to as it is.
#[derive(Debug)]
pub struct Output {
    path: PathBuf,
    file: BufWriter<Target>,
}

#[derive(Debug)]
enum Target {
    Temporary(tempfile::NamedTempFile),
    Stdout(io::Stdout),
    Special(File),
}

impl Write for Target {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Target::Temporary(file) => file.write(bytes),
            Target::Stdout(out) => out.write(bytes),
            Target::Special(file) => file.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Target::Temporary(file) => file.flush(),
            Target::Stdout(out) => out.flush(),
            Target::Special(file) => file.flush(),
        }
    }
}

impl Output {
    /// Opens a temporary file beside `path`.
    pub fn create(path: &Path) -> Result<Output> {
        let target = if path.as_os_str() == "-" {
            Target::Stdout(io::stdout())
        } else if path.metadata().is_ok_and(|m| !m.is_file()) {
            // A folder is refused here.
            Target::Special(
                File::options()
                    .write(true)
                    .open(path)
                    .map_err(Error::io(path))?,
            )
        } else {
            Target::Temporary(Self::temporary(path)?)
        };
        Ok(Output {
            path: path.to_path_buf(),
            file: BufWriter::with_capacity(1 << 20, target),
        })
    }

    fn temporary(path: &Path) -> Result<tempfile::NamedTempFile> {
        let folder = path
            .parent()
            .filter(|p| !p.as_os_str().is_empty())
            .unwrap_or(Path::new("."));
        tempfile::Builder::new()
            .prefix(".theralign-")
            .suffix(".tmp")
            .tempfile_in(folder)
            .map_err(Error::io(path))
    }

    /// Where it will stand.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Is it a file that gets its name at the end, not a pipe or the like?
    pub fn is_new_file(&self) -> bool {
        matches!(self.file.get_ref(), Target::Temporary(_))
    }

    /// Writes what is buffered and gives the file its name.
    pub fn finish(self) -> Result<()> {
        let mut target = self
            .file
            .into_inner()
            .map_err(|e| Error::io(&self.path)(e.into_error()))?;
        target.flush().map_err(Error::io(&self.path))?;
        if let Target::Temporary(file) = target {
            usual_permissions(file.as_file());
            file.persist(&self.path)
                .map_err(|e| Error::io(&self.path)(e.error))?;
        }
        Ok(())
    }

    /// Writes a whole file.
    pub fn write(path: &Path, bytes: &[u8]) -> Result<()> {
        let mut out = Output::create(path)?;
        out.write_all(bytes).map_err(Error::io(path))?;
        out.finish()
    }
}

impl Write for Output {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.file.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

/// Temporary files are private; what stays should be as readable as other files.
fn usual_permissions(file: &File) {
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        let _ = file.set_permissions(std::fs::Permissions::from_mode(0o644));
    }
    #[cfg(not(unix))]
    let _ = file;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_has_its_name_only_when_finished() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x");
        let mut out = Output::create(&path).unwrap();
        out.write_all(b"abc").unwrap();
        assert!(!path.exists());
        drop(out);
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
        Output::write(&path, b"abc").unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), b"abc");
        let missing = Output::create(&folder.path().join("no/x")).unwrap_err();
        assert!(missing.to_string().contains("must exist"), "{missing}");
    }

    #[cfg(unix)]
    #[test]
    fn a_device_is_written_to_and_not_replaced() {
        use std::os::unix::fs::FileTypeExt;
        let null = Path::new("/dev/null");
        Output::write(null, b"abc").unwrap();
        assert!(null.metadata().unwrap().file_type().is_char_device());
        let folder = tempfile::tempdir().unwrap();
        assert!(Output::write(folder.path(), b"abc").is_err());
    }
}
