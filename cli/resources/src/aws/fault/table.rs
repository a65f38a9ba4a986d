//! The error rules common to all services, and how a rule becomes a [`Fault`].

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
    // Who we are.
    rule("ExpiredToken", "", Expired, "the session has expired", RENEW),
    rule("ExpiredTokenException", "", Expired, "the session has expired", RENEW),
    rule("TokenRefreshRequired", "", Expired, "the session has expired", RENEW),
    rule("InvalidClientTokenId", "", UnknownKey, "AWS does not know the access key", KEYS),
    rule("UnrecognizedClientException", "", UnknownKey, "AWS does not know the access key", KEYS),
    rule("InvalidAccessKeyId", "", UnknownKey, "AWS does not know the access key", KEYS),
    rule("AuthFailure", "", UnknownKey, "AWS does not know the access key", KEYS),
    rule("OptInRequired", "", Credentials, "the account is not subscribed to this service", ACCOUNT),
    rule("RequestExpired", "", Clock, "the clock of this machine is off", CLOCK),
    rule("RequestTimeTooSkewed", "", Clock, "the clock of this machine is off", CLOCK),
    rule("SignatureDoesNotMatch", "expired", Clock, "the clock of this machine is off", CLOCK),
    rule("SignatureDoesNotMatch", "not yet current", Clock, "the clock of this machine is off", CLOCK),
    rule("InvalidSignatureException", "expired", Clock, "the clock of this machine is off", CLOCK),
    rule("InvalidSignatureException", "not yet current", Clock, "the clock of this machine is off", CLOCK),
    rule("SignatureDoesNotMatch", "", WrongSecret, "the secret key does not belong to the access key", KEYS),
    rule(
        "InvalidSignatureException",
        "",
        WrongSecret,
        "the secret key does not belong to the access key",
        KEYS,
    ),
    rule("IncompleteSignature", "", Credentials, "the credentials are malformed", KEYS),
    // What we may do.
    rule("AccessDenied", "", Denied, "", ""),
    rule("AccessDeniedException", "", Denied, "", ""),
    rule("UnauthorizedOperation", "", Denied, "", ""),
    rule("ForbiddenException", "", Denied, "", ""),
    rule("PublicPolicyException", "", Final, "the account blocks functions that anybody may call", PUBLIC),
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
        VISIBILITY,
    ),
    rule(
        "InvalidParameterValueException",
        "NonExistentQueue",
        Retryable,
        "SQS has not spread the queue yet",
        SQS_PROPAGATION,
    ),
    // Limits: on operations at the same time, and those that no retry can fix.
    rule("LimitExceeded", "", Quota, "a limit of the account is reached", QUOTA),
    rule("LimitExceededException", "", Quota, "a limit of the account is reached", QUOTA),
    rule("ServiceQuotaExceededException", "", Quota, "a limit of the account is reached", QUOTA),
    rule("CodeStorageExceededException", "", Quota, "the account's storage for function code is full", CODE),
    rule("PolicyLengthExceededException", "", Final, "the function's policy is full", ""),
    // Somebody is at it.
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
    // Too much at once.
    rule("Throttling", "", Retryable, "AWS asks for fewer calls", ""),
    rule("ThrottlingException", "", Retryable, "AWS asks for fewer calls", ""),
    rule("ThrottledException", "", Retryable, "AWS asks for fewer calls", ""),
    rule("TooManyRequestsException", "", Retryable, "AWS asks for fewer calls", ""),
    rule("RequestThrottled", "", Retryable, "AWS asks for fewer calls", ""),
    rule("RequestThrottledException", "", Retryable, "AWS asks for fewer calls", ""),
    rule("RequestLimitExceeded", "", Retryable, "AWS asks for fewer calls", ""),
    rule("ProvisionedThroughputExceededException", "", Retryable, "the table takes fewer writes", ""),
    rule("SlowDown", "", Retryable, "AWS asks for fewer calls", ""),
    // Its own trouble.
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

/// The rule for a role that Lambda cannot use yet.
const fn unpropagated_role(text: &'static str) -> ErrorRule {
    let message = "IAM has not spread the role yet";
    rule("InvalidParameterValueException", text, Retryable, message, IAM_PROPAGATION)
}

const RENEW: &str =
    "log in again (`aws sso login`, or new keys), then run the same command: it continues where it stopped";
