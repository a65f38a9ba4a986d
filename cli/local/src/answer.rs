//! What a service answers, as HTTP.

use bytes::Bytes;
use http_body_util::Full;
use hyper::header::{CONTENT_TYPE, HeaderName, HeaderValue};
use hyper::{Response, StatusCode};
use quick_xml::escape::escape;

use crate::clock::random;
use crate::ids::uuid;

/// The content type of AWS's JSON protocol.
pub(crate) const JSON: &str = "application/x-amz-json-1.0";
/// The same, as older services have it.
pub(crate) const JSON_1_1: &str = "application/x-amz-json-1.1";

/// An answer to a call.
#[derive(Debug)]
pub(crate) struct Answer {
    status: StatusCode,
    kind: &'static str,
    headers: Vec<(HeaderName, HeaderValue)>,
    body: Bytes,
}

impl Answer {
    /// An answer with that content type.
    pub(crate) fn new(status: StatusCode, kind: &'static str, body: impl Into<Bytes>) -> Self {
        Self { status, kind, headers: Vec::new(), body: body.into() }
    }

    /// Adds a header. One whose value HTTP cannot carry is left out.
    pub(crate) fn header(mut self, name: &'static str, value: &str) -> Self {
        if let Ok(value) = HeaderValue::from_str(value) {
            self.headers.push((HeaderName::from_static(name), value));
        }
        self
    }

    /// An error of the JSON protocol, of those that every service has.
    pub(crate) fn error(status: StatusCode, kind: &str, message: &str) -> Self {
        Self::json_error(status, JSON, &format!("com.amazon.coral.service#{kind}"), message)
    }

    /// An error of the JSON protocol with that content type.
    pub(crate) fn json_error(
        status: StatusCode,
        content_type: &'static str,
        kind: &str,
        message: &str,
    ) -> Self {
        let body = serde_json::json!({ "__type": kind, "message": message }).to_string();
        Self::new(status, content_type, body)
    }

    /// An XML document.
    pub(crate) fn xml(status: StatusCode, body: &str) -> Self {
        Self::new(status, "text/xml", format!("<?xml version=\"1.0\"?>\n{body}"))
    }

    /// An error of the protocols in XML. `namespace` is the attribute of the root element, with the space before it.
    pub(crate) fn error_response(status: StatusCode, namespace: &str, code: &str, message: &str) -> Self {
        let who = if status.is_server_error() { "Receiver" } else { "Sender" };
        let (message, id) = (escape(message), uuid());
        let error = format!("<Type>{who}</Type><Code>{code}</Code><Message>{message}</Message>");
        let id = format!("<RequestId>{id}</RequestId>");
        Self::xml(status, &format!("<ErrorResponse{namespace}><Error>{error}</Error>{id}</ErrorResponse>"))
    }

    /// What is said to an operation that there is none of.
    pub(crate) fn unknown() -> Self {
        let body = r#"{"__type":"com.amazon.coral.service#UnknownOperationException"}"#;
        Self::new(StatusCode::BAD_REQUEST, JSON, body)
    }

    /// An error of the REST protocol in XML. The code is one word.
    pub(crate) fn xml_error(status: StatusCode, code: &str) -> Self {
        let body = format!(
            "<ErrorResponse><Error><Type>Sender</Type><Code>{code}</Code><Message>the request is not signed</Message>\
             </Error></ErrorResponse>\n"
        );
        Self::new(status, "text/xml", body)
    }

    pub(crate) fn into_response(self) -> Response<Full<Bytes>> {
        let mut builder = Response::builder()
            .status(self.status)
            .header(CONTENT_TYPE, self.kind)
            // SDKs that know this header check it.
            .header("x-amz-crc32", crc32fast::hash(&self.body))
            .header("x-amzn-requestid", request_id());
        for (name, value) in self.headers {
            builder = builder.header(name, value);
        }
        builder.body(Full::from(self.body)).unwrap_or_default()
    }
}

/// An id in the form of DynamoDB's: 52 upper-case characters; unique within a machine's memory of it.
fn request_id() -> String {
    use std::sync::LazyLock;
    use std::sync::atomic::{AtomicU64, Ordering};
    static PREFIX: LazyLock<String> = LazyLock::new(|| hex::encode_upper(random::<18>().unwrap_or_default()));
    static NEXT: AtomicU64 = AtomicU64::new(0);
    format!("{}{:016X}", *PREFIX, NEXT.fetch_add(1, Ordering::Relaxed))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_checksum_is_the_usual_one() {
        assert_eq!(crc32fast::hash(b"123456789"), 0xcbf4_3926);
        assert_eq!(crc32fast::hash(b""), 0);
    }

    #[test]
    fn ids_look_like_dynamodbs() {
        let id = request_id();
        assert_eq!(id.len(), 52);
        assert_ne!(id, request_id());
        assert!(id.bytes().all(|b| b.is_ascii_uppercase() || b.is_ascii_digit()));
    }
}
