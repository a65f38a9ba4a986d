//! Reads and changes the counts of a table without losing hits that arrive at the same time.
//!
//! A path has one main item, and further items, the shards, to which hits are distributed: reads return the sum
//! of all items, and most changes replace them by one item or none in one transaction. Each transaction requires
//! that the items are as they were read; otherwise the change is repeated, after some attempts with the weakest
//! condition that is still safe.

use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use aws_sdk_dynamodb::types::TransactWriteItem;
use hitctl_config::contract::{
    ATTR_BUDGET_PATHS, ATTR_HITS, ATTR_PATH, ATTR_UNIQUES, KEY_BUDGET, KEY_SITE, MAX_COUNT, MAX_SHARDS,
};
use hitctl_counts::codec::{self, shard_key};
use hitctl_counts::{CountChange, CountRow, CounterData, ItemTotals, TableItem};
use hitctl_engine::{Address, DriverContext, EventSink, Fault, RetryPolicy};
use tokio_util::sync::CancellationToken;

use super::table::{
    DynamoDbItem, DynamoDbTable, MAX_TRANSACT_ACTIONS, PutResult, TransactResult, number_attr, number_value,
    string_attr, table_item,
};
use super::write::{ItemWrite, add_totals, item_from_totals, subtract_all};

/// The maximum number of paths in one merge. A transaction has at most 100 actions.
pub const MAX_MERGED_PATHS: usize = MAX_TRANSACT_ACTIONS - 1;

/// The number of conflicting attempts after which a path counts as busy: hit too often to be changed under
/// the strict condition.
const BUSY_AFTER: u32 = 5;

/// How long a change is retried while other writes to the same paths conflict.
const CONFLICT_RETRY: RetryPolicy = RetryPolicy {
    initial_delay: Duration::from_millis(10),
    max_delay: Duration::from_millis(500),
    // The table limits each call to a shorter time.
    attempt_timeout: Duration::from_mins(5),
    budget: Duration::from_mins(1),
};

/// The counts of a table.
pub struct CountsTable {
    table: DynamoDbTable,
    cx: DriverContext,
    keep_query: Vec<String>,
}

/// A change of the counts of one path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CountEdit {
    /// Adds or subtracts hits. Visitors, days, months and times stay unchanged.
    Add(i64),
    /// Sets the number of hits. Visitors, days, months and times stay unchanged.
    Set(u64),
    /// Resets all counts to 0. The path stays listed.
    Reset,
    /// Deletes the path with its counts.
    Delete,
}

/// The existing items of a path.
#[derive(Default)]
struct PathItems {
    main: Option<DynamoDbItem>,
    shards: Vec<DynamoDbItem>,
}

impl PathItems {
    fn iter(&self) -> impl Iterator<Item = &DynamoDbItem> {
        self.main.iter().chain(&self.shards)
    }

    fn is_empty(&self) -> bool {
        self.iter().next().is_none()
    }

    /// Returns the sum of the hits of all items.
    fn hits(&self) -> Option<u64> {
        self.iter().filter_map(|item| number_attr(item, ATTR_HITS)).reduce(u64::saturating_add)
    }
}

impl CountsTable {
    /// Creates access to the counts of `table`. Cancelling `stop` ends the pauses between retries.
    pub fn new(table: DynamoDbTable, stop: &CancellationToken) -> Self {
        let cx = DriverContext::new(Address::new("table", "hits"), EventSink::none(), stop.clone());
        Self { table, cx, keep_query: Vec::new() }
    }

    /// Sets the query parameters that are part of a path.
    #[must_use]
    pub fn with_keep_query(self, keep_query: &[String]) -> Self {
        Self { keep_query: keep_query.to_vec(), ..self }
    }

    /// Returns the query parameters that are part of a path.
    pub fn keep_query(&self) -> &[String] {
        &self.keep_query
    }

    pub(super) fn table(&self) -> &DynamoDbTable {
        &self.table
    }

    /// Reads all counts and statistics of the table in one scan.
    pub async fn numbers(&self) -> Result<CounterData, Fault> {
        Ok(codec::decode_items(&self.table.scan().await?.iter().map(table_item).collect::<Vec<_>>()))
    }

    /// Reads the counts of all paths, sorted by path.
    pub async fn all(&self) -> Result<Vec<CountRow>, Fault> {
        Ok(self.numbers().await?.counts)
    }

