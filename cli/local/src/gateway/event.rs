//! Creates the event of a function from a request, in payload format 2.0 of API Gateway's HTTP APIs.
//!
//! The format is that of the documentation ("Create AWS Lambda proxy integrations for HTTP APIs"), and of events
//! that users published.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::net::IpAddr;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hyper::Version;
use hyper::header::{
    CONTENT_ENCODING, CONTENT_TYPE, COOKIE, EXPECT, HOST, HeaderMap, HeaderName, USER_AGENT,
};
use hyper::http::request::Parts;
use serde::Serialize;

use super::proxy_response::HOP_BY_HOP_HEADERS;
use super::routes::MatchedRoute;
use super::text::percent_decode;
use crate::clock::timestamp;
use crate::ids::trace_root;

/// The data of an event that is not in the request.
pub(super) struct EventContext<'a> {
    pub(super) account: &'a str,
    pub(super) region: &'a str,
    pub(super) api_id: &'a str,
    pub(super) request_id: &'a str,
    pub(super) now_ms: u64,
    pub(super) source: IpAddr,
    pub(super) port: u16,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ProxyEvent<'a> {
    version: &'static str,
    route_key: &'a str,
    raw_path: &'a str,
    raw_query_string: &'a str,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    cookies: Vec<String>,
    headers: BTreeMap<&'a str, Cow<'a, str>>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    query_string_parameters: BTreeMap<Cow<'a, str>, Cow<'a, str>>,
    request_context: RequestContext<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    body: Option<Cow<'a, str>>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    path_parameters: &'a BTreeMap<&'a str, String>,
    is_base64_encoded: bool,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct RequestContext<'a> {
    account_id: &'a str,
    api_id: &'a str,
    domain_name: &'a str,
    domain_prefix: &'a str,
    http: HttpContext<'a>,
    request_id: &'a str,
    route_key: &'a str,
    stage: &'static str,
    time: String,
    time_epoch: u64,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct HttpContext<'a> {
    method: &'a str,
    path: &'a str,
    protocol: &'static str,
    source_ip: String,
    user_agent: &'a str,
}

/// Returns the event of a request, as JSON.
pub(super) fn proxy_event(
    parts: &Parts,
    body: &[u8],
    matched: &MatchedRoute<'_>,
    context: &EventContext<'_>,
) -> Vec<u8> {
    let path = parts.uri.path();
    let query = parts.uri.query().unwrap_or_default();
    let fallback = format!("{}.execute-api.{}.amazonaws.com", context.api_id, context.region);
    let domain = header(&parts.headers, &HOST).or(parts.uri.host()).unwrap_or(&fallback);
    let (body, is_base64_encoded) = encode(&parts.headers, body);
    let event = ProxyEvent {
        version: "2.0",
        route_key: matched.key,
        raw_path: path,
        raw_query_string: query,
        cookies: cookies(&parts.headers),
        headers: headers(&parts.headers, domain, body.is_some(), context),
        query_string_parameters: query_parameters(query),
        request_context: RequestContext {
            account_id: context.account,
            api_id: context.api_id,
            domain_name: domain,
            domain_prefix: domain.split(['.', ':']).next().unwrap_or_default(),
            http: HttpContext {
                method: parts.method.as_str(),
                path,
                protocol: if parts.version == Version::HTTP_10 { "HTTP/1.0" } else { "HTTP/1.1" },
                source_ip: context.source.to_string(),
                user_agent: header(&parts.headers, &USER_AGENT).unwrap_or_default(),
            },
            request_id: context.request_id,
            route_key: matched.key,
            stage: "$default",
            // For example `12/Mar/2020:19:03:58 +0000`.
            time: timestamp(context.now_ms).strftime("%d/%b/%Y:%H:%M:%S +0000").to_string(),
            time_epoch: context.now_ms,
        },
        body,
        path_parameters: &matched.variables,
        is_base64_encoded,
    };
    // Cannot fail: all map keys are text.
    serde_json::to_vec(&event).unwrap_or_default()
}

fn header<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a str> {
    headers.get(name).and_then(|value| str::from_utf8(value.as_bytes()).ok())
}

fn cookies(headers: &HeaderMap) -> Vec<String> {
    let trimmed = |text: Cow<'_, str>| -> Vec<String> {
        text.split(';').map(str::trim).filter(|cookie| !cookie.is_empty()).map(str::to_owned).collect()
    };
    headers.get_all(COOKIE).iter().flat_map(|it| trimmed(String::from_utf8_lossy(it.as_bytes()))).collect()
}

