//! Transactions: sums together with the marks of the messages that they come from.

use std::collections::HashSet;
use std::hash::{BuildHasher as _, RandomState};

use hitctl_config::contract::SEEN_MESSAGE_DAYS;

use super::DynamoDb;
use super::wire::{self, Wanted};
use crate::moment::{Day, Moment};
use crate::store::error::StoreError;
use crate::store::transaction::{Transacted, Transaction};

const DAY_S: u64 = 86_400;
/// How many items are remembered as looked through on a day.
const MOST_TIDIED: usize = 4096;

/// Whose old days were looked through today. A transaction does not tell what its items hold, so that takes a read.
#[derive(Debug, Default)]
pub(super) struct Tidied {
    day: Option<Day>,
    keys: HashSet<String>,
}

impl Tidied {
    /// Whether an item is to be looked through: once a day, by each process.
    fn is_due(&mut self, key: &str, today: Day) -> bool {
        if self.day != Some(today) || self.keys.len() >= MOST_TIDIED {
            self.day = Some(today);
            self.keys.clear();
        }
        self.keys.insert(key.to_owned())
    }
}

impl DynamoDb {
    pub(super) fn transact_and_tidy(&mut self, transaction: &Transaction, now: Moment) -> Transacted {
        let Some(marks) = &self.marks else {
            let why = "there is no table that remembers messages".to_owned();
            return Transacted::Failed(StoreError::Unavailable(why));
        };
        let ttl = now.millis() / 1000 + u64::from(SEEN_MESSAGE_DAYS) * DAY_S;
        let body = wire::transaction(&self.table.name, marks, transaction, ttl, &token());
        let transacted = self.client.transact(&self.table, &body);
        if transacted == Transacted::Done {
            for (sum, _) in &transaction.sums {
                self.tidy(&sum.key, now.day());
            }
        }
        transacted
    }

    /// Removes old days, if that is due and there is time.
    fn tidy(&mut self, key: &str, today: Day) {
        if !self.client.is_time_left() || !self.tidied.is_due(key, today) {
            return;
        }
        match self.read_item(key, Wanted::All) {
            Ok(item) => self.trim(key, &item, today),
            Err(error) => self.notes.push(format!("old days of an item were not looked for: {error}")),
        }
    }
}

/// What tells a transaction from any other: 32 digits, where DynamoDB takes 36. Not a secret.
fn token() -> String {
    let half = || RandomState::new().hash_one(());
    format!("{:016x}{:016x}", half(), half())
}
