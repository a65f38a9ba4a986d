//! A table in memory that does what DynamoDB does with the same update, trimming included.

use std::collections::{BTreeMap, HashSet};

use hitctl_config::contract::{
    ATTR_BUDGET_PATHS, ATTR_PATH, KEY_BUDGET, KEY_DROPPED_PREFIX, KEY_SITE, RESERVED_PREFIX,
};

use super::api::{Added, Met, Pages, Paths, Store};
use super::error::StoreError;
use super::transaction::{Obstacle, Transacted, Transaction};
use crate::hit::{Counts, Hit, Item, Sum, fixed_bytes, text_bytes};
use crate::moment::{Day, Moment};
use crate::path::Key;
use crate::rules::Ignored;
use crate::share::Share;
use crate::visitor::Visitor;

/// A store for tests.
#[derive(Debug, Default)]
pub struct Memory {
    items: BTreeMap<String, Item>,
    seen: HashSet<(Day, Vec<u8>)>,
    marks: HashSet<String>,
    largest_write: usize,
    trims: usize,
    writes: usize,
    scans: usize,
    fault: Option<StoreError>,
}

impl Memory {
    /// The item of a key.
    pub fn item(&self, key: &Key) -> Option<&Item> {
        self.items.get(key.as_str())
    }

    /// The item under any key, the reserved ones too.
    pub fn raw(&self, key: &str) -> Option<&Item> {
        self.items.get(key)
    }

    /// Puts an item under any key, the reserved ones too.
    pub fn put(&mut self, key: &str, item: Item) {
        self.items.insert(key.to_owned(), item);
    }

    /// Every page and its item.
    pub fn items(&self) -> impl Iterator<Item = (&str, &Item)> {
        let pages = self.items.iter().filter(|(key, _)| !key.starts_with(RESERVED_PREFIX));
        pages.map(|(key, item)| (key.as_str(), item))
    }

    /// The largest item that a write met, in bytes.
    pub fn largest_write(&self) -> usize {
        self.largest_write
    }

    /// How many writes only trimmed.
    pub fn trims(&self) -> usize {
        self.trims
    }

    /// How many calls wrote, or tried to.
    pub fn writes(&self) -> usize {
        self.writes
    }

    /// How many calls read the whole table, or tried to.
    pub fn scans(&self) -> usize {
        self.scans
    }

    /// Makes every call fail with `fault` from now on; `None` heals it.
    pub fn fail(&mut self, fault: Option<StoreError>) {
        self.fault = fault;
    }

    fn check(&self) -> Result<(), StoreError> {
        self.fault.clone().map_or(Ok(()), Err)
    }

    fn write(&mut self) -> Result<(), StoreError> {
        self.check()?;
        self.writes += 1;
        Ok(())
    }

    /// Changes an item, and trims it if that is due.
    fn update(&mut self, key: &str, today: Day, change: impl FnOnce(&mut Item)) -> Counts {
        let item = self
            .items
            .entry(key.to_owned())
            .or_insert_with(|| Item { numbers: Vec::new(), other_bytes: text_bytes(ATTR_PATH, key) });
        change(item);
        self.largest_write = self.largest_write.max(item.size());
        let stale = item.stale(today);
        if !stale.is_empty() {
            item.numbers.retain(|(name, _)| !stale.contains(name));
            self.trims += 1;
        }
        item.counts(today)
    }
}

impl Store for Memory {
    fn add(&mut self, hit: &Hit, paths: Paths) -> Result<Added, StoreError> {
        self.write()?;
        let today = hit.at.day();
        if paths != Paths::Open
            && !self.items.contains_key(hit.key.as_str())
            && !self.admit(paths, hit.share, hit.at)?
        {
            return Ok(if paths == Paths::Strict { Added::Unknown } else { Added::Full });
        }
        let (key, update) = (hit.key.as_str(), hit.update());
        Ok(Added::Counted(self.update(key, today, |item| {
            item.other_bytes = fixed_bytes(key, &update);
            item.apply(&update);
        })))
    }

    fn knows(&mut self, key: &Key) -> Result<bool, StoreError> {
        self.check()?;
        Ok(self.items.contains_key(key.as_str()))
    }

    fn meet(&mut self, visitor: &Visitor, key: &Key, now: Moment) -> Result<Met, StoreError> {
        let met = self.recognise(visitor, key, now)?;
        if met.site {
            let mut sum = Sum::new(KEY_SITE.to_owned());
            sum.add(now, 0, 1);
            self.update(KEY_SITE, now.day(), |item| item.apply_sum(&sum));
        }
        Ok(met)
    }

