//! The counts of a table: read, and changed in ways that lose no hit that arrives meanwhile.
//!
//! Every change is a transaction on the condition that what was read is still there; where it is not, it is read and
//! tried again, and after some attempts on the least condition that will do. A transaction that is sent again after a lost answer is done once.

use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use aws_sdk_dynamodb::types::builders::UpdateBuilder;
use aws_sdk_dynamodb::types::{AttributeValue, Delete, Put, TransactWriteItem};
use hitctl_config::contract::{ATTR_FIRST, ATTR_HITS, ATTR_LAST, ATTR_PATH, MAX_SHARDS};
use hitctl_engine::{Address, Cx, Fault, Sink, Wait};
use tokio_util::sync::CancellationToken;

use super::numbers::{self, Dropped, Numbers};
use super::table::{Item, Table, Written, number, number_of, text, text_of};
use crate::report::{CountChange, CountRow};

/// The most paths that one merge takes: a transaction has at most 100 actions.
pub const MOST_MERGED: usize = 99;

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
}

/// What becomes of a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum To {
    /// It has so many hits more, or fewer; days, months and times stay as they are.
    Plus(i64),
    /// It has so many hits; days, months and times stay as they are.
    Hits(u64),
    /// It has no hits, as if nobody had ever come; but it stays listed.
    Zero,
    /// It is forgotten.
    Gone,
}

impl Counts {
    /// The counts of that table; `stop` ends waiting.
    pub fn new(table: Table, stop: &CancellationToken) -> Self {
        let cx = Cx::new(Address::new("table", "hits"), Sink::none(), stop.clone());
        Self { table, cx }
    }

    pub(super) fn table(&self) -> &Table {
        &self.table
    }

    /// Every number of the table, in one reading.
    pub async fn numbers(&self) -> Result<Numbers, Fault> {
        Ok(numbers::sorted(&self.table.scan().await?))
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
        Ok(numbers::row(path, &self.items(path).await?))
    }

    /// The items of a path that are there: its own, and any shard that it may have, whatever is configured by now.
    async fn items(&self, path: &str) -> Result<Vec<Item>, Fault> {
        let shards = (1..MAX_SHARDS).map(|number| numbers::shard_key(path, number));
        let keys: Vec<String> = std::iter::once(path.to_owned()).chain(shards).collect();
        self.table.get_many(&keys).await
    }

    /// Changes the count of one path to what `decide` makes of the hits that it has. `None` leaves it as it is.
    pub async fn change(
        &self,
        path: &str,
        decide: impl Fn(Option<u64>) -> Result<Option<To>, Fault> + Sync,
    ) -> Result<CountChange, Fault> {
        let attempts = AtomicU32::new(0);
        self.until_done("changing the counts", || async {
            let item = self.table.get(path).await?;
            let old = item.as_ref().and_then(|item| number_of(item, ATTR_HITS));
            let Some(to) = decide(old)? else { return Ok(Some(CountChange::new(path, old, old))) };
            let is_busy = attempts.fetch_add(1, Ordering::Relaxed) >= BUSY_AFTER;
            let unless_hit = if is_busy { to.if_busy(old) } else { Condition::same(item.as_ref()) };
            let update = || {
                unless_hit.clone().on(self.table.updating(path)).expression_attribute_names("#h", ATTR_HITS)
            };
            let action = match to {
                To::Plus(n) => Self::updated(
                    update()
                        .update_expression("ADD #h :n")
                        .expression_attribute_values(":n", AttributeValue::N(n.to_string())),
                )?,
                To::Hits(n) => Self::updated(
                    update().update_expression("SET #h = :n").expression_attribute_values(":n", number(n)),
                )?,
                To::Zero => {
                    let zero = [(ATTR_PATH, text(path)), (ATTR_HITS, number(0))];
                    let zero = zero.map(|(name, value)| (name.to_owned(), value));
                    self.put(Item::from(zero), unless_hit.clone())?
                }
                To::Gone => self.deleted(path, unless_hit.clone())?,
            };
            let done = self.table.transact(vec![action]).await? == Written::Done;
            Ok(done.then(|| CountChange::new(path, old, to.of(old))))
        })
        .await
    }

