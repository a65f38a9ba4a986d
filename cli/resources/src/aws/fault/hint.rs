//! Hints that the rules of several kinds share.

/// The hint while a change is propagated in IAM.
pub(crate) const IAM_PROPAGATION: &str =
    "run the same command again in a minute; it continues where it stopped";

/// The hint while a change is propagated in SQS.
pub(crate) const SQS_PROPAGATION: &str =
    "run the same command again in a minute; it continues where it stopped";
