//! Payload format 2.0, which API Gateway's HTTP APIs and Lambda's function URLs share: event in, answer out.

use std::borrow::Cow;

use hitctl_config::contract::{MAX_BODY_BYTES, ROUTES};
use serde_json::value::RawValue;

use super::Envelope;
use crate::http::{Answer, Request};
use crate::json::{Object, string};

/// The request of an event, if it is one of payload 2.0.
pub(super) fn request(event: &Envelope<'_>) -> Option<Request> {
    let context = event.request_context.as_ref()?;
    let http = context.http.as_ref()?;
    let path = event.raw_path.as_deref().or(http.path.as_deref()).unwrap_or("/");
    Some(Request {
        method: http.method.clone()?,
        route: route(event.route_key.as_deref(), path, context.stage.as_deref()).to_owned(),
        query: event.raw_query_string.clone().unwrap_or_default(),
        origin: event.headers.as_ref().and_then(|headers| headers.origin.clone()),
        body_bytes: body_bytes(event),
    })
}

/// The route's path: what the gateway matched, which a stage or a domain's mapping cannot prefix; behind a function
/// URL (route key `$default`) the path itself.
fn route<'a>(key: Option<&'a str>, path: &'a str, stage: Option<&str>) -> &'a str {
    let matched = key.and_then(|key| key.split_once(' ')).map(|(_, route)| route);
    if let Some(route) = matched
        && ROUTES.iter().any(|known| known.ends_with(&format!(" {route}")))
    {
        return route;
    }
    let staged = stage
        .filter(|stage| *stage != "$default")
        .and_then(|stage| path.strip_prefix('/')?.strip_prefix(stage));
    match staged {
        Some(rest) if rest.starts_with('/') => rest,
        _ => path,
    }
}

/// The body's size. A body that cannot be small enough is not decoded to find out how large it is.
fn body_bytes(event: &Envelope<'_>) -> usize {
    let Some(raw) = event.body.map(RawValue::get) else { return 0 };
    let quoted = raw.len().saturating_sub(2);
    let text = if raw.starts_with('"') && quoted <= MAX_BODY_BYTES * 8 {
        serde_json::from_str::<Cow<'_, str>>(raw).map_or(quoted, |text| text.len())
    } else {
        quoted
    };
    match event.is_base64_encoded {
        Some(true) => text / 4 * 3,
        _ => text,
    }
}

/// An answer as the gateway takes it.
pub fn payload(answer: &Answer) -> String {
    let headers =
        answer.headers.iter().fold(Object::new(), |headers, (name, value)| headers.text(name, value));
    Object::new()
        .number("statusCode", answer.status.into())
        .raw("headers", &headers.end())
        .raw("body", &string(&answer.body))
        .raw("isBase64Encoded", "false")
        .end()
}
