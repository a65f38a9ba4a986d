//! Stores the queues in an SQLite database. Concurrent tasks share commits.
//!
//! A SIGKILL at any moment neither loses an acknowledged message nor restores a deleted one (see `sqlite`).

use std::path::Path;
use std::sync::{Arc, Mutex};

use hitctl_engine::Fault;
use rusqlite::Connection;
use tokio::runtime::Handle;
use tokio::sync::oneshot;

use crate::codes;
use crate::lock::lock;
use crate::{disk, sqlite};

/// The hint in errors about a damaged file.
const HINT: &str =
    "restore the file from a backup, or run `hitctl local reset`, which deletes all local data";

/// The schema. Columns that end in `_ms` hold a time, in milliseconds since the Unix epoch.
const SCHEMA: &str = "
    CREATE TABLE IF NOT EXISTS queues (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        name TEXT NOT NULL UNIQUE,
        created_ms INTEGER NOT NULL
    );
    CREATE TABLE IF NOT EXISTS messages (
        id INTEGER PRIMARY KEY,
        queue INTEGER NOT NULL, -- the `id` of the queue in `queues`
        message_id TEXT NOT NULL, -- the UUID that clients see
        body TEXT NOT NULL,
        md5 TEXT NOT NULL, -- the MD5 of `body`, in hex
        attributes TEXT, -- the message attributes in JSON; NULL if there are none
        trace TEXT, -- the X-Ray trace header; NULL if the sender set none
        source TEXT, -- for a dead letter, the ARN of the queue that it was moved from; otherwise NULL
        sent_ms INTEGER NOT NULL,
        visible_ms INTEGER NOT NULL, -- the message cannot be received before this time
        received INTEGER NOT NULL DEFAULT 0, -- how many times the message was received
        first_received_ms INTEGER -- NULL if the message was never received
    );
    CREATE INDEX IF NOT EXISTS messages_in_turn ON messages (queue, visible_ms, id);
";

/// The error of a task that was not committed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{text}")]
pub(crate) struct QueueStoreError {
    text: String,
    /// Whether the file could not be written. The usual reason is a full disk.
    write_failed: bool,
}

impl From<&rusqlite::Error> for QueueStoreError {
    fn from(error: &rusqlite::Error) -> Self {
        Self { text: error.to_string(), write_failed: sqlite::is_write_failure(error) }
    }
}

impl QueueStoreError {
    fn stopping() -> Self {
        Self { text: "the local cloud is stopping".to_owned(), write_failed: false }
    }

    /// Converts the error to a fault for the deployer. `verb` and `name` name the operation and the queue, and `path`
    /// is the file.
    pub(super) fn fault(&self, verb: &str, name: &str, path: &Path) -> Fault {
        let fault = Fault::fatal("local_queue", format!("failed to {verb} the queue {name:?}"))
            .caused_by(self.text.as_str());
        if self.write_failed {
            return Fault { code: codes::DISK_FULL.into(), ..fault }.hinted(format!(
                "check the free space of the disk of {}, then run the command again",
                path.display()
            ));
        }
        fault
    }
}

/// The database, and the tasks that wait for a commit. Clones share both.
#[derive(Clone)]
pub(super) struct MessageStore {
    inner: Arc<Inner>,
}

struct Inner {
    db: Mutex<Connection>,
    commit_queue: Mutex<CommitQueue>,
    runtime: Handle,
}

/// The tasks that wait for the next commit. Tasks that arrive during a commit all share the next one.
#[derive(Default)]
struct CommitQueue {
    waiting: Vec<Box<dyn CommitTask>>,
    /// Whether a thread is running [`Inner::run_commits`], which also commits tasks that arrive meanwhile.
    has_leader: bool,
}

/// A task that runs within a transaction. Its caller gets the result after the commit.
trait CommitTask: Send {
    fn run(&mut self, db: &Connection) -> rusqlite::Result<()>;
    fn reply(self: Box<Self>, committed: Result<(), QueueStoreError>);
}

struct PendingTask<T, F> {
    work: Option<F>,
    output: Option<T>,
    result_sender: oneshot::Sender<Result<T, QueueStoreError>>,
}

