//! Files that commands write.

use std::io::{ErrorKind, Write as _};
use std::path::Path;

use hitctl_report::Failure;

/// Writes a new file, completely or not at all. Fails if it exists.
pub(crate) fn write_new(path: &Path, text: &str) -> Result<(), Failure> {
    let failed = |error: &std::io::Error| {
        let failure = Failure::new("not_written", format!("failed to write {}", path.display()));
        match error.kind() {
            ErrorKind::AlreadyExists => {
                Failure::new("exists", format!("{} is there already", path.display()))
                    .hinted("choose another name, or remove the file")
            }
            ErrorKind::NotFound => failure
                .caused_by("there is no such directory")
                .hinted("make the directory, or choose another one"),
            // The error without the name of the temporary file.
            _ => failure
                .caused_by(error.get_ref().map_or_else(|| error.to_string(), |_| error.kind().to_string())),
        }
    };
    let dir = path.parent().unwrap_or(Path::new("."));
    let mut file = tempfile::NamedTempFile::new_in(dir).map_err(|error| failed(&error))?;
    file.write_all(text.as_bytes())
        .and_then(|()| file.as_file().sync_all())
        .map_err(|error| failed(&error))?;
    file.persist_noclobber(path).map_err(|error| failed(&error.error))?;
    Ok(())
}
