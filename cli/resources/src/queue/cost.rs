//! The costs of a queue.

use crate::price::Price;

/// The requests. Each 64 KB of one is billed as a request. The first million of a month is free.
pub const REQUESTS: Price = Price::new("million requests", 0.40, "aws.amazon.com/sqs/pricing");
/// The requests to send and receive a message without batching. A full batch needs little more than these for
/// all of its messages.
pub const CARRYING_A_MESSAGE: f64 = 2.0;
/// The request that deletes a message, independent of its size.
pub const DELETING_A_MESSAGE: f64 = 1.0;
