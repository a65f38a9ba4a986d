//! The Lambda function: a zip with a `bootstrap`, on the custom runtime `provided.al2023`.

#[cfg(feature = "aws")]
pub(crate) mod aws;
pub(crate) mod spec;
