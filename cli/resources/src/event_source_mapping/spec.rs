//! The settings of an event source mapping, by which Lambda receives the messages of a queue and invokes the function
//! with them.

use hitctl_engine::SpecValue;
use serde::{Deserialize, Serialize};

use crate::spec::Spec;
use crate::tags::Tags;

/// A mapping from a queue to a function. A mapping has no name in AWS and is found by its queue and function. The
/// resource has the name of the queue.
///
/// Outputs: `uuid`, which AWS chooses, and `state`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct EventSourceMappingSpec {
    /// The ARN of the queue.
    pub queue_arn: SpecValue<String>,
    /// The ARN of the function that counts, or of the function's alias.
    pub function_arn: SpecValue<String>,
    /// Whether messages are consumed.
    pub enabled: bool,
    /// The maximum number of messages per invocation.
    pub batch_size: u32,
    /// The time to collect messages for a batch, in seconds.
    pub window_s: u32,
    /// The maximum number of concurrent invocations; 0 for no limit.
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
