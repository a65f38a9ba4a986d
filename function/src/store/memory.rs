//! An in-memory store for tests. It changes and trims items in the same way as the store in DynamoDB.

use std::collections::{BTreeMap, HashSet};

use hitctl_config::contract::{
    ATTR_BUDGET_PATHS, ATTR_PATH, KEY_BUDGET, KEY_DROPPED_PREFIX, KEY_SITE, RESERVED_PREFIX,
};

use super::api::{AddResult, AllCounts, CounterStore, NewVisitor, PathAdmission};
use super::error::StoreError;
use super::transaction::{CancellationReason, Transaction, TransactionResult};
use crate::hit::{CountItem, CountSummary, CounterDelta, Hit, non_number_bytes, text_bytes};
use crate::moment::{Day, Moment};
use crate::path::PageKey;
use crate::rules::IgnoreReason;
use crate::share::BudgetShare;
use crate::visitor::Visitor;

/// A store for tests that can simulate failures.
#[derive(Debug, Default)]
pub struct MemoryStore {
    items: BTreeMap<String, CountItem>,
    seen: HashSet<(Day, Vec<u8>)>,
    dedup_ids: HashSet<String>,
    largest_write: usize,
    trims: usize,
    writes: usize,
    scans: usize,
    simulated_failure: Option<StoreError>,
}

impl MemoryStore {
    /// Returns the item of a key.
    pub fn item(&self, key: &PageKey) -> Option<&CountItem> {
        self.items.get(key.as_str())
    }

    /// Returns the item under any key, including reserved keys.
    pub fn raw(&self, key: &str) -> Option<&CountItem> {
        self.items.get(key)
    }

    /// Stores an item under any key, including reserved keys.
    pub fn put(&mut self, key: &str, item: CountItem) {
        self.items.insert(key.to_owned(), item);
    }

    /// Returns every page with its item.
    pub fn items(&self) -> impl Iterator<Item = (&str, &CountItem)> {
        let pages = self.items.iter().filter(|(key, _)| !key.starts_with(RESERVED_PREFIX));
        pages.map(|(key, item)| (key.as_str(), item))
    }

    /// Returns the size of the largest item written so far, in bytes.
    pub fn largest_write(&self) -> usize {
        self.largest_write
    }

    /// Returns the number of updates that trimmed an item. The store in DynamoDB trims with a separate write.
    pub fn trims(&self) -> usize {
        self.trims
    }

    /// Returns the number of calls that wrote, or whose condition did not hold. Calls with a simulated failure
    /// are not counted.
    pub fn writes(&self) -> usize {
        self.writes
    }

    /// Returns the number of calls that read, or tried to read, the whole table.
    pub fn scans(&self) -> usize {
        self.scans
    }

    /// Makes every following call fail with `failure`; `None` restores normal operation.
    pub fn fail(&mut self, failure: Option<StoreError>) {
        self.simulated_failure = failure;
    }

    /// Returns the simulated failure, if there is one.
    fn check_failure(&self) -> Result<(), StoreError> {
        self.simulated_failure.clone().map_or(Ok(()), Err)
    }

    /// Counts a write, unless a failure is simulated.
    fn begin_write(&mut self) -> Result<(), StoreError> {
        self.check_failure()?;
        self.writes += 1;
        Ok(())
    }

