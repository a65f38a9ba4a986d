//! Limits concurrent invocations: by a function's own reservation, or by the account's pool, which all functions
//! without a reservation share.
//!
//! As on Lambda, a reservation is both a floor and a ceiling, and reduces the pool of the other functions. A call
//! over the limit is refused at once.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use tokio::sync::Notify;

/// Lambda's reason when a function has reached its reservation.
pub const RESERVED_LIMIT: &str = "ReservedFunctionConcurrentInvocationLimitExceeded";
/// Lambda's reason when the account's unreserved pool is used up.
pub const ACCOUNT_LIMIT: &str = "ConcurrentInvocationLimitExceeded";

/// The running invocations of the account, and the limit of the pool that functions share.
pub(super) struct AccountConcurrency {
    unreserved_limit: AtomicU32,
    /// The running invocations of functions without a reservation.
    unreserved: AtomicU32,
    /// The running invocations of all functions.
    running: AtomicU32,
    became_idle: Notify,
}

impl AccountConcurrency {
    pub(super) fn new(concurrency: u32) -> Self {
        Self {
            unreserved_limit: AtomicU32::new(concurrency),
            unreserved: AtomicU32::new(0),
            running: AtomicU32::new(0),
            became_idle: Notify::new(),
        }
    }

    /// Sets the limit of the shared pool: the account's concurrency minus all reservations.
    pub(super) fn set_unreserved_limit(&self, limit: u32) {
        self.unreserved_limit.store(limit, Ordering::Relaxed);
    }

    /// Waits until no invocation runs.
    pub(super) async fn wait_until_idle(&self) {
        loop {
            let became_idle = self.became_idle.notified();
            if self.running.load(Ordering::Acquire) == 0 {
                return;
            }
            became_idle.await;
        }
    }
}

/// The running invocations of one function, in all its versions.
pub(super) struct FunctionConcurrency {
    running: AtomicU32,
    reserved: AtomicU32,
}

/// The stored value of a function without a reservation. Lambda's limits are far below this number.
const NO_RESERVATION: u32 = u32::MAX;

impl FunctionConcurrency {
    pub(super) fn new(reserved: Option<u32>) -> Self {
        Self { running: AtomicU32::new(0), reserved: AtomicU32::new(reserved.unwrap_or(NO_RESERVATION)) }
    }

    pub(super) fn set_reserved(&self, reserved: Option<u32>) {
        self.reserved.store(reserved.unwrap_or(NO_RESERVATION), Ordering::Relaxed);
    }

    pub(super) fn reserved(&self) -> Option<u32> {
        Some(self.reserved.load(Ordering::Relaxed)).filter(|reserved| *reserved != NO_RESERVATION)
    }
}

/// The permit to run one invocation. Dropping it releases the concurrency.
pub(super) struct InvocationPermit {
    account: Arc<AccountConcurrency>,
    function: Arc<FunctionConcurrency>,
    unreserved: bool,
}

impl InvocationPermit {
    /// Acquires a permit, or returns Lambda's reason why there is none.
    pub(super) fn acquire(
        account: &Arc<AccountConcurrency>,
        function: &Arc<FunctionConcurrency>,
    ) -> Result<Self, &'static str> {
        let reserved = function.reserved();
        if let Some(limit) = reserved {
            if !add_below(&function.running, limit) {
                return Err(RESERVED_LIMIT);
            }
        } else {
            if !add_below(&account.unreserved, account.unreserved_limit.load(Ordering::Relaxed)) {
                return Err(ACCOUNT_LIMIT);
            }
            function.running.fetch_add(1, Ordering::AcqRel);
        }
        account.running.fetch_add(1, Ordering::AcqRel);
        Ok(Self {
            account: Arc::clone(account),
            function: Arc::clone(function),
            unreserved: reserved.is_none(),
        })
    }
}

impl Drop for InvocationPermit {
    fn drop(&mut self) {
        self.function.running.fetch_sub(1, Ordering::AcqRel);
        if self.unreserved {
            self.account.unreserved.fetch_sub(1, Ordering::AcqRel);
        }
        if self.account.running.fetch_sub(1, Ordering::AcqRel) == 1 {
            self.account.became_idle.notify_waiters();
        }
    }
}

/// Adds one to `count` if it is below `limit`. Returns whether it was.
fn add_below(count: &AtomicU32, limit: u32) -> bool {
    count.fetch_update(Ordering::AcqRel, Ordering::Acquire, |now| (now < limit).then_some(now + 1)).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reservation_is_exact_and_does_not_use_account_pool() {
        let account = Arc::new(AccountConcurrency::new(1));
        let reserved = Arc::new(FunctionConcurrency::new(Some(2)));
        let first = InvocationPermit::acquire(&account, &reserved).ok().unwrap();
        let _second = InvocationPermit::acquire(&account, &reserved).ok().unwrap();
        assert_eq!(InvocationPermit::acquire(&account, &reserved).err(), Some(RESERVED_LIMIT));
        drop(first);
        let _third = InvocationPermit::acquire(&account, &reserved).ok().unwrap();

        let free = Arc::new(FunctionConcurrency::new(None));
        let only = InvocationPermit::acquire(&account, &free).ok().unwrap();
        assert_eq!(InvocationPermit::acquire(&account, &free).err(), Some(ACCOUNT_LIMIT));
        drop(only);
        assert!(InvocationPermit::acquire(&account, &free).is_ok());
    }

    #[test]
    fn reservation_of_zero_refuses_every_invocation() {
        let account = Arc::new(AccountConcurrency::new(10));
        assert_eq!(
            InvocationPermit::acquire(&account, &Arc::new(FunctionConcurrency::new(Some(0)))).err(),
            Some(RESERVED_LIMIT)
        );
    }

    #[test]
    fn reservation_change_still_counts_running_invocations() {
        let account = Arc::new(AccountConcurrency::new(10));
        let function = Arc::new(FunctionConcurrency::new(None));
        let before = InvocationPermit::acquire(&account, &function).ok().unwrap();
        function.set_reserved(Some(1));
        assert_eq!(InvocationPermit::acquire(&account, &function).err(), Some(RESERVED_LIMIT));
        drop(before);
        assert!(InvocationPermit::acquire(&account, &function).is_ok());
        assert_eq!(account.unreserved.load(Ordering::Relaxed), 0);
    }
}
