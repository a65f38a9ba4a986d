//! Parses EventBridge events. The owner's rule selected them, so an event without a path is an error.

use std::borrow::Cow;

use hitctl_config::contract::MAX_COUNT;

use super::message::{EventOptions, IncomingHit, ParsedContent, ParsedMessage, time, usable_id};
use super::s3;
use crate::fields::{RawField, RawFields, object, read_text, value_at};
use crate::moment::Moment;

const PATH: &str = "/detail/path";

/// Returns whether an object is an EventBridge event. Real events have a `detail-type`; events written by
/// hand to test a rule's target often have only a `detail`.
pub(super) fn is_eventbridge_event(fields: &RawFields<'_>) -> bool {
    let is_object = |field: RawField<'_>| field.is_some_and(|raw| raw.get().starts_with('{'));
    fields.has("detail-type") || is_object(fields.get("detail"))
}

/// Parses an event.
pub(super) fn read(json: &str, options: &EventOptions, now: Moment) -> ParsedMessage {
    let read = object(json, "the event").and_then(|event| Ok((event.string("id")?, event)));
    match read {
        Ok((id, event)) => (usable_id(id), content(json, &event, options, now)),
        Err(why) => (None, Err(why)),
    }
}

fn content(
    json: &str,
    event: &RawFields<'_>,
    options: &EventOptions,
    now: Moment,
) -> Result<ParsedContent, String> {
    let has = |name: &str, word: &str| event.text(name).map(|text| text.as_deref() == Some(word));
    if has("source", "aws.s3")? && has("detail-type", "Object Created")? {
        let object = s3::object_from_detail(event.get("detail"), "detail")?;
        let own_buckets = [&options.site_bucket, &options.log_bucket];
        let is_ours = own_buckets.iter().any(|name| name.as_deref() == Some(&object.bucket));
        // With a configured key, objects in other buckets are counted as hits.
        if is_ours || options.event_key.is_none() {
            return Ok(ParsedContent::Objects(vec![object]));
        }
    }
    let path = match options.event_key.as_deref() {
        Some(name) if !name.starts_with('/') => name.to_owned(),
        pointer => {
            let pointer = pointer.unwrap_or(PATH);
            let found = require_value(json, pointer)?;
            let text = if is_whole(found) { Some(found.into()) } else { read_text(found) };
            text.ok_or_else(|| format!("expected a string or a whole number at {pointer}"))?.into_owned()
        }
    };
    let at = |text: Cow<'_, str>| time(&text, now).map_err(|why| format!("`time`: {why}"));
    let at = event.text("time")?.map(at).transpose()?;
    let n = options.event_amount.as_deref().map_or(Ok(1), |pointer| amount(json, pointer))?;
    Ok(ParsedContent::Hits(vec![IncomingHit { path, at, n, ..IncomingHit::default() }]))
}

/// Returns the value at a pointer, or an error if there is none.
fn require_value<'a>(json: &'a str, pointer: &str) -> Result<&'a str, String> {
    value_at(json, pointer).ok_or_else(|| format!("the event has no value at {pointer}"))
}

/// Returns whether a text is a whole number.
fn is_whole(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

/// Parses a whole number, or a string of its digits.
fn amount(json: &str, pointer: &str) -> Result<u64, String> {
    let found = require_value(json, pointer)?;
    let digits = read_text(found).unwrap_or(found.into());
    let amount = digits.parse().ok().filter(|amount| is_whole(&digits) && *amount <= MAX_COUNT);
    amount.ok_or_else(|| format!("expected a whole number from 0 to {MAX_COUNT} at {pointer}"))
}
