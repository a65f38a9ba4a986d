//! The error rules of roles.

use crate::aws::fault::{
    ErrorClass::{Final, Retryable},
    ErrorRule, IAM_PROPAGATION, rule,
};

/// The rules, which come before the common ones.
pub(crate) const RULES: &[ErrorRule] = &[
    rule(
        "MalformedPolicyDocument",
        "Invalid principal",
        Retryable,
        "IAM has not spread the principal yet",
        IAM_PROPAGATION,
    ),
    rule("UnmodifiableEntity", "", Final, "only the AWS service that made it may change it", ""),
    rule("EntityTemporarilyUnmodifiable", "", Retryable, "another change of it is in progress", ""),
    rule("DeleteConflict", "", Retryable, "something is still attached to it", ""),
];
