//! The costs of a rule.

use crate::price::Price;

/// Custom events. Events of S3 are free.
pub const EVENTS: Price = Price::new("million events", 1.00, "aws.amazon.com/eventbridge/pricing");
