//! Tests that every error rule is reachable and that errors are converted to the right faults.

use std::time::{Duration, SystemTime};

use hitctl_engine::FaultKind;

use super::table::RULES;
use super::{ApiOperation, ErrorResponse, ErrorRule, fault_of, is_transient};
use crate::registry::REGISTRY;

fn operation() -> ApiOperation {
    let rules: Vec<ErrorRule> = REGISTRY.errors().copied().collect();
    ApiOperation::new("create", "function hits-test", "lambda:CreateFunction").with_rules(Vec::leak(rules))
}

fn error_response(code: &str, message: &str) -> ErrorResponse {
    ErrorResponse {
        code: Some(code.to_owned()),
        message: Some(message.to_owned()),
        status: Some(400),
        ..ErrorResponse::default()
    }
}

fn now() -> SystemTime {
    // Sat, 21 Nov 2026 09:20:00 GMT.
    SystemTime::UNIX_EPOCH + Duration::from_mins(29_920_880)
}

#[test]
fn every_rule_is_unique_and_reachable() {
    let rules: Vec<&ErrorRule> = REGISTRY.errors().chain(RULES).collect();
    for (index, rule) in rules.iter().enumerate() {
        let first = rules.iter().position(|other| {
            other.code == rule.code
                && rule.text.to_ascii_lowercase().contains(&other.text.to_ascii_lowercase())
        });
        assert_eq!(first, Some(index), "{} {:?} is hidden by a rule above it", rule.code, rule.text);
    }
}

#[test]
fn fault_contains_operation_reason_and_service_message() {
    let response = ErrorResponse {
        request_id: Some("r-1".to_owned()),
        ..error_response("LimitExceededException", "Too many.")
    };
    let fault = fault_of(&operation(), &response, now());
    assert_eq!(fault.message, "failed to create function hits-test: an account quota is exceeded");
    assert_eq!(fault.cause.as_deref(), Some("LimitExceededException (lambda:CreateFunction): Too many."));
    assert_eq!(fault.code, "LimitExceededException");
    assert_eq!(fault.request_id.as_deref(), Some("r-1"));
    assert!(fault.hint.is_some_and(|hint| hint.contains("Service Quotas")));
}

#[test]
fn unknown_error_is_fatal_and_keeps_service_message() {
    let fault = fault_of(&operation(), &error_response("InvalidRuntimeException", "No such runtime."), now());
    assert_eq!((fault.kind, fault.code.as_str()), (FaultKind::Fatal, "InvalidRuntimeException"));
    assert_eq!(fault.message, "failed to create function hits-test");
    assert_eq!(
        fault.cause.as_deref(),
        Some("InvalidRuntimeException (lambda:CreateFunction): No such runtime.")
    );
}

#[test]
fn denied_call_names_missing_action() {
    let message = "User: arn:aws:iam::1:user/u is not authorized to perform: iam:PassRole on resource: arn:aws:iam::1:role/r";
    let fault = fault_of(&operation(), &error_response("AccessDeniedException", message), now());
    assert_eq!(fault.message, "failed to create function hits-test: iam:PassRole is not allowed");
    assert!(fault.hint.is_some_and(|hint| hint.starts_with("add iam:PassRole to the policy")));
    assert_eq!(fault.kind, FaultKind::Fatal);

    let fault = fault_of(&operation(), &error_response("AccessDenied", "Access denied"), now());
    assert_eq!(fault.message, "failed to create function hits-test: lambda:CreateFunction is not allowed");
}

#[test]
fn wrong_clock_is_reported_in_minutes() {
    for (date, expected) in [
        ("Sat, 21 Nov 2026 09:00:00 GMT", "the system clock is 20 min fast"),
        ("Sat, 21 Nov 2026 10:05:30 GMT", "the system clock is 45 min slow"),
        ("Sat, 21 Nov 2026 09:20:30 GMT", "the system clock is wrong"),
        ("yesterday", "the system clock is wrong"),
    ] {
        let response = ErrorResponse {
            date: Some(date.to_owned()),
            ..error_response(
                "InvalidSignatureException",
                "Signature expired: 20261121T090000Z is now earlier than ..",
            )
        };
        let fault = fault_of(&operation(), &response, now());
        assert_eq!(fault.message, format!("failed to create function hits-test: {expected}"));
        assert_eq!(fault.kind, FaultKind::Credentials);
    }
    let fault = fault_of(
        &operation(),
        &error_response("InvalidSignatureException", "The signature does not match"),
        now(),
    );
    assert_eq!(
        fault.message,
        "failed to create function hits-test: the secret access key does not match the access key ID"
    );
}

