//! The settings of a DynamoDB table: the table of counts or the table of recent visitors.

use hitctl_engine::DeletionPolicy;
use serde::{Deserialize, Serialize};

use crate::spec::Spec;
use crate::tags::Tags;

/// An on-demand table with a partition key of type string.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TableSpec {
    /// The name of the partition key.
    pub partition_key: String,
    /// Whether AWS keeps point-in-time backups.
    pub point_in_time_recovery: bool,
    /// Whether the table is protected against deletion.
    pub deletion_protection: bool,
    /// The maximum number of write request units per second, which limits the cost.
    pub max_write_units: u32,
    /// The attribute with the expiry time of an item, in seconds since 1970. DynamoDB deletes expired items. `None` if
    /// items do not expire.
    pub ttl_attribute: Option<String>,
    /// The tags of the table.
    pub tags: Tags,
}

impl Spec for TableSpec {
    const KIND: &'static str = "table";
    const IMMUTABLE_FIELDS: &'static [&'static str] = &["partition_key"];
    const DELETION_POLICY: DeletionPolicy = DeletionPolicy::Confirm;
}
