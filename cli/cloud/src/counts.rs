//! The counts of a table: read, and changed in ways that lose no hit that arrives meanwhile.
//!
//! A path has an item, and further ones, shards, where its hits are spread. What is read is their sum; what is changed is
//! changed in all of them at once: a change leaves one item behind, or none.
//!
//! Every change is a transaction on the condition that what was read is still there; where it is not, it is read and
//! tried again, and after some attempts on the least condition that will do. A transaction that is sent again after a lost answer is done once.

use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use aws_sdk_dynamodb::types::TransactWriteItem;
use hitctl_config::contract::{
    ATTR_BUDGET_PATHS, ATTR_HITS, ATTR_PATH, ATTR_UNIQUES, KEY_BUDGET, KEY_SITE, MAX_COUNT, MAX_SHARDS,
};
use hitctl_counts::codec::{self, shard_key};
use hitctl_counts::{CountChange, CountRow, Dropped, Numbers, Record, Sum};
use hitctl_engine::{Address, Cx, Fault, Sink, Wait};
use tokio_util::sync::CancellationToken;

use super::table::{Item, MOST_ACTIONS, Put, Table, Written, number, number_of, record, text_of};
use super::write::{Write, item_of, less, onto};

/// The most paths that one merge takes: a transaction has at most 100 actions.
pub const MOST_MERGED: usize = MOST_ACTIONS - 1;

/// After so many attempts that a hit came before, a path counts as one that is never at rest.
const BUSY_AFTER: u32 = 5;

/// How long a change waits for other writes to the same paths.
const PATIENCE: Wait = Wait {
    first: Duration::from_millis(10),
    longest: Duration::from_millis(500),
    // A call bounds itself, and sooner.
    attempt: Duration::from_mins(5),
    budget: Duration::from_mins(1),
};

/// The counts of a table.
pub struct Counts {
    table: Table,
    cx: Cx,
    keep_query: Vec<String>,
}

/// What becomes of a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CountEdit {
    /// It has so many hits more, or fewer; visitors, days, months and times stay as they are.
    Plus(i64),
    /// It has so many hits; visitors, days, months and times stay as they are.
    Hits(u64),
    /// It has no hits, as if nobody had ever come; but it stays listed.
    Zero,
    /// It is forgotten.
    Delete,
}

/// The items of a path that are there.
#[derive(Default)]
struct Parts {
    main: Option<Item>,
    shards: Vec<Item>,
}

impl Parts {
    fn items(&self) -> impl Iterator<Item = &Item> {
        self.main.iter().chain(&self.shards)
    }

    fn is_empty(&self) -> bool {
        self.items().next().is_none()
    }

    /// The hits of all of them.
    fn hits(&self) -> Option<u64> {
        self.items().filter_map(|item| number_of(item, ATTR_HITS)).reduce(u64::saturating_add)
    }
}

impl Counts {
    /// The counts of that table; `stop` ends waiting.
    pub fn new(table: Table, stop: &CancellationToken) -> Self {
        let cx = Cx::new(Address::new("table", "hits"), Sink::none(), stop.clone());
        Self { table, cx, keep_query: Vec::new() }
    }

    /// With query parameters that belong to paths.
    #[must_use]
    pub fn keeping(self, keep_query: &[String]) -> Self {
        Self { keep_query: keep_query.to_vec(), ..self }
    }

    /// The query parameters that belong to paths.
    pub fn keep_query(&self) -> &[String] {
        &self.keep_query
    }

    pub(super) fn table(&self) -> &Table {
        &self.table
    }

    /// Every number of the table, in one reading.
    pub async fn numbers(&self) -> Result<Numbers, Fault> {
        Ok(codec::sorted(&self.table.scan().await?.iter().map(record).collect::<Vec<_>>()))
    }

    /// Every count, in the order of the paths.
    pub async fn all(&self) -> Result<Vec<CountRow>, Fault> {
        Ok(self.numbers().await?.counts)
    }

    /// The visitors of the whole site.
    pub async fn site(&self) -> Result<CountRow, Fault> {
        Ok(self.numbers().await?.site)
    }

    /// What was not counted, by month and reason.
    pub async fn dropped(&self) -> Result<Dropped, Fault> {
        Ok(self.numbers().await?.dropped)
    }

