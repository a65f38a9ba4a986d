//! Counts units without deduplication: the hits of all units are summed, and each page is written once. A
//! message is reported as failed if any of its writes failed. Its redelivery then counts the hits of the
//! successful writes again; exact counting avoids that.

use std::collections::HashMap;

use super::unit::{CountingState, DedupUnit, UnitResult};
use crate::hit::CounterDelta;
use crate::log::LogEvent;
use crate::path::PageKey;
use crate::store::{CounterStore, PathAdmission, StoreError};

/// The maximum number of attempts to write, if the store is throttling.
const MAX_ATTEMPTS: u32 = 4;

/// Adds the hits of all units, and the new visitors of the site. Returns one result per unit, in order.
pub(super) fn count<S: CounterStore>(
    counting: &mut CountingState<'_, S>,
    warnings: &mut Vec<LogEvent>,
) -> Vec<UnitResult> {
    let units = counting.units;
    let mut failed: HashMap<&PageKey, String> = HashMap::new();
    for (key, delta) in counting.page_deltas(units.iter()) {
        match add_with_retries(counting, &delta) {
            Ok(true) => {}
            Ok(false) => drop(counting.refused.insert(key.clone())),
            Err(error) => drop(failed.insert(key, error.to_string())),
        }
    }
    if let Some(delta) = counting.site_delta(units.iter())
        && let Err(error) = counting.store.apply_delta(&delta, false, counting.now)
    {
        warnings.push(LogEvent::failure("failed to count visitors of the site", &error));
    }
    let result = |unit: &DedupUnit| match unit.page_hits.iter().find_map(|page_hit| failed.get(&page_hit.key))
    {
        Some(why) => Err(why.clone()),
        None => Ok(counting.hits(unit)),
    };
    units.iter().map(result).collect()
}

/// Adds a delta. Retries while the store throttles and the invocation has time left. Returns false if the path
/// may not be counted.
fn add_with_retries<S: CounterStore>(
    counting: &mut CountingState<'_, S>,
    delta: &CounterDelta,
) -> Result<bool, StoreError> {
    let mut admitted = counting.paths == PathAdmission::Open;
    let mut tries = 0;
    loop {
        if !counting.store.has_time_left() {
            return Err(StoreError::Unavailable("no time left in this invocation".to_owned()));
        }
        match add(counting, delta, &mut admitted) {
            Err(StoreError::Throttled(why)) => {
                tries += 1;
                if tries == MAX_ATTEMPTS || !counting.store.back_off(tries) {
                    return Err(StoreError::Throttled(why));
                }
            }
            other => return other,
        }
    }
}

/// Adds a delta to an existing item. If there is none, creates it if the path is admitted. Returns false if the
/// path may not be counted.
fn add<S: CounterStore>(
    counting: &mut CountingState<'_, S>,
    delta: &CounterDelta,
    admitted: &mut bool,
) -> Result<bool, StoreError> {
    if !*admitted {
        if counting.store.apply_delta(delta, true, counting.now)? {
            return Ok(true);
        }
        *admitted = counting.admit_path(counting.units.iter(), &delta.key)?;
        if !*admitted {
            return Ok(false);
        }
    }
    counting.store.apply_delta(delta, false, counting.now)
}
