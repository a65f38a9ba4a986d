//! What of DynamoDB's answers matters, read from its JSON.

use std::borrow::Cow;
use std::collections::HashMap;
use std::fmt;

use hitctl_config::contract::ATTR_PATH;
use serde::Deserialize;
use serde::de::{Deserializer, Error as _, MapAccess, Visitor};
use serde_json::value::RawValue;

use crate::hit::{Item, count_of, text_bytes};
use crate::store::transaction::Obstacle;

/// What `UpdateItem` answers.
#[derive(Deserialize)]
pub(super) struct Updated {
    #[serde(rename = "Attributes")]
    pub(super) attributes: Attributes,
}

/// What `GetItem` answers; no item, no field.
#[derive(Deserialize)]
pub(super) struct Got {
    #[serde(rename = "Item")]
    pub(super) item: Option<Attributes>,
}

/// What `BatchGetItem` answers.
#[derive(Deserialize)]
pub(super) struct Batch {
    #[serde(rename = "Responses", default)]
    pub(super) responses: HashMap<String, Vec<Attributes>>,
    /// What to ask again, as it was asked.
    #[serde(rename = "UnprocessedKeys")]
    pub(super) unprocessed: Option<Box<RawValue>>,
}

/// What `Scan` answers.
#[derive(Deserialize)]
pub(super) struct Page {
    #[serde(rename = "Items", default)]
    pub(super) items: Vec<Attributes>,
    /// Where the next page starts.
    #[serde(rename = "LastEvaluatedKey")]
    pub(super) next: Option<Box<RawValue>>,
}

/// An error. Services differ in the case of `message`.
#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct Failure {
    #[serde(rename = "__type")]
    pub(super) kind: String,
    #[serde(alias = "Message")]
    pub(super) message: String,
    /// Of a transaction that was cancelled: one an action, in order.
    #[serde(rename = "CancellationReasons")]
    pub(super) reasons: Vec<Reason>,
}

impl Failure {
    /// The error's name, without the service's.
    pub(super) fn code(&self) -> &str {
        self.kind.rsplit('#').next().unwrap_or_default()
    }
}

/// Why an action of a transaction was refused, or `None` as a word if it was not.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Reason {
    #[serde(rename = "Code")]
    code: Option<String>,
}

impl Reason {
    pub(super) fn obstacle(self) -> Obstacle {
        match self.code.as_deref().unwrap_or("None") {
            "None" => Obstacle::Nothing,
            "ConditionalCheckFailed" => Obstacle::Condition,
            "TransactionConflict" | "ThrottlingError" | "ProvisionedThroughputExceeded" => Obstacle::Again,
            other => Obstacle::Fault(format!("the table refused it: {other}")),
        }
    }
}

/// An item: its key, and the rest as counting needs it.
#[derive(Default)]
pub(super) struct Attributes {
    pub(super) path: String,
    pub(super) item: Item,
}

/// A value of one of the types that the table holds; others are skipped.
#[derive(Deserialize)]
struct Value<'a> {
    #[serde(rename = "N", borrow, default)]
    number: Cow<'a, str>,
    #[serde(rename = "S", borrow, default)]
    text: Cow<'a, str>,
}

impl<'de> Deserialize<'de> for Attributes {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Attribute;

        impl<'de> Visitor<'de> for Attribute {
            type Value = Attributes;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("attributes")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Attributes, A::Error> {
                let mut attributes = Attributes::default();
                while let Some((name, value)) = map.next_entry::<String, Value<'de>>()? {
                    if !value.number.is_empty() {
                        // Not 0: whoever shows a count would show a wrong one.
                        let Some(count) = count_of(&value.number) else {
                            return Err(A::Error::custom(format_args!("the attribute {name} is no number")));
                        };
                        attributes.item.numbers.push((name, count));
                        continue;
                    }
                    attributes.item.other_bytes += text_bytes(&name, &value.text);
                    if name == ATTR_PATH {
                        attributes.path = value.text.into_owned();
                    }
                }
                Ok(attributes)
            }
        }

        deserializer.deserialize_map(Attribute)
    }
}

#[cfg(test)]
mod tests {
    use hitctl_config::contract::MAX_COUNT;

    use super::*;

    #[test]
    fn items_are_read_whatever_is_in_them() {
        let json = r#"{"path":{"S":"/\u00e9"},"hits":{"N":"12"},"neg":{"N":"-3"},"big":{"N":"99999999999999999999"},
            "frac":{"N":"2.7"},"exp":{"N":"1E3"},"list":{"L":[{"S":"x"}]},"no":{"NULL":true}}"#;
        let Attributes { path, item } = serde_json::from_str(json).unwrap();
        assert_eq!(path, "/é");
        for (name, value) in
            [("hits", 12), ("neg", 0), ("big", MAX_COUNT), ("frac", 2), ("exp", 1000), ("list", 0)]
        {
            assert_eq!(item.number(name), value, "{name}");
        }
    }

    #[test]
    fn what_is_no_number_is_an_error_and_not_zero() {
        let read = serde_json::from_str::<Attributes>(r#"{"path":{"S":"/"},"hits":{"N":"x"}}"#);
        let why = read.err().map(|error| error.to_string()).unwrap_or_default();
        assert!(why.starts_with("the attribute hits is no number"), "{why}");
    }
}
