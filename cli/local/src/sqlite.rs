//! The `SQLite` files of queues and events: how they are opened, checked and brought to the disk.
//!
//! **Durability**, as of the tables: WAL with `synchronous = NORMAL`. A commit is in the kernel's page cache before anybody hears
//! of it, so a SIGKILL of this process loses nothing; only the machine losing power can take back the last moments.

use std::fs::File;
use std::io::ErrorKind;
use std::path::Path;

use hitctl_engine::Fault;
use rusqlite::{Connection, ErrorCode};

use crate::codes;
use crate::state;

/// Pages of 4 KB that a database keeps in memory: 8 MB, given in KB and negative, as `SQLite` has it.
const CACHE_KB: i64 = -8_192;

/// Opens a file of `what`, or makes it, for this user only. The hint says what to do about a damaged one.
pub(crate) fn open(path: &Path, what: &str, schema: &str, hint: &str) -> Result<Connection, Fault> {
    state::make_private(path).map_err(|error| state::fault("open", path, &error))?;
    let open = || {
        let db = Connection::open(path)?;
        db.pragma_update(None, "journal_mode", "WAL")?;
        db.pragma_update(None, "synchronous", "NORMAL")?;
        db.pragma_update(None, "cache_size", CACHE_KB)?;
        db.execute_batch(schema)?;
        db.set_prepared_statement_cache_capacity(32);
        Ok(db)
    };
    open().map_err(|error: rusqlite::Error| {
        if is_unwritten(&error) {
            return state::fault("open", path, &ErrorKind::StorageFull.into()).caused_by(error);
        }
        Fault::fatal(codes::STATE_CORRUPT, format!("could not open the {what} in {}", path.display()))
            .caused_by(error)
            .hinted(hint)
    })
}

/// Whether a file could not be written: `SQLite` calls a disk without room full, and other failures of writing I/O errors.
pub(crate) fn is_unwritten(error: &rusqlite::Error) -> bool {
    matches!(error.sqlite_error_code(), Some(ErrorCode::DiskFull | ErrorCode::SystemIoFailure))
}

/// Waits until what was committed to a file is on the disk, so that the registry never names a table or queue that a power cut
/// takes back. `SQLite` holds no lock on its log that opening it could break.
pub(crate) fn sync(database: &Path) -> Result<(), Fault> {
    let mut wal = database.as_os_str().to_owned();
    wal.push("-wal");
    match File::open(wal).and_then(|wal| wal.sync_all()) {
        Err(error) if error.kind() != ErrorKind::NotFound => Err(state::fault("write", database, &error)),
        _ => Ok(()),
    }
}

/// Refuses a database with triggers, views or virtual tables: hitctl makes none, and they would act whenever it reads or writes.
/// Virtual tables would also bring in code of `SQLite`, such as full-text search, that is open to crafted files (`deny.toml`).
pub(crate) fn inert(path: &Path) -> Result<(), String> {
    let words = |error: rusqlite::Error| error.to_string();
    let db = Connection::open(path).map_err(words)?;
    // As SQLite writes them itself. A crafted file can have any text in either column, and SQLite parses the text.
    let query = "SELECT count(*) FROM sqlite_schema WHERE coalesce(type, '') NOT IN ('table', 'index') OR NOT \
                 (sql IS NULL OR sql GLOB 'CREATE TABLE *' OR sql GLOB 'CREATE INDEX *' OR sql GLOB 'CREATE UNIQUE INDEX *')";
    match db.query_row(query, [], |row| row.get::<_, i64>(0)).map_err(words)? {
        0 => db.close().map_err(|(_, error)| words(error)),
        _ => Err("it holds triggers, views or virtual tables, which hitctl does not make".to_owned()),
    }
}