    /// Changes an item and trims it if necessary.
    fn update(&mut self, key: &str, today: Day, change: impl FnOnce(&mut CountItem)) -> CountSummary {
        let item = self
            .items
            .entry(key.to_owned())
            .or_insert_with(|| CountItem { numbers: Vec::new(), other_bytes: text_bytes(ATTR_PATH, key) });
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

impl CounterStore for MemoryStore {
    fn add(&mut self, hit: &Hit, paths: PathAdmission) -> Result<AddResult, StoreError> {
        self.begin_write()?;
        let today = hit.at.day();
        if paths != PathAdmission::Open
            && !self.items.contains_key(hit.key.as_str())
            && !self.admit_path(paths, hit.share, hit.at)?
        {
            return Ok(if paths == PathAdmission::Strict {
                AddResult::UnknownPath
            } else {
                AddResult::BudgetExhausted
            });
        }
        let (key, update) = (hit.key.as_str(), hit.update());
        Ok(AddResult::Counted(self.update(key, today, |item| {
            item.other_bytes = non_number_bytes(key, &update);
            item.apply(&update);
        })))
    }

    fn has_item(&mut self, key: &PageKey) -> Result<bool, StoreError> {
        self.check_failure()?;
        Ok(self.items.contains_key(key.as_str()))
    }

    fn record_visitor(
        &mut self,
        visitor: &Visitor,
        key: &PageKey,
        now: Moment,
    ) -> Result<NewVisitor, StoreError> {
        let new_visitor = self.record_visitor_without_counting(visitor, key, now)?;
        if new_visitor.site {
            let mut delta = CounterDelta::new(KEY_SITE.to_owned());
            delta.add(now, 0, 1);
            self.update(KEY_SITE, now.day(), |item| item.apply_delta(&delta));
        }
        Ok(new_visitor)
    }

    fn record_visitor_without_counting(
        &mut self,
        visitor: &Visitor,
        key: &PageKey,
        at: Moment,
    ) -> Result<NewVisitor, StoreError> {
        self.begin_write()?;
        let page = self.seen.insert((at.day(), visitor.hash_input("", Some(key.as_str()))));
        let site = page && self.seen.insert((at.day(), visitor.hash_input("", None)));
        Ok(NewVisitor { page, site })
    }

    fn stores_addresses(&self) -> bool {
        false
    }

    fn count_ignored(&mut self, why: IgnoreReason, views: u64, now: Moment) -> Result<(), StoreError> {
        self.begin_write()?;
        let key = format!("{KEY_DROPPED_PREFIX}{}", now.day().month_attribute());
        self.update(&key, now.day(), |item| item.add(why.attribute(), views));
        Ok(())
    }

    fn apply_delta(
        &mut self,
        delta: &CounterDelta,
        must_exist: bool,
        now: Moment,
    ) -> Result<bool, StoreError> {
        self.begin_write()?;
        if must_exist && !self.items.contains_key(&delta.key) {
            return Ok(false);
        }
        self.update(&delta.key, now.day(), |item| item.apply_delta(delta));
        Ok(true)
    }

    fn admit_path(
        &mut self,
        paths: PathAdmission,
        share: Option<BudgetShare>,
        now: Moment,
    ) -> Result<bool, StoreError> {
        let PathAdmission::Budget { new_per_day, .. } = paths else {
            return Ok(paths == PathAdmission::Open);
        };
        self.begin_write()?;
        let today = now.day();
        if !self.may_admit_path(paths, share, today) {
            return Ok(false);
        }
        self.update(KEY_BUDGET, today, |budget| {
            budget.add(&today.attribute(), 1);
            budget.add(ATTR_BUDGET_PATHS, 1);
            for (name, _) in
                share.map(|share| share.attributes_with_limits(today, new_per_day)).unwrap_or_default()
            {
                budget.add(&name, 1);
            }
        });
        Ok(true)
    }

    fn may_admit_path(&self, paths: PathAdmission, share: Option<BudgetShare>, today: Day) -> bool {
        let PathAdmission::Budget { new_per_day, max_total } = paths else {
            return paths == PathAdmission::Open;
        };
        let used = |name: &str| self.raw(KEY_BUDGET).map_or(0, |budget| budget.number(name));
        let shares = share.map(|share| share.attributes_with_limits(today, new_per_day)).unwrap_or_default();
        used(&today.attribute()) < new_per_day
            && used(ATTR_BUDGET_PATHS) < max_total
            && shares.iter().all(|(name, limit)| used(name) < *limit)
    }

    fn transact(&mut self, transaction: &Transaction, now: Moment) -> TransactionResult {
        if let Err(error) = self.begin_write() {
            return TransactionResult::Failed(error);
        }
        let Transaction { dedup_ids, deltas } = transaction;
        let reason_for = |condition_holds| {
            if condition_holds { CancellationReason::None } else { CancellationReason::ConditionFailed }
        };
        let marker_reasons = dedup_ids.iter().map(|dedup_id| reason_for(!self.dedup_ids.contains(dedup_id)));
        let delta_reasons = deltas
            .iter()
            .map(|(delta, must_exist)| reason_for(!must_exist || self.items.contains_key(&delta.key)));
        let reasons: Vec<CancellationReason> = marker_reasons.chain(delta_reasons).collect();
        if reasons.iter().any(|reason| *reason != CancellationReason::None) {
            return TransactionResult::Cancelled(reasons);
        }
        self.dedup_ids.extend(dedup_ids.iter().cloned());
        for (delta, _) in deltas {
            self.update(&delta.key, now.day(), |item| item.apply_delta(delta));
        }
        TransactionResult::Committed
    }

    fn back_off(&mut self, tries: u32) -> bool {
        tries < 8
    }

    fn has_time_left(&self) -> bool {
        true
    }

    fn read(&mut self, keys: &[PageKey], today: Day) -> Result<Vec<CountSummary>, StoreError> {
        self.check_failure()?;
        let read = |key: &PageKey| self.item(key).map_or(CountSummary::default(), |item| item.counts(today));
        Ok(keys.iter().map(read).collect())
    }

    fn pages(&mut self, today: Day) -> Result<AllCounts, StoreError> {
        self.scans += 1;
        self.check_failure()?;
        let list: Vec<_> = self.items().map(|(key, item)| (key.to_owned(), item.counts(today))).collect();
        let sum = list.iter().fold(CountSummary::default(), |sum, (_, counts)| sum.plus(*counts));
        let site = self.raw(KEY_SITE).map_or(CountSummary::default(), |item| item.counts(today));
        Ok(AllCounts { list, site: sum.with_uniques_of(site) })
    }

    fn history(&mut self, key: Option<&PageKey>) -> Result<CountItem, StoreError> {
        self.scans += usize::from(key.is_none());
        self.check_failure()?;
        if let Some(key) = key {
            return Ok(self.item(key).cloned().unwrap_or_default());
        }
        let mut sum = CountItem::default();
        for (_, item) in self.items() {
            sum.merge(item);
        }
        sum.replace_visitors(self.raw(KEY_SITE).unwrap_or(&CountItem::default()));
        Ok(sum)
    }
}

#[cfg(test)]
mod tests;
