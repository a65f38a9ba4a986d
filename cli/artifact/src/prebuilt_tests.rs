//! Files that the user gives instead of a build: zips and executables, good and bad.

use std::fs;
use std::io::Write as _;
use std::path::PathBuf;

use hitctl_config::Arch;
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipWriter};

use super::super::fixtures::{AARCH64, Elf, X86_64};
use super::*;

const ON_X86: Place = Place::Lambda(Arch::X86_64);

/// A folder with one file, which is taken.
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

    fn out(&self) -> PathBuf {
        self.folder.path().join("out")
    }

    fn take(&self) -> Result<Artifact, Fault> {
        take(&self.file, ON_X86, &self.out())
    }

    /// The refusal, with the folder's name taken out; nothing was written.
    fn refused(&self) -> String {
        let fault = self.take().unwrap_err();
        assert!(!self.out().exists(), "something was written");
        assert!(fault.hint.is_some());
        let message = format!("{}: {}", fault.code, fault.message);
        message.replace(&self.folder.path().display().to_string(), "")
    }
}

/// A zip of some entries: name, mode, content.
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
fn a_binary_is_packed_as_a_build_would() {
    let elf = Elf::fixed(X86_64).bytes();
    let case = Case::new(&elf);
    let artifact = case.take().unwrap();
    let zip = pack(&elf).unwrap();
    assert_eq!(fs::read(&artifact.zip).unwrap(), zip);
    assert_eq!((artifact.bytes, artifact.sha256.clone()), (zip.len() as u64, sha256(&zip)));
    assert_eq!((artifact.arch, artifact.built), (Arch::X86_64, false));
    assert!(artifact.zip.starts_with(case.out()));
    assert_eq!(artifact.read().unwrap(), zip);
    assert_eq!(artifact.build_id(), &artifact.sha256[..16]);
    fs::write(&artifact.zip, "other").unwrap();
    assert_eq!(artifact.read().unwrap_err().code, "artifact_changed");
}

#[test]
fn a_zip_is_taken_as_it_is() {
    let elf = Elf::fixed(X86_64).bytes();
    let zip = zip_of(&[("README", 0o644, b"words"), ("bootstrap", 0o755, &elf)]);
    let case = Case::new(&zip);
    let artifact = case.take().unwrap();
    assert_eq!((artifact.zip, artifact.sha256), (case.file.clone(), sha256(&zip)));
    assert!(!case.out().exists());
}

#[test]
fn files_that_are_no_function() {
    assert_eq!(
        Case::new(b"").refused(),
        "not_an_artifact: /given is empty, neither a zip nor a compiled function"
    );
    assert_eq!(
        Case::new(b"#!/bin/sh\n").refused(),
        "not_an_artifact: /given is a script, neither a zip nor a compiled function"
    );
    assert_eq!(
        Case::new(b"hello").refused(),
        "not_an_artifact: /given is something else, neither a zip nor a compiled function"
    );
    let elf = Elf::fixed(X86_64).bytes();
    assert_eq!(
        Case::new(&elf[..100]).refused(),
        "artifact_broken: the binary /given is truncated or damaged"
    );
    assert_eq!(
        Case::new(&Elf::fixed(AARCH64).bytes()).refused(),
        "wrong_arch: the binary /given is compiled for arm64, but the function is x86_64"
    );
    let case = Case::new(b"");
    fs::remove_file(&case.file).unwrap();
    assert_eq!(case.refused(), "artifact_unreadable: failed to read /given");
    assert!(case.take().unwrap_err().hint.unwrap().starts_with("check the path"));
    fs::create_dir(&case.file).unwrap();
    assert_eq!(case.refused(), "artifact_unreadable: failed to read /given");
    assert!(case.take().unwrap_err().hint.unwrap().contains("takes one file"));
}

#[test]
fn zips_that_lambda_could_not_start() {
    let elf = Elf::fixed(X86_64).bytes();
    let zip = |entries: &[(&str, u32, &[u8])]| Case::new(&zip_of(entries)).refused();
    assert_eq!(
        zip(&[("main", 0o755, &elf)]),
        "no_bootstrap: the zip /given has no file `bootstrap` at its top"
    );
    assert_eq!(
        zip(&[("bin/bootstrap", 0o755, &elf)]),
        "no_bootstrap: the zip /given has no file `bootstrap` at its top"
    );
    assert_eq!(
        zip(&[("bootstrap", 0o644, &elf)]),
        "not_executable: `bootstrap` in the zip /given is not executable: Lambda could not start it"
    );
    assert_eq!(
        zip(&[("bootstrap", 0o755, b"#!/bin/sh\n")]),
        "not_executable: `bootstrap` in /given is not an ELF executable, and cannot run on the function"
    );
    assert_eq!(
        zip(&[("bootstrap", 0o755, &Elf::fixed(AARCH64).bytes())]),
        "wrong_arch: `bootstrap` in /given is compiled for arm64, but the function is x86_64"
    );
    assert_eq!(
        zip(&[("bootstrap", 0o755, &elf), ("../../etc/passwd", 0o644, b"x")]),
        "zip_unsafe: the zip /given holds \"../../etc/passwd\", which points out of it"
    );
}

#[test]
fn damaged_zips() {
    let elf = Elf::gnu(X86_64, &[("GLIBC_2.34", "a")]).bytes();
    let whole = zip_of(&[("bootstrap", 0o755, &elf)]);
    for length in [4, 30, whole.len() / 2, whole.len() - 1] {
        let refused = Case::new(&whole[..length]).refused();
        assert!(refused.starts_with("zip_damaged: the zip /given is damaged"), "{length}: {refused}");
    }
    // A flipped bit in the compressed bytes is found by the checksum at the latest.
    let mut flipped = whole.clone();
    flipped[80] ^= 1;
    assert!(Case::new(&flipped).refused().starts_with("zip_damaged: "));
}

#[test]
fn a_zip_bomb_is_stopped_by_what_it_unpacks_to() {
    let zeros = vec![0; 30 * 1024 * 1024];
    let names: Vec<String> = (0..9).map(|n| format!("zeros-{n}")).collect();
    let entries: Vec<(&str, u32, &[u8])> =
        names.iter().map(|name| (name.as_str(), 0o644, &zeros[..])).collect();
    let bomb = zip_of(&entries);
    assert!(bomb.len() < 1024 * 1024);
    assert_eq!(
        Case::new(&bomb).refused(),
        "too_large: the zip /given unpacks to more than 250 MB, the most that Lambda takes"
    );
}

#[test]
fn the_limit_of_a_zip() {
    assert!(within_limit("the zip", MAX_ZIP_BYTES).is_ok());
    let fault = within_limit("the zip", MAX_ZIP_BYTES + 1).unwrap_err();
    assert_eq!(fault.message, "the zip has 52428801 bytes; Lambda takes at most 52428800 in a call");
}

#[test]
fn a_folder_that_cannot_be_written_is_named() {
    let case = Case::new(&Elf::fixed(X86_64).bytes());
    fs::write(case.out(), "a file").unwrap();
    let fault = case.take().unwrap_err();
    assert_eq!(fault.code, "not_writable");
    assert_eq!(fs::read(case.out()).unwrap(), b"a file");
}
