//! The CloudWatch log group of the function.

#[cfg(feature = "aws")]
pub(crate) mod aws;
pub(crate) mod spec;
