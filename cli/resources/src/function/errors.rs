//! The error rules of functions.

use crate::aws::fault::{ErrorClass, ErrorRule, rule};

/// The part of an error message that names the quota of unreserved concurrency.
pub(crate) const QUOTA: &str = "UnreservedConcurrentExecution";

/// The rules, which are applied before the common rules.
pub(crate) const RULES: &[ErrorRule] = &[rule(
    "InvalidParameterValueException",
    QUOTA,
    ErrorClass::Quota,
    "the concurrency quota of the account is too small for a reservation",
    CONCURRENCY,
)];

const CONCURRENCY: &str = "request an increase with `aws service-quotas request-service-quota-increase --service-code lambda --quota-code L-B99A9384 --desired-value 1000`, or set `reserved_concurrency = \"none\"` in [function]";
