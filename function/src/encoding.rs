//! Hexadecimal digits, percent-encoding and a hash.

/// Returns the two upper-case hexadecimal digits of a byte.
pub(crate) fn upper_hex(byte: u8) -> [char; 2] {
    digits(byte, b"0123456789ABCDEF")
}

/// Returns the two lower-case hexadecimal digits of a byte.
pub(crate) fn lower_hex(byte: u8) -> [char; 2] {
    digits(byte, b"0123456789abcdef")
}

fn digits(byte: u8, digits: &[u8; 16]) -> [char; 2] {
    [byte >> 4, byte & 15].map(|digit| char::from(digits[usize::from(digit)]))
}

/// Decodes percent-encoded text into bytes, each with its spelling in the text: `%XX` or the byte itself. A
/// `%` without two digits stands for itself.
pub(crate) fn percent_decoded(text: &str) -> impl Iterator<Item = (u8, &[u8])> {
    let mut rest = text.as_bytes();
    std::iter::from_fn(move || {
        let &first = rest.first()?;
        let encoded = if first == b'%' { hex_pair(rest.get(1..3)) } else { None };
        let (spelling, after) = rest.split_at(if encoded.is_some() { 3 } else { 1 });
        rest = after;
        Some((encoded.unwrap_or(first), spelling))
    })
}

/// Returns the byte of two hexadecimal digits.
fn hex_pair(digits: Option<&[u8]>) -> Option<u8> {
    let &[high, low] = digits? else { return None };
    let digit = |byte: u8| char::from(byte).to_digit(16).and_then(|value| u8::try_from(value).ok());
    Some(digit(high)? << 4 | digit(low)?)
}

/// Returns the 64-bit FNV-1a hash of bytes.
pub(crate) fn fnv1a(bytes: impl Iterator<Item = u8>) -> u64 {
    bytes.fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
    })
}
