//! Limits concurrent invocations: by the reservation of a function, and by the rest of the account for all
//! other functions.
//!
//! As on Lambda, a reservation is both a floor and a ceiling, and reduces the pool of all other functions.
//! Nothing here waits for capacity: a synchronous call over the limit is refused.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use tokio::sync::Notify;

/// Lambda's reason when a function has reached its reservation.
pub const RESERVED_LIMIT: &str = "ReservedFunctionConcurrentInvocationLimitExceeded";
/// Lambda's reason when the account's unreserved pool is used up.
pub const ACCOUNT_LIMIT: &str = "ConcurrentInvocationLimitExceeded";

/// The invocations of the account.
pub(super) struct AccountConcurrency {
    unreserved_limit: AtomicU32,
    unreserved: AtomicU32,
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

    /// Sets the part of the account's concurrency that is left after all reservations.
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

/// Means "no reservation". Lambda's own numbers stay far below.
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
    load: Arc<FunctionConcurrency>,
    unreserved: bool,
}

impl InvocationPermit {
    /// Acquires a permit, or returns Lambda's reason why there is none.
    pub(super) fn acquire(
        account: &Arc<AccountConcurrency>,
        load: &Arc<FunctionConcurrency>,
    ) -> Result<Self, &'static str> {
        let reserved = load.reserved();
        if let Some(limit) = reserved {
            if !add_below(&load.running, limit) {
                return Err(RESERVED_LIMIT);
            }
        } else {
            if !add_below(&account.unreserved, account.unreserved_limit.load(Ordering::Relaxed)) {
                return Err(ACCOUNT_LIMIT);
            }
            load.running.fetch_add(1, Ordering::AcqRel);
        }
        account.running.fetch_add(1, Ordering::AcqRel);
        Ok(Self { account: Arc::clone(account), load: Arc::clone(load), unreserved: reserved.is_none() })
    }
}

impl Drop for InvocationPermit {
    fn drop(&mut self) {
        self.load.running.fetch_sub(1, Ordering::AcqRel);
        if self.unreserved {
            self.account.unreserved.fetch_sub(1, Ordering::AcqRel);
        }
        if self.account.running.fetch_sub(1, Ordering::AcqRel) == 1 {
            self.account.became_idle.notify_waiters();
        }
    }
}

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
        let load = Arc::new(FunctionConcurrency::new(None));
        let before = InvocationPermit::acquire(&account, &load).ok().unwrap();
        load.set_reserved(Some(1));
        assert_eq!(InvocationPermit::acquire(&account, &load).err(), Some(RESERVED_LIMIT));
        drop(before);
        assert!(InvocationPermit::acquire(&account, &load).is_ok());
        assert_eq!(account.unreserved.load(Ordering::Relaxed), 0);
    }
}
