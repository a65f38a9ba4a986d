//! The costs of an HTTP API.

use crate::price::Price;

/// The price of requests. Each 512 KB of a request is billed as one request.
pub const REQUESTS: Price =
    Price::new("million requests", 1.00, "aws.amazon.com/api-gateway/pricing").with_second_tier(300.0, 0.90);
