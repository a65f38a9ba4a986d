//! A rule of EventBridge with its one target: which events come to the function, or to the queue in front of it.

#[cfg(feature = "aws")]
pub(crate) mod aws;
pub(crate) mod spec;
