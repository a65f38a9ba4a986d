//! The single thread that writes log files: it appends events, rotates files and deletes expired ones.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{File, OpenOptions};
use std::io::{self, Read as _, Seek as _, SeekFrom, Write as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender};
use std::time::{Duration, UNIX_EPOCH};

use hitctl_engine::plural;

use super::files::{self, NdjsonLine};
use crate::clock::now_ms;

/// The idle time after which the writer deletes files that exceed their retention.
const SWEEP_INTERVAL: Duration = Duration::from_hours(1);
/// The maximum number of commands in one write.
const MAX_BATCH_COMMANDS: usize = 1_024;

/// A command for the writer.
pub(super) enum WriterCommand {
    /// Append an event; `time` is in milliseconds since the Unix epoch.
    Write { group: String, time: u64, message: String },
    /// Run a closure, then signal its end.
    Run { work: Box<dyn FnOnce(&mut LogWriter) + Send>, done: SyncSender<()> },
}

pub(super) struct LogWriter {
    dir: PathBuf,
    max_file_bytes: u64,
    /// The size of all queued messages; shared with [`Logs`](super::Logs).
    queued_bytes: Arc<AtomicUsize>,
    /// The number of events dropped since the last successful write; shared with [`Logs`](super::Logs).
    dropped: Arc<AtomicU64>,
    groups: BTreeMap<String, OpenGroup>,
    /// The retention in days, by group.
    retention: BTreeMap<String, u32>,
    /// The deleted groups, whose late events are ignored.
    deleted_groups: BTreeSet<String>,
}

/// The newest file of a group, open for appending, and its unwritten lines.
struct OpenGroup {
    stem: String,
    /// The number in the name of `file`; see [`files`].
    generation: u64,
    file: File,
    size: u64,
    /// Whether the file does not end with a newline, because a write failed or the process ended during a write.
    incomplete_line: bool,
    /// The lines of the current batch.
    pending: Vec<u8>,
    /// The number of events in `pending`.
    events: u64,
}

impl LogWriter {
    pub(super) fn new(
        dir: &Path,
        max_file_bytes: u64,
        queued_bytes: Arc<AtomicUsize>,
        dropped: Arc<AtomicU64>,
    ) -> Self {
        Self {
            dir: dir.to_owned(),
            max_file_bytes,
            queued_bytes,
            dropped,
            groups: BTreeMap::new(),
            retention: BTreeMap::new(),
            deleted_groups: BTreeSet::new(),
        }
    }

    /// Processes commands until every [`Logs`](super::Logs) is dropped.
    pub(super) fn run(mut self, queue: &Receiver<WriterCommand>) {
        loop {
            match queue.recv_timeout(SWEEP_INTERVAL) {
                Ok(command) => self.execute(command),
                Err(RecvTimeoutError::Timeout) => self.sweep(),
                Err(RecvTimeoutError::Disconnected) => return,
            }
            for command in queue.try_iter().take(MAX_BATCH_COMMANDS) {
                self.execute(command);
            }
            self.write_out();
        }
    }

    fn execute(&mut self, command: WriterCommand) {
        match command {
            WriterCommand::Write { group, time, message } => {
                self.queued_bytes.fetch_sub(message.len(), Ordering::Relaxed);
                if self.append(&group, time, &message).is_err() {
                    self.dropped.fetch_add(1, Ordering::Relaxed);
                }
            }
            WriterCommand::Run { work, done } => {
                work(self);
                // The caller may have stopped waiting.
                let _ = done.try_send(());
            }
        }
    }

    /// Creates a group and sets its retention in days.
    pub(super) fn create_group(&mut self, group: String, retention_days: u32) {
        self.deleted_groups.remove(&group);
        self.retention.insert(group, retention_days);
        self.sweep();
    }

    /// Deletes a group and its files.
    pub(super) fn delete_group(&mut self, group: String) {
        self.groups.remove(&group);
        self.retention.remove(&group);
        let stem = files::stem(&group);
        for generation in files::generations(&self.dir, &stem).unwrap_or_default() {
            drop(std::fs::remove_file(files::path(&self.dir, &stem, generation)));
        }
        self.deleted_groups.insert(group);
    }

