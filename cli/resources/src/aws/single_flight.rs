//! Shares the responses of concurrent reads. A plan reads all resources concurrently, and several drivers need
//! the same response.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Mutex, PoisonError};

use futures::FutureExt as _;
use futures::future::{BoxFuture, Shared, WeakShared};
use hitctl_engine::Fault;

type SharedRequest<T> = BoxFuture<'static, Result<T, Fault>>;

/// The requests in flight, by key. Responses are not cached: a call after a response starts a new request.
pub(crate) struct SingleFlight<K, T>(Mutex<BTreeMap<K, WeakShared<SharedRequest<T>>>>);

impl<K: Ord, T: Clone> SingleFlight<K, T> {
    /// Returns the request for `key` that is in flight, or starts a new one with `start`.
    pub(crate) fn run(&self, key: K, start: impl FnOnce() -> SharedRequest<T>) -> Shared<SharedRequest<T>> {
        let mut in_flight = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let existing =
            in_flight.get(&key).and_then(WeakShared::upgrade).filter(|existing| existing.peek().is_none());
        existing.unwrap_or_else(|| {
            let started = start().shared();
            in_flight.extend(started.downgrade().map(|weak| (key, weak)));
            started
        })
    }
}

impl<K, T> Default for SingleFlight<K, T> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

impl<K, T> fmt::Debug for SingleFlight<K, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SingleFlight").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};

    use futures::future::{pending, ready};

    use super::*;

    #[test]
    fn concurrent_callers_share_response_and_later_caller_starts_new_request() {
        let (flights, count) = (SingleFlight::<&str, u32>::default(), AtomicU32::new(0));
        let run = |key| {
            let request = || ready(Ok(count.fetch_add(1, Ordering::SeqCst))).boxed();
            flights.run(key, request)
        };
        let (first, second, other) = (run("a"), run("a"), run("b"));
        assert_eq!(count.load(Ordering::SeqCst), 2, "one request per key");
        assert_eq!((first.now_or_never(), second.clone().now_or_never()), (Some(Ok(0)), Some(Ok(0))));
        assert_eq!(other.now_or_never(), Some(Ok(1)));
        // The second caller still holds the first response, which must not be reused.
        assert_eq!(run("a").now_or_never(), Some(Ok(2)));
        assert_eq!(second.now_or_never(), Some(Ok(0)));
    }

    #[test]
    fn abandoned_request_is_started_again() {
        let flights = SingleFlight::<&str, u32>::default();
        let abandoned = flights.run("a", || pending().boxed());
        assert_eq!(abandoned.clone().now_or_never(), None);
        drop(abandoned);
        assert_eq!(flights.run("a", || ready(Ok(1)).boxed()).now_or_never(), Some(Ok(1)));
    }
}
