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
    /// The budget share that the page is charged to if it is new. `None` for a sender that names no client.
    pub share: Option<BudgetShare>,
    /// The number of visitors who are new on the page.
    pub(super) uniques: u64,
    /// The number of visitors who are new on the site.
    pub(super) site_uniques: u64,
    /// Whether the view was recorded among the recent views.
    pub(super) in_recent_views: bool,
}

impl PageHits {
    /// Creates hits, with the share of their visitor if there is one.
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
    /// The ID under which the unit counts once.
    pub dedup_id: Option<String>,
    /// The hits to add; empty if only the marker has to be written.
    pub page_hits: Vec<PageHits>,
}

/// The result of counting a unit: the number of hits added (0 if it was counted before), or an error.
pub(super) type UnitResult = Result<u64, String>;

/// The state shared by both ways of counting units.
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
        for part in self.countable_hits(units) {
            let delta =
                deltas.entry(&part.key).or_insert_with(|| CounterDelta::new(part.key.as_str().to_owned()));
            delta.add(part.at, part.n, part.uniques);
        }
        deltas
    }

    /// Sums the new visitors of the site; `None` if there are none.
    pub(super) fn site_delta(&self, units: impl Iterator<Item = &'a DedupUnit>) -> Option<CounterDelta> {
        let mut delta = CounterDelta::new(KEY_SITE.to_owned());
        for part in self.countable_hits(units).filter(|part| part.site_uniques > 0) {
            delta.add(part.at, 0, part.site_uniques);
        }
        (!delta.days.is_empty()).then_some(delta)
    }

    /// Returns the hits of units, without those of refused paths.
    fn countable_hits(
        &self,
        units: impl Iterator<Item = &'a DedupUnit>,
    ) -> impl Iterator<Item = &'a PageHits> {
        units.flat_map(|unit| &unit.page_hits).filter(|part| !self.refused.contains(&part.key))
    }

    /// Admits a new page. A sender that vouches for it needs no share of the budget; otherwise the first
    /// client with a share left pays.
    pub(super) fn admit_path(
        &mut self,
        units: impl Iterator<Item = &'a DedupUnit>,
        key: &str,
    ) -> Result<bool, StoreError> {
        let mut shares: Vec<Option<BudgetShare>> = Vec::new();
        for part in units.flat_map(|unit| &unit.page_hits).filter(|part| part.key.as_str() == key) {
            if !shares.contains(&part.share) {
                shares.push(part.share);
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
        for part in &unit.page_hits {
            if self.refused.contains(&part.key) {
                self.refused_views += 1;
            } else {
                hits = hits.saturating_add(part.n);
            }
        }
        hits
    }
}
