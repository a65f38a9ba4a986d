//! The state directory: made, checked, locked and written here, and nowhere else.
//!
//! It is for this user only (0700, files 0600), it is ours only when it holds our marker, and every file that must not be
//! half-written goes through [`StateDir::write`]. No link in it is ever followed. One daemon holds the lock for its life; the
//! kernel gives it back when the daemon dies, however it dies, so that no stale lock exists. Which directory belongs to which
//! project is decided in [`project`].

pub(crate) mod document;
pub mod project;
pub(crate) mod version;

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::net::SocketAddr;
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use hitctl_engine::Fault;
use rustix::fs::OFlags;
use serde::{Deserialize, Serialize};

use self::project::{Identity, Project};
use crate::codes;
use crate::disk;
pub use version::STATE_VERSION;

const MARKER: &str = "hitctl-local.json";
const LOCK: &str = "daemon.lock";
const ENDPOINT: &str = "daemon.json";
/// The daemon's own log.
pub const DAEMON_LOG: &str = "daemon.log";
/// The registry of what is deployed.
pub(crate) const REGISTRY: &str = "registry.json";
/// The tables.
pub(crate) const TABLES: &str = "tables.db";
/// The messages on queues.
pub(crate) const QUEUES: &str = "queues.sqlite";
/// The events that are on their way.
pub(crate) const EVENTS: &str = "events.sqlite";
/// The databases.
pub(crate) const DATABASES: [&str; 3] = [TABLES, QUEUES, EVENTS];
/// What was asked to be invalidated.
pub(crate) const INVALIDATIONS: &str = "invalidations.json";
/// The logs of functions.
pub(crate) const LOGS: &str = "logs";
/// Unpacked code.
pub(crate) const CODE: &str = "code";
/// Zips, by hash.
pub(crate) const ZIPS: &str = "zips";

/// The names of the files and directories that we make, the marker last; [`StateDir::remove_all`] removes nothing else.
pub(crate) fn ours() -> Vec<String> {
    let databases =
        DATABASES.iter().flat_map(|name| ["-wal", "-shm", ""].map(|suffix| format!("{name}{suffix}")));
    let others = [ENDPOINT, DAEMON_LOG, REGISTRY, INVALIDATIONS, LOGS, CODE, ZIPS, LOCK, MARKER];
    databases.chain(others.map(str::to_owned)).collect()
}

/// How often a write is tried again whose draft was swept away.
const WRITE_TRIES: u32 = 5;
/// The beginning of the name of a file that is being written.
const TEMP: &str = ".writing-";

/// A state directory that was checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StateDir {
    path: PathBuf,
}

/// Held by the daemon for its life.
#[derive(Debug)]
pub struct Lock {
    file: File,
    path: PathBuf,
}

impl Lock {
    /// Whether the directory that it locks is still there. When somebody removed it, the lock keeps nobody out any more.
    pub(crate) fn is_in_place(&self) -> bool {
        same_file(&self.file, &self.path)
    }
}

/// Where a running daemon is reached: the content of `daemon.json`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Endpoint {
    /// The layout of this file.
    pub v: u32,
    /// The daemon's process.
    pub pid: u32,
    /// The base of the control API.
    pub control: String,
    /// The DynamoDB endpoint.
    pub table: String,
    /// What callers of the control API show.
    pub token: String,
    /// Which build of the program the daemon is.
    pub build_id: String,
    /// When it started, in milliseconds since the Unix epoch.
    pub started_ms: u64,
}

impl Endpoint {
    /// Whether both addresses are this machine's own, as a daemon writes them: `http://127.0.0.1:PORT`.
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
    /// The layout of the directory.
    v: u32,
    /// The project whose state this is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) project: Option<Project>,
    /// The directory that the state was copied from and that is still to be removed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) moved_from: Option<Identity>,
}

impl Marker {
    /// A marker of the current layout.
    pub(crate) fn of(project: Option<Project>, moved_from: Option<Identity>) -> Self {
        Self { v: STATE_VERSION, project, moved_from }
    }
}

