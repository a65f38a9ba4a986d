//! From `SHA.zip` to a directory with an executable `bootstrap`, once per zip.
//!
//! What comes out is whole or not there at all: it is unpacked beside its place and moved in. Nothing is trusted: the
//! bytes must have the hash that they are named by, paths must stay inside, and sizes are bounded as on Lambda.

use std::collections::BTreeSet;
use std::fs::{self, DirBuilder, File};
use std::io::{self, Read, Seek as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use hitctl_engine::Fault;
use sha2::{Digest as _, Sha256};
use zip::ZipArchive;

use crate::clock::hex;

/// Lambda's bound on a package, unpacked.
const UNPACKED_BYTES: u64 = 250 * 1024 * 1024;
/// More files than any function has.
const FILES: usize = 10_000;
/// What the program is called.
pub(super) const BOOTSTRAP: &str = "bootstrap";

/// The directory with the code of the zip `sha`, unpacked now if it is not yet there.
pub fn unpack(code_dir: &Path, zip_dir: &Path, sha: &str) -> Result<PathBuf, Fault> {
    if sha.len() != 64 || !sha.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return Err(Fault::fatal("bad_code_hash", format!("the code's hash `{sha}` is no SHA-256 in hex")));
    }
    let target = code_dir.join(sha);
    if !target.join(BOOTSTRAP).is_file() {
        let zip = zip_dir.join(format!("{sha}.zip"));
        let mut file = open_checked(&zip, sha)?;
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(code_dir)
            .map_err(|error| io_fault(code_dir, &error))?;
        let fresh = tempfile::Builder::new()
            .prefix(".unpacking-")
            .tempdir_in(code_dir)
            .map_err(|error| io_fault(code_dir, &error))?;
        extract(&mut file, fresh.path())?;
        check(fresh.path())?;
        match fs::rename(fresh.path(), &target) {
            // Moved: there is nothing left to clean up.
            Ok(()) => drop(fresh.keep()),
            // Another call was first, with the same bytes.
            Err(_) if target.join(BOOTSTRAP).is_file() => {}
            Err(error) => return Err(io_fault(&target, &error)),
        }
    }
    check(&target)?;
    Ok(target)
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
    fault.caused_by(error).hinted(hint)
}

fn bad_zip(cause: impl std::fmt::Display) -> Fault {
    Fault::fatal("bad_zip", "the function's zip cannot be used")
        .caused_by(cause)
        .hinted("Run `hitctl build`, then deploy again.")
}

fn open_checked(zip: &Path, sha: &str) -> Result<File, Fault> {
    let mut file = File::open(zip).map_err(|error| {
        Fault::fatal("no_code", format!("the function's code {} is not there", zip.display()))
            .caused_by(error)
            .hinted("Deploy again: it sends the code.")
    })?;
    let mut hash = Sha256::new();
    io::copy(&mut file, &mut HashWriter(&mut hash)).map_err(|error| io_fault(zip, &error))?;
    let found = hex(&hash.finalize());
    if !found.eq_ignore_ascii_case(sha) {
        return Err(bad_zip(format!("{} is corrupted: its SHA-256 is {found}", zip.display())));
    }
    file.rewind().map_err(|error| io_fault(zip, &error))?;
    Ok(file)
}

struct HashWriter<'a>(&'a mut Sha256);

