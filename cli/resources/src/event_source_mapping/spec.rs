//! The settings of the event source mapping: Lambda's pollers, which pass messages of a queue to the
//! function.

use hitctl_engine::SpecValue;
use serde::{Deserialize, Serialize};

use crate::spec::Spec;
use crate::tags::Tags;

/// A mapping from a queue to a function. It has no name; it is found by queue and function, and its node is
/// named after the queue.
///
/// Outputs: `uuid`, which AWS chooses, and `state`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct EventSourceMappingSpec {
    /// The ARN of the queue.
    pub queue_arn: SpecValue<String>,
    /// The ARN of the function that counts, or of its alias.
    pub function_arn: SpecValue<String>,
    /// Whether messages are consumed.
    pub enabled: bool,
    /// The maximum number of messages per invocation.
    pub batch_size: u32,
    /// The time to collect messages for a batch, in seconds.
    pub window_s: u32,
    /// The maximum number of concurrent invocations.
    pub max_concurrency: u32,
    /// Whether the function's response lists the failed messages of a batch (`ReportBatchItemFailures`).
    pub reports_failures: bool,
    /// The tags of the mapping.
    pub tags: Tags,
}

impl Spec for EventSourceMappingSpec {
    const KIND: &'static str = "event_source_mapping";
    const IMMUTABLE_FIELDS: &'static [&'static str] = &["queue_arn"];
}
