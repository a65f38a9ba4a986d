//! A batch of messages of SQS.

use std::borrow::Cow;

use hitctl_config::contract::{MESSAGE_ID, MESSAGE_IP, MESSAGE_ORIGIN, MESSAGE_UA};
use serde_json::value::RawValue;

use super::body;
use super::message::{By, Content, Message, Said, Sources, is_near, usable_id};
use crate::fields::{object, text_at};
use crate::moment::Moment;
use crate::sent::Sent;

/// Reads a message; an error if it cannot even be named, for then it cannot be reported alone.
pub(super) fn read(record: &str, sources: &Sources, now: Moment) -> Result<Message, String> {
    let record = object(record, "a record of the batch")?;
    let id = record.string("messageId")?.filter(|id| !id.is_empty());
    let id = id.ok_or("a message of the batch has no `messageId`")?;
    let sent = record
        .get("attributes")
        .and_then(|raw| text_at(raw.get(), "/SentTimestamp"))
        .and_then(|millis| millis.parse().ok())
        .map(Moment::from_millis)
        .filter(|sent| is_near(*sent, now));
    // Without its own, the hit was when the message was sent: it may have waited over midnight.
    let sent = sent.unwrap_or(now);
    let attributes = record.get("messageAttributes").map_or("{}", RawValue::get);
    let attribute = |name: &str| text_at(attributes, &format!("/{name}/stringValue")).map(Cow::into_owned);
    let (mark, content) = match record.text("body") {
        Err(why) => (None, Err(why)),
        Ok(None) => (None, Err("there is no body".to_owned())),
        Ok(Some(body)) => {
            let (ip, ua, origin) = (attribute(MESSAGE_IP), attribute(MESSAGE_UA), attribute(MESSAGE_ORIGIN));
            if ip.is_some() || ua.is_some() || origin.is_some() {
                (None, Ok(of_page(&body, sent, ip, ua, origin)))
            } else {
                body::read(&body, sent, sources, now)
            }
        }
    };
    Ok(Message { mark: usable_id(attribute(MESSAGE_ID)).or(mark).unwrap_or_else(|| id.clone()), id, content })
}

/// What a page sent to `/v1/hit`, and the HTTP API put on the queue.
fn of_page(
    body: &str,
    sent: Moment,
    ip: Option<String>,
    ua: Option<String>,
    origin: Option<String>,
) -> Content {
    match Sent::read(body.as_bytes()) {
        // Its words may repeat what was sent.
        Err(_) => Content::Wrong("the body is not what /v1/hit takes".to_owned()),
        Ok(Sent { path, automated, opted_out }) => Content::Hits(vec![Said {
            by: By::Page,
            path,
            at: Some(sent),
            n: 1,
            address: ip.into(),
            agent: ua.into(),
            // A variable that the request has no value for comes out empty, or as a dash.
            origin: origin.filter(|origin| !origin.is_empty() && origin != "-"),
            automated,
            opted_out,
            ..Said::default()
        }]),
    }
}
