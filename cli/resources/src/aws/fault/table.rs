//! The error rules common to all services, and the conversion of a failed call to a [`Fault`].

use std::time::SystemTime;

use aws_smithy_types::DateTime;
use aws_smithy_types::date_time::Format;
use hitctl_engine::{Fault, FaultKind};

use super::hint::{IAM_PROPAGATION, SQS_PROPAGATION};
use super::response::ErrorResponse;
use super::rule::{ErrorClass, ErrorRule, rule};

use ErrorClass::{Clock, Credentials, Denied, Expired, Final, Quota, Retryable, UnknownKey, WrongSecret};

/// The codes of a resource that does not exist. Each service has one or two of them.
pub(crate) const NOT_FOUND: &[&str] = &[
    "ResourceNotFoundException",
    "NotFoundException",
    "NoSuchEntity",
    "TableNotFoundException",
    "QueueDoesNotExist",
    "AWS.SimpleQueueService.NonExistentQueue",
];

/// The rules common to all services, and those that several kinds share.
pub(super) const RULES: &[ErrorRule] = &[
    // Credentials and the clock.
    rule("ExpiredToken", "", Expired, "the session has expired", RENEW_HINT),
    rule("ExpiredTokenException", "", Expired, "the session has expired", RENEW_HINT),
    rule("TokenRefreshRequired", "", Expired, "the session has expired", RENEW_HINT),
    rule("InvalidClientTokenId", "", UnknownKey, "AWS does not know the access key", KEYS_HINT),
    rule("UnrecognizedClientException", "", UnknownKey, "AWS does not know the access key", KEYS_HINT),
    rule("InvalidAccessKeyId", "", UnknownKey, "AWS does not know the access key", KEYS_HINT),
    rule("AuthFailure", "", UnknownKey, "AWS does not know the access key", KEYS_HINT),
    rule("OptInRequired", "", Credentials, "the account is not subscribed to this service", ACCOUNT_HINT),
    rule("RequestExpired", "", Clock, "the clock of this machine is off", CLOCK_HINT),
    rule("RequestTimeTooSkewed", "", Clock, "the clock of this machine is off", CLOCK_HINT),
    rule("SignatureDoesNotMatch", "expired", Clock, "the clock of this machine is off", CLOCK_HINT),
    rule("SignatureDoesNotMatch", "not yet current", Clock, "the clock of this machine is off", CLOCK_HINT),
    rule("InvalidSignatureException", "expired", Clock, "the clock of this machine is off", CLOCK_HINT),
    rule(
        "InvalidSignatureException",
        "not yet current",
        Clock,
        "the clock of this machine is off",
        CLOCK_HINT,
    ),
    rule(
        "SignatureDoesNotMatch",
        "",
        WrongSecret,
        "the secret key does not belong to the access key",
        KEYS_HINT,
    ),
    rule(
        "InvalidSignatureException",
        "",
        WrongSecret,
        "the secret key does not belong to the access key",
        KEYS_HINT,
    ),
    rule("IncompleteSignature", "", Credentials, "the credentials are malformed", KEYS_HINT),
    // Permissions.
    rule("AccessDenied", "", Denied, "", ""),
    rule("AccessDeniedException", "", Denied, "", ""),
    rule("UnauthorizedOperation", "", Denied, "", ""),
    rule("ForbiddenException", "", Denied, "", ""),
    rule(
        "PublicPolicyException",
        "",
        Final,
        "the account blocks functions that anybody may call",
        PUBLIC_HINT,
    ),
    // Not visible yet (IAM is eventually consistent).
    unpropagated_role("cannot be assumed by Lambda"),
    unpropagated_role("does not have permissions"),
    unpropagated_role("is not authorized to"),
    unpropagated_role("ensure the role can perform"),
    unpropagated_role("KMS key is invalid for CreateGrant"),
    rule(
        "InvalidParameterValueException",
        "visibility timeout",
        Retryable,
        "the queue hides its messages for less than the function's timeout",
        VISIBILITY_HINT,
    ),
    rule(
        "InvalidParameterValueException",
        "NonExistentQueue",
        Retryable,
        "SQS has not spread the queue yet",
        SQS_PROPAGATION,
    ),
    // Quotas, which no retry can fix.
    rule("LimitExceeded", "", Quota, "a limit of the account is reached", QUOTA_HINT),
    rule("LimitExceededException", "", Quota, "a limit of the account is reached", QUOTA_HINT),
    rule("ServiceQuotaExceededException", "", Quota, "a limit of the account is reached", QUOTA_HINT),
    rule(
        "CodeStorageExceededException",
        "",
        Quota,
        "the account's storage for function code is full",
        CODE_HINT,
    ),
    rule("PolicyLengthExceededException", "", Final, "the function's policy is full", ""),
    // Concurrent changes.
    rule("ResourceConflictException", "already exist", Final, "it is there already", ""),
    rule("ResourceConflictException", "", Retryable, "another change of it is in progress", ""),
    rule("ResourceInUseException", "", Retryable, "another change of it is in progress", ""),
    rule("PreconditionFailedException", "", Retryable, "it was changed meanwhile", ""),
    rule("ConflictException", "", Retryable, "another change of it is in progress", ""),
    rule("OperationAbortedException", "", Retryable, "another change of it is in progress", ""),
    rule("ConcurrentModification", "", Retryable, "another change of it is in progress", ""),
    rule("ConcurrentModificationException", "", Retryable, "another change of it is in progress", ""),
    rule("TransactionConflictException", "", Retryable, "another write was under way", ""),
    rule("TransactionInProgressException", "", Retryable, "another write was under way", ""),
    // Throttling.
    rule("Throttling", "", Retryable, "AWS asks for fewer calls", ""),
    rule("ThrottlingException", "", Retryable, "AWS asks for fewer calls", ""),
    rule("ThrottledException", "", Retryable, "AWS asks for fewer calls", ""),
    rule("TooManyRequestsException", "", Retryable, "AWS asks for fewer calls", ""),
    rule("RequestThrottled", "", Retryable, "AWS asks for fewer calls", ""),
    rule("RequestThrottledException", "", Retryable, "AWS asks for fewer calls", ""),
    rule("RequestLimitExceeded", "", Retryable, "AWS asks for fewer calls", ""),
    rule("ProvisionedThroughputExceededException", "", Retryable, "the table takes fewer writes", ""),
    rule("SlowDown", "", Retryable, "AWS asks for fewer calls", ""),
    // Failures of the service.
    rule("ServiceFailure", "", Retryable, "AWS has a problem", ""),
    rule("ServiceException", "", Retryable, "AWS has a problem", ""),
    rule("ServiceUnavailable", "", Retryable, "AWS has a problem", ""),
    rule("ServiceUnavailableException", "", Retryable, "AWS has a problem", ""),
    rule("InternalServerError", "", Retryable, "AWS has a problem", ""),
    rule("InternalException", "", Retryable, "AWS has a problem", ""),
    rule("InternalFailure", "", Retryable, "AWS has a problem", ""),
    rule("InternalServiceError", "", Retryable, "AWS has a problem", ""),
    rule("RequestTimeout", "", Retryable, "AWS got the call too slowly", ""),
    rule("RequestTimeoutException", "", Retryable, "AWS got the call too slowly", ""),
];