    /// The counts of one path, of all its items; `None` where nobody has ever counted.
    pub async fn get(&self, path: &str) -> Result<Option<CountRow>, Fault> {
        let there = self.parts(path).await?;
        Ok(codec::row(path, there.items().map(record).collect::<Vec<Record>>().iter()))
    }

    /// The items of a path: its own, and any shard that it may have, whatever is configured by now.
    async fn parts(&self, path: &str) -> Result<Parts, Fault> {
        let shards = (1..MAX_SHARDS).map(|number| shard_key(path, number));
        let keys: Vec<String> = std::iter::once(path.to_owned()).chain(shards).collect();
        let mut parts = Parts::default();
        for item in self.table.get_many(&keys).await? {
            if text_of(&item, ATTR_PATH) == Some(path) {
                parts.main = Some(item);
            } else {
                parts.shards.push(item);
            }
        }
        Ok(parts)
    }

    /// Makes a path with 0 hits, unless it is there; `false` when it is.
    pub async fn make(&self, path: &str) -> Result<bool, Fault> {
        // A put may be sent again after a lost answer; then the path is there, and that it is new is not said.
        self.until_done("making a path", || async {
            let zero = item_of(path, &Sum::zero());
            let put = self.table.put(zero, "attribute_not_exists(#p)", &[("#p", ATTR_PATH)], vec![]);
            Ok(Some(put.await? == Put::Done))
        })
        .await
    }

    /// Changes the count of one path to what `decide` makes of the hits that it has. `None` leaves it as it is.
    pub async fn change(
        &self,
        path: &str,
        decide: impl Fn(Option<u64>) -> Result<Option<CountEdit>, Fault> + Sync,
    ) -> Result<CountChange, Fault> {
        let attempts = AtomicU32::new(0);
        self.until_done("changing the counts", || async {
            let there = self.parts(path).await?;
            let old = there.hits();
            let Some(to) = decide(old)? else { return Ok(Some(CountChange::new(path, old, old))) };
            let is_busy = attempts.fetch_add(1, Ordering::Relaxed) >= BUSY_AFTER;
            let (mut actions, mut sum) = (Vec::new(), Sum::default());
            // What only adds leaves the shards alone.
            if !matches!(to, CountEdit::Plus(0..)) {
                for shard in &there.shards {
                    actions.push(match to {
                        CountEdit::Zero | CountEdit::Delete if is_busy => {
                            Write::default().delete(&self.table, key(shard))?
                        }
                        _ => self.without(shard, is_busy)?,
                    });
                    sum.add(&record(shard));
                }
            }
            let main = there.main.as_ref();
            let write = if is_busy { Write::default() } else { Write::of_same(main) };
            actions.push(match to {
                CountEdit::Plus(n) => {
                    let hits = i128::from(n) + i128::from(sum.take_hits());
                    let needs = u64::try_from(-hits).ok().filter(|needs| is_busy && *needs > 0);
                    let write =
                        needs.into_iter().fold(write, |write, needs| write.at_least(ATTR_HITS, needs));
                    onto(&sum, write.add(ATTR_HITS, hits), main).update(&self.table, path)?
                }
                CountEdit::Hits(n) => {
                    sum.take_hits();
                    // What was to be lost is lost anyway; what was not, is not.
                    let keeps = is_busy && old.is_none_or(|old| old <= n);
                    let write = if keeps { write.at_most(ATTR_HITS, n) } else { write };
                    onto(&sum, write.set(ATTR_HITS, number(n)), main).update(&self.table, path)?
                }
                CountEdit::Zero => write.put(&self.table, item_of(path, &Sum::zero()))?,
                CountEdit::Delete => write.delete(&self.table, path)?,
            });
            Ok(self.done(actions).await?.map(|()| CountChange::new(path, old, to.of(old))))
        })
        .await
    }

