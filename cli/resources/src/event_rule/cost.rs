//! The costs of a rule.

use crate::price::Price;

/// The price of custom events. Events from S3 are free.
pub const EVENTS: Price = Price::new("million events", 1.00, "aws.amazon.com/eventbridge/pricing");
