//! The error rules of queues.

use crate::aws::fault::{ErrorClass::Retryable, ErrorRule, PROPAGATION, rule};

/// The rules, which are applied before the common rules.
pub(crate) const RULES: &[ErrorRule] = &[
    rule(
        "InvalidParameterValue",
        "Dead letter target does not exist",
        Retryable,
        "the dead-letter queue has not propagated in SQS yet",
        PROPAGATION,
    ),
    rule("QueueDeletedRecently", "", Retryable, "a queue of this name was deleted recently", PROPAGATION),
    rule(
        "AWS.SimpleQueueService.QueueDeletedRecently",
        "",
        Retryable,
        "a queue of this name was deleted recently",
        PROPAGATION,
    ),
];
