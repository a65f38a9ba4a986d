//! Events that are on their way, on disk: what was acknowledged is here until it is delivered or buried.
//!
//! One `SQLite` file, as durable as the tables are: a commit survives a SIGKILL of this process.

use std::path::{Path, PathBuf};
use std::sync::Mutex;

use hitctl_engine::Fault;
use rusqlite::{Connection, OptionalExtension as _, params};

use super::job::Job;
use crate::codes;
use crate::lock::lock;
use crate::{disk, sqlite};

/// A job by its number, and when it is due, in milliseconds since the Unix epoch.
pub(super) type Due = (u64, i64);

/// What to do about a damaged file.
const HINT: &str =
    "remove the file if what is on its way may be lost, or run `hitctl local reset` to begin anew";

const SCHEMA: &str = "CREATE TABLE IF NOT EXISTS job (id INTEGER PRIMARY KEY AUTOINCREMENT, due_ms INTEGER NOT NULL, \
                      event TEXT NOT NULL, job TEXT NOT NULL) STRICT";

/// The file.
pub(super) struct Store {
    path: PathBuf,
    db: Mutex<Connection>,
}

impl Store {
    /// Opens it, or makes it, for this user only.
    pub(super) fn open(path: &Path) -> Result<Self, Fault> {
        let db = sqlite::open(path, "events", SCHEMA, HINT)?;
        Ok(Self { path: path.to_owned(), db: Mutex::new(db) })
    }

    /// Everything that is on its way.
    pub(super) fn all(&self) -> Result<Vec<Due>, Fault> {
        self.with("read", |db| {
            let mut query = db.prepare("SELECT due_ms, id FROM job")?;
            let rows = query.query_map([], |row| Ok((row.get::<_, i64>(0)?, row.get(1)?)))?;
            rows.map(|row| row.map(|(due, id)| (unsigned(due), id))).collect()
        })
    }

    /// Keeps jobs, all of them or none, and says their numbers. They are safe when it returns.
    pub(super) fn add(&self, jobs: &[(String, Job)], due_ms: u64) -> Result<Vec<i64>, Fault> {
        self.with("write", |db| {
            let all = db.transaction()?;
            let mut ids = Vec::with_capacity(jobs.len());
            {
                let mut insert =
                    all.prepare_cached("INSERT INTO job (due_ms, event, job) VALUES (?, ?, ?)")?;
                for (event, job) in jobs {
                    ids.push(insert.insert(params![signed(due_ms), event, text(job)])?);
                }
            }
            all.commit()?;
            Ok(ids)
        })
    }

    /// A job and its event. One that cannot be read is of another program, and treated as gone.
    pub(super) fn get(&self, id: i64) -> Result<Option<(String, Job)>, Fault> {
        let found = self.with("read", |db| {
            let mut query = db.prepare_cached("SELECT event, job FROM job WHERE id = ?")?;
            query.query_row([id], |row| Ok((row.get(0)?, row.get::<_, String>(1)?))).optional()
        })?;
        Ok(found.and_then(|(event, job)| Some((event, serde_json::from_str(&job).ok()?))))
    }

    /// Changes a job.
    pub(super) fn put(&self, id: i64, due_ms: u64, job: &Job) -> Result<(), Fault> {
        self.with("write", |db| {
            db.prepare_cached("UPDATE job SET due_ms = ?, job = ? WHERE id = ?")?
                .execute(params![signed(due_ms), text(job), id])
                .map(drop)
        })
    }

    /// Forgets a job.
    pub(super) fn remove(&self, id: i64) -> Result<(), Fault> {
        self.with("write", |db| db.prepare_cached("DELETE FROM job WHERE id = ?")?.execute([id]).map(drop))
    }

    fn with<T>(
        &self,
        doing: &str,
        work: impl FnOnce(&mut Connection) -> rusqlite::Result<T>,
    ) -> Result<T, Fault> {
        let mut db = lock(&self.db);
        let done = work(&mut db);
        if done.is_ok() && doing == "write" {
            disk::written(&self.path);
        }
        done.map_err(|error| {
            let full = sqlite::is_unwritten(&error);
            if full {
                disk::failed(&self.path, &error.to_string());
            }
            let code = if full { codes::DISK_FULL } else { "local_state_io" };
            Fault::fatal(code, format!("could not {doing} {}", self.path.display())).caused_by(error)
        })
    }
}

fn text(job: &Job) -> String {
    serde_json::to_string(job).unwrap_or_default()
}

fn signed(ms: u64) -> i64 {
    i64::try_from(ms).unwrap_or(i64::MAX)
}

fn unsigned(ms: i64) -> u64 {
    u64::try_from(ms).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bus::job::Holder;

    fn job(rule: &str) -> (String, Job) {
        let job = Job {
            rule_arn: rule.to_owned(),
            target_arn: "t".to_owned(),
            max_retries: 1,
            max_age_s: 60,
            dead_letter_arn: "d".to_owned(),
            since_ms: 5,
            failures: 0,
            holder: Holder::EventBridge,
        };
        (format!("{{\"rule\":\"{rule}\"}}"), job)
    }

    #[test]
    fn what_was_kept_is_there_after_opening_again() {
        let temp = tempfile::tempdir().unwrap();
        let path = temp.path().join("events.db");
        let store = Store::open(&path).unwrap();
        let ids = store.add(&[job("a"), job("b")], 10).unwrap();
        let changed = Job { failures: 3, holder: Holder::Lambda { waits: 2 }, ..job("b").1 };
        store.put(ids[1], 99, &changed).unwrap();
        store.remove(ids[0]).unwrap();
        store.remove(ids[0]).unwrap();
        drop(store);
        let again = Store::open(&path).unwrap();
        assert_eq!(again.all().unwrap(), [(99, ids[1])]);
        assert_eq!(again.get(ids[1]).unwrap(), Some((job("b").0, changed)));
        assert_eq!(again.get(ids[0]).unwrap(), None);
        // A number is never given twice: what is in flight under it is not mistaken for another.
        assert!(again.add(&[job("c")], 1).unwrap()[0] > ids[1]);
    }

    #[test]
    fn garbage_is_refused() {
        let temp = tempfile::tempdir().unwrap();
        let path = temp.path().join("events.db");
        std::fs::write(&path, "not a database at all, but long enough to be looked at as one".repeat(20))
            .unwrap();
        assert_eq!(Store::open(&path).err().unwrap().code, "local_state_corrupt");
    }
}
