//! How many invocations the account may run at once.

use aws_types::SdkConfig;

use super::super::Concurrency;

/// Asks Lambda. `None` where it does not say: a user who may not ask, an emulator that does not know the call. Then a
/// deploy goes on, and the call that reserves says what it says.
pub(super) async fn concurrency(config: &SdkConfig) -> Option<Concurrency> {
    let settings = aws_sdk_lambda::Client::new(config).get_account_settings().send().await.ok()?;
    let limit = settings.account_limit()?;
    let limits = Concurrency {
        limit: u32::try_from(limit.concurrent_executions()).ok()?,
        unreserved: u32::try_from(limit.unreserved_concurrent_executions()?).ok()?,
    };
    // Some emulators answer with zeros.
    (limits.limit > 0).then_some(limits)
}
