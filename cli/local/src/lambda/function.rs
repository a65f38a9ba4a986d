//! One version of a function, and its pool of idle processes: the one used last is used first, so that the rest can go.

use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use super::level::Level;
use super::process::{Job, Process};
use super::{Shared, report, supervise};
use crate::lambda::Invocation;
use crate::lock::lock;

/// How long the last process of a function is kept for the next invocation.
const KEEP_LAST: Duration = Duration::from_mins(5);
/// How long the others are kept, after a burst.
const KEEP_OTHERS: Duration = Duration::from_secs(30);

/// A version of a function. Processes belong to one version; invocations that run when it is replaced finish in it.
pub(super) struct Function {
    pub(super) name: String,
    pub(super) arn: String,
    pub(super) group: String,
    /// The least level of its own lines that reach the log; `None` where the log format knows no levels.
    pub(super) least_level: Option<Level>,
    pub(super) memory_mb: u32,
    pub(super) timeout: Duration,
    pub(super) dir: PathBuf,
    pub(super) code_sha256: String,
    pub(super) environment: Vec<(String, String)>,
    pub(super) shared: Arc<Shared>,
    pub(super) pool: Mutex<Pool>,
}

/// Idle processes; the one used last is at the end.
#[derive(Default)]
pub(super) struct Pool {
    retired: bool,
    idle: Vec<Arc<Process>>,
}

impl Function {
    /// Hands `job` to an idle process, or to a new one. `Err`: no process could be started, and this is the answer.
    pub(super) async fn dispatch(self: &Arc<Self>, mut job: Job) -> Result<(), Box<Invocation>> {
        loop {
            let Some(process) = lock(&self.pool).idle.pop() else { break };
            match process.assign(job) {
                Ok(()) => return Ok(()),
                Err(back) => job = back,
            }
        }
        supervise::start(self, job).await.map_err(|(job, error)| {
            let message = format!(
                "RequestId: {} Error: fork/exec {}: {error}",
                job.request_id,
                self.dir.join("bootstrap").display()
            );
            self.shared.logs.write(&self.group, &message);
            Box::new(Invocation {
                payload: report::payload("Runtime.InvalidEntrypoint", &message).into(),
                request_id: job.request_id,
                function_error: Some("Unhandled".to_owned()),
                duration_ms: 0.0,
                init_ms: None,
                max_memory_mb: 0,
                log_tail: message,
            })
        })
    }

    /// Takes back a process that has answered.
    pub(super) fn release(&self, process: &Arc<Process>) {
        let mut pool = lock(&self.pool);
        if pool.retired {
            drop(pool);
            process.retire();
        } else {
            pool.idle.push(Arc::clone(process));
        }
    }

    /// Forgets a process that is no more.
    pub(super) fn forget(&self, process: &Arc<Process>) {
        lock(&self.pool).idle.retain(|idle| !Arc::ptr_eq(idle, process));
    }

    /// Ends the idle processes now and the working ones when they have answered.
    pub(super) fn retire(&self) {
        let idle = {
            let mut pool = lock(&self.pool);
            pool.retired = true;
            std::mem::take(&mut pool.idle)
        };
        for process in idle {
            process.retire();
        }
    }

    /// Ends the processes that have been idle for too long.
    pub(super) fn trim(&self, now: Instant) {
        let old = {
            let mut pool = lock(&self.pool);
            let idle = std::mem::take(&mut pool.idle);
            let last = idle.len().saturating_sub(1);
            let (old, kept) = idle.into_iter().enumerate().partition::<Vec<_>, _>(|(index, process)| {
                let keep = if *index == last { KEEP_LAST } else { KEEP_OTHERS };
                now.saturating_duration_since(process.idle_since()) >= keep
            });
            pool.idle = kept.into_iter().map(|(_, process)| process).collect();
            old
        };
        for (_, process) in old {
            process.retire();
        }
    }

    /// How many processes are idle.
    pub(super) fn idle(&self) -> usize {
        lock(&self.pool).idle.len()
    }
}
