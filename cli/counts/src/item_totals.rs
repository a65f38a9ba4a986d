//! The sum of several items: all their numbers by attribute, and the earliest and latest time.

use std::collections::BTreeMap;

use hitctl_config::contract::{ATTR_FIRST, ATTR_HITS, ATTR_LAST};

use crate::table_item::TableItem;

/// The content of an item, or the sum of several items.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ItemTotals {
    /// The numbers by attribute.
    pub numbers: BTreeMap<String, u64>,
    /// The day of the first view.
    pub first: Option<String>,
    /// The time of the last view.
    pub last: Option<String>,
}

impl ItemTotals {
    /// Creates the content of a page without views.
    pub fn zero() -> Self {
        Self { numbers: BTreeMap::from([(ATTR_HITS.to_owned(), 0)]), first: None, last: None }
    }

    /// Adds an item.
    pub fn add(&mut self, item: &TableItem) {
        for (name, value) in item.numbers() {
            let sum = self.numbers.entry(name.to_owned()).or_default();
            *sum = sum.saturating_add(value);
        }
        let text_attribute = |name: &str| item.text(name).map(str::to_owned);
        self.first = [self.first.take(), text_attribute(ATTR_FIRST)].into_iter().flatten().min();
        self.last = [self.last.take(), text_attribute(ATTR_LAST)].into_iter().flatten().max();
    }

    /// Removes the hits and returns them.
    pub fn take_hits(&mut self) -> u64 {
        self.numbers.remove(ATTR_HITS).unwrap_or(0)
    }
}
