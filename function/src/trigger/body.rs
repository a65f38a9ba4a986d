//! Parses the body of a queued message: hits in hitctl's own format, a bare path, or an event that another
//! service put on the queue.

use super::message::{EventOptions, IncomingHit, MAX_ID_BYTES, ParsedContent, ParsedMessage, time};
use super::{cloudfront, eventbridge, s3};
use crate::fields::{self, RawFields, list, number, object};
use crate::moment::Moment;
use hitctl_config::contract::{MAX_COUNT, MAX_HITS_IN_MESSAGE};

/// Parses a body that was sent at the time `sent` and received at the time `now`.
pub(super) fn read(body: &str, sent: Moment, options: &EventOptions, now: Moment) -> ParsedMessage {
    read_body(body.trim(), sent, options, now).unwrap_or_else(|why| (None, Err(why)))
}

fn read_body(body: &str, sent: Moment, options: &EventOptions, now: Moment) -> Result<ParsedMessage, String> {
    if ["/", "http://", "https://"].iter().any(|start| body.starts_with(start)) {
        let hit = IncomingHit { path: body.to_owned(), at: Some(sent), n: 1, ..IncomingHit::default() };
        return Ok((None, Ok(ParsedContent::Hits(vec![hit]))));
    }
    if !body.starts_with('{') {
        return Err("the body is neither a path nor a JSON object".to_owned());
    }
    let fields = object(body, "the body")?;
    let is_ours = fields.has("path") || fields.has("hits");
    if fields.has("detail-type") || !is_ours && eventbridge::is_eventbridge_event(&fields) {
        return Ok(eventbridge::read(body, options, now));
    }
    if !is_ours && fields.has("TopicArn") && fields.has("Type") {
        return Err(sns(&fields));
    }
    if fields.has("cf") {
        return Ok(cloudfront::read(body, sent));
    }
    if fields.has("Records") {
        return read_records(&list(fields.get("Records"), "Records")?.unwrap_or_default(), sent);
    }
    if fields.has("Event") && !is_ours {
        return Ok((None, s3::test_event(&fields)));
    }
    Ok((id(&fields)?, own_format(&fields, sent, now)))
}

/// Returns the error for an SNS envelope, which holds the published message as a string.
fn sns(fields: &RawFields<'_>) -> String {
    let is_notification = matches!(fields.text("Type"), Ok(Some(kind)) if kind == "Notification");
    let found = if is_notification { "notification" } else { "subscription message" };
    format!(
        "expected a raw message, found an SNS {found}; enable raw message delivery for the queue's subscription \
         to the topic"
    )
}

/// Parses records of S3 or CloudFront.
fn read_records(records: &[&serde_json::value::RawValue], sent: Moment) -> Result<ParsedMessage, String> {
    let first = records.first().map_or("{}", |first| first.get());
    match fields::value_at(first, "/cf") {
        Some(_) if records.len() > 1 => Err("expected one CloudFront record, found more".to_owned()),
        Some(_) => Ok(cloudfront::read(first, sent)),
        None => Ok(s3::records(records)),
    }
}

fn id(fields: &RawFields<'_>) -> Result<Option<String>, String> {
    let id = fields.string("id")?;
    if id.as_ref().is_some_and(|id| id.is_empty() || id.len() > MAX_ID_BYTES) {
        return Err(format!("`id`: expected 1 to {MAX_ID_BYTES} bytes"));
    }
    Ok(id)
}

/// Parses hitctl's own format: a hit, or a list of hits.
fn own_format(fields: &RawFields<'_>, sent: Moment, now: Moment) -> Result<ParsedContent, String> {
    if !matches!(number(fields.get("v"), "v")?, None | Some(1)) {
        return Err("`v`: expected 1".to_owned());
    }
    let Some(hits) = list(fields.get("hits"), "hits")? else {
        return Ok(ParsedContent::Hits(vec![hit(fields, sent, now)?]));
    };
    if hits.is_empty() || hits.len() > MAX_HITS_IN_MESSAGE {
        return Err(format!("`hits`: expected 1 to {MAX_HITS_IN_MESSAGE} entries, found {}", hits.len()));
    }
    let mut all = Vec::with_capacity(hits.len());
    for (index, raw) in hits.iter().enumerate() {
        let name = format!("`hits[{index}]`");
        let fields = object(raw.get(), &name)?;
        all.push(hit(&fields, sent, now).map_err(|why| format!("{name}: {why}"))?);
    }
    Ok(ParsedContent::Hits(all))
}

fn hit(fields: &RawFields<'_>, sent: Moment, now: Moment) -> Result<IncomingHit, String> {
    let path = fields.string("path")?.ok_or("`path` is missing, and the body is not a known event")?;
    let at = match fields.text("ts")? {
        Some(ts) => time(&ts, now).map_err(|why| format!("`ts`: {why}"))?,
        None => sent,
    };
    let n = match number(fields.get("n"), "n") {
        Ok(None) => 1,
        Ok(Some(n)) if (1..=MAX_COUNT).contains(&n) => n,
        _ => return Err(format!("`n`: expected a whole number from 1 to {MAX_COUNT}")),
    };
    let address = fields.string("ip")?;
    if address.as_ref().is_some_and(|address| address.parse::<std::net::IpAddr>().is_err()) {
        return Err("`ip`: expected an IP address".to_owned());
    }
    let agent = fields.string("ua")?.into();
    Ok(IncomingHit { path, at: Some(at), n, address: address.into(), agent, ..IncomingHit::default() })
}
