//! The settings of an EventBridge rule with its only target: the function, or the queue in front of the function.

use hitctl_engine::SpecValue;
use serde::{Deserialize, Serialize};
use serde_json::Value as Json;

use crate::spec::Spec;
use crate::tags::Tags;

/// A rule on an event bus, and the target for matching events.
///
/// Outputs: `arn`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct EventRuleSpec {
    /// The name of the bus. Rules on two buses may have the same name. hitctl never creates a bus.
    pub bus: String,
    /// The event pattern, in EventBridge's syntax.
    pub pattern: Json,
    /// Whether the rule is enabled.
    pub enabled: bool,
    /// The ARN of the target: the function, its alias, or the queue.
    pub target_arn: SpecValue<String>,
    /// The number of delivery retries.
    pub max_retries: u32,
    /// The maximum age of an event, in seconds.
    pub max_age_s: u32,
    /// The ARN of the queue that receives undeliverable events.
    pub dead_letter_arn: SpecValue<String>,
    /// The tags of the rule.
    pub tags: Tags,
}

impl EventRuleSpec {
    /// The id of the rule's only target.
    pub const TARGET_ID: &'static str = "hitctl";
}

impl Spec for EventRuleSpec {
    const KIND: &'static str = "event_rule";
    const IMMUTABLE_FIELDS: &'static [&'static str] = &["bus"];
}
