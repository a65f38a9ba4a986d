//! Hints that the rules of several kinds share.

/// The hint while a change is propagated in IAM.
pub(crate) const IAM_PROPAGATION: &str =
    "IAM needs a while after a role is made; run the same command again: it continues where it stopped";

/// The hint while a change is propagated in SQS.
pub(crate) const SQS_PROPAGATION: &str =
    "SQS needs up to a minute; run the same command again: it continues where it stopped";
