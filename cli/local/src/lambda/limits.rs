//! How many invocations may run at once: what a function has reserved, and what the account has left for the others.
//!
//! As on Lambda, a reservation is both a floor and a ceiling, and what is reserved is taken from everyone else's pool.
//! Nothing here waits for room: a synchronous call over the limit is refused.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use tokio::sync::Notify;

/// Lambda's reason when a function is at its reservation.
pub const RESERVED_LIMIT: &str = "ReservedFunctionConcurrentInvocationLimitExceeded";
/// Lambda's reason when the account's unreserved pool is empty.
pub const ACCOUNT_LIMIT: &str = "ConcurrentInvocationLimitExceeded";

/// The account's pool.
pub(super) struct Account {
    unreserved_limit: AtomicU32,
    unreserved: AtomicU32,
    running: AtomicU32,
    quiet: Notify,
}

impl Account {
    pub(super) fn new(concurrency: u32) -> Self {
        Self {
            unreserved_limit: AtomicU32::new(concurrency),
            unreserved: AtomicU32::new(0),
            running: AtomicU32::new(0),
            quiet: Notify::new(),
        }
    }

    /// Says how much of the account is left when every reservation is taken out.
    pub(super) fn set_unreserved_limit(&self, limit: u32) {
        self.unreserved_limit.store(limit, Ordering::Relaxed);
    }

    /// Waits until nothing runs.
    pub(super) async fn quiet(&self) {
        loop {
            let quiet = self.quiet.notified();
            if self.running.load(Ordering::Acquire) == 0 {
                return;
            }
            quiet.await;
        }
    }
}

/// What runs of one function, over all its versions.
pub(super) struct Load {
    running: AtomicU32,
    reserved: AtomicU32,
}

/// Stands for "no reservation"; Lambda's own numbers stay far below.
const NONE: u32 = u32::MAX;

impl Load {
    pub(super) fn new(reserved: Option<u32>) -> Self {
        Self { running: AtomicU32::new(0), reserved: AtomicU32::new(reserved.unwrap_or(NONE)) }
    }

    pub(super) fn reserve(&self, reserved: Option<u32>) {
        self.reserved.store(reserved.unwrap_or(NONE), Ordering::Relaxed);
    }

    pub(super) fn reserved(&self) -> Option<u32> {
        Some(self.reserved.load(Ordering::Relaxed)).filter(|reserved| *reserved != NONE)
    }
}

/// The right to run one invocation; given back when dropped.
pub(super) struct Permit {
    account: Arc<Account>,
    load: Arc<Load>,
    unreserved: bool,
}

impl Permit {
    /// Takes a place, or says with Lambda's reason why there is none.
    pub(super) fn take(account: &Arc<Account>, load: &Arc<Load>) -> Result<Self, &'static str> {
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

impl Drop for Permit {
    fn drop(&mut self) {
        self.load.running.fetch_sub(1, Ordering::AcqRel);
        if self.unreserved {
            self.account.unreserved.fetch_sub(1, Ordering::AcqRel);
        }
        if self.account.running.fetch_sub(1, Ordering::AcqRel) == 1 {
            self.account.quiet.notify_waiters();
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
    fn a_reservation_is_exact_and_leaves_the_pool_alone() {
        let account = Arc::new(Account::new(1));
        let reserved = Arc::new(Load::new(Some(2)));
        let first = Permit::take(&account, &reserved).ok().unwrap();
        let _second = Permit::take(&account, &reserved).ok().unwrap();
        assert_eq!(Permit::take(&account, &reserved).err(), Some(RESERVED_LIMIT));
        drop(first);
        let _third = Permit::take(&account, &reserved).ok().unwrap();

        let free = Arc::new(Load::new(None));
        let only = Permit::take(&account, &free).ok().unwrap();
        assert_eq!(Permit::take(&account, &free).err(), Some(ACCOUNT_LIMIT));
        drop(only);
        assert!(Permit::take(&account, &free).is_ok());
    }

    #[test]
    fn a_reservation_of_zero_refuses_everything() {
        let account = Arc::new(Account::new(10));
        assert_eq!(Permit::take(&account, &Arc::new(Load::new(Some(0)))).err(), Some(RESERVED_LIMIT));
    }

    #[test]
    fn what_ran_before_a_change_of_the_reservation_still_counts() {
        let account = Arc::new(Account::new(10));
        let load = Arc::new(Load::new(None));
        let before = Permit::take(&account, &load).ok().unwrap();
        load.reserve(Some(1));
        assert_eq!(Permit::take(&account, &load).err(), Some(RESERVED_LIMIT));
        drop(before);
        assert!(Permit::take(&account, &load).is_ok());
        assert_eq!(account.unreserved.load(Ordering::Relaxed), 0);
    }
}
