//! The key for fingerprints of secrets, one per user and machine. The key never leaves the machine. Without it, a
//! reader of a log cannot check whether a guessed secret has the fingerprint in the log.

use std::fs::OpenOptions;
use std::io::{self, Read as _, Write as _};
use std::path::Path;

use hitctl_config::FingerprintKey;
use hitctl_platform::{create_private_dir, current_user, mode, owner, private_options};

/// The file name of the key.
const FILE: &str = "fingerprint.key";
/// The size of the key in bytes.
const BYTES: usize = 32;

/// Reads the key from a directory, or creates it there. If it cannot be stored, each run uses another key.
pub(crate) fn load(dir: Option<&Path>) -> FingerprintKey {
    let stored = dir.and_then(|dir| read_or_create(dir).ok());
    FingerprintKey::new(stored.unwrap_or_else(random))
}

fn read_or_create(dir: &Path) -> io::Result<[u8; BYTES]> {
    let file = dir.join(FILE);
    match read(&file) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        // A full disk or a crash has truncated the file, so replace it. Other invalid files are kept.
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => drop(std::fs::remove_file(&file)),
        read => return read,
    }
    create_private_dir(dir)?;
    let mut created = tempfile::Builder::new().prefix(".fingerprint").tempfile_in(dir)?;
    created.write_all(&random())?;
    created.as_file().sync_all()?;
    match created.persist_noclobber(&file) {
        Ok(_) => {}
        // Another run has created the file in the meantime. Use its key.
        Err(error) if error.error.kind() == io::ErrorKind::AlreadyExists => {}
        Err(error) => return Err(error.error),
    }
    read(&file)
}

/// Reads a key file. Fails unless the file belongs to the user and no other user can read it.
fn read(path: &Path) -> io::Result<[u8; BYTES]> {
    let mut file = private_options(OpenOptions::new().read(true)).open(path)?;
    let meta = file.metadata()?;
    let is_own = owner(&meta) == current_user();
    if !meta.is_file() || !is_own || mode(&meta).is_some_and(|mode| mode & 0o077 != 0) {
        return Err(io::ErrorKind::InvalidData.into());
    }
    if meta.len() != BYTES as u64 {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    let mut key = [0; BYTES];
    file.read_exact(&mut key)?;
    Ok(key)
}

fn random() -> [u8; BYTES] {
    let mut key = [0; BYTES];
    getrandom::fill(&mut key).expect("every supported system has random numbers");
    key
}

#[cfg(unix)]
#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    fn fingerprint(dir: &Path) -> String {
        load(Some(dir)).fingerprint("hunter2")
    }

    #[test]
    fn key_is_stored_once_per_directory_and_private() {
        let (one, two) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let dir = one.path().join("state/hitctl");
        assert_eq!(fingerprint(&dir), fingerprint(&dir));
        assert_ne!(fingerprint(&dir), fingerprint(two.path()));
        let mode = |path: &Path| path.metadata().unwrap().permissions().mode() & 0o777;
        assert_eq!((mode(&dir.join(FILE)), mode(&dir)), (0o600, 0o700));
        assert_eq!(std::fs::read_dir(&dir).unwrap().count(), 1, "no temporary file remains");
    }

    #[test]
    fn concurrent_runs_use_same_key() {
        let dir = tempfile::tempdir().unwrap();
        let all: std::collections::BTreeSet<String> = std::thread::scope(|scope| {
            let runs: Vec<_> = (0..8).map(|_| scope.spawn(|| fingerprint(dir.path()))).collect();
            runs.into_iter().map(|run| run.join().unwrap()).collect()
        });
        assert_eq!(all.len(), 1, "{all:?}");
    }

    #[test]
    fn key_file_that_is_readable_by_others_or_linked_is_not_used() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join(FILE);
        let is_unused = || fingerprint(dir.path()) != fingerprint(dir.path());
        std::fs::write(&file, [7; BYTES]).unwrap();
        std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o644)).unwrap();
        assert!(is_unused(), "readable by other users");
        std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o600)).unwrap();
        assert!(!is_unused(), "the same file, private");
        std::fs::rename(&file, dir.path().join("elsewhere")).unwrap();
        std::os::unix::fs::symlink("elsewhere", &file).unwrap();
        assert!(is_unused(), "a symbolic link");
        std::fs::remove_file(&file).unwrap();
        std::fs::write(&file, [7; 5]).unwrap();
        std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o600)).unwrap();
        assert!(!is_unused(), "a truncated file is replaced once");
        assert_eq!(std::fs::read(&file).unwrap().len(), BYTES);
    }

    #[test]
    fn key_that_cannot_be_stored_differs_for_each_run() {
        let file = tempfile::NamedTempFile::new().unwrap();
        assert_ne!(fingerprint(&file.path().join("state")), fingerprint(&file.path().join("state")));
        assert_ne!(load(None).fingerprint("a"), load(None).fingerprint("a"));
    }
}
