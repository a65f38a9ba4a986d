//! Hits added up: all of one item, over any number of days, as one change.

use std::collections::BTreeMap;

use hitctl_config::contract::{ATTR_HITS, ATTR_UNIQUES};

use super::Item;
use crate::moment::{Day, Moment};

/// Hits and visitors of a day.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct OfDay {
    /// Hits.
    pub hits: u64,
    /// Visitors who are new on that day.
    pub uniques: u64,
}

/// What is added to one item.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sum {
    /// The item's key.
    pub key: String,
    /// What is added, day by day.
    pub days: BTreeMap<Day, OfDay>,
    /// The time of the last of these hits; none where only visitors are added.
    pub last: Option<Moment>,
}

impl Sum {
    /// Nothing yet, to the item `key`.
    pub fn new(key: String) -> Self {
        Self { key, days: BTreeMap::new(), last: None }
    }

    /// Adds hits.
    pub fn add(&mut self, at: Moment, hits: u64, uniques: u64) {
        let day = self.days.entry(at.day()).or_default();
        day.hits = day.hits.saturating_add(hits);
        day.uniques = day.uniques.saturating_add(uniques);
        if hits > 0 {
            self.last = self.last.max(Some(at));
        }
    }

    /// The day of the first of these hits.
    pub fn first(&self) -> Option<Day> {
        self.days.keys().next().copied()
    }

    /// What is added to each attribute.
    pub fn numbers(&self) -> BTreeMap<String, u64> {
        let mut numbers = BTreeMap::new();
        let mut add = |name: String, n: u64| {
            if n > 0 {
                let number: &mut u64 = numbers.entry(name).or_default();
                *number = number.saturating_add(n);
            }
        };
        for (day, OfDay { hits, uniques }) in &self.days {
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

impl Item {
    /// Applies a sum's change.
    pub fn apply_sum(&mut self, sum: &Sum) {
        for (name, n) in sum.numbers() {
            self.add(&name, n);
        }
    }
}
