//! Percent-decoding, leniently: what is no escape stays as it is, and bad UTF-8 becomes the replacement character.

use std::borrow::Cow;

/// Decodes `%XX`, and `+` as a space where that is the custom (in queries).
pub(super) fn percent_decode(text: &str, plus: bool) -> Cow<'_, str> {
    if !text.bytes().any(|byte| byte == b'%' || (plus && byte == b'+')) {
        return Cow::Borrowed(text);
    }
    let bytes = text.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while let Some(byte) = bytes.get(at) {
        let escape = (*byte == b'%')
            .then(|| Some(hex(*bytes.get(at + 1)?)? * 16 + hex(*bytes.get(at + 2)?)?))
            .flatten();
        match escape {
            Some(decoded) => {
                out.push(decoded);
                at += 2;
            }
            None if plus && *byte == b'+' => out.push(b' '),
            None => out.push(*byte),
        }
        at += 1;
    }
    Cow::Owned(String::from_utf8_lossy(&out).into_owned())
}

fn hex(digit: u8) -> Option<u8> {
    char::from(digit).to_digit(16).and_then(|value| u8::try_from(value).ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escapes_are_decoded_and_the_rest_stays() {
        for (text, plus, decoded) in [
            ("/a", false, "/a"),
            ("%2Fa%c3%a9", false, "/a\u{e9}"),
            ("a+b", false, "a+b"),
            ("a+b%2B", true, "a b+"),
            ("100%", true, "100%"),
            ("%zz%4", true, "%zz%4"),
            ("%ff", true, "\u{fffd}"),
        ] {
            assert_eq!(percent_decode(text, plus), decoded, "{text}");
        }
    }
}
