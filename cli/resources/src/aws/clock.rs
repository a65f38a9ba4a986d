//! The clock of this machine.

use std::time::SystemTime;

/// The time, to be compared with AWS's own; what decides by it takes it as an argument.
#[expect(clippy::disallowed_methods, reason = "the drivers' one look at the clock")]
pub(crate) fn now() -> SystemTime {
    SystemTime::now()
}
