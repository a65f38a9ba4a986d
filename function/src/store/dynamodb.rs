//! The tables in DynamoDB. A hit is one update; what else is asked or written around it, and what each costs, is in
//! `docs/counting.md`.

use std::collections::{HashMap, HashSet};
use std::hash::{BuildHasher as _, RandomState};
use std::time::Duration;

use hitctl_config::contract::{
    ATTR_BUDGET_PATHS, KEY_BUDGET, KEY_DROPPED_PREFIX, KEY_SHARD_PREFIX, KEY_SITE,
};
use serde::de::DeserializeOwned;

mod answer;
mod client;
mod marks;
mod reads;
mod seen;
mod window;
mod wire;

pub use seen::Seen;

use answer::{Attributes, Got, Updated};
use client::{Client, Refused, Repeat, Table, if_condition_holds};
use marks::Tidied;
use seen::Visitors;
use wire::Wanted;

use super::api::{Added, Met, Pages, Paths, Store};
use super::error::StoreError;
use super::transaction::{Transacted, Transaction};
use crate::hit::{Counts, Hit, Item, Sum};
use crate::moment::{Day, Moment};
use crate::net::{Endpoint, Tls};
use crate::path::Key;
use crate::rules::Ignored;
use crate::share::Share;
use crate::sigv4::Signer;
use crate::visitor::Visitor;

/// The tables that counts live in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tables {
    /// The table of counts.
    pub counts: String,
    /// The table of visitors, where they are told apart.
    pub seen: Option<Seen>,
    /// The table that remembers messages, where there is one: the same as that of visitors.
    pub marks: Option<String>,
    /// Over how many items a path's hits are spread: 1, up to `MAX_SHARDS`.
    pub shards: u32,
}

/// More than a day has; names of past days go when there are more.
const MOST_SPENT_SHARES: usize = 128;

/// Tables in DynamoDB.
#[derive(Debug)]
pub struct DynamoDb {
    client: Client,
    table: Table,
    shards: u32,
    visitors: Option<Visitors>,
    /// The last day on which the budget of new paths was found spent: it is not asked again until the next.
    spent: Option<Day>,
    /// The shares of it that were found spent, by the names of their numbers, which hold the day.
    spent_shares: HashSet<String>,
    marks: Option<String>,
    tidied: Tidied,
    notes: Vec<String>,
}

impl DynamoDb {
    /// The tables at `endpoint`. `tls` is used if the endpoint is.
    pub fn new(endpoint: Endpoint, tls: Tls, tables: Tables, signer: Signer, clock: fn() -> Moment) -> Self {
        let Tables { counts, seen, marks, shards } = tables;
        Self {
            client: Client::new(endpoint, tls, signer, clock),
            visitors: seen.map(|seen| Visitors::new(seen, counts.clone())),
            table: Table { name: counts, private: false },
            shards: shards.max(1),
            spent: None,
            spent_shares: HashSet::new(),
            marks,
            tidied: Tidied::default(),
            notes: Vec::new(),
        }
    }

    /// Bounds the calls that follow: an invocation has `left`, and its answer must still get out.
    pub fn begin(&mut self, left: Duration) {
        self.client.begin(left);
    }

    /// As [`begin`](Self::begin), where the calls of an invocation may take nearly all of its time.
    pub fn begin_long(&mut self, left: Duration) {
        self.client.begin_long(left);
    }

    /// Does ahead of the first hit what need not wait for it, for init has a whole CPU: connects, where TLS makes that
    /// costly, and takes the day's salt, where visitors are told apart. A salt that is not to be had is a note, and is
    /// asked for again by the first hit.
    pub fn warm(&mut self) -> Result<(), StoreError> {
        self.client.warm(&self.table)?;
        if let Some(visitors) = &mut self.visitors {
            let today = self.client.now().day();
            if let Err(error) = visitors.take_salt(&mut self.client, today, &mut self.notes) {
                self.notes.push(format!("the day's salt was not taken yet: {error}"));
            }
        }
        Ok(())
    }

    /// What went wrong without harm to the answers since the last time this was asked; for the log.
    pub fn take_notes(&mut self) -> Vec<String> {
        std::mem::take(&mut self.notes)
    }

