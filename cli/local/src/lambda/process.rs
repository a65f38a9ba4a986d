//! One process of a function: its state, and the invocations that it handles.
//!
//! Every invocation gets exactly one result: the response of the process, or an error when the process ends.
//! This module starts no tasks: `supervise` watches the time, the memory and the exit of the process, and
//! `runtime_api` communicates with it.

mod completion;

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use bytes::Bytes;
use tokio::sync::{Notify, oneshot};
use tokio_util::sync::CancellationToken;

use super::function::FunctionConfig;
use super::limits::InvocationPermit;
use super::memory::MemoryMonitor;
use super::output::ProcessOutput;
use super::pool::{IdlePool, Poolable};
use super::report;
use crate::clock::now_ms;
use crate::ids;
use crate::invocation::{Invocation, MAX_RESPONSE_BYTES};
use crate::lock::lock;

/// The time that the start of a process may take.
const INIT_TIMEOUT: Duration = Duration::from_secs(10);
/// The time in which an initialized process must request an invocation that was assigned to it. A process that
/// does not is killed, and the invocation is assigned to another process.
const NEXT_TIMEOUT: Duration = Duration::from_secs(2);
/// The interval at which a busy process is checked.
const CHECK_INTERVAL: Duration = Duration::from_millis(50);
/// The idle time after which a process is no longer checked until it gets an invocation.
const UNWATCHED_AFTER: Duration = Duration::from_secs(1);

/// An invocation that is assigned to a process.
pub(super) struct InvocationRequest {
    pub(super) request_id: String,
    pub(super) payload: Bytes,
    pub(super) permit: InvocationPermit,
    pub(super) outcome: oneshot::Sender<InvocationOutcome>,
}

/// The outcome of an assigned invocation.
pub(super) enum InvocationOutcome {
    /// The invocation ran, and succeeded or failed.
    Completed(Box<Invocation>),
    /// The process ended before it received the invocation. Another process can handle it.
    NotStarted(Bytes, InvocationPermit),
}

/// The response of `/invocation/next`.
pub(super) struct InvocationEvent {
    pub(super) request_id: String,
    pub(super) payload: Bytes,
    pub(super) deadline_ms: u64,
}

/// The result of an invocation, as the process reported it.
pub(super) enum RuntimeResult {
    /// The function's response.
    Response(Bytes),
    /// The function's error, and its type.
    Error(Bytes, Option<String>),
    /// A response over 6 MB.
    TooLarge,
}

struct RunningInvocation {
    request_id: String,
    permit: InvocationPermit,
    outcome: oneshot::Sender<InvocationOutcome>,
    started: Instant,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum ProcessPhase {
    Init,
    Ready,
    Finished,
}

/// The reason for ending a process.
enum ExitReason {
    Retired,
    TimedOut,
    InitTimedOut,
    OutOfMemory,
    /// The process reported an initialization error: its payload and type.
    InitError(Bytes, Option<String>),
}

struct ProcessState {
    phase: ProcessPhase,
    exit_reason: Option<ExitReason>,
    waiting: Option<(InvocationRequest, Instant)>,
    running: Option<RunningInvocation>,
    /// The duration of the initialization. `None` before the initialization is complete, and once a REPORT line
    /// contains it.
    init: Option<Duration>,
    last_used: Instant,
    /// Whether no supervisor checks this process. A new invocation must then wake the supervisor.
    unwatched: bool,
}

/// A version of a function, and its idle processes.
pub(super) struct FunctionVersion {
    pub(super) function: FunctionConfig,
    pub(super) pool: IdlePool<FunctionProcess>,
}

/// A process that runs or has just exited.
pub(super) struct FunctionProcess {
    version: Arc<FunctionVersion>,
    pub(super) output: ProcessOutput,
    memory: MemoryMonitor,
    started_at: Instant,
    state: Mutex<ProcessState>,
    invocation_assigned: Notify,
    pub(super) supervisor_wake: Notify,
    /// Cancelled to kill the process.
    pub(super) kill: CancellationToken,
    /// Cancelled when the process has ended and its last invocation has a result.
    pub(super) finished: CancellationToken,
}

impl FunctionProcess {
    /// Creates the state of a process that was just started, with the first invocation.
    pub(super) fn new(
        version: Arc<FunctionVersion>,
        output: ProcessOutput,
        memory: MemoryMonitor,
        request: InvocationRequest,
    ) -> Self {
        let now = Instant::now();
        Self {
            version,
            output,
            memory,
            started_at: now,
            state: Mutex::new(ProcessState {
                phase: ProcessPhase::Init,
                exit_reason: None,
                waiting: Some((request, now)),
                running: None,
                init: None,
                last_used: now,
                unwatched: false,
            }),
            invocation_assigned: Notify::new(),
            supervisor_wake: Notify::new(),
            kill: CancellationToken::new(),
            finished: CancellationToken::new(),
        }
    }

