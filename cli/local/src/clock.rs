//! Reads the wall clock and random bytes of the system, and sleeps.

use std::io;
use std::time::{SystemTime, UNIX_EPOCH};

use hitctl_engine::Fault;
use jiff::Timestamp;

/// Returns the current time in milliseconds since the Unix epoch.
#[expect(clippy::disallowed_methods, reason = "log lines and stored records have a time")]
pub(crate) fn now_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

/// Converts milliseconds since the Unix epoch to a timestamp.
pub(crate) fn timestamp(ms: u64) -> Timestamp {
    Timestamp::from_millisecond(i64::try_from(ms).unwrap_or(i64::MAX)).unwrap_or_default()
}

/// Sleeps, for a time limit or between two checks of a process or file that cannot notify this program. Every
/// caller limits how long it polls.
#[expect(clippy::disallowed_methods, reason = "time limits and polling; every caller is bounded")]
pub(crate) async fn sleep(time: std::time::Duration) {
    tokio::time::sleep(time).await;
}

/// Returns random bytes of the operating system.
pub(crate) fn random<const N: usize>() -> io::Result<[u8; N]> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes)?;
    Ok(bytes)
}

/// Returns the fault for a system that provides no random bytes.
pub(crate) fn no_random_fault(error: io::Error) -> Fault {
    Fault::fatal("local_random", "failed to read random bytes from the system").caused_by(error)
}
