//! DynamoDB's JSON, both ways: the bodies of the four calls, and what of their answers matters.

use std::borrow::Cow;
use std::collections::HashMap;
use std::fmt;

use hitctl_config::contract::{ATTR_FIRST, ATTR_HITS, ATTR_LAST, ATTR_PATH, RESERVED_PREFIX};
use serde::Deserialize;
use serde::de::{Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;

use crate::hit::{Hit, Item, text_bytes};
use crate::json::{Object, string};
use crate::moment::Day;
use crate::path::Key;

/// The body of an `UpdateItem` that counts a hit.
pub(super) fn add(table: &str, hit: &Hit) -> String {
    let update = hit.update();
    let names = Object::new()
        .text("#h", ATTR_HITS)
        .text("#d", &update.day)
        .text("#m", &update.month)
        .text("#l", ATTR_LAST)
        .text("#f", ATTR_FIRST);
    let values = Object::new()
        .raw(":n", &Object::new().text("N", &update.n.to_string()).end())
        .raw(":t", &text(&update.last))
        .raw(":f", &text(&update.first));
    Object::new()
        .text("TableName", table)
        .raw("Key", &key(hit.key.as_str()))
        .text("UpdateExpression", "ADD #h :n, #d :n, #m :n SET #l = :t, #f = if_not_exists(#f, :f)")
        .raw("ExpressionAttributeNames", &names.end())
        .raw("ExpressionAttributeValues", &values.end())
        .text("ReturnValues", "ALL_NEW")
        .end()
}

/// The body of an `UpdateItem` that removes attributes; on condition that the item is there, for an update would
/// make an empty one.
pub(super) fn trim(table: &str, page: &Key, stale: &[String]) -> String {
    let mut names = Object::new().text("#p", ATTR_PATH);
    let mut expression = String::from("REMOVE ");
    for (position, name) in stale.iter().enumerate() {
        let alias = format!("#a{position}");
        if position > 0 {
            expression.push_str(", ");
        }
        expression.push_str(&alias);
        names = names.text(&alias, name);
    }
    Object::new()
        .text("TableName", table)
        .raw("Key", &key(page.as_str()))
        .text("UpdateExpression", &expression)
        .text("ConditionExpression", "attribute_exists(#p)")
        .raw("ExpressionAttributeNames", &names.end())
        .end()
}

/// The body of a `GetItem`.
pub(super) fn get(table: &str, page: &Key, today: Day) -> String {
    let names = Object::new().text("#h", ATTR_HITS).text("#d", &today.attribute());
    Object::new()
        .text("TableName", table)
        .raw("Key", &key(page.as_str()))
        .text("ProjectionExpression", "#h, #d")
        .raw("ExpressionAttributeNames", &names.end())
        .end()
}

/// The `RequestItems` of a `BatchGetItem`.
pub(super) fn batch(table: &str, pages: &[Key], today: Day) -> String {
    let keys: Vec<String> = pages.iter().map(|page| key(page.as_str())).collect();
    let names = Object::new().text("#p", ATTR_PATH).text("#h", ATTR_HITS).text("#d", &today.attribute());
    let items = Object::new()
        .raw("Keys", &format!("[{}]", keys.join(",")))
        .text("ProjectionExpression", "#p, #h, #d")
        .raw("ExpressionAttributeNames", &names.end());
    Object::new().raw(table, &items.end()).end()
}

/// The body of a `Scan` that reads what every page adds to the total, from `start` on.
pub(super) fn scan(table: &str, today: Day, start: Option<&str>) -> String {
    let names = Object::new().text("#p", ATTR_PATH).text("#h", ATTR_HITS).text("#d", &today.attribute());
    let values = Object::new().raw(":r", &text(&RESERVED_PREFIX.to_string()));
    let body = Object::new()
        .text("TableName", table)
        .text("ProjectionExpression", "#h, #d")
        .text("FilterExpression", "NOT begins_with(#p, :r)")
        .raw("ExpressionAttributeNames", &names.end())
        .raw("ExpressionAttributeValues", &values.end());
    match start {
        Some(start) => body.raw("ExclusiveStartKey", start),
        None => body,
    }
    .end()
}

fn key(page: &str) -> String {
    Object::new().raw(ATTR_PATH, &text(page)).end()
}

fn text(value: &str) -> String {
    format!("{{\"S\":{}}}", string(value))
}

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

/// An error. Services differ in the case of `message`.
#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct Failure {
    #[serde(rename = "__type")]
    pub(super) kind: String,
    #[serde(alias = "Message")]
    pub(super) message: String,
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
    if let Ok(count) = number.parse() {
        return count;
    }
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "`as` saturates, which is what a count out of range should do"
    )]
    let count = number.parse::<f64>().unwrap_or_default() as u64;
    count
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::moment::Moment;
    use crate::path::normalise;

    #[test]
    fn a_hit_is_one_update_of_total_day_and_month() {
        let hit = Hit::one(normalise("/a\"b").unwrap(), Moment::from_millis(1_789_898_400_000));
        insta::assert_snapshot!(add("hits-test", &hit), @r##"{"TableName":"hits-test","Key":{"path":{"S":"/a%22b"}},"UpdateExpression":"ADD #h :n, #d :n, #m :n SET #l = :t, #f = if_not_exists(#f, :f)","ExpressionAttributeNames":{"#h":"hits","#d":"dfzg","#m":"m2609","#l":"last","#f":"first"},"ExpressionAttributeValues":{":n":{"N":"1"},":t":{"S":"2026-09-20T10:00:00Z"},":f":{"S":"2026-09-20"}},"ReturnValues":"ALL_NEW"}"##);
    }

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
}
