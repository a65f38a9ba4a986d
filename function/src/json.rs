//! A small JSON writer, because the domain has no dependencies and needs only a few shapes. Reading is done
//! with serde.

use crate::encoding::lower_hex;

/// Appends `text` as a JSON string, quotes included.
pub fn push_string(out: &mut String, text: &str) {
    out.push('"');
    // Runs of bytes without escapes are copied as a whole. All bytes that need one are ASCII, so that slices
    // end between characters.
    let mut rest = text;
    while let Some(at) = rest.bytes().position(|byte| matches!(byte, ..b' ' | b'"' | b'\\' | 0x7f)) {
        out.push_str(&rest[..at]);
        match rest.as_bytes()[at] {
            b'"' => out.push_str("\\\""),
            b'\\' => out.push_str("\\\\"),
            b'\n' => out.push_str("\\n"),
            b'\r' => out.push_str("\\r"),
            b'\t' => out.push_str("\\t"),
            byte => {
                out.push_str("\\u00");
                out.extend(lower_hex(byte));
            }
        }
        rest = &rest[at + 1..];
    }
    out.push_str(rest);
    out.push('"');
}

/// Returns `text` as a JSON string, quotes included.
pub fn string(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    push_string(&mut out, text);
    out
}

/// Returns a list of values that are already JSON.
pub fn list(values: impl Iterator<Item = String>) -> String {
    format!("[{}]", values.collect::<Vec<_>>().join(","))
}

/// A JSON object that is written field by field.
#[derive(Debug)]
pub struct JsonObject(String);

impl JsonObject {
    /// Creates an object without fields.
    pub fn new() -> Self {
        // Most objects have a few hundred bytes; growing from zero would reallocate five times.
        let mut json = String::with_capacity(256);
        json.push('{');
        Self(json)
    }

    /// Adds a string field.
    #[must_use]
    pub fn text(mut self, name: &str, value: &str) -> Self {
        self.name(name);
        push_string(&mut self.0, value);
        self
    }

    /// Adds a number field.
    #[must_use]
    pub fn number(self, name: &str, value: u64) -> Self {
        self.raw(name, &value.to_string())
    }

    /// Adds a field whose value is already JSON.
    #[must_use]
    pub fn raw(mut self, name: &str, json: &str) -> Self {
        self.name(name);
        self.0.push_str(json);
        self
    }

    /// Returns the finished JSON.
    pub fn end(mut self) -> String {
        self.0.push('}');
        self.0
    }

    fn name(&mut self, name: &str) {
        if self.0.len() > 1 {
            self.0.push(',');
        }
        push_string(&mut self.0, name);
        self.0.push(':');
    }
}

impl Default for JsonObject {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn string_escapes_special_characters() {
        assert_eq!(string("a\"b\\c\n\r\t\0\u{1f}\u{7f}é"), r#""a\"b\\c\n\r\t\u0000\u001f\u007fé""#);
    }

    #[test]
    fn object_separates_its_fields() {
        assert_eq!(JsonObject::new().end(), "{}");
        let object = JsonObject::new().text("a", "b").number("n", u64::MAX).raw("t", "true").end();
        assert_eq!(object, r#"{"a":"b","n":18446744073709551615,"t":true}"#);
    }

    #[cfg(feature = "runtime")]
    proptest::proptest! {
        #[test]
        fn any_string_reads_back(text in proptest::prelude::any::<String>()) {
            let back: String = serde_json::from_str(&string(&text)).unwrap();
            proptest::prop_assert_eq!(back, text);
        }
    }
}
