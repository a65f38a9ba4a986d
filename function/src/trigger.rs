//! Parses events. The fields of an event show which AWS service sent it; each service has its own submodule. The
//! error for an unsupported event names the kind of event.

mod body;
mod cloudfront;
mod eventbridge;
pub mod forwarded;
mod http;
mod message;
mod s3;
mod sqs;

pub use forwarded::ForwardedHit;
pub use http::payload;
pub use message::{
    EventOptions, HitSource, InboundMessage, IncomingHit, ParsedContent, S3Object, is_countable_time,
};

use serde_json::value::RawValue;

use crate::fields::{RawFields, list, object};
use crate::http::CounterRequest;
use crate::invocation_error::InvocationError;
use crate::moment::Moment;

/// A parsed event.
#[derive(Debug)]
pub enum TriggerEvent {
    /// A request of an HTTP API or a function URL, payload format 2.0.
    Http(CounterRequest),
    /// A batch of messages, each of which can fail separately.
    Batch(Vec<InboundMessage>),
    /// A single event: if it fails, the invocation fails.
    Single(InboundMessage, EventReply),
}

/// The response to a single event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum EventReply {
    /// The numbers of counted and of ignored hits.
    Summary,
    /// This text: the request or response that CloudFront has to use from now on.
    Verbatim(String),
}

impl TriggerEvent {
    /// Parses an event. Unknown fields are ignored, and so is `null` in optional fields.
    pub fn parse(json: &[u8], options: &EventOptions, now: Moment) -> Result<Self, InvocationError> {
        let bad = |why: &str| failure(&format!("failed to read the event: {why}"));
        let text = std::str::from_utf8(json).map_err(|_| bad("it is not UTF-8"))?;
        let event = object(text, "it").map_err(|why| bad(&why))?;
        if let Some(request) = http::request(&event).map_err(|why| bad(&why))? {
            return Ok(Self::Http(request));
        }
        let records = list(event.get("Records"), "Records").map_err(|why| bad(&why))?;
        let envelope = Envelope { event, records };
        envelope.parse_service_event(text, options, now).unwrap_or_else(|| {
            Err(failure(&format!(
                "unsupported event: {}; expected a request of an HTTP API or function URL (payload format 2.0), an SQS \
                 batch, an EventBridge event, a CloudFront viewer event or an S3 notification",
                envelope.shape()
            )))
        })
    }
}

/// Parses a single SQS body as if it was sent and received at the time `now`. For tests and tools.
pub fn parse_body(text: &str, options: &EventOptions, now: Moment) -> Result<ParsedContent, String> {
    body::read(text, now, options, now).1
}

fn failure(message: &str) -> InvocationError {
    InvocationError { kind: "Hitctl.UnsupportedEvent", message: message.to_owned() }
}

/// An event that is not an HTTP request.
struct Envelope<'a> {
    event: RawFields<'a>,
    records: Option<Vec<&'a RawValue>>,
}

/// The source of a record.
#[derive(Default)]
struct RecordSource {
    source: Option<String>,
    /// Whether it is a CloudFront record.
    cf: bool,
}

impl Envelope<'_> {
    /// Returns the source of the first record.
    fn record(&self) -> Option<RecordSource> {
        let first = self.records.as_ref()?.first()?;
        let Ok(record) = object(first.get(), "") else { return Some(RecordSource::default()) };
        let source = ["eventSource", "EventSource"].iter().find_map(|name| record.string(name).ok()?);
        Some(RecordSource { source, cf: record.has("cf") })
    }

    /// Parses an event of a known service; `None` for other events.
    fn parse_service_event(
        &self,
        text: &str,
        options: &EventOptions,
        now: Moment,
    ) -> Option<Result<TriggerEvent, InvocationError>> {
        let single = |(dedup_id, content): message::ParsedMessage, reply| {
            let id = dedup_id.clone().unwrap_or_else(|| "(none)".to_owned());
            Ok(TriggerEvent::Single(
                InboundMessage { id, dedup_id: dedup_id.unwrap_or_default(), content },
                reply,
            ))
        };
        let Some(record) = self.record() else {
            if forwarded::is_forwarded_hit(&self.event) {
                return Some(single(forwarded::read(&self.event), EventReply::Summary));
            }
            if !eventbridge::is_eventbridge_event(&self.event) {
                return None;
            }
            return Some(single(eventbridge::read(text, options, now), EventReply::Summary));
        };
        let records = self.records.as_deref().unwrap_or_default();
        let first = records.first().map_or("{}", |first| first.get());
        match record.source.as_deref() {
            Some("aws:sqs") => {
                let all = records.iter().map(|record| sqs::read(record.get(), options, now));
                let all: Result<Vec<InboundMessage>, String> = all.collect();
                let bad = |why| failure(&format!("invalid SQS batch: {why}"));
                Some(all.map(TriggerEvent::Batch).map_err(bad))
            }
            Some("aws:s3") => Some(single(s3::records(records), EventReply::Summary)),
            None if record.cf => {
                let reply = EventReply::Verbatim(cloudfront::unchanged_request(first));
                Some(single(cloudfront::read(first, now), reply))
            }
            _ => None,
        }
    }

    fn is_of_load_balancer(&self) -> bool {
        matches!(self.event.object("requestContext"), Ok(Some(context)) if context.has("elb"))
    }

    fn is_version(&self, version: &str) -> bool {
        matches!(self.event.text("version"), Ok(Some(found)) if found == version)
    }

    /// Returns a readable name of the kind of event.
    fn shape(&self) -> String {
        let record = self.record();
        if let Some(source) = record.as_ref().and_then(|record| record.source.as_deref()) {
            return match source {
                "aws:sqs" => "an SQS batch".to_owned(),
                "aws:s3" => "an S3 notification".to_owned(),
                "aws:sns" => {
                    "an SNS notification (subscribe the hit queue to the topic instead, with raw message delivery)".to_owned()
                }
                other => format!("a batch of records from {other}"),
            };
        }
        let name = if record.is_some_and(|record| record.cf) {
            "a CloudFront viewer event"
        } else if self.records.is_some() {
            "a batch of records from an unknown source"
        } else if eventbridge::is_eventbridge_event(&self.event) {
            "an EventBridge event"
        } else if self.is_of_load_balancer() {
            "a load balancer request"
        } else if self.event.has("httpMethod") || self.is_version("1.0") {
            "an API Gateway request in payload format 1.0"
        } else {
            "an unknown format"
        };
        name.to_owned()
    }
}

#[cfg(test)]
mod tests;
