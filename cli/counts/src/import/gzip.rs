//! Files that may be packed by gzip: exports of others, sitemaps.

use std::io::Read as _;

use hitctl_engine::Fault;

/// What gzip writes first.
const MAGIC: [u8; 2] = [0x1f, 0x8b];

/// The content of a file, unpacked where it was packed; of at most so many bytes.
pub fn unpacked(content: Vec<u8>, largest: u64) -> Result<Vec<u8>, Fault> {
    if !content.starts_with(&MAGIC) {
        return Ok(content);
    }
    let mut plain = Vec::new();
    let mut packed = flate2::read::MultiGzDecoder::new(content.as_slice()).take(largest + 1);
    packed.read_to_end(&mut plain).map_err(|error| {
        Fault::fatal("bad_file", "the file is packed by gzip, but cannot be unpacked")
            .caused_by(error)
            .hinted("get the file once more: it may not be whole")
    })?;
    if plain.len() as u64 > largest {
        return Err(Fault::usage(format!("unpacked it has more than {} MiB", largest / 1024 / 1024)));
    }
    Ok(plain)
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
    fn what_is_packed_is_unpacked_and_the_rest_left_alone() {
        assert_eq!(unpacked(b"path,hits".to_vec(), 100).unwrap(), b"path,hits");
        assert_eq!(unpacked(packed(b"path,hits"), 100).unwrap(), b"path,hits");
        // Two files in a row are one, as for gunzip.
        let both = [packed(b"a\n"), packed(b"b\n")].concat();
        assert_eq!(unpacked(both, 100).unwrap(), b"a\nb\n");
    }

    #[test]
    fn what_is_broken_or_far_too_large_is_refused() {
        let whole = packed(b"path,hits");
        assert_eq!(unpacked(whole[..whole.len() - 3].to_vec(), 100).unwrap_err().code, "bad_file");
        let bomb = packed(&vec![0; 3 * 1024 * 1024]);
        let why = unpacked(bomb, 1024 * 1024).unwrap_err().message.clone();
        assert_eq!(why, "unpacked it has more than 1 MiB");
    }
}
