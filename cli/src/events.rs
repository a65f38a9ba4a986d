//! Generates events for one path, in the formats of AWS services. It makes no calls. The formats are from the AWS
//! documentation: Lambda with SQS, EventBridge, CloudFront events for Lambda@Edge, and S3 events in EventBridge.

use hit_counter::path::percent_encoded;
use hitctl_config::event_pattern::EventPattern;
use hitctl_config::{AppConfig, Location, names};
use jiff::Timestamp;
use serde_json::{Value as Json, json};

/// The user agent of generated events. It looks like a browser, so that the events count, and names hitctl.
const AGENT: &str = "Mozilla/5.0 (hitctl; invoke) Gecko";
/// The client address of generated events. The loopback address belongs to no visitor.
const ADDRESS: &str = "127.0.0.1";
/// The distribution ID if the configuration has none. It is from the examples of the AWS documentation.
const DISTRIBUTION: &str = "EDFDVBD6EXAMPLE";

/// Generates events for one path of an environment.
pub(crate) struct EventGenerator<'a> {
    pub(crate) app: &'a AppConfig,
    pub(crate) env: &'a str,
    pub(crate) location: Location<'a>,
    pub(crate) path: &'a str,
    pub(crate) now: Timestamp,
    /// A unique ID of 32 hexadecimal digits.
    pub(crate) unique: String,
}

/// Returns the event that the HTTP API sends to the counter for `GET /counter?path=PATH`.
pub(crate) fn http(path: &str, read_only: bool) -> Json {
    let query = format!("path={}{}", percent_encoded(path, b"-._~"), if read_only { "&ro=1" } else { "" });
    json!({
        "version": "2.0",
        "routeKey": "ANY /counter",
        "rawPath": "/counter",
        "rawQueryString": query,
        "headers": { "user-agent": AGENT },
        "requestContext": {
            "http": { "method": "GET", "path": "/counter", "protocol": "HTTP/1.1", "sourceIp": ADDRESS, "userAgent": AGENT },
            "routeKey": "ANY /counter",
            "stage": "$default",
        },
        "isBase64Encoded": false,
    })
}

/// Returns the event that the HTTP API sends to the reader for `GET /v1/count?path=PATH`.
pub(crate) fn http_for_reader(path: &str) -> Json {
    let mut event = http(path, false);
    event["routeKey"] = json!("ANY /v1/count");
    event["rawPath"] = json!("/v1/count");
    event["requestContext"]["routeKey"] = json!("ANY /v1/count");
    event["requestContext"]["http"]["path"] = json!("/v1/count");
    event
}

