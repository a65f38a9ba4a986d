//! The costs of an event source mapping.

/// The requests that Lambda's pollers send to an empty queue in a month: five pollers, three requests a
/// minute each (Lambda's guide to SQS, "polling and batching"). They are billed as requests of the queue.
pub const IDLE_RECEIVES: f64 = 648_000.0;
