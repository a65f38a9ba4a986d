//! A unit of counting: hits that are summed per page and for the site, and written together.

use std::collections::{BTreeMap, HashSet};

use hitctl_config::contract::KEY_SITE;

use crate::hit::CounterDelta;
use crate::moment::Moment;
use crate::path::PageKey;
use crate::share::BudgetShare;
use crate::store::{CounterStore, PathAdmission, StoreError};
use crate::visitor::Visitor;

/// The hits of one unit on one page at one time.
#[derive(Clone, Debug)]
pub struct PageHits {
    /// The page.
    pub key: PageKey,
    /// The time of the hits.
    pub at: Moment,
    /// The number of hits.
    pub n: u64,
    /// The visitor, if visitors are distinguished.
    pub visitor: Option<Visitor>,
    /// The budget share that is charged if the page is new; `None` if no client is known.
    pub share: Option<BudgetShare>,
    /// The number of visitors who are new on the page.
    pub(super) uniques: u64,
    /// The number of visitors who are new on the site.
    pub(super) site_uniques: u64,
    /// Whether the view was added to the recent views.
    pub(super) in_recent_views: bool,
}

impl PageHits {
    /// Creates hits. If there is a visitor, the visitor's budget share is charged.
    pub fn new(key: PageKey, at: Moment, n: u64, visitor: Option<Visitor>) -> Self {
        let share = visitor.as_ref().map(BudgetShare::for_visitor);
        Self { key, at, n, visitor, share, uniques: 0, site_uniques: 0, in_recent_views: false }
    }
}

/// Hits that are counted together or not at all.
#[derive(Clone, Debug)]
pub struct DedupUnit {
    /// The index of the message in the batch.
    pub message: usize,
    /// The deduplication ID: units with the same ID count once.
    pub dedup_id: Option<String>,
    /// The hits to add; empty if only the marker has to be written.
    pub page_hits: Vec<PageHits>,
}

/// The result of counting a unit: the number of hits added (0 if it was counted before), or an error.
pub(super) type UnitResult = Result<u64, String>;

/// The state that exact and plain counting share.
pub(super) struct CountingState<'a, S> {
    pub(super) store: &'a mut S,
    pub(super) units: &'a [DedupUnit],
    pub(super) paths: PathAdmission,
    pub(super) now: Moment,
    /// The paths that may not be counted.
    pub(super) refused: HashSet<PageKey>,
    /// The number of views of the refused paths.
    pub(super) refused_views: u64,
}

impl<'a, S: CounterStore> CountingState<'a, S> {
    /// Sums the hits of units, one delta per page.
    pub(super) fn page_deltas(
        &self,
        units: impl Iterator<Item = &'a DedupUnit>,
    ) -> BTreeMap<&'a PageKey, CounterDelta> {
        let mut deltas = BTreeMap::new();
        for page_hit in self.countable_hits(units) {
            let delta = deltas
                .entry(&page_hit.key)
                .or_insert_with(|| CounterDelta::new(page_hit.key.as_str().to_owned()));
            delta.add(page_hit.at, page_hit.n, page_hit.uniques);
        }
        deltas
    }

    /// Sums the new visitors of the site; `None` if there are none.
    pub(super) fn site_delta(&self, units: impl Iterator<Item = &'a DedupUnit>) -> Option<CounterDelta> {
        let mut delta = CounterDelta::new(KEY_SITE.to_owned());
        for page_hit in self.countable_hits(units).filter(|page_hit| page_hit.site_uniques > 0) {
            delta.add(page_hit.at, 0, page_hit.site_uniques);
        }
        (!delta.days.is_empty()).then_some(delta)
    }

    /// Returns the hits of units, without those of refused paths.
    fn countable_hits(
        &self,
        units: impl Iterator<Item = &'a DedupUnit>,
    ) -> impl Iterator<Item = &'a PageHits> {
        units.flat_map(|unit| &unit.page_hits).filter(|page_hit| !self.refused.contains(&page_hit.key))
    }

    /// Admits a new page. If any of its hits has no client, no share of the budget is charged. Otherwise the
    /// first share that is not exhausted is charged.
    pub(super) fn admit_path(
        &mut self,
        units: impl Iterator<Item = &'a DedupUnit>,
        key: &str,
    ) -> Result<bool, StoreError> {
        let mut shares: Vec<Option<BudgetShare>> = Vec::new();
        for page_hit in units.flat_map(|unit| &unit.page_hits).filter(|page_hit| page_hit.key.as_str() == key)
        {
            if !shares.contains(&page_hit.share) {
                shares.push(page_hit.share);
            }
        }
        if shares.contains(&None) {
            shares = vec![None];
        }
        for share in shares {
            if self.store.may_admit_path(self.paths, share, self.now.day())
                && self.store.admit_path(self.paths, share, self.now)?
            {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Returns the number of hits of a unit that may be counted, and adds the others to the refused views.
    pub(super) fn hits(&mut self, unit: &DedupUnit) -> u64 {
        let mut hits = 0_u64;
        for page_hit in &unit.page_hits {
            if self.refused.contains(&page_hit.key) {
                self.refused_views = self.refused_views.saturating_add(page_hit.n);
            } else {
                hits = hits.saturating_add(page_hit.n);
            }
        }
        hits
    }
}
