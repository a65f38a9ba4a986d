//! `CloudFront`'s viewer events: what Lambda@Edge is invoked with, and what a function there may have put on the queue.

use std::borrow::Cow;

use serde_json::value::RawValue;

use super::message::{By, Content, Read, Said, usable_id};
use crate::fields::{object, point, text_at};
use crate::moment::Moment;

/// Reads a record: `{"cf":{"config":..,"request":..}}`.
pub(super) fn read(record: &str, at: Moment) -> Read {
    let id = text_at(record, "/cf/config/requestId").map(Cow::into_owned);
    (usable_id(id), content(record, at))
}

fn content(record: &str, at: Moment) -> Result<Content, String> {
    let request = point(record, "/cf/request").ok_or("there is no `cf.request` in it")?;
    let request = object(request, "`cf.request`")?;
    let method = request.text("method")?.ok_or("`cf.request` does not say its `method`")?;
    if !matches!(method.as_ref(), "GET" | "HEAD") {
        return Ok(Content::Nothing);
    }
    let uri = request.text("uri")?.ok_or("`cf.request` does not say its `uri`")?;
    let query = request.text("querystring")?.unwrap_or_default();
    let headers = request.get("headers").map_or("{}", RawValue::get);
    let header = |name: &str| text_at(headers, &format!("/{name}/0/value"));
    let is = |name: &str| header(name).is_some_and(|value| value.trim() == "1");
    let ahead = ["sec-purpose", "purpose", "x-moz"];
    Ok(Content::Hits(vec![Said {
        by: By::Viewer,
        path: if query.is_empty() { uri.into_owned() } else { format!("{uri}?{query}") },
        at: Some(at),
        n: 1,
        address: request.string("clientIp")?.into(),
        agent: header("user-agent").map(Cow::into_owned).into(),
        opted_out: is("dnt") || is("sec-gpc"),
        prefetched: ahead.iter().any(|name| header(name).is_some_and(|value| super::http::is_ahead(&value))),
        ..Said::default()
    }]))
}

/// What `CloudFront` goes on with: the request as it came, or the answer where there is one already.
pub(super) fn unchanged(record: &str) -> String {
    let answer = point(record, "/cf/response").or_else(|| point(record, "/cf/request"));
    answer.unwrap_or("{}").to_owned()
}
