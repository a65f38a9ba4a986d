//! Errors as plain data: the failed operation, its cause, and a hint for the user.

mod cause;
mod code;

use std::error::Error;

use serde::{Deserialize, Serialize};

pub use cause::FaultCause;
pub use code::FaultCode;

/// A failed operation, ready for display.
///
/// `message` describes the operation, without a full stop. `hint` is an imperative sentence or a command to paste.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[error("{message}")]
pub struct Fault {
    /// The class of the error, on which the program decides.
    pub kind: FaultKind,
    /// A stable code for scripts, such as `AccessDenied` or `local_unreachable`.
    pub code: FaultCode,
    /// The failed operation, in lower case, to be shown as "error: {message}".
    pub message: String,
    /// The cause: the service's message with the API operation, or the error of a library.
    #[source]
    pub cause: Option<FaultCause>,
    /// The next step for the user.
    pub hint: Option<String>,
    /// The request id that the service returned.
    pub request_id: Option<String>,
}

/// The class of a [`Fault`], on which the program decides.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FaultKind {
    /// A retry may succeed: a change has not propagated, the service throttles, or another operation is in progress.
    /// [`DriverContext::retry`](crate::DriverContext::retry) decides how long to retry.
    Transient,
    /// The caller could not be authenticated.
    Credentials,
    /// The resource does not exist. If an earlier call found it, it was deleted in between.
    NotFound,
    /// A resource of this name exists and belongs to another owner.
    NotOurs,
    /// Another run holds the lease of the environment.
    Busy,
    /// The user's input is invalid: the command line, the configuration, or a file.
    Usage,
    /// Any other error. A retry would fail in the same way.
    Fatal,
}

impl Fault {
    /// Creates a fault that a retry cannot resolve.
    pub fn fatal(code: impl Into<FaultCode>, message: impl Into<String>) -> Self {
        Self {
            kind: FaultKind::Fatal,
            code: code.into(),
            message: message.into(),
            cause: None,
            hint: None,
            request_id: None,
        }
    }

    /// Creates a fault for invalid user input.
    pub fn usage(message: impl Into<String>) -> Self {
        Self { kind: FaultKind::Usage, ..Self::fatal("usage", message) }
    }

    /// Creates a fault for an invalid configuration, with one problem per line.
    pub fn config(message: impl Into<String>) -> Self {
        Self { kind: FaultKind::Usage, ..Self::fatal("config", message) }
    }

    /// Creates a fault that a retry may resolve.
    pub fn transient(code: impl Into<FaultCode>, message: impl Into<String>) -> Self {
        Self { kind: FaultKind::Transient, ..Self::fatal(code, message) }
    }

    /// Sets the class of the fault.
    #[must_use]
    pub fn of_kind(mut self, kind: FaultKind) -> Self {
        self.kind = kind;
        self
    }

    /// Sets the cause: an error, or the message of a service.
    #[must_use]
    pub fn caused_by(mut self, cause: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        self.cause = Some(FaultCause::new(cause));
        self
    }

    /// Sets the hint.
    #[must_use]
    pub fn hinted(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }
}

#[cfg(test)]
mod tests {
    use std::io;

    use super::*;

    /// An error with a source.
    #[derive(Debug, thiserror::Error)]
    #[error("failed to connect")]
    struct Connect(#[source] io::Error);

    #[test]
    fn fault_keeps_the_errors_below_its_cause() {
        let fault = Fault::fatal("unreachable", "failed to reach the endpoint")
            .caused_by(Connect(io::Error::other("connection refused")));
        let mut texts = Vec::new();
        let mut error: Option<&dyn Error> = Some(&fault);
        while let Some(current) = error {
            texts.push(current.to_string());
            error = current.source();
        }
        assert_eq!(texts, ["failed to reach the endpoint", "failed to connect", "connection refused"]);
    }

    #[test]
    fn fault_in_json_has_the_text_of_its_cause() {
        let fault =
            Fault::fatal("unreachable", "failed").caused_by(Connect(io::Error::other("connection refused")));
        let json = serde_json::to_string(&fault).unwrap();
        assert!(
            json.contains(r#""code":"unreachable""#) && json.contains(r#""cause":"failed to connect""#),
            "{json}"
        );
        assert_eq!(serde_json::from_str::<Fault>(&json).unwrap(), fault);
    }
}
