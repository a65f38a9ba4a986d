//! The error rules of queues.

use crate::aws::fault::{ErrorClass::Retryable, ErrorRule, SQS_PROPAGATION, rule};

/// The rules, which come before the common ones.
pub(crate) const RULES: &[ErrorRule] = &[
    rule(
        "InvalidParameterValue",
        "Dead letter target does not exist",
        Retryable,
        "the dead-letter queue has not propagated in SQS yet",
        SQS_PROPAGATION,
    ),
    rule("QueueDeletedRecently", "", Retryable, "a queue of this name was deleted recently", SQS_PROPAGATION),
    rule(
        "AWS.SimpleQueueService.QueueDeletedRecently",
        "",
        Retryable,
        "a queue of this name was deleted recently",
        SQS_PROPAGATION,
    ),
];
