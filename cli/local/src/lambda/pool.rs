//! The idle processes of a function: the one used last is used first, so that the rest can go.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use super::process::Process;
use crate::lock::lock;

/// The time that the last process of a function is kept for the next invocation.
const KEEP_LAST: Duration = Duration::from_mins(5);
/// The time that the others are kept after a burst.
const KEEP_OTHERS: Duration = Duration::from_secs(30);

/// Idle processes.
#[derive(Default)]
pub(super) struct Pool(Mutex<State>);

#[derive(Default)]
struct State {
    retired: bool,
    /// The one used last is at the end.
    idle: Vec<Arc<Process>>,
}

impl Pool {
    /// Takes the process that was used last.
    pub(super) fn take(&self) -> Option<Arc<Process>> {
        lock(&self.0).idle.pop()
    }

    /// Takes back a process that has answered.
    pub(super) fn release(&self, process: &Arc<Process>) {
        let mut pool = lock(&self.0);
        if pool.retired {
            drop(pool);
            process.retire();
        } else {
            pool.idle.push(Arc::clone(process));
        }
    }

    /// Forgets a process that is no more.
    pub(super) fn forget(&self, process: &Arc<Process>) {
        lock(&self.0).idle.retain(|idle| !Arc::ptr_eq(idle, process));
    }

    /// Ends the idle processes now and the working ones when they have answered.
    pub(super) fn retire(&self) {
        let idle = {
            let mut pool = lock(&self.0);
            pool.retired = true;
            std::mem::take(&mut pool.idle)
        };
        for process in idle {
            process.retire();
        }
    }

    /// Ends the processes that have been idle for too long.
    pub(super) fn trim(&self, now: Instant) {
        let old: Vec<Arc<Process>> = {
            let mut pool = lock(&self.0);
            let mut left = pool.idle.len();
            let is_old = |process: &mut Arc<Process>| {
                left -= 1;
                let keep = if left == 0 { KEEP_LAST } else { KEEP_OTHERS };
                now.saturating_duration_since(process.idle_since()) >= keep
            };
            pool.idle.extract_if(.., is_old).collect()
        };
        for process in old {
            process.retire();
        }
    }

    /// The number of idle processes.
    pub(super) fn idle(&self) -> usize {
        lock(&self.0).idle.len()
    }
}
