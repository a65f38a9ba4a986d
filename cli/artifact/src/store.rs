//! Files of ours, written whole or not at all, and the hashes that tell whether they changed.

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::Path;

use hitctl_engine::Fault;
use sha2::{Digest, Sha256};

/// SHA-256 over named fields: no two lists of fields give the same by running into each other.
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

/// SHA-256 of some bytes, in hex.
pub(super) fn sha256(bytes: &[u8]) -> String {
    hex::encode(Sha256::digest(bytes))
}

/// Makes a folder and those above it.
pub(super) fn make_dir(folder: &Path) -> Result<(), Fault> {
    fs::create_dir_all(folder).map_err(|error| refused("create the folder", folder, &error))
}

/// Writes a file whole or not at all, with the folders above it. Whoever reads it meanwhile sees the old one.
pub(super) fn write_atomically(path: &Path, content: &[u8]) -> Result<(), Fault> {
    write_with(path, |file| file.write_all(content))
}

/// Writes a file by `fill`; when that fails, what was there stays, and nothing else is left.
fn write_with(path: &Path, fill: impl FnOnce(&mut File) -> io::Result<()>) -> Result<(), Fault> {
    let folder = path.parent().unwrap_or(Path::new("."));
    make_dir(folder)?;
    let written = (|| {
        let mut draft = tempfile::Builder::new().prefix(".hitctl-").tempfile_in(folder)?;
        fill(draft.as_file_mut())?;
        draft.as_file().sync_all()?;
        make_readable(draft.as_file())?;
        draft.persist(path).map_err(|error| error.error)?;
        Ok(())
    })();
    written.map_err(|error| refused("write", path, &error))
}

/// Drafts are for their owner only; what is kept has the modes of any build output.
fn make_readable(file: &File) -> io::Result<()> {
    use std::os::unix::fs::PermissionsExt as _;
    file.set_permissions(fs::Permissions::from_mode(0o644))
}

/// The fault of a file or folder that could not be written.
pub(super) fn refused(what: &str, path: &Path, error: &io::Error) -> Fault {
    let hint = match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
            "free some space on that disk and run the command again; nothing was left half-written"
        }
        io::ErrorKind::ReadOnlyFilesystem | io::ErrorKind::PermissionDenied => {
            "run the command where you may write, or give yourself the right to: `chmod u+w FOLDER`"
        }
        io::ErrorKind::NotADirectory | io::ErrorKind::AlreadyExists => {
            "a file stands where a folder is needed: move it away and run the command again"
        }
        _ => "check that the disk is there, writable and not full, and run the command again",
    };
    Fault::fatal("not_writable", format!("failed to {what} {}", path.display()))
        .caused_by(error.to_string())
        .hinted(hint)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_do_not_run_into_each_other() {
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
    fn a_write_that_fails_leaves_what_was_there_and_nothing_else() {
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
    fn a_file_where_a_folder_is_needed_is_said_so() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("out");
        fs::write(&file, "").unwrap();
        let fault = write_atomically(&file.join("function.zip"), b"x").unwrap_err();
        assert_eq!(fault.message, format!("failed to create the folder {}", file.display()));
        assert!(fault.hint.unwrap().starts_with("a file stands where a folder is needed"));
        assert_eq!(fs::read(&file).unwrap(), b"");
    }
}
