//! Events of EventBridge: the rule's pattern chose them, so what does not say its path is a mistake and told as one.

use std::borrow::Cow;

use hitctl_config::contract::MAX_COUNT;

use super::message::{Content, Read, Said, Sources, time, usable_id};
use super::s3;
use crate::fields::{Field, Fields, object, point, read_text};
use crate::moment::Moment;

const PATH: &str = "/detail/path";

/// Whether an object is an event: EventBridge's own names its `detail-type`; one that is written by hand, to try a rule's
/// target, often is a `detail` alone.
pub(super) fn is_one(fields: &Fields<'_>) -> bool {
    let is_object = |field: Field<'_>| field.is_some_and(|raw| raw.get().starts_with('{'));
    fields.has("detail-type") || is_object(fields.get("detail"))
}

/// Reads an event.
pub(super) fn read(json: &str, sources: &Sources, now: Moment) -> Read {
    let read = object(json, "the event").and_then(|event| Ok((event.string("id")?, event)));
    match read {
        Ok((id, event)) => (usable_id(id), content(json, &event, sources, now)),
        Err(why) => (None, Err(why)),
    }
}

fn content(json: &str, event: &Fields<'_>, sources: &Sources, now: Moment) -> Result<Content, String> {
    let is = |name: &str, word: &str| event.text(name).map(|text| text.as_deref() == Some(word));
    if is("source", "aws.s3")? && is("detail-type", "Object Created")? {
        let object = s3::detail(event.get("detail"), "detail")?;
        let ours = [&sources.site_bucket, &sources.log_bucket];
        let is_ours = ours.iter().any(|name| name.as_deref() == Some(&object.bucket));
        // The owner may count objects by a key of his own.
        if is_ours || sources.event_key.is_none() {
            return Ok(Content::Objects(vec![object]));
        }
    }
    let path = match sources.event_key.as_deref() {
        Some(name) if !name.starts_with('/') => name.to_owned(),
        pointer => {
            let pointer = pointer.unwrap_or(PATH);
            let found = found_at(json, pointer)?;
            let text = if is_whole(found) { Some(found.into()) } else { read_text(found) };
            text.ok_or_else(|| format!("what is at {pointer} in it is neither a text nor a whole number"))?
                .into_owned()
        }
    };
    let at = |text: Cow<'_, str>| time(&text, now).map_err(|why| format!("`time` {why}"));
    let at = event.text("time")?.map(at).transpose()?;
    let n = sources.event_amount.as_deref().map_or(Ok(1), |pointer| amount(json, pointer))?;
    Ok(Content::Hits(vec![Said { path, at, n, ..Said::default() }]))
}

/// What is at a pointer.
fn found_at<'a>(json: &'a str, pointer: &str) -> Result<&'a str, String> {
    point(json, pointer).ok_or_else(|| format!("there is nothing at {pointer} in it"))
}

/// Whether a text is a whole number.
fn is_whole(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

/// A whole number, or its digits as a text.
fn amount(json: &str, pointer: &str) -> Result<u64, String> {
    let found = found_at(json, pointer)?;
    let digits = read_text(found).unwrap_or(found.into());
    let amount = digits.parse().ok().filter(|amount| is_whole(&digits) && *amount <= MAX_COUNT);
    amount.ok_or_else(|| format!("expected a whole number from 0 to {MAX_COUNT} at {pointer}"))
}
