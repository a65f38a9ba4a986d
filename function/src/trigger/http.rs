//! Parses events and writes responses in payload format 2.0, which API Gateway's HTTP APIs and Lambda's function
//! URLs share.

use hitctl_config::contract::{
    COUNTING_ROUTES, HEADER_ORIGIN_SECRET, MAX_BODY_BYTES, READING_ROUTES, STATS_ROUTES,
};
use serde_json::value::RawValue;

use crate::fields::{RawField, RawFields, read_text};
use crate::http::{CounterRequest, CounterResponse, FetchSite, RequestHeaders};
use crate::json::{JsonObject, string};

/// Returns the request of an event; `None` if the event is not in payload format 2.0.
pub(super) fn request(event: &RawFields<'_>) -> Result<Option<CounterRequest>, String> {
    let Some(context) = event.object("requestContext")? else { return Ok(None) };
    let Some(http) = context.object("http")? else { return Ok(None) };
    let Some(method) = http.string("method")? else { return Ok(None) };
    let path = match event.text("rawPath")? {
        Some(path) => path,
        None => http.text("path")?.unwrap_or("/".into()),
    };
    let is_base64 = event.get("isBase64Encoded").is_some_and(|raw| raw.get() == "true");
    let body = body(event.get("body"), is_base64);
    Ok(Some(CounterRequest {
        method,
        route: route(event.text("routeKey")?.as_deref(), &path, context.text("stage")?.as_deref()).to_owned(),
        query: event.string("rawQueryString")?.unwrap_or_default(),
        headers: event
            .object("headers")?
            .map_or_else(|| Ok(RequestHeaders::default()), |sent| headers(&sent))?,
        source_address: http.string("sourceIp")?.into(),
        body_bytes: body.as_ref().map_or_else(|bytes| *bytes, Vec::len),
        body: body.unwrap_or_default(),
    }))
}

/// Reads the headers; HTTP APIs and function URLs send their names in lower case.
fn headers(sent: &RawFields<'_>) -> Result<RequestHeaders, String> {
    let is_one = |name: &str| Ok::<_, String>(sent.text(name)?.is_some_and(|text| text.trim() == "1"));
    let fetches_ahead = |name: &str| Ok::<_, String>(sent.text(name)?.is_some_and(|text| is_prefetch(&text)));
    Ok(RequestHeaders {
        origin: sent.string("origin")?,
        referer: sent.string("referer")?.into(),
        user_agent: sent.string("user-agent")?.into(),
        viewer_address: sent.string("cloudfront-viewer-address")?.into(),
        origin_secret: sent.string(HEADER_ORIGIN_SECRET)?.into(),
        if_none_match: sent.string("if-none-match")?,
        fetch_site: sent.text("sec-fetch-site")?.map_or(FetchSite::Unknown, |site| FetchSite::parse(&site)),
        opted_out: is_one("dnt")? || is_one("sec-gpc")?,
        prefetched: fetches_ahead("sec-purpose")? || fetches_ahead("purpose")? || fetches_ahead("x-moz")?,
    })
}

/// Returns whether a header marks a prefetch. Browsers send `prefetch;prerender` when they prepare a page
/// that may never be seen.
pub(super) fn is_prefetch(header: &str) -> bool {
    header
        .split([';', ','])
        .any(|word| ["prefetch", "prerender", "preview"].contains(&word.trim().to_ascii_lowercase().as_str()))
}

/// Returns the path of the route: the path that the gateway matched, without the stage or the base path of a
/// domain. Behind a function URL (route key `$default`), it is the request path.
fn route<'a>(key: Option<&'a str>, path: &'a str, stage: Option<&str>) -> &'a str {
    let matched = key.and_then(|key| key.split_once(' ')).map(|(_, route)| route);
    if let Some(route) = matched
        && [COUNTING_ROUTES, READING_ROUTES, STATS_ROUTES]
            .into_iter()
            .flatten()
            .any(|known| known.ends_with(&format!(" {route}")))
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

/// Returns the decoded body. If it is larger than any route accepts, returns its approximate size as the error,
/// because such a body is not decoded.
fn body(field: RawField<'_>, is_base64: bool) -> Result<Vec<u8>, usize> {
    let Some(raw) = field.map(RawValue::get).filter(|raw| *raw != "null") else { return Ok(Vec::new()) };
    let quoted = raw.len().saturating_sub(2);
    if !raw.starts_with('"') || quoted > MAX_BODY_BYTES * 8 {
        return Err(quoted);
    }
    let text = read_text(raw).ok_or(quoted)?;
    // A body that is not base64 was not sent by a page; it is passed on unchanged, so that the route rejects
    // it with a message.
    let decoded = if is_base64 { base64(&text) } else { None };
    let body = decoded.unwrap_or_else(|| text.into_owned().into_bytes());
    if body.len() > MAX_BODY_BYTES { Err(body.len()) } else { Ok(body) }
}

/// Decodes base64 with the standard alphabet; `None` if the text is invalid.
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
        // A group of one digit contains no whole byte, so it is invalid.
        bytes.extend(&whole[..group.len().checked_sub(1).filter(|n| *n > 0)?]);
    }
    Some(bytes)
}

/// Returns a response in the gateway's format.
pub fn payload(response: &CounterResponse) -> String {
    let headers =
        response.headers.iter().fold(JsonObject::new(), |headers, (name, value)| headers.text(name, value));
    JsonObject::new()
        .number("statusCode", response.status.into())
        .raw("headers", &headers.end())
        .raw("body", &string(&response.body))
        .raw("isBase64Encoded", "false")
        .end()
}
