//! Error codes of Lambda, and the retries of its calls.

use std::time::Duration;

use hitctl_engine::RetryPolicy;

/// The error code of a resource that already exists or is being changed.
pub(crate) const CONFLICT: &str = "ResourceConflictException";

/// The retries of a read, which Lambda may throttle.
pub(crate) const READ: RetryPolicy = RetryPolicy::with_budget(Duration::from_secs(30));

/// The retries of a write. A new role takes seconds, sometimes minutes, to propagate in IAM. Another change
/// may be in progress, or a new function may not be visible yet. The pauses are short because most of a first
/// deploy is spent in this wait. One attempt may upload the code over a slow connection.
pub(crate) const WRITE: RetryPolicy = RetryPolicy {
    initial_delay: Duration::from_millis(200),
    max_delay: Duration::from_secs(2),
    attempt_timeout: Duration::from_mins(2),
    budget: Duration::from_mins(5),
};
