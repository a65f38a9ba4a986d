//! Secrets of this cloud: how one is made, and how one that a caller shows is compared.

use std::io;

use crate::clock::random;

/// Returns 64 hex digits of the system's randomness.
pub(crate) fn new() -> io::Result<String> {
    random::<32>().map(hex::encode)
}

/// Compares in a time that does not depend on where the first difference is.
pub(crate) fn equal(a: &[u8], b: &[u8]) -> bool {
    a.len() == b.len() && a.iter().zip(b).fold(0, |differ, (a, b)| differ | (a ^ b)) == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_takes_only_the_same_bytes() {
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
