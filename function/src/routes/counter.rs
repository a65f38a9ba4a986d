//! The counter: a store, its configuration, and the state kept between requests.

use super::outcome::RouteError;
use super::site_cache::{CachedRead, ReadUnavailable};
use crate::batch::BatchContext;
use crate::counter_config::CounterConfig;
use crate::hit::{CountItem, CountSummary};
use crate::http::CounterRequest;
use crate::moment::{Day, Moment};
use crate::path::PageKey;
use crate::recent::RecentViews;
use crate::store::{AllCounts, CounterStore, StoreError};

/// The counter: a store, its configuration, and the state kept between requests.
#[derive(Debug)]
pub struct Counter<S> {
    pub(super) store: S,
    pub(super) config: CounterConfig,
    pub(super) recent: RecentViews,
    pub(super) pages: CachedRead<AllCounts>,
    /// The days and months of the whole site.
    pub(super) history: CachedRead<CountItem>,
    /// The last day on which a path was refused. For the rest of that day, a path that cannot be admitted is
    /// looked up before its visitor is recorded, so that a flood of unknown paths costs fewer writes.
    pub(super) refused_on: Option<Day>,
}

impl<S: CounterStore> Counter<S> {
    /// Creates a counter that uses `store`.
    pub fn new(store: S, config: CounterConfig) -> Self {
        let recent = RecentViews::new(config.repeat_s);
        Self {
            store,
            config,
            recent,
            pages: CachedRead::default(),
            history: CachedRead::default(),
            refused_on: None,
        }
    }

    /// Returns the store.
    pub fn store(&mut self) -> &mut S {
        &mut self.store
    }

    /// Returns the context for counting messages. Counting messages does not change the cached totals, which
    /// include the new hits after at most a minute. Discarding them instead would cause a read of the whole
    /// table for nearly every request, because a queue sends messages all the time.
    pub fn batch_context(&mut self) -> BatchContext<'_, S> {
        BatchContext { store: &mut self.store, config: &self.config, recent: &mut self.recent }
    }

    /// Returns an error if a page of an origin that may not read counts requests them as JSON.
    pub(super) fn check_read_origin(&self, request: &CounterRequest) -> Result<(), RouteError> {
        if self.config.rules.origins.may_read(request.headers.origin.as_deref()) {
            return Ok(());
        }
        Err(RouteError::foreign_origin("pages of this origin may not read counts", None))
    }

    pub(super) fn read_one(&mut self, key: &PageKey, now: Moment) -> Result<CountSummary, StoreError> {
        let counts = self.store.read(std::slice::from_ref(key), now.day())?;
        Ok(counts.first().copied().unwrap_or_default())
    }

    /// Returns the counts of all pages, at most a minute old, or older if reading them again has failed.
    pub(super) fn all_pages(&mut self, now: Moment) -> Result<&AllCounts, ReadUnavailable> {
        self.pages.get(now, || self.store.pages(now.day()))
    }

    /// Returns the days and months of the whole site, cached like [`all_pages`](Self::all_pages).
    pub(super) fn site_history(&mut self, now: Moment) -> Result<&CountItem, ReadUnavailable> {
        self.history.get(now, || self.store.history(None))
    }
}
