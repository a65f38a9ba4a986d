//! The code that all AWS drivers share. Each driver is in the folder of its kind.
//!
//! A driver uses the spec type of its kind; [`driver::ResourceDriver`] adapts it to the engine, which uses JSON.

pub(crate) mod account;
pub(crate) mod call;
pub(crate) mod clock;
pub(crate) mod cors;
pub(crate) mod driver;
pub(crate) mod error_text;
pub mod fault;
pub(crate) mod lambda;
pub(crate) mod owner;
pub(crate) mod quota;
pub(crate) mod resource;
pub(crate) mod single_flight;
pub(crate) mod tags;

pub use account::Aws;
pub use call::{ApiCall, CallContext};
pub use driver::{AwsKind, ResourceDriver};
pub use error_text::describe_error;
pub use owner::{check_ours, is_ours, owner_of, split_by_tags};
pub use quota::{ConcurrencyQuota, DEFAULT_TABLE_WRITES, concurrency_quota, table_writes_quota};
pub use resource::{ReadResult, ReadState, Resource, WriteResult};
pub use tags::{managed_tags, tags_to_apply};

/// Converts a number to the SDK's type. The configuration limits all numbers to far less than [`i32::MAX`].
pub(crate) fn number(number: u32) -> i32 {
    i32::try_from(number).unwrap_or(i32::MAX)
}
