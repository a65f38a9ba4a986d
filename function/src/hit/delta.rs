//! Combines the hits of one item, from any number of days, into one change.

use std::collections::BTreeMap;

use hitctl_config::contract::{ATTR_HITS, ATTR_UNIQUES};

use super::CountItem;
use crate::moment::{Day, Moment};

/// The hits and visitors of a day.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DayDelta {
    /// The number of hits.
    pub hits: u64,
    /// The number of visitors who are new on that day.
    pub uniques: u64,
}

/// A change of one item.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CounterDelta {
    /// The key of the item.
    pub key: String,
    /// The numbers to add, by day.
    pub days: BTreeMap<Day, DayDelta>,
    /// The time of the last of these hits; `None` if only visitors are added.
    pub last: Option<Moment>,
}

impl CounterDelta {
    /// Creates an empty change of the item `key`.
    pub fn new(key: String) -> Self {
        Self { key, days: BTreeMap::new(), last: None }
    }

    /// Adds hits and visitors to the day of `at`.
    pub fn add(&mut self, at: Moment, hits: u64, uniques: u64) {
        let day = self.days.entry(at.day()).or_default();
        day.hits = day.hits.saturating_add(hits);
        day.uniques = day.uniques.saturating_add(uniques);
        if hits > 0 {
            self.last = self.last.max(Some(at));
        }
    }

    /// Returns the first day of the change.
    pub fn first(&self) -> Option<Day> {
        self.days.keys().next().copied()
    }

    /// Returns the sums to add, by attribute name.
    pub fn attribute_sums(&self) -> BTreeMap<String, u64> {
        let mut numbers = BTreeMap::new();
        let mut add = |name: String, n: u64| {
            if n > 0 {
                let number: &mut u64 = numbers.entry(name).or_default();
                *number = number.saturating_add(n);
            }
        };
        for (day, DayDelta { hits, uniques }) in &self.days {
            add(ATTR_HITS.to_owned(), *hits);
            add(day.attribute(), *hits);
            add(day.month_attribute(), *hits);
            add(ATTR_UNIQUES.to_owned(), *uniques);
            add(day.uniques_attribute(), *uniques);
            add(day.month_uniques_attribute(), *uniques);
        }
        numbers
    }
}

impl CountItem {
    /// Applies a change.
    pub fn apply_delta(&mut self, delta: &CounterDelta) {
        for (name, n) in delta.attribute_sums() {
            self.add(&name, n);
        }
    }
}
