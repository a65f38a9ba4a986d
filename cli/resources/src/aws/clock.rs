//! The clock of this machine.

use std::time::SystemTime;

/// Returns the current time, for comparison with AWS's times. Code that decides by the time takes it as an
/// argument.
#[expect(clippy::disallowed_methods, reason = "the drivers' one look at the clock")]
pub(crate) fn now() -> SystemTime {
    SystemTime::now()
}
