//! How much concurrency the account has, asked before any of it is reserved.

use aws_sdk_lambda::Client;
use aws_types::SdkConfig;
use hitctl_engine::Fault;

use crate::aws::fault::{Doing, ToFault as _};

/// Lambda leaves so much to the functions that reserve none (Lambda's guide, "Configuring reserved concurrency").
const LEFT_TO_OTHERS: u32 = 100;

/// The concurrency of an account in a region.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Quota {
    /// How many invocations may run at once, of all functions: 1000, or 10 in a new account.
    pub limit: u32,
    /// How many of them no function has reserved.
    pub unreserved: u32,
}

impl Quota {
    /// Whether a function that holds `held` of it may have `wanted`. Lambda refuses what takes the rest below 100, or below
    /// the whole limit of an account that has less; nothing is taken by what a function holds already.
    pub fn can_reserve(&self, wanted: u32, held: Option<u32>) -> bool {
        let held = held.unwrap_or(0);
        wanted <= held || self.unreserved.saturating_add(held) >= wanted.saturating_add(self.floor())
    }

    /// So much has to stay unreserved.
    pub fn floor(&self) -> u32 {
        self.limit.min(LEFT_TO_OTHERS)
    }
}

/// Asks for the account's concurrency.
pub async fn concurrency_quota(config: &SdkConfig) -> Result<Quota, Fault> {
    let doing = Doing::new("read", "the account's concurrency", "lambda:GetAccountSettings");
    let answer =
        Client::new(config).get_account_settings().send().await.map_err(|error| error.fault(&doing))?;
    let Some(limit) = answer.account_limit() else {
        return Err(Fault::fatal("no_account_limit", "Lambda answered without the account's limits"));
    };
    let number = |number: i32| u32::try_from(number).unwrap_or(0);
    let all = number(limit.concurrent_executions());
    Ok(Quota { limit: all, unreserved: limit.unreserved_concurrent_executions().map_or(all, number) })
}

/// The most write request units per second of one table, in an account that did not ask for more (`DynamoDB`'s guide,
/// "Quotas").
pub const DEFAULT_TABLE_WRITES: u32 = 40_000;

/// Asks what one table of the account may take of write request units in a second.
pub async fn table_writes_quota(config: &SdkConfig) -> Result<u32, Fault> {
    let doing = Doing::new("read", "the account's quota of table writes", "dynamodb:DescribeLimits");
    let client = aws_sdk_dynamodb::Client::new(config);
    let answer = client.describe_limits().send().await.map_err(|error| error.fault(&doing))?;
    let most = answer.table_max_write_capacity_units().and_then(|most| u32::try_from(most).ok());
    Ok(most.unwrap_or(DEFAULT_TABLE_WRITES))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_may_be_reserved() {
        for (limit, unreserved, wanted, held, may) in [
            (1000, 1000, 1, None, true),
            (1000, 1000, 900, None, true),
            (1000, 1000, 901, None, false),
            (1000, 100, 1, None, false),
            (1000, 101, 1, None, true),
            // What it holds comes back first.
            (1000, 100, 2, Some(2), true),
            (1000, 100, 3, Some(2), false),
            // A new account.
            (10, 10, 1, None, false),
            (10, 10, 0, None, true),
            (50, 50, 1, None, false),
            // Less is always free.
            (10, 9, 1, Some(1), true),
            (10, 9, 0, Some(1), true),
        ] {
            let quota = Quota { limit, unreserved };
            assert_eq!(quota.can_reserve(wanted, held), may, "{quota:?} {wanted} {held:?}");
        }
    }
}
