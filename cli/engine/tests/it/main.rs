//! Tests of the engine's public API with an in-memory cloud. Time is paused, so no test sleeps.

#![expect(clippy::unwrap_used, reason = "a test's helpers may panic as the test may")]

mod plans;
mod properties;
mod random_graphs;
mod retry;
mod survey_and_apply;
mod toy_cloud;

use std::sync::{Arc, Mutex};

use hitctl_engine::{Event, EventSink};

/// Runs a test under paused time.
fn run<T>(test: impl Future<Output = T>) -> T {
    let mut runtime = tokio::runtime::Builder::new_current_thread();
    runtime.enable_time().start_paused(true).build().unwrap().block_on(test)
}

/// Returns a sink that records all events.
fn recorder() -> (EventSink, Arc<Mutex<Vec<Event>>>) {
    let events = Arc::new(Mutex::new(Vec::new()));
    let recorded = Arc::clone(&events);
    (EventSink::new(move |event| recorded.lock().unwrap().push(event)), events)
}
