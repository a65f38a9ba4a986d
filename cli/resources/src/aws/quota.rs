//! Reads the account's quotas of Lambda concurrency and of writes to one table.

use aws_sdk_lambda::Client;
use aws_types::SdkConfig;
use hitctl_engine::Fault;

use crate::aws::fault::{ApiOperation, ToFault as _};

/// The concurrency that Lambda keeps for functions without a reservation (Lambda's guide, "Configuring
/// reserved concurrency").
const MIN_UNRESERVED: u32 = 100;

/// The concurrency of an account in a region.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ConcurrencyQuota {
    /// The maximum number of concurrent invocations of all functions: 1000, or 10 in a new account.
    pub limit: u32,
    /// The part of `limit` that no function has reserved.
    pub unreserved: u32,
}

impl ConcurrencyQuota {
    /// Whether Lambda allows a function that has reserved `current` to reserve `wanted` instead. Lambda rejects a
    /// reservation that leaves less than 100 unreserved; an account with a smaller limit must leave the whole
    /// limit. The function's current reservation counts as unreserved. A smaller reservation is always allowed.
    pub fn can_reserve(&self, wanted: u32, current: Option<u32>) -> bool {
        let current = current.unwrap_or(0);
        wanted <= current
            || self.unreserved.saturating_add(current) >= wanted.saturating_add(self.min_unreserved())
    }

    /// Returns the concurrency that must remain unreserved.
    pub fn min_unreserved(&self) -> u32 {
        self.limit.min(MIN_UNRESERVED)
    }
}

/// Reads the account's concurrency.
pub async fn concurrency_quota(config: &SdkConfig) -> Result<ConcurrencyQuota, Fault> {
    let operation =
        ApiOperation::new("read", "the concurrency quota of the account", "lambda:GetAccountSettings");
    let response = Client::new(config)
        .get_account_settings()
        .send()
        .await
        .map_err(|error| error.to_fault(&operation))?;
    let Some(limit) = response.account_limit() else {
        return Err(Fault::fatal(
            "no_account_limit",
            "failed to read the concurrency quota of the account: the response has no limits",
        ));
    };
    let to_u32 = |number: i32| u32::try_from(number).unwrap_or(0);
    let total = to_u32(limit.concurrent_executions());
    Ok(ConcurrencyQuota {
        limit: total,
        unreserved: limit.unreserved_concurrent_executions().map_or(total, to_u32),
    })
}

/// The default quota of write request units per second for one table (`DynamoDB`'s guide, "Quotas").
pub const DEFAULT_TABLE_WRITES: u32 = 40_000;

/// Reads the account's quota of write request units per second for one table.
pub async fn table_writes_quota(config: &SdkConfig) -> Result<u32, Fault> {
    let operation =
        ApiOperation::new("read", "the table write quota of the account", "dynamodb:DescribeLimits");
    let client = aws_sdk_dynamodb::Client::new(config);
    let response = client.describe_limits().send().await.map_err(|error| error.to_fault(&operation))?;
    let max_units =
        response.table_max_write_capacity_units().and_then(|max_units| u32::try_from(max_units).ok());
    Ok(max_units.unwrap_or(DEFAULT_TABLE_WRITES))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn can_reserve_keeps_unreserved_minimum() {
        for (limit, unreserved, wanted, current, expected) in [
            (1000, 1000, 1, None, true),
            (1000, 1000, 900, None, true),
            (1000, 1000, 901, None, false),
            (1000, 100, 1, None, false),
            (1000, 101, 1, None, true),
            // The function's current reservation counts as unreserved.
            (1000, 100, 2, Some(2), true),
            (1000, 100, 3, Some(2), false),
            // A new account.
            (10, 10, 1, None, false),
            (10, 10, 0, None, true),
            (50, 50, 1, None, false),
            // A smaller reservation is always allowed.
            (10, 9, 1, Some(1), true),
            (10, 9, 0, Some(1), true),
        ] {
            let quota = ConcurrencyQuota { limit, unreserved };
            assert_eq!(quota.can_reserve(wanted, current), expected, "{quota:?} {wanted} {current:?}");
        }
    }
}
