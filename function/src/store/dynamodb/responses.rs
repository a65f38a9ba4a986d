//! The parts of DynamoDB's JSON responses that counting needs.

use std::borrow::Cow;
use std::collections::HashMap;
use std::fmt;

use hitctl_config::contract::ATTR_PATH;
use serde::Deserialize;
use serde::de::{Deserializer, Error as _, MapAccess, Visitor};
use serde_json::value::RawValue;

use crate::hit::{CountItem, count_of, text_bytes};
use crate::store::transaction::CancellationReason;

/// The response of `UpdateItem`.
#[derive(Deserialize)]
pub(super) struct UpdateItemOutput {
    #[serde(rename = "Attributes")]
    pub(super) attributes: StoredItem,
}

/// The response of `GetItem`; the field is absent if there is no item.
#[derive(Deserialize)]
pub(super) struct GetItemOutput {
    #[serde(rename = "Item")]
    pub(super) item: Option<StoredItem>,
}

/// The response of `BatchGetItem`.
#[derive(Deserialize)]
pub(super) struct BatchGetItemOutput {
    #[serde(rename = "Responses", default)]
    pub(super) responses: HashMap<String, Vec<StoredItem>>,
    /// The keys to request again, in the form of the request.
    #[serde(rename = "UnprocessedKeys")]
    pub(super) unprocessed: Option<Box<RawValue>>,
}

/// The response of `Scan`.
#[derive(Deserialize)]
pub(super) struct ScanOutput {
    #[serde(rename = "Items", default)]
    pub(super) items: Vec<StoredItem>,
    /// The key at which the next page starts.
    #[serde(rename = "LastEvaluatedKey")]
    pub(super) next: Option<Box<RawValue>>,
}

/// An error response. Services differ in the case of `message`.
#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct ErrorBody {
    #[serde(rename = "__type")]
    pub(super) kind: String,
    #[serde(alias = "Message")]
    pub(super) message: String,
    /// The reasons of a cancelled transaction: one per action, in order.
    #[serde(rename = "CancellationReasons")]
    pub(super) reasons: Vec<CancellationReasonBody>,
}

impl ErrorBody {
    /// Returns the name of the error, without the service's prefix.
    pub(super) fn code(&self) -> &str {
        self.kind.rsplit('#').next().unwrap_or_default()
    }
}

/// The reason why one action was refused. The code is the string `None` if the action was not the cause.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct CancellationReasonBody {
    #[serde(rename = "Code")]
    code: Option<String>,
}

impl CancellationReasonBody {
    pub(super) fn into_reason(self) -> CancellationReason {
        match self.code.as_deref().unwrap_or("None") {
            "None" => CancellationReason::None,
            "ConditionalCheckFailed" => CancellationReason::ConditionFailed,
            "TransactionConflict" | "ThrottlingError" | "ProvisionedThroughputExceeded" => {
                CancellationReason::Retryable
            }
            other => CancellationReason::Permanent(format!("the transaction was cancelled: {other}")),
        }
    }
}

/// An item: its key and the attributes that counting needs.
#[derive(Default)]
pub(super) struct StoredItem {
    pub(super) path: String,
    pub(super) item: CountItem,
}

/// An attribute value of one of the types that the table uses; other types are skipped.
#[derive(Deserialize)]
struct AttributeValue<'a> {
    #[serde(rename = "N", borrow, default)]
    number: Cow<'a, str>,
    #[serde(rename = "S", borrow, default)]
    text: Cow<'a, str>,
}

impl<'de> Deserialize<'de> for StoredItem {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct StoredItemVisitor;

        impl<'de> Visitor<'de> for StoredItemVisitor {
            type Value = StoredItem;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("attributes")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<StoredItem, A::Error> {
                let mut attributes = StoredItem::default();
                while let Some((name, value)) = map.next_entry::<String, AttributeValue<'de>>()? {
                    if !value.number.is_empty() {
                        // Not read as 0, because that would show a wrong count.
                        let Some(count) = count_of(&value.number) else {
                            return Err(A::Error::custom(format_args!(
                                "the attribute {name} is not a number"
                            )));
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

        deserializer.deserialize_map(StoredItemVisitor)
    }
}

#[cfg(test)]
mod tests {
    use hitctl_config::contract::MAX_COUNT;

    use super::*;

    #[test]
    fn item_with_unknown_attributes_is_read() {
        let json = r#"{"path":{"S":"/\u00e9"},"hits":{"N":"12"},"neg":{"N":"-3"},"big":{"N":"99999999999999999999"},
            "frac":{"N":"2.7"},"exp":{"N":"1E3"},"list":{"L":[{"S":"x"}]},"no":{"NULL":true}}"#;
        let StoredItem { path, item } = serde_json::from_str(json).unwrap();
        assert_eq!(path, "/é");
        for (name, value) in
            [("hits", 12), ("neg", 0), ("big", MAX_COUNT), ("frac", 2), ("exp", 1000), ("list", 0)]
        {
            assert_eq!(item.number(name), value, "{name}");
        }
    }

    #[test]
    fn invalid_number_is_an_error_and_not_zero() {
        let read = serde_json::from_str::<StoredItem>(r#"{"path":{"S":"/"},"hits":{"N":"x"}}"#);
        let why = read.err().map(|error| error.to_string()).unwrap_or_default();
        assert!(why.starts_with("the attribute hits is not a number"), "{why}");
    }
}
