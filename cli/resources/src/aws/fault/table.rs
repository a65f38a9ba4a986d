//! The error rules common to all services, and the conversion of a failed call to a [`Fault`].

use std::time::SystemTime;

use aws_smithy_types::DateTime;
use aws_smithy_types::date_time::Format;
use hitctl_engine::{Fault, FaultKind};

use super::hint::PROPAGATION;
use super::response::ErrorResponse;
use super::rule::{ErrorClass, ErrorRule, rule};

use ErrorClass::{Clock, Credentials, Denied, Expired, Final, Quota, Retryable, UnknownKey, WrongSecret};

/// The error codes for a resource that does not exist. Each service uses one or two of them.
pub(crate) const NOT_FOUND: &[&str] = &[
    "ResourceNotFoundException",
    "NotFoundException",
    "NoSuchEntity",
    "TableNotFoundException",
    "QueueDoesNotExist",
    "AWS.SimpleQueueService.NonExistentQueue",
];

/// The common rules: for errors of all services, and for errors of several kinds of resources.
pub(super) const RULES: &[ErrorRule] = &[
    // Credentials and the clock.
    rule("ExpiredToken", "", Expired, "the session has expired", RENEW_HINT),
    rule("ExpiredTokenException", "", Expired, "the session has expired", RENEW_HINT),
    rule("TokenRefreshRequired", "", Expired, "the session has expired", RENEW_HINT),
    rule("InvalidClientTokenId", "", UnknownKey, "AWS does not recognize the access key", KEYS_HINT),
    rule("UnrecognizedClientException", "", UnknownKey, "AWS does not recognize the access key", KEYS_HINT),
    rule("InvalidAccessKeyId", "", UnknownKey, "AWS does not recognize the access key", KEYS_HINT),
    rule("AuthFailure", "", UnknownKey, "AWS does not recognize the access key", KEYS_HINT),
    rule("OptInRequired", "", Credentials, "the account is not subscribed to this service", ACCOUNT_HINT),
    rule("RequestExpired", "", Clock, "the system clock is wrong", CLOCK_HINT),
    rule("RequestTimeTooSkewed", "", Clock, "the system clock is wrong", CLOCK_HINT),
    rule("SignatureDoesNotMatch", "expired", Clock, "the system clock is wrong", CLOCK_HINT),
    rule("SignatureDoesNotMatch", "not yet current", Clock, "the system clock is wrong", CLOCK_HINT),
    rule("InvalidSignatureException", "expired", Clock, "the system clock is wrong", CLOCK_HINT),
    rule("InvalidSignatureException", "not yet current", Clock, "the system clock is wrong", CLOCK_HINT),
    rule(
        "SignatureDoesNotMatch",
        "",
        WrongSecret,
        "the secret access key does not match the access key ID",
        KEYS_HINT,
    ),
    rule(
        "InvalidSignatureException",
        "",
        WrongSecret,
        "the secret access key does not match the access key ID",
        KEYS_HINT,
    ),
    rule("IncompleteSignature", "", Credentials, "the credentials are malformed", KEYS_HINT),
    // Permissions.
    rule("AccessDenied", "", Denied, "", ""),
    rule("AccessDeniedException", "", Denied, "", ""),
    rule("UnauthorizedOperation", "", Denied, "", ""),
    rule("ForbiddenException", "", Denied, "", ""),
    rule("PublicPolicyException", "", Final, "the account blocks public access to functions", PUBLIC_HINT),
    // Changes that are not visible yet: IAM and SQS are eventually consistent.
    unpropagated_role("cannot be assumed by Lambda"),
    unpropagated_role("does not have permissions"),
    unpropagated_role("is not authorized to"),
    unpropagated_role("ensure the role can perform"),
    unpropagated_role("KMS key is invalid for CreateGrant"),
    rule(
        "InvalidParameterValueException",
        "visibility timeout",
        Retryable,
        "the visibility timeout of the queue is shorter than the timeout of the function",
        VISIBILITY_HINT,
    ),
    rule(
        "InvalidParameterValueException",
        "NonExistentQueue",
        Retryable,
        "the queue has not propagated in SQS yet",
        PROPAGATION,
    ),
    // Quotas, which no retry can fix.
    rule("LimitExceeded", "", Quota, "an account quota is exceeded", QUOTA_HINT),
    rule("LimitExceededException", "", Quota, "an account quota is exceeded", QUOTA_HINT),
    rule("ServiceQuotaExceededException", "", Quota, "an account quota is exceeded", QUOTA_HINT),
    rule(
        "CodeStorageExceededException",
        "",
        Quota,
        "the account's storage for function code is full",
        CODE_HINT,
    ),
    rule(
        "PolicyLengthExceededException",
        "",
        Final,
        "the policy of the function has reached its maximum size",
        "",
    ),
    // Concurrent changes.
    rule("ResourceConflictException", "already exist", Final, "it already exists", ""),
    rule("ResourceConflictException", "", Retryable, "another change is in progress", ""),
    rule("ResourceInUseException", "", Retryable, "another change is in progress", ""),
    rule("PreconditionFailedException", "", Retryable, "another request changed it", ""),
    rule("ConflictException", "", Retryable, "another change is in progress", ""),
    rule("OperationAbortedException", "", Retryable, "another change is in progress", ""),
    rule("ConcurrentModification", "", Retryable, "another change is in progress", ""),
    rule("ConcurrentModificationException", "", Retryable, "another change is in progress", ""),
    rule("TransactionConflictException", "", Retryable, "another write is in progress", ""),
    rule("TransactionInProgressException", "", Retryable, "another write is in progress", ""),
    // Throttling.
    rule("Throttling", "", Retryable, "AWS is throttling requests", ""),
    rule("ThrottlingException", "", Retryable, "AWS is throttling requests", ""),
    rule("ThrottledException", "", Retryable, "AWS is throttling requests", ""),
    rule("TooManyRequestsException", "", Retryable, "AWS is throttling requests", ""),
    rule("RequestThrottled", "", Retryable, "AWS is throttling requests", ""),
    rule("RequestThrottledException", "", Retryable, "AWS is throttling requests", ""),
    rule("RequestLimitExceeded", "", Retryable, "AWS is throttling requests", ""),
    rule(
        "ProvisionedThroughputExceededException",
        "",
        Retryable,
        "the throughput of the table is exceeded",
        "",
    ),
    rule("SlowDown", "", Retryable, "AWS is throttling requests", ""),
    // Failures of the service.
    rule("ServiceFailure", "", Retryable, "AWS returned a temporary error", ""),
    rule("ServiceException", "", Retryable, "AWS returned a temporary error", ""),
    rule("ServiceUnavailable", "", Retryable, "AWS returned a temporary error", ""),
    rule("ServiceUnavailableException", "", Retryable, "AWS returned a temporary error", ""),
    rule("InternalServerError", "", Retryable, "AWS returned a temporary error", ""),
    rule("InternalException", "", Retryable, "AWS returned a temporary error", ""),
    rule("InternalFailure", "", Retryable, "AWS returned a temporary error", ""),
    rule("InternalServiceError", "", Retryable, "AWS returned a temporary error", ""),
    rule("RequestTimeout", "", Retryable, "AWS did not receive the request in time", ""),
    rule("RequestTimeoutException", "", Retryable, "AWS did not receive the request in time", ""),
];

