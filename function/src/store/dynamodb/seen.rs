//! Visitors: who is new today, by hashes that nobody can undo once the day's salt is gone. They live in a table of
//! their own, which forgets by itself.
//!
//! A hash is remembered before its visitor is counted, so whatever ends the program between the two, a visitor is
//! missing and never counted twice. A write whose answer was lost is sent again: if the first did arrive, the second
//! finds the hash there and takes the visitor for an old one, which errs to the same side.
//!
//! Salts, hashes and addresses must reach neither a log nor a `Debug`.

use std::fmt;

use hitctl_config::contract::{SEEN_ADDRESS_PREFIX, SEEN_SALT_PREFIX};
use ring::hmac;
use ring::rand::{SecureRandom as _, SystemRandom};

use super::client::{Client, Repeat, Table, if_condition_holds};
use super::wire;
use crate::fields::text_at;
use crate::moment::{Day, Moment};
use crate::path::Key;
use crate::sigv4::hex;
use crate::store::api::Met;
use crate::store::error::StoreError;
use crate::visitor::Visitor;

const DAY_S: u64 = 86_400;
/// How many days' salts are deleted when a new one is made, from the day before yesterday's back. DynamoDB's own
/// expiry, which takes its time, is left with those of a site that nobody visited for longer than that.
const OLD_SALTS: u32 = 7;
/// Half of an HMAC-SHA-256: a million visitors a day share one by chance once in 10^26 days.
const HASH_BYTES: usize = 16;

/// The table of visitors, and what is kept there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seen {
    /// Its name.
    pub table: String,
    /// For how many days addresses are kept; `None` keeps none.
    pub raw_days: Option<u32>,
}

/// The day's salt, as the key that it is.
struct Salt {
    day: Day,
    key: hmac::Key,
}

/// What tells visitors apart.
pub(super) struct Visitors {
    table: Table,
    raw_days: Option<u32>,
    /// The name of the table of counts: the same visitor has other hashes elsewhere.
    site: String,
    salt: Option<Salt>,
    random: SystemRandom,
}

impl fmt::Debug for Visitors {
    /// Never the salt.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Visitors").field("table", &self.table.name).finish_non_exhaustive()
    }
}

impl Visitors {
    pub(super) fn new(seen: Seen, site: String) -> Self {
        let table = Table { name: seen.table, private: true };
        Self { table, raw_days: seen.raw_days, site, salt: None, random: SystemRandom::new() }
    }

    /// Whether whole addresses are kept.
    pub(super) fn keeps_addresses(&self) -> bool {
        self.raw_days.is_some()
    }

    /// Whether a visitor is new today on the page and on the site; remembers it. What fails behind the first answer
    /// is a note, for that answer must not be lost.
    pub(super) fn meet(
        &mut self,
        client: &mut Client,
        visitor: &Visitor,
        page: &Key,
        now: Moment,
        notes: &mut Vec<String>,
    ) -> Result<Met, StoreError> {
        if let Err(error) = self.note_address(client, visitor, now) {
            notes.push(format!("an address was not kept: {error}"));
        }
        let today = now.day();
        self.take_salt(client, today, notes)?;
        if !self.is_new(client, visitor, Some(page), today)? {
            return Ok(Met::default());
        }
        let site = self.is_new(client, visitor, None, today).unwrap_or_else(|error| {
            notes.push(format!("a visitor of the site was not told apart: {error}"));
            false
        });
        Ok(Met { page: true, site })
    }

    /// Sees to it that the salt of `day` is here. All processes have the same: the first to write one has made it.
    pub(super) fn take_salt(
        &mut self,
        client: &mut Client,
        day: Day,
        notes: &mut Vec<String>,
    ) -> Result<(), StoreError> {
        if self.salt.as_ref().is_some_and(|salt| salt.day == day) {
            return Ok(());
        }
        let mut bytes = [0; 32];
        self.random
            .fill(&mut bytes)
            .map_err(|_| StoreError::Unavailable("the system has no random numbers".to_owned()))?;
        let proposed = hex(&bytes);
        let body = wire::salt(&self.table.name, &salt_id(day), &proposed, expiry(day));
        let answer = client.call("UpdateItem", &self.table, &body, Repeat::Once)?;
        let json = std::str::from_utf8(&answer).unwrap_or_default();
        let bad = |why| client.unavailable("UpdateItem", &self.table, why);
        let stands =
            text_at(json, "/Attributes/salt/S").ok_or_else(|| bad("the answer is not understood"))?;
        if stands.len() != proposed.len() {
            return Err(bad("the day's salt is damaged"));
        }
        self.salt = Some(Salt { day, key: hmac::Key::new(hmac::HMAC_SHA256, stands.as_bytes()) });
        if stands == proposed {
            self.delete_old_salts(client, day, notes);
        }
        Ok(())
    }

    /// Once the salt is gone, the hashes that were made with it are of nobody. What fails is tried again by the
    /// next day's first visitor.
    fn delete_old_salts(&self, client: &mut Client, today: Day, notes: &mut Vec<String>) {
        for age in 2..2 + OLD_SALTS {
            let Some(day) = today.number().checked_sub(age).map(Day::from_number) else { return };
            let body = wire::forget(&self.table.name, &salt_id(day));
            if let Err(error) = client.call("DeleteItem", &self.table, &body, Repeat::Once) {
                notes.push(format!("old salts were not deleted: {}", StoreError::from(error)));
                return;
            }
        }
    }

    /// Remembers a visitor of a page, or of the site; tells whether it is new on the day of the salt.
    fn is_new(
        &self,
        client: &mut Client,
        visitor: &Visitor,
        page: Option<&Key>,
        today: Day,
    ) -> Result<bool, StoreError> {
        let Some(salt) = &self.salt else { return Ok(false) };
        let bytes = visitor.bytes(&self.site, page.map(Key::as_str));
        let hash = hex(&hmac::sign(&salt.key, &bytes).as_ref()[..HASH_BYTES]);
        let body = wire::remember(&self.table.name, &hash, expiry(today));
        let put = client.call("PutItem", &self.table, &body, Repeat::Once);
        Ok(if_condition_holds(put)?.is_some())
    }

    /// Counts a hit of an address, where the owner wants that.
    fn note_address(&self, client: &mut Client, visitor: &Visitor, now: Moment) -> Result<(), StoreError> {
        let Some(days) = self.raw_days else { return Ok(()) };
        let id = format!("{SEEN_ADDRESS_PREFIX}{}", visitor.address());
        let ttl = now.millis() / 1000 + u64::from(days) * DAY_S;
        let body = wire::address(&self.table.name, &id, now, ttl);
        client.call("UpdateItem", &self.table, &body, Repeat::Never)?;
        Ok(())
    }
}

fn salt_id(day: Day) -> String {
    day.named(SEEN_SALT_PREFIX)
}

/// When what is remembered of a day may go: a day after its end, in seconds since 1970.
fn expiry(day: Day) -> u64 {
    (u64::from(day.number()) + 2) * DAY_S
}
