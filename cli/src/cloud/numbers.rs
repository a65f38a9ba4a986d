//! What the items of the table mean: which item belongs to which path, which attribute counts what, and what several items
//! come to. Pure; nothing here reads or writes.

use std::collections::BTreeMap;

use hit_counter::moment::Day;
use hitctl_config::contract::{
    ATTR_DAY_PREFIX, ATTR_DAY_UNIQUES_PREFIX, ATTR_DROPPED_PATH, ATTR_FIRST, ATTR_HITS, ATTR_LAST,
    ATTR_MONTH_PREFIX, ATTR_MONTH_UNIQUES_PREFIX, ATTR_PATH, ATTR_UNIQUES, KEY_DROPPED_PREFIX,
    KEY_SHARD_PREFIX, KEY_SITE, RESERVED_PREFIX,
};

use super::table::{Item, number_of, text_of};
use crate::report::{CountRow, Tally};

/// What was not counted: by month (`2026-11`) and by reason (`bot`).
pub type Dropped = BTreeMap<String, BTreeMap<String, u64>>;

/// Every number of a table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Numbers {
    /// Every path, in the order of the paths.
    pub counts: Vec<CountRow>,
    /// The visitors of the whole site; its hits are those of its paths, and stand there.
    pub site: CountRow,
    /// What was not counted.
    pub dropped: Dropped,
}

/// Sorts the items of a table.
pub(super) fn sorted(items: &[Item]) -> Numbers {
    let mut counts: BTreeMap<&str, CountRow> = BTreeMap::new();
    let mut site = CountRow::zero(KEY_SITE);
    let mut dropped = Dropped::new();
    for item in items {
        let Some(owner) = text_of(item, ATTR_PATH).map(owner) else { continue };
        if owner == KEY_SITE {
            add(&mut site, item);
        } else if let Some(month) = owner.strip_prefix(KEY_DROPPED_PREFIX).and_then(month_of) {
            let reasons = dropped.entry(month).or_default();
            for (name, n) in numbers(item) {
                // The reason `path` is counted under another name: the key has that one.
                let reason = if name == ATTR_DROPPED_PATH { ATTR_PATH } else { name };
                let sum = reasons.entry(reason.to_owned()).or_default();
                *sum = sum.saturating_add(n);
            }
        } else if is_count(owner, item) {
            add(counts.entry(owner).or_insert_with(|| CountRow::zero(owner)), item);
        }
    }
    Numbers { counts: counts.into_values().collect(), site, dropped }
}

/// The numbers of one path, of its item and its shards; `None` where nothing was ever counted.
pub(super) fn row(path: &str, items: &[Item]) -> Option<CountRow> {
    let mut counted = items.iter().filter(|item| number_of(item, ATTR_HITS).is_some()).peekable();
    counted.peek()?;
    let mut row = CountRow::zero(path);
    counted.for_each(|item| add(&mut row, item));
    Some(row)
}

/// The path whose hits an item counts: that of a shard is in its key.
fn owner(key: &str) -> &str {
    let shard = key.strip_prefix(KEY_SHARD_PREFIX).and_then(|rest| rest.split_once('#'));
    shard.map_or(key, |(_, path)| path)
}

/// The key of a path's further item of that number, from 1 on.
pub(super) fn shard_key(path: &str, number: u32) -> String {
    format!("{KEY_SHARD_PREFIX}{number}#{path}")
}

fn is_count(owner: &str, item: &Item) -> bool {
    !owner.starts_with(RESERVED_PREFIX) && number_of(item, ATTR_HITS).is_some()
}

/// The attributes that are whole numbers.
pub(super) fn numbers(item: &Item) -> impl Iterator<Item = (&str, u64)> {
    item.keys().filter_map(|name| Some((name.as_str(), number_of(item, name)?)))
}

fn add(row: &mut CountRow, item: &Item) {
    for (name, n) in numbers(item) {
        let Some(meaning) = Meaning::of(name) else { continue };
        let tally = match meaning.when {
            When::Ever => {
                let sum = if meaning.visitors { &mut row.uniques } else { &mut row.hits };
                *sum = sum.saturating_add(n);
                continue;
            }
            When::Day(day) => row.days.entry(day).or_default(),
            When::Month(month) => row.months.entry(month).or_default(),
        };
        tally.add(if meaning.visitors {
            Tally { hits: 0, uniques: n }
        } else {
            Tally { hits: n, uniques: 0 }
        });
    }
    let own = |name: &str| text_of(item, name).map(str::to_owned);
    row.first = [row.first.take(), own(ATTR_FIRST)].into_iter().flatten().min();
    row.last = [row.last.take(), own(ATTR_LAST)].into_iter().flatten().max();
}

/// What a number attribute counts.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Meaning {
    when: When,
    visitors: bool,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum When {
    Ever,
    /// `2026-11-20`
    Day(String),
    /// `2026-11`
    Month(String),
}

impl Meaning {
    fn of(name: &str) -> Option<Self> {
        let day = |digits: &str| Day::from_attribute(&format!("{ATTR_DAY_PREFIX}{digits}"));
        let parts = |prefix: &str| name.strip_prefix(prefix);
        let (when, visitors) = match name {
            ATTR_HITS => (When::Ever, false),
            ATTR_UNIQUES => (When::Ever, true),
            _ => [(ATTR_DAY_PREFIX, false), (ATTR_DAY_UNIQUES_PREFIX, true)]
                .into_iter()
                .find_map(|(prefix, visitors)| Some((When::Day(day(parts(prefix)?)?.to_string()), visitors)))
                .or_else(|| {
                    [(ATTR_MONTH_PREFIX, false), (ATTR_MONTH_UNIQUES_PREFIX, true)].into_iter().find_map(
                        |(prefix, visitors)| Some((When::Month(year_and_month(parts(prefix)?)?), visitors)),
                    )
                })?,
        };
        Some(Self { when, visitors })
    }
}

/// `2026-11`, of `m2611`.
fn month_of(attribute: &str) -> Option<String> {
    year_and_month(attribute.strip_prefix(ATTR_MONTH_PREFIX)?)
}

/// `2026-11`, of `2611`: the counter is of this century.
fn year_and_month(digits: &str) -> Option<String> {
    let all_digits = digits.len() == 4 && digits.bytes().all(|byte| byte.is_ascii_digit());
    let (year, month) = all_digits.then(|| digits.split_at(2))?;
    ("01"..="12").contains(&month).then(|| format!("20{year}-{month}"))
}

#[cfg(test)]
#[path = "numbers_tests.rs"]
mod tests;
