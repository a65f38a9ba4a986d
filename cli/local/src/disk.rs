//! Writes of this process that failed, so that its status tells of a full disk. A file's failure stands until a later write to
//! the same file succeeds. Nothing here fails or waits for a disk but the probe of [`notices`].

use std::collections::BTreeMap;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::clock::now_ms;
use crate::lock::lock;

/// The size of the probe: more than is left of a block that is partly used.
const PROBE_BYTES: usize = 64 * 1024;

/// A failed write.
struct Failure {
    cause: String,
    at_ms: u64,
    failures: u64,
}

/// Whether there is any, so that a write that succeeds costs one look at it.
static ANY: AtomicBool = AtomicBool::new(false);
static FAILED: Mutex<BTreeMap<PathBuf, Failure>> = Mutex::new(BTreeMap::new());

/// Notes that a file could not be written.
pub(crate) fn failed(path: &Path, cause: &str) {
    let mut all = lock(&FAILED);
    let before = all.get(path).map_or(0, |failure| failure.failures);
    let failure = Failure { cause: cause.to_owned(), at_ms: now_ms(), failures: before + 1 };
    all.insert(path.to_owned(), failure);
    ANY.store(true, Ordering::Relaxed);
}

/// Notes that a file was written.
pub(crate) fn written(path: &Path) {
    if ANY.load(Ordering::Relaxed) {
        let mut all = lock(&FAILED);
        all.remove(path);
        ANY.store(!all.is_empty(), Ordering::Relaxed);
    }
}

/// Returns what the user should know of the disk that `dir` is on: failed writes, and whether the disk is full now.
pub(crate) fn notices(dir: &Path) -> Vec<String> {
    let mut notices: Vec<String> = lock(&FAILED)
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
        notices.push(format!("failed to write in {}: {error}; free some space on that disk", dir.display()));
    }
    notices
}

/// Writes a file that has no name, so that nothing is left of it.
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
        failed(&path, "database or disk is full");
        failed(&path, "database or disk is full");
        written(&other);
        let listed = notices(dir.path());
        assert_eq!(listed.len(), 1, "{listed:?}");
        assert!(listed[0].contains("tables.db: database or disk is full (2 times, last"), "{listed:?}");
        assert_eq!(notices(Path::new("/elsewhere/state")).len(), 1, "that directory cannot be written");
        written(&path);
        assert_eq!(notices(dir.path()), [""; 0]);
    }
}
