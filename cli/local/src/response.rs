//! HTTP responses with a JSON body.

use bytes::Bytes;
use hyper::header::{CONTENT_TYPE, HeaderValue};
use hyper::{Response, StatusCode};

/// Returns a response whose body is already JSON.
pub(crate) fn json(status: StatusCode, body: impl Into<Bytes>) -> Response<Bytes> {
    let mut response = Response::new(body.into());
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}

/// Returns an API Gateway message response: `{"message":"TEXT"}`.
pub(crate) fn message(status: StatusCode, text: &str) -> Response<Bytes> {
    json(status, format!("{{\"message\":\"{text}\"}}"))
}
