//! The settings of an SQS queue: the queue of hits that are not counted yet, or the dead-letter queue.

use std::collections::BTreeSet;

use hitctl_engine::{DeletionPolicy, SpecValue};
use serde::{Deserialize, Serialize};

use crate::spec::Spec;
use crate::tags::Tags;

/// A standard queue.
///
/// Outputs: `arn`, `url`, and, unless the queue is empty, the approximate number of messages as
/// [`CONTENTS_OUTPUT`](hitctl_engine::CONTENTS_OUTPUT).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct QueueSpec {
    /// How long a received message is hidden from other consumers, in seconds.
    pub visibility_timeout_s: u32,
    /// How long a message is kept, in seconds.
    pub retention_s: u32,
    /// Whether SQS encrypts the queue with its own keys.
    pub managed_encryption: bool,
    /// The dead-letter queue for messages that are received too often.
    pub redrive: Option<RedrivePolicy>,
    /// The services that may send messages. Roles need no permission from the queue.
    pub senders: BTreeSet<AllowedSender>,
    /// The tags of the queue.
    pub tags: Tags,
}

/// The rule by which SQS moves messages to the dead-letter queue.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RedrivePolicy {
    /// The ARN of the dead-letter queue.
    pub dead_letter_arn: SpecValue<String>,
    /// The number of receives before a message moves to the dead-letter queue.
    pub max_receive_count: u32,
}

/// A service that may send messages to a queue: a statement of the queue's policy.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct AllowedSender {
    /// The service: `events.amazonaws.com`.
    pub service: String,
    /// The ARN of the event rule for which the service sends messages. It is known before the rule exists, because we
    /// choose the rule's name.
    pub source_arn: String,
}

impl Spec for QueueSpec {
    const KIND: &'static str = "queue";
    // Uncounted hits and dead letters are data.
    const DELETION_POLICY: DeletionPolicy = DeletionPolicy::ConfirmIfNonEmpty;
}
