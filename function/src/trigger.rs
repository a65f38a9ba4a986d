//! What invoked the function: the shape of the event decides. One file per trigger; a shape that nobody counts is an
//! error that names it.

mod http;

pub use http::payload;

use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::value::RawValue;

use crate::http::Request;
use crate::lambda::Failure;

/// An event, understood.
#[derive(Debug)]
pub enum Event {
    /// A request of an HTTP API or a function URL, payload format 2.0.
    Http(Request),
}

impl Event {
    /// Reads an event. Unknown fields are ignored; so is `null` where a field may be left out.
    pub fn parse(json: &[u8]) -> Result<Self, Failure> {
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
        match http::request(&envelope) {
            Some(request) => Ok(Self::Http(request)),
            None => Err(failure(&format!(
                "the event is {}; this function counts HTTP API and function URL requests (payload format 2.0)",
                envelope.shape()
            ))),
        }
    }
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
    #[serde(rename = "Records")]
    records: Option<Vec<Record>>,
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
    /// A shape's name for people.
    fn shape(&self) -> String {
        let context = self.request_context.as_ref();
        let record = self.records.as_ref().and_then(|records| records.first());
        if let Some(source) = record.and_then(|record| record.source.as_deref()) {
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
