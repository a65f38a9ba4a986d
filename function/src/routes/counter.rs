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
    /// The last day on which a path was refused. For the rest of that day, paths of clients whose share is
    /// exhausted are looked up before anything is written, so that a flood costs reads only.
    pub(super) refused_on: Option<Day>,
}

impl<S: CounterStore> Counter<S> {
    /// Creates a counter on `store`.
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

    /// Returns the context for counting messages. The cached totals are not updated: they show such hits
    /// within a minute. With a queue, messages arrive all the time, and dropping the cached totals would read
    /// the whole table each time.
    pub fn batch_context(&mut self) -> BatchContext<'_, S> {
        BatchContext { store: &mut self.store, config: &self.config, recent: &mut self.recent }
    }

    /// Refuses pages of other origins that would read counts as JSON.
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

    /// Returns all pages, at most a minute old; older, if reading them has failed since.
    pub(super) fn all_pages(&mut self, now: Moment) -> Result<&AllCounts, ReadUnavailable> {
        self.pages.get(now, || self.store.pages(now.day()))
    }

    /// Returns the days and months of the whole site, as old as [`all_pages`](Self::all_pages).
    pub(super) fn site_history(&mut self, now: Moment) -> Result<&CountItem, ReadUnavailable> {
        self.history.get(now, || self.store.history(None))
    }
}