impl io::Write for HashWriter<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.update(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn extract(file: &mut File, into: &Path) -> Result<(), Fault> {
    let mut archive = ZipArchive::new(file).map_err(bad_zip)?;
    if archive.len() > FILES {
        return Err(bad_zip(format!("it has {} files; at most {FILES} are taken", archive.len())));
    }
    let mut left = UNPACKED_BYTES;
    for index in 0..archive.len() {
        let mut entry = archive.by_index(index).map_err(bad_zip)?;
        let name = entry.name().map_err(bad_zip)?.into_owned();
        let Some(path) = entry.enclosed_name().filter(|_| !entry.is_symlink()) else {
            return Err(bad_zip(format!("`{name}` would leave the function's directory")));
        };
        let path = into.join(path);
        let folder = if entry.is_dir() { &path } else { path.parent().unwrap_or(into) };
        fs::create_dir_all(folder).map_err(|error| io_fault(folder, &error))?;
        if entry.is_dir() {
            continue;
        }
        let mut out = fs::OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o755)
            .open(&path)
            .map_err(|error| io_fault(&path, &error))?;
        // The size in the zip's directory may lie: what counts is what comes out.
        let written = io::copy(&mut (&mut entry).take(left + 1), &mut out)
            .map_err(|error| unpack_fault(&name, &path, &error))?;
        left = left.checked_sub(written).ok_or_else(|| {
            bad_zip(format!("it is larger than {} MB unpacked", UNPACKED_BYTES / 1024 / 1024))
        })?;
    }
    Ok(())
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
mod tests {
    use super::*;
    use std::io::Write as _;
    use zip::write::{SimpleFileOptions, ZipWriter};

    fn zipped(files: &[(&str, &[u8])]) -> Vec<u8> {
        let mut zip = ZipWriter::new(io::Cursor::new(Vec::new()));
        for (name, bytes) in files {
            zip.start_file(*name, SimpleFileOptions::default()).unwrap();
            zip.write_all(bytes).unwrap();
        }
        zip.finish().unwrap().into_inner()
    }

    fn unpacked(bytes: &[u8]) -> (tempfile::TempDir, Result<PathBuf, Fault>) {
        let dir = tempfile::tempdir().unwrap();
        let sha = hex(&Sha256::digest(bytes));
        fs::write(dir.path().join(format!("{sha}.zip")), bytes).unwrap();
        let result = unpack(&dir.path().join("code"), dir.path(), &sha);
        (dir, result)
    }

    #[test]
    fn a_good_zip_becomes_an_executable_directory() {
        use std::os::unix::fs::PermissionsExt as _;
        let (_dir, result) = unpacked(&zipped(&[("bootstrap", b"#!/bin/sh\n"), ("lib/a.txt", b"a")]));
        let dir = result.unwrap();
        assert_eq!(fs::metadata(dir.join("bootstrap")).unwrap().permissions().mode() & 0o111, 0o111);
        assert_eq!(fs::read(dir.join("lib/a.txt")).unwrap(), b"a");
        let left: Vec<_> = fs::read_dir(dir.parent().unwrap()).unwrap().collect();
        assert_eq!(left.len(), 1, "nothing temporary stays: {left:?}");
    }

    #[test]
    fn the_same_zip_is_unpacked_once() {
        let bytes = zipped(&[("bootstrap", b"#!/bin/sh\n")]);
        let (dir, result) = unpacked(&bytes);
        let first = result.unwrap();
        fs::write(first.join("marker"), "").unwrap();
        let again = unpack(&dir.path().join("code"), dir.path(), &hex(&Sha256::digest(&bytes))).unwrap();
        assert!(again.join("marker").exists());
    }

    #[test]
    fn code_that_nothing_uses_goes() {
        let dir = tempfile::tempdir().unwrap();
        for name in ["used", "old", ".unpacking-x"] {
            fs::create_dir(dir.path().join(name)).unwrap();
        }
        fs::write(dir.path().join(".processes"), "").unwrap();
        let used = BTreeSet::from([dir.path().join("used")]);
        let left = || fs::read_dir(dir.path()).unwrap().count();
        sweep(dir.path(), &used, Duration::from_hours(1));
        assert_eq!(left(), 4);
        sweep(dir.path(), &used, Duration::ZERO);
        assert_eq!(left(), 2);
        assert!(dir.path().join("used").exists());
        sweep(&dir.path().join("none"), &used, Duration::ZERO);
    }

    #[test]
    fn bad_zips_are_refused_with_words_and_leave_nothing() {
        let long = vec![b'x'; 100];
        let damaged = {
            let mut bytes = zipped(&[("bootstrap", &[b"#!/bin/sh\n".as_slice(), &long].concat())]);
            bytes[45] ^= 0xff;
            bytes
        };
        let cases: [(&str, Vec<u8>, &str); 6] = [
            ("no zip", b"hello".to_vec(), "bad_zip"),
            ("empty", zipped(&[]), "bad_zip"),
            ("no bootstrap", zipped(&[("main", b"#!")]), "bad_zip"),
            ("outside", zipped(&[("../bootstrap", b"#!")]), "bad_zip"),
            ("damaged", damaged, "bad_zip"),
            ("text", zipped(&[("bootstrap", b"hello")]), "bad_zip"),
        ];
        for (name, bytes, code) in cases {
            let (dir, result) = unpacked(&bytes);
            assert_eq!(result.unwrap_err().code, code, "{name}");
            let left = fs::read_dir(dir.path().join("code")).map_or(0, Iterator::count);
            assert_eq!(left, 0, "{name}");
        }
    }

    #[test]
    fn a_zip_that_is_not_what_its_name_says_is_corrupted() {
        let dir = tempfile::tempdir().unwrap();
        let sha = "0".repeat(64);
        fs::write(dir.path().join(format!("{sha}.zip")), zipped(&[("bootstrap", b"#!")])).unwrap();
        let fault = unpack(&dir.path().join("code"), dir.path(), &sha).unwrap_err();
        assert!(fault.cause.unwrap().contains("is corrupted"));
        assert_eq!(unpack(dir.path(), dir.path(), "../../x").unwrap_err().code, "bad_code_hash");
        assert_eq!(unpack(dir.path(), dir.path(), &"1".repeat(64)).unwrap_err().code, "no_code");
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn another_architecture_is_named() {
        let mut elf = b"\x7fELF\x02\x01".to_vec();
        elf.resize(64, 0);
        elf[18] = if cfg!(target_arch = "aarch64") { 0x3e } else { 0xb7 };
        let (_dir, result) = unpacked(&zipped(&[("bootstrap", &elf)]));
        let fault = result.unwrap_err();
        assert_eq!(fault.code, "wrong_architecture");
        assert!(fault.message.contains(std::env::consts::ARCH), "{}", fault.message);
    }

    #[test]
    fn a_zip_that_lies_about_its_size_is_stopped() {
        let mut zip = ZipWriter::new(io::Cursor::new(Vec::new()));
        zip.start_file("bootstrap", SimpleFileOptions::default()).unwrap();
        let zeros = vec![0; 1024 * 1024];
        for _ in 0..=250 {
            zip.write_all(&zeros).unwrap();
        }
        let (_dir, result) = unpacked(&zip.finish().unwrap().into_inner());
        assert!(result.unwrap_err().cause.unwrap().contains("larger than 250 MB"));
    }
}
