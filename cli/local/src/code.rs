//! Stores the zips of functions by hash: receives them, verifies them, and removes those that no function
//! uses.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::{self, Read, Write as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use futures::{Stream, StreamExt as _};
use hitctl_engine::Fault;
use hitctl_resources::{FunctionSpec, Spec as _};
use serde_json::Value as Json;
use sha2::{Digest as _, Sha256};
use tempfile::NamedTempFile;

use crate::clock::now_ms;
use crate::protocol::DeployedResources;
use crate::state;

/// The largest zip that Lambda accepts in a call, in bytes.
pub(crate) const MAX_ZIP_BYTES: usize = 50 * 1024 * 1024;
/// The field of a function's spec with the hash of its code.
const CODE_SHA256_FIELD: &str = "code_sha256";
/// The age below which an unused zip is kept: it may belong to a deploy that is in progress.
const UNUSED_GRACE_PERIOD: Duration = Duration::from_mins(10);

/// The directory with the zips.
pub(crate) struct CodeStore {
    dir: PathBuf,
}

impl CodeStore {
    pub(crate) fn open(dir: PathBuf) -> Result<Self, Fault> {
        hitctl_platform::create_private_dir(&dir).map_err(|error| state::io_fault("create", &dir, &error))?;
        Ok(Self { dir })
    }

    /// Returns the path of the zip with the hash `sha256`. The file need not exist.
    pub(crate) fn path(&self, sha256: &str) -> PathBuf {
        self.dir.join(format!("{sha256}.zip"))
    }

    /// Whether the zip with the hash `sha256` exists and is intact. Reads the whole file.
    pub(crate) fn has(&self, sha256: &str) -> bool {
        self.verify(sha256).is_ok()
    }

    /// Checks that the zip with the hash `sha256` exists and is intact. Reads the whole file. The error says what
    /// is wrong.
    pub(crate) fn verify(&self, sha256: &str) -> Result<(), String> {
        verify(&self.dir, sha256)
    }

    /// Stores a zip that must have the hash `sha256`. A failed upload leaves no file.
    pub(crate) async fn store<B, E>(
        &self,
        sha256: &str,
        mut bytes: impl Stream<Item = Result<B, E>> + Unpin,
    ) -> Result<(), Fault>
    where
        B: AsRef<[u8]>,
        E: std::fmt::Display,
    {
        if !is_sha256(sha256) {
            return Err(Fault::fatal(
                "invalid_request",
                format!("expected a SHA-256 in lower-case hexadecimal, found {sha256:?}"),
            ));
        }
        let path = self.path(sha256);
        let failed = |error: &io::Error| state::io_fault("write", &path, error);
        let mut temp =
            NamedTempFile::with_prefix_in(".upload-", &self.dir).map_err(|error| failed(&error))?;
        let mut hasher = Sha256::new();
        let mut size = 0;
        while let Some(chunk) = bytes.next().await {
            let chunk = chunk.map_err(|error| {
                Fault::transient("upload_cut", "failed to receive the zip").caused_by(error.to_string())
            })?;
            let chunk = chunk.as_ref();
            size += chunk.len();
            if size > MAX_ZIP_BYTES {
                return Err(Fault::fatal("code_too_large", "the zip is larger than Lambda's limit of 50 MB")
                    .hinted("build the function in release mode, without debug symbols"));
            }
            hasher.update(chunk);
            temp.write_all(chunk).map_err(|error| failed(&error))?;
        }
        let actual = hex::encode(hasher.finalize());
        if actual != sha256 {
            return Err(Fault::fatal("code_mismatch", "the SHA-256 of the uploaded zip does not match")
                .caused_by(format!("expected {sha256}, found {actual}"))
                .hinted("run the command again; if it fails again, run `hitctl build` first"));
        }
        temp.as_file().sync_all().map_err(|error| failed(&error))?;
        // Clients upload a zip only if the existing one is missing, damaged, or not a regular file.
        if fs::symlink_metadata(&path).is_ok_and(|meta| meta.is_dir()) {
            fs::remove_dir_all(&path).map_err(|error| failed(&error))?;
        }
        temp.persist(&path).map_err(|error| failed(&error.error))?;
        hitctl_platform::sync_dir(&self.dir).map_err(|error| failed(&error))
    }

