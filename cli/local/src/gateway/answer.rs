//! From what a function returns to an HTTP answer: payload format 2.0.
//!
//! As documented: a JSON object with a `statusCode` is an answer; any other valid JSON is a body, with status 200 and
//! `content-type: application/json`; text comes without its quotes. What is no JSON, or has a `statusCode` and fields of
//! a wrong shape, is answered 500. An answer without a content type gets `text/plain; charset=utf-8`, as in published
//! responses of HTTP APIs.

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
struct Answer<'a> {
    status_code: Option<Status>,
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
enum Status {
    Number(u16),
    Text(String),
}

#[derive(Deserialize)]
struct Probe {
    #[serde(rename = "statusCode")]
    status_code: Option<IgnoredAny>,
}

/// Headers that belong to one connection, and not to what is sent over it.
pub(super) const OF_CONNECTION: &[&str] =
    &["connection", "keep-alive", "proxy-connection", "te", "trailer", "transfer-encoding", "upgrade"];

/// The HTTP answer; `None` when what the function returned is none.
pub(super) fn answer(payload: &Bytes) -> Option<Response<Bytes>> {
    match serde_json::from_slice::<Answer<'_>>(payload) {
        Ok(Answer { status_code: Some(status), headers, cookies, body, is_base64_encoded }) => {
            let mut response = Response::new(Bytes::new());
            *response.status_mut() = code(&status)?;
            *response.body_mut() = match (body, is_base64_encoded.unwrap_or_default()) {
                (None, _) => Bytes::new(),
                (Some(body), true) => STANDARD.decode(body.as_bytes()).ok()?.into(),
                (Some(body), false) => body.into_owned().into(),
            };
            set_headers(&mut response, headers.unwrap_or_default(), cookies.unwrap_or_default())?;
            Some(response)
        }
        Ok(_) => Some(inferred(payload.clone())),
        Err(_) => match serde_json::from_slice::<Probe>(payload) {
            Ok(Probe { status_code: Some(IgnoredAny) }) => None,
            _ => match serde_json::from_slice::<Value>(payload).ok()? {
                Value::String(text) => Some(inferred(text.into())),
                _ => Some(inferred(payload.clone())),
            },
        },
    }
}

fn inferred(body: Bytes) -> Response<Bytes> {
    response::json(StatusCode::OK, body)
}

fn code(status: &Status) -> Option<StatusCode> {
    let number = match status {
        Status::Number(number) => *number,
        Status::Text(text) => text.parse().ok()?,
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
        if !OF_CONNECTION.contains(&name.as_str()) && name != CONTENT_LENGTH {
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

    type Told = (u16, Vec<(String, String)>, String);

    fn told(payload: &str) -> Option<Told> {
        let response = answer(&Bytes::copy_from_slice(payload.as_bytes()))?;
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
    fn an_answer_with_a_status_is_taken_as_it_is() {
        let payload = r#"{"statusCode":201,"headers":{"Content-Type":"text/html","X-Number":7,"Content-Length":"99"},
            "cookies":["a=1; Secure","b=2"],"body":"<p>","isBase64Encoded":false}"#;
        let headers = pairs(&[
            ("content-type", "text/html"),
            ("x-number", "7"),
            ("set-cookie", "a=1; Secure"),
            ("set-cookie", "b=2"),
        ]);
        assert_eq!(told(payload), Some((201, headers, "<p>".to_owned())));
        let plain = pairs(&[("content-type", "text/plain; charset=utf-8")]);
        assert_eq!(told(r#"{"statusCode":"404"}"#), Some((404, plain.clone(), String::new())));
        assert_eq!(
            told(r#"{"statusCode":200,"body":"aGk=","isBase64Encoded":true}"#),
            Some((200, plain, "hi".to_owned()))
        );
    }

    #[test]
    fn without_a_status_the_json_is_the_body() {
        let json = pairs(&[("content-type", "application/json")]);
        for payload in [r#"{"message":"hi"}"#, r#"{"body":7}"#, "[1,2]", "42", "null", "{}"] {
            assert_eq!(told(payload), Some((200, json.clone(), payload.to_owned())), "{payload}");
        }
        assert_eq!(told(r#""Hello from Lambda!""#), Some((200, json, "Hello from Lambda!".to_owned())));
    }

    #[test]
    fn malformed_answers_are_none() {
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
            assert_eq!(told(payload), None, "{payload}");
        }
    }
}
