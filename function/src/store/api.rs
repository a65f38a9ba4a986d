//! A table of counts as the routes see it: its calls, and what they return.

use super::error::StoreError;
use super::transaction::{Transacted, Transaction};
use crate::hit::{Counts, Hit, Item, Sum};
use crate::moment::{Day, Moment};
use crate::path::Key;
use crate::rules::Ignored;
use crate::share::Share;
use crate::visitor::Visitor;

/// The paths that may be counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Paths {
    /// Any.
    #[default]
    Open,
    /// Those that have an item already: `hitctl paths sync` makes them.
    Strict,
    /// Any, but only so many new ones.
    Budget {
        /// In a day, in UTC.
        new_a_day: u64,
        /// In all.
        most: u64,
    },
}

/// The result of counting a hit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Added {
    /// It is counted; these are the numbers after it.
    Counted(Counts),
    /// It is not: the path was not added by hand.
    Unknown,
    /// It is not: the budget of new paths is spent, or this client's share of it.
    Full,
}

/// Whether a visitor is new today.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Met {
    /// On this page.
    pub page: bool,
    /// On the site.
    pub site: bool,
}

/// All pages, in no order, each with its shards added up, and the site as a whole: its hits are the sum over the
/// pages, its visitors are counted apart.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Pages {
    /// Key and counts of each page.
    pub list: Vec<(String, Counts)>,
    /// The site.
    pub site: Counts,
}

/// A table of counts.
pub trait Store {
    /// Counts a hit and returns the numbers after it. An error means that the hit was not counted, or, if the answer
    /// was lost, that nobody knows: it is never counted twice.
    fn add(&mut self, hit: &Hit, paths: Paths) -> Result<Added, StoreError>;

    /// Whether a path has an item: cheaper than an [`add`](Self::add) that is refused.
    fn knows(&mut self, key: &Key) -> Result<bool, StoreError>;

    /// Meets a visitor on a page: tells whether it is the first time today, and remembers it. A visitor who is new on the
    /// site is counted there; one who is new on the page is counted by the hit that follows.
    fn meet(&mut self, visitor: &Visitor, key: &Key, now: Moment) -> Result<Met, StoreError>;

    /// As [`meet`](Self::meet), but counts nothing, at a time of today or yesterday.
    fn recognise(&mut self, visitor: &Visitor, key: &Key, at: Moment) -> Result<Met, StoreError>;

    /// Whether each view of a visitor is noted with its address, so that none may be left out.
    fn keeps_addresses(&self) -> bool;

    /// Counts views that do not count, under their reason.
    fn ignore(&mut self, why: Ignored, views: u64, now: Moment) -> Result<(), StoreError>;

    /// Adds a sum with one write, if `known` on condition that the item is there: false if it is not. As with
    /// [`add`](Self::add), an error may mean that nobody knows.
    fn sum(&mut self, sum: &Sum, known: bool, now: Moment) -> Result<bool, StoreError>;

    /// Takes a new path in, if `paths` and the client's share of it allow one more.
    fn admit(&mut self, paths: Paths, share: Option<Share>, now: Moment) -> Result<bool, StoreError>;

    /// Whether a new path might be taken in, as far as that is known without a call.
    fn may_admit(&self, paths: Paths, share: Option<Share>, today: Day) -> bool;

    /// Writes all of it or nothing; see [`Transaction`].
    fn transact(&mut self, transaction: &Transaction, now: Moment) -> Transacted;

    /// Waits before the call that was refused is tried again, the longer the more often it was; false if there is no time
    /// left for that.
    fn pause(&mut self, tries: u32) -> bool;

    /// Whether there is time left for another call.
    fn has_time(&self) -> bool;

    /// Reads the counts of `keys`, in their order; a key that was never hit reads as zero. The keys differ.
    fn read(&mut self, keys: &[Key], today: Day) -> Result<Vec<Counts>, StoreError>;

    /// Reads the counts of every page, and of the site.
    fn pages(&mut self, today: Day) -> Result<Pages, StoreError>;

    /// Reads all numbers of a page, days and months too; of the site, if no page is named.
    fn history(&mut self, key: Option<&Key>) -> Result<Item, StoreError>;
}
