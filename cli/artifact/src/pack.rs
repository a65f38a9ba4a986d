//! Packs a binary into the zip for Lambda. The same binary gives the same bytes on every machine.
//!
//! The zip has one entry, `bootstrap`, with mode 0755 and date 1980-01-01, without extra fields. Zopfli compresses it: the result is
//! 3 % smaller than with zlib at its highest level, and takes a few seconds after a compilation that takes minutes. Zopfli's output
//! depends only on its input. A test checks the hash for a known input.

use std::io::{Cursor, Write as _};
use std::path::Path;

use hitctl_engine::Fault;
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, DateTime, System, ZipWriter};

use super::cargo::BINARY;
use super::store::{sha256, write_atomically};

/// Lambda's limit for a zip that is uploaded in an API call: 50 MB.
pub(super) const MAX_ZIP_BYTES: u64 = 50 * 1024 * 1024;

/// The compression level of the zip library for five iterations of Zopfli. More iterations save less than 0.1 %.
const ZOPFLI_5_ITERATIONS: i64 = 14;

/// Packs a binary into a zip and returns the bytes of the zip.
pub(super) fn pack(binary: &[u8]) -> Result<Vec<u8>, Fault> {
    let packed = (|| {
        let options = SimpleFileOptions::default()
            .compression_method(CompressionMethod::Deflated)
            .compression_level(Some(ZOPFLI_5_ITERATIONS))
            // Without a buffer, all data is compressed at once. A block that ends with a buffer would compress less.
            .with_zopfli_buffer(None)
            .last_modified_time(DateTime::default())
            .system(System::Unix)
            .unix_permissions(0o755);
        let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
        zip.start_file(BINARY, options)?;
        zip.write_all(binary)?;
        Ok::<_, zip::result::ZipError>(zip.finish()?.into_inner())
    })();
    packed.map_err(|error| Fault::fatal("pack_failed", "failed to pack the function").caused_by(error))
}

/// Writes a zip unless the file already has these bytes. Returns the SHA-256 of the zip.
pub(super) fn write_if_changed(path: &Path, zip: &[u8]) -> Result<String, Fault> {
    let hash = sha256(zip);
    let unchanged = std::fs::read(path).is_ok_and(|found| found == zip);
    if !unchanged {
        write_atomically(path, zip)?;
    }
    Ok(hash)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    /// Returns bytes with repetitions and noise like those of a program, from a fixed recurrence.
    fn known_input() -> Vec<u8> {
        let mut seed = 42_u32;
        let mut bytes = Vec::with_capacity(300_000);
        while bytes.len() < 300_000 {
            seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            let from = (seed >> 8) as usize % (bytes.len() + 1);
            let length = (seed >> 4) as usize % 40;
            if seed.is_multiple_of(4) && from + length < bytes.len() {
                bytes.extend_from_within(from..from + length);
            } else {
                bytes.extend_from_slice(&seed.to_be_bytes());
            }
        }
        bytes
    }

    #[test]
    fn pack_known_input_gives_known_bytes() {
        assert_eq!(
            sha256(&known_input()),
            "d41e1dd0566ef8c7f8d091e17bb3aae8f8b981cccabd5330b5fc296d8844a114"
        );
        assert_eq!(
            sha256(&pack(&known_input()).unwrap()),
            "f7bcab270a3bf560f7a24b60a5a169d37f9e5491229d9152bcd8885d0ed99f33"
        );
    }

    #[test]
    fn pack_writes_one_entry_with_fixed_mode_and_time() {
        let zip = pack(b"program").unwrap();
        let mut archive = zip::ZipArchive::new(Cursor::new(&zip)).unwrap();
        assert_eq!(archive.len(), 1);
        let entry = archive.by_index(0).unwrap();
        assert_eq!(entry.name().unwrap(), "bootstrap");
        assert_eq!(entry.unix_mode(), Some(0o100_755));
        assert_eq!(entry.last_modified(), Some(DateTime::default()));
        assert!(entry.extra_data().is_none_or(|extra| extra.is_empty()));
        // The local header: a name of nine bytes and an empty extra field.
        assert_eq!(zip[26..30], [9, 0, 0, 0]);
        assert_eq!(zip[10..14], [0, 0, 0x21, 0], "1980-01-01 00:00:00");
    }

    #[test]
    fn write_if_changed_does_not_rewrite_same_zip() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("function.zip");
        let hash = write_if_changed(&path, b"zip").unwrap();
        let long_ago = fs::FileTimes::new().set_modified(std::time::UNIX_EPOCH);
        fs::File::options().write(true).open(&path).unwrap().set_times(long_ago).unwrap();
        assert_eq!(write_if_changed(&path, b"zip").unwrap(), hash);
        assert_eq!(fs::metadata(&path).unwrap().modified().unwrap(), std::time::UNIX_EPOCH);
        assert_ne!(write_if_changed(&path, b"other").unwrap(), hash);
        assert_eq!(fs::read(&path).unwrap(), b"other");
    }
}