    fn recognise(&mut self, visitor: &Visitor, key: &Key, at: Moment) -> Result<Met, StoreError> {
        self.write()?;
        let page = self.seen.insert((at.day(), visitor.bytes("", Some(key.as_str()))));
        let site = page && self.seen.insert((at.day(), visitor.bytes("", None)));
        Ok(Met { page, site })
    }

    fn keeps_addresses(&self) -> bool {
        false
    }

    fn ignore(&mut self, why: Ignored, views: u64, now: Moment) -> Result<(), StoreError> {
        self.write()?;
        let key = format!("{KEY_DROPPED_PREFIX}{}", now.day().month_attribute());
        self.update(&key, now.day(), |item| item.add(why.attribute(), views));
        Ok(())
    }

    fn sum(&mut self, sum: &Sum, known: bool, now: Moment) -> Result<bool, StoreError> {
        self.write()?;
        if known && !self.items.contains_key(&sum.key) {
            return Ok(false);
        }
        self.update(&sum.key, now.day(), |item| item.apply_sum(sum));
        Ok(true)
    }

    fn admit(&mut self, paths: Paths, share: Option<Share>, now: Moment) -> Result<bool, StoreError> {
        let Paths::Budget { new_a_day, .. } = paths else { return Ok(paths == Paths::Open) };
        self.write()?;
        let today = now.day();
        if !self.may_admit(paths, share, today) {
            return Ok(false);
        }
        self.update(KEY_BUDGET, today, |budget| {
            budget.add(&today.attribute(), 1);
            budget.add(ATTR_BUDGET_PATHS, 1);
            for (name, _) in share.map(|share| share.numbers(today, new_a_day)).unwrap_or_default() {
                budget.add(&name, 1);
            }
        });
        Ok(true)
    }

    fn may_admit(&self, paths: Paths, share: Option<Share>, today: Day) -> bool {
        let Paths::Budget { new_a_day, most } = paths else { return paths == Paths::Open };
        let used = |name: &str| self.raw(KEY_BUDGET).map_or(0, |budget| budget.number(name));
        let shares = share.map(|share| share.numbers(today, new_a_day)).unwrap_or_default();
        used(&today.attribute()) < new_a_day
            && used(ATTR_BUDGET_PATHS) < most
            && shares.iter().all(|(name, limit)| used(name) < *limit)
    }

    fn transact(&mut self, transaction: &Transaction, now: Moment) -> Transacted {
        if let Err(error) = self.write() {
            return Transacted::Failed(error);
        }
        let Transaction { marks, sums } = transaction;
        let verdict = |holds| if holds { Obstacle::Nothing } else { Obstacle::Condition };
        let of_marks = marks.iter().map(|mark| verdict(!self.marks.contains(mark)));
        let of_sums = sums.iter().map(|(sum, known)| verdict(!known || self.items.contains_key(&sum.key)));
        let obstacles: Vec<Obstacle> = of_marks.chain(of_sums).collect();
        if obstacles.iter().any(|obstacle| *obstacle != Obstacle::Nothing) {
            return Transacted::Cancelled(obstacles);
        }
        self.marks.extend(marks.iter().cloned());
        for (sum, _) in sums {
            self.update(&sum.key, now.day(), |item| item.apply_sum(sum));
        }
        Transacted::Done
    }

    fn pause(&mut self, tries: u32) -> bool {
        tries < 8
    }

    fn has_time(&self) -> bool {
        true
    }

    fn read(&mut self, keys: &[Key], today: Day) -> Result<Vec<Counts>, StoreError> {
        self.check()?;
        let read = |key: &Key| self.item(key).map_or(Counts::default(), |item| item.counts(today));
        Ok(keys.iter().map(read).collect())
    }

    fn pages(&mut self, today: Day) -> Result<Pages, StoreError> {
        self.scans += 1;
        self.check()?;
        let list: Vec<_> = self.items().map(|(key, item)| (key.to_owned(), item.counts(today))).collect();
        let sum = list.iter().fold(Counts::default(), |sum, (_, counts)| sum.plus(*counts));
        let site = self.raw(KEY_SITE).map_or(Counts::default(), |item| item.counts(today));
        Ok(Pages { list, site: sum.with_uniques_of(site) })
    }

    fn history(&mut self, key: Option<&Key>) -> Result<Item, StoreError> {
        self.scans += usize::from(key.is_none());
        self.check()?;
        if let Some(key) = key {
            return Ok(self.item(key).cloned().unwrap_or_default());
        }
        let mut sum = Item::default();
        for (_, item) in self.items() {
            sum.merge(item);
        }
        sum.site(self.raw(KEY_SITE).unwrap_or(&Item::default()));
        Ok(sum)
    }
}

#[cfg(test)]
#[path = "memory_tests.rs"]
mod tests;