impl EventGenerator<'_> {
    /// Returns the event for a batch of `count` messages from the queue.
    pub(crate) fn sqs(&self, count: u32) -> Json {
        let queue = self.location.queue_arn(&names::queue(&self.app.app, self.env));
        let sent = self.now.as_millisecond().to_string();
        let records = (1..=count).map(|n| {
            let id = self.id(n);
            let body = json!({ "v": 1, "path": self.path, "ts": self.seconds(), "id": id }).to_string();
            json!({
                "messageId": id,
                "receiptHandle": format!("hitctl-invoke-{n}"),
                "md5OfBody": format!("{:x}", md5::compute(&body)),
                "body": body,
                "attributes": {
                    "ApproximateReceiveCount": "1",
                    "SentTimestamp": sent,
                    "SenderId": self.location.account,
                    "ApproximateFirstReceiveTimestamp": sent,
                },
                "messageAttributes": {},
                "eventSource": "aws:sqs",
                "eventSourceARN": queue,
                "awsRegion": self.location.region,
            })
        });
        json!({ "Records": records.collect::<Vec<_>>() })
    }

    /// Returns an event that the rule of `events.pattern` matches, if one can be derived from the pattern.
    pub(crate) fn eventbridge(&self) -> Json {
        let events = &self.app.events;
        let pattern = &events.pattern;
        let sample = |name: &str| pattern.get(name).and_then(sample_value);
        let mut event = self.event(
            &sample("source").unwrap_or_else(|| "cli".into()),
            &sample("detail-type").unwrap_or_else(|| "hitctl invoke".into()),
            &pattern
                .get("detail")
                .and_then(sample_value)
                .filter(Json::is_object)
                .unwrap_or_else(|| json!({})),
        );
        if let Some(resource) = sample("resources") {
            event["resources"] = json!([resource]);
        }
        // The key is a JSON pointer to the path, or a fixed path. A fixed path is not part of the event.
        let key = events.key.as_deref().unwrap_or("/detail/path");
        if key.starts_with('/') {
            set_pointer(&mut event, key, self.path.into());
        }
        if let Some(amount) = events.amount.as_deref().filter(|amount| event.pointer(amount).is_none()) {
            set_pointer(&mut event, amount, 1.into());
        }
        event
    }

    /// Whether `events.pattern` matches the event.
    pub(crate) fn matches_pattern(&self, event: &Json) -> bool {
        let pattern = Json::Object(self.app.events.pattern.clone());
        EventPattern::parse(&pattern).is_ok_and(|pattern| pattern.matches(event))
    }

    /// Returns the EventBridge event of S3 for a new object in the bucket of the site.
    pub(crate) fn s3(&self, bucket: &str) -> Json {
        let key = self.path.trim_start_matches('/');
        let key =
            if key.is_empty() || key.ends_with('/') { format!("{key}index.html") } else { key.to_owned() };
        let mut event = self.event(
            &"aws.s3".into(),
            &"Object Created".into(),
            &json!({
                "version": "0",
                "bucket": { "name": bucket },
                "object": {
                    "key": key,
                    "size": 1024,
                    "etag": &self.unique,
                    "sequencer": &self.unique[..16],
                },
                "request-id": self.unique[..16].to_uppercase(),
                "requester": self.location.account,
                "source-ip-address": ADDRESS,
                "reason": "PutObject",
            }),
        );
        event["resources"] = json!([self.location.arn("s3", bucket)]);
        event
    }

    /// Returns the Lambda@Edge event of CloudFront for a viewer request.
    pub(crate) fn cloudfront(&self) -> Json {
        let (uri, query) = self.path.split_once('?').unwrap_or((self.path, ""));
        let header = |name: &str, value: &str| json!([{ "key": name, "value": value }]);
        json!({ "Records": [{ "cf": {
            "config": {
                "distributionDomainName": "d111111abcdef8.cloudfront.net",
                "distributionId": self.app.cloudfront.distribution_id.as_deref().unwrap_or(DISTRIBUTION),
                "eventType": "viewer-request",
                "requestId": &self.unique,
            },
            "request": {
                "clientIp": ADDRESS,
                "headers": {
                    "host": header("Host", "d111111abcdef8.cloudfront.net"),
                    "user-agent": header("User-Agent", AGENT),
                },
                "method": "GET",
                "querystring": query,
                "uri": uri,
            },
        } }] })
    }

    /// Returns an event in the format in which EventBridge delivers it.
    fn event(&self, source: &Json, detail_type: &Json, detail: &Json) -> Json {
        json!({
            "version": "0",
            "id": self.id(1),
            "detail-type": detail_type,
            "source": source,
            "account": self.location.account,
            "time": self.seconds(),
            "region": self.location.region,
            "resources": [],
            "detail": detail,
        })
    }

    /// Returns the ID of message or event number `n`, in the format of AWS IDs, which is a UUID of version 4.
    fn id(&self, n: u32) -> String {
        let hex = &self.unique;
        // The last six digits are `n`, so that the IDs of one run differ.
        format!("{}-{}-4{}-8{}-{}{n:06x}", &hex[..8], &hex[8..12], &hex[13..16], &hex[17..20], &hex[20..26])
    }

    fn seconds(&self) -> String {
        self.now.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
    }
}

/// Returns a value that matches a part of a pattern, such as the first value of a list or the text of a prefix.
/// `None` if no value can be derived.
fn sample_value(pattern: &Json) -> Option<Json> {
    match pattern {
        Json::Object(fields) => {
            let required = fields.iter().filter(|(name, _)| *name != "$or");
            Some(Json::Object(
                required.filter_map(|(name, field)| Some((name.clone(), sample_value(field)?))).collect(),
            ))
        }
        Json::Array(choices) => choices.iter().find_map(|choice| match choice {
            Json::Object(operator) => {
                let (name, operand) = operator.iter().next()?;
                match (name.as_str(), operand) {
                    ("prefix" | "suffix" | "equals-ignore-case", Json::String(text)) => {
                        Some(text.clone().into())
                    }
                    ("wildcard", Json::String(text)) => Some(text.replace('*', "x").into()),
                    ("exists", Json::Bool(true)) => Some("hitctl".into()),
                    _ => None,
                }
            }
            value => Some(value.clone()),
        }),
        _ => None,
    }
}

/// Sets the value at a JSON pointer. Missing parents, and those that are not objects, become objects.
fn set_pointer(event: &mut Json, pointer: &str, value: Json) {
    let mut target = event;
    for part in pointer.split('/').skip(1) {
        let name = part.replace("~1", "/").replace("~0", "~");
        if !target.is_object() {
            *target = json!({});
        }
        target = &mut target[name];
    }
    *target = value;
}

/// Returns an event for which the function reads its table but counts nothing.
pub(crate) fn read_event() -> Json {
    http("/", true)
}

#[cfg(test)]
mod tests;
