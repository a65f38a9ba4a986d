//! One call of a driver, bounded: it may take only so long, and a panic in it is a fault like any other.

use std::any::Any;
use std::panic::AssertUnwindSafe;
use std::time::Duration;

use futures::FutureExt;
use tokio::time::timeout;

use crate::fault::Fault;

/// The hint when trying again may help, since every call can be made twice.
pub(crate) const AGAIN: &str = "run the same command again; it continues where it stopped";

/// Waits for `call` for at most `limit`. `tried` says what it does, as in "create table hits-local".
pub(crate) async fn bounded<T>(
    tried: &str,
    limit: Duration,
    call: impl Future<Output = Result<T, Fault>>,
) -> Result<T, Fault> {
    // Nothing of the call is looked at after a panic, so it cannot be seen half-changed.
    match timeout(limit, AssertUnwindSafe(call).catch_unwind()).await {
        Ok(Ok(answer)) => answer,
        Ok(Err(panic)) => {
            Err(Fault::fatal("panic", format!("failed to {tried}: the program made a mistake"))
                .caused_by(panic_text(panic.as_ref()))
                .hinted("please report this, with the text above"))
        }
        Err(_) => Err(Fault::fatal("timeout", format!("failed to {tried}: no end after {}", spell(limit)))
            .hinted(AGAIN)),
    }
}

fn panic_text(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(ToString::to_string);
    text.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_else(|| "panic".to_owned())
}

/// A duration for people: `200 ms`, `30 s`, `20 min`.
pub(crate) fn spell(time: Duration) -> String {
    match time.as_secs() {
        0 => format!("{} ms", time.as_millis()),
        seconds @ 1..120 => format!("{seconds} s"),
        seconds => format!("{} min", seconds / 60),
    }
}

/// Whole milliseconds of a duration.
pub fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}
