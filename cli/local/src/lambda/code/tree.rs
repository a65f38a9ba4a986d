//! The files and directories of a zip: unpacks them to an empty directory, or compares them with an existing
//! one.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, BufReader, Read};
use std::path::{Path, PathBuf};

use hitctl_engine::Fault;
use hitctl_platform::{mode, set_mode, sync_dir};
use zip::ZipArchive;

use super::{bad_zip, io_fault};

/// Lambda's size limit for an unpacked package, in bytes.
const MAX_UNPACKED_BYTES: u64 = 250 * 1024 * 1024;
/// The maximum number of files and directories in a zip, far more than a function needs.
const MAX_FILES: usize = 10_000;
/// The mode of every file and directory, regardless of the zip and the umask.
const MODE: u32 = 0o755;
/// The chunk size for comparing two files, in bytes.
const CHUNK_BYTES: usize = 64 * 1024;

/// A directory or file of a zip.
#[derive(Clone, Copy, PartialEq, Eq)]
enum TreeEntry {
    Directory,
    /// A file, by its index in the zip.
    File(usize),
}

/// All paths of a zip, relative to the directory that it is unpacked to. A directory comes before its
/// content.
pub(super) struct ZipTree {
    entries: BTreeMap<PathBuf, TreeEntry>,
}

impl ZipTree {
    /// Reads the paths of a zip. Refuses links, paths outside the directory, and duplicate paths.
    pub(super) fn read(archive: &mut ZipArchive<File>) -> Result<Self, Fault> {
        if archive.len() > MAX_FILES {
            return Err(bad_zip(format!("expected at most {MAX_FILES} files, found {}", archive.len())));
        }
        let mut entries = BTreeMap::new();
        for index in 0..archive.len() {
            let entry = archive.by_index(index).map_err(bad_zip)?;
            let name = entry.name().map_err(bad_zip)?.into_owned();
            let Some(path) = entry.enclosed_name().filter(|_| !entry.is_symlink()) else {
                return Err(bad_zip(format!(
                    "{name:?} is a symbolic link or outside the function's directory"
                )));
            };
            let duplicate = || bad_zip(format!("{name:?} occurs twice, or is both a file and a directory"));
            for parent in path.ancestors().skip(1).filter(|parent| !parent.as_os_str().is_empty()) {
                if *entries.entry(parent.to_owned()).or_insert(TreeEntry::Directory) != TreeEntry::Directory {
                    return Err(duplicate());
                }
            }
            let kind = if entry.is_dir() { TreeEntry::Directory } else { TreeEntry::File(index) };
            let previous = (!path.as_os_str().is_empty()).then(|| entries.insert(path, kind)).flatten();
            if previous
                .is_some_and(|previous| previous != TreeEntry::Directory || kind != TreeEntry::Directory)
            {
                return Err(duplicate());
            }
        }
        Ok(Self { entries })
    }

    /// Writes all entries to an empty directory. They are on disk when this returns.
    pub(super) fn extract(&self, archive: &mut ZipArchive<File>, target: &Path) -> Result<(), Fault> {
        let mut remaining = MAX_UNPACKED_BYTES;
        for (path, entry) in &self.entries {
            let path = target.join(path);
            let failed = |error: &io::Error| io_fault(&path, error);
            let TreeEntry::File(index) = entry else {
                fs::create_dir(&path).map_err(|error| failed(&error))?;
                set_mode(&path, MODE).map_err(|error| failed(&error))?;
                continue;
            };
            let mut zipped = archive.by_index(*index).map_err(bad_zip)?;
            let name = zipped.name().map_err(bad_zip)?.into_owned();
            let mut out = File::create_new(&path).map_err(|error| failed(&error))?;
            // The size that the zip states may be wrong, so the actual output is counted.
            let written = io::copy(&mut (&mut zipped).take(remaining + 1), &mut out)
                .map_err(|error| unpack_fault(&name, &path, &error))?;
            remaining = remaining.checked_sub(written).ok_or_else(|| {
                bad_zip(format!(
                    "the zip is larger than {} MB when unpacked",
                    MAX_UNPACKED_BYTES / 1024 / 1024
                ))
            })?;
            set_mode(&path, MODE).and_then(|()| out.sync_all()).map_err(|error| failed(&error))?;
        }
        let directories = self.entries.iter().filter(|(_, entry)| **entry == TreeEntry::Directory);
        for directory in directories.map(|(path, _)| target.join(path)).chain([target.to_owned()]) {
            sync_dir(&directory).map_err(|error| io_fault(&directory, &error))?;
        }
        Ok(())
    }

