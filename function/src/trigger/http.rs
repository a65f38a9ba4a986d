//! Payload format 2.0, which API Gateway's HTTP APIs and Lambda's function URLs share: event in, answer out.

use std::borrow::Cow;

use hitctl_config::contract::{MAX_BODY_BYTES, ROUTES, STATS_ROUTES};
use serde_json::value::RawValue;

use super::Envelope;
use crate::http::{Answer, Headers, Request};
use crate::json::{Object, string};

/// The request of an event, if it is one of payload 2.0.
pub(super) fn request(event: &Envelope<'_>) -> Option<Request> {
    let context = event.request_context.as_ref()?;
    let http = context.http.as_ref()?;
    let body = body(event);
    let path = event.raw_path.as_deref().or(http.path.as_deref()).unwrap_or("/");
    Some(Request {
        method: http.method.clone()?,
        route: route(event.route_key.as_deref(), path, context.stage.as_deref()).to_owned(),
        query: event.raw_query_string.clone().unwrap_or_default(),
        headers: event.headers.as_ref().map(headers).unwrap_or_default(),
        source_address: http.source_ip.clone().into(),
        body_bytes: body.as_ref().map_or_else(|bytes| *bytes, Vec::len),
        body: body.unwrap_or_default(),
    })
}

fn headers(sent: &super::Headers) -> Headers {
    let is = |header: &Option<String>, word: &str| {
        header.as_deref().is_some_and(|text| text.trim().eq_ignore_ascii_case(word))
    };
    let fetches_ahead = |header: &Option<String>| header.as_deref().is_some_and(is_ahead);
    Headers {
        origin: sent.origin.clone(),
        referer: sent.referer.clone().into(),
        user_agent: sent.user_agent.clone().into(),
        viewer_address: sent.viewer_address.clone().into(),
        origin_secret: sent.origin_secret.clone().into(),
        if_none_match: sent.if_none_match.clone(),
        opted_out: is(&sent.dnt, "1") || is(&sent.sec_gpc, "1"),
        prefetched: [&sent.sec_purpose, &sent.purpose, &sent.x_moz].into_iter().any(fetches_ahead),
    }
}

/// Whether a header says that the page is fetched ahead. `prefetch;prerender` is what a browser sends that prepares a page
/// which nobody may ever see.
pub(super) fn is_ahead(header: &str) -> bool {
    header
        .split([';', ','])
        .any(|word| ["prefetch", "prerender", "preview"].contains(&word.trim().to_ascii_lowercase().as_str()))
}

/// The route's path: what the gateway matched, which a stage or a domain's mapping cannot prefix; behind a function
/// URL (route key `$default`) the path itself.
fn route<'a>(key: Option<&'a str>, path: &'a str, stage: Option<&str>) -> &'a str {
    let matched = key.and_then(|key| key.split_once(' ')).map(|(_, route)| route);
    if let Some(route) = matched
        && ROUTES.iter().chain(STATS_ROUTES).any(|known| known.ends_with(&format!(" {route}")))
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

/// The body, decoded, or its size, about, if that is beyond what any route takes: such a body is not decoded to find out
/// how large it is.
fn body(event: &Envelope<'_>) -> Result<Vec<u8>, usize> {
    let Some(raw) = event.body.map(RawValue::get) else { return Ok(Vec::new()) };
    let quoted = raw.len().saturating_sub(2);
    if !raw.starts_with('"') || quoted > MAX_BODY_BYTES * 8 {
        return Err(quoted);
    }
    let text = serde_json::from_str::<Cow<'_, str>>(raw).map_err(|_| quoted)?;
    let body = match event.is_base64_encoded {
        // What is no base64 is no text of a page either; as it is, it is refused with words.
        Some(true) => base64(&text).unwrap_or_else(|| text.as_bytes().to_vec()),
        _ => text.as_bytes().to_vec(),
    };
    if body.len() > MAX_BODY_BYTES { Err(body.len()) } else { Ok(body) }
}

/// Decodes base64 with the usual alphabet; `None` if it is none.
fn base64(text: &str) -> Option<Vec<u8>> {
    let digits = text.trim_end_matches('=').as_bytes();
    let mut bytes = Vec::with_capacity(digits.len() / 4 * 3 + 2);
    for group in digits.chunks(4) {
        let mut bits = 0_u32;
        for digit in group {
            let value = match digit {
                b'A'..=b'Z' => digit - b'A',
                b'a'..=b'z' => digit - b'a' + 26,
                b'0'..=b'9' => digit - b'0' + 52,
                b'+' => 62,
                b'/' => 63,
                _ => return None,
            };
            bits = bits << 6 | u32::from(value);
        }
        bits <<= 6 * (4 - group.len());
        let [_, whole @ ..] = bits.to_be_bytes();
        // One digit alone holds no byte.
        bytes.extend(&whole[..group.len().checked_sub(1).filter(|n| *n > 0)?]);
    }
    Some(bytes)
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
