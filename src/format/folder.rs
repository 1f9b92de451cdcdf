//! A folder of outputs that get their names together.

use crate::{Error, Result};
use std::fs;
use std::path::{Path, PathBuf};

/// Files are written into a temporary folder (`.theralign-….tmp`) beside the one they are for.
/// [`OutputFolder::finish`] moves them there; dropped before that, they vanish.
#[derive(Debug)]
pub struct OutputFolder {
    path: PathBuf,
    temporary: tempfile::TempDir,
}

impl OutputFolder {
    /// Makes the temporary folder. `path` may exist already; the folder it stands in must.
    pub fn create(path: &Path) -> Result<OutputFolder> {
        if path.exists() && !path.is_dir() {
            return Err(Error::usage(
                format!("{} is a file", path.display()),
                "Name a folder for the outputs.",
            ));
        }
        let beside = path
            .parent()
            .filter(|p| !p.as_os_str().is_empty())
            .unwrap_or(Path::new("."));
        let temporary = tempfile::Builder::new()
            .prefix(".theralign-")
            .suffix(".tmp")
            .tempdir_in(beside)
            .map_err(Error::io(path))?;
        Ok(OutputFolder {
            path: path.to_path_buf(),
            temporary,
        })
    }

    /// Where the outputs will stand.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Where a file is written until then.
    pub fn file(&self, name: &str) -> PathBuf {
        self.temporary.path().join(name)
    }

    /// The files written so far, by name.
    pub fn names(&self) -> Result<Vec<String>> {
        let folder = self.temporary.path();
        let mut names = Vec::new();
        for entry in fs::read_dir(folder).map_err(Error::io(folder))? {
            let name = entry.map_err(Error::io(folder))?.file_name();
            names.push(name.to_string_lossy().into_owned());
        }
        names.sort();
        Ok(names)
    }

    /// An error about a file in the making, told of the file that it was to become.
    pub fn told(&self, error: Error) -> Error {
        let place = |path: PathBuf| match path.strip_prefix(self.temporary.path()) {
            Ok(name) => self.path.join(name),
            Err(_) => path,
        };
        match error {
            Error::Io { path, source } => Error::Io {
                path: place(path),
                source,
            },
            Error::Input {
                file,
                at,
                what,
                remedy,
            } => Error::Input {
                file: place(file.into()).display().to_string(),
                at,
                what,
                remedy,
            },
            other => other,
        }
    }

    /// Moves everything to where it belongs. `last` tells that a folder is whole: an old one is taken
    /// away first, the new one is moved after all others. Other files of an existing folder stay.
    pub fn finish(self, last: &str) -> Result<()> {
        fs::create_dir_all(&self.path).map_err(Error::io(&self.path))?;
        let mark = self.path.join(last);
        if mark.exists() {
            fs::remove_file(&mark).map_err(Error::io(&mark))?;
        }
        let mut names = self.names()?;
        names.sort_by_key(|name| name == last);
        for name in names {
            let to = self.path.join(&name);
            fs::rename(self.file(&name), &to).map_err(Error::io(&to))?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(path: &Path) -> Vec<String> {
        let mut all: Vec<String> = fs::read_dir(path)
            .unwrap()
            .map(|e| e.unwrap().file_name().into_string().unwrap())
            .collect();
        all.sort();
        all
    }

    #[test]
    fn outputs_appear_together_and_failures_leave_nothing() {
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join("out");
        let folder = OutputFolder::create(&path).unwrap();
        fs::write(folder.file("a"), "1").unwrap();
        assert!(!path.exists());
        for (file, told) in [
            (folder.file("a"), path.join("a")),
            ("r.fq".into(), "r.fq".into()),
        ] {
            let error = Error::input(file.display().to_string(), "", "x", "Y.");
            let text = folder.told(error).to_string();
            assert_eq!(text, format!("{}: x. Y.", told.display()));
        }
        drop(folder);
        assert_eq!(names(place.path()), [""; 0]);

        let folder = OutputFolder::create(&path).unwrap();
        fs::write(folder.file("a"), "1").unwrap();
        fs::write(folder.file("run.json"), "1").unwrap();
        folder.finish("run.json").unwrap();
        assert_eq!(names(&path), ["a", "run.json"]);

        let folder = OutputFolder::create(&path).unwrap();
        fs::write(folder.file("a"), "2").unwrap();
        fs::write(folder.file("run.json"), "2").unwrap();
        folder.finish("run.json").unwrap();
        assert_eq!(fs::read_to_string(path.join("a")).unwrap(), "2");
        assert_eq!(names(place.path()), ["out"]);
        assert!(OutputFolder::create(&path.join("a")).is_err());
    }
}
