//! The costs of a log group.

use crate::price::Price;

/// The ingested log lines.
pub const INGESTED: Price = Price::new("GB ingested", 0.50, "aws.amazon.com/cloudwatch/pricing");