    /// Reads the counts of one path, summed over its items. `None` if the path has no items.
    pub async fn get(&self, path: &str) -> Result<Option<CountRow>, Fault> {
        let items = self.read_items(path).await?;
        Ok(codec::decode_path(path, items.iter().map(table_item).collect::<Vec<TableItem>>().iter()))
    }

    /// Reads the items of a path: the main item and all possible shards, because the configured number of shards
    /// may have been higher before.
    async fn read_items(&self, path: &str) -> Result<PathItems, Fault> {
        let shards = (1..MAX_SHARDS).map(|number| shard_key(path, number));
        let keys: Vec<String> = std::iter::once(path.to_owned()).chain(shards).collect();
        let mut items = PathItems::default();
        for item in self.table.get_many(&keys).await? {
            if string_attr(&item, ATTR_PATH) == Some(path) {
                items.main = Some(item);
            } else {
                items.shards.push(item);
            }
        }
        Ok(items)
    }

    /// Creates a path with 0 hits. Returns `false` if it exists already.
    pub async fn create_path(&self, path: &str) -> Result<bool, Fault> {
        // A put that is resent after a lost response finds the path, and reports that it existed already.
        self.retry("creating a path", || async {
            let zero = item_from_totals(path, &ItemTotals::zero());
            let put = self.table.put(zero, "attribute_not_exists(#p)", &[("#p", ATTR_PATH)], vec![]);
            Ok(Some(put.await? == PutResult::Written))
        })
        .await
    }

    /// Changes the counts of one path by the edit that `decide` returns for the current hits. If it returns
    /// `None`, nothing is changed.
    pub async fn change(
        &self,
        path: &str,
        decide: impl Fn(Option<u64>) -> Result<Option<CountEdit>, Fault> + Sync,
    ) -> Result<CountChange, Fault> {
        let attempts = AtomicU32::new(0);
        self.retry("changing the counts", || async {
            let items = self.read_items(path).await?;
            let old = items.hits();
            let Some(edit) = decide(old)? else { return Ok(Some(CountChange::new(path, old, old))) };
            let is_busy = attempts.fetch_add(1, Ordering::Relaxed) >= BUSY_AFTER;
            let (mut actions, mut sum) = (Vec::new(), ItemTotals::default());
            // An addition only changes the main item.
            if !matches!(edit, CountEdit::Add(0..)) {
                for shard in &items.shards {
                    actions.push(match edit {
                        CountEdit::Reset | CountEdit::Delete if is_busy => {
                            ItemWrite::default().delete(&self.table, key(shard))?
                        }
                        _ => self.remove_unchanged(shard, is_busy)?,
                    });
                    sum.add(&table_item(shard));
                }
            }
            let main = items.main.as_ref();
            let write = if is_busy { ItemWrite::default() } else { ItemWrite::if_unchanged(main) };
            actions.push(match edit {
                CountEdit::Add(n) => {
                    let hits = i128::from(n) + i128::from(sum.take_hits());
                    let min_hits = u64::try_from(-hits).ok().filter(|min_hits| is_busy && *min_hits > 0);
                    let write = min_hits
                        .into_iter()
                        .fold(write, |write, min_hits| write.at_least(ATTR_HITS, min_hits));
                    add_totals(&sum, write.add(ATTR_HITS, hits), main).update(&self.table, path)?
                }
                CountEdit::Set(n) => {
                    sum.take_hits();
                    // With more than `n` hits, the edit is meant to discard hits. With fewer, the condition
                    // prevents that hits which arrive meanwhile are discarded.
                    let needs_limit = is_busy && old.is_none_or(|old| old <= n);
                    let write = if needs_limit { write.at_most(ATTR_HITS, n) } else { write };
                    add_totals(&sum, write.set(ATTR_HITS, number_value(n)), main).update(&self.table, path)?
                }
                CountEdit::Reset => write.put(&self.table, item_from_totals(path, &ItemTotals::zero()))?,
                CountEdit::Delete => write.delete(&self.table, path)?,
            });
            Ok(self.transact(actions).await?.map(|()| CountChange::new(path, old, edit.apply(old))))
        })
        .await
    }

