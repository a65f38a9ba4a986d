//! Checks for every response: a documented status, the common headers, a body that matches its `content-type`, and
//! the same outcome in the headers, in the body and in the log.

use hit_counter::routes::RouteOutcome;
use hit_counter::rules::IgnoreReason;
use hit_counter::trigger::payload;
use serde_json::{Map, Value};

/// The documented statuses that the function itself returns.
const STATUSES: [u16; 10] = [200, 204, 304, 400, 403, 404, 405, 413, 414, 503];

/// Checks the outcome of a request by `method`, as the gateway receives it. Panics if it is not well-formed.
pub(crate) fn check(method: &str, outcome: &RouteOutcome) {
    let response: Value = serde_json::from_str(&payload(&outcome.response)).expect("the payload is JSON");
    let status = outcome.response.status;
    assert_eq!(response["statusCode"], status);
    assert!(STATUSES.contains(&status), "the status is {status}");
    assert_eq!(response["isBase64Encoded"], false);
    let headers = response["headers"].as_object().expect("the headers are an object");
    let body = response["body"].as_str().expect("the body is a string");
    check_headers(status, headers);
    assert_eq!(
        headers.len(),
        outcome.response.headers.len(),
        "duplicate header: {:?}",
        outcome.response.headers
    );
    let why = outcome.ignored.map(IgnoreReason::code);
    assert!(!(outcome.counted && why.is_some()), "counted and ignored");
    assert!(!outcome.counted || matches!(status, 200 | 204), "counted with status {status}");
    if let Some(why) = why {
        assert_eq!(text(headers, "hitctl-ignored"), why);
    }
    if method == "HEAD" || matches!(status, 204 | 304) {
        assert_eq!(body, "", "status {status} to {method} with a body");
        return;
    }
    let reported = check_body(status, &text(headers, "content-type"), body);
    if let Some((counted, reason)) = reported {
        assert_eq!(counted, outcome.counted, "the body is wrong about whether the view counted: {body}");
        assert_eq!(reason.as_deref(), why, "the body contains another reason: {body}");
    }
}

fn text(headers: &Map<String, Value>, name: &str) -> String {
    headers.get(name).and_then(Value::as_str).unwrap_or_default().to_owned()
}

fn check_headers(status: u16, headers: &Map<String, Value>) {
    for (name, value) in headers {
        assert_eq!(*name, name.to_ascii_lowercase(), "a header's name");
        let value = value.as_str().unwrap_or_else(|| panic!("{name} is not a string"));
        let is_clean = value.bytes().all(|byte| (b' '..=b'~').contains(&byte));
        assert!(is_clean && !value.is_empty(), "{name} is {value:?}");
    }
    assert_ne!(text(headers, "cache-control"), "", "no cache-control");
    assert_eq!(text(headers, "x-content-type-options"), "nosniff");
    assert_eq!(status == 405, headers.contains_key("allow"), "status {status} and allow");
    // A badge shows its error with status 200.
    let is_error_badge = headers.contains_key("hitctl-error");
    let has_retry_after = headers.contains_key("retry-after");
    assert!(
        has_retry_after == (status == 503) || has_retry_after && is_error_badge,
        "status {status} and retry-after"
    );
    if status >= 400 {
        assert_eq!(text(headers, "cache-control"), "no-store", "an error that may be cached");
    }
}

/// Checks the body. If it is about a view, returns whether the view counted and, if not, the reason.
fn check_body(status: u16, kind: &str, body: &str) -> Option<(bool, Option<String>)> {
    match kind {
        "application/json" => {
            let value: Value = serde_json::from_str(body).expect("the body is JSON");
            let object = value.as_object().expect("the body is an object");
            if status >= 400 {
                let (code, message) = (&value["error"], &value["message"]);
                assert!(
                    code.as_str().is_some_and(|code| !code.is_empty()),
                    "an error without a code: {body}"
                );
                assert!(message.as_str().is_some_and(|text| !text.is_empty()), "without a message: {body}");
                return None;
            }
            assert!(value["v"] == 1 || value["schemaVersion"] == 1, "a body without a version: {body}");
            check_numbers(&value);
            let counted = object.get("counted")?.as_bool().expect("counted is a bool");
            Some((counted, value["why"].as_str().map(str::to_owned)))
        }
        "image/svg+xml" | "image/svg+xml; charset=utf-8" => {
            check_svg(body);
            None
        }
        // The page at `/`.
        "text/html; charset=utf-8" => {
            assert!(body.starts_with("<!"), "not an HTML document: {body}");
            None
        }
        "text/javascript; charset=utf-8" => {
            assert!(body.contains("currentScript"), "no script: {body}");
            None
        }
        other => panic!("the content-type is {other:?}"),
    }
}

/// Checks that every number is a whole number and that nothing is null.
fn check_numbers(value: &Value) {
    match value {
        Value::Number(number) => assert!(number.is_u64(), "{number} is not a count"),
        Value::Array(values) => values.iter().for_each(check_numbers),
        Value::Object(fields) => fields.values().for_each(check_numbers),
        Value::Null => panic!("a null in the body"),
        Value::Bool(_) | Value::String(_) => {}
    }
}

/// Checks an SVG image: its tags are closed in order, only known tags occur, and inserted text is escaped.
fn check_svg(body: &str) {
    assert!(body.starts_with("<svg ") && body.ends_with('>'), "not an SVG image: {body}");
    let mut open: Vec<&str> = Vec::new();
    let mut rest = body;
    while let Some(at) = rest.find(['<', '&']) {
        assert!(!rest[..at].contains('>'), "a stray `>`: {body}");
        rest = &rest[at..];
        if rest.starts_with('&') {
            let known = ["&amp;", "&lt;", "&gt;", "&quot;", "&apos;", "&#39;", "&#34;"];
            assert!(known.iter().any(|entity| rest.starts_with(entity)), "a bare `&`: {body}");
            rest = &rest[1..];
            continue;
        }
        let end = rest.find('>').unwrap_or_else(|| panic!("an unterminated tag: {body}"));
        let tag = &rest[1..end];
        rest = &rest[end + 1..];
        let name = tag.trim_start_matches('/').split([' ', '/']).next().unwrap_or_default();
        let known_tags = ["svg", "title", "linearGradient", "stop", "clipPath", "rect", "g", "path", "text"];
        assert!(known_tags.contains(&name), "an unknown tag <{name}>: {body}");
        assert_eq!(tag.matches('"').count() % 2, 0, "an attribute without a closing quote: {body}");
        if tag.starts_with('/') {
            assert_eq!(open.pop(), Some(name), "tags are closed in the wrong order: {body}");
        } else if !tag.ends_with('/') {
            open.push(name);
        }
    }
    assert!(open.is_empty(), "{open:?} are not closed: {body}");
}
