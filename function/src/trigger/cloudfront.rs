//! Parses CloudFront's viewer events. They invoke this function through Lambda@Edge, or another Lambda@Edge
//! function has sent them to the queue.

use std::borrow::Cow;

use serde_json::value::RawValue;

use super::message::{HitSource, IncomingHit, ParsedContent, ParsedMessage, usable_id};
use crate::fields::{object, text_at, value_at};
use crate::moment::Moment;

/// Parses a record: `{"cf":{"config":..,"request":..}}`.
pub(super) fn read(record: &str, at: Moment) -> ParsedMessage {
    let id = text_at(record, "/cf/config/requestId").map(Cow::into_owned);
    (usable_id(id), content(record, at))
}

fn content(record: &str, at: Moment) -> Result<ParsedContent, String> {
    let request = value_at(record, "/cf/request").ok_or("`cf.request` is missing")?;
    let request = object(request, "`cf.request`")?;
    let method = request.text("method")?.ok_or("`cf.request.method` is missing")?;
    if !matches!(method.as_ref(), "GET" | "HEAD") {
        return Ok(ParsedContent::Nothing);
    }
    let uri = request.text("uri")?.ok_or("`cf.request.uri` is missing")?;
    let query = request.text("querystring")?.unwrap_or_default();
    let headers = request.get("headers").map_or("{}", RawValue::get);
    let header = |name: &str| text_at(headers, &format!("/{name}/0/value"));
    let is_one = |name: &str| header(name).is_some_and(|value| value.trim() == "1");
    let prefetch_headers = ["sec-purpose", "purpose", "x-moz"];
    Ok(ParsedContent::Hits(vec![IncomingHit {
        by: HitSource::Viewer,
        path: if query.is_empty() { uri.into_owned() } else { format!("{uri}?{query}") },
        at: Some(at),
        n: 1,
        address: request.string("clientIp")?.into(),
        agent: header("user-agent").map(Cow::into_owned).into(),
        opted_out: is_one("dnt") || is_one("sec-gpc"),
        prefetched: prefetch_headers
            .iter()
            .any(|name| header(name).is_some_and(|value| super::http::is_prefetch(&value))),
        ..IncomingHit::default()
    }]))
}

/// Returns the reply to CloudFront: the record's response if it has one, otherwise its request, unchanged.
pub(super) fn unchanged_request(record: &str) -> String {
    let response = value_at(record, "/cf/response").or_else(|| value_at(record, "/cf/request"));
    response.unwrap_or("{}").to_owned()
}
