//! Error codes of Lambda, and how long its calls are retried.

use std::time::Duration;

use hitctl_engine::Wait;

/// The error code of a resource that exists already, or is being changed.
pub(crate) const CONFLICT: &str = "ResourceConflictException";

/// The retries of a read, which Lambda may throttle.
pub(crate) const READ: Wait = Wait::up_to(Duration::from_secs(30));

/// The retries of a write. A new role takes seconds, and at times minutes, to propagate in IAM; another change may be in
/// progress; a new function may not be visible yet. The pauses are short, since most of a first deploy is this wait. An
/// attempt may carry the code over a slow line.
pub(crate) const WRITE: Wait = Wait {
    first: Duration::from_millis(200),
    longest: Duration::from_secs(2),
    attempt: Duration::from_mins(2),
    budget: Duration::from_mins(5),
};
