//! Reading items: one, many, or every one of pages.

use serde_json::value::RawValue;

use super::DynamoDb;
use super::answer::{Attributes, Batch, Got, Page};
use super::client::Repeat;
use super::wire::{self, Wanted};
use crate::hit::Item;
use crate::json::Object;
use crate::store::error::StoreError;

/// 32 MB of items: more than 40,000 pages. Beyond that a total costs too much to be read by visitors.
const SCAN_PAGES: usize = 32;
const BATCH_ROUNDS: usize = 4;
/// The most keys that a `BatchGetItem` takes.
const BATCH_KEYS: usize = 100;

impl DynamoDb {
    /// Reads many items, in no order; what DynamoDB leaves over is asked for again.
    pub(super) fn read_items(
        &mut self,
        keys: &[String],
        wanted: Wanted,
    ) -> Result<Vec<Attributes>, StoreError> {
        let mut found = Vec::new();
        for chunk in keys.chunks(BATCH_KEYS) {
            let mut request = wire::batch(&self.table.name, chunk.iter().map(String::as_str), wanted);
            let mut rounds = 0;
            loop {
                let body = Object::new().raw("RequestItems", &request).end();
                let batch: Batch = self.ask("BatchGetItem", &body, Repeat::Once)?;
                found.extend(batch.responses.into_values().flatten());
                match batch.unprocessed {
                    Some(left) if left.get().contains("Keys") => request = Box::<str>::from(left).into(),
                    _ => break,
                }
                rounds += 1;
                if rounds == BATCH_ROUNDS {
                    let why = "keys were left unprocessed";
                    return Err(StoreError::Busy(self.client.describe("BatchGetItem", &self.table, why)));
                }
            }
        }
        Ok(found)
    }

    pub(super) fn read_item(&mut self, key: &str, wanted: Wanted) -> Result<Item, StoreError> {
        let body = wire::get(&self.table.name, key, wanted);
        let got: Got = self.ask("GetItem", &body, Repeat::Once)?;
        Ok(got.item.unwrap_or_default().item)
    }

    /// Hands every item of pages and of the site to `each`.
    pub(super) fn scan(
        &mut self,
        wanted: Wanted,
        each: &mut dyn FnMut(Attributes),
    ) -> Result<(), StoreError> {
        let mut start: Option<Box<RawValue>> = None;
        for _ in 0..SCAN_PAGES {
            let body = wire::scan(&self.table.name, wanted, start.as_deref().map(RawValue::get));
            let page: Page = self.ask("Scan", &body, Repeat::Once)?;
            page.items.into_iter().for_each(&mut *each);
            start = page.next.filter(|next| next.get() != "null");
            if start.is_none() {
                return Ok(());
            }
        }
        let why = "the table is too large to be added up";
        Err(StoreError::TooLarge(self.client.describe("Scan", &self.table, why)))
    }
}
