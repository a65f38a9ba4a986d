//! Imports counts from a file, each exactly once, even if an interrupted import is repeated.
//!
//! Each chunk of the file is written in one transaction together with a marker, `!import#ID#N`, so a chunk whose
//! marker exists has been imported. The chunks depend only on the file, and the marker contains the chunk's
//! checksum, so another file with the same ID is rejected.

use std::collections::BTreeMap;
use std::sync::Mutex;

use aws_sdk_dynamodb::types::TransactWriteItem;
use hitctl_config::contract::{ATTR_HITS, ATTR_PATH, ATTR_UNIQUES, MAX_COUNT, RESERVED_PREFIX};
use hitctl_counts::ItemTotals;
use hitctl_counts::import::{ImportChunk, ImportMode};
use hitctl_engine::Fault;

use super::counts::{CountsTable, out_of_range};
use super::table::{DynamoDbItem, TransactResult, number_attr, string_attr, string_value};
use super::write::{ItemWrite, add_totals, item_from_totals};

/// The fault code of an import whose ID was used for another file.
pub const IMPORT_DIFFERS: &str = "import_differs";

/// The attribute of a marker that holds the checksum of its chunk.
const ATTR_SUM: &str = "sum";

impl CountsTable {
    /// Imports a chunk. Returns `false` if an earlier run has imported it.
    pub async fn import(&self, id: &str, chunk: &ImportChunk, mode: ImportMode) -> Result<bool, Fault> {
        let marker = marker_key(id, chunk);
        let sum = chunk.checksum(mode);
        // The items are read only after a transaction has failed.
        let items_read = Mutex::new(None::<BTreeMap<String, DynamoDbItem>>);
        self.retry("importing", || async {
            if mode == ImportMode::Replace {
                // Items to replace are first merged into one item, because counts in shards would be added to
                // the new item.
                let merges = chunk.entries().iter().map(|(key, _)| self.merge_shards(key));
                futures::future::try_join_all(merges).await?;
            }
            let known_items = items_read.lock().ok().and_then(|mut known_items| known_items.take());
            let mut actions = vec![self.marker(&marker, &sum)?];
            for (key, entry) in chunk.entries() {
                let item = known_items.as_ref().and_then(|known_items| known_items.get(key));
                actions.push(match mode {
                    ImportMode::Add => {
                        add_totals(entry, limited_to_max(entry), item).update(self.table(), key)?
                    }
                    ImportMode::Replace => {
                        ItemWrite::default().put(self.table(), item_from_totals(key, entry))?
                    }
                });
            }
            let TransactResult::ConditionsFailed(rejected) = self.table().transact(actions).await? else {
                return Ok(Some(true));
            };
            // The marker is the first action. If it exists, an earlier run has imported the chunk.
            if rejected.contains(&0) {
                return self.check_marker(&marker, &sum, id).await.map(|()| Some(false));
            }
            let mut known_items = BTreeMap::new();
            // The items follow the marker.
            let was_rejected = |n: usize| rejected.contains(&(n + 1));
            let to_read = chunk.entries().iter().enumerate();
            let to_read =
                to_read.filter(|(n, (_, sum))| sum.first.is_some() || sum.last.is_some() || was_rejected(*n));
            let reads =
                to_read.map(|(_, (key, sum))| async move { Ok((key, sum, self.table().get(key).await?)) });
            for (key, sum, item) in futures::future::try_join_all(reads).await? {
                let Some(item) = item else { continue };
                if let Some(name) = exceeded(&item, sum).filter(|_| mode == ImportMode::Add) {
                    return Err(out_of_range(key, name));
                }
                known_items.insert(key.clone(), item);
            }
            if let Ok(mut items_read) = items_read.lock() {
                *items_read = Some(known_items);
            }
            Ok(None)
        })
        .await
    }

    /// Whether an earlier run has imported a chunk. Writes nothing.
    pub async fn was_imported(&self, id: &str, chunk: &ImportChunk, mode: ImportMode) -> Result<bool, Fault> {
        let marker = marker_key(id, chunk);
        if self.table().get(&marker).await?.is_none() {
            return Ok(false);
        }
        self.check_marker(&marker, &chunk.checksum(mode), id).await.map(|()| true)
    }

    fn marker(&self, key: &str, sum: &str) -> Result<TransactWriteItem, Fault> {
        let item = DynamoDbItem::from([
            (ATTR_PATH.to_owned(), string_value(key)),
            (ATTR_SUM.to_owned(), string_value(sum)),
        ]);
        ItemWrite::if_unchanged(None).put(self.table(), item)
    }

    /// Fails unless the marker belongs to this chunk.
    async fn check_marker(&self, marker: &str, sum: &str, id: &str) -> Result<(), Fault> {
        let marker_item = self.table().get(marker).await?;
        if marker_item.as_ref().and_then(|item| string_attr(item, ATTR_SUM)) == Some(sum) {
            return Ok(());
        }
        Err(Fault::fatal(IMPORT_DIFFERS, format!("another file was imported under the id {id:?}"))
            .hinted("choose another id, or omit `--id` to derive it from the file's content"))
    }
}

/// Returns an empty write with the condition that the sums do not exceed [`MAX_COUNT`] after an addition.
fn limited_to_max(sum: &ItemTotals) -> ItemWrite {
    [ATTR_HITS, ATTR_UNIQUES].into_iter().fold(ItemWrite::default(), |write, name| {
        match sum.numbers.get(name) {
            None | Some(0) => write,
            Some(n) => write.at_most(name, MAX_COUNT.saturating_sub(*n)),
        }
    })
}

/// Returns the name of a number that would exceed [`MAX_COUNT`] after the addition.
fn exceeded(item: &DynamoDbItem, sum: &ItemTotals) -> Option<&'static str> {
    [ATTR_HITS, ATTR_UNIQUES].into_iter().find(|name| {
        let added = sum.numbers.get(*name).copied().unwrap_or(0);
        added > 0 && number_attr(item, name).unwrap_or(0).saturating_add(added) > MAX_COUNT
    })
}

fn marker_key(id: &str, chunk: &ImportChunk) -> String {
    format!("{RESERVED_PREFIX}import#{id}#{}", chunk.number())
}