    /// Adds the counts of some paths to another path and deletes them, in one transaction. Hits, visitors,
    /// days and months are summed up; the first and the last time are the extremes of all paths. Hits that
    /// arrive meanwhile are not lost: a busy path keeps the hits that arrived after it was read.
    pub async fn merge(&self, from: &[String], into: &str) -> Result<Vec<CountChange>, Fault> {
        let attempts = AtomicU32::new(0);
        self.retry("merging", || async {
            let is_busy = attempts.fetch_add(1, Ordering::Relaxed) >= BUSY_AFTER;
            let (mut actions, mut sum) = (Vec::new(), ItemTotals::default());
            let (mut changes, mut spread_paths) = (Vec::new(), Vec::new());
            for path in from {
                let items = self.existing_items(path).await?;
                self.remove_all(items.iter(), is_busy, &mut actions, &mut sum)?;
                // The new hits of a busy path are read after the transaction.
                changes.push(CountChange::new(path, items.hits(), is_busy.then_some(0)));
                spread_paths.extend((!items.shards.is_empty()).then_some(path));
            }
            if actions.len() >= MAX_TRANSACT_ACTIONS {
                // One transaction cannot hold all items: each path is first merged into one item.
                for path in spread_paths {
                    Box::pin(self.merge_shards(path)).await?;
                }
                return Ok(None);
            }
            let items = self.read_items(into).await?;
            let mut all = sum.clone();
            items.iter().for_each(|item| all.add(&table_item(item)));
            check_range(into, &all)?;
            changes.push(CountChange::new(into, items.hits(), None));
            let write = add_totals(&sum, ItemWrite::default(), items.main.as_ref());
            actions.push(write.update(&self.table, into)?);
            if self.transact(actions).await?.is_none() {
                return Ok(None);
            }
            // Busy paths and the target are written without a condition on their numbers, so they may have
            // received new hits.
            for change in changes.iter_mut().filter(|change| is_busy || change.path == into) {
                change.new = self.get(&change.path).await?.map(|row| row.hits);
            }
            Ok(Some(changes))
        })
        .await
    }

    /// Renames a path and keeps all its counts. Fails if the new name has counts. A busy path keeps the hits
    /// that arrived after it was read.
    pub async fn rename(&self, old: &str, new: &str) -> Result<Vec<CountChange>, Fault> {
        let attempts = AtomicU32::new(0);
        self.retry("renaming", || async {
            let is_busy = attempts.fetch_add(1, Ordering::Relaxed) >= BUSY_AFTER;
            let items = self.existing_items(old).await?;
            let existing = self.read_items(new).await?;
            if !existing.is_empty() {
                let hits = existing.hits().unwrap_or(0);
                let message = format!("{new:?} already has counts (views: {hits})");
                return Err(
                    Fault::fatal("exists", message).hinted("run `hitctl counts merge OLD NEW` to merge them")
                );
            }
            let (mut actions, mut sum) = (Vec::new(), ItemTotals::default());
            self.remove_all(items.iter(), is_busy, &mut actions, &mut sum)?;
            check_range(old, &sum)?;
            actions.push(ItemWrite::if_unchanged(None).put(&self.table, item_from_totals(new, &sum))?);
            if self.transact(actions).await?.is_none() {
                return Ok(None);
            }
            let remaining = if is_busy { self.get(old).await?.map(|row| row.hits) } else { None };
            let hits = items.hits();
            Ok(Some(vec![CountChange::new(old, hits, remaining), CountChange::new(new, None, hits)]))
        })
        .await
    }

    /// Adds the shards of a path to its main item and deletes them. The sum stays the same.
    pub(super) async fn merge_shards(&self, path: &str) -> Result<(), Fault> {
        self.retry("merging the shards of a path", || async {
            let items = self.read_items(path).await?;
            if items.shards.is_empty() {
                return Ok(Some(()));
            }
            let (mut actions, mut sum) = (Vec::new(), ItemTotals::default());
            self.remove_all(&items.shards, false, &mut actions, &mut sum)?;
            let write = add_totals(&sum, ItemWrite::default(), items.main.as_ref());
            actions.push(write.update(&self.table, path)?);
            self.transact(actions).await
        })
        .await
    }

    /// Deletes the visitor counts of the whole site.
    pub async fn delete_site_visitors(&self) -> Result<(), Fault> {
        self.retry("deleting the site's visitors", || async {
            let items = self.read_items(KEY_SITE).await?;
            let deletions = items.iter().map(|item| ItemWrite::default().delete(&self.table, key(item)));
            let deletions = deletions.collect::<Result<Vec<_>, _>>()?;
            if deletions.is_empty() {
                return Ok(Some(()));
            }
            self.transact(deletions).await
        })
        .await
    }

