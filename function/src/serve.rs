//! The loop: next invocation, handle it, answer it. What fails in one invocation, a panic too, is that invocation's
//! error and no other's.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Mutex, PoisonError};

use crate::failure::Failure;
use crate::lambda::{Gone, Invocation, Posted, Runtime};
use crate::log::{Field, Level, Log};

/// What the last panic said and where: its own output would be a second, unreadable line in the log.
static LAST_PANIC: Mutex<String> = Mutex::new(String::new());

/// Keeps what panics say for the invocation's error instead of printing it.
pub fn keep_panics() {
    std::panic::set_hook(Box::new(|panic| {
        *LAST_PANIC.lock().unwrap_or_else(PoisonError::into_inner) = panic.to_string();
    }));
}

/// What serves invocations.
pub trait Handler {
    /// Answers one.
    fn handle(&mut self, invocation: &Invocation, log: &mut Log) -> Result<String, Failure>;

    /// Does what need not hold up its answer, once that is out: Lambda lets the process run until it asks for the next.
    fn after(&mut self, _: &Invocation, _: &mut Log) {}
}

/// Serves invocations until the Runtime API is gone, and returns why it is.
pub fn serve<H: Handler>(runtime: &mut Runtime, log: &mut Log, handle: &mut H) -> Gone {
    loop {
        if let Err(gone) = serve_one(runtime, log, handle) {
            return gone;
        }
    }
}

fn serve_one<H: Handler>(runtime: &mut Runtime, log: &mut Log, handle: &mut H) -> Result<(), Gone> {
    let invocation = runtime.next_invocation()?;
    // What a panic leaves half-done is dropped: a connection in use was taken out of its place before.
    let result = catch_unwind(AssertUnwindSafe(|| handle.handle(&invocation, log)))
        .unwrap_or_else(|_| Err(Failure { kind: "Hitctl.Panic", message: last_panic() }));
    let posted = match &result {
        Ok(json) => runtime.answer(&invocation.id, json)?,
        Err(failure) => {
            log.line(
                Level::Error,
                Some(&invocation.id),
                "the invocation failed",
                &[("errorType", Field::Text(failure.kind)), ("cause", Field::Text(&failure.message))],
            );
            runtime.fail(&invocation.id, failure)?
        }
    };
    if let Posted::Refused(status) = posted {
        let status = [("status", Field::Number(status.into()))];
        log.line(Level::Warn, Some(&invocation.id), "the Runtime API refused the answer", &status);
    }
    if catch_unwind(AssertUnwindSafe(|| handle.after(&invocation, log))).is_err() {
        log.failure(Level::Error, &invocation.id, "what follows an answer failed", &last_panic());
    }
    Ok(())
}

fn last_panic() -> String {
    std::mem::take(&mut *LAST_PANIC.lock().unwrap_or_else(PoisonError::into_inner))
}
