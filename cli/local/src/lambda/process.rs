//! One process of a function: what it is doing, and how an invocation ends.
//!
//! An invocation is settled exactly once: by the process's answer, or by its death. Whoever waits for it may go away at
//! any time; the invocation runs on, as on Lambda. Nothing here waits; `supervise` watches the clock, the memory and the
//! exit, and `runtime_api` speaks with the process.

mod ending;

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use bytes::Bytes;
use tokio::sync::{Notify, oneshot};
use tokio_util::sync::CancellationToken;

use super::function::Function;
use super::limits::Permit;
use super::memory::Memory;
use super::output::Output;
use super::pool::{Idle, Pool};
use super::report;
use crate::clock::now_ms;
use crate::ids;
use crate::invocation::{Invocation, MAX_RESPONSE_BYTES};
use crate::lock::lock;

/// How long the start of a process may take.
const INIT_LIMIT: Duration = Duration::from_secs(10);
/// How long a process that answered may take to ask for more, before its next invocation goes to another one.
const NEXT_LIMIT: Duration = Duration::from_secs(2);
/// How often a busy process is looked at.
const TICK: Duration = Duration::from_millis(50);
/// A process that did nothing for so long is not looked at until it has work.
const CALM: Duration = Duration::from_secs(1);

/// An invocation on its way to a process.
pub(super) struct Job {
    pub(super) request_id: String,
    pub(super) payload: Bytes,
    pub(super) permit: Permit,
    pub(super) reply: oneshot::Sender<Reply>,
}

/// What becomes of a job.
pub(super) enum Reply {
    /// It ran.
    Done(Box<Invocation>),
    /// The process went away before it saw the job: another may have it.
    NotStarted(Bytes, Permit),
}

/// What `/invocation/next` answers.
pub(super) struct Event {
    pub(super) request_id: String,
    pub(super) payload: Bytes,
    pub(super) deadline_ms: u64,
}

/// How an invocation ended, by the process's own word.
pub(super) enum Answer {
    /// The function's result.
    Response(Bytes),
    /// The function's error, and its type.
    Error(Bytes, Option<String>),
    /// A result over 6 MB.
    TooLarge,
}

struct Running {
    request_id: String,
    permit: Permit,
    reply: oneshot::Sender<Reply>,
    started: Instant,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Phase {
    Init,
    Ready,
    Gone,
}

/// Why we end a process.
enum Fate {
    Retired,
    TimedOut,
    InitTimedOut,
    OutOfMemory,
    /// The process said so itself: its payload, and the type of the error.
    InitError(Bytes, Option<String>),
}

struct State {
    phase: Phase,
    fate: Option<Fate>,
    waiting: Option<(Job, Instant)>,
    running: Option<Running>,
    /// How long init took, until the first REPORT has said so.
    init: Option<Duration>,
    last_used: Instant,
    /// Nobody looks at this process; giving it work must wake the supervisor.
    unwatched: bool,
}

/// A version of a function, and its idle processes.
pub(super) struct Version {
    pub(super) function: Function,
    pub(super) pool: Pool<Process>,
}

/// A living (or just dead) process.
pub(super) struct Process {
    version: Arc<Version>,
    pub(super) output: Output,
    memory: Memory,
    born: Instant,
    state: Mutex<State>,
    job_there: Notify,
    pub(super) work_there: Notify,
    /// Ends the process.
    pub(super) kill: CancellationToken,
    /// It has ended.
    pub(super) gone: CancellationToken,
}

impl Process {
    /// A process that was just started, with the job that it was started for.
    pub(super) fn new(version: Arc<Version>, output: Output, memory: Memory, job: Job) -> Self {
        let now = Instant::now();
        Self {
            version,
            output,
            memory,
            born: now,
            state: Mutex::new(State {
                phase: Phase::Init,
                fate: None,
                waiting: Some((job, now)),
                running: None,
                init: None,
                last_used: now,
                unwatched: false,
            }),
            job_there: Notify::new(),
            work_there: Notify::new(),
            kill: CancellationToken::new(),
            gone: CancellationToken::new(),
        }
    }

    /// The function whose process it is.
    pub(super) fn function(&self) -> &Function {
        &self.version.function
    }

    /// Gives a job to an idle process; gives it back when the process is no more.
    pub(super) fn assign(&self, job: Job) -> Result<(), Job> {
        let mut state = lock(&self.state);
        if state.phase == Phase::Gone || state.fate.is_some() || state.waiting.is_some() {
            return Err(job);
        }
        let now = Instant::now();
        state.waiting = Some((job, now));
        state.last_used = now;
        let wake = std::mem::take(&mut state.unwatched);
        drop(state);
        self.job_there.notify_one();
        if wake {
            self.work_there.notify_one();
        }
        Ok(())
    }

