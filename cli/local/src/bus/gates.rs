//! Lambda's queues of asynchronous invocations: who waits for a function comes to it in turn, as many at once as it takes.
//!
//! Without them a thousand events for a function that takes one at a time would be refused a thousand times, and again.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use tokio::sync::Semaphore;

use crate::lock::lock;

/// How many go to a function at once that reserves nothing.
const UNRESERVED: u32 = 64;

/// A gate for each function.
#[derive(Default)]
pub(super) struct Gates {
    all: Mutex<HashMap<String, (u32, Arc<Semaphore>)>>,
}

impl Gates {
    /// The gate of a function with that reservation. After a change of it there is a new one; who waits at the old one
    /// passes that.
    pub(super) fn of(&self, function: &str, reserved: Option<u32>) -> Arc<Semaphore> {
        // One goes even where none may: so it finds out when that has changed.
        let width = reserved.unwrap_or(UNRESERVED).max(1);
        let mut all = lock(&self.all);
        match all.get(function) {
            Some((known, gate)) if *known == width => Arc::clone(gate),
            _ => {
                let gate = Arc::new(Semaphore::new(usize::try_from(width).unwrap_or(1)));
                all.insert(function.to_owned(), (width, Arc::clone(&gate)));
                gate
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_gate_is_as_wide_as_the_reservation() {
        let gates = Gates::default();
        let narrow = gates.of("f", Some(1));
        assert!(Arc::ptr_eq(&narrow, &gates.of("f", Some(1))));
        assert_eq!(narrow.available_permits(), 1);
        assert_eq!(gates.of("f", Some(5)).available_permits(), 5);
        assert_eq!(gates.of("f", Some(0)).available_permits(), 1);
        assert_eq!(gates.of("g", None).available_permits(), 64);
    }
}
