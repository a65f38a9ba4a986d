//! Kills processes that outlived a killed daemon.
//!
//! After a SIGKILL of the daemon, its processes should exit, because they lose their Runtime API; the next
//! daemon kills those that did not. A file lists the boot id and the pid and start time of each
//! process, so that an unrelated process with a reused pid is never killed.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use hitctl_platform::{ProcessState, kill_group, process_state};

use crate::lock::lock;

/// The list of running processes, on disk.
pub(super) struct ProcessList {
    file: PathBuf,
    boot_id: String,
    processes: Mutex<BTreeMap<u32, u64>>,
}

impl ProcessList {
    /// Kills the processes that the list in `dir` names, and starts a new list.
    pub(super) fn take_over_list(dir: &Path) -> Self {
        let file = dir.join(".processes");
        let boot_id = hitctl_platform::boot_id().unwrap_or_default();
        if let Ok(text) = fs::read_to_string(&file) {
            for pid in survivors(&text, &boot_id) {
                kill_group(pid);
            }
            drop(fs::remove_file(&file));
        }
        Self { file, boot_id, processes: Mutex::new(BTreeMap::new()) }
    }

    pub(super) fn add(&self, pid: u32) {
        if let Some(started) = group_leader_start_time(pid) {
            let mut processes = lock(&self.processes);
            processes.insert(pid, started);
            self.write(&processes);
        }
    }

    pub(super) fn remove(&self, pid: u32) {
        let mut processes = lock(&self.processes);
        if processes.remove(&pid).is_some() {
            self.write(&processes);
        }
    }

    /// Writes the list to disk. Ignores failures: the next daemon then cannot kill these processes, but they
    /// should exit by themselves.
    fn write(&self, processes: &BTreeMap<u32, u64>) {
        let mut text = format!("{}\n", self.boot_id);
        for (pid, started) in processes {
            let _ = writeln!(text, "{pid} {started}");
        }
        let new = self.file.with_extension("new");
        if fs::write(&new, text).is_ok() {
            drop(fs::rename(&new, &self.file));
        }
    }
}

/// Returns the listed processes that still run; none if the list is from another boot.
fn survivors(text: &str, boot_id: &str) -> Vec<u32> {
    let mut lines = text.lines();
    if lines.next() != Some(boot_id) {
        return Vec::new();
    }
    lines
        .filter_map(|line| {
            let (pid, started) = line.split_once(' ')?;
            let pid: u32 = pid.parse().ok()?;
            (group_leader_start_time(pid) == started.parse().ok()).then_some(pid)
        })
        .collect()
}

/// Returns the start time of the process `pid`, in ticks since boot; `None` if it does not lead its own
/// process group, as ours do.
fn group_leader_start_time(pid: u32) -> Option<u64> {
    match process_state(pid) {
        ProcessState::Running { start_time, leads_group: Some(true) } => start_time,
        _ => None,
    }
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;
    use std::os::unix::process::{CommandExt as _, ExitStatusExt as _};
    use std::process::{Child, Command};

    fn sleeper(own_group: bool) -> Child {
        let mut command = Command::new("sleep");
        command.arg("60");
        if own_group {
            command.process_group(0);
        }
        command.spawn().expect("`sleep` is installed")
    }

    #[test]
    fn survivor_of_previous_daemon_is_killed() {
        let dir = tempfile::tempdir().unwrap();
        let mut child = sleeper(true);
        ProcessList::take_over_list(dir.path()).add(child.id());
        drop(ProcessList::take_over_list(dir.path()));
        assert_eq!(child.wait().unwrap().signal(), Some(9));
    }

    #[test]
    fn process_with_reused_pid_is_not_killed() {
        let dir = tempfile::tempdir().unwrap();
        let mut child = sleeper(true);
        let orphans = ProcessList::take_over_list(dir.path());
        orphans.add(child.id());
        let list = fs::read_to_string(&orphans.file).unwrap();
        let started = group_leader_start_time(child.id()).unwrap();
        let other = list.replace(&format!(" {started}"), &format!(" {}", started + 1));
        assert_ne!(list, other);
        fs::write(&orphans.file, other).unwrap();
        drop(ProcessList::take_over_list(dir.path()));
        assert!(child.try_wait().unwrap().is_none());
        child.kill().unwrap();
        child.wait().unwrap();
    }

    #[test]
    fn survivors_of_other_boot_or_damaged_list_are_none() {
        let mut child = sleeper(false);
        assert_eq!(group_leader_start_time(child.id()), None);
        assert_eq!(survivors("other\n1 5\n", "boot"), [0; 0]);
        assert_eq!(survivors("boot\nx y\n7", "boot"), [0; 0]);
        child.kill().unwrap();
        child.wait().unwrap();
    }
}
