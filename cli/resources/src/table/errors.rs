//! The error rules of tables.

use crate::aws::fault::{
    ErrorClass::{Final, Retryable},
    ErrorRule, rule,
};

/// The rules, which are applied before the common rules.
pub(crate) const RULES: &[ErrorRule] = &[
    rule(
        "LimitExceededException",
        "simultaneous",
        Retryable,
        "too many tables are being changed at once",
        "",
    ),
    rule(
        "ValidationException",
        "protected against deletion",
        Final,
        "deletion protection is enabled",
        PROTECTION_HINT,
    ),
    rule(
        "ValidationException",
        "modified multiple times within a fixed interval",
        Final,
        "time to live was changed less than an hour ago",
        TTL_HINT,
    ),
    rule(
        "ValidationException",
        "TimeToLive is active on a different",
        Final,
        "time to live is still enabled for another attribute",
        TTL_HINT,
    ),
    rule("ContinuousBackupsUnavailableException", "", Retryable, "backups are being enabled", ""),
];

const PROTECTION_HINT: &str =
    "run the same command again; if it fails again, find out who enables deletion protection for the table";
const TTL_HINT: &str =
    "run the same command again in an hour; AWS allows one change of time to live per hour";
