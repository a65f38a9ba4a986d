//! The daemon's own log, limited in size: its actions, and its stderr output when something fails.

use std::fs::{File, OpenOptions};
use std::io::{Read as _, Seek as _, SeekFrom, Write as _};
use std::path::Path;

use hitctl_engine::Fault;

use crate::clock::{now_ms, timestamp};
use crate::state::{self, DAEMON_LOG, StateDir};

/// The maximum size of the log, in bytes. A larger log is cut to half of this size.
const MAX_BYTES: u64 = 512 * 1024;

/// The log, open for appending.
pub(crate) struct Journal {
    file: File,
}

/// Opens the log of a state directory, for the daemon or as the stderr of a starting daemon.
pub(crate) fn open(dir: &StateDir) -> Result<File, Fault> {
    let path = dir.path().join(DAEMON_LOG);
    let file = hitctl_platform::private_options(OpenOptions::new().read(true).append(true).create(true))
        .open(&path)
        .map_err(|error| state::io_fault("open", &path, &error))?;
    truncate_if_large(&file, &path)?;
    Ok(file)
}

/// Removes the older part of a log that is too large. Other processes continue to append at the new end.
fn truncate_if_large(mut file: &File, path: &Path) -> Result<(), Fault> {
    let mut truncate = || -> std::io::Result<()> {
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
    truncate().map_err(|error| state::io_fault("write", path, &error))
}

impl Journal {
    pub(crate) fn open(dir: &StateDir) -> Result<Self, Fault> {
        open(dir).map(|file| Self { file })
    }

    /// Appends a line. Ignores errors, so that an unwritable log never stops the daemon.
    pub(crate) fn write_line(&self, text: &str) {
        let time = timestamp(now_ms());
        let line = format!("{time:.3} [{}] {}\n", std::process::id(), text.replace('\n', " "));
        drop((&self.file).write_all(line.as_bytes()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn log_size_is_limited_and_newest_lines_are_kept() {
        let temp = tempfile::tempdir().unwrap();
        let dir = StateDir::prepare(temp.path()).unwrap();
        let path = temp.path().join(DAEMON_LOG);
        std::fs::write(&path, format!("{}the newest\n", "old line\n".repeat(100_000))).unwrap();
        Journal::open(&dir).unwrap().write_line("started");
        let text = std::fs::read_to_string(&path).unwrap();
        assert!(text.len() < 300_000, "{}", text.len());
        assert!(text.contains("the newest\n"));
        assert!(text.trim_end().ends_with("started"));
    }
}
