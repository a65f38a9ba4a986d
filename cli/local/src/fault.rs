//! Faults in one line, for notices, logs and the errors of services.

use hitctl_engine::Fault;

/// The message, with its cause.
pub(crate) fn with_cause(fault: &Fault) -> String {
    let cause = fault.cause.as_ref().map(|cause| format!(": {cause}")).unwrap_or_default();
    format!("{}{cause}", fault.message)
}

/// The message, with its cause and what to do about it.
pub(crate) fn in_full(fault: &Fault) -> String {
    let hint = fault.hint.as_ref().map(|hint| format!("; {hint}")).unwrap_or_default();
    format!("{}{hint}", with_cause(fault))
}
