//! Creates, checks, locks and writes the state directory. No other module creates or checks it.
//! [`project`] maps projects to state directories.

pub(crate) mod document;
pub mod project;
pub(crate) mod version;

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use hitctl_engine::Fault;
use hitctl_platform::{current_user, is_same_file, mode, owner, private_options, sync_dir};
use serde::{Deserialize, Serialize};

use self::project::{DirectoryIdentity, ProjectRecord};
use crate::codes;
use crate::disk;
pub use version::STATE_VERSION;

/// The marker file. A directory belongs to hitctl only if it contains this file.
const MARKER: &str = "hitctl-local.json";
const LOCK: &str = "daemon.lock";
const ENDPOINT: &str = "daemon.json";
/// The daemon's own log.
pub const DAEMON_LOG: &str = "daemon.log";
/// The registry of deployed resources.
pub(crate) const REGISTRY: &str = "registry.json";
/// The database of tables.
pub(crate) const TABLES: &str = "tables.db";
/// The database of queues and their messages.
pub(crate) const QUEUES: &str = "queues.sqlite";
/// The database of events that are not yet delivered.
pub(crate) const EVENTS: &str = "events.sqlite";
/// The file names of all databases.
pub(crate) const DATABASES: [&str; 3] = [TABLES, QUEUES, EVENTS];
/// The recorded `CloudFront` invalidations.
pub(crate) const INVALIDATIONS: &str = "invalidations.json";
/// The logs of functions.
pub(crate) const LOGS: &str = "logs";
/// The unpacked code of functions.
pub(crate) const CODE: &str = "code";
/// The zips of functions, by hash.
pub(crate) const ZIPS: &str = "zips";

/// Returns the names of the files and directories that hitctl creates, the marker last.
/// [`StateDir::remove_all`] removes nothing else.
pub(crate) fn owned_files() -> Vec<String> {
    let databases =
        DATABASES.iter().flat_map(|name| ["-wal", "-shm", ""].map(|suffix| format!("{name}{suffix}")));
    let others = [ENDPOINT, DAEMON_LOG, REGISTRY, INVALIDATIONS, LOGS, CODE, ZIPS, LOCK, MARKER];
    databases.chain(others.map(str::to_owned)).collect()
}

/// The maximum number of retries of a write whose temporary file was removed by a starting daemon.
const WRITE_RETRIES: u32 = 5;
/// The prefix of the name of a file that is being written.
const TEMP_PREFIX: &str = ".writing-";

/// A state directory that was checked.
///
/// The directory is private to the user (0700, files 0600) and belongs to hitctl only if it contains the marker
/// file. Files that must not be partially written are written with [`StateDir::write`]. Symbolic links in the
/// directory are never followed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StateDir {
    path: PathBuf,
}

/// The lock that a daemon holds for its lifetime. The kernel releases the lock when the daemon exits for any
/// reason, so there are no stale locks.
#[derive(Debug)]
pub struct DaemonLock {
    file: File,
    path: PathBuf,
}

impl DaemonLock {
    /// Returns whether the lock file is still in the directory. If somebody removed the file, the lock no longer
    /// excludes other daemons.
    pub(crate) fn is_still_at_path(&self) -> bool {
        is_same_file(&self.file, &self.path)
    }
}

/// The addresses of a running daemon: the content of `daemon.json`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DaemonEndpoint {
    /// The version of the file's layout.
    pub v: u32,
    /// The process id of the daemon.
    pub pid: u32,
    /// The base URL of the control API.
    pub control: String,
    /// The URL of the endpoint for DynamoDB and the other AWS services.
    pub table: String,
    /// The token for the control API.
    pub token: String,
    /// The build of the daemon's program.
    pub build_id: String,
    /// The start time, in milliseconds since the Unix epoch.
    pub started_ms: u64,
}

impl DaemonEndpoint {
    /// Returns whether both URLs have loopback addresses, as a daemon writes them: `http://127.0.0.1:PORT`.
    fn is_loopback(&self) -> bool {
        [&self.control, &self.table].iter().all(|url| {
            let address = url.strip_prefix("http://").and_then(|address| address.parse::<SocketAddr>().ok());
            address.is_some_and(|address| address.ip().is_loopback())
        })
    }
}

/// The content of the marker file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Marker {
    /// The version of the directory's layout.
    v: u32,
    /// The project to which the state belongs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) project: Option<ProjectRecord>,
    /// The directory from which the state was copied, as long as that directory is not removed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) moved_from: Option<DirectoryIdentity>,
}