    fn call(&mut self, operation: &str, body: &str, repeat: Repeat) -> Result<Vec<u8>, Refused> {
        self.client.call(operation, &self.table, body, repeat)
    }

    /// Sends a call, and reads its answer.
    fn ask<T: DeserializeOwned>(
        &mut self,
        operation: &str,
        body: &str,
        repeat: Repeat,
    ) -> Result<T, Refused> {
        let answer = self.call(operation, body, repeat)?;
        serde_json::from_slice(&answer).map_err(|error| {
            let why = format!("the answer is not understood: {error}");
            self.client.unavailable(operation, &self.table, &why).into()
        })
    }

    /// Sends an update that is no use twice, and trims the item if that is due. Returns the item after the update.
    fn update(&mut self, key: &str, body: &str, today: Day) -> Result<Item, Refused> {
        let updated: Updated = self.ask("UpdateItem", body, Repeat::Never)?;
        let item = updated.attributes.item;
        self.trim(key, &item, today);
        Ok(item)
    }

    /// Removes attributes, if any are due. That it failed is noted and harms nothing: the next hit tries again.
    fn trim(&mut self, key: &str, item: &Item, today: Day) {
        let stale = item.stale(today);
        if stale.is_empty() {
            return;
        }
        let body = wire::trim(&self.table.name, key, &stale);
        if let Err(Refused::Failed(error)) = self.call("UpdateItem", &body, Repeat::Once) {
            self.notes.push(format!("old days of an item were not trimmed: {error}"));
        }
    }

    /// Counts a hit in the path's own item.
    fn add_to_base(&mut self, hit: &Hit, paths: Paths) -> Result<Option<Item>, StoreError> {
        let (key, today) = (hit.key.as_str(), hit.at.day());
        let add = |store: &mut Self, known| {
            let body = wire::add(&store.table.name, key, &hit.update(), known);
            store.update(key, &body, today)
        };
        if paths == Paths::Open {
            return Ok(Some(add(self, false)?));
        }
        if let Some(item) = if_condition_holds(add(self, true))? {
            return Ok(Some(item));
        }
        if !self.take_from_budget(paths, hit.share, today)? {
            return Ok(None);
        }
        Ok(Some(add(self, false)?))
    }

    /// Takes one new path out of the budget, if neither that nor the client's share of it is spent. It is taken first: what ends
    /// the program before the hit is counted costs a path of the budget, and no hit that was answered.
    fn take_from_budget(
        &mut self,
        paths: Paths,
        share: Option<Share>,
        today: Day,
    ) -> Result<bool, StoreError> {
        let Paths::Budget { new_a_day, most } = paths else { return Ok(paths == Paths::Open) };
        if !self.may_admit(paths, share, today) {
            return Ok(false);
        }
        let shares = share.map(|share| share.numbers(today, new_a_day)).unwrap_or_default();
        let body = wire::budget(&self.table.name, today, (new_a_day, most), &shares);
        let is_taken = if_condition_holds(self.update(KEY_BUDGET, &body, today))?.is_some();
        if !is_taken && shares.is_empty() {
            self.spent = Some(today);
        } else if !is_taken {
            self.learn_spent((new_a_day, most), shares, today);
        }
        Ok(is_taken)
    }

    /// Finds out which limit refused a new path, so that it is not asked again. If that fails, it is.
    fn learn_spent(&mut self, (new_a_day, most): (u64, u64), shares: Vec<(String, u64)>, today: Day) {
        match self.read_item(KEY_BUDGET, Wanted::All) {
            Ok(budget) => {
                let is_over = |name: &str, limit: u64| budget.number(name) >= limit;
                if is_over(&today.attribute(), new_a_day) || is_over(ATTR_BUDGET_PATHS, most) {
                    self.spent = Some(today);
                }
                if self.spent_shares.len() > MOST_SPENT_SHARES {
                    self.spent_shares.clear();
                }
                let spent = shares.into_iter().filter(|(name, limit)| is_over(name, *limit));
                self.spent_shares.extend(spent.map(|(name, _)| name));
            }
            Err(error) => self.notes.push(format!("the budget of new paths was not read: {error}")),
        }
    }

