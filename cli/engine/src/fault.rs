//! What can go wrong with one resource, as data: what we did, to what, why it failed, and what to do next.

use serde::{Deserialize, Serialize};

/// A failed call, ready to be shown.
///
/// `message` says what we were doing in words, without a full stop; `hint` is imperative and can be pasted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[error("{message}")]
pub struct Fault {
    /// How the program should take it.
    pub kind: FaultKind,
    /// A stable word for scripts, such as `AccessDenied` or `local_unreachable`.
    pub code: String,
    /// What failed: a lower-case fragment fit for "error: {message}".
    pub message: String,
    /// What the service said, with its operation.
    pub cause: Option<String>,
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
    /// The resource does not exist, though an earlier call has found it: somebody has deleted it since.
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
    pub fn fatal(code: &str, message: impl Into<String>) -> Self {
        Self {
            kind: FaultKind::Fatal,
            code: code.to_owned(),
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
    pub fn transient(code: &str, message: impl Into<String>) -> Self {
        Self { kind: FaultKind::Transient, ..Self::fatal(code, message) }
    }

    /// Changes how the program should take it.
    #[must_use]
    pub fn of_kind(mut self, kind: FaultKind) -> Self {
        self.kind = kind;
        self
    }

    /// Adds what the service said.
    #[must_use]
    pub fn caused_by(mut self, cause: impl std::fmt::Display) -> Self {
        self.cause = Some(cause.to_string());
        self
    }

    /// Adds what to do next.
    #[must_use]
    pub fn hinted(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }
}
