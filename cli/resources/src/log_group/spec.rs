//! The settings of the function's CloudWatch log group.

use hitctl_engine::DeletionPolicy;
use serde::{Deserialize, Serialize};

use crate::spec::Spec;
use crate::tags::Tags;

/// The output of a live log group with the time of its creation, in milliseconds since 1970. It has no older
/// lines.
pub const OLDEST_MS: &str = "oldest_ms";

/// A log group with a retention.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct LogGroupSpec {
    /// The number of days that events are kept.
    pub retention_days: u32,
    /// The tags of the group.
    pub tags: Tags,
}

impl Spec for LogGroupSpec {
    const KIND: &'static str = "log_group";
    // Lines are deleted when their retention ends, and not before the user confirms it.
    const DELETION_POLICY: DeletionPolicy = DeletionPolicy::Confirm;
}
