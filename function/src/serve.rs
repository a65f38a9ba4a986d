//! The invocation loop: waits for an invocation, handles it, and sends the response. A failure, including a
//! panic, affects only its own invocation.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Mutex, PoisonError};

use crate::invocation_error::InvocationError;
use crate::lambda::{RuntimeClient, RuntimeClosed, RuntimeInvocation, SubmitResult};
use crate::log::{Level, LogField, Logger};

/// The message and the location of the last panic. They are not printed by default, because this would add an
/// unstructured line to the log.
static LAST_PANIC: Mutex<String> = Mutex::new(String::new());

/// Captures panic messages for the invocation's error instead of printing them.
pub fn capture_panics() {
    std::panic::set_hook(Box::new(|panic| {
        *LAST_PANIC.lock().unwrap_or_else(PoisonError::into_inner) = panic.to_string();
    }));
}

/// A handler of invocations.
pub trait InvocationHandler {
    /// Handles an invocation and returns its response.
    fn handle(&mut self, invocation: &RuntimeInvocation, log: &mut Logger)
    -> Result<String, InvocationError>;

    /// Runs after the response is sent, for work that should not delay the response. Lambda lets the process run
    /// until it requests the next invocation.
    fn after_response(&mut self, _: &RuntimeInvocation, _: &mut Logger) {}
}

/// Serves invocations until the Runtime API is closed, and returns the reason.
pub fn serve<H: InvocationHandler>(
    runtime: &mut RuntimeClient,
    log: &mut Logger,
    handler: &mut H,
) -> RuntimeClosed {
    loop {
        if let Err(error) = serve_one(runtime, log, handler) {
            return error;
        }
    }
}

fn serve_one<H: InvocationHandler>(
    runtime: &mut RuntimeClient,
    log: &mut Logger,
    handler: &mut H,
) -> Result<(), RuntimeClosed> {
    let invocation = runtime.next_invocation()?;
    // A panic leaves no unfinished state: a connection in use has been taken out of its field, so it is dropped.
    let result = catch_unwind(AssertUnwindSafe(|| handler.handle(&invocation, log)))
        .unwrap_or_else(|_| Err(InvocationError { kind: "Hitctl.Panic", message: last_panic() }));
    let submitted = match &result {
        Ok(json) => runtime.send_response(&invocation.id, json)?,
        Err(failure) => {
            log.write_line(
                Level::Error,
                Some(&invocation.id),
                "the invocation failed",
                &[("errorType", LogField::Text(failure.kind)), ("cause", LogField::Text(&failure.message))],
            );
            runtime.send_error(&invocation.id, failure)?
        }
    };
    if let SubmitResult::Rejected(status) = submitted {
        let status = [("status", LogField::Number(status.into()))];
        log.write_line(Level::Warn, Some(&invocation.id), "the Runtime API rejected the response", &status);
    }
    if catch_unwind(AssertUnwindSafe(|| handler.after_response(&invocation, log))).is_err() {
        log.write_failure(Level::Error, &invocation.id, "failed after sending the response", &last_panic());
    }
    Ok(())
}

fn last_panic() -> String {
    std::mem::take(&mut *LAST_PANIC.lock().unwrap_or_else(PoisonError::into_inner))
}
