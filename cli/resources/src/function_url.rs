//! The function URL: the function on an address of its own, without an API in front of it.

#[cfg(feature = "aws")]
pub(crate) mod aws;
pub(crate) mod spec;
