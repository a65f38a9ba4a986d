//! The counter: a store, the rules of its HTTP side, and what it remembers between requests.

use super::outcome::Stop;
use super::site::{Remembered, Unknown};
use crate::batch::Tools;
use crate::hit::{Counts, Item};
use crate::http::Request;
use crate::moment::{Day, Moment};
use crate::path::Key;
use crate::recent::Recent;
use crate::setup::Setup;
use crate::store::{Pages, Store, StoreError};

/// The counter: a store and the rules of its HTTP side.
#[derive(Debug)]
pub struct Counter<S> {
    pub(super) store: S,
    pub(super) setup: Setup,
    pub(super) recent: Recent,
    pub(super) pages: Remembered<Pages>,
    /// The whole site's days and months.
    pub(super) history: Remembered<Item>,
    /// The last day on which a path was refused: from then on paths of clients whose share is spent are looked up before
    /// anything is written, so that a flood of them costs reads.
    pub(super) refused_on: Option<Day>,
}

impl<S: Store> Counter<S> {
    /// A counter on `store`.
    pub fn new(store: S, setup: Setup) -> Self {
        let recent = Recent::new(setup.repeat_s);
        Self {
            store,
            setup,
            recent,
            pages: Remembered::default(),
            history: Remembered::default(),
            refused_on: None,
        }
    }

    /// The store.
    pub fn store(&mut self) -> &mut S {
        &mut self.store
    }

    /// Returns what messages are counted with. The site's total shows them within a minute: with a queue they come all the time, and
    /// each read of the total would read the whole table.
    pub fn tools(&mut self) -> Tools<'_, S> {
        Tools { store: &mut self.store, setup: &self.setup, recent: &mut self.recent }
    }

    /// Refuses pages of other origins that would read numbers as JSON.
    pub(super) fn may_read(&self, request: &Request) -> Result<(), Stop> {
        if self.setup.rules.origins.may_read(request.headers.origin.as_deref()) {
            return Ok(());
        }
        Err(Stop::foreign("pages of this origin may not read the numbers here", None))
    }

    pub(super) fn read_one(&mut self, key: &Key, now: Moment) -> Result<Counts, StoreError> {
        let counts = self.store.read(std::slice::from_ref(key), now.day())?;
        Ok(counts.first().copied().unwrap_or_default())
    }

    /// Every page, at most a minute old, or as old as the last read that did not fail.
    pub(super) fn all_pages(&mut self, now: Moment) -> Result<&Pages, Unknown> {
        self.pages.get(now, || self.store.pages(now.day()))
    }

    /// The days and months of the whole site, as old as [`all_pages`](Self::all_pages).
    pub(super) fn site_history(&mut self, now: Moment) -> Result<&Item, Unknown> {
        self.history.get(now, || self.store.history(None))
    }
}
