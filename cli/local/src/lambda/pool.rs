//! The idle processes of a function: the one used last is used first, so that the rest can go.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use crate::lock::lock;

/// The time that the last process of a function is kept for the next invocation.
const KEEP_LAST: Duration = Duration::from_mins(5);
/// The time that the others are kept after a burst.
const KEEP_OTHERS: Duration = Duration::from_secs(30);

/// An item of a pool. The trait keeps the pool from importing what it holds, which has the pool.
pub(super) trait Idle {
    /// Since when it has been idle.
    fn idle_since(&self) -> Instant;

    /// Ends it.
    fn retire(&self);
}

/// Idle processes.
pub(super) struct Pool<T>(Mutex<State<T>>);

struct State<T> {
    retired: bool,
    /// The one used last is at the end.
    idle: Vec<Arc<T>>,
}

impl<T: Idle> Pool<T> {
    pub(super) fn new() -> Self {
        Self(Mutex::new(State { retired: false, idle: Vec::new() }))
    }

    /// Takes the process that was used last.
    pub(super) fn take(&self) -> Option<Arc<T>> {
        lock(&self.0).idle.pop()
    }

    /// Takes back a process that has answered.
    pub(super) fn release(&self, process: &Arc<T>) {
        let mut pool = lock(&self.0);
        if pool.retired {
            drop(pool);
            process.retire();
        } else {
            pool.idle.push(Arc::clone(process));
        }
    }

    /// Forgets a process that is no more.
    pub(super) fn forget(&self, process: &Arc<T>) {
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
        let old: Vec<Arc<T>> = {
            let mut pool = lock(&self.0);
            let mut left = pool.idle.len();
            let is_old = |process: &mut Arc<T>| {
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
