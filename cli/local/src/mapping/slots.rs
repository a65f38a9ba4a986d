//! Limits the concurrent invocations of a mapping.

use std::sync::{Arc, Mutex};

use tokio::sync::Notify;

use crate::lock::lock;

/// The invocation slots of a mapping. They are kept when the mapping's settings change.
#[derive(Default)]
pub(super) struct InvocationSlots {
    /// The number of running invocations, and the limit.
    state: Mutex<(usize, usize)>,
    changed: Notify,
}

/// A slot for one invocation, released when dropped.
pub(super) struct InvocationSlot(Arc<InvocationSlots>);

impl InvocationSlots {
    /// Sets the maximum number of concurrent invocations.
    pub(super) fn set_limit(&self, limit: usize) {
        lock(&self.state).1 = limit;
        self.changed.notify_waiters();
    }

    /// Waits for a free slot and returns it.
    pub(super) async fn acquire(self: Arc<Self>) -> InvocationSlot {
        self.wait_until(|(in_use, limit)| {
            let is_free = *in_use < limit;
            *in_use += usize::from(is_free);
            is_free
        })
        .await;
        InvocationSlot(self)
    }

    /// Waits until no invocation runs.
    pub(super) async fn wait_until_idle(&self) {
        self.wait_until(|(in_use, _)| *in_use == 0).await;
    }

    /// Returns the number of slots in use.
    #[cfg(test)]
    pub(super) fn in_use(&self) -> usize {
        lock(&self.state).0
    }

    /// Waits until `condition` returns `true`. Its arguments are the number of slots in use, which it may change, and
    /// the limit.
    async fn wait_until(&self, condition: impl Fn((&mut usize, usize)) -> bool) {
        loop {
            let mut changed = std::pin::pin!(self.changed.notified());
            changed.as_mut().enable();
            {
                let mut state = lock(&self.state);
                let limit = state.1;
                if condition((&mut state.0, limit)) {
                    return;
                }
            }
            changed.await;
        }
    }
}

impl Drop for InvocationSlot {
    fn drop(&mut self) {
        lock(&self.0.state).0 -= 1;
        self.0.changed.notify_waiters();
    }
}
