//! The error rules of EventBridge rules.

use crate::aws::fault::{
    ErrorClass::{Final, Retryable},
    ErrorRule, rule,
};

/// The rules, which are applied before the common rules.
pub(crate) const RULES: &[ErrorRule] = &[
    rule("InvalidEventPatternException", "", Final, "EventBridge rejects the event pattern", PATTERN_HINT),
    rule("ManagedRuleException", "", Final, "only the AWS service that created it can change it", ""),
    rule("ValidationException", "since it has targets", Retryable, "its target is still being removed", ""),
];

const PATTERN_HINT: &str = "change `pattern` in [events]";