    fn append(&mut self, group: &str, time: u64, message: &str) -> io::Result<()> {
        if self.deleted_groups.contains(group) {
            return Ok(());
        }
        if !self.groups.contains_key(group) {
            let new_group = OpenGroup::open(&self.dir, group)?;
            self.groups.insert(group.to_owned(), new_group);
        }
        let Some(group) = self.groups.get_mut(group) else { return Ok(()) };
        serde_json::to_writer(&mut group.pending, &NdjsonLine { t: time, m: message.into() })?;
        group.pending.push(b'\n');
        group.events += 1;
        Ok(())
    }

    /// Writes the lines of the batch, with one call per group.
    pub(super) fn write_out(&mut self) {
        for group in self.groups.values_mut().filter(|group| !group.pending.is_empty()) {
            let dropped_events = self.dropped.swap(0, Ordering::Relaxed);
            if dropped_events > 0 {
                let message = format!("hitctl: failed to write {}", plural(dropped_events, "log event"));
                let line = NdjsonLine { t: now_ms(), m: message.into() };
                // Writing to memory cannot fail.
                drop(serde_json::to_writer(&mut group.pending, &line));
                group.pending.push(b'\n');
            }
            if group.write().is_err() {
                self.dropped.fetch_add(dropped_events + group.events, Ordering::Relaxed);
            }
            group.pending.clear();
            group.pending.shrink_to(64 * 1024);
            group.events = 0;
            if group.size >= self.max_file_bytes {
                // A failed rotation is retried after the next write.
                drop(group.rotate(&self.dir));
            }
        }
    }

    /// Deletes files whose last event is older than the group's retention.
    fn sweep(&mut self) {
        let now = now_ms();
        for (group, retention_days) in &self.retention {
            let stem = files::stem(group);
            let cutoff_ms = now.saturating_sub(u64::from(*retention_days) * 86_400_000);
            for generation in files::generations(&self.dir, &stem).unwrap_or_default() {
                let path = files::path(&self.dir, &stem, generation);
                let modified = path.metadata().and_then(|meta| meta.modified()).ok();
                let modified = modified.and_then(|time| time.duration_since(UNIX_EPOCH).ok());
                if modified.is_some_and(|time| time.as_millis() < u128::from(cutoff_ms)) {
                    self.groups.remove(group);
                    drop(std::fs::remove_file(path));
                }
            }
        }
    }
}

impl OpenGroup {
    /// Opens the newest file of a group, or creates its first.
    fn open(dir: &Path, group: &str) -> io::Result<Self> {
        let stem = files::stem(group);
        let generation = files::generations(dir, &stem)?.last().copied().unwrap_or(1);
        let mut file = create(&files::path(dir, &stem, generation))?;
        let size = file.seek(SeekFrom::End(0))?;
        let mut last = *b"\n";
        if size > 0 {
            file.seek(SeekFrom::End(-1))?;
            file.read_exact(&mut last)?;
        }
        Ok(Self {
            stem,
            generation,
            file,
            size,
            incomplete_line: last != *b"\n",
            pending: Vec::new(),
            events: 0,
        })
    }

    fn write(&mut self) -> io::Result<()> {
        if self.incomplete_line {
            self.file.write_all(b"\n")?;
            self.incomplete_line = false;
            self.size += 1;
        }
        self.file.write_all(&self.pending).inspect_err(|_| self.incomplete_line = true)?;
        self.size += self.pending.len() as u64;
        Ok(())
    }

    /// Continues in a new file, keeps the previous one and deletes older ones.
    fn rotate(&mut self, dir: &Path) -> io::Result<()> {
        let next = self.generation + 1;
        self.file = create(&files::path(dir, &self.stem, next))?;
        self.generation = next;
        self.size = 0;
        for old in files::generations(dir, &self.stem)?.into_iter().filter(|old| old + 1 < next) {
            std::fs::remove_file(files::path(dir, &self.stem, old))?;
        }
        Ok(())
    }
}

/// Opens or creates a file for appending, readable by this user only.
fn create(path: &Path) -> io::Result<File> {
    hitctl_platform::private_options(OpenOptions::new().read(true).append(true).create(true)).open(path)
}
