//! Fields of JSON whose faults are told by their names. What a message says of people must not reach the log, so no error
//! here repeats a value, as serde's own would.

use std::borrow::Cow;
use std::fmt;

use serde::de::{MapAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;

/// A field, unread; `null` is as good as none.
pub(crate) type Field<'a> = Option<&'a RawValue>;

/// The fields of an object, unread, in their order. One type for all shapes: what serde derives for each costs the function's
/// size; and a list, for they are few.
pub(crate) struct Fields<'a>(Vec<(Text<'a>, &'a RawValue)>);

#[derive(Deserialize)]
struct Text<'a>(#[serde(borrow)] Cow<'a, str>);

impl<'de: 'a, 'a> Deserialize<'de> for Fields<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Object;

        impl<'de> Visitor<'de> for Object {
            type Value = Fields<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Fields<'de>, A::Error> {
                let mut fields = Vec::new();
                while let Some(field) = map.next_entry()? {
                    fields.push(field);
                }
                Ok(Fields(fields))
            }
        }

        deserializer.deserialize_map(Object)
    }
}

impl<'a> Fields<'a> {
    /// A field; the last one where there are several of that name.
    pub(crate) fn get(&self, name: &str) -> Field<'a> {
        self.0.iter().rfind(|(own, _)| own.0 == name).map(|(_, value)| *value)
    }

    /// Whether there is such a field.
    pub(crate) fn has(&self, name: &str) -> bool {
        is_there(self.get(name)).is_some()
    }

    /// A text.
    pub(crate) fn text(&self, name: &str) -> Result<Option<Cow<'a, str>>, String> {
        let Some(raw) = is_there(self.get(name)) else { return Ok(None) };
        read_text(raw).map(Some).ok_or_else(|| format!("`{name}` is no text"))
    }

    /// A text of its own.
    pub(crate) fn string(&self, name: &str) -> Result<Option<String>, String> {
        Ok(self.text(name)?.map(Cow::into_owned))
    }

    /// An object.
    pub(crate) fn object(&self, name: &str) -> Result<Option<Fields<'a>>, String> {
        is_there(self.get(name)).map(|raw| object(raw, &format!("`{name}`"))).transpose()
    }
}

/// Reads an object; what is wrong is told by its place alone.
pub(crate) fn object<'a>(json: &'a str, what: &str) -> Result<Fields<'a>, String> {
    // serde would read a list as the fields in their order.
    if !json.trim_start().starts_with('{') {
        return Err(format!("{what} is no JSON object"));
    }
    serde_json::from_str(json).map_err(|error| {
        let (line, column) = (error.line(), error.column());
        format!("{what} is no JSON that can be read: line {line}, column {column}")
    })
}

fn is_there(field: Field<'_>) -> Option<&str> {
    field.map(RawValue::get).filter(|raw| *raw != "null")
}

/// A text, wherever it is.
pub(crate) fn read_text(raw: &str) -> Option<Cow<'_, str>> {
    serde_json::from_str::<Text<'_>>(raw).ok().map(|text| text.0)
}

/// The text that a JSON pointer points to.
pub(crate) fn text_at<'a>(json: &'a str, pointer: &str) -> Option<Cow<'a, str>> {
    point(json, pointer).and_then(read_text)
}

/// A whole number.
pub(crate) fn number(field: Field<'_>, name: &str) -> Result<Option<u64>, String> {
    let Some(raw) = is_there(field) else { return Ok(None) };
    raw.parse().map(Some).map_err(|_| format!("`{name}` is no whole number"))
}

/// A list.
pub(crate) fn list<'a>(field: Field<'a>, name: &str) -> Result<Option<Vec<&'a RawValue>>, String> {
    let Some(raw) = is_there(field) else { return Ok(None) };
    serde_json::from_str(raw).map(Some).map_err(|_| format!("`{name}` is no list"))
}

/// What a JSON pointer (RFC 6901) points to.
pub(crate) fn point<'a>(json: &'a str, pointer: &str) -> Option<&'a str> {
    let mut here = json;
    for token in pointer.strip_prefix('/')?.split('/') {
        let token = token.replace("~1", "/").replace("~0", "~");
        here = match here.trim_start().as_bytes().first()? {
            b'{' => {
                let fields: Fields<'a> = serde_json::from_str(here).ok()?;
                fields.get(&token)?.get()
            }
            b'[' => {
                let list: Vec<&'a RawValue> = serde_json::from_str(here).ok()?;
                list.get(token.parse::<usize>().ok()?)?.get()
            }
            _ => return None,
        };
    }
    Some(here)
}
