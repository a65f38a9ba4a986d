//! The sum of several items: all their numbers, whatever they count, and the earliest and latest time.

use std::collections::BTreeMap;

use hitctl_config::contract::{ATTR_FIRST, ATTR_HITS, ATTR_LAST};

use crate::record::Record;

/// The numbers and times of several items together.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Sum {
    /// The numbers, by attribute.
    pub numbers: BTreeMap<String, u64>,
    /// The day of the first view.
    pub first: Option<String>,
    /// The time of the last view.
    pub last: Option<String>,
}

impl Sum {
    /// The sum of a page that has no view yet.
    pub fn zero() -> Self {
        Self { numbers: BTreeMap::from([(ATTR_HITS.to_owned(), 0)]), first: None, last: None }
    }

    /// Adds an item.
    pub fn add(&mut self, item: &Record) {
        for (name, value) in item.numbers() {
            let sum = self.numbers.entry(name.to_owned()).or_default();
            *sum = sum.saturating_add(value);
        }
        let own = |name: &str| item.text(name).map(str::to_owned);
        self.first = [self.first.take(), own(ATTR_FIRST)].into_iter().flatten().min();
        self.last = [self.last.take(), own(ATTR_LAST)].into_iter().flatten().max();
    }

    /// Removes the hits and returns them.
    pub fn take_hits(&mut self) -> u64 {
        self.numbers.remove(ATTR_HITS).unwrap_or(0)
    }
}