    /// Returns the configuration of the function.
    pub(super) fn function(&self) -> &FunctionConfig {
        &self.version.function
    }

    /// Assigns an invocation to an idle process. Returns the invocation if the process has ended, or already has
    /// another one.
    pub(super) fn assign(&self, request: InvocationRequest) -> Result<(), InvocationRequest> {
        let mut state = lock(&self.state);
        if state.phase == ProcessPhase::Finished || state.exit_reason.is_some() || state.waiting.is_some() {
            return Err(request);
        }
        let now = Instant::now();
        state.waiting = Some((request, now));
        state.last_used = now;
        let wake = std::mem::take(&mut state.unwatched);
        drop(state);
        self.invocation_assigned.notify_one();
        if wake {
            self.supervisor_wake.notify_one();
        }
        Ok(())
    }

    /// Waits for the next event. Returns `None` if the process already has an invocation or has ended.
    pub(super) async fn next(&self) -> Option<InvocationEvent> {
        loop {
            let invocation_assigned = self.invocation_assigned.notified();
            {
                let mut state = lock(&self.state);
                if state.phase == ProcessPhase::Init {
                    state.phase = ProcessPhase::Ready;
                    state.init = Some(self.started_at.elapsed());
                }
                if state.phase == ProcessPhase::Finished || state.running.is_some() {
                    return None;
                }
                if let Some((request, _)) = state.waiting.take() {
                    return Some(self.begin(&mut state, request));
                }
            }
            tokio::select! {
                () = invocation_assigned => {}
                () = self.finished.cancelled() => return None,
            }
        }
    }

    fn begin(&self, state: &mut ProcessState, request: InvocationRequest) -> InvocationEvent {
        let started = Instant::now();
        let deadline_ms = now_ms() + u64::try_from(self.function().timeout.as_millis()).unwrap_or(u64::MAX);
        state.last_used = started;
        self.output.begin_tail();
        self.output.log_line(&format!("START RequestId: {} Version: $LATEST", request.request_id));
        let event =
            InvocationEvent { request_id: request.request_id.clone(), payload: request.payload, deadline_ms };
        state.running = Some(RunningInvocation {
            request_id: request.request_id,
            permit: request.permit,
            outcome: request.outcome,
            started,
        });
        event
    }

    /// Records the process's result of the invocation `id`. Returns false if the process is not working on
    /// that invocation.
    pub(super) fn record_result(self: &Arc<Self>, id: &str, result: RuntimeResult) -> bool {
        let (running, init) = {
            let mut state = lock(&self.state);
            if state.running.as_ref().is_none_or(|running| running.request_id != id) {
                return false;
            }
            let Some(running) = state.running.take() else { return false };
            state.last_used = Instant::now();
            (running, state.init.take())
        };
        self.output.drain();
        // The type of an error is optional: `Some(None)` is an error without a type.
        let (payload, error_type) = match result {
            RuntimeResult::Response(payload) => (payload, None),
            RuntimeResult::Error(payload, error_type) => (payload, Some(error_type)),
            RuntimeResult::TooLarge => {
                let error_type = "Function.ResponseSizeTooLarge";
                let message = format!(
                    "Response payload size exceeded maximum allowed payload size ({MAX_RESPONSE_BYTES} bytes)."
                );
                (report::error_payload(error_type, &message).into(), Some(Some(error_type.to_owned())))
            }
        };
        let status = error_type.as_ref().map(|error_type| ("error", error_type.as_deref()));
        let invocation = self.report_end(&running, init, payload, status, None);
        // Release the concurrency and the process before sending the result, because the caller may invoke the
        // function again at once.
        drop(running.permit);
        self.version.pool.release(self);
        drop(running.outcome.send(InvocationOutcome::Completed(Box::new(invocation))));
        true
    }

