//! What invoked the function: the shape of the event decides. One file per trigger; a shape that nobody counts is an
//! error that names it.

mod body;
mod cloudfront;
mod eventbridge;
pub mod forwarded;
mod http;
mod message;
mod s3;
mod sqs;

pub use forwarded::Forwarded;
pub use http::payload;
pub use message::{By, Content, Message, Object, Said, Sources, is_near};

use serde_json::value::RawValue;

use crate::failure::Failure;
use crate::fields::{Fields, list, object};
use crate::http::Request;
use crate::moment::Moment;

/// An event, understood.
#[derive(Debug)]
pub enum Event {
    /// A request of an HTTP API or a function URL, payload format 2.0.
    Http(Request),
    /// A batch of messages, each of which is reported by itself if it fails.
    Batch(Vec<Message>),
    /// One event that came by itself: if it fails, the invocation does.
    Single(Message, Reply),
}

/// What is answered to an event that came by itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reply {
    /// How much was counted.
    Counted,
    /// This, for `CloudFront` to go on with.
    Verbatim(String),
}

impl Event {
    /// Reads an event. Unknown fields are ignored; so is `null` where a field may be left out.
    pub fn parse(json: &[u8], sources: &Sources, now: Moment) -> Result<Self, Failure> {
        let bad = |why: &str| {
            failure(&format!(
                "the event is not understood: {why}; invoke the function with an HTTP API event"
            ))
        };
        let text = std::str::from_utf8(json).map_err(|_| bad("it is not UTF-8"))?;
        let event = object(text, "it").map_err(|why| bad(&why))?;
        if let Some(request) = http::request(&event).map_err(|why| bad(&why))? {
            return Ok(Self::Http(request));
        }
        let records = list(event.get("Records"), "Records").map_err(|why| bad(&why))?;
        let envelope = Envelope { event, records };
        envelope.of_services(text, sources, now).unwrap_or_else(|| {
            Err(failure(&format!(
                "the event is {}; this function counts requests of HTTP APIs and function URLs (payload format 2.0), SQS \
                 batches, EventBridge events, CloudFront viewer events and objects made in S3",
                envelope.shape()
            )))
        })
    }
}

/// Reads an SQS body alone, sent and read at the time `now`: for tests and tools.
pub fn body(text: &str, sources: &Sources, now: Moment) -> Result<Content, String> {
    body::read(text, now, sources, now).1
}

fn failure(message: &str) -> Failure {
    Failure { kind: "Hitctl.UnsupportedEvent", message: message.to_owned() }
}

/// What is no request of the web.
struct Envelope<'a> {
    event: Fields<'a>,
    records: Option<Vec<&'a RawValue>>,
}

/// What a record says of its service.
#[derive(Default)]
struct Record {
    source: Option<String>,
    /// It is one of `CloudFront`.
    cf: bool,
}

impl Envelope<'_> {
    /// The first record.
    fn record(&self) -> Option<Record> {
        let first = self.records.as_ref()?.first()?;
        let Ok(record) = object(first.get(), "") else { return Some(Record::default()) };
        let source = ["eventSource", "EventSource"].iter().find_map(|name| record.string(name).ok()?);
        Some(Record { source, cf: record.has("cf") })
    }

    /// An event of a service, if it is of one that is known here.
    fn of_services(&self, text: &str, sources: &Sources, now: Moment) -> Option<Result<Event, Failure>> {
        let single = |(mark, content): message::Read, reply| {
            let id = mark.clone().unwrap_or_else(|| "(none)".to_owned());
            Ok(Event::Single(Message { id, mark: mark.unwrap_or_default(), content }, reply))
        };
        let Some(record) = self.record() else {
            if forwarded::is_one(&self.event) {
                return Some(single(forwarded::read(&self.event), Reply::Counted));
            }
            if !eventbridge::is_one(&self.event) {
                return None;
            }
            return Some(single(eventbridge::read(text, sources, now), Reply::Counted));
        };
        let records = self.records.as_deref().unwrap_or_default();
        let first = records.first().map_or("{}", |first| first.get());
        match record.source.as_deref() {
            Some("aws:sqs") => {
                let all = records.iter().map(|record| sqs::read(record.get(), sources, now));
                let all: Result<Vec<Message>, String> = all.collect();
                let bad = |why| failure(&format!("the event is an SQS batch: {why}"));
                Some(all.map(Event::Batch).map_err(bad))
            }
            Some("aws:s3") => Some(single(s3::records(records), Reply::Counted)),
            None if record.cf => {
                let reply = Reply::Verbatim(cloudfront::unchanged(first));
                Some(single(cloudfront::read(first, now), reply))
            }
            _ => None,
        }
    }

    fn is_of_load_balancer(&self) -> bool {
        matches!(self.event.object("requestContext"), Ok(Some(context)) if context.has("elb"))
    }

    fn is_version(&self, version: &str) -> bool {
        matches!(self.event.text("version"), Ok(Some(own)) if own == version)
    }

    /// A shape's name for people.
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
            "a batch of records of no known source"
        } else if eventbridge::is_one(&self.event) {
            "an EventBridge event"
        } else if self.is_of_load_balancer() {
            "a load balancer's request"
        } else if self.event.has("httpMethod") || self.is_version("1.0") {
            "an API Gateway request of payload format 1.0"
        } else {
            "of no known shape"
        };
        name.to_owned()
    }
}

#[cfg(test)]
#[path = "trigger_tests.rs"]
mod tests;
