//! Lenient percent-decoding. Invalid escapes are kept, and invalid UTF-8 becomes the replacement character.

use std::borrow::Cow;

use percent_encoding::percent_decode_str;

/// Decodes `%XX`, and also `+` as a space if `plus_is_space` is set, as in queries.
pub(super) fn percent_decode(text: &str, plus_is_space: bool) -> Cow<'_, str> {
    if plus_is_space && text.contains('+') {
        let spaced = text.replace('+', " ");
        return Cow::Owned(percent_decode_str(&spaced).decode_utf8_lossy().into_owned());
    }
    percent_decode_str(text).decode_utf8_lossy()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percent_decode_keeps_invalid_escapes() {
        for (text, plus_is_space, decoded) in [
            ("/a", false, "/a"),
            ("%2Fa%c3%a9", false, "/a\u{e9}"),
            ("a+b", false, "a+b"),
            ("a+b%2B", true, "a b+"),
            ("100%", true, "100%"),
            ("%zz%4", true, "%zz%4"),
            ("%ff", true, "\u{fffd}"),
        ] {
            assert_eq!(percent_decode(text, plus_is_space), decoded, "{text}");
        }
    }
}