/// Returns the headers with lower-case names. Duplicates are joined with commas.
///
/// In published events, every event has a `content-length` header, and the gateway sets `x-forwarded-*` and
/// `x-amzn-trace-id`. On AWS, `x-forwarded-proto` and `x-forwarded-port` are `https` and 443; here they are `http`
/// and the local port.
fn headers<'a>(
    headers: &'a HeaderMap,
    domain: &'a str,
    has_body: bool,
    context: &EventContext<'_>,
) -> BTreeMap<&'a str, Cow<'a, str>> {
    let mut all: BTreeMap<&str, Cow<'_, str>> = BTreeMap::new();
    for (name, value) in headers {
        // Cookies have their own field in the event.
        if HOP_BY_HOP_HEADERS.contains(&name.as_str()) || name == COOKIE || name == EXPECT {
            continue;
        }
        let value = String::from_utf8_lossy(value.as_bytes());
        all.entry(name.as_str())
            .and_modify(|joined| *joined = Cow::Owned(format!("{joined},{value}")))
            .or_insert(value);
    }
    if !has_body {
        all.entry("content-length").or_insert(Cow::Borrowed("0"));
    }
    all.entry("host").or_insert(Cow::Borrowed(domain));
    let source = context.source.to_string();
    let forwarded =
        all.get("x-forwarded-for").map_or_else(|| source.clone(), |before| format!("{before}, {source}"));
    all.insert("x-forwarded-for", Cow::Owned(forwarded));
    all.insert("x-forwarded-port", Cow::Owned(context.port.to_string()));
    all.insert("x-forwarded-proto", Cow::Borrowed("http"));
    all.entry("x-amzn-trace-id").or_insert_with(|| Cow::Owned(trace_root(context.now_ms)));
    all
}

/// Returns the decoded query parameters. Duplicates are joined with commas.
fn query_parameters(query: &str) -> BTreeMap<Cow<'_, str>, Cow<'_, str>> {
    let mut all: BTreeMap<Cow<'_, str>, Cow<'_, str>> = BTreeMap::new();
    for pair in query.split('&').filter(|pair| !pair.is_empty()) {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        let value = percent_decode(value, true);
        all.entry(percent_decode(name, true))
            .and_modify(|joined| *joined = Cow::Owned(format!("{joined},{value}")))
            .or_insert(value);
    }
    all
}

/// Returns the body as text, or in base64 if it is not text. An empty body becomes `None`.
fn encode<'a>(headers: &HeaderMap, body: &'a [u8]) -> (Option<Cow<'a, str>>, bool) {
    if body.is_empty() {
        return (None, false);
    }
    let is_text =
        !headers.contains_key(CONTENT_ENCODING) && header(headers, &CONTENT_TYPE).is_none_or(is_text_type);
    match str::from_utf8(body).ok().filter(|_| is_text) {
        Some(text) => (Some(Cow::Borrowed(text)), false),
        None => (Some(Cow::Owned(STANDARD.encode(body))), true),
    }
}

/// Whether HTTP APIs pass on a body of this type as text. They pass on a form in base64.
fn is_text_type(content_type: &str) -> bool {
    let essence = content_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    essence.starts_with("text/")
        || matches!(essence.as_str(), "application/json" | "application/javascript" | "application/xml")
        || essence.ends_with("+json")
        || essence.ends_with("+xml")
}

#[cfg(test)]
mod tests {
    use super::*;
    use hyper::Request;
    use serde_json::json;

