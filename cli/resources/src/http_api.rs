//! The HTTP API in front of the function: api, integration, routes and stage as one resource.

#[cfg(feature = "aws")]
pub(crate) mod aws;
pub(crate) mod spec;
