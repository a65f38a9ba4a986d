//! Processes that outlived a killed daemon.
//!
//! A daemon that dies of SIGKILL can end nothing. Its processes lose their Runtime API and should exit; what does not is
//! ended when the next daemon starts. A file lists the processes by pid *and* start time, and the boot they belong to, so
//! that a stranger who got an old pid is never touched.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use rustix::process::{Pid, Signal, kill_process_group};

use crate::lock::lock;

/// The list of living processes, on disk.
pub(super) struct Orphans {
    file: PathBuf,
    boot: String,
    living: Mutex<BTreeMap<u32, u64>>,
}

impl Orphans {
    /// Ends what the list in `dir` still names, and begins a new one.
    pub(super) fn end_those_in(dir: &Path) -> Self {
        let file = dir.join(".processes");
        let boot =
            fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default().trim().to_owned();
        if let Ok(text) = fs::read_to_string(&file) {
            for pid in survivors(&text, &boot) {
                // It may have gone by itself in between.
                let _ = kill_process_group(pid, Signal::KILL);
            }
            drop(fs::remove_file(&file));
        }
        Self { file, boot, living: Mutex::new(BTreeMap::new()) }
    }

    pub(super) fn add(&self, pid: u32) {
        if let Some(started) = group_leader_since(pid) {
            let mut living = lock(&self.living);
            living.insert(pid, started);
            self.write(&living);
        }
    }

    pub(super) fn remove(&self, pid: u32) {
        let mut living = lock(&self.living);
        if living.remove(&pid).is_some() {
            self.write(&living);
        }
    }

    /// Best effort: without the list, a process only loses its second way to end.
    fn write(&self, living: &BTreeMap<u32, u64>) {
        let mut text = format!("{}\n", self.boot);
        for (pid, started) in living {
            let _ = writeln!(text, "{pid} {started}");
        }
        let new = self.file.with_extension("new");
        if fs::write(&new, text).is_ok() {
            drop(fs::rename(&new, &self.file));
        }
    }
}

fn survivors(text: &str, boot: &str) -> Vec<Pid> {
    let mut lines = text.lines();
    if lines.next() != Some(boot) {
        return Vec::new();
    }
    lines
        .filter_map(|line| {
            let (pid, started) = line.split_once(' ')?;
            let pid: u32 = pid.parse().ok()?;
            (group_leader_since(pid) == started.parse().ok()).then_some(())?;
            Pid::from_raw(i32::try_from(pid).ok()?)
        })
        .collect()
}

/// When the process started, in ticks since boot; only of one that leads its own process group, as ours do.
fn group_leader_since(pid: u32) -> Option<u64> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name, in parentheses, may hold anything; what follows the last one is fields 3 and up.
    let fields: Vec<&str> = stat.get(stat.rfind(')')? + 1..)?.split_ascii_whitespace().collect();
    (fields.get(2)?.parse() == Ok(pid)).then_some(())?;
    fields.get(19)?.parse().ok()
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
        command.spawn().expect("there is a `sleep`")
    }

    #[test]
    fn a_survivor_of_the_last_daemon_is_ended() {
        let dir = tempfile::tempdir().unwrap();
        let mut child = sleeper(true);
        Orphans::end_those_in(dir.path()).add(child.id());
        drop(Orphans::end_those_in(dir.path()));
        assert_eq!(child.wait().unwrap().signal(), Some(9));
    }

    #[test]
    fn a_stranger_with_an_old_pid_is_left_alone() {
        let dir = tempfile::tempdir().unwrap();
        let mut child = sleeper(true);
        let orphans = Orphans::end_those_in(dir.path());
        orphans.add(child.id());
        let list = fs::read_to_string(&orphans.file).unwrap();
        let started = group_leader_since(child.id()).unwrap();
        let other = list.replace(&format!(" {started}"), &format!(" {}", started + 1));
        assert_ne!(list, other);
        fs::write(&orphans.file, other).unwrap();
        drop(Orphans::end_those_in(dir.path()));
        assert!(child.try_wait().unwrap().is_none());
        child.kill().unwrap();
        child.wait().unwrap();
    }

    #[test]
    fn a_list_of_another_boot_and_a_torn_list_name_nobody() {
        let mut child = sleeper(false);
        assert_eq!(group_leader_since(child.id()), None);
        assert_eq!(survivors("other\n1 5\n", "boot"), []);
        assert_eq!(survivors("boot\nx y\n7", "boot"), []);
        child.kill().unwrap();
        child.wait().unwrap();
    }
}
