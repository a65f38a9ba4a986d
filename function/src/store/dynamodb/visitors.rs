//! Records which visitors are new today, as hashes in a separate table whose items expire. A hash cannot be
//! reversed after the day's salt is deleted. Salts, hashes and addresses must not appear in logs or in `Debug`
//! output.

use std::fmt;

use hitctl_config::contract::{SEEN_ADDRESS_PREFIX, SEEN_SALT_PREFIX};
use ring::hmac;
use ring::rand::{SecureRandom as _, SystemRandom};

use super::client::{DynamoDbClient, ResendPolicy, TableTarget, if_condition_holds};
use super::requests;
use crate::fields::text_at;
use crate::log::LogEvent;
use crate::moment::{Day, Moment};
use crate::path::PageKey;
use crate::sigv4::hex;
use crate::store::api::NewVisitor;
use crate::store::error::StoreError;
use crate::visitor::Visitor;

const DAY_S: u64 = 86_400;
/// The number of old salts that are deleted when a new one is created. The salt of yesterday is kept, because
/// queued hits may arrive late. If the site had no visitors for longer, DynamoDB's slow expiry deletes the
/// older salts.
const OLD_SALTS: u32 = 7;
/// The length of a stored hash in bytes: half of an HMAC-SHA-256. With a million visitors per day, two hashes
/// are equal about once in 10^26 days.
const HASH_BYTES: usize = 16;

/// The table of visitors, and how long it keeps addresses.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VisitorTable {
    /// The name of the table.
    pub table: String,
    /// The number of days for which addresses are kept; `None` keeps none.
    pub address_retention_days: Option<u32>,
}

/// The salt of one day, as an HMAC key.
struct DailySalt {
    day: Day,
    key: hmac::Key,
}

/// Records visitors and decides which are new.
///
/// A hash is stored before its visitor is counted. If the process ends in between, the visitor is missing in
/// the counts, but no visitor is counted twice. If the response to a write is lost, the write is sent again. If
/// the first attempt had an effect, the second finds the hash, and the visitor is not counted.
pub(super) struct VisitorRegistry {
    table: TableTarget,
    address_retention_days: Option<u32>,
    /// The name of the table of counts. It is part of the hash, so that the same visitor has different hashes
    /// on other sites.
    site: String,
    salt: Option<DailySalt>,
    random: SystemRandom,
}

impl fmt::Debug for VisitorRegistry {
    /// Omits the salt.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("VisitorRegistry").field("table", &self.table.name).finish_non_exhaustive()
    }
}

impl VisitorRegistry {
    pub(super) fn new(visitor_table: VisitorTable, site: String) -> Self {
        let table = TableTarget { name: visitor_table.table, hides_error_messages: true };
        Self {
            table,
            address_retention_days: visitor_table.address_retention_days,
            site,
            salt: None,
            random: SystemRandom::new(),
        }
    }

    /// Returns whether full addresses are stored.
    pub(super) fn stores_addresses(&self) -> bool {
        self.address_retention_days.is_some()
    }

    /// Records a visitor and returns whether the visitor is new today on the page and on the site. A failure
    /// to record the visitor of the site is only a warning, because the result for the page must not be lost.
    /// So is a failure to store the address.
    pub(super) fn record(
        &mut self,
        client: &mut DynamoDbClient,
        visitor: &Visitor,
        page: &PageKey,
        now: Moment,
        warnings: &mut Vec<LogEvent>,
    ) -> Result<NewVisitor, StoreError> {
        if let Err(error) = self.record_address(client, visitor, now) {
            warnings.push(LogEvent::failure("failed to store an address", &error));
        }
        let today = now.day();
        self.load_salt(client, today, warnings)?;
        if !self.is_new(client, visitor, Some(page), today)? {
            return Ok(NewVisitor::default());
        }
        let site = self.is_new(client, visitor, None, today).unwrap_or_else(|error| {
            warnings.push(LogEvent::failure("failed to record a visitor of the site", &error));
            false
        });
        Ok(NewVisitor { page: true, site })
    }

