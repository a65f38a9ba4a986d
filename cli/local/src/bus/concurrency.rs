//! Limits the concurrent asynchronous invocations of each function. Further invocations wait in order of arrival.
//!
//! Without the limits, a thousand events for a function with a concurrency of one would be throttled and retried again and again.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use tokio::sync::Semaphore;

use crate::lock::lock;

/// The maximum number of concurrent invocations of a function without reserved concurrency.
const DEFAULT_CONCURRENCY: u32 = 64;

/// A semaphore for each function.
#[derive(Default)]
pub(super) struct ConcurrencyLimits {
    /// By function: its limit, and the semaphore with this number of permits.
    semaphores: Mutex<HashMap<String, (u32, Arc<Semaphore>)>>,
}

impl ConcurrencyLimits {
    /// Returns the semaphore of a function whose reserved concurrency is `reserved`. A changed reservation creates a
    /// new semaphore. Tasks that wait for the old semaphore continue to wait for it.
    pub(super) fn semaphore(&self, function: &str, reserved: Option<u32>) -> Arc<Semaphore> {
        // With a reservation of zero, one attempt at a time still runs, so that it notices when the reservation is
        // increased.
        let limit = reserved.unwrap_or(DEFAULT_CONCURRENCY).max(1);
        let mut semaphores = lock(&self.semaphores);
        match semaphores.get(function) {
            Some((current, semaphore)) if *current == limit => Arc::clone(semaphore),
            _ => {
                let semaphore = Arc::new(Semaphore::new(usize::try_from(limit).unwrap_or(1)));
                semaphores.insert(function.to_owned(), (limit, Arc::clone(&semaphore)));
                semaphore
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn semaphore_has_as_many_permits_as_reserved_concurrency() {
        let limits = ConcurrencyLimits::default();
        let single = limits.semaphore("f", Some(1));
        assert!(Arc::ptr_eq(&single, &limits.semaphore("f", Some(1))));
        assert_eq!(single.available_permits(), 1);
        assert_eq!(limits.semaphore("f", Some(5)).available_permits(), 5);
        assert_eq!(limits.semaphore("f", Some(0)).available_permits(), 1);
        assert_eq!(limits.semaphore("g", None).available_permits(), 64);
    }
}
