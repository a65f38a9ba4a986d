//! Objects that were made in a bucket, as S3's own notification tells it and as EventBridge does. The former encodes
//! keys as in a query, the latter does not.

use serde_json::value::RawValue;

use super::message::{Content, Object, Read};
use crate::fields::{Field, Fields, object};
use crate::query::decode;

/// What S3 sends when a notification is set up.
pub(super) fn test(fields: &Fields<'_>) -> Result<Content, String> {
    match fields.text("Event")?.as_deref() {
        Some("s3:TestEvent") => Ok(Content::Nothing),
        _ => Err("it is neither a hit nor an event that is known here".to_owned()),
    }
}

/// The records of a notification.
pub(super) fn records(records: &[&RawValue]) -> Read {
    if records.is_empty() {
        return (None, Err("there are no records in it".to_owned()));
    }
    let objects: Result<_, String> = records.iter().map(|raw| record(raw.get())).collect();
    (None, objects.map(Content::Objects))
}

fn record(json: &str) -> Result<Object, String> {
    let record = object(json, "the record")?;
    if record.text("eventSource")?.as_deref() != Some("aws:s3") {
        return Err("its records are of no source that is known here".to_owned());
    }
    if !record.text("eventName")?.is_some_and(|name| name.starts_with("ObjectCreated:")) {
        return Err("it tells of an object of a bucket, and not that one was made".to_owned());
    }
    let mut object = detail(record.get("s3"), "s3")?;
    object.key = decode(&object.key).ok_or("the object's key is not percent-encoded UTF-8")?;
    Ok(object)
}

/// The object that a field of an event tells of: `s3` of S3's own, `detail` of one of EventBridge.
pub(super) fn detail(raw: Field<'_>, name: &str) -> Result<Object, String> {
    let detail = object(raw.map_or("", RawValue::get), &format!("`{name}`"))?;
    let bucket = object(detail.get("bucket").map_or("", RawValue::get), "`bucket`")?;
    let made = object(detail.get("object").map_or("", RawValue::get), "`object`")?;
    let version = match made.string("sequencer")? {
        Some(sequencer) => Some(sequencer),
        None => made.string(if made.has("eTag") { "eTag" } else { "etag" })?,
    };
    let need = |value: Option<String>, what: &str| {
        value.filter(|value| !value.is_empty()).ok_or_else(|| format!("it does not say {what}"))
    };
    Ok(Object {
        bucket: need(bucket.string("name")?, "the bucket's name")?,
        key: need(made.string("key")?, "the object's key")?,
        version: version.unwrap_or_default(),
    })
}