    /// Counts a hit in one of a path's further items. `None` if the path has no item of its own yet: that one comes
    /// first, and tells whether a path is known.
    fn add_to_shard(&mut self, hit: &Hit, number: u32) -> Result<Option<Item>, StoreError> {
        let key = shard_key(number, hit.key.as_str());
        for known in [true, false] {
            let body = wire::add(&self.table.name, &key, &hit.update(), known);
            let item = if_condition_holds(self.update(&key, &body, hit.at.day()))?;
            if item.is_some() || !self.knows(&hit.key)? {
                return Ok(item);
            }
        }
        Ok(None)
    }

    /// The keys of all items of a page.
    fn keys_of(&self, page: &Key) -> Vec<String> {
        (0..self.shards).map(|number| shard_key(number, page.as_str())).collect()
    }

    /// The numbers of a path of which one item is at hand: with the other shards'. The hit is counted, so that these
    /// cannot be read is a note.
    fn sum(&mut self, key: &Key, number: u32, item: &Item, today: Day) -> Counts {
        let counts = item.counts(today);
        if self.shards == 1 {
            return counts;
        }
        let mut others = self.keys_of(key);
        others.remove(number as usize);
        match self.read_items(&others, Wanted::Counts(today)) {
            Ok(found) => found.iter().fold(counts, |sum, found| sum.plus(found.item.counts(today))),
            Err(error) => {
                self.notes.push(format!("the answer leaves out some of a page's hits: {error}"));
                counts
            }
        }
    }
}

impl Store for DynamoDb {
    fn add(&mut self, hit: &Hit, paths: Paths) -> Result<Added, StoreError> {
        let today = hit.at.day();
        let number = any_below(self.shards);
        if number > 0
            && let Some(item) = self.add_to_shard(hit, number)?
        {
            return Ok(Added::Counted(self.sum(&hit.key, number, &item, today)));
        }
        Ok(match self.add_to_base(hit, paths)? {
            Some(item) => Added::Counted(self.sum(&hit.key, 0, &item, today)),
            None if paths == Paths::Strict => Added::Unknown,
            None => Added::Full,
        })
    }

    fn knows(&mut self, key: &Key) -> Result<bool, StoreError> {
        let got: Got = self.ask("GetItem", &wire::exists(&self.table.name, key.as_str()), Repeat::Once)?;
        Ok(got.item.is_some())
    }

    fn keeps_addresses(&self) -> bool {
        self.visitors.as_ref().is_some_and(Visitors::keeps_addresses)
    }

    fn recognise(&mut self, visitor: &Visitor, key: &Key, at: Moment) -> Result<Met, StoreError> {
        let Self { client, visitors: Some(visitors), notes, .. } = self else { return Ok(Met::default()) };
        if client.is_half_over() {
            let why = "half of the time is spent, and the rest is for hits";
            return Err(StoreError::Unavailable(why.to_owned()));
        }
        client.with_half(|client| visitors.meet(client, visitor, key, at, notes))
    }

    fn sum(&mut self, sum: &Sum, known: bool, now: Moment) -> Result<bool, StoreError> {
        let body = wire::sum(&self.table.name, sum, known);
        Ok(if_condition_holds(self.update(&sum.key, &body, now.day()))?.is_some())
    }

    fn admit(&mut self, paths: Paths, share: Option<Share>, now: Moment) -> Result<bool, StoreError> {
        self.take_from_budget(paths, share, now.day())
    }

    fn may_admit(&self, paths: Paths, share: Option<Share>, today: Day) -> bool {
        let Paths::Budget { new_a_day, most } = paths else { return paths == Paths::Open };
        let is_spent = |share: Share| {
            share.numbers(today, new_a_day).iter().any(|(name, _)| self.spent_shares.contains(name))
        };
        new_a_day > 0 && most > 0 && self.spent != Some(today) && !share.is_some_and(is_spent)
    }

    fn transact(&mut self, transaction: &Transaction, now: Moment) -> Transacted {
        self.transact_and_tidy(transaction, now)
    }

    fn pause(&mut self, tries: u32) -> bool {
        self.client.pause(tries)
    }

