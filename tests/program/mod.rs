//! What the black-box tests share: the binary, the demo's data, folders that vanish.
#![allow(dead_code, reason = "each test file uses its own part")]

use std::ffi::OsStr;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::OnceLock;

/// The program under test.
pub const PROGRAM: &str = env!("CARGO_BIN_EXE_theralign");

/// What a run of the program came to.
pub struct Done {
    /// The exit code; `None` if a signal ended it.
    pub code: Option<i32>,
    /// Data.
    pub stdout: Vec<u8>,
    /// Talk.
    pub stderr: String,
}

impl Done {
    /// Exit code 0, or a panic that shows what was said.
    pub fn fine(self) -> Done {
        assert_eq!(self.code, Some(0), "{}", self.stderr);
        self
    }

    /// Exit code 1 and one message, the last line, that holds every part.
    pub fn complains(&self, parts: &[&str]) {
        assert_eq!(self.code, Some(1), "{}", self.stderr);
        let messages = self.stderr.lines().filter(|l| l.starts_with("theralign: "));
        assert_eq!(messages.count(), 1, "{}", self.stderr);
        let last = self.stderr.lines().last().unwrap();
        assert!(last.starts_with("theralign: "), "{}", self.stderr);
        for part in parts {
            assert!(last.contains(part), "no {part:?} in: {last}");
        }
    }
}

impl From<Output> for Done {
    fn from(output: Output) -> Done {
        Done {
            code: output.status.code(),
            stdout: output.stdout,
            stderr: String::from_utf8(output.stderr).expect("messages are UTF-8"),
        }
    }
}

/// The program, ready to be given arguments; standard input is empty.
pub fn command<S: AsRef<OsStr>>(args: &[S]) -> Command {
    let mut command = Command::new(PROGRAM);
    command.args(args).stdin(Stdio::null());
    command
}

/// Runs the program.
pub fn theralign<S: AsRef<OsStr>>(args: &[S]) -> Done {
    command(args).output().expect("the program starts").into()
}

/// A file of the demo.
pub fn demo(name: &str) -> String {
    format!("{}/testdata/demo/{name}", env!("CARGO_MANIFEST_DIR"))
}

/// The index of the demo's reference, made once.
pub fn index() -> &'static str {
    static INDEX: OnceLock<String> = OnceLock::new();
    INDEX.get_or_init(|| {
        let path = format!("{}/demo.tidx", env!("CARGO_TARGET_TMPDIR"));
        let reference = demo("reference.fa.gz");
        theralign(&["index", "--windows", &reference, "-o", &path]).fine();
        path
    })
}

/// `run` on the CPU with the demo's index, panel and genes; of the demo's reads, where no others are given.
pub fn run(sample: &str, out: &str, reads: Option<&[String; 2]>, more: &[&str]) -> Command {
    let (panel, genes) = (demo("panel.bed"), demo("genes.gff3.gz"));
    let own = [1, 2].map(|mate| demo(&format!("tumor_{mate}.fq.gz")));
    let reads = reads.unwrap_or(&own);
    let args = [
        &["run", "-x", index(), "--device", "cpu", "--panel", &panel][..],
        &["--genes", &genes, "--sample", sample, "-o", out],
        more,
        &[&reads[0], &reads[1]],
    ];
    command(&args.concat())
}

/// Inflates a gzip file.
pub fn inflated(path: impl AsRef<Path>) -> Vec<u8> {
    let mut text = Vec::new();
    let file = std::fs::File::open(&path).unwrap();
    flate2::read::MultiGzDecoder::new(file)
        .read_to_end(&mut text)
        .unwrap_or_else(|e| panic!("{}: {e}", path.as_ref().display()));
    text
}

/// A folder that vanishes with the value.
pub struct Folder(tempfile::TempDir);

impl Folder {
    /// An empty one.
    pub fn new() -> Folder {
        Folder(tempfile::tempdir().unwrap())
    }

    /// The path of a name in it.
    pub fn path(&self, name: &str) -> String {
        self.0.path().join(name).to_str().unwrap().to_string()
    }

    /// Writes a file and gives its path.
    pub fn file(&self, name: &str, bytes: impl AsRef<[u8]>) -> String {
        std::fs::write(self.0.path().join(name), bytes).unwrap();
        self.path(name)
    }

    /// The names in it, sorted.
    pub fn names(&self) -> Vec<String> {
        names(self.0.path())
    }

    /// The first `pairs` pairs of the demo's reads, as plain FASTQ; `every` takes one of so many.
    pub fn reads(&self, pairs: usize, every: usize) -> [String; 2] {
        [1, 2].map(|mate| {
            let text = inflated(demo(&format!("tumor_{mate}.fq.gz")));
            let lines: Vec<&[u8]> = text.split_inclusive(|&b| b == b'\n').collect();
            let records = lines.chunks(4).step_by(every).take(pairs);
            let chosen: Vec<u8> = records.flatten().copied().flatten().copied().collect();
            self.file(&format!("r{mate}.fq"), chosen)
        })
    }
}

/// The names in a folder, sorted.
pub fn names(folder: impl AsRef<Path>) -> Vec<String> {
    let mut names: Vec<String> = std::fs::read_dir(folder)
        .unwrap()
        .map(|e| e.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

/// Every file under a folder, by its path within.
pub fn files_under(folder: &Path) -> Vec<PathBuf> {
    let mut out = Vec::new();
    for name in names(folder) {
        let path = folder.join(&name);
        if path.is_dir() {
            let inner = files_under(&path);
            out.extend(inner.into_iter().map(|p| Path::new(&name).join(p)));
        } else {
            out.push(name.into());
        }
    }
    out
}
