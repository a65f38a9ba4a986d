//! The files and directories that a zip unpacks to: written to an empty directory, or compared with one that is there.

use std::collections::BTreeMap;
use std::fs::{self, File, Permissions};
use std::io::{self, BufReader, Read};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use hitctl_engine::Fault;
use zip::ZipArchive;

use super::{bad_zip, io_fault, sync};

/// Lambda's bound on a package, unpacked.
const UNPACKED_BYTES: u64 = 250 * 1024 * 1024;
/// More files than any function has.
const FILES: usize = 10_000;
/// The mode of every file and of every directory, whatever the zip and the umask say.
const MODE: u32 = 0o755;
/// How much of two files is compared at once, in bytes.
const CHUNK: usize = 64 * 1024;

/// An entry at a path.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Entry {
    Directory,
    /// A file, by its index in the zip.
    File(usize),
}

/// Every path of a zip, relative to the directory that it is unpacked to. A directory comes before what is in it.
pub(super) struct Tree {
    entries: BTreeMap<PathBuf, Entry>,
}

impl Tree {
    /// Reads the paths of a zip. One that would leave the directory, or that is there twice, is refused.
    pub(super) fn of(archive: &mut ZipArchive<File>) -> Result<Self, Fault> {
        if archive.len() > FILES {
            return Err(bad_zip(format!("it has {} files; at most {FILES} are taken", archive.len())));
        }
        let mut entries = BTreeMap::new();
        for index in 0..archive.len() {
            let entry = archive.by_index(index).map_err(bad_zip)?;
            let name = entry.name().map_err(bad_zip)?.into_owned();
            let Some(path) = entry.enclosed_name().filter(|_| !entry.is_symlink()) else {
                return Err(bad_zip(format!("`{name}` would leave the function's directory")));
            };
            let twice = || bad_zip(format!("`{name}` is in it twice, or is both a file and a directory"));
            for parent in path.ancestors().skip(1).filter(|parent| !parent.as_os_str().is_empty()) {
                if *entries.entry(parent.to_owned()).or_insert(Entry::Directory) != Entry::Directory {
                    return Err(twice());
                }
            }
            let kind = if entry.is_dir() { Entry::Directory } else { Entry::File(index) };
            let before = (!path.as_os_str().is_empty()).then(|| entries.insert(path, kind)).flatten();
            if before.is_some_and(|before| before != Entry::Directory || kind != Entry::Directory) {
                return Err(twice());
            }
        }
        Ok(Self { entries })
    }

    /// Writes all of it to an empty directory. It is on the disk when this returns.
    pub(super) fn extract(&self, archive: &mut ZipArchive<File>, into: &Path) -> Result<(), Fault> {
        let mut left = UNPACKED_BYTES;
        for (path, entry) in &self.entries {
            let path = into.join(path);
            let failed = |error: &io::Error| io_fault(&path, error);
            let Entry::File(index) = entry else {
                fs::create_dir(&path).map_err(|error| failed(&error))?;
                fs::set_permissions(&path, Permissions::from_mode(MODE)).map_err(|error| failed(&error))?;
                continue;
            };
            let mut zipped = archive.by_index(*index).map_err(bad_zip)?;
            let name = zipped.name().map_err(bad_zip)?.into_owned();
            let mut out = File::create_new(&path).map_err(|error| failed(&error))?;
            // The size in the zip's directory may lie: what counts is what comes out.
            let written = io::copy(&mut (&mut zipped).take(left + 1), &mut out)
                .map_err(|error| unpack_fault(&name, &path, &error))?;
            left = left.checked_sub(written).ok_or_else(|| {
                bad_zip(format!("it is larger than {} MB unpacked", UNPACKED_BYTES / 1024 / 1024))
            })?;
            out.set_permissions(Permissions::from_mode(MODE))
                .and_then(|()| out.sync_all())
                .map_err(|error| failed(&error))?;
        }
        let directories = self.entries.iter().filter(|(_, entry)| **entry == Entry::Directory);
        for directory in directories.map(|(path, _)| into.join(path)).chain([into.to_owned()]) {
            sync(&directory).map_err(|error| io_fault(&directory, &error))?;
        }
        Ok(())
    }

    /// Whether a directory holds all of it and nothing else, with the same contents and modes. Follows no link.
    pub(super) fn is_at(&self, root: &Path, archive: &mut ZipArchive<File>) -> bool {
        let is_ours = fs::symlink_metadata(root)
            .is_ok_and(|meta| meta.is_dir() && meta.permissions().mode() & 0o7777 == 0o700);
        is_ours && self.has_same_paths(root) && self.has_same_contents(root, archive).unwrap_or(false)
    }

    fn has_same_paths(&self, root: &Path) -> bool {
        let mut found = 0;
        let mut directories = vec![PathBuf::new()];
        while let Some(directory) = directories.pop() {
            let Ok(children) = fs::read_dir(root.join(&directory)) else { return false };
            for child in children {
                let Ok(child) = child else { return false };
                let path = directory.join(child.file_name());
                // Of the entry itself, not of what a link points to.
                let Ok(meta) = child.metadata() else { return false };
                let is_as_zipped = match self.entries.get(&path) {
                    Some(Entry::Directory) => meta.is_dir(),
                    Some(Entry::File(_)) => meta.is_file(),
                    None => false,
                };
                if !is_as_zipped || meta.permissions().mode() & 0o7777 != MODE {
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
            let Entry::File(index) = entry else { continue };
            let path = root.join(path);
            let zipped = archive.by_index(*index).map_err(io::Error::other)?;
            // The size in the zip's directory may lie, so the contents decide.
            if !is_same(zipped, File::open(&path)?)? {
                return Ok(false);
            }
        }
        Ok(true)
    }
}

/// Whether two readers give the same bytes.
fn is_same(a: impl Read, b: impl Read) -> io::Result<bool> {
    let (mut a, mut b) = (BufReader::new(a), BufReader::new(b));
    let (mut of_a, mut of_b) = (Vec::with_capacity(CHUNK), Vec::with_capacity(CHUNK));
    loop {
        of_a.clear();
        of_b.clear();
        a.by_ref().take(CHUNK as u64).read_to_end(&mut of_a)?;
        b.by_ref().take(CHUNK as u64).read_to_end(&mut of_b)?;
        if of_a != of_b {
            return Ok(false);
        }
        if of_a.is_empty() {
            return Ok(true);
        }
    }
}

/// A failing copy is the zip's fault or the disk's; what decompresses badly says so.
fn unpack_fault(name: &str, path: &Path, error: &io::Error) -> Fault {
    match error.kind() {
        io::ErrorKind::InvalidData
        | io::ErrorKind::UnexpectedEof
        | io::ErrorKind::Other
        | io::ErrorKind::InvalidInput => bad_zip(format!("`{name}` is damaged: {error}")),
        _ => io_fault(path, error),
    }
}
