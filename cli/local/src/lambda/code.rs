//! Unpacks `SHA.zip` to a directory with an executable `bootstrap`.
//!
//! The directory is complete or does not exist, because the zip is unpacked to a temporary directory that is
//! then renamed. The zip is not trusted: it must have the hash in its name, its paths must stay inside the
//! directory, its size is limited as on Lambda, and an existing directory must have exactly its contents.

mod tree;

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::{self, Read, Seek as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use hitctl_engine::Fault;
use hitctl_platform::sync_dir;
use zip::ZipArchive;

use crate::code::sha256_of;
use tree::ZipTree;

/// The file name of the program.
pub(super) const BOOTSTRAP: &str = "bootstrap";

/// Returns the directory with the code of the zip `sha`. Unpacks the zip if the directory is missing or does
/// not match it.
pub fn unpack(code_dir: &Path, zip_dir: &Path, sha: &str) -> Result<PathBuf, Fault> {
    let mut archive = open_zip(zip_dir, sha)?;
    let tree = ZipTree::read(&mut archive)?;
    let target = code_dir.join(sha);
    if !tree.matches_dir(&target, &mut archive) {
        hitctl_platform::create_private_dir(code_dir).map_err(|error| io_fault(code_dir, &error))?;
        let unpacked = temporary_dir(code_dir)?;
        tree.extract(&mut archive, unpacked.path())?;
        check_bootstrap(unpacked.path())?;
        install_dir(unpacked, &target, code_dir)?;
    }
    check_bootstrap(&target)?;
    Ok(target)
}

/// Whether the directory with the code of the zip `sha` exists and matches the zip exactly.
pub(super) fn is_unpacked(code_dir: &Path, zip_dir: &Path, sha: &str) -> bool {
    let is_intact = || {
        let mut archive = open_zip(zip_dir, sha)?;
        let tree = ZipTree::read(&mut archive)?;
        Ok::<_, Fault>(tree.matches_dir(&code_dir.join(sha), &mut archive))
    };
    is_intact().unwrap_or(false)
}

/// Opens a zip, and checks that it has the hash in its name.
fn open_zip(zip_dir: &Path, sha: &str) -> Result<ZipArchive<File>, Fault> {
    if sha.len() != 64 || !sha.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return Err(Fault::fatal("bad_code_hash", format!("expected a hexadecimal SHA-256, found {sha:?}")));
    }
    let file = open_verified(&zip_dir.join(format!("{sha}.zip")), sha)?;
    ZipArchive::new(file).map_err(bad_zip)
}

fn temporary_dir(code_dir: &Path) -> Result<tempfile::TempDir, Fault> {
    let created = tempfile::Builder::new().prefix(".unpacking-").tempdir_in(code_dir).and_then(|dir| {
        hitctl_platform::set_mode(dir.path(), 0o700)?;
        Ok(dir)
    });
    created.map_err(|error| io_fault(code_dir, &error))
}

/// Renames a complete directory to `target`. Moves an existing directory away. Removes an existing link
/// without following it.
fn install_dir(unpacked: tempfile::TempDir, target: &Path, code_dir: &Path) -> Result<(), Fault> {
    let io_failed = |error: io::Error| io_fault(target, &error);
    match fs::symlink_metadata(target) {
        Ok(meta) if meta.is_dir() => {
            // A directory that cannot be emptied can still be renamed. `sweep` tries to delete it later.
            let damaged = temporary_dir(code_dir)?;
            fs::rename(target, damaged.path()).map_err(io_failed)?;
        }
        Ok(_) => fs::remove_file(target).map_err(io_failed)?,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(io_failed(error)),
    }
    fs::rename(unpacked.path(), target).map_err(io_failed)?;
    // It was renamed, so there is no temporary directory to delete.
    drop(unpacked.keep());
    sync_dir(code_dir).map_err(io_failed)
}

/// Removes the directories in `code_dir` that are not in `used` and are older than `age`: old code, and
/// partial directories of a killed daemon.
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
            // If this fails, the next run tries again.
            drop(fs::remove_dir_all(&path));
        }
    }
}

fn io_fault(path: &Path, error: &io::Error) -> Fault {
    let fault =
        Fault::fatal("local_code_io", format!("failed to unpack the function into {}", path.display()));
    let hint = match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
            "free some space on the disk of that directory, then deploy again"
        }
        _ => "make the directory writable, then deploy again",
    };
    fault.caused_by(error.to_string()).hinted(hint)
}

fn bad_zip(cause: impl std::fmt::Display) -> Fault {
    Fault::fatal("bad_zip", "the function's zip is not valid")
        .caused_by(cause.to_string())
        .hinted("run `hitctl build`, then deploy again")
}

/// Opens the file `zip`, and checks that its SHA-256 is `sha`.
fn open_verified(zip: &Path, sha: &str) -> Result<File, Fault> {
    let unreadable = |error: io::Error| {
        Fault::fatal("local_code_io", format!("failed to read the function's zip {}", zip.display()))
            .caused_by(error)
            .hinted("run `hitctl deploy --env local` to upload it again")
    };
    let mut file = File::open(zip).map_err(|error| match error.kind() {
        io::ErrorKind::NotFound => {
            Fault::fatal("no_code", format!("the function's zip {} does not exist", zip.display()))
                .caused_by(error)
                .hinted("run `hitctl deploy --env local` to upload it again")
        }
        _ => unreadable(error),
    })?;
    let found = sha256_of(&mut file).map_err(unreadable)?;
    if !found.eq_ignore_ascii_case(sha) {
        return Err(bad_zip(format!("{} is damaged: its SHA-256 is {found}", zip.display()))
            .hinted("run `hitctl deploy --env local` to upload it again"));
    }
    file.rewind().map_err(unreadable)?;
    Ok(file)
}

/// Checks that `bootstrap` exists and can run on this machine.
fn check_bootstrap(dir: &Path) -> Result<(), Fault> {
    let mut head = Vec::new();
    let path = dir.join(BOOTSTRAP);
    let file = match File::open(&path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            return Err(bad_zip("the zip has no `bootstrap` at its top level"));
        }
        Err(error) => return Err(io_fault(&path, &error)),
    };
    // `elf_machine` needs the first 20 bytes.
    file.take(20).read_to_end(&mut head).map_err(|error| io_fault(&path, &error))?;
    if head.starts_with(b"#!") || hitctl_platform::SYSTEM != "Linux" {
        return Ok(());
    }
    match elf_machine(&head) {
        None => Err(bad_zip("`bootstrap` is neither a Linux program nor a script")),
        Some(machine) if machine == std::env::consts::ARCH => Ok(()),
        Some(machine) => Err(Fault::fatal(
            "wrong_architecture",
            format!("the function is built for {machine}, but this machine is {}", std::env::consts::ARCH),
        )
        .hinted("run `hitctl build --env local`, or omit `--artifact`, then deploy again")),
    }
}

/// Returns Rust's name of the architecture in an ELF header; `None` if this is not a header of a 64-bit
/// little-endian program.
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
