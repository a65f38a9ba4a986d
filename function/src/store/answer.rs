//! What of DynamoDB's answers matters, read from its JSON.

use std::borrow::Cow;
use std::collections::HashMap;
use std::fmt;

use hitctl_config::contract::ATTR_PATH;
use serde::Deserialize;
use serde::de::{Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;

use crate::hit::{Item, text_bytes};

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
pub(super) struct Batch<'a> {
    #[serde(rename = "Responses", default)]
    pub(super) responses: HashMap<String, Vec<Attributes>>,
    /// What to ask again, as it was asked.
    #[serde(rename = "UnprocessedKeys", borrow)]
    pub(super) unprocessed: Option<&'a RawValue>,
}

/// What `Scan` answers.
#[derive(Deserialize)]
pub(super) struct Page<'a> {
    #[serde(rename = "Items", default)]
    pub(super) items: Vec<Attributes>,
    /// Where the next page starts.
    #[serde(rename = "LastEvaluatedKey", borrow)]
    pub(super) next: Option<&'a RawValue>,
}

/// What `UpdateItem` answers for a salt.
#[derive(Deserialize)]
pub(super) struct Salted<'a> {
    #[serde(rename = "Attributes", borrow)]
    pub(super) attributes: SaltAttributes<'a>,
}

/// A salt's item.
#[derive(Deserialize)]
pub(super) struct SaltAttributes<'a> {
    #[serde(borrow)]
    pub(super) salt: Text<'a>,
}

/// A text attribute.
#[derive(Deserialize)]
pub(super) struct Text<'a> {
    #[serde(rename = "S", borrow)]
    pub(super) text: Cow<'a, str>,
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

/// Why an action of a transaction was refused, or `None` as a word if it was not.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Reason {
    #[serde(rename = "Code")]
    pub(super) code: Option<String>,
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
                        attributes.item.numbers.push((name, count(&value.number)));
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

/// A DynamoDB number as a count: somebody may have written a fraction, a negative or a giant by hand.
fn count(number: &str) -> u64 {
    number.parse().ok().or_else(|| count_of_decimal(number)).unwrap_or_default()
}

/// The whole part of a number like `1.25E+3`, as large as a count can be; `None` if it is negative or no number. By hand: what
/// the standard library reads fractions with is 20 KB of the function.
fn count_of_decimal(number: &str) -> Option<u64> {
    /// DynamoDB's numbers have at most 38 digits, and exponents up to 125.
    const MOST_PLACES: i64 = 200;
    let (digits, exponent) = number.split_once(['e', 'E']).unwrap_or((number, "0"));
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    let before_point = i64::try_from(whole.len()).ok()?.saturating_add(exponent.parse().ok()?);
    let places = usize::try_from(before_point.clamp(0, MOST_PLACES)).ok()?;
    let mut count = 0_u64;
    for digit in whole.bytes().chain(fraction.bytes()).chain(std::iter::repeat(b'0')).take(places) {
        let digit = digit.is_ascii_digit().then(|| u64::from(digit - b'0'))?;
        count = count.saturating_mul(10).saturating_add(digit);
    }
    Some(count)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn items_are_read_whatever_is_in_them() {
        let json = r#"{"path":{"S":"/\u00e9"},"hits":{"N":"12"},"neg":{"N":"-3"},"big":{"N":"99999999999999999999"},
            "frac":{"N":"2.7"},"exp":{"N":"1E3"},"list":{"L":[{"S":"x"}]},"no":{"NULL":true},"bad":{"N":"x"}}"#;
        let Attributes { path, item } = serde_json::from_str(json).unwrap();
        assert_eq!(path, "/é");
        for (name, value) in
            [("hits", 12), ("neg", 0), ("big", u64::MAX), ("frac", 2), ("exp", 1000), ("bad", 0), ("list", 0)]
        {
            assert_eq!(item.number(name), value, "{name}");
        }
    }

    #[test]
    fn decimals_are_counts_by_their_whole_part() {
        for (number, value) in [
            ("1.25E+3", 1250),
            ("1234E-2", 12),
            ("0.00012e5", 12),
            ("9E-1", 0),
            ("-2.5", 0),
            ("-7E2", 0),
            ("1.8446744073709551616E19", u64::MAX),
            ("1.8446744073709551614E19", u64::MAX - 1),
            ("9E+125", u64::MAX),
            ("0E125", 0),
            ("1E-130", 0),
            ("1E999999999999999999", u64::MAX),
            ("1E99999999999999999999", 0),
            ("E5", 0),
            ("1.2.3E9", 0),
            ("", 0),
        ] {
            assert_eq!(count(number), value, "{number}");
        }
    }
}
