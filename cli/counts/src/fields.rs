//! Reads fields of JSON that users wrote, and says what was expected and what was found in words of its own.

use hitctl_config::contract::MAX_COUNT;
use serde_json::{Map, Value as Json};

/// The longest text that an error repeats, in characters.
const LONGEST_FOUND: usize = 60;

/// The fields of an object.
pub struct Fields(Map<String, Json>);

impl Fields {
    /// Reads an object.
    pub fn parse(json: &str) -> Result<Self, String> {
        Self::of(serde_json::from_str(json).map_err(|error| syntax(&error))?)
    }

    /// Takes an object.
    pub fn of(json: Json) -> Result<Self, String> {
        match json {
            Json::Object(fields) => Ok(Self(fields)),
            other => Err(format!("expected a JSON object, found {}", found(&other))),
        }
    }

    /// Whether there is such a field.
    pub fn has(&self, name: &str) -> bool {
        self.0.contains_key(name)
    }

    /// Refuses fields of other names.
    pub fn only(&self, names: &[&str]) -> Result<(), String> {
        match self.0.keys().find(|name| !names.contains(&name.as_str())) {
            None => Ok(()),
            Some(other) => Err(format!("expected only the fields {}, found {other:?}", names.join(", "))),
        }
    }

    /// Takes a field out; `null` is none.
    pub fn take(&mut self, name: &str) -> Option<Json> {
        self.0.remove(name).filter(|value| !value.is_null())
    }

    /// Takes a text.
    pub fn text(&mut self, name: &str) -> Result<Option<String>, String> {
        match self.take(name) {
            None => Ok(None),
            Some(Json::String(text)) => Ok(Some(text)),
            Some(other) => Err(format!("expected a text in {name:?}, found {}", found(&other))),
        }
    }

    /// Takes a number that can be counted.
    pub fn count(&mut self, name: &str) -> Result<Option<u64>, String> {
        self.take(name).map(|value| count(&value, name)).transpose()
    }

    /// Takes an object.
    pub fn object(&mut self, name: &str) -> Result<Option<Map<String, Json>>, String> {
        match self.take(name) {
            None => Ok(None),
            Some(Json::Object(fields)) => Ok(Some(fields)),
            Some(other) => Err(format!("expected an object in {name:?}, found {}", found(&other))),
        }
    }
}

/// Returns the error for a field that is not there.
pub fn missing(name: &str) -> String {
    format!("expected a field {name:?}, found none")
}

/// Reads a number that can be counted.
pub fn count(value: &Json, name: &str) -> Result<u64, String> {
    let count = value.as_u64().filter(|count| *count <= MAX_COUNT);
    count.ok_or_else(|| not_a_count(name, &found(value)))
}

/// Returns the error for what is no number that can be counted.
pub fn not_a_count(name: &str, found: &str) -> String {
    format!("expected a whole number from 0 to {MAX_COUNT} in {name:?}, found {found}")
}

/// Puts a value into words.
pub fn found(value: &Json) -> String {
    match value {
        Json::Array(_) => "a list".to_owned(),
        Json::Object(_) => "an object".to_owned(),
        Json::String(text) => quoted(text),
        other => other.to_string(),
    }
}

/// Puts a text into quotes, cut where it is long.
pub fn quoted(text: &str) -> String {
    match text.char_indices().nth(LONGEST_FOUND) {
        Some((end, _)) => format!("{:?}..", &text[..end]),
        None => format!("{text:?}"),
    }
}

/// Returns the error for what is no JSON. The line is the caller's to name.
pub fn syntax(error: &serde_json::Error) -> String {
    if error.is_eof() {
        return "expected more JSON, found the end of it".to_owned();
    }
    format!("expected JSON, found a mistake at column {}", error.column())
}

/// Reads a number of an argument that can be counted.
pub fn count_argument(text: &str) -> Result<u64, String> {
    let count = text.parse().ok().filter(|count| *count <= MAX_COUNT);
    count.ok_or_else(|| format!("expected a whole number from 0 to {MAX_COUNT}"))
}
