//! A table in memory that does what DynamoDB does with the same update, trimming included.

use std::collections::BTreeMap;

use hitctl_config::contract::{ATTR_HITS, RESERVED_PREFIX};

use super::{Store, StoreError};
use crate::hit::{Counts, Hit, Item, fixed_bytes};
use crate::moment::Day;
use crate::path::Key;

/// A store for tests.
#[derive(Debug, Default)]
pub struct Memory {
    items: BTreeMap<String, Item>,
    largest_write: usize,
    trims: usize,
    fault: Option<StoreError>,
}

impl Memory {
    /// The item of a key.
    pub fn item(&self, key: &Key) -> Option<&Item> {
        self.items.get(key.as_str())
    }

    /// Puts an item under any key, the reserved ones too.
    pub fn put(&mut self, key: &str, item: Item) {
        self.items.insert(key.to_owned(), item);
    }

    /// The largest item that a write met, in bytes.
    pub fn largest_write(&self) -> usize {
        self.largest_write
    }

    /// How many writes only trimmed.
    pub fn trims(&self) -> usize {
        self.trims
    }

    /// Makes every call fail with `fault` from now on; `None` heals it.
    pub fn fail(&mut self, fault: Option<StoreError>) {
        self.fault = fault;
    }

    fn check(&self) -> Result<(), StoreError> {
        self.fault.clone().map_or(Ok(()), Err)
    }
}

impl Store for Memory {
    fn add(&mut self, hit: &Hit) -> Result<Counts, StoreError> {
        self.check()?;
        let update = hit.update();
        let item = self.items.entry(hit.key.as_str().to_owned()).or_default();
        item.other_bytes = fixed_bytes(&hit.key, &update);
        for name in [ATTR_HITS, &update.day, &update.month] {
            match item.numbers.iter_mut().find(|(other, _)| other == name) {
                Some((_, value)) => *value += update.n,
                None => item.numbers.push((name.to_owned(), update.n)),
            }
        }
        self.largest_write = self.largest_write.max(item.size());
        let stale = item.stale(hit.at.day());
        if !stale.is_empty() {
            item.numbers.retain(|(name, _)| !stale.contains(name));
            self.trims += 1;
        }
        Ok(item.counts(hit.at.day()))
    }

    fn read(&mut self, keys: &[Key], today: Day) -> Result<Vec<Counts>, StoreError> {
        self.check()?;
        let read = |key: &Key| self.item(key).map_or(Counts::default(), |item| item.counts(today));
        Ok(keys.iter().map(read).collect())
    }

    fn total(&mut self, today: Day) -> Result<Counts, StoreError> {
        self.check()?;
        let pages = self.items.iter().filter(|(key, _)| !key.starts_with(RESERVED_PREFIX));
        Ok(pages.fold(Counts::default(), |sum, (_, item)| sum.plus(item.counts(today))))
    }
}
