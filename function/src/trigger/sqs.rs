//! Parses the messages of an SQS batch.

use std::borrow::Cow;

use hitctl_config::contract::{MESSAGE_ID, MESSAGE_IP, MESSAGE_ORIGIN, MESSAGE_UA};
use serde_json::value::RawValue;

use super::body;
use super::message::{
    EventOptions, HitSource, InboundMessage, IncomingHit, ParsedContent, is_countable_time, usable_id,
};
use crate::fields::{object, text_at};
use crate::hit_body::HitBody;
use crate::moment::Moment;

/// Parses a message. A message without an ID makes the whole batch fail, because Lambda could not be told which
/// message failed.
pub(super) fn read(record: &str, options: &EventOptions, now: Moment) -> Result<InboundMessage, String> {
    let record = object(record, "a record")?;
    let id = record.string("messageId")?.filter(|id| !id.is_empty());
    let id = id.ok_or("a message has no `messageId`")?;
    let sent = record
        .get("attributes")
        .and_then(|raw| text_at(raw.get(), "/SentTimestamp"))
        .and_then(|millis| millis.parse().ok())
        .map(Moment::from_millis)
        .filter(|sent| is_countable_time(*sent, now));
    // A hit without a time counts at the time when its message was sent, because the message may have been in
    // the queue past midnight.
    let sent = sent.unwrap_or(now);
    let attributes = record.get("messageAttributes").map_or("{}", RawValue::get);
    let attribute = |name: &str| text_at(attributes, &format!("/{name}/stringValue")).map(Cow::into_owned);
    let (dedup_id, content) = match record.text("body") {
        Err(why) => (None, Err(why)),
        Ok(None) => (None, Err("the message has no body".to_owned())),
        Ok(Some(body)) => {
            let (ip, ua, origin) = (attribute(MESSAGE_IP), attribute(MESSAGE_UA), attribute(MESSAGE_ORIGIN));
            if ip.is_some() || ua.is_some() || origin.is_some() {
                (None, Ok(page_hit(&body, sent, ip, ua, origin)))
            } else {
                body::read(&body, sent, options, now)
            }
        }
    };
    Ok(InboundMessage {
        dedup_id: usable_id(attribute(MESSAGE_ID)).or(dedup_id).unwrap_or_else(|| id.clone()),
        id,
        content,
    })
}

/// Parses a hit that a page sent to `/v1/hit` and the HTTP API put on the queue.
fn page_hit(
    body: &str,
    sent: Moment,
    ip: Option<String>,
    ua: Option<String>,
    origin: Option<String>,
) -> ParsedContent {
    match HitBody::read(body.as_bytes()) {
        // The original error may quote the body, which may contain personal data.
        Err(_) => ParsedContent::Invalid("the body is not valid for /v1/hit".to_owned()),
        Ok(HitBody { path, automated, opted_out }) => ParsedContent::Hits(vec![IncomingHit {
            by: HitSource::Page,
            path,
            at: Some(sent),
            n: 1,
            address: ip.into(),
            agent: ua.into(),
            // API Gateway's parameter mapping writes a variable without a value as an empty string or a dash.
            origin: origin.filter(|origin| !origin.is_empty() && origin != "-"),
            automated,
            opted_out,
            ..IncomingHit::default()
        }]),
    }
}
