//! Measures the durations of steps.

use std::time::Instant;

/// Returns the milliseconds since an instant.
pub(crate) fn millis(started: Instant) -> u64 {
    hitctl_engine::millis(started.elapsed())
}
