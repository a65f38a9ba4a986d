//! Tests of valid, invalid and damaged zips, and of unpacked code that differs from its zip.

use super::*;
use sha2::{Digest as _, Sha256};
use std::io::Write as _;
use std::os::unix::fs::PermissionsExt as _;
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
    let sha = hex::encode(Sha256::digest(bytes));
    fs::write(dir.path().join(format!("{sha}.zip")), bytes).unwrap();
    let result = unpack(&dir.path().join("code"), dir.path(), &sha);
    (dir, result)
}

#[test]
fn unpack_of_valid_zip_creates_executable_directory() {
    let (_dir, result) = unpacked(&zipped(&[("bootstrap", b"#!/bin/sh\n"), ("lib/a.txt", b"a")]));
    let dir = result.unwrap();
    assert_eq!(fs::metadata(dir.join("bootstrap")).unwrap().permissions().mode() & 0o111, 0o111);
    assert_eq!(fs::read(dir.join("lib/a.txt")).unwrap(), b"a");
    let entries: Vec<_> = fs::read_dir(dir.parent().unwrap()).unwrap().collect();
    assert_eq!(entries.len(), 1, "temporary files remain: {entries:?}");
}

#[test]
fn unpack_of_same_zip_keeps_intact_directory() {
    use std::os::unix::fs::MetadataExt as _;
    let bytes = zipped(&[("bootstrap", b"#!/bin/sh\n"), ("lib/a.txt", b"a"), ("empty/", b"")]);
    let (dir, result) = unpacked(&bytes);
    let first = result.unwrap();
    let inode = fs::metadata(first.join(BOOTSTRAP)).unwrap().ino();
    let again = unpack(&dir.path().join("code"), dir.path(), &hex::encode(Sha256::digest(&bytes))).unwrap();
    assert_eq!(fs::metadata(again.join(BOOTSTRAP)).unwrap().ino(), inode);
}