impl StateDir {
    /// Makes the directory when it is not there, and checks it.
    pub fn prepare(path: &Path) -> Result<Self, Fault> {
        let path =
            std::path::absolute(path).map_err(|error| fault("find the state directory", path, &error))?;
        make_dir(&path).map_err(|error| fault("make the state directory", &path, &error))?;
        if let Some(dir) = Self::existing(&path)? {
            return Ok(dir);
        }
        if !is_empty(&path)? {
            return Err(foreign(&path));
        }
        Self::mark(path, &Marker::of(None, None))
    }

    /// Makes a directory ours, which may hold the copied files of another one.
    pub(crate) fn mark(path: PathBuf, marker: &Marker) -> Result<Self, Fault> {
        let dir = Self { path };
        dir.guard_permissions()?;
        dir.write_marker(marker)?;
        Ok(dir)
    }

    /// Says what the directory is and whose.
    pub(crate) fn write_marker(&self, marker: &Marker) -> Result<(), Fault> {
        self.write(MARKER, &serde_json::to_vec(marker).unwrap_or_default())
    }

    /// Reads the marker.
    pub(crate) fn marker(&self) -> Result<Marker, Fault> {
        let path = self.path.join(MARKER);
        let text = read_own(&path).map_err(|error| fault("read", &path, &error))?;
        version::parse(&path, &text)
    }

    /// The directory when it is there and ours; makes nothing. `None` when there is none, or an empty one.
    pub fn existing(path: &Path) -> Result<Option<Self>, Fault> {
        let Some((dir, marker)) = Self::marked(path)? else { return Ok(None) };
        version::parse::<Marker>(&dir.path.join(MARKER), &marker)?;
        dir.guard_permissions()?;
        dir.guard_links()?;
        Ok(Some(dir))
    }

    /// The directory when it holds our marker, whatever that says: enough to stop its daemon and to remove it.
    pub(crate) fn to_remove(path: &Path) -> Result<Option<Self>, Fault> {
        Ok(Self::marked(path)?.map(|(dir, _)| dir))
    }

    fn marked(path: &Path) -> Result<Option<(Self, Vec<u8>)>, Fault> {
        let path =
            std::path::absolute(path).map_err(|error| fault("find the state directory", path, &error))?;
        if path.symlink_metadata().is_ok_and(|meta| meta.is_symlink()) {
            return Err(link(&path));
        }
        match read_own(&path.join(MARKER)) {
            Ok(marker) => Ok(Some((Self { path }, marker))),
            Err(error) if error.kind() == io::ErrorKind::NotFound => match is_empty(&path) {
                Ok(false) => Err(foreign(&path)),
                _ => Ok(None),
            },
            Err(error) => Err(fault("read the state directory", &path, &error)),
        }
    }

    /// Where it is, absolute.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Refuses what others own or can write to; closes what others can only read.
    fn guard_permissions(&self) -> Result<(), Fault> {
        let meta = fs::metadata(&self.path).map_err(|error| fault("look at", &self.path, &error))?;
        let path = self.path.display();
        if meta.uid() != rustix::process::geteuid().as_raw() {
            return Err(Fault::fatal(
                "local_state_owner",
                format!("the state directory {path} belongs to another user"),
            )
            .caused_by(format!("its owner is uid {}", meta.uid()))
            .hinted("run hitctl as that user, or in another directory"));
        }
        let mode = meta.permissions().mode() & 0o777;
        if mode & 0o022 != 0 {
            return Err(Fault::fatal(
                "local_state_open",
                format!("other users can write to the state directory {path}"),
            )
            .caused_by(format!("its mode is {mode:04o}, so what it holds cannot be trusted"))
            .hinted(format!("run `chmod 700 {path}` if nobody else has been in it")));
        }
        if mode & 0o077 != 0 {
            fs::set_permissions(&self.path, fs::Permissions::from_mode(0o700))
                .map_err(|error| fault("close to other users", &self.path, &error))?;
        }
        Ok(())
    }

    /// Refuses links: hitctl makes none, and following one would write to a file that somebody else chose.
    fn guard_links(&self) -> Result<(), Fault> {
        let is_link = |path: &PathBuf| path.symlink_metadata().is_ok_and(|meta| meta.is_symlink());
        match ours().iter().map(|name| self.path.join(name)).find(is_link) {
            Some(path) => Err(link(&path)),
            None => Ok(()),
        }
    }

