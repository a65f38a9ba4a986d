//! An error code of Lambda, and the retry policies for Lambda calls.

use std::time::Duration;

use hitctl_engine::RetryPolicy;

/// The error code of a resource that already exists or is being changed.
pub(crate) const CONFLICT: &str = "ResourceConflictException";

/// The retry policy for reads, which Lambda may throttle.
pub(crate) const READ: RetryPolicy = RetryPolicy::with_budget(Duration::from_secs(30));

/// The retry policy for writes. A new role takes seconds, sometimes minutes, to propagate in IAM; another change may
/// be in progress; a new function may not be visible yet. The delays are short, because a first deploy spends most
/// of its time in these retries. The attempt timeout allows for uploading the code over a slow connection.
pub(crate) const WRITE: RetryPolicy = RetryPolicy {
    initial_delay: Duration::from_millis(200),
    max_delay: Duration::from_secs(2),
    attempt_timeout: Duration::from_mins(2),
    budget: Duration::from_mins(5),
};
