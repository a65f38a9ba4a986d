//! Counts each unit exactly once, however often it is delivered. The unit's marker is written in the same
//! transaction as its hits, on condition that the marker does not exist. DynamoDB's cancellation reasons show
//! which units were counted before; the other units are summed and written again.

use std::collections::{BTreeMap, HashMap, HashSet};

use super::unit::{CountingState, DedupUnit, UnitResult};
use crate::hit::CounterDelta;
use crate::path::PageKey;
use crate::store::{CancellationReason, CounterStore, PathAdmission, Transaction, TransactionResult};

/// The maximum number of actions of a `TransactWriteItems` call.
const MAX_ACTIONS: usize = 100;

/// The contents of one transaction.
struct TransactionPlan<'a> {
    /// The indexes of the units whose markers are written.
    marked_units: Vec<usize>,
    /// The deltas. The flag says whether the item must already exist.
    deltas: Vec<(CounterDelta, bool)>,
    /// The page of each delta; `None` stands for the site.
    keys: Vec<Option<&'a PageKey>>,
}

/// Writes units and collects their results.
struct ExactWriter<'r, 'a, S> {
    counting: &'r mut CountingState<'a, S>,
    results: Vec<Option<UnitResult>>,
    /// The pages that were admitted, so that their items need not exist.
    admitted: HashSet<&'a PageKey>,
}

/// Counts units. Units without a deduplication ID cannot be recognized as duplicates and are always counted.
pub(super) fn count<S: CounterStore>(counting: &mut CountingState<'_, S>) -> Vec<UnitResult> {
    let units = counting.units;
    let mut first_indexes: HashMap<&str, usize> = HashMap::new();
    let mut duplicates: HashMap<usize, usize> = HashMap::new();
    for (index, unit) in units.iter().enumerate() {
        // If several units have the same ID, only the first is written. Its result also applies to the others.
        let original =
            unit.dedup_id.as_deref().map(|dedup_id| *first_indexes.entry(dedup_id).or_insert(index));
        duplicates.extend(original.filter(|original| *original != index).map(|original| (index, original)));
    }
    let results = vec![None; units.len()];
    let mut writer = ExactWriter { counting, results, admitted: HashSet::new() };
    // Units of the same page are grouped, so that most pages are written once.
    let mut indexes: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
    for index in (0..units.len()).filter(|index| !duplicates.contains_key(index)) {
        indexes.entry(first_page(&units[index])).or_default().push(index);
    }
    let indexes = indexes.into_values().flatten().collect();
    for pack in packs(units, indexes) {
        writer.write(pack);
    }
    for (index, original) in duplicates {
        writer.results[index] = match &writer.results[original] {
            Some(Err(why)) => Some(Err(why.clone())),
            _ => Some(Ok(0)),
        };
    }
    let missing = || Err("internal error: no result; please report it".to_owned());
    writer.results.into_iter().map(|result| result.unwrap_or_else(missing)).collect()
}

fn first_page(unit: &DedupUnit) -> &str {
    unit.page_hits.first().map_or("", |page_hit| page_hit.key.as_str())
}

/// Groups unit indexes into packs that fit into one transaction.
fn packs(units: &[DedupUnit], indexes: Vec<usize>) -> Vec<Vec<usize>> {
    let mut packs = Vec::new();
    let (mut pack, mut keys, mut marked_units) = (Vec::new(), HashSet::new(), 0);
    for index in indexes {
        let page_keys = || units[index].page_hits.iter().map(|page_hit| page_hit.key.as_str());
        let new_keys = page_keys().filter(|key| !keys.contains(key)).collect::<HashSet<_>>().len();
        // One action is reserved for the visitors of the site.
        if !pack.is_empty() && marked_units + 1 + keys.len() + new_keys + 1 > MAX_ACTIONS {
            packs.push(std::mem::take(&mut pack));
            keys.clear();
            marked_units = 0;
        }
        keys.extend(page_keys());
        marked_units += 1;
        pack.push(index);
    }
    if !pack.is_empty() {
        packs.push(pack);
    }
    packs
}

