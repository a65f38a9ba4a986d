//! The event source mapping: Lambda's pollers that take messages off a queue and give them to the function.

use hitctl_engine::Value;
use serde::{Deserialize, Serialize};

use crate::spec::Spec;
use crate::tags::Tags;

/// A mapping from a queue to a function. It has no name of its own: it is found by the two, and its node is named after the
/// queue.
///
/// Outputs: `uuid`, which the server picks, and `state`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct EventSourceMappingSpec {
    /// The queue.
    pub queue_arn: Value<String>,
    /// The function, or its alias, that counts.
    pub function_arn: Value<String>,
    /// Whether messages are taken.
    pub enabled: bool,
    /// The most messages that one invocation gets.
    pub batch_size: u32,
    /// How long messages are gathered for a batch, in seconds.
    pub window_s: u32,
    /// The most invocations at once.
    pub max_concurrency: u32,
    /// Whether the function's answer says which messages of a batch failed (`ReportBatchItemFailures`).
    pub reports_failures: bool,
    /// Its tags.
    pub tags: Tags,
}

impl Spec for EventSourceMappingSpec {
    const KIND: &'static str = "event_source_mapping";
    const REPLACE_ON: &'static [&'static str] = &["queue_arn"];
}