impl Marker {
    /// Creates a marker of the current layout.
    pub(crate) fn of(project: Option<ProjectRecord>, moved_from: Option<DirectoryIdentity>) -> Self {
        Self { v: STATE_VERSION, project, moved_from }
    }
}

impl StateDir {
    /// Creates the directory if it does not exist, and checks it.
    pub fn prepare(path: &Path) -> Result<Self, Fault> {
        let path = std::path::absolute(path)
            .map_err(|error| io_fault("resolve the state directory", path, &error))?;
        hitctl_platform::create_private_dir(&path)
            .map_err(|error| io_fault("create the state directory", &path, &error))?;
        if let Some(dir) = Self::existing(&path)? {
            return Ok(dir);
        }
        if !is_empty(&path)? {
            return Err(foreign_fault(&path));
        }
        Self::mark(path, &Marker::of(None, None))
    }

    /// Marks a directory as a state directory of hitctl. It may already contain files that were copied from
    /// another state directory.
    pub(crate) fn mark(path: PathBuf, marker: &Marker) -> Result<Self, Fault> {
        let dir = Self { path };
        dir.guard_permissions()?;
        dir.write_marker(marker)?;
        Ok(dir)
    }

    /// Writes the marker, which identifies the directory and its project.
    pub(crate) fn write_marker(&self, marker: &Marker) -> Result<(), Fault> {
        self.write(MARKER, &serde_json::to_vec(marker).unwrap_or_default())
    }

    pub(crate) fn marker(&self) -> Result<Marker, Fault> {
        let path = self.path.join(MARKER);
        let text = read_no_follow(&path).map_err(|error| io_fault("read", &path, &error))?;
        version::parse(&path, &text)
    }

    /// Returns an existing state directory of hitctl, or `None` if the directory does not exist or is empty.
    /// Creates nothing.
    pub fn existing(path: &Path) -> Result<Option<Self>, Fault> {
        let Some((dir, marker)) = Self::find_marked(path)? else { return Ok(None) };
        version::parse::<Marker>(&dir.path.join(MARKER), &marker)?;
        dir.guard_permissions()?;
        dir.guard_links()?;
        Ok(Some(dir))
    }

    /// Works as [`StateDir::existing`], but does not check the content of the marker, the permissions and the
    /// links in the directory. That is enough to stop the daemon and to remove the directory.
    pub(crate) fn existing_any_version(path: &Path) -> Result<Option<Self>, Fault> {
        Ok(Self::find_marked(path)?.map(|(dir, _)| dir))
    }

    /// Returns the directory and the content of its marker, or `None` if it does not exist or is empty.
    fn find_marked(path: &Path) -> Result<Option<(Self, Vec<u8>)>, Fault> {
        let path = std::path::absolute(path)
            .map_err(|error| io_fault("resolve the state directory", path, &error))?;
        if path.symlink_metadata().is_ok_and(|meta| meta.is_symlink()) {
            return Err(link_fault(&path));
        }
        match read_no_follow(&path.join(MARKER)) {
            Ok(marker) => Ok(Some((Self { path }, marker))),
            Err(error) if error.kind() == io::ErrorKind::NotFound => match is_empty(&path) {
                Ok(false) => Err(foreign_fault(&path)),
                _ => Ok(None),
            },
            Err(error) => Err(io_fault("read the state directory", &path, &error)),
        }
    }

    /// Returns the absolute path.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Rejects a directory that another user owns or can write to. If other users can only read it, removes
    /// their permissions.
    fn guard_permissions(&self) -> Result<(), Fault> {
        let meta = fs::metadata(&self.path).map_err(|error| io_fault("inspect", &self.path, &error))?;
        let path = self.path.display();
        if let Some(owner) = owner(&meta).filter(|owner| Some(*owner) != current_user()) {
            return Err(Fault::fatal(
                "local_state_owner",
                format!("the state directory {path} belongs to another user"),
            )
            .caused_by(format!("its owner is uid {owner}"))
            .hinted("run hitctl as that user, or in another directory"));
        }
        let mode = mode(&meta).unwrap_or(0o700) & 0o777;
        if mode & 0o022 != 0 {
            return Err(Fault::fatal(
                "local_state_open",
                format!("other users can write to the state directory {path}"),
            )
            .caused_by(format!("its mode is {mode:04o}, so other users may have changed its files"))
            .hinted(format!("run `chmod 700 {path}` if no other user has changed its files")));
        }
        if mode & 0o077 != 0 {
            hitctl_platform::set_mode(&self.path, 0o700)
                .map_err(|error| io_fault("restrict the permissions of", &self.path, &error))?;
        }
        Ok(())
    }

