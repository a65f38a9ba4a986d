//! The costs of an HTTP API.

use crate::price::Price;

/// The requests. Each 512 KB of one is billed as a request.
pub const REQUESTS: Price =
    Price::new("million requests", 1.00, "aws.amazon.com/api-gateway/pricing").with_second_tier(300.0, 0.90);