const KEYS: &str = "look at AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or at the profile in ~/.aws; `hitctl doctor` says what is used";
const ACCOUNT: &str = "finish the sign-up of the account, or choose another one with --profile";
const CLOCK: &str = "set the clock (`timedatectl set-ntp true`), then run the same command";
const VISIBILITY: &str = "raise `visibility_s` in [queue] or lower `timeout_s` in [function]; SQS needs up to a minute to spread a change, so that the same command may also work again then";
const PUBLIC: &str =
    "set `expose = \"api\"` in [http], or lift Lambda's block on public access in this account";
const QUOTA: &str = "delete what is not used, or ask for more in the Service Quotas console";
const CODE: &str =
    "delete functions or old versions that are not used, or ask for more in the Service Quotas console";
const NETWORK: &str = "look at the network, the proxy settings and --endpoint-url, then run the same command";

/// Returns the meaning of an error that all services share.
pub fn classify(code: &str, message: &str) -> Option<ErrorClass> {
    find(&[], code, message).map(|rule| rule.class)
}

fn find<'a>(rules: &'a [ErrorRule], code: &str, message: &str) -> Option<&'a ErrorRule> {
    let message = message.to_ascii_lowercase();
    let matches = |rule: &&ErrorRule| rule.code == code && message.contains(&rule.text.to_ascii_lowercase());
    rules.iter().chain(RULES).find(matches)
}

/// What an answer of the service means. Its message is what is wrong, in our words; empty where only the service knows.
pub(super) fn answered(operation: &str, rules: &[ErrorRule], said: &ErrorResponse, now: SystemTime) -> Fault {
    let code = said.code.as_deref().unwrap_or_default();
    let message = said.message.as_deref().unwrap_or_default();
    let Some(&ErrorRule { code, class, message: why, hint, .. }) = find(rules, code, message) else {
        let known = if code.is_empty() { "http" } else { code }.to_owned();
        return match said.status {
            Some(500..=599 | 429) => Fault::transient(known, "AWS has a problem"),
            _ if NOT_FOUND.contains(&code) => Fault::fatal(known, "").of_kind(FaultKind::NotFound),
            _ => Fault::fatal(known, ""),
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
        && let Some(off) = said.date.as_deref().and_then(|date| clock_error(date, now))
    {
        fault.message = format!("the clock of this machine is off by {off}");
    }
    if matches!(class, Denied) {
        let action = missing_action(said.message.as_deref().unwrap_or_default()).unwrap_or(operation);
        fault.message = format!("{action} is not allowed");
        fault.hint = Some(format!(
            "add {action} to the policy of whoever deploys; `hitctl policy deployer` prints all that is needed"
        ));
    } else if !hint.is_empty() {
        fault.hint = Some((*hint).to_owned());
    }
    fault
}

/// What it means that there was no answer.
pub(super) fn unanswered(why: &str) -> Fault {
    let lower = why.to_ascii_lowercase();
    // What the SDK says of credentials that could not be loaded, by each of its reasons.
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
    if credentials.iter().any(|word| lower.contains(word)) {
        return Fault { kind: FaultKind::Credentials, ..Fault::fatal("no_credentials", "no credentials could be loaded") }
            .hinted("set AWS_PROFILE, or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or run `aws configure`; `hitctl doctor` says what is used");
    }
    Fault::transient("no_answer", "no answer").hinted(NETWORK)
}

/// The action in "User: .. is not authorized to perform: lambda:CreateFunction on resource: ..", which is sometimes another
/// one than the operation's.
fn missing_action(message: &str) -> Option<&str> {
    let after = message.split("to perform: ").nth(1)?;
    let action = after.split(|c: char| c.is_whitespace() || c == ',').next()?;
    action.contains(':').then_some(action)
}

/// How far this machine's clock is from the one in an HTTP date, in words; `None` for less than a minute.
fn clock_error(date: &str, now: SystemTime) -> Option<String> {
    let theirs = DateTime::from_str(date, Format::HttpDate).ok()?.secs();
    let ours = DateTime::from(now).secs();
    let minutes = (ours - theirs).abs() / 60;
    let way = if ours > theirs { "fast" } else { "slow" };
    (minutes > 0).then(|| format!("{minutes} min ({way})"))
}
