//! The table: a code, perhaps some words, and what they mean.

use std::time::SystemTime;

use aws_smithy_types::DateTime;
use aws_smithy_types::date_time::Format;
use hitctl_engine::{Fault, FaultKind};

use super::Said;

/// What a row means.
#[derive(Clone, Copy)]
enum Means {
    /// Trying again helps, after a while.
    Again,
    /// Nobody we are known as.
    Credentials,
    /// The clock of this machine is off.
    Clock,
    /// An action that is missing from our policy.
    Denied,
    /// A limit of the account.
    Quota,
    /// Trying again gives the same.
    Final,
}

/// A row: the code, words that must be in the message (empty: any), what it means, what is wrong in our words, and what to
/// do next.
pub(super) struct Row(pub(super) &'static str, pub(super) &'static str, Means, &'static str, &'static str);

use Means::{Again, Clock, Credentials, Denied, Final, Quota};

pub(super) const ROWS: &[Row] = &[
    // Who we are.
    Row("ExpiredToken", "", Credentials, "the session has expired", RENEW),
    Row("ExpiredTokenException", "", Credentials, "the session has expired", RENEW),
    Row("TokenRefreshRequired", "", Credentials, "the session has expired", RENEW),
    Row("InvalidClientTokenId", "", Credentials, "AWS does not know the access key", KEYS),
    Row("UnrecognizedClientException", "", Credentials, "AWS does not know the access key", KEYS),
    Row("InvalidAccessKeyId", "", Credentials, "AWS does not know the access key", KEYS),
    Row("AuthFailure", "", Credentials, "AWS does not know the access key", KEYS),
    Row("OptInRequired", "", Credentials, "the account is not subscribed to this service", ACCOUNT),
    Row("RequestExpired", "", Clock, "the clock of this machine is off", CLOCK),
    Row("RequestTimeTooSkewed", "", Clock, "the clock of this machine is off", CLOCK),
    Row("SignatureDoesNotMatch", "expired", Clock, "the clock of this machine is off", CLOCK),
    Row("SignatureDoesNotMatch", "not yet current", Clock, "the clock of this machine is off", CLOCK),
    Row("InvalidSignatureException", "expired", Clock, "the clock of this machine is off", CLOCK),
    Row("InvalidSignatureException", "not yet current", Clock, "the clock of this machine is off", CLOCK),
    Row("SignatureDoesNotMatch", "", Credentials, "the secret key does not belong to the access key", KEYS),
    Row(
        "InvalidSignatureException",
        "",
        Credentials,
        "the secret key does not belong to the access key",
        KEYS,
    ),
    Row("IncompleteSignature", "", Credentials, "the credentials are malformed", KEYS),
    // What we may do.
    Row("AccessDenied", "", Denied, "", ""),
    Row("AccessDeniedException", "", Denied, "", ""),
    Row("UnauthorizedOperation", "", Denied, "", ""),
    Row("ForbiddenException", "", Denied, "", ""),
    Row("PublicPolicyException", "", Final, "the account blocks functions that anybody may call", PUBLIC),
    // Not visible yet (IAM is eventually consistent).
    Row(
        "InvalidParameterValueException",
        "cannot be assumed by Lambda",
        Again,
        "IAM has not spread the role yet",
        IAM,
    ),
    Row(
        "InvalidParameterValueException",
        "does not have permissions",
        Again,
        "IAM has not spread the role yet",
        IAM,
    ),
    Row(
        "InvalidParameterValueException",
        "is not authorized to",
        Again,
        "IAM has not spread the role yet",
        IAM,
    ),
    Row(
        "InvalidParameterValueException",
        "ensure the role can perform",
        Again,
        "IAM has not spread the role yet",
        IAM,
    ),
    Row(
        "InvalidParameterValueException",
        "KMS key is invalid for CreateGrant",
        Again,
        "IAM has not spread the role yet",
        IAM,
    ),
    Row(
        "InvalidParameterValueException",
        "visibility timeout",
        Again,
        "the queue hides its messages for less than the function's timeout",
        VISIBILITY,
    ),
    Row("InvalidParameterValueException", "NonExistentQueue", Again, "SQS has not spread the queue yet", SQS),
    Row(
        "InvalidParameterValue",
        "Dead letter target does not exist",
        Again,
        "SQS has not spread the queue of dead letters yet",
        SQS,
    ),
    Row("QueueDeletedRecently", "", Again, "a queue of that name was deleted just now", SQS),
    Row(
        "AWS.SimpleQueueService.QueueDeletedRecently",
        "",
        Again,
        "a queue of that name was deleted just now",
        SQS,
    ),
    Row("MalformedPolicyDocument", "Invalid principal", Again, "IAM has not spread the principal yet", IAM),
    // Limits: of what goes on at once, and those that no retry mends.
    Row("LimitExceededException", "simultaneous", Again, "too many tables are being changed at once", ""),
    Row(
        "InvalidParameterValueException",
        "UnreservedConcurrentExecution",
        Quota,
        "the account's concurrency is too small to reserve any",
        CONCURRENCY,
    ),
    Row("LimitExceeded", "", Quota, "a limit of the account is reached", QUOTA),
    Row("LimitExceededException", "", Quota, "a limit of the account is reached", QUOTA),
    Row("ServiceQuotaExceededException", "", Quota, "a limit of the account is reached", QUOTA),
    Row("CodeStorageExceededException", "", Quota, "the account's storage for function code is full", CODE),
    Row("PolicyLengthExceededException", "", Final, "the function's policy is full", ""),
    // What needs a hand.
    Row(
        "ValidationException",
        "protected against deletion",
        Final,
        "it is protected against deletion",
        PROTECTED,
    ),
    Row(
        "ValidationException",
        "modified multiple times within a fixed interval",
        Final,
        "its time to live was changed less than an hour ago",
        TTL,
    ),
    Row(
        "ValidationException",
        "TimeToLive is active on a different",
        Final,
        "its items still expire by another attribute",
        TTL,
    ),
    Row("InvalidEventPatternException", "", Final, "EventBridge refuses the pattern", PATTERN),
    Row("ManagedRuleException", "", Final, "only the AWS service that made it may change it", ""),
    Row("UnmodifiableEntity", "", Final, "only the AWS service that made it may change it", ""),
    // Somebody is at it.
    Row("ResourceConflictException", "already exist", Final, "it is there already", ""),
    Row("ResourceConflictException", "", Again, "another change of it is in progress", ""),
    Row("ResourceInUseException", "", Again, "another change of it is in progress", ""),
    Row("PreconditionFailedException", "", Again, "it was changed meanwhile", ""),
    Row("ConflictException", "", Again, "another change of it is in progress", ""),
    Row("OperationAbortedException", "", Again, "another change of it is in progress", ""),
    Row("ConcurrentModification", "", Again, "another change of it is in progress", ""),
    Row("ConcurrentModificationException", "", Again, "another change of it is in progress", ""),
    Row("EntityTemporarilyUnmodifiable", "", Again, "another change of it is in progress", ""),
    Row("ValidationException", "since it has targets", Again, "its target is still being removed", ""),
    Row("DeleteConflict", "", Again, "something is still attached to it", ""),
    Row("ContinuousBackupsUnavailableException", "", Again, "backups are being enabled", ""),
    Row("TransactionConflictException", "", Again, "another write was under way", ""),
    Row("TransactionInProgressException", "", Again, "another write was under way", ""),
    // Too much at once.
    Row("Throttling", "", Again, "AWS asks for fewer calls", ""),
    Row("ThrottlingException", "", Again, "AWS asks for fewer calls", ""),
    Row("ThrottledException", "", Again, "AWS asks for fewer calls", ""),
    Row("TooManyRequestsException", "", Again, "AWS asks for fewer calls", ""),
    Row("RequestThrottled", "", Again, "AWS asks for fewer calls", ""),
    Row("RequestThrottledException", "", Again, "AWS asks for fewer calls", ""),
    Row("RequestLimitExceeded", "", Again, "AWS asks for fewer calls", ""),
    Row("ProvisionedThroughputExceededException", "", Again, "the table takes fewer writes", ""),
    Row("SlowDown", "", Again, "AWS asks for fewer calls", ""),
    // Its own trouble.
    Row("ServiceFailure", "", Again, "AWS has a problem", ""),
    Row("ServiceException", "", Again, "AWS has a problem", ""),
    Row("ServiceUnavailable", "", Again, "AWS has a problem", ""),
    Row("ServiceUnavailableException", "", Again, "AWS has a problem", ""),
    Row("InternalServerError", "", Again, "AWS has a problem", ""),
    Row("InternalException", "", Again, "AWS has a problem", ""),
    Row("InternalFailure", "", Again, "AWS has a problem", ""),
    Row("InternalServiceError", "", Again, "AWS has a problem", ""),
    Row("RequestTimeout", "", Again, "AWS got the call too slowly", ""),
    Row("RequestTimeoutException", "", Again, "AWS got the call too slowly", ""),
];

