//! Converts the failure of a call to a [`Fault`]. The error rules of the resource's kind are applied before the
//! common rules; their codes and texts are from the service models and AWS's documentation. A failure that a
//! retry may fix is [transient](FaultKind::Transient); the caller decides how long to retry.

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

pub(crate) use hint::PROPAGATION;
pub use response::ErrorResponse;
pub use rule::{ErrorClass, ErrorRule, rule};
pub(crate) use table::NOT_FOUND;
pub use table::classify;

/// The operation that a call performs. Errors begin with "failed to VERB OBJECT".
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ApiOperation {
    /// The verb for errors: "create".
    pub verb: &'static str,
    /// The object for errors: "table hits-test".
    pub object: String,
    /// The name in IAM and in AWS's documentation: "dynamodb:CreateTable".
    pub name: &'static str,
    /// The error rules of the resource's kind, which are applied before the common rules.
    pub rules: &'static [ErrorRule],
}

impl ApiOperation {
    /// Creates an operation to which only the common error rules apply.
    pub fn new(verb: &'static str, object: impl Into<String>, name: &'static str) -> Self {
        Self { verb, object: object.into(), name, rules: &[] }
    }

    /// Sets the error rules of the resource's kind, which are applied before the common rules.
    #[must_use]
    pub fn with_rules(self, rules: &'static [ErrorRule]) -> Self {
        Self { rules, ..self }
    }
}

/// The conversion of a failed call to a [`Fault`].
pub trait ToFault {
    /// Returns the fault, with a cause and a hint if they are known.
    fn to_fault(&self, operation: &ApiOperation) -> Fault;

    /// Whether the service returned this error code.
    fn has_code(&self, code: &str) -> bool;

    /// Whether the service's message contains `text`, ignoring case.
    fn message_contains(&self, text: &str) -> bool;
}

impl<E> ToFault for SdkError<E, HttpResponse>
where
    E: ProvideErrorMetadata + std::error::Error + Send + Sync + 'static,
{
    fn to_fault(&self, operation: &ApiOperation) -> Fault {
        let response = ErrorResponse {
            code: code(self),
            message: self.message().map(str::to_owned),
            status: self.raw_response().map(|response| response.status().as_u16()),
            date: self.raw_response().and_then(|response| response.headers().get("date").map(str::to_owned)),
            request_id: self.request_id().map(str::to_owned),
            transport_error: transport_error(self),
            not_sent: matches!(self, SdkError::DispatchFailure(failure) if failure.is_user()),
        };
        fault_of(operation, &response, crate::aws::clock::now())
    }

    fn has_code(&self, expected: &str) -> bool {
        code(self).as_deref() == Some(expected)
    }

    fn message_contains(&self, text: &str) -> bool {
        self.message()
            .is_some_and(|message| message.to_ascii_lowercase().contains(&text.to_ascii_lowercase()))
    }
}

/// Returns the code of an error, without the `namespace#` and the `:url` that the JSON protocols may add.
fn code<E: ProvideErrorMetadata>(error: &SdkError<E, HttpResponse>) -> Option<String> {
    let code = error.code()?;
    let plain = code.rsplit('#').next().unwrap_or(code).split(':').next().unwrap_or(code);
    Some(plain.to_owned())
}

/// Describes why a call got no readable response; `None` if it got one.
fn transport_error<E>(error: &SdkError<E, HttpResponse>) -> Option<String>
where
    E: std::error::Error + Send + Sync + 'static,
{
    match error {
        SdkError::ServiceError(_) => None,
        other => Some(crate::aws::error_text::describe_error(other)),
    }
}

/// Converts an error response to a fault. `now` is compared with the service's clock.
pub fn fault_of(operation: &ApiOperation, response: &ErrorResponse, now: SystemTime) -> Fault {
    let ApiOperation { verb, object, name, rules } = operation;
    let mut fault = match &response.transport_error {
        Some(why) if response.not_sent => Fault::fatal("not_sent", why.clone()),
        Some(why) if response.code.is_none() => table::transport_fault(why),
        _ => table::response_fault(name, rules, response, now),
    };
    fault.message = match fault.message.as_str() {
        "" => format!("failed to {verb} {object}"),
        why => format!("failed to {verb} {object}: {why}"),
    };
    if !response.not_sent {
        fault = fault.caused_by(cause(name, response));
    }
    fault.request_id.clone_from(&response.request_id);
    fault
}

/// Returns the service's error code, operation and message: `AccessDeniedException (lambda:CreateFunction): ...`.
fn cause(operation: &str, response: &ErrorResponse) -> String {
    let code = match (&response.code, response.status) {
        (Some(code), _) => code.clone(),
        (None, Some(status)) if response.transport_error.is_none() => format!("HTTP {status}"),
        _ => "no response".to_owned(),
    };
    match response.message.as_ref().or(response.transport_error.as_ref()) {
        Some(message) => format!("{code} ({operation}): {message}"),
        None => format!("{code} ({operation})"),
    }
}

/// Whether a retry may succeed.
pub fn is_transient(fault: &Fault) -> bool {
    fault.kind == FaultKind::Transient
}