    /// Loads the salt of `day`, if it is not loaded yet. All processes share one salt: the first to write
    /// creates it.
    pub(super) fn load_salt(
        &mut self,
        client: &mut DynamoDbClient,
        day: Day,
        warnings: &mut Vec<LogEvent>,
    ) -> Result<(), StoreError> {
        if self.salt.as_ref().is_some_and(|salt| salt.day == day) {
            return Ok(());
        }
        let mut bytes = [0; 32];
        self.random.fill(&mut bytes).map_err(|_| {
            StoreError::Unavailable("failed to get random numbers from the system".to_owned())
        })?;
        let proposed = hex(&bytes);
        let body = requests::create_salt(&self.table.name, &salt_id(day), &proposed, expiry(day));
        let response = client.call("UpdateItem", &self.table, &body, ResendPolicy::Once)?;
        let json = std::str::from_utf8(&response).unwrap_or_default();
        let bad = |why| client.unavailable("UpdateItem", &self.table, why);
        let stored = text_at(json, "/Attributes/salt/S").ok_or_else(|| bad("unexpected response"))?;
        if stored.len() != proposed.len() {
            return Err(bad("the day's salt is invalid"));
        }
        self.salt = Some(DailySalt { day, key: hmac::Key::new(hmac::HMAC_SHA256, stored.as_bytes()) });
        if stored == proposed {
            self.delete_old_salts(client, day, warnings);
        }
        Ok(())
    }

    /// Deletes the salts of past days. Without the salt, a hash can no longer be linked to a visitor. After a
    /// failure, the process that creates the next day's salt tries again.
    fn delete_old_salts(&self, client: &mut DynamoDbClient, today: Day, warnings: &mut Vec<LogEvent>) {
        for age in 2..2 + OLD_SALTS {
            let Some(day) = today.number().checked_sub(age).map(Day::from_number) else { return };
            let body = requests::delete_id(&self.table.name, &salt_id(day));
            if let Err(error) = client.call("DeleteItem", &self.table, &body, ResendPolicy::Once) {
                warnings.push(LogEvent::failure("failed to delete old salts", &StoreError::from(error)));
                return;
            }
        }
    }

    /// Stores the hash of a visitor on a page, or on the site if `page` is `None`. Returns whether the visitor
    /// is new on the day of the loaded salt.
    fn is_new(
        &self,
        client: &mut DynamoDbClient,
        visitor: &Visitor,
        page: Option<&PageKey>,
        today: Day,
    ) -> Result<bool, StoreError> {
        let Some(salt) = &self.salt else { return Ok(false) };
        let bytes = visitor.hash_input(&self.site, page.map(PageKey::as_str));
        let hash = hex(&hmac::sign(&salt.key, &bytes).as_ref()[..HASH_BYTES]);
        let body = requests::put_id(&self.table.name, &hash, expiry(today));
        let put = client.call("PutItem", &self.table, &body, ResendPolicy::Once);
        Ok(if_condition_holds(put)?.is_some())
    }

    /// Counts a hit in the item of the visitor's address, if the configuration keeps addresses.
    fn record_address(
        &self,
        client: &mut DynamoDbClient,
        visitor: &Visitor,
        now: Moment,
    ) -> Result<(), StoreError> {
        let Some(days) = self.address_retention_days else { return Ok(()) };
        let id = format!("{SEEN_ADDRESS_PREFIX}{}", visitor.address());
        let ttl = now.millis() / 1000 + u64::from(days) * DAY_S;
        let body = requests::count_address(&self.table.name, &id, now, ttl);
        client.call("UpdateItem", &self.table, &body, ResendPolicy::Never)?;
        Ok(())
    }
}

fn salt_id(day: Day) -> String {
    day.attribute_name(SEEN_SALT_PREFIX)
}

/// Returns when the records of a day expire: a day after its end, in seconds since 1970.
fn expiry(day: Day) -> u64 {
    (u64::from(day.number()) + 2) * DAY_S
}
