//! Invalidates the CloudFront distribution after hits, once per window. Only the process that claims the window
//! sends the invalidation. A failure never affects a hit: it is logged, and the window is released.

use super::CounterFunction;
use super::services::deadline;
use crate::cloudfront;
use crate::invalidate::window_reference;
use crate::lambda::RuntimeInvocation;
use crate::log::{Level, LogField, Logger};

impl CounterFunction {
    /// Invalidates the configured paths if there were hits and the current window can be claimed.
    pub(super) fn invalidate_after_hits(&mut self, invocation: &RuntimeInvocation, log: &mut Logger) {
        let has_hits = std::mem::take(&mut self.has_hits);
        let Some(invalidation) = self.settings.invalidate.clone().filter(|_| has_hits) else { return };
        let now_s = (self.access.clock)().millis() / 1000;
        if now_s < self.not_before_s {
            return;
        }
        let left = self.time_left(invocation);
        self.counter.store().set_batch_deadline(left);
        let id = invocation.id.as_str();
        match self.counter.store().claim_window(now_s, invalidation.window_s) {
            Ok(true) => self.not_before_s = now_s + invalidation.window_s,
            Ok(false) => {
                // Another process claimed the window at an unknown time. Try again after a tenth of the
                // window's length.
                self.not_before_s = now_s + invalidation.window_s / 10;
                return;
            }
            Err(error) => {
                let message = "failed to claim the invalidation window";
                return log.write_failure(Level::Warn, id, message, &error);
            }
        }
        let reference = window_reference(&invalidation.name, invalidation.window_s, now_s);
        let until = deadline(left);
        let done = self.cloudfront().and_then(|client| {
            cloudfront::invalidate(client, &invalidation.distribution, &invalidation.paths, &reference, until)
        });
        let Err(why) = done else {
            log.write_line(
                Level::Debug,
                Some(id),
                "invalidated",
                &[("reference", LogField::Text(&reference))],
            );
            return;
        };
        log.write_failure(Level::Warn, id, "failed to invalidate the distribution", &why);
        // The next hit tries again.
        self.not_before_s = 0;
        if let Err(error) = self.counter.store().release_window(now_s) {
            log.write_failure(Level::Warn, id, "failed to release the invalidation window", &error);
        }
    }
}