    /// Removes zips that no function uses and partial uploads, except recent ones.
    pub(crate) fn remove_unused(&self, in_use: &BTreeSet<String>) {
        remove_unused(&self.dir, in_use);
    }
}

/// Checks that the zip with the hash `sha256` is in the directory `dir` and has that hash. The error says what is
/// wrong.
pub(crate) fn verify(dir: &Path, sha256: &str) -> Result<(), String> {
    if !is_sha256(sha256) {
        return Err(format!("expected a SHA-256 in lower-case hexadecimal, found {sha256:?}"));
    }
    let path = dir.join(format!("{sha256}.zip"));
    let display = path.display();
    let unreadable = |error: io::Error| match error.kind() {
        io::ErrorKind::NotFound => format!("{display} is missing"),
        _ => format!("failed to read {display}: {error}"),
    };
    if !fs::symlink_metadata(&path).map_err(unreadable)?.is_file() {
        return Err(format!("{display} is not a file"));
    }
    let mut file = fs::File::open(&path).map_err(unreadable)?;
    match sha256_of(&mut file).map_err(unreadable)? {
        actual if actual == sha256 => Ok(()),
        actual => Err(format!("{display} is damaged: its SHA-256 is {actual}")),
    }
}

/// Clears the code hash in a function's spec, for a function whose code is missing or damaged.
pub(crate) fn clear_code_hash(spec: &mut Json) {
    if let Some(sha256) = spec.get_mut(CODE_SHA256_FIELD) {
        *sha256 = Json::Null;
    }
}

/// Clears the code hash of every function whose zip in the directory `zips` is missing or damaged.
pub(crate) fn clear_missing_code_hashes(resources: &mut DeployedResources, zips: &Path) {
    for function in resources.get_mut(FunctionSpec::KIND).into_iter().flat_map(BTreeMap::values_mut) {
        let sha256 = function.spec.get(CODE_SHA256_FIELD).and_then(Json::as_str);
        if sha256.is_some_and(|sha256| verify(zips, sha256).is_err()) {
            clear_code_hash(&mut function.spec);
        }
    }
}

/// Returns the SHA-256 of everything that a reader yields, in hex.
pub(crate) fn sha256_of(reader: &mut impl Read) -> io::Result<String> {
    let mut hash = Sha256::new();
    let mut chunk = vec![0; 64 * 1024];
    loop {
        match reader.read(&mut chunk) {
            Ok(0) => return Ok(hex::encode(hash.finalize())),
            Ok(read) => hash.update(&chunk[..read]),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}

/// Removes the zips, the unpacked code and the partial uploads in `dir` that are older than ten minutes, except
/// those whose hash is in `in_use`.
pub(crate) fn remove_unused(dir: &Path, in_use: &BTreeSet<String>) {
    let cutoff_ms = u128::from(now_ms()).saturating_sub(UNUSED_GRACE_PERIOD.as_millis());
    for entry in fs::read_dir(dir).into_iter().flatten().flatten() {
        let name = entry.file_name();
        let name = name.to_string_lossy();
        let hash = name.strip_suffix(".zip").unwrap_or(&name);
        let is_ours = is_sha256(hash) || name.starts_with(".upload-");
        let Ok(meta) = entry.metadata() else { continue };
        let modified = meta.modified().ok().and_then(|time| time.duration_since(std::time::UNIX_EPOCH).ok());
        if is_ours && !in_use.contains(hash) && modified.is_some_and(|time| time.as_millis() < cutoff_ms) {
            // If this fails, the next run tries again.
            let path = entry.path();
            drop(if meta.is_dir() { fs::remove_dir_all(path) } else { fs::remove_file(path) });
        }
    }
}

fn is_sha256(text: &str) -> bool {
    text.len() == 64 && text.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b))
}

