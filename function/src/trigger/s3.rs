//! Parses notifications about created objects, from S3 itself and from EventBridge. S3 encodes keys as in a
//! query string; EventBridge does not.

use serde_json::value::RawValue;

use super::message::{ParsedContent, ParsedMessage, S3Object};
use crate::fields::{RawField, RawFields, object};
use crate::query::decode;

/// Recognizes the test event that S3 sends when a notification is configured.
pub(super) fn test_event(fields: &RawFields<'_>) -> Result<ParsedContent, String> {
    match fields.text("Event")?.as_deref() {
        Some("s3:TestEvent") => Ok(ParsedContent::Nothing),
        _ => Err("it is neither a hit nor an event that is known here".to_owned()),
    }
}

/// Parses the records of a notification.
pub(super) fn records(records: &[&RawValue]) -> ParsedMessage {
    if records.is_empty() {
        return (None, Err("there are no records in it".to_owned()));
    }
    let objects: Result<_, String> = records.iter().map(|raw| record(raw.get())).collect();
    (None, objects.map(ParsedContent::Objects))
}

fn record(json: &str) -> Result<S3Object, String> {
    let record = object(json, "the record")?;
    if record.text("eventSource")?.as_deref() != Some("aws:s3") {
        return Err("its records are of no source that is known here".to_owned());
    }
    if !record.text("eventName")?.is_some_and(|name| name.starts_with("ObjectCreated:")) {
        return Err("it tells of an object of a bucket, and not that one was made".to_owned());
    }
    let mut object = object_from_detail(record.get("s3"), "s3")?;
    object.key = decode(&object.key).ok_or("the object's key is not percent-encoded UTF-8")?;
    Ok(object)
}

/// Reads the object in a field of an event: `s3` in S3's own records, `detail` in EventBridge events.
pub(super) fn object_from_detail(raw: RawField<'_>, name: &str) -> Result<S3Object, String> {
    let detail = object(raw.map_or("", RawValue::get), &format!("`{name}`"))?;
    let bucket = object(detail.get("bucket").map_or("", RawValue::get), "`bucket`")?;
    let made = object(detail.get("object").map_or("", RawValue::get), "`object`")?;
    let version = match made.string("sequencer")? {
        Some(sequencer) => Some(sequencer),
        None => made.string(if made.has("eTag") { "eTag" } else { "etag" })?,
    };
    let require = |value: Option<String>, what: &str| {
        value.filter(|value| !value.is_empty()).ok_or_else(|| format!("it does not say {what}"))
    };
    Ok(S3Object {
        bucket: require(bucket.string("name")?, "the bucket's name")?,
        key: require(made.string("key")?, "the object's key")?,
        version: version.unwrap_or_default(),
    })
}