    /// Takes the lock; `None` when another process has it.
    pub fn try_lock(&self) -> Result<Option<Lock>, Fault> {
        let path = self.path.join(LOCK);
        let file = own(OpenOptions::new().write(true).create(true).truncate(false))
            .open(&path)
            .map_err(|error| fault("open the lock", &path, &error))?;
        match file.try_lock() {
            Ok(()) if same_file(&file, &path) => Ok(Some(Lock { file, path })),
            // Somebody else has it; or a reset removed this very file between the opening and the locking.
            Ok(()) | Err(fs::TryLockError::WouldBlock) => Ok(None),
            Err(fs::TryLockError::Error(error)) => Err(fault("take the lock", &path, &error)),
        }
    }

    /// Writes a file as a whole: after a crash at any moment there is the old content or the new one.
    pub fn write(&self, name: &str, content: &[u8]) -> Result<(), Fault> {
        let path = self.path.join(name);
        let mut tries = 0;
        loop {
            match self.write_inner(&path, content) {
                // A daemon that starts sweeps what others are just writing: with the directory still there, it is written anew.
                Err(error) if error.kind() == io::ErrorKind::NotFound && tries < WRITE_TRIES => tries += 1,
                Ok(()) => {
                    disk::written(&path);
                    return Ok(());
                }
                Err(error) => {
                    disk::failed(&path, &error.to_string());
                    return Err(fault("write", &path, &error));
                }
            }
        }
    }

    fn write_inner(&self, path: &Path, content: &[u8]) -> io::Result<()> {
        let mut temp = tempfile::Builder::new().prefix(TEMP).tempfile_in(&self.path)?;
        temp.write_all(content)?;
        temp.as_file().sync_all()?;
        temp.persist(path).map_err(|error| error.error)?;
        File::open(&self.path)?.sync_all()
    }

    /// Says where the daemon is reached.
    pub fn write_endpoint(&self, endpoint: &Endpoint) -> Result<(), Fault> {
        self.write(ENDPOINT, &serde_json::to_vec_pretty(endpoint).unwrap_or_default())
    }

    /// Reads the address of the daemon, which may be long dead. An address that cannot be read, has a version that this program
    /// does not know, or names another machine, counts as none: a daemon writes it anew.
    pub fn endpoint(&self) -> Result<Option<Endpoint>, Fault> {
        let path = self.path.join(ENDPOINT);
        let text = read_if_there(&path)?;
        Ok(text.and_then(|text| version::parse(&path, &text).ok()).filter(Endpoint::is_loopback))
    }

    /// Forgets where a daemon was reached. Only the holder of the lock may.
    pub fn remove_endpoint(&self, _lock: &Lock) {
        drop(fs::remove_file(self.path.join(ENDPOINT)));
    }

    /// Removes what a killed daemon left half-written.
    pub(crate) fn sweep(&self, _lock: &Lock) {
        for entry in fs::read_dir(&self.path).into_iter().flatten().flatten() {
            if entry.file_name().to_string_lossy().starts_with(TEMP) {
                drop(fs::remove_file(entry.path()));
            }
        }
    }

    /// Removes everything that we made here, and the directory when nothing else is in it.
    ///
    /// The marker goes last, so that a run that was cut short is carried on by the next.
    pub(crate) fn remove_all(&self, lock: Lock) -> Result<(), Fault> {
        self.sweep(&lock);
        // A directory that the user keeps something else in stays, and stays ours: its marker too.
        let ours = ours();
        let own = |name: &std::ffi::OsStr| ours.iter().any(|own| name == own.as_str());
        let mut others = fs::read_dir(&self.path).into_iter().flatten().flatten();
        let keeps_marker = others.any(|entry| !own(&entry.file_name()));
        if keeps_marker {
            // Anew: what is there may be why all of it is removed.
            self.write_marker(&Marker::of(None, None))?;
        }
        for name in ours.iter().filter(|name| *name != MARKER || !keeps_marker) {
            let path = self.path.join(name);
            let removed = match path.symlink_metadata() {
                Ok(meta) if meta.is_dir() => fs::remove_dir_all(&path),
                Ok(_) => fs::remove_file(&path),
                Err(error) => Err(error),
            };
            match removed {
                Err(error) if error.kind() != io::ErrorKind::NotFound => {
                    return Err(fault("remove", &path, &error));
                }
                _ => {}
            }
        }
        drop(lock);
        // It stays when the user keeps something else in it.
        drop(fs::remove_dir(&self.path));
        Ok(())
    }