/// Creates the rule for a role that Lambda cannot use yet.
const fn unpropagated_role(text: &'static str) -> ErrorRule {
    let message = "the role has not propagated in IAM yet";
    rule("InvalidParameterValueException", text, Retryable, message, PROPAGATION)
}

const RENEW_HINT: &str = "log in again (`aws sso login`) or set new keys, then run the same command; it continues where it stopped";
const KEYS_HINT: &str = "check `AWS_ACCESS_KEY_ID` and `AWS_SECRET_ACCESS_KEY`, or the profile in `~/.aws`; `hitctl doctor` shows which credentials are used";
const ACCOUNT_HINT: &str = "complete the sign-up of the account, or choose another account with `--profile`";
const CLOCK_HINT: &str = "set the system clock (`timedatectl set-ntp true`), then run the same command again";
const VISIBILITY_HINT: &str = "raise `visibility_s` in [queue] or lower `timeout_s` in [function]; if both are right already, run the same command again in a minute";
const PUBLIC_HINT: &str =
    "set `expose = \"api\"` in [http], or turn off Lambda's block on public access in this account";
const QUOTA_HINT: &str = "delete unused resources, or request an increase in the Service Quotas console";
const CODE_HINT: &str =
    "delete unused functions or old versions, or request an increase in the Service Quotas console";
const NETWORK_HINT: &str =
    "check the network, the proxy settings and `--endpoint-url`, then run the same command again";

