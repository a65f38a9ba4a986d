//! Reads files from a zip. The unpacked size is limited, because a small zip can contain a very large file.

use std::error::Error;
use std::io::{Cursor, Read as _};

use hitctl_engine::Fault;
use zip::ZipArchive;

/// The first bytes of a zip.
const MAGIC: &[u8] = b"PK\x03\x04";

/// A zip and the number of bytes that may still be unpacked.
pub(crate) struct Archive {
    zip: ZipArchive<Cursor<Vec<u8>>>,
    names: Vec<String>,
    remaining_bytes: u64,
    max_bytes: u64,
}

impl Archive {
    /// Whether the content of a file is a zip.
    pub(crate) fn is_zip(content: &[u8]) -> bool {
        content.starts_with(MAGIC)
    }

    /// Opens a zip. Unpacking more than `max_bytes` bytes is an error.
    pub(crate) fn open(content: Vec<u8>, max_bytes: u64) -> Result<Self, Fault> {
        let zip = ZipArchive::new(Cursor::new(content)).map_err(unzip_fault)?;
        let names = zip.file_names().filter_map(Result::ok).map(std::borrow::Cow::into_owned);
        let names = names.filter(|name| !name.ends_with('/')).collect();
        Ok(Self { zip, names, remaining_bytes: max_bytes, max_bytes })
    }

    /// Whether the zip contains a file with this name in any directory.
    pub(crate) fn has(&self, name: &str) -> bool {
        self.find_entry(name).is_some()
    }

    /// Returns the name of the only file in the zip; `None` if there are several or none.
    pub(crate) fn single_file(&self) -> Option<String> {
        let [name] = self.names.as_slice() else { return None };
        Some(name.clone())
    }

    /// Returns the names of all files.
    pub(crate) fn names(&self) -> &[String] {
        &self.names
    }

    /// Returns the text of a file; `None` if the zip does not contain it.
    pub(crate) fn text(&mut self, name: &str) -> Result<Option<String>, Fault> {
        let Some(content) = self.content(name)? else { return Ok(None) };
        let text = String::from_utf8(content)
            .map_err(|_| Fault::fatal("bad_file", format!("{name}: expected UTF-8, found invalid bytes")))?;
        Ok(Some(text))
    }

    /// Returns the content of a file; `None` if the zip does not contain it.
    pub(crate) fn content(&mut self, name: &str) -> Result<Option<Vec<u8>>, Fault> {
        let Some(entry) = self.find_entry(name).cloned() else { return Ok(None) };
        let mut content = Vec::new();
        let file = self.zip.by_name(&entry).map_err(unzip_fault)?;
        file.take(self.remaining_bytes + 1).read_to_end(&mut content).map_err(unzip_fault)?;
        self.remaining_bytes = self.remaining_bytes.checked_sub(content.len() as u64).ok_or_else(|| {
            Fault::usage(format!(
                "expected at most {} MiB in the zip, found more",
                self.max_bytes / 1024 / 1024
            ))
        })?;
        Ok(Some(content))
    }

    fn find_entry(&self, name: &str) -> Option<&String> {
        self.names.iter().find(|entry| entry.rsplit('/').next() == Some(name) || *entry == name)
    }
}

fn unzip_fault(error: impl Error + Send + Sync + 'static) -> Fault {
    Fault::fatal("bad_file", "failed to unpack the zip")
        .caused_by(error)
        .hinted("download the file again; it may be incomplete")
}
