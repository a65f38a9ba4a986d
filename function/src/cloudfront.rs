//! `CloudFront`'s one call that the function makes, `CreateInvalidation`, in its REST XML. Connects when it is first needed.

use std::time::{Duration, Instant};

use crate::aws::{Refusal, Rest};
use crate::net::Response;

/// Asks for an invalidation until `deadline`. The same reference with the same paths is the same invalidation,
/// however often it is asked for. The error is a sentence for the log.
pub fn invalidate(
    rest: &mut Rest,
    distribution: &str,
    paths: &[String],
    reference: &str,
    deadline: Instant,
) -> Result<(), String> {
    let path = format!("/2020-05-31/distribution/{distribution}/invalidation");
    let body = batch(paths, reference);
    // What has too many invalidations in progress has them for seconds.
    let pause = Duration::from_millis(250);
    rest.post(&path, &[("content-type", "application/xml")], &body, deadline, pause, &judge)
}

/// What an answer says that is none, and whether another time may do.
fn judge(response: &Response) -> Result<(), Refusal> {
    if matches!(response.status, 200..=299) {
        return Ok(());
    }
    let text = String::from_utf8_lossy(&response.body);
    let code = element(&text, "Code").unwrap_or("no code");
    let id = response.header("x-amzn-requestid").unwrap_or("unknown");
    let why = format!("cloudfront CreateInvalidation: status {} {code} (request {id})", response.status);
    let may_pass = response.status >= 500
        || response.status == 429
        || matches!(code, "TooManyInvalidationsInProgress" | "Throttling" | "ThrottlingException");
    Err(Refusal { why, may_pass })
}

/// The text of the first element of that name.
fn element<'a>(xml: &'a str, name: &str) -> Option<&'a str> {
    let (_, rest) = xml.split_once(&format!("<{name}>"))?;
    rest.split_once("</").map(|(text, _)| text)
}

/// The body: the paths, and the reference that makes it the same invalidation when it is asked for again.
pub fn batch(paths: &[String], reference: &str) -> String {
    let mut xml = String::from(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\
         <InvalidationBatch xmlns=\"http://cloudfront.amazonaws.com/doc/2020-05-31/\"><Paths><Quantity>",
    );
    xml.push_str(&paths.len().to_string());
    xml.push_str("</Quantity><Items>");
    for path in paths {
        xml.extend(["<Path>", &escaped(path), "</Path>"]);
    }
    xml.extend(["</Items></Paths><CallerReference>", &escaped(reference)]);
    xml.push_str("</CallerReference></InvalidationBatch>");
    xml
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}