/// Returns the class of an error according to the common rules; `None` if no rule matches.
pub fn classify(code: &str, message: &str) -> Option<ErrorClass> {
    find_rule(&[], code, message).map(|rule| rule.class)
}

fn find_rule<'a>(rules: &'a [ErrorRule], code: &str, message: &str) -> Option<&'a ErrorRule> {
    let message = message.to_ascii_lowercase();
    let matches = |rule: &&ErrorRule| rule.code == code && message.contains(&rule.text.to_ascii_lowercase());
    rules.iter().chain(RULES).find(matches)
}

/// Converts an error response of the service to a fault. The fault's message is the rule's cause; it is empty if
/// no rule has one.
pub(super) fn response_fault(
    operation: &str,
    rules: &[ErrorRule],
    response: &ErrorResponse,
    now: SystemTime,
) -> Fault {
    let code = response.code.as_deref().unwrap_or_default();
    let message = response.message.as_deref().unwrap_or_default();
    let Some(&ErrorRule { code, class, message: why, hint, .. }) = find_rule(rules, code, message) else {
        let fault_code = if code.is_empty() { "http" } else { code }.to_owned();
        return match response.status {
            Some(500..=599 | 429) => Fault::transient(fault_code, "AWS returned a temporary error"),
            _ if NOT_FOUND.contains(&code) => Fault::fatal(fault_code, "").of_kind(FaultKind::NotFound),
            _ => Fault::fatal(fault_code, ""),
        };
    };
    let mut fault = match class {
        Retryable => Fault::transient(code, why),
        Credentials | Expired | UnknownKey | WrongSecret | Clock => {
            Fault::fatal(code, why).of_kind(FaultKind::Credentials)
        }
        Denied | Quota | Final => Fault::fatal(code, why),
    };
    if matches!(class, Clock)
        && let Some(difference) = response.date.as_deref().and_then(|date| clock_error(date, now))
    {
        fault.message = format!("the system clock is {difference}");
    }
    if matches!(class, Denied) {
        let action = missing_action(response.message.as_deref().unwrap_or_default()).unwrap_or(operation);
        fault.message = format!("{action} is not allowed");
        fault.hint = Some(format!(
            "add {action} to the policy of the deployer; `hitctl policy deployer` prints the complete policy"
        ));
    } else if !hint.is_empty() {
        fault.hint = Some((*hint).to_owned());
    }
    fault
}

/// Converts a transport error to a fault.
pub(super) fn transport_fault(why: &str) -> Fault {
    let lower = why.to_ascii_lowercase();
    // Parts of the SDK's messages about credentials that could not be loaded.
    let missing_credentials = [
        "no credentials",
        "no providers in chain provided credentials",
        "the credential provider was not enabled",
        "credentials provider timed out",
        "the credentials provider was not properly configured",
        "an error occurred while loading credentials",
        "unexpected credentials error",
        "failed to load credentials",
    ];
    if missing_credentials.iter().any(|text| lower.contains(text)) {
        return Fault { kind: FaultKind::Credentials, ..Fault::fatal("no_credentials", "no AWS credentials are available") }
            .hinted("set `AWS_PROFILE`, or `AWS_ACCESS_KEY_ID` and `AWS_SECRET_ACCESS_KEY`, or run `aws configure`; `hitctl doctor` shows which credentials are used");
    }
    Fault::transient("no_answer", "no response").hinted(NETWORK_HINT)
}

/// Returns the action in a message like "User: .. is not authorized to perform: lambda:CreateFunction on
/// resource: ..". It may differ from the operation that was called.
fn missing_action(message: &str) -> Option<&str> {
    let after = message.split("to perform: ").nth(1)?;
    let action = after.split(|c: char| c.is_whitespace() || c == ',').next()?;
    action.contains(':').then_some(action)
}

/// Describes the difference between this machine's clock and the HTTP date of a response: `20 min fast`. Returns
/// `None` if the difference is less than a minute or the date is invalid.
fn clock_error(date: &str, now: SystemTime) -> Option<String> {
    let theirs = DateTime::from_str(date, Format::HttpDate).ok()?.secs();
    let ours = DateTime::from(now).secs();
    let minutes = (ours - theirs).abs() / 60;
    let direction = if ours > theirs { "fast" } else { "slow" };
    (minutes > 0).then(|| format!("{minutes} min {direction}"))
}
