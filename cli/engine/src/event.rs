//! What happens during a run, as data. The report draws it; tests record and replay it.

use std::borrow::Cow;
use std::sync::Arc;
use std::time::Instant;

use serde::{Deserialize, Serialize};

use crate::address::Address;
use crate::call::millis;
use crate::change::Action;
use crate::fault::Fault;

/// The name of a long part of a run, in `snake_case`. The crates that run the parts name them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Phase(Cow<'static, str>);

impl Phase {
    /// A part of that name.
    pub const fn new(name: &'static str) -> Self {
        Self(Cow::Borrowed(name))
    }
}

/// One thing that happened. Times are milliseconds that the thing took.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum Event {
    /// A part of the run began.
    PhaseStarted {
        /// Which.
        phase: Phase,
        /// What it works on, for people: "release build for this machine".
        detail: String,
    },
    /// A part of the run has news for people, such as the crate being compiled.
    PhaseNote {
        /// Which.
        phase: Phase,
        /// The news, one line.
        note: String,
    },
    /// A part of the run ended, well or not.
    PhaseEnded {
        /// Which.
        phase: Phase,
        /// Whether it did what it should.
        ok: bool,
        /// Milliseconds.
        took_ms: u64,
    },
    /// A change is being made.
    Started {
        /// To what.
        address: Address,
        /// Its name in the cloud.
        name: String,
        /// What is done to it.
        action: Action,
    },
    /// A call is tried again, or something is waited for.
    Waiting {
        /// For what.
        address: Address,
        /// The attempt that just failed, from 1.
        attempt: u32,
        /// Why we wait.
        why: String,
    },
    /// A change is made.
    Finished {
        /// To what.
        address: Address,
        /// What was done.
        action: Action,
        /// Milliseconds.
        took_ms: u64,
    },
    /// A change failed.
    Failed {
        /// To what.
        address: Address,
        /// What was tried.
        action: Action,
        /// Why.
        fault: Fault,
    },
    /// A change was not tried, since something it depends on failed or the run was interrupted.
    Skipped {
        /// Which.
        address: Address,
        /// What was to be done.
        action: Action,
        /// The resource that failed; `None` when the run was interrupted.
        because: Option<Address>,
    },
    /// The user asked to stop: nothing new starts, these calls are still running.
    Interrupted {
        /// The calls in flight.
        in_flight: Vec<Address>,
    },
}

/// Where events go. Cheap to clone; must not block.
#[derive(Clone)]
pub struct Sink(Arc<dyn Fn(Event) + Send + Sync>);

impl Sink {
    /// A sink that hands each event to `consumer`.
    pub fn new(consumer: impl Fn(Event) + Send + Sync + 'static) -> Self {
        Self(Arc::new(consumer))
    }

    /// A sink that drops everything.
    pub fn none() -> Self {
        Self::new(drop)
    }

    /// Sends an event.
    pub fn send(&self, event: Event) {
        (self.0)(event);
    }

    /// Runs a part of the run between the events of its start and its end. It went well if the result is `Ok`.
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
