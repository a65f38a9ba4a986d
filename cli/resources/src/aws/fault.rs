//! The failure of a call as a [`Fault`]: by the rules of the kind of resource, then by those common to all services.
//!
//! The codes and texts are those of the service models and of AWS's documentation. What is worth another try is
//! [transient](FaultKind::Transient): the caller's [`Cx::wait`](hitctl_engine::Cx::wait) decides how long.

mod hint;
mod response;
mod rule;
mod table;
#[cfg(test)]
mod tests;

use std::time::SystemTime;

use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use aws_smithy_runtime_api::client::result::SdkError;
use aws_smithy_types::error::metadata::ProvideErrorMetadata;
use aws_types::request_id::RequestId;
use hitctl_engine::{Fault, FaultKind};

pub(crate) use hint::{IAM_PROPAGATION, SQS_PROPAGATION};
pub use response::ErrorResponse;
pub use rule::{ErrorClass, ErrorRule, rule};
pub(crate) use table::NOT_FOUND;
pub use table::classify;

/// What a call was for: "failed to VERB WHAT", and the operation as IAM and AWS's documentation name it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Doing {
    /// "create".
    pub verb: &'static str,
    /// "table hits-test".
    pub what: String,
    /// "dynamodb:CreateTable".
    pub operation: &'static str,
    /// The errors that have another meaning for the kind of resource than elsewhere.
    pub rules: &'static [ErrorRule],
}

impl Doing {
    /// What a call was for.
    pub fn new(verb: &'static str, what: impl Into<String>, operation: &'static str) -> Self {
        Self { verb, what: what.into(), operation, rules: &[] }
    }

    /// Puts the error rules of a kind before the common ones.
    #[must_use]
    pub fn with_rules(self, rules: &'static [ErrorRule]) -> Self {
        Self { rules, ..self }
    }
}

/// Turns a failed call into a [`Fault`].
pub trait ToFault {
    /// What went wrong, and what to do next.
    fn fault(&self, doing: &Doing) -> Fault;

    /// Whether the service answered with that error code.
    fn is(&self, code: &str) -> bool;

    /// Whether the service's words have that in them.
    fn says(&self, text: &str) -> bool;
}

impl<E> ToFault for SdkError<E, HttpResponse>
where
    E: ProvideErrorMetadata + std::error::Error + Send + Sync + 'static,
{
    fn fault(&self, doing: &Doing) -> Fault {
        let said = ErrorResponse {
            code: code(self),
            message: self.message().map(str::to_owned),
            status: self.raw_response().map(|response| response.status().as_u16()),
            date: self.raw_response().and_then(|response| response.headers().get("date").map(str::to_owned)),
            request_id: self.request_id().map(str::to_owned),
            unanswered: unanswered(self),
            not_sent: matches!(self, SdkError::DispatchFailure(failure) if failure.is_user()),
        };
        fault_of(doing, &said, crate::aws::clock::now())
    }

    fn is(&self, wanted: &str) -> bool {
        code(self).as_deref() == Some(wanted)
    }

    fn says(&self, text: &str) -> bool {
        self.message()
            .is_some_and(|message| message.to_ascii_lowercase().contains(&text.to_ascii_lowercase()))
    }
}

/// The code of an error, without the decorations that some protocols give it.
fn code<E: ProvideErrorMetadata>(error: &SdkError<E, HttpResponse>) -> Option<String> {
    let code = error.code()?;
    let plain = code.rsplit('#').next().unwrap_or(code).split(':').next().unwrap_or(code);
    Some(plain.to_owned())
}

/// What is said of a call that got no answer that could be read.
fn unanswered<E>(error: &SdkError<E, HttpResponse>) -> Option<String>
where
    E: std::error::Error + Send + Sync + 'static,
{
    match error {
        SdkError::ServiceError(_) => None,
        other => Some(crate::aws::words::error_in_words(other)),
    }
}

/// What an answer means.
pub fn fault_of(doing: &Doing, said: &ErrorResponse, now: SystemTime) -> Fault {
    let Doing { verb, what, operation, rules } = doing;
    let mut fault = match &said.unanswered {
        Some(why) if said.not_sent => Fault::fatal("not_sent", why.clone()),
        Some(why) if said.code.is_none() => table::unanswered(why),
        _ => table::answered(operation, rules, said, now),
    };
    fault.message = match fault.message.as_str() {
        "" => format!("failed to {verb} {what}"),
        why => format!("failed to {verb} {what}: {why}"),
    };
    if !said.not_sent {
        fault = fault.caused_by(cause(operation, said));
    }
    fault.request_id.clone_from(&said.request_id);
    fault
}

/// What the service said, with its operation: `AccessDeniedException (lambda:CreateFunction): ...`.
fn cause(operation: &str, said: &ErrorResponse) -> String {
    let code = match (&said.code, said.status) {
        (Some(code), _) => code.clone(),
        (None, Some(status)) if said.unanswered.is_none() => format!("HTTP {status}"),
        _ => "no answer".to_owned(),
    };
    match said.message.as_ref().or(said.unanswered.as_ref()) {
        Some(message) => format!("{code} ({operation}): {message}"),
        None => format!("{code} ({operation})"),
    }
}

/// Whether trying again may help.
pub fn is_transient(fault: &Fault) -> bool {
    fault.kind == FaultKind::Transient
}
