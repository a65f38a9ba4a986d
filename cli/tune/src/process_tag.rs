//! Tags temporary files and cgroups with the id and the start time of their process. A later run can then find and
//! remove exactly those of killed processes.

use std::path::{Path, PathBuf};
use std::{fs, io};

use hitctl_platform::{ProcessState, process_state};

/// The prefix of every tagged name.
const PREFIX: &str = "hitctl-tune-";

/// The identity of a process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct ProcessTag {
    pid: u32,
    /// The start time in clock ticks since boot; 0 if the system does not report it.
    start_time: u64,
}

impl ProcessTag {
    /// Returns the tag of this process.
    pub(super) fn current() -> Self {
        let pid = std::process::id();
        Self { pid, start_time: start_time(pid) }
    }

    /// Returns the name for a file or group of the process.
    pub(super) fn name(self) -> String {
        format!("{PREFIX}{}-{}", self.pid, self.start_time)
    }

    /// Parses the tag from a name. Anything may follow after another dash.
    fn parse(name: &str) -> Option<Self> {
        let mut parts = name.strip_prefix(PREFIX)?.split('-');
        Some(Self { pid: parts.next()?.parse().ok()?, start_time: parts.next()?.parse().ok()? })
    }

    /// Whether the process has ended.
    fn has_ended(self) -> bool {
        match process_state(self.pid) {
            ProcessState::Running { start_time, .. } => start_time.unwrap_or(0) != self.start_time,
            ProcessState::Ended => true,
            ProcessState::Unknown => false,
        }
    }
}

/// Returns the start time of a process in clock ticks since boot, or 0 if it is unknown.
fn start_time(pid: u32) -> u64 {
    match process_state(pid) {
        ProcessState::Running { start_time, .. } => start_time.unwrap_or(0),
        ProcessState::Ended | ProcessState::Unknown => 0,
    }
}

/// Returns the entries of a directory that belong to ended processes.
pub(super) fn stale_entries(dir: &Path) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(dir) else { return Vec::new() };
    let is_stale = |path: &PathBuf| {
        path.file_name().and_then(|name| ProcessTag::parse(name.to_str()?)).is_some_and(ProcessTag::has_ended)
    };
    entries.flatten().map(|entry| entry.path()).filter(is_stale).collect()
}

/// A temporary directory of this process. It is removed when this value is dropped.
#[derive(Debug)]
pub struct ScratchDir(PathBuf);

impl ScratchDir {
    /// Creates a directory in `base`, and removes those of ended processes.
    pub fn new(base: &Path) -> io::Result<Self> {
        for stale in stale_entries(base) {
            // If the removal fails, the next run tries again.
            drop(fs::remove_dir_all(stale));
        }
        let dir = base.join(ProcessTag::current().name());
        fs::create_dir_all(&dir)?;
        Ok(Self(dir))
    }

    /// Returns the path of the directory.
    pub fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for ScratchDir {
    fn drop(&mut self) {
        // If the removal fails, the next run finds the directory.
        drop(fs::remove_dir_all(&self.0));
        // Removes the parent directory if it is empty.
        drop(self.0.parent().map(fs::remove_dir));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scratch_dir_removes_directories_of_ended_processes_only() {
        let base = tempfile::tempdir().unwrap();
        let current = ScratchDir::new(base.path()).unwrap();
        let mut child = std::process::Command::new("true").spawn().unwrap();
        let pid = child.id();
        child.wait().unwrap();
        let ended = base.path().join(format!("hitctl-tune-{pid}-1-128"));
        let reused_pid = base.path().join(format!("{PREFIX}{}-1", std::process::id()));
        let foreign = base.path().join("hitctl-tune-x-1");
        for dir in [&ended, &reused_pid, &foreign] {
            fs::create_dir(dir).unwrap();
        }
        let mut stale = stale_entries(base.path());
        stale.sort();
        let mut expected = vec![ended.clone(), reused_pid.clone()];
        expected.sort();
        assert_eq!(
            stale, expected,
            "those of an ended process, and of an earlier process with the id of this one"
        );
        drop(ScratchDir::new(base.path()).unwrap());
        assert!(!ended.exists() && !reused_pid.exists() && foreign.exists());
        drop(current);
        assert!(foreign.exists(), "a directory without a valid tag is kept");
    }
}
