//! What becomes of events that Lambda took and the function could not handle: without it, they are gone after two retries.

#[cfg(feature = "aws")]
pub(crate) mod aws;
pub(crate) mod spec;