#[cfg(test)]
mod tests {
    use super::*;

    const SHA_OF_ABC: &str = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";

    fn chunks(parts: &[&'static str]) -> impl Stream<Item = Result<&'static str, String>> + Unpin {
        futures::stream::iter(parts.iter().map(|part| Ok(*part)).collect::<Vec<_>>())
    }

    #[tokio::test]
    async fn store_of_zip_with_matching_hash_succeeds() {
        let temp = tempfile::tempdir().unwrap();
        let store = CodeStore::open(temp.path().join("zips")).unwrap();
        store.store(SHA_OF_ABC, chunks(&["a", "bc"])).await.unwrap();
        assert!(store.has(SHA_OF_ABC));
        assert_eq!(fs::read(store.path(SHA_OF_ABC)).unwrap(), b"abc");
    }

    #[tokio::test]
    async fn store_of_partial_or_wrong_upload_leaves_no_files() {
        let temp = tempfile::tempdir().unwrap();
        let store = CodeStore::open(temp.path().to_owned()).unwrap();
        let cut = futures::stream::iter([Ok("ab"), Err("connection reset")]);
        assert_eq!(store.store(SHA_OF_ABC, cut).await.unwrap_err().code, "upload_cut");
        assert_eq!(store.store(SHA_OF_ABC, chunks(&["abd"])).await.unwrap_err().code, "code_mismatch");
        assert_eq!(store.store("../../etc", chunks(&["abc"])).await.unwrap_err().code, "invalid_request");
        assert_eq!(fs::read_dir(temp.path()).unwrap().count(), 0);
    }

    #[tokio::test]
    async fn has_of_damaged_zip_is_false_and_upload_replaces_it() {
        let temp = tempfile::tempdir().unwrap();
        let store = CodeStore::open(temp.path().join("zips")).unwrap();
        let path = store.path(SHA_OF_ABC);
        assert_eq!(store.verify(SHA_OF_ABC), Err(format!("{} is missing", path.display())));
        let elsewhere = temp.path().join("abc");
        fs::write(&elsewhere, "abc").unwrap();
        let damages: [(&str, &dyn Fn()); 5] = [
            ("cut", &|| fs::write(&path, "ab").unwrap()),
            ("empty", &|| fs::write(&path, "").unwrap()),
            ("changed", &|| fs::write(&path, "abd").unwrap()),
            ("directory", &|| fs::create_dir(&path).unwrap()),
            ("link", &|| std::os::unix::fs::symlink(&elsewhere, &path).unwrap()),
        ];
        for (name, damage) in damages {
            drop(fs::remove_file(&path));
            damage();
            assert!(!store.has(SHA_OF_ABC), "{name}");
            store.store(SHA_OF_ABC, chunks(&["abc"])).await.unwrap();
            assert!(store.has(SHA_OF_ABC), "{name}");
            assert!(fs::symlink_metadata(&path).unwrap().is_file(), "{name}");
        }
        assert_eq!(fs::read(elsewhere).unwrap(), b"abc");
    }

    #[tokio::test]
    async fn remove_unused_keeps_recent_and_used_zips() {
        let temp = tempfile::tempdir().unwrap();
        let store = CodeStore::open(temp.path().to_owned()).unwrap();
        store.store(SHA_OF_ABC, chunks(&["abc"])).await.unwrap();
        store.remove_unused(&BTreeSet::new());
        assert!(store.has(SHA_OF_ABC), "it is new");
        let file = fs::File::options().write(true).open(store.path(SHA_OF_ABC)).unwrap();
        file.set_modified(std::time::UNIX_EPOCH).unwrap();
        store.remove_unused(&BTreeSet::from([SHA_OF_ABC.to_owned()]));
        assert!(store.has(SHA_OF_ABC), "it is used");
        store.remove_unused(&BTreeSet::new());
        assert!(!store.has(SHA_OF_ABC));
    }
}
