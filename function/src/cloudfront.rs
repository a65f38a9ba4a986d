//! CloudFront's `CreateInvalidation` call, in its REST XML format.

use std::time::{Duration, Instant};

use crate::aws::{AwsRestClient, AwsRestError};
use crate::net::PeerResponse;

/// Creates an invalidation, with retries until `deadline`. Repeating a call with the same reference and the
/// same paths creates no second invalidation. The error is a text for the log.
pub fn invalidate(
    client: &mut AwsRestClient,
    distribution: &str,
    paths: &[String],
    reference: &str,
    deadline: Instant,
) -> Result<(), String> {
    let path = format!("/2020-05-31/distribution/{distribution}/invalidation");
    let body = invalidation_batch(paths, reference);
    // If too many invalidations are in progress, it takes seconds until one finishes.
    let pause = Duration::from_millis(250);
    client.send_with_retries(
        &path,
        &[("content-type", "application/xml")],
        &body,
        deadline,
        pause,
        &check_response,
    )
}

/// Checks whether a response is a success.
fn check_response(response: &PeerResponse) -> Result<(), AwsRestError> {
    if matches!(response.status, 200..=299) {
        return Ok(());
    }
    let text = String::from_utf8_lossy(&response.body);
    let code = element_text(&text, "Code").unwrap_or("no code");
    let id = response.header("x-amzn-requestid").unwrap_or("unknown");
    let why = format!("cloudfront CreateInvalidation: status {} {code} (request {id})", response.status);
    let is_retryable = response.status >= 500
        || response.status == 429
        || matches!(code, "TooManyInvalidationsInProgress" | "Throttling" | "ThrottlingException");
    Err(AwsRestError { why, is_retryable })
}

/// Returns the text of the first element `name`.
fn element_text<'a>(xml: &'a str, name: &str) -> Option<&'a str> {
    let (_, rest) = xml.split_once(&format!("<{name}>"))?;
    rest.split_once("</").map(|(text, _)| text)
}

/// Builds the request body: the paths, and the caller reference that makes the call idempotent.
pub fn invalidation_batch(paths: &[String], reference: &str) -> String {
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
