//! What a driver gets with every call, and the only retry loop of the program.

use std::time::Duration;

use tokio::time::{Instant, timeout};
use tokio_util::sync::CancellationToken;

use crate::address::Address;
use crate::call::{AGAIN, spell};
use crate::event::{Event, Sink};
use crate::fault::{Fault, FaultKind};

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

    /// Does `op` until it works, it fails for good, the budget is spent or the user asks to stop. It is done at least
    /// once, and a running attempt is not cut short by the user.
    ///
    /// `doing` says what is going on, as in "waiting for the role". Only [transient](FaultKind::Transient) faults are
    /// tried again; the last one is what is returned in the end, no longer transient.
    pub async fn wait<T, F, Fut>(&self, policy: &Wait, doing: &str, mut op: F) -> Result<T, Fault>
    where
        F: FnMut() -> Fut + Send,
        Fut: Future<Output = Result<T, Fault>> + Send,
    {
        let begun = Instant::now();
        let mut attempt = 1;
        loop {
            let late =
                |_| Err(Fault::transient("timeout", format!("no answer within {}", spell(policy.attempt))));
            let fault = match timeout(policy.attempt, op()).await.unwrap_or_else(late) {
                Err(fault) if fault.kind == FaultKind::Transient => fault,
                done => return done,
            };
            let left = policy.budget.saturating_sub(begun.elapsed());
            if left.is_zero() {
                return Err(gave_up(fault, doing, begun.elapsed(), attempt));
            }
            self.send(Event::Waiting {
                address: self.address.clone(),
                attempt,
                why: format!("{doing}: {}", fault.message),
            });
            if let Err(interrupted) = self.pause(self.pause_after(policy, attempt).min(left), doing).await {
                return Err(interrupted.caused_by(fault.cause.unwrap_or_else(|| fault.message.into())));
            }
            attempt = attempt.saturating_add(1);
        }
    }

    /// Pauses for that long. Returns the error `interrupted`, which names `doing`, when the user asks to stop meanwhile.
    pub async fn pause(&self, pause: Duration, doing: &str) -> Result<(), Fault> {
        match timeout(pause, self.stop.cancelled()).await {
            Ok(()) => Err(Fault::fatal("interrupted", format!("interrupted while {doing}")).hinted(AGAIN)),
            Err(_) => Ok(()),
        }
    }

    /// The pause after an attempt: doubled each time, less up to a quarter that depends on the resource and the attempt,
    /// so that resources do not ask in step, and a run can be repeated exactly.
    fn pause_after(&self, policy: &Wait, attempt: u32) -> Duration {
        let full = policy.first.saturating_mul(2_u32.saturating_pow(attempt - 1)).min(policy.longest);
        if policy.first == policy.longest {
            return full;
        }
        // FNV-1a: any even spread will do.
        let bytes = self.address.as_str().bytes().chain(attempt.to_le_bytes());
        let hash =
            bytes.fold(0x811c_9dc5_u32, |hash, byte| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193));
        full.mul_f64(1.0 - f64::from(hash >> 16 & 0xff) / 1024.0)
    }
}

fn gave_up(fault: Fault, doing: &str, tried: Duration, attempts: u32) -> Fault {
    let times = if attempts == 1 { "once".to_owned() } else { format!("{attempts} times") };
    Fault {
        kind: FaultKind::Fatal,
        message: format!("{} (gave up {doing} after {}, tried {times})", fault.message, spell(tried)),
        hint: fault.hint.or_else(|| Some(AGAIN.to_owned())),
        ..fault
    }
}
