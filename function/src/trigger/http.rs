//! Payload format 2.0, which API Gateway's HTTP APIs and Lambda's function URLs share: event in, answer out.

use hitctl_config::contract::{
    COUNTING_ROUTES, HEADER_ORIGIN_SECRET, MAX_BODY_BYTES, READING_ROUTES, STATS_ROUTES,
};
use serde_json::value::RawValue;

use crate::fields::{Field, Fields, read_text};
use crate::http::{Answer, FetchSite, Headers, Request};
use crate::json::{Object, string};

/// The request of an event, if it is one of payload 2.0.
pub(super) fn request(event: &Fields<'_>) -> Result<Option<Request>, String> {
    let Some(context) = event.object("requestContext")? else { return Ok(None) };
    let Some(http) = context.object("http")? else { return Ok(None) };
    let Some(method) = http.string("method")? else { return Ok(None) };
    let path = match event.text("rawPath")? {
        Some(path) => path,
        None => http.text("path")?.unwrap_or("/".into()),
    };
    let is_base64 = event.get("isBase64Encoded").is_some_and(|raw| raw.get() == "true");
    let body = body(event.get("body"), is_base64);
    Ok(Some(Request {
        method,
        route: route(event.text("routeKey")?.as_deref(), &path, context.text("stage")?.as_deref()).to_owned(),
        query: event.string("rawQueryString")?.unwrap_or_default(),
        headers: event.object("headers")?.map_or_else(|| Ok(Headers::default()), |sent| headers(&sent))?,
        source_address: http.string("sourceIp")?.into(),
        body_bytes: body.as_ref().map_or_else(|bytes| *bytes, Vec::len),
        body: body.unwrap_or_default(),
    }))
}

/// HTTP APIs and function URLs send header names in lower case.
fn headers(sent: &Fields<'_>) -> Result<Headers, String> {
    let is = |name: &str| Ok::<_, String>(sent.text(name)?.is_some_and(|text| text.trim() == "1"));
    let fetches_ahead = |name: &str| Ok::<_, String>(sent.text(name)?.is_some_and(|text| is_ahead(&text)));
    Ok(Headers {
        origin: sent.string("origin")?,
        referer: sent.string("referer")?.into(),
        user_agent: sent.string("user-agent")?.into(),
        viewer_address: sent.string("cloudfront-viewer-address")?.into(),
        origin_secret: sent.string(HEADER_ORIGIN_SECRET)?.into(),
        if_none_match: sent.string("if-none-match")?,
        fetch_site: sent.text("sec-fetch-site")?.map_or(FetchSite::Unknown, |site| FetchSite::parse(&site)),
        opted_out: is("dnt")? || is("sec-gpc")?,
        prefetched: fetches_ahead("sec-purpose")? || fetches_ahead("purpose")? || fetches_ahead("x-moz")?,
    })
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

/// The body, decoded, or its size, about, if that is beyond what any route takes: such a body is not decoded to find out
/// how large it is.
fn body(field: Field<'_>, is_base64: bool) -> Result<Vec<u8>, usize> {
    let Some(raw) = field.map(RawValue::get).filter(|raw| *raw != "null") else { return Ok(Vec::new()) };
    let quoted = raw.len().saturating_sub(2);
    if !raw.starts_with('"') || quoted > MAX_BODY_BYTES * 8 {
        return Err(quoted);
    }
    let text = read_text(raw).ok_or(quoted)?;
    // What is no base64 is no text of a page either; as it is, it is refused with words.
    let decoded = if is_base64 { base64(&text) } else { None };
    let body = decoded.unwrap_or_else(|| text.into_owned().into_bytes());
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
