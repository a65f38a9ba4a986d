//! Formats faults as one line, for notices, logs and service errors.

use hitctl_engine::Fault;

/// Returns the message and the cause.
pub(crate) fn with_cause(fault: &Fault) -> String {
    let cause = fault.cause.as_ref().map(|cause| format!(": {cause}")).unwrap_or_default();
    format!("{}{cause}", fault.message)
}

/// Returns the message, the cause and the hint.
pub(crate) fn with_cause_and_hint(fault: &Fault) -> String {
    let hint = fault.hint.as_ref().map(|hint| format!("; {hint}")).unwrap_or_default();
    format!("{}{hint}", with_cause(fault))
}
