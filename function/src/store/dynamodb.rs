//! The store of counts in DynamoDB. A hit is one `UpdateItem` call; `docs/counting.md` lists the other calls
//! and the cost of each.

use std::collections::{HashMap, HashSet};
use std::hash::{BuildHasher as _, RandomState};
use std::time::Duration;

use hitctl_config::contract::{
    ATTR_BUDGET_PATHS, KEY_BUDGET, KEY_DROPPED_PREFIX, KEY_SHARD_PREFIX, KEY_SITE,
};
use serde::de::DeserializeOwned;

mod client;
mod invalidation_window;
mod reads;
mod requests;
mod responses;
mod transactions;
mod visitors;

pub use visitors::VisitorTable;

use client::{DynamoDbClient, DynamoDbError, ResendPolicy, TableTarget, if_condition_holds};
use requests::{BudgetLimits, Projection};
use responses::{GetItemOutput, StoredItem, UpdateItemOutput};
use transactions::TrimTracker;
use visitors::VisitorRegistry;

use super::api::{AddResult, AllCounts, CounterStore, NewVisitor, PathAdmission};
use super::error::StoreError;
use super::transaction::{Transaction, TransactionResult};
use crate::hit::{CountItem, CountSummary, CounterDelta, Hit};
use crate::log::LogEvent;
use crate::moment::{Day, Moment};
use crate::net::{Endpoint, Tls};
use crate::path::PageKey;
use crate::rules::IgnoreReason;
use crate::share::BudgetShare;
use crate::sigv4::Signer;
use crate::visitor::Visitor;

/// The names of the tables and the number of shards.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TableConfig {
    /// The table of counts.
    pub counts: String,
    /// The table of visitors, if visitors are distinguished.
    pub visitor_table: Option<VisitorTable>,
    /// The table of deduplication markers, if deduplication is on. It is the table of visitors.
    pub dedup_table: Option<String>,
    /// The number of items (shards) over which the hits of one path are spread, from 1 to `MAX_SHARDS`.
    pub shards: u32,
}

/// The maximum number of names in `exhausted_shares`. It exceeds the number of shares per day. When the set
/// exceeds it, all names are removed, because most are of past days.
const MAX_EXHAUSTED_SHARES: usize = 128;

/// A store of counts in DynamoDB.
#[derive(Debug)]
pub struct DynamoDbStore {
    client: DynamoDbClient,
    table: TableTarget,
    shards: u32,
    visitors: Option<VisitorRegistry>,
    /// The last day on which the budget of new paths was exhausted. No new path is reserved for the rest of
    /// that day.
    budget_exhausted_on: Option<Day>,
    /// The attribute names of the exhausted budget shares. A name includes the day.
    exhausted_shares: HashSet<String>,
    dedup_table: Option<String>,
    trim_tracker: TrimTracker,
    warnings: Vec<LogEvent>,
}

impl DynamoDbStore {
    /// Creates a store on the tables at `endpoint`. `tls` is used if the endpoint requires it.
    pub fn new(
        endpoint: Endpoint,
        tls: Tls,
        tables: TableConfig,
        signer: Signer,
        clock: fn() -> Moment,
    ) -> Self {
        let TableConfig { counts, visitor_table, dedup_table, shards } = tables;
        Self {
            client: DynamoDbClient::new(endpoint, tls, signer, clock),
            visitors: visitor_table.map(|visitor_table| VisitorRegistry::new(visitor_table, counts.clone())),
            table: TableTarget { name: counts, hides_error_messages: false },
            shards: shards.max(1),
            budget_exhausted_on: None,
            exhausted_shares: HashSet::new(),
            dedup_table,
            trim_tracker: TrimTracker::default(),
            warnings: Vec::new(),
        }
    }

    /// Sets the deadline for the calls of one request. `left` is the remaining time of the invocation; part
    /// of it is reserved for sending the response.
    pub fn set_request_deadline(&mut self, left: Duration) {
        self.client.set_request_deadline(left);
    }

    /// Sets the deadline for the calls of one batch. `left` is the remaining time of the invocation; nearly
    /// all of it may be used.
    pub fn set_batch_deadline(&mut self, left: Duration) {
        self.client.set_batch_deadline(left);
    }

    /// Prepares for the first hit during Lambda's init phase, which has a full CPU: opens the connection if
    /// the endpoint uses TLS, and loads the day's salt if visitors are distinguished. A failure to load the
    /// salt is a warning; the first hit tries again.
    pub fn warm_up(&mut self) -> Result<(), StoreError> {
        self.client.warm_up(&self.table)?;
        if let Some(visitors) = &mut self.visitors {
            let today = self.client.now().day();
            if let Err(error) = visitors.load_salt(&mut self.client, today, &mut self.warnings) {
                self.warnings.push(LogEvent::failure("failed to load the day's salt", &error));
            }
        }
        Ok(())
    }

