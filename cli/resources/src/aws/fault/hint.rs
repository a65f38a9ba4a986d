//! Hints that are shared by the error rules of several kinds of resources.

/// The hint for errors that disappear when IAM or SQS has propagated a change.
pub(crate) const PROPAGATION: &str = "run the same command again in a minute; it continues where it stopped";
