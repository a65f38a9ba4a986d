//! A DynamoDB table: of the counts, or of who was seen.

#[cfg(feature = "aws")]
pub(crate) mod aws;
pub(crate) mod spec;
