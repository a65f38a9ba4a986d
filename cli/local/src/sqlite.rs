//! Opens the `SQLite` files of queues and events, and checks and syncs `SQLite` files.

use std::fs::File;
use std::io::ErrorKind;
use std::path::Path;

use hitctl_engine::Fault;
use rusqlite::{Connection, ErrorCode};

use crate::codes;
use crate::state;

/// The page cache of a database: 8 MB. `SQLite` reads a negative value as a size in KB.
const CACHE_KB: i64 = -8_192;

/// Opens or creates a file, readable by this user only. `content` names its content in errors, such as `queues`. `hint`
/// is the hint for a damaged file.
///
/// **Durability** is the same as that of the tables: WAL with `synchronous = NORMAL`. A commit is in the kernel's page
/// cache before it is acknowledged, so a SIGKILL of this process loses nothing. Only a power failure can lose the
/// latest writes.
pub(crate) fn open(path: &Path, content: &str, schema: &str, hint: &str) -> Result<Connection, Fault> {
    state::create_private_file(path).map_err(|error| state::io_fault("open", path, &error))?;
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
        if is_write_failure(&error) {
            return state::io_fault("open", path, &ErrorKind::StorageFull.into()).caused_by(error);
        }
        Fault::fatal(codes::STATE_CORRUPT, format!("failed to open the {content} in {}", path.display()))
            .caused_by(error)
            .hinted(hint)
    })
}

/// Returns whether the error is a failed write. `SQLite` has one code for a full disk, and one for other I/O errors.
pub(crate) fn is_write_failure(error: &rusqlite::Error) -> bool {
    matches!(error.sqlite_error_code(), Some(ErrorCode::DiskFull | ErrorCode::SystemIoFailure))
}

/// Waits until all commits to a database are on the disk, so that the registry never names a table or queue that a
/// power failure removes. Opening and closing the write-ahead log is safe, because `SQLite` has no locks on it that
/// closing would release.
pub(crate) fn sync(database: &Path) -> Result<(), Fault> {
    let mut wal = database.as_os_str().to_owned();
    wal.push("-wal");
    match File::open(wal).and_then(|wal| wal.sync_all()) {
        Err(error) if error.kind() != ErrorKind::NotFound => Err(state::io_fault("write", database, &error)),
        _ => Ok(()),
    }
}

/// Rejects a database with triggers, views or virtual tables. hitctl creates none, and they would run on its reads and writes.
/// Virtual tables would also use code of `SQLite`, such as full-text search, that crafted files can exploit (`deny.toml`).
pub(crate) fn reject_active_schema(path: &Path) -> Result<(), String> {
    let error_text = |error: rusqlite::Error| error.to_string();
    let db = Connection::open(path).map_err(error_text)?;
    // SQLite writes statements that match these patterns. A crafted file can have any text in both columns, and SQLite
    // parses it.
    let query = "SELECT count(*) FROM sqlite_schema WHERE coalesce(type, '') NOT IN ('table', 'index') OR NOT \
                 (sql IS NULL OR sql GLOB 'CREATE TABLE *' OR sql GLOB 'CREATE INDEX *' OR sql GLOB 'CREATE UNIQUE INDEX *')";
    match db.query_row(query, [], |row| row.get::<_, i64>(0)).map_err(error_text)? {
        0 => db.close().map_err(|(_, error)| error_text(error)),
        _ => Err("it contains triggers, views or virtual tables, which hitctl does not create".to_owned()),
    }
}
