//! Code that the drivers of an AWS account share. Each driver lies in the folder of its kind.
//!
//! A driver reads a live resource back into its spec, normalised, and speaks typed values. [`typed::Typed`] adapts it to the
//! engine, which speaks JSON.

pub(crate) mod account;
pub(crate) mod call;
pub(crate) mod clock;
pub(crate) mod cors;
pub mod fault;
pub(crate) mod lambda;
pub(crate) mod owner;
pub(crate) mod quota;
pub(crate) mod resource;
pub(crate) mod single_flight;
pub(crate) mod tags;
pub(crate) mod typed;
pub(crate) mod words;

pub use account::Aws;
pub use call::{Call, CallContext};
pub use owner::{check_ours, is_ours, owner_of, split_by_tags};
pub use quota::{DEFAULT_TABLE_WRITES, Quota, concurrency_quota, table_writes_quota};
pub use resource::{Found, Read, Resource, Written};
pub use tags::{managed_tags, tags_to_apply};
pub use typed::{AwsKind, Typed};
pub use words::error_in_words;

/// A number as the SDKs take it. The configuration bounds them far below the largest one.
pub(crate) fn number(number: u32) -> i32 {
    i32::try_from(number).unwrap_or(i32::MAX)
}
