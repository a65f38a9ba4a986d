//! The calls that create, read, change and delete a queue, and the IAM actions that they need.

use hitctl_config::names;

use crate::operation::{Operation, PolicyScope};

/// The queue of hits and its dead-letter queue.
pub const QUEUES: PolicyScope = PolicyScope::new("Queues", |parts| {
    vec![
        parts.location.queue_arn(&names::queue(parts.app, parts.env)),
        parts.location.queue_arn(&names::dead_letter_queue(parts.app, parts.env)),
    ]
});

/// The calls, sorted by name.
pub(super) const OPERATIONS: &[Operation] = &[
    Operation::new("sqs:CreateQueue", &[("sqs:CreateQueue", QUEUES), ("sqs:TagQueue", QUEUES)]),
    Operation::new("sqs:DeleteQueue", &[("sqs:DeleteQueue", QUEUES)]),
    Operation::new("sqs:GetQueueAttributes", &[("sqs:GetQueueAttributes", QUEUES)]),
    Operation::new("sqs:GetQueueUrl", &[("sqs:GetQueueUrl", QUEUES)]),
    Operation::new("sqs:ListQueueTags", &[("sqs:ListQueueTags", QUEUES)]),
    Operation::new("sqs:SetQueueAttributes", &[("sqs:SetQueueAttributes", QUEUES)]),
    Operation::new("sqs:TagQueue", &[("sqs:TagQueue", QUEUES)]),
    Operation::new("sqs:UntagQueue", &[("sqs:UntagQueue", QUEUES)]),
];