/// A way to damage unpacked code, and the name of the test case.
type Damage = (&'static str, fn(&Path));

/// Kinds of damage to a directory of unpacked code. Each must be detected.
const DAMAGES: &[Damage] = &[
    ("empty bootstrap", |dir| fs::write(dir.join(BOOTSTRAP), "").unwrap()),
    ("cut bootstrap", |dir| fs::write(dir.join(BOOTSTRAP), "#!/bin").unwrap()),
    ("changed bootstrap", |dir| fs::write(dir.join(BOOTSTRAP), "#!/bin/ba\n").unwrap()),
    ("longer bootstrap", |dir| fs::write(dir.join(BOOTSTRAP), "#!/bin/sh\nx").unwrap()),
    ("bootstrap of mode 644", |dir| set_mode(&dir.join(BOOTSTRAP), 0o644)),
    ("bootstrap of mode 777", |dir| set_mode(&dir.join(BOOTSTRAP), 0o777)),
    ("bootstrap is missing", |dir| fs::remove_file(dir.join(BOOTSTRAP)).unwrap()),
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
    ("directory is a link", |dir| {
        fs::rename(dir, dir.with_extension("moved")).unwrap();
        std::os::unix::fs::symlink(dir.with_extension("moved"), dir).unwrap();
    }),
    ("directory is a dangling link", |dir| {
        fs::remove_dir_all(dir).unwrap();
        std::os::unix::fs::symlink("/no/such/directory", dir).unwrap();
    }),
    ("directory is a file", |dir| {
        fs::remove_dir_all(dir).unwrap();
        fs::write(dir, "").unwrap();
    }),
    ("directory that nobody can enter", |dir| set_mode(dir, 0o000)),
    ("inner file changed", |dir| fs::write(dir.join("lib/a.txt"), "b").unwrap()),
    ("inner file is missing", |dir| fs::remove_file(dir.join("lib/a.txt")).unwrap()),
    ("additional file", |dir| fs::write(dir.join("lib/b.so"), "b").unwrap()),
    ("inner directory is missing", |dir| fs::remove_dir(dir.join("empty")).unwrap()),
    ("additional directory", |dir| fs::create_dir(dir.join("lib/more")).unwrap()),
    ("directory that others can write to", |dir| set_mode(&dir.join("lib"), 0o777)),
];

fn set_mode(path: &Path, mode: u32) {
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

#[test]
fn unpack_over_damaged_directory_restores_it() {
    let bytes = zipped(&[("bootstrap", b"#!/bin/sh\n"), ("lib/a.txt", b"a"), ("empty/", b"")]);
    let sha = hex::encode(Sha256::digest(&bytes));
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
        let temporary = fs::read_dir(&code_dir).unwrap().flatten().filter(hidden).count();
        // A directory that nobody can enter cannot be deleted.
        assert!(temporary == 0 || *name == "directory that nobody can enter", "{name}: {temporary}");
    }
}

#[test]
fn unpack_of_unreadable_zip_fails_with_hint() {
    let dir = tempfile::tempdir().unwrap();
    let sha = "2".repeat(64);
    fs::create_dir(dir.path().join(format!("{sha}.zip"))).unwrap();
    let fault = unpack(&dir.path().join("code"), dir.path(), &sha).unwrap_err();
    assert_eq!(fault.code, "local_code_io");
    assert!(fault.message.starts_with("failed to read the function's zip "), "{}", fault.message);
    assert_eq!(fault.hint.unwrap(), "run `hitctl deploy --env local` to upload it again");
}

#[test]
fn unpack_of_zip_with_duplicate_path_is_refused() {
    for files in [[("a", ""), ("./a", "")], [("a", ""), ("a/b", "")], [("a/b", ""), ("a", "")]] {
        let mut all = vec![("bootstrap", b"#!".as_slice())];
        all.extend(files.iter().map(|(name, text)| (*name, text.as_bytes())));
        let (_dir, result) = unpacked(&zipped(&all));
        assert_eq!(result.unwrap_err().code, "bad_zip", "{files:?}");
    }
}

#[test]
fn sweep_removes_old_unused_code() {
    let dir = tempfile::tempdir().unwrap();
    for name in ["used", "old", ".unpacking-x"] {
        fs::create_dir(dir.path().join(name)).unwrap();
    }
    fs::write(dir.path().join(".processes"), "").unwrap();
    let used = BTreeSet::from([dir.path().join("used")]);
    let count = || fs::read_dir(dir.path()).unwrap().count();
    sweep(dir.path(), &used, Duration::from_hours(1));
    assert_eq!(count(), 4);
    sweep(dir.path(), &used, Duration::ZERO);
    assert_eq!(count(), 2);
    assert!(dir.path().join("used").exists());
    sweep(&dir.path().join("none"), &used, Duration::ZERO);
}

#[test]
fn unpack_of_invalid_zip_is_refused_and_leaves_no_files() {
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
        let files = fs::read_dir(dir.path().join("code")).map_or(0, Iterator::count);
        assert_eq!(files, 0, "{name}");
    }
}

#[test]
fn unpack_of_zip_with_wrong_hash_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let sha = "0".repeat(64);
    fs::write(dir.path().join(format!("{sha}.zip")), zipped(&[("bootstrap", b"#!")])).unwrap();
    let fault = unpack(&dir.path().join("code"), dir.path(), &sha).unwrap_err();
    assert!(fault.cause.unwrap().contains("is damaged"));
    assert_eq!(unpack(dir.path(), dir.path(), "../../x").unwrap_err().code, "bad_code_hash");
    assert_eq!(unpack(dir.path(), dir.path(), &"1".repeat(64)).unwrap_err().code, "no_code");
}

#[test]
#[cfg(target_os = "linux")]
fn unpack_for_other_architecture_is_refused_with_its_name() {
    let mut elf = b"\x7fELF\x02\x01".to_vec();
    elf.resize(64, 0);
    elf[18] = if cfg!(target_arch = "aarch64") { 0x3e } else { 0xb7 };
    let (_dir, result) = unpacked(&zipped(&[("bootstrap", &elf)]));
    let fault = result.unwrap_err();
    assert_eq!(fault.code, "wrong_architecture");
    assert!(fault.message.contains(std::env::consts::ARCH), "{}", fault.message);
}

#[test]
fn unpack_of_zip_over_size_limit_is_refused() {
    let mut zip = ZipWriter::new(io::Cursor::new(Vec::new()));
    zip.start_file("bootstrap", SimpleFileOptions::default()).unwrap();
    let zeros = vec![0; 1024 * 1024];
    for _ in 0..=250 {
        zip.write_all(&zeros).unwrap();
    }
    let (_dir, result) = unpacked(&zip.finish().unwrap().into_inner());
    assert!(result.unwrap_err().cause.unwrap().contains("larger than 250 MB"));
}
