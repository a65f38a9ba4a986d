//! The one thread that writes log files.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{File, OpenOptions};
use std::io::{self, Read as _, Seek as _, SeekFrom, Write as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender};
use std::time::{Duration, UNIX_EPOCH};

use super::files::{self, Line};
use crate::clock::now_ms;
use crate::state::own;

/// How often files are looked at for events past their retention.
const SWEEP: Duration = Duration::from_hours(1);
/// How many jobs are gathered into one write.
const BATCH: usize = 1_024;

/// What the writer is asked to do.
pub(super) enum Job {
    /// Append an event.
    Write { group: String, time: u64, message: String },
    /// Do something else, and say that it is done.
    Order { work: Box<dyn FnOnce(&mut Writer) + Send>, done: SyncSender<()> },
}

pub(super) struct Writer {
    dir: PathBuf,
    rotate_at: u64,
    waiting_bytes: Arc<AtomicUsize>,
    lost: Arc<AtomicU64>,
    groups: BTreeMap<String, Group>,
    retention: BTreeMap<String, u32>,
    removed: BTreeSet<String>,
}

/// An open group.
struct Group {
    stem: String,
    generation: u64,
    file: File,
    size: u64,
    /// The file does not end in a newline: a write failed half-way, or a process died in it.
    torn: bool,
    /// What this batch adds.
    pending: Vec<u8>,
    events: u64,
}

impl Writer {
    pub(super) fn new(
        dir: &Path,
        rotate_at: u64,
        waiting_bytes: Arc<AtomicUsize>,
        lost: Arc<AtomicU64>,
    ) -> Self {
        Self {
            dir: dir.to_owned(),
            rotate_at,
            waiting_bytes,
            lost,
            groups: BTreeMap::new(),
            retention: BTreeMap::new(),
            removed: BTreeSet::new(),
        }
    }

    /// Works until every [`Logs`](super::Logs) is gone.
    pub(super) fn run(mut self, queue: &Receiver<Job>) {
        loop {
            match queue.recv_timeout(SWEEP) {
                Ok(job) => self.take(job),
                Err(RecvTimeoutError::Timeout) => self.sweep(),
                Err(RecvTimeoutError::Disconnected) => return,
            }
            for job in queue.try_iter().take(BATCH) {
                self.take(job);
            }
            self.write_out();
        }
    }

    fn take(&mut self, job: Job) {
        match job {
            Job::Write { group, time, message } => {
                self.waiting_bytes.fetch_sub(message.len(), Ordering::Relaxed);
                if self.add(&group, time, &message).is_err() {
                    self.lost.fetch_add(1, Ordering::Relaxed);
                }
            }
            Job::Order { work, done } => {
                work(self);
                // Who waits may have given up.
                let _ = done.try_send(());
            }
        }
    }

    /// Declares a group and its retention.
    pub(super) fn keep(&mut self, group: String, days: u32) {
        self.removed.remove(&group);
        self.retention.insert(group, days);
        self.sweep();
    }

    /// Removes a group and its files.
    pub(super) fn remove(&mut self, group: String) {
        self.groups.remove(&group);
        self.retention.remove(&group);
        let stem = files::stem(&group);
        for generation in files::generations(&self.dir, &stem).unwrap_or_default() {
            drop(std::fs::remove_file(files::path(&self.dir, &stem, generation)));
        }
        self.removed.insert(group);
    }

    fn add(&mut self, group: &str, time: u64, message: &str) -> io::Result<()> {
        if self.removed.contains(group) {
            return Ok(());
        }
        if !self.groups.contains_key(group) {
            let opened = Group::open(&self.dir, group)?;
            self.groups.insert(group.to_owned(), opened);
        }
        let Some(open) = self.groups.get_mut(group) else { return Ok(()) };
        serde_json::to_writer(&mut open.pending, &Line { t: time, m: message.into() })?;
        open.pending.push(b'\n');
        open.events += 1;
        Ok(())
    }

    /// Writes what the batch gathered: one call a group.
    pub(super) fn write_out(&mut self) {
        for group in self.groups.values_mut().filter(|group| !group.pending.is_empty()) {
            let missed = self.lost.swap(0, Ordering::Relaxed);
            if missed > 0 {
                let message = format!("hitctl: {missed} log events could not be written");
                let line = Line { t: now_ms(), m: message.into() };
                // Writing to memory cannot fail.
                drop(serde_json::to_writer(&mut group.pending, &line));
                group.pending.push(b'\n');
            }
            if group.write().is_err() {
                self.lost.fetch_add(missed + group.events, Ordering::Relaxed);
            }
            group.pending.clear();
            group.pending.shrink_to(64 * 1024);
            group.events = 0;
            if group.size >= self.rotate_at {
                // A rotation that fails is tried again after the next write.
                drop(group.rotate(&self.dir));
            }
        }
    }

    /// Removes files whose last event is older than the group keeps.
    fn sweep(&mut self) {
        let now = now_ms();
        for (group, days) in &self.retention {
            let stem = files::stem(group);
            let oldest = now.saturating_sub(u64::from(*days) * 86_400_000);
            for generation in files::generations(&self.dir, &stem).unwrap_or_default() {
                let path = files::path(&self.dir, &stem, generation);
                let written = path.metadata().and_then(|meta| meta.modified()).ok();
                let written = written.and_then(|time| time.duration_since(UNIX_EPOCH).ok());
                if written.is_some_and(|time| time.as_millis() < u128::from(oldest)) {
                    self.groups.remove(group);
                    drop(std::fs::remove_file(path));
                }
            }
        }
    }
}

impl Group {
    /// Opens the newest file of a group, or makes its first.
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
        Ok(Self { stem, generation, file, size, torn: last != *b"\n", pending: Vec::new(), events: 0 })
    }

    fn write(&mut self) -> io::Result<()> {
        if self.torn {
            self.file.write_all(b"\n")?;
            self.torn = false;
            self.size += 1;
        }
        self.file.write_all(&self.pending).inspect_err(|_| self.torn = true)?;
        self.size += self.pending.len() as u64;
        Ok(())
    }

    /// Goes on in a new file; keeps the one before, removes older ones.
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

/// Opens a file for appending that only this user can read.
fn create(path: &Path) -> io::Result<File> {
    own(OpenOptions::new().read(true).append(true).create(true)).open(path)
}
