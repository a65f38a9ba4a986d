//! A queue of SQS: of hits that wait to be counted, or of dead letters.

use std::collections::BTreeSet;

use hitctl_engine::{Keep, Value};
use serde::{Deserialize, Serialize};

use crate::spec::Spec;
use crate::tags::Tags;

/// A standard queue.
///
/// Outputs: `arn`, `url`, and `held`: about how many messages are in it, in flight or not, where that is more than none.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct QueueSpec {
    /// For how long a message that was received is hidden from others, in seconds.
    pub visibility_timeout_s: u32,
    /// How long a message is kept, in seconds.
    pub retention_s: u32,
    /// Whether SQS encrypts it with its own keys.
    pub managed_encryption: bool,
    /// Where messages go that were received too often.
    pub redrive: Option<Redrive>,
    /// Which services may put messages there, and from where; besides roles, which need no word of the queue.
    pub senders: BTreeSet<Sender>,
    /// Its tags.
    pub tags: Tags,
}

/// What becomes of a message that is received again and again.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Redrive {
    /// The queue of dead letters.
    pub dead_letter_arn: Value<String>,
    /// How often a message is received before it goes there.
    pub max_receive_count: u32,
}

/// A service that may put messages on a queue: a statement of the queue's policy.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Sender {
    /// The service: `events.amazonaws.com`.
    pub service: String,
    /// The rule that it acts for. Its name is ours, so that the ARN is known before the rule is there.
    pub source_arn: String,
}

impl Spec for QueueSpec {
    const KIND: &'static str = "queue";
    // What waits to be counted, or died, is somebody's hits.
    const KEEP: Keep = Keep::AskWhileHolding;
}
