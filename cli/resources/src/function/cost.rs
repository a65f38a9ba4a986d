//! The costs of a function.

use hitctl_config::Arch;

use crate::price::Price;

const SOURCE: &str = "aws.amazon.com/lambda/pricing";

/// The price of invocations.
pub const REQUESTS: Price = Price::new("million requests", 0.20, SOURCE);
/// The price of running time on arm64.
pub const GB_SECONDS_ARM64: Price = Price::new("GB-second on arm64", 0.000_013_333_4, SOURCE);
/// The price of running time on `x86_64`.
pub const GB_SECONDS_X86_64: Price = Price::new("GB-second on x86_64", 0.000_016_666_7, SOURCE);

/// The maximum number of requests per second per unit of concurrency ("Lambda quotas" in the developer guide).
pub const REQUESTS_PER_CONCURRENCY: f64 = 10.0;
/// The concurrency of an account whose quota was never raised (same page).
pub const ACCOUNT_CONCURRENCY: u32 = 1000;

/// Returns the price of running time on an architecture.
pub const fn gb_seconds(arch: Arch) -> Price {
    match arch {
        Arch::Arm64 => GB_SECONDS_ARM64,
        Arch::X86_64 => GB_SECONDS_X86_64,
    }
}
