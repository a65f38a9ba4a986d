//! Time that a step took.

use std::time::Instant;

/// Milliseconds since an instant.
pub(crate) fn millis(started: Instant) -> u64 {
    hitctl_engine::millis(started.elapsed())
}
