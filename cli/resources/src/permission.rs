//! A statement in the function's own policy that lets the HTTP API, or a rule, call it.

#[cfg(feature = "aws")]
pub(crate) mod aws;
pub(crate) mod spec;
