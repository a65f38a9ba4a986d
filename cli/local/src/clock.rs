//! The one place of this crate that reads the clock and the system's randomness.

use std::io;
use std::time::{SystemTime, UNIX_EPOCH};

/// Milliseconds since the Unix epoch.
#[expect(clippy::disallowed_methods, reason = "the daemon's edge: a log line and a record have a time")]
pub(crate) fn now_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

/// Sleeps in steps of a bounded poll: for a process or a file outside this program, which sends no event.
#[expect(clippy::disallowed_methods, reason = "polling another process; every caller is bounded")]
pub(crate) async fn pause(time: std::time::Duration) {
    tokio::time::sleep(time).await;
}

/// Random bytes of the operating system.
pub(crate) fn random<const N: usize>() -> io::Result<[u8; N]> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes)?;
    Ok(bytes)
}