    /// Records that the initialization failed. The process is expected to exit now. Returns false if the
    /// initialization is already complete.
    pub(super) fn init_failed(&self, payload: Bytes, error_type: Option<String>) -> bool {
        let mut state = lock(&self.state);
        if state.phase != ProcessPhase::Init {
            return false;
        }
        state.exit_reason.get_or_insert(ExitReason::InitError(payload, error_type));
        true
    }

    /// Returns the time of the next check of this process; `None` if it is idle. An idle process is not checked
    /// until it has an invocation.
    pub(super) fn next_check(&self) -> Option<Instant> {
        let now = Instant::now();
        let mut state = lock(&self.state);
        let busy = state.phase == ProcessPhase::Init
            || state.waiting.is_some()
            || state.running.is_some()
            || now.saturating_duration_since(state.last_used) < UNWATCHED_AFTER;
        state.unwatched = !busy;
        let deadline = state.running.as_ref().map(|running| running.started + self.function().timeout);
        busy.then(|| deadline.map_or(now + CHECK_INTERVAL, |deadline| deadline.min(now + CHECK_INTERVAL)))
    }

    /// Checks the time and memory limits, and kills a process that exceeds them.
    pub(super) fn check_limits(&self) {
        let now = Instant::now();
        let mut state = lock(&self.state);
        if state.phase == ProcessPhase::Finished || self.kill.is_cancelled() {
            return;
        }
        let elapsed = |since: Instant| now.saturating_duration_since(since);
        let function = self.function();
        let is_starting = state.phase == ProcessPhase::Init;
        let running_for = state.running.as_ref().map(|running| elapsed(running.started));
        let waiting = state.waiting.as_ref().filter(|_| state.phase == ProcessPhase::Ready);
        if state.exit_reason.is_none() {
            // The sample must be newer than the last check, so that each check reads a new one.
            let memory_kb = || self.memory.peak_kb(now, CHECK_INTERVAL / 2);
            state.exit_reason =
                Some(if running_for.is_some_and(|running_for| running_for >= function.timeout) {
                    ExitReason::TimedOut
                } else if is_starting && elapsed(self.started_at) >= INIT_TIMEOUT {
                    ExitReason::InitTimedOut
                } else if waiting.is_some_and(|(_, since)| elapsed(*since) > NEXT_TIMEOUT) {
                    ExitReason::Retired
                } else if (is_starting || running_for.is_some())
                    && memory_kb() > u64::from(function.memory_mb) * 1024
                {
                    ExitReason::OutOfMemory
                } else {
                    return;
                });
        }
        drop(state);
        self.kill.cancel();
    }
}

impl Poolable for FunctionProcess {
    fn idle_since(&self) -> Instant {
        lock(&self.state).last_used
    }

    fn retire(&self) {
        lock(&self.state).exit_reason.get_or_insert(ExitReason::Retired);
        self.kill.cancel();
    }
}

/// Creates an invocation request for `payload`, and the receiver of its outcome.
pub(super) fn invocation_request(
    payload: Bytes,
    permit: InvocationPermit,
) -> (InvocationRequest, oneshot::Receiver<InvocationOutcome>) {
    let (outcome, receiver) = oneshot::channel();
    (InvocationRequest { request_id: ids::uuid(), payload, permit, outcome }, receiver)
}

#[cfg(test)]
mod tests;
