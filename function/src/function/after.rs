//! The invalidation after hits: once a window, whoever counts, and by the one who takes the window. It never costs a hit; what
//! fails is a line of the log, and the window is given back.

use super::Function;
use super::services::deadline;
use crate::cloudfront;
use crate::invalidate::window_reference;
use crate::lambda::Invocation;
use crate::log::{Field, Level, Log};

impl Function {
    /// Invalidates, if there were hits and this window is still to be had.
    pub(super) fn invalidate_after_hits(&mut self, invocation: &Invocation, log: &mut Log) {
        let has_hits = std::mem::take(&mut self.has_hits);
        let Some(wanted) = self.settings.invalidate.clone().filter(|_| has_hits) else { return };
        let now_s = (self.access.clock)().millis() / 1000;
        if now_s < self.not_before_s {
            return;
        }
        let left = self.time_left(invocation);
        self.counter.store().begin_long(left);
        let id = invocation.id.as_str();
        match self.counter.store().claim(now_s, wanted.window_s) {
            Ok(true) => self.not_before_s = now_s + wanted.window_s,
            Ok(false) => {
                // Another's, and begun at a time that is not known here: it is asked for again before it can be over for long.
                self.not_before_s = now_s + wanted.window_s / 10;
                return;
            }
            Err(error) => {
                let message = "nothing was invalidated: the window could not be taken";
                return log.failure(Level::Warn, id, message, &error);
            }
        }
        let reference = window_reference(&wanted.name, wanted.window_s, now_s);
        let until = deadline(left);
        let done = self.cloudfront().and_then(|rest| {
            cloudfront::invalidate(rest, &wanted.distribution, &wanted.paths, &reference, until)
        });
        let Err(why) = done else {
            log.line(Level::Debug, Some(id), "invalidated", &[("reference", Field::Text(&reference))]);
            return;
        };
        log.failure(Level::Warn, id, "the distribution was not invalidated", &why);
        self.not_before_s = 0;
        if let Err(error) = self.counter.store().give_back(now_s) {
            log.failure(Level::Warn, id, "the window of the invalidation was not given back", &error);
        }
    }
}
