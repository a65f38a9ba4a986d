//! Reads the quotas of the account: Lambda's concurrency and the writes of a table.

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
    /// Whether a function that has reserved `held` may reserve `wanted`. Lambda refuses a reservation that
    /// leaves less than 100 unreserved, or less than the whole limit of an account that has fewer. What the
    /// function holds already counts as free.
    pub fn can_reserve(&self, wanted: u32, held: Option<u32>) -> bool {
        let held = held.unwrap_or(0);
        wanted <= held || self.unreserved.saturating_add(held) >= wanted.saturating_add(self.min_unreserved())
    }

    /// Returns the concurrency that must stay unreserved.
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
    let number = |number: i32| u32::try_from(number).unwrap_or(0);
    let total = number(limit.concurrent_executions());
    Ok(ConcurrencyQuota {
        limit: total,
        unreserved: limit.unreserved_concurrent_executions().map_or(total, number),
    })
}

/// The default quota of write request units per second of one table (`DynamoDB`'s guide, "Quotas").
pub const DEFAULT_TABLE_WRITES: u32 = 40_000;

/// Reads the account's quota of write request units per second of one table.
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
        for (limit, unreserved, wanted, held, expected) in [
            (1000, 1000, 1, None, true),
            (1000, 1000, 900, None, true),
            (1000, 1000, 901, None, false),
            (1000, 100, 1, None, false),
            (1000, 101, 1, None, true),
            // The function's own reservation is released first.
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
            assert_eq!(quota.can_reserve(wanted, held), expected, "{quota:?} {wanted} {held:?}");
        }
    }
}
