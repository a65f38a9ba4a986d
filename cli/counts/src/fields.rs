//! Reads the fields of JSON objects from users. Error messages state what was expected and what was found.

use hitctl_config::contract::MAX_COUNT;
use serde_json::{Map, Value as Json};

/// The maximum length of a quoted text in an error message, in characters.
const MAX_QUOTED_CHARS: usize = 60;

/// The fields of a JSON object.
pub struct JsonFields(Map<String, Json>);

impl JsonFields {
    /// Parses an object.
    pub fn parse(json: &str) -> Result<Self, String> {
        Self::from_value(serde_json::from_str(json).map_err(|error| syntax_error(&error))?)
    }

    /// Converts a JSON value, which must be an object.
    pub fn from_value(json: Json) -> Result<Self, String> {
        match json {
            Json::Object(fields) => Ok(Self(fields)),
            other => Err(format!("expected a JSON object, found {}", describe(&other))),
        }
    }

    /// Whether the object has the field.
    pub fn has(&self, name: &str) -> bool {
        self.0.contains_key(name)
    }

    /// Rejects fields with other names.
    pub fn allow_only(&self, names: &[&str]) -> Result<(), String> {
        match self.0.keys().find(|name| !names.contains(&name.as_str())) {
            None => Ok(()),
            Some(other) => Err(format!("expected only the fields {}, found {other:?}", names.join(", "))),
        }
    }

    /// Removes and returns a field. A `null` counts as missing.
    pub fn take(&mut self, name: &str) -> Option<Json> {
        self.0.remove(name).filter(|value| !value.is_null())
    }

    /// Removes and returns a string field.
    pub fn text(&mut self, name: &str) -> Result<Option<String>, String> {
        match self.take(name) {
            None => Ok(None),
            Some(Json::String(text)) => Ok(Some(text)),
            Some(other) => Err(format!("expected a string in {name:?}, found {}", describe(&other))),
        }
    }

    /// Removes and returns a field that is a valid count.
    pub fn count(&mut self, name: &str) -> Result<Option<u64>, String> {
        self.take(name).map(|value| read_count(&value, name)).transpose()
    }

    /// Removes and returns a field that is an object.
    pub fn object(&mut self, name: &str) -> Result<Option<Map<String, Json>>, String> {
        match self.take(name) {
            None => Ok(None),
            Some(Json::Object(fields)) => Ok(Some(fields)),
            Some(other) => Err(format!("expected an object in {name:?}, found {}", describe(&other))),
        }
    }
}

/// Returns the error for a missing field.
pub fn missing_field(name: &str) -> String {
    format!("expected a field {name:?}, found none")
}

/// Reads a valid count: an integer from 0 to [`MAX_COUNT`].
pub fn read_count(value: &Json, name: &str) -> Result<u64, String> {
    let count = value.as_u64().filter(|count| *count <= MAX_COUNT);
    count.ok_or_else(|| not_a_count(name, &describe(value)))
}

/// Returns the error for a value that is not a valid count.
pub fn not_a_count(name: &str, found: &str) -> String {
    format!("expected a whole number from 0 to {MAX_COUNT} in {name:?}, found {found}")
}

/// Describes a value for an error message.
pub fn describe(value: &Json) -> String {
    match value {
        Json::Array(_) => "a list".to_owned(),
        Json::Object(_) => "an object".to_owned(),
        Json::String(text) => quoted(text),
        other => other.to_string(),
    }
}

/// Returns a text in quotes, truncated if it is long.
pub fn quoted(text: &str) -> String {
    match text.char_indices().nth(MAX_QUOTED_CHARS) {
        Some((end, _)) => format!("{:?}..", &text[..end]),
        None => format!("{text:?}"),
    }
}

/// Returns the error for invalid JSON. The caller adds the line number.
pub fn syntax_error(error: &serde_json::Error) -> String {
    if error.is_eof() {
        return "expected more JSON, found the end of the text".to_owned();
    }
    format!("expected JSON, found a syntax error at column {}", error.column())
}

/// Parses a command-line argument as a valid count.
pub fn parse_count_argument(text: &str) -> Result<u64, String> {
    let count = text.parse().ok().filter(|count| *count <= MAX_COUNT);
    count.ok_or_else(|| format!("expected a whole number from 0 to {MAX_COUNT}, found {}", quoted(text)))
}
