//! The events of a run as plain data. The report displays them; tests record and replay them.

use std::borrow::Cow;
use std::sync::Arc;
use std::time::Instant;

use serde::{Deserialize, Serialize};

use crate::address::Address;
use crate::call::millis;
use crate::change::Action;
use crate::fault::Fault;

/// The name of a phase of a run, in `snake_case`. The crate that runs a phase names it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Phase(Cow<'static, str>);

impl Phase {
    /// Creates a phase with this name.
    pub const fn new(name: &'static str) -> Self {
        Self(Cow::Borrowed(name))
    }
}

/// An event of a run. Durations are in milliseconds.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum Event {
    /// Sent when a phase starts.
    PhaseStarted {
        /// The phase that started.
        phase: Phase,
        /// A description for display, such as "the function for this machine".
        detail: String,
    },
    /// A phase has progress to display, such as the crate being compiled.
    PhaseNote {
        /// The phase in progress.
        phase: Phase,
        /// The text to display, on one line.
        note: String,
    },
    /// Sent when a phase ends.
    PhaseEnded {
        /// The phase that ended.
        phase: Phase,
        /// Whether the phase succeeded.
        ok: bool,
        /// The duration in milliseconds.
        took_ms: u64,
    },
    /// A change started.
    Started {
        /// The resource being changed.
        address: Address,
        /// The name of the resource in the cloud.
        name: String,
        /// The action that started.
        action: Action,
    },
    /// A call failed and will be retried, or a condition is not met yet.
    Waiting {
        /// The resource being changed.
        address: Address,
        /// The number of the attempt that failed, from 1.
        attempt: u32,
        /// The reason for the wait.
        why: String,
    },
    /// A change was made.
    Finished {
        /// The changed resource.
        address: Address,
        /// The action that was taken.
        action: Action,
        /// The duration in milliseconds.
        took_ms: u64,
    },
    /// A change failed.
    Failed {
        /// The resource whose change failed.
        address: Address,
        /// The action that failed.
        action: Action,
        /// The error.
        fault: Fault,
    },
    /// A change was not started, because something it depends on failed or the run was interrupted.
    Skipped {
        /// The resource whose change was skipped.
        address: Address,
        /// The action that was skipped.
        action: Action,
        /// The resource that failed; `None` when the run was interrupted.
        because: Option<Address>,
    },
    /// The user interrupted the run. No new change starts; changes in flight finish.
    Interrupted {
        /// The resources whose changes are in flight.
        in_flight: Vec<Address>,
    },
}

/// A callback that consumes events. It is cheap to clone and must not block.
#[derive(Clone)]
pub struct EventSink(Arc<dyn Fn(Event) + Send + Sync>);

impl EventSink {
    /// Creates a sink that passes each event to `consumer`.
    pub fn new(consumer: impl Fn(Event) + Send + Sync + 'static) -> Self {
        Self(Arc::new(consumer))
    }

    /// Creates a sink that drops all events.
    pub fn none() -> Self {
        Self::new(drop)
    }

    /// Passes an event to the consumer.
    pub fn send(&self, event: Event) {
        (self.0)(event);
    }

    /// Awaits `work` and sends an event when it starts and when it ends. The phase succeeded if the result is `Ok`.
    pub async fn phase<T, E>(
        &self,
        phase: Phase,
        detail: impl Into<String>,
        work: impl Future<Output = Result<T, E>>,
    ) -> Result<T, E> {
        let started = Instant::now();
        self.send(Event::PhaseStarted { phase: phase.clone(), detail: detail.into() });
        let result = work.await;
        self.send(Event::PhaseEnded { phase, ok: result.is_ok(), took_ms: millis(started.elapsed()) });
        result
    }
}
