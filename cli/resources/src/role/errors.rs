//! The error rules of roles.

use crate::aws::fault::{
    ErrorClass::{Final, Retryable},
    ErrorRule, PROPAGATION, rule,
};

/// The rules, which are applied before the common rules.
pub(crate) const RULES: &[ErrorRule] = &[
    rule(
        "MalformedPolicyDocument",
        "Invalid principal",
        Retryable,
        "the principal has not propagated in IAM yet",
        PROPAGATION,
    ),
    rule("UnmodifiableEntity", "", Final, "only the AWS service that created it can change it", ""),
    rule("EntityTemporarilyUnmodifiable", "", Retryable, "another change is in progress", ""),
    rule("DeleteConflict", "", Retryable, "other resources are still attached to it", ""),
];