    /// Rejects symbolic links in the directory. hitctl creates none, and through a link it would write to a file
    /// that somebody else chose.
    fn guard_links(&self) -> Result<(), Fault> {
        let is_link = |path: &PathBuf| path.symlink_metadata().is_ok_and(|meta| meta.is_symlink());
        match owned_files().iter().map(|name| self.path.join(name)).find(is_link) {
            Some(path) => Err(link_fault(&path)),
            None => Ok(()),
        }
    }

    /// Takes the lock. Returns `None` if another process holds it.
    pub fn try_lock(&self) -> Result<Option<DaemonLock>, Fault> {
        let path = self.path.join(LOCK);
        let file = private_options(OpenOptions::new().write(true).create(true).truncate(false))
            .open(&path)
            .map_err(|error| io_fault("open the lock file", &path, &error))?;
        match file.try_lock() {
            Ok(()) if is_same_file(&file, &path) => Ok(Some(DaemonLock { file, path })),
            // Another process holds the lock, or a reset removed the file between opening and locking.
            Ok(()) | Err(fs::TryLockError::WouldBlock) => Ok(None),
            Err(fs::TryLockError::Error(error)) => Err(io_fault("lock", &path, &error)),
        }
    }

    /// Writes a file atomically: after a crash at any moment, it has either the old or the new content.
    pub fn write(&self, name: &str, content: &[u8]) -> Result<(), Fault> {
        let path = self.path.join(name);
        let mut retries = 0;
        loop {
            match self.write_once(&path, content) {
                // A starting daemon also removes temporary files that other processes are writing. If the
                // directory is missing, the retries fail too.
                Err(error) if error.kind() == io::ErrorKind::NotFound && retries < WRITE_RETRIES => {
                    retries += 1;
                }
                Ok(()) => {
                    disk::record_success(&path);
                    return Ok(());
                }
                Err(error) => {
                    disk::record_failure(&path, &error.to_string());
                    return Err(io_fault("write", &path, &error));
                }
            }
        }
    }

    fn write_once(&self, path: &Path, content: &[u8]) -> io::Result<()> {
        let mut temp = tempfile::Builder::new().prefix(TEMP_PREFIX).tempfile_in(&self.path)?;
        temp.write_all(content)?;
        temp.as_file().sync_all()?;
        temp.persist(path).map_err(|error| error.error)?;
        sync_dir(&self.path)
    }

    /// Writes the addresses of the daemon.
    pub fn write_endpoint(&self, endpoint: &DaemonEndpoint) -> Result<(), Fault> {
        self.write(ENDPOINT, &serde_json::to_vec_pretty(endpoint).unwrap_or_default())
    }

    /// Reads the addresses of the daemon, which may no longer run. An endpoint that cannot be parsed, has an
    /// unknown version, or names another machine counts as missing, because a daemon writes it again.
    pub fn endpoint(&self) -> Result<Option<DaemonEndpoint>, Fault> {
        let path = self.path.join(ENDPOINT);
        let text = read_if_exists(&path)?;
        Ok(text.and_then(|text| version::parse(&path, &text).ok()).filter(DaemonEndpoint::is_loopback))
    }

    /// Removes the addresses of the daemon. Only the holder of the lock may do this.
    pub fn remove_endpoint(&self, _lock: &DaemonLock) {
        drop(fs::remove_file(self.path.join(ENDPOINT)));
    }

    /// Removes the temporary files that a killed daemon left behind.
    pub(crate) fn sweep(&self, _lock: &DaemonLock) {
        for entry in fs::read_dir(&self.path).into_iter().flatten().flatten() {
            if entry.file_name().to_string_lossy().starts_with(TEMP_PREFIX) {
                drop(fs::remove_file(entry.path()));
            }
        }
    }

