//! Parses notifications about created objects, which S3 sends itself or through EventBridge. S3 encodes the keys
//! in its own notifications as in a query string; EventBridge events contain plain keys.

use serde_json::value::RawValue;

use super::message::{ParsedContent, ParsedMessage, S3Object};
use crate::fields::{RawField, RawFields, object};
use crate::query::decode;

/// Recognizes the test event that S3 sends when a notification is configured.
pub(super) fn test_event(fields: &RawFields<'_>) -> Result<ParsedContent, String> {
    match fields.text("Event")?.as_deref() {
        Some("s3:TestEvent") => Ok(ParsedContent::Nothing),
        _ => Err("the message is neither a hit nor a known event".to_owned()),
    }
}

/// Parses the records of a notification.
pub(super) fn records(records: &[&RawValue]) -> ParsedMessage {
    if records.is_empty() {
        return (None, Err("`Records` is empty".to_owned()));
    }
    let objects: Result<_, String> = records.iter().map(|raw| record(raw.get())).collect();
    (None, objects.map(ParsedContent::Objects))
}

fn record(json: &str) -> Result<S3Object, String> {
    let record = object(json, "the record")?;
    if record.text("eventSource")?.as_deref() != Some("aws:s3") {
        return Err("the records come from an unknown source".to_owned());
    }
    if !record.text("eventName")?.is_some_and(|name| name.starts_with("ObjectCreated:")) {
        return Err("expected an `ObjectCreated` event, found another S3 event".to_owned());
    }
    let mut object = object_from_detail(record.get("s3"), "s3")?;
    object.key = decode(&object.key).ok_or("the object's key is not percent-encoded UTF-8")?;
    Ok(object)
}

/// Reads the object in a field of an event: `s3` in S3's own records, `detail` in EventBridge events.
pub(super) fn object_from_detail(raw: RawField<'_>, name: &str) -> Result<S3Object, String> {
    let detail = object(raw.map_or("", RawValue::get), &format!("`{name}`"))?;
    let bucket = object(detail.get("bucket").map_or("", RawValue::get), "`bucket`")?;
    let s3_object = object(detail.get("object").map_or("", RawValue::get), "`object`")?;
    let version = match s3_object.string("sequencer")? {
        Some(sequencer) => Some(sequencer),
        None => s3_object.string(if s3_object.has("eTag") { "eTag" } else { "etag" })?,
    };
    let require = |value: Option<String>, what: &str| {
        value.filter(|value| !value.is_empty()).ok_or_else(|| format!("{what} is missing"))
    };
    Ok(S3Object {
        bucket: require(bucket.string("name")?, "the bucket name")?,
        key: require(s3_object.string("key")?, "the object key")?,
        version: version.unwrap_or_default(),
    })
}
