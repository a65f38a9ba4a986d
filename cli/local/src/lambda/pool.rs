//! The idle processes of one version of a function. The most recently used process is used first, so that the
//! others become old and can be ended.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use crate::lock::lock;

/// The time that the last process of a function is kept for the next invocation.
const LAST_IDLE_TIMEOUT: Duration = Duration::from_mins(5);
/// The time that the other processes are kept after a burst.
const SURPLUS_IDLE_TIMEOUT: Duration = Duration::from_secs(30);

/// A process in a pool. This trait avoids a circular dependency, because a process refers to its pool.
pub(super) trait Poolable {
    /// Returns the time at which the process became idle.
    fn idle_since(&self) -> Instant;

    /// Ends the process.
    fn retire(&self);
}

/// A pool of idle processes.
pub(super) struct IdlePool<T>(Mutex<PoolState<T>>);

struct PoolState<T> {
    /// Whether the function's version was replaced or deleted. Released processes are then ended.
    retired: bool,
    /// The most recently used process is at the end.
    idle: Vec<Arc<T>>,
}

impl<T: Poolable> IdlePool<T> {
    pub(super) fn new() -> Self {
        Self(Mutex::new(PoolState { retired: false, idle: Vec::new() }))
    }

    /// Takes the most recently used process.
    pub(super) fn take(&self) -> Option<Arc<T>> {
        lock(&self.0).idle.pop()
    }

    /// Adds a process that has finished an invocation.
    pub(super) fn release(&self, process: &Arc<T>) {
        let mut pool = lock(&self.0);
        if pool.retired {
            drop(pool);
            process.retire();
        } else {
            pool.idle.push(Arc::clone(process));
        }
    }

    /// Removes a process that has ended.
    pub(super) fn remove(&self, process: &Arc<T>) {
        lock(&self.0).idle.retain(|idle| !Arc::ptr_eq(idle, process));
    }

    /// Ends the idle processes now, and the busy ones after their invocation.
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
            let mut newer_processes = pool.idle.len();
            let is_old = |process: &mut Arc<T>| {
                newer_processes -= 1;
                // The last process in the list is the most recently used one, and is kept longer.
                let timeout = if newer_processes == 0 { LAST_IDLE_TIMEOUT } else { SURPLUS_IDLE_TIMEOUT };
                now.saturating_duration_since(process.idle_since()) >= timeout
            };
            pool.idle.extract_if(.., is_old).collect()
        };
        for process in old {
            process.retire();
        }
    }

    /// Returns the number of idle processes.
    pub(super) fn idle_count(&self) -> usize {
        lock(&self.0).idle.len()
    }
}
