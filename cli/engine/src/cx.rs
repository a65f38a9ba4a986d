//! What a driver gets with every call, and the only retry loop of the program.

use std::time::Duration;

use tokio_util::sync::CancellationToken;

use crate::{Address, Event, Fault, Sink};

/// How long and how often something is tried again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Wait {
    /// The pause after the first failed attempt. Each further pause is twice as long.
    pub first: Duration,
    /// The longest pause. The same as `first`: steady polling.
    pub longest: Duration,
    /// How long one attempt may take.
    pub attempt: Duration,
    /// After this long, a failed attempt is the last one.
    pub budget: Duration,
}

impl Wait {
    /// The usual pauses (0.2 s, growing to 5 s; 30 s for an attempt), for that long.
    pub const fn up_to(budget: Duration) -> Self {
        Self {
            first: Duration::from_millis(200),
            longest: Duration::from_secs(5),
            attempt: Duration::from_secs(30),
            budget,
        }
    }

    /// Steady polling in place of growing pauses.
    #[must_use]
    pub const fn every(mut self, pause: Duration) -> Self {
        self.first = pause;
        self.longest = pause;
        self
    }

    /// Bounds each attempt.
    #[must_use]
    pub const fn each_within(mut self, attempt: Duration) -> Self {
        self.attempt = attempt;
        self
    }
}

/// The surroundings of one call on one resource.
#[derive(Clone)]
pub struct Cx {
    address: Address,
    sink: Sink,
    stop: CancellationToken,
}

impl Cx {
    /// The surroundings of calls on that resource.
    pub fn new(address: Address, sink: Sink, stop: CancellationToken) -> Self {
        Self { address, sink, stop }
    }

    /// The resource that the call is about.
    pub fn address(&self) -> &Address {
        &self.address
    }

    /// Cancelled when the user asks to stop.
    pub fn stop(&self) -> &CancellationToken {
        &self.stop
    }

    /// Sends an event.
    pub fn send(&self, event: Event) {
        self.sink.send(event);
    }

    /// Does `op` until it works, it fails for good, the budget is spent or the user asks to stop.
    ///
    /// `doing` says what is going on, as in "waiting for the role". Only [transient](crate::FaultKind::Transient)
    /// faults are tried again; the last one is what is returned in the end, then no longer transient.
    pub async fn wait<T, F, Fut>(&self, policy: &Wait, doing: &str, op: F) -> Result<T, Fault>
    where
        F: FnMut() -> Fut + Send,
        Fut: Future<Output = Result<T, Fault>> + Send,
    {
        drop((op, policy));
        todo!("{doing}")
    }
}
