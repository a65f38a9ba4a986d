//! The faults that the proxy can inject into a call, and the error responses of AWS services.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::Full;
use hyper::Response;
use hyper::header::CONTENT_TYPE;
use serde_json::json;

use super::call::{Protocol, RecordedCall};

/// A function that runs during a call, on a thread that may block. For example, it kills the calling program.
pub type FaultHook = Arc<dyn Fn() + Send + Sync>;

/// A fault that is injected into a call.
#[derive(Clone)]
pub enum InjectedFault {
    /// Closes the connection. The request is not forwarded.
    DropRequest,
    /// Forwards the request and closes the connection instead of returning the response.
    DropResponse,
    /// Returns an error in the format of the service. The request is not forwarded.
    ServiceError {
        /// The HTTP status code.
        status: u16,
        /// The error code of the service: `ThrottlingException`.
        code: String,
        /// The error message.
        message: String,
    },
    /// Returns this response. The request is not forwarded.
    Response {
        /// The HTTP status code.
        status: u16,
        /// The `Content-Type` of the response.
        content_type: String,
        /// The response body.
        body: String,
    },
    /// Forwards the request after this delay.
    Delay(Duration),
    /// Runs the hook instead of forwarding the request, then closes the connection.
    HookBefore(FaultHook),
    /// Forwards the request and runs the hook, then closes the connection instead of returning the response.
    HookAfter(FaultHook),
}

impl InjectedFault {
    /// Returns a fault that responds with `InternalFailure` and status 500, which clients may treat as transient.
    pub fn server_error() -> Self {
        Self::service_error(500, "InternalFailure", "injected")
    }

    /// Returns a fault that responds with an error in the format of the service.
    pub fn service_error(status: u16, code: &str, message: &str) -> Self {
        Self::ServiceError { status, code: code.to_owned(), message: message.to_owned() }
    }

    /// Returns a fault that runs `hook` instead of forwarding the request.
    pub fn hook_before(hook: impl Fn() + Send + Sync + 'static) -> Self {
        Self::HookBefore(Arc::new(hook))
    }

    /// Returns a fault that runs `hook` instead of returning the response.
    pub fn hook_after(hook: impl Fn() + Send + Sync + 'static) -> Self {
        Self::HookAfter(Arc::new(hook))
    }
}

impl fmt::Debug for InjectedFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::DropRequest => f.write_str("DropRequest"),
            Self::DropResponse => f.write_str("DropResponse"),
            Self::ServiceError { status, code, .. } => write!(f, "ServiceError({status} {code})"),
            Self::Response { status, .. } => write!(f, "Response({status})"),
            Self::Delay(delay) => write!(f, "Delay({delay:?})"),
            Self::HookBefore(_) => f.write_str("HookBefore"),
            Self::HookAfter(_) => f.write_str("HookAfter"),
        }
    }
}

/// Returns an error response in the format of the service of `call`.
pub(crate) fn error_response(
    call: &RecordedCall,
    status: u16,
    code: &str,
    message: &str,
) -> Response<Full<Bytes>> {
    let (content_type, body) = match call.protocol {
        Protocol::Json => {
            ("application/x-amz-json-1.0", json!({ "__type": code, "message": message }).to_string())
        }
        Protocol::Rest => ("application/json", json!({ "message": message, "Message": message }).to_string()),
        Protocol::Query => ("text/xml", xml(status, code, message)),
    };
    let mut response = response(status, content_type, body);
    if call.protocol != Protocol::Query
        && let Ok(code) = code.parse()
    {
        response.headers_mut().insert("x-amzn-errortype", code);
    }
    response
}

/// Returns a response with this status, content type and body.
pub(crate) fn response(status: u16, content_type: &str, body: String) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(Bytes::from(body)));
    *response.status_mut() = status.try_into().expect("tests use valid statuses");
    let content_type = content_type.parse().expect("tests use valid content types");
    response.headers_mut().insert(CONTENT_TYPE, content_type);
    response
        .headers_mut()
        .insert("x-amzn-requestid", "injected".parse().expect("a word is a valid header value"));
    response
}

fn xml(status: u16, code: &str, message: &str) -> String {
    let error_type = if status < 500 { "Sender" } else { "Receiver" };
    let message = message.replace('&', "&amp;").replace('<', "&lt;");
    format!(
        "<ErrorResponse><Error><Type>{error_type}</Type><Code>{code}</Code><Message>{message}</Message></Error>\
         <RequestId>injected</RequestId></ErrorResponse>"
    )
}