    /// Removes and returns the warnings for the log: failures that did not fail a request.
    pub fn take_warnings(&mut self) -> Vec<LogEvent> {
        std::mem::take(&mut self.warnings)
    }

    fn call(&mut self, operation: &str, body: &str, resend: ResendPolicy) -> Result<Vec<u8>, DynamoDbError> {
        self.client.call(operation, &self.table, body, resend)
    }

    /// Sends a call and parses its response.
    fn call_json<T: DeserializeOwned>(
        &mut self,
        operation: &str,
        body: &str,
        resend: ResendPolicy,
    ) -> Result<T, DynamoDbError> {
        let response = self.call(operation, body, resend)?;
        serde_json::from_slice(&response).map_err(|error| {
            let why = format!("unexpected response: {error}");
            self.client.unavailable(operation, &self.table, &why).into()
        })
    }

    /// Sends an update that must not be sent twice, and trims the item if necessary. Returns the item after
    /// the update.
    fn update(&mut self, key: &str, body: &str, today: Day) -> Result<CountItem, DynamoDbError> {
        let updated: UpdateItemOutput = self.call_json("UpdateItem", body, ResendPolicy::Never)?;
        let item = updated.attributes.item;
        self.trim(key, &item, today);
        Ok(item)
    }

    /// Removes old attributes, if there are any. A failure is a warning; the next hit tries again.
    fn trim(&mut self, key: &str, item: &CountItem, today: Day) {
        let stale = item.stale(today);
        if stale.is_empty() {
            return;
        }
        let body = requests::trim(&self.table.name, key, &stale);
        if let Err(DynamoDbError::Store(error)) = self.call("UpdateItem", &body, ResendPolicy::Once) {
            self.warnings.push(LogEvent::failure("failed to trim old days of an item", &error));
        }
    }

    /// Counts a hit in the path's own item. Returns `None` if the path may not be counted.
    fn add_to_base_item(&mut self, hit: &Hit, paths: PathAdmission) -> Result<Option<CountItem>, StoreError> {
        let (key, today) = (hit.key.as_str(), hit.at.day());
        let add = |store: &mut Self, must_exist| {
            let body = requests::add_hit(&store.table.name, key, &hit.update(), must_exist);
            store.update(key, &body, today)
        };
        if paths == PathAdmission::Open {
            return Ok(Some(add(self, false)?));
        }
        if let Some(item) = if_condition_holds(add(self, true))? {
            return Ok(Some(item));
        }
        if !self.reserve_path(paths, hit.share, today)? {
            return Ok(None);
        }
        Ok(Some(add(self, false)?))
    }

    /// Reserves one new path in the budget, unless the budget or the client's share is exhausted. The
    /// reservation is written before the hit. If the process ends in between, one path of the budget is
    /// lost, but no path is counted beyond the budget.
    fn reserve_path(
        &mut self,
        paths: PathAdmission,
        share: Option<BudgetShare>,
        today: Day,
    ) -> Result<bool, StoreError> {
        let PathAdmission::Budget { new_per_day, max_total } = paths else {
            return Ok(paths == PathAdmission::Open);
        };
        if !self.may_admit_path(paths, share, today) {
            return Ok(false);
        }
        let shares = share.map(|share| share.attributes_with_limits(today, new_per_day)).unwrap_or_default();
        let limits = BudgetLimits { new_per_day, max_total };
        let body = requests::reserve_path(&self.table.name, today, limits, &shares);
        let is_reserved = if_condition_holds(self.update(KEY_BUDGET, &body, today))?.is_some();
        if !is_reserved && shares.is_empty() {
            self.budget_exhausted_on = Some(today);
        } else if !is_reserved {
            self.record_exhausted_limits(limits, shares, today);
        }
        Ok(is_reserved)
    }

    /// Reads the budget to find the limits that refused a new path. Until the next day, paths beyond these
    /// limits are refused without a write. A failed read is a warning; the next new path is tried again.
    fn record_exhausted_limits(&mut self, limits: BudgetLimits, shares: Vec<(String, u64)>, today: Day) {
        match self.read_item(KEY_BUDGET, Projection::All) {
            Ok(budget) => {
                let is_reached = |name: &str, limit: u64| budget.number(name) >= limit;
                if is_reached(&today.attribute(), limits.new_per_day)
                    || is_reached(ATTR_BUDGET_PATHS, limits.max_total)
                {
                    self.budget_exhausted_on = Some(today);
                }
                if self.exhausted_shares.len() > MAX_EXHAUSTED_SHARES {
                    self.exhausted_shares.clear();
                }
                let exhausted = shares.into_iter().filter(|(name, limit)| is_reached(name, *limit));
                self.exhausted_shares.extend(exhausted.map(|(name, _)| name));
            }
            Err(error) => {
                self.warnings.push(LogEvent::failure("failed to read the budget of new paths", &error));
            }
        }
    }

