//! One error type for the crate. A message names the file, the place in it, what is wrong there,
//! and what to try; a broken assumption of ours is a panic instead.

use std::io;
use std::path::{Path, PathBuf};

/// Result with this crate's [`Error`].
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Everything that can end a command early. Each ends the program with exit code 1.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The operating system refused: missing file or folder, no space, no permission.
    #[error("{}: {source}{}", path.display(), remedy_for(source))]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// A file's content is not what it should be.
    #[error("{file}{}: {what}. {remedy}", at_suffix(at))]
    Input {
        /// The file's name as the user gave it (`-` reads as `standard input`).
        file: String,
        /// The place in the file, as `record 18,204`, `line 7`, or empty for the whole file.
        at: String,
        /// What is wrong, without a full stop.
        what: String,
        /// What to try next, a sentence.
        remedy: String,
    },
    /// Options that contradict each other or the data.
    #[error("{what}. {remedy}")]
    Usage {
        /// What is wrong, without a full stop.
        what: String,
        /// What to try next, a sentence.
        remedy: String,
    },
    /// A device did not do what it was asked; where a CPU twin can take over, it does.
    #[error("device {device}: {what}. {remedy}")]
    Device {
        /// The adapter's name.
        device: String,
        /// What happened, without a full stop.
        what: String,
        /// What to try next, a sentence.
        remedy: String,
    },
    /// The command worked, and its answer is no: outputs differ, a demo variant was missed.
    #[error("{0}")]
    Failed(String),
}

fn at_suffix(at: &str) -> String {
    if at.is_empty() {
        String::new()
    } else {
        format!(", {at}")
    }
}

fn remedy_for(source: &io::Error) -> &'static str {
    match source.kind() {
        io::ErrorKind::NotFound => ". Check the path; the folder of an output must exist.",
        io::ErrorKind::PermissionDenied => ". Check the permissions of the file and its folder.",
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded | io::ErrorKind::FileTooLarge => {
            ". Free some space or choose another folder; nothing unfinished was left behind."
        }
        _ => "",
    }
}

impl Error {
    /// An I/O error with the path it happened on. Use as `.map_err(Error::io(path))`.
    pub fn io(path: impl AsRef<Path>) -> impl FnOnce(io::Error) -> Error {
        let path = path.as_ref().to_path_buf();
        move |source| Error::Io { path, source }
    }

    /// Content that is wrong at a place in a file.
    pub fn input(
        file: impl Into<String>,
        at: impl Into<String>,
        what: impl Into<String>,
        remedy: impl Into<String>,
    ) -> Error {
        Error::Input {
            file: file.into(),
            at: at.into(),
            what: what.into(),
            remedy: remedy.into(),
        }
    }

    /// Options that cannot be met.
    pub fn usage(what: impl Into<String>, remedy: impl Into<String>) -> Error {
        Error::Usage {
            what: what.into(),
            remedy: remedy.into(),
        }
    }

    /// True when the other end of a pipe has gone away, which is no error of ours.
    pub fn is_broken_pipe(&self) -> bool {
        matches!(self, Error::Io { source, .. } if source.kind() == io::ErrorKind::BrokenPipe)
    }
}

/// `18204` as `18,204`, for messages.
pub fn thousands(n: u64) -> String {
    let digits = n.to_string();
    let mut out = String::with_capacity(digits.len() + digits.len() / 3);
    for (i, c) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            out.push(',');
        }
        out.push(c);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_names_file_place_and_remedy() {
        let e = Error::input(
            "r.fq",
            "record 18,204",
            "151 bases but 150 qualities",
            "Try gzip -t.",
        );
        assert_eq!(
            e.to_string(),
            "r.fq, record 18,204: 151 bases but 150 qualities. Try gzip -t."
        );
    }

    #[test]
    fn thousands_are_grouped_from_the_right() {
        assert_eq!(thousands(7), "7");
        assert_eq!(thousands(123), "123");
        assert_eq!(thousands(18204), "18,204");
        assert_eq!(thousands(1_234_567), "1,234,567");
    }
}
