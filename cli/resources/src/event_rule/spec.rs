//! A rule of EventBridge with its one target: which events come to the function, or to the queue in front of it.

use hitctl_engine::Value;
use serde::{Deserialize, Serialize};
use serde_json::Value as Json;

use crate::spec::Spec;
use crate::tags::Tags;

/// A rule on an event bus, and where it sends what matches.
///
/// Outputs: `arn`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct EventRuleSpec {
    /// The bus, by name. Rules of two buses may have one name; a bus is never made here.
    pub bus: String,
    /// Which events match, as EventBridge writes it.
    pub pattern: Json,
    /// Whether it is in force.
    pub enabled: bool,
    /// The function, its alias, or the queue.
    pub target_arn: Value<String>,
    /// How often delivery is tried again.
    pub max_retries: u32,
    /// How old an event may become meanwhile, in seconds.
    pub max_age_s: u32,
    /// The queue that gets what could not be delivered.
    pub dead_letter_arn: Value<String>,
    /// Its tags.
    pub tags: Tags,
}

impl EventRuleSpec {
    /// The id of the rule's one target.
    pub const TARGET_ID: &'static str = "hitctl";
}

impl Spec for EventRuleSpec {
    const KIND: &'static str = "event_rule";
    const REPLACE_ON: &'static [&'static str] = &["bus"];
}
