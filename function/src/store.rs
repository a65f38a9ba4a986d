//! Where counts live, as the routes see it. DynamoDB for real, memory for tests of the domain; neither knows of HTTP
//! requests, and the routes know of neither.

use std::fmt;

use crate::hit::{Counts, Hit, Item};
use crate::moment::{Day, Moment};
use crate::path::Key;
use crate::rules::Ignored;
use crate::visitor::Visitor;

#[cfg(feature = "runtime")]
mod answer;
#[cfg(feature = "runtime")]
mod client;
#[cfg(feature = "runtime")]
mod dynamodb;
mod memory;
#[cfg(feature = "runtime")]
mod seen;
#[cfg(feature = "runtime")]
mod wire;

#[cfg(feature = "runtime")]
pub use dynamodb::{DynamoDb, Tables};
pub use memory::Memory;
#[cfg(feature = "runtime")]
pub use seen::Seen;

/// Which paths may be counted.
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

/// What became of a hit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Added {
    /// It is counted; these are the numbers after it.
    Counted(Counts),
    /// It is not: the path was not added by hand.
    Unknown,
    /// It is not: the budget of new paths is spent.
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

    /// Counts a view that does not count, under its reason.
    fn ignore(&mut self, why: Ignored, now: Moment) -> Result<(), StoreError>;

    /// Reads the counts of `keys`, in their order; a key that was never hit reads as zero. The keys differ.
    fn read(&mut self, keys: &[Key], today: Day) -> Result<Vec<Counts>, StoreError>;

    /// Reads the counts of every page, and of the site.
    fn pages(&mut self, today: Day) -> Result<Pages, StoreError>;

    /// Reads all numbers of a page, days and months too; of the site, if no page is named.
    fn history(&mut self, key: Option<&Key>) -> Result<Item, StoreError>;
}

/// Why a store did not answer. The text is for the log: it may name the table and the endpoint.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StoreError {
    /// It has too much to do; the call had no effect.
    Busy(String),
    /// It is not reachable, refuses us, or answers what it should not.
    Unavailable(String),
}

impl fmt::Display for StoreError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Busy(why) | Self::Unavailable(why) => f.write_str(why),
        }
    }
}

impl std::error::Error for StoreError {}