    /// Adds the counts of some paths to another one and forgets them, all at once: hits, visitors, days and months are summed
    /// up, the first and the last time are those of all. No hit that arrives meanwhile is lost: a path that is hit too fast
    /// to be forgotten keeps those that were not there when it was read.
    pub async fn merge(&self, from: &[String], into: &str) -> Result<Vec<CountChange>, Fault> {
        let attempts = AtomicU32::new(0);
        self.until_done("merging", || async {
            let is_busy = attempts.fetch_add(1, Ordering::Relaxed) >= BUSY_AFTER;
            let (mut actions, mut sum) = (Vec::new(), Sum::default());
            let (mut changes, mut spread) = (Vec::new(), Vec::new());
            for path in from {
                let there = self.existing(path).await?;
                self.take(there.items(), is_busy, &mut actions, &mut sum)?;
                changes.push(CountChange::new(path, there.hits(), is_busy.then_some(0)));
                spread.extend((!there.shards.is_empty()).then_some(path));
            }
            if actions.len() >= MOST_ACTIONS {
                // More than one transaction takes: first each path becomes one item.
                for path in spread {
                    Box::pin(self.fold(path)).await?;
                }
                return Ok(None);
            }
            let there = self.parts(into).await?;
            let mut all = sum.clone();
            there.items().for_each(|item| all.add(&record(item)));
            countable(into, &all)?;
            changes.push(CountChange::new(into, there.hits(), None));
            let write = onto(&sum, Write::default(), there.main.as_ref());
            actions.push(write.update(&self.table, into)?);
            if self.done(actions).await?.is_none() {
                return Ok(None);
            }
            // These are not on condition of their numbers, so that they may be hit all the time.
            for change in changes.iter_mut().filter(|change| is_busy || change.path == into) {
                change.new = self.get(&change.path).await?.map(|row| row.hits);
            }
            Ok(Some(changes))
        })
        .await
    }

    /// Gives a path another name, with everything that it has. Refuses a name that has counts. A path that is hit too fast
    /// keeps those hits that were not there when it was read.
    pub async fn rename(&self, old: &str, new: &str) -> Result<Vec<CountChange>, Fault> {
        let attempts = AtomicU32::new(0);
        self.until_done("renaming", || async {
            let is_busy = attempts.fetch_add(1, Ordering::Relaxed) >= BUSY_AFTER;
            let there = self.existing(old).await?;
            let taken = self.parts(new).await?;
            if !taken.is_empty() {
                let has = taken.hits().unwrap_or(0);
                let message = format!("{new:?} has counts already ({has} hits)");
                return Err(Fault::fatal("exists", message)
                    .hinted("run `hitctl counts merge OLD NEW` to put both together"));
            }
            let (mut actions, mut sum) = (Vec::new(), Sum::default());
            self.take(there.items(), is_busy, &mut actions, &mut sum)?;
            countable(old, &sum)?;
            actions.push(Write::of_same(None).put(&self.table, item_of(new, &sum))?);
            if self.done(actions).await?.is_none() {
                return Ok(None);
            }
            let left = if is_busy { self.get(old).await?.map(|row| row.hits) } else { None };
            let hits = there.hits();
            Ok(Some(vec![CountChange::new(old, hits, left), CountChange::new(new, None, hits)]))
        })
        .await
    }

    /// Adds the shards of a path to its item, which keeps the sum as it is.
    pub(super) async fn fold(&self, path: &str) -> Result<(), Fault> {
        self.until_done("putting a path together", || async {
            let there = self.parts(path).await?;
            if there.shards.is_empty() {
                return Ok(Some(()));
            }
            let (mut actions, mut sum) = (Vec::new(), Sum::default());
            self.take(&there.shards, false, &mut actions, &mut sum)?;
            let write = onto(&sum, Write::default(), there.main.as_ref());
            actions.push(write.update(&self.table, path)?);
            self.done(actions).await
        })
        .await
    }

    /// Forgets the visitors of the whole site.
    pub async fn forget_site(&self) -> Result<(), Fault> {
        self.until_done("forgetting the site's visitors", || async {
            let there = self.parts(KEY_SITE).await?;
            let ends = there.items().map(|item| Write::default().delete(&self.table, key(item)));
            let ends = ends.collect::<Result<Vec<_>, _>>()?;
            if ends.is_empty() {
                return Ok(Some(()));
            }
            self.done(ends).await
        })
        .await
    }

