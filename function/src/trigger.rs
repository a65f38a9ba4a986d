//! What invoked the function: the shape of the event decides. One file per trigger; a shape that nobody counts is an
//! error that names it.

mod body;
mod cloudfront;
mod eventbridge;
pub(crate) mod fields;
mod http;
mod message;
mod s3;
mod sqs;

pub use http::payload;
pub use message::{By, Content, Message, Object, Said, Sources, is_near};

use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::value::RawValue;

use crate::failure::Failure;
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
        // serde would read a list as the fields in their order.
        if json.trim_ascii_start().first() != Some(&b'{') {
            return Err(bad("it is not a JSON object"));
        }
        let envelope: Envelope<'_> = serde_json::from_slice(json).map_err(|error| bad(&error.to_string()))?;
        if let Some(request) = http::request(&envelope) {
            return Ok(Self::Http(request));
        }
        envelope.of_services(json, sources, now).unwrap_or_else(|| {
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

/// The fields that tell the shapes apart, and those of payload 2.0.
#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Envelope<'a> {
    version: Option<String>,
    route_key: Option<String>,
    raw_path: Option<String>,
    raw_query_string: Option<String>,
    headers: Option<Headers>,
    request_context: Option<Context>,
    #[serde(borrow)]
    body: Option<&'a RawValue>,
    is_base64_encoded: Option<bool>,
    http_method: Option<IgnoredAny>,
    #[serde(borrow, rename = "Records")]
    records: Option<Vec<&'a RawValue>>,
    #[serde(rename = "detail-type")]
    detail_type: Option<IgnoredAny>,
}

/// HTTP APIs and function URLs send header names in lower case.
#[derive(Default, Deserialize)]
#[serde(default, rename_all = "kebab-case")]
struct Headers {
    origin: Option<String>,
    referer: Option<String>,
    user_agent: Option<String>,
    dnt: Option<String>,
    sec_gpc: Option<String>,
    sec_purpose: Option<String>,
    purpose: Option<String>,
    x_moz: Option<String>,
    #[serde(rename = "cloudfront-viewer-address")]
    viewer_address: Option<String>,
    #[serde(rename = "x-hitctl-origin-secret")]
    origin_secret: Option<String>,
    if_none_match: Option<String>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Context {
    http: Option<Http>,
    stage: Option<String>,
    elb: Option<IgnoredAny>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
#[serde(rename_all = "camelCase")]
struct Http {
    method: Option<String>,
    path: Option<String>,
    source_ip: Option<String>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Record {
    #[serde(rename = "eventSource", alias = "EventSource")]
    source: Option<String>,
    cf: Option<IgnoredAny>,
}

impl Envelope<'_> {
    /// The first record.
    fn record(&self) -> Option<Record> {
        let first = self.records.as_ref()?.first()?;
        Some(serde_json::from_str(first.get()).unwrap_or_default())
    }

    /// An event of a service, if it is of one that is known here.
    fn of_services(&self, json: &[u8], sources: &Sources, now: Moment) -> Option<Result<Event, Failure>> {
        // It was read as JSON already, and that is UTF-8.
        let text = std::str::from_utf8(json).ok()?;
        let single = |(mark, content): body::Read, reply| {
            let id = mark.clone().unwrap_or_else(|| "(none)".to_owned());
            Ok(Event::Single(Message { id, mark: mark.unwrap_or_default(), content }, reply))
        };
        let Some(record) = self.record() else {
            self.detail_type.as_ref()?;
            return Some(single(eventbridge::read(text, sources, now), Reply::Counted));
        };
        let records = self.records.as_deref().unwrap_or_default();
        let first = records.first().map_or("{}", |first| first.get());
        match record.source.as_deref() {
            Some("aws:sqs") => {
                let all = records.iter().map(|record| sqs::read(record.get(), sources, now));
                let all: Result<Vec<Message>, String> = all.collect();
                Some(
                    all.map(Event::Batch)
                        .map_err(|why| failure(&format!("the event is an SQS batch: {why}"))),
                )
            }
            Some("aws:s3") => Some(single(s3::records(records), Reply::Counted)),
            None if record.cf.is_some() => {
                let reply = Reply::Verbatim(cloudfront::unchanged(first));
                Some(single(cloudfront::read(first, now), reply))
            }
            _ => None,
        }
    }

    /// A shape's name for people.
    fn shape(&self) -> String {
        let context = self.request_context.as_ref();
        let record = self.record();
        if let Some(source) = record.as_ref().and_then(|record| record.source.as_deref()) {
            return match source {
                "aws:sqs" => "an SQS batch".to_owned(),
                "aws:s3" => "an S3 notification".to_owned(),
                "aws:sns" => "an SNS notification".to_owned(),
                other => format!("a batch of records from {other}"),
            };
        }
        let name = if record.is_some_and(|record| record.cf.is_some()) {
            "a CloudFront viewer event"
        } else if self.records.is_some() {
            "a batch of records of no known source"
        } else if self.detail_type.is_some() {
            "an EventBridge event"
        } else if context.is_some_and(|context| context.elb.is_some()) {
            "a load balancer's request"
        } else if self.http_method.is_some() || self.version.as_deref() == Some("1.0") {
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