    /// Releases the part of the budget of new paths that deleted paths have used. Every existing path counts as
    /// a user of the budget, even if an import or a command created it and it never used the budget.
    pub async fn release_unused_budget(&self) -> Result<(), Fault> {
        self.retry("updating the budget of new paths", || async {
            let budget = self.table.get(KEY_BUDGET).await?;
            let used_budget =
                budget.as_ref().and_then(|item| number_attr(item, ATTR_BUDGET_PATHS)).unwrap_or(0);
            if used_budget == 0 {
                return Ok(Some(()));
            }
            let path_count = self.all().await?.len() as u64;
            let Some(unused) = used_budget.checked_sub(path_count).filter(|unused| *unused > 0) else {
                return Ok(Some(()));
            };
            // A path that was created meanwhile has increased the number, and remains counted.
            let write = ItemWrite::default().at_least(ATTR_BUDGET_PATHS, unused);
            let write = write.add(ATTR_BUDGET_PATHS, -i128::from(unused)).update(&self.table, KEY_BUDGET)?;
            self.transact(vec![write]).await
        })
        .await
    }

    async fn existing_items(&self, path: &str) -> Result<PathItems, Fault> {
        let items = self.read_items(path).await?;
        if items.is_empty() {
            return Err(Fault::fatal("no_such_path", format!("{path:?} has no counts"))
                .hinted("run `hitctl counts list` to see the paths with counts"));
        }
        Ok(items)
    }

    /// Returns the action that deletes an item if it was not hit since it was read. For a busy item, it only
    /// subtracts the numbers that were read.
    fn remove_unchanged(&self, item: &DynamoDbItem, is_busy: bool) -> Result<TransactWriteItem, Fault> {
        if is_busy && table_item(item).numbers().next().is_some() {
            return subtract_all(item).update(&self.table, key(item));
        }
        ItemWrite::if_unchanged(Some(item)).delete(&self.table, key(item))
    }

    /// Adds the actions that remove the items, and adds the items' counts to the sum.
    fn remove_all<'a>(
        &self,
        items: impl IntoIterator<Item = &'a DynamoDbItem>,
        is_busy: bool,
        actions: &mut Vec<TransactWriteItem>,
        sum: &mut ItemTotals,
    ) -> Result<(), Fault> {
        for item in items {
            actions.push(self.remove_unchanged(item, is_busy)?);
            sum.add(&table_item(item));
        }
        Ok(())
    }

    /// Runs all actions in one transaction. `None` if a condition failed because of a conflicting write.
    async fn transact(&self, actions: Vec<TransactWriteItem>) -> Result<Option<()>, Fault> {
        Ok((self.table.transact(actions).await? == TransactResult::Committed).then_some(()))
    }

    /// Repeats an attempt that conflicted with another write (`None`) or failed with a transient fault.
    pub(super) async fn retry<T, F, Fut>(&self, progress_text: &str, attempt: F) -> Result<T, Fault>
    where
        F: Fn() -> Fut + Send + Sync,
        Fut: Future<Output = Result<Option<T>, Fault>> + Send,
        T: Send,
    {
        let attempt_once = || async {
            attempt().await?.ok_or_else(|| {
                Fault::transient("busy", "failed to change the counts: too many concurrent writes")
                    .hinted("run the command again")
            })
        };
        self.cx.retry(&CONFLICT_RETRY, progress_text, attempt_once).await
    }
}

/// Fails if a sum is above [`MAX_COUNT`], after a merge or because the numbers were written by hand.
fn check_range(path: &str, sum: &ItemTotals) -> Result<(), Fault> {
    let too_many = |name: &&str| sum.numbers.get(*name).is_some_and(|n| *n > MAX_COUNT);
    match [ATTR_HITS, ATTR_UNIQUES].into_iter().find(too_many) {
        None => Ok(()),
        Some(name) => Err(out_of_range(path, name)),
    }
}

/// Returns the fault for a number above [`MAX_COUNT`].
pub(super) fn out_of_range(path: &str, name: &str) -> Fault {
    Fault::fatal("out_of_range", format!("expected at most {MAX_COUNT} {name} of {path:?}, found more"))
        .hinted("run `hitctl counts get` to see its counts; nothing was changed")
}

/// Returns the key of an item.
fn key(item: &DynamoDbItem) -> &str {
    string_attr(item, ATTR_PATH).unwrap_or_default()
}

impl CountEdit {
    /// Returns the number of hits after the edit.
    fn apply(self, old: Option<u64>) -> Option<u64> {
        match self {
            Self::Add(n) => Some(old.unwrap_or(0).saturating_add_signed(n)),
            Self::Set(n) => Some(n),
            Self::Reset => Some(0),
            Self::Delete => None,
        }
    }
}
