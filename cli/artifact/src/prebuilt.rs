//! A prebuilt function that the user passes with `--artifact`: a zip, which is used unchanged, or a binary, which is packed.
//!
//! The file is untrusted: sizes are counted instead of read from headers, and no entry is written to the path that it names.

use std::fs::File;
use std::io::{self, Cursor, Read};
use std::path::Path;

use hitctl_config::Arch;
use hitctl_engine::Fault;
use zip::ZipArchive;
use zip::result::ZipError;

use super::build_method::musl_triple;
use super::cargo;
use super::inspect::{Platform, inspect, is_binary};
use super::pack::{MAX_ZIP_BYTES, pack, write_if_changed};
use super::request::Artifact;
use super::store::sha256;

/// Lambda's limit for the unpacked size of a function: 250 MB.
const MAX_UNPACKED_BYTES: u64 = 250 * 1024 * 1024;
/// The maximum number of files in a zip. The function needs one.
const MAX_ENTRIES: usize = 5_000;

/// Checks that a prebuilt file runs on `platform`. A binary is packed into `out_dir`.
pub(super) fn load(path: &Path, platform: Platform, out_dir: &Path) -> Result<Artifact, Fault> {
    let shown = path.display();
    let content = read_file(path)?;
    if is_binary(&content) {
        let arch = inspect_prebuilt(&content, &format!("the binary {shown}"), platform)?;
        let zip = pack(&content)?;
        let hint = format!("remove debug symbols with `strip {shown}`");
        check_zip_size(&format!("the zip of {shown}"), zip.len() as u64, &hint)?;
        // The name contains the hash of the content, so that two binaries have different zips.
        let out = out_dir.join(format!("given-{}.zip", &sha256(&content)[..16]));
        let hash = write_if_changed(&out, &zip)?;
        return Ok(Artifact { zip: out, bytes: zip.len() as u64, sha256: hash, arch, built: false });
    }
    if !content.starts_with(b"PK") {
        return Err(not_an_artifact(&content, path));
    }
    check_zip_size(
        &format!("the zip {shown}"),
        content.len() as u64,
        "leave only `bootstrap` in the zip, and remove its debug symbols with `strip bootstrap`",
    )?;
    let binary = read_bootstrap(&content, path)?;
    let arch = inspect_prebuilt(&binary, &format!("`bootstrap` in {shown}"), platform)?;
    Ok(Artifact {
        zip: path.to_owned(),
        bytes: content.len() as u64,
        sha256: sha256(&content),
        arch,
        built: false,
    })
}

/// Returns the fault for a file that is neither a zip nor an executable.
fn not_an_artifact(content: &[u8], path: &Path) -> Fault {
    let (kind, hint) = if content.is_empty() {
        ("an empty file", "build or copy the file again")
    } else if content.starts_with(b"#!") {
        ("a script", "pass a compiled executable instead of a script")
    } else {
        ("other data", "pass a zip built by `hitctl build`, or a compiled executable")
    };
    let message = format!("expected a zip or an executable in {}, found {kind}", path.display());
    Fault::fatal("not_an_artifact", message).hinted(hint)
}

/// Checks that a prebuilt binary runs on `platform`. The hints for missing libraries say how to build the binary, because
/// hitctl does not build it.
fn inspect_prebuilt(binary: &[u8], what: &str, platform: Platform) -> Result<Arch, Fault> {
    inspect(binary, what, platform).map_err(|fault| match (platform, fault.code.as_str()) {
        (Platform::Lambda(arch), "interpreter" | "shared_library" | "glibc_too_new") => fault.hinted(
            format!("link it statically: compile it for {}; or leave out `--artifact`", musl_triple(arch)),
        ),
        _ => fault,
    })
}