    fn context() -> EventContext<'static> {
        EventContext {
            account: "123456789012",
            region: "us-east-1",
            api_id: "api-id",
            request_id: "id",
            now_ms: 1_583_348_638_390,
            source: IpAddr::from([192, 0, 2, 1]),
            port: 4487,
        }
    }

    fn event_of(request: Request<()>, body: &[u8], matched: &MatchedRoute<'_>) -> serde_json::Value {
        let (parts, ()) = request.into_parts();
        serde_json::from_slice(&proxy_event(&parts, body, matched, &context())).unwrap()
    }

    fn default_route() -> MatchedRoute<'static> {
        MatchedRoute { key: "$default", variables: BTreeMap::new() }
    }

    /// Compares with the example of the documentation, without its authorizer, client certificate and stage
    /// variables, which local APIs do not have, and with the additional headers of a real request.
    #[test]
    fn event_matches_example_of_aws_documentation() {
        let request = Request::post("/my/path?parameter1=value1&parameter1=value2&parameter2=value")
            .header("Host", "id.execute-api.us-east-1.amazonaws.com")
            .header("Cookie", "cookie1; cookie2")
            .header("Header1", "value1")
            .header("Header2", "value1")
            .header("header2", "value2")
            .header("User-Agent", "agent")
            .header("Content-Type", "text/plain")
            .header("Content-Length", "17")
            .header("Connection", "keep-alive")
            .header("X-Amzn-Trace-Id", "Root=1-5e5ffb9e-000000000000000000000000")
            .body(())
            .unwrap();
        let matched = MatchedRoute {
            key: "$default",
            variables: BTreeMap::from([("parameter1", "value1".to_owned())]),
        };
        assert_eq!(
            event_of(request, b"Hello from Lambda", &matched),
            json!({
                "version": "2.0",
                "routeKey": "$default",
                "rawPath": "/my/path",
                "rawQueryString": "parameter1=value1&parameter1=value2&parameter2=value",
                "cookies": ["cookie1", "cookie2"],
                "headers": {
                    "content-length": "17",
                    "content-type": "text/plain",
                    "header1": "value1",
                    "header2": "value1,value2",
                    "host": "id.execute-api.us-east-1.amazonaws.com",
                    "user-agent": "agent",
                    "x-amzn-trace-id": "Root=1-5e5ffb9e-000000000000000000000000",
                    "x-forwarded-for": "192.0.2.1",
                    "x-forwarded-port": "4487",
                    "x-forwarded-proto": "http",
                },
                "queryStringParameters": { "parameter1": "value1,value2", "parameter2": "value" },
                "requestContext": {
                    "accountId": "123456789012",
                    "apiId": "api-id",
                    "domainName": "id.execute-api.us-east-1.amazonaws.com",
                    "domainPrefix": "id",
                    "http": {
                        "method": "POST",
                        "path": "/my/path",
                        "protocol": "HTTP/1.1",
                        "sourceIp": "192.0.2.1",
                        "userAgent": "agent",
                    },
                    "requestId": "id",
                    "routeKey": "$default",
                    "stage": "$default",
                    "time": "04/Mar/2020:19:03:58 +0000",
                    "timeEpoch": 1_583_348_638_390_u64,
                },
                "body": "Hello from Lambda",
                "pathParameters": { "parameter1": "value1" },
                "isBase64Encoded": false,
            })
        );
    }

    #[test]
    fn event_of_plain_get_has_no_body_cookies_or_parameters() {
        let event = event_of(Request::get("/a%20b").body(()).unwrap(), b"", &default_route());
        for absent in ["body", "cookies", "queryStringParameters", "pathParameters"] {
            assert!(event.get(absent).is_none(), "{absent}");
        }
        assert_eq!(event["rawPath"], "/a%20b");
        assert_eq!(event["rawQueryString"], "");
        assert_eq!(event["headers"]["content-length"], "0");
        assert_eq!(event["requestContext"]["domainName"], "api-id.execute-api.us-east-1.amazonaws.com");
        assert_eq!(event["requestContext"]["domainPrefix"], "api-id");
    }

    #[test]
    fn event_has_raw_query_and_decoded_parameters() {
        let event =
            event_of(Request::get("/?path=%2Fx&path=a+b&&flag&=v").body(()).unwrap(), b"", &default_route());
        assert_eq!(event["rawQueryString"], "path=%2Fx&path=a+b&&flag&=v");
        assert_eq!(event["queryStringParameters"], json!({ "path": "/x,a b", "flag": "", "": "v" }));
    }

    #[test]
    fn event_with_binary_body_has_it_in_base64() {
        let cases: [(Option<&str>, &[u8], bool); 9] = [
            (None, b"x", false),
            (None, b"\xff", true),
            (Some("text/plain;charset=UTF-8"), b"x", false),
            (Some("text/plain"), b"\xff", true),
            (Some("application/json"), b"{}", false),
            (Some("application/problem+json"), b"{}", false),
            (Some("application/x-www-form-urlencoded"), b"a=b", true),
            (Some("application/octet-stream"), b"x", true),
            (Some("image/svg+xml"), b"<svg/>", false),
        ];
        for (content_type, body, encoded) in cases {
            let mut request = Request::post("/").body(()).unwrap();
            if let Some(content_type) = content_type {
                request.headers_mut().insert(CONTENT_TYPE, content_type.parse().unwrap());
            }
            let event = event_of(request, body, &default_route());
            assert_eq!(event["isBase64Encoded"], encoded, "{content_type:?}");
            let expected =
                if encoded { STANDARD.encode(body) } else { String::from_utf8(body.to_vec()).unwrap() };
            assert_eq!(event["body"], expected, "{content_type:?}");
        }
    }

    #[test]
    fn event_appends_caller_to_x_forwarded_for() {
        let request = Request::get("/").header("x-forwarded-for", "203.0.113.9").body(()).unwrap();
        assert_eq!(
            event_of(request, b"", &default_route())["headers"]["x-forwarded-for"],
            "203.0.113.9, 192.0.2.1"
        );
    }
}
