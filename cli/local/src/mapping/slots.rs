//! How many invocations of a mapping run at once.

use std::sync::{Arc, Mutex};

use tokio::sync::Notify;

use crate::lock::lock;

/// The places of a mapping. They outlive a change of its settings.
#[derive(Default)]
pub(super) struct Slots {
    /// How many run, and how many may.
    state: Mutex<(usize, usize)>,
    freed: Notify,
}

/// A place; given back when dropped.
pub(super) struct Slot(Arc<Slots>);

impl Slots {
    /// Says how many may run.
    pub(super) fn limit(&self, limit: usize) {
        lock(&self.state).1 = limit;
        self.freed.notify_waiters();
    }

    /// Waits for a place.
    pub(super) async fn take(self: Arc<Self>) -> Slot {
        self.when(|(running, limit)| {
            let free = *running < limit;
            *running += usize::from(free);
            free
        })
        .await;
        Slot(self)
    }

    /// Waits until nothing runs.
    pub(super) async fn quiet(&self) {
        self.when(|(running, _)| *running == 0).await;
    }

    /// How many run.
    #[cfg(test)]
    pub(super) fn running(&self) -> usize {
        lock(&self.state).0
    }

    async fn when(&self, ready: impl Fn((&mut usize, usize)) -> bool) {
        loop {
            let mut freed = std::pin::pin!(self.freed.notified());
            freed.as_mut().enable();
            {
                let mut state = lock(&self.state);
                let limit = state.1;
                if ready((&mut state.0, limit)) {
                    return;
                }
            }
            freed.await;
        }
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        lock(&self.0.state).0 -= 1;
        self.0.freed.notify_waiters();
    }
}
