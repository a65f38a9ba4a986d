//! The error rules of tables.

use crate::aws::fault::{
    ErrorClass::{Final, Retryable},
    ErrorRule, rule,
};

/// The rules, which come before the common ones.
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
        "it is protected against deletion",
        PROTECTED,
    ),
    rule(
        "ValidationException",
        "modified multiple times within a fixed interval",
        Final,
        "its time to live was changed less than an hour ago",
        TTL,
    ),
    rule(
        "ValidationException",
        "TimeToLive is active on a different",
        Final,
        "its items still expire by another attribute",
        TTL,
    ),
    rule("ContinuousBackupsUnavailableException", "", Retryable, "backups are being enabled", ""),
];

const PROTECTED: &str =
    "run the same command again; if that does not help, look who sets the protection of the table";
const TTL: &str = "AWS takes one such change of a table an hour: run the same command again then; it continues where it stopped";