    /// Adds the counts of some paths to another one and forgets them, all at once: hits, days and months are summed up,
    /// the first and the last time are those of all. No hit that arrives meanwhile is lost: a path that is hit too fast
    /// to be forgotten keeps those that were not there when it was read.
    pub async fn merge(&self, from: &[String], into: &str) -> Result<Vec<CountChange>, Fault> {
        let attempts = AtomicU32::new(0);
        self.until_done("merging", || async {
            let is_busy = attempts.fetch_add(1, Ordering::Relaxed) >= BUSY_AFTER;
            let mut merged = Merge::default();
            let mut actions = Vec::new();
            let mut changes = Vec::new();
            for path in from {
                let item = self.existing(path).await?;
                actions.push(if is_busy {
                    Self::updated(less(self.table.updating(path), &item))?
                } else {
                    self.deleted(path, Condition::same(Some(&item)))?
                });
                changes.push(CountChange::new(path, number_of(&item, ATTR_HITS), is_busy.then_some(0)));
                merged.add(&item);
            }
            let there = self.table.get(into).await?;
            changes.push(CountChange::new(
                into,
                there.as_ref().and_then(|item| number_of(item, ATTR_HITS)),
                None,
            ));
            actions.push(Self::updated(merged.into_update(self.table.updating(into), there.as_ref()))?);
            if self.table.transact(actions).await? != Written::Done {
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

    /// Gives a path another name, with everything that it has. Refuses a name that has counts.
    pub async fn rename(&self, old: &str, new: &str) -> Result<Vec<CountChange>, Fault> {
        self.until_done("renaming", || async {
            let item = self.existing(old).await?;
            let hits = number_of(&item, ATTR_HITS);
            if let Some(there) = self.table.get(new).await? {
                let has = number_of(&there, ATTR_HITS).unwrap_or(0);
                let message = format!("{new:?} has counts already ({has} hits)");
                return Err(Fault::fatal("exists", message)
                    .hinted("run `hitctl counts merge OLD NEW` to put both together"));
            }
            let gone = self.deleted(old, Condition::same(Some(&item)))?;
            let mut renamed = item;
            renamed.insert(ATTR_PATH.to_owned(), text(new));
            let put = self.put(renamed, Condition::same(None))?;
            let done = self.table.transact(vec![gone, put]).await? == Written::Done;
            Ok(done.then(|| vec![CountChange::new(old, hits, None), CountChange::new(new, None, hits)]))
        })
        .await
    }

    async fn existing(&self, path: &str) -> Result<Item, Fault> {
        self.table.get(path).await?.ok_or_else(|| {
            Fault::fatal("no_such_path", format!("{path:?} has no counts"))
                .hinted("run `hitctl counts list` to see those that have")
        })
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

    pub(super) fn updated(update: UpdateBuilder) -> Result<TransactWriteItem, Fault> {
        let update = update.build().map_err(|error| incomplete(&error))?;
        Ok(TransactWriteItem::builder().update(update).build())
    }

    pub(super) fn put(&self, item: Item, condition: Condition) -> Result<TransactWriteItem, Fault> {
        let put = Put::builder().table_name(self.table.name()).set_item(Some(item));
        let put = put
            .set_condition_expression(condition.expression)
            .set_expression_attribute_names(Some(condition.names).filter(|names| !names.is_empty()))
            .set_expression_attribute_values(Some(condition.values).filter(|values| !values.is_empty()))
            .build()
            .map_err(|error| incomplete(&error))?;
        Ok(TransactWriteItem::builder().put(put).build())
    }

    fn deleted(&self, path: &str, condition: Condition) -> Result<TransactWriteItem, Fault> {
        let delete = Delete::builder().table_name(self.table.name()).key(ATTR_PATH, text(path));
        let delete = delete
            .set_condition_expression(condition.expression)
            .set_expression_attribute_names(Some(condition.names).filter(|names| !names.is_empty()))
            .set_expression_attribute_values(Some(condition.values).filter(|values| !values.is_empty()))
            .build()
            .map_err(|error| incomplete(&error))?;
        Ok(TransactWriteItem::builder().delete(delete).build())
    }
}

impl To {
    /// The hits that come of it.
    fn of(self, old: Option<u64>) -> Option<u64> {
        match self {
            Self::Plus(n) => Some(old.unwrap_or(0).saturating_add_signed(n)),
            Self::Hits(n) => Some(n),
            Self::Zero => Some(0),
            Self::Gone => None,
        }
    }

    /// The least condition under which it is still what was asked for, for paths that are hit faster than they can be read
    /// and written. What was to be lost is lost anyway.
    fn if_busy(self, old: Option<u64>) -> Condition {
        let hits = |expression: &str, n: u64| Condition {
            expression: Some(expression.to_owned()),
            names: HashMap::from([("#h".to_owned(), ATTR_HITS.to_owned())]),
            values: HashMap::from([(":c".to_owned(), number(n))]),
        };
        match self {
            Self::Plus(n) if n < 0 => hits("#h >= :c", n.unsigned_abs()),
            Self::Hits(n) if old.is_none_or(|old| old <= n) => {
                hits("attribute_not_exists(#h) OR #h <= :c", n)
            }
            _ => Condition::default(),
        }
    }
}

/// A condition of a write, with what it names. None: always.
#[derive(Clone, Debug, Default)]
pub(super) struct Condition {
    expression: Option<String>,
    names: HashMap<String, String>,
    values: HashMap<String, AttributeValue>,
}

impl Condition {
    /// The item was not hit since it was read; `None`: it is still not there.
    pub(super) fn same(item: Option<&Item>) -> Self {
        let mut condition = Self::default();
        condition.names.insert("#p".to_owned(), ATTR_PATH.to_owned());
        let Some(item) = item else {
            condition.expression = Some("attribute_not_exists(#p)".to_owned());
            return condition;
        };
        let mut parts = vec!["attribute_exists(#p)".to_owned()];
        for (name, alias, value) in [(ATTR_HITS, "#h", ":h"), (ATTR_LAST, "#l", ":l")] {
            condition.names.insert(alias.to_owned(), name.to_owned());
            parts.push(match item.get(name) {
                Some(old) => {
                    condition.values.insert(value.to_owned(), old.clone());
                    format!("{alias} = {value}")
                }
                None => format!("attribute_not_exists({alias})"),
            });
        }
        condition.expression = Some(parts.join(" AND "));
        condition
    }

    fn on(self, mut update: UpdateBuilder) -> UpdateBuilder {
        for (alias, name) in self.names {
            update = update.expression_attribute_names(alias, name);
        }
        for (alias, value) in self.values {
            update = update.expression_attribute_values(alias, value);
        }
        update.set_condition_expression(self.expression)
    }
}

/// The update that takes away all numbers that an item has; on condition that they are all still there.
fn less(mut update: UpdateBuilder, item: &Item) -> UpdateBuilder {
    let (mut takes, mut conditions) = (Vec::new(), Vec::new());
    let numbers = item.keys().filter_map(|name| Some((name, number_of(item, name)?)));
    for (n, (name, value)) in numbers.enumerate() {
        takes.push(format!("#n{n} :m{n}"));
        conditions.push(format!("#n{n} >= :n{n}"));
        update = update
            .expression_attribute_names(format!("#n{n}"), name)
            .expression_attribute_values(format!(":n{n}"), number(value))
            .expression_attribute_values(format!(":m{n}"), AttributeValue::N(format!("-{value}")));
    }
    update
        .update_expression(format!("ADD {}", takes.join(", ")))
        .condition_expression(conditions.join(" AND "))
}

/// What several items come to.
#[derive(Default)]
struct Merge {
    numbers: BTreeMap<String, u64>,
    first: Option<String>,
    last: Option<String>,
}

impl Merge {
    fn add(&mut self, item: &Item) {
        for name in item.keys() {
            let Some(value) = number_of(item, name) else { continue };
            let sum = self.numbers.entry(name.clone()).or_default();
            *sum = sum.saturating_add(value);
        }
        let earlier = [self.first.take(), text_of(item, ATTR_FIRST).map(str::to_owned)];
        self.first = earlier.into_iter().flatten().min();
        let later = [self.last.take(), text_of(item, ATTR_LAST).map(str::to_owned)];
        self.last = later.into_iter().flatten().max();
    }

    /// The update that adds all of it to an item.
    fn into_update(self, mut update: UpdateBuilder, there: Option<&Item>) -> UpdateBuilder {
        let mut adds = Vec::new();
        for (n, (name, sum)) in self.numbers.into_iter().enumerate() {
            adds.push(format!("#n{n} :n{n}"));
            update = update
                .expression_attribute_names(format!("#n{n}"), name)
                .expression_attribute_values(format!(":n{n}"), number(sum));
        }
        times(update, format!("ADD {}", adds.join(", ")), self.first, self.last, there)
    }
}

/// Completes an update with the times, where they are earlier or later than those of the item: on condition that they
/// still are.
pub(super) fn times(
    mut update: UpdateBuilder,
    mut expression: String,
    first: Option<String>,
    last: Option<String>,
    there: Option<&Item>,
) -> UpdateBuilder {
    let of = |name: &str| there.and_then(|item| text_of(item, name));
    let first = first.filter(|first| of(ATTR_FIRST).is_none_or(|old| first.as_str() < old));
    let last = last.filter(|last| of(ATTR_LAST).is_none_or(|old| last.as_str() > old));
    let (mut sets, mut conditions) = (Vec::new(), Vec::new());
    for (name, alias, value, time, order) in
        [(ATTR_FIRST, "#f", ":f", first, ">"), (ATTR_LAST, "#l", ":l", last, "<")]
    {
        let Some(time) = time else { continue };
        sets.push(format!("{alias} = {value}"));
        conditions.push(format!("(attribute_not_exists({alias}) OR {alias} {order} {value})"));
        update =
            update.expression_attribute_names(alias, name).expression_attribute_values(value, text(time));
    }
    if !sets.is_empty() {
        expression = format!("{expression} SET {}", sets.join(", "));
        update = update.condition_expression(conditions.join(" AND "));
    }
    update.update_expression(expression)
}

/// A mistake of ours: a part of a request is missing.
fn incomplete(error: &dyn std::error::Error) -> Fault {
    Fault::fatal("request", "a request to the table could not be made").caused_by(error)
}
