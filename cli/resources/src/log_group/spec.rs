//! The CloudWatch log group of the function.

use hitctl_engine::Keep;
use serde::{Deserialize, Serialize};

use crate::spec::Spec;
use crate::tags::Tags;

/// The output of a live log group that says since when it may hold lines, in milliseconds since 1970.
pub const OLDEST_MS: &str = "oldest_ms";

/// A log group that forgets.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct LogGroupSpec {
    /// How many days events are kept.
    pub retention_days: u32,
    /// Its tags.
    pub tags: Tags,
}

impl Spec for LogGroupSpec {
    const KIND: &'static str = "log_group";
    // Its lines are deleted when their time is over, and not before the user says so.
    const KEEP: Keep = Keep::AskBeforeLoss;
}
