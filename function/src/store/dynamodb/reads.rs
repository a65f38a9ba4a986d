//! Reads items: one, several, or those of all pages.

use serde_json::value::RawValue;

use super::DynamoDbStore;
use super::client::ResendPolicy;
use super::requests::{self, Projection};
use super::responses::{BatchGetItemOutput, GetItemOutput, ScanOutput, StoredItem};
use crate::hit::CountItem;
use crate::json::JsonObject;
use crate::store::error::StoreError;

/// The maximum number of pages of a Scan. They are 32 MB of items, which is more than 40,000 pages of a site;
/// reading more for a visitor would cost too much.
const SCAN_PAGES: usize = 32;
const BATCH_ROUNDS: usize = 4;
/// The maximum number of keys of a `BatchGetItem` call.
const BATCH_KEYS: usize = 100;

impl DynamoDbStore {
    /// Reads several items, in no particular order. Requests unprocessed keys again.
    pub(super) fn read_items(
        &mut self,
        keys: &[String],
        projection: Projection,
    ) -> Result<Vec<StoredItem>, StoreError> {
        let mut found = Vec::new();
        for chunk in keys.chunks(BATCH_KEYS) {
            let mut request =
                requests::batch_get(&self.table.name, chunk.iter().map(String::as_str), projection);
            let mut rounds = 0;
            loop {
                let body = JsonObject::new().raw("RequestItems", &request).end();
                let batch: BatchGetItemOutput = self.call_json("BatchGetItem", &body, ResendPolicy::Once)?;
                found.extend(batch.responses.into_values().flatten());
                match batch.unprocessed {
                    Some(left) if left.get().contains("Keys") => request = Box::<str>::from(left).into(),
                    _ => break,
                }
                rounds += 1;
                if rounds == BATCH_ROUNDS {
                    let why = "keys were left unprocessed";
                    return Err(StoreError::Throttled(self.client.describe(
                        "BatchGetItem",
                        &self.table,
                        why,
                    )));
                }
            }
        }
        Ok(found)
    }

    pub(super) fn read_item(&mut self, key: &str, projection: Projection) -> Result<CountItem, StoreError> {
        let body = requests::get_item(&self.table.name, key, projection);
        let got: GetItemOutput = self.call_json("GetItem", &body, ResendPolicy::Once)?;
        Ok(got.item.unwrap_or_default().item)
    }

    /// Calls `each` with every item of the pages and of the site.
    pub(super) fn scan(
        &mut self,
        projection: Projection,
        each: &mut dyn FnMut(StoredItem),
    ) -> Result<(), StoreError> {
        let mut start: Option<Box<RawValue>> = None;
        for _ in 0..SCAN_PAGES {
            let body = requests::scan(&self.table.name, projection, start.as_deref().map(RawValue::get));
            let page: ScanOutput = self.call_json("Scan", &body, ResendPolicy::Once)?;
            page.items.into_iter().for_each(&mut *each);
            start = page.next.filter(|next| next.get() != "null");
            if start.is_none() {
                return Ok(());
            }
        }
        let why = "the table is too large to sum up";
        Err(StoreError::TooLarge(self.client.describe("Scan", &self.table, why)))
    }
}