    fn has_time(&self) -> bool {
        self.client.is_time_left()
    }

    fn meet(&mut self, visitor: &Visitor, key: &Key, now: Moment) -> Result<Met, StoreError> {
        let Self { client, visitors: Some(visitors), notes, .. } = self else { return Ok(Met::default()) };
        let met = client.with_half(|client| visitors.meet(client, visitor, key, now, notes));
        let mut met = met.unwrap_or_else(|error| {
            notes.push(format!("a visitor was not told apart: {error}"));
            Met::default()
        });
        if met.site {
            let body = wire::site(&self.table.name, now.day());
            if let Err(error) = self.update(KEY_SITE, &body, now.day()) {
                let error = StoreError::from(error);
                self.notes.push(format!("a visitor of the site was not counted: {error}"));
                met.site = false;
            }
        }
        Ok(met)
    }

    fn ignore(&mut self, why: Ignored, views: u64, now: Moment) -> Result<(), StoreError> {
        let key = format!("{KEY_DROPPED_PREFIX}{}", now.day().month_attribute());
        let body = wire::bump(&self.table.name, &key, why.attribute(), views);
        self.call("UpdateItem", &body, Repeat::Never)?;
        Ok(())
    }

    fn read(&mut self, keys: &[Key], today: Day) -> Result<Vec<Counts>, StoreError> {
        let wanted = Wanted::Counts(today);
        if let ([key], 1) = (keys, self.shards) {
            return Ok(vec![self.read_item(key.as_str(), wanted)?.counts(today)]);
        }
        let all: Vec<String> = keys.iter().flat_map(|key| self.keys_of(key)).collect();
        let mut sums = vec![Counts::default(); keys.len()];
        for Attributes { path, item } in self.read_items(&all, wanted)? {
            if let Some(place) = keys.iter().position(|key| key.as_str() == page_of(&path)) {
                sums[place] = sums[place].plus(item.counts(today));
            }
        }
        Ok(sums)
    }

    fn pages(&mut self, today: Day) -> Result<Pages, StoreError> {
        let mut sums: HashMap<String, Counts> = HashMap::new();
        let (mut hits, mut site) = (Counts::default(), Counts::default());
        self.scan(Wanted::Counts(today), &mut |Attributes { path, item }| {
            let counts = item.counts(today);
            if path == KEY_SITE {
                site = counts;
                return;
            }
            hits = hits.plus(counts);
            let page = if path.starts_with(KEY_SHARD_PREFIX) { page_of(&path).to_owned() } else { path };
            let sum = sums.entry(page).or_default();
            *sum = sum.plus(counts);
        })?;
        Ok(Pages { list: sums.into_iter().collect(), site: hits.with_uniques_of(site) })
    }

    fn history(&mut self, key: Option<&Key>) -> Result<Item, StoreError> {
        let mut sum = Item::default();
        match key {
            Some(key) if self.shards == 1 => return self.read_item(key.as_str(), Wanted::All),
            Some(key) => {
                for found in self.read_items(&self.keys_of(key), Wanted::All)? {
                    sum.merge(&found.item);
                }
            }
            None => {
                let mut site = Item::default();
                self.scan(Wanted::All, &mut |Attributes { path, item }| {
                    if path == KEY_SITE { site = item } else { sum.merge(&item) }
                })?;
                sum.site(&site);
            }
        }
        Ok(sum)
    }
}

/// The key of a page's item of that number; 0 is its own.
fn shard_key(number: u32, page: &str) -> String {
    if number == 0 { page.to_owned() } else { format!("{KEY_SHARD_PREFIX}{number}#{page}") }
}

/// The page of an item's key.
fn page_of(key: &str) -> &str {
    let shard = key.strip_prefix(KEY_SHARD_PREFIX).and_then(|rest| rest.split_once('#'));
    shard.map_or(key, |(_, page)| page)
}

/// A number below `n`, any as likely as any other. Not a secret: keys of hash maps are good enough.
fn any_below(n: u32) -> u32 {
    if n == 1 {
        return 0;
    }
    u32::try_from(RandomState::new().hash_one(()) % u64::from(n)).unwrap_or_default()
}
