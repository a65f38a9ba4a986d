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
    let objects: Result<Vec<Object>, String> = records.iter().map(|raw| record(raw.get())).collect();
    let content = match objects {
        Ok(objects) if objects.is_empty() => Err("there are no records in it".to_owned()),
        objects => objects.map(Content::Objects),
    };
    (None, content)
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

/// The object of an event of EventBridge.
pub(super) fn of_event(detail_of_event: Field<'_>) -> Result<Object, String> {
    detail(detail_of_event, "detail")
}

fn detail(raw: Field<'_>, name: &str) -> Result<Object, String> {
    let detail = object(raw.map_or("", RawValue::get), &format!("`{name}`"))?;
    let bucket = object(detail.get("bucket").map_or("", RawValue::get), "`bucket`")?;
    let made = object(detail.get("object").map_or("", RawValue::get), "`object`")?;
    let version = match made.text("sequencer")? {
        Some(sequencer) => Some(sequencer),
        None => made.text(if made.has("eTag") { "eTag" } else { "etag" })?,
    };
    let need = |value: Option<std::borrow::Cow<'_, str>>, what: &str| {
        let value = value.filter(|value| !value.is_empty());
        value.map(std::borrow::Cow::into_owned).ok_or_else(|| format!("it does not say {what}"))
    };
    Ok(Object {
        bucket: need(bucket.text("name")?, "the bucket's name")?,
        key: need(made.text("key")?, "the object's key")?,
        version: version.unwrap_or_default().into_owned(),
    })
}
