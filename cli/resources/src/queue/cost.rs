//! The costs of a queue.

use crate::price::Price;

/// The requests. Each 64 KB of one is billed as a request. The first million of a month is free.
pub const REQUESTS: Price = Price::new("million requests", 0.40, "aws.amazon.com/sqs/pricing");
/// The requests that carry a message which comes alone: it is sent and received. In a full batch it is little more than one for
/// all messages.
pub const CARRYING_A_MESSAGE: f64 = 2.0;
/// The request that deletes a message, whatever its size.
pub const DELETING_A_MESSAGE: f64 = 1.0;
