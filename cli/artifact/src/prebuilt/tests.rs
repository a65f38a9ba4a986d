//! Tests of prebuilt files: valid and invalid zips and executables.

use std::fs;
use std::io::Write as _;
use std::path::PathBuf;

use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipWriter};

use super::super::fixtures::{AARCH64, Elf, X86_64};
use super::*;

const ON_X86: Platform = Platform::Lambda(Arch::X86_64);

/// A folder with one prebuilt file.
struct Case {
    folder: tempfile::TempDir,
    file: PathBuf,
}

impl Case {
    fn new(content: &[u8]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("given");
        fs::write(&file, content).unwrap();
        Self { folder, file }
    }

    fn out_dir(&self) -> PathBuf {
        self.folder.path().join("out")
    }

    fn load(&self) -> Result<Artifact, Fault> {
        load(&self.file, ON_X86, &self.out_dir())
    }

    /// Returns the code and the message of the fault, without the name of the folder. Checks that nothing was written.
    fn rejection(&self) -> String {
        let fault = self.load().unwrap_err();
        assert!(!self.out_dir().exists(), "something was written");
        assert!(fault.hint.is_some());
        let message = format!("{}: {}", fault.code, fault.message);
        message.replace(&self.folder.path().display().to_string(), "")
    }
}

/// Returns a zip with these entries: name, mode, content.
fn zip_of(entries: &[(&str, u32, &[u8])]) -> Vec<u8> {
    let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
    for (name, mode, content) in entries {
        let options = SimpleFileOptions::default()
            .compression_method(CompressionMethod::Deflated)
            .unix_permissions(*mode);
        zip.start_file(*name, options).unwrap();
        zip.write_all(content).unwrap();
    }
    zip.finish().unwrap().into_inner()
}

#[test]
fn load_packs_a_binary_like_a_build() {
    let elf = Elf::static_executable(X86_64).bytes();
    let case = Case::new(&elf);
    let artifact = case.load().unwrap();
    let zip = pack(&elf).unwrap();
    assert_eq!(fs::read(&artifact.zip).unwrap(), zip);
    assert_eq!((artifact.bytes, artifact.sha256.clone()), (zip.len() as u64, sha256(&zip)));
    assert_eq!((artifact.arch, artifact.built), (Arch::X86_64, false));
    assert!(artifact.zip.starts_with(case.out_dir()));
    assert_eq!(artifact.read().unwrap(), zip);
    fs::write(&artifact.zip, "other").unwrap();
    assert_eq!(artifact.read().unwrap_err().code, "artifact_changed");
}

#[test]
fn load_uses_a_zip_unchanged() {
    let elf = Elf::static_executable(X86_64).bytes();
    let zip = zip_of(&[("README", 0o644, b"words"), ("bootstrap", 0o755, &elf)]);
    let case = Case::new(&zip);
    let artifact = case.load().unwrap();
    assert_eq!((artifact.zip, artifact.sha256), (case.file.clone(), sha256(&zip)));
    assert!(!case.out_dir().exists());
}

#[test]
fn load_rejects_files_that_are_not_a_function() {
    assert_eq!(
        Case::new(b"").rejection(),
        "not_an_artifact: expected a zip or an executable in /given, found an empty file"
    );
    assert_eq!(
        Case::new(b"#!/bin/sh\n").rejection(),
        "not_an_artifact: expected a zip or an executable in /given, found a script"
    );
    assert_eq!(
        Case::new(b"hello").rejection(),
        "not_an_artifact: expected a zip or an executable in /given, found other data"
    );
    let elf = Elf::static_executable(X86_64).bytes();
    assert_eq!(
        Case::new(&elf[..100]).rejection(),
        "artifact_broken: the binary /given is truncated or damaged"
    );
    assert_eq!(
        Case::new(&Elf::static_executable(AARCH64).bytes()).rejection(),
        "wrong_arch: expected the binary /given to be compiled for x86_64, found arm64"
    );
    let case = Case::new(b"");
    fs::remove_file(&case.file).unwrap();
    assert_eq!(case.rejection(), "artifact_unreadable: failed to read /given");
    assert!(case.load().unwrap_err().hint.unwrap().starts_with("check the path"));
    fs::create_dir(&case.file).unwrap();
    assert_eq!(case.rejection(), "artifact_unreadable: failed to read /given");
    assert!(case.load().unwrap_err().hint.unwrap().contains("pass one file"));
}

