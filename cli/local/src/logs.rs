//! Log groups as files: one NDJSON line per event, limited in size and age, readable from a cursor. A SIGKILL can cut
//! off only the last line, and readers skip incomplete lines. This module does not depend on functions: a group is only
//! a name.

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
pub use files::LogEventPage;
use writer::{LogWriter, WriterCommand};

/// The size at which a group continues in a new file, in bytes. The previous file is kept, older ones are deleted.
pub const MAX_FILE_BYTES: u64 = 10 * 1024 * 1024;
/// The maximum total size of events that wait for the writer, in bytes.
const MAX_QUEUED_BYTES: usize = 16 * 1024 * 1024;
/// The maximum number of events that wait for the writer.
const MAX_QUEUED_EVENTS: usize = 64 * 1024;
/// The maximum size of a message, in bytes; longer ones are truncated. `CloudWatch` Logs accepts events of 1 MB and adds 26 bytes
/// to each message (its guide, "`CloudWatch` Logs quotas").
pub const MAX_MESSAGE_BYTES: usize = 1024 * 1024 - 26;
/// The maximum time that a reader waits for the writer.
const FLUSH_TIMEOUT: Duration = Duration::from_secs(1);

/// One event of a log group.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogEvent {
    /// The time of writing, in milliseconds since the Unix epoch.
    pub timestamp: u64,
    /// The line, without its newline.
    pub message: String,
}

/// The selection of events to read.
#[derive(Clone, Debug, Default)]
pub struct LogEventQuery {
    /// The cursor of the previous page; `None` starts at the oldest event.
    pub after: Option<String>,
    /// The earliest time of the events, in milliseconds since the Unix epoch.
    pub since_ms: u64,
    /// The maximum number of events; 0 means the default of 1,000.
    pub limit: usize,
}

/// The log groups of this machine. Clones share one writer.
///
/// Writing never blocks the caller: events go through a bounded channel to one writer thread. Events are dropped if the
/// channel is full or if they cannot be written. A line in the log then states their number.
#[derive(Clone)]
pub struct Logs {
    shared: Arc<Shared>,
}

struct Shared {
    dir: PathBuf,
    commands: SyncSender<WriterCommand>,
    queued_bytes: Arc<AtomicUsize>,
    dropped: Arc<AtomicU64>,
}

impl Logs {
    /// Opens the groups in `dir`. Creates the directory, readable by this user only, if it does not exist.
    pub fn open(dir: &Path) -> io::Result<Self> {
        Self::open_with_file_size(dir, MAX_FILE_BYTES)
    }

    /// Works as [`Logs::open`], with another maximum file size in bytes.
    pub fn open_with_file_size(dir: &Path, max_file_bytes: u64) -> io::Result<Self> {
        hitctl_platform::create_private_dir(dir)?;
        let (commands, queue) = mpsc::sync_channel(MAX_QUEUED_EVENTS);
        let queued_bytes = Arc::new(AtomicUsize::new(0));
        let dropped = Arc::new(AtomicU64::new(0));
        let writer = LogWriter::new(dir, max_file_bytes, Arc::clone(&queued_bytes), Arc::clone(&dropped));
        std::thread::Builder::new()
            .name("hitctl-logs".into())
            .stack_size(256 * 1024)
            .spawn(move || writer.run(&queue))?;
        Ok(Self { shared: Arc::new(Shared { dir: dir.to_owned(), commands, queued_bytes, dropped }) })
    }

    /// Appends an event to a group, which is created if it does not exist. Does not block.
    pub fn write(&self, group: &str, message: &str) {
        let message = message.trim_end_matches(['\n', '\r']);
        let message = &message[..message.floor_char_boundary(MAX_MESSAGE_BYTES)];
        let size = message.len();
        if self.shared.queued_bytes.fetch_add(size, Ordering::Relaxed) + size > MAX_QUEUED_BYTES {
            self.count_dropped(size);
            return;
        }
        let command =
            WriterCommand::Write { group: group.to_owned(), time: now_ms(), message: message.to_owned() };
        if self.shared.commands.try_send(command).is_err() {
            self.count_dropped(size);
        }
    }

    fn count_dropped(&self, size: usize) {
        self.shared.queued_bytes.fetch_sub(size, Ordering::Relaxed);
        self.shared.dropped.fetch_add(1, Ordering::Relaxed);
    }

    /// Returns the number of events dropped since the last successful write.
    pub fn dropped(&self) -> u64 {
        self.shared.dropped.load(Ordering::Relaxed)
    }

    /// Creates a group and sets its retention in days. A group deleted by [`Logs::remove`] accepts events again.
    pub fn create_group(&self, group: &str, retention_days: u32) {
        let group = group.to_owned();
        self.run_on_writer(move |writer| writer.create_group(group, retention_days));
    }

    /// Deletes a group and its files. Later events are dropped until the group is created again.
    pub fn remove(&self, group: &str) {
        let group = group.to_owned();
        self.run_on_writer(move |writer| writer.delete_group(group));
    }

    /// Blocks until all earlier events are in their files, for at most one second.
    pub fn flush(&self) {
        self.run_on_writer(LogWriter::write_out);
    }

    /// Runs a closure on the writer thread and waits until it ends, for at most [`FLUSH_TIMEOUT`].
    fn run_on_writer(&self, work: impl FnOnce(&mut LogWriter) + Send + 'static) {
        let (done, finished) = mpsc::sync_channel(1);
        if self.shared.commands.send(WriterCommand::Run { work: Box::new(work), done }).is_ok() {
            // A timeout means that the disk blocks the writer. The caller continues anyway.
            let _ = finished.recv_timeout(FLUSH_TIMEOUT);
        }
    }

    /// Reads events of a group, oldest first. A group that does not exist has no events. Blocks on the disk.
    pub fn read(&self, group: &str, query: &LogEventQuery) -> io::Result<LogEventPage> {
        self.flush();
        files::read(&self.shared.dir, group, query)
    }
}

#[cfg(test)]
mod tests;
