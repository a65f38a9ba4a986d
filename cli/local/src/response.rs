//! HTTP responses whose body is JSON.

use bytes::Bytes;
use hyper::header::{CONTENT_TYPE, HeaderValue};
use hyper::{Response, StatusCode};

/// Makes a response of a body that is JSON already.
pub(crate) fn json(status: StatusCode, body: impl Into<Bytes>) -> Response<Bytes> {
    let mut response = Response::new(body.into());
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}

/// Makes a response of API Gateway's own: a sentence as JSON.
pub(crate) fn message(status: StatusCode, text: &str) -> Response<Bytes> {
    json(status, format!("{{\"message\":\"{text}\"}}"))
}
