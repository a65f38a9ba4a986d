//! The interface of a counter store and the types that it returns.

use super::error::StoreError;
use super::transaction::{Transaction, TransactionResult};
use crate::hit::{CountItem, CountSummary, CounterDelta, Hit};
use crate::moment::{Day, Moment};
use crate::path::PageKey;
use crate::rules::IgnoreReason;
use crate::share::BudgetShare;
use crate::visitor::Visitor;

/// The paths that may be counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum PathAdmission {
    /// Any path.
    #[default]
    Open,
    /// Only paths that already have an item, which `hitctl paths sync` creates.
    Strict,
    /// Any path, with a limited number of new ones.
    Budget {
        /// The maximum number of new paths per day, in UTC.
        new_per_day: u64,
        /// The maximum number of paths in total.
        max_total: u64,
    },
}

/// The result of counting a hit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AddResult {
    /// The hit was counted; these are the counts after it.
    Counted(CountSummary),
    /// Not counted: the path has no item, and only known paths count.
    UnknownPath,
    /// Not counted: the budget of new paths, or this client's share of it, is exhausted.
    BudgetExhausted,
}

/// Whether a visitor is new today.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct NewVisitor {
    /// New on this page.
    pub page: bool,
    /// New on the site.
    pub site: bool,
}

/// The counts of all pages, in no particular order, and of the site. A page's shards are already summed. The
/// site's hits are the sum over its pages; its visitors are counted separately.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AllCounts {
    /// The key and the counts of each page.
    pub list: Vec<(String, CountSummary)>,
    /// The counts of the site.
    pub site: CountSummary,
}

/// A store of counts.
pub trait CounterStore {
    /// Counts a hit and returns the counts after it. An error means that the hit was not counted or, if the
    /// response was lost, that the outcome is unknown. A hit is never counted twice.
    fn add(&mut self, hit: &Hit, paths: PathAdmission) -> Result<AddResult, StoreError>;

    /// Returns whether a path has an item. This read costs less than an [`add`](Self::add) that is refused.
    fn has_item(&mut self, key: &PageKey) -> Result<bool, StoreError>;

    /// Records a visitor of a page and returns whether the visitor is new today. Counts a new visitor of the
    /// site; the caller must count a new visitor of the page together with the hit.
    fn record_visitor(
        &mut self,
        visitor: &Visitor,
        key: &PageKey,
        now: Moment,
    ) -> Result<NewVisitor, StoreError>;

    /// Records a visitor like [`record_visitor`](Self::record_visitor) but counts nothing. `at` is a time of
    /// today or yesterday.
    fn record_visitor_without_counting(
        &mut self,
        visitor: &Visitor,
        key: &PageKey,
        at: Moment,
    ) -> Result<NewVisitor, StoreError>;

    /// Returns whether the store keeps addresses. If so, the visitor of every view must be recorded, because
    /// the views of an address are counted.
    fn stores_addresses(&self) -> bool;

    /// Adds `views` to the number of views that were ignored for the reason `why`.
    fn count_ignored(&mut self, why: IgnoreReason, views: u64, now: Moment) -> Result<(), StoreError>;

    /// Adds a delta with one write. If `must_exist` and the item does not exist, writes nothing and returns
    /// false. As with [`add`](Self::add), an error may mean that the outcome is unknown.
    fn apply_delta(
        &mut self,
        delta: &CounterDelta,
        must_exist: bool,
        now: Moment,
    ) -> Result<bool, StoreError>;

    /// Admits a new path if `paths` and the client's share of the budget allow one more.
    fn admit_path(
        &mut self,
        paths: PathAdmission,
        share: Option<BudgetShare>,
        now: Moment,
    ) -> Result<bool, StoreError>;

    /// Returns false if no new path can be admitted, as far as this is known without a call.
    fn may_admit_path(&self, paths: PathAdmission, share: Option<BudgetShare>, today: Day) -> bool;

    /// Writes a transaction, completely or not at all; see [`Transaction`].
    fn transact(&mut self, transaction: &Transaction, now: Moment) -> TransactionResult;

    /// Waits before a retry, longer after each attempt. `tries` is the number of attempts so far. Returns
    /// false if there is not enough time left.
    fn back_off(&mut self, tries: u32) -> bool;

    /// Returns whether there is time left for another call.
    fn has_time_left(&self) -> bool;

    /// Reads the counts of `keys`, in the same order; a key without hits reads as zero. The keys must be
    /// distinct.
    fn read(&mut self, keys: &[PageKey], today: Day) -> Result<Vec<CountSummary>, StoreError>;

    /// Reads the counts of every page and of the site.
    fn pages(&mut self, today: Day) -> Result<AllCounts, StoreError>;

    /// Reads all numbers, including days and months, of a page, or of the site if `key` is `None`.
    fn history(&mut self, key: Option<&PageKey>) -> Result<CountItem, StoreError>;
}
