//! The error rules of queues.

use crate::aws::fault::{ErrorClass::Retryable, ErrorRule, SQS_PROPAGATION, rule};

/// The rules, which come before the common ones.
pub(crate) const RULES: &[ErrorRule] = &[
    rule(
        "InvalidParameterValue",
        "Dead letter target does not exist",
        Retryable,
        "SQS has not spread the queue of dead letters yet",
        SQS_PROPAGATION,
    ),
    rule("QueueDeletedRecently", "", Retryable, "a queue of that name was deleted just now", SQS_PROPAGATION),
    rule(
        "AWS.SimpleQueueService.QueueDeletedRecently",
        "",
        Retryable,
        "a queue of that name was deleted just now",
        SQS_PROPAGATION,
    ),
];
