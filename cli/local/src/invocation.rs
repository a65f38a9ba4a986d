//! The result of an invocation, or the reason for not starting it.

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use serde_json::Value as Json;

/// The maximum payload of a synchronous invocation, in bytes: 6 MB.
pub(crate) const MAX_REQUEST_BYTES: usize = 6 * 1024 * 1024;
/// The maximum response, in bytes: Lambda allows 100 more bytes for the envelope.
pub(crate) const MAX_RESPONSE_BYTES: usize = MAX_REQUEST_BYTES + 100;

/// The result of an invocation: the function's result or its failure.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Invocation<P = Bytes> {
    /// Lambda's id of the invocation.
    pub request_id: String,
    /// The result, or the error as JSON when `function_error` is set.
    pub payload: P,
    /// `Unhandled` when the function failed.
    pub function_error: Option<String>,
    /// The duration without the start of the process, in milliseconds.
    pub duration_ms: f64,
    /// The duration of the start of the process, in milliseconds, if it was started for this invocation.
    pub init_ms: Option<f64>,
    /// The peak memory of the process so far, in MB.
    pub max_memory_mb: u32,
    /// The last 4 KB of the invocation's log.
    pub log_tail: String,
}

impl Invocation {
    /// Returns the payload as JSON, or as a JSON string if it is not valid JSON.
    pub(crate) fn json_payload(&self) -> Json {
        serde_json::from_slice(&self.payload)
            .unwrap_or_else(|_| String::from_utf8_lossy(&self.payload).into_owned().into())
    }
}

/// The reason for not starting an invocation.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvokeError {
    /// There is no function of that name.
    #[error("the function does not exist")]
    NoSuchFunction,
    /// A concurrency limit is reached.
    #[error("too many requests: {reason}")]
    TooManyRequests {
        /// Lambda's name of the limit: [`RESERVED_LIMIT`](crate::lambda::RESERVED_LIMIT) or [`ACCOUNT_LIMIT`](crate::lambda::ACCOUNT_LIMIT).
        reason: &'static str,
    },
    /// The payload is over 6 MB.
    #[error("the payload is larger than {MAX_REQUEST_BYTES} bytes")]
    PayloadTooLarge,
    /// The runner is stopping.
    #[error("the local cloud is stopping")]
    Stopping,
    /// The function's processes repeatedly exited before one of them received the event.
    #[error("the function's processes exit before they accept an event")]
    NeverStarted,
}

impl InvokeError {
    /// Returns Lambda's name of the error.
    pub(crate) fn code(&self) -> &'static str {
        match self {
            Self::NoSuchFunction => "ResourceNotFoundException",
            Self::TooManyRequests { .. } => "TooManyRequestsException",
            Self::PayloadTooLarge => "RequestTooLargeException",
            Self::Stopping | Self::NeverStarted => "ServiceException",
        }
    }
}