const RENEW: &str =
    "log in again (`aws sso login`, or new keys), then run the same command: it continues where it stopped";
const KEYS: &str = "look at AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or at the profile in ~/.aws; `hitctl doctor` says what is used";
const ACCOUNT: &str = "finish the sign-up of the account, or choose another one with --profile";
const CLOCK: &str = "set the clock (`timedatectl set-ntp true`), then run the same command";
const IAM: &str =
    "IAM needs a while after a role is made; run the same command again: it continues where it stopped";
const SQS: &str = "SQS needs up to a minute; run the same command again: it continues where it stopped";
const VISIBILITY: &str = "raise `visibility_s` in [queue] or lower `timeout_s` in [function]; SQS needs up to a minute to spread a change, so that the same command may also work again then";
const PUBLIC: &str =
    "set `expose = \"api\"` in [http], or lift Lambda's block on public access in this account";
const CONCURRENCY: &str = "ask for more with `aws service-quotas request-service-quota-increase --service-code lambda --quota-code L-B99A9384 --desired-value 1000`, or set `reserved_concurrency = \"none\"` in [function]";
const PROTECTED: &str =
    "run the same command again; if that does not help, look who sets the protection of the table";
const TTL: &str = "AWS takes one such change of a table an hour: run the same command again then; it continues where it stopped";
const PATTERN: &str = "change `pattern` in [events]";
const QUOTA: &str = "delete what is not used, or ask for more in the Service Quotas console";
const CODE: &str =
    "delete functions or old versions that are not used, or ask for more in the Service Quotas console";