/// Reads the file that the user passed. Rejects a file that is larger than Lambda's limit.
fn read_file(path: &Path) -> Result<Vec<u8>, Fault> {
    let unreadable = |error: io::Error, hint: String| {
        Fault::fatal("artifact_unreadable", format!("failed to read {}", path.display()))
            .caused_by(error)
            .hinted(hint)
    };
    let fault = |error: io::Error| {
        let hint = match error.kind() {
            io::ErrorKind::NotFound | io::ErrorKind::NotADirectory => {
                "check the path after `--artifact`".to_owned()
            }
            io::ErrorKind::IsADirectory => "pass one file: a zip or an executable".to_owned(),
            io::ErrorKind::PermissionDenied => {
                format!("check the permissions of the file with `ls -l {}`", path.display())
            }
            _ => "copy the file to another disk, and pass the copy".to_owned(),
        };
        unreadable(error, hint)
    };
    // Reading a pipe or a device may block forever.
    let meta = std::fs::metadata(path).map_err(fault)?;
    if meta.is_dir() {
        return Err(fault(io::ErrorKind::IsADirectory.into()));
    }
    if !meta.is_file() {
        let error = io::Error::other("expected a regular file, found a pipe or a device");
        return Err(unreadable(error, "write the content to a regular file, and pass that file".to_owned()));
    }
    let mut content = Vec::new();
    let file = File::open(path).map_err(fault)?;
    file.take(MAX_UNPACKED_BYTES + 1).read_to_end(&mut content).map_err(fault)?;
    if content.len() as u64 > MAX_UNPACKED_BYTES {
        return Err(Fault::fatal(
            "too_large",
            format!("expected at most 250 MB in {}, found more", path.display()),
        )
        .hinted("pass the zip that `hitctl build` writes, which is much smaller"));
    }
    Ok(content)
}

/// Checks the size of a zip against Lambda's limit. `hint` says how to make this zip smaller.
pub(super) fn check_zip_size(what: &str, bytes: u64, hint: &str) -> Result<(), Fault> {
    if bytes <= MAX_ZIP_BYTES {
        return Ok(());
    }
    let message = format!("expected at most {MAX_ZIP_BYTES} bytes in {what}, found {bytes}");
    Err(Fault::fatal("too_large", message).hinted(hint))
}

/// Checks all entries of a zip and returns the content of `bootstrap`.
fn read_bootstrap(content: &[u8], path: &Path) -> Result<Vec<u8>, Fault> {
    let shown = path.display();
    let damaged = |error: ZipError| {
        Fault::fatal(
            "zip_damaged",
            format!("the zip {shown} is damaged, or Lambda does not support its format"),
        )
        .caused_by(error)
        .hinted(format!("build or copy it again; `unzip -t {shown}` tests it"))
    };
    let reject =
        |code: &'static str, message: String, hint: &str| Err(Fault::fatal(code, message).hinted(hint));
    let mut archive = ZipArchive::new(Cursor::new(content)).map_err(damaged)?;
    if archive.len() > MAX_ENTRIES {
        let message =
            format!("expected at most {MAX_ENTRIES} files in the zip {shown}, found {}", archive.len());
        return reject("too_large", message, "pass a zip that contains only the function");
    }
    let mut remaining = MAX_UNPACKED_BYTES;
    let mut program = None;
    for index in 0..archive.len() {
        let mut entry = archive.by_index(index).map_err(damaged)?;
        let name = entry.name().map_err(damaged)?.into_owned();
        if entry.enclosed_name().is_none() || entry.is_symlink() {
            let message = format!("the entry {name:?} of the zip {shown} points outside of the zip");
            return reject("zip_unsafe", message, "pass a zip of plain files with relative names");
        }
        let mode = entry.unix_mode();
        let is_program = name == cargo::BINARY && entry.is_file();
        let mut binary = Vec::new();
        let read = if is_program {
            (&mut entry).take(remaining + 1).read_to_end(&mut binary).map(|bytes| bytes as u64)
        } else {
            io::copy(&mut (&mut entry).take(remaining + 1), &mut io::sink())
        };
        let read = read.map_err(|error| damaged(error.into()))?;
        if read > remaining {
            let message = format!("expected at most 250 MB in the unpacked zip {shown}, found more");
            return reject("too_large", message, "pass the zip that `hitctl build` writes");
        }
        remaining -= read;
        if is_program {
            program = Some((binary, mode));
        }
    }
    match program {
        Some((binary, Some(mode))) if mode & 0o111 != 0 => Ok(binary),
        Some(_) => reject(
            "not_executable",
            format!("`bootstrap` in the zip {shown} is not executable, so Lambda cannot start it"),
            "run `chmod 755 bootstrap` before you zip it, or pass the executable itself",
        ),
        None => reject(
            "no_bootstrap",
            format!("expected a file `bootstrap` at the top of the zip {shown}, found none"),
            "name the executable `bootstrap`, and zip it without a directory: `zip function.zip bootstrap`",
        ),
    }
}

#[cfg(test)]
mod tests;
