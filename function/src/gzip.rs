//! Decompresses gzip chunk by chunk, so that at most one window of the output is in memory.

use miniz_oxide::inflate::TINFLStatus;
use miniz_oxide::inflate::core::{DecompressorOxide, decompress};

/// The window of deflate, in bytes; the output wraps around in it.
const WINDOW: usize = 32 * 1024;

/// Decompresses `packed` and passes the chunks of the output to `each`. Data that is not compressed is passed on
/// unchanged. An error describes the file, or comes from `each`.
pub fn unpack(packed: &[u8], each: &mut dyn FnMut(&[u8]) -> Result<(), String>) -> Result<(), String> {
    if !packed.starts_with(&[0x1f, 0x8b]) {
        return packed.chunks(WINDOW).try_for_each(each);
    }
    let mut rest = packed;
    // A file may consist of several members. Zeros after the last member are padding.
    while rest.iter().any(|byte| *byte != 0) {
        rest = unpack_member(rest, each)?;
    }
    Ok(())
}

/// Decompresses one member and returns the data after it.
fn unpack_member<'a>(
    packed: &'a [u8],
    each: &mut dyn FnMut(&[u8]) -> Result<(), String>,
) -> Result<&'a [u8], String> {
    let mut rest =
        skip_header(packed).ok_or("expected a gzip file, found another format or a truncated header")?;
    let mut state = DecompressorOxide::new();
    let mut window = vec![0; WINDOW];
    let (mut at, mut length, mut crc) = (0, 0_u32, 0);
    loop {
        // Flags 0: the input has no zlib header, and the output wraps around.
        let (status, read, written) = decompress(&mut state, rest, &mut window, at, 0);
        rest = &rest[read..];
        let chunk = &window[at..at + written];
        crc = crc32(crc, chunk);
        length = length.wrapping_add(u32::try_from(written).unwrap_or_default());
        each(chunk)?;
        at = (at + written) % WINDOW;
        match status {
            TINFLStatus::Done => break,
            TINFLStatus::HasMoreOutput => {}
            _ => return Err("the gzip file is corrupt: invalid compressed data".to_owned()),
        }
    }
    // The trailer consists of the CRC-32 and the length of the output.
    let (tail, rest) = rest.split_at_checked(8).ok_or("the gzip file is truncated")?;
    let stored = |at: usize| u32::from_le_bytes([tail[at], tail[at + 1], tail[at + 2], tail[at + 3]]);
    if (stored(0), stored(4)) == (crc, length) {
        Ok(rest)
    } else {
        Err("the gzip file is corrupt: the checksum does not match".to_owned())
    }
}

/// Returns the data after the header of a member.
fn skip_header(packed: &[u8]) -> Option<&[u8]> {
    let (head, mut rest) = packed.split_at_checked(10)?;
    let flags = head[3];
    if !head.starts_with(&[0x1f, 0x8b, 8]) {
        return None;
    }
    // The flags of RFC 1952: 4 is an extra field, 8 a file name, 16 a comment, and 2 a checksum of the header.
    if flags & 4 != 0 {
        let (size, more) = rest.split_at_checked(2)?;
        rest = more.get(usize::from(u16::from_le_bytes([size[0], size[1]]))..)?;
    }
    for flag in [8, 16] {
        if flags & flag != 0 {
            let end = rest.iter().position(|byte| *byte == 0)?;
            rest = &rest[end + 1..];
        }
    }
    if flags & 2 != 0 { rest.get(2..) } else { Some(rest) }
}

/// The CRC-32 table for four bits.
const CRC_TABLE: [u32; 16] = {
    let mut table = [0; 16];
    let (mut n, mut start) = (0, 0_u32);
    while n < 16 {
        let mut value = start;
        let mut bit = 0;
        while bit < 4 {
            value = if value & 1 == 1 { value >> 1 ^ 0xedb8_8320 } else { value >> 1 };
            bit += 1;
        }
        table[n] = value;
        n += 1;
        start += 1;
    }
    table
};

/// Extends the CRC-32 `crc` by `bytes`, four bits at a time, because this needs only a small table.
fn crc32(crc: u32, bytes: &[u8]) -> u32 {
    let mut rest = !crc;
    for byte in bytes {
        rest ^= u32::from(*byte);
        for _ in 0..2 {
            rest = rest >> 4 ^ CRC_TABLE[(rest & 15) as usize];
        }
    }
    !rest
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use proptest::prelude::*;

    use super::*;

    fn pack(bytes: &[u8]) -> Vec<u8> {
        let mut gzip = flate2::GzBuilder::new()
            .filename("log.1")
            .extra(vec![1, 2, 3])
            .comment("c")
            .write(Vec::new(), flate2::Compression::default());
        gzip.write_all(bytes).unwrap();
        gzip.finish().unwrap()
    }

    fn unpacked(packed: &[u8]) -> Result<Vec<u8>, String> {
        let mut all = Vec::new();
        unpack(packed, &mut |chunk| {
            all.extend_from_slice(chunk);
            Ok(())
        })?;
        Ok(all)
    }

    #[test]
    fn consecutive_members_are_decompressed_as_one_file() {
        let large: Vec<u8> = (0..200_000_u32).flat_map(|n| (n.wrapping_mul(n) / 7).to_le_bytes()).collect();
        let mut packed = pack(&large);
        packed.extend(pack(b"and more"));
        packed.extend([0; 7]);
        let mut expected = large;
        expected.extend(b"and more");
        assert_eq!(unpacked(&packed), Ok(expected));
        assert_eq!(unpacked(b"plain"), Ok(b"plain".to_vec()));
        assert_eq!(unpacked(b""), Ok(Vec::new()));
    }

    #[test]
    fn damaged_or_truncated_file_is_an_error() {
        let packed = pack(b"some text, some text, some text");
        for cut in 2..packed.len() {
            assert!(unpacked(&packed[..cut]).is_err(), "cut at {cut}");
        }
        let mut damaged = packed.clone();
        let end = damaged.len() - 6;
        damaged[end] ^= 1;
        assert_eq!(
            unpacked(&damaged),
            Err("the gzip file is corrupt: the checksum does not match".to_owned())
        );
    }

    proptest! {
        #[test]
        fn compressed_data_decompresses_unchanged(bytes in proptest::collection::vec(any::<u8>(), 0..5000)) {
            prop_assert_eq!(unpacked(&pack(&bytes)), Ok(bytes));
        }

        #[test]
        fn any_bytes_are_decompressed_or_rejected(bytes in proptest::collection::vec(any::<u8>(), 0..500)) {
            let mut packed = vec![0x1f, 0x8b, 8];
            packed.extend(bytes);
            prop_assert!(unpacked(&packed).map_or(true, |all| all.len() < 10_000_000));
        }
    }
}
