//! What can go wrong with one resource, as data: what we did, to what, why it failed, and what to do next.

mod cause;
mod code;

use std::error::Error;

use serde::{Deserialize, Serialize};

pub use cause::Cause;
pub use code::Code;

/// A failed call, ready to be shown.
///
/// `message` says what we were doing in words, without a full stop; `hint` is imperative and can be pasted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[error("{message}")]
pub struct Fault {
    /// How the program should take it.
    pub kind: FaultKind,
    /// A stable word for scripts, such as `AccessDenied` or `local_unreachable`.
    pub code: Code,
    /// What failed: a lower-case fragment fit for "error: {message}".
    pub message: String,
    /// The cause: the message of the service with the operation, or the error of a library.
    #[source]
    pub cause: Option<Cause>,
    /// What to do next.
    pub hint: Option<String>,
    /// The service's id of the call.
    pub request_id: Option<String>,
}

/// How the program should take a [`Fault`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FaultKind {
    /// Trying again later may help: not propagated yet, throttled, in progress. [`Cx::wait`](crate::Cx) decides how long.
    Transient,
    /// Who we are could not be established.
    Credentials,
    /// The resource does not exist. Where an earlier call has found it, somebody has deleted it since.
    NotFound,
    /// A resource of that name is there, and is not ours.
    NotOurs,
    /// Another run holds the lease of the environment.
    Busy,
    /// The user's input is wrong: the command line, the configuration, or a file.
    Usage,
    /// Anything else: trying again gives the same.
    Fatal,
}

impl Fault {
    /// A fault that trying again does not mend.
    pub fn fatal(code: impl Into<Code>, message: impl Into<String>) -> Self {
        Self {
            kind: FaultKind::Fatal,
            code: code.into(),
            message: message.into(),
            cause: None,
            hint: None,
            request_id: None,
        }
    }

    /// A mistake in the user's input.
    pub fn usage(message: impl Into<String>) -> Self {
        Self { kind: FaultKind::Usage, ..Self::fatal("usage", message) }
    }

    /// Mistakes in the configuration, one a line.
    pub fn config(message: impl Into<String>) -> Self {
        Self { kind: FaultKind::Usage, ..Self::fatal("config", message) }
    }

    /// A fault that may pass.
    pub fn transient(code: impl Into<Code>, message: impl Into<String>) -> Self {
        Self { kind: FaultKind::Transient, ..Self::fatal(code, message) }
    }

    /// Changes how the program should take it.
    #[must_use]
    pub fn of_kind(mut self, kind: FaultKind) -> Self {
        self.kind = kind;
        self
    }

    /// Adds the cause: an error, or the message of a service.
    #[must_use]
    pub fn caused_by(mut self, cause: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        self.cause = Some(Cause::new(cause));
        self
    }

    /// Adds what to do next.
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
        while let Some(one) = error {
            texts.push(one.to_string());
            error = one.source();
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
