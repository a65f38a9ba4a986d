//! Records failed writes of this process, so that the daemon's status can report a full disk. A failure is kept until a
//! later write to the same file succeeds. Only the probe of [`notices`] accesses the disk or can fail.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::clock::now_ms;
use crate::lock::lock;

/// The size of the probe, in bytes. It is larger than a block of a file system, so that the free space in a partly used
/// block is not enough for it.
const PROBE_BYTES: usize = 64 * 1024;

/// The failed writes of one file.
struct WriteFailure {
    /// The error of the last failure.
    cause: String,
    /// The time of the last failure, in milliseconds since the Unix epoch.
    at_ms: u64,
    /// The number of failures.
    failures: u64,
}

/// Whether there are failures. A successful write usually reads only this flag.
static HAS_FAILURES: AtomicBool = AtomicBool::new(false);
static FAILURES: Mutex<BTreeMap<PathBuf, WriteFailure>> = Mutex::new(BTreeMap::new());

/// Records a failed write to a file.
pub(crate) fn record_failure(path: &Path, cause: &str) {
    let mut all = lock(&FAILURES);
    let previous = all.get(path).map_or(0, |failure| failure.failures);
    let failure = WriteFailure { cause: cause.to_owned(), at_ms: now_ms(), failures: previous + 1 };
    all.insert(path.to_owned(), failure);
    HAS_FAILURES.store(true, Ordering::Relaxed);
}

/// Records a successful write to a file.
pub(crate) fn record_success(path: &Path) {
    if HAS_FAILURES.load(Ordering::Relaxed) {
        let mut all = lock(&FAILURES);
        all.remove(path);
        HAS_FAILURES.store(!all.is_empty(), Ordering::Relaxed);
    }
}

/// Returns notices for the user about the disk of `dir`: failed writes, and whether the disk is full now.
pub(crate) fn notices(dir: &Path) -> Vec<String> {
    let mut notices: Vec<String> = lock(&FAILURES)
        .iter()
        .filter(|(path, _)| path.starts_with(dir))
        .map(|(path, failure)| {
            let seconds = now_ms().saturating_sub(failure.at_ms) / 1000;
            let times = if failure.failures == 1 { "time" } else { "times" };
            format!(
                "failed to write {}: {} ({} {times}, last {seconds} s ago); free some space on that disk",
                path.display(),
                failure.cause,
                failure.failures
            )
        })
        .collect();
    if let Err(error) = probe(dir) {
        notices.push(format!("failed to write to {}: {error}; free some space on that disk", dir.display()));
    }
    notices
}

/// Tests whether `dir` can be written: writes a temporary file without a name, which disappears when it is closed.
fn probe(dir: &Path) -> std::io::Result<()> {
    tempfile::tempfile_in(dir)?.write_all(&vec![0; PROBE_BYTES])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn failed_write_is_listed_until_one_succeeds() {
        let dir = tempfile::tempdir().unwrap();
        let (path, other) = (dir.path().join("tables.db"), dir.path().join("queues.db"));
        assert_eq!(notices(dir.path()), [""; 0]);
        record_failure(&path, "database or disk is full");
        record_failure(&path, "database or disk is full");
        record_success(&other);
        let listed = notices(dir.path());
        assert_eq!(listed.len(), 1, "{listed:?}");
        assert!(listed[0].contains("tables.db: database or disk is full (2 times, last"), "{listed:?}");
        assert_eq!(notices(Path::new("/elsewhere/state")).len(), 1, "the directory does not exist");
        record_success(&path);
        assert_eq!(notices(dir.path()), [""; 0]);
    }
}
