//! Hides the differences between operating systems: owners and permissions of files, processes, signals, and the user's
//! folders.
//!
//! `unix` and `windows` contain the same functions; the compiler picks one of them. No other crate contains code for one
//! system, except where it measures with an interface that only Linux has (`/proc/PID/status`, cgroups).

pub mod project;
#[cfg(unix)]
mod unix;
#[cfg(windows)]
mod windows;

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

#[cfg(unix)]
pub use unix::*;
#[cfg(windows)]
pub use windows::*;

/// A kind of data that programs keep for the user.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UserDir {
    /// Data that can be created again.
    Cache,
    /// Data that must not be lost.
    State,
}

impl UserDir {
    /// Returns the environment variable that sets the directory on every system (XDG Base Directory Specification).
    pub fn variable(self) -> &'static str {
        match self {
            Self::Cache => "XDG_CACHE_HOME",
            Self::State => "XDG_STATE_HOME",
        }
    }
}

/// Returns the directory in which `program` keeps data of this kind. The error contains the names of two environment variables: one of
/// them must be set to an absolute path. The working directory is not used instead, because it may belong to another user.
pub fn user_dir(
    kind: UserDir,
    program: &str,
    env: &BTreeMap<String, String>,
) -> Result<PathBuf, [&'static str; 2]> {
    let absolute = |name: &str| env.get(name).map(PathBuf::from).filter(|path| path.is_absolute());
    let (base, below) = default_user_dir(kind, program);
    absolute(kind.variable())
        .map(|dir| dir.join(program))
        .or_else(|| absolute(base).map(|base| base.join(below)))
        .ok_or([base, kind.variable()])
}

/// Whether `file` is the file at `path`, and not another file that was put there since it was opened.
pub fn is_same_file(file: &File, path: &Path) -> bool {
    let opened = file.try_clone().and_then(same_file::Handle::from_file);
    opened.ok().is_some_and(|opened| same_file::Handle::from_path(path).is_ok_and(|found| found == opened))
}

/// Finds the program with this name in the absolute folders of `path` (the value of `PATH`) and then of `extra`.
pub fn find_program(name: &str, path: &str, extra: &[PathBuf]) -> Option<PathBuf> {
    let folders = std::env::split_paths(path).filter(|folder| folder.is_absolute());
    folders
        .chain(extra.iter().cloned())
        .flat_map(|folder| PROGRAM_SUFFIXES.iter().map(move |suffix| folder.join(format!("{name}{suffix}"))))
        .find(|file| file.metadata().is_ok_and(|meta| is_program(&meta)))
}

/// Returns `path` as an absolute path without symbolic links.
pub fn canonicalize(path: &Path) -> io::Result<PathBuf> {
    fs::canonicalize(path).map(shorten)
}

/// The state of a process on this machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProcessState {
    /// The process runs.
    Running {
        /// The start time in clock ticks since boot. `None` on systems that do not report it.
        start_time: Option<u64>,
        /// Whether the process leads a process group. `None` on systems that do not report it.
        leads_group: Option<bool>,
    },
    /// There is no such process, or it has ended and was not yet reaped.
    Ended,
    /// The system does not report it.
    Unknown,
}

#[cfg(test)]
mod tests;
