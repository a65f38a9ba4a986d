//! Writes files atomically, and hashes contents to detect changes.

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::Path;

use hitctl_engine::Fault;
use sha2::{Digest, Sha256};

/// SHA-256 over named fields. Lengths are hashed too, so that different lists of fields have different hashes.
#[derive(Default)]
pub(super) struct Hasher(Sha256);

impl Hasher {
    pub(super) fn field(&mut self, name: &str, content: &[u8]) {
        for part in [name.as_bytes(), content] {
            self.0.update((part.len() as u64).to_le_bytes());
            self.0.update(part);
        }
    }

    pub(super) fn hex(self) -> String {
        hex::encode(self.0.finalize())
    }
}

/// Returns the SHA-256 of the bytes, in hex.
pub(super) fn sha256(bytes: &[u8]) -> String {
    hex::encode(Sha256::digest(bytes))
}

/// Creates a folder and its parents.
pub(super) fn create_dir(folder: &Path) -> Result<(), Fault> {
    fs::create_dir_all(folder).map_err(|error| write_fault("create the directory", folder, &error))
}

/// Writes a file atomically and creates its parent folders. A concurrent reader sees the old or the new content.
pub(super) fn write_atomically(path: &Path, content: &[u8]) -> Result<(), Fault> {
    write_with(path, |file| file.write_all(content))
}

/// Writes a file whose content `fill` writes. After an error, the old file is unchanged and the temporary file is
/// removed.
fn write_with(path: &Path, fill: impl FnOnce(&mut File) -> io::Result<()>) -> Result<(), Fault> {
    let folder = path.parent().unwrap_or(Path::new("."));
    create_dir(folder)?;
    let result = (|| {
        let mut temporary = tempfile::Builder::new().prefix(".hitctl-").tempfile_in(folder)?;
        fill(temporary.as_file_mut())?;
        temporary.as_file().sync_all()?;
        // Readable for others, as other build output. Temporary files are readable by their owner only.
        hitctl_platform::set_mode(temporary.path(), 0o644)?;
        temporary.persist(path).map_err(|error| error.error)?;
        Ok(())
    })();
    result.map_err(|error| write_fault("write", path, &error))
}

/// Returns the fault for a file or folder that could not be written. `what` is the failed action, such as `open`.
pub(super) fn write_fault(what: &str, path: &Path, error: &io::Error) -> Fault {
    let hint = match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
            "free some space on the disk, then run the command again"
        }
        io::ErrorKind::ReadOnlyFilesystem | io::ErrorKind::PermissionDenied => {
            "run the command in a writable directory, or make this one writable with `chmod u+w DIRECTORY`"
        }
        io::ErrorKind::NotADirectory | io::ErrorKind::AlreadyExists => {
            "move the file that blocks the directory, then run the command again"
        }
        _ => "check that the disk is mounted, writable and not full, then run the command again",
    };
    Fault::fatal("not_writable", format!("failed to {what} {}", path.display()))
        .caused_by(error.to_string())
        .hinted(hint)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hasher_separates_fields() {
        let hash = |fields: &[(&str, &str)]| {
            let mut hasher = Hasher::default();
            for (name, content) in fields {
                hasher.field(name, content.as_bytes());
            }
            hasher.hex()
        };
        assert_ne!(hash(&[("ab", "c")]), hash(&[("a", "bc")]));
        assert_ne!(hash(&[("a", ""), ("b", "")]), hash(&[("a", "b")]));
        assert_eq!(sha256(b""), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    }

    #[test]
    fn failed_write_keeps_old_file_and_no_temporary_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("function.zip");
        fs::write(&path, "before").unwrap();
        let fault = write_with(&path, |file| {
            file.write_all(b"half")?;
            Err(io::ErrorKind::StorageFull.into())
        })
        .unwrap_err();
        assert_eq!(fault.code, "not_writable");
        assert!(fault.hint.unwrap().starts_with("free some space"));
        assert_eq!(fs::read(&path).unwrap(), b"before");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn write_reports_file_where_folder_is_needed() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("out");
        fs::write(&file, "").unwrap();
        let fault = write_atomically(&file.join("function.zip"), b"x").unwrap_err();
        assert_eq!(fault.message, format!("failed to create the directory {}", file.display()));
        assert!(fault.hint.unwrap().starts_with("move the file"));
        assert_eq!(fs::read(&file).unwrap(), b"");
    }
}