    /// The last lines of the daemon's own log, for the cause of a failed start.
    pub fn log_tail(&self, lines: usize) -> String {
        let text = fs::read(self.path.join(DAEMON_LOG)).unwrap_or_default();
        let text = String::from_utf8_lossy(&text);
        let all: Vec<&str> = text.lines().collect();
        all[all.len().saturating_sub(lines)..].join("\n")
    }
}

/// Opens no link, and makes files that only this user can read.
pub(crate) fn own(options: &mut OpenOptions) -> &mut OpenOptions {
    options.mode(0o600).custom_flags(OFlags::NOFOLLOW.bits().cast_signed())
}

/// Makes an empty file for a database, unless it is there: SQLite makes its side files with the mode of the main one.
pub(crate) fn make_private(path: &Path) -> io::Result<()> {
    own(OpenOptions::new().append(true).create(true)).open(path).map(drop)
}

/// Makes a directory that only this user can enter, unless it is there.
pub(crate) fn make_dir(path: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(path)
}

/// Reads a file that is no link; `None` when it is not there.
pub(crate) fn read_if_there(path: &Path) -> Result<Option<Vec<u8>>, Fault> {
    match read_own(path) {
        Ok(content) => Ok(Some(content)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(fault("read", path, &error)),
    }
}

/// Reads a file that is no link.
fn read_own(path: &Path) -> io::Result<Vec<u8>> {
    let mut content = Vec::new();
    own(OpenOptions::new().read(true)).open(path)?.read_to_end(&mut content)?;
    Ok(content)
}

fn link(path: &Path) -> Fault {
    Fault::fatal("local_state_link", format!("{} is a link, which hitctl does not follow", path.display()))
        .caused_by("hitctl makes no links in its state directory")
        .hinted("remove the link, then run the command again")
}

fn same_file(file: &File, path: &Path) -> bool {
    let id = |meta: fs::Metadata| (meta.dev(), meta.ino());
    file.metadata().ok().map(id) == fs::metadata(path).ok().map(id)
}

fn is_empty(path: &Path) -> Result<bool, Fault> {
    let mut entries = fs::read_dir(path).map_err(|error| fault("read the state directory", path, &error))?;
    // A first start that was killed leaves the marker being written.
    Ok(entries.all(|entry| entry.is_ok_and(|entry| entry.file_name().to_string_lossy().starts_with(TEMP))))
}

fn foreign(path: &Path) -> Fault {
    Fault::fatal("local_state_foreign", format!("{} is not a state directory of hitctl", path.display()))
        .caused_by(format!("it holds files, but no {MARKER}"))
        .hinted(format!(
            "move what you need out of {0}, remove it with `rm -r {0}`, then run the command again",
            path.display()
        ))
}

/// What the system said of a file, with what to do about it.
pub(crate) fn fault(doing: &str, path: &Path, error: &io::Error) -> Fault {
    use io::ErrorKind as Kind;
    let shown = path.display();
    let message = format!("could not {doing} {shown}");
    let (code, hint) = match error.kind() {
        Kind::StorageFull | Kind::QuotaExceeded | Kind::FileTooLarge => {
            (codes::DISK_FULL, "free some space on that disk, then run the command again".to_owned())
        }
        Kind::PermissionDenied | Kind::ReadOnlyFilesystem => (
            "local_state_read_only",
            "make it writable for this user, or run hitctl in a directory that is".to_owned(),
        ),
        Kind::InvalidFilename => {
            ("local_path_too_long", "work in a directory with a shorter path".to_owned())
        }
        Kind::NotADirectory | Kind::AlreadyExists => (
            "local_state_foreign",
            "move the file that is in the way, or choose another directory".to_owned(),
        ),
        _ => ("local_state_io", "look at what the system says, then run the command again".to_owned()),
    };
    Fault::fatal(code, message).caused_by(error.to_string()).hinted(hint)
}

#[cfg(test)]
mod tests;