    /// Gives the budget of new paths back what paths that are gone had taken of it. What paths that are there have taken
    /// stays taken, and those that came from files or by hand never took anything.
    pub async fn give_back(&self) -> Result<(), Fault> {
        self.until_done("giving the budget of paths back", || async {
            let budget = self.table.get(KEY_BUDGET).await?;
            let taken = budget.as_ref().and_then(|item| number_of(item, ATTR_BUDGET_PATHS)).unwrap_or(0);
            if taken == 0 {
                return Ok(Some(()));
            }
            let there = self.all().await?.len() as u64;
            let Some(back) = taken.checked_sub(there).filter(|back| *back > 0) else { return Ok(Some(())) };
            // Paths that are new by now have been added to it: they stay.
            let write = Write::default().at_least(ATTR_BUDGET_PATHS, back);
            let write = write.add(ATTR_BUDGET_PATHS, -i128::from(back)).update(&self.table, KEY_BUDGET)?;
            self.done(vec![write]).await
        })
        .await
    }

    async fn existing(&self, path: &str) -> Result<Parts, Fault> {
        let there = self.parts(path).await?;
        if there.is_empty() {
            return Err(Fault::fatal("no_such_path", format!("{path:?} has no counts"))
                .hinted("run `hitctl counts list` to see those that have"));
        }
        Ok(there)
    }

    /// The end of an item, if it was not hit since it was read; of one that is hit all the time, only of its numbers then.
    fn without(&self, item: &Item, is_busy: bool) -> Result<TransactWriteItem, Fault> {
        if is_busy && record(item).numbers().next().is_some() {
            return less(item).update(&self.table, key(item));
        }
        Write::of_same(Some(item)).delete(&self.table, key(item))
    }

    /// Adds the removal of some items to the actions, and their counts to the sum.
    fn take<'a>(
        &self,
        items: impl IntoIterator<Item = &'a Item>,
        is_busy: bool,
        actions: &mut Vec<TransactWriteItem>,
        sum: &mut Sum,
    ) -> Result<(), Fault> {
        for item in items {
            actions.push(self.without(item, is_busy)?);
            sum.add(&record(item));
        }
        Ok(())
    }

    /// Carries out all actions or none; `None` if another write came before.
    async fn done(&self, actions: Vec<TransactWriteItem>) -> Result<Option<()>, Fault> {
        Ok((self.table.transact(actions).await? == Written::Done).then_some(()))
    }

    /// Repeats an attempt that something else came before (`None`), and one that failed for a while.
    pub(super) async fn until_done<T, F, Fut>(&self, doing: &str, attempt: F) -> Result<T, Fault>
    where
        F: Fn() -> Fut + Send + Sync,
        Fut: Future<Output = Result<Option<T>, Fault>> + Send,
        T: Send,
    {
        let once = || async {
            attempt().await?.ok_or_else(|| {
                Fault::transient("busy", "the counts change too fast").hinted("run the command again")
            })
        };
        self.cx.wait(&PATIENCE, doing, once).await
    }
}

/// Refuses numbers that cannot be counted: what comes of a merge, or was written into the table by hand.
fn countable(path: &str, sum: &Sum) -> Result<(), Fault> {
    let too_many = |name: &&str| sum.numbers.get(*name).is_some_and(|n| *n > MAX_COUNT);
    match [ATTR_HITS, ATTR_UNIQUES].into_iter().find(too_many) {
        None => Ok(()),
        Some(name) => Err(out_of_range(path, name)),
    }
}

/// Returns the fault for a number that a path cannot have.
pub(super) fn out_of_range(path: &str, name: &str) -> Fault {
    Fault::fatal("out_of_range", format!("expected at most {MAX_COUNT} {name} of {path:?}, found more"))
        .hinted("run `hitctl counts get` to see what it has; nothing was changed")
}

/// The key of an item that was read.
fn key(item: &Item) -> &str {
    text_of(item, ATTR_PATH).unwrap_or_default()
}

impl CountEdit {
    /// The hits that come of it.
    fn of(self, old: Option<u64>) -> Option<u64> {
        match self {
            Self::Plus(n) => Some(old.unwrap_or(0).saturating_add_signed(n)),
            Self::Hits(n) => Some(n),
            Self::Zero => Some(0),
            Self::Delete => None,
        }
    }
}
