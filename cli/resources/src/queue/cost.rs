//! The costs of a queue.

use crate::price::Price;

/// The price of requests. Each 64 KB of a request is billed as one request. The first million of a month is free.
pub const REQUESTS: Price = Price::new("million requests", 0.40, "aws.amazon.com/sqs/pricing");
/// The number of requests that send and receive one message without batching. A full batch needs little more than
/// this number for all of its messages together.
pub const CARRYING_A_MESSAGE: f64 = 2.0;
/// The number of requests that delete a message of any size.
pub const DELETING_A_MESSAGE: f64 = 1.0;