#[test]
fn errors_are_classified_as_transient_or_final() {
    for (code, message, retryable) in [
        ("ThrottlingException", "Rate exceeded", true),
        ("ResourceConflictException", "An update is in progress for resource: x", true),
        ("ResourceConflictException", "Function already exist: x", false),
        (
            "InvalidParameterValueException",
            "The role defined for the function cannot be assumed by Lambda.",
            true,
        ),
        ("InvalidParameterValueException", "Memory size must be at least 128", false),
        (
            "InvalidParameterValueException",
            "The function execution role does not have permissions to call ReceiveMessage on SQS",
            true,
        ),
        (
            "InvalidParameterValueException",
            "Queue visibility timeout: 30 seconds is less than Function timeout: 60 seconds",
            true,
        ),
        ("AWS.SimpleQueueService.QueueDeletedRecently", "You must wait 60 seconds", true),
        ("QueueDeletedRecently", "", true),
        ("InvalidParameterValue", "Reason: Dead letter target does not exist.", true),
        ("InvalidParameterValue", "Reason: must be between 0 and 43200", false),
        ("MalformedPolicyDocument", "Invalid principal in policy", true),
        ("MalformedPolicyDocument", "Syntax errors in policy.", false),
        (
            "LimitExceededException",
            "Only 500 tables can be created, updated, or deleted simultaneously",
            true,
        ),
        ("LimitExceededException", "Too many tables", false),
        ("LimitExceeded", "Cannot exceed quota for RolesPerAccount: 1000", false),
        ("ContinuousBackupsUnavailableException", "Backups are being enabled for the table", true),
        ("DeleteConflict", "Cannot delete entity, must detach all policies first.", true),
        ("OperationAbortedException", "A conflicting operation is in progress", true),
        (
            "ValidationException",
            "Resource cannot be deleted as it is currently protected against deletion",
            false,
        ),
        (
            "ValidationException",
            "Time to live has been modified multiple times within a fixed interval",
            false,
        ),
        ("ServiceFailure", "", true),
        ("ValidationException", "Rule can't be deleted since it has targets.", true),
        ("InternalException", "", true),
        ("ManagedRuleException", "", false),
        ("InvalidEventPatternException", "Event pattern is not valid.", false),
    ] {
        let fault = fault_of(&operation(), &error_response(code, message), now());
        assert_eq!(is_transient(&fault), retryable, "{code}: {message}");
    }
}

#[test]
fn response_without_code_is_classified_by_status() {
    let of = |status| {
        fault_of(&operation(), &ErrorResponse { status: Some(status), ..ErrorResponse::default() }, now())
    };
    for (status, retryable) in [(500, true), (503, true), (429, true), (400, false), (404, false)] {
        assert_eq!(is_transient(&of(status)), retryable, "{status}");
    }
    assert_eq!(of(503).cause.as_deref(), Some("HTTP 503 (lambda:CreateFunction)"));
}

#[test]
fn expired_session_is_credentials_fault() {
    for code in
        ["ExpiredToken", "ExpiredTokenException", "UnrecognizedClientException", "InvalidClientTokenId"]
    {
        let fault = fault_of(&operation(), &error_response(code, "no"), now());
        assert_eq!(fault.kind, FaultKind::Credentials, "{code}");
        assert!(fault.hint.is_some(), "{code}");
    }
}

#[test]
fn missing_response_is_transient_and_missing_credentials_are_not() {
    let of = |why: &str| {
        fault_of(
            &operation(),
            &ErrorResponse { transport_error: Some(why.to_owned()), ..ErrorResponse::default() },
            now(),
        )
    };
    let refused = of("dispatch failure: io error: connection refused");
    assert_eq!((refused.kind, refused.code.as_str()), (FaultKind::Transient, "no_answer"));
    assert_eq!(refused.message, "failed to create function hits-test: no response");
    assert!(refused.cause.is_some_and(|cause| cause.contains("connection refused")));
    for why in [
        "dispatch failure: other: the credential provider was not enabled",
        "failed to construct request: no credentials in the property bag",
        "dispatch failure: other: an error occurred while loading credentials: identity cache",
    ] {
        let fault = of(why);
        assert_eq!((fault.kind, fault.code.as_str()), (FaultKind::Credentials, "no_credentials"), "{why}");
        assert!(fault.hint.is_some_and(|hint| hint.contains("AWS_PROFILE")), "{why}");
    }
}
