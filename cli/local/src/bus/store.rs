//! Stores pending deliveries on disk, from the acknowledgement of an event until it is delivered or sent to a dead-letter queue.
//!
//! The store is one `SQLite` file, as durable as the tables: a commit survives a SIGKILL of this process.

use std::path::{Path, PathBuf};
use std::sync::Mutex;

use hitctl_engine::Fault;
use rusqlite::{Connection, OptionalExtension as _, params};

use super::delivery::Delivery;
use crate::codes;
use crate::lock::lock;
use crate::{disk, sqlite};

/// A delivery's due time, in milliseconds since the Unix epoch, and its id.
pub(super) type DueDelivery = (u64, i64);

/// The hint in errors about a damaged file.
const HINT: &str = "remove the file to discard the pending events, or run `hitctl local reset`, which deletes all local data";

/// The schema. A row of `job` contains an event and, in its column `job`, the [`Delivery`] in JSON.
const SCHEMA: &str = "CREATE TABLE IF NOT EXISTS job (id INTEGER PRIMARY KEY AUTOINCREMENT, due_ms INTEGER NOT NULL, \
                      event TEXT NOT NULL, job TEXT NOT NULL) STRICT";

/// The open database.
pub(super) struct DeliveryStore {
    path: PathBuf,
    db: Mutex<Connection>,
}

impl DeliveryStore {
    /// Opens or creates the file, readable by this user only.
    pub(super) fn open(path: &Path) -> Result<Self, Fault> {
        let db = sqlite::open(path, "events", SCHEMA, HINT)?;
        Ok(Self { path: path.to_owned(), db: Mutex::new(db) })
    }

    /// Returns the due times and ids of all pending deliveries.
    pub(super) fn all(&self) -> Result<Vec<DueDelivery>, Fault> {
        self.with_connection("read", |db| {
            let mut query = db.prepare("SELECT due_ms, id FROM job")?;
            let rows = query.query_map([], |row| Ok((row.get::<_, i64>(0)?, row.get(1)?)))?;
            rows.map(|row| row.map(|(due, id)| (unsigned(due), id))).collect()
        })
    }

    /// Stores deliveries, all of them or none, and returns their ids. They survive a crash once this returns.
    pub(super) fn add(&self, deliveries: &[(String, Delivery)], due_ms: u64) -> Result<Vec<i64>, Fault> {
        self.with_connection("write", |db| {
            let transaction = db.transaction()?;
            let mut ids = Vec::with_capacity(deliveries.len());
            {
                let mut insert =
                    transaction.prepare_cached("INSERT INTO job (due_ms, event, job) VALUES (?, ?, ?)")?;
                for (event, delivery) in deliveries {
                    ids.push(insert.insert(params![signed(due_ms), event, to_json(delivery)])?);
                }
            }
            transaction.commit()?;
            Ok(ids)
        })
    }

    /// Returns an event and its delivery. A row that cannot be parsed, because another program wrote it, counts as
    /// missing.
    pub(super) fn get(&self, id: i64) -> Result<Option<(String, Delivery)>, Fault> {
        let row = self.with_connection("read", |db| {
            let mut query = db.prepare_cached("SELECT event, job FROM job WHERE id = ?")?;
            query.query_row([id], |row| Ok((row.get(0)?, row.get::<_, String>(1)?))).optional()
        })?;
        Ok(row.and_then(|(event, delivery)| Some((event, serde_json::from_str(&delivery).ok()?))))
    }

    /// Updates a delivery and its due time.
    pub(super) fn put(&self, id: i64, due_ms: u64, delivery: &Delivery) -> Result<(), Fault> {
        self.with_connection("write", |db| {
            db.prepare_cached("UPDATE job SET due_ms = ?, job = ? WHERE id = ?")?
                .execute(params![signed(due_ms), to_json(delivery), id])
                .map(drop)
        })
    }

    pub(super) fn remove(&self, id: i64) -> Result<(), Fault> {
        self.with_connection("write", |db| {
            db.prepare_cached("DELETE FROM job WHERE id = ?")?.execute([id]).map(drop)
        })
    }

    /// Runs `work`. `verb`, which is `read` or `write`, is used in the error message. A successful `write` ends a
    /// recorded failure of the disk.
    fn with_connection<T>(
        &self,
        verb: &str,
        work: impl FnOnce(&mut Connection) -> rusqlite::Result<T>,
    ) -> Result<T, Fault> {
        let mut db = lock(&self.db);
        let result = work(&mut db);
        if result.is_ok() && verb == "write" {
            disk::record_success(&self.path);
        }
        result.map_err(|error| {
            let write_failed = sqlite::is_write_failure(&error);
            if write_failed {
                disk::record_failure(&self.path, &error.to_string());
            }
            let code = if write_failed { codes::DISK_FULL } else { "local_state_io" };
            Fault::fatal(code, format!("failed to {verb} {}", self.path.display())).caused_by(error)
        })
    }
}

fn to_json(delivery: &Delivery) -> String {
    serde_json::to_string(delivery).unwrap_or_default()
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
    use crate::bus::delivery::DeliveryStage;

    fn delivery(rule: &str) -> (String, Delivery) {
        let delivery = Delivery {
            rule_arn: rule.to_owned(),
            target_arn: "t".to_owned(),
            max_retries: 1,
            max_age_s: 60,
            dead_letter_arn: "d".to_owned(),
            stage_started_at_ms: 5,
            failures: 0,
            stage: DeliveryStage::EventBridge,
        };
        (format!("{{\"rule\":\"{rule}\"}}"), delivery)
    }

    #[test]
    fn deliveries_survive_reopening_the_store() {
        let temp = tempfile::tempdir().unwrap();
        let path = temp.path().join("events.db");
        let store = DeliveryStore::open(&path).unwrap();
        let ids = store.add(&[delivery("a"), delivery("b")], 10).unwrap();
        let changed =
            Delivery { failures: 3, stage: DeliveryStage::Lambda { failed_starts: 2 }, ..delivery("b").1 };
        store.put(ids[1], 99, &changed).unwrap();
        store.remove(ids[0]).unwrap();
        store.remove(ids[0]).unwrap();
        drop(store);
        let reopened = DeliveryStore::open(&path).unwrap();
        assert_eq!(reopened.all().unwrap(), [(99, ids[1])]);
        assert_eq!(reopened.get(ids[1]).unwrap(), Some((delivery("b").0, changed)));
        assert_eq!(reopened.get(ids[0]).unwrap(), None);
        // Ids are never reused, so a delivery in progress cannot be confused with a newer one.
        assert!(reopened.add(&[delivery("c")], 1).unwrap()[0] > ids[1]);
    }

    #[test]
    fn open_of_file_that_is_no_database_fails() {
        let temp = tempfile::tempdir().unwrap();
        let path = temp.path().join("events.db");
        std::fs::write(&path, "not a database at all, but long enough to be looked at as one".repeat(20))
            .unwrap();
        assert_eq!(DeliveryStore::open(&path).err().unwrap().code, "local_state_corrupt");
    }
}
