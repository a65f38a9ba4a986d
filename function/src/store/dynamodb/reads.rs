//! Reads items: one, several, or the items of all paths.

use serde_json::value::RawValue;

use super::DynamoDbStore;
use super::client::ResendPolicy;
use super::requests::{self, Projection};
use super::responses::{BatchGetItemOutput, GetItemOutput, ScanOutput, StoredItem};
use crate::hit::CountItem;
use crate::json::JsonObject;
use crate::store::error::StoreError;

/// The maximum number of `Scan` calls for one read of the table. They return up to 32 MB of items: more than
/// 40,000 paths. Reading more for one request would cost too much.
const MAX_SCAN_CALLS: usize = 32;
/// The maximum number of `BatchGetItem` calls for the same keys, including the first.
const MAX_BATCH_CALLS: usize = 4;
/// The maximum number of keys of a `BatchGetItem` call.
const BATCH_KEYS: usize = 100;

impl DynamoDbStore {
    /// Reads several items and returns them in no particular order. Keys that DynamoDB leaves unprocessed are
    /// requested again.
    pub(super) fn read_items(
        &mut self,
        keys: &[String],
        projection: Projection,
    ) -> Result<Vec<StoredItem>, StoreError> {
        let mut found = Vec::new();
        for chunk in keys.chunks(BATCH_KEYS) {
            let mut request =
                requests::batch_get(&self.table.name, chunk.iter().map(String::as_str), projection);
            let mut calls = 0;
            loop {
                let body = JsonObject::new().raw("RequestItems", &request).end();
                let batch: BatchGetItemOutput = self.call_json("BatchGetItem", &body, ResendPolicy::Once)?;
                found.extend(batch.responses.into_values().flatten());
                match batch.unprocessed {
                    Some(keys) if keys.get().contains("Keys") => request = Box::<str>::from(keys).into(),
                    _ => break,
                }
                calls += 1;
                if calls == MAX_BATCH_CALLS {
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

    /// Calls `each` with the items of all paths and of the site.
    pub(super) fn scan(
        &mut self,
        projection: Projection,
        each: &mut dyn FnMut(StoredItem),
    ) -> Result<(), StoreError> {
        let mut start: Option<Box<RawValue>> = None;
        for _ in 0..MAX_SCAN_CALLS {
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
