//! The file of the messages: one SQLite database, and a line in front of it.
//!
//! A SIGKILL at any moment loses nothing acknowledged and brings nothing back that was deleted (`sqlite` says how). Whoever
//! comes while a commit is made waits in the line, and all who wait there share the next one.

use std::path::Path;
use std::sync::{Arc, Mutex};

use hitctl_engine::Fault;
use rusqlite::Connection;
use tokio::runtime::Handle;
use tokio::sync::oneshot;

use crate::codes;
use crate::lock::lock;
use crate::{disk, sqlite};

/// What to do about a damaged file.
const HINT: &str =
    "restore the file from a backup, or run `hitctl local reset` to begin anew; that loses what waits there";

const SCHEMA: &str = "
    CREATE TABLE IF NOT EXISTS queues (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        name TEXT NOT NULL UNIQUE,
        created_ms INTEGER NOT NULL
    );
    CREATE TABLE IF NOT EXISTS messages (
        id INTEGER PRIMARY KEY,
        queue INTEGER NOT NULL,
        message_id TEXT NOT NULL,
        body TEXT NOT NULL,
        md5 TEXT NOT NULL,
        attributes TEXT,
        trace TEXT,
        source TEXT,
        sent_ms INTEGER NOT NULL,
        visible_ms INTEGER NOT NULL,
        received INTEGER NOT NULL DEFAULT 0,
        first_received_ms INTEGER
    );
    CREATE INDEX IF NOT EXISTS messages_in_turn ON messages (queue, visible_ms, id);
";

/// Why a piece of work was not done.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{text}")]
pub(crate) struct Broken {
    text: String,
    full: bool,
}

impl From<&rusqlite::Error> for Broken {
    fn from(error: &rusqlite::Error) -> Self {
        Self { text: error.to_string(), full: sqlite::is_unwritten(error) }
    }
}

impl Broken {
    fn gone() -> Self {
        Self { text: "the local cloud is stopping".to_owned(), full: false }
    }

    /// The same, for the deployer.
    pub(super) fn fault(&self, doing: &str, name: &str) -> Fault {
        let fault = Fault::fatal("local_queue", format!("could not {doing} the queue {name}"))
            .caused_by(self.text.as_str());
        if self.full {
            return Fault { code: codes::DISK_FULL.into(), ..fault }
                .hinted("free some space on that disk, then run the command again");
        }
        fault
    }
}

/// The database, and who waits for it.
#[derive(Clone)]
pub(super) struct Store {
    inner: Arc<Inner>,
}

struct Inner {
    db: Mutex<Connection>,
    line: Mutex<Line>,
    runtime: Handle,
}

/// Who waits, and whether somebody works it off.
#[derive(Default)]
struct Line {
    waiting: Vec<Box<dyn Job>>,
    led: bool,
}

/// A piece of work: done within a commit, answered after it.
trait Job: Send {
    fn run(&mut self, db: &Connection) -> rusqlite::Result<()>;
    fn answer(self: Box<Self>, committed: Result<(), Broken>);
}

struct Task<T, F> {
    work: Option<F>,
    out: Option<T>,
    reply: oneshot::Sender<Result<T, Broken>>,
}

impl<T, F> Job for Task<T, F>
where
    T: Send,
    F: FnOnce(&Connection) -> rusqlite::Result<T> + Send,
{
    fn run(&mut self, db: &Connection) -> rusqlite::Result<()> {
        if let Some(work) = self.work.take() {
            self.out = Some(work(db)?);
        }
        Ok(())
    }

    fn answer(self: Box<Self>, committed: Result<(), Broken>) {
        let Self { out, reply, .. } = *self;
        // Who hung up hears nothing; what has to be put back then puts itself back when it is dropped.
        drop(reply.send(committed.and_then(|()| out.ok_or_else(Broken::gone))));
    }
}

impl Store {
    /// Opens the file, or makes it, for this user only. Must be called within a tokio runtime.
    pub(super) fn open(path: &Path) -> Result<Self, Fault> {
        let db = sqlite::open(path, "queues", SCHEMA, HINT)?;
        let inner = Inner { db: Mutex::new(db), line: Mutex::default(), runtime: Handle::current() };
        Ok(Self { inner: Arc::new(inner) })
    }

    /// Does a piece of work, whole or not at all, and answers when it is committed.
    pub(super) async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Connection) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<T, Broken> {
        self.submit(work).await.unwrap_or_else(|_| Err(Broken::gone()))
    }

    /// Does a piece of work some time, whether or not somebody waits for it.
    pub(super) fn submit<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Connection) -> rusqlite::Result<T> + Send + 'static,
    ) -> oneshot::Receiver<Result<T, Broken>> {
        let (reply, replied) = oneshot::channel();
        let mut line = lock(&self.inner.line);
        line.waiting.push(Box::new(Task { work: Some(work), out: None, reply }));
        if !line.led {
            line.led = true;
            let inner = Arc::clone(&self.inner);
            drop(self.inner.runtime.spawn_blocking(move || inner.lead()));
        }
        replied
    }
}

impl Inner {
    /// Works the line off, a commit for all who are in it at a time.
    fn lead(&self) {
        let db = lock(&self.db);
        loop {
            let jobs = {
                let mut line = lock(&self.line);
                if line.waiting.is_empty() {
                    line.led = false;
                    return;
                }
                std::mem::take(&mut line.waiting)
            };
            commit(&db, jobs);
        }
    }
}

/// Notes for the status whether the file could be written.
fn note(db: &Connection, done: &rusqlite::Result<()>, results: &[Result<(), Broken>]) {
    let Some(path) = db.path().map(Path::new) else { return };
    let of_all = done.as_ref().err().map(Broken::from);
    let of_one = || results.iter().find_map(|result| result.as_ref().err().cloned());
    match of_all.or_else(of_one) {
        Some(broken) if broken.full => disk::failed(path, &broken.text),
        Some(_) => {}
        None => disk::written(path),
    }
}

fn commit(db: &Connection, mut jobs: Vec<Box<dyn Job>>) {
    let mut results: Vec<Result<(), Broken>> = Vec::with_capacity(jobs.len());
    let mut together = || -> rusqlite::Result<()> {
        db.prepare_cached("BEGIN IMMEDIATE")?.execute([])?;
        for job in &mut jobs {
            db.prepare_cached("SAVEPOINT job")?.execute([])?;
            let done = job.run(db);
            if done.is_err() {
                // Of this one nothing stays; on a full disk SQLite has taken back all of them, and this fails too.
                db.prepare_cached("ROLLBACK TO job")?.execute([])?;
            }
            db.prepare_cached("RELEASE job")?.execute([])?;
            results.push(done.map_err(|error| Broken::from(&error)));
        }
        db.prepare_cached("COMMIT")?.execute([]).map(drop)
    };
    let done = together();
    note(db, &done, &results);
    if let Err(error) = done {
        if !db.is_autocommit() {
            // Nothing is left to be done when even that fails: nobody hears that it was done.
            drop(db.execute_batch("ROLLBACK"));
        }
        results = vec![Err(Broken::from(&error)); jobs.len()];
    }
    for (job, result) in jobs.into_iter().zip(results) {
        job.answer(result);
    }
}
