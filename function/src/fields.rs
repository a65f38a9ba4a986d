//! Reads JSON objects field by field. Errors name the field but, unlike serde's errors, never quote its value,
//! because personal data in messages must not reach the log.

use std::borrow::Cow;
use std::fmt;

use serde::de::{MapAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;

/// The raw JSON of a field; `null` counts as absent.
pub(crate) type RawField<'a> = Option<&'a RawValue>;

/// The raw fields of an object, in order. One type serves for all formats, because each derived type would
/// increase the size of the function. It contains a list instead of a map, because objects have few fields.
pub(crate) struct RawFields<'a>(Vec<(JsonText<'a>, &'a RawValue)>);

#[derive(Deserialize)]
struct JsonText<'a>(#[serde(borrow)] Cow<'a, str>);

impl<'de: 'a, 'a> Deserialize<'de> for RawFields<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct FieldsVisitor;

        impl<'de> Visitor<'de> for FieldsVisitor {
            type Value = RawFields<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<RawFields<'de>, A::Error> {
                let mut fields = Vec::new();
                while let Some(field) = map.next_entry()? {
                    fields.push(field);
                }
                Ok(RawFields(fields))
            }
        }

        deserializer.deserialize_map(FieldsVisitor)
    }
}

impl<'a> RawFields<'a> {
    /// Returns the field `name`, or the last of them if there are several.
    pub(crate) fn get(&self, name: &str) -> RawField<'a> {
        self.0.iter().rfind(|(other, _)| other.0 == name).map(|(_, value)| *value)
    }

    /// Returns whether the field exists and is not `null`.
    pub(crate) fn has(&self, name: &str) -> bool {
        non_null(self.get(name)).is_some()
    }

    /// Reads a string field.
    pub(crate) fn text(&self, name: &str) -> Result<Option<Cow<'a, str>>, String> {
        let Some(raw) = non_null(self.get(name)) else { return Ok(None) };
        read_text(raw).map(Some).ok_or_else(|| format!("`{name}`: expected a string"))
    }

    /// Reads a string field as an owned string.
    pub(crate) fn string(&self, name: &str) -> Result<Option<String>, String> {
        Ok(self.text(name)?.map(Cow::into_owned))
    }

    /// Reads an object field.
    pub(crate) fn object(&self, name: &str) -> Result<Option<RawFields<'a>>, String> {
        non_null(self.get(name)).map(|raw| object(raw, &format!("`{name}`"))).transpose()
    }
}

/// Parses an object. `what` is its name in an error, which contains no values.
pub(crate) fn object<'a>(json: &'a str, what: &str) -> Result<RawFields<'a>, String> {
    // serde would accept a list as the values of the fields in order.
    if !json.trim_start().starts_with('{') {
        return Err(format!("{what} is not a JSON object"));
    }
    serde_json::from_str(json).map_err(|error| {
        let (line, column) = (error.line(), error.column());
        format!("{what} is not valid JSON: line {line}, column {column}")
    })
}

fn non_null(field: RawField<'_>) -> Option<&str> {
    field.map(RawValue::get).filter(|raw| *raw != "null")
}

/// Parses a JSON string.
pub(crate) fn read_text(raw: &str) -> Option<Cow<'_, str>> {
    serde_json::from_str::<JsonText<'_>>(raw).ok().map(|text| text.0)
}

/// Returns the string at a JSON pointer.
pub(crate) fn text_at<'a>(json: &'a str, pointer: &str) -> Option<Cow<'a, str>> {
    value_at(json, pointer).and_then(read_text)
}

/// Reads a whole number.
pub(crate) fn number(field: RawField<'_>, name: &str) -> Result<Option<u64>, String> {
    let Some(raw) = non_null(field) else { return Ok(None) };
    raw.parse().map(Some).map_err(|_| format!("`{name}`: expected a whole number"))
}

/// Reads a list.
pub(crate) fn list<'a>(field: RawField<'a>, name: &str) -> Result<Option<Vec<&'a RawValue>>, String> {
    let Some(raw) = non_null(field) else { return Ok(None) };
    serde_json::from_str(raw).map(Some).map_err(|_| format!("`{name}`: expected a list"))
}

/// Returns the raw value at a JSON pointer (RFC 6901).
pub(crate) fn value_at<'a>(json: &'a str, pointer: &str) -> Option<&'a str> {
    let mut current = json;
    for token in pointer.strip_prefix('/')?.split('/') {
        let token = token.replace("~1", "/").replace("~0", "~");
        current = match current.trim_start().as_bytes().first()? {
            b'{' => {
                let fields: RawFields<'a> = serde_json::from_str(current).ok()?;
                fields.get(&token)?.get()
            }
            b'[' => {
                let list: Vec<&'a RawValue> = serde_json::from_str(current).ok()?;
                list.get(token.parse::<usize>().ok()?)?.get()
            }
            _ => return None,
        };
    }
    Some(current)
}