    /// Counts a hit in an additional shard of the path. Returns `None` if the path's own item (shard 0) does
    /// not exist: it must be created first, because it decides whether the path is known.
    fn add_to_shard(&mut self, hit: &Hit, number: u32) -> Result<Option<CountItem>, StoreError> {
        let key = shard_key(number, hit.key.as_str());
        // Updates the shard if it exists. If it does not, creates it, provided that the path is known.
        for must_exist in [true, false] {
            let body = requests::add_hit(&self.table.name, &key, &hit.update(), must_exist);
            let item = if_condition_holds(self.update(&key, &body, hit.at.day()))?;
            if item.is_some() || !self.has_item(&hit.key)? {
                return Ok(item);
            }
        }
        Ok(None)
    }

    /// Returns the keys of all shards of a path.
    fn shard_keys(&self, path: &PageKey) -> Vec<String> {
        (0..self.shards).map(|number| shard_key(number, path.as_str())).collect()
    }

    /// Returns the sum of the counts in all shards of a path. `item` is the shard `number`, which was just
    /// updated. If reading the other shards fails, returns the counts of `item` alone and adds a warning,
    /// because the hit is already counted.
    fn counts_over_shards(
        &mut self,
        key: &PageKey,
        number: u32,
        item: &CountItem,
        today: Day,
    ) -> CountSummary {
        let counts = item.counts(today);
        if self.shards == 1 {
            return counts;
        }
        let mut others = self.shard_keys(key);
        others.remove(number as usize);
        match self.read_items(&others, Projection::Summary(today)) {
            Ok(found) => found.iter().fold(counts, |sum, shard| sum.plus(shard.item.counts(today))),
            Err(error) => {
                self.warnings.push(LogEvent::failure("failed to read the other shards of a path", &error));
                counts
            }
        }
    }
}

impl CounterStore for DynamoDbStore {
    fn add(&mut self, hit: &Hit, paths: PathAdmission) -> Result<AddResult, StoreError> {
        let today = hit.at.day();
        let number = random_below(self.shards);
        if number > 0
            && let Some(item) = self.add_to_shard(hit, number)?
        {
            return Ok(AddResult::Counted(self.counts_over_shards(&hit.key, number, &item, today)));
        }
        Ok(match self.add_to_base_item(hit, paths)? {
            Some(item) => AddResult::Counted(self.counts_over_shards(&hit.key, 0, &item, today)),
            None if paths == PathAdmission::Strict => AddResult::UnknownPath,
            None => AddResult::BudgetExhausted,
        })
    }

    fn has_item(&mut self, key: &PageKey) -> Result<bool, StoreError> {
        let got: GetItemOutput = self.call_json(
            "GetItem",
            &requests::item_exists(&self.table.name, key.as_str()),
            ResendPolicy::Once,
        )?;
        Ok(got.item.is_some())
    }

    fn stores_addresses(&self) -> bool {
        self.visitors.as_ref().is_some_and(VisitorRegistry::stores_addresses)
    }

    fn record_visitor_without_counting(
        &mut self,
        visitor: &Visitor,
        key: &PageKey,
        at: Moment,
    ) -> Result<NewVisitor, StoreError> {
        let Self { client, visitors: Some(visitors), warnings, .. } = self else {
            return Ok(NewVisitor::default());
        };
        if client.has_used_half_of_batch_time() {
            let why = "the remaining time is reserved for counting views";
            return Err(StoreError::Unavailable(why.to_owned()));
        }
        client.with_reduced_deadline(|client| visitors.record(client, visitor, key, at, warnings))
    }

    fn apply_delta(
        &mut self,
        delta: &CounterDelta,
        must_exist: bool,
        now: Moment,
    ) -> Result<bool, StoreError> {
        let body = requests::apply_delta(&self.table.name, delta, must_exist);
        Ok(if_condition_holds(self.update(&delta.key, &body, now.day()))?.is_some())
    }

    fn admit_path(
        &mut self,
        paths: PathAdmission,
        share: Option<BudgetShare>,
        now: Moment,
    ) -> Result<bool, StoreError> {
        self.reserve_path(paths, share, now.day())
    }

    fn may_admit_path(&self, paths: PathAdmission, share: Option<BudgetShare>, today: Day) -> bool {
        let PathAdmission::Budget { new_per_day, max_total } = paths else {
            return paths == PathAdmission::Open;
        };
        let is_exhausted = |share: BudgetShare| {
            share
                .attributes_with_limits(today, new_per_day)
                .iter()
                .any(|(name, _)| self.exhausted_shares.contains(name))
        };
        new_per_day > 0
            && max_total > 0
            && self.budget_exhausted_on != Some(today)
            && !share.is_some_and(is_exhausted)
    }

