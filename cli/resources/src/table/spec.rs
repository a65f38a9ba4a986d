//! A DynamoDB table: of the counts, or of who was seen.

use hitctl_engine::Keep;
use serde::{Deserialize, Serialize};

use crate::spec::Spec;
use crate::tags::Tags;

/// An on-demand table with one string key.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TableSpec {
    /// The name of the partition key; it holds strings.
    pub partition_key: String,
    /// Whether AWS keeps continuous backups.
    pub point_in_time_recovery: bool,
    /// Whether the table refuses to be deleted.
    pub deletion_protection: bool,
    /// The most write request units a second: a ceiling on the bill.
    pub max_write_units: u32,
    /// The attribute that holds when an item expires, in seconds since 1970, after which it is deleted. None: items stay.
    pub ttl_attribute: Option<String>,
    /// Its tags.
    pub tags: Tags,
}

impl Spec for TableSpec {
    const KIND: &'static str = "table";
    const REPLACE_ON: &'static [&'static str] = &["partition_key"];
    const KEEP: Keep = Keep::AskBeforeLoss;
}
