//! The daemon's own log, bounded: what it did, and whatever it says on stderr when something breaks.

use std::fs::{File, OpenOptions};
use std::io::{Read as _, Seek as _, SeekFrom, Write as _};
use std::path::Path;

use hitctl_engine::Fault;

use crate::clock::{now_ms, timestamp};
use crate::state::{self, DAEMON_LOG, StateDir};

/// The log is cut to half of this when it has grown to it, in bytes.
const MAX_BYTES: u64 = 512 * 1024;

/// The log, open for appending.
pub(crate) struct Journal {
    file: File,
}

/// Opens the log of a state directory, for the daemon or as the stderr of one that is being started.
pub(crate) fn open(dir: &StateDir) -> Result<File, Fault> {
    let path = dir.path().join(DAEMON_LOG);
    let file = state::own(OpenOptions::new().read(true).append(true).create(true))
        .open(&path)
        .map_err(|error| state::fault("open", &path, &error))?;
    bound(&file, &path)?;
    Ok(file)
}

/// Keeps the newer half of a log that is too large. Those who append to it go on at its new end.
fn bound(mut file: &File, path: &Path) -> Result<(), Fault> {
    let mut cut = || -> std::io::Result<()> {
        let size = file.metadata()?.len();
        if size > MAX_BYTES {
            let mut tail = Vec::new();
            file.seek(SeekFrom::Start(size - MAX_BYTES / 2))?;
            file.read_to_end(&mut tail)?;
            file.set_len(0)?;
            file.write_all(&tail)?;
        }
        Ok(())
    };
    cut().map_err(|error| state::fault("write", path, &error))
}

impl Journal {
    pub(crate) fn open(dir: &StateDir) -> Result<Self, Fault> {
        open(dir).map(|file| Self { file })
    }

    /// Adds a line. A log that cannot be written stops nothing.
    pub(crate) fn say(&self, text: &str) {
        let time = timestamp(now_ms());
        let line = format!("{time:.3} [{}] {}\n", std::process::id(), text.replace('\n', " "));
        drop((&self.file).write_all(line.as_bytes()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_bounded_and_keeps_the_newer_half() {
        let temp = tempfile::tempdir().unwrap();
        let dir = StateDir::prepare(temp.path()).unwrap();
        let path = temp.path().join(DAEMON_LOG);
        std::fs::write(&path, format!("{}the newest\n", "old line\n".repeat(100_000))).unwrap();
        Journal::open(&dir).unwrap().say("started");
        let text = std::fs::read_to_string(&path).unwrap();
        assert!(text.len() < 300_000, "{}", text.len());
        assert!(text.contains("the newest\n"));
        assert!(text.trim_end().ends_with("started"));
    }
}
