//! Transactions: deltas together with the deduplication markers of their messages.

use std::collections::HashSet;
use std::hash::{BuildHasher as _, RandomState};

use hitctl_config::contract::SEEN_MESSAGE_DAYS;

use super::DynamoDbStore;
use super::requests::{self, Projection};
use crate::log::LogEvent;
use crate::moment::{Day, Moment};
use crate::store::error::StoreError;
use crate::store::transaction::{Transaction, TransactionResult};

const DAY_S: u64 = 86_400;
/// The maximum number of items tracked per day.
const MAX_TRACKED_ITEMS: usize = 4096;

/// The items that were checked for old days today. Each check needs a read, because the response to a
/// transaction contains no items.
#[derive(Debug, Default)]
pub(super) struct TrimTracker {
    day: Option<Day>,
    keys: HashSet<String>,
}

impl TrimTracker {
    /// Returns whether an item has not been checked today, and marks it as checked.
    fn is_due(&mut self, key: &str, today: Day) -> bool {
        if self.day != Some(today) || self.keys.len() >= MAX_TRACKED_ITEMS {
            self.day = Some(today);
            self.keys.clear();
        }
        self.keys.insert(key.to_owned())
    }
}

impl DynamoDbStore {
    pub(super) fn transact_and_trim(&mut self, transaction: &Transaction, now: Moment) -> TransactionResult {
        let Some(dedup_table) = &self.dedup_table else {
            let why = "no table of deduplication markers is configured".to_owned();
            return TransactionResult::Failed(StoreError::Unavailable(why));
        };
        let ttl = now.millis() / 1000 + u64::from(SEEN_MESSAGE_DAYS) * DAY_S;
        let body =
            requests::transaction(&self.table.name, dedup_table, transaction, ttl, &client_request_token());
        let transacted = self.client.transact(&self.table, &body);
        if transacted == TransactionResult::Committed {
            for (delta, _) in &transaction.deltas {
                self.trim_if_due(&delta.key, now.day());
            }
        }
        transacted
    }

    /// Removes old days from an item, if a check is due and there is time.
    fn trim_if_due(&mut self, key: &str, today: Day) {
        if !self.client.has_time_left() || !self.trim_tracker.is_due(key, today) {
            return;
        }
        match self.read_item(key, Projection::All) {
            Ok(item) => self.trim(key, &item, today),
            Err(error) => self.warnings.push(LogEvent::failure("failed to read an item to trim", &error)),
        }
    }
}

/// Returns a random client request token of 32 digits; DynamoDB allows 36. It need not be secret.
fn client_request_token() -> String {
    let random_u64 = || RandomState::new().hash_one(());
    format!("{:016x}{:016x}", random_u64(), random_u64())
}
