//! The costs of a log group.

use crate::price::Price;

/// The price of ingested log data.
pub const INGESTED: Price = Price::new("GB ingested", 0.50, "aws.amazon.com/cloudwatch/pricing");