impl<'a, S: CounterStore> ExactWriter<'_, 'a, S> {
    /// Writes a pack until each of its units has a result.
    fn write(&mut self, mut pack: Vec<usize>) {
        let units = self.counting.units;
        let mut tries = 0;
        loop {
            pack.retain(|index| self.results[*index].is_none());
            if pack.is_empty() {
                return;
            }
            if !self.counting.store.has_time_left() {
                return self.record_failure(&pack, "no time left in this invocation");
            }
            let TransactionPlan { marked_units, deltas, keys } = self.plan(&pack);
            let has_marker_only_unit = pack.iter().any(|index| units[*index].page_hits.is_empty());
            if deltas.is_empty() && !has_marker_only_unit {
                // None of the pages may be counted.
                return self.record_success(&pack);
            }
            let dedup_ids = marked_units.iter().filter_map(|index| units[*index].dedup_id.clone()).collect();
            let transaction = Transaction { dedup_ids, deltas };
            match self.counting.store.transact(&transaction, self.counting.now) {
                TransactionResult::Committed => return self.record_success(&pack),
                TransactionResult::Failed(error) => return self.record_failure(&pack, &error.to_string()),
                TransactionResult::Throttled(why) => {
                    tries += 1;
                    if !self.counting.store.back_off(tries) {
                        return self.record_failure(&pack, &why);
                    }
                }
                TransactionResult::Cancelled(reasons) => {
                    let has_changed = self.resolve_cancellation(&pack, &marked_units, &keys, &reasons);
                    tries += u32::from(!has_changed);
                    if !has_changed && !self.counting.store.back_off(tries) {
                        return self.record_failure(&pack, "every attempt of the transaction was cancelled");
                    }
                }
            }
        }
    }

    /// Returns the contents of the transaction for a pack.
    fn plan(&self, pack: &[usize]) -> TransactionPlan<'a> {
        let all = self.counting.units;
        let units = || pack.iter().map(|index| &all[*index]);
        let marked_units = pack.iter().copied().filter(|index| all[*index].dedup_id.is_some()).collect();
        let (mut deltas, mut keys) = (Vec::new(), Vec::new());
        for (key, delta) in self.counting.page_deltas(units()) {
            let must_exist = self.counting.paths != PathAdmission::Open && !self.admitted.contains(key);
            deltas.push((delta, must_exist));
            keys.push(Some(key));
        }
        if let Some(delta) = self.counting.site_delta(units()) {
            deltas.push((delta, false));
            keys.push(None);
        }
        TransactionPlan { marked_units, deltas, keys }
    }

    /// Handles the cancellation reasons of a transaction. Returns false if nothing has changed, so that the same
    /// transaction has to be tried again.
    fn resolve_cancellation(
        &mut self,
        pack: &[usize],
        marked_units: &[usize],
        keys: &[Option<&'a PageKey>],
        reasons: &[CancellationReason],
    ) -> bool {
        let units = self.counting.units;
        let mut has_changed = false;
        let (marker_reasons, delta_reasons) = reasons.split_at(marked_units.len().min(reasons.len()));
        for (index, reason) in marked_units.iter().zip(marker_reasons) {
            let result = match reason {
                CancellationReason::None | CancellationReason::Retryable => continue,
                CancellationReason::ConditionFailed => Ok(0),
                CancellationReason::Permanent(why) => Err(why.clone()),
            };
            self.results[*index] = Some(result);
            has_changed = true;
        }
        for (key, reason) in keys.iter().zip(delta_reasons) {
            let is_affected = |index: &usize| {
                key.is_none_or(|key| units[*index].page_hits.iter().any(|page_hit| page_hit.key == *key))
            };
            let pending = pack.iter().copied().filter(|index| self.results[*index].is_none());
            let affected: Vec<usize> = pending.filter(is_affected).collect();
            match (reason, key) {
                (CancellationReason::None | CancellationReason::Retryable, _) => continue,
                // All units with hits on this page were counted before.
                _ if affected.is_empty() => {}
                (CancellationReason::ConditionFailed, Some(key)) => {
                    match self.counting.admit_path(affected.iter().map(|index| &units[*index]), key.as_str())
                    {
                        Ok(true) => drop(self.admitted.insert(key)),
                        Ok(false) => drop(self.counting.refused.insert((*key).clone())),
                        Err(error) => self.record_failure(&affected, &error.to_string()),
                    }
                }
                (CancellationReason::ConditionFailed, None) => {
                    self.record_failure(
                        &affected,
                        "dynamodb reported a failed condition for an unconditional write",
                    );
                }
                (CancellationReason::Permanent(why), _) => self.record_failure(&affected, why),
            }
            has_changed = true;
        }
        has_changed
    }

    fn record_success(&mut self, pack: &[usize]) {
        for index in pack {
            self.results[*index] = Some(Ok(self.counting.hits(&self.counting.units[*index])));
        }
    }

    fn record_failure(&mut self, indexes: &[usize], why: &str) {
        for index in indexes {
            self.results[*index] = Some(Err(why.to_owned()));
        }
    }
}
