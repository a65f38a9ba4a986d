//! From `SHA.zip` to a directory with an executable `bootstrap`.
//!
//! The directory is complete or not there at all: it is unpacked beside its place and moved in. Nothing is trusted: the
//! zip must have the hash that it is named by, paths must stay inside, sizes are bounded as on Lambda, and a directory that
//! is there already must be exactly what its zip unpacks to.

mod tree;

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::{self, Read, Seek as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use hitctl_engine::Fault;
use zip::ZipArchive;

use crate::code::sha256_of;
use crate::state::make_dir;
use tree::Tree;

/// What the program is called.
pub(super) const BOOTSTRAP: &str = "bootstrap";

/// Returns the directory with the code of the zip `sha`. It is unpacked now if it is not there, or is not what the zip
/// unpacks to.
pub fn unpack(code_dir: &Path, zip_dir: &Path, sha: &str) -> Result<PathBuf, Fault> {
    let mut archive = open(zip_dir, sha)?;
    let tree = Tree::of(&mut archive)?;
    let target = code_dir.join(sha);
    if !tree.is_at(&target, &mut archive) {
        make_dir(code_dir).map_err(|error| io_fault(code_dir, &error))?;
        let fresh = temporary(code_dir)?;
        tree.extract(&mut archive, fresh.path())?;
        check(fresh.path())?;
        move_into_place(fresh, &target, code_dir)?;
    }
    check(&target)?;
    Ok(target)
}

/// Whether the directory with the code of the zip `sha` is there, and is exactly what the zip unpacks to.
pub(super) fn is_unpacked(code_dir: &Path, zip_dir: &Path, sha: &str) -> bool {
    let is_intact = || {
        let mut archive = open(zip_dir, sha)?;
        let tree = Tree::of(&mut archive)?;
        Ok::<_, Fault>(tree.is_at(&code_dir.join(sha), &mut archive))
    };
    is_intact().unwrap_or(false)
}

/// Opens a zip, and checks that it has the hash that it is named by.
fn open(zip_dir: &Path, sha: &str) -> Result<ZipArchive<File>, Fault> {
    if sha.len() != 64 || !sha.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return Err(Fault::fatal("bad_code_hash", format!("the code's hash `{sha}` is no SHA-256 in hex")));
    }
    let file = open_checked(&zip_dir.join(format!("{sha}.zip")), sha)?;
    ZipArchive::new(file).map_err(bad_zip)
}

fn temporary(code_dir: &Path) -> Result<tempfile::TempDir, Fault> {
    tempfile::Builder::new()
        .prefix(".unpacking-")
        .permissions(fs::Permissions::from_mode(0o700))
        .tempdir_in(code_dir)
        .map_err(|error| io_fault(code_dir, &error))
}

/// Moves a complete directory to its place, and what is there now away. A link that is there is removed, never followed.
fn move_into_place(fresh: tempfile::TempDir, target: &Path, code_dir: &Path) -> Result<(), Fault> {
    let failed = |error: io::Error| io_fault(target, &error);
    match fs::symlink_metadata(target) {
        Ok(meta) if meta.is_dir() => {
            // A directory that cannot be emptied can still be moved. What is left of it is swept later.
            let damaged = temporary(code_dir)?;
            fs::rename(target, damaged.path()).map_err(failed)?;
        }
        Ok(_) => fs::remove_file(target).map_err(failed)?,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(failed(error)),
    }
    fs::rename(fresh.path(), target).map_err(failed)?;
    // Moved: there is nothing left to clean up.
    drop(fresh.keep());
    sync(code_dir).map_err(failed)
}

/// Waits until a file, or the entries of a directory, are on the disk.
fn sync(path: &Path) -> io::Result<()> {
    File::open(path)?.sync_all()
}

/// Removes what is in `code_dir` that is not `used` and older than `age`: old code, and what a killed daemon was unpacking.
pub(super) fn sweep(code_dir: &Path, used: &BTreeSet<PathBuf>, age: Duration) {
    let Ok(entries) = fs::read_dir(code_dir) else { return };
    for entry in entries.flatten() {
        let path = entry.path();
        let old = entry
            .metadata()
            .ok()
            .filter(fs::Metadata::is_dir)
            .and_then(|meta| meta.modified().ok()?.elapsed().ok())
            .is_some_and(|elapsed| elapsed >= age);
        if old && !used.contains(&path) {
            // What cannot be removed now may be the next time.
            drop(fs::remove_dir_all(&path));
        }
    }
}

fn io_fault(path: &Path, error: &io::Error) -> Fault {
    let fault =
        Fault::fatal("local_code_io", format!("failed to unpack the function into {}", path.display()));
    let hint = match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
            "Free some space on that disk, and deploy again."
        }
        _ => "Make the directory writable, and deploy again.",
    };
    fault.caused_by(error.to_string()).hinted(hint)
}

fn bad_zip(cause: impl std::fmt::Display) -> Fault {
    Fault::fatal("bad_zip", "the function's zip cannot be used")
        .caused_by(cause.to_string())
        .hinted("Run `hitctl build`, then deploy again.")
}

fn open_checked(zip: &Path, sha: &str) -> Result<File, Fault> {
    let unreadable = |error: io::Error| {
        Fault::fatal("local_code_io", format!("failed to read the function's zip {}", zip.display()))
            .caused_by(error)
            .hinted("run `hitctl deploy --env local`, which uploads it again")
    };
    let mut file = File::open(zip).map_err(|error| match error.kind() {
        io::ErrorKind::NotFound => {
            Fault::fatal("no_code", format!("the function's code {} is not there", zip.display()))
                .caused_by(error)
                .hinted("run `hitctl deploy --env local`, which uploads it again")
        }
        _ => unreadable(error),
    })?;
    let found = sha256_of(&mut file).map_err(unreadable)?;
    if !found.eq_ignore_ascii_case(sha) {
        return Err(bad_zip(format!("{} is corrupted: its SHA-256 is {found}", zip.display()))
            .hinted("run `hitctl deploy --env local`, which uploads it again"));
    }
    file.rewind().map_err(unreadable)?;
    Ok(file)
}

/// Checks that `bootstrap` is there and can run on this machine.
fn check(dir: &Path) -> Result<(), Fault> {
    let mut head = Vec::new();
    let path = dir.join(BOOTSTRAP);
    let file = match File::open(&path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            return Err(bad_zip("there is no `bootstrap` at its top level"));
        }
        Err(error) => return Err(io_fault(&path, &error)),
    };
    file.take(20).read_to_end(&mut head).map_err(|error| io_fault(&path, &error))?;
    if head.starts_with(b"#!") || !cfg!(target_os = "linux") {
        return Ok(());
    }
    match elf_machine(&head) {
        None => Err(bad_zip("its `bootstrap` is neither a Linux program nor a script")),
        Some(machine) if machine == std::env::consts::ARCH => Ok(()),
        Some(machine) => Err(Fault::fatal(
            "wrong_architecture",
            format!("the function is built for {machine}, but this machine is {}", std::env::consts::ARCH),
        )
        .hinted("Run `hitctl build` for the local env, or leave out --artifact, then deploy again.")),
    }
}

/// The machine that an ELF header names, in Rust's words.
fn elf_machine(head: &[u8]) -> Option<&'static str> {
    if !head.starts_with(b"\x7fELF\x02\x01") {
        return None;
    }
    Some(match u16::from_le_bytes([*head.get(18)?, *head.get(19)?]) {
        0x3e => "x86_64",
        0xb7 => "aarch64",
        0xf3 => "riscv64",
        _ => "another architecture",
    })
}

#[cfg(test)]
mod tests;