    /// The next event, as soon as there is one. `None`: this process may not ask now, or not any more.
    pub(super) async fn next(&self) -> Option<Event> {
        loop {
            let job_there = self.job_there.notified();
            {
                let mut state = lock(&self.state);
                if state.phase == Phase::Init {
                    state.phase = Phase::Ready;
                    state.init = Some(self.born.elapsed());
                }
                if state.phase == Phase::Gone || state.running.is_some() {
                    return None;
                }
                if let Some((job, _)) = state.waiting.take() {
                    return Some(self.begin(&mut state, job));
                }
            }
            tokio::select! {
                () = job_there => {}
                () = self.gone.cancelled() => return None,
            }
        }
    }

    fn begin(&self, state: &mut State, job: Job) -> Event {
        let started = Instant::now();
        let deadline_ms = now_ms() + u64::try_from(self.function().timeout.as_millis()).unwrap_or(u64::MAX);
        state.last_used = started;
        self.output.begin_tail();
        self.output.line(&format!("START RequestId: {} Version: $LATEST", job.request_id));
        let event = Event { request_id: job.request_id.clone(), payload: job.payload, deadline_ms };
        state.running =
            Some(Running { request_id: job.request_id, permit: job.permit, reply: job.reply, started });
        event
    }

    /// The process's answer to the invocation `id`. `false`: that is not what it is working on.
    pub(super) fn answer(self: &Arc<Self>, id: &str, answer: Answer) -> bool {
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
        let (payload, error_type) = match answer {
            Answer::Response(payload) => (payload, None),
            Answer::Error(payload, error_type) => (payload, Some(error_type)),
            Answer::TooLarge => {
                let error_type = "Function.ResponseSizeTooLarge";
                let message = format!(
                    "Response payload size exceeded maximum allowed payload size ({MAX_RESPONSE_BYTES} bytes)."
                );
                (report::payload(error_type, &message).into(), Some(Some(error_type.to_owned())))
            }
        };
        let status = error_type.as_ref().map(|error_type| ("error", error_type.as_deref()));
        let invocation = self.close(&running, init, payload, status, None);
        // First the place, then the answer: who asks again at once must find both.
        drop(running.permit);
        self.version.pool.release(self);
        drop(running.reply.send(Reply::Done(Box::new(invocation))));
        true
    }

    /// The process says that it cannot start; it is expected to exit now.
    pub(super) fn init_failed(&self, payload: Bytes, error_type: Option<String>) -> bool {
        let mut state = lock(&self.state);
        if state.phase != Phase::Init {
            return false;
        }
        state.fate.get_or_insert(Fate::InitError(payload, error_type));
        true
    }

    /// When to look at this process next; `None`: when it has work again.
    pub(super) fn next_look(&self) -> Option<Instant> {
        let now = Instant::now();
        let mut state = lock(&self.state);
        let busy = state.phase == Phase::Init
            || state.waiting.is_some()
            || state.running.is_some()
            || now.saturating_duration_since(state.last_used) < CALM;
        state.unwatched = !busy;
        let deadline = state.running.as_ref().map(|running| running.started + self.function().timeout);
        busy.then(|| deadline.map_or(now + TICK, |deadline| deadline.min(now + TICK)))
    }

    /// Looks at the time and the memory; a process that may not go on is ended.
    pub(super) fn look(&self) {
        let now = Instant::now();
        let mut state = lock(&self.state);
        if state.phase == Phase::Gone || self.kill.is_cancelled() {
            return;
        }
        let lasts = |since: Instant| now.saturating_duration_since(since);
        let function = self.function();
        let is_starting = state.phase == Phase::Init;
        let runs = state.running.as_ref().map(|running| lasts(running.started));
        let waits = state.waiting.as_ref().filter(|_| state.phase == Phase::Ready);
        if state.fate.is_none() {
            let memory_kb = || self.memory.peak_kb(now, TICK / 2);
            state.fate = Some(if runs.is_some_and(|runs| runs >= function.timeout) {
                Fate::TimedOut
            } else if is_starting && lasts(self.born) >= INIT_LIMIT {
                Fate::InitTimedOut
            } else if waits.is_some_and(|(_, since)| lasts(*since) > NEXT_LIMIT) {
                Fate::Retired
            } else if (is_starting || runs.is_some()) && memory_kb() > u64::from(function.memory_mb) * 1024 {
                Fate::OutOfMemory
            } else {
                return;
            });
        }
        drop(state);
        self.kill.cancel();
    }
}

impl Idle for Process {
    fn idle_since(&self) -> Instant {
        lock(&self.state).last_used
    }

    fn retire(&self) {
        lock(&self.state).fate.get_or_insert(Fate::Retired);
        self.kill.cancel();
    }
}

/// A job for `payload`, and where its reply comes.
pub(super) fn job(payload: Bytes, permit: Permit) -> (Job, oneshot::Receiver<Reply>) {
    let (reply, replied) = oneshot::channel();
    (Job { request_id: ids::uuid(), payload, permit, reply }, replied)
}

#[cfg(test)]
mod tests;
