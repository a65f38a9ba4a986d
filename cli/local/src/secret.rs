//! Creates secrets and compares them with the ones that callers present.

use std::io;

use crate::clock::random;

/// Returns a new secret: 32 random bytes of the system, as 64 hex digits.
pub(crate) fn new() -> io::Result<String> {
    random::<32>().map(hex::encode)
}

/// Compares two byte strings in a time that does not depend on the position of the first difference.
pub(crate) fn equal(a: &[u8], b: &[u8]) -> bool {
    a.len() == b.len() && a.iter().zip(b).fold(0, |differ, (a, b)| differ | (a ^ b)) == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_accepts_only_same_bytes() {
        assert!(equal(b"", b""));
        assert!(equal(b"s3cret", b"s3cret"));
        for other in ["", "s3cre", "s3creT", "S3cret", "s3cret2"] {
            assert!(!equal(b"s3cret", other.as_bytes()), "{other}");
        }
    }

    #[test]
    fn new_secrets_are_64_hex_digits_and_differ() {
        let (a, b) = (new().unwrap(), new().unwrap());
        assert_eq!(a.len(), 64);
        assert!(a.bytes().all(|byte| byte.is_ascii_hexdigit()));
        assert_ne!(a, b);
    }
}
