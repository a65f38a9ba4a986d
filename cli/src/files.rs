//! Writes the files that commands create, completely or not at all.

use std::io::{ErrorKind, Write as _};
use std::path::Path;

use hitctl_report::Failure;
use tempfile::{NamedTempFile, PersistError};

/// Writes a new file. Fails if the file exists.
pub(crate) fn write_new(path: &Path, text: &str) -> Result<(), Failure> {
    write_with(path, text.as_bytes(), |file| file.persist_noclobber(path).map(drop))
}

/// Writes a file. Replaces an existing file.
pub(crate) fn write(path: &Path, content: &[u8]) -> Result<(), Failure> {
    write_with(path, content, |file| file.persist(path).map(drop))
}

fn write_with(
    path: &Path,
    content: &[u8],
    persist: impl FnOnce(NamedTempFile) -> Result<(), PersistError>,
) -> Result<(), Failure> {
    let failed = |error: &std::io::Error| {
        let failure = Failure::new("not_written", format!("failed to write {}", path.display()));
        match error.kind() {
            ErrorKind::AlreadyExists => Failure::new("exists", format!("{} already exists", path.display()))
                .hinted("choose another name, or remove the file"),
            ErrorKind::NotFound => failure
                .caused_by("the directory does not exist")
                .hinted("create the directory, or choose another one"),
            // Errors of `tempfile` contain the name of the temporary file, which the user does not know.
            _ => failure
                .caused_by(error.get_ref().map_or_else(|| error.to_string(), |_| error.kind().to_string())),
        }
    };
    let dir = path.parent().unwrap_or(Path::new("."));
    let mut file = NamedTempFile::new_in(dir).map_err(|error| failed(&error))?;
    file.write_all(content).and_then(|()| file.as_file().sync_all()).map_err(|error| failed(&error))?;
    persist(file).map_err(|error| failed(&error.error))
}
