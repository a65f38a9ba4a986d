//! The IAM role that the function runs as, with its one inline policy.

#[cfg(feature = "aws")]
pub(crate) mod aws;
#[cfg(feature = "aws")]
pub(crate) mod policy;
pub(crate) mod spec;