/// Creates the rule for a role that Lambda cannot use yet.
const fn unpropagated_role(text: &'static str) -> ErrorRule {
    let message = "IAM has not spread the role yet";
    rule("InvalidParameterValueException", text, Retryable, message, IAM_PROPAGATION)
}

const RENEW_HINT: &str =
    "log in again (`aws sso login`, or new keys), then run the same command: it continues where it stopped";
const KEYS_HINT: &str = "look at AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or at the profile in ~/.aws; `hitctl doctor` says what is used";
const ACCOUNT_HINT: &str = "finish the sign-up of the account, or choose another one with --profile";
const CLOCK_HINT: &str = "set the clock (`timedatectl set-ntp true`), then run the same command";
const VISIBILITY_HINT: &str = "raise `visibility_s` in [queue] or lower `timeout_s` in [function]; SQS needs up to a minute to spread a change, so that the same command may also work again then";
const PUBLIC_HINT: &str =
    "set `expose = \"api\"` in [http], or lift Lambda's block on public access in this account";
const QUOTA_HINT: &str = "delete what is not used, or ask for more in the Service Quotas console";
const CODE_HINT: &str =
    "delete functions or old versions that are not used, or ask for more in the Service Quotas console";
const NETWORK_HINT: &str =
    "look at the network, the proxy settings and --endpoint-url, then run the same command";