    /// Whether a directory holds exactly these entries, with the same contents and modes. Follows no links.
    pub(super) fn matches_dir(&self, root: &Path, archive: &mut ZipArchive<File>) -> bool {
        let is_private_dir = fs::symlink_metadata(root)
            .is_ok_and(|meta| meta.is_dir() && mode(&meta).is_none_or(|mode| mode == 0o700));
        is_private_dir && self.has_same_paths(root) && self.has_same_contents(root, archive).unwrap_or(false)
    }

    fn has_same_paths(&self, root: &Path) -> bool {
        let mut found = 0;
        let mut directories = vec![PathBuf::new()];
        while let Some(directory) = directories.pop() {
            let Ok(children) = fs::read_dir(root.join(&directory)) else { return false };
            for child in children {
                let Ok(child) = child else { return false };
                let path = directory.join(child.file_name());
                // The metadata of the entry itself, not of a link's target.
                let Ok(meta) = child.metadata() else { return false };
                let is_expected_type = match self.entries.get(&path) {
                    Some(TreeEntry::Directory) => meta.is_dir(),
                    Some(TreeEntry::File(_)) => meta.is_file(),
                    None => false,
                };
                if !is_expected_type || mode(&meta).is_some_and(|mode| mode != MODE) {
                    return false;
                }
                if meta.is_dir() {
                    directories.push(path);
                }
                found += 1;
            }
        }
        found == self.entries.len()
    }

    fn has_same_contents(&self, root: &Path, archive: &mut ZipArchive<File>) -> io::Result<bool> {
        for (path, entry) in &self.entries {
            let TreeEntry::File(index) = entry else { continue };
            let path = root.join(path);
            let zipped = archive.by_index(*index).map_err(io::Error::other)?;
            // The size that the zip states may be wrong, so the contents are compared.
            if !is_same(zipped, File::open(&path)?)? {
                return Ok(false);
            }
        }
        Ok(true)
    }
}

/// Whether two readers yield the same bytes.
fn is_same(a: impl Read, b: impl Read) -> io::Result<bool> {
    let (mut a, mut b) = (BufReader::new(a), BufReader::new(b));
    let (mut chunk_a, mut chunk_b) = (Vec::with_capacity(CHUNK_BYTES), Vec::with_capacity(CHUNK_BYTES));
    loop {
        chunk_a.clear();
        chunk_b.clear();
        a.by_ref().take(CHUNK_BYTES as u64).read_to_end(&mut chunk_a)?;
        b.by_ref().take(CHUNK_BYTES as u64).read_to_end(&mut chunk_b)?;
        if chunk_a != chunk_b {
            return Ok(false);
        }
        if chunk_a.is_empty() {
            return Ok(true);
        }
    }
}

/// Converts an error of copying an entry into a fault. Decompression errors are faults of the zip, all others
/// are faults of the disk.
fn unpack_fault(name: &str, path: &Path, error: &io::Error) -> Fault {
    match error.kind() {
        io::ErrorKind::InvalidData
        | io::ErrorKind::UnexpectedEof
        | io::ErrorKind::Other
        | io::ErrorKind::InvalidInput => bad_zip(format!("{name:?} is damaged: {error}")),
        _ => io_fault(path, error),
    }
}