const NETWORK: &str = "look at the network, the proxy settings and --endpoint-url, then run the same command";

/// What an answer of the service means. Its message is what is wrong, in our words; empty where only the service knows.
pub(super) fn answered(operation: &str, said: &Said, now: SystemTime) -> Fault {
    let code = said.code.as_deref().unwrap_or_default();
    let message = said.message.as_deref().unwrap_or_default().to_ascii_lowercase();
    let row = ROWS.iter().find(|row| row.0 == code && message.contains(&row.1.to_ascii_lowercase()));
    let Some(Row(_, _, means, why, hint)) = row else {
        let known = if code.is_empty() { "http" } else { code };
        return match said.status {
            Some(500..=599 | 429) => Fault::transient(known, "AWS has a problem"),
            _ => Fault::fatal(known, ""),
        };
    };
    let mut fault = match means {
        Again => Fault::transient(code, *why),
        Credentials | Clock => Fault { kind: FaultKind::Credentials, ..Fault::fatal(code, *why) },
        Denied | Quota | Final => Fault::fatal(code, *why),
    };
    if matches!(means, Clock)
        && let Some(off) = said.date.as_deref().and_then(|date| clock_error(date, now))
    {
        fault.message = format!("the clock of this machine is off by {off}");
    }
    if matches!(means, Denied) {
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