/// Returns the class of an error by the rules that all services share.
pub fn classify(code: &str, message: &str) -> Option<ErrorClass> {
    find_rule(&[], code, message).map(|rule| rule.class)
}

fn find_rule<'a>(rules: &'a [ErrorRule], code: &str, message: &str) -> Option<&'a ErrorRule> {
    let message = message.to_ascii_lowercase();
    let matches = |rule: &&ErrorRule| rule.code == code && message.contains(&rule.text.to_ascii_lowercase());
    rules.iter().chain(RULES).find(matches)
}

/// Converts an error response of the service to a fault. Its message is the cause in our words; it is empty
/// if only the service knows the cause.
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
            Some(500..=599 | 429) => Fault::transient(fault_code, "AWS has a problem"),
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
        fault.message = format!("the clock of this machine is off by {difference}");
    }
    if matches!(class, Denied) {
        let action = missing_action(response.message.as_deref().unwrap_or_default()).unwrap_or(operation);
        fault.message = format!("{action} is not allowed");
        fault.hint = Some(format!(
            "add {action} to the policy of whoever deploys; `hitctl policy deployer` prints all that is needed"
        ));
    } else if !hint.is_empty() {
        fault.hint = Some((*hint).to_owned());
    }
    fault
}

/// Converts a transport error to a fault.
pub(super) fn transport_fault(why: &str) -> Fault {
    let lower = why.to_ascii_lowercase();
    // The SDK's texts for credentials that could not be loaded, one per reason.
    let credentials = [
        "no credentials",
        "no providers in chain provided credentials",
        "the credential provider was not enabled",
        "credentials provider timed out",
        "the credentials provider was not properly configured",
        "an error occurred while loading credentials",
        "unexpected credentials error",
        "failed to load credentials",
    ];
    if credentials.iter().any(|text| lower.contains(text)) {
        return Fault { kind: FaultKind::Credentials, ..Fault::fatal("no_credentials", "no credentials could be loaded") }
            .hinted("set AWS_PROFILE, or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or run `aws configure`; `hitctl doctor` says what is used");
    }
    Fault::transient("no_answer", "no answer").hinted(NETWORK_HINT)
}

/// Returns the action in "User: .. is not authorized to perform: lambda:CreateFunction on resource: ..". It
/// may differ from the operation.
fn missing_action(message: &str) -> Option<&str> {
    let after = message.split("to perform: ").nth(1)?;
    let action = after.split(|c: char| c.is_whitespace() || c == ',').next()?;
    action.contains(':').then_some(action)
}

/// Describes the difference between this machine's clock and an HTTP date; `None` if it is less than a
/// minute.
fn clock_error(date: &str, now: SystemTime) -> Option<String> {
    let theirs = DateTime::from_str(date, Format::HttpDate).ok()?.secs();
    let ours = DateTime::from(now).secs();
    let minutes = (ours - theirs).abs() / 60;
    let direction = if ours > theirs { "fast" } else { "slow" };
    (minutes > 0).then(|| format!("{minutes} min ({direction})"))
}
