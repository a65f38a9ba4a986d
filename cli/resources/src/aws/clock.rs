//! The clock of this machine.

use std::time::SystemTime;

/// Returns the current time, for comparison with AWS's times. Functions that depend on the time have it as a
/// parameter, so that tests can set it.
#[expect(clippy::disallowed_methods, reason = "the only place where the drivers read the clock")]
pub(crate) fn now() -> SystemTime {
    SystemTime::now()
}
