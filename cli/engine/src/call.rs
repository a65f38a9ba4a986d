//! Runs one driver call with a timeout and turns a panic in it into a fault.

use std::any::Any;
use std::panic::AssertUnwindSafe;
use std::time::Duration;

use futures::FutureExt;
use tokio::time::timeout;

use crate::fault::Fault;

/// The hint for errors that a second run may resolve. Every driver call can be repeated safely.
pub(crate) const RETRY_HINT: &str = "run the same command again; it continues where it stopped";

/// Waits for `call` for at most `limit`. `operation` describes the call for messages, as in "create table hits-local".
pub(crate) async fn run_bounded<T>(
    operation: &str,
    limit: Duration,
    call: impl Future<Output = Result<T, Fault>>,
) -> Result<T, Fault> {
    // After a panic no state of the call is read again, so a half-finished change in it cannot be observed.
    match timeout(limit, AssertUnwindSafe(call).catch_unwind()).await {
        Ok(Ok(result)) => result,
        Ok(Err(panic)) => {
            let message = format!("internal error: failed to {operation}; please report it");
            Err(Fault::fatal("panic", message).caused_by(panic_text(panic.as_ref())))
        }
        Err(_) => Err(Fault::fatal(
            "timeout",
            format!("failed to {operation}: timed out after {}", format_duration(limit)),
        )
        .hinted(RETRY_HINT)),
    }
}

fn panic_text(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(ToString::to_string);
    text.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_else(|| "panic".to_owned())
}

/// Formats a count with a noun: `1 table`, `2 tables`.
pub fn plural(n: u64, noun: &str) -> String {
    if n == 1 { format!("{n} {noun}") } else { format!("{n} {noun}s") }
}

/// Formats a duration for messages: `200 ms`, `30 s`, `20 min`.
pub(crate) fn format_duration(time: Duration) -> String {
    match time.as_secs() {
        0 => format!("{} ms", time.as_millis()),
        seconds @ 1..120 => format!("{seconds} s"),
        seconds => format!("{} min", seconds / 60),
    }
}

/// Returns a duration in whole milliseconds.
pub fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}