    fn transact(&mut self, transaction: &Transaction, now: Moment) -> TransactionResult {
        self.transact_and_trim(transaction, now)
    }

    fn back_off(&mut self, tries: u32) -> bool {
        self.client.back_off(tries)
    }

    fn has_time_left(&self) -> bool {
        self.client.has_time_left()
    }

    fn record_visitor(
        &mut self,
        visitor: &Visitor,
        key: &PageKey,
        now: Moment,
    ) -> Result<NewVisitor, StoreError> {
        let Self { client, visitors: Some(visitors), warnings, .. } = self else {
            return Ok(NewVisitor::default());
        };
        let recorded =
            client.with_reduced_deadline(|client| visitors.record(client, visitor, key, now, warnings));
        let mut new_visitor = recorded.unwrap_or_else(|error| {
            warnings.push(LogEvent::failure("failed to record a visitor", &error));
            NewVisitor::default()
        });
        if new_visitor.site {
            let body = requests::count_site_visitor(&self.table.name, now.day());
            if let Err(error) = self.update(KEY_SITE, &body, now.day()) {
                let error = StoreError::from(error);
                self.warnings.push(LogEvent::failure("failed to count a visitor of the site", &error));
                new_visitor.site = false;
            }
        }
        Ok(new_visitor)
    }

    fn count_ignored(&mut self, why: IgnoreReason, views: u64, now: Moment) -> Result<(), StoreError> {
        let key = format!("{KEY_DROPPED_PREFIX}{}", now.day().month_attribute());
        let body = requests::increment(&self.table.name, &key, why.attribute(), views);
        self.call("UpdateItem", &body, ResendPolicy::Never)?;
        Ok(())
    }

    fn read(&mut self, keys: &[PageKey], today: Day) -> Result<Vec<CountSummary>, StoreError> {
        let projection = Projection::Summary(today);
        if let ([key], 1) = (keys, self.shards) {
            return Ok(vec![self.read_item(key.as_str(), projection)?.counts(today)]);
        }
        let all: Vec<String> = keys.iter().flat_map(|key| self.shard_keys(key)).collect();
        let mut sums = vec![CountSummary::default(); keys.len()];
        for StoredItem { path, item } in self.read_items(&all, projection)? {
            if let Some(index) = keys.iter().position(|key| key.as_str() == path_of_key(&path)) {
                sums[index] = sums[index].plus(item.counts(today));
            }
        }
        Ok(sums)
    }

    fn pages(&mut self, today: Day) -> Result<AllCounts, StoreError> {
        let mut sums: HashMap<String, CountSummary> = HashMap::new();
        let (mut hits, mut site) = (CountSummary::default(), CountSummary::default());
        self.scan(Projection::Summary(today), &mut |StoredItem { path, item }| {
            let counts = item.counts(today);
            if path == KEY_SITE {
                site = counts;
                return;
            }
            hits = hits.plus(counts);
            let page = if path.starts_with(KEY_SHARD_PREFIX) { path_of_key(&path).to_owned() } else { path };
            let sum = sums.entry(page).or_default();
            *sum = sum.plus(counts);
        })?;
        Ok(AllCounts { list: sums.into_iter().collect(), site: hits.with_uniques_of(site) })
    }

    fn history(&mut self, key: Option<&PageKey>) -> Result<CountItem, StoreError> {
        let mut sum = CountItem::default();
        match key {
            Some(key) if self.shards == 1 => return self.read_item(key.as_str(), Projection::All),
            Some(key) => {
                for found in self.read_items(&self.shard_keys(key), Projection::All)? {
                    sum.merge(&found.item);
                }
            }
            None => {
                let mut site = CountItem::default();
                self.scan(Projection::All, &mut |StoredItem { path, item }| {
                    if path == KEY_SITE { site = item } else { sum.merge(&item) }
                })?;
                sum.replace_visitors(&site);
            }
        }
        Ok(sum)
    }
}

/// Returns the key of a shard of a path; shard 0 is the path's own item.
fn shard_key(number: u32, path: &str) -> String {
    if number == 0 { path.to_owned() } else { format!("{KEY_SHARD_PREFIX}{number}#{path}") }
}

/// Returns the path that an item's key belongs to: the key itself, except for additional shards.
fn path_of_key(key: &str) -> &str {
    let shard = key.strip_prefix(KEY_SHARD_PREFIX).and_then(|rest| rest.split_once('#'));
    shard.map_or(key, |(_, path)| path)
}

/// Returns a random number below `n`, evenly distributed. It need not be secret, so the random keys of
/// [`RandomState`] suffice.
fn random_below(n: u32) -> u32 {
    if n == 1 {
        return 0;
    }
    u32::try_from(RandomState::new().hash_one(()) % u64::from(n)).unwrap_or_default()
}
