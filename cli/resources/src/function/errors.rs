//! The error rules of functions.

use crate::aws::fault::{ErrorClass, ErrorRule, rule};

/// The text by which an error message of Lambda is recognized as being about the quota of unreserved concurrency.
pub(crate) const UNRESERVED_CONCURRENCY: &str = "UnreservedConcurrentExecution";

/// The rules, which are applied before the common rules.
pub(crate) const RULES: &[ErrorRule] = &[rule(
    "InvalidParameterValueException",
    UNRESERVED_CONCURRENCY,
    ErrorClass::Quota,
    "the concurrency quota of the account is too small for a reservation",
    QUOTA_HINT,
)];

const QUOTA_HINT: &str = "request an increase with `aws service-quotas request-service-quota-increase --service-code lambda --quota-code L-B99A9384 --desired-value 1000`, or set `reserved_concurrency = \"none\"` in [function]";
