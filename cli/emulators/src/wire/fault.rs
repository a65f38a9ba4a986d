//! What can be made to go wrong with a call.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::Full;
use hyper::Response;
use hyper::header::CONTENT_TYPE;
use serde_json::json;

use super::name::{Call, Protocol};

/// Something that is done at a call, on a thread that may block: killing the program that calls, for instance.
pub type Hook = Arc<dyn Fn() + Send + Sync>;

/// What goes wrong with a call.
#[derive(Clone)]
pub enum Fault {
    /// It does not arrive: the connection is closed before.
    Cut,
    /// It is done, and the connection is closed in place of an answer.
    LostAnswer,
    /// It does not arrive, and is answered with an error in the service's own way.
    Status {
        /// The HTTP status.
        status: u16,
        /// The service's word for it: `ThrottlingException`.
        code: String,
        /// What it says to people.
        message: String,
    },
    /// It does not arrive, and is answered with this.
    Answer {
        /// The HTTP status.
        status: u16,
        /// The type of the body.
        content_type: String,
        /// The body.
        body: String,
    },
    /// It is done that much later.
    Delay(Duration),
    /// It does not arrive: this is done instead, and the connection is closed.
    Before(Hook),
    /// It is done, then this is done, and the connection is closed in place of an answer.
    After(Hook),
}

impl Fault {
    /// An error of the service itself, which the caller may take as passing.
    pub fn server_error() -> Self {
        Self::status(500, "InternalFailure", "injected")
    }

    /// An error in the service's own way.
    pub fn status(status: u16, code: &str, message: &str) -> Self {
        Self::Status { status, code: code.to_owned(), message: message.to_owned() }
    }

    /// Something done in place of the call.
    pub fn before(hook: impl Fn() + Send + Sync + 'static) -> Self {
        Self::Before(Arc::new(hook))
    }

    /// Something done in place of its answer.
    pub fn after(hook: impl Fn() + Send + Sync + 'static) -> Self {
        Self::After(Arc::new(hook))
    }
}

impl fmt::Debug for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Cut => f.write_str("Cut"),
            Self::LostAnswer => f.write_str("LostAnswer"),
            Self::Status { status, code, .. } => write!(f, "Status({status} {code})"),
            Self::Answer { status, .. } => write!(f, "Answer({status})"),
            Self::Delay(delay) => write!(f, "Delay({delay:?})"),
            Self::Before(_) => f.write_str("Before"),
            Self::After(_) => f.write_str("After"),
        }
    }
}

/// An error as that call's service would say it.
pub(crate) fn refusal(call: &Call, status: u16, code: &str, message: &str) -> Response<Full<Bytes>> {
    let (kind, body) = match call.protocol {
        Protocol::Json => {
            ("application/x-amz-json-1.0", json!({ "__type": code, "message": message }).to_string())
        }
        Protocol::Rest => ("application/json", json!({ "message": message, "Message": message }).to_string()),
        Protocol::Query => ("text/xml", xml(status, code, message)),
    };
    let mut response = answer(status, kind, body);
    if call.protocol != Protocol::Query
        && let Ok(code) = code.parse()
    {
        response.headers_mut().insert("x-amzn-errortype", code);
    }
    response
}

/// Any answer.
pub(crate) fn answer(status: u16, content_type: &str, body: String) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(Bytes::from(body)));
    *response.status_mut() = status.try_into().expect("tests write statuses of three digits");
    let content_type = content_type.parse().expect("tests write types of media");
    response.headers_mut().insert(CONTENT_TYPE, content_type);
    response.headers_mut().insert("x-amzn-requestid", "injected".parse().expect("a word"));
    response
}

fn xml(status: u16, code: &str, message: &str) -> String {
    let whose = if status < 500 { "Sender" } else { "Receiver" };
    let message = message.replace('&', "&amp;").replace('<', "&lt;");
    format!(
        "<ErrorResponse><Error><Type>{whose}</Type><Code>{code}</Code><Message>{message}</Message></Error>\
         <RequestId>injected</RequestId></ErrorResponse>"
    )
}
