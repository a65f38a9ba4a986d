//! The event source mapping: Lambda's pollers that take messages off a queue and give them to the function.

#[cfg(feature = "aws")]
pub(crate) mod aws;
pub(crate) mod spec;
