//! The context that a driver receives with every call. It contains the only retry loop of the deployer.

use std::time::Duration;

use tokio::time::{Instant, timeout};
use tokio_util::sync::CancellationToken;

use crate::address::Address;
use crate::call::{RETRY_HINT, format_duration, plural};
use crate::event::{Event, EventSink};
use crate::fault::{Fault, FaultKind};

/// The delays and time limits of a retry loop.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RetryPolicy {
    /// The delay after the first failed attempt. Each further delay is twice as long.
    pub initial_delay: Duration,
    /// The longest delay. If it equals `initial_delay`, all delays are the same.
    pub max_delay: Duration,
    /// The timeout of one attempt.
    pub attempt_timeout: Duration,
    /// The time after which a failed attempt is not retried.
    pub budget: Duration,
}

impl RetryPolicy {
    /// Retries for `budget`, with delays that grow from 0.2 s to 5 s and a timeout of 30 s for each attempt.
    pub const fn with_budget(budget: Duration) -> Self {
        Self {
            initial_delay: Duration::from_millis(200),
            max_delay: Duration::from_secs(5),
            attempt_timeout: Duration::from_secs(30),
            budget,
        }
    }

    /// Uses the same delay after each attempt instead of growing delays.
    #[must_use]
    pub const fn every(mut self, delay: Duration) -> Self {
        self.initial_delay = delay;
        self.max_delay = delay;
        self
    }

    /// Sets the timeout of each attempt.
    #[must_use]
    pub const fn with_attempt_timeout(mut self, timeout: Duration) -> Self {
        self.attempt_timeout = timeout;
        self
    }
}

/// The context of the driver calls on one resource: the event sink, the cancellation token and the retry loop.
#[derive(Clone)]
pub struct DriverContext {
    address: Address,
    sink: EventSink,
    stop: CancellationToken,
}

impl DriverContext {
    /// Creates the context of calls on the resource at `address`.
    pub fn new(address: Address, sink: EventSink, stop: CancellationToken) -> Self {
        Self { address, sink, stop }
    }

    /// Returns the address of the resource.
    pub fn address(&self) -> &Address {
        &self.address
    }

    /// Returns the token that is cancelled when the user interrupts the run.
    pub fn stop(&self) -> &CancellationToken {
        &self.stop
    }

    /// Sends an event to the sink.
    pub fn send(&self, event: Event) {
        self.sink.send(event);
    }

    /// Runs `operation` until it succeeds, fails permanently, uses up the budget or is interrupted by the user. It runs at
    /// least once, and an interruption does not cancel a running attempt.
    ///
    /// `activity` describes the wait for messages, as in "waiting for the role". Only [transient](FaultKind::Transient) faults
    /// are retried. When the budget is used up, the last fault is returned with the kind [`FaultKind::Fatal`].
    pub async fn retry<T, F, Fut>(
        &self,
        policy: &RetryPolicy,
        activity: &str,
        mut operation: F,
    ) -> Result<T, Fault>
    where
        F: FnMut() -> Fut + Send,
        Fut: Future<Output = Result<T, Fault>> + Send,
    {
        let started = Instant::now();
        let mut attempt = 1;
        loop {
            let timed_out = |_| {
                Err(Fault::transient(
                    "timeout",
                    format!("no response within {}", format_duration(policy.attempt_timeout)),
                ))
            };
            let fault = match timeout(policy.attempt_timeout, operation()).await.unwrap_or_else(timed_out) {
                Err(fault) if fault.kind == FaultKind::Transient => fault,
                result => return result,
            };
            let remaining = policy.budget.saturating_sub(started.elapsed());
            if remaining.is_zero() {
                return Err(budget_exhausted(fault, activity, started.elapsed(), attempt));
            }
            self.send(Event::Waiting {
                address: self.address.clone(),
                attempt,
                why: format!("{activity}: {}", fault.message),
            });
            if let Err(interrupted) =
                self.pause(self.delay_after(policy, attempt).min(remaining), activity).await
            {
                return Err(interrupted.caused_by(fault.cause.unwrap_or_else(|| fault.message.into())));
            }
            attempt = attempt.saturating_add(1);
        }
    }

    /// Sleeps for `duration`. If the user interrupts the run, returns the fault `interrupted` with `activity` in its
    /// message.
    pub async fn pause(&self, duration: Duration, activity: &str) -> Result<(), Fault> {
        match timeout(duration, self.stop.cancelled()).await {
            Ok(()) => {
                Err(Fault::fatal("interrupted", format!("interrupted while {activity}")).hinted(RETRY_HINT))
            }
            Err(_) => Ok(()),
        }
    }

    /// Returns the delay after an attempt. The delay doubles each time and is reduced by up to a quarter as jitter, so
    /// that the requests for different resources are not sent at the same time. The jitter is a hash of the address and
    /// the attempt, so that a run can be repeated exactly.
    fn delay_after(&self, policy: &RetryPolicy, attempt: u32) -> Duration {
        let delay =
            policy.initial_delay.saturating_mul(2_u32.saturating_pow(attempt - 1)).min(policy.max_delay);
        if policy.initial_delay == policy.max_delay {
            return delay;
        }
        // FNV-1a: any evenly distributed hash is enough.
        let bytes = self.address.as_str().bytes().chain(attempt.to_le_bytes());
        let hash =
            bytes.fold(0x811c_9dc5_u32, |hash, byte| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193));
        // A fraction from 0 to 255/1024.
        delay.mul_f64(1.0 - f64::from(hash >> 16 & 0xff) / 1024.0)
    }
}

fn budget_exhausted(fault: Fault, activity: &str, elapsed: Duration, attempts: u32) -> Fault {
    let attempts = plural(attempts.into(), "attempt");
    Fault {
        kind: FaultKind::Fatal,
        message: format!(
            "{} (gave up {activity} after {} and {attempts})",
            fault.message,
            format_duration(elapsed)
        ),
        hint: fault.hint.or_else(|| Some(RETRY_HINT.to_owned())),
        ..fault
    }
}