impl<T, F> CommitTask for PendingTask<T, F>
where
    T: Send,
    F: FnOnce(&Connection) -> rusqlite::Result<T> + Send,
{
    fn run(&mut self, db: &Connection) -> rusqlite::Result<()> {
        if let Some(work) = self.work.take() {
            self.output = Some(work(db)?);
        }
        Ok(())
    }

    fn reply(self: Box<Self>, committed: Result<(), QueueStoreError>) {
        let Self { output, result_sender, .. } = *self;
        // If the caller is no longer waiting, the result is dropped. A dropped
        // [`super::ReceivedBatch`] returns its messages to the queue.
        drop(result_sender.send(committed.and_then(|()| output.ok_or_else(QueueStoreError::stopping))));
    }
}

impl MessageStore {
    /// Opens or creates the file, readable by this user only. Must be called within a tokio runtime.
    pub(super) fn open(path: &Path) -> Result<Self, Fault> {
        let db = sqlite::open(path, "queues", SCHEMA, HINT)?;
        let inner = Inner { db: Mutex::new(db), commit_queue: Mutex::default(), runtime: Handle::current() };
        Ok(Self { inner: Arc::new(inner) })
    }

    /// Runs a task atomically and returns its result after the commit.
    pub(super) async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Connection) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<T, QueueStoreError> {
        self.submit(work).await.unwrap_or_else(|_| Err(QueueStoreError::stopping()))
    }

    /// Queues a task. It runs even if the receiver of its result is dropped.
    pub(super) fn submit<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Connection) -> rusqlite::Result<T> + Send + 'static,
    ) -> oneshot::Receiver<Result<T, QueueStoreError>> {
        let (result_sender, result) = oneshot::channel();
        let mut queue = lock(&self.inner.commit_queue);
        queue.waiting.push(Box::new(PendingTask { work: Some(work), output: None, result_sender }));
        if !queue.has_leader {
            queue.has_leader = true;
            let inner = Arc::clone(&self.inner);
            drop(self.inner.runtime.spawn_blocking(move || inner.run_commits()));
        }
        result
    }
}

impl Inner {
    /// Commits waiting tasks until none are left. Each commit includes all tasks that are waiting when it begins.
    fn run_commits(&self) {
        let db = lock(&self.db);
        loop {
            let tasks = {
                let mut queue = lock(&self.commit_queue);
                if queue.waiting.is_empty() {
                    queue.has_leader = false;
                    return;
                }
                std::mem::take(&mut queue.waiting)
            };
            commit(&db, tasks);
        }
    }
}

/// Records whether the file could be written, for the daemon's status.
fn record_disk_state(db: &Connection, done: &rusqlite::Result<()>, results: &[Result<(), QueueStoreError>]) {
    let Some(path) = db.path().map(Path::new) else { return };
    let transaction_error = done.as_ref().err().map(QueueStoreError::from);
    let task_error = || results.iter().find_map(|result| result.as_ref().err().cloned());
    match transaction_error.or_else(task_error) {
        Some(error) if error.write_failed => disk::record_failure(path, &error.text),
        Some(_) => {}
        None => disk::record_success(path),
    }
}

fn commit(db: &Connection, mut tasks: Vec<Box<dyn CommitTask>>) {
    let mut results: Vec<Result<(), QueueStoreError>> = Vec::with_capacity(tasks.len());
    let mut run_all = || -> rusqlite::Result<()> {
        db.prepare_cached("BEGIN IMMEDIATE")?.execute([])?;
        for task in &mut tasks {
            db.prepare_cached("SAVEPOINT job")?.execute([])?;
            let done = task.run(db);
            if done.is_err() {
                // Undo only this task. On a full disk, SQLite has already rolled back the whole transaction, and this
                // fails too.
                db.prepare_cached("ROLLBACK TO job")?.execute([])?;
            }
            db.prepare_cached("RELEASE job")?.execute([])?;
            results.push(done.map_err(|error| QueueStoreError::from(&error)));
        }
        db.prepare_cached("COMMIT")?.execute([]).map(drop)
    };
    let done = run_all();
    record_disk_state(db, &done, &results);
    if let Err(error) = done {
        if !db.is_autocommit() {
            // A failed rollback needs no handling: every task gets an error anyway.
            drop(db.execute_batch("ROLLBACK"));
        }
        results = vec![Err(QueueStoreError::from(&error)); tasks.len()];
    }
    for (task, result) in tasks.into_iter().zip(results) {
        task.reply(result);
    }
}
