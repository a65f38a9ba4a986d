//! From `SHA.zip` to a directory with an executable `bootstrap`.
//!
//! The directory is complete or not there at all: it is unpacked beside its place and moved in. Nothing is trusted: the
//! zip must have the hash that it is named by, paths must stay inside, sizes are bounded as on Lambda, and a directory that
//! is there already must be exactly what its zip unpacks to.

mod tree;

use std::collections::BTreeSet;
use std::fs::{self, DirBuilder, File};
use std::io::{self, Read, Seek as _};
use std::os::unix::fs::{DirBuilderExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use hitctl_engine::Fault;
use zip::ZipArchive;

use crate::code::sha256_of;
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
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(code_dir)
            .map_err(|error| io_fault(code_dir, &error))?;
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
    fault.caused_by(error).hinted(hint)
}

fn bad_zip(cause: impl std::fmt::Display) -> Fault {
    Fault::fatal("bad_zip", "the function's zip cannot be used")
        .caused_by(cause)
        .hinted("Run `hitctl build`, then deploy again.")
}

fn open_checked(zip: &Path, sha: &str) -> Result<File, Fault> {
    let unreadable = |error: &io::Error| {
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
        _ => unreadable(&error),
    })?;
    let found = sha256_of(&mut file).map_err(|error| unreadable(&error))?;
    if !found.eq_ignore_ascii_case(sha) {
        return Err(bad_zip(format!("{} is corrupted: its SHA-256 is {found}", zip.display()))
            .hinted("run `hitctl deploy --env local`, which uploads it again"));
    }
    file.rewind().map_err(|error| unreadable(&error))?;
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
mod tests {
    use super::*;
    use crate::clock::hex;
    use sha2::{Digest as _, Sha256};
    use std::io::Write as _;
    use zip::write::{SimpleFileOptions, ZipWriter};

