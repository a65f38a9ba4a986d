//! Reads files out of a zip. What is unpacked is bounded: a small zip can hold a very large file.

use std::error::Error;
use std::io::{Cursor, Read as _};

use hitctl_engine::Fault;
use zip::ZipArchive;

/// The first bytes of a zip.
const MAGIC: &[u8] = b"PK\x03\x04";

/// A zip, and how much of it may still be unpacked.
pub(crate) struct Archive {
    zip: ZipArchive<Cursor<Vec<u8>>>,
    names: Vec<String>,
    left: u64,
    most: u64,
}

impl Archive {
    /// Whether a file is a zip.
    pub(crate) fn is_one(content: &[u8]) -> bool {
        content.starts_with(MAGIC)
    }

    /// Opens a zip; unpacking it stops after `most` bytes.
    pub(crate) fn open(content: Vec<u8>, most: u64) -> Result<Self, Fault> {
        let zip = ZipArchive::new(Cursor::new(content)).map_err(broken)?;
        let names = zip.file_names().filter_map(Result::ok).map(std::borrow::Cow::into_owned);
        let names = names.filter(|name| !name.ends_with('/')).collect();
        Ok(Self { zip, names, left: most, most })
    }

    /// Whether there is a file of that name, in whatever directory.
    pub(crate) fn has(&self, name: &str) -> bool {
        self.entry(name).is_some()
    }

    /// The only file of the zip, if there is just one.
    pub(crate) fn only(&self) -> Option<String> {
        let [only] = self.names.as_slice() else { return None };
        Some(only.clone())
    }

    /// The names of its files.
    pub(crate) fn names(&self) -> &[String] {
        &self.names
    }

    /// Returns the text of a file; `None` where there is none of that name.
    pub(crate) fn text(&mut self, name: &str) -> Result<Option<String>, Fault> {
        let Some(content) = self.content(name)? else { return Ok(None) };
        let text = String::from_utf8(content)
            .map_err(|_| Fault::fatal("bad_file", format!("{name}: expected UTF-8, found other bytes")))?;
        Ok(Some(text))
    }

    /// Returns the content of a file; `None` where there is none of that name.
    pub(crate) fn content(&mut self, name: &str) -> Result<Option<Vec<u8>>, Fault> {
        let Some(entry) = self.entry(name).cloned() else { return Ok(None) };
        let mut content = Vec::new();
        let file = self.zip.by_name(&entry).map_err(broken)?;
        file.take(self.left + 1).read_to_end(&mut content).map_err(broken)?;
        self.left = self.left.checked_sub(content.len() as u64).ok_or_else(|| {
            Fault::usage(format!("expected at most {} MiB in the zip, found more", self.most / 1024 / 1024))
        })?;
        Ok(Some(content))
    }

    fn entry(&self, name: &str) -> Option<&String> {
        self.names.iter().find(|entry| entry.rsplit('/').next() == Some(name) || *entry == name)
    }
}

fn broken(error: impl Error + Send + Sync + 'static) -> Fault {
    Fault::fatal("bad_file", "failed to unpack the zip")
        .caused_by(error)
        .hinted("get the file once more; it may be incomplete")
}