#[test]
fn load_hint_fits_each_error() {
    let hint = |content: &[u8]| Case::new(content).load().unwrap_err().hint.unwrap();
    assert_eq!(hint(b""), "build or copy the file again");
    assert_eq!(hint(b"#!/bin/sh\n"), "pass a compiled executable instead of a script");
    assert_eq!(hint(b"hello"), "pass a zip built by `hitctl build`, or a compiled executable");
    let elf = Elf::dynamic_executable(X86_64, &[("GLIBC_2.41", "x")]).bytes();
    assert_eq!(
        hint(&elf),
        "link it statically: compile it for x86_64-unknown-linux-musl; or leave out `--artifact`"
    );
    let device = load(Path::new("/dev/null"), ON_X86, Path::new("out")).unwrap_err();
    assert_eq!(device.hint.as_deref(), Some("write the content to a regular file, and pass that file"));
}

#[test]
fn load_rejects_zips_that_lambda_cannot_start() {
    let elf = Elf::static_executable(X86_64).bytes();
    let zip = |entries: &[(&str, u32, &[u8])]| Case::new(&zip_of(entries)).rejection();
    assert_eq!(
        zip(&[("main", 0o755, &elf)]),
        "no_bootstrap: expected a file `bootstrap` at the top of the zip /given, found none"
    );
    assert_eq!(
        zip(&[("bin/bootstrap", 0o755, &elf)]),
        "no_bootstrap: expected a file `bootstrap` at the top of the zip /given, found none"
    );
    assert_eq!(
        zip(&[("bootstrap", 0o644, &elf)]),
        "not_executable: `bootstrap` in the zip /given is not executable, so Lambda cannot start it"
    );
    assert_eq!(
        zip(&[("bootstrap", 0o755, b"#!/bin/sh\n")]),
        "not_executable: `bootstrap` in /given cannot run on Lambda: it is not an ELF executable"
    );
    assert_eq!(
        zip(&[("bootstrap", 0o755, &Elf::static_executable(AARCH64).bytes())]),
        "wrong_arch: expected `bootstrap` in /given to be compiled for x86_64, found arm64"
    );
    assert_eq!(
        zip(&[("bootstrap", 0o755, &elf), ("../../etc/passwd", 0o644, b"x")]),
        "zip_unsafe: the entry \"../../etc/passwd\" of the zip /given points outside of the zip"
    );
}

#[test]
fn load_rejects_damaged_zips() {
    let elf = Elf::dynamic_executable(X86_64, &[("GLIBC_2.34", "a")]).bytes();
    let whole = zip_of(&[("bootstrap", 0o755, &elf)]);
    for length in [4, 30, whole.len() / 2, whole.len() - 1] {
        let rejection = Case::new(&whole[..length]).rejection();
        assert!(rejection.starts_with("zip_damaged: the zip /given is damaged"), "{length}: {rejection}");
    }
    // The checksum detects a flipped bit in the compressed bytes.
    let mut flipped = whole.clone();
    flipped[80] ^= 1;
    assert!(Case::new(&flipped).rejection().starts_with("zip_damaged: "));
}

#[test]
fn load_rejects_zip_bomb_by_unpacked_size() {
    let zeros = vec![0; 30 * 1024 * 1024];
    let names: Vec<String> = (0..9).map(|n| format!("zeros-{n}")).collect();
    let entries: Vec<(&str, u32, &[u8])> =
        names.iter().map(|name| (name.as_str(), 0o644, &zeros[..])).collect();
    let bomb = zip_of(&entries);
    assert!(bomb.len() < 1024 * 1024);
    assert_eq!(
        Case::new(&bomb).rejection(),
        "too_large: expected at most 250 MB in the unpacked zip /given, found more"
    );
}

#[test]
fn check_zip_size_rejects_larger_zip() {
    assert!(check_zip_size("the zip", MAX_ZIP_BYTES, "make it smaller").is_ok());
    let fault = check_zip_size("the zip", MAX_ZIP_BYTES + 1, "make it smaller").unwrap_err();
    assert_eq!(fault.message, "expected at most 52428800 bytes in the zip, found 52428801");
    assert_eq!(fault.hint.as_deref(), Some("make it smaller"));
}

#[test]
fn load_names_folder_that_cannot_be_written() {
    let case = Case::new(&Elf::static_executable(X86_64).bytes());
    fs::write(case.out_dir(), "a file").unwrap();
    let fault = case.load().unwrap_err();
    assert_eq!(fault.code, "not_writable");
    assert_eq!(fs::read(case.out_dir()).unwrap(), b"a file");
}
