//! Whose something temporary is: it bears the id of its process and the time when that started, so that what a killed run left
//! behind is found again, and nobody else's is touched.

use std::path::{Path, PathBuf};
use std::{fs, io};

use rustix::process::{Pid, test_kill_process};

/// What every name begins with.
const PREFIX: &str = "hitctl-tune-";

/// A process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Mark {
    pid: u32,
    /// In ticks since the machine started; 0 where the system does not say.
    started: u64,
}

impl Mark {
    /// This process's.
    pub(super) fn own() -> Self {
        let pid = std::process::id();
        Self { pid, started: started(pid) }
    }

    /// The name of what belongs to it.
    pub(super) fn name(self) -> String {
        format!("{PREFIX}{}-{}", self.pid, self.started)
    }

    /// Whose a name is, with whatever follows after a dash.
    fn of(name: &str) -> Option<Self> {
        let mut parts = name.strip_prefix(PREFIX)?.split('-');
        Some(Self { pid: parts.next()?.parse().ok()?, started: parts.next()?.parse().ok()? })
    }

    /// Whether that process is no more.
    fn is_dead(self) -> bool {
        let pid = i32::try_from(self.pid).ok().and_then(Pid::from_raw);
        // One that may not be asked is alive.
        let gone = |pid| test_kill_process(pid) == Err(rustix::io::Errno::SRCH);
        pid.is_none_or(gone) || started(self.pid) != self.started
    }
}

/// When a process started; 0 where that is not known.
fn started(pid: u32) -> u64 {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    // The name, in parentheses, may hold anything; what follows the last one is fields 3 and up.
    let fields = stat.rfind(')').and_then(|end| stat.get(end + 1..)).unwrap_or_default();
    fields.split_ascii_whitespace().nth(19).and_then(|field| field.parse().ok()).unwrap_or(0)
}

/// What processes that are no more left in a directory.
pub(super) fn left_in(dir: &Path) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(dir) else { return Vec::new() };
    let is_left = |path: &PathBuf| {
        path.file_name().and_then(|name| Mark::of(name.to_str()?)).is_some_and(Mark::is_dead)
    };
    entries.flatten().map(|entry| entry.path()).filter(is_left).collect()
}

/// A directory of this process, which goes when this is dropped.
#[derive(Debug)]
pub struct Scratch(PathBuf);

impl Scratch {
    /// A new one in `base`; those of processes that are no more are removed.
    pub fn new(base: &Path) -> io::Result<Self> {
        for left in left_in(base) {
            // What cannot be removed now may be the next time.
            drop(fs::remove_dir_all(left));
        }
        let dir = base.join(Mark::own().name());
        fs::create_dir_all(&dir)?;
        Ok(Self(dir))
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // What cannot be removed now is found by the next run.
        drop(fs::remove_dir_all(&self.0));
        // The folder above, where nobody else uses it.
        drop(self.0.parent().map(fs::remove_dir));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_living_keep_what_is_theirs_and_the_dead_do_not() {
        let base = tempfile::tempdir().unwrap();
        let own = Scratch::new(base.path()).unwrap();
        let mut child = std::process::Command::new("true").spawn().unwrap();
        let pid = child.id();
        child.wait().unwrap();
        let dead = base.path().join(format!("hitctl-tune-{pid}-1-128"));
        let later = base.path().join(format!("{PREFIX}{}-1", std::process::id()));
        let strange = base.path().join("hitctl-tune-x-1");
        for dir in [&dead, &later, &strange] {
            fs::create_dir(dir).unwrap();
        }
        let mut left = left_in(base.path());
        left.sort();
        let mut expected = vec![dead.clone(), later.clone()];
        expected.sort();
        assert_eq!(left, expected, "of the dead, and of one before us with our id");
        drop(Scratch::new(base.path()).unwrap());
        assert!(!dead.exists() && !later.exists() && strange.exists());
        drop(own);
        assert!(strange.exists(), "what is nobody's stays");
    }
}
