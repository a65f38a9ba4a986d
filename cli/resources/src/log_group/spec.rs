//! The settings of a function's CloudWatch log group.

use hitctl_engine::DeletionPolicy;
use serde::{Deserialize, Serialize};

use crate::spec::Spec;
use crate::tags::Tags;

/// The output with the creation time of a live log group, in milliseconds since 1970. No log line is older.
pub const OLDEST_MS: &str = "oldest_ms";

/// A log group that keeps its log lines for a limited time.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct LogGroupSpec {
    /// The number of days for which log lines are kept. 0 in a live log group that keeps them forever.
    pub retention_days: u32,
    /// The tags of the group.
    pub tags: Tags,
}

impl Spec for LogGroupSpec {
    const KIND: &'static str = "log_group";
    // Log lines are deleted earlier than their retention says only if the user confirms it.
    const DELETION_POLICY: DeletionPolicy = DeletionPolicy::Confirm;
}
