//! Log groups as files: one NDJSON line an event, bounded in size and age, readable from a cursor.
//!
//! Writing never blocks the caller: lines go through a bounded channel to one writer thread. What does not fit (or cannot
//! be written, on a full disk) is counted and said in the log itself, never waited for. A SIGKILL can tear the last line
//! only; readers skip what is no whole line. This module knows nothing of functions: a group is a name.

mod files;
mod writer;

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::mpsc::{self, SyncSender};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::clock::now_ms;
use crate::state::make_dir;
pub use files::Page;
use writer::{Job, Writer};

/// One file of a group grows to this many bytes; the one before it is kept, older ones go.
pub const ROTATE_AT: u64 = 10 * 1024 * 1024;
/// At most this many bytes wait for the writer.
const QUEUE_BYTES: usize = 16 * 1024 * 1024;
/// At most this many events wait for the writer.
const QUEUE_EVENTS: usize = 64 * 1024;
/// The longest message, in bytes; a longer one is cut. `CloudWatch` Logs accepts events of 1 MB and adds 26 bytes to each message
/// (its guide, "`CloudWatch` Logs quotas").
pub const MESSAGE_BYTES: usize = 1024 * 1024 - 26;
/// How long a reader waits for the writer to catch up.
const FLUSH_WAIT: Duration = Duration::from_secs(1);

/// One event of a log group.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogEvent {
    /// When it was written, in milliseconds since the Unix epoch.
    pub timestamp: u64,
    /// The line, without its newline.
    pub message: String,
}

/// What a reader asks for.
#[derive(Clone, Debug, Default)]
pub struct Query {
    /// Where the last page ended; `None` starts at the oldest event.
    pub after: Option<String>,
    /// Only events at or after this time, in milliseconds since the Unix epoch.
    pub since_ms: u64,
    /// At most so many events; 0 means the default of 1,000.
    pub limit: usize,
}

/// The log groups of this machine. Clones share one writer.
#[derive(Clone)]
pub struct Logs {
    shared: Arc<Shared>,
}

struct Shared {
    dir: PathBuf,
    jobs: SyncSender<Job>,
    waiting_bytes: Arc<AtomicUsize>,
    lost: Arc<AtomicU64>,
}

impl Logs {
    /// Opens the groups kept in `dir`, which is made (for this user only) when it is not there.
    pub fn open(dir: &Path) -> io::Result<Self> {
        Self::open_rotating(dir, ROTATE_AT)
    }

    /// As [`Logs::open`], with files of another size.
    pub fn open_rotating(dir: &Path, rotate_at: u64) -> io::Result<Self> {
        make_dir(dir)?;
        let (jobs, queue) = mpsc::sync_channel(QUEUE_EVENTS);
        let waiting_bytes = Arc::new(AtomicUsize::new(0));
        let lost = Arc::new(AtomicU64::new(0));
        let writer = Writer::new(dir, rotate_at, Arc::clone(&waiting_bytes), Arc::clone(&lost));
        std::thread::Builder::new()
            .name("hitctl-logs".into())
            .stack_size(256 * 1024)
            .spawn(move || writer.run(&queue))?;
        Ok(Self { shared: Arc::new(Shared { dir: dir.to_owned(), jobs, waiting_bytes, lost }) })
    }

    /// Appends an event to a group, which is made when it is not there. Returns at once.
    pub fn write(&self, group: &str, message: &str) {
        let message = message.trim_end_matches(['\n', '\r']);
        let message = &message[..message.floor_char_boundary(MESSAGE_BYTES)];
        let size = message.len();
        if self.shared.waiting_bytes.fetch_add(size, Ordering::Relaxed) + size > QUEUE_BYTES {
            self.lose(size);
            return;
        }
        let job = Job::Write { group: group.to_owned(), time: now_ms(), message: message.to_owned() };
        if self.shared.jobs.try_send(job).is_err() {
            self.lose(size);
        }
    }

    fn lose(&self, size: usize) {
        self.shared.waiting_bytes.fetch_sub(size, Ordering::Relaxed);
        self.shared.lost.fetch_add(1, Ordering::Relaxed);
    }

    /// How many events could not be written since the last that could.
    pub fn lost(&self) -> u64 {
        self.shared.lost.load(Ordering::Relaxed)
    }

    /// Declares a group: it is written to again after a [`Logs::remove`], and forgets after `days`.
    pub fn keep(&self, group: &str, days: u32) {
        let group = group.to_owned();
        self.order(move |writer| writer.keep(group, days));
    }

    /// Removes a group and its files. What is written to it later is dropped, until it is declared again.
    pub fn remove(&self, group: &str) {
        let group = group.to_owned();
        self.order(move |writer| writer.remove(group));
    }

    /// Waits until everything written before this call is in its file; gives up after a second. Blocks.
    pub fn flush(&self) {
        self.order(Writer::write_out);
    }

    /// Has the writer do something and waits, bounded, for its answer.
    fn order(&self, work: impl FnOnce(&mut Writer) + Send + 'static) {
        let (done, answer) = mpsc::sync_channel(1);
        if self.shared.jobs.send(Job::Order { work: Box::new(work), done }).is_ok() {
            // A writer that is slower than this is stuck on its disk; the caller goes on without it.
            let _ = answer.recv_timeout(FLUSH_WAIT);
        }
    }

    /// Reads events of a group, oldest first. A group that is not there has none. Blocks on the disk.
    pub fn read(&self, group: &str, query: &Query) -> io::Result<Page> {
        self.flush();
        files::read(&self.shared.dir, group, query)
    }
}

#[cfg(test)]
mod tests;
