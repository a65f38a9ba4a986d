//! The engine from outside, in a toy cloud. Time is paused: nothing here sleeps.

#![expect(clippy::unwrap_used, reason = "a test's helpers may panic as the test may")]

mod laws;
mod plans;
mod running;
mod toy;
mod waiting;
mod world;

use std::sync::{Arc, Mutex};

use hitctl_engine::{Event, Sink};

/// Runs a test under paused time.
fn run<T>(test: impl Future<Output = T>) -> T {
    let mut runtime = tokio::runtime::Builder::new_current_thread();
    runtime.enable_time().start_paused(true).build().unwrap().block_on(test)
}

/// A sink that keeps everything.
fn recorder() -> (Sink, Arc<Mutex<Vec<Event>>>) {
    let events = Arc::new(Mutex::new(Vec::new()));
    let into = Arc::clone(&events);
    (Sink::new(move |event| into.lock().unwrap().push(event)), events)
}