    /// Removes everything that hitctl created here, and the directory if nothing else is in it.
    ///
    /// The marker is removed last, so that an interrupted removal can be repeated.
    pub(crate) fn remove_all(&self, lock: DaemonLock) -> Result<(), Fault> {
        self.sweep(&lock);
        // If the user keeps other files in the directory, it remains a state directory and keeps its marker.
        let owned = owned_files();
        let is_owned = |name: &std::ffi::OsStr| owned.iter().any(|own| name == own.as_str());
        let mut others = fs::read_dir(&self.path).into_iter().flatten().flatten();
        let keep_marker = others.any(|entry| !is_owned(&entry.file_name()));
        if keep_marker {
            // Write the marker again, because the existing one may be damaged or of a newer version.
            self.write_marker(&Marker::of(None, None))?;
        }
        for name in owned.iter().filter(|name| *name != MARKER || !keep_marker) {
            let path = self.path.join(name);
            let removed = match path.symlink_metadata() {
                Ok(meta) if meta.is_dir() => fs::remove_dir_all(&path),
                Ok(_) => fs::remove_file(&path),
                Err(error) => Err(error),
            };
            match removed {
                Err(error) if error.kind() != io::ErrorKind::NotFound => {
                    return Err(io_fault("remove", &path, &error));
                }
                _ => {}
            }
        }
        drop(lock);
        // This fails if the user keeps other files in the directory.
        drop(fs::remove_dir(&self.path));
        Ok(())
    }

    /// Returns the last lines of the daemon's log, for the cause of a failed start.
    pub fn log_tail(&self, lines: usize) -> String {
        let text = fs::read(self.path.join(DAEMON_LOG)).unwrap_or_default();
        let text = String::from_utf8_lossy(&text);
        let all: Vec<&str> = text.lines().collect();
        all[all.len().saturating_sub(lines)..].join("\n")
    }
}

/// Creates an empty file for a database, readable by this user only, unless it exists. SQLite creates its other
/// files of the database with the same mode.
pub(crate) fn create_private_file(path: &Path) -> io::Result<()> {
    private_options(OpenOptions::new().append(true).create(true)).open(path).map(drop)
}

/// Reads a file that is not a symbolic link. Returns `None` if it does not exist.
pub(crate) fn read_if_exists(path: &Path) -> Result<Option<Vec<u8>>, Fault> {
    match read_no_follow(path) {
        Ok(content) => Ok(Some(content)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(io_fault("read", path, &error)),
    }
}

/// Reads a file that is not a symbolic link.
fn read_no_follow(path: &Path) -> io::Result<Vec<u8>> {
    let mut content = Vec::new();
    private_options(OpenOptions::new().read(true)).open(path)?.read_to_end(&mut content)?;
    Ok(content)
}

fn link_fault(path: &Path) -> Fault {
    Fault::fatal(
        "local_state_link",
        format!("{} is a symbolic link, which hitctl does not follow", path.display()),
    )
    .caused_by("hitctl creates no symbolic links in its state directory")
    .hinted("remove the link, then run the command again")
}

fn is_empty(path: &Path) -> Result<bool, Fault> {
    let mut entries =
        fs::read_dir(path).map_err(|error| io_fault("read the state directory", path, &error))?;
    // Temporary files do not count: the first start may have been killed while it wrote the marker.
    Ok(entries
        .all(|entry| entry.is_ok_and(|entry| entry.file_name().to_string_lossy().starts_with(TEMP_PREFIX))))
}

fn foreign_fault(path: &Path) -> Fault {
    Fault::fatal("local_state_foreign", format!("{} is not a state directory of hitctl", path.display()))
        .caused_by(format!("it contains files, but no {MARKER}"))
        .hinted(format!(
            "move the files that you need out of {0}, run `rm -r {0}`, then run the command again",
            path.display()
        ))
}

/// Converts an I/O error of a file into a fault with a hint.
pub(crate) fn io_fault(action: &str, path: &Path, error: &io::Error) -> Fault {
    use io::ErrorKind as Kind;
    let shown = path.display();
    let message = format!("failed to {action} {shown}");
    let (code, hint) = match error.kind() {
        Kind::StorageFull | Kind::QuotaExceeded | Kind::FileTooLarge => {
            (codes::DISK_FULL, "free some space on that disk, then run the command again".to_owned())
        }
        Kind::PermissionDenied | Kind::ReadOnlyFilesystem => (
            "local_state_read_only",
            "make it writable for this user, or run hitctl in a writable directory".to_owned(),
        ),
        Kind::InvalidFilename => ("local_path_too_long", "use a directory with a shorter path".to_owned()),
        Kind::NotADirectory | Kind::AlreadyExists => {
            ("local_state_foreign", "move the file at that path, or use another directory".to_owned())
        }
        _ => ("local_state_io", "fix the cause, then run the command again".to_owned()),
    };
    Fault::fatal(code, message).caused_by(error.to_string()).hinted(hint)
}

#[cfg(test)]
mod tests;
