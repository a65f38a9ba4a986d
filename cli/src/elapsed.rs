//! Time that a step took.

use std::time::Instant;

/// Milliseconds since an instant.
pub(crate) fn millis(started: Instant) -> u64 {
    u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX)
}
