//! The costs of an event source mapping.

/// The number of requests that Lambda sends to an empty queue in a month. Lambda has five pollers, each with three
/// requests per minute (Lambda's guide to SQS, "polling and batching"). They are billed as requests to the queue.
pub const IDLE_RECEIVES: f64 = 648_000.0;
