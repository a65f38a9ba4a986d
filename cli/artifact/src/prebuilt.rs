//! A ready function that the user gives with `--artifact`: a zip, used as it is, or a binary, which is packed.
//!
//! Nothing in it is believed: sizes are counted, not read from headers, and nothing is written where a name says.

use std::fs::File;
use std::io::{self, Cursor, Read};
use std::path::Path;

use hitctl_engine::Fault;
use zip::ZipArchive;
use zip::result::ZipError;

use super::cargo;
use super::inspect::{Place, inspect, is_binary};
use super::pack::{MAX_ZIP_BYTES, pack, write_if_changed};
use super::request::Artifact;
use super::store::sha256;

/// What Lambda takes unpacked.
const MAX_UNPACKED_BYTES: u64 = 250 * 1024 * 1024;
/// More files than that in a zip are no function of ours.
const MAX_ENTRIES: usize = 5_000;

/// Checks a file for a place. A binary is packed into `out_dir`.
pub(super) fn take(path: &Path, place: Place, out_dir: &Path) -> Result<Artifact, Fault> {
    let shown = path.display();
    let content = read(path)?;
    if is_binary(&content) {
        let arch = inspect(&content, &format!("the binary {shown}"), place)?;
        let zip = pack(&content)?;
        within_limit(&format!("the zip of {shown}"), zip.len() as u64)?;
        // Named by content: two of them do not get into each other's way.
        let out = out_dir.join(format!("given-{}.zip", &sha256(&content)[..16]));
        let hash = write_if_changed(&out, &zip)?;
        return Ok(Artifact { zip: out, bytes: zip.len() as u64, sha256: hash, arch, built: false });
    }
    if !content.starts_with(b"PK") {
        let why = if content.is_empty() {
            "is empty"
        } else if content.starts_with(b"#!") {
            "is a script"
        } else {
            "is something else"
        };
        return Err(Fault::fatal(
            "not_an_artifact",
            format!("{shown} {why}, neither a zip nor a compiled function"),
        )
        .hinted("give the zip that `hitctl build` writes, or the executable itself"));
    }
    within_limit(&format!("the zip {shown}"), content.len() as u64)?;
    let binary = bootstrap(&content, path)?;
    let arch = inspect(&binary, &format!("`bootstrap` in {shown}"), place)?;
    Ok(Artifact {
        zip: path.to_owned(),
        bytes: content.len() as u64,
        sha256: sha256(&content),
        arch,
        built: false,
    })
}

/// Reads a file that the user named; at most what could be a function.
fn read(path: &Path) -> Result<Vec<u8>, Fault> {
    let fault = |error: io::Error| {
        let hint = match error.kind() {
            io::ErrorKind::NotFound => "check the path that `--artifact` was given",
            io::ErrorKind::IsADirectory => "`--artifact` takes one file: a zip, or the executable itself",
            _ => "check that you may read it: `ls -l FILE`",
        };
        Fault::fatal("artifact_unreadable", format!("failed to read {}", path.display()))
            .caused_by(error)
            .hinted(hint)
    };
    // A pipe or a device may never end, or never begin.
    let meta = std::fs::metadata(path).map_err(fault)?;
    if meta.is_dir() {
        return Err(fault(io::ErrorKind::IsADirectory.into()));
    }
    if !meta.is_file() {
        return Err(fault(io::Error::other("it is a pipe or a device, not a file")));
    }
    let mut content = Vec::new();
    let file = File::open(path).map_err(fault)?;
    file.take(MAX_UNPACKED_BYTES + 1).read_to_end(&mut content).map_err(fault)?;
    if content.len() as u64 > MAX_UNPACKED_BYTES {
        return Err(Fault::fatal(
            "too_large",
            format!("{} is larger than 250 MB, the most that Lambda takes", path.display()),
        )
        .hinted("give the zip that `hitctl build` writes: it is a thousandth of that"));
    }
    Ok(content)
}

/// Lambda's limit on a zip.
pub(super) fn within_limit(what: &str, bytes: u64) -> Result<(), Fault> {
    if bytes <= MAX_ZIP_BYTES {
        return Ok(());
    }
    let message = format!("{what} has {bytes} bytes; Lambda takes at most {MAX_ZIP_BYTES} in a call");
    Err(Fault::fatal("too_large", message)
        .hinted("leave out what the function does not need; strip the binary"))
}

/// The program in a zip, after a look at all that is in it.
fn bootstrap(content: &[u8], path: &Path) -> Result<Vec<u8>, Fault> {
    let shown = path.display();
    let damaged = |error: ZipError| {
        Fault::fatal(
            "zip_damaged",
            format!("the zip {shown} is damaged or of a kind that Lambda does not take"),
        )
        .caused_by(error)
        .hinted("copy or build it again; `unzip -t FILE` tests it")
    };
    let refuse =
        |code: &'static str, message: String, hint: &str| Err(Fault::fatal(code, message).hinted(hint));
    let mut archive = ZipArchive::new(Cursor::new(content)).map_err(damaged)?;
    if archive.len() > MAX_ENTRIES {
        let message = format!("the zip {shown} holds {} files, more than {MAX_ENTRIES}", archive.len());
        return refuse("too_large", message, "give a zip of the function alone");
    }
    let mut room = MAX_UNPACKED_BYTES;
    let mut program = None;
    for at in 0..archive.len() {
        let mut entry = archive.by_index(at).map_err(damaged)?;
        let name = entry.name().map_err(damaged)?.into_owned();
        if entry.enclosed_name().is_none() || entry.is_symlink() {
            let message = format!("the zip {shown} holds {name:?}, which points out of it");
            return refuse("zip_unsafe", message, "give a zip of plain files with relative names");
        }
        let mode = entry.unix_mode();
        let is_program = name == cargo::BINARY && entry.is_file();
        let mut taken = Vec::new();
        let read = if is_program {
            (&mut entry).take(room + 1).read_to_end(&mut taken).map(|bytes| bytes as u64)
        } else {
            io::copy(&mut (&mut entry).take(room + 1), &mut io::sink())
        };
        let read = read.map_err(|error| damaged(error.into()))?;
        if read > room {
            let message = format!("the zip {shown} unpacks to more than 250 MB, the most that Lambda takes");
            return refuse("too_large", message, "give the zip that `hitctl build` writes");
        }
        room -= read;
        if is_program {
            program = Some((taken, mode));
        }
    }
    match program {
        Some((binary, Some(mode))) if mode & 0o111 != 0 => Ok(binary),
        Some(_) => refuse(
            "not_executable",
            format!("`bootstrap` in the zip {shown} is not executable: Lambda could not start it"),
            "`chmod 755 bootstrap` before zipping it, on Linux or macOS; or give the executable itself, which is zipped for you",
        ),
        None => refuse(
            "no_bootstrap",
            format!("the zip {shown} has no file `bootstrap` at its top"),
            "name the executable `bootstrap` and zip it without a folder: `zip function.zip bootstrap`",
        ),
    }
}

#[cfg(test)]
#[path = "prebuilt_tests.rs"]
mod tests;
