//! Converts the result of a function to an HTTP response, as the documentation of payload format 2.0 defines it.

use std::borrow::Cow;
use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use hyper::header::{CONTENT_LENGTH, CONTENT_TYPE, HeaderName, HeaderValue, SET_COOKIE};
use hyper::{Response, StatusCode};
use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::Value;

use crate::response;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ProxyResponse<'a> {
    status_code: Option<StatusValue>,
    #[serde(default)]
    headers: Option<BTreeMap<String, Value>>,
    #[serde(default)]
    cookies: Option<Vec<String>>,
    #[serde(borrow, default)]
    body: Option<Cow<'a, str>>,
    #[serde(default)]
    is_base64_encoded: Option<bool>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum StatusValue {
    Number(u16),
    Text(String),
}

/// Tells whether a result that is not a valid response has a `statusCode`.
#[derive(Deserialize)]
struct StatusProbe {
    #[serde(rename = "statusCode")]
    status_code: Option<IgnoredAny>,
}

/// Hop-by-hop headers: they belong to one connection and are not forwarded.
pub(super) const HOP_BY_HOP_HEADERS: &[&str] =
    &["connection", "keep-alive", "proxy-connection", "te", "trailer", "transfer-encoding", "upgrade"];

/// Returns the HTTP response for the result of a function, or `None` if the result is not valid.
///
/// A JSON object with a `statusCode` is a response. If it has no content type, it gets
/// `text/plain; charset=utf-8`, as published responses of HTTP APIs have it. Any other valid JSON is a body, with
/// status 200 and `content-type: application/json`; a JSON string is sent without its quotes. A result that is not
/// JSON, or has a `statusCode` and fields of a wrong type, is not valid.
pub(super) fn http_response(payload: &Bytes) -> Option<Response<Bytes>> {
    match serde_json::from_slice::<ProxyResponse<'_>>(payload) {
        Ok(ProxyResponse { status_code: Some(status), headers, cookies, body, is_base64_encoded }) => {
            let mut response = Response::new(Bytes::new());
            *response.status_mut() = status_code_of(&status)?;
            *response.body_mut() = match (body, is_base64_encoded.unwrap_or_default()) {
                (None, _) => Bytes::new(),
                (Some(body), true) => STANDARD.decode(body.as_bytes()).ok()?.into(),
                (Some(body), false) => body.into_owned().into(),
            };
            set_headers(&mut response, headers.unwrap_or_default(), cookies.unwrap_or_default())?;
            Some(response)
        }
        Ok(_) => Some(json_response(payload.clone())),
        Err(_) => match serde_json::from_slice::<StatusProbe>(payload) {
            Ok(StatusProbe { status_code: Some(IgnoredAny) }) => None,
            _ => match serde_json::from_slice::<Value>(payload).ok()? {
                Value::String(text) => Some(json_response(text.into())),
                _ => Some(json_response(payload.clone())),
            },
        },
    }
}

fn json_response(body: Bytes) -> Response<Bytes> {
    response::json(StatusCode::OK, body)
}

fn status_code_of(status: &StatusValue) -> Option<StatusCode> {
    let number = match status {
        StatusValue::Number(number) => *number,
        StatusValue::Text(text) => text.parse().ok()?,
    };
    StatusCode::from_u16(number).ok().filter(|status| (200..600).contains(&status.as_u16()))
}

fn set_headers(
    response: &mut Response<Bytes>,
    headers: BTreeMap<String, Value>,
    cookies: Vec<String>,
) -> Option<()> {
    let all = response.headers_mut();
    for (name, value) in headers {
        let value = match value {
            Value::String(text) => text,
            Value::Number(_) | Value::Bool(_) => value.to_string(),
            Value::Null => continue,
            Value::Array(_) | Value::Object(_) => return None,
        };
        let name = HeaderName::try_from(name).ok()?;
        // Hyper writes the length itself.
        if !HOP_BY_HOP_HEADERS.contains(&name.as_str()) && name != CONTENT_LENGTH {
            all.insert(name, HeaderValue::try_from(value).ok()?);
        }
    }
    for cookie in cookies {
        all.append(SET_COOKIE, HeaderValue::try_from(cookie).ok()?);
    }
    all.entry(CONTENT_TYPE).or_insert(HeaderValue::from_static("text/plain; charset=utf-8"));
    Some(())
}

#[cfg(test)]
mod tests {
    use super::*;

    type ResponseParts = (u16, Vec<(String, String)>, String);

    fn response_parts(payload: &str) -> Option<ResponseParts> {
        let response = http_response(&Bytes::copy_from_slice(payload.as_bytes()))?;
        let headers = response
            .headers()
            .iter()
            .map(|(name, value)| (name.to_string(), value.to_str().unwrap().to_owned()))
            .collect();
        Some((response.status().as_u16(), headers, String::from_utf8(response.body().to_vec()).unwrap()))
    }

    fn pairs(headers: &[(&str, &str)]) -> Vec<(String, String)> {
        headers.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    #[test]
    fn http_response_of_object_with_status_uses_its_fields() {
        let payload = r#"{"statusCode":201,"headers":{"Content-Type":"text/html","X-Number":7,"Content-Length":"99"},
            "cookies":["a=1; Secure","b=2"],"body":"<p>","isBase64Encoded":false}"#;
        let headers = pairs(&[
            ("content-type", "text/html"),
            ("x-number", "7"),
            ("set-cookie", "a=1; Secure"),
            ("set-cookie", "b=2"),
        ]);
        assert_eq!(response_parts(payload), Some((201, headers, "<p>".to_owned())));
        let plain = pairs(&[("content-type", "text/plain; charset=utf-8")]);
        assert_eq!(response_parts(r#"{"statusCode":"404"}"#), Some((404, plain.clone(), String::new())));
        assert_eq!(
            response_parts(r#"{"statusCode":200,"body":"aGk=","isBase64Encoded":true}"#),
            Some((200, plain, "hi".to_owned()))
        );
    }

    #[test]
    fn http_response_of_json_without_status_has_it_as_body() {
        let json = pairs(&[("content-type", "application/json")]);
        for payload in [r#"{"message":"hi"}"#, r#"{"body":7}"#, "[1,2]", "42", "null", "{}"] {
            assert_eq!(response_parts(payload), Some((200, json.clone(), payload.to_owned())), "{payload}");
        }
        assert_eq!(
            response_parts(r#""Hello from Lambda!""#),
            Some((200, json, "Hello from Lambda!".to_owned()))
        );
    }

    #[test]
    fn http_response_of_malformed_result_is_none() {
        for payload in [
            "",
            "hello",
            r#"{"statusCode":200"#,
            r#"{"statusCode":99}"#,
            r#"{"statusCode":101}"#,
            r#"{"statusCode":600}"#,
            r#"{"statusCode":"x"}"#,
            r#"{"statusCode":200,"body":{"a":1}}"#,
            r#"{"statusCode":200,"headers":{"a":["b"]}}"#,
            r#"{"statusCode":200,"headers":{"a b":"c"}}"#,
            "{\"statusCode\":200,\"headers\":{\"a\":\"b\\nc\"}}",
            r#"{"statusCode":200,"body":"???","isBase64Encoded":true}"#,
            r#"{"statusCode":200,"cookies":"a"}"#,
        ] {
            assert_eq!(response_parts(payload), None, "{payload}");
        }
    }
}
