//! Reads and inflates a file on a thread of its own and hands it over in chunks, so that the two
//! files of a pair inflate side by side while the reads before are parsed and aligned.

use super::input;
use crate::{Error, Result};
use std::io::{self, Read};
use std::path::Path;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread;
use std::time::{Duration, Instant};

/// Bytes of file in a chunk.
const CHUNK: usize = 1 << 20;
/// Chunks that wait to be taken, at most.
const WAITING: usize = 4;
/// Room in front of a chunk for what was left of the one before: no record can be longer.
pub(super) const HEADROOM: usize = 1 << 18;

enum Message {
    /// `HEADROOM` bytes of anything, then bytes of the file.
    Chunk(Vec<u8>),
    /// All was read, in so much time.
    End(Duration),
    /// The file could not be opened.
    Refused(Error),
    /// Reading or inflating failed after the chunks before.
    Broken(io::Error),
}

/// The part of a file that is in memory; see [`Window::bytes`].
pub(super) struct Window {
    messages: Receiver<Message>,
    spent: SyncSender<Vec<u8>>,
    buffer: Vec<u8>,
    start: usize,
    ended: bool,
    /// How long it waited for bytes, and how long reading and inflating them took.
    waited: Duration,
    inflating: Duration,
}

/// Why a window gets no further.
pub(super) enum Stop {
    /// The record at hand is longer than [`HEADROOM`].
    TooLong,
    /// The file could not be opened.
    Refused(Error),
    /// Reading or inflating failed.
    Broken(io::Error),
}

impl Window {
    /// Starts reading a file (plain, gzip or BGZF; `-` is standard input).
    pub(super) fn open(path: &Path) -> Result<Window> {
        let (sender, messages) = sync_channel(WAITING);
        let (spent, recycled) = sync_channel(WAITING);
        let owned = path.to_path_buf();
        // Not joined: it ends when its file does, or at the next chunk after the window is dropped.
        thread::Builder::new()
            .name("fastq".into())
            .spawn(move || read_chunks(&owned, &sender, &recycled))
            .map_err(Error::io(path))?;
        Ok(Window {
            messages,
            spent,
            buffer: Vec::new(),
            start: 0,
            ended: false,
            waited: Duration::ZERO,
            inflating: Duration::ZERO,
        })
    }

    /// What was read and not yet used.
    pub(super) fn bytes(&self) -> &[u8] {
        &self.buffer[self.start..]
    }

    /// No byte of the file comes after [`Window::bytes`].
    pub(super) fn ended(&self) -> bool {
        self.ended
    }

    /// Gives up the first `n` bytes.
    pub(super) fn advance(&mut self, n: usize) {
        self.start += n;
    }

    /// How long it waited for bytes, and how long reading and inflating them took; that is known at the end.
    pub(super) fn times(&self) -> (Duration, Duration) {
        (self.waited, self.inflating)
    }

    /// Makes [`Window::bytes`] longer, or sets [`Window::ended`].
    pub(super) fn read_more(&mut self) -> Result<(), Stop> {
        let rest = self.buffer.len() - self.start;
        if rest > HEADROOM {
            return Err(Stop::TooLong);
        }
        let start = Instant::now();
        let message = self.messages.recv().expect("the reading thread panicked");
        self.waited += start.elapsed();
        match message {
            Message::Chunk(mut chunk) => {
                let start = HEADROOM - rest;
                chunk[start..HEADROOM].copy_from_slice(&self.buffer[self.start..]);
                let spent = std::mem::replace(&mut self.buffer, chunk);
                let _ = self.spent.try_send(spent); // the thread may have ended
                self.start = start;
            }
            Message::End(time) => {
                self.ended = true;
                self.inflating = time;
            }
            Message::Refused(e) => return Err(Stop::Refused(e)),
            Message::Broken(e) => return Err(Stop::Broken(e)),
        }
        Ok(())
    }
}

fn read_chunks(path: &Path, sender: &SyncSender<Message>, recycled: &Receiver<Vec<u8>>) {
    let mut busy = Duration::ZERO;
    let mut reader = match input::open(path) {
        Ok(reader) => reader,
        Err(e) => {
            let _ = sender.send(Message::Refused(e));
            return;
        }
    };
    loop {
        let mut chunk = recycled.try_recv().unwrap_or_default();
        chunk.resize(HEADROOM + CHUNK, 0);
        let mut filled = HEADROOM;
        let start = Instant::now();
        let outcome = loop {
            match reader.read(&mut chunk[filled..]) {
                Ok(0) if filled < chunk.len() => {
                    break Some(Message::End(busy + start.elapsed()));
                }
                Ok(0) => break None,
                Ok(n) => filled += n,
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(e) => break Some(Message::Broken(e)),
            }
        };
        busy += start.elapsed();
        chunk.truncate(filled);
        // A failed send means that nobody reads any more.
        if filled > HEADROOM && sender.send(Message::Chunk(chunk)).is_err() {
            return;
        }
        if let Some(last) = outcome {
            let _ = sender.send(last);
            return;
        }
    }
}