    fn zipped(files: &[(&str, &[u8])]) -> Vec<u8> {
        let mut zip = ZipWriter::new(io::Cursor::new(Vec::new()));
        for (name, bytes) in files {
            if let Some(name) = name.strip_suffix('/') {
                zip.add_directory(name, SimpleFileOptions::default()).unwrap();
                continue;
            }
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
        let (_dir, result) = unpacked(&zipped(&[("bootstrap", b"#!/bin/sh\n"), ("lib/a.txt", b"a")]));
        let dir = result.unwrap();
        assert_eq!(fs::metadata(dir.join("bootstrap")).unwrap().permissions().mode() & 0o111, 0o111);
        assert_eq!(fs::read(dir.join("lib/a.txt")).unwrap(), b"a");
        let left: Vec<_> = fs::read_dir(dir.parent().unwrap()).unwrap().collect();
        assert_eq!(left.len(), 1, "nothing temporary stays: {left:?}");
    }

    #[test]
    fn unpack_of_same_zip_keeps_intact_directory() {
        use std::os::unix::fs::MetadataExt as _;
        let bytes = zipped(&[("bootstrap", b"#!/bin/sh\n"), ("lib/a.txt", b"a"), ("empty/", b"")]);
        let (dir, result) = unpacked(&bytes);
        let first = result.unwrap();
        let inode = fs::metadata(first.join(BOOTSTRAP)).unwrap().ino();
        let again = unpack(&dir.path().join("code"), dir.path(), &hex(&Sha256::digest(&bytes))).unwrap();
        assert_eq!(fs::metadata(again.join(BOOTSTRAP)).unwrap().ino(), inode);
    }

    /// Something that can happen to unpacked code, by the name of the case.
    type Damage = (&'static str, fn(&Path));

    /// What can happen to a directory of unpacked code. Each is told from the zip.
    const DAMAGES: &[Damage] = &[
        ("empty bootstrap", |dir| fs::write(dir.join(BOOTSTRAP), "").unwrap()),
        ("cut bootstrap", |dir| fs::write(dir.join(BOOTSTRAP), "#!/bin").unwrap()),
        ("changed bootstrap", |dir| fs::write(dir.join(BOOTSTRAP), "#!/bin/ba\n").unwrap()),
        ("longer bootstrap", |dir| fs::write(dir.join(BOOTSTRAP), "#!/bin/sh\nx").unwrap()),
        ("bootstrap of mode 644", |dir| set_mode(&dir.join(BOOTSTRAP), 0o644)),
        ("bootstrap of mode 777", |dir| set_mode(&dir.join(BOOTSTRAP), 0o777)),
        ("bootstrap gone", |dir| fs::remove_file(dir.join(BOOTSTRAP)).unwrap()),
        ("bootstrap is a directory", |dir| {
            fs::remove_file(dir.join(BOOTSTRAP)).unwrap();
            fs::create_dir(dir.join(BOOTSTRAP)).unwrap();
        }),
        ("bootstrap is a link", |dir| {
            fs::rename(dir.join(BOOTSTRAP), dir.with_extension("moved")).unwrap();
            std::os::unix::fs::symlink(dir.with_extension("moved"), dir.join(BOOTSTRAP)).unwrap();
        }),
        ("inner directory is a link", |dir| {
            fs::rename(dir.join("lib"), dir.with_extension("moved")).unwrap();
            std::os::unix::fs::symlink(dir.with_extension("moved"), dir.join("lib")).unwrap();
        }),
        ("all of it is a link", |dir| {
            fs::rename(dir, dir.with_extension("moved")).unwrap();
            std::os::unix::fs::symlink(dir.with_extension("moved"), dir).unwrap();
        }),
        ("all of it is a dangling link", |dir| {
            fs::remove_dir_all(dir).unwrap();
            std::os::unix::fs::symlink("/no/such/directory", dir).unwrap();
        }),
        ("all of it is a file", |dir| {
            fs::remove_dir_all(dir).unwrap();
            fs::write(dir, "").unwrap();
        }),
        ("directory that nobody can enter", |dir| set_mode(dir, 0o000)),
        ("inner file changed", |dir| fs::write(dir.join("lib/a.txt"), "b").unwrap()),
        ("inner file gone", |dir| fs::remove_file(dir.join("lib/a.txt")).unwrap()),
        ("file more", |dir| fs::write(dir.join("lib/b.so"), "b").unwrap()),
        ("directory gone", |dir| fs::remove_dir(dir.join("empty")).unwrap()),
        ("directory more", |dir| fs::create_dir(dir.join("lib/more")).unwrap()),
        ("directory that others can write to", |dir| set_mode(&dir.join("lib"), 0o777)),
    ];

    fn set_mode(path: &Path, mode: u32) {
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    }

    #[test]
    fn unpack_over_damaged_directory_restores_it() {
        let bytes = zipped(&[("bootstrap", b"#!/bin/sh\n"), ("lib/a.txt", b"a"), ("empty/", b"")]);
        let sha = hex(&Sha256::digest(&bytes));
        for (name, damage) in DAMAGES {
            let (dir, result) = unpacked(&bytes);
            let target = result.unwrap();
            let code_dir = dir.path().join("code");
            assert!(is_unpacked(&code_dir, dir.path(), &sha), "{name}");
            damage(&target);
            assert!(!is_unpacked(&code_dir, dir.path(), &sha), "{name}");
            let moved = target.with_extension("moved");
            let is_moved = moved.exists();
            assert_eq!(unpack(&code_dir, dir.path(), &sha).as_ref(), Ok(&target), "{name}");
            assert!(is_unpacked(&code_dir, dir.path(), &sha), "{name}");
            assert_eq!(fs::read(target.join(BOOTSTRAP)).unwrap(), b"#!/bin/sh\n", "{name}");
            assert!(fs::symlink_metadata(&target).unwrap().is_dir(), "{name}");
            assert_eq!(moved.exists(), is_moved, "{name}: a link was followed");
            let hidden = |entry: &fs::DirEntry| entry.file_name().to_string_lossy().starts_with('.');
            let left = fs::read_dir(&code_dir).unwrap().flatten().filter(hidden).count();
            assert!(left == 0 || *name == "directory that nobody can enter", "{name}: {left} left");
        }
    }

    #[test]
    fn zip_that_cannot_be_read_is_reported_with_hint() {
        let dir = tempfile::tempdir().unwrap();
        let sha = "2".repeat(64);
        fs::create_dir(dir.path().join(format!("{sha}.zip"))).unwrap();
        let fault = unpack(&dir.path().join("code"), dir.path(), &sha).unwrap_err();
        assert_eq!(fault.code, "local_code_io");
        assert!(fault.message.starts_with("failed to read the function's zip "), "{}", fault.message);
        assert_eq!(fault.hint.unwrap(), "run `hitctl deploy --env local`, which uploads it again");
    }

    #[test]
    fn zip_with_two_files_of_one_path_is_refused() {
        for files in [[("a", ""), ("./a", "")], [("a", ""), ("a/b", "")], [("a/b", ""), ("a", "")]] {
            let mut all = vec![("bootstrap", b"#!".as_slice())];
            all.extend(files.iter().map(|(name, text)| (*name, text.as_bytes())));
            let (_dir, result) = unpacked(&zipped(&all));
            assert_eq!(result.unwrap_err().code, "bad_zip", "{files:?}");
        }
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
