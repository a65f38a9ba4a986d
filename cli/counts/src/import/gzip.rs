//! Decompresses files that may be compressed by gzip: sitemaps and exports of other programs.

use std::io::Read as _;

use hitctl_engine::Fault;

/// The first bytes of a gzip file.
const MAGIC: [u8; 2] = [0x1f, 0x8b];

/// Returns the content of a file, decompressed if it is gzip. More than `max_bytes` decompressed bytes are an error.
pub fn decompress(content: Vec<u8>, max_bytes: u64) -> Result<Vec<u8>, Fault> {
    if !content.starts_with(&MAGIC) {
        return Ok(content);
    }
    let mut decompressed = Vec::new();
    let mut decoder = flate2::read::MultiGzDecoder::new(content.as_slice()).take(max_bytes + 1);
    decoder.read_to_end(&mut decompressed).map_err(|error| {
        Fault::fatal("bad_file", "failed to decompress the gzip file")
            .caused_by(error)
            .hinted("download the file again; it may be incomplete")
    })?;
    if decompressed.len() as u64 > max_bytes {
        return Err(Fault::usage(format!(
            "expected at most {} MiB in the gzip file, found more",
            max_bytes / 1024 / 1024
        )));
    }
    Ok(decompressed)
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use flate2::Compression;
    use flate2::write::GzEncoder;

    use super::*;

    fn packed(content: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
        encoder.write_all(content).unwrap();
        encoder.finish().unwrap()
    }

    #[test]
    fn decompress_unpacks_gzip_and_keeps_other_content() {
        assert_eq!(decompress(b"path,hits".to_vec(), 100).unwrap(), b"path,hits");
        assert_eq!(decompress(packed(b"path,hits"), 100).unwrap(), b"path,hits");
        // Concatenated gzip files are one file, as for gunzip.
        let both = [packed(b"a\n"), packed(b"b\n")].concat();
        assert_eq!(decompress(both, 100).unwrap(), b"a\nb\n");
    }

    #[test]
    fn decompress_rejects_broken_and_oversized_gzip() {
        let whole = packed(b"path,hits");
        assert_eq!(decompress(whole[..whole.len() - 3].to_vec(), 100).unwrap_err().code, "bad_file");
        let bomb = packed(&vec![0; 3 * 1024 * 1024]);
        let why = decompress(bomb, 1024 * 1024).unwrap_err().message.clone();
        assert_eq!(why, "expected at most 1 MiB in the gzip file, found more");
    }
}
