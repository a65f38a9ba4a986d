//! HTTP responses of the emulated AWS services, in AWS's JSON and XML protocols.

use bytes::Bytes;
use http_body_util::Full;
use hyper::header::{CONTENT_TYPE, HeaderName, HeaderValue};
use hyper::{Response, StatusCode};
use quick_xml::escape::escape;

use crate::clock::random;
use crate::ids::uuid;

/// The content type of AWS's JSON 1.0 protocol.
pub(crate) const JSON: &str = "application/x-amz-json-1.0";
/// The content type of AWS's JSON 1.1 protocol, which older services use.
pub(crate) const JSON_1_1: &str = "application/x-amz-json-1.1";

/// The response to a request to an AWS service.
#[derive(Debug)]
pub(crate) struct ServiceResponse {
    status: StatusCode,
    content_type: &'static str,
    headers: Vec<(HeaderName, HeaderValue)>,
    body: Bytes,
}

impl ServiceResponse {
    /// Creates a response with the content type `content_type`.
    pub(crate) fn new(status: StatusCode, content_type: &'static str, body: impl Into<Bytes>) -> Self {
        Self { status, content_type, headers: Vec::new(), body: body.into() }
    }

    /// Adds a header. Skips a header whose value is not valid in HTTP.
    pub(crate) fn header(mut self, name: &'static str, value: &str) -> Self {
        if let Ok(value) = HeaderValue::from_str(value) {
            self.headers.push((HeaderName::from_static(name), value));
        }
        self
    }

    /// Returns a JSON protocol error whose code is common to all AWS services.
    pub(crate) fn shared_error(status: StatusCode, code: &str, message: &str) -> Self {
        Self::json_error(status, JSON, &format!("com.amazon.coral.service#{code}"), message)
    }

    /// Returns a JSON protocol error with the content type `content_type`.
    pub(crate) fn json_error(
        status: StatusCode,
        content_type: &'static str,
        code: &str,
        message: &str,
    ) -> Self {
        let body = serde_json::json!({ "__type": code, "message": message }).to_string();
        Self::new(status, content_type, body)
    }

    /// Returns a response with an XML document.
    pub(crate) fn xml(status: StatusCode, body: &str) -> Self {
        Self::new(status, "text/xml", format!("<?xml version=\"1.0\"?>\n{body}"))
    }

    /// Returns an error of AWS's XML protocols. `namespace` is the `xmlns` attribute of the root element with a
    /// leading space, or empty.
    pub(crate) fn xml_error(status: StatusCode, namespace: &str, code: &str, message: &str) -> Self {
        let fault_party = if status.is_server_error() { "Receiver" } else { "Sender" };
        let (message, id) = (escape(message), uuid());
        let error = format!("<Type>{fault_party}</Type><Code>{code}</Code><Message>{message}</Message>");
        let id = format!("<RequestId>{id}</RequestId>");
        Self::xml(status, &format!("<ErrorResponse{namespace}><Error>{error}</Error>{id}</ErrorResponse>"))
    }

    /// Returns the error for an operation that does not exist.
    pub(crate) fn unknown_operation() -> Self {
        let body = r#"{"__type":"com.amazon.coral.service#UnknownOperationException"}"#;
        Self::new(StatusCode::BAD_REQUEST, JSON, body)
    }

    /// Returns the REST XML error for a request without a signature. `code` must not need
    /// escaping.
    pub(crate) fn missing_signature_xml(status: StatusCode, code: &str) -> Self {
        let body = format!(
            "<ErrorResponse><Error><Type>Sender</Type><Code>{code}</Code><Message>the request is not signed</Message>\
             </Error></ErrorResponse>\n"
        );
        Self::new(status, "text/xml", body)
    }

    pub(crate) fn into_response(self) -> Response<Full<Bytes>> {
        let mut builder = Response::builder()
            .status(self.status)
            .header(CONTENT_TYPE, self.content_type)
            // SDKs that know this header verify it.
            .header("x-amz-crc32", crc32fast::hash(&self.body))
            .header("x-amzn-requestid", request_id());
        for (name, value) in self.headers {
            builder = builder.header(name, value);
        }
        builder.body(Full::from(self.body)).unwrap_or_default()
    }
}

/// Returns a request id in DynamoDB's format: 52 upper-case characters, unique within this process.
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
    fn checksum_matches_known_crc32() {
        assert_eq!(crc32fast::hash(b"123456789"), 0xcbf4_3926);
        assert_eq!(crc32fast::hash(b""), 0);
    }

    #[test]
    fn request_id_has_format_of_dynamodb() {
        let id = request_id();
        assert_eq!(id.len(), 52);
        assert_ne!(id, request_id());
        assert!(id.bytes().all(|b| b.is_ascii_uppercase() || b.is_ascii_digit()));
    }
}
