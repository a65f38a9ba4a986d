//! Records the visitors of units and marks the hits of new visitors. Within one batch, each visitor of a page
//! is recorded once per day.

use std::collections::HashSet;

use super::unit::DedupUnit;
use crate::log::LogEvent;
use crate::moment::{Day, Moment};
use crate::path::PageKey;
use crate::store::CounterStore;
use crate::visitor::Visitor;

/// Records the visitors of all units, one day at a time, because the salt changes daily. If the store fails,
/// the hits count without a visitor.
pub(super) fn record<S: CounterStore>(
    store: &mut S,
    units: &mut [DedupUnit],
    now: Moment,
    warnings: &mut Vec<LogEvent>,
) {
    let mut failures = 0;
    // The salts of older days no longer exist.
    let today = now.day().number();
    for day in [today.saturating_sub(1), today].map(Day::from_number) {
        let mut recorded: HashSet<(Visitor, PageKey)> = HashSet::new();
        let page_hits =
            units.iter_mut().flat_map(|unit| &mut unit.page_hits).filter(|page_hit| page_hit.at.day() == day);
        for page_hit in page_hits {
            let Some(visitor) = &page_hit.visitor else { continue };
            if !recorded.insert((visitor.clone(), page_hit.key.clone())) && !store.stores_addresses() {
                continue;
            }
            match store.record_visitor_without_counting(visitor, &page_hit.key, page_hit.at) {
                Ok(new) => {
                    page_hit.uniques = u64::from(new.page);
                    page_hit.site_uniques = u64::from(new.site);
                }
                Err(error) => {
                    failures += 1;
                    if failures == 1 {
                        warnings.push(LogEvent::failure("failed to record visitors", &error));
                    }
                    // The next call would probably fail too, and the hits need the remaining time.
                    if failures == 3 {
                        return;
                    }
                }
            }
        }
    }
}
